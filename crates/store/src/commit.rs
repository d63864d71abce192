//! One transaction for what was derived: the positions that it was derived from, and everything that follows from it.
//!
//! On a server the usual case is one message to it: whose leads are whose is remembered, and the statement that writes
//! verifies it. Where that does not hold, nothing was done, and everything is looked up.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use leadscore_domain::{Invalid, LeadId, Score, Timestamp};

use crate::{
    Derived, FailPoint, Store, StoreError,
    db::{After, Bind, Conn, Inserts, Lane, insert, select_in, update},
    dead,
    keyring::{DataKey, Keyring},
    log::rows::{EventRow, insert_ids, insert_rows},
    scores,
    states::position,
    untold,
    webhooks::{self, Crossed, Subscriptions},
};

/// Data keys of leads that are neither absorbed nor erased.
pub(crate) type Living = HashMap<LeadId, Arc<DataKey>>;

impl Store {
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
        if all.is_empty() {
            return Ok(Vec::new());
        }
        if all.iter().any(|derived| derived.to < derived.from || derived.from < 0) {
            return Err(Invalid::new("to", "lies before from", "commit forward").into());
        }
        self.make_months(times(&all).into_iter()).await?;
        let all: Arc<[Derived]> = all.into();
        if self.is_server() && all.iter().all(|derived| derived.from > 0) {
            let touched = touched(&all);
            let key = |lead: &LeadId| Some((*lead, self.keyring().remembered(*lead)?));
            if let Some(living) = touched.iter().map(key).collect() {
                match self.write_all(&all, Leads::Remembered(living)).await {
                    Err(StoreError::Overtaken) => touched.iter().for_each(|lead| self.keyring().forget(*lead)),
                    done => return done,
                }
            }
        }
        self.write_all(&all, Leads::LookedUp).await
    }

    async fn write_all(&self, all: &Arc<[Derived]>, leads: Leads) -> Result<Vec<LeadId>, StoreError> {
        let (all, rows) = (Arc::clone(all), all.iter().map(Derived::rows).sum());
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        let telling = self.kafka().is_some().then(|| self.partitions());
        let subscriptions = self.hub().subscriptions();
        let (left_out, tells) = self
            .write(Lane::Derive, rows, After::Commit, move |conn| {
                Box::pin(async move {
                    let done = commit(conn, &keyring, now, telling, &all, leads, &subscriptions).await;
                    FailPoint::CommitBefore.pass();
                    done
                })
            })
            .await?;
        FailPoint::CommitAfter.pass();
        if tells {
            self.hub().wake();
        }
        Ok(left_out)
    }
}

/// Where it is known from which leads live.
enum Leads {
    /// From the database, in the transaction.
    LookedUp,
    /// From memory; the transaction verifies that all of them live.
    Remembered(Living),
}

/// Everything that is written, of all partitions.
#[derive(Default)]
struct Rows<'d> {
    log: Vec<&'d EventRow>,
    /// Sealed, with the position.
    states: Vec<(LeadId, Vec<u8>, i64)>,
    scores: Vec<(u16, &'d Score)>,
    features: Vec<(LeadId, &'d [u8])>,
    withheld: Vec<LeadId>,
    untold: Vec<LeadId>,
}

impl<'d> Rows<'d> {
    fn new(all: &'d [Derived], living: &Living) -> Self {
        let mut rows = Self::default();
        for derived in all {
            let seal =
                |(id, bytes): &(LeadId, Vec<u8>)| Some((*id, living.get(id)?.seal(id.0.as_bytes(), bytes), derived.to));
            rows.states.extend(derived.states.iter().filter_map(seal));
            let scored = derived.scores.iter().filter(|score| living.contains_key(&score.lead_id));
            rows.scores.extend(scored.map(|score| (derived.partition, score)));
            rows.log.extend(&derived.log.0);
            rows.features.extend(derived.features.iter().map(|(lead, bytes)| (*lead, bytes.as_slice())));
            rows.withheld.extend(&derived.withheld);
            rows.untold.extend(&derived.untold);
        }
        rows
    }
}

/// Writes everything; the leads that were left out, and whether webhooks have something to tell.
async fn commit(
    conn: &mut Conn,
    keyring: &Keyring,
    now: Timestamp,
    telling: Option<u16>,
    all: &[Derived],
    leads: Leads,
    subscriptions: &Subscriptions,
) -> Result<(Vec<LeadId>, bool), StoreError> {
    let touched = touched(all);
    let (living, guarded) = match leads {
        Leads::Remembered(living) => (living, true),
        Leads::LookedUp => {
            fence(conn, all).await?;
            (living(conn, keyring, touched.clone()).await?, false)
        }
    };
    let rows = Rows::new(all, &living);
    if rows.log.iter().any(|row| !living.contains_key(&row.lead)) {
        return Err(StoreError::Overtaken);
    }
    let crossed = Crossed::find(conn, subscriptions, &rows.scores).await?;
    let mut inserts = Inserts::new(conn);
    let mut wanted = if guarded { guard(&mut inserts, all, &touched)? } else { Vec::new() };
    if !rows.log.is_empty() {
        // Events that were applied elsewhere are not applied again.
        wanted.extend([rows.log.len(); 2]);
        insert_ids(&mut inserts, &rows.log, "ON CONFLICT DO NOTHING").await?;
        insert_rows(&mut inserts, &rows.log, "ON CONFLICT DO NOTHING").await?;
    }
    let into = "INSERT INTO lead_states (lead_id, state, log_position)";
    let conflict = "ON CONFLICT (lead_id) DO UPDATE SET state = excluded.state, log_position = excluded.log_position";
    inserts
        .add(into, 3, conflict, &rows.states, |bind, (id, sealed, to)| {
            bind.push(id).push(sealed.as_slice()).push(*to);
        })
        .await?;
    scores::save(&mut inserts, &living, &rows.scores, &rows.features).await?;
    let written = inserts.finish().await?;
    if wanted.iter().zip(written).any(|(wanted, written)| *wanted as u64 != written) {
        return Err(StoreError::Overtaken);
    }
    let tells = crossed.save(conn, now).await?;
    scores::withhold(conn, &rows.withheld).await?;
    if subscriptions.any {
        webhooks::take_back(conn, &rows.withheld).await?;
    }
    for derived in all {
        dead::bury_records(conn, &derived.group, derived.partition, now, &derived.dead).await?;
        dead::bury_undelivered(conn, keyring, now, derived.undelivered.clone()).await?;
    }
    if let Some(partitions) = telling {
        untold::list(conn, partitions, &rows.untold).await?;
    }
    Ok((touched.into_iter().filter(|id| !living.contains_key(id)).collect(), tells))
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
    let rows = update(conn, &["in_group", "at", "read_from", "read_to", "told_to"], sql, all, bind_move).await?;
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

/// Lets the statement that writes move the positions of all, and verify that all of the leads live; how many rows each
/// part of it must answer.
fn guard(inserts: &mut Inserts<'_>, all: &[Derived], leads: &[LeadId]) -> Result<Vec<usize>, StoreError> {
    let before = "UPDATE group_positions SET position = v.read_to, announced = v.told_to FROM UNNEST";
    let after = " AS v (in_group, at, read_from, read_to, told_to) WHERE group_positions.group_name = v.in_group \
                 AND group_positions.partition = v.at AND group_positions.position = v.read_from RETURNING 1";
    inserts.guard((before, 5, after), all, bind_move)?;
    if leads.is_empty() {
        return Ok(vec![all.len()]);
    }
    let before = "SELECT 1 FROM leads WHERE merged_into IS NULL AND data_key IS NOT NULL AND id = ANY";
    inserts.guard((before, 1, " FOR SHARE"), leads, |bind, lead| {
        bind.push(lead);
    })?;
    Ok(vec![all.len(), leads.len()])
}

fn bind_move<'v>(bind: &mut Bind<'v>, derived: &'v Derived) {
    let Derived { group, partition, from, to, announced, .. } = derived;
    bind.push(group.as_str()).push(*partition).push(*from).push(*to).push(*announced);
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
