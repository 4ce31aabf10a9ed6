"""Two processes on one database under mixed load, while one or the other, or the database, is killed again and again."""
import os
import random
import signal
import time

import pytest

from checks import check_audit, check_consistency
from client import LOST
from organization import BORN, Organization, create_organization, unique, wait_operation
from service import wait_until
from together import Load, Together

BACK_WITHIN = 2  # seconds after the database is back
LEASE = 5


def kill_now_and_then(together, load, seconds, every=3):
    """Kills one of the processes each few seconds, and starts it again; how often."""
    chance, kills = random.Random(7), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and not load.over.is_set():
        time.sleep(every)
        service = chance.choice(together.services)
        service.kill9()
        service.start()
        kills += 1
    return kills


def check_chaos(make_service, seconds):
    together = Together(make_service)
    with Load(together) as load:
        kills = kill_now_and_then(together, load, seconds)
    load.check()
    check_consistency(together)
    check_audit(together.client())
    lost = sum(owner.lost for owner in load.owners)
    print(f"{kills} kills in {seconds} s, {load.count()} changes and reads acknowledged, {lost} answers lost, "
          f"{len(load.refusals())} requests not served")
    assert kills >= seconds // 5 and lost > 0 and load.count() > 20 * seconds


def test_processes_killed_in_turn_under_load_lose_and_double_nothing(make_service):
    check_chaos(make_service, 10)


@pytest.mark.long
def test_processes_killed_in_turn_under_load_for_a_minute_lose_and_double_nothing(make_service):
    check_chaos(make_service, 60)


def kill_database(together):
    """Kills the server with -9, and waits until it is there again; when that was."""
    old = together.host.postmaster()
    os.kill(old, signal.SIGKILL)
    together.connection = None
    wait_until(lambda: together.host.postmaster() not in (None, old), 20, 0.01, "a new database server")
    wait_until(together.is_there, 20, 0.01, "the database")
    return time.monotonic()


@pytest.mark.expect_errors
def test_database_killed_under_load_loses_nothing_and_is_used_again_within_two_seconds(make_service):
    together = Together(make_service)
    served, outages, probed = [], [], create_organization(together.client())
    with Load(together) as load:
        for _ in range(3):
            time.sleep(2)
            killed = time.monotonic()
            back = kill_database(together)
            outages.append((killed, back))
            for client in together.clients():
                wait_until(lambda client=client: is_served(client, probed), 10, 0.01, "service")
                served.append(time.monotonic() - back)
        time.sleep(3)
    assert max(served) < BACK_WITHIN, served
    load.check()
    check_consistency(together)
    check_audit(together.client())
    during = [refusal for refusal in load.refusals() if refusal.code in ("database_unavailable", "outcome_unknown")]
    print(f"outages of {[round(back - killed, 2) for killed, back in outages]} s, served again {[round(s, 2) for s in served]} s "
          f"later; {len(during)} requests answered 503 meanwhile; {load.count()} acknowledged")
    assert during
    for refusal in during:
        assert any(killed < refusal.answered and refusal.sent < back + BACK_WITHIN for killed, back in outages), (
            refusal.sent, refusal.answered, outages)


def is_served(client, org):
    """Reads and changes alike."""
    return (client.request("GET", org.path).status == 200
            and client.request("POST", org.users, {"name": unique("u"), "display_name": "x"}).status == 201)


@pytest.mark.parametrize("step", ["claimed", "create_directory.before_commit", "create_test_domain.after_commit",
                                  "activate.before_commit"])
def test_work_of_a_killed_process_is_continued_by_the_other_within_the_lease(make_service, step):
    together = Together(make_service)
    together[0].restart(env={"POSTREEVE_FAULT": f"organization_setup.{step}"})
    near, far = together.clients()
    try:
        while together[0].process.poll() is None:  # its own worker mostly is the first to know
            near.post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"})
            time.sleep(0.05)
    except LOST:
        pass
    together[0].wait_killed()
    killed = time.monotonic()
    for operation in far.items("/v1/operations"):
        assert wait_operation(far, operation["operation_id"], LEASE + 3)["status"] == "SUCCEEDED"
    assert time.monotonic() - killed < LEASE + 2
    for organization in far.items("/v1/organizations"):
        assert Organization(far, organization["organization_id"]).transitions() == BORN
    check_consistency(together)


@pytest.mark.parametrize("change", ["user", "organization"])
def test_answer_lost_with_one_process_is_given_by_the_other(make_service, change):
    together = Together(make_service)
    organization = create_organization(together.client())
    target, body, status = {
        "user": (organization.users, {"name": "ann", "display_name": "Ann", "password": "Correct-horse-7"}, 201),
        "organization": ("/v1/organizations", {"alias": unique(), "setup": "QUICK"}, 202)}[change]
    arguments = {"json": body, "headers": {"Idempotency-Key": unique("key")}}
    together[0].restart(env={"POSTREEVE_FAULT": "request.after_commit"})
    with pytest.raises(LOST):
        together.client(0).post(target, **arguments)
    together[0].wait_killed()
    answer = together.client(1).post(target, expect=status, **arguments)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert together.sql("SELECT count(*) FROM idempotency_record") == [(1,)]
    together[0].env = None
    together[0].start()
    again = together.client(0).post(target, expect=status, **arguments)
    assert again.raw == answer.raw and again.headers["Location"] == answer.headers["Location"]
    if change == "organization":
        wait_operation(together.client(0), answer["operation_id"])
    counts = together.sql("SELECT (SELECT count(*) FROM entity), (SELECT count(*) FROM organization)")
    assert counts == [(1, 1) if change == "user" else (0, 2)]
    check_consistency(together)
