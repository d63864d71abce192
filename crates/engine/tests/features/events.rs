//! Events for tests.

use leadscore_domain::{
    AttributeValue, Attributes, Consent, ConsentState, Event, EventBody, EventId, LeadId, LegalBasis, Limit,
    LimitState, ProcessingLimit, Purpose, Timestamp,
    event::{
        AgentAction, AgentActionKind, CallTurn, CrmUpdated, Deal, Direction, Email, EmailAction, LeadCreated,
        LeadMerged, ListingSaved, Medium, Message, Outcome, OutcomeResult, Page, PageView, PropertySearch,
        PropertyType, Showing, ShowingAction, Speaker, Stage, StageChanged, Turn, VoiceCall, WebSession,
    },
    time::HOUR_US,
};
use leadscore_engine::features::{FEATURES, Feature, LeadState, Market, compute};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// 2026-01-05, a Monday, plus hours.
pub fn hour(hours: i64) -> Timestamp {
    at("2026-01-05T00:00:00Z").plus_micros(hours * HOUR_US)
}

pub fn lead() -> LeadId {
    "6f2c1b3a-0000-7000-8000-000000000001".parse().unwrap()
}

/// An event that is received when it happens.
pub fn event(id: &str, at: Timestamp, body: EventBody) -> Event {
    Event {
        id: EventId::derive("test", id),
        lead_id: lead(),
        source: "test".into(),
        occurred_at: at,
        received_at: at,
        body,
    }
}

/// Events with ids by their place.
pub fn history(bodies: Vec<(Timestamp, EventBody)>) -> Vec<Event> {
    bodies.into_iter().enumerate().map(|(place, (at, body))| event(&place.to_string(), at, body)).collect()
}

pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> LeadState {
    let mut state = LeadState::default();
    for event in events {
        state.apply(event);
    }
    state
}

pub fn vector(state: &LeadState, at: Timestamp, market: &Market) -> Vec<f32> {
    let mut out = vec![0.0; FEATURES.len()];
    compute(state, at, market, &mut out);
    out
}

/// One feature of a history without a market.
pub fn feature(events: &[Event], at: Timestamp, feature: Feature) -> f32 {
    vector(&fold(events), at, &Market::empty())[feature as usize]
}

pub fn created() -> EventBody {
    EventBody::LeadCreated(LeadCreated {
        channel: Some("portal".into()),
        time_zone: Some("America/Chicago".into()),
        ..LeadCreated::default()
    })
}

pub fn with_attributes(pairs: &[(&str, AttributeValue)]) -> EventBody {
    EventBody::LeadCreated(LeadCreated { attributes: attributes(pairs), ..LeadCreated::default() })
}

pub fn attributes(pairs: &[(&str, AttributeValue)]) -> Attributes {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), Some(value.clone()))).collect()
}

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::Category(value.into())
}

pub fn outcome(result: OutcomeResult) -> EventBody {
    EventBody::Outcome(Outcome { result, reason: None, value: None })
}

pub fn stage(stage: Stage) -> EventBody {
    EventBody::StageChanged(StageChanged { stage })
}

pub fn email(action: EmailAction) -> EventBody {
    EventBody::Email(Email { action, message_id: None })
}

pub fn session(minutes: u32, pages: u32) -> EventBody {
    EventBody::WebSession(WebSession { duration_ms: minutes * 60_000, page_count: pages, download_count: 1 })
}

pub fn message(direction: Direction, text: &str) -> EventBody {
    let text = (!text.is_empty()).then(|| text.to_owned());
    EventBody::Message(Message { direction, medium: Medium::Sms, text, sentiment: None })
}

pub fn call(direction: Direction, answered: bool, turns: &[(Speaker, &str)]) -> EventBody {
    let turns = turns
        .iter()
        .map(|(speaker, text)| Turn {
            speaker: *speaker,
            text: (*text).to_owned(),
            start_ms: 0,
            duration_ms: None,
            sentiment: None,
        })
        .collect();
    EventBody::VoiceCall(VoiceCall {
        direction,
        answered,
        duration_ms: 120_000,
        ai_voice: false,
        turns,
        sentiment: None,
        call_id: None,
    })
}

/// A turn of an outbound call that goes on.
pub fn turn_of(call_id: &str, speaker: Speaker, said: &str, start_ms: u32) -> EventBody {
    let turn = Turn { speaker, text: said.to_owned(), start_ms, duration_ms: Some(2_000), sentiment: None };
    EventBody::CallTurn(CallTurn { call_id: call_id.to_owned(), direction: Direction::Outbound, ai_voice: false, turn })
}

pub fn search(min: i64, max: i64, areas: &[&str]) -> EventBody {
    EventBody::PropertySearch(PropertySearch {
        deal: Deal::Buy,
        price_min: Some(min),
        price_max: Some(max),
        areas: areas.iter().map(|area| (*area).to_owned()).collect(),
        property_types: vec![PropertyType::House],
        bedrooms_min: Some(3),
    })
}

/// A body of any kind from three numbers.
pub fn any_body(kind: u8, a: u32, b: u32) -> EventBody {
    let pick = |options: usize| a as usize % options;
    match kind % 17 {
        0 => any_creation(a, b),
        1 => {
            let value = [
                None,
                Some(AttributeValue::Number(f64::from(b))),
                Some(text("blue")),
                Some(AttributeValue::Boolean(b.is_multiple_of(2))),
            ];
            let name = format!("field {}", a % 7).parse().unwrap();
            EventBody::CrmUpdated(CrmUpdated { attributes: [(name, value[b as usize % 4].clone())].into() })
        }
        2 => stage([Stage::New, Stage::Engaged, Stage::Nurturing, Stage::Won, Stage::Lost][pick(5)]),
        3 => {
            let words = ["I hate it", "we would love to see the house", "not interested", "is the mortgage fine?", ""];
            let direction = if b.is_multiple_of(2) { Direction::Inbound } else { Direction::Outbound };
            call(direction, !b.is_multiple_of(3), &[(Speaker::Lead, words[pick(5)]), (Speaker::Agent, "let me look")])
        }
        4 => session(b % 90, a % 20),
        5 => {
            let page = [Page::Listing, Page::Financing, Page::Valuation, Page::Contact, Page::Home][pick(5)];
            EventBody::PageView(PageView { page, duration_ms: Some(b), listing_key: Some(format!("L{}", a % 90)) })
        }
        6 => email(
            [
                EmailAction::Sent,
                EmailAction::Delivered,
                EmailAction::Opened,
                EmailAction::Clicked,
                EmailAction::Forwarded,
                EmailAction::Replied,
                EmailAction::Bounced,
                EmailAction::Unsubscribed,
            ][pick(8)],
        ),
        7 => any_search(a, b),
        8 => EventBody::ListingSaved(ListingSaved {
            listing_key: format!("L{}", a % 90),
            price: (b.is_multiple_of(2)).then_some(i64::from(b)),
            area: Some(format!("area {}", a % 60)),
            property_type: Some(PropertyType::Condo),
        }),
        9 => any_showing(a),
        10 => message(
            if b.is_multiple_of(2) { Direction::Inbound } else { Direction::Outbound },
            "great, can we see it tomorrow?",
        ),
        11 => {
            let action =
                [AgentActionKind::ListingsSent, AgentActionKind::ShowingOffered, AgentActionKind::ValuationSent];
            EventBody::AgentAction(AgentAction { action: action[pick(3)], agent_id: None })
        }
        12 => EventBody::Consent(any_consent(a, b)),
        13 => outcome([OutcomeResult::Won, OutcomeResult::Lost, OutcomeResult::NoAnswer][pick(3)]),
        15 => {
            let said = ["I hate it", "we would love to see the house", "is the mortgage fine?"][pick(3)];
            turn_of(if b.is_multiple_of(2) { "c-1" } else { "c-2" }, Speaker::Lead, said, b % 600_000)
        }
        14 => EventBody::ProcessingLimit(ProcessingLimit {
            limit: Limit::ALL[pick(2)],
            state: if b.is_multiple_of(2) { LimitState::Imposed } else { LimitState::Lifted },
            evidence: "letter".into(),
        }),
        _ => EventBody::LeadMerged(LeadMerged { absorbed: lead() }),
    }
}

fn any_showing(a: u32) -> EventBody {
    let action = [
        ShowingAction::Requested,
        ShowingAction::Scheduled,
        ShowingAction::Held,
        ShowingAction::Cancelled,
        ShowingAction::NoShow,
    ][a as usize % 5];
    EventBody::Showing(Showing { action, listing_key: None, price: None, scheduled_for: None })
}

fn any_creation(a: u32, b: u32) -> EventBody {
    let zone = ["America/Chicago", "Europe/Paris", "America/New_York"][a as usize % 3];
    EventBody::LeadCreated(LeadCreated {
        name: Some("Ann".into()),
        channel: Some(format!("channel {}", b % 3)),
        time_zone: (b.is_multiple_of(2)).then(|| zone.to_owned()),
        attributes: attributes(&[
            ("budget", AttributeValue::Number(f64::from(a) + 0.5)),
            ("since", AttributeValue::Time { time: hour(i64::from(b % 99)) }),
        ]),
        consents: vec![any_consent(a, b), any_consent(b, a)],
    })
}

fn any_consent(a: u32, b: u32) -> Consent {
    Consent {
        purpose: [Purpose::Profiling, Purpose::CallByPerson, Purpose::CallByAi, Purpose::Email][a as usize % 4],
        state: if b.is_multiple_of(2) { ConsentState::Granted } else { ConsentState::Withdrawn },
        basis: LegalBasis::Consent,
        evidence: "form".into(),
    }
}

fn any_search(a: u32, b: u32) -> EventBody {
    EventBody::PropertySearch(PropertySearch {
        deal: if a.is_multiple_of(3) { Deal::Rent } else { Deal::Buy },
        price_min: (b.is_multiple_of(2)).then_some(i64::from(a)),
        price_max: (!b.is_multiple_of(5)).then_some(i64::from(a) + i64::from(b)),
        areas: (0..a % 6).map(|area| format!("Area {}", (area + b) % 60)).collect(),
        property_types: vec![PropertyType::House],
        bedrooms_min: None,
    })
}
