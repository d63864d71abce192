//! The report of a back test.

use super::{Backtest, Split};

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct Report {
    /// Heading.
    pub title: String,
    /// How the examples were divided.
    pub split: Split,
    /// The findings.
    pub backtest: Backtest,
    /// Whether the data comes from the simulator.
    pub simulated: bool,
}

/// The report as one HTML page without references to anything outside.
#[must_use]
pub fn report_html(_report: &Report) -> String {
    todo!()
}

/// The same figures as JSON.
#[must_use]
pub fn report_json(_report: &Report) -> serde_json::Value {
    todo!()
}
