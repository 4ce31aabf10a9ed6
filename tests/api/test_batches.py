"""Reads that wait for the same thread share a round trip: each has its own answer all the same."""
import base64
import collections
import concurrent.futures
import hashlib
import time

import psycopg
import pytest

import iam
from devices import Device
from organization import create_organization
from service import wait_until


@pytest.fixture
def narrow(make_service):
    """A service with one thread for common requests, so that what comes while it is busy waits together."""
    return make_service("--http-threads", "1")


class Held:
    """An organization on a service whose only thread waits for a row, until the end of the block."""

    def __init__(self, service):
        self.service, self.api = service, service.client()
        self.org = create_organization(self.api)
        self.users = [self.org.create_user(f"u{number}") for number in range(10)]
        self.pool = concurrent.futures.ThreadPoolExecutor(40)

    def __enter__(self):
        self.holder = psycopg.connect(self.service.database_uri, autocommit=False)
        self.holder.execute("SELECT FROM entity WHERE name = 'u0' FOR UPDATE")
        self.change = self.pool.submit(self.api.request, "PATCH", self.org.user(self.users[0]), {"initials": "X"})
        wait_until(lambda: self.waiting_backend() is not None)
        return self

    def waiting_backend(self):
        rows = self.service.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'postreeve'"
                                " AND wait_event_type = 'Lock'")
        return rows[0][0] if rows else None

    def ask(self, target, **params):
        return self.pool.submit(self.api.request, "GET", target, params=params)

    def __exit__(self, *_):
        time.sleep(0.3)  # those who ask have come
        self.holder.rollback()
        self.holder.close()
        assert self.change.result(30).status == 200


def outcome(answer):
    answer = answer.result(30)
    return answer.status, answer.body.get("code")


def transactions(service):
    service.sql("SELECT pg_stat_force_next_flush()")
    time.sleep(1.1)  # what others did is told once they are idle for a second
    return service.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0][0]


def test_reads_that_wait_together_are_one_transaction(narrow):
    held = Held(narrow)
    idle, _ = transactions(narrow), time.sleep(3)
    started, before = time.monotonic(), transactions(narrow)
    of_workers = (before - idle) / 4.1  # in a second
    for _ in range(4):
        with held:
            answers = [held.ask(held.org.user(held.users[number % 10])) for number in range(32)]
        assert [answer.result(30)["name"] for answer in answers] == [f"u{number % 10}" for number in range(32)]
    made = transactions(narrow) - before - of_workers * (time.monotonic() - started)
    assert made < 4 * 32 / 2


def forge(token, organization_id, order_by, replace):
    """A page token with another sort value: its seal is no secret, it only keeps accidents out."""
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    binding = "\x1f".join(["user", order_by, organization_id, *["\x1e"] * 5, "DELETED", *["\x1e"] * 3])
    assert text[:16] == hashlib.sha256((binding + text[16:]).encode()).hexdigest()[:16]
    _, *values = text[16:].split("\x1f")
    values[0] = replace
    altered = "".join("\x1f" + value for value in values)
    seal = hashlib.sha256((binding + altered).encode()).hexdigest()[:16]
    return base64.urlsafe_b64encode((seal + altered).encode()).decode().rstrip("=")


def test_a_read_that_fails_spoils_no_other_of_its_batch(narrow):
    held = Held(narrow)
    page = held.api.get(held.org.users, params={"page_size": 3, "order_by": "created_at"})
    token = forge(page["next_page_token"], held.org.id, "created_at", "not a time")
    missing = held.org.user({"user_id": "00000000-0000-4000-8000-000000000000"})
    with held:
        answers = []
        for user in held.users * 2:
            answers += [held.ask(held.org.user(user)), held.ask(missing),
                        held.ask(held.org.users, page_size=3),
                        held.ask(held.org.users, page_size=3, order_by="created_at", page_token=token),
                        held.ask(held.org.users, page_size=3, order_by="created_at",
                                 page_token=page["next_page_token"]),
                        held.ask(held.org.users, order_by="nothing")]
    assert collections.Counter(map(outcome, answers)) == {
        (200, None): 60, (404, "user_not_found"): 20, (400, "invalid_page_token"): 20,
        (400, "validation_failed"): 20}
    assert {answer.result()["user_id"] for answer in answers[::6]} == {user["user_id"] for user in held.users}
    for answer in answers[4::6]:
        assert [user["name"] for user in answer.result()["items"]] == ["u3", "u4", "u5"]


def test_read_that_fails_lets_nobody_in_behind_it(narrow):
    """Those behind it are run once more: by then they have been refused already, and must be again."""
    held = Held(narrow)
    page = held.api.get(held.org.users, params={"page_size": 3, "order_by": "created_at"})
    token = forge(page["next_page_token"], held.org.id, "created_at", "not a time")
    nobody = narrow.client(narrow.admin("create-iam-user", "--name", "nobody"))
    with held:
        answers = []
        for user in held.users:
            held.ask(held.org.users, page_size=3, order_by="created_at", page_token=token)
            answers.append(held.pool.submit(nobody.request, "GET", held.org.user(user)))
            answers.append(held.pool.submit(nobody.request, "GET", held.org.users))
    assert {outcome(answer) for answer in answers} == {(404, "organization_not_found")}
    refusals = "SELECT count(*), count(DISTINCT request_id) FROM audit_log WHERE outcome = 'DENIED'"
    wait_until(lambda: narrow.sql(refusals)[0][1] == 20)
    assert narrow.sql(refusals) == [(20, 20)]


@pytest.mark.parametrize("is_known", [False, True])
def test_request_refused_at_the_head_of_a_batch_takes_nobodys_answer(narrow, is_known):
    """Who comes first is looked up in the database, and then refused before anything of his own is queued."""
    held = Held(narrow)
    reader = narrow.admin("create-iam-user", "--name", "reader", "--policy", "AmazonWorkMailReadOnlyAccess")
    secret = reader["secret_access_key"]
    first = narrow.client({**reader, "secret_access_key": secret if is_known else secret[::-1]})
    with held:
        refused = held.pool.submit(first.request, "GET", held.org.users, params={"page_size": "many"})
        time.sleep(0.3)  # it is the first one in the queue
        answers = [held.ask(held.org.user(user)) for user in held.users[1:8]]
    assert outcome(refused) == ((400, "validation_failed") if is_known else (401, "unauthenticated"))
    assert [outcome(answer) for answer in answers] == 7 * [(200, None)]
    assert [answer.result()["name"] for answer in answers] == [f"u{number}" for number in range(1, 8)]


def test_each_read_of_a_batch_is_its_own_callers(narrow):
    """Who may see this organization, who another one, who all but users, who from elsewhere: side by side."""
    held = Held(narrow)
    user = held.org.user(held.users[0])

    def caller(*statements, **key):
        return iam.Identity(narrow, held.api, *statements, **key).client
    here = iam.arn(held.org.id, region=held.org.describe()["region"])
    callers = [
        (caller(iam.statement(resource=here)), (200, None)),
        (caller(iam.statement(resource=iam.arn(held.org.id, region="nowhere-1"))), (404, "organization_not_found")),
        (caller(iam.statement(resource=iam.arn("m-" + 32 * "1"))), (404, "organization_not_found")),
        (caller(iam.statement(), iam.statement("Deny", "workmail:*User*", here)), (403, "access_denied")),
        (caller(iam.statement(Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})), (404, "organization_not_found")),
        (caller(iam.statement(), allowed_networks=["192.0.2.0/24"]), (401, "unauthenticated")),
        (caller(iam.statement(), expires_at="2020-01-01T00:00:00Z"), (401, "unauthenticated"))]
    with held:
        answers = [(held.pool.submit(client.request, "GET", path), expect)
                   for _ in range(4) for client, expect in callers for path in (user, held.org.users)]
    assert [outcome(answer) for answer, _ in answers] == [expect for _, expect in answers]


def test_devices_and_policies_are_read_together_with_others(narrow):
    """Of each its own: a device, one that is not there, the policy, and its document."""
    held = Held(narrow)
    users = [held.org.create_enabled() for _ in range(4)]
    devices = [Device(held.org, user) for user in users]
    for device in devices:
        device.sync()
    policy = held.org.path + "/mobile-policy"
    with held:
        answers = [held.ask(path) for device in devices for path in
                   (device.path, device.path + "x", policy, policy + "/provision-doc", held.org.user(held.users[1]))]
    assert collections.Counter(answer.result(30).status for answer in answers) == {200: 16, 404: 4}
    assert [answer.result()["device_id"] for answer in answers[::5]] == [device.id for device in devices]
    assert {answer.result()["code"] for answer in answers[1::5]} == {"mobile_device_not_found"}
    assert {answer.result()["policy_version"] for answer in answers[2::5]} == {1}
    assert all(answer.result().raw.startswith(b"<?xml") for answer in answers[3::5])
