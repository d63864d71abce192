//! Appending: identify, join and merge, drop duplicates, append. One call is one piece of the writer's transaction.
//!
//! The lookups of handles and the JSON are made before the work is handed to the writer; inside the transaction a
//! batch costs a few statements over many rows. The write lock is held from the first read on, so what was read (the
//! duplicates, the heads) still holds when it is written.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use leadscore_domain::{EventBody, EventId, Invalid, LeadId, PendingEvent, Timestamp, event::LeadMerged};

use super::{
    APPEND_MAX_EVENTS, Appended,
    book::{Book, OWN_SOURCE, Placed},
    merge, partition_of,
};
use crate::{
    Checkpoint, Store, StoreError,
    db::{After, Conn, Lane, insert, query, select_in, wake},
    imports,
    keyring::{Keyring, Lookup},
    telemetry::{Fate, Stage},
};

/// An event with what can be prepared outside the transaction.
pub(super) struct Incoming {
    pub(super) event: PendingEvent,
    pub(super) lookups: Vec<Lookup>,
    data: Vec<u8>,
}

/// A row to be of the log.
struct EventRow {
    partition: u16,
    position: i64,
    id: EventId,
    lead: LeadId,
    source: String,
    kind: &'static str,
    occurred_at: Timestamp,
    received_at: Timestamp,
    sealed: Vec<u8>,
}

/// What a batch adds to the log, in order.
struct Tail {
    partitions: u16,
    heads: BTreeMap<u16, i64>,
    rows: Vec<EventRow>,
}

impl Store {
    /// Puts events into the log in one durable transaction, shared with others that wait: finds or creates each
    /// event's lead, joins handles, merges leads that turn out to be one (the older survives), drops duplicates.
    /// Answers in the order of `events`. The checkpoint is committed in the same transaction.
    ///
    /// # Errors
    /// More than [`APPEND_MAX_EVENTS`] events; where the database fails: then none of them was applied.
    pub async fn append(
        &self,
        events: Vec<PendingEvent>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Vec<Appended>, StoreError> {
        if events.len() > APPEND_MAX_EVENTS {
            let remedy = format!("send at most {APPEND_MAX_EVENTS}");
            return Err(Invalid::new("events", format_args!("are {}", events.len()), remedy).into());
        }
        if events.is_empty() && checkpoint.is_none() {
            return Ok(Vec::new());
        }
        let logging = Stage::Log.start();
        let keyring = Arc::clone(self.keyring());
        let incoming: Vec<Incoming> = events.into_iter().map(|event| Incoming::prepare(event, &keyring)).collect();
        self.make_months(incoming.iter().map(|one| one.event.received_at)).await?;
        let (partitions, now) = (self.partitions(), self.now());
        let answers = self
            .write(Lane::Intake, incoming.len(), After::Nothing, move |conn| {
                Box::pin(async move {
                    if let Some(checkpoint) = checkpoint {
                        imports::save(conn, &checkpoint, now).await?;
                    }
                    append(conn, &keyring, partitions, now, &incoming).await
                })
            })
            .await?;
        logging.stop();
        answers.iter().for_each(|answer| Fate::from(answer).count(1));
        self.appends().send_modify(|count| *count += 1);
        Ok(answers)
    }
}

impl Incoming {
    fn prepare(event: PendingEvent, keyring: &Keyring) -> Self {
        let lookups = event.identities.iter().map(|identity| keyring.lookup(identity)).collect();
        let data = event.body.data_to_json();
        Self { event, lookups, data }
    }
}

async fn append(
    conn: &mut Conn,
    keyring: &Keyring,
    partitions: u16,
    now: Timestamp,
    incoming: &[Incoming],
) -> Result<Vec<Appended>, StoreError> {
    if incoming.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = known_events(conn, incoming).await?;
    let mut book = Book::load(conn, keyring, now, incoming).await?;
    let mut tail = Tail { partitions, heads: heads(conn).await?, rows: Vec::with_capacity(incoming.len()) };
    let mut answers = Vec::with_capacity(incoming.len());
    for one in incoming {
        let event_id = one.event.id;
        if let Some(lead) = known.get(&event_id) {
            answers.push(Appended::Duplicate { event_id, lead_id: book.resolve(*lead) });
            continue;
        }
        match book.place(one) {
            Ok(placed) => {
                known.insert(event_id, placed.lead);
                answers.push(tail.append(one, &placed, &book));
            }
            Err(refusal) => answers.push(Appended::Refused(refusal)),
        }
    }
    book.write(conn).await?;
    merge::write(conn, &book).await?;
    tail.write(conn).await?;
    wake(conn).await?;
    Ok(answers)
}

impl Tail {
    fn append(&mut self, one: &Incoming, placed: &Placed, book: &Book<'_>) -> Appended {
        for absorbed in &placed.absorbed {
            self.append_merge(*absorbed, placed.lead, one.event.received_at, book);
        }
        let event = &one.event;
        let row = EventRow {
            partition: 0,
            position: 0,
            id: event.id,
            lead: placed.lead,
            source: event.source.clone(),
            kind: event.body.kind().as_str(),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            sealed: book.key(placed.lead).seal(event.id.0.as_bytes(), &one.data),
        };
        let (partition, position) = self.push(row);
        Appended::Applied { event_id: event.id, lead_id: placed.lead, partition, position, created: placed.created }
    }

    /// The merge as an event of the survivor. A lead is absorbed once, so its id makes the event's.
    fn append_merge(&mut self, absorbed: LeadId, survivor: LeadId, at: Timestamp, book: &Book<'_>) {
        let id = EventId::derive(OWN_SOURCE, &format!("merge:{absorbed}"));
        let body = EventBody::LeadMerged(LeadMerged { absorbed });
        self.push(EventRow {
            partition: 0,
            position: 0,
            id,
            lead: survivor,
            source: OWN_SOURCE.to_owned(),
            kind: body.kind().as_str(),
            occurred_at: at,
            received_at: at,
            sealed: book.key(survivor).seal(id.0.as_bytes(), &body.data_to_json()),
        });
    }

    fn push(&mut self, mut row: EventRow) -> (u16, i64) {
        row.partition = partition_of(row.lead, self.partitions);
        let head = self.heads.entry(row.partition).or_insert(0);
        *head += 1;
        row.position = *head;
        let place = (row.partition, row.position);
        self.rows.push(row);
        place
    }

    async fn write(&self, conn: &mut Conn) -> Result<(), StoreError> {
        insert(
            conn,
            "INSERT INTO lead_interactions \
             (partition, position, id, lead_id, source, interaction_type, occurred_at, received_at, context_data)",
            9,
            "",
            &self.rows,
            |bind, row| {
                bind.push(row.partition)
                    .push(row.position)
                    .push(row.id)
                    .push(row.lead)
                    .push(row.source.as_str())
                    .push(row.kind)
                    .push(row.occurred_at)
                    .push(row.received_at)
                    .push(row.sealed.as_slice());
            },
        )
        .await?;
        if conn.is_server() {
            let into = "INSERT INTO event_ids (id, lead_id, received_at)";
            insert(conn, into, 3, "", &self.rows, |bind, row| {
                bind.push(row.id).push(row.lead).push(row.received_at);
            })
            .await?;
        }
        let heads: Vec<(u16, i64)> = self.heads.iter().map(|(partition, head)| (*partition, *head)).collect();
        insert(
            conn,
            "INSERT INTO log_heads (partition, head)",
            2,
            "ON CONFLICT (partition) DO UPDATE SET head = excluded.head",
            &heads,
            |bind, (partition, head)| {
                bind.push(*partition).push(*head);
            },
        )
        .await
    }
}

/// Of the incoming events those that are in the log, each with its lead.
async fn known_events(conn: &mut Conn, incoming: &[Incoming]) -> Result<HashMap<EventId, LeadId>, StoreError> {
    let ids: Vec<EventId> = incoming.iter().map(|one| one.event.id).collect();
    let rows = select_in(
        conn,
        "SELECT e.id, COALESCE(l.merged_into, e.lead_id) FROM event_ids e JOIN leads l ON l.id = e.lead_id \
         WHERE e.id",
        &ids,
        "",
    )
    .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

async fn heads(conn: &mut Conn) -> Result<BTreeMap<u16, i64>, StoreError> {
    let rows = query("SELECT partition, head FROM log_heads").fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
