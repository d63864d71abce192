//! Whether the store works, and how much it holds.

use std::path::Path;

use crate::{
    Store, StoreError,
    db::{After, Lane, query, schema_version},
    error::io_at,
};

/// How much the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Living leads.
    pub leads: u64,
    /// Leads absorbed by others.
    pub absorbed: u64,
    /// Erased leads.
    pub erased: u64,
    /// Events of the log.
    pub events: u64,
    /// Leads with a latest score.
    pub scores: u64,
    /// Dead letters.
    pub dead: u64,
    /// Market snapshots.
    pub market: u64,
}

/// Where a group of readers stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    /// The group.
    pub group: String,
    /// The partition.
    pub partition: u16,
    /// Where the group stands.
    pub position: i64,
    /// Where the log ends.
    pub head: i64,
}

impl GroupLag {
    /// Events that the group has still to read.
    #[must_use]
    pub const fn lag(&self) -> i64 {
        self.head - self.position
    }
}

/// Whether the store works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether a write became durable just now.
    pub writable: bool,
    /// Version of the schema.
    pub schema: i64,
    /// Size of the database with its write-ahead log.
    pub size_bytes: u64,
    /// Last position of each partition.
    pub heads: Vec<i64>,
    /// Every group of readers in every partition that it has read.
    pub groups: Vec<GroupLag>,
}

impl Store {
    /// Writes and reads a little: cheap enough for a readiness probe.
    ///
    /// # Errors
    /// Where the database cannot even be read.
    pub async fn health(&self) -> Result<Health, StoreError> {
        let writable = self.probe().await.is_ok();
        let mut reader = self.reader().await?;
        let schema = schema_version(&mut reader).await?;
        let heads = self.heads().await?;
        let groups =
            query("SELECT group_name, partition, position FROM group_positions ORDER BY group_name, partition")
                .fetch_all(&mut reader)
                .await?;
        let groups = groups
            .iter()
            .map(|row| {
                let partition: u16 = row.get(1)?;
                let head = heads.get(usize::from(partition)).copied().unwrap_or(0);
                Ok(GroupLag { group: row.get(0)?, partition, position: row.get(2)?, head })
            })
            .collect::<Result<_, StoreError>>()?;
        let size_bytes = match self.file() {
            Some(file) => size_bytes(file)?,
            None => query("SELECT pg_database_size(current_database())").fetch_one(&mut reader).await?.get(0)?,
        };
        Ok(Health { writable, schema, size_bytes, heads, groups })
    }

    /// Reads the whole database and checks its structure; an empty answer is a sound database.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn integrity_problems(&self) -> Result<Vec<String>, StoreError> {
        let mut reader = self.reader().await?;
        let mut problems = Vec::new();
        if !reader.is_server() {
            for row in query("PRAGMA quick_check").fetch_all(&mut reader).await? {
                let line: String = row.get(0)?;
                if line != "ok" {
                    problems.push(line);
                }
            }
        }
        let gaps = query(
            "SELECT h.partition FROM log_heads h WHERE h.head <> \
             (SELECT COUNT(*) FROM lead_interactions e WHERE e.partition = h.partition)",
        )
        .fetch_all(&mut reader)
        .await?;
        for row in gaps {
            problems.push(format!("partition {} of the log has gaps", row.get::<u16>(0)?));
        }
        Ok(problems)
    }

    /// How much the store holds.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let row = query(
            "SELECT \
             (SELECT COUNT(*) FROM leads WHERE merged_into IS NULL AND erased_at IS NULL), \
             (SELECT COUNT(*) FROM leads WHERE merged_into IS NOT NULL AND erased_at IS NULL), \
             (SELECT COUNT(*) FROM leads WHERE erased_at IS NOT NULL), \
             (SELECT COUNT(*) FROM lead_interactions), \
             (SELECT COUNT(*) FROM latest_scores), \
             (SELECT COUNT(*) FROM dead_letters), \
             (SELECT COUNT(*) FROM market_snapshots)",
        )
        .fetch_one(&mut self.reader().await?)
        .await?;
        let count =
            |index: usize| -> Result<u64, StoreError> { Ok(u64::try_from(row.get::<i64>(index)?).unwrap_or(0)) };
        Ok(Counts {
            leads: count(0)?,
            absorbed: count(1)?,
            erased: count(2)?,
            events: count(3)?,
            scores: count(4)?,
            dead: count(5)?,
            market: count(6)?,
        })
    }

    /// A small durable write.
    async fn probe(&self) -> Result<(), StoreError> {
        let now = self.now().to_string();
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "INSERT INTO meta (name, value) VALUES ('probed_at', $1) \
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .bind(now)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }
}

/// Size of the database file with its write-ahead log.
fn size_bytes(path: &Path) -> Result<u64, StoreError> {
    let database = std::fs::metadata(path).map_err(io_at(path))?.len();
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Ok(database + std::fs::metadata(log).map_or(0, |file| file.len()))
}
