//! Pages: every template, with names that try to break it.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{ByTest, TestApp};

const HOSTILE: &str = "\"'><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(1)>";

#[tokio::test]
async fn no_name_breaks_a_page() {
    let (house, olive) = TestApp::set_up().await;
    let team = json!({ "slug": "hostile", "name": HOSTILE, "description": HOSTILE });
    assert_eq!(house.post(&olive, "/organizations/acme/teams", team).await.status, StatusCode::CREATED);
    let account = json!({
        "name": HOSTILE, "description": HOSTILE, "comment": HOSTILE, "scope": "team", "team": "hostile",
        "key": { "name": HOSTILE },
    });
    let made = house.post(&olive, "/organizations/acme/service-accounts", account).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let (id, key) = (made.json()["id"].clone(), made.json()["key"]["id"].clone());
    let (id, key) = (id.as_str().expect("an id"), key.as_str().expect("an id"));
    let cookie = house.sign_in("olive").await;
    let all = "/orgs/acme/settings/service-accounts";
    let pages = [
        "/orgs/acme".to_owned(),
        "/orgs/acme/settings/teams".to_owned(),
        "/orgs/acme/settings/teams/hostile/members".to_owned(),
        "/orgs/acme/settings/teams/hostile/settings".to_owned(),
        "/orgs/acme/settings/teams/hostile/delete".to_owned(),
        "/orgs/acme/settings/people".to_owned(),
        "/orgs/acme/settings/people/new".to_owned(),
        all.to_owned(),
        format!("{all}/new"),
        format!("{all}?q=%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("{all}/{id}/tokens"),
        format!("{all}/{id}/settings"),
        format!("{all}/{id}/regenerate"),
        format!("{all}/{id}/delete"),
        format!("{all}/{id}/tokens/{key}/revoke"),
        format!("{all}/{id}/tokens/{key}/reveal"),
    ];
    for path in pages {
        let page = house.page(&cookie, &path).await;
        assert!(page.status == StatusCode::OK || page.status == StatusCode::GONE, "{path}: {}", page.text);
        assert!(!page.text.contains("<script>alert") && !page.text.contains("<img"), "{path}: {}", page.text);
        assert!(
            page.text.starts_with("<!doctype html>") && page.text.trim_end().ends_with("</html>"),
            "{path}"
        );
    }
    // What was typed comes back as it was, and as text.
    let refused =
        house.form(&cookie, "/orgs/acme/settings/teams", &[("name", HOSTILE), ("slug", HOSTILE)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!refused.text.contains("<script>alert") && refused.text.contains("alert(1)"));
}

#[tokio::test]
async fn the_pages_around_an_organization_are_there_too() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let invited =
        house.post(&olive, "/organizations/acme/invitations", json!({ "role": "member" })).await.json();
    let link = invited["link"].as_str().expect("a link");
    let code = link.split("/invitations/").nth(1).expect("a code");
    let guest = house.page("", &format!("/invitations/{code}")).await;
    assert!(guest.text.contains("Join Acme Inc.") && guest.text.contains("autocomplete=\"new-password\""));
    let known = house.page(&cookie, &format!("/invitations/{code}")).await;
    assert!(known.text.contains("signed in as"));
    assert_eq!(house.page("", "/invitations/never").await.status, StatusCode::NOT_FOUND);
    // Who belongs nowhere is told so, and finds the way in.
    let mut tx = house.app.context.db.begin().await.expect("begun");
    tessera::platform::sql("DELETE FROM memberships").execute(&mut tx, &ByTest).await.expect("deleted");
    tx.commit().await.expect("committed");
    assert!(house.page(&cookie, "/").await.text.contains("You are not a member of an organization."));
    assert_eq!(house.page(&cookie, "/orgs/acme").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_person_may_not_do_is_not_offered() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.account(&olive, "ci", crate::harness::AccountScope::Team("platform"), "member").await;
    house.person("mo", "member", Some(("platform", tessera::access::TeamRole::Member))).await;
    for (username, offered) in [("olive", true), ("mo", false)] {
        let cookie = house.sign_in(username).await;
        for path in ["/orgs/acme/settings/service-accounts", "/orgs/acme/settings/people"] {
            let page = house.page(&cookie, path).await;
            assert!(page.text.contains(">ci</a>"), "{username} sees it");
            for action in ["Edit ci", "Regenerate token for ci", "Delete ci"] {
                assert_eq!(page.text.contains(action), offered, "{username}: {action}");
            }
        }
    }
}

#[test]
fn every_template_is_used() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text: String =
        crate::house::sources().iter().map(|path| std::fs::read_to_string(path).expect("a source")).collect();
    let mut names = Vec::new();
    for folder in std::fs::read_dir(root.join("templates"))
        .expect("templates")
        .map(|entry| entry.expect("an entry").path())
    {
        let files = if folder.is_dir() {
            std::fs::read_dir(&folder)
                .expect("a folder")
                .map(|entry| entry.expect("an entry").path())
                .collect()
        } else {
            vec![folder]
        };
        for path in files {
            text += &std::fs::read_to_string(&path).expect("a template");
            names.push(path.strip_prefix(root.join("templates")).expect("inside").display().to_string());
        }
    }
    for name in names {
        assert!(text.contains(&format!("\"{name}\"")), "{name} is used nowhere");
    }
}

#[tokio::test]
async fn assets_are_small_compressed_and_kept_for_good() {
    let house = TestApp::empty().await;
    for (name, budget) in [("app.css", 12_288), ("app.js", 8_192), ("icons.svg", 8_192)] {
        let address = tessera::platform::web::assets::asset(name);
        for (encoding, sent) in [("br", Some("br")), ("gzip", Some("gzip")), ("identity", None)] {
            let request = axum::http::Request::get(address).header("accept-encoding", encoding);
            let answer = house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}");
            assert_eq!(
                answer.headers.get("content-encoding").map(|value| value.to_str().expect("text")),
                sent
            );
            assert!(answer.headers["cache-control"].to_str().expect("text").contains("immutable"));
            let length: usize =
                answer.headers["content-length"].to_str().expect("text").parse().expect("a number");
            assert!(sent.is_none() || length <= budget, "{name} as {encoding}: {length}");
        }
    }
    assert_eq!(house.page("", "/assets/nothing.css").await.status, StatusCode::NOT_FOUND);
}
