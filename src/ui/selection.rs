//! Actions on several rows of a list: which rows are selected, what happened to each,
//! and the page that shows it.
//!
//! Each row is changed in a transaction of its own, so that one that is refused does
//! not keep the others from being changed.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use zeroize::Zeroizing;

use super::paths::ConsolePath;
use super::{Layout, filters};
use crate::platform::web::{Form, html};
use crate::platform::{Error, Result};

/// The largest number of rows that one action changes: those of the longest page.
const MAX_SELECTED: usize = 200;

/// The values of the selected rows, without repetitions, at most those of
/// the longest page.
#[must_use]
pub fn selected(form: &Form, field: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in form.all(field) {
        if all.len() < MAX_SELECTED && !all.iter().any(|known| known == value) {
            all.push(value.to_owned());
        }
    }
    all
}

/// What happened to a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowResult {
    /// The id of the row's object.
    pub id: String,
    /// The name of the object.
    pub name: String,
    /// Why the row was not changed; `None` if it was.
    pub problem: Option<String>,
}

impl RowResult {
    /// The result of an action for a row.
    ///
    /// # Errors
    /// Errors of the installation, unchanged. Those that concern the row become its
    /// problem.
    pub fn of<T>(id: &impl ToString, name: impl Into<String>, result: Result<T>) -> Result<Self> {
        let problem = match result {
            Ok(_) => None,
            Err(Error::Invalid(errors) | Error::Conflict(errors)) => Some(errors.in_one_line()),
            Err(Error::Stale(message) | Error::Forbidden(message)) => Some(message),
            Err(Error::NotFound) => Some("It does not exist any more.".to_owned()),
            Err(other) => return Err(other),
        };
        Ok(Self { id: id.to_string(), name: name.into(), problem })
    }
}

/// What happened to the selected rows of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The path of the list.
    pub list: String,
    /// What was done, as the past participle: `regenerated`.
    pub done: String,
    /// The rows.
    pub rows: Vec<RowResult>,
}

const RESULTS: &str = "results";

impl Results {
    /// Keeps the results for the page after the redirect.
    ///
    /// # Errors
    /// When the session cannot be written.
    pub async fn keep(&self, session: &Session) -> Result<()> {
        session.insert(RESULTS, self).await.map_err(Error::internal)
    }

    /// The last results of this list.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there are none, or the session cannot be read.
    pub async fn read(session: &Session, list: &ConsolePath) -> Result<Self> {
        let found: Option<Self> = session.get(RESULTS).await.map_err(Error::internal)?;
        found.filter(|results| results.list == list.as_ref()).ok_or(Error::NotFound)
    }

    /// The heading of the page: `2 of 3 tokens were revoked`.
    #[must_use]
    pub fn title(&self, (one, many): (&str, &str)) -> String {
        let done = self.rows.iter().filter(|row| row.problem.is_none()).count();
        let verb = if done == 1 { "was" } else { "were" };
        match (done, self.rows.len()) {
            (0, _) => format!("No {one} was {}", self.done),
            (done, all) if done == all => {
                format!("{done} {} {verb} {}", if done == 1 { one } else { many }, self.done)
            }
            (done, all) => format!("{done} of {all} {many} {verb} {}", self.done),
        }
    }
}

/// A row of the page with the results.
#[derive(Debug)]
pub struct ShownResult {
    /// What happened to the row.
    pub result: RowResult,
    /// The new value, if the action gave the row one and it was not shown yet.
    pub value: Option<Zeroizing<String>>,
}

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsPage {
    layout: Layout,
    list: String,
    done: String,
    rows: Vec<ShownResult>,
    has_values: bool,
    is_complete: bool,
}

/// The page with the results, whose title is that of the layout. `Done` leads to the
/// list.
#[must_use]
pub fn show_results(layout: Layout, results: Results, rows: Vec<ShownResult>) -> Response {
    let has_values = rows.iter().any(|row| row.value.is_some());
    let is_complete = rows.iter().all(|row| row.result.problem.is_none());
    let Results { list, done, .. } = results;
    html(StatusCode::OK, &ResultsPage { layout, list, done, rows, has_values, is_complete })
}
