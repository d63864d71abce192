//! Scalars beyond GraphQL's own, ids, and how many entries a page has.

use std::str::FromStr;

use async_graphql::{ID, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use leadscore_domain::{LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::{Code, Problem};

/// An instant as RFC 3339 writes it, such as `2026-03-01T10:30:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DateTime(pub Timestamp);

#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
/// An instant as RFC 3339 writes it, such as `2026-03-01T10:30:00Z`.
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let refuse = |_| InputValueError::custom("send an instant as RFC 3339, such as 2026-03-01T10:30:00Z");
        text.parse().map(Self).map_err(refuse)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// The id of a lead.
///
/// # Errors
/// [`Code::InvalidLeadId`].
pub fn lead_id(id: &ID) -> Result<LeadId, Problem> {
    id.parse().map_err(|_| Problem::new(Code::InvalidLeadId, "The lead id is not a UUID."))
}

/// The id of a user or team; `field` is the argument.
///
/// # Errors
/// [`Code::InvalidField`].
pub fn uuid(id: &ID, field: &'static str) -> Result<Uuid, Problem> {
    id.parse()
        .map_err(|_| Problem::new(Code::InvalidField, "is no id").field(field).remedy("send an id of the server's"))
}

/// Where a page begins: `after`.
///
/// # Errors
/// [`Code::InvalidField`].
pub fn cursor<C: FromStr>(after: Option<&str>) -> Result<Option<C>, Problem> {
    after.map(str::parse).transpose().map_err(|_| no_cursor())
}

/// What is said of an `after` that no page answered with.
pub fn no_cursor() -> Problem {
    Problem::new(Code::InvalidField, "is no cursor of this list")
        .field("after")
        .remedy("send `next` of the page before as it was, with the same order")
}

/// How many entries a page shall have: `first`, from 1 to `most`.
///
/// # Errors
/// [`Code::InvalidField`].
pub fn first(asked: Option<i32>, usual: usize, most: usize) -> Result<usize, Problem> {
    let Some(asked) = asked else { return Ok(usual) };
    usize::try_from(asked).ok().filter(|first| (1..=most).contains(first)).ok_or_else(|| {
        Problem::new(Code::InvalidField, "is out of range").field("first").remedy(format!("send 1 to {most}"))
    })
}

/// What a list costs: its entries, each with all that is asked of it.
pub fn each(first: Option<i32>, usual: usize, of_one: usize) -> usize {
    let entries = first.map_or(usual, |first| usize::try_from(first).unwrap_or(1).max(1));
    entries.saturating_mul(of_one.max(1))
}
