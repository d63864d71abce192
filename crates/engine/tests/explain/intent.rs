use leadscore_domain::{
    AttributeValue, Intent, IntentKind, Urgency,
    event::{Deal, Direction, Page, PageView, WebSession},
    time::DAY_US,
};
use leadscore_engine::intent::intent;
use proptest::prelude::*;

use crate::*;

fn at(bodies: Vec<(Timestamp, EventBody)>, at: Timestamp) -> Intent {
    intent(&fold(bodies), at)
}

fn of(pairs: &[(&str, AttributeValue)]) -> Intent {
    at(vec![(hour(0), created(pairs))], hour(1))
}

#[test]
fn nothing_known_is_the_trade_s_mix_and_no_hurry() {
    let found = intent(&LeadState::default(), hour(0));
    assert_eq!((found.kind, found.urgency), (IntentKind::Buyer, Urgency::None));
    assert!((found.probabilities.buyer - 0.5).abs() < 1e-9);
}

#[test]
fn fields_that_are_not_about_a_wish_or_stand_for_a_person_are_not_read() {
    let nothing = of(&[]);
    for (name, value) in [
        ("campaign", text("valuation")),
        ("notes", text("sell")),
        ("marital_interest", text("sell")),
        ("interest", text("")),
        ("interest", AttributeValue::Number(7.0)),
        ("is_seller", AttributeValue::Boolean(false)),
        ("newsletter", AttributeValue::Boolean(true)),
    ] {
        assert_eq!(of(&[(name, value)]), nothing, "{name}");
    }
}

#[test]
fn what_a_crm_says_is_read_whatever_it_calls_it() {
    for (name, value, expected) in [
        ("interest", text("Sell"), IntentKind::Seller),
        ("Lead Type", text("seller"), IntentKind::Seller),
        ("LookingTo", text("rent a flat"), IntentKind::Renter),
        ("wants_to_sell", AttributeValue::Boolean(true), IntentKind::Seller),
        ("investor", AttributeValue::Boolean(true), IntentKind::Investor),
        ("inquiry_type", text("investment property"), IntentKind::Investor),
        ("purpose", text("just looking"), IntentKind::Browsing),
        ("interest", text("buying"), IntentKind::Buyer),
    ] {
        assert_eq!(of(&[(name, value)]).kind, expected, "{name}");
    }
}

#[test]
fn what_the_lead_does_and_says_counts_as_well() {
    let view = |page| EventBody::PageView(PageView { page, duration_ms: None, listing_key: None });
    let visit = || EventBody::WebSession(WebSession { duration_ms: 60_000, page_count: 9, download_count: 0 });
    for (bodies, expected) in [
        (vec![view(Page::Valuation), view(Page::Valuation)], IntentKind::Seller),
        (vec![search(Deal::Rent, 1_500), search(Deal::Rent, 1_400)], IntentKind::Renter),
        (vec![call(true, "what is my house worth, we want to sell", None)], IntentKind::Seller),
        (
            vec![
                message(Direction::Inbound, "what is the cap rate, I am an investor"),
                call(true, "rental income", None),
            ],
            IntentKind::Investor,
        ),
        ((0..9).map(|_| visit()).collect(), IntentKind::Buyer),
    ] {
        let bodies = bodies.into_iter().enumerate().map(|(n, body)| (hour(n as i64), body)).collect();
        assert_eq!(at(bodies, hour(20)).kind, expected);
    }
}

#[test]
fn urgency_follows_the_latest_step_then_what_was_said() {
    let time = |days: i64| AttributeValue::Time { time: hour(0).plus_micros(days * DAY_US) };
    for (pairs, expected) in [
        (&[("timeframe", text("0-3 months"))][..], Urgency::Weeks),
        (&[("timeframe", text("just looking"))], Urgency::None),
        (&[("move_by", time(5))], Urgency::Now),
        (&[("move_by", time(200))], Urgency::Months),
        (&[("move_by", time(-5))], Urgency::None),
    ] {
        assert_eq!(of(pairs).urgency, expected, "{pairs:?}");
    }
    let asks = (hour(10), call(true, "can we see it", None));
    let puts_off = |n| (hour(n), call(true, "maybe next year", None));
    assert_eq!(at(vec![asks.clone()], hour(20)).urgency, Urgency::Now);
    assert_eq!(at(vec![puts_off(5), asks.clone()], hour(20)).urgency, Urgency::Now);
    assert_eq!(at(vec![asks.clone(), puts_off(15)], hour(20)).urgency, Urgency::Months);
    assert_eq!(at(vec![asks], hour(10).plus_micros(40 * DAY_US)).urgency, Urgency::None);
}

proptest! {
    #[test]
    fn any_fields_give_probabilities(
        fields in proptest::collection::vec(
            ("[a-zA-Z_ ]{0,9}(type|interest|when|budget|move)", ".{0,40}", any::<f64>()),
            0..20,
        ),
    ) {
        let pairs: Vec<(&str, AttributeValue)> = fields.iter().enumerate().map(|(n, (name, words, number))| {
            (name.as_str(), if n % 2 == 0 { text(words) } else { AttributeValue::Number(*number) })
        }).collect();
        let found = of(&pairs);
        let sum: f64 = IntentKind::ALL.iter().map(|kind| found.probabilities.of(*kind)).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9);
        let most = found.probabilities.of(found.kind);
        prop_assert!(IntentKind::ALL.iter().all(|kind| found.probabilities.of(*kind) <= most));
    }
}
