-- What each score was calculated from.

CREATE TABLE lead_features (
    id uuid NOT NULL,             -- of the score
    lead_id uuid NOT NULL,
    behavioral_score smallint NOT NULL,
    engagement_score smallint NOT NULL,
    market_correlation smallint NOT NULL,
    timing_score smallint NOT NULL,
    feature_vector bytea NOT NULL, -- sealed; its hash is the score's features_hash
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX idx_lead_features ON lead_features (lead_id, created_at DESC);
