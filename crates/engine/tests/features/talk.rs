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
fn what_no_list_knows_is_missing_and_not_neutral() {
    assert!(mood("Das Haus steht am See").is_nan());
    assert!(mood("").is_nan());
    assert!(mood("1234 ... ?!").is_nan());
    assert!(mood(&"x".repeat(8_000)).is_nan());
}

#[test]
fn the_platforms_sentiment_comes_first() {
    let mut spoken = call(Direction::Outbound, true, &[(Speaker::Lead, "terrible"), (Speaker::Lead, "awful")]);
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    data.turns[0].sentiment = Some(0.5);
    let of_turn = feature(&history(vec![(hour(0), spoken.clone())]), hour(1), Feature::SentimentMean);
    assert_eq!(of_turn, 0.5);
    let EventBody::VoiceCall(data) = &mut spoken else { unreachable!() };
    data.sentiment = Some(-0.1);
    assert_eq!(feature(&history(vec![(hour(0), spoken)]), hour(1), Feature::SentimentMean), -0.1);
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
    assert!(value(Feature::SentimentMean).is_nan());
    assert_eq!(value(Feature::ObjectionPrice), 0.0);
    assert_eq!(value(Feature::ViewingAsked), 0.0);
    assert_eq!(value(Feature::QuestionsPerTalk), 2.0);
    let share = value(Feature::LeadTalkShare);
    assert!(share > 0.2 && share < 0.6, "{share}");
}
