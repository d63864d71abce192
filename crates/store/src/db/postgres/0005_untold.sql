-- Leads of whose latest score, or want of one, Kafka has still to be told; those that were scored with an event are told
-- at once. A lead may stand here several times.
CREATE TABLE untold_scores (
    id bigserial PRIMARY KEY,
    partition integer NOT NULL,
    lead_id uuid NOT NULL
);

CREATE INDEX untold_scores_partition ON untold_scores (partition, id);
