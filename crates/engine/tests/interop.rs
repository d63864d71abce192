//! What a model leaves with, at its boundary. That other programs say the same is tested with these programs.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod models_world;

use leadscore_engine::{
    features::FeatureView,
    models::{
        Bundle, TrainOptions, TrainingSet,
        card::{CARD_JSON, CARD_MARKDOWN, Card},
        interop::{Form, export},
        train,
    },
};
use models_world::world;
use serde_json::Value;

fn bundle() -> Bundle {
    let (snapshots, _) = world(400, 5);
    let view = FeatureView::learn(&snapshots);
    let set = TrainingSet {
        matrix: view.encode(&snapshots),
        view,
        observed: snapshots.iter().map(|one| one.observed).collect(),
        leads: snapshots.iter().map(|one| one.lead).collect(),
        instants: snapshots.iter().map(|one| one.instant).collect(),
    };
    let options = TrainOptions { shuffle_alarm: false, ..TrainOptions::default() };
    train(&set, &options, &|_| {}).unwrap().bundle
}

#[test]
fn either_form_brings_examples_with_our_figures() {
    let bundle = bundle();
    for form in [Form::Python, Form::Onnx] {
        let folder = export(&bundle, "v7", form).unwrap();
        assert_eq!(folder, export(&bundle, "v7", form).unwrap(), "the same model gives the same bytes");
        let written: Value = serde_json::from_slice(&folder["examples.json"]).unwrap();
        let examples = written["examples"].as_array().unwrap();
        assert_eq!(examples.len(), 200);
        for example in examples {
            let values = example["row"].as_array().unwrap();
            let row: Vec<f32> = values.iter().map(|value| value.as_f64().map_or(f32::NAN, |v| v as f32)).collect();
            assert_eq!(bundle.predict(&row).probability, example["probability"].as_f64().unwrap());
        }
        let missing = examples.iter().any(|example| example["row"].as_array().unwrap().contains(&Value::Null));
        let unknown = examples.iter().any(|example| example["values"]["attributes.source"] == "never seen in training");
        assert!(missing && unknown);
        assert!(String::from_utf8_lossy(&folder["README.md"]).contains("The model v7"));
    }
}

#[test]
fn a_package_holds_the_files_of_the_bundle_and_a_graph_its_view() {
    let bundle = bundle();
    let files = bundle.to_files();
    let package = export(&bundle, "v7", Form::Python).unwrap();
    for name in ["manifest.json", "view.json", "stack.json", "calibration.json", "reference.json"] {
        assert_eq!(package[&format!("leadscore_model/bundle/{name}")], files[name]);
    }
    assert!(String::from_utf8_lossy(&package["pyproject.toml"]).contains("version = \"7\""));
    let graph = export(&bundle, "v7", Form::Onnx).unwrap();
    assert_eq!(graph["view.json"], files["view.json"]);
    // The version of the representation is the first field.
    assert_eq!(graph["model.onnx"][..2], [0x08, 10]);
}

#[test]
fn a_card_names_every_file_but_itself_and_says_what_is_not_known() {
    let bundle = bundle();
    let card = Card::new(&bundle, None, &[], true);
    assert_eq!(card.files.keys().collect::<Vec<_>>(), bundle.manifest().files.keys().collect::<Vec<_>>());
    assert!(card.backtest.is_none() && card.features.iter().all(|feature| feature.importance.is_none()));
    let files = card.to_files();
    let json: Value = serde_json::from_slice(&files[CARD_JSON]).unwrap();
    assert_eq!((json["format"].as_u64(), &json["backtest"]), (Some(1), &Value::Null));
    let text = String::from_utf8(files[CARD_MARKDOWN].clone()).unwrap();
    assert!(text.contains("Simulated leads") && text.contains("too few outcomes to train"), "{text}");
    let whole = bundle.with_extras(files).unwrap();
    assert!(Bundle::from_files(&whole.to_files()).is_ok());
}
