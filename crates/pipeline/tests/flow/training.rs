//! From the log to a registered model, against a real store and registry.

use std::sync::Arc;

use leadscore_domain::{
    Clock, ConsentState, EventBody, Limit, LimitState, ProcessingLimit,
    event::{EmailAction, OutcomeResult, ShowingAction},
    time::DAY_US,
};
use leadscore_engine::{models::Bundle, scorecard::SCORECARD_VERSION};
use leadscore_pipeline::{
    scorer::{CHAMPION, load_champion},
    training::{
        EvaluateOptions, Evaluated, ProgressFn, PromotePolicy, TrainingData, TrainingOptions, TrainingOutcome, build,
        evaluate, train,
    },
};

use crate::support::{Brokerage, consent, created, crm, email, event, outcome, past_leads, showing, start_of_year};

fn quiet() -> ProgressFn {
    Arc::new(|_| {})
}

async fn built(brokerage: &Brokerage, options: &TrainingOptions) -> TrainingData {
    build(&brokerage.store, &brokerage.clock, options, &quiet()).await.unwrap()
}

async fn trained(brokerage: &Brokerage, promote: PromotePolicy) -> TrainingOutcome {
    let options = TrainingOptions::default();
    train(&brokerage.store, &brokerage.registry, &brokerage.clock, &options, promote, &quiet()).await.unwrap()
}

#[tokio::test]
async fn too_few_outcomes_leave_the_scorecard_and_say_how_many_are_missing() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(120, 12)).await;
    let TrainingOutcome::TooFewOutcomes(few) = trained(&brokerage, PromotePolicy::Always).await else {
        panic!("12 wins are too few")
    };
    assert_eq!((few.won, few.lost, few.needed), (12, 108, 40));
    assert!(brokerage.registry.list().unwrap().is_empty());
    let options = brokerage.options();
    let scorer = load_champion(&options.store, &options.registry, options.policy).await.unwrap();
    assert_eq!(scorer.version(), SCORECARD_VERSION);
}

#[tokio::test]
async fn an_empty_store_is_no_error() {
    let brokerage = Brokerage::open().await;
    assert!(matches!(trained(&brokerage, PromotePolicy::IfNone).await, TrainingOutcome::TooFewOutcomes(_)));
}

#[tokio::test]
async fn events_received_after_the_instants_change_no_byte_of_the_examples() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(30, 10)).await;
    let known_until = start_of_year();
    let options = TrainingOptions { known_until: Some(known_until), ..TrainingOptions::default() };
    let before = built(&brokerage, &options).await;
    assert!(!before.snapshots.is_empty());
    let later = known_until.plus_micros(DAY_US);
    let absurd = (0..30).flat_map(|number| {
        let id = format!("past-{number}");
        [showing(later, &id, ShowingAction::Held), email(later, &id, EmailAction::Forwarded)].map(|e| (later, e))
    });
    brokerage.append_received(absurd.collect()).await;
    let after = built(&brokerage, &options).await;
    // Missing features are NaN, which equals nothing: compare what is written.
    assert_eq!(format!("{:?}", before.snapshots), format!("{:?}", after.snapshots));
}

#[tokio::test]
async fn leads_without_a_basis_for_profiling_are_left_out() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(10, 5)).await;
    let all = built(&brokerage, &TrainingOptions::default()).await;
    let now = brokerage.clock.now();
    let withdrawal = event(now, vec![crm("past-3")], EventBody::Consent(consent(ConsentState::Withdrawn)));
    let limited = |id: &str, limit| {
        let said = ProcessingLimit { limit, state: LimitState::Imposed, evidence: "letter".to_owned() };
        event(now, vec![crm(id)], EventBody::ProcessingLimit(said))
    };
    let (restricted, objected) = (limited("past-4", Limit::Restriction), limited("past-5", Limit::Objection));
    brokerage.append(vec![withdrawal, restricted, objected, created(now, "silent", None)]).await;
    let lawful = built(&brokerage, &TrainingOptions::default()).await;
    assert_eq!((lawful.leads, lawful.withheld), (11, 4));
    assert_eq!(tokens(&all) - 3, tokens(&lawful));
}

fn tokens(data: &TrainingData) -> usize {
    data.snapshots.iter().map(|snapshot| snapshot.lead).collect::<std::collections::BTreeSet<_>>().len()
}

#[tokio::test]
async fn the_first_model_becomes_champion_and_the_next_waits_to_be_asked() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(480, 200)).await;
    let note = "age (age) is used as tenure: years as a customer".to_owned();
    brokerage.store.record_acknowledgements(vec![note.clone()]).await.unwrap();
    brokerage.clock.set(start_of_year());
    let TrainingOutcome::Trained(first) = trained(&brokerage, PromotePolicy::IfNone).await else { panic!("enough") };
    assert!(first.promoted);
    let backtest = first.backtest.as_ref().expect("160 wins are enough for a back test");
    assert!(backtest.model.log_loss < backtest.majority.log_loss, "{:?}", backtest.model);
    let recorded = brokerage.store.performance(&first.version).await.unwrap();
    assert_eq!(recorded[0].accuracy, backtest.model.accuracy);
    let bundle = Bundle::from_files(&brokerage.registry.files(&first.version).unwrap()).unwrap();
    assert_eq!(bundle.manifest().protected_overrides, [note], "what was admitted by hand is on the model's record");

    let TrainingOutcome::Trained(second) = trained(&brokerage, PromotePolicy::IfNone).await else { panic!("enough") };
    assert!(!second.promoted);
    assert_eq!(brokerage.registry.alias(CHAMPION).unwrap().as_deref(), Some(&*first.version));
    let files = |version: &str| brokerage.registry.files(version).unwrap();
    assert_eq!(files(&first.version), files(&second.version), "the same log, clock and seed give the same model");
    let TrainingOutcome::Trained(third) = trained(&brokerage, PromotePolicy::Always).await else { panic!("enough") };
    assert_eq!(brokerage.registry.alias(CHAMPION).unwrap(), Some(third.version));
}

#[tokio::test]
async fn a_split_gives_predictions_by_crm_id_and_the_optimum_beside_them() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(240, 100)).await;
    let options = EvaluateOptions {
        training: TrainingOptions::default(),
        split: Some("kfold:3".parse().unwrap()),
        truth: Some(Arc::new(|identity, _| identity.value().starts_with("past-").then_some(0.5))),
        title: "Test".to_owned(),
    };
    let evaluated =
        evaluate(&brokerage.store, &brokerage.registry, &brokerage.clock, &options, &quiet()).await.unwrap();
    let Evaluated::Measured(evaluation) = evaluated else { panic!("{evaluated:?}") };
    let known = |row: &leadscore_pipeline::training::EvaluationRow| {
        row.external_id.as_deref().is_some_and(|id| id.starts_with("past-")) && row.row.truth == Some(0.5)
    };
    assert!(!evaluation.rows.is_empty() && evaluation.rows.iter().all(known));
    assert_eq!(evaluation.report.backtest.truth.unwrap().brier, 0.25);

    let folder = brokerage.folder.path().join("report");
    let written = evaluation.write(&folder).unwrap();
    let predictions = std::fs::read_to_string(written.predictions).unwrap();
    assert_eq!(predictions.lines().count(), evaluation.rows.len() + 1);
    assert!(std::fs::read_to_string(written.html).unwrap().contains("<svg"));
    serde_json::from_slice::<serde_json::Value>(&std::fs::read(written.json).unwrap()).unwrap();
}

#[tokio::test]
async fn the_champion_is_measured_on_what_came_after_it_and_says_when_there_is_nothing() {
    let brokerage = Brokerage::open().await;
    let options =
        EvaluateOptions { training: TrainingOptions::default(), split: None, truth: None, title: "Test".to_owned() };
    let quiet = quiet();
    let run = || evaluate(&brokerage.store, &brokerage.registry, &brokerage.clock, &options, &quiet);
    assert!(matches!(run().await.unwrap(), Evaluated::NoChampion));

    brokerage.append_received(past_leads(240, 100)).await;
    let TrainingOutcome::Trained(champion) = trained(&brokerage, PromotePolicy::IfNone).await else { panic!("enough") };
    let Evaluated::NothingNew { version, learned_until, stored } = run().await.unwrap() else { panic!("all is old") };
    assert_eq!(version, champion.version);
    assert!(stored.is_some());

    let later = learned_until.plus_micros(60 * DAY_US);
    for (id, result) in [("new-1", OutcomeResult::Won), ("new-2", OutcomeResult::Lost)] {
        let ended = later.plus_micros(5 * DAY_US);
        let events = [created(later, id, Some(ConsentState::Granted)), outcome(ended, id, result)];
        brokerage.append_received(events.into_iter().map(|e| (e.occurred_at, e)).collect()).await;
    }
    brokerage.clock.set(later.plus_micros(90 * DAY_US));
    let Evaluated::Measured(evaluation) = run().await.unwrap() else { panic!("two leads are new") };
    assert_eq!(evaluation.version, Some(champion.version));
    assert!(evaluation.rows.iter().all(|row| row.row.instant > learned_until));
    let ids: std::collections::BTreeSet<_> = evaluation.rows.iter().filter_map(|r| r.external_id.as_deref()).collect();
    assert!(ids.contains("new-1") && ids.contains("new-2"), "{ids:?}");
}
