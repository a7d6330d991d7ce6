//! The rules of team and organization tokens, through the API alone.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;

use crate::harness::{AccountScope, TestApp};
use crate::protocols::{evaluate, forward, introspect, service};

const TEAM: &str = "/organizations/acme/teams/platform/token";
const ORGANIZATION: &str = "/organizations/acme/token";

fn value(answer: &crate::harness::Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json()["token"].as_str().expect("a value").to_owned()
}

async fn world() -> (TestApp, String, String) {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let mo = house.person("mo", "member", Some(("platform", TeamRole::Member))).await;
    let project = json!({ "slug": "infra", "name": "Infra", "team": "platform" });
    house.post(&olive, "/organizations/acme/projects", project).await;
    (house, olive, mo)
}

#[tokio::test]
async fn teams_and_organizations_have_no_token_by_default_and_one_each_at_most() {
    let (house, olive, mo) = world().await;
    for (path, who, prefix) in [(TEAM, &mo, "tsrt_"), (ORGANIZATION, &olive, "tsro_")] {
        assert_eq!(house.get(who, path).await.status, StatusCode::NOT_FOUND);
        let first = house.post(who, path, json!({})).await;
        assert!(value(&first).starts_with(prefix));
        let second = house.post(who, path, json!({})).await;
        assert_eq!(first.json()["id"], second.json()["id"], "the one token, with a new value");
        assert_eq!(
            house.get(&value(&first), "/whoami").await.status,
            StatusCode::UNAUTHORIZED,
            "dead at once"
        );
        assert_eq!(house.get(&value(&second), "/whoami").await.status, StatusCode::OK);
        // Shown once: afterwards only its particulars.
        let shown = house.get(who, path).await;
        assert!(!shown.text.contains(&value(&second)) && shown.json().get("token").is_none());
        assert_eq!(shown.json()["hint"].as_str().map(|hint| hint.starts_with(prefix)), Some(true));
        assert_eq!(house.api(who, Method::DELETE, path, None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(house.get(&value(&second), "/whoami").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.get(who, path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn members_manage_their_teams_token_and_only_owners_the_organizations() {
    let (house, olive, mo) = world().await;
    let nina = house.person("nina", "account_admin", None).await;
    let stranger = house.person("sam", "member", None).await;
    assert_eq!(house.post(&mo, TEAM, json!({})).await.status, StatusCode::CREATED);
    assert_eq!(house.post(&stranger, TEAM, json!({})).await.status, StatusCode::FORBIDDEN);
    for who in [&mo, &nina, &stranger] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = house.api(who, method, ORGANIZATION, Some(json!({}))).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert!(answer.json()["detail"].as_str().expect("words").contains("owners team"));
        }
    }
    assert_eq!(house.post(&olive, ORGANIZATION, json!({})).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_team_token_has_the_access_of_its_team() {
    let (house, olive, mo) = world().await;
    let token = value(&house.post(&mo, TEAM, json!({})).await);
    let (_, secret) = service(&house, &olive, "backend", &[]).await;
    let ask = async |token: &str, action: &str| {
        let body = json!({
            "subject": { "type": "token", "id": token }, "action": { "name": action },
            "resource": { "type": "project", "id": "infra" },
        });
        evaluate(&house, &secret, body).await["decision"] == json!(true)
    };
    for action in ["runs:write", "configuration_versions:write", "jobs:read"] {
        assert!(ask(&token, action).await && ask(&mo, action).await, "{action}");
    }
    house
        .api(
            &olive,
            Method::PATCH,
            "/organizations/acme/teams/platform",
            Some(json!({ "role": "read_only" })),
        )
        .await;
    assert!(!ask(&token, "runs:write").await && ask(&token, "runs:read").await, "and follows it at once");
}

#[tokio::test]
async fn an_organization_token_sets_everything_up() {
    let (house, olive, _) = world().await;
    let token = value(&house.post(&olive, ORGANIZATION, json!({})).await);
    let base = "/organizations/acme";
    for (method, path, body, expected) in [
        (Method::POST, format!("{base}/teams"), json!({ "slug": "made", "name": "Made" }), 201),
        (Method::PATCH, format!("{base}/teams/made"), json!({ "description": "x" }), 200),
        (Method::PUT, format!("{base}/teams/made/members/mo"), json!({ "role": "admin" }), 200),
        (
            Method::POST,
            format!("{base}/projects"),
            json!({ "slug": "made", "name": "Made", "team": "made" }),
            201,
        ),
        (
            Method::PUT,
            format!("{base}/projects/made/grants/person:mo"),
            json!({ "permission_set": "admin" }),
            200,
        ),
        (
            Method::POST,
            format!("{base}/service-accounts"),
            json!({ "name": "sa", "scope": "team", "team": "made" }),
            201,
        ),
        (Method::POST, format!("{base}/teams/made/token"), json!({}), 201),
        (Method::DELETE, format!("{base}/projects/made"), json!({}), 204),
    ] {
        let answer = house.api(&token, method.clone(), &path, Some(body)).await;
        assert_eq!(answer.status.as_u16(), expected, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_organization_token_starts_no_runs_and_is_told_what_can() {
    let (house, olive, mo) = world().await;
    let token = value(&house.post(&olive, ORGANIZATION, json!({})).await);
    let team = value(&house.post(&mo, TEAM, json!({})).await);
    let (_, secret) = service(&house, &olive, "backend", &[]).await;
    for action in ["runs:write", "configuration_versions:write"] {
        let body = |token: &str| {
            json!({
                "subject": { "type": "token", "id": token }, "action": { "name": action },
                "resource": { "type": "project", "id": "infra" },
            })
        };
        let answer = evaluate(&house, &secret, body(&token)).await;
        assert_eq!(answer["decision"], json!(false));
        let reason = answer["context"]["reason"].as_str().expect("a reason");
        assert!(
            reason.contains("Organization tokens cannot be used")
                && reason.contains("personal token or a team token"),
            "{reason}"
        );
        for can in [&team, &mo, &olive] {
            assert_eq!(evaluate(&house, &secret, body(can)).await["decision"], json!(true));
        }
        let query = format!("?permission={action}&project=infra");
        let answer = forward(&house, &secret, &token, &query, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text.contains("personal token or a team token"));
    }
    // The operations that it cannot use say so in the same words.
    let document = house.page("", "/api/openapi.json").await.json();
    for (path, method) in [
        ("/organizations/{org}/token", "get"),
        ("/organizations/{org}/token", "post"),
        ("/organizations/{org}/token", "delete"),
        ("/organizations/{org}", "delete"),
        ("/organizations", "post"),
        ("/account/tokens", "get"),
        ("/account/tokens", "post"),
    ] {
        let note = document["paths"][path][method]["description"].as_str().unwrap_or_default();
        assert!(note.contains("cannot be used with organization tokens"), "{method} {path}");
        let real = path.replace("{org}", "acme");
        let answer =
            house.api(&token, method.to_uppercase().parse().expect("a method"), &real, Some(json!({}))).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {}", answer.text);
        let told = answer.json()["detail"].as_str().expect("words").to_lowercase();
        assert!(told.contains("personal token"), "{method} {path}: {told}");
    }
}

#[tokio::test]
async fn a_service_can_take_personal_tokens_only() {
    let (house, olive, mo) = world().await;
    let (_, secret) = service(&house, &olive, "state backend", &["personal"]).await;
    let team = value(&house.post(&mo, TEAM, json!({})).await);
    let organization = value(&house.post(&olive, ORGANIZATION, json!({})).await);
    let (_, _, key) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let active =
        async |token: &str| introspect(&house, &secret, &[("token", token)]).await.json()["active"].clone();
    for (token, expected) in
        [(&mo, true), (&olive, true), (&team, false), (&organization, false), (&key, false)]
    {
        assert_eq!(active(token).await, json!(expected));
        let status = forward(&house, &secret, token, "", &[]).await.status;
        assert_eq!(status, if expected { StatusCode::OK } else { StatusCode::UNAUTHORIZED });
        let body = json!({
            "subject": { "type": "token", "id": token }, "action": { "name": "runs:read" },
            "resource": { "type": "project", "id": "infra" },
        });
        let decision = evaluate(&house, &secret, body).await["decision"].clone();
        assert_eq!(decision, json!(expected));
    }
    assert_eq!(Value::Bool(true), active(&mo).await);
}
