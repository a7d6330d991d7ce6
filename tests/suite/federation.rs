//! External identities: an issuer signs, an organization trusts it, a JWT
//! becomes an access token.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tessera::audit::Actor;
use tessera::audit::Change;
use tessera::platform::clock::DAY;
use tessera::platform::web::RequestContext;
use tessera::platform::{Error, sql};
use tessera::tokens::access_token::{DEFAULT_LIFETIME, issue};
use tessera::tokens::access_token_grant::AccessTokenGrant;
use tessera::verification::assertion::ParsedAssertion;

use crate::harness::{Answer, ByTest, TestApp};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Keys for these tests alone: Ed25519, PKCS #8 (RFC 8410).
const KEYS: [(&str, &str); 2] = [
    ("one", "MC4CAQAwBQYDK2VwBCIEIIj4pOjdXeDbnPTDPULBK8_BFplLpRjppMyucbWfexiA"),
    ("two", "MC4CAQAwBQYDK2VwBCIEIDX9M1hUVAy1KSmZP165Ci2o0Idv3N7WvoXiWovMds-F"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Redirects,
    TooMuch,
    Hangs,
    Garbage,
    /// Well, with its keys at an address that has a query.
    Queries,
    /// Well, and another issuer by its own word.
    CallsItselfOtherwise,
}

/// An issuer on loopback: what it publishes, and how often it was asked.
#[derive(Clone)]
struct Issuer {
    address: String,
    keys: Arc<Mutex<Vec<Value>>>,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

async fn metadata(State(issuer): State<Issuer>) -> Json<Value> {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    let mood = *issuer.mood.lock().expect("unlocked");
    let query = if mood == Mood::Queries { "?p=sign_in" } else { "" };
    let more = if mood == Mood::CallsItselfOtherwise { "/other" } else { "" };
    Json(json!({
        "issuer": format!("{}{more}", issuer.address), "jwks_uri": format!("{}/jwks{query}", issuer.address)
    }))
}

async fn jwks(State(issuer): State<Issuer>, RawQuery(query): RawQuery) -> Response {
    let mood = *issuer.mood.lock().expect("unlocked");
    match mood {
        Mood::Queries if query.as_deref() != Some("p=sign_in") => StatusCode::NOT_FOUND.into_response(),
        Mood::Well | Mood::Queries | Mood::CallsItselfOtherwise => {
            let keys = issuer.keys.lock().expect("unlocked").clone();
            Json(json!({ "keys": keys })).into_response()
        }
        Mood::Redirects => Redirect::temporary("/elsewhere").into_response(),
        Mood::TooMuch => "x".repeat(600 * 1024).into_response(),
        Mood::Hangs => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            "late".into_response()
        }
        Mood::Garbage => "<html>".into_response(),
    }
}

async fn elsewhere(State(issuer): State<Issuer>) -> Json<Value> {
    issuer.asked.fetch_add(1000, Ordering::SeqCst);
    Json(json!({ "keys": issuer.keys.lock().expect("unlocked").clone() }))
}

fn published(name: &str) -> Value {
    let key = signing(name);
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a key");
    let mut jwk = json!(jwk);
    jwk["kid"] = json!(name);
    jwk["use"] = json!("sig");
    jwk
}

fn signing(name: &str) -> EncodingKey {
    use base64::Engine as _;
    let (_, der) = KEYS.iter().find(|(known, _)| *known == name).expect("a key");
    let der = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(der).expect("base64");
    EncodingKey::from_ed_der(&der)
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let issuer = Self {
            address: format!("http://{address}"),
            keys: Arc::new(Mutex::new(vec![published("one")])),
            mood: Arc::new(Mutex::new(Mood::Well)),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .route("/elsewhere", get(elsewhere))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A house that trusts an issuer, with an account of the subject `repo:acme/shop`.
struct World {
    house: TestApp,
    olive: String,
    issuer: Issuer,
    provider: String,
    account: String,
}

async fn world() -> World {
    let settings = [("allow_private_issuers", "true"), ("trusted_proxies", "127.0.0.1")];
    let (house, olive) = TestApp::set_up_with(&settings).await;
    house.team(&olive, "shop").await;
    let issuer = Issuer::start().await;
    let body = json!({ "name": "CI", "issuer": issuer.address, "audience": "tessera" });
    let answer = house.post(&olive, "/organizations/acme/identity-providers", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let provider = answer.json()["id"].as_str().expect("an id").to_owned();
    let identity = json!({ "provider": provider, "subject": "repo:acme/shop" });
    let account = federated(&house, &olive, "shop-ci", identity).await;
    World { house, olive, issuer, provider, account }
}

async fn federated(house: &TestApp, olive: &str, name: &str, identity: Value) -> String {
    let body = json!({
        "name": name, "scope": "team", "team": "shop", "authentication": "federated", "identity": identity,
    });
    let answer = house.post(olive, "/organizations/acme/service-accounts", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert!(answer.json().get("key").is_none());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

impl World {
    fn claims(&self) -> Value {
        let now = self.house.app.context.clock.now().micros() / 1_000_000;
        json!({ "iss": self.issuer.address, "aud": "tessera", "sub": "repo:acme/shop", "iat": now, "exp": now + 300 })
    }

    async fn present(&self, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let fields = [("grant_type", JWT_BEARER), ("assertion", assertion)];
        self.house.oauth("/oauth2/token", &[], &[&fields[..], more].concat()).await
    }

    async fn ask(&self, claims: &Value) -> Answer {
        self.present(&signed_by("one", claims), &[]).await
    }
}

fn signed_by(key: &str, claims: &Value) -> String {
    let header = Header { kid: Some(key.to_owned()), ..Header::new(Algorithm::EdDSA) };
    encode(&header, claims, &signing(key)).expect("signed")
}

fn access(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

fn refused(answer: &Answer, word: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!(answer.json()["error"], "invalid_grant");
    let told = answer.json()["error_description"].as_str().expect("words").to_owned();
    assert!(told.contains(word), "{told}");
}

#[tokio::test]
async fn an_external_identity_becomes_an_access_token_and_nothing_is_stored_of_it() {
    let world = world().await;
    let assertion = signed_by("one", &world.claims());
    let token = access(&world.present(&assertion, &[("scope", "runs:write")]).await);
    let who = world.house.get(&token, "/whoami").await.json();
    assert_eq!(
        (&who["id"], &who["name"], &who["team"]),
        (&json!(world.account), &json!("shop-ci"), &json!("shop"))
    );
    assert_eq!(who["permissions"], json!(["runs:write"]));
    let events =
        world.house.get(&world.olive, "/organizations/acme/audit-events?action=access_token.issued").await;
    assert_eq!(events.json()["items"][0]["actor_id"], world.account.as_str());
    assert!(!events.text.contains(&assertion));
}

#[tokio::test]
async fn an_assertion_is_for_this_subject_this_audience_of_this_issuer_now() {
    let world = world().await;
    let now = world.claims()["iat"].as_i64().expect("a time");
    access(&world.ask(&world.claims()).await);
    for (field, value, word) in [
        ("sub", json!("repo:acme/other"), "No active service account has the subject"),
        ("sub", json!("repo:acme/shop "), "No active service account has the subject"),
        ("sub", json!(null), "sub"),
        ("aud", json!("Tessera"), "No identity provider"),
        ("aud", json!(["tessera", "other"]), "one audience"),
        ("aud", json!(null), "aud"),
        ("iss", json!(format!("{}/", world.issuer.address)), "No identity provider"),
        ("iss", json!(7), "iss"),
        ("exp", json!(now), "expired"),
        ("exp", json!(now - 1), "expired"),
        ("exp", json!(null), "exp"),
        ("exp", json!("1"), "exp"),
        ("exp", json!(1_900_000_000.5), "exp"),
        ("exp", json!(now + 3 * 24 * 3600), "more than a day"),
        ("nbf", json!(now + 600), "nbf"),
        ("nbf", json!("x"), "nbf"),
        ("iat", json!(now + 600), "iat"),
        ("iat", json!(null), "iat"),
    ] {
        let mut claims = world.claims();
        claims[field] = value.clone();
        let answer = world.ask(&claims).await;
        refused(&answer, word);
    }
    let mut one = world.claims();
    one["aud"] = json!(["tessera"]);
    access(&world.ask(&one).await);
}

#[tokio::test]
async fn the_same_subject_of_another_issuer_is_another_account() {
    let world = world().await;
    let other = Issuer::start().await;
    let mut claims = world.claims();
    claims["iss"] = json!(other.address);
    refused(&world.ask(&claims).await, "No identity provider");
    let body = json!({ "name": "Other", "issuer": other.address, "audience": "tessera" });
    world.house.post(&world.olive, "/organizations/acme/identity-providers", body).await;
    refused(&world.ask(&claims).await, "No active service account");
    let identity = json!({ "provider": "Other", "subject": "repo:acme/shop" });
    let second = federated(&world.house, &world.olive, "other-ci", identity).await;
    let token = access(&world.ask(&claims).await);
    assert_eq!(world.house.get(&token, "/whoami").await.json()["id"], second.as_str());
    let token = access(&world.ask(&world.claims()).await);
    assert_eq!(world.house.get(&token, "/whoami").await.json()["id"], world.account.as_str());
}

#[tokio::test]
async fn conditions_tell_ci_systems_apart_and_an_ambiguous_identity_names_its_account() {
    let world = world().await;
    let identity = json!({
        "provider": "CI", "conditions": { "repository": "acme/site", "ref": "refs/heads/main", "run": "7", "protected": "true" },
    });
    let site = federated(&world.house, &world.olive, "site-ci", identity).await;
    let mut claims = world.claims();
    claims["sub"] = json!("repo:acme/site:ref:refs/heads/main");
    for (claim, value) in [
        ("repository", json!("acme/site")),
        ("ref", json!("refs/heads/main")),
        ("run", json!(7)),
        ("protected", json!(true)),
    ] {
        claims[claim] = value;
    }
    let token = access(&world.ask(&claims).await);
    assert_eq!(world.house.get(&token, "/whoami").await.json()["id"], site.as_str());
    for (claim, value) in [
        ("repository", json!("acme/site2")),
        ("repository", json!(["acme/site"])),
        ("ref", json!("refs/heads/main2")),
        ("ref", json!(null)),
        ("protected", json!(false)),
    ] {
        let mut wrong = claims.clone();
        wrong[claim] = value;
        refused(&world.ask(&wrong).await, "conditions");
    }
    let same = json!({ "provider": "CI", "conditions": { "repository": "acme/site" } });
    let wide = federated(&world.house, &world.olive, "wide-ci", same).await;
    refused(&world.ask(&claims).await, "Several service accounts");
    let assertion = signed_by("one", &claims);
    let token = access(&world.present(&assertion, &[("client_id", &wide)]).await);
    assert_eq!(world.house.get(&token, "/whoami").await.json()["id"], wide.as_str());
    refused(&world.present(&assertion, &[("client_id", &world.account)]).await, "No active service account");
    // Neither subject nor condition would be everybody.
    let body = json!({
        "name": "everybody", "scope": "team", "team": "shop", "authentication": "federated",
        "identity": { "provider": "CI", "subject": " " },
    });
    let answer = world.house.post(&world.olive, "/organizations/acme/service-accounts", body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_a_federated_account_got_ends_with_the_account_its_identity_and_its_provider() {
    let world = world().await;
    let lives = async |token: &str| world.house.get(token, "/whoami").await.status == StatusCode::OK;
    let account = format!("/organizations/acme/service-accounts/{}", world.account);
    let token = access(&world.ask(&world.claims()).await);
    world.house.post(&world.olive, &format!("{account}/disable"), json!({})).await;
    assert!(!lives(&token).await);
    refused(&world.ask(&world.claims()).await, "No active service account");
    world.house.post(&world.olive, &format!("{account}/enable"), json!({})).await;
    assert!(lives(&token).await);
    let limits = json!({ "allowed_addresses": ["10.0.0.0/8"] });
    world.house.api(&world.olive, Method::PATCH, &account, Some(limits)).await;
    assert_eq!(world.house.get(&token, "/whoami").await.status, StatusCode::FORBIDDEN);
    refused(&world.ask(&world.claims()).await, "cannot be used from");
    let anywhere = json!({ "allowed_addresses": [] });
    world.house.api(&world.olive, Method::PATCH, &account, Some(anywhere)).await;
    let moved = json!({ "identity": { "provider": world.provider, "subject": "repo:acme/shop2" } });
    world.house.api(&world.olive, Method::PATCH, &account, Some(moved)).await;
    assert!(!lives(&token).await, "another identity");
    let mut claims = world.claims();
    claims["sub"] = json!("repo:acme/shop2");
    let token = access(&world.ask(&claims).await);
    let provider = format!("/organizations/acme/identity-providers/{}", world.provider);
    world.house.api(&world.olive, Method::PATCH, &provider, Some(json!({ "audience": "other" }))).await;
    assert!(!lives(&token).await, "another audience");
    refused(&world.ask(&claims).await, "No identity provider");
    claims["aud"] = json!("other");
    let token = access(&world.ask(&claims).await);
    world.house.api(&world.olive, Method::DELETE, &account, None).await;
    assert!(!lives(&token).await);
}

#[tokio::test]
async fn no_identity_is_exchanged_for_an_account_or_by_a_provider_that_changed_meanwhile() {
    let world = world().await;
    let app = &world.house.app;
    let proven = ParsedAssertion::parse(&signed_by("one", &world.claims()))
        .expect("read")
        .verify(&app.verifier)
        .await
        .expect("proved");
    let actor = Actor::anonymous(&RequestContext::default(), "test");
    let exchanged = async |account: i64, provider: i64| {
        let organization = world.house.caller("olive").await.organization.id;
        let (account, provider) = (
            (world.account.parse().expect("an id"), account),
            (world.provider.parse().expect("an id"), provider),
        );
        let access = AccessTokenGrant::from_identity(&proven, organization, account, provider, None);
        let change = Change::begin(&app.context, &actor, Some(organization)).await.expect("begun");
        issue(change, &access, None, DEFAULT_LIFETIME).await
    };
    let versions = async || {
        let row: (i64, i64) = sql("SELECT a.version, p.version AS provider FROM service_accounts a \
             JOIN identity_providers p ON p.id = a.identity_provider_id WHERE a.id = $1")
        .bind(world.account.as_str())
        .one(&app.context.db)
        .await
        .expect("read");
        row
    };
    let (account, provider) = versions().await;
    exchanged(account, provider).await.expect("as they were read");
    for (account, provider) in [(account - 1, provider), (account, provider - 1)] {
        assert!(matches!(exchanged(account, provider).await, Err(Error::Unauthenticated { .. })));
    }
    let path = format!("/organizations/acme/service-accounts/{}", world.account);
    world.house.post(&world.olive, &format!("{path}/disable"), json!({})).await;
    let (account, provider) = versions().await;
    assert!(matches!(exchanged(account, provider).await, Err(Error::Unauthenticated { .. })));
    world.house.post(&world.olive, &format!("{path}/enable"), json!({})).await;
    let (account, provider) = versions().await;
    exchanged(account, provider).await.expect("enabled again");
    let deleted = world.house.api(&world.olive, Method::DELETE, &path, None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let (account, provider) = versions().await;
    assert!(matches!(exchanged(account, provider).await, Err(Error::Unauthenticated { .. })));
}

#[tokio::test]
async fn keys_rotate_and_an_unknown_one_is_asked_for_once_a_minute() {
    let world = world().await;
    let second = Duration::from_secs(1);
    access(&world.ask(&world.claims()).await);
    let before = world.issuer.asked();
    // The issuer signs with a key that it does not publish yet: one question, not many.
    world.house.app.context.clock.advance(61 * second);
    for _ in 0..5 {
        let assertion = signed_by("two", &world.claims());
        refused(&world.present(&assertion, &[]).await, "does not publish");
    }
    assert_eq!(world.issuer.asked(), before + 1);
    *world.issuer.keys.lock().expect("unlocked") = vec![published("two")];
    world.house.app.context.clock.advance(61 * second);
    let assertion = signed_by("two", &world.claims());
    access(&world.present(&assertion, &[]).await);
    assert_eq!(world.issuer.asked(), before + 2);
    // The old key is gone with it.
    refused(&world.ask(&world.claims()).await, "does not publish");
    // Twenty at once wait for one question.
    world.house.app.context.clock.advance(DAY);
    let assertion = signed_by("two", &world.claims());
    let all: Vec<_> = (0..20).map(|_| world.present(&assertion, &[])).collect();
    for answer in futures(all).await {
        access(&answer);
    }
    assert_eq!(world.issuer.asked(), before + 3);
}

async fn futures<T>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in all.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().map(|value| value.expect("done")).collect()
}

#[tokio::test]
async fn an_issuer_that_redirects_floods_hangs_or_babbles_vouches_for_nobody() {
    for mood in [Mood::Redirects, Mood::TooMuch, Mood::Garbage, Mood::Hangs, Mood::CallsItselfOtherwise] {
        let world = world().await;
        *world.issuer.mood.lock().expect("unlocked") = mood;
        refused(&world.ask(&world.claims()).await, "keys of the identity provider are not available");
        assert!(world.issuer.asked() < 1000, "a redirect was followed");
    }
    // Known keys are used for an hour where the issuer is away, not longer.
    let world = world().await;
    access(&world.ask(&world.claims()).await);
    *world.issuer.mood.lock().expect("unlocked") = Mood::Garbage;
    world.house.app.context.clock.advance(DAY / 48);
    access(&world.ask(&world.claims()).await);
    world.house.app.context.clock.advance(DAY / 24);
    refused(&world.ask(&world.claims()).await, "keys of the identity provider are not available");
}

#[tokio::test]
async fn a_provider_is_added_only_while_its_issuer_works_by_who_may_and_removed_when_nobody_needs_it() {
    let world = world().await;
    let (house, olive, path) = (&world.house, &world.olive, "/organizations/acme/identity-providers");
    let add = async |token: &str, name: &str, audience: &str| {
        let body = json!({ "name": name, "issuer": world.issuer.address, "audience": audience });
        house.post(token, path, body).await
    };
    // Nobody else has the installation ask an address of their choice.
    let ann = house.person("ann", "member", None).await;
    let asked = world.issuer.asked();
    assert_eq!(add(&ann, "Mine", "mine").await.status, StatusCode::FORBIDDEN);
    let edit = json!({ "issuer": format!("{}/", world.issuer.address) });
    let one = format!("{path}/{}", world.provider);
    let refused_edit = house.api(&ann, Method::PATCH, &one, Some(edit)).await;
    assert_eq!(refused_edit.status, StatusCode::FORBIDDEN, "{}", refused_edit.text);
    assert_eq!(world.issuer.asked(), asked, "somebody without the permission had it asked");
    let taken = add(olive, "ci", "other").await;
    assert_eq!((taken.status, &taken.json()["errors"][0]["field"]), (StatusCode::CONFLICT, &json!("name")));
    let taken = add(olive, "Again", "tessera").await;
    assert_eq!(
        (taken.status, &taken.json()["errors"][0]["field"]),
        (StatusCode::CONFLICT, &json!("audience"))
    );
    let second = add(olive, "Second", "second").await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text);
    let taken = house
        .api(olive, Method::PATCH, &format!("{path}/Second"), Some(json!({ "audience": "tessera" })))
        .await;
    assert_eq!(
        (taken.status, &taken.json()["errors"][0]["field"]),
        (StatusCode::CONFLICT, &json!("audience"))
    );
    let taken =
        house.api(olive, Method::PATCH, &format!("{path}/Second"), Some(json!({ "name": "CI" }))).await;
    assert_eq!((taken.status, &taken.json()["errors"][0]["field"]), (StatusCode::CONFLICT, &json!("name")));
    let keys = std::mem::take(&mut *world.issuer.keys.lock().expect("unlocked"));
    let without = add(olive, "Empty", "empty").await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", without.text);
    assert!(without.text.contains("No key can be used."), "{}", without.text);
    *world.issuer.keys.lock().expect("unlocked") = keys;
    *world.issuer.mood.lock().expect("unlocked") = Mood::CallsItselfOtherwise;
    let other = add(olive, "Other", "other").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", other.text);
    assert!(other.text.contains("Enter exactly that issuer."), "{}", other.text);
    let needed = house.api(olive, Method::DELETE, &one, None).await;
    assert_eq!(needed.status, StatusCode::CONFLICT, "{}", needed.text);
    assert!(
        needed.text.contains("1 service account signs in through this identity provider."),
        "{}",
        needed.text
    );
    let account = format!("/organizations/acme/service-accounts/{}", world.account);
    assert_eq!(house.api(olive, Method::DELETE, &account, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.api(olive, Method::DELETE, &one, None).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_organization_has_no_more_identity_providers_than_the_limit_allows() {
    let settings = [("allow_private_issuers", "true"), ("limits.identity_providers", "1")];
    let (house, olive) = TestApp::set_up_with(&settings).await;
    let issuer = Issuer::start().await;
    let add = async |name: &str| {
        let body = json!({ "name": name, "issuer": issuer.address, "audience": name });
        house.post(&olive, "/organizations/acme/identity-providers", body).await
    };
    assert_eq!(add("one").await.status, StatusCode::CREATED);
    let full = add("two").await;
    assert_eq!(full.status, StatusCode::CONFLICT);
    assert!(full.text.contains("limits.identity_providers"), "{}", full.text);
}

#[tokio::test]
async fn an_identity_is_exchanged_only_from_where_the_organization_lets_in() {
    let world = world().await;
    let policy = json!({ "policy": { "allowed_addresses": ["127.0.0.1", "203.0.113.0/24"] } });
    let set = world.house.api(&world.olive, Method::PATCH, "/organizations/acme", Some(policy)).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let assertion = signed_by("one", &world.claims());
    let fields = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str())];
    let from =
        async |address| world.house.oauth("/oauth2/token", &[("x-forwarded-for", address)], &fields).await;
    access(&from("203.0.113.5").await);
    refused(&from("198.51.100.1").await, "cannot be used from 198.51.100.1");
}

#[tokio::test]
async fn an_assertion_is_no_longer_than_it_has_to_be() {
    let world = world().await;
    let padded = |length: usize| {
        let mut claims = world.claims();
        claims["pad"] = json!("x".repeat(length));
        signed_by("one", &claims)
    };
    access(&world.present(&padded(8_000), &[]).await);
    refused(&world.present(&padded(13_000), &[]).await, "longer than 16 KB");
}

#[tokio::test]
async fn tricks_with_the_header_are_refused_and_nobody_is_asked() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let world = world().await;
    access(&world.ask(&world.claims()).await);
    let asked = world.issuer.asked();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let good = signed_by("one", &world.claims());
    let (signed, signature) = good.rsplit_once('.').expect("a signature");
    let body = signed.split_once('.').expect("two parts").1;
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256", "kid": "one" }),
        json!({ "alg": "EdDSA", "kid": "one", "jku": format!("{}/elsewhere", world.issuer.address) }),
        json!({ "alg": "EdDSA", "kid": "one", "x5u": format!("{}/elsewhere", world.issuer.address) }),
        json!({ "alg": "EdDSA", "jwk": published("two") }),
        json!({ "alg": "EdDSA", "kid": "one", "crit": ["x"], "x": 1 }),
    ] {
        for signature in [signature, ""] {
            let answer = world.present(&format!("{}.{body}.{signature}", part(&header)), &[]).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{header}");
        }
    }
    // HMAC over the published key, as if it were a shared secret.
    let public = published("one").to_string();
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let confused =
        encode(&header, &world.claims(), &EncodingKey::from_secret(public.as_bytes())).expect("signed");
    refused(&world.present(&confused, &[]).await, "public keys");
    // Another body under a good signature; another key under a known name.
    let mut claims = world.claims();
    claims["sub"] = json!("repo:acme/other");
    let changed = format!("{}.{}.{signature}", signed.split_once('.').expect("two parts").0, part(&claims));
    assert_eq!(world.issuer.asked(), asked);
    // A key of another kind is none. It may have been replaced, so that is asked, once.
    for alg in ["RS256", "ES256", "ES512"] {
        let header = json!({ "alg": alg, "kid": "one" });
        let assertion = format!("{}.{body}.{signature}", part(&header));
        refused(&world.present(&assertion, &[]).await, "does not publish");
    }
    refused(&world.present(&changed, &[]).await, "signature");
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let forged = encode(&header, &world.claims(), &signing("two")).expect("signed");
    refused(&world.present(&forged, &[]).await, "signature");
    assert_eq!(world.issuer.asked(), asked + 1);
}

#[tokio::test]
async fn a_private_issuer_is_trusted_only_where_the_settings_say_so() {
    let (house, olive) = TestApp::set_up().await;
    let issuer = Issuer::start().await;
    let body = json!({ "name": "CI", "issuer": issuer.address, "audience": "tessera" });
    let answer = house.post(&olive, "/organizations/acme/identity-providers", body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(issuer.asked(), 0);
}

/// An assertion with this header, signed by a key of these tests.
fn signed_with(header: &Value, key: &str, claims: &Value) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &signing(key), Algorithm::EdDSA).expect("signed");
    format!("{message}.{signature}")
}

/// A public key under another name, or under none.
fn published_as(key: &str, id: Option<&str>) -> Value {
    let mut jwk = published(key);
    match id {
        Some(id) => jwk["kid"] = json!(id),
        None => drop(jwk.as_object_mut().expect("an object").remove("kid")),
    }
    jwk
}

#[tokio::test]
async fn a_key_that_is_replaced_under_the_same_name_or_without_a_name_is_noticed() {
    for id in [Some("same"), None] {
        let world = world().await;
        let header = json!({ "alg": "EdDSA", "kid": id.unwrap_or("same") });
        let header = if id.is_some() { header } else { json!({ "alg": "EdDSA" }) };
        let publish = |key: &str| *world.issuer.keys.lock().expect("unlocked") = vec![published_as(key, id)];
        publish("one");
        world.house.app.context.clock.advance(DAY);
        access(&world.present(&signed_with(&header, "one", &world.claims()), &[]).await);
        let asked = world.issuer.asked();
        publish("two");
        access(&world.present(&signed_with(&header, "two", &world.claims()), &[]).await);
        assert_eq!(world.issuer.asked(), asked + 1, "{id:?}");
        // The old key ended with that. Whatever is presented, the issuer is asked once a minute.
        for _ in 0..5 {
            refused(&world.present(&signed_with(&header, "one", &world.claims()), &[]).await, "signature");
        }
        assert_eq!(world.issuer.asked(), asked + 1, "{id:?}");
        publish("one");
        world.house.app.context.clock.advance(Duration::from_secs(61));
        access(&world.present(&signed_with(&header, "one", &world.claims()), &[]).await);
        assert_eq!(world.issuer.asked(), asked + 2, "{id:?}");
    }
}

#[tokio::test]
async fn every_usable_key_is_tried_and_none_is_crowded_out() {
    let world = world().await;
    let other = |byte: u8| {
        use base64::Engine as _;
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([byte; 32]);
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig" })
    };
    let useless = |number: usize| match number % 5 {
        0 => json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": number.to_string() }),
        1 => json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA", "use": "enc" }),
        2 => json!({ "kty": "oct", "k": "c2VjcmV0" }),
        3 => json!({ "kty": "of the future" }),
        _ => json!(null),
    };
    let mut keys: Vec<Value> = (0..300).map(useless).collect();
    keys.extend((1..80).map(other));
    keys.push(published_as("one", None));
    *world.issuer.keys.lock().expect("unlocked") = keys;
    world.house.app.context.clock.advance(DAY);
    let header = json!({ "alg": "EdDSA", "typ": "JWT" });
    access(&world.present(&signed_with(&header, "one", &world.claims()), &[]).await);
}

#[tokio::test]
async fn both_names_of_ed25519_are_the_same_algorithm() {
    let world = world().await;
    for declared in [None, Some("EdDSA"), Some("Ed25519")] {
        let mut key = published_as("one", Some("one"));
        match declared {
            Some(name) => key["alg"] = json!(name),
            None => drop(key.as_object_mut().expect("an object").remove("alg")),
        }
        *world.issuer.keys.lock().expect("unlocked") = vec![key];
        world.house.app.context.clock.advance(DAY);
        for alg in ["EdDSA", "Ed25519"] {
            let header = json!({ "alg": alg, "kid": "one" });
            access(&world.present(&signed_with(&header, "one", &world.claims()), &[]).await);
        }
    }
}

#[tokio::test]
async fn keys_may_be_at_an_address_with_a_query() {
    let world = world().await;
    *world.issuer.mood.lock().expect("unlocked") = Mood::Queries;
    world.house.app.context.clock.advance(DAY);
    access(&world.ask(&world.claims()).await);
    let body = json!({ "name": "Again", "issuer": world.issuer.address, "audience": "again" });
    let answer = world.house.post(&world.olive, "/organizations/acme/identity-providers", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[tokio::test]
async fn an_assertion_with_an_id_is_exchanged_once_on_whatever_node() {
    let world = world().await;
    let other = world.house.second_node();
    let fields = |assertion: &str| {
        [("grant_type", JWT_BEARER), ("assertion", assertion)].map(|(a, b)| (a, b.to_owned()))
    };
    let at = async |house: &TestApp, assertion: &str, more: &[(&str, &str)]| {
        let fields = fields(assertion);
        let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        house.oauth("/oauth2/token", &[], &all).await
    };
    let with_id = |id: &str| {
        let mut claims = world.claims();
        claims["jti"] = json!(id);
        signed_by("one", &claims)
    };
    // What is refused for another reason does not use it up.
    let first = with_id("first");
    assert_eq!(
        at(&world.house, &first, &[("scope", "settings:write")]).await.json()["error"],
        "invalid_scope"
    );
    access(&at(&world.house, &first, &[]).await);
    refused(&at(&world.house, &first, &[]).await, "exchanged already");
    refused(&at(&other, &first, &[]).await, "exchanged already");
    // The id counts, not the text around it.
    let mut claims = world.claims();
    claims["jti"] = json!("first");
    claims["more"] = json!(true);
    refused(&at(&other, &signed_by("one", &claims), &[]).await, "exchanged already");
    access(&at(&other, &with_id("second"), &[]).await);
    // Of many at once, one.
    let third = with_id("third");
    let all: Vec<_> =
        (0..10).map(|number| at(if number % 2 == 0 { &world.house } else { &other }, &third, &[])).collect();
    let good = futures(all).await.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(good, 1);
    // Without an id it is as good as its time.
    for _ in 0..2 {
        access(&world.ask(&world.claims()).await);
    }
    let kept = async || {
        let row: (i64,) = sql("SELECT COUNT(*) FROM used_assertions")
            .one(&world.house.app.context.db)
            .await
            .expect("counted");
        row.0
    };
    assert_eq!(kept().await, 3);
    tessera::cleanup::purge_expired(&world.house.app.context).await.expect("done");
    assert_eq!(kept().await, 3);
    world.house.app.context.clock.advance(Duration::from_secs(301));
    tessera::cleanup::purge_expired(&world.house.app.context).await.expect("done");
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn no_organization_takes_an_identity_provider_away_from_another() {
    let world = world().await;
    let otto = world.house.other_organization().await;
    let body = json!({ "name": "CI", "issuer": world.issuer.address, "audience": "tessera" });
    let path = "/organizations/elsewhere/identity-providers";
    let theirs = world.house.post(&otto, path, body.clone()).await;
    assert_eq!(theirs.status, StatusCode::CREATED, "{}", theirs.text);
    // Within one organization the pair is still one provider's.
    let again = json!({ "name": "Again", "issuer": world.issuer.address, "audience": "tessera" });
    assert_eq!(world.house.post(&otto, path, again).await.status, StatusCode::CONFLICT);
    let team = json!({ "slug": "shop", "name": "Shop" });
    world.house.post(&otto, "/organizations/elsewhere/teams", team).await;
    let account = json!({
        "name": "shop-ci", "scope": "team", "team": "shop", "authentication": "federated",
        "identity": { "provider": "CI", "subject": "repo:acme/shop" },
    });
    let made = world.house.post(&otto, "/organizations/elsewhere/service-accounts", account).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let elsewhere = made.json()["id"].as_str().expect("an id").to_owned();
    let assertion = signed_by("one", &world.claims());
    let asked = world.issuer.asked();
    refused(&world.present(&assertion, &[]).await, "Several organizations");
    assert_eq!(world.issuer.asked(), asked, "nobody is asked for it");
    let ids: Vec<(String, String)> =
        sql("SELECT slug, id FROM organizations").all(&world.house.app.context.db).await.expect("read");
    let id = |slug: &str| ids.iter().find(|(known, _)| known == slug).expect("an organization").1.clone();
    let (acme, other) = (id("acme"), id("elsewhere"));
    for (named, account) in [
        (&[("organization", "acme")][..], &world.account),
        (&[("organization", acme.as_str())], &world.account),
        (&[("client_id", world.account.as_str())], &world.account),
        (&[("organization", "acme"), ("client_id", world.account.as_str())], &world.account),
        (&[("organization", "elsewhere")], &elsewhere),
        (&[("organization", other.as_str())], &elsewhere),
        (&[("client_id", elsewhere.as_str())], &elsewhere),
    ] {
        let token = access(&world.present(&assertion, named).await);
        assert_eq!(world.house.get(&token, "/whoami").await.json()["id"], account.as_str(), "{named:?}");
    }
    for named in [
        &[("organization", "nowhere")][..],
        &[("organization", "acme"), ("client_id", elsewhere.as_str())],
        &[("client_id", "sa_00000000000000000000000000")],
    ] {
        refused(&world.present(&assertion, named).await, "in the organization that the request names");
    }
    // With one organization left, nothing has to be named.
    world
        .house
        .api(&otto, Method::DELETE, &format!("/organizations/elsewhere/service-accounts/{elsewhere}"), None)
        .await;
    let gone = world.house.api(&otto, Method::DELETE, &format!("{path}/CI"), None).await;
    assert!(gone.status.is_success(), "{}", gone.text);
    access(&world.present(&assertion, &[]).await);
}

#[tokio::test]
async fn identity_providers_and_their_accounts_come_through_the_migration() {
    use sqlx::migrate::Migrator;
    use std::borrow::Cow;
    use tessera::platform::Db;
    use tessera::platform::db::migrate;
    let folder = std::env::temp_dir().join(format!("tessera-providers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let db = Db::open(&crate::harness::new_database(&folder).await).await.expect("opened");
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let older = |migrator: &mut Migrator| {
        migrator.migrations = Cow::Owned(migrator.iter().filter(|each| each.version < 9).cloned().collect());
    };
    match &db {
        Db::Sqlite { write, .. } => {
            let mut migrator = Migrator::new(own.join("sqlite")).await.expect("read");
            older(&mut migrator);
            migrator.run(write).await.expect("migrated");
        }
        Db::Postgres { pool, .. } => {
            let mut migrator = Migrator::new(own.join("postgres")).await.expect("read");
            older(&mut migrator);
            migrator.run(pool).await.expect("migrated");
        }
    }
    let mut tx = db.begin().await.expect("begun");
    for statement in [
        sql(
            "INSERT INTO organizations (id, slug, name, version, created_at) VALUES ('org_a', 'a', 'A', 0, 0), ('org_b', 'b', 'B', 0, 0)",
        ),
        sql(
            "INSERT INTO teams (id, organization_id, slug, name, description, visibility, role, members_manage_token, is_owners, \
                version, created_at) VALUES ('team_a', 'org_a', 't', 'T', '', 'visible', 'member', TRUE, FALSE, 0, 0)",
        ),
        sql(
            "INSERT INTO identity_providers (id, organization_id, name, name_folded, issuer, audience, created_by_name, created_at, \
                version) VALUES ('idp_a', 'org_a', 'CI', 'ci', 'https://ci', 'x', 'olive', 7, 3)",
        ),
        sql(
            "INSERT INTO service_accounts (id, organization_id, name, name_folded, description, comment, scope, team_id, role, \
                created_by, created_by_name, created_at, version, authentication, identity_provider_id, identity_subject) \
             VALUES ('sa_a', 'org_a', 'n', 'n', '', '', 'team', 'team_a', 'member', '', '', 0, 0, 'federated', 'idp_a', 's')",
        ),
    ] {
        statement.execute(&mut tx, &ByTest).await.expect("inserted");
    }
    tx.commit().await.expect("committed");
    migrate(&db).await.expect("migrated");
    let row: (String, String, i64, String) =
        sql("SELECT i.name, i.issuer, i.version, a.id FROM identity_providers i \
         JOIN service_accounts a ON a.identity_provider_id = i.id")
        .one(&db)
        .await
        .expect("read");
    assert_eq!(row, ("CI".to_owned(), "https://ci".to_owned(), 3, "sa_a".to_owned()));
    let mut tx = db.begin().await.expect("begun");
    let refused = sql("DELETE FROM identity_providers WHERE id = 'idp_a'").execute(&mut tx, &ByTest).await;
    assert!(refused.is_err(), "the account refers to it");
    drop(tx);
    let mut tx = db.begin().await.expect("begun");
    sql("INSERT INTO identity_providers (id, organization_id, name, name_folded, issuer, audience, created_by_name, created_at, \
            version) VALUES ('idp_b', 'org_b', 'CI', 'ci', 'https://ci', 'x', '', 0, 0)")
    .execute(&mut tx, &ByTest)
    .await
    .expect("each organization has its own");
    tx.commit().await.expect("committed");
    std::fs::remove_dir_all(folder).expect("removed");
}
