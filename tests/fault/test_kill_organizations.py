"""The service is killed at every point of a check and of a set-up on a kept directory; a restart continues them."""
import pytest

from checks import check_consistency
from organization import BORN, HEALTH, STANDARD, create_organization, unique
from service import wait_until
from test_kill import check_operation, doomed, only_organization, points, revive, send

CHECKED = [("ACTIVE", "VALIDATING"), ("VALIDATING", "ACTIVE")]


def health_jobs(service, organization):
    return service.sql("""SELECT state, operation_id FROM job WHERE organization_id = %s
                          AND kind = 'organization_health' AND state IN ('PENDING', 'RUNNING')""", organization.id)


def check_scheduled(service, organization):
    """The next check is planned, once, and belongs to nobody."""
    wait_until(lambda: health_jobs(service, organization) == [("PENDING", None)], 5)


@pytest.mark.parametrize("point", points("organization_health", HEALTH))
def test_check_is_continued(doomed, point):
    service = doomed(point)
    organization = create_organization(service.client())
    organization.create_enabled("ann")
    send(service, "POST", organization.path + "/validate", expect=202)
    organization.api = revive(service)
    check_operation(organization, "ValidateOrganization", HEALTH)
    assert organization.transitions() == BORN + CHECKED
    health = organization.api.get(organization.path + "/health").body
    assert health["state"] == "ACTIVE" and health["checked_at"] and health["issues"] == []
    check_scheduled(service, organization)
    check_consistency(service)


@pytest.mark.parametrize("point", points("organization_health", HEALTH)[::3])
def test_check_that_nobody_asked_for_is_continued(doomed, point):
    """And an organization with a fault is IMPAIRED in the end, once."""
    service = doomed(point)
    organization = create_organization(service.client())
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", organization.id)
    service.sql("UPDATE job SET run_at = now() WHERE kind = 'organization_health'")
    organization.api = revive(service)
    organization.wait_state("IMPAIRED")
    assert organization.transitions() == BORN + [CHECKED[0], ("VALIDATING", "IMPAIRED")]
    check_scheduled(service, organization)
    check_consistency(service)


@pytest.mark.parametrize("point", ["organization_health.claimed", "organization_health.run_checks.before_commit",
                                   "organization_health.conclude.after_commit"])
def test_activation_is_continued(doomed, point):
    service = doomed(point)
    organization = create_organization(service.client())
    organization.api.post(organization.path + "/deactivate", expect=200)
    send(service, "POST", organization.path + "/activate", expect=202)
    organization.api = revive(service)
    check_operation(organization, "ActivateOrganization", HEALTH)
    assert organization.transitions() == BORN + [("ACTIVE", "INACTIVE"), ("INACTIVE", "VALIDATING"), CHECKED[1]]
    assert organization.create_enabled()["state"] == "ENABLED"
    check_scheduled(service, organization)
    check_consistency(service)


@pytest.mark.parametrize("point", [
    *points("organization_setup_standard", STANDARD), "organization_setup_standard.import_directory.before_commit:2",
    "organization_setup_standard.import_directory.after_commit:2"])
def test_setup_on_a_kept_directory_is_continued(doomed, point):
    """2,300 users in three transactions: none is lost, none comes twice."""
    service, alias = doomed(point), unique()
    organization = create_organization(service.client())
    service.sql("""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                       SELECT %s, gen_random_uuid(), 'USER', 'u' || n, 'U', 'DISABLED', 'u'
                       FROM generate_series(1, 2300) n RETURNING organization_id, entity_id)
                   INSERT INTO user_detail (organization_id, entity_id, type, quota_mb)
                   SELECT organization_id, entity_id, 'USER', 5 FROM made""", organization.id)
    directory = organization.describe()["directory_id"]
    organization.remove()
    everybody = service.sql("SELECT id FROM directory_entry ORDER BY 1")
    send(service, "POST", "/v1/organizations", expect=202,
         json={"alias": alias, "setup": "STANDARD", "directory_id": directory})
    again = only_organization(revive(service), alias)
    check_operation(again, "CreateOrganization", STANDARD)
    assert again.transitions() == BORN
    assert service.sql("SELECT entity_id FROM entity ORDER BY 1") == everybody and len(everybody) == 2300
    assert service.sql("SELECT count(*) FROM user_detail") == [(2300,)]
    assert service.sql("SELECT count(*) FROM directory_entry") == [(0,)]
    check_scheduled(service, again)
    check_consistency(service)


@pytest.mark.parametrize("action,state", [("deactivate", "INACTIVE"), ("validate", "ACTIVE"), ("delete", "DELETED")])
def test_committed_change_of_state_is_made_although_the_answer_was_lost(make_service, action, state):
    service = make_service()
    organization = create_organization(service.client())
    service.stop()
    service.start(env={"POSTREEVE_FAULT": "request.after_commit"})
    if action == "delete":
        send(service, "DELETE", organization.path, expect=202, params={"confirm": organization.alias})
    else:
        send(service, "POST", f"{organization.path}/{action}", expect=200 if action == "deactivate" else 202)
    organization.api = revive(service)
    organization.wait_state(state)
    assert len(organization.transitions()) == len(BORN) + (1 if action == "deactivate" else 2)
    check_consistency(service)
