//! Scores whose time has come though nothing happened to the lead: expired ones, and those of an earlier model. And
//! leads that somebody asked to be folded from the log anew.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use leadscore_domain::{LeadId, Score};
use leadscore_store::{StoreError, StoredScore, StoredState};
use tokio::time::Instant;

use super::{
    batch::{Fault, Outcome},
    derive::{Base, Judge, Work},
    worker::{ScorerError, ScorerTask},
};

/// Most leads whose scores are renewed between two rounds of events.
const PAGE_LEADS: usize = 512;
/// How often the same leads are scored anew while the scorer goes ahead in between.
const FENCED_MAX: u32 = 1_000;
/// How often the database is asked for expired scores, unless the last answer was a full page.
const EXPIRY_EVERY: Duration = Duration::from_millis(500);

/// How far the scorer is with renewing scores.
#[derive(Debug)]
pub(super) struct Sweep {
    pass: Pass,
    /// Whether leads were left without a score since the pass began, so that another one must follow.
    again: bool,
    /// The model's version that the last pass began with.
    version: String,
    next_expiry: Instant,
    /// Whether there are scores that other systems have to be told of.
    untold: bool,
}

/// A pass through all leads in the order of their ids.
#[derive(Debug, Clone, Copy)]
enum Pass {
    /// None is under way.
    Idle,
    /// To go on after this lead.
    After(Option<LeadId>),
}

impl Sweep {
    /// At the start of a scorer: the first renewal begins a pass.
    pub(super) fn start() -> Self {
        Self { pass: Pass::Idle, again: false, version: String::new(), next_expiry: Instant::now(), untold: false }
    }

    /// Asks for a further pass.
    pub(super) fn again(&mut self) {
        self.again = true;
    }

    /// Asks to look at the list of scores that other systems have to be told of, without waiting for the usual time.
    pub(super) fn tell_soon(&mut self) {
        self.untold = true;
    }

    /// Where the pass goes on, beginning one where it is due.
    fn next(&mut self, version: &str) -> Pass {
        if self.version != version {
            version.clone_into(&mut self.version);
            self.pass = Pass::After(None);
            self.again = false;
        }
        if let Pass::Idle = self.pass
            && std::mem::take(&mut self.again)
        {
            self.pass = Pass::After(None);
        }
        self.pass
    }
}

impl ScorerTask {
    /// Renews a page of scores; returns how much was done.
    pub(super) async fn renew(&mut self) -> Result<usize, Fault> {
        let judge = self.judge();
        let swept = match self.sweep.next(judge.scorer.version()) {
            Pass::Idle => 0,
            Pass::After(lead) => self.sweep_page(lead, &judge).await?,
        };
        let renewed = self.renew_expired(&judge).await?;
        let told = if std::mem::take(&mut self.sweep.untold) { self.tell_listed().await? } else { 0 };
        Ok(swept + renewed + told)
    }

    /// Scores those of the next leads whose score is missing, of another model, or behind their state.
    async fn sweep_page(&mut self, after: Option<LeadId>, judge: &Judge) -> Result<usize, Fault> {
        let mut page = self.store.leads_page(after, PAGE_LEADS).await?;
        let Some(&last) = page.last() else {
            self.sweep.pass = Pass::Idle;
            return Ok(0);
        };
        let seen = page.len();
        page.retain(|lead| self.owns(*lead));
        let latest = self.store.latest_scores(&page).await?;
        let (mut states, damaged) = self.stored_states(&page).await?;
        let version = judge.scorer.version();
        states.retain(|id, state| {
            latest.get(id).is_none_or(|l| l.score.model_version != version || l.score.log_position < state.log_position)
        });
        let stale: Vec<LeadId> =
            page.iter().copied().filter(|id| states.contains_key(id) || damaged.contains(id)).collect();
        self.rescore(&stale, states, &latest, judge).await?;
        self.sweep.pass = Pass::After(Some(last));
        Ok(seen)
    }

    fn owns(&self, lead: LeadId) -> bool {
        self.places.contains_key(&self.store.partition_of(lead))
    }

    async fn renew_expired(&mut self, judge: &Judge) -> Result<usize, Fault> {
        if Instant::now() < self.sweep.next_expiry {
            return Ok(0);
        }
        let found = self.store.expired(judge.at, PAGE_LEADS).await?;
        let full = found.len() == PAGE_LEADS;
        let expired: Vec<LeadId> = found.into_iter().filter(|lead| self.owns(*lead)).collect();
        if !expired.is_empty() {
            let latest = self.store.latest_scores(&expired).await?;
            let (states, _) = self.stored_states(&expired).await?;
            self.rescore(&expired, states, &latest, judge).await?;
        }
        // Where none of a full page is this task's, those whose they are come first.
        if !full || expired.is_empty() {
            self.sweep.next_expiry = Instant::now() + EXPIRY_EVERY;
            self.sweep.untold = true;
        }
        Ok(expired.len() + self.rebuild_asked(judge).await?)
    }

    /// Tells other systems of the latest scores of a page of leads on the list; how many have arrived.
    async fn tell_listed(&mut self) -> Result<usize, StoreError> {
        let owned: Vec<u16> = self.places.keys().copied().collect();
        let listed = self.store.untold(&owned, PAGE_LEADS).await?;
        if listed.is_empty() {
            return Ok(0);
        }
        let leads: BTreeSet<LeadId> = listed.iter().map(|(_, lead)| *lead).collect();
        let leads: Vec<LeadId> = leads.into_iter().collect();
        let latest = self.store.latest_scores(&leads).await?;
        let gone: Vec<LeadId> = leads.into_iter().filter(|lead| !latest.contains_key(lead)).collect();
        let scores: Vec<Score> = latest.into_values().map(|stored| stored.score).collect();
        let failed = self.store.announce_scores(&scores, &gone).failed().await;
        let told: Vec<i64> = listed.iter().filter(|(_, lead)| !failed.contains(lead)).map(|(id, _)| *id).collect();
        let count = told.len();
        self.store.told(told).await?;
        self.sweep.untold = listed.len() == PAGE_LEADS && failed.is_empty();
        Ok(count)
    }

    /// Folds leads from the log anew for which somebody asked.
    async fn rebuild_asked(&mut self, judge: &Judge) -> Result<usize, Fault> {
        let mut asked = self.store.asked_rebuilds(PAGE_LEADS).await?;
        asked.retain(|lead| self.owns(*lead));
        if asked.is_empty() {
            return Ok(0);
        }
        for &lead in &asked {
            self.cache.take(lead);
        }
        let latest = self.store.latest_scores(&asked).await?;
        // Without a stored state each is read from the log.
        self.rescore(&asked, HashMap::new(), &latest, judge).await?;
        let count = asked.len();
        self.store.rebuilt(asked).await?;
        Ok(count)
    }

    /// Scores leads anew whatever their scores, beside the scorer that reads the log. Where that one went ahead
    /// meanwhile, fewer leads at once: the less there is between reading and commit, the rarer it comes in between.
    pub(crate) async fn score_anew(&mut self, leads: &[LeadId]) -> Result<(), ScorerError> {
        let mut by_partition: BTreeMap<u16, Vec<LeadId>> = BTreeMap::new();
        for &lead in leads {
            by_partition.entry(self.store.partition_of(lead)).or_default().push(lead);
        }
        for (partition, leads) in by_partition {
            let (mut left, mut at_once, mut attempt) = (leads.as_slice(), leads.len(), 1);
            while !left.is_empty() {
                let (now, later) = left.split_at(at_once.min(left.len()));
                match self.score_at_position(partition, now).await {
                    Ok(()) => (left, attempt) = (later, 1),
                    Err(Fault::Store(StoreError::Fenced { .. } | StoreError::Overtaken)) if attempt < FENCED_MAX => {
                        (at_once, attempt) = ((now.len() / 2).max(1), attempt + 1);
                    }
                    Err(Fault::Store(error)) => return Err(error.into()),
                    Err(Fault::Poison(reason)) => return Err(ScorerError::Defect(reason)),
                }
            }
        }
        Ok(())
    }

    /// Scores leads of a partition as they are where the group stands in it.
    async fn score_at_position(&mut self, partition: u16, leads: &[LeadId]) -> Result<(), Fault> {
        // The position first: a state that was committed later belongs to a later position, and is fenced.
        self.stand(partition).await?;
        let latest = self.store.latest_scores(leads).await?;
        // A lead without a state has no events that were read; a damaged state is the scorer's to mend.
        let (states, _) = self.stored_states(leads).await?;
        let there: Vec<LeadId> = leads.iter().copied().filter(|lead| states.contains_key(lead)).collect();
        let judge = self.judge();
        self.rescore(&there, states, &latest, &judge).await
    }

    /// Scores leads as they are at the scorer's position, partition by partition. Those whose state is missing or
    /// damaged are folded from the log; `latest` says who has a score that could be taken back.
    async fn rescore(
        &mut self,
        leads: &[LeadId],
        mut states: HashMap<LeadId, StoredState>,
        latest: &HashMap<LeadId, StoredScore>,
        judge: &Judge,
    ) -> Result<(), Fault> {
        let mut works = Vec::with_capacity(leads.len());
        for &lead in leads {
            let partition = self.store.partition_of(lead);
            let Some(position) = self.places.get(&partition).map(|place| place.position) else { continue };
            let (base, events) = (Base::Fresh, Vec::new());
            let work = Work { partition, lead, base, events, fresh: false, rebuilt: false, position };
            works.push(match states.remove(&lead) {
                Some(state) => Work { base: Base::Stored(state.bytes), ..work },
                None => self.replayed(work).await?,
            });
        }
        let mut outcomes: BTreeMap<u16, (i64, Outcome)> = BTreeMap::new();
        for next in self.derive_all(works, judge.clone()).await? {
            let position = self.places.get(&next.partition).map_or(0, |place| place.position);
            outcomes.entry(next.partition).or_insert_with(|| (position, Outcome::default())).1.add(next);
        }
        outcomes.retain(|_, (_, outcome)| {
            outcome.withheld.retain(|(lead, _)| latest.contains_key(lead));
            // A pass through all leads would push the busy ones out of memory.
            outcome.kept.clear();
            !outcome.is_empty()
        });
        if !outcomes.is_empty() {
            self.commit(outcomes).await?;
        }
        Ok(())
    }
}
