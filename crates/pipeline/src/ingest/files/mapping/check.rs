//! Whether a mapping is sound in itself.
