"""Who may see which events, and finding them."""
import concurrent.futures
import time
import uuid

import pytest

import iam
from audit import EVENTS, VERIFY, events, new_administrator, new_identity, own_id
from checks import check_all_sealed
from organization import unique

IDENTITIES = ("/v1/iam/users/", "/v1/iam/groups/", "/v1/iam/policies/", "/v1/sessions/")


@pytest.fixture(scope="module")
def read_only(service):
    return new_identity(service, "AmazonWorkMailReadOnlyAccess")


@pytest.fixture(scope="module")
def administrator(service):
    return new_administrator(service)


def test_list_is_paged_newest_first_without_loss(service, api, org):
    for number in range(7):
        org.create_user(f"u{number}")
    check_all_sealed(service)
    every = api.get(org.path + "/audit-events", params={"page_size": 1000})["items"]
    assert [event["at"] for event in every] == sorted((event["at"] for event in every), reverse=True)
    assert len(every) == 10
    paged = [page["items"] for page in api.pages(org.path + "/audit-events", page_size=3)]
    assert [len(items) for items in paged] == [3, 3, 3, 1] and sum(paged, []) == every
    assert api.items(EVENTS, organization_id=org.id, page_size=4) == every
    assert api.items(org.path + "/audit-events", order_by="at") == every[::-1]
    assert api.get(org.path + "/audit-events", params={"include_total": "true"})["total"] == 10


def test_event_is_listed_before_it_is_sealed_and_stays_where_it_is(service, api, org):
    check_all_sealed(service)
    with service.db().transaction():
        service.sql("SELECT pg_advisory_xact_lock(7265)")
        user = org.create_user("ann")
        first = api.get(org.path + "/audit-events")["items"][0]
        assert first["target"] == org.user(user) and not {"sequence", "hash"} & first.keys()
    check_all_sealed(service)
    again = api.get(org.path + "/audit-events")["items"][0]
    assert {name: again[name] for name in first} == first and {"sequence", "hash"} <= again.keys()


def test_filters_choose_events(service, api, org, administrator):
    sent = own_id()
    user = org.create_user("ann")
    service.client(administrator).post(org.user(user, "enable"), expect=200, headers=sent)

    def found(**filters):
        return api.get(org.path + "/audit-events", params=filters)["items"]
    event, = found(request_id=sent["Request-Id"])
    for filters in ({"action": event["action"]}, {"actor": administrator["iam_user_id"]},
                    {"access_key_id": administrator["access_key_id"]}, {"since": event["at"]},
                    {"action": event["action"], "actor": administrator["iam_user_id"], "target": org.user(user),
                     "outcome": "ALLOWED", "since": event["at"]}):
        assert [other["request_id"] for other in found(**filters)] == [event["request_id"]], filters
    assert len(found(target=org.user(user))) == 2
    assert event["request_id"] not in [other.get("request_id") for other in found(until=event["at"])]
    for filters in ({"outcome": "DENIED"}, {"action": "workmail:Nothing"}, {"until": "2001-01-01T00:00:00Z"},
                    {"since": "2999-12-31T23:59:59.999999Z"}, {"actor": "nobody"}):
        assert found(**filters) == [], filters
    assert api.items(EVENTS, organization_id="m-" + uuid.uuid4().hex) == []


@pytest.mark.parametrize("name,value", [("action", "x"), ("actor", "x"), ("access_key_id", "x"), ("target", "/"),
                                        ("outcome", "DENIED"), ("request_id", "x")])
def test_search_through_all_events_does_not_hold_up_common_requests(service, api, org, name, value):
    with concurrent.futures.ThreadPoolExecutor(64) as pool, service.db().transaction():
        service.sql("LOCK TABLE audit_unsealed IN ACCESS EXCLUSIVE MODE")  # they take long
        for path in 32 * (EVENTS, org.path + "/audit-events"):
            pool.submit(api.request, "GET", path, params={name: value})
        time.sleep(0.3)
        begun = time.monotonic()
        api.get("/v1/account")
        assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize("params,fault", [
    ({"since": "yesterday"}, "since invalid_format"), ({"until": "2026-02-30T00:00:00Z"}, "until invalid_format"),
    ({"outcome": "GOOD"}, "outcome invalid_value"), ({"action": ""}, "action too_short"),
    ({"order_by": "action"}, "order_by invalid_value"), ({"sequence": 1}, "sequence unknown_parameter")])
def test_bad_filters_are_named(api, params, fault):
    assert api.get(EVENTS, expect="validation_failed", params=params).faults == {fault}


def test_events_of_identities_and_keys_are_shown_to_who_may_see_those(service, api, read_only):
    """Else a policy's document could be read here by who may not read policies."""
    sid = unique("Sid").replace("-", "")
    administrator = iam.Identity(service, api, iam.statement(action="iam:*", Sid=sid))
    policy, group = f"{iam.POLICIES}/{administrator.policy['policy_id']}", f"{iam.GROUPS}/{iam.new_group(api)['iam_group_id']}"
    administrator.set_password()
    session = iam.sign_in(service, administrator.user, service.root["account_id"]).session["session_id"]
    of_user = {administrator.path(), administrator.path("access-keys", administrator.key["access_key_id"]), f"/v1/sessions/{session}"}
    master = api.post("/v1/keys", json={"alias": unique("key")}).headers["Location"]
    mine = of_user | {policy, group, master}
    told = {event["target"] for event in events(api)}

    def seen(*actions):
        allowed = iam.statement(action=["workmail:ListAuditEvents", "workmail:DescribeOrganization", *actions])
        return {event["target"] for event in events(iam.Identity(service, api, allowed).client)}
    assert told >= mine
    assert seen() == {target for target in told if not target.startswith((*IDENTITIES, "/v1/keys/"))}
    assert seen("iam:DescribeIamUser") & mine == of_user
    assert seen("iam:DescribeIamGroup") & mine == {group}
    assert seen("iam:GetPolicy") & mine == {policy}
    assert seen("iam:*", "kms:Describe*") >= mine
    shown = events(service.client(read_only))
    assert sid not in str(shown) and {event["target"] for event in shown} & mine == {master}


def test_events_that_are_not_shown_are_neither_counted_nor_found(service, api, read_only):
    policy = iam.new_policy(api, iam.statement(action="ses:X"))
    reader, target = service.client(read_only), f"{iam.POLICIES}/{policy['policy_id']}"
    for caller, count in ((api, 1), (reader, 0)):
        answer = caller.get(EVENTS, params={"target": target, "include_total": "true"})
        assert (len(answer["items"]), answer["total"]) == (count, count)


def test_other_accounts_events_are_not_shown(service, org):
    other = "".join(str(ord(letter) % 9 + 1) for letter in unique())[-12:]
    service.sql("INSERT INTO account (account_id, name) VALUES (%s, 'other')", other)
    stranger = service.client(service.admin("create-iam-user", "--account", other, "--name", "x", "--policy",
                                            "AmazonWorkMailFullAccess"))
    stranger.patch("/v1/account", json={"name": "theirs"})
    assert {event["account_id"] for event in stranger.items(EVENTS)} == {other}
    stranger.get(org.path + "/audit-events", expect="organization_not_found")
    assert stranger.post(VERIFY, expect=200)["checked"] <= 2
