-- Identities that administrators keep themselves: groups, policies with documents, keys with limits, sessions.

CREATE TABLE policy (
    policy_id uuid PRIMARY KEY,
    account_id text COLLATE "C" REFERENCES account,
    name text COLLATE "C" NOT NULL,
    description text,
    document json NOT NULL,
    warnings json NOT NULL DEFAULT '[]',
    document_version bigint NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policy_name_key UNIQUE NULLS NOT DISTINCT (account_id, name)
);
COMMENT ON TABLE policy IS 'Documents that say who may do what, attached to users and groups.';
COMMENT ON COLUMN policy.account_id IS 'NULL for a managed policy: every account has it, none changes it.';
COMMENT ON COLUMN policy.document IS 'As it was given: actions that nobody here knows are kept.';
COMMENT ON COLUMN policy.warnings IS 'What in the document never has an effect, found when it was written.';
COMMENT ON COLUMN policy.document_version IS 'Counts the changes of the document; processes keep what they compiled by it.';

INSERT INTO policy (policy_id, name, description, document) VALUES
    ('00000000-0000-4000-8000-000000000001', 'AmazonWorkMailFullAccess',
     'Everything but identities: organizations, directories, keys and sending.',
     '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["workmail:*","ds:*","kms:*","ses:*"],"Resource":"*"}]}'),
    ('00000000-0000-4000-8000-000000000002', 'AmazonWorkMailReadOnlyAccess',
     'Reads and tests everything but identities.',
     '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["workmail:VerifyAuditLog","workmail:Get*","workmail:List*","workmail:Describe*","workmail:Search*","workmail:Test*","ses:Get*","ses:Describe*","ds:Describe*","ds:List*","kms:Describe*","kms:List*"],"Resource":"*"}]}');

ALTER TABLE iam_user
    ADD COLUMN path text,
    ADD COLUMN password_hash text;
COMMENT ON COLUMN iam_user.password_hash IS 'PHC string (Argon2id) of the console password; NULL: cannot sign in with one.';

-- Attachments are by id now. Who still runs the program before this one is refused, not let in with less to check.
ALTER TABLE iam_user_policy ADD COLUMN policy_id uuid REFERENCES policy;
UPDATE iam_user_policy a SET policy_id = p.policy_id
    FROM policy p WHERE p.account_id IS NULL AND p.name = a.policy_name;
DELETE FROM iam_user_policy WHERE policy_id IS NULL;
ALTER TABLE iam_user_policy
    DROP CONSTRAINT iam_user_policy_pkey,
    DROP COLUMN policy_name,
    ADD PRIMARY KEY (account_id, iam_user_id, policy_id);
CREATE INDEX iam_user_policy_by_policy ON iam_user_policy (policy_id);
COMMENT ON TABLE iam_user_policy IS 'Policies attached to an identity.';

CREATE TABLE iam_group (
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    iam_group_id uuid NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, iam_group_id),
    CONSTRAINT iam_group_name_key UNIQUE (account_id, name)
);
COMMENT ON TABLE iam_group IS 'Identities that share policies.';

CREATE TABLE iam_group_member (
    account_id text COLLATE "C" NOT NULL,
    iam_group_id uuid NOT NULL,
    iam_user_id uuid NOT NULL,
    PRIMARY KEY (account_id, iam_group_id, iam_user_id),
    CONSTRAINT iam_group_member_group FOREIGN KEY (account_id, iam_group_id) REFERENCES iam_group,
    FOREIGN KEY (account_id, iam_user_id) REFERENCES iam_user ON DELETE CASCADE
);
CREATE INDEX iam_group_member_by_user ON iam_group_member (account_id, iam_user_id);
COMMENT ON TABLE iam_group_member IS 'Who is in which group.';

CREATE TABLE iam_group_policy (
    account_id text COLLATE "C" NOT NULL,
    iam_group_id uuid NOT NULL,
    policy_id uuid NOT NULL REFERENCES policy,
    PRIMARY KEY (account_id, iam_group_id, policy_id),
    CONSTRAINT iam_group_policy_group FOREIGN KEY (account_id, iam_group_id) REFERENCES iam_group
);
CREATE INDEX iam_group_policy_by_policy ON iam_group_policy (policy_id);
COMMENT ON TABLE iam_group_policy IS 'Policies attached to a group: all its members have them.';

ALTER TABLE access_key
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}',
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX access_key_by_user ON access_key (account_id, iam_user_id);
COMMENT ON COLUMN access_key.allowed_networks IS 'Where requests with it may come from; empty: everywhere.';
COMMENT ON COLUMN access_key.last_used_at IS 'To about a minute.';

CREATE TABLE iam_session (
    account_id text COLLATE "C" NOT NULL,
    session_id uuid NOT NULL,
    iam_user_id uuid NOT NULL,
    token_digest bytea NOT NULL CONSTRAINT iam_session_token_key UNIQUE,
    source_address text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, session_id),
    FOREIGN KEY (account_id, iam_user_id) REFERENCES iam_user ON DELETE CASCADE
);
CREATE INDEX iam_session_by_user ON iam_session (account_id, iam_user_id);
CREATE INDEX iam_session_by_end ON iam_session (expires_at);
COMMENT ON TABLE iam_session IS 'Signed-in identities. The cookie itself is not kept, only its SHA-256.';

-- All policies of an identity, its own and those of its groups.
CREATE VIEW iam_user_authority AS
    SELECT account_id, iam_user_id, policy_id FROM iam_user_policy
    UNION
    SELECT m.account_id, m.iam_user_id, g.policy_id FROM iam_group_member m
        JOIN iam_group_policy g ON g.account_id = m.account_id AND g.iam_group_id = m.iam_group_id;
COMMENT ON VIEW iam_user_authority IS 'The policies that count for an identity: its own and those of its groups.';
