"""External directories: made, changed, followed; what happens there is seen here."""
import base64
import statistics
import time

import pytest

from checks import check_consistency
from directories import attach, create_directory, described, here, names, there, wait_following
from organization import wait_operation
from service import Service, wait_until
from slapd_bed import GROUPS, PASSWORD, PEOPLE, Slapd


@pytest.fixture(scope="module")
def slapd():
    with Slapd() as server:
        yield server


@pytest.fixture(scope="module")
def following(template, check):
    """A service of its own: who follows keeps connections."""
    own = Service(template=template, check=check)
    try:
        own.start()
        own.allow_organizations(1000000)
        yield own
        own.stop()
        own.check_sanitizers()
    finally:
        own.remove()


@pytest.fixture
def api(following):
    client = following.client()
    yield client
    client.close()


@pytest.fixture
def followed(api, slapd):
    """An organization on that server, and its directory's id."""
    directory_id = create_directory(api, slapd)["directory_id"]
    org = attach(api, directory_id)
    wait_following(api, directory_id)
    yield org, directory_id
    org.remove(force="true", delete_directory="true")


def seen(condition, what):
    return wait_until(condition, 15, 0.005, what)


# Made and changed


def test_secret_is_never_shown(following, api, slapd):
    made = create_directory(api, slapd, name="Acme's own")
    path = f"/v1/directories/{made['directory_id']}"
    assert made["has_bind_password"] and made["status"] == "AVAILABLE" and made["sync"]["status"] == "PENDING"
    assert made["connection"]["user_filter"] and "bind_password" not in made["connection"]
    for text in (api.get(path).raw, api.get("/v1/directories").raw, api.get("/v1/audit-events").raw, following.log().encode()):
        assert PASSWORD.encode() not in text
    for (table,) in following.sql("SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'"
                                  " AND table_type = 'BASE TABLE'"):
        for form in (PASSWORD, PASSWORD.encode().hex()):
            assert following.sql(f"SELECT count(*) FROM {table} t WHERE strpos(t::text, %s) > 0", form) == [(0,)]
    assert following.admin("verify-secrets")["checked"]["directory"] >= 1
    api.delete(path)


def test_faults_are_told_all_at_once(api, slapd):
    answer = api.post("/v1/directories", expect="validation_failed", json={
        "type": "LDAP", "name": " x", "region": "nowhere", "connection": {"uris": ["http://x"], "user_base_dn": "not a dn",
                                                                          "user_filter": "(uid=*"}})
    assert answer.faults >= {"/name invalid_format"}
    answer = create_directory(api, slapd, expect="validation_failed", type="WORKMAIL")
    assert answer.faults == {"/type invalid_value"}
    answer = create_directory(api, slapd, expect="validation_failed",
                              connection={"uris": ["http://x"], "user_base_dn": "not a dn", "user_filter": "(uid=*"})
    assert {fault.split()[0] for fault in answer.faults} >= {"/connection/user_base_dn", "/connection/user_filter"}
    answer = create_directory(api, slapd, expect="validation_failed",
                              connection={"uris": ["ldap://192.0.2.1"], "tls_mode": "NONE"})
    assert answer.faults == {"/connection/tls_mode plain_not_allowed"}


def test_password_is_not_sent_to_another_server_by_who_does_not_know_it(api, slapd):
    path = f"/v1/directories/{create_directory(api, slapd)['directory_id']}"
    elsewhere = {"connection": {"uris": ["ldaps://127.0.0.1:1"]}}
    for change in (elsewhere, {"connection": {"tls_mode": "STARTTLS", "uris": [slapd.url]}}, {"connection": {"ca_certificate": None}},
                   {"connection": {"bind_dn": "cn=other,dc=acme,dc=test"}}):
        assert api.patch(path, expect="validation_failed", json=change).faults == {"/connection/bind_password required"}
        assert api.post(path + "/test", expect="validation_failed", json=change).faults == {"/connection/bind_password required"}
    elsewhere["connection"]["bind_password"] = "Another-1"
    assert api.patch(path, json=elsewhere)["connection"]["uris"] == ["ldaps://127.0.0.1:1"]
    assert api.patch(path, json={"name": "Another"})["name"] == "Another"
    assert api.post(path + "/test", expect=200)["code"] == "connection_refused"
    api.delete(path)


def test_ten_of_a_type_in_a_region(following, slapd):
    account = following.admin("create-account", "--name", "Ten")
    api = following.client(account)
    for _ in range(10):
        create_directory(api, slapd)
    assert "directories_per_type" in create_directory(api, slapd, expect="limit_exceeded")["detail"]
    create_directory(api, slapd, region="eu-west-1")
    assert len(list(api.items("/v1/directories", type="LDAP"))) == 11
    api.close()


def test_nobody_follows_what_no_organization_uses(api, org_built_in, slapd):
    directory_id = create_directory(api, slapd)["directory_id"]
    api.post(f"/v1/directories/{directory_id}/sync", expect="directory_state")
    built_in = f"/v1/directories/{org_built_in.describe()['directory_id']}"
    api.post(built_in + "/sync", expect="directory_state")
    api.post(built_in + "/test", expect="directory_state")
    api.patch(built_in, expect="directory_state", json={"connection": {"preset": "OPENLDAP"}})
    assert set(api.get(built_in).body) == {"directory_id", "type", "name", "region", "organization_id", "status", "created_at",
                                           "updated_at"}
    api.delete(f"/v1/directories/{directory_id}")


@pytest.fixture
def org_built_in(api):
    from organization import create_organization
    return create_organization(api)


# Followed


def test_each_kind_of_change_is_seen_within_a_second(following, api, slapd, followed):
    org, directory_id = followed
    admin, took = slapd.admin, {}

    def timed(kind, change, condition):
        change()
        begun = time.monotonic()
        result = seen(condition, f"{kind} to be seen")
        took.setdefault(kind, []).append(time.monotonic() - begun)
        return result
    for i in range(5):
        name, dn = f"kind{i}", f"uid=kind{i},{PEOPLE}"

        def user(name=name):
            return names(api, org.users).get(name)
        made = timed("add", lambda: slapd.add_user(name, mail=f"{name}@acme.test"), user)
        user_path = f"{org.users}/{made['user_id']}"
        assert made["state"] == "DISABLED" and made["read_only"] and not made["has_password"]
        assert made["external"] == {"external_id": slapd.id_of(dn), "dn": dn, "disabled": False,
                                    "proposed_email": f"{name}@acme.test"}
        timed("modify", lambda: admin.modify(dn, title="Countess"), lambda: api.get(user_path).body.get("job_title") == "Countess")
        timed("rename", lambda: admin.rename(dn, f"uid=re{name}"), lambda: api.get(user_path)["name"] == "re" + name)
        dn = f"uid=re{name},{PEOPLE}"
        admin.add(f"ou=sub{i},{PEOPLE}", objectClass="organizationalUnit", ou=f"sub{i}")
        timed("move", lambda: admin.rename(dn, f"uid=re{name}", f"ou=sub{i},{PEOPLE}"),
              lambda: f"sub{i}" in api.get(user_path)["external"]["dn"])
        dn = f"uid=re{name},ou=sub{i},{PEOPLE}"
        api.post(user_path + "/enable", json={"email": f"{name}"}, expect=200)
        mailbox = api.get(user_path)["mailbox"]["mailbox_id"]
        group = slapd.add_group(f"group{i}", dn)
        found = seen(lambda: names(api, org.groups).get(f"group{i}"), "the group")
        members = f"{org.groups}/{found['group_id']}/members"
        timed("membership", lambda: admin.change_values(group, "add", "member", slapd.add_user(f"more{i}")),
              lambda: len(list(api.items(members))) == 2)
        timed("membership", lambda: admin.change_values(group, "delete", "member", dn), lambda: len(list(api.items(members))) == 1)
        timed("disable", lambda: admin.modify(dn, pwdAccountLockedTime="000001010000Z"),
              lambda: api.get(user_path)["state"] == "DISABLED")
        assert api.get(user_path)["external"]["disabled"]
        api.post(user_path + "/enable", expect="entity_state")
        timed("enable", lambda: admin.modify(dn, pwdAccountLockedTime=[]), lambda: api.get(user_path)["state"] == "ENABLED")
        assert api.get(user_path)["mailbox"]["mailbox_id"] == mailbox
        timed("delete", lambda: admin.delete(dn), lambda: api.get(user_path)["state"] == "DELETED")
        gone = api.get(user_path).body
        assert gone["mailbox"]["mailbox_id"] == mailbox and gone["mailbox"]["purge_at"]
        slapd.add_user("re" + name)
        again = seen(lambda: names(api, org.users).get("re" + name), "another of the same name")
        assert again["user_id"] != made["user_id"]
    print({kind: f"{1000 * statistics.median(times):.0f} ms" for kind, times in took.items()})
    for kind, times in took.items():
        assert statistics.median(times) < 1, kind
    check_consistency(following)


def test_groups_in_groups_and_members_before_they_are_there(api, slapd, followed):
    org, directory_id = followed
    slapd.add_group("outer", f"cn=inner,{GROUPS}")
    slapd.add_group("inner", f"uid=late,{PEOPLE}", f"cn=outer,{GROUPS}")
    groups = seen(lambda: {"outer", "inner"} <= set(found := names(api, org.groups)) and found, "the groups")
    slapd.add_user("late")
    inner, outer = (f"{org.groups}/{groups[name]['group_id']}/members" for name in ("inner", "outer"))
    seen(lambda: {m["name"] for m in api.items(inner)} | {m["name"] for m in api.items(outer)} >= {"late"}, "the late one")
    # Each would contain the other: one of the two is left out, and told of.
    both = {m["name"] for m in api.items(inner)} | {m["name"] for m in api.items(outer)}
    assert len(both & {"inner", "outer"}) == 1
    errors = list(api.items(f"/v1/directories/{directory_id}/errors"))
    assert [error["code"] for error in errors] == ["membership_cycle"] and described(api, directory_id)["sync"]["errors"] == 1
    slapd.admin.change_values(f"cn=inner,{GROUPS}", "delete", "member", f"cn=outer,{GROUPS}")
    seen(lambda: not list(api.items(f"/v1/directories/{directory_id}/errors")), "the end of the cycle")
    assert {m["name"] for m in api.items(outer)} == {"inner"} and {m["name"] for m in api.items(inner)} == {"late"}
    for name in ("outer", "inner"):
        slapd.admin.delete(f"cn={name},{GROUPS}")
    slapd.admin.delete(f"uid=late,{PEOPLE}")


def test_a_name_that_is_taken_holds_up_nobody_else(api, slapd, followed):
    org, directory_id = followed
    resource = org.create_resource("boardroom")
    slapd.add_user("boardroom")
    slapd.add_user("not ok")
    slapd.add_user("fine")
    seen(lambda: "fine" in names(api, org.users), "the other one")
    errors = {error["dn"].split(",")[0]: error["code"] for error in api.items(f"/v1/directories/{directory_id}/errors")}
    assert errors == {"uid=boardroom": "name_taken", "uid=not ok": "name_invalid"}
    api.delete(f"{org.resources}/{resource['resource_id']}")
    seen(lambda: "boardroom" in names(api, org.users), "it, once the name is free")
    for name in ("boardroom", "not ok", "fine"):
        slapd.admin.delete(f"uid={name},{PEOPLE}")


def test_what_the_directory_has_is_changed_there(api, slapd, followed):
    org, directory_id = followed
    slapd.add_user("fixed", mail="fixed@nowhere.test")
    slapd.add_group("fixed-group", f"uid=fixed,{PEOPLE}")
    user = seen(lambda: names(api, org.users).get("fixed"), "the user")
    group = seen(lambda: names(api, org.groups).get("fixed-group"), "the group")
    path, group_path = f"{org.users}/{user['user_id']}", f"{org.groups}/{group['group_id']}"
    assert directory_id in api.patch(path, expect="directory_read_only", json={"job_title": "x"})["detail"]
    assert api.patch(path, json={"quota_mb": 77, "hidden_from_address_list": True})["quota_mb"] == 77
    api.post(path + "/reset-password", expect="directory_read_only", json={"password": "Correct-horse-8"})
    api.delete(path, expect="directory_read_only")
    api.post(org.users, expect="directory_read_only", json={"name": "own", "display_name": "Own"})
    api.post(org.users, expect="directory_read_only", json={"name": "own", "display_name": "Own", "password": "Correct-horse-8"})
    api.post(org.groups, expect="directory_read_only", json={"name": "own"})
    api.patch(group_path, expect="directory_read_only", json={"description": "x"})
    api.delete(group_path, expect="directory_read_only")
    api.delete(f"{group_path}/members/{user['user_id']}", expect="directory_read_only")
    api.put(f"{group_path}/members/{user['user_id']}", expect="directory_read_only")
    # Its proposal is in a domain that is not the organization's; another address can be given.
    api.post(path + "/enable", expect="mail_domain_not_registered")
    assert api.post(path + "/enable", json={"email": "fixed"}, expect=200)["email"] == f"fixed@{org.domain}"
    slapd.admin.modify(f"uid=fixed,{PEOPLE}", mail=f"proposed@{org.domain}")
    slapd.add_user("several", mail=f"several@{org.domain}")
    other = seen(lambda: names(api, org.users).get("several"), "the other")
    api.post(org.users + "/enable", expect=200, json={"ids": [other["user_id"]]})
    assert api.get(f"{org.users}/{other['user_id']}")["email"] == f"several@{org.domain}"
    for dn in (f"uid=fixed,{PEOPLE}", f"uid=several,{PEOPLE}", f"cn=fixed-group,{GROUPS}"):
        slapd.admin.delete(dn)


def test_comparison_repairs_what_differs(following, api, slapd, followed):
    org, directory_id = followed
    slapd.add_user("drift", sn="Right")
    slapd.add_group("drift-group", f"uid=drift,{PEOPLE}")
    user = seen(lambda: names(api, org.users).get("drift"), "the user")
    seen(lambda: names(api, org.groups).get("drift-group", {}).get("member_count") == 1, "the group")
    following.sql("UPDATE user_detail SET last_name = 'Wrong' WHERE entity_id = %s", user["user_id"])
    following.sql("UPDATE external_entry SET digest = '' WHERE entity_id = %s", user["user_id"])
    begun = api.post(f"/v1/directories/{directory_id}/sync", expect=202)
    assert wait_operation(api, begun["operation_id"])["status"] == "SUCCEEDED"
    assert api.get(f"{org.users}/{user['user_id']}")["last_name"] == "Right"
    assert there(slapd, PEOPLE, GROUPS) == here(following, org)
    about = described(api, directory_id)["sync"]
    assert about["users"] == len(names(api, org.users)) and about["groups"] == len(names(api, org.groups))
    slapd.admin.delete(f"uid=drift,{PEOPLE}")
    slapd.admin.delete(f"cn=drift-group,{GROUPS}")


def test_organization_is_impaired_while_its_directory_is_away(api, slapd, followed):
    org, directory_id = followed
    slapd.stop()
    try:
        org.wait_state("IMPAIRED", 60)
        assert "cannot be followed" in org.describe()["state_reason"]
        about = described(api, directory_id)["sync"]
        assert about["status"] == "FAILING" and about["failure_code"] == "connection_refused" and about["failing_since"]
        metrics = api.get("/metrics").raw.decode()
        assert f'postreeve_directory_failures{{directory="{directory_id}"}}' in metrics
    finally:
        slapd.start()
    org.wait_state("ACTIVE", 60)
    assert "failure_code" not in wait_following(api, directory_id)["sync"]
    # Another password, which is wrong.
    api.patch(f"/v1/directories/{directory_id}", json={"connection": {"bind_password": "Wrong-1"}})
    org.wait_state("IMPAIRED", 60)
    assert described(api, directory_id)["sync"]["failure_code"] == "bad_credentials"
    api.patch(f"/v1/directories/{directory_id}", json={"connection": {"bind_password": PASSWORD}})
    org.wait_state("ACTIVE", 60)


def test_kept_directory_brings_its_users_back(api, slapd):
    slapd.add_user("stays")
    directory_id = create_directory(api, slapd)["directory_id"]
    org = attach(api, directory_id)
    wait_following(api, directory_id)
    user = names(api, org.users)["stays"]
    create_directory_refused = api.post("/v1/organizations", expect="directory_in_use", json={
        "alias": "another-one", "setup": "STANDARD", "directory_id": directory_id})
    assert org.id in create_directory_refused["detail"]
    api.delete(f"/v1/directories/{directory_id}", expect="directory_in_use")
    org.remove(force="true")
    about = described(api, directory_id)
    assert about["status"] == "AVAILABLE" and about["sync"]["status"] == "PENDING" and about["sync"]["users"] == 0
    slapd.admin.delete(f"uid=stays,{PEOPLE}")
    slapd.add_user("came")
    org = attach(api, directory_id)
    wait_following(api, directory_id)
    found = names(api, org.users)
    assert "came" in found and "stays" not in found
    assert api.get(f"{org.users}/{user['user_id']}")["state"] == "DELETED"
    org.remove(force="true", delete_directory="true")
    slapd.admin.delete(f"uid=came,{PEOPLE}")


def failing_with(api, directory_id, code):
    return wait_until(lambda: described(api, directory_id)["sync"].get("failure_code") == code, 20, what=code)


def test_organization_is_impaired_when_searches_are_refused(api, slapd, followed):
    """Who can bind may still not find anything: it is not well because the connection was made."""
    org, directory_id = followed
    path = f"/v1/directories/{directory_id}"
    api.patch(path, json={"connection": {"user_base_dn": f"ou=Nowhere,{PEOPLE}"}})
    org.wait_state("IMPAIRED", 60)
    assert described(api, directory_id)["sync"]["failure_code"] == "base_dn_not_found"
    api.patch(path, json={"connection": {"user_base_dn": PEOPLE}})
    org.wait_state("ACTIVE", 60)
    assert "failure_code" not in wait_following(api, directory_id)["sync"]


def test_directory_that_shows_nobody_any_more_removes_nobody(api, slapd, followed):
    org, directory_id = followed
    path = f"/v1/directories/{directory_id}"
    dns = [slapd.add_user(f"many{i}") for i in range(6)]
    seen(lambda: {f"many{i}" for i in range(6)} <= set(names(api, org.users)), "the users")
    before = names(api, org.users)
    mailbox = api.post(f"{org.users}/{before['many0']['user_id']}/enable", json={"email": "many0"}, expect=200)["mailbox"]["mailbox_id"]
    # A comparison that was asked for before anybody was told of it removes nobody either.
    api.patch(path, json={"connection": {"user_filter": "(&(objectClass=inetOrgPerson)(uid=many5))"}})
    failing_with(api, directory_id, "too_many_missing")
    org.wait_state("IMPAIRED", 60)
    assert set(names(api, org.users)) == set(before)
    api.patch(path, json={"connection": {"user_filter": None}})
    org.wait_state("ACTIVE", 60)
    wait_following(api, directory_id)
    found = api.get(f"{org.users}/{before['many0']['user_id']}").body
    assert found["state"] == "ENABLED" and found["mailbox"]["mailbox_id"] == mailbox
    # Told of it, somebody says that they are really gone.
    api.patch(path, json={"connection": {"user_filter": "(&(objectClass=inetOrgPerson)(uid=many5))"}})
    failing_with(api, directory_id, "too_many_missing")
    api.post(path + "/sync", expect=202)
    seen(lambda: set(names(api, org.users)) == {"many5"}, "the others to be removed")
    org.wait_state("ACTIVE", 60)
    assert "failure_code" not in wait_following(api, directory_id)["sync"]
    for dn in dns:
        slapd.admin.delete(dn)


def autodiscover(service, login, password, expect):
    client = service.anonymous()
    try:
        answer = client.request("POST", "/autodiscover/autodiscover.xml", body=(
            '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"><Request>'
            f"<EMailAddress>{login}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/"
            "mobilesync/responseschema/2006</AcceptableResponseSchema></Request></Autodiscover>").encode(), headers={
                "Content-Type": "text/xml",
                "Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()})
    finally:
        client.close()
    assert answer.status == expect, answer


def test_log_in_is_with_the_password_of_the_directory(following, api, slapd, followed):
    org, _ = followed
    dn = slapd.add_user("logs-in", userPassword="First-word-1")
    user = seen(lambda: names(api, org.users).get("logs-in"), "the user")
    path = f"{org.users}/{user['user_id']}"
    login = api.post(path + "/enable", json={"email": "logs-in"}, expect=200)["email"]
    autodiscover(following, login, "First-word-1", 200)
    autodiscover(following, login, "Second-word-2", 401)
    autodiscover(following, login, "", 401)
    slapd.admin.modify(dn, userPassword="Second-word-2")
    autodiscover(following, login, "First-word-1", 401)
    autodiscover(following, login, "Second-word-2", 200)
    slapd.admin.rename(dn, "uid=renamed-in")
    seen(lambda: api.get(path)["name"] == "renamed-in", "the new name")
    autodiscover(following, login, "Second-word-2", 200)
    for secret in ("First-word-1", "Second-word-2"):
        assert secret not in following.log() and secret.encode() not in api.get("/v1/audit-events").raw
    slapd.stop()
    try:
        autodiscover(following, login, "Second-word-2", 503)
    finally:
        slapd.start()
    api.post(path + "/disable", expect=200)
    autodiscover(following, login, "Second-word-2", 401)
    slapd.admin.delete(f"uid=renamed-in,{PEOPLE}")
