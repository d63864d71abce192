//! What can be changed: each mutation is the REST request of the same name, with the same body, and its answer.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use axum::{
    body::to_bytes,
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse as _, Response},
};
use leadscore_domain::LeadId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    input::{Assignee, LeadChange, Merge, NewConsent, NewLead, NewOutcome},
    operation::{Asker, Done, asker, check_sight, perform},
    scalar::{DateTime, lead_id},
};
use crate::{
    audit::Touched,
    auth::bearer::Sender,
    conditional::IfMatch,
    idempotency::IDEMPOTENCY_KEY,
    json::{Json, JsonBytes, parse},
    problem::{Code, Problem},
    rest::{
        LeadPath, assign_lead::assign_lead, create_consent::create_consent, create_lead::create_lead,
        create_outcome::create_outcome, erase_lead::erase_lead, merge_leads::merge_leads, update_lead::update_lead,
    },
    state::Api,
};

/// What can be changed. Each takes what the REST request of its name takes, and runs it.
pub struct Mutation;

/// A lead that was created, or joined.
#[derive(SimpleObject, Deserialize)]
pub struct CreatedLead {
    /// Its id.
    lead_id: ID,
    /// Whether it came into being now; `false` where the handles belong to a lead already.
    created: bool,
}

/// What became of a change.
#[derive(SimpleObject, Deserialize)]
pub struct RecordedEvent {
    /// The lead. Where it was merged into another, that one.
    lead_id: ID,
    /// The event that was appended to its history.
    event_id: ID,
    /// Whether it is new; `false` where the same message was there before.
    recorded: bool,
}

/// Whose a lead is now.
#[derive(SimpleObject)]
pub struct AssignedLead {
    /// The lead.
    lead_id: ID,
    /// The agent whose lead it is.
    agent_id: Option<ID>,
    /// The team that has still to choose an agent.
    team_id: Option<ID>,
}

/// What two leads are now.
#[derive(SimpleObject, Deserialize)]
pub struct MergedLead {
    /// The lead that they are now: the older of the two.
    lead_id: ID,
    /// The lead whose history belongs to that one now.
    absorbed: ID,
}

/// What was destroyed.
#[derive(SimpleObject, Deserialize)]
pub struct Erasure {
    /// The leads: the one that was named, and those that were one with it.
    leads: Vec<ID>,
    /// Events of which nothing can be read any more.
    events: u64,
    /// When.
    erased_at: DateTime,
}

/// What can be changed. Each takes what the REST request of its name takes, and runs it.
#[Object]
impl Mutation {
    /// Create a lead. Where one of the handles belongs to a lead already, what was sent is added to that lead.
    async fn create_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is known of it")] input: NewLead,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Result<Option<CreatedLead>> {
        let run = async {
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &input, idempotency_key)?;
            answered(create_lead(api, sender, headers, body).await).await
        };
        perform(ctx, "Mutation.createLead", None, run).await
    }

    /// Change a lead: the change is an event of its history.
    async fn update_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "What changes")] input: LeadChange,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Result<Option<RecordedEvent>> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &input, idempotency_key)?;
            answered(update_lead(api, sender, path, IfMatch::default(), headers, body).await).await
        };
        perform(ctx, "Mutation.updateLead", named(&lead), run).await
    }

    /// Record how it ended: won, lost, or never reached.
    async fn record_outcome(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "How it ended")] input: NewOutcome,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Result<Option<RecordedEvent>> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &input, idempotency_key)?;
            answered(create_outcome(api, sender, path, headers, body).await).await
        };
        perform(ctx, "Mutation.recordOutcome", named(&lead), run).await
    }

    /// Record a consent or a withdrawal. Of each purpose the latest statement holds.
    async fn record_consent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "What its person said")] input: NewConsent,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Result<Option<RecordedEvent>> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &input, idempotency_key)?;
            answered(create_consent(api, sender, path, headers, body).await).await
        };
        perform(ctx, "Mutation.recordConsent", named(&lead), run).await
    }

    /// Give a lead to an agent, a team or nobody, for managers and administrators.
    async fn assign_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "Whose it shall be")] to: Assignee,
    ) -> Result<Option<AssignedLead>> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let lead_id = path.0.0.into();
            let Sent { api, sender, body: JsonBytes(body), .. } = Sent::new(asker(ctx), &to, None)?;
            assign_lead(api, sender, path, Json(parse(&body)?)).await?;
            let Assignee { agent_id, team_id } = to;
            Ok(AssignedLead { lead_id, agent_id, team_id }.into())
        };
        perform(ctx, "Mutation.assignLead", named(&lead), run).await
    }

    /// Merge two leads: the older one survives, with the handles and the history of both. This cannot be undone.
    async fn merge_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "The lead that is the same person")] absorbed: ID,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Result<Option<MergedLead>> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &Merge { absorbed }, idempotency_key)?;
            answered(merge_leads(api, sender, path, headers, body).await).await
        };
        perform(ctx, "Mutation.mergeLeads", named(&lead), run).await
    }

    /// Erase a lead: nothing personal is left of it. This cannot be undone. For administrators.
    async fn erase_lead(&self, ctx: &Context<'_>, #[graphql(desc = "The lead")] lead: ID) -> Result<Option<Erasure>> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let erased = erase_lead(State(Arc::clone(&asker(ctx).api)), path).await;
            answered(erased.map(|receipt| receipt.into_response())).await
        };
        perform(ctx, "Mutation.eraseLead", named(&lead), run).await
    }
}

/// What a REST request is made of.
struct Sent {
    api: State<Arc<Api>>,
    sender: Sender,
    headers: HeaderMap,
    body: JsonBytes,
}

impl Sent {
    fn new(asker: &Asker, input: &impl Serialize, key: Option<String>) -> std::result::Result<Self, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let refuse = |_| Problem::new(Code::InvalidIdempotencyKey, "The key is not visible ASCII.");
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key).map_err(refuse)?);
        }
        let body = serde_json::to_vec(input).expect("an input is plain data with string keys");
        let sender = Sender(Arc::clone(asker.principal()));
        Ok(Self { api: State(Arc::clone(&asker.api)), sender, headers, body: JsonBytes(body.into()) })
    }
}

/// The lead that the audit log is told of.
fn named(lead: &ID) -> Option<LeadId> {
    lead_id(lead).ok()
}

/// The lead of an argument, where the asker sees it.
async fn seen(asker: &Asker, lead: &ID) -> std::result::Result<LeadPath, Problem> {
    let lead = lead_id(lead)?;
    check_sight(asker, lead).await?;
    Ok(LeadPath(lead))
}

/// What a REST request was answered.
async fn answered<T: DeserializeOwned>(
    response: std::result::Result<Response, Problem>,
) -> std::result::Result<Done<T>, Problem> {
    let (mut parts, body) = response?.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("an answer is in memory");
    if let Some(code) = parts.extensions.remove::<Code>() {
        return Err(refused(code, &body));
    }
    let value = serde_json::from_slice(&body);
    let value = value.map_err(|_| Problem::new(Code::Internal, "The kept answer is of another release."))?;
    Ok(Done { value, status: parts.status, touched: parts.extensions.remove::<Touched>() })
}

/// The problem that an answer tells of.
fn refused(code: Code, body: &[u8]) -> Problem {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name: &str| body[name].as_str().map(str::to_owned);
    let problem = Problem::new(code, member("detail").unwrap_or_default());
    let problem = match member("remedy") {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    };
    match member("field") {
        Some(field) => problem.field(field),
        None => problem,
    }
}
