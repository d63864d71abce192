//! Whether an active lead falls silent or ends elsewhere.
//!
//! Owns: the label and the model. A lead churns where, within the horizon, it does not convert and either does
//! nothing itself any more or is lost. Invariant: only leads that were active before the instant are counted, so that
//! there is something to lose. Deliberately absent: what to do about it, see `retention`.

use serde::{Deserialize, Serialize};

use super::{
    TrainingMaterial,
    course::is_active,
    design::{Design, is_own},
    metrics::ChurnMetrics,
    softmax::{Examples, Softmax},
    split::Split,
};
use crate::{
    evaluate::metrics::metrics,
    features::{FEATURES, Feature},
};

/// Examples of either kind below which nothing is fitted.
const MIN_OUTCOMES: usize = 40;
/// Most examples that the fit reads.
const MAX_EXAMPLES: usize = 30_000;
/// L2 penalty on coefficients.
const PENALTY: f64 = 80.0;
/// Class of an example that churned.
const CHURNED: usize = 1;

/// A logistic model of churn: `{"base_rate": …, "model": {"design": …, "coefficients": …, "strength": …}}`, the
/// coefficients in lines of two per input of `design`, the constants last: of staying and of churning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChurnModel {
    base_rate: f64,
    model: Softmax<2>,
}

impl ChurnModel {
    /// Probability that an active lead churns within 30 days.
    #[must_use]
    pub fn predict(&self, row: &[f32]) -> f64 {
        self.model.predict(row, [0.0; 2])[CHURNED]
    }

    /// Share of active leads that churned.
    #[must_use]
    pub fn base_rate(&self) -> f64 {
        self.base_rate
    }

    /// Whether the figures can come from a fit on a view of `width` columns; files are not trusted.
    pub(super) fn is_sound(&self, width: usize) -> bool {
        self.base_rate > 0.0 && self.base_rate < 1.0 && self.model.is_sound(width)
    }
}

/// The model of all examples of active leads, and its figures on the latest ones.
pub(super) fn fit(material: &TrainingMaterial<'_>) -> (Option<ChurnModel>, Option<ChurnMetrics>) {
    let known: Vec<usize> = (0..material.snapshots.len())
        .filter(|&i| material.snapshots[i].observed.complete && is_active(&material.snapshots[i].features))
        .collect();
    if !has_both(material, &known) {
        return (None, None);
    }
    let split = Split::new(material.snapshots, &known, material.horizon_us);
    let mut strength = 1.0;
    let mut measured = None;
    if has_both(material, &split.fitted) && !split.measured.is_empty() {
        let model = fit_to(material, &split.fitted, is_own).suited(&examples(material, &split.calibrated));
        strength = model.strength();
        let recency = FEATURES[Feature::ActivityDays as usize].name;
        let baseline = fit_to(material, &split.fitted, |name| name == recency);
        measured = Some(measure(material, &split.measured, &model, &baseline));
    }
    let churned = known.iter().filter(|&&place| has_churned(material, place)).count();
    let base_rate = churned as f64 / known.len() as f64;
    let model = fit_to(material, &known, is_own).at_strength(strength);
    (Some(ChurnModel { base_rate, model }), measured)
}

fn has_both(material: &TrainingMaterial<'_>, places: &[usize]) -> bool {
    let churned = places.iter().filter(|&&place| has_churned(material, place)).count();
    churned.min(places.len() - churned) >= MIN_OUTCOMES
}

/// Whether the lead of an example churned: see the head of this module.
fn has_churned(material: &TrainingMaterial<'_>, place: usize) -> bool {
    let snapshot = &material.snapshots[place];
    let converted = snapshot.observed.converted_after_us.is_some();
    !converted && (snapshot.course.lost_after || !snapshot.course.active_after)
}

fn fit_to(material: &TrainingMaterial<'_>, places: &[usize], admitted: impl Fn(&str) -> bool) -> Softmax<2> {
    let every = places.len().div_ceil(MAX_EXAMPLES);
    let places: Vec<usize> = places.iter().copied().step_by(every).collect();
    Softmax::fit(Design::learn(material.matrix, &places, admitted), &examples(material, &places), PENALTY)
}

fn examples<'a>(material: &TrainingMaterial<'a>, places: &[usize]) -> Examples<'a, 2> {
    Examples {
        matrix: material.matrix,
        rows: places.to_vec(),
        classes: places.iter().map(|&place| usize::from(has_churned(material, place))).collect(),
        offsets: vec![[0.0; 2]; places.len()],
    }
}

fn measure(
    material: &TrainingMaterial<'_>,
    places: &[usize],
    model: &Softmax<2>,
    baseline: &Softmax<2>,
) -> ChurnMetrics {
    let labels: Vec<bool> = places.iter().map(|&place| has_churned(material, place)).collect();
    let of = |model: &Softmax<2>| {
        let predict = |&place: &usize| model.predict(material.matrix.row(place), [0.0; 2])[CHURNED];
        metrics(&labels, &places.iter().map(predict).collect::<Vec<_>>())
    };
    ChurnMetrics { model: of(model), baseline: of(baseline) }
}
