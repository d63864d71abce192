-- Signatures of other systems that do not cover the body: each counts for the body that it first came with.
CREATE TABLE connector_deliveries (
    connector text NOT NULL,
    key_hash bytea NOT NULL,
    body_hash bytea NOT NULL,
    keep_until timestamptz NOT NULL,
    PRIMARY KEY (connector, key_hash)
);
CREATE INDEX connector_deliveries_by_end ON connector_deliveries (keep_until);
