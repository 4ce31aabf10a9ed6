-- Mail domains: what proves that one is the organization's, when that is looked at, and what was seen.

ALTER TABLE mail_domain
    ADD COLUMN unicode_name text,
    ADD COLUMN allow_subdomains boolean NOT NULL DEFAULT false,
    ADD COLUMN ownership_token text COLLATE "C" NOT NULL
        -- 32 bytes of what two random UUIDs hold.
        DEFAULT encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'),
    ADD COLUMN dkim_selectors text[] COLLATE "C" NOT NULL
        DEFAULT ARRAY[replace(gen_random_uuid()::text, '-', ''), replace(gen_random_uuid()::text, '-', ''),
                      replace(gen_random_uuid()::text, '-', '')],
    ADD COLUMN identity_policy json,
    ADD COLUMN pending_since timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN proof_lost_at timestamptz,
    ADD COLUMN next_check_at timestamptz,
    ADD COLUMN last_checked_at timestamptz,
    ADD COLUMN check_attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN check_claims bigint NOT NULL DEFAULT 0,
    ADD COLUMN check_started_at timestamptz,
    ADD COLUMN wanted_operation_id uuid,
    ADD COLUMN check_operation_id uuid,
    ADD CONSTRAINT mail_domain_dkim_selectors CHECK (cardinality(dkim_selectors) = 3),
    ADD CONSTRAINT mail_domain_test_is_not_checked CHECK (NOT is_test_domain OR next_check_at IS NULL);

CREATE INDEX mail_domain_due ON mail_domain (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX mail_domain_by_name ON mail_domain (domain);
CREATE INDEX verified_domain_by_organization ON verified_domain (organization_id);

COMMENT ON COLUMN mail_domain.domain IS 'The A-label, in lower case.';
COMMENT ON COLUMN mail_domain.unicode_name IS 'How it is written for people; NULL: as the domain.';
COMMENT ON COLUMN mail_domain.allow_subdomains IS 'Whether other organizations may register domains below this one, once it is verified.';
COMMENT ON COLUMN mail_domain.ownership_status IS 'Of VERIFIED ones verified_domain has a row; a FAILED one is not looked at until somebody asks for it.';
COMMENT ON COLUMN mail_domain.ownership_token IS 'What a TXT record has to say; base64 of 32 random bytes.';
COMMENT ON COLUMN mail_domain.dkim_selectors IS 'Three, of the CNAMEs that the customer publishes once; keys rotate behind them.';
COMMENT ON COLUMN mail_domain.identity_policy IS 'Sending authorization policy; NULL: as the domain was made with (model/domain.h).';
COMMENT ON COLUMN mail_domain.pending_since IS 'When the time for publishing the proof began, that ends with FAILED.';
COMMENT ON COLUMN mail_domain.proof_lost_at IS 'Since when a VERIFIED one no longer proves itself; NULL: it does.';
COMMENT ON COLUMN mail_domain.next_check_at IS 'When it may be claimed for a check; of one in check, when the lease of that ends. NULL: never.';
COMMENT ON COLUMN mail_domain.check_attempts IS 'Checks in a row that did not change its state: how long the next one waits.';
COMMENT ON COLUMN mail_domain.check_claims IS 'Fence: a worker writes only while this is what it claimed.';
COMMENT ON COLUMN mail_domain.check_started_at IS 'Of the check that runs; NULL: none does.';
COMMENT ON COLUMN mail_domain.wanted_operation_id IS 'The operation that waits for a check which begins after it was asked for.';
COMMENT ON COLUMN mail_domain.check_operation_id IS 'The operation that ends with the check that runs.';
COMMENT ON COLUMN mail_domain.version IS 'Of what is decided here and of the status; what is observed in the DNS does not change it.';

CREATE TABLE mail_domain_record (
    organization_id text COLLATE "C" NOT NULL,
    domain text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL CONSTRAINT mail_domain_record_purpose
        CHECK (purpose IN ('OWNERSHIP', 'MX', 'AUTODISCOVER', 'DKIM', 'SPF', 'DMARC')),
    name text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CONSTRAINT mail_domain_record_status
        CHECK (status IN ('PENDING', 'VERIFIED', 'FAILED', 'MISSING', 'INCONSISTENT', 'NOT_EXPECTED')),
    code text COLLATE "C",
    help text,
    observed json NOT NULL DEFAULT '[]',
    checked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, domain, purpose, name),
    CONSTRAINT mail_domain_record_domain FOREIGN KEY (organization_id, domain) REFERENCES mail_domain ON DELETE CASCADE
);
COMMENT ON TABLE mail_domain_record IS 'What the worker saw of the records that a domain is expected to have; what it is expected to have is not stored (model/domain.h).';
COMMENT ON COLUMN mail_domain_record.value IS 'What was expected then: a record of which another value is expected now was not looked at.';
COMMENT ON COLUMN mail_domain_record.code IS 'What is wrong; NULL: nothing.';
COMMENT ON COLUMN mail_domain_record.help IS 'What to do about it, in plain words.';
COMMENT ON COLUMN mail_domain_record.observed IS 'List of {server, values, ttl}.';
