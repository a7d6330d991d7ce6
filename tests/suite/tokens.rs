//! Tokens of every kind: how many, who manages them, when they die.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tessera::access::TeamRole;

use crate::harness::{AccountScope, TestApp};

const TEAM: &str = "/organizations/acme/teams/platform/token";
const ORGANIZATION: &str = "/organizations/acme/token";

fn value(answer: &crate::harness::Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json()["token"].as_str().expect("a value").to_owned()
}

async fn whoami(house: &TestApp, token: &str) -> (StatusCode, Value) {
    let answer = house.get(token, "/whoami").await;
    (answer.status, serde_json::from_str(&answer.text).unwrap_or_default())
}

#[tokio::test]
async fn a_team_has_no_token_until_a_member_generates_it_and_one_at_most() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let mo = house.person("mo", "member", Some(("platform", TeamRole::Member))).await;
    assert_eq!(house.get(&mo, TEAM).await.status, StatusCode::NOT_FOUND);

    let first = house.post(&mo, TEAM, json!({})).await;
    let (id, first) = (first.json()["id"].clone(), value(&first));
    assert!(first.starts_with("tsrt_"));
    let (status, who) = whoami(&house, &first).await;
    assert_eq!((status, &who["kind"], &who["team"]), (StatusCode::OK, &json!("team"), &json!("platform")));

    // Generating again regenerates: the same token, and the old value is dead at once.
    let second = house.post(&mo, TEAM, json!({})).await;
    assert_eq!(second.json()["id"], id);
    let second = value(&second);
    assert_eq!(whoami(&house, &first).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(whoami(&house, &second).await.0, StatusCode::OK);
    // Afterwards it is obfuscated.
    let particulars = house.get(&mo, TEAM).await;
    assert!(!particulars.text.contains(&second));
    assert!(particulars.json()["hint"].as_str().expect("a hint").starts_with("tsrt_…"));

    let gone = house.api(&mo, axum::http::Method::DELETE, TEAM, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(whoami(&house, &second).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(house.get(&mo, TEAM).await.status, StatusCode::NOT_FOUND);
    value(&house.post(&mo, TEAM, json!({})).await);
}

#[tokio::test]
async fn a_team_can_keep_its_token_from_its_members() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let mo = house.person("mo", "member", Some(("platform", TeamRole::Member))).await;
    let ada = house.person("ada", "member", Some(("platform", TeamRole::Admin))).await;
    let out = house.person("out", "member", None).await;
    let path = "/organizations/acme/teams/platform";
    let edit = json!({ "members_manage_token": false });
    house.api(&olive, axum::http::Method::PATCH, path, Some(edit)).await;
    for (who, expected) in [
        (&mo, StatusCode::FORBIDDEN),
        (&out, StatusCode::FORBIDDEN),
        (&ada, StatusCode::CREATED),
        (&olive, StatusCode::CREATED),
    ] {
        assert_eq!(house.post(who, TEAM, json!({})).await.status, expected);
    }
}

#[tokio::test]
async fn only_owners_manage_the_organization_token_and_it_cannot_read_itself() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let admin = house.person("admin", "account_admin", None).await;
    for who in [&admin, &olive] {
        let expected = if who == &olive { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
        assert_eq!(house.get(who, ORGANIZATION).await.status, expected);
    }
    assert_eq!(house.post(&admin, ORGANIZATION, json!({})).await.status, StatusCode::FORBIDDEN);
    let token = value(&house.post(&olive, ORGANIZATION, json!({})).await);
    assert!(token.starts_with("tsro_"));
    let (_, who) = whoami(&house, &token).await;
    assert_eq!((&who["kind"], &who["organization"]), (&json!("organization"), &json!("acme")));
    for (method, body) in [(axum::http::Method::GET, None), (axum::http::Method::POST, Some(json!({})))] {
        let answer = house.api(&token, method, ORGANIZATION, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    // It administers: teams, their tokens, accounts with any role inside projects.
    house.team(&token, "payments").await;
    house.account(&token, "ci", AccountScope::Organization("platform"), "member").await;
    value(&house.post(&token, "/organizations/acme/teams/payments/token", json!({})).await);
    // It has no say over the owners team.
    let owners = "/organizations/acme/teams/owners/members/admin";
    let answer = house.api(&token, axum::http::Method::PUT, owners, Some(json!({ "role": "admin" }))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn fifty_regenerations_at_once_leave_one_living_value() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    value(&house.post(&olive, TEAM, json!({})).await);
    let answers = (0..50).map(|_| {
        let (router, olive) = (house.router.clone(), olive.clone());
        tokio::spawn(async move {
            use http_body_util::BodyExt as _;
            use tower::ServiceExt as _;
            let request = axum::http::Request::post(format!("/api/v1{TEAM}"))
                .header("authorization", format!("Bearer {olive}"))
                .body(axum::body::Body::empty())
                .expect("a request");
            let answer = router.oneshot(request).await.expect("an answer");
            let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
            let json: Value = serde_json::from_slice(&bytes).expect("JSON");
            json["token"].as_str().expect("a value").to_owned()
        })
    });
    let mut values = Vec::new();
    for answer in answers.collect::<Vec<_>>() {
        values.push(answer.await.expect("joined"));
    }
    let mut living = 0;
    for token in values {
        living += usize::from(whoami(&house, &token).await.0 == StatusCode::OK);
    }
    assert_eq!(living, 1);
}

#[tokio::test]
async fn a_token_is_taken_only_from_the_addresses_that_it_allows() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, token) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let account = format!("/organizations/acme/service-accounts/{id}");
    let set = async |path: &str, ranges: Value| {
        let body = json!({ "allowed_addresses": ranges });
        let answer = house.api(&olive, axum::http::Method::PATCH, path, Some(body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    };
    // The tests' requests come from 127.0.0.1.
    let key = format!("{account}/tokens/{key}");
    for path in [&account, &key] {
        set(path, json!(["10.0.0.0/8", "2001:db8::/32"])).await;
        let (status, problem) = whoami(&house, &token).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().expect("text").contains("127.0.0.1"));
        set(path, json!(["10.0.0.0/8", "127.0.0.1"])).await;
        assert_eq!(whoami(&house, &token).await.0, StatusCode::OK);
    }
    let bad = json!({ "allowed_addresses": ["localhost"] });
    let answer = house.api(&olive, axum::http::Method::PATCH, &key, Some(bad)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json()["errors"][0]["field"], "allowed_addresses");
}

#[tokio::test]
async fn looking_at_the_reveal_without_reading_it_leaves_the_value_there() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let cookie = house.sign_in("olive").await;
    let tab = "/orgs/acme/settings/teams/platform/api-token";
    let answer = house.form(&cookie, tab, &[("lifetime", "30")]).await;
    assert_eq!(answer.location(), format!("{tab}/reveal"));
    let head = axum::http::Request::head(answer.location())
        .header("host", "localhost")
        .header("cookie", &cookie)
        .body(axum::body::Body::empty())
        .expect("a request");
    assert_eq!(house.send(head).await.status, StatusCode::OK);
    let page = house.page(&cookie, answer.location()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("tsrt_"));
    assert_eq!(house.page(&cookie, answer.location()).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn the_form_limits_a_personal_token_to_the_permissions_that_are_chosen() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let form = [("name", "narrow"), ("lifetime", "none"), ("access", "limited")];
    let nothing = house.form(&cookie, "/account/tokens", &form).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", nothing.text);
    assert!(nothing.text.contains("Choose at least one permission."), "{}", nothing.text);
    let chosen = [&form[..], &[("permission", ""), ("permission", "runs:read")]].concat();
    let made = house.form(&cookie, "/account/tokens", &chosen).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    // What is hidden while everything is chosen is not taken into account.
    let whole = [("name", "whole"), ("lifetime", "none"), ("access", "all"), ("permission", "runs:read")];
    assert_eq!(house.form(&cookie, "/account/tokens", &whole).await.status, StatusCode::SEE_OTHER);
    let list = house.get(&olive, "/account/tokens").await.json();
    let of = |name: &str| {
        let all = list["items"].as_array().expect("a list");
        all.iter().find(|token| token["name"] == name).expect("the token")["permissions"].clone()
    };
    assert_eq!(of("narrow"), json!(["runs:read"]), "{list}");
    assert_eq!(of("whole"), json!(null), "{list}");
}
