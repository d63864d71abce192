//! `leadscore score`: leads scored now, from what the log holds, without a server; or every lead anew.

use std::path::PathBuf;

use clap::Args;
use leadscore_domain::{Event, Identity, IdentityKind, LeadId, RawIdentity, Region, Score};
use leadscore_engine::{features::LeadState, score::Withheld};
use leadscore_pipeline::scorer::load_champion;
use leadscore_store::Store;
use serde::Serialize;
use serde_json::json;

use crate::{
    commands::score_all, context::Context, failure::bad_input, folder::Folder, lifecycle::StopSignals, output::Table,
};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore score ann@example.com
  leadscore score +13125550142 crm-1187
  leadscore score 01890a5d-ac96-774b-bcce-b302099a8057 --json
  leadscore score --all
  leadscore score --all --model v2 --out scores-v2.jsonl

--all calculates every lead's score anew, as a job that a running server does; without one it is done here. Ctrl-C
stops it where it is; the same command, `leadscore jobs resume` or the next server goes on there. Scores of another
model than the one that scores are written to a file and nowhere else.")]
pub struct Options {
    /// Leads by id, e-mail address, telephone number or CRM id
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "LEAD")]
    leads: Vec<String>,
    /// Every lead
    #[arg(long)]
    all: bool,
    /// The model, such as v3 [default: the one that scores]
    #[arg(long, value_name = "VERSION", requires = "all")]
    model: Option<String>,
    /// Write the scores to this file, a JSON object a line, and keep none [default for another model:
    /// scores-VERSION.jsonl]
    #[arg(long, value_name = "FILE", requires = "all")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Scored {
    lead: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<String>,
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let signals = StopSignals::listen()?;
    let folder = Folder::open_settled(context).await?;
    folder.record(context, if options.all { "score --all" } else { "score" }, None).await?;
    if options.all {
        let done = score_all::run(options.model.as_deref(), options.out, &folder, signals, context).await;
        folder.store.close().await;
        return done;
    }
    drop(signals);
    let scored = score(&options.leads, &folder, context).await;
    folder.store.close().await;
    let scored = scored?;
    context.output.result(&json!({ "scores": scored }), || table(&scored))?;
    Ok(())
}

async fn score(words: &[String], folder: &Folder, context: &Context) -> anyhow::Result<Vec<Scored>> {
    let region = context.config.import.region()?;
    let scorer = load_champion(&folder.store, &folder.registry, context.config.scoring.policy()?).await?;
    let mut scored = Vec::with_capacity(words.len());
    for word in words {
        let id = find(&folder.store, word, region).await?;
        let events = folder.store.events_of(&[id]).await?.remove(&id).unwrap_or_default();
        let position = folder.store.states(&[id]).await?.get(&id).map_or(0, |state| state.log_position);
        let outcome = scorer.score(id, &fold(&events), context.clock.now(), position);
        scored.push(Scored {
            lead: word.clone(),
            withheld: outcome.as_ref().err().map(Withheld::to_string),
            score: outcome.ok(),
        });
    }
    Ok(scored)
}

fn fold(events: &[Event]) -> LeadState {
    let mut state = LeadState::default();
    events.iter().for_each(|event| state.apply(event));
    state
}

/// The lead that a word names: an id, an address, a number, or a CRM's id.
async fn find(store: &Store, word: &str, region: Region) -> anyhow::Result<LeadId> {
    let unknown =
        || bad_input(format_args!("no lead is known as `{word}`; use an id, e-mail, telephone number or CRM id"));
    if let Ok(id) = word.parse::<LeadId>() {
        let lead = store.lead(id).await?.ok_or_else(unknown)?;
        return Ok(lead.merged_into.unwrap_or(lead.id));
    }
    for identity in readings(word, region) {
        if let Some(id) = store.find(&identity).await? {
            return Ok(id);
        }
    }
    Err(unknown())
}

/// What handles a word may be, the likeliest first.
fn readings(word: &str, region: Region) -> impl Iterator<Item = Identity> {
    [IdentityKind::Email, IdentityKind::Phone, IdentityKind::Crm, IdentityKind::Web]
        .into_iter()
        .filter_map(move |kind| RawIdentity { kind, value: word.to_owned() }.normalise(region).ok())
}

fn table(scored: &[Scored]) -> String {
    let mut table =
        Table::new(["lead", "score", "grade", "30-day chance", "90 % interval", "call at", "approach", "model"]);
    for Scored { lead, score, withheld } in scored {
        let Some(score) = score else {
            let reason = withheld.clone().unwrap_or_default();
            table.row([
                lead.clone(),
                "-".into(),
                "-".into(),
                reason,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]);
            continue;
        };
        table.row([
            lead.clone(),
            score.score.to_string(),
            format!("{:?}", score.grade),
            format!("{:.1}%", score.probability * 100.0),
            format!("{:.1}% to {:.1}%", score.lower * 100.0, score.upper * 100.0),
            score.optimal_contact_time.map(|at| at.to_string()).unwrap_or_default(),
            word_of(&score.recommended_approach),
            score.model_version.clone(),
        ]);
    }
    table.render()
}

/// The word that JSON has for an enum's value.
fn word_of<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
