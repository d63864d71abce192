//! What opening has in common for both databases: the master key and the settings that a store was made with.

use subtle::ConstantTimeEq as _;

use std::path::PathBuf;

use super::{After, Conn, Lane, StoreOptions, query, sqlite, transaction};
use crate::{
    MasterKey, Store, StoreError,
    keyring::{Keyring, RootKey},
};

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

/// A master key in the place of the present one.
#[derive(Debug, Clone)]
pub enum NextMasterKey {
    /// A new one, made in this folder in the place of its `master.key`.
    InFolder(PathBuf),
    /// One that is kept elsewhere.
    Given(MasterKey),
}

impl Store {
    /// Exchanges the master key. What is open stays open; the next start takes the new key. Copies of the database that were
    /// made before still take the old one.
    ///
    /// # Errors
    /// Where a file cannot be written or the database fails: then the old key or the new one is good, and both are there.
    pub async fn rotate_master_key(&self, next: NextMasterKey) -> Result<(), StoreError> {
        let (master, folder) = match next {
            NextMasterKey::InFolder(folder) => (MasterKey::draft(&folder)?, Some(folder)),
            NextMasterKey::Given(master) => (master, None),
        };
        let wrapped = self.keyring().root().wrap(&master);
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let sql = "INSERT INTO meta (name, value) VALUES ('root_key', $1) \
                           ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                query(sql).bind(wrapped).execute(conn).await.map(|_| ())
            })
        })
        .await?;
        folder.map_or(Ok(()), |folder| MasterKey::settle(&folder))
    }
}

/// The key ring, if the master key is the one of the database.
async fn key_ring(options: &StoreOptions, conn: &mut Conn) -> Result<Keyring, StoreError> {
    // In this order: whoever makes a database writes the check value last.
    let known = meta(conn, "key_check").await?;
    let wrapped = meta(conn, "root_key").await?;
    let masters = match (&options.master_key, &known) {
        (Some(key), _) => vec![key.clone()],
        (None, Some(_)) => MasterKey::candidates(&options.folder)?,
        (None, None) => vec![MasterKey::read_or_create(&options.folder)?],
    };
    let [present, ..] = &masters[..] else { unreachable!("there is always one candidate") };
    let root = match (known, wrapped) {
        (Some(_), None) => RootKey::of_master(present),
        (None, None) => {
            let wrapped = put_meta_once(conn, "root_key", &RootKey::random().wrap(present)).await?;
            RootKey::unwrap(&wrapped, present).ok_or_else(another)?
        }
        (_, Some(wrapped)) => {
            let opened = masters.iter().enumerate().find_map(|(at, key)| Some((at, RootKey::unwrap(&wrapped, key)?)));
            let (at, root) = opened.ok_or_else(another)?;
            if at > 0 {
                // An exchange broke off after the database had the new one.
                MasterKey::settle(&options.folder)?;
            }
            root
        }
    };
    let keyring = Keyring::new(root);
    let check = keyring.check_value();
    // Another process may have been first: what is stored counts.
    let stored = put_meta_once(conn, "key_check", &check).await?;
    if bool::from(stored.as_bytes().ct_eq(check.as_bytes())) { Ok(keyring) } else { Err(another()) }
}

fn another() -> StoreError {
    StoreError::WrongKey("the database has another one".to_owned())
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
