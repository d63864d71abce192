-- Events that Kafka does not have yet: merges, which the database decides, and what came while Kafka could not be reached.
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    lead_id uuid NOT NULL,
    source text NOT NULL,
    interaction_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    context_data bytea NOT NULL   -- sealed
);

-- Up to where everybody was told of the scores.
ALTER TABLE group_positions ADD COLUMN announced bigint NOT NULL DEFAULT 0;
-- What was there before has been told: the caches of then are gone.
UPDATE group_positions SET announced = position;
