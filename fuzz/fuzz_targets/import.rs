//! Files to import, of whatever form they turn out to be: drafted, read by column, and imported under their own draft
//! and as lines of ours. Every row ends somewhere.

#![no_main]

use std::{
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

use leadscore_domain::ManualClock;
use leadscore_pipeline::ingest::files::{ImportOptions, Kind, Mapping, columns, import, inspect};
use leadscore_store::{Store, StoreOptions};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Desk {
    folder: TempDir,
    runtime: Runtime,
    store: Store,
    options: ImportOptions,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().expect("an instant")));
    let store = StoreOptions::new(folder.path().join("data"), clock.clone());
    let store = runtime.block_on(Store::open(store)).expect("a store");
    let rejects = Some(folder.path().join("rejects"));
    let options = ImportOptions { rejects, ..ImportOptions::new(clock) };
    Desk { folder, runtime, store, options }
});

fn imported(desk: &Desk, kind: Kind, path: &Path, mapping: Option<&Mapping>) {
    let importing = import(&desk.store, kind, path, mapping, &desk.options, &|_| {});
    if let Ok(summary) = desk.runtime.block_on(importing) {
        let parts = summary.imported + summary.duplicates + summary.rejected + summary.passed_over;
        assert_eq!(summary.rows, parts, "a row ended nowhere");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let desk = &*DESK;
    let path = desk.folder.path().join("file");
    fs::write(&path, bytes).expect("a file");
    let _ = columns(&path, &["id"]);
    if let Ok(inspection) = inspect(&path, &Default::default()) {
        let mapping: Mapping = inspection.mapping;
        assert_eq!(Mapping::from_toml(&mapping.to_toml()).ok(), mapping.check().is_ok().then(|| mapping.clone()));
        imported(desk, mapping.kind, &path, Some(&mapping));
    }
    for kind in [Kind::Leads, Kind::Events, Kind::Market] {
        imported(desk, kind, &path, None);
    }
});
