//! A model as a Python package: its own files, and what reads them.

use std::collections::BTreeMap;

use super::files::Files;

/// Files of the bundle that the package reads.
const READ: [&str; 8] = [
    "manifest.json",
    "view.json",
    "stack.json",
    "logistic.json",
    "trees.json",
    "imported.json",
    "net.safetensors",
    "calibration.json",
];
const REFERENCE: &str = "reference.json";

/// The modules of the package.
const MODULES: [(&str, &str); 5] = [
    ("__init__.py", include_str!("python/__init__.py")),
    ("_calibration.py", include_str!("python/_calibration.py")),
    ("_logistic.py", include_str!("python/_logistic.py")),
    ("_net.py", include_str!("python/_net.py")),
    ("_trees.py", include_str!("python/_trees.py")),
];

/// The folder of a package, by path.
pub(super) fn package(files: &Files, version: &str) -> BTreeMap<String, Vec<u8>> {
    let mut folder = BTreeMap::new();
    let mut put = |path: String, bytes: Vec<u8>| folder.insert(path, bytes);
    for (name, source) in MODULES {
        put(format!("leadscore_model/{name}"), source.as_bytes().to_vec());
    }
    for name in READ.into_iter().chain([REFERENCE]) {
        if let Some(bytes) = files.get(name) {
            put(format!("leadscore_model/bundle/{name}"), bytes.clone());
        }
    }
    let number: String = version.chars().filter(char::is_ascii_digit).collect();
    let number = if number.is_empty() { "0" } else { &number };
    let project = include_str!("python/pyproject.toml").replace("VERSION", number);
    put("pyproject.toml".to_owned(), project.into_bytes());
    put("README.md".to_owned(), include_str!("python/README.md").replace("VERSION", version).into_bytes());
    put("check.py".to_owned(), include_bytes!("python/check.py").to_vec());
    folder
}
