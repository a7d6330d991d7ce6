//! The memberships of a person, from the cache where that may be used.

use std::sync::Arc;

use crate::platform::id::PersonId;
use crate::platform::{Error, Result};
use crate::principals::{Membership, memberships};
use crate::state::AppState;

/// A person's place in the organization of this slug or id, remembered.
///
/// # Errors
/// [`Error::NotFound`] where they have none; when the database cannot.
pub async fn membership_in(app: &AppState, person: PersonId, named: &str) -> Result<Arc<Membership>> {
    let (invalidations, key) = (app.context.db.invalidations(), (person, named.to_owned()));
    if let Some(known) = app.verifier.cache.memberships.get(invalidations, &key, app.context.clock.now()) {
        return Ok(known);
    }
    let snapshot = invalidations.snapshot();
    let place =
        Box::pin(memberships(&app.context.db, person, Some(named))).await?.pop().ok_or(Error::NotFound)?;
    let place = Arc::new(place);
    // Slugs never change, so the name stands for the organization.
    app.verifier.cache.memberships.put(
        key,
        invalidations.version(snapshot, &[place.organization.id.into()]),
        &place,
    );
    Ok(place)
}

/// The same for a page: read anew where other nodes write as well, so that each
/// shows what was just changed at another.
pub(super) async fn membership_for_page(
    app: &AppState,
    person: PersonId,
    named: &str,
) -> Result<Arc<Membership>> {
    if app.context.db.invalidations().is_single_node() {
        return membership_in(app, person, named).await;
    }
    let place = memberships(&app.context.db, person, Some(named)).await?.pop();
    place.map(Arc::new).ok_or(Error::NotFound)
}

/// All places of a person, remembered.
///
/// # Errors
/// When the database cannot.
pub async fn all_memberships(app: &AppState, person: PersonId) -> Result<Arc<Vec<Membership>>> {
    let read = Box::pin(memberships(&app.context.db, person, None));
    app.verifier
        .cache
        .all_memberships(app.context.db.invalidations(), person, app.context.clock.now(), read)
        .await
}
