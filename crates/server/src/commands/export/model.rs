//! A trained model for other programs.

use std::{fs, path::Path};

use anyhow::Context as _;
use leadscore_engine::models::{
    Bundle,
    interop::{self, Form},
};
use serde_json::json;

use crate::{commands::models::version_or_champion, context::Context, failure::bad_input, folder::Folder};

/// Writes the files of a model in a form into the folder `out`.
pub fn export(version: Option<&str>, form: Form, out: &Path, folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let version = version_or_champion(&folder.registry, version)?;
    let bundle = Bundle::from_files(&folder.registry.files(&version)?)?;
    let files = interop::export(&bundle, &version, form)?;
    let is_free = !out.exists() || (out.is_dir() && fs::read_dir(out)?.next().is_none());
    if !is_free {
        return Err(bad_input(format_args!("{}: is not an empty folder; name another", out.display())));
    }
    for (name, bytes) in &files {
        let path = out.join(name);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(out))?;
            fs::write(&path, bytes)
        };
        write().with_context(|| format!("writing {}", path.display()))?;
    }
    let place = out.display().to_string();
    let names: Vec<&String> = files.keys().collect();
    let document = json!({ "folder": place, "model": version, "files": names });
    context.output.result(&document, || format!("{place}: {version} in {} files; see README.md", files.len()))?;
    Ok(())
}
