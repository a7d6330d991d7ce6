//! Teams and who is in them.

use axum::http::{Method, StatusCode};
use serde_json::json;
use tessera::access::TeamRole;

use crate::harness::{AccountScope, TestApp};

#[tokio::test]
async fn a_team_is_made_empty_edited_and_deleted() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let one = house.get(&olive, "/organizations/acme/teams/platform").await.json();
    assert_eq!(
        (one["role"].as_str(), one["visibility"].as_str(), one["members_manage_token"].as_bool()),
        (Some("member"), Some("visible"), Some(true))
    );
    assert_eq!(
        house.get(&olive, "/organizations/acme/teams/platform/members").await.json()["items"],
        json!([])
    );
    let id = one["id"].as_str().expect("an id");
    let edited = house
        .api(
            &olive,
            Method::PATCH,
            &format!("/organizations/acme/teams/{id}"),
            Some(json!({ "name": "The platform" })),
        )
        .await;
    assert_eq!((edited.status, edited.json()["name"].clone()), (StatusCode::OK, json!("The platform")));
    let taken =
        house.post(&olive, "/organizations/acme/teams", json!({ "slug": "platform", "name": "x" })).await;
    assert_eq!(
        (taken.status, taken.json()["errors"][0]["field"].clone()),
        (StatusCode::CONFLICT, json!("slug"))
    );
    for (body, field) in [
        (json!({ "slug": "Owners", "name": "x" }), "slug"),
        (json!({ "slug": "new", "name": "x" }), "slug"),
        (json!({ "slug": "x", "name": "" }), "name"),
        (json!({ "slug": "x", "name": "x", "role": "no_such" }), "role"),
        (json!({ "slug": "x", "name": "x", "visibility": "hidden" }), "visibility"),
        (json!({ "slug": "x", "name": "x", "organization_id": "org_1" }), "organization_id"),
        (json!({ "slug": "x", "name": 1 }), "name"),
    ] {
        let refused = house.post(&olive, "/organizations/acme/teams", body.clone()).await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["field"].clone()),
            (StatusCode::UNPROCESSABLE_ENTITY, json!(field)),
            "{body}"
        );
    }
    assert_eq!(
        house.api(&olive, Method::DELETE, "/organizations/acme/teams/platform", None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(house.get(&olive, "/organizations/acme/teams/platform").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_team_that_accounts_hang_on_is_not_deleted() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, ..) = house.account(&olive, "ci", AccountScope::Organization("platform"), "member").await;
    let refused = house.api(&olive, Method::DELETE, "/organizations/acme/teams/platform", None).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.json()["detail"].as_str().expect("text").contains("ci"));
    house.api(&olive, Method::DELETE, &format!("/organizations/acme/service-accounts/{id}"), None).await;
    assert_eq!(
        house.api(&olive, Method::DELETE, "/organizations/acme/teams/platform", None).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn the_owners_team_is_only_the_owners_and_never_loses_its_last() {
    let (house, olive) = TestApp::set_up().await;
    let admin = house.person("adam", "account_admin", None).await;
    let owners = "/organizations/acme/teams/owners";
    assert_eq!(
        house.api(&admin, Method::PUT, &format!("{owners}/members/adam"), Some(json!({}))).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(house.api(&olive, Method::DELETE, owners, None).await.status, StatusCode::CONFLICT);
    assert_eq!(
        house.api(&olive, Method::DELETE, &format!("{owners}/members/olive"), None).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        house.api(&olive, Method::PUT, &format!("{owners}/members/adam"), Some(json!({}))).await.status,
        StatusCode::OK
    );
    // Each removes the other at once: one stays.
    let (by_olive, by_adam) = (format!("{owners}/members/adam"), format!("{owners}/members/olive"));
    tokio::join!(
        house.api(&olive, Method::DELETE, &by_olive, None),
        house.api(&admin, Method::DELETE, &by_adam, None)
    );
    let (left,): (i64,) = tessera::platform::sql(
        "SELECT COUNT(*) FROM team_members m JOIN teams t ON t.id = m.team_id WHERE t.is_owners",
    )
    .one(&house.app.context.db)
    .await
    .expect("counted");
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_secret_team_is_as_if_it_were_not_there() {
    let (house, olive) = TestApp::set_up().await;
    house
        .post(
            &olive,
            "/organizations/acme/teams",
            json!({ "slug": "secret", "name": "Secret", "visibility": "secret" }),
        )
        .await;
    let inside = house.person("ina", "member", Some(("secret", TeamRole::Member))).await;
    let outside = house.person("otto", "member", None).await;
    assert_eq!(house.get(&inside, "/organizations/acme/teams/secret").await.status, StatusCode::OK);
    let hidden = house.get(&outside, "/organizations/acme/teams/secret").await;
    let random = house.get(&outside, "/organizations/acme/teams/never").await;
    let bare = |answer: &crate::harness::Answer| {
        let mut problem = answer.json();
        problem["request_id"] = json!("");
        (answer.status, problem)
    };
    assert_eq!(bare(&hidden), bare(&random));
    let listed = house.get(&outside, "/organizations/acme/teams").await.json();
    assert!(!listed.to_string().contains("secret"));
    assert!(house.get(&inside, "/organizations/acme/teams").await.text.contains("secret"));
}

#[tokio::test]
async fn what_belongs_to_a_secret_team_does_not_name_it_to_others() {
    let (house, olive) = TestApp::set_up().await;
    let secret = json!({ "slug": "hush", "name": "Hush Hush", "visibility": "secret" });
    house.post(&olive, "/organizations/acme/teams", secret).await;
    house.team(&olive, "platform").await;
    let inside = house.person("ina", "member", Some(("hush", TeamRole::Admin))).await;
    let outside = house.person("vera", "account_viewer", None).await;
    for (slug, team) in [("vault", "hush"), ("shop", "platform")] {
        let project = json!({ "slug": slug, "name": slug, "team": team, "visibility": "open" });
        assert_eq!(
            house.post(&olive, "/organizations/acme/projects", project).await.status,
            StatusCode::CREATED
        );
    }
    let (of_team, _, _) = house.account(&olive, "quiet", AccountScope::Team("hush"), "member").await;
    let (by_default, _, _) =
        house.account(&olive, "loud", AccountScope::Organization("hush"), "member").await;
    let grant = "/organizations/acme/projects/shop/grants/team:hush";
    let named = house.api(&olive, Method::PUT, grant, Some(json!({ "permission_set": "developer" }))).await;
    assert_eq!(named.status, StatusCode::OK, "{}", named.text);

    let paths = [
        "/organizations/acme/projects".to_owned(),
        "/organizations/acme/projects/vault".to_owned(),
        "/organizations/acme/projects/shop/grants".to_owned(),
        "/organizations/acme/service-accounts".to_owned(),
        format!("/organizations/acme/service-accounts/{of_team}"),
        format!("/organizations/acme/service-accounts/{by_default}"),
    ];
    for path in &paths {
        let answer = house.get(&outside, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert!(!answer.text.to_lowercase().contains("hush"), "{path}: {}", answer.text);
        let known =
            if path.ends_with("grants") || path.contains("service-accounts") { &olive } else { &inside };
        assert!(house.get(known, path).await.text.contains("hush"), "{path}");
    }
    // Whoever guesses the name finds nothing with it.
    for list in ["projects", "service-accounts"] {
        let path = format!("/organizations/acme/{list}?team=hush");
        let none = json!({ "items": [], "next": null });
        assert_eq!(house.get(&outside, &path).await.json(), none);
        assert_eq!(house.get(&olive, &path).await.json()["items"].as_array().map(Vec::len), Some(1));
    }
    let cookie = house.sign_in("vera").await;
    for path in [
        "/projects".to_owned(),
        "/projects?team=hush".to_owned(),
        "/projects/vault/access".to_owned(),
        "/projects/vault/settings".to_owned(),
        "/projects/shop/access".to_owned(),
        "/service-accounts".to_owned(),
        format!("/service-accounts/{of_team}/settings"),
        format!("/service-accounts/{of_team}/access"),
        format!("/service-accounts/{by_default}/tokens"),
        "/access-explorer?who=person:ina&where=shop&what=runs:write".to_owned(),
    ] {
        let page = house.page(&cookie, &format!("/orgs/acme/settings{path}")).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let typed = ["team=hush", "value=\"hush\"", "Team: hush"];
        let text = typed.iter().fold(page.text.clone(), |text, typed| text.replace(typed, ""));
        assert!(!text.to_lowercase().contains("hush"), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn an_edit_keeps_the_secret_team_that_the_editor_does_not_know() {
    let (house, olive) = TestApp::set_up().await;
    let secret = json!({ "slug": "hush", "name": "Hush Hush", "visibility": "secret" });
    house.post(&olive, "/organizations/acme/teams", secret).await;
    house.team(&olive, "platform").await;
    let set = json!({ "slug": "caretaker", "name": "Caretaker", "level": "organization",
        "permissions": ["service_accounts:write", "projects:write", "permissions:write", "runs:write"] });
    let made = house.post(&olive, "/organizations/acme/permission-sets", set).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let carl = house.person("carl", "caretaker", Some(("platform", TeamRole::Admin))).await;
    let project = json!({ "slug": "vault", "name": "vault", "team": "hush", "visibility": "open" });
    house.post(&olive, "/organizations/acme/projects", project).await;
    let (account, _, _) =
        house.account(&olive, "loud", AccountScope::Organization("hush"), "caretaker").await;

    let cookie = house.sign_in("carl").await;
    let path = format!("/orgs/acme/settings/service-accounts/{account}/settings");
    for (path, field) in
        [(&path, "default_team"), (&"/orgs/acme/settings/projects/vault/settings".to_owned(), "team")]
    {
        let page = house.page(&cookie, path).await.text;
        let select = page.split(&format!("name=\"{field}\"")).nth(1).expect("the field");
        let first = select.split("</option>").next().expect("an option");
        assert!(first.ends_with("value=\"\">A secret team (unchanged)"), "{first}");
    }
    // As the pages send it.
    let fields = [
        ("version", "0"),
        ("name", "louder"),
        ("role", "caretaker"),
        ("scope", "organization"),
        ("default_team", ""),
        ("lifetime", "keep"),
    ];
    let saved = house.form(&cookie, &path, &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let fields = [("version", "0"), ("name", "Vault"), ("team", ""), ("visibility", "open")];
    let saved = house.form(&cookie, "/orgs/acme/settings/projects/vault/settings", &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    // As a client sends back what it read, changed.
    let path = format!("/organizations/acme/service-accounts/{account}");
    let body = json!({ "description": "x", "default_team": null });
    let saved = house.api(&carl, Method::PATCH, &path, Some(body)).await;
    assert_eq!((saved.status, saved.json()["default_team"].clone()), (StatusCode::OK, json!(null)));
    let saved = house.get(&olive, &path).await.json();
    assert_eq!((saved["name"].clone(), saved["default_team"].clone()), (json!("louder"), json!("hush")));
    let saved = house.get(&olive, "/organizations/acme/projects/vault").await.json();
    assert_eq!((saved["name"].clone(), saved["team"].clone()), (json!("Vault"), json!("hush")));
}

#[tokio::test]
async fn team_admins_manage_their_own_team_and_demotion_acts_on_the_next_request() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    let tara = house.person("tara", "member", Some(("platform", TeamRole::Admin))).await;
    house.person("mo", "member", None).await;
    let put = |token: &str, team: &str| {
        let (token, path) = (token.to_owned(), format!("/organizations/acme/teams/{team}/members/mo"));
        let house = &house;
        async move { house.api(&token, Method::PUT, &path, Some(json!({ "role": "member" }))).await.status }
    };
    assert_eq!(put(&tara, "platform").await, StatusCode::OK);
    assert_eq!(put(&tara, "data").await, StatusCode::FORBIDDEN);
    let cookie = house.sign_in("tara").await;
    assert!(
        house.page(&cookie, "/orgs/acme/settings/teams/platform/members").await.text.contains("Add a member")
    );
    house
        .api(
            &olive,
            Method::PUT,
            "/organizations/acme/teams/platform/members/tara",
            Some(json!({ "role": "member" })),
        )
        .await;
    assert_eq!(put(&tara, "platform").await, StatusCode::FORBIDDEN);
    assert!(
        !house
            .page(&cookie, "/orgs/acme/settings/teams/platform/members")
            .await
            .text
            .contains("Add a member")
    );
}

#[tokio::test]
async fn an_edit_over_somebody_elses_is_refused_and_tells_what_changed() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let cookie = house.sign_in("olive").await;
    let save = async |name: &'static str| {
        house
            .form(
                &cookie,
                "/orgs/acme/settings/teams/platform/settings",
                &[("version", "0"), ("name", name), ("role", "member"), ("visibility", "visible")],
            )
            .await
    };
    assert_eq!(save("First").await.status, StatusCode::SEE_OTHER);
    let late = save("Second").await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        late.text.contains("Someone else has changed this team")
            && late.text.contains("First")
            && late.text.contains("Second")
    );
}

#[tokio::test]
async fn the_list_finds_secret_teams_and_those_without_a_token_or_with_one_that_expires_soon() {
    let (house, olive) = TestApp::set_up().await;
    for (slug, visibility, days) in
        [("alpha", "visible", Some(5)), ("beta", "visible", Some(60)), ("gamma", "secret", None)]
    {
        let body = json!({ "slug": slug, "name": slug, "visibility": visibility });
        let made = house.post(&olive, "/organizations/acme/teams", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        if let Some(days) = days {
            let end = house.app.context.clock.now().plus(days * tessera::platform::clock::DAY);
            let path = format!("/organizations/acme/teams/{slug}/token");
            let made = house.post(&olive, &path, json!({ "expires_at": end })).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        }
    }
    let ada = house.person("ada", "member", Some(("alpha", TeamRole::Member))).await;
    for (token, query, wanted) in [
        (&olive, "token=expiring", &["alpha"][..]),
        (&olive, "token=none", &["owners", "gamma"]),
        (&olive, "visibility=secret", &["gamma"]),
        (&olive, "token=none&visibility=visible&sort=-name", &["owners"]),
        (&ada, "token=none", &["owners"]),
        (&ada, "visibility=secret", &[]),
    ] {
        let found = house.get(token, &format!("/organizations/acme/teams?{query}")).await.json();
        let slugs: Vec<&str> = found["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter_map(|team| team["slug"].as_str())
            .collect();
        assert_eq!(slugs, wanted, "{query}");
    }
    for (username, wanted) in [
        (
            "olive",
            ["All <b>4</b>", "Token expires in 14 days <b>1</b>", "No token <b>2</b>", "Secret <b>1</b>"],
        ),
        ("ada", ["All <b>3</b>", "Token expires in 14 days <b>1</b>", "No token <b>1</b>", ""]),
    ] {
        let cookie = house.sign_in(username).await;
        let page = house.page(&cookie, "/orgs/acme/settings/teams").await.text;
        assert!(wanted.iter().all(|text| page.contains(text)), "{page}");
        assert_eq!(page.contains("Secret <b>"), username == "olive");
    }
    let unknown = house.get(&olive, "/organizations/acme/teams?token=old").await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
}
