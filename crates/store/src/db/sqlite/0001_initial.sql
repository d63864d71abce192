-- Times: microseconds since 1970 UTC. Ids: UUIDs of 16 bytes. Sealed values: nonce, ciphertext, tag.

CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE leads (
    id BLOB PRIMARY KEY NOT NULL,
    created_at INTEGER NOT NULL,
    data_key BLOB,                -- wrapped; NULL once the lead was erased
    name BLOB,                    -- sealed
    name_at INTEGER,              -- the latest name counts: by time, then by the event's id
    name_event BLOB,
    merged_into BLOB,             -- always the last survivor, so that no chain needs following
    erased_at INTEGER
) WITHOUT ROWID;
CREATE INDEX leads_merged_into ON leads (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE identities (
    lookup BLOB PRIMARY KEY NOT NULL, -- keyed hash of the handle
    kind TEXT NOT NULL,
    lead_id BLOB NOT NULL REFERENCES leads (id),
    value BLOB NOT NULL           -- sealed
) WITHOUT ROWID;
CREATE INDEX identities_lead_id ON identities (lead_id);

CREATE TABLE log_heads (
    partition INTEGER PRIMARY KEY NOT NULL,
    head INTEGER NOT NULL
);

CREATE TABLE events (
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id BLOB NOT NULL,
    lead_id BLOB NOT NULL REFERENCES leads (id),
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    data BLOB NOT NULL,           -- sealed
    PRIMARY KEY (partition, position)
);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_lead_id ON events (lead_id);

CREATE TABLE group_positions (
    group_name TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition)
) WITHOUT ROWID;

CREATE TABLE lead_states (
    lead_id BLOB PRIMARY KEY NOT NULL REFERENCES leads (id),
    state BLOB NOT NULL,          -- sealed
    log_position INTEGER NOT NULL
);

CREATE TABLE lead_scores (
    id BLOB PRIMARY KEY NOT NULL,
    lead_id BLOB NOT NULL REFERENCES leads (id),
    score INTEGER NOT NULL CHECK (score >= 0 AND score <= 100),
    grade TEXT NOT NULL,
    confidence_score REAL NOT NULL,
    probability REAL NOT NULL,
    lower_probability REAL NOT NULL,
    upper_probability REAL NOT NULL,
    behavioral_score INTEGER NOT NULL,
    engagement_score INTEGER NOT NULL,
    market_fit_score INTEGER NOT NULL,
    timing_score INTEGER NOT NULL,
    optimal_contact_time INTEGER,
    recommended_approach TEXT NOT NULL,
    model_version TEXT NOT NULL,
    schema_hash TEXT NOT NULL,
    partition INTEGER NOT NULL,
    log_position INTEGER NOT NULL,
    calculated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX idx_lead_score ON lead_scores (lead_id, calculated_at DESC);

CREATE TABLE latest_scores (
    lead_id BLOB PRIMARY KEY NOT NULL REFERENCES leads (id),
    score_id BLOB NOT NULL,
    log_position INTEGER NOT NULL,
    calculated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX latest_scores_expires_at ON latest_scores (expires_at);

CREATE TABLE dead_letters (
    group_name TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    lead_id BLOB NOT NULL,
    reason TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition, position)
) WITHOUT ROWID;

CREATE TABLE imports (
    key TEXT PRIMARY KEY NOT NULL,
    rows_read INTEGER NOT NULL,
    imported INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    done INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Protected characteristics that a mapping admits as features under another name, with the reason given.
CREATE TABLE acknowledgements (
    note TEXT PRIMARY KEY NOT NULL,
    recorded_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE market_snapshots (
    area TEXT NOT NULL,           -- in lower case
    period_start INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    snapshot TEXT NOT NULL,       -- JSON
    PRIMARY KEY (area, period_start, published_at)
) WITHOUT ROWID;

CREATE TABLE model_performance (
    id BLOB PRIMARY KEY NOT NULL,
    model_version TEXT NOT NULL,
    accuracy_score REAL NOT NULL,
    precision_score REAL NOT NULL,
    recall_score REAL NOT NULL,
    f1_score REAL NOT NULL,
    test_date INTEGER NOT NULL
);
CREATE INDEX idx_model_performance ON model_performance (model_version, test_date DESC);

CREATE TABLE users (
    id BLOB PRIMARY KEY NOT NULL,
    email_lookup BLOB NOT NULL UNIQUE, -- keyed hash
    email BLOB NOT NULL,          -- sealed
    password_hash TEXT NOT NULL,  -- PHC string, Argon2id
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE tokens (
    id BLOB PRIMARY KEY NOT NULL,
    token_hash BLOB NOT NULL UNIQUE, -- SHA-256
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
);
