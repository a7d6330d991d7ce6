//! Service accounts and their keys.

use axum::http::{Method, StatusCode, header};
use futures_util::FutureExt as _;
use serde_json::json;
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;
use tessera::platform::sql;

use crate::harness::{AccountScope, ByTest, TestApp};

const ALL: &str = "/organizations/acme/service-accounts";

#[tokio::test]
async fn a_key_says_whose_it_is_until_it_is_regenerated_disabled_or_deleted() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, first) =
        house.account(&olive, "ci-deploy", AccountScope::Organization("platform"), "member").await;
    let who = house.get(&first, "/whoami").await.json();
    assert_eq!(
        (
            who["id"].as_str(),
            who["kind"].as_str(),
            who["organization"].as_str(),
            who["default_team"].as_str()
        ),
        (Some(id.as_str()), Some("service_account"), Some("acme"), Some("platform"))
    );
    assert!(who["permissions"].to_string().contains("runs:write"));
    let again = house.api(&olive, Method::POST, &format!("{ALL}/{id}/tokens/{key}/regenerate"), None).await;
    assert_eq!(again.status, StatusCode::CREATED);
    let second = again.json()["token"].as_str().expect("a value").to_owned();
    assert_eq!(again.json()["id"], json!(key), "the token keeps its id");
    assert_eq!(house.get(&first, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.get(&second, "/whoami").await.status, StatusCode::OK);
    for (verb, status) in [("disable", StatusCode::UNAUTHORIZED), ("enable", StatusCode::OK)] {
        let answer = house.api(&olive, Method::POST, &format!("{ALL}/{id}/{verb}"), None).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(house.get(&second, "/whoami").await.status, status, "{verb}");
    }
    assert_eq!(
        house.api(&olive, Method::DELETE, &format!("{ALL}/{id}"), None).await.status,
        StatusCode::NO_CONTENT
    );
    let dead = house.get(&second, "/whoami").await;
    assert_eq!(dead.status, StatusCode::UNAUTHORIZED);
    assert!(
        dead.headers[header::WWW_AUTHENTICATE].to_str().expect("text").contains("error=\"invalid_token\"")
    );
    assert!(
        !house.get("", "/whoami").await.headers[header::WWW_AUTHENTICATE]
            .to_str()
            .expect("text")
            .contains("error")
    );
    // Its name is free again, and the new account has nothing of the old one.
    let (other, ..) = house.account(&olive, "CI-deploy", AccountScope::Team("platform"), "read_only").await;
    assert_ne!(other, id);
}

#[tokio::test]
async fn a_value_stops_at_its_end_and_not_a_second_later() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let end = house.app.context.clock.now().plus(DAY);
    let body = json!({ "name": "ci", "scope": "team", "team": "platform", "role": "member", "key": { "expires_at": end.rfc3339() } });
    let key =
        house.post(&olive, ALL, body).await.json()["key"]["token"].as_str().expect("a value").to_owned();
    house.app.context.clock.advance(std::time::Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::OK);
    house.app.context.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_overlap_lets_the_old_value_live_for_its_time_and_no_third_one() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, first) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let path = format!("{ALL}/{id}/tokens/{key}/regenerate");
    let renew = || async {
        let answer = house.post(&olive, &path, json!({ "overlap": "1h" })).await.json();
        assert!(answer["previous"]["stops_at"].is_string(), "{answer}");
        answer["token"].as_str().expect("a value").to_owned()
    };
    let second = renew().await;
    assert_eq!(
        (house.get(&first, "/whoami").await.status, house.get(&second, "/whoami").await.status),
        (StatusCode::OK, StatusCode::OK)
    );
    let third = renew().await;
    assert_eq!(house.get(&first, "/whoami").await.status, StatusCode::UNAUTHORIZED, "two live at most");
    assert_eq!(house.get(&second, "/whoami").await.status, StatusCode::OK);
    house.app.context.clock.advance(DAY / 24);
    assert_eq!(
        (house.get(&second, "/whoami").await.status, house.get(&third, "/whoami").await.status),
        (StatusCode::UNAUTHORIZED, StatusCode::OK)
    );
    let refused = house.post(&olive, &path, json!({ "overlap": "1y" })).await;
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["field"].clone()),
        (StatusCode::UNPROCESSABLE_ENTITY, json!("overlap"))
    );
}

#[tokio::test]
async fn fifty_regenerations_at_once_leave_one_live_value() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, _) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let path = format!("{ALL}/{id}/tokens/{key}/regenerate");
    let mut values = Vec::new();
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (router, olive, path) = (house.router.clone(), olive.clone(), path.clone());
            tokio::spawn(async move {
                use tower::ServiceExt as _;
                let request = axum::http::Request::post(format!("/api/v1{path}"))
                    .header(header::AUTHORIZATION, format!("Bearer {olive}"));
                let response = router
                    .oneshot(request.body(axum::body::Body::empty()).expect("a request"))
                    .await
                    .expect("an answer");
                let bytes =
                    http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
                let answer: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
                answer["token"].as_str().map(str::to_owned)
            })
        })
        .collect();
    for each in all {
        values.extend(each.await.expect("ran"));
    }
    assert_eq!(values.len(), 50);
    let mut live = 0;
    for value in &values {
        live += usize::from(house.get(value, "/whoami").await.status == StatusCode::OK);
    }
    assert_eq!(live, 1);
}

#[tokio::test]
async fn a_request_that_is_sent_twice_makes_one_account() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let body = json!({ "name": "ci", "scope": "team", "team": "platform" }).to_string();
    let send = || {
        let request = axum::http::Request::post(format!("/api/v1{ALL}"))
            .header(header::AUTHORIZATION, format!("Bearer {olive}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "one")
            .body(axum::body::Body::from(body.clone()));
        house.send(request.expect("a request"))
    };
    let (first, second) = (send().await.json(), send().await.json());
    assert_eq!(first["id"], second["id"]);
    assert!(first["key"]["token"].is_string());
    assert!(
        second["key"]["token"].is_null() && second["key"].as_object().expect("a key").contains_key("token")
    );
}

#[tokio::test]
async fn nobody_makes_or_renews_an_account_that_is_stronger_than_they_are() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let tara = house.person("tara", "member", Some(("platform", TeamRole::Admin))).await;
    let make = |role: &str| {
        house.post(
            &tara,
            ALL,
            json!({ "name": format!("by-tara-{role}"), "scope": "team", "team": "platform", "role": role }),
        )
    };
    assert_eq!(make("member").await.status, StatusCode::CREATED);
    assert_eq!(
        make("read_only").await.status,
        StatusCode::FORBIDDEN,
        "read_only sees licenses, member does not"
    );
    assert_eq!(make("account_admin").await.status, StatusCode::FORBIDDEN);
    let organization = house
        .post(&tara, ALL, json!({ "name": "x", "scope": "organization", "default_team": "platform" }))
        .await;
    assert_eq!(organization.status, StatusCode::FORBIDDEN);
    let (id, key, value) = house.account(&olive, "strong", AccountScope::Team("platform"), "admin").await;
    let path = format!("{ALL}/{id}");
    assert_eq!(
        house.api(&tara, Method::POST, &format!("{path}/tokens/{key}/regenerate"), None).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        house.post(&tara, &format!("{path}/tokens"), json!({ "name": "mine" })).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(house.get(&value, "/whoami").await.status, StatusCode::OK);
    // Taking away never needs what is taken.
    assert_eq!(house.api(&tara, Method::POST, &format!("{path}/disable"), None).await.status, StatusCode::OK);
    assert_eq!(
        house.api(&tara, Method::POST, &format!("{path}/enable"), None).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(house.api(&tara, Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn another_teams_account_is_as_if_it_were_not_there() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    let (id, ..) = house.account(&olive, "importer", AccountScope::Team("data"), "member").await;
    let tara = house.person("tara", "member", Some(("platform", TeamRole::Admin))).await;
    for (method, path) in [
        (Method::GET, ""),
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::POST, "/disable"),
        (Method::GET, "/tokens"),
    ] {
        assert_eq!(
            house.api(&tara, method, &format!("{ALL}/{id}{path}"), None).await.status,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(house.get(&tara, ALL).await.json()["items"], json!([]));
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_half_done() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let good = json!({ "name": "ci", "scope": "team", "team": "platform" });
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("description", json!("x".repeat(501))),
        ("scope", json!("world")),
        ("team", json!("nowhere")),
        ("default_team", json!("platform")),
        ("role", json!("nothing")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("expires_at", json!("soon")),
        ("hash", json!("x")),
        ("created_by", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let refused = house.post(&olive, ALL, body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refused.json()["errors"][0]["field"], json!(field), "{body}");
        assert_eq!(refused.headers[header::CONTENT_TYPE], "application/problem+json");
    }
    assert_eq!(house.get(&olive, ALL).await.json()["items"], json!([]));
    let (made,): (i64,) =
        tessera::platform::sql("SELECT COUNT(*) FROM tokens WHERE kind = 'service_account'")
            .one(&house.app.context.db)
            .await
            .expect("counted");
    assert_eq!(made, 0);
    house.post(&olive, ALL, good.clone()).await;
    let taken = house.post(&olive, ALL, json!({ "name": " CI ", "scope": "team", "team": "platform" })).await;
    assert_eq!(
        (taken.status, taken.json()["errors"][0]["field"].clone()),
        (StatusCode::CONFLICT, json!("name"))
    );
}

#[tokio::test]
async fn every_change_leaves_its_event_and_no_event_holds_a_value() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    house.api(&olive, Method::PATCH, &format!("{ALL}/{id}"), Some(json!({ "description": "x" }))).await;
    house.api(&olive, Method::POST, &format!("{ALL}/{id}/disable"), None).await;
    house.api(&olive, Method::POST, &format!("{ALL}/{id}/enable"), None).await;
    house.api(&olive, Method::DELETE, &format!("{ALL}/{id}/tokens/{key}"), None).await;
    house.api(&olive, Method::DELETE, &format!("{ALL}/{id}"), None).await;
    let rows: Vec<(String, String, Option<String>, Option<String>)> =
        tessera::platform::sql("SELECT action, actor_name, before, after FROM audit_events ORDER BY id")
            .all(&house.app.context.db)
            .await
            .expect("read");
    let mut actions: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    actions.sort_unstable();
    actions.dedup();
    for action in [
        "organization.created",
        "team.created",
        "token.created",
        "service_account.created",
        "service_account.edited",
        "service_account.disabled",
        "service_account.enabled",
        "token.revoked",
        "service_account.deleted",
    ] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    assert!(!format!("{rows:?}").contains(&value[5..]));
}

#[tokio::test]
async fn the_list_goes_page_by_page_in_both_directions() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    for number in 0..7 {
        house.account(&olive, &format!("account-{number}"), AccountScope::Team("platform"), "member").await;
    }
    let mut seen = Vec::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let page = house.get(&olive, &format!("{ALL}?limit=3&after={after}")).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|item| item["name"].as_str().expect("a name").to_owned()),
        );
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, (0..7).map(|number| format!("account-{number}")).collect::<Vec<_>>());
    for bad in ["limit=0", "limit=201", "limit=x", "after=!"] {
        assert_eq!(
            house.get(&olive, &format!("{ALL}?{bad}")).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{bad}"
        );
    }
    assert_eq!(
        house.get(&olive, &format!("{ALL}?q=T-3")).await.json()["items"].as_array().expect("items").len(),
        1
    );
}

#[tokio::test]
async fn a_value_is_shown_once_to_the_session_that_made_it() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let cookie = house.sign_in("olive").await;
    let other = house.sign_in("olive").await;
    let create = async |nonce: &'static str| {
        house
            .form(
                &cookie,
                "/orgs/acme/settings/service-accounts",
                &[
                    ("nonce", nonce),
                    ("name", "ci"),
                    ("scope", "team"),
                    ("team", "platform"),
                    ("role", "member"),
                    ("key_lifetime", "90"),
                ],
            )
            .await
    };
    let (one, two) = tokio::join!(create("once"), create("once"));
    assert_eq!(one.status, StatusCode::SEE_OTHER, "{}", one.text);
    assert_eq!(one.location(), two.location(), "a double submit makes one account");
    assert!(!one.location().contains("tsra_"));
    let elsewhere = house.page(&other, one.location()).await;
    assert_eq!(elsewhere.status, StatusCode::GONE);
    let shown = house.page(&cookie, one.location()).await;
    assert!(shown.text.contains("value=\"tsra_"), "{}", shown.text);
    let again = house.page(&cookie, one.location()).await;
    assert!(again.text.contains("This value was shown once.") && !again.text.contains("value=\"tsra_"));
    // Nobody fetched this one in time.
    let late = house
        .form(
            &cookie,
            "/orgs/acme/settings/service-accounts",
            &[("name", "late"), ("scope", "team"), ("team", "platform"), ("role", "member")],
        )
        .await;
    house.app.context.clock.advance(DAY / 1440);
    assert_eq!(house.page(&cookie, late.location()).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn last_use_is_told_after_it_was_written() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, _, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    house.get(&value, "/whoami").await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let keys = house.get(&olive, &format!("{ALL}/{id}/tokens")).await.json();
    assert_eq!(keys["items"][0]["last_used_at"], json!("2027-01-01T00:00:00Z"));
    assert_eq!(keys["items"][0]["last_used_address"], json!("127.0.0.1"));
}

#[tokio::test]
async fn the_old_value_tells_its_own_last_use_from_the_overlap_on() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, key, old) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    house.get(&old, "/whoami").await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    house.app.context.clock.advance(DAY / 24);
    let renewed =
        house.post(&olive, &format!("{ALL}/{id}/tokens/{key}/regenerate"), json!({ "overlap": "24h" })).await;
    assert_eq!(renewed.status, StatusCode::CREATED, "{}", renewed.text);
    let previous = async || {
        let keys = house.get(&olive, &format!("{ALL}/{id}/tokens")).await.json();
        keys["items"][0]["previous"]["last_used_at"].clone()
    };
    assert_eq!(previous().await, "2027-01-01T00:00:00Z", "from before the renewal");
    house.get(renewed.json()["token"].as_str().expect("a value"), "/whoami").await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    assert_eq!(previous().await, "2027-01-01T00:00:00Z", "the new value's use is not the old one's");
    house.get(&old, "/whoami").await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    assert_eq!(previous().await, "2027-01-01T01:00:00Z");
}

#[tokio::test]
async fn a_use_is_not_lost_when_its_writing_is_cut_short() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, _, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    house.get(&value, "/whoami").await;
    // Begun, and given up at the first wait.
    assert!(
        house.app.verifier.usage.flush(&house.app.context).now_or_never().is_none(),
        "it was written at once"
    );
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let keys = house.get(&olive, &format!("{ALL}/{id}/tokens")).await.json();
    assert_eq!(keys["items"][0]["last_used_at"], json!("2027-01-01T00:00:00Z"));
}

#[tokio::test]
async fn calls_are_shown_for_thirty_days_and_forgotten_after_ninety() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, _, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    house.get(&value, "/whoami").await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let page = format!("/orgs/acme/settings/service-accounts/{id}/activity");
    let tidy = || tessera::cleanup::purge_expired(&house.app.context);
    house.app.context.clock.advance(29 * DAY);
    tidy().await.expect("tidied");
    let cookie = house.sign_in("olive").await;
    assert!(
        house.page(&cookie, &page).await.text.contains("<code>127.0.0.1</code>"),
        "the last day that counts"
    );
    house.app.context.clock.advance(DAY);
    let cookie = house.sign_in("olive").await;
    let after = house.page(&cookie, &page).await;
    assert!(after.status == StatusCode::OK && !after.text.contains("<code>127.0.0.1</code>"));
    for (days, is_kept) in [(59, true), (1, false)] {
        house.app.context.clock.advance(days * DAY);
        tidy().await.expect("tidied");
        let left: (i64,) = tessera::platform::sql(
            "SELECT (SELECT COUNT(*) FROM usage) + (SELECT COUNT(*) FROM usage_totals)",
        )
        .one(&house.app.context.db)
        .await
        .expect("counted");
        assert_eq!(left.0 > 0, is_kept, "after {days} more days");
    }
}

#[tokio::test]
async fn a_token_may_end_itself() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (_, _, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    assert_eq!(house.api(&value, Method::DELETE, "/token", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.get(&value, "/whoami").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn of_several_keys_that_were_never_used_none_is_regenerated_unless_it_is_chosen() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "payments").await;
    let (id, key, _) = house.account(&olive, "deployer", AccountScope::Team("payments"), "member").await;
    let cookie = house.sign_in("olive").await;
    let path = format!("/orgs/acme/settings/service-accounts/{id}/regenerate");
    let only = house.page(&cookie, &path).await.text;
    assert!(only.contains(&format!("type=\"hidden\" name=\"key\" value=\"{key}\"")), "{only}");

    let keys = format!("{ALL}/{id}/tokens");
    let second = house.post(&olive, &keys, json!({ "name": "staging" })).await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text);
    let both = house.page(&cookie, &path).await.text;
    let radios: Vec<&str> =
        both.split("name=\"key\"").skip(1).map(|part| part.split('>').next().unwrap()).collect();
    assert_eq!(radios.len(), 2, "{both}");
    assert!(radios.iter().all(|radio| !radio.contains("checked")), "{radios:?}");
    let refused = house.form(&cookie, &path, &[("overlap", "1h")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(refused.text.contains("Choose the API key to regenerate."), "{}", refused.text);
}

#[tokio::test]
async fn a_key_that_is_limited_can_do_less_than_its_account_and_never_more() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let project = json!({ "slug": "shop", "name": "Shop", "team": "platform" });
    assert_eq!(house.post(&olive, "/organizations/acme/projects", project).await.status, StatusCode::CREATED);
    let (account, _, whole) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let keys = format!("/organizations/acme/service-accounts/{account}/tokens");
    // What the account lacks (settings:read), the key lacks too.
    let body = json!({ "name": "reader", "permissions": ["runs:read", "settings:read"] });
    let made = house.post(&olive, &keys, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!(made["permissions"], json!(["settings:read", "runs:read"]));
    let value = made["token"].as_str().expect("a value").to_owned();
    let who = house.get(&value, "/whoami").await.json();
    assert_eq!(who["permissions"], json!(["runs:read"]), "{who}");
    assert!(house.get(&whole, "/whoami").await.json()["permissions"].as_array().expect("a list").len() > 5);
    let edit = json!({ "description": "changed" });
    let path = "/organizations/acme/projects/shop";
    assert_eq!(house.api(&value, Method::PATCH, path, Some(edit)).await.status, StatusCode::FORBIDDEN);
    // A new value keeps the limit, and so does what the key is exchanged for.
    let id = made["id"].as_str().expect("an id");
    let again = house.post(&olive, &format!("{keys}/{id}/regenerate"), json!({})).await.json();
    let value = again["token"].as_str().expect("a value");
    assert_eq!(house.get(value, "/whoami").await.json()["permissions"], json!(["runs:read"]));
    let fields =
        [("grant_type", "client_credentials"), ("client_id", account.as_str()), ("client_secret", value)];
    let exchanged = house.oauth("/oauth2/token", &[], &fields).await;
    assert_eq!(exchanged.status, StatusCode::OK, "{}", exchanged.text);
    let access = exchanged.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(house.get(&access, "/whoami").await.json()["permissions"], json!(["runs:read"]));
    for permissions in [json!(["runs:fly"]), json!("runs:read")] {
        let refused = house.post(&olive, &keys, json!({ "name": "x", "permissions": permissions })).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    }
    // The form does the same, and asks for at least one permission.
    let cookie = house.sign_in("olive").await;
    let list = format!("/orgs/acme/settings/service-accounts/{account}/tokens");
    let nothing = [("name", "none"), ("lifetime", "30"), ("access", "limited"), ("permission", "")];
    let refused = house.form(&cookie, &list, &nothing).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("Choose at least one permission."), "{}", refused.text);
    let some = [("name", "writer"), ("lifetime", "30"), ("access", "limited"), ("permission", "runs:write")];
    assert_eq!(house.form(&cookie, &list, &some).await.status, StatusCode::SEE_OTHER);
    let page = house.page(&cookie, &list).await.text;
    assert!(page.contains("limited to <code>runs:write</code>"), "{page}");
}

#[tokio::test]
async fn a_confirmation_counts_the_calls_from_all_addresses() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (account, key, _) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let today = house.app.context.clock.now().micros() / 86_400_000_000;
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..25_i64 {
        sql("INSERT INTO usage (principal_id, token_id, day, outcome, service_id, project_id, permission, address, \
                is_old, organization_id, calls) VALUES ($1, $2, $3, 'allowed', '', '', '', $4, FALSE, '', 100)")
        .bind(&account)
        .bind(&key)
        .bind(today)
        .bind(format!("192.0.2.{number}"))
        .execute(&mut tx, &ByTest)
        .await
        .expect("written");
    }
    tx.commit().await.expect("committed");
    let cookie = house.sign_in("olive").await;
    let path = "/orgs/acme/settings/service-accounts";
    for page in [
        format!("{path}/{account}/tokens/selected?do=revoke&token={key}"),
        format!("{path}/{account}/tokens/selected?do=regenerate&token={key}"),
        format!("{path}/selected?do=disable&account={account}"),
        format!("{path}/{account}/delete"),
        format!("{path}/{account}/regenerate"),
    ] {
        let text = house.page(&cookie, &page).await.text;
        assert!(text.contains("2,500"), "{page}: {text}");
    }
}
