//! What a column holds.
//!
//! Owns: telling types, ids and handles apart by values, helped by the column's name.
//! Deliberately absent: the outcome, and what a draft makes of a column.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use leadscore_domain::{IdentityKind, RawIdentity, Region};

use super::words::{Words, same_hint};
use crate::ingest::files::{
    time::{self, DetectedTime},
    values::{self, MissingTokens},
};

/// Share of the values that must be of a type.
const NEARLY_ALL: f64 = 0.99;
/// Rows from which on uniqueness says something by itself.
const UNIQUE_ROWS: usize = 50;
/// Longest values, on average, of a category.
const CATEGORY_MEAN_BYTES: usize = 60;

/// What a column holds.
#[derive(Debug)]
pub(super) enum Holds {
    Nothing,
    Constant,
    Id,
    Email,
    Phone,
    Zone,
    Boolean,
    Number,
    Time(DetectedTime),
    Category,
    Text,
}

/// A column, looked at.
pub(super) struct Profile<'a> {
    pub name: String,
    pub words: Words,
    pub holds: Holds,
    /// Known values by row; `None` is missing.
    pub values: Vec<Option<&'a str>>,
    /// How often each known value occurs.
    pub counts: HashMap<&'a str, usize>,
    /// Number of known values.
    pub known: usize,
}

impl<'a> Profile<'a> {
    pub fn new(
        name: &str,
        cells: impl Iterator<Item = Option<&'a str>>,
        missing: &MissingTokens,
        decimal: char,
    ) -> Self {
        let values: Vec<Option<&'a str>> = cells.map(|cell| missing.known(cell)).collect();
        let mut counts = HashMap::new();
        for value in values.iter().flatten() {
            *counts.entry(*value).or_insert(0) += 1;
        }
        let known = counts.values().sum();
        let mut profile =
            Self { name: name.to_owned(), words: Words::of(name), holds: Holds::Nothing, values, counts, known };
        profile.holds = profile.judge(decimal);
        profile
    }

    /// Share of the rows in which nothing is known.
    pub fn missing_share(&self) -> f64 {
        1.0 - self.known as f64 / self.values.len().max(1) as f64
    }

    /// The column as numbers; NaN where it is missing or no number.
    pub fn numbers(&self, decimal: char) -> Vec<f64> {
        self.values.iter().map(|v| v.and_then(|v| values::number(v, decimal).ok()).unwrap_or(f64::NAN)).collect()
    }

    fn share(&self, holds: impl Fn(&str) -> bool) -> f64 {
        let count: usize = self.counts.iter().filter(|(value, _)| holds(value)).map(|(_, n)| n).sum();
        count as f64 / self.known.max(1) as f64
    }

    fn judge(&self, decimal: char) -> Holds {
        if self.known == 0 {
            return Holds::Nothing;
        }
        if self.counts.len() == 1 && self.known == self.values.len() && self.values.len() > 1 {
            // A file of one month has one date in every row.
            let time = if self.words.speak_of_time() { self.time() } else { None };
            return time.map_or(Holds::Constant, Holds::Time);
        }
        if self.share(|v| v.contains('@')) > 0.9 && self.share(|v| is_handle(IdentityKind::Email, v)) > 0.9 {
            return Holds::Email;
        }
        if self.share(is_phone) > 0.8
            && (self.words.any(&["phone", "mobile", "tel", "telephone", "cell", "fax"])
                || self.share(|v| v.starts_with('+')) > 0.8)
        {
            return Holds::Phone;
        }
        if self.share(|v| v.contains('/') && TimeZone::get(v).is_ok()) > NEARLY_ALL {
            return Holds::Zone;
        }
        if self.counts.len() <= 2 && self.share(|v| values::boolean(v).is_some()) >= 1.0 {
            return Holds::Boolean;
        }
        if let Some(time) = self.time() {
            return Holds::Time(time);
        }
        if self.share(|v| values::number(v, decimal).is_ok()) >= NEARLY_ALL {
            return if self.is_numeric_id(decimal) { Holds::Id } else { Holds::Number };
        }
        self.judge_text()
    }

    fn time(&self) -> Option<DetectedTime> {
        let mut values: Vec<(&str, usize)> = self.counts.iter().map(|(value, n)| (*value, *n)).collect();
        values.sort_unstable_by_key(|(value, n)| (std::cmp::Reverse(*n), *value));
        time::detect(&values, self.words.speak_of_time())
    }

    fn judge_text(&self) -> Holds {
        let unique = self.counts.len() as f64 / self.known as f64;
        let id_name = self.words.is_id();
        if unique > 0.95 && (self.known >= UNIQUE_ROWS || (id_name && self.known > 1)) {
            let one_word = self.share(|v| !v.contains(char::is_whitespace)) > 0.95;
            return if one_word { Holds::Id } else { Holds::Text };
        }
        let bytes: usize = self.counts.iter().map(|(value, n)| value.len() * n).sum();
        if bytes / self.known > CATEGORY_MEAN_BYTES || (unique > 0.5 && self.known >= 4 * UNIQUE_ROWS) {
            return Holds::Text;
        }
        Holds::Category
    }

    /// Whole numbers that hardly repeat and are named like an id, count the rows, or all have the same many digits.
    fn is_numeric_id(&self, decimal: char) -> bool {
        let unique = self.counts.len() as f64 / self.known as f64;
        let whole = self.share(|v| v.bytes().all(|b| b.is_ascii_digit())) > NEARLY_ALL;
        if !whole || unique < 0.98 || self.known < 2 {
            return false;
        }
        if self.words.is_id() {
            return true;
        }
        let numbers: Vec<f64> = self.numbers(decimal).into_iter().filter(|n| !n.is_nan()).collect();
        let rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        let falling = numbers.windows(2).all(|pair| pair[0] > pair[1]);
        let digits = self.values.iter().flatten().next().map_or(0, |v| v.len());
        let same_digits = digits >= 6 && self.share(|v| v.len() == digits) >= 1.0;
        self.known >= UNIQUE_ROWS && (rising || falling || same_digits)
    }

    /// A number that may stand for "unknown", if there is one: an outlier such as 999 or −1 that occurs often.
    pub fn sentinel(&self, decimal: char) -> Option<(String, f64)> {
        const SENTINELS: [f64; 12] =
            [999.0, 9999.0, 99_999.0, 999_999.0, 99.0, 888.0, -1.0, -9.0, -99.0, -999.0, -9999.0, 1_000_000_000.0];
        let mut distinct: Vec<(f64, &str, usize)> =
            self.counts.iter().filter_map(|(v, n)| Some((values::number(v, decimal).ok()?, *v, *n))).collect();
        distinct.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(first), Some(last)) = (distinct.first(), distinct.last()) else { return None };
        let next_low = distinct.get(1)?.0;
        let next_high = distinct.get(distinct.len() - 2)?.0;
        let share = |n: usize| n as f64 / self.known as f64;
        let is_sentinel = |value: f64| SENTINELS.contains(&value);
        if is_sentinel(last.0) && next_high * 2.0 < last.0 && share(last.2) > 0.01 {
            return Some((last.1.to_owned(), share(last.2)));
        }
        if is_sentinel(first.0) && next_low >= 0.0 && share(first.2) > 0.01 {
            return Some((first.1.to_owned(), share(first.2)));
        }
        None
    }
}

fn is_handle(kind: IdentityKind, value: &str) -> bool {
    RawIdentity { kind, value: value.to_owned() }.normalise(Region::default()).is_ok()
}

fn is_phone(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits) && value.bytes().all(|b| b.is_ascii_digit() || b" +-()./x".contains(&b))
}

/// Words that people choose where nothing is known, as far as the sample uses them.
pub(super) fn missing_tokens<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<String> {
    const TOKENS: [&str; 26] = [
        "na",
        "n/a",
        "#n/a",
        "nan",
        "null",
        "(null)",
        "none",
        "nil",
        "-",
        "--",
        "?",
        "unknown",
        "undefined",
        "not available",
        "not specified",
        "not provided",
        "missing",
        "select",
        "please select",
        "--select--",
        "- select -",
        "choose",
        "please choose",
        "(blank)",
        "blank",
        "<na>",
    ];
    let mut found = vec![String::new()];
    for cell in cells {
        let cell = cell.trim();
        if cell.len() <= 13 && TOKENS.iter().any(|t| same_hint(t, cell)) && !found.iter().any(|f| f == cell) {
            found.push(cell.to_owned());
        }
    }
    found.sort();
    found
}
