//! How fast events go in: leads with names and handles, calls with transcripts, in batches as an import makes them.
//!
//! `cargo bench -p leadscore-store` appends 1,000,000 events of 50,000 leads to a real file; `-- 100000` fewer. Beside
//! the time on the clock it reports the processor time of all threads, which a busy machine does not distort.

use std::{error::Error, sync::Arc, time::Instant};

use leadscore_domain::{
    EventBody, EventId, Identity, IdentityKind, ManualClock, PendingEvent, Timestamp,
    event::{Direction, LeadCreated, Page, PageView, Speaker, Turn, VoiceCall},
};
use leadscore_store::{Store, StoreOptions};

const EVENTS: usize = 1_000_000;
const EVENTS_PER_LEAD: usize = 20;
const BATCH: usize = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let events = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(EVENTS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run(events))
}

async fn run(events: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let start = Timestamp::from_micros(1_772_366_400_000_000).ok_or("within 1900..2200")?;
    let store = Store::open(StoreOptions::new(folder.path(), Arc::new(ManualClock::new(start)))).await?;
    let begun = Begun::now();
    for batch in 0..events.div_ceil(BATCH) {
        let batch = (batch * BATCH..events.min((batch + 1) * BATCH)).map(|i| event(i, events, start)).collect();
        store.append(batch, None).await?;
    }
    report("append", events, begun);
    let begun = Begun::now();
    let mut read = 0;
    for partition in 0..store.partitions() {
        let mut after = 0;
        while let Some(last) = {
            let page = store.read_log(partition, after, 5_000).await?;
            read += page.iter().filter(|record| record.event.is_ok()).count();
            page.last().map(|record| record.position)
        } {
            after = last;
        }
    }
    report("read_log", read, begun);
    let begun = Begun::now();
    let mut seen = 0;
    let mut after = None;
    loop {
        let page = store.leads_page(after, 500).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen += store.events_of(&page).await?.values().map(Vec::len).sum::<usize>();
    }
    report("events_of", seen, begun);
    store.close().await;
    Ok(())
}

/// When a measurement began, by the clock and by the processor.
struct Begun {
    at: Instant,
    cpu_seconds: f64,
}

impl Begun {
    fn now() -> Self {
        Self { at: Instant::now(), cpu_seconds: cpu_seconds() }
    }
}

/// Processor time of this process so far; 0 where the system does not tell (proc(5): fields 14 and 15, in 1/100 s).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to whoever runs it")]
fn report(name: &str, events: usize, begun: Begun) {
    let seconds = begun.at.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds() - begun.cpu_seconds;
    let (per_second, per_cpu_second) = (events as f64 / seconds, events as f64 / cpu_seconds.max(0.01));
    println!(
        "{name:<10} {events:>9} events {seconds:>8.2} s {per_second:>9.0} events/s {cpu_seconds:>8.2} s of processor \
         {per_cpu_second:>9.0} events/s of one core"
    );
}

/// Events of different leads alternate, as in a file that is sorted by time.
fn event(i: usize, events: usize, start: Timestamp) -> PendingEvent {
    let leads = events.div_ceil(EVENTS_PER_LEAD);
    let (lead, turn) = (i % leads, i / leads);
    let identities = vec![
        Identity::from_stored(IdentityKind::Crm, format!("lead-{lead}")),
        Identity::from_stored(IdentityKind::Email, format!("lead-{lead}@example.com")),
    ];
    let body = match turn {
        0 => EventBody::LeadCreated(LeadCreated { name: Some(format!("Lead {lead}")), ..LeadCreated::default() }),
        turn if turn % 8 == 0 => EventBody::VoiceCall(call()),
        _ => EventBody::PageView(PageView { page: Page::Listing, duration_ms: Some(31_000), listing_key: None }),
    };
    let at = start.plus_micros(i64::try_from(i).unwrap_or(0) * 1_000);
    PendingEvent {
        id: EventId::derive("bench", &i.to_string()),
        lead_id: None,
        identities,
        source: "bench".to_owned(),
        source_event_id: i.to_string(),
        occurred_at: at,
        received_at: at,
        body,
    }
}

fn call() -> VoiceCall {
    let turn = |i: u32| Turn {
        speaker: if i.is_multiple_of(2) { Speaker::Agent } else { Speaker::Lead },
        text: "We would like to see the house on Maple Street this weekend, if it is still there.".to_owned(),
        start_ms: i * 4_000,
        duration_ms: Some(3_500),
        sentiment: None,
    };
    VoiceCall {
        direction: Direction::Outbound,
        answered: true,
        duration_ms: 40_000,
        ai_voice: false,
        turns: (0..10).map(turn).collect(),
        sentiment: Some(0.4),
        call_id: None,
    }
}
