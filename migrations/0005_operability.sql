-- Work that comes again and again, work that ends whoever does it, and the end of old records.

ALTER TABLE job ADD COLUMN lost_leases integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX job_periodic_installation_key ON job (kind) WHERE is_periodic AND organization_id IS NULL;
COMMENT ON COLUMN job.is_periodic IS 'It comes again: one row of the kind for an organization, brought forward when asked for, or for the installation.';
COMMENT ON COLUMN job.lost_leases IS 'Claims in a row after which nothing was heard of the worker any more.';

-- Old records are found by their age; an operation goes after its jobs.
CREATE INDEX job_finished ON job (finished_at, job_id) WHERE finished_at IS NOT NULL;
CREATE INDEX job_by_operation ON job (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX operation_finished ON operation (finished_at, operation_id) WHERE finished_at IS NOT NULL;
