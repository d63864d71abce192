//! Rows of market data: long (an area and month each) and wide (an area with a column per month).

use std::collections::{BTreeMap, HashMap};

use jiff::{ToSpan, tz::TimeZone};
use leadscore_domain::{MarketSnapshot, Timestamp, time::DAY_US};

use super::row::{Column, Context, Instants, Output, Positions, Reject};
use crate::ingest::files::{
    ImportError,
    cells::Cells,
    mapping::{Mapping, MarketLayout},
    values::{self, same_word},
};

/// How a row of a market file is read.
pub(super) struct MarketPlan {
    area: Column,
    area_names: BTreeMap<String, String>,
    layout: Layout,
    published_after_us: i64,
    filters: Vec<(Column, Vec<String>)>,
}

enum Layout {
    Long { period: Instants, measures: Vec<(Column, String, f64)> },
    Wide { field: String, scale: f64, months: Vec<(Column, Timestamp)> },
}

impl MarketPlan {
    pub fn new(mapping: &Mapping, positions: &mut Positions<'_>, names: &[String]) -> Result<Self, ImportError> {
        let market = mapping.market.as_ref().ok_or_else(|| ImportError::mapping("market", "is missing", "add it"))?;
        let layout = match &market.layout {
            MarketLayout::Long { period, measures } => Layout::Long {
                period: Instants::new(period, positions)?,
                measures: measures.iter().map(|m| (positions.of(&m.column), m.field.clone(), m.scale)).collect(),
            },
            MarketLayout::Wide { field, scale, format } => {
                let dated = |name: &String| format.read(name, &TimeZone::UTC).ok().map(|at| (positions.of(name), at));
                let months: Vec<_> = names.iter().filter_map(dated).collect();
                if months.is_empty() {
                    let remedy = "correct the format, or draft the mapping again";
                    return Err(ImportError::mapping("market.layout.wide.format", "fits no column's name", remedy));
                }
                Layout::Wide { field: field.clone(), scale: *scale, months }
            }
        };
        Ok(Self {
            area: positions.of(&market.area),
            area_names: market.area_names.clone(),
            layout,
            published_after_us: i64::from(market.published_after_days) * DAY_US,
            filters: market.filters.iter().map(|f| (positions.of(&f.column), f.values.clone())).collect(),
        })
    }

    pub fn read(&self, cells: &Cells, context: &Context) -> Result<Output, Reject> {
        let missing = &context.missing;
        for (column, accepted) in &self.filters {
            let value = column.known(cells, missing).unwrap_or_default();
            if !accepted.iter().any(|word| same_word(word.trim(), value)) {
                return Ok(Output::PassedOver);
            }
        }
        let area = self.area.known(cells, missing).ok_or_else(|| self.area.reject("is missing"))?;
        let area =
            self.area_names.iter().find(|(name, _)| same_word(name.trim(), area)).map_or(area, |(_, other)| other);
        let area = values::category(area).into_owned();
        let mut snapshots = Vec::new();
        match &self.layout {
            Layout::Long { period, measures } => {
                let at = period.read(cells, missing)?.ok_or_else(|| period.column.reject("is missing"))?;
                let mut snapshot = self.snapshot(&area, at)?;
                for (column, field, scale) in measures {
                    if let Some(number) = read_number(column, cells, context)? {
                        *field_of(&mut snapshot, field) = Some(number * scale);
                    }
                }
                snapshots.push(snapshot);
            }
            Layout::Wide { field, scale, months } => {
                for (column, at) in months {
                    if let Some(number) = read_number(column, cells, context)? {
                        let mut snapshot = self.snapshot(&area, *at)?;
                        *field_of(&mut snapshot, field) = Some(number * scale);
                        snapshots.push(snapshot);
                    }
                }
            }
        }
        snapshots.retain(|snapshot| values_of(snapshot).iter().any(Option::is_some));
        if snapshots.is_empty() {
            return Err(Reject::new("", "holds no figure"));
        }
        snapshots.iter().try_for_each(MarketSnapshot::validate)?;
        Ok(Output::Market(snapshots))
    }

    fn snapshot(&self, area: &str, at: Timestamp) -> Result<MarketSnapshot, Reject> {
        let month = at.to_jiff().to_zoned(TimeZone::UTC).date().first_of_month();
        let next = month.saturating_add(1.month());
        let instant = |date: jiff::civil::Date| {
            let instant = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
            Timestamp::from_jiff(instant).ok()
        };
        let (Some(start), Some(end)) = (instant(month), instant(next)) else {
            return Err(Reject::new("period", "is out of range"));
        };
        Ok(empty(area.to_owned(), start, end.plus_micros(self.published_after_us)))
    }
}

fn empty(area: String, period_start: Timestamp, published_at: Timestamp) -> MarketSnapshot {
    MarketSnapshot {
        area,
        period_start,
        published_at,
        median_price: None,
        active_listings: None,
        new_listings: None,
        homes_sold: None,
        days_on_market: None,
        months_of_supply: None,
        price_reduced_share: None,
        sale_to_list: None,
    }
}

fn read_number(column: &Column, cells: &Cells, context: &Context) -> Result<Option<f64>, Reject> {
    let Some(text) = column.known(cells, &context.missing) else { return Ok(None) };
    values::number(text, context.decimal).map(Some).map_err(|problem| column.reject(problem))
}

/// The measure named `field`. Names are checked with the mapping.
fn field_of<'a>(snapshot: &'a mut MarketSnapshot, field: &str) -> &'a mut Option<f64> {
    match field {
        "median_price" => &mut snapshot.median_price,
        "active_listings" => &mut snapshot.active_listings,
        "new_listings" => &mut snapshot.new_listings,
        "homes_sold" => &mut snapshot.homes_sold,
        "days_on_market" => &mut snapshot.days_on_market,
        "months_of_supply" => &mut snapshot.months_of_supply,
        "price_reduced_share" => &mut snapshot.price_reduced_share,
        _ => &mut snapshot.sale_to_list,
    }
}

const fn values_of(snapshot: &MarketSnapshot) -> [Option<f64>; 8] {
    [
        snapshot.median_price,
        snapshot.active_listings,
        snapshot.new_listings,
        snapshot.homes_sold,
        snapshot.days_on_market,
        snapshot.months_of_supply,
        snapshot.price_reduced_share,
        snapshot.sale_to_list,
    ]
}

/// What is known of the market already: files bring one measure each, and the store keeps one snapshot per area,
/// month and publication.
#[derive(Default)]
pub(super) struct Known(HashMap<(String, Timestamp, Timestamp), MarketSnapshot>);

impl Known {
    pub fn new(snapshots: Vec<MarketSnapshot>) -> Self {
        let mut known = Self::default();
        snapshots.into_iter().for_each(|snapshot| {
            known.merge(snapshot);
        });
        known
    }

    /// Adds a snapshot; returns it with the measures that were known before, and whether anything is new.
    pub fn merge(&mut self, snapshot: MarketSnapshot) -> (MarketSnapshot, bool) {
        let key = (snapshot.area.to_lowercase(), snapshot.period_start, snapshot.published_at);
        let before = self.0.get(&key).cloned();
        let mut merged = snapshot;
        if let Some(before) = &before {
            merged.area.clone_from(&before.area);
            for (field, value) in crate::ingest::files::mapping::MARKET_FIELDS.iter().zip(values_of(before)) {
                let slot = field_of(&mut merged, field);
                *slot = slot.or(value);
            }
        }
        let new = before.as_ref() != Some(&merged);
        self.0.insert(key, merged.clone());
        (merged, new)
    }
}
