//! The task that writes the log: what was done in a tenth of a second is one block.
//!
//! Invariants: what was taken is written, or nothing more is taken; whoever waits for an entry has it on the disk. What
//! is done again and again within a block is one entry with a count. A block is written by one task at a time, so a
//! process's entries stand in the order in which they came.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Act, body::gather, checkpoint::CheckpointFile, rows::Attempt};
use crate::{Store, StoreError};

/// Most acts that wait; further ones wait to be handed in.
const QUEUE_MAX: usize = 16_384;
/// Most acts of one block.
const BLOCK_ACTS_MAX: usize = 4_096;
/// How long to wait before a block is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often a block is tried where the process ends.
const LAST_ATTEMPTS: u32 = 5;

/// How the log is written.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The file of checkpoints; it and its folder are made where they are missing.
    pub checkpoints: PathBuf,
    /// How long a block waits for more.
    pub block_interval: Duration,
    /// How long an act waits for its place, or for the disk where it has to; and how long the log may fail to be
    /// written before nothing more is taken.
    pub patience: Duration,
    /// A checkpoint follows after so many blocks,
    pub checkpoint_blocks: u32,
    /// or so long after the block before it.
    pub checkpoint_interval: Duration,
}

impl AuditOptions {
    /// The defaults, with checkpoints in this file.
    #[must_use]
    pub fn new(checkpoints: impl Into<PathBuf>) -> Self {
        Self {
            checkpoints: checkpoints.into(),
            block_interval: Duration::from_millis(100),
            patience: Duration::from_secs(2),
            checkpoint_blocks: 1_000,
            checkpoint_interval: Duration::from_secs(600),
        }
    }
}

/// A handle to the log. Clones share one task.
#[derive(Clone)]
pub struct AuditLog(Arc<Shared>);

struct Shared {
    queue: mpsc::Sender<Message>,
    /// Somebody waits, or the queue fills: the block at hand is to be closed.
    urgent: Arc<Notify>,
    /// The log has not been written for too long.
    stuck: Arc<AtomicBool>,
    patience: Duration,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// What goes through the queue.
enum Message {
    /// Something was done.
    Act(Box<Act>),
    /// Somebody waits for what was done before.
    Flush(oneshot::Sender<()>),
}

impl AuditLog {
    /// Starts the task, which first writes the checkpoints that a crash left out.
    ///
    /// # Errors
    /// Where the database cannot be read or the file of checkpoints not be written.
    pub async fn start(store: Store, options: AuditOptions) -> Result<Self, StoreError> {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let (urgent, stuck) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let file = CheckpointFile::new(options.checkpoints, store.keyring().audit_signatures().clone());
        let mut writer = Writer {
            store,
            file: Arc::new(file),
            queue,
            urgent: Arc::clone(&urgent),
            stuck: Arc::clone(&stuck),
            closing: closing.clone(),
            block_interval: options.block_interval,
            patience: options.patience,
            checkpoint_blocks: options.checkpoint_blocks,
            checkpoint_interval: options.checkpoint_interval,
            unmarked: None,
            owes_checkpoints: false,
        };
        writer.write_checkpoints(None).await?;
        tasks.spawn(writer.run());
        tasks.close();
        Ok(Self(Arc::new(Shared { queue: sender, urgent, stuck, patience: options.patience, tasks, closing })))
    }

    /// Takes an act, which is on the disk soon. Waits where the queue is full.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where the log cannot be written: what the act would show must not be shown then.
    /// [`StoreError::Closed`].
    pub async fn record(&self, act: Act) -> Result<(), StoreError> {
        self.send(Message::Act(Box::new(act))).await
    }

    /// Takes an act that was done already, whatever happens to whoever says so: it waits beside its sender where the
    /// queue is full.
    pub fn record_done(&self, act: Act) {
        if let Err(TrySendError::Full(message)) = self.0.queue.try_send(Message::Act(Box::new(act))) {
            let queue = self.0.queue.clone();
            self.0.urgent.notify_one();
            self.0.tasks.spawn(async move { queue.send(message).await.ok() });
        }
    }

    /// Waits until everything that this handle's users handed in before is on the disk.
    ///
    /// # Errors
    /// As [`Self::record`]; after [`StoreError::Busy`] it still gets there.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (sender, written) = oneshot::channel();
        self.send(Message::Flush(sender)).await?;
        self.0.urgent.notify_one();
        let written = timeout(self.0.patience, written).await.map_err(|_| StoreError::Busy)?;
        written.map_err(|_| StoreError::Closed)
    }

    /// Whether acts are taken, to be asked before something is done that could not be undone.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn check(&self) -> Result<(), StoreError> {
        match (self.0.queue.is_closed(), self.0.stuck.load(Ordering::Relaxed)) {
            (true, _) => Err(StoreError::Closed),
            (false, true) => Err(StoreError::Busy),
            (false, false) => Ok(()),
        }
    }

    /// Writes what waits, with a checkpoint, and takes nothing more.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.wait().await;
    }

    async fn send(&self, message: Message) -> Result<(), StoreError> {
        if self.0.stuck.load(Ordering::Relaxed) {
            return Err(StoreError::Busy);
        }
        match self.0.queue.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return Err(StoreError::Closed),
            Err(TrySendError::Full(message)) => {
                self.0.urgent.notify_one();
                let sent = timeout(self.0.patience, self.0.queue.send(message)).await;
                sent.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?;
            }
        }
        if self.0.queue.capacity() < QUEUE_MAX - BLOCK_ACTS_MAX {
            self.0.urgent.notify_one();
        }
        Ok(())
    }
}

/// The task's own.
struct Writer {
    store: Store,
    file: Arc<CheckpointFile>,
    queue: mpsc::Receiver<Message>,
    urgent: Arc<Notify>,
    stuck: Arc<AtomicBool>,
    closing: CancellationToken,
    block_interval: Duration,
    patience: Duration,
    checkpoint_blocks: u32,
    checkpoint_interval: Duration,
    /// How many blocks of this process have no checkpoint behind them yet, and since when.
    unmarked: Option<(u32, Instant)>,
    /// The last checkpoint could not be written.
    owes_checkpoints: bool,
}

impl Writer {
    async fn run(mut self) {
        let mut messages = Vec::with_capacity(BLOCK_ACTS_MAX);
        loop {
            let due = self.unmarked.map(|(_, since)| since + self.checkpoint_interval);
            let taken = tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
                taken = self.queue.recv_many(&mut messages, BLOCK_ACTS_MAX) => taken,
                () = until(due) => {
                    if self.settle(&mut messages, true).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            if taken == 0 {
                break;
            }
            if messages.iter().all(|message| matches!(message, Message::Act(_))) {
                tokio::select! {
                    () = tokio::time::sleep(self.block_interval) => {}
                    () = self.urgent.notified() => {}
                    () = self.closing.cancelled() => {}
                }
            }
            while messages.len() < BLOCK_ACTS_MAX
                && let Ok(message) = self.queue.try_recv()
            {
                messages.push(message);
            }
            let is_due = self.unmarked.is_some_and(|(blocks, since)| {
                blocks + 1 >= self.checkpoint_blocks || since.elapsed() >= self.checkpoint_interval
            });
            if self.settle(&mut messages, is_due).await.is_err() {
                return;
            }
        }
        if self.unmarked.is_some() {
            // Whether it succeeds or not, there is nothing after it.
            self.settle(&mut messages, true).await.ok();
        }
    }

    /// Writes what came as one block, and says so to those who wait. An error ends the log.
    async fn settle(&mut self, messages: &mut Vec<Message>, mark: bool) -> Result<(), StoreError> {
        let mut acts = Vec::with_capacity(messages.len());
        let mut waiting = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Act(act) => acts.push(*act),
                Message::Flush(sender) => waiting.push(sender),
            }
        }
        if !acts.is_empty() || mark {
            self.write(acts, mark).await?;
        }
        for sender in waiting {
            // Who waited may have gone.
            sender.send(()).ok();
        }
        Ok(())
    }

    async fn write(&mut self, acts: Vec<Act>, mark: bool) -> Result<(), StoreError> {
        let count = acts.len();
        let sequence = match self.try_until_written(acts, mark).await {
            Ok(sequence) => sequence,
            Err(error) => {
                self.stuck.store(true, Ordering::Relaxed);
                tracing::error!(%error, count, "entries are lost: the process ends, and the audit log cannot be written");
                return Err(error);
            }
        };
        self.unmarked = match (mark, self.unmarked) {
            (true, _) => None,
            (false, Some((blocks, since))) => Some((blocks + 1, since)),
            (false, None) => Some((1, Instant::now())),
        };
        if (mark || self.owes_checkpoints)
            && let Err(error) = self.write_checkpoints(Some(sequence)).await
        {
            self.owes_checkpoints = true;
            tracing::error!(%error, "checkpoints of the audit log cannot be written; the next block tries again");
        }
        Ok(())
    }

    /// Tries for as long as the store is open and the process does not end.
    async fn try_until_written(&self, acts: Vec<Act>, mark: bool) -> Result<i64, StoreError> {
        let attempt = Attempt::default();
        let (failing_since, mut attempts) = (Instant::now(), 0);
        let mut body = None;
        loop {
            let written = async {
                let body = match &body {
                    Some(body) => Arc::clone(body),
                    None => Arc::clone(body.insert(Arc::new(gather(&self.store, &acts).await?))),
                };
                self.store.append_audit_block(body, mark, attempt.clone()).await
            };
            let error = match written.await {
                Ok(sequence) => {
                    self.stuck.store(false, Ordering::Relaxed);
                    return Ok(sequence);
                }
                Err(error) => error,
            };
            attempts += 1;
            if matches!(error, StoreError::Closed) || self.closing.is_cancelled() && attempts >= LAST_ATTEMPTS {
                return Err(error);
            }
            if attempts == 1 {
                tracing::warn!(%error, "the audit log cannot be written; it is tried again until it can");
            }
            if failing_since.elapsed() >= self.patience {
                self.stuck.store(true, Ordering::Relaxed);
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Writes the checkpoints of all blocks since the last one in the file that are to have one.
    /// `own` is one that this process has just written: a new file begins with it.
    async fn write_checkpoints(&mut self, own: Option<i64>) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let last = on_disk(move || file.last()).await?;
        let points = self.store.audit_points(last.or(own.map(|own| own - 1))).await?;
        if !points.is_empty() {
            let file = Arc::clone(&self.file);
            on_disk(move || file.append(&points)).await?;
        }
        self.owes_checkpoints = false;
        Ok(())
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
