//! From a lead's state to its score.
//!
//! Owns: the one path that every score takes, in serving, batch and replay. Invariant: the same model, state and
//! instant give the same score; without a lawful basis for profiling there is none.

use std::sync::Arc;

use jiff::tz::TimeZone;
use leadscore_domain::{ConsentState, Grade, LeadId, Purpose, Score, Timestamp, time::HOUR_US};

use crate::{
    features::{self, FEATURES, LeadState, MAX_WIDTH, Market},
    intent::intent,
    models::{Bundle, Prediction},
    playbook,
    scorecard::Scorecard,
    timing::{self, ContactPrior, HOURS_PER_WEEK},
};

/// Name of the bundle's file with the [`ContactPrior`].
pub const CONTACT_FILE: &str = "contact.json";

/// What gives the probability.
#[derive(Debug)]
pub enum Model {
    /// A trained model.
    Bundle(Box<Bundle>),
    /// Points by rule, until there are outcomes enough to train.
    Scorecard(Scorecard),
}

impl Model {
    /// Hash of the features that the model reads, hexadecimal.
    #[must_use]
    pub fn schema_hash(&self) -> String {
        match self {
            Self::Bundle(bundle) => bundle.view().schema_hash(),
            Self::Scorecard(_) => features::schema_hash(),
        }
    }

    fn contact_prior(&self) -> ContactPrior {
        match self {
            Self::Bundle(bundle) => {
                bundle.extras().get(CONTACT_FILE).and_then(|json| ContactPrior::from_json(json)).unwrap_or_default()
            }
            Self::Scorecard(_) => ContactPrior::default(),
        }
    }
}

/// What the brokerage decides about scoring.
#[derive(Debug, Clone)]
pub struct ScoringPolicy {
    /// Whether a lead about whom nothing is said is scored; a withdrawal always stops it.
    pub profile_without_statement: bool,
    /// The zone of leads whose own is unknown.
    pub default_zone: TimeZone,
    /// After what time a score is calculated anew though nothing happened.
    pub lifetime_us: i64,
}

impl Default for ScoringPolicy {
    /// No statement, no score; UTC; one day.
    fn default() -> Self {
        Self { profile_without_statement: false, default_zone: TimeZone::UTC, lifetime_us: 24 * HOUR_US }
    }
}

impl ScoringPolicy {
    /// Whether a lead may be profiled: scored, and learned from.
    ///
    /// # Errors
    /// See [`Withheld`].
    pub fn permits(&self, state: &LeadState) -> Result<(), Withheld> {
        if state.first_event_at().is_none() {
            return Err(Withheld::Empty);
        }
        match state.consent(Purpose::Profiling) {
            Some((ConsentState::Granted, _)) => Ok(()),
            None if self.profile_without_statement => Ok(()),
            Some((ConsentState::Withdrawn, _)) | None => Err(Withheld::NoProfilingConsent),
        }
    }
}

/// Why there is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// No lawful basis for profiling, or it was withdrawn.
    #[error("there is no consent to profiling")]
    NoProfilingConsent,
    /// Nothing is known of the lead.
    #[error("no event of the lead is known")]
    Empty,
}

/// A model with all that a score needs, swapped as one.
#[derive(Debug)]
pub struct Scorer {
    model: Arc<Model>,
    version: String,
    schema_hash: String,
    market: Arc<Market>,
    policy: ScoringPolicy,
    answer_rates: [f64; HOURS_PER_WEEK],
}

impl Scorer {
    /// A scorer of `model`, known as `version`.
    #[must_use]
    pub fn new(model: Arc<Model>, version: String, market: Arc<Market>, policy: ScoringPolicy) -> Self {
        let schema_hash = model.schema_hash();
        let answer_rates = model.contact_prior().rates();
        Self { model, version, schema_hash, market, policy, answer_rates }
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
        let mut fixed = [f32::NAN; FEATURES.len()];
        features::compute(state, at, &self.market, &mut fixed);
        let (prediction, breakdown) = match &*self.model {
            Model::Bundle(bundle) => {
                let mut row = [f32::NAN; MAX_WIDTH];
                let row = &mut row[..bundle.view().width()];
                bundle.view().project(&fixed, state, at, row);
                (bundle.predict(row), bundle.breakdown(row))
            }
            Model::Scorecard(scorecard) => scorecard.predict(&fixed),
        };
        Ok(Score {
            lead_id,
            score: prediction.score,
            grade: Grade::from(prediction.score),
            confidence: confidence(&prediction),
            probability: prediction.probability,
            lower: prediction.lower,
            upper: prediction.upper,
            breakdown,
            optimal_contact_time: Some(self.contact_time(state, at)),
            recommended_approach: playbook::recommend(&fixed, &intent(state, at)),
            model_version: self.version.clone(),
            schema_hash: self.schema_hash.clone(),
            log_position,
            calculated_at: at,
            expires_at: at.plus_micros(self.policy.lifetime_us),
        })
    }

    fn contact_time(&self, state: &LeadState, at: Timestamp) -> Timestamp {
        let own = state.zone();
        let zone = own.unwrap_or(&self.policy.default_zone);
        timing::best_contact_time(&self.answer_rates, state.hour_of_week(), zone, own.is_some(), at)
    }
}

/// 1 − width of the interval.
fn confidence(prediction: &Prediction) -> f64 {
    (1.0 - (prediction.upper - prediction.lower)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{
        Consent, Event, EventBody, EventId, LegalBasis,
        event::{LeadCreated, Showing, ShowingAction},
    };
    use uuid::Uuid;

    use super::*;

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
        assert_eq!(strict.score(LEAD, &created(vec![]), at(), 1).unwrap_err(), Withheld::NoProfilingConsent);
        assert!(strict.score(LEAD, &created(vec![statement(ConsentState::Granted)]), at(), 1).is_ok());
    }

    #[test]
    fn a_withdrawal_stops_the_score_whatever_the_policy() {
        let lenient = scorer(ScoringPolicy { profile_without_statement: true, ..ScoringPolicy::default() });
        assert!(lenient.score(LEAD, &created(vec![]), at(), 1).is_ok());
        let mut state = created(vec![statement(ConsentState::Granted)]);
        let later = at().plus_micros(HOUR_US);
        state.apply(&event("2", later, EventBody::Consent(statement(ConsentState::Withdrawn))));
        assert_eq!(lenient.score(LEAD, &state, later, 2).unwrap_err(), Withheld::NoProfilingConsent);
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
        assert_eq!(after.expires_at.since(after.calculated_at), ScoringPolicy::default().lifetime_us);
        assert!((after.confidence - (1.0 - (after.upper - after.lower))).abs() < 1e-12);
    }
}
