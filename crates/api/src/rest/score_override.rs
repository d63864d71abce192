//! What the endpoints of overrides share: the shape of one.

use leadscore_domain::Timestamp;
use leadscore_store::Principal;
use serde::Serialize;
use utoipa::ToSchema;

use super::privacy_request::Who;

/// A score that a person gave a lead in place of the model's, which stays as it is beside it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreOverride {
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100, example = 95)]
    score: u8,
    /// Why; left out for keys without the scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Who gave it.
    set_by: Who,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when it holds; `null` until it is ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Timestamp>,
    /// When somebody ended or replaced it.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    ended_at: Option<Timestamp>,
    /// Who.
    #[schema(required)]
    ended_by: Option<Who>,
}

impl ScoreOverride {
    /// As somebody is shown it.
    pub fn new(one: leadscore_store::ScoreOverride, principal: &Principal) -> Self {
        Self {
            score: one.score,
            reason: principal.sees_persons().then_some(one.reason),
            set_by: one.set_by.into(),
            created_at: one.created_at,
            expires_at: one.expires_at,
            ended_at: one.ended_at,
            ended_by: one.ended_by.map(Who::from),
        }
    }
}
