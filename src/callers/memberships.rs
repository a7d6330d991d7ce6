//! Finds the memberships of a person, from the cache if possible. Pages must show
//! what was just changed on another node, so they use the cache only if there are
//! no other nodes (SQLite).

use std::sync::Arc;

use crate::platform::id::PersonId;
use crate::platform::{Error, Result};
use crate::principals::{Membership, load_memberships};
use crate::state::AppState;

/// The membership of a person in the organization with this slug or id, from the
/// cache if possible.
///
/// # Errors
/// [`Error::NotFound`] if the person is not a member; when the database cannot.
pub async fn membership_in(app: &AppState, person: PersonId, named: &str) -> Result<Arc<Membership>> {
    let (invalidations, key) = (app.context.db.invalidations(), (person, named.to_owned()));
    if let Some(known) = app.verifier.cache.memberships.get(invalidations, &key, app.context.clock.now()) {
        return Ok(known);
    }
    let snapshot = invalidations.snapshot();
    let membership = Box::pin(load_memberships(&app.context.db, person, Some(named)))
        .await?
        .pop()
        .ok_or(Error::NotFound)?;
    let membership = Arc::new(membership);
    // Slugs never change, so the cache can use them as keys.
    app.verifier.cache.memberships.put(
        key,
        invalidations.version(snapshot, &[membership.organization.id.into()]),
        &membership,
    );
    Ok(membership)
}

/// As [`membership_in`], for a page: always loaded if other nodes can write.
pub(super) async fn membership_for_page(
    app: &AppState,
    person: PersonId,
    named: &str,
) -> Result<Arc<Membership>> {
    if app.context.db.invalidations().is_single_node() {
        return membership_in(app, person, named).await;
    }
    let membership = load_memberships(&app.context.db, person, Some(named)).await?.pop();
    membership.map(Arc::new).ok_or(Error::NotFound)
}

/// All memberships of a person, from the cache if possible.
///
/// # Errors
/// When the database cannot.
pub async fn all_memberships(app: &AppState, person: PersonId) -> Result<Arc<Vec<Membership>>> {
    let read = Box::pin(load_memberships(&app.context.db, person, None));
    app.verifier
        .cache
        .all_memberships(app.context.db.invalidations(), person, app.context.clock.now(), read)
        .await
}
