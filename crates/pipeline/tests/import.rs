//! Files into a store: what is imported, what is refused and why, and that a broken import goes on where it was.

#![expect(clippy::unwrap_used, reason = "a test fails where a helper cannot go on")]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flate2::{Compression, write::GzEncoder};
use leadscore_domain::{AttributeValue, Event, EventBody, IdentityKind, ManualClock, RawIdentity, Region};
use leadscore_pipeline::ingest::files::{ImportError, ImportOptions, Kind, Mapping, Summary, import, inspect};
use leadscore_store::{Store, StoreOptions};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::Notify;

struct Desk {
    folder: TempDir,
    store: Store,
    clock: ManualClock,
}

impl Desk {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
        let store = Store::open(StoreOptions::new(folder.path().join("data"), Arc::new(clock.clone()))).await.unwrap();
        Self { folder, store, clock }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn options(&self) -> ImportOptions {
        ImportOptions { batch_rows: 10, ..ImportOptions::new(Arc::new(self.clock.clone())) }
    }

    async fn import(&self, kind: Kind, path: &Path, mapping: Option<&str>) -> Result<Summary, ImportError> {
        let mapping = mapping.map(|text| Mapping::from_toml(text).unwrap());
        import(&self.store, kind, path, mapping.as_ref(), &self.options(), &|_| {}).await
    }

    /// Imports rows of leads under [`LEADS`].
    async fn leads(&self, name: &str, rows: impl AsRef<[u8]>) -> Result<Summary, ImportError> {
        let bytes = [&b"id,created,budget,won\n"[..], rows.as_ref()].concat();
        self.import(Kind::Leads, &self.write(name, bytes), Some(LEADS)).await
    }

    async fn events_of(&self, crm_id: &str) -> Vec<Event> {
        let raw = RawIdentity { kind: IdentityKind::Crm, value: crm_id.to_owned() };
        let identity = raw.normalise(Region::default()).unwrap();
        let Some(id) = self.store.find(&identity).await.unwrap() else { return Vec::new() };
        self.store.events_of(&[id]).await.unwrap().remove(&id).unwrap_or_default()
    }

    async fn counts(&self) -> (u64, u64) {
        let counts = self.store.counts().await.unwrap();
        (counts.leads as u64, counts.events as u64)
    }
}

const LEADS: &str = r#"
kind = "leads"
source = "crm"
[format]
missing = ["", "NA"]
[lead]
crm_id = "id"
[occurred_at]
column = "created"
format = "%Y-%m-%d"
[outcome]
column = "won"
positive = ["yes"]
negative = ["no"]
after_hours = 24
[consent.profiling]
state = "granted"
basis = "legitimate_interest"
evidence = "a balancing test"
[[attributes]]
column = "budget"
type = "number"
"#;

fn rejects_of(summary: &Summary) -> Vec<Vec<String>> {
    let Some(path) = &summary.rejects_file else { return Vec::new() };
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Line, field and reason of each reject.
fn reasons(summary: &Summary) -> Vec<(u64, String, String)> {
    rejects_of(summary).iter().map(|r| (r[1].parse().unwrap(), r[2].clone(), r[3].clone())).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn many_leads(rows: usize) -> String {
    let row = |i: usize| format!("lead-{i},2025-0{}-11,{},{}\n", 1 + i % 9, i * 1000, ["yes", "no", ""][i % 3]);
    (0..rows).map(row).collect()
}

#[tokio::test]
async fn a_row_becomes_a_lead_with_its_outcome_and_consent() {
    let desk = Desk::open().await;
    let summary = desk.leads("a.csv", "1,2025-03-01,5000,yes\n2,2025-03-02,NA,no\n3,2025-03-03,,\n").await.unwrap();
    assert_eq!((summary.rows, summary.imported, summary.rejected, summary.rejects_file), (3, 3, 0, None));
    assert_eq!(desk.counts().await, (3, 5));
    let events = desk.events_of("1").await;
    let EventBody::LeadCreated(created) = &events[0].body else { panic!("{events:?}") };
    assert_eq!(created.attributes.get("budget"), Some(&Some(AttributeValue::Number(5000.0))));
    assert_eq!(created.consents.len(), 1);
    assert_eq!(events[1].occurred_at.to_string(), "2025-03-02T00:00:00Z");
    assert_eq!(events[1].received_at, events[1].occurred_at);
    let EventBody::LeadCreated(open) = &desk.events_of("3").await[0].body else { panic!("a lead") };
    assert!(open.attributes.is_empty(), "missing is no value");
}

#[tokio::test]
async fn bad_values_are_rejected_with_line_and_reason_and_the_rest_goes_on() {
    let desk = Desk::open().await;
    let rows = "1,2025-03-01,NaN,yes\n2,2025-03-01,inf,no\n3,0000-01-01,1,no\n4,9999-12-31,1,no\n5,2025-03-01,1e999,no\n\
                6,2025-03-01,1\n7,2025-03-01,1,no,x\n,2025-03-01,1,no\n8,,1,no\n9,2026-02-01,1,no\n10,1999-01-01,1,no\n\
                11,2025-02-30,1,no\nfine,2025-03-01,1,no\n";
    let summary = desk.leads("a.csv", rows).await.unwrap();
    assert_eq!((summary.rows, summary.imported, summary.rejected), (13, 1, 12));
    let reasons = reasons(&summary);
    let lines: Vec<u64> = reasons.iter().map(|(line, _, _)| *line).collect();
    assert_eq!(lines, (2..14).collect::<Vec<_>>());
    for (reason, (field, words)) in reasons.iter().zip([
        ("budget", "not a finite number"),
        ("budget", "not a finite number"),
        ("created", "1900 to 2200"),
        ("created", "1900 to 2200"),
        ("budget", "too large"),
        ("", "has 3 fields, the header has 4"),
        ("", "has 5 fields"),
        ("id", "names no lead"),
        ("created", "is missing"),
        ("occurred_at", "future"),
        ("occurred_at", "before the year 2000"),
        ("created", "not a time of the mapped format"),
    ]) {
        assert_eq!(reason.1, field, "{reason:?}");
        assert!(reason.2.contains(words), "{reason:?}");
    }
    assert_eq!(desk.counts().await, (1, 2));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_user_can_read_rejects() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::open().await;
    let summary = desk.leads("a.csv", "1,2025-03-01,x,yes\n").await.unwrap();
    let mode = std::fs::metadata(summary.rejects_file.unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_rejects_file_is_not_overwritten() {
    let desk = Desk::open().await;
    let precious = desk.write("precious.csv", "my,own\n1,2\n");
    let path = desk.write("a.csv", "id,created,budget,won\n1,2025-03-01,x,yes\n");
    let options = ImportOptions { rejects: Some(precious.clone()), ..desk.options() };
    let mapping = Mapping::from_toml(LEADS).unwrap();
    let result = import(&desk.store, Kind::Leads, &path, Some(&mapping), &options, &|_| {}).await;
    assert!(matches!(result, Err(ImportError::Rejects { .. })), "{result:?}");
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "my,own\n1,2\n");
}

#[tokio::test]
async fn broken_records_cost_only_themselves() {
    let desk = Desk::open().await;
    let long = "x".repeat(3 << 20);
    let rows =
        format!("1,2025-03-01,1,no\n2,2025-03-01,{long},no\n3,2025-03-01,\"1\n4,2025-03-01,1,no\n\n5,2025-03-01,1,no");
    let summary = desk.leads("a.csv", rows).await.unwrap();
    assert_eq!((summary.rows, summary.imported, summary.rejected), (5, 3, 2));
    let reasons = reasons(&summary);
    assert!(reasons[0].0 == 3 && reasons[0].2.contains("longer than 1 MiB"), "{reasons:?}");
    assert!(reasons[1].0 == 4 && reasons[1].2.contains("quote"), "{reasons:?}");
    assert!(rejects_of(&summary)[0][4].len() <= 500);
}

#[tokio::test]
async fn quoted_line_breaks_belong_to_the_field() {
    let desk = Desk::open().await;
    let summary = desk.leads("a.csv", "\"1\n\",2025-03-01,1,no\r\n2,2025-03-01,x,no\r\n").await.unwrap();
    assert_eq!((summary.imported, reasons(&summary)[0].0), (1, 4), "the second row begins on line 4");
}

#[tokio::test]
async fn a_truncated_gzip_is_imported_as_far_as_it_goes() {
    let desk = Desk::open().await;
    let whole = gzip(format!("id,created,budget,won\n{}", many_leads(6_000)).as_bytes());
    let path = desk.write("a.csv.gz", &whole[..whole.len() / 2]);
    let Err(ImportError::BrokenOff { row, .. }) = desk.import(Kind::Leads, &path, Some(LEADS)).await else {
        panic!("a broken file is an error")
    };
    assert!(row > 1_000, "{row}");
    let (leads, events) = desk.counts().await;
    assert_eq!(leads, row);
    let again = desk.import(Kind::Leads, &path, Some(LEADS)).await;
    assert!(matches!(again, Err(ImportError::BrokenOff { row: r, .. }) if r == row), "{again:?}");
    assert_eq!(desk.counts().await, (leads, events), "nothing is doubled");
    assert!(again.unwrap_err().to_string().contains(&format!("after row {row}")));
}

#[tokio::test]
async fn gzip_is_recognised_by_content() {
    let desk = Desk::open().await;
    let path = desk.write("a.txt", gzip(b"\xef\xbb\xbfid,created,budget,won\n1,2025-03-01,1,no\n"));
    assert_eq!(desk.import(Kind::Leads, &path, Some(LEADS)).await.unwrap().imported, 1);
}

#[tokio::test]
async fn another_delimiter_is_a_clear_error() {
    let desk = Desk::open().await;
    let path = desk.write("a.csv", "id;created;budget;won\n1;2025-03-01;1;no\n");
    let error = desk.import(Kind::Leads, &path, Some(LEADS)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ImportError::ColumnsMissing { ref missing, .. } if missing.len() == 4), "{text}");
    assert!(text.contains("';'"), "{text}");
    assert_eq!(desk.counts().await, (0, 0));
}

#[tokio::test]
async fn mixed_encodings_are_rejects() {
    let desk = Desk::open().await;
    let summary = desk.leads("a.csv", b"Z\xc3\xbcrich,2025-03-01,1,no\nK\xf6ln,2025-03-01,1,no\n").await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 1));
    assert!(reasons(&summary)[0].2.contains("not UTF-8"));
    let latin = LEADS.replace("[format]", "[format]\nencoding = \"windows-1252\"");
    let path = desk.write("b.csv", b"id,created,budget,won\nZ\xc3\xbcrich,2025-03-01,1,no\nK\xf6ln,2025-03-01,1,no\n");
    let summary = desk.import(Kind::Leads, &path, Some(&latin)).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 1));
    assert!(!desk.events_of("Köln").await.is_empty());
}

#[tokio::test]
async fn the_same_id_twice_is_a_duplicate_whatever_else_it_says() {
    let desk = Desk::open().await;
    let summary = desk.leads("a.csv", "1,2025-03-01,1,no\n2,2025-03-01,1,no\n1,2025-04-01,9,yes\n").await.unwrap();
    assert_eq!((summary.imported, summary.duplicates, summary.rejected), (2, 1, 0));
    assert_eq!(summary.duplicate_lines, [4]);
    assert_eq!(desk.events_of("1").await.len(), 2);
}

#[tokio::test]
async fn an_outcome_before_its_lead_is_a_reject() {
    let desk = Desk::open().await;
    let dated = LEADS.replace("after_hours = 24", "time = { column = \"closed\", format = \"%Y-%m-%d\" }");
    let path = desk.write("a.csv", "id,created,budget,won,closed\n1,2025-03-05,1,yes,2025-03-01\n2,2025-03-05,1,yes,2025-03-05\n3,2025-03-05,1,yes,\n");
    let summary = desk.import(Kind::Leads, &path, Some(&dated)).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 2));
    let reasons = reasons(&summary);
    assert!(reasons[0].2.contains("before the lead"), "{reasons:?}");
    assert!(reasons[1].2.contains("no time"), "{reasons:?}");
    assert_eq!(desk.events_of("2").await.len(), 2, "won on its first day");
}

#[tokio::test]
async fn outcomes_need_a_lead_that_was_there_before() {
    let desk = Desk::open().await;
    desk.leads("leads.csv", "1,2025-03-05,1,\n2,2025-03-05,1,\n").await.unwrap();
    let mapping = r#"
kind = "outcomes"
source = "deals"
[lead]
crm_id = "id"
[outcome]
time = { column = "won", format = "%Y-%m-%d %H:%M:%S" }
value = "worth"
"#;
    let path = desk.write(
        "deals.csv",
        "id,won,worth\n1,2025-04-01 10:00:00,\"1,200.40\"\n2,2025-01-01 10:00:00,5\n9,2025-04-01 10:00:00,5\n",
    );
    let summary = desk.import(Kind::Outcomes, &path, Some(mapping)).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 2));
    let reasons = reasons(&summary);
    assert!(reasons[0].0 == 3 && reasons[0].2.contains("before the lead"), "{reasons:?}");
    assert!(reasons[1].0 == 4 && reasons[1].2.contains("no such lead"), "{reasons:?}");
    let EventBody::Outcome(outcome) = &desk.events_of("1").await[1].body else { panic!("an outcome") };
    assert_eq!(outcome.value, Some(1200));
    assert_eq!(desk.counts().await.0, 2, "no lead came into being");
}

#[tokio::test]
async fn what_is_no_table_is_a_clear_error() {
    let desk = Desk::open().await;
    let folder = desk.folder.path().to_owned();
    for (name, bytes, words) in [
        ("empty.csv", &b""[..], "holds no rows"),
        ("header.csv", b"id,created,budget,won\n", "holds no rows"),
        ("blank.csv", b"\n\n  \n", "holds no rows"),
        ("utf16.csv", b"\xff\xfei\x00d\x00", "UTF-16"),
        ("book.csv", b"PK\x03\x04abc", "Excel"),
        ("short.gz", b"\x1f\x8b\x08", "breaks off"),
        ("bad.parquet", b"PAR1 no footer", "Parquet"),
    ] {
        let path = desk.write(name, bytes);
        for mapping in [Some(LEADS), None] {
            let error = desk.import(Kind::Leads, &path, mapping).await.unwrap_err().to_string();
            let other_form = mapping.is_none() && (error.contains("native form") || error.contains("Parquet"));
            assert!(error.contains(words) || other_form, "{name}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
    for (path, words) in [(folder.clone(), "is a folder"), (folder.join("none.csv"), "no such file")] {
        assert!(desk.import(Kind::Leads, &path, Some(LEADS)).await.unwrap_err().to_string().contains(words));
        assert!(
            inspect(&path, &leadscore_pipeline::ingest::files::InspectOptions::default())
                .unwrap_err()
                .to_string()
                .contains(words)
        );
    }
    assert_eq!(desk.counts().await, (0, 0));
}

#[tokio::test]
async fn importing_again_changes_nothing() {
    let desk = Desk::open().await;
    let rows = many_leads(95) + "bad,2025-03-01,x,no\n";
    let first = desk.leads("a.csv", &rows).await.unwrap();
    let before = desk.counts().await;
    let same_file = desk.leads("a.csv", &rows).await.unwrap();
    assert_eq!((same_file.rows, same_file.imported, same_file.rejected), (first.rows, first.imported, first.rejected));
    assert_eq!(same_file.resumed_from, Some(96));
    let other_file = desk.leads("b.csv", rows + "new,2025-03-01,1,no\n").await.unwrap();
    assert_eq!((other_file.imported, other_file.duplicates, other_file.rejected), (1, 95, 1));
    assert_eq!(desk.counts().await, (before.0 + 1, before.1 + 2));
}

#[tokio::test]
async fn a_broken_import_goes_on_and_ends_in_the_same_state() {
    let (broken, whole) = (Desk::open().await, Desk::open().await);
    let rows = (0..20).fold(String::new(), |text, i| format!("{text}{}bad-{i},2025-03-01,x,no\n", many_leads(95)));
    let bytes = format!("id,created,budget,won\n{}", rows);
    let paths = [broken.write("a.csv", &bytes), whole.write("a.csv", &bytes)];
    let mapping = Mapping::from_toml(LEADS).unwrap();
    for stop_after in [3, 1, 40] {
        let (batches, stop) = (AtomicUsize::new(0), Notify::new());
        let progress = |_| {
            if batches.fetch_add(1, Ordering::SeqCst) + 1 == stop_after {
                stop.notify_one();
            }
        };
        let options = broken.options();
        tokio::select! {
            biased;
            () = stop.notified() => {}
            result = import(&broken.store, Kind::Leads, &paths[0], Some(&mapping), &options, &progress) => {
                panic!("it was to be dropped: {result:?}")
            }
        }
    }
    let resumed = broken.import(Kind::Leads, &paths[0], Some(LEADS)).await.unwrap();
    let straight = whole.import(Kind::Leads, &paths[1], Some(LEADS)).await.unwrap();
    assert!(resumed.resumed_from.is_some_and(|row| row >= 400), "{resumed:?}");
    assert_eq!((resumed.rows, resumed.rejected), (straight.rows, straight.rejected));
    assert_eq!(reasons(&resumed), reasons(&straight));
    assert_eq!(broken.counts().await, whole.counts().await);
    assert_eq!(broken.events_of("lead-77").await.len(), whole.events_of("lead-77").await.len());
}

#[tokio::test]
async fn native_lines_need_no_mapping() {
    let desk = Desk::open().await;
    let line = |id: u32, more: &str| {
        format!(
            r#"{{"source":"site","source_event_id":"{id}","lead":{{"identities":[{{"kind":"crm","value":"c{id}"}}]}},"occurred_at":"2025-03-01T10:00:00Z"{more}}}"#
        )
    };
    let opened = r#","type":"email","data":{"action":"opened"}"#;
    let lines = [
        line(1, opened),
        line(2, &format!(r#","received_at":"2025-03-02T00:00:00Z"{opened}"#)),
        "{broken".to_owned(),
        line(3, r#","type":"email","data":{"action":"opened","colour":1}"#),
        line(4, &format!(r#","received_at":"2024-03-02T00:00:00Z"{opened}"#)),
        line(5, &format!(r#","received_at":"2027-03-02T00:00:00Z"{opened}"#)),
        line(1, r#","type":"email","data":{"action":"clicked"}"#),
    ];
    let path = desk.write("events.jsonl", lines.join("\n"));
    let summary = desk.import(Kind::Events, &path, None).await.unwrap();
    assert_eq!((summary.imported, summary.duplicates, summary.rejected), (2, 1, 4));
    assert_eq!(desk.events_of("c2").await[0].received_at.to_string(), "2025-03-02T00:00:00Z");
    let reasons = reasons(&summary);
    assert!(reasons[1].2.contains("colour") && reasons[3].2.contains("future"), "{reasons:?}");
    let as_leads = desk.import(Kind::Leads, &path, None).await.unwrap();
    assert_eq!(as_leads.rejected, 7, "opened e-mails are no leads");
}

#[tokio::test]
async fn mapped_events_take_numbers_words_and_lists() {
    let desk = Desk::open().await;
    let mapping = r#"
kind = "events"
source = "calls"
[format]
form = "jsonl"
[lead]
phone = "who.phone"
[occurred_at]
column = "at"
format = "epoch_s"
[event]
type = { column = "what", values = { call = "voice_call", search = "property_search" } }
id = "id"
[event.fields]
direction = { column = "way", words = { in = "inbound", out = "outbound" } }
answered = { column = "ok" }
duration_ms = { column = "seconds", scale = 1000 }
deal = { column = "deal" }
areas = { column = "areas" }
"#;
    let path = desk.write(
        "calls.jsonl",
        r#"{"id":"a","who":{"phone":"(512) 555-0123"},"at":1740000000,"what":"Call","way":"IN","ok":"yes","seconds":61.5}
{"id":"b","who":{"phone":"+1 512 555 0123"},"at":1740000100,"what":"search","deal":"Buy","areas":"Austin, TX; Dallas, TX"}
{"id":"c","who":{"phone":"12"},"at":1740000100,"what":"call","way":"in","ok":"yes","seconds":1}
{"id":"d","who":{"phone":"+1 512 555 0123"},"at":1740000100,"what":"fax"}
{"id":"e","who":{"phone":"+1 512 555 0123"},"at":1740000100,"what":"call","way":"in","ok":"perhaps","seconds":1}
[1]
"#,
    );
    let summary = desk.import(Kind::Events, &path, Some(mapping)).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (2, 4), "{:?}", reasons(&summary));
    let raw = RawIdentity { kind: IdentityKind::Phone, value: "+15125550123".to_owned() };
    let id = desk.store.find(&raw.normalise(Region::default()).unwrap()).await.unwrap().unwrap();
    let events = desk.store.events_of(&[id]).await.unwrap().remove(&id).unwrap();
    let EventBody::VoiceCall(call) = &events[0].body else { panic!("{events:?}") };
    assert_eq!(call.duration_ms, 61_500);
    let EventBody::PropertySearch(search) = &events[1].body else { panic!("{events:?}") };
    assert_eq!(search.areas, ["Austin, TX", "Dallas, TX"]);
}

#[tokio::test]
async fn market_files_of_one_measure_each_add_up() {
    let desk = Desk::open().await;
    let wide = |field: &str| {
        format!(
            "kind = \"market\"\nsource = \"portal\"\n[market]\narea = \"RegionName\"\npublished_after_days = 45\n\
             area_names = {{ \"United States\" = \"US\" }}\n[market.layout.wide]\nfield = \"{field}\"\nformat = \"%Y-%m-%d\"\n"
        )
    };
    let head = "RegionID,RegionName,2025-01-31,2025-02-28\n";
    let prices =
        desk.write("p.csv", format!("{head}1,United States,300000,301000\n2,\"Austin, TX\",,500000\n3,Void,,\n"));
    let days = desk.write("d.csv", format!("{head}1,United States,50,49\n"));
    let summary = desk.import(Kind::Market, &prices, Some(&wide("median_price"))).await.unwrap();
    assert_eq!((summary.rows, summary.imported, summary.rejected), (3, 2, 1));
    desk.import(Kind::Market, &days, Some(&wide("days_on_market"))).await.unwrap();
    let market = desk.store.market().await.unwrap();
    assert_eq!(market.len(), 3);
    let us = market.iter().find(|m| m.area == "US").unwrap();
    assert_eq!((us.median_price, us.days_on_market), (Some(300_000.0), Some(50.0)));
    assert_eq!(
        (us.period_start.to_string(), us.published_at.to_string()),
        ("2025-01-01T00:00:00Z".into(), "2025-03-18T00:00:00Z".into())
    );
}

#[tokio::test]
async fn a_footnote_is_a_reject() {
    let desk = Desk::open().await;
    let path = desk.write(
        "long.csv",
        "month_date_yyyymm,county_name,median_listing_price,price_reduced_share\n202401,\"travis, tx\",400000,0.2\n\
         202401,\"tripp, sd\",,\nquality_flag = 1: figures may be impacted,,,\n",
    );
    let mapping = "kind = \"market\"\nsource = \"portal\"\n[market]\narea = \"county_name\"\npublished_after_days = 15\n\
        [market.layout.long]\nperiod = { column = \"month_date_yyyymm\", format = \"%Y%m\" }\n\
        measures = [{ column = \"median_listing_price\", field = \"median_price\" }, { column = \"price_reduced_share\", field = \"price_reduced_share\" }]\n";
    let summary = desk.import(Kind::Market, &path, Some(mapping)).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 2));
    assert_eq!(desk.store.market().await.unwrap()[0].price_reduced_share, Some(0.2));
}

#[tokio::test]
async fn parquet_rows_are_read() {
    let desk = Desk::open().await;
    for (name, packed) in [("a.parquet", false), ("b.parquet.gz", true)] {
        let bytes = parquet_file();
        let path = desk.write(name, if packed { gzip(&bytes) } else { bytes });
        let mapping = format!(
            "kind = \"leads\"\nsource = \"{name}\"\n[format]\nform = \"parquet\"\n[lead]\ncrm_id = \"id\"\n[occurred_at]\n\
             column = \"created\"\nformat = \"rfc3339\"\n[[attributes]]\ncolumn = \"budget\"\ntype = \"number\"\n"
        );
        let summary = desk.import(Kind::Leads, &path, Some(&mapping)).await.unwrap();
        assert_eq!((summary.rows, summary.imported, summary.rejected), (3, 2, 1), "{:?}", reasons(&summary));
    }
    let EventBody::LeadCreated(lead) = &desk.events_of("p1").await[0].body else { panic!("a lead") };
    assert_eq!(lead.attributes.get("budget"), Some(&Some(AttributeValue::Number(1.5))));
}

/// Three rows: one whole, one without a budget, one whose budget is no number.
fn parquet_file() -> Vec<u8> {
    use parquet::{
        data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };
    let schema = "message leads { required binary id (UTF8); required int64 created (TIMESTAMP_MILLIS); optional double budget; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let ids: Vec<ByteArray> = ["p1", "p2", "p3"].iter().map(|id| ByteArray::from(*id)).collect();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1_740_000_000_000; 3], None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[1.5, f64::NAN], Some(&[1, 0, 1]), None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn contradictions_of_a_mapping_are_named() {
    for (from, to, words) in [
        ("crm_id = \"id\"", "", "lead"),
        ("crm_id = \"id\"", "crm_id = \"id\"\nrow_number = true", "lead"),
        ("kind = \"leads\"", "kind = \"market\"", "lead: has no place"),
        ("after_hours = 24", "after_hours = 0", "after_hours"),
        ("after_hours = 24", "", "outcome: has no time"),
        ("negative = [\"no\"]", "negative = [\"Yes\"]", "twice"),
        ("source = \"crm\"", "source = \"\"", "source"),
        ("source = \"crm\"", "sauce = \"crm\"", "sauce"),
        ("\"%Y-%m-%d\"", "\"%H:%M\"", "pattern"),
        ("type = \"number\"", "type = \"time\"", "format"),
        ("column = \"budget\"", "column = \"age\"", "age"),
        ("column = \"budget\"", "column = \"age\"\nname = \"tenure band\"", "acknowledge_protected"),
        ("column = \"budget\"", "column = \"x\"\nname = \"zip\"\nacknowledge_protected = \"y\"", "residence"),
        ("a balancing test", " ", "evidence"),
        ("[format]", "[format]\ndelimiter = \"\\n\"", "delimiter"),
    ] {
        let error = Mapping::from_toml(&LEADS.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
}

#[tokio::test]
async fn a_protected_column_is_used_only_deliberately_and_on_the_record() {
    let desk = Desk::open().await;
    let mapping = LEADS.replace(
        "column = \"budget\"",
        "column = \"age\"\nname = \"tenure band\"\nacknowledge_protected = \"years as a customer, not of life\"",
    );
    let path = desk.write("a.csv", "id,created,age,won\n1,2025-03-01,4,no\n");
    let summary = desk.import(Kind::Leads, &path, Some(&mapping)).await.unwrap();
    assert_eq!(summary.acknowledged, ["age (age) is used as tenure band: years as a customer, not of life"]);
    assert_eq!(desk.store.acknowledgements().await.unwrap(), summary.acknowledged);
    let EventBody::LeadCreated(lead) = &desk.events_of("1").await[0].body else { panic!("a lead") };
    assert!(lead.attributes.contains_key("tenure band") && !lead.attributes.contains_key("age"));
}

#[test]
fn any_bytes_give_an_error_or_rejects_and_never_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::open());
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec![
            &b"id,created,budget,won\n"[..],
            b"1,2025-03-01,5,yes\n",
            b"\"a\"\"b\n",
            b"{\"id\":1,\"created\":\"2025-03-01\"}\n",
            b"{\"source\":\"s\"",
            b"\xef\xbb\xbf",
            b"\x1f\x8b\x08\x00",
            b"PAR1",
            b"999-01-01T00:00:00Z;",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&prop::collection::vec(piece, 0..12), |pieces| {
            let path = desk.write("any", pieces.concat());
            if let Ok(inspection) = inspect(&path, &Default::default()) {
                let text = inspection.to_toml();
                let read: Mapping = toml::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
                prop_assert_eq!(&read, &inspection.mapping, "{}", text);
            }
            for (kind, mapping) in [(Kind::Leads, Some(LEADS)), (Kind::Events, None), (Kind::Market, None)] {
                if let Ok(summary) = runtime.block_on(desk.import(kind, &path, mapping)) {
                    let parts = summary.imported + summary.duplicates + summary.rejected + summary.passed_over;
                    prop_assert_eq!(summary.rows, parts);
                }
            }
            Ok(())
        })
        .unwrap();
}
