-- Answers of changes, kept so that a repeated request gets the same one (Idempotency-Key).

CREATE TABLE idempotency_record (
    account_id text COLLATE "C" NOT NULL REFERENCES account,
    actor text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    status integer NOT NULL,
    location text,
    etag text,
    sealed_body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, actor, operation, idempotency_key)
);
CREATE INDEX idempotency_record_by_time ON idempotency_record (created_at);
COMMENT ON TABLE idempotency_record IS 'Written in the transaction of the change; of use for 24 hours.';
COMMENT ON COLUMN idempotency_record.fingerprint IS 'HMAC-SHA256 of path, query and body: the same key with another request is refused.';
COMMENT ON COLUMN idempotency_record.sealed_body IS 'AES-256-GCM, bound to the primary key: an answer may hold a new secret.';

-- Called first in the transaction of a change with a key. It raises, so that nothing that was sent along is done:
-- PR001 while the first request still runs (nobody waits), PR002 when its answer is there.
CREATE FUNCTION idempotency_begin(an_account text, an_actor text, an_operation text, a_key text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(
        hashtextextended(concat_ws(E'\n', an_account, an_actor, an_operation, a_key), 7263)) THEN
        RAISE EXCEPTION USING ERRCODE = 'PR001', MESSAGE = 'a request with this idempotency key is running';
    END IF;
    DELETE FROM idempotency_record
        WHERE account_id = an_account AND actor = an_actor AND operation = an_operation
            AND idempotency_key = a_key AND created_at <= now() - interval '24 hours';
    IF EXISTS (SELECT FROM idempotency_record
               WHERE account_id = an_account AND actor = an_actor AND operation = an_operation
                   AND idempotency_key = a_key) THEN
        RAISE EXCEPTION USING ERRCODE = 'PR002', MESSAGE = 'this idempotency key has an answer';
    END IF;
END
$$;
