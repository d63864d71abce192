//! A lead's state.

use leadscore_domain::{
    AttributeValue, ConsentState, Event, EventKind, LegalBasis, Purpose, Timestamp,
    event::{Deal, OutcomeResult, Stage},
};

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

/// Outbound calls and answers by hour of the week in the lead's zone: Monday 00:00 is 0.
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
    #[must_use]
    pub fn attempts(&self, hour: usize) -> u16 {
        self.attempts[hour]
    }

    /// Outbound calls in `hour`, 0 to 167, that a person answered.
    #[must_use]
    pub fn answers(&self, hour: usize) -> u16 {
        self.answers[hour]
    }
}

/// All that is remembered of a lead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeadState;

#[expect(missing_docs, reason = "documented with the implementation")]
impl LeadState {
    pub fn apply(&mut self, _event: &Event) {
        todo!()
    }
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }
    pub fn from_bytes(_bytes: &[u8]) -> Result<Self, StateError> {
        todo!()
    }
    #[must_use]
    pub fn first_event_at(&self) -> Option<Timestamp> {
        todo!()
    }
    #[must_use]
    pub fn last_event_at(&self) -> Option<Timestamp> {
        todo!()
    }
    #[must_use]
    pub fn last_contact_at(&self) -> Option<Timestamp> {
        todo!()
    }
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        todo!()
    }
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        todo!()
    }
    #[must_use]
    pub fn time_zone(&self) -> Option<&str> {
        todo!()
    }
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        std::iter::empty()
    }
    #[must_use]
    pub fn consent(&self, _purpose: Purpose) -> Option<(ConsentState, LegalBasis)> {
        todo!()
    }
    #[must_use]
    pub fn won_at(&self) -> Option<Timestamp> {
        todo!()
    }
    #[must_use]
    pub fn outcome(&self) -> Option<(Timestamp, OutcomeResult)> {
        todo!()
    }
    #[must_use]
    pub fn hour_of_week(&self) -> &HourOfWeek {
        todo!()
    }
    #[must_use]
    pub fn zone(&self) -> Option<&jiff::tz::TimeZone> {
        todo!()
    }
    #[must_use]
    pub fn events(&self, _kind: EventKind) -> u32 {
        todo!()
    }
    #[must_use]
    pub fn deal(&self) -> Option<Deal> {
        todo!()
    }
    #[must_use]
    pub fn price_centre(&self) -> Option<f64> {
        todo!()
    }
}
