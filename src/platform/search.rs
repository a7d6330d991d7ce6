//! Search for a part of a text, among many: each entry of a list is indexed by
//! every three characters in a row that it holds. What is looked for is found
//! among the entries that hold the rarest three of it, in the order of the
//! list, so that a page costs the same however many entries there are. It is a
//! table like any other, so both databases have it and no organization's search
//! reads another's entries.

use std::collections::BTreeSet;

use super::db::{Statement, Value, WriteProof};
use super::id::OrganizationId;
use super::text::{casefold, contains_pattern};
use super::{Db, Result, Tx, sql};

/// So many characters in a row are indexed together.
const GRAM: usize = 3;
/// So many of what is looked for are compared for how rare they are: the parts of
/// any text that somebody types.
const COMPARED: usize = 64;
/// No more than so many are looked at closely at once.
const FEW: usize = 12;
/// Of more, so many are looked at closely that are rare at first sight.
const SPARSE: usize = 3;

/// What can be found in a list of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    organization: OrganizationId,
    list: &'static str,
    id: String,
    key: String,
    content: String,
}

impl Entry {
    /// Of the row `id`, which its list sorts by `key`. It is found by any part
    /// of one of the `texts`, whether written large or small.
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

    /// A row of the index for each gram.
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

/// Every three characters in a row, each once; none reaches over the end of a line.
fn grams(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let characters: Vec<char> = line.chars().collect();
        all.extend(characters.windows(GRAM).map(|gram| gram.iter().collect::<String>()));
    }
    all
}

#[derive(sqlx::FromRow)]
struct Known {
    sort_key: String,
    content: String,
}

/// An entry, and what the index knows of it.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// As it is now.
    pub entry: Entry,
    /// Key and text in the index, if it is there.
    pub known: Option<(String, String)>,
}

impl Indexed {
    /// Whether the index has it as it is now.
    fn is_current(&self) -> bool {
        let known = self.known.as_ref().map(|(key, content)| (key.as_str(), content.as_str()));
        known == Some((self.entry.key.as_str(), self.entry.content.as_str()))
    }
}

/// Writes an entry over what the index knows of it.
///
/// # Errors
/// When the database cannot.
pub async fn put(tx: &mut Tx, proof: &impl WriteProof, indexed: &Indexed) -> Result<()> {
    let entry = &indexed.entry;
    // Who comes second waits here for the first, and then sees what that one wrote.
    if !indexed.is_current() && !add(tx, proof, entry).await? {
        erase(tx, proof, entry.organization, entry.list, &entry.id).await?;
        add(tx, proof, entry).await?;
    }
    Ok(())
}

/// Writes an entry that is not there yet; false, and leaves it, where one is.
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

/// Takes an entry out, where there is one.
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
    let known: Option<Known> = sql("DELETE FROM search_texts WHERE organization_id = $1 AND list = $2 \
         AND entry_id = $3 RETURNING sort_key, content")
    .bind(organization)
    .bind(list)
    .bind(&id)
    .execute_returning(&mut *tx, proof)
    .await?;
    let Some(Known { sort_key: key, content }) = known else { return Ok(()) };
    let gone = Entry { organization, list, id, key, content };
    sql("DELETE FROM search_grams WHERE (organization_id, list, gram, sort_key, entry_id) IN \
         (VALUES ($1, $2, $3, $4, $5))")
    .execute_batch(tx, proof, gone.rows())
    .await?;
    Ok(())
}

/// What is looked for in a list: `search_texts s`, of which `s.content` is
/// `LIKE` the pattern. Joined with `CROSS JOIN`, by which SQLite keeps to the
/// order as it is written: what does not match costs nothing beyond its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Of the entries of `search_grams g`, by their rarest gram.
    Indexed {
        /// The part of the text that the fewest entries hold.
        gram: String,
        /// The text anywhere.
        pattern: String,
    },
    /// Of all entries: a text too short for the index.
    Short {
        /// The text anywhere.
        pattern: String,
    },
}

/// The text of a statement: how far into a list so many entries reach that hold
/// a gram, and so many more; nothing where there are fewer.
macro_rules! reach_of {
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
struct Reach {
    gram: Option<String>,
    near: Option<String>,
    far: Option<String>,
}

impl Search {
    /// Reads what was typed; nothing where that is empty.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn read(
        db: &Db,
        organization: OrganizationId,
        list: &'static str,
        text: &str,
    ) -> Result<Option<Self>> {
        // No entry goes over the end of a line.
        let text = casefold(&text.replace('\n', " "));
        if text.is_empty() {
            return Ok(None);
        }
        let pattern = contains_pattern(&text);
        let mut all: Vec<String> = grams(&text).into_iter().collect();
        if all.len() > 1 {
            all = Self::rarest(db, organization, list, &all).await?.into_iter().collect();
        }
        Ok(Some(match all.pop() {
            Some(gram) => Self::Indexed { gram, pattern },
            None => Self::Short { pattern },
        }))
    }

    /// The gram, of some, that few entries hold; where all are held by many, the
    /// one whose entries lie farthest apart.
    async fn rarest(
        db: &Db,
        organization: OrganizationId,
        list: &'static str,
        all: &[String],
    ) -> Result<Option<String>> {
        let by_rarity = async |statement: Statement, some: &[String]| -> Result<Vec<String>> {
            let rows = some.iter().map(|gram| vec![organization.into(), list.into(), gram.into()]).collect();
            let told: Vec<Reach> = statement.fetch_batch(db, rows).await?;
            let told = told.into_iter().filter_map(|Reach { gram, near, far }| Some((near, far, gram?)));
            let mut told: Vec<_> =
                told.map(|(near, far, gram)| (near.is_none(), far.is_none(), far, gram)).collect();
            told.sort_unstable_by(|one, other| other.cmp(one));
            Ok(told.into_iter().map(|(.., gram)| gram).collect())
        };
        let mut some: Vec<String> = all.iter().step_by(all.len().div_ceil(COMPARED)).cloned().collect();
        // Of many, only those that look rarest are read further.
        if some.len() > FEW {
            some = by_rarity(sql(reach_of!("50", "100")), &some).await?;
            some.truncate(SPARSE);
        }
        Ok(by_rarity(sql(reach_of!("50", "250")), &some).await?.into_iter().next())
    }
}

/// A place in the order of ids, and of the organizations of an id.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// An entry's id.
    pub id: String,
    /// Its organization's.
    pub organization: String,
}

/// A list that is searched.
pub trait Searched {
    /// Its name in the index.
    const LIST: &'static str;

    /// Some of its entries after a place.
    fn some(db: &Db, after: &Place) -> impl Future<Output = Result<Vec<Indexed>>> + Send;

    /// Writes the entries of an id as they are now.
    fn renew(tx: &mut Tx, proof: &impl WriteProof, id: &str) -> impl Future<Output = Result<()>> + Send;
}

/// Brings the index up to date: with the entries of before there was one, and
/// with what a node of an older release wrote or renamed. Gives how many entries
/// it wrote.
///
/// # Errors
/// When the database cannot.
pub async fn renew<S: Searched>(db: &Db, proof: &impl WriteProof) -> Result<usize> {
    let (mut renewed, mut after) = (0, Place::default());
    loop {
        let some = S::some(db, &after).await?;
        let Some(last) = some.last() else { return Ok(renewed) };
        after = Place { id: last.entry.id.clone(), organization: last.entry.organization.to_string() };
        let stale: Vec<&Indexed> = some.iter().filter(|one| !one.is_current()).collect();
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
