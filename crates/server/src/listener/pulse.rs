//! Whether a connection's peer takes part: what moves, and how long the head of a request takes.
//!
//! Invariant: each byte that moves costs one store to memory, none costs a look at the clock: time is counted in
//! ticks, so that a bound holds to a fifth of itself. Deliberately absent: a least speed; who moves a byte now and then
//! keeps the connection, of which there are only so many.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{MissedTickBehavior, interval},
};

use crate::listener::Bounds;

/// Ticks that make a bound: it is exceeded by at most one of them.
const TICKS: u32 = 5;

/// What a connection's task sees of its peer.
#[derive(Debug)]
pub struct Pulse {
    /// Counts whatever moves.
    moved: AtomicU64,
    /// Counts heads of requests that are complete.
    heads: AtomicU64,
    /// Requests that have no answer yet: what arrives meanwhile is a body.
    answering: AtomicU32,
    /// Whether the head of a request has begun, or is waited for since the connection is there.
    in_head: AtomicBool,
    /// Whether frames show what is a head: HTTP/2 bounds it otherwise.
    framed: bool,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A request's head was not complete in time.
    SlowHead,
    /// Nothing moved.
    Idle,
}

impl Pulse {
    /// Of a connection whose first request must come at once.
    pub fn awaiting_head() -> Self {
        Self {
            moved: AtomicU64::new(0),
            heads: AtomicU64::new(0),
            answering: AtomicU32::new(0),
            in_head: AtomicBool::new(true),
            framed: false,
        }
    }

    /// Of an HTTP/2 connection.
    pub fn framed() -> Self {
        Self { in_head: AtomicBool::new(false), framed: true, ..Self::awaiting_head() }
    }

    /// A request's head is complete; until the guard goes, it is being answered.
    pub fn begin_answer(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Relaxed);
        self.heads.fetch_add(1, Relaxed);
        self.in_head.store(false, Relaxed);
        Answering(Arc::clone(self))
    }

    fn move_in(&self) {
        self.moved.fetch_add(1, Relaxed);
        if !self.framed && self.answering.load(Relaxed) == 0 {
            self.in_head.store(true, Relaxed);
        }
    }

    fn move_out(&self) {
        self.moved.fetch_add(1, Relaxed);
    }

    /// Returns when the peer no longer takes part.
    pub async fn watch(&self, bounds: &Bounds) -> Verdict {
        let tick = bounds.header_timeout.min(bounds.idle_timeout) / TICKS;
        let idle_ticks = ticks(bounds.idle_timeout, tick);
        let head_ticks = ticks(bounds.header_timeout, tick);
        let mut clock = interval(tick);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        let (mut moved, mut still) = (self.moved.load(Relaxed), 0);
        let (mut head, mut slow) = (self.heads.load(Relaxed), 0);
        loop {
            clock.tick().await;
            still = if self.moved.load(Relaxed) == moved { still + 1 } else { 0 };
            let same_head = self.in_head.load(Relaxed) && self.heads.load(Relaxed) == head;
            slow = if same_head { slow + 1 } else { 0 };
            (moved, head) = (self.moved.load(Relaxed), self.heads.load(Relaxed));
            if slow >= head_ticks {
                return Verdict::SlowHead;
            }
            if still >= idle_ticks {
                return Verdict::Idle;
            }
        }
    }
}

fn ticks(bound: Duration, tick: Duration) -> u128 {
    bound.as_nanos() / tick.as_nanos().max(1)
}

/// A request that has no answer yet.
pub struct Answering(Arc<Pulse>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Relaxed);
    }
}

/// A stream whose movements are noted. It keeps the connection's place, also after an upgrade.
pub struct Pulsed<S> {
    stream: S,
    pulse: Arc<Pulse>,
    _place: OwnedSemaphorePermit,
}

impl<S> Pulsed<S> {
    /// Notes what moves on `stream`.
    pub const fn new(stream: S, pulse: Arc<Pulse>, place: OwnedSemaphorePermit) -> Self {
        Self { stream, pulse, _place: place }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pulsed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.move_in();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Pulsed<S> {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pulse.move_out();
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pulsed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
