//! What the product answers: a lead's score and what goes with it.

use serde::{Deserialize, Serialize};

use crate::{LeadId, Timestamp};

/// A lead's score at an instant, by one model, at one position of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Whose.
    pub lead_id: LeadId,
    /// Percentile of the probability in the model's reference population, 0 to 100.
    pub score: u8,
    /// The score in four bands.
    pub grade: Grade,
    /// 1 − width of the 90 % interval of the probability, 0 to 1.
    pub confidence: f64,
    /// Calibrated probability of conversion within 30 days, 0 to 1.
    pub probability: f64,
    /// Lower end of the 90 % interval.
    pub lower: f64,
    /// Upper end of the 90 % interval.
    pub upper: f64,
    /// Where the score comes from.
    pub breakdown: Breakdown,
    /// Start of the next lawful hour in which the lead most likely answers.
    pub optimal_contact_time: Option<Timestamp>,
    /// What to do, from the playbook.
    pub recommended_approach: Approach,
    /// The model, such as `v3`.
    pub model_version: String,
    /// Hash of the feature schema, hexadecimal.
    pub schema_hash: String,
    /// Hash of what the model read of the lead, hexadecimal; empty for a score that was calculated before hashes were.
    #[serde(default)]
    pub features_hash: String,
    /// Last position of the log that the score has seen.
    pub log_position: i64,
    /// When it was calculated.
    pub calculated_at: Timestamp,
    /// When it should be calculated anew though nothing happened.
    pub expires_at: Timestamp,
}

/// Groups of attributions, each placed in the reference population: 0 to 100, 50 is the middle lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    /// What the lead does: searches, visits, showings, calls.
    pub behavioral: u8,
    /// How the lead responds: answers, replies, opens, sentiment.
    pub engagement: u8,
    /// How the wishes fit the market, and the lead's own attributes.
    pub market_fit: u8,
    /// Recency, pace, season.
    pub timing: u8,
}

/// Band of the score: A from 90, B from 70, C from 40, D below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Grade {
    /// 90 to 100.
    A,
    /// 70 to 89.
    B,
    /// 40 to 69.
    C,
    /// 0 to 39.
    D,
}

impl From<u8> for Grade {
    fn from(score: u8) -> Self {
        match score {
            90.. => Self::A,
            70..=89 => Self::B,
            40..=69 => Self::C,
            0..=39 => Self::D,
        }
    }
}

/// A play of the playbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Approach {
    /// Listings at the upper end of the market.
    PremiumPropertyFocus,
    /// Explain the steps of a first purchase.
    FirstTimeBuyerGuidance,
    /// Pre-approval and monthly cost.
    FinancingHelp,
    /// What the market does, and when to act.
    MarketTiming,
    /// Book a viewing now.
    OfferShowing,
    /// A valuation of the lead's own home.
    SellerValuation,
    /// Rental listings and terms.
    RentalMatch,
    /// Win back a lead that went silent.
    Reactivation,
    /// Learn what the lead wants.
    Discovery,
    /// Yields, cash flow and homes that are let.
    InvestmentAnalysis,
    /// Help with an offer that the lead is ready to make.
    OfferSupport,
    /// Make up for a contact that went badly.
    TrustRepair,
    /// Homes and areas that cost less, where the price was the objection.
    BudgetAlternatives,
    /// Stay in touch with a lead whose time has not come.
    Nurturing,
}
