//! What a person allowed, for which purpose, on which basis, with which evidence.

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
