//! Predictions that met their outcomes: what was predicted in a week, and how that week's predictions fared.
//!
//! Invariant: a week of a model is kept once, with its calibration, in one transaction. Deliberately absent: the
//! figures themselves, which the engine calculates.

use leadscore_domain::{LeadId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, Row, insert, query},
    keyring::timed_id,
};

/// Most predictions of one page.
const PAGE_MAX: usize = 50_000;
/// Most weeks of one answer.
const WEEKS_MAX: i64 = 1_000;

/// The first prediction about a lead in a week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// About whom.
    pub lead_id: LeadId,
    /// Of conversion within 30 days, 0 to 1.
    pub probability: f64,
    /// When.
    pub calculated_at: Timestamp,
}

/// How a model's predictions of a week fared. Figures that are not defined, for want of examples of both kinds, are
/// missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeriodPerformance {
    /// The model, such as `v3`.
    pub model_version: String,
    /// Monday, 00:00 UTC.
    pub period_start: Timestamp,
    /// Leads with a prediction.
    pub n: u64,
    /// Those that converted within 30 days of it.
    pub positives: u64,
    /// Share of right answers at 0.5; 0 where there are no leads.
    pub accuracy: f64,
    /// Share of converted among those from 0.5.
    pub precision: f64,
    /// Share of the converted that stood at 0.5 or above.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Mean negative log-likelihood in nats.
    pub log_loss: Option<f64>,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// Expected calibration error.
    pub ece: Option<f64>,
    /// When it was measured.
    pub test_date: Timestamp,
    /// Tenths of the leads by probability, the least probable first.
    pub calibration: Vec<Decile>,
}

/// A tenth of the leads of a week.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decile {
    /// 1 to 10, the least probable first.
    pub decile: u8,
    /// Leads.
    pub n: u64,
    /// Mean of their probabilities.
    pub probability: f64,
    /// Share of them that converted.
    pub share: f64,
}

impl Store {
    /// When the first score was calculated that is still kept.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn first_scored_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = query("SELECT calculated_at FROM lead_scores ORDER BY calculated_at LIMIT 1")
            .fetch_optional(&mut self.reader().await?)
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Models that scored from `from` on and before `to`, without those whose period from `from` on is kept.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn unmeasured_models(&self, from: Timestamp, to: Timestamp) -> Result<Vec<String>, StoreError> {
        let rows = query(
            "SELECT DISTINCT model_version FROM lead_scores WHERE calculated_at >= $1 AND calculated_at < $2 \
             AND model_version NOT IN (SELECT model_version FROM model_performance WHERE period_start = $1) \
             ORDER BY model_version",
        )
        .bind(from)
        .bind(to)
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The first prediction of a model about each lead from `from` on and before `to`, in the order of the leads after
    /// `after`, up to `limit` (at most 50,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn first_predictions(
        &self,
        model_version: &str,
        (from, to): (Timestamp, Timestamp),
        after: Option<LeadId>,
        limit: usize,
    ) -> Result<Vec<Prediction>, StoreError> {
        let rows = query(
            "SELECT lead_id, probability, calculated_at FROM (SELECT lead_id, probability, calculated_at, \
             ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY calculated_at, log_position, id) AS place \
             FROM lead_scores WHERE model_version = $1 AND calculated_at >= $2 AND calculated_at < $3 \
             AND lead_id > $4) s WHERE place = 1 ORDER BY lead_id LIMIT $5",
        )
        .bind(model_version)
        .bind(from)
        .bind(to)
        .bind(after.unwrap_or(LeadId(Uuid::nil())))
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter()
            .map(|row| Ok(Prediction { lead_id: row.get(0)?, probability: row.get(1)?, calculated_at: row.get(2)? }))
            .collect()
    }

    /// Keeps how a week fared, unless it is kept already.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn record_period(&self, period: PeriodPerformance) -> Result<(), StoreError> {
        self.write(Lane::Derive, 11, After::Sync, move |conn| Box::pin(async move { record(conn, &period).await }))
            .await
    }

    /// How the weeks of a model fared, or of all, the latest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn periods(&self, model_version: Option<&str>) -> Result<Vec<PeriodPerformance>, StoreError> {
        let mut reader = self.reader().await?;
        let rows = query(
            "SELECT model_version, period_start, n, positives, accuracy_score, precision_score, recall_score, f1_score, \
             log_loss, auc, ece, test_date FROM model_performance \
             WHERE period_start IS NOT NULL AND ($1 IS NULL OR model_version = $1) \
             ORDER BY period_start DESC, model_version LIMIT $2",
        )
        .bind(model_version)
        .bind(WEEKS_MAX)
        .fetch_all(&mut reader)
        .await?;
        let mut periods = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut period = read(row)?;
            let deciles = query(
                "SELECT decile, n, probability, share FROM model_calibration \
                 WHERE model_version = $1 AND period_start = $2 ORDER BY decile",
            )
            .bind(&period.model_version)
            .bind(period.period_start)
            .fetch_all(&mut reader)
            .await?;
            for row in &deciles {
                let (decile, n) = (row.get(0)?, row.get(1)?);
                period.calibration.push(Decile { decile, n, probability: row.get(2)?, share: row.get(3)? });
            }
            periods.push(period);
        }
        Ok(periods)
    }
}

async fn record(conn: &mut Conn, period: &PeriodPerformance) -> Result<(), StoreError> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let kept = query(
        "INSERT INTO model_performance (id, model_version, period_start, n, positives, accuracy_score, precision_score, \
         recall_score, f1_score, log_loss, auc, ece, test_date) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (period_start, model_version) DO NOTHING",
    )
    .bind(timed_id(period.test_date))
    .bind(&period.model_version)
    .bind(period.period_start)
    .bind(count(period.n))
    .bind(count(period.positives))
    .bind(period.accuracy)
    .bind(period.precision)
    .bind(period.recall)
    .bind(period.f1)
    .bind(period.log_loss)
    .bind(period.auc)
    .bind(period.ece)
    .bind(period.test_date)
    .execute(conn)
    .await?;
    if kept == 0 {
        return Ok(());
    }
    let into = "INSERT INTO model_calibration (model_version, period_start, decile, n, probability, share)";
    insert(conn, into, 6, "", &period.calibration, |bind, decile| {
        bind.push(&period.model_version)
            .push(period.period_start)
            .push(decile.decile)
            .push(count(decile.n))
            .push(decile.probability)
            .push(decile.share);
    })
    .await?;
    Ok(())
}

/// Columns as the query above names them.
fn read(row: &Row) -> Result<PeriodPerformance, StoreError> {
    Ok(PeriodPerformance {
        model_version: row.get(0)?,
        period_start: row.get(1)?,
        n: row.get(2)?,
        positives: row.get(3)?,
        accuracy: row.get(4)?,
        precision: row.get(5)?,
        recall: row.get(6)?,
        f1: row.get(7)?,
        log_loss: row.get(8)?,
        auc: row.get(9)?,
        ece: row.get(10)?,
        test_date: row.get(11)?,
        calibration: Vec::new(),
    })
}
