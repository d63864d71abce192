//! Statements over many rows. SQLite's form: plain `?` places, because numbered ones make binding quadratic in their
//! number, and sizes in powers of two, so that a handful of prepared statements serve every batch.

use sqlx::{
    Arguments as _, AssertSqlSafe,
    sqlite::{Sqlite, SqliteArguments},
};

use super::{Conn, Row};
use crate::StoreError;

/// Most rows of one INSERT; times the widest table's 20 columns this stays below SQLite's 32,766 places.
const INSERT_ROWS_MAX: usize = 1_024;
/// Most keys of one IN list.
const KEYS_MAX: usize = 512;

/// The values of one row, in the order of the columns.
pub(crate) struct Bind(SqliteArguments, Result<(), StoreError>);

impl Bind {
    fn new() -> Self {
        Self(SqliteArguments::default(), Ok(()))
    }

    /// Adds one value.
    pub(crate) fn push<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: sqlx::Encode<'t, Sqlite> + sqlx::Type<Sqlite>,
    {
        if let Err(error) = self.0.add(value) {
            self.1 = Err(sqlx::Error::Encode(error).into());
        }
        self
    }

    fn finish(self) -> Result<SqliteArguments, StoreError> {
        self.1.map(|()| self.0)
    }
}

/// Inserts `rows`: `into` is the statement up to `VALUES`, `conflict` what follows the rows.
pub(crate) async fn insert<T>(
    conn: &mut Conn,
    into: &'static str,
    columns: usize,
    conflict: &'static str,
    mut rows: &[T],
    bind: impl Fn(&mut Bind, &T) + Send,
) -> Result<(), StoreError>
where
    T: Sync,
{
    while !rows.is_empty() {
        let count = INSERT_ROWS_MAX.min(1 << rows.len().ilog2());
        let (now, later) = rows.split_at(count);
        rows = later;
        let mut values = Bind::new();
        now.iter().for_each(|row| bind(&mut values, row));
        let row = format!("({})", places(columns));
        let sql = format!("{into} VALUES {} {conflict}", vec![row.as_str(); count].join(","));
        sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql), values.finish()?).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Every row of `select … IN (keys) …`: `before` ends before the list's bracket, `after` follows it.
pub(crate) async fn select_in<K>(
    conn: &mut Conn,
    before: &'static str,
    keys: &[K],
    after: &'static str,
) -> Result<Vec<Row>, StoreError>
where
    K: AsRef<[u8]> + Sync,
{
    let mut rows = Vec::new();
    for keys in keys.chunks(KEYS_MAX) {
        let count = keys.len().next_power_of_two();
        let mut values = Bind::new();
        for i in 0..count {
            // The last key fills the list up: naming a key twice finds it once.
            values.push(keys[i.min(keys.len() - 1)].as_ref());
        }
        let sql = format!("{before} ({}) {after}", places(count));
        let found = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql), values.finish()?).fetch_all(&mut *conn).await?;
        rows.extend(found);
    }
    Ok(rows)
}

fn places(count: usize) -> String {
    vec!["?"; count].join(",")
}
