//! Doors for the fuzz targets into what is private otherwise; built with the feature `fuzzing` only.

use leadscore_domain::Timestamp;

/// How long the receiver of a webhook asks to be left alone, in microseconds.
#[must_use]
pub fn retry_after(text: &str, now: Timestamp) -> Option<i64> {
    crate::webhooks::asked_us(text, now)
}
