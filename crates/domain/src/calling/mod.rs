//! Whether somebody in the United States may be called now, by whom, and if not, when and why not.
//!
//! Owns: the hours of the called party's zones, the states' rules as a table with dates and sources, what consents and
//! lists allow, and permits. Invariants: what is not known denies; several possible zones or states all have to allow;
//! a call by an artificial voice cannot be permitted without evidence of written consent, because a permit for one is
//! made of it. Deliberately absent: I/O and the clock; calls that the person makes, which need no permit; other
//! countries; legal advice.

mod hours;
mod permit;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::{hours::Window, place::Place};
pub use self::{
    permit::{Ai, CallPermit, Person, WrittenConsent},
    place::{Address, State},
    rules::{CallingRule, RULES, rules_markdown},
};
use crate::{
    ConsentState, Timestamp,
    time::{DAY_US, HOUR_US},
};

/// Age from which a copy of the national list counts no more (47 CFR 64.1200(c)(2)(i)(D): 31 days).
pub const NATIONAL_LIST_MAX_AGE_US: i64 = 31 * DAY_US;
/// How long an inquiry is a relationship: three months (47 CFR 64.1200(f)(5)), counted as 90 days.
pub const INQUIRY_US: i64 = 90 * DAY_US;
/// How long a transaction is a relationship: eighteen months (47 CFR 64.1200(f)(5)), counted as 540 days.
pub const TRANSACTION_US: i64 = 540 * DAY_US;
/// The period in which states count calls.
const FREQUENCY_US: i64 = 24 * HOUR_US;

/// What is known of the person to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party<'a> {
    /// The number, in E.164.
    pub number: &'a str,
    /// Where the person lives.
    pub address: Option<Address>,
    /// The latest statement about calls by a person.
    pub by_person: Option<Statement>,
    /// The latest statement about calls by an artificial voice.
    pub by_ai: Option<Statement>,
    /// When the person last asked, on a call or in writing, not to be called.
    pub opted_out_at: Option<Timestamp>,
    /// When the person last inquired.
    pub inquired_at: Option<Timestamp>,
    /// When the person last bought or sold.
    pub transacted_at: Option<Timestamp>,
    /// What the national list says.
    pub national: NationalList,
    /// Whether the number is on the brokerage's own list.
    pub on_own_list: bool,
    /// Calls to the person in the last 24 hours.
    pub recent_calls: &'a [Timestamp],
}

/// What a person said about a purpose, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// Allowed or not.
    pub state: ConsentState,
    /// When.
    pub at: Timestamp,
}

/// What the national Do-Not-Call list says of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NationalList {
    /// It was never imported.
    Missing,
    /// The copy of this instant has the number.
    Listed(Timestamp),
    /// The copy of this instant does not have it.
    NotListed(Timestamp),
}

/// Why there must be no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The number is not one of the United States.
    OtherCountry,
    /// Neither the number nor an address says in which time zone the person is.
    PlaceUnknown,
    /// It is outside the hours of the day, or on a day without any.
    QuietHours,
    /// The person was called as often as the state allows within 24 hours.
    TooManyCalls,
    /// The person withdrew the consent to such calls.
    ConsentWithdrawn,
    /// The person asked not to be called.
    OptedOut,
    /// The number is on the brokerage's own list.
    OnOwnList,
    /// The number is on the national list, and neither consent nor a relationship allows the call.
    OnNationalList,
    /// The copy of the national list is older than 31 days.
    NationalListStale,
    /// There is no copy of the national list.
    NationalListMissing,
}

/// Why not, and from when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Every reason that holds, in the order of [`Reason`].
    pub reasons: Vec<Reason>,
    /// The earliest instant at which the call is allowed if nothing changes; `None` where something has to.
    pub next_allowed_at: Option<Timestamp>,
    /// The zones that had to allow it.
    pub zones: Vec<&'static str>,
    /// Sources of the rules that had to.
    pub sources: Vec<&'static str>,
}

/// Whether a person may call.
///
/// # Errors
/// [`Denial`] where not.
pub fn may_call(party: &Party<'_>, at: Timestamp) -> Result<CallPermit<Person>, Denial> {
    let allowed = party.by_person.filter(|said| said.state == ConsentState::Granted);
    let mut reasons = standing(party, party.by_person, allowed.map(|said| said.at), at);
    if allowed.is_none() && !has_relationship(party, at) {
        reasons.extend(national(party.national, at));
    }
    let until = decide(party, reasons, at)?;
    Ok(CallPermit::new(Person(()), party.number, until))
}

/// Whether an artificial voice may call; without written consent the question cannot be asked.
///
/// # Errors
/// [`Denial`] where not.
pub fn may_call_by_ai(consent: WrittenConsent, party: &Party<'_>, at: Timestamp) -> Result<CallPermit<Ai>, Denial> {
    let reasons = standing(party, party.by_ai, Some(consent.given_at()), at);
    let until = decide(party, reasons, at)?;
    Ok(CallPermit::new(Ai(consent), party.number, until))
}

/// What the person said stands in the way; `allowed_at` is when such calls were last allowed.
fn standing(party: &Party<'_>, said: Option<Statement>, allowed_at: Option<Timestamp>, at: Timestamp) -> Vec<Reason> {
    let holds = |since: Timestamp| since <= at && allowed_at.is_none_or(|allowed_at| allowed_at <= since);
    let withdrawn = said.filter(|said| said.state == ConsentState::Withdrawn).is_some_and(|said| holds(said.at));
    [
        (withdrawn, Reason::ConsentWithdrawn),
        (party.opted_out_at.is_some_and(holds), Reason::OptedOut),
        (party.on_own_list, Reason::OnOwnList),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

fn has_relationship(party: &Party<'_>, at: Timestamp) -> bool {
    let within =
        |began: Option<Timestamp>, length_us| began.is_some_and(|began| (0..=length_us).contains(&at.since(began)));
    within(party.inquired_at, INQUIRY_US) || within(party.transacted_at, TRANSACTION_US)
}

fn national(list: NationalList, at: Timestamp) -> Option<Reason> {
    let (as_of, listed) = match list {
        NationalList::Missing => return Some(Reason::NationalListMissing),
        NationalList::Listed(as_of) => (as_of, true),
        NationalList::NotListed(as_of) => (as_of, false),
    };
    if at.since(as_of) > NATIONAL_LIST_MAX_AGE_US {
        Some(Reason::NationalListStale)
    } else {
        listed.then_some(Reason::OnNationalList)
    }
}

/// Adds what place and time say. Until when the call may begin.
fn decide(party: &Party<'_>, mut reasons: Vec<Reason>, at: Timestamp) -> Result<Timestamp, Denial> {
    let place = match Place::of(party.number, party.address) {
        Ok(place) => place,
        Err(reason) => {
            reasons.push(reason);
            return Err(denial(reasons, None, &[], &[]));
        }
    };
    let rules = rules::of(&place.states);
    let most = rules.iter().filter_map(|rule| rule.calls_per_day_on(at)).min();
    let is_lasting = !reasons.is_empty();
    let window = hours::open(&place.zones, &rules, at);
    if window.is_none() {
        reasons.push(Reason::QuietHours);
    }
    let free_at = most.and_then(|most| free_at(party.recent_calls, most, at));
    if free_at.is_some() {
        reasons.push(Reason::TooManyCalls);
    }
    match window {
        Some(Window { until }) if reasons.is_empty() => Ok(until),
        Some(_) | None => {
            let next = (!is_lasting).then(|| hours::next_open(&place.zones, &rules, free_at.unwrap_or(at))).flatten();
            Err(denial(reasons, next, &place.zones, &rules))
        }
    }
}

/// When fewer than `most` calls lie within 24 hours again; `None` where it is so now.
fn free_at(calls: &[Timestamp], most: usize, at: Timestamp) -> Option<Timestamp> {
    let mut counted: Vec<Timestamp> =
        calls.iter().copied().filter(|call| (0..FREQUENCY_US).contains(&at.since(*call))).collect();
    counted.sort_unstable();
    let over = counted.len().checked_sub(most)?;
    Some(counted[over].plus_micros(FREQUENCY_US))
}

fn denial(
    mut reasons: Vec<Reason>,
    next_allowed_at: Option<Timestamp>,
    zones: &[place::Zone],
    rules: &[&'static CallingRule],
) -> Denial {
    reasons.sort_unstable();
    Denial {
        reasons,
        next_allowed_at,
        zones: zones.iter().map(|zone| zone.name).collect(),
        sources: rules.iter().map(|rule| rule.source).collect(),
    }
}
