//! A brokerage's world with known truth: leads, what happens to them, and how likely each was to convert.
//!
//! Owns: the hidden life of every lead (`chain`, `life`), what a brokerage's systems see of it (`visible`), the market
//! (`market`) and the files that `leadscore import` reads (`files`).
//! Invariants: a lead is a pure function of (options, lead number), whatever else is generated and on how many threads;
//! nothing visible before an instant depends on what happens after it; hidden variables never appear in an event.
//! Deliberately absent: the system's clock, global randomness, the feature engine, any need for this crate in production.

mod chain;
mod draw;
mod files;
mod life;
mod live;
mod market;
mod options;
mod person;
mod visible;

use leadscore_domain::{EventEnvelope, MarketSnapshot, Timestamp, event::OutcomeResult};

pub use crate::{
    files::{FILE_NAMES, WriteProgress, Written},
    live::LiveEvents,
    options::{LEADS_MAX, SimulationError, SimulationOptions},
    person::Intent,
};
use crate::{
    life::Life,
    market::Market,
    person::{Agent, Person},
};

/// How far ahead [`World::truth`] looks, in microseconds: 30 days.
pub const HORIZON_US: i64 = 30 * leadscore_domain::time::DAY_US;

/// A simulated brokerage. Cheap to share between threads; leads are made when they are asked for.
#[derive(Debug)]
pub struct World {
    options: SimulationOptions,
    market: Market,
    agents: Vec<Agent>,
}

/// An event and when the brokerage's systems handed it over.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedEvent {
    /// When it arrived; from then on a score may know it.
    pub received_at: Timestamp,
    /// What arrived.
    pub envelope: EventEnvelope,
}

/// What is visible of one lead, and how it really went.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadHistory {
    /// The lead's number.
    pub number: u64,
    /// Every event, ordered by arrival; those after [`SimulationOptions::end`] belong to the live part.
    pub events: Vec<ReceivedEvent>,
    /// When the lead converted, if it did before the world stops.
    pub converted_at: Option<Timestamp>,
    /// The last outcome that a CRM recorded, and when; most leads never get one.
    pub outcome: Option<(Timestamp, OutcomeResult)>,
}

/// Hidden facts about a lead: what tests compare estimates with. Never part of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct HiddenFacts {
    /// What the lead is after.
    pub intent: Intent,
    /// What the lead can spend, in US dollars (for renters: per month).
    pub budget: f64,
    /// How serious the lead is, 0 to 1.
    pub seriousness: f64,
    /// Relative chance that the lead answers a call, by local hour of the week (Monday 00:00 = 0); mean 1.
    pub answer_habit: Vec<f64>,
    /// The lead's IANA time zone.
    pub time_zone: &'static str,
    /// How careful the lead's agent is, 0 to 1.
    pub agent_care: f64,
}

impl World {
    /// Lays out the market and the agents; no lead yet.
    ///
    /// # Errors
    /// Where the options are out of range.
    pub fn new(options: SimulationOptions) -> Result<Self, SimulationError> {
        options.validate()?;
        let market = Market::new(&options);
        let agents = Agent::team(options.seed);
        Ok(Self { options, market, agents })
    }

    /// The options that the world was made from.
    #[must_use]
    pub fn options(&self) -> &SimulationOptions {
        &self.options
    }

    /// How many leads there are, with those that turn up after [`SimulationOptions::end`].
    #[must_use]
    pub fn total_leads(&self) -> u64 {
        self.options.total_leads()
    }

    /// Everything visible of lead `number`, to the end of the world; `None` where there is no such lead.
    #[must_use]
    pub fn lead(&self, number: u64) -> Option<LeadHistory> {
        let life = self.life(number)?;
        Some(visible::history(&life, self))
    }

    /// What the areas' statistics said of each month, published about a month later and before the end.
    #[must_use]
    pub fn market(&self) -> Vec<MarketSnapshot> {
        self.market.snapshots(self.options.end)
    }

    /// The probability that lead `number` converts within the 30 days after `at`, given that it has not by then.
    ///
    /// Conditional on everything hidden and visible up to `at`; see `docs/SIMULATOR.md` for the exact law.
    /// `None` before the lead is first seen (five minutes less: clocks run ahead), once it has converted, after the world stops, and for unknown numbers.
    #[must_use]
    pub fn truth(&self, number: u64, at: Timestamp) -> Option<f64> {
        self.truths(number, &[at]).pop().flatten()
    }

    /// [`Self::truth`] at several instants of one lead, for the price of one life.
    #[must_use]
    pub fn truths(&self, number: u64, instants: &[Timestamp]) -> Vec<Option<f64>> {
        let Some(life) = self.life(number) else {
            return vec![None; instants.len()];
        };
        instants.iter().map(|&at| life.truth(self, at)).collect()
    }

    /// Hidden facts about lead `number`, for tests.
    #[must_use]
    pub fn hidden(&self, number: u64) -> Option<HiddenFacts> {
        let person = self.person(number)?;
        Some(HiddenFacts {
            intent: person.intent,
            budget: person.budget,
            seriousness: person.seriousness,
            answer_habit: person.habit.to_vec(),
            time_zone: person.zone,
            agent_care: self.agents[person.agent].care,
        })
    }

    fn person(&self, number: u64) -> Option<Person> {
        (number < self.total_leads()).then(|| Person::draw(&self.options, number))
    }

    fn life(&self, number: u64) -> Option<Life> {
        (number < self.total_leads()).then(|| Life::draw(self, number))
    }
}

/// The CRM id of lead `number`, such as `sim-000123`.
#[must_use]
pub fn lead_name(number: u64) -> String {
    format!("sim-{number:06}")
}

/// The lead's number in a CRM id that [`lead_name`] made.
#[must_use]
pub fn lead_number(crm_id: &str) -> Option<u64> {
    let digits = crm_id.strip_prefix("sim-")?;
    (digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}
