//! What the endpoints of teams share: the shape of a team, its id in the address, and why one was not written.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use leadscore_domain::Timestamp;
use leadscore_store::Unwritten;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    state::Api,
};

/// People who work together under a manager.
#[derive(Debug, Serialize, ToSchema)]
pub struct Team {
    /// Id.
    id: Uuid,
    /// Name; no two teams have the same.
    name: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<leadscore_store::Team> for Team {
    fn from(team: leadscore_store::Team) -> Self {
        let leadscore_store::Team { id, name, created_at } = team;
        Self { id, name, created_at }
    }
}

/// A team's name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamName {
    /// Name; no two teams have the same.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
}

/// What is said of an id that no team has.
pub fn unknown() -> Problem {
    Problem::new(Code::TeamNotFound, "No team has this id.")
}

/// Why a team was not written.
pub fn unwritten(why: Unwritten) -> Problem {
    match why {
        Unwritten::Taken => Problem::new(Code::AlreadyExists, "A team has this name.").field("name"),
        Unwritten::Unknown | Unwritten::UnknownTeam | Unwritten::LastAdmin => unknown(),
    }
}

/// The team that the path names.
pub struct TeamPath(pub Uuid);

impl FromRequestParts<Arc<Api>> for TeamPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no id names no team.
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| unknown())?;
        text.parse().map(Self).map_err(|_| unknown())
    }
}
