//! When a lead most likely answers: the best lawful hour ahead.
//!
//! Owns: the population's answer rates by local hour of week and how a lead's own calls bend them.
//! Deliberately absent: consent and do-not-call rules; an hour named here is not yet a permission to call.

use std::ops::RangeInclusive;

use jiff::{ToSpan, civil, tz::TimeZone};
use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::features::HourOfWeek;

/// Hours in a week; index 0 is Monday 00:00 in the lead's zone.
pub const HOURS_PER_WEEK: usize = 168;

/// Local hours in which a telemarketing call may begin: 8 am to 9 pm (47 CFR 64.1200(c)(1)).
const LAWFUL_HOURS: RangeInclusive<i8> = 8..=20;
/// The same where the zone is a guess: lawful in every zone of the contiguous United States.
const CAUTIOUS_HOURS: RangeInclusive<i8> = 11..=17;
/// Calls by which the global rate is strengthened in each hour of the population.
const PRIOR_CALLS: f64 = 50.0;
/// Calls by which the population's rate is strengthened for one lead.
const LEAD_PRIOR_CALLS: f64 = 4.0;
/// An hour this much later must promise twice the answers, in hours.
const WAIT_HALF_LIFE_HOURS: f64 = 72.0;
/// Share of answered calls assumed where nothing is known.
const ANSWER_RATE_UNKNOWN: f64 = 0.25;

/// Answered and attempted outbound calls of a whole population by local hour of week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPrior {
    attempts: Vec<u64>,
    answers: Vec<u64>,
}

impl Default for ContactPrior {
    fn default() -> Self {
        Self { attempts: vec![0; HOURS_PER_WEEK], answers: vec![0; HOURS_PER_WEEK] }
    }
}

impl ContactPrior {
    /// Adds one lead's calls.
    pub fn add(&mut self, habits: &HourOfWeek) {
        for hour in 0..HOURS_PER_WEEK {
            self.attempts[hour] += u64::from(habits.attempts(hour));
            self.answers[hour] += u64::from(habits.answers(hour));
        }
    }

    /// The prior as a file of a model bundle.
    ///
    /// # Panics
    /// Never: two lists of integers are JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("two lists of integers are JSON")
    }

    /// Reads what [`Self::to_json`] wrote; `None` where it is anything else.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let prior: Self = serde_json::from_slice(json).ok()?;
        (prior.attempts.len() == HOURS_PER_WEEK && prior.answers.len() == HOURS_PER_WEEK).then_some(prior)
    }

    /// Probability of an answer in each hour of the week, drawn towards the overall rate where calls are few.
    #[must_use]
    pub fn rates(&self) -> [f64; HOURS_PER_WEEK] {
        let attempts = self.attempts.iter().sum::<u64>() as f64;
        let answers = self.answers.iter().sum::<u64>() as f64;
        let overall = (answers + PRIOR_CALLS * ANSWER_RATE_UNKNOWN) / (attempts + PRIOR_CALLS);
        std::array::from_fn(|hour| {
            (self.answers[hour] as f64 + PRIOR_CALLS * overall) / (self.attempts[hour] as f64 + PRIOR_CALLS)
        })
    }
}

/// Start of the hour within the next seven days in which a call most likely finds the lead, sooner preferred.
///
/// `zone` is the lead's; `zone_known` is false where it is only the brokerage's, and then only hours count that are
/// lawful whatever the zone. The present instant itself is returned where the present hour is the best.
#[must_use]
pub fn best_contact_time(
    rates: &[f64; HOURS_PER_WEEK],
    habits: &HourOfWeek,
    zone: &TimeZone,
    zone_known: bool,
    at: Timestamp,
) -> Timestamp {
    let hours = if zone_known { LAWFUL_HOURS } else { CAUTIOUS_HOURS };
    let local = zone.to_datetime(at.to_jiff());
    let first_hour = hour_of_week(local);
    let mut best = (f64::MIN, 0);
    for wait in 0..HOURS_PER_WEEK {
        let hour = (first_hour + wait) % HOURS_PER_WEEK;
        if !hours.contains(&((hour % 24) as i8)) {
            continue;
        }
        let attempts = f64::from(habits.attempts(hour));
        let answers = f64::from(habits.answers(hour));
        let rate = (answers + LEAD_PRIOR_CALLS * rates[hour]) / (attempts + LEAD_PRIOR_CALLS);
        let worth = rate * (-(wait as f64) / WAIT_HALF_LIFE_HOURS).exp2();
        if worth > best.0 {
            best = (worth, wait);
        }
    }
    if best.1 == 0 { at } else { hour_start(local, best.1, zone).unwrap_or(at) }
}

/// Index of the local hour within the week, Monday 00:00 = 0.
#[must_use]
pub fn hour_of_week(local: civil::DateTime) -> usize {
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
    day * 24 + usize::try_from(local.hour()).unwrap_or_default()
}

/// Start of the local hour `wait` hours later by the wall clock; a time that a clock change skips moves behind it.
fn hour_start(local: civil::DateTime, wait: usize, zone: &TimeZone) -> Option<Timestamp> {
    let hour = local.date().at(local.hour(), 0, 0, 0);
    let later = hour.checked_add(i64::try_from(wait).ok()?.hours()).ok()?;
    let instant = zone.to_ambiguous_timestamp(later).compatible().ok()?;
    Timestamp::from_jiff(instant).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn local_hour(at: Timestamp, zone: &TimeZone) -> i8 {
        zone.to_datetime(at.to_jiff()).hour()
    }

    #[test]
    fn never_outside_lawful_hours_at_any_minute_of_a_year_with_clock_changes() {
        let rates = ContactPrior::default().rates();
        let habits = HourOfWeek::default();
        for name in ["America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "America/Phoenix"] {
            let zone = zone(name);
            let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            for step in 0..8_760 {
                let at = start.plus_micros(step * 3_607_000_000);
                let time = best_contact_time(&rates, &habits, &zone, true, at);
                assert!(time >= at && LAWFUL_HOURS.contains(&local_hour(time, &zone)), "{name} {at} {time}");
                let cautious = best_contact_time(&rates, &habits, &zone, false, at);
                assert!(CAUTIOUS_HOURS.contains(&local_hour(cautious, &zone)), "{name} {at} {cautious}");
            }
        }
    }

    #[test]
    fn a_population_that_answers_on_tuesday_evening_is_called_then() {
        let mut prior = ContactPrior::default();
        for hour in 0..HOURS_PER_WEEK {
            prior.attempts[hour] = 1_000;
            prior.answers[hour] = if hour == 24 + 18 { 600 } else { 100 };
        }
        let zone = zone("America/Chicago");
        let monday_noon: Timestamp = "2026-03-02T18:00:00Z".parse().unwrap();
        let time = best_contact_time(&prior.rates(), &HourOfWeek::default(), &zone, true, monday_noon);
        assert_eq!(time, "2026-03-04T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn files_of_another_shape_are_refused() {
        assert_eq!(ContactPrior::from_json(br#"{"attempts":[1],"answers":[1]}"#), None);
        assert_eq!(ContactPrior::from_json(b"nonsense"), None);
        let prior = ContactPrior::default();
        assert_eq!(ContactPrior::from_json(&prior.to_json()), Some(prior));
    }
}
