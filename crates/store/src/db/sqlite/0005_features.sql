-- What each score was calculated from, and ids of events that are no longer kept.

CREATE TABLE lead_features (
    id BLOB PRIMARY KEY NOT NULL, -- of the score; sorts by time
    lead_id BLOB NOT NULL,
    behavioral_score INTEGER NOT NULL,
    engagement_score INTEGER NOT NULL,
    market_correlation INTEGER NOT NULL,
    timing_score INTEGER NOT NULL,
    feature_vector BLOB NOT NULL, -- sealed; its hash is the score's features_hash
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idx_lead_features ON lead_features (lead_id, created_at DESC);

-- An event that retention removed is a duplicate all the same when it comes again.
CREATE TABLE forgotten_events (
    id BLOB PRIMARY KEY NOT NULL,
    lead_id BLOB NOT NULL,
    received_at INTEGER NOT NULL
) WITHOUT ROWID;
DROP VIEW event_ids;
CREATE VIEW event_ids AS
    SELECT id, lead_id, received_at FROM lead_interactions
    UNION ALL SELECT id, lead_id, received_at FROM forgotten_events;
