//! How members are found by a part of their names.

use crate::platform::id::{OrganizationId, PersonId};
use crate::platform::search::{self, Entry, Searched};
use crate::platform::{Result, Tx, sql};

#[derive(sqlx::FromRow)]
struct Found {
    organization_id: OrganizationId,
    id: PersonId,
    username: String,
    name: String,
    email: String,
}

impl Found {
    fn entry(&self) -> Entry {
        let texts = [self.username.as_str(), &self.name, &self.email];
        Entry::new(self.organization_id, Members::LIST, &self.id, &self.username, &texts)
    }
}

/// The members of an organization, found by username, name and address.
#[derive(Clone, Copy, Debug)]
pub struct Members;

impl Searched for Members {
    const LIST: &'static str = "people";

    async fn missing(tx: &mut Tx, from: &str) -> Result<Vec<Entry>> {
        let found: Vec<Found> = sql("SELECT m.organization_id, p.id, p.username, p.name, p.email \
             FROM memberships m JOIN people p ON p.id = m.person_id \
             WHERE m.person_id >= $1 AND p.id >= $1 AND NOT EXISTS (SELECT 1 FROM search_texts s \
                WHERE s.organization_id = m.organization_id AND s.list = 'people' AND s.entry_id = m.person_id) \
             ORDER BY m.person_id LIMIT 100")
        .bind(from)
        .all(tx)
        .await?;
        Ok(found.iter().map(Found::entry).collect())
    }
}

/// Lets a person be found in each of their organizations as they are called now.
///
/// # Errors
/// When the database cannot.
pub async fn let_be_found(tx: &mut Tx, person: PersonId) -> Result<()> {
    let found: Vec<Found> = sql("SELECT m.organization_id, p.id, p.username, p.name, p.email \
         FROM memberships m JOIN people p ON p.id = m.person_id WHERE m.person_id = $1")
    .bind(person)
    .all(&mut *tx)
    .await?;
    for place in &found {
        search::put(tx, &place.entry()).await?;
    }
    Ok(())
}
