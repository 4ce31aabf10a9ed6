"""How many identities an account may have, and what an identity may have: the operator sets it, and nobody passes it."""
import pytest

import iam
from iam import attach, detach, new_group, new_key, new_policy, new_user, statement
from organization import unique
from test_accounts import new_account, set_limit
from test_concurrency import all_at_once

DEFAULTS = {"iam_users": 5000, "iam_groups": 300, "policies": 1500, "access_keys_per_user": 2, "policies_per_identity": 20,
            "groups_per_user": 10}
WHICH = [*DEFAULTS, "policies_per_identity of a group"]
# What a test has made before it makes what is counted.
BEFORE = {"iam_users": 1, "iam_groups": 5, "policies": 4}


@pytest.fixture
def account(service):
    return new_account(service, trial="false")


@pytest.fixture
def theirs(service, account):
    return service.client(account)


@pytest.fixture
def makers(theirs):
    """By limit: words of its error, and a function that makes the n-th of what it counts."""
    user, group = new_user(theirs), new_group(theirs)
    policies = [new_policy(theirs, statement(action="workmail:List*")) for _ in range(4)]
    groups = [new_group(theirs) for _ in range(4)]
    return {
        "iam_users": ("IAM users", lambda n: theirs.request("POST", iam.USERS, {"name": unique("u")})),
        "iam_groups": ("IAM groups", lambda n: theirs.request("POST", iam.GROUPS, {"name": unique("g")})),
        "policies": ("policies", lambda n: theirs.request("POST", iam.POLICIES, {
            "name": unique("p"), "document": iam.document(statement())})),
        "access_keys_per_user": ("access keys", lambda n: theirs.request("POST", f"{iam.USERS}/{user['iam_user_id']}/access-keys", {})),
        "policies_per_identity": ("policies attached", lambda n: theirs.request("PUT", iam.attachment(user, policies[n]))),
        "policies_per_identity of a group": ("policies attached", lambda n: theirs.request("PUT", iam.attachment(group, policies[n]))),
        "groups_per_user": ("groups", lambda n: theirs.request("PUT", iam.membership(groups[n], user))),
    }


def test_limits_and_their_defaults_are_listed(theirs):
    listed = {item["code"]: item for item in theirs.get("/v1/account/limits")["items"]}
    assert {code: (listed[code]["value"], listed[code]["default"]) for code in DEFAULTS} == {
        code: (value, value) for code, value in DEFAULTS.items()}


@pytest.mark.parametrize("which", WHICH)
def test_one_more_is_refused_in_the_words_of_the_guide_until_the_operator_raises_the_limit(service, account, makers, which):
    words, make = makers[which]
    limit = which.split()[0]
    set_limit(service, account, limit, BEFORE.get(which, 0) + 2)
    assert [make(n).status in (201, 204) for n in range(2)] == [True, True]
    refused = make(2).check_problem("limit_exceeded")
    assert "You have reached the maximum number of" in refused["detail"] and words in refused["detail"]
    assert limit in refused["detail"]
    set_limit(service, account, limit, BEFORE.get(which, 0) + 3)
    assert make(2).status in (201, 204)
    make(3).check_problem("limit_exceeded")


@pytest.mark.parametrize("which", WHICH)
def test_requests_at_the_same_time_do_not_pass_it(service, account, makers, which):
    _, make = makers[which]
    set_limit(service, account, which.split()[0], BEFORE.get(which, 0) + 1)
    answers = all_at_once(4, make)
    assert answers.pop((409, "limit_exceeded")) == 3 and list(answers.values()) == [1]


def test_what_is_so_already_is_no_more_and_what_goes_makes_room(service, theirs, account):
    user, groups = new_user(theirs), [new_group(theirs) for _ in range(2)]
    policies = [new_policy(theirs, statement()) for _ in range(2)]
    attach(theirs, user, policies[0])
    theirs.put(iam.membership(groups[0], user), expect=204)
    keys = [new_key(theirs, user) for _ in range(2)]
    for limit in ("policies_per_identity", "groups_per_user", "access_keys_per_user"):
        set_limit(service, account, limit, 1)
    attach(theirs, user, policies[0])
    theirs.put(iam.membership(groups[0], user), expect=204)
    attach(theirs, user, policies[1], expect="limit_exceeded")
    theirs.put(iam.membership(groups[1], user), expect="limit_exceeded")
    detach(theirs, user, policies[0])
    theirs.delete(iam.membership(groups[0], user))
    attach(theirs, user, policies[1])
    theirs.put(iam.membership(groups[1], user), expect=204)
    new_key(theirs, user, expect="limit_exceeded")
    for key in keys:
        theirs.delete(f"{iam.USERS}/{user['iam_user_id']}/access-keys/{key['access_key_id']}")
    new_key(theirs, user)


def test_limits_of_one_account_do_not_bind_another(service, api, theirs, account):
    set_limit(service, account, "iam_users", 0)
    theirs.post(iam.USERS, expect="limit_exceeded", json={"name": unique("u")})
    new_user(api)


def test_the_operators_command_keeps_the_limits_too(service, account):
    set_limit(service, account, "iam_users", 1)
    words = ("create-iam-user", "--account", account["account_id"])
    both = ("--policy", "AmazonWorkMailFullAccess", "--policy", "AmazonWorkMailReadOnlyAccess")
    service.admin(*words, "--name", "first")
    service.admin(*words, "--name", "second", expect=1)
    set_limit(service, account, "iam_users", 2)
    set_limit(service, account, "policies_per_identity", 1)
    service.admin(*words, "--name", "second", *both, expect=1)
    service.admin(*words, "--name", "second", *both[:2])


def test_dry_run_says_so_as_well(service, theirs, account):
    set_limit(service, account, "iam_groups", 0)
    theirs.post(iam.GROUPS, expect="limit_exceeded", params={"validate_only": "true"}, json={"name": unique("g")})
