//! The rules on when and how often somebody may be called: the federal one, and those of states that allow less.
//!
//! Owns: the table, which docs/CALLING.md shows. Invariant: each row has the day from which on it holds and the law that
//! it is about. Deliberately absent: holidays that only a state has, and what its law exempts.

use std::fmt::Write as _;

use jiff::civil::{Date, Weekday, date};

use super::place::State;
use crate::Timestamp;

/// Hours of a day, from the first to before the second.
type Hours = (i8, i8);

/// When and how often calls are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallingRule {
    /// The state; `None` for the federal rule.
    pub state: Option<&'static str>,
    /// The first day on which it holds.
    pub from: Date,
    /// Hours from Monday to Friday.
    pub weekdays: Hours,
    /// Hours of Saturdays.
    pub saturday: Option<Hours>,
    /// Hours of Sundays.
    pub sunday: Option<Hours>,
    /// Whether there are calls on federal holidays (5 U.S.C. 6103), on their day and on the day they are observed.
    pub on_holidays: bool,
    /// Most calls to a person within 24 hours.
    pub calls_per_day: Option<usize>,
    /// Where it stands.
    pub source: &'static str,
}

/// Long ago: rules whose first day does not matter any more.
const LONG_AGO: Date = date(2000, 1, 1);

const fn all_days(state: &'static str, from: Date, hours: Hours, source: &'static str) -> CallingRule {
    let (state, day) = (Some(state), Some(hours));
    CallingRule {
        state,
        from,
        weekdays: hours,
        saturday: day,
        sunday: day,
        on_holidays: true,
        calls_per_day: None,
        source,
    }
}

const fn three_a_day(rule: CallingRule) -> CallingRule {
    CallingRule { calls_per_day: Some(3), ..rule }
}

const fn no_sundays(rule: CallingRule) -> CallingRule {
    CallingRule { sunday: None, ..rule }
}

const fn no_holidays(rule: CallingRule) -> CallingRule {
    CallingRule { on_holidays: false, ..rule }
}

/// Every rule. Where sources differ in what they say of a state, the stricter reading stands here.
#[rustfmt::skip]
pub const RULES: [CallingRule; 19] = [
    CallingRule { state: None, ..all_days("", LONG_AGO, (8, 21), "47 CFR 64.1200(c)(1)") },
    no_holidays(no_sundays(all_days("AL", LONG_AGO, (8, 20), "Ala. Admin. Code 770-X-5"))),
    all_days("CT", date(2023, 10, 1), (9, 20), "Conn. Gen. Stat. 42-288a"),
    three_a_day(all_days("FL", date(2021, 7, 1), (8, 20), "Fla. Stat. 501.616(6)")),
    all_days("KY", LONG_AGO, (10, 21), "Ky. Rev. Stat. 367.46955"),
    no_holidays(no_sundays(all_days("LA", LONG_AGO, (8, 20), "La. R.S. 45:844.31"))),
    all_days("MA", LONG_AGO, (8, 20), "Mass. Gen. Laws ch. 159C, 3"),
    three_a_day(all_days("MD", date(2024, 1, 1), (8, 20), "Md. Code, Com. Law 14-4503")),
    all_days("MI", LONG_AGO, (9, 21), "Mich. Comp. Laws 445.111 ff."),
    all_days("MN", LONG_AGO, (9, 21), "Minn. Stat. 325E.30"),
    no_holidays(no_sundays(all_days("MS", LONG_AGO, (8, 20), "Miss. Code 77-3-723"))),
    all_days("NM", LONG_AGO, (9, 21), "N.M. Stat. 57-12-22"),
    all_days("NV", LONG_AGO, (9, 20), "Nev. Rev. Stat. 599B"),
    three_a_day(all_days("OK", date(2022, 11, 1), (8, 20), "Okla. Stat. tit. 15, 775C.4")),
    CallingRule {
        saturday: Some((10, 17)),
        ..no_holidays(no_sundays(all_days("RI", LONG_AGO, (9, 18), "R.I. Gen. Laws 5-61-3.6")))
    },
    no_sundays(all_days("SD", LONG_AGO, (9, 21), "S.D. Codified Laws 37-30A")),
    CallingRule { sunday: Some((12, 21)), ..all_days("TX", LONG_AGO, (9, 21), "Tex. Bus. & Com. Code 301.051") },
    no_holidays(no_sundays(all_days("UT", LONG_AGO, (8, 21), "Utah Code 13-25a-103"))),
    all_days("WA", LONG_AGO, (8, 20), "Wash. Rev. Code 80.36.390"),
];

/// The federal rule, and those of these states.
pub(super) fn of(states: &[State]) -> Vec<&'static CallingRule> {
    let applies =
        |rule: &&CallingRule| rule.state.is_none_or(|letters| states.iter().any(|one| one.as_str() == letters));
    RULES.iter().filter(applies).collect()
}

impl CallingRule {
    /// Hours of a day: all of it before the rule holds; `None` on a day without any.
    pub(super) fn hours(&self, day: Date) -> Option<Hours> {
        if day < self.from {
            return Some((0, 24));
        }
        if !self.on_holidays && is_holiday(day) {
            return None;
        }
        match day.weekday() {
            Weekday::Saturday => self.saturday,
            Weekday::Sunday => self.sunday,
            Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday | Weekday::Friday => {
                Some(self.weekdays)
            }
        }
    }

    /// Most calls within 24 hours, where the rule holds at the instant, by the day in UTC.
    pub(super) fn calls_per_day_on(&self, at: Timestamp) -> Option<usize> {
        let day = at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        self.calls_per_day.filter(|_| day >= self.from)
    }
}

/// Whether a day is a federal holiday, or one is observed on it.
pub(super) fn is_holiday(day: Date) -> bool {
    let by_weekday = |month, weekday, nth| day.month() == month && day.weekday() == weekday && nth_of_month(day) == nth;
    let last_monday_of_may = day.month() == 5 && day.weekday() == Weekday::Monday && day.day() > 24;
    by_weekday(1, Weekday::Monday, 3)
        || by_weekday(2, Weekday::Monday, 3)
        || last_monday_of_may
        || by_weekday(9, Weekday::Monday, 1)
        || by_weekday(10, Weekday::Monday, 2)
        || by_weekday(11, Weekday::Thursday, 4)
        || is_fixed(day)
        // What falls on a Saturday is observed the day before, on a Sunday the day after.
        || (day.weekday() == Weekday::Friday && day.tomorrow().is_ok_and(is_fixed))
        || (day.weekday() == Weekday::Monday && day.yesterday().is_ok_and(is_fixed))
}

fn nth_of_month(day: Date) -> i8 {
    (day.day() - 1) / 7 + 1
}

fn is_fixed(day: Date) -> bool {
    matches!((day.month(), day.day()), (1, 1) | (6, 19) | (7, 4) | (11, 11) | (12, 25))
}

/// The table as docs/CALLING.md shows it.
#[must_use]
pub fn rules_markdown() -> String {
    let hours = |hours: Option<Hours>| hours.map_or_else(|| "none".to_owned(), |(from, to)| format!("{from}–{to}"));
    let mut text = String::from(
        "| Where | From | Monday to Friday | Saturday | Sunday | Federal holidays | Calls in 24 hours | Source |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for rule in &RULES {
        let from = if rule.from == LONG_AGO { String::new() } else { rule.from.to_string() };
        let _ = writeln!(
            text,
            "| {} | {from} | {} | {} | {} | {} | {} | {} |",
            rule.state.unwrap_or("all"),
            hours(Some(rule.weekdays)),
            hours(rule.saturday),
            hours(rule.sunday),
            if rule.on_holidays { "as other days" } else { "none" },
            rule.calls_per_day.map_or_else(String::new, |most| most.to_string()),
            rule.source
        );
    }
    text
}
