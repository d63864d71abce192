//! How soon a lead wants to act.
//!
//! Owns: the rule. What the lead did or said last counts before what its CRM fields say, as these grow old.

use leadscore_domain::{Timestamp, Urgency, time::DAY_US};

use super::statements::{Statements, of_days};
use crate::features::{LeadState, Signal};

/// How long a step towards a deal means now, in microseconds.
const STEP_US: i64 = 14 * DAY_US;
/// How long a search means weeks, in microseconds.
const SEARCH_US: i64 = 14 * DAY_US;
/// How long a word that puts things off counts, in microseconds.
const PUT_OFF_US: i64 = 90 * DAY_US;

pub(super) fn urgency(state: &LeadState, statements: &Statements, at: Timestamp) -> Urgency {
    let latest = |signals: &[Signal]| signals.iter().filter_map(|signal| state.last(*signal)).max();
    let within = |then: Option<Timestamp>, us: i64| then.is_some_and(|then| at.since(then) <= us);
    let step = latest(&[
        Signal::Commitment,
        Signal::ViewingAsked,
        Signal::ShowingRequested,
        Signal::ShowingScheduled,
        Signal::ShowingHeld,
    ]);
    let put_off = latest(&[Signal::ObjectionTiming, Signal::Disinterest]);
    if within(step, STEP_US) && step > put_off {
        return Urgency::Now;
    }
    let days = statements.moves_at.map(|moves_at| moves_at.since(at) as f64 / DAY_US as f64);
    let planned = days.filter(|days| *days >= 0.0).map(of_days);
    let stated = planned.or(statements.urgency);
    if within(put_off, PUT_OFF_US) && put_off > step {
        return stated.unwrap_or(Urgency::Months).max(Urgency::Months);
    }
    let searched = latest(&[Signal::SearchBuy, Signal::SearchRent, Signal::ListingSaved, Signal::PageValuation]);
    stated.unwrap_or(if within(searched, SEARCH_US) { Urgency::Weeks } else { Urgency::None })
}
