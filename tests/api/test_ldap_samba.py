"""Following and changing a real Active Directory: Samba's domain controller."""
import statistics
import uuid

import pytest

from ldap_probe import Follower, Writer, check_password, test_connection
from samba_bed import BASE, USERS, Samba, need_root

KIND = {"kind": "AD_CONNECTOR"}


@pytest.fixture(scope="module")
def samba():
    need_root()
    with Samba() as bed:
        yield bed


@pytest.fixture
def unit(samba):
    """An organizational unit that belongs to this test alone."""
    return samba.add_unit("u" + uuid.uuid4().hex[:8])


@pytest.fixture
def name():
    """Names of accounts are unique in the whole domain."""
    suffix = uuid.uuid4().hex[:8]
    return lambda text: f"{text}-{suffix}"


def test_each_kind_of_change_comes_within_a_second(samba, unit, name):
    ann = samba.add_user(name("ann"), unit, password="Abc-defgh-1", mail="ann@ad.test", title="Clerk")
    staff = samba.add_group(name("staff"), ann, parent=unit)
    times = []
    with Follower(samba.connection(user_base_dn=unit), **KIND) as follower:
        follower.loaded()
        assert follower.method == "DIRSYNC"
        first = follower.named(name("ann"))
        assert (first["proposed_email"], first["is_disabled"], first["type"]) == ("ann@ad.test", False, "USER")

        def change(made, condition):
            assert made.returncode == 0 if hasattr(made, "returncode") else made
            times.append(follower.until(condition))
        change(samba.add_user(name("bob"), unit), lambda f: f.named(name("bob")))
        change(samba.admin.modify(ann, title="Boss"), lambda f: f.named(name("ann")).get("job_title") == "Boss")
        change(samba.admin.change_values(staff, "add", "member", f"CN={name('bob')},{unit}"),
               lambda f: len(f.named(name("staff"))["members"]) == 2)
        change(samba.admin.change_values(staff, "delete", "member", ann), lambda f: len(f.named(name("staff"))["members"]) == 1)
        change(samba.admin.modify(ann, userAccountControl="514"), lambda f: f.named(name("ann"))["is_disabled"])
        change(samba.admin.rename(ann, "CN=Anna"), lambda f: f.named(name("ann"))["dn"] == f"CN=Anna,{unit}")
        change(samba.admin.rename(f"CN={name('bob')},{unit}", "CN=away", USERS), lambda f: f.named(name("bob")) is None)
        change(samba.admin.delete(f"CN=Anna,{unit}"), lambda f: f.named(name("ann")) is None)
        change(samba.add_user(name("ann"), unit), lambda f: f.named(name("ann")))
        assert follower.named(name("ann"))["external_id"] != first["external_id"]
        assert follower.full_loads == 1
        samba.admin.delete("CN=away," + USERS)
    assert statistics.median(times) < 1, times


def test_what_happened_while_nobody_listened_is_told_afterwards(samba, unit, name):
    samba.add_user(name("ann"), unit)
    samba.add_user(name("bob"), unit)
    with Follower(samba.connection(user_base_dn=unit), **KIND) as follower:
        follower.loaded()
        cookie = follower.stop()
    samba.admin.delete(f"CN={name('ann')},{unit}")
    samba.admin.modify(f"CN={name('bob')},{unit}", title="Boss")
    samba.add_user(name("carl"), unit)
    with Follower(samba.connection(user_base_dn=unit), cookie, entries=follower.entries, **KIND) as second:
        second.until(lambda f: not f.named(name("ann")) and f.named(name("carl")) and f.named(name("bob")).get("job_title") == "Boss")
        assert second.full_loads == 0


def test_an_account_without_the_right_to_replicate_asks_again_and_again(samba, unit, name):
    reader = samba.add_user(name("reader"), password="Low-Passw0rd-1")
    samba.add_user(name("ann"), unit)
    connection = samba.connection(user_base_dn=unit, bind_dn=reader, bind_password="Low-Passw0rd-1")
    with Follower(connection, **KIND) as follower:
        follower.loaded()
        assert follower.method == "POLL" and follower.named(name("ann"))
        samba.admin.modify(f"CN={name('ann')},{unit}", title="Boss")
        follower.until(lambda f: f.named(name("ann")).get("job_title") == "Boss")
        cookie = follower.stop()
    samba.add_user(name("bob"), unit)
    with Follower(connection, cookie, entries=follower.entries, **KIND) as second:
        second.until(lambda f: f.named(name("bob")))
        assert second.full_loads == 0


def test_outcomes(samba, unit, name):
    samba.add_user(name("ann"), unit)
    assert test_connection(samba.connection(user_base_dn=unit), **KIND)["code"] == "ok"
    for changes, code in (({"bind_password": "no"}, "bad_credentials"), ({"user_base_dn": "OU=No," + BASE}, "base_dn_not_found"),
                          ({"ca_certificate": None}, "tls_not_trusted"), ({"uris": ["ldaps://localhost"]}, "connection_refused"),
                          ({"uris": [samba.url], "tls_mode": "STARTTLS"}, "ok"),
                          ({"uris": [samba.url], "tls_mode": "NONE"}, "tls_required")):
        assert test_connection(samba.connection(**{"user_base_dn": unit, **changes}), **KIND)["code"] == code, changes
    anonymous = samba.connection(bind_dn=None, bind_password=None, preset="ACTIVE_DIRECTORY")
    assert test_connection(anonymous)["code"] == "no_permission"


def test_users_are_written_through(samba, unit, name):
    write = Writer(samba.connection(user_base_dn=unit))
    weak = write("create_user", user={"name": name("ann"), "display_name": "Ann", "password": "short"})
    assert weak["code"] == "directory_password_policy" and "0000052D" in weak["detail"]
    made = write("create_user", user={"name": name("ann"), "display_name": "Ann Lee", "first_name": "Ann", "last_name": "Lee",
                                      "job_title": "Clerk", "password": "Good-Passw0rd-1"})
    ann = made["entry"][0]
    assert (ann["name"], ann["display_name"], ann["job_title"], ann["is_disabled"]) == (name("ann"), "Ann Lee", "Clerk", False)
    assert write("create_user", user={"name": name("ann"), "display_name": "Ann"})["code"] == "name_taken"
    assert check_password(samba.connection(), ann["dn"], "Good-Passw0rd-1", **KIND)["code"] == "ok"

    assert write("set_password", external_id=ann["external_id"], password="abc")["code"] == "directory_password_policy"
    assert write("set_password", external_id=ann["external_id"], password='Zoë "quoted" 2')["code"] == "ok"
    assert check_password(samba.connection(), ann["dn"], 'Zoë "quoted" 2', **KIND)["code"] == "ok"
    changed = write("modify_user", external_id=ann["external_id"], user={"job_title": "Boss", "last_name": ""})["entry"][0]
    assert changed["job_title"] == "Boss" and "last_name" not in changed and changed["first_name"] == "Ann"

    for _ in range(2):
        assert write("delete", external_id=ann["external_id"])["code"] == "ok"
    assert write("set_password", external_id=ann["external_id"], password="Good-Passw0rd-3")["code"] == "directory_refused"


def test_the_entry_that_was_made_is_told_and_no_other_of_its_name(samba, unit, name):
    """Not every attribute that names can be kept in is unique there."""
    inner = f"OU=inner,{unit}"
    samba.admin.add(inner, objectClass="organizationalUnit")
    other = samba.add_user(name("other"), inner, info=name("ann"))
    connection = samba.connection(user_base_dn=unit, mapping={"name": "info"})
    made = Writer(connection)("create_user", user={"name": name("ann"), "display_name": "Ann"})["entry"][0]
    assert made["dn"] == f"CN={name('ann')},{unit}" and made["dn"] != other
    # What the filter does not find is not left there, and nobody else is taken for it.
    narrow = Writer({**connection, "user_filter": f"(&(objectClass=user)(cn={name('other')}))"})
    assert narrow("create_user", user={"name": name("bob"), "display_name": "B"})["code"] == "directory_refused"
    samba.admin.modify(other, info=name("bob"))
    assert narrow("create_user", user={"name": name("bob"), "display_name": "B"})["code"] == "directory_refused"
    assert not samba.admin.search(unit, f"(cn={name('bob')})", "cn") and samba.admin.search(unit, f"(cn={name('other')})", "cn")


def test_what_the_directory_refuses_is_told_in_its_words(samba, unit, name):
    write = Writer(samba.connection(user_base_dn=unit))
    refused = write("create_user", user={"name": name("a,b+c"), "display_name": "A"})
    assert refused["code"] == "directory_refused" and "sAMAccountName" in refused["detail"]
    for external_id in ("", "*", ")(cn=*", "00000000-0000-0000-0000-000000000000"):
        assert write("modify_user", external_id=external_id, user={"job_title": "X"})["code"] == "directory_refused"
        assert write("delete", external_id=external_id)["code"] == "ok"
    reader = samba.add_user(name("reader"), password="Low-Passw0rd-1")
    low = Writer(samba.connection(user_base_dn=unit, bind_dn=reader, bind_password="Low-Passw0rd-1"))
    assert low("create_user", user={"name": name("bob"), "display_name": "Bob"})["code"] == "directory_refused"


def test_passwords_of_accounts_that_may_not_log_in(samba, unit, name):
    dn = samba.add_user(name("ann"), unit, password="Abc-defgh-1")
    samba.admin.modify(dn, userAccountControl="514")
    refused = check_password(samba.connection(), dn, "Abc-defgh-1", **KIND)
    assert refused["code"] == "unauthenticated" and "disabled" in refused["detail"]
    assert check_password(samba.connection(), dn, "", **KIND)["code"] == "unauthenticated"


def test_members_beyond_what_the_server_sends_at_once(samba, unit, name):
    """Active Directory sends long lists of members in parts."""
    names = [name(f"m{i}") for i in range(1700)]
    text = "\n".join(f"dn: CN={n},{unit}\nchangetype: add\nobjectClass: contact\n" for n in names)
    samba.admin.ldif(text)
    samba.add_group(name("all"), *[f"CN={n},{unit}" for n in names], parent=unit)
    with Follower(samba.connection(user_base_dn=unit), **KIND) as follower:
        follower.loaded()
        assert len(follower.named(name("all"))["members"]) == len(names)


def test_the_server_is_killed(samba, unit, name):
    samba.add_user(name("ann"), unit)
    with Follower(samba.connection(user_base_dn=unit), **KIND) as follower:
        follower.loaded()
        samba.kill9()
        follower.process.wait(30)
        follower.thread.join(20)
        assert follower.fault["fault"] == "connection_lost"
    samba.start()
    samba.admin.modify(f"CN={name('ann')},{unit}", title="After")
    with Follower(samba.connection(user_base_dn=unit), follower.cookie, entries=follower.entries, **KIND) as second:
        second.until(lambda f: f.named(name("ann")).get("job_title") == "After")
        assert second.full_loads == 0
