//! PostHog: events that a webhook destination sends.
//!
//! Owns: the shape of its template. Invariant: an event without an id of its own is known by the hash of its body.
//! Deliberately absent: a signature, which PostHog does not send; a header of the destination holds a secret.

use leadscore_domain::{IdentityKind, time::SECOND_US};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    analytics::{self, Happening, Names},
    json,
    make::{self, Maker},
    proof::Proof,
    seam::{Malformed, Reading, Request},
};

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostHog {
    /// A header of the destination.
    pub proof: Proof,
    /// The site's own names of events, in lower case, as the known ones.
    #[serde(default)]
    pub names: Names,
}

impl PostHog {
    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let mut reading = Reading::default();
        let maker = Maker { source, received_at: request.received_at };
        // The standard template of a destination wraps the event and the person.
        let event = body.get("event").filter(|event| event.is_object()).unwrap_or(&body);
        let name = json::text(event, "/event").ok_or(Malformed::Field("event"))?;
        let hash = make::fingerprint(request.body);
        let id = json::first(event, &["/uuid", "/properties/$insert_id"]).unwrap_or(&hash);
        let person = body.pointer("/person/properties").unwrap_or(&Value::Null);
        let set = event.pointer("/properties/$set").unwrap_or(&Value::Null);
        let web = json::id(event, "/distinct_id");
        let lead = make::lead([
            (IdentityKind::Web, web.as_deref()),
            (IdentityKind::Email, json::text(person, "/email").or_else(|| json::text(set, "/email"))),
            (IdentityKind::Phone, json::text(person, "/phone").or_else(|| json::text(set, "/phone"))),
        ]);
        let own = event.get("properties").unwrap_or(&Value::Null);
        let properties = if matches!(name, "$identify" | "$set") { set } else { own };
        let seen = Happening { id, lead, at: json::time(event, "/timestamp", SECOND_US), properties };
        match name {
            "$pageview" => analytics::page(maker, &mut reading, seen),
            "$identify" | "$set" => analytics::identify(maker, &mut reading, seen),
            "$pageleave" | "$autocapture" | "$web_vitals" => reading.dropped.ignored += 1,
            name => analytics::track(maker, &mut reading, &self.names, name, seen),
        }
        Ok(reading)
    }
}
