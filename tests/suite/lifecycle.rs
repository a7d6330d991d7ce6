//! What ends a token ends it everywhere: on the API, at introspection, access
//! evaluation and forward auth, on every node, with the next request.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;

use crate::harness::{AccountScope, TestApp};
use crate::protocols::{forward, service};

/// How one token stands on one node: what its four ways say.
async fn ways(house: &TestApp, secret: &str, token: &str) -> [bool; 4] {
    let introspected =
        crate::protocols::introspect(house, secret, &[("token", token), ("client_address", "127.0.0.1")])
            .await;
    let body = json!({
        "subject": { "type": "token", "id": token }, "action": { "name": "groups:read" },
        "resource": { "type": "organization", "id": "acme" }, "context": { "client_address": "127.0.0.1" },
    });
    let request = axum::http::Request::post("/access/v1/evaluation")
        .header("authorization", format!("Bearer {secret}"))
        .header("content-type", "application/json");
    let evaluated =
        house.send(request.body(axum::body::Body::from(body.to_string())).expect("a request")).await;
    let active = |answer: &crate::harness::Answer, field: &str| {
        serde_json::from_str::<Value>(&answer.text).is_ok_and(|it| it[field] == json!(true))
    };
    [
        house.get(token, "/organizations/acme").await.status == StatusCode::OK,
        active(&introspected, "active"),
        active(&evaluated, "decision"),
        forward(house, secret, token, "", &[]).await.status == StatusCode::OK,
    ]
}

struct Stage {
    house: TestApp,
    olive: String,
    secret: String,
    nodes: Vec<TestApp>,
}

impl Stage {
    async fn new() -> Self {
        let (house, olive) = TestApp::set_up().await;
        house.team(&olive, "payments").await;
        let (_, secret) = service(&house, &olive, "api", &[]).await;
        let nodes = vec![house.second_node(), house.second_node()];
        Self { house, olive, secret, nodes }
    }

    /// Everybody, on all nodes, says the same of a token.
    async fn all(&self, token: &str, expected: bool, why: &str) {
        for (place, node) in std::iter::once(&self.house).chain(&self.nodes).enumerate() {
            assert_eq!(ways(node, &self.secret, token).await, [expected; 4], "node {place}: {why}");
        }
    }

    async fn send(&self, method: Method, path: &str, body: Value) {
        let answer = self.house.api(&self.olive, method, path, Some(body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn disabling_deleting_and_revoking_act_everywhere_at_once() {
    let stage = Stage::new().await;
    let base = "/organizations/acme";
    let (id, key_id, key) =
        stage.house.account(&stage.olive, "ci", AccountScope::Team("payments"), "member").await;
    let account = format!("{base}/service-accounts/{id}");
    stage.all(&key, true, "made").await;
    stage.send(Method::POST, &format!("{account}/disable"), json!({})).await;
    stage.all(&key, false, "account disabled").await;
    stage.send(Method::POST, &format!("{account}/enable"), json!({})).await;
    stage.all(&key, true, "account enabled").await;
    stage.send(Method::PATCH, &account, json!({ "allowed_addresses": ["10.0.0.0/8"] })).await;
    stage.all(&key, false, "from elsewhere").await;
    stage.send(Method::PATCH, &account, json!({ "allowed_addresses": [] })).await;
    stage
        .send(
            Method::PATCH,
            &format!("{account}/tokens/{key_id}"),
            json!({ "allowed_addresses": ["10.0.0.0/8"] }),
        )
        .await;
    stage.all(&key, false, "key from elsewhere").await;
    stage
        .send(Method::PATCH, &format!("{account}/tokens/{key_id}"), json!({ "allowed_addresses": [] }))
        .await;
    stage.all(&key, true, "from anywhere").await;
    stage.send(Method::DELETE, &format!("{account}/tokens/{key_id}"), json!({})).await;
    stage.all(&key, false, "key revoked").await;
    let (id, _, key) =
        stage.house.account(&stage.olive, "cd", AccountScope::Team("payments"), "member").await;
    stage.all(&key, true, "made").await;
    stage.send(Method::DELETE, &format!("{base}/service-accounts/{id}"), json!({})).await;
    stage.all(&key, false, "account deleted").await;
    stage.send(Method::POST, &format!("{base}/teams"), json!({ "slug": "gone", "name": "Gone" })).await;
    let made = stage.house.post(&stage.olive, &format!("{base}/teams/gone/token"), json!({})).await.json();
    let team = made["token"].as_str().expect("a value");
    stage.all(team, true, "made").await;
    stage.send(Method::DELETE, &format!("{base}/teams/gone"), json!({})).await;
    stage.all(team, false, "team deleted").await;
    let mo = stage.house.person("mo", "member", Some(("payments", TeamRole::Member))).await;
    stage.all(&mo, true, "joined").await;
    stage.send(Method::PATCH, base, json!({ "policy": { "personal_tokens": false } })).await;
    stage.house.app.context.clock.advance(DAY / 86_400);
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert_eq!(ways(node, &stage.secret, &mo).await, [false; 4], "policy");
    }
}

#[tokio::test]
async fn removing_a_person_and_deleting_the_organization_act_everywhere_at_once() {
    let stage = Stage::new().await;
    let base = "/organizations/acme";
    let mo = stage.house.person("mo", "member", Some(("payments", TeamRole::Member))).await;
    stage.all(&mo, true, "joined").await;
    stage.send(Method::DELETE, &format!("{base}/people/mo"), json!({})).await;
    stage.all(&mo, false, "removed").await;
    let (_, _, key) = stage.house.account(&stage.olive, "ci", AccountScope::Team("payments"), "member").await;
    stage.all(&key, true, "made").await;
    stage.send(Method::DELETE, base, json!({})).await;
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert_eq!(ways(node, &stage.secret, &key).await, [false; 4], "organization deleted");
    }
}

#[tokio::test]
async fn a_disabled_service_is_answered_nothing_on_any_node() {
    let stage = Stage::new().await;
    let (_, _, key) = stage.house.account(&stage.olive, "ci", AccountScope::Team("payments"), "member").await;
    stage.all(&key, true, "made").await;
    let all = stage.house.get(&stage.olive, "/organizations/acme/services").await.json();
    let path = format!("/organizations/acme/services/{}", all["items"][0]["id"].as_str().expect("an id"));
    stage.send(Method::PATCH, &path, json!({ "status": "disabled" })).await;
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert_eq!(ways(node, &stage.secret, &key).await, [true, false, false, false]);
    }
    stage.send(Method::PATCH, &path, json!({ "status": "active" })).await;
    stage.all(&key, true, "active again").await;
}

#[tokio::test]
async fn a_token_ends_at_its_second_everywhere() {
    let stage = Stage::new().await;
    let second = DAY / 86_400;
    let body = json!({
        "name": "ci", "scope": "team", "team": "payments", "key": { "expires_at": "2027-01-01T00:00:10Z" },
    });
    let made = stage.house.post(&stage.olive, "/organizations/acme/service-accounts", body).await.json();
    let key = made["key"]["token"].as_str().expect("a value");
    stage.house.app.context.clock.advance(9 * second);
    stage.all(key, true, "a second before").await;
    stage.house.app.context.clock.advance(second);
    stage.all(key, false, "at its end").await;
    stage.house.app.context.clock.advance(second);
    stage.all(key, false, "a second after").await;
}

#[tokio::test]
async fn a_new_role_acts_with_the_next_request_everywhere() {
    let stage = Stage::new().await;
    let base = "/organizations/acme";
    let (id, _, key) =
        stage.house.account(&stage.olive, "ci", AccountScope::Team("payments"), "member").await;
    let sees =
        async |node: &TestApp| node.get(&key, &format!("{base}/people")).await.status == StatusCode::OK;
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert!(sees(node).await);
    }
    stage
        .send(Method::PATCH, &format!("{base}/service-accounts/{id}"), json!({ "role": "job_runner" }))
        .await;
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert!(!sees(node).await);
    }
    let set = json!({ "slug": "own", "name": "Own", "level": "project", "permissions": ["members:read"] });
    stage.send(Method::POST, &format!("{base}/permission-sets"), set).await;
    stage.send(Method::PATCH, &format!("{base}/service-accounts/{id}"), json!({ "role": "own" })).await;
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert!(sees(node).await);
    }
    stage
        .send(
            Method::PATCH,
            &format!("{base}/permission-sets/own"),
            json!({ "permissions": ["groups:read"] }),
        )
        .await;
    for node in std::iter::once(&stage.house).chain(&stage.nodes) {
        assert!(!sees(node).await, "the set was edited");
    }
}
