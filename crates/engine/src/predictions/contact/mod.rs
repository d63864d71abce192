//! When a lead answers the telephone.
//!
//! Owns: the probability of an answer by local hour of the week, and the windows to call in. Leads are a mixture of
//! kinds of weeks, found in the calls of all (expectation maximisation: A. Dempster, N. Laird, D. Rubin, JRSS B 39,
//! 1977); a lead's own calls say of which kind it is, so that three calls borrow from all leads that answer alike.
//! Invariant: rates are answers over attempts, so that hours that agents like are not taken for hours that leads like;
//! a window lies in lawful hours. Deliberately absent: consent and do-not-call rules; an hour named here is not yet a
//! permission to call.

mod calls;
mod fit;
mod newton;
mod windows;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};

use self::calls::{CONTEXTS, Call};
use self::windows::PARTS;
pub use self::{
    calls::{Context, LeadCalls},
    windows::{CAUTIOUS_HOURS, ContactPlan, DAYPARTS, LAWFUL_HOURS, WINDOWS},
};
use super::metrics::ContactMetrics;
use crate::{evaluate::metrics::metrics, features::LeadState, models::numeric::sigmoid};

/// Hours in a week; index 0 is Monday 00:00 in the lead's zone.
pub const HOURS_PER_WEEK: usize = 168;
/// Hours of a working day, then those of a day of the weekend.
const BINS: usize = 48;
/// Most kinds of weeks.
const KINDS_MAX: usize = 8;
/// How ready a lead is to answer at all, in log-odds around the population's mean.
const LEVELS: [f64; 5] = [-1.6, -0.8, 0.0, 0.8, 1.6];
/// Components of the mixture: a kind of week and a readiness.
const COMPONENTS_MAX: usize = KINDS_MAX * LEVELS.len();
/// Log-odds of an answer where nothing is known: one in four.
const LOG_ODDS_UNKNOWN: f64 = -1.098_612_288_668_109_8;
/// Bounds of every figure of a file, in log-odds.
const LOG_ODDS_MAX: f64 = 20.0;
/// Calls of later leads below which nothing is measured.
const MIN_MEASURED: usize = 50;

/// A kind of week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// Share of the leads.
    weight: f64,
    /// Log-odds beside the population's, by [`BINS`].
    deviations: Vec<f64>,
}

/// The probability of an answer:
/// `sigmoid(hours[bin] + days[weekday] + contexts[context] + kind.deviations[bin] + level)`, where `bin` is the local
/// hour, plus 24 on Saturdays and Sundays; contexts are those of [`Context`] in their order; a lead is of `kind` with
/// probability `weight` (by segment: `segments[name]`) and of a level of −1.6, −0.8, 0, 0.8 or 1.6 with probability
/// `levels`. All but weights and probabilities are log-odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerModel {
    hours: Vec<f64>,
    days: [f64; 7],
    contexts: [f64; CONTEXTS],
    levels: [f64; LEVELS.len()],
    kinds: Vec<Kind>,
    segments: BTreeMap<String, Vec<f64>>,
    /// Probability of an answer by component, context and hour of the week.
    #[serde(skip)]
    table: Vec<f32>,
    /// By kind, the chance of each part of a day to be a lead's best.
    #[serde(skip)]
    favourites: Vec<[f64; PARTS]>,
}

impl Default for AnswerModel {
    /// Every hour is like any other.
    fn default() -> Self {
        Self {
            hours: vec![LOG_ODDS_UNKNOWN; BINS],
            days: [0.0; 7],
            contexts: [0.0; CONTEXTS],
            levels: [0.1, 0.2, 0.4, 0.2, 0.1],
            kinds: vec![Kind { weight: 1.0, deviations: vec![0.0; BINS] }],
            segments: BTreeMap::new(),
            table: Vec::new(),
            favourites: Vec::new(),
        }
        .ready()
    }
}

/// Place of an hour of the week in [`BINS`].
fn bin(hour: usize) -> usize {
    hour % 24 + if hour >= 5 * 24 { 24 } else { 0 }
}

/// How probable each component is for a lead.
type Posterior = [f64; COMPONENTS_MAX];

impl AnswerModel {
    /// The model with its table, which is no part of the file.
    #[must_use]
    pub(super) fn ready(mut self) -> Self {
        self.table.clear();
        self.favourites.clear();
        for kind in &self.kinds {
            let log_odds: Vec<f64> = self.hours.iter().zip(&kind.deviations).map(|(x, y)| x + y).collect();
            self.favourites.push(windows::favourites(&log_odds));
            for level in LEVELS {
                for context in self.contexts {
                    for hour in 0..HOURS_PER_WEEK {
                        let log_odds = self.hours[bin(hour)] + self.days[hour / 24] + kind.deviations[bin(hour)];
                        self.table.push(sigmoid(log_odds + context + level) as f32);
                    }
                }
            }
        }
        self
    }

    fn components(&self) -> usize {
        self.kinds.len() * LEVELS.len()
    }

    /// Probabilities of an answer by hour of the week, of one component.
    fn hours_of(&self, component: usize, context: Context) -> &[f32] {
        let start = (component * CONTEXTS + context as usize) * HOURS_PER_WEEK;
        &self.table[start..start + HOURS_PER_WEEK]
    }

    /// How probable each component is before any call.
    fn prior(&self, segment: Option<&str>) -> Posterior {
        let mut prior = [0.0; COMPONENTS_MAX];
        let weights = segment.and_then(|segment| self.segments.get(segment));
        for (k, kind) in self.kinds.iter().enumerate() {
            let weight = weights.map_or(kind.weight, |weights| weights[k]);
            for (l, level) in self.levels.iter().enumerate() {
                prior[k * LEVELS.len() + l] = weight * level;
            }
        }
        prior
    }

    /// Bayes' rule for one call.
    fn learn(&self, posterior: &mut Posterior, call: Call) {
        let mut total = 0.0;
        for (component, weight) in posterior.iter_mut().enumerate().take(self.components()) {
            let answer = f64::from(self.hours_of(component, call.context)[usize::from(call.hour)]);
            *weight *= if call.answered { answer } else { 1.0 - answer };
            total += *weight;
        }
        posterior.iter_mut().for_each(|weight| *weight /= total);
    }

    /// How probable each component is after the calls of a lead.
    fn posterior(&self, state: &LeadState, zone: &TimeZone) -> Posterior {
        let mut posterior = self.prior(calls::segment(state));
        for call in calls::calls(state, zone) {
            self.learn(&mut posterior, call);
        }
        posterior
    }

    /// Probability that a lead answers a call at each hour of the week.
    fn rates(&self, posterior: &Posterior, context: Context) -> [f64; HOURS_PER_WEEK] {
        let mut rates = [0.0; HOURS_PER_WEEK];
        for (component, weight) in posterior.iter().enumerate().take(self.components()) {
            for (rate, answer) in rates.iter_mut().zip(self.hours_of(component, context)) {
                *rate += weight * f64::from(*answer);
            }
        }
        rates
    }

    /// Probability that a lead in `state` answers a call at each local hour of the week, the next call being made at
    /// about `at`.
    #[must_use]
    pub fn answer_rates(&self, state: &LeadState, zone: &TimeZone, at: Timestamp) -> [f64; HOURS_PER_WEEK] {
        self.rates(&self.posterior(state, zone), calls::next_context(state, at))
    }

    /// Whether the figures can come from a fit; files are not trusted.
    pub(super) fn is_sound(&self) -> bool {
        let log_odds = |value: &f64| value.abs() <= LOG_ODDS_MAX;
        let shares = |weights: &[f64]| {
            weights.iter().all(|weight| *weight > 0.0) && (weights.iter().sum::<f64>() - 1.0).abs() < 1e-6
        };
        let weights: Vec<f64> = self.kinds.iter().map(|kind| kind.weight).collect();
        self.hours.len() == BINS
            && (1..=KINDS_MAX).contains(&self.kinds.len())
            && self.kinds.iter().all(|kind| kind.deviations.len() == BINS)
            && self.kinds.iter().flat_map(|kind| &kind.deviations).all(log_odds)
            && self.hours.iter().chain(&self.days).chain(&self.contexts).all(log_odds)
            && shares(&self.levels)
            && shares(&weights)
            && self.segments.values().all(|weights| weights.len() == self.kinds.len() && shares(weights))
    }
}

/// The model of all calls, and its figures on the calls of the latest fifth of the leads.
pub(super) fn fit(calls: &[LeadCalls]) -> (AnswerModel, Option<ContactMetrics>) {
    let mut order: Vec<&LeadCalls> = calls.iter().collect();
    order.sort_by_key(|calls| (calls.since, calls.lead));
    let (earlier, later) = order.split_at(order.len() * 4 / 5);
    let calls: usize = later.iter().map(|lead| lead.calls.len()).sum();
    let measured = (calls >= MIN_MEASURED).then(|| measure(&fit::fit(earlier), &fit::population(earlier), later));
    (fit::fit(&order), measured)
}

/// Predicts each call from those before it.
fn measure(model: &AnswerModel, population: &[f64; HOURS_PER_WEEK], leads: &[&LeadCalls]) -> ContactMetrics {
    let (mut labels, mut predicted, mut baseline) = (Vec::new(), Vec::new(), Vec::new());
    for lead in leads {
        let prior = model.prior(lead.segment.as_deref());
        let mut posterior = prior;
        for call in &lead.calls {
            let hour = usize::from(call.hour);
            let rate = |weights: &Posterior, context: Context| -> f64 {
                let each = weights.iter().enumerate().take(model.components());
                each.map(|(component, weight)| weight * f64::from(model.hours_of(component, context)[hour])).sum()
            };
            labels.push(call.answered);
            predicted.push(rate(&posterior, call.context));
            baseline.push(population[hour]);
            model.learn(&mut posterior, *call);
        }
    }
    ContactMetrics { model: metrics(&labels, &predicted), baseline: metrics(&labels, &baseline) }
}
