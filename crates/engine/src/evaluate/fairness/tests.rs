//! Groups that are treated alike pass; each bar is missed by what it is there for.

use leadscore_domain::{
    AttributeValue, Event, EventBody, EventId, LeadId, Timestamp,
    event::{Direction, LeadCreated, Speaker, Turn, VoiceCall},
};

use super::*;

const UNCHANGED: SwapTest = SwapTest { leads: 50, changed: 0, largest_change: 0.0 };

/// The scores of a group's leads, and the name of their group by lead.
type Group = (Vec<BacktestRow>, Vec<(u64, String)>);

/// Every `top_every`-th lead of a group has the top grade, and every tenth converts.
fn group(name: &'static str, first: u64, leads: u64, top_every: u64, off: f64) -> Group {
    let row = |number: u64| BacktestRow {
        lead: first + number,
        instant: Timestamp::MIN,
        fold: 0,
        label: number.is_multiple_of(10),
        probability: 0.1 + off,
        score: if number.is_multiple_of(top_every) { 95 } else { 20 },
        logistic: 0.1,
        majority: 0.1,
        truth: None,
    };
    ((0..leads).map(row).collect(), (0..leads).map(|number| (first + number, name.to_owned())).collect())
}

fn found(groups: Vec<Group>, swap: SwapTest) -> Fairness {
    let (rows, of): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
    let grouping = Grouping { by: "sex".to_owned(), of: of.into_iter().flatten().collect() };
    Fairness::new(&rows.concat(), &[grouping], swap)
}

#[test]
fn groups_that_fare_alike_pass() {
    let fairness = found(vec![group("f", 0, 4_000, 5, 0.0), group("m", 10_000, 4_000, 5, 0.0)], UNCHANGED);
    assert!(fairness.passed(), "{:?}", fairness.failures);
    let [f, m] = &fairness.comparisons[0].groups[..] else { panic!("two groups") };
    assert_eq!((f.leads, f.top_grade.value, f.converted), (4_000, 0.2, 0.1));
    assert!((f.exposure - 1.0).abs() < 1e-9 && (m.exposure - 1.0).abs() < 1e-9);
    assert!(f.impact_ratio.lower > 0.8 && f.calibration_gap.value.abs() < 1e-9);
}

#[test]
fn each_bar_is_missed_for_its_own_reason() {
    let most = || group("f", 0, 4_000, 5, 0.0);
    for (other, swap, reason) in [
        (group("m", 10_000, 4_000, 8, 0.0), UNCHANGED, "m: the top grade goes to it 0.62 times"),
        (group("m", 10_000, 200, 5, 0.0), UNCHANGED, "which takes more leads"),
        (group("m", 10_000, 4_000, 5, 0.03), UNCHANGED, "m: the mean probability is off by +0.030"),
        (group("m", 10_000, 99, 5, 0.0), UNCHANGED, "not two groups of 100"),
        (group("m", 10_000, 4_000, 5, 0.0), SwapTest::default(), "no lead was scored as another person"),
        (
            group("m", 10_000, 4_000, 5, 0.0),
            SwapTest { leads: 50, changed: 2, largest_change: 0.25 },
            "2 of 50 leads have another probability (by up to 0.2500)",
        ),
    ] {
        let fairness = found(vec![most(), other], swap);
        let [failure] = &fairness.failures[..] else { panic!("{reason}: {:?}", fairness.failures) };
        assert!(failure.contains(reason), "{failure}");
    }
    assert!(!Fairness::new(&[], &[], UNCHANGED).passed(), "what was not compared was not shown");
}

#[test]
fn a_group_without_any_top_grade_has_a_ratio_of_nought() {
    let (mut rows, of) = group("m", 10_000, 500, 5, 0.0);
    rows.iter_mut().for_each(|row| row.score = 10);
    let fairness = found(vec![group("f", 0, 500, 5, 0.0), (rows, of)], UNCHANGED);
    let ratio = fairness.comparisons[0].groups[1].impact_ratio;
    assert_eq!((ratio.value, ratio.lower, ratio.upper), (0.0, 0.0, 0.0));
}

#[test]
fn examples_of_one_lead_do_not_make_the_interval_narrower() {
    let once = found(vec![group("f", 0, 500, 5, 0.0), group("m", 10_000, 500, 6, 0.0)], UNCHANGED);
    let four_times = |(rows, of): (Vec<BacktestRow>, _)| (vec![rows; 4].concat(), of);
    let repeated = vec![four_times(group("f", 0, 500, 5, 0.0)), four_times(group("m", 10_000, 500, 6, 0.0))];
    let repeated = found(repeated, UNCHANGED);
    let ratio = |fairness: &Fairness| fairness.comparisons[0].groups[1].impact_ratio;
    assert!((ratio(&once).lower - ratio(&repeated).lower).abs() < 1e-9);
}

#[test]
fn small_groups_and_unknown_leads_are_counted_and_not_shown() {
    let (rows, _) = group("?", 50_000, 7, 5, 0.0);
    let groups = vec![
        group("f", 0, 200, 5, 0.0),
        group("m", 10_000, 200, 5, 0.0),
        group("x", 20_000, 99, 5, 0.0),
        (rows, Vec::new()),
    ];
    let comparison = found(groups, UNCHANGED).comparisons.remove(0);
    let shown: Vec<&str> = comparison.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!((shown, comparison.small, comparison.unknown), (vec!["f", "m"], 1, 7));
}

fn event(body: EventBody) -> Event {
    Event {
        id: EventId(uuid::Uuid::nil()),
        lead_id: LeadId(uuid::Uuid::nil()),
        source: "crm".to_owned(),
        occurred_at: Timestamp::MIN,
        received_at: Timestamp::MIN,
        body,
    }
}

#[test]
fn a_swapped_lead_is_another_person_everywhere_and_nothing_else() {
    let category = |word: &str| Some(AttributeValue::Category(word.to_owned()));
    let attributes = [("zip_code", category("78701")), ("budget", Some(AttributeValue::Number(5e5)))];
    let created = LeadCreated {
        name: Some("Grace Hope Li".to_owned()),
        attributes: attributes.into_iter().map(|(name, value)| (name.parse().unwrap(), value)).collect(),
        ..LeadCreated::default()
    };
    let turn = Turn {
        speaker: Speaker::Lead,
        text: "Hi, GRACE here. I hope, gracefully, that Li's offer stands.".to_owned(),
        start_ms: 0,
        duration_ms: None,
        sentiment: None,
    };
    let call = VoiceCall {
        direction: Direction::Inbound,
        answered: true,
        duration_ms: 60_000,
        ai_voice: false,
        turns: vec![turn],
        sentiment: None,
        call_id: None,
    };
    let events = [event(EventBody::LeadCreated(created)), event(EventBody::VoiceCall(call))];
    let other = swapped(&events, 1);
    let (EventBody::LeadCreated(created), EventBody::VoiceCall(call)) = (&other[0].body, &other[1].body) else {
        panic!("kinds stay")
    };
    assert_eq!(created.name.as_deref(), Some("José Hernández"));
    assert_eq!(created.attributes["zip_code"], category("78207"));
    assert_eq!(created.attributes["language"], category("es"));
    assert_eq!(created.attributes["budget"], Some(AttributeValue::Number(5e5)));
    assert_eq!(call.turns[0].text, "Hi, José here. I hope, gracefully, that Li's offer stands.");
}
