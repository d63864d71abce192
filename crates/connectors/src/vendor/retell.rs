//! Retell: calls, live transcripts, the question before an incoming call, custom functions.
//!
//! Owns: `x-retell-signature` and the bodies of its webhooks. Invariant: a call becomes one event, at `call_ended`; the
//! analysis that comes later brings the sentiment as an attribute. Deliberately absent: Retell's API.

use leadscore_domain::{
    EventBody, IdentityKind, LeadId,
    event::{CrmUpdated, Direction, LeadRef, Speaker, VoiceCall},
};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json as object};

use crate::{
    json::{self, MILLISECOND_US},
    make::{self, Maker, Said},
    proof::{Secrets, WINDOW_S, expect, from_hex, header, within},
    seam::{Answer, CallContext, ContextRequest, LiveSignal, Malformed, Moment, Reading, Refusal, Request, ToolCall},
    text,
};

/// Most turns that are told again with each further one.
const TURNS_AT_ONCE: usize = 8;

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retell {
    /// API keys with the webhook badge.
    pub secrets: Secrets,
    /// The agent that takes incoming calls, where it is not the number's own.
    #[serde(default)]
    pub override_agent_id: Option<String>,
}

impl Retell {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "x-retell-signature";
        let unreadable = || Refusal::Unreadable(NAME.into());
        let (time, tag) = header(request.headers, NAME)?.split_once(',').ok_or_else(unreadable)?;
        let time = time.strip_prefix("v=").ok_or_else(unreadable)?;
        let tag = from_hex(NAME, tag.strip_prefix("d=").ok_or_else(unreadable)?)?;
        within(NAME, time, MILLISECOND_US, WINDOW_S, request.received_at)?;
        let message = [request.body, time.as_bytes()].concat();
        expect(self.secrets.signed(hmac::HMAC_SHA256, &message, &tag))
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let Some(event) = json::text(&body, "/event") else {
            let name = json::text(&body, "/name").ok_or(Malformed::Field("event"))?;
            read_function(&mut reading, name, &body);
            return Ok(reading);
        };
        match event {
            "call_inbound" => reading.asks = Some(asked(&body)),
            "call_ended" => read_ended(maker, &mut reading, call(&body)?)?,
            "call_analyzed" => read_analysis(maker, &mut reading, call(&body)?)?,
            "call_started" => {
                let call = call(&body)?;
                let call_id = json::text(call, "/call_id").ok_or(Malformed::Field("call.call_id"))?.to_owned();
                let at = json::time(call, "/start_timestamp", MILLISECOND_US).unwrap_or(request.received_at);
                reading.live.push(LiveSignal::Status { call_id, status: "started".into(), at });
            }
            "transcript_updated" => read_live(maker, &mut reading, call(&body)?)?,
            other => reading.count_unknown(other),
        }
        Ok(reading)
    }

    pub(crate) fn answer(&self, reading: &Reading, context: Option<&CallContext>) -> Answer {
        let neutral = CallContext::neutral();
        let context = context.unwrap_or(&neutral);
        match reading.asks.as_ref().map(|asks| asks.moment) {
            Some(Moment::CallStart) => {
                let variables = json::object(context.variables());
                let mut inbound = object!({
                    "dynamic_variables": variables,
                    "metadata": {"score_version": context.score_version},
                });
                if let Some(agent) = &self.override_agent_id {
                    inbound["override_agent_id"] = agent.as_str().into();
                }
                Answer::json(&object!({ "call_inbound": inbound }))
            }
            Some(Moment::Tool | Moment::Transfer) => Answer::json(&json::object(context.speakable())),
            None => Answer::empty(),
        }
    }
}

fn call(body: &Value) -> Result<&Value, Malformed> {
    body.get("call").filter(|call| call.is_object()).ok_or(Malformed::Field("call"))
}

fn direction(call: &Value) -> Direction {
    if json::text(call, "/direction") == Some("outbound") { Direction::Outbound } else { Direction::Inbound }
}

fn numbers(call: &Value) -> (Option<&str>, Option<&str>) {
    (json::text(call, "/from_number"), json::text(call, "/to_number"))
}

fn lead_id(call: &Value) -> Option<LeadId> {
    json::text(call, "/metadata/lead_id").and_then(|id| id.parse().ok())
}

fn lead(call: &Value) -> LeadRef {
    let (from, to) = numbers(call);
    let number = make::remote(direction(call), from, to);
    LeadRef { lead_id: lead_id(call), ..make::lead([(IdentityKind::Phone, number)]) }
}

fn asked(body: &Value) -> ContextRequest {
    let text = |pointer| json::text(body, pointer).map(str::to_owned);
    ContextRequest {
        number: text("/call_inbound/from_number"),
        called_number: text("/call_inbound/to_number"),
        direction: Direction::Inbound,
        provider_call_id: None,
        lead_id: None,
        moment: Moment::CallStart,
    }
}

/// A custom function: `{name, args, call}`.
fn read_function(reading: &mut Reading, name: &str, body: &Value) {
    let call = body.get("call").unwrap_or(&Value::Null);
    let (from, to) = numbers(call);
    let direction = direction(call);
    reading.asks = Some(ContextRequest {
        number: make::remote(direction, from, to).map(str::to_owned),
        called_number: make::ours(direction, from, to).map(str::to_owned),
        direction,
        provider_call_id: json::id(call, "/call_id"),
        lead_id: lead_id(call),
        moment: Moment::Tool,
    });
    let arguments = body.get("args").cloned().unwrap_or(Value::Null);
    reading.tools.push(ToolCall { id: String::new(), name: text::clip(name, 64), arguments });
}

fn speaker(turn: &Value) -> Option<Speaker> {
    match json::text(turn, "/role")? {
        "user" => Some(Speaker::Lead),
        "agent" => Some(Speaker::Agent),
        _ => None,
    }
}

fn read_ended(maker: Maker<'_>, reading: &mut Reading, call: &Value) -> Result<(), Malformed> {
    let id = json::text(call, "/call_id").ok_or(Malformed::Field("call.call_id"))?;
    let spoken = json::list(call, "/transcript_object").iter().filter_map(|turn| {
        let start_ms = json::number(turn, "/words/0/start").unwrap_or_default() * 1_000.0;
        let end_ms = json::list(turn, "/words").last().and_then(|word| json::number(word, "/end")).map(|s| s * 1_000.0);
        let said = json::text(turn, "/content")?.to_owned();
        Some((speaker(turn)?, said, start_ms, end_ms.map(|end| (end - start_ms).max(0.0))))
    });
    let turns = make::turns(spoken);
    let start = json::time(call, "/start_timestamp", MILLISECOND_US);
    let end = json::time(call, "/end_timestamp", MILLISECOND_US);
    let between = start.zip(end).map(|(start, end)| (end.since(start) / MILLISECOND_US) as f64);
    let duration_ms = make::call_ms(json::number(call, "/duration_ms").or(between).unwrap_or_default());
    let reason = json::text(call, "/disconnection_reason").unwrap_or_default();
    let lead = lead(call);
    let at = start.or(end);
    let body = VoiceCall {
        direction: direction(call),
        answered: is_answered(reason) && duration_ms > 0,
        duration_ms,
        ai_voice: true,
        sentiment: None,
        turns,
        call_id: Some(id.to_owned()),
    };
    if make::opted_out(&body.turns) {
        maker.stop_calls(reading, id, &lead, end.or(at), &format!("said in call {id}"));
    }
    reading.push(maker.event(&format!("{id}:call_ended"), lead, at, EventBody::VoiceCall(body)));
    Ok(())
}

/// Whether a person was on the line.
fn is_answered(reason: &str) -> bool {
    !(reason.starts_with("dial_")
        || reason.starts_with("error")
        || matches!(
            reason,
            "voicemail_reached"
                | "machine_detected"
                | "invalid_destination"
                | "telephony_provider_unavailable"
                | "no_valid_payment"
                | "concurrency_limit_reached"
                | "marked_as_spam"
                | "user_declined"
        ))
}

fn read_analysis(maker: Maker<'_>, reading: &mut Reading, call: &Value) -> Result<(), Malformed> {
    let id = json::text(call, "/call_id").ok_or(Malformed::Field("call.call_id"))?;
    let at = json::time(call, "/end_timestamp", MILLISECOND_US);
    let custom = call.pointer("/call_analysis/custom_analysis_data").and_then(Value::as_object);
    let mut attributes = make::attributes(reading, custom.into_iter().flatten());
    let sentiment = match json::text(call, "/call_analysis/user_sentiment") {
        Some("Positive") => Some(0.6),
        Some("Neutral") => Some(0.0),
        Some("Negative") => Some(-0.6),
        Some(_) | None => None,
    };
    if let Some(((sentiment, name), true)) = sentiment
        .zip("last_call_sentiment".parse().ok())
        .map(|found| (found, attributes.len() < leadscore_domain::limits::ATTRIBUTES_MAX))
    {
        attributes.insert(name, Some(leadscore_domain::AttributeValue::Number(sentiment)));
    }
    if attributes.is_empty() {
        reading.dropped.ignored += 1;
        return Ok(());
    }
    let body = EventBody::CrmUpdated(CrmUpdated { attributes });
    reading.push(maker.event(&format!("{id}:call_analyzed"), lead(call), at, body));
    Ok(())
}

/// The turns of the transcript so far that are complete: the last one may still grow.
fn read_live(maker: Maker<'_>, reading: &mut Reading, call: &Value) -> Result<(), Malformed> {
    let call_id = json::text(call, "/call_id").ok_or(Malformed::Field("call.call_id"))?.to_owned();
    let turns = json::list(call, "/transcript_object");
    let complete = turns.len().saturating_sub(1);
    if complete == 0 {
        reading.dropped.ignored += 1;
    }
    let start = json::time(call, "/start_timestamp", MILLISECOND_US);
    // Those before were told before, under the same numbers.
    for (number, turn) in turns.iter().enumerate().take(complete).skip(complete.saturating_sub(TURNS_AT_ONCE)) {
        let Some((speaker, said)) = speaker(turn).zip(json::text(turn, "/content")) else { continue };
        let start_ms = json::number(turn, "/words/0/start").unwrap_or_default() * 1_000.0;
        let at = start.map(|start| start.plus_micros((start_ms * 1_000.0) as i64)).unwrap_or(maker.received_at);
        let (id, lead, direction) = (number.to_string(), lead(call), direction(call));
        let call_id = &call_id;
        maker.turn(reading, Said { call_id, id, lead, direction, ai_voice: true, speaker, text: said, start_ms, at });
    }
    Ok(())
}
