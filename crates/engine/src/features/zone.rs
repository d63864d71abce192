//! Time zones of leads, resolved once per state and without locks.
//!
//! Owns: the table from name to zone. Invariant: the bundled database only, so that every machine has the same rules.
//! Deliberately absent: the machine's own database and zone.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use leadscore_domain::{Timestamp, time::DAY_US, time::HOUR_US};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Each bundled zone, parsed when it is first asked for; by lower-case name.
static ZONES: LazyLock<HashMap<String, Entry>> = LazyLock::new(|| {
    TimeZoneDatabase::bundled()
        .available()
        .map(|name| (name.as_str().to_ascii_lowercase(), Entry { name: name.to_string(), zone: OnceLock::new() }))
        .collect()
});

struct Entry {
    name: String,
    zone: OnceLock<TimeZone>,
}

/// A known time zone under its IANA name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zone {
    pub(super) name: &'static str,
    pub(super) zone: &'static TimeZone,
}

impl Zone {
    /// The zone of that name in any case.
    pub(super) fn find(name: &str) -> Option<Self> {
        let entry = ZONES.get(&name.to_ascii_lowercase())?;
        let zone = entry
            .zone
            .get_or_init(|| TimeZoneDatabase::bundled().get(&entry.name).unwrap_or_else(|_| TimeZone::unknown()));
        Some(Self { name: &entry.name, zone })
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <&str>::deserialize(deserializer)?;
        Self::find(name).ok_or_else(|| serde::de::Error::custom("unknown time zone"))
    }
}

/// Hour 0 to 23 and weekday 0 (Monday) to 6 of `at` by the clocks of `zone`.
pub(crate) fn local_hour(zone: &TimeZone, at: Timestamp) -> (usize, usize) {
    let offset_us = i64::from(zone.to_offset(at.to_jiff()).seconds()) * 1_000_000;
    let local = at.as_micros() + offset_us;
    let hour = local.rem_euclid(DAY_US) / HOUR_US;
    // 1970-01-01 was a Thursday.
    let weekday = (local.div_euclid(DAY_US) + 3).rem_euclid(7);
    (hour as usize, weekday as usize)
}
