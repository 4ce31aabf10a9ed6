"""Work that kills its process, and work of a newer program."""
import contextlib

import pytest

from checks import check_consistency
from client import LOST
from organization import Organization, create_organization, unique, wait_operation
from service import wait_until

GIVEN_UP_AFTER = 5


@pytest.fixture
def doomed(make_service):
    def make(kind):
        return make_service("--job-threads", 1, env={"POSTREEVE_FAULT": f"{kind}.claimed"})
    return make


def lease_lost(service, kind, times):
    """As if so many processes had died of the job."""
    service.sql("UPDATE job SET lost_leases = %s, run_at = now() + interval '1 s' WHERE kind = %s AND state = 'RUNNING'",
                times - 1, kind)


def begin_removal(service, organization):
    """Kills the service; its worker may be quicker than the answer."""
    with contextlib.suppress(*LOST):
        organization.delete()
    service.wait_killed()
    service.env = None
    service.start()
    return next(item["operation_id"] for item in service.client().items("/v1/operations", organization_id=organization.id)
                if item["operation"] == "DeleteOrganization")


@pytest.mark.expect_errors
def test_setup_that_kills_its_process_each_time_ends_failed_and_can_be_retried(doomed):
    service, kind = doomed("organization_setup"), "organization_setup"
    with contextlib.suppress(*LOST):  # the worker may be quicker than the answer
        service.client().post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"})
    deaths = 0
    while True:
        service.disconnect()
        if service.process.wait(30) is not None:
            deaths += 1
        if deaths == GIVEN_UP_AFTER:
            break
        service.process = None
        service.start()
    service.process, service.env = None, None
    service.start()
    api = service.client()
    begun, = api.get("/v1/operations")["items"]
    operation = wait_operation(api, begun["operation_id"], 15)
    assert operation["status"] == "FAILED" and f"begun {GIVEN_UP_AFTER} times" in operation["error"]
    assert service.sql("SELECT state, claims FROM job WHERE kind = %s", kind) == [("FAILED", GIVEN_UP_AFTER + 1)]
    organization = Organization(api, begun["organization_id"])
    assert organization.describe()["state"] == "FAILED"
    api.post(organization.path + "/retry", expect=202)
    organization.wait_state("ACTIVE")
    check_consistency(service)


@pytest.mark.expect_errors
def test_removal_that_was_given_up_goes_on_when_the_operator_says_so(doomed):
    service = doomed("organization_removal")
    organization = create_organization(service.client())
    operation_id = begin_removal(service, organization)
    lease_lost(service, "organization_removal", GIVEN_UP_AFTER)
    api = service.client()
    assert wait_operation(api, operation_id)["status"] == "FAILED"
    assert api.get(organization.path)["state"] == "DELETING"
    assert service.admin("retry-jobs") == "1 job(s) are tried again\n"
    assert wait_operation(api, operation_id)["status"] == "SUCCEEDED"
    assert api.get(organization.path)["state"] == "DELETED"
    assert service.admin("retry-jobs") == "0 job(s) are tried again\n"
    check_consistency(service)


@pytest.mark.expect_errors
def test_periodic_work_that_was_given_up_comes_again_at_its_next_time(make_service):
    service = make_service("--cleaning-interval", 1)
    wait_until(lambda: service.sql("SELECT claims > 0 FROM job WHERE kind = 'cleaning'") == [(True,)])
    service.sql("UPDATE job SET state = 'RUNNING', claims = claims + 1, lost_leases = %s, run_at = now()"
                " WHERE kind = 'cleaning'", GIVEN_UP_AFTER - 1)
    wait_until(lambda: service.sql("SELECT last_error LIKE 'This was begun%%' AND lost_leases = 0 FROM job"
                                   " WHERE kind = 'cleaning' AND state = 'PENDING'") == [(True,)])
    claims, = service.sql("SELECT claims FROM job WHERE kind = 'cleaning'")[0]
    wait_until(lambda: service.sql("SELECT claims FROM job WHERE kind = 'cleaning'")[0][0] > claims
               and service.sql("SELECT last_error FROM job WHERE kind = 'cleaning'") == [(None,)])


def test_lost_leases_with_progress_between_them_are_forgiven(doomed):
    """Unlucky is not guilty: what counts is how often in a row."""
    service = doomed("organization_removal")
    organization = create_organization(service.client())
    operation_id = begin_removal(service, organization)
    lease_lost(service, "organization_removal", GIVEN_UP_AFTER - 1)
    assert wait_operation(service.client(), operation_id)["status"] == "SUCCEEDED"
    assert service.sql("SELECT lost_leases FROM job WHERE kind = 'organization_removal'") == [(0,)]


def test_kind_of_job_that_this_program_does_not_know_is_left_alone(make_service):
    service = make_service()
    service.sql("INSERT INTO job (kind, run_at) VALUES ('of_the_future', now() - interval '1 day')")
    create_organization(service.client())  # what comes later is done all the same
    assert service.sql("SELECT state, claims FROM job WHERE kind = 'of_the_future'") == [("PENDING", 0)]
    assert "of_the_future" not in service.log()
