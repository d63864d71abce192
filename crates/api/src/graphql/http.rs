//! `POST /graphql` (GraphQL over HTTP): one query, or a few.
//!
//! What is wrong with the request as such is a problem, as by REST; what is wrong with a query stands in its answer.
//! Only JSON is taken, and only by POST: no page of another site can send that.

use std::sync::Arc;

use async_graphql::{Response as Executed, Variables};
use axum::{
    body::Body,
    extract::{FromRequestParts as _, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use http_body_util::Limited;
use leadscore_store::{Authority, audit::Act};
use serde::{Deserialize, de::IgnoredAny};

use super::{error, limits, operation::Asker, waves::Waves};
use crate::{
    audit::Begun,
    auth::identity::Identity,
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rate,
    state::Api,
};

/// The media type of answers whose status says whether anything was executed.
const MEDIA_TYPE: &str = "application/graphql-response+json";

/// A query with what belongs to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<Variables>,
    /// Nothing is known of them; clients send them all the same.
    #[serde(default, rename = "extensions")]
    _extensions: Option<IgnoredAny>,
}

impl Sent {
    /// As the library takes it.
    pub fn request(self) -> async_graphql::Request {
        let Self { query, operation_name, variables, _extensions } = self;
        let mut request = async_graphql::Request::new(query).variables(variables.unwrap_or_default());
        request.operation_name = operation_name;
        request
    }
}

/// Answers queries and mutations.
///
/// # Errors
/// Where the request as such is wrong.
pub async fn answer(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let Ok(identity) = Identity::from_request_parts(&mut parts, &api).await;
    let Ok(Begun(act)) = Begun::from_request_parts(&mut parts, &api).await;
    let headers = parts.headers.clone();
    let body = Body::new(Limited::new(body, limits::BODY_MAX_BYTES));
    let JsonBytes(bytes) = JsonBytes::read(Request::from_parts(parts, body), &api, limits::BODY_MAX_BYTES).await?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        let executed = execute(&api, &identity, &act, parse(&bytes)?).await;
        return Ok(one(&executed, &headers));
    }
    let batch: Vec<Sent> = parse(&bytes)?;
    if !(1..=limits::BATCH_MAX).contains(&batch.len()) {
        return Err(Problem::new(Code::InvalidField, format!("The list has {} queries.", batch.len()))
            .remedy(format!("send 1 to {} queries at once", limits::BATCH_MAX)));
    }
    // The request itself was counted before.
    for _ in 1..batch.len() {
        rate::admit(&api, &identity.principal).await.map_err(|spent| spent.problem())?;
    }
    let mut all = Vec::with_capacity(batch.len());
    for sent in batch {
        all.push(error::body(&execute(&api, &identity, &act, sent).await));
    }
    Ok(json(StatusCode::OK, wanted(&headers), &all))
}

/// Executes one query within its limits.
async fn execute(api: &Arc<Api>, identity: &Identity, act: &Act, sent: Sent) -> Executed {
    let mut request = sent.request();
    let is_person = matches!(identity.principal.authority, Authority::Person { .. });
    if let Err(refused) = check(&mut request, is_person) {
        return error::with_codes(Executed::from_errors(vec![refused]));
    }
    let waves = Waves::default();
    let asker = Asker::new(Arc::clone(api), identity.clone(), act.clone(), waves.clone());
    error::with_codes(waves.drive(api.graphql.execute(request.data(asker))).await)
}

/// Parses a query, and checks what it asks for.
fn check(request: &mut async_graphql::Request, is_person: bool) -> Result<(), async_graphql::ServerError> {
    limits::check_text(&request.query).map_err(|problem| error::of_request(&problem))?;
    let document = request.parsed_query()?;
    limits::check(document, is_person).map_err(|problem| error::of_request(&problem))
}

/// The answer to one query. Its status tells what became of it to those alone who asked for the media type that says so
/// (GraphQL over HTTP, section 6.4).
fn one(executed: &Executed, headers: &HeaderMap) -> Response {
    let media_type = wanted(headers);
    let is_refused = media_type == MEDIA_TYPE && error::is_refused(executed);
    let status = if is_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    json(status, media_type, &error::body(executed))
}

fn wanted(headers: &HeaderMap) -> &'static str {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accepted.any(|types| types.contains(MEDIA_TYPE)) { MEDIA_TYPE } else { "application/json" }
}

fn json(status: StatusCode, media_type: &'static str, body: &impl serde::Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("an answer is plain data with string keys");
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response()
}
