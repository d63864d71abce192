//! `leadscore simulate`: a brokerage's history as the files that `leadscore import` reads.

use std::path::PathBuf;

use clap::Args;
use leadscore_domain::{Clock, Timestamp, time::DAY_US};
use leadscore_simulator::{SimulationOptions, World, Written};
use serde_json::json;

use crate::{context::Context, progress};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore simulate --out brokerage
  leadscore simulate --out large --leads 50000 --days 365 --seed 7
  leadscore import market brokerage/market.jsonl && leadscore import events brokerage/events.jsonl")]
pub struct Options {
    /// Folder that the files are written to; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    world: WorldSize,
}

/// How large a world is.
#[derive(Debug, Clone, Args)]
pub struct WorldSize {
    /// Leads that turn up
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=leadscore_simulator::LEADS_MAX))]
    pub leads: u64,
    /// Days of history, up to today
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl WorldSize {
    /// A world whose history ends with the last midnight (UTC): the same command on the same day gives the same files.
    pub fn ending_now(&self, clock: &dyn Clock) -> SimulationOptions {
        let now = clock.now();
        let midnight = now.plus_micros(-now.as_micros().rem_euclid(DAY_US));
        self.ending_at(midnight)
    }

    /// A world whose history ends at `end`.
    pub fn ending_at(&self, end: Timestamp) -> SimulationOptions {
        let &Self { leads, days, seed } = self;
        SimulationOptions { seed, leads, days, end, ..SimulationOptions::default() }
    }
}

/// Runs the command.
pub fn run(options: &Options, context: &Context) -> anyhow::Result<()> {
    let world = World::new(options.world.ending_now(context.clock.as_ref()))?;
    let bar = progress::bar(context.output, "simulating", Some(options.world.leads));
    let written = world.write(&options.out, &|progress| bar.set_position(progress.leads))?;
    bar.finish_and_clear();
    let folder = options.out.display();
    let Written { leads, events, market_snapshots, won } = written;
    let document = json!({
        "folder": folder.to_string(), "leads": leads, "events": events, "market_snapshots": market_snapshots, "won": won,
    });
    context.output.result(&document, || {
        format!("{folder}: {leads} leads, {events} events, {market_snapshots} market snapshots; {won} leads won")
    })?;
    Ok(())
}
