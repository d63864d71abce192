//! From a lead's state to its score.
//!
//! Owns: the one path that every score takes, in serving, batch and replay, and what is said beside a score.
//! Invariant: the same model, state and instant give the same score; without a lawful basis for profiling there is
//! none.

mod model;
mod policy;
mod vector;

use std::sync::Arc;

use jiff::tz::TimeZone;
use leadscore_domain::{Breakdown, Explanation, Grade, LeadId, Score, Timestamp};

pub use self::{
    model::{ACTIONS_FILE, Learned, LearnedError, Model},
    policy::{ScoringPolicy, Withheld},
    vector::FeatureVector,
};
use crate::{
    explain::{ActionRates, Narrator, Permissions, Situation, next_steps},
    features::{self, FEATURES, FeatureView, LeadState, MAX_WIDTH, Market},
    intent::intent,
    models::Prediction,
    playbook,
    predictions::{Lead, Parts, Predictions},
};

/// A score with everything that goes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The score.
    pub score: Score,
    /// Why it is what it is, what the lead is after, what to do and to say.
    pub explanation: Explanation,
    /// Quality class, stage, churn risk, contact windows.
    pub predictions: Predictions,
}

/// A model with all that a score needs, swapped as one.
#[derive(Debug)]
pub struct Scorer {
    model: Arc<Model>,
    version: String,
    schema_hash: String,
    market: Arc<Market>,
    policy: ScoringPolicy,
    narrator: Narrator,
    /// Stand in where nothing was learned.
    untrained: (Parts, ActionRates),
}

/// A lead as the model reads it.
struct Reading {
    fixed: [f32; FEATURES.len()],
    /// The row of the view, and NaN behind it.
    row: [f32; MAX_WIDTH],
    /// What each column of the view adds, in log-odds.
    contributions: [f64; MAX_WIDTH],
    prediction: Prediction,
    breakdown: Breakdown,
}

impl Scorer {
    /// A scorer of `model`, known as `version`.
    #[must_use]
    pub fn new(model: Arc<Model>, version: String, market: Arc<Market>, policy: ScoringPolicy) -> Self {
        let schema_hash = model.schema_hash();
        let narrator = match &*model {
            Model::Learned(learned) => {
                Narrator::new(learned.bundle.view(), &learned.bundle.manifest().protected_overrides)
            }
            Model::Scorecard(_) => Narrator::new(&FeatureView::learn(&[]), &[]),
        };
        Self { model, version, schema_hash, market, policy, narrator, untrained: Default::default() }
    }

    /// The model's version, such as `v3`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The market it sees.
    #[must_use]
    pub fn market(&self) -> &Arc<Market> {
        &self.market
    }

    /// The brokerage's policy.
    #[must_use]
    pub fn policy(&self) -> &ScoringPolicy {
        &self.policy
    }

    /// The figures alone, without what they are made of: for ranking many leads.
    ///
    /// # Errors
    /// See [`Withheld`].
    pub fn predict(&self, state: &LeadState, at: Timestamp) -> Result<Prediction, Withheld> {
        self.policy.permits(state)?;
        let state = &*state.during(at);
        let mut fixed = [f32::NAN; FEATURES.len()];
        features::compute(state, at, &self.market, &mut fixed);
        Ok(match &*self.model {
            Model::Learned(learned) => {
                let bundle = &learned.bundle;
                let mut row = [f32::NAN; MAX_WIDTH];
                let row = &mut row[..bundle.view().width()];
                bundle.view().project(&fixed, state, at, row);
                bundle.predict(row)
            }
            Model::Scorecard(scorecard) => scorecard.predict(&fixed).0,
        })
    }

    /// Scores a lead as of `at`, from the state that the log gives up to `log_position`.
    ///
    /// # Errors
    /// See [`Withheld`].
    pub fn score(
        &self,
        lead_id: LeadId,
        state: &LeadState,
        at: Timestamp,
        log_position: i64,
    ) -> Result<Score, Withheld> {
        self.policy.permits(state)?;
        let state = &*state.during(at);
        Ok(self.score_of(&self.read(state, at), lead_id, state, at, log_position))
    }

    /// Scores a lead as [`Self::score`] does, and says what the model read of it.
    ///
    /// # Errors
    /// See [`Withheld`].
    pub fn score_with_features(
        &self,
        lead_id: LeadId,
        state: &LeadState,
        at: Timestamp,
        log_position: i64,
    ) -> Result<(Score, FeatureVector), Withheld> {
        self.policy.permits(state)?;
        let state = &*state.during(at);
        let reading = self.read(state, at);
        let score = self.score_of(&reading, lead_id, state, at, log_position);
        Ok((score, FeatureVector::new(&reading.row)))
    }

    /// Scores a lead as [`Self::score`] does, and says what goes with it.
    ///
    /// # Errors
    /// See [`Withheld`].
    pub fn explain(
        &self,
        lead_id: LeadId,
        state: &LeadState,
        at: Timestamp,
        log_position: i64,
    ) -> Result<Explained, Withheld> {
        self.policy.permits(state)?;
        let state = &*state.during(at);
        let reading = self.read(state, at);
        let score = self.score_of(&reading, lead_id, state, at, log_position);
        let (zone, zone_known) = self.zone(state);
        let (parts, rates) = self.learned();
        let predictions = parts.predict(&Lead {
            state,
            fixed: &reading.fixed,
            row: &reading.row,
            probability: score.probability,
            zone,
            zone_known,
            at,
        });
        let intent = intent(state, at);
        let situation = Situation {
            state,
            at,
            intent: &intent,
            permissions: Permissions::of(state, self.policy.profile_without_statement),
            window: predictions.contact.windows.first().copied(),
            zone,
            rates,
            currency: self.narrator.currency(),
            experiments: &[],
        };
        // A state that may not be scored has no probability.
        let probability = |state: &LeadState, at| self.predict(state, at).map_or(f64::NAN, |said| said.probability);
        let explanation = Explanation {
            reasons: self.narrator.reasons(&reading.contributions, &reading.row, state, at),
            intent,
            play: playbook::play(score.recommended_approach),
            next_steps: next_steps(&situation, &probability),
        };
        Ok(Explained { score, explanation, predictions })
    }

    fn read(&self, state: &LeadState, at: Timestamp) -> Reading {
        let mut fixed = [f32::NAN; FEATURES.len()];
        features::compute(state, at, &self.market, &mut fixed);
        let mut row = [f32::NAN; MAX_WIDTH];
        let mut contributions = [0.0; MAX_WIDTH];
        let (prediction, breakdown) = match &*self.model {
            Model::Learned(learned) => {
                let bundle = &learned.bundle;
                let width = bundle.view().width();
                let (row, contributions) = (&mut row[..width], &mut contributions[..width]);
                bundle.view().project(&fixed, state, at, row);
                bundle.contributions(row, contributions);
                (bundle.predict(row), bundle.breakdown(contributions))
            }
            Model::Scorecard(scorecard) => {
                row[..FEATURES.len()].copy_from_slice(&fixed);
                scorecard.contributions(&fixed, &mut contributions);
                scorecard.predict(&fixed)
            }
        };
        Reading { fixed, row, contributions, prediction, breakdown }
    }

    fn score_of(
        &self,
        reading: &Reading,
        lead_id: LeadId,
        state: &LeadState,
        at: Timestamp,
        log_position: i64,
    ) -> Score {
        let prediction = &reading.prediction;
        let (zone, zone_known) = self.zone(state);
        Score {
            lead_id,
            score: prediction.score,
            grade: Grade::from(prediction.score),
            confidence: confidence(prediction),
            probability: prediction.probability,
            lower: prediction.lower,
            upper: prediction.upper,
            breakdown: reading.breakdown,
            optimal_contact_time: Some(self.learned().0.contact.plan(state, zone, zone_known, at).best_at),
            recommended_approach: playbook::recommend(&reading.fixed, &intent(state, at)),
            model_version: self.version.clone(),
            schema_hash: self.schema_hash.clone(),
            features_hash: vector::hash(&reading.row),
            log_position,
            calculated_at: at,
            expires_at: at.plus_micros(self.policy.lifetime_us),
        }
    }

    /// What was learned beside the ensemble, or what stands in for it.
    fn learned(&self) -> (&Parts, &ActionRates) {
        match &*self.model {
            Model::Learned(learned) => (&learned.parts, &learned.action_rates),
            Model::Scorecard(_) => (&self.untrained.0, &self.untrained.1),
        }
    }

    /// The lead's zone, or the brokerage's where its own is unknown, and whether it is its own.
    fn zone<'a>(&'a self, state: &'a LeadState) -> (&'a TimeZone, bool) {
        match state.zone() {
            Some(zone) => (zone, true),
            None => (&self.policy.default_zone, false),
        }
    }
}

/// 1 − width of the interval.
fn confidence(prediction: &Prediction) -> f64 {
    (1.0 - (prediction.upper - prediction.lower)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{
        Consent, ConsentState, Event, EventBody, EventId, LegalBasis, Limit, LimitState, Obstacle, ProcessingLimit,
        Purpose,
        event::{LeadCreated, Showing, ShowingAction},
        time::HOUR_US,
    };
    use uuid::Uuid;

    use super::*;
    use crate::scorecard::Scorecard;

    const LEAD: LeadId = LeadId(Uuid::from_u128(1));

    fn at() -> Timestamp {
        "2026-03-01T17:30:00Z".parse().unwrap()
    }

    fn event(id: &str, occurred_at: Timestamp, body: EventBody) -> Event {
        let id = EventId::derive("test", id);
        Event { id, lead_id: LEAD, source: "test".into(), occurred_at, received_at: occurred_at, body }
    }

    fn statement(state: ConsentState) -> Consent {
        Consent { purpose: Purpose::Profiling, state, basis: LegalBasis::Consent, evidence: "form 7".into() }
    }

    fn created(consents: Vec<Consent>) -> LeadState {
        let mut state = LeadState::default();
        state.apply(&event("1", at(), EventBody::LeadCreated(LeadCreated { consents, ..LeadCreated::default() })));
        state
    }

    fn scorer(policy: ScoringPolicy) -> Scorer {
        let model = Arc::new(Model::Scorecard(Scorecard));
        Scorer::new(model, "scorecard-1".into(), Arc::new(Market::empty()), policy)
    }

    #[test]
    fn a_lead_without_events_or_lawful_basis_has_no_score() {
        let strict = scorer(ScoringPolicy::default());
        assert_eq!(strict.score(LEAD, &LeadState::default(), at(), 0).unwrap_err(), Withheld::Empty);
        assert_eq!(strict.score(LEAD, &created(vec![]), at(), 1).unwrap_err(), Withheld::Obstacle(Obstacle::NoConsent));
        assert!(strict.score(LEAD, &created(vec![statement(ConsentState::Granted)]), at(), 1).is_ok());
    }

    #[test]
    fn a_withdrawal_stops_the_score_whatever_the_policy() {
        let lenient = scorer(ScoringPolicy { profile_without_statement: true, ..ScoringPolicy::default() });
        assert!(lenient.score(LEAD, &created(vec![]), at(), 1).is_ok());
        let mut state = created(vec![statement(ConsentState::Granted)]);
        let later = at().plus_micros(HOUR_US);
        state.apply(&event("2", later, EventBody::Consent(statement(ConsentState::Withdrawn))));
        assert_eq!(lenient.score(LEAD, &state, later, 2).unwrap_err(), Withheld::Obstacle(Obstacle::NoConsent));
    }

    #[test]
    fn who_is_restricted_or_objects_has_no_score_until_that_ends_in_whatever_order_it_is_told() {
        let lenient = scorer(ScoringPolicy { profile_without_statement: true, ..ScoringPolicy::default() });
        let hour = |hours: i64| at().plus_micros(hours * HOUR_US);
        let limit =
            |limit, state| EventBody::ProcessingLimit(ProcessingLimit { limit, state, evidence: "letter".into() });
        let claim = |basis| EventBody::Consent(Consent { basis, ..statement(ConsentState::Granted) });
        let after = |bodies: Vec<EventBody>| {
            let told: Vec<Event> = (1..).zip(bodies).map(|(i, body)| event(&i.to_string(), hour(i), body)).collect();
            let verdicts = [told.clone(), told.into_iter().rev().collect()].map(|told| {
                let mut state = created(vec![]);
                told.iter().for_each(|event| state.apply(event));
                lenient.score(LEAD, &state, hour(9), 9).err()
            });
            assert_eq!(verdicts[0], verdicts[1]);
            verdicts[0]
        };
        let (restricted, objected) = (Withheld::Obstacle(Obstacle::Restricted), Withheld::Obstacle(Obstacle::Objected));
        let (restrict, lift) =
            (limit(Limit::Restriction, LimitState::Imposed), limit(Limit::Restriction, LimitState::Lifted));
        let (object, retract) =
            (limit(Limit::Objection, LimitState::Imposed), limit(Limit::Objection, LimitState::Lifted));
        let (consent, interest) = (claim(LegalBasis::Consent), claim(LegalBasis::LegitimateInterest));
        assert_eq!(after(vec![consent.clone(), restrict.clone()]), Some(restricted));
        assert_eq!(after(vec![restrict.clone(), consent.clone()]), Some(restricted), "consent lifts no restriction");
        assert_eq!(after(vec![restrict.clone(), lift]), None);
        assert_eq!(after(vec![consent.clone(), object.clone()]), Some(objected));
        assert_eq!(after(vec![object.clone(), interest]), Some(objected), "no interest outweighs an objection");
        assert_eq!(after(vec![object.clone(), consent]), None, "who consents later no longer objects");
        assert_eq!(after(vec![object.clone(), retract]), None);
        assert_eq!(after(vec![object, restrict]), Some(restricted));
    }

    #[test]
    fn a_kept_showing_raises_the_score_and_the_score_names_what_it_stands_on() {
        let scorer = scorer(ScoringPolicy::default());
        let mut state = created(vec![statement(ConsentState::Granted)]);
        let before = scorer.score(LEAD, &state, at(), 1).unwrap();
        let held = Showing { action: ShowingAction::Held, listing_key: None, price: None, scheduled_for: None };
        state.apply(&event("2", at(), EventBody::Showing(held)));
        let after = scorer.score(LEAD, &state, at(), 2).unwrap();
        assert!(after.score > before.score && after.probability > before.probability);
        assert_eq!((after.model_version.as_str(), after.log_position), ("scorecard-1", 2));
        assert_eq!(after.schema_hash, scorer.model().schema_hash());
        assert_ne!(after.features_hash, before.features_hash);
        assert_eq!(scorer.score(LEAD, &state, at(), 3).unwrap().features_hash, after.features_hash);
        let (again, features) = scorer.score_with_features(LEAD, &state, at(), 2).unwrap();
        assert_eq!((&again, features.hash()), (&after, after.features_hash.clone()));
        assert_eq!(after.expires_at.since(after.calculated_at), ScoringPolicy::default().lifetime_us);
        assert!((after.confidence - (1.0 - (after.upper - after.lower))).abs() < 1e-12);
    }
}
