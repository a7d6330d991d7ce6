//! Guessing passwords is slowed down, and nobody is locked out by it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures_util::future::join_all;
use tessera::authn::password_queue::Lane;
use tessera::cleanup::purge_expired;
use tessera::platform::clock::DAY;
use tessera::platform::sql;
use tokio::time::{Instant, timeout};

use crate::harness::{Answer, PASSWORD, TestApp};

const OLIVE: &str = "olive@acme.test";
const WRONG: &str = "not the password";
/// The longest that anybody waits who knows the password.
const SOON: Duration = Duration::from_secs(5);

/// An installation behind a proxy, so that a test may come from anywhere.
async fn set_up() -> TestApp {
    TestApp::set_up_with(&[("trusted_proxies", "127.0.0.1")]).await.0
}

/// A form from a network, with cookies.
async fn send(house: &TestApp, from: &str, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path)
        .header(header::HOST, "localhost")
        .header(header::COOKIE, cookie)
        .header("x-forwarded-for", from)
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.send(request.body(Body::from(body)).expect("a request")).await
}

async fn attempt(house: &TestApp, from: &str, cookie: &str, email: &str, password: &str) -> Answer {
    send(house, from, cookie, "/sign-in", &[("email", email), ("password", password)]).await
}

/// Many wrong passwords at once; gives how often each status came back.
async fn wrong(house: &TestApp, from: &str, cookie: &str, times: usize) -> [usize; 3] {
    let all = join_all((0..times).map(|_| attempt(house, from, cookie, OLIVE, WRONG))).await;
    let count = |status: StatusCode| all.iter().filter(|answer| answer.status == status).count();
    for answer in &all {
        if answer.status != StatusCode::UNPROCESSABLE_ENTITY {
            let seconds =
                answer.headers.get(header::RETRY_AFTER).expect("Retry-After").to_str().expect("text");
            assert!((1..=4).contains(&seconds.parse::<u64>().expect("seconds")), "{seconds}");
            assert!(answer.text.contains(&format!("Try again in {seconds} s.")), "{}", answer.text);
        }
    }
    let counts = [
        count(StatusCode::UNPROCESSABLE_ENTITY),
        count(StatusCode::TOO_MANY_REQUESTS),
        count(StatusCode::SERVICE_UNAVAILABLE),
    ];
    assert_eq!(counts.iter().sum::<usize>(), times);
    counts
}

/// Signs in within seconds; gives the device cookie.
async fn right(house: &TestApp, from: &str, cookie: &str) -> String {
    let answer = timeout(SOON, attempt(house, from, cookie, OLIVE, PASSWORD)).await.expect("within seconds");
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{from}: {}", answer.text);
    device(&answer)
}

fn device(answer: &Answer) -> String {
    let all = answer.headers.get_all(header::SET_COOKIE).iter();
    let texts = all.map(|value| value.to_str().expect("text"));
    let cookie = texts.into_iter().find(|text| text.contains("tessera-device=")).expect("a device cookie");
    cookie.split(';').next().expect("a pair").to_owned()
}

#[tokio::test]
async fn a_burst_is_counted_before_passwords_are_verified_on_every_node_and_by_network() {
    let house = set_up().await;
    let other = house.second_node();
    let all = join_all((0..112).map(|number| {
        let node = if number % 2 == 0 { &house } else { &other };
        // The whole /64 is one network.
        async move { attempt(node, &format!("2001:db8:1:2:{number:x}::1"), "", OLIVE, WRONG).await }
    }))
    .await;
    let verified = all.iter().filter(|answer| answer.status == StatusCode::UNPROCESSABLE_ENTITY).count();
    // Five at once, and those that four seconds of waiting have room for.
    assert_eq!(verified, 7);
    let neighbour = attempt(&house, "2001:db8:1:2::9", "", OLIVE, PASSWORD).await;
    assert_eq!(neighbour.status, StatusCode::TOO_MANY_REQUESTS);
    right(&house, "2001:db8:1:3::9", "").await;
}

#[tokio::test]
async fn who_signs_in_without_end_is_delayed_then_refused_for_seconds_and_nobody_else_is() {
    let house = set_up().await;
    house.person("maya", "member", None).await;
    let browser = right(&house, "198.51.100.7", "").await;
    for _ in 0..9 {
        right(&house, "198.51.100.7", &browser).await;
    }
    let start = Instant::now();
    for _ in 0..3 {
        right(&house, "198.51.100.7", &browser).await;
    }
    assert!(start.elapsed() >= Duration::from_secs(6), "they wait for one, two and three seconds");
    let refused = attempt(&house, "198.51.100.7", &browser, OLIVE, PASSWORD).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    let maya = attempt(&house, "198.51.100.7", "", "maya@acme.test", PASSWORD).await;
    assert_eq!(maya.status, StatusCode::SEE_OTHER);
    house.app.context.clock.advance(Duration::from_secs(1));
    right(&house, "198.51.100.7", &browser).await;
}

#[tokio::test]
async fn all_who_work_behind_one_address_sign_in_at_once() {
    let house = set_up().await;
    let emails = join_all((0..24).map(|number| {
        let house = &house;
        async move {
            house.person(&format!("p{number}"), "member", None).await;
            format!("p{number}@acme.test")
        }
    }))
    .await;
    let all = join_all(emails.iter().map(|email| attempt(&house, "203.0.113.1", "", email, PASSWORD))).await;
    assert!(all.iter().all(|answer| answer.status == StatusCode::SEE_OTHER));
}

#[tokio::test]
async fn wrong_passwords_from_one_network_keep_nobody_out_of_another() {
    let house = set_up().await;
    let [verified, refused, _] = wrong(&house, "203.0.113.1", "", 16).await;
    assert_eq!((verified, refused), (7, 9));
    let more = wrong(&house, "203.0.113.1", "", 3).await;
    assert_eq!(more, [0, 3, 0], "the time to wait does not grow, and nothing more is tried");
    right(&house, "198.51.100.7", "").await;
    // Six seconds later the network may try again.
    house.app.context.clock.advance(Duration::from_secs(6));
    right(&house, "203.0.113.1", "").await;
}

#[tokio::test]
async fn a_browser_that_signed_in_before_is_not_kept_out_by_what_others_get_wrong() {
    let house = set_up().await;
    let browser = right(&house, "198.51.100.7", "").await;
    wrong(&house, "203.0.113.1", "", 12).await;
    assert_eq!(
        attempt(&house, "203.0.113.1", "", OLIVE, PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let renewed = right(&house, "203.0.113.1", &browser).await;
    let id = |cookie: &str| cookie.split(['=', '.']).nth(1).expect("an id").to_owned();
    assert_eq!(id(&renewed), id(&browser));
}

#[tokio::test]
async fn a_network_that_signed_in_before_is_delayed_and_never_refused() {
    let house = set_up().await;
    right(&house, "198.51.100.7", "").await;
    assert_eq!(wrong(&house, "198.51.100.7", "", 28).await, [28, 0, 0]);
    right(&house, "198.51.100.7", "").await;
    // It is known to this account alone.
    house.person("maya", "member", None).await;
    let maya = async || attempt(&house, "198.51.100.7", "", "maya@acme.test", WRONG).await.status;
    let all = join_all((0..12).map(|_| maya())).await;
    assert!(all.contains(&StatusCode::TOO_MANY_REQUESTS), "{all:?}");
}

#[tokio::test]
async fn an_attack_from_many_networks_delays_others_by_seconds() {
    let house = set_up().await;
    let all = join_all((0..60).map(|number| {
        let house = &house;
        async move { attempt(house, &format!("203.0.113.{number}"), "", OLIVE, WRONG).await.status }
    }))
    .await;
    assert!(all.iter().all(|status| *status == StatusCode::UNPROCESSABLE_ENTITY), "{all:?}");
    let before = Instant::now();
    right(&house, "198.51.100.7", "").await;
    assert!(before.elapsed() > Duration::from_secs(1), "an account that many guess at is slowed down");
}

#[tokio::test]
async fn many_accounts_tried_from_one_network_keep_nobody_there_out() {
    let house = set_up().await;
    let all = join_all((0..200).map(|number| {
        let house = &house;
        async move {
            let email = format!("nobody-{number}@acme.test");
            attempt(house, "203.0.113.1", "", &email, WRONG).await.status
        }
    }))
    .await;
    // Sixteen wait at a time; the others are told at once to come back.
    let waited = all.iter().filter(|status| **status == StatusCode::UNPROCESSABLE_ENTITY).count();
    let sent_away = all.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(waited >= 16 && waited + sent_away == 200, "{waited} {sent_away}");
    for number in 0..20 {
        let email = format!("somebody-{number}@acme.test");
        attempt(&house, "203.0.113.1", "", &email, WRONG).await;
    }
    let before = Instant::now();
    right(&house, "203.0.113.1", "").await;
    assert!(before.elapsed() > Duration::from_secs(1), "a network that tries many accounts is slowed down");
}

#[tokio::test]
async fn a_network_without_a_failure_is_not_held_up_by_many_that_failed() {
    let house = set_up().await;
    let failing = |number: usize, what: &'static str| {
        let house = &house;
        async move {
            let email = format!("{what}-{number}@acme.test");
            attempt(house, &format!("203.0.113.{number}"), "", &email, WRONG).await.status
        }
    };
    join_all((0..20).map(|number| failing(number, "nobody"))).await;
    // Nobody's turn comes until all of them wait.
    let mut turns = Vec::new();
    for _ in 0..2 {
        let place = house.app.authenticator.passwords.join(Lane::NEW_PASSWORDS).expect("a place");
        turns.push(place.wait_for_turn(SOON).await.expect("a turn"));
    }
    let done = std::sync::Mutex::new(0);
    let many = join_all((0..20).map(async |number| {
        failing(number, "somebody").await;
        *done.lock().expect("alone") += 1;
    }));
    let one = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        right(&house, "198.51.100.7", "").await;
        *done.lock().expect("alone")
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        drop(turns);
    };
    let (before, ..) = tokio::join!(one, many, release);
    assert!(before < 10, "{before} of twenty went before");
}

#[tokio::test]
async fn a_stolen_device_cookie_guesses_no_further_than_others() {
    let house = set_up().await;
    let browser = right(&house, "198.51.100.7", "").await;
    let [verified, ..] = wrong(&house, "203.0.113.1", &browser, 30).await;
    assert_eq!(verified, 12, "five of its own, then as without");
    // The owner's network still is what it was.
    right(&house, "198.51.100.7", "").await;
}

#[tokio::test]
async fn a_device_cookie_is_good_for_its_account_as_it_was_given_and_for_180_days() {
    let house = set_up().await;
    house.person("maya", "member", None).await;
    let browser = right(&house, "198.51.100.7", "").await;
    wrong(&house, "203.0.113.1", "", 12).await;
    let refused = async |cookie: &str| {
        let answer = attempt(&house, "203.0.113.1", cookie, OLIVE, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{cookie}");
    };
    let mut other = attempt(&house, "198.51.100.9", "", "maya@acme.test", PASSWORD).await;
    refused(&device(&other)).await;
    refused(&format!("{browser}x")).await;
    refused(&browser.replace('.', ".1")).await;
    refused("tessera-device=..~.~~~").await;
    // A browser is known to several accounts.
    other = attempt(&house, "198.51.100.9", &browser, "maya@acme.test", PASSWORD).await;
    let both = device(&other);
    assert_eq!(both.matches('~').count(), 1);
    right(&house, "203.0.113.1", &both).await;
    house.app.context.clock.advance(DAY * 181);
    wrong(&house, "203.0.113.1", "", 12).await;
    refused(&browser).await;
}

#[tokio::test]
async fn entering_the_password_again_is_counted_like_signing_in() {
    let house = set_up().await;
    let session = house.sign_in("olive").await;
    let again = async |password: &'static str| {
        let fields = [("name", "Olive"), ("email", "new@acme.test"), ("current_password", password)];
        send(&house, "203.0.113.1", &session, "/account/profile", &fields).await.status
    };
    // What others get wrong there is not counted.
    wrong(&house, "203.0.113.1", "", 12).await;
    for _ in 0..5 {
        assert_eq!(again(WRONG).await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(again(WRONG).await, StatusCode::TOO_MANY_REQUESTS);
    // A minute later the session has one attempt more.
    house.app.context.clock.advance(Duration::from_secs(61));
    assert_eq!(again(PASSWORD).await, StatusCode::SEE_OTHER);
}

/// Name, address and `after` of an event.
type Row = (String, String, Option<String>);

#[tokio::test]
async fn repeated_refusals_are_one_event_with_their_number() {
    let house = set_up().await;
    let events = async || -> Vec<Row> {
        // The log of the installation; each organization of the person has the same.
        sql("SELECT target_name, address, after FROM audit_events WHERE action = 'person.sign_in_refused' \
             AND organization_id IS NULL ORDER BY id")
        .all(&house.app.context.db)
        .await
        .expect("read")
    };
    wrong(&house, "203.0.113.1", "", 4).await;
    attempt(&house, "203.0.113.2", "", OLIVE, WRONG).await;
    let first = events().await;
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first.iter().all(|(name, _, after)| name == OLIVE && after.is_none()), "{first:?}");
    // Whoever is nobody is counted by network.
    for number in 0..3 {
        attempt(&house, "203.0.113.2", "", &format!("nobody-{number}@acme.test"), WRONG).await;
    }
    assert_eq!(events().await.len(), 3);
    purge_expired(&house.app.context).await.expect("tidied");
    assert_eq!(events().await.len(), 3, "the window is not over");
    house.app.context.clock.advance(Duration::from_secs(601));
    // One that comes later tells of those before it, and is a first one itself.
    attempt(&house, "203.0.113.1", "", OLIVE, WRONG).await;
    let later = events().await;
    assert_eq!(later.len(), 5, "{later:?}");
    let failures = |row: &Row| {
        let text = row.2.as_deref().unwrap_or("{}");
        serde_json::from_str::<serde_json::Value>(text).expect("JSON")["failures"].as_i64()
    };
    assert_eq!(later[3..].iter().map(failures).collect::<Vec<_>>(), [Some(3), None]);
    house.app.context.clock.advance(Duration::from_secs(1));
    let (one, two) = tokio::join!(purge_expired(&house.app.context), purge_expired(&house.app.context));
    one.and(two).expect("tidied");
    let rest = events().await;
    assert_eq!(rest.len(), 6, "{rest:?}");
    assert_eq!((rest[5].1.as_str(), failures(&rest[5])), ("203.0.113.2", Some(2)));
}

#[tokio::test]
async fn the_networks_of_a_person_are_few_and_forgotten_after_ninety_days() {
    let house = set_up().await;
    let count = async || -> i64 {
        let row: (i64,) =
            sql("SELECT COUNT(*) FROM sign_in_networks").one(&house.app.context.db).await.expect("counted");
        row.0
    };
    for number in 0..23 {
        house.app.context.clock.advance(Duration::from_secs(10));
        right(&house, &format!("198.51.100.{number}"), "").await;
    }
    assert_eq!(count().await, 20);
    house.app.context.clock.advance(DAY * 91);
    // Not even before it is forgotten.
    wrong(&house, "198.51.100.22", "", 12).await;
    assert_eq!(
        attempt(&house, "198.51.100.22", "", OLIVE, PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    house.app.context.clock.advance(DAY);
    purge_expired(&house.app.context).await.expect("tidied");
    assert_eq!(count().await, 0);
    let row: (i64,) =
        sql("SELECT COUNT(*) FROM throttles").one(&house.app.context.db).await.expect("counted");
    assert_eq!(row.0, 0, "counters that count nothing are forgotten");
}
