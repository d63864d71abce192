//! The commented form of a mapping.
