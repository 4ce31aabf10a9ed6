"""What users, groups and resources have alike: enabling, disabling, addresses, deletion, the purge."""
import urllib.parse

import pytest

from checks import check_consistency
from organization import create_organization, id_of
from service import wait_until
from test_users_state import THIRTY_DAYS, at

KEPT = 2


class Kind:
    """How one kind is made and found; the tests below say nothing of it."""

    def __init__(self, name, make, make_enabled):
        self.name, self.make, self.make_enabled = name, make, make_enabled
        self.not_found = f"{name}_not_found"

    def __repr__(self):
        return self.name


KINDS = [
    Kind("user", lambda org, name=None: org.create_user(name),
         lambda org, name=None, email=None: org.create_enabled(name, **({"email": email} if email else {}))),
    Kind("group", lambda org, name=None: org.create_group(name),
         lambda org, name=None, email=None: org.create_enabled_group(name, **({"email": email} if email else {}))),
    Kind("resource", lambda org, name=None: org.create_disabled_resource(name),
         lambda org, name=None, email=None: org.create_resource(name, **({"email": email} if email else {}))),
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=repr)


def add(org, entity, email, expect=201):
    return org.api.post(org.of(entity, "aliases"), expect=expect, json={"email": email})


def remove(org, entity, email, expect=204):
    return org.api.delete(org.of(entity, "aliases", urllib.parse.quote(email)), expect=expect)


def make_primary(org, entity, email, expect=200):
    return org.api.put(org.of(entity, "primary-email"), expect=expect, json={"email": email})


def purge_time(entity):
    return entity.get("purge_at") or entity["mailbox"]["purge_at"]


@each_kind
def test_enabling_gives_the_default_address_or_the_one_asked_for(org, kind):
    assert org.enable(kind.make(org, "ann"))["email"] == f"ann@{org.domain}"
    other = org.enable(kind.make(org, "bob"), email="boss").body
    assert other["state"] == "ENABLED" and other["email"] == f"boss@{org.domain}" and other["enabled_at"]


@each_kind
def test_enabling_or_disabling_again_changes_nothing(org, kind):
    entity = kind.make_enabled(org)
    assert org.enable(entity).body == entity
    disabled = org.disable(entity).body
    assert disabled["state"] == "DISABLED" and org.disable(entity).body == disabled == org.look(entity)


@each_kind
def test_addresses_of_what_is_disabled_are_in_quarantine_for_thirty_days(org, kind):
    entity = kind.make_enabled(org, "ann", email="boss")
    add(org, entity, "chief")
    disabled = org.disable(entity).body
    assert at(purge_time(disabled)) - at(disabled["disabled_at"]) == THIRTY_DAYS
    for other in (each.make_enabled(org) for each in KINDS):
        for email in ("boss", "chief"):
            add(org, other, email, expect="email_address_in_use")
    for call in (add, make_primary):
        call(org, entity, "new", expect="entity_state")
    remove(org, entity, f"chief@{org.domain}", expect="entity_state")


@each_kind
def test_restoring_gives_back_all_addresses(org, kind):
    entity = kind.make_enabled(org, "ann", email="boss")
    add(org, entity, "chief")
    before = org.aliases(entity)
    org.disable(entity)
    restored = org.enable(entity).body
    assert org.aliases(entity) == before and "purge_at" not in restored and "disabled_at" not in restored


@each_kind
@pytest.mark.parametrize("email,expect", [("x@example.com", "mail_domain_not_registered"), ("a b", "validation_failed"),
                                          ("amazonjournaling", "reserved_name"), ("taken", "email_address_in_use")])
def test_unfit_address_is_refused_wherever_it_is_given(org, kind, email, expect):
    org.create_enabled("somebody", email="taken")
    entity, enabled = kind.make(org, "ann"), kind.make_enabled(org, "bob")
    org.enable(entity, expect=expect, email=email)
    add(org, enabled, email, expect=expect)
    make_primary(org, enabled, email, expect=expect)
    assert org.look(entity) == entity and org.look(enabled) == enabled


@each_kind
def test_alias_is_added_and_removed_once_and_the_primary_address_stays(org, kind):
    entity = kind.make_enabled(org, "ann")
    made = add(org, entity, "chief")
    assert urllib.parse.unquote(made.headers["Location"]) == org.of(entity, "aliases", made["email"])
    assert add(org, entity, "CHIEF", expect=200).body == made.body
    assert org.look(entity)["aliases"] == [made["email"]]
    remove(org, entity, entity["email"], expect="primary_address")
    for _ in range(2):
        remove(org, entity, made["email"])
    assert org.look(entity)["aliases"] == []


@each_kind
def test_new_primary_address_makes_an_alias_of_the_old_one(org, kind):
    entity = kind.make_enabled(org, "ann")
    after = make_primary(org, entity, "boss").body
    assert after["email"] == f"boss@{org.domain}" and after["aliases"] == [f"ann@{org.domain}"]
    assert make_primary(org, entity, "ann")["aliases"] == [f"boss@{org.domain}"]


@each_kind
def test_address_belongs_to_one_of_all_kinds(org, kind):
    for other in KINDS:
        entity = other.make_enabled(org, email=f"{other.name}-has-it")
        assert entity["email"] == f"{other.name}-has-it@{org.domain}"
        add(org, kind.make_enabled(org), f"{other.name}-has-it", expect="email_address_in_use")


@each_kind
def test_name_belongs_to_one_of_all_kinds_in_any_case(org, kind):
    kind.make(org, "ann")
    for path, members in ((org.users, {"display_name": "x"}), (org.groups, {}),
                          (org.resources, {"type": "ROOM", "email": "free"})):
        for name in ("ann", "ANN"):
            org.api.post(path, expect="name_taken", json={"name": name, **members})


@each_kind
def test_hundred_aliases_and_no_more(make_service, kind):
    service = make_service()
    org = create_organization(service.client())
    entity = kind.make_enabled(org)
    service.admin("set-limit", "--limit", "aliases_per_user", "--value", 3)
    have = len(org.look(entity)["aliases"])
    for number in range(3 - have):
        add(org, entity, f"alias{number}")
    add(org, entity, "onetoomany", expect="limit_exceeded")
    make_primary(org, entity, "onetoomany", expect="limit_exceeded")


@each_kind
def test_deleted_one_stays_describable_and_takes_no_part_in_anything(org, kind):
    entity = kind.make(org, "ann")
    for _ in range(2):
        org.api.delete(org.of(entity))
    assert org.look(entity)["state"] == "DELETED"
    org.enable(entity, expect="entity_state")
    org.disable(entity, expect="entity_state")
    add(org, entity, "more", expect="entity_state")
    org.api.patch(org.of(entity), expect="entity_state", json={"hidden_from_address_list": True})
    assert id_of(kind.make_enabled(org, "ann", email="other")) != id_of(entity)


@each_kind
def test_one_of_another_organization_or_kind_is_not_found(api, org, kind):
    other = create_organization(api)
    entity = kind.make(org)
    for stranger in (other.of(entity), *(org.of({f"{each.name}_id": id_of(entity)}) for each in KINDS if each is not kind)):
        answer = api.get(stranger, expect=404)
        assert answer["code"].endswith("_not_found")
        for part in ("enable", "disable"):
            api.post(f"{stranger}/{part}", expect=404)
        api.get(f"{stranger}/aliases", expect=404)
        api.delete(stranger, expect=404)
    assert org.look(entity) == entity


@each_kind
@pytest.mark.parametrize("wrong", ["x", "00000000-0000-4000-8000-000000000000", "r-" + 32 * "0", "%00"])
def test_what_is_no_id_is_not_found(api, org, kind, wrong):
    for method, part in (("GET", ""), ("DELETE", ""), ("POST", "/enable"), ("GET", "/aliases")):
        answer = api.request(method, f"{org.path}/{kind.name}s/{wrong}{part}")
        assert (answer.status, answer["code"]) in ((404, kind.not_found), (400, "bad_request")), answer


@each_kind
def test_version_changes_with_what_is_shown(api, org, kind):
    entity = kind.make_enabled(org, "ann")
    seen = set()
    for change in (lambda: add(org, entity, "chief"), lambda: make_primary(org, entity, "boss"),
                   lambda: org.disable(entity), lambda: org.enable(entity)):
        change()
        seen.add(api.get(org.of(entity)).headers["ETag"])
    assert len(seen) == 4


@pytest.fixture
def hasty_org(make_service):
    org = create_organization(make_service("--mailbox-retention", KEPT).client())
    yield org


@each_kind
def test_addresses_are_free_when_their_time_is_over(hasty_org, kind):
    org = hasty_org
    entity, gone = kind.make_enabled(org, "ann", email="boss"), kind.make_enabled(org, "bob", email="chief")
    org.disable(entity)
    org.disable(gone)
    org.api.delete(org.of(gone))
    wait_until(lambda: not org.aliases(entity), KEPT + 15, 0.1, "the purge")
    now = org.look(entity)
    assert now["state"] == "DISABLED" and "email" not in now and "purge_at" not in now
    other = org.create_enabled("other")
    wait_until(lambda: org.api.request("POST", org.of(other, "aliases"), {"email": "chief"}).status == 201,
               KEPT + 15, 0.1, "the end of the quarantine")
    add(org, other, "boss")
    org.api.get(org.of(gone), expect=kind.not_found)


@each_kind
def test_nothing_is_left_of_a_removed_organization(make_service, kind):
    service = make_service()
    org = create_organization(service.client())
    kind.make(org)
    org.disable(kind.make_enabled(org))
    org.remove(force="true")
    check_consistency(service)


@pytest.mark.parametrize("kind,type_name", [("user", "SYSTEM_USER"), ("group", "SYSTEM_GROUP")])
def test_built_in_accounts_are_listed_and_never_changed(service, api, org, kind, type_name):
    made = next(each for each in KINDS if each.name == kind).make(org)
    service.sql(f"UPDATE {kind}_detail SET type = %s WHERE entity_id = %s", type_name, id_of(made))
    entity, path = org.look(made), org.of(made)
    assert entity["type"] == type_name
    assert api.get(f"{org.path}/{kind}s", params={"type": type_name})["items"] == [entity]
    org.enable(entity, expect="entity_state")
    api.patch(path, expect="entity_state", json={"display_name": "x"})
    api.delete(path, expect="entity_state")
    if kind == "group":
        org.add_member(entity, org.create_user(), expect="entity_state")
        org.remove_member(entity, org.create_user(), expect="entity_state")
    assert org.look(entity) == entity
