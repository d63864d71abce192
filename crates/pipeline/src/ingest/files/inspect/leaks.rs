//! Whether a column tells the outcome rather than foretells it.
//!
//! Owns: the strength of a column alone, values that decide, and hints of names.
//! Deliberately absent: proof. A leak is a fact about how the data came about, which statistics only hint at; the
//! thresholds are named below, and every verdict says what it saw.

use std::collections::HashMap;

use super::{
    profile::{Holds, Profile},
    words::Words,
};

/// AUC of one column alone above which it determines the outcome.
const DETERMINES_AUC: f64 = 0.95;
/// AUC of one column alone that is suspicious whatever its name.
const SUSPICIOUS_AUC: f64 = 0.82;
/// AUC that suffices where the name says that the column is filled in after contact.
const NAMED_AUC: f64 = 0.65;
/// AUC that suffices where the name says length: visits have one before contact, calls only after.
const LENGTH_AUC: f64 = 0.75;
/// Share of rows without a rating from which on it was given to some leads only.
const RATED_SOME: f64 = 0.2;
/// Winners (or losers) that a value must be expected to have before their absence says something.
const EXPECTED_MIN: f64 = 20.0;
/// Share of the expected ones that is as good as none.
const AS_GOOD_AS_NONE: f64 = 0.02;
/// Folds within which categories are not judged by their own rows.
const FOLDS: usize = 5;
/// Weight of the whole in the mean of a category.
const PRIOR_ROWS: f64 = 5.0;
/// Intervals into which numbers are cut.
const BINS: usize = 20;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Nothing to say.
    Innocent,
    /// Suspicious: kept, with this remark.
    Possible(String),
    /// Left out, for this reason.
    Leak(String),
}

/// Judges a column. `won` holds the outcome by row.
pub(super) fn judge(profile: &Profile<'_>, won: &[Option<bool>], decimal: char) -> Verdict {
    let labelled: Vec<(usize, bool)> = won.iter().enumerate().filter_map(|(i, won)| Some((i, (*won)?))).collect();
    let winners = labelled.iter().filter(|(_, won)| *won).count();
    if winners < 10 || labelled.len() - winners < 10 {
        return Verdict::Innocent;
    }
    let labels: Vec<bool> = labelled.iter().map(|(_, won)| *won).collect();
    let values: Vec<Option<&str>> = labelled.iter().map(|(i, _)| profile.values[*i]).collect();
    let auc = strength(profile, &labelled, &values, &labels, decimal);
    if auc > DETERMINES_AUC {
        return Verdict::Leak(format!("nearly determines the outcome: AUC {auc:.2} alone"));
    }
    if let Some(decides) = decides(&values, &labels) {
        return Verdict::Leak(decides);
    }
    by_name(&profile.words, auc, profile.missing_share())
}

fn by_name(words: &Words, auc: f64, missing: f64) -> Verdict {
    let length =
        words.any(&["duration", "talktime"]) || (words.any(&["call"]) && words.any(&["length", "seconds", "minutes"]));
    if length && auc >= LENGTH_AUC {
        return Verdict::Leak(format!("a length that is known only after contact, and strong: AUC {auc:.2} alone"));
    }
    if speaks_of_later(words) && auc >= NAMED_AUC {
        return Verdict::Leak(format!("by its name it is filled in or overwritten after contact: AUC {auc:.2} alone"));
    }
    let rating = words.any(&[
        "score",
        "index",
        "rating",
        "grade",
        "quality",
        "profile",
        "priority",
        "likelihood",
        "probability",
    ]);
    if rating && (missing >= RATED_SOME || auc >= NAMED_AUC) {
        let some = missing * 100.0;
        return Verdict::Leak(format!(
            "a rating by a person or another system, likely given after contact: missing in {some:.0} % of the rows, AUC {auc:.2} alone"
        ));
    }
    if auc >= SUSPICIOUS_AUC {
        return Verdict::Possible(format!(
            "is very strong: AUC {auc:.2} alone; is it known when a lead is to be scored?"
        ));
    }
    if speaks_of_later(words) || rating {
        return Verdict::Possible(
            "by its name it may be filled in after contact; is it known when a lead is to be scored?".to_owned(),
        );
    }
    Verdict::Innocent
}

fn speaks_of_later(words: &Words) -> bool {
    let overwritten = words.any(&["last", "latest", "recent", "current"])
        && words.any(&[
            "activity",
            "contact",
            "contacted",
            "call",
            "modified",
            "touch",
            "update",
            "updated",
            "stage",
            "disposition",
        ]);
    let deal =
        words.any(&["deal", "opportunity", "lead", "pipeline", "contact"]) && words.any(&["status", "stage", "state"]);
    overwritten
        || deal
        || words.are(&["status", "stage", "result", "reason"])
        || words.speak_of_end()
        || words.any(&[
            "tag",
            "tags",
            "disposition",
            "note",
            "notes",
            "remark",
            "remarks",
            "comment",
            "comments",
            "followup",
            "invoice",
            "commission",
            "quality",
            "sentiment",
            "feedback",
            "spend",
            "spent",
            "paid",
        ]) && !words.any(&["time"])
}

/// AUC of the column alone: ranks of its numbers, or of the winners' share of its categories among other rows; the
/// better of the two.
fn strength(
    profile: &Profile<'_>,
    labelled: &[(usize, bool)],
    values: &[Option<&str>],
    labels: &[bool],
    decimal: char,
) -> f64 {
    let categories: Vec<u32> = match profile.holds {
        Holds::Number | Holds::Time(_) => {
            let all =
                if let Holds::Time(time) = &profile.holds { instants(profile, time) } else { profile.numbers(decimal) };
            let numbers: Vec<f64> = labelled.iter().map(|(i, _)| all[*i]).collect();
            let known: Vec<(f64, bool)> =
                numbers.iter().zip(labels).filter(|(n, _)| !n.is_nan()).map(|(n, won)| (*n, *won)).collect();
            let ranked = auc(&known);
            return ranked.max(1.0 - ranked).max(held_out_auc(&binned(&numbers), labels));
        }
        Holds::Nothing
        | Holds::Constant
        | Holds::Id
        | Holds::Email
        | Holds::Phone
        | Holds::Zone
        | Holds::Boolean
        | Holds::Category
        | Holds::Text => {
            let mut codes = HashMap::new();
            values
                .iter()
                .map(|v| {
                    let next = codes.len() as u32;
                    *codes.entry(*v).or_insert(next)
                })
                .collect()
        }
    };
    held_out_auc(&categories, labels)
}

fn instants(profile: &Profile<'_>, time: &crate::ingest::files::time::DetectedTime) -> Vec<f64> {
    let read = |text: &str| time.format.read(text, &jiff::tz::TimeZone::UTC).ok().map(|t| t.as_micros() as f64);
    profile.values.iter().map(|v| v.and_then(read).unwrap_or(f64::NAN)).collect()
}

/// Intervals of about equally many values; missing is one of its own.
fn binned(numbers: &[f64]) -> Vec<u32> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|n| !n.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return vec![0; numbers.len()];
    }
    let cuts: Vec<f64> = (1..BINS).map(|i| sorted[i * sorted.len() / BINS]).collect();
    numbers.iter().map(|n| if n.is_nan() { 0 } else { 1 + cuts.partition_point(|cut| cut < n) as u32 }).collect()
}

/// A row's fold, without the rhythm that files have (Knuth's multiplicative hash).
const fn fold_of(row: usize) -> usize {
    ((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % FOLDS
}

/// AUC of the winners' share of each row's category among the rows of the other folds.
fn held_out_auc(categories: &[u32], labels: &[bool]) -> f64 {
    let rate = labels.iter().filter(|won| **won).count() as f64 / labels.len() as f64;
    let mut all = HashMap::<u32, (f64, f64)>::new();
    let mut folds = vec![HashMap::<u32, (f64, f64)>::new(); FOLDS];
    for (i, (category, won)) in categories.iter().zip(labels).enumerate() {
        let won = f64::from(u8::from(*won));
        for counts in [&mut all, &mut folds[fold_of(i)]] {
            let entry = counts.entry(*category).or_default();
            entry.0 += 1.0;
            entry.1 += won;
        }
    }
    let scored: Vec<(f64, bool)> = categories
        .iter()
        .zip(labels)
        .enumerate()
        .map(|(i, (category, won))| {
            let (rows, wins) = all[category];
            let own = folds[fold_of(i)].get(category).copied().unwrap_or_default();
            let (rows, wins) = (rows - own.0, wins - own.1);
            ((wins + PRIOR_ROWS * rate) / (rows + PRIOR_ROWS), *won)
        })
        .collect();
    auc(&scored)
}

/// Probability that a winner ranks above a loser, ties counted half (Mann and Whitney 1947).
fn auc(scored: &[(f64, bool)]) -> f64 {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut winners, mut i) = (0.0, 0.0, 0);
    while i < sorted.len() {
        let end = i + sorted[i..].iter().take_while(|(score, _)| score.total_cmp(&sorted[i].0).is_eq()).count();
        let wins = sorted[i..end].iter().filter(|(_, won)| *won).count() as f64;
        rank_sum += wins * (i + 1 + end) as f64 / 2.0;
        winners += wins;
        i = end;
    }
    let losers = sorted.len() as f64 - winners;
    if winners == 0.0 || losers == 0.0 {
        return 0.5;
    }
    (rank_sum - winners * (winners + 1.0) / 2.0) / (winners * losers)
}

/// A value, being missing, or being known, that (nearly) only winners or only losers have.
fn decides(values: &[Option<&str>], labels: &[bool]) -> Option<String> {
    let rows = labels.len() as f64;
    let winners = labels.iter().filter(|won| **won).count() as f64;
    let rate = winners / rows;
    let mut counts = HashMap::<Option<&str>, (f64, f64)>::new();
    for (value, won) in values.iter().zip(labels) {
        let entry = counts.entry(*value).or_default();
        entry.0 += 1.0;
        entry.1 += f64::from(u8::from(*won));
    }
    let missing = counts.get(&None).copied().unwrap_or_default();
    let known = (rows - missing.0, winners - missing.1);
    let only_winners = |(n, wins): (f64, f64)| {
        n * (1.0 - rate) >= EXPECTED_MIN && n - wins <= AS_GOOD_AS_NONE * n * (1.0 - rate) && wins >= 0.3 * winners
    };
    let only_losers = |(n, wins): (f64, f64), least: f64| {
        n * rate >= EXPECTED_MIN && wins <= AS_GOOD_AS_NONE * n * rate && n >= least * rows
    };
    if missing.0 > 0.0 && known.0 > 0.0 {
        if only_winners(known) {
            return Some("exists only for winners".to_owned());
        }
        if only_losers(missing, 0.3) {
            return Some("is missing only where the lead was lost".to_owned());
        }
        if only_losers(known, 0.1) {
            return Some("exists only for losers".to_owned());
        }
    }
    counts.retain(|value, _| value.is_some());
    if counts.values().any(|count| only_winners(*count)) {
        return Some("has a value with which nearly every lead was won".to_owned());
    }
    let step = counts.values().any(|count| only_losers(*count, 0.5));
    step.then(|| "has a frequent value with which no lead was won: a step of the outcome itself".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::files::values::MissingTokens;

    fn verdict(name: &str, column: &[&str], won: &[Option<bool>]) -> Verdict {
        let profile = Profile::new(name, column.iter().map(|v| Some(*v)), &MissingTokens::new([]), '.');
        judge(&profile, won, '.')
    }

    /// 1,000 rows of which every fourth is won.
    fn labels() -> Vec<Option<bool>> {
        (0..1_000).map(|i| Some(i % 4 == 0)).collect()
    }

    fn column(value: impl Fn(usize, bool) -> String) -> Vec<String> {
        (0..1_000).map(|i| value(i, i % 4 == 0)).collect()
    }

    fn judged(name: &str, value: impl Fn(usize, bool) -> String) -> Verdict {
        let column = column(value);
        let column: Vec<&str> = column.iter().map(String::as_str).collect();
        verdict(name, &column, &labels())
    }

    #[test]
    fn a_column_that_determines_the_outcome_is_a_leak() {
        assert!(matches!(judged("x", |i, won| format!("{}", i % 50 + if won { 100 } else { 0 })), Verdict::Leak(_)));
        assert!(matches!(judged("x", |i, won| format!("{}{}", if won { "w" } else { "l" }, i % 5)), Verdict::Leak(_)));
    }

    #[test]
    fn a_column_that_exists_only_for_winners_is_a_leak() {
        let text = |reason: &str| {
            matches!(
                judged("x", |i, won| match reason {
                    "winners" if won && i % 8 == 0 => format!("v{}", i % 3),
                    "losers" if !won && i % 3 == 0 => format!("v{}", i % 3),
                    _ => String::new(),
                }),
                Verdict::Leak(_)
            )
        };
        assert!(text("winners"));
        assert!(text("losers"));
        assert!(!text("neither"));
    }

    #[test]
    fn a_step_of_the_outcome_is_a_leak() {
        // Hardly any visited, all who were won did.
        assert!(matches!(judged("visit", |i, won| u8::from(won || i % 5 == 1).to_string()), Verdict::Leak(_)));
    }

    #[test]
    fn names_weigh_only_with_an_association() {
        let noisy = |i: usize, won: bool| (i % 37 + if won { 18 } else { 0 }).to_string();
        assert!(matches!(judged("call duration", noisy), Verdict::Leak(_)));
        assert!(!matches!(judged("visits", noisy), Verdict::Leak(_)));
        assert!(!matches!(judged("call duration", |i, _| (i * 7 % 31).to_string()), Verdict::Leak(_)));
    }

    #[test]
    fn noise_is_innocent() {
        assert_eq!(judged("visits", |i, _| (i * 7 % 31).to_string()), Verdict::Innocent);
        assert_eq!(judged("city", |i, _| format!("c{}", i * 11 % 401)), Verdict::Innocent);
    }
}
