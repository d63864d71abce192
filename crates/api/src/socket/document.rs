//! The protocol of the socket as an AsyncAPI 3.0 document: `docs/asyncapi.json`.
//!
//! Invariant: generated, never edited; a test compares the committed one. The shapes are those of `protocol.rs`.

use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use super::{
    PATH,
    ending::Ending,
    protocol::{ClientMessage, ServerMessage},
};

/// The document.
#[must_use]
pub fn asyncapi_json() -> String {
    let mut schemas: Vec<(String, RefOr<Schema>)> = vec![
        (ClientMessage::name().into_owned(), ClientMessage::schema()),
        (ServerMessage::name().into_owned(), ServerMessage::schema()),
    ];
    ClientMessage::schemas(&mut schemas);
    ServerMessage::schemas(&mut schemas);
    schemas.sort_by(|one, other| one.0.cmp(&other.0));
    let schemas: Map<String, Value> = schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema is plain data")))
        .collect();
    let endings = Ending::ALL.map(|ending| json!({"code": ending.code(), "reason": ending.reason()}));
    let message = |name: &str| json!({"payload": {"$ref": format!("#/components/schemas/{name}")}});
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leadscore: live scores",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Texts over a WebSocket; see SOCKET.md.",
        },
        "channels": {"scores": {
            "address": PATH,
            "messages": {"client": message("ClientMessage"), "server": message("ServerMessage")},
        }},
        "operations": {
            "listen": {
                "action": "receive",
                "channel": {"$ref": "#/channels/scores"},
                "messages": [{"$ref": "#/channels/scores/messages/client"}],
            },
            "tell": {
                "action": "send",
                "channel": {"$ref": "#/channels/scores"},
                "messages": [{"$ref": "#/channels/scores/messages/server"}],
            },
        },
        "components": {"schemas": schemas},
        "x-closings": endings,
    });
    format!("{}\n", serde_json::to_string_pretty(&document).expect("JSON"))
}
