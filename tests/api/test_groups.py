"""Groups: creating, changing, listing."""
import pytest

from organization import id_of, unique


def create(org, expect=201, **members):
    return org.api.post(org.groups, expect=expect, json={"name": unique("g"), **members})


def change(org, group, expect=200, **members):
    return org.api.patch(org.of(group), expect=expect, json=members)


def test_group_without_address_is_disabled(api, org):
    answer = create(org, name="Engineers")
    group = answer.body
    assert answer.headers["Location"] == org.of(group)
    assert (group["name"], group["display_name"], group["type"], group["state"]) == (
        "Engineers", "Engineers", "GROUP", "DISABLED")
    assert group["member_count"] == 0 and group["aliases"] == [] and group["hidden_from_address_list"] is False
    assert group["directory_id"] == org.describe()["directory_id"]
    assert not {"email", "enabled_at", "description", "purge_at"} & set(group)
    assert org.look(group) == group


def test_group_with_an_address_is_enabled_at_once(org):
    group = create(org, name="Sales team", display_name="All of sales", description="Who sells", email="sales",
                   hidden_from_address_list=True).body
    assert group["state"] == "ENABLED" and group["email"] == f"sales@{org.domain}" and group["aliases"] == []
    assert group["display_name"] == "All of sales" and group["description"] == "Who sells"
    assert group["hidden_from_address_list"] is True and org.look(group) == group


@pytest.mark.parametrize("name", ["a", "Sales & Marketing (EMEA) – Zürich", "x" * 256, "ß" * 256])
def test_fit_names(org, name):
    assert create(org, name=name)["name"] == name


@pytest.mark.parametrize("members,faults", [
    ({"name": ""}, {"/name too_short"}), ({"name": "x" * 257}, {"/name too_long"}), ({"name": " x"}, {"/name invalid_format"}),
    ({"name": "x "}, {"/name invalid_format"}), ({"name": "a\nb"}, {"/name invalid_format"}),
    ({"type": "SYSTEM_GROUP"}, {"/type invalid_value"}), ({"member_count": 1}, {"/member_count read_only"}),
    ({"display_name": "", "description": "x" * 257}, {"/display_name too_short", "/description too_long"}),
    ({"email": "a b"}, {"/email invalid_format"}), ({"colour": 1}, {"/colour unknown_member"}),
])
def test_faults_are_named(org, members, faults):
    assert create(org, expect="validation_failed", **members).faults == faults


def test_name_that_makes_no_address_needs_one_to_be_enabled(org):
    group = create(org, name="Sales team").body
    assert org.enable(group, expect="validation_failed").faults == {"/email invalid_format"}
    assert org.enable(group, email="sales")["state"] == "ENABLED"


def test_name_of_the_journaling_sender_is_reserved(org):
    create(org, expect="reserved_name", name="amazonjournaling")
    change(org, create(org).body, expect="reserved_name", name="AmazonJournaling")


def test_details_change_and_the_display_name_follows_a_name_that_it_was(org):
    group = create(org, name="one", description="first").body
    assert change(org, group, name="two")["display_name"] == "two"
    after = change(org, group, display_name="Two", description=None).body
    assert after["display_name"] == "Two" and "description" not in after
    assert change(org, group, name="three")["display_name"] == "Two"
    assert change(org, group, name="THREE")["name"] == "THREE"
    org.create_user("four")
    change(org, group, expect="name_taken", name="Four")
    assert change(org, group, hidden_from_address_list=True)["hidden_from_address_list"] is True


def test_address_may_be_changed_with_the_details(org):
    group = org.create_enabled_group("sales")
    after = change(org, group, email="boss", description="x").body
    assert after["email"] == f"boss@{org.domain}" and after["aliases"] == [f"sales@{org.domain}"]
    assert change(org, group, email="boss", description="y")["description"] == "y"
    org.create_enabled("taken")
    change(org, group, expect="email_address_in_use", email="taken", description="z")
    assert org.look(group)["description"] == "y"
    change(org, org.create_group(), expect="entity_state", email="free")


@pytest.mark.parametrize("members,faults", [
    ({"type": "GROUP"}, {"/type create_only"}), ({"display_name": None}, {"/display_name not_nullable"}),
    ({"email": None}, {"/email not_nullable"}), ({"state": "ENABLED"}, {"/state read_only"}),
    ({"name": None}, {"/name not_nullable"})])
def test_what_cannot_be_changed_is_named(org, members, faults):
    group = create(org).body
    assert change(org, group, expect="validation_failed", **members).faults == faults
    assert org.look(group) == group


def test_enabled_group_is_not_deleted_and_a_deleted_one_gives_its_name_back(org):
    group = org.create_enabled_group("sales")
    assert "ENABLED" in org.api.delete(org.of(group), expect="entity_state")["detail"]
    org.disable(group)
    org.api.delete(org.of(group))
    assert id_of(org.create_group("Sales")) != id_of(group)


@pytest.mark.parametrize("params,names", [
    ({}, ["alpha", "beta", "gamma"]), ({"order_by": "-name"}, ["gamma", "beta", "alpha"]),
    ({"order_by": "display_name"}, ["gamma", "beta", "alpha"]), ({"state": "ENABLED"}, ["beta"]),
    ({"state": "DELETED"}, ["delta"]), ({"name": "ALPHA"}, ["alpha"]), ({"email": "b@{domain}"}, ["beta"]),
    ({"q": "AMM"}, ["gamma"]), ({"q": "b@"}, ["beta"]), ({"q": "nobody"}, []), ({"type": "SYSTEM_GROUP"}, []),
    ({"type": "GROUP", "q": "z"}, ["alpha"])])
def test_filters_and_orders(org, params, names):
    org.create_user("user-is-no-group", password="Correct-horse-7")
    for name, display in (("alpha", "Zulu"), ("beta", "Yankee"), ("gamma", "X-ray"), ("delta", "Whiskey")):
        create(org, name=name, display_name=display)
    groups = {group["name"]: group for group in org.api.items(org.groups)}
    org.enable(groups["beta"], email="b")
    org.api.delete(org.of(groups["delta"]))
    params = {name: value.format(domain=org.domain) for name, value in params.items()}
    found = org.api.items(org.groups, page_size=1, **params)
    assert [group["name"] for group in found] == names
    assert all(org.look(group) == group for group in found)
    assert org.api.get(org.groups, params={"include_total": "true", **params})["total"] == len(names)
