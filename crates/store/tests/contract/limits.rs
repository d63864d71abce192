//! Rates and answers to repeated requests: the same with and without Redis, and shared where there is one.

use std::{sync::Arc, time::Duration};

use leadscore_domain::ManualClock;
use leadscore_store::{Begun, IdempotencyRecords, Rate, RateLimiter, Redis};

use crate::{
    redis::{OwnServer, connect, shared, until},
    support::{Backend as _, Embedded, at},
};

fn limiter(per_s: f64, burst: u32, redis: Option<Redis>) -> RateLimiter {
    RateLimiter::new(Rate { per_s, burst }, Arc::new(ManualClock::new(at(0))), redis)
}

#[tokio::test]
async fn a_bucket_gives_what_it_holds_and_says_when_there_is_more() {
    for redis in [None, Some(connect(&shared()).await)] {
        let limiter = limiter(0.01, 5, redis);
        assert_eq!(limiter.take("ann", 3).await.left, 2);
        let refused = limiter.take("ann", 3).await;
        assert!(!refused.taken && refused.left == 2, "{refused:?}");
        // One token of three is missing; Redis's clock goes on.
        assert!((90..=100).contains(&refused.wait.as_secs()), "{refused:?}");
        assert!(limiter.take("ann", 2).await.taken, "a refusal takes nothing");
        assert!(limiter.take("bob", 9).await.taken, "more than a bucket holds is a full one");
        assert!(!limiter.take("bob", 1).await.taken);
    }
}

#[tokio::test]
async fn a_bucket_fills_with_time() {
    let clock = ManualClock::new(at(0));
    let own = RateLimiter::new(Rate { per_s: 2.0, burst: 4 }, Arc::new(clock.clone()), None);
    assert!(own.take("ann", 4).await.taken);
    clock.set(at(1));
    assert!(!own.take("ann", 3).await.taken);
    assert!(own.take("ann", 2).await.taken);
    clock.set(at(1_000));
    assert_eq!(own.take("ann", 0).await.left, 4, "it holds no more than it may");
    clock.set(at(0));
    assert_eq!(own.take("ann", 0).await.left, 4, "a clock that was set back takes nothing");

    let limiter = limiter(20.0, 1, Some(connect(&shared()).await));
    assert!(limiter.take("ann", 1).await.taken);
    assert!(!limiter.take("ann", 1).await.taken);
    until(async || limiter.take("ann", 1).await.taken).await;
}

#[tokio::test]
async fn processes_share_a_bucket_and_each_keeps_one_while_redis_is_away() {
    let mut server = OwnServer::start();
    let (here, there) = (connect(&server.options()).await, connect(&server.options()).await);
    let (one, other) = (limiter(0.01, 2, Some(here)), limiter(0.01, 2, Some(there)));
    assert!(one.take("ann", 1).await.taken && other.take("ann", 1).await.taken);
    assert!(!one.take("ann", 1).await.taken && !other.take("ann", 1).await.taken);
    server.kill();
    until(async || one.take("ann", 2).await.taken).await;
    assert!(!one.take("ann", 1).await.taken, "there is always a limit");
}

#[tokio::test]
async fn what_is_taken_ahead_is_spent_once_and_without_asking() {
    let mut server = OwnServer::start();
    let (here, there) = (connect(&server.options()).await, connect(&server.options()).await);
    let (one, other) = (limiter(0.001, 160, Some(here)), limiter(0.001, 160, Some(there)));
    let mut passed = 0;
    for _ in 0..200 {
        passed += u32::from(one.take("ann", 1).await.taken) + u32::from(other.take("ann", 1).await.taken);
    }
    assert!((150..=160).contains(&passed), "{passed}: at most what a process holds is not found by the other");

    let client = ::redis::Client::open(server.options().url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let scripts = async |connection: &mut ::redis::aio::MultiplexedConnection| {
        let stats: String = ::redis::cmd("INFO").arg("commandstats").query_async(connection).await.unwrap();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default().to_owned();
        line.split(['=', ',']).nth(1).unwrap_or("0").parse::<u32>().unwrap()
    };
    let before = scripts(&mut connection).await;
    for _ in 0..100 {
        assert!(one.take("bob", 1).await.taken);
    }
    let asked = scripts(&mut connection).await - before;
    assert!((9..=11).contains(&asked), "{asked} questions for 100 requests");

    // What was taken ahead is still good when the server goes; then the process has a bucket of its own.
    server.kill();
    let mut alone = 0;
    for _ in 0..400 {
        alone += u32::from(one.take("bob", 1).await.taken);
    }
    assert!((160..=170).contains(&alone), "{alone}: a bucket, and what was held");
}

fn answered(begun: &Begun) -> Option<&[u8]> {
    match begun {
        Begun::Answered(answer) => Some(answer),
        Begun::First(_) | Begun::Running | Begun::Differs => None,
    }
}

#[tokio::test]
async fn one_request_runs_under_a_key_and_its_answer_is_given_again() {
    let backend = Embedded::new();
    let store = backend.open().await;
    for redis in [None, Some(connect(&shared()).await)] {
        let records = IdempotencyRecords::new(&store, redis.clone());
        let Begun::First(claim) = records.begin("key", [1; 32]).await else { panic!("nothing runs yet") };
        assert!(matches!(records.begin("key", [1; 32]).await, Begun::Running));
        assert!(matches!(records.begin("key", [2; 32]).await, Begun::Differs));
        claim.finish(b"answer".to_vec()).await;
        // The same process, and one that begins anew: it knows only what Redis knows.
        let mut processes = vec![records];
        if redis.is_some() {
            processes.push(IdempotencyRecords::new(&store, redis));
        }
        for process in processes {
            for _ in 0..2 {
                assert_eq!(answered(&process.begin("key", [1; 32]).await), Some(&b"answer"[..]));
                assert!(matches!(process.begin("key", [2; 32]).await, Begun::Differs));
            }
            assert!(matches!(process.begin("other", [2; 32]).await, Begun::First(_)));
        }
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_lets_the_next_one_run() {
    let store = Embedded::new().open().await;
    for redis in [None, Some(connect(&shared()).await)] {
        let here = IdempotencyRecords::new(&store, redis.clone());
        let there = if redis.is_some() { IdempotencyRecords::new(&store, redis) } else { here.clone() };
        let Begun::First(claim) = here.begin("key", [1; 32]).await else { panic!("nothing runs yet") };
        assert!(matches!(there.begin("key", [1; 32]).await, Begun::Running));
        drop(claim);
        until(async || matches!(there.begin("key", [2; 32]).await, Begun::First(_))).await;
    }
}

#[tokio::test]
async fn answers_in_redis_are_sealed_and_records_survive_its_absence() {
    let store = Embedded::new().open().await;
    let mut server = OwnServer::start();
    let redis = connect(&server.options()).await;
    let records = IdempotencyRecords::new(&store, Some(redis));
    let Begun::First(claim) = records.begin("key", [1; 32]).await else { panic!("nothing runs yet") };
    claim.finish(b"Wilhelmina".to_vec()).await;
    let client = ::redis::Client::open(server.options().url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let kept: Vec<u8> =
        ::redis::cmd("GET").arg("leadscore:idempotency:key").query_async(&mut connection).await.unwrap();
    assert!(kept.len() > 40 && !kept.windows(10).any(|window| window == b"Wilhelmina"));
    let life_ms: u64 =
        ::redis::cmd("PTTL").arg("leadscore:idempotency:key").query_async(&mut connection).await.unwrap();
    assert!(Duration::from_millis(life_ms) > Duration::from_secs(23 * 3_600));
    server.kill();
    assert_eq!(answered(&records.begin("key", [1; 32]).await), Some(&b"Wilhelmina"[..]));
    assert!(matches!(records.begin("new", [1; 32]).await, Begun::First(_)));
}
