//! Searching leads: filters, orders, pages.
//!
//! Invariant: a page has living leads that its asker sees, and a lead that comes in meanwhile moves none of them to
//! another page. The order of creation has an index, which is written once for each lead. The orders of score and of
//! calculation have none: `latest_scores` is written with every score, and an index over it whose entries lie scattered
//! costs every event a tenth of the throughput. A page of these reads all leads that the asker sees and that pass the
//! filters of their own columns: of 10,000 leads in the embedded database, about 50 ms. Deliberately absent: what lies sealed in states, such as the stage.

use leadscore_domain::{Approach, Grade, Identity, LeadId, Timestamp};
use uuid::Uuid;

use crate::{
    Assignment, Sight, Store, StoreError,
    db::{Pieces, Row},
    keyring::name_binding,
    leads::open_text,
    scores::{from_word, word},
};

/// Most leads of one page.
const PAGE_MAX: usize = 1_000;

/// Which leads are looked for; what is `None` or `false` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadFilter {
    /// Those of an agent.
    pub agent_id: Option<Uuid>,
    /// Those of a team that have no agent yet.
    pub team_id: Option<Uuid>,
    /// Those of nobody.
    pub unassigned: bool,
    /// The one that has this handle.
    pub identity: Option<Identity>,
    /// Those whose latest score is of this grade.
    pub grade: Option<Grade>,
    /// The least score, itself included.
    pub score_from: Option<u8>,
    /// The highest score, itself included.
    pub score_to: Option<u8>,
    /// Those created at this instant or later.
    pub created_from: Option<Timestamp>,
    /// Those created before this instant.
    pub created_to: Option<Timestamp>,
}

/// By what leads are ordered. Whoever has no score comes behind the lowest and the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadKey {
    /// The latest score.
    Score,
    /// When the lead was created.
    CreatedAt,
    /// When the latest score was calculated.
    CalculatedAt,
}

/// An order of leads; those that are equal by their key are ordered by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadOrder {
    /// By what.
    pub key: LeadKey,
    /// Whether the highest or latest comes first.
    pub descending: bool,
}

/// A lead's place in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadPlace {
    /// The score, or microseconds since 1970.
    pub key: i64,
    /// Which lead.
    pub id: LeadId,
}

/// A lead that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundLead {
    /// Which lead.
    pub id: LeadId,
    /// When its first event was received.
    pub created_at: Timestamp,
    /// Whose it is.
    pub assignment: Assignment,
    /// The person's name, where a source sent one and it was asked for.
    pub name: Option<String>,
    /// The latest score.
    pub score: Option<FoundScore>,
}

/// What a list shows of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundScore {
    /// Percentile of the probability in the model's reference population, 0 to 100.
    pub score: u8,
    /// Calibrated probability of conversion within 30 days, 0 to 1.
    pub probability: f64,
    /// Start of the next lawful hour in which the lead most likely answers.
    pub optimal_contact_time: Option<Timestamp>,
    /// What to do.
    pub recommended_approach: Approach,
    /// When it was calculated.
    pub calculated_at: Timestamp,
}

impl FoundLead {
    /// Its place in an order.
    #[must_use]
    pub fn place(&self, order: LeadOrder) -> LeadPlace {
        let key = match order.key {
            LeadKey::Score => self.score.map_or(UNSCORED, |score| i64::from(score.score)),
            LeadKey::CreatedAt => self.created_at.as_micros(),
            LeadKey::CalculatedAt => self.score.map_or(Timestamp::MIN, |score| score.calculated_at).as_micros(),
        };
        LeadPlace { key, id: self.id }
    }
}

/// Stands for the score of a lead that has none.
const UNSCORED: i64 = -1;

impl Store {
    /// A page of the leads that somebody sees: those behind `after`, up to `limit` (at most 1,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn search_leads(
        &self,
        sight: Sight,
        filter: &LeadFilter,
        order: LeadOrder,
        after: Option<LeadPlace>,
        (limit, names): (usize, bool),
    ) -> Result<Vec<FoundLead>, StoreError> {
        let mut sql = Pieces::new(
            "SELECT l.id, l.created_at, l.agent_id, l.team_id, l.data_key, l.name, s.score, s.probability, \
             s.optimal_contact_time, s.recommended_approach, s.calculated_at FROM leads l \
             LEFT JOIN latest_scores t ON t.lead_id = l.id \
             LEFT JOIN lead_scores s ON s.id = t.score_id AND s.calculated_at = t.calculated_at \
             WHERE l.merged_into IS NULL AND l.erased_at IS NULL",
        );
        seen_by(&mut sql, sight);
        let lookup = filter.identity.as_ref().map(|identity| self.keyring().lookup(identity));
        if let Some(lookup) = &lookup {
            sql.add_with("AND l.id = (SELECT lead_id FROM identities WHERE lookup = ?)", lookup);
        }
        restrict(&mut sql, filter);
        arrange(&mut sql, order, after);
        sql.add_with("LIMIT ?", i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX));
        let rows = sql.query().fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| self.found(row, names)).collect()
    }

    /// Columns as the query above names them.
    fn found(&self, row: &Row, names: bool) -> Result<FoundLead, StoreError> {
        let id = row.get(0)?;
        let sealed = if names { row.get::<Option<&[u8]>>(5)? } else { None };
        let name = match sealed {
            Some(sealed) => Some(open_text(&*self.keyring().unwrap(id, row.get(4)?)?, &name_binding(id), sealed, id)?),
            None => None,
        };
        let score = row.get::<Option<u8>>(6)?.map(|score| read_score(row, score)).transpose()?;
        Ok(FoundLead { id, created_at: row.get(1)?, assignment: Assignment::read(row, 2)?, name, score })
    }
}

fn read_score(row: &Row, score: u8) -> Result<FoundScore, StoreError> {
    Ok(FoundScore {
        score,
        probability: row.get(7)?,
        optimal_contact_time: row.get(8)?,
        recommended_approach: from_word(row.get(9)?).ok_or_else(|| StoreError::Corrupt("a score".to_owned()))?,
        calculated_at: row.get(10)?,
    })
}

/// Leaves out what somebody does not see of `leads l`: the same rule as [`Store::visible`]'s.
pub(crate) fn seen_by(sql: &mut Pieces<'_>, sight: Sight) {
    match sight {
        Sight::All => {}
        Sight::Own { user } => {
            sql.add_with("AND l.agent_id = ?", user);
        }
        // As a list of ids, so that the indexes of agents and teams find them.
        Sight::Team { team, user } => {
            sql.add_with(
                "AND l.id IN (SELECT id FROM leads WHERE agent_id IN (SELECT id FROM users WHERE team_id = ?",
                team,
            )
            .add_with("OR id = ?) UNION ALL", user)
            .add_with("SELECT id FROM leads WHERE team_id = ?)", team);
        }
    }
}

fn restrict(sql: &mut Pieces<'_>, filter: &LeadFilter) {
    let LeadFilter {
        agent_id,
        team_id,
        unassigned,
        identity: _,
        grade,
        score_from,
        score_to,
        created_from,
        created_to,
    } = filter;
    if let Some(agent) = *agent_id {
        sql.add_with("AND l.agent_id = ?", agent);
    }
    if let Some(team) = *team_id {
        sql.add_with("AND l.team_id = ?", team);
    }
    if *unassigned {
        sql.add("AND l.agent_id IS NULL AND l.team_id IS NULL");
    }
    if let Some(grade) = grade {
        sql.add_with("AND s.grade = ?", word(grade));
    }
    if let Some(least) = *score_from {
        sql.add_with("AND s.score >= ?", least);
    }
    if let Some(most) = *score_to {
        sql.add_with("AND s.score <= ?", most);
    }
    if let Some(from) = *created_from {
        sql.add_with("AND l.created_at >= ?", from);
    }
    if let Some(to) = *created_to {
        sql.add_with("AND l.created_at < ?", to);
    }
}

/// Puts the leads in order, and passes over those up to `after`.
fn arrange(sql: &mut Pieces<'_>, LeadOrder { key, descending }: LeadOrder, after: Option<LeadPlace>) {
    if let Some(LeadPlace { key: place, id }) = after {
        let at = Timestamp::from_micros(place).unwrap_or(Timestamp::MIN);
        sql.add("AND (");
        add_key(sql, key);
        sql.add(if descending { ", l.id) < (" } else { ", l.id) > (" });
        match key {
            LeadKey::Score => sql.add_with("?", place),
            LeadKey::CreatedAt | LeadKey::CalculatedAt => sql.add_with("?", at),
        };
        sql.add_with(", ?)", id);
    }
    sql.add("ORDER BY");
    add_key(sql, key);
    sql.add(if descending { "DESC, l.id DESC" } else { ", l.id" });
}

fn add_key(sql: &mut Pieces<'_>, key: LeadKey) {
    match key {
        LeadKey::Score => sql.add_with("COALESCE(s.score, ?)", UNSCORED),
        LeadKey::CreatedAt => sql.add("l.created_at"),
        LeadKey::CalculatedAt => sql.add_with("COALESCE(s.calculated_at, ?)", Timestamp::MIN),
    };
}
