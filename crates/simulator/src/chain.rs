//! The hidden Markov chain of a lead: how it moves between phases and levels of trust, and when it converts.
//!
//! Owns: every rate and probability of the hidden world. `life` draws from them, `truth` adds them up: the same
//! functions, so that the two cannot disagree.
//! Invariant: what happens next depends on the present state, the lead's lasting traits, the diary and the market only.

use leadscore_domain::Timestamp;

use crate::{
    draw::Draw,
    market::Market,
    person::{Agent, Intent, Person},
};

/// Where a lead stands in its own mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Thinks of something else.
    Idle,
    /// Looks around.
    Looking,
    /// Means it.
    Active,
    /// Is about to decide.
    Deciding,
    /// Went elsewhere or gave up.
    Gone,
}

impl Phase {
    pub(crate) const ALL: [Self; 5] = [Self::Idle, Self::Looking, Self::Active, Self::Deciding, Self::Gone];
}

/// Levels of trust: a stranger, has met us, warm, close.
pub(crate) const TRUST_LEVELS: usize = 4;
/// States of the chain.
pub(crate) const STATES: usize = Phase::ALL.len() * TRUST_LEVELS;

/// The hidden state between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub phase: Phase,
    /// 0 to `TRUST_LEVELS - 1`.
    pub trust: usize,
}

impl State {
    pub(crate) const fn index(self) -> usize {
        self.phase as usize * TRUST_LEVELS + self.trust
    }

    pub(crate) const fn of(index: usize) -> Self {
        Self { phase: Phase::ALL[index / TRUST_LEVELS], trust: index % TRUST_LEVELS }
    }
}

/// What came of the agent's look at the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contact {
    /// Nobody called.
    None,
    /// The agent called, nobody answered.
    Unanswered,
    /// A conversation that helped.
    Good,
    /// A conversation that did not.
    Bad,
    /// The lead called, and was helped.
    Inbound,
}

impl Contact {
    const ALL: [Self; 5] = [Self::None, Self::Unanswered, Self::Good, Self::Bad, Self::Inbound];
}

/// One moment at which the lead's agent has time for it: fixed beforehand, whatever happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub at: Timestamp,
    /// Days since the step before.
    pub elapsed_days: f64,
    /// Days since the lead was created.
    pub age_days: f64,
    /// Chance that the agent takes the time for a cold lead.
    pub attempt: f64,
    /// The lead's relative chance to answer at this hour of its week.
    pub habit: f64,
    /// Factor on answering and on what the first conversation is worth: quick answers are worth more.
    pub freshness: f64,
    /// Whether the brokerage has the lead by now: before, it cannot convert.
    pub open: bool,
    /// How strong the lead's wish is: a factor on the speed at which it moves.
    pub urgency: f64,
    /// Chance that a level of trust was lost since the step before.
    pub fades: f64,
}

/// The chain's rates for one lead.
pub(crate) struct Chain<'a> {
    pub person: &'a Person,
    pub agent: &'a Agent,
    pub market: &'a Market,
}

impl Chain<'_> {
    /// Weights of the phases at the start.
    pub(crate) fn start(&self) -> [f64; 4] {
        let (s, u) = (self.person.seriousness, self.person.urgency.at(0.0).min(3.0));
        [0.55 * (1.2 - s), 0.6, 0.28 * s * u, 0.05 * s * u]
    }

    /// Conversions per day while in `state` after `step`.
    pub(crate) fn hazard(&self, step: &Step, state: State) -> f64 {
        if !step.open {
            return 0.0;
        }
        let of_phase = match state.phase {
            Phase::Idle => 0.0004,
            Phase::Looking => 0.0015,
            Phase::Active => 0.006,
            Phase::Deciding => 0.023,
            Phase::Gone => 0.00004,
        };
        let of_intent = match self.person.intent {
            Intent::Buyer => 1.0,
            Intent::Seller => 1.15,
            Intent::Investor => 0.9,
            Intent::Renter => 0.8,
            Intent::Browser => 0.4,
        };
        let of_trust = [0.3, 0.75, 1.15, 1.6][state.trust];
        let of_reach = match self.person.intent {
            Intent::Seller => 1.0,
            Intent::Buyer | Intent::Investor | Intent::Renter | Intent::Browser => 0.3 + 1.1 * self.person.reach,
        };
        let pull = self.market.pull(self.person.area, step.at.day());
        of_phase * of_intent * of_trust * of_reach * pull * self.agent.skill
    }

    /// Chances of [`Contact::ALL`] at `step` in `state`.
    fn contacts(&self, step: &Step, state: State) -> [f64; 5] {
        // A careful agent sees who is warm.
        let attention = match state.phase {
            Phase::Idle => 0.7,
            Phase::Looking => 1.0,
            Phase::Active => 1.4 + self.agent.care,
            Phase::Deciding => 1.8 + 2.0 * self.agent.care,
            Phase::Gone => 0.5,
        };
        let inbound = match state.phase {
            Phase::Idle | Phase::Gone => 0.0,
            Phase::Looking => 0.004,
            Phase::Active => 0.02,
            Phase::Deciding => 0.05,
        } * (0.5 + 0.5 * state.trust as f64);
        let inbound = if step.attempt > 0.0 { inbound } else { 0.0 };
        let attempt = (step.attempt * attention).min(0.97) * (1.0 - inbound);
        let of_phase = match state.phase {
            Phase::Idle => 0.55,
            Phase::Looking => 0.85,
            Phase::Active => 1.25,
            Phase::Deciding => 1.4,
            Phase::Gone => 0.45,
        };
        let of_trust = [0.75, 1.0, 1.25, 1.4][state.trust];
        let answered = (self.person.answers * of_phase * of_trust * step.habit * step.freshness).min(0.95);
        let helpful = (0.45 + 0.45 * self.agent.care) * if state.phase == Phase::Gone { 0.4 } else { 1.0 };
        [
            1.0 - inbound - attempt,
            attempt * (1.0 - answered),
            attempt * answered * helpful,
            attempt * answered * (1.0 - helpful),
            inbound,
        ]
    }

    /// Where a lead in `state` goes, per day, in the interval that ends at `step`.
    fn moves(&self, step: &Step, state: State) -> [(Phase, f64); 3] {
        let u = step.urgency;
        let s = self.person.seriousness;
        let trust = state.trust as f64;
        // Whom nobody answers asks the next brokerage.
        let lost = [1.6, 1.0, 0.7, 0.5][state.trust];
        match state.phase {
            Phase::Idle => [(Phase::Looking, 0.009 * u * (0.4 + s)), (Phase::Gone, 0.005), (Phase::Idle, 0.0)],
            Phase::Looking => {
                [(Phase::Active, 0.045 * u * s), (Phase::Idle, 0.035 * (1.15 - s)), (Phase::Gone, 0.006 * lost)]
            }
            Phase::Active => [
                (Phase::Deciding, 0.040 * u * (0.4 + s) * (0.6 + 0.25 * trust)),
                (Phase::Looking, 0.03 / (0.5 + u)),
                (Phase::Gone, 0.009 * lost),
            ],
            Phase::Deciding => [(Phase::Active, 0.08), (Phase::Gone, 0.018 * lost), (Phase::Deciding, 0.0)],
            Phase::Gone => [(Phase::Idle, 0.004), (Phase::Gone, 0.0), (Phase::Gone, 0.0)],
        }
    }

    /// Draws what happens at `step` to a lead in `state`.
    pub(crate) fn draw(&self, step: &Step, state: State, draw: &mut Draw) -> (Contact, State) {
        let contact = Contact::ALL[draw.weighted(&self.contacts(step, state))];
        let trusts = trust_after(step, state.trust, contact);
        let trust = if draw.chance(trusts[0].1) { trusts[0].0 } else { trusts[1].0 };
        let moves = self.moves(step, State { phase: state.phase, trust });
        let total: f64 = moves.iter().map(|(_, rate)| rate).sum();
        let leaves = draw.chance(1.0 - (-total * step.elapsed_days).exp());
        let phase = if leaves { moves[draw.weighted(&moves.map(|(_, rate)| rate))].0 } else { state.phase };
        (contact, State { phase, trust })
    }

    /// The shares of a crowd in each state after `step`, from those before: what [`Self::draw`] does on average.
    pub(crate) fn spread(&self, step: &Step, before: &[f64; STATES]) -> [f64; STATES] {
        let mut met = [0.0; STATES];
        for (index, share) in before.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let state = State::of(index);
            for (contact, chance) in Contact::ALL.into_iter().zip(self.contacts(step, state)) {
                for (trust, of_trust) in trust_after(step, state.trust, contact) {
                    met[State { phase: state.phase, trust }.index()] += share * chance * of_trust;
                }
            }
        }
        let mut after = [0.0; STATES];
        for (index, share) in met.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let state = State::of(index);
            let moves = self.moves(step, state);
            let total: f64 = moves.iter().map(|(_, rate)| rate).sum();
            let stays = (-total * step.elapsed_days).exp();
            after[index] += share * stays;
            for (phase, rate) in moves {
                after[State { phase, trust: state.trust }.index()] += share * (1.0 - stays) * rate / total;
            }
        }
        after
    }
}

/// Trust after a contact: the levels it may go to, and their chances.
fn trust_after(step: &Step, trust: usize, contact: Contact) -> [(usize, f64); 2] {
    let top = TRUST_LEVELS - 1;
    match contact {
        // A first conversation within minutes of the request is worth two.
        Contact::Good if step.freshness > 1.3 => [((trust + 2).min(top), 0.7), ((trust + 1).min(top), 0.3)],
        Contact::Good | Contact::Inbound => [((trust + 1).min(top), 0.75), (trust, 0.25)],
        Contact::Bad => [(trust.saturating_sub(1), 0.6), (trust, 0.4)],
        Contact::None | Contact::Unanswered => [(trust.saturating_sub(1), step.fades), (trust, 1.0 - step.fades)],
    }
}
