//! Pages of leads: what is found, in which order, by whom.

use leadscore_domain::{Grade, LeadId};
use leadscore_store::{Assignment, FoundLead, LeadFilter, LeadKey, LeadOrder, LeadPlace, NewUser, Role, Sight, Store};
use uuid::Uuid;

use crate::support::{Backend, append_one, arrival, at, crm, derived, email, merged, of, score};

/// A lead a second, with the score; none for the last one.
async fn leads(backend: &impl Backend, store: &Store, called: &str, values: &[Option<u8>]) -> Vec<LeadId> {
    let mut leads = Vec::new();
    for (i, value) in values.iter().enumerate() {
        // Ids begin with their instant: among equals the earlier lead has the lesser one.
        backend.clock().advance_micros(1_000_000);
        let name = format!("{called} {i}");
        let event = arrival(&name, &[crm(&name)], i64::try_from(i).unwrap(), &format!("Name {i}"));
        let lead = append_one(store, event).await;
        if let Some(value) = value {
            let partition = store.partition_of(lead);
            let head = store.head(partition).await.unwrap();
            let position = store.position("scorer", partition).await.unwrap();
            let mut commit = derived(partition, position, head);
            commit.scores = vec![score(lead, head, 100 - i64::try_from(i).unwrap(), *value)];
            store.commit(commit).await.unwrap();
        }
        leads.push(lead);
    }
    leads
}

const NEWEST: LeadOrder = LeadOrder { key: LeadKey::CreatedAt, descending: true };

async fn found(store: &Store, sight: Sight, filter: LeadFilter) -> Vec<LeadId> {
    let page = store.search_leads(sight, &filter, NEWEST, None, (100, false)).await.unwrap();
    page.into_iter().map(|lead| lead.id).collect()
}

/// Page by page, one lead each, until there is none.
async fn walk(store: &Store, order: LeadOrder) -> Vec<LeadId> {
    let (mut walked, mut after): (Vec<LeadId>, Option<LeadPlace>) = (Vec::new(), None);
    loop {
        let page = store.search_leads(Sight::All, &LeadFilter::default(), order, after, (1, false)).await.unwrap();
        let Some(lead) = page.first() else { return walked };
        after = Some(lead.place(order));
        walked.push(lead.id);
    }
}

pub async fn pages_follow_each_order_to_its_end(backend: &impl Backend) {
    let store = backend.open().await;
    let all = leads(backend, &store, "lead", &[Some(50), Some(90), None, Some(50), Some(7)]).await;
    let picked = |places: &[usize]| places.iter().map(|place| all[*place]).collect::<Vec<_>>();
    for (key, ascending) in [
        (LeadKey::Score, [2, 4, 0, 3, 1]),
        (LeadKey::CreatedAt, [0, 1, 2, 3, 4]),
        (LeadKey::CalculatedAt, [2, 4, 3, 1, 0]),
    ] {
        let mut expected = picked(&ascending);
        assert_eq!(walk(&store, LeadOrder { key, descending: false }).await, expected, "{key:?}");
        expected.reverse();
        assert_eq!(walk(&store, LeadOrder { key, descending: true }).await, expected, "{key:?}");
    }
    // Who comes in between two pages moves nobody.
    let order = LeadOrder { key: LeadKey::Score, descending: true };
    let first = store.search_leads(Sight::All, &LeadFilter::default(), order, None, (2, true)).await.unwrap();
    assert_eq!(first.iter().map(|lead| lead.id).collect::<Vec<_>>(), picked(&[1, 3]));
    assert_eq!(first[0].name.as_deref(), Some("Name 1"));
    leads(backend, &store, "late", &[Some(95)]).await;
    let after = Some(first[1].place(order));
    let second = store.search_leads(Sight::All, &LeadFilter::default(), order, after, (2, false)).await.unwrap();
    assert_eq!(second.iter().map(|lead| lead.id).collect::<Vec<_>>(), picked(&[0, 4]));
    let FoundLead { name, score, .. } = &second[0];
    assert_eq!((name.as_deref(), score.unwrap().score), (None, 50), "names are opened for those who see them");
}

pub async fn each_filter_finds_what_it_names(backend: &impl Backend) {
    let store = backend.open().await;
    let all = leads(backend, &store, "lead", &[Some(50), Some(90), None]).await;
    let agent = user(&store, "ann@example.com", None).await;
    let team = store.add_team("North").await.unwrap().unwrap().id;
    store.assign_lead(all[0], Assignment::Agent(agent)).await.unwrap();
    store.assign_lead(all[1], Assignment::Team(team)).await.unwrap();
    let none = LeadFilter::default;
    for (filter, expected) in [
        (LeadFilter { agent_id: Some(agent), ..none() }, &all[..1]),
        (LeadFilter { team_id: Some(team), ..none() }, &all[1..2]),
        (LeadFilter { unassigned: true, ..none() }, &all[2..]),
        (LeadFilter { grade: Some(Grade::A), ..none() }, &all[1..2]),
        (LeadFilter { score_to: Some(50), ..none() }, &all[..1]),
        (LeadFilter { score_from: Some(51), score_to: Some(90), ..none() }, &all[1..2]),
        (LeadFilter { created_from: Some(at(2)), ..none() }, &all[2..]),
        (LeadFilter { created_to: Some(at(1)), ..none() }, &all[..1]),
        (LeadFilter { identity: Some(crm("lead 1")), ..none() }, &all[1..2]),
        (LeadFilter { identity: Some(crm("lead 1")), grade: Some(Grade::B), ..none() }, &[]),
        (LeadFilter { identity: Some(email("nobody")), ..none() }, &[]),
    ] {
        assert_eq!(found(&store, Sight::All, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn user(store: &Store, email: &str, team_id: Option<Uuid>) -> Uuid {
    let new =
        NewUser { email: email.to_owned(), password: "long enough".to_owned(), name: None, role: Role::Agent, team_id };
    store.add_user(new).await.unwrap().unwrap().id
}

pub async fn nobody_finds_what_they_do_not_see(backend: &impl Backend) {
    let store = backend.open().await;
    let all = leads(backend, &store, "lead", &[Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]).await;
    let (north, south) =
        (store.add_team("North").await.unwrap().unwrap().id, store.add_team("South").await.unwrap().unwrap().id);
    let (ann, bob) =
        (user(&store, "ann@example.com", Some(north)).await, user(&store, "bob@example.com", Some(south)).await);
    for (lead, to) in [
        (0, Assignment::Agent(ann)),
        (1, Assignment::Team(north)),
        (2, Assignment::Agent(bob)),
        (3, Assignment::Team(south)),
    ] {
        store.assign_lead(all[lead], to).await.unwrap();
    }
    // The last one is absorbed by the first, the one before it erased.
    append_one(&store, of("merge", Some(all[0]), &[], 9, merged(all[5]))).await;
    store.erase_lead(all[4]).await.unwrap();
    let sights = [
        Sight::All,
        Sight::Own { user: ann },
        Sight::Own { user: Uuid::from_u128(7) },
        Sight::Team { team: north, user: Uuid::from_u128(7) },
        Sight::Team { team: north, user: bob },
    ];
    for (sight, seen) in sights.into_iter().zip([&[3, 2, 1, 0][..], &[0], &[], &[1, 0], &[2, 1, 0]]) {
        let expected: Vec<LeadId> = seen.iter().map(|place| all[*place]).collect();
        assert_eq!(found(&store, sight, LeadFilter::default()).await, expected, "{sight:?}");
        let visible = store.visible(sight, &all[..4]).await.unwrap();
        assert_eq!(visible, expected.into_iter().collect(), "the same rule in both places");
    }
    let of_bob = LeadFilter { agent_id: Some(bob), ..LeadFilter::default() };
    assert_eq!(found(&store, Sight::Own { user: ann }, of_bob).await, []);
}
