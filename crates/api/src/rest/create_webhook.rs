//! `POST /api/v1/webhooks`: another system is told from now on.

use std::sync::Arc;

use axum::{Extension, Json as Answer, extract::State, http::StatusCode};
use leadscore_domain::webhook::{Direction, MessageType};
use leadscore_store::{EndpointSettings, audit::Object};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::Touched,
    json::Json,
    problem::{Code, Problem},
    rest::{
        unavailable,
        webhook::{WebhookWithSecret, permitted},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// An endpoint to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where it listens: https, a public address.
    #[schema(max_length = 2_048)]
    url: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 512)]
    description: String,
    /// What it is told; not `test`, which needs no subscription.
    #[schema(min_items = 1, max_items = 4)]
    event_types: Vec<MessageType>,
    /// The score whose crossing it is told of; with `score.threshold_crossed`, and only with it.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    threshold: Option<u8>,
    /// Which crossings; `rising` where it is left out.
    #[serde(default)]
    direction: Option<Direction>,
    /// Days without an event after which a lead is silent; the server's number where it is left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 365)]
    silent_days: Option<u16>,
}

/// Make a webhook
///
/// From now on the endpoint is told, by signed requests as Standard Webhooks describes them. The answer holds the secret
/// that signs, which cannot be shown again.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    request_body(content = NewWebhook, example = json!({
        "url": "https://hooks.example.com/leadscore",
        "description": "hot leads for the dialler",
        "event_types": ["score.threshold_crossed", "lead.silent"],
        "threshold": 80,
        "direction": "rising"
    })),
    responses((
        status = 201,
        description = "The endpoint and its secret",
        body = WebhookWithSecret,
        example = json!({
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "url": "https://hooks.example.com/leadscore",
            "description": "hot leads for the dialler",
            "event_types": ["score.threshold_crossed", "lead.silent"],
            "threshold": 80,
            "direction": "rising",
            "silent_days": null,
            "enabled": true,
            "disabled_reason": null,
            "disabled_at": null,
            "failing_since": null,
            "previous_secret_until": null,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:00Z"
        })
    ))
)]
pub async fn create_webhook(
    State(api): State<Arc<Api>>,
    Json(new): Json<NewWebhook>,
) -> Result<(StatusCode, Extension<Touched>, Answer<WebhookWithSecret>), Problem> {
    let NewWebhook { url, description, event_types, threshold, direction, silent_days } = new;
    let url = permitted(&api.destinations, &url).await?;
    let settings = EndpointSettings { url, description, event_types, threshold, direction, silent_days };
    let (secret, endpoint) = api.store.create_webhook(settings).await.map_err(unavailable)?;
    let touched = Touched::from_iter([Object::Webhook(endpoint.id)]);
    Ok((StatusCode::CREATED, Extension(touched), Answer(WebhookWithSecret { secret, webhook: endpoint.into() })))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, Reply, TestApp};

    const PATH: &str = "/api/v1/webhooks";

    fn valid() -> Value {
        json!({"url": "https://8.8.8.8/hook", "event_types": ["score.threshold_crossed"], "threshold": 80})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = valid();
        body[name] = value;
        body
    }

    async fn send(app: &TestApp, method: Method, path: &str, body: &Value) -> Reply {
        let request = app.request(method, path).header("content-type", "application/json");
        app.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_makes_no_endpoint() {
        let app = TestApp::new().await;
        for (body, field) in [
            (with("url", json!("http://8.8.8.8/hook")), "url"),
            (with("url", json!("https://127.0.0.1/hook")), "url"),
            (with("url", json!("https://0x7f.1/hook")), "url"),
            (with("url", json!("https://2852039166/latest/meta-data")), "url"),
            (with("url", json!("https://localhost/hook")), "url"),
            (with("url", json!("https://me:secret@8.8.8.8/hook")), "url"),
            (with("url", json!("https://8.8.8.8:22/hook")), "url"),
            (with("event_types", json!([])), "event_types"),
            (with("event_types", json!(["test"])), "event_types"),
            (with("event_types", json!(["lead.silent", "lead.silent"])), "event_types"),
            (with("event_types", json!(["lead.silent"])), "threshold"),
            (with("threshold", json!(null)), "threshold"),
            (with("threshold", json!(0)), "threshold"),
            (with("threshold", json!(101)), "threshold"),
            (with("silent_days", json!(0)), "silent_days"),
            (with("description", json!("x".repeat(513))), "description"),
            (with("secret", json!("whsec_")), "secret"),
        ] {
            let reply = app.post(PATH, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
            assert!(!reply.json().to_string().contains("me:secret"), "{reply:?}");
        }
        assert_eq!(app.get(PATH).await.json()["webhooks"], json!([]));
    }

    #[tokio::test]
    async fn an_endpoint_is_made_shown_without_its_secret_changed_and_removed() {
        let app = TestApp::new().await;
        let made = app.post(PATH, &valid()).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let made = made.json();
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
        let shown = app.get(&path).await.json();
        assert_eq!((shown.get("secret"), &shown["enabled"]), (None, &json!(true)));
        assert_eq!(app.get(PATH).await.json()["webhooks"], json!([shown]));

        let change = json!({"enabled": false, "description": "off", "threshold": null, "event_types": ["lead.silent"]});
        let changed = send(&app, Method::PATCH, &path, &change).await.json();
        assert_eq!(
            (&changed["enabled"], &changed["disabled_reason"], &changed["threshold"], &changed["url"]),
            (&json!(false), &json!("by_admin"), &json!(null), &made["url"])
        );
        for (change, field) in [
            (json!({"url": "https://10.0.0.1/"}), "url"),
            (json!({"threshold": 50}), "threshold"),
            (json!({"event_types": null}), "event_types"),
            (json!({"colour": 1}), "colour"),
        ] {
            let reply = send(&app, Method::PATCH, &path, &change).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{change}");
        }
        let enabled = send(&app, Method::PATCH, &path, &json!({"enabled": true})).await.json();
        assert_eq!((&enabled["enabled"], &enabled["disabled_reason"]), (&json!(true), &json!(null)));

        let rotated = app.post_text(&format!("{path}/rotate-secret"), "").await.json();
        assert_ne!(rotated["secret"], made["secret"]);
        assert_eq!(rotated["previous_secret_until"], "2026-03-02T10:00:00Z");

        let remove = async || app.send(app.request(Method::DELETE, &path).body(Body::empty()).unwrap()).await;
        assert_eq!(remove().await.status, StatusCode::NO_CONTENT);
        assert_eq!(remove().await.code(), "webhook-not-found");
    }

    #[tokio::test]
    async fn nobody_is_not_found() {
        let app = TestApp::new().await;
        for id in [NOBODY, "7"] {
            let path = format!("{PATH}/{id}");
            assert_eq!(app.get(&path).await.code(), "webhook-not-found");
            assert_eq!(app.get(&format!("{path}/deliveries")).await.code(), "webhook-not-found");
            assert_eq!(send(&app, Method::PATCH, &path, &json!({})).await.code(), "webhook-not-found");
            for end in ["test", "rotate-secret", "deliveries/7/replay"] {
                let reply = app.post_text(&format!("{path}/{end}"), "").await;
                assert!(["webhook-not-found", "webhook-message-not-found"].contains(&reply.code().as_str()), "{end}");
            }
            let replay = app.post(&format!("{path}/replay"), &json!({"since": "2026-03-01T00:00:00Z"})).await;
            assert_eq!(replay.code(), "webhook-not-found");
        }
    }

    #[tokio::test]
    async fn deliveries_come_by_page_and_state_and_are_replayed() {
        let app = TestApp::new().await;
        let made = app.post(PATH, &valid()).await.json();
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let mut sent = Vec::new();
        for _ in 0..3 {
            app.clock.advance_micros(1_000_000);
            let reply = app.post_text(&format!("{path}/test"), "").await;
            assert_eq!(reply.status, StatusCode::ACCEPTED);
            sent.insert(0, reply.json()["message_id"].clone());
        }
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}/deliveries?limit=2&state=pending{next}")).await.json();
            seen.extend(page["deliveries"].as_array().unwrap().iter().map(|one| one["message_id"].clone()));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(seen, sent);
        assert_eq!(app.get(&format!("{path}/deliveries?state=failed")).await.json()["deliveries"], json!([]));
        for query in ["limit=0", "limit=501", "state=lost", "cursor=1"] {
            let reply = app.get(&format!("{path}/deliveries?{query}")).await;
            assert_eq!(reply.code(), "invalid-query-parameter", "{query}");
        }

        send(&app, Method::PATCH, &path, &json!({"enabled": false})).await;
        send(&app, Method::PATCH, &path, &json!({"enabled": true})).await;
        let failed = app.get(&format!("{path}/deliveries?state=failed")).await.json();
        assert_eq!(failed["deliveries"][0]["last_error"], "endpoint_disabled");
        let one = sent[0].as_str().unwrap();
        assert_eq!(app.post_text(&format!("{path}/deliveries/{one}/replay"), "").await.status, StatusCode::ACCEPTED);
        let rest = app.post(&format!("{path}/replay"), &json!({"since": "2026-03-01T10:00:02Z"})).await;
        assert_eq!((rest.status, &rest.json()["replayed"]), (StatusCode::ACCEPTED, &json!(1)));
    }
}
