//! Class, stage and churn in a simulated brokerage, their files, and their cost.

use std::{collections::BTreeMap, time::Instant};

use jiff::tz::TimeZone;
use leadscore_domain::{QualityClass, event::Stage, time::DAY_US};
use leadscore_engine::{
    examples::Snapshot,
    features::{FeatureView, LeadState},
    models::{Matrix, logistic::Logistic},
    predictions::{ClassRule, Lead, Parts, PartsError, TrainingMaterial},
};

use crate::world::{Brokerage, Known, brokerage, size};

/// Examples whose horizon is over, and the truth of each.
fn labelled(leads: &[Known]) -> (Vec<Snapshot>, Vec<f64>) {
    let each = leads.iter().flat_map(|lead| lead.snapshots.iter().cloned().zip(lead.truths.iter().copied()));
    each.filter(|(snapshot, truth)| snapshot.observed.complete && !truth.is_nan()).unzip()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn predict(model: &Logistic, matrix: &Matrix) -> Vec<f64> {
    (0..matrix.rows()).map(|row| sigmoid(model.log_odds(matrix.row(row)))).collect()
}

fn won(snapshots: &[Snapshot]) -> Vec<bool> {
    snapshots.iter().map(|snapshot| snapshot.observed.label() == Some(true)).collect()
}

/// Share of equal classes, and the mean F1 over the classes.
fn agreement(truth: &[QualityClass], found: &[QualityClass]) -> (f64, f64) {
    let same = truth.iter().zip(found).filter(|(x, y)| x == y).count() as f64 / truth.len() as f64;
    let f1 = QualityClass::ALL.map(|class| {
        let both = truth.iter().zip(found).filter(|(x, y)| **x == class && **y == class).count() as f64;
        let of = |classes: &[QualityClass]| classes.iter().filter(|found| **found == class).count() as f64;
        2.0 * both / (of(truth) + of(found)).max(1.0)
    });
    (same, f1.iter().sum::<f64>() / 3.0)
}

struct Study {
    parts: Parts,
    view: FeatureView,
    leads: Vec<Known>,
}

/// Fits to the earlier leads and prints what the model card would say.
fn study() -> Study {
    let Brokerage { leads, .. } = brokerage(size(3_000), 5);
    let mut leads = leads;
    leads.sort_by_key(|lead| lead.snapshots.first().map(|snapshot| snapshot.instant));
    let later = leads.split_off(leads.len() * 4 / 5);
    let (snapshots, truths) = labelled(&leads);
    let view = FeatureView::learn(&snapshots);
    let matrix = view.encode(&snapshots);
    let targets: Vec<f32> = won(&snapshots).iter().map(|&won| f32::from(u8::from(won))).collect();
    let model = Logistic::fit(&matrix, &targets, 4.0);
    let taught = Logistic::fit(&matrix, &truths.iter().map(|&truth| truth as f32).collect::<Vec<_>>(), 4.0);
    let (ahead, truths) = labelled(&later);
    let tests = view.encode(&ahead);
    let probabilities = predict(&model, &tests);
    let held_out: Vec<(f64, bool)> = probabilities.iter().copied().zip(won(&ahead)).collect();
    let calls: Vec<_> = leads.iter().filter_map(|lead| lead.calls.clone()).collect();
    let started = Instant::now();
    let parts = Parts::fit(&TrainingMaterial {
        snapshots: &snapshots,
        matrix: &matrix,
        held_out: &held_out,
        calls: &calls,
        horizon_us: 30 * DAY_US,
    });
    println!("{} examples fitted in {:.1} s", snapshots.len(), started.elapsed().as_secs_f64());
    classes(&parts.class, &truths, &probabilities, &predict(&taught, &tests));
    Study { parts, view, leads: later }
}

fn classes(rule: &ClassRule, truths: &[f64], probabilities: &[f64], taught: &[f64]) {
    let of = |values: &[f64]| -> Vec<QualityClass> { values.iter().map(|&p| rule.class(p)).collect() };
    let truth = of(truths);
    let counts = QualityClass::ALL.map(|class| truth.iter().filter(|found| **found == class).count());
    let (ours, f1) = agreement(&truth, &of(probabilities));
    let (majority, majority_f1) = agreement(&truth, &vec![QualityClass::Cold; truth.len()]);
    let (taught, taught_f1) = agreement(&truth, &of(taught));
    println!(
        "class: base rate {:.3}, truly cold, warm, hot {counts:?}; agreement {ours:.3} (F1 {f1:.3}), \
         all cold {majority:.3} ({majority_f1:.3}), taught by the truth {taught:.3} ({taught_f1:.3})",
        rule.base_rate
    );
    assert!(f1 > majority_f1);
}

#[test]
fn each_part_beats_its_baseline_and_reads_back_and_is_quick() {
    let Study { parts, view, leads } = study();
    let stage = parts.metrics.stage.unwrap();
    println!(
        "stage: {} examples, log-loss {:.4} (by stage alone {:.4}), accuracy {:.3} ({:.3})",
        stage.n, stage.log_loss, stage.baseline_log_loss, stage.accuracy, stage.baseline_accuracy
    );
    // Few leads teach little beyond their stage; they must not teach what is wrong.
    assert!(stage.log_loss < stage.baseline_log_loss + 0.02);
    let churn = parts.metrics.churn.unwrap();
    println!(
        "churn: {} examples, {} churned, log-loss {:.4} (recency alone {:.4}), AUC {:.3} ({:.3}), ECE {:.3}",
        churn.model.n,
        churn.model.positives,
        churn.model.log_loss,
        churn.baseline.log_loss,
        churn.model.auc,
        churn.baseline.auc,
        churn.model.ece
    );
    assert!(churn.model.log_loss < churn.baseline.log_loss + 0.01 && churn.model.auc > churn.baseline.auc);
    println!("classes: {:?}", parts.metrics.class.unwrap());
    let files = parts.to_files();
    let read = Parts::from_files(&files, view.width()).unwrap();
    assert_eq!(read, parts);
    assert_eq!(read.to_files(), files);
    serve(&read, &view, &leads);
    spoil(&files, view.width());
}

/// Every prediction is a probability, whatever the lead; prints what one costs.
fn serve(parts: &Parts, view: &FeatureView, leads: &[Known]) {
    let (mut n, mut total) = (0, 0.0);
    for lead in leads {
        for snapshot in &lead.snapshots {
            let row = view.encode(std::slice::from_ref(snapshot)).values;
            let input = Lead {
                state: &lead.state,
                fixed: &snapshot.features,
                row: &row,
                probability: 0.1,
                zone: &TimeZone::UTC,
                zone_known: true,
                at: snapshot.instant,
            };
            let started = Instant::now();
            let found = parts.predict(&input);
            total += started.elapsed().as_secs_f64();
            n += 1;
            let stages = found.stage.in_30_days.unwrap();
            assert!((stages.iter().sum::<f64>() - 1.0).abs() < 1e-9 && stages.iter().all(|p| (0.0..=1.0).contains(p)));
            assert!(found.churn.is_none_or(|churn| (0.0..=1.0).contains(&churn.risk)));
            assert!(found.contact.windows.iter().all(|window| (0.0..=1.0).contains(&window.probability)));
        }
    }
    println!("one lead: {:.1} µs", total / f64::from(n) * 1e6);
}

/// Files are not trusted.
fn spoil(files: &BTreeMap<String, Vec<u8>>, width: usize) {
    for name in ["class.json", "contact.json"] {
        let mut files = files.clone();
        files.remove(name);
        assert!(matches!(Parts::from_files(&files, width), Err(PartsError::Missing(missing)) if missing == name));
    }
    let edits: [(&str, &str, &str); 5] = [
        ("class.json", "\"hot_from\": ", "\"hot_from\": 7"),
        ("contact.json", "\"weight\": ", "\"weight\": 9"),
        ("stage.json", "\"coefficients\": [", "\"coefficients\": [1.0,"),
        ("churn.json", "\"column\": ", "\"column\": 9999"),
        ("churn.json", "\"base_rate\"", "\"other\""),
    ];
    for (name, from, to) in edits {
        let mut files = files.clone();
        let text = String::from_utf8(files[name].clone()).unwrap();
        assert!(text.contains(from), "{name} {from}");
        files.insert(name.to_owned(), text.replacen(from, to, 1).into_bytes());
        assert!(matches!(Parts::from_files(&files, width), Err(PartsError::Unreadable { file, .. }) if file == name));
    }
    assert!(Parts::from_files(files, 1).is_err(), "a model of another view");
}

#[test]
fn without_material_there_is_an_answer_to_everything_that_needs_none() {
    let parts = Parts::fit(&TrainingMaterial {
        snapshots: &[],
        matrix: &Matrix::default(),
        held_out: &[],
        calls: &[],
        horizon_us: 30 * DAY_US,
    });
    assert_eq!(parts, Parts::default());
    assert_eq!(Parts::from_files(&parts.to_files(), 0).unwrap(), parts);
    let state = LeadState::default();
    let fixed = vec![f32::NAN; leadscore_engine::features::FEATURES.len()];
    let at = "2026-03-02T18:00:00Z".parse().unwrap();
    let lead =
        Lead { state: &state, fixed: &fixed, row: &[], probability: 0.9, zone: &TimeZone::UTC, zone_known: false, at };
    let found = parts.predict(&lead);
    assert_eq!((found.class, found.stage.now, found.churn), (QualityClass::Hot, Stage::New, None));
    assert_eq!(found.contact.best_at.since(at), 17 * 3_600_000_000, "at 11 the next day, lawful in every zone");
}
