//! What is asked of the server beside the load: its leads, its lag, its metrics.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leadscore_domain::LeadId;
use serde::Deserialize;

use super::{
    feed,
    http::{Answer, Client, Target, Unanswered},
    load::is_success,
    stages::Snapshot,
};
use crate::{context::Context, failure::bad_input, progress};

/// A lead that no server has; who may ask for it may ask for others.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Leads that are made by one request.
const LEADS_AT_ONCE: u64 = 500;
/// How often a request that a busy server turned down is sent again.
const RETRIES_MAX: u32 = 60;
/// Wait before that, where the server does not say.
const RETRY_AFTER_S: u64 = 1;
/// How often the server is asked how far its scorer is.
const LAG_EVERY: Duration = Duration::from_millis(50);
/// How long the scorer may take for everything that was sent.
const LAG_TIMEOUT: Duration = Duration::from_secs(600);

/// One connection for what is not measured.
pub struct Server {
    target: Arc<Target>,
    client: Client,
}

#[derive(Deserialize)]
struct Made {
    results: Vec<MadeLead>,
}

#[derive(Deserialize)]
struct MadeLead {
    lead_id: Option<LeadId>,
}

#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: String,
}

#[derive(Deserialize)]
struct Ready {
    scorer_lag: i64,
}

impl Server {
    /// A server that is there and takes the token.
    ///
    /// # Errors
    /// Bad input where it is not, or does not.
    pub async fn reach(target: &Arc<Target>) -> anyhow::Result<Self> {
        let mut server = Self { target: Arc::clone(target), client: Client::new(Arc::clone(target)) };
        let answer = server.get(&format!("/api/v1/leads/{NOBODY}/score")).await;
        let answer = answer.map_err(|error| {
            let authority = target.authority();
            bad_input(format_args!(
                "no server at {authority}: {error}; start one with `leadscore serve`, or name another with --target"
            ))
        })?;
        if matches!(answer.status, 401 | 403) {
            return Err(bad_input("the server does not take the token; `leadscore init` prints an API key"));
        }
        Ok(server)
    }

    /// Makes the leads that the seed names, where an earlier run has not, and waits until they are scored; their ids.
    ///
    /// # Errors
    /// Where the server refuses them, or stays busy.
    pub async fn prepare(&mut self, seed: u64, leads: u64, context: &Context) -> anyhow::Result<Vec<LeadId>> {
        let bar = progress::bar(context.output, "making leads", Some(leads));
        let mut ids = Vec::new();
        for from in (0..leads).step_by(LEADS_AT_ONCE as usize) {
            let numbers = from..(from + LEADS_AT_ONCE).min(leads);
            let events: Vec<_> = numbers.map(|number| feed::lead_created(seed, number, context.clock.now())).collect();
            let body = serde_json::to_vec(&events)?;
            let made: Made = serde_json::from_slice(&self.post("/api/v1/events", &body).await?)?;
            let made: Option<Vec<LeadId>> = made.results.into_iter().map(|lead| lead.lead_id).collect();
            ids.extend(made.context("the server refused the leads of the benchmark")?);
            bar.set_position(ids.len() as u64);
        }
        bar.finish_and_clear();
        self.until_scored(context).await?.context("the server did not score the leads of the benchmark")?;
        Ok(ids)
    }

    /// Waits until the scorer has read everything; when it had, `None` where it does not in [`LAG_TIMEOUT`].
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn until_scored(&mut self, context: &Context) -> anyhow::Result<Option<Instant>> {
        let bar = progress::bar(context.output, "scoring", None);
        let deadline = Instant::now() + LAG_TIMEOUT;
        while Instant::now() < deadline {
            let answer = self.get("/readyz").await?;
            // A server that lags far behind is not ready, and says nothing but that.
            let ready = is_success(answer.status).then(|| serde_json::from_slice::<Ready>(answer.body)).transpose()?;
            if ready.is_some_and(|ready| ready.scorer_lag == 0) {
                bar.finish_and_clear();
                return Ok(Some(Instant::now()));
            }
            tokio::time::sleep(LAG_EVERY).await;
        }
        bar.finish_and_clear();
        Ok(None)
    }

    /// What the server has measured of itself so far.
    ///
    /// # Errors
    /// Where it does not say.
    pub async fn measured(&mut self) -> anyhow::Result<Snapshot> {
        let answer = self.get("/metrics").await?;
        anyhow::ensure!(is_success(answer.status), "the server has no /metrics; it is of an earlier release");
        Ok(Snapshot::parse(std::str::from_utf8(answer.body)?))
    }

    /// Sends a body, again while the server is busy; the body of the answer.
    ///
    /// # Errors
    /// Where the server refuses it, or stays busy.
    pub async fn post(&mut self, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut request = Vec::new();
        self.target.post(path, body, &mut request);
        for _ in 0..RETRIES_MAX {
            let answer = self.client.exchange(&request).await.with_context(|| format!("asking {path}"))?;
            match answer {
                Answer { status, body, .. } if is_success(status) => return Ok(body.to_vec()),
                Answer { status: 429 | 503, retry_after_s, .. } => {
                    let wait = Duration::from_secs(retry_after_s.unwrap_or(RETRY_AFTER_S));
                    tokio::time::sleep(wait).await;
                }
                Answer { status, body, .. } => return Err(refusal(path, status, body)),
            }
        }
        anyhow::bail!("{path}: the server stays busy")
    }

    async fn get(&mut self, path: &str) -> Result<Answer<'_>, Unanswered> {
        let mut request = Vec::new();
        self.target.get(path, &mut request);
        self.client.exchange(&request).await
    }
}

/// What the server's problem is to a person.
fn refusal(path: &str, status: u16, body: &[u8]) -> anyhow::Error {
    match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { title, detail }) => anyhow::anyhow!("{path}: {status} {title}: {detail}"),
        Err(_) => anyhow::anyhow!("{path}: the server answered {status}"),
    }
}
