//! One lead's hidden life: the diary, the states, the conversion; and the truth that follows from them.

use leadscore_domain::{
    Timestamp, limits,
    time::{DAY_US, HOUR_US},
};

use crate::{
    HORIZON_US, World,
    chain::{Chain, Contact, Phase, STATES, State, Step},
    draw::{Draw, Part, days_us, minutes_us},
    person::{Agent, Person, hour_of_week},
};

/// What happened to a lead, hidden from everybody.
pub(crate) struct Life {
    pub person: Person,
    /// Moments that split the life; goes on for a horizon after the world stops.
    pub diary: Vec<Step>,
    /// The state from each step to the next, up to the conversion or the world's stop.
    pub states: Vec<State>,
    /// What the contact at each step was.
    pub contacts: Vec<Contact>,
    pub converted_at: Option<Timestamp>,
}

impl Life {
    pub(crate) fn draw(world: &World, number: u64) -> Self {
        let seed = world.options.seed;
        let person = Person::draw(&world.options, number);
        let agent = &world.agents[person.agent];
        let until = world.options.stop().plus_micros(HORIZON_US + DAY_US);
        let diary = diary(&person, agent, until, &mut Draw::of_lead(seed, number, Part::Diary));
        let chain = Chain { person: &person, agent, market: &world.market };
        let draw = &mut Draw::of_lead(seed, number, Part::States);
        let mut state = State { phase: Phase::ALL[draw.weighted(&chain.start())], trust: 0 };
        let (mut states, mut contacts, mut converted_at) = (vec![state], vec![Contact::None], None);
        for pair in diary.windows(2) {
            let days = pair[1].at.since(pair[0].at) as f64 / DAY_US as f64;
            let hazard = chain.hazard(&pair[0], state);
            let wait_days = draw.exponential(1.0) / hazard;
            if wait_days < days {
                converted_at = Some(pair[0].at.plus_micros(days_us(wait_days))).filter(|at| *at < world.options.stop());
                break;
            }
            if pair[1].at >= world.options.stop() {
                break;
            }
            let (contact, next) = chain.draw(&pair[1], state, draw);
            state = next;
            states.push(state);
            contacts.push(contact);
        }
        Self { person, diary, states, contacts, converted_at }
    }

    /// Probability of conversion within a horizon after `at`: see [`World::truth`].
    pub(crate) fn truth(&self, world: &World, at: Timestamp) -> Option<f64> {
        // The first event may come from a clock that runs ahead: the life begins with it.
        let since = self.person.first_seen.plus_micros(-limits::CLOCK_SKEW_MAX_US);
        let known =
            at >= since && at <= world.options.stop() && self.converted_at.is_none_or(|converted| converted > at);
        if !known {
            return None;
        }
        let chain = Chain { person: &self.person, agent: &world.agents[self.person.agent], market: &world.market };
        let present = self.diary.partition_point(|step| step.at <= at).saturating_sub(1).min(self.states.len() - 1);
        let until = at.plus_micros(HORIZON_US);
        let mut mass = [0.0; STATES];
        mass[self.states[present].index()] = 1.0;
        let mut from = at.max(self.person.first_seen);
        for pair in self.diary[present..].windows(2) {
            let to = pair[1].at.min(until);
            survive(&chain, &pair[0], to.since(from) as f64 / DAY_US as f64, &mut mass);
            if to == until {
                break;
            }
            mass = chain.spread(&pair[1], &mass);
            from = to;
        }
        Some((1.0 - mass.iter().sum::<f64>()).clamp(0.0, 1.0))
    }
}

/// Takes those who convert within `days` out of the mass.
fn survive(chain: &Chain<'_>, step: &Step, days: f64, mass: &mut [f64; STATES]) {
    for (index, share) in mass.iter_mut().enumerate() {
        if *share > 0.0 {
            *share *= (-chain.hazard(step, State::of(index)) * days).exp();
        }
    }
}

/// The moments at which the agent has time: the first answer, then once a day at a varying hour.
fn diary(person: &Person, agent: &Agent, until: Timestamp, draw: &mut Draw) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(64);
    let mut add = |at: Timestamp, offset_us: i64, attempt: f64, freshness: f64| {
        let elapsed_days = steps.last().map_or(0.0, |before| at.since(before.at) as f64 / DAY_US as f64);
        let age_days = at.since(person.created_at) as f64 / DAY_US as f64;
        let open = at >= person.created_at;
        let habit = person.habit[hour_of_week(at, offset_us)];
        let (urgency, fades) = (person.urgency.at(age_days), 1.0 - (-0.025 * elapsed_days).exp());
        steps.push(Step { at, elapsed_days, age_days, attempt, habit, freshness, open, urgency, fades });
    };
    if person.first_seen < person.created_at {
        add(person.first_seen, 0, 0.0, 1.0);
    }
    add(person.created_at, 0, 0.0, 1.0);
    let first = first_answer(person, agent, draw);
    let hours = first.since(person.created_at) as f64 / HOUR_US as f64;
    // About 1.5 after five minutes, 1 after two hours, 0.6 from half a day on.
    let freshness = (1.6 - 0.6 * (1.0 + 12.0 * hours).ln() / 25.0_f64.ln()).clamp(0.6, 1.6);
    add(first, person.offset_us(first), 0.94, freshness);
    let mut day = 1_i32;
    loop {
        let noon = person.created_at.plus_micros(i64::from(day) * DAY_US);
        let offset_us = person.offset_us(noon);
        let midnight = (noon.as_micros() + offset_us).div_euclid(DAY_US) * DAY_US - offset_us;
        let minute = diary_minute(draw);
        let at = Timestamp::from_micros(midnight).unwrap_or(noon).plus_micros(minutes_us(minute));
        day += 1;
        if at > until {
            add(until.max(first.plus_micros(1)), 0, 0.0, 1.0);
            return steps;
        }
        if at > first.plus_micros(2 * HOUR_US) {
            let weekday = [1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.2][hour_of_week(at, offset_us) / 24];
            add(at, offset_us, (cadence(f64::from(day)) * (0.3 + 1.2 * agent.care) * weekday).min(0.9), 1.0);
        }
    }
}

/// The agent's time for a lead, in minutes after the lead's midnight: mornings and late afternoons, some evenings.
fn diary_minute(draw: &mut Draw) -> f64 {
    let centre = *draw.pick(&[9.5, 10.5, 11.5, 13.5, 15.0, 16.5, 17.5, 18.5, 19.5]);
    60.0 * (centre + 0.7 * draw.normal()).clamp(8.0, 20.9)
}

/// How often a lead is looked after, per day, as it grows old.
fn cadence(day: f64) -> f64 {
    match day {
        day if day <= 3.0 => 0.4,
        day if day <= 10.0 => 0.17,
        day if day <= 30.0 => 0.055,
        day if day <= 120.0 => 0.022,
        _ => 0.01,
    }
}

/// The agent's delay counts in working hours only, except that the quickest also answer in the evening.
fn first_answer(person: &Person, agent: &Agent, draw: &mut Draw) -> Timestamp {
    let minutes = draw.log_normal(agent.response_minutes, 1.1).clamp(1.0, 5.0 * 24.0 * 60.0);
    let late = if minutes < 20.0 { 21 } else { 19 };
    let mut at = person.created_at.plus_micros(minutes_us(minutes));
    for _ in 0..72 {
        let hour = hour_of_week(at, person.offset_us(at));
        if (8..late).contains(&(hour % 24)) && hour < 6 * 24 {
            break;
        }
        at = at.plus_micros(HOUR_US);
    }
    at.plus_micros(minutes_us(draw.between(0.0, 3.0)))
}
