//! Custom attributes of a lead: any name, one of four types.

use std::{borrow::Borrow, collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};

use crate::{
    Invalid, Timestamp,
    invalid::{check_count, check_text},
    limits,
};

/// Name of a custom attribute: 1 to 64 bytes, trimmed, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AttributeName(String);

impl AttributeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttributeName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name = text.trim();
        check_text("attribute name", name, limits::NAME_MAX_BYTES)?;
        Ok(Self(name.to_owned()))
    }
}

impl Borrow<str> for AttributeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AttributeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Value of a custom attribute. In JSON: `3.5`, `"referral"`, `true`, `{"time": "2026-03-01T17:30:00Z"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// Yes or no.
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// One of a set of words.
    Category(String),
    /// An instant.
    Time {
        /// The instant.
        time: Timestamp,
    },
}

/// Attributes by name; `None` says that the source cleared the value.
pub type Attributes = BTreeMap<AttributeName, Option<AttributeValue>>;

/// Reads attributes for `serde`, and refuses a name that stands there twice: which of the two counts, nobody knows.
///
/// # Errors
/// Where the text is of another shape, or a name is doubled.
pub fn deserialize_attributes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Attributes, D::Error> {
    struct Distinct;

    impl<'de> Visitor<'de> for Distinct {
        type Value = Attributes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
            let mut attributes = Attributes::new();
            while let Some((name, value)) = map.next_entry::<AttributeName, _>()? {
                if let Some((doubled, _)) = attributes.remove_entry(&name) {
                    return Err(de::Error::custom(format_args!("duplicate field `{doubled}`")));
                }
                attributes.insert(name, value);
            }
            Ok(attributes)
        }
    }

    deserializer.deserialize_map(Distinct)
}

/// Checks sizes and that numbers are finite.
///
/// # Errors
/// Names the attribute.
pub fn validate_attributes(attributes: &Attributes) -> Result<(), Invalid> {
    check_count("attributes", attributes.len(), limits::ATTRIBUTES_MAX)?;
    for (name, value) in attributes {
        match value {
            Some(AttributeValue::Number(number)) if !number.is_finite() => {
                return Err(Invalid::new(
                    format_args!("attributes.{name}"),
                    "is not a finite number",
                    "leave unknown numbers out",
                ));
            }
            Some(AttributeValue::Category(text)) => {
                check_text(&format!("attributes.{name}"), text, limits::CATEGORY_MAX_BYTES)?;
            }
            Some(AttributeValue::Number(_) | AttributeValue::Boolean(_) | AttributeValue::Time { .. }) | None => {}
        }
    }
    Ok(())
}
