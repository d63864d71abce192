//! From records of the topic to events that can be applied: opened, and rid of what was there before.
//!
//! Every record ends as one of: applied, duplicate, of an erased lead, produced anew under the lead that it belongs to,
//! or dead with the reason.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use leadscore_domain::{EventEnvelope, EventId, Identity, Invalid, LeadId};

use super::{
    Kafka,
    intake::keep,
    member::Raw,
    record::{self, Parsed},
};
use crate::{
    DeadLetter, DeadOrigin, DeadPlace, KafkaOptions, LogRows, Store, StoreError, Undelivered,
    db::select_in,
    keyring::DataKey,
    log::{
        Appended, LogRecord, Unreadable, partition_of,
        rows::{EventRow, Figures},
    },
};

/// Why a late event is a dead letter.
const LATE: &str = "late";

/// What was read of a partition.
#[derive(Debug, Default)]
pub struct Batch {
    /// Position of the last record that was read.
    pub to: i64,
    /// Records that were read, of whatever fate.
    pub count: u64,
    /// Events to be applied, and records of erased leads.
    pub records: Vec<LogRecord>,
    /// Records of the log in the database that cannot be applied, with the reason.
    pub dead: Vec<DeadLetter>,
    /// Records of the topic that cannot be applied.
    pub undelivered: Vec<Undelivered>,
    /// Records that were applied before.
    pub duplicates: u64,
    /// What the log in the database does not have yet.
    pub log: LogRows,
}

/// A lead as far as its events must know it.
struct Lead {
    key: Option<Arc<DataKey>>,
    merged_into: Option<LeadId>,
}

/// The batches of several partitions.
type Batches = BTreeMap<u16, Batch>;

/// How much of what is remembered is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Trust {
    /// That events are new, and leads are as they were: the usual case, which the commit verifies.
    Memory,
    /// The database is asked.
    Nothing,
}

/// Reads `raws`, those of a partition in order.
pub(in super::super) async fn take(
    store: &Store,
    kafka: &Kafka,
    raws: &[Arc<Raw>],
    trust: Trust,
) -> Result<Vec<(u16, Batch)>, StoreError> {
    let mut batches = Batches::new();
    let (mut sealed, mut plain) = (Vec::with_capacity(raws.len()), Vec::new());
    for raw in raws {
        let Raw { partition, position, payload } = &**raw;
        let batch = batches.entry(*partition).or_default();
        (batch.to, batch.count) = (*position, batch.count + 1);
        match record::parse(payload) {
            Ok(Parsed::Sealed(row)) => {
                sealed.push((EventRow { partition: *partition, position: *position, ..row }, raw));
            }
            Ok(Parsed::Plain(event)) => plain.push((*event, raw)),
            Err(reason) => bury(kafka, batch, Dead::new(raw, reason)).await?,
        }
    }
    apply(store, kafka, &mut batches, sealed, trust).await?;
    adopt(store, kafka, &mut batches, plain).await?;
    Ok(batches.into_iter().collect())
}

/// Opens our own records.
async fn apply(
    store: &Store,
    kafka: &Kafka,
    batches: &mut Batches,
    sealed: Vec<(EventRow, &Arc<Raw>)>,
    trust: Trust,
) -> Result<(), StoreError> {
    let leads = leads(store, &sealed, trust).await?;
    let mut known = match trust {
        Trust::Memory => HashSet::with_capacity(sealed.len()),
        Trust::Nothing => known(store, &sealed).await?,
    };
    let mut moved = Vec::new();
    for (row, raw) in sealed {
        let batch = batches.entry(raw.partition).or_default();
        if !known.insert(row.id) {
            batch.duplicates += 1;
            continue;
        }
        match leads.get(&row.lead) {
            None => bury(kafka, batch, Dead::new(raw, "it names an unknown lead".to_owned()).of(&row)).await?,
            Some(Lead { key: Some(key), merged_into: Some(survivor) }) => {
                match leads.get(survivor).and_then(|lead| lead.key.as_ref()) {
                    Some(new) => moved.extend(reseal(store, row, key, *survivor, new)),
                    None => batch.records.push(row.read(None)),
                }
            }
            Some(Lead { key, .. }) => {
                let record = row.read(key.as_deref());
                if record.event == Err(Unreadable::Corrupt) {
                    bury(kafka, batch, Dead::new(raw, Unreadable::Corrupt.to_string()).of(&row)).await?;
                    continue;
                }
                if let Ok(event) = &record.event {
                    // The topic carries them inside of what is sealed only.
                    batch.log.0.push(EventRow { figures: Figures::of(&event.body), ..row });
                }
                batch.records.push(record);
            }
        }
    }
    keep(store, kafka, &mut moved).await
}

/// The same event under the key of the lead that absorbed its own.
fn reseal(store: &Store, row: EventRow, key: &DataKey, survivor: LeadId, new: &DataKey) -> Option<EventRow> {
    let data = key.open(row.id.0.as_bytes(), &row.sealed)?;
    let sealed = new.seal(row.id.0.as_bytes(), &data);
    Some(EventRow { partition: partition_of(survivor, store.partitions()), position: 0, lead: survivor, sealed, ..row })
}

/// Gives what others produced to the intake, which produces it anew under its lead.
async fn adopt(
    store: &Store,
    kafka: &Kafka,
    batches: &mut Batches,
    plain: Vec<(EventEnvelope, &Arc<Raw>)>,
) -> Result<(), StoreError> {
    let (mut pending, mut from) = (Vec::with_capacity(plain.len()), Vec::with_capacity(plain.len()));
    let KafkaOptions { region, late_max_us, .. } = *kafka.options();
    for (event, raw) in plain {
        let batch = batches.entry(raw.partition).or_default();
        let identities = event.lead.identities.iter().filter_map(|raw| raw.normalise(region).ok()).collect();
        let dead = |reason: String| Dead { identities, ..Dead::new(raw, reason) };
        match event.validate(store.now(), region) {
            Ok(event) if event.is_late(late_max_us) => bury(kafka, batch, dead(LATE.to_owned())).await?,
            Ok(event) => {
                pending.push(event);
                from.push(raw);
            }
            Err(invalid) => bury(kafka, batch, dead(said(&invalid))).await?,
        }
    }
    let answers = Box::pin(store.append(pending, None)).await?;
    for (answer, raw) in answers.into_iter().zip(from) {
        let batch = batches.entry(raw.partition).or_default();
        match answer {
            Appended::Applied { .. } => {}
            Appended::Duplicate { .. } => batch.duplicates += 1,
            Appended::Refused(invalid) => bury(kafka, batch, Dead::new(raw, said(&invalid))).await?,
        }
    }
    Ok(())
}

/// What is wrong, without a remedy: nobody is there to hear it.
fn said(invalid: &Invalid) -> String {
    format!("{} {}", invalid.field, invalid.problem)
}

/// A record that cannot be applied.
struct Dead<'r> {
    raw: &'r Raw,
    reason: String,
    subject: Option<(EventId, LeadId)>,
    identities: Vec<Identity>,
}

impl<'r> Dead<'r> {
    fn new(raw: &'r Raw, reason: String) -> Self {
        Self { raw, reason, subject: None, identities: Vec::new() }
    }

    /// Says which event it is.
    fn of(self, row: &EventRow) -> Self {
        Self { subject: Some((row.id, row.lead)), ..self }
    }
}

async fn bury(kafka: &Kafka, batch: &mut Batch, dead: Dead<'_>) -> Result<(), StoreError> {
    let Dead { raw: Raw { partition, position, payload }, reason, subject, identities } = dead;
    let (partition, position) = (*partition, *position);
    tracing::error!(partition, position, reason, "a record of the log cannot be applied; set aside");
    if !kafka.bury(partition, position, payload, &reason).await {
        // It is read again, and nothing is lost meanwhile.
        return Err(StoreError::Busy);
    }
    batch.undelivered.push(Undelivered {
        origin: DeadOrigin::Topic,
        place: Some(DeadPlace { group: kafka.topics().events.clone(), partition, position }),
        event_id: subject.map(|(event, _)| event),
        lead_id: subject.map(|(_, lead)| lead),
        identities,
        reason,
        tries: 1,
        payload: record::event_text(payload).to_vec(),
    });
    Ok(())
}

/// The leads of records, and those that absorbed them.
async fn leads(
    store: &Store,
    sealed: &[(EventRow, &Arc<Raw>)],
    trust: Trust,
) -> Result<HashMap<LeadId, Lead>, StoreError> {
    let named: HashSet<LeadId> = sealed.iter().map(|(row, _)| row.lead).collect();
    let mut leads = HashMap::with_capacity(named.len());
    if trust == Trust::Memory {
        let remembered = named.iter().filter_map(|lead| Some((*lead, store.keyring().remembered(*lead)?)));
        leads.extend(remembered.map(|(lead, key)| (lead, Lead { key: Some(key), merged_into: None })));
    }
    let mut ids: Vec<LeadId> = named.into_iter().filter(|lead| !leads.contains_key(lead)).collect();
    while !ids.is_empty() {
        let sql = "SELECT id, data_key, merged_into FROM leads WHERE id";
        for row in select_in(&mut store.reader().await?, sql, &ids, "").await? {
            let id = row.get(0)?;
            let key = row.get::<Option<&[u8]>>(1)?.map(|wrapped| store.keyring().unwrap(id, wrapped)).transpose()?;
            leads.insert(id, Lead { key, merged_into: row.get(2)? });
        }
        let survivors = leads.values().filter_map(|lead| lead.merged_into).collect::<HashSet<_>>();
        ids = survivors.into_iter().filter(|id| !leads.contains_key(id)).collect();
    }
    Ok(leads)
}

/// Those of the records whose event was applied before.
async fn known(store: &Store, sealed: &[(EventRow, &Arc<Raw>)]) -> Result<HashSet<EventId>, StoreError> {
    let ids: Vec<EventId> = sealed.iter().map(|(row, _)| row.id).collect();
    let rows = select_in(&mut store.reader().await?, "SELECT id FROM event_ids WHERE id", &ids, "").await?;
    rows.iter().map(|row| row.get(0)).collect()
}
