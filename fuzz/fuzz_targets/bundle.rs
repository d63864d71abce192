//! Model bundles: a sound one whose files were changed here and there, with the hashes that they then have. What is
//! read can serve.
//!
//! The input is a list of changes: which file, where, how many bytes go, how many come, and these.

#![no_main]

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use leadscore_domain::{AttributeValue, Event, EventBody, EventId, EventKind, LeadId, Timestamp, time::DAY_US};
use leadscore_engine::{
    examples::{Observed, Snapshot},
    explain::ActionRates,
    features::{FEATURES, FeatureView, LeadState, Market},
    models::{TrainOptions, Trained, TrainingSet, manifest::FileEntry, train},
    predictions::{Course, Parts, TrainingMaterial},
    score::{ACTIONS_FILE, Learned, Model, Scorer, ScoringPolicy},
};
use libfuzzer_sys::fuzz_target;

type Files = BTreeMap<String, Vec<u8>>;

const MANIFEST: &str = "manifest.json";
/// Enough leads to be trained on.
const LEADS: u64 = 200;

static BASE: LazyLock<Files> = LazyLock::new(|| {
    let snapshots: Vec<Snapshot> = (0..LEADS).map(snapshot).collect();
    let set = TrainingSet::new(FeatureView::learn(&snapshots), &snapshots);
    let options = TrainOptions { threads: 1, shuffle_alarm: false, ..TrainOptions::default() };
    let Trained { bundle, held_out } = train(&set, &options, &|_| {}).expect("enough to learn from");
    let parts = Parts::fit(&TrainingMaterial {
        snapshots: &snapshots,
        matrix: &set.matrix,
        held_out: &held_out,
        calls: &[],
        horizon_us: options.horizon_us,
    });
    let mut extras = parts.to_files();
    extras.insert(ACTIONS_FILE.to_owned(), ActionRates::default().to_json());
    bundle.with_extras(extras).expect("names that are free").to_files()
});

/// A lead about whom hardly anything is known.
static LEAD: LazyLock<(LeadId, LeadState, Timestamp)> = LazyLock::new(|| {
    let at = Timestamp::from_micros(1_772_361_000_000_000).expect("an instant");
    let id = EventId::derive("fuzz", "1");
    let body = EventBody::data_from_json(EventKind::Email, br#"{"action":"opened"}"#).expect("an event");
    let lead_id = LeadId(id.0);
    let mut state = LeadState::default();
    state.apply(&Event { id, lead_id, source: "fuzz".to_owned(), occurred_at: at, received_at: at, body });
    (lead_id, state, at)
});

/// A lead whose outcome goes by two attributes, and by a rule that looks like chance.
fn snapshot(lead: u64) -> Snapshot {
    let (pace, wish) = ((lead * 7 % 10) as f64, (lead * 13 % 17) as f64 / 17.0);
    let won = pace + 4.0 * wish + (lead * 31 % 11) as f64 > 12.0;
    Snapshot {
        lead,
        instant: Timestamp::from_micros((lead as i64 / 4) * DAY_US).expect("an instant"),
        observed: Observed::complete(30 * DAY_US, won.then_some(DAY_US)),
        course: Course::default(),
        features: vec![f32::NAN; FEATURES.len()],
        attributes: vec![
            ("pace".to_owned(), AttributeValue::Number(pace)),
            ("source".to_owned(), AttributeValue::Category(format!("source {}", lead % 5))),
            ("wish".to_owned(), AttributeValue::Number(wish)),
        ],
    }
}

/// Changes the files as the input says.
fn change(files: &mut Files, mut input: &[u8]) {
    while let Some((head, rest)) = input.split_first_chunk::<5>() {
        let [which, high, low, gone, come] = *head;
        let come = usize::from(come).min(rest.len());
        let (bytes, rest) = rest.split_at(come);
        input = rest;
        let which = usize::from(which) % files.len();
        let Some(file) = files.values_mut().nth(which) else { return };
        // Files are longer than 64 kB seldom, and then alike throughout.
        let start = usize::from(u16::from_be_bytes([high, low])).min(file.len());
        let end = (start + usize::from(gone)).min(file.len());
        file.splice(start..end, bytes.iter().copied());
    }
}

/// Writes the hashes of the files into the manifest, as whoever alters a model would.
fn stamp(files: &mut Files) {
    let entries: BTreeMap<&String, FileEntry> =
        files.iter().filter(|(name, _)| *name != MANIFEST).map(|(name, bytes)| (name, FileEntry::of(bytes))).collect();
    let entries = serde_json::to_value(&entries).expect("plain data with string keys");
    let Some(Ok(mut manifest)) = files.get(MANIFEST).map(|bytes| serde_json::from_slice::<serde_json::Value>(bytes))
    else {
        return;
    };
    if let Some(members) = manifest.as_object_mut() {
        members.insert("files".to_owned(), entries);
        files.insert(MANIFEST.to_owned(), manifest.to_string().into_bytes());
    }
}

fuzz_target!(|input: &[u8]| {
    let mut files = BASE.clone();
    change(&mut files, input);
    stamp(&mut files);
    let Ok(learned) = Learned::from_files(&files) else { return };
    let width = learned.bundle.view().width();
    let mut shares = vec![0.0; width];
    for value in [0.0, 1.0, -1e30, f32::NAN] {
        let row = vec![value; width];
        let _ = learned.bundle.predict(&row);
        learned.bundle.contributions(&row, &mut shares);
        let _ = learned.bundle.breakdown(&shares);
    }
    let policy = ScoringPolicy { profile_without_statement: true, ..ScoringPolicy::default() };
    let model = Arc::new(Model::Learned(Box::new(learned)));
    let scorer = Scorer::new(model, "fuzz".to_owned(), Arc::new(Market::empty()), policy);
    let (lead, state, at) = &*LEAD;
    assert!(scorer.explain(*lead, state, *at, 1).is_ok(), "a score was withheld");
});
