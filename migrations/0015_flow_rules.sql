-- Email flow rules.

CREATE TABLE flow_rule (
    organization_id text COLLATE "C" NOT NULL REFERENCES organization,
    flow_rule_id uuid NOT NULL,
    name text NOT NULL,
    name_folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(name COLLATE "und-x-icu")) STORED,
    sender_patterns text[] NOT NULL CONSTRAINT flow_rule_sender_patterns CHECK (cardinality(sender_patterns) > 0),
    action text COLLATE "C" NOT NULL CONSTRAINT flow_rule_action CHECK (action IN
        ('DROP', 'BOUNCE', 'MOVE_TO_JUNK', 'NORMAL_DELIVERY', 'BYPASS_SPAM_CHECK')),
    description text,
    warnings text[] NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, flow_rule_id)
);
CREATE UNIQUE INDEX flow_rule_name_key ON flow_rule (organization_id, name_folded);
CREATE INDEX flow_rule_by_created_at ON flow_rule (organization_id, created_at, flow_rule_id);
COMMENT ON TABLE flow_rule IS 'What becomes of incoming mail, by its sender. Changed under an advisory lock of the organization.';
COMMENT ON COLUMN flow_rule.name_folded IS 'Names differ by this, and of rules that are alike otherwise the first by this applies.';
COMMENT ON COLUMN flow_rule.sender_patterns IS 'In lower case, domains as A-labels: local@domain, domain, *.domain.';
COMMENT ON COLUMN flow_rule.warnings IS 'What is to be known about the rule beside the others; each change of a rule brings those of all up to date.';
COMMENT ON COLUMN flow_rule.version IS 'Of what is shown: warnings that change, change it.';

-- Processes keep the rules of organizations: whatever changes them, or whether they may be asked for, is told to all.
CREATE FUNCTION flow_rules_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('postreeve_flow_rules', coalesce(NEW.organization_id, OLD.organization_id));
    RETURN NULL;
END
$$;
CREATE TRIGGER flow_rule_changed AFTER INSERT OR UPDATE OR DELETE ON flow_rule
    FOR EACH ROW EXECUTE FUNCTION flow_rules_changed();
CREATE TRIGGER organization_flow_rules AFTER UPDATE OF is_serving ON organization
    FOR EACH ROW WHEN (OLD.is_serving IS DISTINCT FROM NEW.is_serving) EXECUTE FUNCTION flow_rules_changed();
