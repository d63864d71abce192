//! Counterfactual next steps: what the model would say had the agent done one thing more.
//!
//! Owns: which actions come into question, their probability of success, their expected gain and their words. For each
//! action the model scores the lead as if the action had succeeded and as if it had failed; the expected probability is
//! the mean of both, weighted by how likely success is for this lead. Invariant: at most [`CANDIDATES_MAX`] actions,
//! two scorings each; a gain is the model's, so an association, unless an experiment backs the action. Deliberately
//! absent: actions that the lead does not want or that would not fit what it is after.

use jiff::tz::TimeZone;
use leadscore_domain::{
    Action, ContactWindow, Evidence, Intent, IntentKind, NextStep, Timestamp,
    explanation::NEXT_STEPS_MAX,
    time::{DAY_US, HOUR_US},
};

use super::{
    actions::{self, Permissions},
    rates::{ActionRates, Trial},
    render,
};
use crate::features::{LeadState, Signal};

/// Most actions that are tried out.
pub const CANDIDATES_MAX: usize = NEXT_STEPS_MAX;
/// A gain below this is none.
const GAIN_MIN: f64 = 1e-4;
/// After a call, no further one for this long, in microseconds.
const CALL_PAUSE_US: i64 = 4 * HOUR_US;
/// How long a bad conversation is worth a call, in microseconds.
const REPAIR_US: i64 = 60 * DAY_US;
/// A conversation at or below this sentiment was a bad one.
const BAD_MOOD: f64 = -0.25;
/// A kind of lead with at least this probability is served.
const INTENT_MIN: f64 = 0.2;

/// A lead at an instant, and what an agent may do.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What is known.
    pub state: &'a LeadState,
    /// The instant.
    pub at: Timestamp,
    /// What the lead is after.
    pub intent: &'a Intent,
    /// What the lead wants and the rules permit.
    pub permissions: Permissions,
    /// The next good time to call; without one the rate over all hours counts.
    pub window: Option<ContactWindow>,
    /// The zone in which times are told.
    pub zone: &'a TimeZone,
    /// How often actions succeed in the population.
    pub rates: &'a ActionRates,
    /// What stands before amounts of money.
    pub currency: &'a str,
    /// Actions that a randomised experiment backs, with its name.
    pub experiments: &'a [(Action, String)],
}

/// The actions that would raise the probability, the greatest expected gain first. `probability` scores a state at an
/// instant; what is not a probability is passed over.
#[must_use]
pub fn next_steps(situation: &Situation<'_>, probability: &dyn Fn(&LeadState, Timestamp) -> f64) -> Vec<NextStep> {
    let now = probability(situation.state, situation.at);
    if !(0.0..=1.0).contains(&now) {
        return Vec::new();
    }
    let mut steps: Vec<NextStep> =
        candidates(situation).into_iter().filter_map(|action| situation.step(action, now, probability)).collect();
    steps.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.action.cmp(&b.action)));
    steps
}

/// The actions that come into question, at most [`CANDIDATES_MAX`].
fn candidates(situation: &Situation<'_>) -> Vec<Action> {
    let fits: [(Action, bool); CANDIDATES_MAX] = [
        // An enquiry that waits is answered rather than called upon.
        match situation.waiting_since() {
            Some(_) => (Action::FollowUp, situation.permissions.call || situation.permissions.email),
            None => (Action::Call, situation.may_call()),
        },
        (Action::RepairCall, situation.may_call() && situation.went_badly()),
        (Action::SendListings, situation.permissions.email && situation.looks()),
        (Action::OfferShowing, (situation.permissions.call || situation.permissions.email) && situation.looks()),
        (Action::SendValuation, situation.permissions.email && situation.is_likely(IntentKind::Seller)),
        (Action::FinancingHelp, situation.permissions.email && situation.asked_about_financing()),
    ];
    fits.into_iter().filter_map(|(action, fits)| fits.then_some(action)).collect()
}

impl Situation<'_> {
    fn step(&self, action: Action, now: f64, probability: &dyn Fn(&LeadState, Timestamp) -> f64) -> Option<NextStep> {
        let success = self.success(action);
        let [better, worse] = actions::variants(action, self.permissions)
            .map(|events| probability(&actions::suppose(self.state, events, self.at), self.at));
        let after = success * better + (1.0 - success) * worse;
        let gain = after - now;
        if !(0.0..=1.0).contains(&after) || gain < GAIN_MIN {
            return None;
        }
        let backed = self.experiments.iter().find(|(backed, _)| *backed == action);
        let evidence = backed.map_or(Evidence::Association, |(_, id)| Evidence::Experiment { id: id.clone() });
        let calls = matches!(action, Action::Call | Action::RepairCall);
        Some(NextStep {
            action,
            text: render::shorten(&self.text(action), leadscore_domain::explanation::TEXT_MAX_CHARS),
            best_at: self.good_window().filter(|_| calls).map(|window| window.start_at.max(self.at)),
            probability_now: now,
            probability_after: after,
            gain,
            success_probability: success,
            caveat: evidence.sentence(),
            evidence,
        })
    }

    /// How likely the action succeeds.
    fn success(&self, action: Action) -> f64 {
        let rate = |trial| self.rates.of_lead(self.state, trial);
        let answer = || self.good_window().map_or_else(|| rate(Trial::Answer), |window| window.probability);
        match action {
            Action::Call => answer(),
            Action::FollowUp if self.permissions.call => rate(Trial::Answer),
            Action::FollowUp => rate(Trial::Reply),
            Action::RepairCall => answer() * rate(Trial::Please),
            Action::SendListings | Action::SendValuation | Action::FinancingHelp => rate(Trial::Click),
            Action::OfferShowing => rate(Trial::Agree) * rate(Trial::Keep),
        }
    }

    fn text(&self, action: Action) -> String {
        let state = self.state;
        let since = |at: Option<Timestamp>| render::span(self.at.since(at?).max(0) as f64 / 1e6);
        let price = || render::money(state.price_centre()?, self.currency);
        match action {
            Action::Call => self.call_text("Call"),
            Action::FollowUp => match since(self.waiting_since()) {
                Some(span) => format!("Answer the enquiry that has waited for {span}"),
                None => "Answer the enquiry that waits".to_owned(),
            },
            Action::RepairCall => self.call_text("Make up for the last conversation: call"),
            Action::SendListings => match price() {
                Some(price) => format!("Send listings around {price}"),
                None => "Send listings that fit the latest search".to_owned(),
            },
            Action::OfferShowing => match since(self.asked_for_showing()) {
                Some(span) => format!("Offer a showing: the lead asked for one {span} ago"),
                None => "Offer a showing of a home that fits".to_owned(),
            },
            Action::SendValuation => "Send a valuation of the lead's own home".to_owned(),
            Action::FinancingHelp => "Send help with financing, which the lead looked into".to_owned(),
        }
    }

    fn call_text(&self, verb: &str) -> String {
        let told = self.good_window().and_then(|window| {
            let when = render::moment(window.start_at, self.at, self.zone)?;
            let chance = render::number((window.probability * 100.0).round(), 0)?;
            Some(format!("{verb} {when} ({chance} % chance of an answer)"))
        });
        told.unwrap_or_else(|| verb.to_owned())
    }

    /// The window, unless its probability is none.
    fn good_window(&self) -> Option<ContactWindow> {
        self.window.filter(|window| (0.0..=1.0).contains(&window.probability))
    }

    fn may_call(&self) -> bool {
        let called = self.state.last(Signal::CallOut).max(self.state.last(Signal::CallIn));
        self.permissions.call && called.is_none_or(|at| self.at.since(at) >= CALL_PAUSE_US)
    }

    /// Since when an enquiry of the lead waits for us.
    fn waiting_since(&self) -> Option<Timestamp> {
        let last = |signal| self.state.last(signal);
        let asked = last(Signal::MessageIn).max(last(Signal::CallInMissed)).max(last(Signal::EmailReplied))?;
        let followed = self.state.last_outbound_at().is_some_and(|at| at >= asked);
        // Of several calls from the lead only a later one can have been taken.
        let talked = last(Signal::CallIn).is_some_and(|at| at > asked);
        (!followed && !talked).then_some(asked)
    }

    fn went_badly(&self) -> bool {
        let recent = self.state.last(Signal::NegativeMood).is_some_and(|at| self.at.since(at) <= REPAIR_US);
        recent && self.state.sentiment_last().is_some_and(|mood| mood <= BAD_MOOD)
    }

    /// When the lead asked for a showing that has not taken place since.
    fn asked_for_showing(&self) -> Option<Timestamp> {
        let asked = self.state.last(Signal::ShowingRequested).max(self.state.last(Signal::ViewingAsked))?;
        self.state.last(Signal::ShowingHeld).is_none_or(|held| held < asked).then_some(asked)
    }

    /// Whether the lead looks for homes.
    fn looks(&self) -> bool {
        let wants = [IntentKind::Buyer, IntentKind::Renter, IntentKind::Investor];
        let signals = [
            Signal::SearchBuy,
            Signal::SearchRent,
            Signal::ListingSaved,
            Signal::PageListing,
            Signal::ShowingRequested,
            Signal::ViewingAsked,
        ];
        wants.into_iter().any(|kind| self.is_likely(kind)) && signals.iter().any(|signal| self.state.count(*signal) > 0)
    }

    fn asked_about_financing(&self) -> bool {
        let signals = [Signal::PageFinancing, Signal::ObjectionFinancing];
        signals.iter().any(|signal| self.state.count(*signal) > 0)
            && (self.is_likely(IntentKind::Buyer) || self.is_likely(IntentKind::Investor))
    }

    fn is_likely(&self, kind: IntentKind) -> bool {
        self.intent.probabilities.of(kind) >= INTENT_MIN
    }
}
