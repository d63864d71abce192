//! Reading loose JSON: each step answers with `None` instead of failing.
//!
//! Owns: JSON pointers, numbers that are text, times in the vendors' units. Invariant: no number is taken that does not
//! fit; nesting is bounded by `serde_json` (128). Deliberately absent: what any field means.

use leadscore_domain::{Timestamp, time::SECOND_US};
use serde_json::Value;

use crate::seam::Malformed;

/// Parses a body.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(body).map_err(|_| Malformed::Syntax("JSON"))
}

/// The text at `pointer`, if it is text and not empty.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// The first text among `pointers`.
pub(crate) fn first<'a>(value: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers.iter().find_map(|pointer| text(value, pointer))
}

/// Text, or a whole number as text: ids come as either.
pub(crate) fn id(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number, or text that is one.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<f64> {
    let value = value.pointer(pointer)?;
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number: &f64| number.is_finite())
}

/// A whole number of at least 0, where it fits; fractions are cut off.
pub(crate) fn whole(value: f64) -> Option<u32> {
    ((0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

/// The instant `count` units of `unit_us` microseconds after the epoch.
pub(crate) fn instant(count: f64, unit_us: i64) -> Option<Timestamp> {
    let micros = count * unit_us as f64;
    // Beyond 2^53 a float is no exact count, and beyond the year 2200 no time.
    (micros.abs() < 9.0e15).then(|| Timestamp::from_micros(micros.round() as i64)).flatten()
}

/// The time at `pointer`: RFC 3339, or a count of `unit_us`.
pub(crate) fn time(value: &Value, pointer: &str, unit_us: i64) -> Option<Timestamp> {
    let found = value.pointer(pointer)?;
    match found.as_str().and_then(|text| text.trim().parse().ok()) {
        Some(at) => Some(at),
        None => instant(number(value, pointer)?, unit_us),
    }
}

/// The list at `pointer`, empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Milliseconds as a unit.
pub(crate) const MILLISECOND_US: i64 = SECOND_US / 1_000;

/// An object of texts.
pub(crate) fn object<'a>(pairs: impl IntoIterator<Item = (&'static str, &'a str)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect())
}
