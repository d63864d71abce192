//! Groups compared on a back test, and the swap test of a model.

use std::{collections::HashMap, sync::Arc};

use leadscore_domain::{Clock, LeadId};
use leadscore_engine::{
    evaluate::{
        BacktestRow, Split, backtest,
        fairness::{Fairness, Grouping, SwapTest},
    },
    examples::Snapshot,
    models::Bundle,
};
use leadscore_store::{Registry, Store, StoreError};

use super::{Groups, ProgressFn, TrainingData, TrainingError, TrainingOptions, build, evaluate::load, percent};
use crate::scorer::blocking;

/// Name of the bundle's file with what was found when it was trained.
pub const FAIRNESS_FILE: &str = "fairness.json";
/// About one lead of so many is scored as another person, too.
pub(super) const SWAP_EVERY: u64 = 8;

/// Compares groups on a split, whose models see none of the leads that they are tested on, and swaps what the champion
/// reads; with the champion's version. `None` where there is no champion. Nothing is registered or promoted.
///
/// # Errors
/// See [`TrainingError`]; too few outcomes to train a part of the split are [`TrainingError::Backtest`].
pub async fn compare_groups(
    store: &Store,
    registry: &Registry,
    clock: &dyn Clock,
    options: &TrainingOptions,
    groups: &Arc<Groups>,
    split: Split,
    progress: &ProgressFn,
) -> Result<Option<(String, Fairness)>, TrainingError> {
    let Some((version, bundle)) = load(registry).await? else { return Ok(None) };
    let options = TrainingOptions { groups: Some(Arc::clone(groups)), ..options.clone() };
    let data = build(store, clock, &options, progress).await?;
    let groupings = data.groupings(store, groups).await?;
    let (told, now) = (Arc::clone(progress), clock.now());
    let fairness = blocking(move || {
        let engine = options.for_engine(&data, now);
        let tested = backtest(&data.snapshots, None, split, &engine, &percent(&told))?;
        Ok::<_, TrainingError>(data.fairness(&tested.rows, &groupings, &bundle))
    });
    Ok(Some((version, fairness.await?)))
}

impl TrainingData {
    /// The groups of the leads that have examples.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn groupings(&self, store: &Store, groups: &Groups) -> Result<Vec<Grouping>, StoreError> {
        let tokens: HashMap<LeadId, u64> = self.leads_by_token.iter().map(|(token, lead)| (*lead, *token)).collect();
        groups.by_token(store, &tokens).await
    }

    /// What the rows of a back test and the swaps of `bundle` say of the groups.
    pub(super) fn fairness(&self, rows: &[BacktestRow], groupings: &[Grouping], bundle: &Bundle) -> Fairness {
        Fairness::new(rows, groupings, self.swap_test(bundle))
    }

    fn swap_test(&self, bundle: &Bundle) -> SwapTest {
        let probability = |one: &Snapshot| {
            let matrix = bundle.view().encode(std::slice::from_ref(one));
            bundle.predict(matrix.row(0)).probability
        };
        let mut test = SwapTest::default();
        for examples in self.swapped.chunk_by(|(a, _), (b, _)| a.lead == b.lead) {
            let changes = examples.iter().map(|(one, other)| (probability(one) - probability(other)).abs());
            test.add(changes.fold(0.0, f64::max));
        }
        test
    }
}
