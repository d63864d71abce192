//! One statement over a file: bind, step, keep the rows.

use rusqlite::{
    CachedStatement, Connection, ToSql,
    types::{ToSqlOutput, Value as Cell, ValueRef},
};

use crate::{StoreError, db::value::Value};

/// A row, its columns in order.
pub(in crate::db) type SqliteRow = Box<[Cell]>;

/// What a statement did.
pub(in crate::db) struct Answer {
    /// What it answered.
    pub(in crate::db) rows: Vec<SqliteRow>,
    /// Rows that it changed; of a statement that changes none, the number of the one before.
    pub(in crate::db) changed: u64,
}

/// Runs a statement and keeps up to `rows_max` rows of its answer.
pub(in crate::db) fn run(
    conn: &Connection,
    sql: &str,
    values: &[Value<'_>],
    rows_max: usize,
) -> Result<Answer, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let columns = statement.column_count();
    let mut answer = statement.raw_query();
    let mut rows = Vec::new();
    while rows.len() < rows_max
        && let Some(row) = answer.next()?
    {
        let cells = (0..columns).map(|column| row.get_ref(column).map(Cell::try_from));
        let cells = cells.collect::<Result<Result<_, _>, _>>()?;
        rows.push(cells.map_err(|_| StoreError::Corrupt("text that is none".to_owned()))?);
    }
    drop(answer);
    Ok(Answer { rows, changed: conn.changes() })
}

/// Gives each place its value: plain `?` places in order, `$n` the n-th.
fn bind(statement: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<(), StoreError> {
    let places = statement.parameter_count();
    if places > 0 && statement.parameter_name(1).is_none() {
        for (place, value) in (1..).zip(values) {
            statement.raw_bind_parameter(place, value)?;
        }
        return Ok(());
    }
    for place in 1..=places {
        let number = statement.parameter_name(place).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        statement.raw_bind_parameter(place, value.unwrap_or_else(|| unreachable!("every place has its value")))?;
    }
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null(_) => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Self::Real(value) => ToSqlOutput::Borrowed(ValueRef::Real(*value)),
            Self::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Self::Bytes(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
            Self::Id(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value.as_bytes())),
            Self::Time(value) => ToSqlOutput::Borrowed(ValueRef::Integer(value.as_micros())),
        })
    }
}
