//! Follow Up Boss: thin events that say which people changed.
//!
//! Owns: `FUB-Signature`, the addresses to fetch, and the people that come back. Invariant: an address is fetched from
//! Follow Up Boss alone, whatever the event says. Deliberately absent: the fetching, and the key for it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_domain::{
    EventBody, IdentityKind, Timestamp,
    event::{CrmUpdated, Stage, StageChanged},
};
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    json,
    make::{self, Maker, check_count},
    proof::{Secrets, expect, from_hex, header},
    seam::{Malformed, Reading, Refusal, Request},
    text::clip,
};

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUpBoss {
    /// System keys.
    pub secrets: Secrets,
    /// What stands before a person's id in their CRM handle.
    #[serde(default = "id_prefix")]
    pub id_prefix: String,
    /// Names of stages, in lower case, as stages.
    #[serde(default)]
    pub stages: BTreeMap<String, Stage>,
}

fn id_prefix() -> String {
    "fub:".into()
}

impl FollowUpBoss {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "fub-signature";
        let tag = from_hex(NAME, header(request.headers, NAME)?)?;
        expect(self.secrets.signed(hmac::HMAC_SHA256, STANDARD.encode(request.body).as_bytes(), &tag))
    }

    pub(crate) fn read(&self, _source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let mut reading = Reading::default();
        let event = json::text(&body, "/event").ok_or(Malformed::Field("event"))?;
        match event {
            "peopleCreated" | "peopleUpdated" | "peopleStageUpdated" | "peopleTagsCreated" => {
                let uri = json::text(&body, "/uri").ok_or(Malformed::Field("uri"))?;
                reading.refetch.push(address(uri).ok_or(Malformed::Field("uri"))?);
            }
            other => reading.count_unknown(other),
        }
        Ok(reading)
    }

    /// Reads people as the fetched address answers.
    pub(crate) fn read_fetched(&self, source: &str, body: &[u8], now: Timestamp) -> Result<Reading, Malformed> {
        let body = json::parse(body)?;
        let maker = Maker { source, received_at: now };
        let people = match body.get("people") {
            Some(Value::Array(people)) => people.iter().collect(),
            Some(_) | None => vec![&body],
        };
        check_count(people.len())?;
        let mut reading = Reading::default();
        for person in people {
            self.read_person(maker, &mut reading, person)?;
        }
        Ok(reading)
    }

    fn read_person(&self, maker: Maker<'_>, reading: &mut Reading, person: &Value) -> Result<(), Malformed> {
        const KNOWN: [&str; 9] =
            ["id", "created", "updated", "emails", "phones", "stage", "addresses", "collaborators", "tags"];
        let id = json::id(person, "/id").ok_or(Malformed::Field("id"))?;
        let updated = json::text(person, "/updated").unwrap_or_default();
        let at = updated.parse().ok();
        let crm = format!("{}{id}", self.id_prefix);
        let values = |list, kind| json::list(person, list).iter().map(move |v| (kind, json::text(v, "/value")));
        let handles = [(IdentityKind::Crm, Some(crm.as_str()))].into_iter();
        let lead = make::lead(
            handles.chain(values("/emails", IdentityKind::Email)).chain(values("/phones", IdentityKind::Phone)),
        );
        if let Some(name) = json::text(person, "/stage") {
            match self.stage(name) {
                Some(stage) => {
                    let body = EventBody::StageChanged(StageChanged { stage });
                    reading.push(maker.event(&format!("{id}:stage:{name}:{updated}"), lead.clone(), at, body));
                }
                None => reading.count_unknown(&clip(&format!("stage={name}"), 64)),
            }
        }
        let fields = person.as_object().into_iter().flatten();
        let plain = fields.filter(|(name, value)| {
            !KNOWN.contains(&name.as_str()) && !value.is_array() && !value.is_object() && !value.is_null()
        });
        let attributes = make::attributes(reading, plain);
        let body = EventBody::CrmUpdated(CrmUpdated { attributes });
        reading.push(maker.event(&format!("{id}:updated:{updated}"), lead, at, body));
        Ok(())
    }

    fn stage(&self, name: &str) -> Option<Stage> {
        let name = name.to_lowercase();
        self.stages.get(&name).copied().or(match name.as_str() {
            "lead" => Some(Stage::New),
            "attempted contact" | "contacted" => Some(Stage::Contacted),
            "hot prospect" => Some(Stage::Qualified),
            "nurture" => Some(Stage::Nurturing),
            "active client" => Some(Stage::Showing),
            "pending" => Some(Stage::Negotiating),
            "closed" => Some(Stage::Won),
            "trash" => Some(Stage::Lost),
            _ => None,
        })
    }
}

/// The address with all fields asked for, where it is one of Follow Up Boss.
fn address(uri: &str) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    let own = url.scheme() == "https"
        && url.host_str() == Some("api.followupboss.com")
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !own {
        return None;
    }
    if !url.query_pairs().any(|(key, _)| key == "fields") {
        url.query_pairs_mut().append_pair("fields", "allFields");
    }
    Some(url.into())
}
