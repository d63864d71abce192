//! What can be changed: each mutation is the REST request of the same name, with the same body, and its answer.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use axum::{
    body::to_bytes,
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use leadscore_domain::LeadId;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    changed::{AssignedLead, CreatedLead, Erasure, MergedLead, PrivacyRequest, RecordedEvent, RecordedEvents},
    input::{Assignee, Contest, LeadChange, Merge, NewConsent, NewEvent, NewLead, NewOutcome, NewScoreOverride},
    operation::{Answer, Asker, Done, asker, check_sight, perform},
    scalar::lead_id,
    score::ScoreOverride,
};
use crate::{
    audit::Touched,
    auth::bearer::Sender,
    conditional::IfMatch,
    idempotency::IDEMPOTENCY_KEY,
    json::{Json, JsonBytes, parse},
    problem::{Code, Problem},
    query::Parameters,
    rest::{
        LeadPath, assign_lead::assign_lead, contest_score::contest_score, create_consent::create_consent,
        create_lead::create_lead, create_outcome::create_outcome, end_override::end_override, erase_lead::erase_lead,
        merge_leads::merge_leads, post_events::post_events, set_override::set_override, update_lead::update_lead,
    },
    state::Api,
};

/// What can be changed. Each takes what the REST request of its name takes, and runs it.
pub struct Mutation;

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
    ) -> Answer<CreatedLead> {
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
    ) -> Answer<RecordedEvent> {
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
    ) -> Answer<RecordedEvent> {
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
    ) -> Answer<RecordedEvent> {
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
    ) -> Answer<AssignedLead> {
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
    ) -> Answer<MergedLead> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &Merge { absorbed }, idempotency_key)?;
            answered(merge_leads(api, sender, path, headers, body).await).await
        };
        perform(ctx, "Mutation.mergeLeads", named(&lead), run).await
    }

    /// Record what happened to leads. An event that is answered as accepted is durable; sending it again changes nothing.
    /// Where some are refused, the others are taken.
    async fn record_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What happened")] input: Vec<NewEvent>,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Answer<RecordedEvents> {
        let run = async {
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &input, idempotency_key)?;
            answered(post_events(api, sender, Parameters::default(), headers, body).await).await
        };
        perform(ctx, "Mutation.recordEvents", None, run).await
    }

    /// Give a lead a score in place of the model's, which stays as it is beside it. The queue goes by it.
    async fn set_override(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "Which score, and why")] input: NewScoreOverride,
    ) -> Answer<ScoreOverride> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, body, .. } = Sent::new(asker(ctx), &input, None)?;
            answered(set_override(api, sender, path, body).await.map(IntoResponse::into_response)).await
        };
        perform(ctx, "Mutation.setOverride", named(&lead), run).await
    }

    /// End the override of a lead's score: the model's holds again.
    async fn end_override(&self, ctx: &Context<'_>, #[graphql(desc = "The lead")] lead: ID) -> Answer<ScoreOverride> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let (api, sender) = caller(asker(ctx));
            answered(end_override(api, sender, path).await.map(IntoResponse::into_response)).await
        };
        perform(ctx, "Mutation.endOverride", named(&lead), run).await
    }

    /// Contest a lead's score: a person has to look at it, and answer.
    async fn contest_score(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead")] lead: ID,
        #[graphql(desc = "What the person says")] reason: String,
        #[graphql(desc = "A key of your own: the same request under it gets the first answer for a day")]
        idempotency_key: Option<String>,
    ) -> Answer<PrivacyRequest> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let Sent { api, sender, headers, body } = Sent::new(asker(ctx), &Contest { reason }, idempotency_key)?;
            answered(contest_score(api, sender, path, headers, body).await).await
        };
        perform(ctx, "Mutation.contestScore", named(&lead), run).await
    }

    /// Erase a lead: nothing personal is left of it. This cannot be undone. For administrators.
    async fn erase_lead(&self, ctx: &Context<'_>, #[graphql(desc = "The lead")] lead: ID) -> Answer<Erasure> {
        let run = async {
            let path = seen(asker(ctx), &lead).await?;
            let (api, sender) = caller(asker(ctx));
            answered(erase_lead(api, sender, path).await.map(IntoResponse::into_response)).await
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
    fn new(asker: &Asker, input: &impl Serialize, key: Option<String>) -> Result<Self, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let refuse = |_| Problem::new(Code::InvalidIdempotencyKey, "The key is not visible ASCII.");
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key).map_err(refuse)?);
        }
        let body = serde_json::to_vec(input).expect("an input is plain data with string keys");
        let (api, sender) = caller(asker);
        Ok(Self { api, sender, headers, body: JsonBytes(body.into()) })
    }
}

/// What every handler takes.
fn caller(asker: &Asker) -> (State<Arc<Api>>, Sender) {
    (State(Arc::clone(&asker.api)), Sender(Arc::clone(asker.principal())))
}

/// The lead that the audit log is told of.
fn named(lead: &ID) -> Option<LeadId> {
    lead_id(lead).ok()
}

/// The lead of an argument, where the asker sees it.
async fn seen(asker: &Asker, lead: &ID) -> Result<LeadPath, Problem> {
    let lead = lead_id(lead)?;
    check_sight(asker, lead).await?;
    Ok(LeadPath(lead))
}

/// What a REST request was answered.
async fn answered<T: DeserializeOwned>(response: Result<Response, Problem>) -> Result<Done<T>, Problem> {
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
