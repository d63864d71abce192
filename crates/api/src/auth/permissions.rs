//! Who may do what: one table of operations, with the least role of a person and the scope of a program that each takes.
//!
//! Invariant: an operation without a row is nobody's, and fails a test. Deliberately absent: whose leads a person sees
//! (`sight.rs`).

use std::collections::HashMap;

use axum::http::Method;
use leadscore_store::{Role, Scope};
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
    path::{Operation, Parameter, ParameterIn},
};

/// For each operation that takes a token, by its id in the OpenAPI document: the least role, and the scope.
const TABLE: [(&str, Role, Scope); 41] = [
    ("create_lead", Role::Agent, Scope::LeadsWrite),
    ("search_leads", Role::Agent, Scope::LeadsRead),
    ("show_lead", Role::Agent, Scope::LeadsRead),
    ("update_lead", Role::Agent, Scope::LeadsWrite),
    ("merge_leads", Role::Agent, Scope::LeadsWrite),
    ("create_outcome", Role::Agent, Scope::EventsWrite),
    ("list_outcomes", Role::Agent, Scope::LeadsRead),
    ("list_events", Role::Agent, Scope::LeadsRead),
    ("show_score", Role::Agent, Scope::ScoresRead),
    ("list_scores", Role::Agent, Scope::ScoresRead),
    ("show_explanation", Role::Agent, Scope::ScoresRead),
    ("batch_score", Role::Agent, Scope::ScoresRead),
    ("post_events", Role::Agent, Scope::EventsWrite),
    ("create_job", Role::Manager, Scope::JobsWrite),
    ("list_jobs", Role::Manager, Scope::JobsWrite),
    ("show_job", Role::Manager, Scope::JobsWrite),
    ("cancel_job", Role::Manager, Scope::JobsWrite),
    ("resume_job", Role::Manager, Scope::JobsWrite),
    ("create_api_key", Role::Admin, Scope::Admin),
    ("list_api_keys", Role::Admin, Scope::Admin),
    ("revoke_api_key", Role::Admin, Scope::Admin),
    ("create_user", Role::Admin, Scope::Admin),
    ("list_users", Role::Manager, Scope::Admin),
    ("update_user", Role::Admin, Scope::Admin),
    ("delete_user", Role::Admin, Scope::Admin),
    ("create_team", Role::Admin, Scope::Admin),
    ("list_teams", Role::Manager, Scope::Admin),
    ("rename_team", Role::Admin, Scope::Admin),
    ("delete_team", Role::Admin, Scope::Admin),
    ("assign_lead", Role::Manager, Scope::LeadsWrite),
    ("list_consents", Role::Agent, Scope::LeadsRead),
    ("create_consent", Role::Agent, Scope::EventsWrite),
    ("export_lead", Role::Manager, Scope::LeadsPersonal),
    ("erase_lead", Role::Admin, Scope::Admin),
    ("list_market", Role::Agent, Scope::MarketRead),
    ("put_market", Role::Admin, Scope::MarketWrite),
    ("list_models", Role::Manager, Scope::ModelsRead),
    ("show_model", Role::Manager, Scope::ModelsRead),
    ("show_model_performance", Role::Manager, Scope::ModelsRead),
    ("list_predictions", Role::Manager, Scope::ModelsRead),
    ("show_queue", Role::Agent, Scope::ScoresRead),
];

/// Part of the address of every operation on one lead.
const LEAD: &str = "{lead_id}";

/// What an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The least role of a person.
    pub least: Role,
    /// The scope of a program.
    pub scope: Scope,
    /// Whether it takes query parameters.
    pub takes_query: bool,
    /// Which part of the address, counted from 0, is the lead that it is about.
    pub lead_at: Option<usize>,
}

impl Access {
    fn of(path: &str, operation: &Operation) -> Option<Self> {
        let (least, scope) = takes(operation)?;
        let mut parameters = operation.parameters.iter().flatten();
        let in_query =
            |one: &RefOr<Parameter>| matches!(one, RefOr::T(Parameter { parameter_in: ParameterIn::Query, .. }));
        let takes_query = parameters.any(in_query);
        Some(Self { least, scope, takes_query, lead_at: path.split('/').position(|part| part == LEAD) })
    }
}

/// The least role and the scope that an operation takes; `None` for one without a row.
pub fn takes(operation: &Operation) -> Option<(Role, Scope)> {
    let id = operation.operation_id.as_deref()?;
    TABLE.iter().find(|(known, ..)| *known == id).map(|(_, role, scope)| (*role, *scope))
}

/// The table by address, as requests ask for it.
pub struct Permissions(HashMap<String, Vec<(Method, Access)>>);

impl Permissions {
    /// Of the operations that a document describes.
    pub fn of(document: &OpenApi) -> Self {
        let operations = |path: &str, item: &PathItem| {
            let methods = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let row =
                |(method, operation): (_, &Option<Operation>)| Some((method, Access::of(path, operation.as_ref()?)?));
            methods.into_iter().filter_map(row).collect()
        };
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), operations(path, item))).collect())
    }

    /// What a request to this address takes, a template such as `/api/v1/leads/{lead_id}`.
    pub fn find(&self, method: &Method, path: &str) -> Option<Access> {
        // Who may read may ask whether there is something to read.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.0.get(path)?.iter().find(|(known, _)| known == method).map(|(_, access)| *access)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use leadscore_store::Assignment;

    use super::*;
    use crate::testing::{NOBODY, Reply, TestApp};

    const ROLES: [Role; 3] = [Role::Agent, Role::Manager, Role::Admin];

    /// Every operation that takes a token: method, address and id.
    fn operations(app: &TestApp) -> Vec<(Method, String, String)> {
        let mut operations = Vec::new();
        for (path, item) in app.document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation["security"] != serde_json::json!([]) {
                    let id = operation["operationId"].as_str().unwrap().to_owned();
                    operations.push((method.to_uppercase().parse().unwrap(), path.clone(), id));
                }
            }
        }
        operations
    }

    #[tokio::test]
    async fn every_operation_has_a_row_and_every_row_an_operation() {
        let app = TestApp::new().await;
        let operations: BTreeSet<String> = operations(&app).into_iter().map(|(_, _, id)| id).collect();
        let rows: BTreeSet<String> = TABLE.iter().map(|(id, ..)| (*id).to_owned()).collect();
        assert_eq!(rows.len(), TABLE.len(), "an operation stands in the table twice");
        assert_eq!(operations, rows);
    }

    fn row(id: &str) -> (Role, Scope) {
        TABLE.iter().find(|(known, ..)| *known == id).map(|(_, role, scope)| (*role, *scope)).unwrap()
    }

    /// A request to an operation, about `lead` where its address names one, and about nothing that there is otherwise.
    async fn ask(app: &TestApp, method: &Method, path: &str, lead: &str) -> Reply {
        let named = |part: &str| match part {
            LEAD => lead.to_owned(),
            other if other.starts_with('{') => NOBODY.to_owned(),
            other => other.to_owned(),
        };
        let path: Vec<String> = path.split('/').map(named).collect();
        let request = app.request(method.clone(), &path.join("/")).header("content-type", "application/json");
        app.send(request.body(Body::from("{}")).unwrap()).await
    }

    fn is_forbidden(reply: &Reply) -> bool {
        reply.status.as_u16() == 403 && reply.json()["code"] == "forbidden"
    }

    #[tokio::test]
    async fn each_role_may_do_what_the_table_says_and_nothing_else() {
        let mut app = TestApp::new().await;
        for role in ROLES {
            let user = app.user(&format!("{role}@example.com"), role, None).await;
            app.token = app.session(&user).await;
            for (method, path, id) in operations(&app) {
                let reply = ask(&app, &method, &path, NOBODY).await;
                assert_eq!(is_forbidden(&reply), role < row(&id).0, "{role:?} {id}: {reply:?}");
                assert_ne!(reply.status, 401, "{role:?} {id}");
            }
        }
    }

    #[tokio::test]
    async fn each_scope_may_do_what_the_table_says_and_nothing_else() {
        let mut app = TestApp::new().await;
        for scope in Scope::ALL {
            app.token = app.key(scope).await;
            for (method, path, id) in operations(&app) {
                let reply = ask(&app, &method, &path, NOBODY).await;
                let may = scope == Scope::Admin || scope == row(&id).1;
                assert_eq!(is_forbidden(&reply), !may, "{scope:?} {id}: {reply:?}");
            }
        }
    }

    /// Every cell of {operation on a lead × role × own, another's, none}: what is hidden is answered as what is not
    /// there, and what is seen is not.
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
        for (i, role) in ROLES.into_iter().enumerate() {
            app.token = app.session(&everybody[i]).await;
            let mut operations = operations(&app);
            // What removes leads goes last.
            operations.sort_by_key(|(method, ..)| *method == Method::DELETE);
            for (method, path, id) in operations {
                if !path.contains(LEAD) || row(&id).0 > role {
                    continue;
                }
                let none = ask(&app, &method, &path, NOBODY).await;
                assert_eq!(none.code(), "lead-not-found", "{id}");
                for (lead, to, sees) in leads {
                    let reply = ask(&app, &method, &path, &lead.to_string()).await;
                    if sees[i] {
                        assert!(reply.body.is_empty() || reply.code() != "lead-not-found", "{role:?} {id} {to:?}");
                    } else {
                        assert_eq!((reply.status, &reply.body), (none.status, &none.body), "{role:?} {id} {to:?}");
                    }
                    // What the operation may have changed.
                    app.state.store.assign_lead(lead, to).await.unwrap();
                    cells += 1;
                }
            }
        }
        assert!(cells >= 70, "{cells}");
    }

    #[tokio::test]
    async fn the_document_and_the_refusal_name_what_it_takes() {
        let mut app = TestApp::new().await;
        let jobs = app.operation(&Method::GET, "/api/v1/jobs").unwrap();
        assert_eq!(jobs["security"][0]["bearer"], serde_json::json!(["manager", "jobs:write"]));
        app.token = app.session(&app.user("agent@example.com", Role::Agent, None).await).await;
        let refused = app.get("/api/v1/jobs").await;
        assert!(refused.json()["detail"].as_str().unwrap().contains("manager"), "{refused:?}");
        app.token = app.key(Scope::LeadsRead).await;
        let refused = app.get("/api/v1/jobs").await;
        assert!(refused.json()["detail"].as_str().unwrap().contains("jobs:write"), "{refused:?}");
    }

    #[test]
    fn who_may_read_may_ask_for_the_head_and_what_has_no_row_is_nobodys() {
        let access = Access { least: Role::Agent, scope: Scope::LeadsRead, takes_query: false, lead_at: None };
        let permissions = Permissions(HashMap::from([("/x".to_owned(), vec![(Method::GET, access)])]));
        assert_eq!(permissions.find(&Method::HEAD, "/x"), Some(access));
        assert_eq!(permissions.find(&Method::POST, "/x"), None);
        assert_eq!(permissions.find(&Method::GET, "/y"), None);
    }
}
