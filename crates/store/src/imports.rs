//! How far an import got, committed with the rows that it counts.

use leadscore_domain::Timestamp;

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, query},
};

/// How far an import of one file got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// SHA-256, hexadecimal, of what identifies the import: the file's fingerprint, its kind and its mapping.
    pub key: String,
    /// Rows read, from the start of the file.
    pub row: u64,
    /// Rows that became events.
    pub imported: u64,
    /// Rows that were there already.
    pub duplicates: u64,
    /// Rows that were refused.
    pub rejected: u64,
    /// Whether the end of the file was reached.
    pub done: bool,
}

impl Store {
    /// How far the import named `key` got, if it ever began.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn import_checkpoint(&self, key: &str) -> Result<Option<Checkpoint>, StoreError> {
        let row = query("SELECT key, rows_read, imported, duplicates, rejected, done FROM imports WHERE key = $1")
            .bind(key)
            .fetch_optional(&mut self.reader().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let count = |index: usize| -> Result<u64, StoreError> {
            u64::try_from(row.get::<i64>(index)?)
                .map_err(|_| StoreError::Corrupt("the checkpoint of an import".to_owned()))
        };
        Ok(Some(Checkpoint {
            key: row.get(0)?,
            row: count(1)?,
            imported: count(2)?,
            duplicates: count(3)?,
            rejected: count(4)?,
            done: row.get::<i64>(5)? != 0,
        }))
    }
}

/// What imports admitted against the rule, for every model that is trained on them.
impl Store {
    /// Records that protected characteristics are used under other names; what is recorded stays.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn record_acknowledgements(&self, notes: Vec<String>) -> Result<(), StoreError> {
        let now = self.now();
        self.write(Lane::Intake, notes.len(), After::Sync, move |conn| {
            Box::pin(async move {
                for note in notes {
                    query(
                        "INSERT INTO acknowledgements (note, recorded_at) VALUES ($1, $2) ON CONFLICT (note) DO NOTHING",
                    )
                    .bind(note)
                    .bind(now)
                    .execute(conn)
                    .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// What [`Self::record_acknowledgements`] recorded, in alphabetical order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn acknowledgements(&self) -> Result<Vec<String>, StoreError> {
        let rows =
            query("SELECT note FROM acknowledgements ORDER BY note").fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Keeps a checkpoint in the transaction of its rows.
pub(crate) async fn save(conn: &mut Conn, checkpoint: &Checkpoint, now: Timestamp) -> Result<(), StoreError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    query(
        "INSERT INTO imports (key, rows_read, imported, duplicates, rejected, done, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET rows_read = excluded.rows_read, \
         imported = excluded.imported, duplicates = excluded.duplicates, rejected = excluded.rejected, \
         done = excluded.done, updated_at = excluded.updated_at",
    )
    .bind(&checkpoint.key)
    .bind(number(checkpoint.row))
    .bind(number(checkpoint.imported))
    .bind(number(checkpoint.duplicates))
    .bind(number(checkpoint.rejected))
    .bind(i64::from(checkpoint.done))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
