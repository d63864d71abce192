//! `PUT /api/v1/leads/{lead_id}/override`: a person decides otherwise than the model.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use leadscore_domain::{Invalid, Timestamp};
use leadscore_store::NewOverride;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::actor,
    auth::{
        bearer::Sender,
        sight::{check_exists, unknown_lead},
    },
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::{LeadPath, privacy_request::text, score_override::ScoreOverride, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound];

/// The highest score.
const SCORE_MAX: u8 = 100;

/// A score of one's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScoreOverride {
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    score: u8,
    /// Why; kept encrypted, and gone with the lead.
    #[schema(min_length = 1, max_length = 8_192)]
    reason: String,
    /// Until when it holds; until it is ended, where it is left out.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// Override a lead's score
///
/// From now on the queue goes by this score (GDPR Art. 22(3): the right to obtain human intervention). The model's score is
/// neither changed nor lost; `GET /api/v1/leads/{lead_id}/score` shows both. An earlier override ends.
#[utoipa::path(
    put,
    path = "/api/v1/leads/{lead_id}/override",
    tag = "privacy",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    request_body(content = NewScoreOverride, example = json!({
        "score": 95,
        "reason": "called in person, buys this week",
        "expires_at": "2026-03-08T10:30:00Z"
    })),
    responses((
        status = 200,
        description = "The override",
        body = ScoreOverride,
        example = json!({
            "score": 95,
            "reason": "called in person, buys this week",
            "set_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "created_at": "2026-03-01T10:30:00Z",
            "expires_at": "2026-03-08T10:30:00Z",
            "ended_at": null,
            "ended_by": null
        })
    ))
)]
pub async fn set_override(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead_id): LeadPath,
    JsonBytes(bytes): JsonBytes,
) -> Result<Answer<ScoreOverride>, Problem> {
    check_exists(&api, lead_id).await?;
    let NewScoreOverride { score, reason, expires_at } = parse(&bytes)?;
    if score > SCORE_MAX {
        return Err(Invalid::new("score", "is out of range", "send a number from 0 to 100").into());
    }
    if expires_at.is_some_and(|end| end <= api.clock.now()) {
        return Err(Invalid::new("expires_at", "has passed", "send a later instant, or leave it out").into());
    }
    let new = NewOverride { lead_id, score, reason: text("reason", reason)?, set_by: actor(&principal), expires_at };
    let set = api.store.set_override(new).await.map_err(unavailable)?.ok_or_else(unknown_lead)?;
    Ok(Answer(ScoreOverride::new(set, &principal)))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use leadscore_domain::{
        Clock, Score,
        time::{DAY_US, SECOND_US},
    };
    use leadscore_store::{Assignment, Role, Scope};
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp, score};

    #[tokio::test]
    async fn what_is_wrong_is_named_and_overrides_nothing() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{}/override", app.lead("ann").await);
        let whole = json!({"score": 95, "reason": "met in person"});
        for (field, value) in [
            ("score", json!(101)),
            ("score", json!(-1)),
            ("score", json!(null)),
            ("reason", json!(" ")),
            ("reason", Value::Null),
            ("expires_at", json!("2026-03-01T10:00:00Z")),
            ("route", json!("x")),
        ] {
            let mut body = whole.clone();
            body[field] = value;
            let reply = app.send_json(Method::PUT, &path, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
        }
        let reply = app.send_json(Method::PUT, &path, &json!({"score": 95})).await;
        assert_eq!(reply.json()["field"], "reason", "a reason is mandatory");
        assert_eq!(app.delete(&path).await.code(), "override-not-found");
        let nobody = format!("/api/v1/leads/{NOBODY}/override");
        assert_eq!(app.send_json(Method::PUT, &nobody, &whole).await.code(), "lead-not-found");
    }

    #[tokio::test]
    async fn it_stands_beside_the_models_score_until_it_ends() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        let path = format!("/api/v1/leads/{lead}");
        let plain = app.get(&format!("{path}/score")).await;
        assert!(plain.json().get("override").is_none());
        let body = json!({"score": 12, "reason": "a tyre kicker", "expires_at": "2026-03-08T10:00:00Z"});
        assert_eq!(app.send_json(Method::PUT, &format!("{path}/override"), &body).await.status, 200);
        let shown = app.get(&format!("{path}/score")).await;
        assert_eq!((&shown.json()["score"], &shown.json()["override"]["score"]), (&json!(87), &json!(12)));
        assert_eq!(shown.json()["override"]["reason"], "a tyre kicker");
        assert_ne!(shown.header("etag"), plain.header("etag"), "who has the plain one asks again");
        app.clock.advance_micros(SECOND_US);
        let newer = json!({"score": 13, "reason": "a browser"});
        app.send_json(Method::PUT, &format!("{path}/override"), &newer).await;
        assert_eq!(app.get(&format!("{path}/score")).await.json()["override"]["score"], 13);
        let ended = app.delete(&format!("{path}/override")).await.json();
        assert_eq!((&ended["score"], &ended["ended_at"]), (&json!(13), &json!(app.clock.now())));
        assert_eq!(app.get(&format!("{path}/score")).await.header("etag"), plain.header("etag"));
        let all = app.get(&format!("{path}/overrides")).await.json();
        let all: Vec<&Value> = all["overrides"].as_array().unwrap().iter().map(|one| &one["score"]).collect();
        assert_eq!(all, [&json!(13), &json!(12)]);
        app.send_json(Method::PUT, &format!("{path}/override"), &body).await;
        app.clock.advance_micros(7 * DAY_US);
        assert!(app.get(&format!("{path}/score")).await.json().get("override").is_none(), "it has expired");
    }

    #[tokio::test]
    async fn the_queue_goes_by_it_and_shows_it() {
        let app = TestApp::new().await;
        let mut leads = Vec::new();
        for crm in ["low", "middle", "high"] {
            leads.push(app.lead(crm).await);
        }
        let given = |place: u8| (30 * place + 20, f64::from(place) / 10.0 + 0.1);
        let of = |id| leads.iter().position(|lead| *lead == id).map(|place| given(place as u8));
        app.derive(|id| of(id).map(|(value, probability)| Score { score: value, probability, ..score(id) })).await;
        let order = async || {
            let queue = app.get("/api/v1/queue").await.json();
            queue["leads"].as_array().unwrap().iter().map(|one| one["lead_id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(order().await, [json!(leads[2]), json!(leads[1]), json!(leads[0])]);
        let path = format!("/api/v1/leads/{}/override", leads[0]);
        app.send_json(Method::PUT, &path, &json!({"score": 60, "reason": "called back"})).await;
        assert_eq!(order().await, [json!(leads[2]), json!(leads[0]), json!(leads[1])], "between 50 and 80");
        app.send_json(Method::PUT, &path, &json!({"score": 100, "reason": "signs today"})).await;
        assert_eq!(order().await, [json!(leads[0]), json!(leads[2]), json!(leads[1])]);
        let queue = app.get("/api/v1/queue").await.json();
        assert_eq!((&queue["leads"][0]["score"], &queue["leads"][0]["override_score"]), (&json!(20), &json!(100)));
        assert!(queue["leads"][1].get("override_score").is_none());
    }

    #[tokio::test]
    async fn an_agent_overrides_own_leads_and_programs_without_persons_see_no_reason() {
        let mut app = TestApp::new().await;
        let (own, hidden) = (app.lead("own").await, app.lead("hidden").await);
        app.derive(|id| Some(score(id))).await;
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        app.state.store.assign_lead(own, Assignment::Agent(agent.id)).await.unwrap();
        app.token = app.log_in(&agent).await;
        let body = json!({"score": 95, "reason": "met in person"});
        for (lead, status) in [(own, 200), (hidden, 404)] {
            let path = format!("/api/v1/leads/{lead}/override");
            assert_eq!(app.send_json(Method::PUT, &path, &body).await.status, status);
        }
        app.token = app.key(Scope::ScoresRead).await;
        let shown = app.get(&format!("/api/v1/leads/{own}/score")).await.json();
        assert_eq!(shown["override"]["set_by"]["id"], json!(agent.id));
        assert!(shown["override"].get("reason").is_none(), "{shown}");
    }
}
