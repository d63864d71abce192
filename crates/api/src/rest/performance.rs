//! How models did, as it is shown.

use leadscore_domain::Timestamp;
use leadscore_store::{Decile, ModelPerformance, PeriodPerformance};
use serde::Serialize;
use utoipa::ToSchema;

/// How a model's predictions of a week fared against what came within 30 days. Figures that are not defined, for want of
/// examples of both kinds, are `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Week {
    /// The model.
    #[schema(example = "v3")]
    model_version: String,
    /// Monday, 00:00 UTC.
    #[schema(value_type = String, format = DateTime)]
    period_start: Timestamp,
    /// Leads with a prediction: the first of the week counts.
    n: u64,
    /// Those that converted within 30 days of it.
    positives: u64,
    /// Share of right answers at 0.5.
    accuracy: f64,
    /// Share of converted among those from 0.5.
    precision: f64,
    /// Share of the converted that stood at 0.5 or above.
    recall: f64,
    /// Harmonic mean of precision and recall.
    f1: f64,
    /// Mean negative log-likelihood in nats.
    #[schema(required)]
    log_loss: Option<f64>,
    /// Area under the ROC curve.
    #[schema(required)]
    auc: Option<f64>,
    /// Expected calibration error.
    #[schema(required)]
    ece: Option<f64>,
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    test_date: Timestamp,
    /// Tenths of the leads by probability, the least probable first.
    calibration: Vec<Tenth>,
}

/// A tenth of the leads of a week.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tenth {
    /// 1 to 10, the least probable first.
    #[schema(minimum = 1, maximum = 10)]
    decile: u8,
    /// Leads.
    n: u64,
    /// Mean of their probabilities.
    probability: f64,
    /// Share of them that converted.
    share: f64,
}

/// A test of a model on data that it had not seen, before it scored.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelTest {
    /// Share of right decisions.
    accuracy: f64,
    /// Share of predicted conversions that came.
    precision: f64,
    /// Share of conversions that were predicted.
    recall: f64,
    /// Harmonic mean of precision and recall.
    f1: f64,
    /// When the test was made.
    #[schema(value_type = String, format = DateTime)]
    test_date: Timestamp,
}

impl From<PeriodPerformance> for Week {
    fn from(period: PeriodPerformance) -> Self {
        let PeriodPerformance {
            model_version,
            period_start,
            n,
            positives,
            accuracy,
            precision,
            recall,
            f1,
            log_loss,
            auc,
            ece,
            test_date,
            calibration,
        } = period;
        let tenth = |Decile { decile, n, probability, share }| Tenth { decile, n, probability, share };
        Self {
            model_version,
            period_start,
            n,
            positives,
            accuracy,
            precision,
            recall,
            f1,
            log_loss,
            auc,
            ece,
            test_date,
            calibration: calibration.into_iter().map(tenth).collect(),
        }
    }
}

impl From<ModelPerformance> for ModelTest {
    fn from(test: ModelPerformance) -> Self {
        let ModelPerformance { model_version: _, accuracy, precision, recall, f1, test_date } = test;
        Self { accuracy, precision, recall, f1, test_date }
    }
}
