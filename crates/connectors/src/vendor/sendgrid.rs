//! SendGrid: the event webhook.
//!
//! Owns: its ECDSA signature and the list of events. Invariant: an open by a machine is no open. Deliberately absent:
//! the older form without a signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_domain::{event::EmailAction, time::SECOND_US};
use ring::signature;
use serde::Deserialize;
use serde_json::Value;

use super::mail::{self, Told};
use crate::{
    json,
    make::{Maker, check_count},
    proof::{Secrets, expect, from_base64, header, within},
    seam::{Malformed, Reading, Refusal, Request},
};

/// SendGrid tries for a day, perhaps under the first signature; ids make a repetition harmless.
const SIGNATURE_WINDOW_S: i64 = 25 * 3_600;
/// What stands before the point of a P-256 key in DER (RFC 5480).
const DER_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendGrid {
    /// Verification keys: base64 of DER, as the settings show them.
    pub public_keys: Secrets,
}

impl SendGrid {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "x-twilio-email-event-webhook-signature";
        const TIME: &str = "x-twilio-email-event-webhook-timestamp";
        let tag = from_base64(NAME, header(request.headers, NAME)?)?;
        let time = header(request.headers, TIME)?;
        within(TIME, time, SECOND_US, SIGNATURE_WINDOW_S, request.received_at)?;
        let message = [time.as_bytes(), request.body].concat();
        expect(self.public_keys.iter().any(|key| {
            let der = STANDARD.decode(key).unwrap_or_default();
            let point = der.strip_prefix(&DER_HEAD).unwrap_or_default();
            let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point);
            key.verify(&message, &tag).is_ok()
        }))
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let events = body.as_array().ok_or(Malformed::Syntax("a JSON list"))?;
        check_count(events.len())?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        for event in events {
            let Some((kind, id)) = json::text(event, "/event").zip(json::text(event, "/sg_event_id")) else {
                reading.dropped.invalid += 1;
                continue;
            };
            let machine = event.get("sg_machine_open").and_then(Value::as_bool) == Some(true);
            let action = match kind {
                "open" if machine => {
                    reading.dropped.ignored += 1;
                    continue;
                }
                "processed" => EmailAction::Sent,
                "delivered" => EmailAction::Delivered,
                "open" => EmailAction::Opened,
                "click" => EmailAction::Clicked,
                "bounce" | "dropped" => EmailAction::Bounced,
                "unsubscribe" | "group_unsubscribe" | "spamreport" => EmailAction::Unsubscribed,
                "deferred" | "group_resubscribe" => {
                    reading.dropped.ignored += 1;
                    continue;
                }
                other => {
                    reading.count_unknown(other);
                    continue;
                }
            };
            let told = Told {
                id,
                address: json::text(event, "/email"),
                at: json::time(event, "/timestamp", SECOND_US),
                message_id: json::text(event, "/sg_message_id"),
                action,
            };
            mail::take(maker, &mut reading, &told);
        }
        Ok(reading)
    }
}
