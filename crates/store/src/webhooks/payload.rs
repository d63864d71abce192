//! What messages say: `{type, timestamp, data}`, small, and without anything personal but the lead's id.

use leadscore_domain::{
    Grade, LeadId, Score, Timestamp,
    webhook::{Direction, MessageType},
};
use serde::Serialize;

/// A message as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Payload<'p, D> {
    #[serde(rename = "type")]
    pub(super) kind: MessageType,
    /// When it happened.
    pub(super) timestamp: Timestamp,
    pub(super) data: &'p D,
}

impl<D: Serialize> Payload<'_, D> {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data with string keys is JSON")
    }
}

/// A score in three figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) score: u8,
    pub(crate) grade: Grade,
    pub(crate) probability: f64,
}

impl Figures {
    pub(super) fn new(score: u8, probability: f64) -> Self {
        Self { score, grade: score.into(), probability: (probability * 10_000.0).round() / 10_000.0 }
    }
}

/// A lead's score, and the one before it.
#[derive(Debug, Serialize)]
pub(super) struct ScoreData<'p> {
    pub(super) lead_id: LeadId,
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// `null` for a lead that had no score.
    pub(super) previous: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) direction: Option<Direction>,
    pub(super) model_version: &'p str,
    pub(super) log_position: i64,
}

impl<'p> ScoreData<'p> {
    pub(super) fn new(score: &'p Score, previous: Option<Figures>) -> Self {
        Self {
            lead_id: score.lead_id,
            figures: Figures::new(score.score, score.probability),
            previous,
            threshold: None,
            direction: None,
            model_version: &score.model_version,
            log_position: score.log_position,
        }
    }
}

/// A lead to which nothing happens.
#[derive(Debug, Serialize)]
pub(super) struct SilenceData<'p> {
    pub(super) lead_id: LeadId,
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) last_event_at: Timestamp,
    pub(super) silent_days: u16,
    pub(super) model_version: &'p str,
    pub(super) log_position: i64,
}

/// A model that scores from now on.
#[derive(Debug, Serialize)]
pub(super) struct PromotionData<'p> {
    pub(super) model_version: &'p str,
    pub(super) previous_model_version: Option<&'p str>,
}

/// Nothing.
#[derive(Debug, Serialize)]
pub(super) struct TestData {
    pub(super) endpoint_id: uuid::Uuid,
}
