-- Other systems that are told of what happens, and what they are told.

CREATE TABLE webhook_endpoints (
    id BLOB PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    event_types TEXT NOT NULL,    -- JSON, an array of words
    threshold INTEGER,
    direction TEXT,
    silent_days INTEGER,
    secret BLOB NOT NULL,         -- sealed
    previous_secret BLOB,         -- sealed; signs too, until
    previous_secret_until INTEGER,
    disabled_reason TEXT,         -- by_admin, gone or failing; NULL while it is enabled
    disabled_at INTEGER,
    failing_since INTEGER,        -- the first failure after the last success
    paused_until INTEGER,         -- the receiver asked to wait
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Messages name their endpoints without a reference: a commit of scores must not fail because an endpoint has gone.
CREATE TABLE webhook_messages (
    id BLOB PRIMARY KEY NOT NULL,
    endpoint_id BLOB NOT NULL,
    type TEXT NOT NULL,
    lead_id BLOB,
    payload TEXT NOT NULL,        -- JSON, as it is signed and sent
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,          -- pending, delivered or failed
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL, -- while it is being sent: when somebody else may
    owner BLOB,                   -- who sends it
    last_attempt_at INTEGER,
    last_status INTEGER,
    last_error TEXT
) WITHOUT ROWID;
CREATE INDEX webhook_messages_due ON webhook_messages (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_messages_endpoint_id ON webhook_messages (endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_messages_lead_id ON webhook_messages (lead_id) WHERE lead_id IS NOT NULL;
