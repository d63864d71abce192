//! Who may do what: one table of operations, with the least role of a person and the scope of a program that each takes,
//! and how each is recorded.
//!
//! Invariant: an operation without a row is nobody's, and fails a test. Deliberately absent: whose leads a person sees
//! (`sight.rs`).

use std::collections::HashMap;

use axum::http::Method;
use leadscore_domain::LeadId;
use leadscore_store::{Role, Scope, audit::Object};
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
    path::{Operation, Parameter, ParameterIn},
};

use crate::audit::{ObjectOf, object_of};

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

/// For each operation that takes a token, by its id in the OpenAPI document: the least role, the scope, `None` for what
/// every key may do, and how it is recorded.
const TABLE: [(&str, Role, Option<Scope>, Audit); 74] = [
    ("create_lead", Role::Agent, Some(Scope::LeadsWrite), Audit::Event),
    ("show_lead", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("show_score", Role::Agent, Some(Scope::ScoresRead), Audit::Read),
    ("list_scores", Role::Agent, Some(Scope::ScoresRead), Audit::Read),
    ("show_explanation", Role::Agent, Some(Scope::ScoresRead), Audit::Read),
    ("batch_score", Role::Agent, Some(Scope::ScoresRead), Audit::Read),
    ("post_events", Role::Agent, Some(Scope::EventsWrite), Audit::Event),
    ("create_job", Role::Manager, Some(Scope::JobsWrite), Audit::Change),
    ("list_jobs", Role::Manager, Some(Scope::JobsWrite), Audit::Not),
    ("show_job", Role::Manager, Some(Scope::JobsWrite), Audit::Not),
    ("cancel_job", Role::Manager, Some(Scope::JobsWrite), Audit::Change),
    ("resume_job", Role::Manager, Some(Scope::JobsWrite), Audit::Change),
    ("create_api_key", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("list_api_keys", Role::Admin, Some(Scope::Admin), Audit::Read),
    ("revoke_api_key", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("create_user", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("list_users", Role::Manager, Some(Scope::Admin), Audit::Read),
    ("update_user", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("delete_user", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("create_team", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("list_teams", Role::Manager, Some(Scope::Admin), Audit::Not),
    ("rename_team", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("delete_team", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("assign_lead", Role::Manager, Some(Scope::LeadsWrite), Audit::Change),
    ("search_leads", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("update_lead", Role::Agent, Some(Scope::LeadsWrite), Audit::Event),
    ("merge_leads", Role::Agent, Some(Scope::LeadsWrite), Audit::Event),
    ("create_outcome", Role::Agent, Some(Scope::EventsWrite), Audit::Event),
    ("list_outcomes", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("list_events", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("list_consents", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("create_consent", Role::Agent, Some(Scope::EventsWrite), Audit::Event),
    ("export_lead", Role::Manager, Some(Scope::LeadsPersonal), Audit::Read),
    ("erase_lead", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("open_privacy_request", Role::Agent, Some(Scope::LeadsWrite), Audit::Change),
    ("list_privacy_requests", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("show_privacy_request", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("start_privacy_request", Role::Manager, Some(Scope::LeadsWrite), Audit::Change),
    ("complete_privacy_request", Role::Manager, Some(Scope::LeadsWrite), Audit::Change),
    ("refuse_privacy_request", Role::Manager, Some(Scope::LeadsWrite), Audit::Change),
    ("extend_privacy_request", Role::Manager, Some(Scope::LeadsWrite), Audit::Change),
    ("lift_privacy_request", Role::Manager, Some(Scope::LeadsWrite), Audit::Change),
    ("fetch_privacy_export", Role::Manager, Some(Scope::LeadsPersonal), Audit::Read),
    ("set_override", Role::Agent, Some(Scope::LeadsWrite), Audit::Change),
    ("end_override", Role::Agent, Some(Scope::LeadsWrite), Audit::Change),
    ("list_overrides", Role::Agent, Some(Scope::LeadsRead), Audit::Read),
    ("contest_score", Role::Agent, Some(Scope::LeadsWrite), Audit::Change),
    ("list_market", Role::Agent, Some(Scope::MarketRead), Audit::Not),
    ("put_market", Role::Admin, Some(Scope::MarketWrite), Audit::Change),
    ("list_models", Role::Manager, Some(Scope::ModelsRead), Audit::Not),
    ("show_model", Role::Manager, Some(Scope::ModelsRead), Audit::Not),
    ("show_model_performance", Role::Manager, Some(Scope::ModelsRead), Audit::Not),
    ("list_predictions", Role::Manager, Some(Scope::ModelsRead), Audit::Not),
    ("show_queue", Role::Agent, Some(Scope::ScoresRead), Audit::Read),
    ("me", Role::Agent, None, Audit::Not),
    ("log_out", Role::Agent, None, Audit::Change),
    ("change_password", Role::Agent, None, Audit::Change),
    ("list_sessions", Role::Agent, None, Audit::Not),
    ("end_session", Role::Agent, None, Audit::Change),
    ("end_sessions", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("list_audit", Role::Admin, Some(Scope::Admin), Audit::Read),
    ("export_audit", Role::Admin, Some(Scope::Admin), Audit::Read),
    ("create_webhook", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("list_webhooks", Role::Admin, Some(Scope::Admin), Audit::Not),
    ("show_webhook", Role::Admin, Some(Scope::Admin), Audit::Not),
    ("update_webhook", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("delete_webhook", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("rotate_webhook_secret", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("test_webhook", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("replay_webhook", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("list_webhook_deliveries", Role::Admin, Some(Scope::Admin), Audit::Not),
    ("replay_webhook_message", Role::Admin, Some(Scope::Admin), Audit::Change),
    ("create_ticket", Role::Agent, Some(Scope::ScoresRead), Audit::Not),
    ("stream_scores", Role::Agent, Some(Scope::ScoresRead), Audit::Read),
];

/// For each topic of a live connection, by its word: the least role, and the scope.
pub const TOPICS: [(&str, Role, Scope); 2] =
    [("leads", Role::Agent, Scope::ScoresRead), ("agent_queue", Role::Agent, Scope::ScoresRead)];

/// For each field of the GraphQL schema that is an operation, by its type and its name: which one of the table it is.
/// What it takes and how it is recorded follow from that. Fields that only show what another one found stand here not.
pub const FIELDS: [(&str, &str); 30] = [
    ("Query.lead", "show_lead"),
    ("Query.leads", "search_leads"),
    ("Query.queue", "show_queue"),
    ("Query.market", "list_market"),
    ("Query.me", "me"),
    ("Query.models", "list_models"),
    ("Lead.identities", "show_lead"),
    ("Lead.profile", "show_lead"),
    ("Lead.agent", "list_users"),
    ("Lead.team", "list_teams"),
    ("Lead.score", "show_score"),
    ("Lead.scoreProblem", "show_score"),
    ("Lead.override", "list_overrides"),
    ("Lead.scores", "list_scores"),
    ("Lead.explanation", "show_explanation"),
    ("Lead.events", "list_events"),
    ("Lead.outcomes", "list_outcomes"),
    ("Lead.consents", "list_consents"),
    ("Mutation.createLead", "create_lead"),
    ("Mutation.updateLead", "update_lead"),
    ("Mutation.assignLead", "assign_lead"),
    ("Mutation.mergeLeads", "merge_leads"),
    ("Mutation.recordOutcome", "create_outcome"),
    ("Mutation.recordConsent", "create_consent"),
    ("Mutation.recordEvents", "post_events"),
    ("Mutation.setOverride", "set_override"),
    ("Mutation.endOverride", "end_override"),
    ("Mutation.contestScore", "contest_score"),
    ("Mutation.eraseLead", "erase_lead"),
    ("Subscription.scores", "stream_scores"),
];

type Row = (&'static str, Role, Option<Scope>, Audit);

fn row(operation: &Operation) -> Option<Row> {
    let id = operation.operation_id.as_deref()?;
    TABLE.iter().find(|(known, ..)| *known == id).copied()
}

/// What an operation takes.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// The least role of a person.
    pub least: Role,
    /// The scope of a program; `None` for any.
    pub scope: Option<Scope>,
    /// Whether it takes query parameters.
    pub takes_query: bool,
    /// Its id.
    pub operation: &'static str,
    /// How it is recorded.
    pub audit: Audit,
    /// Which segment of the address names what it is about, and as what.
    object: Option<(usize, ObjectOf)>,
}

impl Access {
    fn of(path: &str, operation: &Operation) -> Option<Self> {
        let mut parameters = operation.parameters.iter().flatten();
        let in_query =
            |one: &RefOr<Parameter>| matches!(one, RefOr::T(Parameter { parameter_in: ParameterIn::Query, .. }));
        let takes_query = parameters.any(in_query);
        let (operation, least, scope, audit) = row(operation)?;
        let parameter = |segment: &str| object_of(segment.strip_prefix('{')?.strip_suffix('}')?);
        let object = path.split('/').enumerate().find_map(|(place, segment)| Some((place, parameter(segment)?)));
        Some(Self { least, scope, takes_query, operation, audit, object })
    }

    /// Of a row, for what has no address of its own.
    const fn of_row((operation, least, scope, audit): Row) -> Self {
        Self { least, scope, takes_query: false, operation, audit, object: None }
    }

    /// What a request to this address is about.
    pub fn object(&self, path: &str) -> Option<Object> {
        let (place, object) = self.object?;
        object(path.split('/').nth(place)?)
    }

    /// The lead that a request to this address is about.
    pub fn lead(&self, path: &str) -> Option<LeadId> {
        self.object(path)?.lead()
    }
}

/// The least role and the scope that an operation takes; `None` for one without a row.
pub fn takes(operation: &Operation) -> Option<(Role, Option<Scope>)> {
    row(operation).map(|(_, role, scope, _)| (role, scope))
}

/// The least role and the scope that a topic takes; of one without a row, those of everything.
pub fn topic(name: &str) -> (Role, Scope) {
    let row = TOPICS.iter().find(|(known, ..)| *known == name);
    row.map_or((Role::Admin, Scope::Admin), |(_, role, scope)| (*role, *scope))
}

/// What a field of the GraphQL schema takes; `None` for one without a row, which is nobody's.
pub fn field(name: &str) -> Option<Access> {
    let (_, operation) = FIELDS.iter().find(|(known, _)| *known == name)?;
    TABLE.iter().find(|(known, ..)| known == operation).copied().map(Access::of_row)
}

/// What sending GraphQL takes: that of the fields is theirs.
pub const GRAPHQL: Access = Access::of_row(("graphql", Role::Agent, None, Audit::Not));

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

    /// With what an address takes that the document does not describe.
    #[must_use]
    pub fn with(mut self, method: Method, path: &str, access: Access) -> Self {
        self.0.entry(path.to_owned()).or_default().push((method, access));
        self
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

    const LEAD: &str = "{lead_id}";

    fn row(id: &str) -> (Role, Option<Scope>) {
        TABLE.iter().find(|(known, ..)| *known == id).map(|(_, role, scope, _)| (*role, *scope)).unwrap()
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
            app.token = app.log_in(&user).await;
            for (method, path, id) in operations(&app) {
                let reply = ask(&app, &method, &path, NOBODY).await;
                assert_eq!(is_forbidden(&reply), role < row(&id).0, "{role:?} {id}: {reply:?}");
                assert_ne!(reply.status, 401, "{role:?} {id}");
                // It may have ended the session.
                if ["log_out", "change_password"].contains(&&*id) {
                    app.token = app.log_in(&user).await;
                }
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
    async fn each_scope_may_do_what_the_table_says_and_nothing_else() {
        let mut app = TestApp::new().await;
        for scope in Scope::ALL {
            app.token = app.key(scope).await;
            for (method, path, id) in operations(&app) {
                let reply = ask(&app, &method, &path, NOBODY).await;
                let may = scope == Scope::Admin || row(&id).1.is_none_or(|needed| needed == scope);
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
            app.token = app.log_in(&everybody[i]).await;
            let mut operations = operations(&app);
            // What removes leads goes last.
            operations.sort_by_key(|(_, _, id)| id == "erase_lead");
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
        app.token = app.log_in(&app.user("agent@example.com", Role::Agent, None).await).await;
        let refused = app.get("/api/v1/jobs").await;
        assert!(refused.json()["detail"].as_str().unwrap().contains("manager"), "{refused:?}");
        app.token = app.key(Scope::LeadsRead).await;
        let refused = app.get("/api/v1/jobs").await;
        assert!(refused.json()["detail"].as_str().unwrap().contains("jobs:write"), "{refused:?}");
    }

    #[test]
    fn who_may_read_may_ask_for_the_head_and_what_has_no_row_is_nobodys() {
        let access = Access {
            least: Role::Agent,
            scope: None,
            takes_query: false,
            operation: "x",
            audit: Audit::Not,
            object: None,
        };
        let permissions = Permissions(HashMap::from([("/x".to_owned(), vec![(Method::GET, access)])]));
        assert_eq!(permissions.find(&Method::HEAD, "/x").unwrap().operation, "x");
        assert!(permissions.find(&Method::POST, "/x").is_none());
        assert!(permissions.find(&Method::GET, "/y").is_none());
    }
}
