//! Doors for the fuzz targets into what is private otherwise; built with the feature `fuzzing` only.

pub use crate::{audit::fuzzing as audit, log::kafka::fuzzing as kafka};
