//! Appending: identify, join and merge, drop duplicates, append.
//!
//! The lookups of handles and the JSON are made by whoever calls; inside the transaction a batch of the requests that
//! wait costs a few statements over many rows. The write lock is held from the first read on, so what was read (the
//! duplicates, the heads) still holds when it is written.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use leadscore_domain::{EventBody, EventId, Invalid, LeadId, PendingEvent, Timestamp, event::LeadMerged};

use super::{
    APPEND_MAX_EVENTS, Appended,
    book::{Book, OWN_SOURCE, Placed},
    merge, partition_of,
    rows::{EventRow, Figures, insert_ids, insert_rows},
};
use crate::{
    Checkpoint, FailPoint, Store, StoreError, TraceParent,
    db::{After, Conn, Inserts, Lane, insert, query, wake},
    imports,
    keyring::{Keyring, Lookup},
    telemetry::{Fate, Stage},
};

/// An event with what can be prepared outside the transaction.
pub(super) struct Incoming {
    pub(super) event: PendingEvent,
    pub(super) lookups: Vec<Lookup>,
    data: Vec<u8>,
    trace: Option<TraceParent>,
}

/// What becomes of an event.
pub(super) enum Decision {
    /// It is this one of the rows.
    Row { row: usize, created: bool },
    /// It was there before.
    Duplicate { event_id: EventId, lead_id: LeadId },
    /// It is not taken.
    Refused(Invalid),
}

/// Where a batch goes: what becomes of each event, and what they add to the log, merges included, in order.
#[derive(Default)]
pub(super) struct Placement {
    pub(super) decisions: Vec<Decision>,
    pub(super) rows: Vec<EventRow>,
    /// Leads that became part of others.
    pub(super) absorbed: Vec<LeadId>,
}

impl Store {
    /// Puts events into the log durably: finds or creates each event's lead, joins handles, merges leads that turn out
    /// to be one (the older survives), drops duplicates. Answers in the order of `events`. Where the database is the
    /// log, this is one transaction, shared with others that wait, and the checkpoint is committed with it; where Kafka
    /// is, the checkpoint follows the events.
    ///
    /// # Errors
    /// More than [`APPEND_MAX_EVENTS`] events; where the database fails: then none of them counts as applied, and
    /// sending them again applies each once.
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
        let answers = self.intake().append(incoming, checkpoint, self.append_timeout()).await?;
        logging.stop();
        answers.iter().for_each(|answer| Fate::from(answer).count(1));
        Ok(answers)
    }
}

impl Incoming {
    fn prepare(event: PendingEvent, keyring: &Keyring) -> Self {
        let lookups = event.identities.iter().map(|identity| keyring.lookup(identity)).collect();
        let data = event.body.data_to_json();
        Self { event, lookups, data, trace: TraceParent::current() }
    }
}

/// Appends these of `incoming` to the log in the database, in one transaction.
pub(super) async fn append(
    store: &Store,
    incoming: &Arc<[Incoming]>,
    events: Range<usize>,
    checkpoints: Vec<Checkpoint>,
) -> Result<Vec<Appended>, StoreError> {
    store.make_months(incoming[events.clone()].iter().map(|one| one.event.received_at)).await?;
    let (partitions, now, keyring) = (store.partitions(), store.now(), Arc::clone(store.keyring()));
    let incoming = Arc::clone(incoming);
    let answers = store
        .write(Lane::Intake, events.len(), After::Sync, move |conn| {
            Box::pin(async move {
                for checkpoint in &checkpoints {
                    imports::save(conn, checkpoint, now).await?;
                }
                let answers = write(conn, &keyring, partitions, now, &incoming[events]).await;
                FailPoint::AppendBefore.pass();
                answers
            })
        })
        .await?;
    FailPoint::AppendAfter.pass();
    store.appends().send_modify(|count| *count += 1);
    Ok(answers)
}

async fn write(
    conn: &mut Conn,
    keyring: &Keyring,
    partitions: u16,
    now: Timestamp,
    incoming: &[Incoming],
) -> Result<Vec<Appended>, StoreError> {
    if incoming.is_empty() {
        return Ok(Vec::new());
    }
    let mut heads = heads(conn).await?;
    let mut placement = place(conn, keyring, partitions, now, incoming, Changes::Write).await?.unwrap_or_default();
    for row in &mut placement.rows {
        let head = heads.entry(row.partition).or_insert(0);
        *head += 1;
        row.position = *head;
    }
    let has_ids_apart = conn.is_server();
    let mut inserts = Inserts::new(conn);
    let rows: Vec<&EventRow> = placement.rows.iter().collect();
    insert_rows(&mut inserts, &rows, "").await?;
    if has_ids_apart {
        insert_ids(&mut inserts, &rows, "").await?;
    }
    inserts.finish().await?;
    write_heads(conn, heads).await?;
    wake(conn).await?;
    Ok(placement.answers())
}

/// Whether leads and handles may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changes {
    /// They are written.
    Write,
    /// Where any would have to be, nothing is done.
    None,
}

/// Finds or makes the lead of each event, and seals it; `None` where that needs changes that must not be made.
pub(super) async fn place(
    conn: &mut Conn,
    keyring: &Keyring,
    partitions: u16,
    now: Timestamp,
    incoming: &[Incoming],
    changes: Changes,
) -> Result<Option<Placement>, StoreError> {
    let (mut book, mut known) = Book::load(conn, keyring, now, incoming).await?;
    let mut placement = Placement::default();
    for one in incoming {
        let event_id = one.event.id;
        let decision = match known.get(&event_id) {
            Some(lead) => Decision::Duplicate { event_id, lead_id: book.resolve(*lead) },
            None => match book.place(one) {
                Ok(placed) => {
                    known.insert(event_id, placed.lead);
                    placement.add(one, &placed, &book, partitions)
                }
                Err(refusal) => Decision::Refused(refusal),
            },
        };
        placement.decisions.push(decision);
    }
    match changes {
        Changes::None if !book.is_unchanged() => return Ok(None),
        Changes::None => {}
        Changes::Write => {
            book.write(conn).await?;
            merge::write(conn, &book).await?;
        }
    }
    Ok(Some(placement))
}

impl Placement {
    fn add(&mut self, one: &Incoming, placed: &Placed, book: &Book<'_>, partitions: u16) -> Decision {
        let lead = placed.lead;
        for absorbed in &placed.absorbed {
            self.rows.push(merge_row(*absorbed, lead, one.event.received_at, book, partitions));
        }
        self.absorbed.extend(&placed.absorbed);
        let event = &one.event;
        self.rows.push(EventRow {
            partition: partition_of(lead, partitions),
            position: 0,
            id: event.id,
            lead,
            source: event.source.clone(),
            kind: event.body.kind(),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            sealed: book.key(lead).seal(event.id.0.as_bytes(), &one.data),
            figures: Figures::of(&event.body),
            trace: one.trace.clone(),
        });
        Decision::Row { row: self.rows.len() - 1, created: placed.created }
    }

    /// Takes out the merges, which nobody waits for.
    pub(super) fn take_merges(&mut self) -> Vec<EventRow> {
        let mut kept = Vec::with_capacity(self.rows.len());
        let mut merges = Vec::new();
        let mut moved = vec![0; self.rows.len()];
        for (place, row) in self.rows.drain(..).enumerate() {
            moved[place] = kept.len();
            if row.source == OWN_SOURCE { merges.push(row) } else { kept.push(row) }
        }
        self.rows = kept;
        for decision in &mut self.decisions {
            if let Decision::Row { row, .. } = decision {
                *row = moved[*row];
            }
        }
        merges
    }

    /// What is answered, once the rows have their positions.
    pub(super) fn answers(self) -> Vec<Appended> {
        let rows = self.rows;
        let answer = |decision| match decision {
            Decision::Row { row, created } => {
                let EventRow { id, lead, partition, position, .. } = rows[row];
                Appended::Applied { event_id: id, lead_id: lead, partition, position, created }
            }
            Decision::Duplicate { event_id, lead_id } => Appended::Duplicate { event_id, lead_id },
            Decision::Refused(invalid) => Appended::Refused(invalid),
        };
        self.decisions.into_iter().map(answer).collect()
    }
}

/// The merge as an event of the survivor. A lead is absorbed once, so its id makes the event's.
fn merge_row(absorbed: LeadId, survivor: LeadId, at: Timestamp, book: &Book<'_>, partitions: u16) -> EventRow {
    let id = EventId::derive(OWN_SOURCE, &format!("merge:{absorbed}"));
    let body = EventBody::LeadMerged(LeadMerged { absorbed });
    EventRow {
        partition: partition_of(survivor, partitions),
        position: 0,
        id,
        lead: survivor,
        source: OWN_SOURCE.to_owned(),
        kind: body.kind(),
        occurred_at: at,
        received_at: at,
        sealed: book.key(survivor).seal(id.0.as_bytes(), &body.data_to_json()),
        figures: Figures::default(),
        trace: None,
    }
}

async fn heads(conn: &mut Conn) -> Result<BTreeMap<u16, i64>, StoreError> {
    let rows = query("SELECT partition, head FROM log_heads").fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

async fn write_heads(conn: &mut Conn, heads: BTreeMap<u16, i64>) -> Result<(), StoreError> {
    let heads: Vec<(u16, i64)> = heads.into_iter().collect();
    let conflict = "ON CONFLICT (partition) DO UPDATE SET head = excluded.head";
    insert(conn, "INSERT INTO log_heads (partition, head)", 2, conflict, &heads, |bind, (partition, head)| {
        bind.push(*partition).push(*head);
    })
    .await?;
    Ok(())
}
