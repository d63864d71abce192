//! When to call, against the hidden habits of leads.
//!
//! A window is a part of a day, two or three hours long, of a working day or of the weekend. Leads that were called
//! three times or more and whose model was fitted to others; the truth is the part with the highest mean habit.

use jiff::tz::TimeZone;
use leadscore_domain::{ContactWindow, time::DAY_US};
use leadscore_engine::{
    features::LeadState,
    models::Matrix,
    predictions::{
        AnswerModel, LeadCalls, Parts, TrainingMaterial,
        contact::{CAUTIOUS_HOURS, Context, DAYPARTS, LAWFUL_HOURS, WINDOWS},
    },
};

use crate::world::{Brokerage, Known, brokerage, size};

const DAY: usize = DAYPARTS.len();
/// Least calls of a lead that is measured.
const MIN_CALLS: usize = 3;

/// Mean of hourly values over each part of a working day, then of a day of the weekend.
fn by_part(hours: &[f64]) -> [[f64; DAY]; 2] {
    [0, 5].map(|weekday| {
        DAYPARTS.map(|(from, to)| {
            let hours = &hours[weekday * 24 + usize::from(from)..weekday * 24 + usize::from(to)];
            hours.iter().sum::<f64>() / hours.len() as f64
        })
    })
}

/// The parts with the highest values.
fn top(values: &[f64; DAY], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..DAY).collect();
    order.sort_by(|&x, &y| values[y].total_cmp(&values[x]));
    order.truncate(n);
    order
}

/// The part that a window is of, and whether at a weekend.
fn part_of(window: &ContactWindow, zone: &TimeZone) -> (usize, usize) {
    let local = zone.to_datetime(window.start_at.to_jiff());
    let part = DAYPARTS.iter().rposition(|(from, _)| i8::try_from(*from).unwrap() <= local.hour()).unwrap();
    (usize::from(local.weekday().to_monday_zero_offset() >= 5), part)
}

/// What an observer does who knows how habits are distributed: the habits of other leads, weighted by how well they,
/// with a readiness, explain the lead's calls. Nearly the optimum: how ready a lead is at a call is not known to it.
struct Observer {
    habits: Vec<Vec<f64>>,
}

const READINESS: [f64; 6] = [0.4, 0.65, 0.9, 1.15, 1.4, 1.65];

impl Observer {
    fn weight(habit: &[f64], calls: &LeadCalls) -> f64 {
        let of_context = |context| match context {
            Context::FirstFresh => 0.62,
            Context::First => 0.45,
            Context::Answered => 0.5,
            Context::NeverAnswered => 0.38,
        };
        let likelihood = |readiness: &f64| -> f64 {
            let each = calls.calls.iter().map(|call| {
                let p = (readiness * of_context(call.context) * habit[usize::from(call.hour)]).clamp(0.01, 0.95);
                if call.answered { p } else { 1.0 - p }
            });
            each.product()
        };
        READINESS.iter().map(likelihood).sum()
    }

    /// The chance of each part to be the lead's best.
    fn chances(&self, calls: Option<&LeadCalls>) -> [[f64; DAY]; 2] {
        let mut chances = [[0.0; DAY]; 2];
        for habit in &self.habits {
            let weight = calls.map_or(1.0, |calls| Self::weight(habit, calls));
            for (chances, parts) in chances.iter_mut().zip(by_part(habit)) {
                chances[top(&parts, 1)[0]] += weight;
            }
        }
        chances
    }
}

fn fitted(leads: &[Known]) -> AnswerModel {
    let calls: Vec<LeadCalls> = leads.iter().filter_map(|lead| lead.calls.clone()).collect();
    let matrix = Matrix::default();
    let parts =
        Parts::fit(&TrainingMaterial { snapshots: &[], matrix: &matrix, held_out: &[], calls: &calls, horizon_us: 0 });
    let measured = parts.metrics.contact.unwrap();
    println!(
        "answers: log-loss {:.4}, hour of week alone {:.4}; AUC {:.3}, {:.3}",
        measured.model.log_loss, measured.baseline.log_loss, measured.model.auc, measured.baseline.auc
    );
    assert!(measured.model.log_loss < measured.baseline.log_loss);
    parts.contact
}

#[test]
fn the_best_window_is_mostly_among_the_first_three() {
    let Brokerage { end, leads } = brokerage(size(4_000), 5);
    let (earlier, later) = leads.split_at(leads.len() / 2);
    let model = fitted(earlier);
    let observer =
        Observer { habits: earlier.iter().take(1_000).map(|lead| lead.hidden.answer_habit.clone()).collect() };
    let mean: Vec<f64> =
        (0..168).map(|hour| earlier.iter().map(|lead| lead.hidden.answer_habit[hour]).sum::<f64>()).collect();
    let (mean, alike) = (by_part(&mean), observer.chances(None));
    let (mut hits, mut n) = ([[0.0; 4]; 2], 0.0);
    for lead in later {
        let Some(calls) = lead.calls.as_ref().filter(|calls| calls.calls.len() >= MIN_CALLS) else { continue };
        n += 1.0;
        let zone = TimeZone::get(lead.hidden.time_zone).unwrap();
        let plan = model.plan(&lead.state, &zone, true, end);
        let ours: Vec<(usize, usize)> = plan.windows.iter().map(|window| part_of(window, &zone)).collect();
        let optimum = observer.chances(Some(calls));
        for (day, truth) in by_part(&lead.hidden.answer_habit).iter().enumerate() {
            let best = top(truth, 1)[0];
            hits[day][0] += f64::from(u8::from(ours.contains(&(day, best))));
            for (place, values) in [&mean[day], &alike[day], &optimum[day]].into_iter().enumerate() {
                hits[day][place + 1] += f64::from(u8::from(top(values, 3).contains(&best)));
            }
        }
    }
    for (day, [ours, mean, alike, optimum]) in ["working days", "weekends"].into_iter().zip(hits) {
        println!(
            "{day}, {n} leads: ours {:.3}; most answers of all {:.3}, most often the best of all {:.3}, observer who knows the habits {:.3}",
            ours / n,
            mean / n,
            alike / n,
            optimum / n
        );
        assert!(ours / n > 0.6 && ours >= mean * 0.9, "{day}");
    }
    let any_day = (5.0 * hits[0][0] + 2.0 * hits[1][0]) / (7.0 * n);
    println!("any day of the week: ours {any_day:.3}");
    assert!(any_day > 0.7);
}

#[test]
fn never_outside_lawful_hours_and_each_window_is_ahead_and_of_its_own() {
    let model = AnswerModel::default();
    let state = LeadState::default();
    for name in ["America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "America/Phoenix"] {
        let zone = TimeZone::get(name).unwrap();
        let hour = |at: leadscore_domain::Timestamp| u8::try_from(zone.to_datetime(at.to_jiff()).hour()).unwrap();
        for step in 0..4_380 {
            let start: leadscore_domain::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            let at = start.plus_micros(step * 7_207_000_000);
            for (known, lawful) in [(true, LAWFUL_HOURS), (false, CAUTIOUS_HOURS)] {
                let plan = model.plan(&state, &zone, known, at);
                assert!(plan.best_at >= at && lawful.contains(&hour(plan.best_at)), "{name} {at} {plan:?}");
                for (place, window) in plan.windows.iter().enumerate() {
                    assert!(window.start_at >= at && window.end_at > window.start_at, "{name} {at} {window:?}");
                    assert!(window.end_at.since(at) <= 8 * DAY_US, "{name} {at} {window:?}");
                    let last = window.end_at.plus_micros(-1);
                    assert!(lawful.contains(&hour(window.start_at)) && lawful.contains(&hour(last)), "{name} {at}");
                    let others = &plan.windows[..place];
                    assert!(others.iter().all(|other| part_of(other, &zone) != part_of(window, &zone)), "{name} {at}");
                }
                assert_eq!(plan.windows.len(), WINDOWS);
            }
        }
    }
}
