//! Rows of events.

use std::collections::BTreeMap;

use leadscore_domain::{EventBody, EventEnvelope, EventKind, event::BodySeed};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use super::row::{AttributePlans, Column, Context, Identities, Output, Positions, Reject, When, id_of_row, lead_ref};
use crate::ingest::files::{
    ImportError,
    cells::Cells,
    mapping::{EventType, Field, Mapping},
    values::{self, same_word},
};

/// Members of events' data that are numbers.
const NUMBERS: [&str; 10] = [
    "duration_ms",
    "page_count",
    "download_count",
    "price_min",
    "price_max",
    "price",
    "bedrooms_min",
    "sentiment",
    "value",
    "start_ms",
];
/// Members that are yes or no.
const BOOLEANS: [&str; 2] = ["answered", "ai_voice"];
/// Members that are lists, in a field parted by `;` or `|`.
const LISTS: [&str; 2] = ["areas", "property_types"];
/// Members that are one word out of a fixed set.
const WORDS: [&str; 11] =
    ["direction", "action", "page", "deal", "medium", "stage", "result", "property_type", "purpose", "state", "basis"];
/// Members that are free text or ids.
const TEXTS: [&str; 10] =
    ["text", "listing_key", "message_id", "area", "agent_id", "reason", "evidence", "name", "channel", "time_zone"];
/// Members that are instants, in RFC 3339.
const TIMES: [&str; 1] = ["scheduled_for"];

/// Whether an event's data has a member of this name that a column can fill.
pub(in crate::ingest::files) fn known_field(name: &str) -> bool {
    [&NUMBERS[..], &BOOLEANS, &LISTS, &WORDS, &TEXTS, &TIMES].iter().any(|names| names.contains(&name))
}

/// How a row of an events file is read.
pub(super) struct EventPlan {
    identities: Identities,
    occurred_at: When,
    received_at: Option<When>,
    kind: KindPlan,
    id: Option<Column>,
    fields: Vec<FieldPlan>,
    attributes: AttributePlans,
}

enum KindPlan {
    All(EventKind),
    Column(Column, BTreeMap<String, EventKind>),
}

struct FieldPlan {
    name: String,
    column: Option<Column>,
    value: Option<Value>,
    scale: Option<f64>,
    words: Vec<(String, Value)>,
}

impl EventPlan {
    pub fn new(mapping: &Mapping, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        let absent = |name| ImportError::mapping(name, "is missing", "add it");
        let lead = mapping.lead.as_ref().ok_or_else(|| absent("lead"))?;
        let event = mapping.event.as_ref().ok_or_else(|| absent("event"))?;
        let occurred_at = mapping.occurred_at.as_ref().ok_or_else(|| absent("occurred_at"))?;
        let kind = match &event.kind {
            EventType::All(kind) => KindPlan::All(*kind),
            EventType::Column { column, values } => KindPlan::Column(positions.of(column), values.clone()),
        };
        let fields = event.fields.iter().map(|(name, field)| FieldPlan::new(name, field, positions));
        let fields = fields.collect::<Result<_, _>>()?;
        Ok(Self {
            identities: Identities::new(lead, positions),
            occurred_at: When::new(occurred_at, positions)?,
            received_at: mapping.received_at.as_ref().map(|time| When::new(time, positions)).transpose()?,
            kind,
            id: positions.maybe(event.id.as_ref()),
            fields,
            attributes: AttributePlans::new(&mapping.attributes, &mapping.format, positions)?,
        })
    }

    pub fn read(&self, cells: &Cells, number: u64, context: &Context) -> Result<Output, Reject> {
        let identities = self.identities.read(cells, number, context)?;
        let occurred_at = self.occurred_at.read(cells, &context.missing, number)?;
        let received_at = match &self.received_at {
            Some(when) => when.read(cells, &context.missing, number)?,
            None => occurred_at,
        };
        let source_event_id = match &self.id {
            Some(column) => {
                let id = column.known(cells, &context.missing).ok_or_else(|| column.reject("is missing"))?;
                id.to_owned()
            }
            None => id_of_row("row", cells),
        };
        let body = self.body(cells, context)?;
        let lead = lead_ref(identities);
        let envelope = EventEnvelope { source: context.source.clone(), source_event_id, lead, occurred_at, body };
        Ok(Output::Events(vec![context.pending(envelope, received_at)?]))
    }

    fn body(&self, cells: &Cells, context: &Context) -> Result<EventBody, Reject> {
        let kind = match &self.kind {
            KindPlan::All(kind) => *kind,
            KindPlan::Column(column, values) => {
                let word = column.known(cells, &context.missing).ok_or_else(|| column.reject("is missing"))?;
                let found = values.iter().find(|(name, _)| same_word(name.trim(), word));
                *found.ok_or_else(|| column.reject("is a kind of event that the mapping does not list"))?.1
            }
        };
        let mut data = Map::new();
        for field in &self.fields {
            if let Some(value) = field.read(cells, context)? {
                data.insert(field.name.clone(), value);
            }
        }
        if matches!(kind, EventKind::CrmUpdated | EventKind::LeadCreated) {
            let attributes = self.attributes.read(cells, context)?;
            let attributes = serde_json::to_value(attributes).map_err(|e| Reject::new("attributes", e.to_string()))?;
            data.insert("attributes".to_owned(), attributes);
        }
        BodySeed(kind).deserialize(Value::Object(data)).map_err(|e| Reject::new("data", e.to_string()))
    }
}

impl FieldPlan {
    fn new(name: &str, field: &Field, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        let json = |value: &toml::Value| {
            serde_json::to_value(value)
                .map_err(|e| ImportError::mapping(format_args!("event.fields.{name}"), e, "use a plain value"))
        };
        let words = field.words.iter().map(|(word, value)| Ok((word.clone(), json(value)?)));
        Ok(Self {
            name: name.to_owned(),
            column: positions.maybe(field.column.as_ref()),
            value: field.value.as_ref().map(json).transpose()?,
            scale: field.scale,
            words: words.collect::<Result<_, ImportError>>()?,
        })
    }

    fn read(&self, cells: &Cells, context: &Context) -> Result<Option<Value>, Reject> {
        let Some(column) = &self.column else { return Ok(self.value.clone()) };
        let Some(text) = column.known(cells, &context.missing) else { return Ok(None) };
        if let Some((_, value)) = self.words.iter().find(|(word, _)| same_word(word.trim(), text)) {
            return Ok(Some(value.clone()));
        }
        let name = self.name.as_str();
        let value = if NUMBERS.contains(&name) {
            let number = values::number(text, context.decimal).map_err(|problem| column.reject(problem))?;
            json_number(number * self.scale.unwrap_or(1.0), name)
                .ok_or_else(|| column.reject("is too large a number"))?
        } else if BOOLEANS.contains(&name) {
            Value::Bool(values::boolean(text).ok_or_else(|| column.reject("is neither yes nor no"))?)
        } else if LISTS.contains(&name) {
            let words = text.split([';', '|']).map(str::trim).filter(|word| !word.is_empty());
            Value::Array(words.map(|word| Value::String(member(name, word))).collect())
        } else {
            Value::String(member(name, text))
        };
        Ok(Some(value))
    }
}

/// Words of fixed sets are written in small letters with underscores; other texts stay as they are.
fn member(name: &str, text: &str) -> String {
    if WORDS.contains(&name) || name == "property_types" {
        return text.to_lowercase().replace([' ', '-'], "_");
    }
    if name == "text" { text.to_owned() } else { values::category(text).into_owned() }
}

/// Everything but a sentiment is a whole number.
fn json_number(number: f64, name: &str) -> Option<Value> {
    if name == "sentiment" {
        return serde_json::Number::from_f64(number).map(Value::Number);
    }
    // 2^53: beyond it a whole number is not exact.
    (number.abs() < 9_007_199_254_740_992.0).then(|| Value::from(number.round() as i64))
}
