//! A lead, and all that is asked of it; what many leads are asked is loaded once (`loads.rs`).

use std::{collections::HashSet, sync::Arc};

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use leadscore_domain::{EventKind as Kind, LeadId};
use leadscore_engine::score::Withheld;
use leadscore_store::{FoundLead, HistoryPage, LeadHead, ScorePage as Page};
use serde_json::Value;

use super::{
    event::{Event, EventKind, EventPage, Stage, Statement},
    explanation::Explanation,
    loads::{Folded, HandlesOf, Latest, OverrideOf, ScoreOf, StateOf, TeamOf, UserOf},
    operation::{Answer, Asker, asker, perform},
    scalar::{DateTime, cursor, each, first},
    score::{Score, ScoreOverride, ScorePage, ScoreProblem},
};
use crate::{
    problem::{Code, Problem},
    rest::{
        list_consents::{EVENTS_MAX, statements},
        list_events, list_scores, show_score,
    },
};

/// Scores and events of a page, unless the query says otherwise, and at most.
const ENTRIES: usize = 10;
const ENTRIES_MAX: usize = 100;
/// What an explanation costs beside its fields: it is calculated.
const EXPLANATION_COST: usize = 10;

/// A lead that its asker sees.
pub struct Lead {
    head: LeadHead,
    merged_from: Option<LeadId>,
}

/// A handle by which a lead is recognised, in normal form.
#[derive(SimpleObject)]
pub struct Identity {
    /// What kind of handle.
    kind: IdentityKind,
    /// The handle.
    value: String,
}

/// A handle to look for, or to give to a lead.
#[derive(InputObject, serde::Serialize)]
pub struct IdentityInput {
    /// What kind of handle.
    pub kind: IdentityKind,
    /// As written: a number in any national form, an address in any case.
    pub value: String,
}

/// What kind of handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, serde::Serialize)]
#[graphql(remote = "leadscore_domain::IdentityKind")]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// The lead's id in a CRM or file.
    Crm,
    /// An anonymous id of a web browser.
    Web,
}

/// What a lead's events say of it. They may be some milliseconds ahead.
#[derive(SimpleObject)]
pub struct Profile {
    /// Where it stands in the pipeline.
    stage: Option<Stage>,
    /// Where it came from.
    channel: Option<String>,
    /// IANA time zone.
    time_zone: Option<String>,
    /// Custom attributes by name.
    attributes: Json<Value>,
    /// When the first event happened.
    first_event_at: Option<DateTime>,
    /// When the last event happened.
    last_event_at: Option<DateTime>,
    /// Number of events by kind; kinds without events are left out.
    event_counts: Json<Value>,
}

/// Somebody who can log in.
#[derive(SimpleObject)]
pub struct User {
    /// Id.
    id: ID,
    /// Address, with which they log in.
    email: String,
    /// Name, where it is known.
    name: Option<String>,
    /// What they may do.
    role: Role,
    /// Their team.
    team_id: Option<ID>,
}

/// Agents who work together.
#[derive(SimpleObject)]
pub struct Team {
    /// Id.
    id: ID,
    /// Name.
    name: String,
}

/// What a person may do; a later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_store::Role")]
pub enum Role {
    /// Works with leads of their own.
    Agent,
    /// Works with the leads of a team.
    Manager,
    /// Everything.
    Admin,
}

impl From<FoundLead> for Lead {
    fn from(found: FoundLead) -> Self {
        let FoundLead { id, created_at, assignment, name, score: _ } = found;
        Self { head: LeadHead { id, created_at, name, assignment }, merged_from: None }
    }
}

impl Lead {
    /// A lead that was asked for by an id.
    pub fn new(asked: LeadId, head: LeadHead) -> Self {
        Self { merged_from: (head.id != asked).then_some(asked), head }
    }

    async fn latest(&self, asker: &Asker) -> Result<Option<Latest>, Problem> {
        asker.loader.load_one(ScoreOf(self.head.id)).await
    }

    async fn folded(&self, asker: &Asker) -> Result<Option<Arc<Folded>>, Problem> {
        asker.loader.load_one(StateOf(self.head.id)).await
    }

    async fn history(
        &self,
        asker: &Asker,
        kinds: Option<[Kind; 2]>,
        (asked, after): (Option<i32>, Option<&str>),
    ) -> Result<EventPage, Problem> {
        let limit = first(asked, ENTRIES, ENTRIES_MAX)?;
        let before = cursor(after)?.map(|list_events::Cursor(at, id)| (at, id));
        let page = HistoryPage { lead: self.head.id, kinds, before, limit: limit + 1 };
        let events = asker.loader.load_one(page).await?.unwrap_or_default();
        let shown = &events[..events.len().min(limit)];
        let next = shown.last().filter(|_| events.len() > limit).map(list_events::Cursor::after);
        Ok(EventPage { events: shown.iter().map(|event| Event::new(event, asker.principal())).collect(), next })
    }
}

/// A lead.
#[Object]
impl Lead {
    /// Its id.
    async fn id(&self) -> ID {
        self.head.id.0.into()
    }

    /// The id that was asked for, where that lead was merged into this one.
    async fn merged_from(&self) -> Option<ID> {
        self.merged_from.map(|id| id.0.into())
    }

    /// When its first event was received.
    async fn created_at(&self) -> DateTime {
        DateTime(self.head.created_at)
    }

    /// The person's name; `null` for keys without the scope `leads:personal`.
    async fn name(&self) -> Option<&str> {
        self.head.name.as_deref()
    }

    /// The agent whose lead it is.
    async fn agent_id(&self) -> Option<ID> {
        self.head.assignment.ids().0.map(ID::from)
    }

    /// The team that has still to choose an agent.
    async fn team_id(&self) -> Option<ID> {
        self.head.assignment.ids().1.map(ID::from)
    }

    /// The agent whose lead it is, for managers and administrators.
    async fn agent(&self, ctx: &Context<'_>) -> Answer<Option<User>> {
        let load = async {
            let Some(id) = self.head.assignment.ids().0 else { return Ok(None.into()) };
            Ok(asker(ctx).loader.load_one(UserOf(id)).await?.map(User::from).into())
        };
        perform(ctx, "Lead.agent", None, load).await
    }

    /// The team that has still to choose an agent, for managers and administrators.
    async fn team(&self, ctx: &Context<'_>) -> Answer<Option<Team>> {
        let load = async {
            let Some(id) = self.head.assignment.ids().1 else { return Ok(None.into()) };
            let team = asker(ctx).loader.load_one(TeamOf(id)).await?;
            Ok(team.map(|team| Team { id: team.id.into(), name: team.name }).into())
        };
        perform(ctx, "Lead.team", None, load).await
    }

    /// Handles by which it is recognised, in normal form; `null` for keys without the scope `leads:personal`.
    async fn identities(&self, ctx: &Context<'_>) -> Answer<Option<Vec<Identity>>> {
        let load = async {
            if !asker(ctx).principal().sees_persons() {
                return Ok(None.into());
            }
            let handles = asker(ctx).loader.load_one(HandlesOf(self.head.id)).await?.unwrap_or_default();
            Ok(Some(handles.iter().map(Identity::from).collect()).into())
        };
        perform(ctx, "Lead.identities", Some(self.head.id), load).await
    }

    /// What its events say of it.
    async fn profile(&self, ctx: &Context<'_>) -> Answer<Profile> {
        let load = async { Ok(Profile::new(self.folded(asker(ctx)).await?.as_deref()).into()) };
        perform(ctx, "Lead.profile", Some(self.head.id), load).await
    }

    /// The latest score; `null` where there is none yet, or none may be: see `scoreProblem`.
    async fn score(&self, ctx: &Context<'_>) -> Answer<Option<Score>> {
        let load = async {
            Ok(match self.latest(asker(ctx)).await? {
                Some(Latest::Score(score)) => Some(Score::new(&score, asker(ctx).principal())),
                Some(Latest::Withheld(_)) | None => None,
            }
            .into())
        };
        perform(ctx, "Lead.score", Some(self.head.id), load).await
    }

    /// The score that a person gave it in place of the model's, where one holds.
    #[graphql(name = "override")]
    async fn score_override(&self, ctx: &Context<'_>) -> Answer<Option<ScoreOverride>> {
        let load = async {
            let asker = asker(ctx);
            let one = asker.loader.load_one(OverrideOf(self.head.id)).await?;
            Ok(one.map(|one| ScoreOverride::new(&one, asker.principal())).into())
        };
        perform(ctx, "Lead.override", Some(self.head.id), load).await
    }

    /// Why there is no score; `null` where there is one.
    async fn score_problem(&self, ctx: &Context<'_>) -> Answer<Option<ScoreProblem>> {
        let load = async {
            let asker = asker(ctx);
            let (latest, folded) = tokio::join!(self.latest(asker), self.folded(asker));
            Ok(match latest? {
                Some(Latest::Score(_)) => None,
                Some(Latest::Withheld(obstacle)) => Some(ScoreProblem::new(obstacle.into())),
                None => Some(ScoreProblem::new(why_not(asker, self.head.id, folded?.as_deref()))),
            }
            .into())
        };
        perform(ctx, "Lead.scoreProblem", Some(self.head.id), load).await
    }

    /// Its scores, the newest first; none where there is no basis for profiling it. With `asOf` the first one is that which
    /// held at that instant.
    #[graphql(complexity = "each(first, ENTRIES, child_complexity)")]
    async fn scores(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100; 10 unless you say otherwise")] first: Option<i32>,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
        #[graphql(desc = "Leave out what was calculated after this instant")] as_of: Option<DateTime>,
    ) -> Answer<ScorePage> {
        let load = async {
            let asker = asker(ctx);
            let limit = super::scalar::first(first, ENTRIES, ENTRIES_MAX)?;
            let after: Option<list_scores::Cursor> = cursor(after.as_deref())?;
            let before = list_scores::before(as_of.map(|DateTime(at)| at), after);
            let page = Page { lead: self.head.id, before, limit: limit + 1 };
            let (latest, stored) = tokio::join!(self.latest(asker), asker.loader.load_one(page));
            let stored = match latest? {
                Some(Latest::Score(_)) => stored?.unwrap_or_default(),
                Some(Latest::Withheld(_)) | None => Arc::default(),
            };
            let shown = &stored[..stored.len().min(limit)];
            let next = shown.last().filter(|_| stored.len() > limit);
            Ok(ScorePage {
                scores: shown.iter().map(|one| Score::new(&one.score, asker.principal())).collect(),
                next: next.map(|last| list_scores::Cursor::after(&last.score)),
            }
            .into())
        };
        perform(ctx, "Lead.scores", Some(self.head.id), load).await
    }

    /// Why it stands where it does, what is foreseen, and what to do.
    #[graphql(complexity = "EXPLANATION_COST + child_complexity")]
    async fn explanation(&self, ctx: &Context<'_>) -> Answer<Explanation> {
        let load = async {
            let asker = asker(ctx);
            let folded = self.folded(asker).await?.ok_or_else(|| Problem::from(show_score::Error::Pending))?;
            let scorer = Arc::clone(&asker.api.scorer.borrow());
            let explained = scorer.explain(self.head.id, &folded.state, asker.api.clock.now(), folded.log_position);
            let explained = explained.map_err(|withheld| match withheld {
                Withheld::Obstacle(obstacle) => Problem::from(show_score::Error::Withheld(obstacle)),
                Withheld::Empty => Problem::from(show_score::Error::Pending),
            })?;
            Ok(Explanation::new(explained, asker.principal().sees_internals()).into())
        };
        perform(ctx, "Lead.explanation", Some(self.head.id), load).await
    }

    /// What happened to it, and to those who were merged into it, the latest first.
    #[graphql(complexity = "each(first, ENTRIES, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only events of this kind")] kind: Option<EventKind>,
        #[graphql(desc = "How many, 1 to 100; 10 unless you say otherwise")] first: Option<i32>,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
    ) -> Answer<EventPage> {
        let kinds = kind.map(|kind| [kind.into(); 2]);
        let load = async { Ok(self.history(asker(ctx), kinds, (first, after.as_deref())).await?.into()) };
        perform(ctx, "Lead.events", Some(self.head.id), load).await
    }

    /// How it ended with it, the latest first.
    #[graphql(complexity = "each(first, ENTRIES, child_complexity)")]
    async fn outcomes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100; 10 unless you say otherwise")] first: Option<i32>,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
    ) -> Answer<EventPage> {
        let kinds = Some([Kind::Outcome; 2]);
        let load = async { Ok(self.history(asker(ctx), kinds, (first, after.as_deref())).await?.into()) };
        perform(ctx, "Lead.outcomes", Some(self.head.id), load).await
    }

    /// Every statement about every purpose, the latest first; of each purpose the latest one holds.
    #[graphql(complexity = "each(None, ENTRIES, child_complexity)")]
    async fn consents(&self, ctx: &Context<'_>) -> Answer<Vec<Statement>> {
        let load = async {
            let kinds = Some([Kind::Consent, Kind::LeadCreated]);
            let page = HistoryPage { lead: self.head.id, kinds, before: None, limit: EVENTS_MAX };
            let events = asker(ctx).loader.load_one(page).await?.unwrap_or_default();
            let (mut said, mut all) = (HashSet::new(), Vec::new());
            for event in &*events {
                let principal = asker(ctx).principal();
                all.extend(
                    statements(event)
                        .map(|consent| Statement::new(event, consent, said.insert(consent.purpose), principal)),
                );
            }
            Ok(all.into())
        };
        perform(ctx, "Lead.consents", Some(self.head.id), load).await
    }
}

/// Why a lead without a score has none.
fn why_not(asker: &Asker, lead: LeadId, folded: Option<&Folded>) -> Code {
    let Some(Folded { state, log_position }) = folded else { return Code::ScorePending };
    let scorer = Arc::clone(&asker.api.scorer.borrow());
    match scorer.score(lead, state, asker.api.clock.now(), *log_position) {
        Err(Withheld::Obstacle(obstacle)) => obstacle.into(),
        // What is not committed is not shown.
        Ok(_) | Err(Withheld::Empty) => Code::ScorePending,
    }
}

impl Profile {
    fn new(folded: Option<&Folded>) -> Self {
        let none = leadscore_engine::features::LeadState::default();
        let state = folded.map_or(&none, |folded| &folded.state);
        let attributes = state.attributes().map(|(name, value)| (name.to_owned(), serde_json::json!(value)));
        let counts = Kind::ALL.iter().map(|kind| (kind.as_str().to_owned(), state.events(*kind)));
        let counts = counts.filter(|(_, count)| *count > 0).map(|(kind, count)| (kind, count.into()));
        Self {
            stage: state.stage().map(Stage::from),
            channel: state.channel().map(str::to_owned),
            time_zone: state.time_zone().map(str::to_owned),
            attributes: Json(Value::Object(attributes.collect())),
            first_event_at: state.first_event_at().map(DateTime),
            last_event_at: state.last_event_at().map(DateTime),
            event_counts: Json(Value::Object(counts.collect())),
        }
    }
}

impl From<&leadscore_domain::Identity> for Identity {
    fn from(identity: &leadscore_domain::Identity) -> Self {
        Self { kind: identity.kind().into(), value: identity.value().to_owned() }
    }
}

impl From<leadscore_store::User> for User {
    fn from(user: leadscore_store::User) -> Self {
        let leadscore_store::User { id, email, name, role, team_id, created_at: _ } = user;
        Self { id: id.into(), email, name, role: role.into(), team_id: team_id.map(ID::from) }
    }
}
