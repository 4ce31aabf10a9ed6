"""POST /v1/operations/{id}/cancel: what can still be stopped is stopped, whoever works on it."""
import collections
import concurrent.futures
import contextlib
import random
import time

import psycopg
import pytest

from changes import begin_setup
from checks import check_consistency
from organization import BORN, Organization, create_organization, unique, wait_operation
from service import wait_until

CANCELED = [("CREATING", "FAILED")]
CONTINUED_WITHIN = 30


def cancel(api, operation, expect=200, **arguments):
    return api.post(f"/v1/operations/{operation}/cancel", expect=expect, **arguments)


def operation_of(org, name):
    return next(item for item in org.api.items("/v1/operations", organization_id=org.id) if item["operation"] == name)


def begin(api):
    begun = api.post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"})
    return begun["operation_id"], Organization(api, begun["organization_id"])


def jobs(service, org):
    return service.sql("SELECT state FROM job WHERE organization_id = %s ORDER BY job_id", org.id)


def test_setup_that_is_canceled_leaves_a_failed_organization(service, api, org):
    operation = begin_setup(service, org)
    answer = cancel(api, operation)
    assert answer["status"] == "CANCELED" and answer["error"] == "Canceled by root." and answer["finished_at"]
    assert api.get(f"/v1/operations/{operation}").body == answer.body
    about = org.describe()
    assert (about["state"], about["state_reason"]) == ("FAILED", "Canceled by root.")
    assert org.transitions()[-1:] == CANCELED
    assert jobs(service, org)[-1] == ("CANCELED",)
    api.post(org.users, expect="organization_state", json={"name": "ann", "display_name": "Ann"})


@contextlib.contextmanager
def busy_worker(service):
    """Nobody claims a job meanwhile: the only worker waits for a lock."""
    held = create_organization(service.client())
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder:
        holder.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 7264))", [held.id])
        service.sql("INSERT INTO job (kind, organization_id) VALUES ('organization_setup', %s)", held.id)
        wait_until(lambda: service.sql("SELECT 1 FROM job WHERE organization_id = %s AND state = 'RUNNING'", held.id))
        yield


def test_setup_that_has_not_begun_is_canceled_by_the_transitions_there_are(make_service):
    service = make_service("--job-threads", 1)
    api = service.client()
    with busy_worker(service):
        operation, org = begin(api)
        assert org.describe()["state"] == "REQUESTED"
        assert cancel(api, operation)["status"] == "CANCELED"
        assert org.transitions() == [(None, "REQUESTED"), ("REQUESTED", "CREATING"), *CANCELED]
    time.sleep(1.5)  # the worker is free, and has nothing to do
    assert org.describe()["state"] == "FAILED" and jobs(service, org) == [("CANCELED",)]
    check_consistency(service)


def test_canceled_setup_can_be_begun_anew(service, api, org):
    cancel(api, begin_setup(service, org))
    again = api.post(org.path + "/retry", expect=202)
    assert wait_operation(api, again["operation_id"])["status"] == "SUCCEEDED"
    assert org.describe()["state"] == "ACTIVE"
    org.create_enabled()
    check_consistency(service)


def test_canceled_setup_can_be_removed(service, api, org):
    cancel(api, begin_setup(service, org))
    org.remove()


def test_canceled_setup_does_not_count_against_the_limit(fresh_service):
    api = fresh_service.client()
    orgs = [create_organization(api), create_organization(api)]
    new = {"alias": unique(), "setup": "QUICK"}
    api.post("/v1/organizations", expect="limit_exceeded", json=new)
    cancel(api, begin_setup(fresh_service, orgs[0]))
    api.post("/v1/organizations", expect=202, json=new)
    api.post(orgs[0].path + "/retry", expect="limit_exceeded")


def test_cancelling_twice_changes_nothing_more(service, api, org):
    operation = begin_setup(service, org)
    first, before = cancel(api, operation), org.transitions()
    assert cancel(api, operation).body == first.body and org.transitions() == before


def test_what_has_ended_is_refused_with_its_status(service, api, org):
    operation = operation_of(org, "CreateOrganization")
    refused = cancel(api, operation["operation_id"], "operation_state")
    assert "SUCCEEDED" in refused["detail"]
    assert org.describe()["state"] == "ACTIVE" and operation_of(org, "CreateOrganization") == operation


def test_removal_is_refused_with_the_reason(make_service):
    service = make_service("--job-threads", 1)
    api = service.client()
    org = create_organization(api)
    with busy_worker(service):
        begun = org.delete()
        assert "removal" in cancel(api, begun["operation_id"], "operation_state")["detail"]
    assert wait_operation(api, begun["operation_id"])["status"] == "SUCCEEDED"
    check_consistency(service)


def test_operation_of_nobody_and_of_another_account_is_not_there(service, api, org):
    other = "888888888888"
    service.sql("INSERT INTO account (account_id, name) VALUES (%s, 'other') ON CONFLICT DO NOTHING", other)
    stranger = service.client(service.admin("create-iam-user", "--account", other, "--name", unique("iam"),
                                            "--policy", "AmazonWorkMailFullAccess"))
    operation = begin_setup(service, org)
    cancel(stranger, operation, "operation_not_found")
    cancel(api, "00000000-0000-4000-8000-000000000000", "operation_not_found")
    cancel(api, "nonsense", "operation_not_found")
    assert org.describe()["state"] == "CREATING"


def outcome_is_whole(api, operation, org, answer):
    """Canceled or done, and the same everywhere."""
    ended = wait_operation(api, operation)
    state, transitions = org.describe()["state"], org.transitions()
    if answer.status == 200:
        assert (ended["status"], state) == ("CANCELED", "FAILED") and ended == answer.body
        assert transitions == [*BORN[:2], *CANCELED]
    else:
        assert answer.check_problem("operation_state")
        assert (ended["status"], state, transitions) == ("SUCCEEDED", "ACTIVE", BORN)
    return ended["status"]


def test_race_between_worker_and_canceler_has_one_winner(service, api):
    """At every moment of a set-up: it is stopped as a whole, or done as a whole."""
    def race(seed):
        operation, org = begin(api)
        time.sleep((0, random.Random(seed).random() * 0.03, random.Random(seed).random() * 0.03, 0.5)[seed % 4])
        answer = api.request("POST", f"/v1/operations/{operation}/cancel")
        return outcome_is_whole(api, operation, org, answer)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = collections.Counter(pool.map(race, range(80)))
    print(outcomes)
    assert set(outcomes) == {"CANCELED", "SUCCEEDED"}, outcomes
    check_consistency(service)


def test_of_many_cancelers_all_get_the_same_answer(service, api, org):
    operation = begin_setup(service, org)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: cancel(api, operation), range(20)))
    assert len({answer.raw for answer in answers}) == 1
    assert org.transitions()[-2:] == [("ACTIVE", "CREATING"), *CANCELED]


@pytest.mark.parametrize("rival", ["delete", "retry"])
def test_race_with_another_change_of_the_organization_ends_consistent(service, api, rival):
    for _ in range(5):
        org = create_organization(api)
        operation = begin_setup(service, org)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            canceling = pool.submit(api.request, "POST", f"/v1/operations/{operation}/cancel")
            other = (pool.submit(api.request, "DELETE", org.path, params={"confirm": org.alias}) if rival == "delete"
                     else pool.submit(api.request, "POST", org.path + "/retry"))
        assert canceling.result().status == 200
        assert wait_operation(api, operation)["status"] == "CANCELED"
        if other.result().status == 202:
            assert wait_operation(api, other.result()["operation_id"])["status"] == "SUCCEEDED"
            org.wait_state("DELETED" if rival == "delete" else "ACTIVE")
        else:
            other.result().check_problem("organization_state")
            assert org.describe()["state"] == "FAILED"
    check_consistency(service)


@pytest.mark.parametrize("point", ["organization_setup.claimed", "organization_setup.create_directory.before_commit",
                                   "organization_setup.apply_defaults.after_commit"])
def test_setup_whose_worker_died_is_canceled_and_not_continued(make_service, point):
    service = make_service(env={"POSTREEVE_FAULT": point})
    alias = unique()
    try:
        service.client().post("/v1/organizations", expect=202, json={"alias": alias, "setup": "QUICK"})
    except OSError:
        pass
    service.wait_killed()
    service.env = None
    api = service.start().client()
    found, = api.get("/v1/organizations", params={"alias": alias})["items"]
    org = Organization(api, found["organization_id"])
    operation = operation_of(org, "CreateOrganization")["operation_id"]
    assert cancel(api, operation)["status"] == "CANCELED"
    time.sleep(6)  # its lease would be over
    assert org.describe()["state"] == "FAILED" and jobs(service, org) == [("CANCELED",)]
    check_consistency(service)
    again = api.post(org.path + "/retry", expect=202)
    assert wait_operation(api, again["operation_id"], CONTINUED_WITHIN)["status"] == "SUCCEEDED"
    check_consistency(service)
