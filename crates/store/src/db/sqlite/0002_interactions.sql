-- The event log under the name and columns that both databases share.

DROP INDEX events_lead_id;
ALTER TABLE events RENAME TO lead_interactions;
ALTER TABLE lead_interactions RENAME COLUMN kind TO interaction_type;
ALTER TABLE lead_interactions RENAME COLUMN data TO context_data;
ALTER TABLE lead_interactions ADD COLUMN sentiment_score REAL;
ALTER TABLE lead_interactions ADD COLUMN engagement_duration INTEGER; -- seconds
CREATE INDEX idx_interactions ON lead_interactions (lead_id, occurred_at DESC);

-- PostgreSQL keeps these apart, because its log is partitioned by month.
CREATE VIEW event_ids AS SELECT id, lead_id, received_at FROM lead_interactions;
