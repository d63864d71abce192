-- Addresses of users who were removed: whoever vouches for one of these does not bring its user back.
CREATE TABLE removed_users (
    email_lookup BLOB PRIMARY KEY NOT NULL, -- keyed hash
    removed_at INTEGER NOT NULL
) WITHOUT ROWID;
