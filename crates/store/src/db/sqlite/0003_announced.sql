-- Up to where everybody was told of the scores.
ALTER TABLE group_positions ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
