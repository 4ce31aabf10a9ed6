"""The connection breaks at a COMMIT: nobody is told what is not so, and a repetition finds out."""
import concurrent.futures

import pytest

from checks import check_consistency
from commit_proxy import AFTER, BEFORE, CommitProxy
from organization import BORN, PASSWORD, SETUP, Organization, create_organization, unique, wait_operation
from service import wait_until
from together import Caller, Together

pytestmark = pytest.mark.expect_errors


@pytest.fixture
def behind(make_service, folder):
    """A service that reaches its database by way of a proxy, and that."""
    host = make_service()
    proxy = CommitProxy(folder, host.state / "postgresql/run")
    try:
        yield Together(make_service, 1, address=f"host={folder}", host=host), proxy
    finally:
        proxy.close()


def effect(together):
    """Everything that the changes below could change."""
    return together.sql("""SELECT (SELECT count(*) FROM organization), (SELECT count(*) FROM entity),
                           (SELECT sum(version) FROM entity), (SELECT count(*) FROM email_address),
                           (SELECT count(*) FROM operation), (SELECT count(*) FROM idempotency_record)""")


def backends_in_a_transaction(together):
    """Also those that are just giving it up: its locks are gone before its start is."""
    return together.sql("""SELECT pid FROM pg_stat_activity WHERE datname = 'shared' AND pid <> pg_backend_pid()
                           AND xact_start IS NOT NULL""")


def changes(organization, user):
    """method, target, body, status"""
    return {
        "create": ("POST", organization.users, {"name": "bob", "display_name": "B", "password": PASSWORD}, 201),
        "enable": ("POST", organization.user(user, "enable"), {"email": "boss"}, 200),
        "password": ("POST", organization.user(user, "reset-password"), {"password": PASSWORD}, 204),
        "organization": ("POST", "/v1/organizations", {"alias": unique(), "setup": "QUICK"}, 202),
        "update": ("PATCH", organization.user(user), {"city": "Basel"}, 200),
        "delete": ("DELETE", organization.user(user), None, 204),
    }


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("change", ["create", "enable", "password", "organization", "update", "delete"])
def test_lost_commit_is_told_as_unknown_and_its_repetition_finds_out(behind, change, when):
    together, proxy = behind
    api = together.client()
    organization = create_organization(api)
    user = organization.create_user("ann", **({"password": PASSWORD} if change == "password" else {}))
    method, target, body, status = changes(organization, user)[change]
    arguments = {"headers": {"Idempotency-Key": unique("key")} if method == "POST" else {},
                 **({} if body is None else {"json": body})}
    before = effect(together)
    proxy.cut(when)
    api.call(method, target, expect="outcome_unknown", **arguments)
    assert proxy.cuts[when] == 1
    assert (effect(together) != before) == (when == AFTER)
    lost = effect(together)

    if change == "delete" and when == AFTER:  # has no key: looking tells
        assert organization.describe_user(user)["state"] == "DELETED"
        return
    wait_until(lambda: not backends_in_a_transaction(together), what="that the server noticed the cut")
    answer = api.call(method, target, expect=status, **arguments)
    if method == "POST":
        assert ("Idempotent-Replayed" in answer.headers) == (when == AFTER)
        assert (effect(together) == lost) == (when == AFTER)
        assert api.call(method, target, expect=status, **arguments).raw == answer.raw
        assert effect(together)[0][-1] == before[0][-1] + 1
    if change == "organization":
        assert wait_operation(api, answer["operation_id"])["status"] == "SUCCEEDED"
    check_consistency(together)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("step", [0, len(SETUP) - 1])
def test_step_of_background_work_whose_commit_was_lost_is_done_once(behind, when, step):
    together, proxy = behind
    api = together.client()
    proxy.cut(when, after=1 + step)  # the first is that of the request
    begun = api.post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"},
                     headers={"Prefer": "wait=20"})
    assert proxy.cuts[when] == 1
    assert begun["status"] == "SUCCEEDED"
    assert all(step["status"] == "SUCCEEDED" and step["attempts"] == 1 for step in begun["steps"]), begun
    assert Organization(api, begun["organization_id"]).transitions() == BORN
    check_consistency(together)


def test_many_lost_commits_lose_and_double_nothing(behind):
    together, proxy = behind
    organization = create_organization(together.client())
    before, proxy_share = together.sql("SELECT count(*) FROM idempotency_record")[0][0], 0.2

    def create_on(seed):
        caller, made = Caller(together.services, together.root, seed), {}
        for _ in range(25):
            name = unique("u")
            user = caller.send("POST", organization.users, {"name": name, "display_name": name})
            made[user["user_id"]] = name
            assert caller.send("POST", organization.user(user["user_id"], "enable"))["state"] == "ENABLED"
        caller.close()
        return made, caller.refusals
    proxy.cut_by_chance(proxy_share)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(create_on, range(4)))
    proxy.cut_by_chance(0)
    made = {user_id: name for created, _ in results for user_id, name in created.items()}
    listed = {item["user_id"]: item["name"] for item in together.client().items(organization.users, page_size=1000)}
    assert listed == made and len(made) == 100
    assert together.sql("SELECT count(*) FROM idempotency_record") == [(before + 200,)]
    unknown = sum(refusal.code == "outcome_unknown" for _, refusals in results for refusal in refusals)
    assert unknown == sum(proxy.cuts.values()) and min(proxy.cuts.values()) > 5, (unknown, proxy.cuts)
    check_consistency(together)
