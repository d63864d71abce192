//! `GET /api/v1/leads`: leads by what is known of them, page by page.

use std::{str::FromStr, sync::Arc};

use axum::{Extension, Json, extract::State};
use leadscore_domain::{Grade, Identity, LeadId, RawIdentity, Region, Timestamp};
use leadscore_store::{FoundLead, LeadFilter, LeadKey, LeadOrder, LeadPlace, Principal, audit::Object};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    auth::bearer::Sender,
    problem::{Code, Problem},
    query::{Parameters, Word},
    rest::{answers::rounded, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidQueryParameter];

/// Leads of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 200;
/// The order, unless the request says otherwise.
const NEWEST: Sort = Sort(LeadOrder { key: LeadKey::CreatedAt, descending: true });

/// A page of leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeadPage {
    /// In the order that was asked for.
    leads: Vec<LeadRow>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A lead in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeadRow {
    /// Its id.
    lead_id: Uuid,
    /// When its first event was received.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The agent whose lead it is.
    #[schema(required)]
    agent_id: Option<Uuid>,
    /// The team that has still to choose an agent.
    #[schema(required)]
    team_id: Option<Uuid>,
    /// The person's name, `null` where it is unknown; left out for keys without the scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// The latest score; `null` where there is none yet, or none may be.
    #[schema(minimum = 0, maximum = 100, required)]
    score: Option<u8>,
    /// The score in four bands.
    #[schema(required)]
    grade: Option<Grade>,
    /// Calibrated probability of conversion within 30 days, 4 decimals.
    #[schema(minimum = 0, maximum = 1, required)]
    conversion_probability: Option<f64>,
    /// When the score was calculated.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    calculated_at: Option<Timestamp>,
}

impl LeadRow {
    fn new(FoundLead { id, created_at, assignment, name, score }: FoundLead, principal: &Principal) -> Self {
        let (agent_id, team_id) = assignment.ids();
        Self {
            lead_id: id.0,
            created_at,
            agent_id,
            team_id,
            name: principal.sees_persons().then_some(name),
            score: score.map(|score| score.score),
            grade: score.map(|score| score.score.into()),
            conversion_probability: score.map(|score| rounded(score.probability, 4)),
            calculated_at: score.map(|score| score.calculated_at),
        }
    }
}

/// An order, as its parameter names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sort(LeadOrder);

impl Sort {
    const fn as_str(self) -> &'static str {
        match (self.0.key, self.0.descending) {
            (LeadKey::Score, false) => "score",
            (LeadKey::Score, true) => "-score",
            (LeadKey::CreatedAt, false) => "created_at",
            (LeadKey::CreatedAt, true) => "-created_at",
            (LeadKey::CalculatedAt, false) => "calculated_at",
            (LeadKey::CalculatedAt, true) => "-calculated_at",
        }
    }
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (descending, word) = text.strip_prefix('-').map_or((false, text), |word| (true, word));
        let key = match word {
            "score" => LeadKey::Score,
            "created_at" => LeadKey::CreatedAt,
            "calculated_at" => LeadKey::CalculatedAt,
            _ => return Err(()),
        };
        Ok(Self(LeadOrder { key, descending }))
    }
}

/// Where the next page begins: the order that it counts in, and the last lead's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor(Sort, LeadPlace);

impl Cursor {
    fn write(self) -> String {
        let Self(sort, LeadPlace { key, id }) = self;
        format!("{}.{key}.{}", sort.as_str(), id.0.simple())
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let (Some(sort), Some(key), Some(id)) = (parts.next(), parts.next(), parts.next()) else { return Err(()) };
        let (key, id) = (key.parse().map_err(|_| ())?, LeadId(id.parse().map_err(|_| ())?));
        Ok(Self(sort.parse()?, LeadPlace { key, id }))
    }
}

/// Search leads
///
/// The leads that you see and that pass all filters. Who comes in between two pages moves none of the others; a lead
/// whose score changes meanwhile may be shown twice or not at all where the order is by score. In it, leads without a
/// score come behind those with the lowest.
#[utoipa::path(
    get,
    path = "/api/v1/leads",
    tag = "leads",
    params(
        ("agent_id" = Option<Uuid>, Query, description = "Only leads of this agent"),
        ("team_id" = Option<Uuid>, Query, description = "Only leads of this team that have no agent yet"),
        ("unassigned" = Option<bool>, Query, description = "`true`: only leads of nobody"),
        ("identity" = Option<String>, Query, description =
            "Only the lead that has this handle: its kind, a colon and its value, such as `email:ann@example.com`"),
        ("grade" = Option<Grade>, Query, description = "Only leads of this grade"),
        ("score_from" = Option<u8>, Query, description = "Only leads with this score or a higher one"),
        ("score_to" = Option<u8>, Query, description = "Only leads with this score or a lower one"),
        ("created_from" = Option<String>, Query, description = "Only leads created at this instant (RFC 3339) or later"),
        ("created_to" = Option<String>, Query, description = "Only leads created before this instant"),
        ("sort" = Option<String>, Query, description =
            "`score`, `created_at` or `calculated_at`, with `-` before it for the highest or latest first; \
             `-created_at` unless you say otherwise"),
        ("limit" = Option<usize>, Query, description = "Leads of the page, 1 to 200; 50 unless you say otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before, with the same `sort` and filters")
    ),
    responses((
        status = 200,
        description = "A page",
        body = LeadPage,
        example = json!({
            "leads": [{
                "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                "created_at": "2026-03-01T10:30:00Z",
                "agent_id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
                "team_id": null,
                "name": "Ann Example",
                "score": 87,
                "grade": "B",
                "conversion_probability": 0.73,
                "calculated_at": "2026-03-01T10:30:00Z"
            }],
            "next": "-created_at.1772361000000000.0198c2c45b1e7f3a9d7e2f6a1c0b4d5e"
        })
    ))
)]
pub async fn search_leads(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    mut query: Parameters,
) -> Result<(Extension<Touched>, Json<LeadPage>), Problem> {
    let filter = read_filter(&mut query, &principal, api.region)?;
    let sort = query.take("sort", "send score, created_at or calculated_at, or one of them after a `-`")?;
    let sort: Sort = sort.unwrap_or(NEWEST);
    let cursor: Option<Cursor> = query.take("cursor", SAME)?;
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    query.end()?;
    if cursor.is_some_and(|Cursor(of, _)| of != sort) {
        return Err(Problem::new(Code::InvalidQueryParameter, "The cursor is of another order.")
            .field("cursor")
            .remedy(SAME));
    }
    let after = cursor.map(|Cursor(_, place)| place);
    let (found, next) = page(&api, &principal, &filter, sort.0, (after, limit)).await?;
    let touched = found.iter().map(|lead| Object::Lead(lead.id)).collect();
    let leads = found.into_iter().map(|lead| LeadRow::new(lead, &principal)).collect();
    Ok((Extension(touched), Json(LeadPage { leads, next })))
}

/// A page of the leads that somebody sees, and the cursor of the next one.
///
/// # Errors
/// Where the store fails.
pub async fn page(
    api: &Api,
    principal: &Principal,
    filter: &LeadFilter,
    order: LeadOrder,
    (after, limit): (Option<LeadPlace>, usize),
) -> Result<(Vec<FoundLead>, Option<String>), Problem> {
    let asked = (limit + 1, principal.sees_persons());
    let found = api.store.search_leads(principal.sight(), filter, order, after, asked).await;
    let mut found = found.map_err(unavailable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| Cursor(Sort(order), last.place(order)).write());
    Ok((found, next))
}

/// Where a page begins, from its cursor; `None` where it is none of this order.
pub fn place(cursor: &str, order: LeadOrder) -> Option<LeadPlace> {
    cursor.parse().ok().filter(|Cursor(of, _)| *of == Sort(order)).map(|Cursor(_, place)| place)
}

const SAME: &str = "send `next` of the page before as it was, with the same `sort`";

fn read_filter(query: &mut Parameters, principal: &Principal, region: Region) -> Result<LeadFilter, Problem> {
    let instant = "send an instant as RFC 3339, such as 2026-03-01T10:30:00Z";
    let score = "send a number from 0 to 100";
    Ok(LeadFilter {
        agent_id: query.take("agent_id", "send the id of a user")?,
        team_id: query.take("team_id", "send the id of a team")?,
        unassigned: query.take("unassigned", "send true or false")?.unwrap_or(false),
        identity: read_identity(query, principal, region)?,
        grade: query.take("grade", "send A, B, C or D")?.map(|Word(grade)| grade),
        score_from: query.take("score_from", score)?,
        score_to: query.take("score_to", score)?,
        created_from: query.take("created_from", instant)?,
        created_to: query.take("created_to", instant)?,
    })
}

/// Checks that somebody may look for a handle: who is not shown handles does not learn either whose one is.
///
/// # Errors
/// [`Code::Forbidden`].
pub fn check_sees_handles(principal: &Principal) -> Result<(), Problem> {
    if principal.sees_persons() {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "To look for a handle takes the scope leads:personal."))
}

fn read_identity(query: &mut Parameters, principal: &Principal, region: Region) -> Result<Option<Identity>, Problem> {
    let remedy = "send a kind (phone, email, crm or web), a colon and the handle, such as email:ann@example.com";
    let Some(text) = query.take::<String>("identity", remedy)? else { return Ok(None) };
    check_sees_handles(principal)?;
    let refuse = |detail| Problem::new(Code::InvalidQueryParameter, detail).field("identity").remedy(remedy);
    let (kind, value) = text.split_once(':').ok_or_else(|| refuse("The handle has no kind."))?;
    let Word(kind) = kind.parse().map_err(|()| refuse("The kind of the handle is not known."))?;
    let handle = RawIdentity { kind, value: value.to_owned() };
    handle.normalise(region).map(Some).map_err(|_| refuse("The handle is not of its kind."))
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{LeadId, Score};
    use leadscore_store::{Assignment, Role, Scope};
    use serde_json::{Value, json};

    use crate::testing::{TestApp, score};

    const PATH: &str = "/api/v1/leads";

    /// Leads with these scores.
    async fn scored(app: &TestApp, values: &[u8]) -> Vec<LeadId> {
        let mut leads = Vec::new();
        for value in values {
            leads.push(app.lead(&value.to_string()).await);
        }
        let of = |id: LeadId| values[leads.iter().position(|lead| *lead == id).unwrap()];
        app.derive(|id| Some(Score { score: of(id), grade: of(id).into(), ..score(id) })).await;
        leads
    }

    fn scores(page: &Value) -> Vec<u64> {
        page["leads"].as_array().unwrap().iter().map(|lead| lead["score"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let app = TestApp::new().await;
        let place = "1772361000000000.0198c2c45b1e7f3a9d7e2f6a1c0b4d5e";
        for (query, code, field) in [
            ("limit=0", "invalid-query-parameter", "limit"),
            ("limit=201", "invalid-query-parameter", "limit"),
            ("sort=name", "invalid-query-parameter", "sort"),
            ("sort=--score", "invalid-query-parameter", "sort"),
            ("grade=E", "invalid-query-parameter", "grade"),
            ("score_from=-1", "invalid-query-parameter", "score_from"),
            ("score_to=many", "invalid-query-parameter", "score_to"),
            ("created_from=today", "invalid-query-parameter", "created_from"),
            ("agent_id=me", "invalid-query-parameter", "agent_id"),
            ("unassigned=1", "invalid-query-parameter", "unassigned"),
            ("identity=ann", "invalid-query-parameter", "identity"),
            ("identity=fax:1", "invalid-query-parameter", "identity"),
            ("identity=phone:1", "invalid-query-parameter", "identity"),
            ("cursor=1", "invalid-query-parameter", "cursor"),
            (&format!("cursor=-score.{place}"), "invalid-query-parameter", "cursor"),
            ("page=2", "unknown-query-parameter", "page"),
        ] {
            let reply = app.get(&format!("{PATH}?{query}")).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), (code, &json!(field)), "{query}");
        }
        // A place that no lead can have is the place of nobody.
        for key in [i64::MIN, i64::MAX] {
            let cursor = format!("-created_at.{key}.0198c2c45b1e7f3a9d7e2f6a1c0b4d5e");
            assert_eq!(app.get(&format!("{PATH}?cursor={cursor}")).await.status, 200);
        }
    }

    #[tokio::test]
    async fn pages_follow_one_another_in_the_order_that_was_asked_for() {
        let app = TestApp::new().await;
        scored(&app, &[50, 90, 7, 87]).await;
        app.lead("unscored").await;
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{PATH}?sort=-score&limit=2{next}")).await.json();
            seen.extend(page["leads"].as_array().unwrap().iter().map(|lead| lead["score"].clone()));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(seen, [json!(90), json!(87), json!(50), json!(7), Value::Null]);
        let page = app.get(&format!("{PATH}?score_from=50&score_to=89&sort=score")).await.json();
        assert_eq!(scores(&page), [50, 87]);
        assert_eq!(scores(&app.get(&format!("{PATH}?grade=A")).await.json()), [90]);
    }

    #[tokio::test]
    async fn each_sees_their_own_leads_and_keys_see_no_persons() {
        let mut app = TestApp::new().await;
        let leads = scored(&app, &[50, 90]).await;
        let named = json!({"identities": [{"kind": "phone", "value": "512 555 0123"}], "name": "Ann Example"});
        let ann = app.lead_with(&named).await;
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        app.state.store.assign_lead(leads[0], Assignment::Agent(agent.id)).await.unwrap();
        let found = format!("{PATH}?identity=phone:%2B15125550123");
        let page = app.get(&found).await.json();
        assert_eq!((&page["leads"][0]["lead_id"], &page["leads"][0]["name"]), (&json!(ann), &json!("Ann Example")));
        assert_eq!(page["leads"].as_array().unwrap().len(), 1);

        app.token = app.log_in(&agent).await;
        assert_eq!(scores(&app.get(PATH).await.json()), [50]);
        for hidden in [found.as_str(), "/api/v1/leads?unassigned=true"] {
            assert_eq!(app.get(hidden).await.json(), json!({"leads": []}), "{hidden}");
        }

        app.token = app.key(Scope::LeadsRead).await;
        let page = app.get(PATH).await.json();
        assert_eq!(page["leads"].as_array().unwrap().len(), 3);
        assert!(!page.to_string().contains("Ann") && page["leads"][0].get("name").is_none(), "{page}");
        assert_eq!(app.get(&found).await.code(), "forbidden");
    }
}
