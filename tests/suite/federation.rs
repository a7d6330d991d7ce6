//! External identities: an issuer signs, an organization trusts it, a JWT
//! becomes an access token.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tessera::audit::Change;
use tessera::identity::assertion::Presented;
use tessera::identity::caller::RequestFacts;
use tessera::platform::clock::DAY;
use tessera::platform::{Error, sql};
use tessera::tokens::access::{AccessFor, USUAL, issue};

use crate::harness::{Answer, House};

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
    Json(json!({ "issuer": issuer.address, "jwks_uri": format!("{}/jwks", issuer.address) }))
}

async fn jwks(State(issuer): State<Issuer>) -> Response {
    let mood = *issuer.mood.lock().expect("unlocked");
    match mood {
        Mood::Well => {
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
    house: House,
    olive: String,
    issuer: Issuer,
    provider: String,
    account: String,
}

async fn world() -> World {
    let (house, olive) = House::founded_with(&[("allow_private_issuers", "true")]).await;
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

async fn federated(house: &House, olive: &str, name: &str, identity: Value) -> String {
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
        let now = self.house.app.clock.now().micros() / 1_000_000;
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
        ("sub", json!("repo:acme/other"), "no active service account has the subject"),
        ("sub", json!("repo:acme/shop "), "no active service account has the subject"),
        ("sub", json!(null), "sub"),
        ("aud", json!("Tessera"), "no identity provider"),
        ("aud", json!(["tessera", "other"]), "one audience"),
        ("aud", json!(null), "aud"),
        ("iss", json!(format!("{}/", world.issuer.address)), "no identity provider"),
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
    refused(&world.ask(&claims).await, "no identity provider");
    let body = json!({ "name": "Other", "issuer": other.address, "audience": "tessera" });
    world.house.post(&world.olive, "/organizations/acme/identity-providers", body).await;
    refused(&world.ask(&claims).await, "no active service account");
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
    refused(&world.ask(&claims).await, "several");
    let assertion = signed_by("one", &claims);
    let token = access(&world.present(&assertion, &[("client_id", &wide)]).await);
    assert_eq!(world.house.get(&token, "/whoami").await.json()["id"], wide.as_str());
    refused(&world.present(&assertion, &[("client_id", &world.account)]).await, "no active service account");
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
    refused(&world.ask(&world.claims()).await, "no active service account");
    world.house.post(&world.olive, &format!("{account}/enable"), json!({})).await;
    assert!(lives(&token).await);
    let limits = json!({ "allowed_addresses": ["10.0.0.0/8"] });
    world.house.api(&world.olive, Method::PATCH, &account, Some(limits)).await;
    assert_eq!(world.house.get(&token, "/whoami").await.status, StatusCode::FORBIDDEN);
    refused(&world.ask(&world.claims()).await, "may not be used from");
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
    refused(&world.ask(&claims).await, "no identity provider");
    claims["aud"] = json!("other");
    let token = access(&world.ask(&claims).await);
    world.house.api(&world.olive, Method::DELETE, &account, None).await;
    assert!(!lives(&token).await);
}

#[tokio::test]
async fn no_identity_is_exchanged_for_an_account_or_by_a_provider_that_changed_meanwhile() {
    let world = world().await;
    let app = &world.house.app;
    let proven =
        Presented::read(&signed_by("one", &world.claims())).expect("read").prove(app).await.expect("proved");
    let actor = RequestFacts::default().nobody("test");
    let exchanged = async |account: i64, provider: i64| {
        let organization = world.house.caller("olive").await.organization.id;
        let (account, provider) = (
            (world.account.parse().expect("an id"), account),
            (world.provider.parse().expect("an id"), provider),
        );
        let access = AccessFor::identity(&proven, organization, account, provider, None);
        let change = Change::begin(app, &actor, Some(organization)).await.expect("begun");
        issue(change, &access, None, USUAL).await
    };
    let versions = async || {
        let row: (i64, i64) = sql("SELECT a.version, p.version AS provider FROM service_accounts a \
             JOIN identity_providers p ON p.id = a.identity_provider_id WHERE a.id = $1")
        .bind(world.account.as_str())
        .one(&app.db)
        .await
        .expect("read");
        row
    };
    let (account, provider) = versions().await;
    exchanged(account, provider).await.expect("as they were read");
    for (account, provider) in [(account - 1, provider), (account, provider - 1)] {
        assert!(matches!(exchanged(account, provider).await, Err(Error::Unauthenticated { .. })));
    }
    let path = format!("/organizations/acme/service-accounts/{}/disable", world.account);
    world.house.post(&world.olive, &path, json!({})).await;
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
    world.house.app.clock.advance(61 * second);
    for _ in 0..5 {
        let assertion = signed_by("two", &world.claims());
        refused(&world.present(&assertion, &[]).await, "does not publish");
    }
    assert_eq!(world.issuer.asked(), before + 1);
    *world.issuer.keys.lock().expect("unlocked") = vec![published("two")];
    world.house.app.clock.advance(61 * second);
    let assertion = signed_by("two", &world.claims());
    access(&world.present(&assertion, &[]).await);
    assert_eq!(world.issuer.asked(), before + 2);
    // The old key is gone with it.
    refused(&world.ask(&world.claims()).await, "does not publish");
    // Twenty at once wait for one question.
    world.house.app.clock.advance(DAY);
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
    for mood in [Mood::Redirects, Mood::TooMuch, Mood::Garbage, Mood::Hangs] {
        let world = world().await;
        *world.issuer.mood.lock().expect("unlocked") = mood;
        refused(&world.ask(&world.claims()).await, "keys are not to be had");
        assert!(world.issuer.asked() < 1000, "a redirect was followed");
    }
    // Known keys are used for an hour where the issuer is away, not longer.
    let world = world().await;
    access(&world.ask(&world.claims()).await);
    *world.issuer.mood.lock().expect("unlocked") = Mood::Garbage;
    world.house.app.clock.advance(DAY / 48);
    access(&world.ask(&world.claims()).await);
    world.house.app.clock.advance(DAY / 24);
    refused(&world.ask(&world.claims()).await, "keys are not to be had");
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
        json!({ "alg": "RS256", "kid": "one" }),
        json!({ "alg": "ES256", "kid": "one" }),
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
    refused(&world.present(&changed, &[]).await, "signature");
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let forged = encode(&header, &world.claims(), &signing("two")).expect("signed");
    refused(&world.present(&forged, &[]).await, "signature");
    assert_eq!(world.issuer.asked(), asked);
}

#[tokio::test]
async fn a_private_issuer_is_trusted_only_where_the_settings_say_so() {
    let (house, olive) = House::founded().await;
    let issuer = Issuer::start().await;
    let body = json!({ "name": "CI", "issuer": issuer.address, "audience": "tessera" });
    let answer = house.post(&olive, "/organizations/acme/identity-providers", body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(issuer.asked(), 0);
}
