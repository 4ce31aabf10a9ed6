"""Versions: who changes or reads can say which one he knows."""
import re

import pytest

from changes import WITHOUT_VERSION, changes, prepare
from organization import unique, wait_operation
from routes import named
from test_concurrency import all_at_once

STRONG = re.compile(r'"[!#-~]+"')
STALE = '"v999999"'


def is_of_something(route):
    """Whether it changes one thing that is there already."""
    return route["operation"] not in WITHOUT_VERSION


CHANGES = [route for route in changes() if is_of_something(route)]
CREATIONS = [route for route in changes() if not is_of_something(route)]


def etag(api, path):
    answer = api.get(path)
    assert STRONG.fullmatch(answer.headers["ETag"]), answer
    return answer.headers["ETag"]


def check_stale(answer):
    assert (answer.status, answer["code"]) == (412, "precondition_failed"), answer


def matching(tag):
    return {"If-Match": tag}


# Changes


OF_ANOTHER_VERSION = ('"v999999"', 'W/{}', '"v999999", W/{}', 'v1', '""', '"', '', '*, "v999999"', '"*"', 'x{}')


@pytest.mark.parametrize(**named(CHANGES))
def test_change_of_another_version_is_refused(service, api, org, route):
    request = prepare(service, org, route)
    path = request.versioned(org)
    before = api.get(path)
    for form in OF_ANOTHER_VERSION:
        check_stale(request.send(api, headers=matching(form.format(before.headers["ETag"]))))
        after = api.get(path)
        assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"]), form


@pytest.mark.parametrize("form", ["{}", "*", '"v999999", {}', '{},"v999999"', 'W/"v1" ,\t{}'])
@pytest.mark.parametrize(**named(CHANGES))
def test_change_of_the_version_that_is_named_is_made(service, api, org, route, form):
    request = prepare(service, org, route)
    tag = etag(api, request.versioned(org))
    answer = request.send(api, headers=matching(form.format(tag)))
    assert answer.status == route["success"], answer
    if not request.is_gone():
        assert etag(api, request.versioned(org)) != tag


@pytest.mark.parametrize("tag", ["*", STALE, '"v1"'])
@pytest.mark.parametrize(**named(CREATIONS))
def test_creation_has_no_version_that_could_be_named(service, api, org, route, tag):
    request = prepare(service, org, route)
    check_stale(request.send(api, headers=matching(tag)))
    assert request.send(api).status == route["success"]


def test_what_is_not_there_is_not_found_whatever_version_is_named(api, org):
    path = org.user("00000000-0000-4000-8000-000000000000")
    api.patch(path, expect="user_not_found", json={"city": "Bern"}, headers=matching(STALE))
    api.delete(path, expect="user_not_found", headers=matching("*"))


def test_password_of_another_version_is_not_set(service, api, org):
    user = org.create_enabled()
    hashes = "SELECT password_hash FROM user_detail WHERE entity_id = %s"
    before = service.sql(hashes, user["user_id"])
    check_stale(api.request("POST", org.user(user, "reset-password"), {"password": "Another-horse-8"},
                            headers=matching(STALE)))
    assert service.sql(hashes, user["user_id"]) == before


def test_one_of_20_updates_of_the_same_version_is_made(api, org):
    user = org.create_user()
    for _ in range(5):
        sent = matching(etag(api, org.user(user)))
        outcomes = all_at_once(20, lambda number, sent=sent: api.request("PATCH", org.user(user), {"city": f"c{number}"},
                                                                         headers=sent))
        assert outcomes == {(200, None): 1, (412, "precondition_failed"): 19}


def test_updates_that_are_repeated_with_the_new_version_are_all_made(api, org):
    """20 callers add their letter to the same member; none is lost."""
    user = org.create_user(city="")

    def add(number):
        while True:
            seen = api.get(org.user(user))
            answer = api.request("PATCH", org.user(user), {"city": seen.body.get("city", "") + chr(ord("a") + number)},
                                 headers=matching(seen.headers["ETag"]))
            if answer.status != 412:
                return answer
    assert all_at_once(20, add) == {(200, None): 20}
    assert sorted(org.describe_user(user)["city"]) == [chr(ord("a") + number) for number in range(20)]


# Versions


def test_change_that_answers_a_user_answers_its_version(api, org):
    made = api.post(org.users, json={"name": "ann", "display_name": "Ann"})
    path, seen = org.user(made.body), {made.headers["ETag"]}
    assert etag(api, path) == made.headers["ETag"]
    for method, target, body in (("PATCH", path, {"city": "Bern"}), ("POST", path + "/enable", {}),
                                 ("PUT", path + "/primary-email", {"email": "boss"}), ("POST", path + "/disable", None)):
        answer = api.call(method, target, expect=200, **({} if body is None else {"json": body}))
        assert etag(api, path) == answer.headers["ETag"]
        assert answer.headers["ETag"] not in seen
        seen.add(answer.headers["ETag"])


def test_whatever_is_done_to_a_user_makes_a_new_version(api, org):
    user = org.create_enabled("ann")
    address = f"boss@{org.domain}"
    seen = [etag(api, org.user(user))]
    for method, part, expect, body in (
            ("POST", "aliases", 201, {"email": "boss"}), ("PUT", "primary-email", 200, {"email": "boss"}),
            ("PUT", "primary-email", 200, {"email": "ann"}), ("DELETE", f"aliases/{address}", 204, None),
            ("POST", "reset-password", 204, {"password": "Another-horse-8"}), ("POST", "disable", 200, None)):
        api.call(method, org.user(user, part), expect=expect, **({"json": body} if body else {}))
        seen.append(etag(api, org.user(user)))
    assert len(set(seen)) == len(seen)


def test_what_changes_nothing_keeps_the_version(api, org):
    user = org.create_enabled("ann")
    before = etag(api, org.user(user))
    org.enable(user)
    api.put(org.user(user, "primary-email"), json={"email": "ann"})
    api.post(org.user(user, "aliases"), expect=200, json={"email": "ann"})
    api.delete(org.user(user, "aliases", f"nobody@{org.domain}"))
    assert etag(api, org.user(user)) == before


def test_version_of_one_user_is_not_touched_by_another(api, org):
    user = org.create_user()
    before = etag(api, org.user(user)), etag(api, org.path)
    org.create_enabled()
    assert (etag(api, org.user(user)), etag(api, org.path)) == before


def test_new_state_of_an_organization_is_a_new_version(api, org):
    before = etag(api, org.path)
    org.remove()
    assert etag(api, org.path) != before


# Reading


def single(api, org):
    """The path of one of each kind that has a version."""
    operation = api.items("/v1/operations", organization_id=org.id)[0]
    wait_operation(api, operation["operation_id"])
    return [org.path, org.user(org.create_enabled()), "/v1/operations/" + operation["operation_id"]]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", ["{}", "*", '"x", {}', '{},"x"', "W/{}", '"x", W/{}'])
def test_what_has_not_changed_is_not_sent_again(api, org, method, form):
    for path in single(api, org):
        tag = etag(api, path)
        answer = api.call(method, path, expect=304, headers={"If-None-Match": form.format(tag)})
        assert answer.raw == b"" and answer.headers["ETag"] == tag


@pytest.mark.parametrize("form", ['"x"', 'x{}', "", '"*"', 'W/"x"', "w/{}"])
def test_what_the_caller_does_not_know_is_sent(api, org, form):
    for path in single(api, org):
        answer = api.get(path, headers={"If-None-Match": form.format(etag(api, path))})
        assert answer.body


def test_what_has_changed_is_sent_again(api, org):
    user = org.create_enabled()
    old = {"If-None-Match": etag(api, org.user(user))}
    api.post(org.user(user, "aliases"), json={"email": "boss"})
    assert api.get(org.user(user), headers=old)["aliases"]
    api.get(org.user(user), expect=304, headers={"If-None-Match": etag(api, org.user(user))})


def test_operation_that_went_on_has_another_version(api):
    begun = api.post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"})
    path, seen = begun.headers["Location"], {}
    while True:
        answer = api.get(path)
        assert seen.setdefault(answer.headers["ETag"], answer.body) == answer.body
        if answer["status"] == "SUCCEEDED":
            break
    assert seen[etag(api, path)]["status"] == "SUCCEEDED"


def test_not_found_comes_before_the_version(api, org):
    api.get(org.user("00000000-0000-4000-8000-000000000000"), expect="user_not_found", headers={"If-None-Match": "*"})
