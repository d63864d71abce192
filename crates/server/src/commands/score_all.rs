//! `leadscore score --all`: every lead, by the model that scores, or by another one into a file.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use leadscore_engine::{
    features::LeadState,
    score::{Model, Scorer},
};
use leadscore_pipeline::{
    jobs::SCORE_ALL,
    scorer::{load_champion, load_model},
};
use serde_json::json;

use crate::{commands::jobs, context::Context, folder::Folder, lifecycle::StopSignals, progress};

/// Leads that are scored at once.
const PAGE_LEADS: usize = 512;

/// Queues the job, and does it or watches it. Another model's scores go to a file: only the model that scores keeps
/// scores.
///
/// # Errors
/// Where it fails or is stopped.
pub async fn run(
    model: Option<&str>,
    out: Option<PathBuf>,
    folder: &Folder,
    signals: StopSignals,
    context: &Context,
) -> anyhow::Result<()> {
    let champion = load_champion(&folder.store, &folder.registry, context.config.scoring.policy()?).await?;
    let version = model.unwrap_or(champion.version()).to_owned();
    let version = version.as_str();
    if version == champion.version() && out.is_none() {
        let total = folder.store.counts().await?.leads;
        let job = folder.store.create_job(SCORE_ALL, json!({}), total).await?;
        return jobs::follow(folder, job, signals, context).await;
    }
    let scorer = if version == champion.version() {
        champion
    } else {
        let learned = load_model(&folder.registry, version)?;
        let model = Arc::new(Model::Learned(Box::new(learned)));
        Scorer::new(model, version.to_owned(), Arc::clone(champion.market()), champion.policy().clone())
    };
    let out = out.unwrap_or_else(|| PathBuf::from(format!("scores-{version}.jsonl")));
    let (scored, withheld) = write(&scorer, &out, folder, context).await?;
    let result = json!({
        "model_version": scorer.version(), "out": out.display().to_string(), "scored": scored, "withheld": withheld,
    });
    context.output.result(&result, || {
        format!("{scored} leads scored by {} in {}; {withheld} may not be scored", scorer.version(), out.display())
    })?;
    Ok(())
}

/// Writes a score a line, from the states as they are stored.
async fn write(scorer: &Scorer, out: &Path, folder: &Folder, context: &Context) -> anyhow::Result<(u64, u64)> {
    let at_path = || format!("writing {}", out.display());
    let mut file = BufWriter::new(File::create(out).with_context(at_path)?);
    let bar = progress::bar(context.output, "scoring", Some(folder.store.counts().await?.leads));
    let at = context.clock.now();
    let (mut scored, mut withheld) = (0, 0);
    let mut after = None;
    loop {
        let page = folder.store.leads_page(after, PAGE_LEADS).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        let states = folder.store.states(&page).await?;
        for lead in &page {
            let Some(stored) = states.get(lead) else { continue };
            let state = LeadState::from_bytes(&stored.bytes)?;
            match scorer.score(*lead, &state, at, stored.log_position) {
                Ok(score) => {
                    scored += 1;
                    serde_json::to_writer(&mut file, &score).with_context(at_path)?;
                    file.write_all(b"\n").with_context(at_path)?;
                }
                Err(_) => withheld += 1,
            }
        }
        bar.inc(page.len() as u64);
    }
    file.flush().with_context(at_path)?;
    bar.finish_and_clear();
    Ok((scored, withheld))
}
