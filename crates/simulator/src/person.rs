//! Who a lead and an agent are: what stays the same over a lead's life, all of it hidden.

use jiff::tz::TimeZone;
use leadscore_domain::{
    Timestamp,
    time::{DAY_US, HOUR_US},
};

use crate::{
    SimulationOptions,
    draw::{self, Draw, Part, days_us, sigmoid},
    market::AREAS,
};

/// What a lead is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intent {
    /// A home to live in.
    Buyer,
    /// To sell a home.
    Seller,
    /// A home to let.
    Investor,
    /// A home to rent.
    Renter,
    /// Nothing in particular: looks for pleasure.
    Browser,
}

/// Intents and their shares.
const INTENTS: [(Intent, f64); 5] = [
    (Intent::Buyer, 0.46),
    (Intent::Seller, 0.20),
    (Intent::Investor, 0.08),
    (Intent::Renter, 0.13),
    (Intent::Browser, 0.13),
];

/// Channels: name, share, typical seriousness of who comes that way.
pub(crate) const CHANNELS: [(&str, f64, f64); 7] = [
    ("referral", 0.10, 0.62),
    ("open_house", 0.08, 0.47),
    ("website", 0.24, 0.45),
    ("portal", 0.28, 0.40),
    ("paid_search", 0.12, 0.38),
    ("social", 0.12, 0.30),
    ("sign_call", 0.06, 0.52),
];

const TEAM_SIZE: u64 = 24;

/// Longest time from an anonymous visit to the creation, and from there to the join, in days. Twice this and the latest
/// arrival stay below a horizon, so that a lead whose outcome is known has its CRM id.
pub(crate) const JOINS_WITHIN_DAYS: f64 = 11.0;

/// An agent of the brokerage.
#[derive(Debug)]
pub(crate) struct Agent {
    /// As the CRM names the agent.
    pub id: String,
    /// How carefully leads are worked, 0 to 1.
    pub care: f64,
    /// How convincing: a factor on conversion.
    pub skill: f64,
    /// Median delay of the first answer, in minutes of working time.
    pub response_minutes: f64,
}

impl Agent {
    pub(crate) fn team(seed: u64) -> Vec<Self> {
        let mut draw = Draw::new(seed, draw::AGENTS_STREAM);
        (1..=TEAM_SIZE)
            .map(|n| {
                let care = sigmoid(1.1 * draw.normal());
                Self {
                    id: format!("agent-{n:02}"),
                    care,
                    skill: draw.log_normal(1.0, 0.15),
                    response_minutes: draw.log_normal(150.0, 0.5) * (1.6 * (1.0 - 2.0 * care)).exp(),
                }
            })
            .collect()
    }
}

/// When a lead's wish is strongest: a bell over the days of its life on a floor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Urgency {
    floor: f64,
    height: f64,
    peak_day: f64,
    width_days: f64,
}

impl Urgency {
    /// Factor on the speed at which the lead moves, about 0.3 to 4.
    pub(crate) fn at(&self, day: f64) -> f64 {
        let z = (day - self.peak_day) / self.width_days;
        self.floor + self.height * (-0.5 * z * z).exp()
    }

    /// Days until the peak, from the start of the lead's life.
    pub(crate) fn peak_day(&self) -> f64 {
        self.peak_day
    }
}

/// The lasting traits of one lead.
#[derive(Debug)]
pub(crate) struct Person {
    pub number: u64,
    /// First seen: the creation, or an anonymous visit days before.
    pub first_seen: Timestamp,
    /// When the brokerage got the lead.
    pub created_at: Timestamp,
    pub intent: Intent,
    /// Index into [`AREAS`].
    pub area: usize,
    pub zone: &'static str,
    pub time_zone: TimeZone,
    /// Index into [`CHANNELS`].
    pub channel: usize,
    /// Index into the team.
    pub agent: usize,
    pub budget: f64,
    /// Share of the area's homes that the budget reaches, 0 to 1.
    pub reach: f64,
    pub seriousness: f64,
    pub urgency: Urgency,
    /// Relative chance to answer a call, by local hour of the week; mean 1.
    pub habit: [f64; 168],
    /// Mean chance to answer a call when warm.
    pub answers: f64,
    /// Factor on visits to the web site: some look a lot without wanting anything.
    pub web: f64,
    /// Factor on opening e-mail.
    pub mail: f64,
}

impl Person {
    pub(crate) fn draw(options: &SimulationOptions, number: u64) -> Self {
        let draw = &mut Draw::of_lead(options.seed, number, Part::Person);
        let area = draw.weighted(&[0.22, 0.16, 0.14, 0.12, 0.11, 0.10, 0.08, 0.07]);
        // Some move from elsewhere and still live there.
        let zone = if draw.chance(0.1) { AREAS[draw.index(AREAS.len())].zone } else { AREAS[area].zone };
        let time_zone = TimeZone::get(zone).expect("the time zone database is compiled in");
        let created_at = creation(options, number, &time_zone, draw);
        let channel = draw.weighted(&CHANNELS.map(|(_, share, _)| share));
        let intent = INTENTS[draw.weighted(&INTENTS.map(|(_, share)| share))].0;
        let seriousness = seriousness(channel, intent, draw);
        let seen_before = CHANNELS[channel].0 == "website" && draw.chance(0.35);
        let lead_time = if seen_before { days_us(draw.exponential(4.0).clamp(0.02, JOINS_WITHIN_DAYS)) } else { 0 };
        let (budget, reach) = budget(area, intent, draw);
        Self {
            number,
            first_seen: created_at.plus_micros(-lead_time),
            created_at,
            intent,
            area,
            zone,
            time_zone,
            channel,
            agent: draw.index(usize::try_from(TEAM_SIZE).unwrap_or(1)),
            budget,
            reach,
            seriousness,
            urgency: urgency(draw),
            habit: habit(draw),
            answers: sigmoid(-0.3 + 0.7 * draw.normal()),
            web: draw.log_normal(if intent == Intent::Browser { 1.6 } else { 0.8 }, 0.65).min(6.0),
            mail: draw.log_normal(0.8, 0.6).min(3.0),
        }
    }

    /// The lead's offset from UTC at `at`, in microseconds.
    pub(crate) fn offset_us(&self, at: Timestamp) -> i64 {
        i64::from(self.time_zone.to_offset(at.to_jiff()).seconds()) * leadscore_domain::time::SECOND_US
    }
}

/// Local hour of the week, Monday 00:00 = 0.
pub(crate) fn hour_of_week(at: Timestamp, offset_us: i64) -> usize {
    // 1970-01-05 was a Monday.
    let hours = (at.as_micros() + offset_us - 4 * DAY_US).div_euclid(HOUR_US).rem_euclid(168);
    usize::try_from(hours).unwrap_or(0)
}

/// When people write to a brokerage: more by day and evening, a little more at weekends.
pub(crate) fn busy(hour_of_week: usize) -> f64 {
    const BY_HOUR: [f64; 24] = [
        0.10, 0.06, 0.04, 0.03, 0.04, 0.08, 0.18, 0.35, 0.55, 0.68, 0.74, 0.78, 0.84, 0.78, 0.70, 0.68, 0.72, 0.80,
        0.90, 1.00, 0.98, 0.80, 0.50, 0.25,
    ];
    BY_HOUR[hour_of_week % 24] * if hour_of_week >= 120 { 1.0 } else { 0.88 }
}

/// Uniform over the history (or the live part for later numbers), thinned by season and hour.
fn creation(options: &SimulationOptions, number: u64, zone: &TimeZone, draw: &mut Draw) -> Timestamp {
    let (from, days) = if number < options.leads {
        (options.start(), f64::from(options.days))
    } else {
        (options.end, f64::from(options.live_days))
    };
    loop {
        let at = from.plus_micros(days_us(draw.between(0.0, days)));
        let offset_us = i64::from(zone.to_offset(at.to_jiff()).seconds()) * leadscore_domain::time::SECOND_US;
        let year_share = f64::from(at.day().rem_euclid(365)) / 365.0;
        let season = 0.8 + 0.2 * (std::f64::consts::TAU * (year_share - 0.2)).sin();
        if draw.chance(season * busy(hour_of_week(at, offset_us))) {
            return at;
        }
    }
}

fn seriousness(channel: usize, intent: Intent, draw: &mut Draw) -> f64 {
    let typical = CHANNELS[channel].2;
    let of_intent = match intent {
        Intent::Buyer => 0.0,
        Intent::Seller => 0.3,
        Intent::Investor => 0.1,
        Intent::Renter => -0.4,
        Intent::Browser => -1.8,
    };
    sigmoid((typical / (1.0 - typical)).ln() + of_intent + 1.0 * draw.normal())
}

/// What the lead can spend, and the share of homes within it (log-normal prices).
fn budget(area: usize, intent: Intent, draw: &mut Draw) -> (f64, f64) {
    let median = if intent == Intent::Renter { AREAS[area].median_rent } else { AREAS[area].median_price };
    let ratio = draw.log_normal(0.95, 0.35);
    (median * ratio, sigmoid(ratio.ln() / 0.25))
}

fn urgency(draw: &mut Draw) -> Urgency {
    let soon = draw.chance(0.45);
    Urgency {
        floor: draw.between(0.2, 0.5),
        height: draw.log_normal(1.5, 0.5).min(4.0),
        peak_day: draw.exponential(if soon { 18.0 } else { 150.0 }),
        width_days: draw.between(15.0, 50.0),
    }
}

/// One of four kinds of weeks, blurred: office hours are bad for some and good for others.
fn habit(draw: &mut Draw) -> [f64; 168] {
    // Centre and width of up to two good times on a working day, and on a weekend day.
    const KINDS: [[(f64, f64, f64); 3]; 4] = [
        [(12.5, 1.2, 1.0), (18.8, 1.8, 1.6), (11.5, 3.5, 1.2)],
        [(9.5, 1.8, 1.5), (13.0, 2.5, 0.8), (10.5, 2.5, 0.8)],
        [(15.0, 3.5, 1.3), (20.0, 1.5, 0.7), (15.0, 4.0, 1.0)],
        [(19.8, 1.5, 1.8), (8.2, 0.9, 0.7), (14.0, 4.0, 1.6)],
    ];
    let kind = KINDS[draw.weighted(&[0.38, 0.24, 0.18, 0.20])];
    let shift = 0.8 * draw.normal();
    let depth = draw.between(0.5, 1.0);
    let bell = |hour: f64, (centre, width, height): (f64, f64, f64)| {
        let z = (hour - centre - shift) / width;
        height * (-0.5 * z * z).exp()
    };
    let mut habit = [0.0; 168];
    for (n, value) in habit.iter_mut().enumerate() {
        let hour = (n % 24) as f64 + 0.5;
        let good = if n >= 120 { bell(hour, kind[2]) } else { bell(hour, kind[0]) + bell(hour, kind[1]) };
        let awake = if (8..21).contains(&(n % 24)) { 0.35 } else { 0.05 };
        *value = awake + depth * good;
    }
    let mean = habit.iter().sum::<f64>() / 168.0;
    habit.map(|value| value / mean)
}
