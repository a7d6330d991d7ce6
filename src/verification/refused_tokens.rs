//! Audit events for refused tokens: a program still uses a revoked or expired
//! token, or somebody found one. At most one event per hour is written for each
//! value and node. Values that belong to no token are not recorded.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use serde_json::json;

use super::token_format::{PlainToken, TokenHash};
use super::usage::{CountedPrincipal, CountedValue, Outcome};
use crate::access::TokenKind;
use crate::audit::{Action, Actor, ActorKind, Change, Event};
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::web::RequestContext;
use crate::platform::{Context, Result, Timestamp, sql};

/// The shortest time between two events about one value.
const RECORD_AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// How soon a value is looked up again after an error.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The largest number of values for which the time is kept.
const MAX_REMEMBERED: usize = 10_000;

/// A token whose value is not valid any more.
#[derive(Debug)]
pub struct RefusedToken {
    /// The value, as its calls are counted.
    pub value: CountedValue,
    /// The token's organization; `None` for personal tokens.
    pub organization: Option<OrganizationId>,
    /// Why it is not valid.
    pub outcome: Outcome,
}

/// The values that were recorded recently, each with the time until which it is not recorded again, and its token.
pub struct RefusedTokens(Cache<TokenHash, (Timestamp, Option<Arc<RefusedToken>>)>);

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
    acts_as: Option<TokenKind>,
    source_id: Option<TokenId>,
    name: String,
    hint: String,
    organization_id: Option<OrganizationId>,
    person_id: Option<PersonId>,
    service_account_id: Option<ServiceAccountId>,
    team_id: Option<TeamId>,
    revoked_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    stops_at: Option<Timestamp>,
}

impl RefusedTokenRow {
    fn outcome(&self, now: Timestamp) -> Outcome {
        let is_over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        if self.revoked_at.is_some() {
            Outcome::Revoked
        } else if is_over(self.expires_at) {
            Outcome::Expired
        } else if is_over(self.stops_at) {
            Outcome::Replaced
        } else {
            Outcome::HolderEnded
        }
    }

    /// The value, as its calls are counted. `None` for a service secret, which is no token of a principal.
    fn counted_value(&self) -> Option<CountedValue> {
        let token = if self.kind == TokenKind::Access { self.source_id } else { Some(self.id) };
        let principal = match self.acts_as.unwrap_or(self.kind) {
            TokenKind::Organization => CountedPrincipal::Organization(self.organization_id?),
            TokenKind::Team => CountedPrincipal::Team(self.team_id?),
            TokenKind::ServiceAccount => CountedPrincipal::ServiceAccount(self.service_account_id?),
            TokenKind::ServiceToken => CountedPrincipal::ServiceToken(token?),
            TokenKind::Personal => CountedPrincipal::Person(self.person_id?),
            TokenKind::Access | TokenKind::ServiceSecret => return None,
        };
        Some(CountedValue { principal, token, is_old: self.stops_at.is_some() })
    }
}

impl RefusedTokens {
    /// Finds the token of a refused value, and records the refusal in the audit log unless it was recorded recently.
    /// Errors are only logged, because the request is refused in any case.
    pub(super) async fn record(
        &self,
        context: &Context,
        value: &PlainToken,
        request: &RequestContext,
    ) -> Option<Arc<RefusedToken>> {
        let (hash, now) = (value.hash(), context.clock.now());
        if let Some((until, known)) = self.0.get(&hash)
            && now < until
        {
            return known;
        }
        // Requests in parallel must not write the event again.
        self.0.insert(hash, (now.plus(RECORD_AGAIN_AFTER), None));
        match record_refusal(context, hash, request, now).await {
            Ok(refused) => {
                let refused = refused.map(Arc::new);
                self.0.insert(hash, (now.plus(RECORD_AGAIN_AFTER), refused.clone()));
                refused
            }
            Err(error) => {
                tracing::warn!(%error, "a refused token is not in the audit log");
                self.0.insert(hash, (now.plus(TRY_AGAIN_AFTER), None));
                None
            }
        }
    }
}

async fn record_refusal(
    context: &Context,
    hash: TokenHash,
    request: &RequestContext,
    now: Timestamp,
) -> Result<Option<RefusedToken>> {
    let row: Option<RefusedTokenRow> = sql("SELECT t.id, t.kind, t.acts_as, t.source_id, t.name, v.hint, t.organization_id, t.person_id, \
            t.service_account_id, t.team_id, t.revoked_at, t.expires_at, v.stops_at FROM token_values v JOIN tokens t ON t.id = v.token_id WHERE v.hash = $1")
    .bind(hash)
    .optional(&context.db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let actor = Actor::program(request, ActorKind::Nobody, String::new(), "Unknown caller".to_owned());
    let mut change = Change::begin(context, &actor, row.organization_id).await?;
    change.no_invalidation();
    if let Some(person) = row.person_id {
        change.about_person(person);
    }
    let (outcome, organization) = (row.outcome(now), row.organization_id);
    let refused = row.counted_value().map(|value| RefusedToken { value, organization, outcome });
    let after = json!({ "kind": row.kind, "hint": row.hint, "reason": outcome.word().replace('_', " ") });
    change.commit(Event::new(Action::TokenRefused, "token", row.id, row.name).after(after)).await?;
    Ok(refused)
}
