//! What can be asked.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use leadscore_domain::RawIdentity;
use leadscore_store::{Authority, LeadFilter, LeadKey, LeadOrder, Principal, audit::Object as Touches};

use super::{
    lead::{IdentityInput, Lead, Role},
    loads::HeadOf,
    market::Market,
    operation::{Answer, Asker, Done, asker, perform},
    scalar::{DateTime, cursor, each, lead_id, no_cursor, uuid},
    score::Grade,
};
use crate::{
    auth::sight::unknown_lead,
    problem::{Code, Problem},
    rest::{
        answers::rounded,
        model::versions,
        search_leads::{self, check_sees_handles},
        show_queue, unavailable,
    },
    state::Api,
};

/// Leads of a page, unless the query says otherwise, and at most.
const LEADS: usize = 20;
const LEADS_MAX: usize = 200;
/// The same of market data.
const SNAPSHOTS: usize = 20;
const SNAPSHOTS_MAX: usize = 200;

/// What can be asked. What you do not see is answered as what does not exist.
pub struct Query;

/// Which leads; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct LeadFilterInput {
    /// Only leads of this agent.
    agent_id: Option<ID>,
    /// Only leads of this team that have no agent yet.
    team_id: Option<ID>,
    /// `true`: only leads of nobody.
    unassigned: Option<bool>,
    /// Only the lead that has this handle.
    identity: Option<IdentityInput>,
    /// Only leads of this grade.
    grade: Option<Grade>,
    /// Only leads with this score or a higher one.
    score_from: Option<u8>,
    /// Only leads with this score or a lower one.
    score_to: Option<u8>,
    /// Only leads created at this instant or later.
    created_from: Option<DateTime>,
    /// Only leads created before this instant.
    created_to: Option<DateTime>,
}

/// By what leads are ordered; those without a score come behind those with the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum LeadSort {
    /// The lowest score first.
    ScoreAsc,
    /// The highest score first.
    ScoreDesc,
    /// The earliest lead first.
    CreatedAtAsc,
    /// The latest lead first.
    CreatedAtDesc,
    /// The oldest score first.
    CalculatedAtAsc,
    /// The newest score first.
    CalculatedAtDesc,
}

/// A page of leads.
#[derive(SimpleObject)]
pub struct LeadPage {
    /// In the order that was asked for.
    leads: Vec<Lead>,
    /// `after` of the next page; `null` on the last one.
    next: Option<String>,
}

/// A page of an agent's queue.
#[derive(SimpleObject)]
pub struct Queue {
    /// Whose; `null` for that of everybody.
    agent_id: Option<ID>,
    /// The instant for which it is in order; the same on every page.
    as_of: DateTime,
    /// The first one first.
    leads: Vec<QueuedLead>,
    /// `after` of the next page; `null` on the last one.
    next: Option<String>,
}

/// A lead that waits.
#[derive(SimpleObject)]
pub struct QueuedLead {
    /// What the order goes by, 0 to 1, 4 decimals.
    priority: f64,
    /// Since when the lead waits for an answer; `null` where the last word was ours.
    waiting_since: Option<DateTime>,
    /// Which.
    lead: Lead,
}

/// Who asks.
#[derive(SimpleObject)]
pub struct Me {
    /// Id of the user or API key.
    id: ID,
    /// The user's e-mail address; `null` for an API key.
    email: Option<String>,
    /// The API key's name; `null` for a user.
    api_key: Option<String>,
    /// What the user may do now; `null` for an API key.
    role: Option<Role>,
    /// The user's team.
    team_id: Option<ID>,
    /// What the API key may do, with a space between; `null` for a user.
    scopes: Option<String>,
    /// When the session ends; `null` for an API key, and for a token of an identity provider.
    session_expires_at: Option<DateTime>,
}

/// A version of the model.
#[derive(SimpleObject)]
pub struct Model {
    /// Its name.
    version: String,
    /// Whether it scores now.
    champion: bool,
    /// When it last began to score; `null` where it never did.
    promoted_at: Option<DateTime>,
    /// Why it did.
    reason: Option<String>,
}

/// What can be asked. What you do not see is answered as what does not exist.
#[Object]
impl Query {
    /// A lead, or the one that it was merged into.
    async fn lead(&self, ctx: &Context<'_>, #[graphql(desc = "Which")] id: ID) -> Answer<Lead> {
        let asked = lead_id(&id);
        let load = async {
            let asked = lead_id(&id)?;
            let head = asker(ctx).loader.load_one(HeadOf(asked)).await?.ok_or_else(unknown_lead)?;
            Ok(Lead::new(asked, head).into())
        };
        perform(ctx, "Query.lead", asked.ok(), load).await
    }

    /// The leads that you see and that pass all filters.
    #[graphql(complexity = "each(first, LEADS, child_complexity)")]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads")] filter: Option<LeadFilterInput>,
        #[graphql(desc = "In which order", default_with = "LeadSort::CreatedAtDesc")] sort: LeadSort,
        #[graphql(desc = "How many, 1 to 200; 20 unless you say otherwise")] first: Option<i32>,
        #[graphql(desc = "`next` of the page before, with the same `sort` and `filter`")] after: Option<String>,
    ) -> Answer<LeadPage> {
        let load = async {
            let Asker { api, waves, .. } = asker(ctx);
            let (api, principal) = (api.clone(), asker(ctx).principal().clone());
            let limit = super::scalar::first(first, LEADS, LEADS_MAX)?;
            let filter = filter.unwrap_or_default().read(&api, &principal)?;
            let order = LeadOrder::from(sort);
            let after = after.map(|after| search_leads::place(&after, order).ok_or_else(no_cursor)).transpose()?;
            let search = async move { search_leads::page(&api, &principal, &filter, order, (after, limit)).await };
            let (found, next) = waves.run(search).await?;
            let touched = found.iter().map(|lead| Touches::Lead(lead.id)).collect();
            let leads = found.into_iter().map(Lead::from).collect();
            Ok(Done { touched: Some(touched), ..LeadPage { leads, next }.into() })
        };
        perform(ctx, "Query.leads", None, load).await
    }

    /// An agent's leads in the order in which to turn to them.
    #[graphql(complexity = "each(first, LEADS, child_complexity)")]
    async fn queue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose queue; your own unless you say otherwise, for a key that of everybody")] agent: Option<
            ID,
        >,
        #[graphql(desc = "How many leads, 1 to 200; 20 unless you say otherwise")] first: Option<i32>,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
    ) -> Answer<Queue> {
        let load = async {
            let Asker { api, waves, .. } = asker(ctx);
            let (api, principal) = (api.clone(), asker(ctx).principal().clone());
            let limit = super::scalar::first(first, LEADS, LEADS_MAX)?;
            let agent = agent.map(|agent| uuid(&agent, "agent")).transpose()?;
            let after = cursor(after.as_deref())?;
            let load = async move { show_queue::page(&api, &principal, agent, after, limit).await };
            let show_queue::Page { agent_id, as_of, leads, next } = waves.run(load).await?;
            let touched = leads.iter().map(|lead| Touches::Lead(lead.lead.id)).collect();
            let queued = |ranked: show_queue::Ranked| QueuedLead {
                priority: rounded(ranked.priority, 4),
                waiting_since: ranked.course.waiting_since().map(DateTime),
                lead: ranked.lead.into(),
            };
            let leads = leads.into_iter().map(queued).collect();
            let queue = Queue { agent_id: agent_id.map(ID::from), as_of: DateTime(as_of), leads, next };
            Ok(Done { touched: Some(touched), ..queue.into() })
        };
        perform(ctx, "Query.queue", None, load).await
    }

    /// The latest market data of each area, in the order of their names; or, with `area`, those of this area, the latest
    /// month first.
    #[graphql(complexity = "each(first, SNAPSHOTS, child_complexity)")]
    async fn market(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this area, in any case")] area: Option<String>,
        #[graphql(desc = "How many snapshots, 1 to 200; 20 unless you say otherwise")] first: Option<i32>,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
    ) -> Answer<Market> {
        let load = async {
            let Asker { api, waves, .. } = asker(ctx);
            let api = api.clone();
            let limit = super::scalar::first(first, SNAPSHOTS, SNAPSHOTS_MAX)?;
            let after = after.unwrap_or_default();
            Ok(waves.run(async move { market(&api, area.as_deref(), &after, limit).await }).await?.into())
        };
        perform(ctx, "Query.market", None, load).await
    }

    /// Who you are.
    async fn me(&self, ctx: &Context<'_>) -> Answer<Me> {
        perform(ctx, "Query.me", None, async { Ok(Me::of(asker(ctx)).into()) }).await
    }

    /// Every version of the model, the newest first, for managers and administrators.
    #[graphql(complexity = "each(None, LEADS, child_complexity)")]
    async fn models(&self, ctx: &Context<'_>) -> Answer<Vec<Model>> {
        let load = async {
            let known = versions(&asker(ctx).api).await?;
            Ok(known.into_iter().map(Model::from).collect::<Vec<_>>().into())
        };
        perform(ctx, "Query.models", None, load).await
    }
}

async fn market(api: &Api, area: Option<&str>, after: &str, limit: usize) -> Result<Market, Problem> {
    if let Some(area) = area {
        let known = api.store.market_of(area, limit).await.map_err(unavailable)?;
        return Ok(Market { snapshots: known.into_iter().map(Into::into).collect(), next: None });
    }
    let mut known = api.store.latest_market(after, limit + 1).await.map_err(unavailable)?;
    let more = known.len() > limit;
    known.truncate(limit);
    let next = known.last().filter(|_| more).map(|last| last.area.trim().to_lowercase());
    Ok(Market { snapshots: known.into_iter().map(Into::into).collect(), next })
}

impl LeadFilterInput {
    fn read(self, api: &Api, principal: &Principal) -> Result<LeadFilter, Problem> {
        let Self { agent_id, team_id, unassigned, identity, grade, score_from, score_to, created_from, created_to } =
            self;
        let handle = |IdentityInput { kind, value }: IdentityInput| {
            check_sees_handles(principal)?;
            let refuse =
                |_| Problem::new(Code::InvalidField, "The handle is not of its kind.").field("filter.identity");
            RawIdentity { kind: kind.into(), value }.normalise(api.region).map_err(refuse)
        };
        Ok(LeadFilter {
            agent_id: agent_id.map(|id| uuid(&id, "filter.agentId")).transpose()?,
            team_id: team_id.map(|id| uuid(&id, "filter.teamId")).transpose()?,
            unassigned: unassigned.unwrap_or(false),
            identity: identity.map(handle).transpose()?,
            grade: grade.map(Into::into),
            score_from,
            score_to,
            created_from: created_from.map(|DateTime(at)| at),
            created_to: created_to.map(|DateTime(at)| at),
        })
    }
}

impl From<LeadSort> for LeadOrder {
    fn from(sort: LeadSort) -> Self {
        let (key, descending) = match sort {
            LeadSort::ScoreAsc => (LeadKey::Score, false),
            LeadSort::ScoreDesc => (LeadKey::Score, true),
            LeadSort::CreatedAtAsc => (LeadKey::CreatedAt, false),
            LeadSort::CreatedAtDesc => (LeadKey::CreatedAt, true),
            LeadSort::CalculatedAtAsc => (LeadKey::CalculatedAt, false),
            LeadSort::CalculatedAtDesc => (LeadKey::CalculatedAt, true),
        };
        Self { key, descending }
    }
}

impl Me {
    fn of(asker: &Asker) -> Self {
        let principal = asker.principal();
        let id = principal.id.into();
        let name = Some(principal.name.clone());
        let session_expires_at = asker.identity.session.map(|(_, ends)| DateTime(ends));
        match &principal.authority {
            Authority::Person { role, team_id } => {
                let (role, team_id) = (Some((*role).into()), team_id.map(ID::from));
                Self { id, email: name, api_key: None, role, team_id, scopes: None, session_expires_at }
            }
            Authority::Machine { scopes } => {
                let scopes = Some(scopes.to_string());
                Self { id, email: None, api_key: name, role: None, team_id: None, scopes, session_expires_at }
            }
        }
    }
}

impl From<crate::rest::model::ModelVersion> for Model {
    fn from(known: crate::rest::model::ModelVersion) -> Self {
        let crate::rest::model::ModelVersion { version, champion, promoted_at, reason } = known;
        Self { version, champion, promoted_at: promoted_at.map(DateTime), reason }
    }
}
