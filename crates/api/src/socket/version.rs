//! Which of two scores of a lead is the newer one.

use std::{fmt, str::FromStr};

use leadscore_domain::Score;
use serde::{Deserialize, Serialize};

/// Where a lead stands: the position of the log, and when its score was calculated. Later is newer; of a lead alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    log_position: i64,
    calculated_us: i64,
}

impl Version {
    /// Of a score.
    #[must_use]
    pub const fn of(score: &Score) -> Self {
        Self { log_position: score.log_position, calculated_us: score.calculated_at.as_micros() }
    }

    /// Of the verdict that a lead must not have a score: newer than every score at its position.
    #[must_use]
    pub const fn of_verdict(log_position: i64) -> Self {
        Self { log_position, calculated_us: i64::MAX }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.log_position, self.calculated_us)
    }
}

/// The text is no version.
#[derive(Debug, thiserror::Error)]
#[error("is no version that the server gave")]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let (position, calculated) = text.split_once('-').ok_or(NoVersion)?;
        let number = |text: &str| text.parse().map_err(|_| NoVersion);
        Ok(Self { log_position: number(position)?, calculated_us: number(calculated)? })
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::score;

    #[test]
    fn versions_are_read_as_they_are_written_and_a_verdict_is_newer_than_the_score_at_its_place() {
        let one = Version::of(&score("0198c2c4-0000-7000-8000-000000000000".parse().unwrap()));
        assert_eq!(one.to_string().parse::<Version>().unwrap(), one);
        let verdict = Version::of_verdict(1);
        assert_eq!(verdict.to_string().parse::<Version>().unwrap(), verdict);
        assert!(one < verdict && verdict < Version { log_position: 2, calculated_us: 0 });
        for wrong in ["", "1", "-", "1-", "a-1", "1-2-3", "1_2"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }
}
