-- Whose a lead is, and what a program may do.
CREATE TABLE teams (
    id BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);
ALTER TABLE users ADD COLUMN name BLOB;      -- sealed
ALTER TABLE users ADD COLUMN team_id BLOB REFERENCES teams (id);
CREATE INDEX users_team_id ON users (team_id) WHERE team_id IS NOT NULL;

ALTER TABLE leads ADD COLUMN agent_id BLOB REFERENCES users (id);
ALTER TABLE leads ADD COLUMN team_id BLOB REFERENCES teams (id); -- where it has no agent yet
CREATE INDEX leads_agent_id ON leads (agent_id) WHERE agent_id IS NOT NULL;
CREATE INDEX leads_team_id ON leads (team_id) WHERE team_id IS NOT NULL;

-- Words with spaces between them; NULL for sessions, which have their user's role.
ALTER TABLE tokens ADD COLUMN scopes TEXT;
UPDATE tokens SET scopes = CASE role
    WHEN 'admin' THEN 'admin'
    WHEN 'manager' THEN 'leads:read leads:write leads:personal events:write scores:read jobs:write'
    ELSE 'leads:read leads:write leads:personal events:write scores:read' END
WHERE user_id IS NULL;
ALTER TABLE tokens DROP COLUMN role;
