-- Events that are older than the operator wants to keep are removed from the beginning of their chain. What stays is
-- verified from the last one that is gone.

CREATE TABLE audit_checkpoint (
    chain text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    signed_at timestamptz NOT NULL,
    signature text COLLATE "C" NOT NULL
);
COMMENT ON TABLE audit_checkpoint IS 'The last event that was removed from the beginning of each chain, signed with a key that is not in the database.';
COMMENT ON COLUMN audit_checkpoint.hash IS 'Of that event: what the first one that stays is chained to.';
COMMENT ON COLUMN audit_checkpoint.signature IS 'Ed25519 in hex of chain, sequence, hash and time (docs/audit.md).';

COMMENT ON TABLE audit_event IS 'Sealed events; rows are added and never changed, and removed from the beginning of a chain only (audit_checkpoint).';
