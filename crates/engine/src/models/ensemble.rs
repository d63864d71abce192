//! The members of a model and their sum.
//!
//! Owns: which members there are, and asking only those that count. Invariant: bias and attributions add up to the
//! log-odds of the whole. Deliberately absent: fitting, calibration, files.

use super::{calibration::Disagreement, logistic::Logistic, net::Net, stack::Stack, trees::Trees};

/// Names of the members, in the order of the stack's weights.
pub(super) const MEMBERS: [&str; 4] = ["logistic", "trees", "net", "imported"];
/// Members that are trained here come first.
pub(super) const OWN: usize = 3;
/// Place of the member that was trained elsewhere.
pub(super) const IMPORTED: usize = 3;

/// Members by their places in [`MEMBERS`].
#[derive(Default)]
pub(super) struct Members {
    pub(super) logistic: Option<Logistic>,
    pub(super) trees: Option<Trees>,
    pub(super) net: Option<Net>,
    /// Trained elsewhere.
    pub(super) imported: Option<Trees>,
}

/// What an ensemble says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Voice {
    /// Stacked log-odds.
    pub(super) log_odds: f64,
    /// How far those who speak are from each other.
    pub(super) disagreement: Disagreement,
}

/// What single members say of a row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Votes {
    /// Log-odds by member; 0 where it was not asked.
    pub(super) log_odds: [f64; MEMBERS.len()],
    /// Variance among the heads of the net.
    pub(super) net_variance: f64,
}

impl Members {
    /// Asks the members with a weight above 0.
    pub(super) fn votes(&self, weights: &[f64], row: &[f32]) -> Votes {
        let counts = |member: usize| weights[member] > 0.0;
        let mut votes = Votes::default();
        if let (Some(logistic), true) = (&self.logistic, counts(0)) {
            votes.log_odds[0] = logistic.log_odds(row);
        }
        if let (Some(trees), true) = (&self.trees, counts(1)) {
            votes.log_odds[1] = trees.log_odds(row);
        }
        if let (Some(net), true) = (&self.net, counts(2)) {
            let heads = net.heads(row);
            let mean = heads.iter().sum::<f64>() / heads.len() as f64;
            votes.log_odds[2] = mean;
            votes.net_variance = heads.iter().map(|head| (head - mean).powi(2)).sum::<f64>() / heads.len() as f64;
        }
        if let (Some(imported), true) = (&self.imported, counts(IMPORTED)) {
            votes.log_odds[IMPORTED] = imported.log_odds(row);
        }
        votes
    }
}

impl Votes {
    /// The stacked log-odds, and how much the votes differ: of the members their weighted standard deviation.
    pub(super) fn stacked(&self, stack: &Stack) -> Voice {
        let total: f64 = stack.weights.iter().sum();
        let shares = stack.weights.iter().map(|weight| weight / total);
        let mean: f64 = shares.clone().zip(&self.log_odds).map(|(share, vote)| share * vote).sum();
        let among: f64 = shares.zip(&self.log_odds).map(|(share, vote)| share * (vote - mean).powi(2)).sum();
        Voice {
            log_odds: stack.log_odds(|member| self.log_odds[member]),
            disagreement: Disagreement { members: among.sqrt(), heads: self.net_variance.sqrt() },
        }
    }
}

/// Members and their weights: what is served.
pub(super) struct Ensemble {
    members: Members,
    stack: Stack,
}

impl Ensemble {
    /// Members of weight zero are let go.
    pub(super) fn new(mut members: Members, stack: Stack) -> Self {
        let counts = |member: usize| stack.weights[member] > 0.0;
        members.logistic = members.logistic.filter(|_| counts(0));
        members.trees = members.trees.filter(|_| counts(1));
        members.net = members.net.filter(|_| counts(2));
        members.imported = members.imported.filter(|_| counts(IMPORTED));
        Self { members, stack }
    }

    /// What the ensemble says of a row, without allocation.
    pub(super) fn voice(&self, row: &[f32]) -> Voice {
        self.members.votes(&self.stack.weights, row).stacked(&self.stack)
    }

    /// Log-odds from which the attributions of every row start.
    pub(super) fn bias(&self) -> f64 {
        let of = |member: usize| match member {
            0 => self.members.logistic.as_ref().map(Logistic::bias),
            1 => self.members.trees.as_ref().map(Trees::bias),
            2 => self.members.net.as_ref().map(Net::bias),
            _ => self.members.imported.as_ref().map(Trees::bias),
        };
        self.stack.log_odds(|member| of(member).unwrap_or_default())
    }

    /// Calls `add(column, share)` for what columns add to the log-odds of `row`, any number of times for a column.
    pub(super) fn explain(&self, row: &[f32], mut add: impl FnMut(usize, f64)) {
        let weights = &self.stack.weights;
        if let Some(logistic) = &self.members.logistic {
            logistic.explain(row, |column, share| add(column, weights[0] * share));
        }
        if let Some(trees) = &self.members.trees {
            trees.explain(row, |column, share| add(column, weights[1] * share));
        }
        if let Some(net) = &self.members.net {
            net.explain(row, |column, share| add(column, weights[2] * share));
        }
        if let Some(imported) = &self.members.imported {
            imported.explain(row, |column, share| add(column, weights[IMPORTED] * share));
        }
    }
}
