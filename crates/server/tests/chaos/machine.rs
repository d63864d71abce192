//! What needs a machine of its own: disks that are full, clocks that step. `make chaos` runs it and fails where root or
//! libfaketime is missing; it is no part of `make test`, which any user runs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "a report is what a proof ends with")]

mod checker;
mod end_state;
mod load;
mod recording;
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod run;
#[path = "../e2e/support.rs"]
#[expect(dead_code, reason = "the other test binaries use the rest")]
mod support;
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod world;

use crate::{
    run::Run,
    world::{Clock, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_server_keeps_its_promises_on_a_full_disk() {
    let mut run = Run::new(World::on_small_disk()).await;
    for _ in 0..3 {
        run.full_disk().await;
    }
    run.finish("a full disk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_server_keeps_its_promises_while_clocks_step_ten_minutes() {
    let clock = Clock::new();
    let mut run = Run::new(World::embedded()).await;
    for step in ["+600", "+0", "-600", "+600"] {
        run.serve_by(&clock).await;
        run.step(&clock, step).await;
    }
    let seen = run.finish("stepping clocks").await.observations;
    let calculated = || seen.iter().map(|one| one.calculated_us);
    let apart_us = calculated().max().unwrap() - calculated().min().unwrap();
    assert!(apart_us >= 1_200_000_000, "the clocks did not step: {apart_us}");
}
