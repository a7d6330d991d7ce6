//! Several nodes on one database behind a proxy: whichever one a request
//! reaches, it answers as the others would.

use axum::http::StatusCode;
use tessera::platform::db::{count_pending, listen, migrate};
use tessera::platform::{Db, sql};

use crate::harness::{ByTest, PASSWORD, TestApp, new_database};

#[tokio::test]
async fn who_signs_in_at_one_node_is_signed_in_at_all_and_out_at_all() {
    let (here, _) = TestApp::set_up().await;
    let there = here.another_process().await;
    let cookie = here.sign_in("olive").await;
    assert_eq!(there.page(&cookie, "/orgs/acme").await.status, StatusCode::OK);
    assert_eq!(there.form(&cookie, "/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(here.page(&cookie, "/orgs/acme").await.status, StatusCode::SEE_OTHER);
}

/// Gives moss this role behind everybody's back: no node is told of it.
async fn meddle(house: &TestApp, role: &str) {
    let mut tx = house.app.context.db.begin().await.expect("begun");
    sql("UPDATE memberships SET role = $1 WHERE username = 'moss'")
        .bind(role)
        .execute(&mut tx, &ByTest)
        .await
        .expect("changed");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn a_page_shows_what_was_changed_at_another_node_even_before_it_is_told() {
    let (here, _) = TestApp::set_up().await;
    if !matches!(here.app.context.db, Db::Postgres { .. }) {
        return; // Several nodes share nothing else.
    }
    let there = here.another_process().await;
    let hearing = tokio::spawn(listen(there.app.context.db.clone(), there.app.context.clock.clone()));
    let moss = here.person("moss", "member", None).await;
    let cookie = here.sign_in("moss").await;
    let by_token = async || there.get(&moss, "/organizations/acme/audit-events").await.status;
    // Memory is believed there once the API answers as before.
    let remembers = async || {
        meddle(&here, "member").await;
        let before = by_token().await;
        meddle(&here, "account_admin").await;
        before == by_token().await
    };
    let mut tries = 0;
    while !remembers().await {
        tries += 1;
        assert!(tries < 200, "nothing is ever remembered");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let log = "/orgs/acme/settings/audit-log";
    for (role, status) in [("account_admin", StatusCode::OK), ("member", StatusCode::FORBIDDEN)] {
        meddle(&here, role).await;
        assert_eq!(there.page(&cookie, log).await.status, status, "{role}");
    }
    hearing.abort();
}

#[tokio::test]
async fn a_value_made_at_one_node_is_shown_once_at_whichever() {
    let (here, owner) = TestApp::set_up().await;
    let there = here.another_process().await;
    here.team(&owner, "payments").await;
    let cookie = here.sign_in("olive").await;
    let tab = "/orgs/acme/settings/teams/payments/api-token";
    let made = here.form(&cookie, tab, &[("lifetime", "30")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let shown = there.page(&cookie, made.location()).await;
    assert!(shown.text.contains("tsrt_") && shown.status == StatusCode::OK, "{}", shown.text);
    for node in [&here, &there] {
        assert_eq!(node.page(&cookie, made.location()).await.status, StatusCode::GONE);
    }
}

#[tokio::test]
async fn guessing_is_slowed_by_all_nodes_together() {
    let (here, _) = TestApp::set_up().await;
    let there = here.another_process().await;
    let wrong = [("email", "olive@acme.test"), ("password", "not this one, no")];
    let mut slowed = false;
    for round in 0..30 {
        let node = if round % 2 == 0 { &here } else { &there };
        slowed |= node.form("", "/sign-in", &wrong).await.status == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(slowed);
    for node in [&here, &there] {
        let answer = node.form("", "/sign-in", &[("email", "olive@acme.test"), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[tokio::test]
async fn of_nodes_that_start_at_once_one_migrates_and_the_others_wait() {
    let folder = std::env::temp_dir().join(format!("tessera-nodes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let address = new_database(&folder).await;
    // Made first, so that none of them makes the file itself.
    Db::open(&address).await.expect("opened").close().await;
    let starts = (0..6).map(|_| {
        let address = address.clone();
        tokio::spawn(async move {
            let db = Db::open(&address).await.expect("opened");
            migrate(&db).await.expect("migrated");
            assert_eq!(count_pending(&db).await.expect("counted"), 0);
            db.close().await;
        })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.expect("started");
    }
    std::fs::remove_dir_all(folder).expect("removed");
}
