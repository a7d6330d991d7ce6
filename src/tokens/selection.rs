//! Actions on several tokens of a list: regenerate them with one overlap, extend or revoke them. One page asks
//! and says what will stop, another one shows the result of each token.
//!
//! The sections load the tokens, and call their own operations for each.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::model::{Lifetime, LifetimeChoice, Status, Token, choices, chosen};
use super::one_time_secret::{self, SecretOf};
use super::pages::{mark_as_revealing, renewal};
use crate::access::TokenKind;
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::text::string_enum;
use crate::platform::web::{Form, html, redirect};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::state::AppState;
use crate::ui::{ConsolePath, Layout, Results, RowResult, ShownResult, filters, refused, show_results};
use crate::usage::model::total;
use crate::usage::store as usage;

string_enum! {
    /// What is done with the selected tokens.
    SelectedAction {
        /// Each gets a new value.
        Regenerate = "regenerate",
        /// Each gets a later expiry.
        Extend = "extend",
        /// Each is revoked.
        Revoke = "revoke",
    }
}

impl SelectedAction {
    /// Reads the field `do`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for any other word.
    pub fn read(form: &Form) -> Result<Self> {
        form.text("do").parse().map_err(|_| Error::NotFound)
    }

    /// The verb, as a title and a button begin with it.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Regenerate => "Regenerate",
            Self::Extend => "Extend",
            Self::Revoke => "Revoke",
        }
    }

    /// The verb for one token. A service token is an object of its own, which is deleted.
    const fn verb_for_one(self, kind: TokenKind) -> &'static str {
        match (self, kind) {
            (Self::Revoke, TokenKind::ServiceToken) => "Delete",
            _ => self.verb(),
        }
    }

    const fn participle(self) -> &'static str {
        match self {
            Self::Regenerate => "regenerated",
            Self::Extend => "extended",
            Self::Revoke => "revoked",
        }
    }

    /// Why the action is not possible for a token; `None` if it is.
    fn why_not(self, token: &Token, now: Timestamp) -> Option<&'static str> {
        match self {
            Self::Extend => token.why_not_extend(now),
            Self::Regenerate | Self::Revoke => {
                (token.status(now) == Status::Revoked).then_some("It is already revoked.")
            }
        }
    }
}

/// The list whose tokens are selected.
#[derive(Clone, Debug)]
pub struct SelectedFrom {
    /// The section of the sidebar.
    pub section: &'static str,
    /// The kind of the tokens.
    pub kind: TokenKind,
    /// What the tokens are called, in singular and plural.
    pub nouns: (&'static str, &'static str),
    /// The text of the link back to the list.
    pub back: String,
    /// The path of the list.
    pub list: ConsolePath,
    /// The path that the form is posted to.
    pub selected: ConsolePath,
}

/// A selected token, with the number of its calls in the last 30 days.
#[derive(Clone, Debug)]
struct Selected {
    token: Token,
    calls: i64,
}

#[derive(Template)]
#[template(path = "tokens/selected.html")]
struct SelectedPage {
    layout: Layout,
    from: SelectedFrom,
    action: SelectedAction,
    tokens: Vec<Selected>,
    left_out: Vec<(String, &'static str)>,
    lifetimes: Vec<LifetimeChoice>,
    lifetime: String,
    lifetime_date: String,
    overlap: String,
}

impl SelectedPage {
    /// The calls of all selected tokens in the last 30 days.
    fn calls(&self) -> i64 {
        self.tokens.iter().map(|selected| selected.calls).sum()
    }

    /// The label of the button: the verb and what is selected.
    fn button(&self) -> String {
        match self.tokens.len() {
            1 => format!("{} {}", self.action.verb_for_one(self.from.kind), self.from.nouns.0),
            many => format!("{} {many} {}", self.action.verb(), self.from.nouns.1),
        }
    }
}

/// Asks before the selected tokens are changed.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn ask(
    app: &AppState,
    caller: &ConsoleCaller,
    (from, action, tokens): (SelectedFrom, SelectedAction, Vec<Token>),
    form: &Form,
    (status, errors): (StatusCode, ValidationErrors),
) -> Result<Response> {
    let now = app.context.clock.now();
    let (mut possible, mut left_out) = (Vec::new(), Vec::new());
    for token in tokens {
        if let Some(reason) = action.why_not(&token, now) {
            left_out.push((token.name, reason));
        } else {
            let calls = total(&usage::recent_addresses_of_token(&app.context, token.id).await?);
            possible.push(Selected { token, calls });
        }
    }
    let (one, many) = from.nouns;
    let title = match possible.as_slice() {
        [] => format!("No {one} to {}", action.word()),
        [only] => format!("{} {}?", action.verb_for_one(from.kind), only.token.name),
        several => format!("{} {} {many}?", action.verb(), several.len()),
    };
    let policy = &caller.member.organization.policy;
    let page = SelectedPage {
        layout: Layout::of(app, caller, from.section, title).await?.with_errors(errors),
        lifetimes: choices(policy, from.kind, now),
        from,
        action,
        tokens: possible,
        left_out,
        lifetime: form.text("lifetime"),
        lifetime_date: form.text("lifetime_date"),
        overlap: form.text("overlap"),
    };
    Ok(html(status, &page))
}

/// The operations of a section on one of its tokens.
pub trait TokenOperations {
    /// Gives the token a new value, which waits for its page.
    fn regenerate(&self, token: &Token, renewal: &super::model::Renewal) -> impl Future<Output = Result<()>>;
    /// Gives the token a later expiry.
    fn extend(&self, token: &Token, lifetime: &Lifetime) -> impl Future<Output = Result<()>>;
    /// Revokes the token.
    fn revoke(&self, token: &Token) -> impl Future<Output = Result<()>>;
    /// The page that shows the new value of one token.
    fn reveal(&self, token: &Token) -> ConsolePath;
}

/// Changes the selected tokens, each in a transaction of its own. A mistake in the form is found with the
/// first token, before anything is changed: the page then asks again.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn change(
    app: &AppState,
    caller: &ConsoleCaller,
    (from, action, tokens): (SelectedFrom, SelectedAction, Vec<Token>),
    form: &Form,
    operations: &impl TokenOperations,
) -> Result<Response> {
    let now = app.context.clock.now();
    let renewal = renewal(form, now);
    let lifetime = chosen(&form.text("lifetime"), &form.text("lifetime_date"), now);
    let mut rows = Vec::new();
    for token in &tokens {
        let result = match action {
            SelectedAction::Regenerate => operations.regenerate(token, &renewal).await,
            SelectedAction::Extend => operations.extend(token, &lifetime).await,
            SelectedAction::Revoke => operations.revoke(token).await,
        };
        match result {
            Err(error @ Error::Invalid(_)) if rows.is_empty() => {
                let refused = refused(error)?;
                return ask(app, caller, (from, action, tokens), form, refused).await;
            }
            result => rows.push(RowResult::of(&token.id, &token.name, result)?),
        }
    }
    let session = &caller.signed_in.session;
    if let ([token], [RowResult { problem: None, .. }]) = (tokens.as_slice(), rows.as_slice()) {
        if action == SelectedAction::Regenerate {
            return Ok(redirect(operations.reveal(token)));
        }
        let done = match (action, from.kind) {
            (SelectedAction::Revoke, TokenKind::ServiceToken) => "deleted",
            _ => action.participle(),
        };
        flash(session, format!("{} is {done}.", token.name)).await?;
        return Ok(redirect(from.list));
    }
    if rows.is_empty() {
        return ask(app, caller, (from, action, tokens), form, (StatusCode::OK, ValidationErrors::default()))
            .await;
    }
    let results = Results { list: from.list.to_string(), done: action.participle().to_owned(), rows };
    results.keep(session).await?;
    Ok(redirect(from.selected.results()))
}

/// Shows what happened to each token. New values are shown once.
///
/// # Errors
/// [`Error::NotFound`] without results; otherwise an error of the database.
pub async fn results(app: &AppState, caller: &ConsoleCaller, from: &SelectedFrom) -> Result<Response> {
    let session = &caller.signed_in.session;
    let results = Results::read(session, &from.list).await?;
    let mut rows = Vec::new();
    for result in results.rows.clone() {
        let value = match result.id.parse() {
            Ok(id) if result.problem.is_none() => {
                let of = SecretOf::token(id, &result.name);
                one_time_secret::take(&app.context, caller.into(), &of).await?
            }
            _ => None,
        };
        rows.push(ShownResult { result, value });
    }
    let layout = Layout::of(app, caller, from.section, results.title(from.nouns)).await?;
    let reveals = rows.iter().any(|row| row.value.is_some());
    let mut response = show_results(layout, results, rows);
    if reveals {
        mark_as_revealing(&mut response, &app.context);
    }
    Ok(response)
}
