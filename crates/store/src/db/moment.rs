//! A moment as PostgreSQL's `timestamptz`, to the microsecond.

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid},
};

/// Microseconds from 1970-01-01, where [`Moment`] counts from, to 2000-01-01, where PostgreSQL does.
const EPOCH_US: i64 = 946_684_800_000_000;
/// `timestamptz` and its array in `pg_type.dat`.
const TIMESTAMPTZ: Oid = Oid(1_184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1_185);

/// Microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) i64);

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Moment {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since = self.0.checked_sub(EPOCH_US).ok_or("a time before PostgreSQL's first")?;
        Encode::<Postgres>::encode_by_ref(&since, buffer)
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // Every statement is prepared, and what is prepared answers in the binary format.
        if value.format() == PgValueFormat::Text {
            return Err("a time as text".into());
        }
        let since = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(since.checked_add(EPOCH_US).ok_or("a time beyond the last")?))
    }
}
