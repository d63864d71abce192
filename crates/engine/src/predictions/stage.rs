//! Where a lead stands 30 days ahead.
//!
//! Owns: the transitions between stages and how a lead's features bend them. Invariant: probabilities add up to 1; a
//! lead of which nothing is special goes the way of the others in its stage. Deliberately absent: the stage now, see
//! [`Standing`](super::Standing).

use leadscore_domain::{StageProbabilities, event::Stage};
use serde::{Deserialize, Serialize};

use super::{
    TrainingMaterial,
    design::{Design, is_own},
    metrics::StageMetrics,
    softmax::{Examples, Softmax, accuracy, log_loss},
    split::Split,
};

const STAGES: usize = Stage::ALL.len();
/// Examples below which nothing is fitted.
const MIN_EXAMPLES: usize = 200;
/// Most examples that the fit reads: enough for its few coefficients.
const MAX_EXAMPLES: usize = 20_000;
/// L2 penalty on coefficients: weak against a thousand examples that agree, strong against ten.
const PENALTY: f64 = 80.0;
/// Examples by which the whole population's transitions are strengthened in those of a stage.
const PRIOR_EXAMPLES: f64 = 10.0;
/// The same, of a stage to which none went, as a share of the prior.
const UNSEEN: f64 = 0.01;

/// Transitions of leads by their stage, and how features bend them:
/// `{"transitions": [[…]; 9], "bend": {"design": …, "coefficients": …, "strength": …}}`. `transitions[now][later]`
/// are probabilities, stages in the order of the pipeline; their logarithms are the offsets of the softmax model
/// `bend`, which has one line of nine coefficients per input of `design`, the constants last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageModel {
    transitions: [StageProbabilities; STAGES],
    bend: Softmax<STAGES>,
}

impl StageModel {
    /// Probability of each stage 30 days after, for a lead that stands at `now`.
    #[must_use]
    pub fn predict(&self, now: Stage, row: &[f32]) -> StageProbabilities {
        if now == Stage::Won {
            return certain(now);
        }
        self.bend.predict(row, offsets(&self.transitions, now))
    }

    /// What became of all leads that stood at `now`.
    #[must_use]
    pub fn transitions(&self, now: Stage) -> &StageProbabilities {
        &self.transitions[now as usize]
    }

    /// Whether the figures can come from a fit on a view of `width` columns; files are not trusted.
    pub(super) fn is_sound(&self, width: usize) -> bool {
        let probability = |p: &f64| *p > 0.0 && *p <= 1.0;
        self.transitions.iter().flatten().all(probability) && self.bend.is_sound(width)
    }
}

/// Whether a stage is an end.
pub(super) fn has_ended(stage: Stage) -> bool {
    match stage {
        Stage::Won | Stage::Lost => true,
        Stage::New
        | Stage::Contacted
        | Stage::Engaged
        | Stage::Qualified
        | Stage::Showing
        | Stage::Negotiating
        | Stage::Nurturing => false,
    }
}

fn certain(stage: Stage) -> StageProbabilities {
    let mut probabilities = [0.0; STAGES];
    probabilities[stage as usize] = 1.0;
    probabilities
}

fn offsets(transitions: &[StageProbabilities; STAGES], now: Stage) -> StageProbabilities {
    transitions[now as usize].map(f64::ln)
}

/// Shares of each stage among what became of leads, by their stage before.
fn transitions(now: &[Stage], later: &[usize]) -> [StageProbabilities; STAGES] {
    let mut counts = [[0.0; STAGES]; STAGES];
    let mut all = [UNSEEN; STAGES];
    for (&now, &later) in now.iter().zip(later) {
        counts[now as usize][later] += 1.0;
        all[later] += 1.0;
    }
    let total: f64 = all.iter().sum();
    counts.map(|line| {
        let n: f64 = line.iter().sum();
        std::array::from_fn(|k| (line[k] + PRIOR_EXAMPLES * all[k] / total) / (n + PRIOR_EXAMPLES))
    })
}

/// The model of all examples, and its figures on the latest ones.
pub(super) fn fit(material: &TrainingMaterial<'_>) -> (Option<StageModel>, Option<StageMetrics>) {
    let known: Vec<usize> =
        (0..material.snapshots.len()).filter(|&i| material.snapshots[i].course.stage_after.is_some()).collect();
    if known.len() < MIN_EXAMPLES {
        return (None, None);
    }
    let split = Split::new(material.snapshots, &known, material.horizon_us);
    let mut strength = 1.0;
    let mut measured = None;
    if split.fitted.len() >= MIN_EXAMPLES && !split.measured.is_empty() {
        let model = fit_to(material, &split.fitted);
        let bend = model.bend.suited(&examples(material, &split.calibrated, &model.transitions));
        strength = bend.strength();
        measured = Some(measure(material, &split.measured, &StageModel { bend, ..model }));
    }
    let model = fit_to(material, &known);
    (Some(StageModel { bend: model.bend.at_strength(strength), ..model }), measured)
}

fn fit_to(material: &TrainingMaterial<'_>, places: &[usize]) -> StageModel {
    let every = places.len().div_ceil(MAX_EXAMPLES);
    let places: Vec<usize> = places.iter().copied().step_by(every).collect();
    let now: Vec<Stage> = places.iter().map(|&place| material.snapshots[place].course.stage).collect();
    let later: Vec<usize> = places.iter().map(|&place| stage_after(material, place)).collect();
    let transitions = transitions(&now, &later);
    let design = Design::learn(material.matrix, &places, is_own);
    let bend = Softmax::fit(design, &examples(material, &places, &transitions), PENALTY);
    StageModel { transitions, bend }
}

fn stage_after(material: &TrainingMaterial<'_>, place: usize) -> usize {
    material.snapshots[place].course.stage_after.unwrap_or(Stage::New) as usize
}

fn examples<'a>(
    material: &TrainingMaterial<'a>,
    places: &[usize],
    transitions: &[StageProbabilities; STAGES],
) -> Examples<'a, STAGES> {
    Examples {
        matrix: material.matrix,
        rows: places.to_vec(),
        classes: places.iter().map(|&place| stage_after(material, place)).collect(),
        offsets: places.iter().map(|&place| offsets(transitions, material.snapshots[place].course.stage)).collect(),
    }
}

fn measure(material: &TrainingMaterial<'_>, places: &[usize], model: &StageModel) -> StageMetrics {
    let classes: Vec<usize> = places.iter().map(|&place| stage_after(material, place)).collect();
    let stage = |place: usize| material.snapshots[place].course.stage;
    let predicted: Vec<StageProbabilities> =
        places.iter().map(|&place| model.predict(stage(place), material.matrix.row(place))).collect();
    let baseline: Vec<StageProbabilities> = places.iter().map(|&place| *model.transitions(stage(place))).collect();
    StageMetrics {
        n: places.len(),
        log_loss: log_loss(&predicted, &classes),
        accuracy: accuracy(&predicted, &classes),
        baseline_log_loss: log_loss(&baseline, &classes),
        baseline_accuracy: accuracy(&baseline, &classes),
    }
}
