//! Scores, and why there is none.

use async_graphql::{Enum, SimpleObject};
use leadscore_store::Principal;
use serde::Deserialize;

use super::scalar::DateTime;
use crate::{problem::Code, rest::answers::rounded, socket::Version};

/// A score as it was calculated.
#[derive(SimpleObject)]
pub struct Score {
    /// Percentile of the probability in the model's reference population, 0 to 100.
    score: u8,
    /// The score in four bands.
    grade: Grade,
    /// 1 − width of the 90 % interval of the probability, 2 decimals.
    confidence: f64,
    /// The 90 % interval of the probability.
    interval: Interval,
    /// Where the score comes from.
    breakdown: Breakdown,
    /// What is to be expected, and what to do.
    prediction: Prediction,
    /// The model that made it; `null` for agents.
    model_version: Option<String>,
    /// Which one of the lead's it is: what `scores` of the subscription tells it by, too.
    version: String,
    /// When it was calculated.
    calculated_at: DateTime,
}

/// An interval of a probability, 4 decimals.
#[derive(SimpleObject)]
pub struct Interval {
    /// Its lower end.
    lower: f64,
    /// Its upper end.
    upper: f64,
}

/// Parts of a score, each placed in the reference population, 0 to 100: 50 is the middle lead.
#[derive(SimpleObject, Deserialize)]
pub struct Breakdown {
    /// What the lead does: searches, visits, showings, calls.
    behavioral: u8,
    /// How the lead responds: answers, replies, opens, sentiment.
    engagement: u8,
    /// How the wishes fit the market, and the lead's own attributes.
    market_fit: u8,
    /// Recency, pace, season.
    timing: u8,
}

/// What is to be expected of a lead, and what to do.
#[derive(SimpleObject, Deserialize)]
pub struct Prediction {
    /// Calibrated probability of conversion within 30 days, 4 decimals.
    conversion_probability: f64,
    /// Start of the next lawful hour in which the lead most likely answers; `null` where there is none.
    optimal_contact_time: Option<DateTime>,
    /// What to do.
    recommended_approach: Approach,
}

/// A page of a lead's scores.
#[derive(SimpleObject)]
pub struct ScorePage {
    /// The newest first.
    pub scores: Vec<Score>,
    /// `after` of the next page; `null` on the last one.
    pub next: Option<String>,
}

/// A score that a person gave a lead in place of the model's, which stays as it is beside it.
#[derive(SimpleObject, Deserialize)]
pub struct ScoreOverride {
    /// 0 to 100.
    score: u8,
    /// Why; `null` for keys without the scope `leads:personal`.
    reason: Option<String>,
    /// When it was given.
    created_at: DateTime,
    /// Until when it holds; `null` until it is ended.
    expires_at: Option<DateTime>,
    /// When somebody ended or replaced it.
    ended_at: Option<DateTime>,
}

/// Why a lead has no score.
#[derive(SimpleObject)]
pub struct ScoreProblem {
    /// `score-pending`, `profiling-consent-missing`, `processing-restricted` or `profiling-objected`.
    code: &'static str,
    /// What is wrong.
    detail: &'static str,
    /// What can be done.
    remedy: &'static str,
}

/// The score in four bands: A from 90, B from 70, C from 40, D below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::Grade")]
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

/// What to do with a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[graphql(remote = "leadscore_domain::Approach")]
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

impl Score {
    /// As somebody is shown it.
    pub fn new(score: &leadscore_domain::Score, principal: &Principal) -> Self {
        let leadscore_domain::Breakdown { behavioral, engagement, market_fit, timing } = score.breakdown;
        Self {
            score: score.score,
            grade: score.grade.into(),
            confidence: rounded(score.confidence, 2),
            interval: Interval { lower: rounded(score.lower, 4), upper: rounded(score.upper, 4) },
            breakdown: Breakdown { behavioral, engagement, market_fit, timing },
            prediction: Prediction {
                conversion_probability: rounded(score.probability, 4),
                optimal_contact_time: score.optimal_contact_time.map(DateTime),
                recommended_approach: score.recommended_approach.into(),
            },
            model_version: principal.sees_internals().then(|| score.model_version.clone()),
            version: Version::of(score).to_string(),
            calculated_at: DateTime(score.calculated_at),
        }
    }
}

impl ScoreOverride {
    /// As somebody is shown it.
    pub fn new(one: &leadscore_store::ScoreOverride, principal: &Principal) -> Self {
        Self {
            score: one.score,
            reason: principal.sees_persons().then(|| one.reason.clone()),
            created_at: DateTime(one.created_at),
            expires_at: one.expires_at.map(DateTime),
            ended_at: one.ended_at.map(DateTime),
        }
    }
}

impl ScoreProblem {
    /// With what the code says of itself.
    pub const fn new(code: Code) -> Self {
        Self { code: code.as_str(), detail: code.title(), remedy: code.remedy() }
    }
}
