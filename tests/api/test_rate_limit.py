"""How many requests a caller may send, what it is told of that, and what guessing costs."""
import concurrent.futures
import http.client
import re
import time

import pytest

from client import Client, bearer
from organization import unique
from prometheus import Metrics
from routes import NO_ORGANIZATION, arguments_of, closed_routes, fill, named
from service import wait_until


@pytest.fixture
def limited(make_service):
    """Five a second, ten at once."""
    service = make_service("--rate-limit", 5, "--rate-limit-burst", 10)
    service.allow_organizations(10)
    return service


def told(answer):
    """(quota, window, remaining, seconds until it is whole)"""
    policy = re.fullmatch(r'"default";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"])
    now = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    return tuple(map(int, policy.groups() + now.groups()))


def test_quota_shrinks_with_each_request_and_then_429_says_when_to_come_again(limited):
    api = limited.client()
    for left in range(9, -1, -1):
        quota, window, remaining, whole_in = told(api.get("/v1/regions"))
        assert (quota, window) == (10, 2)
        assert left <= remaining <= left + 2  # time passes
        assert whole_in == (10 - remaining + 4) // 5
    refused = api.request("GET", "/v1/regions")
    while refused.status == 200:
        refused = api.request("GET", "/v1/regions")
    refused.check_problem("rate_limited")
    assert told(refused)[2] == 0 and refused.headers["Retry-After"] == "1"
    time.sleep(int(refused.headers["Retry-After"]))
    api.get("/v1/regions")


def test_over_a_while_the_rate_is_kept(limited):
    api, begun = limited.client(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: api.request("GET", "/v1/regions").status, range(600)))
    allowed = 10 + 5 * (time.monotonic() - begun)
    assert set(answers) == {200, 429}
    assert allowed - 3 <= answers.count(200) <= allowed + 1


def test_what_is_refused_is_not_done(limited):
    api = limited.client()
    begun = api.post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"})
    wait_until(lambda: limited.sql("SELECT 1 FROM organization WHERE state = 'ACTIVE'"))  # asking the service has its price
    answers = []
    for number in range(40):
        answers.append(api.request("POST", f"/v1/organizations/{begun['organization_id']}/users", {"name": f"u{number}", "display_name": "U"}).status)
    made = limited.sql("SELECT count(*) FROM entity")[0][0]
    assert 429 in answers and made == answers.count(201)


def test_each_access_key_has_its_own_quota(limited):
    busy = limited.client()
    other = limited.client(limited.admin("create-iam-user", "--name", "other", "--policy", "AmazonWorkMailReadOnlyAccess"))
    wait_until(lambda: busy.request("GET", "/v1/regions").status == 429)
    assert told(other.get("/v1/regions"))[2] == 9


@pytest.mark.parametrize(**named(closed_routes()))
def test_every_operation_tells_what_is_left_whatever_it_answers(service, api, route):
    """Here the request fails, or finds nothing; after the credential, all of them are told."""
    answer = api.request(route["method"], fill(route["path"], NO_ORGANIZATION), headers={"If-Match": '"v9"'},
                         params={"validate_only": "true"} if route["method"] != "GET" else None,
                         **({"json_body": arguments_of(route)["json"]} if "json" in arguments_of(route) else {}))
    quota, window, remaining, _ = told(answer)
    assert (quota, window) == (10000, 10) and remaining < quota


def test_without_a_credential_nothing_is_told(service):
    for path, expect in (("/healthz", 200), ("/v1/regions", 401), ("/v1/nothing", 404)):
        answer = service.anonymous().get(path, expect=expect)
        assert "RateLimit" not in answer.headers and "RateLimit-Policy" not in answer.headers


def test_without_a_limit_nothing_is_told(make_service):
    answer = make_service("--rate-limit", 0).client().get("/v1/regions")
    assert "RateLimit" not in answer.headers and "RateLimit-Policy" not in answer.headers


def wrong(credential, number):
    return bearer({**credential, "secret_access_key": f"{number:040d}"})


def guess(client, credential, count):
    """Statuses of so many guesses."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda n: client.request("GET", "/v1/regions",
                                                      headers={"Authorization": wrong(credential, n)}).status, range(count)))


@pytest.fixture
def guarded(make_service):
    """A failure a second, over a minute."""
    return make_service("--failed-auth-limit", 1, "--metrics-listen", "127.0.0.1:0")


def test_guessing_is_stopped_and_the_owner_of_the_key_is_not(guarded):
    """The owner comes from the same address, and this process has not seen the key before."""
    made = guarded.admin("create-iam-user", "--name", "owner", "--policy", "AmazonWorkMailReadOnlyAccess")
    statuses = guess(guarded.anonymous(), made, 200)
    assert set(statuses) == {401, 429} and 60 <= statuses.count(401) < 75
    refused = guarded.anonymous().get("/v1/regions", expect="rate_limited", headers={"Authorization": wrong(made, 1)})
    assert int(refused.headers["Retry-After"]) >= 1
    for credential in (made, guarded.root):
        guarded.client(credential).get("/v1/regions")
    guarded.anonymous().get("/v1/regions", expect="unauthenticated")  # no credential is no guess
    scraper = Client(guarded.metrics_url)
    now = Metrics(scraper.request("GET", "/metrics").raw.decode())
    scraper.close()
    assert now.get("postreeve_authentication_failures_total") == 201
    assert now.get("postreeve_rate_limited_total", by="address") == statuses.count(429) + 1
    assert now.get("postreeve_rate_limited_total", by="access_key") == 0


def test_failures_of_one_address_do_not_count_for_another(guarded):
    """All of 127/8 is loopback: another source address."""
    assert 429 in guess(guarded.anonymous(), guarded.root, 100)
    elsewhere = http.client.HTTPConnection(*guarded.client().address, source_address=("127.0.0.9", 0))
    elsewhere.request("GET", "/v1/regions", headers={"Authorization": wrong(guarded.root, 1)})
    assert elsewhere.getresponse().status == 401
    elsewhere.close()


def test_guesses_are_forgiven_with_time(guarded):
    assert 429 in guess(guarded.anonymous(), guarded.root, 100)
    time.sleep(2.1)
    statuses = guess(guarded.anonymous(), guarded.root, 10)
    assert 1 <= statuses.count(401) <= 4


def test_without_a_limit_every_guess_is_only_wrong(make_service):
    service = make_service("--failed-auth-limit", 0)
    assert set(guess(service.anonymous(), service.root, 400)) == {401}


def test_malformed_credentials_count_too(guarded):
    client = guarded.anonymous()
    statuses = [client.request("GET", "/v1/regions", headers={"Authorization": f"Basic {unique()}"}).status
                for _ in range(100)]
    assert set(statuses) == {401, 429}
