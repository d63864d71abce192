//! Features of a state at an instant.
//!
//! Owns: every formula of the catalogue. Invariant: no allocation, no lock, and no dependence on anything but the
//! state, the instant and the market as published by then; missing is NaN, never zero. Events that lie after the
//! instant (by a source's clock that runs ahead) count as being of the instant.

mod behavior;
mod contact;
mod market_fit;
mod pulses;

use leadscore_domain::{
    Timestamp,
    event::Stage,
    time::{DAY_US, HOUR_US},
};

use super::{
    LeadState, Market,
    catalogue::{FEATURES, Feature},
    signal::Signal,
    zone::local_hour,
};

/// Fills `out` with the features of `state` at `at`, in the order of [`FEATURES`]; missing is NaN.
///
/// # Panics
/// Where `out` is not as long as [`FEATURES`].
pub fn compute(state: &LeadState, at: Timestamp, market: &Market, out: &mut [f32]) {
    assert_eq!(out.len(), FEATURES.len(), "a feature vector has one place for each feature");
    out.fill(f32::NAN);
    let mut row = Row { out, at };
    pulses::fill(state, &mut row);
    behavior::fill(state, &mut row);
    contact::fill(state, &mut row);
    stage_and_calendar(state, &mut row);
    market_fit::fill(state, market, &mut row);
}

/// A vector in the making.
struct Row<'a> {
    out: &'a mut [f32],
    at: Timestamp,
}

impl Row<'_> {
    fn set(&mut self, feature: Feature, value: f64) {
        self.out[feature as usize] = value as f32;
    }

    fn set_some(&mut self, feature: Feature, value: Option<f64>) {
        if let Some(value) = value {
            self.set(feature, value);
        }
    }

    /// `part` over `whole`; missing where `whole` is 0.
    fn set_ratio(&mut self, feature: Feature, part: f64, whole: f64) {
        if whole > 0.0 {
            self.set(feature, part / whole);
        }
    }

    /// Counts of signals.
    fn set_counts(&mut self, state: &LeadState, counts: &[(Feature, Signal)]) {
        for (feature, signal) in counts {
            self.set(*feature, f64::from(state.count(*signal)));
        }
    }

    fn set_days_since(&mut self, feature: Feature, then: Option<Timestamp>) {
        self.set_some(feature, then.map(|then| self.age_us(then) as f64 / DAY_US as f64));
    }

    /// Time from `then` to the instant, at least 0.
    fn age_us(&self, then: Timestamp) -> i64 {
        self.at.since(then).max(0)
    }
}

fn hours(us: i64) -> f64 {
    us as f64 / HOUR_US as f64
}

/// 2000-01-01T00:00:00Z, in days since the epoch.
const SEASON_START_DAYS: f64 = 10_957.0;
/// Mean length of the Gregorian year, in days.
const YEAR_DAYS: f64 = 365.2425;

fn stage_and_calendar(state: &LeadState, row: &mut Row<'_>) {
    if let Some(stage) = state.open_stage.get() {
        let ordinal = match stage {
            Stage::New => Some(0.0),
            Stage::Contacted => Some(1.0),
            Stage::Engaged => Some(2.0),
            Stage::Qualified => Some(3.0),
            Stage::Showing => Some(4.0),
            Stage::Negotiating => Some(5.0),
            Stage::Nurturing | Stage::Lost | Stage::Won => None,
        };
        row.set_some(Feature::StageOrdinal, ordinal);
        row.set(Feature::StageNurturing, f64::from(u8::from(*stage == Stage::Nurturing)));
        row.set_days_since(Feature::StageDays, state.open_stage.at());
    }
    let created = state.created_at();
    row.set_days_since(Feature::CreatedDays, created);
    if let Some(zone) = state.zone() {
        let (hour, weekday) = local_hour(zone, row.at);
        row.set(Feature::HourLocal, hour as f64);
        row.set(Feature::WeekdayLocal, weekday as f64);
        if let Some(created) = created {
            let (hour, weekday) = local_hour(zone, created);
            row.set(Feature::CreatedHourLocal, hour as f64);
            row.set(Feature::CreatedWeekdayLocal, weekday as f64);
        }
    }
    // Whole days: finer, the order of leads of one day would be a feature.
    let days = row.at.as_micros().div_euclid(DAY_US) as f64 - SEASON_START_DAYS;
    let (sin, cos) = (std::f64::consts::TAU * days / YEAR_DAYS).sin_cos();
    row.set(Feature::SeasonSin, sin);
    row.set(Feature::SeasonCos, cos);
}
