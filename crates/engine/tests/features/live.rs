//! Calls that go on.

use leadscore_domain::{
    Event, EventBody, Timestamp,
    event::{Direction, Speaker, Turn, VoiceCall},
    time::{HOUR_US, SECOND_US},
};
use leadscore_engine::features::{Feature, LeadState, Market, Signal};
use proptest::prelude::*;

use crate::events::*;

const LINES: [(Speaker, &str); 4] = [
    (Speaker::Agent, "How did you like the house?"),
    (Speaker::Lead, "We love it, it is beautiful."),
    (Speaker::Agent, "Would you like to see it again?"),
    (Speaker::Lead, "Yes, can we see it tomorrow?"),
];

fn second(seconds: u32) -> Timestamp {
    hour(10).plus_micros(i64::from(seconds) * SECOND_US)
}

/// The lines as they are spoken, one every ten seconds.
fn turns(call_id: &str) -> Vec<Event> {
    let said = LINES.iter().zip(0..);
    said.map(|((speaker, text), place)| {
        let body = turn_of(call_id, *speaker, text, place * 10_000);
        event(&format!("{call_id}:{place}"), second(place * 10), body)
    })
    .collect()
}

/// The same lines as a call that is over.
fn whole(call_id: Option<&str>) -> Event {
    let spoken = LINES.iter().zip(0..).map(|((speaker, text), place)| Turn {
        speaker: *speaker,
        text: (*text).to_owned(),
        start_ms: place * 10_000,
        duration_ms: Some(2_000),
        sentiment: None,
    });
    let call = VoiceCall {
        direction: Direction::Outbound,
        answered: true,
        duration_ms: 32_000,
        ai_voice: false,
        turns: spoken.collect(),
        sentiment: None,
        call_id: call_id.map(str::to_owned),
    };
    event("whole", second(0), EventBody::VoiceCall(call))
}

fn at_once(events: &[Event], at: Timestamp) -> LeadState {
    fold(events).during(at).into_owned()
}

#[test]
fn a_call_counts_while_it_goes_on_as_if_it_were_over() {
    let (going, over) = (at_once(&turns("c-1"), second(31)), fold(&[whole(None)]));
    for signal in Signal::ALL {
        assert_eq!(going.count(*signal), over.count(*signal), "{signal:?}");
    }
    assert_eq!((going.sentiment_mean(), going.sentiment_last()), (over.sentiment_mean(), over.sentiment_last()));
    let (going, over) = [&going, &over].map(|state| vector(state, second(60), &Market::empty())).into();
    for feature in [
        Feature::SentimentMean,
        Feature::ViewingAsked,
        Feature::Talk30d,
        Feature::LeadTalkShare,
        Feature::QuestionsPerTalk,
    ] {
        assert_eq!(going[feature as usize].to_bits(), over[feature as usize].to_bits(), "{feature:?}");
    }
}

#[test]
fn each_turn_counts_at_once() {
    let turns = turns("c-1");
    let asked = |turns: &[Event]| at_once(turns, second(31)).count(Signal::ViewingAsked);
    assert_eq!((asked(&turns[..3]), asked(&turns)), (0, 1));
    assert_eq!(fold(&turns).count(Signal::ViewingAsked), 0, "nothing is counted for good");
}

#[test]
fn the_whole_call_takes_the_place_of_its_turns_whichever_comes_first() {
    let mut all = turns("c-1");
    all.push(whole(Some("c-1")));
    let told = fold(&[whole(Some("c-1"))]);
    for rotation in 0..all.len() {
        all.rotate_left(1);
        let state = at_once(&all, second(40));
        assert_eq!(state.count(Signal::CallOut), 1, "{rotation}");
        assert_eq!(state.sentiment_mean(), told.sentiment_mean(), "{rotation}");
    }
    let mut other = turns("c-2");
    other.push(whole(Some("c-1")));
    assert_eq!(at_once(&other, second(40)).count(Signal::CallOut), 2, "it was another call");
}

#[test]
fn a_call_that_is_never_told_is_over_after_four_hours() {
    let turns = turns("c-1");
    let count = |at| at_once(&turns, at).count(Signal::CallOut);
    let last = second(30);
    assert_eq!((count(last.plus_micros(4 * HOUR_US)), count(last.plus_micros(4 * HOUR_US + 1))), (1, 0));
    let mut later = turns.clone();
    later.push(event("later", last.plus_micros(5 * HOUR_US), created()));
    let bytes = |events: &[Event]| fold(events).to_bytes().len();
    assert!(bytes(&later) < bytes(&turns), "its turns are forgotten");
}

#[test]
fn of_two_calls_the_latter_goes_on() {
    let mut both = turns("c-1");
    both.extend(
        turns("c-2").into_iter().map(|turn| Event { occurred_at: turn.occurred_at.plus_micros(HOUR_US), ..turn }),
    );
    assert_eq!(at_once(&both, second(3_700)).count(Signal::CallOut), 1);
}

#[test]
fn of_a_long_call_the_state_keeps_the_latest_turns() {
    let long = (0..2_000).map(|place| {
        let said = if place == 1_999 { "Can we see it tomorrow?" } else { "We love the garden." };
        event(&place.to_string(), second(place), turn_of("c-1", Speaker::Lead, said, place * 1_000))
    });
    let state = fold(&long.collect::<Vec<_>>());
    assert!(state.to_bytes().len() < 4 * 1_024, "{}", state.to_bytes().len());
    assert_eq!(state.during(second(2_000)).count(Signal::ViewingAsked), 1);
}

/// Turns of three calls and the calls as a whole, within a few hours.
fn any_calls() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0..3u8, any::<bool>(), 0..6 * 60u32, 0..4usize), 0..200).prop_map(|parts| {
        let bodies = parts.into_iter().map(|(call, is_whole, minute, line)| {
            let (id, (speaker, said)) = (format!("c-{call}"), LINES[line]);
            let body = if is_whole && line == 0 {
                whole(Some(&id)).body
            } else {
                turn_of(&id, speaker, said, minute * 60_000)
            };
            (second(minute * 60), body)
        });
        history(bodies.collect())
    })
}

proptest! {
    #[test]
    fn any_order_of_turns_and_calls_gives_the_same_state(
        (events, permuted) in any_calls().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        minute in 0..12 * 60u32,
    ) {
        let (first, second_fold) = (fold(&events), fold(&permuted));
        prop_assert_eq!(first.to_bytes(), second_fold.to_bytes());
        let at = second(minute * 60);
        prop_assert_eq!(first.during(at).into_owned(), second_fold.during(at).into_owned());
    }
}
