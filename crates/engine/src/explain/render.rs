//! From a value to words: which text applies and what stands in its braces.
//!
//! Owns: topics, conditions, and the formats of times, amounts and shares. Invariant: a text is at most
//! [`TEXT_MAX_CHARS`] long, holds no brace and no NaN; what cannot be filled in gives no text.

use jiff::{civil, tz::TimeZone};
use leadscore_domain::{
    Timestamp,
    explanation::TEXT_MAX_CHARS,
    time::{DAY_US, HOUR_US},
};

use super::words::Wording;
use crate::features::{LeadState, Signal};

/// What stands before an amount of money, where the brokerage says nothing else.
pub const CURRENCY_SIGN: &str = "$";
/// Largest number that is written out.
const LARGEST: f64 = 1e12;

/// What a reason is about: the columns of one topic are merged into one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Web,
    Listings,
    Search,
    Focus,
    Budget,
    Renting,
    Financing,
    Valuation,
    Showing,
    MissedShowing,
    Email,
    EmailReach,
    Inbound,
    Answers,
    CallLength,
    AiVoice,
    Sentiment,
    Conversation,
    PriceObjection,
    TimingObjection,
    Commitment,
    Competitor,
    Disinterest,
    OptOut,
    Outreach,
    Reply,
    OurPace,
    AgentWork,
    Activity,
    Stage,
    Age,
    Calendar,
    MarketPrices,
    MarketSupply,
}

/// Number of [`Topic`]s.
pub(super) const TOPICS: usize = Topic::MarketSupply as usize + 1;

/// When a text applies.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// The value is missing, which says that it never happened.
    Missing,
    /// The value is missing though this happened.
    MissingAfter(Signal),
    /// The value is below this.
    Below(f32),
    /// Any value.
    Rest,
}

/// Of whom and when a text speaks.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) state: &'a LeadState,
    pub(super) at: Timestamp,
    pub(super) currency: &'a str,
}

impl Context<'_> {
    /// What `wording` says of `value`; `None` where it has no words for it.
    pub(super) fn say(&self, wording: &Wording, value: f32) -> Option<String> {
        if value.is_infinite() {
            return None;
        }
        let holds = |when: When| match when {
            When::Missing => value.is_nan(),
            When::MissingAfter(signal) => value.is_nan() && self.state.count(signal) > 0,
            When::Below(bound) => value < bound,
            When::Rest => !value.is_nan(),
        };
        let (_, texts) = wording.cases.iter().find(|(when, _)| holds(*when))?;
        texts.iter().find_map(|text| self.fill(text, wording.signals, f64::from(value)))
    }

    /// `text` with its braces filled; `None` where that cannot be, or the text would be too long.
    fn fill(&self, text: &str, signals: &[Signal], value: f64) -> Option<String> {
        let mut out = String::with_capacity(text.len() + 16);
        let mut left = text;
        while let Some((before, after)) = left.split_once('{') {
            let (slot, after) = after.split_once('}')?;
            out.push_str(before);
            out.push_str(&self.slot(slot, signals, value)?);
            left = after;
        }
        out.push_str(left);
        (out.chars().count() <= TEXT_MAX_CHARS).then_some(out)
    }

    fn slot(&self, slot: &str, signals: &[Signal], value: f64) -> Option<String> {
        let latest = || signals.iter().filter_map(|signal| self.state.last(*signal)).max();
        match slot {
            "n" => number(value.round(), 0),
            "x" => number(value, 1),
            "percent" => percent(value),
            "above" => percent(value.exp() - 1.0),
            "below" => percent(1.0 - value.exp()),
            "money" => money(value.exp(), self.currency),
            "price" => money(self.state.price_centre()?, self.currency),
            "signed" => signed(value),
            "minutes" => span(value * 60.0),
            "hours" => span(value * 3_600.0),
            "days" => span(value * 86_400.0),
            "since" => ago(value * 86_400.0),
            "ago" => ago(self.at.since(latest()?).max(0) as f64 / 1e6),
            "where" => Some(self.place(latest()?).to_owned()),
            "clock" => clock(value),
            "weekday" => weekday(value),
            "month" => Some(month(self.at).to_owned()),
            _ => None,
        }
    }

    /// In what kind of conversation something was said.
    fn place(&self, said_at: Timestamp) -> &'static str {
        let was = |signals: &[Signal]| signals.iter().any(|signal| self.state.last(*signal) == Some(said_at));
        if was(&[Signal::CallOutAnswered, Signal::CallIn]) {
            "in the call"
        } else if was(&[Signal::MessageIn]) {
            "in the message"
        } else {
            "in a conversation"
        }
    }
}

/// A number with thousands set apart and at most `decimals`, 0 or 1.
pub(super) fn number(value: f64, decimals: usize) -> Option<String> {
    if value.is_nan() || value.abs() > LARGEST {
        return None;
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::with_capacity(text.len() + 5);
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        out.push('−');
    }
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !part.is_empty() && part != "0" {
        out.push('.');
        out.push_str(part);
    }
    Some(out)
}

/// An amount of money to two or three digits: $450,000, €1.2 million, £1,450.
pub(super) fn money(value: f64, currency: &str) -> Option<String> {
    if !(1.0..=LARGEST).contains(&value) {
        return None;
    }
    if value >= 1e6 {
        return Some(format!("{currency}{} million", number(value / 1e6, 1)?));
    }
    let step = if value < 10_000.0 { 50.0 } else { 5_000.0 };
    let rounded = (value / step).round() * step;
    Some(format!("{currency}{}", number(if rounded > 0.0 { rounded } else { value.round() }, 0)?))
}

fn percent(share: f64) -> Option<String> {
    Some(format!("{} %", number((share * 100.0).round(), 0)?))
}

fn signed(value: f64) -> Option<String> {
    let text = number(value, 1)?;
    Some(if value > 0.0 && text != "0" { format!("+{text}") } else { text })
}

/// A length of time in its largest unit that gives at least two, or one of a smaller one.
pub(super) fn span(seconds: f64) -> Option<String> {
    const UNITS: [(f64, f64, &str); 5] = [
        (2.0 * 365.25 * 86_400.0, 365.25 * 86_400.0, "year"),
        (60.0 * 86_400.0, 30.44 * 86_400.0, "month"),
        (48.0 * 3_600.0, 86_400.0, "day"),
        (3_600.0, 3_600.0, "hour"),
        (0.0, 60.0, "minute"),
    ];
    let (_, unit, name) = UNITS.iter().find(|(from, ..)| seconds >= *from)?;
    let count = (seconds / unit).round().max(1.0);
    let plural = if count >= 2.0 { "s" } else { "" };
    Some(format!("{} {name}{plural}", number(count, 0)?))
}

/// A time in the past.
fn ago(seconds: f64) -> Option<String> {
    if (0.0..60.0).contains(&seconds) { Some("just now".to_owned()) } else { Some(format!("{} ago", span(seconds)?)) }
}

/// A time from now, in days; the past where it is negative.
pub(super) fn from_now(days: f64) -> Option<String> {
    match days {
        days if days < -0.5 => ago(-days * 86_400.0),
        days if days < 0.5 => Some("today".to_owned()),
        days => Some(format!("in {}", span(days * 86_400.0)?)),
    }
}

/// An hour of the day.
fn clock(hour: f64) -> Option<String> {
    let hour = (0.0..24.0).contains(&hour).then_some(hour as u32)?;
    let half = if hour < 12 { "am" } else { "pm" };
    Some(format!("{} {half}", if hour.is_multiple_of(12) { 12 } else { hour % 12 }))
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn weekday(day: f64) -> Option<String> {
    let day = (0.0..7.0).contains(&day).then_some(day as usize)?;
    Some(WEEKDAYS[day].to_owned())
}

fn month(at: Timestamp) -> &'static str {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let local: civil::DateTime = TimeZone::UTC.to_datetime(at.to_jiff());
    MONTHS[usize::try_from(local.month() - 1).unwrap_or(0) % 12]
}

/// A moment ahead by the lead's clock: today at 6 pm, Tuesday at 11 am.
pub(super) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<String> {
    if at.since(now) < HOUR_US {
        return Some("now".to_owned());
    }
    let (local, today) = (zone.to_datetime(at.to_jiff()), zone.to_datetime(now.to_jiff()));
    let clock = clock(f64::from(local.hour()))?;
    if local.date() == today.date() {
        return Some(format!("today at {clock}"));
    }
    if at.since(now) > 7 * DAY_US {
        return None;
    }
    Some(format!("{} at {clock}", weekday(f64::from(local.weekday().to_monday_zero_offset()))?))
}

/// `text` cut to `most` characters, with an ellipsis where something is missing.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_read_are_not_written() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(number(value, 0), None);
            assert_eq!(money(value, "$"), None);
            assert_eq!(clock(value), None);
            assert_eq!(weekday(value), None);
        }
        assert_eq!(span(f64::NAN), None);
        assert_eq!(span(-1.0), None);
        assert_eq!(money(0.0, "$"), None);
    }

    #[test]
    fn amounts_times_and_shares_read_like_speech() {
        for (found, expected) in [
            (number(1_234_567.0, 0), "1,234,567"),
            (number(-0.04, 1), "0"),
            (number(-2.25, 1), "−2.2"),
            (number(3.0, 1), "3"),
            (money(451_200.0, "$"), "$450,000"),
            (money(1_249.0, "€"), "€1,250"),
            (money(1_240_000.0, "$"), "$1.2 million"),
            (money(12.0, "$"), "$12"),
            (percent(0.456), "46 %"),
            (signed(0.6), "+0.6"),
            (signed(-0.6), "−0.6"),
            (span(20.0), "1 minute"),
            (span(7_300.0), "2 hours"),
            (span(86_400.0 * 1.5), "36 hours"),
            (span(86_400.0 * 100.0), "3 months"),
            (ago(5.0), "just now"),
            (ago(7_300.0), "2 hours ago"),
            (from_now(40.0), "in 40 days"),
            (from_now(-3.0), "3 days ago"),
            (from_now(0.0), "today"),
            (clock(0.0), "12 am"),
            (clock(12.0), "12 pm"),
            (clock(18.0), "6 pm"),
            (weekday(1.0), "Tuesday"),
        ] {
            assert_eq!(found.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_moment_is_told_by_the_leads_clock() {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let now: Timestamp = "2026-03-02T18:00:00Z".parse().unwrap();
        let later = |hours: i64| moment(now.plus_micros(hours * HOUR_US), now, &zone);
        assert_eq!(later(0).as_deref(), Some("now"));
        assert_eq!(later(6).as_deref(), Some("today at 6 pm"));
        assert_eq!(later(30).as_deref(), Some("Tuesday at 6 pm"));
        assert_eq!(later(24 * 8), None);
    }
}
