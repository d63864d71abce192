//! All that is remembered of a lead.
//!
//! Owns: [`LeadState`], its bytes and the read access to it. Invariant: built by commutative folds alone, of bounded
//! size (about 1 KiB for a lead with 30 events; at most about 10 KiB without attributes, and of those at most 256
//! with values of at most 64 bytes). Deliberately absent: texts, names of people, homes and listings; of areas and
//! listings only hashes stay.

use jiff::tz::TimeZone;
use leadscore_domain::{
    AttributeValue, ConsentState, EventKind, LegalBasis, Limit, LimitState, Purpose, Timestamp,
    event::{Deal, OutcomeResult, Stage},
};
use serde::{Deserialize, Serialize};

use super::{
    attributes::AttributeSlots,
    live::Live,
    registers::{Buckets, Distinct, Recent, Register},
    signal::{Signal, Tallies},
    sums::Sums,
    zone::{Zone, local_hour},
};

/// First byte of a state's bytes: raised with every change of their form.
const FORMAT: u8 = 4;
/// Contacts kept for the pace of answers.
pub(super) const CONTACTS: usize = 24;
/// Outbound calls kept for the hours of answers.
const CALLS: usize = 64;
/// Searches kept.
const SEARCHES: usize = 8;
/// Judged conversations kept.
const MOODS: usize = 8;
/// Distinct areas and listings kept.
pub(super) const DISTINCT: usize = 32;
/// Areas kept of the latest search.
pub(super) const SEARCH_AREAS: usize = 4;
/// Days counted one by one.
const DAYS: i32 = 91;
/// Hours counted one by one.
const HOURS: i32 = 48;

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Written by another version: rebuild the state from the log.
    #[error("the state has format {found}, this program reads {expected}; rebuild it from the log")]
    Format {
        /// Found in the bytes.
        found: u8,
        /// Known to this program.
        expected: u8,
    },
    /// Truncated or damaged.
    #[error("the state is damaged; rebuild it from the log")]
    Damaged(#[source] postcard::Error),
}

/// Outbound calls and answers by hour of the week in the lead's zone: Monday 00:00 is 0. Of at most 64 latest calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourOfWeek {
    attempts: [u16; 168],
    answers: [u16; 168],
}

impl Default for HourOfWeek {
    fn default() -> Self {
        Self { attempts: [0; 168], answers: [0; 168] }
    }
}

impl HourOfWeek {
    /// Outbound calls in `hour`, 0 to 167.
    ///
    /// # Panics
    /// From 168 on.
    #[must_use]
    pub fn attempts(&self, hour: usize) -> u16 {
        self.attempts[hour]
    }

    pub(super) fn add(&mut self, zone: &TimeZone, call: Call) {
        let (hour, weekday) = local_hour(zone, call.at);
        self.attempts[weekday * 24 + hour] += 1;
        self.answers[weekday * 24 + hour] += u16::from(call.answered);
    }

    /// Those of [`Self::attempts`] that a person answered.
    ///
    /// # Panics
    /// From 168 on.
    #[must_use]
    pub fn answers(&self, hour: usize) -> u16 {
        self.answers[hour]
    }
}

/// An outbound call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) at: Timestamp,
    pub(super) answered: bool,
}

/// Which way a contact went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Way {
    /// The lead turned to us.
    Inbound,
    /// We turned to the lead, which has not reacted by that.
    Outbound,
    /// A call that was answered, whoever made it.
    Talk,
}

/// A contact either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Contact {
    pub(super) at: Timestamp,
    pub(super) way: Way,
}

/// A search, as far as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Search {
    pub(super) at: Timestamp,
    pub(super) rent: bool,
    pub(super) price_min: Option<i64>,
    pub(super) price_max: Option<i64>,
    pub(super) areas: u8,
    /// Bit per property type.
    pub(super) types: u8,
    pub(super) bedrooms: Option<u8>,
}

impl Search {
    /// Middle of the price range; its one end where there is no other.
    pub(super) fn centre(&self) -> Option<i64> {
        match (self.price_min, self.price_max) {
            (Some(min), Some(max)) => Some(min / 2 + max / 2),
            (min, max) => max.or(min),
        }
    }

    /// Width of the price range over its middle, where both ends are given.
    pub(super) fn relative_width(&self) -> Option<f64> {
        let (min, max) = (self.price_min? as f64, self.price_max? as f64);
        (min + max > 0.0).then(|| (max - min) / ((max + min) / 2.0))
    }
}

/// Sentiment of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Mood {
    pub(super) at: Timestamp,
    /// −1000 to 1000.
    pub(super) milli: i16,
}

/// What is known of a lead from its events, in whatever order they came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LeadState {
    pub(super) first_at: Option<Timestamp>,
    pub(super) last_at: Option<Timestamp>,
    /// Earliest event that is no outcome.
    pub(super) origin_at: Option<Timestamp>,
    pub(super) created_at: Option<Timestamp>,
    /// Earliest contact that was not the lead's alone.
    pub(super) first_response_at: Option<Timestamp>,
    pub(super) kinds: [u32; EventKind::ALL.len()],
    pub(super) tallies: Tallies,
    pub(super) sums: Sums,
    pub(super) days: Buckets<DAYS>,
    pub(super) hours: Buckets<HOURS>,
    pub(super) contacts: Recent<Contact, CONTACTS>,
    pub(super) calls: Recent<Call, CALLS>,
    pub(super) searches: Recent<Search, SEARCHES>,
    pub(super) first_search: Option<Search>,
    pub(super) moods: Recent<Mood, MOODS>,
    /// The latest that a platform judged.
    pub(super) platform_mood: Recent<Mood, 1>,
    pub(super) areas: Distinct<DISTINCT>,
    pub(super) listings: Distinct<DISTINCT>,
    pub(super) search_areas: Register<Vec<u64>>,
    pub(super) stage: Register<Stage>,
    /// The stage without Won and Lost, which tell the outcome.
    pub(super) open_stage: Register<Stage>,
    pub(super) channel: Register<String>,
    pub(super) zone: Register<Zone>,
    pub(super) consents: [Register<(ConsentState, LegalBasis)>; 5],
    /// The latest statement about profiling that rests on consent alone.
    pub(super) profiling_consent: Register<ConsentState>,
    pub(super) limits: [Register<LimitState>; Limit::ALL.len()],
    pub(super) won_at: Option<Timestamp>,
    pub(super) outcome: Register<OutcomeResult>,
    pub(super) attributes: AttributeSlots,
    /// The call that goes on.
    pub(super) live: Live,
    /// Of `calls` and `zone`.
    #[serde(skip)]
    pub(super) habits: HourOfWeek,
}

impl LeadState {
    /// The state as bytes: equal states give equal bytes.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![FORMAT]).expect("a state is plain data, and memory takes all of it")
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Where the bytes are of another version or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let (found, body) =
            bytes.split_first().ok_or(StateError::Damaged(postcard::Error::DeserializeUnexpectedEnd))?;
        if *found != FORMAT {
            return Err(StateError::Format { found: *found, expected: FORMAT });
        }
        let mut state: Self = postcard::from_bytes(body).map_err(StateError::Damaged)?;
        state.refresh_habits();
        Ok(state)
    }

    /// When the earliest event happened; `None` before any event.
    #[must_use]
    pub fn first_event_at(&self) -> Option<Timestamp> {
        self.first_at
    }

    /// When the latest event happened.
    #[must_use]
    pub fn last_event_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// When the lead came into being: its creation, or its first event where that is earlier or there is none.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created_at.into_iter().chain(self.origin_at).min()
    }

    /// Events of a kind.
    #[must_use]
    pub fn events(&self, kind: EventKind) -> u32 {
        self.kinds[kind as usize]
    }

    /// How often something happened.
    #[must_use]
    pub fn count(&self, signal: Signal) -> u32 {
        self.tallies.count(signal)
    }

    /// When something happened last.
    #[must_use]
    pub fn last(&self, signal: Signal) -> Option<Timestamp> {
        self.tallies.last(signal)
    }

    /// Latest contact either way: call, message, e-mail sent or answered, showing held.
    #[must_use]
    pub fn last_contact_at(&self) -> Option<Timestamp> {
        let contact = self.contacts.latest().map(|contact| contact.at);
        contact.into_iter().chain(self.last(Signal::ShowingHeld)).max()
    }

    /// Latest contact that the lead began or answered.
    #[must_use]
    pub fn last_inbound_at(&self) -> Option<Timestamp> {
        self.tallies.latest(&[
            Signal::CallIn,
            Signal::CallOutAnswered,
            Signal::MessageIn,
            Signal::EmailReplied,
            Signal::ShowingHeld,
        ])
    }

    /// Latest attempt to reach the lead.
    #[must_use]
    pub fn last_outbound_at(&self) -> Option<Timestamp> {
        self.tallies.latest(&[Signal::CallOut, Signal::MessageOut, Signal::EmailSent])
    }

    /// The present stage.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.stage.get().copied()
    }

    /// The present stage and when the lead entered it.
    #[must_use]
    pub fn stage_entered(&self) -> Option<(Timestamp, Stage)> {
        Some((self.stage.at()?, *self.stage.get()?))
    }

    /// The latest calls to the lead, at most 64, in the order of time: when, and whether a person answered.
    pub fn calls(&self) -> impl Iterator<Item = (Timestamp, bool)> {
        self.calls.as_slice().iter().map(|call| (call.at, call.answered))
    }

    /// Where the lead came from.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.channel.get().map(String::as_str)
    }

    /// IANA name of the lead's zone.
    #[must_use]
    pub fn time_zone(&self) -> Option<&str> {
        self.zone.get().map(|zone| zone.name)
    }

    /// The lead's zone.
    #[must_use]
    pub fn zone(&self) -> Option<&'static TimeZone> {
        self.zone.get().map(|zone| zone.zone)
    }

    /// Present custom attributes by name, in the order of the alphabet. Protected ones are among them; no
    /// [`super::FeatureView`] has them as columns.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter()
    }

    /// One custom attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.get(name)
    }

    /// The latest statement about a purpose.
    #[must_use]
    pub fn consent(&self, purpose: Purpose) -> Option<(ConsentState, LegalBasis)> {
        self.consents[purpose as usize].get().copied()
    }

    /// Whether processing is restricted.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.limits[Limit::Restriction as usize].get() == Some(&LimitState::Imposed)
    }

    /// Whether the person objects to profiling. What others claim afterwards does not end it, only who consents to
    /// profiling after that does.
    #[must_use]
    pub fn has_objected(&self) -> bool {
        let objection = &self.limits[Limit::Objection as usize];
        let consent = &self.profiling_consent;
        objection.get() == Some(&LimitState::Imposed)
            && !(consent.get() == Some(&ConsentState::Granted) && consent.stamp() > objection.stamp())
    }

    /// When the lead was first won.
    #[must_use]
    pub fn won_at(&self) -> Option<Timestamp> {
        self.won_at
    }

    /// The latest outcome and when it happened.
    #[must_use]
    pub fn outcome(&self) -> Option<(Timestamp, OutcomeResult)> {
        Some((self.outcome.at()?, *self.outcome.get()?))
    }

    /// Whether the latest search was to buy or to rent.
    #[must_use]
    pub fn deal(&self) -> Option<Deal> {
        self.searches.latest().map(|search| if search.rent { Deal::Rent } else { Deal::Buy })
    }

    /// Middle of the price range last searched for, else mean price of saved listings; in the brokerage's currency.
    #[must_use]
    pub fn price_centre(&self) -> Option<f64> {
        let searched = self.searches.as_slice().iter().rev().find_map(Search::centre);
        searched.map(|centre| centre as f64).or_else(|| self.saved_price())
    }

    /// Mean price of saved listings.
    pub(super) fn saved_price(&self) -> Option<f64> {
        (self.sums.saved_prices > 0).then(|| self.sums.saved_price as f64 / f64::from(self.sums.saved_prices))
    }

    /// Mean sentiment of the lead's conversations, −1 to 1.
    #[must_use]
    pub fn sentiment_mean(&self) -> Option<f64> {
        (self.sums.moods > 0).then(|| self.sums.mood_milli as f64 / f64::from(self.sums.moods) / 1_000.0)
    }

    /// Sentiment of the latest judged conversation, −1 to 1.
    #[must_use]
    pub fn sentiment_last(&self) -> Option<f64> {
        self.moods.latest().map(|mood| f64::from(mood.milli) / 1_000.0)
    }

    /// When the lead last asked not to be contacted; [`Self::count`] of [`Signal::OptOut`] says how often.
    #[must_use]
    pub fn opted_out_at(&self) -> Option<Timestamp> {
        self.last(Signal::OptOut)
    }

    /// Outbound calls by hour of the week in the lead's zone; empty where that is unknown.
    #[must_use]
    pub fn hour_of_week(&self) -> &HourOfWeek {
        &self.habits
    }

    /// Outbound calls by hour of the week in any zone.
    #[must_use]
    pub fn hour_of_week_in(&self, zone: &TimeZone) -> HourOfWeek {
        let mut habits = HourOfWeek::default();
        for call in self.calls.as_slice() {
            habits.add(zone, *call);
        }
        habits
    }

    /// Brings `habits` up to date after a change of `calls` or `zone`.
    pub(super) fn refresh_habits(&mut self) {
        self.habits = self.zone().map_or_else(HourOfWeek::default, |zone| self.hour_of_week_in(zone));
    }
}
