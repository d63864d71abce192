//! One micro-batch of each partition: read, fold, score, commit, publish. The batches of a round share their queries,
//! their transaction and their wait for the disk.

use std::collections::{BTreeMap, HashMap, HashSet};

use leadscore_domain::{Event, EventBody, LeadId, Obstacle, Score};
use leadscore_engine::features::LeadState;
use leadscore_store::{
    Batch, DeadLetter, Derived, FailPoint, LogRecord, LogRows, StoreError, StoredState, Undelivered,
    telemetry::{self, Fate, Stage},
};

use super::{
    derive::{Base, Failed, Judge, Next, Scored, Work, derive},
    rebuild::history,
    worker::{GROUP, ScorerTask},
};

/// Most events in one batch: what one transaction writes and one round holds in memory.
pub const BATCH_EVENTS_MAX: usize = 2_048;
/// From this many further events in a partition on, a batch leaves scoring to the sweep that follows: during an import
/// a lead is then scored once, and not once for each batch that it appears in.
pub const DEFER_BACKLOG_EVENTS: i64 = 8_192;
/// Announcements of a partition's scores that may be under way; with more, a commit waits for the oldest.
const ANNOUNCEMENTS_MAX: usize = 32;
/// What is said of an event that breaks the calculation; where it broke, the panic hook has logged.
const PANICKED: &str = "the calculation met a defect";

/// The records of a batch, sorted by what is to be done with them.
#[derive(Debug, Default)]
struct Sorted {
    partition: u16,
    /// Position of the last record.
    to: i64,
    /// Whether the records are new to the database.
    fresh: bool,
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
    /// `fresh` records are new to the database. Whose leads belong to others by now is found with the commit, which keeps
    /// nothing of them: the survivor's rebuild counts their events.
    fn new(partition: u16, to: i64, records: Vec<LogRecord>, fresh: bool) -> Self {
        let mut sorted = Self { partition, to, fresh, ..Self::default() };
        let mut places: HashMap<LeadId, usize> = HashMap::new();
        for record in records {
            // Those that cannot be read are of erased leads.
            let LogRecord { lead_id, event: Ok(event), .. } = record else { continue };
            if let EventBody::LeadMerged(merged) = &event.body {
                sorted.absorbed.push(merged.absorbed);
                sorted.survivors.insert(lead_id);
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
    pub features: Vec<(LeadId, Vec<u8>)>,
    pub withheld: Vec<(LeadId, Obstacle)>,
    pub kept: Vec<(LeadId, LeadState)>,
}

/// What of an outcome is remembered and published once it is committed.
struct Committed {
    absorbed: Vec<LeadId>,
    withheld: Vec<(LeadId, Obstacle)>,
    scores: Vec<Score>,
    kept: Vec<(LeadId, LeadState)>,
    dead: u64,
    /// Whether no event was applied.
    renewed: bool,
}

impl Outcome {
    /// What the store commits, and what follows.
    fn split(
        self,
        partition: u16,
        (from, to): (i64, i64),
        announced: i64,
        mut untold: Vec<LeadId>,
    ) -> (Derived, Committed) {
        let Self { absorbed, dead, undelivered, log, states, scores, features, withheld, kept } = self;
        let count = (dead.len() + undelivered.len()) as u64;
        let renewed = from == to;
        if renewed {
            // No position says of these whether everybody was told.
            untold.extend(scores.iter().map(|score| score.lead_id).chain(withheld.iter().map(|(lead, _)| *lead)));
        }
        let derived = Derived {
            group: GROUP.to_owned(),
            partition,
            from,
            to,
            announced,
            untold,
            log,
            states,
            scores: scores.clone(),
            features,
            withheld: withheld.iter().map(|(lead, _)| *lead).chain(absorbed.iter().copied()).collect(),
            dead,
            undelivered,
        };
        (derived, Committed { absorbed, withheld, scores, kept, dead: count, renewed })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.scores.is_empty() && self.withheld.is_empty()
    }

    pub(super) fn add(&mut self, next: Next) {
        match next.verdict {
            Some(Ok(Scored { score, features })) => {
                self.scores.push(score);
                self.features.extend(features.map(|bytes| (next.lead, bytes)));
            }
            Some(Err(withheld)) => self.withheld.push((next.lead, withheld.obstacle())),
            None => {}
        }
        if let Some(bytes) = next.bytes {
            self.states.push((next.lead, bytes));
        }
        self.kept.push((next.lead, next.state));
    }
}

impl ScorerTask {
    /// Applies the next records of these partitions, together; returns how many.
    pub(super) async fn batch(&mut self, partitions: &[u16]) -> Result<usize, Fault> {
        let reading = Stage::Read.start();
        let places = self.to_read(partitions);
        let batches = self.reader.read(&places).await?;
        if batches.is_empty() {
            return Ok(0);
        }
        if let [(partition, after, _)] = places[..]
            && let Some((_, _, reason)) =
                self.poison.take_if(|(at, position, _)| (*at, *position) == (partition, after))
        {
            return self.bury(partition, batches, &reason).await;
        }
        let deferred = self.is_far_behind(&batches).await?;
        let judge = Judge { deferred, ..self.judge() };
        let mut counts = [0; 3];
        let mut outcomes: BTreeMap<u16, (i64, Outcome)> = BTreeMap::new();
        let mut sorted = Vec::with_capacity(batches.len());
        for (partition, batch) in batches {
            let Batch { to, count, records, dead, undelivered, duplicates, log } = batch;
            counts[0] += size(count);
            counts[1] += size(duplicates);
            counts[2] += dead.len() + undelivered.len();
            let part = Sorted::new(partition, to, records, !log.is_empty());
            let absorbed = part.absorbed.clone();
            outcomes.insert(partition, (to, Outcome { absorbed, dead, undelivered, log, ..Outcome::default() }));
            sorted.push(part);
        }
        let works = self.works(sorted).await?;
        reading.stop();
        for next in self.derive_all(works, judge).await? {
            if let Some((_, outcome)) = outcomes.get_mut(&next.partition) {
                outcome.add(next);
            }
        }
        self.commit(outcomes).await?;
        self.count(counts);
        if deferred {
            self.sweep.again();
        }
        for (partition, _, _) in places {
            if let Some(place) = self.places.get_mut(&partition) {
                place.batch_max = BATCH_EVENTS_MAX;
            }
        }
        Ok(counts[0])
    }

    /// From where to read how much of partitions.
    fn to_read(&self, partitions: &[u16]) -> Vec<(u16, i64, usize)> {
        let place = |partition: &u16| self.places.get(partition).map(|p| (*partition, p.position, p.batch_max));
        partitions.iter().filter_map(place).collect()
    }

    /// Whether there is so much behind these batches that scores are put off.
    async fn is_far_behind(&self, batches: &[(u16, Batch)]) -> Result<bool, StoreError> {
        if batches.iter().all(|(_, batch)| batch.count < BATCH_EVENTS_MAX as u64) {
            return Ok(false);
        }
        let heads = self.store.heads().await?;
        let behind = |(partition, batch): &(u16, Batch)| heads.get(usize::from(*partition)).map_or(0, |h| h - batch.to);
        Ok(batches.iter().map(behind).any(|behind| behind > DEFER_BACKLOG_EVENTS))
    }

    fn count(&mut self, [events, duplicates, dead]: [usize; 3]) {
        Fate::Applied.count(events - duplicates - dead);
        Fate::Dead.count(dead);
        Fate::Duplicate.count(duplicates);
        self.tally.events += events as u64;
        self.tally.duplicates += duplicates as u64;
    }

    /// Sets an event aside that cannot be applied.
    async fn bury(&mut self, partition: u16, batches: Vec<(u16, Batch)>, reason: &str) -> Result<usize, Fault> {
        for (_, Batch { to, records, log, .. }) in batches {
            let dead = letters(&records, reason);
            let buried = Outcome { dead: dead.clone(), log, ..Outcome::default() };
            match self.commit(BTreeMap::from([(partition, (to, buried))])).await.map_err(Fault::from) {
                // Not even its row can be kept: the topic still has it.
                Err(Fault::Poison(_)) => {
                    let buried = Outcome { dead, ..Outcome::default() };
                    self.commit(BTreeMap::from([(partition, (to, buried))])).await?;
                }
                done => done?,
            }
        }
        self.count([1, 0, 1]);
        Ok(1)
    }

    /// Finds each lead's state before the batch: from memory, from the database, or, where it absorbed others or the
    /// stored state is damaged, from the log.
    async fn works(&mut self, sorted: Vec<Sorted>) -> Result<Vec<Work>, StoreError> {
        let mut live: HashMap<LeadId, LeadState> = HashMap::new();
        let mut missing = Vec::new();
        for part in &sorted {
            for (lead, _) in &part.leads {
                match self.cache.take(*lead) {
                    Some(state) => {
                        live.insert(*lead, state);
                    }
                    None if part.survivors.contains(lead) => {}
                    None => missing.push(*lead),
                }
            }
        }
        let (mut stored, damaged) = self.stored_states(&missing).await?;
        let mut works = Vec::with_capacity(live.len() + missing.len());
        for Sorted { partition, to, fresh, leads, survivors, .. } in sorted {
            for (lead, events) in leads {
                let work = Work { partition, lead, base: Base::Fresh, events, fresh, rebuilt: false, position: to };
                works.push(if survivors.contains(&lead) || damaged.contains(&lead) {
                    self.replayed(work).await?
                } else if let Some(state) = live.remove(&lead) {
                    Work { base: Base::Live(Box::new(state)), ..work }
                } else if let Some(state) = stored.remove(&lead) {
                    Work { base: Base::Stored(state.bytes), ..work }
                } else {
                    work
                });
            }
        }
        Ok(works)
    }

    /// The same work with all events from the log instead of a base and the new ones.
    pub(super) async fn replayed(&self, work: Work) -> Result<Work, StoreError> {
        let fresh = if work.fresh { work.events.as_slice() } else { &[] };
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
    pub(super) async fn derive_all(&self, works: Vec<Work>, judge: Judge) -> Result<Vec<Next>, Fault> {
        let mut nexts = Vec::with_capacity(works.len());
        let mut again = Vec::new();
        for result in derive(works, judge.clone()).await {
            match result {
                Ok(next) => nexts.push(next),
                Err(Failed::Damaged(work)) => again.push(self.replayed(work).await?),
                Err(Failed::Panicked) => return Err(Fault::Poison(PANICKED.to_owned())),
            }
        }
        for result in derive(again, judge).await {
            nexts.push(result.map_err(|_| Fault::Poison(PANICKED.to_owned()))?);
        }
        Ok(nexts)
    }

    /// Commits what comes of partitions, each up to a position, in one transaction, and only then publishes.
    pub(super) async fn commit(&mut self, outcomes: BTreeMap<u16, (i64, Outcome)>) -> Result<(), StoreError> {
        let mut derived = Vec::with_capacity(outcomes.len());
        let mut committed = Vec::with_capacity(outcomes.len());
        for (partition, (to, outcome)) in outcomes {
            let announced = self.announced(partition).await;
            let untold = self.untold.get(&partition).cloned().unwrap_or_default();
            let from = self.places.get(&partition).map_or(0, |place| place.position);
            let (part, rest) = outcome.split(partition, (from, to), announced, untold);
            derived.push(part);
            committed.push((partition, to, rest));
        }
        let writing = Stage::Write.start();
        let left_out = self.store.commit_all(derived).await?;
        writing.stop();
        let publishing = Stage::Publish.start();
        for (partition, to, mut rest) in committed {
            // They are on the list now.
            self.untold.remove(&partition);
            rest.scores.retain(|score| !left_out.contains(&score.lead_id));
            rest.kept.retain(|(lead, _)| !left_out.contains(lead));
            rest.withheld.retain(|(lead, _)| !left_out.contains(lead));
            self.publish(partition, to, rest);
        }
        publishing.stop();
        Ok(())
    }

    /// Remembers and publishes what was committed.
    fn publish(&mut self, partition: u16, to: i64, committed: Committed) {
        let Committed { absorbed, withheld, scores, kept, dead, renewed } = committed;
        if let Some(place) = self.places.get_mut(&partition) {
            place.position = to;
        }
        for (lead, state) in kept {
            self.cache.put(lead, state);
        }
        for &lead in &absorbed {
            self.cache.take(lead);
        }
        self.tally.scores += scores.len() as u64;
        self.tally.withheld += withheld.len() as u64;
        self.tally.dead += dead;
        self.tally.absorbed += absorbed.len() as u64;
        telemetry::count_scores(scores.len());
        FailPoint::PublishBefore.pass();
        if renewed {
            self.sweep.tell_soon();
        } else {
            let gone: Vec<LeadId> = withheld.iter().map(|(lead, _)| *lead).collect();
            let announcement = self.store.announce_scores(&scores, &gone);
            self.announcing.entry(partition).or_default().push_back((to, announcement));
        }
        FailPoint::Announce.pass();
        self.publisher.publish(scores);
        self.publisher.withhold(&withheld, to);
        self.publisher.forget(&absorbed);
        FailPoint::PublishAfter.pass();
    }

    /// Up to where everybody was told of a partition's scores, as far as that is known; leads of whom nobody was told,
    /// though it was tried, stay in `untold` until a commit lists them.
    async fn announced(&mut self, partition: u16) -> i64 {
        let mut told = self.places.get(&partition).map_or(0, |place| place.announced);
        let under_way = self.announcing.entry(partition).or_default();
        while let Some((upto, announcement)) = under_way.pop_front() {
            let failed = if under_way.len() >= ANNOUNCEMENTS_MAX {
                announcement.failed().await
            } else {
                match announcement.known() {
                    Ok(failed) => failed,
                    Err(pending) => {
                        under_way.push_front((upto, pending));
                        break;
                    }
                }
            };
            if !failed.is_empty() {
                self.untold.entry(partition).or_default().extend(failed);
            }
            told = upto;
        }
        if let Some(place) = self.places.get_mut(&partition) {
            place.announced = told;
        }
        told
    }

    /// Publishes the latest scores of the leads whose records stand in `(after, to]`: whoever committed them may not
    /// have come to it.
    pub(super) async fn publish_again(&self, partition: u16, mut after: i64, to: i64) -> Result<(), StoreError> {
        while after < to {
            let records = self.store.read_log(partition, after, BATCH_EVENTS_MAX).await?;
            let Some(last) = records.last() else { break };
            after = last.position;
            let leads: HashSet<LeadId> = records.iter().filter(|r| r.position <= to).map(|r| r.lead_id).collect();
            let leads: Vec<LeadId> = leads.into_iter().collect();
            let latest = self.store.latest_scores(&leads).await?;
            let gone: Vec<LeadId> = leads.iter().copied().filter(|lead| !latest.contains_key(lead)).collect();
            self.store.list_untold(leads).await?;
            self.publisher.doubt(&gone, to);
            self.publisher.publish(latest.into_values().map(|stored| stored.score).collect());
        }
        Ok(())
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn letters(records: &[LogRecord], reason: &str) -> Vec<DeadLetter> {
    let letter = |record: &LogRecord| {
        let LogRecord { position, event_id, lead_id, .. } = *record;
        tracing::error!(%event_id, position, reason, "an event cannot be applied; set aside");
        DeadLetter { position, event_id, lead_id, reason: reason.to_owned() }
    };
    records.iter().map(letter).collect()
}
