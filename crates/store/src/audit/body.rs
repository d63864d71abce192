//! From acts to the body of a block: reasons are sealed, what repeats is counted, the rest is packed.

use std::collections::HashMap;

use leadscore_domain::{LeadId, Timestamp};

use super::{
    Act, Object, REASON_MAX_BYTES,
    chain::{leaf, root},
    entry::{Entry, Reason, pack},
    rows::Body,
};
use crate::{Store, StoreError, db::query};

/// What reasons about no lead are bound to.
pub(super) const REASON: &[u8] = b"audit reason";

/// What a reason about a lead is bound to.
pub(super) fn reason_binding(lead: LeadId) -> Vec<u8> {
    [lead.0.as_bytes(), REASON].concat()
}

/// What a block of these acts holds.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn gather(store: &Store, acts: &[Act]) -> Result<Body, StoreError> {
    let times = || acts.iter().map(|act| act.at);
    let now = store.now();
    let (since, until) = (times().min().unwrap_or(now), times().max().unwrap_or(now));
    let mut entries: Vec<Entry> = Vec::with_capacity(acts.len());
    for act in acts {
        let reason = match &act.reason {
            Some(reason) => Some(seal(store, act, reason).await?),
            None => None,
        };
        entries.push(Entry { act: act.clone(), reason, count: 1 });
    }
    // The threads that answer requests have other things to do.
    tokio::task::spawn_blocking(move || encode(since, until, entries)).await.map_err(|_| StoreError::Closed)?
}

async fn seal(store: &Store, act: &Act, reason: &str) -> Result<Reason, StoreError> {
    let reason = &reason.as_bytes()[..reason.floor_char_boundary(REASON_MAX_BYTES)];
    let Some(lead) = act.object.as_ref().and_then(Object::lead) else {
        return Ok(Reason::OfLog(store.keyring().audit_reasons().seal(REASON, reason)));
    };
    let sql = "SELECT data_key FROM leads WHERE id = $1 AND data_key IS NOT NULL";
    let row = query(sql).bind(lead).fetch_optional(&mut store.reader().await?).await?;
    let Some(row) = row else { return Ok(Reason::Withheld) };
    // One lead's damaged key must not end the log.
    let key = store.keyring().unwrap(lead, row.get(0)?).ok();
    Ok(key.map_or(Reason::Withheld, |key| Reason::OfLead(key.seal(&reason_binding(lead), reason))))
}

/// Counts what repeats into its first entry; where the first ones stand.
fn count(entries: &mut [Entry]) -> Vec<usize> {
    let mut counts: Vec<(usize, u32)> = Vec::with_capacity(entries.len());
    let mut places = HashMap::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let next = counts.len();
        let place = entry.repeats().map_or(next, |same| *places.entry(same).or_insert(next));
        match counts.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counts.push((index, 1)),
        }
    }
    drop(places);
    for (index, count) in &counts {
        entries[*index].count = *count;
    }
    counts.into_iter().map(|(index, _)| index).collect()
}

fn encode(since: Timestamp, until: Timestamp, mut acts: Vec<Entry>) -> Result<Body, StoreError> {
    let entries: Vec<Vec<u8>> = count(&mut acts).into_iter().map(|index| acts[index].to_bytes()).collect();
    Ok(Body {
        since,
        until,
        entry_count: i64::try_from(entries.len()).unwrap_or(i64::MAX),
        root: root(entries.iter().map(|entry| leaf(entry)).collect()),
        entries: pack(&entries)?,
    })
}
