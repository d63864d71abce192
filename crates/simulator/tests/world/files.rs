//! The files: the same bytes from the same options, readable, ordered within a lead.

use std::{collections::HashMap, fs, path::Path};

use leadscore_domain::{EventEnvelope, MarketSnapshot, Region, Timestamp};
use leadscore_simulator::{FILE_NAMES, SimulationError, SimulationOptions, World};

use crate::world;

fn read(folder: &Path) -> Vec<Vec<u8>> {
    FILE_NAMES.map(|name| fs::read(folder.join(name)).expect("the world was written")).to_vec()
}

fn write_with(threads: usize, options: &SimulationOptions, folder: &Path) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let world = World::new(options.clone()).expect("the options are in range");
    pool.install(|| world.write(folder, &|_| ())).expect("the folder can be written");
}

#[test]
fn options_out_of_range_are_refused_with_their_name() {
    let good = SimulationOptions::default();
    let bad = [
        ("leads", SimulationOptions { leads: 0, ..good.clone() }),
        ("leads", SimulationOptions { leads: 5_000_001, ..good.clone() }),
        ("days", SimulationOptions { days: 0, ..good.clone() }),
        ("live_days", SimulationOptions { live_days: 29, ..good.clone() }),
        ("end", SimulationOptions { end: Timestamp::MIN, ..good.clone() }),
        ("end", SimulationOptions { end: Timestamp::MAX, ..good }),
    ];
    for (field, options) in bad {
        match World::new(options) {
            Err(SimulationError::Invalid(error)) => assert_eq!(error.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn a_folder_without_a_world_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(World::open(folder.path()), Err(SimulationError::Io { .. })));
    fs::write(folder.path().join("simulation.toml"), "seed = 'x'").unwrap();
    let error = World::open(folder.path()).unwrap_err();
    assert!(matches!(error, SimulationError::Options { .. }), "{error}");
    fs::write(folder.path().join("file"), "").unwrap();
    let error = world(1, 1).write(&folder.path().join("file"), &|_| ()).unwrap_err();
    assert!(matches!(error, SimulationError::Io { .. }), "{error}");
}

#[test]
fn two_runs_and_any_number_of_threads_give_the_same_bytes() {
    let options = SimulationOptions { leads: 2_300, days: 120, ..SimulationOptions::default() };
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    write_with(1, &options, folders[0].path());
    write_with(2, &options, folders[1].path());
    write_with(2, &options, folders[2].path());
    let first = read(folders[0].path());
    assert_eq!(first, read(folders[1].path()));
    assert_eq!(first, read(folders[2].path()));
    write_with(2, &SimulationOptions { seed: 2, ..options }, folders[2].path());
    assert_ne!(first[0], read(folders[2].path())[0]);
}

#[test]
fn what_is_written_reads_back_in_order_and_up_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(300, 5);
    let written = world.write(folder.path(), &|_| ()).unwrap();
    let [events, market, _] = FILE_NAMES.map(|name| folder.path().join(name));
    let mut last: HashMap<String, Timestamp> = HashMap::new();
    let mut lines = 0;
    for line in fs::read_to_string(events).unwrap().lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let received_at: Timestamp =
            serde_json::from_value(value.as_object_mut().unwrap().remove("received_at").unwrap()).unwrap();
        let envelope: EventEnvelope = serde_json::from_value(value).unwrap();
        assert!(received_at <= world.options().end);
        let lead = envelope.source_event_id.split('-').next().unwrap().to_owned();
        let before = last.insert(lead, received_at);
        assert!(before.is_none_or(|before| before <= received_at));
        envelope.validate(received_at, Region::default()).unwrap();
        lines += 1;
    }
    assert_eq!(lines, written.events);
    for line in fs::read_to_string(market).unwrap().lines() {
        serde_json::from_str::<MarketSnapshot>(line).unwrap().validate().unwrap();
    }
    assert_eq!(World::open(folder.path()).unwrap().options(), world.options());
}

#[test]
fn live_events_arrive_in_order_after_the_end_and_continue_the_files() {
    let world = world(600, 5);
    let live: Vec<_> = world.live().collect();
    assert!(live.len() > 300, "{} live events", live.len());
    assert!(live.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert!(live.iter().all(|(at, _)| *at > world.options().end && *at <= world.options().stop()));
    let in_file: usize = (0..world.total_leads())
        .map(|n| world.lead(n).unwrap().events.iter().filter(|e| e.received_at <= world.options().end).count())
        .sum();
    let all: usize = (0..world.total_leads())
        .map(|n| world.lead(n).unwrap().events.iter().filter(|e| e.received_at <= world.options().stop()).count())
        .sum();
    assert_eq!(in_file + live.len(), all);
}
