//! What readers of the log derived, committed together with how far they read.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use leadscore_domain::{EventId, Invalid, LeadId, Score, Timestamp};
use rayon::prelude::*;

use crate::{
    FailPoint, Store, StoreError,
    db::{After, Conn, Inserts, Lane, Row, insert, query, select_in, update},
    dead::{self, Undelivered},
    keyring::{DataKey, Keyring},
    log::rows::{EventRow, insert_ids, insert_rows},
    scores, untold,
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
    fn rows(&self) -> usize {
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

/// Data keys of leads that are neither absorbed nor erased.
pub(crate) type Living = HashMap<LeadId, Arc<DataKey>>;

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

    /// Commits what was derived of one partition, as [`Self::commit_all`].
    ///
    /// # Errors
    /// As there.
    pub async fn commit(&self, derived: Derived) -> Result<Vec<LeadId>, StoreError> {
        self.commit_all(vec![derived]).await
    }

    /// Commits what was derived of several partitions and the positions that it was derived from, in one transaction.
    /// A latest score is only replaced by one of a later position (or a later calculation at the same position);
    /// absorbed and erased leads get neither state nor score. Answers with these: nobody may be told of them.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where a group does not stand at `from`; [`StoreError::Overtaken`] where an event was
    /// applied elsewhere or a lead merged or erased since the batch was read; [`StoreError::Invalid`] where `to` lies
    /// before `from`; where the database fails. Then nothing was committed.
    pub async fn commit_all(&self, all: Vec<Derived>) -> Result<Vec<LeadId>, StoreError> {
        if all.iter().any(|derived| derived.to < derived.from || derived.from < 0) {
            return Err(Invalid::new("to", "lies before from", "commit forward").into());
        }
        self.make_months(times(&all).into_iter()).await?;
        let rows = all.iter().map(Derived::rows).sum();
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        let telling = self.kafka().is_some().then(|| self.partitions());
        let left_out = self
            .write(Lane::Derive, rows, After::Commit, move |conn| {
                Box::pin(async move {
                    let done = commit(conn, &keyring, now, telling, all).await;
                    FailPoint::CommitBefore.pass();
                    done
                })
            })
            .await?;
        FailPoint::CommitAfter.pass();
        Ok(left_out)
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

async fn position(conn: &mut Conn, group: &str, partition: u16) -> Result<i64, StoreError> {
    let row = query("SELECT position FROM group_positions WHERE group_name = $1 AND partition = $2")
        .bind(group)
        .bind(partition)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.get(0)).transpose()?.unwrap_or(0))
}

async fn commit(
    conn: &mut Conn,
    keyring: &Keyring,
    now: Timestamp,
    telling: Option<u16>,
    all: Vec<Derived>,
) -> Result<Vec<LeadId>, StoreError> {
    fence(conn, &all).await?;
    let touched = touched(&all);
    let living = living(conn, keyring, touched.clone()).await?;
    let (mut log, mut states, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    let (mut features, mut withheld, mut undelivered) = (Vec::new(), Vec::new(), Vec::new());
    let mut untold = Vec::new();
    for derived in all {
        let seal =
            |(id, bytes): (LeadId, Vec<u8>)| Some((id, living.get(&id)?.seal(id.0.as_bytes(), &bytes), derived.to));
        states.extend(derived.states.into_iter().filter_map(seal));
        let scored = derived.scores.into_iter().filter(|score| living.contains_key(&score.lead_id));
        scores.extend(scored.map(|score| (derived.partition, score)));
        log.extend(derived.log.0);
        features.extend(derived.features);
        withheld.extend(derived.withheld);
        undelivered.extend(derived.undelivered);
        untold.extend(derived.untold);
        dead::bury_records(conn, &derived.group, derived.partition, now, &derived.dead).await?;
    }
    if log.iter().any(|row| !living.contains_key(&row.lead)) {
        return Err(StoreError::Overtaken);
    }
    let mut inserts = Inserts::new(conn);
    insert_ids(&mut inserts, &log, "ON CONFLICT DO NOTHING").await?;
    insert_rows(&mut inserts, &log, "ON CONFLICT DO NOTHING").await?;
    let into = "INSERT INTO lead_states (lead_id, state, log_position)";
    let conflict = "ON CONFLICT (lead_id) DO UPDATE SET state = excluded.state, log_position = excluded.log_position";
    inserts
        .add(into, 3, conflict, &states, |bind, (id, sealed, to)| {
            bind.push(id).push(sealed.as_slice()).push(*to);
        })
        .await?;
    scores::save(&mut inserts, &living, &scores, &features).await?;
    let written = inserts.finish().await?;
    if !log.is_empty() && written.iter().take(2).any(|written| *written != log.len() as u64) {
        // One of the events was applied elsewhere.
        return Err(StoreError::Overtaken);
    }
    scores::withhold(conn, &withheld).await?;
    dead::bury_undelivered(conn, keyring, now, undelivered).await?;
    if let Some(partitions) = telling {
        untold::list(conn, partitions, &untold).await?;
    }
    Ok(touched.into_iter().filter(|id| !living.contains_key(id)).collect())
}

/// The times of what is written, for its months.
fn times(all: &[Derived]) -> Vec<Timestamp> {
    let mut times = Vec::new();
    for derived in all {
        times.extend(derived.scores.iter().map(|score| score.calculated_at));
        times.extend(derived.log.0.iter().map(|row| row.received_at));
    }
    times
}

/// The leads of which anything is written.
fn touched(all: &[Derived]) -> Vec<LeadId> {
    let mut leads = Vec::new();
    for derived in all {
        leads.extend(derived.states.iter().map(|(id, _)| *id));
        leads.extend(derived.scores.iter().map(|score| score.lead_id));
        leads.extend(derived.log.0.iter().map(|row| row.lead));
    }
    leads.sort_unstable();
    leads.dedup();
    leads
}

/// Moves the positions of all, if each group stands where it was read from, and keeps others from moving them until the
/// transaction ends.
async fn fence(conn: &mut Conn, all: &[Derived]) -> Result<(), StoreError> {
    let begun: Vec<&Derived> = all.iter().filter(|derived| derived.from == 0).collect();
    let into = "INSERT INTO group_positions (group_name, partition, position)";
    insert(conn, into, 3, "ON CONFLICT (group_name, partition) DO NOTHING", &begun, |bind, derived| {
        bind.push(derived.group.as_str()).push(derived.partition).push(0_i64);
    })
    .await?;
    let sql = "UPDATE group_positions SET position = v.read_to, announced = v.told_to FROM v \
               WHERE group_positions.group_name = v.in_group AND group_positions.partition = v.at \
               AND group_positions.position = v.read_from RETURNING group_name, partition";
    let rows = update(conn, &["in_group", "at", "read_from", "read_to", "told_to"], sql, all, |bind, derived| {
        let Derived { group, partition, from, to, announced, .. } = derived;
        bind.push(group.as_str()).push(*partition).push(*from).push(*to).push(*announced);
    })
    .await?;
    let mut moved: HashSet<(&str, u16)> = HashSet::with_capacity(rows.len());
    for row in &rows {
        moved.insert((row.get(0)?, row.get(1)?));
    }
    match all.iter().find(|derived| !moved.contains(&(derived.group.as_str(), derived.partition))) {
        None => Ok(()),
        Some(Derived { group, partition, from, .. }) => {
            let found = position(conn, group, *partition).await?;
            Err(StoreError::Fenced { group: group.clone(), partition: *partition, expected: *from, found })
        }
    }
}

/// Data keys of those leads that are neither absorbed nor erased.
async fn living(conn: &mut Conn, keyring: &Keyring, ids: Vec<LeadId>) -> Result<Living, StoreError> {
    let sql = "SELECT id, data_key FROM leads WHERE merged_into IS NULL AND data_key IS NOT NULL AND id";
    let kept = conn.keep_rows();
    let rows = select_in(conn, sql, &ids, kept).await?;
    rows.iter()
        .map(|row| {
            let id = row.get(0)?;
            Ok((id, keyring.unwrap(id, row.get(1)?)?))
        })
        .collect()
}
