//! Jobs: one owner at a time, where they stand, cancelled and resumed.

use leadscore_domain::LeadId;
use leadscore_store::{Job, JobState, Store};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Backend, at};

const LEASE_US: i64 = 10_000_000;

async fn queued(store: &Store) -> Job {
    store.create_job("score_all", json!({"by": "test"}), 100).await.unwrap()
}

pub async fn a_job_that_waits_or_runs_is_not_queued_twice(backend: &impl Backend) {
    let store = backend.open().await;
    let job = queued(&store).await;
    assert_eq!((job.state, job.done, job.total, &job.parameters), (JobState::Queued, 0, 100, &json!({"by": "test"})));
    assert_eq!(queued(&store).await, job);
    assert_ne!(store.create_job("other", json!({}), 1).await.unwrap().id, job.id);
    let owner = store.presence();
    store.claim_job(owner, Some(job.id), LEASE_US).await.unwrap().unwrap();
    assert_eq!(queued(&store).await.id, job.id);
    store.finish_job(owner, job.id, None).await.unwrap();
    backend.clock().set(at(1));
    let next = queued(&store).await;
    assert_ne!(next.id, job.id);
    let jobs = store.jobs(10).await.unwrap();
    assert_eq!((jobs.len(), jobs[0].id), (3, next.id), "the newest first");
    assert_eq!(jobs.iter().filter(|job| job.state == JobState::Done).map(|job| job.id).collect::<Vec<_>>(), [job.id]);
    assert_eq!(store.jobs(1).await.unwrap(), jobs[..1]);
    assert_eq!(store.job(Uuid::nil()).await.unwrap(), None);
}

pub async fn a_job_has_one_owner_and_goes_on_where_a_dead_one_left_it(backend: &impl Backend) {
    let store = backend.open().await;
    let job = queued(&store).await;
    let (one, other) = (store.presence(), store.presence());
    let (a, b) = tokio::join!(store.claim_job(one, None, LEASE_US), store.claim_job(other, None, LEASE_US));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.is_some(), b.is_some()), (a.is_some(), a.is_none()), "one of them");
    let (owner, other) = if a.is_some() { (one, other) } else { (other, one) };
    let lead = LeadId(Uuid::from_u128(7));
    assert!(store.advance_job(owner, job.id, 40, Some(lead), LEASE_US).await.unwrap());
    assert!(!store.advance_job(other, job.id, 1, None, LEASE_US).await.unwrap());

    backend.clock().set(at(10));
    let taken = store.claim_job(other, None, LEASE_US).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.done, taken.resume_after), (job.id, 40, Some(lead)));
    assert!(!store.advance_job(owner, job.id, 41, None, LEASE_US).await.unwrap(), "it lost its lease");
    store.finish_job(owner, job.id, Some("late".to_owned())).await.unwrap();
    assert_eq!(store.job(job.id).await.unwrap().unwrap().state, JobState::Running);
    store.release_job(other, job.id).await.unwrap();
    assert_eq!(store.claim_job(owner, Some(job.id), LEASE_US).await.unwrap().unwrap().done, 40);
}

pub async fn a_cancelled_or_failed_job_can_be_resumed(backend: &impl Backend) {
    let store = backend.open().await;
    let job = queued(&store).await;
    assert_eq!(store.resume_job(job.id).await.unwrap().unwrap(), (job.clone(), false));
    assert_eq!(store.cancel_job(Uuid::nil()).await.unwrap(), None);
    let owner = store.presence();
    store.claim_job(owner, None, LEASE_US).await.unwrap().unwrap();
    store.advance_job(owner, job.id, 40, None, LEASE_US).await.unwrap();
    let (cancelled, done) = store.cancel_job(job.id).await.unwrap().unwrap();
    assert_eq!(
        (cancelled.state, cancelled.done, cancelled.finished_at, done),
        (JobState::Cancelled, 40, Some(at(0)), true)
    );
    assert!(!store.advance_job(owner, job.id, 50, None, LEASE_US).await.unwrap());
    assert_eq!(store.claim_job(owner, None, LEASE_US).await.unwrap(), None);
    assert!(!store.cancel_job(job.id).await.unwrap().unwrap().1);

    assert!(store.resume_job(job.id).await.unwrap().unwrap().1);
    store.claim_job(owner, None, LEASE_US).await.unwrap().unwrap();
    store.finish_job(owner, job.id, Some("no disk".to_owned())).await.unwrap();
    let failed = store.job(job.id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.error.as_deref(), failed.done), (JobState::Failed, Some("no disk"), 40));
    let (resumed, done) = store.resume_job(job.id).await.unwrap().unwrap();
    assert_eq!((resumed.state, resumed.error, resumed.finished_at, done), (JobState::Queued, None, None, true));
}
