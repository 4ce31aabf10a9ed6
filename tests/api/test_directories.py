"""Directories that outlast their organization, and organizations that take them again (standard setup)."""
import pytest

import iam
from checks import check_consistency
from client import bearer
from organization import BORN, PASSWORD, STANDARD, Organization, create_organization, unique, wait_operation
from service import wait_until
from test_concurrency import all_at_once

DETAILS = {"first_name": "Ada", "last_name": "Lovelace", "display_name": "Ada \"Countess\" Łovelace", "initials": "AL",
           "hidden_from_address_list": True, "street": "12 St James's Square", "city": "London", "zip_code": "SW1",
           "country": "", "telephone": "+44 20", "job_title": "Analyst\\Programmer", "department": "Engines",
           "company": "Babbage & Co", "office": "1/2", "quota_mb": 77}
# What a user does not keep when the organization goes.
LOST = ("mailbox", "email", "aliases", "state", "enabled_at", "disabled_at", "updated_at")


def request_standard(api, directory, expect=202, **members):
    return api.post("/v1/organizations", expect=expect,
                    json={"alias": unique(), "setup": "STANDARD", "directory_id": directory, **members})


def create_standard(api, directory, **members):
    """A new organization on that directory, ACTIVE."""
    begun = request_standard(api, directory, **members)
    operation = wait_operation(api, begun["operation_id"])
    assert operation["status"] == "SUCCEEDED", operation
    return Organization(api, begun["organization_id"])


def directory_of(org):
    return org.describe()["directory_id"]


def keep(org):
    """Removes the organization; its directory, which stays."""
    directory = directory_of(org)
    org.remove(force="true")
    return directory


def users_of(org):
    return {user["user_id"]: user for user in org.api.items(org.users, page_size=1000)}


def kept_part(user):
    return {name: value for name, value in user.items() if name not in LOST}


def hashes(service, org):
    return service.sql("SELECT entity_id, password_hash FROM user_detail WHERE organization_id = %s ORDER BY 1", org.id)


# The round trip


def test_users_keep_ids_details_and_passwords_and_lose_mailboxes_and_addresses(service, api, org):
    ada = org.create_enabled("ada", email="countess", **DETAILS)
    api.post(org.user(ada, "aliases"), json={"email": "boss"})
    bob = org.create_user("bob")
    off = org.create_enabled("off")
    org.disable(off)
    gone = org.create_user("gone")
    api.delete(org.user(gone))
    before, secrets = users_of(org), hashes(service, org)
    assert set(before) == {ada["user_id"], bob["user_id"], off["user_id"]}
    directory = keep(org)

    again = create_standard(api, directory)
    about = again.describe()
    assert (about["setup"], about["directory_id"], about["region"]) == ("STANDARD", directory, "us-east-1")
    assert again.transitions() == BORN
    after = users_of(again)
    assert {key: kept_part(user) for key, user in after.items()} == {key: kept_part(user) for key, user in before.items()}
    for user in after.values():
        assert user["state"] == "DISABLED" and user["aliases"] == []
        assert not {"mailbox", "email", "enabled_at", "disabled_at"} & set(user)
        assert again.aliases(user) == []
    assert hashes(service, again) == [row for row in secrets if str(row[0]) != gone["user_id"]]
    assert {user["name"] for user in api.items(again.users, q="lovelace")} == {"ada"}
    check_consistency(service)


def test_user_of_a_kept_directory_gets_another_mailbox_and_address(service, api, org):
    ada = org.create_enabled("ada", email="countess")
    again = create_standard(api, keep(org))
    enabled = again.enable(ada).body
    assert enabled["state"] == "ENABLED" and enabled["email"] == f"ada@{again.domain}" != ada["email"]
    assert enabled["mailbox"]["mailbox_id"] != ada["mailbox"]["mailbox_id"]
    again.create_user("ADA2")
    api.post(again.users, expect="name_taken", json={"name": "Ada", "display_name": "x"})
    check_consistency(service)


def test_directory_can_be_used_time_and_again(service, api, org):
    ada = org.create_enabled("ada")
    for _ in range(3):
        org = create_standard(api, keep(org))
        assert [user["user_id"] for user in users_of(org).values()] == [ada["user_id"]]
        org.enable(ada)
    check_consistency(service)


def test_thousands_of_users_are_kept_and_come_back(service, api, org):
    service.sql("""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                       SELECT %s, gen_random_uuid(), 'USER', 'u' || n, 'U ' || n, 'DISABLED', 'u' || n
                       FROM generate_series(1, 2500) n RETURNING organization_id, entity_id)
                   INSERT INTO user_detail (organization_id, entity_id, type, quota_mb)
                   SELECT organization_id, entity_id, 'USER', 5 FROM made""", org.id)
    before = users_of(org)
    assert len(before) == 2500
    again = create_standard(api, keep(org))
    assert {key: kept_part(user) for key, user in users_of(again).items()} == {
        key: kept_part(user) for key, user in before.items()}
    check_consistency(service)


def test_empty_directory_can_be_used(api, org):
    again = create_standard(api, keep(org))
    assert users_of(again) == {}
    assert again.create_enabled()["state"] == "ENABLED"


def test_entry_that_an_earlier_version_kept_comes_back(service, api, org):
    """Its document has no time of creation."""
    ada = org.create_user("ada")
    directory = keep(org)
    service.sql("""UPDATE directory_entry SET document = document::jsonb - 'created_at' WHERE directory_id = %s""",
                directory)
    again = create_standard(api, directory)
    assert again.describe_user(ada)["created_at"] > ada["created_at"]


def test_standard_setup_shows_its_steps(api, org):
    begun = request_standard(api, keep(org))
    assert begun["operation"] == "CreateOrganization" and begun["steps"][0]["name"] == "import_directory"
    operation = wait_operation(api, begun["operation_id"])
    assert [(step["name"], step["status"]) for step in operation["steps"]] == [(name, "SUCCEEDED") for name in STANDARD]


def test_directory_of_a_standard_organization_goes_with_it_when_asked(service, api, org):
    org.create_user("ada")
    again = create_standard(api, keep(org))
    directory = directory_of(again)
    again.remove(delete_directory="true")
    api.get(f"/v1/directories/{directory}", expect="directory_not_found")
    assert service.sql("SELECT count(*) FROM directory_entry WHERE directory_id = %s", directory) == [(0,)]


# Choosing one


def test_quick_setup_takes_no_directory_and_standard_needs_one(api):
    for members, fault in (({"setup": "QUICK", "directory_id": "d-0123456789"}, "/directory_id read_only"),
                           ({"setup": "STANDARD"}, "/directory_id required"),
                           ({"setup": "STANDARD", "directory_id": None}, "/directory_id required"),
                           ({"setup": "STANDARD", "directory_id": "d-0123456789"}, "/directory_id invalid_value"),
                           ({"setup": "STANDARD", "directory_id": "D-0123456789"}, "/directory_id invalid_format"),
                           ({"setup": "STANDARD", "directory_id": ""}, "/directory_id too_short"),
                           ({"setup": "STANDARD", "directory_id": "d-01234567890"}, "/directory_id too_long")):
        answer = api.post("/v1/organizations", expect="validation_failed", json={"alias": unique(), **members})
        assert answer.faults == {fault}
    answer = api.post("/v1/organizations", expect="validation_failed",
                      json={"alias": unique(), "setup": "STANDARD", "region": "mars-1"})
    assert answer.faults == {"/directory_id required", "/region invalid_value"}


def test_directory_in_use_is_refused_and_says_by_whom(api, org):
    answer = request_standard(api, directory_of(org), expect="directory_in_use")
    assert org.alias in answer["detail"] and org.id in answer["detail"]
    directory = keep(org)
    taken = create_standard(api, directory)
    assert taken.id in request_standard(api, directory, expect="directory_in_use")["detail"]


def test_organization_is_in_the_region_of_its_directory(api):
    directory = keep(create_organization(api, region="eu-west-1"))
    answer = request_standard(api, directory, expect="validation_failed", region="us-east-1")
    assert answer.faults == {"/region invalid_value"} and "eu-west-1" in answer.raw.decode()
    assert create_standard(api, directory, region="eu-west-1").describe()["region"] == "eu-west-1"
    directory = keep(create_organization(api, region="us-west-2"))
    assert create_standard(api, directory).describe()["region"] == "us-west-2"


def test_one_of_many_organizations_gets_a_directory(service, api, org):
    directory = keep(org)
    outcomes = all_at_once(30, lambda number: api.request("POST", "/v1/organizations", {
        "alias": unique(), "setup": "STANDARD", "directory_id": directory}))
    assert outcomes == {(202, None): 1, (409, "directory_in_use"): 29}
    wait_until(lambda: api.get(f"/v1/directories/{directory}").body.get("organization_id"))
    check_consistency(service)


def test_directory_is_deleted_or_taken_but_not_both(service, api):
    for _ in range(5):
        directory = keep(create_organization(api))

        def send(number, directory=directory):
            if number % 2:
                return api.request("DELETE", f"/v1/directories/{directory}")
            return api.request("POST", "/v1/organizations", {"alias": unique(), "setup": "STANDARD",
                                                             "directory_id": directory})
        outcomes = all_at_once(10, send)
        assert outcomes in ({(204, None): 1, (404, "directory_not_found"): 4, (400, "validation_failed"): 5},
                            {(202, None): 1, (409, "directory_in_use"): 9})
    check_consistency(service)


def test_refused_creation_leaves_the_directory_free(api, org):
    directory = keep(org)
    api.post("/v1/organizations", expect="alias_taken",
             json={"alias": org.alias, "setup": "STANDARD", "directory_id": directory})
    api.post("/v1/organizations", expect=200, params={"validate_only": "true"},
             json={"alias": unique(), "setup": "STANDARD", "directory_id": directory})
    assert api.get(f"/v1/directories/{directory}")["status"] == "AVAILABLE"
    create_standard(api, directory)


def test_standard_setup_does_not_count_as_a_quick_one(fresh_service):
    api = fresh_service.client()
    directory = keep(create_organization(api))
    create_organization(api)
    create_organization(api)
    api.post("/v1/organizations", expect="limit_exceeded", json={"alias": unique(), "setup": "QUICK"})
    create_standard(api, directory)


# Directories themselves


def test_directory_says_who_uses_it(api, org):
    path = f"/v1/directories/{directory_of(org)}"
    about = api.get(path).body
    assert about == {"directory_id": directory_of(org), "type": "WORKMAIL", "name": org.alias, "region": "us-east-1",
                     "organization_id": org.id, "status": "IN_USE", "created_at": about["created_at"],
                     "updated_at": about["updated_at"]}
    before = api.get(path).headers["ETag"]
    keep(org)
    after = api.get(path)
    assert after["status"] == "AVAILABLE" and "organization_id" not in after.body and after["name"] == org.alias
    assert after.headers["ETag"] != before


def test_directories_are_listed_and_chosen_by_status(api, org):
    kept = keep(create_organization(api))

    def listed(**params):
        return {item["directory_id"]: item for item in api.items("/v1/directories", page_size=100, **params)}
    assert {kept, directory_of(org)} <= set(listed())
    available, in_use = listed(status="AVAILABLE"), listed(status="IN_USE")
    assert kept in available and directory_of(org) in in_use and not set(available) & set(in_use)
    assert available[kept] == api.get(f"/v1/directories/{kept}").body
    times = [item["created_at"] for item in listed().values()]
    assert times == sorted(times)
    page = api.get("/v1/directories", params={"include_total": "true", "status": "AVAILABLE", "page_size": 1000})
    assert page["total"] == len(page["items"])
    api.get("/v1/directories", expect="validation_failed", params={"status": "FREE"})


def test_kept_directory_can_be_deleted_and_one_in_use_cannot(service, api, org):
    org.create_user("ada")
    directory = directory_of(org)
    answer = api.delete(f"/v1/directories/{directory}", expect="directory_in_use")
    assert org.alias in answer["detail"] and org.id in answer["detail"]
    keep(org)
    assert service.sql("SELECT count(*) FROM directory_entry WHERE directory_id = %s", directory) == [(1,)]
    api.delete(f"/v1/directories/{directory}")
    for method in ("GET", "DELETE"):
        api.call(method, f"/v1/directories/{directory}", expect="directory_not_found")
    assert service.sql("SELECT count(*) FROM directory_entry WHERE directory_id = %s", directory) == [(0,)]
    request_standard(api, directory, expect="validation_failed")
    check_consistency(service)


@pytest.mark.parametrize("name", ["d-" + 10 * "0", "d-x", "x", "d-" + 9 * "0", "D-" + 10 * "0", "d-" + 11 * "0"])
def test_unknown_or_misspelt_directory_is_not_found(api, name):
    api.get(f"/v1/directories/{name}", expect="directory_not_found")
    api.delete(f"/v1/directories/{name}", expect="directory_not_found")


def test_directory_of_another_account_is_not_there(service, api, org):
    directory = keep(org)
    account = "888888888888"
    service.sql("INSERT INTO account (account_id, name) VALUES (%s, 'other') ON CONFLICT DO NOTHING", account)
    key = service.admin("create-iam-user", "--account", account, "--name", unique("iam"),
                        "--policy", "AmazonWorkMailFullAccess")
    stranger = {"headers": {"Authorization": bearer(key)}}
    for method in ("GET", "DELETE"):
        api.call(method, f"/v1/directories/{directory}", expect="directory_not_found", **stranger)
    assert directory not in {item["directory_id"] for item in api.get("/v1/directories", **stranger)["items"]}
    answer = api.post("/v1/organizations", expect="validation_failed", **stranger,
                      json={"alias": unique(), "setup": "STANDARD", "directory_id": directory})
    assert answer.faults == {"/directory_id invalid_value"}
    assert api.get(f"/v1/directories/{directory}")["status"] == "AVAILABLE"


# When the set-up does not come to its end


def refuse_entities(service):
    service.sql("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                   'BEGIN IF new.name = ''u1500'' THEN RAISE EXCEPTION ''no room for it''; END IF; RETURN new; END'""")
    service.sql("CREATE TRIGGER refuse BEFORE INSERT ON entity FOR EACH ROW EXECUTE FUNCTION refuse()")


def entries(service):
    return sorted(str(row[0]) for row in service.sql("SELECT id FROM directory_entry"))


@pytest.mark.expect_errors
@pytest.mark.parametrize("then", ["retry", "delete"])
def test_failed_standard_setup_loses_no_user(fresh_service, then):
    """Some are entities already, the others still entries of the directory."""
    api, service = fresh_service.client(), fresh_service
    org = create_organization(api)
    service.sql("""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                       SELECT %s, gen_random_uuid(), 'USER', 'u' || n, 'U', 'DISABLED', 'u'
                       FROM generate_series(1, 2000) n RETURNING organization_id, entity_id)
                   INSERT INTO user_detail (organization_id, entity_id, type, quota_mb)
                   SELECT organization_id, entity_id, 'USER', 5 FROM made""", org.id)
    directory = keep(org)
    everybody = entries(service)
    refuse_entities(service)
    begun = request_standard(api, directory)
    assert wait_operation(api, begun["operation_id"], 60)["status"] == "FAILED"
    again = Organization(api, begun["organization_id"])
    assert again.describe()["state"] == "FAILED" and directory_of(again) == directory
    service.sql("DROP TRIGGER refuse ON entity")
    if then == "retry":
        retried = api.post(again.path + "/retry", expect=202)
        assert [step["name"] for step in retried["steps"]] == STANDARD
        assert wait_operation(api, retried["operation_id"])["status"] == "SUCCEEDED"
        assert sorted(users_of(again)) == everybody and entries(service) == []
    else:
        again.remove()
        assert entries(service) == everybody
        assert api.get(f"/v1/directories/{directory}")["status"] == "AVAILABLE"
        assert sorted(users_of(create_standard(api, directory))) == everybody
    check_consistency(service)


def test_deletion_during_a_standard_setup_loses_no_user(service, api, org):
    for number in range(5):
        org.create_user(f"u{number}")
    everybody, directory = sorted(users_of(org)), keep(org)
    for _ in range(10):
        alias = unique()
        begun = api.post("/v1/organizations", expect=202,
                         json={"alias": alias, "setup": "STANDARD", "directory_id": directory})
        deleted = api.delete(begun["target"], expect=202, params={"confirm": alias})
        assert wait_operation(api, deleted["operation_id"])["status"] == "SUCCEEDED"
        assert wait_operation(api, begun["operation_id"])["status"] in ("SUCCEEDED", "CANCELED")
    assert sorted(users_of(create_standard(api, directory))) == everybody
    check_consistency(service)


def test_password_of_a_kept_user_stays_a_secret(service, api, org, leak_check):
    org.create_enabled("ada")
    again = create_standard(api, keep(org))
    leak_check(PASSWORD)
    assert users_of(again)


# Who may take one


def test_directory_is_taken_by_who_may_use_it(service, api):
    """For whom directories are none of his business it is not there."""
    directory = keep(create_organization(api))
    create = iam.statement(action=["workmail:*", "kms:*"])
    stranger = iam.Identity(service, api, create).client
    theirs = request_standard(stranger, directory, expect="validation_failed")
    nothing = request_standard(stranger, "d-0123456789", expect="validation_failed")
    assert theirs["errors"] == nothing["errors"] and theirs.faults == {"/directory_id invalid_value"}
    reader = iam.Identity(service, api, create, iam.statement(action="ds:Describe*")).client
    assert "ds:AuthorizeApplication" in request_standard(reader, directory, expect="access_denied")["detail"]
    deny = iam.statement("Deny", "ds:AuthorizeApplication", Sid="NoTaking")
    denied = iam.Identity(service, api, create, iam.statement(action=["ds:*", "iam:GetPolicy"]), deny).client
    assert request_standard(denied, directory, expect="access_denied")["decision"]["sid"] == "NoTaking"
    assert api.get(f"/v1/directories/{directory}")["status"] == "AVAILABLE"
    request_standard(iam.Identity(service, api, create, iam.statement(action="ds:AuthorizeApplication")).client, directory)
