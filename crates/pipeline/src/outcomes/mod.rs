//! Predictions meet their outcomes, when their 30 days are over.
//!
//! Owns: which predictions of a week count, what became of their leads, and when a week is measured. Invariants: a
//! week's figures are of each lead's first prediction in it, point in time, so that a lead that was scored often does
//! not count often; a week is measured only when the 30 days after its last instant are over, for every lead, because
//! early wins alone would make any model look right. A week is measured once; going through it again changes nothing.
//! Deliberately absent: what follows from the figures.

use std::{collections::HashMap, sync::Arc, time::Duration};

use leadscore_domain::{Clock, LeadId, Timestamp, time::DAY_US};
use leadscore_engine::{
    evaluate::{Metrics, metrics},
    features::LeadState,
};
use leadscore_store::{Decile, PeriodPerformance, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::scorer::blocking;

/// Length of a period.
const WEEK_US: i64 = 7 * DAY_US;
/// How long a prediction waits for its outcome.
const HORIZON_US: i64 = 30 * DAY_US;
/// The epoch was a Thursday: whole days from the Monday before.
const EPOCH_WEEKDAY: i64 = 3;
/// How often it is looked whether a week is over.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// Predictions, and states, that are read at once.
const PREDICTIONS_PAGE: usize = 20_000;
const STATES_PAGE: usize = 1_024;
/// Parts of the calibration.
const DECILES: usize = 10;

/// Measures weeks that are over, until `shutdown`.
pub(crate) async fn run(store: Store, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    let mut settled = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        match measure(&store, clock.now(), settled, &shutdown).await {
            Ok(until) => settled = until,
            Err(error) => tracing::warn!(%error, "predictions could not meet their outcomes; trying again later"),
        }
    }
}

/// Measures every week from `from` on, or from the first score on, whose outcomes are known at `now`; from where to go
/// on the next time.
///
/// # Errors
/// Where the store fails: what was measured stays.
pub async fn measure(
    store: &Store,
    now: Timestamp,
    from: Option<Timestamp>,
    shutdown: &CancellationToken,
) -> Result<Option<Timestamp>, StoreError> {
    let first = match from {
        Some(week) => Some(week),
        None => store.first_scored_at().await?.map(week_of),
    };
    let Some(mut week) = first else { return Ok(None) };
    while week.plus_micros(WEEK_US + HORIZON_US) <= now && !shutdown.is_cancelled() {
        let end = week.plus_micros(WEEK_US);
        for version in store.unmeasured_models(week, end).await? {
            let period = measure_one(store, version, week, now).await?;
            tracing::info!(
                model_version = period.model_version, week = %week, n = period.n, positives = period.positives,
                "the predictions of a week met their outcomes"
            );
            store.record_period(period).await?;
        }
        week = end;
    }
    Ok(Some(week))
}

/// The Monday of an instant, 00:00 UTC.
fn week_of(at: Timestamp) -> Timestamp {
    let day = i64::from(at.day());
    let monday = day - (day + EPOCH_WEEKDAY).rem_euclid(7);
    Timestamp::from_micros(monday * DAY_US).unwrap_or(Timestamp::MIN)
}

async fn measure_one(
    store: &Store,
    version: String,
    week: Timestamp,
    now: Timestamp,
) -> Result<PeriodPerformance, StoreError> {
    let (mut labels, mut probabilities) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let range = (week, week.plus_micros(WEEK_US));
        let page = store.first_predictions(&version, range, after, PREDICTIONS_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.lead_id);
        for part in page.chunks(STATES_PAGE) {
            let leads: Vec<LeadId> = part.iter().map(|prediction| prediction.lead_id).collect();
            let won = won(store, &leads).await?;
            for prediction in part {
                let at = prediction.calculated_at;
                match won.get(&prediction.lead_id) {
                    // Already won: nothing was left to predict. Without a state it was erased.
                    None => {}
                    Some(Some(won_at)) if *won_at <= at => {}
                    Some(won_at) => {
                        labels.push(won_at.is_some_and(|won_at| won_at.since(at) <= HORIZON_US));
                        probabilities.push(prediction.probability);
                    }
                }
            }
        }
    }
    Ok(blocking(move || summed_up(version, week, now, &labels, &probabilities)).await)
}

/// When each lead was first won, `None` for never; a lead that is part of another one now shares its fate.
async fn won(store: &Store, leads: &[LeadId]) -> Result<HashMap<LeadId, Option<Timestamp>>, StoreError> {
    let absorbed = store.absorbed(leads).await?;
    let survivor = |lead: &LeadId| absorbed.get(lead).copied().unwrap_or(*lead);
    let survivors: Vec<LeadId> = leads.iter().map(survivor).collect();
    let states = store.states(&survivors).await?;
    let mut won = HashMap::with_capacity(leads.len());
    for lead in leads {
        if let Some(stored) = states.get(&survivor(lead)) {
            let state = LeadState::from_bytes(&stored.bytes)
                .map_err(|_| StoreError::Corrupt(format!("the state of lead {lead}")))?;
            won.insert(*lead, state.won_at());
        }
    }
    Ok(won)
}

fn summed_up(
    model_version: String,
    period_start: Timestamp,
    test_date: Timestamp,
    labels: &[bool],
    probabilities: &[f64],
) -> PeriodPerformance {
    let Metrics { n, positives, accuracy, precision, recall, f1, log_loss, auc, ece, .. } =
        metrics(labels, probabilities);
    // The four columns of the first day are never empty: what is not defined is 0 there.
    let or_zero = |figure: f64| if figure.is_finite() { figure } else { 0.0 };
    let defined = |figure: f64| figure.is_finite().then_some(figure);
    PeriodPerformance {
        model_version,
        period_start,
        n: n as u64,
        positives: positives as u64,
        accuracy: or_zero(accuracy),
        precision: or_zero(precision),
        recall: or_zero(recall),
        f1: or_zero(f1),
        log_loss: defined(log_loss),
        auc: defined(auc),
        ece: defined(ece),
        test_date,
        calibration: deciles(labels, probabilities),
    }
}

/// Tenths of the leads by probability; fewer leads than ten give fewer parts.
fn deciles(labels: &[bool], probabilities: &[f64]) -> Vec<Decile> {
    let n = labels.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&x, &y| probabilities[x].total_cmp(&probabilities[y]));
    let parts = DECILES.min(n);
    (0..parts)
        .zip(1..)
        .map(|(part, decile)| {
            let members = &order[part * n / parts..(part + 1) * n / parts];
            let mean =
                |value: &dyn Fn(usize) -> f64| members.iter().map(|&i| value(i)).sum::<f64>() / members.len() as f64;
            Decile {
                decile,
                n: members.len() as u64,
                probability: mean(&|i| probabilities[i]),
                share: mean(&|i| f64::from(u8::from(labels[i]))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (instant, monday) in [
            ("2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z"),
            ("2026-03-08T23:59:59.999999Z", "2026-03-02T00:00:00Z"),
            ("1969-12-31T12:00:00Z", "1969-12-29T00:00:00Z"),
        ] {
            assert_eq!(week_of(at(instant)), at(monday));
        }
    }

    #[test]
    fn a_week_without_leads_has_figures_all_the_same() {
        let period = summed_up("v1".to_owned(), Timestamp::default(), Timestamp::default(), &[], &[]);
        assert_eq!((period.n, period.accuracy, period.auc, period.calibration), (0, 0.0, None, vec![]));
    }

    #[test]
    fn tenths_are_cut_by_probability_and_hold_every_lead() {
        let probabilities: Vec<f64> = (0..25).map(|i| f64::from((i * 7) % 25) / 25.0).collect();
        let labels: Vec<bool> = probabilities.iter().map(|p| *p > 0.5).collect();
        let deciles = deciles(&labels, &probabilities);
        assert_eq!((deciles.len(), deciles.iter().map(|d| d.n).sum::<u64>()), (10, 25));
        assert!(deciles.is_sorted_by(|a, b| a.probability < b.probability && a.share <= b.share), "{deciles:?}");
        assert_eq!((deciles[0].share, deciles[9].share), (0.0, 1.0));
        assert_eq!(super::deciles(&labels[..3], &probabilities[..3]).len(), 3);
    }
}
