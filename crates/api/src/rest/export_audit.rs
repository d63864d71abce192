//! `GET /api/v1/audit/export`: the audit log as lines of JSON.
//!
//! Invariant: one page is in memory at a time. An answer without its last line, the count, is not complete.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use leadscore_store::{
    StoreError,
    audit::{AuditCursor, AuditFilter},
};
use serde::Serialize;

use crate::{
    problem::{Code, Problem, ProblemBody},
    query::Parameters,
    rest::{
        audit_entry::{self, Entry, filter},
        batch_stream::MEDIA_TYPE,
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = audit_entry::PROBLEMS;

/// Entries that are read at once.
const PAGE: usize = 1_000;

/// A line of the answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Entry(Entry),
    Summary { total_entries: usize },
    Broken { problem: ProblemBody },
}

/// Export the audit log
///
/// Every entry on a line of its own, in order, and a last line with `total_entries`: without that it is not complete.
#[utoipa::path(
    get,
    path = "/api/v1/audit/export",
    tag = "audit",
    params(
        ("lead_id" = Option<uuid::Uuid>, Query, description = "About this lead"),
        ("actor_id" = Option<uuid::Uuid>, Query, description = "By this user or API key"),
        ("operation" = Option<String>, Query, description = "Of this operation, such as `show_score`"),
        ("from" = Option<String>, Query, description = "At this instant or later (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Before this instant (RFC 3339)")
    ),
    responses((status = 200, description = "The entries", content((String = "application/x-ndjson"))))
)]
pub async fn export_audit(State(api): State<Arc<Api>>, mut query: Parameters) -> Result<Response, Problem> {
    let filter = filter(&mut query)?;
    query.end()?;
    api.audit.flush().await.map_err(unavailable)?;
    let export = Export { api, filter, after: None, total_entries: 0, is_read: false };
    let lines = stream::unfold(Some(export), |export| async {
        let mut export = export?;
        let (bytes, has_ended) = export.lines().await;
        Some((Ok::<_, Infallible>(bytes), if has_ended { None } else { Some(export) }))
    });
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(lines.fuse())).into_response())
}

struct Export {
    api: Arc<Api>,
    filter: AuditFilter,
    after: Option<AuditCursor>,
    total_entries: usize,
    /// Only the summary is left.
    is_read: bool,
}

impl Export {
    /// The next lines, and whether they are the last.
    async fn lines(&mut self) -> (Bytes, bool) {
        if self.is_read {
            return (text(&[Line::Summary { total_entries: self.total_entries }]), true);
        }
        match self.page().await {
            Ok(lines) => (text(&lines), false),
            Err(error) => (text(&[Line::Broken { problem: unavailable(error).into_body() }]), true),
        }
    }

    async fn page(&mut self) -> Result<Vec<Line>, StoreError> {
        let page = self.api.store.audit_oldest(&self.filter, self.after, PAGE).await?;
        self.total_entries += page.entries.len();
        self.after = page.next;
        self.is_read = page.next.is_none();
        Ok(page.entries.into_iter().map(|entry| Line::Entry(entry.into())).collect())
    }
}

fn text(lines: &[Line]) -> Bytes {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line).expect("a line is plain data with string keys");
        bytes.push(b'\n');
    }
    bytes.into()
}
