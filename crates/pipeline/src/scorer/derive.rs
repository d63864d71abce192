//! From a lead's state and its new events to the next state and score: pure, and parallel where that pays.
//!
//! Owns: the computation of a batch. Invariant: a lead's result depends on its own state and events, the scorer and
//! the instant alone, so that the order and the number of threads do not matter. Deliberately absent: I/O.

use std::{sync::Arc, time::Instant};

use leadscore_domain::{Event, LeadId, Score, Timestamp};
use leadscore_engine::{
    features::LeadState,
    score::{FeatureVector, Scorer, Withheld},
};
use leadscore_store::telemetry::{Stage, Sum};
use rayon::prelude::*;

/// From this many leads on, a batch is computed on all threads and off the asynchronous ones.
const PARALLEL_MIN_LEADS: usize = 48;

/// A lead's state before the batch.
#[derive(Debug)]
pub(super) enum Base {
    /// Nothing was known of it.
    Fresh,
    /// Committed earlier and still in memory.
    Live(Box<LeadState>),
    /// As the database keeps it.
    Stored(Vec<u8>),
}

/// One lead's part of a batch.
#[derive(Debug)]
pub(super) struct Work {
    /// The lead's partition.
    pub partition: u16,
    /// Whose.
    pub lead: LeadId,
    /// State before.
    pub base: Base,
    /// What is new; none where only the score is renewed.
    pub events: Vec<Event>,
    /// Whether the database does not have these events yet.
    pub fresh: bool,
    /// Whether `base` may differ from what the database keeps, so that it must be written though nothing is new.
    pub rebuilt: bool,
    /// Position of the lead's partition that state and score include.
    pub position: i64,
}

/// How scores are made: the scorer and the instant.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    /// The model and what belongs to it.
    pub scorer: Arc<Scorer>,
    /// The instant that features look back from.
    pub at: Timestamp,
    /// Whether scores are put off. A withdrawal still takes the score back at once.
    pub deferred: bool,
    /// Whether what a score was calculated from is kept.
    pub features: bool,
}

/// A score, and what it was calculated from where that is kept.
#[derive(Debug)]
pub(super) struct Scored {
    pub score: Score,
    pub features: Option<Vec<u8>>,
}

impl Judge {
    fn verdict(&self, lead: LeadId, state: &LeadState, position: i64) -> Option<Result<Scored, Withheld>> {
        if self.deferred {
            return self.scorer.policy().permits(state).err().map(Err);
        }
        let kept = |features: &FeatureVector| self.features.then(|| features.to_bytes());
        let scored = self.scorer.score_with_features(lead, state, self.at, position);
        Some(scored.map(|(score, features)| Scored { score, features: kept(&features) }))
    }
}

/// A lead after the batch.
#[derive(Debug)]
pub(super) struct Next {
    /// The lead's partition.
    pub partition: u16,
    /// Whose.
    pub lead: LeadId,
    /// The state after.
    pub state: LeadState,
    /// The state to be written; `None` where it did not change.
    pub bytes: Option<Vec<u8>>,
    /// The score, or why there is none; `None` where scoring was put off.
    pub verdict: Option<Result<Scored, Withheld>>,
}

/// Why a lead's part was not computed.
#[derive(Debug)]
pub(super) enum Failed {
    /// Its stored state cannot be read and is to be rebuilt from the log; the work without a base.
    Damaged(Work),
    /// The computation panicked: one of its events cannot be applied.
    Panicked,
}

/// Computes a batch. The results are in the order of `works`.
pub(super) async fn derive(works: Vec<Work>, judge: Judge) -> Vec<Result<Next, Failed>> {
    let meters = Meters::default();
    if works.len() < PARALLEL_MIN_LEADS {
        let results = works.into_iter().map(|work| caught(work, &judge, &meters)).collect();
        meters.observe();
        return results;
    }
    let computed = tokio::task::spawn_blocking(move || {
        let results = works.into_par_iter().map(|work| caught(work, &judge, &meters)).collect::<Vec<_>>();
        meters.observe();
        results
    });
    match computed.await {
        Ok(results) => results,
        // A blocking task is never cancelled once it runs: what is left is a panic, which goes on where it belongs.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The time that a batch spends on its leads. The clock is read three times a lead, which is some 100 ns of about as
/// many µs.
struct Meters {
    fold: Sum,
    infer: Sum,
}

impl Default for Meters {
    fn default() -> Self {
        Self { fold: Stage::Fold.sum(), infer: Stage::Infer.sum() }
    }
}

impl Meters {
    fn observe(self) {
        self.fold.observe();
        self.infer.observe();
    }
}

/// A panic is the event's fault, not that of the others.
fn caught(work: Work, judge: &Judge, meters: &Meters) -> Result<Next, Failed> {
    let computed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| derive_one(work, judge, meters)));
    computed.unwrap_or(Err(Failed::Panicked))
}

fn derive_one(work: Work, judge: &Judge, meters: &Meters) -> Result<Next, Failed> {
    let started = Instant::now();
    let Work { partition, lead, base, events, fresh, rebuilt, position } = work;
    let mut state = match base {
        Base::Fresh => LeadState::default(),
        Base::Live(state) => *state,
        Base::Stored(bytes) => match LeadState::from_bytes(&bytes) {
            Ok(state) => state,
            Err(_) => {
                return Err(Failed::Damaged(Work {
                    base: Base::Fresh,
                    partition,
                    lead,
                    events,
                    fresh,
                    rebuilt,
                    position,
                }));
            }
        },
    };
    for event in &events {
        state.apply(event);
    }
    let bytes = (rebuilt || !events.is_empty()).then(|| state.to_bytes());
    let folded = Instant::now();
    let verdict = judge.verdict(lead, &state, position);
    meters.fold.add(folded - started);
    meters.infer.add(folded.elapsed());
    Ok(Next { partition, lead, state, bytes, verdict })
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{Consent, ConsentState, EventBody, EventId, LegalBasis, Obstacle, Purpose};
    use leadscore_engine::{
        features::Market,
        score::{Model, ScoringPolicy},
        scorecard::Scorecard,
    };

    use super::*;

    const LEAD: &str = "00000000-0000-0000-0000-000000000001";

    fn at() -> Timestamp {
        "2026-03-01T17:30:00Z".parse().unwrap()
    }

    fn statement(state: ConsentState) -> Work {
        let lead = LEAD.parse().unwrap();
        let consent = Consent { purpose: Purpose::Profiling, state, basis: LegalBasis::Consent, evidence: "7".into() };
        let event = Event {
            id: EventId::derive("test", "1"),
            lead_id: lead,
            source: "test".into(),
            occurred_at: at(),
            received_at: at(),
            body: EventBody::Consent(consent),
        };
        Work { partition: 0, lead, base: Base::Fresh, events: vec![event], fresh: false, rebuilt: false, position: 1 }
    }

    fn verdict(state: ConsentState, deferred: bool) -> Option<Result<u8, Withheld>> {
        let model = Arc::new(Model::Scorecard(Scorecard));
        let scorer = Scorer::new(model, "1".into(), Arc::new(Market::empty()), ScoringPolicy::default());
        let judge = Judge { scorer: Arc::new(scorer), at: at(), deferred, features: true };
        let next = derive_one(statement(state), &judge, &Meters::default()).unwrap();
        next.verdict.map(|verdict| verdict.map(|scored| scored.score.score))
    }

    #[test]
    fn a_withdrawal_is_not_put_off_with_the_scores() {
        assert_eq!(verdict(ConsentState::Withdrawn, true), Some(Err(Withheld::Obstacle(Obstacle::NoConsent))));
        assert_eq!(verdict(ConsentState::Granted, true), None);
        assert!(matches!(verdict(ConsentState::Granted, false), Some(Ok(_))));
    }
}
