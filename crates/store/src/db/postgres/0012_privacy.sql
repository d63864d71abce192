-- What people ask for by their rights over their data, and where a person decided otherwise than the model.

CREATE TABLE privacy_requests (
    id uuid PRIMARY KEY, -- sorts by the time of opening
    kind text NOT NULL,           -- access, rectification, restriction, objection, erasure or contest
    status text NOT NULL,         -- open, in_progress, done or refused
    lead_id uuid NOT NULL,
    opened_by text NOT NULL,      -- JSON: kind, id and role
    decided_by text,              -- the same: who approved, took or refused it
    received_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    extended_at timestamptz,
    note bytea,                    -- sealed under the lead's key, like the two below
    extension_reason bytea,
    decision bytea,
    receipt text,                 -- JSON, without personal data; also what a step has done so far
    owner uuid,                   -- the process that carries it out, until
    leased_until timestamptz,
    export_expires_at timestamptz,
    lifted_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX privacy_requests_due ON privacy_requests (due_at) WHERE status IN ('open', 'in_progress');
CREATE INDEX privacy_requests_lead_id ON privacy_requests (lead_id);

-- Exports that wait to be fetched, in pieces of a document.
CREATE TABLE privacy_exports (
    request_id uuid NOT NULL REFERENCES privacy_requests (id) ON DELETE CASCADE,
    part integer NOT NULL,        -- from 0
    bytes bytea NOT NULL,         -- sealed under the lead's key
    PRIMARY KEY (request_id, part)
);

CREATE TABLE score_overrides (
    id uuid PRIMARY KEY, -- sorts by time
    lead_id uuid NOT NULL,
    score integer NOT NULL CHECK (score >= 0 AND score <= 100),
    reason bytea,                  -- sealed under the lead's key
    set_by text NOT NULL,         -- JSON: kind, id and role
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    ended_at timestamptz,
    ended_by text
);
CREATE INDEX score_overrides_lead_id ON score_overrides (lead_id, id DESC);
CREATE INDEX score_overrides_present ON score_overrides (lead_id) WHERE ended_at IS NULL;
