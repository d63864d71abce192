//! Speed and memory of the release binary against their bars: `make bench`.
//!
//! Owns: what is measured, how often, and the bars. Every figure is a median of several runs, or a ratio of two
//! things measured in the same run; both sides of every measurement share this machine's processors.
//! Deliberately absent: knowledge of how the product works inside; it is driven by its command line and over HTTP.
//! Prints a table, writes `target/reports/bench.json`, and fails where a bar does not hold.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::process::ExitCode;

mod bulk;
mod engine;
mod ensemble;
mod load;
mod pipeline;
mod process;
mod report;
mod serving;

/// What is measured, one after the other, unless arguments name some of it.
const PARTS: [&str; 5] = ["engine", "ensemble", "training", "brokerage", "pipeline"];
/// Argument that turns this program into the trivial server that the product is compared with.
const TRIVIAL: &str = "--trivial-server";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    if std::env::args().any(|argument| argument == TRIVIAL) {
        runtime.block_on(serving::trivial_server());
        return ExitCode::SUCCESS;
    }
    // `cargo bench` adds an argument of its own, `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|part| !PARTS.contains(&part.as_str())) {
        eprintln!("error: {unknown} is no part of the benchmark; there are: {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|one| one == part);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut report = report::Report::default();
    if wants("engine") {
        engine::measure(&mut report);
    }
    if wants("ensemble") {
        ensemble::measure(&mut report);
    }
    if wants("training") {
        ensemble::measure_training(folder.path(), &mut report);
    }
    if wants("brokerage") {
        let brokerage = bulk::measure(folder.path(), &mut report);
        runtime.block_on(serving::measure(&brokerage, &mut report));
    }
    if wants("pipeline") {
        runtime.block_on(pipeline::measure(folder.path(), &mut report));
    }
    report.finish("bench")
}
