-- Dead letters of every origin, leads to be folded anew, which processes are there, jobs, and how predictions fared.

ALTER TABLE dead_letters RENAME TO dead_letters_of_the_log;
ALTER TABLE dead_letters_of_the_log RENAME CONSTRAINT dead_letters_pkey TO dead_letters_of_the_log_pkey;
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    origin text NOT NULL,         -- log, topic or api
    group_name text,              -- the group that read the log, or the topic
    partition integer,
    position bigint,
    event_id uuid,
    lead_id uuid,
    reason text NOT NULL,
    tries integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    payload bytea                 -- sealed
);
INSERT INTO dead_letters
    SELECT gen_random_uuid(), 'log', group_name, partition, position, event_id, lead_id, reason, 1, recorded_at, NULL
    FROM dead_letters_of_the_log;
DROP TABLE dead_letters_of_the_log;
CREATE UNIQUE INDEX dead_letters_place ON dead_letters (group_name, partition, position);
CREATE INDEX dead_letters_recorded_at ON dead_letters (recorded_at DESC, id DESC);
CREATE INDEX dead_letters_lead_id ON dead_letters (lead_id) WHERE lead_id IS NOT NULL;

-- Handles that sealed payloads name, so that they go when the lead is erased.
CREATE TABLE dead_letter_handles (
    lookup bytea NOT NULL,        -- keyed hash of the handle
    letter_id uuid NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE,
    PRIMARY KEY (lookup, letter_id)
);
CREATE INDEX dead_letter_handles_letter_id ON dead_letter_handles (letter_id);

-- Leads whose state the scorer is to fold from the log anew.
CREATE TABLE lead_rebuilds (
    lead_id uuid PRIMARY KEY,
    asked_at timestamptz NOT NULL
);

CREATE TABLE presences (
    id uuid PRIMARY KEY,
    role text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    parameters text NOT NULL,     -- JSON
    state text NOT NULL,          -- queued, running, done, failed or cancelled
    done bigint NOT NULL,
    total bigint NOT NULL,
    resume_after uuid,            -- the last lead that is done
    owner uuid,                   -- who runs it, until
    leased_until timestamptz,
    error text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX jobs_state ON jobs (state, created_at);

ALTER TABLE lead_scores ADD COLUMN features_hash text;
CREATE INDEX lead_scores_calculated_at ON lead_scores (calculated_at);

-- A test before release has no period; one against what came afterwards has the week of its predictions.
ALTER TABLE model_performance ADD COLUMN period_start timestamptz;
ALTER TABLE model_performance ADD COLUMN n bigint;
ALTER TABLE model_performance ADD COLUMN positives bigint;
ALTER TABLE model_performance ADD COLUMN log_loss double precision;
ALTER TABLE model_performance ADD COLUMN auc double precision;
ALTER TABLE model_performance ADD COLUMN ece double precision;
CREATE UNIQUE INDEX model_performance_period ON model_performance (period_start, model_version);

CREATE TABLE model_calibration (
    model_version text NOT NULL,
    period_start timestamptz NOT NULL,
    decile integer NOT NULL,      -- 1 to 10, the least probable first
    n bigint NOT NULL,
    probability double precision NOT NULL, -- mean of the predictions
    share double precision NOT NULL, -- of those that converted
    PRIMARY KEY (model_version, period_start, decile)
);
