//! The verdict at its boundary, against the offsets of another time zone library.

use std::{collections::BTreeMap, env, fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::{Consent, LegalBasis, Purpose, time::SECOND_US};

/// From Python's zoneinfo (`tests/calling/offsets.py`): zone, second from which on, offset.
const OFFSETS: &str = include_str!("../../tests/calling/offsets.csv");
const CHICAGO: &str = "+13125550123";
/// 2026-03-03, a Tuesday, at noon in Chicago.
const NOON: &str = "2026-03-03T18:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.plus_micros(seconds * SECOND_US)
}

fn state(letters: &str) -> Option<Address> {
    Some(Address { state: letters.parse().unwrap() })
}

/// Somebody who allowed calls of both kinds in January.
fn party(number: &str) -> Party<'_> {
    let granted = Some(Statement { state: ConsentState::Granted, at: at("2026-01-05T15:00:00Z") });
    Party {
        number,
        address: None,
        by_person: granted,
        by_ai: granted,
        opted_out_at: None,
        inquired_at: None,
        transacted_at: None,
        national: NationalList::Missing,
        on_own_list: false,
        recent_calls: &[],
    }
}

/// Somebody of whom nothing is known but that the number is not on the national list.
fn stranger(number: &str) -> Party<'_> {
    Party {
        by_person: None,
        by_ai: None,
        national: NationalList::NotListed(at("2026-03-01T00:00:00Z")),
        ..party(number)
    }
}

fn consent() -> Consent {
    Consent {
        purpose: Purpose::CallByAi,
        state: ConsentState::Granted,
        basis: LegalBasis::Consent,
        evidence: "form 7, ticked".to_owned(),
    }
}

fn written() -> WrittenConsent {
    WrittenConsent::of(&consent(), at("2026-01-05T15:00:00Z")).unwrap()
}

fn reasons(party: &Party<'_>, now: &str) -> Vec<Reason> {
    may_call(party, at(now)).map_or_else(|denial| denial.reasons, |_| Vec::new())
}

#[test]
fn where_the_person_is_must_be_known() {
    for (number, expected) in [
        ("", Reason::OtherCountry),
        ("+1", Reason::OtherCountry),
        ("13125550123", Reason::OtherCountry),
        ("+442071234567", Reason::OtherCountry),
        ("+14165550123", Reason::OtherCountry),
        ("+1ä12555012", Reason::OtherCountry),
        ("+18005550123", Reason::PlaceUnknown),
    ] {
        let denial = may_call(&party(number), at(NOON)).unwrap_err();
        assert_eq!((denial.reasons, denial.next_allowed_at), (vec![expected], None), "{number}");
    }
    assert!(may_call(&Party { address: state("IL"), ..party("+18005550123") }, at(NOON)).is_ok());
    assert!(may_call(&Party { address: state("IL"), ..party("+14165550123") }, at(NOON)).is_err(), "of Toronto");
    assert!("XX".parse::<State>().is_err() && " tx ".parse::<State>().is_ok());
}

#[test]
fn number_and_address_that_differ_must_both_allow() {
    // 8:30 in Chicago is 6:30 in Los Angeles; 20:30 in Los Angeles is 22:30 in Chicago.
    let moved = Party { address: state("CA"), ..party(CHICAGO) };
    for (now, expected) in [
        ("2026-03-03T14:30:00Z", &[Reason::QuietHours][..]),
        ("2026-03-03T15:59:59Z", &[Reason::QuietHours]),
        ("2026-03-03T16:00:00Z", &[]),
        ("2026-03-04T02:59:59Z", &[]),
        ("2026-03-04T03:00:00Z", &[Reason::QuietHours]),
        ("2026-03-04T04:30:00Z", &[Reason::QuietHours]),
    ] {
        assert_eq!(reasons(&moved, now), expected, "{now}");
    }
    let denial = may_call(&moved, at("2026-03-03T14:30:00Z")).unwrap_err();
    assert_eq!(denial.zones, ["America/Chicago", "America/Los_Angeles"]);
    assert_eq!(denial.next_allowed_at, Some(at("2026-03-03T16:00:00Z")));
}

#[test]
fn what_the_person_said_counts_at_once_and_until_something_later() {
    let later = |party: Party<'static>, now| reasons(&party, now);
    let withdrawn = |at| Some(Statement { state: ConsentState::Withdrawn, at });
    let noon = at(NOON);
    let national = NationalList::NotListed(noon);
    assert_eq!(
        later(Party { by_person: withdrawn(noon), national, ..party(CHICAGO) }, NOON),
        [Reason::ConsentWithdrawn]
    );
    assert_eq!(later(Party { opted_out_at: Some(noon), ..party(CHICAGO) }, NOON), [Reason::OptedOut]);
    assert_eq!(later(Party { opted_out_at: Some(seconds(noon, 1)), ..party(CHICAGO) }, NOON), []);
    let before = at("2026-01-05T14:59:59Z");
    assert_eq!(later(Party { opted_out_at: Some(before), ..party(CHICAGO) }, NOON), [], "allowed again after it");
    assert_eq!(later(Party { on_own_list: true, ..party(CHICAGO) }, NOON), [Reason::OnOwnList]);

    let by_ai = |party: Party<'_>| may_call_by_ai(written(), &party, noon).map_err(|denial| denial.reasons);
    assert_eq!(by_ai(Party { by_ai: withdrawn(noon), ..party(CHICAGO) }), Err(vec![Reason::ConsentWithdrawn]));
    assert_eq!(by_ai(Party { opted_out_at: Some(noon), ..party(CHICAGO) }), Err(vec![Reason::OptedOut]));
    let permit = by_ai(Party { by_person: withdrawn(noon), ..party(CHICAGO) }).unwrap();
    assert_eq!((permit.number(), permit.consent().evidence()), (CHICAGO, "form 7, ticked"));
}

#[test]
fn consent_to_a_voice_is_written_and_has_evidence() {
    let refused = [
        Consent { purpose: Purpose::CallByPerson, ..consent() },
        Consent { state: ConsentState::Withdrawn, ..consent() },
        Consent { basis: LegalBasis::LegitimateInterest, ..consent() },
        Consent { evidence: "  ".to_owned(), ..consent() },
    ];
    for consent in refused {
        assert_eq!(WrittenConsent::of(&consent, at(NOON)), None, "{consent:?}");
    }
}

#[test]
fn the_national_list_counts_unless_consent_or_a_relationship_does() {
    let noon = at(NOON);
    let listed = |party: Party<'static>| reasons(&party, NOON);
    let with = |national| Party { national, ..stranger(CHICAGO) };
    assert_eq!(listed(stranger(CHICAGO)), []);
    assert_eq!(listed(with(NationalList::Missing)), [Reason::NationalListMissing]);
    assert_eq!(listed(with(NationalList::Listed(noon))), [Reason::OnNationalList]);
    let oldest = noon.plus_micros(-31 * DAY_US);
    assert_eq!(listed(with(NationalList::NotListed(oldest))), []);
    assert_eq!(listed(with(NationalList::NotListed(oldest.plus_micros(-1)))), [Reason::NationalListStale]);
    let known = Party { national: NationalList::Listed(noon), ..stranger(CHICAGO) };
    for (inquired, transacted, is_free) in [
        (Some(90), None, true),
        (Some(91), None, false),
        (Some(-1), None, false),
        (None, Some(540), true),
        (None, Some(541), false),
    ] {
        let ago = |days: Option<i64>| days.map(|days| noon.plus_micros(-days * DAY_US));
        let party = Party { inquired_at: ago(inquired), transacted_at: ago(transacted), ..known.clone() };
        assert_eq!(may_call(&party, noon).is_ok(), is_free, "{inquired:?} {transacted:?}");
    }
    assert_eq!(listed(Party { national: NationalList::Listed(noon), ..party(CHICAGO) }), []);
}

#[test]
fn states_have_hours_days_and_counts_of_their_own() {
    for (number, now, expected) in [
        // Texas: from 9, on Sundays from 12.
        ("+15125550123", "2026-03-03T14:59:59Z", Some("2026-03-03T15:00:00Z")),
        ("+15125550123", "2026-03-01T16:00:00Z", Some("2026-03-01T18:00:00Z")),
        // Louisiana: no Sundays, no holidays; 2026-07-04 is a Saturday, observed on Friday.
        ("+15045550123", "2026-03-01T18:00:00Z", Some("2026-03-02T14:00:00Z")),
        ("+15045550123", "2026-07-03T18:00:00Z", Some("2026-07-06T13:00:00Z")),
        ("+15045550123", "2026-11-26T18:00:00Z", Some("2026-11-27T14:00:00Z")),
        // Rhode Island: Saturdays from 10 to 17.
        ("+14015550123", "2026-03-07T22:00:00Z", Some("2026-03-09T13:00:00Z")),
        ("+14015550123", "2026-03-07T21:59:59Z", None),
        // Florida may be in two zones: from 8 Central to 20 Eastern.
        ("+18505550123", "2026-03-03T13:59:59Z", Some("2026-03-03T14:00:00Z")),
        ("+18505550123", "2026-03-04T01:00:00Z", Some("2026-03-04T14:00:00Z")),
        // Maryland's rule holds from 2024 on.
        ("+13015550123", "2023-12-30T01:30:00Z", None),
        ("+13015550123", "2024-01-03T01:30:00Z", Some("2024-01-03T13:00:00Z")),
    ] {
        let mut party = party(number);
        party.by_person = Some(Statement { state: ConsentState::Granted, at: at("2020-01-01T00:00:00Z") });
        let next = may_call(&party, at(now)).map_err(|denial| (denial.reasons, denial.next_allowed_at));
        match expected {
            Some(expected) => assert_eq!(next, Err((vec![Reason::QuietHours], Some(at(expected)))), "{number} {now}"),
            None => assert!(next.is_ok(), "{number} {now}: {next:?}"),
        }
    }
}

#[test]
fn who_was_called_three_times_in_florida_is_left_alone_for_a_day() {
    let noon = at(NOON);
    let calls = [-23, -5, -1].map(|hours| noon.plus_micros(hours * HOUR_US));
    let miami = Party { recent_calls: &calls, ..party("+13055550123") };
    let denial = may_call(&miami, noon).unwrap_err();
    assert_eq!((denial.reasons, denial.next_allowed_at), (vec![Reason::TooManyCalls], Some(noon.plus_micros(HOUR_US))));
    assert!(may_call(&miami, noon.plus_micros(HOUR_US)).is_ok());
    assert!(may_call(&Party { recent_calls: &calls, ..party(CHICAGO) }, noon).is_ok(), "Illinois counts none");
    let late = at("2026-03-04T01:30:00Z");
    let calls = [-3, -2, -1].map(|hours| late.plus_micros(hours * HOUR_US));
    let denial = may_call(&Party { recent_calls: &calls, ..miami.clone() }, late).unwrap_err();
    assert_eq!(denial.reasons, [Reason::QuietHours, Reason::TooManyCalls]);
    assert_eq!(denial.next_allowed_at, Some(at("2026-03-04T22:30:00Z")));
}

#[test]
fn every_reason_is_told_at_once_and_lasting_ones_have_no_end() {
    let night = at("2026-03-03T06:00:00Z");
    let withdrawn = Some(Statement { state: ConsentState::Withdrawn, at: at("2026-02-01T00:00:00Z") });
    let unwilling = Party {
        by_person: withdrawn,
        opted_out_at: Some(at("2026-02-02T00:00:00Z")),
        on_own_list: true,
        national: NationalList::Listed(night),
        ..party(CHICAGO)
    };
    let denial = may_call(&unwilling, night).unwrap_err();
    assert_eq!(
        denial.reasons,
        [Reason::QuietHours, Reason::ConsentWithdrawn, Reason::OptedOut, Reason::OnOwnList, Reason::OnNationalList]
    );
    assert_eq!((denial.next_allowed_at, denial.sources), (None, vec!["47 CFR 64.1200(c)(1)"]));
}

#[test]
fn holidays_are_the_federal_ones() {
    let year = |year: i16| {
        let mut day = jiff::civil::date(year, 1, 1);
        let mut found = Vec::new();
        while day.year() == year {
            if rules::is_holiday(day) {
                found.push(format!("{:02}-{:02}", day.month(), day.day()));
            }
            day = day.tomorrow().unwrap();
        }
        found
    };
    assert_eq!(
        year(2026),
        ["01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "07-04", "09-07", "10-12", "11-11", "11-26", "12-25"]
    );
    assert_eq!(year(2027)[..3], ["01-01", "01-18", "02-15"]);
    assert!(year(2027).ends_with(&["12-24".to_owned(), "12-25".to_owned(), "12-31".to_owned()]));
}

/// Offsets of each zone by the second from which on they hold.
fn offsets() -> BTreeMap<&'static str, BTreeMap<i64, i64>> {
    let mut all: BTreeMap<&str, BTreeMap<i64, i64>> = BTreeMap::new();
    for line in OFFSETS.lines() {
        let mut fields = line.split(',');
        let (zone, second, offset) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        all.entry(zone).or_default().insert(second.parse().unwrap(), offset.parse().unwrap());
    }
    all
}

/// Area codes of states without a rule of their own, with their zones.
fn plain_codes() -> Vec<(String, Vec<&'static str>)> {
    let has_rule = |letters: &str| RULES.iter().any(|rule| rule.state == Some(letters));
    include_str!("area_codes.csv")
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(',');
            let (code, states, zones) = (fields.next()?, fields.next()?, fields.next()?);
            (!states.split(' ').any(has_rule)).then(|| (format!("+1{code}5550123"), zones.split(' ').collect()))
        })
        .collect()
}

/// xorshift64*: the same on every run.
fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
}

#[test]
fn a_hundred_thousand_instants_agree_with_another_library_to_the_second() {
    const FROM: i64 = 1_767_225_600; // 2026-01-01
    const SECONDS: u64 = 3 * 365 * 86_400;
    let (offsets, codes) = (offsets(), plain_codes());
    let local = |zone: &str, second: i64| {
        let (_, offset) = offsets[zone].range(..=second).next_back().unwrap();
        (second + offset).rem_euclid(86_400)
    };
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut allowed, mut zones_seen) = (0, std::collections::BTreeSet::<&str>::new());
    for round in 0..100_000 {
        let (number, zones) = &codes[below(&mut seed, codes.len() as u64) as usize];
        zones_seen.extend(zones);
        let mut second = FROM + below(&mut seed, SECONDS) as i64;
        // Two of three are put beside an edge: of the hours in one of the zones, or of a change of its clocks.
        let zone = zones[below(&mut seed, zones.len() as u64) as usize];
        let beside = below(&mut seed, 5) as i64 - 2;
        match round % 3 {
            0 => second += [8, 21][below(&mut seed, 2) as usize] * 3_600 - local(zone, second) + beside,
            1 => {
                let changes: Vec<&i64> = offsets[zone].keys().filter(|change| **change > FROM).collect();
                if !changes.is_empty() {
                    let change = *changes[below(&mut seed, changes.len() as u64) as usize];
                    second = change + below(&mut seed, 36 * 3_600) as i64 - 18 * 3_600;
                    second += [8, 21][below(&mut seed, 2) as usize] * 3_600 - local(zone, second) + beside;
                }
            }
            _ => {}
        }
        let expected = zones.iter().all(|zone| (8 * 3_600..21 * 3_600).contains(&local(zone, second)));
        let now = Timestamp::from_micros(second * SECOND_US).unwrap();
        let party =
            Party { by_person: Some(Statement { state: ConsentState::Granted, at: Timestamp::MIN }), ..party(number) };
        let found = may_call(&party, now);
        assert_eq!(found.is_ok(), expected, "{number} {zones:?} {now}");
        allowed += i32::from(expected);
    }
    assert!((30_000..70_000).contains(&allowed), "{allowed}");
    assert!(zones_seen.len() >= 14, "{zones_seen:?}");
}

proptest! {
    #[test]
    fn the_next_instant_is_the_first_and_a_permit_ends_where_it_says(
        code in 0..1_000usize, letters in 0..8usize, second in 1_767_225_600..1_861_920_000i64,
    ) {
        let lines: Vec<&str> = include_str!("area_codes.csv").lines().collect();
        let number = format!("+1{}5550123", &lines[code % lines.len()][..3]);
        let states = [None, state("LA"), state("TX"), state("HI"), state("RI"), state("AZ"), state("FL"), state("GU")];
        let mut party = party(&number);
        party.address = states[letters];
        party.by_person = Some(Statement { state: ConsentState::Granted, at: Timestamp::MIN });
        let now = Timestamp::from_micros(second * SECOND_US).unwrap();
        match may_call(&party, now) {
            Ok(permit) => {
                let last = permit.until().plus_micros(-1);
                prop_assert!(last >= now && may_call(&party, last).is_ok());
                // Either it is over, or another window begins there.
                if let Ok(next) = may_call(&party, permit.until()) {
                    prop_assert!(next.until() > permit.until());
                }
            }
            Err(denial) => {
                // Guam and the mainland share no hour: then there is none.
                if let Some(next) = denial.next_allowed_at {
                    prop_assert!(next > now && may_call(&party, next).is_ok());
                    for before in [next.plus_micros(-1), now.plus_micros((next.since(now)) / 2)] {
                        prop_assert!(may_call(&party, before).is_err(), "{before}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_committed_table_is_current() {
    let path = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs/CALLING.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- rules -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    let current = format!("{head}<!-- rules -->\n{}<!-- end -->{tail}", rules_markdown());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &current).unwrap();
    } else {
        assert!(text == current, "docs/CALLING.md is out of date: run the tests with UPDATE_DOCS=1");
    }
}
