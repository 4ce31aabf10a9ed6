-- Searching the directory without regard to case and accents, and the address book.

CREATE EXTENSION IF NOT EXISTS unaccent;

CREATE FUNCTION search_fold(a_text text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE RETURN
    -- Marks that stand apart go first, then unaccent takes what has no such form: ø, ł, ß, æ.
    lower(unaccent(normalize(regexp_replace(normalize(a_text, NFKD) COLLATE "C", '[\u0300-\u036f]', '', 'g'), NFC))
          COLLATE "und-x-icu") COLLATE "C";
COMMENT ON FUNCTION search_fold IS 'How texts are compared in searches: without case, accents and forms of letters.';

CREATE FUNCTION search_text(VARIADIC some_terms text[]) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE RETURN
    search_fold(E'\n' || array_to_string(some_terms, E'\n') || E'\n');
COMMENT ON FUNCTION search_text IS 'entity.search_text of these terms; a NULL is none.';

CREATE FUNCTION search_pattern(a_text text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE RETURN
    regexp_replace(search_fold(a_text), '([\\%_])', '\\\1', 'g');
COMMENT ON FUNCTION search_pattern IS 'What matches the text in search_text, for LIKE.';

CREATE TABLE entity_term (
    organization_id text COLLATE "C" NOT NULL,
    term text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    PRIMARY KEY (organization_id, term, entity_id)
);
COMMENT ON TABLE entity_term IS 'Index: the lines of entity.search_text, to find what begins with a text, at once and in order, however many do. Kept by triggers, as an index is.';

CREATE FUNCTION entity_terms(an_entity entity) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    -- An index holds no longer ones.
    CASE WHEN an_entity.kind <> 'RESOURCE' AND an_entity.state <> 'DELETED' THEN ARRAY(SELECT DISTINCT left(term, 256)
        FROM string_to_table(an_entity.search_text, E'\n') AS term WHERE term <> '') END;
COMMENT ON FUNCTION entity_terms IS 'What entity_term has of an entity; NULL for what SearchDirectory does not find.';

-- Of each statement that makes or removes entities, many at a time, and of each row that is changed. Terms are looked up
-- one by one, whatever the planner knows of their number.
CREATE FUNCTION entity_add_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entity_term (organization_id, term, entity_id)
        SELECT e.organization_id, unnest(entity_terms(e)), e.entity_id FROM made e;
    RETURN NULL;
END $$;

CREATE FUNCTION entity_remove_terms() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM entity_term t USING (SELECT e.organization_id, unnest(entity_terms(e)) AS term, e.entity_id FROM removed e) e
        WHERE t.organization_id = e.organization_id AND t.term = e.term AND t.entity_id = e.entity_id;
    RETURN NULL;
END $$;

CREATE FUNCTION entity_change_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text[] := entity_terms(old);
    after text[] := entity_terms(new);
BEGIN
    DELETE FROM entity_term WHERE organization_id = old.organization_id AND entity_id = old.entity_id
        AND term = ANY (before) AND term <> ALL (coalesce(after, '{}'));
    INSERT INTO entity_term (organization_id, term, entity_id) SELECT new.organization_id, term, new.entity_id
        FROM unnest(after) AS term WHERE term <> ALL (coalesce(before, '{}'));
    RETURN NULL;
END $$;

UPDATE entity SET search_text = search_fold(E'\n' || search_text || E'\n');
COMMENT ON COLUMN entity.search_text IS 'Names and addresses, folded, each between two ends of lines, for substring search.';
INSERT INTO entity_term (organization_id, term, entity_id)
    SELECT e.organization_id, unnest(entity_terms(e)), e.entity_id FROM entity e;
CREATE TRIGGER entity_add_terms AFTER INSERT ON entity REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION entity_add_terms();
CREATE TRIGGER entity_remove_terms AFTER DELETE ON entity REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION entity_remove_terms();
CREATE TRIGGER entity_change_terms AFTER UPDATE OF search_text, state ON entity FOR EACH ROW
    WHEN (old.search_text <> new.search_text OR (old.state = 'DELETED') <> (new.state = 'DELETED'))
    EXECUTE FUNCTION entity_change_terms();

CREATE INDEX entity_address_book ON entity (organization_id, display_name_folded, entity_id)
    WHERE state = 'ENABLED' AND NOT hidden_from_address_list;

-- The owner first, as who removes one looks for it: without a relation.
ALTER TABLE entity_edge DROP CONSTRAINT entity_edge_pkey;
ALTER TABLE entity_edge ADD CONSTRAINT entity_edge_pkey
    PRIMARY KEY (organization_id, owner_id, relation, member_id) INCLUDE (member_kind);
