//! `GET /api/v1/leads/{lead_id}/explanation`: why a lead stands where it does, what is foreseen, and what to do.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use leadscore_domain::{
    ContactWindow, Explanation, Grade, Group, Influence, Intent, LeadId, NextStep, Play, QualityClass,
    RetentionStrategy, Score, Timestamp, event::Stage as DomainStage,
};
use leadscore_engine::{
    features::LeadState,
    score::{Explained, Withheld},
};
use leadscore_store::{LogRecord, visible};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    query::Parameters,
    rest::{
        LeadPath,
        answers::rounded,
        models,
        show_score::{Error, latest},
        unavailable,
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[
    Code::InvalidLeadId,
    Code::LeadNotFound,
    Code::ProfilingConsentMissing,
    Code::ProcessingRestricted,
    Code::ProfilingObjected,
    Code::ScorePending,
    Code::ScoreNotFound,
    Code::ModelNotFound,
    Code::InvalidQueryParameter,
];

/// A lead, explained.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeadExplanation {
    /// Whose: where the lead was merged, of the one it belongs to.
    lead_id: Uuid,
    /// Percentile of the probability in the model's reference population.
    #[schema(minimum = 0, maximum = 100, example = 87)]
    score: u8,
    /// The score in four bands.
    grade: Grade,
    /// Calibrated probability of conversion within 30 days, 4 decimals.
    #[schema(minimum = 0, maximum = 1, example = 0.73)]
    conversion_probability: f64,
    /// The 90 % interval of the probability: lower and upper end, 4 decimals.
    #[schema(example = json!([0.66, 0.79]))]
    interval: [f64; 2],
    /// Hot, warm or cold.
    quality_class: QualityClass,
    /// Where the lead stands and where it goes.
    stage: StageOutlook,
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
    /// The model that says so; left out for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "v3")]
    model_version: Option<String>,
    /// As of when.
    #[schema(value_type = String, format = DateTime)]
    calculated_at: Timestamp,
    /// With `as_of`: whether the model reads today what it read then, to the bit. It does not where events are no longer
    /// kept, or the market is known better by now; `score` and its figures are those of then all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reproduced: Option<bool>,
}

/// A lead's stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct StageOutlook {
    /// The stage now: the CRM's, unless what happened since says more.
    #[schema(value_type = schema::Stage)]
    now: DomainStage,
    /// Probability of each stage in 30 days, 4 decimals; `null` where there is nothing to foresee it from.
    #[schema(example = json!({"engaged": 0.41, "qualified": 0.22}))]
    in_30_days: Option<BTreeMap<String, f64>>,
}

/// A lead's risk of being lost.
#[derive(Debug, Serialize, ToSchema)]
pub struct Churn {
    /// Probability that the lead falls silent or ends elsewhere within 30 days, 4 decimals.
    #[schema(minimum = 0, maximum = 1)]
    risk: f64,
    /// How to keep it.
    retention_strategy: RetentionStrategy,
}

/// The strongest reasons either way. With their shares of the log-odds, `up`, `down` and `rest` add up to the model's
/// log-odds less those of the average lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reasons {
    /// What raises the score, the strongest first.
    up: Vec<Reason>,
    /// What lowers the score, the strongest first.
    down: Vec<Reason>,
    /// What everything else adds, in log-odds; left out for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rest: Option<f64>,
}

/// Why a score is higher or lower than the average lead's. An association in past leads, not a cause.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reason {
    /// The columns of the model that it stands for, the strongest first; left out for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    columns: Option<Vec<String>>,
    /// What these columns add, in log-odds, never 0; left out for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    contribution: Option<f64>,
    /// The part of the breakdown to which most of it belongs.
    group: Group,
    /// Which way it moves the score.
    influence: Influence,
    /// In plain words with the values; at most 90 characters.
    text: String,
}

impl Reasons {
    fn new(reasons: leadscore_domain::Reasons, internals: bool) -> Self {
        let leadscore_domain::Reasons { up, down, rest } = reasons;
        let shown = |reasons: Vec<leadscore_domain::Reason>| {
            reasons.into_iter().map(|reason| Reason::new(reason, internals)).collect()
        };
        Self { up: shown(up), down: shown(down), rest: internals.then_some(rest) }
    }
}

impl Reason {
    fn new(reason: leadscore_domain::Reason, internals: bool) -> Self {
        let leadscore_domain::Reason { columns, group, contribution, influence, text } = reason;
        Self {
            columns: internals.then_some(columns),
            contribution: internals.then_some(contribution),
            group,
            influence,
            text,
        }
    }
}

impl LeadExplanation {
    fn new(explained: Explained, internals: bool) -> Self {
        let Explained { score, explanation, predictions } = explained;
        let Explanation { reasons, intent, play, next_steps } = explanation;
        let by_name = |probabilities: [f64; DomainStage::ALL.len()]| {
            let names = DomainStage::ALL.iter().map(|stage| stage.as_str().to_owned());
            names.zip(probabilities.map(|probability| rounded(probability, 4))).collect()
        };
        Self {
            lead_id: score.lead_id.0,
            score: score.score,
            grade: score.grade,
            conversion_probability: rounded(score.probability, 4),
            interval: [rounded(score.lower, 4), rounded(score.upper, 4)],
            quality_class: predictions.class,
            stage: StageOutlook { now: predictions.stage.now, in_30_days: predictions.stage.in_30_days.map(by_name) },
            churn: predictions
                .churn
                .map(|churn| Churn { risk: rounded(churn.risk, 4), retention_strategy: churn.strategy }),
            contact_windows: predictions.contact.windows.to_vec(),
            reasons: Reasons::new(reasons, internals),
            intent,
            play,
            next_steps,
            model_version: internals.then_some(score.model_version),
            calculated_at: score.calculated_at,
            reproduced: None,
        }
    }
}

/// Explanation of a lead
///
/// Everything that goes with a score, as of now: reasons with their shares of the log-odds, stage, churn risk, intent,
/// contact windows, what to do and what to say, and what single action the model expects most of. Reasons and next
/// steps are associations in past leads, not causes, unless an experiment says so.
///
/// With `as_of` the score that the lead had at that instant is explained, by the model that gave it and from what was known
/// then.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/explanation",
    tag = "scores",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("as_of" = Option<String>, Query, format = DateTime, description = "Explain the score that the lead had at this instant (RFC 3339)")
    ),
    responses((
        status = 200,
        description = "The explanation",
        body = LeadExplanation,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "score": 87,
            "grade": "B",
            "conversion_probability": 0.73,
            "interval": [0.66, 0.79],
            "quality_class": "hot",
            "stage": {"now": "engaged", "in_30_days": {"engaged": 0.41, "qualified": 0.22, "won": 0.37}},
            "churn": {"risk": 0.12, "retention_strategy": "fresh_listings"},
            "contact_windows": [
                {"start_at": "2026-03-02T15:00:00Z", "end_at": "2026-03-02T17:00:00Z", "probability": 0.41}
            ],
            "reasons": {
                "up": [{
                    "columns": ["viewing_asked"],
                    "group": "engagement",
                    "contribution": 0.84,
                    "influence": "raises",
                    "text": "Asked for a viewing in the call 2 hours ago"
                }],
                "down": [{
                    "columns": ["unanswered_run"],
                    "group": "timing",
                    "contribution": -0.21,
                    "influence": "lowers",
                    "text": "No reply to our last 4 contacts"
                }],
                "rest": 0.05
            },
            "intent": {
                "kind": "buyer",
                "probabilities": {
                    "buyer": 0.81, "seller": 0.06, "renter": 0.04, "investor": 0.05, "browsing": 0.04
                },
                "urgency": "weeks"
            },
            "play": {
                "approach": "offer_showing",
                "summary": "Book a viewing now",
                "talking_points": ["Offer two times", "Ask who else should come"]
            },
            "next_steps": [{
                "action": "offer_showing",
                "text": "Offer a showing",
                "best_at": null,
                "probability_now": 0.73,
                "probability_after": 0.76,
                "gain": 0.03,
                "success_probability": 0.4,
                "evidence": {"kind": "association"},
                "caveat": "Seen together in past leads; not proven to cause it."
            }],
            "model_version": "v3",
            "calculated_at": "2026-03-01T10:30:00Z"
        })
    ))
)]
pub async fn show_explanation(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let as_of = query.take("as_of", "send an instant as RFC 3339, such as 2026-03-01T10:30:00Z")?;
    query.end()?;
    let internals = principal.sees_internals();
    let explanation = match as_of {
        None => LeadExplanation::new(present(&api, asked).await?, internals),
        Some(as_of) => past(&api, asked, as_of, internals).await?,
    };
    Ok(Json(explanation).into_response())
}

async fn present(api: &Api, asked: LeadId) -> Result<Explained, Error> {
    let record = api.store.lead(asked).await?.ok_or(Error::Unknown)?;
    let id = record.merged_into.unwrap_or(asked);
    let stored = api.store.states(&[id]).await?.remove(&id).ok_or(Error::Pending)?;
    let state = LeadState::from_bytes(&stored.bytes)?;
    let scorer = Arc::clone(&api.scorer.borrow());
    match scorer.explain(id, &state, api.clock.now(), stored.log_position) {
        Ok(explained) => Ok(explained),
        Err(Withheld::Obstacle(obstacle)) => Err(Error::Withheld(obstacle)),
        Err(Withheld::Empty) => Err(Error::Pending),
    }
}

/// The explanation of the score that a lead had at an instant. Who must not be scored now is not explained either.
async fn past(api: &Arc<Api>, asked: LeadId, as_of: Timestamp, internals: bool) -> Result<LeadExplanation, Problem> {
    let lead = latest(api, asked).await?.lead_id;
    let history = api.store.score_history(lead, Some((as_of, i64::MAX)), 1).await.map_err(unavailable)?;
    let none = || Problem::new(Code::ScoreNotFound, "The lead had no score at that instant.");
    let score = history.into_iter().next().ok_or_else(none)?.score;
    let records = api.store.records_of(&[lead]).await.map_err(unavailable)?.remove(&lead).unwrap_or_default();
    let shared = Arc::clone(api);
    let explained = tokio::task::spawn_blocking(move || explain_again(&shared, score, &records));
    // A blocking task is never cancelled once it runs: what is left is a panic, which goes on where it belongs.
    let explained = explained.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    let (explained, reproduced) = explained.ok_or_else(none)?;
    Ok(LeadExplanation { reproduced: Some(reproduced), ..LeadExplanation::new(explained, internals) })
}

/// A score's explanation by its own model, from what of the records was known then, and whether the model reads the same;
/// `None` where too little of that is kept.
fn explain_again(api: &Api, score: Score, records: &[LogRecord]) -> Result<Option<(Explained, bool)>, models::Error> {
    let scorer = models::past_scorer(api, &score.model_version)?;
    let mut state = LeadState::default();
    for event in visible(records, score.lead_id, score.log_position, &[]) {
        state.apply(event);
    }
    let explained = scorer.explain(score.lead_id, &state, score.calculated_at, score.log_position);
    Ok(explained.ok().map(|explained| {
        let reproduced = explained.score.features_hash == score.features_hash;
        (Explained { score, ..explained }, reproduced)
    }))
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{Clock, time::HOUR_US};
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp, score};

    #[tokio::test]
    async fn who_is_unknown_unscored_or_unwilling_is_not_explained() {
        let app = TestApp::new().await;
        assert_eq!(app.get("/api/v1/leads/7/explanation").await.code(), "invalid-lead-id");
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}/explanation")).await.code(), "lead-not-found");
        let fresh = app.lead("fresh").await;
        assert_eq!(app.get(&format!("/api/v1/leads/{fresh}/explanation")).await.code(), "score-pending");
        let silent = app.lead_with(&json!({"identities": [{"kind": "crm", "value": "silent"}]})).await;
        app.derive(|_| None).await;
        assert_eq!(app.get(&format!("/api/v1/leads/{silent}/explanation")).await.code(), "profiling-consent-missing");
    }

    #[tokio::test]
    async fn an_earlier_score_is_explained_by_what_was_known_then() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let path = format!("/api/v1/leads/{lead}/explanation");
        let first = app.clock.now();
        let scored = async || {
            let records = app.state.store.records_of(&[lead]).await.unwrap().remove(&lead).unwrap();
            let mut state = super::LeadState::default();
            super::visible(&records, lead, i64::MAX, &[]).into_iter().for_each(|event| state.apply(event));
            let scorer = std::sync::Arc::clone(&app.state.scorer.borrow());
            let position = records.iter().map(|record| record.position).max().unwrap();
            let score = scorer.score(lead, &state, app.clock.now(), position).unwrap();
            app.derive(|id| (id == lead).then(|| score.clone())).await;
        };
        scored().await;
        app.clock.advance_micros(HOUR_US);
        let held = json!({
            "source": "crm", "source_event_id": "1", "lead": {"lead_id": lead}, "occurred_at": app.clock.now(),
            "type": "showing", "data": {"action": "held"}
        });
        app.post("/api/v1/events", &held).await;
        scored().await;
        let now = app.get(&path).await.json();
        let then = app.get(&format!("{path}?as_of={first}")).await.json();
        assert_eq!((&then["calculated_at"], &then["reproduced"]), (&json!(first), &json!(true)), "{then:#}");
        let mentions = |one: &serde_json::Value| one["reasons"]["up"].to_string().contains("showings_held");
        assert!(mentions(&now) && !mentions(&then), "{then:#}");
        assert!(now.get("reproduced").is_none());
        assert_eq!(app.get(&format!("{path}?as_of=2026-02-01T00:00:00Z")).await.code(), "score-not-found");
        assert_eq!(app.get(&format!("{path}?as_of=then")).await.code(), "invalid-query-parameter");
        // A model that is no longer there explains nothing.
        app.clock.advance_micros(HOUR_US);
        let at = app.clock.now();
        app.derive(|id| (id == lead).then(|| leadscore_domain::Score { calculated_at: at, ..score(id) })).await;
        assert_eq!(app.get(&format!("{path}?as_of={at}")).await.code(), "model-not-found");
    }

    #[tokio::test]
    async fn a_lead_is_explained_by_what_it_did() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let held = json!({
            "source": "crm",
            "source_event_id": "1",
            "lead": {"lead_id": lead},
            "occurred_at": app.clock.now(),
            "type": "showing",
            "data": {"action": "held"}
        });
        app.post("/api/v1/events", &held).await;
        app.derive(|_| None).await;
        let answer = app.get(&format!("/api/v1/leads/{lead}/explanation")).await.json();
        assert_eq!(answer["lead_id"], lead.to_string());
        let reasons = answer["reasons"]["up"].as_array().unwrap();
        assert!(reasons.iter().any(|one| one["columns"][0] == "showings_held"), "{answer:#}");
        assert!(reasons.iter().all(|one| one["contribution"].as_f64().unwrap() > 0.0));
        let [lower, upper] = [0, 1].map(|end| answer["interval"][end].as_f64().unwrap());
        let probability = answer["conversion_probability"].as_f64().unwrap();
        assert!(lower < probability && probability < upper);
        assert!(!answer["play"]["talking_points"].as_array().unwrap().is_empty());
        assert!(!answer["contact_windows"].as_array().unwrap().is_empty());
        assert_eq!(answer["model_version"], "scorecard");
    }
}
