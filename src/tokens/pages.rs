//! The pages that tokens of every kind share: the one that shows a value, once;
//! the card of a holder with one token; the questions before a new value and
//! before the end.

use askama::Template;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use tower_sessions::Session;
use zeroize::Zeroizing;

use super::model::{LifetimeChoice, Renewal, Token, choices, chosen, usual};
use super::one_time_secret;
use super::one_time_secret::PageVisitor;
use super::store::{self, Calls};
use crate::access::{Policy, TokenKind};
use crate::platform::Context;
use crate::platform::id::TokenId;
use crate::platform::web::cookie::{self, CookieLifetime};
use crate::platform::web::{Form, html};
use crate::platform::{Result, Timestamp, ValidationErrors};
use crate::state::AppState;
use crate::ui::Layout;
use crate::ui::filters;

/// What the page says around the value.
#[derive(Debug)]
pub struct About {
    /// What the value is called: `API key`.
    pub what: &'static str,
    /// TokenOwner it is.
    pub name: String,
    /// Facts beneath it: label and text.
    pub facts: Vec<(&'static str, String)>,
    /// Where *Done* leads.
    pub done: String,
    /// Where a lost value is replaced.
    pub regenerate: String,
}

/// What the page shows to try the value with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Example {
    /// The token asks who it is.
    WhoAmI,
    /// The service asks about a token.
    Introspection,
}

#[derive(Template)]
#[template(path = "tokens/reveal.html")]
struct RevealPage {
    shell: Layout,
    about: About,
    example: Example,
    value: Option<Zeroizing<String>>,
}

/// The cookie whose coming and going throws the page out of the browser's
/// back/forward cache, which `no-store` alone does not.
const MARK: &str = "tessera-reveal";

#[derive(Template)]
#[template(path = "tokens/hidden.html")]
struct HiddenPage {
    path: String,
}

/// The route of a page that shows a value. `HEAD`, which link checkers and
/// previews send, does not take the value out of its slot; nor does a request
/// that is not a person's own step from a page of this site.
pub fn reveal_route<H, T>(handler: H) -> MethodRouter<AppState>
where
    H: Handler<T, AppState>,
    T: 'static,
{
    get(handler).head(async || StatusCode::OK).layer(from_fn(hide))
}

/// Answers a browser that looks ahead, and one that was sent by another site or
/// has nobody in front of it, without the value.
async fn hide(request: Request, next: Next) -> Response {
    match one_time_secret::page_visitor(request.headers()) {
        PageVisitor::Person => next.run(request).await,
        // A browser throws away what it fetched ahead and was refused, and asks again in earnest.
        PageVisitor::Prefetch => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        PageVisitor::Elsewhere => {
            html(StatusCode::FORBIDDEN, &HiddenPage { path: request.uri().path().to_owned() })
        }
    }
}

/// Shows the value if it was not shown before. The shell's title is set here.
///
/// # Errors
/// When the database cannot.
pub async fn show(
    app: &AppState,
    session: &Session,
    shell: Layout,
    token: TokenId,
    about: About,
) -> Result<Response> {
    show_with(app, session, shell, token, (about, Example::WhoAmI)).await
}

/// The same for the secret of a service, which asks about the tokens of others.
///
/// # Errors
/// When the database cannot.
pub async fn show_secret(
    app: &AppState,
    session: &Session,
    shell: Layout,
    token: TokenId,
    about: About,
) -> Result<Response> {
    show_with(app, session, shell, token, (about, Example::Introspection)).await
}

async fn show_with(
    app: &AppState,
    session: &Session,
    shell: Layout,
    token: TokenId,
    (about, example): (About, Example),
) -> Result<Response> {
    let value = one_time_secret::take(&app.context, session, token).await?;
    let shell = Layout { title: format!("{} for {}", about.what, about.name), ..shell };
    let (status, shown) = if value.is_some() { (StatusCode::OK, true) } else { (StatusCode::GONE, false) };
    let mut response = html(status, &RevealPage { shell, about, example, value });
    if shown {
        cookie::set(&mut response, &app.context.config, (MARK, "1"), CookieLifetime::Session);
    }
    Ok(response)
}

/// When a token ends, as a fact beneath its value.
#[must_use]
pub fn stops(end: Option<Timestamp>) -> (&'static str, String) {
    ("Stops", end.map_or_else(|| "Never".to_owned(), Timestamp::minute))
}

/// Takes the mark away with the next page, which evicts the one that showed
/// the value.
pub async fn unmark(State(context): State<Context>, request: Request, next: Next) -> Response {
    let marked = cookie::get(request.headers(), MARK) == Some("1");
    let mut response = next.run(request).await;
    if marked {
        let mut all = response.headers().get_all(SET_COOKIE).iter();
        let shows = all.any(|value| value.as_bytes().starts_with(b"tessera-reveal=1;"));
        if !shows {
            cookie::set(&mut response, &context.config, (MARK, ""), CookieLifetime::Gone);
        }
    }
    response
}

/// The card of a holder with one token at most.
#[derive(Clone, Debug)]
pub struct Card {
    /// The token, while there is one.
    pub token: Option<Token>,
    /// What it is called: `Team API token`.
    pub what: &'static str,
    /// The holder's name.
    pub name: String,
    /// The address of the page that the card is on.
    pub base: String,
    /// Whether the one who looks may generate, regenerate and delete.
    pub may_manage: bool,
    /// Who may, for those who may not.
    pub who_may: &'static str,
    /// What to choose from.
    pub lifetimes: Vec<LifetimeChoice>,
    /// What was chosen.
    pub lifetime: String,
    /// The date beside it.
    pub lifetime_date: String,
}

impl Card {
    /// With the lifetimes that the policy allows, and what the form chose.
    #[must_use]
    pub fn choosing(mut self, policy: &Policy, kind: TokenKind, now: Timestamp, form: &Form) -> Self {
        self.lifetimes = choices(policy, kind, now);
        self.lifetime = form.filled("lifetime").unwrap_or_else(|| usual(policy, kind));
        self.lifetime_date = form.text("lifetime_date");
        self
    }
}

/// What a question is about, and where its answers lead.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The token.
    pub token: Token,
    /// Where it came from: label and address.
    pub back: (String, String),
    /// Where the form goes.
    pub action: String,
    /// What the button says.
    pub button: &'static str,
}

#[derive(Template)]
#[template(path = "tokens/regenerate.html")]
struct RegeneratePage {
    shell: Layout,
    question: Confirmation,
    lifetimes: Vec<LifetimeChoice>,
    lifetime: String,
    lifetime_date: String,
    overlap: String,
    mistakes: ValidationErrors,
}

/// Asks how a new value is to be made.
#[must_use]
pub fn ask_regenerate(
    shell: Layout,
    status: StatusCode,
    question: Confirmation,
    (policy, form): (&Policy, &Form),
    mistakes: ValidationErrors,
) -> Response {
    let lifetimes = choices(policy, question.token.kind, shell.now.unwrap_or(question.token.created_at));
    let page = RegeneratePage {
        shell,
        question,
        lifetimes,
        lifetime: form.text("lifetime"),
        lifetime_date: form.text("lifetime_date"),
        overlap: form.text("overlap"),
        mistakes,
    };
    html(status, &page)
}

/// Reads the answer to [`ask_regenerate`], or the form of [`Card`].
#[must_use]
pub fn renewal(form: &Form, now: Timestamp) -> Renewal {
    Renewal {
        lifetime: chosen(&form.text("lifetime"), &form.text("lifetime_date"), now),
        overlap: form.text("overlap"),
    }
}

#[derive(Template)]
#[template(path = "tokens/end.html")]
struct EndPage {
    shell: Layout,
    question: Confirmation,
    calls: Vec<Calls>,
    mistakes: ValidationErrors,
}

/// Asks whether a token is to end, and says what uses it.
///
/// # Errors
/// When the database cannot.
pub async fn ask_end(
    app: &AppState,
    shell: Layout,
    status: StatusCode,
    question: Confirmation,
    mistakes: ValidationErrors,
) -> Result<Response> {
    let calls = store::calls(&app.context, question.token.id).await?;
    Ok(html(status, &EndPage { shell, question, calls, mistakes }))
}

/// How often, all addresses together.
#[must_use]
pub fn total(calls: &[Calls]) -> i64 {
    calls.iter().map(|each| each.calls).sum()
}
