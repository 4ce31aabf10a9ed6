-- Groups and resources beside users, and what is in what.

CREATE TABLE group_detail (
    organization_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    type text NOT NULL CONSTRAINT group_detail_type CHECK (type IN ('GROUP', 'SYSTEM_GROUP')),
    description text,
    PRIMARY KEY (organization_id, entity_id),
    FOREIGN KEY (organization_id, entity_id) REFERENCES entity ON DELETE CASCADE
);
COMMENT ON TABLE group_detail IS 'What only groups have.';

CREATE TABLE resource_detail (
    organization_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    type text NOT NULL CONSTRAINT resource_detail_type CHECK (type IN ('ROOM', 'EQUIPMENT')),
    description text,
    auto_accept_requests boolean NOT NULL,
    auto_decline_recurring_requests boolean NOT NULL,
    auto_decline_conflicting_requests boolean NOT NULL,
    PRIMARY KEY (organization_id, entity_id),
    FOREIGN KEY (organization_id, entity_id) REFERENCES entity ON DELETE CASCADE
);
COMMENT ON TABLE resource_detail IS 'What only resources have: their type, and what becomes of requests to book them.';

CREATE TABLE entity_edge (
    organization_id text COLLATE "C" NOT NULL,
    relation text COLLATE "C" NOT NULL CONSTRAINT entity_edge_relation CHECK (relation IN ('MEMBER', 'DELEGATE')),
    owner_id uuid NOT NULL,
    member_id uuid NOT NULL,
    member_kind text COLLATE "C" NOT NULL CONSTRAINT entity_edge_member_kind CHECK (member_kind IN ('USER', 'GROUP')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, relation, owner_id, member_id) INCLUDE (member_kind),
    CONSTRAINT entity_edge_not_of_itself CHECK (owner_id <> member_id),
    FOREIGN KEY (organization_id, owner_id) REFERENCES entity ON DELETE CASCADE,
    FOREIGN KEY (organization_id, member_id) REFERENCES entity ON DELETE CASCADE
);
CREATE INDEX entity_edge_by_member ON entity_edge (organization_id, member_id, relation, owner_id);
CREATE INDEX entity_edge_nested ON entity_edge (organization_id, relation, owner_id, member_id)
    WHERE member_kind = 'GROUP';
COMMENT ON TABLE entity_edge IS 'Who is in what: members of groups, delegates of resources. Groups never form a cycle.';
COMMENT ON COLUMN entity_edge.member_kind IS 'The kind of the member, which never changes: what groups contain is followed through groups alone.';

CREATE TABLE directory_membership (
    directory_id text COLLATE "C" NOT NULL REFERENCES directory ON DELETE CASCADE,
    group_id uuid NOT NULL,
    member_id uuid NOT NULL,
    PRIMARY KEY (directory_id, group_id, member_id)
);
COMMENT ON TABLE directory_membership IS 'Members of groups of a directory that no organization uses, beside directory_entry.';

-- No longer of users alone.
UPDATE job SET kind = 'entity_purge' WHERE kind = 'user_purge';
