-- Accounts, identities, organizations, users, and the work done for them.
-- The organization stands first in every key of what belongs to one, so that its rows can live together.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_only_row CHECK (only_row),
    root_key_fingerprint text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE installation IS 'What holds for the whole installation: one row.';
COMMENT ON COLUMN installation.root_key_fingerprint IS 'Of the root key under which the secrets here are sealed; a service with another key refuses to start.';

-- Accounts and identities ---------------------------------------------------------------------------------------

CREATE TABLE account (
    account_id text COLLATE "C" PRIMARY KEY CONSTRAINT account_id_form CHECK (account_id ~ '^[0-9]{12}$'),
    name text NOT NULL,
    status text NOT NULL DEFAULT 'ACTIVE' CONSTRAINT account_status CHECK (status IN ('ACTIVE', 'CLOSED')),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE account IS 'Owner of organizations, identities and keys.';

CREATE TABLE account_limit (
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    code text COLLATE "C" NOT NULL,
    value bigint NOT NULL CONSTRAINT account_limit_value CHECK (value >= 0),
    PRIMARY KEY (account_id, code)
);
COMMENT ON TABLE account_limit IS 'Limits that the operator set for an account; the defaults are in the service.';

CREATE TABLE iam_user (
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    iam_user_id uuid NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, iam_user_id),
    CONSTRAINT iam_user_name_key UNIQUE (account_id, name)
);
COMMENT ON TABLE iam_user IS 'An identity of an account, without any permission until a policy is attached.';

CREATE TABLE iam_user_policy (
    account_id text COLLATE "C" NOT NULL,
    iam_user_id uuid NOT NULL,
    policy_name text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, iam_user_id, policy_name),
    FOREIGN KEY (account_id, iam_user_id) REFERENCES iam_user ON DELETE CASCADE
);
COMMENT ON TABLE iam_user_policy IS 'Managed policies attached to an identity, by name.';

CREATE TABLE access_key (
    access_key_id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    iam_user_id uuid,
    sealed_secret bytea NOT NULL,
    status text NOT NULL DEFAULT 'ACTIVE' CONSTRAINT access_key_status CHECK (status IN ('ACTIVE', 'DISABLED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (account_id, iam_user_id) REFERENCES iam_user ON DELETE CASCADE
);
COMMENT ON TABLE access_key IS 'Credentials of the HTTP API.';
COMMENT ON COLUMN access_key.iam_user_id IS 'NULL for the root identity of the account.';
COMMENT ON COLUMN access_key.sealed_secret IS 'AES-256-GCM under a key derived from the root key, bound to access_key_id.';

-- Organizations -------------------------------------------------------------------------------------------------

CREATE TABLE directory (
    directory_id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    type text NOT NULL CONSTRAINT directory_type CHECK (type IN ('WORKMAIL')),
    name text NOT NULL,
    region text NOT NULL,
    organization_id text COLLATE "C" CONSTRAINT directory_organization_key UNIQUE,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE directory IS 'Where users and groups live; it may outlast its organization.';
COMMENT ON COLUMN directory.organization_id IS 'The organization that uses it; NULL for one that was kept.';

CREATE TABLE directory_entry (
    directory_id text COLLATE "C" NOT NULL REFERENCES directory ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL,
    document json NOT NULL,
    PRIMARY KEY (directory_id, id)
);
COMMENT ON TABLE directory_entry IS 'Entries of a directory that no organization uses: details and the password''s hash, without mailbox and address.';

CREATE TABLE organization (
    organization_id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    alias text COLLATE "C" NOT NULL,
    region text NOT NULL,
    setup text NOT NULL CONSTRAINT organization_setup CHECK (setup IN ('QUICK', 'STANDARD')),
    directory_id text COLLATE "C",
    interoperability_enabled boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'REQUESTED' CONSTRAINT organization_state CHECK (state IN
        ('REQUESTED', 'CREATING', 'ACTIVE', 'FAILED', 'VALIDATING', 'IMPAIRED', 'INACTIVE', 'DELETING', 'DELETED')),
    state_reason text,
    is_serving boolean NOT NULL DEFAULT false,
    test_domain text COLLATE "C" NOT NULL,
    default_domain text COLLATE "C" NOT NULL,
    completed_at timestamptz,
    deleted_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX organization_by_time ON organization (account_id, created_at, organization_id);
CREATE INDEX organization_by_alias ON organization (account_id, alias, organization_id);
COMMENT ON TABLE organization IS 'A tenant. Its row stays when it is deleted.';
COMMENT ON COLUMN organization.is_serving IS 'Whether its users can be worked with: ACTIVE, IMPAIRED, or VALIDATING coming from one of these.';

CREATE TABLE organization_alias (
    alias text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE organization_alias IS 'Registry of all aliases of the installation; an alias is never used again.';

CREATE TABLE organization_transition (
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    transition_id bigint GENERATED ALWAYS AS IDENTITY,
    from_state text,
    to_state text NOT NULL,
    actor text NOT NULL,
    reason text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, transition_id)
);
COMMENT ON TABLE organization_transition IS 'Every state an organization was in, why, and who or what caused it.';

CREATE TABLE mail_domain (
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    domain text COLLATE "C" NOT NULL,
    is_test_domain boolean NOT NULL DEFAULT false,
    ownership_status text NOT NULL DEFAULT 'PENDING'
        CONSTRAINT mail_domain_ownership_status CHECK (ownership_status IN ('PENDING', 'VERIFIED', 'FAILED')),
    verified_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, domain)
);
COMMENT ON TABLE mail_domain IS 'Domains of an organization; addresses are in verified ones only.';

CREATE TABLE verified_domain (
    domain text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organization
);
COMMENT ON TABLE verified_domain IS 'Registry: the one organization of the installation that owns a domain.';

CREATE TABLE mobile_policy (
    organization_id text COLLATE "C" PRIMARY KEY REFERENCES organization,
    password_required boolean NOT NULL DEFAULT true,
    allow_simple_password boolean NOT NULL DEFAULT true,
    min_password_length integer NOT NULL DEFAULT 4 CHECK (min_password_length BETWEEN 1 AND 18),
    require_alphanumeric_password boolean NOT NULL DEFAULT false,
    min_character_sets integer NOT NULL DEFAULT 1 CHECK (min_character_sets BETWEEN 1 AND 4),
    max_failed_attempts integer NOT NULL DEFAULT 8 CHECK (max_failed_attempts BETWEEN 4 AND 16),
    password_expiration_days integer NOT NULL DEFAULT 0 CHECK (password_expiration_days BETWEEN 0 AND 730),
    screen_lock_seconds integer NOT NULL DEFAULT 300 CHECK (screen_lock_seconds BETWEEN 0 AND 9998),
    password_history integer NOT NULL DEFAULT 0 CHECK (password_history BETWEEN 0 AND 50),
    require_device_encryption boolean NOT NULL DEFAULT false,
    require_storage_card_encryption boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE mobile_policy IS 'The mobile device policy of an organization, made by its set-up.';

-- Users, groups and resources -----------------------------------------------------------------------------------

CREATE TABLE entity (
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    entity_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT entity_kind CHECK (kind IN ('USER', 'GROUP', 'RESOURCE')),
    name text NOT NULL,
    name_folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(name COLLATE "und-x-icu")) STORED,
    display_name text NOT NULL,
    display_name_folded text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (lower(display_name COLLATE "und-x-icu")) STORED,
    state text NOT NULL CONSTRAINT entity_state CHECK (state IN ('ENABLED', 'DISABLED', 'DELETED')),
    hidden_from_address_list boolean NOT NULL DEFAULT false,
    search_text text COLLATE "C" NOT NULL,
    enabled_at timestamptz,
    disabled_at timestamptz,
    deleted_at timestamptz,
    purge_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, entity_id)
);
CREATE UNIQUE INDEX entity_name_key ON entity (organization_id, name_folded) WHERE state <> 'DELETED';
CREATE INDEX entity_by_name ON entity (organization_id, kind, name_folded, entity_id);
CREATE INDEX entity_by_display_name ON entity (organization_id, kind, display_name_folded, entity_id);
CREATE INDEX entity_by_time ON entity (organization_id, kind, created_at, entity_id);
CREATE INDEX entity_search ON entity USING gin (organization_id, search_text gin_trgm_ops);
COMMENT ON TABLE entity IS 'What users, groups and resources have in common; a view of one shows its addresses, so they change its version.';
COMMENT ON COLUMN entity.search_text IS 'Names and addresses in lower case, one a line, for substring search.';
COMMENT ON COLUMN entity.purge_at IS 'When the mailbox and the addresses of a disabled or deleted one are given up.';

CREATE TABLE user_detail (
    organization_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    type text NOT NULL CONSTRAINT user_detail_type
        CHECK (type IN ('USER', 'SYSTEM_USER', 'RESOURCE', 'REMOTE_USER')),
    first_name text,
    last_name text,
    initials text,
    street text,
    city text,
    zip_code text,
    country text,
    telephone text,
    job_title text,
    department text,
    company text,
    office text,
    quota_mb integer NOT NULL,
    password_hash text,
    PRIMARY KEY (organization_id, entity_id),
    FOREIGN KEY (organization_id, entity_id) REFERENCES entity ON DELETE CASCADE
);
COMMENT ON TABLE user_detail IS 'What only users have.';
COMMENT ON COLUMN user_detail.password_hash IS 'PHC string (Argon2id); NULL while the user has no password.';

CREATE TABLE address_registry (
    email text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL
);
COMMENT ON TABLE address_registry IS 'Registry: the one entity of the installation that an address belongs to, kept while it is quarantined.';

CREATE TABLE email_address (
    organization_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    email text COLLATE "C" NOT NULL,
    is_primary boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, entity_id, email),
    FOREIGN KEY (organization_id, entity_id) REFERENCES entity ON DELETE CASCADE
);
CREATE UNIQUE INDEX email_address_primary_key ON email_address (organization_id, entity_id) WHERE is_primary;
COMMENT ON TABLE email_address IS 'Addresses of an entity: one primary, the others aliases that only receive.';

CREATE TABLE mailbox (
    organization_id text COLLATE "C" NOT NULL,
    mailbox_id uuid NOT NULL,
    entity_id uuid NOT NULL,
    provisioned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, mailbox_id),
    CONSTRAINT mailbox_entity_key UNIQUE (organization_id, entity_id),
    FOREIGN KEY (organization_id, entity_id) REFERENCES entity ON DELETE CASCADE
);
COMMENT ON TABLE mailbox IS 'Belongs to the id of its user for ever: a user made anew under the same name gets another one.';

-- Work ----------------------------------------------------------------------------------------------------------

CREATE TABLE operation (
    operation_id uuid PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    organization_id text COLLATE "C" REFERENCES organization,
    operation text NOT NULL,
    target text NOT NULL,
    status text NOT NULL DEFAULT 'PENDING' CONSTRAINT operation_status
        CHECK (status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    steps jsonb NOT NULL,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX operation_by_time ON operation (account_id, created_at, operation_id);
CREATE INDEX operation_by_organization ON operation (organization_id, created_at, operation_id);
COMMENT ON TABLE operation IS 'What a caller sees of long work.';
COMMENT ON COLUMN operation.steps IS 'List of {name, status, attempts, at, error}.';

CREATE TABLE job (
    job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    organization_id text COLLATE "C" REFERENCES organization,
    entity_id uuid,
    operation_id uuid REFERENCES operation,
    document json,
    state text NOT NULL DEFAULT 'PENDING' CONSTRAINT job_state
        CHECK (state IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    step integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    claims bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX job_due ON job (run_at) WHERE state IN ('PENDING', 'RUNNING');
CREATE INDEX job_by_organization ON job (organization_id) WHERE state IN ('PENDING', 'RUNNING');
COMMENT ON TABLE job IS 'The queue of background work.';
COMMENT ON COLUMN job.run_at IS 'When it may be claimed; of a RUNNING one, when its lease ends.';
COMMENT ON COLUMN job.claims IS 'Fence: a worker writes only while this is what it claimed.';
COMMENT ON COLUMN job.failures IS 'Of the present step, since its last success.';
