"""Plans are made once a connection, perhaps while a table is still empty: they must be good when it is full."""
import time

import pytest

from devices import STRICT, Device, put_policy
from organization import create_organization, wait_operation
from service import Service


def scans(service):
    """How often each table was read from its beginning to its end."""
    time.sleep(1.5)  # sessions tell what they did once they are idle for a second
    return dict(service.sql("SELECT relname, seq_scan FROM pg_stat_user_tables"))


def test_no_request_reads_a_whole_table_even_if_it_was_empty_when_planned(make_service):
    service = make_service()
    service.sql("VACUUM ANALYZE")  # now the planner knows that there is nothing in them
    before = scans(service)
    api = service.client()
    organization = create_organization(api)
    users = [organization.create_enabled(f"u{number}") for number in range(3)]
    for number in range(3):
        api.post(organization.users, json={"name": f"k{number}", "display_name": "K"},
                 headers={"Idempotency-Key": f"key-{number}"})
    for target in (organization.users, organization.path, organization.path + "/transitions", "/v1/organizations",
                   "/v1/operations", organization.user(users[0]), organization.user(users[0], "aliases"),
                   f"{organization.users}?q=u1", f"{organization.users}?name=u1&order_by=-created_at",
                   "/v1/audit-events", "/v1/audit-events?target=/v1/x&since=2026-01-01T00:00:00Z",
                   organization.path + "/audit-events"):
        api.get(target)
    api.post("/v1/audit-events/verify", expect=200)
    api.patch(organization.user(users[0]), json={"initials": "U"})
    api.post(organization.user(users[0], "aliases"), json={"email": "other"})
    api.post(organization.user(users[1], "disable"), expect=200)
    api.delete(organization.user(users[1]))
    group, inner = organization.create_enabled_group("outer"), organization.create_group("inner")
    organization.add_member(group, inner)
    organization.add_member(inner, users[0])
    organization.add_member(inner, group, expect="membership_cycle")
    room = organization.create_resource(booking_options={"auto_accept_requests": False}, delegate_ids=[users[0]["user_id"]])
    for target in (organization.groups, organization.resources, organization.of(group), organization.of(room),
                   organization.of(group, "members"), organization.of(group, "members?effective=true"),
                   organization.of(users[0], "groups?effective=true"), organization.of(users[0], "groups"),
                   organization.of(room, "delegates"), organization.path + "/directory?q=u1", organization.path + "/directory?q=nobody",
                   organization.path + "/directory?q=x&include_total=true", organization.path + "/address-book",
                   organization.path + "/address-book?q=u1&kind=USER&include_total=true", f"{organization.groups}?q=outer&include_total=true"):
        api.get(target)
    phone = Device(organization, users[2])
    phone.sync(os="iOS")
    phone.provision()
    put_policy(organization, **STRICT)
    for action in (phone.wipe, phone.cancel_wipe, phone.sync, phone.provision, phone.ask_to_provision):
        action()
    for target in (phone.path, organization.of(users[2], "devices"), organization.of(users[2], "devices?q=x&status=WIPE_REQUIRED"),
                   organization.path + "/mobile-policy", organization.path + "/mobile-policy/provision-doc"):
        api.get(target)
    phone.remove()
    api.patch(organization.of(inner), json={"name": "other"})
    api.patch(organization.of(room), json={"delegate_ids": [inner["group_id"]]})
    api.post(organization.groups + "/disable", expect=200, json={"ids": [group["group_id"]]})
    organization.remove_member(inner, users[0])
    api.delete(organization.of(inner))
    api.post(organization.resources + "/remove", expect=200, json={"ids": [room["resource_id"]]})
    after = scans(service)
    scanned = {table: after[table] - before[table] for table in after if after[table] > before[table]}
    scanned.pop("audit_unsealed", None)  # what is in it, for a second, is all wanted
    assert scanned == {}


MANY = 5000


def rows_read(service):
    """How many rows and entries of indexes were read so far."""
    time.sleep(1.5)  # as above
    return service.sql("""SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)""")[0][0]


@pytest.fixture(scope="module")
def large(template, check):
    """An organization of many, which the planner knows nothing of."""
    service = Service(template=template, check=check).start()
    org = create_organization(service.client())
    for kind in ("user", "group", "resource"):
        columns = {"user": "type, quota_mb", "group": "type", "resource": "type, auto_accept_requests, auto_decline_recurring_requests, auto_decline_conflicting_requests"}[kind]
        values = {"user": "'USER', 100", "group": "'GROUP'", "resource": "'ROOM', true, false, true"}[kind]
        service.sql(f"""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                          SELECT %s, gen_random_uuid(), '{kind.upper()}', '{kind}' || n, 'X', 'DISABLED', search_text('{kind}' || n)
                          FROM generate_series(1, {MANY}) n RETURNING organization_id, entity_id),
                        addressed AS (INSERT INTO email_address (organization_id, entity_id, email, is_primary)
                          SELECT organization_id, entity_id, entity_id || '@x.example', true FROM made)
                        INSERT INTO {kind}_detail (organization_id, entity_id, {columns})
                        SELECT organization_id, entity_id, {values} FROM made""", org.id)
    service.sql("INSERT INTO address_registry SELECT email, organization_id, entity_id FROM email_address WHERE email LIKE '%%@x.example'")
    for _ in range(2):
        rows_read(service)  # a session tells what it read with a later statement
    yield service, org
    service.stop()
    service.remove()


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
def test_pages_of_a_large_list_read_little(large, kind):
    service, org = large
    email = org.api.items(f"{org.path}/{kind}s", name=f"{kind}77")[0]["email"]
    read = []
    for _ in range(3):  # meanwhile the organization's health may be checked, which does read all
        before = rows_read(service)
        for query in ("", f"name={kind}77", f"name={kind.upper()}77", f"email={email}", "order_by=-created_at"):
            assert len(org.api.get(f"{org.path}/{kind}s?page_size=1&{query}")["items"]) == 1, query
        read.append(rows_read(service) - before)
    assert min(read) < MANY / 5


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
def test_filters_that_one_among_many_passes_read_little(large, kind):
    service, org = large
    of = {state: f"{kind}{number}" for state, number in (("ENABLED", 777), ("DELETED", 888))}
    for state, name in of.items():
        service.sql("UPDATE entity SET state = %s WHERE name = %s", state, name)
    queries = [(f"state={state}&order_by={order}", name) for state, name in of.items() for order in ("name", "-name", "created_at")]
    if kind != "resource":
        service.sql(f"UPDATE {kind}_detail SET type = %s WHERE entity_id = (SELECT entity_id FROM entity WHERE name = %s)",
                    f"SYSTEM_{kind.upper()}", f"{kind}666")
        queries += [(f"type=SYSTEM_{kind.upper()}{more}", f"{kind}666") for more in ("", "&state=DISABLED", "&order_by=-display_name")]
        queries += [(f"state={state}&order_by=display_name", name) for state, name in of.items()]
    read = []
    for _ in range(3):  # as above
        before = rows_read(service)
        for query, name in queries:
            page = org.api.get(f"{org.path}/{kind}s?include_total=true&{query}")
            assert ([each["name"] for each in page["items"]], page["total"]) == ([name], 1), query
        read.append(rows_read(service) - before)
    assert min(read) < MANY / 5


def test_results_of_one_outcome_among_many_lines_read_little(large):
    service, org = large
    operation = org.api.post(org.users + "/import", expect=202, body=b'{"name": "imported", "display_name": "I"}\n',
                             headers={"Content-Type": "application/x-ndjson"})["operation_id"]
    assert wait_operation(org.api, operation)["status"] == "SUCCEEDED"
    service.sql(f"INSERT INTO import_result (import_id, line, outcome, name) SELECT %s, n, 'UNCHANGED', 'x' FROM generate_series(2, {MANY}) n", operation)
    read = []
    for _ in range(3):
        before = rows_read(service)
        page = org.api.get(f"/v1/operations/{operation}/results?outcome=CREATED&include_total=true")
        assert [each["line"] for each in page["items"]] == [1]
        read.append(rows_read(service) - before)
    assert min(read) < MANY / 5


def test_page_of_groups_reads_no_members(large):
    service, org = large
    service.sql(f"""INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)
                    SELECT g.organization_id, 'MEMBER', g.entity_id, u.entity_id, 'USER' FROM entity g JOIN entity u
                    ON u.organization_id = g.organization_id AND u.kind = 'USER' AND u.state <> 'DELETED'
                    WHERE g.organization_id = %s AND g.kind = 'GROUP' AND g.name = 'group1'""", org.id)
    read = []
    for _ in range(3):  # as above
        before = rows_read(service)
        assert org.api.get(f"{org.groups}?page_size=1")["items"][0]["member_count"] > MANY / 2
        read.append(rows_read(service) - before)
    assert min(read) < MANY / 5
