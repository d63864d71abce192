//! Privacy requests end to end: limits in effect everywhere, access that another server takes in, erasure after a crash.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{
    Clock, ConsentState, EventBody, EventEnvelope, IdentityKind, LeadId, Obstacle, RawIdentity,
    event::{Direction, EmailAction, LeadCreated, LeadRef, Medium, Message, OutcomeResult, ShowingAction},
    time::HOUR_US,
};
use leadscore_pipeline::{
    ingest::files::{ImportOptions, Kind, import},
    privacy::Clerk,
    topology::clerk,
    training::{ProgressFn, TrainingOptions, export_training_set},
};
use leadscore_store::{
    Cached, Change, LeadFilter, LeadKey, LeadOrder, NewOverride, NewRequest, PrivacyRequest, RequestKind,
    RequestStatus, Sight, Store, Update,
    audit::{Actor, ActorKind},
};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use crate::support::{Brokerage, applied, consent, email, outcome, past_leads, published, showing};

const CLI: Actor = Actor { kind: ActorKind::Cli, id: None, role: None };

async fn approved(store: &Store, kind: RequestKind, lead_id: LeadId) -> Uuid {
    let new =
        NewRequest { kind, lead_id, opened_by: CLI, received_at: None, note: None, approved: true, claimed: None };
    store.open_privacy_request(new).await.unwrap().unwrap().id
}

async fn show(store: &Store, id: Uuid) -> PrivacyRequest {
    store.privacy_request(Sight::All, id).await.unwrap().unwrap()
}

async fn clerk_of(brokerage: &Brokerage) -> Clerk {
    clerk(brokerage.options()).await.unwrap()
}

/// The next verdict about a lead that is published.
async fn verdict(updates: &mut Receiver<Update>, lead: LeadId) -> Obstacle {
    let wait = async {
        loop {
            if let Update::Changed(Change::Withheld { lead_id, obstacle, .. }) = updates.recv().await.unwrap()
                && lead_id == lead
            {
                return obstacle;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the verdict must be published")
}

/// A request, once it is over.
async fn done(store: &Store, id: Uuid) -> PrivacyRequest {
    let wait = async {
        loop {
            let request = show(store, id).await;
            if request.status == RequestStatus::Done {
                return request;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the request must be carried out")
}

/// The leads of the queue: those that have a score.
async fn queued(store: &Store) -> Vec<LeadId> {
    let filter = LeadFilter { score_from: Some(0), ..LeadFilter::default() };
    let order = LeadOrder { key: LeadKey::Score, descending: true };
    let found = store.search_leads(Sight::All, &filter, order, None, (10, false)).await.unwrap();
    found.into_iter().map(|lead| lead.id).collect()
}

#[tokio::test]
async fn limits_are_in_effect_everywhere_and_a_lifted_one_gives_the_score_back() {
    let brokerage = Brokerage::open().await;
    let mut updates = brokerage.cache.subscribe();
    let running = brokerage.start().await;
    let (lead, other) = (brokerage.lead("ann").await, brokerage.lead("bob").await);
    published(&mut updates, |score| score.lead_id == other).await;
    assert_eq!(queued(&brokerage.store).await.len(), 2);
    for (kind, obstacle) in
        [(RequestKind::Restriction, Obstacle::Restricted), (RequestKind::Objection, Obstacle::Objected)]
    {
        let id = approved(&brokerage.store, kind, lead).await;
        // By the running process itself: nobody calls it.
        assert_eq!(verdict(&mut updates, lead).await, obstacle);
        assert!(matches!(brokerage.cache.get(lead), Some(Cached::Withheld { obstacle: held, .. }) if held == obstacle));
        assert_eq!(brokerage.score(lead).await, None);
        assert_eq!(queued(&brokerage.store).await, [other], "it is out of queues");
        // What happens meanwhile is kept and not used.
        brokerage.append(vec![showing(brokerage.clock.now(), "ann", ShowingAction::Held)]).await;
        assert_eq!(verdict(&mut updates, lead).await, obstacle);
        let request = done(&brokerage.store, id).await;
        brokerage.clock.advance_micros(HOUR_US);
        brokerage.store.lift_limit(&request, "by telephone").await.unwrap();
        published(&mut updates, |score| score.lead_id == lead).await;
        assert_eq!(queued(&brokerage.store).await.len(), 2);
        let folded = brokerage.state(lead).await.unwrap();
        assert_eq!(brokerage.rebuilt(lead).await, folded, "a replay gives the same");
    }
    running.drain().await;
}

#[tokio::test]
async fn what_is_exported_gives_another_server_the_same_features() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("ann").await;
    for event in [
        showing(brokerage.clock.now(), "ann", ShowingAction::Requested),
        email(brokerage.clock.now(), "ann", EmailAction::Opened),
        showing(brokerage.clock.now(), "ann", ShowingAction::Held),
        outcome(brokerage.clock.now(), "ann", OutcomeResult::NoAnswer),
    ] {
        brokerage.append(vec![event]).await;
    }
    brokerage.catch_up().await;
    let id = approved(&brokerage.store, RequestKind::Access, lead).await;
    assert!(clerk_of(&brokerage).await.run_next(None).await.unwrap());
    let receipt = show(&brokerage.store, id).await.receipt.unwrap();
    assert_eq!((receipt.counts["events"], receipt.counts["scores"]), (5, 1));
    let bytes = brokerage.store.export_part(id, 0).await.unwrap().unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["explanation"]["score"]["lead_id"], lead.to_string());
    assert!(document["logic"].as_str().unwrap().contains("never refuses anybody"));

    let other = Brokerage::open().await;
    other.clock.set(brokerage.clock.now());
    let lines: String = document["events"].as_array().unwrap().iter().map(|event| format!("{event}\n")).collect();
    let file = other.folder.path().join("events.jsonl");
    std::fs::write(&file, lines).unwrap();
    let options = ImportOptions::new(Arc::new(other.clock.clone()));
    let summary = import(&other.store, Kind::Events, &file, None, &options, &|_| {}).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (5, 0));
    other.catch_up().await;
    let imported = other.store.leads_page(None, 10).await.unwrap();
    let [imported] = imported[..] else { panic!("one lead: {imported:?}") };
    let (before, after) = (brokerage.score(lead).await.unwrap(), other.score(imported).await.unwrap());
    assert_eq!((before.features_hash, before.score), (after.features_hash, after.score));
}

#[tokio::test]
async fn an_erasure_goes_on_after_a_crash_and_readers_forget_the_lead() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("ann").await;
    let running = brokerage.start().await;
    let mut updates = brokerage.cache.subscribe();
    brokerage.append(vec![showing(brokerage.clock.now(), "ann", ShowingAction::Held)]).await;
    published(&mut updates, |score| score.lead_id == lead).await;
    running.drain().await;
    let id = approved(&brokerage.store, RequestKind::Erasure, lead).await;
    // A process takes it, erases, and dies before it tells anybody.
    let dead = brokerage.store.presence();
    let request = brokerage.store.claim_privacy_request(dead, Some(id), HOUR_US).await.unwrap().unwrap();
    let elsewhere = leadscore_store::ScoreCache::sole_writer(1, 1);
    brokerage.store.carry_out(brokerage.store.presence(), request, &elsewhere).await.unwrap();
    assert_eq!(show(&brokerage.store, id).await.status, RequestStatus::InProgress);
    assert!(brokerage.cache.get(lead).is_some());
    let clerk = clerk_of(&brokerage).await;
    assert!(!clerk.run_next(None).await.unwrap(), "its lease runs");
    brokerage.clock.advance_micros(HOUR_US);
    assert!(clerk.run_next(None).await.unwrap());
    let done = show(&brokerage.store, id).await;
    assert_eq!((done.status, done.receipt.unwrap().counts["events"]), (RequestStatus::Done, 2));
    assert!(brokerage.cache.get(lead).is_none(), "nobody is shown a score of before");
    assert!(!clerk.run_next(None).await.unwrap());
}

/// Words that stand nowhere but in what a person said or is called.
const CANARIES: [&str; 6] =
    ["zephyrine-quillfeather", "zq.canary@example.com", "+15125550177", "tirespoke", "marmoladova", "overreasoned"];

/// Every file below a folder that holds one of the canaries, in whatever case.
fn finds(folder: &std::path::Path) -> Vec<(std::path::PathBuf, &'static str)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(finds(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap().to_ascii_lowercase();
        let holds = |canary: &&str| bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        found.extend(CANARIES.into_iter().filter(holds).map(|canary| (path.clone(), canary)));
    }
    found
}

/// A lead whose name, handles and words are canaries, and what is kept of such a lead beside its events.
async fn said(brokerage: &Brokerage) -> LeadId {
    let [name, mail, phone, transcript, note, reason] = CANARIES.map(str::to_owned);
    let identities: Vec<RawIdentity> = [(IdentityKind::Email, mail), (IdentityKind::Phone, phone)]
        .map(|(kind, value)| RawIdentity { kind, value })
        .into();
    let call = |id: &str, identities: Vec<RawIdentity>| EventEnvelope {
        source: "test".to_owned(),
        source_event_id: id.to_owned(),
        lead: LeadRef { lead_id: None, identities },
        occurred_at: brokerage.clock.now(),
        body: EventBody::Message(Message {
            direction: Direction::Inbound,
            medium: Medium::Sms,
            text: Some(transcript.clone()),
            sentiment: None,
        }),
    };
    let consents = vec![consent(ConsentState::Granted)];
    let data = LeadCreated { name: Some(name), consents, ..LeadCreated::default() };
    let arrival = EventEnvelope { body: EventBody::LeadCreated(data), ..call("1", identities.clone()) };
    let lead = applied(&brokerage.append(vec![arrival]).await[0]);
    brokerage.append(vec![call("2", identities)]).await;
    let store = &brokerage.store;
    let new = NewRequest {
        kind: RequestKind::Contest,
        lead_id: lead,
        opened_by: CLI,
        received_at: None,
        note: Some(note),
        approved: false,
        claimed: None,
    };
    store.open_privacy_request(new).await.unwrap().unwrap();
    let given = NewOverride { lead_id: lead, score: 1, reason, set_by: CLI, expires_at: None };
    store.set_override(given).await.unwrap().unwrap();
    approved(store, RequestKind::Access, lead).await;
    lead
}

#[tokio::test]
async fn what_a_person_said_is_in_no_file_before_an_erasure_and_after_it() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(60, 20)).await;
    let lead = said(&brokerage).await;
    let clerk = clerk_of(&brokerage).await;
    assert!(clerk.run_next(None).await.unwrap());
    brokerage.catch_up().await;
    let training_set = brokerage.folder.path().join("training-set");
    let quiet: ProgressFn = Arc::new(|_| {});
    let options = TrainingOptions::default();
    export_training_set(&brokerage.store, &brokerage.clock, &options, &training_set, &quiet).await.unwrap();
    // Whoever finds nothing must be able to find something.
    std::fs::write(brokerage.folder.path().join("found"), CANARIES[3].to_uppercase()).unwrap();
    assert_eq!(finds(brokerage.folder.path()).len(), 1);
    std::fs::remove_file(brokerage.folder.path().join("found")).unwrap();
    assert_eq!(finds(brokerage.folder.path()), [], "sealed, with the write-ahead log and what was exported");
    approved(&brokerage.store, RequestKind::Erasure, lead).await;
    assert!(clerk.run_next(None).await.unwrap());
    assert_eq!(finds(brokerage.folder.path()), []);
    brokerage.store.close().await;
    assert_eq!(finds(brokerage.folder.path()), []);
}
