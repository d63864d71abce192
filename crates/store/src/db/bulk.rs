//! Statements over many rows.
//!
//! SQLite's form: plain `?` places, because numbered ones make binding quadratic in their number, and sizes in powers
//! of two, so that a handful of prepared statements serve every batch. PostgreSQL's form: an array for each column, one
//! prepared statement for any number of rows.

use sqlx::{Arguments as _, postgres::PgArguments};
use uuid::Uuid;

use super::{
    moment::Moment,
    query::{Conn, built, built_with},
    value::{Kind, Row, ToValue, Value},
};
use crate::StoreError;

/// Most rows of one INSERT; times the widest table's 21 columns this stays below SQLite's 32,766 places.
const SQLITE_ROWS_MAX: usize = 1_024;
/// Most keys of one IN list.
const SQLITE_KEYS_MAX: usize = 512;
const POSTGRES_KEYS_MAX: usize = 16_384;

/// The values of rows, in the order of the columns, row after row.
pub(crate) struct Bind<'v>(Vec<Value<'v>>);

impl<'v> Bind<'v> {
    /// Adds one value.
    pub(crate) fn push(&mut self, value: impl ToValue<'v>) -> &mut Self {
        self.0.push(value.to_value());
        self
    }
}

/// Inserts `rows`: `into` is the statement up to `VALUES`, `conflict` what follows the rows. How many were written.
pub(crate) async fn insert<'v, T>(
    conn: &mut Conn,
    into: &'static str,
    columns: usize,
    conflict: &'static str,
    rows: &'v [T],
    bind: impl Fn(&mut Bind<'v>, &'v T) + Send,
) -> Result<u64, StoreError>
where
    T: Sync,
{
    let mut inserts = Inserts::new(conn);
    inserts.add(into, columns, conflict, rows, bind).await?;
    Ok(inserts.finish().await?.into_iter().sum())
}

/// Inserts into several tables. A server gets them in one statement, as one message: none of them sees what the others
/// do.
pub(crate) struct Inserts<'c> {
    conn: &'c mut Conn,
    statements: Vec<String>,
    arguments: PgArguments,
    places: usize,
    written: Vec<u64>,
}

impl<'c> Inserts<'c> {
    pub(crate) fn new(conn: &'c mut Conn) -> Self {
        Self { conn, statements: Vec::new(), arguments: PgArguments::default(), places: 0, written: Vec::new() }
    }

    /// Adds one, as [`insert`] takes it.
    pub(crate) async fn add<'v, T>(
        &mut self,
        into: &'static str,
        columns: usize,
        conflict: &'static str,
        mut rows: &'v [T],
        bind: impl Fn(&mut Bind<'v>, &'v T) + Send,
    ) -> Result<(), StoreError>
    where
        T: Sync,
    {
        let mut written = 0;
        while !rows.is_empty() {
            let is_server = self.conn.is_server();
            let most = if is_server { rows.len() } else { SQLITE_ROWS_MAX.min(1 << rows.len().ilog2()) };
            let (now, later) = rows.split_at(rows.len().min(most));
            rows = later;
            let values = bound(now, columns, &bind);
            if is_server {
                let places = numbered(self.places, columns);
                self.statements.push(format!("{into} SELECT * FROM UNNEST({places}) {conflict} RETURNING 1"));
                self.places += columns;
                add_arrays(&mut self.arguments, values, columns)?;
            } else {
                let row = format!("({})", places(columns));
                let sql = format!("{into} VALUES {} {conflict}", vec![row.as_str(); now.len()].join(","));
                written += built(sql, values).execute(self.conn).await?;
            }
        }
        if !self.conn.is_server() {
            self.written.push(written);
        }
        Ok(())
    }

    /// Adds a statement of a server's that answers with one row for each of `rows` if all is well; what it says of the
    /// arrays stands between `before` and `after`.
    pub(crate) fn guard<'v, T>(
        &mut self,
        (before, columns, after): (&'static str, usize, &'static str),
        rows: &'v [T],
        bind: impl Fn(&mut Bind<'v>, &'v T) + Send,
    ) -> Result<(), StoreError> {
        self.statements.push(format!("{before}({}){after}", numbered(self.places, columns)));
        self.places += columns;
        add_arrays(&mut self.arguments, bound(rows, columns, bind), columns)
    }

    /// Sends them; how many rows each wrote, those without any rows left out on a server.
    pub(crate) async fn finish(self) -> Result<Vec<u64>, StoreError> {
        let Self { conn, statements, arguments, written, .. } = self;
        match statements.as_slice() {
            [] => Ok(written),
            [one] => Ok(vec![built_with(one.clone(), arguments).execute(conn).await?]),
            all => {
                let named = all.iter().enumerate().map(|(at, one)| format!("i{at} AS ({one})"));
                let named: Vec<String> = named.collect();
                let counts: Vec<String> = (0..all.len()).map(|at| format!("(SELECT COUNT(*) FROM i{at})")).collect();
                let sql = format!("WITH {} SELECT {}", named.join(", "), counts.join(", "));
                let row = built_with(sql, arguments).fetch_one(conn).await?;
                (0..all.len()).map(|at| row.get(at)).collect()
            }
        }
    }
}

/// Every row of `select … IN (keys) …`: `before` ends with the column whose value is looked for, `after` follows the
/// list. A key that is named twice is found once.
pub(crate) async fn select_in<'k, K>(
    conn: &mut Conn,
    before: &'static str,
    keys: &'k [K],
    after: &'static str,
) -> Result<Vec<Row>, StoreError>
where
    &'k K: ToValue<'k>,
{
    let is_server = conn.is_server();
    let mut rows = Vec::new();
    for keys in keys.chunks(if is_server { POSTGRES_KEYS_MAX } else { SQLITE_KEYS_MAX }) {
        let found = if is_server {
            let values = keys.iter().map(ToValue::to_value).collect();
            built_with(format!("{before} = ANY($1) {after}"), arrays(values, 1)?).fetch_all(conn).await?
        } else {
            let count = keys.len().next_power_of_two();
            // The last key fills the list up.
            let values = (0..count).map(|i| keys[i.min(keys.len() - 1)].to_value()).collect();
            built(format!("{before} IN ({}) {after}", places(count)), values).fetch_all(conn).await?
        };
        rows.extend(found);
    }
    Ok(rows)
}

/// A list of keys, and what a statement says instead of `IN (…)` for it: `{0}`, `{1}` and so on.
pub(crate) type Keys<'k> = Vec<Value<'k>>;

/// Keys for [`select_lists`].
pub(crate) fn keys<'k, K>(keys: impl IntoIterator<Item = K>) -> Keys<'k>
where
    K: ToValue<'k>,
{
    keys.into_iter().map(ToValue::to_value).collect()
}

/// The rows of a statement with several lists of keys, in one go unless they are long. A row that is found by keys of
/// several lists may come more than once.
pub(crate) async fn select_lists<const N: usize>(
    conn: &mut Conn,
    select: &'static str,
    kinds: [Kind; N],
    lists: [Keys<'_>; N],
) -> Result<Vec<Row>, StoreError> {
    let is_server = conn.is_server();
    let most = if is_server { POSTGRES_KEYS_MAX } else { SQLITE_KEYS_MAX };
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let mut lists = lists.map(Vec::into_iter);
    let mut rows = Vec::new();
    for _ in 0..longest.div_ceil(most) {
        let mut sql = select.to_owned();
        let (mut arguments, mut values) = (PgArguments::default(), Vec::new());
        for (at, list) in lists.iter_mut().enumerate() {
            let mut keys: Vec<Value<'_>> = list.by_ref().take(most).collect();
            let place = format!("{{{at}}}");
            if is_server {
                sql = sql.replace(&place, &format!("= ANY(${})", at + 1));
                add_array(&mut arguments, kinds[at], keys)?;
            } else {
                // The first key fills the list up, and no key at all is found nowhere.
                let filler = keys.first().cloned().unwrap_or(Value::Null(kinds[at]));
                keys.resize(keys.len().max(1).next_power_of_two(), filler);
                sql = sql.replace(&place, &format!("IN ({})", places(keys.len())));
                values.extend(keys);
            }
        }
        let statement = if is_server { built_with(sql, arguments) } else { built(sql, values) };
        rows.extend(statement.fetch_all(conn).await?);
    }
    Ok(rows)
}

/// The rows of `select` for each of `all`, in no particular order, in one go; its places are written as `?`.
pub(crate) async fn select_each<'v, T>(
    conn: &mut Conn,
    select: &'static str,
    all: &'v [T],
    bind: impl Fn(&mut Bind<'v>, &'v T) + Send,
) -> Result<Vec<Row>, StoreError>
where
    T: Sync,
{
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = Bind(Vec::new());
    all.iter().for_each(|one| bind(&mut values, one));
    let parts: Vec<String> = (0..all.len()).map(|at| format!("SELECT * FROM ({select}) AS p{at}")).collect();
    let mut sql = parts.join(" UNION ALL ");
    if conn.is_server() {
        let pieces: Vec<&str> = sql.split('?').collect();
        let numbered = pieces.iter().enumerate().map(|(at, piece)| match at {
            0 => (*piece).to_owned(),
            _ => format!("${at}{piece}"),
        });
        sql = numbered.collect();
    }
    built(sql, values.0).fetch_all(conn).await
}

/// Changes rows: `rows` are the table `v` of these columns, and `update` the statement that uses it. What it answers.
pub(crate) async fn update<'v, T>(
    conn: &mut Conn,
    columns: &[&'static str],
    update: &'static str,
    rows: &'v [T],
    bind: impl Fn(&mut Bind<'v>, &'v T) + Send,
) -> Result<Vec<Row>, StoreError>
where
    T: Sync,
{
    let values = bound(rows, columns.len(), bind);
    let names = columns.join(", ");
    let statement = if conn.is_server() {
        let sql = format!("WITH v ({names}) AS (SELECT * FROM UNNEST({})) {update}", numbered(0, columns.len()));
        built_with(sql, arrays(values, columns.len())?)
    } else {
        let row = format!("({})", places(columns.len()));
        built(format!("WITH v ({names}) AS (VALUES {}) {update}", vec![row.as_str(); rows.len()].join(",")), values)
    };
    statement.fetch_all(conn).await
}

/// The values of all rows, in order.
fn bound<'v, T>(rows: &'v [T], columns: usize, bind: impl Fn(&mut Bind<'v>, &'v T)) -> Vec<Value<'v>> {
    let mut values = Bind(Vec::with_capacity(rows.len() * columns));
    rows.iter().for_each(|row| bind(&mut values, row));
    debug_assert_eq!(values.0.len(), rows.len() * columns, "a value for each column");
    values.0
}

/// PostgreSQL's places behind so many others.
fn numbered(others: usize, count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("${}", others + place)).collect();
    places.join(", ")
}

fn places(count: usize) -> String {
    vec!["?"; count].join(",")
}

/// The values of one column.
enum Column<'v> {
    Int(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    Text(Vec<Option<std::borrow::Cow<'v, str>>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Id(Vec<Option<Uuid>>),
    Time(Vec<Option<Moment>>),
}

impl<'v> Column<'v> {
    fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Int => Self::Int(Vec::with_capacity(rows)),
            Kind::Real => Self::Real(Vec::with_capacity(rows)),
            Kind::Text => Self::Text(Vec::with_capacity(rows)),
            Kind::Bytes => Self::Bytes(Vec::with_capacity(rows)),
            Kind::Id => Self::Id(Vec::with_capacity(rows)),
            Kind::Time => Self::Time(Vec::with_capacity(rows)),
        }
    }

    fn add_to(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        let added = match self {
            Self::Int(all) => arguments.add(all),
            Self::Real(all) => arguments.add(all),
            Self::Text(all) => arguments.add(all),
            Self::Bytes(all) => arguments.add(all),
            Self::Id(all) => arguments.add(all),
            Self::Time(all) => arguments.add(all),
        };
        Ok(added.map_err(sqlx::Error::Encode)?)
    }

    /// Adds the value of the next row; a column's values are of one kind.
    fn push(&mut self, value: Value<'v>) {
        match (self, value) {
            (Self::Int(all), Value::Int(value)) => all.push(Some(value)),
            (Self::Real(all), Value::Real(value)) => all.push(Some(value)),
            (Self::Text(all), Value::Text(value)) => all.push(Some(value)),
            (Self::Bytes(all), Value::Bytes(value)) => all.push(Some(value.into_owned())),
            (Self::Id(all), Value::Id(value)) => all.push(Some(value)),
            (Self::Time(all), Value::Time(value)) => all.push(Some(Moment(value.as_micros()))),
            (Self::Int(all), _) => all.push(None),
            (Self::Real(all), _) => all.push(None),
            (Self::Text(all), _) => all.push(None),
            (Self::Bytes(all), _) => all.push(None),
            (Self::Id(all), _) => all.push(None),
            (Self::Time(all), _) => all.push(None),
        }
    }
}

/// An array for each column.
fn arrays(values: Vec<Value<'_>>, columns: usize) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    add_arrays(&mut arguments, values, columns)?;
    Ok(arguments)
}

fn add_arrays(arguments: &mut PgArguments, values: Vec<Value<'_>>, columns: usize) -> Result<(), StoreError> {
    let rows = values.len() / columns.max(1);
    let mut arrays: Vec<Column<'_>> =
        values.iter().take(columns).map(|value| Column::new(value.kind(), rows)).collect();
    for (place, value) in values.into_iter().enumerate() {
        arrays[place % columns].push(value);
    }
    arrays.into_iter().try_for_each(|array| array.add_to(arguments))
}

fn add_array(arguments: &mut PgArguments, kind: Kind, values: Vec<Value<'_>>) -> Result<(), StoreError> {
    let mut array = Column::new(kind, values.len());
    values.into_iter().for_each(|value| array.push(value));
    array.add_to(arguments)
}
