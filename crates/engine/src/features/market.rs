//! Supply and demand of homes where a lead looks, as known at an instant.
//!
//! Owns: [`Market`], [`Conditions`] and which area counts for a lead. Invariant: only what was published by the
//! instant is visible, revisions included. Deliberately absent: anything about who lives in an area.

use std::collections::HashMap;

use leadscore_domain::{MarketSnapshot, Timestamp, time::DAY_US};

use super::{LeadState, registers::hash_text};

/// The area that stands for leads whose areas are unknown.
const NATION: &str = "US";
/// Length of a mean month, in days.
const MONTH_DAYS: i64 = 30;
/// How far from the wanted month the month of a comparison may lie, in days.
const MONTH_TOLERANCE_DAYS: i64 = 20;

/// Market of one area as known from one publication on. Unknown is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// From when on this was known.
    pub published_at: Timestamp,
    /// First instant of the latest month described.
    pub period_start: Timestamp,
    /// Median price, in the brokerage's currency.
    pub median_price: f64,
    /// ln of the median price over that of three months before.
    pub price_change_3m: f64,
    /// ln of the median price over that of twelve months before.
    pub price_change_12m: f64,
    /// Median days on market.
    pub days_on_market: f64,
    /// Months that the supply would last.
    pub months_of_supply: f64,
    /// Share of listings with a reduced price, 0 to 1.
    pub price_reduced_share: f64,
    /// Sale price over list price.
    pub sale_to_list: f64,
    /// New listings of the month over active ones.
    pub listing_inflow: f64,
}

/// Market data of every area, by instant of publication.
#[derive(Debug, Clone, Default)]
pub struct Market {
    areas: HashMap<u64, Vec<Conditions>>,
    nation: u64,
}

impl Market {
    /// From snapshots in any order; of one month and area published twice, the later one counts once it is out.
    #[must_use]
    pub fn new(snapshots: Vec<MarketSnapshot>) -> Self {
        let mut by_area: HashMap<u64, Vec<MarketSnapshot>> = HashMap::new();
        for snapshot in snapshots {
            by_area.entry(hash_text(&snapshot.area)).or_default().push(snapshot);
        }
        let areas = by_area.into_iter().map(|(area, months)| (area, timeline(months))).collect();
        Self { areas, nation: hash_text(NATION) }
    }

    /// No market data.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Vec::new())
    }

    /// Whether there is no data at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The market of `area`, in any case, as known at `at`.
    #[must_use]
    pub fn conditions(&self, area: &str, at: Timestamp) -> Option<&Conditions> {
        self.known(hash_text(area), at)
    }

    /// The market where the lead looks: the first known area of its latest search, else the area that it named most
    /// often, else `US`.
    #[must_use]
    pub fn conditions_for(&self, state: &LeadState, at: Timestamp) -> Option<&Conditions> {
        if self.is_empty() {
            return None;
        }
        let searched = state.search_areas.get().map(Vec::as_slice).unwrap_or_default();
        searched
            .iter()
            .find_map(|area| self.known(*area, at))
            .or_else(|| self.known(state.areas.mode()?, at))
            .or_else(|| self.known(self.nation, at))
    }

    fn known(&self, area: u64, at: Timestamp) -> Option<&Conditions> {
        let timeline = self.areas.get(&area)?;
        let published = timeline.partition_point(|conditions| conditions.published_at <= at);
        timeline[..published].last()
    }
}

/// What was known after each publication, ascending.
fn timeline(mut months: Vec<MarketSnapshot>) -> Vec<Conditions> {
    months.sort_by_key(|month| (month.published_at, month.period_start));
    let mut latest: Option<usize> = None;
    let mut timeline: Vec<Conditions> = Vec::with_capacity(months.len());
    for index in 0..months.len() {
        // A late revision of an old month does not push the newest month aside.
        let newest = latest.filter(|held| months[*held].period_start > months[index].period_start).unwrap_or(index);
        latest = Some(newest);
        let conditions = describe(&months[..=index], newest);
        timeline.push(Conditions { published_at: months[index].published_at, ..conditions });
    }
    timeline
}

fn describe(known: &[MarketSnapshot], newest: usize) -> Conditions {
    let month = &known[newest];
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let median = or_nan(month.median_price);
    let change = |months: i64| {
        let then = month.period_start.plus_micros(-months * MONTH_DAYS * DAY_US - months / 2 * DAY_US);
        let before = price_near(known, then).unwrap_or(f64::NAN);
        if median > 0.0 && before > 0.0 { (median / before).ln() } else { f64::NAN }
    };
    let inflow = or_nan(month.new_listings) / or_nan(month.active_listings);
    Conditions {
        published_at: month.published_at,
        period_start: month.period_start,
        median_price: median,
        price_change_3m: change(3),
        price_change_12m: change(12),
        days_on_market: or_nan(month.days_on_market),
        months_of_supply: or_nan(month.months_of_supply),
        price_reduced_share: or_nan(month.price_reduced_share),
        sale_to_list: or_nan(month.sale_to_list),
        listing_inflow: if inflow.is_finite() { inflow } else { f64::NAN },
    }
}

/// Median price of the month that begins nearest to `then`, as last published.
fn price_near(known: &[MarketSnapshot], then: Timestamp) -> Option<f64> {
    known
        .iter()
        .enumerate()
        .filter(|(_, month)| month.median_price.is_some())
        .map(|(index, month)| (month.period_start.since(then).abs(), std::cmp::Reverse(index), month.median_price))
        .filter(|(distance, ..)| *distance <= MONTH_TOLERANCE_DAYS * DAY_US)
        .min_by_key(|(distance, index, _)| (*distance, *index))
        .and_then(|(.., price)| price)
}
