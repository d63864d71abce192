//! What readers of the log derive: the states that they keep, and what they hand in to be committed.

use std::{collections::HashMap, sync::Arc};

use leadscore_domain::{EventId, LeadId, Score};
use rayon::prelude::*;

use crate::{
    Store, StoreError,
    db::{Conn, Row, query, select_in},
    dead::Undelivered,
    keyring::Keyring,
    log::rows::EventRow,
};

/// From this many states on they are opened on all threads and off the asynchronous ones.
const PARALLEL_MIN_ROWS: usize = 64;

/// A lead's state as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// As the committer handed it in.
    pub bytes: Vec<u8>,
    /// Position of the lead's partition that the state includes.
    pub log_position: i64,
}

/// What a reader derived from the records `(from, to]` of a partition.
#[derive(Debug, Clone, Default)]
pub struct Derived {
    /// The group of readers that share the work.
    pub group: String,
    /// Partition of the log.
    pub partition: u16,
    /// Position that the group stood at; it must still stand there.
    pub from: i64,
    /// Position that the group stands at afterwards; the same where only scores are renewed.
    pub to: i64,
    /// Position up to which everybody was told of the scores of earlier commits, those of `untold` excepted.
    pub announced: i64,
    /// Leads of whose scores Kafka has still to be told, this commit's or earlier ones'.
    pub untold: Vec<LeadId>,
    /// New states of leads.
    pub states: Vec<(LeadId, Vec<u8>)>,
    /// New scores of leads.
    pub scores: Vec<Score>,
    /// What the new scores were calculated from, at most once for a lead: it belongs to the lead's latest among them.
    pub features: Vec<(LeadId, Vec<u8>)>,
    /// Leads that must not have a score now.
    pub withheld: Vec<LeadId>,
    /// Events that could not be applied.
    pub dead: Vec<DeadLetter>,
    /// Records of the topic that could not be applied, and are nowhere else in the database.
    pub undelivered: Vec<Undelivered>,
    /// What the log in the database does not have yet, as [`Batch`] brought it.
    pub log: LogRows,
}

impl Derived {
    /// About how many rows it writes.
    pub(crate) fn rows(&self) -> usize {
        let Self { states, scores, features, withheld, dead, undelivered, untold, log, .. } = self;
        let derived = states.len() + 2 * scores.len() + features.len() + withheld.len() + untold.len();
        1 + 2 * log.0.len() + derived + dead.len() + undelivered.len()
    }
}

/// Rows for the log in the database, as a reader brought them.
#[derive(Debug, Clone, Default)]
pub struct LogRows(pub(crate) Vec<EventRow>);

impl LogRows {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An event that could not be applied. It stays in the log and can be replayed from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Position in the partition.
    pub position: i64,
    /// The event.
    pub event_id: EventId,
    /// Its lead.
    pub lead_id: LeadId,
    /// Why; never personal data.
    pub reason: String,
}

impl Store {
    /// States of those of `ids` that have one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a state is damaged; where the database fails.
    pub async fn states(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, StoredState>, StoreError> {
        let sql = "SELECT s.lead_id, s.state, s.log_position, l.data_key FROM lead_states s \
                     JOIN leads l ON l.id = s.lead_id WHERE l.data_key IS NOT NULL AND s.lead_id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        if rows.len() < PARALLEL_MIN_ROWS {
            return rows.iter().map(|row| open_state(self.keyring(), row)).collect();
        }
        let keyring = Arc::clone(self.keyring());
        let opened =
            tokio::task::spawn_blocking(move || rows.par_iter().map(|row| open_state(&keyring, row)).collect());
        // A blocking task is never cancelled once it runs: what is left is a panic, which goes on where it belongs.
        opened.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Where a group of readers stands; 0 at the start.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn position(&self, group: &str, partition: u16) -> Result<i64, StoreError> {
        position(&mut self.reader().await?, group, partition).await
    }

    /// Where a group of readers stands, and up to where everybody was told of its scores; 0 and 0 at the start.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn standing(&self, group: &str, partition: u16) -> Result<(i64, i64), StoreError> {
        let row = query("SELECT position, announced FROM group_positions WHERE group_name = $1 AND partition = $2")
            .bind(group)
            .bind(partition)
            .fetch_optional(&mut self.reader().await?)
            .await?;
        row.map_or(Ok((0, 0)), |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

/// Columns: lead_id, state, log_position, data_key.
fn open_state(keyring: &Keyring, row: &Row) -> Result<(LeadId, StoredState), StoreError> {
    let id: LeadId = row.get(0)?;
    let key = keyring.unwrap(id, row.get(3)?)?;
    let bytes =
        key.open(id.0.as_bytes(), row.get(1)?).ok_or_else(|| StoreError::Corrupt(format!("the state of lead {id}")))?;
    Ok((id, StoredState { bytes, log_position: row.get(2)? }))
}

pub(crate) async fn position(conn: &mut Conn, group: &str, partition: u16) -> Result<i64, StoreError> {
    let row = query("SELECT position FROM group_positions WHERE group_name = $1 AND partition = $2")
        .bind(group)
        .bind(partition)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.get(0)).transpose()?.unwrap_or(0))
}
