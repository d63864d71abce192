//! What leaves the product is read by Python's own libraries.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use serde_json::json;

use crate::support::{Folder, arg, describe};

/// The root of the checkout.
fn root() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..")
}

/// A Python with `tests/python/requirements.txt`, made by the first test that needs it.
fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let mut command = Command::new(root().join("scripts/python-venv"));
        let output = command.arg(root().join("tests/python/requirements.txt")).output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// Runs a script of `tests/python`, which must succeed.
fn check(script: &str, arguments: &[&str]) {
    let script = root().join("tests/python").join(script);
    let output = Command::new(python()).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
}

/// A simulated brokerage, imported.
fn brokerage(leads: &str) -> Folder {
    let (folder, _) = Folder::initialised();
    let world = folder.path("world");
    folder.json(&["simulate", "--leads", leads, "--days", "400", "--out", arg(&world)]);
    folder.json(&["import", "events", arg(&world.join("events.jsonl"))]);
    folder.json(&["import", "market", arg(&world.join("market.jsonl"))]);
    folder
}

#[test]
fn a_training_set_is_read_by_pyarrow_and_learned_from_by_xgboost() {
    let folder = brokerage("1500");
    let out = folder.path("examples");
    let exported = folder.json(&["export", "--training-set", "parquet", "--out", arg(&out)]);
    assert_eq!(exported["folder"], json!(arg(&out)), "{exported}");
    check("training_set.py", &[arg(&out)]);
    let again = folder.run(&["export", "--training-set", "parquet", "--out", arg(&out)]);
    assert_eq!(again.status.code(), Some(2), "a folder that is not empty is left alone: {}", describe(&again));
}

#[test]
fn a_model_says_the_same_in_python_and_in_onnx_and_shows_its_card() {
    let folder = brokerage("1500");
    folder.json(&["train"]);
    let [package, graph] = ["package", "graph"].map(|name| folder.path(name));
    let written = folder.json(&["export", "--format", "python", "--out", arg(&package)]);
    assert_eq!(written["model"], "v1", "{written}");
    folder.json(&["export", "--format", "onnx", "--model", "v1", "--out", arg(&graph)]);
    check("exported_model.py", &[arg(&package), arg(&graph)]);
    shows_its_card(&folder);
    for wrong in [
        &["export", "--format", "python", "--out", arg(&package)][..],
        &["export", "--format", "onnx"],
        &["export", "scores", "--format", "onnx", "--out", "x"],
        &["export", "scores", "--model", "v1", "--format", "csv"],
        &["export", "--format", "onnx", "--model", "v9", "--out", "x"],
        &["export"],
    ] {
        let refused = folder.run(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}: {}", describe(&refused));
    }
}

fn shows_its_card(folder: &Folder) {
    let shown = folder.json(&["models", "show"]);
    let card = &shown["card"];
    assert_eq!(card["format"], 1, "{card}");
    assert!(card["data"]["examples"].as_u64().unwrap() > 1_000, "{card}");
    let hashes = card["files"].as_object().unwrap();
    assert!(hashes.contains_key("view.json") && !hashes.contains_key("card.json"), "{hashes:?}");
    assert_eq!(hashes["view.json"], shown["manifest"]["files"]["view.json"]);
    let text = folder.run(&["models", "show", "v1"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for part in ["# Model card", "## Use", "## Members", "## Slices", "## Fairness", "## Features", "## Files"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_model_trained_elsewhere_becomes_a_member() {
    let folder = brokerage("2500");
    #[expect(clippy::disallowed_methods, reason = "the program under test lives in real time")]
    let now = jiff::Timestamp::now();
    let until = (now - jiff::SignedDuration::from_hours(24 * 240)).to_string();
    let examples = folder.path("examples");
    folder.json(&["export", "--training-set", "parquet", "--until", &until, "--out", arg(&examples)]);
    check("member.py", &[arg(&examples), arg(&folder.path(""))]);
    let import = |name: &str, format: &str, until: &str| {
        let file = folder.path(name);
        folder.run(&["models", "import", arg(&file), "--format", format, "--trained-until", until])
    };
    let early = import("xgboost.json", "xgboost-json", &until);
    assert_eq!(early.status.code(), Some(2), "there is no view yet: {}", describe(&early));
    folder.json(&["train"]);
    for (name, format) in
        [("lightgbm.txt", "lightgbm"), ("xgboost.ubj", "xgboost-ubj"), ("xgboost.json", "xgboost-json")]
    {
        let kept = import(name, format, &until);
        assert!(kept.status.success(), "{name}: {}", describe(&kept));
    }
    let wrong = import("lightgbm.txt", "xgboost-json", &until);
    assert_eq!(wrong.status.code(), Some(2), "{}", describe(&wrong));

    let member = |folder: &Folder| {
        folder.json(&["train"]);
        let shown = folder.json(&["models", "show"]);
        let members = shown["manifest"]["training"]["members"].as_array().unwrap().clone();
        members.into_iter().find(|member| member["name"] == "imported")
    };
    let judged = member(&folder).unwrap();
    assert!(judged["parameters"]["examples_that_weighed_it"].as_f64().unwrap() > 500.0, "{judged}");
    assert!(judged["auc"].as_f64().unwrap() > 0.6, "{judged}");
    // Had it seen everything, nothing could weigh it.
    assert!(import("xgboost.json", "xgboost-json", &now.to_string()).status.success());
    assert_eq!(member(&folder).unwrap()["weight"], 0.0);
    assert_eq!(folder.json(&["models", "import", "--forget"])["forgotten"], true);
    assert_eq!(member(&folder), None);
}
