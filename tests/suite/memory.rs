//! What verification remembers, and that it forgets in time: in this process,
//! in another one, and while it hears nothing.

#![allow(clippy::disallowed_methods, reason = "how long it takes is what is asked here")]

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use serde_json::json;
use tessera::config::DatabaseUrl;
use tessera::platform::db::listen;
use tessera::platform::sql;
use tokio::task::JoinHandle;

use crate::harness::{AccountScope, ByTest, TestApp};
use crate::protocols::world;

async fn lives(house: &TestApp, token: &str) -> bool {
    house.get(token, "/whoami").await.status == StatusCode::OK
}

/// As `tessera serve` does; ended by hand, as the runtime outlives no test.
fn hearing(house: &TestApp) -> JoinHandle<()> {
    tokio::spawn(listen(house.app.context.db.clone(), house.app.context.clock.clone()))
}

/// Changes the key behind everybody's back: nobody is told of it.
async fn meddle(house: &TestApp, id: &str, revoked: bool) {
    let mut tx = house.app.context.db.begin().await.expect("begun");
    let at = revoked.then(|| tessera::platform::Timestamp::from_micros(1));
    sql("UPDATE tokens SET revoked_at = $2 WHERE service_account_id = $1")
        .bind(id)
        .bind(at)
        .execute(&mut tx, &ByTest)
        .await
        .expect("changed");
    tx.commit().await.expect("committed");
}

/// Waits until a token that ended behind everybody's back is let in: memory is used.
async fn remembers(house: &TestApp, id: &str, key: &str) {
    let begun = Instant::now();
    loop {
        meddle(house, id, false).await;
        assert!(lives(house, key).await);
        meddle(house, id, true).await;
        let remembered = lives(house, key).await;
        meddle(house, id, false).await;
        if remembered {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is ever remembered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long it takes until it is no longer let in.
async fn forgets(house: &TestApp, key: &str) -> Duration {
    let begun = Instant::now();
    while lives(house, key).await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is let in for ever");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn what_is_remembered_is_forgotten_before_a_change_is_acknowledged() {
    let (house, olive, id, key) = world().await;
    let listener = hearing(&house);
    remembers(&house, &id, &key).await;
    let account = format!("/organizations/acme/service-accounts/{id}");
    let base = "/organizations/acme";
    for round in 0..20 {
        assert!(lives(&house, &key).await);
        assert_eq!(house.post(&olive, &format!("{account}/disable"), json!({})).await.status, StatusCode::OK);
        assert!(!lives(&house, &key).await, "round {round}");
        house.post(&olive, &format!("{account}/enable"), json!({})).await;
        let may = house.get(&key, "/whoami").await.json()["permissions"].clone();
        house.api(&olive, Method::PATCH, &account, Some(json!({ "role": "read_only" }))).await;
        assert_ne!(house.get(&key, "/whoami").await.json()["permissions"], may, "round {round}");
        house.api(&olive, Method::PATCH, &account, Some(json!({ "role": "member" }))).await;
        assert_eq!(house.get(&key, "/whoami").await.json()["permissions"], may, "round {round}");
    }
    let limits = json!({ "policy": { "allowed_addresses": ["10.0.0.0/8", "127.0.0.2"] } });
    let answer = house.api(&olive, Method::PATCH, base, Some(limits)).await;
    // An owner is not shut out by their own hand; so nobody is.
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(house.api(&olive, Method::DELETE, &account, None).await.status, StatusCode::NO_CONTENT);
    assert!(!lives(&house, &key).await);
    listener.abort();
}

#[tokio::test]
async fn what_a_person_is_in_an_organization_holds_from_their_next_call_on() {
    let (house, olive, ..) = world().await;
    let listener = hearing(&house);
    let mo = house.person("moss", "member", None).await;
    let moss = "/organizations/acme/people/moss";
    let cookie = house.sign_in("moss").await;
    let reads = async || {
        let page = house.page(&cookie, "/orgs/acme/settings/audit-log").await.status;
        let answer = house.get(&mo, "/organizations/acme/audit-events").await.status;
        assert_eq!(page, answer);
        answer
    };
    for round in 0..10 {
        assert_eq!(reads().await, StatusCode::FORBIDDEN, "round {round}");
        for (role, status) in [("account_admin", StatusCode::OK), ("member", StatusCode::FORBIDDEN)] {
            let answer = house.api(&olive, Method::PATCH, moss, Some(json!({ "role": role }))).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            assert_eq!(reads().await, status, "round {round}");
        }
    }
    house.api(&olive, Method::DELETE, moss, None).await;
    assert_eq!(reads().await, StatusCode::NOT_FOUND);
    listener.abort();
}

#[tokio::test]
async fn what_becomes_of_one_key_leaves_the_others_remembered() {
    let (house, olive, id, key) = world().await;
    let listener = hearing(&house);
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let begun = Instant::now();
    loop {
        assert!(lives(&house, &key).await);
        let other = house.post(&olive, &keys, json!({ "name": "for a moment" })).await.json();
        let (other, value) =
            (other["id"].as_str().expect("an id"), other["token"].as_str().expect("a value"));
        assert!(lives(&house, value).await);
        let renewed = house.post(&olive, &format!("{keys}/{other}/regenerate"), json!({})).await.json();
        let renewed = renewed["token"].as_str().expect("a value");
        assert!(!lives(&house, value).await && lives(&house, renewed).await);
        house.api(&olive, Method::DELETE, &format!("{keys}/{other}"), None).await;
        assert!(!lives(&house, renewed).await);
        // Behind everybody's back: who is let in now is remembered.
        meddle(&house, &id, true).await;
        let remembered = lives(&house, &key).await;
        meddle(&house, &id, false).await;
        if remembered {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it is forgotten with every change");
    }
    listener.abort();
}

#[tokio::test]
async fn a_change_by_another_process_is_heard() {
    let (house, olive, id, key) = world().await;
    let other = house.another_process().await;
    let listeners = [hearing(&house), hearing(&other)];
    let account = format!("/organizations/acme/service-accounts/{id}");
    remembers(&house, &id, &key).await;
    for _ in 0..5 {
        assert!(lives(&house, &key).await && lives(&other, &key).await);
        other.post(&olive, &format!("{account}/disable"), json!({})).await;
        assert!(!lives(&other, &key).await, "there it was acknowledged");
        let delay = forgets(&house, &key).await;
        assert!(delay < Duration::from_secs(5), "{delay:?}");
        other.post(&olive, &format!("{account}/enable"), json!({})).await;
        let begun = Instant::now();
        while !lives(&house, &key).await {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }
    // What belongs to others stays remembered.
    let (_, _, second) = house.account(&olive, "second", AccountScope::Team("payments"), "member").await;
    assert!(lives(&other, &second).await);
    listeners.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_node_that_hears_nothing_believes_nothing() {
    let (house, _, id, key) = world().await;
    let listener = hearing(&house);
    remembers(&house, &id, &key).await;
    // SQLite has no way to lose: whoever opens the file reads its version.
    if let DatabaseUrl::Sqlite(_) = house.address {
        listener.abort();
        return;
    }
    assert!(lives(&house, &key).await);
    meddle(&house, &id, true).await;
    // The way to the other nodes is cut, and what they told meanwhile is lost.
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND (query = 'SHOW transaction_read_only' OR query LIKE 'LISTEN%')")
        .all::<(bool,)>(&house.app.context.db)
        .await
        .expect("ended");
    let delay = forgets(&house, &key).await;
    assert!(delay < Duration::from_secs(5), "{delay:?}");
    meddle(&house, &id, false).await;
    listener.abort();
    // Nobody listens any more: trust ends by itself. The clock of this house stands still until it is moved.
    let _ = listener.await;
    assert!(lives(&house, &key).await);
    meddle(&house, &id, true).await;
    house.app.context.clock.advance(Duration::from_secs(1));
    assert!(!lives(&house, &key).await);
}
