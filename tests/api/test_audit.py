"""Each change leaves one event, and nobody changes the record unseen."""
import concurrent.futures
import pathlib
import subprocess
import tempfile
import time
import uuid

import psycopg
import pytest

import iam
from audit_chain import FIRST_HASH, check_chain, hash_of, rows, statement
from changes import changes, prepare
from checks import check_all_sealed, check_consistency, error_lines
from client import bearer
from organization import BORN, DIES, create_organization, id_of, unique
from routes import arguments_of, closed_routes, fill, first_resource, is_mutation, named, of_identities
from service import wait_until

EVENTS = "/v1/audit-events"
VERIFY = EVENTS + "/verify"
IDENTITIES = ("/v1/iam/users/", "/v1/iam/groups/", "/v1/iam/policies/", "/v1/sessions/")
POSTS = [route for route in changes() if route["method"] == "POST"]


def events(api, **filters):
    """What is in the log, oldest first."""
    return api.items(EVENTS, order_by="at", **filters)


def only_event(api, request_id):
    event, = events(api, request_id=request_id)
    return event


def own_id():
    return {"Request-Id": unique("request")}


def new_identity(service, *policies):
    options = [word for policy in policies for word in ("--policy", policy)]
    return service.admin("create-iam-user", "--account", service.root["account_id"], "--name", unique("iam"), *options)


@pytest.fixture(scope="module")
def read_only(service):
    return new_identity(service, "AmazonWorkMailReadOnlyAccess")


@pytest.fixture(scope="module")
def administrator(service):
    """Who may do everything, identities included, without being root."""
    identity = iam.Identity(service, service.client(), iam.statement())
    return {"iam_user_id": identity.id, **identity.key}


# Changes


def is_of_several(request):
    return "ids" in (request.json or {})


def expected_target(answer, request, org):
    """The path of what was changed, or made."""
    if answer.status == 201:
        return answer.headers["Location"]
    if request.route["operation"] == "CreateOrganization":
        return "/v1/organizations/" + answer["organization_id"]
    if request.route["operation"] == "SignOut":
        return "/v1/sessions/" + request.caller.session["session_id"]
    parts = request.route["path"].split("/")
    last = max((number for number, part in enumerate(parts) if part.startswith("{")), default=len(parts))
    return "/".join(request.target.split("/")[:last + 1]).replace("@", "%40")


def expected_targets(request):
    """Each of several is told by itself."""
    return [f"{request.target.rpartition('/')[0]}/{one}" for one in request.json["ids"]]


@pytest.mark.parametrize(**named(changes()))
def test_change_writes_one_event_that_tells_who_did_what(service, org, administrator, route):
    request, sent = prepare(service, org, route), own_id()
    if route["operation"] == "DeleteOrganization":
        request.params["force"] = "true"
    answer = request.send(service.client(administrator), headers=sent)
    assert answer.status == route["success"], answer
    told = events(service.client(), request_id=sent["Request-Id"])
    if route["operation"] == "ImportUsers":  # its lines are told as they are applied: test_import.py
        told = [event for event in told if event["target"] == org.path]
    targets = expected_targets(request) if is_of_several(request) else [expected_target(answer, request, org)]
    assert sorted(event["target"] for event in told) == sorted(targets)
    event = told[0]
    assert {event["action"] for event in told} == {route["action"]}
    by_key = {"kind": "IAM_USER", "id": administrator["iam_user_id"], "access_key_id": administrator["access_key_id"]}
    by_session = request.caller and {"kind": "IAM_USER", "id": request.caller.session["iam_user_id"]}
    assert event["actor"] == (by_session or by_key)
    assert (event["outcome"], event["source_address"]) == ("ALLOWED", "127.0.0.1")
    assert event["account_id"] == service.root["account_id"]
    made = answer["organization_id"] if route["operation"] == "CreateOrganization" else org.id
    is_of_one = not route["path"].startswith(("/v1/account", "/v1/keys", "/v1/directories")) and not of_identities(route)
    assert event.get("organization_id") == (made if is_of_one else None)
    assert event["changes"], "neither before nor after is told"


@pytest.mark.parametrize(**named(changes()))
def test_refused_and_tried_changes_write_no_event(service, api, org, route):
    request, sent = prepare(service, org, route), own_id()
    assert request.send(api, headers=sent, validate_only="true").status == 200
    assert request.send(api, headers={**sent, "If-Match": '"v999999"'}).status == 412
    assert request.send(api, headers=sent, nonsense=1).status == 400
    assert events(api, request_id=sent["Request-Id"]) == []


@pytest.mark.parametrize(**named(POSTS))
def test_replay_writes_no_event(service, api, org, route):
    request, sent = prepare(service, org, route), {**own_id(), "Idempotency-Key": unique("key")}
    for replayed in (None, "true", "true"):
        assert request.send(api, headers=sent).headers["Idempotent-Replayed"] == replayed
    told = events(api, request_id=sent["Request-Id"])
    if route["operation"] == "ImportUsers":  # its lines are told as they are applied
        told = [event for event in told if event["target"] == org.path]
    assert len(told) == (len(request.json["ids"]) if is_of_several(request) else 1)


@pytest.mark.parametrize("repeat", ["enable", "disable"])
def test_change_that_changes_nothing_is_told_as_well(api, org, repeat):
    user, sent = org.create_enabled(), own_id()
    for _ in range(2):
        api.post(org.user(user, repeat), expect=200, headers=sent)
    assert len(events(api, request_id=sent["Request-Id"])) == 2


def test_event_shows_the_user_before_and_after(api, org):
    sent = own_id()
    user = api.post(org.users, headers=sent, json={"name": "ann", "display_name": "Ann"}).body
    assert only_event(api, sent["Request-Id"])["changes"] == {"after": user}
    for method, part, body in (("PATCH", (), {"city": "Bern"}), ("POST", ("enable",), {"email": "boss"}),
                               ("PUT", ("primary-email",), {"email": "ann"}), ("POST", ("disable",), None)):
        before, sent = org.describe_user(user), own_id()
        after = api.call(method, org.user(user, *part), expect=200, headers=sent,
                         **({} if body is None else {"json": body})).body
        assert only_event(api, sent["Request-Id"])["changes"] == {"before": before, "after": after}
    before, sent = org.describe_user(user), own_id()
    api.delete(org.user(user), headers=sent)
    assert only_event(api, sent["Request-Id"])["changes"] == {"before": before}


def test_event_of_an_address_is_of_the_address_alone(api, org):
    user, sent, gone = org.create_enabled(), own_id(), own_id()
    path = org.user(user, "aliases")
    alias = api.post(path, headers=sent, json={"email": "Boss"})
    api.delete(f"{path}/BOSS@{org.domain}", headers=gone)
    made, removed = (only_event(api, which["Request-Id"]) for which in (sent, gone))
    assert made["target"] == removed["target"] == alias.headers["Location"]
    assert (made["changes"], removed["changes"]) == ({"after": alias.body}, {"before": alias.body})


def test_event_of_an_attachment_or_membership_shows_what_was_attached(api):
    user, group, policy = iam.new_user(api), iam.new_group(api), iam.new_policy(api, iam.statement(action="ses:Get*"))
    attached = {"policy_id": policy["policy_id"], "name": policy["name"]}
    member = {"iam_user_id": user["iam_user_id"], "name": user["name"]}
    for path, shown in ((iam.attachment(user, policy), attached), (iam.attachment(group, policy), attached),
                        (iam.membership(group, user), member)):
        for method, changed in (("PUT", {"after": shown}), ("PUT", {"before": shown, "after": shown}),
                                ("DELETE", {"before": shown}), ("DELETE", None)):
            sent = own_id()
            api.call(method, path, expect=204, headers=sent)
            event = only_event(api, sent["Request-Id"])
            assert (event["target"], event.get("changes")) == (path, changed)


def test_event_of_a_session_shows_it_without_what_opens_it(service, api):
    identity = iam.Identity(service, api)
    identity.set_password()
    session = iam.sign_in(service, identity.user, service.root["account_id"])
    token, (begun,) = session.cookie.split("=")[1], events(api, actor=identity.id)
    assert (begun["action"], begun["target"]) == ("iam:CreateSession", "/v1/sessions/" + session.session["session_id"])
    shown = {name: value for name, value in session.session.items() if name != "csrf_token"}
    assert begun["changes"] == {"after": shown}
    session.delete("/v1/sessions/current")
    _, over = events(api, actor=identity.id)
    assert (over["action"], over["target"], over["changes"]) == ("iam:SignOut", begun["target"], {"before": shown})
    for secret in (token, session.csrf_token):
        assert secret not in str(events(api, actor=identity.id))


def test_event_of_a_password_shows_that_there_is_one(service, api):
    identity, sent, gone = iam.Identity(service, api), own_id(), own_id()
    api.put(identity.path("password"), expect=204, headers=sent, json={"password": "Vorsicht-Geheim-1"})
    api.delete(identity.path("password"), headers=gone)
    told = [only_event(api, which["Request-Id"])["changes"] for which in (sent, gone)]
    assert [(one["before"]["has_password"], one["after"]["has_password"]) for one in told] == [(False, True), (True, False)]
    assert "Vorsicht-Geheim-1" not in str(told) and "argon2" not in str(told)


def test_each_of_several_is_told_with_its_state_before_and_after(api, org):
    sent, enabled, disabled = own_id(), org.create_enabled(), org.create_user()
    taken = org.create_user("taken")  # its default address is another's
    org.create_enabled("holder", email="taken")
    ids = [disabled["user_id"], taken["user_id"], "nonsense", enabled["user_id"]]
    results = api.post(org.users + "/enable", expect=200, headers=sent, json={"ids": ids})["items"]
    assert [result["succeeded"] for result in results] == [True, False, False, True]
    told = {event["target"]: event["changes"] for event in events(api, request_id=sent["Request-Id"])}
    assert told == {org.user(user): {"before": before, "after": org.describe_user(user)}
                    for user, before in ((disabled, disabled), (enabled, enabled))}


def test_resources_removed_together_are_told_with_what_they_were(api, org):
    sent, rooms = own_id(), [org.create_resource() for _ in range(2)]
    api.post(org.resources + "/remove", expect=200, headers=sent, json={"ids": [id_of(room) for room in rooms]})
    told = {event["target"]: event["changes"] for event in events(api, request_id=sent["Request-Id"])}
    assert told == {org.of(room): {"before": room} for room in rooms}


def test_event_of_a_member_or_delegate_is_of_the_edge_alone(api, org):
    group, room, user = org.create_group(), org.create_resource(booking_options={"auto_accept_requests": False}), org.create_user()
    for owner, part in ((group, "members"), (room, "delegates")):
        path, sent, gone = org.of(owner, part, id_of(user)), own_id(), own_id()
        edge = api.call("PUT", path, expect=200, headers=sent).body
        api.delete(path, headers=gone)
        made, removed = (only_event(api, which["Request-Id"]) for which in (sent, gone))
        assert made["target"] == removed["target"] == path
        assert (made["changes"], removed["changes"]) == ({"after": edge}, {"before": edge})


@pytest.mark.parametrize("make", ["create_enabled_group", "create_resource"])
def test_event_shows_groups_and_resources_before_and_after(api, org, make):
    entity = getattr(org, make)()
    for method, part, body in (("PATCH", (), {"description": "new"}), ("PUT", ("primary-email",), {"email": "boss"}),
                               ("POST", ("disable",), None), ("POST", ("enable",), {"email": "ann"}), ("POST", ("disable",), None)):
        before, sent = org.look(entity), own_id()
        after = api.call(method, org.of(entity, *part), expect=200, headers=sent,
                         **({} if body is None else {"json": body})).body
        assert only_event(api, sent["Request-Id"])["changes"] == {"before": before, "after": after}
    before, sent = org.look(entity), own_id()
    api.delete(org.of(entity), headers=sent)
    assert only_event(api, sent["Request-Id"])["changes"] == {"before": before}


def test_booking_options_are_told_before_and_after(api, org):
    sent, room = own_id(), org.create_resource()
    path = org.of(room, "booking-options")
    before = api.get(path).body
    after = api.call("PUT", path, expect=200, headers=sent, json={**room["booking_options"], "auto_accept_requests": False}).body
    event = only_event(api, sent["Request-Id"])
    assert event["changes"] == {"before": before, "after": after} and before != after


def test_passwords_are_in_no_event(api, org, leak_check):
    secrets = ["Vorsicht-Geheim-1", "Vorsicht-Geheim-2"]
    user = org.create_user(password=secrets[0])
    api.post(org.user(user, "reset-password"), expect=204, json={"password": secrets[1]})
    for secret in (*secrets, "$argon2id$"):
        assert secret not in str(events(api, organization_id=org.id))
    for secret in secrets:
        leak_check(secret)


def test_life_of_an_organization_is_told_to_its_end(service, api):
    org = create_organization(api)
    org.create_enabled()
    org.remove(force="true")
    told = api.items(org.path + "/audit-events", order_by="at")
    assert told == events(api, organization_id=org.id)
    states = [(event["changes"].get("before", {}).get("state"), event["changes"]["after"]["state"])
              for event in told if event["target"] == org.path]
    assert states == BORN + DIES
    assert [(event["action"], event["actor"]["kind"]) for event in told] == [
        ("workmail:CreateOrganization", "ROOT"), ("service:SetUpOrganization", "SERVICE"),
        ("service:SetUpOrganization", "SERVICE"), ("workmail:CreateUser", "ROOT"),
        ("workmail:DeleteOrganization", "ROOT"), ("service:RemoveOrganization", "SERVICE")]


def test_setup_that_fails_is_told_with_its_reason(service, api):
    alias = unique()
    other = create_organization(api)
    domain = f"{alias}.postreeve.test"
    service.sql("INSERT INTO verified_domain (domain, organization_id) VALUES (%s, %s)", domain, other.id)
    begun = api.post("/v1/organizations", expect=202, json={"alias": alias, "setup": "QUICK"})
    failed = wait_until(lambda: events(api, organization_id=begun["organization_id"], outcome="FAILED"))
    assert [event["changes"]["after"]["state"] for event in failed] == ["FAILED"]
    assert domain in failed[0]["reason"]
    service.sql("DELETE FROM verified_domain WHERE domain = %s", domain)


def test_purge_is_told_with_what_it_takes(make_service):
    service = make_service("--mailbox-retention", 1)
    api = service.client()
    org = create_organization(api)
    user = org.create_enabled("ann")
    before = org.disable(user).body
    purged = wait_until(lambda: events(api, action="service:PurgeMailbox"), 20)
    assert [(event["target"], event["changes"]["before"]) for event in purged] == [(org.user(user), before)]


def test_operators_changes_are_told(service, api):
    made = new_identity(service, "AmazonWorkMailReadOnlyAccess")
    service.admin("disable-access-key", "--access-key-id", made["access_key_id"])
    service.admin("set-limit", "--account", service.root["account_id"], "--limit", "aliases_per_user", "--value", 101)
    service.admin("set-limit", "--account", service.root["account_id"], "--limit", "aliases_per_user", "--value", 100)
    told = events(api, actor="operator")[-4:]
    user = "/v1/iam/users/" + made["iam_user_id"]
    assert [(event["action"], event["target"]) for event in told] == [
        ("iam:CreateIamUser", user), ("iam:UpdateAccessKey", f"{user}/access-keys/{made['access_key_id']}"),
        *2 * [("operator:SetLimit", "/v1/account/limits/aliases_per_user")]]
    assert told[2]["changes"] == {"before": {"value": 100}, "after": {"value": 101}}
    assert {event["actor"]["kind"] for event in told} == {"OPERATOR"}
    assert made["secret_access_key"] not in str(told)


def test_new_account_and_new_root_key_are_told(make_service):
    service = make_service(fresh=True)
    first = service.root
    service.admin("reset-root-key")
    told = events(service.client())
    assert [event["action"] for event in told] == ["operator:CreateAccount", "operator:ResetRootKey"]
    assert told[0]["target"] == "/v1/account" and told[0]["changes"] == {"after": {
        "account_id": first["account_id"], "name": "Postreeve", "is_trial": False, "access_key_id": first["access_key_id"]}}
    assert service.root["access_key_id"] in told[1]["target"]
    assert first["secret_access_key"] not in str(told) and service.root["secret_access_key"] not in str(told)


def test_failed_command_of_the_operator_is_not_told(service, api):
    before = len(events(api, actor="operator"))
    service.admin("disable-access-key", "--access-key-id", "PRAKNOBODY", expect=2)
    service.admin("set-limit", "--account", "123456789012", "--limit", "aliases_per_user", "--value", 1, expect=2)
    service.admin("list-limits", "--account", service.root["account_id"])
    assert len(events(api, actor="operator")) == before


# Refused requests


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


# Lists


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


# Sealing


def test_events_are_sealed_within_about_a_second(service, org):
    org.create_user()
    begun = time.monotonic()
    check_all_sealed(service)
    assert time.monotonic() - begun < 3


def test_chain_is_as_the_documentation_says(service, api, org):
    org.create_enabled(first_name="Zoë")
    check_all_sealed(service)
    found = check_chain(service, service.root["account_id"])
    sealed = {event["sequence"]: event["hash"] for event in events(api, page_size=1000)}
    assert sealed == {row["sequence"]: row["hash"] for row in found}


def test_head_is_signed_and_in_the_log(service, org):
    """The signature is checked by another program, with the public key that the API tells."""
    org.create_user()
    check_all_sealed(service)
    verification = org.api.post(VERIFY, expect=200).body
    (chain, sequence, hash_, signed_at, signature), = service.sql(
        "SELECT chain, sequence, hash, signed_at, signature FROM audit_head WHERE chain = %s", service.root["account_id"])
    assert verification["head"]["signature"] == signature and verification["head"]["sequence"] == sequence
    check_signature(verification["public_key"], signature, statement(chain, sequence, hash_, signed_at))
    logged = [event for event in service.events() if event["event"] == "audit sealed" and event["chain"] == chain]
    last = logged[-1]
    assert (last["sequence"], last["hash"], last["signature"]) == (sequence, hash_, signature)
    numbers = [event["sequence"] for event in logged]
    assert numbers == sorted(set(numbers))


def check_signature(public_key, signature, text):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "key").write_bytes(bytes.fromhex("302a300506032b6570032100" + public_key))
        (folder / "signature").write_bytes(bytes.fromhex(signature))
        (folder / "text").write_bytes(text)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", folder / "key", "-rawin",
                        "-in", folder / "text", "-sigfile", folder / "signature"], check=True, capture_output=True)


def test_several_sealers_make_one_chain(make_service):
    first = make_service()
    uri = first.database_uri + " dbname=postreeve"
    others = [make_service("--database", uri, "--root-key-file", first.state / "root-key") for _ in range(2)]
    first.allow_organizations(10)
    org = create_organization(first.client())
    callers = [service.client(first.root) for service in (first, *others)]
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = 0
        while time.monotonic() - begun < 4:
            made += len(list(pool.map(lambda number: callers[number % 3].post(
                org.users, json={"name": unique("u"), "display_name": "x"}), range(30))))
    check_all_sealed(first)
    found = check_chain(first, first.root["account_id"])
    assert sum(row["action"] == "workmail:CreateUser" for row in found) == made
    assert first.client().post(VERIFY, expect=200)["result"] == "WHOLE"


def test_what_commits_late_is_sealed_later(service, org):
    with service.db().transaction():
        service.sql("""INSERT INTO audit_unsealed (chain, actor, action, target, outcome)
                       VALUES (%s, 'service', 'service:Late', '/v1/late', 'ALLOWED')""", service.root["account_id"])
        org.create_user("ann")
        with service_connection(service) as other:
            wait_until(lambda: other.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,))
    check_all_sealed(service)
    found = check_chain(service, service.root["account_id"])
    late = next(row for row in found if row["action"] == "service:Late")
    assert late["sequence"] > next(row["sequence"] for row in found
                                   if row["action"] == "workmail:CreateUser" and row["organization_id"] == org.id)


def service_connection(service):
    return psycopg.connect(f"{service.database_uri} dbname=postreeve", autocommit=True)


# Verifying


@pytest.fixture
def sealed(make_service):
    """A service with a log of its own of at least ten events."""
    service = make_service()
    org = create_organization(service.client())
    for number in range(8):
        org.create_user(f"u{number}")
    check_all_sealed(service)
    service.chain = service.root["account_id"]
    service.length = len(check_chain(service, service.chain))
    service.org = org
    return service


def verify(service, **asked):
    return service.client().post(VERIFY, expect=200, **({"json": asked} if asked else {})).body


def test_whole_log_is_found_whole(sealed):
    found = verify(sealed)
    assert (found["result"], found["checked"], found["unsealed"]) == ("WHOLE", sealed.length, 0)
    assert found["verified_to"] == {name: found["head"][name] for name in ("sequence", "hash")}
    assert sealed.admin("verify-audit") == found
    sealed.org.remove()
    check_all_sealed(sealed)
    assert verify(sealed)["result"] == "WHOLE"
    check_consistency(sealed)


def test_empty_log_is_whole(sealed):
    found = sealed.admin("verify-audit", "--account", "installation")
    assert (found["result"], found["checked"]) == ("WHOLE", 0) and "head" not in found


def test_log_is_verified_piece_by_piece(sealed):
    seen, asked = 0, {"limit": 3}
    while True:
        found = verify(sealed, **asked)
        seen += found["checked"]
        if found["result"] != "UNFINISHED":
            break
        assert found["checked"] == 3
        asked = {"limit": 3, **found["verified_to"]}
    assert (found["result"], seen) == ("WHOLE", sealed.length)


def hash_at(service, sequence):
    return service.sql("SELECT hash FROM audit_event WHERE chain = %s AND sequence = %s", service.chain, sequence)[0][0]


def test_what_comes_after_a_kept_head_is_verified(sealed):
    found = verify(sealed, sequence=5, hash=hash_at(sealed, 5))
    assert (found["result"], found["checked"]) == ("WHOLE", sealed.length - 5)


@pytest.mark.parametrize("body,fault", [
    ({"sequence": 1}, "/hash required"), ({"hash": 64 * "0"}, "/sequence required"),
    ({"sequence": 0, "hash": 64 * "0"}, "/sequence too_small"), ({"sequence": 1, "hash": 64 * "A"}, "/hash invalid_format"),
    ({"sequence": 1, "hash": "0"}, "/hash too_short"), ({"limit": 0}, "/limit too_small"),
    ({"limit": 1000001}, "/limit too_large"), ({"more": 1}, "/more unknown_member")])
def test_bad_question_is_refused(api, body, fault):
    assert api.post(VERIFY, expect="validation_failed", json=body).faults == {fault}


ONE = "WHERE chain = %(chain)s AND sequence = 5"
TAMPERING = {
    **{f"altered {column}": (f"UPDATE audit_event SET {column} = {value} {ONE}", "ALTERED", 5) for column, value in {
        "at": "at + interval '1 microsecond'", "organization_id": "NULL", "actor": "'operator'", "access_key_id": "NULL",
        "source_address": "'192.0.2.1'", "request_id": "request_id || 'x'", "action": "'workmail:DeleteUser'",
        "target": "'/v1/other'", "outcome": "'DENIED'", "reason": "''", "omitted": "1", "changes": "changes || ' '",
        "hash": "repeat('0', 64)"}.items()},
    "the first one altered": ("UPDATE audit_event SET actor = 'x' WHERE chain = %(chain)s AND sequence = 1", "ALTERED", 1),
    "the last one altered": ("UPDATE audit_event SET actor = 'x' WHERE chain = %(chain)s AND sequence = %(length)s", "ALTERED",
                             "length"),
    "swapped": ("""UPDATE audit_event SET sequence = sequence + 1000 WHERE chain = %(chain)s AND sequence IN (5, 6);
                   UPDATE audit_event SET sequence = 6 WHERE chain = %(chain)s AND sequence = 1005;
                   UPDATE audit_event SET sequence = 5 WHERE chain = %(chain)s AND sequence = 1006""", "OUT_OF_ORDER", 5),
    "swapped but for the hashes": ("""
        CREATE TEMP TABLE kept AS SELECT sequence, hash FROM audit_event WHERE chain = %(chain)s;
        UPDATE audit_event SET sequence = sequence + 1000 WHERE chain = %(chain)s AND sequence IN (5, 7);
        UPDATE audit_event SET sequence = 7 WHERE chain = %(chain)s AND sequence = 1005;
        UPDATE audit_event SET sequence = 5 WHERE chain = %(chain)s AND sequence = 1007;
        UPDATE audit_event e SET hash = kept.hash FROM kept WHERE chain = %(chain)s AND e.sequence = kept.sequence""",
                                   "OUT_OF_ORDER", 5),
    "one missing": (f"DELETE FROM audit_event {ONE}", "MISSING", 5),
    "the first one missing": ("DELETE FROM audit_event WHERE chain = %(chain)s AND sequence = 1", "MISSING", 1),
    "one missing, the others moved up": (f"""DELETE FROM audit_event {ONE};
        UPDATE audit_event SET sequence = sequence + 1000 WHERE chain = %(chain)s AND sequence > 5;
        UPDATE audit_event SET sequence = sequence - 1001 WHERE chain = %(chain)s AND sequence > 1000""", "ALTERED", 5),
    "moved to another account": (f"UPDATE audit_event SET chain = '999999999999' {ONE}", "MISSING", 5),
    "the tail missing": ("DELETE FROM audit_event WHERE chain = %(chain)s AND sequence >= 7", "TAIL_MISSING", 7),
    "all missing": ("DELETE FROM audit_event WHERE chain = %(chain)s", "TAIL_MISSING", 1),
    "one made up": ("""INSERT INTO audit_event (chain, sequence, event_id, at, actor, action, target, outcome, hash)
        SELECT chain, sequence + 1, 0, at, actor, action, target, outcome, hash FROM audit_event
        WHERE chain = %(chain)s AND sequence = %(length)s""", "ALTERED", "beyond"),
    "head with another number": ("UPDATE audit_head SET sequence = sequence - 1 WHERE chain = %(chain)s", "HEAD_ALTERED", "shorter"),
    "head with another hash": ("UPDATE audit_head SET hash = repeat('0', 64) WHERE chain = %(chain)s", "HEAD_ALTERED", "length"),
    "head with another time": ("UPDATE audit_head SET signed_at = now() WHERE chain = %(chain)s", "HEAD_ALTERED", "length"),
    "head without a signature": ("UPDATE audit_head SET signature = '' WHERE chain = %(chain)s", "HEAD_ALTERED", "length"),
    "no head": ("DELETE FROM audit_head WHERE chain = %(chain)s", "HEAD_MISSING", "length"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found_and_the_first_bad_event_named(sealed, how):
    statements, kind, sequence = TAMPERING[how]
    place = {"length": sealed.length, "beyond": sealed.length + 1, "shorter": sealed.length - 1}.get(sequence, sequence)
    for one in statements.split(";\n"):
        sealed.db().execute(one, {"chain": sealed.chain, "length": sealed.length} if "%(" in one else None)
    found = verify(sealed)
    assert found["result"] == "BROKEN", found
    assert (found["fault"]["kind"], found["fault"]["sequence"]) == (kind, place), found
    if not kind.startswith("HEAD"):
        assert found["verified_to"]["sequence"] == place - 1
    result = sealed.admin("verify-audit", expect=1)
    assert result == found


def rewrite(service, sequence):
    """Alters an event and computes all hashes after it anew, as somebody would who knows how it is done."""
    service.sql("UPDATE audit_event SET actor = 'operator' WHERE chain = %s AND sequence = %s", service.chain, sequence)
    previous = FIRST_HASH
    for row in rows(service, service.chain):
        previous = hash_of(previous, row)
        service.sql("UPDATE audit_event SET hash = %s WHERE chain = %s AND sequence = %s", previous, service.chain,
                    row["sequence"])
    return previous


def test_hashes_that_were_computed_anew_do_not_fit_the_signed_head(sealed):
    rewrite(sealed, 5)
    fault = verify(sealed)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("REWRITTEN", sealed.length)


def test_head_cannot_be_signed_with_another_key(sealed, make_service):
    """Another service, which has another root key, signs the rewritten chain."""
    last = rewrite(sealed, 5)
    stranger = make_service(fresh=True)
    stranger.sql("""INSERT INTO audit_head (chain, sequence, hash, signed_at, signature)
                    VALUES (%s, %s, %s, now(), '')""", sealed.chain, sealed.length, last)
    stranger.sql("""INSERT INTO audit_event (chain, sequence, event_id, at, actor, action, target, outcome, hash)
                    VALUES (%s, %s, 0, now(), 'x', 'x:X', '/v1/x', 'ALLOWED', %s)""", sealed.chain, sealed.length, last)
    stranger.sql("INSERT INTO account (account_id, name) VALUES (%s, 'x') ON CONFLICT DO NOTHING", sealed.chain)
    stranger.admin("restart-audit", "--account", sealed.chain)
    signed = stranger.sql("SELECT sequence, hash, signed_at, signature FROM audit_head WHERE chain = %s", sealed.chain)[0]
    assert signed[:2] == (sealed.length, last)
    sealed.sql("UPDATE audit_head SET sequence = %s, hash = %s, signed_at = %s, signature = %s WHERE chain = %s",
               *signed, sealed.chain)
    fault = verify(sealed)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("HEAD_ALTERED", sealed.length)


def roll_back(service, head, length):
    """The log as it was when its head was this one."""
    service.sql("DELETE FROM audit_event WHERE chain = %s AND sequence > %s", service.chain, length)
    service.sql("UPDATE audit_head SET sequence = %s, hash = %s, signed_at = %s, signature = %s WHERE chain = %s",
                *head, service.chain)


@pytest.mark.expect_errors
def test_older_log_that_was_put_back_is_found_by_who_kept_a_head(sealed):
    old = sealed.sql("SELECT sequence, hash, signed_at, signature FROM audit_head WHERE chain = %s", sealed.chain)[0]
    sealed.org.create_user()
    check_all_sealed(sealed)
    kept = verify(sealed)["head"]
    roll_back(sealed, old, sealed.length)
    assert verify(sealed)["result"] == "WHOLE"  # by itself it is
    fault = verify(sealed, sequence=kept["sequence"], hash=kept["hash"])["fault"]
    assert (fault["kind"], fault["sequence"]) == ("TAIL_MISSING", kept["sequence"])
    assert sealed.admin("verify-audit", "--sequence", kept["sequence"], "--hash", kept["hash"], expect=1)["fault"] == fault

    sealed.org.create_user()  # the log goes on from there …
    check_all_sealed(sealed)
    fault = verify(sealed, sequence=kept["sequence"], hash=kept["hash"])["fault"]
    assert (fault["kind"], fault["sequence"]) == ("REWRITTEN", kept["sequence"])
    assert [line for line in error_lines(sealed) if "older" in line["event"]]  # … but the process that signed it noticed


@pytest.mark.expect_errors
@pytest.mark.parametrize("how", ["UPDATE audit_head SET hash = repeat('0', 64)", "DELETE FROM audit_head"])
def test_chain_without_a_good_head_is_not_sealed_until_the_operator_says_so(sealed, how):
    """A new signature would cover up what was done; and a chain of others is sealed meanwhile."""
    sealed.sql(how + " WHERE chain = %s", sealed.chain)
    sealed.restart()
    sealed.org.api = sealed.client()
    sealed.org.create_user()
    sealed.sql("""INSERT INTO audit_unsealed (chain, actor, action, target, outcome)
                  VALUES ('installation', 'service', 'service:Test', '/v1/x', 'ALLOWED')""")
    wait_until(lambda: sealed.sql("SELECT count(*) FROM audit_event WHERE chain = 'installation'") == [(1,)])
    wait_until(lambda: error_lines(sealed))
    found = verify(sealed)
    assert found["unsealed"] == 1 and found["fault"]["kind"] in ("HEAD_ALTERED", "HEAD_MISSING")

    before = sealed.sql("SELECT sequence, hash FROM audit_head WHERE chain = %s", sealed.chain)
    assert sealed.admin("restart-audit")["sequence"] == sealed.length
    check_all_sealed(sealed)
    check_chain(sealed, sealed.chain)
    assert verify(sealed)["result"] == "WHOLE"
    event = events(sealed.client(), action="operator:RestartAuditLog")[0]
    assert event["changes"]["before"] == ({"sequence": before[0][0], "hash": before[0][1]} if before else {})


def test_verification_is_not_a_change(api):
    sent = {**own_id(), "Idempotency-Key": unique("key")}
    for _ in range(2):
        assert "Idempotent-Replayed" not in api.post(VERIFY, expect=200, headers=sent).headers
    assert api.post(VERIFY, expect="validation_failed", params={"validate_only": "true"}).faults == {
        "validate_only unknown_parameter"}
    assert events(api, request_id=sent["Request-Id"]) == []


def test_verification_beside_writers_finds_no_fault(service, api, org):
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(lambda: [org.create_user() for _ in range(60)]) for _ in range(4)]
        results = {api.post(VERIFY, expect=200)["result"] for _ in range(30)}
        for writer in writers:
            writer.result()
    assert results == {"WHOLE"}


def test_sequence_of_requests_from_one_client_is_that_of_the_log(service, api, org):
    names = [org.create_user()["name"] for _ in range(10)]
    told = [event["changes"]["after"]["name"] for event in events(api, organization_id=org.id, action="workmail:CreateUser")]
    assert told == names
