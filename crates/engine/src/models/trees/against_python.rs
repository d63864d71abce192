//! Trees beside Python's XGBoost and LightGBM, for real: see `tests/python/trees.py`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use leadscore_domain::{AttributeValue, time::DAY_US};

use leadscore_domain::Timestamp;

use super::*;
use crate::{
    examples::{Observed, Snapshot},
    features::{ColumnKind, FEATURES, FeatureView, mix},
    models::{ForeignFormat, ImportError, import_trees, numeric::sigmoid},
    predictions::Course,
};

const ROUNDS: usize = 60;
const LEADS: u64 = 3_000;
const SOURCES: u64 = 60;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("leadscore-trees-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    fn doubles(&self, name: &str) -> Vec<f64> {
        self.read(name).chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the script with a Python that has the packages, which is made where it is missing.
fn python(task: &str, folder: &Path) {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let found = Command::new(root.join("scripts/python-venv")).arg(root.join("tests/python/requirements.txt")).output();
    let found = found.unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let python = String::from_utf8(found.stdout).unwrap();
    let done = Command::new(python.trim())
        .arg(root.join("tests/python/trees.py"))
        .arg(task)
        .arg(folder)
        .env("OMP_NUM_THREADS", "2")
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(done.status.success(), "{said}");
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

struct World {
    view: FeatureView,
    matrix: Matrix,
    targets: Vec<f32>,
    leads: Vec<u64>,
}

impl World {
    /// Numbers with gaps, a category of few and one of many values; columns with a direction and others.
    fn new() -> Self {
        let mut state = 5;
        let mut next = move || {
            state = mix(state);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let sentiment = FEATURES.iter().position(|spec| spec.name == "sentiment_mean").unwrap();
        let web = FEATURES.iter().position(|spec| spec.name == "web_7d").unwrap();
        let (mut snapshots, mut targets) = (Vec::new(), Vec::new());
        for lead in 0..LEADS {
            let [mood, visits, pace] = [next() * 2.0 - 1.0, (next() * 20.0).floor(), next() * 9.0];
            let (kind, source) = ((next() * 3.0) as u64, (next() * next() * SOURCES as f64) as u64);
            let liked = ((source * 37 % 11) as f64 - 5.0) * 0.4;
            let log_odds = mood + (visits * 0.4).sin() + liked + if kind == 1 { 0.8 } else { 0.0 } - 0.5;
            let mut features = vec![f32::NAN; FEATURES.len()];
            if next() < 0.8 {
                features[sentiment] = mood as f32;
            }
            features[web] = visits as f32;
            let text = |prefix: &str, code: u64| AttributeValue::Category(format!("{prefix} {code}"));
            let mut attributes =
                vec![("own kind".to_owned(), text("k", kind)), ("source".to_owned(), text("s", source))];
            if next() < 0.7 {
                attributes.push(("pace".to_owned(), AttributeValue::Number(pace)));
            }
            targets.push(f32::from(u8::from(next() < sigmoid(log_odds))));
            snapshots.push(Snapshot {
                lead,
                instant: Timestamp::from_micros((lead / 40) as i64 * DAY_US).unwrap(),
                observed: Observed::complete(30 * DAY_US, None),
                course: Course::default(),
                features,
                attributes,
            });
        }
        let view = FeatureView::learn(&snapshots);
        Self { matrix: view.encode(&snapshots), view, targets, leads: snapshots.iter().map(|one| one.lead).collect() }
    }

    fn examples(&self) -> Examples<'_> {
        Examples { matrix: &self.matrix, targets: &self.targets, leads: &self.leads }
    }

    fn write(&self, folder: &Folder) {
        let cardinalities: Vec<u32> = self
            .matrix
            .columns
            .iter()
            .map(|column| match column.kind {
                ColumnKind::Numeric => 0,
                ColumnKind::Categorical { cardinality } => cardinality,
            })
            .collect();
        let texts = |name: &str, prefix: &str, count: u64| {
            let column = self.matrix.columns.iter().position(|column| column.name == name).unwrap();
            let texts = (0..count).map(|code| format!("{prefix} {code}"));
            texts
                .filter_map(|text| Some((text.clone(), self.view.code(column, &text)?.into())))
                .collect::<serde_json::Map<_, _>>()
        };
        let names: Vec<&str> = self.matrix.columns.iter().map(|column| column.name.as_str()).collect();
        let table = serde_json::json!({
            "names": names, "cardinalities": cardinalities, "rounds": ROUNDS,
            "texts": {
                "attributes.own kind": texts("attributes.own kind", "k", 3),
                "attributes.source": texts("attributes.source", "s", SOURCES),
            },
        });
        folder.write("table.json", table.to_string());
        folder.write("rows.f32", floats(&self.matrix.values));
        folder.write("targets.f32", floats(&self.targets));
    }
}

#[test]
fn xgboost_reads_our_trees_and_agrees() {
    let world = World::new();
    let folder = Folder::new("check");
    world.write(&folder);
    let rows = world.matrix.rows();
    let work = Work { seed: 7, threads: 2, examples: rows };
    let fitted =
        Trees::fit(&world.examples(), &(0..world.examples().targets.len()).collect::<Vec<_>>(), ROUNDS, work).unwrap();
    folder.write("trees.json", &fitted.file);
    let log_odds: Vec<f64> = (0..rows).map(|row| fitted.trees.log_odds(world.matrix.row(row))).collect();
    folder.write("log_odds.f64", doubles(&log_odds));
    let mut shares = Vec::new();
    for row in 0..rows {
        let mut of_row = vec![0.0; world.matrix.width() + 1];
        fitted.trees.explain(world.matrix.row(row), |column, share| of_row[column] += share);
        of_row[world.matrix.width()] = fitted.trees.bias();
        shares.extend(of_row);
    }
    folder.write("shares.f64", doubles(&shares));

    let mut held_out = vec![0.0; rows];
    let folds: Vec<f32> = (0..rows).map(|row| (row * 7 / 3 % 5) as f32).collect();
    for fold in 0..5_u8 {
        let (out, within): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| folds[row] == f32::from(fold));
        let fitted = boosting::fixed(&world.examples(), &within, ROUNDS, work).unwrap();
        let trees = Trees::from_json(&fitted.file, world.matrix.width()).unwrap();
        for row in out {
            held_out[row] = trees.log_odds(world.matrix.row(row));
        }
    }
    folder.write("folds.f32", floats(&folds));
    folder.write("held_out.f64", doubles(&held_out));
    let mut parameters: serde_json::Map<_, _> =
        recorded(rows, ROUNDS).into_iter().map(|(name, value)| (name, value.into())).collect();
    parameters.retain(|name, _| !matches!(name.as_str(), "early_stopping_rounds" | "rounds"));
    for whole in ["max_bin", "max_leaves", "max_depth"] {
        let value = parameters[whole].as_f64().unwrap();
        parameters[whole] = (value as u64).into();
    }
    folder.write("parameters.json", serde_json::Value::from(parameters).to_string());
    python("check", &folder.0);
}

#[test]
fn models_trained_elsewhere_say_here_what_they_said_there() {
    let world = World::new();
    let folder = Folder::new("foreign");
    world.write(&folder);
    python("foreign", &folder.0);
    let read = |name: &str| {
        let bytes = folder.read(name);
        import_trees(&bytes, ForeignFormat::detect(&bytes).unwrap(), &world.view)
    };
    for (name, said) in [
        ("codes.json", "codes"),
        ("codes.ubj", "codes"),
        ("deep.json", "deep"),
        ("texts.ubj", "texts"),
        ("light_texts.txt", "light_texts"),
        ("light_codes.txt", "light_codes"),
    ] {
        let file = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let trees = Trees::from_json(&file, world.view.width()).unwrap();
        let expected = folder.doubles(&format!("{said}.f64"));
        for (row, expected) in expected.iter().enumerate() {
            let found = trees.log_odds(world.matrix.row(row));
            assert!((found - expected).abs() < 1e-5, "{name}, row {row}: {found} is not {expected}");
        }
    }
    let deep = Trees::from_json(&read("deep.json").unwrap(), world.view.width()).unwrap();
    for (row, expected) in folder.doubles("deep_shares.f64").chunks(world.view.width() + 1).enumerate() {
        let mut found = vec![0.0; expected.len()];
        deep.explain(world.matrix.row(row), |column, share| found[column] += share);
        found[expected.len() - 1] = deep.bias();
        for (column, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-4, "row {row}, column {column}: {found} is not {expected}");
        }
    }
    let refused = |name: &str| read(name).unwrap_err();
    assert!(matches!(refused("dart.json"), ImportError::NotPlain(why) if why.contains("dart")));
    assert!(matches!(refused("parallel.json"), ImportError::NotPlain(why) if why.contains("several trees")));
    assert!(matches!(refused("slopes.json"), ImportError::NotPlain(why) if why.contains("linear")));
    assert!(matches!(refused("linear.txt"), ImportError::NotPlain(why) if why.contains("linear")));
    assert!(matches!(refused("squares.json"), ImportError::Objective(name) if name == "reg:squarederror"));
    assert!(matches!(refused("classes.ubj"), ImportError::Objective(name) if name == "multi:softprob"));
    assert!(matches!(refused("unnamed.json"), ImportError::Unnamed));
    assert!(matches!(refused("unnamed.txt"), ImportError::Unnamed));
    assert!(matches!(refused("strange.json"), ImportError::UnknownColumn(name) if name == "strange"));
    assert!(
        matches!(refused("swapped.json"), ImportError::NotCategorical(name) if name == world.view.columns()[0].name)
    );
}
