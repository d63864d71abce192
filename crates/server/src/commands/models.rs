//! `leadscore models`: which models there are, and which one scores.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use leadscore_domain::Timestamp;
use leadscore_engine::models::{
    Bundle, ForeignFormat, Imported,
    card::{CARD_JSON, CARD_MARKDOWN},
    import_trees,
};
use leadscore_pipeline::scorer::CHAMPION;
use leadscore_store::{AliasChange, Registry, audit::Object};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::{fairness, performance},
    context::Context,
    failure::bad_input,
    folder::Folder,
    member,
    output::Table,
};

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore models list
  leadscore models show v2
  leadscore models promote v2 --reason \"better on the spring leads\"
  leadscore models rollback
  leadscore models import model.json --format xgboost-json --trained-until 2026-03-01T00:00:00Z")]
pub enum Command {
    /// List every version, and which one scores
    #[command(after_help = "Examples:\n  leadscore models list\n  leadscore models list --json")]
    List,
    /// Show a version's card: what it was trained on, how it did and for whom
    #[command(after_help = "Examples:\n  leadscore models show v2\n  leadscore models show --json")]
    Show(Show),
    /// Let a version score from now on; a running server follows within seconds
    #[command(after_help = "Examples:\n  leadscore models promote v2 --reason \"better on the spring leads\"")]
    Promote(Promote),
    /// Go back to the version that scored before
    #[command(after_help = "Examples:\n  leadscore models rollback")]
    Rollback,
    /// Show how predictions fared against what came afterwards, week by week
    Performance(performance::Options),
    /// Take a model trained elsewhere on an exported training set as a member of the next training
    Import(Import),
}

/// Which model to import.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore export --training-set parquet --until 2026-03-01T00:00:00Z --out examples
  leadscore models import model.json --format xgboost-json --trained-until 2026-03-01T00:00:00Z
  leadscore models import --forget

Columns are found by their names. The next training weighs the model on leads that came after --trained-until,
of which 40 won and 40 lost are needed before those that calibrate (the latest fifth); otherwise its weight is 0.")]
pub struct Import {
    /// The model's file
    #[arg(required_unless_present = "forget")]
    file: Option<PathBuf>,
    /// Its form
    #[arg(long, required_unless_present = "forget")]
    format: Option<ImportFormat>,
    /// The time at which its training set was exported (RFC 3339)
    #[arg(long, value_name = "TIME", required_unless_present = "forget")]
    trained_until: Option<Timestamp>,
    /// Forget the model that was imported
    #[arg(long, conflicts_with_all = ["file", "format", "trained_until"])]
    forget: bool,
}

/// Forms of models trained elsewhere.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImportFormat {
    /// XGBoost's JSON
    XgboostJson,
    /// XGBoost's binary JSON
    XgboostUbj,
    /// LightGBM's text
    Lightgbm,
}

/// Which version to show.
#[derive(Debug, Args)]
pub struct Show {
    /// The version, such as v2 [default: the one that scores]
    #[arg(value_name = "VERSION")]
    model: Option<String>,
}

/// Which version to promote, and why.
#[derive(Debug, Args)]
pub struct Promote {
    /// The version, such as v2
    #[arg(value_name = "VERSION")]
    model: String,
    /// Why; kept in the history
    #[arg(long, default_value = "promoted by hand")]
    reason: String,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::open(context).await?;
    match &command {
        Command::List | Command::Show(_) | Command::Performance(_) => {}
        Command::Promote(Promote { model, .. }) => {
            folder.record(context, "models promote", Some(Object::Model(model.clone()))).await?;
        }
        Command::Rollback => folder.record(context, "models rollback", None).await?,
        Command::Import(_) => folder.record(context, "models import", None).await?,
    }
    let done = match command {
        Command::List => list(&folder.registry, context),
        Command::Show(options) => show(&folder.registry, options, context),
        Command::Promote(options) => promote(&folder.registry, &options, context),
        Command::Rollback => rollback(&folder.registry, context),
        Command::Performance(options) => performance::run(&folder.store, &options, context).await,
        Command::Import(options) => import(&folder.registry, options, context),
    };
    folder.store.close().await;
    done
}

#[derive(Serialize)]
struct Listed {
    version: String,
    champion: bool,
    since: Option<String>,
    reason: Option<String>,
}

fn list(registry: &Registry, context: &Context) -> anyhow::Result<()> {
    let champion = registry.alias(CHAMPION)?;
    let history = registry.history()?;
    let versions: Vec<Listed> = registry
        .list()?
        .into_iter()
        .map(|version| {
            let last = history.iter().rev().find(|change| change.alias == CHAMPION && change.version == version);
            Listed {
                champion: champion.as_deref() == Some(&version),
                since: last.map(|change: &AliasChange| change.at.to_string()),
                reason: last.map(|change| change.reason.clone()),
                version,
            }
        })
        .collect();
    context.output.result(&json!({ "models": versions }), || table(&versions))?;
    Ok(())
}

fn table(versions: &[Listed]) -> String {
    if versions.is_empty() {
        return "no models yet; scores come from the points scorecard (see `leadscore train`)".to_owned();
    }
    let mut table = Table::new(["model", "scores now", "promoted", "reason"]);
    for Listed { version, champion, since, reason } in versions {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        table.row([version.clone(), if *champion { "yes" } else { "" }.to_owned(), text(since), text(reason)]);
    }
    table.render()
}

fn show(registry: &Registry, options: Show, context: &Context) -> anyhow::Result<()> {
    let version = version_or_champion(registry, options.model.as_deref())?;
    let bundle = Bundle::from_files(&registry.files(&version)?)?;
    let manifest = serde_json::to_value(bundle.manifest())?;
    let extra = |name| bundle.extras().get(name).map(Vec::as_slice);
    let card: Option<Value> = extra(CARD_JSON).map(serde_json::from_slice).transpose()?;
    let shown = json!({ "version": version, "manifest": manifest, "card": card });
    context.output.result(&shown, || match extra(CARD_MARKDOWN) {
        Some(card) => format!("{version}\n\n{}", String::from_utf8_lossy(card)),
        None => format!("{version}\n{}", outline(&manifest, 1)),
    })?;
    Ok(())
}

/// The version that was named, or the one that scores.
///
/// # Errors
/// Where none was named and none scores.
pub fn version_or_champion(registry: &Registry, version: Option<&str>) -> anyhow::Result<String> {
    match version {
        Some(version) => Ok(version.to_owned()),
        None => registry.alias(CHAMPION)?.ok_or_else(|| bad_input("no model scores yet; run `leadscore train`")),
    }
}

/// JSON as an indented outline, which reads like the manifest's table of contents.
fn outline(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, inner)| match inner {
                Value::Object(_) | Value::Array(_) => format!("{indent}{name}\n{}", outline(inner, depth + 1)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    format!("{indent}{name:<24} {}\n", plain(inner))
                }
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| outline(item, depth)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => format!("{indent}{}\n", plain(value)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn promote(registry: &Registry, options: &Promote, context: &Context) -> anyhow::Result<()> {
    fairness::check(registry, &options.model, context)?;
    let before = registry.alias(CHAMPION)?;
    registry.set_alias(CHAMPION, &options.model, &options.reason)?;
    let changed = json!({ "champion": options.model, "before": before });
    context.output.result(&changed, || format!("{} scores from now on", options.model))?;
    Ok(())
}

fn rollback(registry: &Registry, context: &Context) -> anyhow::Result<()> {
    let before = registry.alias(CHAMPION)?;
    let version = registry.rollback(CHAMPION)?;
    let changed = json!({ "champion": version, "before": before });
    context.output.result(&changed, || format!("{version} scores again"))?;
    Ok(())
}

fn import(registry: &Registry, options: Import, context: &Context) -> anyhow::Result<()> {
    let Import { file: Some(file), format: Some(format), trained_until: Some(trained_until), .. } = options else {
        let forgotten = member::forget(&context.data)?;
        let text = if forgotten { "forgotten; the next training does without it" } else { "there was none" };
        context.output.result(&json!({ "forgotten": forgotten }), || text.to_owned())?;
        return Ok(());
    };
    let format = match format {
        ImportFormat::XgboostJson => ForeignFormat::XgboostJson,
        ImportFormat::XgboostUbj => ForeignFormat::XgboostUbj,
        ImportFormat::Lightgbm => ForeignFormat::LightgbmText,
    };
    let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    // The columns of the model that scores; the next training looks again.
    let version = version_or_champion(registry, None)?;
    let bundle = Bundle::from_files(&registry.files(&version)?)?;
    import_trees(&bytes, format, bundle.view())
        .map_err(|error| bad_input(format_args!("{}: {error}", file.display())))?;
    member::keep(&context.data, &Imported { bytes, format, trained_until })?;
    context
        .output
        .result(&json!({ "imported": file.display().to_string(), "trained_until": trained_until }), || {
            format!("{} is weighed as a member by the next `leadscore train`", file.display())
        })?;
    Ok(())
}
