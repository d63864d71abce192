//! `POST /api/v1/api-keys`: a key for a program.

use std::sync::Arc;

use axum::{Extension, Json as Answer, extract::State, http::StatusCode};
use leadscore_domain::Timestamp;
use leadscore_store::{Scopes, audit::Object};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    audit::Touched,
    json::Json,
    problem::{Code, Problem},
    rest::{api_key::ApiKey, unavailable},
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Scopes,
    /// When it ends; never, where it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeApiKey {
    /// The key, for `Authorization: Bearer`; it is shown only here.
    #[schema(example = "lsk_3f6c…")]
    key: String,
    #[serde(flatten)]
    record: ApiKey,
}

/// Make an API key
///
/// The answer holds the key, which cannot be shown again: it is kept as a hash.
#[utoipa::path(
    post,
    path = "/api/v1/api-keys",
    tag = "access",
    request_body(content = NewApiKey, example = json!({"name": "website", "scopes": ["leads:read"]})),
    responses((
        status = 201,
        description = "The key",
        body = MadeApiKey,
        example = json!({
            "key": "lsk_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "name": "website",
            "scopes": ["leads:read"],
            "created_at": "2026-03-01T10:00:00Z",
            "expires_at": null
        })
    ))
)]
pub async fn create_api_key(
    State(api): State<Arc<Api>>,
    Json(NewApiKey { name, scopes, expires_at }): Json<NewApiKey>,
) -> Result<(StatusCode, Extension<Touched>, Answer<MadeApiKey>), Problem> {
    if expires_at.is_some_and(|at| at <= api.clock.now()) {
        return Err(Problem::new(Code::InvalidField, "The instant has passed.")
            .field("expires_at")
            .remedy("send a later instant, or leave it out"));
    }
    if let Some(longest) = api.access.api_key_us
        && expires_at.is_none_or(|at| at.since(api.clock.now()) > longest)
    {
        let last = api.clock.now().plus_micros(longest);
        return Err(Problem::new(Code::InvalidField, "The key would last longer than keys may.")
            .field("expires_at")
            .remedy(format!("send an instant up to {last}")));
    }
    let (key, record) = api.store.create_api_key(&name, scopes, expires_at).await.map_err(unavailable)?;
    let touched = Touched::from_iter([Object::ApiKey(record.id)]);
    Ok((StatusCode::CREATED, Extension(touched), Answer(MadeApiKey { key, record: record.into() })))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use leadscore_domain::time::{DAY_US, SECOND_US};
    use serde_json::{Value, json};

    use crate::{
        AccessOptions,
        testing::{NOBODY, TestApp},
    };

    const PATH: &str = "/api/v1/api-keys";

    #[tokio::test]
    async fn a_key_may_have_to_end() {
        let access = AccessOptions { api_key_us: Some(30 * DAY_US), ..AccessOptions::default() };
        let app = TestApp::new().await.with_access(access);
        for (expires_at, status) in
            [(Value::Null, 422), (json!("2026-03-31T10:00:01Z"), 422), (json!("2026-03-31T10:00:00Z"), 201)]
        {
            let body = json!({"name": "website", "scopes": ["leads:read"], "expires_at": expires_at});
            let reply = app.post("/api/v1/api-keys", &body).await;
            assert_eq!(reply.status, status, "{expires_at}: {reply:?}");
            assert!(status == 201 || reply.json()["remedy"].as_str().unwrap().contains("2026-03-31"), "{reply:?}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_makes_no_key() {
        let app = TestApp::new().await;
        let before = app.get(PATH).await.json();
        for (body, field) in [
            (json!({"scopes": ["leads:read"]}), "name"),
            (json!({"name": "x"}), "scopes"),
            (json!({"name": " ", "scopes": ["leads:read"]}), "name"),
            (json!({"name": "x".repeat(129), "scopes": ["leads:read"]}), "name"),
            (json!({"name": "x", "scopes": ["owner"]}), "scopes[0]"),
            (json!({"name": "x", "scopes": ["leads:read"], "expires_at": "2026-03-01T10:00:00Z"}), "expires_at"),
            (json!({"name": "x", "scopes": ["leads:read"], "colour": 1}), "colour"),
        ] {
            let reply = app.post(PATH, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
        }
        assert_eq!(app.get(PATH).await.json(), before);
    }

    #[tokio::test]
    async fn a_key_is_made_shown_once_used_and_revoked() {
        let mut app = TestApp::new().await;
        app.clock.advance_micros(SECOND_US);
        let made = app.post(PATH, &json!({"name": "website", "scopes": ["jobs:write"], "expires_at": null})).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let made = made.json();
        let listed = app.get(PATH).await.json()["api_keys"][0].clone();
        assert_eq!(
            (&listed["id"], &listed["name"], &listed["scopes"]),
            (&made["id"], &json!("website"), &json!(["jobs:write"]))
        );
        assert_eq!(listed.get("key"), None);

        let admin = std::mem::replace(&mut app.token, made["key"].as_str().unwrap().to_owned());
        assert_eq!(app.get("/api/v1/jobs").await.status, StatusCode::OK);
        assert_eq!(app.get(PATH).await.code(), "forbidden");

        app.token = admin;
        let revoke = async |id: &str| {
            app.send(app.request(Method::DELETE, &format!("{PATH}/{id}")).body(Body::empty()).unwrap()).await
        };
        let id = made["id"].as_str().unwrap();
        assert_eq!(revoke(id).await.status, StatusCode::NO_CONTENT);
        for gone in [id, NOBODY, "7"] {
            assert_eq!(revoke(gone).await.code(), "api-key-not-found", "{gone}");
        }
    }
}
