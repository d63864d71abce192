//! Bounds that several kinds of events share.

use crate::{
    Invalid,
    invalid::{check_range, check_text},
    limits,
};

pub(super) fn check_duration(field: &str, ms: u32) -> Result<(), Invalid> {
    check_range(field, f64::from(ms), 0.0, f64::from(limits::DURATION_MAX_MS))
}

pub(super) fn check_sentiment(field: &str, sentiment: Option<f32>) -> Result<(), Invalid> {
    sentiment.map_or(Ok(()), |value| check_range(field, f64::from(value), -1.0, 1.0))
}

pub(super) fn check_price(field: &str, price: Option<i64>) -> Result<(), Invalid> {
    match price {
        Some(price) if !(0..=limits::PRICE_MAX).contains(&price) => Err(Invalid::new(
            field,
            "is out of range",
            format_args!("send whole units of currency from 0 to {}", limits::PRICE_MAX),
        )),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_key(key: Option<&str>) -> Result<(), Invalid> {
    check_optional("listing_key", key, limits::IDENTITY_MAX_BYTES)
}

pub(super) fn check_optional(field: &str, text: Option<&str>, max_bytes: usize) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| check_text(field, text, max_bytes))
}
