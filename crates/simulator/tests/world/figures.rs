//! Figures of probabilities against what happened, and the bounds that the world promises in docs/SIMULATOR.md.

use std::collections::BTreeMap;

use leadscore_domain::event::{EventBody, OutcomeResult};

use rayon::prelude::*;

use crate::{Instant, slots, world};

/// Area under the ROC curve by ranks (Mann and Whitney 1947), ties counted half.
pub fn auc(scored: &[Instant]) -> f64 {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| a.truth.total_cmp(&b.truth));
    let (mut below, mut wins, mut start) = (0.0, 0.0, 0);
    while start < sorted.len() {
        let ties = sorted[start..].iter().take_while(|i| i.truth == sorted[start].truth).count();
        let won = sorted[start..start + ties].iter().filter(|i| i.converted).count() as f64;
        let lost = ties as f64 - won;
        wins += won * (below + lost / 2.0);
        below += lost;
        start += ties;
    }
    let positives = sorted.iter().filter(|i| i.converted).count() as f64;
    wins / (positives * (sorted.len() as f64 - positives))
}

/// Mean of −ln of the probability given to what happened.
pub fn log_loss(scored: &[Instant], of: impl Fn(f64) -> f64) -> f64 {
    let loss = |i: &Instant| {
        let p = of(i.truth).clamp(1e-9, 1.0 - 1e-9);
        if i.converted { -p.ln() } else { -(1.0 - p).ln() }
    };
    scored.iter().map(loss).sum::<f64>() / scored.len() as f64
}

fn share(scored: &[Instant], of: impl Fn(&Instant) -> bool) -> f64 {
    scored.iter().filter(|i| of(i)).count() as f64 / scored.len() as f64
}

/// The optimum is good, far from perfect, and not found by the majority.
#[test]
fn the_optimum_is_within_its_documented_bounds() {
    let world = world(12_000, 7);
    let histories: Vec<_> = (0..12_000).into_par_iter().filter_map(|n| world.lead(n)).collect();
    let placed: Vec<_> = histories.par_iter().map(|lead| slots(&world, lead)).collect();
    let at_creation: Vec<_> = placed.iter().filter_map(|slots| slots[0]).collect();
    println!("at the creation alone: {} instants, AUC {:.4}", at_creation.len(), auc(&at_creation));
    let scored: Vec<_> = placed.into_iter().flatten().flatten().collect();
    let auc = auc(&scored);
    let accuracy = share(&scored, |i| (i.truth >= 0.5) == i.converted);
    let base = share(&scored, |i| i.converted);
    let loss = log_loss(&scored, |p| p);
    let majority = log_loss(&scored, |_| base);
    let brier =
        scored.iter().map(|i| (i.truth - f64::from(u8::from(i.converted))).powi(2)).sum::<f64>() / scored.len() as f64;
    let converted =
        histories.iter().filter(|lead| lead.converted_at.is_some_and(|at| at < world.options().end)).count();
    let of_leads = converted as f64 / histories.len() as f64;
    let events: usize = histories.iter().map(|lead| lead.events.len()).sum();
    println!("instants {}, base rate {base:.4}, leads converted {of_leads:.4}", scored.len());
    println!(
        "optimum: AUC {auc:.4}, accuracy {accuracy:.4}, log-loss {loss:.4} (base {majority:.4}), Brier {brier:.4}"
    );
    println!("events per lead {:.1}", events as f64 / histories.len() as f64);
    let mut kinds = BTreeMap::new();
    for event in histories.iter().flat_map(|lead| &lead.events) {
        *kinds.entry(event.envelope.body.kind()).or_insert(0_u32) += 1;
    }
    println!("kinds {kinds:?}");
    assert!((0.82..0.92).contains(&auc), "AUC {auc}");
    assert!(accuracy >= 0.85, "accuracy {accuracy}");
    assert!((0.02..0.12).contains(&base), "base rate {base}");
    assert!((0.05..0.15).contains(&of_leads), "converted {of_leads}");
    assert!(loss < 0.9 * majority, "log-loss {loss}, of the base rate {majority}");
}

/// Most leads never get an outcome, and of the ends that are entered most are not deals.
#[test]
fn many_leads_never_get_an_outcome() {
    let world = world(3_000, 2);
    let (mut none, mut won, mut lost) = (0, 0, 0);
    for lead in (0..3_000).filter_map(|n| world.lead(n)) {
        match lead.outcome.map(|(_, result)| result) {
            None => none += 1,
            Some(OutcomeResult::Won) => won += 1,
            Some(OutcomeResult::Lost | OutcomeResult::NoAnswer) => lost += 1,
        }
        let deals = lead.events.iter().filter(
            |event| matches!(&event.envelope.body, EventBody::Outcome(outcome) if outcome.result == OutcomeResult::Won),
        );
        assert_eq!(deals.count() > 0, lead.converted_at.is_some(), "lead {}", lead.number);
    }
    println!("outcomes: none {none}, won {won}, lost {lost}");
    assert!(none > 1_000 && won > 100 && lost > 300, "none {none}, won {won}, lost {lost}");
}
