//! Live scores: a session of the socket hub, whose news are read into GraphQL's shape.
//!
//! Invariants: as for every live connection, a snapshot comes first, news are coalesced to the latest of each lead while
//! the client does not read, access is asked anew, and nothing is told of what the client does not see.

use std::{collections::VecDeque, sync::Arc};

use async_graphql::{
    Context, ID, InputObject, Result, SimpleObject, Subscription,
    futures_util::{Stream, stream},
};
use leadscore_domain::LeadId;
use leadscore_store::{Principal, audit::Act, telemetry::Transport};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{
    error,
    scalar::{DateTime, lead_id, uuid},
    score::{Breakdown, Prediction},
};
use crate::{
    auth::{bearer::forbidden, permissions},
    problem::{Code, Problem},
    socket::{
        connection::full,
        ending::Ending,
        mailbox::{Mailbox, Outgoing},
        protocol::{Agent, Topic},
        session::{Seen, Session},
    },
    state::Api,
};

/// Who is connected, and with what: the data of each subscription.
#[derive(Clone)]
pub struct Connected {
    /// The API.
    pub api: Arc<Api>,
    /// What the client said it holds.
    pub token: String,
    /// Whose that is.
    pub principal: Arc<Principal>,
    /// What the audit log is told of each lead, but for the lead.
    pub act: Act,
    /// Why the connection has to end.
    pub ended: mpsc::Sender<Ending>,
}

/// What one can be told of as it happens.
pub struct Live;

/// A score that the client has.
#[derive(InputObject)]
pub struct SeenScore {
    /// Whose.
    lead_id: ID,
    /// Which one: `version` of the score.
    version: String,
}

/// News of leads: where they stand, at first, and then each change.
#[derive(SimpleObject)]
pub struct ScoreNews {
    /// Whether this is where the leads stand, rather than a change.
    snapshot: bool,
    /// Latest scores, without those that the client has.
    scores: Vec<LiveScore>,
    /// Leads without a score, or without one any more, and why. Who is `lead-not-found` is not told of any more.
    errors: Vec<LiveError>,
    /// Whether these are all leads that were asked for: an agent may have more than a subscription takes.
    complete: bool,
}

/// A lead's score.
#[derive(SimpleObject, Deserialize)]
pub struct LiveScore {
    /// Whose.
    lead_id: ID,
    /// Which one of the lead's it is: for `from` after a reconnect.
    version: String,
    /// Percentile of the probability in the model's reference population, 0 to 100.
    score: u8,
    /// 1 − width of the 90 % interval of the probability, 2 decimals.
    confidence: f64,
    /// Where the score comes from.
    breakdown: Breakdown,
    /// What is to be expected, and what to do.
    prediction: Prediction,
    /// When it was calculated.
    #[serde(rename = "last_updated")]
    calculated_at: DateTime,
}

/// A lead without a score.
#[derive(SimpleObject, Deserialize)]
pub struct LiveError {
    /// The lead, as it was asked for.
    lead_id: ID,
    /// `lead-not-found`, also of leads that the client may not see (any more); `profiling-consent-missing`;
    /// `score-pending`.
    code: String,
    /// What is wrong.
    detail: String,
    /// Where the lead was merged into another: that one.
    #[serde(default)]
    merged_into: Option<ID>,
}

/// What can be told as it happens.
#[Subscription(name = "Subscription")]
impl Live {
    /// Scores of leads, or of an agent's leads as they come and go: where they stand, then each new one.
    #[graphql(complexity = "1 + child_complexity")]
    async fn scores(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "These leads")] leads: Option<Vec<ID>>,
        #[graphql(desc = "Instead: the agent whose leads, an id or `me`")] agent: Option<ID>,
        #[graphql(desc = "What you have: what is not newer is not sent again")] from: Option<Vec<SeenScore>>,
    ) -> Result<impl Stream<Item = ScoreNews> + use<>> {
        let Some(connected) = ctx.data_opt::<Connected>() else {
            return Err(error::of_field(&Problem::new(Code::UpgradeRequired, "Subscriptions take a WebSocket.")));
        };
        let told = begin(connected.clone(), leads, agent, from.unwrap_or_default()).await;
        let told = told.map_err(|problem| error::of_field(&problem))?;
        Ok(stream::unfold(told, |mut told| async { told.next().await.map(|news| (news, told)) }))
    }
}

async fn begin(
    connected: Connected,
    leads: Option<Vec<ID>>,
    agent: Option<ID>,
    from: Vec<SeenScore>,
) -> std::result::Result<Told, Problem> {
    let Connected { api, token, principal, act, ended } = connected;
    let access = permissions::field("Subscription.scores").expect("a test finds fields without a row");
    if !principal.may(access.least, access.scope) {
        return Err(forbidden(&principal, &access));
    }
    let topic = topic(leads, agent)?;
    let mut seen = std::collections::HashMap::with_capacity(from.len());
    for SeenScore { lead_id: id, version } in from {
        let refuse = |_| Problem::new(Code::InvalidField, "is no version that the server gave").field("from");
        seen.insert(lead_id(&id)?, version.parse().map_err(refuse)?);
    }
    let mut seat = api.sockets.seats().take(Transport::WebSocket).ok_or_else(full)?;
    if !seat.claim(principal.id) {
        return Err(Problem::new(Code::TooManyConnections, "You have as many connections as one may have."));
    }
    let mut session = Session::new(api, act, token, principal, seat);
    session.subscribe("scores".to_owned(), topic, &Seen::Versions(seen)).await?;
    Ok(Told { mailbox: Arc::clone(session.mailbox()), session, waiting: VecDeque::new(), ended })
}

fn topic(leads: Option<Vec<ID>>, agent: Option<ID>) -> std::result::Result<Topic, Problem> {
    match (leads, agent) {
        (Some(leads), None) => {
            let leads: std::result::Result<Vec<LeadId>, Problem> = leads.iter().map(lead_id).collect();
            leads.map(Topic::Leads)
        }
        (None, Some(agent)) if agent.as_str() == "me" => Ok(Topic::AgentQueue(Agent::Me)),
        (None, Some(agent)) => Ok(Topic::AgentQueue(Agent::Id(uuid(&agent, "agent")?))),
        (None, None) | (Some(_), Some(_)) => Err(Problem::new(Code::InvalidField, "is neither leads nor an agent")
            .field("leads")
            .remedy("send `leads` or `agent`")),
    }
}

/// What a subscription is told.
struct Told {
    session: Session,
    mailbox: Arc<Mailbox>,
    waiting: VecDeque<ScoreNews>,
    ended: mpsc::Sender<Ending>,
}

impl Told {
    /// The next news; `None` where the connection has to end.
    async fn next(&mut self) -> Option<ScoreNews> {
        loop {
            if let Some(news) = self.waiting.pop_front() {
                return Some(news);
            }
            tokio::select! {
                batch = self.mailbox.take() => self.waiting.extend(batch.iter().filter_map(news)),
                duty = self.session.duties().next() => {
                    if let Err(ending) = self.session.perform(duty).await {
                        // Where another subscription said so before, that is why.
                        self.ended.try_send(ending).ok();
                        return None;
                    }
                }
            }
        }
    }
}

/// A message of the socket's protocol, as far as it is news.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Heard {
    Snapshot {
        scores: Vec<LiveScore>,
        errors: Vec<LiveError>,
        complete: bool,
    },
    Score(LiveScore),
    Removed(LiveError),
    #[serde(other)]
    Other,
}

fn news(outgoing: &Outgoing) -> Option<ScoreNews> {
    let Outgoing::Text(text) = outgoing else { return None };
    let change = |scores, errors| ScoreNews { snapshot: false, scores, errors, complete: true };
    match serde_json::from_str(text).expect("a message of the protocol is read as it was written") {
        Heard::Snapshot { scores, errors, complete } => Some(ScoreNews { snapshot: true, scores, errors, complete }),
        Heard::Score(score) => Some(change(vec![score], Vec::new())),
        Heard::Removed(error) => Some(change(Vec::new(), vec![error])),
        Heard::Other => None,
    }
}
