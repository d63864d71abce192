//! What opening has in common for both databases: the master key and the settings that a store was made with.

use subtle::ConstantTimeEq as _;

use super::{Conn, StoreOptions, query, sqlite, transaction};
use crate::{MasterKey, StoreError, keyring::Keyring};

/// Most partitions of a log.
const PARTITIONS_MAX: u16 = 1_024;

/// What an existing store was made with, or a new one is.
pub(super) struct Made {
    pub(super) keyring: Keyring,
    pub(super) partitions: u16,
}

pub(super) async fn made(options: &StoreOptions, conn: &mut Conn) -> Result<Made, StoreError> {
    sqlite::make_folder(&options.folder)?;
    Ok(Made { keyring: key_ring(options, conn).await?, partitions: partitions(options.partitions, conn).await? })
}

/// The key ring, if the master key is the one that the database was made with.
async fn key_ring(options: &StoreOptions, conn: &mut Conn) -> Result<Keyring, StoreError> {
    let known = meta(conn, "key_check").await?;
    let master = match (&options.master_key, &known) {
        (Some(key), _) => key.clone(),
        (None, Some(_)) => MasterKey::read(&options.folder)?,
        (None, None) => MasterKey::read_or_create(&options.folder)?,
    };
    let keyring = Keyring::new(&master);
    let check = keyring.check_value();
    // Another process may have been first: what is stored counts.
    let stored = put_meta_once(conn, "key_check", &check).await?;
    if bool::from(stored.as_bytes().ct_eq(check.as_bytes())) {
        Ok(keyring)
    } else {
        Err(StoreError::WrongKey("the database was made with another one".to_owned()))
    }
}

/// The number of partitions that the log was made with.
async fn partitions(asked: u16, conn: &mut Conn) -> Result<u16, StoreError> {
    let stored = put_meta_once(conn, "partitions", &asked.clamp(1, PARTITIONS_MAX).to_string()).await?;
    stored
        .parse::<u16>()
        .ok()
        .filter(|count| (1..=PARTITIONS_MAX).contains(count))
        .ok_or_else(|| StoreError::Corrupt("the number of partitions".to_owned()))
}

async fn meta(conn: &mut Conn, name: &str) -> Result<Option<String>, StoreError> {
    let row = query("SELECT value FROM meta WHERE name = $1").bind(name).fetch_optional(conn).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Keeps `value` unless there is one; what is kept.
async fn put_meta_once(conn: &mut Conn, name: &str, value: &str) -> Result<String, StoreError> {
    if let Some(stored) = meta(conn, name).await? {
        return Ok(stored);
    }
    transaction::begin(conn).await?;
    let kept = query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(conn)
        .await;
    transaction::end(conn, kept.is_ok()).await?;
    kept?;
    let stored = meta(conn, name).await?;
    stored.ok_or_else(|| StoreError::Corrupt(format!("the setting {name}")))
}
