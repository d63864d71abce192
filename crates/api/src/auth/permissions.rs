//! Who may do what: one table of operations and the least role that each takes.
//!
//! Invariant: an operation without a row is nobody's, and fails a test. Deliberately absent: whose leads a person sees.

use std::collections::HashMap;

use axum::http::Method;
use leadscore_store::Role;
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
    path::{Operation, Parameter, ParameterIn},
};

/// The least role for each operation that takes a token, by its id in the OpenAPI document.
const TABLE: [(&str, Role); 25] = [
    ("create_lead", Role::Agent),
    ("show_lead", Role::Agent),
    ("show_score", Role::Agent),
    ("list_scores", Role::Agent),
    ("show_explanation", Role::Agent),
    ("batch_score", Role::Agent),
    ("post_events", Role::Agent),
    ("create_job", Role::Manager),
    ("list_jobs", Role::Manager),
    ("show_job", Role::Manager),
    ("cancel_job", Role::Manager),
    ("resume_job", Role::Manager),
    ("create_api_key", Role::Admin),
    ("list_api_keys", Role::Admin),
    ("revoke_api_key", Role::Admin),
    ("create_webhook", Role::Admin),
    ("list_webhooks", Role::Admin),
    ("show_webhook", Role::Admin),
    ("update_webhook", Role::Admin),
    ("delete_webhook", Role::Admin),
    ("rotate_webhook_secret", Role::Admin),
    ("test_webhook", Role::Admin),
    ("replay_webhook", Role::Admin),
    ("list_webhook_deliveries", Role::Admin),
    ("replay_webhook_message", Role::Admin),
];

/// The least role that an operation takes; `None` for one without a row.
pub fn least_role(operation: &Operation) -> Option<Role> {
    let id = operation.operation_id.as_deref()?;
    TABLE.iter().find(|(known, _)| *known == id).map(|(_, role)| *role)
}

/// What an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The least role.
    pub least: Role,
    /// Whether it takes query parameters.
    pub takes_query: bool,
}

impl Access {
    fn of(operation: &Operation) -> Option<Self> {
        let mut parameters = operation.parameters.iter().flatten();
        let in_query =
            |one: &RefOr<Parameter>| matches!(one, RefOr::T(Parameter { parameter_in: ParameterIn::Query, .. }));
        let takes_query = parameters.any(in_query);
        Some(Self { least: least_role(operation)?, takes_query })
    }
}

/// The table by address, as requests ask for it.
pub struct Permissions(HashMap<String, Vec<(Method, Access)>>);

impl Permissions {
    /// Of the operations that a document describes.
    pub fn of(document: &OpenApi) -> Self {
        let operations = |item: &PathItem| {
            let methods = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let row = |(method, operation): (_, &Option<Operation>)| Some((method, Access::of(operation.as_ref()?)?));
            methods.into_iter().filter_map(row).collect()
        };
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), operations(item))).collect())
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

    use super::*;
    use crate::testing::{NOBODY, TestApp};

    const ROLES: [Role; 3] = [Role::Agent, Role::Manager, Role::Admin];

    /// Every operation that takes a token: method, address and id.
    fn operations(app: &TestApp) -> Vec<(Method, String, String)> {
        let mut operations = Vec::new();
        for (path, item) in app.document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation.get("security").is_some() {
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
        let rows: BTreeSet<String> = TABLE.iter().map(|(id, _)| (*id).to_owned()).collect();
        assert_eq!(rows.len(), TABLE.len(), "an operation stands in the table twice");
        assert_eq!(operations, rows);
    }

    #[tokio::test]
    async fn each_role_may_do_what_the_table_says_and_nothing_else() {
        let mut app = TestApp::new().await;
        for role in ROLES {
            app.token = app.key(role).await;
            for (method, path, id) in operations(&app) {
                let path = path.replace("{lead_id}", NOBODY).replace("{job_id}", NOBODY).replace("{key_id}", NOBODY);
                let path = path.replace("{webhook_id}", NOBODY).replace("{message_id}", NOBODY);
                let request = app.request(method.clone(), &path).header("content-type", "application/json");
                let reply = app.send(request.body(Body::from("{}")).unwrap()).await;
                let (_, least) = TABLE.iter().find(|(known, _)| *known == id).unwrap();
                let refused = reply.status.as_u16() == 403 && reply.json()["code"] == "forbidden";
                assert_eq!(refused, role < *least, "{role:?} {id}: {reply:?}");
                assert_ne!(reply.status, 401, "{role:?} {id}");
            }
        }
    }

    #[tokio::test]
    async fn the_document_and_the_refusal_name_the_role() {
        let mut app = TestApp::new().await;
        let jobs = app.operation(&Method::GET, "/api/v1/jobs").unwrap();
        assert_eq!(jobs["security"][0]["bearer"][0], "manager");
        app.token = app.key(Role::Agent).await;
        let refused = app.get("/api/v1/jobs").await;
        assert!(refused.json()["detail"].as_str().unwrap().contains("manager"), "{refused:?}");
    }

    #[test]
    fn who_may_read_may_ask_for_the_head_and_what_has_no_row_is_nobodys() {
        let access = Access { least: Role::Agent, takes_query: false };
        let permissions = Permissions(HashMap::from([("/x".to_owned(), vec![(Method::GET, access)])]));
        assert_eq!(permissions.find(&Method::HEAD, "/x"), Some(access));
        assert_eq!(permissions.find(&Method::POST, "/x"), None);
        assert_eq!(permissions.find(&Method::GET, "/y"), None);
    }
}
