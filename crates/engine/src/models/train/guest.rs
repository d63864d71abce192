//! A member that was trained elsewhere.
//!
//! Owns: which examples may judge it, and its weight. Invariant: no example of a lead of which it may have seen
//! anything weighs it, and where such an example calibrates it gets no weight at all. Deliberately absent: reading its
//! file (`trees::import`).

use std::collections::{BTreeMap, HashMap};

use leadscore_domain::Timestamp;

use super::{TrainingSet, plan::Plan};
use crate::models::{
    ensemble::IMPORTED,
    import_trees,
    stack::Stack,
    trees::{
        Trees,
        import::{ForeignFormat, ImportError},
    },
};

/// A model that was trained elsewhere, as it was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its file.
    pub bytes: Vec<u8>,
    /// The form of the file.
    pub format: ForeignFormat,
    /// Until when it had seen anything: the time at which its training set was exported.
    pub trained_until: Timestamp,
}

/// The same as a member.
pub(super) struct Guest {
    pub(super) trees: Trees,
    /// What [`Trees::from_json`] reads.
    pub(super) file: Vec<u8>,
    /// Of each row whether the model has not seen its lead.
    pub(super) clean: Vec<bool>,
}

impl Guest {
    pub(super) fn read(imported: &Imported, set: &TrainingSet) -> Result<Self, ImportError> {
        let file = import_trees(&imported.bytes, imported.format, &set.view)?;
        let mut first: HashMap<u64, Timestamp> = HashMap::new();
        for (&lead, &instant) in set.leads.iter().zip(&set.instants) {
            let earliest = first.entry(lead).or_insert(instant);
            *earliest = instant.min(*earliest);
        }
        let clean = set.leads.iter().map(|lead| first[lead] > imported.trained_until).collect();
        Ok(Self { trees: Trees::from_json(&file, set.view.width())?, file, clean })
    }

    /// The stack with this member: a weighted sum of the own members' stack and the guest, weighed by the held-out
    /// rows that it has not seen. Without enough of them, or where seen ones calibrate, the own stack as it is.
    pub(super) fn join(
        &self,
        own: &Stack,
        by_member: &[Vec<f64>],
        held_out: &[usize],
        set: &TrainingSet,
        targets: &[f32],
        plan: &Plan,
    ) -> Stack {
        let places: Vec<usize> = (0..held_out.len()).filter(|&place| self.clean[held_out[place]]).collect();
        let rows: Vec<usize> = places.iter().map(|&place| held_out[place]).collect();
        if !plan.judged.iter().all(|&row| self.clean[row]) || !set.has_outcomes(&rows) {
            return own.clone();
        }
        let ours = places.iter().map(|&place| own.log_odds(|member| by_member[member][place])).collect();
        let theirs = places.iter().map(|&place| by_member[IMPORTED][place]).collect();
        let blend = Stack::fit(&[ours, theirs], &rows.iter().map(|&row| targets[row]).collect::<Vec<_>>());
        let mut weights: Vec<f64> = own.weights.iter().map(|weight| blend.weights[0] * weight).collect();
        weights[IMPORTED] = blend.weights[1];
        Stack { weights, intercept: blend.weights[0] * own.intercept + blend.intercept }
    }

    /// Figures for the manifest.
    pub(super) fn described(&self, held_out: &[usize]) -> BTreeMap<String, f64> {
        let unseen = held_out.iter().filter(|&&row| self.clean[row]).count();
        BTreeMap::from([("examples_that_weighed_it".to_owned(), unseen as f64)])
    }
}
