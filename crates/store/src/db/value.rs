//! Values on their way into statements, and rows on their way out, the same for both databases.
//!
//! Invariant: an id is a UUID and a time a moment everywhere in Rust; how a database keeps them is said here alone.
//! SQLite keeps ids as 16 bytes and times as microseconds, PostgreSQL as `uuid` and `timestamptz`.

use std::borrow::Cow;

use leadscore_domain::{EventId, LeadId, Timestamp};
use rusqlite::types::Value as Cell;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow};
use uuid::Uuid;

use super::{moment::Moment, sqlite::SqliteRow};
use crate::StoreError;

/// What a value is, also where it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Real,
    Text,
    Bytes,
    Id,
    Time,
}

/// One value of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'v> {
    Null(Kind),
    Int(i64),
    Real(f64),
    Text(Cow<'v, str>),
    Bytes(Cow<'v, [u8]>),
    Id(Uuid),
    Time(Timestamp),
}

impl Value<'_> {
    /// The same, keeping what it borrowed.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null(kind) => Value::Null(kind),
            Self::Int(value) => Value::Int(value),
            Self::Real(value) => Value::Real(value),
            Self::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Self::Bytes(value) => Value::Bytes(Cow::Owned(value.into_owned())),
            Self::Id(value) => Value::Id(value),
            Self::Time(value) => Value::Time(value),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Null(kind) => *kind,
            Self::Int(_) => Kind::Int,
            Self::Real(_) => Kind::Real,
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Bytes,
            Self::Id(_) => Kind::Id,
            Self::Time(_) => Kind::Time,
        }
    }
}

/// What can be a value of a statement.
pub(crate) trait ToValue<'v> {
    /// What it is, whether it is there or not.
    const KIND: Kind;

    fn to_value(self) -> Value<'v>;
}

macro_rules! to_value {
    ($($from:ty => $kind:ident, |$value:ident| $into:expr;)*) => {
        $(
            impl<'v> ToValue<'v> for $from {
                const KIND: Kind = Kind::$kind;

                fn to_value(self) -> Value<'v> {
                    let $value = self;
                    Value::$kind($into)
                }
            }
        )*
    };
}

to_value! {
    i64 => Int, |value| value;
    u32 => Int, |value| i64::from(value);
    u16 => Int, |value| i64::from(value);
    u8 => Int, |value| i64::from(value);
    f64 => Real, |value| value;
    &'v str => Text, |value| Cow::Borrowed(value);
    &'v String => Text, |value| Cow::Borrowed(value);
    String => Text, |value| Cow::Owned(value);
    &'v [u8] => Bytes, |value| Cow::Borrowed(value);
    &'v Vec<u8> => Bytes, |value| Cow::Borrowed(value);
    &'v [u8; 32] => Bytes, |value| Cow::Borrowed(value.as_slice());
    Vec<u8> => Bytes, |value| Cow::Owned(value);
    Uuid => Id, |value| value;
    LeadId => Id, |value| value.0;
    EventId => Id, |value| value.0;
    Timestamp => Time, |value| value;
    &'v i64 => Int, |value| *value;
    &'v LeadId => Id, |value| value.0;
    &'v EventId => Id, |value| value.0;
    &'v Uuid => Id, |value| *value;
}

impl<'v, T: ToValue<'v>> ToValue<'v> for Option<T> {
    const KIND: Kind = T::KIND;

    fn to_value(self) -> Value<'v> {
        self.map_or(Value::Null(T::KIND), T::to_value)
    }
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, from 0.
    pub(crate) fn get<'r, T: FromRow<'r>>(&'r self, column: usize) -> Result<T, StoreError> {
        T::from_row(self, column)
    }

    fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => cell(row, column)? == &Cell::Null,
            Self::Postgres(row) => row.try_get_raw(column)?.is_null(),
        })
    }
}

/// What a column can hold.
pub(crate) trait FromRow<'r>: Sized {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError>;
}

fn cell(row: &SqliteRow, column: usize) -> Result<&Cell, StoreError> {
    row.get(column).ok_or_else(|| wrong(column))
}

fn wrong(column: usize) -> StoreError {
    StoreError::Corrupt(format!("the type of column {column}"))
}

macro_rules! from_row {
    ($($into:ty, $($cell:pat => $value:expr),+;)*) => {
        $(
            impl<'r> FromRow<'r> for $into {
                fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
                    match row {
                        Row::Sqlite(row) => match cell(row, column)? {
                            $($cell => Ok($value),)+
                            _ => Err(wrong(column)),
                        },
                        Row::Postgres(row) => Ok(row.try_get(column)?),
                    }
                }
            }
        )*
    };
}

from_row! {
    f64, Cell::Real(value) => *value, Cell::Integer(value) => lossy(*value);
    &'r str, Cell::Text(value) => value;
    String, Cell::Text(value) => value.clone();
    &'r [u8], Cell::Blob(value) => value;
    Vec<u8>, Cell::Blob(value) => value.clone();
}

/// A whole number where a real one is asked for.
#[expect(clippy::cast_precision_loss, reason = "SQLite's own conversion")]
const fn lossy(value: i64) -> f64 {
    value as f64
}

impl<'r> FromRow<'r> for i64 {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
        match row {
            Row::Sqlite(row) => {
                if let Cell::Integer(value) = cell(row, column)? {
                    Ok(*value)
                } else {
                    Err(wrong(column))
                }
            }
            // Whole numbers have several sizes there.
            Row::Postgres(row) => Ok(match row.column(column).type_info().name() {
                "INT2" => Self::from(row.try_get::<i16, _>(column)?),
                "INT4" => Self::from(row.try_get::<i32, _>(column)?),
                _ => row.try_get(column)?,
            }),
        }
    }
}

macro_rules! narrow {
    ($($into:ty),*) => {
        $(
            impl<'r> FromRow<'r> for $into {
                fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
                    let damaged = |_| StoreError::Corrupt(format!("a number in column {column}"));
                    row.get::<i64>(column)?.try_into().map_err(damaged)
                }
            }
        )*
    };
}

narrow!(u8, u16, u64);

impl<'r> FromRow<'r> for Uuid {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
        match row {
            Row::Sqlite(_) => Self::from_slice(row.get(column)?).map_err(|_| StoreError::Corrupt("an id".to_owned())),
            Row::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl<'r> FromRow<'r> for LeadId {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
        Ok(Self(row.get(column)?))
    }
}

impl<'r> FromRow<'r> for EventId {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
        Ok(Self(row.get(column)?))
    }
}

impl<'r> FromRow<'r> for Timestamp {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
        let micros = match row {
            Row::Sqlite(_) => row.get(column)?,
            Row::Postgres(row) => row.try_get::<Moment, _>(column)?.0,
        };
        Self::from_micros(micros).ok_or_else(|| StoreError::Corrupt("a time".to_owned()))
    }
}

impl<'r, T: FromRow<'r>> FromRow<'r> for Option<T> {
    fn from_row(row: &'r Row, column: usize) -> Result<Self, StoreError> {
        if row.is_null(column)? { Ok(None) } else { row.get(column).map(Some) }
    }
}
