-- Lists that are filtered read what they answer, however few of an organization that is.

CREATE INDEX entity_by_state_and_name ON entity (organization_id, kind, state, name_folded, entity_id);
CREATE INDEX entity_by_state_and_display_name ON entity (organization_id, kind, state, display_name_folded, entity_id);
CREATE INDEX entity_by_state_and_time ON entity (organization_id, kind, state, created_at, entity_id);

-- These are for lists of all; what is deleted, and kept until it is purged, is in none.
DROP INDEX entity_by_name, entity_by_display_name, entity_by_time;
CREATE INDEX entity_by_name ON entity (organization_id, kind, name_folded, entity_id) WHERE state <> 'DELETED';
CREATE INDEX entity_by_display_name ON entity (organization_id, kind, display_name_folded, entity_id)
    WHERE state <> 'DELETED';
CREATE INDEX entity_by_time ON entity (organization_id, kind, created_at, entity_id) WHERE state <> 'DELETED';

CREATE INDEX user_detail_of_other_type ON user_detail (organization_id, type, entity_id) WHERE type <> 'USER';
CREATE INDEX group_detail_of_other_type ON group_detail (organization_id, type, entity_id) WHERE type <> 'GROUP';

CREATE INDEX import_result_by_outcome ON import_result (import_id, outcome, line);
