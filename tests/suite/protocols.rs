//! How services ask: introspection, access evaluation, forward auth.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;

use crate::harness::{AccountScope, Answer, TestApp};

/// A house with a service that accepts these kinds (all when empty): its id and secret.
pub async fn service(house: &TestApp, olive: &str, name: &str, kinds: &[&str]) -> (String, String) {
    let mut body = json!({ "name": name });
    if !kinds.is_empty() {
        body["accepted_kinds"] = json!(kinds);
    }
    let answer = house.post(olive, "/organizations/acme/services", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let made = answer.json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&made["id"]), text(&made["secret"]))
}

pub async fn introspect(house: &TestApp, secret: &str, fields: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post("/oauth2/introspect")
        .header("authorization", format!("Bearer {secret}"))
        .header("content-type", "application/x-www-form-urlencoded");
    house.send(request.body(Body::from(body)).expect("a request")).await
}

pub async fn evaluate(house: &TestApp, secret: &str, body: Value) -> Value {
    let request = Request::post("/access/v1/evaluation")
        .header("authorization", format!("Bearer {secret}"))
        .header("content-type", "application/json");
    let answer = house.send(request.body(Body::from(body.to_string())).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

pub async fn forward(
    house: &TestApp,
    secret: &str,
    token: &str,
    query: &str,
    more: &[(&str, &str)],
) -> Answer {
    let mut request = Request::get(format!("/forward-auth{query}"))
        .header("tessera-service-authorization", format!("Bearer {secret}"));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    house.send(request.body(Body::empty()).expect("a request")).await
}

/// Olive, a team with a project, its account, and its member Mo.
pub async fn world() -> (TestApp, String, String, String) {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    house.person("mo", "member", Some(("payments", TeamRole::Member))).await;
    let project = json!({ "slug": "ledger", "name": "Ledger", "team": "payments" });
    house.post(&olive, "/organizations/acme/projects", project).await;
    let (id, _, key) = house.account(&olive, "ci", AccountScope::Team("payments"), "member").await;
    (house, olive, id, key)
}

#[tokio::test]
async fn a_use_from_nobody_knows_where_is_told_as_that_on_every_page() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "gateway", &[]).await;
    introspect(&house, &secret, &[("token", &key)]).await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let cookie = house.sign_in("olive").await;
    let account = format!("/orgs/acme/settings/service-accounts/{id}");
    let keys = house.get(&olive, &format!("/organizations/acme/service-accounts/{id}/tokens")).await.json();
    let own = keys["items"][0]["id"].as_str().expect("an id").to_owned();
    for path in ["activity".to_owned(), "delete".to_owned(), format!("tokens/{own}/revoke")] {
        let page = house.page(&cookie, &format!("{account}/{path}")).await.text;
        assert!(page.contains("<code>unknown</code>") && !page.contains("<code></code>"), "{path}: {page}");
    }
}

#[tokio::test]
async fn introspection_tells_whose_token_it_is_and_nothing_of_one_that_is_not_good() {
    let (house, olive, id, key) = world().await;
    let (service_id, secret) = service(&house, &olive, "api", &[]).await;
    let answer = introspect(&house, &secret, &[("token", &key)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let it = answer.json();
    assert_eq!((&it["active"], &it["sub"], &it["aud"]), (&json!(true), &json!(id), &json!(service_id)));
    assert_eq!(it["tessera"]["kind"], "service_account");
    assert_eq!(it["username"], "ci");
    let person = introspect(&house, &secret, &[("token", &olive)]).await.json();
    assert_eq!(person["username"], "olive", "a person is told by their username");
    // RFC 6749, 3.1: no parameter twice.
    for name in ["token", "team", "on_behalf_of", "client_address"] {
        let twice = [("token", key.as_str()), (name, "127.0.0.1"), (name, "127.0.0.1")];
        let answer = introspect(&house, &secret, &twice).await;
        assert_eq!(
            (answer.status, answer.json()["error"].clone()),
            (StatusCode::BAD_REQUEST, json!("invalid_request")),
            "{name}"
        );
    }
    assert_eq!(it["tessera"]["team"], "payments");
    assert!(it["scope"].as_str().expect("text").split(' ').any(|word| word == "runs:write"));
    // Disabled, unknown, mistyped, of another kind: exactly the same few bytes.
    let dead = "{\"active\":false}";
    house.post(&olive, &format!("/organizations/acme/service-accounts/{id}/disable"), json!({})).await;
    let wrong = format!("{}x", &key[..key.len() - 1]);
    for token in [key.as_str(), wrong.as_str(), "nonsense", secret.as_str()] {
        assert_eq!(introspect(&house, &secret, &[("token", token)]).await.text, dead, "{token}");
    }
    assert_eq!(introspect(&house, &secret, &[]).await.status, StatusCode::BAD_REQUEST);
    for bad in ["", "nonsense", key.as_str(), olive.as_str()] {
        assert_eq!(introspect(&house, bad, &[("token", &key)]).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_service_learns_of_its_own_organization_and_of_the_kinds_that_it_accepts() {
    let (house, olive, _, key) = world().await;
    let (_, only_personal) = service(&house, &olive, "legacy", &["personal"]).await;
    let (_, only_keys) = service(&house, &olive, "modern", &["service_account"]).await;
    let active = async |secret: &str, token: &str| {
        introspect(&house, secret, &[("token", token)]).await.json()["active"] == json!(true)
    };
    assert!(active(&only_personal, &olive).await && !active(&only_personal, &key).await);
    assert!(active(&only_keys, &key).await && !active(&only_keys, &olive).await);
    // Somebody of another organization is nobody here.
    let otto = house.other_organization().await;
    assert!(!active(&only_personal, &otto).await);
    // A disabled service is answered nothing.
    let all = house.get(&olive, "/organizations/acme/services?q=legacy").await.json();
    let path = format!("/organizations/acme/services/{}", all["items"][0]["id"].as_str().expect("an id"));
    house.api(&olive, Method::PATCH, &path, Some(json!({ "status": "disabled" }))).await;
    let answer = introspect(&house, &only_personal, &[("token", &olive)]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_with_limits_by_address_is_active_only_with_an_address_inside_them() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let limit = json!({ "allowed_addresses": ["203.0.113.0/24"] });
    house
        .api(&olive, Method::PATCH, &format!("/organizations/acme/service-accounts/{id}"), Some(limit))
        .await;
    for (address, expected) in [(None, false), (Some("203.0.113.9"), true), (Some("198.51.100.1"), false)] {
        let mut fields = vec![("token", key.as_str())];
        fields.extend(address.map(|address| ("client_address", address)));
        assert_eq!(
            introspect(&house, &secret, &fields).await.json()["active"],
            json!(expected),
            "{address:?}"
        );
    }
}

#[tokio::test]
async fn a_person_is_attributed_only_from_the_team_that_the_request_is_for() {
    let (house, olive, _, key) = world().await;
    house.team(&olive, "data").await;
    house.person("eli", "member", Some(("data", TeamRole::Member))).await;
    let (_, _, wide) = house.account(&olive, "wide", AccountScope::Organization("data"), "member").await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let ask = async |token: &str, who: &str, team: &str| {
        let fields = [("token", token), ("on_behalf_of", who), ("team", team)];
        introspect(&house, &secret, &fields).await.json()["tessera"].clone()
    };
    let it = ask(&key, "mo", "").await;
    assert_eq!((&it["attribution"], &it["attributed_to"]["username"]), (&json!("applied"), &json!("mo")));
    assert_eq!(ask(&key, "MO@acme.test", "").await["attribution"], "applied");
    assert_eq!(ask(&key, "eli", "").await["attribution"], "ignored");
    assert_eq!(ask(&key, "nobody", "").await["attributed_to"], Value::Null);
    // An organization-scoped account works in its default team, or where the request says.
    assert_eq!(ask(&wide, "eli", "").await["attribution"], "applied");
    let it = ask(&wide, "mo", "payments").await;
    assert_eq!((&it["team"], &it["attribution"]), (&json!("payments"), &json!("applied")));
    assert_eq!(ask(&wide, "eli", "payments").await["attribution"], "ignored");
}

#[tokio::test]
async fn an_evaluation_answers_as_the_rules_decide_with_the_reason() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let ask = async |subject: Value, action: &str, resource: Value| {
        let body = json!({ "subject": subject, "action": { "name": action }, "resource": resource });
        evaluate(&house, &secret, body).await
    };
    let ledger = json!({ "type": "project", "id": "ledger" });
    let token = json!({ "type": "token", "id": key });
    let yes = ask(token.clone(), "runs:write", ledger.clone()).await;
    assert_eq!((&yes["decision"], &yes["context"]["via"]), (&json!(true), &json!("permission_set:member")));
    let no = ask(token.clone(), "projects:write", ledger.clone()).await;
    assert_eq!(no["decision"], json!(false));
    assert!(no["context"]["reason"].as_str().expect("text").contains("projects:write"));
    let account = json!({ "type": "service_account", "id": id });
    assert_eq!(ask(account.clone(), "runs:write", ledger.clone()).await["decision"], json!(true));
    for (subject, action, resource) in [
        (account.clone(), "runs:fly", ledger.clone()),
        (account.clone(), "runs:read", json!({ "type": "project", "id": "nothing" })),
        (account.clone(), "runs:read", json!({ "type": "planet", "id": "mars" })),
        (json!({ "type": "service_account", "id": "sa_nobody" }), "runs:read", ledger.clone()),
        (json!({ "type": "token", "id": "nonsense" }), "runs:read", ledger.clone()),
    ] {
        assert_eq!(ask(subject, action, resource).await["decision"], json!(false));
    }
    house.post(&olive, &format!("/organizations/acme/service-accounts/{id}/disable"), json!({})).await;
    assert_eq!(ask(account, "runs:write", ledger.clone()).await["decision"], json!(false));
    assert_eq!(ask(token, "runs:write", ledger).await["decision"], json!(false));
}

#[tokio::test]
async fn several_evaluations_share_what_they_leave_out_and_stop_where_asked() {
    let (house, olive, id, _) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let ask = async |options: Value| {
        let body = json!({
            "subject": { "type": "service_account", "id": id },
            "resource": { "type": "project", "id": "ledger" },
            "evaluations": [
                { "action": { "name": "runs:write" } },
                { "action": { "name": "projects:write" } },
                { "action": { "name": "jobs:read" } },
            ],
            "options": options,
        });
        let request = Request::post("/access/v1/evaluations")
            .header("authorization", format!("Bearer {secret}"))
            .header("content-type", "application/json");
        house.send(request.body(Body::from(body.to_string())).expect("a request")).await
    };
    let decisions = |answer: &Answer| -> Vec<bool> {
        let json = answer.json();
        json["evaluations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|each| each["decision"] == json!(true))
            .collect()
    };
    assert_eq!(decisions(&ask(json!({})).await), [true, false, true]);
    let stop = json!({ "evaluations_semantic": "deny_on_first_deny" });
    assert_eq!(decisions(&ask(stop).await), [true, false]);
    let stop = json!({ "evaluations_semantic": "permit_on_first_permit" });
    assert_eq!(decisions(&ask(stop).await), [true]);
    assert_eq!(ask(json!({ "evaluations_semantic": "x" })).await.status, StatusCode::BAD_REQUEST);
    let metadata = house.page("", "/.well-known/authzen-configuration").await.json();
    assert!(
        metadata["access_evaluation_endpoint"].as_str().expect("text").ends_with("/access/v1/evaluation")
    );
}

#[tokio::test]
async fn forward_auth_lets_through_with_all_headers_set_and_refuses_everything_else() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let may = "?permission=runs:write&project=ledger";
    let answer = forward(&house, &secret, &key, may, &[("tessera-subject", "forged")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let header = |name: &str| answer.headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("tessera-subject"), id);
    assert_eq!(header("tessera-team"), "payments");
    assert_eq!(header("tessera-attributed-to"), "");
    for name in ["tessera-kind", "tessera-organization", "tessera-scope"] {
        assert!(!header(name).is_empty(), "{name}");
    }
    let named = forward(&house, &secret, &key, may, &[("tessera-on-behalf-of", "mo")]).await;
    assert_eq!(named.headers["tessera-attributed-to"], "mo");
    for (secret, token, query, expected) in [
        (secret.as_str(), "", may, StatusCode::UNAUTHORIZED),
        (secret.as_str(), "nonsense", may, StatusCode::UNAUTHORIZED),
        (secret.as_str(), key.as_str(), "?permission=projects:write&project=ledger", StatusCode::FORBIDDEN),
        (secret.as_str(), key.as_str(), "?permission=runs:read&project=nothing", StatusCode::FORBIDDEN),
        // Mistakes of the operator are not the caller's.
        ("nonsense", key.as_str(), may, StatusCode::INTERNAL_SERVER_ERROR),
        (secret.as_str(), key.as_str(), "?permission=runs:fly", StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        assert_eq!(forward(&house, secret, token, query, &[]).await.status, expected, "{query}");
    }
}

#[tokio::test]
async fn a_key_renews_itself_only_where_its_account_allows_it_with_an_hour_of_overlap() {
    let (house, olive, id, key) = world().await;
    let refused = house.post(&key, "/token/rotate", json!({})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let path = format!("/organizations/acme/service-accounts/{id}");
    house.api(&olive, Method::PATCH, &path, Some(json!({ "self_rotation": true }))).await;
    let answer = house.post(&key, "/token/rotate", json!({})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let fresh = answer.json()["token"].as_str().expect("a value").to_owned();
    for token in [&key, &fresh] {
        assert_eq!(house.get(token, "/whoami").await.status, StatusCode::OK);
    }
    house.app.context.clock.advance(DAY / 24);
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.get(&fresh, "/whoami").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_misspelt_question_of_a_proxy_lets_nobody_through_and_says_so() {
    let (house, olive, _, key) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    for query in [
        "?permision=runs:write",
        "?permission=runs:write&permission=runs:read",
        "?permission=",
        "?permission=runs:fly",
        "?project=ledger",
        "?permission=runs:write&project=",
        "?permission=runs:write&projcet=ledger",
    ] {
        let answer = forward(&house, &secret, &key, query, &[]).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{query}: {}", answer.text);
    }
    let answer = forward(&house, &secret, &key, "?permission=runs:write&project=ledger", &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn one_malformed_question_of_several_is_a_no_and_the_others_are_answered() {
    let (house, olive, _, key) = world().await;
    let (_, secret) = service(&house, &olive, "api", &[]).await;
    let body = json!({
        "subject": { "type": "token", "id": key }, "action": { "name": "runs:write" },
        "evaluations": [
            { "resource": { "type": "project", "id": "ledger" } },
            { "resource": { "type": "project" } },
            { "action": {}, "resource": { "type": "project", "id": "ledger" } },
            { "resource": { "type": "project", "id": "ledger" } },
        ],
    });
    let request = Request::post("/access/v1/evaluations")
        .header("authorization", format!("Bearer {secret}"))
        .header("x-request-id", "of-the-caller")
        .header("content-type", "application/json");
    let answer = house.send(request.body(Body::from(body.to_string())).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers["x-request-id"], "of-the-caller");
    let decisions: Vec<_> = answer.json()["evaluations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["decision"].clone())
        .collect();
    assert_eq!(decisions, [json!(true), json!(false), json!(false), json!(true)]);
}
