//! The truth against what happens: calibrated, not to be improved, and blind to the future.

use std::sync::LazyLock;

use leadscore_domain::time::DAY_US;
use leadscore_simulator::{HORIZON_US, SimulationOptions, World};
use rayon::prelude::*;

use crate::{Instant, figures::log_loss, slots, world};

/// One instant each of 20,000 leads, so that the sampling errors are independent.
static SAMPLE: LazyLock<Vec<Instant>> = LazyLock::new(|| {
    let world = world(20_000, 11);
    let instant = |n: u64| slots(&world, &world.lead(n)?).into_iter().nth((n % 4) as usize).flatten();
    (0..20_000).into_par_iter().filter_map(instant).collect()
});

#[test]
fn there_is_no_truth_where_nothing_can_be_predicted() {
    let world = world(400, 1);
    let stop = world.options().stop();
    assert_eq!(world.truth(world.total_leads(), world.options().end), None);
    for lead in (0..400).filter_map(|n| world.lead(n)) {
        let first = lead.events.iter().map(|event| event.envelope.occurred_at).min().unwrap();
        assert_eq!(world.truth(lead.number, first.plus_micros(-30 * DAY_US)), None);
        // The moment of the first receipt is where most scores are asked for.
        assert!(world.truth(lead.number, lead.events[0].received_at).is_some(), "lead {}", lead.number);
        assert_eq!(world.truth(lead.number, stop.plus_micros(1)), None);
        if let Some(at) = lead.converted_at {
            assert_eq!(world.truth(lead.number, at), None);
            assert!(world.truth(lead.number, at.plus_micros(-1)).unwrap() > 0.0);
        }
    }
}

#[test]
fn truth_equals_the_frequency_in_every_tenth() {
    let mut scored = SAMPLE.clone();
    scored.sort_by(|a, b| a.truth.total_cmp(&b.truth));
    let size = scored.len() / 10;
    for (n, bin) in scored.chunks(size).enumerate().filter(|(_, bin)| bin.len() == size) {
        let expected: f64 = bin.iter().map(|i| i.truth).sum();
        let variance: f64 = bin.iter().map(|i| i.truth * (1.0 - i.truth)).sum();
        let seen = bin.iter().filter(|i| i.converted).count() as f64;
        let z = (seen - expected) / variance.sqrt().max(0.5);
        println!("tenth {n}: truth {:.4}, seen {:.4}, z {z:+.2}", expected / size as f64, seen / size as f64);
        // Ten bins: |z| beyond 3.5 happens once in two hundred worlds.
        assert!(z.abs() < 3.5, "tenth {n}: expected {expected:.1}, seen {seen}");
    }
}

#[test]
fn no_rescaling_of_the_truth_does_better() {
    let scored = &*SAMPLE;
    let best = log_loss(scored, |p| p);
    let logit = |p: f64| (p.clamp(1e-9, 1.0 - 1e-9) / (1.0 - p.clamp(1e-9, 1.0 - 1e-9))).ln();
    for (slope, shift) in [(0.8, 0.0), (1.25, 0.0), (1.0, 0.25), (1.0, -0.25), (0.8, -0.4), (1.25, 0.4)] {
        let other = log_loss(scored, |p| 1.0 / (1.0 + (-(slope * logit(p) + shift)).exp()));
        println!("slope {slope}, shift {shift:+}: {other:.5} against {best:.5}");
        assert!(other > best, "slope {slope}, shift {shift}: {other} is below {best}");
    }
}

/// The truth knows the present only: going on for longer after the instant changes nothing before it.
#[test]
fn the_truth_does_not_depend_on_how_long_the_world_goes_on() {
    let short = SimulationOptions { leads: 300, ..SimulationOptions::default() };
    let long = SimulationOptions { live_days: 90, ..short.clone() };
    let (short, long) = (World::new(short).unwrap(), World::new(long).unwrap());
    let at = short.options().end;
    let mut compared = 0;
    for n in 0..300 {
        let (a, b) = (short.lead(n).unwrap(), long.lead(n).unwrap());
        let arrived = |lead: &leadscore_simulator::LeadHistory| {
            lead.events.iter().filter(|e| e.received_at <= at).cloned().collect::<Vec<_>>()
        };
        assert!(arrived(&a) == arrived(&b), "lead {n}");
        assert_eq!(short.truth(n, at), long.truth(n, at), "lead {n}");
        compared += usize::from(short.truth(n, at).is_some());
    }
    assert!(compared > 200);
}

#[test]
fn the_truth_changes_little_by_the_hour_and_stays_a_probability() {
    let world = world(200, 3);
    for n in 0..200 {
        let at = world.options().end.plus_micros(-HORIZON_US);
        let steps: Vec<_> = (0..48).map(|hour| at.plus_micros(hour * DAY_US / 24)).collect();
        let truths: Vec<_> = world.truths(n, &steps).into_iter().flatten().collect();
        assert!(truths.iter().all(|p| (0.0..=1.0).contains(p)));
        // Only a step of the diary may make it jump: two a day and a few at the creation.
        let jumps = truths.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 0.02).count();
        assert!(jumps <= 6, "lead {n}: {jumps} jumps");
    }
}
