//! Messages of live connections.

#![no_main]

use leadscore_api::fuzzing::{check, message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(problem) = message(bytes) {
        check(problem);
    }
});
