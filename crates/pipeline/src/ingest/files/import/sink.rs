//! The end of the pipe: batches into the store, refused rows into the rejects file, counts into the checkpoint.

use std::collections::HashMap;

use leadscore_domain::{Identity, MarketSnapshot, PendingEvent, Timestamp};
use leadscore_store::{Appended, Checkpoint, Store};

use super::{
    ReadBatch, Summary,
    market::Known,
    rejects::{RejectedRow, Rejects},
    row::{Output, Reject},
};
use crate::ingest::files::{ImportError, Kind};

/// Most lines of duplicates that are reported one by one.
const DUPLICATE_LINES_MAX: usize = 20;
/// Most handles of leads that are remembered, so that a file with many rows per lead asks once.
const KNOWN_LEADS_MAX: usize = 100_000;

/// Most market snapshots of one transaction.
const SNAPSHOTS_MAX: usize = 10_000;

/// Where an import ends.
pub(super) struct Sink<'a> {
    store: &'a Store,
    kind: Kind,
    checkpoint: Checkpoint,
    rejects: Rejects,
    market: Known,
    leads: HashMap<Identity, Option<Timestamp>>,
    duplicate_lines: Vec<u64>,
}

/// A row of a batch on its way into the store.
struct Pending {
    number: u64,
    line: u64,
    events: usize,
}

#[derive(Default)]
struct Split {
    rows: Vec<Pending>,
    events: Vec<PendingEvent>,
    snapshots: Vec<MarketSnapshot>,
    rejected: Vec<RejectedRow>,
    imported: u64,
    duplicates: u64,
}

/// Counts of a summary from a checkpoint. A checkpoint of events counts applied and duplicate rows only up to the
/// batch before it, because they are known after it was committed: the rows that are left were imported.
pub(super) fn count(mut summary: Summary, checkpoint: &Checkpoint, kind: Kind) -> Summary {
    let counted = checkpoint.imported + checkpoint.duplicates + checkpoint.rejected;
    let left = checkpoint.row.saturating_sub(counted);
    summary.rows = checkpoint.row;
    summary.imported = checkpoint.imported;
    summary.duplicates = checkpoint.duplicates;
    summary.rejected = checkpoint.rejected;
    match kind {
        Kind::Leads | Kind::Events => summary.imported += left,
        Kind::Outcomes | Kind::Market => summary.passed_over = left,
    }
    summary
}

impl<'a> Sink<'a> {
    pub async fn new(
        store: &'a Store,
        kind: Kind,
        checkpoint: Checkpoint,
        rejects: Rejects,
    ) -> Result<Self, ImportError> {
        let market = match kind {
            Kind::Market => Known::new(store.market().await?),
            Kind::Leads | Kind::Events | Kind::Outcomes => Known::default(),
        };
        let leads = HashMap::new();
        Ok(Self { store, kind, checkpoint, rejects, market, leads, duplicate_lines: Vec::new() })
    }

    pub const fn row(&self) -> u64 {
        self.checkpoint.row
    }

    pub const fn rejected(&self) -> u64 {
        self.checkpoint.rejected
    }

    /// Stores a batch together with the place behind it.
    pub async fn take(&mut self, batch: ReadBatch) -> Result<(), ImportError> {
        let last_row = batch.last_row;
        let mut split = self.split(batch);
        if self.kind == Kind::Outcomes {
            self.refuse_unknown_leads(&mut split).await?;
        }
        // Before the commit: after a kill the rows are read again, and their rejects are written again.
        self.rejects.write(&split.rejected)?;
        self.checkpoint.row = last_row;
        self.checkpoint.rejected += split.rejected.len() as u64;
        self.checkpoint.imported += split.imported;
        self.checkpoint.duplicates += split.duplicates;
        if self.kind == Kind::Market {
            return self.put_market(split.snapshots).await;
        }
        let appended = self.store.append(split.events, Some(self.checkpoint.clone())).await?;
        self.settle(split.rows, appended)
    }

    /// A row of a wide file is hundreds of snapshots: they go in by pieces, the place reached with the last.
    async fn put_market(&self, mut snapshots: Vec<MarketSnapshot>) -> Result<(), ImportError> {
        while snapshots.len() > SNAPSHOTS_MAX {
            let rest = snapshots.split_off(SNAPSHOTS_MAX);
            self.store.put_market(std::mem::replace(&mut snapshots, rest), None).await?;
        }
        Ok(self.store.put_market(snapshots, Some(self.checkpoint.clone())).await?)
    }

    /// Parts the rows of a batch by what becomes of them.
    fn split(&mut self, batch: ReadBatch) -> Split {
        let mut split = Split::default();
        let first = batch.last_row + 1 - batch.rows.len() as u64;
        for (number, (line, row)) in (first..).zip(batch.rows) {
            match row {
                Ok(Output::Events(events)) => {
                    split.rows.push(Pending { number, line, events: events.len() });
                    split.events.extend(events);
                }
                Ok(Output::Market(snapshots)) => {
                    let mut any_new = false;
                    for snapshot in snapshots {
                        let (merged, new) = self.market.merge(snapshot);
                        if new {
                            split.snapshots.push(merged);
                        }
                        any_new |= new;
                    }
                    if any_new {
                        split.imported += 1;
                    } else {
                        split.duplicates += 1;
                        self.note_duplicate(line);
                    }
                }
                Ok(Output::PassedOver) => {}
                Err(rejected) => split.rejected.push(rejected),
            }
        }
        split
    }

    /// An outcome needs a lead that was there before it.
    async fn refuse_unknown_leads(&mut self, split: &mut Split) -> Result<(), ImportError> {
        let (rows, events) = (std::mem::take(&mut split.rows), std::mem::take(&mut split.events));
        // An outcome's row is one event.
        for (row, event) in rows.into_iter().zip(events) {
            let reason = match self.lead_since(&event).await? {
                None => "no such lead: import the leads first, or check the column with the lead's id",
                Some(since) if event.occurred_at < since => "lies before the lead came into being",
                Some(_) => {
                    split.rows.push(row);
                    split.events.push(event);
                    continue;
                }
            };
            let reject = Reject::new("outcome", reason);
            split.rejected.push(RejectedRow { number: row.number, line: row.line, reject, shown: String::new() });
        }
        split.rejected.sort_by_key(|row| row.number);
        Ok(())
    }

    /// Since when the lead of an event is known.
    async fn lead_since(&mut self, event: &PendingEvent) -> Result<Option<Timestamp>, ImportError> {
        if let Some(id) = event.lead_id {
            return Ok(self.store.lead(id).await?.map(|lead| lead.created_at));
        }
        for identity in &event.identities {
            let since = match self.leads.get(identity) {
                Some(since) => *since,
                None => {
                    let since = match self.store.find(identity).await? {
                        Some(id) => self.store.lead(id).await?.map(|lead| lead.created_at),
                        None => None,
                    };
                    if self.leads.len() < KNOWN_LEADS_MAX {
                        self.leads.insert(identity.clone(), since);
                    }
                    since
                }
            };
            if since.is_some() {
                return Ok(since);
            }
        }
        Ok(None)
    }

    /// Counts what the store made of a batch's events.
    fn settle(&mut self, rows: Vec<Pending>, appended: Vec<Appended>) -> Result<(), ImportError> {
        let mut appended = appended.into_iter();
        let mut rejected = Vec::new();
        for row in rows {
            let (mut applied, mut refused) = (false, None);
            for result in appended.by_ref().take(row.events) {
                match result {
                    Appended::Applied { .. } => applied = true,
                    Appended::Duplicate { .. } => {}
                    Appended::Refused(invalid) => refused = Some(invalid),
                }
            }
            if let Some(invalid) = refused {
                let reject = Reject::from(invalid);
                rejected.push(RejectedRow { number: row.number, line: row.line, reject, shown: String::new() });
            } else if applied {
                self.checkpoint.imported += 1;
            } else {
                self.checkpoint.duplicates += 1;
                self.note_duplicate(row.line);
            }
        }
        self.checkpoint.rejected += rejected.len() as u64;
        self.rejects.write(&rejected)
    }

    fn note_duplicate(&mut self, line: u64) {
        if self.duplicate_lines.len() < DUPLICATE_LINES_MAX {
            self.duplicate_lines.push(line);
        }
    }

    /// Commits that the end was reached.
    pub async fn finish(mut self) -> Result<Summary, ImportError> {
        self.checkpoint.done = true;
        let checkpoint = Some(self.checkpoint.clone());
        match self.kind {
            Kind::Market => self.store.put_market(Vec::new(), checkpoint).await?,
            Kind::Leads | Kind::Events | Kind::Outcomes => {
                self.store.append(Vec::new(), checkpoint).await?;
            }
        }
        let rejects_file = if self.checkpoint.rejected > 0 { self.rejects.path() } else { None };
        let summary = Summary { rejects_file, duplicate_lines: self.duplicate_lines, ..Summary::default() };
        Ok(count(summary, &self.checkpoint, self.kind))
    }
}
