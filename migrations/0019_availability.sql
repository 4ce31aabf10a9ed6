-- Where the free/busy times of a domain's users are asked for: Exchange Web Services of another system.

CREATE TABLE availability_configuration (
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    domain text COLLATE "C" NOT NULL,
    ews_url text NOT NULL,
    username text NOT NULL,
    sealed_password bytea NOT NULL,
    last_test_outcome text,
    last_test_at timestamptz,
    last_test_detail text,
    last_test_help text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, domain),
    CONSTRAINT availability_configuration_last_test
        CHECK (num_nulls(last_test_outcome, last_test_at, last_test_detail, last_test_help) IN (0, 4))
);
COMMENT ON TABLE availability_configuration IS 'How free/busy times of a domain''s users are asked for at another Exchange.';
COMMENT ON COLUMN availability_configuration.organization_id IS 'Whose users ask.';
COMMENT ON COLUMN availability_configuration.domain IS 'The domain that is asked about, as an A-label.';
COMMENT ON COLUMN availability_configuration.ews_url IS 'Its Exchange Web Services.';
COMMENT ON COLUMN availability_configuration.username IS 'The service account there: an address, or DOMAIN\user.';
COMMENT ON COLUMN availability_configuration.sealed_password IS 'AES-256-GCM under the organization''s data key, bound to organization and domain.';
COMMENT ON COLUMN availability_configuration.last_test_outcome IS 'How the last test of what is stored here ended; NULL: it was not tested.';
COMMENT ON COLUMN availability_configuration.last_test_at IS 'When that was.';
COMMENT ON COLUMN availability_configuration.last_test_detail IS 'What was found.';
COMMENT ON COLUMN availability_configuration.last_test_help IS 'What to do about it.';
COMMENT ON COLUMN availability_configuration.version IS 'Counts changes, and tests, which the view shows.';
COMMENT ON COLUMN availability_configuration.created_at IS 'When it was made.';
COMMENT ON COLUMN availability_configuration.updated_at IS 'When it was changed last; tests are no change.';
