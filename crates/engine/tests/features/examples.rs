use leadscore_domain::{
    AttributeValue, Event, EventBody, Timestamp,
    event::{CrmUpdated, Direction, OutcomeResult, Stage},
    time::{DAY_US, HOUR_US},
};
use leadscore_engine::{
    examples::{ExampleOptions, Snapshot, snapshots},
    features::Market,
};
use proptest::prelude::*;

use crate::events::*;

fn draw(events: &[Event], options: &ExampleOptions) -> Vec<Snapshot> {
    snapshots(7, events, &Market::empty(), options)
}

fn options(known_until: Timestamp) -> ExampleOptions {
    ExampleOptions::new(known_until)
}

/// Every byte that training sees of an example.
fn bytes(example: &Snapshot) -> (u64, Timestamp, Option<bool>, Vec<u32>, String) {
    let features = example.features.iter().map(|value| value.to_bits()).collect();
    (example.lead, example.instant, example.observed.label(), features, format!("{:?}", example.attributes))
}

/// A lead with an event every 20 hours.
fn busy(events: u32) -> Vec<Event> {
    let mut bodies = vec![(hour(0), created())];
    bodies.extend(
        (1..events).map(|i| (hour(i64::from(i) * 20), any_body([3, 4, 5, 6, 7, 10][i as usize % 6], i, i * 7))),
    );
    history(bodies)
}

/// Events that would change every feature, if they were seen.
fn absurd(received_at: Timestamp) -> Vec<Event> {
    let mut events: Vec<Event> = (0..600u32)
        .map(|i| {
            let mut event =
                event(&format!("absurd {i}"), hour(-5_000 + i64::from(i) * 11), any_body((i % 12) as u8, i * 77, i));
            event.received_at = received_at;
            event
        })
        .collect();
    let attributes = attributes(&[("leak", AttributeValue::Number(1e9))]);
    let mut leak = event("absurd leak", hour(0), EventBody::CrmUpdated(CrmUpdated { attributes }));
    leak.received_at = received_at;
    events.push(leak);
    events
}

#[test]
fn absurd_events_received_after_an_instant_change_no_byte_of_its_example() {
    let events = busy(60);
    let mut options = options(hour(4_000));
    options.per_lead = 40;
    let clean = draw(&events, &options);
    assert!(clean.len() > 15, "{}", clean.len());
    for example in &clean {
        let mut dirty = events.clone();
        dirty.extend(absurd(example.instant.plus_micros(1)));
        let dirty = draw(&dirty, &options);
        let before = |examples: &[Snapshot]| -> Vec<_> {
            examples.iter().filter(|other| other.instant <= example.instant).map(bytes).collect()
        };
        assert_eq!(before(&clean), before(&dirty));
    }
}

#[test]
fn absurd_events_received_after_the_end_or_after_what_is_known_change_nothing_at_all() {
    let mut events = busy(30);
    let options = options(hour(2_000));
    let mut late = events.clone();
    late.extend(absurd(options.known_until.plus_micros(1)));
    let rows = |events: &[Event]| draw(events, &options).iter().map(bytes).collect::<Vec<_>>();
    assert_eq!(rows(&events), rows(&late));

    events.push(event("won", hour(599), outcome(OutcomeResult::Won)));
    let mut late = events.clone();
    late.extend(absurd(hour(599)));
    assert_eq!(rows(&events), rows(&late));
    assert!(draw(&events, &options).len() > 1);
}

proptest! {
    #[test]
    fn the_order_of_events_and_a_second_run_change_nothing(events in Just(busy(30)).prop_shuffle(), seed in any::<u64>()) {
        let options = ExampleOptions { seed, ..options(hour(3_000)) };
        let rows = |events: &[Event]| draw(events, &options).iter().map(bytes).collect::<Vec<_>>();
        prop_assert_eq!(rows(&events), rows(&busy(30)));
        prop_assert!(rows(&events).len() <= options.per_lead);
    }
}

#[test]
fn a_win_never_enters_its_own_features() {
    let open = busy(10);
    let mut won = open.clone();
    // Received together with the lead, as an import may do, though it happened later.
    for (place, body) in [outcome(OutcomeResult::Won), stage(Stage::Won)].into_iter().enumerate() {
        let mut end = event(&format!("end {place}"), hour(100), body);
        end.received_at = hour(0);
        won.push(end);
    }
    let options = options(hour(3_000));
    let (open, won) = (draw(&open, &options), draw(&won, &options));
    assert_eq!(won.len(), 1, "nothing after the receipt of the win");
    assert_eq!(won[0].observed.label(), Some(true));
    assert_eq!(open[0].observed.label(), Some(false));
    assert_eq!(bytes(&open[0]).3, bytes(&won[0]).3);
}

#[test]
fn a_win_imported_in_the_minute_of_the_creation_is_positive() {
    let mut events = history(vec![(hour(0), created()), (hour(0).plus_micros(1), outcome(OutcomeResult::Won))]);
    events[1].received_at = events[0].received_at;
    let examples = draw(&events, &options(hour(800)));
    assert_eq!(examples.iter().map(|example| example.observed.label()).collect::<Vec<_>>(), [Some(true)]);

    // Won before the lead was first heard of: there was never a moment to predict it.
    events[1].occurred_at = hour(0);
    assert_eq!(draw(&events, &options(hour(800))), []);
    assert_eq!(draw(&events[1..], &options(hour(800))), [], "an outcome alone is no lead");
}

#[test]
fn horizons_that_are_not_over_are_censored_even_where_a_win_is_known() {
    let lead = history(vec![(hour(0), created())]);
    let mut won = lead.clone();
    won.push(event("won", hour(48), outcome(OutcomeResult::Won)));
    let labels = |events: &[Event], known_until| -> Vec<Option<bool>> {
        draw(events, &options(known_until)).iter().map(|example| example.observed.label()).collect()
    };
    let end = hour(30 * 24);
    assert_eq!(labels(&lead, end.plus_micros(-1)), [None]);
    assert_eq!(labels(&won, end.plus_micros(-1)), [None]);
    assert_eq!(labels(&lead, end), [Some(false)]);
    assert_eq!(labels(&won, end), [Some(true)]);
    assert_eq!(labels(&lead, hour(-1)), [], "not yet received");
    let mut late = lead.clone();
    late.push(event("won", end.plus_micros(1), outcome(OutcomeResult::Won)));
    assert_eq!(labels(&late, hour(9_000)), [Some(false)], "won after the horizon");
}

#[test]
fn leads_of_which_only_the_creation_is_known_give_one_instant() {
    let mut events = history(vec![(hour(0), created()), (hour(1), any_body(12, 0, 0))]);
    assert_eq!(draw(&events, &options(hour(9_000))).len(), 1);
    events.push(event("lost", hour(400), outcome(OutcomeResult::Lost)));
    let examples = draw(&events, &options(hour(9_000)));
    assert_eq!((examples.len(), examples[0].observed.label(), examples[0].instant), (1, Some(false), hour(0)));
    assert_eq!(examples[0].attributes, [("channel".to_owned(), text("portal"))]);
}

#[test]
fn no_instant_lies_at_or_after_the_end_nor_long_after_the_last_event() {
    for seed in 0..200 {
        let options = ExampleOptions { seed, per_lead: 12, ..options(hour(9_000)) };
        let mut events = busy(20);
        let silence = events.last().unwrap().received_at.plus_micros(60 * DAY_US);
        assert!(draw(&events, &options).iter().all(|example| example.instant <= silence));
        let mut end =
            event("end", hour(200), if seed % 2 == 0 { outcome(OutcomeResult::Lost) } else { stage(Stage::Won) });
        end.received_at = end.occurred_at.plus_micros(HOUR_US);
        events.push(end);
        assert!(draw(&events, &options).iter().all(|example| example.instant < hour(201)));
        events.push(event("won", hour(150), outcome(OutcomeResult::Won)));
        assert!(draw(&events, &options).iter().all(|example| example.instant < hour(150)));
    }
}

#[test]
fn a_lead_without_a_creation_starts_with_its_first_receipt() {
    let events = history(vec![(hour(3), message(Direction::Inbound, "hello")), (hour(30), session(3, 2))]);
    let examples = draw(&events, &options(hour(9_000)));
    assert_eq!(examples[0].instant, hour(3));
    assert_eq!(draw(&[], &options(hour(0))), []);
}
