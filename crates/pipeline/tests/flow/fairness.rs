//! Groups of people beside a model: who is compared, and which model may not score.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use leadscore_domain::Region;
use leadscore_engine::{evaluate::fairness::Fairness, models::Bundle};
use leadscore_pipeline::{
    scorer::CHAMPION,
    training::{
        FAIRNESS_FILE, Groups, ProgressFn, PromotePolicy, Trained, TrainingOptions, TrainingOutcome, compare_groups,
        train,
    },
};

use crate::support::{Brokerage, past_leads};

const LEADS: u32 = 480;

fn quiet() -> ProgressFn {
    Arc::new(|_| {})
}

/// A file that its owner alone may read.
fn file(brokerage: &Brokerage, text: &str) -> PathBuf {
    let path = brokerage.folder.path().join("groups.csv");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// A group for each lead, by its number, and one for somebody whom nobody knows.
fn groups(brokerage: &Brokerage, of: impl Fn(u32) -> &'static str) -> Arc<Groups> {
    let people: String = (0..LEADS).map(|number| format!("past-{number},{}\n", of(number))).collect();
    let path = file(brokerage, &format!("crm,club\n{people}stranger,red\n"));
    Arc::new(Groups::read(&path, Region::default()).unwrap())
}

async fn trained(brokerage: &Brokerage, groups: Option<Arc<Groups>>) -> Trained {
    let options = TrainingOptions { groups, ..TrainingOptions::default() };
    let (store, registry, clock) = (&brokerage.store, &brokerage.registry, &brokerage.clock);
    match train(store, registry, clock, &options, PromotePolicy::Always, &quiet()).await.unwrap() {
        TrainingOutcome::Trained(trained) => *trained,
        TrainingOutcome::TooFewOutcomes(few) => panic!("{few}"),
    }
}

#[tokio::test]
async fn a_model_that_is_not_shown_to_be_fair_is_kept_and_does_not_score() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(LEADS, 200)).await;
    let groups = groups(&brokerage, |number| if number % 2 == 0 { "red" } else { "" });
    let refused = trained(&brokerage, Some(groups)).await;
    assert!(!refused.promoted);
    assert_eq!(brokerage.registry.alias(CHAMPION).unwrap(), None);
    let files = brokerage.registry.files(&refused.version).unwrap();
    let kept: Fairness = serde_json::from_slice(&files[FAIRNESS_FILE]).unwrap();
    assert_eq!(Some(&kept), refused.fairness.as_ref());
    assert_eq!(kept.failures, ["club: there are not two groups of 100 tested leads to compare"]);
    assert!(kept.swap.leads > 20 && kept.swap.changed == 0, "{:?}", kept.swap);
    let bundle = Bundle::from_files(&files).unwrap();
    let names = bundle.view().columns().iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    assert!(!names.iter().any(|name| name.contains("club")), "{names:?}");

    let asked_for_nothing = trained(&brokerage, None).await;
    assert!(asked_for_nothing.promoted && asked_for_nothing.fairness.is_none());
}

#[tokio::test]
async fn groups_are_compared_on_leads_that_the_models_have_not_seen() {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(LEADS, 200)).await;
    // Who wins is red: nothing could be less fair.
    let wins = |number: u32| number * 200 / LEADS != (number + 1) * 200 / LEADS;
    let groups = groups(&brokerage, |number| if wins(number) { "red" } else { "blue" });
    let compare = || {
        let (store, registry, clock) = (&brokerage.store, &brokerage.registry, &brokerage.clock);
        let (options, split) = (TrainingOptions::default(), "kfold:3".parse().unwrap());
        let groups = Arc::clone(&groups);
        async move { compare_groups(store, registry, clock, &options, &groups, split, &quiet()).await.unwrap() }
    };
    assert!(compare().await.is_none(), "nobody is swapped where no model scores");

    let champion = trained(&brokerage, None).await;
    let (version, fairness) = compare().await.expect("a model scores");
    assert_eq!(version, champion.version);
    let [club] = &fairness.comparisons[..] else { panic!("one characteristic") };
    let [blue, red] = &club.groups[..] else { panic!("{club:?}") };
    assert_eq!((club.unknown, club.small, blue.leads, red.leads), (0, 0, 280, 200));
    assert!(red.top_grade.value > blue.top_grade.value && red.exposure > 1.0 && blue.exposure < 1.0, "{club:?}");
    assert!(fairness.failures.iter().any(|failure| failure.starts_with("club, blue: the top grade")), "{fairness:?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_by_what_is_wrong() {
    let brokerage = Brokerage::open().await;
    let many: String = (0..80).map(|number| format!("a{number},g{number}\n")).collect();
    for (text, problem) in [
        ("", "the first column is \"\"; name leads there by lead_id, crm"),
        ("name,sex\nAnn,f\n", "the first column is \"name\""),
        ("crm\nx\n", "has 0 columns of groups"),
        ("email,sex\nann@,f\n", "line 2: \"ann@\" is no email"),
        ("lead_id,sex\n7,f\n", "line 2: \"7\" is no lead_id"),
        ("crm,sex\na,f\nb\n", "is no table"),
        (&format!("crm,sex\na,{}\n", "f".repeat(65)), "line 2: a group's name is longer"),
        (&format!("crm,sex\n{many}"), "sex has more than 64 groups"),
    ] {
        let error = Groups::read(&file(&brokerage, text), Region::default()).unwrap_err().to_string();
        assert!(error.contains("groups.csv") && error.contains(problem), "{error}");
    }
    let path = file(&brokerage, "crm,sex\na,f\n");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = Groups::read(&path, Region::default()).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
