//! Mailgun: events of messages.
//!
//! Owns: the signature in the body. Invariant: the signature covers a token and a time, not the body, so each reading
//! bears the token to be remembered: a token counts once. Deliberately absent: remembering it.

use leadscore_domain::{event::EmailAction, time::SECOND_US};
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use super::mail::{self, Told};
use crate::{
    json,
    make::Maker,
    proof::{Secrets, expect, from_hex, within},
    seam::{Malformed, Reading, Refusal, ReplayKey, Request},
    text::clip,
};

/// As long as Mailgun tries again, in seconds.
const SIGNATURE_WINDOW_S: i64 = 8 * 3_600;

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailgun {
    /// HTTP webhook signing keys.
    pub secrets: Secrets,
}

impl Mailgun {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "signature";
        let body = json::parse(request.body).map_err(|_| Refusal::Unreadable(NAME.into()))?;
        let part = |pointer| json::id(&body, pointer).ok_or_else(|| Refusal::Missing(NAME.into()));
        let (time, token) = (part("/signature/timestamp")?, part("/signature/token")?);
        let tag = from_hex(NAME, &part("/signature/signature")?)?;
        within(NAME, &time, SECOND_US, SIGNATURE_WINDOW_S, request.received_at)?;
        expect(self.secrets.signed(hmac::HMAC_SHA256, format!("{time}{token}").as_bytes(), &tag))
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let time = json::time(&body, "/signature/timestamp", SECOND_US).ok_or(Malformed::Field("signature"))?;
        let token = json::id(&body, "/signature/token").ok_or(Malformed::Field("signature"))?;
        let mut reading = Reading {
            // Time and token are signed as one text: the cut between them must not make a new key.
            replay_key: Some(ReplayKey {
                key: clip(&format!("{}{token}", json::id(&body, "/signature/timestamp").unwrap_or_default()), 256),
                keep_until: time.plus_micros(2 * SIGNATURE_WINDOW_S * SECOND_US),
            }),
            ..Reading::default()
        };
        let event = body.get("event-data").ok_or(Malformed::Field("event-data"))?;
        let (kind, id) =
            json::text(event, "/event").zip(json::text(event, "/id")).ok_or(Malformed::Field("event-data.id"))?;
        let bot = ["/client-info/bot", "/bot"].iter().any(|at| {
            event
                .pointer(at)
                .is_some_and(|bot| bot.as_str().is_some_and(|b| !b.is_empty()) || *bot == Value::Bool(true))
        });
        let action = match kind {
            "opened" | "clicked" if bot => {
                reading.dropped.ignored += 1;
                return Ok(reading);
            }
            "accepted" => EmailAction::Sent,
            "delivered" => EmailAction::Delivered,
            "opened" => EmailAction::Opened,
            "clicked" => EmailAction::Clicked,
            "failed" | "permanent_fail" if json::text(event, "/severity") != Some("temporary") => EmailAction::Bounced,
            "unsubscribed" | "complained" => EmailAction::Unsubscribed,
            "failed" | "temporary_fail" => {
                reading.dropped.ignored += 1;
                return Ok(reading);
            }
            other => {
                reading.count_unknown(other);
                return Ok(reading);
            }
        };
        let told = Told {
            id,
            address: json::text(event, "/recipient"),
            at: json::time(event, "/timestamp", SECOND_US),
            message_id: json::text(event, "/message/headers/message-id"),
            action,
        };
        mail::take(maker, &mut reading, &told);
        Ok(reading)
    }
}
