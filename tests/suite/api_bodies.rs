//! What programs send and get back: `null`, conflicts, who made what, and the
//! organizations of a person.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;

use crate::harness::{AccountScope, Answer, TestApp, at_once};

fn path(rest: &str) -> String {
    format!("/organizations/acme{rest}")
}

async fn call(house: &TestApp, token: &str, method: Method, rest: &str, body: Value) -> Answer {
    house.api(token, method, &path(rest), Some(body)).await
}

async fn made(house: &TestApp, token: &str, rest: &str, body: Value) -> Value {
    let answer = house.post(token, &path(rest), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{rest}: {}", answer.text);
    answer.json()
}

#[tokio::test]
async fn null_means_no_end_and_a_field_that_is_left_out_the_default() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let policy = |kinds: &[&str], rule: Value| {
        let lifetimes: serde_json::Map<String, Value> =
            kinds.iter().map(|kind| ((*kind).to_owned(), rule.clone())).collect();
        json!({ "policy": { "lifetimes": lifetimes } })
    };
    let kinds = ["personal", "service_account", "service_token", "team"];
    let rule = policy(&kinds, json!({ "default_days": 30 }));
    assert_eq!(call(&house, &olive, Method::PATCH, "", rule).await.status, StatusCode::OK);
    let (account, ..) = house.account(&olive, "ci", AccountScope::Organization("platform"), "member").await;
    let keys = format!("/service-accounts/{account}/tokens");
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let cases = [
        (path(&keys), json!({ "name": "k" })),
        (path("/service-tokens"), json!({ "name": "s", "grants": grants })),
        ("/account/tokens".to_owned(), json!({ "name": "p" })),
        (path("/teams/platform/token"), json!({})),
    ];
    let usual = json!(house.app.context.clock.now().plus(30 * DAY));
    for (path, body) in &cases {
        let answer = house.post(&olive, path, body.clone()).await;
        assert_eq!(answer.json()["expires_at"], usual, "{path}: {}", answer.text);
        let mut endless = body.clone();
        endless["expires_at"] = Value::Null;
        let answer = house.post(&olive, path, endless).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.text);
        assert_eq!(answer.json()["expires_at"], Value::Null, "{path}: {}", answer.text);
    }
    // Where the policy has a maximum there is no token without an end, and thirty days are thirty days.
    let rule = policy(&kinds, json!({ "max_days": 30 }));
    assert_eq!(call(&house, &olive, Method::PATCH, "", rule).await.status, StatusCode::OK);
    for (path, body) in &cases {
        for (end, expected) in [
            (Value::Null, StatusCode::UNPROCESSABLE_ENTITY),
            (
                json!(house.app.context.clock.now().plus(30 * DAY).plus(DAY / 24)),
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            (json!(house.app.context.clock.now().plus(30 * DAY)), StatusCode::CREATED),
        ] {
            let mut body = body.clone();
            body["expires_at"] = end.clone();
            let answer = house.post(&olive, path, body).await;
            assert_eq!(answer.status, expected, "{path} {end}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn null_clears_texts_and_ranges_and_leaving_a_field_out_keeps_them() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let account = json!({ "name": "ci", "scope": "organization", "default_team": "platform", "description": "d",
        "comment": "c", "allowed_addresses": ["127.0.0.0/8"] });
    let account = made(&house, &olive, "/service-accounts", account).await;
    let one = format!("/service-accounts/{}", account["id"].as_str().expect("an id"));
    let key = format!("{one}/tokens/{}", account["key"]["id"].as_str().expect("an id"));
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let token =
        json!({ "name": "s", "description": "d", "allowed_addresses": ["127.0.0.0/8"], "grants": grants });
    let token = made(&house, &olive, "/service-tokens", token).await;
    let token = format!("/service-tokens/{}", token["id"].as_str().expect("an id"));
    let project = json!({ "slug": "one", "name": "One", "team": "platform", "description": "d" });
    made(&house, &olive, "/projects", project).await;
    let set = json!({ "slug": "set", "name": "Set", "level": "project", "permissions": ["runs:read"], "description": "d" });
    made(&house, &olive, "/permission-sets", set).await;
    for (rest, fields) in [
        (one.as_str(), &["description", "comment", "allowed_addresses"][..]),
        (key.as_str(), &["allowed_addresses"][..]),
        (token.as_str(), &["description", "allowed_addresses"][..]),
        ("/projects/one", &["description"][..]),
        ("/permission-sets/set", &["description"][..]),
        ("/teams/platform", &["description"][..]),
    ] {
        let kept = call(&house, &olive, Method::PATCH, rest, json!({})).await;
        assert_eq!(kept.status, StatusCode::OK, "{rest}: {}", kept.text);
        for field in fields {
            let cleared = call(&house, &olive, Method::PATCH, rest, json!({ (*field): null })).await;
            assert_eq!(cleared.status, StatusCode::OK, "{rest} {field}: {}", cleared.text);
            let empty = if *field == "allowed_addresses" { json!([]) } else { json!("") };
            assert_eq!(cleared.json()[field], empty, "{rest} {field}: {}", cleared.text);
        }
    }
    // So it is where something is created.
    let body = json!({ "name": "two", "scope": "team", "team": "platform", "description": null, "comment": null,
        "allowed_addresses": null, "expires_at": null });
    let two = made(&house, &olive, "/service-accounts", body).await;
    assert_eq!((&two["comment"], &two["allowed_addresses"]), (&json!(""), &json!([])));
}

#[tokio::test]
async fn a_key_that_ends_does_not_make_itself_endless() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (account, ..) = house.account(&olive, "ci", AccountScope::Organization("platform"), "member").await;
    let account = format!("/service-accounts/{account}");
    call(&house, &olive, Method::PATCH, &account, json!({ "self_rotation": true })).await;
    let ends = json!({ "name": "short", "expires_at": house.app.context.clock.now().plus(3 * DAY) });
    let key = made(&house, &olive, &format!("{account}/tokens"), ends).await;
    let key = key["token"].as_str().expect("a value");
    let answer = house.post(key, "/token/rotate", json!({ "expires_at": null })).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
}

#[tokio::test]
async fn what_does_not_fit_what_is_there_is_a_conflict_and_what_is_named_twice_a_mistake() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.person("ann", "member", None).await;
    let invite = |body: Value| {
        let (house, olive) = (&house, &olive);
        async move { house.post(olive, &path("/invitations"), body).await }
    };
    let again = invite(json!({ "email": "Ann@acme.test" })).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    assert_eq!(again.json()["errors"][0]["field"], "email");
    let place = json!({ "slug": "platform", "role": "member" });
    let twice = invite(json!({ "teams": [place, place] })).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", twice.text);
    assert_eq!(twice.json()["errors"][0]["field"], "teams");
    let grant = json!({ "permission_set": "member", "projects": "all" });
    let twice =
        house.post(&olive, &path("/service-tokens"), json!({ "name": "s", "grants": [grant, grant] })).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", twice.text);
    assert_eq!(twice.json()["errors"][0]["field"], "grants[1].permission_set");
}

#[tokio::test]
async fn a_team_that_is_deleted_while_a_project_is_created_in_it_is_a_conflict_or_gone() {
    let (house, olive) = TestApp::set_up().await;
    for round in 0..6 {
        let team = format!("team-{round}");
        house.team(&olive, &team).await;
        let statuses = at_once((0..4).map(|number| {
            let (house, olive, team) = (&house, &olive, &team);
            async move {
                if number == 0 {
                    return house
                        .api(olive, Method::DELETE, &path(&format!("/teams/{team}")), None)
                        .await
                        .status;
                }
                let slug = format!("p-{round}-{number}");
                let project = json!({ "slug": slug, "name": slug, "team": team });
                house.post(olive, &path("/projects"), project).await.status
            }
        }))
        .await;
        assert!(statuses.iter().all(|status| !status.is_server_error()), "{statuses:?}");
        let is_deleted = statuses[0] == StatusCode::NO_CONTENT;
        let has_projects = statuses[1..].contains(&StatusCode::CREATED);
        assert!(is_deleted != has_projects, "{statuses:?}");
        assert!(is_deleted || statuses[0] == StatusCode::CONFLICT, "{statuses:?}");
    }
}

#[tokio::test]
async fn an_open_invitation_is_read_and_changed_by_who_could_have_made_it() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let secret =
        json!({ "slug": "hidden", "name": "Hidden", "visibility": "secret", "members_manage_token": false });
    let secret = made(&house, &olive, "/teams", secret).await;
    assert_eq!(secret["members_manage_token"], json!(false));
    let teams = json!([{ "slug": "platform", "role": "admin" }, { "slug": "hidden", "role": "member" }]);
    let invited =
        made(&house, &olive, "/invitations", json!({ "email": "new@acme.test", "teams": teams })).await;
    assert_eq!(invited["teams"][1], json!({ "slug": "platform", "role": "admin" }), "{invited}");
    let one = format!("/invitations/{}", invited["id"].as_str().expect("an id"));
    let shown = house.get(&olive, &path(&one)).await.json();
    assert_eq!(shown["teams"], invited["teams"]);
    assert!(
        shown.get("link").is_none()
            && shown["created_by_id"].as_str().is_some_and(|id| id.starts_with("person_"))
    );
    // Who may read invitations sees no secret team in them.
    let viewer = house.person("viewer", "account_viewer", None).await;
    let seen = house.get(&viewer, &path(&one)).await.json();
    assert_eq!(seen["teams"], json!([{ "slug": "platform", "role": "admin" }]), "{seen}");
    let answer = call(&house, &viewer, Method::PATCH, &one, json!({ "role": "member" })).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    let edit = json!({ "role": "read_only", "teams": [] });
    let answer = call(&house, &olive, Method::PATCH, &one, edit).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!((&answer.json()["role"], &answer.json()["teams"]), (&json!("read_only"), &json!([])));
    // Whoever changes it gives no more than they hold.
    let body = json!({ "slug": "inviters", "name": "i", "level": "organization", "permissions": ["invitations:write"] });
    made(&house, &olive, "/permission-sets", body).await;
    let inviter = house.person("inviter", "inviters", None).await;
    let answer = call(&house, &inviter, Method::PATCH, &one, json!({ "role": "account_admin" })).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    house.api(&olive, Method::DELETE, &path(&one), None).await;
    let answer = call(&house, &olive, Method::PATCH, &one, json!({ "role": "member" })).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
}

#[tokio::test]
async fn a_person_of_several_organizations_is_told_each_with_what_they_may_do_there() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let ann = house.person("ann", "read_only", Some(("platform", TeamRole::Member))).await;
    let one = house.get(&ann, "/whoami").await.json();
    assert!(one.get("organizations").is_none() && one["organization"] == "acme", "{one}");
    let two = house.post(&olive, "/organizations", json!({ "slug": "beta", "name": "Beta" })).await;
    assert_eq!(two.status, StatusCode::CREATED, "{}", two.text);
    let who = house.get(&olive, "/whoami").await.json();
    assert_eq!((&who["organization"], &who["permissions"]), (&Value::Null, &json!([])), "{who}");
    let slugs: Vec<&Value> = who["organizations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|organization| &organization["slug"])
        .collect();
    assert_eq!(slugs, [&json!("acme"), &json!("beta")]);
    assert!(
        who["organizations"][1]["permissions"].as_array().expect("a list").contains(&json!("settings:write"))
    );
    // A narrowed token carries in each what it carries.
    let narrow = json!({ "name": "n", "permissions": ["groups:read"] });
    let narrow = house.post(&olive, "/account/tokens", narrow).await.json();
    let narrow = narrow["token"].as_str().expect("a value").to_owned();
    let who = house.get(&narrow, "/whoami").await.json();
    assert_eq!(who["organizations"][0]["permissions"], json!(["groups:read"]), "{who}");
    let slugs = async |token: &str, query: &str| -> Vec<String> {
        let list = house.get(token, &format!("/organizations{query}")).await.json();
        let items = list["items"].as_array().expect("a list").clone();
        items.iter().map(|item| item["slug"].as_str().expect("a slug").to_owned()).collect()
    };
    assert_eq!(slugs(&olive, "").await, ["acme", "beta"]);
    assert_eq!(slugs(&olive, "?limit=1").await, ["acme"]);
    assert_eq!(slugs(&ann, "").await, ["acme"]);
    let (.., key) = house.account(&olive, "ci", AccountScope::Organization("platform"), "member").await;
    assert_eq!(slugs(&key, "").await, ["acme"]);
    // An organization that takes no personal tokens is not reached with one.
    let closed = json!({ "policy": { "personal_tokens": false } });
    house.api(&olive, Method::PATCH, "/organizations/beta", Some(closed)).await;
    assert_eq!(slugs(&olive, "").await, ["acme"]);
}

#[tokio::test]
async fn the_token_endpoint_has_the_name_that_other_sdks_ask() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (uid, _, key) = house.account(&olive, "ci", AccountScope::Organization("platform"), "member").await;
    let form =
        [("grant_type", "client_credentials"), ("client_id", uid.as_str()), ("client_secret", key.as_str())];
    let answer = house.oauth("/oidc/token", &[], &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.json()["access_token"].as_str().is_some_and(|value| value.starts_with("tsrx_")));
}

#[tokio::test]
async fn what_somebody_made_names_them_by_id() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let me = house.get(&olive, "/whoami").await.json()["id"].clone();
    let (account, ..) = house.account(&olive, "ci", AccountScope::Organization("platform"), "member").await;
    let account = house.get(&olive, &path(&format!("/service-accounts/{account}"))).await.json();
    let keys = path(&format!("/service-accounts/{}/tokens", account["id"].as_str().expect("an id")));
    let keys = house.get(&olive, &keys).await.json();
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "s", "grants": grants })).await;
    let listed = house.get(&olive, &path("/service-tokens")).await.json();
    for shown in [&account, &keys["items"][0], &token, &listed["items"][0]] {
        assert_eq!(shown["created_by_id"], me, "{shown}");
    }
}

#[tokio::test]
async fn a_service_token_is_said_to_hold_where_its_grants_hold() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    for slug in ["one", "two"] {
        made(&house, &olive, "/projects", json!({ "slug": slug, "name": slug, "team": "platform" })).await;
    }
    let body = json!({ "slug": "people", "name": "People", "level": "organization", "permissions": ["members:read"] });
    made(&house, &olive, "/permission-sets", body).await;
    let cookie = house.sign_in("olive").await;
    for (name, grants, expected) in [
        ("a", json!([{ "permission_set": "people", "projects": "all" }]), "No projects"),
        (
            "b",
            json!([
                { "permission_set": "people", "projects": "all" },
                { "permission_set": "job_viewer", "projects": ["one"] },
            ]),
            "1 project",
        ),
        ("c", json!([{ "permission_set": "job_viewer", "projects": ["one", "two"] }]), "2 projects"),
        ("d", json!([{ "permission_set": "job_viewer", "projects": "all" }]), "All projects"),
        (
            "e",
            json!([
                { "permission_set": "job_viewer", "projects": "all" },
                { "permission_set": "member", "projects": ["two"] },
            ]),
            "All projects, more in 1 project",
        ),
    ] {
        let token = made(&house, &olive, "/service-tokens", json!({ "name": name, "grants": grants })).await;
        let list = house.page(&cookie, "/orgs/acme/settings/service-tokens").await.text;
        assert!(list.contains(&format!(">{expected}</span>")), "{name} {expected}: {list}");
        let id = token["id"].as_str().expect("an id");
        house.api(&olive, Method::DELETE, &path(&format!("/service-tokens/{id}")), None).await;
    }
}
