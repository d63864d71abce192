//! What the endpoints of the audit log share: the shape of an entry, and how entries are looked for.

use std::net::IpAddr;

use leadscore_domain::Timestamp;
use leadscore_store::{
    Role,
    audit::{ActorKind, AuditEntry, AuditFilter},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    query::Parameters,
    schema,
};

/// Problems of every endpoint that looks for entries.
pub const PROBLEMS: &[Code] = &[Code::InvalidQueryParameter];

/// What somebody saw or changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entry {
    /// Its number in the log, from 1.
    number: i64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// By whom.
    actor: Actor,
    /// What: the id of an operation of this document, `log_in`, `show_caller` of a connector, or the words of a command.
    #[schema(example = "show_score")]
    operation: String,
    /// Whose or which.
    #[schema(required)]
    object: Option<Object>,
    /// How it ended, as an HTTP status; 0 where it was recorded before it was done, 499 where the sender went away.
    #[schema(example = 200)]
    status: u16,
    /// Why, as `X-Audit-Reason` said. That of a lead is gone when the lead is erased.
    #[schema(required)]
    reason: Option<String>,
    /// From where.
    #[schema(value_type = Option<String>, required)]
    address: Option<IpAddr>,
    /// The id of the request.
    #[schema(required)]
    request_id: Option<String>,
    /// How often within a moment; time and request are those of the first.
    #[schema(minimum = 1)]
    count: u32,
}

/// Who acted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Actor {
    /// `user`, `api_key`, `cli`, `connector` or `nobody`.
    #[schema(value_type = String, example = "user")]
    kind: ActorKind,
    /// Id of the user or key.
    #[schema(required)]
    id: Option<Uuid>,
    /// What it was allowed to do then.
    #[schema(value_type = Option<schema::Role>, required)]
    role: Option<Role>,
}

/// What an act is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct Object {
    /// `lead`, `job`, `api_key`, `user`, `account` or `model`.
    #[schema(example = "lead")]
    kind: &'static str,
    /// Its id; of an account a keyed hash of the e-mail address.
    id: String,
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { number, act, count } = entry;
        Self {
            number,
            at: act.at,
            actor: Actor { kind: act.actor.kind, id: act.actor.id, role: act.actor.role },
            operation: act.operation.into_owned(),
            object: act.object.map(|object| Object { kind: object.kind(), id: object.id() }),
            status: act.status,
            reason: act.reason,
            address: act.address,
            request_id: act.request_id,
            count,
        }
    }
}

/// Which entries a request looks for.
///
/// # Errors
/// [`Code::InvalidQueryParameter`].
pub fn filter(query: &mut Parameters) -> Result<AuditFilter, Problem> {
    const INSTANT: &str = "send an instant as RFC 3339, such as 2026-03-01T10:30:00Z";
    Ok(AuditFilter {
        lead: query.take("lead_id", "send the lead's id, a UUID")?,
        actor: query.take("actor_id", "send the id of a user or API key, a UUID")?,
        operation: query.take("operation", "send the id of an operation")?,
        from: query.take("from", INSTANT)?,
        until: query.take("until", INSTANT)?,
    })
}
