"""The life of an organization, from the request to the deletion."""
import datetime
import re
import time

import pytest

from organization import BORN, DIES, REMOVAL, SETUP, create_organization, unique, wait_operation
from service import wait_until

SENTENCE = "You have reached the maximum number of organizations you can create"


def request_organization(api, alias=None, expect=202, **members):
    return api.post("/v1/organizations", expect=expect,
                    json={"alias": alias or unique(), "setup": "QUICK", **members})


def check_steps(operation, names):
    assert operation["status"] == "SUCCEEDED" and operation["finished_at"] >= operation["created_at"]
    assert [step["name"] for step in operation["steps"]] == names
    for step in operation["steps"]:
        assert step["status"] == "SUCCEEDED" and step["attempts"] == 1 and step["at"] and "error" not in step


def test_creating_is_accepted_at_once_and_done_in_the_background(api):
    alias = unique()
    accepted = request_organization(api, alias)
    assert accepted.headers["Location"] == f"/v1/operations/{accepted['operation_id']}"
    assert accepted["operation"] == "CreateOrganization"
    assert accepted["status"] in ("PENDING", "RUNNING")
    assert accepted["target"] == f"/v1/organizations/{accepted['organization_id']}"
    assert re.fullmatch("m-[0-9a-f]{32}", accepted["organization_id"])
    assert api.get(accepted["target"])["state"] in ("REQUESTED", "CREATING", "ACTIVE")
    check_steps(wait_operation(api, accepted["operation_id"]), SETUP)
    assert api.get(accepted["target"])["state"] == "ACTIVE"


def test_active_organization_has_all_that_quick_setup_makes(api, org):
    about = org.describe()
    domain = f"{org.alias}.postreeve.test"
    assert about["setup"] == "QUICK" and about["region"] == "us-east-1"
    assert about["default_domain"] == about["test_domain"] == domain
    assert re.fullmatch("d-[0-9a-f]{10}", about["directory_id"])
    assert about["interoperability_enabled"] is False
    assert about["arn"] == f"arn:aws:workmail:us-east-1:{api.credential['account_id']}:organization/{org.id}"
    assert set(about["endpoints"]) == {"web", "autodiscover", "mobile", "inbound_mail", "ews"}
    assert about["created_at"] <= about["completed_at"]
    assert "deleted_at" not in about and "state_reason" not in about


def test_every_transition_is_kept_in_order_with_time_and_actor(api, org):
    steps = api.items(org.path + "/transitions")
    assert [(step.get("from"), step["to"]) for step in steps] == BORN
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert all(step["actor"] for step in steps)
    for step in steps:
        datetime.datetime.fromisoformat(step["at"].replace("Z", "+00:00"))


def test_region_may_be_chosen(api):
    organization = create_organization(api, region="eu-west-1")
    about = organization.describe()
    assert about["region"] == "eu-west-1" and ":eu-west-1:" in about["arn"]
    region = next(item for item in api.get("/v1/regions")["items"] if item["name"] == "eu-west-1")
    assert region["mobile_host"] in about["endpoints"]["mobile"]
    request_organization(api, region="mars-1", expect="validation_failed")


@pytest.mark.parametrize("alias", ["", "a" * 63, "-a", "a-", "a--b", "d-abc", "D-abc", "a_b", "a.b", "ä", "a b", "-",
                                   "a\n", 5])
def test_unfit_alias_is_refused(api, alias):
    answer = api.post("/v1/organizations", expect="validation_failed", json={"alias": alias, "setup": "QUICK"})
    assert [fault.split()[0] for fault in answer.faults] == ["/alias"]


@pytest.mark.parametrize("make", [lambda: unique("x"), lambda: unique("x").ljust(62, "0"), lambda: unique("Big-X"),
                                  lambda: unique("9")])
def test_fit_alias_is_kept_in_lower_case(api, make):
    alias = make()
    assert create_organization(api, alias).alias == alias.lower()


@pytest.mark.parametrize("members,fault", [
    ({}, {"/alias required", "/setup required"}),
    ({"alias": "a-fit-one", "setup": "SLOW"}, {"/setup invalid_value"}),
    ({"alias": "a-fit-one", "setup": "QUICK", "state": "ACTIVE", "arn": "x"}, {"/state read_only", "/arn read_only"}),
])
def test_faults_of_a_new_organization_are_named(api, members, fault):
    assert api.post("/v1/organizations", expect="validation_failed", json=members).faults == fault


def test_alias_is_taken_for_ever_whatever_its_case(api, org):
    request_organization(api, org.alias, expect="alias_taken")
    request_organization(api, org.alias.upper(), expect="alias_taken")
    org.remove()
    request_organization(api, org.alias, expect="alias_taken")


def test_limit_of_quick_setup_counts_what_lives_in_its_region(fresh_service):
    api = fresh_service.client()
    first = create_organization(api)
    create_organization(api)
    assert SENTENCE in request_organization(api, expect="limit_exceeded")["detail"]
    create_organization(api, region="eu-west-1")
    first.remove()
    create_organization(api)
    request_organization(api, expect="limit_exceeded")


def test_operator_sets_the_limit(fresh_service):
    api = fresh_service.client()
    fresh_service.allow_organizations(3)
    limit = next(item for item in api.get("/v1/account/limits")["items"]
                 if item["code"] == "quick_setup_organizations")
    assert (limit["value"], limit["default"]) == (3, 2)
    for _ in range(3):
        create_organization(api)
    request_organization(api, expect="limit_exceeded")


def test_refused_creation_leaves_its_alias_free(fresh_service):
    api, alias = fresh_service.client(), unique()
    fresh_service.allow_organizations(0)
    request_organization(api, alias, expect="limit_exceeded")
    fresh_service.allow_organizations(1)
    create_organization(api, alias)


def test_only_a_failed_organization_can_be_retried(api, org):
    answer = api.post(org.path + "/retry", expect="organization_state")
    assert "ACTIVE" in answer["detail"]


@pytest.mark.parametrize("params,expect", [
    ({}, "validation_failed"), ({"confirm": ""}, 400), ({"confirm": "another"}, "confirmation_mismatch"),
    ({"confirm": "{alias}x"}, "confirmation_mismatch"), ({"confirm": "{alias}", "force": "maybe"}, "validation_failed"),
])
def test_deletion_wants_the_alias_as_confirmation(api, org, params, expect):
    api.delete(org.path, expect=expect, params={name: value.format(alias=org.alias) for name, value in params.items()})
    assert org.describe()["state"] == "ACTIVE"


def test_deletion_without_users_ends_in_deleted_and_stays_describable(api, org):
    accepted = org.delete()
    assert accepted.headers["Location"] == f"/v1/operations/{accepted['operation_id']}"
    assert accepted["operation"] == "DeleteOrganization" and accepted["organization_id"] == org.id
    check_steps(wait_operation(api, accepted["operation_id"]), REMOVAL)
    about = org.describe()
    assert about["state"] == "DELETED" and about["deleted_at"] >= about["created_at"]
    assert org.transitions() == BORN + DIES


def test_organization_with_enabled_users_is_deleted_by_force_only(org):
    org.create_enabled()
    org.delete(expect="organization_in_use")
    org.delete(expect="organization_in_use", force="false")
    org.remove(force="true")


def test_disabled_users_do_not_hold_an_organization(org):
    org.create_user()
    org.disable(org.create_enabled())
    org.remove()


@pytest.mark.parametrize("delete_directory,left", [("true", 0), ("false", 1), (None, 1)])
def test_directory_stays_unless_asked_otherwise(service, org, delete_directory, left):
    directory = org.describe()["directory_id"]
    org.create_user()
    org.remove(**({"delete_directory": delete_directory} if delete_directory else {}))
    assert service.sql("SELECT count(*) FROM directory WHERE directory_id = %s", directory) == [(left,)]


def test_what_is_deleted_cannot_be_used(api, org):
    user = org.create_enabled()
    org.remove(force="true")
    org.delete(expect="organization_state")
    api.post(org.path + "/retry", expect="organization_state")
    api.post(org.users, expect="organization_state", json={"name": "late", "display_name": "Late"})
    for method, part, arguments in [("POST", "enable", {}), ("POST", "disable", {}),
                                    ("POST", "aliases", {"json": {"email": "late"}}),
                                    ("POST", "reset-password", {"json": {"password": "Correct-horse-7"}})]:
        api.call(method, org.user(user, part), expect="organization_state", **arguments)
    api.patch(org.user(user), expect="organization_state", json={"city": "Late"})


def test_deletion_stops_a_running_setup(api):
    """Whichever of the two is quicker: it ends DELETED, and nothing is left of it."""
    started = []
    for _ in range(20):
        alias = unique()
        created = request_organization(api, alias)
        deleted = api.delete(created["target"], expect=202, params={"confirm": alias})
        started.append((created, deleted))
    for created, deleted in started:
        assert wait_operation(api, deleted["operation_id"])["status"] == "SUCCEEDED"
        assert wait_operation(api, created["operation_id"])["status"] in ("SUCCEEDED", "CANCELED")
        assert api.get(created["target"])["state"] == "DELETED"


def test_list_filters_orders_and_pages(api):
    made = [create_organization(api) for _ in range(5)]
    made[0].remove()
    mine = {organization.id for organization in made}

    def listed(**params):
        return [item for item in api.items("/v1/organizations", **params) if item["organization_id"] in mine]
    whole = api.get("/v1/organizations", params={"page_size": 1000, "include_total": "true"})
    assert whole["total"] == len(whole["items"]) or "next_page_token" in whole.body
    assert {item["organization_id"] for item in listed(page_size=3)} == mine
    assert [item["state"] for item in listed(state="DELETED")] == ["DELETED"]
    assert {item["organization_id"] for item in listed(state="ACTIVE")} == mine - {made[0].id}
    assert [item["organization_id"] for item in listed(alias=made[1].alias)] == [made[1].id]
    assert listed(alias="no-such-alias") == []
    times = [item["created_at"] for item in listed(order_by="-created_at", page_size=2)]
    assert times == sorted(times, reverse=True) and len(times) == 5
    aliases = [item["alias"] for item in listed(order_by="alias", page_size=2)]
    assert aliases == sorted(aliases) and len(aliases) == 5


def test_item_of_the_list_is_what_describe_answers(api, org):
    item, = api.get("/v1/organizations", params={"alias": org.alias})["items"]
    assert item == org.describe()


def test_operations_are_listed_newest_first_and_by_organization_and_status(api, org):
    org.remove()
    operations = api.items("/v1/operations", organization_id=org.id)
    assert [item["operation"] for item in operations] == ["DeleteOrganization", "CreateOrganization"]
    oldest = api.items("/v1/operations", organization_id=org.id, order_by="created_at", page_size=1)
    assert oldest == operations[::-1]
    assert api.items("/v1/operations", organization_id=org.id, status="FAILED") == []
    assert api.get(f"/v1/operations/{operations[0]['operation_id']}").body == operations[0]


@pytest.mark.parametrize("name", ["00000000-0000-0000-0000-000000000000", "x", "m-1"])
def test_unknown_operation_is_not_found(api, name):
    api.get(f"/v1/operations/{name}", expect="operation_not_found")


@pytest.mark.parametrize("name", ["m-" + 32 * "0", "m-x", "x", "m-" + 31 * "0", "M-" + 32 * "0", "m-" + 33 * "0"])
def test_unknown_or_misspelt_organization_is_not_found(api, name):
    api.get(f"/v1/organizations/{name}", expect="organization_not_found")
    api.post(f"/v1/organizations/{name}/users", expect="organization_not_found",
             json={"name": "a", "display_name": "b"})


def refuse_directories(service, sqlstate):
    """From now on no directory can be made: the first step of a set-up fails."""
    service.sql(f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN RAISE EXCEPTION ''the shelf is full'' USING ERRCODE = ''{sqlstate}''; END'""")
    service.sql("CREATE TRIGGER refuse BEFORE INSERT ON directory FOR EACH ROW EXECUTE FUNCTION refuse()")


def test_setup_waits_while_the_database_has_no_room(fresh_service):
    """That is no failure of the organization: it becomes ACTIVE by itself once there is room again."""
    api = fresh_service.client()
    refuse_directories(fresh_service, "53100")
    accepted = request_organization(api)
    operation = f"/v1/operations/{accepted['operation_id']}"
    wait_until(lambda: api.get(operation)["steps"][0]["attempts"] >= 6, what="as many attempts as end other work")
    waiting = api.get(operation)
    assert (waiting["status"], waiting["steps"][0]["error"]) == ("RUNNING", "The database's disk is full.")
    assert api.get(accepted["target"])["state"] in ("REQUESTED", "CREATING")
    fresh_service.sql("DROP TRIGGER refuse ON directory")
    assert wait_operation(api, accepted["operation_id"])["status"] == "SUCCEEDED"
    assert api.get(accepted["target"])["state"] == "ACTIVE"


@pytest.mark.expect_errors
def test_setup_that_cannot_succeed_ends_failed_with_the_reason_and_can_be_retried(fresh_service):
    api = fresh_service.client()
    fresh_service.allow_organizations(1)
    refuse_directories(fresh_service, "P0001")
    accepted = request_organization(api)
    path = accepted["target"]
    failed = wait_operation(api, accepted["operation_id"], 120)
    assert failed["status"] == "FAILED" and failed["error"]
    step = failed["steps"][0]
    assert step["status"] == "FAILED" and step["attempts"] > 1 and step["error"]
    about = api.get(path).body
    assert about["state"] == "FAILED" and about["state_reason"]
    fresh_service.sql("DROP TRIGGER refuse ON directory")
    create_organization(api)  # one that failed does not count
    api.post(path + "/retry", expect="limit_exceeded")
    fresh_service.allow_organizations(2)
    again = api.post(path + "/retry", expect=202)
    assert again["operation"] == "RetryOrganization"
    check_steps(wait_operation(api, again["operation_id"]), SETUP)
    transitions = [(item.get("from"), item["to"]) for item in api.items(path + "/transitions")]
    assert transitions == BORN[:2] + [("CREATING", "FAILED"), ("FAILED", "REQUESTED")] + BORN[1:]
    about = api.get(path).body
    assert about["state"] == "ACTIVE" and "state_reason" not in about
