"""The audit log is whole and without gaps, whatever is killed."""
import concurrent.futures
import os
import signal

import pytest

from audit_chain import FIRST_HASH, check_chain
from checks import check_all_sealed, check_consistency, check_no_job_left
from client import LOST
from organization import create_organization
from service import wait_until


def check_log(service, users):
    """All events are there once, sealed, and those of the users among them."""
    check_all_sealed(service, 30)
    found = check_chain(service, service.root["account_id"])
    assert service.client().post("/v1/audit-events/verify", expect=200)["result"] == "WHOLE"
    made = [row["target"].rsplit("/", 1)[1] for row in found if row["action"] == "workmail:CreateUser"]
    there = [str(row[0]) for row in service.sql("SELECT entity_id FROM entity")]
    assert sorted(made) == sorted(there) and set(users) <= set(there)
    check_consistency(service)


@pytest.mark.parametrize("point", ["audit_seal.before_commit", "audit_seal.after_commit"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_killed_sealer_leaves_no_gap_and_nothing_twice(make_service, point, time):
    service = make_service()
    organization = create_organization(service.client())
    service.restart(env={"POSTREEVE_FAULT": f"{point}:{time}"})
    api, users = service.client(), []
    try:
        while True:
            users.append(api.post(organization.users, json={"name": f"u{len(users)}", "display_name": "x"})["user_id"])
    except LOST:
        pass
    service.wait_killed()
    service.start()
    check_log(service, users)


def test_one_of_two_sealers_is_killed_again_and_again(make_service):
    first = make_service()
    second = make_service("--database", first.database_uri + " dbname=postreeve", "--root-key-file", first.state / "root-key",
                          start=False)
    organization = create_organization(first.client())
    users, over = [], []

    def create_on(number):
        api, turn = first.client(), 0
        while not over:
            turn += 1
            users.append(api.post(organization.users, json={"name": f"u{number}-{turn}", "display_name": "x"})["user_id"])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        work = [pool.submit(create_on, number) for number in range(3)]
        for point in ("before", "after", "before"):
            second.start(env={"POSTREEVE_FAULT": f"audit_seal.{point}_commit"})
            wait_until(lambda: second.process.poll() is not None, 30, what="the end of the second sealer")
            second.wait_killed()
        over.append(True)
        for each in work:
            each.result()
    check_log(first, users)


@pytest.mark.expect_errors
def test_killed_database_loses_no_event_of_an_answered_change(make_service):
    service = make_service()
    organization = create_organization(service.client())
    users, over = [], []

    def create_on(number):
        api, turn = service.client(), 0
        while not over:
            turn += 1
            answer = api.request("POST", organization.users, {"name": f"u{number}-{turn}", "display_name": "x"})
            if answer.status == 201:
                users.append(answer["user_id"])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        work = [pool.submit(create_on, number) for number in range(3)]
        for _ in range(2):
            before = len(users)
            wait_until(lambda before=before: len(users) > before + 50, 30)
            os.kill(service.postmaster(), signal.SIGKILL)
        before = len(users)
        wait_until(lambda: len(users) > before + 50, 30)
        over.append(True)
        for each in work:
            each.result()
    check_log(service, users)


@pytest.mark.parametrize("point", ["audit_retention.claimed", "audit_retention.remove.before_commit", "audit_retention.remove.after_commit"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_killed_removal_leaves_the_log_whole(make_service, point, time):
    """Either a batch is gone and the checkpoint stands for it, or neither; and what is left goes later."""
    service = make_service("--audit-retention", 432000)
    service.sql("""INSERT INTO audit_unsealed (chain, at, actor, action, target, outcome)
                   SELECT 'installation', CASE WHEN g > 3500 THEN now() ELSE now() - interval '10 days' END, 'service',
                       'service:Test', '/v1/x', 'ALLOWED' FROM generate_series(1, 3501) g""")
    check_all_sealed(service, 30)
    service.restart(env={"POSTREEVE_FAULT": f"{point}:{time}"})
    service.sql("UPDATE job SET run_at = now() WHERE kind = 'audit_retention'")
    service.wait_killed()
    service.start()
    check_all_sealed(service, 30)
    check_no_job_left(service, 40)
    removed = service.sql("SELECT sequence, hash FROM audit_checkpoint WHERE chain = 'installation'")
    check_chain(service, "installation", *removed or [(0, FIRST_HASH)])
    assert service.admin("verify-audit", "--account", "installation")["result"] == "WHOLE"
    # It is continued as soon as the lease of the killed process has run out.
    wait_until(lambda: service.sql("SELECT 1 FROM audit_checkpoint WHERE sequence = 3500"), 30, what="the end of the removal")
    check_all_sealed(service, 30)
    removed, = service.sql("SELECT sequence, hash FROM audit_checkpoint WHERE chain = 'installation'")
    told = check_chain(service, "installation", removed)
    assert [row["action"] for row in told] == ["service:Test"] + 4 * ["service:RemoveAuditEvents"]
    assert service.admin("verify-audit", "--account", "installation")["result"] == "WHOLE"
