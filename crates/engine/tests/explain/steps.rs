use std::cell::Cell;

use jiff::tz::TimeZone;
use leadscore_domain::{
    Action, Consent, ConsentState, ContactWindow, Evidence, Intent, IntentKind, IntentProbabilities, LegalBasis,
    NextStep, Purpose, Urgency,
    event::{Deal, Direction, Email, EmailAction, Page, PageView},
    explanation::{NEXT_STEPS_MAX, TEXT_MAX_CHARS},
};
use leadscore_engine::{
    explain::{ActionRates, Permissions, Situation, next_steps},
    features::Signal,
};
use proptest::prelude::*;

use crate::*;

const FREE: Permissions = Permissions { call: true, email: true };

fn intent(kind: IntentKind) -> Intent {
    let probabilities = IntentKind::ALL.map(|other| if other == kind { 0.8 } else { 0.05 });
    Intent { kind, probabilities: IntentProbabilities::from_array(probabilities), urgency: Urgency::Weeks }
}

/// More of anything good is better.
fn keen(state: &LeadState, _at: Timestamp) -> f64 {
    let count = |signal| f64::from(state.count(signal).min(5));
    0.1 + 0.05 * count(Signal::CallOutAnswered) - 0.002 * count(Signal::CallOutMissed)
        + 0.06 * count(Signal::ShowingHeld)
        + 0.04 * count(Signal::EmailClicked)
        + 0.04 * count(Signal::EmailReplied)
        + 0.05 * count(Signal::PageValuation)
        + 0.02 * count(Signal::PageFinancing)
        + 0.1 * state.sentiment_last().unwrap_or(0.0).max(-0.5)
}

struct Asked {
    state: LeadState,
    kind: IntentKind,
    permissions: Permissions,
    window: Option<ContactWindow>,
    experiments: Vec<(Action, String)>,
}

impl Asked {
    fn of(state: LeadState) -> Self {
        Self { state, kind: IntentKind::Buyer, permissions: FREE, window: None, experiments: Vec::new() }
    }

    fn steps(&self, probability: &dyn Fn(&LeadState, Timestamp) -> f64) -> Vec<NextStep> {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let (intent, rates) = (intent(self.kind), ActionRates::default());
        let situation = Situation {
            state: &self.state,
            at: hour(100),
            intent: &intent,
            permissions: self.permissions,
            window: self.window,
            zone: &zone,
            rates: &rates,
            currency: "$",
            experiments: &self.experiments,
        };
        next_steps(&situation, probability)
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<Action> = self.steps(&keen).iter().map(|step| step.action).collect();
        actions.sort();
        actions
    }
}

fn searching() -> LeadState {
    fold(vec![(hour(0), created(&[])), (hour(1), search(Deal::Buy, 450_000))])
}

fn stated(purpose: Purpose, state: ConsentState) -> EventBody {
    EventBody::Consent(Consent { purpose, state, basis: LegalBasis::Consent, evidence: "form".into() })
}

fn email(action: EmailAction) -> EventBody {
    EventBody::Email(Email { action, message_id: None })
}

#[test]
fn who_must_not_be_turned_to_is_left_in_peace() {
    let mut asked = Asked::of(searching());
    asked.permissions = Permissions { call: false, email: false };
    assert_eq!(asked.actions(), []);
    asked.permissions = Permissions { call: false, email: true };
    assert_eq!(asked.actions(), [Action::SendListings, Action::OfferShowing]);
    asked.permissions = Permissions { call: true, email: false };
    assert_eq!(asked.actions(), [Action::Call, Action::OfferShowing]);
}

#[test]
fn permissions_follow_the_latest_statement_and_an_unsubscription_stays() {
    for unstated in [false, true] {
        let expected = Permissions { call: unstated, email: unstated };
        assert_eq!(Permissions::of(&LeadState::default(), unstated), expected, "nothing said");
    }
    let withdrawn = fold(vec![
        (hour(0), stated(Purpose::CallByPerson, ConsentState::Granted)),
        (hour(0), stated(Purpose::Email, ConsentState::Granted)),
        (hour(1), stated(Purpose::CallByPerson, ConsentState::Withdrawn)),
    ]);
    assert_eq!(Permissions::of(&withdrawn, true), Permissions { call: false, email: true });
    let left_alone = fold(vec![
        (hour(0), stated(Purpose::CallByPerson, ConsentState::Granted)),
        (hour(0), stated(Purpose::Email, ConsentState::Granted)),
        (hour(1), call(true, "Please take me off your list and do not call me again.", None)),
    ]);
    assert_eq!(Permissions::of(&left_alone, true), Permissions { call: false, email: false });
    for last in [EmailAction::Unsubscribed, EmailAction::Bounced] {
        let state = fold(vec![
            (hour(0), stated(Purpose::Email, ConsentState::Granted)),
            (hour(1), email(EmailAction::Opened)),
            (hour(2), email(last)),
        ]);
        assert!(!Permissions::of(&state, true).email, "{last:?}");
    }
}

#[test]
fn an_answer_of_the_model_that_is_no_probability_gives_no_step() {
    let asked = Asked::of(searching());
    for value in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
        assert_eq!(asked.steps(&|_, _| value), []);
    }
    let first = Cell::new(true);
    let later_nan = |_: &LeadState, _| if first.replace(false) { 0.2 } else { f64::NAN };
    assert_eq!(asked.steps(&later_nan), []);
}

#[test]
fn what_would_not_raise_the_probability_is_no_step() {
    let asked = Asked::of(searching());
    assert_eq!(asked.steps(&|_, _| 0.3), []);
    let shy = |state: &LeadState, at: Timestamp| 0.9 - keen(state, at);
    assert!(asked.steps(&shy).iter().all(|step| step.gain > 0.0));
}

#[test]
fn each_action_needs_its_occasion() {
    let nobody = fold(vec![(hour(0), created(&[]))]);
    assert_eq!(Asked::of(nobody).actions(), [Action::Call]);
    let waiting = fold(vec![(hour(98), message(Direction::Inbound, "Is it still there?"))]);
    assert_eq!(Asked::of(waiting).actions(), [Action::FollowUp]);
    let called = fold(vec![(hour(99), call(true, "hello", None))]);
    assert_eq!(Asked::of(called).actions(), [], "we have just spoken");
    let upset = fold(vec![(hour(50), call(true, "terrible", Some(-0.8)))]);
    assert_eq!(Asked::of(upset).actions(), [Action::Call, Action::RepairCall]);
    let mut seller = Asked::of(fold(vec![(hour(0), created(&[]))]));
    seller.kind = IntentKind::Seller;
    assert_eq!(seller.actions(), [Action::Call, Action::SendValuation]);
    let view = PageView { page: Page::Financing, duration_ms: None, listing_key: None };
    let counting = Asked::of(fold(vec![(hour(0), EventBody::PageView(view))]));
    assert_eq!(counting.actions(), [Action::Call, Action::FinancingHelp]);
}

#[test]
fn steps_are_ranked_by_a_gain_that_adds_up_and_say_what_they_stand_on() {
    let state = fold(vec![(hour(1), search(Deal::Buy, 450_000)), (hour(90), showing(ShowingAction::Requested))]);
    let mut asked = Asked::of(state);
    asked.window = Some(ContactWindow { start_at: hour(116), end_at: hour(118), probability: 0.4 });
    asked.experiments = vec![(Action::SendListings, "listings-7".to_owned())];
    let steps = asked.steps(&keen);
    assert!(steps.windows(2).all(|pair| pair[0].gain >= pair[1].gain));
    let of = |action| steps.iter().find(|step| step.action == action).unwrap();
    let call = of(Action::Call);
    assert!((call.gain - (0.4 * 0.05 - 0.6 * 0.002)).abs() < 1e-12, "{call:?}");
    assert_eq!(call.text, "Call Friday at 2 pm (40 % chance of an answer)");
    assert_eq!((call.best_at, call.success_probability), (Some(hour(116)), 0.4));
    assert_eq!((&call.evidence, call.caveat.contains("not proven")), (&Evidence::Association, true));
    assert_eq!(of(Action::SendListings).text, "Send listings around $450,000");
    assert_eq!(of(Action::SendListings).caveat, "Backed by experiment listings-7.");
    assert_eq!(of(Action::OfferShowing).text, "Offer a showing: the lead asked for one 10 hours ago");
    for step in &steps {
        assert!((step.probability_after - step.probability_now - step.gain).abs() < 1e-12);
    }
}

#[test]
fn a_lead_that_answers_promises_more_than_one_that_does_not() {
    let calls = |answered| fold((0..9).map(|n| (hour(n), call(answered, "", None))).collect());
    let gain = |state| {
        Asked::of(state).steps(&|state, _| 0.1 + 0.01 * f64::from(state.count(Signal::CallOutAnswered)))[0].gain
    };
    assert!(gain(calls(true)) > 2.0 * gain(calls(false)));
}

proptest! {
    #[test]
    fn any_model_and_window_give_few_bounded_steps(
        weights in proptest::collection::vec(-1.0..1.0_f64, 8),
        start in -1_000..10_000_i64,
        probability in any::<f64>(),
        kind in 0..5_usize,
        wait in 0..100_i64,
    ) {
        let scorings = Cell::new(0);
        let model = |state: &LeadState, _: Timestamp| {
            scorings.set(scorings.get() + 1);
            let sum: f64 = Signal::ALL.iter().zip(weights.iter().cycle())
                .map(|(signal, weight)| weight * f64::from(state.count(*signal))).sum();
            1.0 / (1.0 + (-sum).exp())
        };
        let mut asked = Asked::of(fold(vec![
            (hour(0), search(Deal::Buy, 1)),
            (hour(wait), call(true, "I need a mortgage, can we see it?", Some(-0.9))),
        ]));
        asked.kind = IntentKind::ALL[kind];
        asked.window = Some(ContactWindow { start_at: hour(start), end_at: hour(start + 1), probability });
        let steps = asked.steps(&model);
        prop_assert!(steps.len() <= NEXT_STEPS_MAX);
        prop_assert!(scorings.get() <= 1 + 2 * NEXT_STEPS_MAX);
        for step in &steps {
            prop_assert!(step.text.chars().count() <= TEXT_MAX_CHARS);
            prop_assert!((0.0..=1.0).contains(&step.probability_after) && step.gain > 0.0);
            prop_assert!((0.0..=1.0).contains(&step.success_probability));
            prop_assert!(step.best_at.is_none_or(|at| at >= hour(100)));
        }
    }
}
