//! Files of a world: the event stream, the market, and the options from which the truth can be computed again.
//!
//! Invariant: the bytes depend on the options only, not on the number of threads. Memory is bounded by one block of leads.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use leadscore_domain::{EventBody, Timestamp, event::LeadRef};
use rayon::prelude::*;
use serde::Serialize;

use crate::{ReceivedEvent, SimulationError, SimulationOptions, World};

/// Events, market, options.
pub const FILE_NAMES: [&str; 3] = ["events.jsonl", "market.jsonl", "simulation.toml"];

/// Leads whose events are in memory at once, and within which the file is ordered by arrival.
const BLOCK: u64 = 2_048;

/// How far the writing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteProgress {
    /// Leads written.
    pub leads: u64,
    /// Leads to write.
    pub leads_total: u64,
    /// Events written.
    pub events: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Leads of the history.
    pub leads: u64,
    /// Lines of `events.jsonl`, duplicates with them.
    pub events: u64,
    /// Lines of `market.jsonl`.
    pub market_snapshots: u64,
    /// Leads whose deal had arrived by the end.
    pub won: u64,
}

/// One line of `events.jsonl`: the envelope's members, and when it arrived.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    source_event_id: &'a str,
    lead: &'a LeadRef,
    occurred_at: Timestamp,
    received_at: Timestamp,
    #[serde(flatten)]
    body: &'a EventBody,
}

impl World {
    /// Writes `events.jsonl`, `market.jsonl` and `simulation.toml` into `folder`, which is made where it is missing.
    ///
    /// `events.jsonl` holds what arrived by the end of the history. It is ordered by `received_at` within blocks of
    /// 2,048 leads, and so within every lead; blocks follow each other.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, folder: &Path, progress: &dyn Fn(WriteProgress)) -> Result<Written, SimulationError> {
        fs::create_dir_all(folder).map_err(|source| SimulationError::Io { path: folder.to_owned(), source })?;
        let [events_path, market_path, options_path] = FILE_NAMES.map(|name| folder.join(name));
        let options = toml::to_string(&self.options).expect("plain numbers and an instant are TOML");
        fs::write(&options_path, options).map_err(at(&options_path))?;
        let market = self.write_market(&market_path).map_err(at(&market_path))?;
        let written = self.write_events(&events_path, progress).map_err(at(&events_path))?;
        Ok(Written { market_snapshots: market, ..written })
    }

    /// The world that [`Self::write`] wrote into `folder`.
    ///
    /// # Errors
    /// Where `simulation.toml` cannot be read or holds something else.
    pub fn open(folder: &Path) -> Result<Self, SimulationError> {
        let path = folder.join(FILE_NAMES[2]);
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let options: SimulationOptions =
            toml::from_str(&text).map_err(|source| SimulationError::Options { path: path.clone(), source })?;
        Self::new(options)
    }

    fn write_market(&self, path: &Path) -> io::Result<u64> {
        let mut file = BufWriter::new(File::create(path)?);
        let snapshots = self.market();
        for snapshot in &snapshots {
            serde_json::to_writer(&mut file, snapshot)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        Ok(snapshots.len() as u64)
    }

    fn write_events(&self, path: &Path, progress: &dyn Fn(WriteProgress)) -> io::Result<Written> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let total = self.options.leads;
        let mut written = Written { leads: 0, events: 0, market_snapshots: 0, won: 0 };
        for first in (0..total).step_by(usize::try_from(BLOCK).unwrap_or(1)) {
            let last = (first + BLOCK).min(total);
            let leads: Vec<io::Result<LeadLines>> = (first..last).into_par_iter().map(|n| self.lines(n)).collect();
            let mut lines = Vec::new();
            for lead in leads {
                let lead = lead?;
                written.won += u64::from(lead.won);
                lines.extend(lead.lines);
            }
            // Stable, so that what arrives at the same instant stays in the order of leads.
            lines.sort_by_key(|(received_at, _)| *received_at);
            for (_, line) in &lines {
                file.write_all(line)?;
            }
            written.events += lines.len() as u64;
            written.leads = last;
            progress(WriteProgress { leads: last, leads_total: total, events: written.events });
        }
        file.flush()?;
        Ok(written)
    }

    fn lines(&self, number: u64) -> io::Result<LeadLines> {
        let Some(lead) = self.lead(number) else {
            return Ok(LeadLines { lines: Vec::new(), won: false });
        };
        let end = self.options.end;
        let arrived = lead.events.iter().take_while(|event| event.received_at <= end);
        let won = lead.converted_at.is_some() && lead.outcome.is_some_and(|(received_at, _)| received_at <= end);
        let lines = arrived.map(|event| Ok((event.received_at, line(event)?))).collect::<io::Result<_>>()?;
        Ok(LeadLines { lines, won })
    }
}

struct LeadLines {
    lines: Vec<(Timestamp, Vec<u8>)>,
    won: bool,
}

fn line(event: &ReceivedEvent) -> io::Result<Vec<u8>> {
    let envelope = &event.envelope;
    let line = Line {
        source: &envelope.source,
        source_event_id: &envelope.source_event_id,
        lead: &envelope.lead,
        occurred_at: envelope.occurred_at,
        received_at: event.received_at,
        body: &envelope.body,
    };
    let mut bytes = Vec::with_capacity(384);
    serde_json::to_writer(&mut bytes, &line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn at(path: &Path) -> impl Fn(io::Error) -> SimulationError {
    let path: PathBuf = path.to_owned();
    move |source| SimulationError::Io { path: path.clone(), source }
}
