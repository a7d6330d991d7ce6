//! Operations on services and their secrets, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction. A service has at most two active secrets.

use serde_json::json;

use super::model::{NewService, Service, ServiceEdit, Services};
use super::store;
use crate::access::{Permit, authorize_read, authorize_write};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::platform::id::{ServiceId, TokenId};
use crate::platform::text::enter_to_confirm;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::quotas::{Quota, ensure_room};
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{NewToken, Status, Token};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::store as tokens;

/// Lists the services of the organization.
///
/// # Errors
/// [`Error::Forbidden`] without `services:read`.
pub async fn list(
    context: &Context,
    caller: &Caller,
    search: &str,
    page: &PageRequest,
) -> Result<Page<Service>> {
    authorize_read(&caller.subject, Services)?;
    let rows = store::list(&context.db, caller.organization.id, search, page).await?;
    Ok(page.into_page(rows, |service| store::cursor(page, service)))
}

/// Returns one service with its active secrets.
///
/// # Errors
/// [`Error::NotFound`] if the caller cannot see the object, [`Error::Forbidden`] if they lack the permission.
pub async fn get(context: &Context, caller: &Caller, id: &str) -> Result<(Service, Vec<Token>)> {
    authorize_read(&caller.subject, Services)?;
    let service = store::find(&context.db, caller.organization.id, id).await?;
    let mut secrets = tokens::of_service(&context.db, service.id).await?;
    secrets.retain(|secret| secret.status(context.clock.now()) == Status::Active);
    Ok((service, secrets))
}

/// Registers a service with its first secret. A repeated request (same idempotency key) returns the first
/// service without the value of the secret.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`], or [`Error::Conflict`] for a name that is taken.
pub async fn create(
    context: &Context,
    caller: &Caller,
    input: &NewService,
    delivery: &SecretDelivery,
) -> Result<(Service, Issued)> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, Services)?;
    let checked = input.check()?;
    let organization = caller.organization.id;
    let (now, id) = (change.now, ServiceId::new(change.now, &context.random));
    if let Some(first) = find_or_record_outcome(&mut change, "service", &id).await? {
        let service = store::find(change.tx(), organization, &first.to_string()).await?;
        let secrets = tokens::of_service(change.tx(), service.id).await?;
        let first = secrets.first().ok_or(Error::NotFound)?.id;
        return Ok((service, Issued { id: first, value: None }));
    }
    ensure_room(&mut change, Quota::Service(organization)).await?;
    store::insert(change.tx(), &permit, (organization, id), &checked, (&caller.actor.name, now)).await?;
    let service = store::find(change.tx(), organization, &id.to_string()).await?;
    let holder = authorize_write(&caller.subject, service)?;
    let secret = NewToken { name: format!("Secret of {}", holder.name), ..NewToken::default() };
    let issued = lifecycle::issue(&mut change, (&holder).into(), &secret, delivery).await?;
    let service = holder.into_inner();
    let event = Event::new(Action::ServiceCreated, "service", id, &service.name);
    change.commit(event.after(json!(service.view()))).await?;
    Ok((service, issued))
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
    id: &str,
) -> Result<(Change<'a>, Permit<Service>)> {
    let (mut change, caller) = caller.begin(context).await?;
    authorize_write(&caller.subject, Services)?;
    let service = store::find(change.tx(), caller.organization.id, id).await?;
    let permit = authorize_write(&caller.subject, service)?;
    Ok((change, permit))
}

/// Edits a service. If `version` is given, the service must still have it.
///
/// # Errors
/// [`Error::Stale`] if somebody else edited it in the meantime; otherwise as [`create`].
pub async fn edit(
    context: &Context,
    caller: &Caller,
    id: &str,
    input: &ServiceEdit,
    version: Option<i64>,
) -> Result<Service> {
    let (mut change, service) = managed(context, caller, id).await?;
    let (checked, disabled) = input.check(&service)?;
    let disabled_at = disabled.then(|| service.disabled_at.unwrap_or(change.now));
    let fresh = version.is_none_or(|version| version == service.version);
    if !fresh || !store::update(change.tx(), &service, &checked, disabled_at).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed this service. It is now “{}”. Check it, then save again.",
            service.name
        )));
    }
    let after = store::find(change.tx(), caller.organization.id, id).await?;
    let event = Event::new(Action::ServiceEdited, "service", after.id, &after.name);
    change.commit(event.before(json!(service.view())).after(json!(after.view()))).await?;
    Ok(after)
}

/// Deletes a service; its secrets stop working at once. `typed` is its name as a confirmation; `None` (API)
/// needs none.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], or [`Error::Invalid`] if the typed name differs.
pub async fn delete(context: &Context, caller: &Caller, id: &str, typed: Option<&str>) -> Result<Service> {
    let (mut change, service) = managed(context, caller, id).await?;
    if typed.is_some_and(|typed| typed.trim() != service.name) {
        let message = enter_to_confirm("service", &service.name);
        return Err(Error::Invalid(ValidationErrors::one("confirm", message)));
    }
    store::delete(change.tx(), &service).await?;
    let service = service.into_inner();
    let event = Event::new(Action::ServiceDeleted, "service", service.id, &service.name);
    change.commit(event.before(json!(service.view()))).await?;
    Ok(service)
}

/// Creates a second secret, so that the first one can be replaced without an outage.
///
/// # Errors
/// [`Error::Conflict`] if the service already has two active secrets.
pub async fn add_secret(
    context: &Context,
    caller: &Caller,
    id: &str,
    delivery: &SecretDelivery,
) -> Result<(Service, Issued)> {
    let (mut change, service) = managed(context, caller, id).await?;
    let now = change.now;
    // This update locks the row of the service, so that of two concurrent requests the second waits and
    // counts correctly.
    let unchanged = super::model::ValidService {
        name: service.name.clone(),
        accepted_kinds: service.accepted_kinds.clone(),
    };
    if !store::update(change.tx(), &service, &unchanged, service.disabled_at).await? {
        return Err(Error::conflict("Someone else has changed this service. Try again."));
    }
    let secrets = tokens::of_service(change.tx(), service.id).await?;
    if secrets.iter().filter(|secret| secret.status(now) == Status::Active).count() >= 2 {
        return Err(Error::conflict("A service can have at most two secrets. Revoke the old one first."));
    }
    let name = format!("Secret {} of {}", secrets.len() + 1, service.name);
    let secret = NewToken { name, ..NewToken::default() };
    let issued = lifecycle::issue(&mut change, (&service).into(), &secret, delivery).await?;
    let service = service.into_inner();
    if issued.is_repeat() {
        return Ok((service, issued));
    }
    let event = Event::new(Action::ServiceEdited, "service", service.id, &service.name);
    change.commit(event.after(json!({ "secret_added": issued.id }))).await?;
    Ok((service, issued))
}

/// Revokes a secret.
///
/// # Errors
/// [`Error::NotFound`] if the service has no such secret; [`Error::Conflict`] if it is already revoked.
pub async fn revoke_secret(context: &Context, caller: &Caller, id: &str, secret: &str) -> Result<Token> {
    let (mut change, service) = managed(context, caller, id).await?;
    let secret: TokenId = secret.parse().map_err(|_| Error::NotFound)?;
    let found = tokens::find(change.tx(), secret).await?;
    let token = found.filter(|token| token.service_id == Some(service.id)).ok_or(Error::NotFound)?;
    lifecycle::revoke(change, (&service).into(), &token).await?;
    Ok(token)
}
