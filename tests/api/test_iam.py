"""Identities, their policies and keys, and that nobody gives away more than he may do."""
import datetime
import re

import pytest

import iam
from iam import Identity, attach, detach, new_group, new_key, new_policy, new_user, statement
from organization import PASSWORD, create_organization, unique
from service import ROOT, wait_until

GUIDE = ROOT / "tests" / "api" / "guide_policies.json"


@pytest.fixture(scope="session")
def account(service):
    return service.root["account_id"]


# Users, groups, policies


def test_user_shows_its_groups_and_policies(api):
    user, group, policy = new_user(api), new_group(api), new_policy(api, statement(action="ses:*"))
    assert user["groups"] == user["policies"] == [] and user["has_password"] is False
    attach(api, user, policy)
    attach(api, user, policy)
    api.put(iam.membership(group, user), expect=204)
    shown = api.get(f"{iam.USERS}/{user['iam_user_id']}").body
    assert shown["policies"] == [{"policy_id": policy["policy_id"], "name": policy["name"]}]
    assert shown["groups"] == [{"iam_group_id": group["iam_group_id"], "name": group["name"]}]
    assert api.get(f"{iam.GROUPS}/{group['iam_group_id']}")["member_count"] == 1
    assert api.items(f"{iam.GROUPS}/{group['iam_group_id']}/members") == [
        {"iam_user_id": user["iam_user_id"], "name": user["name"]}]
    assert api.get(f"{iam.POLICIES}/{policy['policy_id']}")["attachment_count"] == 1
    detach(api, user, policy)
    detach(api, user, policy)
    assert api.get(f"{iam.USERS}/{user['iam_user_id']}")["policies"] == []


def test_deleted_user_changes_what_counted_it(api):
    user, group, policy = new_user(api), new_group(api), new_policy(api, statement(action="workmail:List*"))
    attach(api, user, policy)
    api.put(iam.membership(group, user), expect=204)
    paths = {f"{iam.GROUPS}/{group['iam_group_id']}": "member_count", f"{iam.POLICIES}/{policy['policy_id']}": "attachment_count"}
    before = {path: api.get(path) for path in paths}
    api.delete(f"{iam.USERS}/{user['iam_user_id']}", expect=204)
    for path, count in paths.items():
        after = api.get(path, headers={"If-None-Match": before[path].headers["ETag"]})
        assert (before[path][count], after.status, after[count]) == (1, 200, 0)


def test_names_are_unique_and_lists_find_them(api):
    for path, body in ((iam.USERS, {}), (iam.GROUPS, {}), (iam.POLICIES, {"document": iam.document(statement())})):
        name = unique("n")
        api.post(path, json={"name": name, **body})
        api.post(path, expect="name_taken", json={"name": name, **body})
        assert [item["name"] for item in api.items(path, name=name)] == [name]
        names = [item["name"] for item in api.items(path, page_size=7, order_by="-name")]
        assert names == sorted(names, reverse=True)


@pytest.mark.parametrize("body,faults", [
    ({}, {"/name required"}),
    ({"name": "a b"}, {"/name invalid_format"}),
    ({"name": "n" * 65}, {"/name too_long"}),
    ({"name": "n", "path": "staff"}, {"/path invalid_format"}),
    ({"name": "n", "iam_user_id": "x", "color": 1}, {"/iam_user_id read_only", "/color unknown_member"}),
])
def test_faults_of_a_new_user(api, body, faults):
    assert api.post(iam.USERS, expect="validation_failed", json=body).faults == faults


def test_group_in_use_is_not_deleted(api):
    user, group, policy = new_user(api), new_group(api), new_policy(api, statement(action="ses:*"))
    path = f"{iam.GROUPS}/{group['iam_group_id']}"
    api.put(iam.membership(group, user), expect=204)
    api.delete(path, expect="iam_in_use")
    api.delete(iam.membership(group, user))
    attach(api, group, policy)
    api.delete(path, expect="iam_in_use")
    api.delete(f"{iam.POLICIES}/{policy['policy_id']}", expect="iam_in_use")
    detach(api, group, policy)
    api.delete(path)
    api.delete(path, expect="iam_group_not_found")
    api.delete(f"{iam.POLICIES}/{policy['policy_id']}")


def test_managed_policies_are_there_and_stay_as_they_are(api):
    managed = {item["name"]: item for item in api.items(iam.POLICIES) if item["managed"]}
    assert managed.keys() == {"AmazonWorkMailFullAccess", "AmazonWorkMailReadOnlyAccess"}
    for policy in managed.values():
        path = f"{iam.POLICIES}/{policy['policy_id']}"
        api.patch(path, expect="managed_policy", json={"document": iam.document(statement())})
        api.delete(path, expect="managed_policy")


def test_document_is_kept_as_it_was_given_and_its_changes_are_counted(api):
    given = iam.document(statement(action=["ec2:CreateVpc", "ds>ListX", "workmail:*"], Sid="A1"))
    policy = api.post(iam.POLICIES, json={"name": unique("p"), "document": given, "description": "d"}).body
    path = f"{iam.POLICIES}/{policy['policy_id']}"
    assert policy["document"] == given and policy["document_version"] == 1
    assert [(one["pointer"], one["code"]) for one in policy["warnings"]] == [
        ("/document/Statement/0/Action/0", "unknown_prefix"), ("/document/Statement/0/Action/1", "action_without_colon")]
    assert api.patch(path, json={"description": None})["document_version"] == 1
    changed = api.patch(path, json={"document": iam.document(statement())})
    assert changed["document_version"] == 2 and changed["warnings"] == [] and "description" not in changed.body
    assert api.get(path).body == changed.body


@pytest.mark.parametrize("document,faults", [
    ("x", {"/document wrong_type"}),
    ({}, {"/document/Statement required"}),
    ({"Statement": [{"Effect": "Permit", "Action": "*", "Resource": "*"}]}, {"/document/Statement/0/Effect invalid_value"}),
    ({"Statement": {"Effect": "Allow", "Action": [7], "Resource": "x"}},
     {"/document/Statement/Action/0 wrong_type", "/document/Statement/Resource invalid_format"}),
    ({"Statement": {**statement(), "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.300"}}}},
     {"/document/Statement/Condition/IpAddress/aws:SourceIp invalid_value"}),
])
def test_syntax_errors_name_the_place(api, document, faults):
    answer = api.post(iam.POLICIES, expect="validation_failed", json={"name": unique("p"), "document": document})
    assert answer.faults == faults


def test_document_with_a_member_twice_is_refused(api):
    api.post(iam.POLICIES, expect="malformed_json", headers={"Content-Type": "application/json"},
             body=b'{"name": "p", "document": {"Statement": {"Effect": "Deny", "Effect": "Allow"}}}')


# What policies do, over HTTP


def guide_policies():
    import json
    return json.loads(GUIDE.read_text(encoding="utf-8"))


def test_full_access_policy_of_the_guide_works_as_described(service, api):
    policy = api.post(iam.POLICIES, json={"name": unique("guide"), "document": guide_policies()["full"]}).body
    assert {"unknown_prefix", "action_without_colon"} == {one["code"] for one in policy["warnings"]}
    identity = Identity(service, api)
    attach(api, identity.user, policy)
    organization = create_organization(identity.client)
    organization.create_enabled()
    organization.remove(force="true")
    identity.client.get(iam.USERS, expect="access_denied")


def test_read_only_policy_of_the_guide_works_as_described(service, api, org):
    policy = api.post(iam.POLICIES, json={"name": unique("guide"), "document": guide_policies()["read_only"]}).body
    assert policy["warnings"] == []
    identity = Identity(service, api)
    attach(api, identity.user, policy)
    identity.client.get(org.path)
    identity.client.get(org.users)
    identity.client.post(org.users, expect="access_denied", json={"name": "x", "display_name": "X"})
    identity.client.delete(org.path, expect="access_denied", params={"confirm": org.alias})


def test_policies_of_groups_count_and_a_deny_anywhere_wins(service, api, org):
    identity, group = Identity(service, api), new_group(api)
    allow, deny = new_policy(api, statement(action="workmail:*")), new_policy(api, statement("Deny", "workmail:List*"))
    identity.client.get(org.path, expect="organization_not_found")
    attach(api, group, allow)
    api.put(iam.membership(group, identity.user), expect=204)
    identity.client.get(org.users)
    attach(api, identity.user, deny)
    identity.client.get(org.users, expect="access_denied")
    identity.client.get(org.path)
    detach(api, identity.user, deny)
    identity.client.get(org.users)
    api.delete(iam.membership(group, identity.user))
    identity.client.get(org.users, expect="organization_not_found")


@pytest.mark.parametrize("condition,holds", [
    ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
    ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1"]}}, False),
    ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
    ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
    ({"Bool": {"aws:SecureTransport": "false"}}, True),
    ({"Bool": {"aws:SecureTransport": "true"}}, False),
    ({"StringLike": {"aws:username": "iam-*"}}, True),
    ({"StringEquals": {"aws:PrincipalAccount": "000000000000"}}, False),
])
def test_conditions_look_at_the_request(service, api, condition, holds):
    identity = Identity(service, api, statement(action="workmail:ListRegions", Condition=condition))
    identity.client.get("/v1/regions", expect=200 if holds else "access_denied")


def test_refusal_says_which_statement_decided_to_who_may_read_the_policy(service, api, org):
    deny = statement("Deny", "workmail:CreateUser", Sid="NoNewUsers")
    may_read = Identity(service, api, statement(action=["workmail:*", "iam:GetPolicy"]), deny)
    may_not = Identity(service, api, statement(action="workmail:*"), deny)
    body = {"name": "x", "display_name": "X"}
    told = may_read.client.post(org.users, expect="access_denied", json=body)
    assert told["decision"] == {"effect": "EXPLICIT_DENY", "policy_id": may_read.policy["policy_id"],
                                "policy_name": may_read.policy["name"], "statement": 1, "sid": "NoNewUsers"}
    assert "NoNewUsers" in told["detail"]
    silent = may_not.client.post(org.users, expect="access_denied", json=body)
    assert "decision" not in silent.body and "NoNewUsers" not in silent.raw.decode()
    implicit = may_read.client.get(iam.USERS, expect="access_denied")
    assert implicit["decision"] == {"effect": "IMPLICIT_DENY"} and "iam:ListIamUsers" in implicit["detail"]


def test_simulation_says_what_would_be_decided(service, api, org, account):
    identity = Identity(service, api, statement(action="workmail:*", resource=iam.arn(org.id, account)),
                        statement("Deny", "workmail:Delete*", Sid="Stop"))
    name = org.describe()["arn"]

    def ask(**members):
        return api.post("/v1/iam/simulate", expect=200, json={"iam_user_id": identity.id, **members})["decision"]
    assert ask(action="workmail:ListUsers", resource=name)["effect"] == "ALLOW"
    assert ask(action="workmail:ListUsers")["effect"] == "IMPLICIT_DENY"
    assert ask(action="workmail:DeleteUser", resource=name) == {
        "effect": "EXPLICIT_DENY", "policy_id": identity.policy["policy_id"], "policy_name": identity.policy["name"],
        "statement": 1, "sid": "Stop"}
    document = iam.document(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                                                 "DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}))
    for members, effect in (({"source_address": "10.1.1.1"}, "ALLOW"), ({"source_address": "11.1.1.1"}, "IMPLICIT_DENY"),
                            ({"source_address": "10.1.1.1", "at": "2031-01-01T00:00:00Z"}, "IMPLICIT_DENY")):
        answer = api.post("/v1/iam/simulate", expect=200, json={"action": "ses:X", "document": document, **members})
        assert answer["decision"]["effect"] == effect
    assert api.post("/v1/iam/simulate", expect=200, json={"action": "iam:X"})["decision"] == {"effect": "ALLOW"}
    for wrong in ({"iam_user_id": "00000000-0000-4000-8000-00000000000f"}, {"source_address": "10.0.0.0/8"}):
        api.post("/v1/iam/simulate", expect="validation_failed", json={"action": "a", **wrong})


def test_simulation_of_whom_one_may_not_see_is_refused_as_of_nobody(service, api):
    other = Identity(service, api)
    caller = Identity(service, api, statement(action="iam:SimulatePolicy")).client
    answers = [caller.post("/v1/iam/simulate", expect="validation_failed", json={"action": "a", "iam_user_id": which})
               for which in (other.id, "00000000-0000-4000-8000-00000000000f")]
    assert answers[0]["errors"] == answers[1]["errors"]


def test_simulation_names_a_policy_to_who_may_read_it(service, api):
    """As a refusal does: a decision alone is told to everybody who may ask."""
    identity = Identity(service, api, statement(action="workmail:*", Sid="Secret"))
    asks = statement(action=["iam:SimulatePolicy", "iam:DescribeIamUser"])
    asked = {"action": "workmail:X", "iam_user_id": identity.id}

    def ask(caller):
        return caller.client.post("/v1/iam/simulate", expect=200, json=asked)["decision"]
    assert ask(Identity(service, api, asks)) == {"effect": "ALLOW"}
    assert ask(Identity(service, api, asks, statement(action="iam:GetPolicy")))["sid"] == "Secret"
    document = {"action": "workmail:X", "document": iam.document(statement(Sid="Own"))}
    own = Identity(service, api, asks).client.post("/v1/iam/simulate", expect=200, json=document)
    assert own["decision"]["sid"] == "Own"


# Nobody gives away more than he may do


ADMIN = ("iam:*", "workmail:*")


@pytest.fixture
def helper(service, api):
    """May administrate identities, and organizations but for deleting them; no sending."""
    return Identity(service, api, statement(action=list(ADMIN)), statement("Deny", "workmail:DeleteOrganization"))


def test_policy_that_allows_more_is_not_written(helper):
    caller = helper.client
    new_policy(caller, statement(action="workmail:List*"))
    new_policy(caller, statement("Deny", "*"))
    for more in (statement(action="ses:*"), statement(), statement(action="workmail:*"), statement(action="workmail:Del*"),
                 statement(action=["workmail:ListUsers", "ses:X"]), {"Effect": "Allow", "NotAction": "ses:*", "Resource": "*"}):
        new_policy(caller, more, expect="not_held")
    own = new_policy(caller, statement(action="workmail:List*"))
    caller.patch(f"{iam.POLICIES}/{own['policy_id']}", expect="not_held", json={"document": iam.document(statement())})
    assert caller.get(f"{iam.POLICIES}/{own['policy_id']}").body == own


def test_policy_that_allows_more_is_not_attached(api, helper):
    user, group = new_user(api), new_group(api)
    for to in (user, group):
        attach(helper.client, to, iam.READ_ONLY, expect="not_held")
        attach(helper.client, to, new_policy(api, statement(action="workmail:Get*")))
    attach(api, group, iam.READ_ONLY)
    helper.client.put(iam.membership(group, helper.user), expect="not_held")
    helper.client.put(iam.membership(group, user), expect="not_held")


def test_key_and_password_of_a_stronger_identity_are_not_made(service, api, helper):
    strong, weak = Identity(service, api, statement()), Identity(service, api, statement(action="workmail:List*"))
    new_key(helper.client, weak.user)
    new_key(helper.client, strong.user, expect="not_held")
    helper.client.put(strong.path("password"), expect="not_held", json={"password": PASSWORD})
    helper.client.put(weak.path("password"), expect=204, json={"password": PASSWORD})
    path = strong.path("access-keys", strong.key["access_key_id"])
    helper.client.patch(path, json={"status": "DISABLED"})  # taking away is free
    helper.client.patch(path, expect="not_held", json={"status": "ACTIVE"})
    helper.client.delete(path)


def test_ones_own_key_is_made_whatever_the_policies(helper):
    new_key(helper.client, helper.user)


def test_deny_is_not_shaken_off(service, api, helper):
    """Not by detaching it, not by leaving its group, not by rewriting it, not by another identity."""
    held = Identity(service, api, statement(action="iam:*"))
    group, no = new_group(api), new_policy(api, statement("Deny", "iam:Delete*"))
    attach(api, held.user, no)
    detach(held.client, held.user, no, expect="not_held")
    held.client.patch(f"{iam.POLICIES}/{no['policy_id']}", expect="not_held",
                      json={"document": iam.document(statement("Deny", "iam:DeleteIamUser"))})
    attach(api, group, no)
    api.put(iam.membership(group, held.user), expect=204)
    detach(api, held.user, no)
    held.client.delete(iam.membership(group, held.user), expect="not_held")
    detach(held.client, group, no, expect="not_held")
    new_policy(held.client, statement(action="iam:*"), expect="not_held")
    api.delete(iam.membership(group, held.user))
    detach(helper.client, group, no)  # concerns nobody any more
    new_policy(held.client, statement(action="iam:*"))


def test_conditional_allow_gives_nothing_away(service, api):
    here = Identity(service, api, statement(action="iam:*"),
                    statement(action="workmail:*", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.1"}}))
    here.client.get("/v1/regions")
    new_policy(here.client, statement(action="workmail:ListRegions"), expect="not_held")


# Access keys


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_key_works_until_it_ends(service, api):
    identity = Identity(service, api, statement(), expires_at=in_seconds(2))
    identity.client.get("/v1/regions")
    wait_until(lambda: identity.client.request("GET", "/v1/regions").status == 401, 5, what="the end of the key")


def test_key_works_from_its_networks_only_and_changes_count_at_once(service, api):
    identity = Identity(service, api, statement(), allowed_networks=["10.0.0.0/8", "127.0.0.0/8"])
    path = identity.path("access-keys", identity.key["access_key_id"])
    identity.client.get("/v1/regions")
    api.patch(path, json={"allowed_networks": ["10.0.0.0/8"]})
    identity.client.get("/v1/regions", expect="unauthenticated")
    api.patch(path, json={"allowed_networks": []})
    identity.client.get("/v1/regions")
    api.patch(path, json={"status": "DISABLED"})
    identity.client.get("/v1/regions", expect="unauthenticated")
    api.patch(path, json={"status": "ACTIVE", "expires_at": in_seconds(-5)})
    identity.client.get("/v1/regions", expect="unauthenticated")
    assert "expires_at" not in api.patch(path, json={"expires_at": None}).body
    identity.client.get("/v1/regions")


def test_key_with_limits_makes_none_without(service, api):
    """A scoped key does not regain full rights."""
    end = in_seconds(3600)
    identity = Identity(service, api, statement(), expires_at=end, allowed_networks=["127.0.0.0/8"])
    mine, make = identity.client, identity.path("access-keys")
    for members in ({}, {"expires_at": end}, {"allowed_networks": ["127.0.0.1"]},
                    {"expires_at": in_seconds(7200), "allowed_networks": ["127.0.0.1"]},
                    {"expires_at": end, "allowed_networks": ["127.0.0.1", "10.0.0.0/8"]}):
        mine.post(make, expect="not_held", json=members)
    narrow = mine.post(make, json={"expires_at": end, "allowed_networks": ["127.0.0.1"]})
    mine.patch(f"{make}/{identity.key['access_key_id']}", expect="not_held", json={"expires_at": None})
    mine.patch(f"{make}/{narrow['access_key_id']}", expect="not_held", json={"allowed_networks": []})
    mine.put(identity.path("password"), expect="not_held", json={"password": PASSWORD})


def test_key_with_limits_gives_nothing_to_who_has_a_key_without(service, api):
    """Else it would be used from elsewhere and later, by the other's key: whatever way it is given."""
    limits = {"expires_at": in_seconds(3600), "allowed_networks": ["127.0.0.0/8"]}
    limited = Identity(service, api, statement(), **limits).client
    policy, deny = new_policy(api, statement(action="ses:X")), new_policy(api, statement("Deny", "ses:X"))
    group, full_group, denied_group = new_group(api), new_group(api), new_group(api)
    attach(api, full_group, policy)
    attach(api, denied_group, deny)

    def ways(user):
        attach(api, user, deny)
        for to in (group, denied_group):
            api.put(iam.membership(to, user), expect=204)
        own = new_policy(api, statement(action="ses:Y"))
        attach(api, user, own)
        return [("PUT", iam.attachment(user, policy), None), ("PUT", iam.attachment(group, policy), None),
                ("PUT", iam.membership(full_group, user), None), ("DELETE", iam.attachment(user, deny), None),
                ("DELETE", iam.membership(denied_group, user), None),
                ("PATCH", f"{iam.POLICIES}/{own['policy_id']}", {"document": iam.document(statement(action="ses:Z"))})]

    def outcomes(user):
        answers = [limited.request(method, path, *([body] if body else [])) for method, path, body in ways(user)]
        api.delete(iam.attachment(group, policy))
        api.delete(f"{iam.USERS}/{user['iam_user_id']}")
        return [answer.body["code"] if answer.status >= 400 else "ok" for answer in answers]

    def with_key(**members):
        user = new_user(api)
        new_key(api, user, **members)
        return user

    def with_password():
        user = new_user(api)
        api.put(f"{iam.USERS}/{user['iam_user_id']}/password", expect=204, json={"password": PASSWORD})
        return user
    for wider in (with_key(), with_key(expires_at=limits["expires_at"]), with_key(allowed_networks=["127.0.0.1"]),
                  with_key(expires_at=in_seconds(7200), allowed_networks=["127.0.0.1"]), with_password()):
        assert outcomes(wider) == 6 * ["not_held"]
    for narrower in (new_user(api), with_key(**limits), with_key(status="DISABLED"), with_key(expires_at=in_seconds(-5))):
        assert outcomes(narrower) == 6 * ["ok"]


def test_key_with_limits_takes_from_everybody(service, api):
    limited, free = Identity(service, api, statement(), allowed_networks=["127.0.0.0/8"]).client, Identity(service, api)
    attach(limited, free.user, new_policy(api, statement("Deny", "ses:*")))  # a Deny gives nothing
    allow = new_policy(api, statement(action="workmail:List*"))
    attach(api, free.user, allow)
    detach(limited, free.user, allow)
    limited.patch(free.path("access-keys", free.key["access_key_id"]), json={"status": "DISABLED"})


def test_refused_grant_names_a_policy_to_who_may_read_it(service, api):
    strong = Identity(service, api, statement(action="kms:*", Sid="Strong"))
    for more, told in (((), False), (("iam:GetPolicy",), True)):
        caller = Identity(service, api, statement(action=["iam:CreateAccessKey", "iam:DescribeIamUser", *more])).client
        refused = new_key(caller, strong.user, expect="not_held")
        assert (strong.policy["name"] in refused["detail"]) == told
        assert ("Statement" in refused["detail"]) == told
    writer = Identity(service, api, statement(action="iam:CreatePolicy")).client
    writer.post(iam.POLICIES, expect="not_held", json={"name": "x", "document": iam.document(
        statement("Deny", "*"), statement(action="kms:*"))}).raw.index(b"Statement 1")


def test_attachment_by_the_operator_changes_the_policys_version(service, api, account):
    policy = new_policy(api, statement())
    path = f"{iam.POLICIES}/{policy['policy_id']}"
    before = api.get(path)
    service.admin("create-iam-user", "--account", account, "--name", unique("iam"), "--policy", policy["name"])
    after = api.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status, after["attachment_count"]) == (200, 1)


def test_action_of_a_service_that_is_not_here_is_given_by_who_holds_it_alone(service, api):
    """It never matches; but a later release of the service may know it."""
    helper = Identity(service, api, statement(action=["iam:*", "workmail:*"])).client
    future = Identity(service, api, statement(action=["iam:*", "calendar:*"])).client
    for caller, code in ((helper, "not_held"), (future, None), (api, None)):
        new_policy(caller, statement(action=["calendar:List*", "iam:Get*"]), expect=code)
    new_policy(helper, statement(action=["no colon", "iam:Get*"]))


def test_key_prolongs_itself_by_no_part_of_a_second(service, api):
    ends = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(hours=1)

    def at(seconds, fraction=""):
        return (ends + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    identity = Identity(service, api, statement(action="iam:*"), expires_at=at(0))
    path = identity.path("access-keys", identity.key["access_key_id"])
    identity.client.patch(path, json={"expires_at": at(0, ".9")})
    identity.client.patch(path, expect="not_held", json={"expires_at": at(1)})
    identity.client.post(identity.path("access-keys"), expect="not_held", json={"expires_at": at(1)})


def test_last_use_is_shown_and_the_secret_never_again(service, api, leak_check):
    identity = Identity(service, api, statement())
    path = identity.path("access-keys")
    assert re.fullmatch("PRAK[A-Z2-7]{16}", identity.key["access_key_id"])
    assert "last_used_at" not in api.items(path)[0]
    identity.client.get("/v1/regions")
    shown = api.items(path)[0]
    assert shown["last_used_at"] and "secret_access_key" not in shown
    assert api.get(f"{path}/{shown['access_key_id']}").body == shown
    leak_check(identity.key["secret_access_key"])


@pytest.mark.parametrize("members,fault", [
    ({"allowed_networks": ["10.0.0.1/8"]}, "/allowed_networks/0 invalid_format"),
    ({"allowed_networks": ["::1", "x"]}, "/allowed_networks/1 invalid_format"),
    ({"allowed_networks": "::1"}, "/allowed_networks wrong_type"),
    ({"expires_at": "tomorrow"}, "/expires_at invalid_format"),
    ({"status": "GONE"}, "/status invalid_value"),
])
def test_faults_of_a_key(api, members, fault):
    assert api.post(f"{iam.USERS}/{new_user(api)['iam_user_id']}/access-keys", expect="validation_failed",
                    json=members).faults == {fault}


def test_deleted_identity_is_refused_at_once(service, api):
    identity = Identity(service, api, statement())
    identity.client.get("/v1/regions")
    api.delete(identity.path())
    identity.client.get("/v1/regions", expect="unauthenticated")


def test_what_one_may_not_see_is_not_attached_either(service, api):
    """Nor is its name told, or that it is there."""
    user, group, hidden, policy = new_user(api), new_group(api), new_user(api), new_policy(api, statement(action="kms:*"))
    caller = Identity(service, api, statement(action="iam:*", resource=iam.iam_arn("user", user["iam_user_id"])),
                      statement(action="iam:*", resource=iam.iam_arn("group", "*"))).client
    missing = "00000000-0000-4000-8000-00000000000f"
    for method in ("PUT", "DELETE"):
        for path, other, code in ((iam.attachment(user, policy), iam.attachment(user, missing), "policy_not_found"),
                                  (iam.attachment(group, policy), iam.attachment(group, missing), "policy_not_found"),
                                  (iam.membership(group, hidden), iam.membership(group, {"iam_user_id": missing}),
                                   "iam_user_not_found")):
            there, absent = (caller.call(method, target, expect=code).body for target in (path, other))
            for answer in (there, absent):
                del answer["instance"]
            assert there == absent


def test_lists_of_identities_show_only_what_the_caller_may_see(service, api):
    seen, hidden = new_user(api), new_user(api)
    caller = Identity(service, api, statement(action=["iam:List*", "iam:Describe*"],
                                              resource=iam.iam_arn("user", seen["iam_user_id"]))).client
    assert [item["iam_user_id"] for item in caller.items(iam.USERS)] == [seen["iam_user_id"]]
    caller.get(f"{iam.USERS}/{seen['iam_user_id']}")
    caller.get(f"{iam.USERS}/{hidden['iam_user_id']}", expect="iam_user_not_found")
    caller.get(f"{iam.USERS}/{hidden['iam_user_id']}/access-keys", expect="iam_user_not_found")
    caller.get(iam.GROUPS, expect=200)
    assert caller.items(iam.GROUPS) == []
    group = new_group(api)
    for user in (seen, hidden):
        api.put(iam.membership(group, user), expect=204)
    members = f"{iam.GROUPS}/{group['iam_group_id']}/members"
    caller.get(members, expect="iam_group_not_found")
    counter = Identity(service, api, statement(action="iam:*", resource=iam.iam_arn("group", "*")),
                       statement(action="iam:DescribeIamUser", resource=iam.iam_arn("user", seen["iam_user_id"]))).client
    answer = counter.get(members, params={"include_total": "true"})
    assert ([item["iam_user_id"] for item in answer["items"]], answer["total"]) == ([seen["iam_user_id"]], 1)
