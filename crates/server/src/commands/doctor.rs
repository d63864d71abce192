//! `leadscore doctor`: what is configured, what is reachable, what is wrong, and what to do about it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use leadscore_engine::models::Bundle;
use leadscore_pipeline::scorer::{CHAMPION, GROUP, rebuild};
use leadscore_store::{Counts, Health, Redis, RedisOptions, Registry, Store, StoreError};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::Global,
    context::{Context, config_file},
    folder::{self, Folder},
    output::{Output, Table},
};

/// Leads that are checked at a time.
const PAGE_LEADS: usize = 500;

/// How long Redis may take to answer.
const REDIS_PATIENCE: Duration = Duration::from_secs(3);

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore doctor
  leadscore doctor --deep --json

Exit code 1 where something is wrong.")]
pub struct Options {
    /// Also read the whole database: its structure, and every lead's state against the log
    #[arg(long)]
    deep: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    /// Works, but a person should know.
    Note,
    Wrong,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, check: &'static str, found: impl ToString) {
        self.0.push(Finding { check, verdict: Verdict::Good, found: found.to_string(), remedy: None });
    }

    fn note(&mut self, check: &'static str, found: impl ToString, remedy: &'static str) {
        self.0.push(Finding { check, verdict: Verdict::Note, found: found.to_string(), remedy: Some(remedy) });
    }

    fn wrong(&mut self, check: &'static str, found: impl ToString, remedy: &'static str) {
        self.0.push(Finding { check, verdict: Verdict::Wrong, found: found.to_string(), remedy: Some(remedy) });
    }
}

/// Runs the command; a wrong finding is exit code 1.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    examine(options, global, &mut findings).await;
    let Findings(findings) = findings;
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    let output = Output::new(global.json, global.quiet);
    output.result(&json!({ "wrong": wrong, "findings": findings }), || table(&findings))?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(options: &Options, global: &Global, findings: &mut Findings) {
    let file = config_file(global).map_or_else(|| "defaults".to_owned(), |file| file.display().to_string());
    let context = match Context::new(global.clone(), false) {
        Ok(context) => context,
        Err(error) => {
            return findings.wrong(
                "configuration",
                format!("{error:#}"),
                "correct the key, or delete it to take the default",
            );
        }
    };
    findings.good("configuration", file);
    address(context.config.server.listen, findings);
    redis(context.config.store.redis(), findings).await;
    if !folder::exists(&context.data) {
        let missing = format!("no database in {}", context.data.display());
        return findings.wrong("data folder", missing, "run `leadscore init`, or name another folder with --data");
    }
    permissions(&context.data, findings);
    match Folder::open(&context).await {
        Ok(folder) => {
            if let Err(error) = database(options, &folder.store, findings).await {
                findings.wrong(
                    "database",
                    error,
                    "look at the disk; restore the folder from a backup if it is damaged",
                );
            }
            model(&folder.registry, findings);
            folder.store.close().await;
        }
        Err(error) => {
            findings.wrong("database", format!("{error:#}"), "restore the folder, master.key included, from a backup")
        }
    }
}

fn address(listen: SocketAddr, findings: &mut Findings) {
    match TcpListener::bind(listen) {
        Ok(_) => findings.good("address", format!("{listen} is free")),
        Err(error) => findings.note(
            "address",
            format!("{listen}: {error}"),
            "fine where it is your own running server; else set server.listen or LEADSCORE_LISTEN",
        ),
    }
}

async fn redis(options: Option<RedisOptions>, findings: &mut Findings) {
    let Some(options) = options else { return };
    let redis = match Redis::open(&options) {
        Ok(redis) => redis,
        Err(error) => return findings.wrong("redis", error, "correct store.redis"),
    };
    match tokio::time::timeout(REDIS_PATIENCE, redis.connected()).await {
        Ok(()) => findings.good("redis", "answers"),
        Err(_) => findings.wrong(
            "redis",
            "does not answer",
            "start it, or correct store.redis; until then every score comes from the database",
        ),
    }
    redis.close().await;
}

fn permissions(data: &Path, findings: &mut Findings) {
    const OTHERS: u32 = 0o077;
    let key = data.join("master.key");
    match fs::metadata(&key) {
        Ok(meta) if meta.permissions().mode() & OTHERS == 0 => findings.good("master key", key.display()),
        Ok(_) => findings.wrong(
            "master key",
            format!("{} can be read by other users", key.display()),
            "chmod 600 it; it opens all personal data",
        ),
        Err(_) => findings.note("master key", "not in the data folder", "fine where it is handed in from elsewhere"),
    }
}

async fn database(options: &Options, store: &Store, findings: &mut Findings) -> Result<(), StoreError> {
    let health = store.health().await?;
    let size_mib = health.size_bytes / (1 << 20);
    if health.writable {
        findings.good("database", format!("schema {}, {size_mib} MiB", health.schema));
    } else {
        findings.wrong("database", "cannot be written", "free disk space, and check who owns the folder");
    }
    if options.deep {
        match store.integrity_problems().await?.first() {
            None => findings.good("database structure", "sound"),
            Some(problem) => findings.wrong("database structure", problem, "restore the folder from a backup"),
        }
        states(store, findings).await?;
    }
    contents(&store.counts().await?, findings);
    backlog(&health, findings);
    Ok(())
}

/// Whether every lead's state is what the log gives at the state's position.
async fn states(store: &Store, findings: &mut Findings) -> Result<(), StoreError> {
    let (mut checked, mut differ) = (0, 0);
    let mut after = None;
    loop {
        let page = store.leads_page(after, PAGE_LEADS).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for (lead, state) in store.states(&page).await? {
            let rebuilt = rebuild(store, lead, state.log_position).await?;
            checked += 1;
            differ += u64::from(rebuilt.to_bytes() != state.bytes);
        }
    }
    if differ == 0 {
        findings.good("states", format!("{checked} states are what the log gives"));
    } else {
        let found = format!("{differ} of {checked} states are not what the log gives");
        findings.wrong("states", found, "report it as a defect, with the output of leadscore doctor --json");
    }
    Ok(())
}

fn contents(counts: &Counts, findings: &mut Findings) {
    let Counts { leads, events, scores, dead, market, .. } = *counts;
    if leads == 0 {
        findings.note("leads", "none yet", "import some: leadscore import inspect YOUR_FILE");
    } else {
        findings.good("leads", format!("{leads} leads, {events} events, {scores} scores"));
    }
    if market == 0 {
        findings.note("market data", "none", "scores do without; leadscore import market adds it");
    } else {
        findings.good("market data", format!("{market} snapshots"));
    }
    if dead > 0 {
        findings.wrong(
            "dead letters",
            format!("{dead} events could not be applied"),
            "look at them: leadscore dead list",
        );
    }
}

fn backlog(health: &Health, findings: &mut Findings) {
    let behind: i64 = health
        .heads
        .iter()
        .enumerate()
        .map(|(partition, head)| {
            let stands = health.groups.iter().find(|lag| lag.group == GROUP && usize::from(lag.partition) == partition);
            head - stands.map_or(0, |lag| lag.position)
        })
        .sum();
    if behind > 0 {
        findings.note(
            "scores",
            format!("{behind} events are not scored yet"),
            "a running server scores them: leadscore serve",
        );
    } else {
        findings.good("scores", "up to date");
    }
}

fn model(registry: &Registry, findings: &mut Findings) {
    let champion = match registry.alias(CHAMPION) {
        Ok(Some(champion)) => champion,
        Ok(None) => {
            return findings.note(
                "model",
                "none: scores come from the points scorecard",
                "with 40 outcomes of either kind: leadscore train",
            );
        }
        Err(error) => return findings.wrong("model", error, "restore the models folder from a backup"),
    };
    match registry.files(&champion).map_err(anyhow::Error::from).and_then(|files| Ok(Bundle::from_files(&files)?)) {
        Ok(bundle) => findings.good("model", format!("{champion}, {} columns", bundle.view().width())),
        Err(error) => findings.wrong("model", error, "leadscore models rollback, or train anew"),
    }
}

fn table(findings: &[Finding]) -> String {
    let mut table = Table::new(["", "check", "found", "what to do"]);
    for Finding { check, verdict, found, remedy } in findings {
        let mark = match verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "WRONG",
        };
        let remedy = remedy.unwrap_or_default().to_owned();
        table.row([mark.to_owned(), (*check).to_owned(), found.clone(), remedy]);
    }
    table.render()
}
