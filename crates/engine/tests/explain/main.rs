//! Reasons, next steps and intents, at their boundary.

#![expect(clippy::unwrap_used, reason = "a helper that fails ends the test")]

mod intent;
mod reasons;
mod steps;
mod world;

use leadscore_domain::{
    AttributeValue, Attributes, Event, EventBody, EventId, LeadId, Timestamp,
    event::{
        Direction, LeadCreated, Medium, Message, PropertySearch, Showing, ShowingAction, Speaker, Turn, VoiceCall,
    },
    time::HOUR_US,
};
use leadscore_engine::features::LeadState;

/// 2026-01-05, a Monday, plus hours.
fn hour(hours: i64) -> Timestamp {
    "2026-01-05T00:00:00Z".parse::<Timestamp>().unwrap().plus_micros(hours * HOUR_US)
}

fn fold(bodies: Vec<(Timestamp, EventBody)>) -> LeadState {
    let mut state = LeadState::default();
    for (place, (at, body)) in bodies.into_iter().enumerate() {
        let id = EventId::derive("test", &place.to_string());
        state.apply(&Event {
            id,
            lead_id: LeadId(id.0),
            source: "test".into(),
            occurred_at: at,
            received_at: at,
            body,
        });
    }
    state
}

fn created(pairs: &[(&str, AttributeValue)]) -> EventBody {
    let attributes: Attributes =
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), Some(value.clone()))).collect();
    let time_zone = Some("America/Chicago".to_owned());
    EventBody::LeadCreated(LeadCreated { time_zone, attributes, ..LeadCreated::default() })
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::Category(value.to_owned())
}

fn call(answered: bool, said: &str, sentiment: Option<f32>) -> EventBody {
    let turns = if said.is_empty() {
        Vec::new()
    } else {
        vec![Turn { speaker: Speaker::Lead, text: said.to_owned(), start_ms: 0, duration_ms: None, sentiment: None }]
    };
    let direction = Direction::Outbound;
    EventBody::VoiceCall(VoiceCall {
        direction,
        answered,
        duration_ms: 60_000,
        ai_voice: false,
        turns,
        sentiment,
        call_id: None,
    })
}

fn message(direction: Direction, said: &str) -> EventBody {
    EventBody::Message(Message { direction, medium: Medium::Sms, text: Some(said.to_owned()), sentiment: None })
}

fn search(deal: leadscore_domain::event::Deal, price: i64) -> EventBody {
    EventBody::PropertySearch(PropertySearch {
        deal,
        price_min: Some(price),
        price_max: Some(price),
        areas: Vec::new(),
        property_types: Vec::new(),
        bedrooms_min: None,
    })
}

fn showing(action: ShowingAction) -> EventBody {
    EventBody::Showing(Showing { action, listing_key: None, price: None, scheduled_for: None })
}
