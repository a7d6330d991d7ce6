//! Operations on identity providers, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the row and adds the audit event in
//! one transaction. Another issuer or audience lets somebody else act as every bound account, so the caller
//! must hold the access of all of them.

use serde_json::json;

use super::model::{IdentityProvider, IdentityProviders, NewProvider, ProviderEdit, ValidProvider};
use super::store;
use crate::access::{authorize_read, authorize_write};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::platform::id::IdentityProviderId;
use crate::platform::{Error, Result, ValidationErrors};
use crate::quotas::{Quota, ensure_room};
use crate::state::AppState;
use crate::verification::issuers::check_issuer;

/// Lists the identity providers of the organization.
///
/// # Errors
/// [`Error::Forbidden`] without `identity_providers:read`.
pub async fn list(app: &AppState, caller: &Caller) -> Result<Vec<IdentityProvider>> {
    authorize_read(&caller.subject, IdentityProviders)?;
    store::all(&app.context.db, caller.organization.id).await
}

/// Returns one identity provider by id or name.
///
/// # Errors
/// [`Error::NotFound`] if the caller cannot see the object, [`Error::Forbidden`] if they lack the permission.
pub async fn get(app: &AppState, caller: &Caller, named: &str) -> Result<IdentityProvider> {
    authorize_read(&caller.subject, IdentityProviders)?;
    store::find(&app.context.db, caller.organization.id, named).await
}

/// Requests the issuer's metadata and keys before it is trusted.
async fn ensure_issuer_works(app: &AppState, checked: &ValidProvider) -> Result<()> {
    check_issuer(&app.verifier.outbound, &checked.issuer).await.map_err(|told| {
        Error::Invalid(ValidationErrors::one("issuer", format!("This issuer does not work. {told}")))
    })
}

/// Adds an identity provider, after a successful request to its issuer.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Invalid`] for invalid fields or if the request to the issuer failed;
/// [`Error::Conflict`] if the name or the pair of issuer and audience is taken.
pub async fn create(app: &AppState, caller: &Caller, input: &NewProvider) -> Result<IdentityProvider> {
    authorize_write(&caller.subject, IdentityProviders)?;
    let checked = input.check(&app.verifier.outbound)?;
    ensure_issuer_works(app, &checked).await?;
    let organization = caller.organization.id;
    let (mut change, caller) = caller.begin(&app.context).await?;
    let permit = authorize_write(&caller.subject, IdentityProviders)?;
    let (now, id) = (change.now, IdentityProviderId::new(change.now, &app.context.random));
    if let Some(first) = find_or_record_outcome(&mut change, "identity provider", &id).await? {
        return store::find(change.tx(), organization, &first.to_string()).await;
    }
    ensure_room(&mut change, Quota::IdentityProvider(organization)).await?;
    store::insert(change.tx(), &permit, (organization, id), &checked, (&caller.actor.name, now)).await?;
    let made = store::find(change.tx(), organization, &id.to_string()).await?;
    let event = Event::new(Action::IdentityProviderCreated, "identity_provider", id, &made.name);
    change.commit(event.after(json!(made))).await?;
    Ok(made)
}

/// Edits an identity provider. Another issuer must answer a request first. If `version` is given, the
/// provider must still have it. Another issuer or audience revokes the access tokens of all bound accounts.
///
/// # Errors
/// [`Error::Stale`] if somebody else edited the provider in the meantime; otherwise as [`create`].
pub async fn edit(
    app: &AppState,
    caller: &Caller,
    named: &str,
    input: &ProviderEdit,
    version: Option<i64>,
) -> Result<IdentityProvider> {
    authorize_write(&caller.subject, IdentityProviders)?;
    let organization = caller.organization.id;
    let was = store::find(&app.context.db, organization, named).await?;
    let checked = input.over(&was).check(&app.verifier.outbound)?;
    if checked.issuer != was.issuer {
        ensure_issuer_works(app, &checked).await?;
    }
    let (mut change, caller) = caller.begin(&app.context).await?;
    let permit = authorize_write(&caller.subject, IdentityProviders)?;
    let was = store::find(change.tx(), organization, &was.id.to_string()).await?;
    let fresh = version.is_none_or(|version| version == was.version);
    if !fresh || !store::update(&mut change, &permit, organization, &was, &checked).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed “{}”. Check it, then save again.",
            was.name
        )));
    }
    if (&was.issuer, &was.audience) != (&checked.issuer, &checked.audience) {
        let now = change.now;
        store::revoke_access_tokens(change.tx(), &permit, was.id, now).await?;
    }
    let after = store::find(change.tx(), organization, &was.id.to_string()).await?;
    let event = Event::new(Action::IdentityProviderEdited, "identity_provider", was.id, &after.name);
    change.commit(event.before(json!(was)).after(json!(after))).await?;
    Ok(after)
}

/// Deletes an identity provider that no existing service account uses.
///
/// # Errors
/// [`Error::Conflict`] if service accounts use it.
pub async fn delete(app: &AppState, caller: &Caller, named: &str) -> Result<IdentityProvider> {
    let (mut change, caller) = caller.begin(&app.context).await?;
    let permit = authorize_write(&caller.subject, IdentityProviders)?;
    let was = store::find(change.tx(), caller.organization.id, named).await?;
    if was.accounts.0 > 0 {
        let many =
            if was.accounts.0 == 1 { "1 service account signs in" } else { "Service accounts sign in" };
        return Err(Error::conflict(format!(
            "{many} through this identity provider. Delete them or give them another provider first."
        )));
    }
    store::delete(change.tx(), &permit, was.id).await?;
    let event = Event::new(Action::IdentityProviderDeleted, "identity_provider", was.id, &was.name);
    change.commit(event.before(json!(was))).await?;
    Ok(was)
}
