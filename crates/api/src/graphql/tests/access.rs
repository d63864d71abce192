//! Who may ask for what, cell by cell, from the schema itself; and what the audit log has of it.

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};
use leadscore_store::{Assignment, Role, Scope, Scopes};
use serde_json::{Value, json};

use super::{super::sdl, ask, code, full_lead, score_all};
use crate::{
    auth::permissions::{Audit, FIELDS, field},
    testing::{NOBODY, TestApp},
};

const ROLES: [Role; 3] = [Role::Agent, Role::Manager, Role::Admin];

/// Fields of a type of the schema; none where there is no such type.
fn fields_of(name: &str) -> Vec<FieldDefinition> {
    let schema = parse_schema(sdl()).unwrap();
    let found = schema.definitions.into_iter().find_map(|definition| {
        let TypeSystemDefinition::Type(kind) = definition else { return None };
        let TypeKind::Object(object) = kind.node.kind else { return None };
        (kind.node.name.node == name).then(|| object.fields.into_iter().map(|field| field.node).collect())
    });
    found.unwrap_or_default()
}

/// Fields that are operations: all at the top, and those of a lead that have a row.
fn operations() -> Vec<(String, FieldDefinition)> {
    let mut operations = Vec::new();
    for parent in ["Query", "Mutation", "Lead"] {
        for definition in fields_of(parent) {
            let name = format!("{parent}.{}", definition.name.node);
            if parent != "Lead" || field(&name).is_some() {
                operations.push((name, definition));
            }
        }
    }
    operations
}

fn named_type(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(of) => named_type(of),
    }
}

/// The mutation that records an event of a lead.
fn record(lead: &str) -> String {
    format!(
        r#"mutation {{ recordEvents(input: [{{source: "site", sourceEventId: "{lead}", lead: {{leadId: "{lead}"}},
            occurredAt: "2026-03-01T09:00:00Z", kind: EMAIL, data: {{action: "opened"}}}}]) {{ accepted }} }}"#
    )
}

/// A query for a field, about `lead` where it takes one.
fn query(name: &str, definition: &FieldDefinition, lead: &str) -> String {
    let (parent, own) = name.split_once('.').unwrap();
    let input = match own {
        "createLead" => r#"input: {identities: [{kind: CRM, value: "new"}]}"#,
        "updateLead" => r#"input: {name: "Bob"}"#,
        "recordOutcome" => "input: {result: LOST}",
        "recordConsent" => r#"input: {purpose: EMAIL, state: GRANTED, basis: CONSENT, evidence: "form"}"#,
        "assignLead" => "to: {}",
        "recordEvents" => return record(lead),
        "setOverride" => r#"input: {score: 95, reason: "met"}"#,
        "contestScore" => r#"reason: "not so""#,
        "mergeLeads" => r#"absorbed: "0198c2c4-0000-7000-8000-000000000001""#,
        _ => "",
    };
    let about = definition.arguments.iter().find(|argument| ["id", "lead"].contains(&argument.node.name.node.as_str()));
    let about = about.map(|argument| format!(r#"{}: "{lead}" "#, argument.node.name.node)).unwrap_or_default();
    let arguments = format!("{about}{input}");
    let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
    let kind = named_type(&definition.ty.node);
    let selection = if fields_of(kind).is_empty() { "" } else { "{ __typename }" };
    match parent {
        "Mutation" => format!("mutation {{ {own}{arguments} {selection} }}"),
        "Lead" => format!(r#"{{ lead(id: "{lead}") {{ {own}{arguments} {selection} }} }}"#),
        _ => format!("{{ {own}{arguments} {selection} }}"),
    }
}

#[test]
fn every_field_at_the_top_has_a_row_and_every_row_a_field() {
    let mut known = BTreeSet::new();
    for parent in ["Query", "Mutation", "Subscription"] {
        for definition in fields_of(parent) {
            let name = format!("{parent}.{}", definition.name.node);
            assert!(field(&name).is_some(), "{name} has no row: nobody may ask for it");
            known.insert(name);
        }
    }
    known.extend(operations().into_iter().map(|(name, _)| name));
    let rows: BTreeSet<String> = FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rows.len(), FIELDS.len(), "a field stands in the table twice");
    assert_eq!(known, rows);
    assert!(field("Query.salaries").is_none(), "a field without a row is nobody's");
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() {
    let mut app = TestApp::new().await;
    let lead = full_lead(&app, "ann").await;
    score_all(&app, 1).await;
    for role in ROLES {
        let user = app.user(&format!("{role}@example.com"), role, None).await;
        app.token = app.log_in(&user).await;
        app.state.store.assign_lead(lead, Assignment::Agent(user.id)).await.unwrap();
        for (name, definition) in operations() {
            let about = if name.starts_with("Lead.") { lead.to_string() } else { NOBODY.to_owned() };
            let answer = ask(&app, &query(&name, &definition, &about)).await;
            assert_eq!(code(&answer) == "forbidden", role < field(&name).unwrap().least, "{role:?} {name}: {answer}");
        }
    }
}

#[tokio::test]
async fn each_scope_may_do_what_the_table_says_and_nothing_else() {
    let mut app = TestApp::new().await;
    let lead = full_lead(&app, "ann").await;
    score_all(&app, 1).await;
    for scope in Scope::ALL {
        // A field of a lead is reached over one at the top.
        for (name, definition) in operations() {
            let reaches = [Some(scope), name.starts_with("Lead.").then_some(Scope::LeadsRead)];
            let scopes: Scopes = reaches.into_iter().flatten().collect();
            app.token = app.key(scopes.clone()).await;
            let about = if name.starts_with("Lead.") { lead.to_string() } else { NOBODY.to_owned() };
            let answer = ask(&app, &query(&name, &definition, &about)).await;
            let may = field(&name).unwrap().scope.is_none_or(|needed| scopes.allow(needed));
            assert_eq!(code(&answer) == "forbidden", !may, "{scope:?} {name}: {answer}");
        }
    }
}

/// Every cell of {field about a lead × role × own, another's, none}: what is hidden is answered as what is not there.
#[tokio::test]
async fn each_role_sees_its_leads_and_the_rest_is_not_there() {
    let mut app = TestApp::new().await;
    let (north, south) = (app.team("North").await, app.team("South").await);
    let mut everybody = Vec::new();
    for (role, team) in [(Role::Agent, north), (Role::Manager, north), (Role::Admin, north), (Role::Agent, south)] {
        everybody.push(app.user(&format!("{role}-{team}@example.com"), role, Some(team)).await);
    }
    let leads = [
        (app.lead("agent").await, Assignment::Agent(everybody[0].id), [true, true, true]),
        (app.lead("manager").await, Assignment::Agent(everybody[1].id), [false, true, true]),
        (app.lead("team").await, Assignment::Team(north), [false, true, true]),
        (app.lead("other").await, Assignment::Agent(everybody[3].id), [false, false, true]),
        (app.lead("other team").await, Assignment::Team(south), [false, false, true]),
        (app.lead("nobody").await, Assignment::Nobody, [false, false, true]),
    ];
    for (lead, to, _) in leads {
        app.state.store.assign_lead(lead, to).await.unwrap();
    }
    let mut cells = 0;
    for (at, role) in ROLES.into_iter().enumerate() {
        app.token = app.log_in(&everybody[at]).await;
        let seen = ask(&app, "{ leads { leads { id } } }").await["data"]["leads"]["leads"].clone();
        let seen: BTreeSet<&str> = seen.as_array().unwrap().iter().filter_map(|lead| lead["id"].as_str()).collect();
        for (lead, to, sees) in leads {
            assert_eq!(seen.contains(lead.to_string().as_str()), sees[at], "{role:?} {to:?}");
        }
        let mut about: Vec<_> = operations();
        about.retain(|(name, definition)| query(name, definition, NOBODY).contains(NOBODY));
        // What removes leads goes last.
        about.sort_by_key(|(name, _)| name == "Mutation.eraseLead");
        for (name, definition) in about {
            if field(&name).unwrap().least > role {
                continue;
            }
            let none = ask(&app, &query(&name, &definition, NOBODY)).await;
            // Who sees everything is told of the member of the event.
            let is_member = name == "Mutation.recordEvents" && role == Role::Admin;
            let unknown = if is_member { "invalid-field" } else { "lead-not-found" };
            assert_eq!(code(&none), unknown, "{name}: {none}");
            for (lead, to, sees) in leads {
                let answer = ask(&app, &query(&name, &definition, &lead.to_string())).await;
                if sees[at] {
                    assert_ne!(code(&answer), unknown, "{role:?} {name} {to:?}: {answer}");
                } else {
                    assert_eq!(answer, none, "{role:?} {name} {to:?}");
                }
                // What the field may have changed.
                app.state.store.assign_lead(lead, to).await.unwrap();
                cells += 1;
            }
        }
    }
    assert!(cells >= 200, "{cells}");
}

/// Entries of the audit log about an operation: object and status of each.
async fn recorded(app: &mut TestApp, operation: &str) -> Vec<(Value, Value)> {
    let page = app.get(&format!("/api/v1/audit?operation={operation}")).await.json();
    page["entries"].as_array().unwrap().iter().map(|act| (act["object"]["id"].clone(), act["status"].clone())).collect()
}

#[tokio::test]
async fn what_is_read_and_changed_is_recorded_with_the_lead() {
    let mut app = TestApp::new().await;
    let (lead, other) = (full_lead(&app, "ann").await, full_lead(&app, "bob").await);
    score_all(&app, 1).await;
    for (name, definition) in operations() {
        let access = field(&name).unwrap();
        if access.audit == Audit::Not || name == "Mutation.eraseLead" {
            continue;
        }
        let before = recorded(&mut app, access.operation).await;
        let answer = ask(&app, &query(&name, &definition, &lead.to_string())).await;
        let after = recorded(&mut app, access.operation).await;
        assert!(after.len() > before.len() || repeats(&mut app, access.operation).await > 1, "{name}: {answer}");
        let is_list = ["Query.queue", "Query.leads", "Mutation.createLead", "Lead.agent"].contains(&&*name);
        assert!(is_list || after.iter().any(|(object, _)| *object == json!(lead)), "{name}: {after:?}");
    }
    let found = recorded(&mut app, "search_leads").await;
    assert!([lead, other].iter().all(|lead| found.contains(&(json!(lead), json!(200)))), "{found:?}");
    ask(&app, &format!(r#"{{ lead(id: "{NOBODY}") {{ id }} }}"#)).await;
    assert!(recorded(&mut app, "show_lead").await.contains(&(json!(NOBODY), json!(404))));
    let erased = ask(&app, &format!(r#"mutation {{ eraseLead(lead: "{other}") {{ leads events }} }}"#)).await;
    assert_eq!(erased["data"]["eraseLead"], json!({"leads": [other], "events": 2}));
    assert!(recorded(&mut app, "erase_lead").await.contains(&(json!(other), json!(200))));
    app.token = app.key(Scope::MarketRead).await;
    assert_eq!(code(&ask(&app, &format!(r#"{{ lead(id: "{lead}") {{ id }} }}"#)).await), "forbidden");
}

/// How often the latest act of an operation was done within its block.
async fn repeats(app: &mut TestApp, operation: &str) -> u64 {
    let page = app.get(&format!("/api/v1/audit?operation={operation}")).await.json();
    page["entries"][0]["count"].as_u64().unwrap_or(0)
}
