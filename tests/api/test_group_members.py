"""Members of groups, nested and effective."""
import random
import uuid

import pytest

from checks import check_consistency
from organization import Organization, create_organization, id_of, unique, wait_operation


def groups_of(org, entity, **params):
    return {item["group_id"] for item in org.api.items(org.of(entity, "groups"), **params)}


def test_users_and_groups_are_members(api, org):
    group, user, inner = org.create_group("outer"), org.create_enabled("ann"), org.create_group("inner")
    assert org.add_member(group, user).body == {
        "member_id": user["user_id"], "member_kind": "USER", "name": "ann", "display_name": "Ann", "email": user["email"],
        "state": "ENABLED"}
    org.add_member(group, inner)
    assert org.look(group)["member_count"] == 2
    items = api.items(org.of(group, "members"), page_size=1)
    assert [(item["member_kind"], item["name"]) for item in items] == [("USER", "ann"), ("GROUP", "inner")]
    assert org.members(group, kind="GROUP") == {id_of(inner)} and org.members(group, kind="USER") == {id_of(user)}
    assert groups_of(org, user) == groups_of(org, inner) == {id_of(group)}


def test_adding_what_is_there_and_removing_what_is_not_there_succeed_and_change_nothing(api, org):
    group, user = org.create_group(), org.create_user()
    first = org.add_member(group, user).body
    tag = api.get(org.of(group)).headers["ETag"]
    assert org.add_member(group, user).body == first
    assert api.get(org.of(group)).headers["ETag"] == tag
    org.remove_member(group, user)
    after = org.look(group)
    assert after["member_count"] == 0 and org.members(group) == set()
    for other in (user, org.create_user(), {"user_id": str(uuid.uuid4())}):
        org.remove_member(group, other)
    assert org.look(group) == after


@pytest.mark.parametrize("wrong", ["00000000-0000-4000-8000-000000000000", "x"])
def test_what_is_not_there_is_not_added(api, org, wrong):
    group = org.create_group()
    api.put(org.of(group, "members", wrong), expect="entity_not_found")
    api.put(f"{org.groups}/{uuid.uuid4()}/members/{org.create_user()['user_id']}", expect="group_not_found")


def test_what_is_deleted_or_of_another_organization_is_not_added(api, org):
    group, user = org.create_group(), org.create_user()
    api.delete(org.of(user))
    org.add_member(group, user, expect="entity_state")
    org.add_member(group, create_organization(api).create_user(), expect="entity_not_found")
    api.delete(org.of(group))
    org.add_member(group, org.create_user(), expect="entity_state")


def test_disabled_group_and_disabled_user_keep_their_membership(org):
    group, user = org.create_enabled_group(), org.create_enabled()
    org.add_member(group, user)
    org.disable(group)
    org.disable(user)
    assert org.members(group) == {id_of(user)}


def test_cycle_is_refused_and_the_path_shown(org):
    names = ["a", "b", "c", "d"]
    groups = {name: org.create_group(name) for name in names}
    for outer, inner in zip(names, names[1:]):
        org.add_member(groups[outer], groups[inner])
    assert '"d" > "a" > "b" > "c" > "d"' in org.add_member(groups["d"], groups["a"], expect="membership_cycle")["detail"]
    assert '"b" > "a" > "b"' in org.add_member(groups["b"], groups["a"], expect="membership_cycle")["detail"]
    assert '"a" > "a"' in org.add_member(groups["a"], groups["a"], expect="membership_cycle")["detail"]
    org.add_member(groups["a"], groups["d"])  # twice on the way is no circle
    org.remove_member(groups["b"], groups["c"])
    org.remove_member(groups["a"], groups["d"])
    org.add_member(groups["d"], groups["a"])


def test_path_of_a_long_cycle_is_cut(org):
    groups = [org.create_group(f"g{number:02}") for number in range(40)]
    for outer, inner in zip(groups, groups[1:]):
        org.add_member(outer, inner)
    detail = org.add_member(groups[-1], groups[0], expect="membership_cycle")["detail"]
    assert '"g39" > "g00" > "g01"' in detail and '> … > "g39"' in detail and '"g30"' not in detail


def test_path_through_many_diamonds_is_found_at_once(org):
    """What looks at every path, and not at every group, never ends here: there are 2^25."""
    layers = [[org.create_group() for _ in range(2)] for _ in range(25)]
    for outer, inner in zip(layers, layers[1:]):
        for group in outer:
            for member in inner:
                org.add_member(group, member)
    org.add_member(layers[-1][0], layers[0][0], expect="membership_cycle")
    user = org.create_user()
    org.add_member(layers[-1][1], user)
    assert id_of(user) in org.members(layers[0][0], effective="true")
    assert groups_of(org, user, effective="true") == {id_of(group) for layer in layers[:-1] for group in layer} | {
        id_of(layers[-1][1])}


def test_effective_members_are_each_shown_once_with_the_groups_that_they_are_in(api, org):
    outer, left, right = (org.create_group(name) for name in ("outer", "left", "right"))
    ann, bob = org.create_user("ann"), org.create_user("bob")
    for group, member in ((outer, left), (outer, right), (left, ann), (right, ann), (outer, bob)):
        org.add_member(group, member)
    items = {item["name"]: item for item in api.items(org.of(outer, "members"), effective="true", page_size=2)}
    assert {name: set(item["via"]) for name, item in items.items()} == {
        "left": {id_of(outer)}, "right": {id_of(outer)}, "bob": {id_of(outer)}, "ann": {id_of(left), id_of(right)}}
    assert api.get(org.of(outer, "members"), params={"effective": "true", "include_total": "true"})["total"] == 4
    assert org.members(outer, effective="true", kind="USER") == {id_of(ann), id_of(bob)}
    assert groups_of(org, ann) == {id_of(left), id_of(right)}
    assert groups_of(org, ann, effective="true") == {id_of(left), id_of(right), id_of(outer)}


def test_effective_members_come_in_any_order(api, org):
    outer, inner = org.create_group("outer"), org.create_group("inner")
    org.add_member(outer, inner)
    for name in ("cid", "ann", "bob"):
        org.add_member(inner, org.create_user(name))
    path = org.of(outer, "members")
    for order, names in (("name", ["ann", "bob", "cid", "inner"]), ("-display_name,member_id", ["inner", "cid", "bob", "ann"])):
        for effective in ("true", "false"):
            found = [item["name"] for item in api.items(path, effective=effective, order_by=order, page_size=1)]
            assert found == (names if effective == "true" else ["inner"])
    ids = [item["member_id"] for item in api.items(path, effective="true", page_size=1)]
    assert ids == sorted(ids) and len(ids) == 4
    assert [item["member_id"] for item in api.items(path, effective="true", order_by="-member_id")] == ids[::-1]


def test_token_of_direct_members_is_not_one_of_effective_members(api, org):
    group = org.create_group()
    for _ in range(3):
        org.add_member(group, org.create_user())
    token = api.get(org.of(group, "members"), params={"page_size": 1})["next_page_token"]
    api.get(org.of(group, "members"), expect="invalid_page_token", params={"page_token": token, "effective": "true"})


@pytest.mark.parametrize("kind", ["user", "group"])
def test_who_is_deleted_leaves_all_groups(api, org, kind):
    groups = [org.create_group() for _ in range(3)]
    member = org.create_user() if kind == "user" else org.create_group()
    for group in groups:
        org.add_member(group, member)
    before = [api.get(org.of(group)).headers["ETag"] for group in groups]
    api.delete(org.of(member))
    for group, tag in zip(groups, before):
        after = api.get(org.of(group))
        assert after["member_count"] == 0 and after.headers["ETag"] != tag
        assert org.members(group) == set()


def test_deleted_group_lets_its_members_go(service, api, org):
    outer, group, user = org.create_group(), org.create_group(), org.create_user()
    org.add_member(outer, group)
    org.add_member(group, user)
    api.delete(org.of(group))
    assert groups_of(org, user) == set() and org.members(outer, effective="true") == set()
    check_consistency(service)


def test_memberships_are_kept_with_the_directory(service, org):
    outer, inner, user = org.create_group("outer", description="kept"), org.create_group("inner"), org.create_user()
    org.add_member(outer, inner)
    org.add_member(inner, user)
    directory = org.describe()["directory_id"]
    org.remove()
    kept = service.sql("SELECT group_id::text, member_id::text FROM directory_membership WHERE directory_id = %s", directory)
    assert set(kept) == {(id_of(outer), id_of(inner)), (id_of(inner), id_of(user))}
    assert service.sql("""SELECT kind, document -> 'detail' ->> 'description' FROM directory_entry
                          WHERE id = %s""", id_of(outer)) == [("GROUP", "kept")]


def test_memberships_come_back_with_a_kept_directory(service, api, org):
    outer, inner, user = org.create_enabled_group("outer", description="kept"), org.create_group("inner"), org.create_user()
    org.add_member(outer, inner)
    org.add_member(inner, user)
    directory = org.describe()["directory_id"]
    org.remove()
    begun = api.post("/v1/organizations", expect=202,
                     json={"alias": unique(), "setup": "STANDARD", "directory_id": directory})
    assert wait_operation(api, begun["operation_id"])["status"] == "SUCCEEDED"
    again = Organization(api, begun["organization_id"])
    group = again.look(outer)
    assert (group["state"], group["description"], group["member_count"]) == ("DISABLED", "kept", 1) and "email" not in group
    assert again.members(outer, effective="true") == {id_of(inner), id_of(user)}
    assert service.sql("SELECT count(*) FROM directory_membership WHERE directory_id = %s", directory) == [(0,)]
    check_consistency(service)


class Model:
    """The membership graph as a dictionary: what the service must agree with after each step."""

    def __init__(self):
        self.inside = {}

    def reach(self, group):
        seen, unseen = set(), [group]
        while unseen:
            for member in self.inside.get(unseen.pop(), ()):
                if member not in seen:
                    seen.add(member)
                    unseen.append(member)
        return seen

    def add(self, group, member):
        """Whether it may be."""
        if group == member or group in self.reach(member):
            return False
        self.inside[group].add(member)
        return True

    def remove(self, entity):
        self.inside.pop(entity, None)
        for members in self.inside.values():
            members.discard(entity)

    def above(self, entity):
        return {group for group in self.inside if entity in self.reach(group)}


@pytest.mark.parametrize("seed", range(4))
def test_graph_is_what_a_small_model_says(service, org, seed):
    choice, model = random.Random(seed), Model()
    groups = [org.create_group() for _ in range(7)]
    users = [org.create_user() for _ in range(4)]
    model.inside = {id_of(group): set() for group in groups}
    everything = groups + users
    for step in range(120):
        group, member = choice.choice(groups), choice.choice(everything)
        act = choice.choices(["add", "remove", "delete"], [8, 3, 0.2 if len(groups) > 3 else 0])[0]
        if act == "add":
            allowed = model.add(id_of(group), id_of(member))
            answer = org.api.request("PUT", org.of(group, "members", id_of(member)))
            assert (answer.status == 200) == allowed, answer
            assert allowed or answer["code"] == "membership_cycle"
        elif act == "remove":
            org.remove_member(group, member)
            model.inside[id_of(group)].discard(id_of(member))
        else:
            org.api.delete(org.of(group))
            model.remove(id_of(group))
            groups.remove(group)
            everything.remove(group)
        if step % 10 == 0 or act == "delete":
            check_model(org, model, groups, users)
    check_model(org, model, groups, users)
    check_consistency(service)


def check_model(org, model, groups, users):
    for group in groups:
        assert org.members(group) == model.inside[id_of(group)]
        assert org.members(group, effective="true") == model.reach(id_of(group))
        assert org.look(group)["member_count"] == len(model.inside[id_of(group)])
    for entity in groups + users:
        assert groups_of(org, entity, effective="true") == model.above(id_of(entity))
        assert groups_of(org, entity) == {group for group, inside in model.inside.items() if id_of(entity) in inside}
