//! From a request's text to valid events, each with its own fate.

use std::collections::HashSet;

use leadscore_domain::{
    EventBody, EventEnvelope, EventId, EventKind, Identity, LeadId, PendingEvent, Region, Timestamp, event::BodySeed,
};
use leadscore_store::{Appended, DeadOrigin, Principal, Undelivered};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    auth::sight,
    json::{parse, parse_as},
    problem::{Code, Problem},
    state::{Api, Limits},
};

/// Why a late event is a dead letter.
const LATE: &str = "late";

/// What is read from a request.
pub(super) struct Batch {
    /// Whether a list was sent.
    pub(super) many: bool,
    /// The valid events, in order.
    pub(super) pending: Vec<PendingEvent>,
    /// Those that come too late.
    pub(super) late: Vec<Undelivered>,
    /// For each event sent, what is known of its fate.
    pub(super) outcomes: Vec<Outcome>,
}

/// What is known of an event's fate.
pub(super) enum Outcome {
    /// The next of the store's answers.
    Pending,
    Accepted(EventId, LeadId),
    Duplicate(EventId, LeadId),
    Late(EventId),
    Refused(Problem),
}

impl From<Appended> for Outcome {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::Applied { event_id, lead_id, .. } => Self::Accepted(event_id, lead_id),
            Appended::Duplicate { event_id, lead_id } => Self::Duplicate(event_id, lead_id),
            Appended::Refused(invalid) => Self::Refused(invalid.into()),
        }
    }
}

impl Batch {
    pub(super) fn read(bytes: &[u8], limits: &Limits, now: Timestamp, region: Region) -> Result<Self, Problem> {
        let events_max = limits.events_max;
        let many = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        // The text is split first: what is no JSON spoils the whole, what is no event only itself.
        let raw: Vec<&RawValue> = if many { parse(bytes)? } else { vec![parse(bytes)?] };
        if raw.is_empty() || raw.len() > events_max {
            return Err(Problem::new(Code::InvalidField, format!("The list has {} events.", raw.len()))
                .field("events")
                .remedy(format!("send 1 to {events_max} events at once")));
        }
        let mut pending = Vec::with_capacity(raw.len());
        let mut outcomes = Vec::with_capacity(raw.len());
        let mut late = Vec::new();
        for raw in raw {
            match read_event(raw, now, region) {
                Ok(event) if event.is_late(limits.late_max_us) => {
                    outcomes.push(Outcome::Late(event.id));
                    late.push(set_aside(event, raw));
                }
                Ok(event) => {
                    pending.push(event);
                    outcomes.push(Outcome::Pending);
                }
                Err(problem) => outcomes.push(Outcome::Refused(problem)),
            }
        }
        Ok(Self { many, pending, late, outcomes })
    }

    /// Without the events of leads that the sender does not see.
    ///
    /// Who does not see all leads names one by its id: a handle may be that of somebody else's lead, to which the event
    /// would go.
    pub(super) async fn within_sight(mut self, api: &Api, principal: &Principal) -> Result<Self, Problem> {
        let leads = self.pending.iter().flat_map(|event| [event.lead_id, absorbed_by(&event.body)]);
        let leads: Vec<LeadId> = leads.chain(self.late.iter().map(|late| late.lead_id)).flatten().collect();
        let Some(seen) = sight::among(api, principal, &leads).await? else { return Ok(self) };
        let mut pending = std::mem::take(&mut self.pending).into_iter();
        let mut late = std::mem::take(&mut self.late).into_iter();
        for outcome in &mut self.outcomes {
            let refused = match outcome {
                Outcome::Pending => {
                    let event = pending.next().expect("each pending outcome has its event");
                    let problem = check_sight(event.lead_id, &event.identities, absorbed_by(&event.body), &seen).err();
                    if problem.is_none() {
                        self.pending.push(event);
                    }
                    problem
                }
                Outcome::Late(_) => {
                    let event = late.next().expect("each late outcome has its event");
                    let problem = check_sight(event.lead_id, &event.identities, None, &seen).err();
                    if problem.is_none() {
                        self.late.push(event);
                    }
                    problem
                }
                Outcome::Accepted(..) | Outcome::Duplicate(..) | Outcome::Refused(_) => None,
            };
            if let Some(problem) = refused {
                *outcome = Outcome::Refused(problem);
            }
        }
        Ok(self)
    }
}

/// The other lead that an event is about.
fn absorbed_by(body: &EventBody) -> Option<LeadId> {
    if let EventBody::LeadMerged(merged) = body { Some(merged.absorbed) } else { None }
}

fn check_sight(
    lead: Option<LeadId>,
    handles: &[Identity],
    absorbed: Option<LeadId>,
    seen: &HashSet<LeadId>,
) -> Result<(), Problem> {
    let Some(lead) = lead.filter(|_| handles.is_empty()) else {
        return Err(Problem::new(Code::InvalidField, "The lead is not named by its id alone.")
            .field("lead")
            .remedy("send `lead_id`, and no identities"));
    };
    let sees = |lead| seen.contains(&lead);
    if sees(lead) && absorbed.is_none_or(sees) { Ok(()) } else { Err(sight::unknown_lead()) }
}

fn read_event(raw: &RawValue, now: Timestamp, region: Region) -> Result<PendingEvent, Problem> {
    let text = raw.get().as_bytes();
    let envelope: EventEnvelope = parse(text).map_err(|problem| in_early_data(text).unwrap_or(problem))?;
    Ok(envelope.validate(now, region)?)
}

/// A late event as it is kept: as it came, so that it can be sent again.
fn set_aside(event: PendingEvent, raw: &RawValue) -> Undelivered {
    Undelivered {
        origin: DeadOrigin::Api,
        place: None,
        event_id: Some(event.id),
        lead_id: event.lead_id,
        identities: event.identities,
        reason: LATE.to_owned(),
        tries: 1,
        payload: raw.get().as_bytes().to_vec(),
    }
}

/// The problem with `data`, where that is the problem.
///
/// Data that stands before its type is read without knowledge of its fields first, so that the error has no place:
/// here it is read alone.
fn in_early_data(text: &[u8]) -> Option<Problem> {
    #[derive(Deserialize)]
    struct Parts<'a> {
        #[serde(rename = "type")]
        kind: EventKind,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let parts: Parts<'_> = serde_json::from_slice(text).ok()?;
    let problem = parse_as(BodySeed(parts.kind), parts.data.get().as_bytes()).err()?;
    let field = problem.named_field().map_or_else(|| "data".to_owned(), |field| format!("data.{field}"));
    Some(problem.field(field))
}
