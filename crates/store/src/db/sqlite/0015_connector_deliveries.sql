-- Signatures of other systems that do not cover the body: each counts for the body that it first came with.
CREATE TABLE connector_deliveries (
    connector TEXT NOT NULL,
    key_hash BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    keep_until INTEGER NOT NULL,
    PRIMARY KEY (connector, key_hash)
) WITHOUT ROWID;
CREATE INDEX connector_deliveries_by_end ON connector_deliveries (keep_until);
