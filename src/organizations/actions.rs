//! Operations on organizations: read, list, edit, create and delete. Called by `pages`, `api` and the command
//! line.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction. Nobody can save IP ranges that block their own IP address.

use std::collections::BTreeMap;

use serde_json::json;

use super::model::{
    AddressLimits, NewOrganization, Organization, OrganizationDeletion, Settings, SettingsEdit,
};
use super::store;
use crate::access::{
    Authorized, Policy, System, SystemReason, TeamRole, TokenKind, authorize_read, authorize_write,
};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Actor, ActorKind, Change, Event};
use crate::callers::{Caller, all_memberships, ensure_personal_tokens_allowed};
use crate::config::OrganizationCreation;
use crate::directory::store as directory;
use crate::platform::clock::DAY;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::text::{self, name, slug};
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::quotas::{Quota, ensure_room};
use crate::state::AppState;
use crate::verification::VerifiedToken;
use crate::verification::principal::Principal;

/// Write proof for a new organization. The person who creates it becomes its owner.
const NEW_ORGANIZATION: System = System::new(SystemReason::NewOrganization);

/// Returns the organization of the caller.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn get(context: &Context, caller: &Caller) -> Result<Organization> {
    store::find(&context.db, caller.organization.id).await
}

/// Checks that the caller is allowed to read the policy.
///
/// # Errors
/// [`Error::Forbidden`] without `settings:read`.
pub fn see_policies(caller: &Caller) -> Result<()> {
    authorize_read(&caller.subject, Settings).map(drop)
}

/// For each kind of token with a maximum lifetime, how many active tokens live longer than a new one could. The
/// counts stop after `MOST`. Personal tokens are their owners' matter and are not counted.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn count_tokens_beyond_policy(
    context: &Context,
    caller: &Caller,
) -> Result<BTreeMap<TokenKind, i64>> {
    let mut counts = BTreeMap::new();
    for (kind, rule) in &caller.organization.policy.lifetimes {
        let Some(days) = rule.max_days.filter(|_| *kind != TokenKind::Personal) else { continue };
        let end = context.clock.now().plus(days * DAY);
        let count = store::count_tokens_beyond(&context.db, caller.organization.id, *kind, end).await?;
        counts.insert(*kind, count);
    }
    Ok(counts)
}

/// A page of the organizations that a token can be used in, sorted by slug. For a person, these are their
/// organizations whose policy allows personal tokens from the request's IP address; for a machine principal,
/// its own organization.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    app: &AppState,
    verified: &VerifiedToken,
    page: &PageRequest,
) -> Result<Page<Organization>> {
    let person = match &verified.facts().principal {
        Principal::Person { id, .. } => *id,
        Principal::Machine(machine) => {
            let one = store::find(&app.context.db, machine.organization.id).await?;
            return Ok(page.into_page(vec![one], |it| Cursor { key: it.slug.clone(), id: it.id.to_string() }));
        }
    };
    let open: Vec<OrganizationId> = all_memberships(app, person)
        .await?
        .iter()
        .filter(|place| ensure_personal_tokens_allowed(&place.organization, &verified.request).is_ok())
        .map(|place| place.organization.id)
        .collect();
    let rows = store::of_person(&app.context.db, person, page).await?;
    let mut slice = page.into_page(rows, |it| Cursor { key: it.slug.clone(), id: it.id.to_string() });
    slice.rows.retain(|organization| open.contains(&organization.id));
    Ok(slice)
}

/// What a lifetime in days can be: `which` is `default_days` or `max_days`.
pub(super) fn lifetime_days(kind: TokenKind, which: &str) -> String {
    let which = if which == "max_days" { "maximum" } else { "default" };
    format!(
        "Enter a {which} lifetime of {}s from 1 to 3650 days, or leave it empty.",
        kind.title().to_lowercase()
    )
}

fn check_policy(policy: &Policy, caller: &Caller, errors: &mut ValidationErrors) {
    for (kind, rule) in &policy.lifetimes {
        let field = |which: &str| format!("policy.lifetimes.{kind}.{which}");
        for (which, days) in [("default_days", rule.default_days), ("max_days", rule.max_days)] {
            if days.is_some_and(|days| days == 0 || days > 3650) {
                errors.add(&field(which), lifetime_days(*kind, which));
            }
        }
        if let (Some(default), Some(most)) = (rule.default_days, rule.max_days)
            && default > most
        {
            errors.add(
                &field("default_days"),
                format!(
                    "Enter a default lifetime of {}s that is at most their maximum, {most} days.",
                    kind.title().to_lowercase()
                ),
            );
        }
        if !TokenKind::PRESENTED.contains(kind) || *kind == TokenKind::Access {
            errors.add(
                "policy.lifetimes",
                format!("Remove “{kind}”. The lifetime of these tokens cannot be limited."),
            );
        }
    }
    for set in policy.service_token_sets.iter().flatten() {
        if caller.organization.sets.find(set).is_none() {
            let message = format!("{} “{set}” is not one.", text::choose_of_organization("permission set"));
            errors.add("policy.service_token_sets", message);
        }
    }
    if !policy.ip_allowed(caller.actor.address) {
        let own = caller.actor.address.map_or_else(String::new, |address| format!(", {address}"));
        let message = format!(
            "Allow your own IP address{own}. Otherwise you cannot use your tokens from this address."
        );
        errors.add("policy.allowed_addresses", message);
    }
}

/// Edits the name and the policy. Other IP ranges and the remaining settings require different permissions.
/// If `version` is given, the organization must still have it.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Invalid`] for invalid fields; [`Error::Stale`] if somebody else edited the
/// organization in the meantime.
pub async fn edit(
    context: &Context,
    caller: &Caller,
    input: &SettingsEdit,
    version: Option<i64>,
) -> Result<Organization> {
    let (mut change, caller) = caller.begin(context).await?;
    let was = store::find(change.tx(), caller.organization.id).await?;
    let before: Policy = serde_json::from_str(&was.policy_text).map_err(Error::internal)?;
    let mut errors = ValidationErrors::default();
    let new_name = errors.check("name", name(input.name.as_deref().unwrap_or(&was.name)));
    let policy = input.policy.clone().unwrap_or_else(|| before.clone());
    let limits = |policy: &Policy| (policy.allowed_addresses.clone(), policy.blocked_addresses.clone());
    let (old, new) = (limits(&before), limits(&policy));
    let same_limits = old == new;
    let mut proof = None;
    if !same_limits {
        proof = Some(Authorized::from(&authorize_write(&caller.subject, AddressLimits)?));
    }
    let rest = Policy { allowed_addresses: old.0, blocked_addresses: old.1, ..policy.clone() };
    if rest != before || new_name.as_ref().is_some_and(|name| *name != was.name) || same_limits {
        proof = Some(Authorized::from(&authorize_write(&caller.subject, Settings)?));
    }
    let Some(proof) = proof else { return Err(Error::internal("an edit that nobody decided about")) };
    check_policy(&policy, &caller, &mut errors);
    let Some(new_name) = new_name.filter(|_| errors.is_empty()) else {
        return Err(Error::Invalid(errors));
    };
    let text = serde_json::to_string(&policy).map_err(Error::internal)?;
    let fresh = version.is_none_or(|version| version == was.version);
    if !fresh || !store::update(change.tx(), proof, &was, &new_name, &text).await? {
        return Err(Error::Stale(
            "Someone else has changed these settings, or who belongs to the organization. \
             Check them, then save again."
                .to_owned(),
        ));
    }
    let after = store::find(change.tx(), was.id).await?;
    let event = Event::new(Action::OrganizationEdited, "organization", was.id, &after.name)
        .before(json!({ "name": was.name, "policy": before }))
        .after(json!({ "name": after.name, "policy": policy }));
    change.commit(event).await?;
    Ok(after)
}

/// Whether a person is allowed to create organizations, according to the setting `organization_creation`.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn may_create(app: &AppState, person: PersonId) -> Result<bool> {
    Ok(match app.context.config.organization_creation {
        OrganizationCreation::Anyone => true,
        OrganizationCreation::Administrators => app.founder().await? == Some(person),
    })
}

async fn ensure_may_create(app: &AppState, actor: &Actor, owner: PersonId) -> Result<()> {
    // The operator can create organizations on the command line without this permission.
    if actor.kind == ActorKind::Operator || may_create(app, owner).await? {
        return Ok(());
    }
    Err(Error::Forbidden(
        "Only the first owner of this installation can create organizations. Ask them, or ask the operator \
         to change the setting organization_creation."
            .to_owned(),
    ))
}

/// Creates an organization with its `owners` team. The person becomes its first owner.
///
/// # Errors
/// [`Error::Forbidden`] if the setting does not allow it; [`Error::Invalid`]; [`Error::Conflict`] for a slug
/// that is taken.
pub async fn create(
    app: &AppState,
    actor: &Actor,
    owner: PersonId,
    input: &NewOrganization,
) -> Result<Organization> {
    ensure_may_create(app, actor, owner).await?;
    let mut errors = ValidationErrors::default();
    let new_name = errors.check("name", name(&input.name));
    let new_slug = errors.check("slug", slug(&input.slug));
    let (Some(new_name), Some(new_slug)) = (new_name, new_slug) else { return Err(Error::Invalid(errors)) };
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.without_caller();
    let now = change.now;
    let (id, team) = (OrganizationId::new(now, &app.context.random), TeamId::new(now, &app.context.random));
    if let Some(first) = find_or_record_outcome(&mut change, "organization", &id).await? {
        return store::find(change.tx(), first).await;
    }
    ensure_room(&mut change, Quota::Organization(owner)).await?;
    store::insert_organization(change.tx(), NEW_ORGANIZATION, id, &new_slug, &new_name, now).await.map_err(
        |error| match error {
            Error::Conflict(_) => {
                Error::Conflict(ValidationErrors::one("slug", text::taken("slug", "organization")))
            }
            other => other,
        },
    )?;
    change.within(id);
    store::insert_owners(&mut change, NEW_ORGANIZATION, team, id).await?;
    directory::insert_member(&mut change, &NEW_ORGANIZATION, id, owner, "member").await?;
    directory::set_team_member(&mut change, &NEW_ORGANIZATION, team, owner, TeamRole::Admin).await?;
    let made = store::find(change.tx(), id).await?;
    let event = Event::new(Action::OrganizationCreated, "organization", id, &made.name).after(json!(made));
    change.commit(event).await?;
    Ok(made)
}

/// Deletes the organization and everything in it. `typed` is its name as a confirmation; `None` (API) needs
/// none.
///
/// # Errors
/// [`Error::Forbidden`] for everybody except owners; [`Error::Invalid`] if the typed name differs.
pub async fn delete(context: &Context, caller: &Caller, typed: Option<&str>) -> Result<()> {
    let permit = authorize_write(&caller.subject, OrganizationDeletion)?;
    let organization = &caller.organization;
    if typed.is_some_and(|typed| typed.trim() != organization.name) {
        let message = text::enter_to_confirm("organization", &organization.name);
        return Err(Error::Invalid(ValidationErrors::one("confirm", message)));
    }
    // The audit event belongs to the installation, so that it is kept when the organization is deleted.
    let mut change = Change::begin(context, &caller.actor, None).await?;
    change.of_installation();
    store::delete(change.tx(), &permit, organization.id).await?;
    let event = Event::new(Action::OrganizationDeleted, "organization", organization.id, &organization.name);
    change.commit(event).await
}
