//! What is foreseen of a lead besides its conversion: quality class, stage, churn and the hours in which it answers.
//!
//! Owns: [`Parts`], one model for each, their files and their measurement beside a baseline. Invariant: training and
//! serving compute every input by the same code; the same material gives the same bytes; files are checked before
//! they are used. Deliberately absent: the conversion probability itself, which is handed in, and what the plays are
//! called in words.
//!
//! | file | what |
//! |---|---|
//! | `class.json` | see [`ClassRule`] |
//! | `stage.json` | see [`StageModel`] |
//! | `churn.json` | see [`ChurnModel`] |
//! | `contact.json` | see [`AnswerModel`] |
//! | `parts.json` | see [`PartMetrics`] |

mod churn;
mod class;
pub mod contact;
mod course;
mod design;
mod metrics;
mod retention;
mod softmax;
mod split;
mod stage;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use leadscore_domain::{ChurnRisk, QualityClass, StageForecast, Timestamp};

pub use self::{
    churn::ChurnModel,
    class::ClassRule,
    contact::{AnswerModel, ContactPlan, LeadCalls},
    course::{ACTIVE_DAYS, Course, Standing, is_active},
    metrics::{ChurnMetrics, ClassMetrics, ClassShare, ContactMetrics, PartMetrics, StageMetrics},
    stage::StageModel,
};
use crate::{examples::Snapshot, features::LeadState, models::Matrix};

const CLASS_FILE: &str = "class.json";
const STAGE_FILE: &str = "stage.json";
const CHURN_FILE: &str = "churn.json";
const CONTACT_FILE: &str = "contact.json";
const METRICS_FILE: &str = "parts.json";

/// What the parts are fitted to.
#[derive(Debug, Clone, Copy)]
pub struct TrainingMaterial<'a> {
    /// Examples; those whose horizon is not over are passed over.
    pub snapshots: &'a [Snapshot],
    /// The same examples, encoded by the view that serves; a row each.
    pub matrix: &'a Matrix,
    /// Calibrated probability and outcome of examples that no member of the ensemble had seen.
    pub held_out: &'a [(f64, bool)],
    /// Calls of every lead that may be profiled.
    pub calls: &'a [LeadCalls],
    /// How far ahead labels look, in microseconds.
    pub horizon_us: i64,
}

/// Why files are not parts.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// A file is absent.
    #[error("the model has no file `{0}`")]
    Missing(&'static str),
    /// A file that cannot be read as what it should be.
    #[error("`{file}` of the model cannot be read: {problem}")]
    Unreadable {
        /// Its name.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// What is known of one lead, where its parts are predicted.
#[derive(Debug, Clone, Copy)]
pub struct Lead<'a> {
    /// Its state.
    pub state: &'a LeadState,
    /// Its fixed features at `at`, in the order of [`crate::features::FEATURES`].
    pub fixed: &'a [f32],
    /// Its row of the view.
    pub row: &'a [f32],
    /// Its calibrated probability of conversion.
    pub probability: f64,
    /// Its zone, or the brokerage's where its own is unknown.
    pub zone: &'a TimeZone,
    /// Whether `zone` is the lead's own.
    pub zone_known: bool,
    /// The instant.
    pub at: Timestamp,
}

/// What is foreseen of one lead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predictions {
    /// Hot, warm or cold.
    pub class: QualityClass,
    /// Where it stands and goes.
    pub stage: StageForecast,
    /// Whether it may be lost; `None` for a lead that did nothing of late, of which there is nothing to lose, for one
    /// that has ended, and where there is no model.
    pub churn: Option<ChurnRisk>,
    /// When to call.
    pub contact: ContactPlan,
}

/// The models besides the ensemble. The default is what is known before any training.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parts {
    /// Quality class.
    pub class: ClassRule,
    /// Stage 30 days ahead; `None` where there were too few examples.
    pub stage: Option<StageModel>,
    /// Churn; `None` where there were too few examples of either kind.
    pub churn: Option<ChurnModel>,
    /// When leads answer.
    pub contact: AnswerModel,
    /// How good they are.
    pub metrics: PartMetrics,
}

impl Parts {
    /// Fits every part, and measures it on the latest fifth of the leads beside its baseline.
    ///
    /// # Panics
    /// Where there is not one row per example.
    #[must_use]
    pub fn fit(material: &TrainingMaterial<'_>) -> Self {
        assert_eq!(material.snapshots.len(), material.matrix.rows(), "one row per example");
        let (class, of_class) = class::fit(material);
        let (stage, of_stage) = stage::fit(material);
        let (churn, of_churn) = churn::fit(material);
        let (contact, of_contact) = contact::fit(material.calls);
        let metrics = PartMetrics { class: of_class, stage: of_stage, churn: of_churn, contact: of_contact };
        Self { class, stage, churn, contact, metrics }
    }

    /// The files, by name: JSON. A part that does not exist has none.
    #[must_use]
    pub fn to_files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut add = |name: &str, json: Vec<u8>| files.insert(name.to_owned(), json);
        add(CLASS_FILE, to_json(&self.class));
        add(CONTACT_FILE, to_json(&self.contact));
        add(METRICS_FILE, to_json(&self.metrics));
        if let Some(stage) = &self.stage {
            add(STAGE_FILE, to_json(stage));
        }
        if let Some(churn) = &self.churn {
            add(CHURN_FILE, to_json(churn));
        }
        files
    }

    /// Reads what [`Self::to_files`] wrote, for rows of `width` columns; other files are passed over.
    ///
    /// # Errors
    /// See [`PartsError`].
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>, width: usize) -> Result<Self, PartsError> {
        let contact: AnswerModel = required(files, CONTACT_FILE)?;
        let class: ClassRule = required(files, CLASS_FILE)?;
        let stage: Option<StageModel> = optional(files, STAGE_FILE)?;
        let churn: Option<ChurnModel> = optional(files, CHURN_FILE)?;
        let sound = [
            (CONTACT_FILE, contact.is_sound()),
            (CLASS_FILE, class.is_sound()),
            (STAGE_FILE, stage.as_ref().is_none_or(|stage| stage.is_sound(width))),
            (CHURN_FILE, churn.as_ref().is_none_or(|churn| churn.is_sound(width))),
        ];
        if let Some((file, _)) = sound.into_iter().find(|(_, sound)| !sound) {
            return Err(PartsError::Unreadable { file, problem: "its figures are out of range".to_owned() });
        }
        Ok(Self { class, stage, churn, contact: contact.ready(), metrics: required(files, METRICS_FILE)? })
    }

    /// What is foreseen of one lead. Allocates nothing.
    ///
    /// # Panics
    /// Where the lead's vectors are shorter than the features and the view.
    #[must_use]
    pub fn predict(&self, lead: &Lead<'_>) -> Predictions {
        let now = Standing::of(lead.state).stage();
        let in_30_days = self.stage.as_ref().map(|model| model.predict(now, lead.row));
        let open = !stage::has_ended(now) && is_active(lead.fixed);
        let churn = self.churn.as_ref().filter(|_| open).map(|model| {
            let risk = model.predict(lead.row);
            ChurnRisk { risk, strategy: retention::strategy(lead.fixed, risk, model.base_rate()) }
        });
        Predictions {
            class: self.class.class(lead.probability),
            stage: StageForecast { now, in_30_days },
            churn,
            contact: self.contact.plan(lead.state, lead.zone, lead.zone_known, lead.at),
        }
    }
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain structs with text keys always serialise");
    bytes.push(b'\n');
    bytes
}

fn required<T: serde::de::DeserializeOwned>(
    files: &BTreeMap<String, Vec<u8>>,
    file: &'static str,
) -> Result<T, PartsError> {
    optional(files, file)?.ok_or(PartsError::Missing(file))
}

fn optional<T: serde::de::DeserializeOwned>(
    files: &BTreeMap<String, Vec<u8>>,
    file: &'static str,
) -> Result<Option<T>, PartsError> {
    let Some(bytes) = files.get(file) else { return Ok(None) };
    let unreadable = |error: serde_json::Error| PartsError::Unreadable { file, problem: error.to_string() };
    serde_json::from_slice(bytes).map(Some).map_err(unreadable)
}
