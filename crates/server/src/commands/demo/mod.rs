//! `leadscore demo`: a simulated brokerage in a folder, trained and served, with events that go on arriving.
//!
//! Every step is kept in the folder as soon as it is done, so that a demo that was broken off goes on there.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use leadscore_domain::Score;
use leadscore_pipeline::{scorer::CHAMPION, topology, training::PromotePolicy};
use leadscore_simulator::{FILE_NAMES, SimulationOptions, World};
use leadscore_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    init::{self, Credentials},
    simulate::WorldSize,
    train,
};
use crate::{
    context::Context,
    failure::bad_input,
    folder::{self, Folder},
    lifecycle::StopSignals,
    progress, serving,
};

mod feed;

/// What the demo remembers of itself, in the data folder; holds the password, so only its owner may read it.
const STATE_FILE: &str = "demo.toml";
/// The world, where `evaluate` looks for it.
const WORLD_FILE: &str = FILE_NAMES[2];
/// Who logs in.
const EMAIL: &str = "demo@localhost.localdomain";
/// Leads of which the best one stands in the example commands.
const SHOWN_LEADS: usize = 500;
/// Days for which events go on arriving, of the simulated time.
const LIVE_DAYS: u32 = 120;

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore demo
  leadscore demo --leads 500 --days 180 --data /tmp/demo
  LEADSCORE_LISTEN=127.0.0.1:0 leadscore demo

Running it again goes on with the same brokerage; size and seed count at the first run only.")]
pub struct Options {
    #[command(flatten)]
    world: WorldSize,
    /// Address and port; port 0 takes a free one [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
struct State {
    simulation: SimulationOptions,
    credentials: Option<Credentials>,
}

/// Runs the command until a signal ends it.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let signals = StopSignals::listen()?;
    let listener = serving::bind(options.listen.unwrap_or(context.config.server.listen)).await?;
    let address = format!("{}://{}", context.config.server.tls.scheme(), listener.local_addr()?);
    let (folder, simulation, credentials) = open(&options.world, context).await?;
    let world = Arc::new(World::new(simulation)?);
    let region = context.config.import.region()?;

    feed::history(&folder.store, &world, region, context).await?;
    if folder.registry.alias(CHAMPION)?.is_none() {
        train::train(&folder, PromotePolicy::IfNone, context).await?;
    }
    catch_up(&folder, context).await?;
    let best = best_lead(&folder.store).await?;
    announce(&address, &credentials, &best, context)?;

    let store = folder.store.clone();
    serving::serve(context, folder, listener, signals, |stop| feed::live(store, world, region, context, stop)).await
}

/// The folder of the demo, made where there is none yet; who may log in, and which world it shows.
async fn open(size: &WorldSize, context: &Context) -> anyhow::Result<(Folder, SimulationOptions, Credentials)> {
    let file = context.data.join(STATE_FILE);
    let mut state = match std::fs::read_to_string(&file) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("reading {}", file.display()))?,
        Err(_) if folder::exists(&context.data) => {
            return Err(bad_input(format_args!(
                "{} holds data that are not a demo's; name another folder: leadscore demo --data DIR",
                context.data.display()
            )));
        }
        Err(_) => State {
            simulation: SimulationOptions { live_days: LIVE_DAYS, ..size.ending_at(context.clock.now()) },
            credentials: None,
        },
    };
    init::lay_out(context)?;
    // Before anything else is made: what is found without it is taken for somebody's own data.
    folder::replace(&file, &toml::to_string(&state)?)?;
    folder::replace(&context.data.join(WORLD_FILE), &toml::to_string(&state.simulation)?)?;
    let folder = Folder::open_or_create(context).await?;
    let credentials = match state.credentials {
        Some(credentials) => credentials,
        None => init::first_user(&folder.store, EMAIL).await?,
    };
    state.credentials = Some(credentials.clone());
    folder::replace(&file, &toml::to_string(&state)?)?;
    Ok((folder, state.simulation, credentials))
}

/// Scores what the log holds, so that the first request finds everything in place.
async fn catch_up(folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let bar = progress::bar(context.output, "scoring", Some(folder.store.counts().await?.leads));
    topology::catch_up(folder.pipeline(context)?, &|tally| bar.set_position(tally.scores)).await?;
    bar.finish_and_clear();
    Ok(())
}

/// The best lead of the first few.
async fn best_lead(store: &Store) -> anyhow::Result<Score> {
    let leads = store.leads_page(None, SHOWN_LEADS).await?;
    let scores = store.latest_scores(&leads).await?.into_values().map(|stored| stored.score);
    scores.max_by_key(|score| (score.score, score.lead_id)).context("the simulated brokerage has no scored lead")
}

fn announce(address: &str, credentials: &Credentials, best: &Score, context: &Context) -> anyhow::Result<()> {
    let Credentials { email, password, api_key } = credentials;
    let lead = best.lead_id;
    let now = context.clock.now();
    let event = json!({
        "source": "curl", "source_event_id": format!("call-{}", now.as_micros()), "lead": { "lead_id": lead },
        "occurred_at": now, "type": "voice_call",
        "data": { "direction": "inbound", "answered": true, "duration_ms": 240_000 },
    });
    let key = format!("-H 'authorization: Bearer {api_key}'");
    let json = "-H 'content-type: application/json'";
    let curl = [
        format!("curl -s {key} {address}/api/v1/leads/{lead}/score"),
        format!("curl -s {key} {json} -d '{event}' {address}/api/v1/events"),
        format!("curl -s {key} {json} -d '{}' {address}/api/v1/leads/batch-score", json!({ "lead_ids": [lead] })),
    ];
    let document =
        json!({ "address": address, "email": email, "password": password, "api_key": api_key, "curl": curl });
    context.output.result(&document, || {
        format!(
            "leadscore serves {address}\n  API page   {address}/docs\n  log-in     {email}  {password}\n\n\
             The score of a lead, a call from it, and the score after the call:\n  {}\n\nCtrl-C stops it; the same command goes on.",
            curl.join("\n  ")
        )
    })?;
    Ok(())
}
