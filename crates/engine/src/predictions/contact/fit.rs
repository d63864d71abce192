//! Finding the kinds of weeks in the calls of all leads.
//!
//! Owns: expectation maximisation with smooth curves. Invariant: the same calls in the same order give the same model
//! on any number of threads.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{
    AnswerModel, BINS, COMPONENTS_MAX, CONTEXTS, HOURS_PER_WEEK, Kind, LEVELS, LeadCalls, Posterior, bin,
    newton::{Cell, Penalty, improve},
};

/// Kinds of weeks that are looked for: each starts with another best time of the day.
const KINDS: usize = 6;
/// The hours over which the best times are spread at the start.
const LAWFUL_DAY: [f64; 2] = [8.0, 21.0];
/// Log-odds of the best time of a start, and of the worst.
const START_HEIGHT: [f64; 2] = [1.4, -0.5];
/// Width of the best time of a start, in hours.
const START_WIDTH: f64 = 2.0;
/// Rounds of expectation and maximisation.
const ROUNDS: usize = 60;
/// Newton steps of the population's curve before there are kinds.
const FIRST_STEPS: usize = 12;
/// Pull on the second differences of the population's curve over neighbouring hours.
const SMOOTHNESS: f64 = 6.0;
/// The same, of what is special about a kind.
const KIND_SMOOTHNESS: f64 = 2.0;
/// Pull of a kind towards the population.
const KIND_PULL: f64 = 0.3;
/// Pull of a day towards the other days of its type.
const DAY_PULL: f64 = 20.0;
/// Pull of a context towards the others.
const CONTEXT_PULL: f64 = 2.0;
/// Pull of the population's curve towards 0: keeps the system solvable where there are no calls.
const HOUR_PULL: f64 = 0.02;
/// Leads by which equal shares of kinds and levels are strengthened.
const PRIOR_LEADS: f64 = 5.0;
/// Leads by which the population's shares are strengthened in a segment.
const SEGMENT_PRIOR_LEADS: f64 = 200.0;
/// Leads below which a segment has no shares of its own.
const MIN_SEGMENT_LEADS: usize = 100;
/// Calls by which the overall rate is strengthened in each hour of the population.
const PRIOR_CALLS: f64 = 50.0;
/// Share of answered calls assumed where nothing is known.
const RATE_UNKNOWN: f64 = 0.25;
/// Leads of one piece of work; fixed, so that sums do not depend on the threads.
const CHUNK: usize = 1_024;
/// Parameters that all kinds share: hours, days, contexts.
const SHARED: usize = BINS + 7 + CONTEXTS;

/// Share of answered calls by hour of the week, drawn towards the overall share where calls are few.
pub(super) fn population(leads: &[&LeadCalls]) -> [f64; HOURS_PER_WEEK] {
    let (mut attempts, mut answers) = ([0.0; HOURS_PER_WEEK], [0.0; HOURS_PER_WEEK]);
    for call in leads.iter().flat_map(|lead| &lead.calls) {
        attempts[usize::from(call.hour)] += 1.0;
        answers[usize::from(call.hour)] += f64::from(u8::from(call.answered));
    }
    let (all, answered) = (attempts.iter().sum::<f64>(), answers.iter().sum::<f64>());
    let overall = (answered + PRIOR_CALLS * RATE_UNKNOWN) / (all + PRIOR_CALLS);
    std::array::from_fn(|hour| (answers[hour] + PRIOR_CALLS * overall) / (attempts[hour] + PRIOR_CALLS))
}

/// The model of all calls of `leads`.
pub(super) fn fit(leads: &[&LeadCalls]) -> AnswerModel {
    if leads.is_empty() {
        return AnswerModel::default();
    }
    let mut model = start();
    let alone = AnswerModel { kinds: AnswerModel::default().kinds, ..model.clone() }.ready();
    model.hours.clone_from(&with_population(alone, leads).hours);
    model = model.ready();
    for _ in 0..ROUNDS {
        let counts = expect(&model, leads);
        maximise(&mut model, &counts);
        model = model.ready();
    }
    model.segments = segments(&model, leads);
    model
}

fn start() -> AnswerModel {
    let curve = |best: f64| -> Vec<f64> {
        (0..BINS)
            .map(|bin| {
                let z = ((bin % 24) as f64 + 0.5 - best) / START_WIDTH;
                START_HEIGHT[1] + (START_HEIGHT[0] - START_HEIGHT[1]) * (-0.5 * z * z).exp()
            })
            .collect()
    };
    let weight = 1.0 / KINDS as f64;
    let best = |k: usize| LAWFUL_DAY[0] + (LAWFUL_DAY[1] - LAWFUL_DAY[0]) * (k as f64 + 0.5) / KINDS as f64;
    let kinds = (0..KINDS).map(|k| Kind { weight, deviations: curve(best(k)) }).collect();
    AnswerModel { kinds, ..AnswerModel::default() }
}

/// The population's curve alone.
fn with_population(mut model: AnswerModel, leads: &[&LeadCalls]) -> AnswerModel {
    for _ in 0..FIRST_STEPS {
        let counts = expect(&model, leads);
        maximise_shared(&mut model, &counts);
        model = model.ready();
    }
    model
}

/// Expected attempts and answers of each component, by context and hour of the week, and the components' leads.
struct Counts {
    /// Attempts, then answers.
    cells: Vec<[f64; 2]>,
    leads: Posterior,
}

fn expect(model: &AnswerModel, leads: &[&LeadCalls]) -> Counts {
    let size = model.components() * CONTEXTS * HOURS_PER_WEEK;
    let parts: Vec<Counts> = leads
        .par_chunks(CHUNK)
        .map(|leads| {
            let mut part = Counts { cells: vec![[0.0; 2]; size], leads: [0.0; COMPONENTS_MAX] };
            for lead in leads {
                let mut posterior = model.prior(None);
                lead.calls.iter().for_each(|call| model.learn(&mut posterior, *call));
                for (component, share) in posterior.iter().enumerate().take(model.components()) {
                    part.leads[component] += share;
                    for call in &lead.calls {
                        let context = component * CONTEXTS + call.context as usize;
                        let cell = &mut part.cells[context * HOURS_PER_WEEK + usize::from(call.hour)];
                        cell[0] += share;
                        cell[1] += share * f64::from(u8::from(call.answered));
                    }
                }
            }
            part
        })
        .collect();
    let mut counts = Counts { cells: vec![[0.0; 2]; size], leads: [0.0; COMPONENTS_MAX] };
    for part in parts {
        for (all, one) in counts.cells.iter_mut().zip(part.cells) {
            *all = [all[0] + one[0], all[1] + one[1]];
        }
        counts.leads.iter_mut().zip(part.leads).for_each(|(all, one)| *all += one);
    }
    counts
}

fn maximise(model: &mut AnswerModel, counts: &Counts) {
    let total: f64 = counts.leads.iter().sum();
    let kinds = model.kinds.len();
    for k in 0..kinds {
        let of_kind: f64 = counts.leads[k * LEVELS.len()..(k + 1) * LEVELS.len()].iter().sum();
        model.kinds[k].weight = (of_kind + PRIOR_LEADS / kinds as f64) / (total + PRIOR_LEADS);
    }
    for l in 0..LEVELS.len() {
        let of_level: f64 = (0..kinds).map(|k| counts.leads[k * LEVELS.len() + l]).sum();
        model.levels[l] = (of_level + PRIOR_LEADS / LEVELS.len() as f64) / (total + PRIOR_LEADS);
    }
    maximise_shared(model, counts);
    let penalties = kind_penalties();
    let deviations: Vec<Vec<f64>> = (0..kinds)
        .into_par_iter()
        .map(|k| {
            let mut deviations = model.kinds[k].deviations.clone();
            let cells = cells(model, counts, k..k + 1, |model, _, context, hour| {
                ([bin(hour)], model.hours[bin(hour)] + model.days[hour / 24] + model.contexts[context])
            });
            improve(&mut deviations, &cells, &penalties);
            deviations
        })
        .collect();
    for (kind, deviations) in model.kinds.iter_mut().zip(deviations) {
        kind.deviations = deviations;
    }
}

fn maximise_shared(model: &mut AnswerModel, counts: &Counts) {
    let mut shared: Vec<f64> = model.hours.iter().chain(&model.days).chain(&model.contexts).copied().collect();
    let cells = cells(model, counts, 0..model.kinds.len(), |model, k, context, hour| {
        ([bin(hour), BINS + hour / 24, BINS + 7 + context], model.kinds[k].deviations[bin(hour)])
    });
    improve(&mut shared, &cells, &shared_penalties());
    debug_assert_eq!(shared.len(), SHARED, "hours, days and contexts");
    model.hours.copy_from_slice(&shared[..BINS]);
    model.days.copy_from_slice(&shared[BINS..BINS + 7]);
    model.contexts.copy_from_slice(&shared[BINS + 7..]);
}

/// The counts of `kinds` as cells; `describe(model, kind, context, hour)` gives places and offset without the level.
fn cells<const P: usize>(
    model: &AnswerModel,
    counts: &Counts,
    kinds: std::ops::Range<usize>,
    describe: impl Fn(&AnswerModel, usize, usize, usize) -> ([usize; P], f64),
) -> Vec<Cell<P>> {
    let mut cells = Vec::new();
    for k in kinds {
        for (l, level) in LEVELS.iter().enumerate() {
            for context in 0..CONTEXTS {
                let start = ((k * LEVELS.len() + l) * CONTEXTS + context) * HOURS_PER_WEEK;
                for hour in 0..HOURS_PER_WEEK {
                    let [attempts, answers] = counts.cells[start + hour];
                    if attempts > 0.0 {
                        let (places, offset) = describe(model, k, context, hour);
                        cells.push(Cell { places, offset: offset + level, attempts, answers });
                    }
                }
            }
        }
    }
    cells
}

/// Second differences of both days' curves, around the clock.
fn smoothness(weight: f64) -> impl Iterator<Item = Penalty> {
    (0..BINS).map(move |bin| {
        let neighbour = |step: usize| bin / 24 * 24 + (bin + step) % 24;
        Penalty { weight, terms: vec![(bin, 1.0), (neighbour(1), -2.0), (neighbour(2), 1.0)] }
    })
}

fn pull(places: std::ops::Range<usize>, weight: f64) -> impl Iterator<Item = Penalty> {
    places.map(move |place| Penalty { weight, terms: vec![(place, 1.0)] })
}

fn kind_penalties() -> Vec<Penalty> {
    smoothness(KIND_SMOOTHNESS).chain(pull(0..BINS, KIND_PULL)).collect()
}

fn shared_penalties() -> Vec<Penalty> {
    smoothness(SMOOTHNESS)
        .chain(pull(0..BINS, HOUR_PULL))
        .chain(pull(BINS..BINS + 7, DAY_PULL))
        .chain(pull(BINS + 7..SHARED, CONTEXT_PULL))
        .collect()
}

/// Shares of the kinds by segment, drawn towards those of all.
fn segments(model: &AnswerModel, leads: &[&LeadCalls]) -> BTreeMap<String, Vec<f64>> {
    let mut sums: BTreeMap<&str, (usize, Vec<f64>)> = BTreeMap::new();
    for lead in leads {
        let Some(segment) = lead.segment.as_deref() else { continue };
        let mut posterior = model.prior(None);
        lead.calls.iter().for_each(|call| model.learn(&mut posterior, *call));
        let (n, shares) = sums.entry(segment).or_insert_with(|| (0, vec![0.0; model.kinds.len()]));
        *n += 1;
        for (k, share) in shares.iter_mut().enumerate() {
            *share += posterior[k * LEVELS.len()..(k + 1) * LEVELS.len()].iter().sum::<f64>();
        }
    }
    let known = sums.into_iter().filter(|(_, (n, _))| *n >= MIN_SEGMENT_LEADS);
    known
        .map(|(segment, (n, shares))| {
            let drawn = shares
                .iter()
                .zip(&model.kinds)
                .map(|(share, kind)| (share + SEGMENT_PRIOR_LEADS * kind.weight) / (n as f64 + SEGMENT_PRIOR_LEADS));
            (segment.to_owned(), drawn.collect())
        })
        .collect()
}
