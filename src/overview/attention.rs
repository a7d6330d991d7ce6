//! What needs attention in an organization, the most urgent first. Each line has its reason and one action.

use super::attention_store::{self as store, Expiring, OldValue, RefusedPrincipal};
use super::store::{Counts, Row, State};
use crate::access::TokenKind;
use crate::callers::Caller;
use crate::organizations;
use crate::platform::clock::EXPIRES_SOON;
use crate::platform::text::{count, with_commas};
use crate::platform::{Context, Result, Timestamp};
use crate::ui::{ConsolePath, Paths};
use crate::usage::model::Days;
use crate::usage::store as usage;

/// How long after its creation a token that was never used is mentioned.
const NEVER_USED_AFTER: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// One line: what it is about, what is wrong, why, and what to do.
#[derive(Clone, Debug)]
pub struct Item {
    /// The icon, by its id in the sprite.
    pub icon: &'static str,
    /// The colour of the icon: `alert`, `due`, or none.
    pub class: &'static str,
    /// The name of one object, if the line is about one.
    pub name: String,
    /// What is wrong, after the name.
    pub what: String,
    /// Why it matters, or more about it.
    pub reason: String,
    /// The label of the action.
    pub action: &'static str,
    /// The page of the action.
    pub path: ConsolePath,
}

/// Finds what needs attention.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find(
    context: &Context,
    caller: &Caller,
    (counts, expiring): (&Counts, &[Expiring]),
    paths: &Paths,
) -> Result<Vec<Item>> {
    let (db, organization, now) = (&context.db, caller.organization.id, context.clock.now());
    let since_yesterday = Days::last(2, now);
    let (refused, old, never_used, invitations, beyond) = tokio::try_join!(
        store::refused_principals(db, organization, since_yesterday),
        store::old_values_in_use(db, organization, now),
        store::count_never_used(db, organization, (now, now.minus(NEVER_USED_AFTER))),
        store::count_open_invitations(db, organization, now),
        organizations::actions::count_tokens_beyond_policy(context, caller),
    )?;
    let mut items = Vec::new();
    for principal in &refused {
        let history = usage::history_in(db, &principal.id, organization, since_yesterday).await?;
        let reason = history.reasons.first().map(|(outcome, _)| outcome.reason()).unwrap_or_default();
        items.push(Item {
            icon: "circle-alert",
            class: "alert",
            name: principal.name.clone(),
            what: format!("was refused {} since yesterday", times(history.refused())),
            reason: format!("Mostly because {reason}"),
            action: "Review",
            path: principal.path(paths),
        });
    }
    items.extend(first_to_expire(counts, expiring, now, paths));
    items.extend(old.iter().map(|value| old_value(value, now, paths)));
    let of_many = [
        of_many(
            (
                beyond.values().sum(),
                "token lives longer than the policy allows",
                "tokens live longer than the policy allows",
            ),
            ("hourglass", "The policy limits new and regenerated tokens only"),
            ("View policy", paths.general()),
        ),
        of_many(
            (counts.endless, "token never expires", "tokens never expire"),
            ("infinity", "A value that leaks works until somebody notices"),
            ("Review", paths.tokens().with_query("state", State::Endless)),
        ),
        of_many(
            (never_used, "token was never used", "tokens were never used"),
            ("circle-pause", "Created more than a week ago"),
            ("Review", paths.tokens().with_query("state", State::NeverUsed)),
        ),
        of_many(
            (counts.unused, "token has not been used for 90 days", "tokens have not been used for 90 days"),
            ("hourglass", "Revoke what nobody needs"),
            ("Review", paths.tokens().with_query("state", State::Unused)),
        ),
        of_many(
            (invitations, "invitation is open", "invitations are open"),
            ("user-plus", "Whoever has the link can join until it expires"),
            ("View", paths.people()),
        ),
    ];
    items.extend(of_many.into_iter().flatten());
    Ok(items)
}

/// A line about several objects, if there are any: their number with what is wrong, for one and for several.
fn of_many(
    (number, one, many): (i64, &str, &str),
    (icon, reason): (&'static str, &str),
    (action, path): (&'static str, ConsolePath),
) -> Option<Item> {
    let what = match number {
        0 => return None,
        1 => format!("1 {one}"),
        _ => format!("{} {many}", count(number)),
    };
    Some(Item { icon, class: "", name: String::new(), what, reason: reason.to_owned(), action, path })
}

fn times(number: i64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{} times", with_commas(number)),
    }
}

/// The next token that expires, if that is soon, and how many follow.
fn first_to_expire(counts: &Counts, expiring: &[Expiring], now: Timestamp, paths: &Paths) -> Vec<Item> {
    let is_soon = |token: &&Expiring| token.expires_at <= now.plus(EXPIRES_SOON);
    let mut items = Vec::new();
    let Some(next) = expiring.first().filter(is_soon) else { return items };
    items.push(Item {
        icon: "clock-alert",
        class: "due",
        name: next.title().to_owned(),
        what: format!("{} expires {}", noun(next.kind), next.expires_at.relative(now)),
        reason: match next.last_used_at {
            Some(at) => format!("Last used {}", at.relative(now)),
            None => "Never used".to_owned(),
        },
        action: "Regenerate",
        path: next.regenerate_path(paths),
    });
    if counts.expiring > 1 {
        let more = counts.expiring - 1;
        let names: Vec<_> = expiring.iter().skip(1).filter(is_soon).map(Expiring::title).take(3).collect();
        items.push(Item {
            icon: "clock-alert",
            class: "due",
            name: String::new(),
            what: if more == 1 {
                "1 more token expires within 14 days".to_owned()
            } else {
                format!("{} more tokens expire within 14 days", count(more))
            },
            reason: names.join(", "),
            action: "View",
            path: paths.tokens().with_query("state", State::Expiring),
        });
    }
    items
}

/// What a token of this kind is called within a sentence.
fn noun(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::ServiceAccount => "API key",
        TokenKind::Team => "team token",
        TokenKind::Organization => "organization token",
        TokenKind::ServiceToken => "service token",
        TokenKind::Personal | TokenKind::Access | TokenKind::ServiceSecret => "token",
    }
}

fn old_value(value: &OldValue, now: Timestamp, paths: &Paths) -> Item {
    Item {
        icon: "refresh-cw",
        class: "due",
        name: value.token.title().to_owned(),
        what: "still uses its old value".to_owned(),
        reason: format!(
            "Last {}; it stops {}",
            value.old_used_at.relative(now),
            value.old_stops_at.relative(now)
        ),
        action: "View",
        path: value.token.path(paths),
    }
}

impl RefusedPrincipal {
    /// The page that shows the calls.
    fn path(&self, paths: &Paths) -> ConsolePath {
        match &self.team {
            Some(team) => paths.team(team).api_token(),
            None if self.id.starts_with("sa_") => paths.service_account(&self.id).activity(),
            None => paths.service_token(&self.id),
        }
    }
}

/// The page on which a token is managed.
pub(super) fn token_path(
    (kind, id): (TokenKind, &str),
    account: Option<&str>,
    team: Option<&str>,
    paths: &Paths,
) -> ConsolePath {
    match (account, team, kind) {
        (Some(account), ..) => paths.service_account(account).tokens(),
        (None, Some(team), _) => paths.team(team).api_token(),
        (None, None, TokenKind::Organization) => paths.organization_token(),
        _ => paths.service_token(id),
    }
}

impl Expiring {
    /// The name of the account or team, or of the token itself.
    #[must_use]
    pub fn title(&self) -> &str {
        self.holder.as_deref().unwrap_or(&self.name)
    }

    /// The page on which the token is managed.
    #[must_use]
    pub fn path(&self, paths: &Paths) -> ConsolePath {
        let account = self.service_account_id.map(|id| id.to_string());
        token_path((self.kind, &self.id.to_string()), account.as_deref(), self.team.as_deref(), paths)
    }

    fn regenerate_path(&self, paths: &Paths) -> ConsolePath {
        match (self.service_account_id, &self.team, self.kind) {
            (Some(account), ..) => paths.service_account(account).regenerate().with_query("key", self.id),
            (None, Some(team), _) => paths.team(team).api_token().regenerate(),
            (None, None, TokenKind::Organization) => paths.organization_token().regenerate(),
            _ => paths.service_token(self.id).regenerate(),
        }
    }
}

impl Row {
    /// The name of the account or team, or of the token itself.
    #[must_use]
    pub fn title(&self) -> &str {
        self.holder.as_deref().unwrap_or(&self.token.name)
    }

    /// The page on which the token is managed.
    #[must_use]
    pub fn path(&self, paths: &Paths) -> ConsolePath {
        let account = self.token.service_account_id.map(|id| id.to_string());
        let id = self.token.id.to_string();
        token_path((self.token.kind, &id), account.as_deref(), self.team.as_deref(), paths)
    }
}
