"""Working beside an Exchange server: what is managed there, the address book meanwhile, and the end of it."""
import json
import time
import uuid

import pytest

import iam
from organization import PASSWORD, create_organization, id_of, unique, wait_operation, work_beside_exchange
from service import run_binary, wait_until


def path(org):
    return org.path + "/interoperability"


def disable(org, expect=200, confirm=None, **arguments):
    return org.api.post(path(org) + "/disable", expect=expect, params={"confirm": confirm or org.alias, **arguments.pop("params", {})}, **arguments)


def address_book(org, **params):
    return {item["name"]: item for item in org.api.items(org.path + "/address-book", **params)}


def mailbox_of_exchange(service, org, name, kind="RESOURCE"):
    """As the directory's synchronization brings it: a room, or a system account."""
    user = org.create_user(name)
    service.sql("UPDATE user_detail SET type = %s WHERE organization_id = %s AND entity_id = %s", kind, org.id, user["user_id"])
    return user


@pytest.fixture
def beside(service, org):
    """With a user and a group that are enabled, others that are not, a resource of before, and a room of Exchange."""
    org.ann, org.bob = org.create_enabled("ann"), org.create_user("bob")
    org.team, org.crowd = org.create_enabled_group("team"), org.create_group("crowd")
    org.room = org.create_resource("room")
    org.store = org.create_disabled_resource("store")
    org.hall = mailbox_of_exchange(service, org, "hall")
    work_beside_exchange(service, org)
    return org


def refused(answer):
    assert "Exchange" in answer["detail"], answer["detail"]
    return answer["detail"]


def operator_is_refused(service, *arguments, account=None, status=1):
    """What enable-interoperability says then."""
    account = account or service.root["account_id"]
    result = run_binary("admin", "enable-interoperability", "--account", account, *arguments, *service.options_for_admin())
    assert result.returncode == status, result
    return result.stderr


# Switching it on


def test_without_it_nothing_is_enabled(api, org):
    assert api.get(path(org)).body == {"enabled": False}
    assert org.describe()["interoperability_enabled"] is False


def test_the_operator_enables_it_for_an_organization_with_a_connected_directory(service, api, org):
    assert "AD_CONNECTOR" in operator_is_refused(service, "--organization", org.id)
    shown = work_beside_exchange(service, org)
    assert shown == api.get(path(org)).body and shown["enabled"] and "enabled_at" in shown and "disabled_at" not in shown
    assert org.describe()["interoperability_enabled"] is True
    assert work_beside_exchange(service, org) == shown, "again changes nothing"
    event, again = sorted(api.items(org.path + "/audit-events", action="operator:EnableInteroperability"), key=lambda event: event["at"])
    assert again["changes"] == {"before": shown, "after": shown}
    assert event["target"] == org.path and event["actor"]["kind"] == "OPERATOR"
    assert event["changes"] == {"before": {"enabled": False}, "after": shown}


def test_operator_names_an_organization_of_the_account(service, org):
    assert "m-" in operator_is_refused(service, status=2)
    assert "m-" in operator_is_refused(service, "--organization", org.alias, status=2)
    assert "No organization" in operator_is_refused(service, "--organization", "m-" + 32 * "0")
    other = service.admin("create-account", "--name", unique("other"))["account_id"]
    assert "No organization" in operator_is_refused(service, "--organization", org.id, account=other)


def test_organization_is_created_with_it_on_such_a_directory_only(fresh_service):
    """Guide, "Enable Interoperability": when creating, with the AD Connector."""
    api = fresh_service.client()

    def create(expect, **members):
        return api.post("/v1/organizations", expect=expect, json={"alias": unique(), "interoperability_enabled": True, **members})
    assert create("validation_failed", setup="QUICK").faults == {"/interoperability_enabled invalid_value"}
    first = create_organization(api)
    first.create_user("bob")
    first.remove()
    directory = first.describe()["directory_id"]
    assert create("validation_failed", setup="STANDARD", directory_id=directory).faults == {"/interoperability_enabled invalid_value"}
    nobody = {"uris": ["ldap://127.0.0.1:1"], "tls_mode": "NONE", "user_base_dn": "dc=acme,dc=test", "bind_dn": "cn=reader,dc=acme,dc=test",
              "bind_password": PASSWORD, "preset": "ACTIVE_DIRECTORY"}
    directory = api.post("/v1/directories", expect=201, json={"type": "AD_CONNECTOR", "name": "acme.test", "connection": nobody})["directory_id"]
    begun = create(202, setup="STANDARD", directory_id=directory)
    assert wait_operation(api, begun["operation_id"])["status"] == "SUCCEEDED"
    about = api.get(f"/v1/organizations/{begun['organization_id']}").body
    assert about["interoperability_enabled"] is True
    shown = api.get(f"/v1/organizations/{begun['organization_id']}/interoperability").body
    assert shown["enabled"] is True and shown["enabled_at"] <= about["completed_at"]


# What is managed in Exchange


def changes_of_users(org):
    user, other = org.user(org.ann), org.user(org.bob)
    return [("POST", org.users, {"name": "new", "display_name": "New"}),
            ("POST", org.users, {"name": "new", "display_name": "New", "password": PASSWORD}),
            ("PATCH", other, {"display_name": "B"}), ("DELETE", other, None), ("POST", user + "/reset-password", {"password": PASSWORD})]


def changes_of_groups(org):
    group, member = org.of(org.crowd), org.of(org.team, "members", org.bob["user_id"])
    return [("POST", org.groups, {"name": "new"}), ("POST", org.groups, {"name": "new", "email": "new"}), ("PATCH", group, {"description": "d"}),
            ("DELETE", group, None), ("PUT", member, None), ("DELETE", member, None)]


def changes_of_resources(org):
    room = org.of(org.room)
    options = {"auto_accept_requests": False, "auto_decline_recurring_requests": False, "auto_decline_conflicting_requests": False}
    return [("POST", org.resources, {"name": "new", "type": "ROOM", "email": "new"}), ("POST", org.of(org.store, "enable"), None),
            ("PATCH", room, {"description": "d"}), ("PUT", room + "/booking-options", options),
            ("PUT", f"{room}/delegates/{org.ann['user_id']}", None), ("DELETE", f"{room}/delegates/{org.ann['user_id']}", None)]


def changes_of_addresses(org):
    for entity in (org.ann, org.team, org.room):
        yield "POST", org.of(entity, "aliases"), {"email": "other"}
        yield "DELETE", org.of(entity, "aliases", f"other@{org.domain}"), None
        yield "PUT", org.of(entity, "primary-email"), {"email": "other"}
    yield "POST", org.of(org.bob, "enable"), {"email": "other"}
    yield "POST", org.of(org.crowd, "enable"), {"email": "other"}


@pytest.mark.parametrize("changes", [changes_of_users, changes_of_groups, changes_of_resources, changes_of_addresses])
def test_what_is_managed_in_exchange_is_refused_with_where_to_do_it(api, beside, changes):
    for method, target, body in changes(beside):
        arguments = {} if body is None else {"json": body}
        assert "Exchange Admin Center" in refused(api.call(method, target, expect="interoperability_mode", **arguments))
    assert beside.look(beside.bob)["display_name"] == "Bob" and beside.look(beside.store)["state"] == "DISABLED"


def test_resources_and_addresses_are_of_here_afterwards(api, beside):
    disable(beside)
    for method, target, body in (*changes_of_resources(beside)[:4], *changes_of_addresses(beside)):
        body = {**body, "email": unique()} if body and "email" in body else body
        answer = api.request(method, target, body) if body else api.request(method, target)
        assert answer.status < 300, answer


def test_users_and_groups_are_enabled_and_disabled(api, beside):
    enabled = beside.enable(beside.bob)
    assert enabled["email"] == f"bob@{beside.domain}"
    assert beside.enable(beside.crowd)["state"] == "ENABLED"
    assert beside.disable(beside.ann)["state"] == beside.disable(beside.team)["state"] == "DISABLED"
    ids = [beside.ann["user_id"], beside.bob["user_id"], beside.hall["user_id"]]
    results = api.post(beside.users + "/enable", expect=200, json={"ids": ids})["items"]
    assert [row["succeeded"] for row in results] == [True, True, False]


def test_resources_of_before_are_disabled_and_removed_but_not_enabled(api, beside):
    beside.disable(beside.room)
    beside.enable(beside.room, expect="interoperability_mode")
    api.delete(beside.of(beside.room))
    removed = api.post(beside.resources + "/remove", expect=200, json={"ids": [id_of(beside.store)]})
    assert removed["items"][0]["succeeded"] is True


def test_address_in_the_test_domain_comes_with_the_mailbox(service, api, beside):
    """Guide, "Enable Email Routing for a User": both addresses are added by themselves."""
    own = beside.own_domain(service)
    api.put(beside.path + "/default-domain", json={"domain": own})
    beside.enable(beside.bob)
    assert beside.aliases(beside.bob) == [f"bob@{own}", f"bob@{beside.domain}"]


def test_room_of_exchange_is_listed_among_users_and_not_enabled(api, beside):
    assert [user["name"] for user in api.items(beside.users, type="RESOURCE")] == ["hall"]
    for _ in range(2):  # it stays so when the mode is over
        for method, target, body in (("POST", beside.of(beside.hall, "enable"), None), ("PATCH", beside.of(beside.hall), {"display_name": "H"}),
                                     ("DELETE", beside.of(beside.hall), None)):
            refused(api.call(method, target, expect="entity_state", **({"json": body} if body else {})))
        disable(beside)


def upload(org, expect):
    """Of a user who is there, and of one who is not."""
    lines = b'{"name": "ann", "display_name": "Other"}\n{"name": "carl", "display_name": "Carl", "aliases": ["c"]}\n'
    return org.api.post(org.users + "/import", expect=expect, body=lines, headers={"Content-Type": "application/x-ndjson"})


def test_import_is_refused(api, beside):
    refused(upload(beside, "interoperability_mode"))


def test_import_changes_nothing_when_the_mode_is_on_since_the_upload(fresh_service):
    api = fresh_service.client()
    org = create_organization(api)
    org.create_user("ann")
    fresh_service.sql("""CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
                         BEGIN NEW.run_at := now() + interval '1 hour'; RETURN NEW; END $$""")
    fresh_service.sql("CREATE TRIGGER later BEFORE INSERT ON job FOR EACH ROW WHEN (NEW.kind = 'import') EXECUTE FUNCTION later()")
    operation = upload(org, 202)["operation_id"]
    work_beside_exchange(fresh_service, org)
    fresh_service.sql("UPDATE job SET run_at = now() WHERE kind = 'import'")
    api.post(org.path + "/validate", expect=202)  # wakes those who work
    wait_operation(api, operation)
    results = api.get(f"/v1/operations/{operation}/results")["items"]
    assert len(results) == 2 and all("interoperability_mode" in json.dumps(row) for row in results)
    assert {user["display_name"] for user in api.items(org.users)} == {"Ann"}


def test_settings_and_domains_stay_here(api, beside):
    domain = beside.register_domain()
    api.delete(beside.domain_path(domain), params={"confirm": domain})
    beside.create_flow_rule()
    api.put(beside.path + "/journaling", json={"enabled": False})
    api.put(beside.path + "/migration", json={"migration_admin": "ann"})


# The address book


def test_address_book_has_the_whole_directory_until_the_end(service, api, beside):
    """Guide: "users and groups that are not enabled are removed from the address book"; rooms of Exchange, too."""
    mailbox_of_exchange(service, Unrestricted(service, beside), "krbtgt", "SYSTEM_USER")
    hidden = Unrestricted(service, beside).create_user("ghost", hidden_from_address_list=True)
    everybody = {"ann", "bob", "team", "crowd", "room", "hall"}
    book = address_book(beside)
    assert set(book) == everybody and hidden["name"] not in book
    assert (book["hall"]["type"], book["bob"]["type"], book["crowd"]["kind"]) == ("RESOURCE", "USER", "GROUP")
    assert "email" not in book["bob"] and book["ann"]["email"] == f"ann@{beside.domain}"
    assert set(address_book(beside, kind="GROUP")) == {"team", "crowd"}
    assert set(address_book(beside, q="bo")) == {"bob"}
    assert api.get(beside.path + "/address-book", params={"include_total": "true"})["total"] == len(everybody)
    disable(beside)
    assert set(address_book(beside)) == {"ann", "team", "room"}
    assert api.get(beside.path + "/address-book", params={"include_total": "true"})["total"] == 3
    beside.enable(beside.bob)
    assert set(address_book(beside)) == {"ann", "bob", "team", "room"}


class Unrestricted:
    """Makes entries of an organization's directory though it works beside Exchange, as its synchronization does."""

    def __init__(self, service, org):
        self.service, self.org, self.id = service, org, org.id

    def create_user(self, name, hidden_from_address_list=False):
        made = str(uuid.uuid4())
        self.service.sql("""INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, hidden_from_address_list, search_text)
                            VALUES (%s, %s, 'USER', %s, %s, 'DISABLED', %s, %s)""", self.id, made, name, name, hidden_from_address_list, name)
        self.service.sql("INSERT INTO user_detail (organization_id, entity_id, type, quota_mb) VALUES (%s, %s, 'USER', 50000)", self.id, made)
        return {"user_id": made, "name": name}


def test_address_that_the_directory_suggests_is_in_the_address_book(service, beside):
    """Mail to those who are still in Exchange needs their address there."""
    service.sql("""INSERT INTO external_entry (organization_id, external_id, entity_id, dn, is_read_only, proposed_email, generation)
                   VALUES (%s, 'x', %s, 'cn=bob', true, 'bob@corp.example', 1)""", beside.id, beside.bob["user_id"])
    assert address_book(beside)["bob"]["email"] == "bob@corp.example"


def test_pages_of_the_address_book_have_everybody_once(service, api, org):
    """In one order, whether enabled or not; also those who are called alike."""
    names = {}
    for number in range(24):
        user = (org.create_enabled if number % 3 else org.create_user)(f"u{number}", display_name="ABC"[number % 2] + "nn")
        names[user["name"]] = (user["display_name"], user["user_id"])
    work_beside_exchange(service, org)
    order = sorted(names, key=names.get)
    for size in (1, 5, 24, 100):
        found, token = [], None
        while token is not None or not found:
            page = api.get(org.path + "/address-book", params={"page_size": size, **({"page_token": token} if token else {})})
            assert len(page["items"]) <= size
            found += [item["name"] for item in page["items"]]
            token = page.body.get("next_page_token")
        assert found == order
    disable(org)
    assert list(address_book(org)) == [name for name in order if int(name[1:]) % 3]


def test_page_of_the_address_book_costs_as_much_as_its_entries(fresh_service):
    """Not as the directory."""
    api = fresh_service.client()
    org = create_organization(api)
    fresh_service.sql("""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, hidden_from_address_list, search_text)
                   SELECT %s, gen_random_uuid(), 'USER', 'u' || n, md5(n::text), CASE WHEN n %% 2 = 0 THEN 'ENABLED' ELSE 'DISABLED' END, false, ''
                   FROM generate_series(1, 10000) n RETURNING *) INSERT INTO user_detail (organization_id, entity_id, type, quota_mb)
                   SELECT organization_id, entity_id, 'USER', 1 FROM made""", org.id)
    work_beside_exchange(fresh_service, org)
    fresh_service.sql("ANALYZE entity, user_detail")

    def rows_read():
        return fresh_service.sql("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname = 'entity'")[0][0]
    for _ in range(2):  # sessions tell what they did with what they do a second later
        time.sleep(1.5)
        before = rows_read()
    for _ in range(5):
        assert len(api.get(org.path + "/address-book", params={"page_size": 10})["items"]) == 10
    read = wait_until(lambda: (rows := rows_read() - before) >= 10 and rows, 20, 0.5, "what was read")
    assert read < 5 * 200


def test_address_book_of_others_has_what_is_enabled_only(service, api, beside):
    other = create_organization(api)
    other.create_user("bob")
    assert address_book(other) == {}


# Its end


def test_disabling_is_confirmed_and_for_good(service, api, beside):
    api.post(path(beside) + "/disable", expect="validation_failed")
    disable(beside, confirm="another", expect="confirmation_mismatch")
    assert api.get(path(beside))["enabled"] is True
    before = api.get(path(beside))
    shown = disable(beside, confirm=beside.alias.upper())
    assert shown["enabled"] is False and shown["disabled_at"] >= shown["enabled_at"] == before["enabled_at"]
    assert api.get(path(beside)).body == shown.body and shown.headers["ETag"] != before.headers["ETag"]
    assert disable(beside).body == shown.body, "again changes nothing"
    assert "cannot be undone" in operator_is_refused(service, "--organization", beside.id)
    assert api.get(path(beside)).body == shown.body
    event = min(api.items(beside.path + "/audit-events", action="workmail:DisableInteroperability"), key=lambda event: event["at"])
    assert event["changes"] == {"before": before.body, "after": shown.body}


def test_disabling_can_be_tried_and_has_the_version_of_the_organization(api, beside):
    before = api.get(path(beside))
    assert disable(beside, params={"validate_only": "true"})["enabled"] is False
    assert api.get(path(beside)).body == before.body
    disable(beside, headers={"If-Match": '"v999"'}, expect="precondition_failed")
    assert before.headers["ETag"] == api.get(beside.path).headers["ETag"]
    disable(beside, headers={"If-Match": before.headers["ETag"]})


def test_if_there_is_nothing_to_disable_nothing_changes(api, org):
    before = api.get(org.path)
    assert disable(org).body == {"enabled": False}
    assert api.get(org.path).headers["ETag"] == before.headers["ETag"]


def test_who_may_only_read_does_not_disable_it(service, api, beside):
    user = iam.new_user(api)
    iam.attach(api, user, iam.READ_ONLY)
    reader = service.client(iam.new_key(api, user))
    assert reader.get(path(beside))["enabled"] is True
    reader.post(path(beside) + "/disable", expect="access_denied", params={"confirm": beside.alias})


def test_records_of_domains_are_looked_at_anew_when_it_begins_and_ends(service, api, org):
    domain = org.register_domain()

    def see():
        service.sql("""INSERT INTO mail_domain_record (organization_id, domain, purpose, name, type, value, status, checked_at)
                       SELECT %s, %s, purpose, name, type, value, 'VERIFIED', now() FROM json_to_recordset(%s)
                       AS r(purpose text, name text, type text, value text)""", org.id, domain,
                    json.dumps([row for row in api.get(org.domain_path(domain))["records"] if row["purpose"] in ("MX", "AUTODISCOVER")]))
        service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day' WHERE domain = %s", domain)

    def statuses():
        return {row["purpose"]: row["status"] for row in api.get(org.domain_path(domain))["records"] if row["purpose"] in ("MX", "AUTODISCOVER")}
    service.sql("DELETE FROM mail_domain_record WHERE domain = %s", domain)
    service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day', check_claims = check_claims + 1 WHERE domain = %s", domain)
    see()
    assert statuses() == {"MX": "VERIFIED", "AUTODISCOVER": "VERIFIED"}
    work_beside_exchange(service, org)
    assert statuses() == {"MX": "NOT_EXPECTED", "AUTODISCOVER": "NOT_EXPECTED"}
    assert service.sql("SELECT next_check_at < now() + interval '2 hours' FROM mail_domain WHERE domain = %s", domain) == [(True,)]
    disable(org)
    assert "NOT_EXPECTED" not in statuses().values() and "VERIFIED" not in statuses().values()
