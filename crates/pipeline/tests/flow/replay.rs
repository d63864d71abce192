//! What was derived, compared with the log and written anew from it.

use leadscore_domain::{
    Clock, ConsentState, LeadId, Timestamp,
    event::{EmailAction, ShowingAction},
    time::HOUR_US,
};
use leadscore_engine::score::ScoringPolicy;
use leadscore_pipeline::{
    presence,
    replay::{ReplayOptions, Report, What, replay},
    scorer::GROUP,
};
use leadscore_store::Derived;
use tokio_util::sync::CancellationToken;

use crate::support::{Brokerage, crm, email, event, past_leads, showing};

async fn run(brokerage: &Brokerage, check: bool, lead: Option<LeadId>) -> Report {
    let options = ReplayOptions {
        store: brokerage.store.clone(),
        registry: brokerage.registry.clone(),
        policy: ScoringPolicy::default(),
        clock: std::sync::Arc::new(brokerage.clock.clone()),
        check,
        lead,
        shutdown: CancellationToken::new(),
    };
    replay(options, &|_| {}).await.unwrap()
}

fn found(report: &Report) -> Vec<(LeadId, What)> {
    report.differences.iter().map(|difference| (difference.lead_id, difference.what)).collect()
}

/// Commits past the scorer, at the position where it stands.
async fn spoil(brokerage: &Brokerage, lead: LeadId, change: impl FnOnce(&mut Derived)) {
    let partition = brokerage.store.partition_of(lead);
    let at = brokerage.store.position(GROUP, partition).await.unwrap();
    let mut derived = Derived { group: GROUP.to_owned(), partition, from: at, to: at, ..Derived::default() };
    change(&mut derived);
    brokerage.store.commit(derived).await.unwrap();
}

/// Leads with a past, late events, a merge and scores of different instants.
async fn lived_in() -> Brokerage {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(700, 300)).await;
    brokerage.catch_up().await;
    for name in ["a", "b", "past-1"] {
        brokerage.lead(name).await;
    }
    let now = brokerage.clock.now();
    brokerage.append(vec![event(now, vec![crm("a"), crm("b")], email(now, "a", EmailAction::Clicked).body)]).await;
    brokerage.catch_up().await;
    let late = Timestamp::from_micros(now.as_micros() - 100 * HOUR_US).unwrap();
    brokerage.append(vec![showing(late, "b", ShowingAction::Held), email(late, "past-2", EmailAction::Opened)]).await;
    brokerage.catch_up().await;
    // Renewed at a later position of the log than that of the lead's own last event.
    brokerage.clock.advance_micros(48 * HOUR_US);
    brokerage.catch_up().await;
    brokerage
}

#[tokio::test]
async fn what_the_scorer_derived_is_what_the_log_gives() {
    let brokerage = lived_in().await;
    let report = run(&brokerage, true, None).await;
    let counts = brokerage.store.counts().await.unwrap();
    assert_eq!((report.leads, report.events), (counts.leads, counts.events));
    assert_eq!((report.states, report.scores), (counts.leads, counts.scores));
    assert_eq!((report.differing, report.unchecked, report.stopped), (0, 0, false), "{report:?}");
    assert!(report.scores > 700);
}

#[tokio::test]
async fn what_differs_is_found_and_written_anew() {
    let brokerage = lived_in().await;
    let leads = brokerage.store.leads_page(None, 10).await.unwrap();
    let states = brokerage.store.states(&leads).await.unwrap();
    spoil(&brokerage, leads[0], |derived| derived.states = vec![(leads[0], b"no state".to_vec())]).await;
    spoil(&brokerage, leads[1], |derived| derived.states = vec![(leads[1], states[&leads[2]].bytes.clone())]).await;
    let score = brokerage.score(leads[3]).await.unwrap();
    let nudged = leadscore_domain::Score { probability: score.probability + 1e-12, ..score };
    spoil(&brokerage, leads[3], |derived| derived.scores = vec![nudged]).await;

    let report = run(&brokerage, true, None).await;
    let expected = [0, 1].map(|i| (leads[i], What::StateDiffers));
    assert_eq!(found(&report), [expected[0], expected[1], (leads[3], What::ScoreDiffers)]);
    assert_eq!((report.differing, report.written), (3, 0));
    let one = run(&brokerage, true, Some(leads[1])).await;
    assert_eq!((one.leads, found(&one)), (1, vec![expected[1]]));

    let report = run(&brokerage, false, None).await;
    assert_eq!((report.differing, report.written, report.handed_over), (3, 3, 0));
    assert_eq!(run(&brokerage, true, None).await.differing, 0);
    for lead in &leads[..4] {
        assert_eq!(brokerage.state(*lead).await.unwrap(), brokerage.rebuilt(*lead).await);
    }
    assert_eq!(brokerage.catch_up().await.events, 0);
}

#[tokio::test]
async fn a_score_without_lawful_basis_is_taken_back() {
    let brokerage = Brokerage::open().await;
    let lead = brokerage.lead("a").await;
    brokerage.catch_up().await;
    let score = brokerage.score(lead).await.unwrap();
    let withdrawn = crate::support::consent(ConsentState::Withdrawn);
    let now = brokerage.clock.now();
    brokerage.append(vec![event(now, vec![crm("a")], leadscore_domain::EventBody::Consent(withdrawn))]).await;
    brokerage.catch_up().await;
    let again = leadscore_domain::Score { log_position: 2, ..score };
    spoil(&brokerage, lead, |derived| derived.scores = vec![again]).await;
    assert_eq!(found(&run(&brokerage, true, None).await), [(lead, What::ScoreNotPermitted)]);
    run(&brokerage, false, None).await;
    assert_eq!(brokerage.score(lead).await, None);
}

#[tokio::test]
async fn while_a_server_keeps_scores_it_is_handed_what_differs() {
    let brokerage = lived_in().await;
    let lead = brokerage.store.leads_page(None, 1).await.unwrap()[0];
    spoil(&brokerage, lead, |derived| derived.states = vec![(lead, b"no state".to_vec())]).await;
    let server = brokerage.store.presence();
    brokerage.store.announce(server, presence::SCORER, HOUR_US).await.unwrap();
    let report = run(&brokerage, false, None).await;
    assert_eq!((report.differing, report.written, report.handed_over), (1, 0, 1));
    assert_eq!(brokerage.state(lead).await.unwrap(), b"no state");
    brokerage.catch_up().await;
    assert_eq!(run(&brokerage, true, None).await.differing, 0);
}
