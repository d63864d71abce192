//! HubSpot, webhooks of version 3: contacts that came, changed, or moved on.
//!
//! Owns: `X-HubSpot-Signature-v3` and lists of changes. Invariant: `eventId` alone is no identity, so an event's id is
//! made of portal, type, object, event and time. Deliberately absent: HubSpot's API; objects that are no contacts.

use std::collections::BTreeMap;

use leadscore_domain::{
    EventBody, IdentityKind, Timestamp,
    event::{CrmUpdated, LeadCreated, Stage, StageChanged},
};
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    json::{self, MILLISECOND_US},
    make::{self, Maker, check_count},
    proof::{Secrets, WINDOW_S, expect, from_base64, header, within},
    seam::{Malformed, Reading, Refusal, Request},
};

/// HubSpot's id of contacts among the types of objects.
const CONTACT_TYPE: &str = "0-1";

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSpot {
    /// Client secrets of the app.
    pub secrets: Secrets,
    /// What stands before a contact's id in its CRM handle: ids of two CRMs must not meet.
    #[serde(default = "id_prefix")]
    pub id_prefix: String,
    /// The property that holds the stage.
    #[serde(default = "stage_property")]
    pub stage_property: String,
    /// Its values as stages; HubSpot's own where there is no entry.
    #[serde(default)]
    pub stages: BTreeMap<String, Stage>,
}

fn id_prefix() -> String {
    "hubspot:".into()
}

fn stage_property() -> String {
    "lifecyclestage".into()
}

impl HubSpot {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        const NAME: &str = "x-hubspot-signature-v3";
        const TIME: &str = "x-hubspot-request-timestamp";
        let tag = from_base64(NAME, header(request.headers, NAME)?)?;
        let time = header(request.headers, TIME)?;
        within(TIME, time, MILLISECOND_US, WINDOW_S, request.received_at)?;
        let raw = request.url.as_str().to_owned();
        let fits = [decoded(&raw), raw].iter().fold(false, |found, url| {
            let message = [request.method.as_str().as_bytes(), url.as_bytes(), request.body, time.as_bytes()].concat();
            found | self.secrets.signed(hmac::HMAC_SHA256, &message, &tag)
        });
        expect(fits)
    }

    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let changes = body.as_array().ok_or(Malformed::Syntax("a JSON list"))?;
        check_count(changes.len())?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let mut changes: Vec<(Option<Timestamp>, &Value)> =
            changes.iter().map(|change| (json::time(change, "/occurredAt", MILLISECOND_US), change)).collect();
        changes.sort_by_key(|(at, _)| *at);
        for (at, change) in changes {
            self.read_change(maker, &mut reading, change, at);
        }
        Ok(reading)
    }

    fn read_change(&self, maker: Maker<'_>, reading: &mut Reading, change: &Value, at: Option<Timestamp>) {
        let Some((kind, object)) = json::text(change, "/subscriptionType").zip(json::id(change, "/objectId")) else {
            reading.dropped.invalid += 1;
            return;
        };
        let part = |pointer| json::id(change, pointer).unwrap_or_default();
        let id = format!(
            "{}:{kind}:{object}:{}:{}:{}",
            part("/portalId"),
            part("/eventId"),
            part("/occurredAt"),
            part("/propertyName")
        );
        let is_contact = kind.starts_with("contact.")
            || kind.starts_with("object.") && json::text(change, "/objectTypeId") == Some(CONTACT_TYPE);
        let crm = format!("{}{object}", self.id_prefix);
        let action = kind.split_once('.').map_or(kind, |(_, action)| action);
        match action {
            "creation" if is_contact => {
                let lead = make::lead([(IdentityKind::Crm, Some(crm.as_str()))]);
                reading.push(maker.event(&id, lead, at, EventBody::LeadCreated(LeadCreated::default())));
            }
            "propertyChange" if is_contact => self.read_property(maker, reading, change, (&id, &crm), at),
            _ => reading.count_unknown(kind),
        }
    }

    fn read_property(
        &self,
        maker: Maker<'_>,
        reading: &mut Reading,
        change: &Value,
        (id, crm): (&str, &str),
        at: Option<Timestamp>,
    ) {
        let Some(name) = json::text(change, "/propertyName") else {
            reading.dropped.invalid += 1;
            return;
        };
        let text = json::text(change, "/propertyValue");
        let crm = (IdentityKind::Crm, Some(crm));
        let mut lead = make::lead([crm]);
        let body = match name {
            "email" => {
                lead = make::lead([crm, (IdentityKind::Email, text)]);
                EventBody::CrmUpdated(CrmUpdated::default())
            }
            "phone" | "mobilephone" => {
                lead = make::lead([crm, (IdentityKind::Phone, text)]);
                EventBody::CrmUpdated(CrmUpdated::default())
            }
            "hs_email_optout" => {
                if text == Some("true") {
                    maker.stop_email(reading, id, &lead, at, &format!("hs_email_optout in HubSpot, {id}"));
                } else {
                    reading.dropped.ignored += 1;
                }
                return;
            }
            name if name == self.stage_property => match text.and_then(|value| self.stage(value)) {
                Some(stage) => EventBody::StageChanged(StageChanged { stage }),
                None => {
                    reading.count_unknown(&format!("{name}={}", text.unwrap_or_default()));
                    return;
                }
            },
            name => {
                let value = change.get("propertyValue").unwrap_or(&Value::Null);
                let attributes = make::attributes(reading, [(&name.to_owned(), value)]);
                if attributes.is_empty() {
                    return;
                }
                EventBody::CrmUpdated(CrmUpdated { attributes })
            }
        };
        reading.push(maker.event(id, lead, at, body));
    }

    fn stage(&self, value: &str) -> Option<Stage> {
        self.stages.get(value).copied().or(match value {
            "subscriber" | "lead" => Some(Stage::New),
            "marketingqualifiedlead" => Some(Stage::Engaged),
            "salesqualifiedlead" => Some(Stage::Qualified),
            "opportunity" => Some(Stage::Negotiating),
            "customer" => Some(Stage::Won),
            _ => None,
        })
    }
}

/// HubSpot signs the address with these characters decoded (its guide to validating requests).
fn decoded(url: &str) -> String {
    const CODES: [(&str, &str); 13] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
        ("%2B", "+"),
    ];
    CODES.iter().fold(url.to_owned(), |url, (code, c)| url.replace(code, c).replace(&code.to_lowercase(), c))
}
