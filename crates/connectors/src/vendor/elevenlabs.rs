//! ElevenLabs: transcripts after calls, and the question before one.
//!
//! Owns: `ElevenLabs-Signature` and both bodies. Invariant: a call's transcript is read under a signature only; the
//! question, which ElevenLabs does not sign, stands under a proof of its own. Deliberately absent: the audio webhook.

use leadscore_domain::{
    EventBody, IdentityKind,
    event::{Direction, LeadRef, Speaker, VoiceCall},
    time::SECOND_US,
};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json as object};

use crate::{
    json,
    make::{self, Maker},
    proof::{Proof, SIGNATURES_MAX, Secrets, expect, from_hex, header, within},
    seam::{Answer, CallContext, ContextRequest, Malformed, Moment, Reading, Refusal, Request},
};

const SIGNATURE: &str = "elevenlabs-signature";
/// As its own libraries have it, in seconds.
const SIGNATURE_WINDOW_S: i64 = 30 * 60;

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElevenLabs {
    /// Secrets of the webhook after calls.
    pub secrets: Secrets,
    /// The proof of the question before a call; without it the question is refused.
    #[serde(default)]
    pub initiation: Option<Proof>,
}

impl ElevenLabs {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        if let (false, Some(proof)) = (request.headers.contains_key(SIGNATURE), &self.initiation) {
            return proof.verify(request);
        }
        let mut time = None;
        let mut tags = Vec::new();
        for part in header(request.headers, SIGNATURE)?.split(',').take(SIGNATURES_MAX) {
            match part.trim().split_once('=') {
                Some(("t", value)) if time.is_none() => time = Some(value),
                Some(("t", _)) => return Err(Refusal::Doubled("t".into())),
                Some(("v0", value)) => tags.push(from_hex(SIGNATURE, value)?),
                Some(_) => {}
                None => return Err(Refusal::Unreadable(SIGNATURE.into())),
            }
        }
        let time = time.ok_or_else(|| Refusal::Unreadable(SIGNATURE.into()))?;
        within(SIGNATURE, time, SECOND_US, SIGNATURE_WINDOW_S, request.received_at)?;
        let message = [time.as_bytes(), b".", request.body].concat();
        let fits = |found, tag: &Vec<u8>| found | self.secrets.signed(hmac::HMAC_SHA256, &message, tag);
        expect(tags.iter().fold(false, fits))
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let signed = request.headers.contains_key(SIGNATURE);
        match json::text(&body, "/type") {
            Some("post_call_transcription") if signed => read_call(maker, &mut reading, &body)?,
            Some(_) if !signed => return Err(Malformed::Field("caller_id")),
            Some(other) => reading.count_unknown(other),
            None => {
                let text = |pointer| json::text(&body, pointer).map(str::to_owned);
                if body.get("caller_id").is_none() {
                    return Err(Malformed::Field("caller_id"));
                }
                reading.asks = Some(ContextRequest {
                    number: text("/caller_id"),
                    called_number: text("/called_number"),
                    direction: Direction::Inbound,
                    provider_call_id: text("/call_sid"),
                    lead_id: None,
                    moment: Moment::CallStart,
                });
            }
        }
        Ok(reading)
    }

    pub(crate) fn answer(reading: &Reading, context: Option<&CallContext>) -> Answer {
        if reading.asks.is_none() {
            return Answer { status: 200, ..Answer::empty() };
        }
        let neutral = CallContext::neutral();
        Answer::json(&object!({
            "type": "conversation_initiation_client_data",
            "dynamic_variables": json::object(context.unwrap_or(&neutral).variables()),
        }))
    }
}

fn read_call(maker: Maker<'_>, reading: &mut Reading, body: &Value) -> Result<(), Malformed> {
    let data = body.get("data").filter(|data| data.is_object()).ok_or(Malformed::Field("data"))?;
    let id = json::text(data, "/conversation_id").ok_or(Malformed::Field("data.conversation_id"))?;
    let direction = match json::text(data, "/metadata/phone_call/direction") {
        Some("outbound") => Direction::Outbound,
        Some(_) | None => Direction::Inbound,
    };
    let variables = "/conversation_initiation_client_data/dynamic_variables";
    let number = json::text(data, "/metadata/phone_call/external_number")
        .or_else(|| json::text(data, &format!("{variables}/system__caller_id")));
    let lead = LeadRef {
        lead_id: json::text(data, &format!("{variables}/lead_id")).and_then(|id| id.parse().ok()),
        ..make::lead([(IdentityKind::Phone, number)])
    };
    let turns = make::turns(json::list(data, "/transcript").iter().filter_map(|turn| {
        let speaker = match json::text(turn, "/role")? {
            "user" => Speaker::Lead,
            "agent" => Speaker::Agent,
            _ => return None,
        };
        let start_ms = json::number(turn, "/time_in_call_secs").unwrap_or_default() * 1_000.0;
        Some((speaker, json::text(turn, "/message")?.to_owned(), start_ms, None))
    }));
    let duration_s = json::number(data, "/metadata/call_duration_secs").unwrap_or_default();
    let ended = json::time(body, "/event_timestamp", SECOND_US);
    let at = json::time(data, "/metadata/start_time_unix_secs", SECOND_US).or(ended);
    if make::opted_out(&turns) {
        maker.stop_calls(reading, id, &lead, ended.or(at), &format!("said in call {id}"));
    }
    let answered = turns.iter().any(|turn| turn.speaker == Speaker::Lead);
    let duration_ms = make::call_ms(duration_s * 1_000.0);
    let call = VoiceCall { direction, answered, duration_ms, ai_voice: true, turns, sentiment: None, call_id: None };
    reading.push(maker.event(&format!("{id}:post_call"), lead, at, EventBody::VoiceCall(call)));
    Ok(())
}
