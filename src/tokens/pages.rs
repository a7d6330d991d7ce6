//! Pages that the tokens of all kinds share: the page that shows a value once, the card of an owner with at
//! most one token, and the confirmations before a regeneration and a revocation.
//!
//! The sections call these functions after they have authorized the request. A value must not remain in the
//! browser's caches; see `REVEAL_COOKIE`.

use askama::Template;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use zeroize::Zeroizing;

use super::model::{LifetimeChoice, Renewal, Token, TokenInput, choices, chosen, usual};
use super::one_time_secret;
use super::one_time_secret::{PageVisitor, SecretOf, SecretReader};
use crate::access::{Level, Permissions, Policy, TokenKind};
use crate::platform::web::cookie::{self, CookieLifetime};
use crate::platform::web::{Form, html};
use crate::platform::{Context, Error, Result, Timestamp, ValidationErrors};
use crate::state::AppState;
use crate::ui::{ConsolePath, Dialog, Layout, LevelRow, filters, level_rows};
use crate::usage::model::CallsBy;
use crate::usage::store as usage;

/// The permissions to which a form limits a new token, with the rows of its selects.
#[derive(Clone, Debug)]
pub struct AccessLimit {
    /// Whether the token is limited to the chosen permissions. Otherwise it can do everything that its owner can.
    pub is_limited: bool,
    /// The levels of access in projects.
    pub project: Vec<LevelRow>,
    /// The levels of access in the organization.
    pub organization: Vec<LevelRow>,
    chosen: Permissions,
}

impl AccessLimit {
    /// Reads the fields `access` and, several times, `permission`.
    #[must_use]
    pub fn read(form: &Form) -> Self {
        let chosen: Permissions = form.all("permission").filter_map(|word| word.parse().ok()).collect();
        Self {
            is_limited: form.text("access") == "limited",
            project: level_rows(chosen, Level::Project),
            organization: level_rows(chosen, Level::Organization),
            chosen,
        }
    }

    /// The permissions to which the token is limited; `None` for everything that its owner can do.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the token is limited to nothing.
    pub fn permissions(&self) -> Result<Option<Permissions>> {
        match (self.is_limited, self.chosen.is_empty()) {
            (false, _) => Ok(None),
            (true, false) => Ok(Some(self.chosen)),
            (true, true) => {
                Err(Error::Invalid(ValidationErrors::one("permissions", "Choose at least one permission.")))
            }
        }
    }
}

/// Reads the form of a new personal token or API key.
///
/// # Errors
/// [`Error::Invalid`] if the token is limited to nothing.
pub fn new_token(form: &Form, now: Timestamp) -> Result<TokenInput> {
    Ok(TokenInput {
        name: form.text("name"),
        lifetime: chosen(&form.text("lifetime"), &form.text("lifetime_date"), now),
        allowed_addresses: form.text("allowed_addresses"),
        permissions: AccessLimit::read(form).permissions()?,
        ..TokenInput::default()
    })
}

/// The texts around a value on the page that shows it.
#[derive(Debug)]
pub struct RevealTexts {
    /// What the value is called, such as `API key`.
    pub what: &'static str,
    /// Name of the token's owner or of the token, for the page title.
    pub name: String,
    /// Facts below the value: label and text.
    pub facts: Vec<(&'static str, String)>,
    /// Path that the button *Done* leads to.
    pub done: ConsolePath,
    /// Path of the page on which a lost value can be regenerated.
    pub regenerate: ConsolePath,
}

/// The example request that the page shows for trying the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Example {
    /// `whoami`: the token looks up its own identity.
    WhoAmI,
    /// Introspection: the service verifies a token of somebody else.
    Introspection,
}

#[derive(Template)]
#[template(path = "tokens/reveal.html")]
struct RevealDialog<'a> {
    layout: &'a Layout,
    texts: RevealTexts,
    token: &'a Token,
    snippets: Vec<(&'static str, String)>,
    value: Option<Zeroizing<String>>,
}

/// A page with nothing but the dialog in its layout.
#[derive(Template)]
#[template(path = "tokens/revealed.html")]
struct RevealedPage {
    layout: Layout,
}

/// A value that was read and now has to reach the person: the layout of a page, with the dialog that shows the
/// value over it.
#[derive(Debug)]
#[must_use = "the value is lost unless a page shows it"]
pub struct Revealed {
    /// The layout for the page behind the dialog.
    pub layout: Layout,
    /// Whether the value waited. Otherwise the dialog says that it is gone.
    has_value: bool,
}

impl Revealed {
    /// The response, with the page behind the dialog, which was rendered with [`Self::layout`]: 200, or 410 if the
    /// value is gone. If that page failed, the dialog stands alone, because its value can never be shown again.
    #[must_use]
    pub fn over(self, behind: Result<Response>, context: &Context) -> Response {
        let status = if self.has_value { StatusCode::OK } else { StatusCode::GONE };
        let mut response = match behind {
            Ok(page) if page.status() == StatusCode::OK => page,
            _ => html(status, &RevealedPage { layout: self.layout }),
        };
        *response.status_mut() = status;
        if self.has_value {
            mark_as_revealing(&mut response, context);
        }
        response
    }
}

impl Example {
    /// Commands and settings that use the value: label and text. None contains the value, so that they can be
    /// copied into files and tickets.
    fn snippets(self, public_url: &str) -> Vec<(&'static str, String)> {
        let all: &[(&str, &str)] = match self {
            Self::WhoAmI => {
                &[("curl", CURL), (".env", ENV), ("GitHub Actions", GITHUB), ("Kubernetes", KUBERNETES)]
            }
            Self::Introspection => &[("curl", INTROSPECT), (".env", ENV)],
        };
        all.iter().map(|(label, text)| (*label, text.replace("URL", public_url))).collect()
    }
}

const CURL: &str = r#"export TESSERA_TOKEN=…   # paste the value
curl -H "Authorization: Bearer $TESSERA_TOKEN" \
     URL/api/v1/whoami"#;

const ENV: &str = "# “Download .env” saves this file with the value
TESSERA_TOKEN=…";

const GITHUB: &str = r#"# gh secret set TESSERA_TOKEN   (asks for the value)
env:
  TESSERA_TOKEN: ${{ secrets.TESSERA_TOKEN }}
steps:
  - run: |
      curl -H "Authorization: Bearer $TESSERA_TOKEN" \
           URL/api/v1/whoami"#;

const KUBERNETES: &str = "# kubectl create secret generic tessera --from-env-file=FILE.env
envFrom:
  - secretRef:
      name: tessera";

const INTROSPECT: &str = r#"export SERVICE_SECRET=…   # paste the value
export TOKEN=…            # a token that your service was sent
curl -H "Authorization: Bearer $SERVICE_SECRET" \
     -d "token=$TOKEN" URL/oauth2/introspect"#;

/// Name of a cookie that is set with the page that shows a value and removed with the next page. A change of
/// cookies evicts the page from the browser's back/forward cache, which `Cache-Control: no-store` alone does
/// not do.
const REVEAL_COOKIE: &str = "tessera-reveal";

#[derive(Template)]
#[template(path = "tokens/hidden.html")]
struct HiddenPage {
    path: String,
}

/// The route of a page that shows a value. `HEAD` requests (link checkers, previews) do not read the one-time
/// secret, nor do requests that are not a person's navigation from a page of this site.
pub fn reveal_route<H, T>(handler: H) -> MethodRouter<AppState>
where
    H: Handler<T, AppState>,
    T: 'static,
{
    get(handler).head(async || StatusCode::OK).layer(from_fn(hide))
}

/// Middleware that responds to prefetches and to requests from elsewhere without running the handler, so that
/// the one-time secret is not read.
async fn hide(request: Request, next: Next) -> Response {
    match one_time_secret::page_visitor(request.headers()) {
        PageVisitor::Person => next.run(request).await,
        // A browser discards a failed prefetch and sends the request again when the person opens the page.
        PageVisitor::Prefetch => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        PageVisitor::Elsewhere => {
            html(StatusCode::FORBIDDEN, &HiddenPage { path: request.uri().path().to_owned() })
        }
    }
}

/// Reads the value, if it was not shown before, and puts it into a dialog over a page with this layout.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn show(
    app: &AppState,
    reader: SecretReader<'_>,
    layout: Layout,
    token: &Token,
    texts: RevealTexts,
) -> Result<Revealed> {
    show_with(app, reader, layout, token, (texts, Example::WhoAmI)).await
}

/// As [`show`], for the secret of a service. The example request verifies the token of somebody else.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn show_service_secret(
    app: &AppState,
    reader: SecretReader<'_>,
    layout: Layout,
    token: &Token,
    texts: RevealTexts,
) -> Result<Revealed> {
    show_with(app, reader, layout, token, (texts, Example::Introspection)).await
}

async fn show_with(
    app: &AppState,
    reader: SecretReader<'_>,
    layout: Layout,
    token: &Token,
    (texts, example): (RevealTexts, Example),
) -> Result<Revealed> {
    let of = SecretOf::token(token.id, &texts.name);
    let value = one_time_secret::take(&app.context, reader, &of).await?;
    let title = format!("{} for {}", texts.what, texts.name);
    let (has_value, snippets) = (value.is_some(), example.snippets(&layout.public_url));
    let dialog = Dialog::new(title, &RevealDialog { layout: &layout, texts, token, snippets, value })?;
    Ok(Revealed { layout: Layout { dialog: Some(dialog), ..layout }, has_value })
}

/// Marks a response that shows a value, so that the next page evicts it from the browser's back/forward cache.
pub fn mark_as_revealing(response: &mut Response, context: &Context) {
    cookie::set(response, &context.config, (REVEAL_COOKIE, "1"), CookieLifetime::Session);
}

/// The expiry of a token as a fact for [`RevealTexts::facts`].
#[must_use]
pub fn expiry_fact(end: Option<Timestamp>) -> (&'static str, String) {
    ("Expires", end.map_or_else(|| "Never".to_owned(), Timestamp::minute))
}

/// Middleware for all pages: removes the cookie `REVEAL_COOKIE` with the page after the one that showed a value, so
/// that the browser evicts that page.
pub async fn clear_reveal_cookie(State(context): State<Context>, request: Request, next: Next) -> Response {
    let marked = cookie::get(request.headers(), REVEAL_COOKIE) == Some("1");
    let mut response = next.run(request).await;
    if marked {
        let mut all = response.headers().get_all(SET_COOKIE).iter();
        let shows = all.any(|value| value.as_bytes().starts_with(b"tessera-reveal=1;"));
        if !shows {
            cookie::set(&mut response, &context.config, (REVEAL_COOKIE, ""), CookieLifetime::Gone);
        }
    }
    response
}

/// The card of an owner with at most one token.
#[derive(Clone, Debug)]
pub struct Card {
    /// The current token, if there is one.
    pub token: Option<Token>,
    /// What the token is called, such as `Team API token`.
    pub what: &'static str,
    /// Name of the owner.
    pub name: String,
    /// Path of the page that contains the card.
    pub path: ConsolePath,
    /// Whether the caller is allowed to generate, regenerate and delete the token.
    pub may_manage: bool,
    /// Who is allowed to do that, shown to those who are not.
    pub who_may: &'static str,
    /// Options of the lifetime select.
    pub lifetimes: Vec<LifetimeChoice>,
    /// Selected option.
    pub lifetime: String,
    /// Value of the date input beside the select.
    pub lifetime_date: String,
}

impl Card {
    /// Fills in the lifetimes that the policy allows, and what the form selected.
    #[must_use]
    pub fn choosing(mut self, policy: &Policy, kind: TokenKind, now: Timestamp, form: &Form) -> Self {
        self.lifetimes = choices(policy, kind, now);
        self.lifetime = form.filled("lifetime").unwrap_or_else(|| usual(policy, kind));
        self.lifetime_date = form.text("lifetime_date");
        self
    }
}

/// A change of a token that its page asks to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// A new value for the same token.
    Regenerate,
    /// The end of the token.
    Delete,
}

impl TokenChange {
    /// The first word of the title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Regenerate => "Regenerate",
            Self::Delete => "Delete",
        }
    }

    /// The label of the submit button.
    #[must_use]
    pub fn button(self) -> &'static str {
        match self {
            Self::Regenerate => "Regenerate token",
            Self::Delete => "Delete token",
        }
    }

    /// The path of the confirmation, below that of the token.
    #[must_use]
    pub fn path(self, token: &ConsolePath) -> ConsolePath {
        match self {
            Self::Regenerate => token.regenerate(),
            Self::Delete => token.delete(),
        }
    }
}

/// Content of a confirmation page.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The token to regenerate or revoke.
    pub token: Token,
    /// Link back to the previous page: label and path.
    pub back: (String, ConsolePath),
    /// Path that the form is posted to.
    pub action: ConsolePath,
    /// Label of the submit button.
    pub button: &'static str,
}

#[derive(Template)]
#[template(path = "tokens/regenerate.html")]
struct RegeneratePage {
    layout: Layout,
    question: Confirmation,
    lifetimes: Vec<LifetimeChoice>,
    lifetime: String,
    lifetime_date: String,
    overlap: String,
}

/// Renders the form for a regeneration: lifetime and overlap.
#[must_use]
pub fn ask_regenerate(
    layout: Layout,
    status: StatusCode,
    question: Confirmation,
    (policy, form): (&Policy, &Form),
    errors: ValidationErrors,
) -> Response {
    let lifetimes = choices(policy, question.token.kind, layout.now.unwrap_or(question.token.created_at));
    let page = RegeneratePage {
        layout: layout.with_errors(errors),
        question,
        lifetimes,
        lifetime: form.text("lifetime"),
        lifetime_date: form.text("lifetime_date"),
        overlap: form.text("overlap"),
    };
    html(status, &page)
}

/// Reads the form of [`ask_regenerate`] or of [`Card`].
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
    layout: Layout,
    question: Confirmation,
    calls: Vec<CallsBy>,
}

/// Renders the confirmation before a revocation, with the IP addresses that used the token in the last 30
/// days.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn ask_end(
    app: &AppState,
    layout: Layout,
    status: StatusCode,
    question: Confirmation,
    errors: ValidationErrors,
) -> Result<Response> {
    let calls = usage::recent_addresses_of_token(&app.context, question.token.id).await?;
    Ok(html(status, &EndPage { layout: layout.with_errors(errors), question, calls }))
}
