//! Which examples a member is fitted on, and which judge it.
//!
//! Owns: the division of a training set. Invariants: a lead is never divided; a fold's members do not see the examples
//! that judge them. Deliberately absent: the members.
//!
//! Leads in the order of their first instants are dealt to the folds in turn: so every fold has leads of every season,
//! as what is served has, and what the folds show holds for it. Whole stretches of time held out would show members
//! that never saw a market like the one that they are judged by.

use leadscore_domain::Timestamp;

use super::super::folds;

/// Share of the leads that come before those that calibrate.
const EARLIER: f64 = 0.8;
/// Examples below which there are most folds, and below which there are more than two, with their numbers: the fewer
/// examples, the more each fit needs of them, and the cheaper it is.
const FOLDS: [(usize, usize); 3] = [(10_000, 5), (50_000, 3), (usize::MAX, 2)];

/// A training set divided: rows by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// One entry per fold.
    pub(super) folds: Vec<Fold>,
    /// Rows of the later leads, which calibrate by what members say that did not see them; all rows where no leads are
    /// later or they have too few outcomes.
    pub(super) judged: Vec<usize>,
    /// Whether these are the later leads.
    pub(super) is_later: bool,
}

/// One fit with its judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fold {
    /// Rows to fit.
    pub(super) fitted: Vec<usize>,
    /// Rows that judge it; over all folds, every row exactly once.
    pub(super) held_out: Vec<usize>,
}

impl Plan {
    /// Divides leads in the order of their first instants. `enough` says whether rows hold outcomes enough to
    /// calibrate. Leads that all came within one horizon, in microseconds, are of one market: none of them is later.
    pub(super) fn new(
        leads: &[u64],
        instants: &[Timestamp],
        horizon_us: i64,
        enough: impl Fn(&[usize]) -> bool,
    ) -> Self {
        let all: Vec<usize> = (0..leads.len()).collect();
        let is_later = folds::later(leads, instants, EARLIER);
        let (later, earlier): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&row| is_later[row]);
        let span_us = instants.iter().max().zip(instants.iter().min()).map_or(0, |(last, first)| last.since(*first));
        let is_later = span_us >= horizon_us && enough(&later) && enough(&earlier);
        let count = FOLDS.iter().find(|(below, _)| leads.len() < *below).map_or(2, |(_, folds)| *folds);
        let fold_of = folds::in_turn(leads, instants, count);
        let fold = |fold: usize| {
            let (held_out, fitted) = all.iter().partition(|&&row| fold_of[row] == fold);
            Fold { fitted, held_out }
        };
        Self { folds: (0..count).map(fold).collect(), judged: if is_later { later } else { all.clone() }, is_later }
    }
}

#[cfg(test)]
mod tests {
    use leadscore_domain::time::DAY_US;

    use super::*;

    fn plan(days_between: i64) -> Plan {
        let leads: Vec<u64> = (0..100).collect();
        let at = |lead: &u64| Timestamp::from_micros(*lead as i64 * days_between * DAY_US).unwrap();
        let instants: Vec<Timestamp> = leads.iter().map(at).collect();
        Plan::new(&leads, &instants, 150 * DAY_US, |rows| rows.len() >= 20)
    }

    #[test]
    fn the_later_leads_judge_only_where_they_came_after_a_horizon() {
        let [at_once, dated] = [plan(1), plan(2)];
        assert!(!at_once.is_later && dated.is_later);
        assert_eq!(at_once.judged, (0..100).collect::<Vec<_>>());
        assert_eq!(dated.judged, (80..100).collect::<Vec<_>>());
    }

    #[test]
    fn every_row_is_held_out_once_by_members_that_were_not_fitted_to_it() {
        let plan = plan(1);
        let mut held_out: Vec<usize> = plan.folds.iter().flat_map(|fold| fold.held_out.iter().copied()).collect();
        held_out.sort_unstable();
        assert_eq!(held_out, (0..100).collect::<Vec<_>>());
        for fold in &plan.folds {
            assert!(fold.held_out.iter().all(|row| !fold.fitted.contains(row)));
            assert_eq!(fold.held_out.len() + fold.fitted.len(), 100);
        }
    }
}
