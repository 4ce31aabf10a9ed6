-- Directories that the company has already: how they are reached, who follows them, and what came of it.

ALTER TABLE directory
    DROP CONSTRAINT directory_type,
    ADD CONSTRAINT directory_type CHECK (type IN ('WORKMAIL', 'SIMPLE_AD', 'MANAGED_AD', 'AD_CONNECTOR', 'LDAP')),
    ADD COLUMN connection json,
    ADD COLUMN sealed_bind_password bytea,
    ADD COLUMN connection_generation bigint NOT NULL DEFAULT 1,
    ADD COLUMN sync_status text COLLATE "C"
        CONSTRAINT directory_sync_status CHECK (sync_status IN ('PENDING', 'LOADING', 'FOLLOWING', 'FAILING')),
    ADD COLUMN sync_due_at timestamptz,
    ADD COLUMN sync_claims bigint NOT NULL DEFAULT 0,
    ADD COLUMN sync_cookie text,
    ADD COLUMN sync_generation bigint NOT NULL DEFAULT 0,
    ADD COLUMN compared_generation bigint NOT NULL DEFAULT 0,
    ADD COLUMN sync_full_wanted boolean NOT NULL DEFAULT false,
    ADD COLUMN sync_failures integer NOT NULL DEFAULT 0,
    ADD COLUMN sync_lag_ms bigint,
    ADD COLUMN sync_users bigint NOT NULL DEFAULT 0,
    ADD COLUMN sync_groups bigint NOT NULL DEFAULT 0,
    ADD COLUMN sync_changes bigint NOT NULL DEFAULT 0,
    ADD COLUMN sync_error_code text COLLATE "C",
    ADD COLUMN sync_error text,
    ADD COLUMN sync_error_since timestamptz,
    ADD COLUMN last_synced_at timestamptz,
    ADD COLUMN last_compared_at timestamptz,
    ADD COLUMN wanted_operation_id uuid,
    ADD COLUMN sync_operation_id uuid,
    ADD CONSTRAINT directory_connection CHECK ((type = 'WORKMAIL') = (connection IS NULL)),
    ADD CONSTRAINT directory_sync CHECK ((type = 'WORKMAIL') = (sync_status IS NULL)
        AND (type <> 'WORKMAIL' OR sync_due_at IS NULL));
CREATE INDEX directory_due ON directory (sync_due_at) WHERE sync_due_at IS NOT NULL;
COMMENT ON COLUMN directory.type IS 'WORKMAIL: built in. The users of AD_CONNECTOR and LDAP are changed there only; changes of those of SIMPLE_AD and MANAGED_AD are written through.';
COMMENT ON COLUMN directory.connection IS 'How it is reached, bound to, searched and mapped (model/directory_connection.h), without the bind password; NULL: it is built in.';
COMMENT ON COLUMN directory.sealed_bind_password IS 'AES-256-GCM under a key derived from the root key, bound to the directory; NULL: there is none.';
COMMENT ON COLUMN directory.connection_generation IS 'Grows with each change of connection or bind password: who follows it begins anew.';
COMMENT ON COLUMN directory.sync_status IS 'PENDING: nobody has followed it yet; NULL: it is built in. What is observed, like all of sync_…, does not change the version.';
COMMENT ON COLUMN directory.sync_due_at IS 'When it may be claimed by who follows it; of one that is followed, when his lease ends. NULL: it is not followed, no organization uses it.';
COMMENT ON COLUMN directory.sync_claims IS 'Fence: who follows it writes only while this is what he claimed.';
COMMENT ON COLUMN directory.sync_cookie IS 'Where to go on, in the words of the directory server; NULL: with a full comparison.';
COMMENT ON COLUMN directory.sync_generation IS 'Number of the last full comparison that was begun: entries that it did not see at its end are gone.';
COMMENT ON COLUMN directory.compared_generation IS 'Number of the last full comparison that ended.';
COMMENT ON COLUMN directory.sync_full_wanted IS 'A full comparison is to be made, whatever the cookie says.';
COMMENT ON COLUMN directory.sync_failures IS 'In a row: how long the next attempt waits.';
COMMENT ON COLUMN directory.sync_lag_ms IS 'From when the last batch was read to when it was committed.';
COMMENT ON COLUMN directory.sync_users IS 'Users that are there because the directory has them; counted anew by each full comparison.';
COMMENT ON COLUMN directory.sync_groups IS 'The same of groups.';
COMMENT ON COLUMN directory.sync_changes IS 'Entries that were made, changed or removed since the directory was attached.';
COMMENT ON COLUMN directory.sync_error_code IS 'Why it cannot be followed; NULL: it can.';
COMMENT ON COLUMN directory.sync_error IS 'The same in plain words, with what to do.';
COMMENT ON COLUMN directory.sync_error_since IS 'Since when, without a success in between.';
COMMENT ON COLUMN directory.last_synced_at IS 'When the directory was last known to be the same here.';
COMMENT ON COLUMN directory.last_compared_at IS 'When the last full comparison ended.';
COMMENT ON COLUMN directory.wanted_operation_id IS 'The operation that waits for a full comparison which begins after it was asked for.';
COMMENT ON COLUMN directory.sync_operation_id IS 'The operation that ends with the full comparison that is being made.';

CREATE TABLE external_entry (
    organization_id text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    dn text NOT NULL,
    dn_folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(dn COLLATE "und-x-icu")) STORED,
    is_read_only boolean NOT NULL,
    is_disabled boolean NOT NULL DEFAULT false,
    was_enabled boolean NOT NULL DEFAULT false,
    proposed_email text,
    digest text COLLATE "C" NOT NULL DEFAULT '',
    generation bigint NOT NULL,
    PRIMARY KEY (organization_id, external_id),
    CONSTRAINT external_entry_entity_key UNIQUE (organization_id, entity_id),
    CONSTRAINT external_entry_entity_fkey FOREIGN KEY (organization_id, entity_id) REFERENCES entity ON DELETE CASCADE
);
CREATE INDEX external_entry_by_dn ON external_entry (organization_id, dn_folded);
CREATE INDEX external_entry_unseen ON external_entry (organization_id, generation);
COMMENT ON TABLE external_entry IS 'Which entry of the external directory of its organization an entity is, kept until a deleted one is purged: when the same entry comes back before, so does the entity.';
COMMENT ON COLUMN external_entry.external_id IS 'entryUUID or objectGUID: stays the same when the entry is renamed or moved.';
COMMENT ON COLUMN external_entry.dn IS 'Where it was last seen.';
COMMENT ON COLUMN external_entry.dn_folded IS 'By which members of groups are found.';
COMMENT ON COLUMN external_entry.is_read_only IS 'It is changed in its directory only, of which this depends (directory.type).';
COMMENT ON COLUMN external_entry.is_disabled IS 'The account is disabled in the directory: it cannot be enabled here.';
COMMENT ON COLUMN external_entry.was_enabled IS 'It was ENABLED when the directory disabled it, and will be again.';
COMMENT ON COLUMN external_entry.proposed_email IS 'The primary address that the directory suggests; nobody has it by that.';
COMMENT ON COLUMN external_entry.digest IS 'SHA-256 of the mapped entry as it was last applied: what is the same is not written again.';
COMMENT ON COLUMN external_entry.generation IS 'The last full comparison that saw it, or was begun when it was seen.';

CREATE TABLE external_member (
    organization_id text COLLATE "C" NOT NULL,
    group_id uuid NOT NULL,
    member_dn text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, group_id, member_dn),
    CONSTRAINT external_member_group_fkey FOREIGN KEY (organization_id, group_id) REFERENCES entity ON DELETE CASCADE
);
CREATE INDEX external_member_by_dn ON external_member (organization_id, member_dn, group_id);
COMMENT ON TABLE external_member IS 'Members of groups as the external directory names them: some may not have been seen yet, or never will be.';
COMMENT ON COLUMN external_member.member_dn IS 'Folded like external_entry.dn_folded.';

CREATE TABLE directory_error (
    directory_id text COLLATE "C" NOT NULL REFERENCES directory ON DELETE CASCADE,
    external_id text COLLATE "C" NOT NULL,
    dn text NOT NULL,
    code text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    name_folded text COLLATE "C",
    generation bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (directory_id, external_id)
);
CREATE INDEX directory_error_by_time ON directory_error (directory_id, since, external_id);
COMMENT ON TABLE directory_error IS 'Entries of an external directory that could not be applied as they are; the others are not held up by them.';
COMMENT ON COLUMN directory_error.name_folded IS 'The name that was taken: once it is free, the directory is compared again.';
COMMENT ON COLUMN directory_error.generation IS 'The last full comparison that saw it.';
COMMENT ON COLUMN directory_error.since IS 'When it was first seen like this.';
