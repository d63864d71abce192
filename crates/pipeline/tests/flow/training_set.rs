//! Examples as Parquet, against a real store.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use leadscore_domain::{
    AttributeValue, Clock, ConsentState, EventBody, EventEnvelope, LeadId, Timestamp, time::DAY_US,
};
use leadscore_engine::features::FEATURES;
use leadscore_pipeline::training::{ExportError, Exported, ProgressFn, TrainingOptions, build, export_training_set};
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::{Field, Row},
};
use serde_json::Value;

use crate::support::{Brokerage, applied, created, past_leads};

fn quiet() -> ProgressFn {
    Arc::new(|_| {})
}

async fn exported(brokerage: &Brokerage, folder: &Path) -> Result<Exported, ExportError> {
    let options = TrainingOptions::default();
    export_training_set(&brokerage.store, &brokerage.clock, &options, folder, &quiet()).await
}

/// A lead with attributes of every type, a protected one and an id of its own.
fn with_attributes(at: Timestamp, id: &str, area: &str) -> EventEnvelope {
    let mut lead = created(at, id, Some(ConsentState::Granted));
    let EventBody::LeadCreated(data) = &mut lead.body else { panic!("not a creation") };
    data.channel = Some("portal".to_owned());
    let category = |text: &str| AttributeValue::Category(text.to_owned());
    let values = [
        ("area", category(area)),
        ("crm note", category(&format!("secret of {id}"))),
        ("zip code", category("94110")),
        ("budget", AttributeValue::Number(5.0 + id.len() as f64)),
        ("investor", AttributeValue::Boolean(area == "north")),
        ("lease ends", AttributeValue::Time { time: at.plus_micros(10 * DAY_US) }),
    ];
    data.attributes = values.into_iter().map(|(name, value)| (name.parse().unwrap(), Some(value))).collect();
    lead
}

async fn brokerage() -> (Brokerage, Vec<LeadId>) {
    let brokerage = Brokerage::open().await;
    brokerage.append_received(past_leads(60, 20)).await;
    let start = brokerage.clock.now().plus_micros(-90 * DAY_US);
    let leads = (0..9_i64).map(|number| {
        let at = start.plus_micros(number * 9 * DAY_US);
        let id = format!("rich-{}", "x".repeat(number as usize % 3));
        let area = if number == 4 { "of one lead" } else { ["north", "south"][number as usize % 2] };
        (at, with_attributes(at, &format!("{id}{number}"), area))
    });
    let appended = brokerage.append_received(leads.collect()).await;
    (brokerage, appended.iter().map(applied).collect())
}

/// The files below a folder, by their path in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn rows(folder: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, _) in files(folder).iter().filter(|(name, _)| name.ends_with(".parquet")) {
        let reader = SerializedFileReader::new(fs::File::open(folder.join(name)).unwrap()).unwrap();
        rows.extend(reader.get_row_iter(None).unwrap().map(Result::unwrap));
    }
    rows
}

fn cell<'row>(row: &'row Row, name: &str) -> &'row Field {
    row.get_column_iter().find(|(column, _)| *column == name).unwrap_or_else(|| panic!("no column {name}")).1
}

#[tokio::test]
async fn a_folder_that_is_not_empty_is_left_alone() {
    let brokerage = Brokerage::open().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    assert!(matches!(exported(&brokerage, folder.path()).await, Err(ExportError::NotEmpty(_))));
    assert!(matches!(exported(&brokerage, &folder.path().join("mine.txt")).await, Err(ExportError::NotEmpty(_))));
    assert_eq!(files(folder.path()), [("mine.txt".to_owned(), b"mine".to_vec())]);
}

#[tokio::test]
async fn without_leads_there_are_columns_and_no_files() {
    let brokerage = Brokerage::open().await;
    let folder = tempfile::tempdir().unwrap();
    let exported = exported(&brokerage, folder.path()).await.unwrap();
    assert_eq!((exported.examples, exported.leads, exported.columns), (0, 0, 5 + FEATURES.len()));
    assert_eq!(files(folder.path()).len(), 1);
}

#[tokio::test]
async fn protected_attributes_ids_and_what_one_lead_alone_says_stay_inside() {
    let (brokerage, leads) = brokerage().await;
    let folder = tempfile::tempdir().unwrap();
    exported(&brokerage, folder.path()).await.unwrap();
    for row in rows(folder.path()) {
        for (name, value) in row.get_column_iter() {
            assert!(!name.contains("zip"), "{name}");
            let text = value.to_string();
            assert!(!text.contains("94110") && !text.contains("secret") && !text.contains("of one lead"), "{text}");
        }
    }
    for (name, bytes) in files(folder.path()) {
        for lead in &leads {
            let found = |id: &[u8]| bytes.windows(id.len()).any(|window| window == id);
            assert!(!found(lead.to_string().as_bytes()) && !found(lead.0.as_bytes()), "{name} names a lead");
        }
    }
}

#[tokio::test]
async fn examples_are_those_of_a_training_run_in_files_by_month() {
    let (brokerage, _) = brokerage().await;
    let folder = tempfile::tempdir().unwrap();
    let exported = exported(&brokerage, folder.path()).await.unwrap();
    let data = build(&brokerage.store, &brokerage.clock, &TrainingOptions::default(), &quiet()).await.unwrap();
    let rows = rows(folder.path());
    assert_eq!((exported.examples as usize, rows.len()), (data.snapshots.len(), data.snapshots.len()));

    let place = FEATURES.iter().position(|spec| spec.name == "showings_held").unwrap();
    let mut expected: Vec<(i64, Option<bool>, String)> = data
        .snapshots
        .iter()
        .map(|one| (one.instant.as_micros(), one.observed.label(), one.features[place].to_string()))
        .collect();
    let mut found: Vec<(i64, Option<bool>, String)> = rows
        .iter()
        .map(|row| {
            let Field::TimestampMicros(instant) = cell(row, "instant") else { panic!("an instant is a time") };
            let label = if let Field::Bool(label) = cell(row, "label") { Some(*label) } else { None };
            let Field::Float(held) = cell(row, "showings_held") else { panic!("a count is known") };
            (*instant, label, held.to_string())
        })
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);

    let leads: BTreeSet<String> = rows.iter().map(|row| cell(row, "lead").to_string()).collect();
    assert_eq!(leads.len() as u64, exported.leads);
    let months: Vec<String> = exported.months.keys().map(|month| format!("month={month}/part-0.parquet")).collect();
    let names: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert!(months.len() >= 4);
    assert_eq!(names[1..], months);
}

#[tokio::test]
async fn attributes_are_typed_and_described() {
    let (brokerage, _) = brokerage().await;
    let folder = tempfile::tempdir().unwrap();
    exported(&brokerage, folder.path()).await.unwrap();
    let rows = rows(folder.path());
    let rich: Vec<&Row> = rows.iter().filter(|row| !matches!(cell(row, "attributes.area"), Field::Null)).collect();
    assert!(rich.len() >= 9);
    let areas: BTreeSet<String> = rich.iter().map(|row| cell(row, "attributes.area").to_string()).collect();
    assert_eq!(areas, ["\"(other)\"", "\"north\"", "\"south\""].map(str::to_owned).into());
    for row in rich {
        // Who invests is in the north, and nobody else.
        let north = cell(row, "attributes.area").to_string() == "\"north\"";
        assert!(matches!(cell(row, "attributes.budget"), Field::Float(_)));
        let invests = f32::from(u8::from(north));
        assert!(matches!(cell(row, "attributes.investor"), Field::Float(yes) if *yes == invests));
        assert!(matches!(cell(row, "attributes.lease ends"), Field::Float(days) if *days == 10.0));
    }

    let description: Value = serde_json::from_slice(&fs::read(folder.path().join("_examples.json")).unwrap()).unwrap();
    let columns = description["columns"].as_array().unwrap();
    let described: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    let written: Vec<&String> = rows[0].get_column_iter().map(|(name, _)| name).collect();
    assert_eq!(described, written);
    let area = columns.iter().find(|column| column["name"] == "attributes.area").unwrap();
    assert_eq!(area["categories"], serde_json::json!(["(other)", "north", "south"]));
}

#[tokio::test]
async fn the_same_leads_give_the_same_bytes_and_the_past_is_as_it_was() {
    let (brokerage, _) = brokerage().await;
    let [first, second, earlier] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    exported(&brokerage, first.path()).await.unwrap();
    exported(&brokerage, second.path()).await.unwrap();
    assert_eq!(files(first.path()), files(second.path()));

    let until = brokerage.clock.now().plus_micros(-290 * DAY_US);
    let options = TrainingOptions { known_until: Some(until), ..TrainingOptions::default() };
    let past =
        export_training_set(&brokerage.store, &brokerage.clock, &options, earlier.path(), &quiet()).await.unwrap();
    assert!(past.examples > 0 && past.unfinished > 0 && past.known_until == until);
    let after = rows(earlier.path())
        .iter()
        .filter(|row| matches!(cell(row, "instant"), Field::TimestampMicros(at) if *at > until.as_micros()))
        .count();
    assert_eq!(after, 0);
}
