"""External directories: made, tested, followed; what happens there is seen here."""
import statistics
import time

import pytest

from organization import Organization, unique, wait_operation
from service import wait_until
from slapd_bed import ADMIN, GROUPS, PASSWORD, PEOPLE, Slapd, people


@pytest.fixture(scope="module")
def slapd():
    with Slapd() as server:
        yield server


def create_directory(api, server, expect=201, **members):
    return api.post("/v1/directories", expect=expect, json={
        "type": "LDAP", "name": "acme.test", "connection": server.connection(), **members})


def attach(api, directory_id, **members):
    begun = api.post("/v1/organizations", expect=202, json={
        "alias": unique(), "setup": "STANDARD", "directory_id": directory_id, **members})
    operation = wait_operation(api, begun["operation_id"])
    assert operation["status"] == "SUCCEEDED", operation
    return Organization(api, begun["organization_id"])


def described(api, directory_id):
    return api.get(f"/v1/directories/{directory_id}").body


def wait_following(api, directory_id, seconds=30):
    def follows():
        about = described(api, directory_id)
        return about["sync"]["status"] == "FOLLOWING" and about
    return wait_until(follows, seconds, what=f"directory {directory_id} to be followed")


def names(api, path):
    return {item["name"]: item for item in api.items(path, page_size=1000)}


@pytest.fixture
def followed(api, slapd):
    """An organization on that server, and its directory's id."""
    directory_id = create_directory(api, slapd)["directory_id"]
    org = attach(api, directory_id)
    wait_following(api, directory_id)
    yield org, directory_id
    org.remove(force="true", delete_directory="true")


def test_users_and_groups_appear_and_follow(api, slapd):
    ada = slapd.add_user("ada", givenName="Ada", mail="ada@acme.test")
    bob = slapd.add_user("bob")
    slapd.add_group("engines", ada, bob)
    slapd.add_group("everybody", f"cn=engines,{GROUPS}")
    directory_id = create_directory(api, slapd)["directory_id"]
    about = described(api, directory_id)
    assert about["sync"]["status"] == "PENDING" and about["has_bind_password"] and PASSWORD not in str(about)
    org = attach(api, directory_id)
    print(wait_following(api, directory_id))
    users = names(api, org.users)
    assert set(users) == {"ada", "bob"}
    user = users["ada"]
    print(user)
    assert user["external"]["dn"] == ada and user["external"]["proposed_email"] == "ada@acme.test" and user["read_only"]
    groups = names(api, org.groups)
    assert set(groups) == {"engines", "everybody"}
    effective = api.items(f"{org.groups}/{groups['everybody']['group_id']}/members", effective="true")
    assert {member["name"] for member in effective} == {"ada", "bob", "engines"}
    # Renamed, the user stays who he is; deleted and made anew, he is another.
    slapd.admin.rename(ada, "uid=ada.l")
    wait_until(lambda: "ada.l" in names(api, org.users), 10, what="the new name")
    assert names(api, org.users)["ada.l"]["user_id"] == user["user_id"]
    slapd.admin.delete(bob)
    wait_until(lambda: "bob" not in names(api, org.users), 10, what="the end of bob")
    slapd.add_user("bob")
    again = wait_until(lambda: names(api, org.users).get("bob"), 10, what="another bob")
    assert again["user_id"] != users["bob"]["user_id"]
    org.remove(force="true")
    assert described(api, directory_id)["sync"]["status"] == "PENDING"
    org = attach(api, directory_id)
    wait_following(api, directory_id)
    assert names(api, org.users)["ada.l"]["user_id"] == user["user_id"]
