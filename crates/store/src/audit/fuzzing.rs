//! What the audit log reads, from any bytes.

use ed25519_dalek::SigningKey;
use leadscore_domain::Timestamp;

use super::{
    chain::{Block, NOTHING, leaf, root},
    checkpoint,
    entry::{pack, read, unpack},
    verify::Chain,
};

/// A key as good as any other.
const KEY: [u8; 32] = [7; 32];

/// Reads packed entries, and each of them.
///
/// # Panics
/// Where entries that were read are others after they were written.
pub fn entries(packed: &[u8]) {
    let Ok(entries) = unpack(packed) else { return };
    for bytes in &entries {
        if let Ok(entry) = read(bytes) {
            let again = read(&entry.to_bytes());
            assert!(again.is_ok_and(|again| again == entry), "an entry is another after it was written");
        }
    }
    let again = pack(&entries).and_then(|packed| unpack(&packed));
    assert!(again.is_ok_and(|again| again == entries), "entries are others after they were packed");
}

/// Follows a chain by a first block that is signed, whatever it says of itself, and holds these packed entries.
pub fn block(numbers: [i64; 4], packed: Vec<u8>) {
    let key = SigningKey::from_bytes(&KEY);
    let [sequence, first_entry, entry_count, at] = numbers;
    let at = Timestamp::from_micros(at).unwrap_or(Timestamp::MIN);
    let leaves = unpack(&packed).map(|entries| entries.iter().map(|entry| leaf(entry)).collect());
    let mut block = Block {
        sequence,
        since: at,
        at,
        first_entry,
        entry_count,
        has_checkpoint: true,
        previous_hash: NOTHING.to_vec(),
        root: root(leaves.unwrap_or_default()).to_vec(),
        hash: Vec::new(),
        signature: Vec::new(),
        entries: packed,
    };
    block.seal(&key);
    let mut chain = Chain::new(key.verifying_key());
    if chain.follow(&block).is_ok() {
        assert_eq!((sequence, first_entry), (1, 1), "a first block that is not the first was followed");
        chain.compare(&[], sequence).ok();
    }
}

/// Reads a file of checkpoints.
///
/// # Panics
/// Where lines that nobody signed are believed.
pub fn checkpoints(file: &[u8]) {
    let key = SigningKey::from_bytes(&KEY).verifying_key();
    let points = checkpoint::read(file, &key);
    assert!(points.is_err() || file.is_empty(), "a line that was not signed was believed");
}
