//! Who is who in one batch: the leads that its events name, and what the events change about them.
//!
//! Invariant: a handle belongs to one lead; a merged lead leads to its last survivor in the end. Everything is decided
//! in memory, event by event, and written afterwards in a few statements.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use leadscore_domain::{EventBody, EventId, Identity, Invalid, LeadId, Timestamp};

use super::append::Incoming;
use crate::{
    StoreError,
    db::{Conn, Kind, Row, insert, keys, query, select_in, select_lists},
    keyring::{DataKey, Keyring, Lookup, name_binding, timed_id},
};

/// The source of events that the store makes itself.
pub(super) const OWN_SOURCE: &str = "leadscore";

/// A lead as far as a batch must know it.
struct Lead {
    created_at: Timestamp,
    /// `None` for an erased lead.
    key: Option<Arc<DataKey>>,
    merged_into: Option<LeadId>,
    /// Wrapped key of a lead that this batch creates.
    fresh: Option<Vec<u8>>,
}

/// Where an event goes.
pub(super) struct Placed {
    pub(super) lead: LeadId,
    pub(super) created: bool,
    /// Leads that turned out to be this one, through this event.
    pub(super) absorbed: Vec<LeadId>,
}

/// A handle that this batch attaches to a lead.
struct NewIdentity<'a> {
    lookup: Lookup,
    identity: &'a Identity,
    lead: LeadId,
}

/// A name that this batch brings. The latest counts: by its event's time, then by its event's id.
struct Name<'a> {
    at: Timestamp,
    event: EventId,
    name: &'a str,
}

/// The leads of a batch.
pub(super) struct Book<'a> {
    keyring: &'a Keyring,
    now: Timestamp,
    leads: HashMap<LeadId, Lead>,
    owners: HashMap<Lookup, LeadId>,
    identities: Vec<NewIdentity<'a>>,
    names: HashMap<LeadId, Name<'a>>,
    /// Leads absorbed by this batch, in order; the flag says that the lead was there before.
    merges: Vec<(LeadId, bool)>,
}

impl<'a> Book<'a> {
    /// Reads what is stored about everybody whom the batch names; and which of its events are in the log, each with its
    /// lead.
    pub(super) async fn load(
        conn: &mut Conn,
        keyring: &'a Keyring,
        now: Timestamp,
        incoming: &[Incoming],
    ) -> Result<(Self, HashMap<EventId, LeadId>), StoreError> {
        let lookups: BTreeSet<Lookup> = incoming.iter().flat_map(|one| one.lookups.iter().copied()).collect();
        let mut book = Self {
            keyring,
            now,
            leads: HashMap::new(),
            owners: HashMap::with_capacity(lookups.len()),
            identities: Vec::new(),
            names: HashMap::new(),
            merges: Vec::new(),
        };
        let mut known = HashMap::new();
        let sql = "SELECT l.id, l.created_at, l.data_key, l.merged_into, k.lookup, k.event_id FROM \
                   (SELECT lookup, NULL AS event_id, lead_id FROM identities WHERE lookup {0} \
                   UNION ALL SELECT NULL, id, lead_id FROM event_ids WHERE id {1}) k JOIN leads l ON l.id = k.lead_id";
        let lists =
            [keys(lookups.iter().map(|lookup| lookup.as_slice())), keys(incoming.iter().map(|one| one.event.id))];
        for row in select_lists(conn, sql, [Kind::Bytes, Kind::Id], lists).await? {
            let lead = book.add(&row)?;
            if let Some(event) = row.get::<Option<EventId>>(5)? {
                known.insert(event, lead);
                continue;
            }
            let lookup = <&[u8]>::try_into(row.get::<&[u8]>(4)?)
                .map_err(|_| StoreError::Corrupt("the look-up of a handle".to_owned()))?;
            book.owners.insert(lookup, lead);
        }
        let named = incoming.iter().flat_map(|one| one.event.lead_id.into_iter().chain(absorbed_by(&one.event.body)));
        let named: BTreeSet<LeadId> = named.filter(|id| !book.leads.contains_key(id)).collect();
        book.load_leads(conn, named).await?;
        // A merge always names the last survivor, so one more step reaches everybody.
        let survivors = book.leads.values().filter_map(|lead| lead.merged_into);
        let missing: BTreeSet<LeadId> = survivors.filter(|id| !book.leads.contains_key(id)).collect();
        book.load_leads(conn, missing).await?;
        let orphan = book.owners.values().find(|id| book.leads.get(id).is_none_or(|lead| lead.key.is_none()));
        match orphan {
            Some(id) => Err(StoreError::Corrupt(format!("a handle of lead {id}, which does not live"))),
            None => Ok((book, known)),
        }
    }

    async fn load_leads(&mut self, conn: &mut Conn, ids: BTreeSet<LeadId>) -> Result<(), StoreError> {
        let keys: Vec<LeadId> = ids.into_iter().collect();
        let sql = "SELECT id, created_at, data_key, merged_into FROM leads WHERE id";
        for row in select_in(conn, sql, &keys, "").await? {
            self.add(&row)?;
        }
        Ok(())
    }

    /// Adds a lead. Columns: id, created_at, data_key, merged_into.
    fn add(&mut self, row: &Row) -> Result<LeadId, StoreError> {
        let id = row.get(0)?;
        if let Entry::Vacant(place) = self.leads.entry(id) {
            let key = row.get::<Option<&[u8]>>(2)?.map(|wrapped| self.keyring.unwrap(id, wrapped)).transpose()?;
            place.insert(Lead { created_at: row.get(1)?, key, merged_into: row.get(3)?, fresh: None });
        }
        Ok(id)
    }

    /// The last survivor of a lead; the lead itself where it was not absorbed.
    pub(super) fn resolve(&self, mut id: LeadId) -> LeadId {
        while let Some(survivor) = self.leads.get(&id).and_then(|lead| lead.merged_into) {
            id = survivor;
        }
        id
    }

    /// The data key of a living lead.
    ///
    /// # Panics
    /// For a lead that [`Self::place`] did not answer with.
    pub(super) fn key(&self, id: LeadId) -> &Arc<DataKey> {
        self.leads.get(&id).and_then(|lead| lead.key.as_ref()).expect("events are placed with living leads only")
    }

    /// Finds or makes the lead of an event, joins its handles, and merges the leads that they belonged to.
    pub(super) fn place(&mut self, one: &'a Incoming) -> Result<Placed, Invalid> {
        let event = &one.event;
        if event.source == OWN_SOURCE {
            return Err(Invalid::new("source", "is reserved", "name the system that sends the event"));
        }
        let named = event.lead_id.map(|id| self.living(id, "lead.lead_id")).transpose()?;
        let by_body = absorbed_by(&event.body).map(|id| self.living(id, "data.absorbed")).transpose()?;
        let owners = one.lookups.iter().filter_map(|lookup| self.owners.get(lookup)).map(|id| self.resolve(*id));
        let found: BTreeSet<LeadId> = named.into_iter().chain(owners).collect();
        if found.is_empty() && one.lookups.is_empty() {
            return Err(Invalid::new("lead", "names nobody", "send lead_id or at least one identity"));
        }
        let (lead, created) = match found.iter().copied().min_by_key(|id| (self.leads[id].created_at, *id)) {
            Some(oldest) => (oldest, false),
            None => (self.create(event.received_at), true),
        };
        let absorbed: Vec<LeadId> =
            found.into_iter().chain(by_body).filter(|id| *id != lead).collect::<BTreeSet<_>>().into_iter().collect();
        for id in &absorbed {
            self.absorb(*id, lead);
        }
        for (lookup, identity) in one.lookups.iter().zip(&event.identities) {
            if self.owners.insert(*lookup, lead).is_none() {
                self.identities.push(NewIdentity { lookup: *lookup, identity, lead });
            }
        }
        self.note_name(lead, one);
        Ok(Placed { lead, created, absorbed })
    }

    fn living(&self, id: LeadId, field: &str) -> Result<LeadId, Invalid> {
        let id = self.resolve(id);
        match self.leads.get(&id) {
            Some(Lead { key: Some(_), .. }) => Ok(id),
            Some(Lead { key: None, .. }) => {
                Err(Invalid::new(field, "was erased", "send the lead's identities; it will be a new lead"))
            }
            None => Err(Invalid::new(field, "is unknown", "send the id that the server gave, or identities")),
        }
    }

    fn create(&mut self, received_at: Timestamp) -> LeadId {
        let id = LeadId(timed_id(self.now));
        let (key, wrapped) = self.keyring.create(id);
        self.leads
            .insert(id, Lead { created_at: received_at, key: Some(key), merged_into: None, fresh: Some(wrapped) });
        id
    }

    fn absorb(&mut self, absorbed: LeadId, survivor: LeadId) {
        if let Some(lead) = self.leads.get_mut(&absorbed) {
            lead.merged_into = Some(survivor);
            self.merges.push((absorbed, lead.fresh.is_none()));
        }
        if let Some(name) = self.names.remove(&absorbed) {
            self.keep_newer_name(survivor, name);
        }
    }

    fn note_name(&mut self, lead: LeadId, one: &'a Incoming) {
        if let EventBody::LeadCreated(data) = &one.event.body
            && let Some(name) = &data.name
        {
            self.keep_newer_name(lead, Name { at: one.event.occurred_at, event: one.event.id, name });
        }
    }

    fn keep_newer_name(&mut self, lead: LeadId, name: Name<'a>) {
        let known = self.names.get(&lead);
        if known.is_none_or(|known| (known.at, known.event) <= (name.at, name.event)) {
            self.names.insert(lead, name);
        }
    }

    /// Leads absorbed by this batch, in order, each with its last survivor and whether it was there before.
    pub(super) fn merges(&self) -> impl Iterator<Item = (LeadId, LeadId, bool)> {
        self.merges.iter().map(|(absorbed, stored)| (*absorbed, self.resolve(*absorbed), *stored))
    }

    /// Writes new leads, new handles and names. Merges are written afterwards.
    pub(super) async fn write(&self, conn: &mut Conn) -> Result<(), StoreError> {
        let mut fresh: Vec<(LeadId, Timestamp, &[u8])> =
            self.leads.iter().filter_map(|(id, lead)| Some((*id, lead.created_at, lead.fresh.as_deref()?))).collect();
        fresh.sort_unstable();
        let into = "INSERT INTO leads (id, created_at, data_key, name, name_at, name_event)";
        insert(conn, into, 6, "", &fresh, |bind, (id, created_at, wrapped)| {
            let name = self.names.get(id);
            bind.push(id)
                .push(*created_at)
                .push(*wrapped)
                .push(name.map(|name| self.seal_name(*id, name)))
                .push(name.map(|name| name.at))
                .push(name.map(|name| name.event));
        })
        .await?;
        let into = "INSERT INTO identities (lookup, kind, lead_id, value)";
        insert(conn, into, 4, "", &self.identities, |bind, new| {
            let lead = self.resolve(new.lead);
            bind.push(new.lookup.as_slice())
                .push(new.identity.kind().as_str())
                .push(lead)
                .push(self.key(lead).seal(&new.lookup, new.identity.value().as_bytes()));
        })
        .await?;
        for (id, name) in &self.names {
            if self.leads.get(id).is_some_and(|lead| lead.fresh.is_none()) {
                set_name(conn, *id, name.at, name.event, &self.seal_name(*id, name)).await?;
            }
        }
        Ok(())
    }

    /// Whether nothing about leads and handles is to be written.
    pub(super) fn is_unchanged(&self) -> bool {
        self.identities.is_empty()
            && self.names.is_empty()
            && self.merges.is_empty()
            && self.leads.values().all(|lead| lead.fresh.is_none())
    }

    fn seal_name(&self, id: LeadId, name: &Name<'_>) -> Vec<u8> {
        self.key(id).seal(&name_binding(id), name.name.as_bytes())
    }
}

/// Gives a lead a sealed name, unless it has a later one.
pub(super) async fn set_name(
    conn: &mut Conn,
    id: LeadId,
    at: Timestamp,
    event: EventId,
    sealed: &[u8],
) -> Result<(), StoreError> {
    query(
        "UPDATE leads SET name = $1, name_at = $2, name_event = $3 WHERE id = $4 \
         AND (name_at IS NULL OR name_at < $2 OR (name_at = $2 AND name_event <= $3))",
    )
    .bind(sealed)
    .bind(at)
    .bind(event)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

fn absorbed_by(body: &EventBody) -> Option<LeadId> {
    if let EventBody::LeadMerged(data) = body { Some(data.absorbed) } else { None }
}
