//! What one connection may be told: who it is, its subscriptions, and whether it may still see what they name.
//!
//! Invariants: a lead is told of only while the sender sees it, which is asked anew every [`Options::recheck_every`];
//! while that cannot be asked, nothing is told. What somebody does not see is answered as what does not exist.
//! Deliberately absent: frames and bytes; sockets and event streams share this.
//!
//! [`Options::recheck_every`]: super::Options

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use axum::http::StatusCode;
use leadscore_domain::{LeadId, Score, Timestamp, time::SECOND_US};
use leadscore_store::{
    Authority, Principal, Role,
    audit::{Act, Object},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::{
    Seat,
    ending::Ending,
    hub::{Place, withheld},
    look::{Standing, look},
    mailbox::{Mailbox, News},
    protocol::{Agent, LeadError, ServerMessage, Topic, VersionedScore},
    version::Version,
};
use crate::{
    audit,
    auth::{bearer::confirm, permissions::topic, sight},
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// Most subscriptions of one connection.
const SUBSCRIPTIONS_MAX: usize = 64;
/// Longest name of a subscription.
const ID_MAX_BYTES: usize = 64;
/// How long before a client left its last score may have been calculated that it has not seen: clocks of processes
/// differ, and a score is told a little after it was calculated.
const OVERLAP_US: i64 = 60 * SECOND_US;

/// See the module.
pub struct Session {
    api: Arc<Api>,
    place: Place,
    token: String,
    principal: Arc<Principal>,
    /// What the audit log is told of each lead, but for the lead.
    act: Act,
    subscriptions: HashMap<String, Subscription>,
    duties: Duties,
    _seat: Seat,
}

struct Subscription {
    topic: &'static str,
    /// Whose queue it is.
    agent: Option<Uuid>,
    leads: HashSet<LeadId>,
}

/// What a client has seen already.
pub enum Seen {
    /// These versions.
    Versions(HashMap<LeadId, Version>),
    /// Everything until an instant, or nothing.
    Until(Option<Timestamp>),
}

impl Seen {
    fn has(&self, score: &Score) -> bool {
        match self {
            Self::Versions(versions) => versions.get(&score.lead_id).is_some_and(|seen| *seen >= Version::of(score)),
            Self::Until(at) => at.is_some_and(|at| score.calculated_at < at.plus_micros(-OVERLAP_US)),
        }
    }
}

/// What is due.
#[derive(Debug, Clone, Copy)]
pub enum Duty {
    /// To ask what the sender may see.
    Recheck,
    /// To look for what was not heard.
    Look,
    /// To show that the connection lives.
    Beat,
}

impl Duty {
    /// Whether it is [`Self::Beat`].
    pub const fn is_beat(self) -> bool {
        matches!(self, Self::Beat)
    }
}

/// Says what is due, and when.
pub struct Duties {
    mailbox: Arc<Mailbox>,
    recheck: Interval,
    heartbeat: Interval,
}

impl Duties {
    /// Waits for what is due next. Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Duty {
        tokio::select! {
            biased;
            _ = self.recheck.tick() => Duty::Recheck,
            () = self.mailbox.unheard() => Duty::Look,
            _ = self.heartbeat.tick() => Duty::Beat,
        }
    }
}

impl Session {
    /// Of whoever holds the token, in a place of its own.
    pub fn new(api: Arc<Api>, act: Act, token: String, principal: Arc<Principal>, seat: Seat) -> Self {
        let place = api.sockets.enter();
        let options = api.sockets.options();
        let every = |period| {
            let mut interval = interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let duties = Duties {
            mailbox: Arc::clone(&place.mailbox),
            recheck: every(options.recheck_every),
            heartbeat: every(options.heartbeat_every),
        };
        Self { api, place, token, principal, act, subscriptions: HashMap::new(), duties, _seat: seat }
    }

    /// What it is to be told.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.place.mailbox
    }

    /// What is due next.
    pub fn duties(&mut self) -> &mut Duties {
        &mut self.duties
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Where the connection has to end.
    pub async fn perform(&mut self, duty: Duty) -> Result<(), Ending> {
        match duty {
            Duty::Recheck => self.recheck().await,
            Duty::Look => {
                self.look().await;
                Ok(())
            }
            Duty::Beat => {
                self.place.mailbox.beat();
                Ok(())
            }
        }
    }

    /// Goes on with another token of the same user or key.
    ///
    /// # Errors
    /// Where it is somebody else's.
    pub fn renew(&mut self, token: String, principal: Arc<Principal>) -> Result<(), Ending> {
        if principal.id != self.principal.id {
            return Err(Ending::Unauthenticated);
        }
        (self.token, self.principal) = (token, principal);
        Ok(())
    }

    /// Begins a subscription, and answers with its snapshot.
    ///
    /// # Errors
    /// Where it cannot begin.
    pub async fn subscribe(&mut self, id: String, asked: Topic, seen: &Seen) -> Result<(), Problem> {
        self.check_id(&id)?;
        let topic = asked.as_str();
        self.check_topic(topic)?;
        let leads_max = self.api.sockets.options().leads_max;
        let (agent, mut leads) = match asked {
            Topic::Leads(leads) => (None, leads),
            Topic::AgentQueue(agent) => {
                let agent = self.agent(agent).await?;
                // One more than may be told, so that it is seen whether there are more.
                (Some(agent), self.api.store.leads_of_agent(agent, leads_max + 1).await.map_err(unavailable)?)
            }
        };
        let mut once = HashSet::with_capacity(leads.len());
        leads.retain(|lead| once.insert(*lead));
        let complete = self.shorten(&mut leads, agent.is_some())?;
        let visible = sight::among(&self.api, &self.principal, &leads).await?;
        let (leads, hidden): (Vec<LeadId>, Vec<LeadId>) =
            leads.into_iter().partition(|lead| visible.as_ref().is_none_or(|seen| seen.contains(lead)));
        self.record(&leads, StatusCode::OK).await?;
        self.record(&hidden, StatusCode::NOT_FOUND).await?;
        // From here on nothing is missed.
        self.place.watch(&leads);
        let standings = match look(&self.api, &leads).await {
            Ok(standings) => standings,
            Err(error) => {
                self.place.unwatch(&leads);
                return Err(unavailable(error));
            }
        };
        let mut told = Snapshot::default();
        hidden.into_iter().for_each(|lead| told.errors.push(LeadError::new(lead, Code::LeadNotFound)));
        leads.into_iter().for_each(|lead| told.add(lead, standings.get(&lead)));
        self.place.unwatch(&told.gone);
        self.begin(&id, told, seen, complete);
        let leads = once.into_iter().filter(|lead| standings.get(lead).is_some_and(is_there)).collect();
        self.subscriptions.insert(id, Subscription { topic, agent, leads });
        Ok(())
    }

    /// Records that these leads were asked for: nothing is told of one before.
    async fn record(&self, leads: &[LeadId], status: StatusCode) -> Result<(), Problem> {
        for lead in leads {
            let act = Act {
                at: self.api.clock.now(),
                actor: audit::actor(&self.principal),
                object: Some(Object::Lead(*lead)),
                status: status.as_u16(),
                ..self.act.clone()
            };
            self.api.audit.record(act).await.map_err(unavailable)?;
        }
        Ok(())
    }

    fn check_id(&self, id: &str) -> Result<(), Problem> {
        let refuse = |detail, remedy| Err(Problem::new(Code::InvalidField, detail).field("id").remedy(remedy));
        if id.is_empty() || id.len() > ID_MAX_BYTES {
            return refuse("is empty or too long", "choose 1 to 64 bytes");
        }
        if self.subscriptions.contains_key(id) {
            return refuse("is the name of another subscription", "choose another one, or unsubscribe first");
        }
        if self.subscriptions.len() == SUBSCRIPTIONS_MAX {
            return refuse("is one subscription too many", "unsubscribe from another one, or open another connection");
        }
        Ok(())
    }

    fn check_topic(&self, name: &'static str) -> Result<(), Problem> {
        let (least, scope) = topic(name);
        if self.principal.may(least, Some(scope)) {
            return Ok(());
        }
        let detail = format!("The topic takes the role {least} or above, of a key the scope {}.", scope.as_str());
        Err(Problem::new(Code::Forbidden, detail))
    }

    /// Cuts leads down to what the connection may still watch, where that may be done; whether all are left.
    fn shorten(&self, leads: &mut Vec<LeadId>, may_cut: bool) -> Result<bool, Problem> {
        let leads_max = self.api.sockets.options().leads_max;
        let (fresh, watched) = self.place.mailbox.count(leads);
        if watched + fresh <= leads_max {
            return Ok(true);
        }
        if may_cut {
            leads.truncate(leads_max.saturating_sub(watched));
            return Ok(false);
        }
        Err(Problem::new(Code::InvalidField, format!("makes more than {leads_max} leads of the connection"))
            .field("topic.leads")
            .remedy("open another connection for more"))
    }

    /// The agent whose queue is asked for, where the sender may see it.
    async fn agent(&self, asked: Agent) -> Result<Uuid, Problem> {
        match (asked, &self.principal.authority) {
            (Agent::Me, Authority::Person { .. }) => Ok(self.principal.id),
            (Agent::Me, Authority::Machine { .. }) => {
                Err(Problem::new(Code::InvalidField, "A key has no leads of its own.")
                    .field("topic.agent_queue")
                    .remedy("send the id of a user"))
            }
            (Agent::Id(id), _) => {
                let unknown = || Problem::new(Code::UserNotFound, "No user has this id.");
                if self.sees_agent(id).await? { Ok(id) } else { Err(unknown()) }
            }
        }
    }

    async fn sees_agent(&self, agent: Uuid) -> Result<bool, Problem> {
        if agent == self.principal.id {
            return Ok(true);
        }
        let own_team = match self.principal.authority {
            Authority::Person { role: Role::Agent, .. } => return Ok(false),
            Authority::Person { role: Role::Manager, team_id: None } => return Ok(false),
            Authority::Person { role: Role::Manager, team_id } => team_id,
            Authority::Person { role: Role::Admin, .. } | Authority::Machine { .. } => None,
        };
        let user = self.api.store.user(agent).await.map_err(unavailable)?;
        Ok(user.is_some_and(|user| own_team.is_none() || user.team_id == own_team))
    }

    /// Lets the snapshot out, and after it what came meanwhile.
    fn begin(&self, id: &str, told: Snapshot, seen: &Seen, complete: bool) {
        let mailbox = &self.place.mailbox;
        let outdated = mailbox.hold(&told.versions);
        let news = |score: &&Arc<Score>| !outdated.contains(&score.lead_id) && !seen.has(score);
        let scores: Vec<VersionedScore> = told.scores.iter().filter(news).map(|score| (&**score).into()).collect();
        let text = ServerMessage::Snapshot { id, scores, errors: told.errors, complete }.text();
        mailbox.release(&told.versions, Some(text));
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn unsubscribe(&mut self, id: &str) -> Result<(), Problem> {
        let Some(subscription) = self.subscriptions.remove(id) else {
            return Err(Problem::new(Code::InvalidField, "is no subscription of this connection")
                .field("id")
                .remedy("send the `id` that you subscribed with"));
        };
        self.place.unwatch(&subscription.leads);
        self.place.mailbox.answer(ServerMessage::Unsubscribed { id }.text());
        Ok(())
    }

    /// Asks who the sender is now, and what they see.
    async fn recheck(&mut self) -> Result<(), Ending> {
        let checked = self.check_access().await;
        let mailbox = Arc::clone(&self.place.mailbox);
        match checked {
            Ok(()) => {
                let was_muted = mailbox.mute(false);
                // Where the memory is not trusted, nobody tells of what other processes score.
                if was_muted || !self.api.cache.is_trusted() {
                    mailbox.look_for_all();
                }
                Ok(())
            }
            Err(problem) if matches!(problem.code(), Code::Unauthenticated | Code::UnknownUser) => {
                Err(Ending::Unauthenticated)
            }
            Err(problem) if problem.code() == Code::Forbidden => Err(Ending::Forbidden),
            Err(_) => {
                mailbox.mute(true);
                Ok(())
            }
        }
    }

    async fn check_access(&mut self) -> Result<(), Problem> {
        self.principal = confirm(&self.api, &self.token).await?.principal;
        for topic in self.subscriptions.values().map(|subscription| subscription.topic) {
            self.check_topic(topic)?;
        }
        self.refresh_queues().await?;
        let watched = self.place.mailbox.watched();
        if let Some(seen) = sight::among(&self.api, &self.principal, &watched).await? {
            let lost = watched.into_iter().filter(|lead| !seen.contains(lead)).collect();
            self.remove(&lost, |lead| LeadError::new(lead, Code::LeadNotFound));
        }
        Ok(())
    }

    /// Brings queues up to date: leads come to an agent and go.
    async fn refresh_queues(&mut self) -> Result<(), Problem> {
        let queues: Vec<(String, Uuid)> = self
            .subscriptions
            .iter()
            .filter_map(|(id, subscription)| Some((id.clone(), subscription.agent?)))
            .collect();
        let leads_max = self.api.sockets.options().leads_max;
        for (id, agent) in queues {
            let mut leads = Vec::new();
            if self.sees_agent(agent).await? {
                leads = self.api.store.leads_of_agent(agent, leads_max).await.map_err(unavailable)?;
            }
            if let Some(seen) = sight::among(&self.api, &self.principal, &leads).await? {
                leads.retain(|lead| seen.contains(lead));
            }
            let known = self.subscriptions.get(&id).map(|subscription| &subscription.leads);
            let fresh = leads.iter().copied().filter(|lead| known.is_some_and(|known| !known.contains(lead)));
            self.record(&fresh.collect::<Vec<_>>(), StatusCode::OK).await?;
            self.refresh(&id, leads);
        }
        Ok(())
    }

    fn refresh(&mut self, id: &str, mut leads: Vec<LeadId>) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let now: HashSet<LeadId> = leads.iter().copied().collect();
        let gone: Vec<LeadId> = subscription.leads.extract_if(|lead| !now.contains(lead)).collect();
        leads.retain(|lead| !subscription.leads.contains(lead));
        // What another subscription names stays.
        let gone = self.place.unwatch(&gone);
        let mailbox = &self.place.mailbox;
        let (_, watched) = mailbox.count(&[]);
        leads.truncate(self.api.sockets.options().leads_max.saturating_sub(watched));
        subscription.leads.extend(&leads);
        for lead in gone {
            let text = ServerMessage::Removed(LeadError::new(lead, Code::LeadNotFound)).text();
            mailbox.answer(text);
        }
        self.place.watch(&leads);
        let unseen: Vec<_> = leads.iter().map(|lead| (*lead, None)).collect();
        mailbox.hold(&unseen);
        mailbox.release(&unseen, None);
        leads.into_iter().for_each(|lead| mailbox.look_for(lead));
    }

    /// Ends all watches of leads, and says so.
    fn remove(&mut self, lost: &HashSet<LeadId>, error: impl Fn(LeadId) -> LeadError) {
        for subscription in self.subscriptions.values_mut() {
            let gone: Vec<LeadId> = subscription.leads.extract_if(|lead| lost.contains(lead)).collect();
            self.place.unwatch(&gone);
        }
        for lead in lost {
            self.place.mailbox.answer(ServerMessage::Removed(error(*lead)).text());
        }
    }

    /// Looks for what was not heard.
    async fn look(&mut self) {
        let mailbox = Arc::clone(&self.place.mailbox);
        let leads = mailbox.take_unheard();
        let Ok(standings) = look(&self.api, &leads).await else {
            // The next check that reaches the store looks for everything.
            mailbox.mute(true);
            return;
        };
        for (lead, standing) in standings {
            match standing {
                Standing::Score(score) => {
                    let text = ServerMessage::Score((&*score).into()).text();
                    mailbox.put(lead, &News { version: Version::of(&score), text });
                }
                Standing::Withheld { log_position, obstacle } => {
                    mailbox.put(lead, &withheld(lead, log_position, obstacle));
                }
                Standing::Pending => {}
                Standing::Unknown => {
                    self.remove(&HashSet::from([lead]), |lead| LeadError::new(lead, Code::LeadNotFound));
                }
                Standing::Merged(survivor) => {
                    self.remove(&HashSet::from([lead]), |lead| merged(lead, survivor));
                }
            }
        }
    }
}

fn is_there(standing: &Standing) -> bool {
    match standing {
        Standing::Score(_) | Standing::Withheld { .. } | Standing::Pending => true,
        Standing::Unknown | Standing::Merged(_) => false,
    }
}

fn merged(lead: LeadId, survivor: LeadId) -> LeadError {
    LeadError { merged_into: Some(survivor), ..LeadError::new(lead, Code::LeadNotFound) }
}

/// What the first answer of a subscription says.
#[derive(Default)]
struct Snapshot {
    /// Leads that stay subscribed, with the version that they are told at.
    versions: Vec<(LeadId, Option<Version>)>,
    scores: Vec<Arc<Score>>,
    errors: Vec<LeadError>,
    /// Leads that do not stay subscribed.
    gone: Vec<LeadId>,
}

impl Snapshot {
    fn add(&mut self, lead: LeadId, standing: Option<&Standing>) {
        match standing {
            Some(Standing::Score(score)) => {
                self.versions.push((lead, Some(Version::of(score))));
                self.scores.push(Arc::clone(score));
            }
            Some(Standing::Withheld { log_position, obstacle }) => {
                self.versions.push((lead, Some(Version::of_verdict(*log_position))));
                self.errors.push(LeadError::new(lead, (*obstacle).into()));
            }
            Some(Standing::Pending) => {
                self.versions.push((lead, None));
                self.errors.push(LeadError::new(lead, Code::ScorePending));
            }
            Some(Standing::Merged(survivor)) => {
                self.gone.push(lead);
                self.errors.push(merged(lead, *survivor));
            }
            Some(Standing::Unknown) | None => {
                self.gone.push(lead);
                self.errors.push(LeadError::new(lead, Code::LeadNotFound));
            }
        }
    }
}
