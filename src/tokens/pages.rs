//! The one page that shows a value, once.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, SET_COOKIE};
use axum::response::Response;
use zeroize::Zeroizing;

use crate::identity::{App, ConsoleCaller, reveal};
use crate::platform::Result;
use crate::platform::id::TokenId;
use crate::platform::web::html;
use crate::shell::Shell;

/// What the page says around the value.
#[derive(Debug)]
pub struct About {
    /// The section that the token lies in.
    pub section: &'static str,
    /// What the value is called: `API key`.
    pub what: &'static str,
    /// Whose it is.
    pub name: String,
    /// Facts beneath it: label and text.
    pub facts: Vec<(&'static str, String)>,
    /// Where *Done* leads.
    pub done: String,
    /// Where a lost value is replaced.
    pub regenerate: String,
}

#[derive(Template)]
#[template(path = "tokens/reveal.html")]
struct RevealPage {
    shell: Shell,
    about: About,
    value: Option<Zeroizing<String>>,
}

/// The cookie whose coming and going throws the page out of the browser's
/// back/forward cache, which `no-store` alone does not.
const MARK: &str = "tessera-reveal=1; Path=/; HttpOnly; SameSite=Lax";

/// Shows the value if it was not shown before.
///
/// # Errors
/// When the database cannot.
pub async fn show(app: &App, caller: &ConsoleCaller, token: TokenId, about: About) -> Result<Response> {
    let value = reveal::take(app, &caller.signed_in.session, token).await?;
    let title = format!("{} for {}", about.what, about.name);
    let shell = Shell::of(app, caller, about.section, title).await?;
    let (status, shown) = if value.is_some() { (StatusCode::OK, true) } else { (StatusCode::GONE, false) };
    let mut response = html(status, &RevealPage { shell, about, value });
    if shown {
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(MARK));
    }
    Ok(response)
}

/// Takes the mark away with the next page, which evicts the one that showed
/// the value.
pub async fn unmark(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let cookies = request.headers().get_all(axum::http::header::COOKIE).iter();
    let marked =
        cookies.filter_map(|value| value.to_str().ok()).any(|value| value.contains("tessera-reveal=1"));
    let mut response = next.run(request).await;
    if marked {
        let gone = "tessera-reveal=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
        let shows = response.headers().get_all(SET_COOKIE).iter().any(|value| value == MARK);
        if !shows {
            response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(gone));
        }
    }
    response
}
