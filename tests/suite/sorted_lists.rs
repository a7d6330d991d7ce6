//! Lists in every order: pages put together are the whole list, forwards and backwards,
//! and what they show is what was asked for.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tessera::access::{TeamRole, TokenKind};
use tessera::platform::clock::DAY;
use tessera::platform::sql;

use crate::harness::{AccountScope, ByTest, TestApp};

const HOUR: Duration = Duration::from_secs(3_600);

/// A field of all items of a list, page after page of `limit` rows.
async fn listed(house: &TestApp, token: &str, list: &str, query: &str, field: &str) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), String::new());
    for _ in 0..60 {
        let answer = house.get(token, &format!("/organizations/acme/{list}?{query}{next}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{list}?{query}: {}", answer.text);
        let page = answer.json();
        let items = page["items"].as_array().expect("items").iter();
        all.extend(items.map(|item| item[field].as_str().expect("text").to_owned()));
        let Value::String(cursor) = &page["next"] else { return all };
        next = format!("&after={cursor}");
    }
    panic!("{list}?{query} has no end");
}

/// The order of a list by `sort`, read in pages of two rows; in the other direction it
/// is the reverse.
async fn assert_order(
    house: &TestApp,
    token: &str,
    (list, field): (&str, &str),
    sort: &str,
    wanted: &[&str],
) {
    let found = listed(house, token, list, &format!("sort={sort}&limit=2"), field).await;
    assert_eq!(found, wanted, "{list} by {sort}");
    let opposite = sort.strip_prefix('-').map_or_else(|| format!("-{sort}"), str::to_owned);
    let mut found = listed(house, token, list, &format!("sort={opposite}&limit=2"), field).await;
    found.reverse();
    assert_eq!(found, wanted, "{list} by {opposite}, backwards");
}

async fn used(house: &TestApp, table: &'static str, name: &str, ago: Duration) {
    let at = house.app.context.clock.now().minus(ago);
    let statement = match table {
        "tokens" => sql("UPDATE tokens SET last_used_at = $1 WHERE name = $2"),
        _ => sql("UPDATE service_accounts SET last_used_at = $1 WHERE name = $2"),
    };
    let mut tx = house.app.context.db.begin().await.expect("begun");
    assert_eq!(statement.bind(at).bind(name).execute(&mut tx, &ByTest).await.expect("written"), 1);
    tx.commit().await.expect("committed");
}

/// Five accounts, each a day older than the next: zeta, Alpha, beta, gamma, delta.
async fn with_accounts() -> (TestApp, String) {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    for (name, scope) in [
        ("zeta", AccountScope::Organization("data")),
        ("Alpha", AccountScope::Team("platform")),
        ("beta", AccountScope::Team("data")),
        ("gamma", AccountScope::Team("platform")),
        ("delta", AccountScope::Team("platform")),
    ] {
        house.account(&olive, name, scope, "member").await;
        house.app.context.clock.advance(DAY);
    }
    used(&house, "service_accounts", "beta", HOUR).await;
    used(&house, "service_accounts", "zeta", 2 * HOUR).await;
    used(&house, "service_accounts", "delta", 3 * HOUR).await;
    (house, olive)
}

#[tokio::test]
async fn service_accounts_are_sorted_by_name_creation_and_last_use() {
    let (house, olive) = with_accounts().await;
    let list = ("service-accounts", "name");
    assert_order(&house, &olive, list, "name", &["Alpha", "beta", "delta", "gamma", "zeta"]).await;
    assert_order(&house, &olive, list, "-created", &["delta", "gamma", "beta", "Alpha", "zeta"]).await;
    // What was never used comes last, the newer first.
    assert_order(&house, &olive, list, "-last_used", &["beta", "zeta", "delta", "gamma", "Alpha"]).await;
    let maya = house.person("maya", "member", Some(("platform", TeamRole::Admin))).await;
    assert_order(&house, &maya, list, "-last_used", &["delta", "gamma", "Alpha"]).await;
}

#[tokio::test]
async fn a_filter_and_a_search_keep_the_order() {
    let (house, olive) = with_accounts().await;
    let list = "service-accounts";
    for (query, wanted) in [
        // Short searches look into UIDs as well, which never contain an l.
        ("q=l&sort=-last_used", &["delta", "Alpha"][..]),
        ("q=eta&sort=-last_used", &["beta", "zeta"]),
        ("q=elta&sort=-last_used", &["delta"]),
        ("q=eta&sort=-name", &["zeta", "beta"]),
        ("q=a&sort=created", &["zeta", "Alpha", "beta", "gamma", "delta"]),
        ("team=platform&sort=created", &["Alpha", "gamma", "delta"]),
        ("scope=team&sort=-created", &["delta", "gamma", "beta", "Alpha"]),
        ("scope=team&q=l&sort=-created", &["delta", "Alpha"]),
        ("status=active&sort=-name", &["zeta", "gamma", "delta", "beta", "Alpha"]),
        ("status=disabled&sort=-name", &[]),
    ] {
        assert_eq!(
            listed(&house, &olive, list, &format!("{query}&limit=2"), "name").await,
            wanted,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_search_with_many_matches_keeps_the_order() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let id = |text: &str| format!("sa_01hzzzzzzzzzzzzzzzzzzz{text}");
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..300_i64 {
        let statement = sql(
            "INSERT INTO service_accounts (id, organization_id, name, name_folded, description, \
                comment, scope, default_team_id, role, created_by, created_by_name, created_at, version, allowed_addresses, \
                last_used_at) SELECT $1, o.id, $2, $2, 'worker', '', 'organization', t.id, 'member', '', '', $3, 0, '', $4 \
             FROM organizations o JOIN teams t ON t.organization_id = o.id AND t.slug = 'platform'",
        );
        let name = format!("{:03}", (number * 7) % 300);
        let statement = statement.bind(id(&format!("{number:04}"))).bind(name).bind(number);
        assert_eq!(statement.bind(1_000 - number).execute(&mut tx, &ByTest).await.expect("written"), 1);
    }
    tx.commit().await.expect("committed");
    let proof = &ByTest;
    tessera::platform::search::renew::<tessera::service_accounts::model::ServiceAccount>(
        &house.app.context.db,
        proof,
    )
    .await
    .expect("indexed");
    let all = listed(&house, &olive, "service-accounts", "q=worker&sort=created&limit=40", "name").await;
    let wanted: Vec<String> = (0..300).map(|number| format!("{:03}", (number * 7) % 300)).collect();
    assert_eq!(all, wanted);
    let mut by_use =
        listed(&house, &olive, "service-accounts", "q=worker&sort=last_used&limit=40", "name").await;
    by_use.reverse();
    assert_eq!(by_use, wanted);
    // In a large list, a search that finds little would read all of it: it is asked for more letters.
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..2_000_i64 {
        let statement = sql("INSERT INTO search_texts (organization_id, list, entry_id, sort_key, content) \
             SELECT o.id, 'service_accounts', $1, $1, 'worker' FROM organizations o");
        statement.bind(format!("filler {number}")).execute(&mut tx, &ByTest).await.expect("written");
    }
    tx.commit().await.expect("committed");
    for query in ["q=wo&sort=last_used", "q=w&sort=created"] {
        let refused = house.get(&olive, &format!("/organizations/acme/service-accounts?{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(refused.text.contains("Enter more letters, or sort by name."), "{}", refused.text);
    }
    let by_name = listed(&house, &olive, "service-accounts", "q=wo&limit=200", "name").await;
    assert_eq!(by_name.len(), 300);
    let rare = listed(&house, &olive, "service-accounts", "q=worker&sort=-name&limit=200", "name").await;
    assert_eq!(rare.first().map(String::as_str), Some("299"));
    // So do filters that match many and filters that match few.
    let unused = "status=unused&sort=created&limit=70";
    assert_eq!(listed(&house, &olive, "service-accounts", unused, "name").await, wanted);
    for (few, status, column) in [(3_i64, "unused", "last_used_at"), (290, "expiring", "expires_at")] {
        let now = house.app.context.clock.now();
        let mut tx = house.app.context.db.begin().await.expect("begun");
        let update = match column {
            "last_used_at" => sql("UPDATE service_accounts SET last_used_at = $1 WHERE created_at >= $2"),
            _ => sql("UPDATE service_accounts SET expires_at = $1 WHERE created_at < $2"),
        };
        update.bind(now.plus(HOUR)).bind(few).execute(&mut tx, &ByTest).await.expect("written");
        tx.commit().await.expect("committed");
        let query = format!("status={status}&sort=created&limit=70");
        let first = usize::try_from(few).expect("few");
        assert_eq!(
            listed(&house, &olive, "service-accounts", &query, "name").await,
            wanted[..first],
            "{query}"
        );
    }
}

#[tokio::test]
async fn service_tokens_are_sorted_by_name_last_use_and_expiry() {
    let (house, olive) = TestApp::set_up().await;
    for (name, days) in [("zeta", Some(30)), ("Alpha", None), ("beta", Some(7)), ("gamma", Some(90))] {
        let end = days.map(|days| house.app.context.clock.now().plus(days * DAY));
        let body = json!({
            "name": name, "expires_at": end, "grants": [{ "permission_set": "job_viewer", "projects": "all" }],
        });
        let made = house.post(&olive, "/organizations/acme/service-tokens", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        house.app.context.clock.advance(HOUR);
    }
    used(&house, "tokens", "gamma", HOUR).await;
    used(&house, "tokens", "Alpha", 2 * HOUR).await;
    let list = ("service-tokens", "name");
    assert_order(&house, &olive, list, "-created", &["gamma", "beta", "Alpha", "zeta"]).await;
    assert_order(&house, &olive, list, "name", &["Alpha", "beta", "gamma", "zeta"]).await;
    assert_order(&house, &olive, list, "expires", &["beta", "zeta", "gamma", "Alpha"]).await;
    assert_order(&house, &olive, list, "-last_used", &["gamma", "Alpha", "beta", "zeta"]).await;
    for (query, wanted) in [
        ("status=expiring&sort=name", &["beta"][..]),
        ("status=endless&sort=name", &["Alpha"]),
        ("q=a&permission_set=job_viewer&sort=expires&limit=1", &["beta", "zeta", "gamma", "Alpha"]),
        ("permission_set=admin&sort=expires", &[]),
        ("project=nowhere&sort=expires", &[]),
    ] {
        assert_eq!(listed(&house, &olive, "service-tokens", query, "name").await, wanted, "{query}");
    }
    house.app.context.clock.advance(8 * DAY);
    let expired = listed(&house, &olive, "service-tokens", "status=expired&sort=-name", "name").await;
    assert_eq!(expired, ["beta"]);
    house.app.context.clock.advance(90 * DAY);
    let unused = listed(&house, &olive, "service-tokens", "status=unused&sort=name", "name").await;
    assert_eq!(unused, ["Alpha"]);
    // Revoked tokens have no index in other orders.
    for status in ["all", "revoked"] {
        let path = format!("/organizations/acme/service-tokens?status={status}&sort=name");
        assert_eq!(house.get(&olive, &path).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{status}");
    }
}

#[tokio::test]
async fn people_teams_projects_and_services_are_sorted_in_both_directions() {
    let (house, olive) = TestApp::set_up().await;
    for (username, role) in [("maya", "member"), ("bea", "admin"), ("zoe", "member"), ("amir", "member")] {
        house.app.context.clock.advance(DAY);
        house.person(username, role, None).await;
    }
    let people = ("people", "username");
    assert_order(&house, &olive, people, "name", &["amir", "bea", "maya", "olive", "zoe"]).await;
    assert_order(&house, &olive, people, "-joined", &["amir", "zoe", "bea", "maya", "olive"]).await;
    for (query, wanted) in [
        ("role=member&sort=-joined", &["amir", "zoe", "maya", "olive"][..]),
        ("q=a&sort=-joined", &["amir", "zoe", "bea", "maya", "olive"]),
        ("q=may&sort=-joined", &["maya"]),
        ("q=acme.test&role=member&sort=-name", &["zoe", "olive", "maya", "amir"]),
    ] {
        let query = format!("{query}&limit=2");
        assert_eq!(listed(&house, &olive, "people", &query, "username").await, wanted, "{query}");
    }
    for slug in ["platform", "data"] {
        house.team(&olive, slug).await;
    }
    // The owners team comes first in both directions.
    for (sort, wanted) in
        [("name", ["owners", "data", "platform"]), ("-name", ["owners", "platform", "data"])]
    {
        let query = format!("sort={sort}&limit=1");
        assert_eq!(listed(&house, &olive, "teams", &query, "slug").await, wanted, "{sort}");
    }
    for slug in ["web", "app", "jobs"] {
        let body = json!({ "slug": slug, "name": slug, "team": "data" });
        assert_eq!(
            house.post(&olive, "/organizations/acme/projects", body).await.status,
            StatusCode::CREATED
        );
        let made = house.post(&olive, "/organizations/acme/services", json!({ "name": slug })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        house.app.context.clock.advance(HOUR);
    }
    assert_order(&house, &olive, ("projects", "slug"), "name", &["app", "jobs", "web"]).await;
    assert_order(&house, &olive, ("services", "name"), "name", &["app", "jobs", "web"]).await;
    assert_order(&house, &olive, ("services", "name"), "created", &["web", "app", "jobs"]).await;
    for list in ["people", "teams", "projects", "services", "service-accounts", "service-tokens"] {
        for sort in ["color", "", "-"] {
            let refused = house.get(&olive, &format!("/organizations/acme/{list}?sort={sort}")).await;
            assert_eq!(
                refused.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{list} by {sort}: {}",
                refused.text
            );
            assert!(refused.text.contains("\"field\":\"sort\""), "{list}: {}", refused.text);
        }
    }
}

#[tokio::test]
async fn the_counts_of_saved_filters_are_what_the_filters_find() {
    let (house, olive) = with_accounts().await;
    let maya = house.person("maya", "member", Some(("platform", TeamRole::Admin))).await;
    let id = |name: &str| {
        let (house, olive, name) = (&house, &olive, name.to_owned());
        async move {
            let found =
                house.get(olive, &format!("/organizations/acme/service-accounts?q={name}")).await.json();
            found["items"][0]["id"].as_str().expect("an id").to_owned()
        }
    };
    let path = format!("/organizations/acme/service-accounts/{}/disable", id("gamma").await);
    assert_eq!(house.post(&olive, &path, json!({})).await.status, StatusCode::OK);
    // One account expires soon, another has a key that does, a third has expired.
    let now = house.app.context.clock.now();
    for (name, end) in [("delta", now.plus(5 * DAY)), ("beta", now.plus(HOUR))] {
        let path = format!("/organizations/acme/service-accounts/{}", id(name).await);
        let edit = json!({ "expires_at": end });
        let answer = house.api(&olive, axum::http::Method::PATCH, &path, Some(edit)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let path = format!("/organizations/acme/service-accounts/{}/tokens", id("Alpha").await);
    let key = json!({ "name": "short", "expires_at": now.plus(3 * DAY) });
    assert_eq!(house.post(&olive, &path, key).await.status, StatusCode::CREATED);
    house.app.context.clock.advance(2 * HOUR);
    for (username, token) in [("olive", &olive), ("maya", &maya)] {
        let caller = house.caller(username).await;
        let counts =
            tessera::service_accounts::actions::count(&house.app.context, &caller).await.expect("counted");
        let mut found = Vec::new();
        for status in ["", "expiring", "unused", "disabled", "expired"] {
            let query = format!("status={status}");
            let query = if status.is_empty() { "" } else { &query };
            found.push(
                i64::try_from(listed(&house, token, "service-accounts", query, "name").await.len())
                    .expect("few"),
            );
        }
        assert_eq!(
            found,
            [counts.total, counts.expiring, counts.unused, counts.disabled, counts.expired],
            "{username}"
        );
        assert_eq!(found, if username == "olive" { [5, 2, 0, 1, 1] } else { [3, 2, 0, 1, 0] }, "{username}");
    }
    house.app.context.clock.advance(95 * DAY);
    let caller = house.caller("olive").await;
    let counts =
        tessera::service_accounts::actions::count(&house.app.context, &caller).await.expect("counted");
    let unused = listed(&house, &olive, "service-accounts", "status=unused", "name").await;
    assert_eq!((counts.unused, unused.as_slice()), (2, &["Alpha".to_owned(), "zeta".to_owned()][..]));
    assert_eq!(TokenKind::ServiceToken.title(), "Service token");
}

#[tokio::test]
async fn the_heads_of_a_list_are_links_and_say_how_it_is_sorted() {
    let (house, _) = with_accounts().await;
    let cookie = house.sign_in("olive").await;
    let list = "/orgs/acme/settings/service-accounts";
    let page = house.page(&cookie, list).await.text;
    assert!(page.contains(r#"aria-sort="ascending""#) && page.contains(r#"href="?sort=-name""#), "{page}");
    assert!(page.contains("5 accounts") && page.contains(r#"href="?sort=-last_used""#), "{page}");
    let page = house.page(&cookie, &format!("{list}?sort=-last_used&limit=25&scope=team")).await.text;
    assert!(
        page.contains(r#"aria-sort="descending""#) && !page.contains(r#"aria-sort="ascending""#),
        "{page}"
    );
    assert!(page.contains("4 accounts") && page.contains("Scope: team"), "{page}");
    assert!(page.contains(r#"<input type="hidden" name="sort" value="-last_used">"#), "{page}");
    let order: Vec<usize> = ["beta", "delta", "gamma", "Alpha"]
        .iter()
        .map(|name| page.find(&format!(">{name}</a>")).expect("listed"))
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    for query in ["sort=color", "limit=7", "limit=x"] {
        let refused = house.page(&cookie, &format!("{list}?{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}
