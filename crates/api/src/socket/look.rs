//! Where leads stand: from the process's memory, else from the store, in few statements for many leads.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use leadscore_domain::{LeadId, Obstacle, Score};
use leadscore_engine::{features::LeadState, score::Withheld};
use leadscore_store::{Cached, StoreError, StoredState};

use crate::state::Api;

/// Where a lead stands.
#[derive(Debug)]
pub enum Standing {
    /// It has this score.
    Score(Arc<Score>),
    /// It must not have one, from a position of the log on.
    Withheld {
        /// The position.
        log_position: i64,
        /// Why.
        obstacle: Obstacle,
    },
    /// It has none yet.
    Pending,
    /// There is no such lead.
    Unknown,
    /// It was merged into this one.
    Merged(LeadId),
}

/// Where each of `leads` stands.
///
/// # Errors
/// Where the store fails.
pub async fn look(api: &Api, leads: &[LeadId]) -> Result<HashMap<LeadId, Standing>, StoreError> {
    let mut standings = HashMap::with_capacity(leads.len());
    let mut rest = Vec::new();
    for lead in leads {
        match api.cache.get(*lead) {
            Some(Cached::Score(score)) => {
                standings.insert(*lead, Standing::Score(score));
            }
            Some(Cached::Withheld { log_position, obstacle }) => {
                standings.insert(*lead, Standing::Withheld { log_position, obstacle });
            }
            None => rest.push(*lead),
        }
    }
    if rest.is_empty() {
        return Ok(standings);
    }
    // Where all connections look at once, the store serves others too.
    let _permit = api.sockets.look_permits().acquire().await.map_err(|_| StoreError::Closed)?;
    // What was absorbed may have a score from before.
    let absorbed = api.store.absorbed(&rest).await?;
    rest.retain(|lead| !absorbed.contains_key(lead));
    standings.extend(absorbed.into_iter().map(|(lead, survivor)| (lead, Standing::Merged(survivor))));
    let scores = api.store.latest_scores(&rest).await?;
    rest.retain(|lead| !scores.contains_key(lead));
    standings.extend(scores.into_iter().map(|(lead, stored)| (lead, Standing::Score(Arc::new(stored.score)))));
    if !rest.is_empty() {
        without_score(api, &rest, &mut standings).await?;
    }
    Ok(standings)
}

async fn without_score(
    api: &Api,
    leads: &[LeadId],
    standings: &mut HashMap<LeadId, Standing>,
) -> Result<(), StoreError> {
    let existing: HashSet<LeadId> = api.store.existing(leads).await?;
    let states = api.store.states(leads).await?;
    for lead in leads {
        let standing = match states.get(lead) {
            Some(state) => why_not(api, *lead, state),
            None if existing.contains(lead) => Standing::Pending,
            None => Standing::Unknown,
        };
        standings.insert(*lead, standing);
    }
    Ok(())
}

/// Why a lead with a state has no score.
fn why_not(api: &Api, lead: LeadId, stored: &StoredState) -> Standing {
    // A state of an older format is about to be rebuilt from the log.
    let Ok(state) = LeadState::from_bytes(&stored.bytes) else { return Standing::Pending };
    let scorer = Arc::clone(&api.scorer.borrow());
    match scorer.score(lead, &state, api.clock.now(), stored.log_position) {
        Err(Withheld::Obstacle(obstacle)) => Standing::Withheld { log_position: stored.log_position, obstacle },
        // What is not committed is not shown.
        Ok(_) | Err(Withheld::Empty) => Standing::Pending,
    }
}
