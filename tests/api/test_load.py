"""Under load for a while: progress on every connection, no error, nothing contradictory afterwards."""
import concurrent.futures
import os
import random
import time

import pytest

from checks import check_consistency
from load import busy_connections
from organization import create_organization, unique, wait_operation
from raw_http import Connection

SECONDS = float(os.environ.get("POSTREEVE_LOAD_SECONDS", "60"))
# The thread sanitizer makes all ten times slower.
PATIENCE = 5 if "/tsan/" in os.environ.get("POSTREEVE_BINARY", "") else 1
pytestmark = [pytest.mark.load, pytest.mark.long]


def raw_get(api, target):
    with Connection(api) as connection:
        return connection.head("GET", target).encode()


@pytest.mark.parametrize("target", ["/healthz", "user"])
@pytest.mark.parametrize("count", [127, 128, 129, 256, 1000])
def test_every_busy_connection_makes_progress(make_service, count, target):
    api = make_service("--rate-limit", 0).client()
    org = create_organization(api)
    target = org.user(org.create_user()) if target == "user" else target
    request = raw_get(api, target)
    few = busy_connections(api.address, request, 32, 2)
    many = busy_connections(api.address, request, count, 4)
    assert not sum(lane.bad for lane in few + many)
    slowest = max(lane.longest_wait for lane in many)
    assert slowest < 2 * PATIENCE, f"a connection waited {slowest:.2f} s"
    rate = [sum(lane.answers for lane in lanes) / seconds for lanes, seconds in ((few, 2), (many, 4))]
    assert rate[1] > 0.6 * rate[0], f"{rate[1]:.0f} answers per second at {count}, {rate[0]:.0f} at 32"


def test_hashing_passwords_delays_nobody(api, org):
    user, stop = org.create_enabled(), time.monotonic() + 5
    times = []

    def hash_on(_):
        while time.monotonic() < stop:
            api.post(org.user(user, "reset-password"), expect=204, json={"password": "Correct-horse-7"})
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        work = [pool.submit(hash_on, number) for number in range(32)]
        while time.monotonic() < stop:
            begun = time.monotonic()
            org.describe_user(user)
            times.append(time.monotonic() - begun)
        for each in work:
            each.result()
    times.sort()
    assert times[int(len(times) * 0.9)] < 0.25, f"p90 {times[int(len(times) * 0.9)]:.3f} s"


class Caller:
    """Does what callers do, at random, in organizations that all callers share."""

    def __init__(self, api, organizations, seed):
        self.api, self.organizations, self.random = api, organizations, random.Random(seed)
        self.done = 0

    def any_user(self, organization):
        users = self.api.get(organization.users, params={"page_size": 20, "order_by": "-created_at"})["items"]
        return self.random.choice(users)["user_id"] if users else None

    def act(self):
        organization = self.random.choice(self.organizations)
        user = self.any_user(organization)
        if user is None or self.random.random() < 0.2:
            return self.api.request("POST", organization.users, {"name": f"u{self.random.randrange(500)}",
                                                                 "display_name": "Loaded"})
        if self.random.random() < 0.01:
            return self.live_and_die()
        at = organization.user
        return self.random.choice([
            lambda: self.api.request("GET", at(user)),
            lambda: self.api.request("GET", organization.users, params={"q": f"u{self.random.randrange(99)}"}),
            lambda: self.api.request("PATCH", at(user), {"city": unique()}),
            lambda: self.api.request("POST", at(user, "enable")),
            lambda: self.api.request("POST", at(user, "disable")),
            lambda: self.api.request("DELETE", at(user)),
            lambda: self.api.request("POST", at(user, "aliases"), {"email": f"a{self.random.randrange(300)}"}),
            lambda: self.api.request("PUT", at(user, "primary-email"), {"email": f"a{self.random.randrange(300)}"}),
            lambda: self.api.request("POST", at(user, "reset-password"), {"password": "Correct-horse-7"}),
        ])()

    def live_and_die(self):
        organization = create_organization(self.api)
        organization.create_enabled()
        answer = organization.delete(force="true")
        wait_operation(self.api, answer["operation_id"])
        return answer

    def run(self, end):
        while time.monotonic() < end:
            answer = self.act()
            assert answer.status < 500 and answer.status != 400, answer
            self.done += 1
        return self.done


def test_mixed_load_ends_without_an_error_and_consistent(service, api):
    api.check = None  # the load is on the service, not on the checking of its answers
    organizations = [create_organization(api) for _ in range(4)]
    end = time.monotonic() + SECONDS
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        done = list(pool.map(lambda seed: Caller(api, organizations, seed).run(end), range(24)))
    assert min(done) > SECONDS / 4, f"requests of each caller: {done}"
    check_consistency(service)
