//! What a world is made from, its bounds, and what can go wrong.

use std::path::PathBuf;

use leadscore_domain::{Invalid, Timestamp, time::DAY_US};
use serde::{Deserialize, Serialize};

/// Most leads in one world: every one has a telephone number of its own.
pub const LEADS_MAX: u64 = 5_000_000;
/// Longest history, in days.
const DAYS_MAX: u32 = 3_650;
/// Longest live part, in days.
const LIVE_DAYS_MAX: u32 = 366;

/// A world is a pure function of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationOptions {
    /// Seed of everything random.
    pub seed: u64,
    /// Leads that turn up before `end`, up to [`LEADS_MAX`].
    pub leads: u64,
    /// Days of history before `end`, 1 to 3650.
    pub days: u32,
    /// Where the history ends and the live part begins.
    pub end: Timestamp,
    /// Days that the world goes on after `end`, 30 to 366; leads keep turning up at the same rate.
    pub live_days: u32,
}

impl Default for SimulationOptions {
    /// 5,000 leads over the year 2025, and 30 live days.
    fn default() -> Self {
        let end = Timestamp::from_micros(1_767_225_600_000_000).expect("2026-01-01T00:00:00Z is in range");
        Self { seed: 1, leads: 5_000, days: 365, end, live_days: 30 }
    }
}

impl SimulationOptions {
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        let refuse = |field: &str, least: u64, most: u64| {
            Invalid::new(field, "is out of range", format_args!("use {least} to {most}"))
        };
        if !(1..=LEADS_MAX).contains(&self.leads) {
            return Err(refuse("leads", 1, LEADS_MAX));
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            return Err(refuse("days", 1, DAYS_MAX.into()));
        }
        if !(30..=LIVE_DAYS_MAX).contains(&self.live_days) {
            return Err(refuse("live_days", 30, LIVE_DAYS_MAX.into()));
        }
        let (earliest, latest) = (2012 * 365 * DAY_US - 1969 * 365 * DAY_US, 2190 * 365 * DAY_US - 1969 * 365 * DAY_US);
        if !(earliest..latest).contains(&self.end.as_micros()) {
            return Err(Invalid::new("end", "is out of range", "use an instant from 2013 to 2189"));
        }
        Ok(())
    }

    /// Where the history begins.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.end.plus_micros(-i64::from(self.days) * DAY_US)
    }

    /// Where the world stops: nothing happens from then on.
    #[must_use]
    pub fn stop(&self) -> Timestamp {
        self.end.plus_micros(i64::from(self.live_days) * DAY_US)
    }

    pub(crate) fn total_leads(&self) -> u64 {
        self.leads + self.leads * u64::from(self.live_days) / u64::from(self.days)
    }
}

/// What can go wrong when a world is made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// Options out of range: change them.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `simulation.toml` is not what [`crate::World::write`] wrote.
    #[error("{}: not the options of a simulation", path.display())]
    Options {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
}
