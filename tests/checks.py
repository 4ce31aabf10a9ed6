"""What must hold after every test: nothing leaked, nothing left open, nothing contradictory."""
import os
import time

from service import wait_until

# Tables whose rows stay when their organization has been deleted.
OUTLIVING = {"organization", "organization_alias", "organization_transition", "operation", "job", "verified_domain",
             "audit_event", "audit_unsealed", "active_period", "import"}
CONTRADICTIONS = {
    "address without its row in the registry": """
        SELECT organization_id, entity_id, email FROM email_address
        EXCEPT SELECT organization_id, entity_id, email FROM address_registry""",
    "row in the registry without its address": """
        SELECT organization_id, entity_id, email FROM address_registry
        EXCEPT SELECT organization_id, entity_id, email FROM email_address""",
    "enabled user without mailbox or primary address": """
        SELECT organization_id, entity_id FROM entity e WHERE state = 'ENABLED' AND kind = 'USER' AND NOT (
            EXISTS (SELECT FROM mailbox WHERE (organization_id, entity_id) = (e.organization_id, e.entity_id))
            AND EXISTS (SELECT FROM email_address
                        WHERE (organization_id, entity_id) = (e.organization_id, e.entity_id) AND is_primary))""",
    "user who is enabled and not metered, or metered and not enabled": """
        SELECT entity_id, e.state, p.began_at FROM (SELECT * FROM entity WHERE kind = 'USER' AND state = 'ENABLED') e
        FULL JOIN (SELECT * FROM active_period WHERE ended_at IS NULL) p USING (organization_id, entity_id)
        WHERE e.state IS NULL OR p.began_at IS NULL""",
    "mailbox that nobody will ever purge": """
        SELECT organization_id, entity_id FROM mailbox JOIN entity USING (organization_id, entity_id)
        WHERE state <> 'ENABLED' AND purge_at IS NULL""",
    "enabled group or resource without primary address": """
        SELECT organization_id, entity_id FROM entity e WHERE state = 'ENABLED' AND kind <> 'USER' AND NOT EXISTS (
            SELECT FROM email_address WHERE (organization_id, entity_id) = (e.organization_id, e.entity_id) AND is_primary)""",
    "addresses that nobody will ever give up": """
        SELECT organization_id, entity_id FROM entity JOIN email_address USING (organization_id, entity_id)
        WHERE state <> 'ENABLED' AND purge_at IS NULL""",
    "entity without its details, or with those of another kind": """
        SELECT e.organization_id, e.entity_id FROM entity e
            LEFT JOIN user_detail u USING (organization_id, entity_id)
            LEFT JOIN group_detail g USING (organization_id, entity_id)
            LEFT JOIN resource_detail r USING (organization_id, entity_id)
        WHERE (kind = 'USER') <> (u.type IS NOT NULL) OR (kind = 'GROUP') <> (g.type IS NOT NULL)
            OR (kind = 'RESOURCE') <> (r.type IS NOT NULL)""",
    "member or delegate that is deleted, in something deleted, or of another kind than the edge says": """
        SELECT d.* FROM entity_edge d JOIN entity o ON (o.organization_id, o.entity_id) = (d.organization_id, d.owner_id)
            JOIN entity m ON (m.organization_id, m.entity_id) = (d.organization_id, d.member_id)
        WHERE 'DELETED' IN (o.state, m.state) OR m.kind <> d.member_kind
            OR (d.relation, o.kind) NOT IN (('MEMBER', 'GROUP'), ('DELEGATE', 'RESOURCE'))""",
    "group whose members are not as many as it says": """
        SELECT organization_id, entity_id FROM group_detail g WHERE member_count <> (SELECT count(*) FROM entity_edge
            WHERE (organization_id, owner_id, relation) = (g.organization_id, g.entity_id, 'MEMBER'))""",
    "group that contains itself": """
        WITH RECURSIVE nested AS (
            SELECT organization_id, owner_id, member_id FROM entity_edge WHERE relation = 'MEMBER' AND member_kind = 'GROUP'
            UNION SELECT n.organization_id, n.owner_id, d.member_id FROM nested n JOIN entity_edge d
                ON d.organization_id = n.organization_id AND d.owner_id = n.member_id AND d.member_kind = 'GROUP')
        SELECT * FROM nested WHERE owner_id = member_id""",
    "delegates beside automatic acceptance": """
        SELECT organization_id, entity_id FROM resource_detail r WHERE auto_accept_requests AND EXISTS (
            SELECT FROM entity_edge WHERE (organization_id, owner_id) = (r.organization_id, r.entity_id))""",
    "device that applied a policy which never was, or of one without a mailbox": """
        SELECT d.* FROM mobile_device d LEFT JOIN mobile_policy p USING (organization_id)
            LEFT JOIN entity e USING (organization_id, entity_id)
        WHERE d.policy_version > p.version OR e.kind IS DISTINCT FROM 'USER'
            OR (d.policy_version IS NULL) <> (d.policy_key IS NULL) OR (d.policy_version IS NULL) <> (d.policy_applied_at IS NULL)""",
    "alias of no organization, or organization without its alias": """
        SELECT alias, organization_id FROM organization FULL JOIN organization_alias USING (alias, organization_id)
        WHERE organization.account_id IS NULL OR organization_alias.created_at IS NULL""",
    "organization that is not in the state of its last transition": """
        SELECT organization_id, state, to_state FROM organization o, LATERAL (
            SELECT to_state FROM organization_transition t WHERE t.organization_id = o.organization_id
            ORDER BY transition_id DESC LIMIT 1) last WHERE to_state <> state""",
    "organization in use that is never checked": """
        SELECT organization_id, state FROM organization o WHERE state IN ('ACTIVE', 'IMPAIRED', 'VALIDATING')
        AND NOT EXISTS (SELECT FROM job j WHERE j.organization_id = o.organization_id
                        AND kind = 'organization_health' AND j.state IN ('PENDING', 'RUNNING'))""",
    "directory whose user is not in it, or the other way round": """
        SELECT d.directory_id, o.organization_id FROM directory d FULL JOIN organization o
        ON o.directory_id = d.directory_id AND o.organization_id = d.organization_id
        WHERE (o.organization_id IS NULL AND d.organization_id IS NOT NULL)
        OR (d.directory_id IS NULL AND o.directory_id IS NOT NULL AND o.state <> 'DELETED')""",
    "entry of a directory that is also an entity": """
        SELECT entity_id FROM entity JOIN directory_entry ON id = entity_id""",
    "transition that does not follow the one before": """
        SELECT * FROM (SELECT organization_id, from_state, lag(to_state) OVER (
            PARTITION BY organization_id ORDER BY transition_id) AS before FROM organization_transition) steps
        WHERE from_state IS DISTINCT FROM before""",
}


def is_instrumented(pid):
    """Whether a process is built with a sanitizer."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        return any(name in line for line in maps for name in ("libasan", "libtsan", "libclang_rt"))


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


def settled_descriptors(service, limit, seconds=5):
    """The number of open descriptors once it is within the limit, or after a while."""
    deadline = time.monotonic() + seconds
    while (count := descriptors(service)) > limit and time.monotonic() < deadline:
        time.sleep(0.02)
    return count


def busy_backends(service):
    return service.sql("""SELECT pid, state, application_name, query FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid()
                            AND backend_type = 'client backend'
                            AND state IN ('active', 'idle in transaction', 'idle in transaction (aborted)')""")


def check_no_open_transaction(service, seconds=5):
    seen = []

    def quiet():
        seen[:] = busy_backends(service)
        return not seen
    try:
        wait_until(quiet, seconds)
    except AssertionError:
        raise AssertionError(f"backends still busy: {seen}") from None


def error_lines(service, offset=0):
    return [event for event in service.events(offset) if event.get("level") == "error"]


def check_consistency(service):
    """No orphan rows, registries that agree with what they register, no work left undone."""
    for (table,) in service.sql("""SELECT table_name FROM information_schema.columns JOIN information_schema.tables
                                   USING (table_schema, table_name) WHERE table_schema = 'public'
                                   AND table_type = 'BASE TABLE' AND column_name = 'organization_id'"""):
        if table not in OUTLIVING:
            orphans = service.sql(f"""SELECT to_jsonb(t) FROM {table} t WHERE organization_id IS NOT NULL
                                      AND NOT EXISTS (SELECT FROM organization o WHERE
                                      o.organization_id = t.organization_id AND o.state <> 'DELETED')""")
            assert not orphans, f"{table} has orphan rows: {orphans[:3]}"
    for what, query in CONTRADICTIONS.items():
        assert not (found := service.sql(query)), f"{what}: {found[:3]}"
    check_no_job_left(service)


def check_no_job_left(service, seconds=20):
    """All jobs that are due have come to their end."""
    wait_until(lambda: not service.sql("""SELECT * FROM job WHERE state = 'RUNNING'
                                          OR (state = 'PENDING' AND run_at <= now())"""),
               seconds, what="the end of all jobs due")


def check_audit(api):
    """The audit chain is whole and without gaps."""
    found = api.post("/v1/audit-events/verify", expect=200)
    assert found["result"] == "WHOLE", found


def check_all_sealed(service, seconds=10):
    """The audit log has all that was done so far."""
    wait_until(lambda: service.sql("SELECT count(*) FROM audit_unsealed") == [(0,)], seconds, what="the sealing")
