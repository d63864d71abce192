//! Single leads: pure functions, valid events, the faults of real feeds, and no hidden word in any of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use leadscore_domain::{
    EventBody, IdentityKind, Region, Timestamp,
    event::{OutcomeResult, Stage},
    protected,
};
use leadscore_simulator::{HORIZON_US, LEADS_MAX, SimulationOptions, World, lead_name, lead_number};
use proptest::prelude::*;

use crate::world;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_lead_is_the_same_alone_and_among_others(seed in any::<u64>(), number in 0..50_u64, leads in 50..5_000_u64) {
        let options = SimulationOptions { seed, leads: 50, days: 90, ..SimulationOptions::default() };
        let among = World::new(SimulationOptions { leads, ..options.clone() }).unwrap();
        prop_assert_eq!(World::new(options).unwrap().lead(number), among.lead(number));
    }

    #[test]
    fn every_event_of_every_lead_is_valid(seed in any::<u64>(), number in 0..LEADS_MAX) {
        let world = World::new(SimulationOptions { seed, leads: LEADS_MAX, ..SimulationOptions::default() }).unwrap();
        let lead = world.lead(number).unwrap();
        prop_assert!(lead.events.windows(2).all(|pair| pair[0].received_at <= pair[1].received_at));
        for event in lead.events {
            let checked = event.envelope.clone().validate(event.received_at, Region::default());
            prop_assert!(checked.is_ok(), "{:?} of {:?}", checked, event.envelope);
        }
    }

    #[test]
    fn names_and_numbers_of_leads_match(number in 0..LEADS_MAX) {
        prop_assert_eq!(lead_number(&lead_name(number)), Some(number));
    }
}

#[test]
fn other_names_are_nobodys_number() {
    for name in ["", "sim-", "sim-12", "sim-00012x", "crm-000123", "sim-99999999999999999999999"] {
        assert_eq!(lead_number(name), None, "{name}");
    }
}

#[test]
fn handles_belong_to_one_lead_each() {
    let world = world(20_500, 4);
    let mut owners: HashMap<(IdentityKind, String), u64> = HashMap::new();
    for lead in (0..1_500).chain(9_500..10_500).filter_map(|n| world.lead(n)) {
        for identity in lead.events.iter().flat_map(|event| &event.envelope.lead.identities) {
            let normal = identity.normalise(Region::default()).unwrap();
            let owner = *owners.entry((normal.kind(), normal.value().to_owned())).or_insert(lead.number);
            assert_eq!(owner, lead.number, "{normal:?}");
        }
    }
}

/// Nothing that is received before the conversion tells of it: cut there, the events do not name a deal.
#[test]
fn nothing_tells_of_the_deal_before_it() {
    let world = world(2_000, 6);
    for lead in (0..2_000).filter_map(|n| world.lead(n)) {
        let mut outcome_arrived = None;
        for event in &lead.events {
            let body = &event.envelope.body;
            if matches!(body, EventBody::Outcome(outcome) if outcome.result == OutcomeResult::Won) {
                assert!(event.received_at >= lead.converted_at.unwrap());
                assert_eq!(event.envelope.occurred_at, lead.converted_at.unwrap());
                outcome_arrived.get_or_insert(event.received_at);
            } else if matches!(body, EventBody::StageChanged(change) if change.stage == Stage::Won) {
                assert!(outcome_arrived.is_some_and(|at| at < event.received_at), "lead {}", lead.number);
            } else {
                let before = lead.converted_at.is_none_or(|at| event.envelope.occurred_at < at);
                assert!(before, "lead {}: {event:?}", lead.number);
            }
        }
    }
}

/// Whatever arrives under a handle apart from the CRM's lead is joined to it before an outcome of it can be known.
#[test]
fn handles_apart_are_joined_within_a_horizon() {
    let world = world(3_000, 14);
    let mut apart = 0;
    for lead in (0..3_000).filter_map(|n| world.lead(n)) {
        let mut joined: HashSet<(IdentityKind, &str)> = HashSet::new();
        let mut waiting: HashMap<(IdentityKind, &str), Timestamp> = HashMap::new();
        for event in &lead.events {
            let handles: Vec<_> = event.envelope.lead.identities.iter().map(|i| (i.kind, i.value.as_str())).collect();
            let known = handles.iter().any(|handle| handle.0 == IdentityKind::Crm || joined.contains(handle));
            for handle in handles {
                if known {
                    joined.insert(handle);
                    let since = waiting.remove(&handle);
                    apart += u32::from(since.is_some());
                    assert!(
                        since.is_none_or(|since| event.received_at.since(since) < HORIZON_US),
                        "lead {}",
                        lead.number
                    );
                } else {
                    waiting.entry(handle).or_insert(event.received_at);
                }
            }
        }
        for (handle, since) in waiting {
            let left = world.options().stop().since(since);
            assert!(left < HORIZON_US, "lead {}: {handle:?} is never joined", lead.number);
        }
    }
    println!("{apart} handles joined late");
    assert!(apart > 300);
}

#[test]
fn feeds_have_their_faults() {
    let world = world(2_000, 8);
    let (mut total, mut twice, mut unordered, mut late, mut ahead, mut anonymous) = (0, 0, 0, 0, 0, 0);
    for lead in (0..2_000).filter_map(|n| world.lead(n)) {
        let mut ids = HashSet::new();
        for event in &lead.events {
            total += 1;
            let envelope = &event.envelope;
            twice += u32::from(!ids.insert((&envelope.source, &envelope.source_event_id)));
            late += u32::from(event.received_at.since(envelope.occurred_at) > 24 * 3_600_000_000);
            ahead += u32::from(event.received_at < envelope.occurred_at);
            anonymous += u32::from(envelope.lead.identities.iter().all(|i| i.kind == IdentityKind::Web));
        }
        unordered +=
            lead.events.windows(2).filter(|pair| pair[0].envelope.occurred_at > pair[1].envelope.occurred_at).count();
    }
    println!("{total}: twice {twice}, unordered {unordered}, late {late}, ahead {ahead}, anonymous {anonymous}");
    let share = |count: u32| f64::from(count) / f64::from(total);
    assert!((0.01..0.02).contains(&share(twice)));
    assert!((0.002..0.03).contains(&share(late)));
    assert!((0.001..0.01).contains(&share(ahead)));
    assert!(share(anonymous) > 0.01 && unordered > 500);
}

#[test]
fn attributes_are_gappy_lawful_and_not_hidden_variables() {
    let world = world(2_000, 9);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut withdrawn = 0;
    for lead in (0..2_000).filter_map(|n| world.lead(n)) {
        for event in &lead.events {
            if let EventBody::LeadCreated(created) = &event.envelope.body {
                for name in created.attributes.keys() {
                    *seen.entry(name.to_string()).or_default() += 1;
                }
            }
            withdrawn += u32::from(matches!(event.envelope.body, EventBody::Consent(_)));
        }
    }
    println!("{seen:?}, consents withdrawn {withdrawn}");
    assert!(withdrawn > 20);
    for (name, count) in seen {
        assert_eq!(protected::classify(&name), None, "{name}");
        assert!(name == "newsletter" || count < 1_900, "{name} is never missing");
        for hidden in ["intent", "serious", "urgency", "phase", "trust", "truth"] {
            assert!(!name.contains(hidden), "{name}");
        }
    }
}
