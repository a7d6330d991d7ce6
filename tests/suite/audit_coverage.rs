//! What people do with their accounts, and what is done with tokens that work
//! no longer, stands in the audit log of every organization that it concerns,
//! and in no other.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;

use crate::harness::{PASSWORD, TestApp};

async fn events(house: &TestApp, token: &str, organization: &str, query: &str) -> Vec<Value> {
    let answer =
        house.get(token, &format!("/organizations/{organization}/audit-events?limit=200{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["items"].as_array().expect("a list").clone()
}

async fn actions(house: &TestApp, token: &str, organization: &str) -> Vec<String> {
    let all = events(house, token, organization, "").await;
    all.iter().map(|event| event["action"].as_str().expect("an action").to_owned()).collect()
}

#[tokio::test]
async fn what_a_person_does_with_their_account_is_told_to_each_of_their_organizations() {
    let (house, olive) = TestApp::set_up().await;
    let other = house.other_organization().await;
    let ann = house.person("ann", "member", None).await;
    let second = house.post(&olive, "/organizations", json!({ "slug": "beta", "name": "Beta" })).await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text);
    let cookie = house.sign_in("ann").await;
    house.form("", "/sign-in", &[("email", "ann@acme.test"), ("password", "not this one")]).await;
    let profile = [("name", "Ann B."), ("email", "ann@acme.test")];
    assert_eq!(house.form(&cookie, "/account/profile", &profile).await.status, StatusCode::SEE_OTHER);
    let new = "nine loud hexagons";
    let fields = [("current_password", PASSWORD), ("password", new), ("password_again", new)];
    let changed = house.form(&cookie, "/account/password", &fields).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text);
    let made = house.post(&ann, "/account/tokens", json!({ "name": "mine" })).await.json();
    let path = format!("/account/tokens/{}", made["id"].as_str().expect("an id"));
    house.api(&ann, Method::DELETE, &path, None).await;
    let acme = actions(&house, &olive, "acme").await;
    for action in [
        "person.signed_in",
        "person.sign_in_refused",
        "person.profile_edited",
        "person.password_changed",
        "token.created",
        "token.revoked",
    ] {
        assert!(acme.contains(&action.to_owned()), "{action}: {acme:?}");
    }
    // Ann belongs to one organization: the others, also the second of the owner, learn nothing of her.
    for (token, organization) in [(&other, "elsewhere"), (&olive, "beta")] {
        let all = events(&house, token, organization, "").await;
        assert!(all.iter().all(|event| !event.to_string().contains("ann@acme.test")), "{all:?}");
        assert!(
            all.iter().all(|event| event["actor"].to_string().to_lowercase().find("ann").is_none()),
            "{all:?}"
        );
    }
    // What an owner of two does stands in both.
    house.sign_in("olive").await;
    for organization in ["acme", "beta"] {
        let all = events(&house, &olive, organization, "&action=person.signed_in").await;
        assert!(!all.is_empty(), "{organization}");
    }
    // The end of an organization is no matter of others.
    house.api(&olive, Method::DELETE, "/organizations/beta", None).await;
    assert!(!actions(&house, &olive, "acme").await.contains(&"organization.deleted".to_owned()));
}

#[tokio::test]
async fn a_token_that_works_no_longer_is_told_once_an_hour_with_the_reason() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (account, key_id, key) =
        house.account(&olive, "ci", crate::harness::AccountScope::Organization("platform"), "member").await;
    let keys = format!("/organizations/acme/service-accounts/{account}/tokens");
    let short = json!({ "name": "short", "expires_at": house.app.context.clock.now().plus(DAY) });
    let short = house.post(&olive, &keys, short).await.json();
    let ann = house.person("ann", "member", Some(("platform", TeamRole::Member))).await;
    assert_eq!(house.get(&ann, "/whoami").await.status, StatusCode::OK);
    house.api(&olive, Method::DELETE, &format!("{keys}/{key_id}"), None).await;
    house.api(&ann, Method::DELETE, "/token", None).await;
    house.app.context.clock.advance(2 * DAY);
    let short_value = short["token"].as_str().expect("a value");
    for _ in 0..3 {
        for value in [key.as_str(), short_value, ann.as_str()] {
            assert_eq!(house.get(value, "/whoami").await.status, StatusCode::UNAUTHORIZED);
        }
    }
    let refused = async || events(&house, &olive, "acme", "&action=token.refused").await;
    let all = refused().await;
    let reason = |id: &Value| {
        let found: Vec<&Value> = all.iter().filter(|event| event["target_id"] == *id).collect();
        assert_eq!(found.len(), 1, "{all:?}");
        found[0]["after"]["reason"].clone()
    };
    assert_eq!(reason(&json!(key_id)), "revoked");
    assert_eq!(reason(&short["id"]), "expired");
    assert_eq!(all.len(), 3, "the person's token stands in the log of their organization: {all:?}");
    assert!(all.iter().all(|event| !event.to_string().contains(&key[10..30])), "no value is told");
    house.app.context.clock.advance(DAY);
    house.get(&key, "/whoami").await;
    assert_eq!(refused().await.len(), 4);
}
