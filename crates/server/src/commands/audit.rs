//! `leadscore audit`: whether the log of who saw or changed what is as it was written, and the log as lines.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use leadscore_store::{
    Store,
    audit::{AuditEntry, AuditFilter, Verdict, Verified},
};
use serde_json::{Value, json};

use crate::{context::Context, folder::Folder, progress};

/// Entries that are read at once.
const PAGE: usize = 1_000;

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore audit verify
  leadscore audit export --out audit.jsonl")]
pub enum Command {
    /// Look for anything that was altered, removed, added or moved; exit code 1 where there is something
    Verify(Verify),
    /// Write every entry on a line of its own, in order
    Export(Export),
}

/// What to compare with.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore audit verify
  leadscore audit verify --json
  leadscore audit verify --checkpoints /mnt/one.jsonl --checkpoints /mnt/two.jsonl

Where several processes with folders of their own share a database, name the file of each.")]
pub struct Verify {
    /// A file of checkpoints; may be said several times [default: audit.checkpoints of the configuration]
    #[arg(long, value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
}

/// Where to write.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  leadscore audit export --out audit.jsonl\n  leadscore audit export | tail")]
pub struct Export {
    /// File to write [default: standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where the log cannot be read; a log that is not sound is no error, and exit code 1.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(context).await?;
    let done = match command {
        Command::Verify(options) => verify(&folder.store, options, context).await,
        Command::Export(options) => {
            folder.record(context, "audit export", None).await?;
            export(&folder.store, options).await.map(|()| ExitCode::SUCCESS)
        }
    };
    folder.store.close().await;
    done
}

async fn verify(store: &Store, options: Verify, context: &Context) -> anyhow::Result<ExitCode> {
    let mut files = options.checkpoints;
    if files.is_empty() {
        files.push(context.config.audit.options(&context.data).checkpoints);
    }
    let bar = progress::bar(context.output, "verifying", Some(0));
    let told = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let verdict = store.verify_audit(&files, &told).await;
    bar.finish_and_clear();
    match verdict.context("reading the audit log")? {
        Verdict::Sound(verified) => {
            context.output.result(&json!({ "sound": true, "verified": verified }), || sound(&verified))?;
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Bad(fault) => {
            let text = || format!("the audit log is not as it was written: {fault}");
            context.output.result(&json!({ "sound": false, "fault": fault }), text)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn sound(verified: &Verified) -> String {
    let Verified { blocks, entries, checkpoints, last_checkpoint, public_key } = verified;
    format!(
        "the audit log is as it was written: {blocks} blocks, {entries} entries, {checkpoints} checkpoints\n\
         last checkpoint  block {last_checkpoint}; whether blocks after the last one are missing, nobody can tell\n\
         signed with      {public_key}"
    )
}

async fn export(store: &Store, options: Export) -> anyhow::Result<()> {
    let mut out: Box<dyn Write + Send> = match &options.out {
        Some(path) => {
            Box::new(BufWriter::new(File::create(path).with_context(|| format!("writing {}", path.display()))?))
        }
        None => Box::new(io::stdout()),
    };
    let mut after = None;
    loop {
        let page = store.audit_oldest(&AuditFilter::default(), after, PAGE).await?;
        for entry in page.entries {
            writeln!(out, "{}", line(&entry))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(out.flush()?);
        }
    }
}

/// An entry as `GET /api/v1/audit/export` writes it.
fn line(entry: &AuditEntry) -> Value {
    let AuditEntry { number, act, count } = entry;
    json!({
        "number": number,
        "at": act.at,
        "actor": act.actor,
        "operation": act.operation,
        "object": act.object.as_ref().map(|object| json!({ "kind": object.kind(), "id": object.id() })),
        "status": act.status,
        "reason": act.reason,
        "address": act.address,
        "request_id": act.request_id,
        "count": count,
    })
}
