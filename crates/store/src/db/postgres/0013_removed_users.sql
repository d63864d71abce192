-- Addresses of users who were removed: whoever vouches for one of these does not bring its user back.
CREATE TABLE removed_users (
    email_lookup bytea PRIMARY KEY NOT NULL, -- keyed hash
    removed_at timestamptz NOT NULL
);
