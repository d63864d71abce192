//! What the configuration says of a vault that opens the master key: `[store.vault]`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_store::MasterKey;
use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, Serialize};

use crate::{failure::bad_input, outbound};

/// What a text begins with that a vault's transit engine sealed.
const SEALED: &str = "vault:v";
/// Longest time of a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest part of an answer that says what was wrong.
const ERROR_MAX_CHARS: usize = 200;

/// A vault with HashiCorp Vault's transit API, such as OpenBao.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    address: String,
    token_file: PathBuf,
    namespace: String,
    mount: String,
    key: String,
    ca_file: PathBuf,
}

/// What it is asked.
#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
}

/// What it answers.
#[derive(Deserialize)]
struct Decrypted {
    data: Plaintext,
}

#[derive(Deserialize)]
struct Plaintext {
    plaintext: String,
}

impl Vault {
    /// Which setting cannot be, and why; none where there is no vault.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.address.is_empty() {
            return None;
        }
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        };
        [
            (self.url().is_none(), "store.vault.address", "must be https://…, or http:// to this machine"),
            (self.token_file.as_os_str().is_empty(), "store.vault.token_file", "must name the file with the token"),
            (!is_name(&self.mount), "store.vault.mount", "must be where the transit engine is mounted"),
            (self.key.contains('/') || !is_name(&self.key), "store.vault.key", "must be the name of a transit key"),
        ]
        .into_iter()
        .find_map(|(is_bad, setting, remedy)| is_bad.then_some((setting, remedy)))
    }

    /// Whether it is what opens a key in this form.
    pub fn opens(text: &str) -> bool {
        text.starts_with(SEALED)
    }

    /// Has it opened a master key.
    ///
    /// # Errors
    /// Bad input where none is configured or a file cannot be read; where it does not answer, or refuses.
    pub async fn open(&self, sealed: &str) -> anyhow::Result<MasterKey> {
        let Some(url) = self.url() else {
            return Err(bad_input("the master key is sealed by a vault; say in [store.vault] which one opens it"));
        };
        let token = std::fs::read_to_string(&self.token_file).map_err(|error| {
            bad_input(format_args!("store.vault.token_file: {}: {error}", self.token_file.display()))
        })?;
        let mut request =
            self.client()?.post(url).header("X-Vault-Token", token.trim()).header("X-Vault-Request", "true");
        if !self.namespace.is_empty() {
            request = request.header("X-Vault-Namespace", &self.namespace);
        }
        let asking = async {
            let answer = request.json(&Decrypt { ciphertext: sealed }).send().await?;
            let (status, body) = (answer.status(), answer.bytes().await?);
            Ok::<_, reqwest::Error>((status, body))
        };
        let (status, body) = asking.await.context("asking the vault for the master key")?;
        if status != StatusCode::OK {
            let why: String = String::from_utf8_lossy(&body).chars().take(ERROR_MAX_CHARS).collect();
            bail!("the vault does not open the master key: {status}: {}", why.escape_debug());
        }
        opened(&body).context("what the vault opened is no master key: seal the 64 hexadecimal digits of one")
    }

    /// Where it opens what it sealed.
    fn url(&self) -> Option<Url> {
        let url: Url = self.address.parse().ok()?;
        let is_here = match url.host()? {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        };
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
        let base = self.address.trim_end_matches('/');
        let path = format!("{base}/v1/{}/decrypt/{}", self.mount.trim_matches('/'), self.key);
        is_safe.then(|| path.parse().ok())?
    }

    /// One that follows nobody elsewhere and asks no proxy.
    fn client(&self) -> anyhow::Result<Client> {
        outbound::client(&self.ca_file, TIMEOUT)
            .map_err(|why| bad_input(format_args!("store.vault.ca_file: {}: {why}", self.ca_file.display())))
    }
}

fn opened(body: &[u8]) -> anyhow::Result<MasterKey> {
    let Decrypted { data: Plaintext { plaintext } } = serde_json::from_slice(body)?;
    Ok(String::from_utf8(STANDARD.decode(plaintext)?)?.parse()?)
}
