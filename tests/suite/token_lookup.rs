//! A value that was found somewhere: whose it is, whether it works, and revoking it.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TokenKind;
use tessera::verification::PlainToken;

use crate::harness::TestApp;
use crate::protocols::{introspect, service, world};

async fn look_up(house: &TestApp, token: &str, text: &str) -> Value {
    let answer = house.post(token, "/organizations/acme/tokens/lookup", json!({ "token": text })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_value_tells_whose_it_is_and_what_it_can_do_within_any_text() {
    let (house, olive, id, key) = world().await;
    for text in [key.clone(), format!("  TOKEN=\"{key}\"; export"), format!("at https://x/?t={key}&n=1\nlog")]
    {
        let found = look_up(&house, &olive, &text).await;
        assert_eq!((&found["state"], &found["holder"]), (&json!("active"), &json!("ci")), "{found}");
        let permissions = found["permissions"].as_array().expect("a list");
        assert!(permissions.contains(&json!("runs:write")), "{permissions:?}");
        assert!(!found.to_string().contains(&key), "the value is not in the answer");
    }
    let found = look_up(&house, &olive, &olive).await;
    assert_eq!((&found["kind"], &found["holder"]), (&json!("personal"), &json!("Name of olive")));
    let (_, secret) = service(&house, &olive, "gateway", &[]).await;
    let found = look_up(&house, &olive, &secret).await;
    assert_eq!((&found["state"], &found["holder"]), (&json!("active"), &json!("gateway")));
    let account = format!("/organizations/acme/service-accounts/{id}");
    house.post(&olive, &format!("{account}/disable"), json!({})).await;
    assert_eq!(look_up(&house, &olive, &key).await["state"], json!("holder_ended"));
}

#[tokio::test]
async fn a_lookup_knows_old_replaced_expired_and_revoked_values() {
    let (house, olive, id, key) = world().await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let tok = house.get(&olive, &keys).await.json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let renewed = house.post(&olive, &format!("{keys}/{tok}/regenerate"), json!({ "overlap": "1h" })).await;
    let new = renewed.json()["token"].as_str().expect("a value").to_owned();
    assert_eq!(look_up(&house, &olive, &key).await["state"], json!("old_value"));
    assert_eq!(look_up(&house, &olive, &new).await["state"], json!("active"));
    house.app.context.clock.advance(std::time::Duration::from_secs(3_601));
    assert_eq!(look_up(&house, &olive, &key).await["state"], json!("replaced"));
    house.api(&olive, Method::DELETE, &format!("{keys}/{tok}"), None).await;
    assert_eq!(look_up(&house, &olive, &new).await["state"], json!("revoked"));
    let short = json!({ "name": "short", "expires_at": "2027-01-03T00:00:00Z" });
    let short = house.post(&olive, &keys, short).await.json()["token"].as_str().expect("a value").to_owned();
    house.app.context.clock.advance(std::time::Duration::from_secs(3 * 86_400));
    assert_eq!(look_up(&house, &olive, &short).await["state"], json!("expired"));
}

#[tokio::test]
async fn a_value_of_another_organization_is_as_if_it_did_not_exist() {
    let (house, olive, _, key) = world().await;
    let other = house.other_organization().await;
    let path = "/organizations/acme/tokens/lookup";
    let foreign = house.post(&olive, path, json!({ "token": other })).await;
    let made_up = PlainToken::generate(TokenKind::ServiceAccount, &house.app.context.random);
    let nobody = house.post(&olive, path, json!({ "token": made_up.expose() })).await;
    assert_eq!((foreign.status, nobody.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    for text in ["", "nothing", &key[..39], &format!("{}x", &key[..40])] {
        let refused = house.post(&olive, path, json!({ "token": text })).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{text}: {}", refused.text);
    }
    let member = house.person("pat", "member", None).await;
    let refused = house.post(&member, path, json!({ "token": key })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

/// The ticket in the page after a lookup.
fn ticket(page: &str) -> Option<String> {
    let rest = page.split("name=\"ticket\" value=\"").nth(1)?;
    rest.split('"').next().map(str::to_owned)
}

#[tokio::test]
async fn whoever_looked_a_value_up_can_revoke_it_without_the_page_containing_it() {
    let (house, olive, _, key) = world().await;
    let cookie = house.sign_in("olive").await;
    let path = "/orgs/acme/settings/tokens";
    let page = house.form(&cookie, path, &[("token", &format!("found {key} in a log"))]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("This is the current value. It works.") && !page.text.contains(&key));
    let made = ticket(&page.text).expect("a ticket");
    // Another session cannot use it, and nobody after ten minutes.
    house.person("rae", "account_admin", None).await;
    let other = house.sign_in("rae").await;
    let revoke = format!("{path}/revoke");
    for wrong in [made.as_str(), "", "x"] {
        assert_eq!(house.form(&other, &revoke, &[("ticket", wrong)]).await.status, StatusCode::CONFLICT);
    }
    house.app.context.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(house.form(&cookie, &revoke, &[("ticket", &made)]).await.status, StatusCode::CONFLICT);
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::OK);
    let again = house.form(&cookie, path, &[("token", &key)]).await;
    let fresh = ticket(&again.text).expect("a ticket");
    let done = house.form(&cookie, &revoke, &[("ticket", &fresh)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    let after = house.form(&cookie, path, &[("token", &key)]).await.text;
    assert!(after.contains("The token was revoked") && ticket(&after).is_none(), "{after}");
    let events = house.get(&olive, "/organizations/acme/audit-events?action=token.revoked").await.json();
    assert_eq!(events["items"][0]["actor_name"], json!("Name of olive"), "{events}");
    let nothing = house.form(&cookie, path, &[("token", "hello")]).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.text.contains("Paste a whole token"), "{}", nothing.text);
}

#[tokio::test]
async fn a_lookup_tells_nothing_about_what_a_person_does_in_another_organization() {
    let (house, olive, _, _) = world().await;
    let (_, secret) = service(&house, &olive, "gateway", &[]).await;
    let made = house.post(&olive, "/organizations", json!({ "slug": "other", "name": "Other" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let elsewhere =
        house.post(&olive, "/organizations/other/services", json!({ "name": "hidden gateway" })).await;
    let elsewhere = elsewhere.json()["secret"].as_str().expect("a secret").to_owned();
    introspect(&house, &secret, &[("token", &olive), ("client_address", "192.0.2.1")]).await;
    introspect(&house, &elsewhere, &[("token", &olive), ("client_address", "198.51.100.66")]).await;
    house.app.verifier.usage.flush(&house.app.context).await.expect("written");
    let found = look_up(&house, &olive, &olive).await;
    assert_eq!(found["addresses"], json!(["192.0.2.1"]), "{found}");
    assert_eq!(found["token"]["last_used_service"], Value::Null, "{found}");
    let cookie = house.sign_in("olive").await;
    let page = house.form(&cookie, "/orgs/acme/settings/tokens", &[("token", &olive)]).await.text;
    assert!(page.contains("192.0.2.1") && page.contains("Allowed 1"), "{page}");
    assert!(!page.contains("198.51.100.66") && !page.contains("hidden gateway"), "{page}");
}

#[tokio::test]
async fn the_list_of_all_tokens_is_in_the_api_with_its_filters() {
    let (house, olive, id, _) = world().await;
    house.post(&olive, "/organizations/acme/teams/payments/token", json!({})).await;
    let all = house.get(&olive, "/organizations/acme/tokens").await.json();
    let items = all["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2, "{all}");
    let key = items.iter().find(|it| it["kind"] == "service_account").expect("the key");
    assert_eq!((&key["service_account"], &key["holder"]), (&json!(id), &json!("ci")));
    for (query, expected) in [
        ("kind=team", 1),
        ("state=never_used", 2),
        ("state=expiring", 0),
        ("q=payments", 1),
        ("kind=team&state=endless", 1),
    ] {
        let found = house.get(&olive, &format!("/organizations/acme/tokens?{query}")).await.json();
        assert_eq!(found["items"].as_array().map(Vec::len), Some(expected), "{query}: {found}");
    }
    for query in ["kind=wrong", "state=wrong"] {
        let refused = house.get(&olive, &format!("/organizations/acme/tokens?{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}
