//! Operations on a team's API token, called by `token_pages` and `token_api`.
//!
//! A team has at most one token, which holds what the team holds. Any member of the team can manage it while
//! the team's setting allows that.

use super::model::Team;
use super::store;
use crate::access::{Guarded, Permit, Resource, Target, authorize_read, authorize_write};
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::platform::id::OrganizationId;
use crate::platform::{Context, Error, Result};
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{Renewal, Token, TokenHolder, TokenOwner};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::{single, store as tokens};

/// The token of a team, as the target of decisions, and its holder.
#[derive(Clone, Debug)]
pub struct TeamTokenTarget(pub OrganizationId, pub Team);

impl Guarded for TeamTokenTarget {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::TeamToken(self.1.facts())
    }
}

impl TokenHolder for TeamTokenTarget {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Team(self.0, self.1.id)
    }
}

/// Returns a team that the caller is allowed to see, and its token if there is one.
///
/// # Errors
/// [`Error::NotFound`] for a team that the caller is not allowed to see.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<(Team, Option<Token>)> {
    let team = store::find(&context.db, caller.organization.id, named).await?;
    let TeamTokenTarget(_, team) =
        authorize_read(&caller.subject, TeamTokenTarget(caller.organization.id, team))?;
    let token = tokens::of_team(&context.db, team.id).await?;
    Ok((team, token))
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
    named: &str,
) -> Result<(Change<'a>, Caller, Permit<TeamTokenTarget>, Option<Token>)> {
    let (mut change, caller) = caller.begin(context).await?;
    let team = store::find(change.tx(), caller.organization.id, named).await?;
    let holder = authorize_write(&caller.subject, TeamTokenTarget(caller.organization.id, team))?;
    let token = tokens::of_team(change.tx(), holder.1.id).await?;
    Ok((change, caller, holder, token))
}

/// Generates the team's token, or regenerates the current one. The caller must hold the access that the team
/// holds.
///
/// # Errors
/// [`Error::Forbidden`] or [`Error::Invalid`].
pub async fn generate(
    context: &Context,
    caller: &Caller,
    named: &str,
    renewal: &Renewal,
    delivery: &SecretDelivery,
) -> Result<(Team, Issued)> {
    let (mut change, caller, holder, token) = managed(context, caller, named).await?;
    let team = holder.1.clone();
    let policy = &caller.organization.policy;
    let name = format!("API token of {}", team.name);
    let issued =
        single::generate(&mut change, &holder, &name, token.as_ref(), (renewal, policy), delivery).await?;
    if issued.is_repeat() {
        return Ok((team, issued));
    }
    change.commit(Event::new(Action::TeamTokenGenerated, "team", team.id, &team.name)).await?;
    Ok((team, issued))
}

/// Ends the overlap: the old value stops working at once.
///
/// # Errors
/// [`Error::Conflict`] if no old value works any more.
pub async fn end_overlap(context: &Context, caller: &Caller, named: &str) -> Result<Team> {
    let (change, _, holder, token) = managed(context, caller, named).await?;
    lifecycle::end_overlap(change, (&holder).into(), &token.ok_or(Error::NotFound)?).await?;
    Ok(holder.into_inner().1)
}

/// Revokes the team's token.
///
/// # Errors
/// [`Error::NotFound`] if there is none.
pub async fn delete(context: &Context, caller: &Caller, named: &str) -> Result<Team> {
    let (mut change, _, holder, token) = managed(context, caller, named).await?;
    let event = single::delete(&mut change, &holder, token.as_ref()).await?;
    change.commit(event).await?;
    Ok(holder.into_inner().1)
}
