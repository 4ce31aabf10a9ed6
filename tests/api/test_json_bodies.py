"""What a request body may look like: strict JSON, known members, all faults at once."""
import json
import re

import pytest

from organization import unique
from raw_http import Connection

MEBIBYTE = 1 << 20
JSON = {"Content-Type": "application/json"}


def create(api, org, body, expect, **headers):
    return api.post(org.users, expect=expect, body=body, headers={**JSON, **headers})


@pytest.mark.parametrize("body,line,column", [
    (b'{"name": "a",\n  "display_name": }', 2, 19),
    (b'{"name": "a"', 1, None),
    (b'{"name": "a"} x', 1, None),
    (b"{'name': 'a'}", 1, None),
    (b'{"name": "a",}', 1, None),
    (b'{"name": "a"\n\n\n "display_name": "b"}', 4, None),
    (b'{"name": 01}', 1, None),
    (b'{"name": "a\tb"}', 1, None),
    (b'{"name": NaN}', 1, None),
    (b"   ", 1, None),
    (b"", 1, 1),
])
def test_malformed_json_is_refused_with_line_and_column(api, org, body, line, column):
    detail = create(api, org, body, "malformed_json")["detail"]
    match = re.search(r"line (\d+)\D+column (\d+)", detail, re.I)
    assert match, detail
    assert int(match.group(1)) == line
    assert column is None or abs(int(match.group(2)) - column) <= 1, detail


def test_duplicate_key_is_refused_with_its_place(api, org):
    detail = create(api, org, b'{"name": "a",\n"display_name": "x",\n"name": "b"}', "malformed_json")["detail"]
    assert re.search(r"line 3\D+column \d+", detail, re.I) and "name" in detail


def test_missing_body_is_refused(api, org):
    create(api, org, b"", 400)
    create(api, org, None, 400)


@pytest.mark.parametrize("body", [b'{"name": "a\xff"}', b'{"name": "\xc0\x80"}', b'{"name": "\xed\xa0\x80"}',
                                  b'{"name": "\\ud800"}', b'{"name": "a\\u0000b", "display_name": "x"}',
                                  b'{"name": "a\x00b"}', b'{"name": "a"}\x00'],
                         ids=["ff", "overlong", "surrogate", "escaped surrogate", "escaped nul", "nul", "nul at end"])
def test_invalid_utf8_and_nul_are_refused(api, org, body):
    create(api, org, body, 400)


@pytest.mark.parametrize("body", [b"[" * 100000, b'{"a":' * 100000, b"[" * 3000 + b"]" * 3000])
def test_deep_nesting_is_refused(api, org, body):
    create(api, org, body, 400)


@pytest.mark.parametrize("body", [[], "text", 5, None, True])
def test_top_level_must_be_an_object(api, org, body):
    api.post(org.users, expect=400, json=body)


@pytest.mark.parametrize("value", [5, True, [], {}, 1.5])
def test_wrong_type_is_named(api, org, value):
    answer = api.post(org.users, expect="validation_failed", json={"name": value, "display_name": "x"})
    assert answer.faults == {"/name wrong_type"}


def test_null_is_no_value_for_a_required_member(api, org):
    answer = api.post(org.users, expect="validation_failed", json={"name": None, "display_name": "x"})
    assert answer.faults <= {"/name required", "/name not_nullable", "/name wrong_type"}
    assert len(answer.faults) == 1


def test_all_faults_are_told_at_once(api, org):
    answer = api.post(org.users, expect="validation_failed", json={
        "nam": "a", "display_name": 5, "state": "ENABLED", "hidden_from_address_list": "yes",
        "city": "x" * 257, "a/b~c": 1, "type": "ALIEN", "quota_mb": 0})
    assert answer.faults == {
        "/nam unknown_member", "/name required", "/display_name wrong_type", "/state read_only",
        "/hidden_from_address_list wrong_type", "/city too_long", "/a~1b~0c unknown_member",
        "/type invalid_value", "/quota_mb too_small"}


@pytest.mark.parametrize("member", ["user_id", "state", "mailbox", "created_at", "updated_at", "enabled_at",
                                    "disabled_at", "directory_id", "aliases", "has_password"])
def test_read_only_member_is_refused_when_creating_and_updating(api, org, member):
    fault = {f"/{member} read_only"}
    assert api.post(org.users, expect="validation_failed",
                    json={"name": unique(), "display_name": "x", member: "x"}).faults == fault
    user = org.create_user()
    assert api.patch(org.user(user), expect="validation_failed", json={member: "x"}).faults == fault


def test_fractions_and_huge_numbers_are_no_integers(api, org):
    for value in (1.5, "5", 1e3):
        answer = api.post(org.users, expect="validation_failed",
                          json={"name": unique(), "display_name": "x", "quota_mb": value})
        assert answer.faults == {"/quota_mb wrong_type"}
    for text in ("9223372036854775808", "1" * 400, "1e999"):
        create(api, org, f'{{"name": "n", "display_name": "x", "quota_mb": {text}}}'.encode(), 400)


def test_body_of_exactly_one_mebibyte_is_read(api, org):
    body = json.dumps({"name": unique("u"), "display_name": "x"}).encode()
    create(api, org, body.ljust(MEBIBYTE), 201)


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 3 * MEBIBYTE])
def test_larger_body_is_refused_by_its_length(api, org, size):
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json",
                                        f"Content-Length: {size}"))
        connection.answer().check_problem("payload_too_large")


def test_larger_chunked_body_is_refused(api, org):
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json",
                                        "Transfer-Encoding: chunked"))
        for _ in range(17):
            connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        connection.send(b"0\r\n\r\n")
        connection.answer().check_problem("payload_too_large")


def test_endless_chunked_body_is_cut(api, org):
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json",
                                        "Transfer-Encoding: chunked"))
        with pytest.raises(OSError):
            for _ in range(4096):
                connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")


def test_chunked_body_is_accepted(api, org):
    body = json.dumps({"name": unique("u"), "display_name": "x"}).encode()
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json",
                                        "Transfer-Encoding: chunked"))
        for byte in body:
            connection.send(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.send(b"0\r\n\r\n")
        assert connection.answer().status == 201


def test_too_large_body_that_waits_for_continue_is_refused_before_it_is_sent(api, org):
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json",
                                        f"Content-Length: {2 * MEBIBYTE}", "Expect: 100-continue"))
        connection.answer().check_problem("payload_too_large")


def test_body_that_waits_for_continue_is_asked_for(api, org):
    body = json.dumps({"name": unique("u"), "display_name": "x"}).encode()
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json",
                                        f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert connection.reader.readline().startswith(b"HTTP/1.1 100")
        assert connection.reader.readline() == b"\r\n"
        connection.send(body)
        assert connection.answer().status == 201


@pytest.mark.parametrize("method,kind,status", [
    ("POST", "application/json", 201),
    ("POST", "application/json; charset=utf-8", 201),
    ("POST", "Application/JSON", 201),
    ("POST", "application/merge-patch+json", 415),
    ("POST", "text/plain", 415),
    ("POST", "application/jsonx", 415),
    ("POST", "application/x-www-form-urlencoded", 415),
    ("POST", None, 415),
    ("PATCH", "application/merge-patch+json", 200),
    ("PATCH", "application/json", 200),
    ("PATCH", "application/json-patch+json", 415),
    ("PATCH", None, 415),
])
def test_content_type_of_a_body(api, org, method, kind, status):
    if method == "POST":
        target, members = org.users, {"name": unique("u"), "display_name": "x"}
    else:
        target, members = org.user(org.create_user()), {"display_name": "x"}
    api.call(method, target, expect=status, body=json.dumps(members).encode(), headers={"Content-Type": kind})


@pytest.mark.parametrize("method,part", [("GET", ()), ("DELETE", ()), ("POST", ("disable",)), ("GET", ("aliases",))])
def test_body_where_none_belongs_is_refused(api, org, method, part):
    user = org.create_user()
    api.call(method, org.user(user, *part), expect=400, body=b'{"a": 1}', headers=JSON)
    assert org.describe_user(user) == user


def test_body_encodings_are_refused(api, org):
    api.post(org.users, expect=415, body=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"})
