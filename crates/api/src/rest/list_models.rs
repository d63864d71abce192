//! `GET /api/v1/models`: which models there are.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::Code,
    rest::model::{Error, ModelVersion, versions},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// The models.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// Every version, the newest first.
    models: Vec<ModelVersion>,
}

/// List models
///
/// Every version that was trained, and which one scores. While none does, scores come from the points scorecard.
#[utoipa::path(
    get,
    path = "/api/v1/models",
    tag = "models",
    responses((
        status = 200,
        description = "The versions",
        body = ModelList,
        example = json!({"models": [{
            "version": "v1",
            "champion": true,
            "promoted_at": "2026-03-01T10:30:00Z",
            "reason": "better on the spring leads"
        }]})
    ))
)]
pub async fn list_models(State(api): State<Arc<Api>>) -> Result<Json<ModelList>, Error> {
    Ok(Json(ModelList { models: versions(&api).await? }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::TestApp;

    #[tokio::test]
    async fn versions_are_listed_and_the_one_that_scores_is_marked() {
        let app = TestApp::new().await;
        assert_eq!(app.get("/api/v1/models").await.json(), json!({"models": []}));
        let (first, second) = (app.model(), app.model());
        app.state.registry.set_alias("champion", &second, "better").unwrap();
        app.state.registry.rollback("champion").unwrap_err();
        app.state.registry.set_alias("champion", &first, "safer").unwrap();
        let at = app.state.clock.now();
        assert_eq!(
            app.get("/api/v1/models").await.json()["models"],
            json!([
                {"version": second, "champion": false, "promoted_at": at, "reason": "better"},
                {"version": first, "champion": true, "promoted_at": at, "reason": "safer"},
            ])
        );
    }
}
