//! The member that was trained elsewhere, in the data folder: what `models import` keeps and `train` reads.
//!
//! Owns: two files, one with the model as it was handed in, one that says what it is. Invariant: the description is
//! written last and names the hash of the model, so that a half-written member is none.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use leadscore_domain::Timestamp;
use leadscore_engine::models::{ForeignFormat, Imported, manifest::FileEntry};
use serde::{Deserialize, Serialize};

use crate::folder;

const MODEL_FILE: &str = "imported-member.model";
const DESCRIPTION_FILE: &str = "imported-member.json";

/// What the description says.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    format: String,
    trained_until: Timestamp,
    sha256: String,
}

/// Names of the formats on the command line.
const FORMATS: [(&str, ForeignFormat); 3] = [
    ("xgboost-json", ForeignFormat::XgboostJson),
    ("xgboost-ubj", ForeignFormat::XgboostUbj),
    ("lightgbm", ForeignFormat::LightgbmText),
];

/// Keeps a member for the next training; an earlier one is replaced.
///
/// # Errors
/// Where the folder cannot be written.
pub fn keep(data: &Path, member: &Imported) -> anyhow::Result<()> {
    let format = FORMATS.iter().find(|(_, format)| *format == member.format).map_or("", |(name, _)| name);
    let sha256 = FileEntry::of(&member.bytes).sha256;
    let description = Description { format: format.to_owned(), trained_until: member.trained_until, sha256 };
    let path = data.join(MODEL_FILE);
    fs::write(&path, &member.bytes).with_context(|| format!("writing {}", path.display()))?;
    folder::replace(&data.join(DESCRIPTION_FILE), &serde_json::to_string_pretty(&description)?)
}

/// The member that was kept, if any.
///
/// # Errors
/// Where the files cannot be read, or are not the ones that were written.
pub fn kept(data: &Path) -> anyhow::Result<Option<Imported>> {
    let text = match fs::read_to_string(data.join(DESCRIPTION_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.context("reading the imported member")?,
    };
    let Description { format, trained_until, sha256 } = serde_json::from_str(&text)?;
    let bytes = fs::read(data.join(MODEL_FILE)).context("reading the imported member")?;
    let format = FORMATS.iter().find(|(name, _)| *name == format).map(|(_, format)| *format);
    let format = format.context("the imported member has a form that this program does not know; import it again")?;
    anyhow::ensure!(FileEntry::of(&bytes).sha256 == sha256, "the imported member was altered; import it again");
    Ok(Some(Imported { bytes, format, trained_until }))
}

/// Forgets the member; whether there was one.
///
/// # Errors
/// Where it cannot be removed.
pub fn forget(data: &Path) -> anyhow::Result<bool> {
    for name in [DESCRIPTION_FILE, MODEL_FILE] {
        match fs::remove_file(data.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            done => done.with_context(|| format!("removing {name}"))?,
        }
    }
    Ok(true)
}
