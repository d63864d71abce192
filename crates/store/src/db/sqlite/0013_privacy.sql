-- What people ask for by their rights over their data, and where a person decided otherwise than the model.

CREATE TABLE privacy_requests (
    id BLOB PRIMARY KEY NOT NULL, -- sorts by the time of opening
    kind TEXT NOT NULL,           -- access, rectification, restriction, objection, erasure or contest
    status TEXT NOT NULL,         -- open, in_progress, done or refused
    lead_id BLOB NOT NULL,
    opened_by TEXT NOT NULL,      -- JSON: kind, id and role
    decided_by TEXT,              -- the same: who approved, took or refused it
    received_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    extended_at INTEGER,
    note BLOB,                    -- sealed under the lead's key, like the two below
    extension_reason BLOB,
    decision BLOB,
    receipt TEXT,                 -- JSON, without personal data; also what a step has done so far
    owner BLOB,                   -- the process that carries it out, until
    leased_until INTEGER,
    export_expires_at INTEGER,
    lifted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
) WITHOUT ROWID;
CREATE INDEX privacy_requests_due ON privacy_requests (due_at) WHERE status IN ('open', 'in_progress');
CREATE INDEX privacy_requests_lead_id ON privacy_requests (lead_id);

-- Exports that wait to be fetched, in pieces of a document.
CREATE TABLE privacy_exports (
    request_id BLOB NOT NULL REFERENCES privacy_requests (id) ON DELETE CASCADE,
    part INTEGER NOT NULL,        -- from 0
    bytes BLOB NOT NULL,          -- sealed under the lead's key
    PRIMARY KEY (request_id, part)
) WITHOUT ROWID;

CREATE TABLE score_overrides (
    id BLOB PRIMARY KEY NOT NULL, -- sorts by time
    lead_id BLOB NOT NULL,
    score INTEGER NOT NULL CHECK (score >= 0 AND score <= 100),
    reason BLOB,                  -- sealed under the lead's key
    set_by TEXT NOT NULL,         -- JSON: kind, id and role
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    ended_at INTEGER,
    ended_by TEXT
) WITHOUT ROWID;
CREATE INDEX score_overrides_lead_id ON score_overrides (lead_id, id DESC);
CREATE INDEX score_overrides_present ON score_overrides (lead_id) WHERE ended_at IS NULL;
