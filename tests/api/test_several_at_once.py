"""Several users or groups enabled or disabled, or resources removed, in one request with a result per id."""
import uuid

import pytest

from checks import check_consistency
from organization import id_of, unique
from test_entities_alike import KINDS

WITH_MAIL = [kind for kind in KINDS if kind.name != "resource"]
each_kind = pytest.mark.parametrize("kind", WITH_MAIL, ids=repr)


def several(org, kind, action, ids, expect=200, **arguments):
    answer = org.api.post(f"{org.path}/{kind.name}s/{action}", expect=expect, json={"ids": ids}, **arguments)
    return answer["items"] if expect == 200 else answer


@each_kind
def test_several_are_enabled_and_disabled_in_one_request(service, org, kind):
    entities = [kind.make(org) for _ in range(5)]
    ids = [id_of(entity) for entity in entities]
    for action, state in (("enable", "ENABLED"), ("disable", "DISABLED"), ("enable", "ENABLED")):
        assert several(org, kind, action, ids) == [{"id": one, "succeeded": True, "state": state} for one in ids]
        assert {org.look(entity)["state"] for entity in entities} == {state}
    assert {org.look(entity)["email"] for entity in entities} == {f"{entity['name']}@{org.domain}" for entity in entities}
    check_consistency(service)


@each_kind
def test_each_id_has_its_own_result_in_the_order_given(service, api, org, kind):
    org.create_enabled("taken")
    gone, clash, fine = kind.make(org), kind.make(org, "other"), kind.make(org)
    api.delete(org.of(gone))
    org.enable(clash, email="other")
    org.disable(clash)
    org.create_enabled("third", email="more")
    needs = kind.make(org, "more")  # its default address is another's
    ids = [id_of(gone), str(uuid.uuid4()), id_of(fine), "nonsense", id_of(needs), id_of(clash), id_of(fine)]
    results = several(org, kind, "enable", ids)
    assert [result["id"] for result in results] == ids
    assert [result.get("code") for result in results] == [
        "entity_state", kind.not_found, None, kind.not_found, "email_address_in_use", None, None]
    assert all(result["detail"] for result in results if not result["succeeded"])
    assert org.look(fine)["state"] == org.look(clash)["state"] == "ENABLED" and org.look(needs)["state"] == "DISABLED"
    check_consistency(service)


@each_kind
def test_refused_one_leaves_nothing_behind(service, org, kind):
    org.create_enabled("holder", email="wanted")
    entity = kind.make(org, "wanted")
    assert several(org, kind, "enable", [id_of(entity)])[0]["code"] == "email_address_in_use"
    assert org.look(entity) == entity
    check_consistency(service)


@each_kind
def test_system_accounts_are_refused_among_others(service, org, kind):
    system, fine = kind.make(org), kind.make(org)
    service.sql(f"UPDATE {kind.name}_detail SET type = %s WHERE entity_id = %s", f"SYSTEM_{kind.name.upper()}", id_of(system))
    results = several(org, kind, "enable", [id_of(system), id_of(fine)])
    assert [result["succeeded"] for result in results] == [False, True] and results[0]["code"] == "entity_state"


def test_several_resources_are_removed_in_one_request(service, api, org):
    rooms, user = [org.create_resource() for _ in range(3)], org.create_user()
    ids = [*(room["resource_id"] for room in rooms), user["user_id"], "r-" + 32 * "0"]
    results = api.post(org.resources + "/remove", expect=200, json={"ids": ids})["items"]
    assert [(result["succeeded"], result.get("state"), result.get("code")) for result in results] == [
        (True, "DELETED", None)] * 3 + [(False, None, "resource_not_found")] * 2
    assert api.get(org.resources)["items"] == [] and org.look(user) == user
    assert all(result["succeeded"] for result in api.post(org.resources + "/remove", expect=200, json={"ids": ids[:3]})["items"])
    check_consistency(service)


@pytest.mark.parametrize("body,faults", [
    ({"ids": []}, {"/ids too_short"}), ({"ids": ["x"] * 101}, {"/ids too_long"}), ({}, {"/ids required"}),
    ({"ids": "x"}, {"/ids wrong_type"}), ({"ids": [1]}, {"/ids wrong_type"}), ({"ids": [""]}, {"/ids invalid_format"}),
    ({"ids": ["x" * 257]}, {"/ids invalid_format"}), ({"ids": ["a\x01"]}, {"/ids invalid_format"}),
    ({"ids": None}, {"/ids not_nullable"}), ({"ids": ["x"], "email": "x"}, {"/email unknown_member"})])
def test_unfit_lists_are_refused(api, org, body, faults):
    assert api.post(org.users + "/enable", expect="validation_failed", json=body).faults == faults


def test_hundred_at_once(org):
    kind = KINDS[0]
    ids = [id_of(kind.make(org)) for _ in range(100)]
    assert all(result["succeeded"] for result in several(org, kind, "enable", ids))


def test_repetition_with_the_same_key_gets_the_first_results(org):
    kind, sent = KINDS[0], {"Idempotency-Key": unique("key")}
    ids = [id_of(kind.make(org)), "nonsense"]
    first = several(org, kind, "enable", ids, headers=sent)
    org.disable({"user_id": ids[0]})
    assert several(org, kind, "enable", ids, headers=sent) == first
    assert org.look({"user_id": ids[0]})["state"] == "DISABLED"
