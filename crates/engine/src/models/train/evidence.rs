//! What members say of examples that they were not fitted on.
//!
//! Owns: the fits of the folds, the choice of the logistic member's penalty, and the weights of the stack. Invariant:
//! nothing here is served; what is served is fitted anew, to everything, with the sizes found here.

use std::{
    ops::Range,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use rayon::prelude::*;

use super::{
    Progress, TrainError, TrainOptions, TrainingSet,
    guest::Guest,
    plan::{Fold, Plan},
};
use crate::models::{
    ensemble::{Ensemble, MEMBERS, Members, OWN, Voice, Votes},
    logistic::Logistic,
    net::{Net, NetOptions},
    numeric::softplus,
    reference::groups_of,
    stack::Stack,
    trees::{Trees, Work},
};

/// Penalties that the logistic member is tried with; with many examples the choice does not matter, and the first of
/// [`PENALTIES_MANY`] is taken.
const PENALTIES: [f64; 3] = [1.0, 10.0, 100.0];
/// The same for many examples.
const PENALTIES_MANY: [f64; 1] = [10.0];
/// Examples that count as many.
const MANY: usize = 50_000;
/// Most examples behind the reference of the groups.
const MAX_GROUP_EXAMPLES: usize = 5_000;
/// Shares of the progress that folds take, in percent.
pub(super) const PERCENT: Range<usize> = 5..65;

/// How large each member should be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sizes {
    pub(super) penalty: f64,
    pub(super) rounds: usize,
    pub(super) epochs: usize,
}

impl Sizes {
    /// Of those that suited the folds; penalties by their geometric mean.
    fn mean(sizes: impl ExactSizeIterator<Item = Self> + Clone) -> Self {
        let n = sizes.len() as f64;
        let of = |value: fn(&Self) -> f64| sizes.clone().map(|size| value(&size)).sum::<f64>() / n;
        Self {
            penalty: of(|size| size.penalty.ln()).exp(),
            rounds: of(|size| size.rounds as f64).round().max(1.0) as usize,
            epochs: of(|size| size.epochs as f64).round().max(1.0) as usize,
        }
    }
}

/// What the folds found.
pub(super) struct Evidence {
    pub(super) sizes: Sizes,
    pub(super) stack: Stack,
    /// What each member says alone of the held-out rows, in their order.
    pub(super) alone: Vec<Vec<f64>>,
    /// Every held-out row.
    pub(super) held_out: Vec<usize>,
    /// Stacked votes on each of `held_out`, by members that did not see it.
    pub(super) held_out_voices: Vec<Voice>,
    /// Stacked log-odds by each fold's members of each judged row, whether they saw it or not.
    pub(super) by_fold: Vec<Vec<f64>>,
    /// Attributions by group of a sample of judged rows.
    pub(super) groups: Vec<[f64; 4]>,
}

/// A vote of every member, whatever its weight.
const ALL: [f64; MEMBERS.len()] = [1.0; MEMBERS.len()];

/// Fits every fold and weighs the members.
pub(super) fn gather(
    set: &TrainingSet,
    targets: &[f32],
    plan: &Plan,
    guest: Option<&Guest>,
    options: &TrainOptions,
    progress: &dyn Fn(Progress),
) -> Result<Evidence, TrainError> {
    let mut fits = fit(set, targets, plan, options, progress)?;
    for (members, _) in &mut fits {
        members.imported = guest.map(|guest| guest.trees.clone());
    }
    let held_out: Vec<usize> = plan.folds.iter().flat_map(|fold| fold.held_out.iter().copied()).collect();
    let votes: Vec<Votes> =
        fits.iter().zip(&plan.folds).flat_map(|((members, _), fold)| cast(set, members, &fold.held_out)).collect();
    let of_member = |member: usize| votes.iter().map(|vote| vote.log_odds[member]).collect();
    let by_member: Vec<Vec<f64>> = (0..MEMBERS.len()).map(of_member).collect();
    let mut stack = Stack::fit(&by_member[..OWN], &held_out.iter().map(|&row| targets[row]).collect::<Vec<_>>());
    stack.weights.push(0.0);
    if let Some(guest) = guest {
        stack = guest.join(&stack, &by_member, &held_out, set, targets, plan);
    }
    let sizes = Sizes::mean(fits.iter().map(|(_, sizes)| *sizes));
    let ensembles: Vec<Ensemble> = fits.into_iter().map(|(members, _)| Ensemble::new(members, stack.clone())).collect();
    let hear = |ensemble: &Ensemble| judge(&plan.judged, |row| ensemble.voice(set.matrix.row(row)).log_odds);
    Ok(Evidence {
        sizes,
        held_out_voices: votes.iter().map(|vote| vote.stacked(&stack)).collect(),
        by_fold: ensembles.iter().map(hear).collect(),
        groups: groups(set, &ensembles, plan),
        alone: by_member,
        held_out,
        stack,
    })
}

/// What is said of each of `rows`.
fn judge<T: Send>(rows: &[usize], say: impl Fn(usize) -> T + Sync) -> Vec<T> {
    rows.par_iter().map(|&row| say(row)).collect()
}

fn cast(set: &TrainingSet, members: &Members, rows: &[usize]) -> Vec<Votes> {
    judge(rows, |row| members.votes(&ALL, set.matrix.row(row)))
}

/// One fit of one member.
enum Fit {
    Logistic(Logistic, f64),
    Trees(Trees, usize),
    Net(Box<Net>, usize),
}

/// Fits every member to every fold, each as large as suits the rows that are held out.
fn fit(
    set: &TrainingSet,
    targets: &[f32],
    plan: &Plan,
    options: &TrainOptions,
    progress: &dyn Fn(Progress),
) -> Result<Vec<(Members, Sizes)>, TrainError> {
    let work = Work { threads: 1, ..options.work(set.matrix.rows()) };
    let net = NetOptions { seed: options.seed, threads: 1, epochs: None };
    let tell = |done: usize| {
        let percent = PERCENT.start + PERCENT.len() * done / (OWN * plan.folds.len());
        progress(Progress { step: "fitting folds", percent: percent as u8 });
    };
    // A thread for each fit keeps the processors busier than threads that share every one. The longest come first.
    let fits = side_by_side(options.threads, OWN * plan.folds.len(), &tell, |task| {
        let (member, fold) = (task / plan.folds.len(), &plan.folds[task % plan.folds.len()]);
        Ok(match member {
            0 => {
                let (net, epochs) = Net::fit(&set.matrix, targets, &fold.fitted, Some(&fold.held_out), net)?;
                Fit::Net(Box::new(net), epochs)
            }
            1 => {
                let fitted = Trees::fit_watched(&set.examples(targets), &fold.fitted, &fold.held_out, work)?;
                Fit::Trees(fitted.trees, fitted.rounds)
            }
            _ => {
                let (logistic, penalty) = fit_logistic(set, targets, fold);
                Fit::Logistic(logistic, penalty)
            }
        })
    });
    let mut folds: Vec<(Members, Sizes)> = plan.folds.iter().map(|_| Default::default()).collect();
    for (task, fit) in fits.into_iter().enumerate() {
        let (members, sizes) = &mut folds[task % plan.folds.len()];
        match fit? {
            Fit::Logistic(logistic, penalty) => (members.logistic, sizes.penalty) = (Some(logistic), penalty),
            Fit::Trees(trees, rounds) => (members.trees, sizes.rounds) = (Some(trees), rounds),
            Fit::Net(net, epochs) => (members.net, sizes.epochs) = (Some(*net), epochs),
        }
    }
    Ok(folds)
}

/// What `run` answers for each of so many tasks, on threads of their own: those of the pool would begin a further task
/// on top of one that waits, without end of the stack in sight. `tell` hears how many are done.
fn side_by_side<T: Send>(
    threads: usize,
    tasks: usize,
    tell: &dyn Fn(usize),
    run: impl Fn(usize) -> Result<T, TrainError> + Sync,
) -> Vec<Result<T, TrainError>> {
    let next = AtomicUsize::new(0);
    let (send, done) = mpsc::channel();
    tell(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, tasks) {
            let (send, next, run) = (send.clone(), &next, &run);
            scope.spawn(move || {
                let tasks = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|&n| n < tasks);
                tasks.map(|task| (task, run(task))).try_for_each(|answer| send.send(answer)).ok();
            });
        }
        drop(send);
        let mut answers: Vec<(usize, Result<T, TrainError>)> = Vec::with_capacity(tasks);
        for answer in done {
            answers.push(answer);
            tell(answers.len());
        }
        answers.sort_by_key(|(task, _)| *task);
        answers.into_iter().map(|(_, answer)| answer).collect()
    })
}

/// The logistic member under the penalty that suits the held-out rows best.
fn fit_logistic(set: &TrainingSet, targets: &[f32], fold: &Fold) -> (Logistic, f64) {
    let penalties: &[f64] = if set.matrix.rows() < MANY { &PENALTIES } else { &PENALTIES_MANY };
    let table = set.matrix.select(&fold.fitted);
    let fitted: Vec<f32> = fold.fitted.iter().map(|&row| targets[row]).collect();
    let tried = penalties.iter().map(|&penalty| {
        let logistic = Logistic::fit(&table, &fitted, penalty);
        let loss: f64 = fold
            .held_out
            .iter()
            .map(|&row| {
                let value = logistic.log_odds(set.matrix.row(row));
                softplus(value) - f64::from(targets[row]) * value
            })
            .sum();
        (loss, logistic, penalty)
    });
    let best = tried.min_by(|(x, ..), (y, ..)| x.total_cmp(y)).expect("there is a penalty to try");
    (best.1, best.2)
}

/// Attributions by group of judged rows, each by an ensemble that did not see it; at most [`MAX_GROUP_EXAMPLES`].
fn groups(set: &TrainingSet, ensembles: &[Ensemble], plan: &Plan) -> Vec<[f64; 4]> {
    let group_of = groups_of(&set.matrix.columns);
    let mut is_judged = vec![false; set.leads.len()];
    plan.judged.iter().for_each(|&row| is_judged[row] = true);
    let of_fold = |(fold, rows): (usize, &Fold)| -> Vec<(usize, usize)> {
        rows.held_out.iter().filter(|&&row| is_judged[row]).map(|&row| (fold, row)).collect()
    };
    let rows: Vec<(usize, usize)> = plan.folds.iter().enumerate().flat_map(of_fold).collect();
    let stride = rows.len().div_ceil(MAX_GROUP_EXAMPLES).max(1);
    let sample: Vec<(usize, usize)> = rows.into_iter().step_by(stride).collect();
    let sums = |&(fold, row): &(usize, usize)| {
        let mut sums = [0.0; 4];
        ensembles[fold].explain(set.matrix.row(row), |column, share| sums[usize::from(group_of[column])] += share);
        sums
    };
    sample.par_iter().map(sums).collect()
}
