//! `GET /api/v1/queue`: whom an agent should turn to next.

use std::{cmp::Ordering, collections::HashMap, str::FromStr, sync::Arc};

use axum::{Extension, Json, extract::State};
use leadscore_domain::{
    Approach, Grade, LeadId, Timestamp,
    event::{OutcomeResult, Stage},
    time::DAY_US,
};
use leadscore_engine::features::LeadState;
use leadscore_store::{Authority, FoundLead, FoundScore, LeadFilter, LeadKey, LeadOrder, Principal, audit::Object};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    auth::bearer::Sender,
    problem::{Code, Problem},
    query::Parameters,
    rest::{answers::rounded, unavailable},
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidQueryParameter];

/// Leads of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 20;
const LIMIT_MAX: usize = 200;
/// Leads that are put in order: those of the agent with the highest scores.
const CANDIDATES_MAX: usize = 1_000;
const BEST: LeadOrder = LeadOrder { key: LeadKey::Score, descending: true };
/// Time in which a lead's readiness halves while it hears nothing.
const INTEREST_HALF_LIFE_US: f64 = 7.0 * DAY_US as f64;
/// Time after which half of the reason is back to turn to a lead that has not reacted.
const REST_HALF_LIFE_US: f64 = DAY_US as f64;

/// A page of an agent's queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct Queue {
    /// Whose; `null` for that of everybody.
    #[schema(required)]
    agent_id: Option<Uuid>,
    /// The instant for which it is in order; the same on every page.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// The first one first.
    leads: Vec<QueuedLead>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A lead that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedLead {
    /// Which.
    lead_id: Uuid,
    /// The person's name, `null` where it is unknown; left out for keys without the scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// What the order goes by, 4 decimals.
    #[schema(minimum = 0, maximum = 1)]
    priority: f64,
    /// The latest score.
    #[schema(minimum = 0, maximum = 100)]
    score: u8,
    /// The score that a person gave the lead, by which it has its place; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 100)]
    override_score: Option<u8>,
    /// The score in four bands.
    grade: Grade,
    /// Calibrated probability of conversion within 30 days, 4 decimals.
    #[schema(minimum = 0, maximum = 1)]
    conversion_probability: f64,
    /// Where the lead stands in the pipeline.
    #[schema(value_type = Option<schema::Stage>, required)]
    stage: Option<Stage>,
    /// Start of the next lawful hour in which the lead most likely answers; `null` where there is none.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    optimal_contact_time: Option<Timestamp>,
    /// What to do.
    recommended_approach: Approach,
    /// Since when the lead waits for an answer; `null` where the last word was ours.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    waiting_since: Option<Timestamp>,
}

/// What a lead's history says about its turn.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// When the lead last turned to us, answered, or came into being.
    heard_at: Timestamp,
    /// When we last turned to the lead.
    tried_at: Option<Timestamp>,
    stage: Option<Stage>,
    is_over: bool,
}

impl Course {
    fn new(state: &LeadState, created_at: Timestamp) -> Self {
        let ended = |at: Timestamp, result| match result {
            // A stage that was entered later opens the lead again.
            OutcomeResult::Won | OutcomeResult::Lost => state.stage_entered().is_none_or(|(entered, _)| entered <= at),
            OutcomeResult::NoAnswer => false,
        };
        let heard_at = state.last_inbound_at().or(state.created_at()).unwrap_or(created_at);
        Self {
            heard_at,
            tried_at: state.last_outbound_at(),
            stage: state.stage(),
            is_over: matches!(state.stage(), Some(Stage::Won | Stage::Lost))
                || state.outcome().is_some_and(|(at, result)| ended(at, result))
                || state.opted_out_at().is_some_and(|out| out >= heard_at),
        }
    }

    /// Since when the lead waits for an answer; `None` where the last word was ours.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.tried_at.is_none_or(|tried| tried < self.heard_at).then_some(self.heard_at)
    }

    /// What is to be expected of turning to the lead at `at`, from the probability that it converts: interest fades while
    /// a lead hears nothing, and who was turned to just now and has not reacted is let rest.
    fn priority(&self, probability: f64, at: Timestamp) -> f64 {
        let halved = |since: Timestamp, half_life_us: f64| (-(at.since(since).max(0) as f64) / half_life_us).exp2();
        let quiet_since = self.tried_at.map_or(self.heard_at, |tried| tried.max(self.heard_at));
        let rested = match self.tried_at.filter(|_| self.waiting_since().is_none()) {
            Some(tried) => 1.0 - halved(tried, REST_HALF_LIFE_US),
            None => 1.0,
        };
        probability * halved(quiet_since, INTEREST_HALF_LIFE_US) * rested
    }
}

/// A lead with its turn.
pub struct Ranked {
    /// The lead.
    pub lead: FoundLead,
    score: FoundScore,
    /// What its history says about its turn.
    pub course: Course,
    /// What the order goes by.
    pub priority: f64,
    override_score: Option<u8>,
}

/// A page of a queue.
pub struct Page {
    /// Whose; `None` for that of everybody.
    pub agent_id: Option<Uuid>,
    /// The instant for which it is in order.
    pub as_of: Timestamp,
    /// The first one first.
    pub leads: Vec<Ranked>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

impl Ranked {
    /// Who comes first: the higher priority, among equals the older lead.
    fn order(&self, (priority, id): (f64, LeadId)) -> Ordering {
        priority.total_cmp(&self.priority).then(self.lead.id.cmp(&id))
    }

    fn shown(self, principal: &Principal) -> QueuedLead {
        let Self { lead: FoundLead { id, name, .. }, score, course, priority, override_score } = self;
        QueuedLead {
            lead_id: id.0,
            name: principal.sees_persons().then_some(name),
            priority: rounded(priority, 4),
            score: score.score,
            override_score,
            grade: score.score.into(),
            conversion_probability: rounded(score.probability, 4),
            stage: course.stage,
            optimal_contact_time: score.optimal_contact_time,
            recommended_approach: score.recommended_approach,
            waiting_since: course.waiting_since(),
        }
    }
}

/// Where the next page begins: the instant of the order, and the priority and id of the last lead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cursor {
    as_of: Timestamp,
    last: (f64, LeadId),
}

impl Cursor {
    fn write(self) -> String {
        let Self { as_of, last: (priority, id) } = self;
        format!("{}.{}.{}", as_of.as_micros(), priority.to_bits(), id.0.simple())
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let (Some(micros), Some(bits), Some(id)) = (parts.next(), parts.next(), parts.next()) else { return Err(()) };
        let as_of = micros.parse().ok().and_then(Timestamp::from_micros).ok_or(())?;
        let priority = f64::from_bits(bits.parse().map_err(|_| ())?);
        Ok(Self { as_of, last: (priority, LeadId(id.parse().map_err(|_| ())?)) })
    }
}

/// Queue of an agent
///
/// The agent's leads in the order in which to turn to them. It goes by `priority`: the calibrated probability of
/// conversion, halved for each 7 days without contact either way; for a lead that we turned to last and that has not
/// reacted, times 1 − ½^(days since then), so that it comes back over the next days. A lead whose score a person overrode
/// has the probability that goes with the score they gave. Of an agent with more than 1,000
/// leads those with the highest scores are in the queue. Leads that were won or lost, that asked not to be contacted and
/// have not turned to you since, and leads without a score are not.
#[utoipa::path(
    get,
    path = "/api/v1/queue",
    tag = "scores",
    params(
        ("agent_id" = Option<Uuid>, Query, description =
            "Whose queue; your own unless you say otherwise, for a key that of everybody. You find the leads in it that you see"),
        ("limit" = Option<usize>, Query, description = "Leads of the page, 1 to 200; 20 unless you say otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = Queue,
        example = json!({
            "agent_id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
            "as_of": "2026-03-01T10:45:00Z",
            "leads": [{
                "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                "name": "Ann Example",
                "priority": 0.7292,
                "score": 87,
                "override_score": 95,
                "grade": "B",
                "conversion_probability": 0.73,
                "stage": "qualified",
                "optimal_contact_time": "2026-03-02T15:00:00Z",
                "recommended_approach": "premium_property_focus",
                "waiting_since": "2026-03-01T10:30:00Z"
            }],
            "next": "1772361900000000.4604764061478813696.0198c2c45b1e7f3a9d7e2f6a1c0b4d5e"
        })
    ))
)]
pub async fn show_queue(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    mut query: Parameters,
) -> Result<(Extension<Touched>, Json<Queue>), Problem> {
    let agent: Option<Uuid> = query.take("agent_id", "send the id of a user")?;
    let cursor: Option<Cursor> = query.take("cursor", "send `next` of the page before as it was")?;
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    query.end()?;
    let Page { agent_id, as_of, leads, next } = page(&api, &principal, agent, cursor, limit).await?;
    let touched = leads.iter().map(|lead| Object::Lead(lead.lead.id)).collect();
    let leads = leads.into_iter().map(|lead| lead.shown(&principal)).collect();
    Ok((Extension(touched), Json(Queue { agent_id, as_of, leads, next })))
}

/// A page of an agent's queue; of one's own where no agent is named, and of everybody's for a program.
///
/// # Errors
/// Where the store fails.
pub async fn page(
    api: &Api,
    principal: &Principal,
    agent: Option<Uuid>,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, Problem> {
    let agent_id = agent.or(match principal.authority {
        Authority::Person { .. } => Some(principal.id),
        Authority::Machine { .. } => None,
    });
    let as_of = cursor.map_or_else(|| api.clock.now(), |cursor| cursor.as_of);
    let mut leads = rank(api, principal, agent_id, as_of).await?;
    if let Some(Cursor { last, .. }) = cursor {
        leads.retain(|lead| lead.order(last) == Ordering::Greater);
    }
    let more = leads.len() > limit;
    leads.truncate(limit);
    let last = leads.last().filter(|_| more).map(|lead| (lead.priority, lead.lead.id));
    let next = last.map(|last| Cursor { as_of, last }.write());
    Ok(Page { agent_id, as_of, leads, next })
}

/// Open leads of an agent, or of everybody, the first one first.
async fn rank(
    api: &Api,
    principal: &Principal,
    agent_id: Option<Uuid>,
    as_of: Timestamp,
) -> Result<Vec<Ranked>, Problem> {
    let filter = LeadFilter { agent_id, score_from: Some(0), ..LeadFilter::default() };
    let asked = (CANDIDATES_MAX, principal.sees_persons());
    let found = api.store.search_leads(principal.sight(), &filter, BEST, None, asked).await.map_err(unavailable)?;
    let ids: Vec<LeadId> = found.iter().map(|lead| lead.id).collect();
    let mut states = api.store.states(&ids).await.map_err(unavailable)?;
    let overrides = overrides(api, &ids).await?;
    let scale: Vec<(u8, f64)> = found.iter().filter_map(|lead| lead.score).map(|s| (s.score, s.probability)).collect();
    let read = tokio::task::spawn_blocking(move || {
        let turn = |lead: FoundLead| {
            // A state that cannot be read is about to be folded anew; until then it says nothing.
            let state = states.remove(&lead.id).and_then(|state| LeadState::from_bytes(&state.bytes).ok());
            let course = Course::new(&state.unwrap_or_default(), lead.created_at);
            let score = lead.score?;
            let override_score = overrides.get(&lead.id).copied();
            let probability = override_score.map_or(score.probability, |given| probability_of(given, &scale));
            let priority = course.priority(probability, as_of);
            (!course.is_over).then_some(Ranked { lead, score, course, priority, override_score })
        };
        let mut ranked: Vec<Ranked> = found.into_iter().filter_map(turn).collect();
        ranked.sort_unstable_by(|one, other| one.order((other.priority, other.lead.id)));
        ranked
    });
    // A blocking task is never cancelled once it runs: what is left is a panic, which goes on where it belongs.
    Ok(read.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
}

/// The scores that people gave those of these leads that have any.
async fn overrides(api: &Api, leads: &[LeadId]) -> Result<HashMap<LeadId, u8>, Problem> {
    let leads: Vec<LeadId> = leads.iter().copied().filter(|lead| api.store.is_overridden(*lead)).collect();
    if leads.is_empty() {
        return Ok(HashMap::new());
    }
    let found = api.store.overrides_of(&leads).await.map_err(unavailable)?;
    Ok(found.into_iter().map(|one| (one.lead_id, one.score)).collect())
}

/// The probability that goes with a score that a person gave, on a line between those of the leads whose scores are next to
/// it: of a model, a higher score has a higher probability.
fn probability_of(given: u8, scale: &[(u8, f64)]) -> f64 {
    let (mut below, mut above) = ((0.0, 0.0), (100.0, 1.0));
    for (score, probability) in scale.iter().map(|(score, probability)| (f64::from(*score), *probability)) {
        if score <= f64::from(given) && (score, probability) > below {
            below = (score, probability);
        }
        if score >= f64::from(given) && (score, probability) < above {
            above = (score, probability);
        }
    }
    if above.0 <= below.0 {
        return below.1;
    }
    below.1 + (above.1 - below.1) * (f64::from(given) - below.0) / (above.0 - below.0)
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{Score, time::HOUR_US};
    use leadscore_store::{Assignment, Role, Scope};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{TestApp, score};

    const PATH: &str = "/api/v1/queue";

    fn course(heard_h: i64, tried_h: Option<i64>) -> Course {
        let at = |hours: i64| Timestamp::from_micros(hours * HOUR_US).unwrap();
        Course { heard_at: at(heard_h), tried_at: tried_h.map(at), stage: None, is_over: false }
    }

    #[test]
    fn who_waits_shortest_comes_first_and_who_was_just_called_rests() {
        let now = Timestamp::from_micros(240 * HOUR_US).unwrap();
        let priority = |course: Course| course.priority(0.5, now);
        assert_eq!(priority(course(240, None)), 0.5);
        assert_eq!(priority(course(240 - 168, None)), 0.25, "a week");
        assert_eq!(priority(course(240, Some(200))), 0.5, "the lead had the last word");
        assert_eq!(priority(course(100, Some(240))), 0.0, "called this instant");
        assert!(priority(course(100, Some(216))) < priority(course(100, Some(192))), "two days of rest");
        assert_eq!(priority(course(300, None)), 0.5, "a clock that runs ahead");
        assert_eq!(course(100, Some(99)).waiting_since(), Some(course(100, None).heard_at));
        assert_eq!(course(100, Some(100)).waiting_since(), None);
    }

    /// Leads of an agent with these probabilities.
    async fn queue_of(app: &TestApp, agent: &Principal, probabilities: &[f64]) -> Vec<LeadId> {
        let mut leads = Vec::new();
        for probability in probabilities {
            let lead = app.lead(&probability.to_string()).await;
            app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
            leads.push(lead);
        }
        derive(app, &leads, probabilities).await;
        leads
    }

    async fn derive(app: &TestApp, leads: &[LeadId], probabilities: &[f64]) {
        let of = |id: LeadId| leads.iter().position(|lead| *lead == id).map(|place| probabilities[place]);
        app.derive(|id| of(id).map(|probability| Score { probability, ..score(id) })).await;
    }

    async fn send(app: &TestApp, lead: LeadId, kind: &str, data: Value) {
        let event = json!({
            "source": "crm", "source_event_id": format!("{lead} {kind} {data}"), "lead": {"lead_id": lead},
            "occurred_at": app.state.clock.now(), "type": kind, "data": data
        });
        assert_eq!(app.post("/api/v1/events", &event).await.status, 202);
    }

    fn ids(page: &Value) -> Vec<Value> {
        page["leads"].as_array().unwrap().iter().map(|lead| lead["lead_id"].clone()).collect()
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let app = TestApp::new().await;
        for query in ["?agent_id=me", "?limit=0", "?limit=201", "?cursor=1.2", "?cursor=x.1.y"] {
            assert_eq!(app.get(&format!("{PATH}{query}")).await.code(), "invalid-query-parameter", "{query}");
        }
        // Bits that are no number end the queue, or begin it anew.
        let cursor = format!("1772361900000000.{}.0198c2c45b1e7f3a9d7e2f6a1c0b4d5e", f64::NAN.to_bits());
        let reply = app.get(&format!("{PATH}?agent_id={}&cursor={cursor}", crate::testing::NOBODY)).await;
        assert_eq!(reply.json()["leads"], json!([]));
    }

    #[tokio::test]
    async fn open_leads_come_in_their_order_page_by_page() {
        let mut app = TestApp::new().await;
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        let probabilities = [0.3, 0.9, 0.6, 0.8, 0.7];
        let leads = queue_of(&app, &agent, &probabilities).await;
        app.clock.advance_micros(HOUR_US);
        send(&app, leads[1], "outcome", json!({"result": "won"})).await;
        send(&app, leads[3], "stage_changed", json!({"stage": "lost"})).await;
        send(&app, leads[4], "voice_call", json!({"direction": "outbound", "answered": false, "duration_ms": 0})).await;
        derive(&app, &leads, &probabilities).await;
        app.token = app.log_in(&agent).await;
        let first = app.get(&format!("{PATH}?limit=2")).await.json();
        assert_eq!(ids(&first), [json!(leads[2]), json!(leads[0])]);
        assert_eq!(first["leads"][0]["waiting_since"], json!("2026-03-01T10:00:00Z"));
        app.clock.advance_micros(20 * HOUR_US);
        app.token = app.log_in(&agent).await;
        let second = app.get(&format!("{PATH}?limit=2&cursor={}", first["next"].as_str().unwrap())).await.json();
        assert_eq!((ids(&second), &second["as_of"]), (vec![json!(leads[4])], &first["as_of"]));
        assert_eq!((&second["leads"][0]["waiting_since"], second.get("next")), (&Value::Null, None));
        assert_eq!(ids(&app.get(PATH).await.json())[0], json!(leads[2]));
    }

    #[tokio::test]
    async fn each_sees_the_queues_of_the_leads_that_they_see() {
        let mut app = TestApp::new().await;
        let (north, south) = (app.team("North").await, app.team("South").await);
        let agent = app.user("agent@example.com", Role::Agent, Some(north)).await;
        let colleague = app.user("colleague@example.com", Role::Agent, Some(north)).await;
        let manager = app.user("manager@example.com", Role::Manager, Some(north)).await;
        let stranger = app.user("stranger@example.com", Role::Manager, Some(south)).await;
        let leads = queue_of(&app, &agent, &[0.5]).await;
        let path = format!("{PATH}?agent_id={}", agent.id);
        for (who, sees) in [(&agent, 1), (&colleague, 0), (&manager, 1), (&stranger, 0)] {
            app.token = app.log_in(who).await;
            assert_eq!(ids(&app.get(&path).await.json()).len(), sees, "{}", who.name);
        }
        app.token = app.key(Scope::ScoresRead).await;
        let page = app.get(&path).await.json();
        assert_eq!((ids(&page), page["leads"][0].get("name")), (vec![json!(leads[0])], None));
        assert_eq!(ids(&app.get(PATH).await.json()), ids(&page), "everybody's");
    }
}
