//! The champion on examples that came after those that it learned from.
//!
//! Owns: which examples are new, and the baselines beside it, learned from the examples up to then. Invariant: an
//! example counts as new only where its instant lies behind the last one that the champion saw.

use leadscore_domain::Timestamp;
use leadscore_engine::{
    evaluate::{
        Backtest, BacktestRow, Metrics, Split,
        backtest::{Importance, PartSummary},
        metrics,
    },
    examples::Snapshot,
    models::{
        Bundle, Matrix, hard_targets,
        logistic::{Logistic, PENALTY},
    },
};

use super::evaluate::KnownTruth;

/// Examples with a known outcome, encoded as the champion reads them.
struct Part {
    snapshots: Vec<Snapshot>,
    labels: Vec<bool>,
    matrix: Matrix,
}

impl Part {
    fn new(snapshots: &[Snapshot], bundle: &Bundle, belongs: impl Fn(Timestamp) -> bool) -> Self {
        let snapshots: Vec<Snapshot> =
            snapshots.iter().filter(|one| one.observed.label().is_some() && belongs(one.instant)).cloned().collect();
        let labels = snapshots.iter().map(|one| one.observed.label() == Some(true)).collect();
        let matrix = bundle.view().encode(&snapshots);
        Self { snapshots, labels, matrix }
    }

    fn share(&self) -> f64 {
        self.labels.iter().filter(|&&label| label).count() as f64 / self.labels.len() as f64
    }
}

/// Measures the champion; `None` where no example with a known outcome is new.
pub(super) fn measure(snapshots: &[Snapshot], bundle: &Bundle, truth: Option<&KnownTruth>) -> Option<Backtest> {
    let learned_until = bundle.manifest().data.last_instant;
    let new = Part::new(snapshots, bundle, |instant| instant > learned_until);
    if new.labels.is_empty() {
        return None;
    }
    let old = Part::new(snapshots, bundle, |instant| instant <= learned_until);
    let majority = if old.labels.is_empty() { share_learned(bundle) } else { old.share() };
    let logistic = (!old.labels.is_empty()).then(|| Logistic::fit(&old.matrix, &hard_targets(&old.labels), PENALTY));
    let truth = truth.and_then(|truth| truth.of(&new.snapshots));
    let rows: Vec<BacktestRow> = (0..new.labels.len())
        .map(|index| {
            let values = new.matrix.row(index);
            let prediction = bundle.predict(values);
            BacktestRow {
                lead: new.snapshots[index].lead,
                instant: new.snapshots[index].instant,
                fold: 0,
                label: new.labels[index],
                probability: prediction.probability,
                score: prediction.score,
                logistic: logistic.as_ref().map_or(majority, |logistic| logistic.predict(values)),
                majority,
                truth: truth.as_ref().map(|truth| truth[index]),
            }
        })
        .collect();
    let measured = |probability: &dyn Fn(&BacktestRow) -> f64| -> Metrics {
        metrics(&new.labels, &rows.iter().map(probability).collect::<Vec<_>>())
    };
    let model = measured(&|row| row.probability);
    let part = PartSummary {
        train: old.labels.len(),
        train_share: majority,
        test: new.labels.len(),
        test_share: new.share(),
        unfinished: 0,
        gap: false,
        columns: bundle.view().width(),
        members: bundle.manifest().training.weights(),
        auc: model.auc,
    };
    let train_share = old.labels.len() as f64 / (old.labels.len() + new.labels.len()) as f64;
    Some(Backtest {
        split: Split::Time { train_share },
        censored: snapshots.iter().filter(|one| one.observed.label().is_none()).count(),
        model,
        logistic: measured(&|row| row.logistic),
        majority: measured(&|row| row.majority),
        truth: truth.as_ref().map(|truth| metrics(&new.labels, truth)),
        parts: vec![part],
        importance: importance(bundle, &new.matrix),
        rows,
    })
}

/// Share of converted examples that the champion learned from.
fn share_learned(bundle: &Bundle) -> f64 {
    let data = &bundle.manifest().data;
    data.positives as f64 / data.examples.max(1) as f64
}

fn importance(bundle: &Bundle, matrix: &Matrix) -> Vec<Importance> {
    let columns = bundle.view().columns();
    let mut sums = vec![0.0; columns.len()];
    let mut contributions = vec![0.0; columns.len()];
    for index in 0..matrix.rows() {
        bundle.contributions(matrix.row(index), &mut contributions);
        for (sum, contribution) in sums.iter_mut().zip(&contributions) {
            *sum += contribution.abs();
        }
    }
    let mut importance: Vec<Importance> = columns
        .iter()
        .zip(sums)
        .map(|(column, sum)| Importance {
            column: column.name.clone(),
            group: column.group,
            mean_contribution: sum / matrix.rows() as f64,
        })
        .collect();
    importance.sort_by(|a, b| b.mean_contribution.total_cmp(&a.mean_contribution));
    importance
}
