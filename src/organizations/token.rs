//! The organization token: one at most; owners alone manage it.

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

/// The organization as the holder of its token.
#[derive(Clone, Copy, Debug)]
pub struct TokenOf(pub OrganizationId);

impl Guarded for TokenOf {
    const RESOURCE: Resource = Resource::Settings;
    fn target(&self) -> Target {
        Target::OrganizationToken
    }
}

impl HoldsTokens for TokenOf {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Organization(self.0)
    }
}

/// The organization token.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but owners.
pub async fn get(context: &Context, caller: &Caller) -> Result<Option<Token>> {
    let TokenOf(organization) = authorize_read(&caller.subject, TokenOf(caller.organization.id))?;
    tokens::of_organization(&context.db, organization).await
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
) -> Result<(Change<'a>, Caller, Permit<TokenOf>, Option<Token>)> {
    let (mut change, caller) = caller.begin(context).await?;
    let holder = authorize_write(&caller.subject, TokenOf(caller.organization.id))?;
    let token = tokens::of_organization(change.tx(), holder.0).await?;
    Ok((change, caller, holder, token))
}

/// Generates the organization token, or gives it a new value.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`].
pub async fn generate(
    context: &Context,
    caller: &Caller,
    renewal: &Renewal,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let (mut change, caller, holder, token) = managed(context, caller).await?;
    let organization = &caller.organization;
    let name = format!("API token of {}", organization.name);
    let with = (renewal, &organization.policy);
    let issued = single::generate(&mut change, &holder, &name, token.as_ref(), with, delivery).await?;
    if issued.is_repeat() {
        return Ok(issued);
    }
    let action = Action::OrganizationTokenGenerated;
    change.commit(Event::new(action, "organization", organization.id, &organization.name)).await?;
    Ok(issued)
}

/// Stops the value before, which lived on beside its successor.
///
/// # Errors
/// [`Error::Conflict`] when it has stopped.
pub async fn stop_old(context: &Context, caller: &Caller) -> Result<()> {
    let (change, _, holder, token) = managed(context, caller).await?;
    lifecycle::stop_old(change, (&holder).into(), &token.ok_or(Error::NotFound)?).await
}

/// Ends the organization token.
///
/// # Errors
/// [`Error::NotFound`] where there is none.
pub async fn delete(context: &Context, caller: &Caller) -> Result<()> {
    let (mut change, _, holder, token) = managed(context, caller).await?;
    let event = single::delete(&mut change, &holder, token.as_ref()).await?;
    change.commit(event).await
}
