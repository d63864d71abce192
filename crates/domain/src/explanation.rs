//! Why a score is what it is, what the lead is after, and what the agent could do next.
//!
//! Owns: the shapes in which explanations are stored and sent. Invariant: a reason and a next step speak of what went
//! together in past leads, never of a cause, unless an experiment says so. Deliberately absent: how they are found.

use serde::{Deserialize, Serialize};

use crate::{Approach, RetentionStrategy, Timestamp};

/// Longest text of a reason, a next step or a talking point, in characters.
pub const TEXT_MAX_CHARS: usize = 90;
/// Most reasons either way.
pub const REASONS_MAX: usize = 5;
/// Most next steps.
pub const NEXT_STEPS_MAX: usize = 6;

/// Part of a score's breakdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What the lead does: searches, visits, showings.
    Behavioral,
    /// How the lead responds: answers, replies, opens, sentiment.
    Engagement,
    /// How the wishes fit the market, and the lead's own attributes.
    MarketFit,
    /// Recency, pace, season.
    Timing,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 4] = [Self::Behavioral, Self::Engagement, Self::MarketFit, Self::Timing];

    /// The word used in JSON and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behavioral => "behavioral",
            Self::Engagement => "engagement",
            Self::MarketFit => "market_fit",
            Self::Timing => "timing",
        }
    }
}

/// Everything that goes with a score besides its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// What raises and lowers the score.
    pub reasons: Reasons,
    /// What the lead is after.
    pub intent: Intent,
    /// What to do, and what to say.
    pub play: Play,
    /// Single actions of the agent, the most promising first; at most [`NEXT_STEPS_MAX`].
    pub next_steps: Vec<NextStep>,
}

/// The strongest reasons either way, in log-odds. `up`, `down` and `rest` add up to the model's log-odds less those of
/// the average lead.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reasons {
    /// What raises the score, the strongest first; at most [`REASONS_MAX`].
    pub up: Vec<Reason>,
    /// What lowers the score, the strongest first; at most [`REASONS_MAX`].
    pub down: Vec<Reason>,
    /// What everything else adds, in log-odds.
    pub rest: f64,
}

/// Why a score is higher or lower than the average lead's. An association in past leads, not a cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reason {
    /// The columns of the model that it stands for, the strongest first.
    pub columns: Vec<String>,
    /// The part of the breakdown to which most of it belongs.
    pub group: Group,
    /// What these columns add, in log-odds; never 0.
    pub contribution: f64,
    /// Its sign.
    pub influence: Influence,
    /// In plain words with the values; at most [`TEXT_MAX_CHARS`] characters.
    pub text: String,
}

/// Which way a reason moves the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Influence {
    /// Leads like this were won more often.
    Raises,
    /// Leads like this were won less often.
    Lowers,
}

/// What a lead is after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Intent {
    /// The most probable kind.
    pub kind: IntentKind,
    /// The probability of each kind; they add up to 1.
    pub probabilities: IntentProbabilities,
    /// How soon.
    pub urgency: Urgency,
}

/// Kinds of leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IntentKind {
    /// Wants a home to live in.
    Buyer,
    /// Wants to sell a home.
    Seller,
    /// Wants to rent a home.
    Renter,
    /// Wants a home to let or to resell.
    Investor,
    /// Looks without a plan.
    Browsing,
}

impl IntentKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Buyer, Self::Seller, Self::Renter, Self::Investor, Self::Browsing];
}

/// A probability for each [`IntentKind`], 0 to 1; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "each is described at IntentKind")]
pub struct IntentProbabilities {
    pub buyer: f64,
    pub seller: f64,
    pub renter: f64,
    pub investor: f64,
    pub browsing: f64,
}

/// How soon a lead wants to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Within days.
    Now,
    /// Within about three months.
    Weeks,
    /// Later than that.
    Months,
    /// No time is known, or none is planned.
    None,
}

/// A play of the playbook with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Play {
    /// Which one.
    pub approach: Approach,
    /// What to do, in one line.
    pub summary: String,
    /// What to say: two or three short lines.
    pub talking_points: Vec<String>,
}

/// How to keep a lead, with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPlay {
    /// Which strategy.
    pub strategy: RetentionStrategy,
    /// What to do, in one line.
    pub summary: String,
    /// What to say: two or three short lines.
    pub talking_points: Vec<String>,
}

/// One action of the agent and what the model makes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NextStep {
    /// What kind of action.
    pub action: Action,
    /// In plain words; at most [`TEXT_MAX_CHARS`] characters.
    pub text: String,
    /// When to do it, where a moment is better than others; otherwise now.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub best_at: Option<Timestamp>,
    /// Probability of conversion without it, 0 to 1.
    pub probability_now: f64,
    /// Expected probability of conversion after it, 0 to 1: over success and failure.
    pub probability_after: f64,
    /// `probability_after` − `probability_now`; above 0.
    pub gain: f64,
    /// How likely the action succeeds (the call is answered, the showing kept), 0 to 1.
    pub success_probability: f64,
    /// What the gain stands on.
    pub evidence: Evidence,
    /// The same in a sentence.
    pub caveat: String,
}

/// What an agent can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Call in the next good hour.
    Call,
    /// Answer an enquiry that waits.
    FollowUp,
    /// Make up for a conversation that went badly.
    RepairCall,
    /// Send listings in the lead's range.
    SendListings,
    /// Offer a showing.
    OfferShowing,
    /// Send a valuation of the lead's home.
    SendValuation,
    /// Help with financing.
    FinancingHelp,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 7] = [
        Self::Call,
        Self::FollowUp,
        Self::RepairCall,
        Self::SendListings,
        Self::OfferShowing,
        Self::SendValuation,
        Self::FinancingHelp,
    ];
}

/// What an expected gain stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Evidence {
    /// It went together in past leads; that the action causes it is not shown.
    Association,
    /// A randomised experiment backs it.
    Experiment {
        /// Which one.
        id: String,
    },
}

impl Evidence {
    /// What to tell the agent.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Association => "Seen together in past leads; not proven to cause it.".to_owned(),
            Self::Experiment { id } => format!("Backed by experiment {id}."),
        }
    }
}

impl IntentProbabilities {
    /// From one probability for each of [`IntentKind::ALL`], in that order.
    #[must_use]
    pub const fn from_array(values: [f64; 5]) -> Self {
        let [buyer, seller, renter, investor, browsing] = values;
        Self { buyer, seller, renter, investor, browsing }
    }

    /// The probability of a kind.
    #[must_use]
    pub const fn of(&self, kind: IntentKind) -> f64 {
        match kind {
            IntentKind::Buyer => self.buyer,
            IntentKind::Seller => self.seller,
            IntentKind::Renter => self.renter,
            IntentKind::Investor => self.investor,
            IntentKind::Browsing => self.browsing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_reads_back_and_says_what_it_stands_on() {
        let step = NextStep {
            action: Action::OfferShowing,
            text: "Offer a showing".to_owned(),
            best_at: None,
            probability_now: 0.1,
            probability_after: 0.15,
            gain: 0.05,
            success_probability: 0.4,
            evidence: Evidence::Experiment { id: "e7".to_owned() },
            caveat: Evidence::Experiment { id: "e7".to_owned() }.sentence(),
        };
        let explanation = Explanation {
            reasons: Reasons::default(),
            intent: Intent {
                kind: IntentKind::Seller,
                probabilities: IntentProbabilities::from_array([0.1, 0.6, 0.1, 0.1, 0.1]),
                urgency: Urgency::Weeks,
            },
            play: Play { approach: Approach::Discovery, summary: "Ask".to_owned(), talking_points: Vec::new() },
            next_steps: vec![step],
        };
        let json = serde_json::to_string(&explanation).unwrap();
        assert!(json.contains(r#""evidence":{"kind":"experiment","id":"e7"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Explanation>(&json).unwrap(), explanation);
        assert_eq!(explanation.intent.probabilities.of(IntentKind::Seller), 0.6);
    }

    #[test]
    fn the_word_of_a_group_is_its_word_in_json() {
        for group in Group::ALL {
            assert_eq!(serde_json::to_value(group).unwrap(), group.as_str());
        }
    }

    #[test]
    fn an_association_never_sounds_like_a_cause() {
        assert!(Evidence::Association.sentence().contains("not proven"));
    }
}
