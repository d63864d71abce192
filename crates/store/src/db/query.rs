//! Statements over either database: the same text with `$1` for both.

use std::borrow::Cow;

use sqlx::{Arguments as _, AssertSqlSafe, Postgres, pool::PoolConnection, postgres::PgArguments};

use super::{
    moment::Moment,
    sqlite,
    value::{Kind, Row, ToValue, Value},
};
use crate::{StoreError, telemetry::count_statement};

/// A connection of either database.
pub(crate) enum Conn {
    /// The one that writes the embedded database. It does so on the thread that polls, which is its own.
    Writer(Box<rusqlite::Connection>),
    /// One that reads the embedded database.
    Reader(sqlite::Reader),
    /// One to a PostgreSQL server.
    Server(PoolConnection<Postgres>),
}

impl Conn {
    /// Whether it leads to a server that other processes write to at the same time.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// What makes rows that were read stay as they are until the transaction ends. The embedded database has one
    /// writer, whose transaction holds everything anyway.
    pub(crate) const fn keep_rows(&self) -> &'static str {
        if self.is_server() { "FOR SHARE" } else { "" }
    }

    /// Runs statements of our own that define, and have no values.
    pub(super) async fn define(&mut self, sql: String) -> Result<(), StoreError> {
        match self {
            Self::Writer(conn) => conn.execute_batch(&sql)?,
            Self::Reader(_) => unreachable!("readers define nothing"),
            Self::Server(conn) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **conn).await?;
            }
        }
        Ok(())
    }
}

/// A statement with its values.
pub(crate) struct Query<'q> {
    /// Ours, or put together of pieces that are ours.
    sql: Cow<'static, str>,
    values: Values<'q>,
}

/// The values of a statement.
enum Values<'q> {
    /// One for each place, for either database.
    Each(Vec<Value<'q>>),
    /// Made for PostgreSQL: an array for each place.
    Arrays(PgArguments),
}

/// A statement.
pub(crate) fn query<'q>(sql: &'static str) -> Query<'q> {
    Query { sql: Cow::Borrowed(sql), values: Values::Each(Vec::new()) }
}

/// A statement that was put together of our own pieces; values are always bound.
pub(super) fn built<'q>(sql: String, values: Vec<Value<'q>>) -> Query<'q> {
    Query { sql: Cow::Owned(sql), values: Values::Each(values) }
}

/// The same with arrays, for PostgreSQL only.
pub(super) fn built_with(sql: String, arrays: PgArguments) -> Query<'static> {
    Query { sql: Cow::Owned(sql), values: Values::Arrays(arrays) }
}

/// A statement that is put together of pieces of our own; values are always bound.
pub(crate) struct Pieces<'q> {
    sql: String,
    values: Vec<Value<'q>>,
}

impl<'q> Pieces<'q> {
    /// One that begins so.
    pub(crate) fn new(piece: &'static str) -> Self {
        Self { sql: piece.to_owned(), values: Vec::new() }
    }

    /// Goes on with a piece that has no values.
    pub(crate) fn add(&mut self, piece: &'static str) -> &mut Self {
        self.sql.push(' ');
        self.sql.push_str(piece);
        self
    }

    /// Goes on with a piece that has one value, wherever it says `?`.
    pub(crate) fn add_with(&mut self, piece: &'static str, value: impl ToValue<'q>) -> &mut Self {
        self.values.push(value.to_value());
        let place = format!("${}", self.values.len());
        self.sql.push(' ');
        self.sql.push_str(&piece.replace('?', &place));
        self
    }

    /// The statement.
    pub(crate) fn query(self) -> Query<'q> {
        built(self.sql, self.values)
    }
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
        count_statement();
        if let Conn::Server(conn) = conn {
            return Ok(self.for_server()?.execute(&mut **conn).await?.rows_affected());
        }
        Ok(self.embedded(conn, usize::MAX).await?.changed)
    }

    /// Every row of its answer.
    pub(crate) async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<Row>, StoreError> {
        count_statement();
        if let Conn::Server(conn) = conn {
            let rows = self.for_server()?.fetch_all(&mut **conn).await?;
            return Ok(rows.into_iter().map(Row::Postgres).collect());
        }
        Ok(self.embedded(conn, usize::MAX).await?.rows.into_iter().map(Row::Sqlite).collect())
    }

    /// The first row of its answer, where there is one.
    pub(crate) async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<Row>, StoreError> {
        count_statement();
        if let Conn::Server(conn) = conn {
            return Ok(self.for_server()?.fetch_optional(&mut **conn).await?.map(Row::Postgres));
        }
        Ok(self.embedded(conn, 1).await?.rows.pop().map(Row::Sqlite))
    }

    /// The only row of its answer.
    pub(crate) async fn fetch_one(self, conn: &mut Conn) -> Result<Row, StoreError> {
        self.fetch_optional(conn).await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    fn for_server(self) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, StoreError> {
        let arguments = postgres_values(self.values)?;
        Ok(match self.sql {
            Cow::Borrowed(sql) => sqlx::query_with(sql, arguments),
            Cow::Owned(sql) => sqlx::query_with(AssertSqlSafe(sql), arguments),
        })
    }

    async fn embedded(self, conn: &mut Conn, rows_max: usize) -> Result<sqlite::Answer, StoreError> {
        let Values::Each(values) = self.values else { unreachable!("arrays are made for PostgreSQL only") };
        match conn {
            Conn::Writer(conn) => sqlite::run(conn, &self.sql, &values, rows_max),
            Conn::Reader(conn) => {
                let values = values.into_iter().map(Value::into_owned).collect();
                conn.run(self.sql, values, rows_max).await
            }
            Conn::Server(_) => unreachable!("a server has its own way"),
        }
    }
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
