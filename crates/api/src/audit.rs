//! What the audit log is told of requests: who asked for what, about which lead, from where, why, and how it ended.
//!
//! Invariant: an operation that is recorded is not answered unless the log has taken it; one that changes something is
//! answered once the entry is on the disk, and recorded also where its sender goes away before. How an operation is
//! recorded, the table of permissions says.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use leadscore_store::{
    Authority, Principal,
    audit::{Act, Actor, ActorKind, AuditLog, Object, REASON_MAX_BYTES},
};

use crate::{
    auth::permissions::{Access, Audit},
    client::ClientAddress,
    middleware::RequestId,
    problem::Problem,
    rest::unavailable,
    state::Api,
};

/// Longest version of a model that is kept.
const OBJECT_MAX_BYTES: usize = 64;
/// Why it is done, in the sender's words.
const REASON: HeaderName = HeaderName::from_static("x-audit-reason");

/// What an answer shows or changed that its address does not name: a handler's extension of its response.
#[derive(Debug, Clone)]
pub struct Touched(Arc<[Object]>);

impl FromIterator<Object> for Touched {
    fn from_iter<T: IntoIterator<Item = Object>>(objects: T) -> Self {
        Self(objects.into_iter().collect())
    }
}

/// Which thing a segment of an address names.
pub type ObjectOf = fn(&str) -> Option<Object>;

/// A kind of thing that an address names, by the name of the parameter; `None` of an address where it is no id.
pub fn object_of(parameter: &str) -> Option<ObjectOf> {
    match parameter {
        "lead_id" => Some(|text| Some(Object::Lead(text.parse().ok()?))),
        "job_id" => Some(|text| Some(Object::Job(text.parse().ok()?))),
        "key_id" => Some(|text| Some(Object::ApiKey(text.parse().ok()?))),
        "user_id" => Some(|text| Some(Object::User(text.parse().ok()?))),
        "team_id" => Some(|text| Some(Object::Team(text.parse().ok()?))),
        "webhook_id" => Some(|text| Some(Object::Webhook(text.parse().ok()?))),
        "request_id" => Some(|text| Some(Object::PrivacyRequest(text.parse().ok()?))),
        "session_id" => Some(|text| Some(Object::Session(text.parse().ok()?))),
        "message_id" => Some(|text| Some(Object::WebhookMessage(text.parse().ok()?))),
        "version" => Some(|text| Some(Object::Model(text[..text.floor_char_boundary(OBJECT_MAX_BYTES)].to_owned()))),
        _ => None,
    }
}

/// Who a principal is to the log.
pub fn actor(principal: &Principal) -> Actor {
    let (kind, role) = match &principal.authority {
        Authority::Person { role, .. } => (ActorKind::User, Some(*role)),
        Authority::Machine { .. } => (ActorKind::ApiKey, None),
    };
    Actor { kind, id: Some(principal.id), role }
}

/// What is known of an act before it is done.
fn begin(api: &Api, actor: Actor, operation: &'static str, request: RequestParts<'_>) -> Act {
    Act {
        at: api.clock.now(),
        actor,
        operation: operation.into(),
        object: None,
        status: Act::BROKEN_OFF,
        reason: reason(request.headers),
        address: request.extensions.get::<ClientAddress>().and_then(|address| address.ip()),
        request_id: request.extensions.get::<RequestId>().map(|RequestId(id)| text(id)),
    }
}

/// An act of which is known only what a request tells: for handlers that record what they do themselves.
pub struct Begun(pub Act);

impl FromRequestParts<Arc<Api>> for Begun {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let request = RequestParts { headers: &parts.headers, extensions: &parts.extensions };
        Ok(Self(begin(api, Actor::NOBODY, "", request)))
    }
}

/// What is read of a request.
#[derive(Clone, Copy)]
struct RequestParts<'r> {
    headers: &'r HeaderMap,
    extensions: &'r axum::http::Extensions,
}

fn reason(headers: &HeaderMap) -> Option<String> {
    let reason = String::from_utf8_lossy(headers.get(REASON)?.as_bytes()).into_owned();
    let end = reason.floor_char_boundary(REASON_MAX_BYTES);
    Some(reason[..end].trim().to_owned()).filter(|reason| !reason.is_empty())
}

fn text(id: &HeaderValue) -> String {
    id.to_str().unwrap_or_default().to_owned()
}

/// An operation that is under way.
pub struct Watched {
    log: AuditLog,
    /// `None` once it was handed over.
    act: Option<Act>,
    is_change: bool,
}

impl Watched {
    /// Begins to watch; `None` for an operation that is not recorded.
    ///
    /// # Errors
    /// [`crate::problem::Code::Unavailable`] where the log takes nothing.
    pub fn begin(
        api: &Api,
        access: &Access,
        principal: &Principal,
        request: &Request,
    ) -> Result<Option<Self>, Problem> {
        if access.audit == Audit::Not {
            return Ok(None);
        }
        let parts = RequestParts { headers: request.headers(), extensions: request.extensions() };
        let act = begin(api, actor(principal), access.operation, parts);
        Self::watch(api, access, Act { object: access.object(request.uri().path()), ..act }).map(Some)
    }

    /// Begins to watch what a field of a GraphQL request asks for; `begun` is what is known of the request.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_field(
        api: &Api,
        access: &Access,
        principal: &Principal,
        begun: &Act,
        object: Option<Object>,
    ) -> Result<Option<Self>, Problem> {
        if access.audit == Audit::Not {
            return Ok(None);
        }
        let (at, actor, operation) = (api.clock.now(), actor(principal), access.operation.into());
        Self::watch(api, access, Act { at, actor, operation, object, ..begun.clone() }).map(Some)
    }

    fn watch(api: &Api, access: &Access, act: Act) -> Result<Self, Problem> {
        api.audit.check().map_err(unavailable)?;
        Ok(Self { log: api.audit.clone(), act: Some(act), is_change: access.audit == Audit::Change })
    }

    /// Records how it ended; the answer, unless it must not be given.
    pub async fn end(self, mut response: Response) -> Response {
        let touched = response.extensions_mut().remove::<Touched>();
        match self.record(response.status(), touched).await {
            Ok(()) => response,
            Err(problem) => problem.into_response(),
        }
    }

    /// Records how it ended.
    ///
    /// # Errors
    /// [`crate::problem::Code::Unavailable`] where the log does not take it: then nothing may be answered.
    pub async fn record(mut self, status: StatusCode, touched: Option<Touched>) -> Result<(), Problem> {
        let Some(mut act) = self.act.take() else { return Ok(()) };
        act.status = status.as_u16();
        let acts = each(act, touched);
        let recorded = if self.is_change {
            acts.into_iter().for_each(|act| self.log.record_done(act));
            self.log.flush().await
        } else {
            record_all(&self.log, acts).await
        };
        recorded.map_err(unavailable)
    }
}

async fn record_all(log: &AuditLog, acts: Vec<Act>) -> Result<(), leadscore_store::StoreError> {
    for act in acts {
        log.record(act).await?;
    }
    Ok(())
}

/// The act about what the address names and about everything that was touched.
fn each(act: Act, touched: Option<Touched>) -> Vec<Act> {
    let Some(Touched(objects)) = touched else { return vec![act] };
    let mut acts: Vec<Act> = objects
        .iter()
        .filter(|object| act.object.as_ref() != Some(*object))
        .map(|object| Act { object: Some(object.clone()), ..act.clone() })
        .collect();
    if act.object.is_some() || acts.is_empty() {
        acts.insert(0, act);
    }
    acts
}

impl Drop for Watched {
    /// The sender went away, or was told that it took too long: what was done by then was done.
    fn drop(&mut self) {
        if let Some(act) = self.act.take() {
            self.log.record_done(act);
        }
    }
}
