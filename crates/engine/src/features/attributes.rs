//! A lead's custom attributes: one register per name.
//!
//! Owns: their bounds and their form in a state's bytes. Invariant: of each name the latest value by event time, a
//! cleared one included, so that an older value that arrives late does not come back. Bounds: the
//! [`limits::ATTRIBUTES_MAX`] names that come first in the alphabet; categories are cut at [`CATEGORY_BYTES`].

use std::collections::BTreeMap;

use leadscore_domain::{AttributeName, AttributeValue, Timestamp, limits};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::registers::Stamp;

/// Longest category kept, in bytes.
const CATEGORY_BYTES: usize = 64;

#[derive(Debug, Clone, PartialEq)]
struct Slot {
    name: String,
    stamp: Stamp,
    value: Option<AttributeValue>,
}

/// Registers by name, in the order of the alphabet.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct AttributeSlots(Vec<Slot>);

impl AttributeSlots {
    pub(super) fn set(&mut self, stamp: Stamp, name: &AttributeName, value: Option<&AttributeValue>) {
        match self.0.binary_search_by(|slot| slot.name.as_str().cmp(name.as_str())) {
            Ok(place) if stamp >= self.0[place].stamp => {
                self.0[place].stamp = stamp;
                self.0[place].value = value.map(shorten);
            }
            Ok(_) => {}
            Err(place) if place < limits::ATTRIBUTES_MAX => {
                let slot = Slot { name: name.as_str().to_owned(), stamp, value: value.map(shorten) };
                self.0.insert(place, slot);
                self.0.truncate(limits::ATTRIBUTES_MAX);
            }
            Err(_) => {}
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&AttributeValue> {
        let place = self.0.binary_search_by(|slot| slot.name.as_str().cmp(name)).ok()?;
        self.0[place].value.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().filter_map(|slot| Some((slot.name.as_str(), slot.value.as_ref()?)))
    }
}

fn shorten(value: &AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::Category(text) if text.len() > CATEGORY_BYTES => {
            AttributeValue::Category(text[..text.floor_char_boundary(CATEGORY_BYTES)].to_owned())
        }
        AttributeValue::Category(_)
        | AttributeValue::Boolean(_)
        | AttributeValue::Number(_)
        | AttributeValue::Time { .. } => value.clone(),
    }
}

/// An attribute's value in a state's bytes, where the JSON form's untagged types could not be told apart.
#[derive(Serialize, Deserialize)]
enum Stored {
    Cleared,
    Boolean(bool),
    /// A whole number: shorter than eight bytes.
    Whole(i64),
    Number(f64),
    Category(String),
    Time(Timestamp),
}

impl From<Option<&AttributeValue>> for Stored {
    fn from(value: Option<&AttributeValue>) -> Self {
        match value {
            None => Self::Cleared,
            Some(AttributeValue::Boolean(value)) => Self::Boolean(*value),
            Some(AttributeValue::Number(value)) => {
                let whole = *value as i64;
                if (whole as f64).to_bits() == value.to_bits() { Self::Whole(whole) } else { Self::Number(*value) }
            }
            Some(AttributeValue::Category(text)) => Self::Category(text.clone()),
            Some(AttributeValue::Time { time }) => Self::Time(*time),
        }
    }
}

impl From<Stored> for Option<AttributeValue> {
    fn from(value: Stored) -> Self {
        Some(match value {
            Stored::Cleared => return None,
            Stored::Boolean(value) => AttributeValue::Boolean(value),
            Stored::Whole(value) => AttributeValue::Number(value as f64),
            Stored::Number(value) => AttributeValue::Number(value),
            Stored::Category(text) => AttributeValue::Category(text),
            Stored::Time(time) => AttributeValue::Time { time },
        })
    }
}

impl Serialize for AttributeSlots {
    /// Grouped by stamp: most attributes of a lead come with one event, whose id is as long as many a value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut groups: BTreeMap<Stamp, Vec<(&str, Stored)>> = BTreeMap::new();
        for slot in &self.0 {
            groups.entry(slot.stamp).or_default().push((&slot.name, slot.value.as_ref().into()));
        }
        groups.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AttributeSlots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let groups = BTreeMap::<Stamp, Vec<(String, Stored)>>::deserialize(deserializer)?;
        let mut slots: Vec<Slot> = groups
            .into_iter()
            .flat_map(|(stamp, group)| group.into_iter().map(move |(name, value)| (stamp, name, value)))
            .map(|(stamp, name, value)| Slot { name, stamp, value: value.into() })
            .collect();
        slots.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(slots))
    }
}
