//! The members' entries in the search index: username, name and email.
//!
//! Every statement that changes these fields or adds a member renews the entries in the same transaction.

use crate::platform::db::WriteProof;
use crate::platform::id::{OrganizationId, PersonId};
use crate::platform::search::{self, Entry, EntryComparison, Place, SearchableList, StoredEntry};
use crate::platform::{Db, Result, Tx, sql};

#[derive(sqlx::FromRow)]
struct SearchRow {
    organization_id: OrganizationId,
    id: PersonId,
    username: String,
    name: String,
    email: String,
    sort_key: Option<String>,
    content: Option<String>,
}

impl SearchRow {
    fn indexed(self) -> EntryComparison {
        let texts = [self.username.as_str(), &self.name, &self.email];
        let entry = Entry::new(self.organization_id, Members::LIST, &self.id, &self.username, &texts);
        EntryComparison { entry, stored: StoredEntry::from_columns(self.sort_key, self.content) }
    }
}

/// Text of a SELECT of members with their entries in the search index.
macro_rules! members_indexed {
    ($rest:literal) => {
        concat!(
            "SELECT m.organization_id, p.id, p.username, p.name, p.email, s.sort_key, s.content \
             FROM memberships m JOIN people p ON p.id = m.person_id LEFT JOIN search_texts s \
                ON s.organization_id = m.organization_id AND s.list = 'people' AND s.entry_id = m.person_id WHERE ",
            $rest
        )
    };
}

/// The list of members in the search index. An entry belongs to one membership, so a person has one per
/// organization.
#[derive(Clone, Copy, Debug)]
pub struct Members;

impl SearchableList for Members {
    const LIST: &'static str = "people";

    async fn some(db: &Db, after: &Place) -> Result<Vec<EntryComparison>> {
        let members: Vec<SearchRow> = sql(members_indexed!(
            "m.person_id >= $1 AND p.id >= $1 AND (m.person_id > $1 OR m.organization_id > $2) \
             ORDER BY m.person_id, m.organization_id LIMIT 100"
        ))
        .bind(&after.id)
        .bind(&after.organization)
        .all(db)
        .await?;
        Ok(members.into_iter().map(SearchRow::indexed).collect())
    }

    async fn renew(tx: &mut Tx, proof: &impl WriteProof, id: &str) -> Result<()> {
        let members: Vec<SearchRow> = sql(members_indexed!("m.person_id = $1 ORDER BY m.organization_id"))
            .bind(id)
            .all(&mut *tx)
            .await?;
        for member in members {
            search::put(tx, proof, &member.indexed()).await?;
        }
        Ok(())
    }
}
