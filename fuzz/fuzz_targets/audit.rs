//! What verification of the audit log reads: packed entries, blocks that say anything of themselves, files of
//! checkpoints. The first byte says which.

#![no_main]

use leadscore_store::fuzzing::audit::{block, checkpoints, entries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((what, rest)) = bytes.split_first() else { return };
    match what {
        b'e' => entries(rest),
        b'c' => checkpoints(rest),
        _ => {
            let Some((head, packed)) = rest.split_first_chunk::<32>() else { return };
            let (numbers, _) = head.as_chunks::<8>();
            let [a, b, c, d] = numbers else { return };
            block([a, b, c, d].map(|number| i64::from_le_bytes(*number)), packed.to_vec());
        }
    }
});
