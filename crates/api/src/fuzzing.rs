//! Doors for the fuzz targets into what is private otherwise; built with the feature `fuzzing` only.

use std::net::{IpAddr, SocketAddr};

use axum::{
    body::Bytes,
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, Uri},
};
use leadscore_domain::{EventEnvelope, Timestamp};
use serde_json::Value;

pub use crate::auth::{jwt::fuzzing::token, provider::fuzzing::provider};
use crate::{
    Encrypted, Proxies,
    client::Origin,
    coding::Coding,
    graphql, json,
    problem::{Code, Problem},
    query::Parameters,
    socket::{Version, origin, protocol::ClientMessage},
};

/// Reads a body as one JSON value, and as an event.
///
/// # Errors
/// What is wrong with it as a value.
pub fn json(bytes: &[u8]) -> Result<Value, Problem> {
    let event = json::parse::<EventEnvelope>(bytes);
    let value = json::parse::<Value>(bytes);
    assert!(event.is_err() || value.is_ok(), "an event that is no JSON");
    value
}

/// Unpacks a body as its headers say.
///
/// # Errors
/// What is wrong with it.
///
/// # Panics
/// Where it is longer than it may be.
pub fn body(headers: &HeaderMap, bytes: Bytes, max_bytes: usize) -> Result<Bytes, Problem> {
    let text = Coding::of(headers)?.decode(bytes, max_bytes)?;
    assert!(text.len() <= max_bytes || Coding::of(headers)? == Coding::Identity, "a body above its bound");
    Ok(text)
}

/// Reads parameters of every kind from a query.
///
/// # Errors
/// The first that is wrong.
pub fn query(address: &Uri) -> Result<(), Problem> {
    let mut parameters = Parameters::of(address)?;
    let taken = [
        parameters.take::<u64>("number", "").map(drop),
        parameters.take::<Timestamp>("instant", "").map(drop),
        parameters.take::<bool>("flag", "").map(drop),
        parameters.take::<Version>("version", "").map(drop),
        parameters.take_all::<String>("word", "").map(drop),
        parameters.limit(10, 100).map(drop),
    ];
    taken.into_iter().collect::<Result<(), Problem>>()?;
    parameters.end()
}

/// Where a request from this peer comes from, and whether it came by TLS.
#[must_use]
pub fn client(proxies: &Proxies, peer: SocketAddr, headers: &HeaderMap) -> (Option<IpAddr>, bool) {
    let mut extensions = Extensions::new();
    extensions.insert(ConnectInfo(peer));
    extensions.insert(Encrypted(false));
    let Origin { address, encrypted } = proxies.origin(&extensions, headers);
    (address.ip(), encrypted)
}

/// Whether a page may open a socket.
#[must_use]
pub fn origin(headers: &HeaderMap, allowed: &[String]) -> bool {
    origin::is_allowed(headers, allowed)
}

/// Reads a message of a live connection.
///
/// # Errors
/// What is wrong with it.
pub fn message(bytes: &[u8]) -> Result<(), Problem> {
    json::parse::<ClientMessage>(bytes).map(drop)
}

/// Reads a query and counts what it asks for, as it is done before anything is executed.
///
/// # Errors
/// What is wrong with it.
pub fn query_of_graphql(text: &str) -> Result<(), Problem> {
    graphql::limits::check_text(text)?;
    match async_graphql::parser::parse_query(text) {
        Ok(document) => graphql::limits::check(&document, true),
        Err(error) => Err(Problem::new(Code::InvalidQuery, error.to_string())),
    }
}

/// Checks what holds for every problem: it is short, and names a code that is documented.
///
/// # Panics
/// Where it does not hold.
pub fn check(problem: Problem) {
    assert!(Code::ALL.contains(&problem.code()), "a code that is not documented");
    let text = serde_json::to_vec(&problem.into_body()).expect("plain data with string keys");
    assert!(text.len() < 16 * 1024, "a problem of {} bytes", text.len());
}
