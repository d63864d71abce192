//! One lead: what is stored about it against what its events give. Pure, apart from loading models.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use leadscore_domain::{LeadId, Score, Timestamp};
use leadscore_engine::{
    features::LeadState,
    score::{FeatureVector, Model, Scorer, Withheld},
    scorecard::{SCORECARD_VERSION, Scorecard},
};
use leadscore_store::{LogRecord, SealedHistory, StoreError, StoredScore, StoredState, visible};

use super::{ReplayOptions, What};
use crate::scorer::{blocking, load_model};

/// Everything that is stored about a lead.
pub(super) struct Case {
    pub lead: LeadId,
    pub partition: u16,
    /// Where the scorer stands in the lead's partition.
    pub position: i64,
    pub history: Option<SealedHistory>,
    pub state: Option<StoredState>,
    pub score: Option<StoredScore>,
}

/// What came of it.
pub(super) struct Judged {
    pub lead: LeadId,
    pub partition: u16,
    pub position: i64,
    /// Events that were read.
    pub events: u64,
    pub state_compared: bool,
    pub score: Compared,
    pub what: Option<What>,
    /// State and score made anew, where something differs and they are wanted.
    pub anew: Option<Anew>,
}

/// Whether a score was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    Yes,
    /// There is none.
    None,
    /// The model that it names cannot be loaded.
    ModelGone,
}

/// State and score as they should be.
pub(super) struct Anew {
    pub state: Vec<u8>,
    /// The score with what it was calculated from, or why there is none.
    pub verdict: Result<(Score, FeatureVector), Withheld>,
}

/// The models that scores name, and the one that scores now.
#[derive(Clone)]
pub(super) struct Judges {
    champion: Arc<Scorer>,
    /// By version; `None` for one that cannot be loaded.
    named: HashMap<String, Option<Arc<Scorer>>>,
    /// The instant for scores that are made anew, where that is wanted.
    anew: Option<Timestamp>,
}

impl Judges {
    pub(super) fn new(champion: Arc<Scorer>, anew: Option<Timestamp>) -> Self {
        let named = HashMap::from([(champion.version().to_owned(), Some(Arc::clone(&champion)))]);
        Self { champion, named, anew }
    }

    /// Loads the models that the scores of `cases` name.
    pub(super) async fn load(&mut self, cases: &[Case], options: &ReplayOptions) {
        for version in cases.iter().filter_map(|case| case.score.as_ref()).map(|stored| &stored.score.model_version) {
            if self.named.contains_key(version) {
                continue;
            }
            let (registry, wanted) = (options.registry.clone(), version.clone());
            let model = blocking(move || match wanted.as_str() {
                SCORECARD_VERSION => Ok(Model::Scorecard(Scorecard)),
                version => load_model(&registry, version).map(|learned| Model::Learned(Box::new(learned))),
            });
            let market = Arc::clone(self.champion.market());
            let scorer = match model.await {
                Ok(model) => Some(Scorer::new(Arc::new(model), version.clone(), market, options.policy.clone())),
                Err(error) => {
                    tracing::warn!(version, %error, "scores of this model cannot be compared");
                    None
                }
            };
            self.named.insert(version.clone(), scorer.map(Arc::new));
        }
    }

    /// Compares a lead.
    pub(super) fn judge(&self, case: Case) -> Result<Judged, StoreError> {
        let Case { lead, partition, position, history, state, score } = case;
        let events = history.as_ref().map_or(0, SealedHistory::events) as u64;
        let records = history.map(SealedHistory::open).transpose()?.unwrap_or_default();
        let until = state.as_ref().map_or(position, |state| state.log_position);
        let folded = Folded::new(records, lead, until);
        let mut what = state_difference(&folded, state.as_ref(), position);
        let mut compared = Compared::None;
        if let Some(stored) = &score {
            (compared, what) = match self.score_difference(&folded, stored) {
                Some(found) => (Compared::Yes, what.or(found)),
                None => (Compared::ModelGone, what),
            };
        }
        let anew = match (what, self.anew) {
            (Some(_), Some(at)) => Some(self.make_anew(folded, position, at)),
            (Some(_) | None, _) => None,
        };
        let state_compared = state.is_some();
        Ok(Judged { lead, partition, position, events, state_compared, score: compared, what, anew })
    }

    /// `None` where the model is gone.
    fn score_difference(&self, folded: &Folded, stored: &StoredScore) -> Option<Option<What>> {
        let scorer = self.named.get(&stored.score.model_version)?.as_ref()?;
        let (at, position) = (stored.score.calculated_at, stored.score.log_position);
        let state = folded.state_at(position);
        Some(match scorer.score(folded.lead, state.as_ref(), at, position) {
            Err(_) => Some(What::ScoreNotPermitted),
            Ok(score) => {
                // How long a score lives is configured, and follows from no event.
                let mut score = Score { expires_at: stored.score.expires_at, ..score };
                if stored.score.features_hash.is_empty() {
                    score.features_hash.clear(); // calculated before features were hashed
                }
                (score != stored.score).then_some(What::ScoreDiffers)
            }
        })
    }

    fn make_anew(&self, folded: Folded, position: i64, at: Timestamp) -> Anew {
        let state = folded.state_at(position);
        let verdict = self.champion.score_with_features(folded.lead, state.as_ref(), at, position);
        Anew { state: state.as_ref().to_bytes(), verdict }
    }
}

fn state_difference(folded: &Folded, stored: Option<&StoredState>, position: i64) -> Option<What> {
    let Some(stored) = stored else { return (folded.events > 0).then_some(What::StateMissing) };
    if folded.events == 0 {
        return Some(What::StateWithoutEvents);
    }
    if folded.changes_between(stored.log_position, position) {
        return Some(What::StateBehind);
    }
    (folded.state.to_bytes() != stored.bytes).then_some(What::StateDiffers)
}

/// A lead's events, folded up to a position.
struct Folded {
    lead: LeadId,
    records: Vec<LogRecord>,
    until: i64,
    state: LeadState,
    /// Events that the state is made of.
    events: usize,
}

impl Folded {
    fn new(records: Vec<LogRecord>, lead: LeadId, until: i64) -> Self {
        let (state, events) = fold(&records, lead, until);
        Self { lead, records, until, state, events }
    }

    /// Whether a readable event of the lead itself stands behind `after`, up to `until`.
    fn changes_between(&self, after: i64, until: i64) -> bool {
        let own = self.records.iter().filter(|record| record.lead_id == self.lead && record.event.is_ok());
        own.map(|record| record.position).any(|position| position > after && position <= until)
    }

    /// The state at another position; folded again only where it is another state.
    fn state_at(&self, position: i64) -> Cow<'_, LeadState> {
        let (from, to) = (self.until.min(position), self.until.max(position));
        if self.changes_between(from, to) {
            Cow::Owned(fold(&self.records, self.lead, position).0)
        } else {
            Cow::Borrowed(&self.state)
        }
    }
}

fn fold(records: &[LogRecord], lead: LeadId, until: i64) -> (LeadState, usize) {
    let events = visible(records, lead, until, &[]);
    let mut state = LeadState::default();
    for event in &events {
        state.apply(event);
    }
    (state, events.len())
}
