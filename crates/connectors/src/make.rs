//! Making events: ids, times, leads, attributes and calls within the domain's bounds.
//!
//! Owns: how a value of a vendor becomes one of the domain. Invariant: the same delivery gives the same events, whenever
//! it comes. Deliberately absent: any vendor's names.

use std::collections::BTreeSet;

use leadscore_domain::{
    AttributeValue, Attributes, Consent, ConsentState, EventBody, EventEnvelope, IdentityKind, LegalBasis, Purpose,
    RawIdentity, Timestamp,
    event::{CallTurn, Direction, LeadRef, Speaker, Turn},
    limits, protected,
};
use ring::digest;
use serde_json::Value;

use crate::{
    json,
    seam::{LiveSignal, Malformed, Reading},
    text::{clip, cut, is_opt_out},
};

/// Makes the events of one request of one connector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maker<'a> {
    pub(crate) source: &'a str,
    pub(crate) received_at: Timestamp,
}

/// A turn as a vendor tells it.
pub(crate) struct Said<'a> {
    pub(crate) call_id: &'a str,
    /// Unique in the call.
    pub(crate) id: String,
    pub(crate) lead: LeadRef,
    pub(crate) direction: Direction,
    pub(crate) ai_voice: bool,
    pub(crate) speaker: Speaker,
    pub(crate) text: &'a str,
    /// From the start of the call; 0 where that is not told.
    pub(crate) start_ms: f64,
    pub(crate) at: Timestamp,
}

impl Maker<'_> {
    /// An event. A time that cannot be is replaced by the arrival's.
    pub(crate) fn event(&self, id: &str, lead: LeadRef, at: Option<Timestamp>, body: EventBody) -> EventEnvelope {
        let latest = self.received_at.plus_micros(limits::CLOCK_SKEW_MAX_US);
        let plausible = at.filter(|at| *at <= latest && *at >= EARLIEST);
        EventEnvelope {
            source: self.source.to_owned(),
            source_event_id: event_id(id),
            lead,
            occurred_at: plausible.unwrap_or(self.received_at),
            body,
        }
    }

    /// A turn of a call that goes on: an event where the request names the lead, else a signal that names the call.
    pub(crate) fn turn(&self, reading: &mut Reading, said: Said<'_>) {
        let Said { call_id, id, lead, direction, ai_voice, speaker, text, start_ms, at } = said;
        let opt_out = speaker == Speaker::Lead && is_opt_out(text);
        if opt_out {
            self.stop_calls(reading, call_id, &lead, Some(at), &format!("said in call {call_id}"));
        }
        let (call_id, text) = (event_id(call_id), cut(text.trim(), limits::TEXT_MAX_BYTES).to_owned());
        if lead.lead_id.is_none() && lead.identities.is_empty() {
            reading.live.push(LiveSignal::Turn { call_id, speaker, text, at, opt_out });
            return;
        }
        let turn = Turn { speaker, text, start_ms: call_ms(start_ms), duration_ms: None, sentiment: None };
        let body = EventBody::CallTurn(CallTurn { call_id: call_id.clone(), direction, ai_voice, turn });
        reading.push(self.event(&format!("{call_id}:turn:{id}"), lead, Some(at), body));
    }

    /// Withdrawals of both purposes of calls: what is said or texted counts for every kind of call.
    pub(crate) fn stop_calls(
        &self,
        reading: &mut Reading,
        id: &str,
        lead: &LeadRef,
        at: Option<Timestamp>,
        proof: &str,
    ) {
        for (purpose, word) in [(Purpose::CallByPerson, "person"), (Purpose::CallByAi, "ai")] {
            let body = withdrawn(purpose, proof);
            reading.push(self.event(&format!("{id}:stop:{word}"), lead.clone(), at, body));
        }
    }

    /// The withdrawal of consent to e-mail.
    pub(crate) fn stop_email(
        &self,
        reading: &mut Reading,
        id: &str,
        lead: &LeadRef,
        at: Option<Timestamp>,
        proof: &str,
    ) {
        let body = withdrawn(Purpose::Email, proof);
        reading.push(self.event(&format!("{id}:stop:email"), lead.clone(), at, body));
    }
}

/// Refuses more items than one request may hold.
pub(crate) const fn check_count(count: usize) -> Result<(), Malformed> {
    if count > crate::seam::EVENTS_MAX { Err(Malformed::TooMany) } else { Ok(()) }
}

/// 2000-01-01T00:00:00Z: before it, a date is a mistake.
const EARLIEST: Timestamp = match Timestamp::from_micros(946_684_800_000_000) {
    Some(instant) => instant,
    None => Timestamp::MIN,
};

/// An id within the bound: a longer one, or one with control characters, becomes its SHA-256.
fn event_id(id: &str) -> String {
    if id.len() <= limits::SOURCE_EVENT_ID_MAX_BYTES && !id.chars().any(char::is_control) && !id.trim().is_empty() {
        id.to_owned()
    } else {
        fingerprint(id.as_bytes())
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn withdrawn(purpose: Purpose, proof: &str) -> EventBody {
    EventBody::Consent(Consent {
        purpose,
        state: ConsentState::Withdrawn,
        basis: LegalBasis::Consent,
        evidence: clip(proof, limits::CATEGORY_MAX_BYTES),
    })
}

/// A lead by its handles; empty and overlong ones are left out.
pub(crate) fn lead<'a>(handles: impl IntoIterator<Item = (IdentityKind, Option<&'a str>)>) -> LeadRef {
    let mut seen = BTreeSet::new();
    let identities = handles
        .into_iter()
        .filter_map(|(kind, value)| Some((kind, value?.trim())))
        .filter(|(kind, value)| usable(*kind, value) && seen.insert((*kind, (*value).to_owned())))
        .take(limits::IDENTITIES_MAX)
        .map(|(kind, value)| RawIdentity { kind, value: value.to_owned() })
        .collect();
    LeadRef { lead_id: None, identities }
}

/// What callers without a number are called must not join them all to one lead; the domain refuses what is no handle.
fn usable(kind: IdentityKind, value: &str) -> bool {
    let raw = RawIdentity { kind, value: value.to_owned() };
    raw.normalise(leadscore_domain::Region::default()).is_ok()
        && !matches!(value.to_ascii_lowercase().as_str(), "null" | "undefined" | "anonymous" | "unknown" | "none" | "0")
        && !WITHHELD.contains(&value)
}

/// Numbers that carriers send for withheld ones (`RESTRICTED`, `ANONYMOUS`, `UNKNOWN` on a keypad).
const WITHHELD: &[&str] = &["+266696687", "+7378742833", "+86282452253", "+2562533", "+8656696"];

/// The lead's number among the two of a call.
pub(crate) const fn remote<'a>(direction: Direction, from: Option<&'a str>, to: Option<&'a str>) -> Option<&'a str> {
    match direction {
        Direction::Inbound => from,
        Direction::Outbound => to,
    }
}

/// Our number among the two of a call.
pub(crate) const fn ours<'a>(direction: Direction, from: Option<&'a str>, to: Option<&'a str>) -> Option<&'a str> {
    remote(direction, to, from)
}

/// Attributes from an object's properties: protected and unusable ones are dropped and counted.
pub(crate) fn attributes<'a>(
    reading: &mut Reading,
    properties: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in properties {
        if protected::classify(name).is_some() {
            reading.dropped.protected += 1;
            continue;
        }
        let parsed = name.parse().ok().zip(attribute(value));
        match parsed {
            Some((name, value)) if attributes.len() < limits::ATTRIBUTES_MAX => {
                attributes.insert(name, value);
            }
            Some(_) | None => reading.dropped.invalid += 1,
        }
    }
    attributes
}

/// `None` where the value is of no type of the domain's; `Some(None)` where it was cleared.
pub(crate) fn attribute(value: &Value) -> Option<Option<AttributeValue>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(value) => Some(Some(AttributeValue::Boolean(*value))),
        Value::Number(number) => Some(Some(AttributeValue::Number(number.as_f64()?))),
        Value::String(text) => Some(from_text(text)),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// CRMs write every type as text: a number, yes or no, and a time are told apart from words.
fn from_text(text: &str) -> Option<AttributeValue> {
    let text = clip(text, limits::CATEGORY_MAX_BYTES);
    if text.is_empty() {
        return None;
    }
    let digits = text.trim_start_matches('-');
    // Leading zeros say that it is a code, and a long row of digits that it is an id.
    let numeric = digits.len() <= 15
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && (digits.len() == 1 || !digits.starts_with('0') || digits.starts_with("0."));
    if let Some(number) = numeric.then(|| text.parse().ok()).flatten() {
        return Some(AttributeValue::Number(number));
    }
    Some(match text.as_str() {
        "true" => AttributeValue::Boolean(true),
        "false" => AttributeValue::Boolean(false),
        _ => text.parse().map_or(AttributeValue::Category(text), |time| AttributeValue::Time { time }),
    })
}

/// Turns in the order of their time, within the domain's bounds.
pub(crate) fn turns(spoken: impl Iterator<Item = (Speaker, String, f64, Option<f64>)>) -> Vec<Turn> {
    let bounded = |ms: f64| json::whole(ms).map(|ms| ms.min(limits::DURATION_MAX_MS));
    let mut turns: Vec<Turn> = spoken
        .filter(|(_, text, _, _)| !text.trim().is_empty())
        .take(limits::TURNS_MAX)
        .map(|(speaker, text, start_ms, duration_ms)| Turn {
            speaker,
            text: cut(text.trim(), limits::TEXT_MAX_BYTES).to_owned(),
            start_ms: bounded(start_ms).unwrap_or_default(),
            duration_ms: duration_ms.and_then(bounded),
            sentiment: None,
        })
        .collect();
    turns.sort_by_key(|turn| turn.start_ms);
    turns
}

/// The length of a call within the domain's bound.
pub(crate) fn call_ms(ms: f64) -> u32 {
    json::whole(ms).unwrap_or_default().min(limits::DURATION_MAX_MS)
}

/// Whether the lead opted out in any of the turns.
pub(crate) fn opted_out(turns: &[Turn]) -> bool {
    turns.iter().any(|turn| turn.speaker == Speaker::Lead && is_opt_out(&turn.text))
}
