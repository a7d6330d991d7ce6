//! Everything that can be created has a limit, and its error names it.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;

use crate::harness::{AccountScope, TestApp, at_once};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn path(rest: &str) -> String {
    format!("/organizations/acme{rest}")
}

/// The limit, the first request that fits, and the ones after it.
type Case = (&'static str, (Method, String), Value, (Method, String), Value);

#[tokio::test]
async fn each_kind_of_thing_can_be_created_up_to_its_limit() {
    let limits = [
        ("limits.teams", "3"),
        ("limits.projects", "2"),
        ("limits.grants_per_project", "2"),
        ("limits.service_accounts", "2"),
        ("limits.keys_per_account", "2"),
        ("limits.service_tokens", "2"),
        ("limits.personal_tokens", "4"),
        ("limits.permission_sets", "2"),
        ("limits.services", "2"),
        ("limits.invitations", "2"),
        ("limits.organizations_per_person", "2"),
    ];
    let (house, olive) = TestApp::set_up_with(&limits).await;
    house.team(&olive, "platform").await;
    let (account, ..) =
        house.account(&olive, "first", AccountScope::Organization("platform"), "member").await;
    let project = json!({ "slug": "first", "name": "First", "team": "platform" });
    let answer = house.post(&olive, &path("/projects"), project).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    for username in ["ann", "ben", "cem"] {
        house.person(username, "member", None).await;
    }
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let set =
        |slug: &str| json!({ "slug": slug, "name": slug, "level": "project", "permissions": ["runs:read"] });
    let in_team = |slug: &str| json!({ "slug": slug, "name": slug, "team": "platform" });
    let account_in =
        |name: &str| json!({ "name": name, "role": "member", "scope": "team", "team": "platform" });
    let grant = |who: &str| (Method::PUT, path(&format!("/projects/first/grants/person:{who}")));
    let named = json!({ "permission_set": "member" });
    let create = |rest: &str| (Method::POST, path(rest));
    let keys = format!("/service-accounts/{account}/tokens");
    // The first that fits, and the one after it.
    let cases: Vec<Case> = vec![
        (
            "teams",
            create("/teams"),
            json!({ "slug": "b", "name": "B" }),
            create("/teams"),
            json!({ "slug": "c", "name": "C" }),
        ),
        ("projects", create("/projects"), in_team("two"), create("/projects"), in_team("three")),
        (
            "service_accounts",
            create("/service-accounts"),
            account_in("two"),
            create("/service-accounts"),
            account_in("three"),
        ),
        ("keys_per_account", create(&keys), json!({ "name": "k" }), create(&keys), json!({ "name": "l" })),
        ("permission_sets", create("/permission-sets"), set("one"), create("/permission-sets"), set("two")),
        (
            "services",
            create("/services"),
            json!({ "name": "one" }),
            create("/services"),
            json!({ "name": "two" }),
        ),
        ("invitations", create("/invitations"), json!({}), create("/invitations"), json!({})),
        (
            "service_tokens",
            create("/service-tokens"),
            json!({ "name": "a", "grants": grants }),
            create("/service-tokens"),
            json!({ "name": "b", "grants": grants }),
        ),
        ("grants_per_project", grant("ann"), named.clone(), grant("cem"), named.clone()),
        (
            "personal_tokens",
            (Method::POST, "/account/tokens".to_owned()),
            json!({ "name": "a" }),
            (Method::POST, "/account/tokens".to_owned()),
            json!({ "name": "b" }),
        ),
        (
            "organizations_per_person",
            (Method::POST, "/organizations".to_owned()),
            json!({ "slug": "two", "name": "2" }),
            (Method::POST, "/organizations".to_owned()),
            json!({ "slug": "three", "name": "3" }),
        ),
    ];
    for (limit, first, body, next, next_body) in cases {
        // What the set-up made counts, too: go up to the limit.
        let mut last = house.api(&olive, first.0, &first.1, Some(body)).await;
        assert!(last.status.is_success(), "{limit}: {}", last.text);
        for number in 0..3 {
            let mut body = next_body.clone();
            for field in ["slug", "name"] {
                if let Some(text) = body[field].as_str().map(|text| format!("{text}-{number}")) {
                    body[field] = json!(text);
                }
            }
            let path =
                if limit == "grants_per_project" && number == 0 { grant("ben").1 } else { next.1.clone() };
            last = house.api(&olive, next.0.clone(), &path, Some(body)).await;
            if !last.status.is_success() {
                break;
            }
        }
        assert_eq!(last.status, StatusCode::CONFLICT, "{limit}: {}", last.text);
        assert!(last.text.contains(&format!("limits.{limit}")), "{limit}: {}", last.text);
    }
    // What is removed makes room.
    let removed = house.api(&olive, Method::DELETE, &path("/projects/two"), None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let answer = house.post(&olive, &path("/projects"), in_team("again")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[tokio::test]
async fn of_many_who_create_at_once_no_more_get_through_than_the_limit_allows() {
    let (house, olive) = TestApp::set_up_with(&[("limits.teams", "4")]).await;
    let all = at_once((0..12).map(|number| {
        let body = json!({ "slug": format!("team-{number}"), "name": "T" });
        let (house, olive) = (&house, &olive);
        async move { house.post(olive, &path("/teams"), body).await.status }
    }))
    .await;
    assert_eq!(all.iter().filter(|status| **status == StatusCode::CREATED).count(), 3, "{all:?}");
    assert!(all.iter().all(|status| [StatusCode::CREATED, StatusCode::CONFLICT].contains(status)), "{all:?}");
}

#[tokio::test]
async fn one_token_is_exchanged_for_no_more_access_tokens_than_the_limit_allows() {
    let (house, olive) = TestApp::set_up_with(&[("limits.access_tokens", "2")]).await;
    let exchange = async || {
        let form = [
            ("grant_type", EXCHANGE),
            ("subject_token", olive.as_str()),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        house.oauth("/oauth2/token", &[], &form).await
    };
    let first = exchange().await.json()["access_token"].as_str().expect("a value").to_owned();
    assert_eq!(exchange().await.status, StatusCode::OK);
    let refused = exchange().await;
    assert!(refused.status.is_client_error(), "{}", refused.text);
    assert!(refused.text.contains("limits.access_tokens"), "{}", refused.text);
    house.oauth("/oauth2/revoke", &[], &[("token", &first)]).await;
    assert_eq!(exchange().await.status, StatusCode::OK);
}

#[tokio::test]
async fn organizations_are_created_by_who_set_up_the_installation_unless_the_setting_lets_everybody() {
    let new = json!({ "slug": "side", "name": "Side" });
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let ann = house.person("ann", "member", Some(("owners", TeamRole::Admin))).await;
    let refused = house.post(&ann, "/organizations", new.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(refused.text.contains("organization_creation"), "{}", refused.text);
    let cookie = house.sign_in("ann").await;
    let page = house.page(&cookie, "/orgs/new").await;
    assert!(
        !page.text.contains("name=\"slug\"") && !page.text.contains("href=\"/orgs/new\""),
        "{}",
        page.text
    );
    let form = house.form(&cookie, "/orgs/new", &[("slug", "side"), ("name", "Side")]).await;
    assert_eq!(form.status, StatusCode::FORBIDDEN);
    let made = house.post(&olive, "/organizations", new.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let (house, _) = TestApp::set_up_with(&[("organization_creation", "anyone")]).await;
    let ann = house.person("ann", "member", None).await;
    let made = house.post(&ann, "/organizations", new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
}

#[tokio::test]
async fn a_person_belongs_to_no_more_organizations_than_the_limit_allows() {
    let (house, olive) = TestApp::set_up_with(&[
        ("limits.memberships_per_person", "2"),
        ("limits.organizations_per_person", "9"),
    ])
    .await;
    let two = house.post(&olive, "/organizations", json!({ "slug": "two", "name": "2" })).await;
    assert_eq!(two.status, StatusCode::CREATED, "{}", two.text);
    let three = house.post(&olive, "/organizations", json!({ "slug": "three", "name": "3" })).await;
    assert_eq!(three.status, StatusCode::CONFLICT, "{}", three.text);
    assert!(three.text.contains("limits.memberships_per_person"), "{}", three.text);
}
