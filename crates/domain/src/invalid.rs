//! The one shape of a refusal: which field, what is wrong, what to do.

use std::fmt;

/// Why an input was refused. Never carries the refused value itself: it may be personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}; {remedy}")]
pub struct Invalid {
    /// Path of the field, such as `data.turns[3].text`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What the sender can do.
    pub remedy: String,
}

impl Invalid {
    /// A refusal of `field`.
    pub fn new(field: impl fmt::Display, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { field: field.to_string(), problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// The same refusal seen from an outer object: `prefix.field`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = format!("{prefix}.{}", self.field);
        self
    }
}

/// Refuses text that is empty, too long or holds control characters.
pub(crate) fn check_text(field: &str, text: &str, max_bytes: usize) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::new(field, "is empty", "send a value or leave the field out"));
    }
    check_free_text(field, text, max_bytes)?;
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, "holds control characters", "remove them"));
    }
    Ok(())
}

/// Refuses free text that is too long; line breaks and emptiness are fine.
pub(crate) fn check_free_text(field: &str, text: &str, max_bytes: usize) -> Result<(), Invalid> {
    if text.len() > max_bytes {
        return Err(Invalid::new(
            field,
            format_args!("has {} bytes", text.len()),
            format_args!("send at most {max_bytes} bytes"),
        ));
    }
    Ok(())
}

/// Refuses a list that is too long.
pub(crate) fn check_count(field: &str, count: usize, max: usize) -> Result<(), Invalid> {
    if count > max {
        return Err(Invalid::new(field, format_args!("has {count} entries"), format_args!("send at most {max}")));
    }
    Ok(())
}

/// Refuses a number outside `[min, max]`, and NaN.
pub(crate) fn check_range(field: &str, value: f64, min: f64, max: f64) -> Result<(), Invalid> {
    if !(min..=max).contains(&value) {
        return Err(Invalid::new(field, "is out of range", format_args!("send a number from {min} to {max}")));
    }
    Ok(())
}
