//! A team's API token: one at most; any member manages it while the team lets
//! them.

use super::model::Team;
use super::store;
use crate::access::{Guarded, Permit, Resource, Target, authorize_read, authorize_write};
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::platform::Context;
use crate::platform::id::OrganizationId;
use crate::platform::{Error, Result};
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{HoldsTokens, Renewal, Token, TokenOwner};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::{single, store as tokens};

/// A team as the holder of its token.
#[derive(Clone, Debug)]
pub struct TokenOf(pub OrganizationId, pub Team);

impl Guarded for TokenOf {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::TeamToken(self.1.facts())
    }
}

impl HoldsTokens for TokenOf {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Team(self.0, self.1.id)
    }
}

/// The team that the caller sees, and its token.
///
/// # Errors
/// [`Error::NotFound`] for a team that is hidden.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<(Team, Option<Token>)> {
    let team = store::find(&context.db, caller.organization.id, named).await?;
    let TokenOf(_, team) = authorize_read(&caller.subject, TokenOf(caller.organization.id, team))?;
    let token = tokens::of_team(&context.db, team.id).await?;
    Ok((team, token))
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
    named: &str,
) -> Result<(Change<'a>, Caller, Permit<TokenOf>, Option<Token>)> {
    let (mut change, caller) = caller.begin(context).await?;
    let team = store::find(change.tx(), caller.organization.id, named).await?;
    let holder = authorize_write(&caller.subject, TokenOf(caller.organization.id, team))?;
    let token = tokens::of_team(change.tx(), holder.1.id).await?;
    Ok((change, caller, holder, token))
}

/// Generates the team's token, or gives it a new value. The caller must hold
/// what the team holds.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`].
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

/// Stops the value before, which lived on beside its successor.
///
/// # Errors
/// [`Error::Conflict`] when it has stopped.
pub async fn stop_old(context: &Context, caller: &Caller, named: &str) -> Result<Team> {
    let (change, _, holder, token) = managed(context, caller, named).await?;
    lifecycle::stop_old(change, (&holder).into(), &token.ok_or(Error::NotFound)?).await?;
    Ok(holder.into_inner().1)
}

/// Ends the team's token.
///
/// # Errors
/// [`Error::NotFound`] where there is none.
pub async fn delete(context: &Context, caller: &Caller, named: &str) -> Result<Team> {
    let (mut change, _, holder, token) = managed(context, caller, named).await?;
    let event = single::delete(&mut change, &holder, token.as_ref()).await?;
    change.commit(event).await?;
    Ok(holder.into_inner().1)
}
