//! The registry of models.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use leadscore_domain::ManualClock;
use leadscore_store::{Registry, RegistryError};

use crate::support::at;

fn open(folder: &Path) -> Registry {
    Registry::open(&folder.join("models"), Arc::new(ManualClock::new(at(0)))).unwrap()
}

fn bundle(text: &str) -> BTreeMap<String, Vec<u8>> {
    [("manifest.json", text), ("model.bin", "\0\u{1}")].map(|(k, v)| (k.to_owned(), v.as_bytes().to_vec())).into()
}

#[test]
fn names_that_lead_elsewhere_and_empty_bundles_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    for name in ["", ".", "..", "../v1", "a/b", "a\\b", "/etc/passwd", ".hidden", "a\0", "ä", &"x".repeat(129)] {
        let files = [(name.to_owned(), vec![1])].into();
        assert!(matches!(registry.put(&files), Err(RegistryError::Refused(_))), "{name}");
        registry.put(&bundle("x")).unwrap();
        assert!(registry.set_alias(name, "v1", "").is_err(), "{name}");
    }
    assert!(matches!(registry.put(&BTreeMap::new()), Err(RegistryError::Refused(_))));
    let many = (0..65).map(|i| (format!("f{i}"), vec![])).collect();
    assert!(matches!(registry.put(&many), Err(RegistryError::Refused(_))));
    for version in ["", "v0", "v999", "v01", "1", "../models/v1", "v1/..", "V1"] {
        assert!(matches!(registry.files(version), Err(RegistryError::UnknownVersion(_))), "{version}");
        assert!(matches!(registry.set_alias("champion", version, ""), Err(RegistryError::UnknownVersion(_))));
    }
}

#[test]
fn versions_count_up_and_never_change() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    assert_eq!(registry.list().unwrap(), Vec::<String>::new());
    for i in 1..=11 {
        assert_eq!(registry.put(&bundle(&i.to_string())).unwrap(), format!("v{i}"));
    }
    assert_eq!(registry.files("v10").unwrap(), bundle("10"));
    assert_eq!(registry.file("v10", "manifest.json").unwrap().as_deref(), Some(&b"10"[..]));
    assert_eq!(registry.file("v10", "card.json").unwrap(), None);
    assert!(matches!(registry.file("v10", "../v1/model.bin"), Err(RegistryError::Refused(_))));
    assert!(matches!(registry.file("v12", "model.bin"), Err(RegistryError::UnknownVersion(_))));
    let list = open(folder.path()).list().unwrap();
    assert_eq!((list.len(), list[9].as_str(), list[10].as_str()), (11, "v10", "v11"), "in the order of numbers");
}

#[test]
fn aliases_roll_back_step_by_step_and_remember_why() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    assert_eq!(registry.alias("champion").unwrap(), None);
    assert!(matches!(registry.rollback("champion"), Err(RegistryError::NothingEarlier(_))));
    for i in ["1", "2", "3"] {
        let version = registry.put(&bundle(i)).unwrap();
        registry.set_alias("champion", &version, "better").unwrap();
    }
    registry.set_alias("champion", "v3", "again").unwrap();
    assert_eq!(registry.rollback("champion").unwrap(), "v2");
    assert_eq!(registry.rollback("champion").unwrap(), "v1");
    assert!(matches!(registry.rollback("champion"), Err(RegistryError::NothingEarlier(_))));
    let again = open(folder.path());
    assert_eq!(again.alias("champion").unwrap().as_deref(), Some("v1"));
    let history: Vec<_> = again.history().unwrap().into_iter().map(|c| (c.version, c.previous, c.reason)).collect();
    let step = |version: &str, previous: Option<&str>, reason: &str| {
        (version.to_owned(), previous.map(ToOwned::to_owned), reason.to_owned())
    };
    assert_eq!(
        history,
        [
            step("v1", None, "better"),
            step("v2", Some("v1"), "better"),
            step("v3", Some("v2"), "better"),
            step("v3", Some("v3"), "again"),
            step("v2", Some("v3"), "rolled back"),
            step("v1", Some("v2"), "rolled back"),
        ]
    );
}

#[test]
fn writers_that_race_never_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let put = |writer: usize| {
        let registry = open(folder.path());
        move || -> Vec<(String, String)> {
            let put = |i| {
                let text = format!("{writer}/{i}");
                let version = registry.put(&bundle(&text)).unwrap();
                registry.set_alias(&format!("w{writer}"), &version, "race").unwrap();
                (version, text)
            };
            (0..10).map(put).collect()
        }
    };
    let works: Vec<_> = (0..4).map(put).collect();
    let versions: Vec<(String, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = works.into_iter().map(|work| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let registry = open(folder.path());
    let distinct: BTreeSet<&String> = versions.iter().map(|(version, _)| version).collect();
    assert_eq!((distinct.len(), registry.list().unwrap().len(), registry.history().unwrap().len()), (40, 40, 40));
    for (version, text) in &versions {
        assert_eq!(registry.files(version).unwrap(), bundle(text), "{version}");
    }
}

#[test]
fn what_a_killed_writer_left_is_removed_and_is_no_version() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.put(&bundle("1")).unwrap();
    let draft = folder.path().join("models/.draft-0123");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("manifest.json"), "half").unwrap();
    let registry = open(folder.path());
    assert!(!draft.exists());
    assert_eq!(registry.list().unwrap(), ["v1"]);
    assert_eq!(registry.put(&bundle("2")).unwrap(), "v2");
}

#[test]
fn a_damaged_list_of_aliases_is_an_error_and_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.put(&bundle("1")).unwrap();
    registry.set_alias("champion", "v1", "").unwrap();
    fs::write(folder.path().join("models/aliases.json"), "{").unwrap();
    assert!(matches!(registry.alias("champion"), Err(RegistryError::Corrupt { .. })));
    assert!(registry.set_alias("champion", "v1", "").is_err());
}
