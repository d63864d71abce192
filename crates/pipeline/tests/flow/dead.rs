//! Dead letters that are tried again.

use leadscore_domain::{Clock, Region, event::EmailAction};
use leadscore_pipeline::{
    dead::{Replayed, replay},
    presence,
};
use leadscore_store::{Appended, DeadFilter, DeadOrigin, Undelivered};
use uuid::Uuid;

use crate::support::{Brokerage, applied, email};

/// Buries a payload as the API does with a late event; the letter's id.
async fn bury(brokerage: &Brokerage, payload: impl Into<Vec<u8>>) -> Uuid {
    let letter = Undelivered {
        origin: DeadOrigin::Api,
        place: None,
        event_id: None,
        lead_id: None,
        identities: Vec::new(),
        reason: "late".to_owned(),
        tries: 1,
        payload: payload.into(),
    };
    brokerage.store.bury(vec![letter]).await.unwrap();
    brokerage.store.dead_letters(&DeadFilter::default(), 1).await.unwrap()[0].id
}

async fn tried(brokerage: &Brokerage, id: Uuid) -> Replayed {
    replay(&brokerage.store, id, brokerage.clock.now(), Region::default()).await.unwrap()
}

#[tokio::test]
async fn what_is_no_event_stays_with_a_reason_that_quotes_nothing() {
    let brokerage = Brokerage::open().await;
    for payload in [&b"\xff"[..], b"Wilhelmina", b"{\"source\":\"Wilhelmina\"}"] {
        let id = bury(&brokerage, payload).await;
        let Replayed::Stays(reason) = tried(&brokerage, id).await else { panic!("{payload:?} is no event") };
        assert!(!reason.contains("Wilhelmina"), "{reason}");
        let (letter, _) = brokerage.store.dead_letter(id).await.unwrap().unwrap();
        assert_eq!((letter.tries, letter.reason), (2, reason));
        brokerage.store.drop_dead_letter(id).await.unwrap();
        assert_eq!(tried(&brokerage, id).await, Replayed::Unknown);
    }
}

#[tokio::test]
async fn an_event_that_is_replayed_twice_counts_once() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    let opened = serde_json::to_vec(&email(brokerage.clock.now(), "a", EmailAction::Opened)).unwrap();
    let id = bury(&brokerage, opened.clone()).await;
    assert_eq!(tried(&brokerage, id).await, Replayed::Applied(lead));
    assert_eq!(brokerage.store.dead_letter(id).await.unwrap(), None);
    let id = bury(&brokerage, opened).await;
    assert_eq!(tried(&brokerage, id).await, Replayed::Duplicate(lead));
    assert_eq!(brokerage.catch_up().await.events, 2);
}

#[tokio::test]
async fn an_event_that_the_database_refuses_is_set_aside_and_holds_up_nobody() {
    let brokerage = Brokerage::open().await;
    let mut leads = Vec::new();
    for number in 0..40 {
        leads.push(brokerage.lead(&number.to_string()).await);
    }
    brokerage.catch_up().await;
    let refused = leads[17];
    let before = brokerage.state(refused).await;
    brokerage.alter(&format!(
        "CREATE TRIGGER refusal BEFORE INSERT ON lead_states WHEN NEW.lead_id = x'{}' \
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
        refused.0.simple()
    ));
    let now = brokerage.clock.now();
    let opened = (0..40).map(|number| email(now, &number.to_string(), EmailAction::Opened)).collect();
    brokerage.append(opened).await;
    let tally = brokerage.catch_up().await;
    assert_eq!((tally.events, tally.dead, tally.behind), (40, 1, 0));
    let letters = brokerage.store.dead_letters(&DeadFilter::default(), 9).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.origin, letter.lead_id), (DeadOrigin::Log, Some(refused)));
    assert!(letter.reason.contains("the database refuses"), "{}", letter.reason);
    for lead in leads.iter().filter(|lead| **lead != refused) {
        assert_eq!(brokerage.state(*lead).await, Some(brokerage.rebuilt(*lead).await));
    }
    assert_eq!(brokerage.state(refused).await, before);

    brokerage.alter("DROP TRIGGER refusal");
    assert_eq!(tried(&brokerage, letter.id).await, Replayed::Rebuilds(refused));
    brokerage.catch_up().await;
    assert_eq!(brokerage.state(refused).await, Some(brokerage.rebuilt(refused).await));
}

#[tokio::test]
async fn a_damaged_record_counts_once_it_can_be_read_again() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    let appended = brokerage.append(vec![email(brokerage.clock.now(), "a", EmailAction::Opened)]).await;
    let Appended::Applied { event_id, .. } = appended[0] else { panic!("{appended:?}") };
    let data = brokerage.damage(event_id);
    brokerage.catch_up().await;
    let without = brokerage.state(lead).await;
    let id = brokerage.store.dead_letters(&DeadFilter::default(), 1).await.unwrap()[0].id;
    assert_eq!(tried(&brokerage, id).await, Replayed::Stays("the stored event is damaged".to_owned()));

    brokerage.overwrite(event_id, &data);
    assert_eq!(tried(&brokerage, id).await, Replayed::Rebuilds(lead));
    assert_eq!(brokerage.state(lead).await, without, "the scorer alone writes states");
    // A running scorer has the old state in its memory.
    let pipeline = brokerage.start().await;
    wait_until(async || brokerage.store.asked_rebuilds(1).await.unwrap().is_empty()).await;
    assert_eq!(brokerage.state(lead).await.unwrap(), brokerage.rebuilt(lead).await);
    assert_ne!(brokerage.state(lead).await, without);
    let another = email(brokerage.clock.now(), "a", EmailAction::Clicked);
    assert_eq!(applied(&brokerage.append(vec![another]).await[0]), lead);
    wait_until(async || brokerage.score(lead).await.is_some_and(|score| score.log_position == 3)).await;
    assert_eq!(brokerage.state(lead).await.unwrap(), brokerage.rebuilt(lead).await);
    pipeline.drain().await;
    assert_eq!(brokerage.store.counts().await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_damaged_record_of_an_erased_lead_is_let_go() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    let appended = brokerage.append(vec![email(brokerage.clock.now(), "a", EmailAction::Opened)]).await;
    let Appended::Applied { event_id, .. } = appended[0] else { panic!("{appended:?}") };
    brokerage.damage(event_id);
    brokerage.catch_up().await;
    brokerage.store.erase_lead(lead).await.unwrap().unwrap();
    assert_eq!(brokerage.store.dead_letters(&DeadFilter::default(), 1).await.unwrap(), []);
}

#[tokio::test]
async fn a_running_pipeline_says_that_it_is_there() {
    let brokerage = Brokerage::open().await;
    let pipeline = brokerage.start().await;
    wait_until(async || brokerage.store.present(presence::SCORER).await.unwrap() == 1).await;
    pipeline.drain().await;
    assert_eq!(brokerage.store.present(presence::SCORER).await.unwrap(), 0);
}

async fn wait_until(done: impl AsyncFn() -> bool) {
    let wait = async {
        while !done().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("it must happen");
}
