//! Where a number or an address may be: states and time zones.
//!
//! Owns: the table of area codes (`scripts/area-codes`) and that of the states. Invariant: of several possible zones or
//! states none is left out.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::LazyLock};

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Reason;
use crate::Invalid;

/// Area codes with the states and zones in which their numbers may be.
const AREA_CODES: &str = include_str!("area_codes.csv");
/// Area codes without a place (Industry Numbering Committee, "800-type").
const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];

/// States, the District of Columbia and the territories, with every time zone in them. Where only some of a state's
/// counties have another zone, all of the state may.
#[rustfmt::skip]
const STATES: [(&str, &[&str]); 56] = [
    ("AK", &["America/Adak", "America/Anchorage"]),
    ("AL", &["America/Chicago"]),
    ("AR", &["America/Chicago"]),
    ("AS", &["Pacific/Pago_Pago"]),
    ("AZ", &["America/Denver", "America/Phoenix"]),
    ("CA", &["America/Los_Angeles"]),
    ("CO", &["America/Denver"]),
    ("CT", &["America/New_York"]),
    ("DC", &["America/New_York"]),
    ("DE", &["America/New_York"]),
    ("FL", &["America/Chicago", "America/New_York"]),
    ("GA", &["America/New_York"]),
    ("GU", &["Pacific/Guam"]),
    ("HI", &["Pacific/Honolulu"]),
    ("IA", &["America/Chicago"]),
    ("ID", &["America/Boise", "America/Los_Angeles"]),
    ("IL", &["America/Chicago"]),
    ("IN", &["America/Chicago", "America/New_York"]),
    ("KS", &["America/Chicago", "America/Denver"]),
    ("KY", &["America/Chicago", "America/New_York"]),
    ("LA", &["America/Chicago"]),
    ("MA", &["America/New_York"]),
    ("MD", &["America/New_York"]),
    ("ME", &["America/New_York"]),
    ("MI", &["America/Chicago", "America/New_York"]),
    ("MN", &["America/Chicago"]),
    ("MO", &["America/Chicago"]),
    ("MP", &["Pacific/Saipan"]),
    ("MS", &["America/Chicago"]),
    ("MT", &["America/Denver"]),
    ("NC", &["America/New_York"]),
    ("ND", &["America/Chicago", "America/Denver"]),
    ("NE", &["America/Chicago", "America/Denver"]),
    ("NH", &["America/New_York"]),
    ("NJ", &["America/New_York"]),
    ("NM", &["America/Denver"]),
    ("NV", &["America/Denver", "America/Los_Angeles"]),
    ("NY", &["America/New_York"]),
    ("OH", &["America/New_York"]),
    ("OK", &["America/Chicago"]),
    ("OR", &["America/Boise", "America/Los_Angeles"]),
    ("PA", &["America/New_York"]),
    ("PR", &["America/Puerto_Rico"]),
    ("RI", &["America/New_York"]),
    ("SC", &["America/New_York"]),
    ("SD", &["America/Chicago", "America/Denver"]),
    ("TN", &["America/Chicago", "America/New_York"]),
    ("TX", &["America/Chicago", "America/Denver"]),
    ("UT", &["America/Denver"]),
    ("VA", &["America/New_York"]),
    ("VI", &["America/St_Thomas"]),
    ("VT", &["America/New_York"]),
    ("WA", &["America/Los_Angeles"]),
    ("WI", &["America/Chicago"]),
    ("WV", &["America/New_York"]),
    ("WY", &["America/Denver"]),
];

/// A state, the District of Columbia, or a territory, by its two letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(&'static str);

impl State {
    /// The two letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    fn zones(self) -> &'static [&'static str] {
        STATES.iter().find(|(letters, _)| *letters == self.0).map_or(&[], |(_, zones)| zones)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for State {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = STATES.iter().find(|(letters, _)| letters.eq_ignore_ascii_case(text.trim()));
        let refuse = || Invalid::new("state", "is no state of the United States", "send two letters, such as TX");
        found.map(|(letters, _)| Self(letters)).ok_or_else(refuse)
    }
}

/// Where a person lives, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The state.
    pub state: State,
}

/// A time zone and its IANA name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zone {
    pub(super) name: &'static str,
    pub(super) zone: &'static TimeZone,
}

/// Everywhere that somebody may be.
#[derive(Debug)]
pub(super) struct Place {
    /// At least one, by name.
    pub(super) zones: Vec<Zone>,
    pub(super) states: Vec<State>,
}

struct AreaCode {
    states: Vec<State>,
    zones: Vec<&'static str>,
}

static BY_AREA_CODE: LazyLock<BTreeMap<&'static str, AreaCode>> =
    LazyLock::new(|| AREA_CODES.lines().map(area_code).collect());

static ZONES: LazyLock<BTreeMap<&'static str, TimeZone>> = LazyLock::new(|| {
    let named = STATES.iter().flat_map(|(_, zones)| *zones).chain(BY_AREA_CODE.values().flat_map(|code| &code.zones));
    let database = TimeZoneDatabase::bundled();
    // A zone that the database does not have would be missing from the place, and the call denied.
    named.filter_map(|name| Some((*name, database.get(name).ok()?))).collect()
});

fn area_code(line: &'static str) -> (&'static str, AreaCode) {
    let mut fields = line.split(',');
    let mut words = || fields.next().unwrap_or_default();
    let (code, states, zones) = (words(), words(), words());
    let states = states.split(' ').filter_map(|letters| letters.parse().ok()).collect();
    (code, AreaCode { states, zones: zones.split(' ').collect() })
}

impl Place {
    /// Every place of a number, in E.164, and an address.
    pub(super) fn of(number: &str, address: Option<Address>) -> Result<Self, Reason> {
        let national = number.strip_prefix("+1").filter(|rest| rest.len() == 10).ok_or(Reason::OtherCountry)?;
        let code = national.get(..3).ok_or(Reason::OtherCountry)?;
        let (mut states, mut names) = match BY_AREA_CODE.get(code) {
            Some(known) => (known.states.clone(), known.zones.clone()),
            None if TOLL_FREE.contains(&code) => (Vec::new(), Vec::new()),
            None => return Err(Reason::OtherCountry),
        };
        if let Some(Address { state }) = address {
            states.push(state);
            names.extend(state.zones());
        }
        states.sort_unstable();
        states.dedup();
        names.sort_unstable();
        names.dedup();
        let zones: Option<Vec<Zone>> = names.into_iter().map(find).collect();
        let zones = zones.filter(|zones| !zones.is_empty()).ok_or(Reason::PlaceUnknown)?;
        Ok(Self { zones, states })
    }
}

fn find(name: &'static str) -> Option<Zone> {
    ZONES.get(name).map(|zone| Zone { name, zone })
}
