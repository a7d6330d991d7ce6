//! Several rows of a list changed at once: each is changed or has its reason, and
//! nobody gains anything by selecting what they may not change.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::platform::clock::DAY;

use crate::harness::{AccountScope, Answer, TestApp};

const LIST: &str = "/orgs/acme/settings/service-tokens";

/// A service token that expires after so many days, or never: its id and its value.
async fn token(house: &TestApp, olive: &str, name: &str, days: Option<u32>) -> (String, String) {
    let end = days.map(|days| house.app.context.clock.now().plus(days * DAY));
    let body = json!({
        "name": name, "expires_at": end, "grants": [{ "permission_set": "job_viewer", "projects": "all" }],
    });
    let made = house.post(olive, "/organizations/acme/service-tokens", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    (made["id"].as_str().expect("an id").to_owned(), made["token"].as_str().expect("a value").to_owned())
}

/// Submits the confirmation, and opens the page to which it leads.
async fn change(house: &TestApp, cookie: &str, list: &str, fields: &[(&str, &str)]) -> (String, Answer) {
    let answer = house.form(cookie, &format!("{list}/selected"), fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let place = answer.location().to_owned();
    let page = house.page(cookie, &place).await;
    (place, page)
}

async fn works(house: &TestApp, value: &str) -> bool {
    house.get(value, "/whoami").await.status == StatusCode::OK
}

#[tokio::test]
async fn several_tokens_are_regenerated_with_one_overlap_and_their_values_shown_once() {
    let (house, olive) = TestApp::set_up().await;
    let (one, old_one) = token(&house, &olive, "one", Some(30)).await;
    let (two, old_two) = token(&house, &olive, "two", None).await;
    let (gone, _) = token(&house, &olive, "gone", None).await;
    let path = format!("/organizations/acme/service-tokens/{gone}");
    house.api(&olive, axum::http::Method::DELETE, &path, None).await;
    let cookie = house.sign_in("olive").await;
    let question = format!("{LIST}/selected?do=regenerate&token={one}&token={two}&token={gone}");
    let asked = house.page(&cookie, &question).await.text;
    assert!(
        asked.contains("Regenerate 2 tokens?") && asked.contains("gone: It is already revoked."),
        "{asked}"
    );
    assert!(!asked.contains(&format!("value=\"{gone}\"")), "{asked}");
    let fields = [
        ("do", "regenerate"),
        ("overlap", "24h"),
        ("token", one.as_str()),
        ("token", &two),
        ("token", &gone),
    ];
    let (place, page) = change(&house, &cookie, LIST, &fields).await;
    assert_eq!(place, format!("{LIST}/selected/results"));
    assert!(page.text.contains("2 of 3 tokens were regenerated"), "{}", page.text);
    assert!(page.text.contains("This token is revoked. Create a new one."), "{}", page.text);
    let values: Vec<&str> = page.text.match_indices("tsrs_").map(|(at, _)| &page.text[at..at + 41]).collect();
    assert_eq!(values.len(), 2, "{}", page.text);
    for value in values.iter().copied().chain([old_one.as_str(), &old_two]) {
        assert!(works(&house, value).await, "both values work during the overlap");
    }
    let cookies: Vec<&str> =
        page.headers.get_all("set-cookie").iter().map(|it| it.to_str().expect("text")).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("tessera-reveal=1;")), "{cookies:?}");
    let again = house.page(&cookie, &place).await.text;
    assert!(!again.contains("tsrs_") && again.contains("Regenerated"), "{again}");
    house.app.context.clock.advance(DAY);
    assert!(
        works(&house, values[0]).await && !works(&house, &old_one).await && !works(&house, &old_two).await
    );
}

#[tokio::test]
async fn a_mistake_in_the_form_changes_no_token() {
    let (house, olive) = TestApp::set_up().await;
    let (one, old_one) = token(&house, &olive, "one", Some(30)).await;
    let (two, _) = token(&house, &olive, "two", Some(30)).await;
    let cookie = house.sign_in("olive").await;
    for (field, wrong, message) in [
        ("overlap", "3h", "overlap"),
        ("lifetime", "0", "Choose one of the lifetimes in the list."),
        ("lifetime", "soon", "Choose one of the lifetimes in the list."),
    ] {
        let fields = [("do", "regenerate"), (field, wrong), ("token", one.as_str()), ("token", two.as_str())];
        let refused = house.form(&cookie, &format!("{LIST}/selected"), &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}={wrong}");
        assert!(refused.text.contains(message) && refused.text.contains("Error:"), "{}", refused.text);
    }
    assert!(works(&house, &old_one).await);
    for word in ["", "delete", "Regenerate"] {
        let refused =
            house.form(&cookie, &format!("{LIST}/selected"), &[("do", word), ("token", &one)]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{word}");
    }
}

#[tokio::test]
async fn a_token_is_extended_up_to_the_policy_and_never_shortened() {
    let (house, olive) = TestApp::set_up().await;
    let (short, value) = token(&house, &olive, "short", Some(7)).await;
    let (long, _) = token(&house, &olive, "long", Some(60)).await;
    let (endless, _) = token(&house, &olive, "endless", None).await;
    let (expired, old) = token(&house, &olive, "expired", Some(1)).await;
    house.app.context.clock.advance(2 * DAY);
    let cookie = house.sign_in("olive").await;
    let query = format!("do=extend&token={short}&token={long}&token={endless}&token={expired}");
    let asked = house.page(&cookie, &format!("{LIST}/selected?{query}")).await.text;
    for reason in ["Extend 2 tokens?", "endless: It never expires.", "expired: It has expired. Regenerate it"]
    {
        assert!(asked.contains(reason), "{reason}: {asked}");
    }
    let fields = [
        ("do", "extend"),
        ("lifetime", "30"),
        ("token", short.as_str()),
        ("token", &long),
        ("token", &endless),
        ("token", &expired),
    ];
    let (_, page) = change(&house, &cookie, LIST, &fields).await;
    for text in
        ["1 of 4 tokens was extended", "It already expires later, on", "It never expires.", "It has expired."]
    {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    house.app.context.clock.advance(20 * DAY);
    assert!(works(&house, &value).await, "it would have expired");
    assert!(!works(&house, &old).await, "what has expired stays useless");
    let policy = json!({ "policy": { "lifetimes": { "service_token": { "max_days": 10 } } } });
    let path = "/organizations/acme";
    assert_eq!(house.api(&olive, axum::http::Method::PATCH, path, Some(policy)).await.status, StatusCode::OK);
    let cookie = house.sign_in("olive").await;
    for lifetime in ["30", "none"] {
        let fields =
            [("do", "extend"), ("lifetime", lifetime), ("token", short.as_str()), ("token", long.as_str())];
        let refused = house.form(&cookie, &format!("{LIST}/selected"), &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{lifetime}: {}", refused.text);
        assert!(refused.text.contains("at most 10 days"), "{}", refused.text);
    }
    let events = house.get(&olive, "/organizations/acme/audit-events?action=token.extended").await.json();
    let events = events["items"].as_array().expect("events").clone();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0]["before"]["expires_at"].is_string() && events[0]["after"]["expires_at"].is_string());
}

#[tokio::test]
async fn whoever_lacks_the_access_of_a_token_cannot_extend_or_regenerate_it() {
    let (house, olive) = TestApp::set_up().await;
    let set = json!({
        "slug": "keeper", "name": "Keeper", "level": "organization", "permissions": ["service_tokens:write"],
    });
    assert_eq!(
        house.post(&olive, "/organizations/acme/permission-sets", set).await.status,
        StatusCode::CREATED
    );
    house.person("kim", "keeper", None).await;
    let (strong, old) = token(&house, &olive, "strong", Some(7)).await;
    let (other, _) = token(&house, &olive, "other", Some(7)).await;
    let cookie = house.sign_in("kim").await;
    for action in ["extend", "regenerate"] {
        let fields =
            [("do", action), ("lifetime", "30"), ("token", strong.as_str()), ("token", other.as_str())];
        let (_, page) = change(&house, &cookie, LIST, &fields).await;
        assert!(page.text.contains("No token was"), "{action}: {}", page.text);
        assert!(!page.text.contains("tsrs_"), "{action}: {}", page.text);
    }
    house.app.context.clock.advance(8 * DAY);
    assert!(!works(&house, &old).await);
}

#[tokio::test]
async fn several_keys_of_an_account_are_revoked_and_no_key_of_another() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (account, first, value) = house.account(&olive, "ci", AccountScope::Team("platform"), "member").await;
    let (_, foreign, foreign_value) =
        house.account(&olive, "other", AccountScope::Team("platform"), "member").await;
    let keys = format!("/organizations/acme/service-accounts/{account}/tokens");
    let second = house.post(&olive, &keys, json!({ "name": "second" })).await.json();
    let second = second["id"].as_str().expect("an id");
    let list = format!("/orgs/acme/settings/service-accounts/{account}/tokens");
    let cookie = house.sign_in("olive").await;
    for action in ["revoke", "extend", "regenerate"] {
        let fields = [("do", action), ("token", &*first), ("token", &*foreign)];
        let refused = house.form(&cookie, &format!("{list}/selected"), &fields).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{action}");
    }
    assert!(works(&house, &value).await && works(&house, &foreign_value).await);
    let fields = [("do", "revoke"), ("token", &*first), ("token", second)];
    let (_, page) = change(&house, &cookie, &list, &fields).await;
    assert!(page.text.contains("2 API keys were revoked"), "{}", page.text);
    assert!(!works(&house, &value).await && works(&house, &foreign_value).await);
    // The results belong to the list of this account.
    let elsewhere = house.page(&cookie, &format!("{LIST}/selected/results")).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn several_accounts_are_disabled_and_enabled_by_those_who_manage_them() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    let (own, _, own_key) = house.account(&olive, "own", AccountScope::Team("platform"), "member").await;
    let (second, ..) = house.account(&olive, "second", AccountScope::Team("platform"), "member").await;
    let (foreign, _, foreign_key) =
        house.account(&olive, "foreign", AccountScope::Team("data"), "member").await;
    house.person("maya", "member", Some(("platform", TeamRole::Admin))).await;
    house.person("mo", "member", Some(("platform", TeamRole::Member))).await;
    let list = "/orgs/acme/settings/service-accounts";
    let maya = house.sign_in("maya").await;
    let fields = [("do", "disable"), ("account", &*own), ("account", &*foreign)];
    let refused = house.form(&maya, &format!("{list}/selected"), &fields).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
    assert!(works(&house, &foreign_key).await && works(&house, &own_key).await, "nothing is half done");
    let asked =
        house.page(&maya, &format!("{list}/selected?do=disable&account={own}&account={second}")).await.text;
    assert!(
        asked.contains("service accounts?") && asked.contains("You can enable the accounts again."),
        "{asked}"
    );
    let fields = [("do", "disable"), ("account", &*own), ("account", &*second)];
    let (_, page) = change(&house, &maya, list, &fields).await;
    assert!(page.text.contains("2 service accounts were disabled"), "{}", page.text);
    assert!(!works(&house, &own_key).await);
    let mo = house.sign_in("mo").await;
    let fields = [("do", "enable"), ("account", &*own), ("account", &*second)];
    let (_, page) = change(&house, &mo, list, &fields).await;
    assert!(page.text.contains("No service account was enabled"), "{}", page.text);
    assert!(!works(&house, &own_key).await);
    let listed = house.page(&mo, list).await.text;
    assert!(!listed.contains("name=\"account\"") && !listed.contains("class=\"bulk\""), "{listed}");
    let (place, page) = change(&house, &maya, list, &[("do", "enable"), ("account", &own)]).await;
    assert!(place == list && page.text.contains("own is enabled."), "{}", page.text);
    assert!(works(&house, &own_key).await);
    let found: Value =
        house.get(&olive, "/organizations/acme/audit-events?action=service_account.disabled").await.json();
    assert_eq!(found["items"].as_array().expect("events").len(), 2);
}
