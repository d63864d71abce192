//! Certificates and keys, as the listener reads its files. What stands before the first NUL is the certificate.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[path = "../../crates/server/src/listener/tls.rs"]
#[expect(dead_code, reason = "the listener uses the rest")]
mod tls;

/// A folder for the files, and what runs the reading.
static DESK: LazyLock<(TempDir, Runtime)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    (tempfile::tempdir().expect("a folder"), runtime)
});

fuzz_target!(|bytes: &[u8]| {
    let (folder, runtime) = &*DESK;
    let cut = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (certificate, key) = bytes.split_at(cut);
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        path
    };
    let key = key.strip_prefix(&[0]).unwrap_or(key);
    let files = tls::Files { certificate: write("certificate", certificate), key: write("key", key) };
    if let Err(error) = runtime.block_on(tls::Keeper::open(files)) {
        assert!(error.to_string().len() < 1_000, "{error}");
    }
});
