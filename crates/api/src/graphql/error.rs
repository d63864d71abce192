//! Problems as GraphQL tells of them: the members of the REST problem are the error's `extensions`.

use std::collections::BTreeMap;

use async_graphql::{Error, ErrorExtensionValues, ErrorExtensions as _, Name, Response, ServerError, Value};

use crate::problem::{Code, Problem};

/// What the library says of a query that costs too much: the one refusal of its own that has another code.
const TOO_COMPLEX: &str = "Query is too complex.";

/// The members of a problem; the detail is the error's message.
fn members(problem: &Problem) -> (String, BTreeMap<String, Value>) {
    let retry_after = problem.retry_after();
    let body = serde_json::to_value(problem.clone().into_body()).expect("a problem is plain data with string keys");
    let body = Value::from_json(body).expect("JSON is a value of GraphQL");
    let Value::Object(mut body) = body else { unreachable!("a problem is an object") };
    let detail = body.swap_remove("detail");
    let mut members: BTreeMap<String, Value> = body.into_iter().map(|(name, value)| (camel(&name), value)).collect();
    if let Some(Value::String(field)) = members.get_mut("field") {
        // Attributes have the names that their sender gave them.
        *field = match field.split_once("attributes.") {
            Some((before, name)) => format!("{}attributes.{name}", camel(before)),
            None => camel(field),
        };
    }
    if let Some(seconds) = retry_after {
        members.insert("retryAfterS".to_owned(), seconds.into());
    }
    match detail {
        Some(Value::String(detail)) => (detail, members),
        Some(_) | None => (String::new(), members),
    }
}

/// A name of REST's as GraphQL has it; a path keeps its dots and places.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// A problem as the error of a field.
pub fn of_field(problem: &Problem) -> Error {
    let (message, members) = members(problem);
    Error::new(message)
        .extend_with(|_, extensions| members.iter().for_each(|(name, value)| extensions.set(name, value.clone())))
}

/// A problem as the error of a whole request.
pub fn of_request(problem: &Problem) -> ServerError {
    let (message, members) = members(problem);
    let mut extensions = ErrorExtensionValues::default();
    members.into_iter().for_each(|(name, value)| extensions.set(name, value));
    let mut error = ServerError::new(message, None);
    error.extensions = Some(extensions);
    error
}

/// Gives each error that the library found its code.
pub fn with_codes(mut response: Response) -> Response {
    for error in &mut response.errors {
        if error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some()) {
            continue;
        }
        let code = if error.message == TOO_COMPLEX { Code::QueryTooComplex } else { Code::InvalidQuery };
        let coded = of_request(&Problem::new(code, std::mem::take(&mut error.message)));
        (error.message, error.extensions) = (coded.message, coded.extensions);
    }
    response
}

/// Whether nothing was executed.
pub fn is_refused(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The members of an answer.
pub fn body(response: &Response) -> Value {
    let mut body = async_graphql::indexmap::IndexMap::new();
    if !response.errors.is_empty() {
        let errors = async_graphql::to_value(&response.errors).expect("errors are plain data with string keys");
        body.insert(Name::new("errors"), errors);
    }
    // What was not executed has no data, not even none.
    if !is_refused(response) {
        body.insert(Name::new("data"), response.data.clone());
    }
    Value::Object(body)
}
