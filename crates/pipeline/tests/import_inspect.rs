//! Drafts of mappings from files of several kinds, and the warnings that go with them.

#![expect(clippy::unwrap_used, reason = "a test fails where a helper cannot go on")]

use std::path::PathBuf;

use leadscore_pipeline::ingest::files::{InspectOptions, Inspection, Kind, Mapping, WarningKind, inspect};
use tempfile::TempDir;

fn look(name: &str, text: impl AsRef<[u8]>) -> Inspection {
    look_with(name, text, &InspectOptions::default())
}

fn look_with(name: &str, text: impl AsRef<[u8]>, options: &InspectOptions) -> Inspection {
    let (_folder, path) = file(name, text);
    inspect(&path, options).unwrap()
}

fn file(name: &str, text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// The warnings, one a line.
fn warnings(inspection: &Inspection) -> String {
    let line = |w: &leadscore_pipeline::ingest::files::Warning| {
        format!("{:?} {}: {}\n", w.kind, w.column.as_deref().unwrap_or("-"), w.text)
    };
    inspection.warnings.iter().map(line).collect()
}

fn kinds(inspection: &Inspection, column: &str) -> Vec<WarningKind> {
    inspection.warnings.iter().filter(|w| w.column.as_deref() == Some(column)).map(|w| w.kind).collect()
}

fn ignored(inspection: &Inspection, column: &str) -> bool {
    inspection.mapping.ignored.iter().any(|i| i.column == column)
}

/// A small pseudo-random number that depends on row and column only.
fn noise(row: usize, column: usize, below: usize) -> usize {
    let mut x =
        (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (column as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 29)) % below as u64) as usize
}

/// A CRM's export: ids, protected columns, a placeholder, leaks of several kinds, honest columns.
fn crm_export() -> String {
    let mut text = "Prospect ID,Age,Lead Source,TotalVisits,Specialization,Tags,Lead Quality,Close Reason,Days Since,Call Duration,Magazine,Converted\n".to_owned();
    for i in 0..2_000 {
        let won = noise(i, 0, 10) < 3;
        let visits = noise(i, 1, 8) + if won { 2 } else { 0 };
        let tag = match (won, noise(i, 2, 10)) {
            (true, 0..=7) => "will revert",
            (false, 0..=7) => "ringing",
            _ => "other",
        };
        let quality = if noise(i, 3, 10) < 5 {
            "Select"
        } else if won {
            "High"
        } else {
            "Low"
        };
        let reason = if !won && noise(i, 4, 10) < 6 { "price" } else { "" };
        let days = if noise(i, 5, 10) < 8 { 999 } else { noise(i, 6, 28) };
        let talk = noise(i, 7, 300) + if won { 200 } else { 0 };
        text += &format!(
            "7927b2df-{i:08x},{},{},{visits},{},{tag},{quality},{reason},{days},{talk},No,{}\n",
            20 + noise(i, 8, 50),
            ["Google", "Direct", "Referral"][noise(i, 9, 3)],
            ["Select", "Finance", "Health"][noise(i, 10, 3)],
            u8::from(won),
        );
    }
    text
}

#[test]
fn a_crm_export_is_drafted_without_leaks_ids_and_protected_columns() {
    let inspection = look("Leads Export.csv", crm_export());
    for leak in ["Tags", "Lead Quality", "Close Reason", "Call Duration"] {
        assert_eq!(kinds(&inspection, leak), [WarningKind::Leak], "{leak}");
        assert!(ignored(&inspection, leak), "{leak}");
    }
    assert_eq!(kinds(&inspection, "Age"), [WarningKind::Protected]);
    assert_eq!(kinds(&inspection, "Days Since"), [WarningKind::Sentinel]);
    assert_eq!(inspection.mapping.lead.as_ref().unwrap().crm_id.as_deref(), Some("Prospect ID"));
    assert!(inspection.mapping.format.missing.contains(&"Select".to_owned()));
    insta::assert_snapshot!("crm_export", inspection.to_toml());
    insta::assert_snapshot!("crm_export_warnings", warnings(&inspection));
}

#[test]
fn dates_handles_and_zones_are_found() {
    let mut text = "Full Name;E-mail;Mobile;Created At;Birthday;Deal Stage;Closed Date;Budget;Zone\n".to_owned();
    for i in 0..300 {
        let stage = ["Closed Won", "Closed Lost", "Negotiation"][noise(i, 1, 3)];
        let closed = if stage == "Negotiation" { String::new() } else { format!("{:02}.06.2025 10:00", 1 + i % 28) };
        text += &format!(
            "Ann Other {i};ann{i}@example.com;+1512555{i:04};{:02}.03.2025 17:05;01.02.1980;{stage};{closed};{},50;America/Chicago\n",
            1 + i % 28,
            1_000 + noise(i, 2, 500),
        );
    }
    let inspection = look("people.csv", text);
    assert_eq!(inspection.mapping.format.decimal, ',');
    insta::assert_snapshot!("people", inspection.to_toml());
    insta::assert_snapshot!("people_warnings", warnings(&inspection));
}

#[test]
fn closed_deals_are_outcomes() {
    let rows = (0..100).fold("mql_id,seller_id,won_date,segment\n".to_owned(), |text, i| {
        format!("{text}{:032x},{:032x},2018-02-{:02} 19:58:54,pet{}\n", i * 7919, i * 104_729, 1 + i % 28, i % 5)
    });
    let inspection = look("deals.csv", rows);
    assert_eq!(inspection.mapping.kind, Kind::Outcomes);
    insta::assert_snapshot!("deals", inspection.to_toml());
}

#[test]
fn events_in_long_form_are_drafted() {
    let rows = (0..200).fold("event_id\tuser_id\ttimestamp\tevent\tduration_ms\n".to_owned(), |text, i| {
        let what = ["page_view", "Web Session", "scroll"][i % 3];
        format!("{text}e-{i:05}\tu-{}\t{}\t{what}\t{}\n", i % 17, 1_740_000_000_000_u64 + i as u64 * 1000, i * 10)
    });
    let inspection = look("clicks.tsv", rows);
    assert_eq!(inspection.mapping.kind, Kind::Events);
    insta::assert_snapshot!("clicks", inspection.to_toml());
}

#[test]
fn market_data_in_wide_and_long_form_is_recognised() {
    let wide = "RegionID,SizeRank,RegionName,RegionType,StateName,2018-03-31,2018-04-30,2018-05-31,2018-06-30,2018-07-31,2018-08-31\n\
                102001,0,United States,country,,1,2,3,4,5,6\n394913,1,\"New York, NY\",msa,NY,1,2,3,4,5,6\n";
    insta::assert_snapshot!("market_wide", look("Metro_new_listings_month.csv", wide).to_toml());
    let long = "period_begin\tregion\tproperty_type\tmedian_sale_price\thomes_sold\tmedian_dom\tinventory\n\
                2018-10-01\tNational\tAll Residential\t276904\t531411\t40\t1691858\n\
                2018-10-01\tNational\tCondo/Co-op\t226904\t31411\t41\t691858\n";
    insta::assert_snapshot!("market_long", look("tracker.tsv", long).to_toml());
}

#[test]
fn rows_without_dates_and_ids_take_their_order() {
    let rows = (0..400).fold("visits,channel,y\n".to_owned(), |text, i| {
        format!("{text}{},{},{}\n", noise(i, 1, 9), ["a", "b"][i % 2], ["yes", "no"][noise(i, 2, 2)])
    });
    let inspection = look("rows.csv", rows);
    assert!(inspection.mapping.lead.as_ref().unwrap().row_number);
    insta::assert_snapshot!("rows", inspection.to_toml());
}

#[test]
fn every_draft_reads_back_as_it_was_written() {
    for inspection in
        [look("a.csv", crm_export()), look("b.jsonl", "{\"a b\":{\"c\":1},\"d\\\"\":\"x\"}\n{\"e\":null}\n")]
    {
        let read = Mapping::from_toml(&inspection.to_toml()).unwrap();
        assert_eq!(read, inspection.mapping);
    }
}

#[test]
fn the_outcome_may_be_named() {
    let text = crm_export();
    let named = InspectOptions { outcome: Some("Converted".to_owned()), ..InspectOptions::default() };
    assert_eq!(look_with("a.csv", &text, &named).mapping, look("a.csv", &text).mapping);
    let (_folder, path) = file("a.csv", &text);
    for (name, words) in [("Won", "no column Won"), ("Prospect ID", "two values")] {
        let options = InspectOptions { outcome: Some(name.to_owned()), ..InspectOptions::default() };
        assert!(inspect(&path, &options).unwrap_err().to_string().contains(words), "{name}");
    }
}

#[test]
fn other_encodings_and_broken_rows_are_told() {
    let mut latin = b"city,y\n".to_vec();
    (0..50).for_each(|_| latin.extend_from_slice(b"Z\xfcrich,1\nK\xf6ln,0\n"));
    assert!(look("a.csv", &latin).to_toml().contains("windows-1252"));
    let mut mixed = "city,y\n".as_bytes().to_vec();
    (0..50).for_each(|_| mixed.extend_from_slice("Zürich,1\nGenève,0\n".as_bytes()));
    mixed.extend_from_slice(b"K\xf6ln,0\nshort\n");
    let inspection = look("a.csv", &mixed);
    assert_eq!((inspection.rows, inspection.bad_rows), (100, 2));
    assert!(warnings(&inspection).contains("2 rows will be rejected; the first, line 102, is not UTF-8"));
}

#[test]
fn ambiguous_dates_are_told() {
    let rows = (0..60).fold("id,created,y\n".to_owned(), |text, i| {
        format!("{text}id{i},{}/{}/2025,{}\n", 1 + i % 9, 1 + i % 12, i % 2)
    });
    let inspection = look("a.csv", rows);
    assert!(kinds(&inspection, "created").contains(&WarningKind::AmbiguousDate), "{}", warnings(&inspection));
}

#[test]
fn a_sample_stands_for_the_whole_file() {
    // Everything that tells the two outcomes apart stands behind the first rows.
    let rows = (0..20_000).fold("visits,later,y\n".to_owned(), |mut text, i| {
        let won = i > 5_000 && noise(i, 1, 2) == 0;
        text += &format!("{},{},{}\n", noise(i, 2, 50), if won { "only" } else { "" }, if won { "yes" } else { "no" });
        text
    });
    let options = InspectOptions { sample_rows: 2_000, ..InspectOptions::default() };
    let inspection = look_with("a.csv", rows, &options);
    assert_eq!(inspection.rows, 20_000);
    assert_eq!(kinds(&inspection, "later"), [WarningKind::Leak]);
}
