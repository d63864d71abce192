use leadscore_domain::{MarketSnapshot, Timestamp};
use leadscore_engine::{
    examples::{ExampleOptions, snapshots},
    features::{Feature, Market},
};

use crate::events::*;

fn month(area: &str, period: &str, published: &str, median: f64) -> MarketSnapshot {
    let day = |text: &str| -> Timestamp { format!("{text}T00:00:00Z").parse().unwrap() };
    MarketSnapshot {
        area: area.into(),
        period_start: day(period),
        published_at: day(published),
        median_price: Some(median),
        active_listings: Some(200.0),
        new_listings: Some(50.0),
        homes_sold: None,
        days_on_market: Some(30.0),
        months_of_supply: None,
        price_reduced_share: Some(0.25),
        sale_to_list: None,
    }
}

#[test]
fn only_what_was_published_by_the_instant_is_seen() {
    let market = Market::new(vec![
        month("Austin, TX", "2026-02-01", "2026-03-10", 440_000.0),
        month("Austin, TX", "2026-01-01", "2026-02-10", 400_000.0),
        month("Austin, TX", "2025-01-01", "2025-02-10", 320_000.0),
        // A revision of an old month, published later.
        month("Austin, TX", "2026-01-01", "2026-04-01", 410_000.0),
        month("US", "2026-01-01", "2026-02-01", 300_000.0),
    ]);
    let median = |instant: &str| market.conditions("austin, tx ", at(instant)).map(|known| known.median_price);
    assert_eq!(median("2025-02-09T23:59:59Z"), None);
    assert_eq!(median("2026-02-09T23:59:59Z"), Some(320_000.0));
    assert_eq!(median("2026-02-10T00:00:00Z"), Some(400_000.0));
    assert_eq!(median("2026-03-31T00:00:00Z"), Some(440_000.0));
    assert_eq!(median("2026-04-02T00:00:00Z"), Some(440_000.0), "a revised old month does not replace the newest");

    let known = market.conditions("Austin, TX", at("2026-02-20T00:00:00Z")).unwrap();
    assert!((known.price_change_12m - 1.25f64.ln()).abs() < 1e-12);
    assert!(known.price_change_3m.is_nan() && known.months_of_supply.is_nan());
    assert_eq!(known.listing_inflow, 0.25);
}

#[test]
fn the_area_of_the_latest_search_counts_then_the_most_frequent_then_the_nation() {
    let market = Market::new(vec![
        month("Austin, TX", "2025-11-01", "2025-12-10", 400_000.0),
        month("Waco, TX", "2025-11-01", "2025-12-10", 200_000.0),
        month("US", "2025-11-01", "2025-12-10", 300_000.0),
    ]);
    let median = |bodies: Vec<_>| {
        let row = vector(&fold(&history(bodies)), hour(100), &market);
        row[Feature::MedianPrice as usize].exp().round()
    };
    let austin = search(350_000, 450_000, &["Nowhere", "AUSTIN, TX"]);
    let nowhere = search(350_000, 450_000, &["Nowhere"]);
    assert_eq!(median(vec![(hour(0), created())]), 300_000.0);
    assert_eq!(median(vec![(hour(0), austin.clone()), (hour(1), search(1, 2, &["Waco, TX"]))]), 200_000.0);
    assert_eq!(median(vec![(hour(0), search(1, 2, &["Waco, TX"])), (hour(1), austin.clone())]), 400_000.0);
    assert_eq!(median(vec![(hour(0), nowhere)]), 300_000.0);

    let row = vector(&fold(&history(vec![(hour(0), austin)])), hour(1), &market);
    assert!(row[Feature::PriceToMedian as usize].abs() < 1e-6);
    assert_eq!(row[Feature::PriceReducedShare as usize], 0.25);
    assert!(row[Feature::SaleToList as usize].is_nan());
}

#[test]
fn a_later_revision_changes_no_byte_of_an_earlier_example() {
    let published = vec![
        month("Austin, TX", "2024-11-01", "2024-12-10", 380_000.0),
        month("Austin, TX", "2025-08-01", "2025-09-10", 390_000.0),
        month("Austin, TX", "2025-11-01", "2025-12-10", 400_000.0),
    ];
    let revised_at = at("2026-01-20T00:00:00Z");
    let mut revised = published.clone();
    for (period, median) in [("2024-11-01", 100_000.0), ("2025-08-01", 200_000.0), ("2025-11-01", 900_000.0)] {
        revised.push(month("Austin, TX", period, "2026-01-20", median));
    }
    let austin = |hours| (hour(hours), search(350_000, 450_000, &["Austin, TX"]));
    let events = history((0..40).map(|i| austin(i * 24)).collect());
    let options = ExampleOptions { per_lead: 40, ..ExampleOptions::new(at("2026-06-01T00:00:00Z")) };
    let rows = |months: &[MarketSnapshot]| -> Vec<(Timestamp, Vec<u32>)> {
        let drawn = snapshots(7, &events, &Market::new(months.to_vec()), &options);
        drawn.iter().map(|it| (it.instant, it.features.iter().map(|value| value.to_bits()).collect())).collect()
    };
    let (before, after) = (rows(&published), rows(&revised));
    let split = before.partition_point(|(instant, _)| *instant < revised_at);
    assert!(split > 3 && split < before.len(), "examples on both sides");
    assert_eq!(before[..split], after[..split]);
    assert!(before[split..].iter().zip(&after[split..]).all(|(before, after)| before != after));
}
