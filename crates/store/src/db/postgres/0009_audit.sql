-- Who saw or changed what. One row a block of entries; rows are added and nothing else, which the triggers see to, and
-- the rights of the role that the server works with (docs/AUDIT.md).

CREATE TABLE audit_blocks (
    sequence bigint PRIMARY KEY,            -- from 1, without gaps
    since timestamptz NOT NULL,             -- of the earliest entry
    at timestamptz NOT NULL,                -- when it was closed; never before that of an earlier block
    first_entry bigint NOT NULL,            -- number of its first entry, from 1
    entry_count bigint NOT NULL,
    has_checkpoint bigint NOT NULL,         -- whether a checkpoint of it stands outside of the database
    previous_hash bytea NOT NULL,
    root bytea NOT NULL,                    -- of the Merkle tree over the entries
    hash bytea NOT NULL,                    -- of everything above, and of the entries as they are kept
    signature bytea NOT NULL,               -- Ed25519, of the hash
    entries bytea NOT NULL                  -- see docs/AUDIT.md
);
-- They are compressed already.
ALTER TABLE audit_blocks ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE INDEX audit_blocks_at ON audit_blocks (at);
CREATE INDEX audit_blocks_checkpoints ON audit_blocks (sequence) WHERE has_checkpoint = 1;

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_blocks_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
