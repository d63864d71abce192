//! What people are shown: a lead's history, the market's latest.

use leadscore_domain::{EventKind, LeadId, MarketSnapshot, Timestamp};
use leadscore_store::{Assignment, HistoryPage, NewUser, Role, ScorePage, Sight, Store};

use crate::support::{Backend, append_one, arrival, at, crm, derived, email, event, merged, of, score};

/// Ids of a lead's events by page of one.
async fn walk(store: &Store, lead: LeadId, kinds: &[EventKind]) -> Vec<(Timestamp, EventKind)> {
    let (mut walked, mut before) = (Vec::new(), None);
    loop {
        let page = store.history(lead, kinds, before, 1).await.unwrap();
        let Some(event) = page.first() else { return walked };
        assert!(event.body.is_some());
        before = Some((event.occurred_at, event.id));
        walked.push((event.occurred_at, event.kind));
    }
}

pub async fn a_history_is_that_of_everybody_who_was_absorbed(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, arrival("1", &[crm("ann")], 0, "Ann")).await;
    // Three in the same instant, and one that was sent late.
    for (id, seconds) in [("2", 5), ("3", 5), ("4", 5), ("5", 3)] {
        append_one(&store, event(id, &[crm("ann")], seconds)).await;
    }
    let other = append_one(&store, event("6", &[crm("other")], 4)).await;
    append_one(&store, of("7", Some(lead), &[], 6, merged(other))).await;
    let emails = [5, 5, 5, 4, 3].map(|seconds| (at(seconds), EventKind::Email));
    assert_eq!(walk(&store, lead, &[EventKind::Email]).await, emails);
    let both = walk(&store, lead, &[EventKind::Email, EventKind::LeadCreated]).await;
    assert_eq!((both.len(), both[5]), (6, (at(0), EventKind::LeadCreated)));
    assert_eq!(walk(&store, lead, &[]).await.len(), 8, "the merge stands there as it was sent and as it was made");
    assert_eq!(store.event_count(lead).await.unwrap(), 8);
    store.erase_lead(lead).await.unwrap();
    assert_eq!(walk(&store, lead, &[]).await, []);
}

pub async fn histories_of_many_leads_are_those_of_each(backend: &impl Backend) {
    let store = backend.open().await;
    let mut leads = Vec::new();
    for name in ["ann", "bob", "cleo"] {
        let lead = append_one(&store, arrival(name, &[crm(name)], 0, name)).await;
        for (number, seconds) in [2, 1, 2].into_iter().enumerate() {
            append_one(&store, event(&format!("{name} {number}"), &[crm(name)], seconds)).await;
        }
        leads.push(lead);
    }
    let absorbed = append_one(&store, event("other", &[crm("other")], 3)).await;
    append_one(&store, of("merge", Some(leads[2]), &[], 4, merged(absorbed))).await;
    let emails = Some([EventKind::Email; 2]);
    let both = Some([EventKind::Email, EventKind::LeadCreated]);
    let newest = store.history(leads[0], &[], None, 1).await.unwrap()[0].clone();
    let before = Some((newest.occurred_at, newest.id));
    let unknown = LeadId(uuid::Uuid::nil());
    let page = |lead, kinds, before, limit| HistoryPage { lead, kinds, before, limit };
    let pages = [
        page(leads[0], None, None, 10),
        page(leads[1], emails, None, 2),
        page(leads[0], both, before, 10),
        page(unknown, None, None, 10),
        page(leads[2], None, None, 10),
    ];
    let found = store.histories(&pages).await.unwrap();
    for (page, found) in pages.iter().zip(&found) {
        let kinds = page.kinds.map(Vec::from).unwrap_or_default();
        let alone = store.history(page.lead, &kinds, page.before, page.limit).await.unwrap();
        assert_eq!(*found, alone, "{page:?}");
    }
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>()[..4], [4, 2, 3, 0]);
    assert!(store.histories(&[]).await.unwrap().is_empty());
}

pub async fn score_histories_of_many_leads_are_those_of_each(backend: &impl Backend) {
    let store = backend.open().await;
    let mut leads = Vec::new();
    for name in ["ann", "bob"] {
        let lead = append_one(&store, arrival(name, &[crm(name)], 0, name)).await;
        let partition = store.partition_of(lead);
        let head = store.head(partition).await.unwrap();
        for calculated in 1..=4 {
            let from = store.position("scorer", partition).await.unwrap();
            let mut commit = derived(partition, from, head);
            commit.scores = vec![score(lead, head, calculated, 50)];
            store.commit(commit).await.unwrap();
        }
        leads.push(lead);
    }
    let page = |lead, before, limit| ScorePage { lead, before, limit };
    let pages = [
        page(leads[0], None, 10),
        page(leads[1], None, 2),
        page(leads[0], Some((at(3), i64::MAX)), 10),
        page(LeadId(uuid::Uuid::nil()), None, 10),
    ];
    let found = store.score_histories(&pages).await.unwrap();
    for (page, found) in pages.iter().zip(&found) {
        assert_eq!(*found, store.score_history(page.lead, page.before, page.limit).await.unwrap(), "{page:?}");
    }
    assert_eq!((found[0].len(), found[1].len(), found[3].len()), (4, 2, 0));
    assert!(store.score_histories(&[]).await.unwrap().is_empty());
}

pub async fn what_many_leads_show_is_found_for_who_sees_them(backend: &impl Backend) {
    let store = backend.open().await;
    let ann = append_one(&store, arrival("1", &[crm("ann"), email("ann@example.com")], 0, "Ann")).await;
    let bob = append_one(&store, arrival("2", &[crm("bob")], 0, "Bob")).await;
    let absorbed = append_one(&store, event("3", &[crm("annie")], 1)).await;
    append_one(&store, of("4", Some(ann), &[], 2, merged(absorbed))).await;
    let team = store.add_team("North").await.unwrap().unwrap();
    let new = NewUser {
        email: "agent@example.com".to_owned(),
        password: "correct horse battery staple".to_owned(),
        name: Some("Agent".to_owned()),
        role: Role::Agent,
        team_id: Some(team.id),
    };
    let agent = store.add_user(new).await.unwrap().unwrap();
    store.assign_lead(ann, Assignment::Agent(agent.id)).await.unwrap();
    let unknown = LeadId(uuid::Uuid::nil());
    let asked = [ann, bob, absorbed, unknown];
    let all = store.seen_leads(Sight::All, &asked, true).await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!((all[&absorbed].id, all[&absorbed].name.as_deref()), (ann, Some("Ann")));
    assert_eq!((all[&bob].assignment, all[&ann].assignment), (Assignment::Nobody, Assignment::Agent(agent.id)));
    assert_eq!(store.seen_leads(Sight::All, &asked, false).await.unwrap()[&ann].name, None, "names are asked for");
    let teams = Sight::Team { team: team.id, user: unknown.0 };
    for sight in [Sight::Own { user: agent.id }, teams] {
        let seen = store.seen_leads(sight, &asked, false).await.unwrap();
        let visible = store.visible(sight, &asked).await.unwrap();
        assert_eq!(seen.keys().copied().collect::<std::collections::HashSet<_>>(), visible, "{sight:?}");
    }
    let handles = store.handles(&asked).await.unwrap();
    assert_eq!(handles[&ann], store.lead(ann).await.unwrap().unwrap().identities);
    assert_eq!((handles[&ann].len(), handles[&bob].len(), handles.len()), (3, 1, 2));
    assert_eq!(store.users_by_id(&[agent.id, unknown.0]).await.unwrap(), [agent]);
    assert_eq!(store.teams_by_id(&[team.id, unknown.0]).await.unwrap(), [team]);
    store.erase_lead(ann).await.unwrap();
    assert_eq!(store.seen_leads(Sight::All, &asked, true).await.unwrap().len(), 1);
    assert_eq!(store.handles(&asked).await.unwrap().len(), 1);
    assert!(store.seen_leads(Sight::All, &[], true).await.unwrap().is_empty());
}

pub async fn the_latest_of_each_area_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    let snapshot = |area: &str, month: i64, published: i64, price: f64| MarketSnapshot {
        area: area.to_owned(),
        period_start: at(month),
        published_at: at(published),
        median_price: Some(price),
        active_listings: None,
        new_listings: None,
        homes_sold: None,
        days_on_market: None,
        months_of_supply: None,
        price_reduced_share: None,
        sale_to_list: None,
    };
    let snapshots = [
        ("Waco", 0, 1, 1.0),
        ("Austin", 5, 6, 2.0),
        ("Austin", 0, 9, 3.0),
        (" AUSTIN", 5, 7, 4.0),
        ("Bend", 0, 1, 5.0),
    ];
    let snapshots = snapshots.map(|(area, month, published, price)| snapshot(area, month, published, price));
    store.put_market(snapshots.to_vec(), None).await.unwrap();
    let prices = |found: Vec<MarketSnapshot>| found.iter().map(|one| one.median_price.unwrap()).collect::<Vec<_>>();
    assert_eq!(prices(store.latest_market("", 9).await.unwrap()), [4.0, 5.0, 1.0]);
    assert_eq!(prices(store.latest_market("austin", 1).await.unwrap()), [5.0]);
    assert_eq!(prices(store.market_of("austin ", 9).await.unwrap()), [4.0, 2.0, 3.0]);
    assert_eq!(prices(store.market_of("Austin", 1).await.unwrap()), [4.0]);
    assert!(store.market_of("Paris", 9).await.unwrap().is_empty());
}
