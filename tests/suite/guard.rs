//! Every route, asked by every kind of actor. A route without a row here fails
//! the build.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use tessera::access::TeamRole;

use crate::harness::{Home, House};

/// Routes that anyone may ask.
const PUBLIC: &[&str] =
    &["/", "/setup", "/sign-in", "/sign-out", "/theme", "/invitations/{code}", "/healthz", "/readyz"];

/// Method, route, and the status for: nobody, member of nothing, member of the
/// team, admin of the team, owner, account without `service_accounts`.
/// API routes answer 401 to nobody, pages 303.
const TABLE: &[(&str, &str, [u16; 6])] = &[
    ("GET", "/whoami", [401, 200, 200, 200, 200, 200]),
    ("GET", "/organizations/{org}/teams", [401, 200, 200, 200, 200, 200]),
    ("POST", "/organizations/{org}/teams", [401, 403, 403, 403, 422, 403]),
    ("GET", "/organizations/{org}/teams/{team}", [401, 404, 200, 200, 200, 404]),
    ("PATCH", "/organizations/{org}/teams/{team}", [401, 404, 403, 403, 200, 404]),
    ("DELETE", "/organizations/{org}/teams/{team}", [401, 404, 403, 403, 409, 404]),
    ("GET", "/organizations/{org}/teams/{team}/members", [401, 404, 200, 200, 200, 404]),
    ("PUT", "/organizations/{org}/teams/{team}/members/{username}", [401, 404, 403, 200, 200, 404]),
    ("DELETE", "/organizations/{org}/teams/{team}/members/{username}", [401, 404, 403, 204, 404, 404]),
    ("GET", "/organizations/{org}/service-accounts", [401, 200, 200, 200, 200, 403]),
    ("POST", "/organizations/{org}/service-accounts", [401, 422, 422, 422, 422, 422]),
    ("GET", "/organizations/{org}/service-accounts/{id}", [401, 404, 200, 200, 200, 404]),
    ("PATCH", "/organizations/{org}/service-accounts/{id}", [401, 404, 403, 200, 200, 404]),
    ("POST", "/organizations/{org}/service-accounts/{id}/disable", [401, 404, 403, 200, 200, 404]),
    ("POST", "/organizations/{org}/service-accounts/{id}/enable", [401, 404, 403, 200, 200, 404]),
    ("GET", "/organizations/{org}/service-accounts/{id}/tokens", [401, 404, 200, 200, 200, 404]),
    ("POST", "/organizations/{org}/service-accounts/{id}/tokens", [401, 404, 403, 422, 422, 404]),
    (
        "POST",
        "/organizations/{org}/service-accounts/{id}/tokens/{tok}/regenerate",
        [401, 404, 403, 201, 201, 404],
    ),
    ("DELETE", "/organizations/{org}/service-accounts/{id}/tokens/{tok}", [401, 404, 403, 204, 409, 404]),
    ("DELETE", "/organizations/{org}/service-accounts/{id}", [401, 404, 403, 204, 404, 404]),
    ("PATCH", "/organizations/{org}/service-accounts/{id}/tokens/{tok}", [401, 404, 403, 200, 200, 404]),
    ("GET", "/organizations/{org}/teams/{team}/token", [401, 404, 200, 200, 200, 404]),
    ("POST", "/organizations/{org}/teams/{team}/token", [401, 404, 201, 201, 201, 404]),
    ("DELETE", "/organizations/{org}/teams/{team}/token", [401, 404, 204, 404, 404, 404]),
    ("GET", "/organizations/{org}/token", [401, 403, 403, 403, 200, 403]),
    ("POST", "/organizations/{org}/token", [401, 403, 403, 403, 201, 403]),
    ("DELETE", "/organizations/{org}/token", [401, 403, 403, 403, 204, 403]),
    ("DELETE", "/token", [401, 204, 204, 204, 204, 204]),
];

/// Pages that are read: nobody, member of nothing, member of the team, admin of
/// the team, owner.
const PAGES: &[(&str, [u16; 5])] = &[
    ("/orgs/{org}", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/teams", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/teams/{team}", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/teams/{team}/members", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/service-accounts", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/api-token", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/api-token/reveal", [303, 404, 410, 410, 410]),
    ("/orgs/{org}/settings/teams/{team}/api-token/regenerate", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/api-token/delete", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/api-token", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/api-token/reveal", [303, 403, 403, 403, 410]),
    ("/orgs/{org}/settings/api-token/regenerate", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/api-token/delete", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/teams/{team}/settings", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/delete", [303, 404, 403, 403, 200]),
    ("/orgs/{org}/settings/people", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/people/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/service-accounts", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/new", [303, 403, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/access", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/activity", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/settings", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/edit", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/regenerate", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/delete", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/reveal", [303, 404, 410, 410, 410]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/revoke", [303, 404, 403, 200, 200]),
];

/// Pages that only take forms; each is asked with an empty one.
const FORMS: &[(&str, [u16; 5])] = &[
    ("/orgs/{org}/settings/teams", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/people", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/people/invitations/{id}/revoke", [303, 403, 403, 403, 404]),
    ("/orgs/{org}/settings/teams/{team}/members", [303, 404, 422, 422, 422]),
    ("/orgs/{org}/settings/teams/{team}/members/remove", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/teams/{team}/settings", [303, 404, 403, 403, 422]),
    ("/orgs/{org}/settings/teams/{team}/delete", [303, 404, 403, 403, 422]),
    ("/orgs/{org}/settings/teams/{team}/api-token/stop-old", [303, 404, 409, 409, 409]),
    ("/orgs/{org}/settings/teams/{team}/api-token", [303, 404, 422, 422, 422]),
    ("/orgs/{org}/settings/teams/{team}/api-token/regenerate", [303, 404, 303, 303, 303]),
    ("/orgs/{org}/settings/teams/{team}/api-token/delete", [303, 404, 303, 404, 404]),
    ("/orgs/{org}/settings/api-token/stop-old", [303, 403, 403, 403, 409]),
    ("/orgs/{org}/settings/api-token", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/api-token/regenerate", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/api-token/delete", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/edit", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts", [303, 422, 422, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/settings", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/delete", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/regenerate", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/service-accounts/{id}/disable", [303, 404, 403, 303, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/enable", [303, 404, 403, 303, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/stop-old", [303, 404, 403, 409, 409]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/revoke", [303, 404, 403, 303, 409]),
];

struct Cast {
    house: House,
    tokens: Vec<String>,
    cookies: Vec<String>,
    id: String,
    key: String,
}

/// A secret team with an account, and one actor of each kind.
async fn cast() -> Cast {
    let (house, olive) = House::founded().await;
    let secret = serde_json::json!({ "slug": "inner", "name": "Inner", "visibility": "secret" });
    house.post(&olive, "/organizations/acme/teams", secret).await;
    let nothing = house.person("nina", "member", None).await;
    let member = house.person("mo", "member", Some(("inner", TeamRole::Member))).await;
    let admin = house.person("ada", "member", Some(("inner", TeamRole::Admin))).await;
    let (id, key, _) = house.account(&olive, "inside", Home::Team("inner"), "member").await;
    let (_, _, outside) = house.account(&olive, "outside", Home::Organization("owners"), "member").await;
    for path in ["/organizations/acme/teams/inner/token", "/organizations/acme/token"] {
        assert_eq!(house.post(&olive, path, serde_json::json!({})).await.status, StatusCode::CREATED);
    }
    let mut cookies = vec![String::new()];
    for username in ["nina", "mo", "ada", "olive"] {
        cookies.push(house.sign_in(username).await);
    }
    Cast { tokens: vec![String::new(), nothing, member, admin, olive, outside], cookies, id, key, house }
}

impl Cast {
    fn fill(&self, route: &str, organization: &str) -> String {
        route
            .replace("{org}", organization)
            .replace("{team}", "inner")
            .replace("{username}", "mo")
            .replace("{id}", &self.id)
            .replace("{tok}", &self.key)
    }
}

#[tokio::test]
async fn each_actor_gets_what_the_table_says() {
    for (method, route, expected) in TABLE {
        let cast = cast().await;
        let method: Method = method.parse().expect("a method");
        let body = (method != Method::GET && method != Method::DELETE).then(|| serde_json::json!({}));
        let mut found = Vec::new();
        for token in &cast.tokens {
            found.push(
                cast.house
                    .api(token, method.clone(), &cast.fill(route, "acme"), body.clone())
                    .await
                    .status
                    .as_u16(),
            );
        }
        assert_eq!(found, expected, "{method} {route}");
    }
}

#[tokio::test]
async fn each_person_gets_the_pages_that_the_table_says() {
    let cast = cast().await;
    for (route, expected) in PAGES {
        let mut found = Vec::new();
        for cookie in &cast.cookies {
            found.push(cast.house.page(cookie, &cast.fill(route, "acme")).await.status.as_u16());
        }
        assert_eq!(found, expected, "GET {route}");
    }
    for (route, expected) in FORMS {
        let mut found = Vec::new();
        for cookie in &cast.cookies {
            found.push(cast.house.form(cookie, &cast.fill(route, "acme"), &[]).await.status.as_u16());
        }
        assert_eq!(found, expected, "POST {route}");
    }
}

#[tokio::test]
async fn another_organization_is_as_if_it_were_not_there_and_doors_do_not_mix() {
    let cast = cast().await;
    for (method, route, _) in TABLE.iter().filter(|(_, route, _)| route.contains("{org}")) {
        let method: Method = method.parse().expect("a method");
        for token in &cast.tokens[1..] {
            let answer = cast.house.api(token, method.clone(), &cast.fill(route, "other"), None).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {route}");
        }
    }
    for (route, _) in PAGES {
        for cookie in &cast.cookies[1..] {
            let status = cast.house.page(cookie, &cast.fill(route, "other")).await.status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route}");
        }
    }
    // A token opens no page, a session not the API.
    let owner = &cast.cookies[4];
    let request = axum::http::Request::get("/api/v1/whoami").header("cookie", owner);
    let answer = cast.house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let request =
        axum::http::Request::get("/orgs/acme").header("authorization", format!("Bearer {}", cast.tokens[4]));
    let answer = cast.house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let path = format!("/api/v1/whoami?access_token={}", cast.tokens[4]);
    assert_eq!(cast.house.page("", &path).await.status, StatusCode::UNAUTHORIZED);
}

#[test]
fn every_route_of_the_sources_has_a_row() {
    let mut routes = BTreeSet::new();
    for path in crate::house::sources() {
        let text = std::fs::read_to_string(&path).expect("a source");
        let mut names = Vec::new();
        for line in text.lines() {
            if let Some((name, value)) =
                line.trim().strip_prefix("let ").and_then(|line| line.split_once(" = \""))
            {
                names.push((name.to_owned(), value.trim_end_matches("\";").to_owned()));
            }
        }
        for part in text.split(".route(").skip(1) {
            let argument = part.split_once(", ").expect("two arguments").0.trim();
            let raw =
                argument.trim_start_matches("&format!(").trim_end_matches(')').trim_matches('"').to_owned();
            let mut route =
                names.iter().find(|(name, _)| *name == raw).map_or(raw, |(_, value)| value.clone());
            for (name, value) in &names {
                route = route.replacen(&format!("{{{name}}}/"), &format!("{value}/"), 1);
            }
            routes.insert(route.replace("{{", "{").replace("}}", "}"));
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    let known: BTreeSet<&str> = PUBLIC
        .iter()
        .copied()
        .chain(TABLE.iter().map(|row| row.1))
        .chain(PAGES.iter().map(|row| row.0))
        .chain(FORMS.iter().map(|row| row.0))
        .collect();
    let without: Vec<&String> = routes.iter().filter(|route| !known.contains(route.as_str())).collect();
    assert!(without.is_empty(), "routes without a row: {without:?}");
}
