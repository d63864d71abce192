//! What webhooks send, as the OpenAPI document describes it: one entry for each type.
//!
//! Deliberately absent: sending, and the shapes in code, which the store has where it writes messages.

use leadscore_domain::webhook::MessageType;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        Content, HttpMethod, PathItem, Paths, PathsBuilder, Ref, RefOr, Required, Response,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{Object, Type},
        security::SecurityRequirement,
    },
};

/// What a webhook is told. The members of `data` depend on `type`; new ones may come.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the type describes what the store writes")]
pub struct WebhookMessage {
    /// What has happened.
    #[serde(rename = "type")]
    kind: MessageType,
    /// When it happened.
    #[schema(format = DateTime)]
    timestamp: String,
    /// About whom or what.
    #[schema(value_type = Object)]
    data: Value,
}

/// One entry for each type of message.
pub(crate) fn webhooks() -> Paths {
    let types = MessageType::SUBSCRIBABLE.into_iter().chain([MessageType::Test]);
    types.fold(PathsBuilder::new(), |paths, kind| paths.path(kind.as_str(), item(kind))).build()
}

fn item(kind: MessageType) -> PathItem {
    let message = json!({"type": kind, "timestamp": "2026-03-01T10:30:00Z", "data": data(kind)});
    let mut content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("WebhookMessage"))));
    content.example = Some(message);
    let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
    let header = |name, description| {
        let described = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
        let described = described.schema(Some(Object::with_type(Type::String)));
        described.required(Required::True).description(Some(description)).build()
    };
    let operation = OperationBuilder::new()
        .tag("webhooks")
        .operation_id(Some(format!("message_{}", kind.as_str().replace('.', "_"))))
        .summary(Some(summary(kind)))
        .parameter(header("webhook-id", "The message: the same each time it is sent"))
        .parameter(header("webhook-timestamp", "When this request was made, in seconds since 1970"))
        .parameter(header(
            "webhook-signature",
            "`v1,` and the HMAC-SHA-256 of `id.timestamp.body` in base64; \
                                                after a rotation two, with a space between them",
        ))
        .request_body(Some(body.build()))
        // The signature, not a token, says who sends it.
        .securities(Some(std::iter::empty::<SecurityRequirement>()))
        .response("2XX", Response::new("The receiver has it"));
    PathItem::new(HttpMethod::Post, operation)
}

const fn summary(kind: MessageType) -> &'static str {
    match kind {
        MessageType::ScoreThresholdCrossed => "A lead's score crossed the endpoint's threshold",
        MessageType::ScoreGradeChanged => "A lead's grade is another one than before",
        MessageType::LeadSilent => "Nothing has happened to a lead for days",
        MessageType::ModelPromoted => "Another model scores from now on",
        MessageType::Test => "Somebody tries the endpoint out",
    }
}

fn data(kind: MessageType) -> Value {
    let figures = json!({
        "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
        "score": 87, "grade": "B", "probability": 0.7301,
        "model_version": "v3", "log_position": 41_822
    });
    let with = |more: Value| {
        let mut all = figures.clone();
        for (name, value) in more.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        all
    };
    let previous = json!({"score": 62, "grade": "C", "probability": 0.3117});
    match kind {
        MessageType::ScoreThresholdCrossed => {
            with(json!({"previous": previous, "threshold": 80, "direction": "rising"}))
        }
        MessageType::ScoreGradeChanged => with(json!({"previous": previous})),
        MessageType::LeadSilent => with(json!({"last_event_at": "2026-02-22T10:30:00Z", "silent_days": 7})),
        MessageType::ModelPromoted => json!({"model_version": "v3", "previous_model_version": "v2"}),
        MessageType::Test => json!({"endpoint_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2"}),
    }
}
