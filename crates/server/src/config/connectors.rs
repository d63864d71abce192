//! What the configuration says of connectors: `[connectors]`, and the file with their secrets that it names.

use std::path::{Path, PathBuf};

use leadscore_api as api;
use leadscore_connectors::Connector;
use serde::Deserialize;
use url::Url;

use crate::failure::bad_input;

/// Longest file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Other systems whose webhooks are taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connectors {
    file: PathBuf,
    public_url: String,
}

/// What the file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    connector: Vec<Connector>,
}

impl Connectors {
    /// The key that is wrong, and why.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let is_missing = self.public_url.is_empty() && self.is_served();
        let is_wrong = !self.public_url.is_empty() && self.url().is_none();
        (is_missing || is_wrong).then_some((
            "connectors.public_url",
            "must be how others reach this server, such as https://leads.example.com",
        ))
    }

    /// Those of the file, as the API takes them.
    ///
    /// # Errors
    /// Bad input where the file cannot be read, or says something that cannot be.
    pub fn open(&self) -> anyhow::Result<api::Connectors> {
        let Some(url) = self.url().filter(|_| self.is_served()) else { return Ok(api::Connectors::default()) };
        let listed = read(&self.file)
            .map_err(|why| bad_input(format_args!("connectors.file: {}: {why}", self.file.display())))?;
        api::Connectors::new(url, listed)
            .map_err(|invalid| bad_input(format_args!("connectors.file: {}: {invalid}", self.file.display())))
    }

    fn is_served(&self) -> bool {
        !self.file.as_os_str().is_empty()
    }

    fn url(&self) -> Option<Url> {
        let url: Url = self.public_url.parse().ok()?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        (matches!(url.scheme(), "https" | "http") && url.has_host() && is_plain).then_some(url)
    }
}

/// The connectors of a file; why it says none.
fn read(file: &Path) -> Result<Vec<Connector>, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > FILE_MAX_BYTES {
        return Err(format!("has {size} bytes; at most {FILE_MAX_BYTES} are read"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let listed: Listed = toml::from_str(&text).map_err(|error| place(&text, &error))?;
    Ok(listed.connector)
}

/// What is wrong and on which line, without the line, which may hold a secret.
fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..text.floor_char_boundary(span.start)].lines().count().max(1));
    format!("line {line}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn open(text: &str) -> Result<api::Connectors, String> {
        let file = written(text);
        let public_url = "https://leads.example.com".to_owned();
        let connectors = Connectors { file: file.path().to_owned(), public_url };
        connectors.open().map_err(|error| error.to_string())
    }

    const VAPI: &str = "[[connector]]\nsource = \"calls\"\nvendor = \"vapi\"\n\
                        proof = { scheme = \"bearer\", secrets = [\"hush-hush\"] }\n";

    #[test]
    fn what_cannot_be_is_refused_without_the_secret() {
        for (text, expected) in [
            ("[[connector]]\nsource = \"calls\"\n", "vendor"),
            (&VAPI.replace("\"vapi\"", "\"vampi\""), "vampi"),
            (&VAPI.replace("\"hush-hush\"", ""), "from 1 to 8 secrets"),
            (&VAPI.replace("\"calls\"", "\"Our calls\""), "connector[0].source: is no name"),
            (&VAPI.repeat(2), "connector[1].source"),
            (&VAPI.replace("proof", "prof"), "prof"),
            ("[[connectors]]\n", "connectors"),
            (&VAPI.replace("\"hush-hush\"]", "\"hush-hush\""), "line 4"),
        ] {
            let refused = open(text).map(|_| ()).unwrap_err();
            assert!(refused.contains(expected) && !refused.contains("hush-hush"), "{refused}");
        }
        assert!(open(VAPI).is_ok());
    }

    #[test]
    fn an_address_is_needed_where_there_are_connectors() {
        let problem = |file: &str, url: &str| {
            Connectors { file: file.into(), public_url: url.to_owned() }.problem().map(|(key, _)| key)
        };
        assert_eq!(problem("", ""), None);
        assert_eq!(problem("connectors.toml", "https://leads.example.com/base"), None);
        for url in ["", "leads.example.com", "ftp://leads.example.com", "https://leads.example.com/?a=b", "https://"] {
            assert_eq!(problem("connectors.toml", url), Some("connectors.public_url"), "{url}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let connectors = Connectors { file: "nowhere.toml".into(), public_url: "https://a.example".to_owned() };
        assert!(connectors.open().unwrap_err().to_string().contains("nowhere.toml"));
    }
}
