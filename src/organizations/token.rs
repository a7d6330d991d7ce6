//! Operations on the organization token, called by `token_pages` and `token_api`.
//!
//! An organization has at most one token, and only owners can manage it.

use crate::access::{Guarded, Permit, Resource, Target, authorize_read, authorize_write};
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::platform::id::OrganizationId;
use crate::platform::{Context, Error, Result};
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{Renewal, Token, TokenHolder, TokenOwner};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::{single, store as tokens};

/// The organization token, as the target of decisions, and its holder.
#[derive(Clone, Copy, Debug)]
pub struct OrganizationTokenTarget(pub OrganizationId);

impl Guarded for OrganizationTokenTarget {
    const RESOURCE: Resource = Resource::Settings;
    fn target(&self) -> Target {
        Target::OrganizationToken
    }
}

impl TokenHolder for OrganizationTokenTarget {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Organization(self.0)
    }
}

/// Returns the organization token if there is one.
///
/// # Errors
/// [`Error::Forbidden`] for everybody except owners.
pub async fn get(context: &Context, caller: &Caller) -> Result<Option<Token>> {
    let OrganizationTokenTarget(organization) =
        authorize_read(&caller.subject, OrganizationTokenTarget(caller.organization.id))?;
    tokens::of_organization(&context.db, organization).await
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
) -> Result<(Change<'a>, Caller, Permit<OrganizationTokenTarget>, Option<Token>)> {
    let (mut change, caller) = caller.begin(context).await?;
    let holder = authorize_write(&caller.subject, OrganizationTokenTarget(caller.organization.id))?;
    let token = tokens::of_organization(change.tx(), holder.0).await?;
    Ok((change, caller, holder, token))
}

/// Generates the organization token, or regenerates the current one.
///
/// # Errors
/// [`Error::Forbidden`] or [`Error::Invalid`].
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

/// Ends the overlap: the old value stops working at once.
///
/// # Errors
/// [`Error::Conflict`] if no old value works any more.
pub async fn end_overlap(context: &Context, caller: &Caller) -> Result<()> {
    let (change, _, holder, token) = managed(context, caller).await?;
    lifecycle::end_overlap(change, (&holder).into(), &token.ok_or(Error::NotFound)?).await
}

/// Revokes the organization token.
///
/// # Errors
/// [`Error::NotFound`] if there is none.
pub async fn delete(context: &Context, caller: &Caller) -> Result<()> {
    let (mut change, _, holder, token) = managed(context, caller).await?;
    let event = single::delete(&mut change, &holder, token.as_ref()).await?;
    change.commit(event).await
}
