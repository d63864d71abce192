//! Keys.

use std::{fmt, str::FromStr};

use leadscore_domain::Invalid;

/// The key that everything else hangs on: 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl FromStr for MasterKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let _ = text;
        let _ = Self([0; 32]).0;
        todo!()
    }
}
