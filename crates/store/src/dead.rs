//! Dead letters: everything that could not be applied, with the reason, until somebody replays or drops it.
//!
//! Invariant: what cannot be found in the log is kept as it came, sealed, and goes when its lead is erased: by the
//! lead's id, or by the handles that it names. Deliberately absent: reading a payload, which its sender's format does.

use leadscore_domain::{EventId, Identity, LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, Row, insert, query},
    keyring::{Keyring, Lookup, timed_id},
    scores::{from_word, word},
    states::DeadLetter,
};

/// Most dead letters of one page.
const PAGE_MAX: usize = 10_000;
/// What a letter adds when the same place is buried again: only how often it was tried.
const TRIED_AGAIN: &str = "ON CONFLICT (group_name, partition, position) DO UPDATE SET reason = excluded.reason, \
     tries = dead_letters.tries + 1, recorded_at = excluded.recorded_at";
/// The same for what has no place, whose id is made of the event's.
const SENT_AGAIN: &str = "ON CONFLICT (id) DO UPDATE SET tries = dead_letters.tries + 1";
/// The columns of a letter, without its payload.
const COLUMNS: usize = 11;
const INTO: &str = "INSERT INTO dead_letters (id, origin, group_name, partition, position, event_id, lead_id, reason, \
     tries, recorded_at, payload)";

/// Where a dead letter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadOrigin {
    /// A record of the log that cannot be read.
    Log,
    /// A record that another system wrote to a topic.
    Topic,
    /// An event that came by the API.
    Api,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadPlace {
    /// The group that read the log, or the topic.
    pub group: String,
    /// The partition.
    pub partition: u16,
    /// The position in the partition.
    pub position: i64,
}

/// What could not be applied, and is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Where it comes from: a topic or the API.
    pub origin: DeadOrigin,
    /// Where it stands, for a record of a topic: the same place is one letter.
    pub place: Option<DeadPlace>,
    /// The event, where that much could be read: without a place, the same event is one letter.
    pub event_id: Option<EventId>,
    /// The lead, where the event names it.
    pub lead_id: Option<LeadId>,
    /// The handles that the event names.
    pub identities: Vec<Identity>,
    /// Why; never personal data.
    pub reason: String,
    /// How often it was tried.
    pub tries: u16,
    /// What came, byte by byte.
    pub payload: Vec<u8>,
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadRecord {
    /// By which it is shown, replayed and dropped.
    pub id: Uuid,
    /// Where it comes from.
    pub origin: DeadOrigin,
    /// Where it stands, in the log or a topic.
    pub place: Option<DeadPlace>,
    /// The event, where known.
    pub event_id: Option<EventId>,
    /// Its lead, where known.
    pub lead_id: Option<LeadId>,
    /// Why it could not be applied.
    pub reason: String,
    /// How often it was tried.
    pub tries: u16,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Whether what came is kept with it.
    pub has_payload: bool,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Only those of this origin.
    pub origin: Option<DeadOrigin>,
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only those that come after this one in the list.
    pub after: Option<(Timestamp, Uuid)>,
}

/// A letter with what is prepared outside of the transaction.
struct Sealed {
    id: Uuid,
    letter: Undelivered,
    lookups: Vec<Lookup>,
    payload: Vec<u8>,
}

impl Store {
    /// Keeps what could not be applied. The same place, or the same event, counts once: then only the number of tries
    /// grows.
    ///
    /// # Errors
    /// Where the database fails: then nothing was kept.
    pub async fn bury(&self, letters: Vec<Undelivered>) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let sealed: Vec<Sealed> = letters.into_iter().map(|one| Sealed::new(one, self.keyring(), now)).collect();
        self.write(Lane::Derive, 2 * sealed.len(), After::Sync, move |conn| {
            Box::pin(async move { bury_sealed(conn, now, &sealed).await })
        })
        .await
    }

    /// Dead letters, the newest first, up to `limit` (at most 10,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn dead_letters(&self, filter: &DeadFilter, limit: usize) -> Result<Vec<DeadRecord>, StoreError> {
        let rows = query(
            "SELECT id, origin, group_name, partition, position, event_id, lead_id, reason, tries, recorded_at, \
             CASE WHEN payload IS NULL THEN 0 ELSE 1 END FROM dead_letters \
             WHERE ($1 IS NULL OR origin = $1) AND ($2 IS NULL OR reason = $2) \
             AND ($3 IS NULL OR recorded_at < $3 OR (recorded_at = $3 AND id < $4)) \
             ORDER BY recorded_at DESC, id DESC LIMIT $5",
        )
        .bind(filter.origin.map(|origin| word(&origin)))
        .bind(filter.reason.as_deref())
        .bind(filter.after.map(|(at, _)| at))
        .bind(filter.after.map(|(_, id)| id))
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(record).collect()
    }

    /// One dead letter, and what came where that is kept.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the payload was altered; where the database fails.
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<(DeadRecord, Option<Vec<u8>>)>, StoreError> {
        let row = query(
            "SELECT id, origin, group_name, partition, position, event_id, lead_id, reason, tries, recorded_at, \
             CASE WHEN payload IS NULL THEN 0 ELSE 1 END, payload FROM dead_letters WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&mut self.reader().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let payload = row.get::<Option<&[u8]>>(11)?.map(|sealed| {
            let opened = self.keyring().dead_letters().open(id.as_bytes(), sealed);
            opened.ok_or_else(|| StoreError::Corrupt(format!("the payload of dead letter {id}")))
        });
        Ok(Some((record(&row)?, payload.transpose()?)))
    }

    /// Removes a dead letter; whether there was one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn drop_dead_letter(&self, id: Uuid) -> Result<bool, StoreError> {
        self.write(Lane::Derive, 1, After::Scrub, move |conn| Box::pin(async move { remove(conn, id).await })).await
    }

    /// Removes the dead letter of a record of the log, and has the record's lead folded from the log anew, in one
    /// transaction; whether there was such a letter.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn revive_dead_letter(&self, id: Uuid, lead: LeadId) -> Result<bool, StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 2, After::Sync, move |conn| {
            Box::pin(async move {
                let removed = remove(conn, id).await?;
                if removed {
                    crate::rebuilds::ask(conn, &[lead], now).await?;
                }
                Ok(removed)
            })
        })
        .await
    }

    /// Notes that a dead letter was tried once more in vain, and why.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn retried_dead_letter(&self, id: Uuid, reason: String) -> Result<(), StoreError> {
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query("UPDATE dead_letters SET tries = tries + 1, reason = $1 WHERE id = $2")
                    .bind(reason)
                    .bind(id)
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

impl Sealed {
    fn new(letter: Undelivered, keyring: &Keyring, now: Timestamp) -> Self {
        let id = match (&letter.place, letter.event_id) {
            (None, Some(event)) => event.0,
            (Some(_), _) | (None, None) => timed_id(now),
        };
        let lookups = letter.identities.iter().map(|identity| keyring.lookup(identity)).collect();
        let payload = keyring.dead_letters().seal(id.as_bytes(), &letter.payload);
        Self { id, letter, lookups, payload }
    }
}

/// Keeps records of a topic in the transaction of whoever read them.
pub(crate) async fn bury_undelivered(
    conn: &mut Conn,
    keyring: &Keyring,
    now: Timestamp,
    letters: Vec<Undelivered>,
) -> Result<(), StoreError> {
    let sealed: Vec<Sealed> = letters.into_iter().map(|one| Sealed::new(one, keyring, now)).collect();
    bury_sealed(conn, now, &sealed).await
}

/// Keeps letters in one transaction.
async fn bury_sealed(conn: &mut Conn, now: Timestamp, sealed: &[Sealed]) -> Result<(), StoreError> {
    // One by one: letters are few, and of two rows of one place a statement may keep one only.
    for one in sealed {
        let conflict = if one.letter.place.is_some() { TRIED_AGAIN } else { SENT_AGAIN };
        insert(conn, INTO, COLUMNS, conflict, std::slice::from_ref(one), |bind, one| {
            let place = one.letter.place.as_ref();
            bind.push(one.id)
                .push(word(&one.letter.origin))
                .push(place.map(|place| place.group.as_str()))
                .push(place.map(|place| place.partition))
                .push(place.map(|place| place.position))
                .push(one.letter.event_id)
                .push(one.letter.lead_id)
                .push(one.letter.reason.as_str())
                .push(one.letter.tries)
                .push(now)
                .push(one.payload.as_slice());
        })
        .await?;
        // Of a letter that was there before, whose id is another, the handles are known.
        for lookup in &one.lookups {
            query(
                "INSERT INTO dead_letter_handles (lookup, letter_id) SELECT $1, id FROM dead_letters WHERE id = $2 \
                 ON CONFLICT (lookup, letter_id) DO NOTHING",
            )
            .bind(lookup.as_slice())
            .bind(one.id)
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// Keeps records of the log that a group could not apply.
pub(crate) async fn bury_records(
    conn: &mut Conn,
    group: &str,
    partition: u16,
    now: Timestamp,
    dead: &[DeadLetter],
) -> Result<(), StoreError> {
    insert(conn, INTO, COLUMNS, TRIED_AGAIN, dead, |bind, letter| {
        bind.push(timed_id(now))
            .push(word(&DeadOrigin::Log))
            .push(group)
            .push(partition)
            .push(letter.position)
            .push(letter.event_id)
            .push(letter.lead_id)
            .push(letter.reason.as_str())
            .push(1_u8)
            .push(now)
            .push(None::<&[u8]>);
    })
    .await?;
    Ok(())
}

/// Removes what names a lead that is being erased, by its id or by one of its handles; how many letters.
pub(crate) async fn erase(conn: &mut Conn, lead: LeadId) -> Result<u64, StoreError> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM dead_letters WHERE id IN (SELECT h.letter_id FROM dead_letter_handles h \
         JOIN identities i ON i.lookup = h.lookup WHERE i.lead_id = $1)",
        "DELETE FROM dead_letters WHERE lead_id = $1",
    ] {
        removed += query(sql).bind(lead).execute(conn).await?;
    }
    Ok(removed)
}

async fn remove(conn: &mut Conn, id: Uuid) -> Result<bool, StoreError> {
    Ok(query("DELETE FROM dead_letters WHERE id = $1").bind(id).execute(conn).await? > 0)
}

/// Columns as the two queries above name them.
fn record(row: &Row) -> Result<DeadRecord, StoreError> {
    let place = match row.get::<Option<String>>(2)? {
        Some(group) => Some(DeadPlace { group, partition: row.get(3)?, position: row.get(4)? }),
        None => None,
    };
    Ok(DeadRecord {
        id: row.get(0)?,
        origin: from_word(row.get(1)?).ok_or_else(|| StoreError::Corrupt("the origin of a dead letter".to_owned()))?,
        place,
        event_id: row.get(5)?,
        lead_id: row.get(6)?,
        reason: row.get(7)?,
        tries: row.get(8)?,
        recorded_at: row.get(9)?,
        has_payload: row.get::<i64>(10)? != 0,
    })
}
