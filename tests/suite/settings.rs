//! The rules of the organization's settings: projects and who reaches them,
//! service tokens and what they may carry, policies, people who go, sets.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;

use crate::harness::{AccountScope, Answer, TestApp};

const ACME: &str = "/organizations/acme";

fn path(rest: &str) -> String {
    format!("{ACME}{rest}")
}

async fn patch(house: &TestApp, token: &str, rest: &str, body: Value) -> Answer {
    house.api(token, Method::PATCH, &path(rest), Some(body)).await
}

async fn put(house: &TestApp, token: &str, rest: &str, body: Value) -> Answer {
    house.api(token, Method::PUT, &path(rest), Some(body)).await
}

async fn made(house: &TestApp, token: &str, rest: &str, body: Value) -> Value {
    let answer = house.post(token, &path(rest), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{rest}: {}", answer.text);
    answer.json()
}

/// Two teams with an admin each; the payments team has a project.
async fn two_teams() -> (TestApp, String, String, String) {
    let (house, olive) = TestApp::set_up_with(&[("organization_creation", "anyone")]).await;
    house.team(&olive, "payments").await;
    house.team(&olive, "data").await;
    let bea = house.person("bea", "member", Some(("payments", TeamRole::Admin))).await;
    let chen = house.person("chen", "member", Some(("data", TeamRole::Admin))).await;
    made(&house, &bea, "/projects", json!({ "slug": "ledger", "name": "Ledger", "team": "payments" })).await;
    (house, olive, bea, chen)
}

async fn reads(house: &TestApp, token: &str, project: &str) -> bool {
    let status = house.get(token, &path(&format!("/projects/{project}"))).await.status;
    assert!(status == StatusCode::OK || status == StatusCode::NOT_FOUND, "{status}");
    status == StatusCode::OK
}

#[tokio::test]
async fn a_restricted_project_drops_everyone_who_is_not_named() {
    let (house, olive, bea, _) = two_teams().await;
    let mo = house.person("mo", "member", Some(("payments", TeamRole::Member))).await;
    let (wide, _, wide_key) =
        house.account(&olive, "wide", AccountScope::Organization("data"), "member").await;
    let (_, _, own_key) = house.account(&olive, "own", AccountScope::Team("payments"), "member").await;
    let organization = made(&house, &olive, "/token", json!({})).await;
    let organization = organization["token"].as_str().expect("a value").to_owned();
    for token in [&bea, &mo, &wide_key, &own_key, &organization, &olive] {
        assert!(reads(&house, token, "ledger").await);
    }
    let answer = patch(&house, &bea, "/projects/ledger", json!({ "visibility": "restricted" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    // Whoever did it is named with admin; owners stay; the organization token keeps the record.
    for (token, expected) in [
        (&bea, true),
        (&mo, false),
        (&wide_key, false),
        (&own_key, false),
        (&organization, true),
        (&olive, true),
    ] {
        assert_eq!(reads(&house, token, "ledger").await, expected);
    }
    let named = house.get(&bea, &path("/projects/ledger/grants")).await.json();
    assert_eq!(named["items"][0]["principal"], "person:bea");
    assert_eq!(named["items"][0]["permission_set"], "admin");
    // A member adds nobody; who holds permissions:write does.
    let grant = format!("/projects/ledger/grants/{wide}");
    assert_eq!(
        put(&house, &mo, &grant, json!({ "permission_set": "member" })).await.status,
        StatusCode::NOT_FOUND
    );
    let answer = put(&house, &bea, &grant, json!({ "permission_set": "read_only" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(reads(&house, &wide_key, "ledger").await);
    let gone = house.api(&bea, Method::DELETE, &path(&grant), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert!(!reads(&house, &wide_key, "ledger").await);
}

#[tokio::test]
async fn a_team_scoped_account_is_not_named_in_another_teams_closed_project() {
    let (house, olive, bea, _) = two_teams().await;
    let (id, _, key) = house.account(&olive, "foreign", AccountScope::Team("data"), "member").await;
    let grant = format!("/projects/ledger/grants/{id}");
    let set = json!({ "permission_set": "read_only" });
    let answer = put(&house, &olive, &grant, set.clone()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(answer.json()["errors"][0]["field"], "principal");
    patch(&house, &bea, "/projects/ledger", json!({ "visibility": "public" })).await;
    assert_eq!(put(&house, &olive, &grant, set).await.status, StatusCode::OK);
    // The project closes again: a grant from before counts no longer.
    patch(&house, &bea, "/projects/ledger", json!({ "visibility": "team" })).await;
    assert!(!reads(&house, &key, "ledger").await);
}

#[tokio::test]
async fn nobody_names_somebody_with_more_than_they_hold_and_no_set_of_the_organization() {
    let (house, _, bea, _) = two_teams().await;
    house.person("dana", "member", None).await;
    let grant = "/projects/ledger/grants/person:dana";
    let answer = put(&house, &bea, grant, json!({ "permission_set": "member" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    // As admin of its team she does all that the set gives.
    let answer = put(&house, &bea, grant, json!({ "permission_set": "admin" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = put(&house, &bea, grant, json!({ "permission_set": "account_admin" })).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer =
        put(&house, &bea, "/projects/ledger/grants/person:nobody", json!({ "permission_set": "member" }))
            .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_team_with_projects_is_not_deleted_and_says_which() {
    let (house, olive, ..) = two_teams().await;
    let answer = house.api(&olive, Method::DELETE, &path("/teams/payments"), None).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.text.contains("Ledger"), "{}", answer.text);
}

#[tokio::test]
async fn a_service_token_acts_through_its_own_grants_and_only_there() {
    let (house, olive, bea, chen) = two_teams().await;
    made(&house, &chen, "/projects", json!({ "slug": "warehouse", "name": "Warehouse", "team": "data" }))
        .await;
    let grants = json!([
        { "permission_set": "job_viewer", "projects": ["ledger"] },
        { "permission_set": "semantic_layer_only", "projects": "all" },
    ]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "sync", "grants": grants })).await;
    assert_eq!(token["grants"], grants);
    let value = token["token"].as_str().expect("a value");
    let who = house.get(value, "/whoami").await.json();
    assert_eq!(who["kind"], "service_token");
    assert!(reads(&house, value, "ledger").await);
    // It reaches the other project, but holds projects:read in the first alone.
    assert_eq!(house.get(value, &path("/projects/warehouse")).await.status, StatusCode::FORBIDDEN);
    // Nobody without service_tokens sees it; its value is not shown again.
    assert_eq!(house.get(&bea, &path("/service-tokens")).await.status, StatusCode::FORBIDDEN);
    let id = token["id"].as_str().expect("an id");
    let shown = house.get(&olive, &path(&format!("/service-tokens/{id}"))).await;
    assert!(!shown.text.contains(value));
}

#[tokio::test]
async fn the_summary_of_a_service_token_is_told_before_anything_is_stored() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let path = "/orgs/acme/settings/service-tokens";
    let new = house.page(&cookie, &format!("{path}/new")).await.text;
    assert!(
        new.contains("Choose a permission set to see what this token can do.")
            && new.contains("Update summary"),
        "{new}"
    );
    let typed =
        [("name", "deploy"), ("rows", "1"), ("set1", "developer"), ("where1", "all"), ("preview", "1")];
    let told = house.form(&cookie, path, &typed).await;
    assert_eq!(told.status, StatusCode::OK);
    assert!(told.text.contains("This token can act as Developer in all projects."), "{}", told.text);
    assert!(told.text.contains("value=\"deploy\""), "{}", told.text);
    let listed = house.get(&olive, "/organizations/acme/service-tokens").await;
    assert_eq!(listed.json()["items"], json!([]));
}

#[tokio::test]
async fn nobody_makes_or_renews_a_service_token_that_is_stronger_than_they_are() {
    let (house, olive, ..) = two_teams().await;
    let admin = house.person("sam", "security_admin", None).await;
    let maker = json!({ "slug": "maker", "name": "Maker", "level": "organization", "permissions": ["service_tokens:write", "settings:read"] });
    made(&house, &olive, "/permission-sets", maker).await;
    let maker = house.person("max", "maker", None).await;
    let strong = json!({ "name": "x", "grants": [{ "permission_set": "account_admin", "projects": "all" }] });
    assert_eq!(
        house.post(&admin, &path("/service-tokens"), strong.clone()).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        house.post(&maker, &path("/service-tokens"), strong.clone()).await.status,
        StatusCode::FORBIDDEN
    );
    let weak = json!({ "name": "own", "grants": [{ "permission_set": "maker", "projects": "all" }] });
    let own = made(&house, &maker, "/service-tokens", weak).await;
    let own = format!("/service-tokens/{}", own["id"].as_str().expect("an id"));
    // Not by an edit either; and what an owner gave is not renewed by who holds less.
    let answer = patch(&house, &maker, &own, json!({ "grants": strong["grants"] })).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let theirs = made(&house, &olive, "/service-tokens", strong).await;
    let theirs = format!("/service-tokens/{}", theirs["id"].as_str().expect("an id"));
    let answer = house.post(&maker, &path(&format!("{theirs}/regenerate")), json!({})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // Taking away needs nothing of it.
    let answer = patch(
        &house,
        &maker,
        &theirs,
        json!({ "grants": [{ "permission_set": "maker", "projects": "all" }] }),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn a_policy_caps_lifetimes_limits_sets_and_shuts_personal_tokens_out() {
    let (house, olive, bea, _) = two_teams().await;
    let policy = json!({
        "lifetimes": { "service_token": { "default_days": 30, "max_days": 60 } },
        "service_token_sets": ["semantic_layer_only"],
        "team_admins_create_accounts": false,
    });
    let answer = patch(&house, &olive, "", json!({ "policy": policy })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let now = house.app.context.clock.now();
    let grants = json!([{ "permission_set": "semantic_layer_only", "projects": "all" }]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "a", "grants": grants })).await;
    assert_eq!(token["expires_at"], json!(now.plus(30 * DAY)));
    let long = json!({ "name": "b", "grants": grants, "expires_at": now.plus(90 * DAY) });
    let answer = house.post(&olive, &path("/service-tokens"), long).await;
    assert_eq!(answer.json()["errors"][0]["field"], "expires_at");
    let other = json!({ "name": "c", "grants": [{ "permission_set": "member", "projects": "all" }] });
    let answer = house.post(&olive, &path("/service-tokens"), other).await;
    assert_eq!(answer.json()["errors"][0]["field"], "grants[0].permission_set");
    let account = json!({ "name": "d", "scope": "team", "team": "payments" });
    assert_eq!(house.post(&bea, &path("/service-accounts"), account).await.status, StatusCode::FORBIDDEN);

    let key = house.account(&olive, "e", AccountScope::Team("payments"), "member").await.2;
    patch(&house, &olive, "", json!({ "policy": { "personal_tokens": false } })).await;
    assert_eq!(house.get(&bea, &path("/teams")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.get(&olive, &path("/teams")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_policy_says_how_many_tokens_live_longer_than_its_maximum() {
    let (house, olive, _, _) = two_teams().await;
    let now = house.app.context.clock.now();
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    for (name, end) in
        [("a", json!(null)), ("b", json!(now.plus(90 * DAY))), ("c", json!(now.plus(20 * DAY)))]
    {
        let body = json!({ "name": name, "grants": grants, "expires_at": end });
        made(&house, &olive, "/service-tokens", body).await;
    }
    house.account(&olive, "e", AccountScope::Team("payments"), "member").await;
    let cookie = house.sign_in("olive").await;
    let says = async |policy: Value| {
        let answer = patch(&house, &olive, "", json!({ "policy": policy })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let page = house.page(&cookie, "/orgs/acme/settings/general").await.text;
        page.lines().map(str::trim).filter(|line| line.contains("longer than")).collect::<String>()
    };
    assert_eq!(says(json!({})).await, "");
    let days = |service_tokens: u32| {
        json!({ "lifetimes": { "service_token": { "max_days": service_tokens },
            "service_account": { "max_days": 365 } } })
    };
    let one = "1 active token lives longer than the maximum.";
    let says_30 = says(days(30)).await;
    assert!(
        says_30.contains("2 active tokens live longer than the maximum.") && says_30.contains(one),
        "{says_30}"
    );
    let says_100 = says(days(100)).await;
    assert_eq!(says_100.matches(one).count(), 2, "{says_100}");
}

#[tokio::test]
async fn address_limits_of_the_organization_hold_and_shut_nobody_out_who_sets_them() {
    let (house, olive, ..) = two_teams().await;
    let key = house.account(&olive, "ci", AccountScope::Team("payments"), "member").await.2;
    let limits = |allowed: &str, blocked: &str| {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        json!({ "policy": { "allowed_addresses": list(allowed), "blocked_addresses": list(blocked) } })
    };
    // The tests' requests come from 127.0.0.1.
    for shut in [limits("10.0.0.0/8", ""), limits("", "127.0.0.0/8"), limits("127.0.0.0/8", "127.0.0.1")] {
        let answer = patch(&house, &olive, "", shut).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
        assert!(answer.text.contains("Allow your own IP address"));
    }
    assert_eq!(patch(&house, &olive, "", limits("127.0.0.1", "127.0.0.0/8")).await.status, StatusCode::OK);
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_permission_set_is_made_of_what_its_maker_holds_and_stays_while_it_is_held() {
    let (house, olive, bea, _) = two_teams().await;
    let body = |slug: &str, permissions: &[&str]| json!({ "slug": slug, "name": slug, "level": "project", "permissions": permissions });
    assert_eq!(
        house.post(&bea, &path("/permission-sets"), body("mine", &["runs:read"])).await.status,
        StatusCode::FORBIDDEN
    );
    for reserved in ["member", "Owners", "owner", "job-admin", "new"] {
        let answer = house.post(&olive, &path("/permission-sets"), body(reserved, &["runs:read"])).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{reserved}");
    }
    let answer = house.post(&olive, &path("/permission-sets"), body("odd", &["runs:fly"])).await;
    assert_eq!(answer.json()["errors"][0]["field"], "permissions");
    made(&house, &olive, "/permission-sets", body("runner", &["runs:write"])).await;
    let (_, _, key) = house.account(&olive, "robot", AccountScope::Team("payments"), "runner").await;
    let permissions = async || house.get(&key, "/whoami").await.json()["permissions"].clone();
    assert_eq!(permissions().await, json!(["runs:write"]));
    // An edit acts on the next request.
    patch(&house, &olive, "/permission-sets/runner", json!({ "permissions": ["jobs:read"] })).await;
    assert_eq!(permissions().await, json!(["jobs:read"]));
    let held = house.api(&olive, Method::DELETE, &path("/permission-sets/runner"), None).await;
    assert_eq!(held.status, StatusCode::CONFLICT);
    assert!(held.text.contains("1 service account"), "{}", held.text);
    let built_in = patch(&house, &olive, "/permission-sets/member", json!({ "name": "x" })).await;
    assert_eq!(built_in.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn who_is_removed_loses_this_organization_and_no_other() {
    let (house, olive, bea, _) = two_teams().await;
    let created = house.post(&bea, "/organizations", json!({ "slug": "side", "name": "Side" })).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let cookie = house.sign_in("bea").await;
    let (id, ..) = house.account(&bea, "hers", AccountScope::Team("payments"), "member").await;
    // The last owner stays.
    let answer = house.api(&olive, Method::DELETE, &path("/people/olive"), None).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let form = [("heir", "chen")];
    let olives = house.sign_in("olive").await;
    let answer = house.form(&olives, "/orgs/acme/settings/people/bea/remove", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(house.get(&bea, &path("/teams")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get(&bea, "/organizations/side/teams").await.status, StatusCode::OK);
    assert_eq!(house.page(&cookie, "/orgs/acme").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.page(&cookie, "/orgs/side").await.status, StatusCode::OK);
    // What she made lives on, in another's name.
    let account = house.get(&olive, &path(&format!("/service-accounts/{id}"))).await.json();
    assert_eq!(account["created_by"], "Name of chen");
}

#[tokio::test]
async fn a_personal_token_made_with_a_personal_token_never_outlives_or_exceeds_it() {
    let (house, olive) = TestApp::set_up().await;
    let now = house.app.context.clock.now();
    let limits = ["groups:read", "members:read", "credentials:write"];
    let narrow = json!({ "name": "narrow", "permissions": limits, "expires_at": now.plus(10 * DAY) });
    let narrow = house.post(&olive, "/account/tokens", narrow).await;
    assert_eq!(narrow.status, StatusCode::CREATED, "{}", narrow.text);
    let narrow = narrow.json()["token"].as_str().expect("a value").to_owned();
    assert_eq!(house.get(&narrow, &path("/teams")).await.status, StatusCode::OK);
    let refused = house.post(&narrow, &path("/teams"), json!({ "slug": "x", "name": "X" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("This token is limited"), "{}", refused.text);
    for (body, field) in [
        (json!({ "name": "a", "permissions": ["groups:write"] }), "permissions"),
        (json!({ "name": "b", "expires_at": now.plus(11 * DAY) }), "expires_at"),
    ] {
        let answer = house.post(&narrow, "/account/tokens", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.json()["errors"][0]["field"], field);
    }
    let same = house.post(&narrow, "/account/tokens", json!({ "name": "c" })).await.json();
    assert_eq!(same["expires_at"], json!(now.plus(10 * DAY)));
    assert_eq!(same["permissions"], json!(limits));
}

#[tokio::test]
async fn a_service_has_two_secrets_at_most_and_they_open_nothing_else() {
    let (house, olive) = TestApp::set_up().await;
    let service =
        made(&house, &olive, "/services", json!({ "name": "legacy", "accepted_kinds": ["personal"] })).await;
    let secret = service["secret"].as_str().expect("a value");
    assert!(secret.starts_with("tsrr_"));
    assert_eq!(house.get(secret, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.get(secret, &path("/teams")).await.status, StatusCode::UNAUTHORIZED);
    let secrets = format!("/services/{}/secrets", service["id"].as_str().expect("an id"));
    made(&house, &olive, &secrets, json!({})).await;
    assert_eq!(house.post(&olive, &path(&secrets), json!({})).await.status, StatusCode::CONFLICT);
    let wrong = json!({ "name": "x", "accepted_kinds": ["service_secret"] });
    let answer = house.post(&olive, &path("/services"), wrong).await;
    assert_eq!(answer.json()["errors"][0]["field"], "accepted_kinds");
}

#[tokio::test]
async fn the_scope_of_an_account_is_only_ever_narrowed() {
    let (house, olive, ..) = two_teams().await;
    let (wide, ..) = house.account(&olive, "wide", AccountScope::Organization("data"), "member").await;
    let (own, ..) = house.account(&olive, "own", AccountScope::Team("data"), "member").await;
    let answer =
        patch(&house, &olive, &format!("/service-accounts/{own}"), json!({ "scope": "organization" })).await;
    assert_eq!(answer.json()["errors"][0]["field"], "scope");
    assert!(answer.text.contains("every team"));
    let narrowed = json!({ "scope": "team", "team": "payments" });
    let answer = patch(&house, &olive, &format!("/service-accounts/{wide}"), narrowed).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let account = answer.json();
    assert_eq!((&account["team"], &account["default_team"]), (&json!("payments"), &Value::Null));
}

#[tokio::test]
async fn the_audit_log_is_filtered_exported_and_kept_from_members() {
    let (house, olive, bea, _) = two_teams().await;
    assert_eq!(house.get(&bea, &path("/audit-events")).await.status, StatusCode::FORBIDDEN);
    let all = house.get(&olive, &path("/audit-events?action=team.created")).await.json();
    let mut names: Vec<&str> = all["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|e| e["target_name"].as_str().expect("a name"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["data", "payments"]);
    // What one change did stands in the order in which it was done.
    house.app.context.clock.advance(DAY);
    house.account(&olive, "ci", AccountScope::Team("data"), "member").await;
    let both = house.get(&olive, &path("/audit-events?limit=2")).await.json();
    let actions = [&both["items"][0]["action"], &both["items"][1]["action"]];
    assert_eq!(actions, ["service_account.created", "token.created"]);
    let cookie = house.sign_in("olive").await;
    for (format, start) in [("csv", "id,at,actor_kind"), ("jsonl", "{\"id\":\"evt_")] {
        let export = format!("/orgs/acme/settings/audit-log/export?format={format}&action=project");
        let answer = house.page(&cookie, &export).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text.starts_with(start) && answer.text.contains("Ledger"), "{}", answer.text);
        assert!(!answer.text.contains("team.created"));
    }
}

#[tokio::test]
async fn the_explorer_answers_as_the_rules_decide_and_says_why() {
    let (house, ..) = two_teams().await;
    house.person("mo", "member", Some(("payments", TeamRole::Member))).await;
    let olive = house.sign_in("olive").await;
    let ask = async |cookie: &str, who: &str, what: &str, place: &str| {
        let path = format!("/orgs/acme/settings/access-explorer?who={who}&what={what}&where={place}");
        house.page(cookie, &path).await
    };
    let yes = ask(&olive, "person:mo", "runs:write", "ledger").await;
    assert!(yes.text.contains("The permission set “Member”"), "{}", yes.text);
    let hidden = ask(&olive, "person:chen", "runs:read", "ledger").await;
    assert!(hidden.text.contains("They do not have access to this project"));
    assert_eq!(ask(&olive, "person:nobody", "", "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // A member asks about themselves, not about others.
    let mo = house.sign_in("mo").await;
    assert_eq!(ask(&mo, "", "runs:write", "ledger").await.status, StatusCode::OK);
    assert_eq!(ask(&mo, "person:olive", "", "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_of_fifty_rows_stays_small_on_the_wire() {
    let (house, olive) = TestApp::set_up().await;
    for number in 0..55 {
        house.team(&olive, &format!("team-{number:02}")).await;
    }
    let cookie = house.sign_in("olive").await;
    let request = axum::http::Request::get("/orgs/acme/settings/teams")
        .header("host", "localhost")
        .header("cookie", &cookie)
        .header("accept-encoding", "gzip");
    let answer = house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert!(answer.text.len() < 30 * 1024, "{}", answer.text.len());
}
