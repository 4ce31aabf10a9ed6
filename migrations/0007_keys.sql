-- Master keys of accounts, and the data keys of organizations that they wrap.

CREATE TABLE master_key (
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    key_id uuid NOT NULL,
    alias text COLLATE "C",
    description text,
    origin text NOT NULL CONSTRAINT master_key_origin CHECK (origin IN ('DEFAULT', 'CUSTOM')),
    status text NOT NULL DEFAULT 'ENABLED' CONSTRAINT master_key_status CHECK (status IN ('ENABLED', 'DISABLED')),
    generation integer NOT NULL DEFAULT 1,
    rotated_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key_id)
);
CREATE UNIQUE INDEX master_key_default_key ON master_key (account_id) WHERE origin = 'DEFAULT';
CREATE UNIQUE INDEX master_key_alias_key ON master_key (account_id, alias);
CREATE INDEX master_key_by_time ON master_key (account_id, created_at, key_id);
COMMENT ON TABLE master_key IS 'Keys of an account that wrap the data keys of its organizations.';
COMMENT ON COLUMN master_key.generation IS 'Of the material that wraps now; each rotation makes the next one.';

CREATE TABLE master_key_material (
    account_id text COLLATE "C" NOT NULL,
    key_id uuid NOT NULL,
    generation integer NOT NULL,
    sealed_material bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key_id, generation),
    FOREIGN KEY (account_id, key_id) REFERENCES master_key
);
COMMENT ON TABLE master_key_material IS 'What the master keys consist of; a former generation goes once it wraps nothing any more.';
COMMENT ON COLUMN master_key_material.sealed_material IS 'AES-256-GCM under a key derived from the root key, bound to the primary key.';

ALTER TABLE organization ADD COLUMN key_id uuid;
ALTER TABLE organization ADD CONSTRAINT organization_key_fkey
    FOREIGN KEY (account_id, key_id) REFERENCES master_key;
CREATE INDEX organization_by_key ON organization (account_id, key_id);
COMMENT ON COLUMN organization.key_id IS 'The master key of its data key; NULL only in one that is older than keys, until its job has run.';

CREATE TABLE data_key (
    organization_id text COLLATE "C" PRIMARY KEY REFERENCES organization,
    account_id text COLLATE "C" NOT NULL,
    key_id uuid NOT NULL,
    generation integer NOT NULL,
    wrapped_key bytea NOT NULL,
    sealed_probe bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (account_id, key_id, generation) REFERENCES master_key_material
);
CREATE INDEX data_key_by_material ON data_key (account_id, key_id, generation);
COMMENT ON TABLE data_key IS 'The key of an organization''s secrets; it goes with the organization, and the secrets with it.';
COMMENT ON COLUMN data_key.wrapped_key IS 'AES-256-GCM under the master key''s material of that generation, bound to organization, key and generation.';
COMMENT ON COLUMN data_key.sealed_probe IS 'A secret like those of the organization, by which its key is tried.';

INSERT INTO job (kind, organization_id)
    SELECT 'data_key', organization_id FROM organization WHERE state NOT IN ('DELETING', 'DELETED');
