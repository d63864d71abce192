//! Statements over either database: the same text with `$1` for both.

use sqlx::{
    Arguments as _, AssertSqlSafe, Postgres, Sqlite,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnection},
    sqlite::{SqliteArguments, SqliteConnection},
};

use super::{
    moment::Moment,
    value::{Kind, Row, ToValue, Value},
};
use crate::StoreError;

/// A connection of either database.
pub(crate) enum Conn {
    /// The one that writes the embedded database.
    Writer(Box<SqliteConnection>),
    /// One that reads the embedded database.
    Reader(PoolConnection<Sqlite>),
    /// One to a PostgreSQL server.
    Server(PoolConnection<Postgres>),
}

/// Which database a connection leads to.
pub(super) enum Ends<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Conn {
    pub(super) fn ends(&mut self) -> Ends<'_> {
        match self {
            Self::Writer(conn) => Ends::Sqlite(conn),
            Self::Reader(conn) => Ends::Sqlite(conn),
            Self::Server(conn) => Ends::Postgres(conn),
        }
    }

    /// Whether it leads to a server that other processes write to at the same time.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// What makes rows that were read stay as they are until the transaction ends. The embedded database has one
    /// writer, whose transaction holds everything anyway.
    pub(crate) const fn keep_rows(&self) -> &'static str {
        match self {
            Self::Writer(_) | Self::Reader(_) => "",
            Self::Server(_) => "FOR SHARE",
        }
    }
}

/// A statement with its values.
pub(crate) struct Query<'q> {
    sql: Sql,
    values: Values<'q>,
}

/// The values of a statement.
enum Values<'q> {
    /// One for each place, for either database.
    Each(Vec<Value<'q>>),
    /// Made for PostgreSQL: an array for each place.
    Arrays(PgArguments),
}

/// The text of a statement: ours, or put together of pieces that are ours.
enum Sql {
    Ours(&'static str),
    Built(String),
}

/// A statement.
pub(crate) fn query<'q>(sql: &'static str) -> Query<'q> {
    Query { sql: Sql::Ours(sql), values: Values::Each(Vec::new()) }
}

/// A statement that was put together of our own pieces; values are always bound.
pub(super) fn built<'q>(sql: String, values: Vec<Value<'q>>) -> Query<'q> {
    Query { sql: Sql::Built(sql), values: Values::Each(values) }
}

/// The same with arrays, for PostgreSQL only.
pub(super) fn built_with(sql: String, arrays: PgArguments) -> Query<'static> {
    Query { sql: Sql::Built(sql), values: Values::Arrays(arrays) }
}

macro_rules! run {
    ($self:ident, $conn:ident, $method:ident, |$found:ident| $sqlite:expr, $postgres:expr) => {
        match $conn.ends() {
            Ends::Sqlite(conn) => {
                let values = sqlite_values($self.values)?;
                let $found = match $self.sql {
                    Sql::Ours(sql) => sqlx::query_with::<Sqlite, _>(sql, values).$method(conn).await,
                    Sql::Built(sql) => sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql), values).$method(conn).await,
                }?;
                Ok($sqlite)
            }
            Ends::Postgres(conn) => {
                let values = postgres_values($self.values)?;
                let $found = match $self.sql {
                    Sql::Ours(sql) => sqlx::query_with::<Postgres, _>(sql, values).$method(conn).await,
                    Sql::Built(sql) => sqlx::query_with::<Postgres, _>(AssertSqlSafe(sql), values).$method(conn).await,
                }?;
                Ok($postgres)
            }
        }
    };
}

impl<'q> Query<'q> {
    /// Adds the value of the next place.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl ToValue<'q>) -> Self {
        if let Values::Each(values) = &mut self.values {
            values.push(value.to_value());
        }
        self
    }

    /// Runs it; how many rows it changed.
    pub(crate) async fn execute(self, conn: &mut Conn) -> Result<u64, StoreError> {
        run!(self, conn, execute, |done| done.rows_affected(), done.rows_affected())
    }

    /// Every row of its answer.
    pub(crate) async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<Row>, StoreError> {
        run!(
            self,
            conn,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            rows.into_iter().map(Row::Postgres).collect()
        )
    }

    /// The first row of its answer, where there is one.
    pub(crate) async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<Row>, StoreError> {
        run!(self, conn, fetch_optional, |row| row.map(Row::Sqlite), row.map(Row::Postgres))
    }

    /// The only row of its answer.
    pub(crate) async fn fetch_one(self, conn: &mut Conn) -> Result<Row, StoreError> {
        run!(self, conn, fetch_one, |row| Row::Sqlite(row), Row::Postgres(row))
    }
}

fn sqlite_values(values: Values<'_>) -> Result<SqliteArguments, StoreError> {
    let Values::Each(values) = values else { unreachable!("arrays are made for PostgreSQL only") };
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Null(_) => arguments.add(None::<i64>),
            Value::Int(value) => arguments.add(value),
            Value::Real(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.into_owned()),
            Value::Bytes(value) => arguments.add(value.into_owned()),
            Value::Id(value) => arguments.add(value.as_bytes().to_vec()),
            Value::Time(value) => arguments.add(value.as_micros()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_values(values: Values<'_>) -> Result<PgArguments, StoreError> {
    let values = match values {
        Values::Each(values) => values,
        Values::Arrays(arguments) => return Ok(arguments),
    };
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Null(Kind::Int) => arguments.add(None::<i64>),
            Value::Null(Kind::Real) => arguments.add(None::<f64>),
            Value::Null(Kind::Text) => arguments.add(None::<&str>),
            Value::Null(Kind::Bytes) => arguments.add(None::<&[u8]>),
            Value::Null(Kind::Id) => arguments.add(None::<uuid::Uuid>),
            Value::Null(Kind::Time) => arguments.add(None::<Moment>),
            Value::Int(value) => arguments.add(value),
            Value::Real(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value.as_ref()),
            Value::Id(value) => arguments.add(value),
            Value::Time(value) => arguments.add(Moment(value.as_micros())),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
