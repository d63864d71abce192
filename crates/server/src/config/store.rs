//! What the configuration says of where things are kept: `[store]`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use leadscore_store::{MasterKey, PostgresOptions, RedisOptions};
use serde::Deserialize;

use super::{Secret, vault::Vault};
use crate::failure::bad_input;

/// What is kept, and how much of it in memory.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    postgres: Secret,
    postgres_connections: u32,
    redis: Secret,
    redis_prefix: String,
    master_key_file: String,
    vault: Vault,
    pub keep_features: bool,
    pub cached_scores: u64,
}

impl Store {
    /// The server that holds the database; `None` for the embedded one.
    pub fn postgres(&self) -> Option<PostgresOptions> {
        let url = Some(&self.postgres.0).filter(|url| !url.is_empty())?;
        Some(PostgresOptions { connections_max: self.postgres_connections, ..PostgresOptions::new(url) })
    }

    /// Where the key is that opens everything.
    pub fn master_key_file(&self, data: &Path) -> PathBuf {
        if self.master_key_file.is_empty() { data.join("master.key") } else { PathBuf::from(&self.master_key_file) }
    }

    /// That key, where it is kept outside the data folder.
    ///
    /// # Errors
    /// As [`Self::read_master_key`].
    pub async fn master_key(&self) -> anyhow::Result<Option<MasterKey>> {
        if !self.has_master_key_file() {
            return Ok(None);
        }
        self.read_master_key("store.master_key_file", Path::new(&self.master_key_file)).await.map(Some)
    }

    /// The master key in a file that `setting` names, as it is or sealed by the vault.
    ///
    /// # Errors
    /// Bad input where the file cannot be read or holds no key; where the vault does not open it.
    pub async fn read_master_key(&self, setting: &str, file: &Path) -> anyhow::Result<MasterKey> {
        let refuse = |why: &dyn fmt::Display| bad_input(format_args!("{setting}: {}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| refuse(&error))?;
        if Vault::opens(text.trim()) {
            return self.vault.open(text.trim()).await;
        }
        text.parse().map_err(|invalid| refuse(&invalid))
    }

    /// Which setting cannot be, and why.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !(4..=100).contains(&self.postgres_connections) {
            return Some(("store.postgres_connections", "must be from 4 to 100"));
        }
        let prefix = &self.redis_prefix;
        if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(("store.redis_prefix", "must be 1 to 64 visible ASCII characters"));
        }
        self.vault.problem()
    }

    /// Whether that key is kept outside the data folder.
    pub const fn has_master_key_file(&self) -> bool {
        !self.master_key_file.is_empty()
    }

    /// The server that the processes share; `None` where there is none.
    pub fn redis(&self) -> Option<RedisOptions> {
        let url = Some(&self.redis.0).filter(|url| !url.is_empty())?;
        Some(RedisOptions { url: url.clone(), prefix: self.redis_prefix.clone() })
    }
}
