//! What a command prints as its result: text for a person, or one JSON document.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// Text, or JSON where `json`; `quiet` leaves out what is not the result.
    pub const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether a person reads along, so that progress is worth showing.
    pub const fn shows_progress(self) -> bool {
        !self.json && !self.quiet
    }

    /// Prints a line of what goes on, for a person who reads along.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn follow(self, line: impl FnOnce() -> String) -> io::Result<()> {
        if self.shows_progress() { writeln!(io::stdout().lock(), "{}", line()) } else { Ok(()) }
    }

    /// Prints the command's result: `value` as one JSON document, or `text`.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        } else {
            let text = text();
            write!(out, "{text}")?;
            if !text.is_empty() && !text.ends_with('\n') {
                writeln!(out)?;
            }
        }
        out.flush()
    }
}

/// A table for a person: columns as wide as their widest cell, numbers to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned).to_vec()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The table as text.
    pub fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let layout: Vec<(usize, bool)> = (0..columns).map(|column| self.layout(column)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, (width, right)) in row.iter().zip(&layout) {
                let padding = " ".repeat(width - cell.chars().count());
                let _ = if *right { write!(line, "{padding}{cell}  ") } else { write!(line, "{cell}{padding}  ") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Width of a column, and whether everything below its head is a number.
    fn layout(&self, column: usize) -> (usize, bool) {
        let width = self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let is_number = |cell: &str| cell.trim_end_matches('%').trim().parse::<f64>().is_ok() || cell == "-";
        (width, self.rows.len() > 1 && self.rows[1..].iter().all(|row| is_number(&row[column])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(["lead", "score", "next"]);
        table.row(["anna".into(), "7".into(), "call".into()]);
        table.row(["bo".into(), "100".into(), "-".into()]);
        assert_eq!(table.render(), "lead  score  next\nanna      7  call\nbo      100  -\n");
    }
}
