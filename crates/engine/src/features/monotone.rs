//! Columns whose meaning fixes the direction in which they may move a score.
//!
//! Owns: the table of those features. Invariant: raising such a column's value, all others unchanged, never moves a
//! model's log-odds against its direction. The order is that of present values: a missing value says that nothing is
//! known, which is neither more nor less than any value. Deliberately absent: features whose direction is only
//! likely (recency, counts of contacts, stages), and attributes, whose meaning is the operator's.

/// The way in which a higher value may move the log-odds of conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Never lowers them.
    Up,
    /// Never raises them.
    Down,
}

impl Direction {
    /// 1 for up, −1 for down.
    #[must_use]
    pub const fn sign(self) -> f64 {
        match self {
            Self::Up => 1.0,
            Self::Down => -1.0,
        }
    }

    /// The word used in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Features of the catalogue with a direction.
const TABLE: [(&str, Direction); 11] = [
    ("showings_held", Direction::Up),
    ("showing_kept_share", Direction::Up),
    ("showings_no_show", Direction::Down),
    ("sentiment_mean", Direction::Up),
    ("sentiment_last", Direction::Up),
    ("platform_sentiment_mean", Direction::Up),
    ("platform_sentiment_last", Direction::Up),
    ("commitment", Direction::Up),
    ("disinterest", Direction::Down),
    ("opt_out", Direction::Down),
    ("email_unsubscribed", Direction::Down),
];

/// The direction of a column of a view, by its name; `None` where none is certain.
#[must_use]
pub fn monotone(column: &str) -> Option<Direction> {
    TABLE.iter().find(|(name, _)| *name == column).map(|&(_, direction)| direction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES;

    #[test]
    fn directions_are_of_features_that_exist() {
        for (name, _) in TABLE {
            assert!(FEATURES.iter().any(|spec| spec.name == name), "{name}");
        }
    }

    #[test]
    fn an_attribute_of_a_features_name_has_no_direction() {
        assert_eq!(monotone("sentiment_mean"), Some(Direction::Up));
        assert_eq!(monotone("attributes.sentiment_mean"), None);
    }
}
