-- Keys that sign access tokens; all processes share them. At any time the one signs that began last.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY NOT NULL,
    public_key bytea NOT NULL,
    private_key bytea NOT NULL,   -- sealed
    created_at timestamptz NOT NULL,
    signs_from timestamptz NOT NULL,
    retired_at timestamptz        -- from when its successor signs
);

CREATE TABLE sessions (
    id uuid PRIMARY KEY NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    refreshes bigint NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Also the used ones, so that a second use is noticed.
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY NOT NULL, -- SHA-256
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at timestamptz,
    used_by bytea                 -- keyed hash of the client's address
);
CREATE INDEX refresh_tokens_session_id ON refresh_tokens (session_id);

-- People log in once more: a log-in gave a token of this table until now. From here on it holds API keys only.
DELETE FROM tokens WHERE user_id IS NOT NULL;
DROP INDEX tokens_user_id;
ALTER TABLE tokens DROP COLUMN user_id;
