//! Counts by window, decayed counts and recency of each kind of activity.

use leadscore_domain::Timestamp;

use super::Row;
use crate::features::{
    LeadState,
    catalogue::{Feature, PER_PULSE},
    fold::hour_index,
    registers::{LEAD_PULSES, PULSES},
    signal::Signal,
};

/// Place of the lead's activity altogether, after the pulses.
const ACTIVITY: usize = PULSES;
/// Ages, in days or hours, beyond which a decayed count is nothing.
const AGES: usize = 192;
/// 2^(−age/7).
static DECAY_7: [f64; AGES] = powers(0.905_723_664_263_906_7);
/// 2^(−age/30).
static DECAY_30: [f64; AGES] = powers(0.977_159_968_434_245_9);
/// 2^(−age/24).
static DECAY_24: [f64; AGES] = powers(0.971_531_941_153_605_9);

/// Powers of `base`: the same on every machine, unlike those of a mathematical library.
const fn powers(base: f64) -> [f64; AGES] {
    let mut table = [1.0; AGES];
    let mut age = 1;
    while age < AGES {
        table[age] = table[age - 1] * base;
        age += 1;
    }
    table
}

/// What is summed for each pulse, and for the lead's activity in the last place.
#[derive(Default)]
struct Windows {
    hours_24: [u32; PULSES + 1],
    days_7: [u32; PULSES + 1],
    days_30: [u32; PULSES + 1],
    days_90: [u32; PULSES + 1],
    decay_7: [f64; PULSES + 1],
    activity_decay_1: f64,
    activity_decay_30: f64,
    active_days: u32,
}

pub(super) fn fill(state: &LeadState, row: &mut Row<'_>) {
    let windows = sum(state, row.at);
    let latest = latest(state);
    for (pulse, latest) in latest.iter().enumerate() {
        let place = pulse * PER_PULSE;
        row.out[place] = windows.hours_24[pulse] as f32;
        row.out[place + 1] = windows.days_7[pulse] as f32;
        row.out[place + 2] = windows.days_30[pulse] as f32;
        row.out[place + 3] = windows.days_90[pulse] as f32;
        row.out[place + 4] = windows.decay_7[pulse] as f32;
        if let Some(latest) = latest {
            row.out[place + 5] = (super::hours(row.age_us(*latest)) / 24.0) as f32;
        }
    }
    row.set(Feature::ActivityDecay1d, windows.activity_decay_1);
    row.set(Feature::ActivityDecay30d, windows.activity_decay_30);
    row.set(Feature::ActiveDays, f64::from(windows.active_days));
    if windows.days_30[ACTIVITY] > 0 {
        let week = f64::from(windows.days_7[ACTIVITY]) + 1.0;
        let month = f64::from(windows.days_30[ACTIVITY]) * 7.0 / 30.0 + 1.0;
        row.set(Feature::ActivityPace, (week / month).ln());
    }
}

fn sum(state: &LeadState, at: Timestamp) -> Windows {
    let mut windows = Windows::default();
    let this_hour = hour_index(at);
    for bucket in state.hours.as_slice().iter().rev() {
        let Some(decay) = DECAY_24.get(age(this_hour, bucket.index)) else { break };
        let counts = with_activity(&bucket.counts);
        windows.activity_decay_1 += f64::from(counts[ACTIVITY]) * decay;
        if this_hour - bucket.index < 24 {
            add(&mut windows.hours_24, &counts);
        }
    }
    let today = at.day();
    for bucket in state.days.as_slice().iter().rev() {
        let age = age(today, bucket.index);
        let (Some(slow), Some(fast)) = (DECAY_30.get(age), DECAY_7.get(age)) else { break };
        let counts = with_activity(&bucket.counts);
        for (sum, count) in windows.decay_7.iter_mut().zip(counts) {
            *sum += f64::from(count) * fast;
        }
        windows.activity_decay_30 += f64::from(counts[ACTIVITY]) * slow;
        if age < 90 {
            windows.active_days += u32::from(counts[ACTIVITY] > 0);
            add(&mut windows.days_90, &counts);
        }
        if age < 30 {
            add(&mut windows.days_30, &counts);
        }
        if age < 7 {
            add(&mut windows.days_7, &counts);
        }
    }
    windows
}

fn age(now: i32, then: i32) -> usize {
    usize::try_from(now - then).unwrap_or(0)
}

fn with_activity(counts: &[u32; PULSES]) -> [u32; PULSES + 1] {
    let mut all = [0; PULSES + 1];
    all[..PULSES].copy_from_slice(counts);
    all[ACTIVITY] = counts[..LEAD_PULSES].iter().fold(0, |sum, count| sum.saturating_add(*count));
    all
}

fn add(sums: &mut [u32; PULSES + 1], counts: &[u32; PULSES + 1]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*count);
    }
}

/// Latest event of each pulse, and of the lead's activity.
fn latest(state: &LeadState) -> [Option<Timestamp>; PULSES + 1] {
    let of = |signals: &[Signal]| state.tallies.latest(signals);
    let mut latest = [
        of(&[Signal::WebSession, Signal::PageView]),
        of(&[Signal::SearchBuy, Signal::SearchRent, Signal::ListingSaved]),
        of(&[Signal::ShowingRequested, Signal::ShowingScheduled, Signal::ShowingHeld]),
        of(&[Signal::EmailOpened, Signal::EmailClicked, Signal::EmailForwarded]),
        of(&[Signal::CallIn, Signal::MessageIn, Signal::EmailReplied]),
        of(&[Signal::CallOutAnswered]),
        of(&[Signal::CallOutMissed, Signal::MessageOut, Signal::EmailSent]),
        of(&[Signal::AgentAction]),
        None,
    ];
    latest[ACTIVITY] = latest[..LEAD_PULSES].iter().flatten().max().copied();
    latest
}
