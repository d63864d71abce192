//! `POST /api/v1/tickets`: a ticket that opens a live connection once.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use leadscore_store::TICKET_LIFE;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::bearer::bearer,
    problem::{Code, Problem},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// A ticket that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeTicket {
    /// The ticket; it is shown only here.
    #[schema(example = "lst_3f6c…")]
    ticket: String,
    /// Seconds within which it can be used.
    #[schema(example = 30)]
    expires_in_s: u64,
}

/// Make a ticket
///
/// It opens one WebSocket at `/ws/v1/scores` in the name of whoever made it, where the token itself shall not be in the
/// hands of the program that opens it. The connection ends when the token does.
#[utoipa::path(
    post,
    path = "/api/v1/tickets",
    tag = "access",
    responses((
        status = 201,
        description = "The ticket",
        body = MadeTicket,
        example = json!({
            "ticket": "lst_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "expires_in_s": 30
        })
    ))
)]
pub async fn create_ticket(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<(StatusCode, Answer<MadeTicket>), Problem> {
    let ticket = api.tickets.issue(bearer(&api, &headers)?).await;
    Ok((StatusCode::CREATED, Answer(MadeTicket { ticket, expires_in_s: TICKET_LIFE.as_secs() })))
}
