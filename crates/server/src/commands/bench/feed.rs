//! The events that are sent: the content of a simulated brokerage's, about the leads of the benchmark.
//!
//! Invariant: the same seed gives the same contents in the same order about the same leads; only ids and times tell two
//! runs apart. All contents are made before the clock runs, what is left to do then is copying.

use std::{
    collections::{HashMap, HashSet},
    io::Write as _,
};

use anyhow::Context as _;
use leadscore_domain::{
    Consent, ConsentState, EventBody, EventEnvelope, EventKind, IdentityKind, LegalBasis, Purpose, RawIdentity,
    Timestamp,
    event::{EmailAction, LeadCreated, LeadRef},
    time::SECOND_US,
};
use leadscore_simulator::{SimulationOptions, World};

/// What the events name as their source.
const SOURCE: &str = "leadscore-bench";
/// What happens, in turn: 45 % web, 20 % e-mail, 15 % searches, 10 % calls, 10 % changes in the CRM.
const MIX: [EventKind; 20] = [
    EventKind::PageView,
    EventKind::Email,
    EventKind::PropertySearch,
    EventKind::WebSession,
    EventKind::PageView,
    EventKind::VoiceCall,
    EventKind::Email,
    EventKind::PageView,
    EventKind::CrmUpdated,
    EventKind::PropertySearch,
    EventKind::PageView,
    EventKind::WebSession,
    EventKind::Email,
    EventKind::PageView,
    EventKind::CrmUpdated,
    EventKind::PropertySearch,
    EventKind::VoiceCall,
    EventKind::Email,
    EventKind::PageView,
    EventKind::WebSession,
];
/// Different contents of each kind.
const CONTENTS: usize = 64;
/// Leads of the simulated brokerage that are looked through for them.
const SIMULATED_LEADS: u64 = 1_000;
/// Most turns of a call.
const TURNS_MAX: usize = 6;
/// Time between the instants of two contents, back from the beginning: all of them lie within a day.
const SPACING_US: i64 = 60 * SECOND_US;

/// The events of one run.
#[derive(Debug)]
pub struct Feed {
    seed: u64,
    leads: u64,
    /// Tells this run's events from those of other runs.
    run: String,
    /// What stands behind the lead in each event, in turn.
    tails: Vec<Vec<u8>>,
}

impl Feed {
    /// Makes the contents of a run that begins at `now`.
    ///
    /// # Errors
    /// Where the simulated brokerage cannot be made.
    pub fn new(seed: u64, leads: u64, now: Timestamp) -> anyhow::Result<Self> {
        let world = World::new(SimulationOptions { seed, leads: SIMULATED_LEADS, ..SimulationOptions::default() })?;
        let mut tails = Vec::with_capacity(CONTENTS * MIX.len());
        let kinds: HashMap<EventKind, Vec<EventBody>> =
            MIX.into_iter().collect::<HashSet<_>>().into_iter().map(|kind| (kind, contents(&world, kind))).collect();
        for number in 0..CONTENTS {
            for (place, kind) in MIX.iter().enumerate() {
                // A kind that stands in the mix several times begins at another of its contents each time.
                let bodies = &kinds[kind];
                let body = bodies.get((number + place * 3) % bodies.len().max(1));
                let body = body.context("the simulated brokerage lacks a kind of event")?;
                let back = i64::try_from(tails.len()).expect("a few thousand") * SPACING_US;
                tails.push(tail(body, now.plus_micros(-back))?);
            }
        }
        Ok(Self { seed, leads, run: format!("{:x}", now.as_micros()), tails })
    }

    /// Writes event `number` as JSON.
    pub fn write(&self, number: u64, into: &mut Vec<u8>) {
        let tail = &self.tails[usize::try_from(number % self.tails.len() as u64).expect("the number of contents")];
        let (run, name) = (&self.run, lead_name(self.seed, scattered(self.seed, number) % self.leads));
        write!(
            into,
            r#"{{"source":"{SOURCE}","source_event_id":"{run}-{number}","lead":{{"identities":[{{"kind":"crm","value":"{name}"}}]}},"#
        )
        .expect("a vector takes everything");
        into.extend_from_slice(tail);
    }
}

/// The event by which lead `number` comes into being: the same event in every run, so that another run finds the lead.
pub fn lead_created(seed: u64, number: u64, now: Timestamp) -> EventEnvelope {
    let name = lead_name(seed, number);
    EventEnvelope {
        source: SOURCE.to_owned(),
        source_event_id: name.clone(),
        lead: LeadRef { lead_id: None, identities: vec![RawIdentity { kind: IdentityKind::Crm, value: name }] },
        occurred_at: now,
        body: EventBody::LeadCreated(LeadCreated {
            channel: Some("portal".to_owned()),
            consents: vec![Consent {
                purpose: Purpose::Profiling,
                state: ConsentState::Granted,
                basis: LegalBasis::Consent,
                evidence: "made up by leadscore bench".to_owned(),
            }],
            ..LeadCreated::default()
        }),
    }
}

/// The CRM id of a lead.
fn lead_name(seed: u64, number: u64) -> String {
    format!("bench-{seed}-{number}")
}

/// The first contents of a kind.
fn contents(world: &World, kind: EventKind) -> Vec<EventBody> {
    let histories = (0..SIMULATED_LEADS).filter_map(|number| world.lead(number));
    let bodies = histories.flat_map(|lead| lead.events).map(|event| event.envelope.body);
    bodies.filter(|body| body.kind() == kind).filter_map(fitting).take(CONTENTS).collect()
}

/// The content as it is sent: mail that was opened, and the beginning of calls.
fn fitting(mut body: EventBody) -> Option<EventBody> {
    if let EventBody::Email(email) = &body {
        return (email.action == EmailAction::Opened).then_some(body);
    }
    if let EventBody::VoiceCall(call) = &mut body {
        call.turns.truncate(TURNS_MAX);
        return (!call.turns.is_empty()).then_some(body);
    }
    Some(body)
}

/// An event's time and content, up to its end.
fn tail(body: &EventBody, at: Timestamp) -> anyhow::Result<Vec<u8>> {
    let content = serde_json::to_string(body)?;
    let members = content.strip_prefix('{').context("an event's content is an object")?;
    Ok(format!(r#""occurred_at":"{at}",{members}"#).into_bytes())
}

/// A number that looks random and is the same for the same arguments (the finaliser of SplitMix64, Steele and others
/// 2014).
const fn scattered(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use leadscore_domain::Region;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn read(feed: &Feed, number: u64) -> EventEnvelope {
        let mut text = Vec::new();
        feed.write(number, &mut text);
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&text)))
    }

    #[test]
    fn every_event_is_valid_and_its_own_and_about_a_lead_that_was_made() {
        let feed = Feed::new(7, 50, now()).unwrap();
        let made: HashSet<String> =
            (0..50).map(|number| lead_created(7, number, now()).lead.identities[0].value.clone()).collect();
        let (mut ids, mut leads, mut kinds) = (HashSet::new(), HashSet::new(), HashMap::new());
        for number in 0..3_000 {
            let event = read(&feed, number);
            leads.insert(event.lead.identities[0].value.clone());
            *kinds.entry(event.body.kind()).or_insert(0) += 1;
            assert!(ids.insert(event.validate(now(), Region::default()).unwrap().id));
        }
        assert_eq!(leads, made, "every lead has its turn, and no other");
        assert_eq!((kinds[&EventKind::PageView], kinds[&EventKind::VoiceCall], kinds.len()), (900, 300, 6));
    }

    #[test]
    fn the_same_seed_sends_the_same_contents_about_the_same_leads() {
        let (one, two) = (Feed::new(7, 50, now()).unwrap(), Feed::new(7, 50, now().plus_micros(1)).unwrap());
        let other = Feed::new(8, 50, now()).unwrap();
        for number in 0..100 {
            let (one, two) = (read(&one, number), read(&two, number));
            assert_eq!((&one.lead, &one.body), (&two.lead, &two.body));
            assert_ne!(one.source_event_id, two.source_event_id, "another run's events are other events");
        }
        assert!((0..100).any(|number| read(&feed_of(7), number).body != read(&other, number).body));
        assert_eq!(lead_created(7, 1, now()).source_event_id, lead_created(7, 1, now().plus_micros(1)).source_event_id);
    }

    fn feed_of(seed: u64) -> Feed {
        Feed::new(seed, 50, now()).unwrap()
    }
}
