//! Supply and demand of homes by area and month.

use serde::{Deserialize, Serialize};

use crate::{
    Invalid, Timestamp,
    invalid::{check_range, check_text},
    limits,
};

/// What was known of an area's market for one month, from the day it was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketSnapshot {
    /// Name of the area as searches name it, such as `Austin, TX` or `US`; compared without case.
    pub area: String,
    /// First instant of the month described.
    pub period_start: Timestamp,
    /// From when on this was known; nothing earlier may see it.
    pub published_at: Timestamp,
    /// Median price, in units of the brokerage's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_price: Option<f64>,
    /// Homes for sale at the month's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_listings: Option<f64>,
    /// Homes newly listed in the month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_listings: Option<f64>,
    /// Homes sold in the month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homes_sold: Option<f64>,
    /// Median days on market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_on_market: Option<f64>,
    /// Months that the supply would last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months_of_supply: Option<f64>,
    /// Share of listings with a reduced price, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_reduced_share: Option<f64>,
    /// Sale price over list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_to_list: Option<f64>,
}

impl MarketSnapshot {
    /// Checks the area and the numbers' ranges.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), Invalid> {
        check_text("area", &self.area, limits::CATEGORY_MAX_BYTES)?;
        if self.published_at < self.period_start {
            return Err(Invalid::new("published_at", "is before the month", "send the day of publication"));
        }
        let large = limits::PRICE_MAX as f64;
        for (field, value, max) in [
            ("median_price", self.median_price, large),
            ("active_listings", self.active_listings, large),
            ("new_listings", self.new_listings, large),
            ("homes_sold", self.homes_sold, large),
            ("days_on_market", self.days_on_market, 10_000.0),
            ("months_of_supply", self.months_of_supply, 10_000.0),
            ("price_reduced_share", self.price_reduced_share, 1.0),
            ("sale_to_list", self.sale_to_list, 10.0),
        ] {
            if let Some(value) = value {
                check_range(field, value, 0.0, max)?;
            }
        }
        Ok(())
    }
}
