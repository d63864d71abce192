//! What a person allowed, for which purpose, on which basis, with which evidence; and what they limited.
//!
//! Owns: consents, limits (GDPR Art. 18 and 21), and the words for what stands in the way of profiling. Deliberately
//! absent: which of several statements holds, which the fold of a lead's events knows.

use serde::{Deserialize, Serialize};

use crate::{Invalid, invalid::check_text, limits};

/// What the data is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Scoring the lead.
    Profiling,
    /// Marketing calls by a person.
    CallByPerson,
    /// Marketing calls by an artificial voice.
    CallByAi,
    /// Marketing e-mail.
    Email,
    /// Recording of calls.
    Recording,
}

/// Whether the purpose is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// Allowed.
    Granted,
    /// Refused, withdrawn or objected to.
    Withdrawn,
}

/// The legal basis (GDPR Art. 6(1)) that is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// (a) the person's consent.
    Consent,
    /// (b) steps at the person's request before a contract.
    Contract,
    /// (f) legitimate interests, after a balancing test.
    LegitimateInterest,
}

/// One statement about one purpose. The latest by its event's time counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// For what.
    pub purpose: Purpose,
    /// Granted or withdrawn.
    pub state: ConsentState,
    /// On which basis.
    pub basis: LegalBasis,
    /// Where the proof is: the text shown and the form or recording.
    pub evidence: String,
}

impl Consent {
    /// Checks that there is evidence.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), Invalid> {
        check_text("evidence", &self.evidence, limits::TEXT_MAX_BYTES)
    }
}

/// A right of a person that keeps their data from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Restriction of processing (GDPR Art. 18): the data is kept and not used.
    Restriction,
    /// Objection to profiling (GDPR Art. 21).
    Objection,
}

impl Limit {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Restriction, Self::Objection];
}

/// Whether a limit is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitState {
    /// From now on.
    Imposed,
    /// No longer.
    Lifted,
}

/// One statement about a limit. Of each limit the latest by its event's time counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessingLimit {
    /// Which.
    pub limit: Limit,
    /// Imposed or lifted.
    pub state: LimitState,
    /// Where the proof is: the letter, the request.
    pub evidence: String,
}

impl ProcessingLimit {
    /// Checks that there is evidence.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), Invalid> {
        check_text("evidence", &self.evidence, limits::TEXT_MAX_BYTES)
    }
}

/// What stands in the way of profiling a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// There is no lawful basis, or it was withdrawn.
    #[default]
    NoConsent,
    /// Processing is restricted.
    Restricted,
    /// The person objected.
    Objected,
}
