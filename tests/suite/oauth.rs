//! The OAuth endpoints: sessions, narrowing, revocation, metadata.

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tessera::audit::Change;
use tessera::platform::Error;
use tessera::platform::clock::DAY;
use tessera::platform::web::RequestContext;
use tessera::tokens::access_token::{DEFAULT_LIFETIME, issue};
use tessera::tokens::access_token_grant::AccessTokenGrant;
use tessera::verification::PlainToken;
use tessera::verification::verify;

use crate::harness::{Answer, TestApp, at_once};
use crate::protocols::{introspect, service, world};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn session(house: &TestApp, uid: &str, key: &str, more: &[(&str, &str)]) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{uid}:{key}")));
    let fields = [&[("grant_type", "client_credentials")], more].concat();
    house.oauth("/oauth2/token", &[("authorization", &basic)], &fields).await
}

async fn exchange(house: &TestApp, token: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    house.oauth("/oauth2/token", &[], &[&fields[..], more].concat()).await
}

fn access(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

async fn lives(house: &TestApp, token: &str) -> bool {
    house.get(token, "/whoami").await.status == StatusCode::OK
}

fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"].as_str()),
        (status, Some(error)),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_session_acts_as_the_service_account_and_dies_with_it() {
    let (house, olive, id, key) = world().await;
    let answer = session(&house, &id, &key, &[]).await;
    let token = access(&answer);
    let it = answer.json();
    assert!(token.starts_with("tsrx_"));
    assert_eq!((&it["token_type"], &it["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(it.get("refresh_token").is_none() && it.get("issued_token_type").is_none());
    let who = house.get(&token, "/whoami").await.json();
    assert_eq!(
        (&who["id"], &who["kind"], &who["token"]["kind"]),
        (&json!(id), &json!("service_account"), &json!("access"))
    );
    assert_eq!(who["permissions"], house.get(&key, "/whoami").await.json()["permissions"]);
    let account = format!("/organizations/acme/service-accounts/{id}");
    house.post(&olive, &format!("{account}/disable"), json!({})).await;
    assert!(!lives(&house, &token).await);
    house.post(&olive, &format!("{account}/enable"), json!({})).await;
    assert!(lives(&house, &token).await);
    house.api(&olive, Method::DELETE, &account, None).await;
    assert!(!lives(&house, &token).await);
}

#[tokio::test]
async fn a_session_ends_with_the_key_and_with_the_very_value_that_it_came_from() {
    let (house, olive, id, key) = world().await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let key_id = house.get(&olive, &keys).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let token = access(&session(&house, &id, &key, &[]).await);
    let again = house.post(&olive, &format!("{keys}/{key_id}/regenerate"), json!({ "overlap": "1h" })).await;
    let second = again.json()["token"].as_str().expect("a value").to_owned();
    assert!(lives(&house, &token).await, "the old value still lives");
    let kept = access(&session(&house, &id, &second, &[("expires_in", "43200")]).await);
    house.app.context.clock.advance(DAY / 24);
    assert!(!lives(&house, &token).await, "the old value has stopped");
    assert!(lives(&house, &kept).await);
    house.post(&olive, &format!("{keys}/{key_id}/regenerate"), json!({})).await;
    assert!(!lives(&house, &kept).await, "a value that was replaced at once takes its sessions along");
    let third = house.post(&olive, &keys, json!({ "name": "third" })).await.json();
    let value = third["token"].as_str().expect("a value");
    let token = access(&session(&house, &id, value, &[]).await);
    house
        .api(&olive, Method::DELETE, &format!("{keys}/{}", third["id"].as_str().expect("an id")), None)
        .await;
    assert!(!lives(&house, &token).await);
}

#[tokio::test]
async fn a_session_takes_the_uid_and_a_key_of_that_account_and_nothing_else() {
    let (house, olive, id, key) = world().await;
    let (other, _, other_key) =
        house.account(&olive, "other", crate::harness::AccountScope::Team("payments"), "member").await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    for (uid, key) in [
        (id.as_str(), other_key.as_str()),
        (other.as_str(), key.as_str()),
        (id.as_str(), olive.as_str()),
        (id.as_str(), secret.as_str()),
        (id.as_str(), "nonsense"),
        ("", key.as_str()),
    ] {
        let answer = session(&house, uid, key, &[]).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"tessera\"");
    }
    let token = access(&session(&house, &id, &key, &[]).await);
    refused(&session(&house, &id, &token, &[]).await, 401, "invalid_client");
    let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &key)];
    access(&house.oauth("/oauth2/token", &[], &form).await);
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{key}")));
    let both = house.oauth("/oauth2/token", &[("authorization", &basic)], &form).await;
    refused(&both, 400, "invalid_request");
    refused(
        &session(&house, &id, &key, &[("grant_type", "client_credentials")]).await,
        400,
        "invalid_request",
    );
    let unknown = house.oauth("/oauth2/token", &[], &[("grant_type", "password")]).await;
    refused(&unknown, 400, "unsupported_grant_type");
    for (field, value, error) in [
        ("expires_in", "0", "invalid_request"),
        ("expires_in", "43201", "invalid_request"),
        ("expires_in", "soon", "invalid_request"),
        ("scope", "runs:fly", "invalid_scope"),
        ("scope", "settings:write", "invalid_scope"),
    ] {
        refused(&session(&house, &id, &key, &[(field, value)]).await, 400, error);
    }
}

#[tokio::test]
async fn an_exchange_only_narrows() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let answer = exchange(&house, &key, &[("scope", "runs:write jobs:read")]).await;
    let narrow = access(&answer);
    assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(answer.json()["scope"], "jobs:read runs:read runs:write");
    let it = introspect(&house, &secret, &[("token", &narrow)]).await.json();
    assert_eq!((&it["sub"], &it["scope"]), (&json!(id), &json!("jobs:read runs:read runs:write")));
    // Narrower still, never wider again, and no longer.
    let answer = exchange(&house, &narrow, &[("scope", "jobs:read"), ("expires_in", "43200")]).await;
    let narrower = access(&answer);
    assert!(answer.json()["expires_in"].as_u64().expect("seconds") <= 3600);
    refused(&exchange(&house, &narrower, &[("scope", "runs:read")]).await, 400, "invalid_scope");
    assert_eq!(exchange(&house, &narrower, &[]).await.json()["scope"], "jobs:read");
    // A token of the organization gets no permission to run by the way.
    let organization = house.post(&olive, "/organizations/acme/token", json!({})).await.json();
    let organization = organization["token"].as_str().expect("a value");
    refused(&exchange(&house, organization, &[("scope", "runs:write")]).await, 400, "invalid_scope");
    // What ends takes along what was narrowed from it, however deep.
    let deepest = access(&exchange(&house, &narrower, &[]).await);
    assert!(lives(&house, &deepest).await);
    assert_eq!(house.api(&narrow, Method::DELETE, "/token", None).await.status, StatusCode::NO_CONTENT);
    for token in [&narrow, &narrower, &deepest] {
        assert!(!lives(&house, token).await);
    }
    assert!(lives(&house, &key).await);
}

#[tokio::test]
async fn every_kind_of_token_can_be_narrowed_and_acts_as_before() {
    let (house, olive, _, key) = world().await;
    let made = async |path: &str, body: Value| {
        let answer = house.post(&olive, path, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["token"].as_str().expect("a value").to_owned()
    };
    let grants = json!([{ "permission_set": "job_viewer", "projects": "all" }]);
    let all = [
        olive.clone(),
        key.clone(),
        made("/organizations/acme/teams/payments/token", json!({})).await,
        made("/organizations/acme/token", json!({})).await,
        made("/organizations/acme/service-tokens", json!({ "name": "r", "grants": grants })).await,
    ];
    for token in &all {
        let narrow = access(&exchange(&house, token, &[]).await);
        let (was, is) =
            (house.get(token, "/whoami").await.json(), house.get(&narrow, "/whoami").await.json());
        for field in ["id", "kind", "name", "organization", "team", "default_team", "permissions"] {
            assert_eq!(was[field], is[field], "{field} of {}", was["kind"]);
        }
        assert_eq!(is["token"]["kind"], "access");
        assert_eq!(house.api(token, Method::DELETE, "/token", None).await.status, StatusCode::NO_CONTENT);
        assert!(!lives(&house, &narrow).await, "{}", was["kind"]);
    }
    let (_, secret) = service(
        &house,
        &house.personal_token(house.caller("olive").await.actor.id.parse().expect("an id")).await,
        "api",
        &[],
    )
    .await;
    refused(&exchange(&house, &secret, &[]).await, 400, "invalid_request");
}

#[tokio::test]
async fn an_exchange_takes_what_rfc_8693_asks_and_refuses_the_rest() {
    let (house, _, _, key) = world().await;
    for (field, value, error) in [
        ("actor_token", key.as_str(), "invalid_request"),
        ("audience", "somewhere", "invalid_target"),
        ("resource", "https://somewhere", "invalid_target"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt", "invalid_request"),
    ] {
        refused(&exchange(&house, &key, &[(field, value)]).await, 400, error);
    }
    let form = [("grant_type", EXCHANGE), ("subject_token", key.as_str())];
    refused(&house.oauth("/oauth2/token", &[], &form).await, 400, "invalid_request");
    refused(&exchange(&house, "nonsense", &[]).await, 400, "invalid_request");
    let wrong = [("authorization", "Basic YTpi")];
    let fields =
        [("grant_type", EXCHANGE), ("subject_token", key.as_str()), ("subject_token_type", ACCESS_TOKEN)];
    refused(&house.oauth("/oauth2/token", &wrong, &fields).await, 401, "invalid_client");
}

#[tokio::test]
async fn an_access_token_makes_renews_and_outlives_nothing_beyond_it() {
    let (house, olive, id, key) = world().await;
    let account = format!("/organizations/acme/service-accounts/{id}");
    house.api(&olive, Method::PATCH, &account, Some(json!({ "self_rotation": true }))).await;
    let token = access(&session(&house, &id, &key, &[]).await);
    assert_eq!(house.post(&token, "/token/rotate", json!({})).await.status, StatusCode::FORBIDDEN);
    let own = house.get(&token, "/whoami").await.json()["token"]["id"].as_str().expect("an id").to_owned();
    let renewed = house.post(&olive, &format!("{account}/tokens/{own}/regenerate"), json!({})).await;
    assert_eq!(renewed.status, StatusCode::NOT_FOUND, "an access token has no second value");
    let listed = house.get(&olive, &format!("{account}/tokens")).await.json();
    assert_eq!(listed["items"].as_array().expect("a list").len(), 1, "keys are listed, not what they became");
    // A person's access token makes personal tokens that end with it at the latest.
    let narrow = access(&exchange(&house, &olive, &[("scope", "groups:read credentials:write")]).await);
    let made = house.post(&narrow, "/account/tokens", json!({ "name": "child" })).await.json();
    assert_eq!(made["expires_at"], house.get(&narrow, "/whoami").await.json()["token"]["expires_at"]);
    assert_eq!(made["permissions"], json!(["groups:read", "credentials:write"]));
    // Revoking it as its account's manager.
    let path = format!("{account}/tokens/{own}");
    assert_eq!(house.api(&olive, Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert!(!lives(&house, &token).await && lives(&house, &key).await);
}

#[tokio::test]
async fn an_access_token_is_taken_from_where_its_origin_is_and_while_policies_allow_it() {
    let (house, olive, id, key) = world().await;
    let token = access(&session(&house, &id, &key, &[]).await);
    let personal = access(&exchange(&house, &olive, &[]).await);
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let key_id = house.get(&olive, &keys).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let limits = json!({ "allowed_addresses": ["10.0.0.0/8"] });
    house.api(&olive, Method::PATCH, &format!("{keys}/{key_id}"), Some(limits)).await;
    assert_eq!(house.get(&token, "/whoami").await.status, StatusCode::FORBIDDEN);
    refused(&session(&house, &id, &key, &[]).await, 401, "invalid_client");
    house
        .api(
            &olive,
            Method::PATCH,
            "/organizations/acme",
            Some(json!({ "policy": { "personal_tokens": false } })),
        )
        .await;
    assert_eq!(house.get(&personal, "/organizations/acme").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn access_tokens_are_forgotten_a_day_after_their_end_and_the_account_remembers_its_use() {
    let (house, olive, id, key) = world().await;
    let token = access(&session(&house, &id, &key, &[]).await);
    assert!(lives(&house, &token).await);
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    house.app.context.clock.advance(2 * DAY);
    tessera::cleanup::purge_expired(&house.app.context).await.expect("tidied");
    let left: (i64,) = tessera::platform::sql("SELECT COUNT(*) FROM tokens WHERE kind = 'access'")
        .one(&house.app.context.db)
        .await
        .expect("counted");
    assert_eq!(left.0, 0);
    let row: (Option<i64>,) =
        tessera::platform::sql("SELECT last_used_at FROM service_accounts WHERE id = $1")
            .bind(id.as_str())
            .one(&house.app.context.db)
            .await
            .expect("read");
    assert!(row.0.is_some());
    let keys = house.get(&olive, &format!("/organizations/acme/service-accounts/{id}/tokens")).await.json();
    assert!(keys["items"][0]["last_used_at"].is_string(), "using what it became uses the key");
}

#[tokio::test]
async fn who_has_a_token_may_revoke_it_and_learns_nothing_of_others() {
    let (house, _, id, key) = world().await;
    let token = access(&session(&house, &id, &key, &[]).await);
    for nothing in ["nonsense", "", "tsra_000000000000000000000000000000000000"] {
        let expected = if nothing.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(house.oauth("/oauth2/revoke", &[], &[("token", nothing)]).await.status, expected);
    }
    assert_eq!(house.oauth("/oauth2/revoke", &[], &[("token", &key)]).await.status, StatusCode::OK);
    assert!(!lives(&house, &key).await && !lives(&house, &token).await);
    let again = house.oauth("/oauth2/revoke", &[], &[("token", &key), ("token_type_hint", "x")]).await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::OK, ""));
    let wrong = house.oauth("/oauth2/revoke", &[("authorization", "Basic YTpi")], &[("token", "x")]).await;
    refused(&wrong, 401, "invalid_client");
}

#[tokio::test]
async fn the_metadata_names_what_there_is() {
    let house = TestApp::empty().await;
    let it = house.page("", "/.well-known/oauth-authorization-server").await.json();
    let issuer = it["issuer"].as_str().expect("an issuer");
    for (field, path) in [
        ("token_endpoint", "/oauth2/token"),
        ("introspection_endpoint", "/oauth2/introspect"),
        ("revocation_endpoint", "/oauth2/revoke"),
    ] {
        assert_eq!(it[field], format!("{issuer}{path}"));
    }
    assert_eq!(it["grant_types_supported"].as_array().expect("a list").len(), 3);
    assert_eq!(it["response_types_supported"], json!([]));
}

#[tokio::test]
async fn a_narrowed_token_of_an_owner_does_nothing_that_only_owners_do() {
    let (house, olive, _, _) = world().await;
    let whole = house.get(&olive, "/whoami").await.json()["permissions"].clone();
    assert!(whole.as_array().is_none_or(|list| !list.is_empty()));
    let narrow =
        access(&exchange(&house, &olive, &[("scope", "settings:write groups:write members:write")]).await);
    let base = "/organizations/acme";
    for (method, path, body) in [
        (Method::POST, format!("{base}/token"), Some(json!({}))),
        (Method::DELETE, base.to_owned(), None),
        (Method::PUT, format!("{base}/teams/owners/members/mo"), Some(json!({ "role": "member" }))),
    ] {
        let answer = house.api(&narrow, method.clone(), &path, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {}", answer.text);
    }
    let all = access(&exchange(&house, &olive, &[]).await);
    let answer = house.post(&all, &format!("{base}/token"), json!({})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "what is not narrowed is an owner: {}", answer.text);
}

#[tokio::test]
async fn what_came_from_a_token_that_is_gone_is_gone_too() {
    let (house, olive, id, key) = world().await;
    let first = access(&session(&house, &id, &key, &[]).await);
    let second = access(&exchange(&house, &first, &[("scope", "runs:read")]).await);
    let third = access(&exchange(&house, &second, &[]).await);
    let beside = access(&session(&house, &id, &key, &[]).await);
    assert!(lives(&house, &third).await);
    house.oauth("/oauth2/revoke", &[], &[("token", &first)]).await;
    for token in [&first, &second, &third] {
        assert!(!lives(&house, token).await);
    }
    assert!(lives(&house, &beside).await && lives(&house, &key).await && lives(&house, &olive).await);
}

#[tokio::test]
async fn an_old_value_ends_itself_alone_and_nothing_once_it_has_stopped() {
    let (house, olive, id, key) = world().await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let key_id = house.get(&olive, &keys).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let again = async |overlap: &str| {
        let path = format!("{keys}/{key_id}/regenerate");
        let made = house
            .post(&olive, &path, if overlap.is_empty() { json!({}) } else { json!({ "overlap": overlap }) })
            .await
            .json();
        made["token"].as_str().expect("a value").to_owned()
    };
    let second = again("1h").await;
    let of_old = access(&session(&house, &id, &key, &[]).await);
    let of_new = access(&session(&house, &id, &second, &[]).await);
    // Whoever finds the old value can end it, and not what the program uses now.
    house.oauth("/oauth2/revoke", &[], &[("token", &key)]).await;
    assert!(!lives(&house, &key).await && !lives(&house, &of_old).await);
    assert!(lives(&house, &second).await && lives(&house, &of_new).await);
    let third = again("").await;
    house.oauth("/oauth2/revoke", &[], &[("token", &second)]).await;
    assert!(lives(&house, &third).await, "a value that stopped has no say");
    let fourth = again("1h").await;
    let answer = house.api(&third, Method::DELETE, "/token", None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    assert!(!lives(&house, &third).await && lives(&house, &fourth).await);
    house.oauth("/oauth2/revoke", &[], &[("token", &fourth)]).await;
    assert!(!lives(&house, &fourth).await, "the value of now ends the key");
}

#[tokio::test]
async fn ending_itself_many_times_at_once_answers_every_time() {
    let (house, _, id, key) = world().await;
    let token = access(&session(&house, &id, &key, &[]).await);
    let ends = (0..20).map(|_| house.api(&token, Method::DELETE, "/token", None));
    let answers = tokio::time::timeout(std::time::Duration::from_secs(60), at_once(ends)).await;
    for answer in answers.expect("nobody waits for another") {
        assert!(matches!(answer.status.as_u16(), 204 | 401 | 409), "{}", answer.text);
    }
    assert!(!lives(&house, &token).await && lives(&house, &key).await);
}

#[tokio::test]
async fn a_rotation_outlives_no_key_and_begins_from_the_value_in_force_alone() {
    let (house, olive, id, _) = world().await;
    let account = format!("/organizations/acme/service-accounts/{id}");
    house.api(&olive, Method::PATCH, &account, Some(json!({ "self_rotation": true }))).await;
    let made = house
        .post(
            &olive,
            &format!("{account}/tokens"),
            json!({ "name": "n", "expires_at": "2027-01-03T00:00:00Z" }),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let key = made.json()["token"].as_str().expect("a value").to_owned();
    let long = house
        .post(&key, "/token/rotate", json!({ "expires_at": "2028-01-01T00:00:00Z", "overlap": "1h" }))
        .await;
    let ends = |answer: &Answer| answer.json()["expires_at"].as_str().unwrap_or_default().to_owned();
    if long.status == StatusCode::CREATED {
        assert!(ends(&long).as_str() <= "2027-01-03T00:00:00Z", "{}", long.text);
    } else {
        assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", long.text);
    }
    let first = house.post(&key, "/token/rotate", json!({ "overlap": "1h" })).await;
    assert!(matches!(first.status.as_u16(), 200 | 201), "{}", first.text);
    let first = first.json()["token"].as_str().expect("a value").to_owned();
    // Whoever still has the old value cannot end its successor.
    let second = house.post(&key, "/token/rotate", json!({ "overlap": "1h" })).await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{}", second.text);
    assert!(lives(&house, &key).await && lives(&house, &first).await);
    let third = house.post(&first, "/token/rotate", json!({})).await;
    assert_eq!(third.status, StatusCode::CREATED, "{}", third.text);
    assert!(!lives(&house, &key).await && lives(&house, &first).await);
}

#[tokio::test]
async fn a_personal_token_is_never_taken_from_more_places_than_the_one_that_made_it() {
    let (house, olive, _, _) = world().await;
    let made = house.post(
        &olive,
        "/account/tokens",
        json!({ "name": "near", "allowed_addresses": ["127.0.0.0/8"] }),
    );
    let near = made.await.json()["token"].as_str().expect("a value").to_owned();
    let child = house.post(&near, "/account/tokens", json!({ "name": "child" })).await;
    assert_eq!(child.json()["allowed_addresses"], json!(["127.0.0.0/8"]), "{}", child.text);
    let inside = json!({ "name": "inside", "allowed_addresses": ["127.0.0.1"] });
    assert_eq!(house.post(&near, "/account/tokens", inside).await.status, StatusCode::CREATED);
    for wide in [json!(["0.0.0.0/0"]), json!(["127.0.0.1", "10.0.0.0/8"]), json!(["::/0"])] {
        let body = json!({ "name": "wide", "allowed_addresses": wide });
        let answer = house.post(&near, "/account/tokens", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wide}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], "allowed_addresses");
    }
}

#[tokio::test]
async fn nothing_is_exchanged_for_what_ended_while_it_was_looked_at() {
    let (house, olive, id, key) = world().await;
    let first = access(&session(&house, &id, &key, &[]).await);
    let value = PlainToken::parse(&first).expect("a token");
    let bearer = verify(&house.app.verifier, &value, RequestContext::default()).await.expect("good");
    let (for_it, actor) = (AccessTokenGrant::from_token(&bearer), bearer.actor());
    let exchanged = async || {
        let change = Change::begin(&house.app.context, &actor, None).await.expect("begun");
        issue(change, &for_it, None, DEFAULT_LIFETIME).await
    };
    let (good, _) = exchanged().await.expect("while it lives");
    assert!(lives(&house, good.expose()).await);
    // Between the look and the exchange, somebody ends it.
    house.oauth("/oauth2/revoke", &[], &[("token", &first)]).await;
    assert!(matches!(exchanged().await, Err(Error::Unauthenticated { .. })));
    assert!(!lives(&house, good.expose()).await && lives(&house, &olive).await);
}
