//! The audit log: its export arrives whole, whatever the browser takes, and its
//! filters mean what they say.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use tessera::platform::clock::DAY;
use tessera::platform::sql;

use crate::harness::{Answer, ByTest, TestApp};

/// What clients say that they take: nothing, browsers over http and https, curl,
/// proxies, and what nobody sends.
const ENCODINGS: [&str; 9] = [
    "",
    "gzip",
    "br",
    "gzip, deflate",
    "gzip, deflate, br, zstd",
    "deflate, gzip;q=1.0, *;q=0.5",
    "identity",
    "zstd",
    "*",
];

async fn get(house: &TestApp, cookie: &str, path: &str, encoding: &str) -> Answer {
    let mut request = Request::get(path).header(header::HOST, "localhost").header(header::COOKIE, cookie);
    if !encoding.is_empty() {
        request = request.header(header::ACCEPT_ENCODING, encoding);
    }
    house.send(request.body(Body::empty()).expect("a request")).await
}

/// The body, as the client reads it.
fn decoded(answer: &Answer) -> Vec<u8> {
    let mut read = Vec::new();
    let encoding = answer.headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().expect("text"));
    match encoding {
        None | Some("identity") => read.extend_from_slice(&answer.bytes),
        Some("gzip") => {
            flate2::read::GzDecoder::new(&answer.bytes[..]).read_to_end(&mut read).map(drop).expect("whole");
        }
        Some("br") => brotli::Decompressor::new(&answer.bytes[..], 4096)
            .read_to_end(&mut read)
            .map(drop)
            .expect("whole"),
        Some(other) => panic!("{other}"),
    }
    read
}

/// More events than one part of the export holds.
async fn with_many_events() -> (TestApp, String) {
    let (house, _) = TestApp::set_up().await;
    let mut tx = house.app.context.db.begin().await.expect("begun");
    sql("INSERT INTO audit_events (id, organization_id, at, actor_kind, actor_id, actor_name, action, target_kind, \
            target_id, target_name, via, request_id) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234) \
         SELECT 'evt_01000000000000000000' || SUBSTR(CAST(1000000 + i AS TEXT), 2), o.id, n.i, 'person', 'person_x', \
            'Name', 'team.created', 'team', 'team_x', 'Team, \"quoted\"', 'api', '' FROM n, organizations o")
    .execute(&mut tx, &ByTest)
    .await
    .expect("inserted");
    tx.commit().await.expect("committed");
    let cookie = house.sign_in("olive").await;
    (house, cookie)
}

#[tokio::test]
async fn the_export_arrives_whole_in_every_encoding() {
    let (house, cookie) = with_many_events().await;
    let all: (i64,) = sql("SELECT COUNT(*) FROM audit_events WHERE organization_id IS NOT NULL")
        .one(&house.app.context.db)
        .await
        .expect("counted");
    for format in ["csv", "jsonl"] {
        let path = format!("/orgs/acme/settings/audit-log/export?format={format}");
        let plain = get(&house, &cookie, &path, "").await;
        assert_eq!(plain.status, StatusCode::OK);
        let heading = i64::from(format == "csv");
        let lines = i64::try_from(plain.text.lines().count()).expect("a count");
        assert_eq!(lines, all.0 + heading, "{format}");
        for encoding in ENCODINGS {
            let answer = get(&house, &cookie, &path, encoding).await;
            assert_eq!(answer.status, StatusCode::OK, "{encoding}");
            assert!(decoded(&answer) == plain.bytes, "{format} as {encoding} differs");
            let compressed = encoding.contains("gzip") || encoding.contains("br");
            assert_eq!(
                answer.headers.contains_key(header::CONTENT_ENCODING),
                compressed || encoding == "*",
                "{encoding}"
            );
        }
        // Nothing was found: a body without a single part.
        for encoding in ENCODINGS {
            let answer = get(&house, &cookie, &format!("{path}&target=nothing-at-all"), encoding).await;
            assert_eq!(
                (answer.status, decoded(&answer).is_empty()),
                (StatusCode::OK, format == "jsonl"),
                "{encoding}"
            );
        }
    }
}

#[tokio::test]
async fn everything_else_arrives_whole_in_every_encoding_too() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let page = house.page(&cookie, "/orgs/acme").await;
    let asset = page.text.split('"').find(|part| part.starts_with("/assets/app.") && part.contains(".css"));
    let asset = asset.expect("a style sheet").to_owned();
    for path in [asset.as_str(), "/sign-in", "/orgs/acme/settings/audit-log", "/api/docs", "/nothing-here"] {
        let plain = get(&house, &cookie, path, "").await;
        for encoding in ENCODINGS {
            let answer = get(&house, &cookie, path, encoding).await;
            assert_eq!(answer.status, plain.status, "{path} {encoding}");
            let (read, known) = (decoded(&answer), plain.bytes.len());
            // Nonces of forms differ, their length does not.
            assert_eq!(read.len(), known, "{path} {encoding}");
        }
    }
    for encoding in ENCODINGS {
        let answer = house
            .call((&olive, axum::http::Method::GET, "/whoami"), &[("accept-encoding", encoding)], None)
            .await;
        assert!(answer.status == StatusCode::OK && answer.json()["id"].is_string(), "{encoding}");
    }
}

/// An event each at these moments after the start of the day.
async fn with_events_at(times: &[&str]) -> (TestApp, String) {
    let (house, olive) = TestApp::set_up().await;
    house.app.context.clock.advance(DAY);
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for time in times {
        let at = tessera::platform::Timestamp::parse(time).expect("a time");
        sql("INSERT INTO audit_events (id, organization_id, at, actor_kind, actor_id, actor_name, action, target_kind, \
                target_id, target_name, via, request_id) \
             SELECT $1, id, $2, 'person', 'person_x', 'Name', 'team.created', 'team', 'team_x', $3, 'api', '' \
             FROM organizations")
        .bind(tessera::platform::id::EventId::new(at, &house.app.context.random))
        .bind(at)
        .bind(*time)
        .execute(&mut tx, &ByTest)
        .await
        .expect("inserted");
    }
    tx.commit().await.expect("committed");
    (house, olive)
}

async fn found(house: &TestApp, olive: &str, query: &str) -> Vec<String> {
    let path = format!("/organizations/acme/audit-events?action=team&{query}");
    let answer = house.get(olive, &path).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    let items = answer.json();
    let names = items["items"].as_array().expect("items").iter().map(|item| item["target_name"].as_str());
    names.map(|name| name.expect("text").to_owned()).collect()
}

#[tokio::test]
async fn a_filter_takes_whole_days_minutes_and_seconds() {
    let times = [
        "2026-12-31T23:59:59.999999Z",
        "2027-01-01T00:00:00Z",
        "2027-01-01T10:29:59.999999Z",
        "2027-01-01T10:30:00Z",
        "2027-01-01T10:30:59.999999Z",
        "2027-01-01T10:31:00Z",
        "2027-01-01T23:59:59.999999Z",
        "2027-01-02T00:00:00Z",
    ];
    let (house, olive) = with_events_at(&times).await;
    for (query, expected) in [
        ("from=2027-01-01&until=2027-01-01", &times[1..7]),
        ("from=2027-01-01", &times[1..]),
        ("until=2026-12-31", &times[..1]),
        ("from=2027-01-01T10:30&until=2027-01-01T10:30", &times[3..5]),
        ("from=2027-01-01T10:30:00Z&until=2027-01-01T10:30:00Z", &times[3..4]),
        ("from=2027-01-01T12:30:00%2B02:00&until=2027-01-01T10:31", &times[3..6]),
        ("from=2027-01-01T10:30&until=2027-01-01", &times[3..7]),
    ] {
        let mut names = found(&house, &olive, query).await;
        names.reverse();
        assert_eq!(names, expected, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_can_match_nothing_is_refused_in_words_and_stays_as_it_was_typed() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    for (query, field, words, kept) in [
        (
            "action=team.made",
            "action",
            "Choose an action like team.created",
            "<option value=\"team.made\" selected>",
        ),
        ("action=teams", "action", "Choose an action like team.created", "<option value=\"teams\" selected>"),
        ("from=soon", "from", "Enter a date like 2027-02-20", "value=\"soon\""),
        ("until=2027-02-30", "until", "Enter a date like 2027-02-20", "value=\"2027-02-30\""),
        (
            "from=2027-01-02&until=2027-01-01",
            "until",
            "Enter an end that is not before the start.",
            "value=\"2027-01-02T00:00\"",
        ),
        (
            "from=2027-01-02T10:01&until=2027-01-02T10:00",
            "until",
            "Enter an end that is not before the start.",
            "value=\"2027-01-02T10:00\"",
        ),
    ] {
        let answer = house.get(&olive, &format!("/organizations/acme/audit-events?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{query}");
        let message = answer.json()["errors"][0]["message"].as_str().map(str::to_owned).expect("words");
        assert!(message.contains(words), "{query}: {message}");
        let page = house.page(&cookie, &format!("/orgs/acme/settings/audit-log?{query}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(page.text.contains(words) && page.text.contains(kept), "{query}: {}", page.text);
        let export = house.page(&cookie, &format!("/orgs/acme/settings/audit-log/export?{query}")).await;
        assert_eq!(export.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
    // A group of actions is no choice of the page's list, and works there all the same.
    let page = house.page(&cookie, "/orgs/acme/settings/audit-log?action=team&from=2027-01-01").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("<option value=\"team\" selected>"), "{}", page.text);
    let _: Value = house.get(&olive, "/organizations/acme/audit-events?action=team").await.json();
}

#[tokio::test]
async fn one_field_searches_names_ids_addresses_and_requests() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "payments").await;
    let cookie = house.sign_in("olive").await;
    let list = async |query: &str| {
        let answer = house.get(&olive, &format!("/organizations/acme/audit-events?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
        answer.json()["items"].as_array().expect("items").clone()
    };
    let made = list("action=team.created&target=platform").await;
    let [event] = made.as_slice() else { panic!("{made:?}") };
    let text = |name: &str| event[name].as_str().expect("text").to_owned();
    let has = |found: &[serde_json::Value]| found.iter().any(|other| other["id"] == event["id"]);
    for query in ["platf", "PLATFORM", &text("target_id"), &text("request_id"), "127.0.0.1", "name of olive"]
    {
        let query = query.replace(' ', "+");
        assert!(has(&list(&format!("q={query}")).await), "{query}");
        assert!(has(&list(&format!("q={query}&action=team.created")).await), "{query}");
    }
    for query in ["nobody", "127.0.0.", "team_", "payments"] {
        assert!(!has(&list(&format!("q={query}")).await), "{query}");
    }
    // An address is compared as a whole, and the other filters apply as well.
    assert!(list("q=platform&actor=nobody").await.is_empty());
    let page = house.page(&cookie, "/orgs/acme/settings/audit-log?q=platform").await.text;
    assert!(page.contains("value=\"platform\"") && page.contains("q=platform"), "{page}");
}
