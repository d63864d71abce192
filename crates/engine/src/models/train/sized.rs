//! Members of sizes that are known.
//!
//! Owns: fitting them to any rows, and their files. Deliberately absent: finding the sizes; see `evidence`.

use std::collections::BTreeMap;

use super::{TrainError, TrainOptions, TrainingSet, evidence::Sizes};
use crate::models::{
    bundle::{LOGISTIC_FILE, NET_FILE, TREES_FILE, to_json},
    ensemble::Members,
    logistic::Logistic,
    net::{Net, NetOptions},
    stack::Stack,
    trees::Trees,
};

/// Members that count, as they were fitted.
pub(super) struct Fitted {
    pub(super) members: Members,
    trees_file: Option<Vec<u8>>,
}

/// Fits the members that have a weight to the examples of `rows`.
pub(super) fn fit(
    set: &TrainingSet,
    targets: &[f32],
    rows: &[usize],
    stack: &Stack,
    sizes: Sizes,
    options: &TrainOptions,
) -> Result<Fitted, TrainError> {
    let [logistic, trees, net, _] = stack.weights[..] else { unreachable!("there is a weight for each member") };
    let of_rows = || rows.iter().map(|&row| targets[row]).collect::<Vec<_>>();
    let logistic = (logistic > 0.0).then(|| Logistic::fit(&set.matrix.select(rows), &of_rows(), sizes.penalty));
    let work = options.work(targets.len());
    let boosted = (trees > 0.0).then(|| Trees::fit(&set.examples(targets), rows, sizes.rounds, work)).transpose()?;
    let sized = NetOptions { seed: options.seed, threads: options.threads, epochs: Some(sizes.epochs) };
    let net = (net > 0.0).then(|| Net::fit(&set.matrix, targets, rows, None, sized)).transpose()?;
    let (trees, trees_file) = boosted.map(|fitted| (fitted.trees, fitted.file)).unzip();
    Ok(Fitted { members: Members { logistic, trees, net: net.map(|(net, _)| net), imported: None }, trees_file })
}

impl Fitted {
    /// The members' files, by name.
    pub(super) fn into_files(self) -> Result<BTreeMap<String, Vec<u8>>, TrainError> {
        let Members { logistic, net, .. } = self.members;
        let files = [
            (LOGISTIC_FILE, logistic.map(|logistic| to_json(&logistic))),
            (TREES_FILE, self.trees_file),
            (NET_FILE, net.map(|net| net.to_bytes()).transpose()?),
        ];
        Ok(files.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), bytes?))).collect())
    }
}
