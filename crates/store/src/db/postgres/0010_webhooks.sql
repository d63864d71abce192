-- Other systems that are told of what happens, and what they are told.

CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    description text NOT NULL,
    event_types text NOT NULL,    -- JSON, an array of words
    threshold integer,
    direction text,
    silent_days integer,
    secret bytea NOT NULL,         -- sealed
    previous_secret bytea,         -- sealed; signs too, until
    previous_secret_until timestamptz,
    disabled_reason text,         -- by_admin, gone or failing; NULL while it is enabled
    disabled_at timestamptz,
    failing_since timestamptz,        -- the first failure after the last success
    paused_until timestamptz,         -- the receiver asked to wait
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Messages name their endpoints without a reference: a commit of scores must not fail because an endpoint has gone.
CREATE TABLE webhook_messages (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    type text NOT NULL,
    lead_id uuid,
    payload text NOT NULL,        -- JSON, as it is signed and sent
    created_at timestamptz NOT NULL,
    state text NOT NULL,          -- pending, delivered or failed
    attempts integer NOT NULL,
    next_attempt_at timestamptz NOT NULL, -- while it is being sent: when somebody else may
    owner uuid,                   -- who sends it
    last_attempt_at timestamptz,
    last_status integer,
    last_error text
);
CREATE INDEX webhook_messages_due ON webhook_messages (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_messages_endpoint_id ON webhook_messages (endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_messages_lead_id ON webhook_messages (lead_id) WHERE lead_id IS NOT NULL;
