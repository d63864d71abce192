//! Under construction.
pub mod files;
