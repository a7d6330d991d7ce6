//! Search for a part of a text, among many: each entry of a list is indexed by
//! every three characters in a row that it holds. What is looked for is found
//! among the entries that hold the rarest three of it, in the order of the
//! list, so that a page costs the same however many entries there are. It is a
//! table like any other, so both databases have it and no organization's search
//! reads another's entries.

use std::collections::BTreeSet;

use super::db::Value;
use super::id::OrganizationId;
use super::text::{fold, like};
use super::{Db, Result, Tx, sql};

/// So many characters in a row are indexed together.
const GRAM: usize = 3;
/// So many of what is looked for are compared for how rare they are.
const COMPARED: usize = 8;

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
        let texts: Vec<String> = texts.iter().map(|text| fold(text)).collect();
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

/// Writes an entry over what was known of it.
///
/// # Errors
/// When the database cannot.
pub async fn put(tx: &mut Tx, entry: &Entry) -> Result<()> {
    erase(tx, entry.organization, entry.list, &entry.id).await?;
    add(tx, entry).await
}

/// Writes an entry that is not there yet; leaves one that is.
///
/// # Errors
/// When the database cannot.
pub async fn add(tx: &mut Tx, entry: &Entry) -> Result<()> {
    let added = sql("INSERT INTO search_texts (organization_id, list, entry_id, sort_key, content) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organization_id, list, entry_id) DO NOTHING")
    .bind(entry.organization)
    .bind(entry.list)
    .bind(&entry.id)
    .bind(&entry.key)
    .bind(&entry.content)
    .execute(&mut *tx)
    .await?;
    if added == 1 {
        sql("INSERT INTO search_grams (organization_id, list, gram, sort_key, entry_id) \
             SELECT v.column1, v.column2, v.column3, v.column4, v.column5 \
             FROM (VALUES ($1, $2, $3, $4, $5)) AS v WHERE TRUE ON CONFLICT DO NOTHING")
        .execute_rows(tx, entry.rows())
        .await?;
    }
    Ok(())
}

/// Takes an entry out, where there is one.
///
/// # Errors
/// When the database cannot.
pub async fn erase(
    tx: &mut Tx,
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
    .optional(&mut *tx)
    .await?;
    let Some(Known { sort_key: key, content }) = known else { return Ok(()) };
    let gone = Entry { organization, list, id, key, content };
    sql("DELETE FROM search_grams WHERE (organization_id, list, gram, sort_key, entry_id) IN \
         (VALUES ($1, $2, $3, $4, $5))")
    .execute_rows(tx, gone.rows())
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
/// a gram; nothing where there are fewer.
macro_rules! reach_of {
    ($entries:literal) => {
        concat!(
            "SELECT v.column3 AS gram, (SELECT g.sort_key FROM search_grams g WHERE g.organization_id = v.column1 \
                AND g.list = v.column2 AND g.gram = v.column3 ORDER BY g.sort_key, g.entry_id LIMIT 1 OFFSET ",
            $entries,
            ") AS reach FROM (VALUES ($1, $2, $3)) AS v"
        )
    };
}

#[derive(sqlx::FromRow)]
struct Reach {
    gram: Option<String>,
    reach: Option<String>,
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
        let text = fold(text);
        if text.is_empty() {
            return Ok(None);
        }
        let pattern = like(&text);
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
        let mut rarest = None;
        for statement in [sql(reach_of!("100")), sql(reach_of!("500"))] {
            let some = all.iter().step_by(all.len().div_ceil(COMPARED));
            let rows = some.map(|gram| vec![organization.into(), list.into(), gram.into()]).collect();
            let told: Vec<Reach> = statement.all_of_rows(db, rows).await?;
            let told =
                told.into_iter().filter_map(|each| Some((each.reach.is_none(), each.reach, each.gram?)));
            rarest = told.max();
            if rarest.as_ref().is_some_and(|(is_rare, ..)| *is_rare) {
                break;
            }
        }
        Ok(rarest.map(|(.., gram)| gram))
    }
}

/// A list that is searched.
pub trait Searched {
    /// Its name in the index.
    const LIST: &'static str;

    /// Some entries that the index does not have, in the order of their ids and
    /// from this one on.
    fn missing(tx: &mut Tx, from: &str) -> impl Future<Output = Result<Vec<Entry>>> + Send;
}

/// Adds the entries that the index does not have: those of before there was an
/// index, and those that a node of an older release made.
///
/// # Errors
/// When the database cannot.
pub async fn add_missing<S: Searched>(db: &Db) -> Result<usize> {
    let (mut added, mut from) = (0, String::new());
    loop {
        let mut tx = db.begin().await?;
        let some = S::missing(&mut tx, &from).await?;
        let Some(last) = some.last() else { return Ok(added) };
        from.clone_from(&last.id);
        for entry in &some {
            add(&mut tx, entry).await?;
        }
        tx.commit().await?;
        added += some.len();
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
