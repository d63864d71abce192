//! Records of the events topic.

#![no_main]

use leadscore_store::fuzzing::kafka::record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| record(payload));
