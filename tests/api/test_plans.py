"""Plans are made once a connection, perhaps while a table is still empty: they must be good when it is full."""
import time

from devices import STRICT, Device, put_policy
from organization import create_organization


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
