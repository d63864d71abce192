//! What is too old goes.

use leadscore_domain::LeadId;
use leadscore_store::{
    Appended, DeadOrigin, Expired, Export, NewRequest, RequestKind, Retention, Role, Sight, Store, Undelivered,
    audit::{Actor, ActorKind},
};

use crate::support::{Backend, Postgres, append_one, at, derived, email, event, score};

/// One day, in the seconds that `at` takes.
const DAY: i64 = 86_400;
const NOTHING: Retention = Retention {
    scores_months: 0,
    features_months: 0,
    interactions_months: 0,
    dead_letters_months: 0,
    privacy_texts_months: 0,
};

/// Scores a lead with features; the clock is at 2026-03-01, 12:00.
async fn scored(store: &Store, lead: LeadId, days: &[i64]) {
    let partition = store.partition_of(lead);
    for day in days {
        let position = store.position("scorer", partition).await.unwrap();
        let mut commit = derived(partition, position, position);
        commit.scores = vec![score(lead, 1, day * DAY, 50)];
        commit.features = vec![(lead, vec![1])];
        store.commit(commit).await.unwrap();
    }
}

async fn instants(store: &Store, lead: LeadId) -> Vec<i64> {
    let history = store.score_history(lead, None, 100).await.unwrap();
    history.iter().rev().map(|stored| stored.score.calculated_at.since(at(0)) / 1_000_000 / DAY).collect()
}

fn went(expired: &[Expired], table: &str) -> Option<(u64, u64)> {
    expired.iter().find(|one| one.table == table).map(|one| (one.removed, one.kept))
}

pub async fn old_months_go_and_latest_scores_stay(backend: &impl Backend) {
    let store = backend.open().await;
    let ann = append_one(&store, event("1", &[email("ann")], 0)).await;
    let bob = append_one(&store, event("2", &[email("bob")], 1)).await;
    // 2026-01-01 12:00 is 59 days before, 2025-12-31 12:00 is 60.
    scored(&store, ann, &[-120, -61, -60, -59, 0]).await;
    scored(&store, bob, &[-90, -61]).await;
    assert_eq!(store.retain(&NOTHING, false).await.unwrap(), [], "for ever");
    let both = Retention { scores_months: 2, features_months: 1, ..NOTHING };
    let told = store.retain(&both, true).await.unwrap();
    assert_eq!((went(&told, "lead_scores"), went(&told, "lead_features")), (Some((4, 1)), Some((6, 0))));
    assert_eq!(instants(&store, ann).await.len(), 5, "nothing went yet");

    assert_eq!(store.retain(&both, false).await.unwrap(), told);
    assert_eq!(instants(&store, ann).await, [-59, 0]);
    assert_eq!(instants(&store, bob).await, [-61], "nothing took its place");
    assert_eq!(store.latest_score(bob).await.unwrap().unwrap().score.calculated_at, at(-61 * DAY));
    assert_eq!(store.features_of(&[ann, bob]).await.unwrap().len(), 1);
    assert_eq!(backend.count("lead_features").await, 1);

    scored(&store, bob, &[1]).await;
    let again = store.retain(&both, false).await.unwrap();
    assert_eq!((went(&again, "lead_scores"), went(&again, "lead_features")), (Some((1, 0)), Some((0, 0))));
    assert_eq!(instants(&store, bob).await, [1]);
}

pub async fn events_that_were_read_go_and_stay_duplicates(backend: &impl Backend) {
    let store = backend.open().await;
    let old = event("1", &[email("ann")], -500 * DAY);
    let ann = append_one(&store, old.clone()).await;
    append_one(&store, event("2", &[email("ann")], 0)).await;
    let partition = store.partition_of(ann);
    let year = Retention { interactions_months: 12, ..NOTHING };
    assert_eq!(went(&store.retain(&year, false).await.unwrap(), "lead_interactions"), Some((0, 1)), "not read yet");
    store.commit(derived(partition, 0, 2)).await.unwrap();
    assert_eq!(went(&store.retain(&year, true).await.unwrap(), "lead_interactions"), Some((1, 0)));
    assert_eq!(went(&store.retain(&year, false).await.unwrap(), "lead_interactions"), Some((1, 0)));
    assert_eq!(store.events_of(&[ann]).await.unwrap()[&ann].len(), 1);

    let again = store.append(vec![old], None).await.unwrap();
    assert!(matches!(again[0], Appended::Duplicate { lead_id, .. } if lead_id == ann), "{again:?}");
    // History may still be imported: what is too old of it goes the next time.
    append_one(&store, event("3", &[email("ann")], -501 * DAY)).await;
    assert_eq!(store.head(partition).await.unwrap(), 3);
    store.commit(derived(partition, 2, 3)).await.unwrap();
    assert_eq!(went(&store.retain(&year, false).await.unwrap(), "lead_interactions"), Some((1, 0)));
}

#[tokio::test]
async fn tables_of_old_months_are_gone() {
    let backend = Postgres::new().await;
    let store = backend.open().await;
    let ann = append_one(&store, event("1", &[email("ann")], 0)).await;
    let bob = append_one(&store, event("2", &[email("bob")], 1)).await;
    scored(&store, ann, &[-120, 0]).await;
    scored(&store, bob, &[-61]).await;
    let there = async |table: &str| {
        backend.number(&format!("SELECT COUNT(*) FROM pg_class WHERE relname = '{table}'")).await == Some(1.0)
    };
    assert!(there("lead_scores_2025_11").await && there("lead_features_2025_12").await);
    let both = Retention { scores_months: 2, features_months: 2, interactions_months: 12, ..NOTHING };
    store.retain(&both, false).await.unwrap();
    for table in ["lead_scores_2025_11", "lead_features_2025_11", "lead_features_2025_12"] {
        assert!(!there(table).await, "{table}");
    }
    assert!(there("lead_scores_2025_12").await, "a latest score stands in it");
    // Another process that had seen these tables makes them again.
    scored(&store, ann, &[-121]).await;
    assert!(there("lead_scores_2025_10").await && there("lead_features_2025_10").await);
}

pub async fn what_is_over_or_expired_goes_and_a_dry_run_says_the_same(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let opened_by = Actor { kind: ActorKind::Cli, id: None, role: None };
    let asked = |kind, approved| NewRequest {
        kind,
        lead_id: lead,
        opened_by,
        received_at: None,
        note: Some("by letter".to_owned()),
        approved,
        claimed: None,
    };
    let access = store.open_privacy_request(asked(RequestKind::Access, true)).await.unwrap().unwrap();
    let open = store.open_privacy_request(asked(RequestKind::Contest, false)).await.unwrap().unwrap();
    let owner = store.presence();
    let claimed = store.claim_privacy_request(owner, None, 1_000_000).await.unwrap().unwrap();
    store.export_for(owner, &claimed, &Export::default(), 1_000_000).await.unwrap().unwrap();
    let password = "correct horse battery staple";
    store.create_user("ann@example.com", password, Role::Agent).await.unwrap();
    let user = store.verify_password("ann@example.com", password).await.unwrap().unwrap();
    store.create_session(user.id, at(DAY)).await.unwrap();
    let letter = Undelivered {
        origin: DeadOrigin::Api,
        place: None,
        event_id: None,
        lead_id: None,
        identities: Vec::new(),
        reason: "late".to_owned(),
        tries: 1,
        payload: b"{}".to_vec(),
    };
    store.bury(vec![letter]).await.unwrap();

    let months = Retention { dead_letters_months: 2, privacy_texts_months: 2, ..NOTHING };
    let none = store.retain(&months, false).await.unwrap();
    assert!(none.iter().all(|one| one.removed == 0), "{none:?}");
    backend.clock().set(at(100 * DAY));
    let told = store.retain(&months, true).await.unwrap();
    for (table, rows) in [("dead_letters", 1), ("privacy_requests", 1), ("sessions", 1), ("privacy_exports", 1)] {
        assert_eq!(went(&told, table), Some((rows, 0)), "{table}");
    }
    assert_eq!(store.retain(&months, false).await.unwrap(), told);
    let left = store.retain(&months, true).await.unwrap();
    assert!(left.iter().all(|one| one.removed == 0), "nothing is overdue: {left:?}");
    let show = async |id| store.privacy_request(Sight::All, id).await.unwrap().unwrap();
    let over = show(access.id).await;
    assert!(over.note.is_none() && over.receipt.unwrap().is_intact());
    assert!(show(open.id).await.note.is_some(), "it is not over");
}
