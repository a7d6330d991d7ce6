//! Text compares and sorts as bytes, on databases of any collation. On
//! PostgreSQL every database of these tests sorts as Czech does.

use serde_json::json;
use tessera::platform::{Db, sql};

use crate::harness::TestApp;

#[tokio::test]
async fn every_text_column_compares_as_bytes() {
    let house = TestApp::empty().await;
    let Db::Postgres { .. } = &house.app.context.db else { return };
    let foreign: (String,) = sql("SELECT CASE WHEN 'ch' > 'd' AND 'a' < 'B' THEN 'foreign' ELSE 'bytes' END")
        .one(&house.app.context.db)
        .await
        .expect("read");
    assert_eq!(foreign.0, "foreign", "the tests' databases would not notice a column without a collation");
    let others: Vec<(String, String)> = sql("SELECT c.relname::text, a.attname::text FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i', 'v', 'm') \
            AND c.relname NOT LIKE '\\_%' AND a.attcollation <> 0 AND a.attcollation <> '\"C\"'::regcollation \
         ORDER BY 1, 2")
    .all(&house.app.context.db)
    .await
    .expect("read");
    assert!(others.is_empty(), "these columns and indexes lack COLLATE \"C\": {others:?}");
}

#[tokio::test]
async fn lists_are_in_the_order_of_bytes_and_pages_miss_nothing() {
    let (house, olive) = TestApp::set_up().await;
    let slugs = ["h", "ch", "c", "i", "a-b", "aa", "ab", "a1", "a-c", "cd"];
    for slug in slugs {
        house.team(&olive, slug).await;
        let project = json!({ "slug": slug, "name": slug, "team": slug });
        house.post(&olive, "/organizations/acme/projects", project).await;
        let account = json!({ "name": slug, "scope": "team", "team": slug, "role": "member" });
        house.post(&olive, "/organizations/acme/service-accounts", account).await;
    }
    let mut sorted = slugs.to_vec();
    sorted.sort_unstable();
    for (list, field) in [("teams", "slug"), ("projects", "slug"), ("service-accounts", "name")] {
        let (mut found, mut after) = (Vec::new(), String::new());
        for _ in 0..20 {
            let path = format!("/organizations/acme/{list}?limit=3&after={after}");
            let page = house.get(&olive, &path).await.json();
            for item in page["items"].as_array().expect("items") {
                found.push(item[field].as_str().expect("text").to_owned());
            }
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => break,
            }
        }
        found.retain(|name| name != "owners");
        assert_eq!(found, sorted, "{list}");
    }
}

#[tokio::test]
async fn a_group_of_actions_is_found_whole_and_in_order() {
    let (house, olive) = TestApp::set_up().await;
    for number in 0..60 {
        // Each at a moment of its own: ids with letters and digits at every place.
        house.app.context.clock.advance(std::time::Duration::from_millis(7919));
        house.team(&olive, &format!("team-{number:02}")).await;
    }
    let page = house.get(&olive, "/organizations/acme/audit-events?action=team&limit=200").await.json();
    let ids: Vec<&str> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].as_str().expect("an id"))
        .collect();
    assert!(ids.len() >= 60, "{}", ids.len());
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
    let all = house.get(&olive, "/organizations/acme/audit-events?limit=200").await.json();
    let all: Vec<&str> = all["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].as_str().expect("an id"))
        .collect();
    assert!(all.is_sorted_by(|newer, older| newer > older), "{all:?}");
}

#[tokio::test]
async fn case_is_known_in_every_script_where_the_database_knows_it() {
    let (house, olive) = TestApp::set_up().await;
    let team = json!({ "slug": "north", "name": "ŘÍJEN North" });
    house.post(&olive, "/organizations/acme/teams", team).await;
    let found = async |q: &str| {
        let page = house.get(&olive, &format!("/organizations/acme/teams?q={q}")).await.json();
        page["items"].as_array().expect("items").len()
    };
    assert_eq!(found("nOrTh").await, 1);
    if matches!(house.app.context.db, Db::Postgres { .. }) {
        assert_eq!(found("%C5%99%C3%ADjen").await, 1);
    }
}
