//! What is counted of verifications: by day, value, address, service, permission and result.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::platform::sql;

use crate::harness::{AccountScope, TestApp};
use crate::protocols::{evaluate, forward, introspect, service, world};

async fn flush(house: &TestApp) {
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
}

/// The counts that somebody reads at a path below the organization.
async fn usage(house: &TestApp, token: &str, path: &str) -> Value {
    let answer = house.get(token, &format!("/organizations/acme{path}/usage")).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    answer.json()
}

fn totals(usage: &Value) -> (i64, i64) {
    (usage["allowed"].as_i64().expect("a number"), usage["refused"].as_i64().expect("a number"))
}

/// Reasons of refusals with their calls, by name.
fn refusals(usage: &Value) -> Vec<(String, i64)> {
    let all = usage["refusals"].as_array().expect("a list").iter();
    let mut all: Vec<_> = all
        .map(|it| (it["reason"].as_str().expect("text").to_owned(), it["calls"].as_i64().expect("a number")))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn every_protocol_counts_what_was_asked_and_answered() {
    let (house, olive, id, key) = world().await;
    let (svc, secret) = service(&house, &olive, "gateway", &[]).await;
    let reader = ("client_address", "192.0.2.7");
    introspect(&house, &secret, &[("token", &key), reader]).await;
    introspect(&house, &secret, &[("token", &key), reader]).await;
    for (query, expected) in [
        ("", StatusCode::OK),
        ("?permission=runs:write&project=ledger", StatusCode::OK),
        ("?permission=settings:write", StatusCode::FORBIDDEN),
        ("?permission=runs:read&project=nothing", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(forward(&house, &secret, &key, query, &[]).await.status, expected, "{query}");
    }
    for (name, project, expected) in
        [("runs:write", "ledger", true), ("permissions:write", "ledger", false), ("runs:read", "no", false)]
    {
        let body = json!({
            "subject": { "type": "token", "id": key },
            "action": { "name": name },
            "resource": { "type": "project", "id": project },
        });
        assert_eq!(evaluate(&house, &secret, body).await["decision"], json!(expected), "{name}");
    }
    flush(&house).await;

    let account = usage(&house, &olive, &format!("/service-accounts/{id}")).await;
    assert_eq!(totals(&account), (5, 4), "{account}");
    assert_eq!(refusals(&account), [("permission".to_owned(), 2), ("project".to_owned(), 2)]);
    let allowed_permissions = json!([{ "name": "runs:write", "calls": 2 }]);
    assert_eq!(account["permissions"], allowed_permissions);
    assert_eq!(account["services"], json!([{ "name": svc, "calls": 5 }]));
    let from = account["addresses"].as_array().expect("a list");
    assert!(from.contains(&json!({ "name": "192.0.2.7", "calls": 2 })), "{from:?}");
    let days = account["days"].as_array().expect("a list");
    assert_eq!((days.len(), &days[29]), (30, &json!({ "day": "2027-01-01", "allowed": 5, "refused": 4 })));

    assert_eq!(totals(&usage(&house, &olive, &format!("/services/{svc}")).await), (5, 4));
    let project = usage(&house, &olive, "/projects/ledger").await;
    assert_eq!((totals(&project), refusals(&project)), ((2, 1), vec![("permission".to_owned(), 1)]));
    assert_eq!(totals(&usage(&house, &olive, "").await), (5, 4));
}

#[tokio::test]
async fn a_refused_value_is_counted_with_its_reason_and_is_not_used() {
    let (house, olive, id, key) = world().await;
    let (svc, secret) = service(&house, &olive, "gateway", &["service_account", "access"]).await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let ask = async |value: &str, address: &str| {
        let answer = introspect(&house, &secret, &[("token", value), ("client_address", address)]).await;
        answer.json()["active"].clone()
    };
    // A value that nobody has, and a kind that the service does not accept.
    let unknown = format!("{}x", &key[..key.len() - 1]);
    assert_eq!(ask(&unknown, "192.0.2.7").await, json!(false));
    assert_eq!(ask(&olive, "192.0.2.7").await, json!(false));
    // An address that is not allowed.
    let tok = house.get(&olive, &keys).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let limit = json!({ "allowed_addresses": ["198.51.100.0/24"] });
    let edited = house.api(&olive, Method::PATCH, &format!("{keys}/{tok}"), Some(limit)).await;
    assert_eq!(edited.status, StatusCode::OK, "{}", edited.text);
    assert_eq!(ask(&key, "192.0.2.7").await, json!(false));
    // A disabled account, an old value, an expired and a revoked key.
    let account = format!("/organizations/acme/service-accounts/{id}");
    house.post(&olive, &format!("{account}/disable"), json!({})).await;
    assert_eq!(ask(&key, "198.51.100.7").await, json!(false));
    house.post(&olive, &format!("{account}/enable"), json!({})).await;
    let short = json!({ "name": "short", "expires_at": "2027-01-02T00:00:00Z" });
    let short = house.post(&olive, &keys, short).await.json()["token"].as_str().expect("a value").to_owned();
    house.app.context.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    assert_eq!(ask(&short, "198.51.100.7").await, json!(false));
    assert_eq!(house.get(&short, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    house.api(&olive, Method::DELETE, &format!("{keys}/{tok}"), None).await;
    for _ in 0..3 {
        assert_eq!(ask(&key, "198.51.100.7").await, json!(false));
    }
    flush(&house).await;

    let of_account = usage(&house, &olive, &account.replace("/organizations/acme", "")).await;
    assert_eq!(
        refusals(&of_account),
        [("address", 1), ("expired", 2), ("holder_ended", 1), ("revoked", 3)]
            .map(|(reason, calls)| (reason.to_owned(), calls)),
        "{of_account}"
    );
    assert_eq!(totals(&of_account).0, 0);
    let of_service = usage(&house, &olive, &format!("/services/{svc}")).await;
    assert_eq!(
        refusals(&of_service),
        [("address", 1), ("expired", 1), ("holder_ended", 1), ("kind", 1), ("revoked", 3), ("unknown", 1)]
            .map(|(reason, calls)| (reason.to_owned(), calls)),
        "{of_service}"
    );
    let shown = house.get(&olive, &account).await.json();
    assert_eq!(shown["last_used_at"], Value::Null, "a refusal is no use");
}

#[tokio::test]
async fn an_organization_learns_nothing_about_tokens_of_another_one() {
    let (house, olive, _, _) = world().await;
    let (svc, secret) = service(&house, &olive, "gateway", &[]).await;
    let other = house.other_organization().await;
    assert_eq!(introspect(&house, &secret, &[("token", &other)]).await.json()["active"], json!(false));
    // Neither when the token is valid nor when it has ended.
    house.api(&other, Method::DELETE, "/token", None).await;
    assert_eq!(introspect(&house, &secret, &[("token", &other)]).await.json()["active"], json!(false));
    flush(&house).await;
    let of_service = usage(&house, &olive, &format!("/services/{svc}")).await;
    assert_eq!(refusals(&of_service), [("unknown".to_owned(), 2)], "{of_service}");
    let rows: Vec<(String,)> = sql("SELECT principal_id FROM usage WHERE service_id = $1")
        .bind(&svc)
        .all(&house.app.context.db)
        .await
        .expect("read");
    assert!(rows.is_empty(), "{rows:?}");
}

#[tokio::test]
async fn counts_are_read_by_those_who_see_what_is_counted() {
    let (house, olive, id, key) = world().await;
    house.team(&olive, "data").await;
    let eve = house.person("eve", "member", None).await;
    introspect(&house, &service(&house, &olive, "gateway", &[]).await.1, &[("token", &key)]).await;
    flush(&house).await;
    let account = format!("/organizations/acme/service-accounts/{id}/usage");
    assert_eq!(house.get(&eve, &account).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get(&eve, "/organizations/acme/usage").await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.get(&olive, &account).await.status, StatusCode::OK);
    for days in ["0", "91", "-1", "x"] {
        let refused = house.get(&olive, &format!("{account}?days={days}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{days}: {}", refused.text);
        assert!(refused.text.contains("from 1 to 90"), "{}", refused.text);
    }
    let all = house.get(&olive, &format!("{account}?days=90")).await.json();
    assert_eq!(all["days"].as_array().expect("a list").len(), 90);
}

#[tokio::test]
async fn the_pages_show_the_same_counts_as_the_api() {
    let (house, olive, id, key) = world().await;
    let (svc, secret) = service(&house, &olive, "gateway", &[]).await;
    for _ in 0..1_234 {
        introspect(&house, &secret, &[("token", &key)]).await;
    }
    for _ in 0..7 {
        forward(&house, &secret, &key, "?permission=permissions:write&project=ledger", &[]).await;
    }
    flush(&house).await;
    let cookie = house.sign_in("olive").await;
    for path in [
        format!("service-accounts/{id}/activity"),
        format!("services/{svc}"),
        "projects/ledger/activity".to_owned(),
    ] {
        let page = house.page(&cookie, &format!("/orgs/acme/settings/{path}")).await.text;
        let project = path.starts_with("projects");
        assert!(page.contains(if project { "Allowed 0" } else { "Allowed 1,234" }), "{path}: {page}");
        assert!(page.contains("Refused 7") && page.contains("Refused because the permission is missing"));
        // The day is a bar with a title, and a row of the table behind the chart.
        assert!(page.contains("1 Jan 2027") && page.contains("7 refused"), "{path}: {page}");
    }
    let list = house.page(&cookie, "/orgs/acme/settings/service-accounts").await.text;
    assert!(list.contains("1,241 calls in 30 days, at most 1,241 a day"), "{list}");
    let overview = house.page(&cookie, "/orgs/acme").await.text;
    assert!(overview.contains("Allowed 1,234") && overview.contains("Refused 7"), "{overview}");
}

#[tokio::test]
async fn calls_of_several_nodes_and_parallel_flushes_add_up() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    let (id, _, key) = house.account(&olive, "ci", AccountScope::Team("payments"), "member").await;
    let second = house.another_process().await;
    for node in [&house, &second] {
        for _ in 0..10 {
            assert_eq!(node.get(&key, "/whoami").await.status, StatusCode::OK);
        }
    }
    tokio::join!(flush(&house), flush(&second));
    let counted = usage(&house, &olive, &format!("/service-accounts/{id}")).await;
    assert_eq!(totals(&counted), (20, 0), "{counted}");
    assert_eq!(counted["services"], json!([{ "name": null, "calls": 20 }]), "Tessera itself is no service");
}
