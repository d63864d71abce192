//! What is loaded for many leads at once, each in one statement.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use leadscore_domain::{Identity, LeadId, Obstacle, Score};
use leadscore_engine::features::LeadState;
use leadscore_store::{
    Cached, HistoryPage, LeadHead, PastEvent, Principal, ScoreOverride, ScorePage, StoreError, StoredScore, Team, User,
};
use uuid::Uuid;

use crate::{problem::Problem, rest::unavailable, state::Api};

/// See the module.
pub struct Loads {
    /// The API.
    pub api: Arc<Api>,
    /// For whom.
    pub principal: Arc<Principal>,
}

/// A lead that the asker sees, or the one that it was merged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeadOf(pub LeadId);

/// The handles of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandlesOf(pub LeadId);

/// The latest score of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScoreOf(pub LeadId);

/// The override of a lead's score that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OverrideOf(pub LeadId);

/// The state of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateOf(pub LeadId);

/// A user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserOf(pub Uuid);

/// A team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TeamOf(pub Uuid);

/// What is known of a lead's latest score; nothing where it is pending.
#[derive(Debug, Clone)]
pub enum Latest {
    /// It has this one.
    Score(Arc<Score>),
    /// It must not have one, for this reason.
    Withheld(Obstacle),
}

/// What a lead's events come to, and up to where.
pub struct Folded {
    /// The state.
    pub state: LeadState,
    /// Last position of the log that is in it.
    pub log_position: i64,
}

/// Keys as the store takes them, and the answers under them.
fn by<K, V>(found: impl IntoIterator<Item = (K, V)>) -> HashMap<K, V>
where
    K: std::hash::Hash + Eq,
{
    found.into_iter().collect()
}

impl Loader<HeadOf> for Loads {
    type Value = LeadHead;
    type Error = Problem;

    async fn load(&self, keys: &[HeadOf]) -> Result<HashMap<HeadOf, LeadHead>, Problem> {
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).collect();
        let found = self.api.store.seen_leads(self.principal.sight(), &ids, self.principal.sees_persons()).await;
        Ok(by(found.map_err(unavailable)?.into_iter().map(|(asked, head)| (HeadOf(asked), head))))
    }
}

impl Loader<HandlesOf> for Loads {
    type Value = Vec<Identity>;
    type Error = Problem;

    async fn load(&self, keys: &[HandlesOf]) -> Result<HashMap<HandlesOf, Vec<Identity>>, Problem> {
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).collect();
        let found = self.api.store.handles(&ids).await.map_err(unavailable)?;
        Ok(by(found.into_iter().map(|(lead, handles)| (HandlesOf(lead), handles))))
    }
}

impl Loader<ScoreOf> for Loads {
    type Value = Latest;
    type Error = Problem;

    async fn load(&self, keys: &[ScoreOf]) -> Result<HashMap<ScoreOf, Latest>, Problem> {
        let (mut known, mut rest) = (HashMap::with_capacity(keys.len()), Vec::new());
        for key in keys {
            match self.api.cache.get(key.0) {
                Some(Cached::Score(score)) => drop(known.insert(*key, Latest::Score(score))),
                Some(Cached::Withheld { obstacle, .. }) => drop(known.insert(*key, Latest::Withheld(obstacle))),
                None => rest.push(key.0),
            }
        }
        if !rest.is_empty() {
            let found = self.api.store.latest_scores(&rest).await.map_err(unavailable)?;
            let scores = found.into_iter().map(|(lead, stored)| (ScoreOf(lead), Latest::Score(Arc::new(stored.score))));
            known.extend(scores);
        }
        Ok(known)
    }
}

impl Loader<OverrideOf> for Loads {
    type Value = Arc<ScoreOverride>;
    type Error = Problem;

    async fn load(&self, keys: &[OverrideOf]) -> Result<HashMap<OverrideOf, Arc<ScoreOverride>>, Problem> {
        // Nearly no lead has one, which is known without asking.
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).filter(|id| self.api.store.is_overridden(*id)).collect();
        let found = self.api.store.overrides_of(&ids).await.map_err(unavailable)?;
        Ok(by(found.into_iter().map(|one| (OverrideOf(one.lead_id), Arc::new(one)))))
    }
}

impl Loader<StateOf> for Loads {
    type Value = Arc<Folded>;
    type Error = Problem;

    async fn load(&self, keys: &[StateOf]) -> Result<HashMap<StateOf, Arc<Folded>>, Problem> {
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).collect();
        let stored = self.api.store.states(&ids).await.map_err(unavailable)?;
        let read = tokio::task::spawn_blocking(move || {
            // A state of an older format is about to be folded anew; until then it says nothing.
            let read = |(lead, stored): (LeadId, leadscore_store::StoredState)| {
                let state = LeadState::from_bytes(&stored.bytes).ok()?;
                Some((StateOf(lead), Arc::new(Folded { state, log_position: stored.log_position })))
            };
            by(stored.into_iter().filter_map(read))
        });
        // A blocking task is never cancelled once it runs: what is left is a panic, which goes on where it belongs.
        Ok(read.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
    }
}

impl Loader<ScorePage> for Loads {
    type Value = Arc<[StoredScore]>;
    type Error = Problem;

    async fn load(&self, pages: &[ScorePage]) -> Result<HashMap<ScorePage, Arc<[StoredScore]>>, Problem> {
        let found = self.api.store.score_histories(pages).await.map_err(unavailable)?;
        Ok(by(pages.iter().copied().zip(found.into_iter().map(Arc::from))))
    }
}

impl Loader<HistoryPage> for Loads {
    type Value = Arc<[PastEvent]>;
    type Error = Problem;

    async fn load(&self, pages: &[HistoryPage]) -> Result<HashMap<HistoryPage, Arc<[PastEvent]>>, Problem> {
        let found = self.api.store.histories(pages).await.map_err(unavailable)?;
        Ok(by(pages.iter().copied().zip(found.into_iter().map(Arc::from))))
    }
}

impl Loader<UserOf> for Loads {
    type Value = User;
    type Error = Problem;

    async fn load(&self, keys: &[UserOf]) -> Result<HashMap<UserOf, User>, Problem> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found: Result<Vec<User>, StoreError> = self.api.store.users_by_id(&ids).await;
        Ok(by(found.map_err(unavailable)?.into_iter().map(|user| (UserOf(user.id), user))))
    }
}

impl Loader<TeamOf> for Loads {
    type Value = Team;
    type Error = Problem;

    async fn load(&self, keys: &[TeamOf]) -> Result<HashMap<TeamOf, Team>, Problem> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found: Result<Vec<Team>, StoreError> = self.api.store.teams_by_id(&ids).await;
        Ok(by(found.map_err(unavailable)?.into_iter().map(|team| (TeamOf(team.id), team))))
    }
}
