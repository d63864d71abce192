//! Vapi: server messages of a call, the question before an incoming call, tools, transfers.
//!
//! Owns: the bodies of its messages and their answers. Invariant: a call becomes one event, at its report; answers to
//! tools are 200 always, since Vapi ignores any other. Deliberately absent: Vapi's API, OAuth2.

use leadscore_domain::{
    EventBody, IdentityKind, LeadId, Timestamp,
    event::{Direction, LeadRef, Speaker, VoiceCall},
};
use serde::Deserialize;
use serde_json::{Value, json as object};

use crate::{
    json::{self, MILLISECOND_US},
    make::{self, Maker, Said},
    proof::Proof,
    seam::{Answer, CallContext, ContextRequest, LiveSignal, Malformed, Moment, Reading, Request, ToolCall},
    text,
};

/// Most tools that one message may call.
const TOOLS_MAX: usize = 32;

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vapi {
    /// The credential of the server URL: bearer, `X-Vapi-Secret`, or HMAC.
    pub proof: Proof,
    /// The assistant that takes incoming calls.
    #[serde(default)]
    pub assistant_id: Option<String>,
    /// Where a call goes that no assistant takes, in E.164.
    #[serde(default)]
    pub fallback_number: Option<String>,
}

impl Vapi {
    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let message = body.get("message").filter(|m| m.is_object()).ok_or(Malformed::Field("message"))?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let at = json::time(message, "/timestamp", MILLISECOND_US).unwrap_or(request.received_at);
        match json::text(message, "/type").ok_or(Malformed::Field("message.type"))? {
            "assistant-request" => reading.asks = Some(asked(message, Moment::CallStart)),
            "transfer-destination-request" => reading.asks = Some(asked(message, Moment::Transfer)),
            "tool-calls" => read_tools(&mut reading, message),
            "end-of-call-report" => read_report(maker, &mut reading, message)?,
            "status-update" => {
                let status = json::text(message, "/status").ok_or(Malformed::Field("message.status"))?;
                reading.live.push(LiveSignal::Status {
                    call_id: call_id(message)?,
                    status: text::clip(status, 64),
                    at,
                });
            }
            kind if kind.starts_with("transcript") => read_transcript(maker, &mut reading, message, at)?,
            "conversation-update" | "speech-update" | "model-output" | "user-interrupted" | "hang" => {
                reading.dropped.ignored += 1;
            }
            other => reading.count_unknown(other),
        }
        Ok(reading)
    }

    pub(crate) fn answer(&self, reading: &Reading, context: Option<&CallContext>) -> Answer {
        let neutral = CallContext::neutral();
        let context = context.unwrap_or(&neutral);
        match reading.asks.as_ref().map(|asks| asks.moment) {
            Some(Moment::CallStart) => Answer::json(&self.begin(context)),
            Some(Moment::Transfer) => Answer::json(&self.transfer(context)),
            Some(Moment::Tool) => {
                let result = json::object(context.speakable()).to_string();
                let results: Vec<Value> =
                    reading.tools.iter().map(|tool| object!({"toolCallId": tool.id, "result": result})).collect();
                Answer::json(&object!({ "results": results }))
            }
            None => Answer::empty(),
        }
    }

    fn begin(&self, context: &CallContext) -> Value {
        let variables = json::object(context.variables());
        match (&self.assistant_id, &self.fallback_number) {
            (Some(assistant), _) => object!({
                "assistantId": assistant,
                "assistantOverrides": {
                    "variableValues": variables,
                    "metadata": {"score_version": context.score_version},
                },
            }),
            (None, Some(number)) => object!({"destination": {"type": "number", "number": number}}),
            (None, None) => object!({"error": "We cannot take your call right now. Please try again later."}),
        }
    }

    /// To the route where it is a number, else to the fallback.
    fn transfer(&self, context: &CallContext) -> Value {
        let routed = Some(&context.route).filter(|route| route.starts_with('+'));
        match routed.or(self.fallback_number.as_ref()) {
            Some(number) => object!({"destination": {"type": "number", "number": number}}),
            None => object!({"error": "There is nobody to hand the call to right now."}),
        }
    }
}

fn call_id(message: &Value) -> Result<String, Malformed> {
    json::id(message, "/call/id").ok_or(Malformed::Field("message.call.id"))
}

fn direction(message: &Value) -> Direction {
    if json::text(message, "/call/type") == Some("outboundPhoneCall") {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

fn number(message: &Value) -> Option<&str> {
    json::first(message, &["/call/customer/number", "/customer/number"])
}

fn lead_id(message: &Value) -> Option<LeadId> {
    json::first(message, &["/call/metadata/lead_id", "/call/assistantOverrides/metadata/lead_id"])?.parse().ok()
}

fn lead(message: &Value) -> LeadRef {
    LeadRef { lead_id: lead_id(message), ..make::lead([(IdentityKind::Phone, number(message))]) }
}

fn asked(message: &Value, moment: Moment) -> ContextRequest {
    ContextRequest {
        number: number(message).map(str::to_owned),
        called_number: json::first(message, &["/phoneNumber/number", "/call/phoneNumber/number"]).map(str::to_owned),
        direction: direction(message),
        provider_call_id: json::id(message, "/call/id"),
        lead_id: lead_id(message),
        moment,
    }
}

/// The documents disagree on where the arguments stand and whether they are an object or its text: all are taken.
fn read_tools(reading: &mut Reading, message: &Value) {
    for tool in json::list(message, "/toolCallList").iter().take(TOOLS_MAX) {
        let places = ["/arguments", "/parameters", "/function/arguments", "/function/parameters"];
        let found = places.iter().find_map(|place| tool.pointer(place)).cloned().unwrap_or(Value::Null);
        let arguments = match &found {
            Value::String(text) => serde_json::from_str(text).unwrap_or(found),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => found,
        };
        let name = json::first(tool, &["/name", "/function/name"]).unwrap_or_default();
        let id = json::id(tool, "/id").unwrap_or_default();
        reading.tools.push(ToolCall { id, name: text::clip(name, 64), arguments });
    }
    reading.asks = Some(asked(message, Moment::Tool));
}

fn speaker(role: &str) -> Option<Speaker> {
    match role {
        "user" | "customer" => Some(Speaker::Lead),
        "bot" | "assistant" | "ai" => Some(Speaker::Agent),
        _ => None,
    }
}

fn read_transcript(maker: Maker<'_>, reading: &mut Reading, message: &Value, at: Timestamp) -> Result<(), Malformed> {
    let call_id = call_id(message)?;
    let said = json::text(message, "/transcript").zip(json::text(message, "/role").and_then(speaker));
    // The type itself may say it: `transcript[transcriptType="final"]`.
    let is_final = json::text(message, "/transcriptType") == Some("final")
        || json::text(message, "/type").is_some_and(|kind| kind.contains("\"final\""));
    let Some((said, speaker)) = said.filter(|_| is_final) else {
        reading.dropped.ignored += 1;
        return Ok(());
    };
    let started = json::time(message, "/call/startedAt", MILLISECOND_US);
    let turn = Said {
        call_id: &call_id,
        // Its time and words: there is no number of the turn.
        id: make::fingerprint(format!("{at}{said}").as_bytes()),
        lead: lead(message),
        direction: direction(message),
        ai_voice: true,
        speaker,
        text: said,
        start_ms: started.map_or(0.0, |started| (at.since(started) / MILLISECOND_US) as f64),
        at,
    };
    maker.turn(reading, turn);
    Ok(())
}

fn read_report(maker: Maker<'_>, reading: &mut Reading, message: &Value) -> Result<(), Malformed> {
    let id = call_id(message)?;
    let spoken = json::list(message, "/artifact/messages").iter().filter_map(|turn| {
        let start_ms = json::number(turn, "/secondsFromStart").unwrap_or_default() * 1_000.0;
        let said = json::first(turn, &["/message", "/content"])?.to_owned();
        Some((speaker(json::text(turn, "/role")?)?, said, start_ms, json::number(turn, "/duration")))
    });
    let turns = make::turns(spoken);
    let start = json::time(message, "/startedAt", MILLISECOND_US);
    let end = json::time(message, "/endedAt", MILLISECOND_US);
    let between = start.zip(end).map(|(start, end)| (end.since(start) / MILLISECOND_US) as f64);
    let told = json::number(message, "/durationMs");
    let reason = json::text(message, "/endedReason").unwrap_or_default();
    let lead = lead(message);
    let at = start.or(end).or_else(|| json::time(message, "/timestamp", MILLISECOND_US));
    let body = VoiceCall {
        direction: direction(message),
        answered: start.is_some() && is_answered(reason),
        duration_ms: make::call_ms(told.or(between).unwrap_or_default()),
        ai_voice: true,
        turns,
        sentiment: None,
        call_id: Some(id.clone()),
    };
    if make::opted_out(&body.turns) {
        maker.stop_calls(reading, &id, &lead, end.or(at), &format!("said in call {id}"));
    }
    reading.push(maker.event(&format!("{id}:end-of-call-report"), lead, at, EventBody::VoiceCall(body)));
    Ok(())
}

/// Whether a person was on the line.
fn is_answered(reason: &str) -> bool {
    !(matches!(
        reason,
        "customer-did-not-answer" | "customer-busy" | "voicemail" | "assistant-not-found" | "assistant-not-valid"
    ) || reason.starts_with("twilio-failed")
        || reason.starts_with("call.start.error")
        || reason.starts_with("assistant-request-"))
}
