use leadscore_domain::{
    AttributeValue, Influence, Reason, Reasons, Timestamp,
    event::{Deal, Direction},
    explanation::{REASONS_MAX, TEXT_MAX_CHARS},
    time::DAY_US,
};
use leadscore_engine::{
    examples::{Observed, Snapshot},
    explain::Narrator,
    features::{FEATURES, FeatureView, LeadState, Market},
    predictions::Course,
};
use proptest::prelude::*;

use crate::*;

/// A view with every fixed feature and these attributes, each of two values.
fn view(attributes: &[(&str, AttributeValue, AttributeValue)]) -> FeatureView {
    let snapshots: Vec<Snapshot> = (0..8)
        .map(|lead| Snapshot {
            lead,
            instant: hour(0),
            observed: Observed::complete(30 * DAY_US, None),
            course: Course::default(),
            features: vec![if lead % 2 == 0 { 0.0 } else { 1.0 }; FEATURES.len()],
            attributes: attributes
                .iter()
                .map(|(name, one, other)| ((*name).to_owned(), if lead % 2 == 0 { one.clone() } else { other.clone() }))
                .collect(),
        })
        .collect();
    FeatureView::learn(&snapshots)
}

/// The reasons where each of these columns adds so much.
fn reasons(view: &FeatureView, notes: &[String], shares: &[(&str, f64)], state: &LeadState, at: Timestamp) -> Reasons {
    let mut row = vec![f32::NAN; view.width()];
    view.fill(state, at, &Market::empty(), &mut row);
    let mut contributions = vec![0.0; view.width()];
    for (name, share) in shares {
        contributions[view.columns().iter().position(|column| column.name == *name).unwrap()] = *share;
    }
    Narrator::new(view, notes).reasons(&contributions, &row, state, at)
}

fn only(reasons: &Reasons) -> &Reason {
    let [reason] = &reasons.up[..] else { panic!("{reasons:?}") };
    reason
}

#[test]
fn protected_values_and_admitted_columns_are_never_spoken_of() {
    let attributes = [
        ("campaign", text("spanish language"), text("brand")),
        ("tenure band", text("1"), text("2")),
        ("timeframe", text("0-3 months"), text("later")),
    ];
    let view = view(&attributes);
    let state = fold(vec![(
        hour(0),
        created(&[("campaign", text("spanish language")), ("tenure band", text("1")), ("timeframe", text("later"))]),
    )]);
    let shares = [("attributes.campaign", 0.5), ("attributes.tenure band", 0.4), ("attributes.timeframe", 0.3)];
    let notes = ["age (age) is used as tenure band: years as a customer".to_owned()];
    let found = reasons(&view, &notes, &shares, &state, hour(1));
    assert_eq!(only(&found).text, "Timeframe is later");
    assert!((found.rest - 0.9).abs() < 1e-12, "what is not spoken stays in the rest");
    let admitted = reasons(&view, &[], &shares, &state, hour(1));
    assert_eq!(admitted.up.len(), 2, "without the note it is an attribute like any other");
}

#[test]
fn what_is_missing_is_no_reason_unless_it_never_happened() {
    let view = view(&[("timeframe", text("soon"), text("later"))]);
    let empty = LeadState::default();
    for (column, expected) in [
        ("attributes.timeframe", None),
        ("sentiment_mean", None),
        ("talk_days_since", None),
        ("call_answer_rate", None),
        ("search_days_since", Some("Never searched or saved a home")),
    ] {
        let found = reasons(&view, &[], &[(column, 0.5)], &empty, hour(1));
        assert_eq!(found.up.first().map(|reason| reason.text.as_str()), expected, "{column}");
        let all = found.rest + found.up.iter().map(|reason| reason.contribution).sum::<f64>();
        assert!((all - 0.5).abs() < 1e-12);
    }
    let called = fold(vec![(hour(0), call(false, "", None))]);
    let found = reasons(&view, &[], &[("talk_days_since", -0.5)], &called, hour(1));
    assert_eq!(found.down[0].text, "Never answered a call");
}

#[test]
fn reasons_say_what_happened_with_its_values() {
    let view = view(&[("lead_budget", AttributeValue::Number(1.0), AttributeValue::Number(2.0))]);
    let mut bodies = vec![
        (hour(0), created(&[("lead_budget", AttributeValue::Number(450_000.0))])),
        (hour(10), call(true, "Could we see the house?", Some(0.6))),
    ];
    bodies.extend((1..8).map(|n| (hour(n), search(Deal::Buy, 450_000))));
    let state = fold(bodies.clone());
    for (column, expected) in [
        ("viewing_asked", "Asked for a viewing in the call 2 hours ago"),
        ("search_7d", "Searched or saved homes 7 times in the last 7 days, around $450,000"),
        ("price_centre", "Looks around $450,000"),
        ("platform_sentiment_last", "The call platform judged the latest conversation as friendly (+0.6 of 1)"),
        ("attributes.lead_budget", "Lead budget is 450,000"),
    ] {
        let found = reasons(&view, &[], &[(column, 0.5)], &state, hour(12));
        assert_eq!(only(&found).text, expected);
        assert_eq!(
            (only(&found).influence, only(&found).columns.as_slice()),
            (Influence::Raises, &[column.to_owned()][..])
        );
    }
    bodies.extend((20..24).map(|n| (hour(n), message(Direction::Outbound, "Are you there?"))));
    let found = reasons(&view, &[], &[("unanswered_run", -0.4)], &fold(bodies), hour(30));
    assert_eq!(found.down[0].text, "No reply to our last 4 contacts");
}

#[test]
fn columns_of_one_topic_are_one_reason_in_the_words_of_the_strongest() {
    let view = view(&[]);
    let state = fold((1..4).map(|n| (hour(n), search(Deal::Buy, 300_000))).collect());
    let shares = [("search_1d", 0.1), ("search_30d", 0.4), ("saved_count", -0.2), ("web_7d", -0.3), ("web_1d", 0.3)];
    let found = reasons(&view, &[], &shares, &state, hour(6));
    let reason = only(&found);
    assert_eq!(reason.columns, ["search_30d", "saved_count", "search_1d"]);
    assert!((reason.contribution - 0.3).abs() < 1e-12);
    assert_eq!(reason.text, "Searched or saved homes 3 times in the last 30 days, around $300,000");
    assert!(found.down.is_empty() && found.rest.abs() < 1e-12, "what cancels out is no reason");
}

#[test]
fn another_currency_is_spoken_as_such() {
    let view = view(&[]);
    let state = fold(vec![(hour(1), search(Deal::Buy, 300_000))]);
    let mut row = vec![f32::NAN; view.width()];
    view.fill(&state, hour(2), &Market::empty(), &mut row);
    let mut contributions = vec![0.0; view.width()];
    contributions[view.columns().iter().position(|column| column.name == "price_centre").unwrap()] = 1.0;
    let found = Narrator::new(&view, &[]).with_currency("€").reasons(&contributions, &row, &state, hour(2));
    assert_eq!(only(&found).text, "Looks around €300,000");
}

fn any_share() -> impl Strategy<Value = f64> {
    prop_oneof![8 => -3.0..3.0_f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 4 => Just(0.0)]
}

proptest! {
    #[test]
    fn any_row_gives_bounded_reasons_that_add_up(
        values in proptest::collection::vec(any::<f32>(), FEATURES.len() + 2),
        shares in proptest::collection::vec(any_share(), FEATURES.len() + 2),
        hours in 0..1_000_000_i64,
    ) {
        let long = "x".repeat(64);
        let view = view(&[
            (&long, text(&"y".repeat(64)), text("z")),
            ("moves_at", AttributeValue::Time { time: hour(0) }, AttributeValue::Time { time: hour(9) }),
        ]);
        prop_assert_eq!(view.width(), values.len());
        let state = fold(vec![(hour(3), call(true, "too expensive", None)), (hour(1), created(&[(&long, text("z"))]))]);
        let narrator = Narrator::new(&view, &[]);
        let found = narrator.reasons(&shares, &values, &state, hour(hours));
        let share_of = |name: &String| {
            let share = shares[view.columns().iter().position(|column| column.name == *name).unwrap()];
            if share.is_finite() { share } else { 0.0 }
        };
        let total: f64 = shares.iter().filter(|share| share.is_finite()).sum();
        let mut spoken = 0.0;
        for (list, influence) in [(&found.up, Influence::Raises), (&found.down, Influence::Lowers)] {
            prop_assert!(list.len() <= REASONS_MAX);
            for reason in list {
                prop_assert!(reason.text.chars().count() <= TEXT_MAX_CHARS && !reason.text.is_empty());
                prop_assert!((reason.contribution - reason.columns.iter().map(share_of).sum::<f64>()).abs() < 1e-9);
                prop_assert_eq!(reason.influence, influence);
                prop_assert_eq!(reason.contribution > 0.0, influence == Influence::Raises);
                spoken += reason.contribution;
            }
            prop_assert!(list.windows(2).all(|pair| pair[0].contribution.abs() >= pair[1].contribution.abs()));
        }
        prop_assert!((spoken + found.rest - total).abs() < 1e-9);
        prop_assert_eq!(narrator.reasons(&shares, &values, &state, hour(hours)), found);
    }
}
