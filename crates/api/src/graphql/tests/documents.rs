//! The schema as it is committed, and the examples of the manual.

use std::{fs, path::Path};

use leadscore_store::Assignment;
use serde_json::Value;

use super::{super::sdl, ask, full_lead, score_all};
use crate::testing::{EXAMPLE_LEAD, TestApp};

fn document(name: &str) -> std::path::PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs").join(name)
}

#[test]
fn the_committed_schema_is_this_one() {
    let path = document("schema.graphql");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, sdl()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == sdl(), "docs/schema.graphql is old; UPDATE_DOCS=1 cargo test writes it");
}

#[test]
fn everything_in_the_schema_is_described() {
    let schema = sdl();
    let lines: Vec<&str> = schema.lines().map(str::trim).collect();
    for pair in lines.windows(2) {
        let is_type = ["type ", "enum ", "input ", "scalar "].iter().any(|word| pair[1].starts_with(word));
        if is_type && !pair[1].starts_with("scalar JSON") {
            assert!(pair[0].ends_with("\"\"\""), "{} has no description", pair[1]);
        }
    }
}

#[tokio::test]
async fn the_examples_of_the_manual_work() {
    let mut app = TestApp::new().await;
    let lead = full_lead(&app, "example").await;
    let agent = app.user("manager@example.com", leadscore_store::Role::Manager, None).await;
    app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
    score_all(&app, 2).await;
    app.token = app.log_in(&agent).await;
    let manual = fs::read_to_string(document("GRAPHQL.md")).unwrap();
    let mut ran = 0;
    for example in manual.split("```graphql\n").skip(1) {
        let query = example.split("```").next().unwrap().replace(EXAMPLE_LEAD, &lead.to_string());
        if query.trim_start().starts_with("subscription") {
            continue;
        }
        let answer = ask(&app, &query).await;
        assert_eq!(answer.get("errors"), None, "{query}: {answer:#}");
        let empty = answer["data"].as_object().unwrap().values().any(Value::is_null);
        assert!(!empty, "{query}: {answer:#}");
        ran += 1;
    }
    assert!(ran >= 4, "{ran}");
}
