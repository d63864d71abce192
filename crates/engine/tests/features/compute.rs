use leadscore_domain::{
    Timestamp,
    event::{Direction, EmailAction, Showing, ShowingAction, Stage},
    time::{DAY_US, HOUR_US},
};
use leadscore_engine::features::{FEATURES, Feature, LeadState, Market, document};

use crate::events::*;

const KINDS: [&str; 9] = ["web", "search", "showing", "email", "inbound", "talk", "outbound", "agent", "activity"];

#[test]
fn the_document_is_the_generated_one() {
    let path = format!("{}/../../docs/FEATURES.md", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == document(),
        "docs/FEATURES.md is out of date: run UPDATE_DOCS=1 cargo test -p leadscore-engine --test features"
    );
}

#[test]
fn names_are_unique_and_the_table_has_the_order_that_the_calculation_assumes() {
    let mut names: Vec<&str> = FEATURES.iter().map(|spec| spec.name).collect();
    for (kind, names) in KINDS.iter().zip(names.chunks(6)) {
        let expected = ["1d", "7d", "30d", "90d", "decay_7d", "days_since"].map(|suffix| format!("{kind}_{suffix}"));
        assert_eq!(names, expected);
    }
    assert_eq!(names[Feature::ListingInflow as usize], "listing_inflow");
    assert_eq!(names.len(), Feature::ListingInflow as usize + 1);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FEATURES.len());
    for spec in FEATURES {
        assert_eq!(leadscore_domain::protected::classify(spec.name), None, "{}", spec.name);
    }
}

#[test]
fn of_an_unknown_lead_counts_are_zero_and_all_else_is_missing() {
    let row = vector(&LeadState::default(), hour(0), &Market::empty());
    for (spec, value) in FEATURES.iter().zip(&row) {
        let season = spec.name.starts_with("season");
        let counted = matches!(
            spec.unit,
            "events"
                | "pages"
                | "files"
                | "searches"
                | "listings"
                | "showings"
                | "e-mails"
                | "calls"
                | "messages"
                | "conversations"
                | "actions"
        ) && spec.name != "pages_per_session"
            || spec.name == "active_days";
        assert!(season || value.is_nan() != counted, "{} is {value}", spec.name);
        assert!(season || value.is_nan() || *value == 0.0, "{} is {value}", spec.name);
    }
}

#[test]
fn the_season_tells_days_apart_but_not_the_instants_of_one() {
    let season = |at: Timestamp| vector(&LeadState::default(), at, &Market::empty())[Feature::SeasonSin as usize];
    assert_eq!(season(hour(0)).to_bits(), season(hour(23)).to_bits());
    assert_ne!(season(hour(0)).to_bits(), season(hour(24)).to_bits());
}

#[test]
fn windows_and_decay_end_at_the_instant_and_move_with_it() {
    let events = history(vec![
        (hour(0), session(10, 5)),
        (hour(24 * 10), session(20, 7)),
        (hour(24 * 40), email(EmailAction::Opened)),
    ]);
    let state = fold(&events);
    let value = |at: Timestamp, feature: Feature| vector(&state, at, &Market::empty())[feature as usize];
    let now = hour(24 * 40 + 1);
    assert_eq!(value(now, Feature::Web7d), 0.0);
    assert_eq!(value(now, Feature::Web90d), 2.0);
    assert_eq!(value(now, Feature::Email1d), 1.0);
    assert_eq!(value(now, Feature::Activity30d), 1.0);
    assert_eq!(value(now, Feature::ActiveDays), 3.0);
    assert_eq!(value(now, Feature::EmailDecay7d), 1.0);
    assert_eq!(value(now.plus_micros(7 * DAY_US), Feature::EmailDecay7d), 0.5);
    assert_eq!(value(now.plus_micros(HOUR_US * 23), Feature::Email1d), 0.0);
    assert!((value(now, Feature::WebDays) - (30.0 + 1.0 / 24.0)).abs() < 1e-4);
    assert_eq!(value(now, Feature::SessionMinutesMean), 15.0);
    assert_eq!(value(now, Feature::PagesPerSession), 6.0);
    assert!(value(now, Feature::CallMinutesMean).is_nan());
    // Years later everything has faded, and nothing overflows.
    let late = now.plus_micros(3_000 * DAY_US);
    assert_eq!(value(late, Feature::Activity90d), 0.0);
    assert_eq!(value(late, Feature::ActivityDecay30d), 0.0);
    // An instant before the events, by a clock that runs ahead, sees them as of now.
    assert_eq!(value(hour(-1), Feature::WebDays), 0.0);
}

#[test]
fn searches_that_narrow_show_it() {
    let events = history(vec![
        (hour(0), search(200_000, 600_000, &["a", "b", "c"])),
        (hour(5), search(350_000, 450_000, &["a"])),
        (hour(9), created()),
    ]);
    let value = |name| feature(&events, hour(10), name);
    assert_eq!(value(Feature::PriceWidth), 0.25);
    assert_eq!(value(Feature::PriceNarrowing), 0.75);
    assert_eq!(value(Feature::AreaNarrowing), 2.0);
    assert_eq!(value(Feature::AreaCount), 3.0);
    assert_eq!(value(Feature::PriceDrift), 0.0);
    assert_eq!(value(Feature::RentShare), 0.0);
    assert_eq!(value(Feature::PriceCentre), 400_000f32.ln());
    assert!(value(Feature::PriceToMedian).is_nan(), "there is no market");
}

#[test]
fn both_sides_pace_is_measured() {
    let events = history(vec![
        (hour(0), created()),
        (hour(2), call(Direction::Outbound, false, &[])),
        (hour(3), email(EmailAction::Sent)),
        (hour(7), message(Direction::Inbound, "")),
        (hour(8), message(Direction::Inbound, "")),
        (hour(10), message(Direction::Outbound, "")),
        (hour(11), call(Direction::Outbound, true, &[])),
        (hour(12), message(Direction::Inbound, "")),
    ]);
    let value = |name| feature(&events, hour(20), name);
    assert_eq!(value(Feature::FirstResponseHours), 2.0);
    assert!(value(Feature::UnansweredHours).is_nan());
    // From the latest of ours: 3 to 7, and 10 to 11.
    assert_eq!(value(Feature::LeadReplyHours), 2.5);
    assert_eq!(value(Feature::LeadReplyShare), 1.0);
    // From the first of the lead's: 7 to 10.
    assert_eq!(value(Feature::AgentReplyHours), 3.0);
    assert_eq!(value(Feature::AgentWaitHours), 8.0);
    assert_eq!(value(Feature::UnansweredRun), 0.0);
    assert_eq!(value(Feature::CallAnswerRate), 0.5);
    assert!((value(Feature::ContactGapDays) - 10.0 / 6.0 / 24.0).abs() < 1e-6);
    let waiting = |name| feature(&events[..1], hour(20), name);
    assert_eq!(waiting(Feature::UnansweredHours), 20.0);
    assert!(waiting(Feature::FirstResponseHours).is_nan() && waiting(Feature::UnansweredRun).is_nan());
}

#[test]
fn rates_are_of_what_was_sent_and_showings_of_what_was_agreed() {
    let showing = |action| {
        leadscore_domain::EventBody::Showing(Showing { action, listing_key: None, price: None, scheduled_for: None })
    };
    let events = history(vec![
        (hour(0), email(EmailAction::Sent)),
        (hour(1), email(EmailAction::Sent)),
        (hour(2), email(EmailAction::Delivered)),
        (hour(3), email(EmailAction::Opened)),
        (hour(4), email(EmailAction::Unsubscribed)),
        (hour(5), showing(ShowingAction::Held)),
        (hour(6), showing(ShowingAction::NoShow)),
    ]);
    let value = |name| feature(&events, hour(10), name);
    assert_eq!(value(Feature::EmailOpenRate), 0.5);
    assert_eq!(value(Feature::EmailClickRate), 0.0);
    assert_eq!(value(Feature::EmailUnsubscribed), 1.0);
    assert_eq!(value(Feature::ShowingKeptShare), 0.5);
}

#[test]
fn hours_and_weekdays_are_the_leads_own() {
    // Monday 02:00 UTC is Sunday 20:00 in Chicago.
    let events = history(vec![(hour(2), created())]);
    assert_eq!(feature(&events, hour(2), Feature::HourLocal), 20.0);
    assert_eq!(feature(&events, hour(2), Feature::WeekdayLocal), 6.0);
    assert_eq!(feature(&events, hour(30), Feature::CreatedHourLocal), 20.0);
    let without_zone = history(vec![(hour(2), session(1, 1))]);
    assert!(feature(&without_zone, hour(2), Feature::HourLocal).is_nan());
}

#[test]
fn outcomes_and_closing_stages_enter_no_feature() {
    let open = history(vec![(hour(0), created()), (hour(1), stage(Stage::Qualified)), (hour(2), session(1, 1))]);
    let mut closed = open.clone();
    for (place, body) in [
        outcome(leadscore_domain::event::OutcomeResult::Won),
        outcome(leadscore_domain::event::OutcomeResult::Lost),
        stage(Stage::Won),
        stage(Stage::Lost),
    ]
    .into_iter()
    .enumerate()
    {
        closed.push(event(&format!("end {place}"), hour(3), body));
    }
    let bits = |events: &[_]| -> Vec<u32> {
        vector(&fold(events), hour(9), &Market::empty()).iter().map(|value| value.to_bits()).collect()
    };
    assert_eq!(bits(&open), bits(&closed));
    assert_eq!(feature(&closed, hour(9), Feature::StageOrdinal), 3.0);
}
