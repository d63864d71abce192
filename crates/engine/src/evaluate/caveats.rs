//! What a reader of a report should know before trusting a figure.
//!
//! Owns: the rules, each with its reason in the sentence. Deliberately absent: what only the caller knows.

use super::{Backtest, Split};

/// Converted test examples below which a figure is called uncertain.
const FEW: usize = 200;
/// Ratio of the shares of training and test from which a shift is reported.
const SHIFT: f64 = 1.25;
/// Share of all contributions from which one column is suspicious.
const DOMINANT: f64 = 0.5;

/// The sentences that apply.
pub(crate) fn caveats(backtest: &Backtest) -> Vec<String> {
    let mut said = vec![uncertainty(backtest)];
    said.extend(about_time(backtest));
    said.extend(about_calibration(backtest));
    said.extend(about_ranking(backtest));
    if backtest.censored > 0 {
        said.push(format!(
            "{} examples are left out because their horizon is not over: it is not known yet how they end.",
            backtest.censored
        ));
    }
    said
}

/// Standard error of an AUC: J. Hanley, B. McNeil, Radiology 143, 1982.
fn auc_error(auc: f64, positives: f64, negatives: f64) -> f64 {
    let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let square = auc * auc;
    let spread = auc * (1.0 - auc) + (positives - 1.0) * (q1 - square) + (negatives - 1.0) * (q2 - square);
    (spread / (positives * negatives)).max(0.0).sqrt()
}

fn uncertainty(backtest: &Backtest) -> String {
    let model = &backtest.model;
    let error = auc_error(model.auc, model.positives as f64, (model.n - model.positives) as f64);
    let few = if model.positives < FEW { "Few test examples converted, so every figure is uncertain. " } else { "" };
    // Where a class is absent there is no AUC, and its error means nothing.
    if model.auc.is_finite() {
        format!(
            "{few}One standard error of the AUC is {error:.3} (Hanley and McNeil 1982, examples taken as independent); \
             smaller differences mean nothing."
        )
    } else {
        format!("{few}All test examples ended the same way, so ranking cannot be measured.")
    }
}

fn about_time(backtest: &Backtest) -> Vec<String> {
    let mut said = Vec::new();
    match backtest.split {
        Split::KFold { .. } => said.push(
            "Random folds mix earlier and later leads. On leads yet to come expect less; a split by time shows it."
                .to_owned(),
        ),
        Split::Time { .. } => {
            for part in &backtest.parts {
                if part.unfinished > 0 {
                    said.push(format!(
                        "{} training examples count as what was known of them when the test begins: their horizon \
                         was not over.",
                        part.unfinished
                    ));
                }
                if !part.gap {
                    said.push(
                        "The data spans hardly more than one horizon, so training outcomes reach into the time of \
                         the test."
                            .to_owned(),
                    );
                }
                let ratio = part.test_share / part.train_share;
                if !(1.0 / SHIFT..=SHIFT).contains(&ratio) {
                    said.push(format!(
                        "The share that converts moved from {:.1} % in training to {:.1} % in the test. Probabilities \
                         learned before such a move are off; the order of the leads suffers less.",
                        part.train_share * 100.0,
                        part.test_share * 100.0
                    ));
                }
            }
        }
    }
    said
}

fn about_calibration(backtest: &Backtest) -> Option<String> {
    let model = &backtest.model;
    let floor = model.ece_noise_floor;
    if model.ece > 2.0 * floor {
        return Some(format!(
            "Probabilities are off by {:.1} percentage points on average, more than chance explains ({:.1}).",
            model.ece * 100.0,
            floor * 100.0
        ));
    }
    (model.ece <= 1.3 * floor).then(|| {
        "The calibration error is no larger than chance alone would leave a perfectly calibrated model.".to_owned()
    })
}

fn about_ranking(backtest: &Backtest) -> Vec<String> {
    let mut said = Vec::new();
    if backtest.logistic.auc >= backtest.model.auc {
        said.push(
            "Logistic regression ranks at least as well here. With few outcomes or a moving market, plain models \
             often do."
                .to_owned(),
        );
    }
    let total: f64 = backtest.importance.iter().map(|column| column.mean_contribution).sum();
    if let Some(first) = backtest.importance.first()
        && backtest.importance.len() > 2
        && first.mean_contribution > DOMINANT * total
    {
        said.push(format!(
            "The column “{}” moves the score more than all others together. Make sure that it is known at the time \
             of scoring, and not filled in after the outcome.",
            first.column
        ));
    }
    if let Some(truth) = &backtest.truth {
        said.push(format!(
            "The true probability itself has an AUC of {:.3} and a log-loss of {:.4}: no model can do better but by \
             chance.",
            truth.auc, truth.log_loss
        ));
    }
    said
}
