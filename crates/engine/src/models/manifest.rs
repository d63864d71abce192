//! The manifest of a bundle.

use serde::{Deserialize, Serialize};

/// What a bundle is and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout of the files.
    pub format: u32,
}
