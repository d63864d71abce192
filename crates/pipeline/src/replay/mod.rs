//! Everything that was derived, compared with what the log alone gives, and written anew where it differs.
//!
//! Owns: going through all leads in pages, while one page is read computing the one before. Invariant: a state must
//! equal the fold of its events byte for byte, and a score what its own model makes of that fold at the instant and
//! position that it names. While a server keeps scores, its scorer alone writes: then leads are only handed to it.
//! Deliberately absent: deciding which events make up a lead (the scorer's).

mod judge;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use leadscore_domain::{Clock, LeadId};
use leadscore_engine::score::ScoringPolicy;
use leadscore_store::{Derived, Registry, SealedHistory, Store, StoreError, StoredState};
use rayon::prelude::*;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::judge::{Anew, Case, Compared, Judged, Judges};
use crate::{
    presence,
    scorer::{GROUP, ModelError, blocking, load_champion},
};

/// Leads of one page: with a hundred events of a kilobyte each, two pages take a hundred megabytes.
const PAGE_LEADS: usize = 512;
/// Differences that are told one by one.
const TOLD_MAX: usize = 20;

/// What to replay.
#[derive(Clone)]
pub struct ReplayOptions {
    /// The log, and what was derived from it.
    pub store: Store,
    /// The models that scores name.
    pub registry: Registry,
    /// Consent and zone; the lifetime of scores is not compared.
    pub policy: ScoringPolicy,
    /// The present instant, for scores that are made anew.
    pub clock: Arc<dyn Clock>,
    /// Only to compare.
    pub check: bool,
    /// Only this lead.
    pub lead: Option<LeadId>,
    /// Ends it after the page at hand.
    pub shutdown: CancellationToken,
}

/// Why it did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A scorer began to work meanwhile.
    #[error("a server or another command began to score meanwhile; run it again")]
    Overtaken,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The model that scores cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Fenced { .. } = error { Self::Overtaken } else { Self::Store(error) }
    }
}

/// What was found, and done about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Leads that were looked at.
    pub leads: u64,
    /// Events that were read.
    pub events: u64,
    /// States that were compared.
    pub states: u64,
    /// Scores that were compared.
    pub scores: u64,
    /// Scores whose model is gone, so that nobody can compare them.
    pub unchecked: u64,
    /// Leads whose state or score differs.
    pub differing: u64,
    /// Of these, leads that were written anew.
    pub written: u64,
    /// Of these, leads that a running server was asked to write anew.
    pub handed_over: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// How a lead differs from what the log gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whose.
    pub lead_id: LeadId,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// There are events and no state that can be opened.
    StateMissing,
    /// There is a state and no events.
    StateWithoutEvents,
    /// Events that the scorer passed are not in the state.
    StateBehind,
    /// The bytes are others.
    StateDiffers,
    /// The figures are others.
    ScoreDiffers,
    /// There is a score, and no lawful basis for one.
    ScoreNotPermitted,
}

/// Compares, and writes anew what differs unless only a check was asked for; tells `progress` after each page.
///
/// # Errors
/// See [`ReplayError`].
pub async fn replay(options: ReplayOptions, progress: &(dyn Fn(&Report) + Sync)) -> Result<Report, ReplayError> {
    let mut run = Run::open(options).await?;
    let mut page = run.first().await?;
    while let Some(cases) = page {
        run.judges.load(&cases, &run.options).await;
        let last = cases.last().map(|case| case.lead);
        // The next page is read while this one is computed.
        let (judged, next) = tokio::join!(run.judge(cases), run.after(last));
        run.settle(judged?).await?;
        progress(&run.report);
        page = next?;
        if run.options.shutdown.is_cancelled() {
            run.report.stopped = page.is_some();
            break;
        }
    }
    Ok(run.report)
}

/// A replay under way.
struct Run {
    options: ReplayOptions,
    /// Whether a server keeps scores meanwhile.
    served: bool,
    judges: Judges,
    report: Report,
}

impl Run {
    async fn open(options: ReplayOptions) -> Result<Self, ReplayError> {
        let served = options.store.present(presence::SCORER).await? > 0;
        let champion = load_champion(&options.store, &options.registry, options.policy.clone()).await?;
        let anew = (!options.check && !served).then(|| options.clock.now());
        Ok(Self { served, judges: Judges::new(Arc::new(champion), anew), report: Report::default(), options })
    }

    async fn first(&self) -> Result<Option<Vec<Case>>, ReplayError> {
        match self.options.lead {
            Some(lead) => Ok(Some(self.cases(vec![lead]).await?)),
            None => self.page(None).await,
        }
    }

    async fn after(&self, last: Option<LeadId>) -> Result<Option<Vec<Case>>, ReplayError> {
        if self.options.lead.is_some() { Ok(None) } else { self.page(last).await }
    }

    async fn page(&self, after: Option<LeadId>) -> Result<Option<Vec<Case>>, ReplayError> {
        let leads = self.options.store.leads_page(after, PAGE_LEADS).await?;
        if leads.is_empty() { Ok(None) } else { Ok(Some(self.cases(leads).await?)) }
    }

    /// Everything that is stored about leads. Positions are read first and the log last: then a server that works
    /// meanwhile can only have done more than the positions say, and never less.
    async fn cases(&self, leads: Vec<LeadId>) -> Result<Vec<Case>, ReplayError> {
        let store = &self.options.store;
        let mut positions = Vec::new();
        for partition in 0..store.partitions() {
            positions.push(store.position(GROUP, partition).await?);
        }
        let mut states = readable_states(store, &leads).await?;
        let mut scores = store.latest_scores(&leads).await?;
        let mut histories: HashMap<LeadId, SealedHistory> =
            store.sealed_histories(&leads).await?.into_iter().map(|history| (history.lead, history)).collect();
        let case = |lead| {
            let partition = store.partition_of(lead);
            Case {
                lead,
                partition,
                position: positions[usize::from(partition)],
                history: histories.remove(&lead),
                state: states.remove(&lead),
                score: scores.remove(&lead),
            }
        };
        Ok(leads.into_iter().map(case).collect())
    }

    async fn judge(&self, cases: Vec<Case>) -> Result<Vec<Judged>, ReplayError> {
        let judges = self.judges.clone();
        let judged = blocking(move || cases.into_par_iter().map(|case| judges.judge(case)).collect::<Result<_, _>>());
        Ok(judged.await?)
    }

    /// Counts, and does about the differences what is to be done.
    async fn settle(&mut self, judged: Vec<Judged>) -> Result<(), ReplayError> {
        for one in &judged {
            self.report.leads += 1;
            self.report.events += one.events;
            self.report.states += u64::from(one.state_compared);
            self.report.scores += u64::from(one.score == Compared::Yes);
            self.report.unchecked += u64::from(one.score == Compared::ModelGone);
        }
        let mut differing: Vec<Judged> = judged.into_iter().filter(|one| one.what.is_some()).collect();
        if self.served && !differing.is_empty() {
            // The server may have been between two commits when the pieces were read: look once more.
            let mut leads: Vec<LeadId> = differing.iter().map(|one| one.lead).collect();
            let absorbed = self.options.store.absorbed(&leads).await?;
            leads.retain(|lead| !absorbed.contains_key(lead));
            let again = self.judge(self.cases(leads).await?).await?;
            differing = again.into_iter().filter(|one| one.what.is_some()).collect();
        }
        for one in &differing {
            self.report.differing += 1;
            if let (Some(what), true) = (one.what, self.report.differences.len() < TOLD_MAX) {
                self.report.differences.push(Difference { lead_id: one.lead, what });
            }
        }
        if self.options.check || differing.is_empty() {
            return Ok(());
        }
        if self.served {
            self.report.handed_over += differing.len() as u64;
            let leads = differing.into_iter().map(|one| one.lead).collect();
            return Ok(self.options.store.ask_rebuild(leads).await?);
        }
        self.report.written += write(&self.options.store, differing).await?;
        Ok(())
    }
}

/// States of leads; one that cannot be opened is missing.
async fn readable_states(store: &Store, leads: &[LeadId]) -> Result<HashMap<LeadId, StoredState>, StoreError> {
    match store.states(leads).await {
        Err(StoreError::Corrupt(_)) => {}
        done => return done,
    }
    let mut states = HashMap::new();
    for &lead in leads {
        match store.states(&[lead]).await {
            Ok(found) => states.extend(found),
            Err(StoreError::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(states)
}

/// Commits what was made anew, where the group stood when it was read; how many leads.
async fn write(store: &Store, judged: Vec<Judged>) -> Result<u64, ReplayError> {
    let mut by_partition: BTreeMap<u16, Derived> = BTreeMap::new();
    let mut written = 0;
    for one in judged {
        let Some(Anew { state, verdict }) = one.anew else { continue };
        written += 1;
        let derived = by_partition.entry(one.partition).or_insert_with(|| Derived {
            group: GROUP.to_owned(),
            partition: one.partition,
            from: one.position,
            to: one.position,
            ..Derived::default()
        });
        derived.states.push((one.lead, state));
        match verdict {
            Ok((score, features)) => {
                derived.scores.push(score);
                if store.keeps_features() {
                    derived.features.push((one.lead, features.to_bytes()));
                }
            }
            Err(_) => derived.withheld.push(one.lead),
        }
    }
    for derived in by_partition.into_values() {
        store.commit(derived).await?;
    }
    Ok(written)
}
