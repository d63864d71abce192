//! Some columns of a file, whole: for what is no lead and no event, such as labelled texts.
//!
//! Owns: the cells of the columns that are asked for. Invariant: a row is read whole or counted as bad. Deliberately
//! absent: mappings; a cell is the text that stands there.

use std::path::Path;

use super::{ImportError, inspect, mapping::FileFormat, table::Table};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8_192;
/// Most rows.
const ROWS_MAX: usize = 5_000_000;
/// Columns that an error shows.
const SHOWN: usize = 12;

/// Cells of some columns of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The rows, each with the cells in the order that was asked for; a missing cell is empty.
    pub rows: Vec<Vec<String>>,
    /// Rows that cannot be read.
    pub bad_rows: u64,
}

/// Reads the columns `names` of a file: CSV and its relatives with a header, JSON lines or Parquet, gzipped or not. Of
/// more than five million rows the first are read.
///
/// # Errors
/// Where the file cannot be read, breaks off, holds no rows or has no such columns.
pub fn columns(path: &Path, names: &[&str]) -> Result<Columns, ImportError> {
    let format = inspect::format_of(path)?;
    let mut table = Table::open(path, &format)?;
    let asked: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let decoder = table.decoder(&format, &asked);
    let place = |name: &String| decoder.names.iter().position(|held| held.trim() == name.as_str());
    let missing: Vec<String> = asked.iter().filter(|name| place(name).is_none()).cloned().collect();
    if !missing.is_empty() {
        let found = decoder.names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(ImportError::ColumnsMissing { path: path.to_owned(), missing, found, hint: String::new() });
    }
    let places: Vec<usize> = asked.iter().filter_map(place).collect();
    let mut read = Columns::default();
    while read.rows.len() < ROWS_MAX {
        let batch = table.next_batch(BATCH_ROWS);
        for row in &batch.rows {
            match decoder.decode(&batch, row) {
                Ok(cells) => {
                    let cell = |place: &usize| cells.get(*place).unwrap_or_default().to_owned();
                    read.rows.push(places.iter().map(cell).collect());
                }
                Err(_) => read.bad_rows += 1,
            }
        }
        if let Some(problem) = batch.broken {
            return Err(ImportError::BrokenOff { path: path.to_owned(), row: table.row, problem });
        }
        if batch.rows.is_empty() {
            break;
        }
    }
    let known = |row: &Vec<String>| row.iter().any(|cell| !cell.is_empty());
    if read.rows.is_empty() || (format.form == FileFormat::Jsonl && !read.rows.iter().any(known)) {
        return Err(ImportError::Empty { path: path.to_owned(), hint: " with these columns" });
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Columns, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("texts");
        std::fs::write(&file, content).unwrap();
        columns(&file, &["label", "text"])
    }

    #[test]
    fn columns_come_in_the_order_that_was_asked_for() {
        let expected =
            vec![vec!["1".to_owned(), "good, \"really\"".to_owned()], vec!["0".to_owned(), "bad".to_owned()]];
        let csv = read("id,text,label\n7,\"good, \"\"really\"\"\",1\n8,bad,0\n").unwrap();
        assert_eq!(csv.rows, expected);
        let lines = "{\"text\":\"good, \\\"really\\\"\",\"label\":1}\n{\"label\":0,\"text\":\"bad\"}\n";
        assert_eq!(read(lines).unwrap().rows, expected);
    }

    #[test]
    fn a_column_that_is_not_there_is_named_and_a_bad_row_is_counted() {
        assert!(matches!(
            read("id,text\n1,a\n2,b\n").unwrap_err(),
            ImportError::ColumnsMissing { missing, .. } if missing == ["label"]
        ));
        let columns = read("text,label\ngood,1\nbad\nfine,1\n").unwrap();
        assert_eq!((columns.rows.len(), columns.bad_rows), (2, 1));
        assert!(matches!(read("{\"a\":1}\n{\"a\":2}\n").unwrap_err(), ImportError::Empty { .. }));
    }
}
