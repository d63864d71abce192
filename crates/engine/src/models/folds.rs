//! Dividing leads, never the examples of one lead.
//!
//! Owns: random folds and the order of leads in time. Invariant: a division depends on the seed, the tokens, the
//! labels and the instants, not on the order of the examples.

use std::collections::{HashMap, HashSet};

use leadscore_domain::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The fold of each example, 0 to `folds` − 1: random by lead, each fold with its share of the leads that converted.
#[must_use]
pub fn by_lead(leads: &[u64], labels: &[bool], folds: usize, seed: u64) -> Vec<usize> {
    let mut converted: HashMap<u64, bool> = HashMap::with_capacity(leads.len());
    for (&lead, &label) in leads.iter().zip(labels) {
        *converted.entry(lead).or_default() |= label;
    }
    let mut deck: Vec<(bool, u64, u64)> =
        converted.into_iter().map(|(lead, won)| (won, draw(seed, lead), lead)).collect();
    deck.sort_unstable();
    let fold_of: HashMap<u64, usize> =
        deck.into_iter().enumerate().map(|(place, (_, _, lead))| (lead, place % folds)).collect();
    leads.iter().map(|lead| fold_of[lead]).collect()
}

/// Whether each example belongs to the later part of the leads: those after the first `share` of them, in the order
/// of their first instant.
#[must_use]
pub fn later(leads: &[u64], instants: &[Timestamp], share: f64) -> Vec<bool> {
    let order = in_order(leads.iter().copied().zip(instants.iter().copied()));
    let cut = ((order.len() as f64 * share).round() as usize).min(order.len());
    let later: HashSet<u64> = order[cut..].iter().map(|&(_, lead)| lead).collect();
    leads.iter().map(|lead| later.contains(lead)).collect()
}

/// The fold of each example, 0 to `folds` − 1: leads dealt in turn in the order of their first instant.
#[must_use]
pub fn in_turn(leads: &[u64], instants: &[Timestamp], folds: usize) -> Vec<usize> {
    let order = in_order(leads.iter().copied().zip(instants.iter().copied()));
    let fold_of: HashMap<u64, usize> =
        order.iter().enumerate().map(|(place, &(_, lead))| (lead, place % folds)).collect();
    leads.iter().map(|lead| fold_of[lead]).collect()
}

/// Leads with their first instants, in that order.
fn in_order(examples: impl Iterator<Item = (u64, Timestamp)>) -> Vec<(Timestamp, u64)> {
    let mut first: HashMap<u64, Timestamp> = HashMap::new();
    for (lead, instant) in examples {
        first.entry(lead).and_modify(|known| *known = instant.min(*known)).or_insert(instant);
    }
    let mut order: Vec<(Timestamp, u64)> = first.into_iter().map(|(lead, instant)| (instant, lead)).collect();
    order.sort_unstable();
    order
}

/// A number that looks random and depends on nothing but the seed and the token.
fn draw(seed: u64, lead: u64) -> u64 {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(lead);
    generator.next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_never_divided_and_folds_are_even() {
        let leads: Vec<u64> = (0..1_000).map(|i| i / 4).collect();
        let labels: Vec<bool> = (0..1_000).map(|i| i % 40 == 3).collect();
        let folds = by_lead(&leads, &labels, 5, 7);
        for (i, fold) in folds.iter().enumerate() {
            assert_eq!(*fold, folds[i / 4 * 4]);
        }
        for fold in 0..5 {
            assert_eq!(folds.iter().filter(|&&f| f == fold).count(), 200);
            assert_eq!((0..1_000).filter(|&i| folds[i] == fold && labels[i]).count(), 5);
        }
        assert_ne!(folds, by_lead(&leads, &labels, 5, 8));
    }

    #[test]
    fn the_order_of_examples_does_not_matter() {
        let leads: Vec<u64> = (0..300).map(|i| i % 100).collect();
        let labels: Vec<bool> = leads.iter().map(|lead| lead % 9 == 0).collect();
        let folds = by_lead(&leads, &labels, 3, 1);
        let reversed: Vec<u64> = leads.iter().rev().copied().collect();
        let mut back = by_lead(&reversed, &reversed.iter().map(|lead| lead % 9 == 0).collect::<Vec<_>>(), 3, 1);
        back.reverse();
        assert_eq!(folds, back);
    }

    #[test]
    fn leads_are_dealt_in_the_order_of_time_and_never_divided() {
        let at = |day: i64| Timestamp::from_micros(day * 86_400_000_000).unwrap();
        let leads = [9, 1, 8, 2, 9, 7];
        let instants = [at(0), at(1), at(2), at(3), at(9), at(4)];
        assert_eq!(in_turn(&leads, &instants, 3), [0, 1, 2, 0, 0, 1]);
        assert_eq!(in_turn(&leads[..1], &instants[..1], 3), [0]);
        assert!(in_turn(&[], &[], 3).is_empty());
    }

    #[test]
    fn later_leads_are_those_that_came_later() {
        let at = |day: i64| Timestamp::from_micros(day * 86_400_000_000).unwrap();
        let leads = [1, 2, 1, 3, 4];
        let instants = [at(0), at(5), at(50), at(6), at(7)];
        assert_eq!(later(&leads, &instants, 0.75), [false, false, false, false, true]);
        assert_eq!(later(&leads, &instants, 0.5), [false, false, false, true, true]);
    }
}
