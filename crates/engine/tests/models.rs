//! Training and bundles at their boundary.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod models_world;

use std::{cell::RefCell, collections::BTreeMap};

use leadscore_engine::{
    examples::Snapshot,
    features::FeatureView,
    models::{Bundle, BundleError, Matrix, TrainError, TrainOptions, TrainingSet, train},
};
use models_world::world;

type Files = BTreeMap<String, Vec<u8>>;

fn training_set(snapshots: &[Snapshot]) -> TrainingSet {
    TrainingSet::new(FeatureView::learn(snapshots), snapshots)
}

fn set(leads: u64) -> TrainingSet {
    training_set(&world(leads, 3).0)
}

fn options(threads: usize) -> TrainOptions {
    TrainOptions { threads, ..TrainOptions::default() }
}

fn bundle(set: &TrainingSet) -> Bundle {
    train(set, &options(2), &|_| {}).unwrap().bundle
}

#[test]
fn too_few_outcomes_are_counted_in_leads() {
    let mut set = set(200);
    // 39 leads won, each in both of its examples: 78 positive examples are still 39 outcomes.
    for (row, observed) in set.observed.iter_mut().enumerate() {
        observed.converted_after_us = (row < 78).then_some(1);
    }
    let refused = train(&set, &options(1), &|_| {}).unwrap_err();
    assert!(matches!(refused, TrainError::TooFewOutcomes { won: 39, lost: 161 }), "{refused}");
    assert!(refused.to_string().contains("40"), "{refused}");
}

#[test]
fn lists_that_do_not_belong_together_are_refused() {
    let mut short = set(100);
    short.observed.pop();
    let refused = train(&short, &options(1), &|_| {}).unwrap_err();
    assert!(matches!(refused, TrainError::Mismatch { what: "outcomes", expected: 200, found: 199 }), "{refused}");
    let mut narrow = set(100);
    narrow.matrix.columns.pop();
    let refused = train(&narrow, &options(1), &|_| {}).unwrap_err();
    assert!(matches!(refused, TrainError::Mismatch { what: "columns", .. }), "{refused}");
}

#[test]
fn values_that_cannot_be_are_refused_by_name() {
    let mut infinite = set(100);
    let width = infinite.matrix.width();
    let column = infinite.matrix.columns.iter().position(|column| column.name.contains("pace")).unwrap();
    infinite.matrix.values[3 * width + column] = f32::INFINITY;
    let refused = train(&infinite, &options(1), &|_| {}).unwrap_err();
    assert!(matches!(&refused, TrainError::NotFinite { column, row: 3 } if column.contains("pace")), "{refused}");
    let mut unknown = set(100);
    let column = unknown.matrix.columns.iter().position(|column| column.name.contains("source")).unwrap();
    unknown.matrix.values[column] = 99.0;
    let refused = train(&unknown, &options(1), &|_| {}).unwrap_err();
    assert!(matches!(&refused, TrainError::NotACategory { row: 0, .. }), "{refused}");
}

#[test]
fn threads_do_not_change_a_byte() {
    let set = set(400);
    let one = train(&set, &options(1), &|_| {}).unwrap().bundle.to_files();
    let two = train(&set, &options(2), &|_| {}).unwrap().bundle.to_files();
    assert!(one == two);
}

#[test]
fn progress_never_falls_and_ends() {
    let seen = RefCell::new(Vec::new());
    train(&set(200), &options(2), &|step| seen.borrow_mut().push(step.percent)).unwrap();
    let seen = seen.into_inner();
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&100));
}

#[test]
fn a_bundle_read_back_says_the_same() {
    let set = set(400);
    let trained = bundle(&set).with_extras(BTreeMap::from([("contact.json".to_owned(), b"{}".to_vec())])).unwrap();
    let files = trained.to_files();
    let read = Bundle::from_files(&files).unwrap();
    assert!(read.to_files() == files);
    assert_eq!(read.extras()["contact.json"], b"{}");
    assert_eq!(read.predict_matrix(&set.matrix), trained.predict_matrix(&set.matrix));
    assert_eq!(read.manifest().schema_hash, set.view.schema_hash());
}

#[test]
fn broken_bundles_name_what_is_wrong() {
    let whole = bundle(&set(200)).to_files();
    let broken = |change: &dyn Fn(&mut Files)| {
        let mut files = whole.clone();
        change(&mut files);
        Bundle::from_files(&files).unwrap_err()
    };
    let missing = broken(&|files| drop(files.remove("view.json")));
    assert!(matches!(&missing, BundleError::Missing(file) if file == "view.json"), "{missing}");
    let absent = broken(&|files| drop(files.remove("manifest.json")));
    assert!(matches!(&absent, BundleError::Missing(file) if file == "manifest.json"), "{absent}");
    let cut = broken(&|files| files.get_mut("reference.json").unwrap().truncate(100));
    assert!(matches!(&cut, BundleError::Truncated { file, found: 100, .. } if file == "reference.json"), "{cut}");
    let altered = broken(&|files| files.get_mut("calibration.json").unwrap()[20] ^= 1);
    assert!(matches!(&altered, BundleError::Altered { file, .. } if file == "calibration.json"), "{altered}");
    let unlisted = broken(&|files| drop(files.insert("more.json".to_owned(), Vec::new())));
    assert!(matches!(&unlisted, BundleError::Unlisted(file) if file == "more.json"), "{unlisted}");
    let later = broken(&|files| {
        let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
        let later = manifest.replacen("\"format\": 2", "\"format\": 9", 1);
        files.insert("manifest.json".to_owned(), later.into_bytes());
    });
    assert!(later.to_string().contains("format 9"), "{later}");
    let garbage = broken(&|files| drop(files.insert("manifest.json".to_owned(), b"{\"format\": 2,".to_vec())));
    assert!(matches!(garbage, BundleError::Unreadable { file: "manifest.json", .. }), "{garbage}");
}

#[test]
fn extras_cannot_take_the_place_of_a_bundles_own_files() {
    for name in ["trees.json", "manifest.json", "../trees", "", ".hidden", "a/b"] {
        let refused = bundle(&set(200)).with_extras(BTreeMap::from([(name.to_owned(), Vec::new())])).unwrap_err();
        assert!(matches!(&refused, BundleError::Refused(refused) if refused == name), "{refused}");
    }
}

#[test]
fn contributions_add_up_to_the_log_odds() {
    let set = set(400);
    let bundle = bundle(&set);
    let mut out = vec![0.0; set.matrix.width()];
    for row in 0..set.matrix.rows() {
        bundle.contributions(set.matrix.row(row), &mut out);
        let sum = bundle.bias() + out.iter().sum::<f64>();
        assert!((sum - bundle.predict(set.matrix.row(row)).log_odds).abs() < 1e-9);
    }
}

#[test]
fn score_interval_and_probability_agree() {
    let set = set(600);
    let bundle = bundle(&set);
    let mut predictions = bundle.predict_matrix(&set.matrix);
    predictions.sort_by(|x, y| x.probability.total_cmp(&y.probability));
    assert!(predictions.is_sorted_by_key(|prediction| prediction.score));
    assert!(predictions[0].score < 10 && predictions[predictions.len() - 1].score > 90);
    for prediction in &predictions {
        assert!(0.0 < prediction.probability && prediction.probability < 1.0);
        assert!(prediction.lower <= prediction.probability && prediction.probability <= prediction.upper);
        assert!(prediction.upper - prediction.lower > 0.0);
    }
    assert!(predictions.is_sorted_by(|x, y| x.log_odds <= y.log_odds));
}

#[test]
fn intervals_cover_the_true_probability_about_as_often_as_they_say() {
    let (snapshots, truth) = world(4_000, 11);
    let bundle = bundle(&training_set(&snapshots[..6_000]));
    let test = bundle.view().encode(&snapshots[6_000..]);
    // What the interval speaks of is the mean truth among leads scored alike.
    let mut rows: Vec<_> = bundle.predict_matrix(&test).into_iter().zip(&truth[6_000..]).collect();
    rows.sort_by(|x, y| x.0.probability.total_cmp(&y.0.probability));
    let alike: Vec<_> = rows.chunks(100).collect();
    let covered = alike
        .iter()
        .filter(|part| {
            let mean = part.iter().map(|(_, truth)| **truth).sum::<f64>() / part.len() as f64;
            let (middle, _) = &part[part.len() / 2];
            (middle.lower..=middle.upper).contains(&mean)
        })
        .count();
    assert!(covered * 10 >= alike.len() * 7, "{covered} of {}", alike.len());
}

#[test]
fn unseen_categories_and_missing_values_are_predicted() {
    let set = set(200);
    let bundle = bundle(&set);
    let column = set.matrix.columns.iter().position(|column| column.name.contains("source")).unwrap();
    let mut row = set.matrix.row(0).to_vec();
    for value in [0.0, 7.0, 4_000.0, f32::NAN] {
        row[column] = value;
        assert!(bundle.predict(&row).probability > 0.0);
    }
    assert!(bundle.predict(&vec![f32::NAN; row.len()]).probability > 0.0);
}

#[test]
fn a_table_selects_rows_in_order() {
    let set = set(50);
    let picked: Matrix = set.matrix.select(&[3, 1]);
    assert_eq!(picked.rows(), 2);
    let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(picked.row(0)), bits(set.matrix.row(3)));
    assert_eq!(bits(picked.row(1)), bits(set.matrix.row(1)));
}
