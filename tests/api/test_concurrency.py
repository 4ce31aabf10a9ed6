"""Many callers at once: one wins where only one can, and nothing is lost."""
import collections
import concurrent.futures
import random
import threading
import time
import uuid

import psycopg
import pytest

from checks import check_consistency
from organization import create_organization, id_of, unique
from service import wait_until


def all_at_once(count, call):
    """Runs call(number) in that many threads, released together; how often each answer came."""
    gate = threading.Barrier(count)

    def run(number):
        gate.wait(30)
        return call(number)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(run, range(count)))
    return collections.Counter((answer.status, answer.body["code"] if answer.status >= 400 else None)
                               for answer in answers)


def test_one_of_200_creations_of_the_same_name_succeeds(service, api, org):
    outcomes = all_at_once(200, lambda number: api.request("POST", org.users, {
        "name": "Ann" if number % 2 else "ann", "display_name": f"Ann {number}"}))
    assert outcomes == {(201, None): 1, (409, "name_taken"): 199}
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(1,)]


def test_50_enablings_of_one_user_make_one_mailbox(service, api, org):
    user = org.create_user("ann")
    outcomes = all_at_once(50, lambda number: api.request("POST", org.user(user, "enable")))
    assert outcomes == {(200, None): 50}
    assert service.sql("SELECT count(*) FROM mailbox WHERE organization_id = %s", org.id) == [(1,)]
    assert org.aliases(user) == [f"ann@{org.domain}"]


def test_one_of_many_organizations_of_the_same_alias_is_created(api):
    alias = unique()
    outcomes = all_at_once(30, lambda number: api.request("POST", "/v1/organizations",
                                                          {"alias": alias, "setup": "QUICK"}))
    assert outcomes == {(202, None): 1, (409, "alias_taken"): 29}


def test_organizations_created_at_once_never_exceed_the_limit(fresh_service):
    api = fresh_service.client()
    outcomes = all_at_once(30, lambda number: api.request("POST", "/v1/organizations",
                                                          {"alias": unique(), "setup": "QUICK"}))
    assert outcomes == {(202, None): 2, (409, "limit_exceeded"): 28}
    check_consistency(fresh_service)


@pytest.mark.parametrize("claim", ["alias", "enable", "primary"])
def test_one_of_many_users_gets_an_address(service, api, org, claim):
    users = [org.create_user(f"u{number}") if claim == "enable" else org.create_enabled(f"u{number}")
             for number in range(20)]
    target, method, success = {"alias": ("aliases", "POST", 201), "enable": ("enable", "POST", 200),
                               "primary": ("primary-email", "PUT", 200)}[claim]
    outcomes = all_at_once(20, lambda number: api.request(method, org.user(users[number], target),
                                                          {"email": "boss" if number % 2 else "BOSS"}))
    assert outcomes == {(success, None): 1, (409, "email_address_in_use"): 19}
    check_consistency(service)


def test_aliases_added_at_once_never_exceed_the_limit(api, org):
    user = org.create_enabled("ann")
    for number in range(90):
        api.post(org.user(user, "aliases"), json={"email": f"a{number}"})
    outcomes = all_at_once(30, lambda number: api.request("POST", org.user(user, "aliases"), {"email": f"b{number}"}))
    assert outcomes == {(201, None): 10, (409, "limit_exceeded"): 20}


def version(service, user):
    return service.sql("SELECT version FROM entity WHERE entity_id = %s", user["user_id"])[0][0]


def test_no_update_is_lost(service, api, org):
    user = org.create_user()
    before = version(service, user)
    members = ["first_name", "last_name", "city", "office", "company"]
    outcomes = all_at_once(100, lambda number: api.request("PATCH", org.user(user), {
        members[number % 5]: f"value {number}"}))
    assert outcomes == {(200, None): 100}
    assert version(service, user) - before == 100
    after = org.describe_user(user)
    assert all(int(after[member].split()[1]) % 5 == place for place, member in enumerate(members))


def test_changes_of_different_members_at_once_all_stay(api, org):
    """Who waited for another's change must not write back what stood there before it."""
    user = org.create_user()
    members = ["first_name", "last_name", "initials", "street", "city", "zip_code", "country", "telephone", "job_title",
               "department", "company", "office"]
    for turn in range(10):
        values = {member: f"{member} {turn}" for member in members}
        outcomes = all_at_once(len(members), lambda number: api.request("PATCH", org.user(user), {
            members[number]: values[members[number]]}))
        assert outcomes == {(200, None): len(members)}
        after = org.describe_user(user)
        assert {member: after.get(member) for member in members} == values


def test_two_users_that_want_each_others_address_both_get_an_answer(api, org):
    one, two = org.create_enabled("one"), org.create_enabled("two")
    for _ in range(10):
        outcomes = all_at_once(2, lambda number: api.request(
            "PUT", org.user((one, two)[number], "primary-email"), {"email": ("two", "one")[number]}))
        assert outcomes == {(409, "email_address_in_use"): 2}


def test_deletion_of_an_organization_under_way_leaves_no_user_behind(service, api):
    organization = create_organization(api)
    users = [organization.create_user() for _ in range(5)]

    def act(number):
        if number == 10:
            return organization.delete(force="true")
        if number % 2:
            return api.request("POST", organization.users, {"name": unique("u"), "display_name": "x"})
        return api.request("POST", organization.user(users[number % 5], "enable"))
    outcomes = all_at_once(30, act)
    assert set(outcomes) <= {(202, None), (201, None), (200, None), (409, "organization_state")}
    organization.wait_state("DELETED")
    check_consistency(service)
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", organization.id) == [(0,)]


def test_any_mixture_of_changes_keeps_everything_consistent(service, api, org):
    users = [org.create_user(f"u{number}") for number in range(8)]

    def act(number):
        choice = random.Random(number)
        user, address = choice.choice(users), {"email": f"shared{choice.randrange(6)}"}
        return choice.choice([
            lambda: api.request("POST", org.user(user, "enable"), address),
            lambda: api.request("POST", org.user(user, "disable")),
            lambda: api.request("POST", org.user(user, "aliases"), address),
            lambda: api.request("DELETE", org.user(user, "aliases", f"{address['email']}@{org.domain}")),
            lambda: api.request("PUT", org.user(user, "primary-email"), address),
            lambda: api.request("PATCH", org.user(user), {"city": f"c{choice.randrange(8)}"}),
            lambda: api.request("GET", org.users, params={"q": "shared"}),
        ])()

    def act_often(number):
        for turn in range(20):
            answer = act(number * 1000 + turn)
            assert answer.status in (200, 201, 204, 409), answer
        return answer
    all_at_once(24, act_often)
    check_consistency(service)


def test_organization_is_deleted_while_its_users_change_without_end(fresh_service):
    organization = create_organization(fresh_service.client())
    api, over = fresh_service.client(), threading.Event()

    def write(_):
        count = 0
        while not over.is_set():
            answer = api.request("POST", organization.users, {"name": unique("u"), "display_name": "x"})
            count += answer.status == 201
            if answer.status != 201:
                return count, answer.check_problem()["code"]
        return count, None
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, number) for number in range(8)]
        try:
            time.sleep(1)
            begun = time.monotonic()
            organization.delete(force="true")
            took = time.monotonic() - begun
        finally:
            over.set()
    assert took < 3
    assert all(count > 0 and code in (None, "organization_state") for count, code in (w.result() for w in writers))
    organization.wait_state("DELETED")


def test_held_lock_of_one_organization_does_not_keep_another_from_becoming_active(make_service):
    service = make_service("--job-threads", 1)
    api = service.client()
    held = create_organization(api)
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder:
        holder.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 7264))", [held.id])
        service.sql("INSERT INTO job (kind, organization_id) VALUES ('organization_setup', %s)", held.id)
        wait_until(lambda: service.sql("SELECT 1 FROM job WHERE organization_id = %s AND state = 'RUNNING'", held.id))
        begun = time.monotonic()
        create_organization(api)
        assert time.monotonic() - begun < 5
    wait_until(lambda: service.sql("SELECT 1 FROM job WHERE organization_id = %s AND state = 'CANCELED'", held.id))
    check_consistency(service)


@pytest.mark.parametrize("count", [2, 3])
def test_groups_put_into_each_other_at_once_close_no_cycle(service, api, org, count):
    groups = [org.create_group() for _ in range(count)]
    for _ in range(10):
        outcomes = all_at_once(count, lambda number: api.request("PUT", org.of(
            groups[number], "members", groups[(number + 1) % count]["group_id"])))
        assert outcomes == {(200, None): count - 1, (409, "membership_cycle"): 1}
        for number in range(count):
            org.remove_member(groups[number], groups[(number + 1) % count])
    check_consistency(service)


def test_member_that_is_deleted_while_it_is_added_is_in_nothing(service, api, org):
    for _ in range(10):
        group, user = org.create_group(), org.create_user()
        outcomes = all_at_once(8, lambda number: api.request("DELETE", org.of(user)) if number == 0 else api.request(
            "PUT", org.of(group, "members", user["user_id"])))
        assert set(outcomes) <= {(204, None), (200, None), (409, "entity_state")}
        assert org.members(group) == set() and org.look(group)["member_count"] == 0
    check_consistency(service)


def test_members_added_at_once_are_all_there(api, org):
    group, users = org.create_group(), [org.create_user() for _ in range(40)]
    assert all_at_once(40, lambda number: api.request("PUT", org.of(group, "members", users[number]["user_id"]))) == {
        (200, None): 40}
    assert org.look(group)["member_count"] == 40 and len(org.members(group)) == 40


# Locks are taken in one order: where two orders meet, PostgreSQL breaks one of the transactions off after a second.


def waiting(service):
    return service.sql("""SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'""")[0][0]


class Meeting:
    """Requests that wait, one behind the other, for an entity that is held; `answers` has what became of them."""

    def __init__(self, service, held):
        self.service, self.held, self.calls = service, held, []

    def __enter__(self):
        self.deadlocks = self.count_deadlocks()
        self.holder = psycopg.connect(f"{self.service.database_uri} dbname=postreeve")
        self.holder.execute("SELECT FROM entity WHERE entity_id = %s FOR NO KEY UPDATE", [self.held])
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        return self

    def begin(self, call):
        self.calls.append(self.pool.submit(call))
        wait_until(lambda: waiting(self.service) == len(self.calls), 2)

    def __exit__(self, *_):
        self.holder.commit()
        self.answers = [call.result() for call in self.calls]
        self.holder.close()
        self.pool.shutdown()
        self.broken_off = self.count_deadlocks() - self.deadlocks

    def count_deadlocks(self):
        time.sleep(1.5)  # sessions tell what they did once they are idle for a second
        return self.service.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]


def pair_in_order(make_first, make_second):
    """Two of which the first has the lower id, and so is locked first."""
    while True:
        first, second = make_first(), make_second()
        if id_of(first) < id_of(second):
            return first, second


def put_in(meeting, relation, owner, member):
    """As another request does that holds the member's lock."""
    meeting.holder.execute("""INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)
                              SELECT organization_id, %s, %s, entity_id, kind FROM entity WHERE entity_id = %s""",
                           [relation, owner, id_of(member)])


def test_deletion_of_who_came_into_a_group_meanwhile_locks_in_order(service, api, org):
    group, user = pair_in_order(org.create_group, org.create_user)
    with Meeting(service, id_of(user)) as meeting:
        meeting.begin(lambda: api.request("DELETE", org.of(user)))
        put_in(meeting, "MEMBER", id_of(group), user)
        meeting.begin(lambda: api.request("PUT", org.of(group, "members", id_of(user))))
    assert [answer.status for answer in meeting.answers] == [204, 200] and meeting.broken_off == 0
    assert org.members(group) == set() and org.look(group)["member_count"] == 0


def test_renaming_of_a_group_that_became_a_delegate_meanwhile_locks_in_order(service, api, org):
    def make_room():
        room = org.create_resource(booking_options={"auto_accept_requests": False})
        return {"group_id": str(uuid.UUID(room["resource_id"][2:])), **room}
    room, group = pair_in_order(make_room, org.create_group)
    with Meeting(service, id_of(group)) as meeting:
        meeting.begin(lambda: api.request("PATCH", org.of(group), {"name": "other"}))
        put_in(meeting, "DELEGATE", room["group_id"], group)
        meeting.begin(lambda: api.request("PUT", f"{org.resources}/{room['resource_id']}/delegates/{id_of(group)}"))
    assert [answer.status for answer in meeting.answers] == [200, 200] and meeting.broken_off == 0
    shown = api.get(f"{org.resources}/{room['resource_id']}")
    assert [delegate["name"] for delegate in shown["delegates"]] == ["other"]


def test_new_resource_waits_for_its_delegates_before_it_takes_an_address(service, api, org):
    user = org.create_enabled()
    with Meeting(service, id_of(user)) as meeting:
        meeting.begin(lambda: api.request("POST", org.user(user, "aliases"), {"email": "oak"}))
        meeting.begin(lambda: api.request("POST", org.resources, {
            "name": "oak", "email": "oak", "type": "ROOM", "booking_options": {"auto_accept_requests": False}, "delegate_ids": [id_of(user)]}))
    assert [answer.status for answer in meeting.answers] == [201, 409] and meeting.broken_off == 0


def test_several_wait_for_each_other_before_one_takes_an_address(service, api, org):
    first, second = pair_in_order(lambda: org.create_user(unique("a")), org.create_enabled)
    with Meeting(service, id_of(second)) as meeting:
        meeting.begin(lambda: api.request("POST", org.user(second, "aliases"), {"email": first["name"]}))
        meeting.begin(lambda: api.request("POST", org.users + "/enable", {"ids": [id_of(second), id_of(first)]}))
    added, enabled = meeting.answers
    assert added.status == 201 and meeting.broken_off == 0
    assert [item.get("code") for item in enabled["items"]] == [None, "email_address_in_use"]
