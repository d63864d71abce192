//! `GET /api/v1/models/{version}`: what a model was trained on, how it did, and for whom.

use std::sync::Arc;

use axum::{Json, extract::State};
use leadscore_engine::models::{card::CARD_JSON, manifest::MANIFEST_FILE};
use leadscore_store::Registry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    problem::Code,
    rest::model::{Error, ModelVersion, VersionPath, reading, version},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::ModelNotFound];

/// A version of the model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownModel {
    #[serde(flatten)]
    version: ModelVersion,
    /// When it was trained.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    created_at: Option<Value>,
    /// What it was trained on: examples, leads, and their times.
    #[schema(value_type = Option<Object>, required)]
    data: Option<Value>,
    /// Figures on examples that its members were not fitted on.
    #[schema(value_type = Option<Object>, required)]
    metrics: Option<Value>,
    /// Its card: intended use, limits, members, tests, slices, features; `null` where it has none.
    #[schema(value_type = Option<Object>, required)]
    card: Option<Value>,
}

/// What is shown of a manifest.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    created_at: Option<Value>,
    data: Option<Value>,
    metrics: Option<Value>,
}

/// Show a model
///
/// Its card and its figures, as `docs/BUNDLE.md` describes them.
#[utoipa::path(
    get,
    path = "/api/v1/models/{version}",
    tag = "models",
    params(("version" = String, Path, description = "The version", example = "v1")),
    responses((
        status = 200,
        description = "The model",
        body = ShownModel,
        example = json!({
            "version": "v1",
            "champion": true,
            "promoted_at": "2026-03-01T10:30:00Z",
            "reason": "better on the spring leads",
            "created_at": "2026-03-01T10:00:00Z",
            "data": {"examples": 12_000, "leads": 3_000, "won_leads": 240},
            "metrics": {"n": 2_400, "auc": 0.83, "ece": 0.012},
            "card": {"intended_use": "ranking leads"}
        })
    ))
)]
pub async fn show_model(
    State(api): State<Arc<Api>>,
    VersionPath(asked): VersionPath,
) -> Result<Json<ShownModel>, Error> {
    let version = version(&api, &asked).await?;
    let read =
        move |registry: &Registry| Ok((registry.file(&asked, MANIFEST_FILE)?, registry.file(&asked, CARD_JSON)?));
    let (manifest, card) = reading(&api, read).await?;
    let damaged = |source| Error::Damaged { version: version.version.clone(), source };
    let manifest: Option<Manifest> =
        manifest.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(damaged)?;
    let card = card.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(damaged)?;
    let Manifest { created_at, data, metrics } = manifest.unwrap_or_default();
    Ok(Json(ShownModel { version, created_at, data, metrics, card }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use leadscore_store::{Role, Scope};
    use serde_json::{Value, json};

    use crate::testing::TestApp;

    #[tokio::test]
    async fn who_names_no_version_is_told_which_there_are() {
        let app = TestApp::new().await;
        app.model();
        for path in ["v2", "v01", "..", "%2e%2e%2fv1", "champion", "%ff"] {
            let reply = app.get(&format!("/api/v1/models/{path}")).await;
            assert_eq!(reply.code(), "model-not-found", "{path}");
        }
        let detail = app.get("/api/v1/models/v2").await.json()["detail"].clone();
        assert!(detail.as_str().unwrap().contains("there are: v1"), "{detail}");
        for path in ["v2/performance", "%ff/performance"] {
            assert_eq!(app.get(&format!("/api/v1/models/{path}")).await.code(), "model-not-found", "{path}");
        }
    }

    #[tokio::test]
    async fn a_model_is_shown_with_its_card_and_without_one() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/models/{}", app.model());
        let shown = app.get(&path).await.json();
        assert_eq!(
            json!([shown["version"], shown["champion"], shown["metrics"]["auc"], shown["card"]["intended_use"]]),
            json!(["v1", false, 0.8, "ranking leads"])
        );
        let bare = BTreeMap::from([("trees.json".to_owned(), b"{}".to_vec())]);
        let bare = app.state.registry.put(&bare).unwrap();
        let shown = app.get(&format!("/api/v1/models/{bare}")).await.json();
        assert_eq!(json!([shown["metrics"], shown["card"]]), json!([Value::Null, Value::Null]));
        let damaged = BTreeMap::from([("card.json".to_owned(), b"{".to_vec())]);
        let damaged = app.state.registry.put(&damaged).unwrap();
        assert_eq!(app.get(&format!("/api/v1/models/{damaged}")).await.code(), "internal");
    }

    #[tokio::test]
    async fn agents_see_no_models() {
        let mut app = TestApp::new().await;
        let path = format!("/api/v1/models/{}", app.model());
        app.token = app.log_in(&app.user("agent@example.com", Role::Agent, None).await).await;
        for path in [&path, "/api/v1/models", "/api/v1/predictions"] {
            assert_eq!(app.get(path).await.code(), "forbidden", "{path}");
        }
        app.token = app.key(Scope::ModelsRead).await;
        assert_eq!(app.get(&path).await.status, 200);
    }
}
