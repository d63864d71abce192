//! Who may do what: one table of operations, the least role that each takes, and how each is recorded.
//!
//! Invariant: an operation without a row is nobody's, and fails a test. Deliberately absent: whose leads a person sees.

use std::collections::HashMap;

use axum::http::Method;
use leadscore_store::{Role, audit::Object};
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
    path::{Operation, Parameter, ParameterIn},
};
use uuid::Uuid;

use crate::audit::object_of;

/// How an operation is recorded in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    /// The log has it before the answer goes out, and the disk soon after.
    Read,
    /// The same: what is sent in is on the disk already, in the log of events.
    Event,
    /// The answer waits until the disk has it.
    Change,
    /// It is not: nobody's data, and nothing changes.
    Not,
}

/// The least role for each operation that takes a token, by its id in the OpenAPI document, and how it is recorded.
const TABLE: [(&str, Role, Audit); 17] = [
    ("create_lead", Role::Agent, Audit::Event),
    ("show_lead", Role::Agent, Audit::Read),
    ("show_score", Role::Agent, Audit::Read),
    ("list_scores", Role::Agent, Audit::Read),
    ("show_explanation", Role::Agent, Audit::Read),
    ("batch_score", Role::Agent, Audit::Read),
    ("post_events", Role::Agent, Audit::Event),
    ("create_job", Role::Manager, Audit::Change),
    ("list_jobs", Role::Manager, Audit::Not),
    ("show_job", Role::Manager, Audit::Not),
    ("cancel_job", Role::Manager, Audit::Change),
    ("resume_job", Role::Manager, Audit::Change),
    ("create_api_key", Role::Admin, Audit::Change),
    ("list_api_keys", Role::Admin, Audit::Read),
    ("revoke_api_key", Role::Admin, Audit::Change),
    ("list_audit", Role::Admin, Audit::Read),
    ("export_audit", Role::Admin, Audit::Read),
];

/// The least role that an operation takes; `None` for one without a row.
pub fn least_role(operation: &Operation) -> Option<Role> {
    row(operation).map(|(_, role, _)| role)
}

fn row(operation: &Operation) -> Option<(&'static str, Role, Audit)> {
    let id = operation.operation_id.as_deref()?;
    TABLE.iter().find(|(known, ..)| *known == id).copied()
}

/// What an operation takes.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// The least role.
    pub least: Role,
    /// Whether it takes query parameters.
    pub takes_query: bool,
    /// Its id.
    pub operation: &'static str,
    /// How it is recorded.
    pub audit: Audit,
    /// Which segment of the address names what it is about, and as what.
    object: Option<(usize, fn(Uuid) -> Object)>,
}

impl Access {
    fn of(path: &str, operation: &Operation) -> Option<Self> {
        let mut parameters = operation.parameters.iter().flatten();
        let in_query =
            |one: &RefOr<Parameter>| matches!(one, RefOr::T(Parameter { parameter_in: ParameterIn::Query, .. }));
        let takes_query = parameters.any(in_query);
        let (operation, least, audit) = row(operation)?;
        let parameter = |segment: &str| object_of(segment.strip_prefix('{')?.strip_suffix('}')?);
        let object = path.split('/').enumerate().find_map(|(place, segment)| Some((place, parameter(segment)?)));
        Some(Self { least, takes_query, operation, audit, object })
    }

    /// What a request to this address is about.
    pub fn object(&self, path: &str) -> Option<Object> {
        let (place, object) = self.object?;
        path.split('/').nth(place)?.parse().ok().map(object)
    }
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
        let rows: BTreeSet<String> = TABLE.iter().map(|(id, ..)| (*id).to_owned()).collect();
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
                let request = app.request(method.clone(), &path).header("content-type", "application/json");
                let reply = app.send(request.body(Body::from("{}")).unwrap()).await;
                let (_, least, _) = TABLE.iter().find(|(known, ..)| *known == id).unwrap();
                let refused = reply.status.as_u16() == 403 && reply.json()["code"] == "forbidden";
                assert_eq!(refused, role < *least, "{role:?} {id}: {reply:?}");
                assert_ne!(reply.status, 401, "{role:?} {id}");
            }
        }
    }

    #[tokio::test]
    async fn what_an_address_names_is_recorded() {
        let app = TestApp::new().await;
        for (_, path, id) in operations(&app) {
            for parameter in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
                assert!(object_of(parameter).is_some(), "{id}: the audit log does not know {parameter}");
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
        let access = Access { least: Role::Agent, takes_query: false, operation: "x", audit: Audit::Not, object: None };
        let permissions = Permissions(HashMap::from([("/x".to_owned(), vec![(Method::GET, access)])]));
        assert_eq!(permissions.find(&Method::HEAD, "/x").unwrap().operation, "x");
        assert!(permissions.find(&Method::POST, "/x").is_none());
        assert!(permissions.find(&Method::GET, "/y").is_none());
    }
}
