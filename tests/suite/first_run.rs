//! Set-up, signing in and out, and the browser's protections.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use tessera::organizations::bootstrap::setup_code;
use tessera::platform::clock::DAY;

use crate::harness::{PASSWORD, TestApp};

const OWNER: [(&str, &str); 6] = [
    ("organization", "acme"),
    ("organization_name", "Acme Inc."),
    ("username", "olive"),
    ("name", "Olive Owner"),
    ("email", "Olive@Acme.test"),
    ("password", PASSWORD),
];

#[tokio::test]
async fn the_first_owner_needs_the_code_and_there_is_only_one() {
    let house = TestApp::empty().await;
    assert_eq!(house.page("", "/").await.location(), "/setup");
    let mut fields = OWNER.to_vec();
    fields.push(("code", "wrong-code"));
    let refused = house.form("", "/setup", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let title = refused.text.split("<title>").nth(1).expect("a title").trim_start();
    assert!(title.starts_with("Error:") && refused.text.contains("Acme Inc."), "{}", refused.text);
    assert!(!refused.text.contains(PASSWORD), "a password is never shown again");
    let code = setup_code(&house.app.context);
    fields.pop();
    // However it is spelled: the dashes and the case do not count.
    let typed = code.replace('-', " ").to_uppercase();
    fields.push(("code", &typed));
    // Two at once make one.
    let (one, two) = tokio::join!(house.form("", "/setup", &fields), house.form("", "/setup", &fields));
    let mut to = [one.location(), two.location()];
    to.sort_unstable();
    assert_eq!(to, ["/orgs/acme", "/sign-in"]);
    assert_eq!(house.page("", "/setup").await.location(), "/sign-in");
}

#[tokio::test]
async fn every_mistake_of_a_form_is_told_at_once() {
    let house = TestApp::empty().await;
    let code = setup_code(&house.app.context);
    let fields = [
        ("code", code.as_str()),
        ("organization", "Acme!"),
        ("organization_name", " "),
        ("username", "new"),
        ("name", ""),
        ("email", "nowhere"),
        ("password", "short"),
    ];
    let refused = house.form("", "/setup", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["organization", "organization_name", "username", "name", "email", "password"] {
        assert!(refused.text.contains(&format!("id=\"{field}-wrong\"")), "{field}");
        assert!(refused.text.contains(&format!("href=\"#{field}\"")), "{field}");
    }
}

#[tokio::test]
async fn a_sign_in_gives_a_new_session_and_a_sign_out_ends_it() {
    let (house, _) = TestApp::set_up().await;
    let first = house.sign_in("olive").await;
    let again = house
        .form(
            &first,
            "/sign-in",
            &[("email", "OLIVE@acme.TEST"), ("password", PASSWORD), ("next", "//evil.test")],
        )
        .await;
    assert_eq!(again.location(), "/");
    let second = again.cookie().expect("a session");
    assert_ne!(first, second);
    let old = house.page(&first, "/orgs/acme").await;
    assert_eq!(old.location(), "/sign-in?next=%2Forgs%2Facme", "the session before is gone");
    assert_eq!(house.page(&second, "/orgs/acme").await.status, StatusCode::OK);
    house.form(&second, "/sign-out", &[]).await;
    assert_eq!(house.page(&second, "/orgs/acme").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_after_an_hour_without_use_and_after_a_day_in_any_case() {
    let (house, _) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    house.app.context.clock.advance(DAY / 24);
    assert_eq!(house.page(&cookie, "/orgs/acme").await.status, StatusCode::SEE_OTHER);
    let cookie = house.sign_in("olive").await;
    for _ in 0..30 {
        house.app.context.clock.advance(DAY / 28);
        let last = house.page(&cookie, "/orgs/acme").await.status;
        if last == StatusCode::SEE_OTHER {
            return;
        }
        assert_eq!(last, StatusCode::OK);
    }
    panic!("a session outlived its day");
}

#[tokio::test]
async fn an_unknown_address_is_answered_like_a_wrong_password() {
    let (house, _) = TestApp::set_up().await;
    let wrong = async |email: &'static str| {
        house.form("", "/sign-in", &[("email", email), ("password", "not the password")]).await
    };
    let known = wrong("olive@acme.test").await;
    let unknown = wrong("olivf@acme.test").await;
    assert_eq!(known.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(known.text, unknown.text.replace("olivf", "olive"));
    // All spellings of an address are one account.
    let mut last = known.status;
    for _ in 0..8 {
        last = wrong("OLIVE@acme.test").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(wrong("olive@acme.test").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let (house, _) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let send = |headers: Vec<(&'static str, &'static str)>| {
        let mut request = Request::post("/orgs/acme/settings/teams")
            .header(header::HOST, "localhost")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        house.send(request.body(Body::from("name=X&slug=x")).expect("a request"))
    };
    for from in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![],
    ] {
        let answer = send(from.clone()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from:?}");
    }
    assert_eq!(send(vec![("origin", "http://localhost")]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn every_answer_carries_the_protections() {
    let (house, token) = TestApp::set_up().await;
    let answers = [
        house.page("", "/sign-in").await,
        house.page("", "/nowhere").await,
        house.get(&token, "/whoami").await,
        house.get("", "/whoami").await,
        house.api(&token, Method::PATCH, "/whoami", None).await,
    ];
    for (answer, status) in answers.iter().zip([200, 404, 200, 401, 405]) {
        assert_eq!(answer.status.as_u16(), status);
        let has = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().expect("text"));
        assert!(has("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(has("x-content-type-options"), "nosniff");
        assert_eq!(has("referrer-policy"), "no-referrer");
        assert_eq!(has("cache-control"), "no-store");
        assert_eq!(has("x-request-id").len(), 20);
    }
    assert_eq!(answers[4].json()["status"], 405);
}

#[tokio::test]
async fn errors_are_pages_in_the_console_and_problems_in_the_api() {
    let (house, token) = TestApp::set_up().await;
    let (page, problem) = ("text/html; charset=utf-8", "application/problem+json");
    let long = format!("/{}", "x".repeat(5_000));
    for (method, path, length, status, kind) in [
        ("GET", "/nowhere", 0, 404, page),
        ("GET", "/api", 0, 404, problem),
        ("GET", "/api/nowhere", 0, 404, problem),
        ("POST", "/api/v1/nowhere", 0, 404, problem),
        ("GET", "/api/v1/organizations/acme/nowhere", 0, 404, problem),
        ("GET", "/oauth2/nowhere", 0, 404, problem),
        ("GET", "/access/v1/nowhere", 0, 404, problem),
        ("GET", "/.well-known/nowhere", 0, 404, problem),
        ("GET", "/assets/nowhere", 0, 404, page),
        ("DELETE", "/sign-in", 0, 405, page),
        ("DELETE", "/healthz", 0, 405, page),
        ("DELETE", "/api/docs", 0, 405, problem),
        ("DELETE", "/api/v1/organizations/acme/teams", 0, 405, problem),
        ("GET", "/access/v1/evaluation", 0, 405, problem),
        ("GET", "/oauth2/token", 0, 405, problem),
        ("GET", "/oidc/token", 0, 405, problem),
        ("POST", "/sign-in", 99_999_999, 413, page),
        ("POST", "/api/v1/organizations/acme/teams", 99_999_999, 413, problem),
        ("POST", "/oauth2/introspect", 99_999_999, 413, problem),
        ("GET", long.as_str(), 0, 422, page),
        ("GET", &format!("/api{long}"), 0, 422, problem),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_LENGTH, length)
            .header("sec-fetch-site", "same-origin");
        let answer = house.send(request.body(Body::empty()).expect("a request")).await;
        let path = &path[..path.len().min(60)];
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], kind, "{method} {path}");
    }
}

#[tokio::test]
async fn signing_in_over_plain_http_from_afar_is_refused() {
    let (house, _) = TestApp::set_up().await;
    let request = Request::get("/sign-in").header(header::HOST, "tessera.acme.test:8080");
    let answer = house.send(request.body(Body::empty()).expect("a request")).await;
    assert!(answer.text.contains("Signing in requires HTTPS") && !answer.text.contains("type=\"password\""));
}
