//! `GET /api/v1/models/{version}/performance`: how a model did before it scored, and since.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::Code,
    rest::{
        model::{Error, VersionPath, version},
        performance::{ModelTest, Week},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::ModelNotFound];

/// How a model did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Performance {
    /// The model.
    #[schema(example = "v3")]
    model_version: String,
    /// Tests on data that it had not seen, the newest first.
    tests: Vec<ModelTest>,
    /// Weeks of its predictions, the latest first.
    weeks: Vec<Week>,
}

/// Performance of a model
///
/// Its tests before it scored, and how its predictions fared week by week. A week is measured once the 30 days are over
/// for all of its predictions.
#[utoipa::path(
    get,
    path = "/api/v1/models/{version}/performance",
    tag = "models",
    params(("version" = String, Path, description = "The version", example = "v1")),
    responses((
        status = 200,
        description = "Its figures",
        body = Performance,
        example = json!({
            "model_version": "v1",
            "tests": [{
                "accuracy": 0.94,
                "precision": 0.81,
                "recall": 0.62,
                "f1": 0.70,
                "test_date": "2026-03-01T10:00:00Z"
            }],
            "weeks": [{
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
            }]
        })
    ))
)]
pub async fn show_model_performance(
    State(api): State<Arc<Api>>,
    VersionPath(asked): VersionPath,
) -> Result<Json<Performance>, Error> {
    let model_version = version(&api, &asked).await?.version;
    let tests = api.store.performance(&model_version).await?.into_iter().map(ModelTest::from).collect();
    let weeks = api.store.periods(Some(&model_version)).await?.into_iter().map(Week::from).collect();
    Ok(Json(Performance { model_version, tests, weeks }))
}

#[cfg(test)]
mod tests {
    use leadscore_store::ModelPerformance;
    use serde_json::json;

    use crate::testing::{TestApp, week};

    #[tokio::test]
    async fn a_model_has_its_own_tests_and_weeks() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/models/{}/performance", app.model());
        assert_eq!(app.get("/api/v1/models/v7/performance").await.code(), "model-not-found");
        assert_eq!(app.get(&path).await.json(), json!({"model_version": "v1", "tests": [], "weeks": []}));
        let test_date = app.state.clock.now();
        for model_version in ["v1", "v2"] {
            let model_version = model_version.to_owned();
            let test =
                ModelPerformance { model_version, accuracy: 0.9, precision: 0.8, recall: 0.7, f1: 0.75, test_date };
            app.state.store.record_performance(test).await.unwrap();
        }
        for (model_version, day) in [("v1", 5), ("v2", 5), ("v1", 12)] {
            app.state.store.record_period(week(model_version, day)).await.unwrap();
        }
        let shown = app.get(&path).await.json();
        assert_eq!(shown["tests"].as_array().unwrap().len(), 1);
        let weeks = shown["weeks"].as_array().unwrap();
        let of = |week: &serde_json::Value| [week["model_version"].clone(), week["period_start"].clone()];
        assert_eq!(
            weeks.iter().map(of).collect::<Vec<_>>(),
            [[json!("v1"), json!("2026-01-12T00:00:00Z")], [json!("v1"), json!("2026-01-05T00:00:00Z")]]
        );
    }
}
