//! What holds for the whole API: the document, tags, repeated requests, limits,
//! for whom a program works, what a bad credential is answered.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;
use tessera::platform::sql;

use crate::harness::{AccountScope, ByTest, TestApp};
use crate::protocols::{evaluate, forward, introspect, service, world};

#[tokio::test]
async fn the_document_describes_every_operation_whole() {
    let house = TestApp::empty().await;
    let answer = house.page("", "/api/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            operations += 1;
            let at = format!("{method} {path}");
            let named: Vec<&str> = operation["parameters"]
                .as_array()
                .expect("parameters")
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().expect("a name"))
                .collect();
            let wanted: Vec<&str> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(named, wanted, "{at}");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.contains_key("401") && responses.contains_key("429"), "{at}");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
            assert!(!operation["summary"].as_str().expect("a summary").is_empty(), "{at}");
        }
    }
    assert!(operations > 70, "{operations}");
    // Every name that is referred to is there.
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().expect("a name");
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    // What organization tokens cannot do says so, and who can.
    let note = document["paths"]["/account/tokens"]["post"]["description"].as_str().expect("a note");
    assert!(note.contains("cannot be used with organization tokens. Use a personal token."), "{note}");
    let page = house.page("", "/api/docs").await;
    assert_eq!(page.status, StatusCode::OK);
    for told in
        ["API reference", "/organizations/{org}/service-accounts", "cannot be used with organization tokens"]
    {
        assert!(page.text.contains(told), "{told}");
    }
}

/// Whether a value is of the shape that a schema describes, as far as the
/// document uses the language.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/components/schemas/");
        return fits(document, &document["components"]["schemas"][name], value);
    }
    if let Some(several) = schema["anyOf"].as_array() {
        let good = several.iter().any(|each| fits(document, each, value).is_ok());
        return if good { Ok(()) } else { Err(format!("{value} fits none of {schema}")) };
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        return Err(format!("{value} is no {kinds:?}"));
    }
    if let (Some(words), Value::String(_)) = (schema["enum"].as_array(), value)
        && !words.contains(value)
    {
        return Err(format!("{value} is none of {words:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item)?;
    }
    if let Some(object) = value.as_object().filter(|_| schema["properties"].is_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                return Err(format!("{name} is missing in {value}"));
            }
        }
        for (name, field) in object {
            let Some(known) = schema["properties"].get(name) else {
                return Err(format!("{name} is not described"));
            };
            fits(document, known, field).map_err(|told| format!("{name}: {told}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn answers_are_as_the_document_describes_them() {
    let (house, olive, id, _) = world().await;
    let document = house.page("", "/api/openapi.json").await.json();
    let base = "/organizations/acme";
    let identity = house.identity_provider().await;
    let grants = json!([{ "permission_set": "job_viewer", "projects": ["ledger"] }]);
    let set = json!({ "slug": "own", "name": "Own", "level": "project", "permissions": ["runs:read"] });
    let account = format!("{base}/service-accounts/{id}");
    for (method, route, path, body) in [
        ("GET", "/whoami", "/whoami".to_owned(), None),
        ("POST", "/organizations/{org}/services", format!("{base}/services"), Some(json!({ "name": "x" }))),
        ("GET", "/organizations/{org}/services", format!("{base}/services"), None),
        (
            "POST",
            "/organizations/{org}/service-tokens",
            format!("{base}/service-tokens"),
            Some(json!({ "name": "x", "grants": grants })),
        ),
        ("GET", "/organizations/{org}/service-tokens", format!("{base}/service-tokens"), None),
        ("POST", "/organizations/{org}/permission-sets", format!("{base}/permission-sets"), Some(set)),
        ("GET", "/organizations/{org}/permission-sets", format!("{base}/permission-sets"), None),
        ("GET", "/organizations/{org}", base.to_owned(), None),
        ("GET", "/organizations/{org}/people", format!("{base}/people"), None),
        ("POST", "/organizations/{org}/invitations", format!("{base}/invitations"), Some(json!({}))),
        ("GET", "/organizations/{org}/invitations", format!("{base}/invitations"), None),
        ("GET", "/organizations/{org}/teams/{team}/members", format!("{base}/teams/payments/members"), None),
        (
            "PUT",
            "/organizations/{org}/teams/{team}/members/{username}",
            format!("{base}/teams/payments/members/olive"),
            Some(json!({ "role": "admin" })),
        ),
        (
            "POST",
            "/organizations/{org}/teams/{team}/token",
            format!("{base}/teams/payments/token"),
            Some(json!({})),
        ),
        ("POST", "/organizations/{org}/token", format!("{base}/token"), Some(json!({}))),
        ("GET", "/organizations/{org}/service-accounts", format!("{base}/service-accounts"), None),
        (
            "POST",
            "/organizations/{org}/service-accounts",
            format!("{base}/service-accounts"),
            Some(json!({ "name": "x", "scope": "organization", "default_team": "payments" })),
        ),
        ("GET", "/organizations/{org}/service-accounts/{id}/tokens", format!("{account}/tokens"), None),
        (
            "POST",
            "/organizations/{org}/service-accounts/{id}/tokens",
            format!("{account}/tokens"),
            Some(json!({ "name": "x" })),
        ),
        (
            "PUT",
            "/organizations/{org}/projects/{project}/grants/{principal}",
            format!("{base}/projects/ledger/grants/person:olive"),
            Some(json!({ "permission_set": "read_only" })),
        ),
        (
            "GET",
            "/organizations/{org}/projects/{project}/grants",
            format!("{base}/projects/ledger/grants"),
            None,
        ),
        ("GET", "/organizations/{org}/projects", format!("{base}/projects"), None),
        (
            "GET",
            "/organizations/{org}/identity-providers/{idp}",
            format!("{base}/identity-providers/{identity}"),
            None,
        ),
        ("GET", "/account/tokens", "/account/tokens".to_owned(), None),
        ("GET", "/organizations/{org}/audit-events", format!("{base}/audit-events"), None),
    ] {
        let answer = house.api(&olive, method.parse().expect("a method"), &path, body).await;
        let told = &document["paths"][route][method.to_lowercase()]["responses"][answer.status.as_str()];
        let schema = &told["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path}: {} {}", answer.status, answer.text);
        fits(&document, schema, &answer.json()).unwrap_or_else(|wrong| panic!("{method} {path}: {wrong}"));
    }
}

#[tokio::test]
async fn an_edit_that_holds_on_to_a_tag_is_refused_over_a_newer_version() {
    let (house, olive, id, _) = world().await;
    let base = "/organizations/acme";
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let service =
        text(&house.post(&olive, &format!("{base}/services"), json!({ "name": "x" })).await.json()["id"]);
    let grants = json!([{ "permission_set": "job_viewer", "projects": "all" }]);
    let token =
        house.post(&olive, &format!("{base}/service-tokens"), json!({ "name": "x", "grants": grants })).await;
    let set = json!({ "slug": "own", "name": "Own", "level": "project", "permissions": ["runs:read"] });
    house.post(&olive, &format!("{base}/permission-sets"), set).await;
    let provider = house.identity_provider().await;
    let rename = |name: &str| json!({ "name": name });
    for (path, field) in [
        (base.to_owned(), "name"),
        (format!("{base}/teams/payments"), "name"),
        (format!("{base}/projects/ledger"), "name"),
        (format!("{base}/service-accounts/{id}"), "name"),
        (format!("{base}/service-tokens/{}", text(&token.json()["id"])), "name"),
        (format!("{base}/permission-sets/own"), "name"),
        (format!("{base}/services/{service}"), "name"),
        (format!("{base}/identity-providers/{provider}"), "name"),
        (format!("{base}/people/mo"), "role"),
    ] {
        let edit = |name: &str| if field == "role" { json!({ "role": name }) } else { rename(name) };
        let (first, second) = if field == "role" { ("read_only", "member") } else { ("First", "Second") };
        let tag = house.get(&olive, &path).await.headers["etag"].to_str().expect("text").to_owned();
        let patch = async |tag: &str, body: Value| {
            house.call((&olive, Method::PATCH, &path), &[("if-match", tag)], Some(body)).await
        };
        let answer = patch(&tag, edit(first)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let fresh = answer.headers["etag"].to_str().expect("text").to_owned();
        assert_ne!(tag, fresh, "{path}");
        for stale in [tag.as_str(), "\"nonsense\"", "W/\"0\"", "0"] {
            let answer = patch(stale, edit(second)).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{path} {stale}");
            assert_eq!(house.get(&olive, &path).await.json()[field], first, "{path}");
        }
        assert_eq!(patch(&fresh, edit(second)).await.status, StatusCode::OK, "{path}");
        assert_eq!(patch("*", edit(first)).await.status, StatusCode::OK, "{path}");
    }
}

/// A field of all rows of a list, asked for two at a time.
async fn in_twos(house: &TestApp, token: &str, path: &str, field: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = house.get(token, &format!("{path}?limit=2{after}")).await.json();
        let items = page["items"].as_array().expect("a list");
        assert!(items.len() <= 2);
        found.extend(items.iter().map(|row| row[field].as_str().expect("text").to_owned()));
        let Some(next) = page["next"].as_str() else { return found };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn the_people_of_a_team_come_a_page_at_a_time_by_username() {
    let (house, olive, ..) = world().await;
    for name in ["zoe", "ann", "kim"] {
        house.person(name, "member", Some(("payments", TeamRole::Member))).await;
    }
    let members = "/organizations/acme/teams/payments/members";
    assert_eq!(in_twos(&house, &olive, members, "username").await, ["ann", "kim", "mo", "zoe"]);
    let cookie = house.sign_in("olive").await;
    let page = house.page(&cookie, "/orgs/acme/settings/teams/payments/members").await.text;
    assert!(["ann", "kim", "mo", "zoe"].iter().all(|name| page.contains(&format!("{name} ·"))), "{page}");
}

#[tokio::test]
async fn the_keys_of_an_account_come_a_page_at_a_time_the_newest_first() {
    let (house, olive, id, _) = world().await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    for number in 0..4 {
        house.app.context.clock.advance(std::time::Duration::from_secs(1));
        let made = house.post(&olive, &keys, json!({ "name": format!("k{number}") })).await;
        if number == 2 {
            let key = made.json()["id"].as_str().expect("an id").to_owned();
            house.api(&olive, Method::DELETE, &format!("{keys}/{key}"), None).await;
        }
    }
    let names = in_twos(&house, &olive, &keys, "name").await;
    assert_eq!(names[..4], ["k3", "k2", "k1", "k0"], "revoked ones too");
    assert_eq!(names.len(), 5);
    let cookie = house.sign_in("olive").await;
    let page = format!("/orgs/acme/settings/service-accounts/{id}/tokens");
    let living = house.page(&cookie, &page).await.text;
    assert!(living.contains(">k3<") && !living.contains(">k2<") && living.contains("Show revoked keys"));
    assert!(house.page(&cookie, &format!("{page}?revoked")).await.text.contains(">k2<"));
}

#[tokio::test]
async fn a_repeated_key_makes_one_thing_and_shows_no_secret_again() {
    let (house, olive, id, _) = world().await;
    let base = "/organizations/acme";
    let account = format!("{base}/service-accounts/{id}");
    let key = house.get(&olive, &format!("{account}/tokens")).await.json()["items"][0]["id"].clone();
    let grants = json!([{ "permission_set": "job_viewer", "projects": "all" }]);
    let set = json!({ "slug": "own", "name": "Own", "level": "project", "permissions": ["runs:read"] });
    for (path, body, secret) in [
        ("/organizations".to_owned(), json!({ "slug": "second", "name": "Second" }), None),
        (format!("{base}/teams"), json!({ "slug": "t", "name": "T" }), None),
        (format!("{base}/projects"), json!({ "slug": "p", "name": "P", "team": "payments" }), None),
        (format!("{base}/permission-sets"), set, None),
        (format!("{base}/invitations"), json!({ "email": "new@acme.test" }), Some("link")),
        (format!("{base}/services"), json!({ "name": "x" }), Some("secret")),
        (
            format!("{base}/service-accounts"),
            json!({ "name": "x", "scope": "team", "team": "payments" }),
            None,
        ),
        (format!("{base}/service-tokens"), json!({ "name": "x", "grants": grants }), Some("token")),
        (format!("{account}/tokens"), json!({ "name": "x" }), Some("token")),
        (format!("{account}/tokens/{}/regenerate", key.as_str().expect("an id")), json!({}), Some("token")),
        (format!("{base}/teams/payments/token"), json!({}), Some("token")),
        (format!("{base}/token"), json!({}), Some("token")),
        ("/account/tokens".to_owned(), json!({ "name": "x" }), Some("token")),
    ] {
        let send = async || {
            house.call((&olive, Method::POST, &path), &[("idempotency-key", "k-1")], Some(body.clone())).await
        };
        let (first, second) = (send().await, send().await);
        assert_eq!(
            (first.status, second.status),
            (StatusCode::CREATED, StatusCode::CREATED),
            "{path}: {}",
            second.text
        );
        let (first, second) = (first.json(), second.json());
        assert_eq!(first["id"], second["id"], "{path}");
        if let Some(field) = secret {
            assert!(
                first[field].is_string() && second[field].is_null() && second.get(field).is_some(),
                "{path}"
            );
            if let Some(token) = first["token"].as_str() {
                assert_eq!(
                    house.get(token, "/whoami").await.status,
                    StatusCode::OK,
                    "{path}: the value still works"
                );
            }
        }
        let other = house
            .call((&olive, Method::POST, &path), &[("idempotency-key", &"k".repeat(201))], Some(body))
            .await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", other.text);
    }
    // Somebody else's key of the same name is another one.
    let mo = house.person("max", "account_admin", None).await;
    let body = json!({ "slug": "u", "name": "U", "role": "job_runner" });
    let answer = house
        .call((&mo, Method::POST, &format!("{base}/teams")), &[("idempotency-key", "k-1")], Some(body))
        .await;
    assert_eq!(answer.json()["slug"], "u");
}

#[tokio::test]
async fn a_person_who_asks_too_often_waits_with_all_that_they_have() {
    let (house, olive) = TestApp::set_up_with(&[("limits.requests_per_person", "5")]).await;
    let cookie = house.sign_in("olive").await;
    let other = house.personal_token(house.caller("olive").await.actor.id.parse().expect("an id")).await;
    house.app.context.clock.advance(DAY / 1440);
    let asked = async || {
        for _ in 0..2 {
            assert_eq!(house.get(&olive, "/whoami").await.status, StatusCode::OK);
            assert_eq!(house.page(&cookie, "/orgs/acme").await.status, StatusCode::OK);
        }
        assert_eq!(house.get(&other, "/whoami").await.status, StatusCode::OK);
    };
    // As many as are let in at once, and as many that wait for their turn.
    asked().await;
    asked().await;
    let refused = tokio::join!(
        house.get(&olive, "/whoami"),
        house.get(&other, "/organizations/acme/teams"),
        house.page(&cookie, "/orgs/acme"),
        house.form(&cookie, "/account/profile", &[("name", "Olive")]),
    );
    for answer in [refused.0, refused.1, refused.2, refused.3] {
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.text);
        assert_eq!(answer.headers["retry-after"], HeaderValue::from(1));
    }
    // Others are not held up, and time gives it back.
    let ann = house.person("ann", "member", None).await;
    assert_eq!(house.get(&ann, "/whoami").await.status, StatusCode::OK);
    house.app.context.clock.advance(DAY / 86_400);
    assert_eq!(house.page(&cookie, "/orgs/acme").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_ends_while_a_request_waits_for_its_turn_is_refused() {
    let (house, olive) = TestApp::set_up_with(&[("limits.requests_per_person", "2")]).await;
    let cookie = house.sign_in("olive").await;
    house.app.context.clock.advance(DAY / 1440);
    assert_eq!(house.get(&olive, "/whoami").await.status, StatusCode::OK);
    assert_eq!(house.page(&cookie, "/account/profile").await.status, StatusCode::OK);
    let end = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(house.oauth("/oauth2/revoke", &[], &[("token", &olive)]).await.status, StatusCode::OK);
        let mut tx = house.app.context.db.begin().await.expect("begun");
        sql("DELETE FROM sessions").execute(&mut tx, &ByTest).await.expect("deleted");
        tx.commit().await.expect("committed");
    };
    let (asked, shown, ()) =
        tokio::join!(house.get(&olive, "/whoami"), house.page(&cookie, "/account/profile"), end);
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    assert_eq!(shown.headers["location"], "/sign-in?next=%2Faccount%2Fprofile");
}

#[tokio::test]
async fn a_network_that_asks_too_often_waits_and_the_processs_health_is_told_at_once() {
    let (house, olive) = TestApp::set_up_with(&[("limits.requests_per_network", "2")]).await;
    house.app.context.clock.advance(DAY);
    for _ in 0..4 {
        assert_eq!(house.page("", "/sign-in").await.status, StatusCode::OK);
    }
    let refused = tokio::join!(
        house.page("", "/sign-in"),
        house.page("", "/orgs/acme"),
        house.get(&olive, "/organizations/acme/teams"),
        house.oauth("/oauth2/revoke", &[], &[("token", "nonsense")]),
    );
    for answer in [refused.0, refused.1, refused.2, refused.3] {
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.text);
    }
    assert_eq!(house.page("", "/healthz").await.status, StatusCode::OK);
    assert_eq!(house.get(&olive, "/whoami").await.status, StatusCode::OK, "verification has no such limit");
}

#[tokio::test]
async fn a_token_that_asks_too_often_waits_and_so_does_who_guesses() {
    let (house, olive) = TestApp::set_up_with(&[("api_rate_limit", "3")]).await;
    house.team(&olive, "payments").await;
    house.app.context.clock.advance(DAY);
    for _ in 0..3 {
        assert_eq!(house.get(&olive, "/whoami").await.status, StatusCode::OK);
    }
    let answer = house.get(&olive, "/organizations/acme/teams").await;
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from(1))
    );
    assert_eq!(answer.json()["status"], 429);
    // What it was exchanged into counts with it.
    let other = house.personal_token(house.caller("olive").await.actor.id.parse().expect("an id")).await;
    assert_eq!(house.get(&other, "/whoami").await.status, StatusCode::OK);
    house.app.context.clock.advance(DAY / 86_400);
    assert_eq!(house.get(&olive, "/whoami").await.status, StatusCode::OK);
    let mut statuses = Vec::new();
    for _ in 0..310 {
        statuses.push(house.get("tsrp_nonsense", "/whoami").await.status);
    }
    assert_eq!(
        (statuses[0], statuses[299], statuses[309]),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS)
    );
    house.app.context.clock.advance(DAY / 86_400);
    assert_eq!(
        house.get(&olive, "/whoami").await.status,
        StatusCode::OK,
        "a good token is not made to wait by bad ones"
    );
}

#[tokio::test]
async fn a_bad_credential_is_always_the_same_401() {
    let (house, _, _, key) = world().await;
    let ask = async |values: Vec<Vec<u8>>| {
        let mut request = Request::get("/api/v1/whoami");
        for value in values {
            request =
                request.header(header::AUTHORIZATION, HeaderValue::from_bytes(&value).expect("a header"));
        }
        house.send(request.body(Body::empty()).expect("a request")).await
    };
    let text = |value: &str| format!("Bearer {value}").into_bytes();
    let nothing = ask(Vec::new()).await;
    assert_eq!(nothing.headers["www-authenticate"], "Bearer realm=\"tessera\"");
    let mut seen: Option<(HeaderValue, String)> = None;
    for bad in [
        vec![text(&key[..key.len() - 1])],
        vec![text(&format!("{key}0"))],
        vec![text(&key.to_uppercase())],
        vec![text(&key.replace("tsra_", "tsrs_"))],
        vec![text(&"x".repeat(10 * 1024))],
        vec![text("")],
        vec![text(&key), text(&key)],
        vec![format!("Bearer  {key} {key}").into_bytes()],
        vec![b"Bearer \xff\xfe".to_vec()],
        vec![b"Basic !!!".to_vec()],
        vec![b"Negotiate abc".to_vec()],
        vec![text(&format!("tsra_{}", "0".repeat(36)))],
    ] {
        let answer = ask(bad.clone()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad:?}");
        let mut body = answer.json();
        body["request_id"] = json!("");
        let it = (answer.headers["www-authenticate"].clone(), body.to_string());
        assert_eq!(*seen.get_or_insert_with(|| it.clone()), it, "{bad:?}");
        assert!(it.0.to_str().expect("text").contains("error=\"invalid_token\""));
    }
    assert!(HeaderValue::from_bytes(b"Bearer a\0b").is_err(), "a NUL never arrives in a header");
}

#[tokio::test]
async fn a_person_of_the_team_is_attributed_everywhere_and_nobody_else() {
    let (house, olive, _, _) = world().await;
    house.team(&olive, "other").await;
    house.person("ann", "member", Some(("other", TeamRole::Member))).await;
    let (id, _, key) =
        house.account(&olive, "wide", AccountScope::Organization("payments"), "account_admin").await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    for (person, team, outcome, attributed, works_in) in [
        ("mo", "", "applied", Some("mo"), "payments"),
        ("MO@acme.test", "", "applied", Some("mo"), "payments"),
        ("ann", "", "ignored", None, "payments"),
        ("ann", "other", "applied", Some("ann"), "other"),
        ("mo", "other", "ignored", None, "other"),
        ("nobody", "", "ignored", None, "payments"),
        ("mo", "nothing", "ignored", None, ""),
    ] {
        let headers = [("tessera-on-behalf-of", person), ("tessera-for-team", team)];
        let who = house.call((&key, Method::GET, "/whoami"), &headers, None).await.json();
        let asked =
            introspect(&house, &secret, &[("token", &key), ("on_behalf_of", person), ("team", team)]).await;
        let asked = asked.json()["tessera"].clone();
        let body = json!({
            "subject": { "type": "token", "id": key }, "action": { "name": "groups:read" },
            "resource": { "type": "organization", "id": "acme" },
            "context": { "on_behalf_of": person, "team": team },
        });
        let evaluated = evaluate(&house, &secret, body).await["context"].clone();
        let passed = forward(&house, &secret, &key, "", &headers).await;
        for it in [&who, &asked, &evaluated] {
            assert_eq!(it["attribution"], outcome, "{person} {team}");
            assert_eq!(it["attributed_to"]["username"].as_str(), attributed, "{person} {team}");
            assert_eq!(it["team"].as_str().unwrap_or_default(), works_in, "{person} {team}");
        }
        assert_eq!(passed.headers["tessera-attributed-to"], attributed.unwrap_or_default());
        assert_eq!(passed.headers["tessera-team"], works_in);
    }
    // A person, a team or a service token speaks for itself.
    let who =
        house.call((&olive, Method::GET, "/whoami"), &[("tessera-on-behalf-of", "mo")], None).await.json();
    assert_eq!((&who["attribution"], &who["attributed_to"]), (&json!("ignored"), &Value::Null));
    // It is written down with what was done, and counted, and changes no access.
    let headers = [("tessera-on-behalf-of", "mo")];
    let body = json!({ "slug": "made", "name": "Made", "role": "job_runner" });
    let made = house.call((&key, Method::POST, "/organizations/acme/teams"), &headers, Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let events = house.get(&olive, "/organizations/acme/audit-events?action=team.created").await.json();
    let own = events["items"].as_array().expect("a list").iter().find(|event| event["actor_id"] == json!(id));
    assert_eq!(own.expect("an event")["on_behalf_of"], "mo");
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let cookie = house.sign_in("olive").await;
    let page = house.page(&cookie, &format!("/orgs/acme/settings/service-accounts/{id}/activity")).await.text;
    assert!(page.contains("/people/mo\"") && page.contains("on behalf of <b>mo</b>"), "{page}");
    let log = house.page(&cookie, "/orgs/acme/settings/audit-log").await.text;
    assert!(log.contains("on behalf of <b>mo</b>"));
    let (_, _, weak) = house.account(&olive, "weak", AccountScope::Team("payments"), "read_only").await;
    let body = json!({ "slug": "x", "name": "X" });
    let refused = house.call((&weak, Method::POST, "/organizations/acme/teams"), &headers, Some(body)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn last_use_tells_when_from_where_by_what_and_through_which_service() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "Billing", &[]).await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let last = async || {
        house.app.verifier.usage.flush(&house.app.context).await.expect("written");
        house.get(&olive, &keys).await.json()["items"][0].clone()
    };
    house.call((&key, Method::GET, "/whoami"), &[("user-agent", "terraform/1.14")], None).await;
    let it = last().await;
    assert_eq!(
        (&it["last_used_address"], &it["last_used_agent"], &it["last_used_service"]),
        (&json!("127.0.0.1"), &json!("terraform/1.14"), &Value::Null)
    );
    house.app.context.clock.advance(DAY / 24);
    introspect(&house, &secret, &[("token", &key), ("client_address", "192.0.2.7")]).await;
    let it = last().await;
    assert_eq!(
        (&it["last_used_address"], &it["last_used_service"]),
        (&json!("192.0.2.7"), &json!("Billing"))
    );
    assert_eq!(it["last_used_at"], "2027-01-01T01:00:00Z");
    house.call((&key, Method::GET, "/whoami"), &[("user-agent", &"long ".repeat(100))], None).await;
    assert_eq!(last().await["last_used_agent"].as_str().expect("text").len(), 120);
}

#[tokio::test]
async fn fields_that_a_caller_may_not_set_are_refused_on_every_write() {
    let (house, olive, id, _) = world().await;
    let base = "/organizations/acme";
    for (method, path) in [
        (Method::POST, "/organizations".to_owned()),
        (Method::PATCH, base.to_owned()),
        (Method::POST, format!("{base}/teams")),
        (Method::PATCH, format!("{base}/teams/payments")),
        (Method::PUT, format!("{base}/teams/payments/members/mo")),
        (Method::POST, format!("{base}/teams/payments/token")),
        (Method::POST, format!("{base}/token")),
        (Method::PATCH, format!("{base}/people/mo")),
        (Method::POST, format!("{base}/invitations")),
        (Method::POST, format!("{base}/service-accounts")),
        (Method::PATCH, format!("{base}/service-accounts/{id}")),
        (Method::POST, format!("{base}/service-accounts/{id}/tokens")),
        (Method::POST, format!("{base}/service-tokens")),
        (Method::POST, format!("{base}/projects")),
        (Method::PATCH, format!("{base}/projects/ledger")),
        (Method::PUT, format!("{base}/projects/ledger/grants/person:mo")),
        (Method::POST, format!("{base}/permission-sets")),
        (Method::POST, format!("{base}/services")),
        (Method::POST, format!("{base}/identity-providers")),
        (Method::POST, "/account/tokens".to_owned()),
    ] {
        for field in ["organization_id", "kind", "hash", "created_by", "is_owners", "version"] {
            let answer = house.api(&olive, method.clone(), &path, Some(json!({ field: "x" }))).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{method} {path} {field}");
            assert_eq!(answer.json()["errors"][0]["field"], field, "{method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_repeated_key_with_another_body_is_refused_and_means_one_organization_alone() {
    let (house, olive, ..) = world().await;
    house.post(&olive, "/organizations", json!({ "slug": "second", "name": "Second" })).await;
    house.post(&olive, "/organizations/second/teams", json!({ "slug": "payments", "name": "P" })).await;
    for path in ["service-accounts", "service-tokens", "teams", "services"] {
        let body = |name: &str| match path {
            "service-accounts" => json!({ "name": name, "scope": "team", "team": "payments" }),
            "service-tokens" => {
                json!({ "name": name, "grants": [{ "permission_set": "job_viewer", "projects": "all" }] })
            }
            "teams" => json!({ "slug": name, "name": name }),
            _ => json!({ "name": name }),
        };
        let send = async |organization: &str, name: &str| {
            let path = format!("/organizations/{organization}/{path}");
            house.call((&olive, Method::POST, &path), &[("idempotency-key", "same")], Some(body(name))).await
        };
        let (here, there) = (send("acme", "one").await, send("second", "one").await);
        assert_eq!((here.status, there.status), (StatusCode::CREATED, StatusCode::CREATED), "{}", there.text);
        let which = if path == "teams" { "created_at" } else { "id" };
        if path != "teams" {
            assert_ne!(here.json()[which], there.json()[which], "{path}: two organizations, two of them");
        }
        let other = send("acme", "two").await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", other.text);
        assert!(other.text.contains("Idempotency-Key"), "{}", other.text);
    }
}

#[tokio::test]
async fn a_secret_team_is_attributed_to_nobody_who_may_not_see_it() {
    let (house, olive, ..) = world().await;
    let body = json!({ "slug": "hidden", "name": "Hidden", "visibility": "secret" });
    let made = house.post(&olive, "/organizations/acme/teams", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    house.person("hana", "member", Some(("hidden", TeamRole::Member))).await;
    let mo = house.personal_token(house.caller("mo").await.actor.id.parse().expect("an id")).await;
    let hana = house.personal_token(house.caller("hana").await.actor.id.parse().expect("an id")).await;
    let (_, _, weak) = house.account(&olive, "weak", AccountScope::Organization("payments"), "member").await;
    let asks = async |token: &str, team: &str| {
        house.call((token, Method::GET, "/whoami"), &[("tessera-for-team", team)], None).await.json()
    };
    for token in [&mo, &weak] {
        let (hidden, missing) = (asks(token, "hidden").await, asks(token, "missing").await);
        assert_eq!(
            (&hidden["team"], &hidden["attribution"]),
            (&missing["team"], &missing["attribution"]),
            "as if it were not there: {hidden}"
        );
    }
    assert_eq!(asks(&hana, "hidden").await["team"], "hidden");
    assert_ne!(asks(&mo, "other").await["team"], "other");
}

#[tokio::test]
async fn a_nul_and_a_time_beyond_the_calendar_are_answered_clearly_by_both_databases() {
    let (house, olive, ..) = world().await;
    for path in [
        "/organizations/acme/teams/a%00b",
        "/organizations/acme/people/a%00b",
        "/organizations/acme/service-accounts?q=a%00b",
        "/organizations/acme/audit-events?actor=a%00b",
    ] {
        let answer = house.get(&olive, path).await;
        assert!(!answer.status.is_server_error(), "{path}: {} {}", answer.status, answer.text);
    }
    for at in ["9999-12-31T23:59:59-23:59", "+10000-01-01T00:00:00Z"] {
        let answer = house.post(&olive, "/account/tokens", json!({ "name": "x", "expires_at": at })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{at}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], "expires_at");
    }
}

#[tokio::test]
async fn pages_and_answers_of_the_api_may_load_what_is_their_own() {
    let (house, _) = TestApp::set_up().await;
    for path in ["/api/docs", "/sign-in", "/nowhere", "/api/v1/whoami"] {
        let answer = house.page("", path).await;
        let policy = answer.headers["content-security-policy"].to_str().expect("text");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(policy.contains("style-src 'self'"), "{path}: {policy}");
        for name in
            ["x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "x-request-id"]
        {
            assert!(answer.headers.contains_key(name), "{path}: {name}");
        }
    }
}
