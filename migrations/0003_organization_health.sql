-- Organizations are looked at, on demand and time and again; directories that were kept can be found and used again.

CREATE TABLE organization_health (
    organization_id text COLLATE "C" PRIMARY KEY REFERENCES organization,
    checked_at timestamptz NOT NULL,
    errors integer NOT NULL CONSTRAINT organization_health_errors CHECK (errors >= 0),
    reason text,
    issues json NOT NULL
);
COMMENT ON TABLE organization_health IS 'What the last health check of an organization found.';
COMMENT ON COLUMN organization_health.errors IS 'How many issues impair the organization; the others are warnings.';
COMMENT ON COLUMN organization_health.reason IS 'The errors in one sentence; NULL without any.';
COMMENT ON COLUMN organization_health.issues IS 'List of {code, severity, subject, detail, help}.';

ALTER TABLE job ADD COLUMN is_periodic boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN job.is_periodic IS 'It comes again: one row of the kind for an organization, brought forward when asked for.';
CREATE UNIQUE INDEX job_periodic_key ON job (organization_id, kind)
    WHERE is_periodic AND state IN ('PENDING', 'RUNNING');

INSERT INTO job (kind, organization_id, is_periodic, run_at)
    SELECT 'organization_health', organization_id, true, now() + random() * interval '1 day'
    FROM organization WHERE state = 'ACTIVE';

-- A check of one organization must not read the addresses of all.
CREATE INDEX address_registry_by_organization ON address_registry (organization_id, entity_id);

CREATE INDEX directory_by_time ON directory (account_id, created_at, directory_id);
