//! When a query's loads run: all that it waits for together, and nothing while it could still ask for more.
//!
//! Invariant: no load begins before the execution can go on no further, and the execution goes on only when all that
//! began are done; so what the leads of a list have in common is one load, on any number of processors. Loads run in
//! the request's own task: with the request they end.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use async_graphql::futures_util::future::{BoxFuture, join_all};
use tokio::{sync::oneshot, task::unconstrained};

/// The loads of one query. Clones share them.
#[derive(Clone, Default)]
pub struct Waves(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

/// How far the execution came.
enum Progress<T> {
    Done(T),
    Waits(Vec<BoxFuture<'static, ()>>),
}

impl Waves {
    /// Puts a load into the next wave.
    pub fn add(&self, load: BoxFuture<'static, ()>) {
        // Nothing here panics halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(load);
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        loop {
            let progress = poll_fn(|cx| match execution.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Progress::Done(done)),
                Poll::Pending => match self.take() {
                    // It waits for something else.
                    wave if wave.is_empty() => Poll::Pending,
                    wave => Poll::Ready(Progress::Waits(wave)),
                },
            });
            match progress.await {
                Progress::Done(done) => return done,
                Progress::Waits(wave) => drop(join_all(wave).await),
            }
        }
    }
}
