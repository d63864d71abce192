//! Whose a lead is: an agent's, a team's, or nobody's yet.
//!
//! Invariant: an absorbed lead is whose its survivor is, and a lead whose agent leaves goes to the agent's team.
//! Deliberately absent: who may hand leads out (the API's).

use std::collections::HashSet;

use leadscore_domain::LeadId;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    access::Sight,
    db::{After, Conn, Lane, Row, query, select_in},
};

/// Whose a lead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assignment {
    /// Nobody's: only those who see all leads see it.
    Nobody,
    /// An agent's.
    Agent(Uuid),
    /// A team's, which has still to choose an agent.
    Team(Uuid),
}

impl Assignment {
    /// The agent and the team, at most one of which there is.
    #[must_use]
    pub const fn ids(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Nobody => (None, None),
            Self::Agent(agent) => (Some(agent), None),
            Self::Team(team) => (None, Some(team)),
        }
    }

    /// From the columns `agent_id` and `team_id`, the first of which is `column`.
    pub(crate) fn read(row: &Row, column: usize) -> Result<Self, StoreError> {
        Ok(match (row.get(column)?, row.get(column + 1)?) {
            (Some(agent), _) => Self::Agent(agent),
            (None, Some(team)) => Self::Team(team),
            (None, None) => Self::Nobody,
        })
    }
}

/// What became of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assigned {
    /// It holds.
    Done,
    /// No such lead.
    UnknownLead,
    /// No such user or team.
    UnknownAssignee,
}

impl Store {
    /// Gives a lead, and those that it absorbed, to somebody.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn assign_lead(&self, lead: LeadId, to: Assignment) -> Result<Assigned, StoreError> {
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let known = match to {
                    Assignment::Nobody => true,
                    Assignment::Agent(id) => exists(conn, "SELECT 1 FROM users WHERE id = $1", id).await?,
                    Assignment::Team(id) => exists(conn, "SELECT 1 FROM teams WHERE id = $1", id).await?,
                };
                if !known {
                    return Ok(Assigned::UnknownAssignee);
                }
                let written = give(conn, lead, to).await?;
                Ok(if written > 0 { Assigned::Done } else { Assigned::UnknownLead })
            })
        })
        .await
    }

    /// Gives a lead to an agent, unless it is somebody's already; whether it is the agent's now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim_lead(&self, lead: LeadId, agent: Uuid) -> Result<bool, StoreError> {
        let sql = "UPDATE leads SET agent_id = $1 WHERE id = $2 AND erased_at IS NULL AND (agent_id = $1 \
                   OR (agent_id IS NULL AND team_id IS NULL))";
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move { Ok(query(sql).bind(agent).bind(lead).execute(conn).await? > 0) })
        })
        .await
    }

    /// Those of `ids` that somebody sees. Unknown and erased leads are seen by those only who see all.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn visible(&self, sight: Sight, ids: &[LeadId]) -> Result<HashSet<LeadId>, StoreError> {
        let (user, team) = match sight {
            Sight::All => return Ok(ids.iter().copied().collect()),
            Sight::Own { user } => (user, None),
            Sight::Team { team, user } => (user, Some(team)),
        };
        let mut reader = self.reader().await?;
        let mut agents = HashSet::from([user]);
        if let Some(team) = team {
            let members = query("SELECT id FROM users WHERE team_id = $1").bind(team).fetch_all(&mut reader).await?;
            for row in &members {
                agents.insert(row.get(0)?);
            }
        }
        let sql = "SELECT id, agent_id, team_id FROM leads WHERE id";
        let rows = select_in(&mut reader, sql, ids, "AND erased_at IS NULL").await?;
        let mut seen = HashSet::with_capacity(rows.len());
        for row in &rows {
            let sees = match Assignment::read(row, 1)? {
                Assignment::Nobody => false,
                Assignment::Agent(agent) => agents.contains(&agent),
                Assignment::Team(of) => Some(of) == team,
            };
            if sees {
                seen.insert(row.get(0)?);
            }
        }
        Ok(seen)
    }

    /// Up to `limit` of an agent's leads, neither absorbed nor erased, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn leads_of_agent(&self, agent: Uuid, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let rows = query(
            "SELECT id FROM leads WHERE agent_id = $1 AND merged_into IS NULL AND erased_at IS NULL \
             ORDER BY id DESC LIMIT $2",
        )
        .bind(agent)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Gives a living lead, and those that it absorbed, to somebody; the number of rows.
async fn give(conn: &mut Conn, lead: LeadId, to: Assignment) -> Result<u64, StoreError> {
    let (agent, team) = to.ids();
    query(
        "UPDATE leads SET agent_id = $1, team_id = $2 WHERE erased_at IS NULL AND (id = $3 OR merged_into = $3 \
         OR id = (SELECT merged_into FROM leads WHERE id = $3) \
         OR merged_into = (SELECT merged_into FROM leads WHERE id = $3))",
    )
    .bind(agent)
    .bind(team)
    .bind(lead)
    .execute(conn)
    .await
}

/// After a merge: the survivor's assignment, or else the absorbed lead's, holds for the whole family.
pub(crate) async fn merge(conn: &mut Conn, absorbed: LeadId, survivor: LeadId) -> Result<(), StoreError> {
    let sql = "SELECT agent_id, team_id FROM leads WHERE id IN ($1, $2) \
               AND (agent_id IS NOT NULL OR team_id IS NOT NULL) ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1";
    let Some(row) = query(sql).bind(survivor).bind(absorbed).fetch_optional(conn).await? else { return Ok(()) };
    give(conn, survivor, Assignment::read(&row, 0)?).await?;
    Ok(())
}

/// Leaves the leads of a user who goes to the user's team.
pub(crate) async fn hand_over(conn: &mut Conn, user: Uuid) -> Result<(), StoreError> {
    query("UPDATE leads SET team_id = (SELECT team_id FROM users WHERE id = $1), agent_id = NULL WHERE agent_id = $1")
        .bind(user)
        .execute(conn)
        .await?;
    Ok(())
}

async fn exists(conn: &mut Conn, sql: &'static str, id: Uuid) -> Result<bool, StoreError> {
    Ok(query(sql).bind(id).fetch_optional(conn).await?.is_some())
}
