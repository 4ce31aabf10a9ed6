-- Settings of an organization: email journaling, the migration administrator.

CREATE TABLE journaling (
    organization_id text COLLATE "C" PRIMARY KEY REFERENCES organization,
    enabled boolean NOT NULL DEFAULT false,
    journaling_address text COLLATE "C",
    report_address text COLLATE "C",
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT journaling_addresses CHECK (NOT enabled OR (journaling_address IS NOT NULL AND report_address IS NOT NULL))
);
COMMENT ON TABLE journaling IS 'Whether a record of each message of an organization is sent to an archive; no row: it is not.';
COMMENT ON COLUMN journaling.organization_id IS 'Whose mail it is.';
COMMENT ON COLUMN journaling.enabled IS 'Mail servers send records.';
COMMENT ON COLUMN journaling.journaling_address IS 'Where to; in lower case, the domain as A-label.';
COMMENT ON COLUMN journaling.report_address IS 'Who is told of a record that could not be sent.';
COMMENT ON COLUMN journaling.version IS 'For entity tags.';
COMMENT ON COLUMN journaling.created_at IS 'When the organization was made.';
COMMENT ON COLUMN journaling.updated_at IS 'When it changed last.';

CREATE TABLE migration_setting (
    organization_id text COLLATE "C" PRIMARY KEY REFERENCES organization,
    user_id uuid,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migration_setting_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES entity (organization_id, entity_id)
        ON DELETE SET NULL (user_id)
);
CREATE INDEX migration_setting_by_user ON migration_setting (organization_id, user_id);
COMMENT ON TABLE migration_setting IS 'Who fills the mailboxes of an organization from another mail system; no row: nobody was chosen.';
COMMENT ON COLUMN migration_setting.organization_id IS 'Whose mailboxes they are.';
COMMENT ON COLUMN migration_setting.user_id IS 'The chosen user; NULL: the one that is called migration_admin, if there is one.';
COMMENT ON COLUMN migration_setting.version IS 'For entity tags.';
COMMENT ON COLUMN migration_setting.created_at IS 'When the organization was made.';
COMMENT ON COLUMN migration_setting.updated_at IS 'When it changed last.';
