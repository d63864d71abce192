//! The checker's own test.
