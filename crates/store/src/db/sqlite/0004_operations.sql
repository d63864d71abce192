-- Dead letters of every origin, leads to be folded anew, which processes are there, jobs, and how predictions fared.

ALTER TABLE dead_letters RENAME TO dead_letters_of_the_log;
CREATE TABLE dead_letters (
    id BLOB PRIMARY KEY NOT NULL,
    origin TEXT NOT NULL,         -- log, topic or api
    group_name TEXT,              -- the group that read the log, or the topic
    partition INTEGER,
    position INTEGER,
    event_id BLOB,
    lead_id BLOB,
    reason TEXT NOT NULL,
    tries INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    payload BLOB                  -- sealed
) WITHOUT ROWID;
INSERT INTO dead_letters
    SELECT randomblob(16), 'log', group_name, partition, position, event_id, lead_id, reason, 1, recorded_at, NULL
    FROM dead_letters_of_the_log;
DROP TABLE dead_letters_of_the_log;
CREATE UNIQUE INDEX dead_letters_place ON dead_letters (group_name, partition, position);
CREATE INDEX dead_letters_recorded_at ON dead_letters (recorded_at DESC, id DESC);
CREATE INDEX dead_letters_lead_id ON dead_letters (lead_id) WHERE lead_id IS NOT NULL;

-- Handles that sealed payloads name, so that they go when the lead is erased.
CREATE TABLE dead_letter_handles (
    lookup BLOB NOT NULL,         -- keyed hash of the handle
    letter_id BLOB NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE,
    PRIMARY KEY (lookup, letter_id)
) WITHOUT ROWID;
CREATE INDEX dead_letter_handles_letter_id ON dead_letter_handles (letter_id);

-- Leads whose state the scorer is to fold from the log anew.
CREATE TABLE lead_rebuilds (
    lead_id BLOB PRIMARY KEY NOT NULL,
    asked_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE presences (
    id BLOB PRIMARY KEY NOT NULL,
    role TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE jobs (
    id BLOB PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    parameters TEXT NOT NULL,     -- JSON
    state TEXT NOT NULL,          -- queued, running, done, failed or cancelled
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    resume_after BLOB,            -- the last lead that is done
    owner BLOB,                   -- who runs it, until
    leased_until INTEGER,
    error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
) WITHOUT ROWID;
CREATE INDEX jobs_state ON jobs (state, created_at);

ALTER TABLE lead_scores ADD COLUMN features_hash TEXT;
CREATE INDEX lead_scores_calculated_at ON lead_scores (calculated_at);

-- A test before release has no period; one against what came afterwards has the week of its predictions.
ALTER TABLE model_performance ADD COLUMN period_start INTEGER;
ALTER TABLE model_performance ADD COLUMN n INTEGER;
ALTER TABLE model_performance ADD COLUMN positives INTEGER;
ALTER TABLE model_performance ADD COLUMN log_loss REAL;
ALTER TABLE model_performance ADD COLUMN auc REAL;
ALTER TABLE model_performance ADD COLUMN ece REAL;
CREATE UNIQUE INDEX model_performance_period ON model_performance (period_start, model_version);

CREATE TABLE model_calibration (
    model_version TEXT NOT NULL,
    period_start INTEGER NOT NULL,
    decile INTEGER NOT NULL,      -- 1 to 10, the least probable first
    n INTEGER NOT NULL,
    probability REAL NOT NULL,    -- mean of the predictions
    share REAL NOT NULL,          -- of those that converted
    PRIMARY KEY (model_version, period_start, decile)
) WITHOUT ROWID;
