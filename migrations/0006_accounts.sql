-- Several accounts in one installation: free trials, closing, and what is metered.

ALTER TABLE account ADD COLUMN is_trial boolean NOT NULL DEFAULT false;
ALTER TABLE account ADD COLUMN trial_ends_at timestamptz;
ALTER TABLE account ADD COLUMN closed_at timestamptz;
COMMENT ON COLUMN account.is_trial IS 'Made as a free trial that the operator has not ended; it is over all the same after trial_ends_at.';
COMMENT ON COLUMN account.trial_ends_at IS 'Known once the account has made its first organization.';

CREATE TABLE active_period (
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    entity_id uuid NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (organization_id, entity_id, began_at)
);
CREATE UNIQUE INDEX active_period_open_key ON active_period (organization_id, entity_id) WHERE ended_at IS NULL;
CREATE INDEX active_period_by_end ON active_period (organization_id, ended_at);
COMMENT ON TABLE active_period IS 'When users were enabled, which is what is metered: kept when user and organization are gone.';
COMMENT ON COLUMN active_period.ended_at IS 'NULL while the user is enabled.';

INSERT INTO active_period (organization_id, entity_id, began_at)
    SELECT organization_id, entity_id, coalesce(enabled_at, created_at) FROM entity
    WHERE kind = 'USER' AND state = 'ENABLED';
