//! Whose leads somebody sees.
//!
//! Invariant: a lead that somebody does not see is answered exactly as one that does not exist. The leads of addresses
//! are checked in one place, before any handler runs; handlers check those that bodies name. Deliberately absent: who
//! may do what (`permissions.rs`).

use std::collections::HashSet;

use leadscore_domain::{Identity, LeadId};
use leadscore_store::{Principal, Sight};

use crate::{
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// Checks that somebody sees a lead.
///
/// # Errors
/// [`Code::LeadNotFound`]; where the store fails.
pub async fn check(api: &Api, principal: &Principal, lead: LeadId) -> Result<(), Problem> {
    if sees(api, principal, lead).await? { Ok(()) } else { Err(unknown_lead()) }
}

/// Whether somebody sees a lead.
///
/// # Errors
/// Where the store fails.
pub async fn sees(api: &Api, principal: &Principal, lead: LeadId) -> Result<bool, Problem> {
    let seen = api.store.visible(principal.sight(), &[lead]).await.map_err(unavailable)?;
    Ok(seen.contains(&lead))
}

/// Checks that a lead exists, for who is known to see it if it does.
///
/// # Errors
/// [`Code::LeadNotFound`]; where the store fails.
pub async fn check_exists(api: &Api, lead: LeadId) -> Result<(), Problem> {
    let there = api.store.existing(&[lead]).await.map_err(unavailable)?;
    if there.contains(&lead) { Ok(()) } else { Err(unknown_lead()) }
}

/// Checks that no lead that somebody does not see has one of these handles: what is added to a lead says that it is
/// there, and changes its score.
///
/// # Errors
/// [`Code::LeadTaken`]; where the store fails.
pub async fn check_handles(api: &Api, principal: &Principal, handles: &[Identity]) -> Result<(), Problem> {
    if principal.sight() == Sight::All {
        return Ok(());
    }
    for handle in handles {
        if let Some(lead) = api.store.find(handle).await.map_err(unavailable)?
            && !sees(api, principal, lead).await?
        {
            let detail = format!("A lead that is not yours has this {}.", handle.kind().as_str());
            return Err(Problem::new(Code::LeadTaken, detail));
        }
    }
    Ok(())
}

/// Those of `leads` that somebody sees; `None` for all, without a look.
///
/// # Errors
/// Where the store fails.
pub async fn among(api: &Api, principal: &Principal, leads: &[LeadId]) -> Result<Option<HashSet<LeadId>>, Problem> {
    match principal.sight() {
        Sight::All => Ok(None),
        sight @ (Sight::Team { .. } | Sight::Own { .. }) => {
            api.store.visible(sight, leads).await.map(Some).map_err(unavailable)
        }
    }
}

/// What is said of a lead that does not exist, or that the sender does not see.
#[must_use]
pub fn unknown_lead() -> Problem {
    Problem::new(Code::LeadNotFound, "No lead has this id.")
}

#[cfg(test)]
mod tests {
    use leadscore_domain::Clock as _;
    use leadscore_store::{Assignment, Principal, Role, Scope};
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp};

    async fn agent(app: &mut TestApp) -> Principal {
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        app.token = app.log_in(&agent).await;
        agent
    }

    #[tokio::test]
    async fn in_a_batch_what_is_hidden_is_as_what_is_not_there() {
        let mut app = TestApp::new().await;
        let (own, hidden) = (app.lead("own").await, app.lead("hidden").await);
        app.derive(|_| None).await;
        let agent = agent(&mut app).await;
        app.state.store.assign_lead(own, Assignment::Agent(agent.id)).await.unwrap();
        let answer = app.post("/api/v1/leads/batch-score", &json!({"lead_ids": [own, hidden, NOBODY]})).await.json();
        assert_eq!((&answer["scores"][0]["lead_id"], &answer["total_processed"]), (&json!(own), &json!(1)));
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 2);
        assert_eq!((&errors[0]["lead_id"], &errors[1]["lead_id"]), (&json!(hidden), &json!(NOBODY)));
        assert!(errors.iter().all(|error| error["code"] == "lead-not-found"), "{answer}");
    }

    #[tokio::test]
    async fn events_are_taken_of_leads_that_the_sender_sees_and_names_by_id() {
        let mut app = TestApp::new().await;
        let (own, hidden) = (app.lead("own").await, app.lead("hidden").await);
        let agent = agent(&mut app).await;
        app.state.store.assign_lead(own, Assignment::Agent(agent.id)).await.unwrap();
        let now = app.clock.now();
        let event = |id: &str, lead: Value, kind: &str, data: Value, at: Value| json!({"source": "test", "source_event_id": id, "lead": lead, "occurred_at": at, "type": kind, "data": data});
        let lost = json!({"result": "lost"});
        let at = json!(now);
        let batch = json!([
            event("1", json!({"lead_id": own}), "outcome", lost.clone(), at.clone()),
            event("2", json!({"lead_id": hidden}), "outcome", lost.clone(), at.clone()),
            event("3", json!({"lead_id": NOBODY}), "outcome", lost.clone(), at.clone()),
            event("4", json!({"identities": [{"kind": "crm", "value": "own"}]}), "outcome", lost.clone(), at.clone()),
            event(
                "5",
                json!({"lead_id": own, "identities": [{"kind": "crm", "value": "x"}]}),
                "outcome",
                lost.clone(),
                at.clone()
            ),
            event("6", json!({"lead_id": own}), "lead_merged", json!({"absorbed": hidden}), at.clone()),
            event("7", json!({"lead_id": hidden}), "outcome", lost.clone(), json!("2020-01-01T00:00:00Z")),
            event("8", json!({"lead_id": own}), "outcome", lost.clone(), json!("2020-01-01T00:00:00Z")),
        ]);
        let before = app.state.store.counts().await.unwrap().events;
        let receipt = app.post("/api/v1/events", &batch).await.json();
        let fates: Vec<&str> =
            receipt["results"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
        let refused = "refused";
        assert_eq!(
            fates,
            ["accepted", refused, refused, refused, refused, refused, refused, "dead_lettered"],
            "{receipt:#}"
        );
        assert_eq!(receipt["results"][1]["error"], receipt["results"][2]["error"], "hidden is as unknown");
        assert_eq!(app.state.store.counts().await.unwrap().events, before + 1);
    }

    #[tokio::test]
    async fn whoever_creates_a_lead_has_it_unless_it_is_somebody_elses() {
        let mut app = TestApp::new().await;
        let hidden = app.lead("hidden").await;
        let agent = agent(&mut app).await;
        let new = |crm: &str| json!({"identities": [{"kind": "crm", "value": crm}, {"kind": "crm", "value": "more"}]});
        let refused = app.post("/api/v1/leads", &new("hidden")).await;
        assert_eq!(refused.code(), "lead-taken");
        assert!(!String::from_utf8(refused.body).unwrap().contains(&hidden.to_string()));
        assert_eq!(app.state.store.lead(hidden).await.unwrap().unwrap().identities.len(), 1, "nothing was added");
        let own = app.lead_with(&new("own")).await;
        assert_eq!(app.state.store.lead(own).await.unwrap().unwrap().assignment, Assignment::Agent(agent.id));
        assert_eq!(app.lead_with(&new("own")).await, own, "more of one's own lead");
    }

    #[tokio::test]
    async fn people_and_programs_are_shown_what_they_need() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let event = json!({"source": "crm", "source_event_id": "1", "lead": {"lead_id": lead}, "occurred_at": app.clock.now(),
            "type": "showing", "data": {"action": "held"}});
        app.post("/api/v1/events", &event).await;
        app.derive(|_| None).await;
        let paths = ["", "/explanation"].map(|part| format!("/api/v1/leads/{lead}{part}"));
        app.token = app.key(Scope::LeadsRead).await;
        let shown = app.get(&paths[0]).await.json();
        assert!(shown.get("name").is_none() && shown.get("identities").is_none(), "{shown}");
        app.token =
            app.key([Scope::LeadsRead, Scope::LeadsPersonal].into_iter().collect::<leadscore_store::Scopes>()).await;
        assert_eq!(app.get(&paths[0]).await.json()["identities"][0]["value"], "ann");

        let agent = agent(&mut app).await;
        app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
        let shown = app.get(&paths[1]).await.json();
        let reason = &shown["reasons"]["up"][0];
        assert!(reason["text"].is_string() && reason.get("columns").is_none() && reason.get("contribution").is_none());
        assert!(shown.get("model_version").is_none() && shown["reasons"].get("rest").is_none(), "{shown}");
    }
}
