//! LiveKit: rooms that telephone callers join and leave.
//!
//! Owns: the token in `Authorization` and the room's events. Invariant: a caller's stay becomes one call, at
//! `participant_left`. Deliberately absent: what was said, which the user's own agent knows and sends itself.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use leadscore_domain::{
    EventBody, IdentityKind, Timestamp,
    event::{Direction, LeadRef, VoiceCall},
    time::SECOND_US,
};
use ring::{digest, hmac};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::{
    json,
    make::{self, Maker},
    proof::{WINDOW_S, expect, header, signed_by},
    seam::{LiveSignal, Malformed, Reading, Refusal, Request},
};

/// A key of the project.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name, the token's issuer.
    pub api_key: String,
    /// Its secret.
    pub api_secret: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.api_key)
    }
}

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveKit {
    /// The keys that count now.
    pub keys: Vec<Key>,
}

impl LiveKit {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "authorization";
        let unreadable = || Refusal::Unreadable(NAME.into());
        let token = header(request.headers, NAME)?;
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        let (signed, tag) = token.rsplit_once('.').ok_or_else(unreadable)?;
        let (head, claims) = signed.split_once('.').ok_or_else(unreadable)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| unreadable());
        let parse = |text: &str| serde_json::from_slice::<Value>(&decode(text)?).map_err(|_| unreadable());
        let (head, claims, tag) = (parse(head)?, parse(claims)?, decode(tag)?);
        if json::text(&head, "/alg") != Some("HS256") {
            return Err(unreadable());
        }
        let issuer = json::text(&claims, "/iss").ok_or_else(unreadable)?;
        let fits = self
            .keys
            .iter()
            .filter(|key| key.api_key == issuer && !key.api_secret.is_empty())
            .any(|key| signed_by(hmac::HMAC_SHA256, key.api_secret.as_bytes(), signed.as_bytes(), &tag));
        expect(fits)?;
        check_times(&claims, request.received_at)?;
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, request.body));
        let told = json::text(&claims, "/sha256").ok_or_else(unreadable)?;
        expect(hash.as_bytes().ct_eq(told.as_bytes()).into())
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let at = json::time(&body, "/createdAt", SECOND_US).or_else(|| json::time(&body, "/created_at", SECOND_US));
        match json::text(&body, "/event").ok_or(Malformed::Field("event"))? {
            "participant_left" | "participant_connection_aborted" => read_left(maker, &mut reading, &body, at)?,
            status @ ("room_started" | "room_finished" | "participant_joined") => {
                let call_id = json::text(&body, "/room/name").ok_or(Malformed::Field("room.name"))?.to_owned();
                let at = at.unwrap_or(request.received_at);
                reading.live.push(LiveSignal::Status { call_id, status: status.to_owned(), at });
            }
            "track_published" | "track_unpublished" => reading.dropped.ignored += 1,
            other => reading.count_unknown(other),
        }
        Ok(reading)
    }
}

/// `exp` must lie ahead, `nbf` behind; a token without `exp` would hold for ever.
fn check_times(claims: &Value, now: Timestamp) -> Result<(), Refusal> {
    let expires = json::time(claims, "/exp", SECOND_US).ok_or_else(|| Refusal::Missing("exp".into()))?;
    let begins = json::time(claims, "/nbf", SECOND_US).unwrap_or(now);
    let fresh = now <= expires && begins <= now.plus_micros(WINDOW_S * SECOND_US);
    if fresh { Ok(()) } else { Err(Refusal::Stale) }
}

fn read_left(maker: Maker<'_>, reading: &mut Reading, body: &Value, at: Option<Timestamp>) -> Result<(), Malformed> {
    let attributes = body.pointer("/participant/attributes").unwrap_or(&Value::Null);
    let attribute = |name: &str| attributes.get(name).and_then(Value::as_str);
    if attribute("sip.phoneNumber").is_none() && attribute("lead_id").is_none() {
        // The agent itself, or somebody who is no caller.
        reading.dropped.ignored += 1;
        return Ok(());
    }
    let id = json::id(body, "/participant/sid").ok_or(Malformed::Field("participant.sid"))?;
    let joined = ["/participant/joinedAt", "/participant/joined_at"]
        .iter()
        .find_map(|pointer| json::time(body, pointer, SECOND_US));
    let stayed_us = joined.zip(at).map_or(0, |(joined, at)| at.since(joined));
    let direction = match attribute("sip.ruleID") {
        Some(_) => Direction::Inbound,
        None => Direction::Outbound,
    };
    let lead = LeadRef {
        lead_id: attribute("lead_id").and_then(|id| id.parse().ok()),
        ..make::lead([(IdentityKind::Phone, attribute("sip.phoneNumber"))])
    };
    let call = VoiceCall {
        direction,
        answered: joined.is_some() && attribute("sip.callStatus") != Some("dialing"),
        duration_ms: make::call_ms(stayed_us as f64 / 1_000.0),
        ai_voice: true,
        turns: Vec::new(),
        sentiment: None,
        call_id: None,
    };
    reading.push(maker.event(&format!("{id}:left"), lead, joined.or(at), EventBody::VoiceCall(call)));
    Ok(())
}
