-- A token from a log-in is its user's: it has the user's role, and ends with the user.
ALTER TABLE tokens ADD COLUMN user_id BLOB REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX tokens_user_id ON tokens (user_id) WHERE user_id IS NOT NULL;
-- Until now it was named by an address: people log in once more.
DELETE FROM tokens WHERE expires_at IS NOT NULL AND name LIKE '%@%';
