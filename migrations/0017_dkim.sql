-- DKIM keys of mail domains, and the zone in which their public parts are published.

CREATE TABLE dkim_key (
    organization_id text COLLATE "C" NOT NULL,
    domain text COLLATE "C" NOT NULL,
    slot smallint NOT NULL CONSTRAINT dkim_key_slot CHECK (slot BETWEEN 1 AND 3),
    selector text COLLATE "C" NOT NULL CONSTRAINT dkim_key_selector_key UNIQUE,
    algorithm text COLLATE "C" NOT NULL CONSTRAINT dkim_key_algorithm CHECK (algorithm IN ('RSA_2048', 'ED25519')),
    state text COLLATE "C" NOT NULL CONSTRAINT dkim_key_state CHECK (state IN ('PUBLISHED', 'ACTIVE', 'RETIRED')),
    value text COLLATE "C" NOT NULL,
    sealed_private_key bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    active_at timestamptz,
    retire_at timestamptz,
    retired_at timestamptz,
    remove_at timestamptz,
    is_compromised boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organization_id, domain, slot),
    CONSTRAINT dkim_key_active_times CHECK (state <> 'ACTIVE' OR (active_at IS NOT NULL AND retire_at IS NOT NULL)),
    CONSTRAINT dkim_key_retired_times CHECK (state <> 'RETIRED' OR (retired_at IS NOT NULL AND remove_at IS NOT NULL)),
    CONSTRAINT dkim_key_domain_fkey FOREIGN KEY (organization_id, domain) REFERENCES mail_domain ON DELETE CASCADE
);
CREATE UNIQUE INDEX dkim_key_active_key ON dkim_key (organization_id, domain, algorithm) WHERE state = 'ACTIVE';
COMMENT ON TABLE dkim_key IS 'The keys behind the selectors of a mail domain (docs/dkim.md); they go with it.';
COMMENT ON COLUMN dkim_key.slot IS 'Which of mail_domain.dkim_selectors it is behind.';
COMMENT ON COLUMN dkim_key.selector IS 'That selector, by which the zone is in order.';
COMMENT ON COLUMN dkim_key.state IS 'PUBLISHED ones are in the zone and wait, ACTIVE ones sign, RETIRED ones are in the zone for mail on its way.';
COMMENT ON COLUMN dkim_key.value IS 'Of the TXT record, in one piece.';
COMMENT ON COLUMN dkim_key.sealed_private_key IS 'PKCS#8 in DER, AES-256-GCM under the organization''s data key, bound to domain, selector and value.';
COMMENT ON COLUMN dkim_key.published_at IS 'Since when it is in the zone.';
COMMENT ON COLUMN dkim_key.active_at IS 'Since when it signs or signed; NULL: it never did.';
COMMENT ON COLUMN dkim_key.retire_at IS 'When another one is to take the place of an ACTIVE one; brought forward by who asks for a rotation.';
COMMENT ON COLUMN dkim_key.retired_at IS 'Since when it signs no more.';
COMMENT ON COLUMN dkim_key.remove_at IS 'When a new key is to take the slot of a RETIRED one.';
COMMENT ON COLUMN dkim_key.is_compromised IS 'Once it signs no more it is not kept in the zone.';

CREATE TABLE dkim_zone (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT dkim_zone_only_row CHECK (only_row),
    serial bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE dkim_zone IS 'The zone of all DKIM keys of the installation: one row.';
COMMENT ON COLUMN dkim_zone.serial IS 'Grows whenever a record of the zone comes, goes or has another value, and only then.';
INSERT INTO dkim_zone (serial) VALUES (1);

CREATE FUNCTION dkim_zone_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE dkim_zone SET serial = serial + 1, changed_at = clock_timestamp();
    RETURN NULL;
END $$;
COMMENT ON FUNCTION dkim_zone_change IS 'Also for keys that go with their domain.';
CREATE TRIGGER dkim_key_change AFTER INSERT OR DELETE OR UPDATE OF selector, value ON dkim_key
    FOR EACH ROW EXECUTE FUNCTION dkim_zone_change();
