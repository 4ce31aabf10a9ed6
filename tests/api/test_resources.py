"""Resources: details, booking options, delegates, and what becomes of a request."""
import itertools

import pytest

from checks import check_consistency
from organization import create_organization, id_of

ACCEPT, RECURRING, CONFLICTING = "auto_accept_requests", "auto_decline_recurring_requests", "auto_decline_conflicting_requests"
DEFAULT = {ACCEPT: True, RECURRING: False, CONFLICTING: True}
BY_DELEGATES = {ACCEPT: False}


def create(org, expect=201, **members):
    return org.api.post(org.resources, expect=expect, json={"name": "oak", "type": "ROOM", "email": "oak", **members})


def change(org, resource, expect=200, **members):
    return org.api.patch(org.of(resource), expect=expect, json=members)


def delegate(org, resource, entity, expect=200):
    return org.api.put(org.of(resource, "delegates", id_of(entity)), expect=expect)


def put_options(org, resource, expect=200, **options):
    return org.api.put(org.of(resource, "booking-options"), expect=expect, json={**DEFAULT, **options})


def decide(org, resource, expect=200, **request):
    return org.api.post(org.of(resource, "booking-decisions"), expect=expect, json=request)


@pytest.mark.parametrize("kind", ["ROOM", "EQUIPMENT"])
def test_resource_is_enabled_at_once_with_the_default_options(org, kind):
    answer = create(org, type=kind, description="Second floor")
    resource = answer.body
    assert answer.headers["Location"] == org.of(resource)
    assert resource["resource_id"].startswith("r-") and len(resource["resource_id"]) == 34
    assert (resource["name"], resource["type"], resource["state"], resource["description"]) == (
        "oak", kind, "ENABLED", "Second floor")
    assert resource["email"] == f"oak@{org.domain}" and resource["aliases"] == []
    assert resource["booking_options"] == DEFAULT and resource["delegates"] == [] and resource["warnings"] == []
    assert org.look(resource) == resource and resource["hidden_from_address_list"] is False


@pytest.mark.parametrize("members,faults", [
    ({"name": "x" * 21}, {"/name too_long"}), ({"name": "a b"}, {"/name invalid_format"}), ({"name": ""}, {"/name too_short"}),
    ({"type": "CAR"}, {"/type invalid_value"}), ({"type": None}, {"/type not_nullable"}), ({"email": None}, {"/email not_nullable"}),
    ({"email": "a b"}, {"/email invalid_format"}), ({"delegates": []}, {"/delegates read_only"}),
    ({"booking_options": {ACCEPT: 1}}, {f"/booking_options/{ACCEPT} wrong_type"}),
    ({"booking_options": {"colour": 1, RECURRING: "no"}},
     {"/booking_options/colour unknown_member", f"/booking_options/{RECURRING} wrong_type"}),
    ({"booking_options": []}, {"/booking_options wrong_type"}), ({"delegate_ids": "x"}, {"/delegate_ids wrong_type"}),
    ({"booking_options": BY_DELEGATES, "delegate_ids": ["x", "00000000-0000-4000-8000-000000000000"]}, {"/delegate_ids invalid_value"}),
    ({"delegate_ids": ["x"] * 101}, {"/delegate_ids too_long"}), ({"booking_options.auto_accept_requests": True},
                                                                  {"/booking_options.auto_accept_requests unknown_member"}),
])
def test_faults_are_named(org, members, faults):
    assert create(org, expect="validation_failed", **members).faults == faults
    assert org.api.get(org.resources)["items"] == []


def test_missing_members_are_named(org):
    assert org.api.post(org.resources, expect="validation_failed", json={}).faults == {
        "/name required", "/type required", "/email required"}


def test_options_left_out_have_their_defaults(org):
    assert create(org, booking_options={RECURRING: True})["booking_options"] == {**DEFAULT, RECURRING: True}
    assert create(org, name="elm", email="elm", booking_options=None)["booking_options"] == DEFAULT


def test_all_details_can_be_edited(org):
    resource = create(org, description="x").body
    after = change(org, resource, name="elm", type="EQUIPMENT", description="y", email="elm", hidden_from_address_list=True).body
    assert (after["name"], after["type"], after["description"], after["email"]) == ("elm", "EQUIPMENT", "y", f"elm@{org.domain}")
    assert after["aliases"] == [f"oak@{org.domain}"] and after["hidden_from_address_list"] is True
    assert "description" not in change(org, resource, description=None).body
    assert org.api.items(org.resources, q="elm", name="ELM") == [org.look(resource)]
    org.create_user("taken")
    change(org, resource, expect="name_taken", name="Taken")
    change(org, resource, expect="reserved_name", name="amazonjournaling")
    assert change(org, resource, expect="validation_failed", booking_options=None).faults == {"/booking_options not_nullable"}


def test_part_of_the_options_changes_and_the_rest_stays(org):
    resource = create(org).body
    assert change(org, resource, booking_options={RECURRING: True})["booking_options"] == {**DEFAULT, RECURRING: True}
    assert change(org, resource, booking_options={})["booking_options"] == {**DEFAULT, RECURRING: True}
    assert change(org, resource, description="x")["booking_options"] == {**DEFAULT, RECURRING: True}


def test_options_have_a_document_of_their_own(api, org):
    resource = create(org).body
    path = org.of(resource, "booking-options")
    assert api.get(path).body == {**DEFAULT, "warnings": []}
    assert put_options(org, resource, **{RECURRING: True, CONFLICTING: False}).body == {
        ACCEPT: True, RECURRING: True, CONFLICTING: False, "warnings": []}
    assert org.look(resource)["booking_options"] == {ACCEPT: True, RECURRING: True, CONFLICTING: False}
    tag = put_options(org, resource).headers["ETag"]
    assert tag == api.get(path).headers["ETag"] == api.get(org.of(resource)).headers["ETag"]
    assert api.call("GET", path, expect=304, headers={"If-None-Match": tag}).raw == b""
    assert api.put(path, expect="validation_failed", json={ACCEPT: True}).faults == {f"/{RECURRING} required", f"/{CONFLICTING} required"}


def test_without_acceptance_and_delegates_there_is_a_warning(api, org):
    resource = create(org).body
    assert put_options(org, resource, **BY_DELEGATES)["warnings"]
    assert org.look(resource)["warnings"] == api.get(org.of(resource, "booking-options"))["warnings"] != []
    user = org.create_user()
    delegate(org, resource, user)
    assert org.look(resource)["warnings"] == []
    api.delete(org.of(user))
    after = org.look(resource)
    assert after["warnings"] and after["delegates"] == []


def test_delegate_needs_acceptance_off_first(org):
    resource, user = create(org).body, org.create_user("ann")
    delegate(org, resource, user, expect="booking_options")
    put_options(org, resource, **BY_DELEGATES)
    assert delegate(org, resource, user).body == {
        "entity_id": user["user_id"], "kind": "USER", "name": "ann", "display_name": "Ann", "state": "DISABLED"}
    for call in (lambda: put_options(org, resource, expect="booking_options"),
                 lambda: change(org, resource, expect="booking_options", booking_options={ACCEPT: True})):
        call()
    assert org.look(resource)["booking_options"][ACCEPT] is False
    org.api.delete(org.of(resource, "delegates", id_of(user)))
    put_options(org, resource)


def test_delegates_added_one_by_one_are_as_many_as_those_put_at_once(service, api, org):
    """A resource shows them all, so their number is bounded, whichever way they come."""
    users = [id_of(org.create_user()) for _ in range(101)]
    resource = create(org, booking_options=BY_DELEGATES, delegate_ids=users[:99]).body
    api.put(org.of(resource, "delegates", users[99]), expect=200)
    assert "100" in api.put(org.of(resource, "delegates", users[100]), expect="limit_exceeded")["detail"]
    api.put(org.of(resource, "delegates", users[99]), expect=200)  # is one already
    api.delete(org.of(resource, "delegates", users[0]))
    api.put(org.of(resource, "delegates", users[100]), expect=200)
    assert len(org.look(resource)["delegates"]) == 100


def test_users_and_groups_are_delegates_and_nothing_else(api, org):
    resource, user, group = create(org, booking_options=BY_DELEGATES).body, org.create_enabled("ann"), org.create_group("team")
    for entity in (user, group, group):
        delegate(org, resource, entity)
    assert org.look(resource)["delegates"] == [{"entity_id": id_of(user), "kind": "USER", "name": "ann"},
                                               {"entity_id": id_of(group), "kind": "GROUP", "name": "team"}]
    items = api.items(org.of(resource, "delegates"), page_size=1)
    assert [(item["entity_id"], item.get("email")) for item in items] == [(id_of(user), user["email"]), (id_of(group), None)]
    other = org.create_resource("elm")
    api.put(org.of(resource, "delegates", other["resource_id"]), expect="entity_not_found")
    delegate(org, resource, {"user_id": "00000000-0000-4000-8000-000000000000"}, expect="entity_not_found")
    delegate(org, resource, create_organization(api).create_user(), expect="entity_not_found")
    for entity in (group, group, org.create_user()):
        api.delete(org.of(resource, "delegates", id_of(entity)))
    assert [one["name"] for one in org.look(resource)["delegates"]] == ["ann"]


def test_one_patch_changes_options_and_delegates_together(org):
    resource, ann, bob = create(org).body, org.create_user("ann"), org.create_user("bob")
    after = change(org, resource, booking_options=BY_DELEGATES, delegate_ids=[id_of(ann), id_of(bob), id_of(ann)]).body
    assert [one["name"] for one in after["delegates"]] == ["ann", "bob"] and after["warnings"] == []
    assert [one["name"] for one in change(org, resource, delegate_ids=[id_of(bob)])["delegates"]] == ["bob"]
    change(org, resource, expect="booking_options", booking_options={ACCEPT: True}, delegate_ids=[id_of(ann)])
    assert org.look(resource)["delegates"][0]["name"] == "bob"
    after = change(org, resource, booking_options={ACCEPT: True}, delegate_ids=[]).body
    assert after["delegates"] == [] and after["booking_options"][ACCEPT] is True


def test_resource_is_created_with_delegates(org):
    ann = org.create_user("ann")
    create(org, expect="booking_options", delegate_ids=[id_of(ann)])
    resource = create(org, booking_options=BY_DELEGATES, delegate_ids=[id_of(ann)]).body
    assert resource["delegates"] == [{"entity_id": id_of(ann), "kind": "USER", "name": "ann"}] and resource["state"] == "ENABLED"


def test_deleted_user_is_not_a_delegate_and_the_name_of_a_group_follows(service, api, org):
    user, group = org.create_user(), org.create_group("old")
    resource = create(org, booking_options=BY_DELEGATES, delegate_ids=[id_of(user), id_of(group)]).body
    before = api.get(org.of(resource)).headers["ETag"]
    api.patch(org.of(group), json={"name": "new"})
    renamed = api.get(org.of(resource))
    assert {one["name"] for one in renamed["delegates"]} == {user["name"], "new"} and renamed.headers["ETag"] != before
    api.delete(org.of(user))
    gone = api.get(org.of(resource))
    assert [one["name"] for one in gone["delegates"]] == ["new"] and gone.headers["ETag"] != renamed.headers["ETag"]
    change(org, resource, expect="validation_failed", delegate_ids=[id_of(user)])
    delegate(org, resource, user, expect="entity_state")
    check_consistency(service)


def expected_decision(options, request, has_delegates):
    if request["recurring"] and options[RECURRING] or request["conflicting"] and options[CONFLICTING]:
        return "DECLINE"
    return "ACCEPT" if options[ACCEPT] else "ASK_DELEGATES"


@pytest.mark.parametrize("accept,delegated", [(True, False), (False, False), (False, True)])
def test_decline_rules_come_first_then_acceptance_then_the_delegates(org, accept, delegated):
    user = org.create_user("ann")
    resource = create(org, booking_options={ACCEPT: accept}, delegate_ids=[id_of(user)] if delegated else []).body
    reasons = set()
    for recurring, conflicting in itertools.product((True, False), repeat=2):
        options = {ACCEPT: accept, RECURRING: recurring, CONFLICTING: conflicting}
        put_options(org, resource, **options)
        for request in ({"recurring": one, "conflicting": other} for one, other in itertools.product((True, False), repeat=2)):
            answer = decide(org, resource, **request)
            assert answer["decision"] == expected_decision(options, request, delegated), (options, request)
            assert [one["name"] for one in answer["delegates"]] == (["ann"] if delegated else [])
            reasons.add(answer["reason"])
    assert len(reasons) == 3


def test_decision_of_a_request_without_members_is_that_of_a_plain_one(org):
    resource = create(org).body
    assert decide(org, resource)["decision"] == "ACCEPT"
    assert decide(org, resource, expect="validation_failed", recurring="yes", colour=1).faults == {
        "/recurring wrong_type", "/colour unknown_member"}


def test_decision_needs_an_enabled_resource_and_changes_nothing(api, org):
    resource = create(org).body
    tag = api.get(org.of(resource)).headers["ETag"]
    decide(org, resource, conflicting=True)
    assert api.get(org.of(resource)).headers["ETag"] == tag
    org.disable(resource)
    decide(org, resource, expect="entity_state")


def test_enabled_resource_is_removed_at_once_and_its_address_stays_in_quarantine(service, api, org):
    user = org.create_enabled("ann")
    resource = create(org, booking_options=BY_DELEGATES, delegate_ids=[id_of(user)]).body
    api.delete(org.of(resource))
    after = org.look(resource)
    assert after["state"] == "DELETED" and after["delegates"] == [] and after["purge_at"]
    api.post(org.of(user, "aliases"), expect="email_address_in_use", json={"email": "oak"})
    for call in (lambda: delegate(org, resource, user, expect="entity_state"),
                 lambda: put_options(org, resource, expect="entity_state")):
        call()
    assert create(org, email="oak-2")["name"] == "oak"
    check_consistency(service)


@pytest.mark.parametrize("params,names", [
    ({}, ["car", "elm", "oak"]), ({"order_by": "-name"}, ["oak", "elm", "car"]), ({"type": "ROOM"}, ["elm", "oak"]),
    ({"type": "EQUIPMENT"}, ["car"]), ({"name": "OAK"}, ["oak"]), ({"email": "E.L.M@{domain}"}, ["elm"]), ({"q": "e.l"}, ["elm"]),
    ({"state": "DISABLED"}, ["car"]), ({"state": "DELETED"}, ["gone"]), ({"order_by": "-created_at", "type": "ROOM"}, ["elm", "oak"])])
def test_filters_and_orders(org, params, names):
    for name, kind, email in (("oak", "ROOM", "oak"), ("elm", "ROOM", "e.l.m"), ("car", "EQUIPMENT", "car"), ("gone", "ROOM", "gone")):
        create(org, name=name, type=kind, email=email)
    resources = {resource["name"]: resource for resource in org.api.items(org.resources)}
    org.disable(resources["car"])
    org.api.delete(org.of(resources["gone"]))
    params = {name: value.format(domain=org.domain) for name, value in params.items()}
    found = org.api.items(org.resources, page_size=1, **params)
    assert [resource["name"] for resource in found] == names
    assert all(org.look(resource) == resource for resource in found)


def test_resource_is_no_entry_of_a_kept_directory(service, org):
    resource = create(org, booking_options=BY_DELEGATES, delegate_ids=[id_of(org.create_user())]).body
    org.remove(force="true")
    assert service.sql("SELECT count(*) FROM directory_entry WHERE kind = 'RESOURCE'") == [(0,)]
    assert service.sql("SELECT count(*) FROM entity WHERE entity_id = %s::uuid", resource["resource_id"][2:]) == [(0,)]
    check_consistency(service)
