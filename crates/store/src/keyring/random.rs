//! Randomness for keys, nonces and ids: the operating system's, and the only one in production code.

use rand::{TryRng, rngs::SysRng};

/// Fills `bytes` with random ones.
///
/// # Panics
/// Where the operating system has no randomness: nothing could be sealed then.
pub(crate) fn fill(bytes: &mut [u8]) {
    SysRng.try_fill_bytes(bytes).expect("the operating system gives random bytes");
}
