//! Instants with the precision that every store keeps: microseconds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Invalid;

/// An instant, in microseconds since 1970-01-01T00:00:00Z, between the years 1900 and 2200.
///
/// RFC 3339 in text formats, the plain number in binary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// One second, in microseconds.
pub const SECOND_US: i64 = 1_000_000;
/// One hour, in microseconds.
pub const HOUR_US: i64 = 3_600 * SECOND_US;
/// One day of 24 hours, in microseconds.
pub const DAY_US: i64 = 24 * HOUR_US;

impl Timestamp {
    /// 1900-01-01T00:00:00Z.
    pub const MIN: Self = Self(-2_208_988_800 * SECOND_US);
    /// 2200-01-01T00:00:00Z.
    pub const MAX: Self = Self(7_258_118_400 * SECOND_US);

    /// The instant `micros` microseconds after the epoch; `None` outside [`Self::MIN`]..=[`Self::MAX`].
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 { None } else { Some(Self(micros)) }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant moved by `micros`, held within the supported range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        let moved = self.0.saturating_add(micros);
        if moved < Self::MIN.0 {
            Self::MIN
        } else if moved > Self::MAX.0 {
            Self::MAX
        } else {
            Self(moved)
        }
    }

    /// Microseconds from `earlier` to this instant; negative where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Whole days since the epoch in UTC, rounded down.
    #[must_use]
    pub const fn day(self) -> i32 {
        self.0.div_euclid(DAY_US) as i32
    }

    /// The same instant for calendar arithmetic.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).expect("1900..2200 lies within jiff's range")
    }

    /// From a calendar instant, truncated to microseconds.
    ///
    /// # Errors
    /// Outside 1900..2200.
    pub fn from_jiff(instant: jiff::Timestamp) -> Result<Self, Invalid> {
        Self::from_micros(instant.as_microsecond())
            .ok_or_else(|| Invalid::new("time", "is out of range", "send an instant between the years 1900 and 2200"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_jiff(), f)
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    /// Parses RFC 3339 with an offset, such as `2026-03-01T17:30:00Z`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let instant = text.parse::<jiff::Timestamp>().map_err(|_| {
            Invalid::new("time", "is not an instant", "send RFC 3339 with an offset, such as 2026-03-01T17:30:00Z")
        })?;
        Self::from_jiff(instant)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
            text.parse().map_err(|e: Invalid| de::Error::custom(format_args!("{}; {}", e.problem, e.remedy)))
        } else {
            let micros = i64::deserialize(deserializer)?;
            Self::from_micros(micros).ok_or_else(|| de::Error::custom("instant out of range"))
        }
    }
}
