//! From evidence to the parts of a bundle.
//!
//! Owns: which examples calibrate, and the manifest. Invariant: every figure comes from examples that the members
//! that judged them had not seen. Deliberately absent: fitting of members.

use std::collections::BTreeMap;

use super::{TrainOptions, TrainingSet, evidence::Evidence, guest::Guest, plan::Plan};
use crate::{
    evaluate::{auc, metrics},
    models::{
        bundle::Parts,
        calibration::{Calibration, CalibrationEvidence, Disagreement, Slice},
        censoring::DelayCurve,
        ensemble::{IMPORTED, MEMBERS, OWN},
        manifest::{self, DataSummary, ENSEMBLE, FORMAT, Manifest, MemberSummary, TrainingSummary},
        numeric::{sigmoid, softplus},
        reference::Reference,
        trees,
    },
};

/// Rows with what was said of them by members that had not seen them.
struct Judged {
    rows: Vec<usize>,
    targets: Vec<f32>,
    leads: Vec<u64>,
    log_odds: Vec<f64>,
    disagreement: Vec<Disagreement>,
}

impl Judged {
    /// The rows of `places` among those held out.
    fn new(set: &TrainingSet, targets: &[f32], evidence: &Evidence, places: &[usize]) -> Self {
        let rows: Vec<usize> = places.iter().map(|&place| evidence.held_out[place]).collect();
        let voices = || places.iter().map(|&place| &evidence.held_out_voices[place]);
        Self {
            targets: rows.iter().map(|&row| targets[row]).collect(),
            leads: rows.iter().map(|&row| set.leads[row]).collect(),
            log_odds: voices().map(|voice| voice.log_odds).collect(),
            disagreement: voices().map(|voice| voice.disagreement).collect(),
            rows,
        }
    }

    fn slice(&self) -> Slice<'_> {
        Slice { log_odds: &self.log_odds, targets: &self.targets, leads: &self.leads }
    }
}

/// What a run has come to.
pub(super) struct Run<'a> {
    pub(super) set: &'a TrainingSet,
    pub(super) options: &'a TrainOptions,
    pub(super) guest: Option<&'a Guest>,
    pub(super) targets: &'a [f32],
    pub(super) plan: &'a Plan,
    pub(super) evidence: &'a Evidence,
    pub(super) data: DataSummary,
    pub(super) delay: Option<DelayCurve>,
}

impl Run<'_> {
    /// The parts of a bundle with the files of its members, and what it says of examples that no member had seen.
    pub(super) fn assemble(self, members: BTreeMap<String, Vec<u8>>) -> (Parts, Vec<(f64, bool)>) {
        let (judged, earlier) = self.judged();
        let calibration = self.calibrate(&judged, earlier.as_ref());
        let evidence = if self.plan.is_later { manifest::Evidence::LaterLeads } else { manifest::Evidence::OutOfFold };
        let calibrated: Vec<f64> = judged.log_odds.iter().map(|&value| calibration.log_odds(value)).collect();
        let known = judged
            .rows
            .iter()
            .zip(&calibrated)
            .filter_map(|(&row, &value)| self.set.observed[row].label().map(|label| (sigmoid(value), label)));
        let held_out: Vec<(f64, bool)> = known.collect();
        let manifest = self.manifest(&calibration, evidence, judged.rows.len(), &held_out);
        let parts = Parts {
            view: self.set.view.clone(),
            reference: Reference::new(&calibrated, &self.evidence.groups),
            manifest,
            stack: self.evidence.stack.clone(),
            members,
            calibration,
        };
        (parts, held_out)
    }

    /// The rows that calibrate, in the order of the plan, and those before them where there are any.
    fn judged(&self) -> (Judged, Option<Judged>) {
        let mut place_of = vec![0; self.set.leads.len()];
        self.evidence.held_out.iter().enumerate().for_each(|(place, &row)| place_of[row] = place);
        let of = |rows: &[usize]| {
            let places: Vec<usize> = rows.iter().map(|&row| place_of[row]).collect();
            Judged::new(self.set, self.targets, self.evidence, &places)
        };
        let mut is_earlier = vec![true; place_of.len()];
        self.plan.judged.iter().for_each(|&row| is_earlier[row] = false);
        let earlier: Vec<usize> = (0..is_earlier.len()).filter(|&row| is_earlier[row]).collect();
        (of(&self.plan.judged), self.plan.is_later.then(|| of(&earlier)))
    }

    fn calibrate(&self, judged: &Judged, earlier: Option<&Judged>) -> Calibration {
        Calibration::fit(&CalibrationEvidence {
            earlier: earlier.map(Judged::slice),
            later: judged.slice(),
            folds: &self.evidence.by_fold,
            disagreement: &judged.disagreement,
        })
    }

    fn manifest(
        &self,
        calibration: &Calibration,
        evidence: manifest::Evidence,
        evidence_examples: usize,
        held_out: &[(f64, bool)],
    ) -> Manifest {
        let (probabilities, labels): (Vec<f64>, Vec<bool>) = held_out.iter().copied().unzip();
        let training = TrainingSummary {
            seed: self.options.seed,
            folds: self.plan.folds.len(),
            members: self.members(),
            intercept: self.evidence.stack.intercept,
            evidence,
            evidence_examples,
            calibration: calibration.map().kind,
            delay: self.delay.clone(),
        };
        Manifest {
            format: FORMAT,
            kind: ENSEMBLE.to_owned(),
            created_at: self.options.created_at,
            schema_hash: self.set.view.schema_hash(),
            columns: self.set.view.width(),
            data: self.data.clone(),
            training,
            metrics: metrics(&labels, &probabilities),
            protected_overrides: self.options.protected_overrides.clone(),
            files: BTreeMap::new(),
        }
    }

    fn members(&self) -> Vec<MemberSummary> {
        let held_out = &self.evidence.held_out;
        let sizes = self.evidence.sizes;
        let unseen = |member: usize, row: usize| member != IMPORTED || self.guest.is_some_and(|one| one.clean[row]);
        let summary = |(member, name): (usize, &&str)| {
            let counts =
                |&place: &usize| self.set.observed[held_out[place]].complete && unseen(member, held_out[place]);
            let places: Vec<usize> = (0..held_out.len()).filter(counts).collect();
            let converted = |&place: &usize| self.set.observed[held_out[place]].converted_after_us.is_some();
            let labels: Vec<bool> = places.iter().map(converted).collect();
            let said: Vec<f64> = places.iter().map(|&place| self.evidence.alone[member][place]).collect();
            let losses = said.iter().zip(&labels).map(|(&value, &label)| softplus(if label { -value } else { value }));
            let parameters = match member {
                0 => BTreeMap::from([("penalty".to_owned(), sizes.penalty)]),
                1 => trees::recorded(self.set.leads.len(), sizes.rounds),
                2 => BTreeMap::from([("epochs".to_owned(), sizes.epochs as f64)]),
                _ => self.guest.map(|guest| guest.described(&self.evidence.held_out)).unwrap_or_default(),
            };
            let judged = !labels.is_empty();
            MemberSummary {
                name: (*name).to_owned(),
                weight: self.evidence.stack.weights[member],
                log_loss: judged.then(|| losses.sum::<f64>() / labels.len() as f64),
                auc: judged.then(|| auc(&labels, &said)),
                parameters,
            }
        };
        // What is not there is not described.
        let there = if self.guest.is_some() { MEMBERS.len() } else { OWN };
        MEMBERS.iter().enumerate().take(there).map(summary).collect()
    }
}
