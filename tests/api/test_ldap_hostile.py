"""Directories that mean harm, or are broken: each is told as a fault, in bounded time and memory."""
import itertools
import socket
import time
import uuid

import pytest

from ldap_liar import BIND, REFERENCE, SEARCH, SEARCH_DONE, Liar, ber, entry, message, result, text
from ldap_probe import Follower, ask, check_password, test_connection
from service import wait_until

MEMORY_KIB = 400 * 1024  # with the sanitizers, which keep what is freed for a while


def user(number, **attributes):
    return entry(f"uid=u{number},dc=x", entryUUID=str(uuid.UUID(int=number)), uid=f"u{number}", **attributes)


def told(liar, code, deadline=3, most=10):
    """The outcome, and that it came in time and without much memory."""
    began = time.monotonic()
    outcome = test_connection(liar.connection(), DEADLINE_S=str(deadline))
    assert outcome["code"] == code, outcome
    assert time.monotonic() - began < most
    assert outcome["peak_kib"] < MEMORY_KIB
    return outcome


def test_endless_entries():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            block = b"".join(message(message_id, user(number)) for number in range(1000))
            while True:
                stream.sendall(block)
    with Liar(rule) as liar:
        assert len(told(liar, "timed_out", deadline=4)["users"]) == 5


def test_endless_entries_are_followed_piece_by_piece():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            for number in itertools.count(1):
                stream.sendall(message(message_id, user(number)))
    with Liar(rule) as liar, Follower(liar.connection()) as follower:
        follower.until(lambda f: f.batches > 20, 30)
        assert peak_kib(follower) < MEMORY_KIB
        assert follower.full_loads == 0


def peak_kib(follower):
    with open(f"/proc/{follower.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize("count", [1, 100])
def test_entries_of_a_megabyte_each(count):
    """A thousand of them are not held at the same time; nor is the same one a thousand times."""
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            block = b"".join(message(message_id, user(number, title=[b"x" * 60_000] * 16)) for number in range(count))
            while True:
                stream.sendall(block)
    with Liar(rule) as liar:
        told(liar, "timed_out", deadline=4)
        with Follower(liar.connection()) as follower:
            follower.until(lambda f: f.batches > 10, 60)
            assert peak_kib(follower) < MEMORY_KIB


SYNC, SYNC_INFO = "1.3.6.1.4.1.4203.1.9.1.1", "1.3.6.1.4.1.4203.1.9.1.4"
DIRSYNC = "1.2.840.113556.1.4.841"


def news(message_id, value):
    return message(message_id, ber(0x79, text(SYNC_INFO, 0x80), text(value, 0x81)))


def test_news_without_end_do_not_keep_it_from_stopping():
    def rule(liar, stream, message_id, tag, operation):
        if tag != SEARCH:
            return None
        stream.sendall(news(message_id, ber(0xa1)))
        if b"inetOrgPerson" not in operation:
            block = news(message_id, text("cookie", 0x80)) * 1000
            while True:
                stream.sendall(block)
        return True
    with Liar(rule, supportedControl=SYNC) as liar:
        follower = Follower(liar.connection()).loaded()
        began = time.monotonic()
        follower.stop()
        assert time.monotonic() - began < 5 and follower.method == "SYNCREPL" and follower.fault is None, follower.fault


def test_deletions_without_end_while_it_catches_up():
    """What both searches name is kept until both have caught up: not more than reading all anew costs."""
    sent = itertools.count()

    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            while True:
                ids = [uuid.UUID(int=next(sent)).bytes for _ in range(10_000)]
                stream.sendall(news(message_id, ber(0xa3, ber(1, b"\xff"), ber(0x31, *map(text, ids)))))
    with Liar(rule, supportedControl=SYNC) as liar:
        follower = Follower(liar.connection(), "SYNCREPL:00.00")
        try:
            wait_until(lambda: next(sent) > 5_000_000, 60)
            assert peak_kib(follower) < MEMORY_KIB and follower.fault is None
        finally:
            follower.kill9()


def test_more_than_was_asked_for():
    """Asked for one object that has changed, it sends others without end."""
    def guid(number):
        return uuid.UUID(int=number).bytes

    def rule(liar, stream, message_id, tag, operation):
        if tag != SEARCH:
            return None
        if b"(objectGUID=" in operation or b"objectGUID\x04\x10" in operation:
            for number in itertools.count(1):
                stream.sendall(message(message_id, entry(f"cn=u{number},dc=x", objectGUID=guid(number), sAMAccountName=f"u{number}",
                                                         title=b"x" * 10_000)))
        done = ber(0xa0, ber(0x30, text(DIRSYNC), text(ber(0x30, b"\x02\x01\x00", b"\x02\x01\x00", text("c")))))
        stream.sendall(message(message_id, entry("cn=u1,dc=x", objectGUID=guid(1))) +
                       ber(0x30, b"\x02" + text(id_bytes(message_id))[1:], result(SEARCH_DONE), done))
        return True
    with Liar(rule, supportedControl=DIRSYNC, defaultNamingContext="dc=x") as liar:
        follower = Follower(liar.connection(bind_dn="cn=a,dc=x", bind_password="p"), "DIRSYNC:00", kind="AD_CONNECTOR")
        try:
            wait_until(lambda: follower.fault is not None, 20)
            assert follower.fault["fault"] == "limit_exceeded", follower.fault
        finally:
            follower.kill9()


def test_an_attribute_of_a_hundred_megabytes():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            stream.sendall(message(message_id, user(1, cn=b"x" * 100_000_000)))
    with Liar(rule) as liar:
        told(liar, "connection_lost", deadline=10, most=20)


def test_a_length_of_four_gigabytes():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            stream.sendall(b"\x30\x84\xff\xff\xff\xf0" + b"x" * 1000)
    with Liar(rule) as liar:
        told(liar, "connection_lost")


@pytest.mark.parametrize("what", ["nothing", "half", "slowly"])
def test_never_answering(what):
    def rule(liar, stream, message_id, tag, operation):
        whole = message(message_id, user(1))
        if what == "half" and tag == SEARCH:
            stream.sendall(whole[:len(whole) // 2])
        for byte in whole if what == "slowly" else b"":
            if liar.ended:
                break
            stream.sendall(bytes([byte]))
            time.sleep(0.5)
        return True
    with Liar(rule) as liar:
        told(liar, "timed_out", deadline=2, most=6)


def test_a_silent_bind():
    with Liar(lambda liar, stream, message_id, tag, operation: tag == BIND or None) as liar:
        outcome = test_connection(liar.connection(bind_dn="cn=a,dc=x", bind_password="p"), DEADLINE_S="2")
        assert outcome["code"] == "timed_out"
        answer = check_password(liar.connection(), "cn=a,dc=x", "p", DEADLINE_S="2")
        assert answer["code"] == "directory_unreachable"


def test_a_tls_port_that_never_shakes_hands():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        outcome = ask({"uris": [f"ldaps://127.0.0.1:{silent.getsockname()[1]}"], "user_base_dn": "dc=x"}, "test", DEADLINE_S="3")
        assert outcome["code"] == "timed_out" and time.monotonic() - began < 8, outcome


def test_referrals_are_not_followed():
    """To itself: who followed them would never end."""
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            stream.sendall(message(message_id, ber(REFERENCE, text(liar.url + "/dc=x"))) +
                           message(message_id, ber(SEARCH_DONE, b"\x0a\x01\x0a", text(""), text(""), ber(0xa3, text(liar.url + "/dc=x")))))
            return True
        return None
    with Liar(rule) as liar:
        told(liar, "base_dn_not_found")
        assert sum(tag == SEARCH for tag, _ in liar.requests) == 2


def test_pages_without_end():
    """Each page is empty, and says that there is another one."""
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            value = ber(0x30, b"\x02\x01\x00", text("more"))
            control = ber(0xa0, ber(0x30, text("1.2.840.113556.1.4.319"), text(value)))
            stream.sendall(ber(0x30, b"\x02" + bytes([len(id_bytes(message_id))]) + id_bytes(message_id), result(SEARCH_DONE), control))
            return True
        return None
    with Liar(rule) as liar:
        told(liar, "timed_out", deadline=2, most=6)


def id_bytes(message_id):
    return message_id.to_bytes(message_id.bit_length() // 8 + 1, "big")


def test_values_that_are_no_text():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH and b"inetOrgPerson" in operation:
            stream.sendall(b"".join(message(message_id, e) for e in (
                user(1, cn=b"\xff\xfe", title=b"a\x00b", mail=[b"\xff@x.test", b"no address", b"ok@x.test"]),
                user(2, cn="x" * 70000, displayName="  Two\tLines\n  "),
                entry("uid=u3,dc=x", entryUUID="not an id", uid="u3"),
                entry(b"uid=\xff,dc=x", entryUUID=str(uuid.UUID(int=4)), uid="u4"),
                entry("not a dn", entryUUID=str(uuid.UUID(int=5)), uid="u5"),
                entry("uid=u6,dc=x", entryUUID=[], uid="u6"),
            )) + message(message_id, result(SEARCH_DONE)))
            return True
        return None
    with Liar(rule) as liar, Follower(liar.connection()) as follower:
        follower.loaded()
        assert {entry["name"] for entry in follower.entries.values()} == {"u1", "u2"}
        one, two = follower.named("u1"), follower.named("u2")
        assert "display_name" not in one and "job_title" not in one and one["proposed_email"] == "ok@x.test"
        assert two["display_name"] == "Two Lines"


@pytest.mark.parametrize("code, is_fault", [(51, True), (1, True), (32, False)])
def test_a_list_of_members_that_breaks_off(code, is_fault):
    """A group of which a part did not come is not taken for one that is gone; one that is gone is."""
    def rule(liar, stream, message_id, tag, operation):
        if tag != SEARCH:
            return None
        if b"member;range=1-*" in operation:
            stream.sendall(message(message_id, result(SEARCH_DONE, code)))
        elif b"inetOrgPerson" not in operation:
            stream.sendall(message(message_id, entry("cn=g,dc=x", **{
                "entryUUID": str(uuid.UUID(int=7)), "cn": "g", "member;range=0-0": "uid=u1,dc=x"})) +
                           message(message_id, result(SEARCH_DONE)))
        else:
            stream.sendall(message(message_id, user(1)) + message(message_id, result(SEARCH_DONE)))
        return True
    with Liar(rule) as liar:
        follower = Follower(liar.connection())
        try:
            wait_until(lambda: follower.fault is not None or follower.full_loads > 0, 20)
            assert (follower.fault is not None, follower.full_loads) == ((True, 0) if is_fault else (False, 1))
        finally:
            follower.kill9()


def test_an_id_that_comes_twice():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH and b"inetOrgPerson" in operation:
            stream.sendall(b"".join(message(message_id, user(1, cn=f"C{i}")) for i in range(3)) + message(message_id, result(SEARCH_DONE)))
            return True
        return None
    with Liar(rule) as liar, Follower(liar.connection()) as follower:
        follower.loaded()
        assert follower.named("u1")["display_name"] == "C2"


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x00", b"\x00" * 64, b"\x30\x03\x02\x01\x01", b"\x30\x80" + b"\x30" * 500])
def test_noise(noise):
    def rule(liar, stream, message_id, tag, operation):
        stream.sendall(noise)
        return True
    with Liar(rule) as liar:
        outcome = test_connection(liar.connection(), DEADLINE_S="2")
        assert outcome["code"] in ("connection_lost", "timed_out", "server_failed"), outcome


def test_words_of_the_server_are_shown_as_text():
    def rule(liar, stream, message_id, tag, operation):
        if tag == SEARCH:
            stream.sendall(message(message_id, result(SEARCH_DONE, 50, b"no\x1b[2J\xff" + b"x" * 5000)))
            return True
        return None
    with Liar(rule) as liar:
        outcome = told(liar, "no_permission")
        assert len(outcome["help"]) < 1000 and "\x1b" not in outcome["help"]
