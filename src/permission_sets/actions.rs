//! Operations on permission sets, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction. Adding permissions to a set gives them to everybody who holds it, so the caller must
//! hold them.

use serde_json::json;

use super::model::{NewSet, OwnSet, PermissionSets, SetEdit, SetView};
use super::store::{self, SetHolders};
use crate::access::{authorize_write, built_in, built_in_sets};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::platform::id::PermissionSetId;
use crate::platform::{Context, Error, Result, ValidationErrors};

/// Lists all permission sets, the built-in ones first. Every member can see them, because roles refer to
/// them.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(context: &Context, caller: &Caller) -> Result<Vec<SetView>> {
    let own = store::all(&context.db, caller.organization.id).await?;
    Ok(built_in_sets().iter().map(SetView::from).chain(own.iter().map(SetView::from)).collect())
}

/// Returns one permission set by slug or id, its row if it is not built in, and who holds it.
///
/// # Errors
/// [`Error::NotFound`] if there is none.
pub async fn get(
    context: &Context,
    caller: &Caller,
    named: &str,
) -> Result<(SetView, Option<OwnSet>, SetHolders)> {
    let (view, own) = if let Some(set) = built_in(named) {
        (SetView::from(set), None)
    } else {
        let own = store::find(&context.db, caller.organization.id, named).await?;
        (SetView::from(&own), Some(own))
    };
    let now = context.clock.now();
    let holders = store::holders(&context.db, caller.organization.id, &view.slug, now).await?;
    Ok((view, own, holders))
}

/// Creates a permission set.
///
/// # Errors
/// [`Error::Forbidden`] if the set has permissions that the caller does not hold; [`Error::Invalid`];
/// [`Error::Conflict`] for a slug that is taken.
pub async fn create(context: &Context, caller: &Caller, input: &NewSet) -> Result<SetView> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, PermissionSets)?;
    let checked = input.check()?;
    let id = PermissionSetId::new(change.now, &context.random);
    if let Some(first) = find_or_record_outcome(&mut change, "permission set", &id).await? {
        let made = store::find(change.tx(), caller.organization.id, &first.to_string()).await?;
        return Ok(SetView::from(&made));
    }
    store::insert(&mut change, &permit, caller.organization.id, id, &checked).await?;
    let made = SetView::from(&store::find(change.tx(), caller.organization.id, &id.to_string()).await?);
    let event = Event::new(Action::PermissionSetCreated, "permission_set", id, &made.name);
    change.commit(event.after(json!(made))).await?;
    Ok(made)
}

/// Returns [`Error::Conflict`] for a built-in set, which cannot be changed.
fn own(named: &str) -> Result<()> {
    match built_in(named) {
        Some(set) => Err(Error::conflict(format!(
            "“{}” is built in and cannot be changed. Create a permission set of your own from it.",
            set.name
        ))),
        None => Ok(()),
    }
}

/// Edits a permission set of the organization. If `version` is given, the set must still have it.
///
/// # Errors
/// [`Error::Conflict`] for a built-in set; [`Error::Stale`] if somebody else edited the set in the meantime;
/// otherwise as [`create`].
pub async fn edit(
    context: &Context,
    caller: &Caller,
    named: &str,
    input: &SetEdit,
    version: Option<i64>,
) -> Result<OwnSet> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, PermissionSets)?;
    own(named)?;
    let was = store::find(change.tx(), caller.organization.id, named).await?;
    let checked = input.check(&was)?;
    let fresh = version.is_none_or(|version| version == was.version);
    if !fresh || !store::update(&mut change, &permit, &was, &checked).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed “{}”. Check it, then save again.",
            was.name
        )));
    }
    let after = store::find(change.tx(), caller.organization.id, named).await?;
    let event = Event::new(Action::PermissionSetEdited, "permission_set", was.id, &after.name);
    change.commit(event.before(json!(SetView::from(&was))).after(json!(SetView::from(&after)))).await?;
    Ok(after)
}

/// Deletes a permission set that nobody holds.
///
/// # Errors
/// [`Error::Conflict`] for a built-in set, or for a set that is held; the message says by whom.
pub async fn delete(context: &Context, caller: &Caller, named: &str) -> Result<SetView> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, PermissionSets)?;
    own(named)?;
    let now = change.now;
    let was = store::find(change.tx(), caller.organization.id, named).await?;
    let holders = store::holders(change.tx(), caller.organization.id, &was.slug, now).await?;
    if holders.total() > 0 {
        let message = format!("It is held by {}. Give them another one first.", holders.list());
        return Err(Error::Conflict(ValidationErrors::one("", message)));
    }
    store::delete(change.tx(), &permit, was.id).await?;
    let before = SetView::from(&was);
    let event = Event::new(Action::PermissionSetDeleted, "permission_set", was.id, &was.name);
    change.commit(event.before(json!(before))).await?;
    Ok(before)
}
