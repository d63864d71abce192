//! Standard Webhooks: the signature, and events as this server's own API takes them.
//!
//! Owns: `v1` (HMAC-SHA-256) and `v1a` (Ed25519) signatures. Invariant: the connector's name is the events' source,
//! whatever they say, so that no sender can take another's event ids. Deliberately absent: other bodies, which the
//! mapped connector reads.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_domain::{EventEnvelope, time::SECOND_US};
use ring::{hmac, signature};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    json,
    make::{Maker, check_count},
    proof::{SIGNATURES_MAX, Secrets, WINDOW_S, expect, from_base64, header, signed_by, within},
    seam::{Malformed, Reading, Refusal, Request},
};

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardWebhooks {
    /// Secrets (`whsec_` and base64) and public keys (`whpk_` and base64).
    pub secrets: Secrets,
}

impl StandardWebhooks {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let id = header(request.headers, "webhook-id")?;
        let time = header(request.headers, "webhook-timestamp")?;
        let list = header(request.headers, "webhook-signature")?;
        within("webhook-timestamp", time, SECOND_US, WINDOW_S, request.received_at)?;
        let mut message = format!("{id}.{time}.").into_bytes();
        message.extend_from_slice(request.body);
        let mut fits = false;
        for part in list.split(' ').filter(|part| !part.is_empty()).take(SIGNATURES_MAX) {
            let Some((version, given)) = part.split_once(',') else { continue };
            let Ok(tag) = from_base64("webhook-signature", given) else { continue };
            fits |= match version {
                "v1" => self.secrets.iter().fold(false, |found, key| found | by_secret(key, &message, &tag)),
                "v1a" => self.secrets.iter().fold(false, |found, key| found | by_key(key, &message, &tag)),
                _ => false,
            };
        }
        expect(fits)
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        // The usual wrapping of the standard: the event stands in `data`.
        let own = body.get("source_event_id").is_none() && body.get("data").is_some();
        let events = if own { body.get("data").unwrap_or(&Value::Null) } else { &body };
        match events {
            Value::Array(list) => {
                check_count(list.len())?;
                list.iter().for_each(|event| take(maker, &mut reading, event));
            }
            Value::Object(_) => take(maker, &mut reading, events),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(Malformed::Field("data")),
        }
        Ok(reading)
    }
}

/// Takes one event; one of an unknown kind is counted.
fn take(maker: Maker<'_>, reading: &mut Reading, event: &Value) {
    match serde_json::from_value::<EventEnvelope>(event.clone()) {
        Ok(event) => {
            reading.push(maker.event(&event.source_event_id, event.lead, Some(event.occurred_at), event.body));
        }
        Err(_) => match json::text(event, "/type") {
            Some(kind) if kind.parse::<leadscore_domain::EventKind>().is_err() => reading.count_unknown(kind),
            Some(_) | None => reading.dropped.invalid += 1,
        },
    }
}

fn by_secret(secret: &str, message: &[u8], tag: &[u8]) -> bool {
    if secret.starts_with("whpk_") {
        return false;
    }
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret));
    key.is_ok_and(|key| !key.is_empty() && signed_by(hmac::HMAC_SHA256, &key, message, tag))
}

fn by_key(key: &str, message: &[u8], tag: &[u8]) -> bool {
    let key = key.strip_prefix("whpk_").and_then(|key| STANDARD.decode(key).ok());
    key.is_some_and(|key| signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, tag).is_ok())
}
