//! Made-up snapshots whose true probability is known.

use leadscore_domain::{AttributeValue, Timestamp, time::DAY_US};
use leadscore_engine::{
    examples::{Observed, Snapshot},
    features::FEATURES,
    predictions::Course,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn uniform(generator: &mut ChaCha8Rng) -> f64 {
    f64::from(generator.next_u32()) / 4_294_967_296.0
}

/// Two snapshots of each lead, a day apart, with the true probability of each.
pub fn world(leads: u64, seed: u64) -> (Vec<Snapshot>, Vec<f64>) {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut snapshots = Vec::new();
    let mut truth = Vec::new();
    for lead in 0..leads {
        let (visits, budget) = (uniform(&mut generator) * 10.0, uniform(&mut generator));
        let source = (uniform(&mut generator) * 6.0) as u64;
        let liked = [0.8, -0.8, 0.0, 0.4, -0.4, 0.0][source as usize];
        let probability = 1.0 / (1.0 + (-(0.4 * visits - 3.0 + liked + (budget - 0.5))).exp());
        let label = uniform(&mut generator) < probability;
        let budget_known = uniform(&mut generator) < 0.7;
        for day in 0..2 {
            let mut attributes = vec![
                ("pace".to_owned(), AttributeValue::Number(visits)),
                ("source".to_owned(), AttributeValue::Category(format!("source {source}"))),
            ];
            if budget_known {
                attributes.push(("wish".to_owned(), AttributeValue::Number(budget)));
            }
            snapshots.push(Snapshot {
                lead: lead * 7 + 1,
                instant: Timestamp::from_micros((lead as i64 / 4 + day) * DAY_US).unwrap(),
                observed: Observed::complete(30 * DAY_US, label.then_some(DAY_US)),
                course: Course::default(),
                features: vec![f32::NAN; FEATURES.len()],
                attributes,
            });
            truth.push(probability);
        }
    }
    (snapshots, truth)
}
