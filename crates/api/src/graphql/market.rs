//! What is known of the market.

use async_graphql::SimpleObject;
use leadscore_domain::MarketSnapshot as Known;

use super::scalar::DateTime;

/// A page of market data.
#[derive(SimpleObject)]
pub struct Market {
    /// The snapshots.
    pub snapshots: Vec<MarketSnapshot>,
    /// `after` of the next page; `null` on the last one, and where one area was asked for.
    pub next: Option<String>,
}

/// What was known of an area's market for one month, from the day it was published.
#[derive(SimpleObject)]
pub struct MarketSnapshot {
    /// Name of the area.
    area: String,
    /// First instant of the month described.
    period_start: DateTime,
    /// From when on this was known.
    published_at: DateTime,
    /// Median price, in units of the brokerage's currency.
    median_price: Option<f64>,
    /// Homes for sale at the month's end.
    active_listings: Option<f64>,
    /// Homes newly listed in the month.
    new_listings: Option<f64>,
    /// Homes sold in the month.
    homes_sold: Option<f64>,
    /// Median days on market.
    days_on_market: Option<f64>,
    /// Months that the supply would last.
    months_of_supply: Option<f64>,
    /// Share of listings with a reduced price.
    price_reduced_share: Option<f64>,
    /// Sale price over list price.
    sale_to_list: Option<f64>,
}

impl From<Known> for MarketSnapshot {
    fn from(known: Known) -> Self {
        let Known {
            area,
            period_start,
            published_at,
            median_price,
            active_listings,
            new_listings,
            homes_sold,
            days_on_market,
            months_of_supply,
            price_reduced_share,
            sale_to_list,
        } = known;
        Self {
            area,
            period_start: DateTime(period_start),
            published_at: DateTime(published_at),
            median_price,
            active_listings,
            new_listings,
            homes_sold,
            days_on_market,
            months_of_supply,
            price_reduced_share,
            sale_to_list,
        }
    }
}
