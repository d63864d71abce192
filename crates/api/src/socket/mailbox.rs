//! What one connection has still to be told.
//!
//! Invariants: of each lead at most one message waits, the newest; what is taken out of a lead is never older than what
//! was taken before; memory is bounded by the leads that are watched and the answers that wait, however slowly the
//! client reads. Messages are shared between connections, not copied.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::Utf8Bytes;
use leadscore_domain::LeadId;
use leadscore_store::telemetry::Delivery;
use tokio::sync::Notify;

use super::{protocol::ServerMessage, version::Version};

/// Answers that may wait while another message of the client's is read.
const ANSWERS_MAX: usize = 16;
/// Most messages that are taken at once.
const BATCH_MAX: usize = 256;

/// What a connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// This message.
    Text(Utf8Bytes),
    /// That it lives.
    Heartbeat,
}

/// A message about a lead.
#[derive(Debug, Clone)]
pub struct News {
    /// Which one of the lead's it is.
    pub version: Version,
    /// The message.
    pub text: Utf8Bytes,
}

/// Leads of which the store knows more than was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Unheard {
    /// None.
    #[default]
    None,
    /// These.
    Some(HashSet<LeadId>),
    /// All that are watched.
    All,
}

/// See the module.
#[derive(Default)]
pub struct Mailbox {
    state: Mutex<State>,
    /// There is something to take, or there may be.
    news: Notify,
    /// There is something to look for.
    unheard: Notify,
    /// Answers were taken.
    room: Notify,
}

#[derive(Default)]
struct State {
    leads: HashMap<LeadId, Watch>,
    /// Leads with news that may be taken; some that have none any more.
    ready: VecDeque<LeadId>,
    answers: VecDeque<Outgoing>,
    unheard: Unheard,
    muted: bool,
}

#[derive(Default)]
struct Watch {
    /// Subscriptions that name the lead.
    subscriptions: usize,
    /// Whether its snapshot is out: news wait until then.
    open: bool,
    told: Option<Version>,
    news: Option<News>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to watch leads for a subscription; news wait until [`Self::release`]. Answers with those that were not
    /// watched before.
    pub fn watch(&self, leads: &[LeadId]) -> Vec<LeadId> {
        let mut state = self.lock();
        let mut fresh = Vec::new();
        for lead in leads {
            let watch = state.leads.entry(*lead).or_default();
            watch.subscriptions += 1;
            if watch.subscriptions == 1 {
                fresh.push(*lead);
            }
        }
        fresh
    }

    /// Ends what [`Self::watch`] began. Answers with those leads that no subscription names any more.
    pub fn unwatch<'a>(&self, leads: impl IntoIterator<Item = &'a LeadId>) -> Vec<LeadId> {
        let mut state = self.lock();
        let mut forgotten = Vec::new();
        for lead in leads {
            let Some(watch) = state.leads.get_mut(lead) else { continue };
            watch.subscriptions -= 1;
            if watch.subscriptions == 0 {
                state.leads.remove(lead);
                forgotten.push(*lead);
            }
        }
        forgotten
    }

    /// The leads that are watched.
    pub fn watched(&self) -> Vec<LeadId> {
        self.lock().leads.keys().copied().collect()
    }

    /// How many of `leads` are not watched yet, and how many leads are.
    pub fn count(&self, leads: &[LeadId]) -> (usize, usize) {
        let state = self.lock();
        (leads.iter().filter(|lead| !state.leads.contains_key(lead)).count(), state.leads.len())
    }

    /// Holds back news of leads whose snapshot is being made, each with the version that is to stand in it. Answers
    /// with the leads of which a newer version is out already.
    pub fn hold(&self, leads: &[(LeadId, Option<Version>)]) -> HashSet<LeadId> {
        let mut state = self.lock();
        let mut outdated = HashSet::new();
        for (lead, version) in leads {
            let Some(watch) = state.leads.get_mut(lead) else { continue };
            watch.open = false;
            if version < &watch.told {
                outdated.insert(*lead);
            } else {
                watch.told = *version;
            }
        }
        outdated
    }

    /// Lets news of leads out that [`Self::hold`] held back, after `answer`.
    pub fn release(&self, leads: &[(LeadId, Option<Version>)], answer: Option<Utf8Bytes>) {
        let mut state = self.lock();
        state.answers.extend(answer.map(Outgoing::Text));
        for (lead, _) in leads {
            let Some(watch) = state.leads.get_mut(lead) else { continue };
            watch.open = true;
            watch.news.take_if(|news| Some(news.version) <= watch.told);
            if watch.news.is_some() {
                state.ready.push_back(*lead);
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// Puts news of a lead in, unless something newer is out or waits.
    pub fn put(&self, lead: LeadId, news: &News) {
        let mut state = self.lock();
        let State { leads, ready, .. } = &mut *state;
        let Some(watch) = leads.get_mut(&lead) else { return };
        let newest = watch.news.as_ref().map(|news| news.version).max(watch.told);
        if Some(news.version) <= newest {
            return;
        }
        let waited = watch.news.replace(news.clone()).is_some();
        if waited {
            Delivery::Coalesced.count(1);
        } else if watch.open {
            ready.push_back(lead);
            drop(state);
            self.news.notify_one();
        }
    }

    /// Puts an answer in.
    pub fn answer(&self, answer: Utf8Bytes) {
        self.lock().answers.push_back(Outgoing::Text(answer));
        self.news.notify_one();
    }

    /// Puts a heartbeat in, where nothing else waits that shows the same.
    pub fn beat(&self) {
        let mut state = self.lock();
        if state.answers.is_empty() {
            state.answers.push_back(Outgoing::Heartbeat);
            drop(state);
            self.news.notify_one();
        }
    }

    /// Waits until another message of the client's may be answered.
    pub async fn room(&self) {
        while self.lock().answers.len() >= ANSWERS_MAX {
            self.room.notified().await;
        }
    }

    /// Says whether only answers are let out, as while nobody knows what the client may see; whether it was so before.
    pub fn mute(&self, muted: bool) -> bool {
        let before = std::mem::replace(&mut self.lock().muted, muted);
        self.news.notify_one();
        before
    }

    /// What is to be told next; waits until there is something.
    pub async fn take(&self) -> Vec<Outgoing> {
        loop {
            let batch = self.take_now();
            if !batch.is_empty() {
                self.room.notify_one();
                return batch;
            }
            self.news.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Outgoing> {
        let mut state = self.lock();
        let State { leads, ready, answers, muted, .. } = &mut *state;
        let mut batch: Vec<Outgoing> = answers.drain(..).collect();
        while !*muted
            && batch.len() < BATCH_MAX
            && let Some(lead) = ready.pop_front()
        {
            let Some(watch) = leads.get_mut(&lead).filter(|watch| watch.open) else { continue };
            if let Some(news) = watch.news.take() {
                watch.told = Some(news.version);
                batch.push(Outgoing::Text(news.text));
            }
        }
        batch
    }

    /// Remembers that the store knows more of a lead.
    pub fn look_for(&self, lead: LeadId) {
        let mut state = self.lock();
        if !state.leads.contains_key(&lead) {
            return;
        }
        match &mut state.unheard {
            Unheard::None => state.unheard = Unheard::Some(HashSet::from([lead])),
            Unheard::Some(leads) => {
                leads.insert(lead);
            }
            Unheard::All => {}
        }
        drop(state);
        self.unheard.notify_one();
    }

    /// Remembers that the store may know more of every lead.
    pub fn look_for_all(&self) {
        self.lock().unheard = Unheard::All;
        self.unheard.notify_one();
    }

    /// Waits until there is something to look for.
    pub async fn unheard(&self) {
        while self.lock().unheard == Unheard::None {
            self.unheard.notified().await;
        }
    }

    /// What is to be looked for.
    pub fn take_unheard(&self) -> Vec<LeadId> {
        let mut state = self.lock();
        match std::mem::take(&mut state.unheard) {
            Unheard::None => Vec::new(),
            Unheard::Some(leads) => leads.into_iter().filter(|lead| state.leads.contains_key(lead)).collect(),
            Unheard::All => state.leads.keys().copied().collect(),
        }
    }
}

/// The message that a heartbeat is.
pub fn heartbeat() -> Utf8Bytes {
    ServerMessage::Heartbeat.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn lead(n: u128) -> LeadId {
        LeadId(uuid::Uuid::from_u128(n))
    }

    fn news(position: i64) -> News {
        News { version: Version::of_verdict(position), text: position.to_string().into() }
    }

    fn texts(mailbox: &Mailbox) -> Vec<String> {
        let text = |outgoing: Outgoing| match outgoing {
            Outgoing::Text(text) => text.to_string(),
            Outgoing::Heartbeat => "heartbeat".to_owned(),
        };
        mailbox.take_now().into_iter().map(text).collect()
    }

    fn open(mailbox: &Mailbox, lead: LeadId, position: Option<i64>) {
        let held = [(lead, position.map(Version::of_verdict))];
        mailbox.watch(&[lead]);
        mailbox.hold(&held);
        mailbox.release(&held, Some("snapshot".into()));
    }

    #[test]
    fn the_snapshot_goes_first_and_what_is_older_never_follows() {
        let mailbox = Mailbox::default();
        mailbox.watch(&[lead(1)]);
        mailbox.put(lead(1), &news(5));
        assert!(texts(&mailbox).is_empty(), "its snapshot is not out yet");
        let held = [(lead(1), Some(Version::of_verdict(4)))];
        assert!(mailbox.hold(&held).is_empty());
        mailbox.release(&held, Some("snapshot".into()));
        assert_eq!(texts(&mailbox), ["snapshot", "5"]);
        for old in [3, 4, 5] {
            mailbox.put(lead(1), &news(old));
            assert!(texts(&mailbox).is_empty(), "{old}");
        }
        // Another subscription to the same lead, whose snapshot was read too early.
        assert_eq!(mailbox.hold(&held), HashSet::from([lead(1)]));
        mailbox.put(lead(1), &news(6));
        assert!(texts(&mailbox).is_empty());
        mailbox.release(&held, None);
        assert_eq!(texts(&mailbox), ["6"]);
    }

    #[test]
    fn of_a_lead_the_newest_waits_and_of_a_lead_that_nobody_watches_nothing() {
        let mailbox = Mailbox::default();
        open(&mailbox, lead(1), None);
        open(&mailbox, lead(2), None);
        for position in 1..1_000 {
            mailbox.put(lead(1), &news(position));
            mailbox.put(lead(2), &news(position));
            mailbox.put(lead(3), &news(position));
        }
        assert_eq!(mailbox.unwatch(&[lead(2)]), [lead(2)]);
        assert_eq!(texts(&mailbox), ["snapshot", "snapshot", "999"]);
        assert!(mailbox.lock().ready.is_empty());
    }

    #[test]
    fn a_lead_is_watched_as_long_as_one_subscription_names_it() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.watch(&[lead(1)]), [lead(1)]);
        assert!(mailbox.watch(&[lead(1)]).is_empty());
        assert!(mailbox.unwatch(&[lead(1)]).is_empty());
        assert_eq!(mailbox.unwatch(&[lead(1)]), [lead(1)]);
        assert!(mailbox.watched().is_empty());
    }

    #[test]
    fn while_it_is_muted_only_answers_go_out() {
        let mailbox = Mailbox::default();
        open(&mailbox, lead(1), None);
        mailbox.mute(true);
        mailbox.put(lead(1), &news(1));
        assert_eq!(texts(&mailbox), ["snapshot"]);
        mailbox.beat();
        mailbox.beat();
        assert_eq!(texts(&mailbox), ["heartbeat"]);
        mailbox.mute(false);
        assert_eq!(texts(&mailbox), ["1"]);
    }

    #[test]
    fn what_was_not_heard_is_remembered_for_the_leads_that_are_watched() {
        let mailbox = Mailbox::default();
        open(&mailbox, lead(1), None);
        open(&mailbox, lead(2), None);
        mailbox.look_for(lead(3));
        assert!(mailbox.take_unheard().is_empty());
        mailbox.look_for(lead(1));
        mailbox.look_for(lead(1));
        assert_eq!(mailbox.take_unheard(), [lead(1)]);
        mailbox.look_for_all();
        mailbox.look_for(lead(1));
        assert_eq!(mailbox.take_unheard().len(), 2);
    }
}
