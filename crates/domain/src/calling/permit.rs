//! Permits, which say in their type by whom a call may be made.

use crate::{Consent, ConsentState, LegalBasis, Purpose, Timestamp};

/// A call by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person(pub(super) ());

/// A call by an artificial voice, with the consent that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ai(pub(super) WrittenConsent);

/// Evidence that a person agreed in writing to calls by an artificial voice (47 CFR 64.1200(f)(9)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenConsent {
    evidence: String,
    given_at: Timestamp,
}

impl WrittenConsent {
    /// From a consent that was recorded at an instant; `None` where it is about something else, withdrawn, on another
    /// basis, or without evidence.
    #[must_use]
    pub fn of(consent: &Consent, given_at: Timestamp) -> Option<Self> {
        let covers = consent.purpose == Purpose::CallByAi
            && consent.state == ConsentState::Granted
            && consent.basis == LegalBasis::Consent
            && !consent.evidence.trim().is_empty();
        covers.then(|| Self { evidence: consent.evidence.clone(), given_at })
    }

    /// Where the proof is.
    #[must_use]
    pub fn evidence(&self) -> &str {
        &self.evidence
    }

    /// When it was given.
    #[must_use]
    pub const fn given_at(&self) -> Timestamp {
        self.given_at
    }
}

/// That a number may be called, by whom, and until when the call may begin.
///
/// One for an artificial voice is made of written consent, and of nothing else:
///
/// ```compile_fail
/// use leadscore_domain::calling::{Ai, CallPermit};
/// let permit = CallPermit { voice: Ai(todo!()), number: String::new(), until: todo!() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct CallPermit<By> {
    voice: By,
    number: String,
    until: Timestamp,
}

impl<By> CallPermit<By> {
    pub(super) fn new(voice: By, number: &str, until: Timestamp) -> Self {
        Self { voice, number: number.to_owned(), until }
    }

    /// The number, in E.164.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The call begins before this instant, or needs another permit.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }
}

impl CallPermit<Ai> {
    /// The consent that it stands on.
    #[must_use]
    pub const fn consent(&self) -> &WrittenConsent {
        &self.voice.0
    }
}
