//! The search in the top bar: it finds what the reader can see, and never more.

use axum::http::StatusCode;
use serde_json::json;
use tessera::access::TeamRole;

use crate::harness::{AccountScope, TestApp};

async fn find(house: &TestApp, cookie: &str, text: &str) -> String {
    let answer = house.page(cookie, &format!("/orgs/acme/search?part=1&q={text}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.text
}

/// An organization in which every object has a name with `zeta`.
async fn zeta() -> (TestApp, String, String) {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "zeta-open").await;
    let secret = json!({ "slug": "zeta-secret", "name": "zeta-secret", "visibility": "secret" });
    house.post(&olive, "/organizations/acme/teams", secret).await;
    for (slug, team, visibility) in
        [("zeta-public", "zeta-open", "public"), ("zeta-closed", "zeta-secret", "team")]
    {
        let project = json!({ "slug": slug, "name": slug, "team": team, "visibility": visibility });
        let made = house.post(&olive, "/organizations/acme/projects", project).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
    house.account(&olive, "zeta-ours", AccountScope::Team("zeta-open"), "member").await;
    let (_, _, key) = house.account(&olive, "zeta-theirs", AccountScope::Team("zeta-secret"), "member").await;
    house.person("zetamember", "member", Some(("zeta-open", TeamRole::Member))).await;
    (house, olive, key)
}

#[tokio::test]
async fn an_owner_finds_everything_by_name_and_tokens_by_their_last_characters() {
    let (house, _, key) = zeta().await;
    let cookie = house.sign_in("olive").await;
    let found = find(&house, &cookie, "zeta").await;
    for name in [
        "zeta-open",
        "zeta-secret",
        "zeta-public",
        "zeta-closed",
        "zeta-ours",
        "zeta-theirs",
        "Name of zetamember",
        "Regenerate token for zeta-ours",
        "Check what zeta-ours can do",
    ] {
        assert!(found.contains(name), "{name}: {found}");
    }
    let end = &key[key.len() - 4..];
    for text in [end.to_owned(), format!("tsra_%E2%80%A6{end}")] {
        let found = find(&house, &cookie, &text).await;
        assert!(found.contains(&format!("tsra_…{end} default of zeta-theirs")), "{text}: {found}");
    }
    assert!(find(&house, &cookie, "audit").await.contains("/orgs/acme/settings/audit-log"));
    assert!(find(&house, &cookie, "nothing-at-all").await.contains("Nothing that you can see matches"));
}

#[tokio::test]
async fn a_member_finds_nothing_that_the_lists_do_not_show_them() {
    let (house, _, key) = zeta().await;
    let cookie = house.sign_in("zetamember").await;
    let found = find(&house, &cookie, "zeta").await;
    for name in ["zeta-open", "zeta-public", "zeta-ours", "Name of zetamember"] {
        assert!(found.contains(name), "{name}: {found}");
    }
    for hidden in ["zeta-secret", "zeta-closed", "zeta-theirs", "Regenerate token"] {
        assert!(!found.contains(hidden), "{hidden}: {found}");
    }
    let end = &key[key.len() - 4..];
    assert!(!find(&house, &cookie, end).await.contains("tsra_"), "tokens are for those who see all tokens");
    assert!(!find(&house, &cookie, "audit").await.contains("/orgs/acme/settings/audit-log"));
    // Every link that is found can be opened.
    for link in found.split("href=\"").skip(1).map(|rest| rest.split('"').next().expect("an end")) {
        let opened = house.page(&cookie, &link.replace("&#38;", "&")).await;
        assert_eq!(opened.status, StatusCode::OK, "{link}");
    }
}

#[tokio::test]
async fn a_pasted_token_is_looked_up_and_is_in_no_url() {
    let (house, _, key) = zeta().await;
    let cookie = house.sign_in("olive").await;
    let looked_up = house.form(&cookie, "/orgs/acme/search", &[("q", &format!(" {key} "))]).await;
    assert_eq!(looked_up.status, StatusCode::OK, "{}", looked_up.text);
    assert!(looked_up.text.contains("This is the current value. It works."), "{}", looked_up.text);
    assert!(!looked_up.text.contains(&key));
    let text = house.form(&cookie, "/orgs/acme/search", &[("q", "zeta & more")]).await;
    assert_eq!((text.status, text.location()), (StatusCode::SEE_OTHER, "/orgs/acme/search?q=zeta+%26+more"));
    // Neither is one that lost a character on the way.
    let short = house.form(&cookie, "/orgs/acme/search", &[("q", &key[..40])]).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", short.text);
    assert!(short.text.contains("Paste a whole token"), "{}", short.text);
    let in_url = house.page(&cookie, &format!("/orgs/acme/search?q={key}")).await.text;
    assert!(in_url.contains("This is a token.") && !in_url.contains(&key), "{in_url}");
}
