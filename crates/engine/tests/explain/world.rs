//! How often the intent is right, in a world whose truth is known, beside what is easier.

use leadscore_domain::{IntentKind, time::DAY_US};
use leadscore_engine::intent::intent;
use leadscore_simulator as simulator;
use simulator::{SimulationOptions, World};

use crate::*;

const LEADS: u64 = 3_000;

fn truth(kind: simulator::Intent) -> IntentKind {
    match kind {
        simulator::Intent::Buyer => IntentKind::Buyer,
        simulator::Intent::Seller => IntentKind::Seller,
        simulator::Intent::Investor => IntentKind::Investor,
        simulator::Intent::Renter => IntentKind::Renter,
        simulator::Intent::Browser => IntentKind::Browsing,
    }
}

/// What the CRM's field says alone; a buyer where it says nothing.
fn field_alone(state: &LeadState) -> IntentKind {
    match state.attribute("interest") {
        Some(AttributeValue::Category(word)) if word == "sell" => IntentKind::Seller,
        Some(AttributeValue::Category(word)) if word == "invest" => IntentKind::Investor,
        Some(AttributeValue::Category(word)) if word == "rent" => IntentKind::Renter,
        Some(_) | None => IntentKind::Buyer,
    }
}

/// Accuracy and macro-F1 of (truth, found).
fn quality(pairs: &[(IntentKind, IntentKind)]) -> (f64, f64) {
    let count =
        |holds: &dyn Fn(&(IntentKind, IntentKind)) -> bool| pairs.iter().filter(|pair| holds(pair)).count() as f64;
    let f1 = |kind: IntentKind| {
        let hits = count(&|(truth, found)| *truth == kind && *found == kind);
        2.0 * hits / (count(&|(truth, _)| *truth == kind) + count(&|(_, found)| *found == kind)).max(1.0)
    };
    let right = count(&|(truth, found)| truth == found) / pairs.len() as f64;
    (right, IntentKind::ALL.into_iter().map(f1).sum::<f64>() / IntentKind::ALL.len() as f64)
}

/// Age of the leads in days, and what is at least reached there.
const AGES: [(i64, f64, f64); 3] = [(0, 0.72, 0.59), (30, 0.77, 0.66), (365, 0.79, 0.71)];

#[test]
fn the_intent_is_right_more_often_than_the_field_alone_and_the_majority() {
    let world = World::new(SimulationOptions { leads: LEADS, seed: 11, ..SimulationOptions::default() }).unwrap();
    let end = world.options().end;
    let mut found: [[Vec<(IntentKind, IntentKind)>; 2]; 3] = Default::default();
    for number in 0..LEADS {
        let history = world.lead(number).unwrap();
        let known = truth(world.hidden(number).unwrap().intent);
        let Some(first) = history.events.first().map(|event| event.received_at) else { continue };
        for ((age_days, ..), [ours, field]) in AGES.iter().zip(&mut found) {
            let at = first.plus_micros(age_days * DAY_US).min(end);
            let seen = history.events.iter().filter(|event| event.received_at <= at);
            let state = fold(seen.map(|event| (event.envelope.occurred_at, event.envelope.body.clone())).collect());
            ours.push((known, intent(&state, at).kind));
            field.push((known, field_alone(&state)));
        }
    }
    for ((age_days, least_accuracy, least_f1), [ours, field]) in AGES.iter().zip(&found) {
        let majority: Vec<_> = ours.iter().map(|(truth, _)| (*truth, IntentKind::Buyer)).collect();
        let [ours, field, majority] = [ours, field, &majority].map(|pairs| quality(pairs));
        println!("{age_days} days: accuracy and macro-F1 {ours:.3?}, field {field:.3?}, majority {majority:.3?}");
        assert!(ours.0 >= *least_accuracy && ours.1 >= *least_f1, "{age_days} days: {ours:?}");
        assert!(ours.0 > field.0 && ours.1 > field.1 && field.0 > majority.0, "{age_days} days: {ours:?}, {field:?}");
    }
}
