//! Why a lead stands where it does, what is foreseen, and what to do.

use async_graphql::{Enum, SimpleObject};
use leadscore_domain::{ContactWindow as Window, Explanation as Explains, NextStep as Step};
use leadscore_engine::score::Explained;

use super::{
    event::Stage,
    scalar::DateTime,
    score::{Approach, Grade},
};
use crate::rest::answers::rounded;

/// A lead, explained as of now. Reasons and next steps are associations in past leads, not causes, unless an experiment
/// says so.
#[derive(SimpleObject)]
pub struct Explanation {
    /// Percentile of the probability in the model's reference population, 0 to 100.
    score: u8,
    /// The score in four bands.
    grade: Grade,
    /// Calibrated probability of conversion within 30 days, 4 decimals.
    conversion_probability: f64,
    /// Hot, warm or cold.
    quality_class: QualityClass,
    /// The stage now: the CRM's, unless what happened since says more.
    stage: Stage,
    /// Whether it may be lost; `null` where there is nothing to lose or nothing to foresee it from.
    churn: Option<Churn>,
    /// When to call: lawful windows of the next seven days, best first.
    contact_windows: Vec<ContactWindow>,
    /// What raises and lowers the score.
    reasons: Reasons,
    /// What the lead is after.
    intent: Intent,
    /// What to do, and what to say.
    play: Play,
    /// Single actions of the agent, the most promising first.
    next_steps: Vec<NextStep>,
    /// The model that says so; `null` for agents.
    model_version: Option<String>,
    /// As of when.
    calculated_at: DateTime,
}

/// A lead's risk of being lost.
#[derive(SimpleObject)]
pub struct Churn {
    /// Probability that the lead falls silent or ends elsewhere within 30 days, 4 decimals.
    risk: f64,
    /// How to keep it, in a word.
    retention_strategy: String,
}

/// A time to call.
#[derive(SimpleObject)]
pub struct ContactWindow {
    /// From when on.
    start_at: DateTime,
    /// Until when.
    end_at: DateTime,
    /// Probability that the lead answers.
    probability: f64,
}

/// The strongest reasons either way.
#[derive(SimpleObject)]
pub struct Reasons {
    /// What raises the score, the strongest first.
    up: Vec<Reason>,
    /// What lowers the score, the strongest first.
    down: Vec<Reason>,
    /// What everything else adds, in log-odds; `null` for agents.
    rest: Option<f64>,
}

/// Why a score is higher or lower than the average lead's. An association in past leads, not a cause.
#[derive(SimpleObject)]
pub struct Reason {
    /// In plain words with the values; at most 90 characters.
    text: String,
    /// The part of the breakdown to which most of it belongs.
    group: Group,
    /// What it adds, in log-odds, never 0: above 0 it raises the score; `null` for agents.
    contribution: Option<f64>,
    /// The columns of the model that it stands for, the strongest first; `null` for agents.
    columns: Option<Vec<String>>,
}

/// What a lead is after.
#[derive(SimpleObject)]
pub struct Intent {
    /// The most probable kind.
    kind: IntentKind,
    /// Its probability.
    probability: f64,
    /// How soon.
    urgency: Urgency,
}

/// What to do, and what to say.
#[derive(SimpleObject)]
pub struct Play {
    /// Which play.
    approach: Approach,
    /// What to do, in one line.
    summary: String,
    /// What to say: two or three short lines.
    talking_points: Vec<String>,
}

/// An action of the agent.
#[derive(SimpleObject)]
pub struct NextStep {
    /// What kind.
    action: Action,
    /// In plain words; at most 90 characters.
    text: String,
    /// When to do it, where a moment is better than others; otherwise now.
    best_at: Option<DateTime>,
    /// Probability of conversion without it.
    probability_now: f64,
    /// Expected probability of conversion after it.
    probability_after: f64,
    /// How likely the action succeeds.
    success_probability: f64,
    /// What the gain stands on, in a sentence.
    caveat: String,
}

/// Hot, warm or cold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::QualityClass")]
pub enum QualityClass {
    /// Below three times the average lead.
    Cold,
    /// From three times the average lead: call this week.
    Warm,
    /// From six times the average lead: call today.
    Hot,
}

/// A part of the breakdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::Group")]
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

/// What a lead may be after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::IntentKind")]
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

/// How soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::Urgency")]
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

/// What an agent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::Action")]
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

impl Explanation {
    /// As somebody is shown it.
    pub fn new(explained: Explained, internals: bool) -> Self {
        let Explained { score, explanation, predictions } = explained;
        let Explains { reasons, intent, play, next_steps } = explanation;
        let reason = |reason: leadscore_domain::Reason| Reason::new(reason, internals);
        Self {
            score: score.score,
            grade: score.grade.into(),
            conversion_probability: rounded(score.probability, 4),
            quality_class: predictions.class.into(),
            stage: predictions.stage.now.into(),
            churn: predictions.churn.map(|churn| Churn {
                risk: rounded(churn.risk, 4),
                retention_strategy: super::event::word(&churn.strategy),
            }),
            contact_windows: predictions.contact.windows.iter().map(ContactWindow::from).collect(),
            reasons: Reasons {
                up: reasons.up.into_iter().map(reason).collect(),
                down: reasons.down.into_iter().map(reason).collect(),
                rest: internals.then_some(reasons.rest),
            },
            intent: Intent {
                kind: intent.kind.into(),
                probability: intent.probabilities.of(intent.kind),
                urgency: intent.urgency.into(),
            },
            play: Play { approach: play.approach.into(), summary: play.summary, talking_points: play.talking_points },
            next_steps: next_steps.into_iter().map(NextStep::from).collect(),
            model_version: internals.then_some(score.model_version),
            calculated_at: DateTime(score.calculated_at),
        }
    }
}

impl Reason {
    fn new(reason: leadscore_domain::Reason, internals: bool) -> Self {
        // Which way it moves the score, its text and its place say too.
        let leadscore_domain::Reason { columns, group, contribution, influence: _, text } = reason;
        Self {
            text,
            group: group.into(),
            contribution: internals.then_some(contribution),
            columns: internals.then_some(columns),
        }
    }
}

impl From<&Window> for ContactWindow {
    fn from(window: &Window) -> Self {
        Self { start_at: DateTime(window.start_at), end_at: DateTime(window.end_at), probability: window.probability }
    }
}

impl From<Step> for NextStep {
    fn from(step: Step) -> Self {
        let Step { action, text, best_at, probability_now, probability_after, success_probability, caveat, .. } = step;
        Self {
            action: action.into(),
            text,
            best_at: best_at.map(DateTime),
            probability_now,
            probability_after,
            success_probability,
            caveat,
        }
    }
}
