"""Changing users by merge-patch, and deleting them."""
import pytest

from organization import PASSWORD, create_organization
from routes import described

FULL = {"first_name": "Ann", "last_name": "Smith", "city": "Zürich", "job_title": "Boss"}


@pytest.fixture
def user(org):
    return org.create_user("ann", **FULL)


def change(api, org, user, expect=200, **members):
    return api.patch(org.user(user), expect=expect, json=members)


def without_time(user):
    return {name: value for name, value in user.items() if name != "updated_at"}


def test_only_what_is_named_changes(api, org, user):
    after = change(api, org, user, city="Basel").body
    assert after["updated_at"] > user["updated_at"]
    assert without_time(after) == {**without_time(user), "city": "Basel"}
    assert org.describe_user(user) == after


@pytest.mark.parametrize("member", ["first_name", "last_name", "city", "job_title"])
def test_null_clears(api, org, user, member):
    after = change(api, org, user, **{member: None}).body
    expected = without_time(user)
    del expected[member]
    assert without_time(after) == expected


DETAILS = ("first_name", "last_name", "display_name", "initials", "street", "city", "zip_code", "country", "telephone", "job_title",
           "department", "company", "office")


@pytest.mark.parametrize("member", DETAILS)
def test_every_detail_is_set_changed_and_cleared(api, org, user, member):
    for value in ("Straße 1, 日本", "x" * 256):
        assert change(api, org, user, **{member: value})[member] == org.describe_user(user)[member] == value
    assert change(api, org, user, expect="validation_failed", **{member: "x" * 257}).faults == {f"/{member} too_long"}
    if member != "display_name":
        change(api, org, user, **{member: None})
        assert member not in org.describe_user(user)


def test_every_detail_has_its_test():
    """Those of the body that are not dealt with by tests of their own."""
    rows = {row["name"] for row in described()["tables"]["user"] if not row["read_only"] and not row["create_only"]}
    assert rows - {"hidden_from_address_list", "quota_mb"} == set(DETAILS)


def test_null_for_what_is_not_set_changes_nothing(api, org, user):
    assert without_time(change(api, org, user, office=None).body) == without_time(user)


def test_empty_patch_changes_nothing(api, org, user):
    assert without_time(change(api, org, user).body) == without_time(user)


@pytest.mark.parametrize("member", ["display_name", "hidden_from_address_list", "quota_mb"])
def test_what_every_user_has_cannot_be_cleared(api, org, user, member):
    assert change(api, org, user, expect="validation_failed", **{member: None}).faults == {f"/{member} not_nullable"}


@pytest.mark.parametrize("members,faults", [
    ({"type": "USER"}, {"/type create_only"}),
    ({"colour": "red", "quota_mb": 51201}, {"/colour unknown_member", "/quota_mb too_large"}),
    ({"city": 5, "state": "ENABLED"}, {"/city wrong_type", "/state read_only"}),
    ({"name": "anna"}, {"/name create_only"}),
    ({"display_name": ""}, {"/display_name too_short"}),
])
def test_faults_are_named_and_nothing_changes(api, org, user, members, faults):
    assert change(api, org, user, expect="validation_failed", **{"office": "new", **members}).faults == faults
    assert org.describe_user(user) == user


@pytest.mark.parametrize("member", ["email", "password"])
def test_address_and_password_have_operations_of_their_own(api, org, user, member):
    answer = change(api, org, user, expect="validation_failed", **{member: "Correct-horse-7"})
    assert [fault.split()[0] for fault in answer.faults] == [f"/{member}"]


def test_quota_reaches_the_mailbox(api, org):
    user = org.create_enabled()
    assert change(api, org, user, quota_mb=5)["mailbox"]["quota_mb"] == 5
    assert org.describe_user(user)["quota_mb"] == 5


def test_search_and_order_follow_a_change(api, org, user):
    change(api, org, user, display_name="Xenia")
    assert [item["name"] for item in api.get(org.users, params={"q": "xeni"})["items"]] == ["ann"]
    assert api.get(org.users, params={"q": "smithx"})["items"] == []


def test_enabled_user_is_not_deleted(api, org):
    user = org.create_enabled()
    assert "ENABLED" in api.delete(org.user(user), expect="entity_state")["detail"]
    assert org.describe_user(user) == user


def test_deleted_user_stays_describable_and_deleting_again_succeeds(api, org, user):
    for _ in range(2):
        assert api.delete(org.user(user)).raw == b""
    assert org.describe_user(user)["state"] == "DELETED"


@pytest.mark.parametrize("method,part,arguments", [
    ("POST", "enable", {}), ("POST", "disable", {}),
    ("POST", "reset-password", {"json": {"password": PASSWORD}}), ("POST", "aliases", {"json": {"email": "more"}}),
    ("PUT", "primary-email", {"json": {"email": "more"}}),
])
def test_deleted_user_takes_no_part_in_anything(api, org, user, method, part, arguments):
    api.delete(org.user(user))
    api.call(method, org.user(user, part), expect="entity_state", **arguments)


def test_deleted_user_is_not_changed(api, org, user):
    api.delete(org.user(user))
    change(api, org, user, expect="entity_state", city="Bern")


def test_name_of_a_deleted_user_may_be_used_again(api, org, user):
    api.delete(org.user(user))
    again = org.create_user("ann")
    assert again["user_id"] != user["user_id"]
    assert [item["user_id"] for item in api.get(org.users, params={"name": "ann"})["items"]] == [again["user_id"]]


def test_user_of_another_organization_is_out_of_reach(api, org, user):
    other = create_organization(api)
    for method, part in (("DELETE", ()), ("POST", ("enable",)), ("GET", ("aliases",))):
        api.call(method, other.user(user, *part), expect="user_not_found")
    assert org.describe_user(user) == user
