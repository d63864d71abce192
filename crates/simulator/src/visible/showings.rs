//! Viewings: asked for, agreed, held, called off, missed.

use leadscore_domain::{
    EventBody, Timestamp,
    event::{Showing, ShowingAction},
};

use crate::{
    chain::Phase,
    person::Intent,
    visible::{
        Segment,
        crm::Pipeline,
        recorder::{Recorder, Source},
        web,
    },
};

/// Viewings that are asked for in the segment.
pub(crate) fn segment(recorder: &mut Recorder<'_>, pipeline: &mut Pipeline, segment: &Segment<'_>) {
    let per_day = match segment.state.phase {
        Phase::Idle | Phase::Gone => 0.0003,
        Phase::Looking => 0.003,
        Phase::Active => 0.03,
        Phase::Deciding => 0.06,
    };
    let of_intent = match recorder.person.intent {
        Intent::Buyer | Intent::Investor => 1.0,
        Intent::Renter => 1.2,
        Intent::Seller => 0.1,
        Intent::Browser => 0.5,
    };
    for _ in 0..recorder.count(segment, per_day * of_intent) {
        let at = recorder.moment(segment);
        request(recorder, pipeline, segment, at);
    }
}

fn request(recorder: &mut Recorder<'_>, pipeline: &mut Pipeline, segment: &Segment<'_>, at: Timestamp) {
    let key = web::listing(recorder);
    let price = web::asking(recorder, 0.1);
    let held_at = recorder.later(at, 2.5);
    let showing = |action: ShowingAction, scheduled: bool| {
        EventBody::Showing(Showing {
            action,
            listing_key: Some(key.clone()),
            price: Some(price),
            scheduled_for: scheduled.then_some(held_at),
        })
    };
    // Part of the requests reach the agent by word of mouth and are entered only once agreed.
    if recorder.draw.chance(0.75) {
        recorder.send(Source::Website, at, showing(ShowingAction::Requested, false));
    }
    let agreed = recorder.draw.chance(0.55 + 0.35 * recorder.agent.care);
    if !agreed {
        return;
    }
    if recorder.draw.chance(0.3) {
        recorder.send(Source::Showings, at, showing(ShowingAction::Scheduled, true));
    }
    // How it went is drawn from the state in which it was asked for.
    let comes = match segment.state.phase {
        Phase::Idle | Phase::Gone => 0.5,
        Phase::Looking => 0.65,
        Phase::Active => 0.78,
        Phase::Deciding => 0.82,
    };
    let action = if recorder.draw.chance(comes) {
        ShowingAction::Held
    } else if recorder.draw.chance(0.65) {
        ShowingAction::Cancelled
    } else {
        ShowingAction::NoShow
    };
    pipeline.viewing(recorder, held_at, action, showing(action, false));
}
