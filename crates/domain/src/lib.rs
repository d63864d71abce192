//! The words of the product as types: leads, events, identities, outcomes, consent, market, scores.
//!
//! Owns: names, shapes, limits and validation of everything that crosses a boundary.
//! Invariant: a value that exists is valid; what came from outside is raw until it was validated.
//! Deliberately absent: I/O, SQL, HTTP, async, the system clock.

pub mod attribute;
pub mod calling;
pub mod clock;
pub mod consent;
pub mod event;
pub mod explanation;
pub mod id;
pub mod identity;
pub mod invalid;
pub mod limits;
pub mod market;
pub mod prediction;
pub mod protected;
pub mod score;
pub mod time;
pub mod webhook;

pub use attribute::{AttributeName, AttributeValue, Attributes};
pub use clock::{Clock, ManualClock};
pub use consent::{Consent, ConsentState, LegalBasis, Limit, LimitState, Obstacle, ProcessingLimit, Purpose};
pub use event::{Event, EventBody, EventEnvelope, EventKind, PendingEvent};
pub use explanation::{
    Action, Evidence, Explanation, Group, Influence, Intent, IntentKind, IntentProbabilities, NextStep, Play, Reason,
    Reasons, RetentionPlay, Urgency,
};
pub use id::{EventId, LeadId};
pub use identity::{Identity, IdentityKind, RawIdentity, Region};
pub use invalid::Invalid;
pub use market::MarketSnapshot;
pub use prediction::{ChurnRisk, ContactWindow, QualityClass, RetentionStrategy, StageForecast, StageProbabilities};
pub use score::{Approach, Breakdown, Grade, Score};
pub use time::Timestamp;
