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
    assert_eq!(events[0]["actor"], "Name of olive");
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
