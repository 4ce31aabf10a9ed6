"""The check of exchanges: what it lets pass, and what it must not."""

import json
import pathlib
import subprocess
import sys

import pytest
from openapi_check import Contract, ContractError

import exercised

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACT = Contract(ROOT / "openapi.yaml")

ORGANIZATION = "m-" + "0" * 31 + "1"
USERS = f"/v1/organizations/{ORGANIZATION}/users"
USER_ID = "7d9c0f0e-52c4-4c1b-8a55-2f5f0c3b9a10"
TIME = "2026-11-23T10:00:00.000Z"
USER = {
    "user_id": USER_ID, "name": "jdoe", "type": "USER", "state": "DISABLED", "display_name": "Jane Doe", "aliases": [],
    "hidden_from_address_list": False, "quota_mb": 51200, "has_password": False, "directory_id": "d-0123456789",
    "created_at": TIME, "updated_at": TIME,
}
SENT = {"Authorization": "Bearer id.secret"}
SENT_JSON = {**SENT, "Content-Type": "application/json; charset=utf-8"}
BASE = {"Request-Id": "r-1", "Cache-Control": "no-store"}
ANSWERED = {**BASE, "Content-Type": "application/json"}
PROBLEM = {**BASE, "Content-Type": "application/problem+json"}
VERSION = {**ANSWERED, "ETag": '"v1"'}
CREATED = {**VERSION, "Location": f"{USERS}/{USER_ID}"}
DRY_RUN = {**ANSWERED, "Validate-Only": "true"}


@pytest.fixture(autouse=True)
def exercised_by_none(monkeypatch):
    """These exchanges are made up: they do not count as answers of the service."""
    monkeypatch.delenv("POSTREEVE_EXERCISED", raising=False)


def check(method="GET", path=f"{USERS}/{USER_ID}", query=None, sent=SENT, body=None, status=200, answered=VERSION, answer=USER):
    return CONTRACT.check_exchange(method, path, query, sent, body, status, answered, answer)


def without(mapping, *names):
    return {name: value for name, value in mapping.items() if name not in names}


def problem(code, status, **more):
    return {"type": "/problems/" + code, "title": "t", "status": status, "detail": "d", "instance": "r-1", "code": code, **more}


def refused(**arguments):
    with pytest.raises(ContractError) as caught:
        check(**arguments)
    return str(caught.value)


def create(sent=SENT_JSON, body=None, answered=CREATED, answer=USER, query=None, status=201):
    body = {"name": "jdoe", "display_name": "Jane Doe"} if body is None else body
    return check("POST", USERS, query, sent, body, status, answered, answer)


def test_good_exchanges_pass():
    assert check() == "DescribeUser"
    assert check(path=f"/v1/%6frganizations/{ORGANIZATION}/users/{USER_ID}") == "DescribeUser"
    assert check(answered=list(VERSION.items()), answer=json.dumps(USER).encode()) == "DescribeUser"
    assert check("HEAD", answer=b"") == "DescribeUser"
    assert create() == "CreateUser"
    assert create(body={"name": "jdoe", "display_name": "Jane Doe", "city": None}) == "CreateUser"
    assert check("DELETE", status=204, answered=BASE, answer=None) == "DeleteUser"
    assert check("PATCH", sent={**SENT, "Content-Type": "application/merge-patch+json"}, body={"city": None}) == "UpdateUser"
    assert check(path=USERS + "?page_size=2&order_by=-name,created_at&state=ENABLED", answered=ANSWERED, answer={"items": [USER]}) == "ListUsers"
    assert check(path=USERS, query={"include_total": True}, answered=ANSWERED, answer={"items": [], "total": 0}) == "ListUsers"
    assert check("POST", f"{USERS}/{USER_ID}/enable") == "RegisterToWorkMail"
    assert check(path="/healthz", sent=None, answered=without(ANSWERED, "Cache-Control"), answer={"status": "ok"}) == "GetHealth"
    assert check(path="/openapi.yaml", sent=None, answered={"Request-Id": "x", "Content-Type": "application/yaml"}, answer="openapi: 3.1.0")


def test_good_dry_runs_pass():
    assert check("PATCH", query="validate_only=true", sent=SENT_JSON, body={"city": None}, answered=DRY_RUN) == "UpdateUser"
    assert check("DELETE", query="validate_only=true", answered=DRY_RUN, answer={}) == "DeleteUser"
    assert create(query="validate_only=true", status=200, answered=DRY_RUN) == "CreateUser"
    assert create(query="validate_only=false") == "CreateUser"
    assert check("DELETE", query="validate_only=true", status=409, answered=PROBLEM, answer=problem("entity_state", 409)) == "DeleteUser"


@pytest.mark.parametrize("arguments", [
    {"query": "validate_only=true"}, {"query": "validate_only=true", "answered": CREATED},
    {"query": "validate_only=true", "status": 200, "answered": CREATED}, {"query": "validate_only=true", "status": 200, "answered": ANSWERED},
    {"query": "validate_only=true", "status": 200, "answered": {**DRY_RUN, "ETag": '"v1"'}},
    {"query": "validate_only=true", "status": 200, "answered": {**DRY_RUN, "Location": f"{USERS}/{USER_ID}"}},
    {"query": "validate_only=true", "status": 200, "answered": {**DRY_RUN, "Idempotent-Replayed": "true"}},
    {"query": "validate_only=true", "status": 200, "answered": {**DRY_RUN, "Validate-Only": "yes"}},
    {"query": "validate_only=true", "status": 200, "answered": DRY_RUN, "answer": {}},
    {"query": "validate_only=true", "status": 200, "answered": DRY_RUN, "body": {"name": "jdoe"}},
    {"query": "validate_only=yes", "status": 200, "answered": DRY_RUN}, {"query": "validate_only=true&validate_only=true", "status": 200, "answered": DRY_RUN},
    {"status": 200, "answered": DRY_RUN}, {"query": "validate_only=false", "status": 200, "answered": DRY_RUN},
    {"answered": {**CREATED, "Validate-Only": "true"}},
], ids=str)
def test_wrong_dry_run_is_refused(arguments):
    with pytest.raises(ContractError):
        create(**arguments)


def test_dry_run_of_what_changes_nothing_is_refused():
    refused(query="validate_only=true", answered=DRY_RUN)


def test_304_is_for_who_named_the_version():
    not_modified = {**BASE, "ETag": '"v1"'}
    named = {**SENT, "If-None-Match": '"v1"'}
    assert check(sent=named, status=304, answered=not_modified, answer=None) == "DescribeUser"
    assert check("HEAD", sent=named, status=304, answered=not_modified, answer=None) == "DescribeUser"
    refused(status=304, answered=not_modified, answer=None)
    refused(sent=named, status=304, answered=not_modified)
    refused(sent=named, status=304, answered=BASE, answer=None)
    refused(sent=named, path=USERS, status=304, answered=not_modified, answer=None)


def test_versions_are_where_they_are_described():
    refused(answered=ANSWERED)
    refused(answered={**ANSWERED, "ETag": 'W/"v1"'})
    refused(answered={**ANSWERED, "ETag": "v1"})
    refused(method="PATCH", sent=SENT_JSON, body={"city": None}, answered=ANSWERED)
    refused(path=USERS, answer={"items": []})


def test_repetitions_are_of_who_sent_a_key():
    replayed = {**CREATED, "Idempotent-Replayed": "true"}
    assert create(sent={**SENT_JSON, "Idempotency-Key": "k"}, answered=replayed) == "CreateUser"
    with pytest.raises(ContractError):
        create(answered=replayed)
    running = {"method": "POST", "path": USERS, "status": 409, "answer": problem("idempotency_in_progress", 409)}
    assert check(**running, answered={**PROBLEM, "Retry-After": "1"}) == "CreateUser"
    refused(**running, answered=PROBLEM)
    refused(**{**running, "answer": problem("name_taken", 409)}, answered={**PROBLEM, "Retry-After": "1"})


def test_good_problems_pass():
    assert check(status=404, answered=PROBLEM, answer=problem("user_not_found", 404)) == "DescribeUser"
    assert check("HEAD", status=404, answered=PROBLEM, answer=None) == "DescribeUser"
    faults = [{"pointer": "/name", "code": "required", "detail": "d"}, {"parameter": "x", "code": "unknown_parameter", "detail": "d"}]
    assert check(status=400, answered=PROBLEM, answer=problem("validation_failed", 400, errors=faults))
    assert check(path="/v1/nothing", status=404, answered=PROBLEM, answer=problem("route_not_found", 404)) is None
    assert check("PUT", status=405, answered={**PROBLEM, "Allow": "GET, HEAD, PATCH, DELETE"}, answer=problem("method_not_allowed", 405)) is None
    assert check("POST", f"{USERS}/{USER_ID}/disable", body=b"x" * 1048577, status=413, answered=PROBLEM, answer=problem("payload_too_large", 413))
    assert check(status=503, answered={**PROBLEM, "Retry-After": "1"}, answer=problem("overloaded", 503))
    assert check(status=400, answered={"Content-Type": "text/html"}, answer="<html>") is None


@pytest.mark.parametrize("member", USER)
def test_missing_member_is_refused(member):
    refused(answer=without(USER, member))


@pytest.mark.parametrize("change", [
    {"more": 1}, {"city": None}, {"user_id": "7"}, {"state": "AWAY"}, {"created_at": "yesterday"}, {"created_at": "2026-13-23T10:00:00Z"},
    {"quota_mb": "1"}, {"password": "x"}, {"email": "jdoe"}, {"aliases": ["x"]}, {"mailbox": {"quota_mb": 1}}, {"directory_id": "d-1"},
], ids=str)
def test_wrong_answer_is_refused(change):
    refused(answer={**USER, **change})


@pytest.mark.parametrize("arguments", [
    {"status": 202}, {"status": 405},
    {"answered": without(VERSION, "Request-Id")}, {"answered": {**VERSION, "Request-Id": "a b"}}, {"answered": without(VERSION, "Cache-Control")},
    {"answered": {**VERSION, "Content-Type": "text/plain"}}, {"answered": BASE},
    {"sent": {**SENT, "Request-Id": "mine"}}, {"sent": {}},
    {"answer": None}, {"answer": b"{"}, {"answer": b'{"a": 1, "a": 1}'}, {"answer": b'{"a": NaN}'}, {"answer": b"\xff"},
    {"method": "HEAD"}, {"query": "x=1"}, {"body": {"a": 1}}, {"path": "/v1/nothing"}, {"method": "PUT"},
    {"method": "DELETE", "status": 204, "answered": BASE},
    {"path": USERS, "answered": ANSWERED, "query": "page_size=0", "answer": {"items": []}}, {"path": USERS, "answered": ANSWERED, "query": "page_size=1&page_size=1", "answer": {"items": []}},
    {"path": USERS, "answered": ANSWERED, "query": "order_by=colour", "answer": {"items": []}}, {"path": USERS, "answered": ANSWERED, "query": "include_total=yes", "answer": {"items": []}},
    {"path": USERS, "answered": ANSWERED, "answer": {"items": [], "next_page_token": "x"}}, {"path": USERS, "answered": ANSWERED, "answer": {"items": [{**USER, "more": 1}]}},
    {"path": USERS, "answered": {**ANSWERED, "Link": '</v1>; rel="next"'}, "answer": {"items": []}},
    {"path": "/v1/organizations/x/users", "answered": ANSWERED, "answer": {"items": []}},
], ids=str)
def test_wrong_exchange_is_refused(arguments):
    refused(**arguments)


@pytest.mark.parametrize("arguments", [
    {"body": {"name": "jdoe"}}, {"body": {"name": "jdoe", "display_name": None}}, {"body": {"name": "j d", "display_name": "x"}},
    {"body": {"name": "jdoe", "display_name": "x", "more": 1}}, {"body": {"name": "jdoe", "display_name": "x", "email": "jdoe"}},
    {"body": {"name": "jdoe", "display_name": "x", "state": "ENABLED"}}, {"body": b""}, {"body": b"{"},
    {"sent": SENT}, {"sent": {**SENT, "Content-Type": "text/plain"}}, {"sent": without(SENT_JSON, "Authorization")},
    {"answered": VERSION}, {"answered": {**CREATED, "Location": "/v1/elsewhere"}},
], ids=str)
def test_wrong_creation_is_refused(arguments):
    with pytest.raises(ContractError):
        create(**arguments)


@pytest.mark.parametrize("status,code,change,headers", [
    (404, "operation_not_found", {}, {}), (404, "route_not_found", {}, {}), (404, "user_not_found", {"status": 400}, {}), (404, "user_not_found", {"type": "/problems/x"}, {}),
    (404, "user_not_found", {"instance": "other"}, {}), (404, "user_not_found", {"more": 1}, {}), (404, "user_not_found", {}, {"Content-Type": "application/json"}),
    (404, "no_such_code", {}, {}), (400, "validation_failed", {}, {}), (400, "validation_failed", {"errors": []}, {}),
    (400, "validation_failed", {"errors": [{"code": "required", "detail": "d"}]}, {}),
    (400, "validation_failed", {"errors": [{"pointer": "/a", "parameter": "a", "code": "required", "detail": "d"}]}, {}),
    (401, "unauthenticated", {}, {}), (503, "overloaded", {}, {}), (503, "overloaded", {}, {"Retry-After": "soon"}),
    (409, "name_taken", {}, {}), (405, "method_not_allowed", {}, {"Allow": "PUT"}), (413, "payload_too_large", {}, {}),
], ids=str)
def test_wrong_problem_is_refused(status, code, change, headers):
    refused(status=status, answered={**PROBLEM, **headers}, answer={**problem(code, status), **change})


def test_methods_that_are_allowed_are_those_described():
    refused(method="PUT", status=405, answered={**PROBLEM, "Allow": "GET, HEAD"}, answer=problem("method_not_allowed", 405))


def test_accepted_work_is_found_where_location_says():
    operation = {"operation_id": USER_ID, "operation": "CreateOrganization", "target": "/v1/organizations/" + ORGANIZATION,
                 "organization_id": ORGANIZATION, "status": "PENDING", "steps": [], "created_at": TIME}
    arguments = {"method": "POST", "path": "/v1/organizations", "sent": SENT_JSON, "body": {"alias": "acme", "setup": "QUICK"}, "status": 202, "answer": operation}
    check(**arguments, answered={**ANSWERED, "Location": "/v1/operations/" + USER_ID})
    refused(**arguments, answered={**ANSWERED, "Location": "/v1/operations/other"})
    refused(**arguments, answered=ANSWERED)


def test_exercised_operations_are_collected(tmp_path, monkeypatch):
    path = tmp_path / "exercised"
    monkeypatch.setenv("POSTREEVE_EXERCISED", str(path))
    check()
    check()
    check("HEAD", answer=None)
    check("DELETE", query="validate_only=true", answered=DRY_RUN, answer={})
    check(status=404, answered=PROBLEM, answer=problem("user_not_found", 404))
    assert path.read_text(encoding="utf-8").splitlines() == ["DescribeUser 200", "DescribeUser 404"]
    assert "DescribeUser" not in exercised.missing(CONTRACT.operation_ids(), path.read_text(encoding="utf-8").splitlines())


def test_tool_lists_what_was_never_exercised(tmp_path):
    path = tmp_path / "exercised"
    every = sorted(CONTRACT.operation_ids())

    def run():
        return subprocess.run([sys.executable, exercised.__file__, str(path)], capture_output=True, text=True, check=False)

    assert run().returncode == 1
    path.write_text("".join(f"{name} 200\n" for name in every[1:]) + f"{every[0]} 404\n", encoding="utf-8")
    result = run()
    assert result.returncode == 1
    assert every[0] in result.stdout and every[1] not in result.stdout
    path.write_text("".join(f"{name} 204\n" for name in every), encoding="utf-8")
    assert run().returncode == 0
