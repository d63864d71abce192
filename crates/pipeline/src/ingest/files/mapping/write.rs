//! The commented form of a mapping: it is its own manual.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{FileFormat, Kind, LeadColumns, Mapping, MarketLayout, MarketMapping, OutcomeMapping, TimeSource};

/// Column at which comments begin, where there is room.
const COMMENT_COLUMN: usize = 44;

struct Writer<'a> {
    text: String,
    notes: &'a BTreeMap<String, String>,
}

impl Mapping {
    /// The mapping as TOML with a comment on every line.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.to_toml_with(&BTreeMap::new())
    }

    /// As [`Self::to_toml`], with what was seen of each column in its comment.
    pub(in crate::ingest::files) fn to_toml_with(&self, notes: &BTreeMap<String, String>) -> String {
        let mut writer = Writer { text: String::new(), notes };
        writer.head(self);
        writer.format(self);
        if let Some(lead) = &self.lead {
            writer.lead(lead);
        }
        writer.times(self);
        writer.consent(self);
        if let Some(outcome) = &self.outcome {
            writer.outcome(outcome);
        }
        writer.event(self);
        if let Some(market) = &self.market {
            writer.market(market);
        }
        writer.attributes(self);
        writer.ignored(self);
        writer.text
    }
}

/// A value as TOML in one line.
fn inline(value: &impl Serialize) -> String {
    toml::Value::try_from(value).expect("mappings hold what TOML can hold").to_string()
}

impl Writer<'_> {
    fn comment(&mut self, text: &str) {
        writeln!(self.text, "# {text}").expect("writing to a string does not fail");
    }

    fn table(&mut self, name: &str, comment: &str) {
        self.text.push('\n');
        self.row(format!("[{name}]"), comment);
    }

    fn set(&mut self, key: &str, value: &impl Serialize, comment: &str) {
        self.row(format!("{key} = {}", inline(value)), comment);
    }

    fn maybe(&mut self, key: &str, value: Option<&impl Serialize>, comment: &str) {
        if let Some(value) = value {
            self.set(key, value, comment);
        }
    }

    fn row(&mut self, text: String, comment: &str) {
        let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let written = if comment.is_empty() {
            writeln!(self.text, "{text}")
        } else {
            writeln!(self.text, "{text:<COMMENT_COLUMN$} # {comment}")
        };
        written.expect("writing to a string does not fail");
    }

    fn note(&self, column: &str) -> String {
        self.notes.get(column).cloned().unwrap_or_else(|| "the column".to_owned())
    }

    fn head(&mut self, mapping: &Mapping) {
        let kind = mapping.kind.as_str();
        self.comment("Which column of the file means what. Read it, correct it, then run:");
        self.comment(&format!("  leadscore import {kind} FILE --mapping THIS.toml"));
        self.comment("A column that is named nowhere here is not read.");
        self.set("kind", &mapping.kind, "what a row is: leads, events, outcomes or market");
        self.set("source", &mapping.source, "the system it comes from: the same source and id is the same event");
    }

    fn format(&mut self, mapping: &Mapping) {
        let format = &mapping.format;
        self.table("format", "how the bytes are read; gzip is recognised by itself");
        self.set("form", &format.form, "delimited, jsonl or parquet");
        if format.form == FileFormat::Delimited {
            self.set("delimiter", &format.delimiter, "between fields: one character, \\t for a tab");
            self.set("encoding", &format.encoding, "utf-8, or windows-1252 (Latin-1); rows in another are rejected");
            self.set("header", &format.header, "false: there is no first row of names; they are column_1, column_2, …");
        }
        self.set("decimal", &format.decimal, "decimal sign of numbers: . or ,");
        self.set("missing", &format.missing, "words that mean: nothing is known");
    }

    fn lead(&mut self, lead: &LeadColumns) {
        self.table("lead", "columns that name the lead; a row joins the lead that has any of them");
        self.maybe("crm_id", lead.crm_id.as_ref(), "column with the lead's id in the CRM");
        self.maybe("phone", lead.phone.as_ref(), "column with the telephone number");
        self.maybe("email", lead.email.as_ref(), "column with the e-mail address");
        self.maybe("web_id", lead.web_id.as_ref(), "column with the anonymous id of a browser");
        if lead.row_number {
            self.set("row_number", &true, "no column names the lead: the file and the row's number do");
        }
        self.maybe("name", lead.name.as_ref(), "column with the person's name: kept encrypted, never a feature");
        self.maybe("channel", lead.channel.as_ref(), "column that says where the lead came from");
        self.maybe(
            "time_zone",
            lead.time_zone.as_ref(),
            "{ column = \"…\" } of IANA names, or { all = \"America/Chicago\" }",
        );
    }

    fn times(&mut self, mapping: &Mapping) {
        let occurred = if mapping.kind == Kind::Leads { "when the lead came into being" } else { "when it happened" };
        for (name, time, comment) in [
            ("occurred_at", &mapping.occurred_at, occurred),
            ("received_at", &mapping.received_at, "when it was known; without this section: when it happened"),
        ] {
            let Some(time) = time else { continue };
            self.table(name, comment);
            match time {
                TimeSource::Column(time) => {
                    let note = self.note(&time.column);
                    self.set("column", &time.column, &note);
                    self.set("format", &time.format, "rfc3339, epoch_s, epoch_ms or a pattern such as %d.%m.%Y %H:%M");
                    self.set("time_zone", &time.time_zone, "zone of times that have no offset");
                }
                TimeSource::RowOrder(rows) => {
                    self.set(
                        "row_order",
                        &rows.row_order,
                        "no dates: the rows are in order; so close together that no season is made up",
                    );
                }
            }
        }
    }

    fn consent(&mut self, mapping: &Mapping) {
        for (purpose, policy) in &mapping.consent {
            let purpose = inline(purpose);
            self.table(
                &format!("consent.{}", purpose.trim_matches('"')),
                "CONFIRM THIS: it is recorded with every lead; without consent for profiling a lead has no score",
            );
            self.set("state", &policy.state, "granted or withdrawn");
            self.set("basis", &policy.basis, "legal basis you claim: consent, contract or legitimate_interest");
            self.set("evidence", &policy.evidence, "where the proof is: form, contract, balancing test");
        }
    }

    fn outcome(&mut self, outcome: &OutcomeMapping) {
        self.table("outcome", "how it ended: what the model learns to predict");
        if let Some(column) = &outcome.column {
            let note = self.note(column);
            self.set("column", column, &note);
        }
        for (key, values, comment) in [
            ("positive", &outcome.positive, "values that mean won"),
            ("negative", &outcome.negative, "values that mean lost; with any other value the lead is still open"),
            ("no_answer", &outcome.no_answer, "values that mean never reached"),
        ] {
            if !values.is_empty() {
                self.set(key, values, comment);
            }
        }
        self.maybe("time", outcome.time.as_ref(), "when it ended; where the field is empty it has not");
        self.maybe(
            "after_hours",
            outcome.after_hours.as_ref(),
            "no column says when: so many hours after the lead came",
        );
        self.maybe("reason", outcome.reason.as_ref(), "column with the reason");
        self.maybe("value", outcome.value.as_ref(), "column with the deal's worth");
    }

    fn event(&mut self, mapping: &Mapping) {
        let Some(event) = &mapping.event else { return };
        self.table("event", "what happened");
        self.set("type", &event.kind, "a kind of event, or { column = \"…\", values = { word = \"kind\" } }");
        self.maybe("id", event.id.as_ref(), "column with the event's own id; without it a hash of the row");
        if !event.fields.is_empty() {
            self.table("event.fields", "members of the event's data: { column, scale, words } or { value }");
        }
        for (name, field) in &event.fields {
            let note = field.column.as_ref().map(|column| self.note(column)).unwrap_or_default();
            self.set(name, field, &note);
        }
    }

    fn market(&mut self, market: &MarketMapping) {
        self.table("market", "areas and months");
        self.set("area", &market.area, "column with the area's name");
        if !market.area_names.is_empty() {
            self.set("area_names", &market.area_names, "other names of areas, as searches name them");
        }
        self.set(
            "published_after_days",
            &market.published_after_days,
            "from a month's end until its figures are known",
        );
        if !market.filters.is_empty() {
            self.set("filters", &market.filters, "rows to use; every rule must hold");
        }
        match &market.layout {
            MarketLayout::Long { period, measures } => {
                self.table("market.layout.long", "one row per area and month");
                self.set("period", period, "column with any day of the month");
                for measure in measures {
                    self.text.push('\n');
                    self.row("[[market.layout.long.measures]]".to_owned(), "a measure");
                    self.set("column", &measure.column, "the column");
                    self.set("field", &measure.field, "measure of a market snapshot");
                    self.set("scale", &measure.scale, "its numbers are multiplied by this: 0.01 for percent");
                }
            }
            MarketLayout::Wide { field, scale, format } => {
                self.table("market.layout.wide", "one row per area, one column per month");
                self.set("field", field, "the measure");
                self.set("scale", scale, "its numbers are multiplied by this");
                self.set("format", format, "how the dates in the columns' names are written");
            }
        }
    }

    fn attributes(&mut self, mapping: &Mapping) {
        if !mapping.attributes.is_empty() {
            self.text.push('\n');
            self.comment("Columns that become attributes of the lead; type is number, boolean, category or time.");
            self.comment("Optional: name = \"…\" (another name), missing = [\"…\"] (further words for unknown).");
        }
        for attribute in &mapping.attributes {
            self.text.push('\n');
            self.row("[[attributes]]".to_owned(), "an attribute");
            let note = self.note(&attribute.column);
            self.set("column", &attribute.column, &note);
            self.maybe("name", attribute.name.as_ref(), "name of the attribute");
            self.set("type", &attribute.kind, "number, boolean, category or time");
            self.maybe("format", attribute.format.as_ref(), "how its times are written");
            if !attribute.missing.is_empty() {
                self.set("missing", &attribute.missing, "further words for unknown");
            }
            self.maybe(
                "acknowledge_protected",
                attribute.acknowledge_protected.as_ref(),
                "why it may be used; recorded with the import and every model",
            );
        }
    }

    fn ignored(&mut self, mapping: &Mapping) {
        if !mapping.ignored.is_empty() {
            self.text.push('\n');
            self.comment(
                "Columns left out. To use one, move it to [[attributes]] with a type. A protected one also needs",
            );
            self.comment("name = \"…\" and acknowledge_protected = \"why it may be used\".");
        }
        for ignored in &mapping.ignored {
            self.text.push('\n');
            self.row("[[ignored]]".to_owned(), "not read");
            let note = self.note(&ignored.column);
            self.set("column", &ignored.column, &note);
            self.set("reason", &ignored.reason, "why it is left out");
        }
    }
}
