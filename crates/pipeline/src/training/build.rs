//! Gathering examples: page by page, so that memory holds the examples and one page of events.

use std::{collections::HashMap, sync::Arc};

use leadscore_domain::{Clock, Event, Identity, IdentityKind, LeadId, Timestamp};
use leadscore_engine::{
    evaluate::fairness::swapped,
    examples::{ExampleOptions, Snapshot, snapshots},
    explain::ActionRates,
    features::{LeadState, Market},
    predictions::LeadCalls,
    score::ScoringPolicy,
};
use leadscore_store::{Store, StoreError};
use rayon::prelude::*;

use super::{ProgressFn, TrainingError, TrainingOptions, TrainingProgress, fairness::SWAP_EVERY, token::TokenKey};
use crate::scorer::blocking;

/// Leads whose events are in memory at the same time; the next page is read while this one is computed.
const PAGE_LEADS: usize = 512;

/// Examples of all leads, with what else a model takes from them.
#[derive(Debug, Default)]
pub struct TrainingData {
    /// The examples, by lead in the order of the leads' tokens, censored ones too.
    pub snapshots: Vec<Snapshot>,
    /// Calls to the leads that were called.
    pub calls: Vec<LeadCalls>,
    /// How often what agents do succeeds.
    pub action_rates: ActionRates,
    /// Leads that were read.
    pub leads: u64,
    /// Events that were read.
    pub events: u64,
    /// Leads that were left out for want of a lawful basis for profiling.
    pub withheld: u64,
    /// Until when outcomes are known.
    pub known_until: Timestamp,
    /// Protected characteristics that imports admitted under other names, each with its reason; named in the model's
    /// manifest and in reports.
    pub acknowledgements: Vec<String>,
    /// Examples of some leads, each with what it would be were the lead another person; only where groups are compared.
    pub(super) swapped: Vec<(Snapshot, Snapshot)>,
    /// Which lead a token stands for: stays in this process, for reports by CRM id.
    pub(super) leads_by_token: HashMap<u64, LeadId>,
}

/// What one lead adds.
pub(super) struct Part {
    pub(super) lead: LeadId,
    token: u64,
    events: u64,
    /// `None` where the lead may not be profiled.
    pub(super) examples: Option<(Vec<Snapshot>, Option<LeadCalls>, ActionRates)>,
    swapped: Vec<(Snapshot, Snapshot)>,
}

/// How parts are computed; shared by all threads.
pub(super) struct Recipe {
    market: Market,
    examples: ExampleOptions,
    policy: ScoringPolicy,
    key: TokenKey,
    /// Whether some leads are looked at as other persons, too.
    swaps: bool,
}

/// Reads all leads and draws their examples.
///
/// Memory: the examples, and two pages of 512 leads with their events.
///
/// # Errors
/// Where the store fails.
pub async fn build(
    store: &Store,
    clock: &dyn Clock,
    options: &TrainingOptions,
    progress: &ProgressFn,
) -> Result<TrainingData, TrainingError> {
    let recipe = Recipe::new(store, clock, options).await?;
    let acknowledgements = store.acknowledgements().await?;
    let data = TrainingData { known_until: recipe.known_until(), acknowledgements, ..TrainingData::default() };
    let add = |data: &mut TrainingData, part| {
        data.add(part);
        Ok::<(), TrainingError>(())
    };
    let mut data = walk(store, &Arc::new(recipe), "reading leads", progress, data, add).await?;
    // Leads have other ids after another import of the same files; what is learned of them is the same.
    data.snapshots.sort_by_key(|snapshot| snapshot.lead);
    data.calls.sort_by_key(|calls| calls.lead);
    Ok(data)
}

/// Computes the part of every lead, in the order of their ids, and hands each to `add` with what was gathered so far.
///
/// Memory: what is gathered, and two pages of 512 leads with their events.
pub(super) async fn walk<T, E>(
    store: &Store,
    recipe: &Arc<Recipe>,
    step: &'static str,
    progress: &ProgressFn,
    gathered: T,
    add: impl Fn(&mut T, Part) -> Result<(), E> + Copy + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let total = store.counts().await?.leads;
    let mut gathered = gathered;
    let mut done = 0;
    let mut page = read_page(store, None).await?;
    while let Some(last) = page.last().map(|(lead, _)| *lead) {
        done += page.len() as u64;
        // The next page is read while this one is computed.
        let recipe = Arc::clone(recipe);
        let compute = blocking(move || {
            let parts: Vec<Part> = page.par_iter().map(|(id, events)| recipe.part(*id, events)).collect();
            parts.into_iter().try_for_each(|part| add(&mut gathered, part)).map(|()| gathered)
        });
        let (computed, next) = tokio::join!(compute, read_page(store, Some(last)));
        gathered = computed?;
        page = next?;
        progress(TrainingProgress { step, done, total: total.max(done) });
    }
    Ok(gathered)
}

/// The next leads in the order of their ids, each with its events but for unreadable ones, which are dead letters;
/// empty at the end.
async fn read_page(store: &Store, after: Option<LeadId>) -> Result<Vec<(LeadId, Vec<Event>)>, StoreError> {
    let ids = store.leads_page(after, PAGE_LEADS).await?;
    let mut records = store.records_of(&ids).await?;
    let mut events_of = |id| records.remove(&id).unwrap_or_default().into_iter().filter_map(|r| r.event.ok()).collect();
    Ok(ids.into_iter().map(|id| (id, events_of(id))).collect())
}

impl Recipe {
    /// How `options` want the parts of all leads to be computed.
    pub(super) async fn new(store: &Store, clock: &dyn Clock, options: &TrainingOptions) -> Result<Self, StoreError> {
        Ok(Self {
            market: Market::new(store.market().await?),
            examples: ExampleOptions {
                horizon_us: options.horizon_us,
                known_until: options.known_until.unwrap_or_else(|| clock.now()),
                per_lead: options.per_lead,
                seed: options.seed,
            },
            policy: options.policy.clone(),
            key: TokenKey::new(options.seed),
            swaps: options.groups.is_some(),
        })
    }

    /// Until when everything is known.
    pub(super) fn known_until(&self) -> Timestamp {
        self.examples.known_until
    }

    fn part(&self, lead: LeadId, events: &[Event]) -> Part {
        let token = self.key.token(events);
        let mut state = LeadState::default();
        for event in events.iter().filter(|event| event.received_at <= self.examples.known_until) {
            state.apply(event);
        }
        let examples = self.policy.permits(&state).is_ok().then(|| {
            let drawn = snapshots(token, events, &self.market, &self.examples);
            (drawn, LeadCalls::of(token, &state), ActionRates::of(&state))
        });
        let swapped = examples.as_ref().map_or_else(Vec::new, |(drawn, ..)| self.swapped(token, events, drawn));
        Part { lead, token, events: events.len() as u64, examples, swapped }
    }

    /// The examples beside those of the same lead as another person.
    fn swapped(&self, token: u64, events: &[Event], drawn: &[Snapshot]) -> Vec<(Snapshot, Snapshot)> {
        if !self.swaps || !token.is_multiple_of(SWAP_EVERY) {
            return Vec::new();
        }
        let other = snapshots(token, &swapped(events, token / SWAP_EVERY), &self.market, &self.examples);
        drawn.iter().cloned().zip(other).collect()
    }
}

impl TrainingData {
    fn add(&mut self, part: Part) {
        self.leads += 1;
        self.events += part.events;
        match part.examples {
            Some((snapshots, calls, rates)) => {
                if !snapshots.is_empty() {
                    self.leads_by_token.insert(part.token, part.lead);
                }
                self.snapshots.extend(snapshots);
                self.swapped.extend(part.swapped);
                self.calls.extend(calls);
                self.action_rates.merge(&rates);
            }
            None => self.withheld += 1,
        }
    }

    /// The CRM ids of the leads of these tokens, where a lead has one. One query each: for reports, not for training.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn crm_ids(
        &self,
        store: &Store,
        tokens: impl Iterator<Item = u64>,
    ) -> Result<HashMap<u64, Identity>, StoreError> {
        let mut found = HashMap::new();
        for token in tokens {
            if found.contains_key(&token) {
                continue;
            }
            let Some(&lead) = self.leads_by_token.get(&token) else { continue };
            let record = store.lead(lead).await?;
            let crm = record.and_then(|r| r.identities.into_iter().find(|i| i.kind() == IdentityKind::Crm));
            found.extend(crm.map(|identity| (token, identity)));
        }
        Ok(found)
    }
}
