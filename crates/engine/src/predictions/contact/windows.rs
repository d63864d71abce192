//! The windows to call in, best first, and the best moment to call.

use std::ops::RangeInclusive;

use jiff::{ToSpan, civil::DateTime, tz::TimeZone};
use leadscore_domain::{ContactWindow, Timestamp};

use super::{AnswerModel, HOURS_PER_WEEK, LEVELS, Posterior, calls, calls::Context};
use crate::features::LeadState;

/// Local hours in which a telemarketing call may begin: 8 am to 9 pm (47 CFR 64.1200(c)(1)).
pub const LAWFUL_HOURS: RangeInclusive<u8> = 8..=20;
/// The same where the zone is a guess: lawful in every zone of the contiguous United States.
pub const CAUTIOUS_HOURS: RangeInclusive<u8> = 11..=17;
/// Parts of a day that windows are made of: first hour and the hour after the last.
pub const DAYPARTS: [(u8, u8); 6] = [(8, 10), (10, 12), (12, 14), (14, 16), (16, 18), (18, 21)];
/// Windows that are named.
pub const WINDOWS: usize = 6;
/// Parts of working days, then those of weekends.
pub(super) const PARTS: usize = 2 * DAYPARTS.len();
/// How much the parts of a day of leads of one kind of week differ from the kind's, in log-odds, on working days and
/// at weekends, where calls are few.
const BLUR: [f64; 2] = [0.3, 1.0];
/// Days that are looked ahead.
const DAYS_AHEAD: usize = 7;
/// An hour this much later must promise twice the answers, in hours.
const WAIT_HALF_LIFE_HOURS: f64 = 72.0;
/// The same for windows: their order is by answers, and the wait only decides between days that are alike.
const WINDOW_HALF_LIFE_HOURS: f64 = 2_000.0;
/// An hour that has begun counts up to this minute.
const MINUTES_GONE_MAX: f64 = 30.0;

/// When to call a lead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContactPlan {
    /// The best lawful moment within seven days, sooner preferred: now, or the start of a local hour.
    pub best_at: Timestamp,
    /// Windows of the next seven days, those with the most answers first: of a working day and of a day of the weekend
    /// each the three parts among which the lead's best one most probably is.
    pub windows: [ContactWindow; WINDOWS],
}

/// A part of a day within the next days, as far as it is lawful and still ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    /// Days ahead.
    day: usize,
    /// Local hours of the day: first, and the one after the last.
    hours: (u8, u8),
    /// First hour of the week.
    hour_of_week: usize,
    /// Mean probability of an answer.
    rate: f64,
    /// The same, less for having to wait.
    worth: f64,
}

/// The lead's clock now.
#[derive(Debug, Clone, Copy)]
struct Now<'a> {
    at: Timestamp,
    local: DateTime,
    zone: &'a TimeZone,
    /// Lawful hours of a day.
    hours: (u8, u8),
}

impl AnswerModel {
    /// When to call a lead in `state`. `zone_known` is false where `zone` is only the brokerage's; then only hours
    /// count that are lawful whatever the zone.
    #[must_use]
    pub fn plan(&self, state: &LeadState, zone: &TimeZone, zone_known: bool, at: Timestamp) -> ContactPlan {
        let hours = if zone_known { LAWFUL_HOURS } else { CAUTIOUS_HOURS };
        let now = Now { at, local: zone.to_datetime(at.to_jiff()), zone, hours: (*hours.start(), hours.end() + 1) };
        let posterior = self.posterior(state, zone);
        let context = calls::next_context(state, at);
        // A lead that has just come is fresh now, not tomorrow.
        let later = if context == Context::FirstFresh { Context::First } else { context };
        let mut rates = self.rates(&posterior, later);
        let windows = self.ranked(&posterior, &slots(&rates, now)).map(|slot| now.window(&slot));
        if later != context {
            let present = now.hour_of_week();
            rates[present] = self.rates(&posterior, context)[present];
        }
        ContactPlan { best_at: now.best(&rates), windows }
    }

    /// Of either type of day the slots that are most probably the lead's best, by answers.
    fn ranked(&self, posterior: &Posterior, slots: &[Option<Slot>; PARTS]) -> [Slot; WINDOWS] {
        let mut chances = [0.0; PARTS];
        for (k, favourites) in self.favourites.iter().enumerate() {
            let weight: f64 = posterior[k * LEVELS.len()..(k + 1) * LEVELS.len()].iter().sum();
            for (chance, favourite) in chances.iter_mut().zip(favourites) {
                *chance += weight * favourite;
            }
        }
        let mut left = *slots;
        let mut next = |day: usize| {
            let parts = day * DAYPARTS.len()..(day + 1) * DAYPARTS.len();
            let known = parts.filter_map(|part| left[part].map(|slot| (part, slot)));
            let (part, best) = known.max_by(|x, y| chances[x.0].total_cmp(&chances[y.0]).then(y.0.cmp(&x.0)))?;
            left[part] = None;
            Some(best)
        };
        let mut ranked: [Slot; WINDOWS] = std::array::from_fn(|place| {
            next(place % 2).expect("within seven days both types of days have more parts than windows")
        });
        ranked.sort_by(|x, y| y.worth.total_cmp(&x.worth).then(x.hour_of_week.cmp(&y.hour_of_week)));
        ranked
    }
}

/// The chance of each part of a day to be the best one of its type of day, for leads with these log-odds by hour.
pub(super) fn favourites(log_odds: &[f64]) -> [f64; PARTS] {
    let mut weights = [0.0; PARTS];
    for (day, weights) in weights.chunks_mut(DAYPARTS.len()).enumerate() {
        for (weight, (from, to)) in weights.iter_mut().zip(DAYPARTS) {
            let hours = &log_odds[day * 24 + usize::from(from)..day * 24 + usize::from(to)];
            *weight = hours.iter().sum::<f64>() / hours.len() as f64;
        }
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|weight| *weight = ((*weight - most) / BLUR[day]).exp());
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    weights
}

impl Now<'_> {
    fn hour_of_week(&self) -> usize {
        weekday(self.local) * 24 + usize::from(hour(self.local))
    }

    /// The best lawful hour within seven days.
    fn best(&self, rates: &[f64; HOURS_PER_WEEK]) -> Timestamp {
        let first = self.hour_of_week();
        let mut best = (f64::MIN, 0);
        for wait in 0..HOURS_PER_WEEK {
            let hour = (first + wait) % HOURS_PER_WEEK;
            let lawful = (usize::from(self.hours.0)..usize::from(self.hours.1)).contains(&(hour % 24));
            let worth = rates[hour] * (-(wait as f64) / WAIT_HALF_LIFE_HOURS).exp2();
            if lawful && worth > best.0 {
                best = (worth, wait);
            }
        }
        if best.1 == 0 {
            return self.at;
        }
        let hour = hour(self.local) as usize + best.1;
        self.instant(hour / 24, (hour % 24) as u8).unwrap_or(self.at)
    }

    fn window(&self, slot: &Slot) -> ContactWindow {
        let start_at = self.instant(slot.day, slot.hours.0).unwrap_or(self.at).max(self.at);
        let end_at = self.instant(slot.day, slot.hours.1).unwrap_or(self.at).max(start_at);
        ContactWindow { start_at, end_at, probability: slot.rate }
    }

    /// The instant at which a local hour begins, `day` days ahead by the calendar; a time that a clock change skips
    /// moves behind it.
    fn instant(&self, day: usize, hour: u8) -> Option<Timestamp> {
        let date = self.local.date().checked_add(i64::try_from(day).ok()?.days()).ok()?;
        let instant = self.zone.to_ambiguous_timestamp(date.at(i8::try_from(hour).ok()?, 0, 0, 0)).compatible().ok()?;
        Timestamp::from_jiff(instant).ok()
    }
}

/// Of each part of a working day and of a day of the weekend, the best one in the next seven days.
fn slots(rates: &[f64; HOURS_PER_WEEK], now: Now<'_>) -> [Option<Slot>; PARTS] {
    let mut best: [Option<Slot>; PARTS] = [None; PARTS];
    let (today, this_hour) = (weekday(now.local), hour(now.local));
    let minutes_gone = f64::from(now.local.minute());
    for day in 0..=DAYS_AHEAD {
        let weekday = (today + day) % 7;
        for (part, (from, to)) in DAYPARTS.into_iter().enumerate() {
            let (mut from, to) = (from.max(now.hours.0), to.min(now.hours.1));
            if day == 0 {
                from = from.max(this_hour + u8::from(minutes_gone > MINUTES_GONE_MAX));
            }
            // The same weekday again counts as far as it is not ahead today.
            let again = day == DAYS_AHEAD && to > this_hour;
            if from >= to || again {
                continue;
            }
            let hour_of_week = weekday * 24 + usize::from(from);
            let hours = hour_of_week..hour_of_week + usize::from(to - from);
            let rate = rates[hours.clone()].iter().sum::<f64>() / hours.len() as f64;
            let wait_hours = (day * 24 + usize::from(from)) as f64 - f64::from(this_hour);
            let worth = rate * (-wait_hours / WINDOW_HALF_LIFE_HOURS).exp2();
            let slot = Slot { day, hours: (from, to), hour_of_week, rate, worth };
            let held = &mut best[if weekday < 5 { part } else { DAYPARTS.len() + part }];
            if held.is_none_or(|held| worth > held.worth) {
                *held = Some(slot);
            }
        }
    }
    best
}

fn hour(local: DateTime) -> u8 {
    u8::try_from(local.hour()).unwrap_or_default()
}

fn weekday(local: DateTime) -> usize {
    usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default()
}
