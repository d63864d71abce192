//! Privacy requests: deadlines, decisions, what the server carries out, exports, and the erasure ledger.

use std::{collections::BTreeMap, slice};

use leadscore_domain::{EventBody, LeadId, Limit, LimitState, time::DAY_US};
use leadscore_store::{
    Decided, Export, NewOverride, NewRequest, Presence, PrivacyRequest, RequestFilter, RequestKind, RequestStatus,
    Role, ScoreCache, Sight, Store, StoreOptions,
    audit::{Actor, ActorKind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Backend, Embedded, Postgres, append_one, arrival, at, crm, derived, email, event as plain, score,
};

const LEASE_US: i64 = 60_000_000;
const SECRET: &str = "Zephyrine";

fn admin() -> Actor {
    Actor { kind: ActorKind::User, id: Some(Uuid::from_u128(7)), role: Some(Role::Admin) }
}

fn asked(kind: RequestKind, lead_id: LeadId) -> NewRequest {
    let note = Some(format!("{SECRET} asks"));
    NewRequest { kind, lead_id, opened_by: admin(), received_at: None, note, approved: false, claimed: None }
}

async fn open(store: &Store, kind: RequestKind, lead: LeadId) -> PrivacyRequest {
    store.open_privacy_request(asked(kind, lead)).await.unwrap().unwrap()
}

async fn approved(store: &Store, kind: RequestKind, lead: LeadId) -> PrivacyRequest {
    let new = NewRequest { approved: true, ..asked(kind, lead) };
    store.open_privacy_request(new).await.unwrap().unwrap()
}

async fn claimed(store: &Store, id: Uuid) -> (Presence, PrivacyRequest) {
    let owner = store.presence();
    (owner, store.claim_privacy_request(owner, Some(id), LEASE_US).await.unwrap().unwrap())
}

async fn show(store: &Store, id: Uuid) -> PrivacyRequest {
    store.privacy_request(Sight::All, id).await.unwrap().unwrap()
}

fn cache() -> ScoreCache {
    ScoreCache::sole_writer(10, 10)
}

async fn carry_out(store: &Store, id: Uuid) -> PrivacyRequest {
    let (owner, request) = claimed(store, id).await;
    store.carry_out(owner, request, &cache()).await.unwrap()
}

async fn exported(store: &Store, id: Uuid) -> Value {
    let mut document = Vec::new();
    for part in 0.. {
        let Some(bytes) = store.export_part(id, part).await.unwrap() else { break };
        document.extend(bytes);
    }
    serde_json::from_slice(&document).unwrap()
}

pub async fn nobody_asks_about_who_is_not_there(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.open_privacy_request(asked(RequestKind::Access, LeadId(Uuid::nil()))).await.unwrap(), None);
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    store.erase_lead(lead).await.unwrap().unwrap();
    assert_eq!(store.open_privacy_request(asked(RequestKind::Access, lead)).await.unwrap(), None);
    assert_eq!(store.privacy_request(Sight::All, Uuid::nil()).await.unwrap(), None);
    let nobody = store.decide_privacy_request(Uuid::nil(), admin(), Decided::Started).await.unwrap();
    assert_eq!(nobody, None);
    assert_eq!(store.claim_privacy_request(store.presence(), None, LEASE_US).await.unwrap(), None);
}

pub async fn a_request_is_due_in_a_month_and_put_off_once(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    let request = open(&store, RequestKind::Rectification, lead).await;
    assert_eq!((request.status, request.lead_id, request.note.as_deref()), {
        (RequestStatus::Open, lead, Some("Zephyrine asks"))
    });
    assert_eq!((request.received_at, request.due_at), (at(0), "2026-04-01T12:00:00Z".parse().unwrap()));
    assert!(!request.is_overdue(request.due_at) && request.is_overdue(request.due_at.plus_micros(1)));
    let overdue = RequestFilter { overdue: true, ..RequestFilter::default() };
    let late = async || store.privacy_requests(Sight::All, &overdue, None, 10).await.unwrap().len();
    assert_eq!(late().await, 0);
    backend.clock().set(request.due_at.plus_micros(1));
    assert_eq!(late().await, 1);
    let put_off = || Decided::Extended("two brokerages merged".to_owned());
    let (later, done) = store.decide_privacy_request(request.id, admin(), put_off()).await.unwrap().unwrap();
    assert!(done && later.due_at == "2026-06-01T12:00:00Z".parse().unwrap(), "{later:?}");
    assert_eq!(later.extension_reason.as_deref(), Some("two brokerages merged"));
    assert_eq!(late().await, 0);
    assert!(!store.decide_privacy_request(request.id, admin(), put_off()).await.unwrap().unwrap().1, "once");
}

pub async fn people_decide_what_they_may_and_nothing_twice(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    let decide = async |id, decided| store.decide_privacy_request(id, admin(), decided).await.unwrap().unwrap();
    let completed = || Decided::Completed("as asked".to_owned(), BTreeMap::from([("events", 1)]));
    let refused = || Decided::Refused("not the person".to_owned());
    // What the server carries out is not completed by hand, nor refused once it is under way.
    let erasure = open(&store, RequestKind::Erasure, lead).await.id;
    assert!(!decide(erasure, completed()).await.1);
    assert_eq!(store.claim_privacy_request(store.presence(), None, LEASE_US).await.unwrap(), None, "nobody approved");
    let (request, done) = decide(erasure, Decided::Started).await;
    assert!(done && request.status == RequestStatus::InProgress && request.decided_by == Some(admin()));
    assert!(!decide(erasure, Decided::Started).await.1);
    assert!(!decide(erasure, refused()).await.1);
    let access = open(&store, RequestKind::Access, lead).await.id;
    let (request, done) = decide(access, refused()).await;
    let receipt = request.receipt.clone().unwrap();
    assert!(done && receipt.is_intact() && receipt.outcome == RequestStatus::Refused, "{request:?}");
    assert_eq!((request.decision.as_deref(), request.finished_at), (Some("not the person"), Some(at(0))));
    for again in [Decided::Started, refused(), completed(), Decided::Extended("x".to_owned()), Decided::Lifted] {
        assert!(!decide(access, again).await.1);
    }
    // What people carry out is taken, then completed.
    let contest = open(&store, RequestKind::Contest, lead).await.id;
    assert!(decide(contest, Decided::Started).await.1);
    let owner = store.presence();
    assert_eq!(store.claim_privacy_request(owner, Some(contest), LEASE_US).await.unwrap(), None, "by people");
    let (request, done) = decide(contest, completed()).await;
    assert!(done && request.status == RequestStatus::Done);
    assert_eq!(request.receipt.unwrap().counts, BTreeMap::from([("events".to_owned(), 1)]));
}

pub async fn requests_are_found_page_by_page_by_who_sees_their_lead(backend: &impl Backend) {
    let store = backend.open().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        backend.clock().set(at(number));
        let lead = append_one(&store, plain(&number.to_string(), &[crm(&number.to_string())], number)).await;
        let kind = if number % 2 == 0 { RequestKind::Access } else { RequestKind::Objection };
        ids.push((open(&store, kind, lead).await.id, lead));
    }
    let list = async |sight, filter: RequestFilter, after, limit| {
        let found = store.privacy_requests(sight, &filter, after, limit).await.unwrap();
        found.into_iter().map(|request| request.id).collect::<Vec<_>>()
    };
    let first = list(Sight::All, RequestFilter::default(), None, 3).await;
    assert_eq!(first, [ids[4].0, ids[3].0, ids[2].0]);
    assert_eq!(list(Sight::All, RequestFilter::default(), Some(first[2]), 3).await, [ids[1].0, ids[0].0]);
    let of_kind = RequestFilter { kind: Some(RequestKind::Objection), ..RequestFilter::default() };
    assert_eq!(list(Sight::All, of_kind, None, 9).await, [ids[3].0, ids[1].0]);
    let of_lead = RequestFilter { lead_id: Some(ids[2].1), ..RequestFilter::default() };
    assert_eq!(list(Sight::All, of_lead, None, 9).await, [ids[2].0]);
    let done = RequestFilter { status: Some(RequestStatus::Done), ..RequestFilter::default() };
    assert!(list(Sight::All, done, None, 9).await.is_empty());
    let nobodys = Sight::Own { user: Uuid::from_u128(1) };
    assert!(list(nobodys, RequestFilter::default(), None, 9).await.is_empty());
    assert_eq!(store.privacy_request(nobodys, ids[0].0).await.unwrap(), None);
}

pub async fn a_request_has_one_process_and_goes_on_in_another_where_that_died(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    let id = approved(&store, RequestKind::Erasure, lead).await.id;
    let (dead, request) = claimed(&store, id).await;
    let other = store.presence();
    assert_eq!(store.claim_privacy_request(other, None, LEASE_US).await.unwrap(), None);
    backend.clock().set(at(59));
    assert!(store.keep_privacy_request(dead, id, LEASE_US).await.unwrap());
    assert!(!store.keep_privacy_request(other, id, LEASE_US).await.unwrap());
    backend.clock().set(at(119));
    let taken = store.claim_privacy_request(other, None, LEASE_US).await.unwrap().unwrap();
    assert_eq!(taken.id, id);
    // The first one was only slow: what it does has one effect, and the second one finishes.
    let slow = store.carry_out(dead, request, &cache()).await.unwrap();
    assert_eq!((slow.status, slow.receipt.clone().unwrap().counts["events"]), (RequestStatus::InProgress, 1));
    let done = store.carry_out(other, taken, &cache()).await.unwrap();
    assert_eq!((done.status, done.receipt.as_ref()), (RequestStatus::Done, slow.receipt.as_ref()));
    assert!(done.receipt.unwrap().is_intact());
}

pub async fn an_erasure_leaves_its_receipt_and_nothing_that_anybody_wrote(backend: &impl Backend) {
    let store = backend.open().await;
    let older = append_one(&store, arrival("1", &[email("ann")], 0, SECRET)).await;
    let younger = append_one(&store, arrival("2", &[crm("7")], 1, SECRET)).await;
    append_one(&store, plain("3", &[email("ann"), crm("7")], 2)).await;
    let mut commit = derived(store.partition_of(older), 0, store.head(store.partition_of(older)).await.unwrap());
    commit.scores = vec![score(older, 1, 1, 50)];
    commit.states = vec![(older, b"state".to_vec())];
    store.commit(commit).await.unwrap();
    let set_by = admin();
    let (reason, expires_at) = (SECRET.to_owned(), None);
    store.set_override(NewOverride { lead_id: older, score: 9, reason, set_by, expires_at }).await.unwrap().unwrap();
    let access = approved(&store, RequestKind::Access, older).await.id;
    let (owner, request) = claimed(&store, access).await;
    store.export_for(owner, &request, &Export::default(), LEASE_US).await.unwrap().unwrap();
    let contest = open(&store, RequestKind::Contest, older).await.id;

    // Who was absorbed names the same person.
    let request = approved(&store, RequestKind::Erasure, younger).await;
    assert_eq!(request.lead_id, older);
    let done = carry_out(&store, request.id).await;
    let receipt = done.receipt.unwrap();
    assert!(receipt.is_intact());
    let mut leads = receipt.leads.clone();
    leads.sort_unstable();
    assert_eq!(leads, [older.min(younger), older.max(younger)]);
    let counts = ["leads", "events", "identities", "scores", "overrides", "export_parts"].map(|of| receipt.counts[of]);
    assert_eq!(counts, [2, 4, 2, 1, 1, 1], "{:?}", receipt.counts);
    assert_eq!(receipt.by, admin());
    assert!(!serde_json::to_string(&receipt).unwrap().contains(SECRET));
    for id in [access, contest, request.id] {
        let left = show(&store, id).await;
        assert_eq!((left.note, left.decision), (None, None));
    }
    assert_eq!(store.export_part(access, 0).await.unwrap(), None);
    assert!(!store.is_overridden(older) && store.score_overrides(older, 9).await.unwrap().is_empty());
    // What was waiting can be ended still.
    let (ended, done) = store
        .decide_privacy_request(contest, admin(), Decided::Completed("gone".to_owned(), BTreeMap::new()))
        .await
        .unwrap()
        .unwrap();
    assert!(done && ended.decision.is_none());
    store.close().await;
    for bytes in backend.kept().await {
        assert!(!bytes.windows(SECRET.len()).any(|window| window.eq_ignore_ascii_case(SECRET.as_bytes())));
    }
}

pub async fn limits_are_events_of_the_lead_and_are_said_once(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    backend.clock().set(at(60));
    let received_at = Some(at(30));
    let new = NewRequest { received_at, approved: true, ..asked(RequestKind::Objection, lead) };
    let objection = store.open_privacy_request(new).await.unwrap().unwrap();
    let (owner, request) = claimed(&store, objection.id).await;
    // Again after a crash: the event is there before.
    store.carry_out(store.presence(), request.clone(), &cache()).await.unwrap();
    let done = store.carry_out(owner, request, &cache()).await.unwrap();
    assert_eq!((done.status, done.receipt.as_ref().unwrap().counts["events"]), (RequestStatus::Done, 1));
    let restriction = approved(&store, RequestKind::Restriction, lead).await;
    let restriction = carry_out(&store, restriction.id).await;
    assert!(restriction.is_liftable() && done.is_liftable());
    backend.clock().set(at(90));
    for _ in 0..2 {
        store.lift_limit(&restriction, "the number was right").await.unwrap();
    }
    let (lifted, changed) =
        store.decide_privacy_request(restriction.id, admin(), Decided::Lifted).await.unwrap().unwrap();
    assert!(changed && lifted.lifted_at == Some(at(90)) && !lifted.is_liftable());
    let events = store.events_of(&[lead]).await.unwrap().remove(&lead).unwrap();
    let mut limits: Vec<_> = events
        .iter()
        .filter_map(|event| {
            let EventBody::ProcessingLimit(said) = &event.body else { return None };
            Some((event.occurred_at, said.limit, said.state))
        })
        .collect();
    limits.sort_by_key(|(at, ..)| *at);
    assert_eq!(
        limits,
        [
            (at(30), Limit::Objection, LimitState::Imposed),
            (at(60), Limit::Restriction, LimitState::Imposed),
            (at(90), Limit::Restriction, LimitState::Lifted)
        ]
    );
}

pub async fn an_export_is_whole_sealed_and_kept_for_a_week(backend: &impl Backend) {
    let store = backend.open().await;
    let handles: Vec<_> = (0..16).map(|number| crm(&number.to_string())).collect();
    let lead = append_one(&store, arrival("1", &handles, 0, SECRET)).await;
    append_one(&store, plain("2", &[crm("0"), email("ann")], 1)).await;
    let more: Vec<_> = (0..300).map(|number| plain(&format!("m{number}"), &[crm("0")], 2 + number)).collect();
    store.append(more, None).await.unwrap();
    backend.clock().set(at(1_000));
    let id = approved(&store, RequestKind::Access, lead).await.id;
    let (owner, request) = claimed(&store, id).await;
    let logic = "by a model";
    let export = Export { logic, explanation: json!({"score": 1}) };
    let done = store.export_for(owner, &request, &export, LEASE_US).await.unwrap().unwrap();
    let receipt = done.receipt.unwrap();
    assert_eq!((receipt.counts["events"], receipt.counts["identities"]), (302, 17));
    let document = exported(&store, id).await;
    assert_eq!((&document["logic"], &document["complete"]), (&json!(logic), &json!(true)));
    assert_eq!((&document["lead"]["name"], &document["explanation"]["score"]), (&json!(SECRET), &json!(1)));
    let events = document["events"].as_array().unwrap();
    assert_eq!(events.len(), 302);
    let mut known = std::collections::BTreeSet::new();
    for event in events {
        let identities = event["lead"]["identities"].as_array().unwrap();
        assert!((1..=16).contains(&identities.len()), "as many as one event takes");
        known.extend(identities.iter().map(ToString::to_string));
    }
    assert_eq!(known.len(), 17, "no handle is lost");
    assert_eq!(document["privacy_requests"].as_array().unwrap().len(), 1);

    assert_eq!(store.expire_exports().await.unwrap(), 0);
    backend.clock().set(at(1_000).plus_micros(7 * DAY_US));
    assert_eq!(store.expire_exports().await.unwrap(), 1);
    assert_eq!(store.export_part(id, 0).await.unwrap(), None);
    assert!(show(&store, id).await.receipt.unwrap().is_intact(), "the receipt stays");
}

pub async fn who_lost_a_request_for_access_writes_no_more_and_an_erased_lead_gives_none(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    let id = approved(&store, RequestKind::Access, lead).await.id;
    let (slow, request) = claimed(&store, id).await;
    backend.clock().set(at(60));
    let (owner, again) = claimed(&store, id).await;
    let export = Export::default();
    assert_eq!(store.export_for(slow, &request, &export, LEASE_US).await.unwrap(), None);
    store.erase_lead(lead).await.unwrap().unwrap();
    let done = store.export_for(owner, &again, &export, LEASE_US).await.unwrap().unwrap();
    assert_eq!(done.status, RequestStatus::Done);
    assert!(done.receipt.unwrap().counts.is_empty());
    assert_eq!(store.export_part(id, 0).await.unwrap(), None);
}

pub async fn a_wrong_handle_is_taken_from_its_lead_alone(backend: &impl Backend) {
    let store = backend.open().await;
    let ann = append_one(&store, plain("1", &[email("ann"), crm("7")], 0)).await;
    let bob = append_one(&store, plain("2", &[email("bob")], 0)).await;
    assert!(!store.remove_identity(bob, &crm("7")).await.unwrap(), "another's");
    assert!(store.remove_identity(ann, &crm("7")).await.unwrap());
    assert!(!store.remove_identity(ann, &crm("7")).await.unwrap(), "once");
    assert_eq!(store.lead(ann).await.unwrap().unwrap().identities, [email("ann")]);
    let other = append_one(&store, plain("3", &[crm("7")], 1)).await;
    assert!(other != ann && other != bob, "whoever sends it next is somebody else");
}

pub async fn an_override_ends_by_hand_by_time_or_by_another(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, plain("1", &[email("ann")], 0)).await;
    let given = |score, expires_at| NewOverride {
        lead_id: lead,
        score,
        reason: SECRET.to_owned(),
        set_by: admin(),
        expires_at,
    };
    let unknown = NewOverride { lead_id: LeadId(Uuid::nil()), ..given(1, None) };
    assert_eq!(store.set_override(unknown).await.unwrap(), None);
    assert!(!store.is_overridden(lead));
    assert_eq!(store.end_override(lead, admin()).await.unwrap(), None);
    store.set_override(given(10, None)).await.unwrap().unwrap();
    backend.clock().set(at(1));
    let second = store.set_override(given(20, Some(at(60)))).await.unwrap().unwrap();
    assert!(store.is_overridden(lead));
    assert_eq!(store.overrides_of(&[lead]).await.unwrap(), slice::from_ref(&second));
    // Another process learns of it.
    let other = backend.open().await;
    assert!(other.is_overridden(lead));
    backend.clock().set(at(60));
    assert!(store.overrides_of(&[lead]).await.unwrap().is_empty(), "it has expired");
    assert_eq!(store.end_override(lead, admin()).await.unwrap(), None);
    store.set_override(given(30, None)).await.unwrap().unwrap();
    let ended = store.end_override(lead, admin()).await.unwrap().unwrap();
    assert_eq!((ended.score, ended.ended_at, ended.ended_by), (30, Some(at(60)), Some(admin())));
    assert!(other.is_overridden(lead), "until it looks");
    other.refresh_overrides().await.unwrap();
    assert!(!other.is_overridden(lead));
    let all = store.score_overrides(lead, 10).await.unwrap();
    assert_eq!(all.iter().map(|one| one.score).collect::<Vec<_>>(), [30, 20, 10]);
    assert!(all.iter().all(|one| one.ended_at.is_some() && one.reason == SECRET));
    assert_eq!(all[1].ended_at, Some(at(60)), "when it ran out");
}

/// A database that an older copy can take the place of; nobody has it open.
trait Restorable: Backend {
    fn options(&self) -> StoreOptions;
    async fn back_up(&self);
    async fn restore(&self);
}

impl Restorable for Embedded {
    fn options(&self) -> StoreOptions {
        self.options()
    }

    async fn back_up(&self) {
        std::fs::copy(self.folder().join("data/leadscore.db"), self.folder().join("backup.db")).unwrap();
    }

    async fn restore(&self) {
        let data = self.folder().join("data");
        std::fs::copy(self.folder().join("backup.db"), data.join("leadscore.db")).unwrap();
        for name in ["leadscore.db-wal", "leadscore.db-shm"] {
            std::fs::remove_file(data.join(name)).ok();
        }
    }
}

impl Restorable for Postgres {
    fn options(&self) -> StoreOptions {
        self.options()
    }

    async fn back_up(&self) {
        self.copy(&self.name, &format!("{}_backup", self.name)).await;
    }

    async fn restore(&self) {
        self.copy(&format!("{}_backup", self.name), &self.name).await;
    }
}

async fn an_erasure_is_done_again(backend: impl Restorable) {
    let ledger = backend.options().folder.with_file_name("elsewhere").join("erasures.jsonl");
    let options = || StoreOptions { erasure_ledger: Some(ledger.clone()), ..backend.options() };
    let store = Store::open(options()).await.unwrap();
    let ann = append_one(&store, arrival("1", &[email("ann")], 0, SECRET)).await;
    let bob = append_one(&store, arrival("2", &[email("bob")], 0, "Bob")).await;
    store.close().await;
    backend.back_up().await;

    let store = Store::open(options()).await.unwrap();
    let request = approved(&store, RequestKind::Erasure, ann).await;
    let receipt = carry_out(&store, request.id).await.receipt.unwrap();
    assert!(!receipt.replayed);
    store.close().await;
    let written = std::fs::read_to_string(&ledger).unwrap();
    assert!(written.contains(&ann.to_string()) && !written.contains(SECRET) && !written.contains("ann@"), "{written}");

    backend.restore().await;
    // Without the ledger it would be there again.
    let store = Store::open(backend.options()).await.unwrap();
    assert!(store.lead(ann).await.unwrap().is_some());
    store.close().await;
    let store = Store::open(options()).await.unwrap();
    assert_eq!(store.lead(ann).await.unwrap(), None);
    assert_eq!(store.find(&email("ann")).await.unwrap(), None);
    assert!(store.lead(bob).await.unwrap().is_some());
    let again = show(&store, request.id).await;
    let receipt = again.receipt.unwrap();
    assert_eq!((again.status, again.kind, again.lead_id), (RequestStatus::Done, RequestKind::Erasure, ann));
    assert!(receipt.replayed && receipt.is_intact() && receipt.counts["identities"] == 1, "{receipt:?}");
    store.close().await;
    let store = Store::open(options()).await.unwrap();
    assert_eq!(show(&store, request.id).await.receipt.unwrap(), receipt, "and is not done a third time");
}

#[tokio::test]
async fn an_erasure_is_done_again_over_a_database_that_was_restored() {
    an_erasure_is_done_again(Embedded::new()).await;
}

#[tokio::test]
async fn an_erasure_is_done_again_over_a_database_that_was_restored_on_a_server() {
    an_erasure_is_done_again(Postgres::new().await).await;
}
