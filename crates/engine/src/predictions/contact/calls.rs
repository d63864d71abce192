//! Calls to a lead as the model of answers sees them.

use jiff::tz::TimeZone;
use leadscore_domain::{Timestamp, time::HOUR_US};

use crate::features::{LeadState, local_hour};

/// A first call within this time of the lead's creation finds it with the telephone in its hand, in microseconds.
const FRESH_US: i64 = HOUR_US;

/// What is known before a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The first call, within an hour of the lead's creation.
    FirstFresh,
    /// The first call, later.
    First,
    /// The lead has answered before.
    Answered,
    /// The lead was called and never answered.
    NeverAnswered,
}

/// Number of [`Context`]s.
pub(super) const CONTEXTS: usize = 4;

/// A call to a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Local hour of the week, Monday 00:00 = 0.
    pub hour: u8,
    /// What was known before.
    pub context: Context,
    /// Whether a person answered.
    pub answered: bool,
}

/// The calls of one lead, for training.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadCalls {
    /// Token of the lead; says nothing about the person.
    pub lead: u64,
    /// When the lead came into being: later leads measure what earlier ones taught.
    pub since: Timestamp,
    /// Leads of one segment are expected to be alike; `None` where nothing is known.
    pub segment: Option<String>,
    /// Its calls in the order of time, at most 64.
    pub calls: Vec<Call>,
}

impl LeadCalls {
    /// Of a lead whose zone is known and who was called.
    #[must_use]
    pub fn of(lead: u64, state: &LeadState) -> Option<Self> {
        let zone = state.zone()?;
        let calls: Vec<Call> = calls(state, zone).collect();
        let segment = segment(state).map(str::to_owned);
        (!calls.is_empty()).then_some(Self { lead, since: state.created_at()?, segment, calls })
    }
}

/// The segment of a lead: where it came from.
pub(super) fn segment(state: &LeadState) -> Option<&str> {
    state.channel()
}

/// Calls to a lead by the clocks of `zone`.
pub(super) fn calls<'a>(state: &'a LeadState, zone: &'a TimeZone) -> impl Iterator<Item = Call> + 'a {
    let created = state.created_at();
    let mut answers = None;
    state.calls().map(move |(at, answered)| {
        let (hour, weekday) = local_hour(zone, at);
        let call = Call { hour: (weekday * 24 + hour) as u8, context: context(created, answers, at), answered };
        answers = Some(answers.unwrap_or(false) || answered);
        call
    })
}

/// What would be known before a call at `at`.
pub(super) fn next_context(state: &LeadState, at: Timestamp) -> Context {
    let called = state.calls().map(|(_, answered)| answered).reduce(|before, answered| before || answered);
    context(state.created_at(), called, at)
}

/// `answered`: whether any call before was; `None` where there was none.
fn context(created: Option<Timestamp>, answered: Option<bool>, at: Timestamp) -> Context {
    match answered {
        Some(true) => Context::Answered,
        Some(false) => Context::NeverAnswered,
        None if created.is_some_and(|created| at.since(created) <= FRESH_US) => Context::FirstFresh,
        None => Context::First,
    }
}
