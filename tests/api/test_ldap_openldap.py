"""Following a real OpenLDAP server: each kind of change, what happened while nobody listened, and its faults."""
import contextlib
import random
import statistics
import subprocess
import time

import pytest

from checks import is_instrumented
from ldap_probe import Follower, ask, check_password, test_connection
from slapd_bed import BASE, GROUPS, PASSWORD, PEOPLE, Slapd, people
from tls_files import DAY, Authority


@pytest.fixture
def slapd():
    with Slapd() as bed:
        yield bed


def test_each_kind_of_change_comes_within_a_second(slapd):
    ann = slapd.add_user("ann", mail="ann@acme.test", title="Clerk")
    staff = slapd.add_group("staff", ann)
    times = []
    with Follower(slapd.connection()) as follower:
        follower.loaded()
        assert follower.method == "SYNCREPL"
        assert follower.named("ann")["proposed_email"] == "ann@acme.test"
        assert follower.named("staff")["members"] == [ann]
        external_id = follower.named("ann")["external_id"]
        assert external_id == slapd.id_of(ann)

        bob = slapd.add_user("bob")
        times.append(follower.until(lambda f: f.named("bob")))
        slapd.admin.modify(ann, title="Boss")
        times.append(follower.until(lambda f: f.named("ann").get("job_title") == "Boss"))
        slapd.admin.change_values(staff, "add", "member", bob)
        times.append(follower.until(lambda f: f.named("staff")["members"] == [ann, bob]))
        slapd.admin.rename(ann, "uid=anna")
        times.append(follower.until(lambda f: f.named("anna") and not f.named("ann")))
        assert follower.named("anna")["external_id"] == external_id
        slapd.admin.add(f"ou=Sales,{PEOPLE}", objectClass="organizationalUnit", ou="Sales")
        slapd.admin.rename(f"uid=anna,{PEOPLE}", "uid=anna", f"ou=Sales,{PEOPLE}")
        times.append(follower.until(lambda f: f.named("anna")["dn"] == f"uid=anna,ou=Sales,{PEOPLE}"))
        assert follower.named("anna")["external_id"] == external_id
        slapd.admin.modify(bob, pwdAccountLockedTime="000001010000Z")
        times.append(follower.until(lambda f: f.named("bob")["is_disabled"]))
        slapd.admin.rename(bob, "uid=bob", f"ou=Elsewhere,{BASE}")  # out of the base DN
        times.append(follower.until(lambda f: f.named("bob") is None))
        slapd.admin.delete(f"uid=anna,ou=Sales,{PEOPLE}")
        times.append(follower.until(lambda f: f.named("anna") is None))
        again = slapd.add_user("anna")
        times.append(follower.until(lambda f: f.named("anna")))
        assert follower.named("anna")["external_id"] == slapd.id_of(again) != external_id
        slapd.admin.delete(staff)
        times.append(follower.until(lambda f: f.named("staff") is None))
        assert follower.full_loads == 1
    assert statistics.median(times) < 1, times


def change_meanwhile(slapd):
    slapd.admin.delete(f"uid=u1,{PEOPLE}")
    slapd.admin.modify(f"uid=u2,{PEOPLE}", title="Changed")
    slapd.admin.rename(f"uid=u3,{PEOPLE}", "uid=renamed")
    slapd.add_user("new")
    slapd.admin.delete(f"cn=g0,{GROUPS}")


@pytest.mark.parametrize("session_log, full_loads", [(1000, 0), (0, 1)])
def test_what_happened_while_nobody_listened_is_told_afterwards(session_log, full_loads):
    with Slapd(session_log=session_log, start=False) as slapd:
        slapd.load(people(50, 3))
        slapd.start()
        with Follower(slapd.connection()) as first:
            first.loaded()
            cookie = first.stop()
        change_meanwhile(slapd)
        with Follower(slapd.connection(), cookie, entries=first.entries) as second:
            second.until(lambda f: f.named("new") and not f.named("u1") and not f.named("g0") and f.named("renamed")
                         and not f.named("u3") and f.named("u2").get("job_title") == "Changed")
            assert len(second.entries) == 52
            assert second.full_loads == full_loads  # without a log of deletions, all is read
        with Follower(slapd.connection(), second.cookie, entries=second.entries) as third:
            slapd.add_user("last")
            third.until(lambda f: f.named("last"))
            assert third.full_loads == 0 or not session_log


def test_a_cookie_that_means_nothing_begins_anew(slapd):
    slapd.add_user("ann")
    for cookie in ("", "nonsense", "SYNCREPL:", "SYNCREPL:zz.yy", "SYNCREPL:6e6f.6e6f", "DIRSYNC:00", "SYNCREPL:" + "61" * 5000 + ".61"):
        with Follower(slapd.connection(), cookie) as follower:
            follower.until(lambda f: f.named("ann"))


def test_a_server_without_news_is_asked_again_and_again():
    with Slapd(sync_provider=False) as slapd:
        slapd.add_user("ann")
        with Follower(slapd.connection()) as follower:
            follower.loaded()
            assert follower.method == "POLL"
            slapd.add_user("bob")
            assert follower.until(lambda f: f.named("bob")) < 5
            slapd.admin.modify(f"uid=ann,{PEOPLE}", title="One")
            slapd.admin.modify(f"uid=ann,{PEOPLE}", title="Two")
            follower.until(lambda f: f.named("ann").get("job_title") == "Two")
            time.sleep(6)  # what is settled is not told again
            batches = follower.batches
            time.sleep(5)
            assert follower.batches == batches
            slapd.admin.modify(f"uid=ann,{PEOPLE}", title="Three")
            follower.until(lambda f: f.named("ann").get("job_title") == "Three")
            cookie = follower.stop()
        slapd.add_user("carl")
        with Follower(slapd.connection(), cookie, entries=follower.entries) as second:
            second.until(lambda f: f.named("carl"))
            assert second.full_loads == 0


def test_the_server_ends_and_is_killed(slapd):
    slapd.add_user("ann")
    for end in (slapd.stop, slapd.kill9):
        with Follower(slapd.connection()) as follower:
            follower.loaded()
            end()
            follower.process.wait(20)
            follower.thread.join(20)
            assert follower.fault["fault"] == "connection_lost" and follower.fault["pointer"] == "/connection"
        slapd.start()
        slapd.admin.modify(f"uid=ann,{PEOPLE}", title="After")
        with Follower(slapd.connection(), follower.cookie, entries=follower.entries) as second:
            second.until(lambda f: f.named("ann").get("job_title") == "After")


def test_a_server_that_stops_answering_is_noticed(slapd):
    with Follower(slapd.connection()) as follower:
        follower.loaded()
        slapd.pause()
        try:
            follower.process.wait(40)
            follower.thread.join(20)
        finally:
            slapd.resume()
        assert follower.fault["fault"] == "timed_out"


def test_random_changes_with_kills_end_equal():
    chance = random.Random(7)
    with Slapd(start=False) as slapd:
        slapd.load(people(200, 10))
        slapd.start()
        follower = Follower(slapd.connection()).loaded()
        names, made = [f"u{i}" for i in range(200)], 0
        for turn in range(12):
            text = []
            for _ in range(60):
                name = chance.choice(names)
                dn = f"dn: uid={name},{PEOPLE}\n"
                what = chance.randrange(4)
                if what == 0:
                    made += 1
                    text.append(f"dn: uid=n{made},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: n{made}\n"
                                f"cn: N\nsn: N\n")
                    names.append(f"n{made}")
                elif what == 1:
                    text.append(dn + f"changetype: modify\nreplace: title\ntitle: T{chance.random()}\n-\n")
                elif what == 2:
                    made += 1
                    text.append(dn + f"changetype: modrdn\nnewrdn: uid=r{made}\ndeleteoldrdn: 1\n")
                    names[names.index(name)] = f"r{made}"
                else:
                    text.append(dn + "changetype: delete\n")
                    names.remove(name)
            slapd.admin.ldif("\n".join(text))
            if turn % 3 == 0:
                follower.kill9()
                follower = Follower(slapd.connection(), follower.cookie, entries=follower.entries)
            elif turn % 3 == 1:
                slapd.stop()
                slapd.start()
                with contextlib.suppress(subprocess.TimeoutExpired):  # who came after the stop noticed nothing
                    follower.process.wait(5)
                follower.kill9()
                follower = Follower(slapd.connection(), follower.cookie, entries=follower.entries)
        there = {entry["entryUUID"][0].decode(): dn for dn, entry in slapd.admin.search(PEOPLE, "(objectClass=inetOrgPerson)", "entryUUID")}

        def equal(follower):
            return {key: entry["dn"] for key, entry in follower.entries.items() if not entry["is_group"]} == there
        try:
            follower.until(equal, 30)
        finally:
            follower.kill9()


# --- TestDirectory ---

@pytest.mark.parametrize("changes, code", [
    ({}, "ok"),
    ({"uris": ["ldaps://nowhere.invalid"]}, "name_not_resolved"),
    ({"uris": ["ldaps://127.0.0.1:1"]}, "connection_refused"),
    ({"ca_certificate": None}, "tls_not_trusted"),
    ({"ca_certificate": Authority(name="Another").pem.decode()}, "tls_not_trusted"),
    ({"uris": ["ldaps://localhost:{tls_port}"]}, "tls_name_mismatch"),
    ({"uris": ["ldaps://127.0.0.1:{port}"]}, "tls_failed"),
    ({"uris": ["ldap://127.0.0.1:{port}"], "tls_mode": "STARTTLS"}, "ok"),
    ({"uris": ["ldap://127.0.0.1:{port}"], "tls_mode": "STARTTLS", "ca_certificate": None}, "tls_not_trusted"),
    ({"uris": ["ldap://localhost:{port}"], "tls_mode": "STARTTLS"}, "tls_name_mismatch"),
    ({"uris": ["ldap://127.0.0.1:{port}"], "tls_mode": "NONE"}, "ok"),
    ({"uris": ["ldaps://127.0.0.1:1", "ldaps://127.0.0.1:{tls_port}"]}, "ok"),
    ({"bind_password": "wrong"}, "bad_credentials"),
    ({"bind_password": None}, "bad_credentials"),
    ({"bind_dn": f"cn=nobody,{BASE}"}, "bad_credentials"),
    ({"user_base_dn": f"ou=Nowhere,{BASE}"}, "base_dn_not_found"),
    ({"group_base_dn": f"ou=Nowhere,{BASE}"}, "base_dn_not_found"),
    ({"user_base_dn": f"ou=Hidden,{BASE}"}, "no_permission"),
])
def test_outcomes(slapd, changes, code):
    slapd.add_user("ann")
    changes = {name: [uri.format(port=slapd.port, tls_port=slapd.tls_port) for uri in value] if name == "uris" else value
               for name, value in changes.items()}
    outcome = test_connection(slapd.connection(**changes))
    assert outcome["code"] == code, outcome
    assert PASSWORD not in str(outcome)
    assert outcome["user_count"] == (1 if code == "ok" or "group_base_dn" in changes else 0)
    assert outcome["help"]


def test_an_expired_certificate_is_not_trusted():
    with Slapd(start=False) as slapd:
        slapd.sign(begin=-10 * DAY, end=-DAY)
        slapd.start()
        outcome = test_connection(slapd.connection())
        assert outcome["code"] == "tls_not_trusted" and "expired" in outcome["help"]


def test_a_paused_server_times_out(slapd):
    slapd.pause()
    try:
        began = time.monotonic()
        outcome = test_connection(slapd.connection(), DEADLINE_S="4")
        assert outcome["code"] == "timed_out" and time.monotonic() - began < 8, outcome
        outcome = test_connection(slapd.connection(uris=[slapd.url], tls_mode="NONE"), DEADLINE_S="2")
        assert outcome["code"] == "timed_out", outcome
    finally:
        slapd.resume()


def test_counts_go_past_the_servers_limit_and_a_limit_is_told():
    with Slapd(start=False, size_limit=100) as slapd:
        slapd.load(people(1200, 4))
        slapd.start()
        outcome = test_connection(slapd.connection())
        assert (outcome["code"], outcome["user_count"], outcome["group_count"]) == ("ok", 1200, 4)
        assert len(outcome["users"]) == 5 and outcome["method"] == "SYNCREPL"
        anonymous = slapd.connection(bind_dn=None, bind_password=None)
        assert test_connection(anonymous)["code"] == "limit_exceeded"


# --- passwords ---

def test_passwords_are_checked_by_the_directory(slapd):
    ann = slapd.add_user("ann", userPassword="Right-1")
    connection = slapd.connection()
    assert check_password(connection, ann, "Right-1")["code"] == "ok"
    for dn, password in ((ann, "wrong"), (ann, ""), (ann, "x" * 2000), ("", ""), ("", "Right-1"), (f"uid=nobody,{PEOPLE}", "Right-1"),
                         ("no dn at all", "Right-1"), (f"uid=*,{PEOPLE}", "Right-1")):
        assert check_password(connection, dn, password)["code"] == "unauthenticated", (dn, password)
    slapd.stop()
    assert check_password(connection, ann, "Right-1")["code"] == "directory_unreachable"


# --- what is said to the directory ---

@pytest.mark.parametrize("member, value", [
    ("user_filter", "(uid=*)(objectClass=*)"), ("user_filter", "uid=*"), ("user_filter", "(uid=*"), ("user_filter", "(&(uid=*)"),
    ("user_filter", "(uid=a\\zz)"), ("user_filter", "(|)"), ("group_filter", "(cn=a))(cn=b"), ("user_filter", "(" * 3000),
    ("user_base_dn", "nonsense"), ("user_base_dn", "ou=a,,dc=b"), ("user_base_dn", "ou=a\\"), ("group_base_dn", "ou=a;dc=b"),
    ("bind_dn", "not a dn"), ("uris", ["http://127.0.0.1"]), ("uris", ["ldaps://127.0.0.1/dc=x??sub"]), ("uris", ["ldaps://a b"]),
    ("uris", ["ldaps://127.0.0.1:0"]), ("uris", ["ldaps://127.0.0.1:65536"]), ("uris", ["ldapi:///"]), ("uris", ["ldap://127.0.0.1"]),
    ("uris", []), ("ca_certificate", "no certificate"), ("mapping", {"name": "uid)(x=*"}), ("mapping", {"nonsense": "uid"}),
    ("mapping", {"external_id": ""}), ("tls_mode", "MAYBE"), ("preset", "NDS"),
])
def test_what_is_not_well_formed_never_reaches_a_server(slapd, member, value):
    refused = ask(slapd.connection(**{member: value}), "test")
    assert refused["code"] == "validation_failed" and refused["pointer"].startswith(f"/connection/{member}"), refused


def test_plain_connections_are_for_this_host_alone(slapd):
    plain = slapd.connection(uris=["ldap://192.0.2.1"], tls_mode="NONE")
    refused = ask(plain, "test")
    assert refused["fault"] == "plain_not_allowed", refused
    assert ask(plain, "test", PLAIN_ALLOWED="1", DEADLINE_S="1")["code"] != "validation_failed"


def test_names_with_special_characters_keep_their_meaning(slapd):
    names = ['Lee, Ann', 'a+b=c', '#1 "x"', 'back\\slash', '(*)', 'Zoë 中', ' outer ', 'a;b<c>']
    members = []
    for i, name in enumerate(names):
        escaped = "".join("\\%02x" % byte for byte in name.encode())
        dn = f"cn={escaped},{PEOPLE}"
        slapd.admin.add(dn, objectClass="inetOrgPerson", uid=f"s{i}", cn=name, sn="x")
        members.append(dn)
    slapd.add_group("all", *members)
    with Follower(slapd.connection()) as follower:
        follower.loaded()
        users = {entry["name"]: entry for entry in follower.entries.values() if not entry["is_group"]}
        assert [users[f"s{i}"]["display_name"] for i in range(len(names))] == [name.strip() for name in names]
        # The one spelling of members and entries.
        assert sorted(follower.named("all")["members"]) == sorted(entry["dn"] for entry in users.values())


def test_the_load_is_quick_and_of_even_memory():
    with Slapd(start=False) as slapd:
        slapd.load(people(20000, 200))
        slapd.start()
        began = time.monotonic()
        with Follower(slapd.connection()) as follower:
            follower.loaded()
            took = time.monotonic() - began
            with open(f"/proc/{follower.process.pid}/status", encoding="ascii") as status:
                peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
            assert len(follower.entries) == 20200
            assert took < 20200 / 2000 or is_instrumented(follower.process.pid), took
    assert peak < 300 * 1024, peak  # KiB; the sanitizers keep what is freed for a while


