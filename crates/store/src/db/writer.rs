//! The tasks that write: each drains what waits in its lane into one transaction (group commit). The embedded database
//! has one; PostgreSQL has three, one that appends, one that keeps what was derived and one for the audit log.
//!
//! Invariant: a job is answered only after the transaction that holds it is durable, or, where it can be derived
//! again, committed. Jobs that share a transaction run
//! under a savepoint each, so that a failing one undoes itself alone.

use std::{future::Future, pin::Pin};

use sqlx::PgPool;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Conn, Work, postgres, query, sqlite,
    transaction::{self, execute},
};
use crate::{StoreError, error::io_at};

/// Most jobs that wait; further callers wait to hand theirs in.
pub(super) const QUEUE_JOBS_MAX: usize = 256;
/// Rows from which on a transaction takes no further job.
const GROUP_ROWS_MAX: usize = 20_000;
/// Keys of PostgreSQL's advisory locks that put the appends of all processes in order, to the event log and to the audit
/// log: "leadslog" and "leadaudi" in ASCII.
pub(super) const APPEND_LOCK: i64 = 0x6c65_6164_736c_6f67;
pub(super) const AUDIT_LOCK: i64 = 0x6c65_6164_6175_6469;

/// What a piece of work is answered after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The disk has it.
    Sync,
    /// It is committed. The log brings it back where the power fails, so the embedded database does not wait for the disk;
    /// a server does.
    Commit,
    /// The disk has it, and the write-ahead log is emptied, so that what was deleted is gone.
    Scrub,
}

/// A piece of work with its caller.
pub(super) trait Job: Send {
    fn rows(&self) -> usize;
    fn after(&self) -> After;
    /// Does the work; whether it succeeded.
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;
    /// Answers the caller: with the work's result, or with why the transaction failed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<T, F> {
    rows: usize,
    after: After,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

pub(super) fn job<T, F>(rows: usize, after: After, work: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Pending { rows, after, work: Some(work), result: None, caller }), answer)
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn after(&self) -> After {
        self.after
    }

    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>> {
        Box::pin(async move {
            let work = self.work.take().expect("a job runs once");
            let result = work(conn).await;
            let ok = result.is_ok();
            self.result = Some(result);
            ok
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.result, committed) {
            // The work's own error says more than that of the transaction.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // The caller may have gone; the work is durable all the same.
        self.caller.send(answer).ok();
    }
}

/// Where a lane's connection comes from.
pub(super) enum Source {
    /// The one connection that writes the embedded database.
    Own(sqlite::Writer),
    /// Any connection of the pool: one for each transaction, so that a broken one is replaced.
    Pool {
        pool: PgPool,
        /// The lock under which its transactions come one after the other in all processes.
        lock: Option<i64>,
    },
}

/// Starts the task that writes a lane.
pub(super) fn start(
    source: Source,
    tasks: &TaskTracker,
    closing: CancellationToken,
) -> Result<mpsc::Sender<Box<dyn Job>>, StoreError> {
    let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
    let is_own = matches!(source, Source::Own(_));
    let work = run(source, queue, closing);
    if is_own {
        // The embedded database works on the thread that asks. This one does nothing else, so that a statement costs no
        // change of threads, and a wait for the disk holds up nobody.
        let (runtime, work) = (Handle::current(), tasks.track_future(work));
        let writing = move || runtime.block_on(work);
        std::thread::Builder::new().name("leadscore-db".to_owned()).spawn(writing).map_err(io_at("a thread"))?;
    } else {
        tasks.spawn(work);
    }
    Ok(jobs)
}

/// Writes until `closing`, then what still waits.
async fn run(mut source: Source, mut queue: mpsc::Receiver<Box<dyn Job>>, closing: CancellationToken) {
    loop {
        let job = tokio::select! {
            biased;
            () = closing.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
            job = queue.recv() => job,
        };
        let Some(first) = job else { break };
        let mut group = drain(first, &mut queue);
        let committed = source.commit(&mut group).await;
        for job in group {
            job.answer(committed.clone());
        }
    }
    if let Source::Own(writer) = source
        && let Err(error) = writer.close().await
    {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

impl Source {
    async fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        match self {
            Self::Own(writer) => {
                let conn = writer.conn(group.iter().any(|job| job.after() != After::Commit))?;
                commit(conn, group, None).await?;
                writer.committed();
                if group.iter().any(|job| job.after() == After::Scrub)
                    && let Err(error) = writer.scrub().await
                {
                    tracing::warn!(%error, "the write-ahead log could not be emptied after an erasure");
                }
                Ok(())
            }
            Self::Pool { pool, lock } => {
                let mut conn = postgres::acquire(pool).await?;
                commit(&mut conn, group, *lock).await
            }
        }
    }
}

fn drain(first: Box<dyn Job>, queue: &mut mpsc::Receiver<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let mut rows = first.rows();
    let mut group = vec![first];
    while rows < GROUP_ROWS_MAX
        && group.len() < QUEUE_JOBS_MAX
        && let Ok(job) = queue.try_recv()
    {
        rows += job.rows();
        group.push(job);
    }
    group
}

async fn commit(conn: &mut Conn, group: &mut [Box<dyn Job>], lock: Option<i64>) -> Result<(), StoreError> {
    transaction::begin(conn).await?;
    let done = match lock {
        Some(lock) => query("SELECT pg_advisory_xact_lock($1)").bind(lock).fetch_one(conn).await.map(|_| ()),
        None => Ok(()),
    };
    let done = match done {
        Ok(()) => run_all(conn, group).await,
        Err(error) => Err(error),
    };
    if done.is_err() {
        // The database may have rolled back by itself; then there is nothing left to undo.
        transaction::end(conn, false).await.ok();
    }
    done
}

async fn run_all(conn: &mut Conn, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    // A job alone needs no savepoint, which would cost a copy of every page that it changes.
    if let [job] = group {
        let keep = job.run(conn).await;
        return transaction::end(conn, keep).await;
    }
    for job in group {
        execute(conn, "SAVEPOINT job").await?;
        if !job.run(conn).await {
            execute(conn, "ROLLBACK TO job").await?;
        }
        execute(conn, "RELEASE job").await?;
    }
    transaction::end(conn, true).await
}
