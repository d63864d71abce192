//! Measuring the recipe on a split, or the champion on what happened since it was trained.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use leadscore_domain::{Clock, Identity, Timestamp};
use leadscore_engine::{
    evaluate::{BacktestRow, Report, Split, backtest, report_html, report_json},
    examples::Snapshot,
    models::Bundle,
};
use leadscore_store::{Registry, Store};
use rayon::prelude::*;

use super::{BACKTEST_FILE, ProgressFn, TrainingError, TrainingOptions, build, champion, describe, notes, percent};
use crate::scorer::{CHAMPION, blocking};

/// The true probability of a lead at an instant, where the world is known: simulated data.
pub type Truth = Arc<dyn Fn(&Identity, Timestamp) -> Option<f64> + Send + Sync>;

/// What to measure.
#[derive(Clone)]
pub struct EvaluateOptions {
    /// How examples are drawn and models trained.
    pub training: TrainingOptions,
    /// Trains and tests on these parts; `None` tests the champion on examples after those that it learned from.
    pub split: Option<Split>,
    /// The world's own probabilities, by CRM id.
    pub truth: Option<Truth>,
    /// Heading of the report.
    pub title: String,
}

/// What came of it.
#[derive(Debug)]
pub enum Evaluated {
    /// Figures and predictions.
    Measured(Box<Evaluation>),
    /// There is no champion to measure: give a split.
    NoChampion,
    /// The champion has seen everything there is; the figures of when it was trained stand.
    NothingNew {
        /// The champion.
        version: String,
        /// The last instant that it learned from.
        learned_until: Timestamp,
        /// The back test that was made when it was trained, where there is one.
        stored: Option<serde_json::Value>,
    },
}

/// Figures and predictions.
#[derive(Debug)]
pub struct Evaluation {
    /// The champion's version; `None` for a split, whose models exist only for the test.
    pub version: Option<String>,
    /// The figures and what they were computed from.
    pub report: Report,
    /// The test examples.
    pub rows: Vec<EvaluationRow>,
}

/// One test example.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationRow {
    /// The lead's CRM id; `None` where it has none.
    pub external_id: Option<String>,
    /// The example and what each model said of it.
    pub row: BacktestRow,
}

/// Where the parts of an evaluation were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The page for people.
    pub html: PathBuf,
    /// The figures for machines.
    pub json: PathBuf,
    /// The predictions, one line per test example.
    pub predictions: PathBuf,
}

/// Columns of the predictions file.
const PREDICTION_COLUMNS: [&str; 9] =
    ["external_id", "instant", "fold", "label", "probability", "score", "logistic", "majority", "truth"];

/// Measures what `options` ask for. Nothing is registered or promoted.
///
/// # Errors
/// See [`TrainingError`]; too few outcomes to train a part of the split are [`TrainingError::Backtest`].
pub async fn evaluate(
    store: &Store,
    registry: &Registry,
    clock: &dyn Clock,
    options: &EvaluateOptions,
    progress: &ProgressFn,
) -> Result<Evaluated, TrainingError> {
    let champion = match options.split {
        Some(_) => None,
        None => match load(registry).await? {
            Some(champion) => Some(champion),
            None => return Ok(Evaluated::NoChampion),
        },
    };
    let data = build(store, clock, &options.training, progress).await?;
    let tokens = data.snapshots.iter().map(|snapshot| snapshot.lead);
    let ids = Arc::new(data.crm_ids(store, tokens).await?);
    let truth = options.truth.clone().map(|truth| KnownTruth { truth, ids: Arc::clone(&ids) });
    let (description, notes) = (describe(&data), notes(&data));
    let (training, told, now) = (options.training.clone(), Arc::clone(progress), clock.now());
    let simulated = truth.is_some();
    let (version, tested) = match (options.split, champion) {
        (Some(split), _) => {
            let tested = blocking(move || {
                let truth = truth.and_then(|truth| truth.of(&data.snapshots));
                let engine = training.for_engine(&data, now);
                backtest(&data.snapshots, truth.as_deref(), split, &engine, &percent(&told))
            });
            (None, tested.await?)
        }
        (None, Some((version, bundle))) => {
            let learned_until = bundle.manifest().data.last_instant;
            let stored = bundle.extras().get(BACKTEST_FILE).and_then(|json| serde_json::from_slice(json).ok());
            match blocking(move || champion::measure(&data.snapshots, &bundle, truth.as_ref())).await {
                Some(tested) => (Some(version), tested),
                None => return Ok(Evaluated::NothingNew { version, learned_until, stored }),
            }
        }
        (None, None) => return Ok(Evaluated::NoChampion),
    };
    let rows = tested
        .rows
        .iter()
        .map(|&row| EvaluationRow { external_id: ids.get(&row.lead).map(|identity| identity.value().to_owned()), row });
    let rows = rows.collect();
    let report = Report { title: options.title.clone(), description, backtest: tested, simulated, notes };
    Ok(Evaluated::Measured(Box::new(Evaluation { version, report, rows })))
}

pub(super) async fn load(registry: &Registry) -> Result<Option<(String, Bundle)>, TrainingError> {
    let registry = registry.clone();
    blocking(move || {
        let Some(version) = registry.alias(CHAMPION)? else { return Ok(None) };
        let bundle = Bundle::from_files(&registry.files(&version)?)?;
        Ok(Some((version, bundle)))
    })
    .await
}

/// The world's probabilities with the CRM ids of the leads.
pub(super) struct KnownTruth {
    truth: Truth,
    ids: Arc<HashMap<u64, Identity>>,
}

impl KnownTruth {
    /// One probability for each snapshot; `None` where one with a known outcome has none, since figures over a part
    /// of the examples could not be set beside the model's. Those without an outcome are not asked for.
    pub(super) fn of(&self, snapshots: &[Snapshot]) -> Option<Vec<f64>> {
        let known: Option<Vec<f64>> = snapshots
            .par_iter()
            .map(|snapshot| match snapshot.observed.label() {
                Some(_) => (self.truth)(self.ids.get(&snapshot.lead)?, snapshot.instant),
                None => Some(0.0),
            })
            .collect();
        if known.is_none() {
            tracing::warn!("the true probability of some examples is not known: the optimum is left out");
        }
        known
    }
}

impl Evaluation {
    /// Writes `report.html`, `report.json` and `predictions.csv` into `folder`, making it where it is missing.
    ///
    /// # Errors
    /// [`TrainingError::Report`].
    pub fn write(&self, folder: &Path) -> Result<Written, TrainingError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| TrainingError::Report { path, source }
        };
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        let written = Written {
            html: folder.join("report.html"),
            json: folder.join("report.json"),
            predictions: folder.join("predictions.csv"),
        };
        std::fs::write(&written.html, report_html(&self.report)).map_err(at(&written.html))?;
        let json = format!("{:#}\n", report_json(&self.report));
        std::fs::write(&written.json, json).map_err(at(&written.json))?;
        self.write_predictions(&written.predictions)
            .map_err(|error| at(&written.predictions)(std::io::Error::other(error)))?;
        Ok(written)
    }

    fn write_predictions(&self, path: &Path) -> Result<(), csv::Error> {
        let mut file = csv::Writer::from_path(path)?;
        file.write_record(PREDICTION_COLUMNS)?;
        for EvaluationRow { external_id, row } in &self.rows {
            file.write_record([
                external_id.clone().unwrap_or_default(),
                row.instant.to_string(),
                row.fold.to_string(),
                u8::from(row.label).to_string(),
                row.probability.to_string(),
                row.score.to_string(),
                row.logistic.to_string(),
                row.majority.to_string(),
                row.truth.map(|truth| truth.to_string()).unwrap_or_default(),
            ])?;
        }
        file.flush()?;
        Ok(())
    }
}
