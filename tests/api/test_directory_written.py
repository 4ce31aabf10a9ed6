"""A directory that is written to (SIMPLE_AD): what is changed here is changed there, in a real Active Directory."""
import pytest

from directories import attach, create_directory, described, names, wait_following
from ldap_client import LdapClient
from organization import PASSWORD
from samba_bed import BASE, Samba
from service import Service, wait_until


@pytest.fixture(scope="module")
def samba():
    with Samba() as server:
        yield server


def test_users_are_made_changed_and_given_passwords_in_the_directory(make_service, samba):
    service = make_service()
    api = service.client()
    directory_id = create_directory(api, samba, type="SIMPLE_AD")["directory_id"]
    org = attach(api, directory_id)
    wait_following(api, directory_id, 60)
    made = api.post(org.users, expect=201, json={"name": "ada", "display_name": "Ada Lovelace", "first_name": "Ada",
                                                 "last_name": "Lovelace", "password": PASSWORD, "email": "ada"}).body
    path = f"{org.users}/{made['user_id']}"
    assert (made["state"], made["email"], made["read_only"]) == ("ENABLED", f"ada@{org.domain}", False)
    assert api.patch(path, json={"job_title": "Countess", "quota_mb": 77})["job_title"] == "Countess"
    wait_until(lambda: described(api, directory_id)["sync"]["errors"] == 0, 10)
    assert api.get(path)["quota_mb"] == 77 and list(names(api, org.users)).count("ada") == 1
    api.post(path + "/reset-password", expect=204, json={"password": "Another-horse-8"})
    samba.admin.modify(BASE, minPwdLength=20)
    api.post(path + "/reset-password", expect="directory_password_policy", json={"password": "Short-horse-9"})
    samba.admin.modify(BASE, minPwdLength=7)
    dn = api.get(path)["external"]["dn"]
    LdapClient(samba.url, dn, "Another-horse-8", ca=samba.ca_file, start_tls=True).search(dn, scope="base")
    api.post(org.users, expect="name_taken", json={"name": "ada", "display_name": "Ada"})
    api.delete(path, expect="directory_read_only")


@pytest.fixture(scope="module")
def written(template, check, samba):
    """A service and an organization on a unit of that directory."""
    service = Service(template=template, check=check)
    try:
        service.start()
        api = service.client()
        unit = samba.add_unit("Written")
        directory_id = create_directory(api, samba, type="MANAGED_AD", connection={"user_base_dn": unit})["directory_id"]
        org = attach(api, directory_id)
        wait_following(api, directory_id, 60)
        yield service, api, org, unit
        service.stop()
        service.check_sanitizers()
    finally:
        service.remove()


def names_there(samba, unit):
    return {entry["sAMAccountName"][0].decode() for _, entry in samba.admin.search(unit, "(objectClass=user)", "sAMAccountName")}


def test_what_is_refused_here_is_not_made_there(written, samba):
    _, api, org, unit = written
    before = names_there(samba, unit)
    for members, code in (({"email": "bea@elsewhere.test", "password": PASSWORD}, "mail_domain_not_registered"),
                          ({"email": "no address@", "password": PASSWORD}, "validation_failed")):
        api.post(org.users, expect=code, json={"name": "bea", "display_name": "Bea", **members})
        api.post(org.users + "?validate_only=true", expect=code, json={"name": "bea", "display_name": "Bea", **members})
    api.post(org.users, expect="precondition_failed", headers={"If-Match": '"v1"'}, json={"name": "bea", "display_name": "Bea"})
    assert api.post(org.users + "?validate_only=true", expect=200, json={
        "name": "bea", "display_name": "Bea", "password": PASSWORD, "email": "bea"})["email"] == f"bea@{org.domain}"
    assert names_there(samba, unit) == before
    made = api.post(org.users, expect=201, json={"name": "bea", "display_name": "Bea"}).body
    assert made["state"] == "DISABLED" and names_there(samba, unit) == before | {"bea"}
    api.post(org.users + "?validate_only=true", expect="name_taken", json={"name": "bea", "display_name": "Bea"})


def test_what_cannot_be_taken_over_is_taken_back(written, samba):
    """The same request is answered as if it were the first one, once it can be."""
    service, api, org, unit = written
    service.sql("CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF NEW.name = 'cleo' AND NEW.state = 'ENABLED' THEN RAISE 'broken'; END IF; RETURN NEW; END $$")
    service.sql("CREATE TRIGGER broken BEFORE UPDATE ON entity FOR EACH ROW WHEN (NEW.name = 'cleo')"
                " EXECUTE FUNCTION broken()")
    body = {"name": "cleo", "display_name": "Cleo", "password": PASSWORD, "email": "cleo"}
    key = {"Idempotency-Key": "cleo-1"}
    try:
        api.post(org.users, expect="internal_error", headers=key, json=body)
        assert "cleo" not in names_there(samba, unit)
    finally:
        service.sql("DROP TRIGGER broken ON entity")
    wait_until(lambda: "cleo" not in names(api, org.users), 20, what="cleo to be gone here, too")
    made = api.post(org.users, expect=201, headers=key, json=body).body
    again = api.post(org.users, expect=201, headers=key, json=body)
    assert again["user_id"] == made["user_id"] and again.headers["Idempotent-Replayed"] == "true"
    assert made["state"] == "ENABLED" and "cleo" in names_there(samba, unit)


def test_changes_that_are_refused_or_tried_change_nothing_there(written, samba):
    _, api, org, unit = written
    made = api.post(org.users, expect=201, json={"name": "dora", "display_name": "Dora", "password": PASSWORD, "email": "dora"}).body
    path = f"{org.users}/{made['user_id']}"
    old = {"If-Match": '"v0"'}

    def title():
        (_, entry), = samba.admin.search(unit, "(sAMAccountName=dora)", "title")
        return entry.get("title")
    api.patch(path, expect="precondition_failed", headers=old, json={"job_title": "Boss"})
    api.post(path + "/reset-password", expect="precondition_failed", headers=old, json={"password": "Another-horse-9"})
    assert api.patch(path + "?validate_only=true", json={"job_title": "Boss"})["user_id"] == made["user_id"]
    api.post(path + "/reset-password?validate_only=true", expect=200, json={"password": "Another-horse-9"})
    assert title() is None
    dn = api.get(path)["external"]["dn"]
    LdapClient(samba.tls_url, dn, PASSWORD, ca=samba.ca_file).search(dn, scope="base")
    # As he is now, he is changed.
    now = {"If-Match": api.get(path).headers["ETag"]}
    assert api.patch(path, headers=now, json={"job_title": "Boss"})["job_title"] == "Boss" and title() == [b"Boss"]
    api.patch(path, expect="precondition_failed", headers=now, json={"job_title": "Clerk"})
    assert title() == [b"Boss"]
    # Under one key a password is set once.
    key, reset = {"Idempotency-Key": "dora-1"}, {"password": "Another-horse-9"}
    api.post(path + "/reset-password", expect=204, headers=key, json=reset)
    api.post(path + "/reset-password", expect=204, json={"password": "Third-horse-10"})
    assert api.post(path + "/reset-password", expect=204, headers=key, json=reset).headers["Idempotent-Replayed"] == "true"
    LdapClient(samba.tls_url, dn, "Third-horse-10", ca=samba.ca_file).search(dn, scope="base")


def test_members_that_are_renamed_and_moved_stay_members(written, samba):
    """Active Directory tells of the member, not of the group."""
    _, api, org, unit = written
    inner = samba.add_unit("Inner,OU=Written")
    dn = samba.add_user("eve", parent=unit)
    samba.add_group("team-of-eve", dn, parent=unit)

    def members():
        group = names(api, org.groups).get("team-of-eve")
        return [member["name"] for member in api.items(f"{org.groups}/{group['group_id']}/members")] if group else None
    wait_until(lambda: members() == ["eve"], 20, what="eve in the group")
    user_id = names(api, org.users)["eve"]["user_id"]
    for rdn, parent in (("CN=eve-renamed", None), ("CN=eve-moved", inner)):
        samba.admin.rename(dn, rdn, parent)
        dn = f"{rdn},{parent or unit}"
        wait_until(lambda: api.get(f"{org.users}/{user_id}")["external"]["dn"] == dn, 20, what=dn)
        assert members() == ["eve"]
    other = samba.add_user("adam", parent=unit)
    samba.admin.modify(f"CN=team-of-eve,{unit}", member=[dn, other])
    wait_until(lambda: sorted(members()) == ["adam", "eve"], 20, what="adam in the group, too")
    samba.admin.delete(dn)
    wait_until(lambda: members() == ["adam"], 20, what="eve to leave")


def test_members_that_have_changed_names_with_each_other_stay_members(written, samba):
    """What happened while nobody listened comes at once: the new name of each is the old one of the other."""
    service, api, org, unit = written
    dns = [samba.add_user(name, parent=unit) for name in ("fay", "gil")]
    samba.add_group("pair", *dns, parent=unit)

    def members(client):
        group = names(client, org.groups).get("pair")
        return sorted(member["name"] for member in client.items(f"{org.groups}/{group['group_id']}/members")) if group else None
    wait_until(lambda: members(api) == ["fay", "gil"], 20, what="both in the group")
    fay = f"{org.users}/{names(api, org.users)['fay']['user_id']}"
    service.stop()
    samba.admin.rename(dns[0], "CN=for-a-moment")
    samba.admin.rename(dns[1], "CN=fay")
    samba.admin.rename(f"CN=for-a-moment,{unit}", "CN=gil")
    service.start()
    client = service.client()
    wait_until(lambda: client.get(fay)["external"]["dn"] == f"CN=gil,{unit}", 20, what="the new name")
    assert members(client) == ["fay", "gil"]
    client.close()
