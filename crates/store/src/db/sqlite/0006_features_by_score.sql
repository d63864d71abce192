-- A lead's features are found by its scores, whose ids they have: an index less to write with every score.
DROP INDEX idx_lead_features;
