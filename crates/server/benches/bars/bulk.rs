//! A large brokerage from files to a trained model: time and memory of the product's own commands.

use std::path::{Path, PathBuf};

use crate::{
    process::{Cost, leadscore, run},
    report::Report,
};

/// Size of the simulated brokerage.
const LEADS: u32 = 50_000;
/// Bar on import, features and training together, in seconds.
const TOTAL_BAR_S: f64 = 180.0;
/// Bar on the memory of any of the commands, in MiB.
const MEMORY_BAR_MIB: f64 = 2.0 * 1024.0;

/// A trained brokerage that can be served.
pub struct Brokerage {
    pub data: PathBuf,
    pub key: String,
}

/// Simulates (not counted), imports and trains.
pub fn measure(folder: &Path, report: &mut Report) -> Brokerage {
    let data = folder.join("data");
    let files = folder.join("files");
    let (simulated, _) =
        run(leadscore(&data).args(["simulate", "--leads", &LEADS.to_string()]).arg("--out").arg(&files));
    report.figure("50,000 leads: simulated and written", simulated.seconds, "s");

    let (_, created) = run(leadscore(&data).arg("init"));
    let key = created["api_key"].as_str().expect("init prints an API key").to_owned();
    let (market, _) = run(leadscore(&data).args(["import", "market"]).arg(files.join("market.jsonl")));
    let (events, summary) = run(leadscore(&data).args(["import", "events"]).arg(files.join("events.jsonl")));
    let imported = summary["imported"].as_f64().expect("import prints what it imported");
    report.figure("50,000 leads: events imported", imported, "events");
    report.figure("50,000 leads: import", events.seconds, "s");
    let (training, _) = run(leadscore(&data).arg("train"));
    report.figure("50,000 leads: features and training", training.seconds, "s");

    let costs = [market, events, training];
    let total: f64 = costs.iter().map(|cost: &Cost| cost.seconds).sum();
    let peak = costs.iter().map(|cost| cost.peak_mib).fold(0.0, f64::max);
    report.below("50,000 leads: import, features, training", total, "s", TOTAL_BAR_S);
    report.below("50,000 leads: peak memory", peak, "MiB", MEMORY_BAR_MIB);
    Brokerage { data, key }
}
