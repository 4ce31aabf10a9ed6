"""Many callers that add, move and delete members, aliases, devices and whole entities at random: afterwards every invariant holds."""
import collections
import concurrent.futures
import os
import random
import time

import pytest

from checks import check_consistency
from devices import POLICY
from organization import create_organization, id_of, unique

ALLOWED = {200, 201, 204, 400, 404, 409}  # 400: a delegate that was deleted meanwhile


class Crowd:
    """One caller: what it does is random, and all share the same entities and addresses."""

    def __init__(self, org, seed, shared):
        self.org, self.api, self.choice, self.shared = org, org.api, random.Random(seed), shared

    def any(self, *kinds):
        return self.choice.choice([entity for kind in kinds for entity in self.shared[kind]])

    def address(self):
        return f"shared{self.choice.randrange(30)}"

    def act(self):
        org, pick = self.org, self.choice
        kind = pick.choice(["users", "users", "groups", "groups", "resources"])
        entity, group, resource = self.any(kind), self.any("groups"), self.any("resources")
        return pick.choice([
            *[lambda: self.api.request("PUT", org.of(group, "members", id_of(self.any("users", "groups"))))] * 4,
            *[lambda: self.api.request("DELETE", org.of(group, "members", id_of(self.any("users", "groups"))))] * 2,
            lambda: self.api.request("POST", org.of(entity, "aliases"), {"email": self.address()}),
            lambda: self.api.request("DELETE", org.of(entity, "aliases", f"{self.address()}@{org.domain}")),
            lambda: self.api.request("PUT", org.of(entity, "primary-email"), {"email": self.address()}),
            lambda: self.api.request("POST", org.of(entity, "enable"), {"email": self.address()}),
            lambda: self.api.request("POST", org.of(entity, "disable")),
            lambda: self.api.request("PATCH", org.of(group), {"description": unique()}),
            lambda: self.api.request("PUT", org.of(resource, "delegates", id_of(self.any("users", "groups")))),
            lambda: self.api.request("DELETE", org.of(resource, "delegates", id_of(self.any("users", "groups")))),
            lambda: self.api.request("PUT", org.of(resource, "booking-options"), {
                "auto_accept_requests": pick.random() < 0.3, "auto_decline_recurring_requests": False,
                "auto_decline_conflicting_requests": True}),
            lambda: self.api.request("PATCH", org.of(resource), {
                "delegate_ids": [id_of(self.any("users", "groups")) for _ in range(2)],
                "booking_options": {"auto_accept_requests": False}}),
            *[lambda: self.act_on_device()] * 4,
            lambda: self.api.request("PUT", org.path + "/mobile-policy", {**POLICY, "password_history": pick.randrange(50)}),
            lambda: self.move(group),
            lambda: self.several(kind),
            lambda: self.replace(kind),
            lambda: self.api.request("GET", org.of(group, "members"), params={"effective": "true"}),
            lambda: self.api.request("GET", org.of(entity, "groups"), params={"effective": "true"}),
        ])()

    def act_on_device(self):
        """What its gateway or an administrator asks of one of a few devices."""
        path, pick = self.org.of(self.any("users"), "devices", f"device{self.choice.randrange(3)}"), self.choice
        action = pick.choice(["sync", "sync", "provision", "wipe", "wiped", "cancel-wipe", "ask", "remove"])
        if action == "remove":
            return self.api.request("DELETE", path)
        if action in ("sync", "provision"):
            answer = self.api.request("PUT", path, {"os": f"os {pick.randrange(3)}"})
            if action == "sync" or answer.status >= 400:
                return answer
            return self.api.request("POST", path + "/acknowledge", {"acknowledged": "PROVISION", "policy_key": answer["policy_key"]})
        if action == "wiped":
            return self.api.request("POST", path + "/acknowledge", {"acknowledged": "WIPE"})
        return self.api.request("POST", f"{path}/{'provision' if action == 'ask' else action}")

    def move(self, group):
        """A member of one group into another."""
        member = id_of(self.any("users", "groups"))
        answer = self.api.request("DELETE", self.org.of(group, "members", member))
        assert answer.status in ALLOWED, answer
        return self.api.request("PUT", self.org.of(self.any("groups"), "members", member))

    def several(self, kind):
        ids = [id_of(self.any(kind)) for _ in range(3)]
        action = "remove" if kind == "resources" else self.choice.choice(["enable", "disable"])
        return self.api.request("POST", f"{self.org.path}/{kind}/{action}", {"ids": ids})

    def replace(self, kind):
        """Deletes one and makes another in its place."""
        place = self.choice.randrange(len(self.shared[kind]))
        answer = self.api.request("DELETE", self.org.of(self.shared[kind][place]))
        if answer.status == 204:
            make = {"users": self.org.create_user, "groups": self.org.create_group, "resources": self.org.create_resource}
            self.shared[kind][place] = make[kind]()
        return answer


def run(service, callers, seconds):
    org = create_organization(service.client())
    shared = {"users": [org.create_user() for _ in range(30)], "groups": [org.create_group() for _ in range(15)],
              "resources": [org.create_resource() for _ in range(6)]}
    until = time.monotonic() + seconds

    def call(seed):
        crowd, seen = Crowd(org, seed, shared), collections.Counter()
        while time.monotonic() < until:
            answer = crowd.act()
            assert answer.status in ALLOWED, answer
            seen[answer.method, answer.status] += 1
        return seen
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        seen = sum(pool.map(call, range(callers)), collections.Counter())
    check_consistency(service)
    time.sleep(1.5)  # sessions tell what they did once they are idle for a second
    assert service.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    return seen


@pytest.mark.parametrize("retention", ["2592000", "1"], ids=["", "purged at once"])
def test_short_crowd_keeps_every_invariant(make_service, retention):
    seen = run(make_service("--rate-limit", 0, "--mailbox-retention", retention), 24, 4)
    assert all(seen[what] for what in (("PUT", 200), ("PUT", 409), ("POST", 201), ("DELETE", 204))), seen


@pytest.mark.long
def test_hundred_callers_keep_every_invariant_for_a_minute(make_service):
    seen = run(make_service("--rate-limit", 0), 100, int(os.environ.get("POSTREEVE_LOAD_SECONDS", "60")))
    assert seen.total() > 1000, seen
