//! Rows of leads, and rows of outcomes.

use leadscore_domain::{
    Consent, EventBody, EventEnvelope, RawIdentity, Timestamp,
    event::{LeadCreated, Outcome, OutcomeResult},
    time::{DAY_US, HOUR_US, SECOND_US},
};

use super::row::{
    AttributePlans, Column, Context, Identities, Instants, Output, Positions, Reject, When, Zone, id_of_handle,
    lead_ref,
};
use crate::ingest::files::{
    ImportError,
    cells::Cells,
    mapping::{Mapping, OutcomeMapping},
    values::{self, same_word},
};

/// How a row of a leads file is read.
pub(super) struct LeadPlan {
    identities: Identities,
    occurred_at: When,
    received_at: Option<When>,
    name: Option<Column>,
    channel: Option<Column>,
    zone: Zone,
    attributes: AttributePlans,
    consents: Vec<Consent>,
    outcome: Option<OutcomePlan>,
}

/// How the end of a row's lead is read.
pub(super) struct OutcomePlan {
    column: Option<Column>,
    positive: Vec<String>,
    negative: Vec<String>,
    no_answer: Vec<String>,
    time: Option<Instants>,
    after_us: Option<i64>,
    reason: Option<Column>,
    value: Option<Column>,
}

/// How a row of an outcomes file is read.
pub(super) struct OutcomesPlan {
    identities: Identities,
    received_at: Option<When>,
    outcome: OutcomePlan,
}

impl LeadPlan {
    pub fn new(mapping: &Mapping, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        let absent = |name| ImportError::mapping(name, "is missing", "add it");
        let lead = mapping.lead.as_ref().ok_or_else(|| absent("lead"))?;
        let occurred_at = mapping.occurred_at.as_ref().ok_or_else(|| absent("occurred_at"))?;
        let consents = mapping.consent.iter().map(|(purpose, policy)| Consent {
            purpose: *purpose,
            state: policy.state,
            basis: policy.basis,
            evidence: policy.evidence.clone(),
        });
        Ok(Self {
            identities: Identities::new(lead, positions),
            occurred_at: When::new(occurred_at, positions)?,
            received_at: mapping.received_at.as_ref().map(|time| When::new(time, positions)).transpose()?,
            name: positions.maybe(lead.name.as_ref()),
            channel: positions.maybe(lead.channel.as_ref()),
            zone: Zone::new(lead.time_zone.as_ref(), positions),
            attributes: AttributePlans::new(&mapping.attributes, &mapping.format, positions)?,
            consents: consents.collect(),
            outcome: mapping.outcome.as_ref().map(|outcome| OutcomePlan::new(outcome, positions)).transpose()?,
        })
    }

    pub fn read(&self, cells: &Cells, number: u64, context: &Context) -> Result<Output, Reject> {
        let missing = &context.missing;
        let identities = self.identities.read(cells, number, context)?;
        let occurred_at = self.occurred_at.read(cells, missing, number)?;
        let received_at = match &self.received_at {
            Some(when) => when.read(cells, missing, number)?,
            None => occurred_at,
        };
        let text = |column: &Option<Column>| {
            let text = column.as_ref()?.known(cells, missing)?;
            Some(values::category(text).into_owned())
        };
        let body = EventBody::LeadCreated(LeadCreated {
            name: text(&self.name),
            channel: text(&self.channel),
            time_zone: self.zone.read(cells, missing),
            attributes: self.attributes.read(cells, context)?,
            consents: self.consents.clone(),
        });
        let source_event_id = id_of_handle("lead", &identities, context.region)?;
        let lead = lead_ref(identities.clone());
        let envelope = EventEnvelope { source: context.source.clone(), source_event_id, lead, occurred_at, body };
        let mut events = vec![context.pending(envelope, received_at)?];
        if let Some(outcome) = &self.outcome
            && let Some((at, body)) = outcome.read(cells, Some(occurred_at), context)?
        {
            events.push(context.pending(outcome_envelope(identities, at, body, context)?, at.max(received_at))?);
        }
        Ok(Output::Events(events))
    }
}

impl OutcomesPlan {
    pub fn new(mapping: &Mapping, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        let absent = |name| ImportError::mapping(name, "is missing", "add it");
        let lead = mapping.lead.as_ref().ok_or_else(|| absent("lead"))?;
        let outcome = mapping.outcome.as_ref().ok_or_else(|| absent("outcome"))?;
        Ok(Self {
            identities: Identities::new(lead, positions),
            received_at: mapping.received_at.as_ref().map(|time| When::new(time, positions)).transpose()?,
            outcome: OutcomePlan::new(outcome, positions)?,
        })
    }

    pub fn read(&self, cells: &Cells, number: u64, context: &Context) -> Result<Output, Reject> {
        let identities = self.identities.read(cells, number, context)?;
        let Some((at, body)) = self.outcome.read(cells, None, context)? else { return Ok(Output::PassedOver) };
        let received_at = match &self.received_at {
            Some(when) => when.read(cells, &context.missing, number)?,
            None => at,
        };
        let envelope = outcome_envelope(identities, at, body, context)?;
        Ok(Output::Events(vec![context.pending(envelope, received_at)?]))
    }
}

fn outcome_envelope(
    identities: Vec<RawIdentity>,
    at: Timestamp,
    body: Outcome,
    context: &Context,
) -> Result<EventEnvelope, Reject> {
    Ok(EventEnvelope {
        source: context.source.clone(),
        source_event_id: id_of_handle("outcome", &identities, context.region)?,
        lead: lead_ref(identities),
        occurred_at: at,
        body: EventBody::Outcome(body),
    })
}

impl OutcomePlan {
    fn new(outcome: &OutcomeMapping, positions: &mut Positions<'_>) -> Result<Self, ImportError> {
        Ok(Self {
            column: positions.maybe(outcome.column.as_ref()),
            positive: outcome.positive.clone(),
            negative: outcome.negative.clone(),
            no_answer: outcome.no_answer.clone(),
            time: outcome.time.as_ref().map(|time| Instants::new(time, positions)).transpose()?,
            after_us: outcome.after_hours.map(|hours| i64::from(hours) * HOUR_US),
            reason: positions.maybe(outcome.reason.as_ref()),
            value: positions.maybe(outcome.value.as_ref()),
        })
    }

    /// When and how it ended; `None` where the lead is still open.
    fn read(
        &self,
        cells: &Cells,
        created_at: Option<Timestamp>,
        context: &Context,
    ) -> Result<Option<(Timestamp, Outcome)>, Reject> {
        let missing = &context.missing;
        let Some(result) = self.result(cells, context)? else { return Ok(None) };
        let Some(at) = self.instant(cells, created_at, context)? else {
            // Without a column that says how it ended, the time alone does.
            let Some(column) = &self.column else { return Ok(None) };
            return Err(column.reject("says that it ended, but the row has no time for it"));
        };
        let value = match &self.value {
            Some(column) => column
                .known(cells, missing)
                .map(|text| values::number(text, context.decimal).map(|n| n.round() as i64))
                .transpose()
                .map_err(|problem| column.reject(problem))?,
            None => None,
        };
        let reason = self.reason.as_ref().and_then(|column| column.known(cells, missing));
        Ok(Some((at, Outcome { result, reason: reason.map(|text| values::category(text).into_owned()), value })))
    }

    fn result(&self, cells: &Cells, context: &Context) -> Result<Option<OutcomeResult>, Reject> {
        let Some(column) = &self.column else { return Ok(Some(OutcomeResult::Won)) };
        // The mapping's own words come before those for "unknown".
        let Some(text) = column.known(cells, &values::MissingTokens::new([])) else { return Ok(None) };
        for (list, result) in [
            (&self.positive, OutcomeResult::Won),
            (&self.negative, OutcomeResult::Lost),
            (&self.no_answer, OutcomeResult::NoAnswer),
        ] {
            if list.iter().any(|word| same_value(word, text, context.decimal)) {
                return Ok(Some(result));
            }
        }
        Ok(None)
    }

    fn instant(
        &self,
        cells: &Cells,
        created_at: Option<Timestamp>,
        context: &Context,
    ) -> Result<Option<Timestamp>, Reject> {
        if let Some(time) = &self.time
            && let Some(at) = time.read(cells, &context.missing)?
        {
            // What is dated by the day is known at its end: also of a lead that came on that day.
            let at = if time.format.is_whole_days() {
                at.max(at.plus_micros(DAY_US - SECOND_US).min(context.now))
            } else {
                at
            };
            return match created_at {
                Some(created_at) if at < created_at => Err(time.column.reject("lies before the lead came into being")),
                Some(created_at) if at == created_at => Ok(Some(at.plus_micros(SECOND_US))),
                Some(_) | None => Ok(Some(at)),
            };
        }
        let (Some(created_at), Some(after_us)) = (created_at, self.after_us) else { return Ok(None) };
        // A lead of today whose outcome is known has it by now.
        Ok(Some(created_at.plus_micros(after_us).min(context.now.max(created_at.plus_micros(SECOND_US)))))
    }
}

/// Whether a field holds a word of the mapping; `1` and `1.0` are the same.
fn same_value(word: &str, text: &str, decimal: char) -> bool {
    same_word(word.trim(), text)
        || matches!((values::number(word.trim(), decimal), values::number(text, decimal)), (Ok(a), Ok(b)) if a == b)
}
