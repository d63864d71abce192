//! A trained model as one immutable set of files.
//!
//! Owns: the layout of the files, their verification, and serving from them. Invariant: a bundle that exists is whole
//! and consistent, and gives back exactly the bytes it was read from. Deliberately absent: folders, versions, aliases.
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | what it is, where it comes from, SHA-256 and size of every other file |
//! | `view.json` | the schema: columns, kinds, dictionaries |
//! | `stack.json` | the weights of the members |
//! | `logistic.json` | the logistic member: encoding and coefficients |
//! | `trees.json` | the trees, in XGBoost's JSON model format, over the columns of the view |
//! | `net.safetensors` | the weights of the net, with its encoding as metadata |
//! | `imported.json` | trees that were trained elsewhere, in the form of `trees.json` |
//! | `calibration.json` | from log-odds to probability and interval |
//! | `reference.json` | quantiles of the reference population |
//!
//! Members of weight zero have no file. The caller may add others ([`Bundle::with_extras`]).

use std::{collections::BTreeMap, fmt};

use leadscore_domain::Breakdown;
use rayon::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    Manifest, Matrix, Prediction,
    calibration::Calibration,
    ensemble::{Ensemble, IMPORTED, MEMBERS, Members},
    logistic::Logistic,
    manifest::{ENSEMBLE, FORMAT, FileEntry, MANIFEST_FILE},
    net::Net,
    reference::{Reference, groups_of},
    stack::Stack,
    trees::Trees,
};
use crate::features::FeatureView;

const STACK_FILE: &str = "stack.json";
/// File of the logistic member.
pub(super) const LOGISTIC_FILE: &str = "logistic.json";
/// File of the trees.
pub(super) const TREES_FILE: &str = "trees.json";
/// File of the net.
pub(super) const NET_FILE: &str = "net.safetensors";
/// File of the trees that were trained elsewhere.
pub(super) const IMPORTED_FILE: &str = "imported.json";
const VIEW_FILE: &str = "view.json";
const CALIBRATION_FILE: &str = "calibration.json";
const REFERENCE_FILE: &str = "reference.json";
const OWN_FILES: [&str; 9] = [
    MANIFEST_FILE,
    VIEW_FILE,
    STACK_FILE,
    LOGISTIC_FILE,
    TREES_FILE,
    NET_FILE,
    IMPORTED_FILE,
    CALIBRATION_FILE,
    REFERENCE_FILE,
];

/// Why files are not a bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A file is absent.
    #[error("the model has no file `{0}`")]
    Missing(String),
    /// A file is shorter than it was.
    #[error("`{file}` of the model is truncated: {found} of {expected} bytes")]
    Truncated {
        /// Its name.
        file: String,
        /// Bytes it had.
        expected: usize,
        /// Bytes it has.
        found: usize,
    },
    /// A file is not the one that was written.
    #[error("`{file}` of the model was altered: its SHA-256 is {found}, the manifest says {expected}")]
    Altered {
        /// Its name.
        file: String,
        /// Hash in the manifest.
        expected: String,
        /// Hash of the bytes.
        found: String,
    },
    /// A file that the manifest does not list.
    #[error("`{0}` is not a file of the model: its manifest does not list it")]
    Unlisted(String),
    /// Written by another version of this program.
    #[error("the model has format {found}; this version reads format {FORMAT}")]
    UnknownFormat {
        /// What the manifest says.
        found: String,
    },
    /// Another kind of model.
    #[error("the model is of the unknown kind `{0}`")]
    UnknownKind(String),
    /// A file that cannot be read as what it should be.
    #[error("`{file}` of the model cannot be read: {problem}")]
    Unreadable {
        /// Its name.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A further file with a name that a bundle needs for itself.
    #[error("`{0}` cannot be added to a model: the name is taken or not a plain file name")]
    Refused(String),
}

/// What a bundle is made from.
pub(super) struct Parts {
    pub(super) view: FeatureView,
    /// Without `files`.
    pub(super) manifest: Manifest,
    pub(super) stack: Stack,
    /// A file for each member with a weight, by name.
    pub(super) members: BTreeMap<String, Vec<u8>>,
    pub(super) calibration: Calibration,
    pub(super) reference: Reference,
}

/// A trained model with all that serving needs. Immutable, `Send` and `Sync`.
pub struct Bundle {
    view: FeatureView,
    manifest: Manifest,
    ensemble: Ensemble,
    calibration: Calibration,
    reference: Reference,
    /// Group of each column.
    groups: Vec<u8>,
    /// Its own files but the manifest, as written.
    files: BTreeMap<String, Vec<u8>>,
    /// Further files.
    extras: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl Bundle {
    pub(super) fn from_parts(parts: Parts) -> Result<Self, BundleError> {
        let Parts { view, mut manifest, stack, members, calibration, reference } = parts;
        let mut files = members;
        files.insert(STACK_FILE.to_owned(), to_json(&stack));
        files.insert(VIEW_FILE.to_owned(), to_json(&view));
        files.insert(CALIBRATION_FILE.to_owned(), to_json(&calibration));
        files.insert(REFERENCE_FILE.to_owned(), to_json(&reference));
        manifest.files = files.iter().map(|(name, bytes)| (name.clone(), FileEntry::of(bytes))).collect();
        files.insert(MANIFEST_FILE.to_owned(), to_json(&manifest));
        // One way in: what was just trained is served from the same bytes as what is loaded later.
        Self::from_files(&files)
    }

    /// Reads and checks files, by name.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, BundleError> {
        let manifest = read_manifest(files)?;
        verify(&manifest, files)?;
        let view: FeatureView = from_json(files, VIEW_FILE)?;
        if view.schema_hash() != manifest.schema_hash || view.width() != manifest.columns {
            let problem = "its schema is not the one that the manifest names".to_owned();
            return Err(BundleError::Unreadable { file: VIEW_FILE, problem });
        }
        let calibration: Calibration = from_json(files, CALIBRATION_FILE)?;
        let reference: Reference = from_json(files, REFERENCE_FILE)?;
        for (file, sound) in [(CALIBRATION_FILE, calibration.is_sound()), (REFERENCE_FILE, reference.is_sound())] {
            if !sound {
                return Err(BundleError::Unreadable { file, problem: "its figures are out of range".to_owned() });
            }
        }
        let ensemble = read_members(files, &view)?;
        let groups = groups_of(view.columns());
        let others = files.iter().filter(|&(name, _)| name != MANIFEST_FILE);
        let (own, extras) =
            others.map(|(name, bytes)| (name.clone(), bytes.clone())).partition(|(name, _)| is_own(name));
        Ok(Self { ensemble, view, manifest, calibration, reference, groups, files: own, extras })
    }

    /// The files, by name; [`Self::from_files`] reads them back. The same training gives the same bytes.
    #[must_use]
    pub fn to_files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        files.extend(self.extras.clone());
        files.insert(MANIFEST_FILE.to_owned(), to_json(&self.manifest));
        files
    }

    /// The same bundle with further files, by plain file name; one of the same name is replaced.
    ///
    /// # Errors
    /// [`BundleError::Refused`] where a name is one of the bundle's own or holds anything but `a-z`, `0-9`, `-`, `_`
    /// and inner dots.
    pub fn with_extras(mut self, extras: BTreeMap<String, Vec<u8>>) -> Result<Self, BundleError> {
        for (name, bytes) in extras {
            if is_own(&name) || !is_plain(&name) {
                return Err(BundleError::Refused(name));
            }
            self.manifest.files.insert(name.clone(), FileEntry::of(&bytes));
            self.extras.insert(name, bytes);
        }
        Ok(self)
    }

    /// The further files, by name.
    #[must_use]
    pub fn extras(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.extras
    }

    /// The schema it was trained on.
    #[must_use]
    pub fn view(&self) -> &FeatureView {
        &self.view
    }

    /// What it is and where it comes from.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Predicts one row of the view, without allocation.
    ///
    /// # Panics
    /// Where `row` is shorter than the view is wide.
    #[must_use]
    pub fn predict(&self, row: &[f32]) -> Prediction {
        let row = self.cut(row);
        let voice = self.ensemble.voice(row);
        let [probability, lower, upper] = self.calibration.probability(voice.log_odds, voice.disagreement);
        let score = self.reference.score(self.calibration.log_odds(voice.log_odds));
        Prediction { log_odds: voice.log_odds, probability, lower, upper, score }
    }

    /// Predicts every row, on the threads of the global pool.
    ///
    /// # Panics
    /// Where the table is narrower than the view.
    #[must_use]
    pub fn predict_matrix(&self, matrix: &Matrix) -> Vec<Prediction> {
        (0..matrix.rows()).into_par_iter().map(|row| self.predict(matrix.row(row))).collect()
    }

    /// Log-odds from which the attributions of every row start; with them adds up to a row's log-odds.
    #[must_use]
    pub fn bias(&self) -> f64 {
        self.ensemble.bias()
    }

    /// Writes what each column adds to the log-odds of `row` into `out`, one entry per column. With [`Self::bias`]
    /// they add up to [`Prediction::log_odds`] within 1e-6.
    ///
    /// They are the members' attributions by the weights of the stack: Shapley values of the logistic member and of
    /// the trees (path-dependent, S. Lundberg et al., "From local explanations to global understanding with explainable
    /// AI for trees", 2020), and an approximation for the net, see [`super::net`].
    ///
    /// # Panics
    /// Where `row` or `out` is shorter than the view is wide.
    pub fn contributions(&self, row: &[f32], out: &mut [f64]) {
        let out = &mut out[..self.view.width()];
        out.fill(0.0);
        self.ensemble.explain(self.cut(row), |column, share| out[column] += share);
    }

    /// Contributions, as [`Self::contributions`] writes them, by group, each placed in the reference population.
    ///
    /// # Panics
    /// Where there is not one contribution per column.
    #[must_use]
    pub fn breakdown(&self, contributions: &[f64]) -> Breakdown {
        assert_eq!(contributions.len(), self.groups.len(), "one contribution per column");
        let mut sums = [0.0; 4];
        for (group, share) in self.groups.iter().zip(contributions) {
            sums[usize::from(*group)] += share;
        }
        self.reference.breakdown(&sums)
    }

    fn cut<'row>(&self, row: &'row [f32]) -> &'row [f32] {
        assert!(row.len() >= self.groups.len(), "a row of the view has {} values", self.groups.len());
        &row[..self.groups.len()]
    }
}

fn read_members(files: &BTreeMap<String, Vec<u8>>, view: &FeatureView) -> Result<Ensemble, BundleError> {
    let stack: Stack = from_json(files, STACK_FILE)?;
    if !stack.is_sound() || stack.weights.len() != MEMBERS.len() {
        return Err(unreadable(STACK_FILE, &"its weights are out of range"));
    }
    let width = view.width();
    let counts = |member: usize| stack.weights[member] > 0.0;
    let logistic = counts(0).then(|| -> Result<Logistic, BundleError> {
        let logistic: Logistic = from_json(files, LOGISTIC_FILE)?;
        if logistic.width() == width { Ok(logistic) } else { Err(unreadable(LOGISTIC_FILE, &"it is of another width")) }
    });
    let read_trees = |name| Trees::from_json(file(files, name)?, width).map_err(|error| unreadable(name, &error));
    let trees = counts(1).then(|| read_trees(TREES_FILE));
    let imported = counts(IMPORTED).then(|| read_trees(IMPORTED_FILE));
    let net = counts(2).then(|| -> Result<Net, BundleError> {
        let net = Net::from_bytes(file(files, NET_FILE)?).map_err(|error| unreadable(NET_FILE, &error))?;
        if net.width() == width { Ok(net) } else { Err(unreadable(NET_FILE, &"it is of another width")) }
    });
    let members = Members {
        logistic: logistic.transpose()?,
        trees: trees.transpose()?,
        net: net.transpose()?,
        imported: imported.transpose()?,
    };
    Ok(Ensemble::new(members, stack))
}

fn unreadable(file: &'static str, problem: &dyn fmt::Display) -> BundleError {
    BundleError::Unreadable { file, problem: problem.to_string() }
}

pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain structs with text keys always serialise");
    bytes.push(b'\n');
    bytes
}

fn file<'files>(files: &'files BTreeMap<String, Vec<u8>>, name: &str) -> Result<&'files [u8], BundleError> {
    files.get(name).map(Vec::as_slice).ok_or_else(|| BundleError::Missing(name.to_owned()))
}

fn from_json<T: DeserializeOwned>(files: &BTreeMap<String, Vec<u8>>, name: &'static str) -> Result<T, BundleError> {
    serde_json::from_slice(file(files, name)?)
        .map_err(|error| BundleError::Unreadable { file: name, problem: error.to_string() })
}

fn read_manifest(files: &BTreeMap<String, Vec<u8>>) -> Result<Manifest, BundleError> {
    // The format first: a later one may look different in everything else.
    let raw: serde_json::Value = from_json(files, MANIFEST_FILE)?;
    let format = raw.get("format").cloned().unwrap_or_default();
    if format != FORMAT {
        return Err(BundleError::UnknownFormat { found: format.to_string() });
    }
    if let Some(kind) = raw.get("kind").and_then(|kind| kind.as_str()).filter(|&kind| kind != ENSEMBLE) {
        return Err(BundleError::UnknownKind(kind.to_owned()));
    }
    from_json(files, MANIFEST_FILE)
}

fn verify(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Result<(), BundleError> {
    for (name, entry) in &manifest.files {
        let bytes = file(files, name)?;
        if bytes.len() < entry.size_bytes {
            let (expected, found) = (entry.size_bytes, bytes.len());
            return Err(BundleError::Truncated { file: name.clone(), expected, found });
        }
        let found = FileEntry::of(bytes);
        if found.sha256 != entry.sha256 {
            let expected = entry.sha256.clone();
            return Err(BundleError::Altered { file: name.clone(), expected, found: found.sha256 });
        }
    }
    let unlisted = files.keys().find(|&name| name != MANIFEST_FILE && !manifest.files.contains_key(name));
    match unlisted {
        Some(name) => Err(BundleError::Unlisted(name.clone())),
        None => Ok(()),
    }
}

fn is_own(name: &str) -> bool {
    OWN_FILES.contains(&name)
}

fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && !name.contains("..") && name.chars().all(allowed)
}
