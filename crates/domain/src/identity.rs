//! Handles by which a lead is recognised, in one normal form each.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Invalid, invalid::check_text, limits};

/// What kind of handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// The lead's id in a CRM or file.
    Crm,
    /// An anonymous id of a web browser.
    Web,
}

impl IdentityKind {
    /// The word used in JSON and SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Crm => "crm",
            Self::Web => "web",
        }
    }
}

/// A handle as a source sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawIdentity {
    /// What kind of handle.
    pub kind: IdentityKind,
    /// As written: a number in any national form, an address in any case.
    pub value: String,
}

/// A handle in normal form: E.164, lower-case address, trimmed id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Identity {
    kind: IdentityKind,
    value: String,
}

/// The country whose numbers may be written without a prefix: ISO 3166 alpha-2, such as `US`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(phonenumber::country::Id);

impl FromStr for Region {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| Invalid::new("region", "is not a country", "use two letters, such as US"))
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(phonenumber::country::Id::US)
    }
}

impl RawIdentity {
    /// Brings the handle into its normal form.
    ///
    /// # Errors
    /// Where it is empty, too long, or no number or address.
    pub fn normalise(&self, region: Region) -> Result<Identity, Invalid> {
        check_text("value", &self.value, limits::IDENTITY_MAX_BYTES)?;
        let value = match self.kind {
            IdentityKind::Phone => normalise_phone(&self.value, region)?,
            IdentityKind::Email => normalise_email(&self.value)?,
            IdentityKind::Crm | IdentityKind::Web => self.value.trim().to_owned(),
        };
        Ok(Identity { kind: self.kind, value })
    }
}

impl Identity {
    /// What kind of handle.
    #[must_use]
    pub const fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The normal form.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// From a stored normal form.
    #[must_use]
    pub const fn from_stored(kind: IdentityKind, value: String) -> Self {
        Self { kind, value }
    }
}

fn normalise_phone(text: &str, region: Region) -> Result<String, Invalid> {
    let refuse = || Invalid::new("value", "is not a telephone number", "send E.164, such as +15125550123");
    let number = phonenumber::parse(Some(region.0), text.trim()).map_err(|_| refuse())?;
    let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
    // E.164: at most 15 digits. Full validity is not asked for: test and new ranges must pass.
    let digits = e164.bytes().filter(u8::is_ascii_digit).count();
    if !(7..=15).contains(&digits) {
        return Err(refuse());
    }
    Ok(e164)
}

fn normalise_email(text: &str) -> Result<String, Invalid> {
    let address = text.trim().to_lowercase();
    let plausible = address.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty()
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && !host.contains('@')
            && !address.chars().any(char::is_whitespace)
    });
    if plausible { Ok(address) } else { Err(Invalid::new("value", "is not an e-mail address", "send local@host")) }
}
