//! The market: heat and prices per area and month, with seasons and trends, and the statistics published of it.
//!
//! Invariant: the heat that moves leads is exact; what is published is noisy, a month late and has gaps.

use jiff::civil::Date;
use leadscore_domain::{MarketSnapshot, Timestamp, time::DAY_US};

use crate::{
    SimulationOptions,
    draw::{self, Draw},
};

/// A metropolitan area that the brokerage works in.
pub(crate) struct Area {
    pub name: &'static str,
    pub zone: &'static str,
    pub median_price: f64,
    pub median_rent: f64,
}

const fn area(name: &'static str, zone: &'static str, median_price: f64, median_rent: f64) -> Area {
    Area { name, zone, median_price, median_rent }
}

/// Areas by falling share of leads.
pub(crate) const AREAS: [Area; 8] = [
    area("Austin, TX", "America/Chicago", 445_000.0, 1_750.0),
    area("Denver, CO", "America/Denver", 580_000.0, 1_950.0),
    area("Phoenix, AZ", "America/Phoenix", 450_000.0, 1_650.0),
    area("Tampa, FL", "America/New_York", 375_000.0, 1_800.0),
    area("Nashville, TN", "America/Chicago", 435_000.0, 1_780.0),
    area("Columbus, OH", "America/New_York", 315_000.0, 1_350.0),
    area("Portland, OR", "America/Los_Angeles", 540_000.0, 1_700.0),
    area("Boston, MA", "America/New_York", 690_000.0, 2_900.0),
];

/// Exponent of the heat in conversions.
const PULL: f64 = 0.6;
/// Months before the start of the history for which statistics exist.
const MONTHS_BEFORE: i32 = 14;

#[derive(Debug)]
struct Month {
    start: Timestamp,
    end: Timestamp,
    heat: f64,
    price: f64,
}

/// Heat and prices of every area over the world's life.
#[derive(Debug)]
pub(crate) struct Market {
    seed: u64,
    /// By area, in time order.
    months: Vec<Vec<Month>>,
    first_day: i32,
    /// By area and day since `first_day`: what the month's heat, interpolated between the middles of months, does to
    /// conversions.
    pull: Vec<Vec<f64>>,
}

impl Market {
    pub(crate) fn new(options: &SimulationOptions) -> Self {
        let firsts = month_firsts(options);
        let months: Vec<Vec<Month>> =
            AREAS.iter().zip(streams(options.seed)).map(|(area, mut draw)| path(area, &firsts, &mut draw)).collect();
        let first_day = options.start().day() - 90;
        let day_count = options.stop().day() + 70 - first_day;
        let of_days = |path: &Vec<Month>| (0..day_count).map(|d| interpolate(path, first_day + d).powf(PULL)).collect();
        Self { seed: options.seed, first_day, pull: months.iter().map(of_days).collect(), months }
    }

    /// The factor on conversions in `area` on `day`; 1 in an ordinary market.
    pub(crate) fn pull(&self, area: usize, day: i32) -> f64 {
        let days = &self.pull[area];
        let last = i32::try_from(days.len()).unwrap_or(i32::MAX) - 1;
        days[usize::try_from((day - self.first_day).clamp(0, last)).unwrap_or(0)]
    }

    /// Everything published by `until`, by area and month.
    pub(crate) fn snapshots(&self, until: Timestamp) -> Vec<MarketSnapshot> {
        // A stream of its own: what is published must not depend on how the world was drawn.
        let streams = streams(self.seed ^ 0x6d61_726b_6574);
        let mut all = Vec::new();
        for ((area, months), mut draw) in AREAS.iter().zip(&self.months).zip(streams) {
            for month in months {
                let snapshot = publish(area, month, &mut draw);
                if snapshot.published_at <= until {
                    all.push(snapshot);
                }
            }
        }
        all
    }
}

/// One stream per area.
fn streams(seed: u64) -> impl Iterator<Item = Draw> {
    (0..AREAS.len() as u64).map(move |area| Draw::new(seed, draw::MARKET_STREAM - area))
}

/// First days of the months from [`MONTHS_BEFORE`] before the start to two after the stop.
fn month_firsts(options: &SimulationOptions) -> Vec<Date> {
    let of = |at: Timestamp| at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let shift = |date: Date, months: i32| date.saturating_add(jiff::Span::new().months(months));
    let (first, last) = (shift(of(options.start()), -MONTHS_BEFORE), shift(of(options.stop()), 3));
    (0..).map(|n| shift(first, n)).take_while(|date| *date <= last).collect()
}

fn midnight(date: Date) -> Timestamp {
    date.to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .and_then(|zoned| Timestamp::from_jiff(zoned.timestamp()).ok())
        .unwrap_or(Timestamp::MAX)
}

fn path(area: &Area, firsts: &[Date], draw: &mut Draw) -> Vec<Month> {
    let phase = draw.between(0.0, std::f64::consts::TAU);
    let trend = draw.between(-0.03, 0.06);
    let mut shock = 0.0;
    let mut months = Vec::with_capacity(firsts.len());
    for (n, pair) in firsts.windows(2).enumerate() {
        shock = 0.8 * shock + 0.07 * draw.normal();
        let years = n as f64 / 12.0;
        let season = 0.28 * (std::f64::consts::TAU * (f64::from(pair[0].month()) - 2.5) / 12.0).sin();
        let cycle = 0.20 * (std::f64::consts::TAU * years / 2.6 + phase).sin();
        months.push(Month {
            start: midnight(pair[0]),
            end: midnight(pair[1]),
            heat: (season + cycle + shock).exp(),
            price: area.median_price * (trend * years + 0.03 * season + 0.1 * shock).exp(),
        });
    }
    months
}

fn interpolate(months: &[Month], day: i32) -> f64 {
    let at = f64::from(day) + 0.5;
    let middle = |month: &Month| f64::from(month.start.day() + month.end.day()) / 2.0;
    let next = months.partition_point(|month| middle(month) <= at).clamp(1, months.len() - 1);
    let (before, after) = (&months[next - 1], &months[next]);
    let share = ((at - middle(before)) / (middle(after) - middle(before))).clamp(0.0, 1.0);
    before.heat + share * (after.heat - before.heat)
}

fn publish(area: &Area, month: &Month, draw: &mut Draw) -> MarketSnapshot {
    let size = 4.0e9 / area.median_price;
    let sold = size * 0.35 * draw.log_normal(month.heat, 0.06);
    let active = size * draw.log_normal(1.0 / month.heat, 0.08);
    let lag_days = draw.between(18.0, 34.0).round();
    let days_on_market = draw.log_normal(42.0 / month.heat, 0.08).round();
    let new_listings = (sold * draw.log_normal(1.15, 0.08)).round();
    let reduced = (0.22 / month.heat + 0.03 * draw.normal()).clamp(0.02, 0.6);
    let sale_to_list = (0.985 + 0.02 * (month.heat - 1.0) + 0.004 * draw.normal()).clamp(0.9, 1.08);
    let price = draw.log_normal(month.price, 0.01).round();
    let known = |value: f64, missing: f64, draw: &mut Draw| (!draw.chance(missing)).then_some(value);
    MarketSnapshot {
        area: area.name.to_owned(),
        period_start: month.start,
        published_at: month.end.plus_micros(lag_days as i64 * DAY_US + 14 * leadscore_domain::time::HOUR_US),
        median_price: Some(price),
        active_listings: Some(active.round()),
        new_listings: known(new_listings, 0.1, draw),
        homes_sold: Some(sold.round()),
        days_on_market: known(days_on_market, 0.05, draw),
        months_of_supply: Some((active / sold * 100.0).round() / 100.0),
        price_reduced_share: known((reduced * 1_000.0).round() / 1_000.0, 0.15, draw),
        sale_to_list: known((sale_to_list * 1_000.0).round() / 1_000.0, 0.05, draw),
    }
}
