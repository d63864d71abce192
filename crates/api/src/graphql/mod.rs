//! GraphQL: what the REST endpoints show and do, several of it in one request.
//!
//! A field that shows or changes something is an operation of REST by another way (`auth::permissions::FIELDS`): it
//! takes the same role or scope, stands in the audit log under the same name, and runs the same functions. Invariants:
//! what somebody does not see is answered as what does not exist; no accepted query takes more than
//! [`STATEMENTS_MAX`](limits::STATEMENTS_MAX) statements of the database, however many leads it shows; every error has
//! a code of [`Code`](crate::problem::Code). Deliberately absent: rules of its own, pages for people, persisted queries.

mod changed;
mod error;
mod event;
mod explanation;
mod http;
mod input;
mod lead;
pub(crate) mod limits;
mod loads;
mod market;
mod mutation;
mod operation;
mod query;
mod scalar;
mod score;
mod socket;
mod subscription;
#[cfg(test)]
mod tests;
mod waves;

use std::sync::Arc;

use axum::{middleware::from_fn_with_state, routing::post};

use self::{mutation::Mutation, query::Query, subscription::Live};
use crate::{
    Routes,
    auth::{bearer, permissions::Permissions},
    state::Api,
};

/// Where it is.
pub const PATH: &str = "/graphql";

/// The schema. Clones share it.
pub type Schema = async_graphql::Schema<Query, Mutation, Live>;

/// The schema, with the bounds on what a request may ask for.
pub fn schema() -> Schema {
    Schema::build(Query, Mutation, Live).limit_complexity(limits::COMPLEXITY_MAX).disable_suggestions().finish()
}

/// The schema as `docs/schema.graphql` has it.
#[must_use]
pub fn sdl() -> String {
    schema().sdl()
}

/// The address. Of queries and mutations a token is asked for as by REST; a socket says who it is in its first message.
pub fn routes(api: &Arc<Api>, permissions: Arc<Permissions>) -> Routes {
    let guard = from_fn_with_state((Arc::clone(api), permissions), bearer::require);
    Routes::new().route(PATH, post(http::answer).route_layer(guard).get(socket::open))
}
