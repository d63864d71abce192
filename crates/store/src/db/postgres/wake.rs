//! Telling other processes that the log has grown.
//!
//! Invariant: a message says only that there may be something new; whoever misses one finds it by looking.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::{Conn, query};
use crate::StoreError;

/// The channel of the messages.
const CHANNEL: &str = "leadscore_appended";
/// How long to wait before the server is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells everybody, once the transaction is committed.
pub(crate) async fn wake(conn: &mut Conn) -> Result<(), StoreError> {
    if conn.is_server() {
        query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(conn).await?;
    }
    Ok(())
}

/// Passes messages on until `closing`, on a connection of its own.
pub(in super::super) async fn listen(pool: PgPool, appended: watch::Sender<u64>, closing: CancellationToken) {
    let listening = async {
        loop {
            if let Err(error) = pass_on(&pool, &appended).await {
                tracing::debug!(%error, "the server cannot be listened to; trying again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = listening => {}
    }
}

async fn pass_on(pool: &PgPool, appended: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // `None` says that the connection was lost, and messages perhaps with it.
        listener.try_recv().await?;
        appended.send_modify(|count| *count += 1);
    }
}
