-- Organizations that work beside an Exchange server, until they do not.

ALTER TABLE organization
    ADD COLUMN interoperability_enabled_at timestamptz,
    ADD COLUMN interoperability_disabled_at timestamptz;
UPDATE organization SET interoperability_enabled_at = created_at WHERE interoperability_enabled;
ALTER TABLE organization
    ADD CONSTRAINT organization_interoperability CHECK (interoperability_enabled
        = (interoperability_enabled_at IS NOT NULL AND interoperability_disabled_at IS NULL));
COMMENT ON COLUMN organization.interoperability_enabled IS 'It works beside an Exchange server, where its users, groups and resources are managed; mail and clients go there first.';
COMMENT ON COLUMN organization.interoperability_enabled_at IS 'Since when it does, or did; NULL: it never did.';
COMMENT ON COLUMN organization.interoperability_disabled_at IS 'When that ended, for good.';

CREATE INDEX entity_address_book_beside ON entity (organization_id, display_name_folded, entity_id)
    WHERE state = 'DISABLED' AND NOT hidden_from_address_list;
COMMENT ON INDEX entity_address_book_beside IS 'What is in the address book besides, while an organization works beside Exchange.';
