//! Moving what the write-ahead log holds into the file, beside the connection that writes: left to itself, that one
//! would stop for it in the middle of the day's work.
//!
//! Little and often: a commit waits for the disk behind whatever is being moved.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::Notify;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::BUSY_TIMEOUT;
use crate::StoreError;

/// Shortest time between two moves. Measured with 1,000 events a second: with 100 ms the slowest percent of commits wait
/// twice as long, with 5 ms moving itself gets in the way.
const PAUSE: Duration = Duration::from_millis(10);

/// A move that took less is followed by the next after [`PAUSE`].
const BRIEF: Duration = Duration::from_millis(10);
/// The pause after a longer one, as a multiple of what it took.
const REST: u32 = 5;

/// The task that moves it, for as long as this lives.
pub(in crate::db) struct Checkpoints {
    committed: Arc<Notify>,
    closing: DropGuard,
    tasks: TaskTracker,
}

impl Checkpoints {
    pub(super) fn start(path: PathBuf) -> Self {
        let (committed, closing) = (Arc::new(Notify::new()), CancellationToken::new());
        let tasks = TaskTracker::new();
        tasks.spawn(run(path, Arc::clone(&committed), closing.clone()));
        tasks.close();
        Self { committed, closing: closing.drop_guard(), tasks }
    }

    /// There is something to move.
    pub(super) fn committed(&self) {
        self.committed.notify_one();
    }

    /// Ends it; the file is then the writer's alone.
    pub(in crate::db) async fn stop(self) {
        drop(self.closing);
        self.tasks.wait().await;
    }
}

async fn run(path: PathBuf, committed: Arc<Notify>, closing: CancellationToken) {
    let mut held: Option<Connection> = None;
    let mut pause = PAUSE;
    loop {
        let due = async {
            committed.notified().await;
            tokio::time::sleep(pause).await;
        };
        if closing.run_until_cancelled(due).await.is_none() {
            return;
        }
        let (path, conn) = (path.clone(), held.take());
        let moved = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            (checkpoint(conn, &path), begun.elapsed())
        });
        let Ok((moved, took)) = moved.await else { return };
        // Where much comes in, pages change again and again: moving them less often is less to move.
        pause = if took < BRIEF { PAUSE } else { REST * took };
        match moved {
            Ok(conn) => held = Some(conn),
            // The writer does it in the end.
            Err(error) => tracing::debug!(%error, "the write-ahead log could not be moved"),
        }
    }
}

fn checkpoint(held: Option<Connection>, path: &Path) -> Result<Connection, StoreError> {
    let conn = match held {
        Some(conn) => conn,
        None => {
            let conn = Connection::open(path)?;
            conn.busy_timeout(BUSY_TIMEOUT)?;
            conn
        }
    };
    // Takes what it gets, and makes nobody wait.
    conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(conn)
}
