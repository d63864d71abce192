//! What a lead looks for: visits, searches, favourites, viewings.

use serde::{Deserialize, Serialize};

use super::check::check_price;
use crate::{
    Invalid, Timestamp,
    invalid::{check_count, check_text},
    limits,
};

/// Data of [`EventBody::WebSession`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSession {
    /// Time on site.
    pub duration_ms: u32,
    /// Pages viewed.
    pub page_count: u32,
    /// Files downloaded.
    #[serde(default)]
    pub download_count: u32,
}

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The front page.
    Home,
    /// One home.
    Listing,
    /// Results of a search.
    Results,
    /// Mortgage calculator or financing.
    Financing,
    /// What is my home worth.
    Valuation,
    /// An area or school guide.
    Guide,
    /// Contact form or agent page.
    Contact,
    /// Anything else.
    Other,
}

/// Data of [`EventBody::PageView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageView {
    /// What the page is about.
    pub page: Page,
    /// Time on the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
    /// The listing shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_key: Option<String>,
}

/// Buy or rent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deal {
    /// To buy.
    Buy,
    /// To rent.
    Rent,
}

/// What kind of home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropertyType {
    /// A detached house.
    House,
    /// A flat that is owned.
    Condo,
    /// A row house.
    Townhouse,
    /// Two or more dwellings.
    MultiFamily,
    /// A plot.
    Land,
    /// Anything else.
    Other,
}

/// Data of [`EventBody::PropertySearch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertySearch {
    /// Buy or rent.
    pub deal: Deal,
    /// Lowest price, in whole units of the brokerage's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_min: Option<i64>,
    /// Highest price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_max: Option<i64>,
    /// Areas, as market data names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<String>,
    /// Kinds of homes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub property_types: Vec<PropertyType>,
    /// Least bedrooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrooms_min: Option<u8>,
}

/// Data of [`EventBody::ListingSaved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingSaved {
    /// The listing.
    pub listing_key: String,
    /// Asking price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// What kind of home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property_type: Option<PropertyType>,
}

/// How far a viewing got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowingAction {
    /// The lead asked for it.
    Requested,
    /// A time was agreed.
    Scheduled,
    /// It took place.
    Held,
    /// Called off.
    Cancelled,
    /// The lead did not come.
    NoShow,
}

/// Data of [`EventBody::Showing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Showing {
    /// How far it got.
    pub action: ShowingAction,
    /// The listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_key: Option<String>,
    /// Asking price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// When it is to take place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Timestamp>,
}

impl PropertySearch {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        check_price("price_min", self.price_min)?;
        check_price("price_max", self.price_max)?;
        if let (Some(min), Some(max)) = (self.price_min, self.price_max)
            && min > max
        {
            return Err(Invalid::new("price_min", "is above price_max", "swap them"));
        }
        check_count("areas", self.areas.len(), limits::AREAS_MAX)?;
        check_count("property_types", self.property_types.len(), limits::PROPERTY_TYPES_MAX)?;
        self.areas.iter().try_for_each(|area| check_text("areas", area, limits::CATEGORY_MAX_BYTES))
    }
}
