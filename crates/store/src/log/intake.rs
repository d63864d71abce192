//! The task that appends: what waits goes into the log together, so that it costs a few statements, and one wait for
//! the disk, however many sent it.
//!
//! Invariants: a request is answered once it is durable; one that cannot be stored takes no other with it. Whoever
//! awaits an answer before sending on finds its events in that order.

use std::{
    ops::Range,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Appended, append::Incoming, kafka};
use crate::{Checkpoint, Store, StoreError, db::Inner};

/// Most requests that wait; further senders wait to hand theirs in.
const QUEUE_REQUESTS_MAX: usize = 256;
/// Events from which on a batch takes no further request.
const BATCH_EVENTS_MAX: usize = 20_000;
/// What one sender hands in.
struct Request {
    incoming: Vec<Incoming>,
    checkpoint: Option<Checkpoint>,
    sender: oneshot::Sender<Result<Vec<Appended>, StoreError>>,
}

/// The way to the task.
pub(crate) struct Intake {
    queue: mpsc::Sender<Request>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Intake {
    /// Starts the task, which works for as long as there is a store.
    pub(crate) fn start(store: Weak<Inner>) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(run(store, queue, closing.clone()));
        tasks.close();
        Self { queue: requests, tasks, closing }
    }

    /// Appends, with what else waits. [`StoreError::Busy`] where there is no place in the queue for so long.
    pub(super) async fn append(
        &self,
        incoming: Vec<Incoming>,
        checkpoint: Option<Checkpoint>,
        patience: Duration,
    ) -> Result<Vec<Appended>, StoreError> {
        let place = timeout(patience, self.queue.reserve()).await.map_err(|_| StoreError::Busy)?;
        let (sender, answer) = oneshot::channel();
        place.map_err(|_| StoreError::Closed)?.send(Request { incoming, checkpoint, sender });
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Appends what waits, and takes nothing more.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }
}

async fn run(store: Weak<Inner>, mut queue: mpsc::Receiver<Request>, closing: CancellationToken) {
    loop {
        let first = tokio::select! {
            biased;
            () = closing.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
            request = queue.recv() => request,
        };
        let Some((first, store)) = first.zip(Store::of(&store)) else { break };
        let mut batch = Batch::default();
        batch.add(first);
        while batch.incoming.len() < BATCH_EVENTS_MAX
            && let Ok(request) = queue.try_recv()
        {
            batch.add(request);
        }
        // Meanwhile the next batch grows.
        batch.settle(&store).await;
    }
}

/// Requests that are stored together.
#[derive(Default)]
struct Batch {
    incoming: Vec<Incoming>,
    requests: Vec<Waiting>,
}

/// A request whose events stand in a batch.
struct Waiting {
    events: Range<usize>,
    checkpoint: Option<Checkpoint>,
    sender: oneshot::Sender<Result<Vec<Appended>, StoreError>>,
}

impl Batch {
    fn add(&mut self, request: Request) {
        let Request { incoming, checkpoint, sender } = request;
        let start = self.incoming.len();
        self.incoming.extend(incoming);
        self.requests.push(Waiting { events: start..self.incoming.len(), checkpoint, sender });
    }

    /// Stores all of them together, or, where one of them cannot be stored, each by itself.
    async fn settle(self, store: &Store) {
        let Self { incoming, requests } = self;
        let incoming: Arc<[Incoming]> = incoming.into();
        let checkpoints = requests.iter().filter_map(|request| request.checkpoint.clone()).collect();
        match append(store, &incoming, 0..incoming.len(), checkpoints).await {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for Waiting { events, sender, .. } in requests {
                    // A sender may have gone; its events are stored all the same.
                    sender.send(Ok(answers.by_ref().take(events.len()).collect())).ok();
                }
            }
            Err(error) if requests.len() > 1 && may_be_of_one(&error) => {
                for Waiting { events, checkpoint, sender } in requests {
                    let checkpoints = checkpoint.into_iter().collect();
                    sender.send(append(store, &incoming, events, checkpoints).await).ok();
                }
            }
            Err(error) => {
                for Waiting { sender, .. } in requests {
                    sender.send(Err(error.clone())).ok();
                }
            }
        }
    }
}

/// Whether the others may succeed without one that this is about.
fn may_be_of_one(error: &StoreError) -> bool {
    !matches!(error, StoreError::Busy | StoreError::Full | StoreError::Kafka(_) | StoreError::Closed)
}

async fn append(
    store: &Store,
    incoming: &Arc<[Incoming]>,
    events: Range<usize>,
    checkpoints: Vec<Checkpoint>,
) -> Result<Vec<Appended>, StoreError> {
    match store.kafka() {
        Some(kafka) => kafka::append(store, kafka, incoming, events, checkpoints).await,
        None => super::append::append(store, incoming, events, checkpoints).await,
    }
}
