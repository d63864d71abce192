//! Back tests and their report at their boundary.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod models_world;

use leadscore_domain::AttributeValue;
use leadscore_engine::{
    evaluate::{Backtest, BacktestError, Report, Split, backtest, metrics, report_html, report_json},
    models::{TrainError, TrainOptions},
};
use models_world::world;

fn run(leads: u64, split: &str) -> Backtest {
    let (snapshots, truth) = world(leads, 5);
    backtest(&snapshots, Some(&truth), split.parse().unwrap(), &TrainOptions::default(), &|_| {}).unwrap()
}

#[test]
fn too_little_to_train_on_names_the_part() {
    let (snapshots, _) = world(60, 5);
    let split = "kfold:3".parse().unwrap();
    let refused = backtest(&snapshots, None, split, &TrainOptions::default(), &|_| {}).unwrap_err();
    assert!(
        matches!(refused, BacktestError::Train { part: 1, source: TrainError::TooFewOutcomes { .. } }),
        "{refused}"
    );
}

#[test]
fn unsound_requests_are_refused() {
    let (snapshots, _) = world(10, 5);
    let options = TrainOptions::default();
    let split = Split::Time { train_share: f64::NAN };
    assert!(matches!(backtest(&snapshots, None, split, &options, &|_| {}), Err(BacktestError::Split(_))));
    let split = Split::KFold { folds: 2 };
    let refused = backtest(&snapshots, Some(&[0.5]), split, &options, &|_| {}).unwrap_err();
    assert!(matches!(refused, BacktestError::Truth { expected: 20, found: 1 }), "{refused}");
}

#[test]
fn the_model_comes_close_to_the_truth_and_beats_the_baselines() {
    let found = run(3_000, "kfold:3");
    let truth = found.truth.unwrap();
    assert_eq!((found.model.n, found.rows.len(), found.parts.len()), (6_000, 6_000, 3));
    assert!(found.model.auc > truth.auc - 0.02, "{} of {}", found.model.auc, truth.auc);
    assert!(found.model.log_loss < found.majority.log_loss - 0.05);
    assert!(found.model.ece < 0.03, "{}", found.model.ece);
    // Both examples of a lead are alike here, so ranking by one probability for a whole fold says next to nothing.
    assert!((found.majority.auc - 0.5).abs() < 0.05);
    let names: Vec<&str> = found.importance.iter().map(|column| column.column.as_str()).collect();
    assert!(names[0].contains("pace"), "{names:?}");
}

#[test]
fn censored_examples_are_left_out() {
    let (mut snapshots, _) = world(400, 5);
    for one in &mut snapshots[..100] {
        one.observed.complete = false;
    }
    let split = Split::KFold { folds: 2 };
    let found = backtest(&snapshots, None, split, &TrainOptions::default(), &|_| {}).unwrap();
    assert_eq!((found.censored, found.model.n), (100, 700));
    assert_eq!(found.truth, None);
}

/// A category that exists only in the test part must not be known to the view of the training part.
#[test]
fn columns_are_learned_from_the_training_part_alone() {
    let (mut snapshots, _) = world(1_000, 5);
    for one in snapshots.iter_mut().filter(|one| one.lead > 7 * 800) {
        one.attributes.push(("after".to_owned(), AttributeValue::Boolean(one.observed.label().unwrap())));
    }
    let split = Split::Time { train_share: 0.75 };
    let found = backtest(&snapshots, None, split, &TrainOptions::default(), &|_| {}).unwrap();
    assert!(found.importance.iter().all(|column| !column.column.contains("after")));
    assert!(found.parts[0].gap && found.parts[0].unfinished > 0);
}

fn report(title: &str) -> Report {
    Report {
        title: title.to_owned(),
        description: "Made-up leads".to_owned(),
        backtest: run(1_000, "time:0.7"),
        simulated: true,
        notes: vec!["<script>alert(1)</script> & more".to_owned()],
    }
}

#[test]
fn the_report_stands_alone_and_escapes_what_comes_from_data() {
    let html = report_html(&report("A <b>\"bold\"</b> & 'quoted' title"));
    assert!(html.contains("A &lt;b&gt;&quot;bold&quot;&lt;/b&gt; &amp; &#39;quoted&#39; title"));
    assert!(!html.contains("<script"), "a script came through");
    for outside in ["src=", "href=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html.matches("<svg").count(), 7);
    assert!(html.contains("Simulated data."));
    assert!(html.contains("True probability"));
}

#[test]
fn names_of_columns_are_escaped_in_plots() {
    let mut report = report("x");
    report.backtest.importance[0].column = "<i>name</i>".to_owned();
    let html = report_html(&report);
    assert!(html.contains("&lt;i&gt;name&lt;/i&gt;") && !html.contains("<i>name"));
}

#[test]
fn every_colour_of_the_plots_has_a_dark_counterpart() {
    let html = report_html(&report("x"));
    let (style, body) = html.split_once("</style>").unwrap();
    for attribute in ["fill=\"#", "stroke=\"#"] {
        for found in body.split(attribute).skip(1) {
            let rule = format!("[{attribute}{}\"]", &found[..6]);
            assert!(style.contains(&rule), "no rule for {rule}");
        }
    }
}

#[test]
fn the_json_holds_the_same_figures() {
    let report = report("x");
    let json = report_json(&report);
    assert_eq!(json["backtest"]["model"]["auc"].as_f64(), Some(report.backtest.model.auc));
    assert_eq!(json["backtest"]["split"], "time:0.7");
    assert_eq!(json["reliability"].as_array().map(Vec::len), Some(15));
    assert_eq!(json["simulated"], true);
    assert!(json["caveats"].as_array().is_some_and(|caveats| caveats.len() > 1));
}

#[test]
fn a_report_of_one_class_is_written_all_the_same() {
    let mut report = report("x");
    for row in &mut report.backtest.rows {
        row.label = false;
    }
    let labels = vec![false; report.backtest.rows.len()];
    let probabilities: Vec<f64> = report.backtest.rows.iter().map(|row| row.probability).collect();
    report.backtest.model = metrics(&labels, &probabilities);
    let html = report_html(&report);
    assert!(html.contains("ranking cannot be measured") && !html.contains("NaN"));
}

fn fixed() -> (Vec<bool>, Vec<f64>) {
    let probabilities: Vec<f64> = (0..200).map(|i| f64::from((i * 37) % 101) / 100.0).collect();
    let labels =
        probabilities.iter().enumerate().map(|(i, p)| (((i * 53 + 7) % 97) as f64 / 97.0) < 0.15 + 0.6 * p).collect();
    (labels, probabilities)
}

/// Values of scikit-learn 1.9.1 on the same 200 examples.
#[test]
fn metrics_agree_with_scikit_learn() {
    let (labels, probabilities) = fixed();
    let found = metrics(&labels, &probabilities);
    for (name, value, expected) in [
        ("auc", found.auc, 0.720_329_615_114_058_8),
        ("average precision", found.average_precision, 0.684_962_934_972_808_1),
        ("log-loss", found.log_loss, 0.809_873_414_827_278_6),
        ("brier", found.brier, 0.224_437_5),
        ("accuracy", found.accuracy, 0.69),
        ("precision", found.precision, 0.653_465_346_534_653_5),
        ("recall", found.recall, 0.709_677_419_354_838_7),
        ("f1", found.f1, 0.680_412_371_134_020_6),
        ("false positive rate", found.false_positive_rate, 0.327_102_803_738_317_8),
    ] {
        assert!((value - expected).abs() < 1e-12, "{name}: {value} is not {expected}");
    }
}

#[test]
fn metrics_agree_with_hand_computed_values() {
    // By hand: pairs won 3.5 of 4; the top tenth of 4 is one example, which converted: 1 / 0.5.
    let found = metrics(&[true, true, false, false], &[0.9, 0.4, 0.4, 0.1]);
    assert_eq!((found.auc, found.lift_at_10, found.accuracy), (0.875, 2.0, 0.75));
    assert!((found.average_precision - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
    assert!((found.brier - (0.01 + 0.36 + 0.16 + 0.01) / 4.0).abs() < 1e-12);
    assert!((found.ece - (0.1 + 0.6 + 0.4 + 0.1) / 4.0).abs() < 1e-12);
    // Two converted; the threshold that takes two takes the tie too.
    assert_eq!((found.matched.threshold, found.matched.recall, found.matched.false_positive_rate), (0.4, 1.0, 0.5));
}

#[test]
fn undefined_figures_are_null_in_json() {
    let found = metrics(&[false, false], &[0.2, 0.3]);
    assert!(found.auc.is_nan() && found.recall.is_nan());
    let json = serde_json::to_value(found).unwrap();
    assert!(json["auc"].is_null());
    let back: leadscore_engine::evaluate::Metrics = serde_json::from_value(json).unwrap();
    assert!(back.auc.is_nan());
    assert_eq!(back.brier, found.brier);
    let none = metrics(&[], &[]);
    assert_eq!(none.n, 0);
}

#[test]
fn a_calibrated_model_stands_at_the_noise_floor() {
    let (snapshots, truth) = world(5_000, 9);
    let labels: Vec<bool> = snapshots.iter().step_by(2).map(|one| one.observed.label().unwrap()).collect();
    let probabilities: Vec<f64> = truth.iter().copied().step_by(2).collect();
    let calibrated = metrics(&labels, &probabilities);
    assert!(calibrated.ece < 1.5 * calibrated.ece_noise_floor, "{calibrated:?}");
    let off: Vec<f64> = probabilities.iter().map(|p| p * 0.7).collect();
    let off = metrics(&labels, &off);
    assert!(off.ece > 3.0 * off.ece_noise_floor, "{off:?}");
}
