//! `PUT /api/v1/leads/{lead_id}/assignment`: whose a lead is.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use leadscore_store::{Assigned, Assignment, Principal, Sight};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{bearer::Sender, sight::unknown_lead},
    json::Json,
    problem::{Code, Problem},
    rest::{LeadPath, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound];

/// An agent, or a team that has still to choose one; neither for nobody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignee {
    /// The agent.
    #[serde(default)]
    agent_id: Option<Uuid>,
    /// The team.
    #[serde(default)]
    team_id: Option<Uuid>,
}

impl Assignee {
    fn assignment(&self) -> Result<Assignment, Problem> {
        match (self.agent_id, self.team_id) {
            (None, None) => Ok(Assignment::Nobody),
            (Some(agent), None) => Ok(Assignment::Agent(agent)),
            (None, Some(team)) => Ok(Assignment::Team(team)),
            (Some(_), Some(_)) => Err(Problem::new(Code::InvalidField, "A lead is an agent's or a team's.")
                .field("team_id")
                .remedy("send either `agent_id` or `team_id`")),
        }
    }
}

/// Assign a lead
///
/// To an agent, to a team, or, with neither, to nobody. A manager assigns the team's leads within the team.
#[utoipa::path(
    put,
    path = "/api/v1/leads/{lead_id}/assignment",
    tag = "leads",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    request_body(content = Assignee, example = json!({"agent_id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"})),
    responses((status = 204, description = "It is theirs"))
)]
pub async fn assign_lead(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    Json(assignee): Json<Assignee>,
) -> Result<StatusCode, Problem> {
    let to = assignee.assignment()?;
    check_within_sight(&api, &principal, to).await?;
    match api.store.assign_lead(lead, to).await.map_err(unavailable)? {
        Assigned::Done => Ok(StatusCode::NO_CONTENT),
        Assigned::UnknownLead => Err(unknown_lead()),
        Assigned::UnknownAssignee => Err(unknown_assignee(to)),
    }
}

/// Checks that somebody who does not see all leads does not give one away to where they could not take it back from.
async fn check_within_sight(api: &Api, principal: &Principal, to: Assignment) -> Result<(), Problem> {
    let own_team = match principal.sight() {
        Sight::All => return Ok(()),
        Sight::Team { team, .. } => Some(team),
        Sight::Own { .. } => None,
    };
    let within = match to {
        Assignment::Agent(agent) if agent == principal.id => true,
        Assignment::Agent(agent) => {
            let agent = api.store.user(agent).await.map_err(unavailable)?;
            own_team.is_some() && agent.is_some_and(|agent| agent.team_id == own_team)
        }
        Assignment::Team(team) => own_team == Some(team),
        Assignment::Nobody => false,
    };
    if within { Ok(()) } else { Err(unknown_assignee(to)) }
}

fn unknown_assignee(to: Assignment) -> Problem {
    let (detail, field) = match to {
        Assignment::Nobody => ("You would not see the lead any more.", "agent_id"),
        Assignment::Agent(_) => ("No user has this id.", "agent_id"),
        Assignment::Team(_) => ("No team has this id.", "team_id"),
    };
    Problem::new(Code::InvalidField, detail).field(field).remedy("send the id of one of your agents, or of your team")
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use leadscore_store::Role;
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp};

    #[tokio::test]
    async fn a_lead_is_assigned_to_an_agent_a_team_or_nobody() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let team = app.team("North").await;
        let agent = app.user("agent@example.com", Role::Agent, Some(team)).await;
        let (shown, path) = (format!("/api/v1/leads/{lead}"), format!("/api/v1/leads/{lead}/assignment"));
        for (body, field) in [
            (json!({"agent_id": NOBODY}), "agent_id"),
            (json!({"team_id": NOBODY}), "team_id"),
            (json!({"agent_id": agent.id, "team_id": team}), "team_id"),
            (json!({"agent": agent.id}), "agent"),
        ] {
            assert_eq!(app.send_json(Method::PUT, &path, &body).await.json()["field"], field, "{body}");
        }
        for (body, expected) in [
            (json!({"agent_id": agent.id}), json!([agent.id, null])),
            (json!({"team_id": team}), json!([null, team])),
            (json!({}), json!([null, null])),
        ] {
            assert_eq!(app.send_json(Method::PUT, &path, &body).await.status, StatusCode::NO_CONTENT);
            let lead = app.get(&shown).await.json();
            assert_eq!(json!([lead["agent_id"], lead["team_id"]]), expected);
        }
        let unknown = format!("/api/v1/leads/{NOBODY}/assignment");
        assert_eq!(app.send_json(Method::PUT, &unknown, &json!({})).await.code(), "lead-not-found");
    }

    #[tokio::test]
    async fn a_manager_assigns_within_the_team_only() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let (north, south) = (app.team("North").await, app.team("South").await);
        let manager = app.user("manager@example.com", Role::Manager, Some(north)).await;
        let (near, far) = (
            app.user("near@example.com", Role::Agent, Some(north)).await,
            app.user("far@example.com", Role::Agent, Some(south)).await,
        );
        let path = format!("/api/v1/leads/{lead}/assignment");
        app.send_json(Method::PUT, &path, &json!({"team_id": north})).await;
        app.token = app.log_in(&manager).await;
        for (body, field) in [
            (json!({"agent_id": far.id}), json!("agent_id")),
            (json!({"team_id": south}), json!("team_id")),
            (json!({}), json!("agent_id")),
            (json!({"agent_id": near.id}), Value::Null),
            (json!({"agent_id": manager.id}), Value::Null),
            (json!({"team_id": north}), Value::Null),
        ] {
            let reply = app.send_json(Method::PUT, &path, &body).await;
            let said = if reply.body.is_empty() { Value::Null } else { reply.json()["field"].clone() };
            assert_eq!(said, field, "{body}");
        }
    }
}
