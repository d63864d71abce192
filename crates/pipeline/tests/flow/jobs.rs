//! Jobs: scoring everybody anew, cancelled, taken over and resumed.

use std::sync::Mutex;

use leadscore_domain::{Clock, event::ShowingAction, time::HOUR_US};
use leadscore_pipeline::{
    jobs::{Runner, SCORE_ALL},
    topology::job_runner,
};
use leadscore_store::{Job, JobState};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Brokerage, past_leads, showing};

/// More leads than one step takes, all scored; then an hour goes by.
async fn scored() -> (Brokerage, Job) {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(700, 300)).await;
    brokerage.catch_up().await;
    brokerage.clock.advance_micros(HOUR_US);
    let job = brokerage.store.create_job(SCORE_ALL, json!({}), 700).await.unwrap();
    (brokerage, job)
}

async fn runner(brokerage: &Brokerage) -> Runner {
    job_runner(brokerage.options()).await.unwrap()
}

/// How many leads have a score of this instant.
async fn fresh(brokerage: &Brokerage) -> usize {
    let leads = brokerage.store.leads_page(None, 10_000).await.unwrap();
    let latest = brokerage.store.latest_scores(&leads).await.unwrap();
    latest.values().filter(|stored| stored.score.calculated_at == brokerage.clock.now()).count()
}

#[tokio::test]
async fn every_lead_is_scored_anew_as_of_now() {
    let (brokerage, job) = scored().await;
    assert_eq!(fresh(&brokerage).await, 0);
    let steps = Mutex::new(Vec::new());
    let told = |job: &Job| steps.lock().unwrap().push(job.done);
    assert!(runner(&brokerage).await.run_next(None, &CancellationToken::new(), &told).await.unwrap());
    let done = brokerage.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((done.state, done.done, done.error), (JobState::Done, 700, None));
    assert_eq!(steps.into_inner().unwrap(), [512, 700]);
    assert_eq!(fresh(&brokerage).await, 700);
}

#[tokio::test]
async fn a_cancelled_job_stops_and_a_resumed_one_goes_on_where_it_was() {
    let (brokerage, job) = scored().await;
    let runner = runner(&brokerage).await;
    // Told to stop after its first step, as by Ctrl-C or the end of the process.
    let stop = CancellationToken::new();
    runner.run_next(Some(job.id), &stop, &|_| stop.cancel()).await.unwrap();
    let stopped = brokerage.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((stopped.state, stopped.done), (JobState::Queued, 512));
    assert_eq!(fresh(&brokerage).await, 512);

    brokerage.store.cancel_job(job.id).await.unwrap().unwrap();
    let go = CancellationToken::new();
    assert!(!runner.run_next(None, &go, &|_| {}).await.unwrap());
    brokerage.clock.advance_micros(1);
    brokerage.store.resume_job(job.id).await.unwrap().unwrap();
    assert!(runner.run_next(None, &go, &|_| {}).await.unwrap());
    assert_eq!(brokerage.store.job(job.id).await.unwrap().unwrap().done, 700);
    assert_eq!(fresh(&brokerage).await, 700 - 512);
}

#[tokio::test]
async fn a_job_whose_owner_died_is_taken_over() {
    let (brokerage, job) = scored().await;
    let dead = brokerage.store.presence();
    brokerage.store.claim_job(dead, None, HOUR_US).await.unwrap().unwrap();
    let (runner, go) = (runner(&brokerage).await, CancellationToken::new());
    assert!(!runner.run_next(None, &go, &|_| {}).await.unwrap(), "it is alive, as far as anybody knows");
    brokerage.clock.advance_micros(HOUR_US);
    assert!(runner.run_next(None, &go, &|_| {}).await.unwrap());
    assert_eq!(brokerage.store.job(job.id).await.unwrap().unwrap().state, JobState::Done);
}

#[tokio::test]
async fn a_job_that_this_release_does_not_know_fails_and_says_so() {
    let brokerage = Brokerage::open().await;
    let job = brokerage.store.create_job("sing", json!({}), 1).await.unwrap();
    runner(&brokerage).await.run_next(None, &CancellationToken::new(), &|_| {}).await.unwrap();
    let failed = brokerage.store.job(job.id).await.unwrap().unwrap();
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.error.unwrap().contains("sing"));
}

#[tokio::test]
async fn a_serving_pipeline_does_jobs_while_events_come_in() {
    let (brokerage, job) = scored().await;
    let pipeline = brokerage.start().await;
    let lead = brokerage.lead("a").await;
    let wait = async {
        loop {
            let job = brokerage.store.job(job.id).await.unwrap().unwrap();
            assert_eq!(job.error, None);
            if job.state == JobState::Done {
                break;
            }
            let now = brokerage.clock.now();
            brokerage.append(vec![showing(now, "a", ShowingAction::Held)]).await;
        }
        let head = brokerage.store.head(brokerage.store.partition_of(lead)).await.unwrap();
        while brokerage.score(lead).await.is_none_or(|score| score.log_position < head) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.unwrap();
    assert_eq!(brokerage.state(lead).await.unwrap(), brokerage.rebuilt(lead).await);
    pipeline.drain().await;
}
