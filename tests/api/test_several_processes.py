"""Several processes on one database are one service: each takes any request, and each hears what the others do."""
import concurrent.futures
import itertools
import threading
import time

import pytest

from changes import begin_setup
from checks import check_consistency
from organization import Organization, create_organization, unique, wait_operation
from service import wait_until
from together import Together

SOON = 1


@pytest.fixture
def pair(make_service):
    return Together(make_service, 2, "--log-level", "debug")


def through(org, client):
    """The same organization, asked for elsewhere."""
    return Organization(client, org.id)


def test_what_one_wrote_the_other_reads_at_once(pair):
    clients = pair.clients()
    org = create_organization(clients[0])
    user = org.create_user()
    for number, (writer, reader) in enumerate(itertools.islice(itertools.cycle([clients, clients[::-1]]), 50)):
        changed = writer.patch(org.user(user), json={"city": f"city {number}"})
        seen = reader.get(org.user(user))
        assert seen.body == changed.body and seen.headers["ETag"] == changed.headers["ETag"]


def test_page_token_of_one_is_good_for_the_other(pair):
    one, two = pair.clients()
    org = create_organization(one)
    made = [org.create_user(f"u{number}")["user_id"] for number in range(5)]
    page = one.get(org.users, params={"page_size": 3, "order_by": "name"})
    rest = two.get(org.users, params={"page_size": 3, "order_by": "name", "page_token": page["next_page_token"]})
    assert [item["user_id"] for item in page["items"] + rest["items"]] == made


def test_background_work_is_shared(pair):
    api = pair.client()
    offsets = [service.log_path.stat().st_size for service in pair.services]

    def create(_):
        return create_organization(api)
    # Who took the request hears of its job first: the other has its part when there is much to do.
    for count in range(40, 401, 40):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(create, range(40)))
        done = [sum(event["event"] == "job done" for event in service.events(offset))
                for service, offset in zip(pair.services, offsets)]
        assert sum(done) == count, done
        if min(done) > 0:
            break
    assert min(done) > 0, done
    check_consistency(pair)


def test_operation_is_waited_for_at_one_and_ended_by_the_other(pair):
    one, two = pair.clients()
    org = create_organization(one)
    operation = begin_setup(pair, org)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(one.get, f"/v1/operations/{operation}", headers={"Prefer": "wait=30"})
        time.sleep(0.3)
        assert not held.done()
        two.post(f"/v1/operations/{operation}/cancel", expect=200)
        assert held.result(SOON)["status"] == "CANCELED"


def test_disabled_key_is_refused_by_all_at_once(pair):
    made = pair[0].admin("create-iam-user", "--account", pair.root["account_id"], "--name", unique("iam"),
                         "--policy", "AmazonWorkMailReadOnlyAccess")
    clients = [pair.client(number, made) for number in range(2)]
    for client in clients:
        for _ in range(20):
            client.get("/v1/regions")  # every process knows it by now
    pair[1].admin("disable-access-key", "--access-key-id", made["access_key_id"])
    begun = time.monotonic()
    for client in clients:
        wait_until(lambda client=client: client.request("GET", "/v1/regions").status == 401, 1, 0.005)
    assert time.monotonic() - begun < SOON


def test_limit_holds_at_all_as_soon_as_it_is_set(pair):
    pair[0].allow_organizations(1)
    clients = pair.clients()
    new = [{"json": {"alias": unique(), "setup": "QUICK"}} for _ in range(4)]
    clients[1].post("/v1/organizations", expect=202, **new[0])
    for client in clients:
        client.post("/v1/organizations", expect="limit_exceeded", **new[1])
    pair[1].allow_organizations(3, pair.root["account_id"])
    for client, request in zip(clients, new[2:]):
        assert client.get("/v1/account/limits").body["items"][0]["value"] == 3
        client.post("/v1/organizations", expect=202, **request)
    for client in clients:
        client.post("/v1/organizations", expect="limit_exceeded", **new[1])


def test_limit_is_not_exceeded_by_requests_to_both_at_once(pair):
    pair[0].allow_organizations(3)
    clients = pair.clients()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: clients[number % 2].request(
            "POST", "/v1/organizations", {"alias": unique(), "setup": "QUICK"}), range(20)))
    assert sorted(answer.status for answer in answers) == 3 * [202] + 17 * [409]


@pytest.mark.parametrize("what", ["user", "organization", "password"])
def test_50_equal_posts_spread_over_both_have_one_effect_and_one_answer(pair, what):
    clients = pair.clients()
    org = create_organization(clients[0])
    sent, gate = {"Idempotency-Key": unique("key")}, threading.Barrier(50)
    target, body, status = {
        "user": (org.users, {"name": "ann", "display_name": "Ann"}, 201),
        "password": (org.users, {"name": "ann", "display_name": "Ann", "password": "Correct-horse-7"}, 201),
        "organization": ("/v1/organizations", {"alias": unique(), "setup": "QUICK"}, 202)}[what]

    def send(number):
        gate.wait(30)
        return clients[number % 2].request("POST", target, body, headers=sent)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    done = [answer for answer in answers if answer.status == status]
    for answer in answers:
        if answer.status != status:
            answer.check_problem("idempotency_in_progress")
    assert len({(answer.raw, answer.headers["Location"]) for answer in done}) == 1
    assert ["Idempotent-Replayed" in answer.headers for answer in done].count(False) == 1
    assert pair.sql("SELECT count(*) FROM idempotency_record WHERE idempotency_key = %s", sent["Idempotency-Key"]) == [(1,)]
    counts = pair.sql("SELECT (SELECT count(*) FROM entity), (SELECT count(*) FROM organization)")
    assert counts == [(0, 2) if what == "organization" else (1, 1)]
    again = [client.request("POST", target, body, headers=sent) for client in clients]
    assert {(answer.raw, answer.headers.get("Idempotent-Replayed")) for answer in again} == {(done[0].raw, "true")}
    if what == "organization":
        wait_operation(clients[1], done[0]["operation_id"])
    check_consistency(pair)


def test_alias_goes_to_one_of_two_processes(pair):
    clients = pair.clients()
    for _ in range(10):
        new = {"alias": unique(), "setup": "QUICK"}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda client, new=new: client.request("POST", "/v1/organizations", new), clients))
        assert sorted(answer.status for answer in answers) == [202, 409]


def test_no_update_is_lost_between_two_processes(pair):
    clients = pair.clients()
    org = create_organization(clients[0])
    user = org.create_user()

    def add(number):
        client = clients[number % 2]
        while True:
            seen = client.get(org.user(user))
            answer = client.request("PATCH", org.user(user), {"city": seen.body.get("city", "") + chr(97 + number)},
                                    headers={"If-Match": seen.headers["ETag"]})
            if answer.status != 412:
                assert answer.status == 200
                return
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(add, range(20)))
    assert sorted(org.describe_user(user)["city"]) == [chr(97 + number) for number in range(20)]
