//! Requests as rows: opened, decided by people, taken by processes, finished.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Span, tz::TimeZone};
use leadscore_domain::{Invalid, LeadId, Timestamp};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{PrivacyRequest, Receipt, RequestKind, RequestStatus};
use crate::{
    Presence, Sight, Store, StoreError,
    audit::Actor,
    db::{After, Conn, Lane, Pieces, Row, query},
    keyring::{DataKey, Keyring, timed_id},
    leads::open_text,
    scores::{from_word, word},
    search::seen_by,
};

/// Most requests of one page.
const PAGE_MAX: usize = 1_000;
/// Months after which a person must have their answer (GDPR Art. 12(3)), and by how many that can be put off.
const DUE_MONTHS: i32 = 1;
const EXTENSION_MONTHS: i32 = 2;

const SELECT: &str = "SELECT r.id, r.kind, r.status, r.lead_id, r.opened_by, r.decided_by, r.received_at, r.due_at, \
                      r.extended_at, r.note, r.extension_reason, r.decision, r.receipt, r.export_expires_at, \
                      r.lifted_at, r.created_at, r.updated_at, r.finished_at, l.data_key \
                      FROM privacy_requests r LEFT JOIN leads l ON l.id = r.lead_id WHERE 1 = 1";

/// A request to be written down.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// What is asked for.
    pub kind: RequestKind,
    /// Whose data it is about.
    pub lead_id: LeadId,
    /// Who writes it down.
    pub opened_by: Actor,
    /// When the person asked; now, where that is left out.
    pub received_at: Option<Timestamp>,
    /// What they said.
    pub note: Option<String>,
    /// Whether whoever writes it down may approve it, and does.
    pub approved: bool,
    /// The process that carries it out at once, and for how many microseconds nobody else does.
    pub claimed: Option<(Presence, i64)>,
}

/// Which requests are looked for.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Of this kind.
    pub kind: Option<RequestKind>,
    /// That stand here.
    pub status: Option<RequestStatus>,
    /// About this lead.
    pub lead_id: Option<LeadId>,
    /// Whether their deadline has passed and they are not over.
    pub overdue: bool,
}

/// What a person decides about a request.
#[derive(Debug, Clone)]
pub enum Decided {
    /// It is approved: the server carries it out, or the person does.
    Started,
    /// It is not done, for this reason.
    Refused(String),
    /// It was done by hand: what came of it, and how much of what that was.
    Completed(String, BTreeMap<&'static str, u64>),
    /// It takes longer, for this reason.
    Extended(String),
    /// The restriction or objection has ended.
    Lifted,
}

impl Store {
    /// Writes a request down; `None` where the lead is unknown or was erased.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn open_privacy_request(&self, new: NewRequest) -> Result<Option<PrivacyRequest>, StoreError> {
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        let received_at = new.received_at.unwrap_or(now);
        let due_at = months_after(received_at, DUE_MONTHS)?;
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move { insert(conn, &keyring, new, (now, received_at, due_at)).await })
        })
        .await
    }

    /// A request, for who sees the lead it is about; of an erased lead, for who sees all leads.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn privacy_request(&self, sight: Sight, id: Uuid) -> Result<Option<PrivacyRequest>, StoreError> {
        find(&mut self.reader().await?, self.keyring(), sight, id).await
    }

    /// A page of requests, the newest first, after the one with the id `after`, up to `limit` (at most 1,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn privacy_requests(
        &self,
        sight: Sight,
        filter: &RequestFilter,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<PrivacyRequest>, StoreError> {
        let RequestFilter { kind, status, lead_id, overdue } = filter;
        let mut sql = Pieces::new(SELECT);
        seen_by(&mut sql, sight);
        if let Some(kind) = kind {
            sql.add_with("AND r.kind = ?", word(kind));
        }
        if let Some(status) = status {
            sql.add_with("AND r.status = ?", word(status));
        }
        if let Some(lead) = *lead_id {
            sql.add_with("AND r.lead_id = ?", lead);
        }
        if *overdue {
            sql.add_with("AND r.status IN ('open', 'in_progress') AND r.due_at < ?", self.now());
        }
        if let Some(after) = after {
            sql.add_with("AND r.id < ?", after);
        }
        sql.add_with("ORDER BY r.id DESC LIMIT ?", i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX));
        let rows = sql.query().fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| read(row, self.keyring())).collect()
    }

    /// Takes an approved request that the server carries out and nobody is at, or whose process died, for `for_us`
    /// microseconds: the one whose deadline is nearest, or `id`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim_privacy_request(
        &self,
        owner: Presence,
        id: Option<Uuid>,
        for_us: i64,
    ) -> Result<Option<PrivacyRequest>, StoreError> {
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        // Mostly there is none, and whoever looks writes nothing.
        let waits = "SELECT 1 FROM privacy_requests WHERE ($1 IS NULL OR id = $1) AND status = 'in_progress' \
                     AND kind IN ('access', 'restriction', 'objection', 'erasure') \
                     AND (leased_until IS NULL OR leased_until <= $2) LIMIT 1";
        if query(waits).bind(id).bind(now).fetch_optional(&mut self.reader().await?).await?.is_none() {
            return Ok(None);
        }
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let row = query(
                    "UPDATE privacy_requests SET owner = $1, leased_until = $2 WHERE id = (SELECT id \
                     FROM privacy_requests WHERE ($4 IS NULL OR id = $4) AND status = 'in_progress' \
                     AND kind IN ('access', 'restriction', 'objection', 'erasure') \
                     AND (leased_until IS NULL OR leased_until <= $3) ORDER BY due_at, id LIMIT 1) \
                     AND status = 'in_progress' AND (leased_until IS NULL OR leased_until <= $3) RETURNING id",
                )
                .bind(owner.0)
                .bind(now.plus_micros(for_us))
                .bind(now)
                .bind(id)
                .fetch_optional(conn)
                .await?;
                match row {
                    Some(row) => find(conn, &keyring, Sight::All, row.get(0)?).await,
                    None => Ok(None),
                }
            })
        })
        .await
    }

    /// Keeps the lease of a request; whether it still is the owner's.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn keep_privacy_request(&self, owner: Presence, id: Uuid, for_us: i64) -> Result<bool, StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let sql = "UPDATE privacy_requests SET leased_until = $1 \
                           WHERE id = $2 AND owner = $3 AND status = 'in_progress'";
                let kept = query(sql).bind(now.plus_micros(for_us)).bind(id).bind(owner.0).execute(conn).await?;
                Ok(kept == 1)
            })
        })
        .await
    }

    /// Ends a request that the owner carried out; it as it stands now.
    ///
    /// # Errors
    /// Where the database fails.
    pub(super) async fn finish_privacy_request(
        &self,
        owner: Presence,
        receipt: Receipt,
        export_expires_at: Option<Timestamp>,
    ) -> Result<PrivacyRequest, StoreError> {
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        let id = receipt.request_id;
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "UPDATE privacy_requests SET status = 'done', receipt = $1, export_expires_at = $2, owner = NULL, \
                     leased_until = NULL, updated_at = $3, finished_at = $4 \
                     WHERE id = $5 AND owner = $6 AND status = 'in_progress'",
                )
                .bind(written(&receipt))
                .bind(export_expires_at)
                .bind(now)
                .bind(receipt.finished_at)
                .bind(id)
                .bind(owner.0)
                .execute(conn)
                .await?;
                let found = find(conn, &keyring, Sight::All, id).await?;
                found.ok_or_else(|| StoreError::Corrupt("a privacy request that was just written".to_owned()))
            })
        })
        .await
    }

    /// Does what a person decided; the request as it stands then, and whether that could be done.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn decide_privacy_request(
        &self,
        id: Uuid,
        by: Actor,
        decided: Decided,
    ) -> Result<Option<(PrivacyRequest, bool)>, StoreError> {
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let Some(request) = find(conn, &keyring, Sight::All, id).await? else { return Ok(None) };
                let key = key_of(conn, &keyring, request.lead_id).await?;
                let done = decide(conn, key.as_deref(), &request, by, decided, now).await?;
                Ok(find(conn, &keyring, Sight::All, id).await?.map(|request| (request, done)))
            })
        })
        .await
    }
}

async fn insert(
    conn: &mut Conn,
    keyring: &Keyring,
    new: NewRequest,
    (now, received_at, due_at): (Timestamp, Timestamp, Timestamp),
) -> Result<Option<PrivacyRequest>, StoreError> {
    let NewRequest { kind, lead_id, opened_by, received_at: _, note, approved, claimed } = new;
    let sql = "SELECT s.id, s.data_key FROM leads l JOIN leads s ON s.id = COALESCE(l.merged_into, l.id) \
               WHERE l.id = $1 AND s.data_key IS NOT NULL";
    let Some(row) = query(sql).bind(lead_id).fetch_optional(conn).await? else { return Ok(None) };
    let lead: LeadId = row.get(0)?;
    let key = keyring.unwrap(lead, row.get(1)?)?;
    let id = timed_id(now);
    let status = if approved { RequestStatus::InProgress } else { RequestStatus::Open };
    query(
        "INSERT INTO privacy_requests (id, kind, status, lead_id, opened_by, decided_by, received_at, due_at, note, \
         owner, leased_until, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)",
    )
    .bind(id)
    .bind(word(&kind))
    .bind(word(&status))
    .bind(lead)
    .bind(written(&opened_by))
    .bind(approved.then(|| written(&opened_by)))
    .bind(received_at)
    .bind(due_at)
    .bind(note.map(|note| key.seal(&binding(id, "note"), note.as_bytes())))
    .bind(claimed.map(|(owner, _)| owner.0))
    .bind(claimed.map(|(_, for_us)| now.plus_micros(for_us)))
    .bind(now)
    .execute(conn)
    .await?;
    find(conn, keyring, Sight::All, id).await
}

/// Whether it could be done.
async fn decide(
    conn: &mut Conn,
    key: Option<&DataKey>,
    request: &PrivacyRequest,
    by: Actor,
    decided: Decided,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (is_open, by_hand) = (request.status == RequestStatus::Open, !request.kind.is_carried_out());
    let is_under_way = is_open || request.status == RequestStatus::InProgress;
    // What was written about an erased lead is not kept.
    let seal = |name, text: &str| key.map(|key| key.seal(&binding(request.id, name), text.as_bytes()));
    let over = |outcome, counts: BTreeMap<&'static str, u64>| {
        let receipt = Receipt::new(request, outcome, vec![request.lead_id], now).with_counts(counts);
        written(&Receipt { by, ..receipt }.sealed())
    };
    let set = match decided {
        Decided::Started if is_open => query(
            "UPDATE privacy_requests SET status = 'in_progress', decided_by = $1, updated_at = $2 \
             WHERE id = $3 AND status = 'open'",
        )
        .bind(written(&by))
        .bind(now),
        Decided::Extended(reason) if is_under_way && request.extended_at.is_none() => query(
            "UPDATE privacy_requests SET extended_at = $1, due_at = $2, extension_reason = $3, updated_at = $1 \
             WHERE id = $4 AND extended_at IS NULL AND status IN ('open', 'in_progress')",
        )
        .bind(now)
        .bind(months_after(request.received_at, DUE_MONTHS + EXTENSION_MONTHS)?)
        .bind(seal("extension", &reason)),
        Decided::Refused(reason) if is_open || (by_hand && is_under_way) => query(OVER)
            .bind(word(&RequestStatus::Refused))
            .bind(written(&by))
            .bind(seal("decision", &reason))
            .bind(over(RequestStatus::Refused, BTreeMap::new()))
            .bind(now),
        Decided::Completed(came_of_it, counts) if by_hand && is_under_way => query(OVER)
            .bind(word(&RequestStatus::Done))
            .bind(written(&by))
            .bind(seal("decision", &came_of_it))
            .bind(over(RequestStatus::Done, counts))
            .bind(now),
        Decided::Lifted if request.is_liftable() => {
            query("UPDATE privacy_requests SET lifted_at = $1, updated_at = $1 WHERE id = $2 AND lifted_at IS NULL")
                .bind(now)
        }
        Decided::Started | Decided::Extended(_) | Decided::Refused(_) | Decided::Completed(..) | Decided::Lifted => {
            return Ok(false);
        }
    };
    Ok(set.bind(request.id).execute(conn).await? == 1)
}

/// Ends a request by hand.
const OVER: &str = "UPDATE privacy_requests SET status = $1, decided_by = $2, decision = $3, receipt = $4, \
                    updated_at = $5, finished_at = $5 WHERE id = $6 AND status IN ('open', 'in_progress')";

impl PrivacyRequest {
    /// Whether it limits the use of the data at present.
    #[must_use]
    pub fn is_liftable(&self) -> bool {
        matches!(self.kind, RequestKind::Restriction | RequestKind::Objection)
            && self.status == RequestStatus::Done
            && self.lifted_at.is_none()
    }
}

/// The same day of a later month, or its last one.
fn months_after(at: Timestamp, months: i32) -> Result<Timestamp, StoreError> {
    let wrong = |_| Invalid::new("received_at", "is out of range", "send the instant at which the person asked");
    let later = at.to_jiff().to_zoned(TimeZone::UTC).checked_add(Span::new().months(months)).map_err(wrong)?;
    Ok(Timestamp::from_jiff(later.timestamp())?)
}

pub(super) fn binding(request: Uuid, name: &str) -> Vec<u8> {
    [request.as_bytes(), b"privacy request ".as_slice(), name.as_bytes()].concat()
}

pub(super) fn written(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it is plain data with string keys")
}

/// The key of a lead that was not erased.
pub(super) async fn key_of(
    conn: &mut Conn,
    keyring: &Keyring,
    lead: LeadId,
) -> Result<Option<Arc<DataKey>>, StoreError> {
    let sql = "SELECT data_key FROM leads WHERE id = $1 AND data_key IS NOT NULL";
    let row = query(sql).bind(lead).fetch_optional(conn).await?;
    row.map(|row| keyring.unwrap(lead, row.get(0)?)).transpose()
}

pub(super) async fn find(
    conn: &mut Conn,
    keyring: &Keyring,
    sight: Sight,
    id: Uuid,
) -> Result<Option<PrivacyRequest>, StoreError> {
    let mut sql = Pieces::new(SELECT);
    seen_by(&mut sql, sight);
    sql.add_with("AND r.id = ?", id);
    let row = sql.query().fetch_optional(conn).await?;
    row.as_ref().map(|row| read(row, keyring)).transpose()
}

/// Columns as [`SELECT`] names them.
fn read(row: &Row, keyring: &Keyring) -> Result<PrivacyRequest, StoreError> {
    let (id, lead_id): (Uuid, LeadId) = (row.get(0)?, row.get(3)?);
    let key = row.get::<Option<&[u8]>>(18)?.map(|wrapped| keyring.unwrap(lead_id, wrapped)).transpose()?;
    let text = |column, name| {
        let sealed = row.get::<Option<&[u8]>>(column)?;
        let opened = sealed.zip(key.as_ref()).map(|(sealed, key)| open_text(key, &binding(id, name), sealed, lead_id));
        opened.transpose()
    };
    Ok(PrivacyRequest {
        id,
        kind: from_word(row.get(1)?).ok_or_else(damaged)?,
        status: from_word(row.get(2)?).ok_or_else(damaged)?,
        lead_id,
        opened_by: parse(row.get(4)?)?,
        decided_by: row.get::<Option<&str>>(5)?.map(parse).transpose()?,
        received_at: row.get(6)?,
        due_at: row.get(7)?,
        extended_at: row.get(8)?,
        note: text(9, "note")?,
        extension_reason: text(10, "extension")?,
        decision: text(11, "decision")?,
        receipt: row.get::<Option<&str>>(12)?.map(parse).transpose()?,
        export_expires_at: row.get(13)?,
        lifted_at: row.get(14)?,
        created_at: row.get(15)?,
        updated_at: row.get(16)?,
        finished_at: row.get(17)?,
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| damaged())
}

fn damaged() -> StoreError {
    StoreError::Corrupt("a privacy request".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_on_the_same_day_or_on_the_last_one() {
        let after = |at: &str, months| months_after(at.parse().unwrap(), months).unwrap().to_string();
        assert_eq!(after("2026-03-01T10:30:00Z", 1), "2026-04-01T10:30:00Z");
        assert_eq!(after("2026-01-31T10:30:00Z", 1), "2026-02-28T10:30:00Z");
        assert_eq!(after("2026-11-30T10:30:00Z", 3), "2027-02-28T10:30:00Z");
    }
}
