//! The manifest of a bundle: what it is, where it comes from, and the hashes of its files.

use std::collections::BTreeMap;

use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{calibration::CalibrationKind, censoring::DelayCurve};
use crate::evaluate::Metrics;

/// Version of the layout that this code writes and reads.
pub const FORMAT: u32 = 2;
/// The only kind of bundle there is so far.
pub const ENSEMBLE: &str = "ensemble";
/// Name of the manifest's own file.
pub const MANIFEST_FILE: &str = "manifest.json";

/// What a bundle is and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout, [`FORMAT`].
    pub format: u32,
    /// Kind of model: `ensemble`.
    pub kind: String,
    /// When it was trained, as the caller said.
    pub created_at: Option<Timestamp>,
    /// Hash of the feature schema, hexadecimal.
    pub schema_hash: String,
    /// Columns of the schema.
    pub columns: usize,
    /// What it was trained on.
    pub data: DataSummary,
    /// How it was trained.
    pub training: TrainingSummary,
    /// Figures on examples that the members were not fitted on, calibrated on the same examples.
    pub metrics: Metrics,
    /// Attributes named like a protected characteristic that the operator admitted under that name or another.
    pub protected_overrides: Vec<String>,
    /// Every other file of the bundle, by name.
    pub files: BTreeMap<String, FileEntry>,
}

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Examples.
    pub examples: usize,
    /// Examples among them whose horizon was not over.
    pub unfinished: usize,
    /// Examples that converted.
    pub positives: usize,
    /// Leads with an example whose horizon was over.
    pub leads: usize,
    /// Leads with an example that converted.
    pub won_leads: usize,
    /// Earliest instant of an example.
    pub first_instant: Timestamp,
    /// Latest instant of an example.
    pub last_instant: Timestamp,
    /// Time within which a conversion counts, in microseconds.
    pub horizon_us: i64,
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Seed of every random choice.
    pub seed: u64,
    /// Folds that weighed the members.
    pub folds: usize,
    /// The members, whether they count or not.
    pub members: Vec<MemberSummary>,
    /// Intercept of the stack, in log-odds.
    pub intercept: f64,
    /// Where calibration, interval and reference population come from.
    pub evidence: Evidence,
    /// Examples among them.
    pub evidence_examples: usize,
    /// How the probability was calibrated.
    pub calibration: CalibrationKind,
    /// How soon conversions come, where the horizon of some examples was not over.
    pub delay: Option<DelayCurve>,
}

impl TrainingSummary {
    /// Weight of each member, by name.
    #[must_use]
    pub fn weights(&self) -> BTreeMap<String, f64> {
        self.members.iter().map(|member| (member.name.clone(), member.weight)).collect()
    }
}

/// One member of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// `logistic`, `trees`, `net` or `imported`.
    pub name: String,
    /// Its weight in the sum of log-odds; 0 where it is not asked.
    pub weight: f64,
    /// Its log-loss on held-out folds, alone; none where it had seen all of their leads.
    pub log_loss: Option<f64>,
    /// Its area under the ROC curve on held-out folds, alone; none where it had seen all of their leads.
    pub auc: Option<f64>,
    /// Its size and parameters, such as the number of rounds.
    pub parameters: BTreeMap<String, f64>,
}

/// Examples that a model's members were not fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Every example, each predicted by members that never saw its lead.
    OutOfFold,
    /// The later leads, each predicted by members that never saw it.
    LaterLeads,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// Number of bytes.
    pub size_bytes: usize,
}

impl FileEntry {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { sha256, size_bytes: bytes.len() }
    }
}
