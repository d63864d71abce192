//! The instants at which every zone and every rule allows a call.

use jiff::civil::Date;

use super::{place::Zone, rules::CallingRule};
use crate::Timestamp;

/// How many days ahead is looked for hours: more than any row of days without.
const DAYS_AHEAD: i32 = 14;
/// How often an instant is moved on before it is given up.
const MOVES_MAX: usize = 256;

/// Time in which a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The first instant after it.
    pub(super) until: Timestamp,
}

/// What a rule says of an instant in a zone.
enum Hours {
    /// Allowed, until then.
    Open(Timestamp),
    /// Allowed from then on.
    Opens(Timestamp),
    /// Not within [`DAYS_AHEAD`].
    Never,
}

/// The time around an instant at which all zones and rules allow a call.
pub(super) fn open(zones: &[Zone], rules: &[&CallingRule], at: Timestamp) -> Option<Window> {
    let mut until = Timestamp::MAX;
    for zone in zones {
        for rule in rules {
            match hours(zone, rule, at) {
                Hours::Open(end) => until = until.min(end),
                Hours::Opens(_) | Hours::Never => return None,
            }
        }
    }
    Some(Window { until })
}

/// The earliest instant, not before `at`, at which all zones and rules allow a call.
pub(super) fn next_open(zones: &[Zone], rules: &[&CallingRule], at: Timestamp) -> Option<Timestamp> {
    let mut next = at;
    // Each move goes to the earliest instant that one of them allows, so none that all allow is passed over.
    for _ in 0..MOVES_MAX {
        let mut moved = next;
        for zone in zones {
            for rule in rules {
                match hours(zone, rule, moved) {
                    Hours::Open(_) => {}
                    Hours::Opens(start) => moved = start,
                    Hours::Never => return None,
                }
            }
        }
        if moved == next {
            return Some(next);
        }
        next = moved;
    }
    None
}

fn hours(zone: &Zone, rule: &CallingRule, at: Timestamp) -> Hours {
    let mut day = at.to_jiff().to_zoned(zone.zone.clone()).date();
    for _ in 0..DAYS_AHEAD {
        if let Some((from, to)) = rule.hours(day)
            && let (Some(start), Some(end)) = (instant(zone, day, from), instant(zone, day, to))
        {
            if at < start {
                return Hours::Opens(start);
            }
            if at < end {
                return Hours::Open(end);
            }
        }
        let Ok(next) = day.tomorrow() else { return Hours::Never };
        day = next;
    }
    Hours::Never
}

/// The instant of an hour of a day, 24 for its end.
fn instant(zone: &Zone, day: Date, hour: i8) -> Option<Timestamp> {
    let (day, hour) = if hour == 24 { (day.tomorrow().ok()?, 0) } else { (day, hour) };
    let zoned = zone.zone.to_ambiguous_zoned(day.at(hour, 0, 0, 0)).compatible().ok()?;
    Timestamp::from_jiff(zoned.timestamp()).ok()
}
