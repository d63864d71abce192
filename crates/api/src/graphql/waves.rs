//! When a query's loads run: all that it waits for together, and nothing while it could still ask for more.
//!
//! Invariant: no load begins before the execution can go on no further, and the execution goes on only when all that
//! began are done; so what the leads of a list have in common is one load, on any number of processors. What else the
//! execution waits for is held ([`Waves::hold`]), and where it only pauses it wakes itself: in both cases it will go on
//! without a wave. Loads run in the request's own task: with the request they end.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use async_graphql::futures_util::{
    future::{BoxFuture, join_all},
    task::AtomicWaker,
};
use tokio::{sync::oneshot, task::unconstrained};

/// The loads of one query. Clones share them.
#[derive(Clone, Default)]
pub struct Waves(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next: Mutex<Vec<BoxFuture<'static, ()>>>,
    held: AtomicUsize,
}

/// Something that the execution waits for and that is no load.
struct Held<'w>(&'w AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Wakes the request's task, and remembers it.
#[derive(Default)]
struct Bell {
    task: AtomicWaker,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// How far the execution came.
enum Progress<T> {
    Done(T),
    Waits(Vec<BoxFuture<'static, ()>>),
}

impl Waves {
    /// Puts a load into the next wave.
    pub fn add(&self, load: BoxFuture<'static, ()>) {
        // Nothing here panics halfway.
        self.0.next.lock().unwrap_or_else(PoisonError::into_inner).push(load);
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.0.next.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for something that is no load. No wave begins before.
    pub async fn hold<T>(&self, other: impl Future<Output = T>) -> T {
        self.0.held.fetch_add(1, Ordering::Relaxed);
        let _held = Held(&self.0.held);
        other.await
    }

    /// Runs a load in the next wave.
    pub async fn run<T: Send + 'static>(&self, load: impl Future<Output = T> + Send + 'static) -> T {
        let (answer, loaded) = oneshot::channel();
        self.add(Box::pin(async move {
            answer.send(load.await).ok();
        }));
        loaded.await.expect("a wave runs to its end, or nobody waits for it any more")
    }

    /// Runs an execution, and its loads wave by wave.
    pub async fn drive<T>(&self, execution: impl Future<Output = T>) -> T {
        // A budget that runs out would look as if the execution waited.
        let mut execution = pin!(unconstrained(execution));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            let progress = poll_fn(|cx| {
                bell.task.register(cx.waker());
                bell.rung.store(false, Ordering::Release);
                let polled = execution.as_mut().poll(&mut Context::from_waker(&waker));
                // It goes on by itself, and may ask for more.
                let goes_on = || bell.rung.load(Ordering::Acquire) || self.0.held.load(Ordering::Relaxed) > 0;
                match polled {
                    Poll::Ready(done) => Poll::Ready(Progress::Done(done)),
                    Poll::Pending if goes_on() => Poll::Pending,
                    Poll::Pending => match self.take() {
                        // It waits for something else.
                        wave if wave.is_empty() => Poll::Pending,
                        wave => Poll::Ready(Progress::Waits(wave)),
                    },
                }
            });
            match progress.await {
                Progress::Done(done) => return done,
                Progress::Waits(wave) => drop(join_all(wave).await),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    /// As a set of many futures does, so that others have their turn.
    async fn pause() {
        let mut paused = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut paused, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// One part asks at once, the others later, without having waited for a load: all are in one wave.
    #[tokio::test]
    async fn a_wave_waits_for_what_is_held_and_for_pauses() {
        let waves = Waves::default();
        let running = Arc::new(AtomicUsize::new(0));
        let load = || {
            let running = Arc::clone(&running);
            async move {
                running.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                running.load(Ordering::Relaxed)
            }
        };
        let held = async {
            waves.hold(yield_now()).await;
            waves.run(load()).await
        };
        let paused = async {
            pause().await;
            pause().await;
            waves.run(load()).await
        };
        let together = waves.drive(async { tokio::join!(waves.run(load()), held, paused) }).await;
        assert_eq!(together, (3, 3, 3));
        assert_eq!(waves.0.held.load(Ordering::Relaxed), 0);
    }
}
