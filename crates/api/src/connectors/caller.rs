//! Who calls, for a voice agent that is about to answer.
//!
//! Invariant: the score is what the platform may route by; nothing is told of somebody whose data must not be used.

use leadscore_connectors::{CallContext, ContextRequest, Moment};
use leadscore_domain::{
    ConsentState, EventBody, EventEnvelope, Grade, IdentityKind, LeadId, Purpose, RawIdentity, Score,
    event::{Direction, LeadCreated, LeadRef, Stage},
};
use leadscore_engine::{features::LeadState, playbook};
use leadscore_store::{
    StoreError,
    audit::{Act, Actor, ActorKind, Object},
};

use crate::{rest::show_score, state::Api};

/// The operation by which the audit log names a look at a caller.
const OPERATION: &str = "show_caller";
/// Where a lead came from that nobody knew before it called.
const CHANNEL: &str = "inbound_call";
/// Status of an act that was done.
const DONE: u16 = 200;

/// What is known of the person in a call; `None` where it is nobody known. Who calls for the first time gets a lead.
///
/// # Errors
/// Where the store fails, or the audit log takes nothing: then nothing is told.
pub async fn context(
    api: &Api,
    connector: &str,
    asked: &ContextRequest,
    act: Act,
) -> Result<Option<CallContext>, StoreError> {
    let Some(lead) = find(api, asked).await? else {
        meet(api, connector, asked).await?;
        return Ok(None);
    };
    let score = match show_score::latest(api, lead).await {
        Ok(score) => Some(score),
        Err(show_score::Error::Store(error)) => return Err(error),
        Err(show_score::Error::Unknown | show_score::Error::Withheld(_) | show_score::Error::Pending) => None,
        Err(show_score::Error::State(error)) => {
            tracing::debug!(%error, "the state is about to be rebuilt");
            None
        }
    };
    let lead = score.as_ref().map_or(lead, |score| score.lead_id);
    let stored = api.store.states(&[lead]).await?.remove(&lead);
    let state = stored.and_then(|stored| LeadState::from_bytes(&stored.bytes).ok());
    let actor = Actor { kind: ActorKind::Connector, id: None, role: None };
    let (operation, object) = (OPERATION.into(), Some(Object::Lead(lead)));
    api.audit.record(Act { actor, operation, object, status: DONE, reason: Some(connector.to_owned()), ..act }).await?;
    Ok(Some(describe(score.as_deref(), state.as_ref())))
}

async fn find(api: &Api, asked: &ContextRequest) -> Result<Option<LeadId>, StoreError> {
    if let Some(lead) = asked.lead_id
        && let Some(record) = api.store.lead(lead).await?
    {
        return Ok(Some(record.merged_into.unwrap_or(lead)));
    }
    let Some(identity) = asked.number.as_deref().and_then(|number| phone(number).normalise(api.region).ok()) else {
        return Ok(None);
    };
    api.store.find(&identity).await
}

fn phone(number: &str) -> RawIdentity {
    RawIdentity { kind: IdentityKind::Phone, value: number.to_owned() }
}

/// Makes a lead of somebody unknown who calls. Their data is kept and not used until there is a basis for that.
async fn meet(api: &Api, connector: &str, asked: &ContextRequest) -> Result<(), StoreError> {
    let (Some(number), Some(call)) = (&asked.number, &asked.provider_call_id) else { return Ok(()) };
    if asked.moment != Moment::CallStart || asked.direction != Direction::Inbound {
        return Ok(());
    }
    let now = api.clock.now();
    let event = EventEnvelope {
        source: connector.to_owned(),
        source_event_id: format!("caller:{call}"),
        lead: LeadRef { lead_id: None, identities: vec![phone(number)] },
        occurred_at: now,
        body: EventBody::LeadCreated(LeadCreated { channel: Some(CHANNEL.to_owned()), ..LeadCreated::default() }),
    };
    // A number that is none names nobody.
    if let Ok(event) = event.validate(now, api.region) {
        api.store.append(vec![event], None).await?;
    }
    Ok(())
}

fn describe(score: Option<&Score>, state: Option<&LeadState>) -> CallContext {
    let mut context = CallContext::neutral();
    let Some(state) = state.filter(|state| !state.is_restricted()) else { return context };
    consent(state).clone_into(&mut context.consent_state);
    if let Some(score) = score {
        grade(score.grade).clone_into(&mut context.lead_tier);
        context.lead_score = score.score.to_string();
        context.talking_points = playbook::play(score.recommended_approach).talking_points.join(" ");
        context.best_time = score.optimal_contact_time.map_or_else(String::new, |time| time.to_string());
        context.score_version = format!("{}@{}", score.model_version, score.log_position);
        context.stage = state.stage().map_or("", Stage::as_str).to_owned();
    }
    context
}

/// What is known of the consent to calls by an artificial voice.
fn consent(state: &LeadState) -> &'static str {
    match state.consent(Purpose::CallByAi) {
        Some((ConsentState::Granted, _)) => "granted",
        Some((ConsentState::Withdrawn, _)) => "withdrawn",
        None => "unknown",
    }
}

const fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::A => "A",
        Grade::B => "B",
        Grade::C => "C",
        Grade::D => "D",
    }
}
