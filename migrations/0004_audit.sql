-- The audit log: what was changed, by whom, and what was refused. Events outlive what they tell of, so nothing here
-- refers to another table. An event is written into audit_unsealed in the transaction of its change; the sealer moves
-- committed ones into audit_event, where each has its number and its hash, and which is never updated.

CREATE TABLE audit_unsealed (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text COLLATE "C" NOT NULL CONSTRAINT audit_unsealed_chain CHECK (chain ~ '^([0-9]{12}|installation)$'),
    at timestamptz NOT NULL DEFAULT now(),
    organization_id text COLLATE "C",
    actor text COLLATE "C" NOT NULL,
    access_key_id text COLLATE "C",
    source_address text COLLATE "C",
    request_id text COLLATE "C",
    action text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL
        CONSTRAINT audit_unsealed_outcome CHECK (outcome IN ('ALLOWED', 'DENIED', 'FAILED')),
    reason text,
    omitted bigint,
    changes text
);
COMMENT ON TABLE audit_unsealed IS 'Events that wait for the sealer, about a second.';

CREATE TABLE audit_event (
    chain text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL CONSTRAINT audit_event_sequence CHECK (sequence > 0),
    event_id bigint NOT NULL,
    at timestamptz NOT NULL,
    organization_id text COLLATE "C",
    actor text COLLATE "C" NOT NULL,
    access_key_id text COLLATE "C",
    source_address text COLLATE "C",
    request_id text COLLATE "C",
    action text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    reason text,
    omitted bigint,
    changes text,
    hash text COLLATE "C" NOT NULL,
    PRIMARY KEY (chain, sequence)
);
CREATE INDEX audit_event_by_time ON audit_event (chain, at, event_id);
CREATE INDEX audit_event_by_organization ON audit_event (organization_id, at, event_id)
    WHERE organization_id IS NOT NULL;
COMMENT ON TABLE audit_event IS 'Sealed events; rows are added and never changed.';
COMMENT ON COLUMN audit_event.chain IS 'The account, or "installation" for what belongs to none: each has its own sequence and hashes.';
COMMENT ON COLUMN audit_event.sequence IS 'Without a gap within a chain, in the order of sealing.';
COMMENT ON COLUMN audit_event.event_id IS 'In the order of writing, with gaps.';
COMMENT ON COLUMN audit_event.actor IS '"root", the id of an IAM user, "service", "operator", or "anonymous" for a credential that was refused.';
COMMENT ON COLUMN audit_event.target IS 'Path of what was changed or asked for.';
COMMENT ON COLUMN audit_event.reason IS 'Code of a refusal, or why background work failed.';
COMMENT ON COLUMN audit_event.omitted IS 'How many refusals this event stands for, of a caller with too many of them.';
COMMENT ON COLUMN audit_event.changes IS 'JSON {before, after}; no secrets.';
COMMENT ON COLUMN audit_event.hash IS 'SHA-256 in hex of the hash before it and of all columns but event_id (docs/audit.md).';

CREATE TABLE audit_head (
    chain text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    signed_at timestamptz NOT NULL,
    signature text COLLATE "C" NOT NULL
);
COMMENT ON TABLE audit_head IS 'The end of each chain, signed with a key that is not in the database.';
COMMENT ON COLUMN audit_head.signature IS 'Ed25519 in hex of chain, sequence, hash and time (docs/audit.md).';

CREATE VIEW audit_log AS
    SELECT chain, sequence, event_id, at, organization_id, actor, access_key_id, source_address, request_id, action,
        target, outcome, reason, omitted, changes, hash
    FROM audit_event
    UNION ALL
    SELECT chain, NULL::bigint, event_id, at, organization_id, actor, access_key_id, source_address, request_id, action,
        target, outcome, reason, omitted, changes, NULL::text COLLATE "C"
    FROM audit_unsealed;
COMMENT ON VIEW audit_log IS 'All events; the latest have no sequence yet.';
