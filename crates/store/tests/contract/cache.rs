//! The cache of latest scores: in one process, and in several that share a Redis server.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use leadscore_domain::{LeadId, Obstacle, Score};
use leadscore_store::{Cached, Change, Redis, ScoreCache, Seen, Update};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};
use uuid::Uuid;

use crate::{
    redis::{OwnServer, connect, shared, until, within},
    support::score,
};

fn lead(i: u128) -> LeadId {
    LeadId(Uuid::from_u128(i))
}

/// A score that Redis keeps, whatever the date of the test.
fn lasting(lead_id: LeadId, log_position: i64, calculated: i64, value: u8) -> Change {
    let expires_at = "2100-01-01T00:00:00Z".parse().unwrap();
    Change::Score(Arc::new(Score { expires_at, ..score(lead_id, log_position, calculated, value) }))
}

fn publish(cache: &ScoreCache, log_position: i64, calculated: i64, value: u8) {
    cache.publish(vec![lasting(lead(1), log_position, calculated, value)]);
}

fn withheld(log_position: i64) -> Change {
    Change::Withheld { lead_id: lead(1), log_position, obstacle: Obstacle::Restricted }
}

fn shown(cached: Option<Cached>) -> Option<u8> {
    match cached {
        Some(Cached::Score(score)) => Some(score.score),
        Some(Cached::Withheld { .. }) | None => None,
    }
}

fn value(cache: &ScoreCache) -> Option<u8> {
    shown(cache.get(lead(1)))
}

/// What a reader finds without the database.
async fn read(cache: &ScoreCache) -> Option<u8> {
    match cache.read(lead(1)).await {
        Seen::Known(cached) => shown(Some(cached)),
        Seen::Unknown(_) => None,
    }
}

async fn is_withheld(cache: &ScoreCache) -> bool {
    matches!(cache.read(lead(1)).await, Seen::Known(Cached::Withheld { .. }))
}

fn scores(watcher: &mut Receiver<Update>) -> Vec<u8> {
    std::iter::from_fn(|| watcher.try_recv().ok())
        .filter_map(|update| match update {
            Update::Changed(Change::Score(score)) => Some(score.score),
            Update::Changed(Change::Withheld { .. } | Change::Unknown { .. }) | Update::Missed => None,
        })
        .collect()
}

/// The cache of a process with a Redis server, once it hears of changes.
async fn process(redis: &Redis) -> ScoreCache {
    let cache = ScoreCache::with_redis(redis, 100, 100);
    until(async || cache.is_trusted()).await;
    cache
}

/// Runs a contract over a cache of either kind.
macro_rules! contracts {
    ($($name:ident),* $(,)?) => {
        mod alone {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::ScoreCache::sole_writer(100, 100)).await;
                }
            )*
        }

        mod with_redis {
            $(
                #[tokio::test]
                async fn $name() {
                    let redis = super::connect(&super::shared()).await;
                    super::$name(super::process(&redis).await).await;
                    redis.close().await;
                }
            )*
        }
    };
}

contracts! {
    a_lead_never_goes_back,
    a_withheld_score_does_not_come_back_with_a_late_reader,
    a_lead_that_is_gone_stays_unknown,
    a_reader_that_was_slow_brings_nothing_back_that_was_forgotten,
}

async fn a_lead_never_goes_back(cache: ScoreCache) {
    let mut watcher = cache.subscribe();
    for (log_position, calculated, value) in [(5, 5, 50), (4, 9, 40), (5, 5, 51), (5, 6, 60)] {
        publish(&cache, log_position, calculated, value);
    }
    assert_eq!(value(&cache), Some(60));
    assert_eq!(scores(&mut watcher), [50, 60], "neither an older one nor the same again is news");
}

async fn a_withheld_score_does_not_come_back_with_a_late_reader(cache: ScoreCache) {
    let Seen::Unknown(reading) = cache.read(lead(1)).await else { panic!("nothing is known") };
    publish(&cache, 5, 5, 50);
    cache.publish(vec![withheld(6)]);
    assert!(matches!(cache.get(lead(1)), Some(Cached::Withheld { log_position: 6, obstacle: Obstacle::Restricted })));
    cache.fill(reading, lasting(lead(1), 5, 9, 50));
    assert!(is_withheld(&cache).await);
    cache.fill(reading, lasting(lead(1), 7, 9, 70));
    assert_eq!(value(&cache), Some(70));
}

async fn a_lead_that_is_gone_stays_unknown(cache: ScoreCache) {
    publish(&cache, 5, 5, 50);
    cache.publish(vec![Change::gone(lead(1))]);
    publish(&cache, 6, 6, 60);
    assert!(cache.get(lead(1)).is_none());
    until(async || matches!(cache.read(lead(1)).await, Seen::Unknown(_))).await;
}

async fn a_reader_that_was_slow_brings_nothing_back_that_was_forgotten(cache: ScoreCache) {
    let Seen::Unknown(slow) = cache.read(lead(1)).await else { panic!("nothing is known") };
    let mut watcher = cache.subscribe();
    cache.reset();
    assert_eq!(within(watcher.recv()).await, Ok(Update::Missed));
    cache.fill(slow, lasting(lead(1), 5, 5, 50));
    assert_eq!(value(&cache), None);
    // What was forgotten is in nobody's way. By Redis everybody is told, the process itself once more.
    until(async || {
        publish(&cache, 4, 4, 40);
        value(&cache) == Some(40)
    })
    .await;
}

#[test]
fn threads_that_race_end_with_the_newest() {
    let cache = ScoreCache::sole_writer(10, 10);
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            let cache = cache.clone();
            scope.spawn(move || {
                for i in 0..500 {
                    publish(&cache, (i * 7 + thread * 13) % 1_000, 1, 50);
                }
            });
        }
    });
    let Some(Cached::Score(score)) = cache.get(lead(1)) else { panic!("nothing") };
    let newest = (0..4_i64).flat_map(|thread| (0..500).map(move |i| (i * 7 + thread * 13) % 1_000)).max();
    assert_eq!(Some(score.log_position), newest);
}

#[test]
fn the_cache_is_bounded_and_slow_watchers_lag() {
    let cache = ScoreCache::sole_writer(100, 4);
    let mut watcher = cache.subscribe();
    for i in 0..1_000 {
        cache.publish(vec![lasting(lead(i), 1, 1, 50)]);
    }
    assert!(cache.len() <= 100, "{}", cache.len());
    assert!(matches!(watcher.try_recv(), Err(TryRecvError::Lagged(996))));
    assert!(watcher.try_recv().is_ok());
}

#[tokio::test]
async fn a_process_that_does_not_hear_of_the_others_asks_the_database() {
    let cache = ScoreCache::untrusted(100, 100);
    let mut watcher = cache.subscribe();
    publish(&cache, 5, 5, 50);
    assert_eq!((value(&cache), read(&cache).await), (None, None));
    let Seen::Unknown(reading) = cache.read(lead(1)).await else { panic!("nothing is known") };
    cache.fill(reading, lasting(lead(1), 6, 6, 60));
    assert_eq!(value(&cache), None);
    assert_eq!(scores(&mut watcher), [50], "its own watchers hear of its own scores");
}

#[tokio::test]
async fn processes_hear_of_each_other_and_none_goes_back() {
    let options = shared();
    let (here, there) = (connect(&options).await, connect(&options).await);
    let (scorer, other) = (process(&here).await, process(&there).await);
    let mut watcher = other.subscribe();
    publish(&scorer, 5, 5, 50);
    until(async || value(&other) == Some(50)).await;
    // A process that is behind knows nothing of the first one's.
    publish(&other, 4, 9, 40);
    publish(&scorer, 6, 6, 60);
    until(async || value(&other) == Some(60)).await;
    assert_eq!(scores(&mut watcher), [50, 60]);
    // One that comes later finds it.
    let late = process(&there).await;
    assert_eq!((value(&late), read(&late).await, value(&late)), (None, Some(60), Some(60)));
    scorer.publish(vec![withheld(7)]);
    until(async || {
        matches!(other.get(lead(1)), Some(Cached::Withheld { log_position: 7, obstacle: Obstacle::Restricted }))
    })
    .await;
    publish(&late, 6, 7, 61);
    here.close().await;
    there.close().await;
    // Closing has published everything: who asks now is told of the verdict.
    let again = connect(&options).await;
    assert!(is_withheld(&ScoreCache::with_redis(&again, 100, 100)).await);
    again.close().await;
}

#[tokio::test]
async fn what_one_process_read_from_the_database_another_finds_unless_it_was_forgotten() {
    let options = shared();
    let (here, there) = (connect(&options).await, connect(&options).await);
    let (one, other) = (process(&here).await, process(&there).await);
    let Seen::Unknown(early) = one.read(lead(1)).await else { panic!("nothing is known") };
    one.fill(early, lasting(lead(1), 5, 5, 50));
    until(async || read(&other).await == Some(50)).await;
    other.reset();
    until(async || read(&one).await.is_none()).await;
    one.fill(early, lasting(lead(1), 5, 5, 50));
    one.publish(vec![lasting(lead(2), 1, 1, 1)]);
    until(async || other.get(lead(2)).is_some()).await;
    assert_eq!(read(&other).await, None);
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn a_score_stays_in_redis_until_it_expires() {
    let options = shared();
    let redis = connect(&options).await;
    let cache = process(&redis).await;
    publish(&cache, 5, 5, 50);
    let expired = Score { lead_id: lead(2), ..score(lead(2), 5, 5, 50) };
    cache.publish(vec![Change::Score(Arc::new(expired)), lasting(lead(3), 1, 1, 1)]);
    redis.close().await;
    let client = ::redis::Client::open(options.url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut expires = async |id: LeadId| -> i64 {
        let key = format!("{}:score:{id}", options.prefix);
        ::redis::cmd("PEXPIRETIME").arg(key).query_async(&mut connection).await.unwrap()
    };
    assert_eq!(expires(lead(1)).await, 4_102_444_800_000, "2100-01-01");
    assert_eq!(expires(lead(2)).await, -2, "it is not there");
    assert_eq!(expires(lead(3)).await, 4_102_444_800_000);
}

#[tokio::test]
async fn a_server_that_was_killed_is_done_without_and_its_old_data_do_not_come_back() {
    let mut server = OwnServer::start();
    let (here, there) = (connect(&server.options()).await, connect(&server.options()).await);
    let (scorer, other) = (process(&here).await, process(&there).await);
    publish(&scorer, 5, 5, 50);
    until(async || value(&other) == Some(50)).await;

    server.kill();
    until(async || !other.is_trusted() && !scorer.is_trusted()).await;
    assert_eq!((value(&other), read(&other).await), (None, None));
    publish(&scorer, 6, 6, 60);

    // The disk still has the score of position 5.
    server.restart();
    until(async || other.is_trusted() && scorer.is_trusted()).await;
    within(there.connected()).await;
    assert_ne!(read(&other).await, Some(50));
    // What could not be published is forgotten, so that the database is asked; what comes later is heard again.
    let position = Cell::new(6);
    until(async || {
        position.set(position.get() + 1);
        publish(&scorer, position.get(), 7, 70);
        let found = read(&other).await;
        assert!(matches!(found, None | Some(60 | 70)), "{found:?}");
        found == Some(70)
    })
    .await;
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_one_request_for_an_instant_and_no_other() {
    let server = OwnServer::start();
    let redis = connect(&server.options()).await;
    let cache = process(&redis).await;
    server.signal("-STOP");
    let began = Instant::now();
    for _ in 0..200 {
        assert_eq!(read(&cache).await, None);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "200 reads took {took:?}");
    until(async || !cache.is_trusted()).await;
    server.signal("-CONT");
    until(async || cache.is_trusted()).await;
    within(redis.connected()).await;
    publish(&cache, 5, 5, 50);
    until(async || read(&cache).await == Some(50)).await;
    redis.close().await;
}

#[tokio::test]
async fn a_server_that_was_never_there_changes_nothing() {
    let mut server = OwnServer::start();
    server.kill();
    let redis = Redis::open(&server.options()).unwrap();
    let cache = ScoreCache::with_redis(&redis, 100, 100);
    publish(&cache, 5, 5, 50);
    assert_eq!((value(&cache), read(&cache).await, cache.is_trusted()), (None, None, false));
    within(redis.close()).await;
}
