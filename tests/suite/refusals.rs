//! Rules that refuse something, each by the one request that breaks it alone.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::audit::{Actor, ActorKind};
use tessera::authn::password::check_new;
use tessera::callers::Caller;
use tessera::directory::model::NewPerson;
use tessera::organizations::bootstrap::bootstrap;
use tessera::organizations::model::FirstRun;
use tessera::people::invitations::{Invitee, accept, invite};
use tessera::people::model::NewInvitation;
use tessera::platform::clock::DAY;
use tessera::platform::id::{ServiceAccountId, TokenId};
use tessera::platform::secret::Secret;
use tessera::platform::{Error, sql};
use tessera::principals::load_account_subject;
use tessera::teams::actions as teams;
use tessera::teams::model::NewTeam;
use tessera::tokens::one_time_secret::SecretDelivery;

use crate::harness::{AccountScope, Answer, ByTest, PASSWORD, TestApp, at_once, operator};
use crate::protocols::{introspect, service};

fn path(rest: &str) -> String {
    format!("/organizations/acme{rest}")
}

async fn made(house: &TestApp, token: &str, rest: &str, body: Value) -> Value {
    let answer = house.post(token, &path(rest), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{rest}: {}", answer.text);
    answer.json()
}

async fn patch(house: &TestApp, token: &str, rest: &str, body: Value) -> Answer {
    house.api(token, Method::PATCH, &path(rest), Some(body)).await
}

/// A permission set of its own, given to somebody who joins a team.
async fn person_who_may(
    house: &TestApp,
    olive: &str,
    (username, team): (&str, Option<&str>),
    permissions: &[&str],
) -> String {
    let level = "organization";
    let set = json!({ "slug": username, "name": username, "level": level, "permissions": permissions });
    made(house, olive, "/permission-sets", set).await;
    house.person(username, username, team.map(|team| (team, TeamRole::Member))).await
}

async fn execute(house: &TestApp, statement: &'static str) {
    let mut tx = house.app.context.db.begin().await.expect("begun");
    sql(statement).execute(&mut tx, &ByTest).await.expect("written");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn every_token_is_refused_from_where_the_organization_lets_nobody_in() {
    let (house, olive) = TestApp::set_up_with(&[("trusted_proxies", "127.0.0.1")]).await;
    house.team(&olive, "platform").await;
    let (_, _, key) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let policy = json!({ "policy": {
        "allowed_addresses": ["127.0.0.1", "203.0.113.0/24"], "blocked_addresses": ["203.0.113.66"]
    } });
    assert_eq!(patch(&house, &olive, "", policy).await.status, StatusCode::OK);
    let status = async |token: &str, rest: &str, from: &str| {
        let request = Request::get(format!("/api/v1{rest}"))
            .header("authorization", format!("Bearer {token}"))
            .header("x-forwarded-for", from);
        house.send(request.body(Body::empty()).expect("a request")).await.status
    };
    for (token, rest) in [(&key, "/whoami".to_owned()), (&olive, path("/teams"))] {
        assert_eq!(status(token, &rest, "203.0.113.5").await, StatusCode::OK, "{rest}");
        assert_eq!(status(token, &rest, "203.0.113.66").await, StatusCode::FORBIDDEN, "{rest}");
        assert_eq!(status(token, &rest, "198.51.100.1").await, StatusCode::FORBIDDEN, "{rest}");
    }
    // A session on behalf of an account is exchanged from inside alone, too.
    let exchange = async |from: &str| {
        let form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token_type=\
                    urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token=";
        let request = Request::post("/oauth2/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-forwarded-for", from);
        house.send(request.body(Body::from(format!("{form}{key}"))).expect("a request")).await.status
    };
    assert_eq!(exchange("203.0.113.5").await, StatusCode::OK);
    assert_ne!(exchange("198.51.100.1").await, StatusCode::OK);
}

#[tokio::test]
async fn a_service_is_known_by_its_own_secret_while_that_is_good() {
    let (house, olive) = TestApp::set_up().await;
    let (id, secret) = service(&house, &olive, "api", &[]).await;
    let (other, _) = service(&house, &olive, "other", &[]).await;
    let asked = async |user: &str, secret: &str| {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
        let request = Request::post("/oauth2/introspect")
            .header("authorization", basic)
            .header("content-type", "application/x-www-form-urlencoded");
        house.send(request.body(Body::from("token=nonsense")).expect("a request")).await.status
    };
    assert_eq!(asked(&id, &secret).await, StatusCode::OK);
    assert_eq!(asked(&other, &secret).await, StatusCode::UNAUTHORIZED);
    assert_eq!(asked(&id, &olive).await, StatusCode::UNAUTHORIZED);
    // One that has ended was never asked with before, so nothing of it is remembered.
    for ended in [
        "UPDATE tokens SET revoked_at = 1 WHERE kind = 'service_secret'",
        "UPDATE tokens SET revoked_at = NULL, expires_at = 1 WHERE kind = 'service_secret'",
    ] {
        let (_, late) = service(&house, &olive, &format!("late {}", ended.len()), &[]).await;
        execute(&house, ended).await;
        let answer = introspect(&house, &late, &[("token", "nonsense")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{ended}");
        execute(
            &house,
            "UPDATE tokens SET revoked_at = NULL, expires_at = NULL WHERE kind = 'service_secret'",
        )
        .await;
    }
}

#[test]
fn a_password_has_fifteen_to_a_hundred_and_twenty_eight_characters() {
    let checked = |text: &str| check_new(&Secret::new(text.to_owned()), &[]);
    let long = |count: usize| {
        "plum ocean seven quiet mosaics walk home ".chars().cycle().take(count).collect::<String>()
    };
    assert!(checked("plum ocean 7 ab").is_ok());
    assert!(checked("plum ocean 7 a").expect_err("short").contains("at least 15"));
    // Characters count, not bytes.
    assert!(checked("žluťoučký kůň!").expect_err("short").contains("at least 15"));
    assert!(checked(&long(128)).is_ok());
    assert!(checked(&long(129)).expect_err("long").contains("at most 128"));
}

#[tokio::test]
async fn a_key_of_idempotency_is_sent_once_and_is_no_empty_one() {
    let (house, olive) = TestApp::set_up().await;
    let create = async |keys: &[&'static str]| {
        let mut request = Request::post(format!("/api/v1{}", path("/teams")))
            .header("authorization", format!("Bearer {olive}"))
            .header("content-type", "application/json");
        for key in keys {
            request.headers_mut().expect("headers").append("idempotency-key", HeaderValue::from_static(key));
        }
        let body = Body::from(json!({ "slug": format!("t{}", keys.len()), "name": "T" }).to_string());
        house.send(request.body(body).expect("a request")).await
    };
    let twice = create(&["one", "two"]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", twice.text);
    assert!(twice.text.contains("Idempotency-Key"), "{}", twice.text);
    // An empty one is none: the second request is one of its own.
    assert_eq!(create(&[""]).await.status, StatusCode::CREATED);
    assert_eq!(create(&[""]).await.status, StatusCode::CONFLICT);
}

fn new_person(username: &str, email: &str) -> NewPerson {
    NewPerson {
        username: username.to_owned(),
        email: email.to_owned(),
        name: "Somebody".to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
    }
}

#[tokio::test]
async fn an_invitation_is_accepted_once_by_whom_it_is_for_with_names_that_are_free() {
    let (house, olive) = TestApp::set_up().await;
    let olive_calls = house.caller("olive").await;
    let open = async |email: &str| {
        let invitation =
            NewInvitation { email: email.to_owned(), role: "member".to_owned(), ..NewInvitation::default() };
        invite(&house.app.context, &olive_calls, &invitation, &SecretDelivery::Answer)
            .await
            .expect("invited")
            .code
            .expect("a code")
    };
    let code = open("ben@acme.test").await;
    let join =
        async |code: &Secret, guest: Invitee| accept(&house.app, &operator(), code.expose(), guest).await;
    let fields = |error: Error| match error {
        Error::Invalid(errors) | Error::Conflict(errors) => {
            errors.all().iter().map(|error| error.field.clone()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let mistaken = NewPerson { name: String::new(), ..new_person("ben", "ben@acme.test") };
    assert_eq!(fields(join(&code, Invitee::New(mistaken)).await.expect_err("no name")), ["name"]);
    let elsewhere = new_person("ben", "ben@elsewhere.test");
    assert_eq!(fields(join(&code, Invitee::New(elsewhere)).await.expect_err("another address")), ["email"]);
    let mine = olive_calls.actor.id.parse().expect("an id");
    let known = Invitee::Known(mine, "olive@acme.test".to_owned());
    assert_eq!(fields(join(&code, known).await.expect_err("another person")), ["email"]);
    let anybody = open("").await;
    let taken = new_person("olive", "new@acme.test");
    assert_eq!(fields(join(&anybody, Invitee::New(taken)).await.expect_err("taken")), ["username"]);
    let taken = new_person("newcomer", "Olive@acme.test");
    assert_eq!(fields(join(&anybody, Invitee::New(taken)).await.expect_err("taken")), ["email"]);
    // Of many at once, one gets in.
    let all = at_once((0..5).map(|number| {
        let (house, anybody) = (&house, &anybody);
        async move {
            let guest = Invitee::New(new_person(&format!("g{number}"), &format!("g{number}@acme.test")));
            accept(&house.app, &operator(), anybody.expose(), guest).await.is_ok()
        }
    }))
    .await;
    assert_eq!(all.iter().filter(|joined| **joined).count(), 1, "{all:?}");
    // One that was taken back or has ended lets nobody in.
    for over in [
        "UPDATE invitations SET revoked_at = 1 WHERE accepted_at IS NULL",
        "UPDATE invitations SET expires_at = 1 WHERE accepted_at IS NULL",
    ] {
        let late = open("").await;
        execute(&house, over).await;
        let guest = Invitee::New(new_person("late", "late@acme.test"));
        assert!(matches!(join(&late, guest).await, Err(Error::NotFound)), "{over}");
    }
    assert_eq!(house.get(&olive, &path("/people")).await.json()["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn of_many_who_set_an_installation_up_at_once_one_becomes_its_owner() {
    let house = TestApp::empty().await;
    let all = at_once((0..4).map(|number| {
        let house = &house;
        async move {
            let input = FirstRun {
                organization: format!("acme-{number}"),
                organization_name: "Acme".to_owned(),
                person: new_person(&format!("o{number}"), &format!("o{number}@acme.test")),
            };
            bootstrap(&house.app, &operator(), &input, false).await.is_ok()
        }
    }))
    .await;
    assert_eq!(all.iter().filter(|done| **done).count(), 1, "{all:?}");
}

/// A program that was verified, and what may happen before it writes.
#[tokio::test]
async fn a_program_that_ended_while_its_request_waited_changes_nothing() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let organization = house.caller("olive").await.organization;
    for (number, ended) in [
        "UPDATE service_accounts SET disabled_at = 1",
        "UPDATE service_accounts SET expires_at = 1",
        "UPDATE service_accounts SET deleted_at = 1",
        "UPDATE tokens SET revoked_at = 1 WHERE kind = 'service_account'",
        "UPDATE tokens SET expires_at = 1 WHERE kind = 'service_account'",
    ]
    .into_iter()
    .enumerate()
    {
        let home = AccountScope::Organization("platform");
        let (id, key, _) = house.account(&olive, &format!("ci{number}"), home, "account_admin").await;
        let account: ServiceAccountId = id.parse().expect("an id");
        let subject = load_account_subject(
            &house.app.context.db,
            &organization,
            account,
            tessera::access::AccountScope::Organization,
            "account_admin",
        )
        .await
        .expect("read");
        let token: TokenId = key.parse().expect("an id");
        let actor = Actor { id, kind: ActorKind::ServiceAccount, token: Some(token), ..operator() };
        let caller = Caller { actor, subject, organization: organization.clone() };
        let create = async |slug: &str| {
            let team = NewTeam {
                slug: slug.to_owned(),
                name: slug.to_owned(),
                role: Some("billing_admin".to_owned()),
                ..NewTeam::default()
            };
            teams::create(&house.app.context, &caller, &team).await
        };
        create(&format!("good{number}")).await.expect("created");
        execute(&house, ended).await;
        let late = create(&format!("late{number}")).await;
        assert!(matches!(late, Err(Error::Unauthenticated { .. })), "{ended}: {late:?}");
    }
}

#[tokio::test]
async fn an_access_token_whose_origin_was_revoked_meanwhile_changes_nothing() {
    let (house, olive) = TestApp::set_up().await;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", olive.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    assert_eq!(house.oauth("/oauth2/token", &[], &form).await.status, StatusCode::OK);
    let (token,): (TokenId,) =
        sql("SELECT id FROM tokens WHERE kind = 'access'").one(&house.app.context.db).await.expect("read");
    let mut caller = house.caller("olive").await;
    caller.actor.token = Some(token);
    let create = async |slug: &str| {
        let team = NewTeam { slug: slug.to_owned(), name: slug.to_owned(), ..NewTeam::default() };
        teams::create(&house.app.context, &caller, &team).await
    };
    create("good").await.expect("created");
    execute(&house, "UPDATE tokens SET revoked_at = 1 WHERE kind = 'personal'").await;
    assert!(matches!(create("late").await, Err(Error::Unauthenticated { .. })));
}

#[tokio::test]
async fn a_set_that_nobody_holds_is_widened_only_by_who_holds_what_is_added() {
    let (house, olive) = TestApp::set_up().await;
    let ann = house.person("ann", "account_admin", None).await;
    let crew = json!({ "slug": "crew", "name": "Crew", "level": "project", "permissions": ["runs:read"] });
    made(&house, &olive, "/permission-sets", crew).await;
    let edit = async |token: &str, more: &str| {
        patch(&house, token, "/permission-sets/crew", json!({ "permissions": ["runs:read", more] })).await
    };
    let refused = edit(&ann, "metadata_graphql:write").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(refused.text.contains("metadata_graphql"), "{}", refused.text);
    assert_eq!(edit(&ann, "jobs:read").await.status, StatusCode::OK);
    assert_eq!(edit(&olive, "metadata_graphql:write").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_team_may_get_a_role_whose_reach_is_empty_and_one_that_has_projects_may_not() {
    let (house, olive) = TestApp::set_up().await;
    let ann = house.person("ann", "account_admin", None).await;
    let quiet = json!({ "slug": "quiet", "name": "Quiet", "role": "billing_admin" });
    made(&house, &olive, "/teams", quiet).await;
    // It has no member and no project yet, so the role reaches nothing beyond Ann's.
    let fresh = json!({ "slug": "fresh", "name": "Fresh", "role": "developer" });
    made(&house, &ann, "/teams", fresh).await;
    let refused = patch(&house, &ann, "/teams/quiet", json!({ "role": "developer" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    // An account of the team works in its projects from the beginning.
    let runner =
        json!({ "slug": "runner", "name": "Runner", "level": "project", "permissions": ["runs:read"] });
    made(&house, &olive, "/permission-sets", runner).await;
    let keeper =
        person_who_may(&house, &olive, ("keeper", None), &["service_accounts:write", "runs:read"]).await;
    let provider = house.identity_provider().await;
    // With a key, and without one: then nothing but the account itself is given.
    for authentication in ["api_key", "federated"] {
        let mut body = json!({ "name": authentication, "scope": "team", "team": "quiet", "role": "runner" });
        if authentication == "federated" {
            body["authentication"] = json!(authentication);
            body["identity"] = json!({ "provider": provider, "subject": "somebody" });
        }
        let refused = house.post(&keeper, &path("/service-accounts"), body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{authentication}: {}", refused.text);
        assert!(refused.text.contains("would grant runs:read"), "{authentication}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_limited_token_of_an_owner_gives_no_more_than_it_carries() {
    let (house, olive) = TestApp::set_up().await;
    house.person("ann", "member", None).await;
    let body = json!({ "name": "limited", "permissions": ["members:write", "groups:write"] });
    let limited = house.post(&olive, "/account/tokens", body).await.json();
    let limited = limited["token"].as_str().expect("a value").to_owned();
    let refused = patch(&house, &limited, "/people/ann", json!({ "role": "account_admin" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(refused.text.contains("would grant"), "{}", refused.text);
    assert_eq!(
        patch(&house, &olive, "/people/ann", json!({ "role": "account_admin" })).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn whoever_is_named_in_one_project_restricts_another_with_what_they_hold_there() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "other").await;
    for (slug, team) in [("vault", "other"), ("shop", "platform")] {
        let project = json!({ "slug": slug, "name": slug, "team": team, "visibility": "team" });
        made(&house, &olive, "/projects", project).await;
    }
    let bea = house.person("bea", "read_only", Some(("platform", TeamRole::Admin))).await;
    let grant = path("/projects/vault/grants/person:bea");
    let named = house.api(&olive, Method::PUT, &grant, Some(json!({ "permission_set": "admin" }))).await;
    assert_eq!(named.status, StatusCode::OK, "{}", named.text);
    assert_eq!(
        patch(&house, &olive, "/projects/vault", json!({ "visibility": "restricted" })).await.status,
        StatusCode::OK
    );
    // Another team, too: then the project is compared as it was with what it becomes.
    house.team(&olive, "third").await;
    let admin = json!({ "role": "admin" });
    let joined = house.api(&olive, Method::PUT, &path("/teams/third/members/bea"), Some(admin)).await;
    assert!(joined.status.is_success(), "{}", joined.text);
    let body = json!({ "visibility": "restricted", "team": "third" });
    let restricted = patch(&house, &bea, "/projects/shop", body).await;
    assert_eq!(restricted.status, StatusCode::OK, "{}", restricted.text);
}

/// Everything that has a version, edited by many over the same one.
#[tokio::test]
async fn of_many_edits_over_one_version_one_is_stored() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let project = json!({ "slug": "shop", "name": "Shop", "team": "platform" });
    made(&house, &olive, "/projects", project).await;
    let set = json!({ "slug": "crew", "name": "Crew", "level": "project", "permissions": ["runs:read"] });
    made(&house, &olive, "/permission-sets", set).await;
    let (service, _) = service(&house, &olive, "api", &[]).await;
    let (account, ..) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "t", "grants": grants })).await;
    let token = token["id"].as_str().expect("an id").to_owned();
    for rest in [
        String::new(),
        "/teams/platform".to_owned(),
        "/projects/shop".to_owned(),
        "/permission-sets/crew".to_owned(),
        format!("/services/{service}"),
        format!("/service-accounts/{account}"),
        format!("/service-tokens/{token}"),
    ] {
        let read = house.get(&olive, &path(&rest)).await;
        let tag = read.headers.get("etag").unwrap_or_else(|| panic!("{rest} has no version")).clone();
        let statuses = at_once((0..6).map(|number| {
            let (house, olive, rest, tag) = (&house, &olive, &rest, &tag);
            async move {
                let body = json!({ "name": format!("name {number}") }).to_string();
                let request = Request::patch(format!("/api/v1{}", path(rest)))
                    .header("authorization", format!("Bearer {olive}"))
                    .header("content-type", "application/json")
                    .header("if-match", tag);
                house.send(request.body(Body::from(body)).expect("a request")).await.status
            }
        }))
        .await;
        let stored = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        assert_eq!(stored, 1, "{rest}: {statuses:?}");
        assert!(
            statuses.iter().all(|status| matches!(*status, StatusCode::OK | StatusCode::PRECONDITION_FAILED)),
            "{rest}: {statuses:?}"
        );
    }
}

#[tokio::test]
async fn who_may_not_see_the_settings_asks_about_nobody_else() {
    let (house, olive) = TestApp::set_up().await;
    house.person("ann", "member", None).await;
    let curious =
        person_who_may(&house, &olive, ("curious", None), &["members:read", "service_tokens:write"]).await;
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "t", "grants": grants })).await;
    let cookie = house.sign_in("curious").await;
    let ask = async |who: &str| {
        house
            .page(&cookie, &format!("/orgs/acme/settings/access-explorer?who={who}&what=runs:read"))
            .await
            .status
    };
    assert_eq!(ask("person:curious").await, StatusCode::OK);
    for who in ["person:ann", "organization", token["id"].as_str().expect("an id")] {
        assert_eq!(ask(who).await, StatusCode::FORBIDDEN, "{who}");
    }
    let page =
        house.page(&cookie, "/orgs/acme/settings/access-explorer?who=&what=runs:read&where=nowhere").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", page.text);
    assert!(page.text.contains("Choose a project that you have access to."), "{}", page.text);
    let whole =
        house.page(&cookie, "/orgs/acme/settings/access-explorer?who=&what=members:read&where=").await;
    assert_eq!(whole.status, StatusCode::OK);
    let _ = curious;
}

#[tokio::test]
async fn a_new_password_is_checked_like_the_first_one() {
    let (house, _) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let fields = [("current_password", PASSWORD), ("password", "short")];
    let refused = house.form(&cookie, "/account/password", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("at least 15 characters"), "{}", refused.text);
    house.sign_in("olive").await;
}

#[tokio::test]
async fn an_invitation_that_is_over_is_neither_changed_nor_taken_back() {
    let (house, olive) = TestApp::set_up().await;
    let open = async || {
        let made = made(&house, &olive, "/invitations", json!({})).await;
        made["id"].as_str().expect("an id").to_owned()
    };
    for over in ["UPDATE invitations SET revoked_at = 1", "UPDATE invitations SET accepted_at = 1"] {
        let id = open().await;
        let one = format!("/invitations/{id}");
        assert_eq!(patch(&house, &olive, &one, json!({ "role": "developer" })).await.status, StatusCode::OK);
        execute(&house, over).await;
        assert_eq!(
            patch(&house, &olive, &one, json!({ "role": "member" })).await.status,
            StatusCode::NOT_FOUND,
            "{over}"
        );
        let back = house.api(&olive, Method::DELETE, &path(&one), None).await;
        assert_eq!(back.status, StatusCode::NOT_FOUND, "{over}");
    }
    let id = open().await;
    let one = path(&format!("/invitations/{id}"));
    assert_eq!(house.api(&olive, Method::DELETE, &one, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.api(&olive, Method::DELETE, &one, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_of_an_invitation_that_is_over_is_not_there() {
    let (house, _) = TestApp::set_up().await;
    let olive = house.caller("olive").await;
    for over in [
        "UPDATE invitations SET revoked_at = 1",
        "UPDATE invitations SET accepted_at = 1",
        "UPDATE invitations SET expires_at = 1",
    ] {
        let invitation = NewInvitation { role: "member".to_owned(), ..NewInvitation::default() };
        let code = invite(&house.app.context, &olive, &invitation, &SecretDelivery::Answer)
            .await
            .expect("invited")
            .code
            .expect("a code");
        let page = format!("/invitations/{}", code.expose());
        assert_eq!(house.page("", &page).await.status, StatusCode::OK);
        execute(&house, over).await;
        assert_eq!(house.page("", &page).await.status, StatusCode::NOT_FOUND, "{over}");
    }
}

#[tokio::test]
async fn a_permission_set_is_deleted_when_nobody_who_is_there_holds_it() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let crew = json!({ "slug": "crew", "name": "Crew", "level": "project", "permissions": ["runs:read"] });
    made(&house, &olive, "/permission-sets", crew).await;
    let (account, ..) = house.account(&olive, "ci", AccountScope::Team("platform"), "crew").await;
    let invited = made(&house, &olive, "/invitations", json!({ "role": "crew" })).await;
    made(&house, &olive, "/invitations", json!({ "role": "crew" })).await;
    let delete = async |rest: &str| house.api(&olive, Method::DELETE, &path(rest), None).await.status;
    assert_eq!(delete("/permission-sets/crew").await, StatusCode::CONFLICT);
    assert_eq!(delete(&format!("/service-accounts/{account}")).await, StatusCode::NO_CONTENT);
    assert_eq!(delete("/permission-sets/crew").await, StatusCode::CONFLICT);
    let id = |it: &Value| it["id"].as_str().expect("an id").to_owned();
    assert_eq!(delete(&format!("/invitations/{}", id(&invited))).await, StatusCode::NO_CONTENT);
    assert_eq!(delete("/permission-sets/crew").await, StatusCode::CONFLICT);
    execute(&house, "UPDATE invitations SET expires_at = 1 WHERE revoked_at IS NULL").await;
    made(&house, &olive, "/invitations", json!({ "role": "crew" })).await;
    assert_eq!(delete("/permission-sets/crew").await, StatusCode::CONFLICT);
    execute(&house, "UPDATE invitations SET accepted_at = 1 WHERE expires_at > 1 AND revoked_at IS NULL")
        .await;
    assert_eq!(delete("/permission-sets/crew").await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn nobody_is_invited_into_an_organization_that_is_full() {
    let (house, olive) = TestApp::set_up_with(&[("limits.people", "2")]).await;
    house.person("ann", "member", None).await;
    let full = house.post(&olive, &path("/invitations"), json!({})).await;
    assert_eq!(full.status, StatusCode::CONFLICT);
    assert!(full.text.contains("limits.people"), "{}", full.text);
}

#[tokio::test]
async fn a_person_is_attributed_to_the_calls_of_service_accounts_alone() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    house.person("mo", "member", Some(("payments", TeamRole::Member))).await;
    let (_, _, key) = house.account(&olive, "ci", AccountScope::Team("payments"), "member").await;
    let team = made(&house, &olive, "/teams/payments/token", json!({})).await;
    let team = team["token"].as_str().expect("a value").to_owned();
    for (token, outcome) in [(&key, "applied"), (&team, "ignored")] {
        let request = Request::get("/api/v1/whoami")
            .header("authorization", format!("Bearer {token}"))
            .header("tessera-on-behalf-of", "mo");
        let answer = house.send(request.body(Body::empty()).expect("a request")).await;
        assert!(answer.text.contains(outcome), "{outcome}: {}", answer.text);
    }
}

async fn ask_token(house: &TestApp, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> (u16, String) {
    let answer = house.oauth("/oauth2/token", headers, fields).await;
    let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), error)
}

const EXCHANGE: [(&str, &str); 2] = [
    ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
    ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
];

#[tokio::test]
async fn a_service_is_told_nothing_of_the_programs_of_another_organization() {
    let (house, olive) = TestApp::set_up().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let otto = house.other_organization().await;
    let team = json!({ "slug": "theirs", "name": "Theirs" });
    house.post(&otto, "/organizations/elsewhere/teams", team).await;
    let account = json!({ "name": "ci", "scope": "team", "team": "theirs" });
    let account = house.post(&otto, "/organizations/elsewhere/service-accounts", account).await.json();
    let key = account["key"]["token"].as_str().expect("a value");
    assert_eq!(house.get(key, "/whoami").await.status, StatusCode::OK);
    let answer = introspect(&house, &secret, &[("token", key)]).await;
    assert_eq!(answer.json(), json!({ "active": false }));
    let forward = crate::protocols::forward(&house, &secret, key, "", &[]).await;
    assert_eq!(forward.status, StatusCode::UNAUTHORIZED);
    // Nor is it told of the organization by an id that is another's.
    let ids: Vec<(String, String)> =
        sql("SELECT slug, id FROM organizations").all(&house.app.context.db).await.expect("read");
    let id = |slug: &str| ids.iter().find(|(known, _)| known == slug).expect("an organization").1.clone();
    for (subject, resource, expected) in [
        (id("acme"), id("acme"), true),
        (id("acme"), id("elsewhere"), false),
        (id("elsewhere"), id("acme"), false),
    ] {
        let question = json!({
            "subject": { "type": "organization", "id": subject }, "action": { "name": "groups:read" },
            "resource": { "type": "organization", "id": resource },
        });
        let answer = crate::protocols::evaluate(&house, &secret, question).await;
        assert_eq!(answer["decision"], json!(expected), "{subject} {resource}: {answer}");
    }
}

#[tokio::test]
async fn a_personal_token_is_not_good_for_a_service_from_where_the_organization_lets_nobody_in() {
    let (house, olive) = TestApp::set_up().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let policy = json!({ "policy": { "allowed_addresses": ["127.0.0.1", "203.0.113.0/24"] } });
    assert_eq!(patch(&house, &olive, "", policy).await.status, StatusCode::OK);
    for (address, expected) in [("203.0.113.5", true), ("198.51.100.1", false)] {
        let fields = [("token", olive.as_str()), ("client_address", address)];
        assert_eq!(introspect(&house, &secret, &fields).await.json()["active"], json!(expected), "{address}");
    }
}

#[tokio::test]
async fn a_question_about_access_is_whole_or_refused() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let whole = json!({
        "subject": { "type": "token", "id": olive }, "action": { "name": "groups:read" },
        "resource": { "type": "organization", "id": "acme" },
    });
    let ask = async |rest: &str, body: &Value| {
        let request = Request::post(format!("/access/v1/{rest}"))
            .header("authorization", format!("Bearer {secret}"))
            .header("content-type", "application/json");
        house.send(request.body(Body::from(body.to_string())).expect("a request")).await
    };
    assert_eq!(ask("evaluation", &whole).await.json()["decision"], json!(true));
    for (part, field) in
        [("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"), ("resource", "id")]
    {
        let mut body = whole.clone();
        body[part][field] = json!("");
        let answer = ask("evaluation", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{part}.{field}: {}", answer.text);
        assert!(answer.text.contains(&format!("Send “{part}” with “")), "{}", answer.text);
    }
    let mut wrong = whole.clone();
    wrong["subject"] = json!("olive");
    assert_eq!(ask("evaluation", &wrong).await.status, StatusCode::BAD_REQUEST);
    let many = |count: usize| {
        let mut body = whole.clone();
        body["evaluations"] = json!(vec![json!({}); count]);
        body
    };
    assert_eq!(ask("evaluations", &many(100)).await.status, StatusCode::OK);
    let refused = ask("evaluations", &many(101)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    // A principal is asked about while it is good.
    let grants = json!([{ "permission_set": "account_admin", "projects": "all" }]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "t", "grants": grants })).await;
    let id = token["id"].as_str().expect("an id").to_owned();
    let about = |kind: &str, id: &str| {
        let mut body = whole.clone();
        body["subject"] = json!({ "type": kind, "id": id });
        body
    };
    let decided = async |body: &Value| ask("evaluation", body).await.json()["decision"].clone();
    assert_eq!(decided(&about("service_token", &id)).await, json!(true));
    assert_eq!(
        house.api(&olive, Method::DELETE, &path(&format!("/service-tokens/{id}")), None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(decided(&about("service_token", &id)).await, json!(false));
    assert_eq!(decided(&about("service_token", "tok_nobody")).await, json!(false));
    patch(&house, &olive, "/teams/platform", json!({ "role": "account_admin" })).await;
    assert_eq!(decided(&about("team", "platform")).await, json!(true));
    assert_eq!(decided(&about("team", "nobody")).await, json!(false));
}

#[tokio::test]
async fn the_token_endpoint_refuses_what_does_not_fit_together() {
    let (house, olive) = TestApp::set_up_with(&[("api_rate_limit", "8")]).await;
    house.team(&olive, "platform").await;
    let (uid, _, key) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let (other, _, _) = house.account(&olive, "other", AccountScope::Team("platform"), "member").await;
    let (service, secret) = service(&house, &olive, "api", &[]).await;
    let basic =
        |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let token = [("subject_token", olive.as_str())];
    let exchange = [&EXCHANGE[..], &token].concat();
    let ok = (200, String::new());
    let invalid_client = (401, "invalid_client".to_owned());
    // Credentials of a client that fit, and that do not.
    assert_eq!(ask_token(&house, &[("authorization", &basic(&service, &secret))], &exchange).await, ok);
    assert_eq!(ask_token(&house, &[("authorization", &basic(&uid, &key))], &exchange).await, ok);
    for header in [basic(&other, &key), basic(&other, &secret), basic(&service, &key)] {
        assert_eq!(ask_token(&house, &[("authorization", &header)], &exchange).await, invalid_client);
    }
    let named = [&exchange[..], &[("client_id", other.as_str())]].concat();
    let header = basic(&uid, &key);
    let refused = ask_token(&house, &[("authorization", &header)], &named).await;
    assert_eq!(refused, (400, "invalid_request".to_owned()));
    for field in [("actor_token_type", "x"), ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")] {
        let mut fields: Vec<(&str, &str)> =
            exchange.iter().copied().filter(|(name, _)| *name != field.0).collect();
        fields.push(field);
        assert_eq!(ask_token(&house, &[], &fields).await, (400, "invalid_request".to_owned()), "{field:?}");
    }
    let asked = [&exchange[..], &[("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")]]
        .concat();
    assert_eq!(ask_token(&house, &[], &asked).await, ok);
    // An assertion is no reason to take wrong credentials beside it.
    let federated = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", "a.b.c")];
    let header = basic(&other, &secret);
    assert_eq!(ask_token(&house, &[("authorization", &header)], &federated).await, invalid_client);
    // Secrets of services are neither exchanged nor revoked here.
    let revoked = house.oauth("/oauth2/revoke", &[], &[("token", &secret)]).await;
    assert_eq!(revoked.json()["error"], "unsupported_token_type");
    // Exchanges count like every request of the token.
    let mut last = ok.clone();
    for _ in 0..8 {
        last = ask_token(&house, &[], &exchange).await;
    }
    assert_eq!(last.0, 429, "{last:?}");
}

#[tokio::test]
async fn who_is_named_in_a_project_is_there_and_may_be_named() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    made(&house, &olive, "/projects", json!({ "slug": "shop", "name": "Shop", "team": "platform" })).await;
    let name = async |who: &str, set: &str| {
        let grant = path(&format!("/projects/shop/grants/{who}"));
        house.api(&olive, Method::PUT, &grant, Some(json!({ "permission_set": set }))).await
    };
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let token = made(&house, &olive, "/service-tokens", json!({ "name": "t", "grants": grants })).await;
    let token = token["id"].as_str().expect("an id").to_owned();
    assert_eq!(name(&token, "member").await.status, StatusCode::OK);
    let policy = json!({ "policy": { "service_token_sets": ["member"] } });
    let answer = patch(&house, &olive, "", policy).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let refused = name(&token, "developer").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(refused.text.contains("Service tokens of this organization cannot use"), "{}", refused.text);
    let removed = house.api(&olive, Method::DELETE, &path(&format!("/service-tokens/{token}")), None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(name(&token, "member").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let (account, ..) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    assert_eq!(name(&account, "member").await.status, StatusCode::OK);
    let gone = house.api(&olive, Method::DELETE, &path(&format!("/service-accounts/{account}")), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for who in [account.as_str(), "account:ci"] {
        assert_eq!(name(who, "member").await.status, StatusCode::UNPROCESSABLE_ENTITY, "{who}");
    }
}

#[tokio::test]
async fn a_project_is_restricted_or_moved_only_by_who_may_say_who_works_in_it() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "other").await;
    made(
        &house,
        &olive,
        "/projects",
        json!({ "slug": "shop", "name": "Shop", "team": "platform", "visibility": "open" }),
    )
    .await;
    let maker = person_who_may(
        &house,
        &olive,
        ("maker", Some("platform")),
        &["project_create:write", "projects:write"],
    )
    .await;
    let create = async |slug: &str, visibility: &str| {
        let body = json!({ "slug": slug, "name": slug, "team": "platform", "visibility": visibility });
        house.post(&maker, &path("/projects"), body).await
    };
    assert_eq!(create("open", "open").await.status, StatusCode::CREATED);
    let refused = create("closed", "restricted").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(house.get(&olive, &path("/projects/closed")).await.status, StatusCode::NOT_FOUND);
    let mover =
        person_who_may(&house, &olive, ("mover", Some("platform")), &["projects:write", "permissions:write"])
            .await;
    let refused = patch(&house, &mover, "/projects/shop", json!({ "team": "other" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(
        patch(&house, &mover, "/projects/shop", json!({ "name": "Shop 2" })).await.status,
        StatusCode::OK
    );
    // The list offers what its reader may do.
    for (username, offered) in [("olive", true), ("maker", true), ("mover", false)] {
        let cookie = house.sign_in(username).await;
        let page = house.page(&cookie, "/orgs/acme/settings/projects").await.text;
        assert_eq!(page.contains("New project"), offered, "{username}");
    }
}

#[tokio::test]
async fn what_is_gone_takes_no_room() {
    let limits = [
        ("limits.service_accounts", "1"),
        ("limits.service_tokens", "1"),
        ("limits.keys_per_account", "1"),
        ("limits.invitations", "1"),
        ("limits.personal_tokens", "3"),
        ("limits.access_tokens", "2"),
    ];
    let (house, olive) = TestApp::set_up_with(&limits).await;
    house.team(&olive, "platform").await;
    let grants = json!([{ "permission_set": "member", "projects": "all" }]);
    let account = |name: &str| json!({ "name": name, "scope": "team", "team": "platform" });
    let text = |it: &Value| it.as_str().expect("text").to_owned();
    let first = made(&house, &olive, "/service-accounts", account("one")).await;
    let one = format!("/service-accounts/{}", text(&first["id"]));
    let keys = format!("{one}/tokens");
    let token = |name: &str| json!({ "name": name, "grants": grants });
    let full = async |rest: &str, body: Value| {
        let answer = house.post(&olive, &path(rest), body).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{rest}: {}", answer.text);
        assert!(answer.text.contains("limits."), "{rest}: {}", answer.text);
    };
    let free = async |rest: &str, body: Value| made(&house, &olive, rest, body).await;
    full(&keys, json!({ "name": "two" })).await;
    execute(&house, "UPDATE tokens SET revoked_at = 1 WHERE kind = 'service_account'").await;
    free(&keys, json!({ "name": "three" })).await;
    execute(&house, "UPDATE tokens SET expires_at = 1 WHERE kind = 'service_account'").await;
    free(&keys, json!({ "name": "four" })).await;
    full("/service-accounts", account("two")).await;
    let gone = house.api(&olive, Method::DELETE, &path(&one), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    free("/service-accounts", account("two")).await;
    for ended in [
        "UPDATE tokens SET revoked_at = 1 WHERE kind = 'service_token'",
        "UPDATE tokens SET expires_at = 1 WHERE kind = 'service_token'",
    ] {
        free("/service-tokens", token(&format!("t{}", ended.len()))).await;
        full("/service-tokens", token("more")).await;
        execute(&house, ended).await;
    }
    for over in [
        "UPDATE invitations SET revoked_at = 1",
        "UPDATE invitations SET accepted_at = 1",
        "UPDATE invitations SET expires_at = 1",
    ] {
        free("/invitations", json!({})).await;
        full("/invitations", json!({})).await;
        execute(&house, over).await;
    }
    let personal = async || house.post(&olive, "/account/tokens", json!({ "name": "mine" })).await.status;
    for ended in [
        "UPDATE tokens SET revoked_at = 1 WHERE name = 'mine'",
        "UPDATE tokens SET expires_at = 1 WHERE name = 'mine'",
    ] {
        assert_eq!((personal().await, personal().await), (StatusCode::CREATED, StatusCode::CREATED));
        assert_eq!(personal().await, StatusCode::CONFLICT);
        execute(&house, ended).await;
    }
    for ended in [
        "UPDATE tokens SET revoked_at = 1 WHERE kind = 'access'",
        "UPDATE tokens SET expires_at = 1 WHERE kind = 'access'",
    ] {
        let fields = [&EXCHANGE[..], &[("subject_token", olive.as_str())]].concat();
        for expected in [200, 200, 409] {
            let answer = house.oauth("/oauth2/token", &[], &fields).await;
            assert_eq!(answer.status.as_u16(), expected, "{}", answer.text);
        }
        execute(&house, ended).await;
        assert_eq!(ask_token(&house, &[], &fields).await.0, 200);
        execute(&house, ended).await;
    }
}

#[tokio::test]
async fn an_identity_of_an_issuer_that_everybody_uses_names_whose_it_is() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let provider = house.identity_provider().await;
    execute(&house, "UPDATE identity_providers SET issuer = 'https://token.actions.githubusercontent.com'")
        .await;
    let create = async |name: &str, identity: Value| {
        let body = json!({
            "name": name, "scope": "team", "team": "platform", "authentication": "federated", "identity": identity,
        });
        house.post(&olive, &path("/service-accounts"), body).await
    };
    let anybody =
        create("anybody", json!({ "provider": provider, "conditions": { "ref": "refs/heads/main" } })).await;
    assert_eq!(anybody.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", anybody.text);
    assert!(anybody.text.contains("whose jobs they are"), "{}", anybody.text);
    let ours = json!({ "provider": provider, "conditions": { "repository": "acme/shop", "ref": "refs/heads/main" } });
    let ours = create("ours", ours).await;
    assert_eq!(ours.status, StatusCode::CREATED, "{}", ours.text);
    let exact =
        create("exact", json!({ "provider": provider, "subject": "repo:acme/shop:ref:refs/heads/main" }))
            .await;
    assert_eq!(exact.status, StatusCode::CREATED, "{}", exact.text);
    // Who proves itself elsewhere has no keys.
    let keys = format!("/service-accounts/{}/tokens", ours.json()["id"].as_str().expect("an id"));
    let key = house.post(&olive, &path(&keys), json!({ "name": "key" })).await;
    assert!(key.status.is_client_error(), "{}", key.text);
    assert_eq!(house.get(&olive, &path(&keys)).await.json()["items"], json!([]));
}

#[tokio::test]
async fn the_grants_of_a_service_token_are_some_and_fit_where_they_hold() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    made(&house, &olive, "/projects", json!({ "slug": "shop", "name": "Shop", "team": "platform" })).await;
    let grant = |set: &str, projects: Value| json!({ "permission_set": set, "projects": projects });
    let create = async |grants: Value| {
        house.post(&olive, &path("/service-tokens"), json!({ "name": "t", "grants": grants })).await
    };
    for (grants, field, told) in [
        (json!([]), "grants", "Choose at least one permission set."),
        (json!(vec![grant("member", json!("all")); 21]), "grants", "at most 20"),
        (
            json!([grant("account_admin", json!(["shop"]))]),
            "grants[0].projects",
            "applies to all projects only. Choose all projects.",
        ),
        (
            json!([grant("member", json!([]))]),
            "grants[0].projects",
            "Choose at least one project for “Member”",
        ),
        (
            json!([grant("member", json!(["nowhere"]))]),
            "grants[0].projects",
            "Choose projects that you have access to. “nowhere” is not one.",
        ),
        (
            json!([grant("", json!("all"))]),
            "grants[0].permission_set",
            "Permission 1: Choose a permission set.",
        ),
        (
            json!([grant("member", json!("all")), grant("member", json!(["shop"]))]),
            "grants[1].permission_set",
            "“Member” is chosen twice.",
        ),
    ] {
        let refused = create(grants.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{grants}: {}", refused.text);
        assert_eq!(refused.json()["errors"][0]["field"], field, "{}", refused.text);
        assert!(refused.text.contains(told), "{}", refused.text);
    }
    let token = create(json!([grant("member", json!("all"))])).await;
    assert_eq!(token.status, StatusCode::CREATED, "{}", token.text);
    let one = format!("/service-tokens/{}", token.json()["id"].as_str().expect("an id"));
    assert_eq!(patch(&house, &olive, &one, json!({ "name": "other" })).await.status, StatusCode::OK);
    assert_eq!(house.api(&olive, Method::DELETE, &path(&one), None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(patch(&house, &olive, &one, json!({ "name": "late" })).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn one_form_makes_one_service_token() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let fields =
        [("nonce", "the same form"), ("name", "t"), ("rows", "1"), ("set1", "member"), ("where1", "all")];
    for _ in 0..2 {
        let made = house.form(&cookie, "/orgs/acme/settings/service-tokens", &fields).await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    }
    let listed = house.get(&olive, &path("/service-tokens")).await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_deleted_for_good_is_named_first() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    made(&house, &olive, "/projects", json!({ "slug": "shop", "name": "Shop", "team": "platform" })).await;
    house.team(&olive, "empty").await;
    let (account, ..) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let cookie = house.sign_in("olive").await;
    for (rest, name) in [
        (format!("/service-accounts/{account}/delete"), "ci"),
        ("/projects/shop/delete".to_owned(), "Shop"),
        ("/teams/empty/delete".to_owned(), "empty"),
    ] {
        let page = format!("/orgs/acme/settings{rest}");
        for wrong in ["", "another name"] {
            let refused = house.form(&cookie, &page, &[("confirm", wrong)]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{rest}");
        }
        let deleted = house.form(&cookie, &page, &[("confirm", name)]).await;
        assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{rest}: {}", deleted.text);
    }
}

#[tokio::test]
async fn a_value_that_stopped_or_ended_revokes_nothing() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, old) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let keys = path(&format!("/service-accounts/{id}/tokens"));
    let renewal = json!({ "overlap": "1h", "expires_at": "2027-01-03T00:00:00Z" });
    let renewed = house.post(&olive, &format!("{keys}/{key}/regenerate"), renewal).await.json();
    let new = renewed["token"].as_str().expect("a value").to_owned();
    let revoke = async |value: &str| {
        assert_eq!(house.oauth("/oauth2/revoke", &[], &[("token", value)]).await.status, StatusCode::OK);
        house.get(&olive, &keys).await.json()["items"][0]["status"].as_str().map(str::to_owned)
    };
    house.app.context.clock.advance(DAY / 24);
    assert_eq!(revoke(&old).await.as_deref(), Some("active"), "the overlap is over");
    assert_eq!(house.get(&new, "/whoami").await.status, StatusCode::OK);
    let told = house.get(&olive, &path("/audit-events?action=token.overlap_ended")).await.json();
    assert_eq!(told["items"], json!([]), "what had stopped by itself is not told as stopped by somebody");
    house.app.context.clock.advance(2 * DAY);
    assert_eq!(revoke(&new).await.as_deref(), Some("expired"), "what has ended is left as it is");
}

#[tokio::test]
async fn the_token_of_a_team_and_one_of_a_form_end_in_the_future() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let past = json!({ "expires_at": "2026-12-31T00:00:00Z" });
    let refused = house.post(&olive, &path("/teams/platform/token"), past).await;
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["field"].clone()),
        (StatusCode::UNPROCESSABLE_ENTITY, json!("expires_at"))
    );
    assert_eq!(house.get(&olive, &path("/teams/platform/token")).await.status, StatusCode::NOT_FOUND);
    let cookie = house.sign_in("olive").await;
    for (day, status) in
        [("2026-12-31", StatusCode::UNPROCESSABLE_ENTITY), ("2027-01-01", StatusCode::SEE_OTHER)]
    {
        let fields = [("lifetime", "date"), ("lifetime_date", day)];
        let answer = house.form(&cookie, "/orgs/acme/settings/teams/platform/api-token", &fields).await;
        assert_eq!(answer.status, status, "{day}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_invitation_by_a_token_ends_with_the_token() {
    let (house, olive) = TestApp::set_up().await;
    let team = json!({ "slug": "platform", "name": "Platform", "role": "account_admin" });
    made(&house, &olive, "/teams", team).await;
    let token =
        made(&house, &olive, "/teams/platform/token", json!({ "expires_at": "2027-01-02T00:00:00Z" })).await;
    let token = token["token"].as_str().expect("a value").to_owned();
    let invited = made(&house, &token, "/invitations", json!({ "role": "account_admin" })).await;
    let code = invited["link"].as_str().expect("a link").rsplit('/').next().expect("a code").to_owned();
    let status = async || house.page("", &format!("/invitations/{code}")).await.status;
    assert_eq!(status().await, StatusCode::OK);
    house.app.context.clock.advance(DAY);
    assert_eq!(status().await, StatusCode::NOT_FOUND);
}
