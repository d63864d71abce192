//! Which column says how it ended, and which of its values mean won.

use super::profile::{Holds, Profile};
use crate::ingest::files::{mapping::OutcomeMapping, values::same_word};

const STRONG: [&str; 21] = [
    "y",
    "converted",
    "conversion",
    "outcome",
    "won",
    "is won",
    "closed won",
    "target",
    "label",
    "success",
    "deal won",
    "is converted",
    "has converted",
    "won lost",
    "converted flag",
    "deal outcome",
    "lead outcome",
    "is customer",
    "became customer",
    "conversion flag",
    "converted lead",
];
const WEAK: [&str; 22] = [
    "result",
    "revenue",
    "purchased",
    "purchase",
    "bought",
    "sold",
    "signed",
    "deposit",
    "subscribed",
    "response",
    "responded",
    "closed",
    "status",
    "stage",
    "lead status",
    "lead stage",
    "deal stage",
    "deal status",
    "class",
    "booked",
    "accepted",
    "sale",
];
const WON: [&str; 22] = [
    "won",
    "win",
    "closed won",
    "yes",
    "y",
    "true",
    "t",
    "1",
    "1.0",
    "converted",
    "success",
    "successful",
    "sold",
    "signed",
    "customer",
    "closed - won",
    "closedwon",
    "purchased",
    "accepted",
    "deal",
    "sale",
    "bought",
];
const LOST: [&str; 25] = [
    "lost",
    "loss",
    "closed lost",
    "no",
    "n",
    "false",
    "f",
    "0",
    "0.0",
    "not converted",
    "failure",
    "failed",
    "dead",
    "unqualified",
    "disqualified",
    "closed - lost",
    "closedlost",
    "rejected",
    "dropped",
    "junk",
    "not interested",
    "unsold",
    "declined",
    "churned",
    "abandoned",
];
const NO_ANSWER: [&str; 7] =
    ["no answer", "not reached", "unreachable", "no response", "no contact", "unresponsive", "not reachable"];

/// Most values of a column that says how it ended.
const VALUES_MAX: usize = 24;

/// The outcome as it was found.
pub(super) struct FoundOutcome {
    /// Place of the column.
    pub place: usize,
    pub mapping: OutcomeMapping,
    /// Outcome by row; `None` where it is open.
    pub won: Vec<Option<bool>>,
    /// What a person must confirm.
    pub doubt: Option<String>,
}

/// The most likely column, or the one at `named`.
pub(super) fn find(profiles: &[Profile<'_>], named: Option<usize>) -> Option<FoundOutcome> {
    let place = named.or_else(|| {
        let scored = profiles.iter().enumerate().map(|(i, profile)| (score(profile, i + 1 == profiles.len()), i));
        // The later of two equals: outcomes stand at the end.
        scored.max().filter(|(score, _)| *score >= 3).map(|(_, i)| i)
    })?;
    let profile = &profiles[place];
    let values = by_meaning(profile);
    let mut doubt = None;
    let (positive, negative, no_answer) = match values {
        Meaning::Clear { positive, negative, no_answer } => (positive, negative, no_answer),
        Meaning::Guessed { positive, negative } => {
            doubt = Some(format!("the rarer value {positive:?} was taken for won"));
            (vec![positive], negative, Vec::new())
        }
        Meaning::None => return None,
    };
    if named.is_none() && score(profile, place + 1 == profiles.len()) < 4 {
        doubt.get_or_insert_with(|| "it is the last column with two values, not one with a telling name".to_owned());
    }
    let holds = |list: &[String], value: &str| list.iter().any(|word| same_word(word, value));
    let won = profile.values.iter().map(|value| {
        let value = (*value)?;
        if holds(&positive, value) {
            Some(true)
        } else if holds(&negative, value) || holds(&no_answer, value) {
            Some(false)
        } else {
            None
        }
    });
    let won = won.collect();
    let column = Some(profile.name.clone());
    let mapping = OutcomeMapping { column, positive, negative, no_answer, ..OutcomeMapping::default() };
    Some(FoundOutcome { place, mapping, won, doubt })
}

fn score(profile: &Profile<'_>, last: bool) -> u32 {
    let name = if profile.words.are(&STRONG) {
        3
    } else if profile.words.are(&WEAK) {
        2
    } else {
        0
    };
    let shape = match (&profile.holds, by_meaning(profile)) {
        (Holds::Boolean | Holds::Number | Holds::Category, Meaning::Clear { .. }) => 2,
        (Holds::Boolean | Holds::Number | Holds::Category, Meaning::Guessed { .. }) if name == 3 => 2,
        _ => return 0,
    };
    name + shape + u32::from(last)
}

enum Meaning {
    Clear { positive: Vec<String>, negative: Vec<String>, no_answer: Vec<String> },
    Guessed { positive: String, negative: Vec<String> },
    None,
}

fn by_meaning(profile: &Profile<'_>) -> Meaning {
    if profile.counts.len() < 2 || profile.counts.len() > VALUES_MAX {
        return Meaning::None;
    }
    let mut values: Vec<(&str, usize)> = profile.counts.iter().map(|(value, n)| (*value, *n)).collect();
    values.sort_unstable();
    let of = |list: &[&str]| {
        let meant =
            values.iter().filter(|(value, _)| list.iter().any(|word| same_word(word, &value.replace('_', " "))));
        meant.map(|(value, _)| (*value).to_owned()).collect::<Vec<_>>()
    };
    let (positive, negative, no_answer) = (of(&WON), of(&LOST), of(&NO_ANSWER));
    let some_lost = !negative.is_empty() || !no_answer.is_empty();
    if some_lost && !positive.is_empty() {
        return Meaning::Clear { positive, negative, no_answer };
    }
    if let [(a, a_rows), (b, b_rows)] = values[..] {
        let (positive, negative) = if a_rows <= b_rows { (a, b) } else { (b, a) };
        return Meaning::Guessed { positive: positive.to_owned(), negative: vec![negative.to_owned()] };
    }
    Meaning::None
}
