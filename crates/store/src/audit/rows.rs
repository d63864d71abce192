//! The log's table: adding a block, reading blocks.

use std::sync::{Arc, Mutex, PoisonError};

use leadscore_domain::Timestamp;

use super::{
    chain::{Block, Hash, NOTHING},
    checkpoint::Point,
};
use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, Row, query},
};

/// Blocks that are read at once.
pub(super) const CHUNK: i64 = 64;
/// Most blocks whose checkpoints are written at once.
const POINTS_MAX: i64 = 10_000;

/// What a block holds, wherever it will stand.
pub(super) struct Body {
    pub(super) since: Timestamp,
    /// The time of its latest entry.
    pub(super) until: Timestamp,
    pub(super) entry_count: i64,
    pub(super) root: Hash,
    pub(super) entries: Vec<u8>,
}

/// Where a block was last tried to be put: where the answer got lost it may stand there.
#[derive(Default, Clone)]
pub(super) struct Attempt(Arc<Mutex<Option<Place>>>);

/// A block's number and hash.
type Place = (i64, Vec<u8>);

impl Attempt {
    fn get(&self) -> Option<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, sequence: i64, hash: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((sequence, hash));
    }
}

impl Store {
    /// Adds a block behind the last one, unless an earlier attempt did; its number, once it is durable.
    pub(super) async fn append_audit_block(
        &self,
        body: Arc<Body>,
        has_checkpoint: bool,
        attempt: Attempt,
    ) -> Result<i64, StoreError> {
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        self.write(Lane::Audit, 1, After::Sync, move |conn| {
            Box::pin(async move {
                if let Some((sequence, hash)) = attempt.get()
                    && stands(conn, sequence, &hash).await?
                {
                    return Ok(sequence);
                }
                let mut block = next(conn, &body, has_checkpoint, now).await?;
                block.seal(keyring.audit_signatures());
                attempt.set(block.sequence, block.hash.clone());
                let sequence = block.sequence;
                insert(conn, block).await?;
                Ok(sequence)
            })
        })
        .await
    }

    /// The first blocks after one, in order.
    pub(super) async fn audit_blocks_after(&self, sequence: i64) -> Result<Vec<Row>, StoreError> {
        query(
            "SELECT sequence, since, at, first_entry, entry_count, has_checkpoint, previous_hash, root, hash, signature, \
             entries FROM audit_blocks WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        )
        .bind(sequence)
        .bind(CHUNK)
        .fetch_all(&mut self.reader().await?)
        .await
    }

    /// How many blocks there are.
    pub(super) async fn audit_head(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COALESCE(MAX(sequence), 0) FROM audit_blocks";
        query(sql).fetch_one(&mut self.reader().await?).await?.get(0)
    }

    /// The blocks after one that are to have a checkpoint; the last of all where none is named.
    pub(super) async fn audit_points(&self, after: Option<i64>) -> Result<Vec<Point>, StoreError> {
        let sql = "SELECT sequence, hash, first_entry + entry_count - 1, at FROM audit_blocks \
                   WHERE has_checkpoint = 1 AND sequence > $1 ORDER BY sequence LIMIT $2";
        let last = "SELECT sequence, hash, first_entry + entry_count - 1, at FROM audit_blocks \
                    WHERE has_checkpoint = 1 ORDER BY sequence DESC LIMIT 1";
        let statement = match after {
            Some(after) => query(sql).bind(after).bind(POINTS_MAX),
            None => query(last),
        };
        statement.fetch_all(&mut self.reader().await?).await?.iter().map(point).collect()
    }
}

async fn stands(conn: &mut Conn, sequence: i64, hash: &[u8]) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM audit_blocks WHERE sequence = $1 AND hash = $2";
    Ok(query(sql).bind(sequence).bind(hash).fetch_optional(conn).await?.is_some())
}

/// The block that follows the last one, without hash and signature.
async fn next(conn: &mut Conn, body: &Body, has_checkpoint: bool, now: Timestamp) -> Result<Block, StoreError> {
    let sql = "SELECT sequence, at, first_entry + entry_count, hash FROM audit_blocks ORDER BY sequence DESC LIMIT 1";
    let at = now.max(body.until);
    let (sequence, at, first_entry, previous_hash) = match query(sql).fetch_optional(conn).await? {
        Some(row) => (row.get::<i64>(0)? + 1, row.get::<Timestamp>(1)?.max(at), row.get(2)?, row.get(3)?),
        None => (1, at, 1, NOTHING.to_vec()),
    };
    Ok(Block {
        sequence,
        since: body.since,
        at,
        first_entry,
        entry_count: body.entry_count,
        has_checkpoint,
        previous_hash,
        root: body.root.to_vec(),
        hash: Vec::new(),
        signature: Vec::new(),
        entries: body.entries.clone(),
    })
}

async fn insert(conn: &mut Conn, block: Block) -> Result<(), StoreError> {
    query(
        "INSERT INTO audit_blocks (sequence, since, at, first_entry, entry_count, has_checkpoint, previous_hash, root, \
         hash, signature, entries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(block.sequence)
    .bind(block.since)
    .bind(block.at)
    .bind(block.first_entry)
    .bind(block.entry_count)
    .bind(i64::from(block.has_checkpoint))
    .bind(block.previous_hash)
    .bind(block.root)
    .bind(block.hash)
    .bind(block.signature)
    .bind(block.entries)
    .execute(conn)
    .await?;
    Ok(())
}

/// Columns as the queries above and those of the search name them.
pub(super) fn block(row: &Row) -> Result<Block, StoreError> {
    Ok(Block {
        sequence: row.get(0)?,
        since: row.get(1)?,
        at: row.get(2)?,
        first_entry: row.get(3)?,
        entry_count: row.get(4)?,
        has_checkpoint: match row.get(5)? {
            0_i64 => false,
            1 => true,
            _ => return Err(StoreError::Corrupt("a mark of the audit log".to_owned())),
        },
        previous_hash: row.get(6)?,
        root: row.get(7)?,
        hash: row.get(8)?,
        signature: row.get(9)?,
        entries: row.get(10)?,
    })
}

fn point(row: &Row) -> Result<Point, StoreError> {
    let hash: Result<Hash, _> = row.get::<Vec<u8>>(1)?.try_into();
    Ok(Point {
        sequence: row.get(0)?,
        hash: hash.map_err(|_| StoreError::Corrupt("a hash of the audit log".to_owned()))?,
        entries: row.get(2)?,
        at: row.get(3)?,
    })
}
