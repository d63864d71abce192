//! Everything that is kept of a person, as one document of JSON that is written and read in pieces.
//!
//! Invariants: pieces are sealed under the lead's key and go with it; a document is fetched whole or not at all. Its
//! `events` can be sent to `POST /api/v1/events` as they stand. Merges are not among them: the events of everybody who
//! turned out to be the person are.

use std::sync::Arc;

use leadscore_domain::{
    EventBody, EventEnvelope, Identity, IdentityKind, LeadId, RawIdentity, Timestamp, event::LeadRef, limits,
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{PrivacyRequest, Receipt, RequestFilter, RequestStatus, requests::key_of};
use crate::{
    LeadRecord, PastEvent, Presence, Sight, Store, StoreError,
    db::{After, Lane, query},
    keyring::hex,
    leads::open_bytes,
};

/// Entries that are read at once.
const PAGE: usize = 1_000;
/// Bytes from which on a piece is written.
const PART_BYTES: usize = 256 * 1024;
/// Most requests and overrides that are named.
const OTHERS_MAX: usize = 1_000;
/// How long an export can be fetched: seven days.
const LIFE_US: i64 = 7 * leadscore_domain::time::DAY_US;

/// What is said of how scores come about, and goes into the document as it is.
#[derive(Debug, Clone, Default)]
pub struct Export {
    /// The logic involved, in words.
    pub logic: &'static str,
    /// The explanation of the present score; `null` where there is none.
    pub explanation: Value,
}

impl Store {
    /// Writes the document of an approved request for access that `owner` carries out, and finishes the request; the
    /// request as it stands then, or `None` where somebody else took it over.
    ///
    /// # Errors
    /// Where the database fails: then it is written anew by whoever finds that the lease ran out.
    pub async fn export_for(
        &self,
        owner: Presence,
        request: &PrivacyRequest,
        export: &Export,
        lease_us: i64,
    ) -> Result<Option<PrivacyRequest>, StoreError> {
        let Some(record) = self.lead(request.lead_id).await? else {
            // It was erased meanwhile: nothing is kept.
            let receipt = Receipt::new(request, RequestStatus::Done, vec![request.lead_id], self.now()).sealed();
            return self.finish_privacy_request(owner, receipt, None).await.map(Some);
        };
        let lead = record.merged_into.unwrap_or(request.lead_id);
        let record = if lead == record.id { record } else { self.lead(lead).await?.unwrap_or(record) };
        if !self.keep_privacy_request(owner, request.id, lease_us).await? {
            return Ok(None);
        }
        self.drop_export(request.id).await?;
        let mut writer = Writer::new(self, request, owner, lease_us);
        let Some(receipt) = writer.write(&record, export).await? else { return Ok(None) };
        self.finish_privacy_request(owner, receipt, Some(self.now().plus_micros(LIFE_US))).await.map(Some)
    }

    /// A piece of a document, from 0; `None` after the last, and where it is no longer kept.
    ///
    /// # Errors
    /// Where the database fails, or the piece is damaged.
    pub async fn export_part(&self, request: Uuid, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT e.bytes, r.lead_id, l.data_key FROM privacy_exports e \
                   JOIN privacy_requests r ON r.id = e.request_id JOIN leads l ON l.id = r.lead_id \
                   WHERE e.request_id = $1 AND e.part = $2 AND l.data_key IS NOT NULL";
        let row = query(sql).bind(request).bind(part).fetch_optional(&mut self.reader().await?).await?;
        let Some(row) = row else { return Ok(None) };
        let lead: LeadId = row.get(1)?;
        let key = self.keyring().unwrap(lead, row.get(2)?)?;
        open_bytes(&key, &binding(request, part), row.get(0)?, lead).map(Some)
    }

    /// Removes documents that were not fetched in time; how many pieces went.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn expire_exports(&self) -> Result<u64, StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let sql = "DELETE FROM privacy_exports WHERE request_id IN (SELECT id FROM privacy_requests \
                           WHERE export_expires_at IS NOT NULL AND export_expires_at <= $1)";
                query(sql).bind(now).execute(conn).await
            })
        })
        .await
    }

    async fn drop_export(&self, request: Uuid) -> Result<(), StoreError> {
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query("DELETE FROM privacy_exports WHERE request_id = $1").bind(request).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }
}

/// What a piece is bound to.
fn binding(request: Uuid, part: u32) -> Vec<u8> {
    [request.as_bytes(), b"privacy export".as_slice(), &part.to_be_bytes()].concat()
}

/// A document that is being written.
struct Writer<'a> {
    store: &'a Store,
    request: &'a PrivacyRequest,
    owner: Presence,
    lease_us: i64,
    buffer: Vec<u8>,
    part: u32,
    hash: Sha256,
}

impl<'a> Writer<'a> {
    fn new(store: &'a Store, request: &'a PrivacyRequest, owner: Presence, lease_us: i64) -> Self {
        Self { store, request, owner, lease_us, buffer: Vec::new(), part: 0, hash: Sha256::new() }
    }

    /// Writes everything; the receipt, or `None` where the request is somebody else's by now.
    async fn write(&mut self, record: &LeadRecord, export: &Export) -> Result<Option<Receipt>, StoreError> {
        let now = self.store.now();
        let head = json!({
            "request_id": self.request.id, "exported_at": now, "lead": shown(record), "logic": export.logic,
            "explanation": export.explanation
        });
        let mut head = head.to_string();
        head.truncate(head.len() - 1);
        self.text(&head);
        let Some((events, unreadable)) = self.events(record, now).await? else { return Ok(None) };
        let Some(scores) = self.scores(record.id).await? else { return Ok(None) };
        let requests = self.requests(record.id).await?;
        let overrides = self.overrides(record.id).await?;
        self.text(&format!(",\"unreadable_events\":{unreadable},\"complete\":{}}}", unreadable == 0));
        self.flush().await?;
        let counts = [
            ("events", events),
            ("unreadable_events", unreadable),
            ("identities", record.identities.len() as u64),
            ("scores", scores),
            ("requests", requests),
            ("overrides", overrides),
        ];
        let mut receipt = Receipt::new(self.request, RequestStatus::Done, vec![record.id], now).with_counts(counts);
        receipt.content_sha256 = Some(hex(&self.hash.clone().finalize()));
        Ok(Some(receipt.sealed()))
    }

    /// Events that were written, and those that cannot be read.
    async fn events(&mut self, record: &LeadRecord, now: Timestamp) -> Result<Option<(u64, u64)>, StoreError> {
        let mut handles = Handles::new(record);
        let (mut count, mut unreadable, mut before) = (0, 0, None);
        self.text(",\"events\":[");
        loop {
            let page = self.store.history(record.id, &[], before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some((last.occurred_at, last.id));
            for event in &page {
                match &event.body {
                    None => unreadable += 1,
                    Some(EventBody::LeadMerged(_)) => {}
                    Some(body) => {
                        self.element(count, &envelope(event, body, handles.next(), now));
                        count += 1;
                    }
                }
            }
            if !self.keep().await? {
                return Ok(None);
            }
        }
        self.text("]");
        Ok(Some((count, unreadable)))
    }

    async fn scores(&mut self, lead: LeadId) -> Result<Option<u64>, StoreError> {
        let (mut count, mut before) = (0, None);
        self.text(",\"scores\":[");
        loop {
            let page = self.store.score_history(lead, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some((last.score.calculated_at, last.score.log_position));
            for stored in &page {
                self.element(count, &stored.score);
                count += 1;
            }
            if !self.keep().await? {
                return Ok(None);
            }
        }
        self.text("]");
        Ok(Some(count))
    }

    async fn requests(&mut self, lead: LeadId) -> Result<u64, StoreError> {
        let filter = RequestFilter { lead_id: Some(lead), ..RequestFilter::default() };
        let found = self.store.privacy_requests(Sight::All, &filter, None, OTHERS_MAX).await?;
        self.text(",\"privacy_requests\":[");
        for (count, one) in (0..).zip(&found) {
            let said = json!({
                "id": one.id, "kind": one.kind, "status": one.status, "received_at": one.received_at,
                "due_at": one.due_at, "note": one.note, "decision": one.decision, "finished_at": one.finished_at
            });
            self.element(count, &said);
        }
        self.text("]");
        Ok(found.len() as u64)
    }

    async fn overrides(&mut self, lead: LeadId) -> Result<u64, StoreError> {
        let found = self.store.score_overrides(lead, OTHERS_MAX).await?;
        self.text(",\"overrides\":[");
        for (count, one) in (0..).zip(&found) {
            let said = json!({
                "score": one.score, "reason": one.reason, "created_at": one.created_at,
                "expires_at": one.expires_at, "ended_at": one.ended_at
            });
            self.element(count, &said);
        }
        self.text("]");
        Ok(found.len() as u64)
    }

    fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// An element of a list.
    fn element(&mut self, count: u64, value: &impl Serialize) {
        self.text(if count == 0 { "\n" } else { ",\n" });
        serde_json::to_writer(&mut self.buffer, value).expect("it is plain data with string keys, and memory takes it");
    }

    /// Writes a piece where there is enough for one; whether the request still is the owner's.
    async fn keep(&mut self) -> Result<bool, StoreError> {
        if self.buffer.len() >= PART_BYTES {
            self.flush().await?;
        }
        self.store.keep_privacy_request(self.owner, self.request.id, self.lease_us).await
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.hash.update(&self.buffer);
        let (plain, part, request) = (std::mem::take(&mut self.buffer), self.part, self.request.id);
        self.part += 1;
        let (keyring, lead, owner) = (Arc::clone(self.store.keyring()), self.request.lead_id, self.owner);
        self.store
            .write(Lane::Derive, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    // Of a lead that was erased meanwhile nothing is written any more.
                    let Some(key) = key_of(conn, &keyring, lead).await? else { return Ok(()) };
                    // Nor by who was so slow that somebody else writes it.
                    let owned =
                        "SELECT 1 FROM privacy_requests WHERE id = $1 AND owner = $2 AND status = 'in_progress'";
                    if query(owned).bind(request).bind(owner.0).fetch_optional(conn).await?.is_none() {
                        return Ok(());
                    }
                    query(
                        "INSERT INTO privacy_exports (request_id, part, bytes) VALUES ($1, $2, $3) \
                         ON CONFLICT (request_id, part) DO UPDATE SET bytes = excluded.bytes",
                    )
                    .bind(request)
                    .bind(part)
                    .bind(key.seal(&binding(request, part), &plain))
                    .execute(conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

fn shown(record: &LeadRecord) -> Value {
    let (agent_id, team_id) = record.assignment.ids();
    json!({
        "lead_id": record.id, "created_at": record.created_at, "name": record.name,
        "identities": record.identities, "agent_id": agent_id, "team_id": team_id
    })
}

/// An event as it can be sent again.
fn envelope(event: &PastEvent, body: &EventBody, identities: Vec<RawIdentity>, now: Timestamp) -> EventEnvelope {
    EventEnvelope {
        source: event.source.clone(),
        source_event_id: event.id.to_string(),
        lead: LeadRef { lead_id: None, identities },
        // A clock that was ahead is refused no longer.
        occurred_at: event.occurred_at.min(now),
        body: body.clone(),
    }
}

/// The handles of a lead for its events: all of them the first times, as far as one event takes them, then one.
struct Handles {
    first: RawIdentity,
    rest: Vec<RawIdentity>,
}

impl Handles {
    fn new(record: &LeadRecord) -> Self {
        let raw = |identity: &Identity| RawIdentity { kind: identity.kind(), value: identity.value().to_owned() };
        let mut rest: Vec<RawIdentity> = record.identities.iter().map(raw).collect();
        // Who has no handle left is known by the id.
        let first = rest
            .pop()
            .unwrap_or_else(|| RawIdentity { kind: IdentityKind::Crm, value: format!("leadscore-{}", record.id) });
        Self { first, rest }
    }

    fn next(&mut self) -> Vec<RawIdentity> {
        let more = self.rest.split_off(self.rest.len().saturating_sub(limits::IDENTITIES_MAX - 1));
        std::iter::once(self.first.clone()).chain(more).collect()
    }
}
