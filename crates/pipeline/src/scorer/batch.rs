//! One micro-batch of a partition: read, fold, score, commit, publish.

use std::collections::{HashMap, HashSet};

use leadscore_domain::{Event, EventBody, LeadId, Score};
use leadscore_engine::features::LeadState;
use leadscore_store::{DeadLetter, Derived, LogRecord, StoreError, StoredState, Unreadable};

use super::{
    derive::{Base, Damaged, Judge, Next, Work, derive},
    rebuild::history,
    worker::{GROUP, ScorerTask},
};

/// Most events in one batch: what one transaction writes and one round holds in memory.
pub const BATCH_EVENTS_MAX: usize = 2_048;
/// From this many further events in a partition on, a batch leaves scoring to the sweep that follows: during an import
/// a lead is then scored once, and not once for each batch that it appears in.
pub const DEFER_BACKLOG_EVENTS: i64 = 8_192;

/// The records of a batch, sorted by what is to be done with them.
#[derive(Debug, Default)]
struct Sorted {
    /// New events by lead, leads in the order of their first event.
    leads: Vec<(LeadId, Vec<Event>)>,
    /// Leads that absorbed others: their state comes from the log.
    survivors: HashSet<LeadId>,
    /// Leads that were absorbed.
    absorbed: Vec<LeadId>,
    dead: Vec<DeadLetter>,
}

impl Sorted {
    /// `gone` are leads that belong to others now: the survivor's rebuild counts their events.
    fn new(records: Vec<LogRecord>, gone: &HashMap<LeadId, LeadId>) -> Self {
        let mut sorted = Self::default();
        let mut places: HashMap<LeadId, usize> = HashMap::new();
        for record in records {
            let LogRecord { position, event_id, lead_id, event, .. } = record;
            match event {
                Ok(event) => {
                    if let EventBody::LeadMerged(merged) = &event.body {
                        sorted.absorbed.push(merged.absorbed);
                        sorted.survivors.insert(lead_id);
                    }
                    if gone.contains_key(&lead_id) {
                        continue;
                    }
                    let place = *places.entry(lead_id).or_insert_with(|| {
                        sorted.leads.push((lead_id, Vec::new()));
                        sorted.leads.len() - 1
                    });
                    sorted.leads[place].1.push(event);
                }
                Err(Unreadable::Erased) => {}
                Err(reason @ Unreadable::Corrupt) => {
                    tracing::error!(%event_id, position, "an event of the log is damaged; set aside");
                    sorted.dead.push(DeadLetter { position, event_id, lead_id, reason: reason.to_string() });
                }
            }
        }
        sorted
    }
}

/// What a piece of work commits for one partition, and what stays in memory afterwards.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub states: Vec<(LeadId, Vec<u8>)>,
    pub scores: Vec<Score>,
    pub withheld: Vec<LeadId>,
    pub kept: Vec<(LeadId, LeadState)>,
}

impl Outcome {
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.scores.is_empty() && self.withheld.is_empty()
    }

    pub(super) fn add(&mut self, next: Next) {
        match next.verdict {
            Some(Ok(score)) => self.scores.push(score),
            Some(Err(_)) => self.withheld.push(next.lead),
            None => {}
        }
        if let Some(bytes) = next.bytes {
            self.states.push((next.lead, bytes));
        }
        self.kept.push((next.lead, next.state));
    }
}

impl ScorerTask {
    /// Applies the next records of a partition; returns how many.
    pub(super) async fn batch(&mut self, partition: u16) -> Result<usize, StoreError> {
        let from = self.positions[usize::from(partition)];
        let records = self.store.read_log(partition, from, BATCH_EVENTS_MAX).await?;
        let Some(last) = records.last() else { return Ok(0) };
        let (to, count) = (last.position, records.len());
        let full = count == BATCH_EVENTS_MAX;
        let deferred = full && self.store.head(partition).await? - to > DEFER_BACKLOG_EVENTS;
        let judge = Judge { deferred, ..self.judge() };

        let sorted = self.sort(records).await?;
        let works = self.works(partition, to, sorted.leads, &sorted.survivors).await?;
        let mut outcome = Outcome::default();
        for next in self.derive_all(partition, works, judge).await? {
            outcome.add(next);
        }
        self.commit(partition, to, outcome, sorted.absorbed, sorted.dead).await?;
        self.tally.events += count as u64;
        if deferred {
            self.sweep.again();
        }
        Ok(count)
    }

    async fn sort(&self, records: Vec<LogRecord>) -> Result<Sorted, StoreError> {
        let ids: HashSet<LeadId> = records.iter().map(|record| record.lead_id).collect();
        let ids: Vec<LeadId> = ids.into_iter().collect();
        let gone = self.store.absorbed(&ids).await?;
        Ok(Sorted::new(records, &gone))
    }

    /// Finds each lead's state before the batch: from memory, from the database, or, where it absorbed others or the
    /// stored state is damaged, from the log.
    async fn works(
        &mut self,
        partition: u16,
        to: i64,
        leads: Vec<(LeadId, Vec<Event>)>,
        survivors: &HashSet<LeadId>,
    ) -> Result<Vec<Work>, StoreError> {
        let mut live: HashMap<LeadId, LeadState> = HashMap::new();
        let mut missing = Vec::new();
        for (lead, _) in &leads {
            match self.cache.take(*lead) {
                Some(state) => {
                    live.insert(*lead, state);
                }
                None if survivors.contains(lead) => {}
                None => missing.push(*lead),
            }
        }
        let (mut stored, damaged) = self.stored_states(&missing).await?;
        let mut works = Vec::with_capacity(leads.len());
        for (lead, events) in leads {
            let work = Work { lead, base: Base::Fresh, events, rebuilt: false, position: to };
            works.push(if survivors.contains(&lead) || damaged.contains(&lead) {
                self.replayed(partition, work).await?
            } else if let Some(state) = live.remove(&lead) {
                Work { base: Base::Live(Box::new(state)), ..work }
            } else if let Some(state) = stored.remove(&lead) {
                Work { base: Base::Stored(state.bytes), ..work }
            } else {
                work
            });
        }
        Ok(works)
    }

    /// The same work with all events from the log instead of a base and the new ones.
    pub(super) async fn replayed(&self, partition: u16, work: Work) -> Result<Work, StoreError> {
        debug_assert_eq!(self.store.partition_of(work.lead), partition);
        let events = history(&self.store, work.lead, work.position).await?;
        Ok(Work { base: Base::Fresh, events, rebuilt: true, ..work })
    }

    /// Stored states, and the leads whose stored state is damaged.
    pub(super) async fn stored_states(
        &self,
        ids: &[LeadId],
    ) -> Result<(HashMap<LeadId, StoredState>, HashSet<LeadId>), StoreError> {
        match self.store.states(ids).await {
            Ok(states) => return Ok((states, HashSet::new())),
            Err(StoreError::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
        let (mut states, mut damaged) = (HashMap::new(), HashSet::new());
        for &id in ids {
            match self.store.states(&[id]).await {
                Ok(found) => states.extend(found),
                Err(StoreError::Corrupt(_)) => {
                    damaged.insert(id);
                }
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(leads = damaged.len(), "stored states are damaged; rebuilding them from the log");
        Ok((states, damaged))
    }

    /// Computes works; those whose stored state turns out to be of another format are computed from the log.
    pub(super) async fn derive_all(
        &self,
        partition: u16,
        works: Vec<Work>,
        judge: Judge,
    ) -> Result<Vec<Next>, StoreError> {
        let mut nexts = Vec::with_capacity(works.len());
        let mut again = Vec::new();
        for result in derive(works, judge.clone()).await {
            match result {
                Ok(next) => nexts.push(next),
                Err(Damaged { work }) => again.push(self.replayed(partition, work).await?),
            }
        }
        nexts.extend(derive(again, judge).await.into_iter().filter_map(Result::ok));
        Ok(nexts)
    }

    /// Commits and only then publishes.
    pub(super) async fn commit(
        &mut self,
        partition: u16,
        to: i64,
        outcome: Outcome,
        absorbed: Vec<LeadId>,
        dead: Vec<DeadLetter>,
    ) -> Result<(), StoreError> {
        let Outcome { states, scores, withheld, kept } = outcome;
        let published = scores.clone();
        let dead_count = dead.len() as u64;
        let derived = Derived {
            group: GROUP.to_owned(),
            partition,
            from: self.positions[usize::from(partition)],
            to,
            states,
            scores,
            withheld: withheld.iter().chain(&absorbed).copied().collect(),
            dead,
        };
        self.store.commit(derived).await?;

        self.positions[usize::from(partition)] = to;
        for (lead, state) in kept {
            self.cache.put(lead, state);
        }
        for &lead in &absorbed {
            self.cache.take(lead);
        }
        self.tally.scores += published.len() as u64;
        self.tally.withheld += withheld.len() as u64;
        self.tally.dead += dead_count;
        self.tally.absorbed += absorbed.len() as u64;
        self.publisher.publish(published);
        self.publisher.withhold(&withheld, to);
        self.publisher.forget(&absorbed);
        Ok(())
    }

    /// Takes over the position that another scorer of the group left, forgets what was in memory, and publishes what
    /// the other one committed.
    pub(super) async fn adopt(&mut self, partition: u16) -> Result<(), StoreError> {
        self.cache.clear();
        let mut after = self.positions[usize::from(partition)];
        let position = self.store.position(GROUP, partition).await?;
        self.positions[usize::from(partition)] = position;
        while after < position {
            let records = self.store.read_log(partition, after, BATCH_EVENTS_MAX).await?;
            let Some(last) = records.last() else { break };
            after = last.position;
            let leads: HashSet<LeadId> = records.iter().filter(|r| r.position <= position).map(|r| r.lead_id).collect();
            let leads: Vec<LeadId> = leads.into_iter().collect();
            let latest = self.store.latest_scores(&leads).await?;
            let others: Vec<LeadId> = leads.into_iter().filter(|lead| !latest.contains_key(lead)).collect();
            self.publisher.doubt(&others, position);
            self.publisher.publish(latest.into_values().map(|stored| stored.score).collect());
        }
        Ok(())
    }
}
