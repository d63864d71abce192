//! How models did on data that they had not seen, before they scored.

use leadscore_domain::Timestamp;

use crate::{
    Store, StoreError,
    db::{After, Lane, query},
    keyring::timed_id,
};

/// One test of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPerformance {
    /// The model, such as `v3`.
    pub model_version: String,
    /// Share of right decisions, 0 to 1.
    pub accuracy: f64,
    /// Share of predicted conversions that came, 0 to 1.
    pub precision: f64,
    /// Share of conversions that were predicted, 0 to 1.
    pub recall: f64,
    /// Harmonic mean of precision and recall, 0 to 1.
    pub f1: f64,
    /// When the test was made.
    pub test_date: Timestamp,
}

impl Store {
    /// Records a test of a model.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn record_performance(&self, performance: ModelPerformance) -> Result<(), StoreError> {
        let id = timed_id(performance.test_date);
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "INSERT INTO model_performance \
                     (id, model_version, accuracy_score, precision_score, recall_score, f1_score, test_date) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(id)
                .bind(performance.model_version)
                .bind(performance.accuracy)
                .bind(performance.precision)
                .bind(performance.recall)
                .bind(performance.f1)
                .bind(performance.test_date)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Tests of a model before it scored, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn performance(&self, model_version: &str) -> Result<Vec<ModelPerformance>, StoreError> {
        let rows = query(
            "SELECT model_version, accuracy_score, precision_score, recall_score, f1_score, test_date \
             FROM model_performance WHERE model_version = $1 AND period_start IS NULL ORDER BY test_date DESC, id DESC",
        )
        .bind(model_version)
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ModelPerformance {
                    model_version: row.get(0)?,
                    accuracy: row.get(1)?,
                    precision: row.get(2)?,
                    recall: row.get(3)?,
                    f1: row.get(4)?,
                    test_date: row.get(5)?,
                })
            })
            .collect()
    }
}
