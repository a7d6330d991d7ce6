//! Operations on service tokens, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction. A token never gets more access than its creator holds, and only permission sets that
//! the policy allows for service tokens.

use serde_json::json;

use super::model::{GrantInput, NewServiceToken, ServiceTokenEdit, ServiceTokenRow, ServiceTokens, Where};
use super::store::{self, Counts, Filter};
use crate::access::{
    Level, PermissionSet, Permit, Policy, ProjectFacts, TokenKind, authorize_read, authorize_write,
};
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::grants::store as grants;
use crate::platform::id::TokenId;
use crate::platform::text::choose;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::projects::store as projects;
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{Lifetime, Renewal, TokenInput};
use crate::tokens::one_time_secret::SecretDelivery;

/// Lists the service tokens of the organization.
///
/// # Errors
/// [`Error::Forbidden`] without `service_tokens:read`.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<ServiceTokenRow>> {
    let ServiceTokens(organization) = authorize_read(&caller.subject, ServiceTokens(caller.organization.id))?;
    let (rows, window) = store::list(&context.db, organization, filter, page, context.clock.now()).await?;
    let cursor = |row: &ServiceTokenRow| store::cursor(page, row);
    Ok(match window {
        Some(window) => page.into_scanned_page(rows, &window, cursor),
        None => page.into_page(rows, cursor),
    })
}

/// Counts the service tokens of each state that is listed.
///
/// # Errors
/// As [`list`].
pub async fn count(context: &Context, caller: &Caller) -> Result<Counts> {
    let ServiceTokens(organization) = authorize_read(&caller.subject, ServiceTokens(caller.organization.id))?;
    store::count(&context.db, organization, context.clock.now()).await
}

/// Returns one service token.
///
/// # Errors
/// [`Error::NotFound`] if the caller cannot see the object, [`Error::Forbidden`] if they lack the permission.
pub async fn get(context: &Context, caller: &Caller, id: &str) -> Result<ServiceTokenRow> {
    let ServiceTokens(organization) = authorize_read(&caller.subject, ServiceTokens(caller.organization.id))?;
    store::find(&context.db, organization, id).await
}

/// A checked grant: the permission set and the project (access facts and slug); `None` for all projects.
type Checked = (PermissionSet, Option<(ProjectFacts, String)>);

/// Checks the grants of a token: each permission set must exist and be allowed for service tokens, and the
/// caller must see each project. Adds an error for every invalid field.
async fn check(
    change: &mut Change<'_>,
    caller: &Caller,
    inputs: &[GrantInput],
    errors: &mut ValidationErrors,
) -> Result<Vec<Checked>> {
    if inputs.is_empty() {
        errors.add("grants", "Choose at least one permission set.");
    }
    if inputs.len() > 20 {
        errors.add("grants", "Choose at most 20 permission sets.");
        return Ok(Vec::new());
    }
    let mut all: Vec<Checked> = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        let field = |name: &str| format!("grants[{place}].{name}");
        let set = match caller.organization.sets.check(&input.permission_set) {
            Ok(set) => set,
            Err(message) => {
                let empty = input.permission_set.trim().is_empty();
                let message = if empty { choose("permission set") } else { message };
                errors.add(&field("permission_set"), format!("Permission {}: {message}", place + 1));
                continue;
            }
        };
        if !caller.organization.policy.carries(&set.slug) {
            let message = Policy::not_carried(&set.name);
            errors.add(&field("permission_set"), message);
            continue;
        }
        if inputs[..place].iter().any(|before| before.permission_set.trim() == input.permission_set.trim()) {
            let message = format!("“{}” is chosen twice. Choose all its projects in one place.", set.name);
            errors.add(&field("permission_set"), message);
            continue;
        }
        let slugs = match &input.projects {
            Where::All => {
                all.push((set, None));
                continue;
            }
            Where::These(slugs) => slugs,
        };
        if set.level == Level::Organization {
            let message = format!("“{}” applies to all projects only. Choose all projects.", set.name);
            errors.add(&field("projects"), message);
        }
        if slugs.is_empty() {
            let message = format!("Choose at least one project for “{}”, or choose all projects.", set.name);
            errors.add(&field("projects"), message);
        }
        for slug in slugs {
            let found = projects::find(change.tx(), caller.organization.id, slug.trim()).await;
            match found.and_then(|project| authorize_read(&caller.subject, project)) {
                Ok(project) => all.push((set.clone(), Some((project.facts(), project.slug)))),
                Err(Error::NotFound | Error::Forbidden(_)) => {
                    errors.add(
                        &field("projects"),
                        format!("Choose projects that you have access to. “{slug}” is not one."),
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }
    all.sort_by(|a, b| (&a.0.slug, a.1.as_ref().map(|p| &p.1)).cmp(&(&b.0.slug, b.1.as_ref().map(|p| &p.1))));
    all.dedup_by(|a, b| a.0.slug == b.0.slug && a.1.as_ref().map(|p| p.0.id) == b.1.as_ref().map(|p| p.0.id));
    Ok(all)
}

async fn write(
    change: &mut Change<'_>,
    permit: &Permit<ServiceTokens>,
    caller: &Caller,
    token: TokenId,
    all: &[Checked],
) -> Result<()> {
    let principal = token.to_string();
    for (set, project) in all {
        let grant = (principal.as_str(), &*set.slug, project.as_ref().map(|(facts, _)| facts.id));
        grants::insert(change, permit, caller.organization.id, grant).await?;
    }
    Ok(())
}

/// Creates a service token with its grants. A repeated request (same idempotency key) returns the id of the
/// token that the first one created.
///
/// # Errors
/// [`Error::Forbidden`] if the token would have more access than the caller; [`Error::Invalid`] for invalid
/// fields.
pub async fn create(
    context: &Context,
    caller: &Caller,
    input: &NewServiceToken,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, ServiceTokens(caller.organization.id))?;
    let now = change.now;
    let mut errors = ValidationErrors::default();
    let particulars = TokenInput {
        name: input.name.clone(),
        description: input.description.clone(),
        lifetime: input.lifetime.clone(),
        allowed_addresses: input.allowed_addresses.clone(),
        permissions: None,
    };
    let of = (&caller.organization.policy, TokenKind::ServiceToken);
    let token = particulars.check(&mut errors, of, now);
    let all = check(&mut change, &caller, &input.grants, &mut errors).await?;
    let Some(token) = token.filter(|_| errors.is_empty()) else { return Err(Error::Invalid(errors)) };
    let issued = lifecycle::issue(&mut change, (&permit).into(), &token, delivery).await?;
    if issued.is_repeat() {
        return Ok(issued);
    }
    write(&mut change, &permit, &caller, issued.id, &all).await?;
    let after = json!({ "grants": input.grants, "description": token.description });
    let event = Event::new(Action::ServiceTokenCreated, "token", issued.id, &token.name).after(after);
    change.no_invalidation();
    change.commit(event).await?;
    Ok(issued)
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
    id: &str,
) -> Result<(Change<'a>, Caller, Permit<ServiceTokens>, ServiceTokenRow)> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, ServiceTokens(caller.organization.id))?;
    let token = store::find(change.tx(), caller.organization.id, id).await?;
    Ok((change, caller, permit, token))
}

/// Edits a service token. The caller must hold the access that is added, but not the access that is removed.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Invalid`]; [`Error::Conflict`] for a revoked token; [`Error::Stale`] if
/// somebody else edited it in the meantime.
pub async fn edit(
    context: &Context,
    caller: &Caller,
    id: &str,
    input: &ServiceTokenEdit,
    version: Option<i64>,
) -> Result<ServiceTokenRow> {
    let (mut change, caller, permit, was) = managed(context, caller, id).await?;
    if was.token.revoked_at.is_some() {
        return Err(Error::conflict("This token is revoked. Create a new one."));
    }
    let token = &was.token;
    let mut errors = ValidationErrors::default();
    let or = |edit: &Option<String>, was: &str| edit.clone().unwrap_or_else(|| was.to_owned());
    let particulars = TokenInput {
        name: or(&input.name, &token.name),
        description: or(&input.description, &token.description),
        allowed_addresses: or(&input.allowed_addresses, &token.allowed_addresses),
        ..TokenInput::default()
    };
    let of = (&caller.organization.policy, TokenKind::ServiceToken);
    let checked = particulars.check(&mut errors, of, change.now);
    let all = match &input.grants {
        Some(inputs) => Some(check(&mut change, &caller, inputs, &mut errors).await?),
        None => None,
    };
    let Some(checked) = checked.filter(|_| errors.is_empty()) else { return Err(Error::Invalid(errors)) };
    lifecycle::update_details(&mut change, (&permit).into(), token, &checked, version).await?;
    if let Some(all) = &all {
        grants::clear(&mut change, &permit, caller.organization.id, &token.id.to_string()).await?;
        write(&mut change, &permit, &caller, token.id, all).await?;
    }
    let after = store::find(change.tx(), caller.organization.id, id).await?;
    let told = |it: &ServiceTokenRow| {
        json!({
            "name": it.token.name, "description": it.token.description, "grants": it.grants(),
            "allowed_addresses": it.token.allowed_addresses.lines().collect::<Vec<_>>(),
        })
    };
    let event = Event::new(Action::ServiceTokenEdited, "token", after.token.id, &after.token.name);
    change.commit(event.before(told(&was)).after(told(&after))).await?;
    Ok(after)
}

/// Regenerates a service token. The caller must hold the access that the token holds.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Invalid`]; [`Error::Conflict`] for a revoked token.
pub async fn regenerate(
    context: &Context,
    caller: &Caller,
    id: &str,
    renewal: &Renewal,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let (mut change, caller, permit, was) = managed(context, caller, id).await?;
    let policy = &caller.organization.policy;
    let issued =
        lifecycle::regenerate(&mut change, (&permit).into(), &was.token, renewal, policy, delivery).await?;
    if issued.is_repeat() {
        return Ok(issued);
    }
    let event = Event::new(Action::ServiceTokenEdited, "token", was.token.id, &was.token.name);
    change.invalidates_token(was.token.id);
    change.commit(event.after(json!({ "regenerated": true }))).await?;
    Ok(issued)
}

/// Gives a service token a later expiry. The caller must hold the access that the token holds.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Invalid`] for the lifetime; [`Error::Conflict`] if the token cannot be
/// extended.
pub async fn extend(
    context: &Context,
    caller: &Caller,
    id: &str,
    lifetime: &Lifetime,
) -> Result<ServiceTokenRow> {
    let (change, caller, permit, was) = managed(context, caller, id).await?;
    let policy = &caller.organization.policy;
    lifecycle::extend(change, (&permit).into(), &was.token, lifetime, policy).await?;
    Ok(was)
}

/// Ends the overlap: the old value stops working at once.
///
/// # Errors
/// [`Error::Conflict`] if no old value works any more.
pub async fn end_overlap(context: &Context, caller: &Caller, id: &str) -> Result<ServiceTokenRow> {
    let (change, _, permit, token) = managed(context, caller, id).await?;
    lifecycle::end_overlap(change, (&permit).into(), &token.token).await?;
    Ok(token)
}

/// Revokes a service token.
///
/// # Errors
/// [`Error::NotFound`] for an unknown token; [`Error::Conflict`] for a revoked one.
pub async fn revoke(context: &Context, caller: &Caller, id: &str) -> Result<ServiceTokenRow> {
    let (change, _, permit, token) = managed(context, caller, id).await?;
    lifecycle::revoke(change, (&permit).into(), &token.token).await?;
    Ok(token)
}
