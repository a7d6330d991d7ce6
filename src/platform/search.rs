//! Substring search in long lists by trigrams. Each entry of a list is indexed by
//! every three consecutive characters of its text. A search reads the entries that
//! contain the rarest trigram of the query, in the order of the list, and compares
//! their texts, so that a page costs about the same however long the list is.
//!
//! The index is an ordinary table. Both databases therefore use the same SQL, and
//! a search reads only the entries of its organization.

use std::collections::BTreeSet;

use super::db::{Statement, Value, WriteProof};
use super::id::OrganizationId;
use super::text::{casefold, contains_pattern};
use super::{Db, Error, Result, Tx, ValidationErrors, sql};

/// The largest number of entries that a search reads and sorts.
const MAX_SORTED: i64 = 1_000;

/// The largest number of entries of a list in whose order a search may be read.
const MAX_READ: i64 = 2_000;

/// The number of characters in a gram.
const GRAM_LENGTH: usize = 3;
/// The largest number of grams of a query whose frequency is compared.
const MAX_COMPARED: usize = 64;
/// Up to this number of grams, the frequency of all is measured precisely.
const MAX_MEASURED: usize = 12;
/// If there are more, only this number of grams is measured precisely: those that
/// a cheaper measurement found to be the rarest.
const MAX_RARE: usize = 3;

/// An entry of the index: a row of a list that can be found by its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    organization: OrganizationId,
    list: &'static str,
    id: String,
    key: String,
    content: String,
}

impl Entry {
    /// The entry of the row `id`, which its list sorts by `key`. It is found by any
    /// part of one of the `texts`, compared with case folding.
    #[must_use]
    pub fn new(
        organization: OrganizationId,
        list: &'static str,
        id: &impl ToString,
        key: &str,
        texts: &[&str],
    ) -> Self {
        let texts: Vec<String> = texts.iter().map(|text| casefold(text)).collect();
        Self { organization, list, id: id.to_string(), key: key.to_owned(), content: texts.join("\n") }
    }

    /// The rows of the index: one for each gram.
    fn rows(&self) -> Vec<Vec<Value>> {
        let row = |gram: String| -> Vec<Value> {
            vec![
                self.organization.into(),
                self.list.into(),
                gram.into(),
                self.key.as_str().into(),
                self.id.as_str().into(),
            ]
        };
        grams(&self.content).into_iter().map(row).collect()
    }
}

/// The set of grams of a text. A gram does not cross a line break.
fn grams(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let characters: Vec<char> = line.chars().collect();
        all.extend(characters.windows(GRAM_LENGTH).map(|gram| gram.iter().collect::<String>()));
    }
    all
}

/// The sort key and the text of an entry, as the index has them.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredEntry {
    /// The key that the list sorts by.
    pub sort_key: String,
    /// The texts by which the entry is found.
    pub content: String,
}

impl StoredEntry {
    /// What two columns of an outer join say: both are null if the index does not
    /// have the entry.
    #[must_use]
    pub fn from_columns(sort_key: Option<String>, content: Option<String>) -> Option<Self> {
        sort_key.zip(content).map(|(sort_key, content)| Self { sort_key, content })
    }
}

/// An entry, compared with what the index has of it.
#[derive(Clone, Debug)]
pub struct EntryComparison {
    /// The entry as it should be.
    pub entry: Entry,
    /// What the index has; `None` if it does not have the entry.
    pub stored: Option<StoredEntry>,
}

impl EntryComparison {
    /// Whether the index has the entry as it should be, so that nothing needs to be
    /// written.
    fn is_up_to_date(&self) -> bool {
        self.stored
            .as_ref()
            .is_some_and(|stored| stored.sort_key == self.entry.key && stored.content == self.entry.content)
    }
}

/// Inserts an entry, or replaces it if the index contains another version.
///
/// # Errors
/// When the database cannot.
pub async fn put(tx: &mut Tx, proof: &impl WriteProof, indexed: &EntryComparison) -> Result<()> {
    let entry = &indexed.entry;
    // Of two concurrent transactions, the second waits here and then sees what the first one wrote.
    if !indexed.is_up_to_date() && !add(tx, proof, entry).await? {
        erase(tx, proof, entry.organization, entry.list, &entry.id).await?;
        add(tx, proof, entry).await?;
    }
    Ok(())
}

/// Inserts an entry. Returns false, and changes nothing, if it exists.
///
/// # Errors
/// When the database cannot.
pub async fn add(tx: &mut Tx, proof: &impl WriteProof, entry: &Entry) -> Result<bool> {
    let added = sql("INSERT INTO search_texts (organization_id, list, entry_id, sort_key, content) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
    .bind(entry.organization)
    .bind(entry.list)
    .bind(&entry.id)
    .bind(&entry.key)
    .bind(&entry.content)
    .execute(&mut *tx, proof)
    .await?;
    if added == 1 {
        sql("INSERT INTO search_grams (organization_id, list, gram, sort_key, entry_id) \
             SELECT v.column1, v.column2, v.column3, v.column4, v.column5 \
             FROM (VALUES ($1, $2, $3, $4, $5)) AS v WHERE TRUE ON CONFLICT DO NOTHING")
        .execute_batch(tx, proof, entry.rows())
        .await?;
    }
    Ok(added == 1)
}

/// Deletes an entry, if it exists.
///
/// # Errors
/// When the database cannot.
pub async fn erase(
    tx: &mut Tx,
    proof: &impl WriteProof,
    organization: OrganizationId,
    list: &'static str,
    id: &impl ToString,
) -> Result<()> {
    let id = id.to_string();
    let known: Option<StoredEntry> =
        sql("DELETE FROM search_texts WHERE organization_id = $1 AND list = $2 \
         AND entry_id = $3 RETURNING sort_key, content")
        .bind(organization)
        .bind(list)
        .bind(&id)
        .execute_returning(&mut *tx, proof)
        .await?;
    let Some(StoredEntry { sort_key: key, content }) = known else { return Ok(()) };
    let gone = Entry { organization, list, id, key, content };
    sql("DELETE FROM search_grams WHERE (organization_id, list, gram, sort_key, entry_id) IN \
         (VALUES ($1, $2, $3, $4, $5))")
    .execute_batch(tx, proof, gone.rows())
    .await?;
    Ok(())
}

/// A search in a list, for the statement of that list. The statement selects from
/// `search_texts s` where `s.content` is `LIKE` the pattern. It uses `CROSS JOIN`,
/// so that SQLite keeps the written order of the tables and reads other tables
/// only for matching entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// The statement starts from `search_grams g` with this gram.
    Indexed {
        /// The rarest gram of the query.
        gram: String,
        /// The pattern that finds the query anywhere in the text.
        pattern: String,
    },
    /// The query is shorter than a gram, so the statement reads all texts.
    Short {
        /// The pattern that finds the query anywhere in the text.
        pattern: String,
    },
}

/// How the matches of a search are sorted by something else than the order of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorting {
    /// The entries that can match are read and sorted.
    MatchesFirst,
    /// The list is read in its order until enough entries match.
    ListFirst,
}

/// The text of a statement that measures how rare a gram is: the sort keys of the
/// entries with this gram at the offsets `$near` and `$far`, NULL if there are
/// fewer entries.
macro_rules! measure_gram {
    ($near:literal, $far:literal) => {
        concat!(
            "SELECT v.column3 AS gram, (SELECT g.sort_key FROM search_grams g WHERE g.organization_id = v.column1 \
                AND g.list = v.column2 AND g.gram = v.column3 ORDER BY g.sort_key, g.entry_id LIMIT 1 OFFSET ",
            $near,
            ") AS near, (SELECT g.sort_key FROM search_grams g WHERE g.organization_id = v.column1 \
                AND g.list = v.column2 AND g.gram = v.column3 ORDER BY g.sort_key, g.entry_id LIMIT 1 OFFSET ",
            $far,
            ") AS far FROM (VALUES ($1, $2, $3)) AS v"
        )
    };
}

#[derive(sqlx::FromRow)]
struct GramReach {
    gram: Option<String>,
    near: Option<String>,
    far: Option<String>,
}

impl Search {
    /// Prepares the search for a query; `None` if the query is empty.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn read(
        db: &Db,
        organization: OrganizationId,
        list: &'static str,
        text: &str,
    ) -> Result<Option<Self>> {
        // Grams do not cross line breaks.
        let text = casefold(&text.replace('\n', " "));
        if text.is_empty() {
            return Ok(None);
        }
        let pattern = contains_pattern(&text);
        let mut all: Vec<String> = grams(&text).into_iter().collect();
        if all.len() > 1 {
            all = Self::find_rarest(db, organization, list, &all).await?.into_iter().collect();
        }
        Ok(Some(match all.pop() {
            Some(gram) => Self::Indexed { gram, pattern },
            None => Self::Short { pattern },
        }))
    }

    /// How the matches can be sorted by something else than the order of the index: few entries can match, or the
    /// whole list is short. Otherwise a search that finds little would read the whole list.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the field `sort`; when the database cannot.
    pub async fn sorting(
        &self,
        db: &Db,
        organization: OrganizationId,
        list: &'static str,
    ) -> Result<Sorting> {
        if let Self::Indexed { gram, .. } = self {
            let (entries,): (i64,) = sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM search_grams \
                 WHERE organization_id = $1 AND list = $2 AND gram = $3 LIMIT $4) counted")
            .bind(organization)
            .bind(list)
            .bind(gram)
            .bind(MAX_SORTED + 1)
            .one(db)
            .await?;
            if entries <= MAX_SORTED {
                return Ok(Sorting::MatchesFirst);
            }
        }
        let (entries,): (i64,) = sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM search_texts \
             WHERE organization_id = $1 AND list = $2 LIMIT $3) counted")
        .bind(organization)
        .bind(list)
        .bind(MAX_READ + 1)
        .one(db)
        .await?;
        if entries <= MAX_READ {
            return Ok(Sorting::ListFirst);
        }
        Err(Error::Invalid(ValidationErrors::one(
            "sort",
            "Enter more letters, or sort by name. Too many entries can match this search to sort them otherwise.",
        )))
    }

    /// The rarest of some grams: one that few entries contain or, if all are
    /// frequent, the one whose entries are the farthest apart in the list.
    async fn find_rarest(
        db: &Db,
        organization: OrganizationId,
        list: &'static str,
        all: &[String],
    ) -> Result<Option<String>> {
        let by_rarity = async |statement: Statement, some: &[String]| -> Result<Vec<String>> {
            let rows = some.iter().map(|gram| vec![organization.into(), list.into(), gram.into()]).collect();
            let measured: Vec<GramReach> = statement.fetch_batch(db, rows).await?;
            let measured =
                measured.into_iter().filter_map(|GramReach { gram, near, far }| Some((near, far, gram?)));
            let mut measured: Vec<_> =
                measured.map(|(near, far, gram)| (near.is_none(), far.is_none(), far, gram)).collect();
            measured.sort_unstable_by(|one, other| other.cmp(one));
            Ok(measured.into_iter().map(|(.., gram)| gram).collect())
        };
        let mut some: Vec<String> = all.iter().step_by(all.len().div_ceil(MAX_COMPARED)).cloned().collect();
        // If there are many, measure only those precisely that look the rarest.
        if some.len() > MAX_MEASURED {
            some = by_rarity(sql(measure_gram!("50", "100")), &some).await?;
            some.truncate(MAX_RARE);
        }
        Ok(by_rarity(sql(measure_gram!("50", "250")), &some).await?.into_iter().next())
    }
}

/// A position in the order by id, then organization, in which entries are
/// checked.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The id of an entry.
    pub id: String,
    /// The id of its organization.
    pub organization: String,
}

/// A list that can be searched.
pub trait SearchableList {
    /// The name of the list in the index.
    const LIST: &'static str;

    /// A batch of entries after a position; empty at the end.
    fn some(db: &Db, after: &Place) -> impl Future<Output = Result<Vec<EntryComparison>>> + Send;

    /// Writes the current entries of a row.
    fn renew(tx: &mut Tx, proof: &impl WriteProof, id: &str) -> impl Future<Output = Result<()>> + Send;
}

/// Brings the index of a list up to date, for rows that an older release wrote
/// without indexing them. Returns the number of written entries.
///
/// # Errors
/// When the database cannot.
pub async fn renew<S: SearchableList>(db: &Db, proof: &impl WriteProof) -> Result<usize> {
    let (mut renewed, mut after) = (0, Place::default());
    loop {
        let some = S::some(db, &after).await?;
        let Some(last) = some.last() else { return Ok(renewed) };
        after = Place { id: last.entry.id.clone(), organization: last.entry.organization.to_string() };
        let stale: Vec<&EntryComparison> = some.iter().filter(|one| !one.is_up_to_date()).collect();
        if stale.is_empty() {
            continue;
        }
        let mut tx = db.begin().await?;
        for one in &stale {
            S::renew(&mut tx, proof, &one.entry.id).await?;
        }
        tx.commit().await?;
        renewed += stale.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_every_three_characters_of_a_line() {
        let of = |text: &str| grams(text).into_iter().collect::<Vec<_>>();
        assert_eq!(of("anana"), ["ana", "nan"]);
        assert_eq!(of("ab\ncde"), ["cde"]);
        assert_eq!(of("äöü€"), ["äöü", "öü€"]);
        assert!(of("ab").is_empty() && of("").is_empty());
    }
}
