//! `GET /api/v1/leads/{lead_id}/score`: the latest score of a lead, from memory or Redis where it is there.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leadscore_domain::{LeadId, Obstacle, Score, Timestamp};
use leadscore_engine::{
    features::{LeadState, StateError},
    score::Withheld,
};
use leadscore_store::{Cached, Change, Reading, Seen, StoreError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{bearer::Sender, sight::unknown_lead},
    conditional::{IfNoneMatch, entity_tag},
    problem::{Code, Problem},
    rest::{
        LeadPath,
        answers::{Breakdown, Prediction, rounded},
        score_override::ScoreOverride,
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
];

/// Seconds after which a pending score may be asked for again: the scorer takes well under one.
const RETRY_AFTER_PENDING_S: u64 = 1;

/// A lead's score.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeadScore {
    /// Whose.
    lead_id: Uuid,
    /// Percentile of the probability in the model's reference population.
    #[schema(minimum = 0, maximum = 100, example = 87)]
    score: u8,
    /// 1 − width of the 90 % interval of the probability, 2 decimals.
    #[schema(minimum = 0, maximum = 1, example = 0.92)]
    confidence: f64,
    /// Where the score comes from.
    breakdown: Breakdown,
    /// What is to be expected, and what to do.
    prediction: Prediction,
    /// When it was calculated.
    #[schema(value_type = String, format = DateTime)]
    last_updated: Timestamp,
}

/// A lead's score, and where a person decided otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownScore {
    #[serde(flatten)]
    score: LeadScore,
    /// The score that a person gave the lead in place of the model's; left out where there is none.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    overridden: Option<ScoreOverride>,
}

impl From<&Score> for LeadScore {
    fn from(score: &Score) -> Self {
        Self {
            lead_id: score.lead_id.0,
            score: score.score,
            confidence: rounded(score.confidence, 2),
            breakdown: score.into(),
            prediction: score.into(),
            last_updated: score.calculated_at,
        }
    }
}

/// Why there is no score to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such lead.
    #[error("the lead is unknown")]
    Unknown,
    /// Scoring it is not allowed.
    #[error("profiling is not allowed")]
    Withheld(Obstacle),
    /// The scorer has not come to it yet.
    #[error("the score is pending")]
    Pending,
    /// The stored state is of another format, and about to be rebuilt.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown => unknown_lead(),
            Error::Withheld(obstacle) => Self::new(
                obstacle.into(),
                match obstacle {
                    Obstacle::NoConsent => "There is no lawful basis for profiling this lead, or it was withdrawn.",
                    Obstacle::Restricted => "The lead's data is kept and may not be used at present.",
                    Obstacle::Objected => "The person objects to being profiled.",
                },
            ),
            Error::Pending | Error::State(_) => {
                Self::new(Code::ScorePending, "The lead's events are received; its score is being calculated.")
                    .retry_after_s(RETRY_AFTER_PENDING_S)
            }
            Error::Store(error) => unavailable(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Score of a lead
///
/// The latest score. Where the lead was merged into another, the answer is the score of that lead, and
/// `Content-Location` names it. Who asks again with the `ETag` of the answer that they have is told by 304 that nothing
/// changed.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/score",
    tag = "scores",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of the answer that you have")
    ),
    responses((
        status = 304,
        description = "You have the latest score"
    ), (
        status = 200,
        description = "The score",
        body = ShownScore,
        headers(
            ("ETag" = String, description = "Changes with every new score"),
            ("Content-Location" = String, description = "Where the lead was merged: the address of the one it belongs to")
        ),
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "score": 87,
            "confidence": 0.92,
            "breakdown": {"behavioral": 82, "engagement": 91, "market_fit": 88, "timing": 85},
            "prediction": {
                "conversion_probability": 0.73,
                "optimal_contact_time": "2026-03-02T15:00:00Z",
                "recommended_approach": "premium_property_focus"
            },
            "last_updated": "2026-03-01T10:30:00Z",
            "override": {
                "score": 95,
                "reason": "called in person, buys this week",
                "set_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
                "created_at": "2026-03-01T10:30:00Z",
                "expires_at": "2026-03-08T10:30:00Z",
                "ended_at": null,
                "ended_by": null
            }
        })
    ))
)]
pub async fn show_score(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
    known: IfNoneMatch,
) -> Result<Response, Error> {
    let score = latest(&api, asked).await?;
    let overridden = present_override(&api, score.lead_id).await?;
    let tag = entity_tag(&score, overridden.as_ref().map(|one| one.id));
    let is_known = known.has(&tag);
    let mut headers = HeaderMap::from_iter([(header::ETAG, tag)]);
    if score.lead_id != asked {
        let address = HeaderValue::try_from(format!("/api/v1/leads/{}/score", score.lead_id));
        headers.insert(header::CONTENT_LOCATION, address.expect("a UUID is a header value"));
    }
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let overridden = overridden.map(|one| ScoreOverride::new(one, &principal));
    Ok((headers, Json(ShownScore { score: LeadScore::from(&*score), overridden })).into_response())
}

/// The override of a lead's score. Nearly no lead has one, which is known without asking.
async fn present_override(api: &Api, lead: LeadId) -> Result<Option<leadscore_store::ScoreOverride>, StoreError> {
    if !api.store.is_overridden(lead) {
        return Ok(None);
    }
    Ok(api.store.overrides_of(&[lead]).await?.pop())
}

/// The latest score of a lead, or of the one that it was merged into.
///
/// # Errors
/// Where there is none, or none may be shown.
pub async fn latest(api: &Api, asked: LeadId) -> Result<Arc<Score>, Error> {
    let known = match api.cache.get(asked) {
        Some(cached) => cached,
        None => match api.cache.read(asked).await {
            Seen::Known(cached) => cached,
            Seen::Unknown(reading) => return look_up(api, asked, reading).await,
        },
    };
    match known {
        Cached::Score(score) => Ok(score),
        Cached::Withheld { obstacle, .. } => Err(Error::Withheld(obstacle)),
    }
}

async fn look_up(api: &Api, asked: LeadId, reading: Reading) -> Result<Arc<Score>, Error> {
    let record = api.store.lead(asked).await?.ok_or(Error::Unknown)?;
    let id = record.merged_into.unwrap_or(asked);
    let Some(stored) = api.store.latest_score(id).await? else {
        return Err(why_not(api, id, reading).await?);
    };
    let score = Arc::new(stored.score);
    api.cache.fill(reading, Change::Score(Arc::clone(&score)));
    Ok(score)
}

/// Why a lead that exists has no score.
async fn why_not(api: &Api, id: LeadId, reading: Reading) -> Result<Error, Error> {
    let Some(stored) = api.store.states(&[id]).await?.remove(&id) else { return Ok(Error::Pending) };
    let state = LeadState::from_bytes(&stored.bytes)?;
    let scorer = Arc::clone(&api.scorer.borrow());
    match scorer.score(id, &state, api.clock.now(), stored.log_position) {
        Err(Withheld::Obstacle(obstacle)) => {
            api.cache.fill(reading, Change::Withheld { lead_id: id, log_position: stored.log_position, obstacle });
            Ok(Error::Withheld(obstacle))
        }
        // What is not committed is not shown.
        Ok(_) | Err(Withheld::Empty) => Ok(Error::Pending),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use leadscore_domain::{Obstacle, Score};
    use serde_json::json;

    use super::Change;
    use crate::testing::{NOBODY, TestApp, score};

    #[tokio::test]
    async fn who_is_unknown_unscored_or_unwilling_has_no_score() {
        let app = TestApp::new().await;
        assert_eq!(app.get("/api/v1/leads/7/score").await.code(), "invalid-lead-id");
        assert_eq!(app.get("/api/v1/leads/%FF/score").await.code(), "invalid-lead-id");
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}/score")).await.code(), "lead-not-found");

        let fresh = app.lead("fresh").await;
        let silent = app.lead_with(&json!({"identities": [{"kind": "crm", "value": "silent"}]})).await;
        let reply = app.get(&format!("/api/v1/leads/{fresh}/score")).await;
        assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("score-pending", "1"));

        app.derive(|_| None).await;
        assert_eq!(app.get(&format!("/api/v1/leads/{fresh}/score")).await.code(), "score-pending");
        for _ in 0..2 {
            let reply = app.get(&format!("/api/v1/leads/{silent}/score")).await;
            assert_eq!(reply.code(), "profiling-consent-missing");
            assert!(reply.json()["remedy"].as_str().unwrap().contains("`consent` event"), "{reply:?}");
        }
    }

    #[tokio::test]
    async fn a_withdrawal_hides_a_score_at_once() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        let path = format!("/api/v1/leads/{lead}/score");
        assert_eq!(app.get(&path).await.status, StatusCode::OK);
        app.state.cache.publish(vec![Change::Withheld {
            lead_id: lead,
            log_position: 2,
            obstacle: Obstacle::NoConsent,
        }]);
        assert_eq!(app.get(&path).await.code(), "profiling-consent-missing");
    }

    #[tokio::test]
    async fn the_answer_is_the_same_from_the_store_and_from_memory() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        assert!(app.state.cache.get(lead).is_none());
        let path = format!("/api/v1/leads/{lead}/score");
        let (cold, warm) = (app.get(&path).await, app.get(&path).await);
        assert!(app.state.cache.get(lead).is_some());
        assert_eq!((cold.status, &cold.body), (StatusCode::OK, &warm.body));
        let text = String::from_utf8(cold.body).unwrap().replace(&lead.to_string(), "LEAD");
        assert_eq!(
            text,
            concat!(
                r#"{"lead_id":"LEAD","score":87,"confidence":0.92,"#,
                r#""breakdown":{"behavioral":82,"engagement":91,"market_fit":88,"timing":85},"#,
                r#""prediction":{"conversion_probability":0.73,"optimal_contact_time":"2026-03-02T15:00:00Z","#,
                r#""recommended_approach":"premium_property_focus"},"last_updated":"2026-03-01T10:30:00Z"}"#
            )
        );
    }

    #[tokio::test]
    async fn a_merged_lead_has_the_score_of_its_survivor() {
        let app = TestApp::new().await;
        let (survivor, absorbed) = (app.lead("one").await, app.lead("two").await);
        app.merge(survivor, absorbed).await;
        app.derive(|id| (id == survivor).then(|| score(id))).await;
        let reply = app.get(&format!("/api/v1/leads/{absorbed}/score")).await;
        assert_eq!(reply.json()["lead_id"], survivor.to_string());
        assert_eq!(reply.header("content-location"), format!("/api/v1/leads/{survivor}/score"));
    }
    #[tokio::test]
    async fn who_has_the_latest_score_is_told_so_until_there_is_another() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        let path = format!("/api/v1/leads/{lead}/score");
        let first = app.get(&path).await;
        let ask = async |tag: &str| {
            let request = app.request(Method::GET, &path).header("if-none-match", tag);
            app.send(request.body(Body::empty()).unwrap()).await
        };
        let same = ask(first.header("etag")).await;
        assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(same.header("etag"), first.header("etag"));
        let newer = Score { calculated_at: score(lead).calculated_at.plus_micros(1), ..score(lead) };
        app.state.cache.publish(vec![Change::Score(Arc::new(Score { log_position: 2, ..newer }))]);
        let changed = ask(first.header("etag")).await;
        assert_eq!(changed.status, StatusCode::OK);
        assert_ne!(changed.header("etag"), first.header("etag"));
    }
}
