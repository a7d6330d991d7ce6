//! What people type: in one form, visible, not deceiving, and not too long.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::harness::TestApp;

const ACME: &str = "/organizations/acme";

#[tokio::test]
async fn names_are_stored_normalized_and_two_spellings_are_one_name() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "shop").await;
    let account = |name: &str| json!({ "name": name, "scope": "team", "team": "shop", "role": "member" });
    let accounts = format!("{ACME}/service-accounts");
    let made = house.post(&olive, &accounts, account("Cafe\u{301}")).await;
    assert_eq!(
        (made.status, &made.json()["name"]),
        (StatusCode::CREATED, &json!("Caf\u{e9}")),
        "{}",
        made.text
    );
    assert_eq!(house.post(&olive, &accounts, account("caf\u{e9}")).await.status, StatusCode::CONFLICT);
    for query in ["q=caf%C3%A9", "q=cafe%CC%81"] {
        let page = house.get(&olive, &format!("{accounts}?{query}")).await.json();
        assert_eq!(page["items"].as_array().expect("items").len(), 1, "{query}");
    }
}

#[tokio::test]
async fn names_that_nobody_sees_or_that_deceive_are_refused_everywhere() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "shop").await;
    let cookie = house.sign_in("olive").await;
    for bad in ["\u{200d}", "\u{3164}", "a\u{202e}b", "a\u{2067}b", "a\u{2028}b", "a\u{200b}b", "\u{feff}"] {
        for (path, body) in [
            ("/teams", json!({ "slug": "other", "name": bad })),
            ("/projects", json!({ "slug": "other", "name": bad, "team": "shop" })),
            ("/service-accounts", json!({ "name": bad, "scope": "team", "team": "shop", "role": "member" })),
            (
                "/permission-sets",
                json!({ "slug": "other", "name": bad, "level": "project", "permissions": ["runs:read"] }),
            ),
            ("/services", json!({ "name": bad })),
        ] {
            let answer = house.post(&olive, &format!("{ACME}{path}"), body).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {bad:?}: {}", answer.text);
        }
        let page =
            house.form(&cookie, "/orgs/acme/settings/teams", &[("slug", "other"), ("name", bad)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad:?}");
    }
    let family = "👨\u{200d}👩\u{200d}👧 on call";
    let made =
        house.post(&olive, &format!("{ACME}/teams"), json!({ "slug": "family", "name": family })).await;
    assert_eq!((made.status, &made.json()["name"]), (StatusCode::CREATED, &json!(family)));
}

#[tokio::test]
async fn nothing_is_called_so_that_it_is_taken_for_the_owners() {
    let (house, olive) = TestApp::set_up().await;
    let teams = format!("{ACME}/teams");
    for name in ["Owners", "owners", "OWNERS", "\u{39f}wners", "0wners", "Оwnеrs", "Owner", "o-w-n-e-r-s"] {
        let answer = house.post(&olive, &teams, json!({ "slug": "other", "name": name })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], "name", "{name}");
    }
    for slug in ["owner", "owners", "0wners", "own-ers", "0wner"] {
        let answer = house.post(&olive, &teams, json!({ "slug": slug, "name": "Other" })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{slug}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], "slug", "{slug}");
    }
    house.team(&olive, "shop").await;
    let edit = async |team: &str, body| {
        house.api(&olive, Method::PATCH, &format!("{teams}/{team}"), Some(body)).await.status
    };
    assert_eq!(edit("shop", json!({ "name": "0wners" })).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(edit("shop", json!({ "description": "The shop" })).await, StatusCode::OK);
    assert_eq!(edit("owners", json!({ "description": "All access" })).await, StatusCode::OK);
    for (slug, name) in [("other", "Οwner"), ("other", "Mеmber"), ("0wner", "Other"), ("rnember", "Other")]
    {
        let body = json!({ "slug": slug, "name": name, "level": "project", "permissions": ["runs:read"] });
        let answer = house.post(&olive, &format!("{ACME}/permission-sets"), body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{slug} {name}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_invitation_goes_to_exactly_one_address() {
    let (house, olive) = TestApp::set_up().await;
    for bad in ["a@x.test,b@x.test", "Bea <bea@x.test>", "bea@x@test", "bea @x.test", "bea"] {
        let answer = house
            .post(&olive, &format!("{ACME}/invitations"), json!({ "email": bad, "role": "member" }))
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", answer.text);
    }
    let answer = house
        .post(&olive, &format!("{ACME}/invitations"), json!({ "email": "bea@x.test", "role": "member" }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_the_database_is_asked() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "shop").await;
    let cookie = house.sign_in("olive").await;
    // SQLite refuses patterns of more than 50,000 characters, and hyper takes 65,534 in an address.
    let long = "a".repeat(51_000);
    for path in [
        "/teams?q=",
        "/projects?q=",
        "/projects?team=",
        "/service-accounts?q=",
        "/service-accounts?team=",
        "/service-tokens?q=",
        "/service-tokens?permission_set=",
        "/people?q=",
        "/people?team=",
        "/services?q=",
        "/audit-events?actor=",
        "/audit-events?target=",
        "/audit-events?action=",
        "/audit-events?from=",
        "/teams?after=",
        "/people?after=",
        "/audit-events?after=",
        "/teams?limit=",
        "/people/",
        "/teams/",
        "/projects/",
        "/service-accounts/",
        "/services/",
        "/identity-providers/",
        "/permission-sets/",
        "/service-tokens/",
        "/invitations/",
    ] {
        let answer = house.get(&olive, &format!("{ACME}{path}{long}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", answer.text);
        assert!(answer.text.len() < 2000, "{path}: the value is not repeated");
    }
    for path in [
        "/teams?q=",
        "/projects?q=",
        "/service-accounts?q=",
        "/service-tokens?q=",
        "/people?q=",
        "/tokens?q=",
        "/audit-log?actor=",
        "/audit-log?target=",
        "/audit-log?after=",
        "/access-explorer?who=",
        "/people/",
    ] {
        let answer = house.page(&cookie, &format!("/orgs/acme/settings{path}{long}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
    // The reference says so of every operation that has a part of its path or a filter to fill in.
    let document = house.page("", "/api/openapi.json").await.json();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let has_values = path.contains('{') || operation["parameters"].to_string().contains("\"query\"");
            assert!(!has_values || operation["responses"]["422"].is_object(), "{method} {path}");
        }
    }
    // What just fits is looked for.
    let fits = "ä".repeat(2048).bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for path in ["/teams?q=", "/people?q=", "/audit-events?actor="] {
        let answer = house.get(&olive, &format!("{ACME}{path}{fits}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    let key = "k".repeat(5000);
    let answer = house
        .call(
            (&olive, Method::POST, &format!("{ACME}/teams")),
            &[("idempotency-key", &key)],
            Some(json!({ "slug": "keyed", "name": "Keyed" })),
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
}

#[tokio::test]
async fn no_value_of_a_body_is_too_long_for_the_database() {
    let (house, olive) = TestApp::set_up_with(&[("allow_private_issuers", "true")]).await;
    house.team(&olive, "shop").await;
    let long = "a".repeat(60_000);
    // PostgreSQL refuses index entries of more than 2,704 bytes.
    for (method, path, body) in [
        (Method::POST, "/teams", json!({ "slug": long, "name": "T" })),
        (Method::POST, "/teams", json!({ "slug": "t", "name": long })),
        (Method::POST, "/teams", json!({ "slug": "t", "name": "T", "role": long })),
        (Method::POST, "/projects", json!({ "slug": "p", "name": "P", "team": long })),
        (
            Method::POST,
            "/service-accounts",
            json!({ "name": "a", "scope": "team", "team": long, "role": "member" }),
        ),
        (
            Method::POST,
            "/service-accounts",
            json!({ "name": "a", "scope": "team", "team": "shop", "role": "member", "authentication": "federated",
            "identity": { "provider": long, "subject": "s" } }),
        ),
        (
            Method::POST,
            "/service-accounts",
            json!({ "name": "a", "scope": "team", "team": "shop", "role": "member", "authentication": "federated",
            "identity": { "provider": "x", "subject": long } }),
        ),
        (
            Method::POST,
            "/identity-providers",
            json!({ "name": "i", "issuer": format!("http://127.0.0.1:9/{long}"), "audience": "a" }),
        ),
        (
            Method::POST,
            "/identity-providers",
            json!({ "name": "i", "issuer": "http://127.0.0.1:9", "audience": long }),
        ),
        (Method::POST, "/invitations", json!({ "email": format!("{long}@x.test"), "role": "member" })),
        (Method::POST, "/invitations", json!({ "email": "", "role": long })),
        (Method::PUT, "/teams/shop/members/olive", json!({ "role": long })),
    ] {
        let answer = house.api(&olive, method, &format!("{ACME}{path}"), Some(body)).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {}",
            &answer.text[..answer.text.len().min(500)]
        );
    }
}
