//! Trying a dead letter again.
//!
//! Owns: what trying again means for each origin. Invariant: the letter goes only after its event is applied, was
//! applied before, or can never be; an event that is tried twice has one effect, so that a stop in between is harmless.

use leadscore_domain::{EventEnvelope, Invalid, LeadId, PendingEvent, Region, Timestamp};
use leadscore_store::{Appended, DeadRecord, Store, StoreError, Unreadable};
use uuid::Uuid;

/// What became of a dead letter that was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Its event is in the log now.
    Applied(LeadId),
    /// Its event was in the log already.
    Duplicate(LeadId),
    /// Its record can be read now; the scorer folds its lead from the log anew.
    Rebuilds(LeadId),
    /// Its lead was erased: there is nothing left to apply.
    Erased,
    /// It stays a dead letter, for this reason.
    Stays(String),
    /// There is no such letter.
    Unknown,
}

/// Tries a dead letter again: an event that came with it is checked and appended, however late it is; of a record of
/// the log it is looked whether it can be read now.
///
/// # Errors
/// Where the store fails: then the letter stays.
pub async fn replay(store: &Store, id: Uuid, now: Timestamp, region: Region) -> Result<Replayed, StoreError> {
    let Some((record, payload)) = store.dead_letter(id).await? else { return Ok(Replayed::Unknown) };
    let replayed = match payload {
        Some(payload) => append(store, &payload, now, region).await?,
        None => read_again(store, &record).await?,
    };
    match &replayed {
        Replayed::Applied(_) | Replayed::Duplicate(_) | Replayed::Erased => {
            store.drop_dead_letter(id).await?;
        }
        Replayed::Rebuilds(lead) => {
            store.revive_dead_letter(id, *lead).await?;
        }
        Replayed::Stays(reason) => store.retried_dead_letter(id, reason.clone()).await?,
        Replayed::Unknown => {}
    }
    Ok(replayed)
}

async fn append(store: &Store, payload: &[u8], now: Timestamp, region: Region) -> Result<Replayed, StoreError> {
    let pending = match read(payload, now, region) {
        Ok(pending) => pending,
        Err(reason) => return Ok(Replayed::Stays(reason)),
    };
    let answer = store.append(vec![pending], None).await?.into_iter().next();
    Ok(match answer.expect("the store answers for each event") {
        Appended::Applied { lead_id, .. } => Replayed::Applied(lead_id),
        Appended::Duplicate { lead_id, .. } => Replayed::Duplicate(lead_id),
        Appended::Refused(invalid) => Replayed::Stays(field_of(&invalid)),
    })
}

/// The event of a payload. The reason never quotes the payload, which is personal.
fn read(payload: &[u8], now: Timestamp, region: Region) -> Result<PendingEvent, String> {
    let envelope: EventEnvelope = serde_json::from_slice(payload)
        .map_err(|error| format!("it is no event: line {}, column {}", error.line(), error.column()))?;
    envelope.validate(now, region).map_err(|invalid| field_of(&invalid))
}

fn field_of(invalid: &Invalid) -> String {
    format!("{} {}", invalid.field, invalid.problem)
}

async fn read_again(store: &Store, record: &DeadRecord) -> Result<Replayed, StoreError> {
    let (Some(lead), Some(event)) = (record.lead_id, record.event_id) else {
        return Ok(Replayed::Stays(record.reason.clone()));
    };
    let survivor = store.absorbed(&[lead]).await?.remove(&lead).unwrap_or(lead);
    let records = store.records_of(&[lead]).await?.remove(&lead).unwrap_or_default();
    Ok(match records.into_iter().find(|record| record.event_id == event).map(|record| record.event) {
        Some(Ok(_)) => Replayed::Rebuilds(survivor),
        Some(Err(Unreadable::Erased)) => Replayed::Erased,
        Some(Err(reason @ Unreadable::Corrupt)) => Replayed::Stays(reason.to_string()),
        None => Replayed::Stays("the log does not hold it".to_owned()),
    })
}
