//! Who is told of which lead: one task hears of every change and puts it into the mailboxes of those who watch.
//!
//! Invariants: a message is written once, however many connections it goes to; the task never waits for a connection;
//! where changes were missed, every connection is told to look for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use leadscore_domain::{LeadId, Obstacle};
use leadscore_store::{Change, Update};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{
    mailbox::{Mailbox, News},
    protocol::{LeadError, ServerMessage},
    version::Version,
};

/// See the module.
#[derive(Default)]
pub struct Hub(Mutex<Watchers>);

#[derive(Default)]
struct Watchers {
    leads: HashMap<LeadId, HashMap<u64, Arc<Mailbox>>>,
    connections: HashMap<u64, Arc<Mailbox>>,
    next: u64,
}

/// A connection's place in the hub, which it leaves when this is dropped.
pub struct Place {
    hub: Arc<Hub>,
    connection: u64,
    /// What it is to be told.
    pub mailbox: Arc<Mailbox>,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Watchers> {
        // Nothing here panics halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection.
    pub fn enter(self: &Arc<Self>) -> Place {
        let mailbox = Arc::new(Mailbox::default());
        let mut watchers = self.lock();
        watchers.next += 1;
        let connection = watchers.next;
        watchers.connections.insert(connection, Arc::clone(&mailbox));
        Place { hub: Arc::clone(self), connection, mailbox }
    }

    /// Hears of changes until `stop`, or until there can be no more.
    pub async fn run(self: Arc<Self>, mut updates: Receiver<Update>, stop: CancellationToken) {
        while let Some(update) = stop.run_until_cancelled(updates.recv()).await {
            match update {
                Ok(Update::Changed(change)) => self.tell(&change),
                Ok(Update::Missed) | Err(RecvError::Lagged(_)) => {
                    self.lock().connections.values().for_each(|mailbox| mailbox.look_for_all());
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn tell(&self, change: &Change) {
        let lead = change.lead_id();
        let watchers = self.lock();
        let Some(mailboxes) = watchers.leads.get(&lead) else { return };
        let news = match change {
            Change::Score(score) => {
                News { version: Version::of(score), text: ServerMessage::Score((&**score).into()).text() }
            }
            Change::Withheld { log_position, obstacle, .. } => withheld(lead, *log_position, *obstacle),
            Change::Unknown { .. } => return mailboxes.values().for_each(|mailbox| mailbox.look_for(lead)),
        };
        mailboxes.values().for_each(|mailbox| mailbox.put(lead, &news));
    }
}

/// That a lead must not have a score.
pub fn withheld(lead: LeadId, log_position: i64, obstacle: Obstacle) -> News {
    let text = ServerMessage::Removed(LeadError::new(lead, obstacle.into())).text();
    News { version: Version::of_verdict(log_position), text }
}

impl Place {
    /// Begins to watch leads.
    pub fn watch(&self, leads: &[LeadId]) {
        let fresh = self.mailbox.watch(leads);
        let mut watchers = self.hub.lock();
        for lead in fresh {
            watchers.leads.entry(lead).or_default().insert(self.connection, Arc::clone(&self.mailbox));
        }
    }

    /// Ends what [`Self::watch`] began. Answers with those leads that no subscription names any more.
    pub fn unwatch<'a>(&self, leads: impl IntoIterator<Item = &'a LeadId>) -> Vec<LeadId> {
        let forgotten = self.mailbox.unwatch(leads);
        self.leave(&forgotten);
        forgotten
    }

    fn leave<'a>(&self, leads: impl IntoIterator<Item = &'a LeadId>) {
        let mut watchers = self.hub.lock();
        for lead in leads {
            if let Some(mailboxes) = watchers.leads.get_mut(lead) {
                mailboxes.remove(&self.connection);
                if mailboxes.is_empty() {
                    watchers.leads.remove(lead);
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave(&self.mailbox.watched());
        self.hub.lock().connections.remove(&self.connection);
    }
}

#[cfg(test)]
impl Hub {
    /// Connections, and leads that are watched.
    pub fn sizes(&self) -> (usize, usize) {
        let watchers = self.lock();
        (watchers.connections.len(), watchers.leads.len())
    }
}
