//! Lists that are looked through: a page costs no more than so many rows, and
//! whoever goes on finds all there is.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tessera::access::TokenKind;
use tessera::audit::{Action, Actor, Change, Event};
use tessera::audit_log::actions as audit_log;
use tessera::audit_log::store::Filter as EventFilter;
use tessera::overview::store::{self as overview, State};
use tessera::platform::clock::DAY;
use tessera::platform::id::TokenId;
use tessera::platform::sql;
use tessera::platform::web::pagination::{Cursor, PageRequest};
use tessera::service_tokens::store::{self as service_tokens, Filter};

use crate::harness::{AccountScope, ByTest, TestApp, operator};

/// The ids on the pages of the audit log, of so many rows; how many pages; and
/// the cursor of each page's end.
async fn events(house: &TestApp, token: &str, query: &str, limit: i64) -> (Vec<String>, Vec<String>) {
    let (mut ids, mut cursors, mut place) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..2_000 {
        let path = format!("/organizations/acme/audit-events?{query}&limit={limit}{place}");
        let answer = house.get(token, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let page = answer.json();
        let items = page["items"].as_array().expect("items").iter();
        ids.extend(items.map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Value::String(next) = &page["next"] else { return (ids, cursors) };
        place = format!("&after={next}");
        cursors.push(next.clone());
    }
    panic!("{query} has no end");
}

/// Events over eleven days: olive's first, then many of an operator.
async fn with_a_history(many: usize) -> (TestApp, String) {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    let organization = house.caller("olive").await.organization.id;
    for day in 0..10 {
        house.app.context.clock.advance(DAY);
        let robot = Actor { name: "Robot".to_owned(), id: format!("robot{day}"), ..operator() };
        let mut change = Change::begin(&house.app.context, &robot, Some(organization)).await.expect("begun");
        for number in 0..many / 10 {
            let action = if number % 7 == 0 { Action::TokenEdited } else { Action::TokenRevoked };
            let target = if (day, number) == (4, 14) { "the needle" } else { "key" };
            change.also(&Event::new(action, "token", format!("tok_{number}"), target)).await.expect("told");
        }
        change.done().await.expect("committed");
    }
    (house, olive)
}

#[tokio::test]
async fn a_rare_event_costs_a_page_so_many_rows_and_is_found_by_going_on() {
    let (house, olive) = with_a_history(900).await;
    for (query, found) in [
        ("target=needle", 1),
        ("target=needle&action=token", 1),
        ("target=needle&action=token.edited", 1),
        ("actor=olive&action=team", 2),
        ("actor=nobody", 0),
    ] {
        let (ids, pages) = events(&house, &olive, query, 1).await;
        assert_eq!(ids.len(), found, "{query}");
        // Each page looks through two hundred events.
        assert!(pages.len() <= 900 / 200 + 1 + found, "{query}: {}", pages.len());
    }
    let first = house.get(&olive, "/organizations/acme/audit-events?actor=nobody&limit=1").await.json();
    assert!(first["items"] == Value::Array(vec![]) && first["next"].is_string(), "{first}");
    let short = house.get(&olive, "/organizations/acme/audit-events?actor=nobody&limit=50").await.json();
    assert_eq!(short["next"], Value::Null, "{short}");
}

#[tokio::test]
async fn pages_of_the_audit_log_together_are_the_whole_of_it_whatever_the_filter() {
    let (house, olive) = with_a_history(450).await;
    let id = house.caller("olive").await.actor.id;
    for actor in ["", "rob", "OLIVE", &id, "robot3"] {
        for rest in ["", "action=token", "action=token.edited", "action=team", "target=key", "target=needle"]
        {
            for span in ["", "from=2027-01-04&until=2027-01-06", "until=2027-01-03", "from=2027-01-11"] {
                let query = format!("actor={actor}&{rest}&{span}");
                let (whole, _) = events(&house, &olive, &query, 200).await;
                let (ids, _) = events(&house, &olive, &query, 2).await;
                assert_eq!(ids, whole, "{query}");
                assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{query}");
            }
        }
    }
    let (four_days, _) = events(&house, &olive, "from=2027-01-03&until=2027-01-06", 200).await;
    assert_eq!(four_days.len(), 4 * 45);
}

#[tokio::test]
async fn looking_goes_back_as_it_goes_on() {
    let (house, olive) = with_a_history(900).await;
    let caller = house.caller("olive").await;
    for (actor, action, target) in
        [("", "", "needle"), ("", "token", "needle"), ("olive", "", ""), ("nobody", "", "")]
    {
        let query = format!("actor={actor}&action={action}&target={target}");
        let (mut found, _) = events(&house, &olive, &query, 200).await;
        found.reverse();
        let [actor, action, target] = [actor, action, target].map(str::to_owned);
        let filter = EventFilter { actor, action, target, ..EventFilter::default() };
        let (mut seen, mut pages, mut before) = (Vec::new(), 0, Cursor::from_id(""));
        loop {
            let page = PageRequest { before: Some(before.clone()), ..PageRequest::of(1) };
            let slice = audit_log::list(&house.app.context, &caller, &filter, &page).await.expect("read");
            seen.extend(slice.rows.iter().map(|event| event.id.to_string()));
            pages += 1;
            let Some(previous) = &slice.previous else { break };
            assert!(slice.next.is_some() && (slice.stopped_before() || !slice.rows.is_empty()), "{query}");
            before = Cursor::decode("before", previous).expect("a cursor");
        }
        assert_eq!(seen, found, "{query}");
        assert!(pages > 2, "{query}: {pages}");
    }
}

#[tokio::test]
async fn whoever_turns_round_on_a_page_of_nothing_finds_what_was_there() {
    let (house, _) = with_a_history(900).await;
    let caller = house.caller("olive").await;
    let look = async |filter: &EventFilter, before: Option<&str>, after: Option<&str>| {
        let read = |cursor: &str| Cursor::decode("after", cursor).expect("a cursor");
        let page = PageRequest { after: after.map(read), before: before.map(read), ..PageRequest::of(1) };
        audit_log::list(&house.app.context, &caller, filter, &page).await.expect("read")
    };
    let to_the_end = async |filter: &EventFilter, mut cursor: Option<String>, backwards: bool| {
        let mut found = 0;
        while let Some(at) = &cursor {
            let (before, after) =
                if backwards { (Some(at.as_str()), None) } else { (None, Some(at.as_str())) };
            let slice = look(filter, before, after).await;
            found += slice.rows.len();
            cursor = if backwards { slice.previous } else { slice.next };
        }
        found
    };
    for target in ["needle", "platform", "data"] {
        let filter = EventFilter { target: target.to_owned(), ..EventFilter::default() };
        let mut slice = look(&filter, None, None).await;
        while slice.rows.is_empty() {
            slice = look(&filter, None, slice.next.as_deref()).await;
        }
        // Back from its page to one of nothing, and round: it lies ahead.
        let before = look(&filter, slice.previous.as_deref(), None).await;
        assert!(before.rows.is_empty() && before.next.is_some(), "{target}");
        assert_eq!(to_the_end(&filter, before.next, false).await, 1, "{target}");
        // The same from as far back as it goes.
        let mut back = before.previous;
        let mut way_on = slice.previous.clone();
        while let Some(at) = &back {
            let page = look(&filter, Some(at), None).await;
            (back, way_on) = (page.previous, page.next);
        }
        let mut last = look(&filter, None, way_on.as_deref()).await;
        let mut found = last.rows.len();
        while let Some(next) = last.next {
            last = look(&filter, None, Some(&next)).await;
            found += last.rows.len();
        }
        assert_eq!(found, 1, "{target}");
        // On from it to one of nothing, and round: it lies behind.
        let own = Cursor::from_id(slice.rows[0].id).encode();
        let after = look(&filter, None, Some(&own)).await;
        assert!(after.rows.is_empty() && after.previous.is_some(), "{target}");
        assert_eq!(to_the_end(&filter, after.previous, true).await, 1, "{target}");
        // And from one of nothing that nothing lies before.
        let first = look(&filter, Some(&own), None).await.rows.len();
        assert_eq!(first, 0, "{target}");
    }
    // Where everything before it is looked through at once.
    let filter = EventFilter { target: "needle".to_owned(), ..EventFilter::default() };
    let all =
        |before: Option<Cursor>, after: Option<Cursor>| PageRequest { before, after, ..PageRequest::of(50) };
    let page = all(None, None);
    let only = audit_log::list(&house.app.context, &caller, &filter, &page).await.expect("read").rows;
    for backwards in [true, false] {
        let own = Some(Cursor::from_id(only[0].id));
        let page = if backwards { all(own, None) } else { all(None, own) };
        let empty = audit_log::list(&house.app.context, &caller, &filter, &page).await.expect("read");
        let way = if backwards { empty.next } else { empty.previous }.expect("a way back");
        let way = Some(Cursor::decode("after", &way).expect("a cursor"));
        let page = if backwards { all(None, way) } else { all(way, None) };
        let again = audit_log::list(&house.app.context, &caller, &filter, &page).await.expect("read");
        assert_eq!((empty.rows.len(), again.rows.len()), (0, 1), "{backwards}");
    }
}

#[tokio::test]
async fn a_page_says_that_it_did_not_look_through_everything() {
    let (house, _) = with_a_history(10_100).await;
    let cookie = house.sign_in("olive").await;
    let page = house.page(&cookie, "/orgs/acme/settings/audit-log?target=nothing").await.text;
    assert!(page.contains("No events match so far, back to") && page.contains("Search further"), "{page}");
    assert!(page.contains("2027-01-02T00:00:00Z"), "{page}");
    let next = page.split("after=").nth(1).expect("a way on").split('"').next().expect("a cursor").to_owned();
    let path = format!("/orgs/acme/settings/audit-log?target=nothing&after={next}");
    let page = house.page(&cookie, &path).await.text;
    assert!(page.contains("No events match.") && !page.contains("Search further"), "{page}");
    assert!(shown(&page).contains("Previous"), "{page}");
    let export = "/orgs/acme/settings/audit-log/export?format=jsonl&actor=olive";
    let lines = house.page(&cookie, export).await.text.lines().count();
    assert_eq!(lines, 3, "with her sign-in");
}

/// Living tokens of several kinds, of which some end soon and some never.
async fn with_tokens(many: u32) -> (TestApp, String) {
    let (house, olive) = TestApp::set_up().await;
    let organization = house.caller("olive").await.organization.id;
    let begun = house.app.context.clock.now();
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..many {
        let kind = if number % 150 == 20 { TokenKind::Organization } else { TokenKind::ServiceToken };
        let made = begun.plus(DAY / 100 * number);
        let end = (number % 3 > 0).then(|| begun.plus(DAY * 120).plus(DAY / 200 * (number % 90)));
        // One organization has one living token of its own; the others are revoked.
        let revoked = (kind == TokenKind::Organization && number > 20).then_some(made);
        sql("INSERT INTO tokens (id, kind, organization_id, name, description, allowed_addresses, created_by, \
                created_by_name, created_at, regenerated_at, expires_at, revoked_at, version) \
             VALUES ($1, $2, $3, $4, '', '', '', '', $5, $5, $6, $7, 0)")
        .bind(TokenId::new(made, &house.app.context.random))
        .bind(kind)
        .bind(organization)
        .bind(format!("{} {number}", if number % 97 == 3 { "rare" } else { "usual" }))
        .bind(made)
        .bind(end)
        .bind(revoked)
        .execute(&mut tx, &ByTest)
        .await
        .expect("inserted");
    }
    tx.commit().await.expect("committed");
    house.app.context.clock.advance(DAY * 119);
    (house, olive)
}

#[tokio::test]
async fn pages_of_all_tokens_together_are_the_whole_list_whatever_the_filter() {
    let (house, _) = with_tokens(600).await;
    let organization = house.caller("olive").await.organization.id;
    let now = house.app.context.clock.now();
    let moments = (now, now.plus(DAY * 14), now.minus(DAY * 90));
    let mut found = 0;
    for state in State::ALL.iter().copied() {
        for search in ["", "rare", "usual 5", "nothing"] {
            for kind in ["", "service_token", "organization"] {
                let pages = async |limit: i64, backwards: bool| {
                    let mut page = PageRequest::of(limit);
                    if backwards {
                        page.before = Some(match state {
                            State::Live | State::Endless | State::NeverUsed => Cursor::from_id(""),
                            _ => Cursor { key: i64::MAX.to_string(), id: "zzzz".to_owned() },
                        });
                    }
                    let mut all = Vec::new();
                    for _ in 0..2_000 {
                        let (rows, window) = overview::list(
                            &house.app.context.db,
                            organization,
                            (search, kind, state),
                            moments,
                            &page,
                        )
                        .await
                        .expect("read");
                        let slice = page.into_scanned_page(rows, &window, |row| Cursor {
                            key: row.key(state),
                            id: row.token.id.to_string(),
                        });
                        let names = slice.rows.iter().map(|row| row.token.name.clone());
                        if backwards {
                            all.extend(names.rev());
                        } else {
                            all.extend(names);
                        }
                        let next = if backwards { slice.previous } else { slice.next };
                        let Some(next) = next else { return all };
                        let at = Some(Cursor::decode("after", &next).expect("a cursor"));
                        if backwards { page.before = at } else { page.after = at }
                    }
                    panic!("no end");
                };
                let whole = pages(5_000, false).await;
                assert_eq!(pages(1, false).await, whole, "{state} {search} {kind}");
                let mut back = pages(1, true).await;
                back.reverse();
                assert_eq!(back, whole, "{state} {search} {kind}");
                found += whole.len();
            }
        }
    }
    assert!(found > 1_000, "{found}");
}

#[tokio::test]
async fn nothing_more_is_promised_where_all_that_ends_soon_was_looked_through() {
    let (house, _) = with_tokens(600).await;
    let organization = house.caller("olive").await.organization.id;
    let now = house.app.context.clock.now();
    let page = PageRequest::of(1);
    // A few end before `soon`, hundreds after it.
    for (soon, stops) in [(now.plus(DAY).plus(DAY / 50), false), (now.plus(DAY * 14), true)] {
        let moments = (now, soon, now.minus(DAY * 90));
        let filter = ("nothing", "", State::Expiring);
        let (rows, window) =
            overview::list(&house.app.context.db, organization, filter, moments, &page).await.expect("read");
        assert_eq!((rows.len(), window.stop.is_some()), (0, stops));
    }
}

#[tokio::test]
async fn pages_of_service_tokens_together_are_the_whole_list_whatever_the_filter() {
    let (house, _) = with_tokens(600).await;
    let organization = house.caller("olive").await.organization.id;
    let now = house.app.context.clock.now();
    for search in ["", "rare", "nothing"] {
        for status in ["", "active", "expired", "revoked", "all"] {
            let filter = Filter { search: search.to_owned(), status: status.to_owned(), ..Filter::default() };
            let pages = async |limit: i64| {
                let mut page = PageRequest::of(limit);
                let mut all = Vec::new();
                for _ in 0..2_000 {
                    let (rows, window) =
                        service_tokens::list(&house.app.context.db, organization, &filter, &page, now)
                            .await
                            .expect("read");
                    let slice = page.into_scanned_page(rows, &window.expect("scanned"), |row| {
                        Cursor::from_id(row.token.id)
                    });
                    all.extend(slice.rows.iter().map(|row| row.token.name.clone()));
                    let Some(next) = slice.next else { return all };
                    page.after = Some(Cursor::decode("after", &next).expect("a cursor"));
                }
                panic!("no end");
            };
            assert_eq!(pages(1).await, pages(5_000).await, "{search} {status}");
        }
    }
}

#[tokio::test]
async fn rows_count_up_to_a_bound_and_what_is_about_to_be_deleted_is_counted_to_the_end() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let (id, ..) = house.account(&olive, "busy", AccountScope::Organization("platform"), "member").await;
    let keys = format!("/organizations/acme/service-accounts/{id}/tokens");
    let cookie = house.sign_in("olive").await;
    let list = "/orgs/acme/settings/service-accounts";
    for (more, said) in [(19, " 20 keys "), (2, " 20+ keys ")] {
        for number in 0..more {
            let made = house.post(&olive, &keys, json!({ "name": format!("{more}-{number}") })).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        }
        let page = house.page(&cookie, list).await.text;
        assert!(shown(&page).contains(said), "{said}: {page}");
    }
    let page = house.page(&cookie, &format!("{list}/{id}/delete")).await.text;
    assert!(shown(&page).contains("22 keys stop at once"), "{page}");
}

/// The text of a page as a person reads it: without tags, with one space between words.
fn shown(page: &str) -> String {
    let text: String =
        page.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
