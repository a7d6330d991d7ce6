//! Operations on service accounts, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction ([`Change`]). Nobody can give an account more access than they hold; the change checks
//! this through the effect of each statement.

use serde_json::json;

use super::model::{
    AccountCreation, AccountEdit, AccountsOf, Credential, Identity, NewAccount, Scope, ServiceAccount,
};
use super::store::{self, Counts, Filter, IdentityBinding};
use crate::access::{
    AccountScope, Audience, Kind, Permit, Subject, authorize_read, authorize_write, can_write,
    visible_service_accounts,
};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::identity_providers::model::required_owner_claims;
use crate::identity_providers::store as providers;
use crate::platform::db::Source;
use crate::platform::id::{PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::text::{choose_of_organization, enter_to_confirm};
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::principals::load_account_subject;
use crate::teams;
use crate::teams::model::Team;
use crate::tokens::lifecycle;
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::store as tokens;
use crate::verification::PlainToken;

/// Lists the accounts that the caller is allowed to see: all of the organization, or those of their teams.
///
/// # Errors
/// [`Error::Forbidden`] for a machine principal without `service_accounts:read`, or a personal token that is
/// narrowed to less.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<ServiceAccount>> {
    let seen_by = restricted_to(caller)?;
    let now = context.clock.now();
    let mut rows = store::list(&context.db, caller.organization.id, seen_by, filter, page, now).await?;
    for account in &mut rows {
        account.manageable = can_write(&caller.subject, account);
    }
    let slice = page.into_page(rows, |account| store::cursor(page, account));
    let slice = slice.map(|account| account.seen_by(&caller.subject));
    // If the caller is not allowed to know the team of the filter, the list must be empty.
    if !filter.team.is_empty() && slice.rows.iter().any(|account| account.team.is_none()) {
        return Ok(Page::empty());
    }
    Ok(slice)
}

/// The person to whose teams the list is restricted; `None` if the caller is allowed to see all accounts.
fn restricted_to(caller: &Caller) -> Result<Option<PersonId>> {
    Ok(match (visible_service_accounts(&caller.subject)?, &caller.subject.kind) {
        (Audience::Teams(_), Kind::Person { id, .. }) => Some(*id),
        _ => None,
    })
}

/// Counts the accounts that the caller is allowed to see, by status.
///
/// # Errors
/// As [`list`].
pub async fn count(context: &Context, caller: &Caller) -> Result<Counts> {
    let seen_by = restricted_to(caller)?;
    store::count(&context.db, caller.organization.id, seen_by, context.clock.now()).await
}

/// Returns one account, if the caller is allowed to see it.
///
/// # Errors
/// [`Error::NotFound`] if the object does not exist or the caller cannot see it.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<ServiceAccount> {
    let found = store::find(&context.db, caller.organization.id, named, context.clock.now()).await?;
    Ok(authorize_read(&caller.subject, found)?.seen_by(&caller.subject))
}

/// The result of [`create`].
#[derive(Debug)]
pub struct CreatedAccount {
    /// The new account.
    pub account: ServiceAccount,
    /// Id of its first key. `None` if the account is federated.
    pub key: Option<TokenId>,
    /// Value of that key. `None` if the account is federated or if the request repeats an earlier one.
    pub value: Option<PlainToken>,
}

/// Creates an account with its first key or its federated identity. A repeated request (same idempotency key)
/// returns the account that the first one created, without the value of the key.
///
/// # Errors
/// [`Error::Forbidden`] if the account would have more access than the caller, or if only owners can create
/// accounts in this organization; [`Error::Invalid`] for invalid fields; [`Error::Conflict`] for a name that
/// is taken.
pub async fn create(
    context: &Context,
    caller: &Caller,
    input: &NewAccount,
    delivery: &SecretDelivery,
) -> Result<CreatedAccount> {
    let (mut change, caller) = caller.begin(context).await?;
    let now = change.now;
    let checked = input.check(&caller.organization, now)?;
    let organization = caller.organization.id;
    let field = if checked.scope == Scope::Team { "team" } else { "default_team" };
    let team = visible_team(&mut change, &caller, &checked.team, field).await?;
    let scope =
        if checked.scope == Scope::Team { AccountScope::Team(team.id) } else { AccountScope::Organization };
    let permit = authorize_write(&caller.subject, AccountCreation::under(&caller.organization, scope))?;
    let id = ServiceAccountId::new(now, &context.random);
    if let Some(first) = find_or_record_outcome(&mut change, "service account", &id).await? {
        let account = store::find(change.tx(), organization, &first.to_string(), now).await?;
        let key = tokens::find_first_key(change.tx(), account.id).await?;
        return Ok(CreatedAccount { account, key, value: None });
    }
    let binding = match &checked.credential {
        Credential::Key(_) => IdentityBinding { conditions: "{}".to_owned(), ..IdentityBinding::default() },
        Credential::Federated(identity) => bind_identity(&mut change, &caller, identity).await?,
    };
    let default_team = (checked.scope == Scope::Organization).then_some(team.id);
    store::insert(&mut change, organization, id, &permit, (&checked, &binding), default_team).await?;
    let account = authorize_write(
        &caller.subject,
        store::find(change.tx(), organization, &id.to_string(), now).await?,
    )?;
    let issued = match &checked.credential {
        Credential::Key(key) => Some(lifecycle::issue(&mut change, (&account).into(), key, delivery).await?),
        Credential::Federated(_) => None,
    };
    let account = account.into_inner();
    let event = Event::new(Action::ServiceAccountCreated, "service_account", id, &account.name);
    change.no_invalidation();
    change.commit(event.after(json!(account.view(now)))).await?;
    let key = issued.as_ref().map(|issued| issued.id);
    Ok(CreatedAccount { account, key, value: issued.and_then(|issued| issued.value) })
}

/// Resolves the provider of a federated identity. If everybody can get tokens from the provider's issuer
/// (such as a public CI system), the identity must name a subject or the owner of the jobs.
async fn bind_identity(
    change: &mut Change<'_>,
    caller: &Caller,
    identity: &Identity,
) -> Result<IdentityBinding> {
    let found = providers::find(change.tx(), caller.organization.id, &identity.provider).await;
    let provider = found.map_err(|error| match error {
        Error::NotFound => Error::Invalid(ValidationErrors::one(
            "identity.provider",
            choose_of_organization("identity provider"),
        )),
        other => other,
    })?;
    if let Some(claims) = required_owner_claims(&provider.issuer)
        && identity.subject.is_empty()
        && !claims.iter().any(|claim| identity.conditions.contains_key(*claim))
    {
        let message = format!(
            "Everybody can use this issuer. Name whose jobs they are: add one of {}, or enter an exact subject.",
            claims.join(", ")
        );
        return Err(Error::Invalid(ValidationErrors::one("identity.conditions", message)));
    }
    Ok(IdentityBinding {
        provider: Some(provider.id),
        subject: Some(identity.subject.clone()).filter(|subject| !subject.is_empty()),
        conditions: json!(identity.conditions).to_string(),
    })
}

/// The team that a form field names. [`Error::Invalid`] for that field if the caller cannot see it.
async fn visible_team(
    change: &mut Change<'_>,
    caller: &Caller,
    named: &str,
    field: &'static str,
) -> Result<Team> {
    let found = teams::store::find(change.tx(), caller.organization.id, named).await;
    found.and_then(|team| authorize_read(&caller.subject, team)).map_err(|error| match error {
        Error::NotFound => Error::Invalid(ValidationErrors::one(field, choose_of_organization("team"))),
        other => other,
    })
}

/// Begins a change of an account. Returns the change, the caller reloaded inside the transaction, and the
/// permit to manage the account.
pub(super) async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
    named: &str,
) -> Result<(Change<'a>, Caller, Permit<ServiceAccount>)> {
    let (mut change, caller) = caller.begin(context).await?;
    let now = change.now;
    let account = store::find(change.tx(), caller.organization.id, named, now).await?;
    let permit = authorize_write(&caller.subject, account)?;
    Ok((change, caller, permit))
}

/// Loads what an account holds if its role is `role`.
async fn subject_of(
    source: impl Into<Source<'_>>,
    caller: &Caller,
    account: &ServiceAccount,
    role: &str,
) -> Result<Subject> {
    load_account_subject(source, &caller.organization, account.id, account.account_scope(), role).await
}

/// Loads an account and its subject (role and grants), for the page *Access*.
///
/// # Errors
/// [`Error::NotFound`] if the object does not exist or the caller cannot see it.
pub async fn get_with_subject(
    context: &Context,
    caller: &Caller,
    named: &str,
) -> Result<(ServiceAccount, Subject)> {
    let account = get(context, caller, named).await?;
    let subject = subject_of(&context.db, caller, &account, &account.role).await?;
    Ok((account, subject))
}

/// Edits an account. Another federated identity revokes the access tokens of the previous one.
///
/// # Errors
/// [`Error::Stale`] if somebody else edited it in the meantime; otherwise as [`create`].
pub async fn edit(
    context: &Context,
    caller: &Caller,
    named: &str,
    input: &AccountEdit,
) -> Result<ServiceAccount> {
    let (mut change, caller, account) = managed(context, caller, named).await?;
    let now = change.now;
    let checked = input.check(&account, &caller.organization.sets, now)?;
    let default_team: Option<TeamId> = match input.default_team.as_deref() {
        Some(slug) => Some(visible_team(&mut change, &caller, slug.trim(), "default_team").await?.id),
        None => None,
    };
    let into = match &checked.into_team {
        Some(slug) => {
            let team = visible_team(&mut change, &caller, slug, "team").await?.id;
            authorize_write(&caller.subject, AccountsOf(AccountScope::Team(team)))?;
            Some(team)
        }
        None => None,
    };
    let binding = match &checked.identity {
        Some(identity) => bind_identity(&mut change, &caller, identity).await?,
        None => IdentityBinding {
            provider: account.identity_provider_id,
            subject: account.identity_subject.clone(),
            conditions: account.identity_conditions.clone(),
        },
    };
    let fresh = input.version.is_none_or(|version| version == account.version);
    if !fresh || !store::update(&mut change, &account, &checked, default_team, into, &binding).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed this account. It is now “{}” with the role {}. Check it, then save again.",
            account.name,
            caller.organization.sets.name(&account.role)
        )));
    }
    if checked.identity.is_some() {
        // The access tokens that the previous identity was exchanged for must stop working.
        tokens::end_federated(change.tx(), (&account).into(), account.id, now).await?;
    }
    let before = json!(account.view(now));
    let after = store::find(change.tx(), caller.organization.id, named, now).await?;
    let event = Event::new(Action::ServiceAccountEdited, "service_account", after.id, &after.name);
    change.commit(event.before(before).after(json!(after.view(now)))).await?;
    Ok(after.seen_by(&caller.subject))
}

/// Disables an account: its tokens stop working with the next request. Disabling a disabled account changes
/// nothing.
///
/// # Errors
/// [`Error::NotFound`] if the caller cannot see the object, [`Error::Forbidden`] if they lack the permission.
pub async fn disable(context: &Context, caller: &Caller, named: &str) -> Result<ServiceAccount> {
    set_enabled(context, caller, named, false).await
}

/// Enables an account again. Its tokens work again, so the caller must hold the access that the account
/// holds.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::Forbidden`].
pub async fn enable(context: &Context, caller: &Caller, named: &str) -> Result<ServiceAccount> {
    set_enabled(context, caller, named, true).await
}

async fn set_enabled(context: &Context, caller: &Caller, named: &str, on: bool) -> Result<ServiceAccount> {
    let (mut change, caller, account) = managed(context, caller, named).await?;
    if account.disabled_at.is_none() == on {
        return Ok(account.into_inner().seen_by(&caller.subject));
    }
    let now = change.now;
    store::set_disabled(&mut change, &account, (!on).then_some(now)).await?;
    let action = if on { Action::ServiceAccountEnabled } else { Action::ServiceAccountDisabled };
    let after = store::find(change.tx(), caller.organization.id, named, now).await?;
    change.commit(Event::new(action, "service_account", after.id, &after.name)).await?;
    Ok(after.seen_by(&caller.subject))
}

/// Deletes an account and revokes its tokens. `typed` is the account's name as a confirmation; `None` (API)
/// needs none.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], or [`Error::Invalid`] if the typed name differs.
pub async fn delete(
    context: &Context,
    caller: &Caller,
    named: &str,
    typed: Option<&str>,
) -> Result<ServiceAccount> {
    let (mut change, _, account) = managed(context, caller, named).await?;
    if typed.is_some_and(|typed| typed.trim() != account.name) {
        return Err(Error::Invalid(ValidationErrors::one(
            "confirm",
            enter_to_confirm("service account", &account.name),
        )));
    }
    let now = change.now;
    let ended = store::delete(change.tx(), &account, now).await?;
    let account = account.into_inner();
    let event = Event::new(Action::ServiceAccountDeleted, "service_account", account.id, &account.name);
    change.commit(event.before(json!(account.view(now))).after(json!({ "tokens_revoked": ended }))).await?;
    Ok(account)
}
