//! The statement type for both databases. A statement is a literal with `$1`, `$2`,
//! … as placeholders and is run on the pool (reads) or in a transaction. Values are
//! always bound, never part of the text.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Postgres, QueryBuilder, Sqlite};

use super::pool::{Db, Tx};
use super::value::Value;

/// A type that can be read from a row of both databases. Derive `sqlx::FromRow`.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A statement with its bound values.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Statement {
    text: &'static str,
    values: Vec<Value>,
    is_planned_each_time: bool,
}

/// A statement; placeholders are `$1`, `$2`, …
///
/// A test finds every `sql("…")` in the sources and prepares it on both
/// databases, so the text is written in place.
pub fn sql(text: &'static str) -> Statement {
    Statement { text, values: Vec::new(), is_planned_each_time: false }
}

/// Proof that a write may happen. Who may write is not the database's to know:
/// the types that implement this are made in `access`, from decisions.
pub trait WriteProof: Sync {}

/// Where a statement reads: on a connection of the pool, or in a transaction.
#[derive(Debug)]
pub enum Source<'a> {
    /// Any reading connection.
    Pool(&'a Db),
    /// This transaction. It sees its own writes.
    Tx(&'a mut Tx),
}

impl Source<'_> {
    /// Borrows the source for one of several statements.
    pub const fn reborrow(&mut self) -> Source<'_> {
        match self {
            Self::Pool(db) => Source::Pool(db),
            Self::Tx(tx) => Source::Tx(tx),
        }
    }
}

impl<'a> From<&'a Db> for Source<'a> {
    fn from(db: &'a Db) -> Self {
        Self::Pool(db)
    }
}
impl<'a> From<&'a mut Tx> for Source<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        Self::Tx(tx)
    }
}

impl Statement {
    /// Makes PostgreSQL plan the statement for its values each time. For lists with
    /// optional filters, for which one generic plan would be slow.
    pub const fn planned_each_time(mut self) -> Self {
        self.is_planned_each_time = true;
        self
    }

    /// Binds the next placeholder.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into().without_nul());
        self
    }

    /// Reads all rows.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn all<T: Record>(self, source: impl Into<Source<'_>>) -> sqlx::Result<Vec<T>> {
        match source.into() {
            Source::Pool(Db::Sqlite { read, .. }) => decode_rows(&sqlite_query(self).fetch_all(read).await?),
            Source::Pool(Db::Postgres { pool, .. }) => {
                decode_rows(&postgres_query(self).fetch_all(pool).await?)
            }
            Source::Tx(Tx::Sqlite(tx)) => {
                let rows = sqlite_query(self).fetch_all(&mut **tx).await;
                decode_rows(&tx.check_result(rows)?)
            }
            Source::Tx(Tx::Postgres(tx)) => {
                let rows = postgres_query(self).fetch_all(&mut **tx).await;
                decode_rows(&tx.check_result(rows)?)
            }
        }
    }

    /// Reads the first row, if there is one.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn optional<T: Record>(self, source: impl Into<Source<'_>>) -> sqlx::Result<Option<T>> {
        match source.into() {
            Source::Pool(Db::Sqlite { read, .. }) => {
                sqlite_query(self).fetch_optional(read).await?.map(|row| T::from_row(&row)).transpose()
            }
            Source::Pool(Db::Postgres { pool, .. }) => {
                postgres_query(self).fetch_optional(pool).await?.map(|row| T::from_row(&row)).transpose()
            }
            Source::Tx(Tx::Sqlite(tx)) => {
                let row = sqlite_query(self).fetch_optional(&mut **tx).await;
                tx.check_result(row)?.map(|row| T::from_row(&row)).transpose()
            }
            Source::Tx(Tx::Postgres(tx)) => {
                let row = postgres_query(self).fetch_optional(&mut **tx).await;
                tx.check_result(row)?.map(|row| T::from_row(&row)).transpose()
            }
        }
    }

    /// Reads the first row.
    ///
    /// # Errors
    /// What the driver says; `RowNotFound` when there is none.
    pub async fn one<T: Record>(self, source: impl Into<Source<'_>>) -> sqlx::Result<T> {
        self.optional(source).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Writes, and gives the row that it returns, if there is one.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn execute_returning<T: Record>(
        self,
        tx: &mut Tx,
        _proof: &impl WriteProof,
    ) -> sqlx::Result<Option<T>> {
        self.optional(tx).await
    }

    /// Locks rows until the transaction ends, by an update that changes nothing
    /// (`SET version = version`), and gives their number. SQLite, which has one
    /// writer, takes no `SELECT … FOR UPDATE`.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn lock(self, tx: &mut Tx) -> sqlx::Result<u64> {
        self.write(tx).await
    }

    /// Writes, in a transaction. Gives the number of rows that it touched.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn execute(self, tx: &mut Tx, _proof: &impl WriteProof) -> sqlx::Result<u64> {
        self.write(tx).await
    }

    async fn write(self, tx: &mut Tx) -> sqlx::Result<u64> {
        Ok(match tx {
            Tx::Sqlite(tx) => {
                let done = sqlite_query(self).execute(&mut **tx).await;
                tx.check_result(done)?.rows_affected()
            }
            Tx::Postgres(tx) => {
                let done = postgres_query(self).execute(&mut **tx).await;
                tx.check_result(done)?.rows_affected()
            }
        })
    }
}

macro_rules! values {
    ($builder:ident, $rows:expr) => {
        $builder.push_values($rows, |mut tuple, row| {
            for value in row {
                match value.clone().without_nul() {
                    Value::Text(value) => tuple.push_bind(value),
                    Value::Number(value) => tuple.push_bind(value),
                    Value::Bool(value) => tuple.push_bind(value),
                    Value::Bytes(value) => tuple.push_bind(value),
                    Value::OptionalBytes(value) => tuple.push_bind(value),
                };
            }
        })
    };
}

/// So many rows go into one statement: ten columns of them stay below what
/// either database takes as values.
const MAX_ROWS: usize = 500;

impl Statement {
    /// Writes many rows, up to `MAX_ROWS` at once. The statement holds a list of
    /// one row, `(VALUES ($1, $2))`, and no other placeholder; that row is
    /// repeated as often as there are rows. Gives the number of rows that it
    /// touched.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn execute_batch(
        self,
        tx: &mut Tx,
        _proof: &impl WriteProof,
        rows: Vec<Vec<Value>>,
    ) -> sqlx::Result<u64> {
        let (before, after) = self.split_at_row_list()?;
        let mut touched = 0;
        for chunk in rows.chunks(MAX_ROWS) {
            let usual = chunk.len() == MAX_ROWS;
            touched += match tx {
                Tx::Sqlite(tx) => {
                    let mut builder = QueryBuilder::<Sqlite>::new(&before);
                    values!(builder, chunk);
                    let done = builder.push(&after).build().persistent(usual).execute(&mut **tx).await;
                    tx.check_result(done)?.rows_affected()
                }
                Tx::Postgres(tx) => {
                    let mut builder = QueryBuilder::<Postgres>::new(&before);
                    values!(builder, chunk);
                    let done = builder.push(&after).build().persistent(usual).execute(&mut **tx).await;
                    tx.check_result(done)?.rows_affected()
                }
            };
        }
        Ok(touched)
    }

    /// Reads what belongs to many rows, at most `MAX_ROWS`, in one statement of
    /// the form that [`Statement::execute_batch`] takes. The list is filled up
    /// with rows of nothing, which join with nothing, so that its few lengths
    /// make few statements, and all stay prepared.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn fetch_batch<T: Record>(self, db: &Db, mut rows: Vec<Vec<Value>>) -> sqlx::Result<Vec<T>> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let filler = first.iter().map(Value::nothing).collect();
        rows.resize(rows.len().next_power_of_two(), filler);
        let (before, after) = self.split_at_row_list()?;
        match db {
            Db::Sqlite { read, .. } => {
                let mut builder = QueryBuilder::<Sqlite>::new(&before);
                values!(builder, rows.iter());
                decode_rows(&builder.push(&after).build().fetch_all(read).await?)
            }
            Db::Postgres { pool, .. } => {
                let mut builder = QueryBuilder::<Postgres>::new(&before);
                values!(builder, rows.iter());
                decode_rows(&builder.push(&after).build().fetch_all(pool).await?)
            }
        }
    }

    /// What stands before and after the list of one row.
    fn split_at_row_list(&self) -> sqlx::Result<(String, String)> {
        let shape = || sqlx::Error::Protocol(format!("no list of one row: {}", self.text));
        let (before, rest) = self.text.split_once("(VALUES (").ok_or_else(shape)?;
        let (_, after) = rest.split_once("))").ok_or_else(shape)?;
        Ok((format!("{before}("), format!("){after}")))
    }
}

fn decode_rows<R, T>(rows: &[R]) -> sqlx::Result<Vec<T>>
where
    R: sqlx::Row,
    T: for<'r> FromRow<'r, R>,
{
    rows.iter().map(T::from_row).collect()
}

fn sqlite_query<'q>(statement: Statement) -> Query<'q, Sqlite, SqliteArguments> {
    statement.values.into_iter().fold(sqlx::query(statement.text), |query, value| match value {
        Value::Text(value) => query.bind(value),
        Value::Number(value) => query.bind(value),
        Value::Bool(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::OptionalBytes(value) => query.bind(value),
    })
}

fn postgres_query<'q>(statement: Statement) -> Query<'q, Postgres, PgArguments> {
    let query = sqlx::query(statement.text).persistent(!statement.is_planned_each_time);
    statement.values.into_iter().fold(query, |query, value| match value {
        Value::Text(value) => query.bind(value),
        Value::Number(value) => query.bind(value),
        Value::Bool(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::OptionalBytes(value) => query.bind(value),
    })
}
