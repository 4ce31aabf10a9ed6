"""Each change leaves one event, which tells what was and what is."""
import pytest

import iam
from audit import events, new_administrator, new_identity, only_event, own_id
from changes import changes, prepare
from organization import BORN, DIES, create_organization, id_of, unique
from routes import named, of_identities
from service import wait_until

POSTS = [route for route in changes() if route["method"] == "POST"]


@pytest.fixture(scope="module")
def administrator(service):
    return new_administrator(service)


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
