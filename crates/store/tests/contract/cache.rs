//! The cache of latest scores.

use std::sync::Arc;

use leadscore_domain::LeadId;
use leadscore_store::{Cached, ScoreCache};
use tokio::sync::broadcast::error::TryRecvError;
use uuid::Uuid;

use crate::support::score;

fn lead(i: u128) -> LeadId {
    LeadId(Uuid::from_u128(i))
}

fn value(cache: &ScoreCache, id: LeadId) -> Option<u8> {
    match cache.get(id) {
        Some(Cached::Score(score)) => Some(score.score),
        Some(Cached::Withheld { .. }) | None => None,
    }
}

#[test]
fn a_lead_never_goes_back() {
    let cache = ScoreCache::new(10, 10);
    let mut watcher = cache.subscribe();
    assert!(cache.publish(Arc::new(score(lead(1), 5, 5, 50))));
    assert!(!cache.publish(Arc::new(score(lead(1), 4, 9, 40))));
    assert!(!cache.publish(Arc::new(score(lead(1), 5, 5, 51))), "the same again is no news");
    assert!(cache.publish(Arc::new(score(lead(1), 5, 6, 60))));
    assert_eq!(value(&cache, lead(1)), Some(60));
    assert_eq!(watcher.try_recv().unwrap().score, 50);
    assert_eq!(watcher.try_recv().unwrap().score, 60);
    assert!(matches!(watcher.try_recv(), Err(TryRecvError::Empty)));
}

#[test]
fn a_withheld_score_does_not_come_back_with_a_late_reader() {
    let cache = ScoreCache::new(10, 10);
    cache.publish(Arc::new(score(lead(1), 5, 5, 50)));
    cache.withhold(lead(1), 6);
    assert!(matches!(cache.get(lead(1)), Some(Cached::Withheld { log_position: 6 })));
    assert!(!cache.fill(Arc::new(score(lead(1), 5, 9, 50))));
    assert_eq!(value(&cache, lead(1)), None);
    assert!(cache.fill(Arc::new(score(lead(1), 7, 9, 70))));
    assert_eq!(value(&cache, lead(1)), Some(70));
    cache.forget(lead(1));
    assert!(cache.get(lead(1)).is_none());
}

#[test]
fn the_cache_is_bounded_and_slow_watchers_lag() {
    let cache = ScoreCache::new(100, 4);
    let mut watcher = cache.subscribe();
    for i in 0..1_000 {
        cache.publish(Arc::new(score(lead(i), 1, 1, 50)));
    }
    assert!(cache.len() <= 100, "{}", cache.len());
    assert!(matches!(watcher.try_recv(), Err(TryRecvError::Lagged(996))));
    assert!(watcher.try_recv().is_ok());
}

#[test]
fn threads_that_race_end_with_the_newest() {
    let cache = ScoreCache::new(10, 10);
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            let cache = cache.clone();
            scope.spawn(move || {
                for i in 0..500 {
                    cache.publish(Arc::new(score(lead(1), (i * 7 + thread * 13) % 1_000, 1, 50)));
                }
            });
        }
    });
    let Some(Cached::Score(score)) = cache.get(lead(1)) else { panic!("nothing") };
    let newest = (0..4_i64).flat_map(|thread| (0..500).map(move |i| (i * 7 + thread * 13) % 1_000)).max();
    assert_eq!(Some(score.log_position), newest);
}
