//! How instants are written in files: named forms and strftime patterns.
//!
//! Owns: reading them into [`Timestamp`], and the list of forms that a draft tries.
//! Invariant: an instant outside the domain's range is a refusal, never a wrapped or guessed one.
//! Deliberately absent: guessing per row. A column has one form; what does not fit it is rejected.

use std::{fmt, str::FromStr};

use jiff::{civil, fmt::strtime, tz::TimeZone};
use leadscore_domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const FORM: &str = "is not a time of the mapped format";
const RANGE: &str = "is a time outside the years 1900 to 2200";

/// How a column's instants are written: `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a strftime pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TimeFormat {
    /// With an offset, such as `2026-03-01T17:30:00Z`.
    Rfc3339,
    /// Seconds since 1970, perhaps with a fraction.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// Microseconds since 1970.
    EpochMicros,
    /// Nanoseconds since 1970, as Parquet files of data frames hold them.
    EpochNanos,
    /// A strftime pattern, such as `%d.%m.%Y %H:%M`. Without a day the first is meant, without a time midnight.
    Pattern(String),
}

impl TimeFormat {
    /// Reads `text`; times without an offset are in `zone`.
    ///
    /// # Errors
    /// What is wrong, without the text.
    pub(super) fn read(&self, text: &str, zone: &TimeZone) -> Result<Timestamp, &'static str> {
        let text = text.trim();
        let micros = match self {
            Self::Rfc3339 => {
                let instant = text.parse::<jiff::Timestamp>().map_err(|_| FORM)?;
                return Timestamp::from_jiff(instant).map_err(|_| RANGE);
            }
            Self::EpochSeconds => text.parse::<f64>().map_err(|_| FORM)? * 1e6,
            Self::EpochMillis => text.parse::<f64>().map_err(|_| FORM)? * 1e3,
            Self::EpochMicros => text.parse::<f64>().map_err(|_| FORM)?,
            Self::EpochNanos => text.parse::<f64>().map_err(|_| FORM)? / 1e3,
            Self::Pattern(pattern) => {
                let instant = read_pattern(pattern, text, zone)?;
                return Timestamp::from_jiff(instant).map_err(|_| RANGE);
            }
        };
        if !micros.is_finite() {
            return Err(FORM);
        }
        Timestamp::from_micros(micros.round() as i64).ok_or(RANGE)
    }

    /// Whether the form says the day and nothing finer.
    pub(super) fn is_whole_days(&self) -> bool {
        match self {
            Self::Pattern(pattern) => !["%H", "%I", "%k", "%l", "%T", "%R", "%s"].iter().any(|p| pattern.contains(p)),
            Self::Rfc3339 | Self::EpochSeconds | Self::EpochMillis | Self::EpochMicros | Self::EpochNanos => false,
        }
    }

    /// Whether the form leaves the zone open.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Pattern(pattern) => !pattern.contains("%z") && !pattern.contains("%:z"),
            Self::Rfc3339 | Self::EpochSeconds | Self::EpochMillis | Self::EpochMicros | Self::EpochNanos => false,
        }
    }
}

fn read_pattern(pattern: &str, text: &str, zone: &TimeZone) -> Result<jiff::Timestamp, &'static str> {
    let mut parts = strtime::parse(pattern, text).map_err(|_| FORM)?;
    if parts.offset().is_some() {
        return parts.to_timestamp().map_err(|_| FORM);
    }
    if parts.day().is_none() && parts.day_of_year().is_none() {
        parts.set_day(Some(1)).map_err(|_| FORM)?;
    }
    let date = parts.to_date().map_err(|_| FORM)?;
    let time = if parts.hour().is_some() { parts.to_time().map_err(|_| FORM)? } else { civil::Time::midnight() };
    zone.to_timestamp(date.to_datetime(time)).map_err(|_| RANGE)
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rfc3339 => "rfc3339",
            Self::EpochSeconds => "epoch_s",
            Self::EpochMillis => "epoch_ms",
            Self::EpochMicros => "epoch_us",
            Self::EpochNanos => "epoch_ns",
            Self::Pattern(pattern) => pattern,
        })
    }
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rfc3339" => return Ok(Self::Rfc3339),
            "epoch_s" => return Ok(Self::EpochSeconds),
            "epoch_ms" => return Ok(Self::EpochMillis),
            "epoch_us" => return Ok(Self::EpochMicros),
            "epoch_ns" => return Ok(Self::EpochNanos),
            _ => {}
        }
        if !text.contains('%') {
            return Err(
                "use rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns or a pattern such as %Y-%m-%d %H:%M:%S".to_owned()
            );
        }
        // A pattern is sound where it writes an instant that it reads back.
        let instant = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        let written = strtime::format(text, &instant).map_err(|e| format!("is not a pattern of a time: {e}"))?;
        match read_pattern(text, &written, &TimeZone::UTC) {
            Ok(_) => Ok(Self::Pattern(text.to_owned())),
            Err(_) => Err("does not say year and month: use a pattern such as %Y-%m-%d %H:%M:%S".to_owned()),
        }
    }
}

impl Serialize for TimeFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Patterns that a draft tries, in order: the first that reads nearly all values is taken.
const PATTERNS: &[&str] = &[
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S %z",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %I:%M:%S %p",
    "%d/%m/%Y %I:%M %p",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y %H.%M",
    "%d-%m-%Y",
    "%m/%d/%y %H:%M",
    "%m/%d/%y",
    "%d/%m/%y %H:%M",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
];

/// What a draft found out about a column of times.
#[derive(Debug)]
pub(super) struct DetectedTime {
    pub format: TimeFormat,
    /// Another order of day and month reads as many values.
    pub ambiguous: bool,
}

/// Share of the values that a form must read.
const NEARLY_ALL: f64 = 0.99;

/// The form in which nearly all of `values` are written, each with how often it occurs. Bare numbers count only where
/// `named` says that the column's name speaks of time.
pub(super) fn detect(values: &[(&str, usize)], named: bool) -> Option<DetectedTime> {
    let numeric = share(values, |text| {
        text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-') && text.parse::<f64>().is_ok()
    });
    if numeric >= NEARLY_ALL {
        return detect_numeric(values, named);
    }
    if fits(&TimeFormat::Rfc3339, values) {
        return Some(DetectedTime { format: TimeFormat::Rfc3339, ambiguous: false });
    }
    let pattern = PATTERNS.iter().find(|p| fits(&TimeFormat::Pattern((**p).to_owned()), values))?;
    let swapped = pattern.replacen("%m/%d", "%d/%m", 1);
    let ambiguous = swapped != *pattern && fits(&TimeFormat::Pattern(swapped), values);
    Some(DetectedTime { format: TimeFormat::Pattern((*pattern).to_owned()), ambiguous })
}

fn detect_numeric(values: &[(&str, usize)], named: bool) -> Option<DetectedTime> {
    let within = |low: f64, high: f64| {
        share(values, |text| text.parse::<f64>().is_ok_and(|n| (low..=high).contains(&n))) >= NEARLY_ALL
    };
    // The years 2000 to 2100; numbers of 13, 16 and 19 digits are hardly anything else.
    let format = if within(9.4e11, 4.2e12) {
        TimeFormat::EpochMillis
    } else if within(9.4e14, 4.2e15) {
        TimeFormat::EpochMicros
    } else if within(9.4e17, 4.2e18) {
        TimeFormat::EpochNanos
    } else if named && within(9.4e8, 4.2e9) {
        TimeFormat::EpochSeconds
    } else if named && within(19_000_101.0, 22_001_231.0) {
        TimeFormat::Pattern("%Y%m%d".to_owned())
    } else if named && within(190_001.0, 220_012.0) {
        TimeFormat::Pattern("%Y%m".to_owned())
    } else {
        return None;
    };
    fits(&format, values).then_some(DetectedTime { format, ambiguous: false })
}

/// Share of the values, weighted by how often they occur, for which `holds` is true; 0 where there are none.
fn share(values: &[(&str, usize)], holds: impl Fn(&str) -> bool) -> f64 {
    let all: usize = values.iter().map(|(_, n)| n).sum();
    let held: usize = values.iter().filter(|(text, _)| holds(text)).map(|(_, n)| n).sum();
    held as f64 / all.max(1) as f64
}

fn fits(format: &TimeFormat, values: &[(&str, usize)]) -> bool {
    /// A column of something else is recognised by its first few values.
    const PROBES: usize = 8;
    let reads = |text: &str| format.read(text, &TimeZone::UTC).is_ok();
    values.iter().take(PROBES).any(|(text, _)| reads(text)) && share(values, reads) >= NEARLY_ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_found_and_read() {
        for (values, format, first) in [
            (vec!["2026-03-01T17:30:00+01:00"], "rfc3339", "2026-03-01T16:30:00Z"),
            (vec!["2018-02-26 19:58:54", "2018-05-08 20:17:59"], "%Y-%m-%d %H:%M:%S%.f", "2018-02-26T19:58:54Z"),
            (vec!["2018-02-26"], "%Y-%m-%d", "2018-02-26T00:00:00Z"),
            (vec!["1/31/2024", "2/1/2024"], "%m/%d/%Y", "2024-01-31T00:00:00Z"),
            (vec!["31/1/2024", "2/1/2024"], "%d/%m/%Y", "2024-01-31T00:00:00Z"),
            (vec!["31.01.2024 08:05"], "%d.%m.%Y %H:%M", "2024-01-31T08:05:00Z"),
            (vec!["1700000000"], "epoch_s", "2023-11-14T22:13:20Z"),
            (vec!["1700000000000"], "epoch_ms", "2023-11-14T22:13:20Z"),
            (vec!["202401"], "%Y%m", "2024-01-01T00:00:00Z"),
            (vec!["20240131"], "%Y%m%d", "2024-01-31T00:00:00Z"),
            (vec!["Jan 5, 2024"], "%b %d, %Y", "2024-01-05T00:00:00Z"),
        ] {
            let weighted: Vec<_> = values.iter().map(|v| (*v, 1)).collect();
            let found = detect(&weighted, true).unwrap_or_else(|| panic!("{values:?}"));
            assert_eq!(found.format.to_string(), format);
            assert_eq!(found.format.read(values[0], &TimeZone::UTC).unwrap().to_string(), first);
            assert_eq!(format.parse::<TimeFormat>().unwrap(), found.format);
        }
    }

    #[test]
    fn what_is_no_time_is_not_taken_for_one() {
        for values in [vec!["1.5", "2"], vec!["a", "b"], vec!["2024-13-45"], vec!["0000-00-00"], vec![]] {
            let weighted: Vec<_> = values.iter().map(|v| (*v, 1)).collect();
            assert!(detect(&weighted, true).is_none(), "{values:?}");
        }
        assert!(detect(&[("20240131", 1)], false).is_none(), "a bare number needs a name that speaks of time");
    }

    #[test]
    fn day_and_month_that_could_be_swapped_are_called_ambiguous() {
        assert!(detect(&[("1/2/2024", 1), ("3/4/2024", 1)], false).unwrap().ambiguous);
        assert!(!detect(&[("1/22/2024", 1), ("3/4/2024", 1)], false).unwrap().ambiguous);
    }

    #[test]
    fn a_footnote_among_many_dates_does_not_hide_them() {
        assert!(detect(&[("quality_flag = 1", 1), ("202401", 3_000)], true).is_some());
    }

    #[test]
    fn years_0_and_9999_are_refused() {
        for text in ["0000-01-01", "9999-12-31", "0001-01-01"] {
            assert!(TimeFormat::Pattern("%Y-%m-%d".into()).read(text, &TimeZone::UTC).is_err(), "{text}");
        }
        assert!(TimeFormat::EpochSeconds.read("NaN", &TimeZone::UTC).is_err());
        assert!(TimeFormat::EpochSeconds.read("1e300", &TimeZone::UTC).is_err());
    }

    #[test]
    fn local_times_are_read_in_the_zone() {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let read = TimeFormat::Pattern("%Y-%m-%d %H:%M".into()).read("2024-07-01 12:00", &zone).unwrap();
        assert_eq!(read.to_string(), "2024-07-01T17:00:00Z");
    }

    #[test]
    fn patterns_that_say_no_month_are_refused() {
        for pattern in ["%H:%M", "iso", "%Q%", "%Y"] {
            assert!(pattern.parse::<TimeFormat>().is_err(), "{pattern}");
        }
    }
}
