//! The REST endpoints, one per file.
//!
//! Invariant: an endpoint is routed and documented by the same declaration, and each problem that it answers with is
//! named in its list. Deliberately absent: writing anything but events.

pub mod answers;
pub mod api_key;
pub mod assign_lead;
pub mod audit_entry;
pub mod batch_score;
pub mod batch_stream;
pub mod cancel_job;
pub mod change_password;
pub mod complete_privacy_request;
pub mod contest_score;
pub mod create_api_key;
pub mod create_consent;
pub mod create_job;
pub mod create_lead;
pub mod create_outcome;
pub mod create_team;
pub mod create_ticket;
pub mod create_user;
pub mod create_webhook;
pub mod delete_team;
pub mod delete_user;
pub mod delete_webhook;
pub mod end_override;
pub mod end_session;
pub mod end_sessions;
pub mod erase_lead;
pub mod export_audit;
pub mod export_lead;
pub mod extend_privacy_request;
pub mod fetch_privacy_export;
pub mod healthz;
pub mod job;
pub mod jwks;
pub mod lead_event;
pub mod lift_privacy_request;
pub mod list_api_keys;
pub mod list_audit;
pub mod list_consents;
pub mod list_events;
pub mod list_jobs;
pub mod list_market;
pub mod list_models;
pub mod list_outcomes;
pub mod list_overrides;
pub mod list_predictions;
pub mod list_privacy_requests;
pub mod list_scores;
pub mod list_sessions;
pub mod list_teams;
pub mod list_users;
pub mod list_webhook_deliveries;
pub mod list_webhooks;
pub mod log_in;
pub mod log_out;
pub mod me;
pub mod merge_leads;
pub mod metrics;
pub mod model;
pub mod models;
pub mod open_privacy_request;
pub mod performance;
pub mod post_events;
pub mod privacy_request;
pub mod put_market;
pub mod readyz;
pub mod refresh_session;
pub mod refuse_privacy_request;
pub mod rename_team;
pub mod replay_webhook;
pub mod replay_webhook_message;
pub mod resume_job;
pub mod revoke_api_key;
pub mod rotate_webhook_secret;
pub mod score_override;
pub mod search_leads;
pub mod session;
pub mod set_override;
pub mod show_explanation;
pub mod show_job;
pub mod show_lead;
pub mod show_model;
pub mod show_model_performance;
pub mod show_privacy_request;
pub mod show_queue;
pub mod show_score;
pub mod show_webhook;
pub mod start_privacy_request;
pub mod team;
pub mod test_webhook;
pub mod update_lead;
pub mod update_user;
pub mod update_webhook;
pub mod user;
pub mod wait_for_scores;
pub mod webhook;

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use leadscore_domain::LeadId;
use leadscore_store::StoreError;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    problem::{Code, Problem},
    socket::stream,
    state::Api,
};

/// Seconds after which a busy store may be asked again.
const RETRY_AFTER_BUSY_S: u64 = 1;

/// What an operation can answer beside success, by its id in the OpenAPI document.
pub(crate) const PROBLEMS: [(&str, &[Code]); 80] = [
    ("create_lead", create_lead::PROBLEMS),
    ("search_leads", search_leads::PROBLEMS),
    ("show_lead", show_lead::PROBLEMS),
    ("update_lead", update_lead::PROBLEMS),
    ("merge_leads", merge_leads::PROBLEMS),
    ("create_outcome", create_outcome::PROBLEMS),
    ("list_outcomes", list_outcomes::PROBLEMS),
    ("list_events", list_events::PROBLEMS),
    ("show_score", show_score::PROBLEMS),
    ("list_scores", list_scores::PROBLEMS),
    ("show_explanation", show_explanation::PROBLEMS),
    ("batch_score", batch_score::PROBLEMS),
    ("post_events", post_events::PROBLEMS),
    ("create_job", create_job::PROBLEMS),
    ("list_jobs", list_jobs::PROBLEMS),
    ("show_job", show_job::PROBLEMS),
    ("cancel_job", cancel_job::PROBLEMS),
    ("resume_job", resume_job::PROBLEMS),
    ("create_api_key", create_api_key::PROBLEMS),
    ("list_api_keys", list_api_keys::PROBLEMS),
    ("revoke_api_key", revoke_api_key::PROBLEMS),
    ("me", me::PROBLEMS),
    ("log_out", log_out::PROBLEMS),
    ("change_password", change_password::PROBLEMS),
    ("list_sessions", list_sessions::PROBLEMS),
    ("end_session", end_session::PROBLEMS),
    ("create_user", create_user::PROBLEMS),
    ("list_users", list_users::PROBLEMS),
    ("update_user", update_user::PROBLEMS),
    ("delete_user", delete_user::PROBLEMS),
    ("end_sessions", end_sessions::PROBLEMS),
    ("create_team", create_team::PROBLEMS),
    ("list_teams", list_teams::PROBLEMS),
    ("rename_team", rename_team::PROBLEMS),
    ("delete_team", delete_team::PROBLEMS),
    ("assign_lead", assign_lead::PROBLEMS),
    ("list_audit", list_audit::PROBLEMS),
    ("export_audit", export_audit::PROBLEMS),
    ("create_webhook", create_webhook::PROBLEMS),
    ("list_webhooks", list_webhooks::PROBLEMS),
    ("show_webhook", show_webhook::PROBLEMS),
    ("update_webhook", update_webhook::PROBLEMS),
    ("delete_webhook", delete_webhook::PROBLEMS),
    ("rotate_webhook_secret", rotate_webhook_secret::PROBLEMS),
    ("test_webhook", test_webhook::PROBLEMS),
    ("replay_webhook", replay_webhook::PROBLEMS),
    ("list_webhook_deliveries", list_webhook_deliveries::PROBLEMS),
    ("replay_webhook_message", replay_webhook_message::PROBLEMS),
    ("create_ticket", create_ticket::PROBLEMS),
    ("stream_scores", stream::PROBLEMS),
    ("show_queue", show_queue::PROBLEMS),
    ("list_models", list_models::PROBLEMS),
    ("show_model", show_model::PROBLEMS),
    ("show_model_performance", show_model_performance::PROBLEMS),
    ("list_predictions", list_predictions::PROBLEMS),
    ("list_market", list_market::PROBLEMS),
    ("put_market", put_market::PROBLEMS),
    ("list_consents", list_consents::PROBLEMS),
    ("create_consent", create_consent::PROBLEMS),
    ("export_lead", export_lead::PROBLEMS),
    ("erase_lead", erase_lead::PROBLEMS),
    ("open_privacy_request", open_privacy_request::PROBLEMS),
    ("list_privacy_requests", list_privacy_requests::PROBLEMS),
    ("show_privacy_request", show_privacy_request::PROBLEMS),
    ("start_privacy_request", start_privacy_request::PROBLEMS),
    ("complete_privacy_request", complete_privacy_request::PROBLEMS),
    ("refuse_privacy_request", refuse_privacy_request::PROBLEMS),
    ("extend_privacy_request", extend_privacy_request::PROBLEMS),
    ("lift_privacy_request", lift_privacy_request::PROBLEMS),
    ("fetch_privacy_export", fetch_privacy_export::PROBLEMS),
    ("set_override", set_override::PROBLEMS),
    ("end_override", end_override::PROBLEMS),
    ("list_overrides", list_overrides::PROBLEMS),
    ("contest_score", contest_score::PROBLEMS),
    ("log_in", log_in::PROBLEMS),
    ("refresh_session", refresh_session::PROBLEMS),
    ("jwks", jwks::PROBLEMS),
    ("healthz", &[]),
    ("readyz", readyz::PROBLEMS),
    ("metrics", &[]),
];

/// Problems of every endpoint that reads a body.
pub(crate) const BODY_PROBLEMS: [Code; 6] = [
    Code::MalformedJson,
    Code::UnreadableBody,
    Code::BodyTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::InvalidField,
];

/// Endpoints that need a token.
pub(crate) fn guarded() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(create_lead::create_lead, search_leads::search_leads))
        .routes(routes!(show_lead::show_lead, update_lead::update_lead, erase_lead::erase_lead))
        .routes(routes!(merge_leads::merge_leads))
        .routes(routes!(create_outcome::create_outcome, list_outcomes::list_outcomes))
        .routes(routes!(list_events::list_events))
        .routes(routes!(show_score::show_score))
        .routes(routes!(list_scores::list_scores))
        .routes(routes!(show_explanation::show_explanation))
        .routes(routes!(batch_score::batch_score))
        .routes(routes!(post_events::post_events))
        .routes(routes!(create_job::create_job, list_jobs::list_jobs))
        .routes(routes!(show_job::show_job))
        .routes(routes!(cancel_job::cancel_job))
        .routes(routes!(resume_job::resume_job))
        .routes(routes!(create_api_key::create_api_key, list_api_keys::list_api_keys))
        .routes(routes!(revoke_api_key::revoke_api_key))
        .routes(routes!(me::me))
        .routes(routes!(log_out::log_out))
        .routes(routes!(change_password::change_password))
        .routes(routes!(list_sessions::list_sessions))
        .routes(routes!(end_session::end_session))
        .routes(routes!(create_user::create_user, list_users::list_users))
        .routes(routes!(update_user::update_user, delete_user::delete_user))
        .routes(routes!(end_sessions::end_sessions))
        .routes(routes!(create_team::create_team, list_teams::list_teams))
        .routes(routes!(rename_team::rename_team, delete_team::delete_team))
        .routes(routes!(assign_lead::assign_lead))
        .routes(routes!(list_audit::list_audit))
        .routes(routes!(export_audit::export_audit))
        .routes(routes!(create_webhook::create_webhook, list_webhooks::list_webhooks))
        .routes(routes!(show_webhook::show_webhook, update_webhook::update_webhook, delete_webhook::delete_webhook))
        .routes(routes!(rotate_webhook_secret::rotate_webhook_secret))
        .routes(routes!(test_webhook::test_webhook))
        .routes(routes!(replay_webhook::replay_webhook))
        .routes(routes!(list_webhook_deliveries::list_webhook_deliveries))
        .routes(routes!(replay_webhook_message::replay_webhook_message))
        .routes(routes!(create_ticket::create_ticket))
        .routes(routes!(stream::stream_scores))
        .routes(routes!(create_consent::create_consent, list_consents::list_consents))
        .routes(routes!(export_lead::export_lead))
        .routes(routes!(open_privacy_request::open_privacy_request, list_privacy_requests::list_privacy_requests))
        .routes(routes!(show_privacy_request::show_privacy_request))
        .routes(routes!(start_privacy_request::start_privacy_request))
        .routes(routes!(complete_privacy_request::complete_privacy_request))
        .routes(routes!(refuse_privacy_request::refuse_privacy_request))
        .routes(routes!(extend_privacy_request::extend_privacy_request))
        .routes(routes!(lift_privacy_request::lift_privacy_request))
        .routes(routes!(fetch_privacy_export::fetch_privacy_export))
        .routes(routes!(set_override::set_override, end_override::end_override))
        .routes(routes!(list_overrides::list_overrides))
        .routes(routes!(contest_score::contest_score))
        .routes(routes!(list_market::list_market, put_market::put_market))
        .routes(routes!(list_models::list_models))
        .routes(routes!(show_model::show_model))
        .routes(routes!(show_model_performance::show_model_performance))
        .routes(routes!(list_predictions::list_predictions))
        .routes(routes!(show_queue::show_queue))
}

/// Endpoints that need none.
pub(crate) fn open() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(log_in::log_in))
        .routes(routes!(refresh_session::refresh_session))
        .routes(routes!(jwks::jwks))
}

/// The operations of [`health`]: they are answered however many ask.
pub(crate) const HEALTH: [&str; 3] = ["healthz", "readyz", "metrics"];

/// What every process answers, also one that serves no API.
pub(crate) fn health() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz))
        .routes(routes!(metrics::metrics))
}

/// The lead that the path names.
pub struct LeadPath(pub LeadId);

impl FromRequestParts<Arc<Api>> for LeadPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let refuse = || Problem::new(Code::InvalidLeadId, "The lead id in the address is not a UUID.");
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| refuse())?;
        text.parse().map(Self).map_err(|_| refuse())
    }
}

/// What the store's refusal is to the sender.
pub(crate) fn unavailable(error: StoreError) -> Problem {
    match error {
        StoreError::Invalid(invalid) => invalid.into(),
        StoreError::Busy => {
            Problem::new(Code::Unavailable, "The store is busy or cannot be reached.").retry_after_s(RETRY_AFTER_BUSY_S)
        }
        StoreError::Closed => {
            Problem::new(Code::Unavailable, "The server is shutting down.").retry_after_s(RETRY_AFTER_BUSY_S)
        }
        StoreError::Full => Problem::new(Code::Unavailable, "The disk is full.").retry_after_s(RETRY_AFTER_BUSY_S),
        StoreError::Kafka(_) => {
            Problem::new(Code::Unavailable, "The event log cannot be reached.").retry_after_s(RETRY_AFTER_BUSY_S)
        }
        StoreError::Fenced { .. }
        | StoreError::Overtaken
        | StoreError::Unfit(_)
        | StoreError::Corrupt(_)
        | StoreError::WrongKey(_)
        | StoreError::SchemaTooNew { .. }
        | StoreError::SchemaTooOld { .. }
        | StoreError::Io { .. }
        | StoreError::Db(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
            Problem::new(Code::Unavailable, "The store failed.").retry_after_s(RETRY_AFTER_BUSY_S)
        }
    }
}
