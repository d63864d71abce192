//! Any other JSON webhook, by a mapping in the configuration.
//!
//! Owns: the mapping's words: pointers, constants, tables of values. Invariant: what a rule makes is read and checked as
//! any event is; what does not fit is counted. Deliberately absent: expressions; normal forms of handles.

use std::collections::BTreeMap;

use leadscore_domain::{
    EventKind, IdentityKind,
    event::{BodySeed, LeadRef},
    time::SECOND_US,
};
use serde::{Deserialize, de::DeserializeSeed as _};
use serde_json::{Map, Value};

use crate::{
    json::{self, MILLISECOND_US},
    make::{self, Maker, check_count},
    proof::Proof,
    seam::{Malformed, Reading, Request},
};

/// The connector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    /// The proof.
    pub proof: Proof,
    /// Pointer to the list of events (RFC 6901); without it the body is one event.
    #[serde(default)]
    pub items: Option<String>,
    /// Pointer to the event's id.
    pub id: String,
    /// Pointer to its time; without it the arrival counts.
    #[serde(default)]
    pub time: Option<String>,
    /// The unit of a time that is a number.
    #[serde(default)]
    pub time_unit: TimeUnit,
    /// Pointer to its type, for the counts of unknown ones.
    #[serde(default)]
    pub kind: Option<String>,
    /// Rules: each that fits makes an event.
    pub rules: Vec<Rule>,
}

/// Unit of a time that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

/// What becomes an event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Pointers and the values that must stand there; without any the rule always fits.
    #[serde(default)]
    pub when: BTreeMap<String, Value>,
    /// The kind of event.
    pub event: EventKind,
    /// Handles of the lead.
    pub lead: Vec<Handle>,
    /// Fields of the event's data.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
    /// Custom attributes by pointers; protected ones are dropped.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A handle of the lead.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handle {
    /// What kind.
    pub kind: IdentityKind,
    /// Pointer to it.
    pub path: String,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Pointer to it.
    #[serde(default)]
    pub path: Option<String>,
    /// What it is where there is no pointer, or nothing at it.
    #[serde(default)]
    pub constant: Option<Value>,
    /// The value for each text; a text that is not there is no value.
    #[serde(default)]
    pub values: Option<BTreeMap<String, Value>>,
    /// Whether text is brought to lower case first.
    #[serde(default)]
    pub lower: bool,
    /// What a number is multiplied by, such as 1000 from seconds to milliseconds.
    #[serde(default)]
    pub times: Option<f64>,
}

impl Mapped {
    pub(crate) fn read(&self, source: &str, request: &Request<'_>) -> Result<Reading, Malformed> {
        let body = json::parse(request.body)?;
        let maker = Maker { source, received_at: request.received_at };
        let mut reading = Reading::default();
        let items = match &self.items {
            None => std::slice::from_ref(&body),
            Some(pointer) => body.pointer(pointer).and_then(Value::as_array).ok_or(Malformed::Field("items"))?,
        };
        check_count(items.len())?;
        for item in items {
            self.read_item(maker, &mut reading, item)?;
        }
        Ok(reading)
    }

    fn read_item(&self, maker: Maker<'_>, reading: &mut Reading, item: &Value) -> Result<(), Malformed> {
        let id = json::id(item, &self.id).ok_or(Malformed::Field("id"))?;
        let unit_us = match self.time_unit {
            TimeUnit::Seconds => SECOND_US,
            TimeUnit::Milliseconds => MILLISECOND_US,
        };
        let at = self.time.as_ref().and_then(|pointer| json::time(item, pointer, unit_us));
        let mut fitted = false;
        for (place, rule) in self.rules.iter().enumerate() {
            if !rule.fits(item) {
                continue;
            }
            fitted = true;
            let data = rule.data(reading, item);
            match BodySeed(rule.event).deserialize(data) {
                Ok(body) => reading.push(maker.event(&format!("{id}:{place}"), rule.lead(item), at, body)),
                Err(_) => reading.dropped.invalid += 1,
            }
        }
        if !fitted {
            let kind = self.kind.as_ref().and_then(|pointer| json::text(item, pointer));
            reading.count_unknown(kind.unwrap_or("no rule fits"));
        }
        Ok(())
    }
}

impl Rule {
    fn fits(&self, item: &Value) -> bool {
        self.when.iter().all(|(pointer, value)| item.pointer(pointer) == Some(value))
    }

    fn lead(&self, item: &Value) -> LeadRef {
        let found: Vec<_> = self
            .lead
            .iter()
            .filter_map(|handle| Some((handle.kind, format!("{}{}", handle.prefix, json::id(item, &handle.path)?))))
            .collect();
        make::lead(found.iter().map(|(kind, value)| (*kind, Some(value.as_str()))))
    }

    fn data(&self, reading: &mut Reading, item: &Value) -> Value {
        let mut data = Map::new();
        for (name, field) in &self.fields {
            if let Some(value) = field.value(item) {
                data.insert(name.clone(), value);
            }
        }
        let chosen: Vec<(String, Value)> = self
            .attributes
            .iter()
            .filter_map(|(name, pointer)| Some((name.clone(), item.pointer(pointer)?.clone())))
            .collect();
        if !self.attributes.is_empty() {
            let attributes = make::attributes(reading, chosen.iter().map(|(name, value)| (name, value)));
            data.insert("attributes".into(), serde_json::to_value(attributes).unwrap_or(Value::Null));
        }
        Value::Object(data)
    }
}

impl Field {
    fn value(&self, item: &Value) -> Option<Value> {
        let found = self.path.as_ref().and_then(|pointer| item.pointer(pointer)).filter(|value| !value.is_null());
        let Some(found) = found else { return self.constant.clone() };
        let found = match found {
            Value::String(text) if self.lower => Value::from(text.to_lowercase()),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                found.clone()
            }
        };
        if let Some(values) = &self.values {
            return values.get(&json::id(&found, "")?).cloned().or_else(|| self.constant.clone());
        }
        let Some(times) = self.times else { return Some(found) };
        let product = json::number(&found, "")? * times;
        // Fields of the domain are whole numbers where a unit is changed.
        (product.abs() < 9.0e15).then(|| Value::from(product.round() as i64))
    }
}
