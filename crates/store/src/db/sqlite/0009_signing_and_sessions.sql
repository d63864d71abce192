-- Keys that sign access tokens; all processes share them. At any time the one signs that began last.
CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY NOT NULL,
    public_key BLOB NOT NULL,
    private_key BLOB NOT NULL,    -- sealed
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    retired_at INTEGER            -- from when its successor signs
) WITHOUT ROWID;

CREATE TABLE sessions (
    id BLOB PRIMARY KEY NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    refreshes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Also the used ones, so that a second use is noticed.
CREATE TABLE refresh_tokens (
    token_hash BLOB PRIMARY KEY NOT NULL, -- SHA-256
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at INTEGER,
    used_by BLOB                  -- keyed hash of the client's address
) WITHOUT ROWID;
CREATE INDEX refresh_tokens_session_id ON refresh_tokens (session_id);

-- People log in once more: a log-in gave a token of this table until now. From here on it holds API keys only.
DELETE FROM tokens WHERE user_id IS NOT NULL;
DROP INDEX tokens_user_id;
ALTER TABLE tokens DROP COLUMN user_id;
