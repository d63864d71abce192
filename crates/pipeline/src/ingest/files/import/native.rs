//! Files in the product's own form, without a mapping: JSON lines of events or market snapshots.

use std::{borrow::Cow, fmt};

use leadscore_domain::{EventBody, EventEnvelope, MarketSnapshot, Timestamp};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::row::{Context, Output, Reject};
use crate::ingest::files::Kind;

/// An event with the optional member `received_at` beside the envelope's own.
struct Line {
    envelope: EventEnvelope,
    received_at: Option<Timestamp>,
}

/// Reads one line.
pub(super) fn read(kind: Kind, bytes: &[u8], context: &Context) -> Result<Output, Reject> {
    if kind == Kind::Market {
        let snapshot: MarketSnapshot = serde_json::from_slice(bytes).map_err(|e| refusal(&e))?;
        snapshot.validate()?;
        return Ok(Output::Market(vec![snapshot]));
    }
    let line: Line = serde_json::from_slice(bytes).map_err(|e| refusal(&e))?;
    let fits = match (kind, &line.envelope.body) {
        (Kind::Leads, body) => matches!(body, EventBody::LeadCreated(_) | EventBody::Outcome(_)),
        (Kind::Outcomes, body) => matches!(body, EventBody::Outcome(_)),
        (Kind::Events | Kind::Market, _) => true,
    };
    if !fits {
        let reason = format!("is no event of a file of {}; import it as events", kind.as_str());
        return Err(Reject::new("type", reason));
    }
    let received_at = line.received_at.unwrap_or(line.envelope.occurred_at);
    Ok(Output::Events(vec![context.pending(line.envelope, received_at)?]))
}

fn refusal(error: &serde_json::Error) -> Reject {
    Reject::new("", error.to_string())
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Line, A::Error> {
        let mut received_at = None;
        let members = WithoutReceipt { map, received_at: &mut received_at };
        let envelope = EventEnvelope::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Line { envelope, received_at })
    }
}

/// The members of an object without `received_at`, which is put aside: one pass over the text.
struct WithoutReceipt<'a, A> {
    map: A,
    received_at: &'a mut Option<Timestamp>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutReceipt<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            if key != "received_at" {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            if self.received_at.replace(self.map.next_value()?).is_some() {
                return Err(de::Error::duplicate_field("received_at"));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A member's name, borrowed from the text where it holds no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
