//! What a brokerage decides about scoring.
//!
//! Owns: whether a lead may be profiled at all. Invariant: a withdrawal, an objection and a restriction always stop it.
//! Deliberately absent: whether it may be called.

use jiff::tz::TimeZone;
use leadscore_domain::{ConsentState, Obstacle, Purpose, time::HOUR_US};

use crate::features::LeadState;

/// What the brokerage decides about scoring.
#[derive(Debug, Clone)]
pub struct ScoringPolicy {
    /// Whether a lead about whom nothing is said is scored; a withdrawal always stops it.
    pub profile_without_statement: bool,
    /// The zone of leads whose own is unknown.
    pub default_zone: TimeZone,
    /// After what time a score is calculated anew though nothing happened.
    pub lifetime_us: i64,
}

impl Default for ScoringPolicy {
    /// No statement, no score; UTC; one day.
    fn default() -> Self {
        Self { profile_without_statement: false, default_zone: TimeZone::UTC, lifetime_us: 24 * HOUR_US }
    }
}

impl ScoringPolicy {
    /// Whether a lead may be profiled: scored, and learned from.
    ///
    /// # Errors
    /// See [`Withheld`].
    pub fn permits(&self, state: &LeadState) -> Result<(), Withheld> {
        if state.first_event_at().is_none() {
            return Err(Withheld::Empty);
        }
        if state.is_restricted() {
            return Err(Withheld::Obstacle(Obstacle::Restricted));
        }
        if state.has_objected() {
            return Err(Withheld::Obstacle(Obstacle::Objected));
        }
        match state.consent(Purpose::Profiling) {
            Some((ConsentState::Granted, _)) => Ok(()),
            None if self.profile_without_statement => Ok(()),
            Some((ConsentState::Withdrawn, _)) | None => Err(Withheld::Obstacle(Obstacle::NoConsent)),
        }
    }
}

/// Why there is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It must not be profiled.
    #[error("{}", say(*.0))]
    Obstacle(Obstacle),
    /// Nothing is known of the lead.
    #[error("no event of the lead is known")]
    Empty,
}

impl Withheld {
    /// What stands in the way: of a lead of which nothing is known there is no basis known either.
    #[must_use]
    pub const fn obstacle(self) -> Obstacle {
        match self {
            Self::Obstacle(obstacle) => obstacle,
            Self::Empty => Obstacle::NoConsent,
        }
    }
}

const fn say(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NoConsent => "there is no consent to profiling",
        Obstacle::Restricted => "processing is restricted",
        Obstacle::Objected => "the person objects to profiling",
    }
}
