//! `GET /api/v1/leads/{lead_id}/scores`: how a lead's score came to be what it is.

use std::{str::FromStr, sync::Arc};

use axum::{Json, extract::State};
use leadscore_domain::{Grade, Score, Timestamp};
use leadscore_store::Principal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    query::Parameters,
    rest::{
        LeadPath,
        answers::{Breakdown, Prediction, rounded},
        show_score::latest,
        unavailable,
    },
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
    Code::InvalidQueryParameter,
];

/// Scores of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// A page of a lead's scores.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreHistory {
    /// Whose. Where the lead was merged into another, that one.
    lead_id: Uuid,
    /// The newest first.
    scores: Vec<PastScore>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A score as it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct PastScore {
    /// Percentile of the probability in the model's reference population.
    #[schema(minimum = 0, maximum = 100)]
    score: u8,
    /// The score in four bands.
    grade: Grade,
    /// 1 − width of the 90 % interval of the probability, 2 decimals.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    /// The 90 % interval of the probability.
    interval: Interval,
    /// Where the score came from.
    breakdown: Breakdown,
    /// What was to be expected, and what to do.
    prediction: Prediction,
    /// The model that made it; left out for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    model_version: Option<String>,
    /// Last position of the log that it had seen.
    log_position: i64,
    /// When it was calculated.
    #[schema(value_type = String, format = DateTime)]
    calculated_at: Timestamp,
}

/// An interval of a probability, 4 decimals.
#[derive(Debug, Serialize, ToSchema)]
pub struct Interval {
    /// Its lower end.
    #[schema(minimum = 0, maximum = 1)]
    lower: f64,
    /// Its upper end.
    #[schema(minimum = 0, maximum = 1)]
    upper: f64,
}

impl PastScore {
    /// As somebody is shown it.
    pub fn new(score: &Score, principal: &Principal) -> Self {
        Self {
            score: score.score,
            grade: score.grade,
            confidence: rounded(score.confidence, 2),
            interval: Interval { lower: rounded(score.lower, 4), upper: rounded(score.upper, 4) },
            breakdown: score.into(),
            prediction: score.into(),
            model_version: principal.sees_internals().then(|| score.model_version.clone()),
            log_position: score.log_position,
            calculated_at: score.calculated_at,
        }
    }
}

/// Where the next page begins: after the score of this instant and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub Timestamp, pub i64);

impl Cursor {
    /// That of the page after this score.
    pub fn after(score: &Score) -> String {
        format!("{}.{}", score.calculated_at.as_micros(), score.log_position)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, position) = text.split_once('.').ok_or(())?;
        let at = micros.parse().ok().and_then(Timestamp::from_micros).ok_or(())?;
        Ok(Self(at, position.parse().map_err(|_| ())?))
    }
}

/// Score history of a lead
///
/// Every score that the lead had, the newest first, page by page. With `as_of` the first one is that which held at
/// that instant. A lead that has no score now, because there is no basis for profiling it, shows no earlier ones.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/scores",
    tag = "scores",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "Scores of the page, 1 to 500; 50 unless you say otherwise"),
        ("as_of" = Option<String>, Query, format = DateTime, description = "Leave out what was calculated after this instant (RFC 3339)"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]+\\.[0-9]+$", description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = ScoreHistory,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "scores": [{
                "score": 87,
                "grade": "B",
                "confidence": 0.92,
                "interval": {"lower": 0.69, "upper": 0.77},
                "breakdown": {"behavioral": 82, "engagement": 91, "market_fit": 88, "timing": 85},
                "prediction": {
                    "conversion_probability": 0.73,
                    "optimal_contact_time": "2026-03-02T15:00:00Z",
                    "recommended_approach": "premium_property_focus"
                },
                "model_version": "v3",
                "log_position": 1,
                "calculated_at": "2026-03-01T10:30:00Z"
            }],
            "next": "1772361000000000.1"
        })
    ))
)]
pub async fn list_scores(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
    mut query: Parameters,
) -> Result<Json<ScoreHistory>, Problem> {
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    let as_of = query.take("as_of", "send an instant as RFC 3339, such as 2026-03-01T10:30:00Z")?;
    let cursor = query.take("cursor", "send `next` of the page before as it was")?;
    query.end()?;
    let before = before(as_of, cursor);
    let lead = latest(&api, asked).await?.lead_id;
    let mut stored = api.store.score_history(lead, before, limit + 1).await.map_err(unavailable)?;
    let more = stored.len() > limit;
    stored.truncate(limit);
    let next = stored.last().filter(|_| more).map(|last| Cursor::after(&last.score));
    let scores = stored.iter().map(|one| PastScore::new(&one.score, &principal)).collect();
    Ok(Json(ScoreHistory { lead_id: lead.0, scores, next }))
}

/// Before what the scores of a page lie: of those that held at an instant, after a cursor.
pub fn before(as_of: Option<Timestamp>, cursor: Option<Cursor>) -> Option<(Timestamp, i64)> {
    // Whatever position a score of the instant itself has, it held then.
    match (as_of, cursor) {
        (Some(as_of), Some(Cursor(at, _))) if as_of < at => Some((as_of, i64::MAX)),
        (_, Some(Cursor(at, position))) => Some((at, position)),
        (as_of, None) => as_of.map(|as_of| (as_of, i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{LeadId, Obstacle, Score, time::HOUR_US};
    use leadscore_store::Change;
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp, score};

    /// A lead with a score an hour, the last one first: 90, 89, 88 …
    async fn scored(app: &TestApp, hours: u8) -> LeadId {
        let lead = app.lead("ann").await;
        for hour in (0..hours).rev() {
            let at = score(lead).calculated_at.plus_micros(-i64::from(hour) * HOUR_US);
            app.derive(|id| Some(Score { score: 90 - hour, calculated_at: at, ..score(id) })).await;
        }
        lead
    }

    fn scores(page: &Value) -> Vec<u64> {
        page["scores"].as_array().unwrap().iter().map(|score| score["score"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let app = TestApp::new().await;
        let lead = scored(&app, 1).await;
        for (query, code, field) in [
            ("limit=0", "invalid-query-parameter", "limit"),
            ("limit=501", "invalid-query-parameter", "limit"),
            ("limit=ten", "invalid-query-parameter", "limit"),
            ("as_of=yesterday", "invalid-query-parameter", "as_of"),
            ("cursor=1", "invalid-query-parameter", "cursor"),
            ("cursor=99999999999999999.1", "invalid-query-parameter", "cursor"),
            ("page=2", "unknown-query-parameter", "page"),
        ] {
            let reply = app.get(&format!("/api/v1/leads/{lead}/scores?{query}")).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), (code, &json!(field)), "{query}");
        }
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}/scores")).await.code(), "lead-not-found");
        assert_eq!(app.get("/api/v1/leads/7/scores").await.code(), "invalid-lead-id");
    }

    #[tokio::test]
    async fn pages_follow_one_another_without_gaps_and_end() {
        let app = TestApp::new().await;
        let lead = scored(&app, 5).await;
        let path = format!("/api/v1/leads/{lead}/scores?limit=2");
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}{next}")).await.json();
            seen.extend(scores(&page));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(seen, [90, 89, 88, 87, 86]);
    }

    #[tokio::test]
    async fn an_earlier_instant_shows_what_held_then() {
        let app = TestApp::new().await;
        let lead = scored(&app, 4).await;
        let path = format!("/api/v1/leads/{lead}/scores");
        for (as_of, held) in [
            ("2026-03-01T10:30:00Z", &[90, 89, 88, 87][..]),
            ("2026-03-01T10:29:59.999999Z", &[89, 88, 87]),
            ("2026-03-01T09:30:00Z", &[89, 88, 87]),
            ("2026-03-01T01:00:00Z", &[]),
        ] {
            assert_eq!(scores(&app.get(&format!("{path}?as_of={as_of}")).await.json()), held, "{as_of}");
        }
        let reply = app.get(&format!("{path}?as_of=2026-03-01T09:30:00Z&limit=1")).await.json();
        let cursor = reply["next"].as_str().unwrap();
        let rest = app.get(&format!("{path}?as_of=2026-03-01T09:30:00Z&cursor={cursor}")).await.json();
        assert_eq!(scores(&rest), [88, 87]);
    }

    #[tokio::test]
    async fn who_may_not_be_profiled_shows_no_earlier_scores() {
        let app = TestApp::new().await;
        let lead = scored(&app, 2).await;
        app.state.cache.publish(vec![Change::Withheld {
            lead_id: lead,
            log_position: 2,
            obstacle: Obstacle::NoConsent,
        }]);
        let reply = app.get(&format!("/api/v1/leads/{lead}/scores")).await;
        assert_eq!(reply.code(), "profiling-consent-missing");
    }

    #[tokio::test]
    async fn a_merged_lead_shows_its_survivors() {
        let app = TestApp::new().await;
        let (survivor, absorbed) = (app.lead("one").await, app.lead("two").await);
        app.merge(survivor, absorbed).await;
        app.derive(|id| (id == survivor).then(|| score(id))).await;
        let page = app.get(&format!("/api/v1/leads/{absorbed}/scores")).await.json();
        assert_eq!((&page["lead_id"], scores(&page)), (&json!(survivor), vec![87]));
    }
}
