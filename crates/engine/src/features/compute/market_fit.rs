//! How a lead's wishes fit the market where it looks.

use leadscore_domain::event::Deal;

use super::Row;
use crate::features::{LeadState, Market, catalogue::Feature};

pub(super) fn fill(state: &LeadState, market: &Market, row: &mut Row<'_>) {
    let price = state.price_centre().filter(|price| *price > 0.0);
    row.set_some(Feature::PriceCentre, price.map(f64::ln));
    let Some(conditions) = market.conditions_for(state, row.at) else { return };
    if conditions.median_price > 0.0 {
        row.set(Feature::MedianPrice, conditions.median_price.ln());
        let to_buy = price.filter(|_| state.deal() != Some(Deal::Rent));
        row.set_some(Feature::PriceToMedian, to_buy.map(|price| (price / conditions.median_price).ln()));
    }
    row.set(Feature::MarketChange3m, conditions.price_change_3m);
    row.set(Feature::MarketChange12m, conditions.price_change_12m);
    row.set(Feature::DaysOnMarket, conditions.days_on_market);
    row.set(Feature::MonthsOfSupply, conditions.months_of_supply);
    row.set(Feature::PriceReducedShare, conditions.price_reduced_share);
    row.set(Feature::SaleToList, conditions.sale_to_list);
    row.set(Feature::ListingInflow, conditions.listing_inflow);
}
