//! Salesforce outbound messages: SOAP with the latest state of leads and contacts.
//!
//! Owns: the XML and its Ack. Invariant: no document type is read, entities are the five of XML, depth is bounded.
//! Deliberately absent: a signature, which Salesforce does not send: the address holds a secret, or a proxy that checks
//! the client's certificate sets a header.

use std::collections::BTreeMap;

use leadscore_domain::{
    EventBody, IdentityKind,
    event::{CrmUpdated, Stage, StageChanged},
};
use quick_xml::{Reader, events::Event};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::{
    make::{self, Maker},
    proof::Proof,
    seam::{Answer, Malformed, Reading, Request},
};

/// Deepest nesting of elements.
const DEPTH_MAX: usize = 16;
/// Most notifications in one message, as Salesforce has it.
const NOTIFICATIONS_MAX: usize = 100;
/// Longest text of one field, in bytes.
const FIELD_MAX_BYTES: usize = 131_072;

/// The connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Salesforce {
    /// A secret in the address, or a header that a proxy sets.
    pub proof: Proof,
    /// The organisation that messages must be of, 18 characters.
    pub organization_id: String,
    /// What stands before a record's id in its CRM handle.
    #[serde(default = "id_prefix")]
    pub id_prefix: String,
    /// Values of `Status`, in lower case, as stages.
    #[serde(default)]
    pub stages: BTreeMap<String, Stage>,
}

fn id_prefix() -> String {
    "salesforce:".into()
}

#[derive(Default)]
struct Notification {
    id: String,
    fields: BTreeMap<String, String>,
}

impl Salesforce {
    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let (organization, notifications) = parse(request.body)?;
        if !bool::from(organization.as_bytes().ct_eq(self.organization_id.as_bytes())) {
            return Err(Malformed::Field("OrganizationId"));
        }
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        for notification in &notifications {
            self.take(maker, &mut reading, notification)?;
        }
        Ok(reading)
    }

    fn take(&self, maker: Maker<'_>, reading: &mut Reading, given: &Notification) -> Result<(), Malformed> {
        const KNOWN: [&str; 8] = [
            "Id",
            "Email",
            "Phone",
            "MobilePhone",
            "Status",
            "LastModifiedDate",
            "SystemModstamp",
            "HasOptedOutOfEmail",
        ];
        let text = |name: &str| given.fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let record = text("Id").ok_or(Malformed::Field("sObject.Id"))?;
        if given.id.is_empty() {
            return Err(Malformed::Field("Notification.Id"));
        }
        let at = text("SystemModstamp").or_else(|| text("LastModifiedDate")).and_then(|at| at.parse().ok());
        let crm = format!("{}{record}", self.id_prefix);
        let lead = make::lead([
            (IdentityKind::Crm, Some(crm.as_str())),
            (IdentityKind::Email, text("Email")),
            (IdentityKind::Phone, text("Phone")),
            (IdentityKind::Phone, text("MobilePhone")),
        ]);
        if let Some(status) = text("Status") {
            match self.stages.get(&status.to_lowercase()) {
                Some(stage) => {
                    let body = EventBody::StageChanged(StageChanged { stage: *stage });
                    reading.push(maker.event(&format!("{}:stage", given.id), lead.clone(), at, body));
                }
                None => reading.count_unknown(&format!("Status={status}")),
            }
        }
        if text("HasOptedOutOfEmail") == Some("true") {
            maker.stop_email(reading, &given.id, &lead, at, "HasOptedOutOfEmail in Salesforce");
        }
        let fields: Vec<(String, Value)> = given
            .fields
            .iter()
            .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
            .map(|(name, text)| (name.trim_end_matches("__c").to_owned(), Value::from(text.as_str())))
            .collect();
        let attributes = make::attributes(reading, fields.iter().map(|(name, value)| (name, value)));
        reading.push(maker.event(&given.id, lead, at, EventBody::CrmUpdated(CrmUpdated { attributes })));
        Ok(())
    }

    pub(crate) fn answer() -> Answer {
        Answer::xml(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
             <notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack>\
             </notificationsResponse></soapenv:Body></soapenv:Envelope>"
                .to_owned(),
        )
    }
}

/// The organisation and the notifications. Only local names count: prefixes are Salesforce's choice.
fn parse(body: &[u8]) -> Result<(String, Vec<Notification>), Malformed> {
    const BROKEN: Malformed = Malformed::Syntax("XML");
    let mut reader = Reader::from_str(std::str::from_utf8(body).map_err(|_| BROKEN)?);
    let mut path: Vec<String> = Vec::new();
    let mut organization = String::new();
    let mut notifications: Vec<Notification> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|_| BROKEN)? {
            Event::Start(tag) => {
                let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
                if name == "Notification" {
                    notifications.push(Notification::default());
                }
                path.push(name);
                if path.len() > DEPTH_MAX || notifications.len() > NOTIFICATIONS_MAX {
                    return Err(Malformed::TooMany);
                }
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|_| BROKEN)?),
            Event::CData(part) => text.push_str(&part.decode().map_err(|_| BROKEN)?),
            Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|_| BROKEN)? {
                Some(c) => text.push(c),
                None => {
                    let name = name.decode().map_err(|_| BROKEN)?;
                    text.push_str(quick_xml::escape::resolve_predefined_entity(&name).ok_or(BROKEN)?);
                }
            },
            Event::End(_) => {
                let name = path.pop().ok_or(BROKEN)?;
                close(&path, name, &text, &mut organization, &mut notifications);
                text.clear();
            }
            Event::DocType(_) => return Err(BROKEN),
            Event::Eof if path.is_empty() && !organization.is_empty() => return Ok((organization, notifications)),
            Event::Eof => return Err(BROKEN),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        if text.len() > FIELD_MAX_BYTES {
            return Err(Malformed::TooMany);
        }
    }
}

fn close(path: &[String], name: String, text: &str, organization: &mut String, notifications: &mut [Notification]) {
    match (path.last().map(String::as_str), notifications.last_mut()) {
        (Some("notifications"), _) if name == "OrganizationId" => text.trim().clone_into(organization),
        (Some("Notification"), Some(last)) if name == "Id" => text.trim().clone_into(&mut last.id),
        (Some("sObject"), Some(last)) => {
            last.fields.insert(name, text.trim().to_owned());
        }
        (_, _) => {}
    }
}
