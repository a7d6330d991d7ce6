//! What every answer says to browsers, and what they are not led to do.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};

async fn ask(house: &TestApp, path: &str, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header(header::HOST, "localhost").header(header::COOKIE, cookie);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_value_is_shown_only_to_who_comes_from_a_page_of_this_site() {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let cookie = house.sign_in("olive").await;
    let tab = "/orgs/acme/settings/teams/platform/api-token";
    let path = format!("{tab}/reveal");
    let from_here =
        [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let ahead = [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ];
    let elsewhere = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "no-cors"),
    ];
    assert_eq!(house.form(&cookie, tab, &[("lifetime", "30")]).await.location(), path);
    for header in ahead {
        let headers = [&from_here[..], &[header]].concat();
        let answer = ask(&house, &path, &cookie, &headers).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{header:?}");
        assert!(!answer.text.contains("tsrt_"), "{header:?}");
    }
    for header in elsewhere {
        let answer = ask(&house, &path, &cookie, &[header]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{header:?}");
        assert!(answer.text.contains(&format!("href=\"{path}\"")) && !answer.text.contains("tsrt_"));
    }
    let shown = ask(&house, &path, &cookie, &from_here).await;
    assert!(shown.status == StatusCode::OK && shown.text.contains("tsrt_"), "{}", shown.text);
    assert_eq!(ask(&house, &path, &cookie, &from_here).await.status, StatusCode::GONE);
    // A browser that says nothing of all this.
    let again = house.form(&cookie, &format!("{tab}/regenerate"), &[("lifetime", "30")]).await;
    assert_eq!(again.location(), path, "{}", again.text);
    assert!(ask(&house, &path, &cookie, &[]).await.text.contains("tsrt_"));
}

#[tokio::test]
async fn the_command_beside_a_service_secret_works() {
    let (house, olive) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let all = "/orgs/acme/settings/services";
    let made = house.form(&cookie, all, &[("name", "api"), ("accepted_kinds", "personal")]).await;
    let page = house.page(&cookie, made.location()).await.text;
    let command =
        page.split("<code>export ").nth(1).expect("a command").split("</code>").next().expect("all");
    assert!(command.contains("/oauth2/introspect") && !command.contains("whoami"), "{command}");
    assert!(command.contains("Authorization: Bearer $SERVICE_SECRET"), "{command}");
    assert!(command.contains("token=$TOKEN"), "{command}");
    let secret = page.split("value=\"tsrr_").nth(1).expect("a secret").split('"').next().expect("an end");
    let bearer = format!("Bearer tsrr_{secret}");
    let answer = house.oauth("/oauth2/introspect", &[("authorization", &bearer)], &[("token", &olive)]).await;
    assert_eq!((answer.status, answer.json()["active"].clone()), (StatusCode::OK, json!(true)));
}

/// Every `Set-Cookie` of an answer.
fn cookies(answer: &Answer) -> Vec<String> {
    let all = answer.headers.get_all(header::SET_COOKIE).iter();
    all.map(|value| value.to_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn every_cookie_is_secure_on_https_and_never_readable_by_scripts() {
    for (settings, https) in [(&[("public_url", "https://id.acme.test")][..], true), (&[], false)] {
        let (house, _) = TestApp::set_up_with(settings).await;
        let fields = [("email", "olive@acme.test"), ("password", crate::harness::PASSWORD)];
        let signed_in = house.form("", "/sign-in", &fields).await;
        let given = cookies(&signed_in);
        let pairs = given.iter().map(|cookie| cookie.split(';').next().expect("a pair"));
        let session = pairs.collect::<Vec<_>>().join("; ");
        let theme = house.form(&session, "/theme", &[("theme", "dark")]).await;
        let no_theme = house.form(&session, "/theme", &[("theme", "")]).await;
        let token = house.form(&session, "/account/tokens", &[("name", "t"), ("lifetime", "30")]).await;
        let shown = house.page(&session, token.location()).await;
        let later = house.page(&format!("{session}; tessera-reveal=1"), "/account/profile").await;
        let out = house.form(&session, "/sign-out", &[]).await;
        let all: Vec<String> =
            [&signed_in, &theme, &no_theme, &shown, &later, &out].into_iter().flat_map(cookies).collect();
        for name in ["tessera=", "tessera-device=", "theme=", "tessera-reveal="] {
            assert!(all.iter().any(|cookie| cookie.contains(name)), "{name}: {all:?}");
        }
        for cookie in all {
            assert_eq!(cookie.contains("; Secure"), https, "{cookie}");
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
            assert!(cookie.contains("; Path=/"), "{cookie}");
            let is_of_host = cookie.starts_with("__Host-");
            assert_eq!(is_of_host, https && cookie.starts_with("__Host-tessera"), "{cookie}");
        }
    }
    // No script sets one.
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "js") {
            assert!(!std::fs::read_to_string(&path).expect("read").contains(".cookie"), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn every_answer_of_every_route_has_the_same_policy() {
    let (house, token) = TestApp::set_up().await;
    let cookie = house.sign_in("olive").await;
    let mut answers = Vec::new();
    for path in crate::guard::paths() {
        let path = path.replace("{org}", "acme");
        for method in [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::DELETE] {
            let request = Request::builder()
                .method(&method)
                .uri(path.replace(['{', '}'], ""))
                .header(header::HOST, "localhost")
                .header(header::COOKIE, &cookie)
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header("sec-fetch-site", "same-origin");
            answers.push((
                format!("{method} {path}"),
                house.send(request.body(Body::empty()).expect("one")).await,
            ));
        }
    }
    let style = tessera::platform::web::assets::asset("app.css");
    for path in ["/nowhere", "/assets/none.css", "/api/v1/nowhere", style, "//", "/orgs/%ff", "/%2e%2e/etc"] {
        answers.push((path.to_owned(), house.page(&cookie, path).await));
    }
    let large = Request::post("/sign-in").header(header::CONTENT_LENGTH, "99999999").body(Body::empty());
    answers.push(("too large".to_owned(), house.send(large.expect("a request")).await));
    house.app.context.db.close().await;
    for path in ["/sign-in", "/api/v1/whoami", "/orgs/acme", "/readyz"] {
        answers.push((format!("{path}, without a database"), house.page(&cookie, path).await));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (what, answer) in &answers {
        seen.insert(answer.status.as_u16());
        let all: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
        assert_eq!(all.len(), 1, "{what}");
        let policy = all[0].to_str().expect("text");
        for part in ["default-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert_eq!(all[0], &answers[0].1.headers["content-security-policy"], "{what}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{what}");
    }
    for status in [200, 303, 401, 403, 404, 405, 413, 500, 503] {
        assert!(seen.contains(&status), "{status} was not seen: {seen:?}");
    }
}

#[tokio::test]
async fn no_answer_names_a_type_of_the_program() {
    let (house, olive) = TestApp::set_up().await;
    let document: Value = house.get(&olive, "/openapi.json").await.json();
    let document = if document["paths"].is_object() {
        document
    } else {
        house.page("", "/api/openapi.json").await.json()
    };
    let wrong = [json!(1), json!(-1.5), json!("x"), json!(true), json!([1]), json!({ "x": { "y": [] } })];
    let mut bodies = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let schema = match schema["$ref"].as_str() {
                Some(name) => &document["components"]["schemas"][name.rsplit('/').next().expect("a name")],
                None => schema,
            };
            let mut all: Vec<Value> = wrong.to_vec();
            for name in schema["properties"].as_object().into_iter().flat_map(|all| all.keys()) {
                all.extend(wrong.iter().map(|value| json!({ name: value })));
            }
            for body in all {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                let path = path.replace("{org}", "acme").replace(['{', '}'], "");
                let request = Request::builder()
                    .method(method)
                    .uri(if path.starts_with("/api/") || path.starts_with("/access/") {
                        path.clone()
                    } else {
                        format!("/api/v1{path}")
                    })
                    .header(header::AUTHORIZATION, format!("Bearer {olive}"))
                    .header(header::CONTENT_TYPE, "application/json");
                let answer = house.send(request.body(Body::from(body.to_string())).expect("one")).await;
                if answer.status != StatusCode::UNPROCESSABLE_ENTITY {
                    continue;
                }
                bodies += 1;
                for error in answer.json()["errors"].as_array().expect("errors") {
                    let message = error["message"].as_str().expect("text");
                    let is_sentence = message
                        .starts_with(|c: char| c.is_uppercase() || matches!(c, '“' | '0'..='9'))
                        && message.ends_with('.');
                    assert!(is_sentence, "{path} {body}: {message}");
                    let message = message.replace('`', " ");
                    for word in message.split(|c: char| !c.is_alphanumeric() && c != '_') {
                        let is_type =
                            ["struct", "enum", "variant", "tuple", "u8", "u32", "u64", "i64", "usize", "f64"]
                                .contains(&word)
                                || word.chars().filter(char::is_ascii_uppercase).count() > 1
                                    && word.chars().any(|c| c.is_ascii_lowercase());
                        assert!(!is_type, "{path} {body}: {message}");
                    }
                }
            }
        }
    }
    assert!(bodies > 100, "{bodies}");
}
