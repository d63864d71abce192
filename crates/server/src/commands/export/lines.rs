//! Scores, features, leads or events, a line each.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;
use clap::ValueEnum;
use leadscore_domain::{Event, LeadId};
use serde_json::{Map, Value, json};

use super::features::Columns;
use crate::{context::Context, folder::Folder, progress};

/// Leads that are read at a time; fewer where each has many rows.
const PAGE_LEADS: usize = 1_000;
const PAGE_LEADS_OF_FEATURES: usize = 50;

/// What can be exported a line each.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum What {
    /// The latest score of each lead
    Scores,
    /// What each score of each lead was calculated from
    Features,
    /// Each lead with its name and handles
    Leads,
    /// Every event of every lead
    Events,
}

/// Forms of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lined {
    /// A JSON object a line.
    Json,
    /// Comma-separated values; what is nested stands in its cell as JSON.
    Csv,
}

/// Writes what was asked for to a file, or to standard output.
pub async fn export(
    what: What,
    form: Lined,
    out: Option<&Path>,
    folder: &Folder,
    context: &Context,
) -> anyhow::Result<()> {
    let rows = write(what, form, out, folder, context).await?;
    if let Some(file) = out {
        let file = file.display().to_string();
        context.output.result(&json!({ "rows": rows, "file": file }), || format!("{file}: {rows} rows"))?;
    }
    Ok(())
}

async fn write(what: What, form: Lined, out: Option<&Path>, folder: &Folder, context: &Context) -> anyhow::Result<u64> {
    let sink: Box<dyn Write> = match out {
        Some(path) => Box::new(File::create(path).with_context(|| format!("writing {}", path.display()))?),
        None => Box::new(io::stdout()),
    };
    let mut lines = Lines::new(sink, form);
    let leads = folder.store.counts().await?.leads;
    let bar = progress::bar(context.output, "exporting", Some(leads).filter(|_| out.is_some()));
    let mut after = None;
    let mut columns = Columns::default();
    let page_leads = match what {
        What::Features => PAGE_LEADS_OF_FEATURES,
        What::Scores | What::Leads | What::Events => PAGE_LEADS,
    };
    loop {
        let page = folder.store.leads_page(after, page_leads).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for row in rows(what, &page, folder, &mut columns).await? {
            lines.write(row)?;
        }
        bar.inc(page.len() as u64);
    }
    bar.finish_and_clear();
    lines.finish()
}

/// The rows of a page of leads, in the leads' order.
async fn rows(what: What, page: &[LeadId], folder: &Folder, columns: &mut Columns) -> anyhow::Result<Vec<Value>> {
    let store = &folder.store;
    Ok(match what {
        What::Scores => {
            let mut scores = store.latest_scores(page).await?;
            let found = page.iter().filter_map(|id| scores.remove(id));
            found.map(|stored| serde_json::to_value(stored.score)).collect::<Result<_, _>>()?
        }
        What::Features => {
            let found = store.features_of(page).await?;
            found.into_iter().map(|one| columns.row(one, &folder.registry)).collect::<Result<_, _>>()?
        }
        What::Events => {
            let mut events = store.events_of(page).await?;
            // An absorbed lead's events are listed as those of the lead that it became.
            let found = page.iter().filter_map(|&id| Some((id, events.remove(&id)?)));
            let rows =
                found.flat_map(|(lead_id, events)| events.into_iter().map(move |event| Event { lead_id, ..event }));
            rows.map(serde_json::to_value).collect::<Result<_, _>>()?
        }
        What::Leads => {
            let mut leads = Vec::with_capacity(page.len());
            for &id in page {
                leads.extend(store.lead(id).await?.map(|lead| {
                    json!({
                        "lead_id": lead.id, "created_at": lead.created_at, "name": lead.name,
                        "identities": lead.identities,
                    })
                }));
            }
            leads
        }
    })
}

/// Writes rows in the form that was asked for. The columns of CSV are those of the first row.
struct Lines {
    sink: BufWriter<Box<dyn Write>>,
    form: Lined,
    columns: Vec<String>,
    rows: u64,
}

impl Lines {
    fn new(sink: Box<dyn Write>, form: Lined) -> Self {
        Self { sink: BufWriter::new(sink), form, columns: Vec::new(), rows: 0 }
    }

    fn write(&mut self, row: Value) -> io::Result<()> {
        self.rows += 1;
        if self.form == Lined::Json {
            serde_json::to_writer(&mut self.sink, &row)?;
            return writeln!(self.sink);
        }
        let row = flat(row);
        if self.columns.is_empty() {
            self.columns = row.keys().cloned().collect();
            let heads: Vec<&str> = self.columns.iter().map(String::as_str).collect();
            writeln!(self.sink, "{}", heads.join(","))?;
        }
        let cells: Vec<String> = self.columns.iter().map(|name| row.get(name).map(cell).unwrap_or_default()).collect();
        writeln!(self.sink, "{}", cells.join(","))
    }

    fn finish(mut self) -> anyhow::Result<u64> {
        self.sink.flush()?;
        Ok(self.rows)
    }
}

/// What stays one cell, because its fields differ from row to row.
const WHOLE: [&str; 2] = ["data", "feature_vector"];

/// The fields of a row; those of an object within it under `outer.inner`, one level deep.
fn flat(row: Value) -> Map<String, Value> {
    let Value::Object(fields) = row else { return Map::new() };
    let mut flat = Map::new();
    for (name, value) in fields {
        match value {
            Value::Object(inner) if !WHOLE.contains(&name.as_str()) => {
                flat.extend(inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                flat.insert(name, value);
            }
        }
    }
    flat
}

/// A value as a cell (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell(&json!("a, \"b\"")), "\"a, \"\"b\"\"\"");
        assert_eq!(cell(&json!("=HYPERLINK(1)")), "'=HYPERLINK(1)");
        assert_eq!(cell(&json!(-3)), "-3");
        assert_eq!(cell(&Value::Null), "");
    }

    #[test]
    fn objects_are_flattened_one_level_and_data_is_kept_whole() {
        let row = flat(json!({"a": 1, "b": {"c": 2, "d": {"e": 3}}, "data": {"f": 4}}));
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b.c", "b.d", "data"]);
    }
}
