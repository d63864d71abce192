-- Ids are UUIDs, times are moments in UTC. Sealed values: nonce, ciphertext, tag.
-- What grows with every event is partitioned by month, so that what is too old goes by dropping tables. Those tables
-- have no foreign keys: a lead's row is never deleted, and the check would cost every row a look-up.

CREATE TABLE meta (
    name text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE leads (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    data_key bytea,               -- wrapped; NULL once the lead was erased
    name bytea,                   -- sealed
    name_at timestamptz,          -- the latest name counts: by time, then by the event's id
    name_event uuid,
    merged_into uuid,             -- always the last survivor, so that no chain needs following
    erased_at timestamptz
);
CREATE INDEX leads_merged_into ON leads (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE identities (
    lookup bytea PRIMARY KEY,     -- keyed hash of the handle
    kind text NOT NULL,
    lead_id uuid NOT NULL REFERENCES leads (id),
    value bytea NOT NULL          -- sealed
);
CREATE INDEX identities_lead_id ON identities (lead_id);

CREATE TABLE log_heads (
    partition integer PRIMARY KEY,
    head bigint NOT NULL
);

-- The event log: one row for each interaction with a lead, dense positions in each partition of the log.
CREATE TABLE lead_interactions (
    partition integer NOT NULL,
    position bigint NOT NULL,
    id uuid NOT NULL,
    lead_id uuid NOT NULL,
    source text NOT NULL,
    interaction_type text NOT NULL,
    sentiment_score double precision,
    engagement_duration integer,  -- seconds
    context_data bytea NOT NULL,  -- sealed
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (partition, position, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX idx_interactions ON lead_interactions (lead_id, occurred_at DESC);

-- Every event that was ever appended: a unique index cannot span the months.
CREATE TABLE event_ids (
    id uuid PRIMARY KEY,
    lead_id uuid NOT NULL,
    received_at timestamptz NOT NULL
);

CREATE TABLE group_positions (
    group_name text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (group_name, partition)
);

CREATE TABLE lead_states (
    lead_id uuid PRIMARY KEY REFERENCES leads (id),
    state bytea NOT NULL,         -- sealed
    log_position bigint NOT NULL
) WITH (fillfactor = 70);
-- Sealed bytes do not compress.
ALTER TABLE lead_states ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE TABLE lead_scores (
    id uuid NOT NULL,
    lead_id uuid NOT NULL,
    score smallint NOT NULL CHECK (score >= 0 AND score <= 100),
    grade text NOT NULL,
    confidence_score double precision NOT NULL,
    probability double precision NOT NULL,
    lower_probability double precision NOT NULL,
    upper_probability double precision NOT NULL,
    behavioral_score smallint NOT NULL,
    engagement_score smallint NOT NULL,
    market_fit_score smallint NOT NULL,
    timing_score smallint NOT NULL,
    optimal_contact_time timestamptz,
    recommended_approach text NOT NULL,
    model_version text NOT NULL,
    schema_hash text NOT NULL,
    partition integer NOT NULL,
    log_position bigint NOT NULL,
    calculated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (id, calculated_at)
) PARTITION BY RANGE (calculated_at);
CREATE INDEX idx_lead_score ON lead_scores (lead_id, calculated_at DESC);

CREATE TABLE latest_scores (
    lead_id uuid PRIMARY KEY REFERENCES leads (id),
    score_id uuid NOT NULL,
    log_position bigint NOT NULL,
    calculated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX latest_scores_expires_at ON latest_scores (expires_at);

CREATE TABLE dead_letters (
    group_name text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    lead_id uuid NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (group_name, partition, position)
);

CREATE TABLE imports (
    key text PRIMARY KEY,
    rows_read bigint NOT NULL,
    imported bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    done bigint NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Protected characteristics that a mapping admits as features under another name, with the reason given.
CREATE TABLE acknowledgements (
    note text PRIMARY KEY,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE market_snapshots (
    area text NOT NULL,           -- in lower case
    period_start timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    snapshot text NOT NULL,       -- JSON
    PRIMARY KEY (area, period_start, published_at)
);

CREATE TABLE model_performance (
    id uuid PRIMARY KEY,
    model_version text NOT NULL,
    accuracy_score double precision NOT NULL,
    precision_score double precision NOT NULL,
    recall_score double precision NOT NULL,
    f1_score double precision NOT NULL,
    test_date timestamptz NOT NULL
);
CREATE INDEX idx_model_performance ON model_performance (model_version, test_date DESC);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email_lookup bytea NOT NULL UNIQUE, -- keyed hash
    email bytea NOT NULL,         -- sealed
    password_hash text NOT NULL,  -- PHC string, Argon2id
    role text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE tokens (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE, -- SHA-256
    name text NOT NULL,
    role text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
