-- Up to where everybody was told of the scores.
ALTER TABLE group_positions ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
-- What was there before has been told: the caches of then are gone.
UPDATE group_positions SET announced = position;
