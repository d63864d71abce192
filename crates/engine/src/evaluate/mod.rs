//! Measuring models: splits, metrics, back tests and their report.
//!
//! Owns: how examples are divided without sharing a lead, the figures, and the HTML and JSON report. Invariant: a
//! figure of a test example comes from a model, a schema and a calibration that never saw its lead. Deliberately
//! absent: reading examples, writing files.

pub mod backtest;
pub(crate) mod caveats;
mod curves;
pub mod fairness;
pub mod metrics;
mod plots;
pub mod reliability;
pub mod report;
pub mod split;

pub use backtest::{Backtest, BacktestError, BacktestRow, backtest};
pub use metrics::{Metrics, auc, metrics};
pub use report::{Report, report_html, report_json};
pub use split::{Split, SplitError};
