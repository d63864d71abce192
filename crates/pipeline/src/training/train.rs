//! One training run: measure honestly on held-out leads, fit on everything, register, promote.

use std::sync::Arc;

use leadscore_domain::{Clock, Timestamp};
use leadscore_engine::{
    evaluate::{
        Backtest, BacktestError, Metrics, Report, Split, backtest,
        fairness::{Fairness, Grouping},
        report_json,
    },
    features::FeatureView,
    models::{self, Bundle, TrainError, Trained as Fitted, TrainingSet, card::Card, train::MIN_OUTCOMES},
    predictions::{Parts, TrainingMaterial},
    score::ACTIONS_FILE,
};
use leadscore_store::{ModelPerformance, Registry, Store};

use super::{
    FAIRNESS_FILE, ProgressFn, TrainingData, TrainingError, TrainingOptions, TrainingProgress, build, describe, notes,
    percent,
};
use crate::scorer::{CHAMPION, blocking};

/// Name of the bundle's file with the back test that was made when it was trained.
pub const BACKTEST_FILE: &str = "backtest.json";

/// Share of the leads, the earliest, that the back test trains on.
const BACKTEST_TRAIN_SHARE: f64 = 0.8;

/// When a new model becomes the champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromotePolicy {
    /// Only where there is no champion yet.
    #[default]
    IfNone,
    /// In any case.
    Always,
    /// Not by this run.
    Never,
}

/// What a training run came to.
#[derive(Debug)]
pub enum TrainingOutcome {
    /// There is a new model.
    Trained(Box<Trained>),
    /// There is none, and scores stay as they are: not an error, it is where everybody starts.
    TooFewOutcomes(TooFewOutcomes),
}

/// A registered model.
#[derive(Debug)]
pub struct Trained {
    /// Its version, such as `v3`.
    pub version: String,
    /// Whether it is the champion now.
    pub promoted: bool,
    /// How groups compare; `None` where no groups are known.
    pub fairness: Option<Fairness>,
    /// Figures of the back test; `None` where the earlier leads alone have too few outcomes.
    pub backtest: Option<Backtest>,
    /// Figures that the training itself found on examples that the trees had not seen.
    pub metrics: Metrics,
    /// Examples that it was fitted on.
    pub examples: usize,
    /// Examples that converted.
    pub positives: usize,
    /// Leads that were read.
    pub leads: u64,
    /// Events that were read.
    pub events: u64,
    /// Leads that were left out for want of a lawful basis for profiling.
    pub withheld: u64,
}

/// How many outcomes there are, and how many there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{won} leads won and {lost} not won; training needs {needed} of each: the scorecard goes on scoring")]
pub struct TooFewOutcomes {
    /// Leads that converted.
    pub won: usize,
    /// Leads that did not.
    pub lost: usize,
    /// Least number of each kind.
    pub needed: usize,
}

/// Trains on everything that the store knows and registers the model.
///
/// The back test trains on the earliest 80 % of the leads and tests on the rest; its figures travel with the model as
/// [`BACKTEST_FILE`]. The model itself is then fitted on all leads.
///
/// # Errors
/// See [`TrainingError`]; the registry is then as it was, but for a model that could not be promoted.
pub async fn train(
    store: &Store,
    registry: &Registry,
    clock: &dyn Clock,
    options: &TrainingOptions,
    promote: PromotePolicy,
    progress: &ProgressFn,
) -> Result<TrainingOutcome, TrainingError> {
    let data = build(store, clock, options, progress).await?;
    let now = clock.now();
    let groupings = match &options.groups {
        Some(groups) => Some(data.groupings(store, groups).await?),
        None => None,
    };
    let (options, told) = (options.clone(), Arc::clone(progress));
    let (data, fitted) = blocking(move || {
        let fitted = fit(&data, groupings.as_deref(), &options, now, &told);
        (data, fitted)
    })
    .await;
    let fitted = match fitted {
        Ok(fitted) => fitted,
        Err(TrainingError::Train(TrainError::TooFewOutcomes { won, lost })) => {
            let needed = MIN_OUTCOMES;
            return Ok(TrainingOutcome::TooFewOutcomes(TooFewOutcomes { won, lost, needed }));
        }
        Err(error) => return Err(error),
    };
    progress(TrainingProgress { step: "registering", done: 0, total: 1 });
    let trained = register(store, registry, clock, promote, fitted, &data).await?;
    progress(TrainingProgress { step: "registering", done: 1, total: 1 });
    Ok(TrainingOutcome::Trained(Box::new(trained)))
}

/// A model, and what is known of it.
struct Measured {
    bundle: Bundle,
    /// `None` where there are too few outcomes for one.
    backtest: Option<Backtest>,
    /// `None` where no groups are known.
    fairness: Option<Fairness>,
}

/// The model, with its back test and what this says of groups.
fn fit(
    data: &TrainingData,
    groupings: Option<&[Grouping]>,
    options: &TrainingOptions,
    now: Timestamp,
    progress: &ProgressFn,
) -> Result<Measured, TrainingError> {
    let train_options = options.for_engine(data, now);
    let split = Split::Time { train_share: BACKTEST_TRAIN_SHARE };
    let tested = match backtest(&data.snapshots, None, split, &train_options, &percent(progress)) {
        Ok(tested) => Some(tested),
        Err(BacktestError::Empty { .. } | BacktestError::Train { source: TrainError::TooFewOutcomes { .. }, .. }) => {
            None
        }
        Err(error) => return Err(error.into()),
    };
    let set = TrainingSet::new(FeatureView::learn(&data.snapshots), &data.snapshots);
    let Fitted { bundle, held_out } = models::train(&set, &train_options, &percent(progress))?;
    let parts = Parts::fit(&TrainingMaterial {
        snapshots: &data.snapshots,
        matrix: &set.matrix,
        held_out: &held_out,
        calls: &data.calls,
        horizon_us: options.horizon_us,
    });
    let mut extras = parts.to_files();
    extras.insert(ACTIONS_FILE.to_owned(), data.action_rates.to_json());
    if let Some(tested) = &tested {
        let report = Report {
            title: "Back test".to_owned(),
            description: describe(data),
            backtest: tested.clone(),
            simulated: options.simulated,
            notes: notes(data),
        };
        let json = serde_json::to_vec_pretty(&report_json(&report)).unwrap_or_default();
        extras.insert(BACKTEST_FILE.to_owned(), json);
    }
    let rows = tested.as_ref().map_or(&[][..], |tested| &tested.rows);
    let fairness = groupings.map(|groupings| data.fairness(rows, groupings, &bundle));
    if let Some(fairness) = &fairness {
        extras.insert(FAIRNESS_FILE.to_owned(), serde_json::to_vec_pretty(fairness).unwrap_or_default());
    }
    let bundle = bundle.with_extras(extras)?;
    let card = Card::new(&bundle, tested.as_ref(), &data.snapshots, options.simulated);
    Ok(Measured { bundle: bundle.with_extras(card.to_files())?, backtest: tested, fairness })
}

async fn register(
    store: &Store,
    registry: &Registry,
    clock: &dyn Clock,
    promote: PromotePolicy,
    fitted: Measured,
    data: &TrainingData,
) -> Result<Trained, TrainingError> {
    let Measured { bundle, backtest, fairness } = fitted;
    let fair = fairness.as_ref().is_none_or(Fairness::passed);
    let (metrics, summary) = (bundle.manifest().metrics, bundle.manifest().data.clone());
    let handle = registry.clone();
    let (version, promoted) = blocking(move || {
        let version = handle.put(&bundle.to_files())?;
        let wanted = match promote {
            PromotePolicy::Always => true,
            PromotePolicy::Never => false,
            PromotePolicy::IfNone => handle.alias(CHAMPION)?.is_none(),
        };
        let promoted = wanted && fair;
        if promoted {
            handle.set_alias(CHAMPION, &version, "promoted when it was trained")?;
        }
        Ok::<_, TrainingError>((version, promoted))
    })
    .await?;
    let measured = backtest.as_ref().map_or(metrics, |tested| tested.model);
    store
        .record_performance(ModelPerformance {
            model_version: version.clone(),
            accuracy: measured.accuracy,
            precision: measured.precision,
            recall: measured.recall,
            f1: measured.f1,
            test_date: clock.now(),
        })
        .await?;
    Ok(Trained {
        version,
        promoted,
        fairness,
        backtest,
        metrics,
        examples: summary.examples,
        positives: summary.positives,
        leads: data.leads,
        events: data.events,
        withheld: data.withheld,
    })
}
