//! What can be done with permission sets: permission, rules, store, audit, at once.

use serde_json::json;

use super::model::{NewSet, OwnSet, PermissionSets, SetEdit, SetView};
use super::store::{self, SetHolders};
use crate::access::{authorize_write, built_in, built_in_sets};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::platform::Context;
use crate::platform::id::PermissionSetId;
use crate::platform::{Error, Result, ValidationErrors};

/// All sets of the organization, the built-in ones first. Everyone who belongs
/// to it may see them: they are what roles are called.
///
/// # Errors
/// When the database cannot.
pub async fn list(context: &Context, caller: &Caller) -> Result<Vec<SetView>> {
    let own = store::all(&context.db, caller.organization.id).await?;
    Ok(built_in_sets().iter().map(SetView::from).chain(own.iter().map(SetView::from)).collect())
}

/// One set, by slug or id.
///
/// # Errors
/// [`Error::NotFound`].
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

/// Makes a set.
///
/// # Errors
/// [`Error::Forbidden`] where it holds more than the caller; [`Error::Invalid`];
/// [`Error::Conflict`] for a taken slug.
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

/// Refuses a change of a built-in set.
fn own(named: &str) -> Result<()> {
    match built_in(named) {
        Some(set) => Err(Error::conflict(format!(
            "“{}” is built in and cannot be changed. Create a permission set of your own from it.",
            set.name
        ))),
        None => Ok(()),
    }
}

/// Edits a set of the organization's own. With `version`, only over that version.
///
/// # Errors
/// [`Error::Conflict`] for a built-in one, or when somebody else edited it
/// meanwhile; as [`create`].
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

/// Deletes a set that nobody holds.
///
/// # Errors
/// [`Error::Conflict`] for a built-in one, or one that is held, saying by whom.
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
