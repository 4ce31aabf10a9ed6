"""What was refused is told, and no flood of it."""
import concurrent.futures

import pytest

import iam
from audit import events, new_identity, only_event, own_id
from audit_chain import check_chain
from checks import check_all_sealed
from client import bearer
from routes import arguments_of, closed_routes, fill, first_resource, is_mutation, named, of_identities
from service import wait_until


@pytest.fixture(scope="module")
def read_only(service):
    return new_identity(service, "AmazonWorkMailReadOnlyAccess")


def wait_event(api, request_id):
    wait_until(lambda: events(api, request_id=request_id), what="the event of a refusal")
    return only_event(api, request_id)


@pytest.mark.parametrize(**named(route for route in closed_routes() if is_mutation(route) and not route["for_everybody"]))
def test_refused_change_is_told(service, api, org, route):
    reads = iam.Identity(service, api, iam.statement(action=["workmail:Describe*", "ds:Describe*", "kms:Describe*"]))
    caller, sent = {"iam_user_id": reads.id, **reads.key}, own_id()
    path = fill(route["path"], org.id)
    expect = of_identities(route) and first_resource(route) or "access_denied"
    arguments = arguments_of(route)
    arguments["headers"] = {**arguments.get("headers", {}), **sent}
    service.client(caller).call(route["method"], path, expect=expect, **arguments)
    event = wait_event(api, sent["Request-Id"])
    assert (event["action"], event["outcome"], event["reason"]) == (route["action"], "DENIED", "access_denied")
    assert event["actor"] == {"kind": "IAM_USER", "id": caller["iam_user_id"], "access_key_id": caller["access_key_id"]}
    assert event.get("organization_id") == (org.id if "{organization_id}" in route["path"] else None)
    assert event["target"].startswith(org.path if "{organization_id}" in route["path"] else "/v1/")
    assert "changes" not in event


def test_what_is_hidden_from_a_caller_is_told_as_refused(service, api, org):
    caller, sent = new_identity(service), own_id()
    service.client(caller).get(org.path, expect="organization_not_found", headers=sent)
    assert wait_event(api, sent["Request-Id"])["reason"] == "access_denied"


def test_wrong_secret_of_a_known_key_is_told_to_its_account(make_service):
    service = make_service()
    api, read_only, sent = service.client(), new_identity(service, "AmazonWorkMailReadOnlyAccess"), own_id()
    wrong = bearer({**read_only, "secret_access_key": 40 * "A"})
    service.anonymous().get("/v1/regions", expect="unauthenticated", headers={**sent, "Authorization": wrong})
    event = wait_event(api, sent["Request-Id"])
    assert event["actor"] == {"kind": "ANONYMOUS", "id": "anonymous", "access_key_id": read_only["access_key_id"]}
    assert (event["action"], event["outcome"], event["reason"]) == ("workmail:ListRegions", "DENIED", "unauthenticated")
    assert 40 * "A" not in str(event)


def test_unknown_credential_is_told_to_the_installation_alone(make_service):
    service = make_service()
    api = service.client()
    for authorization in ("Bearer x", bearer({"access_key_id": "PRAK" + 16 * "A", "secret_access_key": 40 * "A"})):
        service.anonymous().get("/v1/regions", expect="unauthenticated", headers={"Authorization": authorization})
    service.anonymous().get("/v1/regions", expect="unauthenticated")
    told = wait_until(lambda: len(found := service.sql(
        "SELECT actor, access_key_id, source_address, reason FROM audit_log WHERE chain = 'installation'")) == 2 and found)
    assert sorted(told, key=str) == [("anonymous", None, "127.0.0.1", "unauthenticated"),
                                     ("anonymous", "PRAK" + 16 * "A", "127.0.0.1", "unauthenticated")][::-1]
    assert events(api, actor="anonymous") == []
    check_all_sealed(service)
    check_chain(service, "installation")
    assert service.admin("verify-audit", "--account", "installation")["result"] == "WHOLE"


def test_refusals_of_one_caller_are_capped_and_counted(make_service):
    service = make_service()
    caller = new_identity(service, "AmazonWorkMailReadOnlyAccess")
    other = new_identity(service, "AmazonWorkMailReadOnlyAccess")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        client = service.client(caller)
        list(pool.map(lambda _: client.post("/v1/organizations", expect="access_denied",
                                            json={"alias": "acme", "setup": "QUICK"}), range(100)))
    service.client(other).post("/v1/organizations", expect="access_denied", json={"alias": "acme", "setup": "QUICK"})
    service.stop()  # tells what was left out, without waiting for the end of the minute
    service.start()
    told = {}
    for identity in (caller, other):
        told[identity["iam_user_id"]] = events(service.client(), actor=identity["iam_user_id"])
    one_by_one = [event for event in told[caller["iam_user_id"]] if "omitted" not in event]
    summary, = (event for event in told[caller["iam_user_id"]] if "omitted" in event)
    assert 0 < len(one_by_one) <= 20 and len(one_by_one) + summary["omitted"] == 100
    assert summary["action"] == "service:OmitRefusals" and summary["reason"] == "access_denied"
    assert len(told[other["iam_user_id"]]) == 1


def test_refusals_of_an_address_are_capped_whatever_keys_it_shows(make_service):
    service = make_service()
    anonymous = service.anonymous()
    for number in range(60):
        key = {"access_key_id": "PRAK" + f"{number:016}", "secret_access_key": 40 * "A"}
        anonymous.get("/v1/regions", expect="unauthenticated", headers={"Authorization": bearer(key)})
    service.stop()
    service.start()
    found = service.sql("SELECT omitted FROM audit_log WHERE chain = 'installation'")
    one_by_one = [row for row in found if row == (None,)]
    assert 0 < len(one_by_one) <= 20 and len(one_by_one) + sum(row[0] or 0 for row in found) == 60


def test_what_is_omitted_of_an_address_is_told_of_no_key_that_it_did_not_always_show(make_service):
    service = make_service()
    known, anonymous = new_identity(service), service.anonymous()
    unknown = {"access_key_id": "PRAK" + 16 * "A"}
    for key in 20 * [unknown] + [known] + 5 * [unknown]:
        sent = {"Authorization": bearer({**key, "secret_access_key": 40 * "A"})}
        anonymous.get("/v1/regions", expect="unauthenticated", headers=sent)
    service.stop()
    service.start()
    assert service.sql("SELECT chain, access_key_id, source_address, omitted FROM audit_log WHERE omitted > 0") == [
        ("installation", None, "127.0.0.1", 6)]
