//! Reading events from text: one pass where `type` stands before `data`, errors with the path of the field.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, Visitor},
};

use super::{EventBody, EventEnvelope, EventKind, LeadRef};
use crate::Timestamp;

/// Reads the `data` of an event of a known kind.
pub struct BodySeed(pub EventKind);

impl<'de> DeserializeSeed<'de> for BodySeed {
    type Value = EventBody;

    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<EventBody, D::Error> {
        Ok(match self.0 {
            EventKind::LeadCreated => EventBody::LeadCreated(Deserialize::deserialize(data)?),
            EventKind::CrmUpdated => EventBody::CrmUpdated(Deserialize::deserialize(data)?),
            EventKind::StageChanged => EventBody::StageChanged(Deserialize::deserialize(data)?),
            EventKind::VoiceCall => EventBody::VoiceCall(Deserialize::deserialize(data)?),
            EventKind::WebSession => EventBody::WebSession(Deserialize::deserialize(data)?),
            EventKind::PageView => EventBody::PageView(Deserialize::deserialize(data)?),
            EventKind::Email => EventBody::Email(Deserialize::deserialize(data)?),
            EventKind::PropertySearch => EventBody::PropertySearch(Deserialize::deserialize(data)?),
            EventKind::ListingSaved => EventBody::ListingSaved(Deserialize::deserialize(data)?),
            EventKind::Showing => EventBody::Showing(Deserialize::deserialize(data)?),
            EventKind::Message => EventBody::Message(Deserialize::deserialize(data)?),
            EventKind::AgentAction => EventBody::AgentAction(Deserialize::deserialize(data)?),
            EventKind::Consent => EventBody::Consent(Deserialize::deserialize(data)?),
            EventKind::Outcome => EventBody::Outcome(Deserialize::deserialize(data)?),
            EventKind::LeadMerged => EventBody::LeadMerged(Deserialize::deserialize(data)?),
            EventKind::ProcessingLimit => EventBody::ProcessingLimit(Deserialize::deserialize(data)?),
            EventKind::CallTurn => EventBody::CallTurn(Deserialize::deserialize(data)?),
        })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Source,
    SourceEventId,
    Lead,
    OccurredAt,
    Type,
    Data,
}

#[derive(Default)]
struct Parts {
    source: Option<String>,
    source_event_id: Option<String>,
    lead: Option<LeadRef>,
    occurred_at: Option<Timestamp>,
    kind: Option<EventKind>,
    body: Option<EventBody>,
    early_data: Option<serde_json::Value>,
}

impl Parts {
    fn finish<E: de::Error>(self) -> Result<EventEnvelope, E> {
        let kind = self.kind.ok_or_else(|| E::missing_field("type"))?;
        let body = match (self.body, self.early_data) {
            (Some(body), _) => body,
            (None, Some(data)) => BodySeed(kind).deserialize(data).map_err(|e| E::custom(format_args!("data: {e}")))?,
            (None, None) => return Err(E::missing_field("data")),
        };
        Ok(EventEnvelope {
            source: self.source.ok_or_else(|| E::missing_field("source"))?,
            source_event_id: self.source_event_id.ok_or_else(|| E::missing_field("source_event_id"))?,
            lead: self.lead.ok_or_else(|| E::missing_field("lead"))?,
            occurred_at: self.occurred_at.ok_or_else(|| E::missing_field("occurred_at"))?,
            body,
        })
    }
}

struct EnvelopeVisitor;

fn set<T, E: de::Error>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), E> {
    if slot.replace(value).is_some() { Err(E::duplicate_field(name)) } else { Ok(()) }
}

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = EventEnvelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventEnvelope, A::Error> {
        let mut parts = Parts::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Source => set(&mut parts.source, map.next_value()?, "source")?,
                Field::SourceEventId => set(&mut parts.source_event_id, map.next_value()?, "source_event_id")?,
                Field::Lead => set(&mut parts.lead, map.next_value()?, "lead")?,
                Field::OccurredAt => set(&mut parts.occurred_at, map.next_value()?, "occurred_at")?,
                Field::Type => set(&mut parts.kind, map.next_value()?, "type")?,
                Field::Data => match parts.kind {
                    Some(kind) => set(&mut parts.body, map.next_value_seed(BodySeed(kind))?, "data")?,
                    None => set(&mut parts.early_data, map.next_value()?, "data")?,
                },
            }
        }
        parts.finish()
    }
}

impl<'de> Deserialize<'de> for EventEnvelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["source", "source_event_id", "lead", "occurred_at", "type", "data"];
        deserializer.deserialize_struct("EventEnvelope", FIELDS, EnvelopeVisitor)
    }
}

impl EventBody {
    /// The `data` alone, as the log stores it beside the kind.
    ///
    /// # Panics
    /// Never: every body is plain data with string keys.
    #[must_use]
    pub fn data_to_json(&self) -> Vec<u8> {
        let written = match self {
            Self::LeadCreated(data) => serde_json::to_vec(data),
            Self::CrmUpdated(data) => serde_json::to_vec(data),
            Self::StageChanged(data) => serde_json::to_vec(data),
            Self::VoiceCall(data) => serde_json::to_vec(data),
            Self::WebSession(data) => serde_json::to_vec(data),
            Self::PageView(data) => serde_json::to_vec(data),
            Self::Email(data) => serde_json::to_vec(data),
            Self::PropertySearch(data) => serde_json::to_vec(data),
            Self::ListingSaved(data) => serde_json::to_vec(data),
            Self::Showing(data) => serde_json::to_vec(data),
            Self::Message(data) => serde_json::to_vec(data),
            Self::AgentAction(data) => serde_json::to_vec(data),
            Self::Consent(data) => serde_json::to_vec(data),
            Self::Outcome(data) => serde_json::to_vec(data),
            Self::LeadMerged(data) => serde_json::to_vec(data),
            Self::ProcessingLimit(data) => serde_json::to_vec(data),
            Self::CallTurn(data) => serde_json::to_vec(data),
        };
        written.expect("event bodies are plain data with string keys")
    }

    /// Reads what [`Self::data_to_json`] wrote.
    ///
    /// # Errors
    /// Where the bytes are not `data` of an event of this kind.
    pub fn data_from_json(kind: EventKind, data: &[u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(data);
        let body = BodySeed(kind).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(body)
    }
}
