-- Who saw or changed what. One row a block of entries; rows are added and nothing else, which the triggers see to.

CREATE TABLE audit_blocks (
    sequence INTEGER PRIMARY KEY NOT NULL,  -- from 1, without gaps
    since INTEGER NOT NULL,                 -- of the earliest entry
    at INTEGER NOT NULL,                    -- when it was closed; never before that of an earlier block
    first_entry INTEGER NOT NULL,           -- number of its first entry, from 1
    entry_count INTEGER NOT NULL,
    has_checkpoint INTEGER NOT NULL,        -- whether a checkpoint of it stands outside of the database
    previous_hash BLOB NOT NULL,
    root BLOB NOT NULL,                     -- of the Merkle tree over the entries
    hash BLOB NOT NULL,                     -- of everything above, and of the entries as they are kept
    signature BLOB NOT NULL,                -- Ed25519, of the hash
    entries BLOB NOT NULL                   -- see docs/AUDIT.md
);
CREATE INDEX audit_blocks_at ON audit_blocks (at);
CREATE INDEX audit_blocks_checkpoints ON audit_blocks (sequence) WHERE has_checkpoint = 1;

CREATE TRIGGER audit_blocks_update BEFORE UPDATE ON audit_blocks
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_blocks_delete BEFORE DELETE ON audit_blocks
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- What replaces a row deletes it without asking the trigger above.
CREATE TRIGGER audit_blocks_insert BEFORE INSERT ON audit_blocks
WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_blocks)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
