//! When to stop: the first SIGINT or SIGTERM asks, a second one insists.

use std::{io, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Within this time of the first signal others are its echo: a terminal, `timeout` and `make` signal the whole group
/// of processes and then the process once more.
const ECHO: Duration = Duration::from_secs(1);

/// The signals that end the process; made before anything is started, so that none is missed.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Starts listening.
    ///
    /// # Errors
    /// Where the system refuses the handlers.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Cancels `stop` at the first signal; returns at the second.
    ///
    /// # Errors
    /// Where the system refuses new handlers.
    pub async fn insisted(mut self, stop: CancellationToken) -> io::Result<()> {
        self.next().await;
        tracing::info!("stopping: no new requests, draining");
        stop.cancel();
        tokio::time::sleep(ECHO).await;
        // Listeners of their own, which know nothing of the echoes so far.
        Self::listen()?.next().await;
        Ok(())
    }

    /// Waits for a signal.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
