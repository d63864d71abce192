//! A lead's state from the log alone.
//!
//! Deliberately absent: which records make up a lead at a position, which the store knows; reading states.

use leadscore_domain::{Event, LeadId};
use leadscore_engine::features::LeadState;
use leadscore_store::{Store, StoreError, visible};

/// The events that make up `lead` at position `until` of its partition: its own up to there, and all of the leads
/// that it had absorbed by then (an absorbed lead gets no events after its merge). `fresh` are events of its own that
/// the log in the database does not have yet.
///
/// # Errors
/// Where the store fails.
pub(super) async fn history(
    store: &Store,
    lead: LeadId,
    until: i64,
    fresh: &[Event],
) -> Result<Vec<Event>, StoreError> {
    let records = store.records_of(&[lead]).await?.remove(&lead).unwrap_or_default();
    let mut events = fresh.to_vec();
    events.extend(visible(&records, lead, until, fresh).into_iter().cloned());
    Ok(events)
}

/// Folds a lead's state from the log, up to position `until` of its partition. Unreadable events are left out, as the
/// scorer leaves them out.
///
/// # Errors
/// Where the store fails.
pub async fn rebuild(store: &Store, lead: LeadId, until: i64) -> Result<LeadState, StoreError> {
    let mut state = LeadState::default();
    let records = store.records_of(&[lead]).await?.remove(&lead).unwrap_or_default();
    for event in visible(&records, lead, until, &[]) {
        state.apply(event);
    }
    Ok(state)
}
