//! What people are shown: a lead's history, the market's latest.

use leadscore_domain::{EventKind, LeadId, MarketSnapshot, Timestamp};
use leadscore_store::Store;

use crate::support::{Backend, append_one, arrival, at, crm, event, merged, of};

/// Ids of a lead's events by page of one.
async fn walk(store: &Store, lead: LeadId, kinds: &[EventKind]) -> Vec<(Timestamp, EventKind)> {
    let (mut walked, mut before) = (Vec::new(), None);
    loop {
        let page = store.history(lead, kinds, before, 1).await.unwrap();
        let Some(event) = page.first() else { return walked };
        assert!(event.body.is_some());
        before = Some((event.occurred_at, event.id));
        walked.push((event.occurred_at, event.kind));
    }
}

pub async fn a_history_is_that_of_everybody_who_was_absorbed(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, arrival("1", &[crm("ann")], 0, "Ann")).await;
    // Three in the same instant, and one that was sent late.
    for (id, seconds) in [("2", 5), ("3", 5), ("4", 5), ("5", 3)] {
        append_one(&store, event(id, &[crm("ann")], seconds)).await;
    }
    let other = append_one(&store, event("6", &[crm("other")], 4)).await;
    append_one(&store, of("7", Some(lead), &[], 6, merged(other))).await;
    let emails = [5, 5, 5, 4, 3].map(|seconds| (at(seconds), EventKind::Email));
    assert_eq!(walk(&store, lead, &[EventKind::Email]).await, emails);
    let both = walk(&store, lead, &[EventKind::Email, EventKind::LeadCreated]).await;
    assert_eq!((both.len(), both[5]), (6, (at(0), EventKind::LeadCreated)));
    assert_eq!(walk(&store, lead, &[]).await.len(), 8, "the merge stands there as it was sent and as it was made");
    assert_eq!(store.event_count(lead).await.unwrap(), 8);
    store.erase_lead(lead).await.unwrap();
    assert_eq!(walk(&store, lead, &[]).await, []);
}

pub async fn the_latest_of_each_area_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    let snapshot = |area: &str, month: i64, published: i64, price: f64| MarketSnapshot {
        area: area.to_owned(),
        period_start: at(month),
        published_at: at(published),
        median_price: Some(price),
        active_listings: None,
        new_listings: None,
        homes_sold: None,
        days_on_market: None,
        months_of_supply: None,
        price_reduced_share: None,
        sale_to_list: None,
    };
    let snapshots = [
        ("Waco", 0, 1, 1.0),
        ("Austin", 5, 6, 2.0),
        ("Austin", 0, 9, 3.0),
        (" AUSTIN", 5, 7, 4.0),
        ("Bend", 0, 1, 5.0),
    ];
    let snapshots = snapshots.map(|(area, month, published, price)| snapshot(area, month, published, price));
    store.put_market(snapshots.to_vec(), None).await.unwrap();
    let prices = |found: Vec<MarketSnapshot>| found.iter().map(|one| one.median_price.unwrap()).collect::<Vec<_>>();
    assert_eq!(prices(store.latest_market("", 9).await.unwrap()), [4.0, 5.0, 1.0]);
    assert_eq!(prices(store.latest_market("austin", 1).await.unwrap()), [5.0]);
    assert_eq!(prices(store.market_of("austin ", 9).await.unwrap()), [4.0, 2.0, 3.0]);
    assert_eq!(prices(store.market_of("Austin", 1).await.unwrap()), [4.0]);
    assert!(store.market_of("Paris", 9).await.unwrap().is_empty());
}
