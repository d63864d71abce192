//! From an append to a published score, against a real store.

use std::sync::Arc;

use leadscore_domain::{
    Clock, ConsentState, EventBody, IdentityKind, RawIdentity,
    event::{EmailAction, ShowingAction},
    time::DAY_US,
};
use leadscore_engine::{score::FeatureVector, scorecard::SCORECARD_VERSION};
use leadscore_pipeline::{
    publish::Publisher,
    scorer::{GROUP, ScorerTask, load_champion},
    topology::Health,
    training::{PromotePolicy, TrainingOptions, TrainingOutcome, train},
};
use leadscore_store::{Appended, Cached, DeadFilter, Derived};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Brokerage, applied, consent, created, crm, email, event, past_leads, published, showing, waiting,
};

#[tokio::test]
async fn an_appended_event_becomes_a_published_score() {
    let brokerage = Brokerage::open().await;
    let mut scores = brokerage.cache.subscribe();
    let pipeline = brokerage.start().await;
    let lead = brokerage.lead("a").await;
    let score = published(&mut scores, |score| score.lead_id == lead).await;
    assert_eq!(score.model_version, SCORECARD_VERSION);
    assert_eq!(score.log_position, 1);
    assert_eq!(brokerage.score(lead).await.as_ref(), Some(&*score), "published is committed");
    pipeline.drain().await;
}

#[tokio::test]
async fn every_committed_score_has_the_features_that_its_hash_is_of() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    brokerage.catch_up().await;
    brokerage.append(vec![showing(brokerage.clock.now(), "a", ShowingAction::Held)]).await;
    brokerage.catch_up().await;
    brokerage.clock.advance_micros(2 * DAY_US);
    brokerage.catch_up().await;
    let mut scores = brokerage.store.score_history(lead, None, 10).await.unwrap();
    scores.reverse();
    let features = brokerage.store.features_of(&[lead]).await.unwrap();
    assert_eq!((scores.len(), features.len()), (3, 3), "two events and an expiry");
    for (stored, kept) in scores.iter().zip(&features) {
        let vector = FeatureVector::from_bytes(&kept.vector).unwrap();
        assert_eq!((kept.created_at, vector.hash()), (stored.score.calculated_at, stored.score.features_hash.clone()));
        assert_eq!(kept.features_hash, stored.score.features_hash);
    }
    assert!(features.windows(2).all(|pair| pair[0].vector != pair[1].vector));
}

#[tokio::test]
async fn a_fenced_scorer_publishes_nothing_of_its_own_and_goes_on() {
    let brokerage = Brokerage::open().await;
    let mut task = task(&brokerage).await;
    let mut scores = brokerage.cache.subscribe();
    let lead = brokerage.lead("a").await;
    // Another scorer of the group passes over the event.
    let partition = brokerage.store.partition_of(lead);
    let other = Derived { group: GROUP.to_owned(), partition, from: 0, to: 1, ..Derived::default() };
    brokerage.store.commit(other).await.unwrap();

    task.catch_up(&CancellationToken::new(), &|_| {}).await.unwrap();
    assert_eq!(waiting(&mut scores), None);
    assert_eq!((task.tally().events, brokerage.score(lead).await), (0, None));

    brokerage.append(vec![created(brokerage.clock.now(), "a", Some(ConsentState::Granted))]).await;
    task.catch_up(&CancellationToken::new(), &|_| {}).await.unwrap();
    assert_eq!(waiting(&mut scores).unwrap().log_position, 2);
}

#[tokio::test]
async fn scores_that_another_scorer_committed_are_published_here_too() {
    let brokerage = Brokerage::open().await;
    let mut task = task(&brokerage).await;
    let lead = brokerage.lead("a").await;
    let other = leadscore_store::ScoreCache::sole_writer(10, 10);
    let options = leadscore_pipeline::topology::PipelineOptions { cache: other, ..brokerage.options() };
    leadscore_pipeline::topology::catch_up(options, &|_| {}).await.unwrap();
    let mut scores = brokerage.cache.subscribe();
    task.catch_up(&CancellationToken::new(), &|_| {}).await.unwrap();
    assert_eq!(waiting(&mut scores).as_deref(), brokerage.score(lead).await.as_ref());
}

#[tokio::test]
async fn a_duplicate_changes_nothing() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    let opened = email(brokerage.clock.now(), "a", EmailAction::Opened);
    brokerage.append(vec![opened.clone()]).await;
    brokerage.catch_up().await;
    let (state, score) = (brokerage.state(lead).await, brokerage.score(lead).await);
    let again = brokerage.append(vec![opened.clone(), opened]).await;
    assert!(again.iter().all(|one| matches!(one, Appended::Duplicate { .. })), "{again:?}");
    assert_eq!(brokerage.catch_up().await.events, 0);
    assert_eq!((brokerage.state(lead).await, brokerage.score(lead).await), (state, score));
}

#[tokio::test]
async fn merged_leads_have_one_history_equal_to_a_rebuild() {
    let brokerage = Brokerage::open().await;
    let (a, b) = (brokerage.lead("a").await, brokerage.lead("b").await);
    brokerage.catch_up().await;
    assert!(brokerage.score(a).await.is_some() && brokerage.score(b).await.is_some());
    // Events of both that the scorer has not read when it meets the merge.
    let now = brokerage.clock.now();
    brokerage.append(vec![showing(now, "b", ShowingAction::Held), email(now, "a", EmailAction::Opened)]).await;
    let now = brokerage.clock.now();
    let both = event(now, vec![crm("a"), crm("b")], email(now, "a", EmailAction::Clicked).body);
    let survivor = applied(&brokerage.append(vec![both]).await[0]);
    let now = brokerage.clock.now();
    brokerage.append(vec![email(now, "b", EmailAction::Replied)]).await;
    let tally = brokerage.catch_up().await;
    assert_eq!(tally.absorbed, 1);

    let absorbed = if survivor == a { b } else { a };
    assert_eq!(brokerage.state(survivor).await.unwrap(), brokerage.rebuilt(survivor).await);
    assert!(brokerage.score(survivor).await.is_some());
    assert_eq!(brokerage.score(absorbed).await, None);
    assert!(brokerage.cache.get(absorbed).is_none_or(|known| matches!(known, Cached::Withheld { .. })));
    let state = brokerage.state(survivor).await;
    assert_eq!(brokerage.catch_up().await.events, 0);
    assert_eq!(brokerage.state(survivor).await, state);
}

#[tokio::test]
async fn withdrawn_consent_removes_the_score_and_given_consent_brings_it_back() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    brokerage.catch_up().await;
    assert!(brokerage.score(lead).await.is_some());
    for (state, scored) in [(ConsentState::Withdrawn, false), (ConsentState::Granted, true)] {
        let statement = event(brokerage.clock.now(), vec![crm("a")], EventBody::Consent(consent(state)));
        brokerage.append(vec![statement]).await;
        brokerage.catch_up().await;
        assert_eq!(brokerage.score(lead).await.is_some(), scored);
        assert_eq!(matches!(brokerage.cache.get(lead), Some(Cached::Score(_))), scored);
    }
}

#[tokio::test]
async fn an_expired_score_is_renewed_when_the_clock_says_so() {
    let brokerage = Brokerage::open().await;
    let mut scores = brokerage.cache.subscribe();
    let pipeline = brokerage.start().await;
    let lead = brokerage.lead("a").await;
    let first = published(&mut scores, |score| score.lead_id == lead).await;
    brokerage.clock.advance_micros(2 * DAY_US);
    let now = brokerage.clock.now();
    let renewed = published(&mut scores, |score| score.lead_id == lead && score.calculated_at == now).await;
    assert_eq!(renewed.log_position, first.log_position);
    assert!(renewed.expires_at > now);
    pipeline.drain().await;
}

#[tokio::test]
async fn without_consent_nothing_is_ever_scored() {
    let brokerage = Brokerage::open().await;
    let appended = brokerage.append(vec![created(brokerage.clock.now(), "a", None)]).await;
    let tally = brokerage.catch_up().await;
    assert_eq!((tally.events, tally.scores), (1, 0));
    assert_eq!(brokerage.score(applied(&appended[0])).await, None);
}

#[tokio::test]
async fn a_damaged_event_is_set_aside_and_blocks_nobody() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    let appended = brokerage.append(vec![email(brokerage.clock.now(), "a", EmailAction::Opened)]).await;
    let Appended::Applied { event_id, position, .. } = &appended[0] else { panic!("{appended:?}") };
    brokerage.append(vec![showing(brokerage.clock.now(), "a", ShowingAction::Requested)]).await;
    brokerage.damage(*event_id);

    let tally = brokerage.catch_up().await;
    assert_eq!((tally.events, tally.dead), (3, 1));
    let dead = brokerage.store.dead_letters(&DeadFilter::default(), 10).await.unwrap();
    let place = dead[0].place.as_ref().unwrap();
    assert_eq!((dead[0].event_id, place.position), (Some(*event_id), *position));
    assert_eq!(brokerage.score(lead).await.unwrap().log_position, 3);
    assert_eq!(brokerage.state(lead).await.unwrap(), brokerage.rebuilt(lead).await);
}

#[tokio::test]
async fn a_damaged_state_is_rebuilt_from_the_log() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    brokerage.catch_up().await;
    let partition = brokerage.store.partition_of(lead);
    let states = vec![(lead, b"no state".to_vec())];
    let damage = Derived { group: GROUP.to_owned(), partition, from: 1, to: 1, states, ..Derived::default() };
    brokerage.store.commit(damage).await.unwrap();
    brokerage.append(vec![email(brokerage.clock.now(), "a", EmailAction::Opened)]).await;
    brokerage.catch_up().await;
    assert_eq!(brokerage.state(lead).await.unwrap(), brokerage.rebuilt(lead).await);
}

#[tokio::test]
async fn however_the_log_is_cut_into_batches_states_equal_a_rebuild() {
    let brokerage = Brokerage::open().await;
    let mut task = task(&brokerage).await;
    let events = past_leads(40, 20);
    let mut leads = std::collections::BTreeSet::new();
    // Late and out of order: the second half of the events first.
    let (early, late) = events.split_at(events.len() / 2);
    for chunk in late.chunks(7).chain(early.chunks(13)) {
        leads.extend(brokerage.append_received(chunk.to_vec()).await.iter().map(applied));
        task.catch_up(&CancellationToken::new(), &|_| {}).await.unwrap();
    }
    assert_eq!(task.tally().events, events.len() as u64);
    for lead in leads {
        assert_eq!(brokerage.state(lead).await.unwrap(), brokerage.rebuilt(lead).await);
    }
}

#[tokio::test]
async fn a_new_champion_scores_everybody_anew_and_a_showing_raises_the_score() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(400, 160)).await;
    let lead = brokerage.lead("a").await;
    let mut scores = brokerage.cache.subscribe();
    let pipeline = brokerage.start().await;
    published(&mut scores, |score| score.lead_id == lead && score.model_version == SCORECARD_VERSION).await;

    let (options, quiet) = (TrainingOptions::default(), Arc::new(|_| {}) as _);
    let trained =
        train(&brokerage.store, &brokerage.registry, &brokerage.clock, &options, PromotePolicy::IfNone, &quiet);
    let TrainingOutcome::Trained(trained) = trained.await.unwrap() else { panic!("there are outcomes enough") };
    assert!(trained.promoted);
    // A later calculation, so that it replaces the one by the scorecard.
    brokerage.clock.advance_micros(1);
    pipeline.reload();
    let before = published(&mut scores, |score| score.lead_id == lead && score.model_version == trained.version).await;
    assert_eq!(pipeline.scorer().borrow().version(), trained.version);

    let now = brokerage.clock.now();
    let visits = [ShowingAction::Requested, ShowingAction::Held].map(|action| showing(now, "a", action));
    brokerage.append(visits.into()).await;
    let after = published(&mut scores, |s| s.lead_id == lead && s.log_position > before.log_position).await;
    assert!(after.probability > before.probability, "{} {}", before.probability, after.probability);
    pipeline.drain().await;
}

#[tokio::test]
async fn a_scorer_that_lost_its_store_says_so_and_a_drained_one_stops() {
    let brokerage = Brokerage::open().await;
    let pipeline = brokerage.start().await;
    let mut health = pipeline.health();
    assert_eq!(*health.borrow(), Health::Running);
    brokerage.store.close().await;
    let failed = health.wait_for(|health| matches!(health, Health::Failed(_)));
    tokio::time::timeout(std::time::Duration::from_secs(60), failed).await.unwrap().unwrap();
    pipeline.drain().await;

    let brokerage = Brokerage::open().await;
    let pipeline = brokerage.start().await;
    let health = pipeline.health();
    pipeline.drain().await;
    assert_eq!(*health.borrow(), Health::Stopped);
}

#[tokio::test]
async fn leads_joined_by_a_third_handle_are_one_in_every_order() {
    let brokerage = Brokerage::open().await;
    let handle = |kind, value: &str| RawIdentity { kind, value: value.to_owned() };
    let phone = || handle(IdentityKind::Phone, "+15125550123");
    let web = || handle(IdentityKind::Web, "visitor-1");
    let now = brokerage.clock.now();
    let opened = |at, identities| event(at, identities, email(at, "x", EmailAction::Opened).body);
    brokerage.append(vec![opened(now, vec![web()]), opened(now, vec![phone()]), opened(now, vec![crm("a")])]).await;
    let now = brokerage.clock.now();
    let joined = vec![opened(now, vec![web(), phone()]), opened(now, vec![phone(), crm("a")])];
    let last = applied(&brokerage.append(joined).await[1]);
    brokerage.catch_up().await;
    assert_eq!(brokerage.store.counts().await.unwrap().absorbed, 2);
    assert_eq!(brokerage.state(last).await.unwrap(), brokerage.rebuilt(last).await);
}

async fn task(brokerage: &Brokerage) -> ScorerTask {
    let options = brokerage.options();
    let scorer = load_champion(&options.store, &options.registry, options.policy).await.unwrap();
    let (_, scorer) = watch::channel(Arc::new(scorer));
    ScorerTask::open(options.store, options.clock, Publisher::new(options.cache), scorer).await.unwrap()
}
