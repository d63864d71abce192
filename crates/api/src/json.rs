//! Reading bodies: media type, coding, size, time, JSON, and errors that name the field.
//!
//! Invariant: whatever is sent ends in a value or in a [`Problem`]. Deliberately absent: what the values mean.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    body::Bytes,
    extract::{
        FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{HeaderMap, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed},
};
use serde_json::error::Category;

use crate::{
    coding::{self, Coding},
    problem::{Code, Problem},
    state::Api,
};

/// The bytes of a JSON body, not parsed yet.
pub struct JsonBytes(pub Bytes);

/// A body read as `T`.
pub struct Json<T>(pub T);

impl FromRequest<Arc<Api>> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        Self::read(request, api, api.limits.body_max_bytes).await
    }
}

impl JsonBytes {
    /// The bytes of a body that may be so long at most after it was decompressed; who bounds it more than all bodies are
    /// bounds what arrives, too.
    ///
    /// # Errors
    /// Where it is longer, does not arrive, or is announced as something else.
    pub async fn read(request: Request, api: &Arc<Api>, body_max_bytes: usize) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let coding = Coding::of(request.headers())?;
        let bytes = arrive(request, api, body_max_bytes).await?;
        coding.decode(bytes, body_max_bytes).map(Self)
    }
}

/// The body as it was sent, byte for byte, whatever it is.
///
/// # Errors
/// Where it is too long, or does not arrive.
pub async fn raw_body(request: Request, api: &Arc<Api>) -> Result<Bytes, Problem> {
    arrive(request, api, api.limits.body_max_bytes).await
}

async fn arrive(request: Request, api: &Arc<Api>, body_max_bytes: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(api.limits.body_timeout, Bytes::from_request(request, api)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))) => {
            Err(coding::too_large(body_max_bytes))
        }
        Ok(Err(_)) => Err(Problem::new(Code::UnreadableBody, "The body broke off.")),
        Err(_) => Err(Problem::new(Code::BodyTimeout, "The body was not complete in time.")),
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, api).await?;
        // All of these are objects; serde would take a list of their members, too.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Problem::new(Code::InvalidField, "The body is a list.").remedy("send an object"));
        }
        parse(&bytes).map(Self)
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(Problem::new(Code::UnsupportedMediaType, "The body is not announced as JSON."));
    }
    Ok(())
}

/// For a field that may be left out, but be `null` only where `T` is optional itself: with `#[serde(default)]`.
///
/// # Errors
/// Where the value is of another type.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Reads `bytes` as one JSON value.
///
/// # Errors
/// [`Code::MalformedJson`] with line and column where the text is no JSON; [`Code::InvalidField`] with the path of
/// the field where it is JSON of another shape.
pub fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Problem> {
    parse_as(PhantomData, bytes)
}

/// As [`parse`], for a shape that is known only now.
///
/// # Errors
/// As [`parse`].
pub fn parse_as<'de, S: DeserializeSeed<'de>>(shape: S, bytes: &'de [u8]) -> Result<S::Value, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let value = shape
        .deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track))
        .map_err(|error| to_problem(&track.path().to_string(), &error))?;
    json.end().map_err(|error| to_problem(".", &error))?;
    Ok(value)
}

fn to_problem(path: &str, error: &serde_json::Error) -> Problem {
    let full = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let message = full.strip_suffix(&suffix).unwrap_or(&full);
    let problem = match error.classify() {
        Category::Data => Problem::new(Code::InvalidField, explain(message)),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::new(Code::MalformedJson, message.to_owned()).at(error.line(), error.column())
        }
    };
    match field_path(path, message) {
        Some(field) => problem.field(field),
        None => problem,
    }
}

/// serde names the parent of a missing or doubled field; the sender wants the field itself.
fn field_path(path: &str, message: &str) -> Option<String> {
    let parent = (path != ".").then_some(path);
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match (parent, named) {
        (Some(path), Some(name)) if path.rsplit('.').next() == Some(name) => Some(path.to_owned()),
        (Some(parent), Some(name)) => Some(format!("{parent}.{name}")),
        (Some(path), None) => Some(path.to_owned()),
        (None, Some(name)) => Some(name.to_owned()),
        (None, None) => None,
    }
}

/// What serde says, without the value that was sent: it may be personal data.
fn explain(message: &str) -> String {
    let quotes_value = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if quotes_value => format!("is not {expected}"),
        Some(_) | None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use leadscore_domain::EventEnvelope;

    use super::*;

    fn refusal(text: &str) -> Problem {
        parse::<EventEnvelope>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn text_that_is_no_json_is_located() {
        for text in ["", "{", "[1,", "{\"source\": NaN}", "\u{feff}{}", "{\"source\":\"a\u{0}\"}", "{} {}", "nul"] {
            let problem = parse::<serde_json::Value>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), Code::MalformedJson, "{text}");
        }
        let body = refusal("{\n  \"source\": NaN}").into_body();
        let json = serde_json::to_value(body).unwrap();
        assert_eq!((&json["line"], &json["field"]), (&2.into(), &"source".into()));
    }

    #[test]
    fn fields_are_named_by_their_path_and_values_are_not_repeated() {
        for (text, field, detail) in [
            (r#"{"colour":1}"#, "colour", "unknown field `colour`"),
            (r#"{"source":"a"}"#, "type", "missing field `type`"),
            (r#"{"source":5}"#, "source", "is not a string"),
            (r#"{"lead":{"identities":[{"kind":"email","value":3}]}}"#, "lead.identities[0].value", "is not a string"),
            (
                r#"{"type":"crm_updated","data":{"attributes":{"budget":1,"budget":2}}}"#,
                "data.attributes.budget",
                "duplicate field",
            ),
            (r#"{"source":"a","source":"b"}"#, "source", "duplicate field"),
            (r#"{"lead":{"identities":[{"kind":"email"}]}}"#, "lead.identities[0].value", "missing field"),
            (r#"{"type":"email","data":{"action":"opened","x":1}}"#, "data.x", "unknown field"),
            (r#"{"type":"email","data":{"action":"eaten"}}"#, "data.action", "unknown variant"),
        ] {
            let problem = refusal(text);
            assert_eq!(problem.named_field(), Some(field), "{text}");
            let json = serde_json::to_value(problem.into_body()).unwrap();
            let said = json["detail"].as_str().unwrap();
            assert!(said.starts_with(detail), "{text}: {said}");
        }
        let problem = refusal(r#"{"lead":"ann@example.com, expected"}"#);
        assert!(!format!("{problem:?}").contains("ann"), "{problem:?}");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(parse::<serde_json::Value>(deep.as_bytes()).is_err());
        let text = format!(r#"{{"type":"crm_updated","data":{{"attributes":{{"a":{deep}}}}}}}"#);
        assert!(parse::<EventEnvelope>(text.as_bytes()).is_err());
    }
}
