//! The table and the file that a measuring run leaves behind.

use std::{path::Path, process::ExitCode};

use serde::Serialize;

/// What was measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    bar: Option<String>,
    holds: bool,
}

impl Report {
    /// A figure without a bar.
    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.push(name, value, unit, None, true);
    }

    /// A figure that must stay below `bar`.
    pub fn below(&mut self, name: &str, value: f64, unit: &'static str, bar: f64) {
        self.push(name, value, unit, Some(format!("< {bar}")), value < bar);
    }

    /// A figure that must reach `bar`.
    pub fn above(&mut self, name: &str, value: f64, unit: &'static str, bar: f64) {
        self.push(name, value, unit, Some(format!(">= {bar}")), value >= bar);
    }

    fn push(&mut self, name: &str, value: f64, unit: &'static str, bar: Option<String>, holds: bool) {
        let value = (value * 1_000.0).round() / 1_000.0;
        let row = Row { name: name.to_owned(), value, unit, bar, holds };
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// Prints the whole table and writes the file.
    pub fn finish(self, name: &str) -> ExitCode {
        println!("\n{name}");
        for row in &self.rows {
            println!("{}", row.line());
        }
        let folder =
            Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo bench sets it")).join("../../target/reports");
        std::fs::create_dir_all(&folder).expect("the reports' folder can be made");
        let text = serde_json::to_string_pretty(&self.rows).expect("rows are plain data");
        std::fs::write(folder.join(format!("{name}.json")), text + "\n").expect("the report can be written");
        if self.rows.iter().all(|row| row.holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Row {
    fn line(&self) -> String {
        let verdict = match (&self.bar, self.holds) {
            (None, _) => String::new(),
            (Some(bar), true) => format!("  bar {bar} {}: holds", self.unit),
            (Some(bar), false) => format!("  bar {bar} {}: DOES NOT HOLD", self.unit),
        };
        format!("{:<52} {:>14.3} {:<8}{verdict}", self.name, self.value, self.unit)
    }
}

/// The middle value; of two middle ones the lower.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// The value below which `share` of the values lie.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
