use leadscore_domain::{
    AttributeValue, ConsentState, Event, EventBody, EventKind, Purpose,
    event::{CrmUpdated, Direction, OutcomeResult, Stage},
    time::HOUR_US,
};
use leadscore_engine::features::{LeadState, Signal, StateError};
use proptest::prelude::*;

use crate::events::*;

/// Events at few distinct hours of 200 days, so that times tie and windows spill.
fn any_events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((any::<u8>(), 0..40i64, any::<u32>(), any::<u32>()), 0..most).prop_map(|parts| {
        history(
            parts.into_iter().map(|(kind, slot, a, b)| (hour(slot * 120 + slot % 3), any_body(kind, a, b))).collect(),
        )
    })
}

fn shuffled(most: usize) -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    any_events(most).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

fn assert_same_state(events: &[Event], permuted: &[Event]) -> Result<(), TestCaseError> {
    let (first, second) = (fold(events), fold(permuted));
    let bytes = first.to_bytes();
    prop_assert_eq!(&bytes, &second.to_bytes());
    prop_assert_eq!(&first, &second);
    let read = LeadState::from_bytes(&bytes).unwrap();
    prop_assert_eq!(&read, &first);
    prop_assert_eq!(read.to_bytes(), bytes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_order_of_the_same_events_gives_the_same_state_which_reads_back((events, permuted) in shuffled(24)) {
        assert_same_state(&events, &permuted)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn order_does_not_matter_beyond_every_bound((events, permuted) in shuffled(900)) {
        assert_same_state(&events, &permuted)?;
    }

    #[test]
    fn a_state_that_was_stored_in_between_goes_on_the_same(events in any_events(40), cut in 0usize..40) {
        let cut = cut.min(events.len());
        let mut state = LeadState::from_bytes(&fold(&events[..cut]).to_bytes()).unwrap();
        for event in &events[cut..] {
            state.apply(event);
        }
        prop_assert_eq!(state, fold(&events));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_state_never_a_crash(events in any_events(30), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = fold(&events).to_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(state) = LeadState::from_bytes(&bytes) {
            vector(&state, hour(5_000), &leadscore_engine::features::Market::empty());
        }
    }
}

#[test]
fn bytes_of_another_version_and_truncated_ones_are_refused() {
    let bytes = fold(&history(vec![(hour(1), created())])).to_bytes();
    let mut newer = bytes.clone();
    newer[0] += 1;
    assert!(matches!(LeadState::from_bytes(&newer), Err(StateError::Format { found: 5, expected: 4 })));
    for length in 0..bytes.len() {
        assert!(LeadState::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_typical_lead_takes_about_a_kibibyte_and_a_hundred_thousand_events_below_sixteen() {
    let typical = (0..30).map(|i| (hour(i64::from(i) * 17), any_body((i * 7) as u8, i as u32, i as u32 * 31)));
    let size = fold(&history(typical.collect())).to_bytes().len();
    assert!(size < 1_500, "{size}");

    let mut state = LeadState::default();
    for i in 0..100_000u32 {
        let mixed = i.wrapping_mul(2_654_435_761);
        let body = match i % 15 {
            1 => {
                let name = format!("a custom field {}", i % 400).parse().unwrap();
                let value = text(&"long value ".repeat(5));
                EventBody::CrmUpdated(CrmUpdated { attributes: [(name, Some(value))].into() })
            }
            kind => any_body(kind as u8, mixed, mixed.rotate_left(9)),
        };
        let event = event(&i.to_string(), hour(i64::from(i) / 40).plus_micros(i64::from(mixed)), body);
        state.apply(&event);
    }
    let attributes: usize = state.attributes().map(|(name, _)| name.len() + 64).sum();
    let size = state.to_bytes().len();
    assert!(size - attributes < 12 * 1_024, "{size} of which {attributes}");
    println!("typical lead and 100,000 events: {size} bytes, of which attributes about {attributes}");
}

#[test]
fn an_older_value_that_arrives_late_does_not_come_back() {
    let update = |value: Option<f64>| {
        let value = value.map(AttributeValue::Number);
        EventBody::CrmUpdated(CrmUpdated { attributes: [("budget".parse().unwrap(), value)].into() })
    };
    let events = history(vec![
        (hour(2), update(None)),
        (hour(1), update(Some(5.0))),
        (hour(3), stage(Stage::Engaged)),
        (hour(1), stage(Stage::New)),
    ]);
    let state = fold(&events);
    assert_eq!(state.attribute("budget"), None);
    assert_eq!(state.attributes().count(), 0);
    assert_eq!(state.stage(), Some(Stage::Engaged));
}

#[test]
fn what_the_state_tells() {
    let events = history(vec![
        (hour(10), created()),
        (hour(11), call(Direction::Outbound, false, &[])),
        // Tuesday 00:30 UTC is Monday 18:30 in Chicago.
        (hour(24).plus_micros(HOUR_US / 2), call(Direction::Outbound, true, &[])),
        (hour(30), outcome(OutcomeResult::Lost)),
        (hour(50), outcome(OutcomeResult::Won)),
        (hour(40), outcome(OutcomeResult::Won)),
        (hour(20), any_body(12, 0, 0)),
        (hour(21), any_body(12, 0, 1)),
    ]);
    let state = fold(&events);
    assert_eq!(state.first_event_at(), Some(hour(10)));
    assert_eq!(state.created_at(), Some(hour(10)));
    assert_eq!(state.last_event_at(), Some(hour(50)));
    assert_eq!(state.won_at(), Some(hour(40)));
    assert_eq!(state.outcome(), Some((hour(50), OutcomeResult::Won)));
    assert_eq!(state.channel(), Some("portal"));
    assert_eq!(state.time_zone(), Some("America/Chicago"));
    assert_eq!(state.consent(Purpose::Profiling).unwrap().0, ConsentState::Withdrawn);
    assert_eq!(state.consent(Purpose::Recording), None);
    assert_eq!(state.events(EventKind::Outcome), 3);
    assert_eq!(state.count(Signal::CallOut), 2);
    assert_eq!(state.last_contact_at(), Some(hour(24).plus_micros(HOUR_US / 2)));
    let habits = state.hour_of_week();
    assert_eq!((habits.attempts(5), habits.answers(5)), (1, 0));
    assert_eq!((habits.attempts(18), habits.answers(18)), (1, 1));
    assert_eq!((0..168).map(|hour| habits.attempts(hour)).sum::<u16>(), 2);
}

#[test]
fn hours_follow_a_zone_that_is_learned_late_and_clock_changes() {
    let spoken = call(Direction::Outbound, true, &[]);
    // Monday 15:00 UTC in winter and in summer: 9:00 and 10:00 in Chicago.
    let events = history(vec![
        (at("2026-01-05T15:00:00Z"), spoken.clone()),
        (at("2026-07-06T15:00:00Z"), spoken),
        (at("2026-07-07T00:00:00Z"), created()),
    ]);
    let habits = fold(&events).hour_of_week().clone();
    assert_eq!((habits.answers(9), habits.answers(10)), (1, 1));
    let unknown = fold(&events[..2]);
    assert_eq!((0..168).map(|hour| unknown.hour_of_week().attempts(hour)).sum::<u16>(), 0);
    assert_eq!(unknown.hour_of_week_in(&jiff::tz::TimeZone::UTC).attempts(15), 2);
}
