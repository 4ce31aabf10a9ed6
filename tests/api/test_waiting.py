"""Prefer: wait. An answer is held until its operation has ended, and holding one costs next to nothing."""
import concurrent.futures
import contextlib
import json
import pathlib
import resource
import selectors
import socket
import threading
import time

import psycopg
import pytest

import iam
from changes import begin_setup
from organization import Organization, create_organization, unique
from raw_http import Connection
from service import wait_until

SOON = 1  # a hint takes milliseconds; other tests run beside this one
LOST_HINT = 7  # a hint that was lost is made up for every five seconds


def wait(seconds):
    return {"Prefer": f"wait={seconds}"}


def applied(answer):
    return answer.headers.get("Preference-Applied")


def timed(call):
    begun = time.monotonic()
    answer = call()
    return answer, time.monotonic() - begun


def begin(service, org):
    """An operation that nobody works on."""
    (operation,), = service.sql("""
        INSERT INTO operation (operation_id, account_id, organization_id, operation, target, steps)
        SELECT gen_random_uuid(), account_id, organization_id, 'CreateOrganization',
               '/v1/organizations/' || organization_id, '[]'
        FROM organization WHERE organization_id = %s RETURNING operation_id::text""", org.id)
    return operation


def end(service, operation, hint=True):
    """The operation's end, as another process tells of it; or as one that dies before it has told."""
    service.sql("UPDATE operation SET status = 'SUCCEEDED', finished_at = now() WHERE operation_id = %s", operation)
    if hint:
        service.sql("SELECT pg_notify('postreeve_operation', %s)", operation)


def path_of(operation):
    return f"/v1/operations/{operation}"


class Held:
    """A request that is on its way in the background."""

    def __init__(self, client, *arguments, **named):
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.future = self.pool.submit(timed, lambda: client.request(*arguments, **named))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown()

    def answer(self, seconds):
        return self.future.result(seconds)

    def is_held(self, seconds=0.3):
        with contextlib.suppress(concurrent.futures.TimeoutError):
            self.future.result(seconds)
        return not self.future.done()


# What is held, and what comes of it


def test_change_answers_202_with_its_operation_at_the_end(api):
    answer, took = timed(lambda: api.post("/v1/organizations", expect=202, headers=wait(30),
                                          json={"alias": unique(), "setup": "QUICK"}))
    assert answer["status"] == "SUCCEEDED" and applied(answer) == "wait=30" and took < 10
    assert answer.headers["Location"] == path_of(answer["operation_id"])
    assert api.get(answer.headers["Location"]).body == answer.body
    organization = Organization(api, answer["organization_id"])
    assert organization.describe()["state"] == "ACTIVE"
    answer = api.delete(organization.path, expect=202, headers=wait(30), params={"confirm": organization.alias})
    assert answer["status"] == "SUCCEEDED" and organization.describe()["state"] == "DELETED"


def test_without_the_preference_nothing_is_held(service, api, org):
    operation = begin(service, org)
    answer, took = timed(lambda: api.get(path_of(operation)))
    assert answer["status"] == "PENDING" and applied(answer) is None and took < SOON


def test_question_for_an_operation_is_answered_when_it_ends(service, api, org):
    operation = begin(service, org)
    with Held(api, "GET", path_of(operation), headers=wait(30)) as held:
        assert held.is_held()
        end(service, operation)
        answer, _ = held.answer(SOON)
    assert (answer.status, answer["status"], applied(answer)) == (200, "SUCCEEDED", "wait=30")
    assert answer.headers["ETag"] == api.get(path_of(operation)).headers["ETag"]


def test_question_that_only_asks_for_headers_is_held_too(service, api, org):
    operation = begin(service, org)
    answer, took = timed(lambda: api.head(path_of(operation), headers=wait(1)))
    assert applied(answer) == "wait=1" and 0.9 < took < 1 + SOON


def test_end_of_another_operation_wakes_nobody(service, api, org):
    mine, other = begin(service, org), begin(service, org)
    with Held(api, "GET", path_of(mine), headers=wait(2)) as held:
        end(service, other)
        assert held.is_held()
        answer, took = held.answer(5)
    assert answer["status"] == "PENDING" and 1.9 < took < 2 + SOON


@pytest.mark.parametrize("ids", ["", "nonsense", 100 * "x"], ids=["empty", "short", "long"])
def test_hint_that_names_no_operation_ends_nothing_that_runs(service, api, org, ids):
    operation = begin(service, org)
    with Held(api, "GET", path_of(operation), headers=wait(2)) as held:
        assert held.is_held()
        service.sql("SELECT pg_notify('postreeve_operation', %s)", ids)
        answer, took = held.answer(5)
    assert answer["status"] == "PENDING" and took > 1.9


def test_hint_for_many_operations_reaches_who_waits_for_one(service, api, org):
    operations = [begin(service, org) for _ in range(5)]
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(Held(api, "GET", path_of(operation), headers=wait(30))) for operation in operations]
        assert all(each.is_held(0.1) for each in held)
        for operation in operations:
            end(service, operation, hint=False)
        service.sql("SELECT pg_notify('postreeve_operation', %s)", "".join(operations))
        assert {each.answer(SOON)[0]["status"] for each in held} == {"SUCCEEDED"}


def test_lost_hint_is_made_up_for(service, api, org):
    operation = begin(service, org)
    with Held(api, "GET", path_of(operation), headers=wait(30)) as held:
        assert held.is_held()
        end(service, operation, hint=False)
        answer, took = held.answer(LOST_HINT)
    assert answer["status"] == "SUCCEEDED" and took < LOST_HINT


def test_ended_operation_is_not_waited_for(service, api, org):
    operation = begin(service, org)
    end(service, operation)
    answer, took = timed(lambda: api.get(path_of(operation), headers=wait(30)))
    assert applied(answer) == "wait=30" and took < SOON


def test_more_than_a_minute_is_a_minute(service, api, org):
    operation = begin(service, org)
    end(service, operation)
    assert applied(api.get(path_of(operation), headers=wait(3600))) == "wait=60"


@pytest.mark.parametrize("preference", ["wait", "wait=", "wait=soon", "wait=-1", "wait=0", "respond-async", "", '"wait=5"'])
def test_preference_that_is_not_understood_is_passed_over(service, api, org, preference):
    operation = begin(service, org)
    answer, took = timed(lambda: api.get(path_of(operation), headers={"Prefer": preference}))
    assert applied(answer) is None and took < SOON


def test_preference_may_stand_in_one_of_several_headers(service, api, org):
    operation = begin(service, org)
    with Connection(api) as connection:
        begun = time.monotonic()
        connection.request("GET", path_of(operation), lines=['Prefer: return="a, wait=9"', "prefer: respond-async, WAIT = 1"])
        answer = connection.answer()
    assert applied(answer) == "wait=1" and 0.9 < time.monotonic() - begun < 1 + SOON


REVOCATIONS = {
    "key disabled": ("UPDATE access_key SET status = 'DISABLED' WHERE access_key_id = %(key)s", "unauthenticated"),
    "key expired": ("UPDATE access_key SET expires_at = now() WHERE access_key_id = %(key)s", "unauthenticated"),
    "key limited": ("UPDATE access_key SET allowed_networks = '{192.0.2.0/24}' WHERE access_key_id = %(key)s", "unauthenticated"),
    "policy detached": ("DELETE FROM iam_user_policy WHERE iam_user_id = %(user)s", "access_denied"),
    "other organization": ("""UPDATE policy SET document_version = document_version + 1, document = '{"Statement": {"Effect":
        "Allow", "Action": "workmail:*", "Resource": "arn:aws:workmail:*:organization/m-1"}}' WHERE policy_id = %(policy)s""",
        "operation_not_found"),
}


def revoke(service, identity, revocation):
    ids = {"key": identity.key["access_key_id"], "user": identity.id, "policy": identity.policy["policy_id"]}
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as connection:
        connection.execute(REVOCATIONS[revocation][0], ids)


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_question_of_who_may_not_any_more_is_not_answered_when_the_operation_ends(service, api, org, revocation):
    operation, identity = begin(service, org), iam.Identity(service, api, iam.statement(action="workmail:*"))
    with Held(identity.client, "GET", path_of(operation), headers=wait(30)) as held:
        assert held.is_held()
        revoke(service, identity, revocation)
        end(service, operation)
        answer, _ = held.answer(LOST_HINT)
    assert "SUCCEEDED" not in answer.check_problem(REVOCATIONS[revocation][1]).raw.decode()


def test_change_of_who_may_not_any_more_is_answered_as_it_was_when_it_was_made(service, api):
    """It is done, and saying otherwise would be wrong; what came of it later is not told."""
    identity, key = iam.Identity(service, api, iam.statement()), {"Idempotency-Key": unique("key")}
    request = {"json_body": {"alias": unique(), "setup": "QUICK"}}
    first = identity.client.request("POST", "/v1/organizations", headers=key, **request)
    operation = first["operation_id"]
    wait_until(lambda: api.get(path_of(operation))["status"] == "SUCCEEDED", 20)
    service.sql("UPDATE operation SET status = 'RUNNING', finished_at = NULL WHERE operation_id = %s", operation)
    with Held(identity.client, "POST", "/v1/organizations", headers={**key, **wait(30)}, **request) as held:
        assert held.is_held()
        revoke(service, identity, "key disabled")
        end(service, operation)
        answer, _ = held.answer(LOST_HINT)
    assert (answer.status, answer["status"], applied(answer)) == (202, "RUNNING", "wait=30")


def test_condition_is_looked_at_when_the_answer_is_due(service, api, org):
    operation = begin(service, org)
    tag = api.get(path_of(operation)).headers["ETag"]
    answer, took = timed(lambda: api.get(path_of(operation), expect=304, headers={**wait(1), "If-None-Match": tag}))
    assert applied(answer) == "wait=1" and took > 0.9
    with Held(api, "GET", path_of(operation), headers={**wait(30), "If-None-Match": tag}) as held:
        assert held.is_held()
        end(service, operation)
        answer, _ = held.answer(SOON)
    assert answer.status == 200 and answer["status"] == "SUCCEEDED" and answer.headers["ETag"] != tag


def test_repetition_waits_as_well_and_keeps_its_answer(api):
    request = {"json": {"alias": unique(), "setup": "QUICK"}}
    key = {"Idempotency-Key": unique("key")}
    first = api.post("/v1/organizations", expect=202, headers=key, **request)
    again = api.post("/v1/organizations", expect=202, headers={**key, **wait(30)}, **request)
    assert again["status"] == "SUCCEEDED" and again["operation_id"] == first["operation_id"]
    assert applied(again) == "wait=30" and again.headers["Idempotent-Replayed"] == "true"
    kept = api.post("/v1/organizations", expect=202, headers=key, **request)
    assert kept.raw == first.raw and applied(kept) is None


def test_nothing_else_is_held(api, org):
    alias = {"alias": unique(), "setup": "QUICK"}
    for answer in (api.post("/v1/organizations", expect=200, json=alias, params={"validate_only": "true"}, headers=wait(9)),
                   api.post("/v1/organizations", expect="alias_taken", json={**alias, "alias": org.alias}, headers=wait(9)),
                   api.post(org.users, json={"name": "ann", "display_name": "Ann"}, headers=wait(9)),
                   api.get("/v1/operations", headers=wait(9)),
                   api.get(path_of("00000000-0000-4000-8000-000000000000"), expect="operation_not_found", headers=wait(9))):
        assert applied(answer) is None


def test_canceled_operation_is_an_end(service, api, org):
    operation = begin_setup(service, org)
    with Held(api, "GET", path_of(operation), headers=wait(30)) as held:
        assert held.is_held()
        api.post(path_of(operation) + "/cancel", expect=200)
        answer, _ = held.answer(SOON)
    assert answer["status"] == "CANCELED"


def test_removal_of_the_organization_ends_what_is_waited_for(service, api, org):
    operation = begin_setup(service, org)
    with Held(api, "GET", path_of(operation), headers=wait(30)) as held:
        assert held.is_held()
        org.delete()
        answer, _ = held.answer(SOON)
    assert answer["status"] == "CANCELED"


def test_request_behind_a_held_one_is_answered_after_it(service, api, org):
    operation = begin(service, org)
    with Connection(api) as connection:
        connection.send(connection.head("GET", path_of(operation), "Prefer: wait=1")
                        + connection.head("GET", "/v1/regions"))
        assert connection.answer()["operation_id"] == operation
        assert connection.answer()["items"]
        connection.request("GET", "/v1/regions")
        assert connection.answer().status == 200


# What it costs


def threads(service):
    return len(list(pathlib.Path(f"/proc/{service.process.pid}/task").iterdir()))


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def all_processor_seconds(service):
    server = service.postmaster()
    children = pathlib.Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return processor_seconds(service.process.pid), sum(map(processor_seconds, children))


def held_connection(api, operation, seconds=60):
    connection = Connection(api)
    connection.request("GET", path_of(operation), lines=[f"Prefer: wait={seconds}"])
    return connection


def test_100_held_requests_cost_no_thread_and_no_processor_time(fresh_service):
    api, others = fresh_service.client(), 20
    organization = create_organization(api)
    user = organization.create_user()
    operations = [begin(fresh_service, organization) for _ in range(10)]
    list(concurrent.futures.ThreadPoolExecutor(others).map(lambda _: organization.describe_user(user), range(100)))
    before = threads(fresh_service)
    idle = all_processor_seconds(fresh_service)
    time.sleep(5)
    idle = [now - then for now, then in zip(all_processor_seconds(fresh_service), idle)]

    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(held_connection(api, operations[number % 10])) for number in range(100)]
        time.sleep(0.5)
        used = all_processor_seconds(fresh_service)
        time.sleep(5)
        used = [now - then for now, then in zip(all_processor_seconds(fresh_service), used)]
        assert threads(fresh_service) == before
        print(f"processor seconds in 5 s, service and database: idle {idle}, with 100 held {used}")
        assert all(now <= then + 0.1 for now, then in zip(used, idle)), (idle, used)
        # No thread is taken: everybody else is served as before.
        for _ in range(20):
            assert timed(lambda: organization.describe_user(user))[1] < 0.5
        for operation in operations:
            end(fresh_service, operation)
        for connection in held:
            assert connection.answer()["status"] == "SUCCEEDED"


def test_only_so_many_are_held_the_others_are_answered_at_once(make_service):
    service = make_service("--wait-limit", 2)
    api = service.client()
    organization = create_organization(api)
    operation = begin(service, organization)
    with held_connection(api, operation) as one, held_connection(api, operation) as two:
        time.sleep(0.3)
        answer, took = timed(lambda: api.get(path_of(operation), headers=wait(30)))
        assert applied(answer) is None and answer["status"] == "PENDING" and took < SOON
        end(service, operation)
        assert [applied(connection.answer()) for connection in (one, two)] == ["wait=60", "wait=60"]
    operation = begin(service, organization)
    assert applied(api.get(path_of(operation), headers=wait(1))) == "wait=1"


def test_none_is_held_when_the_operator_says_so(make_service):
    service = make_service("--wait-limit", 0)
    answer, _ = timed(lambda: service.client().post("/v1/organizations", expect=202, headers=wait(30),
                                                    json={"alias": unique(), "setup": "QUICK"}))
    assert answer["status"] == "PENDING" and applied(answer) is None


@pytest.fixture
def one_place(make_service):
    """A service that holds one request at a time, and an operation to wait for."""
    service = make_service("--wait-limit", 1)
    organization = create_organization(service.client())
    return service, service.client(), begin(service, organization)


def is_free(api, operation):
    return applied(api.get(path_of(operation), headers=wait(1))) is not None


def test_client_that_goes_away_is_not_held_on(one_place):
    _, api, operation = one_place
    gone = held_connection(api, operation)
    time.sleep(0.3)
    assert not is_free(api, operation)
    gone.close()
    wait_until(lambda: is_free(api, operation), 3, what="the release")


def test_client_that_resets_its_connection_is_not_held_on(one_place):
    _, api, operation = one_place
    gone = held_connection(api, operation)
    time.sleep(0.3)
    assert not is_free(api, operation)
    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    wait_until(lambda: is_free(api, operation), 3, what="the release")


def test_client_that_will_send_no_more_is_not_held_on(one_place):
    _, api, operation = one_place
    with held_connection(api, operation) as half_closed:
        time.sleep(0.3)
        assert not is_free(api, operation)
        half_closed.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_free(api, operation), 3, what="the release")


def test_clients_that_come_and_go_leave_nothing_behind(service, api, org):
    operation = begin(service, org)
    for _ in range(5):
        gone = [held_connection(api, operation) for _ in range(50)]
        time.sleep(0.05)
        for connection in gone:
            connection.close()
    end(service, operation)  # the fixture counts descriptors


def test_end_and_client_that_goes_away_at_the_same_time(service, api, org):
    for _ in range(20):
        operation = begin(service, org)
        held = [held_connection(api, operation) for _ in range(10)]
        ending = threading.Thread(target=end, args=(service, operation))
        ending.start()
        for connection in held[::2]:
            connection.close()
        assert {connection.answer()["status"] for connection in held[1::2]} == {"SUCCEEDED"}
        ending.join()
        for connection in held[1::2]:
            connection.close()


def fill_fast_lane(api, org, stack):
    """Requests that wait for a lock, until no more are taken."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    answered = stack.enter_context(selectors.DefaultSelector())
    for number in range(2000):
        connection = stack.enter_context(Connection(api))
        connection.request("GET", org.users)
        answered.register(connection.socket, selectors.EVENT_READ)
        if number % 50 == 0 and answered.select(0.05):
            return
    raise AssertionError("the lane is not full")


def test_hint_that_finds_the_lane_full_is_not_lost(make_service):
    service = make_service("--http-threads", 1)
    api = service.client()
    organization = create_organization(api)
    operation = begin(service, organization)
    organization.api.get(organization.users)
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(held_connection(api, operation))
        time.sleep(0.3)
        with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder:
            holder.execute("LOCK TABLE entity")
            fill_fast_lane(api, organization, stack)
            end(service, operation)
            time.sleep(0.3)  # the hint has come, and found no room
        begun = time.monotonic()
        assert held.answer()["status"] == "SUCCEEDED"
        assert time.monotonic() - begun < 2  # by itself it is looked at every five seconds


def test_sigterm_releases_who_waits_with_the_present_state(make_service):
    service = make_service("--drain-timeout", 20)
    api = service.client()
    organization = create_organization(api)
    pending, changed = begin(service, organization), begin(service, organization)
    with held_connection(api, pending) as one, held_connection(api, changed) as two:
        time.sleep(0.3)
        service.sql("UPDATE operation SET status = 'RUNNING' WHERE operation_id = %s", changed)
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        assert one.answer()["status"] == "PENDING"
        assert two.answer()["status"] == "RUNNING"
        stopping.join()
    assert service.exit_code == 0 and service.stop_seconds < 5


@pytest.mark.expect_errors
def test_held_request_outlives_the_database(make_service):
    """What was begun is not denied because it cannot be looked at."""
    host = make_service()
    host.sql("CREATE DATABASE outside")
    service = make_service("--database", f"{host.database_uri} dbname=outside", fresh=True)
    api = service.client()
    organization = create_organization(api)
    with held_connection(api, organization.api.items("/v1/operations")[0]["operation_id"], 2) as over:
        assert over.answer()["status"] == "SUCCEEDED"
    with psycopg.connect(f"{host.database_uri} dbname=outside", autocommit=True) as outside:
        (operation,), = outside.execute("""
            INSERT INTO operation (operation_id, account_id, organization_id, operation, target, steps)
            SELECT gen_random_uuid(), account_id, organization_id, 'CreateOrganization', '/v1/organizations/x', '[]'
            FROM organization RETURNING operation_id::text""").fetchall()
    with held_connection(api, operation, 3) as held:
        time.sleep(0.3)
        host.stop()
        answer = held.answer()
    assert answer.status == 200 and json.loads(answer.raw)["status"] == "PENDING" and applied(answer) == "wait=3"
    host.start()
