//! `POST /api/v1/leads/batch-score`: many leads scored now, by any model version.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use axum::{
    Extension, Json as Answer,
    extract::{FromRequest as _, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use leadscore_domain::{LeadId, Score, Timestamp};
use leadscore_engine::{
    features::LeadState,
    score::{Scorer, Withheld},
};
use leadscore_store::{Principal, StoreError, StoredState, audit::Object};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::task::JoinError;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    auth::{bearer::Sender, sight},
    coding,
    json::Json,
    problem::{Code, Problem},
    rest::{
        answers::{Prediction, rounded},
        batch_stream, models, unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::ModelNotFound, Code::Internal];

/// States that are read from the store at once, while those before are scored.
const CHUNK: usize = 500;

/// Which leads to score, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The leads.
    #[schema(value_type = Vec<Uuid>, max_items = 10_000)]
    lead_ids: Vec<LeadId>,
    /// Whether to answer with predictions too.
    #[serde(default = "yes")]
    #[schema(default = true)]
    include_predictions: bool,
    /// The model version; the one in service where it is left out.
    #[serde(default)]
    #[schema(example = "v3")]
    model_version: Option<String>,
}

/// How leads are to be scored: the first line of a request of lines, where it is an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    #[serde(default = "yes")]
    pub(super) include_predictions: bool,
    #[serde(default)]
    pub(super) model_version: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { include_predictions: true, model_version: None }
    }
}

fn yes() -> bool {
    true
}

/// The scores.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResponse {
    /// Scores in the order of the request, without the leads that are named in `errors`.
    scores: Vec<BatchScore>,
    /// Leads that have no score, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BatchError>,
    /// Time that the server took.
    processing_time_ms: u64,
    /// Leads that were scored: the length of `scores`.
    total_processed: usize,
}

/// Score of one lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchScore {
    /// The lead, as it was asked for.
    lead_id: Uuid,
    /// Percentile of the probability in the model's reference population.
    #[schema(minimum = 0, maximum = 100)]
    score: u8,
    /// 1 − width of the 90 % interval of the probability, 2 decimals.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    /// What is to be expected, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    predictions: Option<Prediction>,
}

/// A lead without a score.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchError {
    /// The lead, as it was asked for.
    lead_id: Uuid,
    /// The stable word for a program.
    #[schema(example = "profiling-consent-missing")]
    code: &'static str,
    /// What is wrong.
    #[schema(example = "The lead has not allowed profiling")]
    detail: &'static str,
}

/// Why nothing was scored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many leads.
    #[error("{asked} leads are too many")]
    TooMany {
        /// Leads asked for.
        asked: usize,
        /// Leads allowed.
        max: usize,
    },
    /// The request is wrong.
    #[error("the request was refused")]
    Refused(Problem),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] models::Error),
    /// The calculation broke.
    #[error(transparent)]
    Broken(#[from] JoinError),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::TooMany { asked, max } => Self::new(Code::InvalidField, format!("has {asked} entries"))
                .field("lead_ids")
                .remedy(format!("send at most {max}")),
            Error::Refused(problem) => problem,
            Error::Model(error) => error.into(),
            Error::Broken(_) => Self::new(Code::Internal, "The calculation met a defect."),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Score many leads
///
/// Calculates the scores now, from the leads' present states, by the model in service or any other version. Nothing
/// is stored. Leads that cannot be scored are named in `errors`.
///
/// For more than 10,000 leads, up to 1,000,000, send `application/x-ndjson`: each line a lead id in quotes; before
/// them, where needed, one line with an object of `include_predictions` and `model_version`. The answer is a line for
/// each lead, its score or its error, and a last one with `total_processed`, `total_errors` and `processing_time_ms`:
/// without that it is not complete.
#[utoipa::path(
    post,
    path = "/api/v1/leads/batch-score",
    tag = "scores",
    request_body(content(
        (BatchRequest = "application/json", example = json!({
            "lead_ids": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
            "include_predictions": true
        })),
        (String = "application/x-ndjson", example = "\"0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e\"\n")
    )),
    responses((
        status = 200,
        description = "The scores",
        content(
            (BatchResponse = "application/json", example = json!({
                "scores": [{
                    "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                    "score": 87,
                    "confidence": 0.92,
                    "predictions": {
                        "conversion_probability": 0.73,
                        "optimal_contact_time": "2026-03-02T15:00:00Z",
                        "recommended_approach": "premium_property_focus"
                    }
                }],
                "processing_time_ms": 4,
                "total_processed": 1
            })),
            (String = "application/x-ndjson")
        )
    ))
)]
pub async fn batch_score(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    request: Request,
) -> Result<Response, Error> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(batch_stream::MEDIA_TYPE) {
        coding::refuse(request.headers()).map_err(Error::Refused)?;
        return batch_stream::answer(api, principal, request.into_body()).await;
    }
    let Json(request) = Json::<BatchRequest>::from_request(request, &api).await?;
    let touched: Touched = request.lead_ids.iter().map(|lead| Object::Lead(*lead)).collect();
    Ok((Extension(touched), Answer(at_once(api, &principal, request).await?)).into_response())
}

async fn at_once(api: Arc<Api>, principal: &Principal, request: BatchRequest) -> Result<BatchResponse, Error> {
    let started = Instant::now();
    let BatchRequest { lead_ids, include_predictions, model_version } = request;
    let (asked, max) = (lead_ids.len(), api.limits.batch_max);
    if asked > max {
        return Err(Error::TooMany { asked, max });
    }
    let _permit = api.batch_permits.acquire().await.expect("the semaphore is never closed");
    let loader = Arc::clone(&api);
    let scorer = tokio::task::spawn_blocking(move || models::scorer(&loader, model_version.as_deref())).await??;
    let at = api.clock.now();
    let mut scores = Vec::with_capacity(asked);
    let mut errors = Vec::new();
    let mut chunks = lead_ids.chunks(CHUNK);
    let mut ahead = read_next(&api, principal, &mut chunks).await?;
    while let Some((chunk, known)) = ahead {
        let scorer = Arc::clone(&scorer);
        let scored = tokio::task::spawn_blocking(move || known.score(&chunk, &scorer, at));
        // Meanwhile.
        ahead = read_next(&api, principal, &mut chunks).await?;
        for (id, result) in scored.await? {
            match result {
                Ok(score) => scores.push(BatchScore::new(id, &score, include_predictions)),
                Err(code) => errors.push(BatchError::new(id, code)),
            }
        }
    }
    let processing_time_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(BatchResponse { total_processed: scores.len(), scores, errors, processing_time_ms })
}

async fn read_next(
    api: &Api,
    principal: &Principal,
    chunks: &mut std::slice::Chunks<'_, LeadId>,
) -> Result<Option<(Vec<LeadId>, Known)>, Problem> {
    let Some(chunk) = chunks.next() else { return Ok(None) };
    Ok(Some((chunk.to_vec(), Known::read(api, principal, chunk).await?)))
}

impl BatchScore {
    pub(super) fn new(asked: LeadId, score: &Score, include_predictions: bool) -> Self {
        Self {
            lead_id: asked.0,
            score: score.score,
            confidence: rounded(score.confidence, 2),
            predictions: include_predictions.then(|| score.into()),
        }
    }
}

impl BatchError {
    pub(super) fn new(asked: LeadId, code: Code) -> Self {
        Self { lead_id: asked.0, code: code.as_str(), detail: code.title() }
    }
}

/// What the store knows of some leads.
pub(super) struct Known {
    states: HashMap<LeadId, StoredState>,
    /// Leads that were merged, and into which.
    absorbed: HashMap<LeadId, LeadId>,
    /// Leads that exist and have no state yet.
    waiting: HashSet<LeadId>,
    /// Leads that the sender sees; `None` for all.
    seen: Option<HashSet<LeadId>>,
}

impl Known {
    pub(super) async fn read(api: &Api, principal: &Principal, ids: &[LeadId]) -> Result<Self, Problem> {
        let seen = sight::among(api, principal, ids).await?;
        Self::of(api, ids, seen).await.map_err(unavailable)
    }

    async fn of(api: &Api, ids: &[LeadId], seen: Option<HashSet<LeadId>>) -> Result<Self, StoreError> {
        let mut states = api.store.states(ids).await?;
        let missing: Vec<LeadId> = ids.iter().copied().filter(|id| !states.contains_key(id)).collect();
        let (mut absorbed, mut waiting) = (HashMap::new(), HashSet::new());
        if !missing.is_empty() {
            absorbed = api.store.absorbed(&missing).await?;
            let survivors: Vec<LeadId> = absorbed.values().copied().collect();
            states.extend(api.store.states(&survivors).await?);
            waiting = api.store.existing(&missing).await?;
        }
        Ok(Self { states, absorbed, waiting, seen })
    }

    pub(super) fn score(&self, ids: &[LeadId], scorer: &Scorer, at: Timestamp) -> Vec<(LeadId, Result<Score, Code>)> {
        ids.par_iter().map(|id| (*id, self.score_one(*id, scorer, at))).collect()
    }

    fn score_one(&self, asked: LeadId, scorer: &Scorer, at: Timestamp) -> Result<Score, Code> {
        if self.seen.as_ref().is_some_and(|seen| !seen.contains(&asked)) {
            return Err(Code::LeadNotFound);
        }
        let id = self.absorbed.get(&asked).copied().unwrap_or(asked);
        let Some(stored) = self.states.get(&id) else {
            let exists = id != asked || self.waiting.contains(&id);
            return Err(if exists { Code::ScorePending } else { Code::LeadNotFound });
        };
        // A state of an older format is about to be rebuilt from the log.
        let state = LeadState::from_bytes(&stored.bytes).map_err(|_| Code::ScorePending)?;
        scorer.score(id, &state, at, stored.log_position).map_err(|withheld| match withheld {
            Withheld::Obstacle(obstacle) => obstacle.into(),
            Withheld::Empty => Code::ScorePending,
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::{NOBODY, TestApp, scorecard};

    const PATH: &str = "/api/v1/leads/batch-score";

    #[tokio::test]
    async fn wrong_requests_are_refused() {
        let app = TestApp::new().await;
        let many: Vec<&str> = vec![NOBODY; 10_001];
        for (request, code, field) in [
            (json!({}), "invalid-field", "lead_ids"),
            (json!({"lead_ids": many}), "invalid-field", "lead_ids"),
            (json!({"lead_ids": [NOBODY, "ann"]}), "invalid-field", "lead_ids[1]"),
            (json!({"lead_ids": [], "include_prediction": true}), "invalid-field", "include_prediction"),
            (json!({"lead_ids": [], "model_version": "v2.1"}), "model-not-found", "model_version"),
            (json!({"lead_ids": [], "model_version": "../master.key"}), "model-not-found", "model_version"),
        ] {
            let reply = app.post(PATH, &request).await;
            assert_eq!(reply.code(), code, "{request}");
            assert_eq!(reply.json()["field"], field, "{request}");
        }
        let problem = app.post(PATH, &json!({"lead_ids": [], "model_version": "v9"})).await.json();
        assert_eq!(problem["detail"], "There is no model v9; there are: scorecard.");
    }

    #[tokio::test]
    async fn leads_without_a_score_are_named_with_the_reason() {
        let app = TestApp::new().await;
        let silent = app.lead_with(&json!({"identities": [{"kind": "crm", "value": "silent"}]})).await;
        let scored = app.lead("scored").await;
        app.derive(|_| None).await;
        let fresh = app.lead("fresh").await;
        let request = json!({"lead_ids": [silent, scored, fresh, NOBODY], "include_predictions": false});
        let answer = app.post(PATH, &request).await.json();
        assert_eq!(answer["total_processed"], 1);
        let score = answer["scores"][0].as_object().unwrap();
        assert_eq!(score["lead_id"], json!(scored));
        assert_eq!(score.keys().collect::<Vec<_>>(), ["confidence", "lead_id", "score"]);
        let errors: Vec<_> =
            answer["errors"].as_array().unwrap().iter().map(|e| (e["lead_id"].clone(), e["code"].clone())).collect();
        assert_eq!(
            errors,
            [
                (json!(silent), json!("profiling-consent-missing")),
                (json!(fresh), json!("score-pending")),
                (json!(NOBODY), json!("lead-not-found")),
            ]
        );
    }

    #[tokio::test]
    async fn scores_come_in_the_order_of_the_request() {
        let app = TestApp::new().await;
        let (one, two, gone) = (app.lead("one").await, app.lead("two").await, app.lead("gone").await);
        app.merge(one, gone).await;
        app.derive(|_| None).await;
        let reply = app.post(PATH, &json!({"lead_ids": [two, one, two, gone], "model_version": "scorecard"})).await;
        assert_eq!(reply.status, StatusCode::OK);
        let answer = reply.json();
        let ids: Vec<_> = answer["scores"].as_array().unwrap().iter().map(|score| score["lead_id"].clone()).collect();
        assert_eq!(ids, [json!(two), json!(one), json!(two), json!(gone)]);
        assert_eq!(answer["scores"][1]["score"], answer["scores"][3]["score"]);
        assert_eq!(answer.get("errors"), None);
        assert!(answer["processing_time_ms"].is_u64());
        let predictions = answer["scores"][0]["predictions"].as_object().unwrap();
        assert_eq!(
            predictions.keys().collect::<Vec<_>>(),
            ["conversion_probability", "optimal_contact_time", "recommended_approach"]
        );
        let empty = app.post(PATH, &json!({"lead_ids": []})).await.json();
        assert_eq!((&empty["scores"], &empty["total_processed"]), (&json!([]), &json!(0)));
    }

    #[tokio::test]
    async fn a_damaged_model_is_not_served() {
        let app = TestApp::new().await;
        let files = std::collections::BTreeMap::from([("manifest.json".to_owned(), b"{}".to_vec())]);
        let version = app.state.registry.put(&files).unwrap();
        assert_eq!(app.post(PATH, &json!({"lead_ids": [], "model_version": version})).await.code(), "internal");
        app.scorer.send(Arc::new(scorecard(&version))).unwrap();
        let reply = app.post(PATH, &json!({"lead_ids": [], "model_version": version})).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
}
