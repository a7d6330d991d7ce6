//! Audit events for refused tokens: a program still uses a revoked or expired
//! token, or somebody found one. At most one event per hour is written for each
//! value and node. Values that belong to no token are not recorded.

use std::time::Duration;

use quick_cache::sync::Cache;
use serde_json::json;

use super::token_format::{PlainToken, TokenHash};
use crate::access::TokenKind;
use crate::audit::{Action, Actor, ActorKind, Change, Event};
use crate::platform::id::{OrganizationId, PersonId, TokenId};
use crate::platform::web::RequestContext;
use crate::platform::{Context, Result, Timestamp, sql};

/// The shortest time between two events about one value.
const RECORD_AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// The largest number of values for which the time is kept.
const MAX_REMEMBERED: usize = 10_000;

/// The values that were recorded recently, each with the time until which it is
/// not recorded again.
pub struct RefusedTokens(Cache<TokenHash, Timestamp>);

impl std::fmt::Debug for RefusedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefusedTokens")
    }
}

impl Default for RefusedTokens {
    fn default() -> Self {
        Self(Cache::new(MAX_REMEMBERED))
    }
}

#[derive(sqlx::FromRow)]
struct RefusedTokenRow {
    id: TokenId,
    kind: TokenKind,
    name: String,
    hint: String,
    organization_id: Option<OrganizationId>,
    person_id: Option<PersonId>,
    revoked_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    stops_at: Option<Timestamp>,
}

impl RefusedTokenRow {
    fn reason(&self, now: Timestamp) -> &'static str {
        let is_over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        if self.revoked_at.is_some() {
            "revoked"
        } else if is_over(self.expires_at) {
            "expired"
        } else if is_over(self.stops_at) {
            "replaced"
        } else {
            // The account or the source of the token has ended.
            "holder ended"
        }
    }
}

impl RefusedTokens {
    /// Records a refused value in the audit log, unless it was recorded recently.
    /// Errors are only logged, because the request is refused in any case.
    pub(super) async fn record(&self, context: &Context, value: &PlainToken, request: &RequestContext) {
        let (hash, now) = (value.hash(), context.clock.now());
        if self.0.get(&hash).is_some_and(|until| now < until) {
            return;
        }
        self.0.insert(hash, now.plus(RECORD_AGAIN_AFTER));
        if let Err(error) = record_refusal(context, hash, request, now).await {
            tracing::warn!(%error, "a refused token is not in the audit log");
        }
    }
}

async fn record_refusal(
    context: &Context,
    hash: TokenHash,
    request: &RequestContext,
    now: Timestamp,
) -> Result<()> {
    let row: Option<RefusedTokenRow> = sql("SELECT t.id, t.kind, t.name, v.hint, t.organization_id, t.person_id, t.revoked_at, \
            t.expires_at, v.stops_at FROM token_values v JOIN tokens t ON t.id = v.token_id WHERE v.hash = $1")
    .bind(hash)
    .optional(&context.db)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let actor = Actor::program(request, ActorKind::Nobody, String::new(), "Unknown caller".to_owned());
    let mut change = Change::begin(context, &actor, row.organization_id).await?;
    change.no_invalidation();
    if let Some(person) = row.person_id {
        change.about_person(person);
    }
    let after = json!({ "kind": row.kind, "hint": row.hint, "reason": row.reason(now) });
    change.commit(Event::new(Action::TokenRefused, "token", row.id, row.name).after(after)).await
}
