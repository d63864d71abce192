//! What the server does by itself: erasures, restrictions, objections.
//!
//! Invariant: every step can be done again, so that whoever goes on after a crash ends where the first one would have. An
//! erasure stands in the ledger before it is done, and in the request, with what went, in the transaction that does it.

use std::{collections::BTreeMap, sync::Arc};

use leadscore_domain::{EventBody, EventId, LeadId, Limit, LimitState, PendingEvent, ProcessingLimit, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    PrivacyRequest, Receipt, RequestKind, RequestStatus,
    ledger::Line,
    requests::{find, written},
};
use crate::{
    Appended, Change, Presence, ScoreCache, Sight, Store, StoreError,
    audit::Actor,
    db::{After, Conn, Lane, query},
    keyring::{Keyring, hex},
    leads::{erase_family, family},
};

/// The source of events that requests become.
const SOURCE: &str = "privacy";

impl Store {
    /// Carries out an approved erasure, restriction or objection that `owner` has claimed; the request as it stands then.
    /// Requests of other kinds stay as they are.
    ///
    /// # Errors
    /// Where the store fails: then it goes on when the lease has run out.
    pub async fn carry_out(
        &self,
        owner: Presence,
        request: PrivacyRequest,
        cache: &ScoreCache,
    ) -> Result<PrivacyRequest, StoreError> {
        let receipt = match request.kind {
            RequestKind::Erasure => self.carry_out_erasure(&request, cache).await?,
            RequestKind::Restriction => self.limit(&request, Limit::Restriction).await?,
            RequestKind::Objection => self.limit(&request, Limit::Objection).await?,
            RequestKind::Access | RequestKind::Rectification | RequestKind::Contest => return Ok(request),
        };
        self.finish_privacy_request(owner, receipt, None).await
    }

    /// Ends a restriction or an objection by an event of the lead.
    ///
    /// # Errors
    /// Where the store refuses it or fails.
    pub async fn lift_limit(&self, request: &PrivacyRequest, reason: &str) -> Result<(), StoreError> {
        let limit = if request.kind == RequestKind::Objection { Limit::Objection } else { Limit::Restriction };
        let id = format!("{}-lifted", request.id);
        self.say(request.lead_id, limit, LimitState::Lifted, (&id, self.now()), reason).await.map(|_| ())
    }

    /// Keeps that a person was given a copy of everything: a request for access that was finished in one go.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn record_access(
        &self,
        by: Actor,
        lead: LeadId,
        counts: BTreeMap<&'static str, u64>,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let owner = self.presence();
        let new = super::NewRequest {
            kind: RequestKind::Access,
            lead_id: lead,
            opened_by: by,
            received_at: None,
            note: None,
            approved: true,
            claimed: Some((owner, leadscore_domain::time::HOUR_US)),
        };
        // Where the lead was erased meanwhile the erasure has its own.
        let Some(request) = self.open_privacy_request(new).await? else { return Ok(()) };
        let receipt =
            Receipt::new(&request, RequestStatus::Done, vec![request.lead_id], self.now()).with_counts(counts);
        let receipt = Receipt { content_sha256: Some(hex(&Sha256::digest(content))), ..receipt }.sealed();
        self.finish_privacy_request(owner, receipt, None).await.map(|_| ())
    }

    /// Erases again what the ledger says was erased: the database may be an older copy.
    pub(crate) async fn replay_erasures(&self) -> Result<(), StoreError> {
        let Some(ledger) = self.ledger().cloned() else { return Ok(()) };
        let lines = tokio::task::spawn_blocking(move || ledger.read()).await.map_err(|_| StoreError::Closed)??;
        let named: Vec<LeadId> = lines.iter().flat_map(|line| line.leads.iter().copied()).collect();
        let living = self.existing(&named).await?;
        for line in lines.into_iter().filter(|line| line.leads.iter().any(|lead| living.contains(lead))) {
            let (keyring, now, telling) = self.for_erasure();
            let again = self
                .write(Lane::Intake, 1, After::Scrub, move |conn| {
                    Box::pin(async move { erase_again(conn, &keyring, &line, now, telling).await })
                })
                .await?;
            tracing::warn!(request = %again, "an erasure was done again: the database is an older copy");
        }
        Ok(())
    }

    async fn carry_out_erasure(&self, request: &PrivacyRequest, cache: &ScoreCache) -> Result<Receipt, StoreError> {
        let receipt = match &request.receipt {
            // It was done, and whoever did it died before it could say so.
            Some(receipt) => receipt.clone(),
            None => {
                let leads = family(&mut self.reader().await?, request.lead_id).await?;
                self.note_erasure(request, leads).await?;
                let (keyring, now, telling) = self.for_erasure();
                let request = request.clone();
                self.write(Lane::Intake, 1, After::Scrub, move |conn| {
                    Box::pin(async move { erase_for(conn, &keyring, &request, now, telling).await })
                })
                .await?
            }
        };
        // A lead that was merged in between is in the receipt only.
        self.note_erasure(request, receipt.leads.clone()).await?;
        // Only now: what is published is committed.
        cache.publish(receipt.leads.iter().copied().map(Change::gone).collect());
        self.refresh_overrides().await?;
        Ok(receipt)
    }

    /// Writes into the ledger which leads a request erases.
    async fn note_erasure(&self, request: &PrivacyRequest, leads: Vec<LeadId>) -> Result<(), StoreError> {
        let Some(ledger) = self.ledger().cloned() else { return Ok(()) };
        let line = Line { request: request.id, leads, received_at: request.received_at, at: self.now() };
        tokio::task::spawn_blocking(move || ledger.append(&line)).await.map_err(|_| StoreError::Closed)?
    }

    fn for_erasure(&self) -> (Arc<Keyring>, Timestamp, Option<u16>) {
        (Arc::clone(self.keyring()), self.now(), self.kafka().is_some().then(|| self.partitions()))
    }

    async fn limit(&self, request: &PrivacyRequest, limit: Limit) -> Result<Receipt, StoreError> {
        let id = request.id.to_string();
        let said = (id.as_str(), request.received_at);
        let applied = self.say(request.lead_id, limit, LimitState::Imposed, said, &format!("request {id}")).await?;
        let receipt = Receipt::new(request, RequestStatus::Done, vec![request.lead_id], self.now());
        Ok(receipt.with_counts([("events", u64::from(applied))]).sealed())
    }

    /// Appends a statement about a limit; whether the lead has it now, which an erased one has not.
    async fn say(
        &self,
        lead: LeadId,
        limit: Limit,
        state: LimitState,
        (id, occurred_at): (&str, Timestamp),
        evidence: &str,
    ) -> Result<bool, StoreError> {
        let event = PendingEvent {
            id: EventId::derive(SOURCE, id),
            lead_id: Some(lead),
            identities: Vec::new(),
            source: SOURCE.to_owned(),
            source_event_id: id.to_owned(),
            occurred_at,
            received_at: self.now(),
            body: EventBody::ProcessingLimit(ProcessingLimit { limit, state, evidence: evidence.to_owned() }),
        };
        Ok(match self.append(vec![event], None).await?.pop() {
            Some(Appended::Applied { .. } | Appended::Duplicate { .. }) => true,
            Some(Appended::Refused(_)) | None => false,
        })
    }
}

/// Erases for a request, and keeps with it what went.
async fn erase_for(
    conn: &mut Conn,
    keyring: &Keyring,
    request: &PrivacyRequest,
    now: Timestamp,
    telling: Option<u16>,
) -> Result<Receipt, StoreError> {
    // Somebody else may have done this step after the lease ran out.
    if let Some(PrivacyRequest { receipt: Some(done), .. }) = find(conn, keyring, Sight::All, request.id).await? {
        return Ok(done);
    }
    let erased = erase_family(conn, keyring, request.lead_id, now, telling).await?;
    let (leads, counts) = erased.map_or((vec![request.lead_id], BTreeMap::new()), |one| (one.leads, one.counts));
    let receipt = Receipt::new(request, RequestStatus::Done, leads, now).with_counts(counts).sealed();
    keep(conn, &receipt).await?;
    Ok(receipt)
}

/// Erases what a line of the ledger names, and says so in a receipt.
async fn erase_again(
    conn: &mut Conn,
    keyring: &Keyring,
    line: &Line,
    now: Timestamp,
    telling: Option<u16>,
) -> Result<Uuid, StoreError> {
    let mut leads = Vec::new();
    let mut counts = BTreeMap::new();
    for lead in &line.leads {
        if let Some(erased) = erase_family(conn, keyring, *lead, now, telling).await? {
            leads.extend(erased.leads);
            for (what, count) in erased.counts {
                *counts.entry(what).or_default() += count;
            }
        }
    }
    let first = line.leads.first().copied().unwrap_or(LeadId(line.request));
    if find(conn, keyring, Sight::All, line.request).await?.is_none() {
        query(
            "INSERT INTO privacy_requests (id, kind, status, lead_id, opened_by, received_at, due_at, created_at, \
             updated_at) VALUES ($1, 'erasure', 'in_progress', $2, $3, $4, $5, $5, $5)",
        )
        .bind(line.request)
        .bind(first)
        .bind(written(&Actor::NOBODY))
        .bind(line.received_at)
        .bind(line.at)
        .execute(conn)
        .await?;
    }
    let request = find(conn, keyring, Sight::All, line.request).await?;
    let request = request.ok_or_else(|| StoreError::Corrupt("a privacy request that was just written".to_owned()))?;
    let receipt = Receipt::new(&request, RequestStatus::Done, leads, now).with_counts(counts);
    let receipt = Receipt { replayed: true, ..receipt }.sealed();
    keep(conn, &receipt).await?;
    query(
        "UPDATE privacy_requests SET status = 'done', owner = NULL, leased_until = NULL, updated_at = $1, \
         finished_at = $1 WHERE id = $2",
    )
    .bind(now)
    .bind(line.request)
    .execute(conn)
    .await?;
    Ok(line.request)
}

async fn keep(conn: &mut Conn, receipt: &Receipt) -> Result<(), StoreError> {
    query("UPDATE privacy_requests SET receipt = $1 WHERE id = $2")
        .bind(written(receipt))
        .bind(receipt.request_id)
        .execute(conn)
        .await?;
    Ok(())
}
