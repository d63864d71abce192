//! Segment, and RudderStack, whose events have Segment's shape.
//!
//! Owns: `X-Signature` and the shape of the events. Invariant: a batch under a signature is refused, because Segment
//! signs only its first event. Deliberately absent: names of events, which `analytics` knows.

use leadscore_domain::{IdentityKind, event::LeadRef, time::SECOND_US};
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    analytics::{self, Happening, Names},
    json,
    make::{self, Maker, check_count},
    proof::{Proof, Secrets, expect, from_hex, header},
    seam::{Malformed, Reading, Refusal, Request},
};

/// The connector of Segment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Shared secrets of the webhook destination.
    pub secrets: Secrets,
    /// What stands before a user's id in its CRM handle.
    #[serde(default)]
    pub id_prefix: String,
    /// The site's own names of events, in lower case, as the known ones.
    #[serde(default)]
    pub names: Names,
}

/// The connector of RudderStack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RudderStack {
    /// RudderStack does not sign: a header of its settings.
    pub proof: Proof,
    /// What stands before a user's id in its CRM handle.
    #[serde(default)]
    pub id_prefix: String,
    /// The site's own names of events, in lower case, as the known ones.
    #[serde(default)]
    pub names: Names,
}

impl Segment {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "x-signature";
        let tag = from_hex(NAME, header(request.headers, NAME)?)?;
        expect(self.secrets.signed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, request.body, &tag))
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let mut reading = Reading::default();
        let maker = Maker { source, received_at: request.received_at };
        read_one(maker, &mut reading, &body, &self.id_prefix, &self.names)?;
        Ok(reading)
    }
}

impl RudderStack {
    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let mut reading = Reading::default();
        let maker = Maker { source, received_at: request.received_at };
        let batch = body.as_array().or_else(|| body.get("batch").and_then(Value::as_array));
        let Some(batch) = batch else {
            read_one(maker, &mut reading, &body, &self.id_prefix, &self.names)?;
            return Ok(reading);
        };
        check_count(batch.len())?;
        for event in batch {
            read_one(maker, &mut reading, event, &self.id_prefix, &self.names)?;
        }
        Ok(reading)
    }
}

fn read_one(
    maker: Maker<'_>,
    reading: &mut Reading,
    event: &Value,
    prefix: &str,
    names: &Names,
) -> Result<(), Malformed> {
    let kind = json::text(event, "/type").ok_or(Malformed::Field("type"))?;
    let id = json::first(event, &["/messageId", "/message_id"]).ok_or(Malformed::Field("messageId"))?;
    let at = ["/originalTimestamp", "/timestamp"].iter().rev().find_map(|at| json::time(event, at, SECOND_US));
    let known = match kind {
        "identify" => "/traits",
        "page" | "screen" | "track" => "/properties",
        _ => "",
    };
    let properties = event.pointer(known).unwrap_or(&Value::Null);
    let properties =
        if properties.is_null() { event.pointer("/context/traits").unwrap_or(&Value::Null) } else { properties };
    let seen = Happening { id, lead: lead(event, prefix), at, properties };
    match kind {
        "identify" => analytics::identify(maker, reading, seen),
        "page" | "screen" => analytics::page(maker, reading, seen),
        "track" => {
            let name = json::text(event, "/event").ok_or(Malformed::Field("event"))?;
            analytics::track(maker, reading, names, name, seen);
        }
        other => reading.count_unknown(other),
    }
    Ok(())
}

fn lead(event: &Value, prefix: &str) -> LeadRef {
    let user = json::id(event, "/userId").map(|id| format!("{prefix}{id}"));
    let anonymous = json::id(event, "/anonymousId");
    make::lead([
        (IdentityKind::Crm, user.as_deref()),
        (IdentityKind::Web, anonymous.as_deref()),
        (IdentityKind::Email, json::first(event, &["/traits/email", "/context/traits/email"])),
        (IdentityKind::Phone, json::first(event, &["/traits/phone", "/context/traits/phone"])),
    ])
}
