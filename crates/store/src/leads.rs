//! Leads as people: name, handles, merges, erasure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use leadscore_domain::{Identity, IdentityKind, LeadId, Timestamp};
use uuid::Uuid;

use crate::{
    Assignment, Sight, Store, StoreError,
    db::{After, Conn, Lane, Pieces, Row, query, select_in},
    dead,
    keyring::{DataKey, Keyring, hex, name_binding},
    search::seen_by,
    untold,
};

/// Most leads of one page.
const PAGE_MAX: usize = 100_000;

/// What is known of a lead's person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadRecord {
    /// Which lead.
    pub id: LeadId,
    /// When its first event was received.
    pub created_at: Timestamp,
    /// The person's name, where a source sent one.
    pub name: Option<String>,
    /// Handles by which it is recognised, in order; empty for an absorbed lead, whose handles moved.
    pub identities: Vec<Identity>,
    /// The lead that absorbed this one; never itself absorbed.
    pub merged_into: Option<LeadId>,
    /// Whose it is.
    pub assignment: Assignment,
}

/// What is shown of a lead wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadHead {
    /// Which lead; never one that was absorbed.
    pub id: LeadId,
    /// When its first event was received.
    pub created_at: Timestamp,
    /// The person's name, where a source sent one and it was asked for.
    pub name: Option<String>,
    /// Whose it is.
    pub assignment: Assignment,
}

/// What an erasure destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The lead and those that it had absorbed.
    pub leads: Vec<LeadId>,
    /// Events that can never be read again.
    pub events: u64,
    /// The same and everything else that went, by what it is.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Store {
    /// What stands for a lead outside of the store: 128 bits of a keyed hash of its id, in hexadecimal digits. The
    /// same lead always has the same, and nobody without the master key can tell whose it is.
    #[must_use]
    pub fn pseudonym(&self, lead: LeadId) -> String {
        hex(&self.keyring().pseudonym(lead)[..16])
    }

    /// A lead by its id; `None` where it is unknown or was erased.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lead(&self, id: LeadId) -> Result<Option<LeadRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT created_at, data_key, name, merged_into, agent_id, team_id FROM leads \
                   WHERE id = $1 AND data_key IS NOT NULL";
        let row = query(sql).bind(id).fetch_optional(&mut reader).await?;
        let Some(row) = row else { return Ok(None) };
        let key = self.keyring().unwrap(id, row.get(1)?)?;
        let name = row.get::<Option<&[u8]>>(2)?;
        let name = name.map(|sealed| open_text(&key, &name_binding(id), sealed, id)).transpose()?;
        let rows = query("SELECT lookup, kind, value FROM identities WHERE lead_id = $1")
            .bind(id)
            .fetch_all(&mut reader)
            .await?;
        let mut identities = Vec::with_capacity(rows.len());
        for row in &rows {
            let value = open_text(&key, row.get(0)?, row.get(2)?, id)?;
            identities.push(Identity::from_stored(identity_kind(row.get(1)?)?, value));
        }
        identities.sort_unstable();
        let assignment = Assignment::read(&row, 4)?;
        Ok(Some(LeadRecord { id, created_at: row.get(0)?, name, identities, merged_into: row.get(3)?, assignment }))
    }

    /// Of `ids`, those that exist and that somebody sees, each with the lead that it belongs to now; with names, where
    /// these are asked for.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn seen_leads(
        &self,
        sight: Sight,
        ids: &[LeadId],
        names: bool,
    ) -> Result<HashMap<LeadId, LeadHead>, StoreError> {
        let Some(last) = ids.last() else { return Ok(HashMap::new()) };
        let mut sql = Pieces::new(
            "SELECT a.id, l.id, l.created_at, l.data_key, l.name, l.agent_id, l.team_id \
             FROM leads a JOIN leads l ON l.id = COALESCE(a.merged_into, a.id) \
             WHERE a.data_key IS NOT NULL AND l.data_key IS NOT NULL AND a.id IN (",
        );
        // In sizes of powers of two, so that few statements serve any number; the last one fills the list up.
        for place in 0..ids.len().next_power_of_two() {
            sql.add_with(if place == 0 { "?" } else { ", ?" }, *ids.get(place).unwrap_or(last));
        }
        sql.add(")");
        seen_by(&mut sql, sight);
        let rows = sql.query().fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| Ok((row.get(0)?, self.read_head(row, names)?))).collect()
    }

    /// Columns as the query above names them.
    fn read_head(&self, row: &Row, names: bool) -> Result<LeadHead, StoreError> {
        let id = row.get(1)?;
        let sealed = if names { row.get::<Option<&[u8]>>(4)? } else { None };
        let name = match sealed {
            Some(sealed) => Some(open_text(&*self.keyring().unwrap(id, row.get(3)?)?, &name_binding(id), sealed, id)?),
            None => None,
        };
        Ok(LeadHead { id, created_at: row.get(2)?, name, assignment: Assignment::read(row, 5)? })
    }

    /// The handles of many leads, of each in order; leads without any are left out.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn handles(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, Vec<Identity>>, StoreError> {
        let sql = "SELECT i.lead_id, i.lookup, i.kind, i.value, l.data_key FROM identities i \
                   JOIN leads l ON l.id = i.lead_id WHERE l.data_key IS NOT NULL AND i.lead_id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        let mut found: HashMap<LeadId, Vec<Identity>> = HashMap::new();
        for row in &rows {
            let id = row.get(0)?;
            let key = self.keyring().unwrap(id, row.get(4)?)?;
            let value = open_text(&key, row.get(1)?, row.get(3)?, id)?;
            found.entry(id).or_default().push(Identity::from_stored(identity_kind(row.get(2)?)?, value));
        }
        found.values_mut().for_each(|handles| handles.sort_unstable());
        Ok(found)
    }

    /// The lead that has this handle.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn find(&self, identity: &Identity) -> Result<Option<LeadId>, StoreError> {
        let row = query("SELECT lead_id FROM identities WHERE lookup = $1")
            .bind(self.keyring().lookup(identity).as_slice())
            .fetch_optional(&mut self.reader().await?)
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Of `ids`, those that were absorbed, each with the lead that it belongs to now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn absorbed(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, LeadId>, StoreError> {
        let sql = "SELECT id, merged_into FROM leads WHERE id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "AND merged_into IS NOT NULL").await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Those of `ids` that exist: neither unknown nor erased.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn existing(&self, ids: &[LeadId]) -> Result<HashSet<LeadId>, StoreError> {
        let sql = "SELECT id FROM leads WHERE data_key IS NOT NULL AND id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Up to `limit` (at most 100,000) living leads, neither absorbed nor erased, in the order of their ids, after
    /// `after`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn leads_page(&self, after: Option<LeadId>, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let rows = query(
            "SELECT id FROM leads WHERE id > $1 AND merged_into IS NULL AND erased_at IS NULL ORDER BY id LIMIT $2",
        )
        .bind(after.unwrap_or(LeadId(Uuid::nil())))
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Destroys a lead's key, handles, state, scores and features, and those of the leads that were merged with it. Its events
    /// stay in the log, for ever unreadable and without figures. `None` where the lead is unknown or was erased before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn erase_lead(&self, id: LeadId) -> Result<Option<Erased>, StoreError> {
        let now = self.now();
        let keyring = Arc::clone(self.keyring());
        let (partitions, tells) = (self.partitions(), self.kafka().is_some());
        self.write(Lane::Intake, 1, After::Scrub, move |conn| {
            Box::pin(async move { erase_family(conn, &keyring, id, now, tells.then_some(partitions)).await })
        })
        .await
    }

    /// Takes a handle from a lead that it does not belong to; whether the lead had it. Whoever sends it next is another
    /// lead.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remove_identity(&self, lead: LeadId, identity: &Identity) -> Result<bool, StoreError> {
        let lookup = self.keyring().lookup(identity);
        // In the lane of the appends, which go by the handles that they have read.
        self.write(Lane::Intake, 1, After::Scrub, move |conn| {
            Box::pin(async move {
                let sql = "DELETE FROM identities WHERE lookup = $1 AND lead_id = $2";
                Ok(query(sql).bind(lookup.as_slice()).bind(lead).execute(conn).await? == 1)
            })
        })
        .await
    }
}

/// Erases a lead and those that are one with it; where other systems are told of scores, these partitions' are told.
pub(crate) async fn erase_family(
    conn: &mut Conn,
    keyring: &Keyring,
    id: LeadId,
    now: Timestamp,
    telling: Option<u16>,
) -> Result<Option<Erased>, StoreError> {
    let leads = family(conn, id).await?;
    let mut counts = BTreeMap::new();
    for lead in &leads {
        erase(conn, *lead, now, &mut counts).await?;
        keyring.forget(*lead);
    }
    if let Some(partitions) = telling {
        untold::list(conn, partitions, &leads).await?;
    }
    let events = counts.get("events").copied().unwrap_or_default();
    Ok((!leads.is_empty()).then_some(Erased { leads, events, counts }))
}

/// The survivor of a lead and everybody whom it absorbed: they are one person. Empty where erased or unknown.
pub(crate) async fn family(conn: &mut Conn, id: LeadId) -> Result<Vec<LeadId>, StoreError> {
    let rows = query(
        "WITH survivor AS (SELECT COALESCE(merged_into, id) AS id FROM leads WHERE id = $1) \
         SELECT l.id FROM leads l JOIN survivor s ON l.id = s.id OR l.merged_into = s.id \
         WHERE l.erased_at IS NULL ORDER BY l.id",
    )
    .bind(id)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.get(0)).collect()
}

async fn erase(
    conn: &mut Conn,
    id: LeadId,
    now: Timestamp,
    counts: &mut BTreeMap<&'static str, u64>,
) -> Result<(), StoreError> {
    // First, because a scorer that commits for the lead holds its row: afterwards all of that is there to be removed.
    query(
        "UPDATE leads SET data_key = NULL, name = NULL, name_at = NULL, name_event = NULL, agent_id = NULL, \
         team_id = NULL, erased_at = $1 WHERE id = $2",
    )
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    let mut count = |what, rows: u64| *counts.entry(what).or_default() += rows;
    count("leads", 1);
    count("dead_letters", dead::erase(conn, id).await?);
    // The embedded database has no index of them by lead; none outlives its score.
    let features = if conn.is_server() {
        "DELETE FROM lead_features WHERE lead_id = $1"
    } else {
        "DELETE FROM lead_features WHERE id IN (SELECT id FROM lead_scores WHERE lead_id = $1)"
    };
    let latest = "DELETE FROM latest_scores WHERE lead_id = $1";
    query(latest).bind(id).execute(conn).await?;
    for (what, sql) in [
        ("identities", "DELETE FROM identities WHERE lead_id = $1"),
        ("states", "DELETE FROM lead_states WHERE lead_id = $1"),
        ("webhook_messages", "DELETE FROM webhook_messages WHERE lead_id = $1"),
        ("features", features),
        ("scores", "DELETE FROM lead_scores WHERE lead_id = $1"),
        ("overrides", "DELETE FROM score_overrides WHERE lead_id = $1"),
        (
            "export_parts",
            "DELETE FROM privacy_exports WHERE request_id IN (SELECT id FROM privacy_requests WHERE lead_id = $1)",
        ),
        (
            "request_texts",
            "UPDATE privacy_requests SET note = NULL, extension_reason = NULL, decision = NULL WHERE lead_id = $1 \
             AND (note IS NOT NULL OR extension_reason IS NOT NULL OR decision IS NOT NULL)",
        ),
        (
            "events",
            "UPDATE lead_interactions SET sentiment_score = NULL, engagement_duration = NULL WHERE lead_id = $1",
        ),
    ] {
        count(what, query(sql).bind(id).execute(conn).await?);
    }
    Ok(())
}

pub(crate) fn open_text(key: &DataKey, binding: &[u8], sealed: &[u8], id: LeadId) -> Result<String, StoreError> {
    String::from_utf8(open_bytes(key, binding, sealed, id)?).map_err(|_| unopened(id))
}

pub(crate) fn open_bytes(key: &DataKey, binding: &[u8], sealed: &[u8], id: LeadId) -> Result<Vec<u8>, StoreError> {
    key.open(binding, sealed).ok_or_else(|| unopened(id))
}

fn unopened(id: LeadId) -> StoreError {
    StoreError::Corrupt(format!("a sealed value of lead {id}"))
}

fn identity_kind(word: &str) -> Result<IdentityKind, StoreError> {
    [IdentityKind::Phone, IdentityKind::Email, IdentityKind::Crm, IdentityKind::Web]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| StoreError::Corrupt("the kind of a handle".to_owned()))
}
