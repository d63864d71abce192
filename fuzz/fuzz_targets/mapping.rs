//! Mappings of imports: what is taken is the same when it is written and read again.

#![no_main]

use leadscore_pipeline::ingest::files::Mapping;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mapping) = Mapping::from_toml(text) else { return };
    let _ = mapping.acknowledgements();
    let written = mapping.to_toml();
    let again = Mapping::from_toml(&written).expect("what was written can be read");
    assert_eq!(again, mapping, "{written}");
});
