"""Who is calling, and what may they do."""
import base64
import time

import psycopg
import pytest

from changes import import_of, prepare_availability
from checks import check_all_sealed
from client import basic, bearer
from dkim_keys import dkim_settled
from organization import create_organization, unique
from raw_http import Connection
from routes import (NO_ORGANIZATION, arguments_of, closed_routes, fill, fill_known, is_mutation, named, of_organization,
                    workmail_routes)
from service import wait_until


def anonymous_body(problem):
    """A problem without what differs from request to request."""
    return {name: value for name, value in problem.body.items() if name != "instance"}


@pytest.fixture(scope="session")
def account(service):
    return service.root["account_id"]


def new_identity(service, account, *policies):
    """A caller with its own access key."""
    options = [word for policy in policies for word in ("--policy", policy)]
    made = service.admin("create-iam-user", "--account", account, "--name", unique("iam"), *options)
    assert set(made) == {"iam_user_id", "access_key_id", "secret_access_key"}
    return made


@pytest.fixture(scope="session")
def read_only(service, account):
    return new_identity(service, account, "AmazonWorkMailReadOnlyAccess")


@pytest.fixture(scope="session")
def full_access(service, account):
    return new_identity(service, account, "AmazonWorkMailFullAccess")


@pytest.fixture(scope="session")
def nobody(service, account):
    return new_identity(service, account)


@pytest.fixture(scope="session")
def stranger(service):
    """Full access, but to another account."""
    other = service.admin("create-account", "--name", "other", "--trial", "false")["account_id"]
    return new_identity(service, other, "AmazonWorkMailFullAccess")


def spoiled(credential, **changes):
    return {**credential, **changes}


@pytest.mark.parametrize("make", [
    lambda key: "", lambda key: "Bearer", lambda key: "Bearer ", lambda key: "Bearer x", lambda key: "Bearer .",
    lambda key: "Basic", lambda key: "Basic !!!", lambda key: "Basic " + base64.b64encode(b"nocolon").decode(),
    lambda key: "Basic " + base64.b64encode(b"a\0b:c").decode(), lambda key: "Digest x",
    lambda key: "Bearer " + "x" * 4000,
    lambda key: bearer(key) + "x", lambda key: bearer(key)[:-1], lambda key: bearer(key) + " more",
    lambda key: bearer(key).replace(".", ":"), lambda key: bearer(key).swapcase(),
    lambda key: bearer(spoiled(key, secret_access_key="A" * 40)),
    lambda key: bearer(spoiled(key, secret_access_key="")),
    lambda key: bearer(spoiled(key, access_key_id="PRAK" + "A" * 16)),
    lambda key: bearer(spoiled(key, access_key_id="")),
    lambda key: basic(spoiled(key, secret_access_key=key["secret_access_key"][::-1])),
])
def test_malformed_or_wrong_credential_is_refused_without_a_reason(api, make):
    wrong = api.get("/v1/regions", expect="unauthenticated", headers={"Authorization": make(api.credential)})
    assert api.credential["secret_access_key"] not in wrong.raw.decode()


def test_unknown_key_and_wrong_secret_look_the_same(api):
    key = api.credential
    answers = [api.get("/v1/regions", expect="unauthenticated", headers={"Authorization": bearer(spoiled(key, **change))})
               for change in ({"secret_access_key": "A" * 40}, {"access_key_id": "PRAK" + "A" * 16})]
    assert anonymous_body(answers[0]) == anonymous_body(answers[1])


@pytest.mark.parametrize("make", [bearer, basic, lambda key: bearer(key).replace("Bearer", "bearer"),
                                  lambda key: basic(key).replace("Basic", "BASIC")])
def test_bearer_and_basic_carry_the_same_pair(api, make):
    api.get("/v1/regions", headers={"Authorization": make(api.credential)})


def test_two_credentials_at_once_are_refused(api):
    with Connection(api) as connection:
        connection.send(connection.head("GET", "/v1/regions", "Authorization: Bearer x.y"))
        assert connection.answer().status in (400, 401)


def test_disabled_key_is_refused_within_a_second_although_it_was_cached(service, account):
    key = new_identity(service, account, "AmazonWorkMailReadOnlyAccess")
    caller = service.client(key)
    for _ in range(20):
        caller.get("/v1/regions")
    service.admin("disable-access-key", "--access-key-id", key["access_key_id"])
    wait_until(lambda: caller.request("GET", "/v1/regions").status == 401, 1, what="the refusal of a disabled key")
    for _ in range(20):
        caller.get("/v1/regions", expect="unauthenticated")


def test_new_key_works_at_once(service, account):
    service.client(new_identity(service, account, "AmazonWorkMailReadOnlyAccess")).get("/v1/regions")


# An export of users or of keys is no Get and no List: test_access.py. The log of the account tells of identities too: test_audit_list.py
# and test_audit_export.py say who is shown what of it.
@pytest.mark.parametrize(**named(route for route in workmail_routes() if route["method"] == "GET"
                                 and route["operation"] not in ("ListAuditEvents", "ExportAuditEvents", "ExportUsers",
                                                                          "ExportDkimSigningKeys")))
def test_read_only_identity_reads_what_root_reads(service, api, read_only, org, route):
    check_all_sealed(service)
    operation = api.get("/v1/operations", params={"organization_id": org.id})["items"][0]
    operation_id = import_of(org) if route["operation"] == "ListOperationResults" else operation["operation_id"]
    path = (route["path"].replace("{operation_id}", operation_id)
            .replace("{directory_id}", org.describe()["directory_id"])
            .replace("{key_id}", org.describe()["key_id"]))
    if "availability" in path:
        path, _, _ = prepare_availability(org, route, path, {})
    if "{domain}" in path:
        path = path.replace("{domain}", dkim_settled(org, org.own_domain(service)))
    path = fill_known({**route, "path": path}, org)
    params = arguments_of(route).get("params")
    answers = [caller.get(path, params=params).body for caller in (service.client(read_only), api)]
    assert answers[0] == answers[1] or route["operation"] == "GetMetrics"  # which counts this very request


@pytest.mark.parametrize(**named(route for route in workmail_routes() if route["body"] and is_mutation(route)))
def test_denial_comes_before_the_body_is_judged(service, read_only, org, route):
    path = fill(route["path"], org.id)
    for body in (b'{"nonsense": 1}', b"no JSON"):
        for caller, expect in ((service.anonymous(), "unauthenticated"), (service.client(read_only), "access_denied")):
            caller.call(route["method"], path, expect=expect, body=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(**named(filter(of_organization, closed_routes())))
def test_faults_of_a_request_tell_nothing_of_another_accounts_organization(service, stranger, org, route):
    """Whatever is told first, it is the same for a foreign organization and for none."""
    outsider, told = service.client(stranger), []
    path = fill(route["path"], "ORGANIZATION")
    for which in (org.id, NO_ORGANIZATION):
        answer = outsider.call(route["method"], path.replace("ORGANIZATION", which) + "?nonsense=1", expect=400,
                               **({"json": {"nonsense": 1}} if route["body"] else {}),
                               **({"headers": {"Content-Type": route["uploads"][0]}} if route["uploads"] else {}))
        told.append(str(anonymous_body(answer)).replace(which, ""))
    assert told[0] == told[1]


def test_full_access_creates_and_deletes(service, full_access):
    organization = create_organization(service.client(full_access))
    organization.create_enabled()
    organization.remove(force="true")


@pytest.mark.parametrize("caller", ["nobody", "stranger"])
@pytest.mark.parametrize(**named(filter(of_organization, closed_routes())))
def test_what_a_caller_may_not_see_does_not_exist_for_him(service, request, org, route, caller):
    outsider = service.client(request.getfixturevalue(caller))
    path = fill(route["path"], "ORGANIZATION")
    answers = [outsider.call(route["method"], path.replace("ORGANIZATION", which),
                             expect="organization_not_found", **arguments_of(route)) for which in (org.id, NO_ORGANIZATION)]
    first, second = map(anonymous_body, answers)
    assert str(first).replace(org.id, "") == str(second).replace(NO_ORGANIZATION, "")


@pytest.mark.parametrize(**named(route for route in closed_routes()
                                 if "{" not in route["path"] and not route["for_everybody"]))
def test_identity_without_policy_is_denied_account_wide_operations(service, nobody, route):
    service.client(nobody).call(route["method"], route["path"], expect="access_denied", **arguments_of(route))


def test_other_account_sees_its_own_and_nothing_else(service, stranger, org):
    theirs = service.client(stranger)
    own = create_organization(theirs)
    listed = theirs.items("/v1/organizations", page_size=1000)
    assert own.id in {item["organization_id"] for item in listed} and org.id not in {
        item["organization_id"] for item in listed}
    assert org.id not in {operation["organization_id"] for operation in theirs.items("/v1/operations")}


def test_operation_of_another_account_is_not_there(service, api, stranger, org):
    operation = api.get("/v1/operations", params={"organization_id": org.id})["items"][0]
    service.client(stranger).get(f"/v1/operations/{operation['operation_id']}", expect="operation_not_found")


def test_alias_taken_in_another_account_is_taken(service, stranger, org):
    service.client(stranger).post("/v1/organizations", expect="alias_taken",
                                  json={"alias": org.alias, "setup": "QUICK"})


def test_secret_keys_are_in_no_log_and_not_readable_in_the_database(service, account, leak_check):
    key = new_identity(service, account, "AmazonWorkMailReadOnlyAccess")
    service.client(key).get("/v1/regions")
    leak_check(key["secret_access_key"])
    leak_check(service.root["secret_access_key"])


def test_creating_in_another_accounts_organization_waits_for_nothing_in_it(service, stranger, org):
    """How long an answer takes tells nothing of what the owner does."""
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as owner:
        owner.execute("""INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                         VALUES (%s, gen_random_uuid(), 'USER', 'ann', 'Ann', 'DISABLED', 'ann')""", [org.id])
        begun = time.monotonic()
        service.client(stranger).post(org.users, expect="organization_not_found",
                                      json={"name": "ann", "display_name": "Ann"})
        assert time.monotonic() - begun < 1
        owner.rollback()
