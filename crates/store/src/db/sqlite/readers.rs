//! The connections that read a file, a few at the same time.
//!
//! Each query runs on a thread that may wait, since a long answer would hold up whatever else its thread has to do.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    BUSY_TIMEOUT, STATEMENTS_MAX,
    statement::{self, Answer},
};
use crate::{StoreError, db::value::Value};

/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// How long a reader waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections; made when they are first needed.
pub(in crate::db) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

/// A connection that is lent.
pub(crate) struct Reader {
    /// Away while a query runs; for good where its caller went before the end.
    conn: Option<Connection>,
    readers: Arc<Readers>,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    pub(in crate::db) fn new(path: &Path) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(READERS_MAX as usize));
        Arc::new(Self { path: path.to_owned(), idle: Mutex::default(), places })
    }

    /// Lends a connection.
    pub(in crate::db) async fn acquire(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let place = timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.open()?,
        };
        Ok(Reader { conn: Some(conn), readers: Arc::clone(self), _place: place })
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        super::stable_plans(&conn)?;
        conn.execute_batch("PRAGMA cache_size = -16384")?;
        Ok(conn)
    }

    /// Waits for those that are lent, and closes all.
    pub(in crate::db) async fn close(&self) {
        if let Ok(all) = self.places.acquire_many(READERS_MAX).await {
            self.places.close();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            drop(all);
        }
    }
}

impl Reader {
    /// Runs a statement and keeps up to `rows_max` rows of its answer.
    pub(in crate::db) async fn run(
        &mut self,
        sql: Cow<'static, str>,
        values: Vec<Value<'static>>,
        rows_max: usize,
    ) -> Result<Answer, StoreError> {
        let conn = self.conn.take().ok_or(StoreError::Closed)?;
        let ran = tokio::task::spawn_blocking(move || {
            let answer = statement::run(&conn, &sql, &values, rows_max);
            (conn, answer)
        });
        let (conn, answer) = ran.await.map_err(|_| StoreError::Closed)?;
        self.conn = Some(conn);
        answer
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}
