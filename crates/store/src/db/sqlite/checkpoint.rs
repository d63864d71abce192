//! Moving what the write-ahead log holds into the file, beside the connection that writes: left to itself, that one
//! would stop for it in the middle of the day's work.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::BUSY_TIMEOUT;
use crate::StoreError;

/// How often the size of the log is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// Size of the log from which on it is moved.
const LOG_MIN_BYTES: u64 = 4 << 20;

/// The task that moves it, for as long as this lives.
pub(in crate::db) struct Checkpoints {
    closing: DropGuard,
    task: JoinHandle<()>,
}

impl Checkpoints {
    pub(super) fn start(path: PathBuf) -> Self {
        let closing = CancellationToken::new();
        let task = tokio::spawn(run(path, closing.clone()));
        Self { closing: closing.drop_guard(), task }
    }

    /// Ends it; the file is then the writer's alone.
    pub(in crate::db) async fn stop(self) {
        drop(self.closing);
        self.task.await.ok();
    }
}

async fn run(path: PathBuf, closing: CancellationToken) {
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    let mut conn: Option<Connection> = None;
    while closing.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if fs::metadata(&log).map_or(0, |log| log.len()) < LOG_MIN_BYTES {
            continue;
        }
        let (path, held) = (path.clone(), conn.take());
        let moved = tokio::task::spawn_blocking(move || checkpoint(held, &path)).await;
        match moved {
            Ok(Ok(held)) => conn = Some(held),
            // The writer does it in the end.
            Ok(Err(error)) => tracing::debug!(%error, "the write-ahead log could not be moved"),
            Err(_) => return,
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
