//! What is foreseen of a lead besides its probability of conversion.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, event::Stage};

/// Band of the conversion probability, relative to that of the average lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QualityClass {
    /// Below three times the average lead: leave it to mail and automation until it shows more.
    Cold,
    /// From three times the average lead: call this week.
    Warm,
    /// From six times the average lead: call today.
    Hot,
}

impl QualityClass {
    /// Every class, coldest first.
    pub const ALL: [Self; 3] = [Self::Cold, Self::Warm, Self::Hot];
}

/// How probable each stage is some time ahead; stages in the order of [`Stage::ALL`]; adds up to 1.
pub type StageProbabilities = [f64; Stage::ALL.len()];

/// Where a lead stands and where it is going.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageForecast {
    /// The stage now: the CRM's, unless what happened since says more.
    pub now: Stage,
    /// Where the lead stands 30 days later; `None` where there is nothing to foresee it from.
    pub in_30_days: Option<StageProbabilities>,
}

/// How likely a lead is to be lost without a deal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChurnRisk {
    /// Probability that the lead falls silent or ends elsewhere within 30 days, 0 to 1.
    pub risk: f64,
    /// What to do about it.
    pub strategy: RetentionStrategy,
}

/// How to keep a lead: a play for those that may fall silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RetentionStrategy {
    /// Nothing beyond what is done already.
    KeepPace,
    /// Answer what the lead asked, at once.
    AnswerNow,
    /// Another person calls, and makes good for the last conversation.
    RepairConversation,
    /// Fix a new date for the showing that did not take place.
    RebookShowing,
    /// Talk about financing before homes.
    SolveFinancing,
    /// Fresh listings below the price that was objected to.
    AdjustPrice,
    /// Fewer contacts, a date agreed for the next.
    SlowDown,
    /// Stop calling; try a message or an e-mail.
    ChangeChannel,
    /// New listings that fit the latest search.
    FreshListings,
    /// A personal word after a silence: what is new in the lead's market.
    CheckIn,
}

/// A stretch of lawful hours and how likely the lead answers a call in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContactWindow {
    /// First instant.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub start_at: Timestamp,
    /// Where it ends.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub end_at: Timestamp,
    /// Probability that a call in it is answered, 0 to 1.
    pub probability: f64,
}
