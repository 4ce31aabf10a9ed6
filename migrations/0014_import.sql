-- Users and groups that come in bulk: what is uploaded, and what became of each line.

CREATE TABLE import (
    import_id uuid PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    actor text NOT NULL,
    access_key_id text COLLATE "C",
    source_address text,
    request_id text,
    idempotency_key text COLLATE "C",
    format text NOT NULL CONSTRAINT import_format CHECK (format IN ('NDJSON', 'CSV')),
    validate_only boolean NOT NULL,
    state text NOT NULL DEFAULT 'UPLOADING' CONSTRAINT import_state CHECK (state IN ('UPLOADING', 'UPLOADED')),
    chunk_count integer NOT NULL DEFAULT 0,
    line_count bigint NOT NULL DEFAULT 0,
    upload_mac text NOT NULL DEFAULT '',
    done_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX import_upload_key ON import (account_id, actor, idempotency_key) WHERE state = 'UPLOADING';
CREATE INDEX import_by_time ON import (updated_at);
COMMENT ON TABLE import IS 'An upload of users and groups; its operation has the same id once it is complete.';
COMMENT ON COLUMN import.actor IS 'Who asked for it, with the columns after it: the audit log names him for each line.';
COMMENT ON COLUMN import.validate_only IS 'All is checked and reported, and nothing is kept in the directory.';
COMMENT ON COLUMN import.upload_mac IS 'HMAC of all chunks so far: an upload that is sent again must begin with the same.';
COMMENT ON COLUMN import.done_count IS 'Lines that the worker is done with.';

CREATE TABLE import_chunk (
    import_id uuid NOT NULL REFERENCES import ON DELETE CASCADE,
    number integer NOT NULL,
    line_count bigint NOT NULL,
    sealed_lines bytea NOT NULL,
    hashes jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (import_id, number)
);
ALTER TABLE import_chunk ALTER COLUMN sealed_lines SET STORAGE EXTERNAL;
COMMENT ON TABLE import_chunk IS 'Up to 1,000 lines that wait for the worker, who removes them in the transaction that applies them.';
COMMENT ON COLUMN import_chunk.sealed_lines IS 'AES-256-GCM under the organization''s data key: they hold passwords.';
COMMENT ON COLUMN import_chunk.hashes IS 'By line: what the worker made of plain passwords so far.';

CREATE TABLE import_result (
    import_id uuid NOT NULL REFERENCES import ON DELETE CASCADE,
    line bigint NOT NULL,
    outcome text NOT NULL CONSTRAINT import_result_outcome
        CHECK (outcome IN ('CREATED', 'UPDATED', 'UNCHANGED', 'ERROR')),
    kind text,
    entity_id uuid,
    name text,
    errors jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (import_id, line)
);
COMMENT ON TABLE import_result IS 'What became of each line.';

CREATE TABLE import_trial_key (
    import_id uuid NOT NULL REFERENCES import ON DELETE CASCADE,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (import_id, key)
);
COMMENT ON TABLE import_trial_key IS 'Of an import that keeps nothing: names and addresses that earlier chunks would have taken.';

COMMENT ON COLUMN user_detail.password_hash IS 'Argon2id (PHC string), or as it was imported: bcrypt or SHA512-CRYPT; NULL while the user has no password.';

-- Each term that is gone is found by the whole key: the index by entity is of the organization's terms, all of them.
CREATE OR REPLACE FUNCTION entity_change_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text[] := entity_terms(old);
    after text[] := entity_terms(new);
    gone text;
BEGIN
    FOR gone IN SELECT term FROM unnest(before) AS term WHERE term <> ALL (coalesce(after, '{}')) LOOP
        DELETE FROM entity_term
            WHERE organization_id = old.organization_id AND term = gone AND entity_id = old.entity_id;
    END LOOP;
    INSERT INTO entity_term (organization_id, term, entity_id) SELECT new.organization_id, term, new.entity_id
        FROM unnest(after) AS term WHERE term <> ALL (coalesce(before, '{}'));
    RETURN NULL;
END $$;
