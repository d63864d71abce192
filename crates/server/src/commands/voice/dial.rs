//! `leadscore voice dial`: a call is played against a running server, and the score moves with each turn.
//!
//! Invariant: it does what a voice agent does through the API and nothing else: a `call_turn` event for each turn, and
//! the whole call at its end. Deliberately absent: sound, and calling anybody.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use leadscore_domain::{
    EventBody, EventEnvelope, IdentityKind, LeadId, RawIdentity, Timestamp,
    event::{CallTurn, Direction, LeadRef, Speaker, Turn, VoiceCall},
};
use reqwest::Client;
use serde::{Deserialize, Serialize};

use super::script;
use crate::{context::Context, failure::bad_input, outbound};

/// Who sends the events.
const SOURCE: &str = "voice-dial";
/// Longest time for an answer: the server waits five seconds for a score.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest script.
const SCRIPT_MAX_BYTES: u64 = 4 << 20;
/// Most of a turn that is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// Whom to call, and what is said.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore voice dial --phone '+1 512 555 0123'
  leadscore voice dial --lead 0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e --script call.txt --speed 1
  leadscore voice dial --phone '+1 512 555 0123' --speed 0 --json

A line of a script is `agent: …` or `lead: …`. The token is an API key that may write events, by LEADSCORE_TOKEN.")]
pub struct Options {
    /// The lead's id
    #[arg(long, value_name = "ID", required_unless_present = "phone")]
    lead: Option<LeadId>,
    /// The lead's number; somebody unknown becomes a lead
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// What is said [default: a call that comes with the program]
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Whether the lead calls
    #[arg(long)]
    inbound: bool,
    /// How many times as fast as speech; 0 waits for nothing
    #[arg(long, default_value_t = 4.0, value_parser = speed)]
    speed: f64,
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7878")]
    target: String,
    /// Certificates of authorities that are trusted beside the public ones, as PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// API key; better by the environment, where other users of the machine do not see it
    #[arg(long, env = "LEADSCORE_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    token: String,
}

/// How a call went.
#[derive(Debug, Serialize)]
struct Report {
    call_id: String,
    lead_id: LeadId,
    turns: Vec<Heard>,
    /// After the whole call was told.
    score: Option<Shown>,
}

/// A turn, and the score after it.
#[derive(Debug, Serialize)]
struct Heard {
    speaker: Speaker,
    text: String,
    start_ms: u32,
    score: Option<Shown>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<String>,
    /// From sending the turn to having the score.
    latency_ms: f64,
}

/// As much of a score as is shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Shown {
    score: u8,
    confidence: f64,
    prediction: Probability,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Probability {
    conversion_probability: f64,
}

/// What the server answers to an event.
#[derive(Deserialize)]
struct Receipt {
    results: [Taken; 1],
}

#[derive(Deserialize)]
struct Taken {
    lead_id: Option<LeadId>,
    score: Option<Shown>,
    withheld: Option<String>,
}

/// What the server answers where it takes nothing.
#[derive(Deserialize)]
struct Refusal {
    detail: String,
    remedy: String,
}

/// The call as it goes on.
struct Line<'a> {
    options: &'a Options,
    client: Client,
    call_id: String,
    began_at: Timestamp,
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    if options.token.is_empty() {
        return Err(bad_input("no token; set LEADSCORE_TOKEN to an API key, such as `leadscore init` prints"));
    }
    let turns = turns(options.script.as_deref())?;
    let ca_file = options.ca_file.as_deref().unwrap_or(Path::new(""));
    let client = outbound::client(ca_file, TIMEOUT)
        .map_err(|why| bad_input(format_args!("--ca-file {}: {why}", ca_file.display())))?;
    let began_at = context.clock.now();
    let call_id = format!("dial-{}", began_at.as_micros());
    let line = Line { options: &options, client, call_id, began_at };
    let mut heard: Vec<Heard> = Vec::with_capacity(turns.len());
    let mut lead_id = None;
    for (place, turn) in turns.iter().enumerate() {
        let spoken = turn.duration_ms.unwrap_or_default();
        let (taken, latency) = line.say(place, turn, context.clock.now()).await?;
        lead_id = taken.lead_id.or(lead_id);
        let before = heard.iter().rev().find_map(|one| one.score);
        let one = Heard {
            speaker: turn.speaker,
            text: turn.text.clone(),
            start_ms: turn.start_ms,
            score: taken.score,
            withheld: taken.withheld,
            latency_ms: latency.as_secs_f64() * 1e3,
        };
        context.output.follow(|| written(&one, before))?;
        heard.push(one);
        wait(spoken, options.speed).await;
    }
    let score = line.hang_up(turns, context.clock.now()).await?.score;
    let lead_id = lead_id.context("the server did not say who was called")?;
    let report = Report { call_id: line.call_id, lead_id, turns: heard, score };
    context.output.result(&report, || closing(&report))?;
    Ok(())
}

impl Line<'_> {
    async fn say(&self, place: usize, turn: &Turn, now: Timestamp) -> anyhow::Result<(Taken, Duration)> {
        let body = EventBody::CallTurn(CallTurn {
            call_id: self.call_id.clone(),
            direction: self.direction(),
            ai_voice: true,
            turn: turn.clone(),
        });
        let sent = Instant::now();
        let taken = self.send(&format!("turn-{place}"), now, body).await?;
        Ok((taken, sent.elapsed()))
    }

    async fn hang_up(&self, turns: Vec<Turn>, now: Timestamp) -> anyhow::Result<Taken> {
        let last = turns.last().map_or(0, |turn| turn.start_ms + turn.duration_ms.unwrap_or_default());
        let body = EventBody::VoiceCall(VoiceCall {
            direction: self.direction(),
            answered: true,
            duration_ms: last,
            ai_voice: true,
            turns,
            sentiment: None,
            call_id: Some(self.call_id.clone()),
        });
        // The call happened when it began; a played one may be over before it could have been.
        self.send("call", self.began_at.min(now), body).await
    }

    const fn direction(&self) -> Direction {
        if self.options.inbound { Direction::Inbound } else { Direction::Outbound }
    }

    async fn send(&self, id: &str, at: Timestamp, body: EventBody) -> anyhow::Result<Taken> {
        let phone = self.options.phone.iter();
        let event = EventEnvelope {
            source: SOURCE.to_owned(),
            source_event_id: format!("{}:{id}", self.call_id),
            lead: LeadRef {
                lead_id: self.options.lead,
                identities: phone
                    .map(|value| RawIdentity { kind: IdentityKind::Phone, value: value.clone() })
                    .collect(),
            },
            occurred_at: at,
            body,
        };
        let address = format!("{}/api/v1/events?wait=score", self.options.target.trim_end_matches('/'));
        let request = self.client.post(address).bearer_auth(&self.options.token).json(&event);
        let answer = request.send().await.with_context(|| format!("calling {}", self.options.target))?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if status.is_success() {
            let Receipt { results: [taken] } = serde_json::from_slice(&body).context("reading the server's answer")?;
            return Ok(taken);
        }
        let Ok(Refusal { detail, remedy }) = serde_json::from_slice(&body) else {
            bail!("{} answers {status}", self.options.target);
        };
        if status.is_client_error() { Err(bad_input(format_args!("{detail} {remedy}"))) } else { bail!("{detail}") }
    }
}

fn turns(script: Option<&Path>) -> anyhow::Result<Vec<Turn>> {
    let Some(file) = script else { return script::read(script::DEFAULT).map_err(bad_input) };
    let refuse = |why: String| bad_input(format_args!("--script {}: {why}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| refuse(error.to_string()))?.len();
    if size > SCRIPT_MAX_BYTES {
        return Err(refuse(format!("has {size} bytes; at most {SCRIPT_MAX_BYTES} are read")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    script::read(&text).map_err(refuse)
}

/// Waits for as long as it takes to say something.
async fn wait(spoken_ms: u32, speed: f64) {
    if speed > 0.0 {
        tokio::time::sleep(Duration::from_secs_f64(f64::from(spoken_ms) / 1e3 / speed)).await;
    }
}

/// A turn for a person who watches.
fn written(one: &Heard, before: Option<Shown>) -> String {
    let seconds = one.start_ms / 1_000;
    let who = match one.speaker {
        Speaker::Lead => "lead ",
        Speaker::Agent => "agent",
    };
    let mut said: String = one.text.chars().take(SHOWN_CHARS).collect();
    if said.len() < one.text.len() {
        said.pop();
        said.push('…');
    }
    let score = match (one.score, &one.withheld) {
        (Some(now), _) => moved(now, before),
        (None, Some(why)) => format!("no score: {why}"),
        (None, None) => "no score yet".to_owned(),
    };
    format!("{:>2}:{:02}  {who}  {said:<SHOWN_CHARS$}  {score}", seconds / 60, seconds % 60)
}

fn moved(now: Shown, before: Option<Shown>) -> String {
    let probability = now.prediction.conversion_probability * 100.0;
    let by = before.map_or(0, |before| i16::from(now.score) - i16::from(before.score));
    let sign = match by {
        1.. => format!("▲ {by:+}"),
        0 => String::new(),
        ..0 => format!("▼ {by:+}"),
    };
    format!("{:>3}  {probability:4.1} %  {sign}", now.score)
}

fn closing(report: &Report) -> String {
    let mut latencies: Vec<f64> = report.turns.iter().map(|turn| turn.latency_ms).collect();
    latencies.sort_by(f64::total_cmp);
    let median = latencies.get(latencies.len() / 2).copied().unwrap_or_default();
    let score = report.score.map_or_else(|| "no score".to_owned(), |score| format!("score {}", score.score));
    format!("{score} after the call with {}; a turn had its score after {median:.1} ms (median)", report.lead_id)
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|speed| (0.0..=1_000.0).contains(speed)).ok_or_else(|| "use 0 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(score: u8) -> Shown {
        Shown { score, confidence: 0.9, prediction: Probability { conversion_probability: 0.25 } }
    }

    #[test]
    fn a_turn_shows_how_the_score_moved() {
        let one = |text: &str, score, withheld: Option<&str>| Heard {
            speaker: Speaker::Lead,
            text: text.to_owned(),
            start_ms: 61_000,
            score,
            withheld: withheld.map(str::to_owned),
            latency_ms: 3.0,
        };
        let up = written(&one("We love it.", Some(shown(71)), None), Some(shown(64)));
        assert!(up.starts_with(" 1:01  lead   We love it.") && up.ends_with(" 71  25.0 %  ▲ +7"), "{up}");
        assert!(written(&one("No.", Some(shown(60)), None), Some(shown(64))).ends_with("▼ -4"));
        assert!(written(&one(&"ü".repeat(90), None, Some("profiling-objected")), None).contains("ü…"));
        assert!(written(&one("Hm.", None, None), None).ends_with("no score yet"));
    }
}
