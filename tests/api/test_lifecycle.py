"""The states of an organization: every way from each, and what is refused on the way."""
import pytest

from checks import check_consistency
from organization import BORN, DIES, create_organization, wait_operation
from service import wait_until
from test_concurrency import all_at_once
from test_health import held_check

STATES = ["REQUESTED", "CREATING", "ACTIVE", "FAILED", "VALIDATING", "IMPAIRED", "INACTIVE", "DELETING", "DELETED"]
# action → (the states it is for, the state it ends in)
ACTIONS = {
    "validate": ({"ACTIVE", "IMPAIRED"}, "ACTIVE"),
    "deactivate": ({"ACTIVE", "IMPAIRED", "VALIDATING"}, "INACTIVE"),
    "activate": ({"INACTIVE"}, "ACTIVE"),
    "retry": ({"FAILED"}, "ACTIVE"),
    "delete": (set(STATES) - {"DELETING", "DELETED"}, "DELETED"),
}
SERVING = {"ACTIVE", "IMPAIRED"}


def put_into(service, org, state):
    """As if it had come into that state; no work is under way."""
    if state == "ACTIVE":
        return
    service.sql("""INSERT INTO organization_transition (organization_id, from_state, to_state, actor)
                   VALUES (%s, 'ACTIVE', %s, 'service')""", org.id, state)
    service.sql("UPDATE organization SET state = %s, is_serving = %s WHERE organization_id = %s",
                state, state in SERVING, org.id)


def take_back(service, org, state):
    """As if nothing had been said."""
    service.sql("UPDATE organization SET state = 'ACTIVE', is_serving = true WHERE organization_id = %s", org.id)
    service.sql("""DELETE FROM organization_transition WHERE organization_id = %s AND from_state = 'ACTIVE'
                   AND to_state = %s""", org.id, state)


def act(org, action, **arguments):
    if action == "delete":
        return org.api.request("DELETE", org.path, params={"confirm": org.alias}, **arguments)
    return org.api.request("POST", f"{org.path}/{action}", **arguments)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", STATES)
def test_action_is_done_in_its_states_and_refused_in_all_others(service, api, org, state, action):
    states, end = ACTIONS[action]
    put_into(service, org, state)
    before = org.describe(), org.transitions()
    answer = act(org, action)
    if state not in states:
        answer.check_problem("organization_state")
        assert state in answer["detail"]
        assert (org.describe(), org.transitions()) == before
        take_back(service, org, state)
        return
    if action != "deactivate":
        assert answer.status == 202, answer
        assert wait_operation(api, answer["operation_id"])["status"] == "SUCCEEDED"
    assert org.describe()["state"] == end
    steps = org.transitions()[len(before[1]):]
    assert [step[0] for step in steps] == [state] + [step[1] for step in steps[:-1]]
    assert steps[-1][1] == end
    if state in SERVING:
        check_consistency(service)


@pytest.mark.parametrize("state,allowed", [("ACTIVE", ["VALIDATING", "INACTIVE", "DELETING"]),
                                           ("INACTIVE", ["VALIDATING", "DELETING"]), ("DELETED", ["none"])])
def test_refusal_names_the_states_that_can_follow(service, org, state, allowed):
    put_into(service, org, state)
    detail = act(org, "retry").check_problem("organization_state")["detail"]
    assert detail.endswith(f"it can become: {', '.join(allowed)}.")
    take_back(service, org, state)


# Switched off


def test_deactivation_answers_the_organization(api, org):
    answer = api.post(org.path + "/deactivate", expect=200)
    assert answer["state"] == "INACTIVE" and answer.body == org.describe()
    assert answer.headers["ETag"] == api.get(org.path).headers["ETag"]
    step = api.items(org.path + "/transitions")[-1]
    assert (step["from"], step["to"], step["actor"]) == ("ACTIVE", "INACTIVE", "root")


def test_inactive_organization_is_switched_off_and_keeps_all_its_data(service, api, org):
    user = org.create_enabled("ann", email="boss")
    addresses = org.aliases(user)
    before = org.describe_user(user)
    api.post(org.path + "/deactivate", expect=200)
    for method, target, arguments in [
            ("GET", org.users, {}), ("GET", org.user(user), {}), ("GET", org.user(user, "aliases"), {}),
            ("POST", org.users, {"json": {"name": "bob", "display_name": "Bob"}}),
            ("PATCH", org.user(user), {"json": {"city": "Bern"}}), ("DELETE", org.user(user), {}),
            ("POST", org.user(user, "enable"), {}), ("POST", org.user(user, "disable"), {}),
            ("POST", org.user(user, "aliases"), {"json": {"email": "chief"}}),
            ("POST", org.user(user, "reset-password"), {"json": {"password": "Correct-horse-8"}})]:
        assert "INACTIVE" in api.call(method, target, expect="organization_state", **arguments)["detail"]
    assert api.get(org.path)["state"] == "INACTIVE"
    assert api.get(org.path + "/health")["state"] == "INACTIVE"
    begun = api.post(org.path + "/activate", expect=202)
    assert begun["operation"] == "ActivateOrganization"
    wait_operation(api, begun["operation_id"])
    assert org.describe_user(user) == before and org.aliases(user) == addresses
    check_consistency(service)


def test_activated_organization_serves_only_once_it_is_checked(service, api, org):
    api.post(org.path + "/deactivate", expect=200)
    with held_check(service, org, "activate"):
        api.get(org.users, expect="organization_state")
    org.wait_state("ACTIVE")
    api.get(org.users)


def test_activated_organization_with_a_fault_becomes_impaired_and_serves(service, api, org):
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    api.post(org.path + "/deactivate", expect=200)
    api.post(org.path + "/activate", expect=202)
    org.wait_state("IMPAIRED")
    org.create_user()
    org.remove()


def test_deactivation_cancels_the_check(service, api, org):
    with held_check(service, org) as begun:
        api.post(org.path + "/deactivate", expect=200)
        canceled = wait_operation(api, begun["operation_id"])
        assert canceled["status"] == "CANCELED" and "deactivated" in canceled["error"]
    wait_until(lambda: not service.sql("SELECT 1 FROM job WHERE organization_id = %s AND state = 'RUNNING'", org.id))
    assert org.describe()["state"] == "INACTIVE"
    assert org.transitions() == BORN + [("ACTIVE", "VALIDATING"), ("VALIDATING", "INACTIVE")]


def test_deletion_cancels_the_check(service, api, org):
    with held_check(service, org) as begun:
        deleted = org.delete()
        assert wait_operation(api, begun["operation_id"])["status"] == "CANCELED"
    assert wait_operation(api, deleted["operation_id"])["status"] == "SUCCEEDED"
    assert org.transitions() == BORN + [("ACTIVE", "VALIDATING"), ("VALIDATING", "DELETING"), DIES[1]]
    check_consistency(service)


def test_inactive_organization_with_enabled_users_is_deleted_by_force_only(api, org):
    org.create_enabled()
    api.post(org.path + "/deactivate", expect=200)
    org.delete(expect="organization_in_use")
    org.remove(force="true")


# At once


def operations_of(org, name):
    return [operation for operation in org.api.items("/v1/operations", organization_id=org.id, page_size=1000)
            if operation["operation"] == name]


def test_of_many_validations_each_that_was_accepted_is_made(service, api, org):
    outcomes = all_at_once(40, lambda number: api.request("POST", org.path + "/validate"))
    assert set(outcomes) <= {(202, None), (409, "organization_state")} and outcomes[(202, None)] >= 1
    done = [wait_operation(api, operation["operation_id"]) for operation in operations_of(org, "ValidateOrganization")]
    assert len(done) == outcomes[(202, None)] and {operation["status"] for operation in done} == {"SUCCEEDED"}
    assert org.transitions().count(("ACTIVE", "VALIDATING")) == len(done)
    assert org.describe()["state"] == "ACTIVE"
    check_consistency(service)


@pytest.mark.parametrize("turn", range(5))
def test_validation_and_deletion_at_once_end_deleted(service, api, turn):
    organizations = [create_organization(api) for _ in range(6)]

    def send(number):
        org = organizations[number // 4]
        return api.request("POST", org.path + "/validate") if number % 4 else act(org, "delete")
    outcomes = all_at_once(24, send)
    assert set(outcomes) <= {(202, None), (409, "organization_state")}
    for org in organizations:
        org.wait_state("DELETED")
        for operation in operations_of(org, "ValidateOrganization"):
            assert wait_operation(api, operation["operation_id"])["status"] in ("SUCCEEDED", "CANCELED")
        assert org.transitions()[-2:] == [(org.transitions()[-2][0], "DELETING"), ("DELETING", "DELETED")]
    check_consistency(service)


def test_all_changes_of_state_at_once_leave_a_whole_history(service, api, org):
    """Whatever wins: every accepted request is in the history, and the history has no gap."""
    actions = ["validate", "deactivate", "activate"]
    for _ in range(10):
        outcomes = all_at_once(30, lambda number: act(org, actions[number % 3]))
        assert set(outcomes) <= {(200, None), (202, None), (409, "organization_state")}
    wait_until(lambda: org.describe()["state"] in ("ACTIVE", "INACTIVE"), 20)
    steps = org.transitions()
    begun = operations_of(org, "ValidateOrganization") + operations_of(org, "ActivateOrganization")
    assert len(begun) == len([step for step in steps if step[1] == "VALIDATING"])
    assert {wait_operation(api, each["operation_id"])["status"] for each in begun} <= {"SUCCEEDED", "CANCELED"}
    if org.describe()["state"] == "INACTIVE":
        wait_operation(api, api.post(org.path + "/activate", expect=202)["operation_id"])
    assert org.describe()["state"] == "ACTIVE"
    check_consistency(service)


def test_validations_under_changes_of_users_find_nothing(service, api, org):
    """What a check sees is whole, although users come and go meanwhile."""
    def work(number):
        if number == 0:
            for _ in range(15):
                answer = api.post(org.path + "/validate", expect=202)
                wait_operation(api, answer["operation_id"])
                assert api.get(org.path + "/health")["issues"] == []
        else:
            for turn in range(8):
                user = org.create_user(f"u{number}-{turn}")
                org.enable(user)
                api.post(org.user(user, "aliases"), json={"email": f"alias{number}-{turn}"})
                org.disable(user)
                org.api.delete(org.user(user))
        return api.request("GET", org.path)
    assert all_at_once(9, work) == {(200, None): 9}
    assert org.describe()["state"] == "ACTIVE"
