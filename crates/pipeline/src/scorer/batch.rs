//! One micro-batch of a partition: read, fold, score, commit, publish.

use std::collections::{HashMap, HashSet};

use leadscore_domain::{Event, EventBody, LeadId, Score};
use leadscore_engine::features::LeadState;
use leadscore_store::{
    Batch, DeadLetter, Derived, FailPoint, LogRecord, LogRows, StoreError, StoredState, Undelivered,
    telemetry::{self, Fate, Stage},
};

use super::{
    derive::{Base, Failed, Judge, Next, Work, derive},
    rebuild::history,
    worker::{GROUP, Place, ScorerTask},
};

/// Most events in one batch: what one transaction writes and one round holds in memory.
pub const BATCH_EVENTS_MAX: usize = 2_048;
/// From this many further events in a partition on, a batch leaves scoring to the sweep that follows: during an import
/// a lead is then scored once, and not once for each batch that it appears in.
pub const DEFER_BACKLOG_EVENTS: i64 = 8_192;
/// What is said of an event that breaks the calculation; where it broke, the panic hook has logged.
const PANICKED: &str = "the calculation met a defect";

/// The records of a batch, sorted by what is to be done with them.
#[derive(Debug, Default)]
struct Sorted {
    /// New events by lead, leads in the order of their first event.
    leads: Vec<(LeadId, Vec<Event>)>,
    /// Leads that absorbed others: their state comes from the log.
    survivors: HashSet<LeadId>,
    /// Leads that were absorbed.
    absorbed: Vec<LeadId>,
}

/// Why a piece of work was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The store failed.
    Store(StoreError),
    /// An event of the batch cannot be applied, for this reason.
    Poison(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        if let StoreError::Unfit(_) = error { Self::Poison(error.to_string()) } else { Self::Store(error) }
    }
}

impl Sorted {
    /// `gone` are leads that belong to others now: the survivor's rebuild counts their events.
    fn new(records: Vec<LogRecord>, gone: &HashMap<LeadId, LeadId>) -> Self {
        let mut sorted = Self::default();
        let mut places: HashMap<LeadId, usize> = HashMap::new();
        for record in records {
            // Those that cannot be read are of erased leads.
            let LogRecord { lead_id, event: Ok(event), .. } = record else { continue };
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
        sorted
    }
}

/// What a piece of work commits for one partition, and what stays in memory afterwards.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub absorbed: Vec<LeadId>,
    pub dead: Vec<DeadLetter>,
    pub undelivered: Vec<Undelivered>,
    pub log: LogRows,
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
    pub(super) async fn batch(&mut self, partition: u16) -> Result<usize, Fault> {
        let Some(place) = self.places.get(&partition).copied() else { return Ok(0) };
        let Batch { to, count, records, dead, undelivered, duplicates, log } =
            self.reader.read(partition, place.position, place.batch_max).await?;
        if count == 0 {
            return Ok(0);
        }
        if let Some((_, _, reason)) = self.poison.take_if(|(at, after, _)| (*at, *after) == (partition, place.position))
        {
            return self.bury(partition, to, &records, reason).await;
        }
        let full = count == BATCH_EVENTS_MAX as u64;
        let deferred = full && self.store.head(partition).await? - to > DEFER_BACKLOG_EVENTS;
        let judge = Judge { deferred, ..self.judge() };

        let sorted = self.sort(records, &log).await?;
        let works = self.works(partition, to, sorted.leads, &sorted.survivors, &log).await?;
        let nexts = self.derive_all(partition, works, judge, &log).await?;
        let mut outcome = Outcome { absorbed: sorted.absorbed, dead, undelivered, log, ..Outcome::default() };
        for next in nexts {
            outcome.add(next);
        }
        let dead = outcome.dead.len() + outcome.undelivered.len();
        self.commit(partition, to, outcome).await?;
        let (count, duplicates) = (size(count), size(duplicates));
        Fate::Applied.count(count - dead - duplicates);
        Fate::Dead.count(dead);
        Fate::Duplicate.count(duplicates);
        self.tally.events += count as u64;
        self.tally.duplicates += duplicates as u64;
        if deferred {
            self.sweep.again();
        }
        if let Some(place) = self.places.get_mut(&partition) {
            place.batch_max = BATCH_EVENTS_MAX;
        }
        Ok(count)
    }

    /// Sets an event aside that cannot be applied.
    async fn bury(&mut self, partition: u16, to: i64, records: &[LogRecord], reason: String) -> Result<usize, Fault> {
        let letter = |record: &LogRecord| {
            let LogRecord { position, event_id, lead_id, .. } = *record;
            tracing::error!(%event_id, position, reason, "an event cannot be applied; set aside");
            DeadLetter { position, event_id, lead_id, reason: reason.clone() }
        };
        let outcome = Outcome { dead: records.iter().map(letter).collect(), ..Outcome::default() };
        self.commit(partition, to, outcome).await?;
        self.tally.events += 1;
        Ok(1)
    }

    async fn sort(&self, records: Vec<LogRecord>, log: &LogRows) -> Result<Sorted, StoreError> {
        if !log.is_empty() {
            // Who belongs to others now was found when they were read, and is looked at again with the commit.
            return Ok(Sorted::new(records, &HashMap::new()));
        }
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
        log: &LogRows,
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
                self.replayed(partition, work, log).await?
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

    /// The same work with all events from the log instead of a base and the new ones; `new` are those that the log in
    /// the database does not have yet.
    pub(super) async fn replayed(&self, partition: u16, work: Work, new: &LogRows) -> Result<Work, StoreError> {
        debug_assert_eq!(self.store.partition_of(work.lead), partition);
        let fresh = if new.is_empty() { &[] } else { work.events.as_slice() };
        let events = history(&self.store, work.lead, work.position, fresh).await?;
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
        log: &LogRows,
    ) -> Result<Vec<Next>, Fault> {
        let mut nexts = Vec::with_capacity(works.len());
        let mut again = Vec::new();
        for result in derive(works, judge.clone()).await {
            match result {
                Ok(next) => nexts.push(next),
                Err(Failed::Damaged(work)) => again.push(self.replayed(partition, work, log).await?),
                Err(Failed::Panicked) => return Err(Fault::Poison(PANICKED.to_owned())),
            }
        }
        for result in derive(again, judge).await {
            nexts.push(result.map_err(|_| Fault::Poison(PANICKED.to_owned()))?);
        }
        Ok(nexts)
    }

    /// Commits and only then publishes.
    pub(super) async fn commit(&mut self, partition: u16, to: i64, outcome: Outcome) -> Result<(), StoreError> {
        let Outcome { absorbed, dead, undelivered, log, states, scores, withheld, kept } = outcome;
        let from = self.places.get(&partition).map_or(0, |place| place.position);
        let announced = self.announced(partition).await?;
        let mut published = scores.clone();
        let dead_count = (dead.len() + undelivered.len()) as u64;
        let derived = Derived {
            group: GROUP.to_owned(),
            partition,
            from,
            to,
            announced,
            log,
            states,
            scores,
            withheld: withheld.iter().chain(&absorbed).copied().collect(),
            dead,
            undelivered,
        };
        let writing = Stage::Write.start();
        let left_out = self.store.commit(derived).await?;
        writing.stop();
        published.retain(|score| !left_out.contains(&score.lead_id));

        if let Some(place) = self.places.get_mut(&partition) {
            place.position = to;
        }
        for (lead, state) in kept.into_iter().filter(|(lead, _)| !left_out.contains(lead)) {
            self.cache.put(lead, state);
        }
        for &lead in &absorbed {
            self.cache.take(lead);
        }
        self.tally.scores += published.len() as u64;
        self.tally.withheld += withheld.len() as u64;
        self.tally.dead += dead_count;
        self.tally.absorbed += absorbed.len() as u64;
        let gone: Vec<LeadId> = withheld.iter().chain(&absorbed).copied().collect();
        telemetry::count_scores(published.len());
        let publishing = Stage::Publish.start();
        FailPoint::PublishBefore.pass();
        self.announcing.insert(partition, (to, self.store.announce_scores(&published, &gone)));
        FailPoint::Announce.pass();
        self.publisher.publish(published);
        self.publisher.withhold(&withheld, to);
        self.publisher.forget(&absorbed);
        FailPoint::PublishAfter.pass();
        publishing.stop();
        Ok(())
    }

    /// Up to where everybody was told of a partition's scores, after those of its last commit have arrived.
    async fn announced(&mut self, partition: u16) -> Result<i64, StoreError> {
        let Some(Place { position, announced, .. }) = self.places.get(&partition).copied() else { return Ok(0) };
        let told = match self.announcing.remove(&partition) {
            None => announced,
            Some((upto, announcement)) => {
                if announcement.arrived().await {
                    upto
                } else {
                    self.announce_again(partition, announced, position).await?;
                    announced
                }
            }
        };
        if let Some(place) = self.places.get_mut(&partition) {
            place.announced = told;
        }
        Ok(told)
    }

    /// Publishes the latest scores of the leads whose records stand in `(after, to]`: whoever committed them may not
    /// have come to it.
    pub(super) async fn announce_again(&mut self, partition: u16, mut after: i64, to: i64) -> Result<(), StoreError> {
        while after < to {
            let records = self.store.read_log(partition, after, BATCH_EVENTS_MAX).await?;
            let Some(last) = records.last() else { break };
            after = last.position;
            let leads: HashSet<LeadId> = records.iter().filter(|r| r.position <= to).map(|r| r.lead_id).collect();
            let leads: Vec<LeadId> = leads.into_iter().collect();
            let latest = self.store.latest_scores(&leads).await?;
            let gone: Vec<LeadId> = leads.into_iter().filter(|lead| !latest.contains_key(lead)).collect();
            let scores: Vec<Score> = latest.into_values().map(|stored| stored.score).collect();
            self.announcing.insert(partition, (to, self.store.announce_scores(&scores, &gone)));
            self.publisher.doubt(&gone, to);
            self.publisher.publish(scores);
        }
        Ok(())
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
