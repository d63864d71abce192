//! Users, teams, and whose leads are.

use std::slice;

use leadscore_domain::LeadId;
use leadscore_store::{Assigned, Assignment, NewUser, Role, Sight, Store, StoreError, Unwritten, User, UserChange};
use uuid::Uuid;

use crate::support::{Backend, append_one, at, crm, event, merged, of};

async fn user(store: &Store, email: &str, role: Role, team_id: Option<Uuid>) -> User {
    let new = NewUser { email: email.to_owned(), password: "long enough".to_owned(), name: None, role, team_id };
    store.add_user(new).await.unwrap().unwrap()
}

async fn lead(store: &Store, id: &str) -> LeadId {
    append_one(store, event(id, &[crm(id)], 1)).await
}

pub async fn users_are_made_changed_and_removed(backend: &impl Backend) {
    let store = backend.open().await;
    let team = store.add_team(" North ").await.unwrap().unwrap();
    assert_eq!(team.name, "North");
    let new = |name: &str, team_id| NewUser {
        email: "Wilhelmina@Example.com".to_owned(),
        password: "long enough".to_owned(),
        name: Some(name.to_owned()),
        role: Role::Agent,
        team_id,
    };
    assert!(matches!(store.add_user(new(" ", None)).await, Err(StoreError::Invalid(_))));
    let unknown_team = store.add_user(new("Wilhelmina", Some(Uuid::from_u128(7)))).await.unwrap();
    assert_eq!(unknown_team.unwrap_err(), Unwritten::UnknownTeam);
    let made = store.add_user(new("Wilhelmina", Some(team.id))).await.unwrap().unwrap();
    assert_eq!(store.add_user(new("Wilhelmina", None)).await.unwrap().unwrap_err(), Unwritten::Taken);
    assert_eq!(store.user(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.users(None).await.unwrap(), slice::from_ref(&made));
    assert_eq!(store.users(Some(team.id)).await.unwrap(), slice::from_ref(&made));
    assert_eq!(store.users(Some(Uuid::from_u128(7))).await.unwrap(), []);
    let kept = backend.kept().await;
    for clear in [&b"Wilhelmina"[..], b"wilhelmina"] {
        assert!(
            !kept.iter().any(|bytes| bytes.windows(clear.len()).any(|part| part == clear)),
            "it stands in the clear"
        );
    }

    let principal = store.verify_password("wilhelmina@example.com", "long enough").await.unwrap().unwrap();
    let session = store.create_session(principal.id, at(1_000)).await.unwrap().id;
    let change = UserChange { name: Some(None), team_id: Some(None), ..UserChange::default() };
    store.change_user(made.id, change).await.unwrap().unwrap();
    let changed = store.user(made.id).await.unwrap().unwrap();
    assert_eq!((changed.name, changed.team_id, changed.role), (None, None, Role::Agent));
    let lasts = store.session(session, made.id).await.unwrap();
    assert!(lasts.is_some(), "what is no password ends no session");
    let change = UserChange { password: Some("even longer".to_owned()), ..UserChange::default() };
    store.change_user(made.id, change).await.unwrap().unwrap();
    assert_eq!(store.session(session, made.id).await.unwrap(), None);
    let nobody = store.change_user(Uuid::from_u128(7), UserChange::default()).await.unwrap();
    assert_eq!(nobody.unwrap_err(), Unwritten::Unknown);
    store.remove_user(made.id).await.unwrap().unwrap();
    assert_eq!(store.remove_user(made.id).await.unwrap().unwrap_err(), Unwritten::Unknown);
}

pub async fn of_two_administrators_who_remove_each_other_one_stays(backend: &impl Backend) {
    let store = backend.open().await;
    let (one, two) = (
        user(&store, "one@example.com", Role::Admin, None).await,
        user(&store, "two@example.com", Role::Admin, None).await,
    );
    let (first, second) = tokio::join!(store.remove_user(one.id), store.remove_user(two.id));
    let mut results = [first.unwrap(), second.unwrap()];
    results.sort_by_key(Result::is_err);
    assert_eq!(results, [Ok(()), Err(Unwritten::LastAdmin)]);
    let left = store.users(None).await.unwrap().remove(0);
    let change = UserChange { role: Some(Role::Manager), ..UserChange::default() };
    assert_eq!(store.change_user(left.id, change).await.unwrap().unwrap_err(), Unwritten::LastAdmin);
}

pub async fn people_see_the_leads_that_are_theirs(backend: &impl Backend) {
    let store = backend.open().await;
    let (north, south) =
        (store.add_team("North").await.unwrap().unwrap().id, store.add_team("South").await.unwrap().unwrap().id);
    let (ann, bob) = (
        user(&store, "ann@example.com", Role::Agent, Some(north)).await.id,
        user(&store, "bob@example.com", Role::Agent, Some(south)).await.id,
    );
    let (anns, bobs, norths, nobodys) =
        (lead(&store, "1").await, lead(&store, "2").await, lead(&store, "3").await, lead(&store, "4").await);
    let unknown = LeadId(Uuid::from_u128(7));
    assert_eq!(store.assign_lead(anns, Assignment::Agent(ann)).await.unwrap(), Assigned::Done);
    assert!(store.claim_lead(bobs, bob).await.unwrap() && store.claim_lead(bobs, bob).await.unwrap());
    assert!(!store.claim_lead(bobs, ann).await.unwrap(), "it is somebody's already");
    assert_eq!(store.assign_lead(norths, Assignment::Team(north)).await.unwrap(), Assigned::Done);
    assert_eq!(store.leads_of_agent(ann, 10).await.unwrap(), [anns]);
    assert_eq!(store.leads_of_agent(ann, 0).await.unwrap(), []);
    assert_eq!(store.assign_lead(unknown, Assignment::Nobody).await.unwrap(), Assigned::UnknownLead);
    for nobody in [Assignment::Agent(north), Assignment::Team(ann)] {
        assert_eq!(store.assign_lead(anns, nobody).await.unwrap(), Assigned::UnknownAssignee);
    }
    let sees = async |sight| {
        let all = [anns, bobs, norths, nobodys, unknown];
        let seen = store.visible(sight, &all).await.unwrap();
        all.map(|lead| u8::from(seen.contains(&lead)))
    };
    assert_eq!(sees(Sight::All).await, [1, 1, 1, 1, 1]);
    assert_eq!(sees(Sight::Own { user: ann }).await, [1, 0, 0, 0, 0]);
    assert_eq!(sees(Sight::Team { team: north, user: Uuid::from_u128(9) }).await, [1, 0, 1, 0, 0]);
    assert_eq!(sees(Sight::Team { team: south, user: ann }).await, [1, 1, 0, 0, 0]);

    store.remove_user(ann).await.unwrap().unwrap();
    assert_eq!(store.lead(anns).await.unwrap().unwrap().assignment, Assignment::Team(north), "their leads stay in it");
    store.remove_team(north).await.unwrap().unwrap();
    assert_eq!(store.lead(anns).await.unwrap().unwrap().assignment, Assignment::Nobody);
    store.erase_lead(bobs).await.unwrap();
    assert_eq!(sees(Sight::Own { user: bob }).await, [0, 0, 0, 0, 0], "what is erased is not there");
}

pub async fn a_merged_lead_is_whose_its_survivor_is(backend: &impl Backend) {
    let store = backend.open().await;
    let (ann, bob) = (
        user(&store, "ann@example.com", Role::Agent, None).await.id,
        user(&store, "bob@example.com", Role::Agent, None).await.id,
    );
    for (case, of_survivor, of_absorbed, after) in [
        ("both", Some(ann), Some(bob), Assignment::Agent(ann)),
        ("survivor", Some(ann), None, Assignment::Agent(ann)),
        ("absorbed", None, Some(bob), Assignment::Agent(bob)),
        ("neither", None, None, Assignment::Nobody),
    ] {
        let survivor = lead(&store, &format!("{case} survivor")).await;
        let younger = format!("{case} absorbed");
        let absorbed = append_one(&store, event(&younger, &[crm(&younger)], 2)).await;
        for (lead, agent) in [(survivor, of_survivor), (absorbed, of_absorbed)] {
            if let Some(agent) = agent {
                store.assign_lead(lead, Assignment::Agent(agent)).await.unwrap();
            }
        }
        let merge = of(&format!("{case} merge"), Some(survivor), &[], 3, merged(absorbed));
        append_one(&store, merge).await;
        let sees = Sight::Own { user: ann };
        let seen = store.visible(sees, &[survivor, absorbed]).await.unwrap().len();
        assert_eq!(seen, if after == Assignment::Agent(ann) { 2 } else { 0 }, "{case}");
        for lead in [survivor, absorbed] {
            assert_eq!(store.lead(lead).await.unwrap().unwrap().assignment, after, "{case}");
        }
        // Whichever of the two is named.
        store.assign_lead(absorbed, Assignment::Agent(bob)).await.unwrap();
        assert_eq!(store.lead(survivor).await.unwrap().unwrap().assignment, Assignment::Agent(bob), "{case}");
    }
}
