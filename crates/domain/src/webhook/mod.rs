//! Webhooks out: what other systems can be told of, and where such a message may go.
//!
//! Invariant: a [`Destination`] that exists names nothing that its policy forbids to name; whether the addresses that
//! its name stands for are permitted is asked again whenever it is used. Deliberately absent: looking names up, HTTP.

mod destination;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::destination::{Destination, DestinationPolicy, Forbidden};

/// What a message says has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum MessageType {
    /// A lead's score crossed the endpoint's own threshold.
    #[serde(rename = "score.threshold_crossed")]
    ScoreThresholdCrossed,
    /// A lead's grade is another one than before.
    #[serde(rename = "score.grade_changed")]
    ScoreGradeChanged,
    /// Nothing has happened to a lead for the endpoint's own number of days.
    #[serde(rename = "lead.silent")]
    LeadSilent,
    /// Another model scores from now on.
    #[serde(rename = "model.promoted")]
    ModelPromoted,
    /// Somebody tries the endpoint out; needs no subscription.
    #[serde(rename = "test")]
    Test,
}

impl MessageType {
    /// What an endpoint can subscribe to.
    pub const SUBSCRIBABLE: [Self; 4] =
        [Self::ScoreThresholdCrossed, Self::ScoreGradeChanged, Self::LeadSilent, Self::ModelPromoted];

    /// The word in JSON, in the database and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScoreThresholdCrossed => "score.threshold_crossed",
            Self::ScoreGradeChanged => "score.grade_changed",
            Self::LeadSilent => "lead.silent",
            Self::ModelPromoted => "model.promoted",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which crossings of a threshold count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CrossingDirection))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From below the threshold to the threshold or above.
    Rising,
    /// From the threshold or above to below it.
    Falling,
    /// Both.
    Both,
}

/// A crossing of `threshold` on the way from `previous` to `score`, where `wanted` counts it. A lead without a previous
/// score came from below.
#[must_use]
pub fn crossing(previous: Option<u8>, score: u8, threshold: u8, wanted: Direction) -> Option<Direction> {
    let was_above = previous.is_some_and(|previous| previous >= threshold);
    let crossed = match (was_above, score >= threshold) {
        (false, true) => Direction::Rising,
        (true, false) => Direction::Falling,
        (false, false) | (true, true) => return None,
    };
    (wanted == Direction::Both || wanted == crossed).then_some(crossed)
}
