//! What is answered to events.

use leadscore_domain::EventId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::batch::Outcome;
use crate::{
    problem::{Code, ProblemBody},
    rest::{
        show_score::LeadScore,
        wait_for_scores::{Verdict, Verdicts},
    },
};

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// Events that are durable now.
    accepted: usize,
    /// Events that were there before.
    duplicates: usize,
    /// Events that came too late, and are kept aside.
    dead_lettered: usize,
    /// Events that were not taken.
    refused: usize,
    /// Whether a score that was asked for was not there in time; missing where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) score_pending: Option<bool>,
    /// What became of each, in the order of the request.
    results: Vec<EventResult>,
}

/// What became of one event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventResult {
    /// Place in the request, from 0.
    index: usize,
    /// What became of it.
    status: EventStatus,
    /// The event's id: the same for the same source and source event id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event_id: Option<Uuid>,
    /// The lead that it was found to be about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lead_id: Option<Uuid>,
    /// The lead's score with the event in it, where it was asked for. Of a lead that was merged, that of its survivor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    score: Option<LeadScore>,
    /// Why the lead must not have one, where it was asked for: `profiling-consent-missing`, `processing-restricted` or
    /// `profiling-objected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "profiling-consent-missing")]
    withheld: Option<&'static str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<ProblemBody>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Durable now.
    Accepted,
    /// There before.
    Duplicate,
    /// Too old to be applied; durable, and kept aside until somebody decides.
    DeadLettered,
    /// Not taken, see `error`.
    Refused,
}

impl EventResult {
    /// An event that is kept aside; whose it is nobody has looked up.
    fn late(index: usize, event: EventId) -> Self {
        Self {
            index,
            status: EventStatus::DeadLettered,
            event_id: Some(event.0),
            lead_id: None,
            score: None,
            withheld: None,
            error: None,
        }
    }
}

/// The answer to what became of events, with the verdicts that were waited for.
pub(super) fn receipt(outcomes: Vec<Outcome>, verdicts: Option<&Verdicts>) -> Receipt {
    let mut pending = false;
    let results: Vec<EventResult> = outcomes
        .into_iter()
        .enumerate()
        .map(|(index, outcome)| {
            let (status, ids, error) = match outcome {
                Outcome::Accepted(event, lead) => (EventStatus::Accepted, Some((event, lead)), None),
                Outcome::Duplicate(event, lead) => (EventStatus::Duplicate, Some((event, lead)), None),
                Outcome::Late(event) => return EventResult::late(index, event),
                Outcome::Refused(problem) => (EventStatus::Refused, None, Some(problem.into_body())),
                Outcome::Pending => unreachable!("each pending event has met its answer"),
            };
            let (score, withheld) = match verdicts.zip(ids).map(|(verdicts, (_, lead))| verdicts.get(&lead)) {
                Some(Some(Verdict::Score(score))) => (Some(LeadScore::from(&**score)), None),
                Some(Some(Verdict::Withheld(obstacle))) => (None, Some(Code::from(*obstacle).as_str())),
                Some(None) => {
                    pending = true;
                    (None, None)
                }
                None => (None, None),
            };
            let (event_id, lead_id) = ids.map(|(event, lead)| (event.0, lead.0)).unzip();
            EventResult { index, status, event_id, lead_id, score, withheld, error }
        })
        .collect();
    let count = |status| results.iter().filter(|result| result.status == status).count();
    Receipt {
        accepted: count(EventStatus::Accepted),
        duplicates: count(EventStatus::Duplicate),
        dead_lettered: count(EventStatus::DeadLettered),
        refused: count(EventStatus::Refused),
        score_pending: verdicts.map(|_| pending),
        results,
    }
}
