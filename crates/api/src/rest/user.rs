//! What the endpoints of users share: the shape of a user, its id in the address, and why one was not written.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use leadscore_domain::Timestamp;
use leadscore_store::{Role, Unwritten};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    schema,
    state::Api,
};

/// Somebody who can log in.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Id.
    id: Uuid,
    /// Address, with which they log in.
    email: String,
    /// Name, where it is known.
    #[schema(required)]
    name: Option<String>,
    /// What they may do.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// Their team.
    #[schema(required)]
    team_id: Option<Uuid>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<leadscore_store::User> for User {
    fn from(user: leadscore_store::User) -> Self {
        let leadscore_store::User { id, email, name, role, team_id, created_at } = user;
        Self { id, email, name, role, team_id, created_at }
    }
}

/// What is said of an id that no user has.
pub fn unknown() -> Problem {
    Problem::new(Code::UserNotFound, "No user has this id.")
}

/// Why a user was not written.
pub fn unwritten(why: Unwritten) -> Problem {
    match why {
        Unwritten::Unknown => unknown(),
        Unwritten::Taken => Problem::new(Code::AlreadyExists, "A user has this address.").field("email"),
        Unwritten::UnknownTeam => Problem::new(Code::InvalidField, "No team has this id.")
            .field("team_id")
            .remedy("use an id from GET /api/v1/teams"),
        Unwritten::LastAdmin => Problem::new(Code::LastAdmin, "This user is the only administrator."),
    }
}

/// The user that the path names.
pub struct UserPath(pub Uuid);

impl FromRequestParts<Arc<Api>> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no id names no user.
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| unknown())?;
        text.parse().map(Self).map_err(|_| unknown())
    }
}
