//! An installation below a path.

use std::collections::{BTreeSet, VecDeque};

use axum::http::{StatusCode, header};
use serde_json::json;

use crate::harness::{AccountScope, TestApp};

const BELOW: [(&str, &str); 1] = [("public_url", "http://localhost/tessera")];

/// The addresses of a page that these attributes hold.
fn addresses(page: &str, attributes: &[&str]) -> Vec<String> {
    let of = |attribute: &str| {
        let parts: Vec<&str> = page.split(attribute).skip(1).collect();
        parts.iter().filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>()
    };
    attributes.iter().flat_map(|attribute| of(attribute)).collect()
}

#[tokio::test]
async fn every_address_of_every_page_is_below_the_path_of_the_installation() {
    let (house, olive) = TestApp::set_up_with(&BELOW).await;
    house.team(&olive, "platform").await;
    house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let project = json!({ "slug": "shop", "name": "Shop", "team": "platform" });
    house.post(&olive, "/organizations/acme/projects", project).await;
    let cookie = house.sign_in("olive").await;
    let mut waiting = VecDeque::from(["/tessera/".to_owned()]);
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut pages = 0;
    while let Some(path) = waiting.pop_front() {
        let answer = house.page(&cookie, &path).await;
        let mut found = Vec::new();
        if answer.status == StatusCode::SEE_OTHER {
            found.push(answer.headers[header::LOCATION].to_str().expect("text").to_owned());
        } else {
            assert!(
                answer.status == StatusCode::OK || answer.status == StatusCode::FORBIDDEN,
                "{path}: {}",
                answer.status
            );
            if answer.headers[header::CONTENT_TYPE].as_bytes().starts_with(b"text/html") {
                pages += 1;
                found = addresses(&answer.text, &["href=\"", "src=\""]);
                for address in addresses(&answer.text, &["action=\""]) {
                    assert!(address.starts_with("/tessera/"), "{path} sends a form to {address}");
                }
            }
        }
        for address in found {
            let address =
                address.split('#').next().expect("a part").replace("&#38;", "&").replace("&amp;", "&");
            if !address.starts_with('/') {
                continue;
            }
            assert!(address.starts_with("/tessera/"), "{path} leads to {address}");
            if pages < 150 && seen.insert(address.clone()) {
                waiting.push_back(address);
            }
        }
    }
    assert!(pages > 30, "{pages}");
}

#[tokio::test]
async fn requests_are_answered_with_the_path_and_without_it() {
    let (house, olive) = TestApp::set_up_with(&BELOW).await;
    for path in ["/api/v1/whoami", "/tessera/api/v1/whoami", "/organizations", "/tessera"] {
        let expected = if path.starts_with("/organizations") { 404 } else { 200 };
        let request = axum::http::Request::get(path)
            .header("authorization", format!("Bearer {olive}"))
            .header("host", "localhost");
        let answer = house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
        let status = answer.status.as_u16();
        assert!(status == expected || (path == "/tessera" && status == 303), "{path}: {status}");
    }
    // Whoever has to sign in first comes back to the page, below the path.
    let first = house.page("", "/tessera/orgs/acme").await;
    assert_eq!(first.headers[header::LOCATION], "/tessera/sign-in?next=%2Forgs%2Facme");
    let fields =
        [("email", "olive@acme.test"), ("password", crate::harness::PASSWORD), ("next", "/orgs/acme")];
    let signed_in = house.form("", "/tessera/sign-in", &fields).await;
    assert_eq!(signed_in.headers[header::LOCATION], "/tessera/orgs/acme");
    // The theme's form names the page by the address that the browser has.
    let cookie = house.sign_in("olive").await;
    let themed =
        house.form(&cookie, "/tessera/theme", &[("theme", "dark"), ("back", "/tessera/orgs/acme")]).await;
    assert_eq!(themed.headers[header::LOCATION], "/tessera/orgs/acme");
    let metadata = house.page("", "/tessera/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["token_endpoint"], "http://localhost/tessera/oauth2/token");
    let document = house.page("", "/tessera/api/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/tessera/api/v1");
}
