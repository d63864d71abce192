use leadscore_domain::{
    EventBody,
    event::{Direction, Speaker},
};
use leadscore_engine::features::{Feature, Signal};

use crate::events::*;

fn mood(said: &str) -> f32 {
    feature(&history(vec![(hour(0), message(Direction::Inbound, said))]), hour(1), Feature::SentimentLast)
}

fn marks(said: &str, signal: Signal) -> bool {
    fold(&history(vec![(hour(0), message(Direction::Inbound, said))])).count(signal) > 0
}

#[test]
fn sentiment_follows_negation_and_strength() {
    assert!(mood("I love this house, it is beautiful") > 0.5);
    assert!(mood("This was a terrible, frustrating visit") < -0.5);
    assert!(mood("I am not happy with this") < 0.0);
    assert!(mood("I’m not happy with this") < 0.0, "with a typographic apostrophe");
    assert!(mood("I don't like it") < 0.0);
    assert!(mood("not a problem at all") > 0.0);
    assert!(mood("very good") > mood("good"));
    assert!(mood("not yet. It is good") > 0.0, "a sentence ends the reach of a negator");
}

#[test]
fn what_is_not_english_is_missing_and_not_neutral() {
    assert!(mood("Das Haus steht am See").is_nan());
    assert!(mood("Nous voulons visiter la maison").is_nan());
    assert!(mood("").is_nan());
    assert!(mood("1234 ... ?!").is_nan());
    assert!(mood(&"x".repeat(8_000)).is_nan());
    assert!(mood("The house has three bedrooms").abs() < 0.3, "nothing is said for or against");
}

#[test]
fn the_platforms_sentiment_is_kept_beside_ours() {
    let mut spoken = call(Direction::Outbound, true, &[(Speaker::Lead, "terrible"), (Speaker::Lead, "awful")]);
    let of = |spoken: &EventBody, name| feature(&history(vec![(hour(0), spoken.clone())]), hour(1), name);
    assert!(of(&spoken, Feature::PlatformSentimentMean).is_nan());
    assert!(of(&spoken, Feature::PlatformSentimentLast).is_nan());
    let ours = of(&spoken, Feature::SentimentMean);
    assert!(ours < -0.5, "{ours}");
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    data.turns[0].sentiment = Some(0.5);
    assert_eq!(of(&spoken, Feature::PlatformSentimentMean), 0.5);
    assert_eq!(of(&spoken, Feature::SentimentMean), ours);
    assert_eq!(fold(&history(vec![(hour(0), spoken.clone())])).count(Signal::NegativeMood), 0, "it has the last word");
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    data.sentiment = Some(-0.3);
    assert_eq!(of(&spoken, Feature::PlatformSentimentLast), -0.3);
    assert_eq!(fold(&history(vec![(hour(0), spoken.clone())])).count(Signal::NegativeMood), 1);
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    data.turns.clear();
    assert_eq!(of(&spoken, Feature::SentimentMean), -0.3, "without words it is all there is");
}

#[test]
fn a_wish_for_silence_is_kept_with_its_time() {
    for said in [
        "Please stop calling me",
        "do not call me again",
        "I told you, take me off your list!",
        "Don't call this number. Tomorrow I will complain.",
        "just lose my number",
        "unsubscribe",
    ] {
        let state = fold(&history(vec![(hour(3), message(Direction::Inbound, said))]));
        assert_eq!((state.count(Signal::OptOut), state.opted_out_at()), (1, Some(hour(3))), "{said}");
    }
    for said in ["don't call me before noon", "please do not call today", "don't stop calling", "can you call me?"] {
        let state = fold(&history(vec![(hour(3), message(Direction::Inbound, said))]));
        assert_eq!((state.count(Signal::OptOut), state.opted_out_at()), (0, None), "{said}");
    }
    let events = history(vec![(hour(0), message(Direction::Inbound, "unsubscribe"))]);
    assert_eq!(feature(&events, hour(24), Feature::OptOutDays), 1.0);
    assert_eq!(feature(&events, hour(24), Feature::OptOut), 1.0);
}

#[test]
fn pauses_and_interruptions_need_turns_with_times() {
    let mut spoken = call(
        Direction::Outbound,
        true,
        &[(Speaker::Agent, "Hello"), (Speaker::Lead, "Yes"), (Speaker::Agent, "So"), (Speaker::Lead, "No, wait")],
    );
    let of = |spoken: &EventBody, name| feature(&history(vec![(hour(0), spoken.clone())]), hour(1), name);
    assert!(of(&spoken, Feature::LeadPauseSeconds).is_nan());
    assert!(of(&spoken, Feature::AgentInterruptShare).is_nan());
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    for (turn, (start_ms, duration_ms)) in
        data.turns.iter_mut().zip([(0, 1_000), (2_000, 500), (3_000, 4_000), (5_000, 500)])
    {
        turn.start_ms = start_ms;
        turn.duration_ms = Some(duration_ms);
    }
    assert_eq!(of(&spoken, Feature::LeadPauseSeconds), 0.5, "one second, and none before the interruption");
    assert_eq!(of(&spoken, Feature::AgentPauseSeconds), 0.5);
    assert_eq!(of(&spoken, Feature::LeadInterruptShare), 0.5);
    assert_eq!(of(&spoken, Feature::AgentInterruptShare), 0.0);
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    data.turns.swap(0, 3);
    assert!(of(&spoken, Feature::LeadPauseSeconds).is_nan(), "times out of order are not believed");
}

#[test]
fn a_call_that_turns_has_a_trend() {
    let trend = |turns: &[(Speaker, &str)]| {
        let spoken = call(Direction::Outbound, true, turns);
        feature(&history(vec![(hour(0), spoken)]), hour(1), Feature::SentimentCallTrend)
    };
    let (bad, good) = ((Speaker::Lead, "That was terrible."), (Speaker::Lead, "Oh, that is wonderful."));
    assert!(trend(&[bad, bad, good, good]) > 0.5);
    assert!(trend(&[good, good, bad, bad]) < -0.5);
    assert!(trend(&[good, bad]).is_nan(), "too few turns");
}

#[test]
fn topics_are_marked_unless_they_are_negated() {
    for (said, signal) in [
        ("Could we see the house this Saturday?", Signal::ViewingAsked),
        ("I'd like to schedule a TOUR", Signal::ViewingAsked),
        ("honestly it's too expensive for us", Signal::ObjectionPrice),
        ("We can't afford that", Signal::ObjectionPrice),
        ("what are the interest rates like", Signal::ObjectionFinancing),
        ("We're just looking for now", Signal::ObjectionTiming),
        ("we are ready to make an offer", Signal::Commitment),
        ("We're pre-approved already", Signal::Commitment),
        ("I am not interested, take me off your list", Signal::Disinterest),
        ("We're already working with another agent", Signal::ObjectionCompetitor),
        ("What do you think my house is worth? I want to sell it", Signal::SellingTalk),
        ("I was hoping for something to rent, is it a rental?", Signal::RentingTalk),
        ("What's the cap rate? I'd rent it out", Signal::InvestingTalk),
    ] {
        assert!(marks(said, signal), "{said}");
    }
    for (said, signal) in [
        ("we don't want to see it", Signal::ViewingAsked),
        ("it is not too expensive", Signal::ObjectionPrice),
        ("we are interested", Signal::Disinterest),
        ("no, we don't have an agent", Signal::ObjectionCompetitor),
        ("I am not pre-approved yet", Signal::Commitment),
        ("too. expensive", Signal::ObjectionPrice),
        ("tourism", Signal::ViewingAsked),
        ("we are not selling our home", Signal::SellingTalk),
        ("I don't want a rental", Signal::RentingTalk),
    ] {
        assert!(!marks(said, signal), "{said}");
    }
}

#[test]
fn only_the_lead_is_judged_and_speech_is_shared_out() {
    let events = history(vec![(
        hour(0),
        call(
            Direction::Outbound,
            true,
            &[
                (Speaker::Agent, "Is it too expensive? I love it, can we see it"),
                (Speaker::Lead, "When is it free? And where?"),
            ],
        ),
    )]);
    let value = |name| feature(&events, hour(1), name);
    assert!(value(Feature::SentimentMean).abs() < 0.4, "the agent's words are not the lead's");
    assert_eq!(value(Feature::AgentQuestions), 1.0);
    assert_eq!(value(Feature::LeadWords), 6.0);
    assert_eq!(value(Feature::ObjectionPrice), 0.0);
    assert_eq!(value(Feature::ViewingAsked), 0.0);
    assert_eq!(value(Feature::QuestionsPerTalk), 2.0);
    let share = value(Feature::LeadTalkShare);
    assert!(share > 0.2 && share < 0.6, "{share}");
}
