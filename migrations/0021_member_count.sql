-- How many members a group has is kept beside it: counting them for each group of a page takes as long as they are many.

ALTER TABLE group_detail ADD COLUMN member_count integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN group_detail.member_count IS 'Its direct members. Kept by triggers, in the transaction that changes them.';
UPDATE group_detail g SET member_count = m.count FROM (
    SELECT organization_id, owner_id, count(*) FROM entity_edge WHERE relation = 'MEMBER' GROUP BY 1, 2) m
    WHERE m.organization_id = g.organization_id AND m.owner_id = g.entity_id;

-- Of each statement, many at a time. Whoever changes members has the group locked. Groups are looked up one by one,
-- whatever the planner knows of their number.
CREATE FUNCTION entity_edge_count() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    step integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    UPDATE group_detail g SET member_count = g.member_count + step * m.count
        FROM (SELECT organization_id, owner_id, count(*)::integer FROM changed WHERE relation = 'MEMBER' GROUP BY 1, 2) m
        WHERE g.organization_id = m.organization_id AND g.entity_id = m.owner_id;
    RETURN NULL;
END $$;
CREATE TRIGGER entity_edge_count_added AFTER INSERT ON entity_edge REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION entity_edge_count();
CREATE TRIGGER entity_edge_count_removed AFTER DELETE ON entity_edge REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION entity_edge_count();
