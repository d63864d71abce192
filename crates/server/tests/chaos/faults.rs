//! Crashes and outages, one after the other, while events arrive: afterwards the checker finds nothing.

use crate::{
    run::{Run, long},
    world::World,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_server_keeps_its_promises_through_crashes() {
    let mut run = Run::new(World::embedded()).await;
    run.kills(if long() { 100 } else { 5 }).await;
    run.fail_points(if long() { 3 } else { 1 }).await;
    run.finish("embedded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_and_processes_keep_their_promises_through_crashes_and_outages() {
    let mut run = Run::new(World::on_servers().await).await;
    run.kills(if long() { 100 } else { 3 }).await;
    run.fail_points(if long() { 3 } else { 1 }).await;
    run.another_scorer(if long() { 10 } else { 1 }).await;
    run.outages(if long() { &["kill", "stop"] } else { &["kill"] }).await;
    run.finish("PostgreSQL, Redis, Kafka").await;
}
