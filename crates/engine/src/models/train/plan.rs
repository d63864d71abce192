//! Which examples a member is fitted on, and which judge it.
//!
//! Owns: the division of a training set. Invariants: a lead is never divided; the judging examples of a fold, and all
//! of the later slice, are ones that the fold's members do not see. Deliberately absent: the members.

use leadscore_domain::Timestamp;

use super::super::folds;

/// Share of the leads that come before the slice that calibrates.
const EARLIER: f64 = 0.8;
/// Examples below which there are most folds, and below which there are more than two, with their numbers: the fewer
/// examples, the more each fit needs of them, and the cheaper it is.
const FOLDS: [(usize, usize); 3] = [(10_000, 5), (50_000, 3), (usize::MAX, 2)];

/// A training set divided: rows by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// One entry per fold.
    pub(super) folds: Vec<Fold>,
    /// The later leads, which no fold sees; empty where they have too few outcomes to calibrate.
    pub(super) later: Vec<usize>,
}

/// One fit with its judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fold {
    /// Rows to fit.
    pub(super) fitted: Vec<usize>,
    /// Rows that judge it; over all folds, every row that is not in the later slice exactly once.
    pub(super) held_out: Vec<usize>,
}

impl Plan {
    /// Divides leads in the order of their first instants: the last fifth calibrates, the others are cut into
    /// neighbouring folds. `enough` says whether rows hold outcomes enough to calibrate.
    pub(super) fn new(leads: &[u64], instants: &[Timestamp], enough: impl Fn(&[usize]) -> bool) -> Self {
        let is_later = folds::later(leads, instants, EARLIER);
        let (mut later, mut earlier): (Vec<usize>, Vec<usize>) = (0..leads.len()).partition(|&row| is_later[row]);
        if !enough(&later) || !enough(&earlier) {
            later.clear();
            earlier = (0..leads.len()).collect();
        }
        let count = FOLDS.iter().find(|(below, _)| leads.len() < *below).map_or(2, |(_, folds)| *folds);
        let fold_of = folds::by_time(leads, instants, &earlier, count);
        let fold = |fold: usize| {
            let (held_out, fitted) = (0..earlier.len()).partition::<Vec<usize>, _>(|&place| fold_of[place] == fold);
            let rows = |places: Vec<usize>| places.into_iter().map(|place| earlier[place]).collect();
            Fold { fitted: rows(fitted), held_out: rows(held_out) }
        };
        Self { folds: (0..count).map(fold).collect(), later }
    }
}
