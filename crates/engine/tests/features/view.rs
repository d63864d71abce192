use leadscore_domain::AttributeValue;
use leadscore_engine::{
    examples::{ExampleOptions, Snapshot, snapshots},
    features::{ColumnKind, FEATURES, FeatureView, Group, LeadState, Market, schema_hash},
};

use crate::events::*;

/// One example for each lead of the given attributes.
fn examples(leads: &[&[(&str, AttributeValue)]]) -> Vec<Snapshot> {
    let options = ExampleOptions::new(hour(9_999));
    (0u64..)
        .zip(leads)
        .flat_map(|(token, attributes)| {
            snapshots(token, &history(vec![(hour(0), with_attributes(attributes))]), &Market::empty(), &options)
        })
        .collect()
}

fn number(value: f64) -> AttributeValue {
    AttributeValue::Number(value)
}

fn names(view: &FeatureView) -> Vec<&str> {
    view.columns().iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn constant_and_protected_columns_and_ids_are_left_out() {
    let examples = examples(&[
        &[
            ("age", number(30.0)),
            ("budget", number(1.0)),
            ("Zip Code", text("1")),
            ("same", number(4.0)),
            ("ref", text("x1")),
            ("job", text("cook")),
        ],
        &[
            ("age", number(40.0)),
            ("budget", number(2.0)),
            ("Zip Code", text("1")),
            ("same", number(4.0)),
            ("ref", text("x2")),
            ("job", text("cook")),
        ],
        &[
            ("age", number(50.0)),
            ("budget", number(2.0)),
            ("Zip Code", text("2")),
            ("same", number(4.0)),
            ("ref", text("x3")),
            ("job", text("baker")),
        ],
    ]);
    let view = FeatureView::learn(&examples);
    assert_eq!(names(&view), ["attributes.budget", "attributes.job"]);
    assert_eq!(view.columns()[1].kind, ColumnKind::Categorical { cardinality: 2 });
    assert_eq!(view.columns()[1].group, Group::MarketFit);
    let matrix = view.encode(&examples);
    assert_eq!(matrix.values, [1.0, 1.0, 2.0, 1.0, 2.0, 0.0]);
}

#[test]
fn types_are_the_most_frequent_and_other_ones_are_missing_or_other() {
    let examples = examples(&[
        &[("a", number(1.0)), ("b", text("x")), ("t", AttributeValue::Time { time: hour(48) })],
        &[("a", AttributeValue::Boolean(true)), ("b", text("x")), ("t", AttributeValue::Time { time: hour(-24) })],
        &[("a", text("one")), ("b", number(7.0)), ("t", text("soon"))],
        &[],
    ]);
    let view = FeatureView::learn(&examples);
    assert_eq!(names(&view), ["attributes.a", "attributes.b", "attributes.t"]);
    let matrix = view.encode(&examples);
    let column = |place: usize| [0, 1, 2, 3].map(|row| matrix.row(row)[place]);
    assert_eq!(column(0)[..2], [1.0, 1.0]);
    assert!(column(0)[2].is_nan() && column(0)[3].is_nan());
    assert_eq!(column(1)[..3], [1.0, 1.0, 0.0]);
    assert!(column(1)[3].is_nan());
    assert_eq!(column(2)[..2], [2.0, -1.0]);
    assert!(column(2)[2].is_nan() && column(2)[3].is_nan());
}

#[test]
fn dictionaries_hold_the_most_frequent_255_with_ties_by_name() {
    let labels: Vec<String> = (0..300).map(|i| format!("c{i:03}")).collect();
    let leads: Vec<[(&str, AttributeValue); 1]> =
        (0..602).map(|i| [("kind", text(if i < 600 { &labels[i % 300] } else { "c299" }))]).collect();
    let leads: Vec<&[(&str, AttributeValue)]> = leads.iter().map(|lead| lead.as_slice()).collect();
    let examples = examples(&leads);
    let view = FeatureView::learn(&examples);
    assert_eq!(view.columns()[0].kind, ColumnKind::Categorical { cardinality: 256 });
    let codes = view.encode(&examples).values;
    assert_eq!((codes[299], codes[0], codes[253], codes[254]), (1.0, 2.0, 255.0, 0.0));
}

#[test]
fn the_same_examples_in_any_order_give_the_same_view_and_it_reads_back() {
    let examples = examples(&[
        &[("a", number(1.0)), ("b", text("x"))],
        &[("a", number(2.0)), ("b", text("y"))],
        &[("b", text("y"))],
        &[("b", text("x"))],
    ]);
    let view = FeatureView::learn(&examples);
    let reversed: Vec<Snapshot> = examples.iter().rev().cloned().collect();
    assert_eq!(view, FeatureView::learn(&reversed));
    let json = serde_json::to_string(&view).unwrap();
    let read: FeatureView = serde_json::from_str(&json).unwrap();
    assert_eq!(read, view);
    assert_eq!(read.schema_hash(), view.schema_hash());
    assert_eq!(view.schema_hash().len(), 64);
    assert_ne!(view.schema_hash(), schema_hash());
    assert_ne!(view.schema_hash(), FeatureView::learn(&examples[1..]).schema_hash());
    let unknown = r#"{"features":["shoe_size"],"attributes":[]}"#;
    let error = serde_json::from_str::<FeatureView>(unknown).unwrap_err().to_string();
    assert!(error.contains("shoe_size"), "{error}");
}

#[test]
fn a_row_in_serving_is_the_row_of_training() {
    let market = Market::empty();
    let options = ExampleOptions::new(hour(9_999));
    let histories: Vec<_> = (0..40u32)
        .map(|lead| {
            let mut bodies = vec![(hour(0), any_body(0, lead, lead * 3))];
            bodies.extend((1..20u32).map(|i| (hour(i64::from(i) * 31), any_body((i + lead) as u8 % 12, lead * i, i))));
            history(bodies)
        })
        .collect();
    let examples: Vec<Snapshot> =
        (0u64..).zip(&histories).flat_map(|(token, events)| snapshots(token, events, &market, &options)).collect();
    let view = FeatureView::learn(&examples);
    assert!(names(&view).contains(&"attributes.channel"), "{:?}", names(&view));
    assert!(view.width() > 60, "{}", view.width());
    let matrix = view.encode(&examples);
    for (place, example) in examples.iter().enumerate() {
        let events = &histories[example.lead as usize];
        let seen = events.iter().filter(|event| event.received_at <= example.instant && !matches!(&event.body, leadscore_domain::EventBody::StageChanged(change) if matches!(change.stage, leadscore_domain::event::Stage::Won | leadscore_domain::event::Stage::Lost)));
        let mut row = vec![0.0; view.width()];
        view.fill(&LeadState::from_bytes(&fold(seen).to_bytes()).unwrap(), example.instant, &market, &mut row);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&row), bits(matrix.row(place)));
    }
}

#[test]
fn without_examples_every_fixed_feature_stays() {
    let view = FeatureView::learn(&[]);
    assert_eq!(view.width(), FEATURES.len());
    assert_eq!(view.encode(&[]).values.len(), 0);
}
