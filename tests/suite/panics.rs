//! No panic is overlooked: neither one that a layer turns into an answer, nor
//! one that ends a task or a thread which nobody waits for.

use std::cell::RefCell;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, exit};
use std::sync::Once;

use crate::harness::TestApp;

thread_local! {
    static OF_THIS_TEST: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes each panic from now on. A test has a thread of its own, and the tasks
/// that it spawns stay on it. A panic on another thread belongs to no test that
/// could still fail, so it ends the run.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            let thread = std::thread::current();
            if thread.name().is_some_and(|name| name == "main" || name.contains("::")) {
                OF_THIS_TEST.with_borrow_mut(|all| all.push(panic.to_string()));
            } else {
                let name = thread.name().unwrap_or("without a name");
                // Written past the capture of a test's output.
                let _ = writeln!(std::io::stderr(), "a thread of no test ({name}): {panic}");
                exit(101);
            }
        }));
    });
}

/// The panics of this test's thread so far; they are forgotten.
fn take() -> Vec<String> {
    OF_THIS_TEST.take()
}

/// Fails the test where a panic was swallowed.
pub fn check() {
    if !std::thread::panicking() {
        let panics = take();
        assert!(panics.is_empty(), "swallowed panics: {panics:?}");
    }
}

async fn fails() -> &'static str {
    assert!(std::hint::black_box(false), "in a handler");
    ""
}

#[tokio::test]
async fn a_panic_that_is_turned_into_an_answer_fails_the_test() {
    let house = TestApp::empty().await;
    let layered = axum::Router::new()
        .route("/", axum::routing::get(fails))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(tessera::platform::web::handle_panic));
    let request = axum::http::Request::get("/").body(axum::body::Body::empty()).expect("a request");
    let answer = tower::ServiceExt::oneshot(layered, request).await.expect("infallible");
    assert_eq!(answer.status(), axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    let failed = catch_unwind(AssertUnwindSafe(|| drop(house)));
    assert!(failed.is_err(), "the panic was overlooked");
    assert!(take().concat().contains("swallowed panics"));
}

#[tokio::test]
async fn a_panic_of_a_task_that_nobody_waits_for_fails_the_test() {
    let house = TestApp::empty().await;
    let task = tokio::spawn(fails());
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
    drop(task);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(house))).is_err(), "the panic was overlooked");
    take();
}

#[test]
#[ignore = "runs in a process of its own, from the next test"]
fn a_thread_panics() {
    watch();
    let thread = std::thread::spawn(|| assert!(std::hint::black_box(false), "in a thread"));
    while !thread.is_finished() {
        std::thread::yield_now();
    }
}

#[test]
fn a_panic_of_another_thread_fails_the_run() {
    let run = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "panics::a_thread_panics", "--ignored"])
        .output()
        .expect("it ran");
    assert_eq!(run.status.code(), Some(101));
    assert!(String::from_utf8_lossy(&run.stderr).contains("a thread of no test"), "{run:?}");
}
