//! Visits, searches and showings.

use super::Row;
use crate::features::{
    LeadState,
    catalogue::Feature,
    signal::Signal,
    state::{DISTINCT, Search},
};

/// One minute, in milliseconds.
const MINUTE_MS: f64 = 60_000.0;

pub(super) fn fill(state: &LeadState, row: &mut Row<'_>) {
    row.set_counts(
        state,
        &[
            (Feature::ListingViews, Signal::PageListing),
            (Feature::FinancingViews, Signal::PageFinancing),
            (Feature::ValuationViews, Signal::PageValuation),
            (Feature::ContactViews, Signal::PageContact),
            (Feature::SavedCount, Signal::ListingSaved),
            (Feature::ShowingsRequested, Signal::ShowingRequested),
            (Feature::ShowingsScheduled, Signal::ShowingScheduled),
            (Feature::ShowingsHeld, Signal::ShowingHeld),
            (Feature::ShowingsCancelled, Signal::ShowingCancelled),
            (Feature::ShowingsNoShow, Signal::ShowingNoShow),
        ],
    );
    web(state, row);
    searches(state, row);
    let held = f64::from(state.count(Signal::ShowingHeld));
    let missed = f64::from(state.count(Signal::ShowingCancelled)) + f64::from(state.count(Signal::ShowingNoShow));
    row.set_ratio(Feature::ShowingKeptShare, held, held + missed);
}

fn web(state: &LeadState, row: &mut Row<'_>) {
    let sums = &state.sums;
    let sessions = f64::from(state.count(Signal::WebSession));
    row.set(Feature::PageCount, sums.session_pages as f64 + f64::from(state.count(Signal::PageView)));
    row.set(Feature::DownloadCount, sums.downloads as f64);
    row.set_ratio(Feature::PagesPerSession, sums.session_pages as f64, sessions);
    row.set_ratio(Feature::SessionMinutesMean, sums.session_ms as f64 / MINUTE_MS, sessions);
    if sessions > 0.0 {
        row.set(Feature::SessionMinutesMax, f64::from(sums.longest_session_ms) / MINUTE_MS);
    }
    row.set_ratio(Feature::ListingRepeat, state.listings.total() as f64, state.listings.len() as f64);
}

fn searches(state: &LeadState, row: &mut Row<'_>) {
    let buy = f64::from(state.count(Signal::SearchBuy));
    let rent = f64::from(state.count(Signal::SearchRent));
    row.set(Feature::SearchCount, buy + rent);
    row.set_ratio(Feature::RentShare, rent, buy + rent);
    if state.areas.len() > 0 {
        row.set(Feature::AreaCount, state.areas.len().min(DISTINCT) as f64);
    }
    if state.sums.types != 0 {
        row.set(Feature::PropertyTypes, f64::from(state.sums.types.count_ones()));
    }
    let (Some(latest), Some(first)) = (state.searches.latest(), state.first_search.as_ref()) else { return };
    row.set(Feature::SearchAreas, f64::from(latest.areas));
    row.set(Feature::AreaNarrowing, f64::from(first.areas) - f64::from(latest.areas));
    row.set_some(Feature::Bedrooms, latest.bedrooms.map(f64::from));
    let width = state.searches.as_slice().iter().rev().find_map(Search::relative_width);
    row.set_some(Feature::PriceWidth, width);
    row.set_some(Feature::PriceNarrowing, first.relative_width().zip(width).map(|(first, latest)| first - latest));
    prices(state, row);
}

/// How the middle of the price range moves.
fn prices(state: &LeadState, row: &mut Row<'_>) {
    let centres = || state.searches.as_slice().iter().rev().filter_map(Search::centre).filter(|centre| *centre > 0);
    let Some(latest) = centres().next() else { return };
    let latest = latest as f64;
    let mean = state.sums.centre as f64 / f64::from(state.sums.centres);
    row.set(Feature::PriceDrift, (latest / mean).ln());
    let (least, most) = centres().fold((i64::MAX, 0), |(least, most), centre| (least.min(centre), most.max(centre)));
    row.set(Feature::PriceSpread, (most - least) as f64 / latest);
}
