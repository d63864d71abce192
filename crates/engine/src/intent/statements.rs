//! What a CRM's fields say in words: the interest, the request, the time frame.
//!
//! Owns: which attributes are read and how, whatever the CRM calls them. Invariant: an attribute is evidence only where
//! its name says that it is about a wish or a time; campaigns and notes are not read. Deliberately absent: attributes
//! whose name stands for a protected characteristic.

use leadscore_domain::{AttributeValue, IntentKind, Timestamp, Urgency, protected};

use super::{
    KINDS, Weights,
    clues::{RENT_BELOW, RENT_PRICES},
};
use crate::features::LeadState;

/// Words of names of attributes that say what a lead wants.
const WISHES: &[&str] = &[
    "interest",
    "interested",
    "interests",
    "intent",
    "intention",
    "wish",
    "wishes",
    "goal",
    "purpose",
    "looking",
    "seeking",
    "wants",
    "want",
    "need",
    "needs",
    "objective",
    "request",
    "requested",
    "requirement",
    "inquiry",
    "enquiry",
    "transaction",
    "plans",
    "is",
];
/// Words that make "type" such a name.
const TYPED: &[&str] = &["lead", "client", "customer", "contact", "deal", "inquiry", "enquiry"];
/// Words of names of attributes that say when.
const TIMES: &[&str] = &[
    "timeframe",
    "timeline",
    "timing",
    "horizon",
    "when",
    "urgency",
    "move",
    "moving",
    "movein",
    "closing",
    "readiness",
];
/// Words of names of attributes that say how much.
const AMOUNTS: &[&str] = &["budget", "price", "rent"];

/// Words of values, by kind in the order of [`IntentKind::ALL`].
const WORDS: [&[&str]; KINDS] = [
    &["buy", "buyer", "buyers", "buying", "purchase", "purchasing", "purchaser", "buyside"],
    &["sell", "seller", "sellers", "selling", "vendor", "valuation", "appraisal", "list", "listing", "sellside"],
    &["rent", "renter", "renters", "renting", "rental", "rentals", "lease", "leasing", "tenant", "let"],
    &["invest", "investor", "investors", "investing", "investment", "investments", "flip", "flipping", "portfolio"],
    &["browse", "browsing", "browser", "curious", "curiosity"],
];

/// How strongly a statement speaks for its own kind: buyer, seller, renter, investor, browsing.
const STATED: [Weights; KINDS] = [
    [1.0, -2.2, -2.2, -1.6, 0.4],
    [-2.4, 2.4, -2.2, -1.2, -0.8],
    [-2.2, -2.2, 2.0, -1.2, 0.8],
    [-1.8, -1.2, -1.2, 3.0, -1.0],
    [-0.6, -0.8, -0.6, -0.8, 2.0],
];
/// A time frame of none.
const UNDECIDED: Weights = [-0.2, -0.3, -0.2, -0.2, 0.8];

/// What the fields of a CRM say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Statements {
    /// Share of the statement that each kind has; adds up to 1 or, without one, 0.
    stated: Weights,
    rents: bool,
    /// The soonest time frame that is named.
    pub(super) urgency: Option<Urgency>,
    /// A moment that is named for the move.
    pub(super) moves_at: Option<Timestamp>,
}

impl Statements {
    pub(super) fn of(state: &LeadState) -> Self {
        let mut statements = Self::default();
        let mut kinds = [false; KINDS];
        for (name, value) in state.attributes().filter(|(name, _)| protected::classify(name).is_none()) {
            let name_words = Words::of(name);
            let named = |list: &[&str]| name_words.has(list);
            match value {
                AttributeValue::Category(text) => {
                    let text_words = Words::of(text);
                    if named(WISHES) || (named(&["type", "kind"]) && named(TYPED)) {
                        mark(&mut kinds, &text_words);
                    }
                    if named(TIMES) {
                        let read = time_frame(&text_words);
                        statements.urgency = statements.urgency.into_iter().chain(read).min();
                    }
                }
                // A field such as `wants_to_sell`, or `investor`.
                AttributeValue::Boolean(true) if named(WISHES) || name_words.iter().count() == 1 => {
                    mark(&mut kinds, &name_words)
                }
                AttributeValue::Number(amount) if named(AMOUNTS) => {
                    statements.rents |= (RENT_BELOW / 30.0..RENT_BELOW).contains(amount);
                }
                AttributeValue::Time { time } if named(TIMES) => {
                    statements.moves_at = statements.moves_at.into_iter().chain([*time]).min();
                }
                AttributeValue::Boolean(_) | AttributeValue::Number(_) | AttributeValue::Time { .. } => {}
            }
        }
        statements.stated = shares(kinds);
        statements
    }

    /// The statements as evidence, each with how much it counts.
    pub(super) fn clues(&self) -> impl Iterator<Item = (f64, Weights)> + use<> {
        let stated = self.stated;
        let undecided = self.urgency == Some(Urgency::None);
        (0..KINDS)
            .map(move |kind| (stated[kind], STATED[kind]))
            .chain([(f64::from(u8::from(self.rents)), RENT_PRICES), (f64::from(u8::from(undecided)), UNDECIDED)])
    }
}

/// One statement, shared out among the kinds that it names. A home to let is bought or rented out by an investor.
fn shares(mut kinds: [bool; KINDS]) -> Weights {
    if kinds[IntentKind::Investor as usize] {
        kinds[IntentKind::Buyer as usize] = false;
        kinds[IntentKind::Renter as usize] = false;
    }
    let count = kinds.iter().filter(|kind| **kind).count().max(1) as f64;
    kinds.map(|kind| if kind { 1.0 / count } else { 0.0 })
}

fn mark(kinds: &mut [bool; KINDS], words: &Words) {
    for (kind, list) in WORDS.iter().enumerate() {
        kinds[kind] |= words.has(list);
    }
    kinds[IntentKind::Browsing as usize] |=
        words.pairs().any(|pair| matches!(pair, ("just", "looking") | ("looking", "around")));
    kinds[IntentKind::Investor as usize] |= words.pairs().any(|pair| pair == ("to", "let"));
}

/// How soon a time frame is. The end of a range counts: "0-3 months" is within three months.
fn time_frame(words: &Words) -> Option<Urgency> {
    let longest = words.pairs().filter_map(|(number, unit)| Some(number.parse::<f64>().ok()? * days_in(unit)?));
    if let Some(days) = longest.reduce(f64::max) {
        return Some(of_days(days));
    }
    if words.has(&["looking", "browsing", "unsure", "undecided", "none", "someday", "never", "no"]) {
        return Some(Urgency::None);
    }
    if words.has(&["asap", "now", "immediately", "immediate", "urgent", "today", "ready", "high"]) {
        return Some(Urgency::Now);
    }
    let unit = words.iter().find_map(days_in)?;
    Some(of_days(unit * if words.has(&["next"]) { 2.0 } else { 1.0 }))
}

fn days_in(unit: &str) -> Option<f64> {
    match unit {
        "day" | "days" | "d" => Some(1.0),
        "week" | "weeks" | "wk" | "wks" | "w" => Some(7.0),
        "month" | "months" | "mo" | "mos" | "m" => Some(30.0),
        "year" | "years" | "yr" | "yrs" | "y" => Some(365.0),
        _ => None,
    }
}

/// How soon a number of days is.
pub(super) fn of_days(days: f64) -> Urgency {
    match days {
        days if days <= 21.0 => Urgency::Now,
        days if days <= 92.0 => Urgency::Weeks,
        _ => Urgency::Months,
    }
}

/// Longest text with its blanks: names and values are of 64 bytes, and a blank may stand after every one.
const TEXT_BYTES: usize = 192;

/// The words of a text in lower case, split at case changes, digits and punctuation. No allocation: every score asks.
struct Words {
    bytes: [u8; TEXT_BYTES],
    length: usize,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Self { bytes: [0; TEXT_BYTES], length: 0 };
        let mut previous = ' ';
        for c in text.chars() {
            let starts = !previous.is_alphanumeric()
                || previous.is_numeric() != c.is_numeric()
                || (previous.is_lowercase() && c.is_uppercase());
            if c.is_alphanumeric() {
                if starts && words.length > 0 {
                    words.push(' ');
                }
                words.push(c.to_ascii_lowercase());
            }
            previous = c;
        }
        words
    }

    /// Appends a letter; what is too long is cut.
    fn push(&mut self, c: char) {
        if self.length + c.len_utf8() <= TEXT_BYTES {
            self.length += c.encode_utf8(&mut self.bytes[self.length..]).len();
        }
    }

    fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default().split(' ')
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().zip(self.iter().skip(1))
    }

    fn has(&self, list: &[&str]) -> bool {
        self.iter().any(|word| list.contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_frames_are_read_in_any_spelling() {
        for (text, urgency) in [
            ("", None),
            ("blue", None),
            ("0-3 months", Some(Urgency::Weeks)),
            ("3-6 months", Some(Urgency::Months)),
            ("6-12mo", Some(Urgency::Months)),
            ("1 year+", Some(Urgency::Months)),
            ("within 2 weeks", Some(Urgency::Now)),
            ("ASAP", Some(Urgency::Now)),
            ("this month", Some(Urgency::Weeks)),
            ("next year", Some(Urgency::Months)),
            ("just looking", Some(Urgency::None)),
            ("No plans", Some(Urgency::None)),
        ] {
            assert_eq!(time_frame(&Words::of(text)), urgency, "{text}");
        }
    }

    #[test]
    fn a_wish_is_found_in_any_spelling_and_an_investor_is_no_buyer() {
        for (text, expected) in [
            ("BUY", [1.0, 0.0, 0.0, 0.0, 0.0]),
            ("I want to sell", [0.0, 1.0, 0.0, 0.0, 0.0]),
            ("buy or rent", [0.5, 0.0, 0.5, 0.0, 0.0]),
            ("buy-to-let", [0.0, 0.0, 0.0, 1.0, 0.0]),
            ("InvestmentProperty", [0.0, 0.0, 0.0, 1.0, 0.0]),
            ("just looking", [0.0, 0.0, 0.0, 0.0, 1.0]),
            ("villa", [0.0; KINDS]),
        ] {
            let mut kinds = [false; KINDS];
            mark(&mut kinds, &Words::of(text));
            assert_eq!(shares(kinds), expected, "{text}");
        }
    }
}
