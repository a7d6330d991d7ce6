//! Nobody can grant access that they do not hold, by any way; what is granted
//! is decided by what holds when it is written.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::{Resource, TeamRole};
use tessera::people::invitations::{Invitee, accept};
use tessera::platform::id::{PersonId, ServiceAccountId};
use tessera::platform::{Error, sql};
use tessera::teams::actions as teams;

use crate::harness::{AccountScope, Answer, ByTest, TestApp, at_once, operator};
use crate::protocols::{introspect, service};

fn path(rest: &str) -> String {
    format!("/organizations/acme{rest}")
}

async fn call(house: &TestApp, token: &str, method: Method, rest: &str, body: Value) -> Answer {
    house.api(token, method, &path(rest), Some(body)).await
}

async fn patch(house: &TestApp, token: &str, rest: &str, body: Value) -> Answer {
    call(house, token, Method::PATCH, rest, body).await
}

async fn put(house: &TestApp, token: &str, rest: &str, body: Value) -> Answer {
    call(house, token, Method::PUT, rest, body).await
}

/// Makes something as an owner.
async fn made(house: &TestApp, token: &str, rest: &str, body: Value) -> Value {
    let answer = house.post(token, &path(rest), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{rest}: {}", answer.text);
    answer.json()
}

async fn set(house: &TestApp, olive: &str, slug: &str, level: &str, permissions: &[&str]) {
    let body = json!({ "slug": slug, "name": slug, "level": level, "permissions": permissions });
    made(house, olive, "/permission-sets", body).await;
}

async fn id_of(house: &TestApp, username: &str) -> PersonId {
    let (id,): (PersonId,) = sql("SELECT id FROM people WHERE username = $1")
        .bind(username)
        .one(&house.app.context.db)
        .await
        .expect("read");
    id
}

/// Refused with the permission that would be gained.
fn refused_for(answer: &Answer, permission: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    assert!(answer.text.contains(permission), "{}", answer.text);
}

/// The largest of the permissions that somebody holds in a project.
async fn allowed(house: &TestApp, olive: &str, person: &str, permission: &str, project: &str) -> bool {
    let name = format!("asks about {person} {permission} {project}");
    let (_, secret) = service(house, olive, &name, &[]).await;
    let id = id_of(house, person).await;
    let body = json!({ "subject": { "type": "person", "id": id.to_string() }, "action": { "name": permission },
        "resource": { "type": "project", "id": project } });
    crate::protocols::evaluate(house, &secret, body).await["decision"] == json!(true)
}

#[tokio::test]
async fn whoever_edits_an_identity_provider_holds_what_every_bound_account_holds() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    set(&house, &olive, "providers", "organization", &["identity_providers:write"]).await;
    let mallory = house.person("mallory", "providers", None).await;
    let provider = house.identity_provider().await;
    let account = json!({ "name": "ci", "role": "account_admin", "scope": "organization", "default_team": "platform",
        "authentication": "federated", "identity": { "provider": provider, "subject": "job" } });
    made(&house, &olive, "/service-accounts", account).await;
    let provider = format!("/identity-providers/{provider}");
    let answer = patch(&house, &mallory, &provider, json!({ "audience": "mine" })).await;
    refused_for(&answer, "settings:write");
    let shown = house.get(&olive, &path(&provider)).await.json();
    assert_eq!(shown["audience"], "tessera", "nothing is half done");
    // A name gives nobody anything, and an owner holds everything.
    let answer = patch(&house, &mallory, &provider, json!({ "name": "renamed" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = patch(&house, &olive, &provider, json!({ "audience": "other" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn an_invitation_ends_with_its_inviter_and_with_what_they_could_give() {
    let (house, olive) = TestApp::set_up().await;
    let owner = Some(("owners", TeamRole::Admin));
    let second = house.person("second", "member", owner).await;
    house.person("guest", "member", None).await;
    let guest = || async { Invitee::Known(id_of(&house, "guest").await, "guest@acme.test".to_owned()) };
    let to_owners = json!({ "teams": [{ "slug": "owners", "role": "admin" }] });
    let code = |answer: Value| {
        answer["link"].as_str().expect("a link").rsplit('/').next().expect("a code").to_owned()
    };
    // One is removed, the other loses what they could give.
    let left = code(made(&house, &second, "/invitations", to_owners.clone()).await);
    let removed = house.api(&olive, Method::DELETE, &path("/people/second"), None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.text);
    let third = house.person("third", "member", owner).await;
    let demoted = code(made(&house, &third, "/invitations", to_owners.clone()).await);
    let demote = house.api(&olive, Method::DELETE, &path("/teams/owners/members/third"), None).await;
    assert_eq!(demote.status, StatusCode::NO_CONTENT, "{}", demote.text);
    // A token that is gone no longer answers for what it offered.
    let organization = made(&house, &olive, "/token", json!({})).await;
    let organization = organization["token"].as_str().expect("a value").to_owned();
    let by_token =
        code(made(&house, &organization, "/invitations", json!({ "role": "account_admin" })).await);
    house.api(&olive, Method::DELETE, &path("/token"), None).await;
    for code in [&left, &demoted, &by_token] {
        let page = house.page("", &format!("/invitations/{code}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "the page offers it still");
        let accepted = accept(&house.app, &operator(), code, guest().await).await;
        assert!(matches!(accepted, Err(Error::NotFound)), "{accepted:?}");
    }
    let guest_now = house.get(&olive, &path("/people/guest")).await.json();
    assert_eq!((&guest_now["owner"], &guest_now["teams"]), (&json!(false), &json!([])));
    // An invitation whose maker is still there works once, however many accept it at once.
    let good = code(made(&house, &olive, "/invitations", json!({ "role": "member" })).await);
    let everybody =
        (0..5).map(|_| async { accept(&house.app, &operator(), &good, guest().await).await.is_ok() });
    assert_eq!(at_once(everybody).await.into_iter().filter(|accepted| *accepted).count(), 1);
}

#[tokio::test]
async fn whoever_restricts_a_project_keeps_what_they_held_in_it_and_no_more() {
    let (house, olive) = TestApp::set_up().await;
    set(&house, &olive, "keepers", "project", &["permissions:write", "projects:write", "jobs:read"]).await;
    set(&house, &olive, "little", "project", &["projects:read"]).await;
    made(&house, &olive, "/teams", json!({ "slug": "payments", "name": "p", "role": "little" })).await;
    for slug in ["ledger", "books", "mine"] {
        made(&house, &olive, "/projects", json!({ "slug": slug, "name": slug, "team": "payments" })).await;
    }
    let kim = house.person("kim", "keepers", Some(("payments", TeamRole::Member))).await;
    let restrict = json!({ "visibility": "restricted" });
    let answer = patch(&house, &kim, "/projects/ledger", restrict.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    for (permission, expected) in
        [("jobs:read", true), ("permissions:write", true), ("jobs:write", false), ("runs:read", false)]
    {
        assert_eq!(allowed(&house, &olive, "kim", permission, "ledger").await, expected, "{permission}");
    }
    // Somebody who holds less than permissions:write there does not restrict it, nor does a narrowed token.
    let lee = house.person("lee", "read_only", Some(("payments", TeamRole::Member))).await;
    assert_eq!(patch(&house, &lee, "/projects/books", restrict.clone()).await.status, StatusCode::FORBIDDEN);
    let narrow = json!({ "name": "narrow", "permissions": ["projects:write"] });
    let narrow = house.post(&kim, "/account/tokens", narrow).await.json();
    let narrow = narrow["token"].as_str().expect("a value").to_owned();
    refused_for(&patch(&house, &narrow, "/projects/books", restrict.clone()).await, "permissions:write");
    // So it is with a project that is created restricted.
    let ann = house.person("ann", "member", Some(("payments", TeamRole::Admin))).await;
    let body = json!({ "slug": "vault", "name": "Vault", "team": "payments", "visibility": "restricted" });
    let vault = made(&house, &ann, "/projects", body).await;
    assert_eq!(vault["visibility"], "restricted");
    let named = house.get(&ann, &path("/projects/vault/grants")).await.json();
    assert_eq!(named["items"][0]["principal"], "person:ann", "{named}");
    for permission in ["runs:write", "permissions:write", "projects:write"] {
        assert!(allowed(&house, &olive, "ann", permission, "vault").await, "{permission}");
    }
    // Who is named already stays named as they are.
    put(&house, &olive, "/projects/mine/grants/person:kim", json!({ "permission_set": "read_only" })).await;
    patch(&house, &kim, "/projects/mine", restrict).await;
    let named = house.get(&olive, &path("/projects/mine/grants")).await.json();
    assert_eq!(named["items"][0]["permission_set"], "read_only", "{named}");
}

#[tokio::test]
async fn being_named_in_a_project_gives_nobody_what_whoever_names_them_lacks() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    let vault = json!({ "slug": "vault", "name": "Vault", "team": "payments", "visibility": "restricted" });
    made(&house, &olive, "/projects", vault).await;
    set(&house, &olive, "keepers", "project", &["permissions:write", "projects:read"]).await;
    let kim = house.person("kim", "keepers", None).await;
    put(&house, &olive, "/projects/vault/grants/person:kim", json!({ "permission_set": "keepers" })).await;
    house.person("amy", "member", None).await;
    set(&house, &olive, "looking", "project", &["projects:read"]).await;
    // Amy's role would reach into the project with her: she would start runs there, which Kim cannot.
    let grant = "/projects/vault/grants/person:amy";
    let answer = put(&house, &kim, grant, json!({ "permission_set": "looking" })).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    let answer = put(&house, &olive, grant, json!({ "permission_set": "looking" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    // Taking away takes nothing but the permission to manage grants.
    let removed = house.api(&kim, Method::DELETE, &path(grant), None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.text);
    // Opening it would let everybody in with what their roles give.
    set(&house, &olive, "movers", "project", &["permissions:write", "projects:write"]).await;
    put(&house, &olive, "/projects/vault/grants/person:kim", json!({ "permission_set": "movers" })).await;
    let answer = patch(&house, &kim, "/projects/vault", json!({ "visibility": "open" })).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
}

#[tokio::test]
async fn taking_access_away_never_takes_holding_it() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    set(&house, &olive, "roles", "organization", &["members:write", "service_accounts:write"]).await;
    let rae = house.person("rae", "roles", None).await;
    house.person("strong", "account_admin", None).await;
    let (bot, ..) =
        house.account(&olive, "bot", AccountScope::Organization("payments"), "account_admin").await;
    // What the new role gives besides, everybody holds or she does.
    set(&house, &olive, "people", "organization", &["members:read"]).await;
    let answer = patch(&house, &rae, "/people/strong", json!({ "role": "people" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let bot = format!("/service-accounts/{bot}");
    let answer = patch(&house, &rae, &bot, json!({ "role": "people" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    refused_for(&patch(&house, &rae, &bot, json!({ "role": "account_admin" })).await, ":write");
    refused_for(&patch(&house, &rae, "/people/strong", json!({ "role": "account_admin" })).await, ":write");
}

#[tokio::test]
async fn a_role_is_given_to_people_and_teams_only_by_who_holds_it() {
    let (house, olive) = TestApp::set_up().await;
    set(&house, &olive, "managers", "organization", &["groups:write", "members:write", "invitations:write"])
        .await;
    made(&house, &olive, "/teams", json!({ "slug": "payments", "name": "p", "role": "managers" })).await;
    let max = house.person("max", "managers", Some(("payments", TeamRole::Member))).await;
    house.person("pat", "managers", None).await;
    for (method, rest, body) in [
        (Method::PATCH, "/people/pat", json!({ "role": "member" })),
        (Method::PATCH, "/teams/payments", json!({ "role": "account_viewer" })),
        (Method::POST, "/invitations", json!({ "role": "admin" })),
        (Method::POST, "/teams", json!({ "slug": "new-team", "name": "n", "role": "member" })),
        // Whoever is an admin of a team manages its service accounts, which he cannot.
        (Method::PUT, "/teams/payments/members/pat", json!({ "role": "admin" })),
    ] {
        let answer = call(&house, &max, method, rest, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{rest}: {}", answer.text);
        assert!(answer.text.contains("would grant"), "{rest}: {}", answer.text);
    }
}

/// People who are there with the role `crew`.
async fn join(house: &TestApp, numbers: std::ops::Range<u32>) {
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in numbers {
        let (id, name) = (PersonId::sample(u128::from(number)), format!("c{number}"));
        sql("INSERT INTO people (id, username, email, email_folded, name, password_hash, created_at) \
             VALUES ($1, $2, $2, $2, $2, '', 0)")
        .bind(id)
        .bind(&name)
        .execute(&mut tx, &ByTest)
        .await
        .expect("a person");
        sql("INSERT INTO memberships (organization_id, person_id, role, created_at, username) \
             SELECT id, $1, 'crew', 0, $2 FROM organizations")
        .bind(id)
        .bind(&name)
        .execute(&mut tx, &ByTest)
        .await
        .expect("a membership");
    }
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn a_change_that_affects_more_than_five_hundred_takes_an_owner() {
    let (house, olive) = TestApp::set_up().await;
    set(&house, &olive, "crew", "project", &["runs:read"]).await;
    let ann = house.person("ann", "account_admin", None).await;
    let more = json!({ "permissions": ["runs:read", "jobs:read"] });
    join(&house, 0..500).await;
    let fits = patch(&house, &ann, "/permission-sets/crew", more).await;
    assert_eq!(fits.status, StatusCode::OK, "{}", fits.text);
    join(&house, 500..501).await;
    let less = json!({ "permissions": ["runs:read", "jobs:read", "projects:read"] });
    let refused = patch(&house, &ann, "/permission-sets/crew", less.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(
        refused.text.contains("affects more than 500 people and programs. Only an owner"),
        "{}",
        refused.text
    );
    assert_eq!(patch(&house, &olive, "/permission-sets/crew", less).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_identity_provider_of_more_than_five_hundred_accounts_takes_an_owner() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let ann = house.person("ann", "account_admin", Some(("platform", TeamRole::Admin))).await;
    let provider = house.identity_provider().await;
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..501_u32 {
        let (id, name) = (ServiceAccountId::sample(u128::from(number)), format!("ci{number}"));
        sql("INSERT INTO service_accounts (id, organization_id, name, name_folded, description, comment, scope, \
                team_id, role, created_by, created_by_name, created_at, version, authentication, \
                identity_provider_id, identity_subject) \
             SELECT $1, organization_id, $2, $2, '', '', 'team', id, 'billing_admin', '', '', 0, 0, 'federated', $3, $2 \
             FROM teams WHERE slug = 'platform'")
        .bind(id)
        .bind(&name)
        .bind(&provider)
        .execute(&mut tx, &ByTest)
        .await
        .expect("an account");
    }
    tx.commit().await.expect("committed");
    let path = format!("/identity-providers/{provider}");
    let refused = patch(&house, &ann, &path, json!({ "audience": "other" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(refused.text.contains("Only an owner"), "{}", refused.text);
    // A new name lets nobody else act as them.
    assert_eq!(patch(&house, &ann, &path, json!({ "name": "renamed" })).await.status, StatusCode::OK);
    assert_eq!(patch(&house, &olive, &path, json!({ "audience": "other" })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_taken_away_while_a_request_waited_does_not_count() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    house.person("bea", "member", Some(("payments", TeamRole::Admin))).await;
    house.person("dan", "member", None).await;
    let before = house.caller("bea").await;
    let member = async |caller| {
        teams::set_member(&house.app.context, caller, "payments", "dan", TeamRole::Member).await
    };
    member(&before).await.expect("as admin of the team");
    put(&house, &olive, "/teams/payments/members/bea", json!({ "role": "member" })).await;
    assert!(matches!(member(&before).await, Err(Error::Forbidden(_))));
    house.api(&olive, Method::DELETE, &path("/people/bea"), None).await;
    assert!(matches!(member(&before).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn no_grant_points_to_a_permission_set_that_is_gone() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    made(&house, &olive, "/projects", json!({ "slug": "ledger", "name": "L", "team": "payments" })).await;
    house.person("amy", "member", None).await;
    for round in 0..8 {
        let slug = format!("set-{round}");
        set(&house, &olive, &slug, "project", &["jobs:read"]).await;
        let (delete, grant) =
            (path(&format!("/permission-sets/{slug}")), "/projects/ledger/grants/person:amy");
        let statuses = at_once((0..6).map(|number| {
            let (house, olive, delete, slug) = (&house, &olive, &delete, &slug);
            async move {
                if number % 2 == 0 {
                    put(house, olive, grant, json!({ "permission_set": slug })).await.status
                } else {
                    house.api(olive, Method::DELETE, delete, None).await.status
                }
            }
        }))
        .await;
        assert!(statuses.iter().all(|status| !status.is_server_error()), "{statuses:?}");
        let (dangling,): (i64,) =
            sql("SELECT COUNT(*) FROM grants g WHERE g.permission_set LIKE 'set-%' AND NOT EXISTS \
             (SELECT 1 FROM permission_sets s WHERE s.slug = g.permission_set)")
            .one(&house.app.context.db)
            .await
            .expect("read");
        assert_eq!(dangling, 0, "round {round}: {statuses:?}");
        house.api(&olive, Method::DELETE, &path(grant), None).await;
    }
}

#[tokio::test]
async fn of_many_who_rotate_one_key_one_gets_a_value_and_none_a_dead_one() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    let (id, _, key) = house.account(&olive, "ci", AccountScope::Team("payments"), "member").await;
    patch(&house, &olive, &format!("/service-accounts/{id}"), json!({ "self_rotation": true })).await;
    let answers = at_once((0..10).map(|_| house.post(&key, "/token/rotate", json!({})))).await;
    let (good, late): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(good.len(), 1);
    assert!(late.iter().all(|answer| answer.status == StatusCode::CONFLICT), "{late:?}");
    let new = good[0].json()["token"].as_str().expect("a value").to_owned();
    for value in [&new, &key] {
        assert_eq!(house.get(value, "/whoami").await.status, StatusCode::OK, "both work for an hour");
    }
    // The one who was late comes again with the same request: still nothing is revoked.
    let again =
        house.call((&key, Method::POST, "/token/rotate"), &[("idempotency-key", "k")], Some(json!({}))).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    // A request that was carried out is not carried out twice, and tells no value again.
    let once = |value: String| {
        let house = &house;
        async move {
            house
                .call((&value, Method::POST, "/token/rotate"), &[("idempotency-key", "n")], Some(json!({})))
                .await
        }
    };
    let first = once(new.clone()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let replay = once(new.clone()).await;
    assert_eq!(replay.json()["token"], Value::Null, "{}", replay.text);
    let value = first.json()["token"].as_str().expect("a value").to_owned();
    assert_eq!(house.get(&value, "/whoami").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_limited_token_manages_credentials_only_if_that_was_selected() {
    let (house, olive) = TestApp::set_up().await;
    let limited = async |permissions: &[&str]| {
        let body = json!({ "name": "limited", "permissions": permissions });
        let made = house.post(&olive, "/account/tokens", body).await.json();
        made["token"].as_str().expect("a value").to_owned()
    };
    let all = house.get(&olive, "/account/tokens").await.json();
    let some = all["items"][0]["id"].as_str().expect("an id").to_owned();
    let runs = limited(&["runs:read"]).await;
    refused_for(&house.get(&runs, "/account/tokens").await, "credentials:read");
    refused_for(&house.post(&runs, "/account/tokens", json!({ "name": "n" })).await, "credentials:write");
    let revoke = format!("/account/tokens/{some}");
    refused_for(&house.api(&runs, Method::DELETE, &revoke, None).await, "credentials:write");
    let reader = limited(&["credentials:read"]).await;
    assert_eq!(house.get(&reader, "/account/tokens").await.status, StatusCode::OK);
    refused_for(&house.post(&reader, "/account/tokens", json!({ "name": "n" })).await, "credentials:write");
    // It belongs to people: no set and no machine has it.
    let body = json!({ "slug": "creds", "name": "c", "level": "organization", "permissions": ["credentials:write"] });
    let answer = house.post(&olive, &path("/permission-sets"), body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert!(Resource::grantable().all(|resource| resource != Resource::Credentials));
    // A limited token of an owner does nothing that only owners may do.
    house.person("second", "member", Some(("owners", TeamRole::Admin))).await;
    let members = limited(&["members:write", "groups:write"]).await;
    let answer = house.api(&members, Method::DELETE, &path("/people/second"), None).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    set(&house, &olive, "removers", "organization", &["members:write"]).await;
    let remover = house.person("remover", "removers", None).await;
    let answer = house.api(&remover, Method::DELETE, &path("/people/second"), None).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    let answer = house.api(&olive, Method::DELETE, &path("/people/second"), None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
}

#[tokio::test]
async fn a_token_that_is_created_with_another_ends_with_it() {
    let (house, olive) = TestApp::set_up().await;
    let create = async |with: &str| {
        let made = house.post(with, "/account/tokens", json!({ "name": "n" })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let made = made.json();
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        (text("id"), text("token"))
    };
    let works = async |value: &str| house.get(value, "/whoami").await.status == StatusCode::OK;
    let (parent_id, parent) = create(&olive).await;
    let (_, child) = create(&parent).await;
    let (_, grandchild) = create(&child).await;
    assert!(works(&child).await && works(&grandchild).await, "both are remembered now");
    house.api(&olive, Method::DELETE, &format!("/account/tokens/{parent_id}"), None).await;
    assert!(
        !works(&parent).await && !works(&child).await && !works(&grandchild).await && works(&olive).await
    );
    // A new value takes away what was created with the old one.
    let (parent_id, parent) = create(&olive).await;
    let (_, child) = create(&parent).await;
    assert!(works(&child).await);
    let cookie = house.sign_in("olive").await;
    let page = house
        .form(&cookie, &format!("/account/tokens/{parent_id}/regenerate"), &[("lifetime", "same")])
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(!works(&parent).await && !works(&child).await);
}

#[tokio::test]
async fn a_service_accepts_an_access_token_only_of_the_kinds_that_it_accepts() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    let (uid, _, key) = house.account(&olive, "ci", AccountScope::Team("payments"), "member").await;
    let exchange = async |token: &str| {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        let answer = house.oauth("/oauth2/token", &[], &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["access_token"].as_str().expect("a value").to_owned()
    };
    let organization = made(&house, &olive, "/token", json!({})).await;
    let organization = organization["token"].as_str().expect("a value").to_owned();
    let (of_organization, of_person, of_account) =
        (exchange(&organization).await, exchange(&olive).await, exchange(&key).await);
    let (_, people) = service(&house, &olive, "people only", &["personal", "access"]).await;
    let (_, direct) = service(&house, &olive, "no exchange", &["personal", "service_account"]).await;
    let (_, all) = service(&house, &olive, "everything", &[]).await;
    for (secret, token, expected) in [
        (&people, &organization, false),
        (&people, &of_organization, false),
        (&people, &of_account, false),
        (&people, &of_person, true),
        (&people, &olive, true),
        (&direct, &of_person, false),
        (&direct, &key, true),
        (&all, &of_organization, true),
        (&all, &of_account, true),
    ] {
        let answer = introspect(&house, secret, &[("token", token)]).await.json();
        assert_eq!(answer["active"], json!(expected), "{answer}");
        let forwarded = crate::protocols::forward(&house, secret, token, "", &[]).await;
        assert_eq!(forwarded.status == StatusCode::OK, expected, "{uid}: {}", forwarded.text);
    }
}
