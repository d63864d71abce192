//! The model card: what a model is, what it is for, and how well it does for whom. As JSON and as Markdown.
//!
//! Owns: what a card says. Invariant: every figure comes from the manifest or from the back test, whose model never
//! saw the leads that it was tested on. Deliberately absent: measuring, and the person: slices are of channels,
//! markets, ages of leads and scores, never of what must not count.
//!
//! After M. Mitchell et al., "Model cards for model reporting", FAT* 2019.

mod markdown;
mod slices;

use std::collections::{BTreeMap, BTreeSet};

use leadscore_domain::{Timestamp, protected};
use serde::Serialize;

pub use self::slices::{SLICE_MIN, Slice};
use super::{
    Bundle,
    calibration::CalibrationKind,
    manifest::{DataSummary, FileEntry, MemberSummary},
};
use crate::{
    evaluate::{Backtest, Metrics, caveats::caveats, reliability::ReliabilityBin, report::reliability},
    examples::Snapshot,
    features::{FEATURES, Group, monotone},
};

/// Name of the bundle's file with the card as JSON.
pub const CARD_JSON: &str = "card.json";
/// Name of the bundle's file with the card as Markdown.
pub const CARD_MARKDOWN: &str = "card.md";

const PURPOSE: &str = "Ranks a brokerage's open leads by the probability that they convert within the horizon, so that \
                       agents call those first whom a call helps most. It is asked again whenever something is heard of a lead.";
const LIMITS: [&str; 5] = [
    "It orders work. It must not decide by itself whom to serve, at what price or on what terms; a low score refuses nothing.",
    "What raises a probability is association: that an action goes with conversions does not say that it causes them.",
    "It knows this brokerage's leads of the period below. Other markets, sources that did not exist then and a market that turns are not covered by its figures.",
    "A conversion that was never recorded counts as none.",
    "A column that was filled in after the outcome would flatter every figure here; training stops at the obvious ones only.",
];
const INTERVAL: &str = "For 90 % of the leads the interval is meant to contain the probability with which leads like this \
                        one convert; it is no interval of the outcome, which is yes or no. Where real leads are concerned \
                        this probability is never seen, so coverage is tested on simulated leads. The interval holds the \
                        Venn–Abers pair, the disagreement of the members and the uncertainty of the calibration; it does not \
                        cover a market that changes after the training.";
const FAIRNESS: &str = "Columns named like a protected characteristic or its proxy (name, age, sex, family, origin, language, \
                        religion, disability, assistance, ZIP, street, school) never reach the model unless they were admitted \
                        by hand with a reason. As no such characteristic is kept, none is compared below: the slices show \
                        whether the model serves channels, markets and ages of leads alike.";

/// A model card.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// Version of this form: 1.
    pub format: u32,
    /// When the model was trained.
    pub created_at: Option<Timestamp>,
    /// Whether its leads come from the simulator.
    pub simulated: bool,
    /// What it is for.
    pub intended_use: &'static str,
    /// What it is not for, and what its figures do not cover.
    pub limits: Vec<&'static str>,
    /// What it was trained on.
    pub data: DataSummary,
    /// Its members, whether they count or not.
    pub members: Vec<MemberSummary>,
    /// How the probability is calibrated.
    pub calibration: CalibrationKind,
    /// Figures of the training on examples that its members had not seen.
    pub held_out: Metrics,
    /// How a model trained on earlier leads did on later ones; `null` where there were too few outcomes.
    pub backtest: Option<Tested>,
    /// What the interval means.
    pub interval: &'static str,
    /// What was kept out, and what was let in.
    pub fairness: Fairness,
    /// The columns, the most important first.
    pub features: Vec<FeatureUse>,
    /// Every file of the bundle but the manifest and the card.
    pub files: BTreeMap<String, FileEntry>,
}

/// A back test as a card shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tested {
    /// How the leads were divided.
    pub split: String,
    /// On all tested examples.
    pub model: Metrics,
    /// Logistic regression on the same examples.
    pub logistic: Metrics,
    /// The same probability for everybody.
    pub majority: Metrics,
    /// By channel, market, age of the lead and score; of [`SLICE_MIN`] examples or more.
    pub slices: Vec<Slice>,
    /// Probabilities beside what happened.
    pub reliability: Vec<ReliabilityBin>,
    /// What a reader should know.
    pub caveats: Vec<String>,
}

/// What was done about protected characteristics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fairness {
    /// What is done.
    pub note: &'static str,
    /// Attributes that the leads have and the model was refused.
    pub refused: Vec<String>,
    /// Attributes that were admitted by hand, each with its reason.
    pub admitted: Vec<String>,
}

/// A column and what the model makes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureUse {
    /// Its name.
    pub name: String,
    /// Part of the breakdown.
    pub group: Group,
    /// How it is calculated; of custom attributes, what the source sent.
    pub formula: &'static str,
    /// `up` where a higher value never lowers the score, `down` where it never raises it.
    pub direction: Option<&'static str>,
    /// Mean absolute contribution to the log-odds of the tested examples; `null` where it was not tested.
    pub importance: Option<f64>,
}

impl Card {
    /// The card of a bundle with all its files but the card. `snapshots` are the examples behind `backtest`.
    #[must_use]
    pub fn new(bundle: &Bundle, backtest: Option<&Backtest>, snapshots: &[Snapshot], simulated: bool) -> Self {
        let manifest = bundle.manifest();
        Self {
            format: 1,
            created_at: manifest.created_at,
            simulated,
            intended_use: PURPOSE,
            limits: LIMITS.to_vec(),
            data: manifest.data.clone(),
            members: manifest.training.members.clone(),
            calibration: manifest.training.calibration,
            held_out: manifest.metrics,
            backtest: backtest.map(|backtest| Tested {
                split: backtest.split.to_string(),
                model: backtest.model,
                logistic: backtest.logistic,
                majority: backtest.majority,
                slices: slices::slices(&backtest.rows, snapshots),
                reliability: reliability(&backtest.rows),
                caveats: caveats(backtest),
            }),
            interval: INTERVAL,
            fairness: Fairness {
                note: FAIRNESS,
                refused: refused(snapshots),
                admitted: manifest.protected_overrides.clone(),
            },
            features: features(bundle, backtest),
            files: manifest.files.clone(),
        }
    }

    /// Both forms, by the names of their files.
    #[must_use]
    pub fn to_files(&self) -> BTreeMap<String, Vec<u8>> {
        let json = super::bundle::to_json(self);
        BTreeMap::from([
            (CARD_JSON.to_owned(), json),
            (CARD_MARKDOWN.to_owned(), markdown::markdown(self).into_bytes()),
        ])
    }
}

/// Attributes of the examples whose names stand for what must not count.
fn refused(snapshots: &[Snapshot]) -> Vec<String> {
    let names: BTreeSet<&str> =
        snapshots.iter().flat_map(|one| one.attributes.iter().map(|(name, _)| name.as_str())).collect();
    names.into_iter().filter(|name| protected::classify(name).is_some()).map(str::to_owned).collect()
}

fn features(bundle: &Bundle, backtest: Option<&Backtest>) -> Vec<FeatureUse> {
    let importance: BTreeMap<&str, f64> = backtest
        .iter()
        .flat_map(|backtest| &backtest.importance)
        .map(|found| (found.column.as_str(), found.mean_contribution))
        .collect();
    let described = bundle.view().columns().iter().map(|column| FeatureUse {
        name: column.name.clone(),
        group: column.group,
        formula: FEATURES
            .iter()
            .find(|spec| spec.name == column.name)
            .map_or("as the source sent it", |spec| spec.formula),
        direction: monotone(&column.name).map(|direction| direction.as_str()),
        importance: backtest.map(|_| importance.get(column.name.as_str()).copied().unwrap_or_default()),
    });
    let mut features: Vec<FeatureUse> = described.collect();
    let weight = |feature: &FeatureUse| feature.importance.unwrap_or_default();
    features.sort_by(|x, y| weight(y).total_cmp(&weight(x)));
    features
}

#[cfg(test)]
mod tests {
    use leadscore_domain::AttributeValue;

    use super::*;
    use crate::{examples::Observed, predictions::Course};

    #[test]
    fn refused_attributes_are_named_once_and_others_are_not() {
        let snapshot = |lead| Snapshot {
            lead,
            instant: Timestamp::default(),
            observed: Observed::complete(1, None),
            course: Course::default(),
            features: vec![f32::NAN; FEATURES.len()],
            attributes: ["Religion", "budget", "zip code"].map(|n| (n.to_owned(), AttributeValue::Number(1.0))).into(),
        };
        assert_eq!(refused(&[snapshot(1), snapshot(2)]), ["Religion", "zip code"]);
    }
}
