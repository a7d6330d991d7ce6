//! What people and service accounts are found by.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tessera::access::TeamRole;
use tessera::directory::search::Members;
use tessera::platform::search::{Entry, Search, add, renew};
use tessera::platform::sql;
use tessera::service_accounts::model::ServiceAccount;

use crate::harness::{AccountScope, ByTest, TestApp};

/// What a list gives, page after page: a field of each item.
async fn listed(
    house: &TestApp,
    token: &str,
    list: &str,
    query: &[(&str, &str)],
    field: &str,
) -> Vec<String> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let (mut all, mut next) = (Vec::new(), String::new());
    for _ in 0..30 {
        let answer = house.get(token, &format!("/organizations/acme/{list}?{query}{next}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let page = answer.json();
        let items = page["items"].as_array().expect("items").iter();
        all.extend(items.map(|item| item[field].as_str().expect("text").to_owned()));
        match &page["next"] {
            Value::String(cursor) => next = format!("&after={cursor}"),
            _ => return all,
        }
    }
    panic!("{list}?{query} has no end");
}

async fn people(house: &TestApp, token: &str, text: &str) -> Vec<String> {
    listed(house, token, "people", &[("q", text)], "username").await
}

async fn accounts(house: &TestApp, token: &str, text: &str) -> Vec<String> {
    listed(house, token, "service-accounts", &[("q", text)], "name").await
}

/// The whole index, in an order of its own.
async fn index(house: &TestApp) -> (Vec<(String, String, String)>, Vec<(String, String, String)>) {
    let texts = sql("SELECT list, entry_id, content FROM search_texts ORDER BY 1, 2, 3");
    let grams = sql("SELECT gram, sort_key, entry_id FROM search_grams ORDER BY 1, 2, 3");
    (
        texts.all(&house.app.context.db).await.expect("read"),
        grams.all(&house.app.context.db).await.expect("read"),
    )
}

#[tokio::test]
async fn people_are_found_by_any_part_of_username_name_and_address() {
    let (house, olive) = TestApp::set_up().await;
    for username in ["maya", "tomas", "tom", "ines"] {
        house.person(username, "member", None).await;
    }
    for (text, found) in [
        ("tom", &["tom", "tomas"][..]),
        ("OMA", &["tomas"]),
        ("  tomas ", &["tomas"]),
        ("name of m", &["maya"]),
        ("maya@acme", &["maya"]),
        ("acme.test", &["ines", "maya", "olive", "tom", "tomas"]),
        ("ma", &["maya", "tomas"]),
        ("y", &["maya"]),
        ("tomy", &[]),
        ("mayaname", &[]),
        ("zzz", &[]),
        ("%", &[]),
        ("to_", &[]),
        ("to%as", &[]),
        ("maya\nname", &[]),
    ] {
        assert_eq!(people(&house, &olive, text).await, found, "{text:?}");
    }
    assert_eq!(people(&house, &olive, "").await.len(), 5);
    assert_eq!(people(&house, &olive, &"tom".repeat(1_300)).await, [""; 0]);
}

#[tokio::test]
async fn a_search_goes_through_pages_in_the_order_of_the_list_both_ways() {
    let (house, olive) = TestApp::set_up().await;
    for number in 0..7 {
        house.person(&format!("worker-{number}"), if number == 3 { "admin" } else { "member" }, None).await;
    }
    let all: Vec<String> = (0..7).map(|number| format!("worker-{number}")).collect();
    let query = [("q", "orker"), ("limit", "3")];
    assert_eq!(listed(&house, &olive, "people", &query, "username").await, all);
    let admins = [("q", "orker"), ("role", "admin")];
    assert_eq!(listed(&house, &olive, "people", &admins, "username").await, ["worker-3"]);
    let second = house.get(&olive, "/organizations/acme/people?q=orker&limit=3").await.json();
    let second = second["next"].as_str().expect("a cursor").to_owned();
    let cookie = house.sign_in("olive").await;
    let page = format!("/orgs/acme/settings/people?q=orker&after={second}");
    let page = house.page(&cookie, &page).await.text;
    assert!(!page.contains(">worker-2<") && page.contains("worker-6"), "{page}");
    let before = page.split("before=").nth(1).expect("a way back").split('"').next().expect("a cursor");
    let page = house.page(&cookie, &format!("/orgs/acme/settings/people?q=orker&before={before}")).await.text;
    assert!(page.contains("worker-0") && page.contains("worker-2") && !page.contains("worker-3"), "{page}");
}

#[tokio::test]
async fn who_is_called_otherwise_now_is_found_by_that_and_by_nothing_else() {
    let (house, olive) = TestApp::set_up().await;
    house.person("elodie", "member", None).await;
    let cookie = house.sign_in("elodie").await;
    let profile = [("name", "Élodie Æther"), ("email", "elodie@acme.test")];
    assert_eq!(house.form(&cookie, "/account/profile", &profile).await.status, StatusCode::SEE_OTHER);
    for text in ["élo", "ÉLODIE", "æth", "e Æ"] {
        assert_eq!(people(&house, &olive, text).await, ["elodie"], "{text}");
    }
    assert_eq!(people(&house, &olive, "name of elo").await, [""; 0]);
    let gone = house.api(&olive, Method::DELETE, "/organizations/acme/people/elodie", None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
    assert_eq!(people(&house, &olive, "elodie").await, [""; 0]);
    let (texts, grams) = index(&house).await;
    assert!(texts.iter().all(|(.., content)| !content.contains("elodie")), "{texts:?}");
    assert!(grams.iter().all(|(_, key, _)| key != "elodie"), "{grams:?}");
}

#[tokio::test]
async fn a_search_finds_nothing_of_another_organization() {
    let (house, olive) = TestApp::set_up().await;
    house.other_organization().await;
    assert_eq!(people(&house, &olive, "otto").await, [""; 0]);
    assert_eq!(people(&house, &olive, "ot").await, [""; 0]);
}

#[tokio::test]
async fn service_accounts_are_found_by_name_uid_and_description_by_who_sees_them() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    let (deploy, ..) = house.account(&olive, "Deploy Bot", AccountScope::Team("platform"), "member").await;
    house.account(&olive, "nightly", AccountScope::Team("data"), "member").await;
    house.account(&olive, "deploy-night", AccountScope::Organization("data"), "member").await;
    let place = format!("/organizations/acme/service-accounts/{deploy}");
    let edit = json!({ "name": "Release Bot", "description": "Ships WÖCHENTLICH" });
    assert_eq!(house.api(&olive, Method::PATCH, &place, Some(edit)).await.status, StatusCode::OK);
    for (text, found) in [
        ("night", &["deploy-night", "nightly"][..]),
        ("deploy", &["deploy-night"]),
        ("release b", &["Release Bot"]),
        ("wöchen", &["Release Bot"]),
        (&deploy, &["Release Bot"]),
        (&deploy[20..], &["Release Bot"]),
        (&format!("  {} ", deploy.to_uppercase()), &["Release Bot"]),
        // Every UID begins so, and it tells nothing.
        ("sa_", &[]),
        ("t", &["deploy-night", "nightly", "Release Bot"]),
    ] {
        assert_eq!(accounts(&house, &olive, text).await, found, "{text:?}");
    }
    let all = house.get(&olive, "/organizations/acme/service-accounts").await.json();
    let hold = |text: &str| -> Vec<String> {
        let items = all["items"].as_array().expect("items").iter();
        let text_of = |item: &Value, field: &str| item[field].as_str().expect("text").to_owned();
        let holding = items.filter(|item| text_of(item, "id")[3..].contains(text));
        holding.map(|item| text_of(item, "name")).collect()
    };
    assert_eq!(accounts(&house, &olive, "sa").await, hold("sa"), "what follows the prefix, by chance");
    let of_team = [("q", "night"), ("team", "data")];
    assert_eq!(listed(&house, &olive, "service-accounts", &of_team, "name").await, ["nightly"]);
    let of_scope = [("q", "night"), ("scope", "organization")];
    assert_eq!(listed(&house, &olive, "service-accounts", &of_scope, "name").await, ["deploy-night"]);
    let maya = house.person("maya", "member", Some(("platform", TeamRole::Admin))).await;
    assert_eq!(accounts(&house, &maya, "t").await, ["Release Bot"]);
    let gone = house.api(&olive, Method::DELETE, &place, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
    assert_eq!(accounts(&house, &olive, "release").await, [""; 0]);
    assert!(index(&house).await.0.iter().all(|(_, id, _)| *id != deploy));
}

#[tokio::test]
async fn what_an_older_release_wrote_is_found_after_a_start() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    for number in 0..3 {
        house.person(&format!("p{number}"), "member", None).await;
        house.account(&olive, &format!("bot {number}"), AccountScope::Team("platform"), "member").await;
    }
    let made_by_actions = index(&house).await;
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for statement in ["DELETE FROM search_grams", "DELETE FROM search_texts"].map(sql) {
        statement.execute(&mut tx, &ByTest).await.expect("deleted");
    }
    tx.commit().await.expect("committed");
    assert_eq!(accounts(&house, &olive, "bot").await, [""; 0]);
    assert_eq!(renew::<Members>(&house.app.context.db, &ByTest).await.expect("added"), 4);
    assert_eq!(renew::<ServiceAccount>(&house.app.context.db, &ByTest).await.expect("added"), 3);
    assert_eq!(index(&house).await, made_by_actions);
    assert_eq!(accounts(&house, &olive, "bot").await.len(), 3);
    assert_eq!(people(&house, &olive, "name of p").await.len(), 3);
    assert_eq!(renew::<Members>(&house.app.context.db, &ByTest).await.expect("added"), 0);
    // Renamed by a node that knows of no index.
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for statement in [
        "UPDATE people SET name = 'Ulrike' WHERE username = 'p1'",
        "UPDATE service_accounts SET name = 'Aaa', name_folded = 'aaa' WHERE name = 'bot 2'",
    ]
    .map(sql)
    {
        statement.execute(&mut tx, &ByTest).await.expect("renamed");
    }
    tx.commit().await.expect("committed");
    assert_eq!(renew::<Members>(&house.app.context.db, &ByTest).await.expect("renewed"), 1);
    assert_eq!(renew::<ServiceAccount>(&house.app.context.db, &ByTest).await.expect("renewed"), 1);
    assert_eq!(people(&house, &olive, "ulri").await, ["p1"]);
    assert_eq!(people(&house, &olive, "name of p1").await, [""; 0]);
    assert_eq!(accounts(&house, &olive, "bot").await, ["bot 0", "bot 1"]);
    // Indexed with the prefix, by an older release.
    let mut tx = house.app.context.db.begin().await.expect("begun");
    sql("UPDATE search_texts SET content = REPLACE(content, 'bot 0', 'bot 0 sa_') WHERE list = 'service_accounts'")
        .execute(&mut tx, &ByTest)
        .await
        .expect("written");
    tx.commit().await.expect("committed");
    assert_eq!(accounts(&house, &olive, "a_").await, ["bot 0"]);
    assert_eq!(renew::<ServiceAccount>(&house.app.context.db, &ByTest).await.expect("renewed"), 1);
    assert_eq!(accounts(&house, &olive, "a_").await, [""; 0]);
    assert_eq!(accounts(&house, &olive, "bot 2").await, [""; 0]);
}

#[tokio::test]
async fn a_search_reads_the_entries_that_hold_its_rarest_part() {
    let (house, _) = TestApp::set_up().await;
    let organization = house.caller("olive").await.organization.id;
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..900 {
        let text = if number % 7 == 0 { "worker of a kind" } else { "worker" };
        let text = if number == 898 { "worker zebra" } else { text };
        let entry = Entry::new(organization, "tests", &number, &format!("{number:03}"), &[text]);
        add(&mut tx, &ByTest, &entry).await.expect("added");
    }
    tx.commit().await.expect("committed");
    let read = async |text: &str| {
        Search::read(&house.app.context.db, organization, "tests", text).await.expect("read")
    };
    let gram = async |text: &str| match read(text).await {
        Some(Search::Indexed { gram, .. }) => gram,
        other => panic!("{text}: {other:?}"),
    };
    assert!(["r z", " ze", "zeb", "ebr", "bra"].contains(&gram("Worker Zebra").await.as_str()));
    // Of those that many hold, too, the one that the fewest do.
    assert!(!["wor", "ork", "rke", "ker"].contains(&gram("worker of a kind").await.as_str()));
    // The only rare part of a long text, wherever it stands.
    let alphabet = ('a'..='z').collect::<String>();
    let mut tx = house.app.context.db.begin().await.expect("begun");
    let rare = |place: usize| alphabet.replace(char::from(b'a' + u8::try_from(place).expect("few")), "0");
    for number in 0..200 {
        let text = if number < 26 { rare(number) } else { alphabet.clone() };
        let entry =
            Entry::new(organization, "tests", &format!("a{number}"), &format!("a{number:03}"), &[&text]);
        add(&mut tx, &ByTest, &entry).await.expect("added");
    }
    tx.commit().await.expect("committed");
    for place in 0..26 {
        let found = gram(&rare(place)).await;
        assert!(found.contains('0'), "{place}: {found}");
    }
    // Nobody holds this one.
    assert!(!"worker".contains(&gram("worker unicorn").await));
    assert!(matches!(read("ze").await, Some(Search::Short { .. })));
    assert_eq!(read("  ").await, None);
}
