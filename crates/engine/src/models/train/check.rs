//! Whether a training set can be learned from.
//!
//! Owns: counts and ranges. Deliberately absent: whether its columns tell too much, see `alarms`.

use std::collections::BTreeSet;

use super::{MIN_OUTCOMES, TrainError, TrainOptions, TrainingSet};
use crate::{
    features::ColumnKind,
    models::{Matrix, manifest::DataSummary},
};

/// Counts what there is to learn from.
pub(super) fn summary(set: &TrainingSet, options: &TrainOptions) -> Result<DataSummary, TrainError> {
    let rows = set.matrix.rows();
    let width = set.matrix.width();
    for (what, expected, found) in [
        ("columns", set.view.width(), width),
        ("values", rows * width, set.matrix.values.len()),
        ("outcomes", rows, set.observed.len()),
        ("lead tokens", rows, set.leads.len()),
        ("instants", rows, set.instants.len()),
    ] {
        if expected != found {
            return Err(TrainError::Mismatch { what, expected, found });
        }
    }
    check_values(&set.matrix)?;
    let known: Vec<usize> = (0..rows).filter(|&row| set.observed[row].complete).collect();
    let converted = |row: &&usize| set.observed[**row].label() == Some(true);
    let leads: BTreeSet<u64> = known.iter().map(|&row| set.leads[row]).collect();
    let won: BTreeSet<u64> = known.iter().filter(converted).map(|&row| set.leads[row]).collect();
    let (won, lost) = (won.len(), leads.len() - won.len());
    if won.min(lost) < MIN_OUTCOMES {
        return Err(TrainError::TooFewOutcomes { won, lost });
    }
    let instants = || set.instants.iter().copied();
    Ok(DataSummary {
        examples: rows,
        unfinished: rows - known.len(),
        positives: known.iter().filter(converted).count(),
        leads: leads.len(),
        won_leads: won,
        first_instant: instants().min().unwrap_or_default(),
        last_instant: instants().max().unwrap_or_default(),
        horizon_us: options.horizon_us,
    })
}

fn check_values(matrix: &Matrix) -> Result<(), TrainError> {
    for row in 0..matrix.rows() {
        for (column, &value) in matrix.columns.iter().zip(matrix.row(row)) {
            if value.is_infinite() {
                return Err(TrainError::NotFinite { column: column.name.clone(), row });
            }
            if let ColumnKind::Categorical { cardinality } = column.kind
                && !value.is_nan()
                && !(value >= 0.0 && value < cardinality as f32 && value.fract() == 0.0)
            {
                return Err(TrainError::NotACategory { column: column.name.clone(), row, value, cardinality });
            }
        }
    }
    Ok(())
}
