//! Market conditions by area and instant.

use leadscore_domain::MarketSnapshot;

/// Market data, looked up by area and instant.
#[derive(Debug, Clone, Default)]
pub struct Market;

impl Market {
    /// From snapshots in any order.
    #[must_use]
    pub fn new(_snapshots: Vec<MarketSnapshot>) -> Self {
        Self
    }

    /// No market data.
    #[must_use]
    pub fn empty() -> Self {
        Self
    }
}
