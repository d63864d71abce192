-- Pages of leads in the order of their creation; written once for each lead, never for an event.
CREATE INDEX leads_created_at ON leads (created_at, id);
