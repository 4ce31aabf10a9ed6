"""The service is killed at every point of its work; after a restart all ends as if nothing had happened."""
import concurrent.futures

import pytest

from checks import check_consistency
from client import LOST
from organization import (BORN, DIES, PASSWORD, REMOVAL, SETUP, Organization, create_organization, unique,
                          wait_operation)
from service import wait_until

CONTINUED_WITHIN = 30  # seconds; a killed process's lease runs out after fifteen at most
RETENTION = 2


def points(workflow, steps):
    return [f"{workflow}.claimed"] + [f"{workflow}.{step}.{moment}" for step in steps
                                      for moment in ("before_commit", "after_commit")]


@pytest.fixture
def doomed(make_service):
    """Makes a service that dies at a point."""
    def make(point, *options):
        return make_service(*options, env={"POSTREEVE_FAULT": point})
    return make


def revive(service):
    """Starts it again without the fault; its root caller."""
    service.wait_killed()
    service.env = None
    service.start()
    return service.client()


def send(service, method, target, **arguments):
    """Sends a change; the service may die before it has answered."""
    try:
        service.client().call(method, target, **arguments)
    except LOST:
        pass


def only_organization(api, alias):
    found, = api.get("/v1/organizations", params={"alias": alias})["items"]
    return Organization(api, found["organization_id"])


def check_operation(organization, name, steps):
    """The one operation of this name has done each of its steps."""
    operations = organization.api.items("/v1/operations", organization_id=organization.id)
    begun, = [operation for operation in operations if operation["operation"] == name]
    operation = wait_operation(organization.api, begun["operation_id"], CONTINUED_WITHIN)
    assert operation["status"] == "SUCCEEDED", operation
    assert [(step["name"], step["status"]) for step in operation["steps"]] == [(name, "SUCCEEDED") for name in steps]
    assert all(step["attempts"] in (1, 2) for step in operation["steps"]), operation


def count(service, table, organization):
    return service.sql(f"SELECT count(*) FROM {table} WHERE organization_id = %s", organization.id)[0][0]


@pytest.mark.parametrize("point", points("organization_setup", SETUP))
def test_setup_is_continued(doomed, point):
    service, alias = doomed(point), unique()
    send(service, "POST", "/v1/organizations", expect=202, json={"alias": alias, "setup": "QUICK"})
    organization = only_organization(revive(service), alias)
    check_operation(organization, "CreateOrganization", SETUP)
    assert organization.transitions() == BORN
    for table in ("directory", "mail_domain", "verified_domain", "mobile_policy"):
        assert count(service, table, organization) == 1, table
    assert organization.create_enabled()["state"] == "ENABLED"
    check_consistency(service)


def inhabited(api):
    """An organization with users in every state."""
    organization = create_organization(api)
    for number in range(3):
        organization.create_enabled(f"on{number}", email=f"mail{number}")
        organization.disable(organization.create_enabled(f"off{number}"))
        api.delete(organization.user(organization.create_user(f"gone{number}")))
    api.post(organization.user(organization.create_enabled("many"), "aliases"), json={"email": "more"})
    return organization


@pytest.mark.parametrize("point,delete_directory", [
    *((point, "true") for point in points("organization_removal", REMOVAL)),
    *((point, "false") for point in points("organization_removal", ["release_directory"]))])
def test_removal_is_continued(doomed, point, delete_directory):
    service = doomed(point)
    organization = inhabited(service.client())
    send(service, "DELETE", organization.path, expect=202,
         params={"confirm": organization.alias, "force": "true", "delete_directory": delete_directory})
    organization.api = revive(service)
    check_operation(organization, "DeleteOrganization", REMOVAL)
    assert organization.transitions() == BORN + DIES
    for table in ("entity", "email_address", "address_registry", "mailbox", "mobile_policy"):
        assert count(service, table, organization) == 0, table
    kept = service.sql("SELECT count(*) FROM directory")[0][0]
    assert kept == (0 if delete_directory == "true" else 1)
    check_consistency(service)


@pytest.mark.parametrize("point", points("entity_purge", ["purge"]))
def test_purge_is_continued(doomed, point):
    service = doomed(point, "--mailbox-retention", RETENTION)
    organization = create_organization(service.client())
    user, other = organization.create_enabled("ann", email="boss"), organization.create_enabled("other")
    organization.disable(user)
    organization.api = revive(service)
    wait_until(lambda: "mailbox" not in organization.describe_user(user), CONTINUED_WITHIN, 0.1, "the purge")
    assert organization.describe_user(other) == other
    organization.enable(organization.create_user("third"), email="boss")
    check_consistency(service)


def lost_request(service, method, target, **arguments):
    """A change whose answer never comes, because the service dies after its commit."""
    with pytest.raises(LOST):
        service.client().call(method, target, **arguments)
    return revive(service)


def test_committed_organization_is_there_although_the_answer_was_lost(doomed):
    service, alias = doomed("request.after_commit"), unique()
    api = lost_request(service, "POST", "/v1/organizations", json={"alias": alias, "setup": "QUICK"})
    organization = only_organization(api, alias)
    organization.wait_state("ACTIVE", CONTINUED_WITHIN)
    assert organization.transitions() == BORN
    check_consistency(service)


@pytest.mark.parametrize("change", ["create", "update", "enable", "alias", "password", "delete"])
def test_committed_change_is_there_although_the_answer_was_lost(make_service, change):
    service = make_service()
    organization = create_organization(service.client())
    user = organization.create_enabled("ann") if change == "alias" else organization.create_user("ann")
    service.stop()
    service.start(env={"POSTREEVE_FAULT": "request.after_commit"})
    method, target, arguments = {
        "create": ("POST", organization.users, {"json": {"name": "bob", "display_name": "B", "password": PASSWORD}}),
        "update": ("PATCH", organization.user(user), {"json": {"city": "Basel"}}),
        "enable": ("POST", organization.user(user, "enable"), {}),
        "alias": ("POST", organization.user(user, "aliases"), {"json": {"email": "chief"}}),
        "password": ("POST", organization.user(user, "reset-password"), {"json": {"password": PASSWORD}}),
        "delete": ("DELETE", organization.user(user), {}),
    }[change]
    organization.api = lost_request(service, method, target, **arguments)
    after = organization.describe_user(user)
    assert {
        "create": lambda: len(organization.api.get(organization.users, params={"name": "bob"})["items"]) == 1,
        "update": lambda: after["city"] == "Basel",
        "enable": lambda: after["state"] == "ENABLED" and after["email"],
        "alias": lambda: after["aliases"] == [f"chief@{organization.domain}"],
        "password": lambda: after["has_password"],
        "delete": lambda: after["state"] == "DELETED",
    }[change]()
    check_consistency(service)


def test_kill_under_load_loses_no_answered_change(make_service):
    service = make_service()
    api = service.client()
    organization = create_organization(api)
    answered = []

    def create_on(number):
        for turn in range(1000):
            try:
                answered.append(api.post(organization.users, json={"name": f"u{number}-{turn}",
                                                                   "display_name": "x"})["user_id"])
            except LOST:
                return
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = [pool.submit(create_on, number) for number in range(8)]
        wait_until(lambda: len(answered) > 200, 30)
        service.process.kill()
        for each in work:
            each.result()
    service.kill9()
    service.start()
    there = {item["user_id"] for item in service.client().items(organization.users, page_size=1000)}
    assert set(answered) <= there and len(there) - len(answered) <= 8
    check_consistency(service)


def test_point_may_be_the_third_time_it_is_reached(doomed):
    service = doomed("organization_setup.claimed:3")
    api = service.client()
    for _ in range(2):
        create_organization(api)
    service.allow_organizations(3)
    alias = unique()
    send(service, "POST", "/v1/organizations", expect=202, json={"alias": alias, "setup": "QUICK"})
    check_operation(only_organization(revive(service), alias), "CreateOrganization", SETUP)


@pytest.mark.parametrize("change", ["organization", "create", "enable", "alias", "password"])
def test_repetition_after_a_lost_answer_has_one_effect_and_gets_the_kept_answer(make_service, change):
    service = make_service()
    organization = create_organization(service.client())
    user = organization.create_enabled("ann") if change == "alias" else organization.create_user("ann")
    target, body, status = {
        "organization": ("/v1/organizations", {"alias": unique(), "setup": "QUICK"}, 202),
        "create": (organization.users, {"name": "bob", "display_name": "B", "password": PASSWORD}, 201),
        "enable": (organization.user(user, "enable"), {"email": "boss"}, 200),
        "alias": (organization.user(user, "aliases"), {"email": "chief"}, 201),
        "password": (organization.user(user, "reset-password"), {"password": PASSWORD}, 204),
    }[change]
    arguments = {"json": body, "headers": {"Idempotency-Key": unique("key")}}
    service.stop()
    service.start(env={"POSTREEVE_FAULT": "request.after_commit"})
    api = lost_request(service, "POST", target, **arguments)

    def effect():
        return service.sql("SELECT (SELECT count(*) FROM organization), (SELECT count(*) FROM entity),"
                           " (SELECT sum(version) FROM entity), (SELECT count(*) FROM email_address),"
                           " (SELECT count(*) FROM operation), (SELECT count(*) FROM idempotency_record)")
    before = effect()
    answers = [api.post(target, expect=status, **arguments) for _ in range(2)]
    assert effect() == before and before[0][-1] == 1
    assert [answer.headers["Idempotent-Replayed"] for answer in answers] == ["true", "true"]
    assert answers[0].raw == answers[1].raw
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    if change == "create":
        assert api.get(answers[0].headers["Location"]).body == answers[0].body
    if change == "organization":
        assert wait_operation(api, answers[0]["operation_id"], CONTINUED_WITHIN)["status"] == "SUCCEEDED"
    check_consistency(service)
