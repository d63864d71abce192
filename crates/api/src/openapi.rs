//! The OpenAPI 3.1 document: what the endpoints declare, and the problems that surround them.
//!
//! Invariant: generated, never edited; `docs/openapi.json` is compared with it by a test. Deliberately absent: any
//! statement about an endpoint that the endpoint could make itself.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::{
    OpenApi,
    openapi::{
        self, Content, Ref, RefOr, Response,
        example::{Example, ExampleBuilder},
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    auth::permissions::takes,
    messages::{WebhookMessage, webhooks},
    problem::{Code, MEDIA_TYPE, Problem, ProblemBody},
    rest,
};

/// Name of the security scheme.
const BEARER: &str = "bearer";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Leadscore",
        description = "Ranks a brokerage's leads: send what happens to them, read how likely each converts within 30 days, and what to do next.\n\nEvery answer of 400 or above is `application/problem+json`; see [the problems](/docs/errors)."
    ),
    tags(
        (name = "leads", description = "Who they are"),
        (name = "events", description = "What happens to them"),
        (name = "scores", description = "How likely they convert, and what to do"),
        (name = "models", description = "What scores, and how well"),
        (name = "market", description = "Supply and demand of homes"),
        (name = "privacy", description = "What people allowed, what is kept of them, and its end"),
        (name = "jobs", description = "Long work in the background"),
        (name = "webhooks", description = "Other systems that are told"),
        (name = "access", description = "Log-in, and keys for programs"),
        (name = "audit", description = "Who saw or changed what"),
        (name = "health", description = "Whether the server works")
    ),
    servers((url = "/", description = "The server that answers this document")),
    components(schemas(ProblemBody, WebhookMessage))
)]
struct Base;

/// What is known before any endpoint is added.
pub(crate) fn base() -> openapi::OpenApi {
    let mut document = Base::openapi();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key, an access token from `POST /api/v1/login`, or one of an identity provider that is configured.",
        ))
        .build();
    document.webhooks = Some(webhooks());
    let components = document.components.get_or_insert_with(Default::default);
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    document
}

/// Adds to each operation what it does not say itself: the token that it needs, and its problems.
pub(crate) fn complete(document: &mut openapi::OpenApi, guarded: &openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let needs_token = guarded.paths.paths.contains_key(path);
        let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in methods.into_iter().flatten() {
            let needs = takes(operation)
                .map(|(role, scope)| [Some(role.to_string()), scope.map(|scope| scope.as_str().to_owned())]);
            let token = || SecurityRequirement::new(BEARER, needs.into_iter().flatten().flatten());
            // An empty list says that it takes none.
            operation.security = Some(needs_token.then(token).into_iter().collect());
            let codes = codes(path, operation, needs_token);
            add_problems(operation, &codes);
        }
    }
}

fn codes(path: &str, operation: &Operation, needs_token: bool) -> Vec<Code> {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let own = rest::PROBLEMS.iter().find(|(operation, _)| *operation == id).map_or(&[][..], |(_, codes)| codes);
    let mut codes = own.to_vec();
    if operation.request_body.is_some() {
        codes.extend(rest::BODY_PROBLEMS);
    }
    if needs_token {
        codes.extend([Code::Unauthenticated, Code::UnknownUser, Code::Forbidden]);
    }
    if path.starts_with("/api/") {
        codes.push(Code::Unavailable);
    }
    if !rest::HEALTH.contains(&id) {
        codes.push(Code::TooManyRequests);
    }
    codes.extend([Code::UriTooLong, Code::HeadersTooLarge]);
    codes.extend([Code::UnknownQueryParameter, Code::Internal, Code::TimedOut]);
    codes
}

fn add_problems(operation: &mut Operation, codes: &[Code]) {
    let mut by_status: BTreeMap<StatusCode, BTreeMap<String, RefOr<Example>>> = BTreeMap::new();
    for code in codes {
        let body = serde_json::to_value(Problem::new(*code, code.title()).into_body());
        let example = ExampleBuilder::new()
            .summary(code.title())
            .value(Some(body.expect("a problem is plain data with string keys")))
            .build();
        by_status.entry(code.status()).or_default().insert(code.as_str().to_owned(), RefOr::T(example));
    }
    for (status, examples) in by_status {
        let mut content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
        let names: Vec<String> = examples.keys().map(|code| format!("`{code}`")).collect();
        content.examples = examples;
        let mut response = Response::new(names.join(", "));
        response.content.insert(MEDIA_TYPE.to_owned(), RefOr::T(content));
        operation.responses.responses.insert(status.as_u16().to_string(), RefOr::T(response));
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use leadscore_domain::LeadId;
    use leadscore_store::{Role, Scope};
    use serde_json::Value;

    use crate::{
        problem::errors_markdown,
        testing::{EXAMPLE_ABSORBED, EXAMPLE_LEAD, EXAMPLE_REFRESH_TOKEN, EXAMPLE_USER, Reply, TestApp, score},
    };

    /// Compares a committed file with what is generated; `UPDATE_DOCS=1` writes it instead.
    fn committed(name: &str, generated: &str) {
        let path = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../docs").join(name);
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == generated, "docs/{name} is out of date: run the tests with UPDATE_DOCS=1");
    }

    #[test]
    fn the_committed_documents_are_current() {
        committed("openapi.json", &crate::openapi_json());
        committed("ERRORS.md", &errors_markdown());
        committed("asyncapi.json", &crate::socket::asyncapi_json());
    }

    #[tokio::test]
    async fn the_document_and_its_pages_are_served() {
        let app = TestApp::new().await;
        let reply = app.get("/openapi.json").await;
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(&reply.json(), app.document());
        assert_eq!(reply.json()["openapi"], "3.1.0");
        let root = app.get("/").await;
        assert_eq!((root.status, root.header("location")), (StatusCode::SEE_OTHER, "/docs/"));
        assert_eq!(app.get("/docs").await.header("location"), "/docs/");
        for (path, holds) in [
            ("/docs/", "swagger-ui-bundle.js"),
            ("/docs/swagger-ui-bundle.js", "SwaggerUIBundle"),
            ("/docs/swagger-initializer.js", "/openapi.json"),
            ("/docs/errors", "id=\"score-pending\""),
        ] {
            let reply = app.get(path).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}");
            let policy = reply.header("content-security-policy");
            assert!(policy.contains("default-src 'self'") && policy.contains("object-src 'none'"), "{path}: {policy}");
            let text = String::from_utf8(reply.body).unwrap();
            assert!(text.contains(holds), "{path}");
            assert!(!path.ends_with('/') || !text.contains("src=\"http"), "{path}");
        }
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&crate::openapi_json()).unwrap();
        let text = document.to_string();
        let references: Vec<&str> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!references.is_empty());
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    /// Sends each operation as its examples say and compares the answer with the example of its status.
    #[tokio::test]
    async fn the_examples_of_the_document_work() {
        let mut app = TestApp::new().await;
        app.state
            .store
            .create_user("manager@example.com", "correct horse battery staple", Role::Manager)
            .await
            .unwrap();
        let lead = app.lead("example").await;
        app.derive(|id| Some(score(id))).await;
        let job = app.state.store.create_job("score_all", serde_json::json!({}), 1).await.unwrap().id;
        let (_, key) = app.state.store.create_api_key("website", Scope::LeadsRead.into(), None).await.unwrap();
        let session = app.session(Role::Agent).await;
        let version = app.model();
        let mut ran = 0;
        let document = app.document().clone();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                let lead = if method == "delete" { app.lead(id).await } else { lead };
                let mut path = path.replace("{version}", &version);
                let (webhook, message) = app.webhook().await;
                for (name, id) in
                    [("lead", lead.0), ("job", job), ("key", key.id), ("webhook", webhook), ("message", message)]
                {
                    path = path.replace(&format!("{{{name}_id}}"), &id.to_string());
                }
                if id == "end_override" {
                    app.override_score(lead).await;
                }
                let body = &operation["requestBody"]["content"]["application/json"]["example"];
                let mut body = body.to_string().replace(EXAMPLE_LEAD, &lead.to_string());
                let key_of_tests = app.token.clone();
                (path, body) = with_own(&mut app, id, lead, path, body).await;
                let reply = match method.as_str() {
                    // It does not end by itself, and is tested on its own.
                    "get" if id == "stream_scores" => {
                        ran += 1;
                        continue;
                    }
                    "get" => app.get(&path).await,
                    "delete" => app.delete(&path).await,
                    _ if operation.get("requestBody").is_none() => app.post_text(&path, "").await,
                    _ => {
                        assert_ne!(body, "null", "{id} has no example");
                        let method = method.to_uppercase().parse().unwrap();
                        let request = app.request(method, &path).header("content-type", "application/json");
                        let refresh_token = session["refresh_token"].as_str().unwrap();
                        let body = body.replace(EXAMPLE_REFRESH_TOKEN, refresh_token);
                        app.send(request.body(Body::from(body)).unwrap()).await
                    }
                };
                app.token = key_of_tests;
                compare(id, operation, &reply);
                ran += 1;
            }
        }
        assert_eq!(ran, crate::rest::PROBLEMS.len());
        assert!(app.operation(&Method::GET, "/healthz").is_some());
    }

    /// Fills in what each operation has of its own, since some remove it.
    async fn with_own(
        app: &mut TestApp,
        id: &str,
        lead: LeadId,
        mut path: String,
        mut body: String,
    ) -> (String, String) {
        if ["log_out", "change_password", "list_sessions", "end_session"].contains(&id) {
            app.token = app.session(Role::Manager).await["token"].as_str().unwrap().to_owned();
            let sessions = app.get("/api/v1/me/sessions").await.json();
            path = path.replace("{session_id}", sessions["sessions"][0]["id"].as_str().unwrap());
        }
        if path.contains("{request_id}") {
            path = path.replace("{request_id}", &app.privacy_request(id, lead).await.to_string());
        }
        if path.contains("{user_id}") || body.contains(EXAMPLE_USER) {
            let user = app.user(&format!("{id}@example.com"), Role::Agent, None).await.id.to_string();
            (path, body) = (path.replace("{user_id}", &user), body.replace(EXAMPLE_USER, &user));
        }
        if body.contains(EXAMPLE_ABSORBED) {
            // Younger, so that the lead of the other examples survives.
            app.clock.advance_micros(1);
            body = body.replace(EXAMPLE_ABSORBED, &app.lead(id).await.to_string());
        }
        if path.contains("{team_id}") {
            path = path.replace("{team_id}", &app.team(id).await.to_string());
        }
        (path, body)
    }

    fn compare(id: &str, operation: &Value, reply: &Reply) {
        assert!(reply.status.is_success(), "{id}: {reply:?}");
        let content = &operation["responses"][reply.status.as_str()]["content"];
        if content.is_null() {
            assert!(reply.body.is_empty(), "{id} answers what is not documented");
            return;
        }
        if let Some(text) = content["text/plain"]["example"].as_str() {
            assert!(text.starts_with("# HELP ") && reply.header("content-type").starts_with("text/plain"), "{id}");
            return;
        }
        if content["application/json"].is_null() {
            assert!(
                reply.header("content-type") == "application/x-ndjson"
                    && !content[reply.header("content-type")].is_null()
            );
            return;
        }
        let example = &content["application/json"]["example"];
        assert!(example.is_object(), "{id} has no example of {}", reply.status);
        same_shape(id, example, &reply.json());
    }

    /// The same members of the same types; free names, and optional members that a lead need not have, may differ.
    fn same_shape(place: &str, example: &Value, answer: &Value) {
        match (example, answer) {
            (Value::Object(example), Value::Object(answer)) => {
                for name in answer.keys() {
                    assert!(example.contains_key(name), "{place}: the example lacks {name}");
                }
                for (name, value) in example {
                    let place = format!("{place}.{name}");
                    if ["attributes", "counts", "data", "event_counts", "next"].contains(&name.as_str()) {
                        continue;
                    }
                    let found = answer.get(name).unwrap_or_else(|| panic!("{place} is not answered"));
                    if !found.is_null() {
                        same_shape(&place, value, found);
                    }
                }
            }
            (Value::Array(example), Value::Array(answer)) => {
                for (i, (example, answer)) in example.iter().zip(answer).enumerate() {
                    same_shape(&format!("{place}[{i}]"), example, answer);
                }
            }
            (Value::String(_), Value::String(_))
            | (Value::Number(_), Value::Number(_))
            | (Value::Bool(_), Value::Bool(_)) => {}
            (example, answer) => panic!("{place}: the example is {example}, the answer {answer}"),
        }
    }
}
