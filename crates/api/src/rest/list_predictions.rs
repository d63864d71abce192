//! `GET /api/v1/predictions`: how predictions fared against what came afterwards, week by week.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    query::Parameters,
    rest::{performance::Week, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidQueryParameter];

/// Predictions that met their outcomes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Predictions {
    /// Weeks of each model's predictions, the latest first; at most 1,000.
    weeks: Vec<Week>,
}

/// Predictions and their outcomes
///
/// Of each week, each lead's first prediction counts, against a win within 30 days of it; a week is measured once these
/// are over for all of its predictions. Each with its calibration by tenths.
#[utoipa::path(
    get,
    path = "/api/v1/predictions",
    tag = "models",
    params(("model_version" = Option<String>, Query, description = "Only this model's")),
    responses((
        status = 200,
        description = "The weeks",
        body = Predictions,
        example = json!({"weeks": [{
            "model_version": "v1",
            "period_start": "2026-01-05T00:00:00Z",
            "n": 1_200,
            "positives": 84,
            "accuracy": 0.93,
            "precision": 0.78,
            "recall": 0.6,
            "f1": 0.68,
            "log_loss": 0.19,
            "auc": 0.86,
            "ece": 0.014,
            "test_date": "2026-02-12T03:00:00Z",
            "calibration": [{"decile": 1, "n": 120, "probability": 0.004, "share": 0.008}]
        }]})
    ))
)]
pub async fn list_predictions(
    State(api): State<Arc<Api>>,
    mut query: Parameters,
) -> Result<Json<Predictions>, Problem> {
    let model_version: Option<String> = query.take("model_version", "send the name of a version, such as v3")?;
    query.end()?;
    let periods = api.store.periods(model_version.as_deref()).await.map_err(unavailable)?;
    Ok(Json(Predictions { weeks: periods.into_iter().map(Week::from).collect() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{TestApp, week};

    #[tokio::test]
    async fn weeks_of_all_models_or_of_one_are_listed() {
        let app = TestApp::new().await;
        assert_eq!(app.get("/api/v1/predictions").await.json(), json!({"weeks": []}));
        for (model_version, day) in [("v1", 5), ("v2", 5), ("scorecard", 12)] {
            app.state.store.record_period(week(model_version, day)).await.unwrap();
        }
        let count = async |query: &str| {
            let page = app.get(&format!("/api/v1/predictions{query}")).await.json();
            page["weeks"].as_array().unwrap().len()
        };
        assert_eq!((count("").await, count("?model_version=v2").await, count("?model_version=v9").await), (3, 1, 0));
        let week = app.get("/api/v1/predictions?model_version=v1").await.json()["weeks"][0].clone();
        assert_eq!((&week["calibration"][0]["share"], &week["auc"]), (&json!(0.01), &json!(null)));
    }
}
