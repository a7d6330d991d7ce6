//! Pages that show a secret once: to whom it was shown stands in the audit log, and
//! nothing is shown twice.

use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::{AccountScope, TestApp};

async fn shown(house: &TestApp, token: &str) -> Vec<Value> {
    let events = house.get(token, "/organizations/acme/audit-events?action=secret.shown").await.json();
    events["items"].as_array().expect("events").clone()
}

#[tokio::test]
async fn the_log_says_who_was_shown_a_new_value() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (account, key, _) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    assert!(shown(&house, &olive).await.is_empty(), "the API answers whoever asked, once");
    let cookie = house.sign_in("olive").await;
    let list = format!("/orgs/acme/settings/service-accounts/{account}");
    let made = house.form(&cookie, &format!("{list}/regenerate"), &[("key", &key)]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    assert!(shown(&house, &olive).await.is_empty(), "not before the page was opened");
    let page = house.page(&cookie, made.location()).await;
    let value = page.text.split("value=\"tsra_").nth(1).expect("a value").split('"').next().expect("a value");
    let events = shown(&house, &olive).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["actor_name"], "Name of olive");
    assert_eq!((&events[0]["target_id"], &events[0]["target_name"]), (&key.as_str().into(), &"ci".into()));
    assert!(!events[0].to_string().contains(value), "{events:?}");
    // Nothing is shown, and nothing recorded, a second time.
    assert_eq!(house.page(&cookie, made.location()).await.status, StatusCode::GONE);
    assert_eq!(shown(&house, &olive).await.len(), 1);
    let log = house.page(&cookie, "/orgs/acme/settings/audit-log").await.text;
    assert!(log.contains("was shown the new value of"), "{log}");
    // A personal token belongs to no organization: each of the person's organizations is told.
    let made = house.form(&cookie, "/account/tokens", &[("name", "mine"), ("lifetime", "30")]).await;
    house.page(&cookie, made.location()).await;
    let events = shown(&house, &olive).await;
    assert_eq!((events.len(), &events[0]["target_name"]), (2, &"mine".into()));
}

#[tokio::test]
async fn the_link_of_an_invitation_is_shown_once_after_a_redirect() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let fields = [("email", "ann@acme.test"), ("role", "member"), ("lifetime", "7")];
    let invited = house.form(&cookie, "/orgs/acme/settings/people", &fields).await;
    assert_eq!(invited.status, StatusCode::SEE_OTHER, "{}", invited.text);
    // Another session of the same person finds no link.
    let other = house.sign_in("olive").await;
    let elsewhere = house.page(&other, invited.location()).await;
    assert_eq!(elsewhere.status, StatusCode::GONE);
    assert!(!elsewhere.text.contains("/invitations/0") && elsewhere.text.contains("Revoke invitation"));
    let page = house.page(&cookie, invited.location()).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let link = page.text.split("value=\"http").nth(1).expect("a link").split('"').next().expect("a link");
    let code = link.split("/invitations/").nth(1).expect("a code");
    assert_eq!(house.page("", &format!("/invitations/{code}")).await.status, StatusCode::OK);
    let again = house.page(&cookie, invited.location()).await;
    assert!(again.status == StatusCode::GONE && !again.text.contains(code), "{}", again.text);
    let events = shown(&house, &olive).await;
    assert_eq!((events.len(), &events[0]["target_name"]), (1, &"ann@acme.test".into()));
    assert!(!events[0].to_string().contains(code));
    // After a minute nobody is shown it.
    let fields = [("email", "bo@acme.test"), ("role", "member"), ("lifetime", "7")];
    let invited = house.form(&cookie, "/orgs/acme/settings/people", &fields).await;
    house.app.context.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(house.page(&cookie, invited.location()).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn whoever_regenerated_a_key_is_named_beside_whoever_created_it() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (account, key, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let maya = house.person("maya", "member", Some(("platform", tessera::access::TeamRole::Admin))).await;
    let keys = format!("/organizations/acme/service-accounts/{account}/tokens");
    let listed = house.get(&maya, &keys).await.json();
    assert_eq!(
        (&listed["items"][0]["regenerated_at"], &listed["items"][0]["regenerated_by"]),
        (&Value::Null, &Value::Null)
    );
    house.app.context.clock.advance(std::time::Duration::from_secs(60));
    let made = house.post(&maya, &format!("{keys}/{key}/regenerate"), serde_json::json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let listed = house.get(&maya, &keys).await.json();
    assert_eq!(listed["items"][0]["regenerated_by"], "Name of maya");
    assert!(listed["items"][0]["regenerated_at"].is_string());
    assert_eq!(listed["items"][0]["created_by"], "Name of olive");
    let cookie = house.sign_in("maya").await;
    let page =
        house.page(&cookie, &format!("/orgs/acme/settings/service-accounts/{account}/tokens")).await.text;
    assert!(page.contains("regenerated by Name of maya"), "{page}");
    // The page of a regeneration suggests the overlap that fits the use.
    let regenerate = format!("/orgs/acme/settings/service-accounts/{account}/regenerate");
    let suggestion = |page: &str| {
        let before = page.split("Fits its use").next().expect("a page").to_owned();
        let last = before.rsplit("name=\"overlap\" value=\"").next().expect("a choice").to_owned();
        last.split('"').next().expect("a value").to_owned()
    };
    let page = house.page(&cookie, &regenerate).await.text;
    assert!(page.contains("never used") && suggestion(&page).is_empty(), "{page}");
    assert_eq!(house.get(&value, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    let value = made.json()["token"].as_str().expect("a value").to_owned();
    assert_eq!(house.get(&value, "/whoami").await.status, StatusCode::OK);
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let page = house.page(&cookie, &regenerate).await.text;
    assert_eq!(suggestion(&page), "24h", "{page}");
    house.app.context.clock.advance(2 * tessera::platform::clock::DAY);
    let cookie = house.sign_in("maya").await;
    let page = house.page(&cookie, &regenerate).await.text;
    assert_eq!(suggestion(&page), "7d", "{page}");
}
