"""A tenant to test with: creates it, waits for it, fills it."""
import itertools
import os
import uuid

from service import wait_until

PASSWORD = "Correct-horse-7"
# The steps of its workflows, and the transitions they cause.
SETUP = ["create_directory", "create_test_domain", "apply_defaults", "activate"]
STANDARD = ["import_directory", "create_test_domain", "apply_defaults", "activate"]
HEALTH = ["begin", "run_checks", "conclude"]
REMOVAL = ["remove_entities", "remove_settings", "release_directory", "finish"]
BORN = [(None, "REQUESTED"), ("REQUESTED", "CREATING"), ("CREATING", "ACTIVE")]
DIES = [("ACTIVE", "DELETING"), ("DELETING", "DELETED")]
numbers = itertools.count(1)


def unique(prefix="t"):
    """A name that no other test and no other worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return f"{prefix}-{worker}-{next(numbers)}-{uuid.uuid4().hex[:8]}"


def wait_operation(api, operation_id, seconds=30):
    """The operation once it is over."""
    def over():
        operation = api.get(f"/v1/operations/{operation_id}").body
        return operation["status"] in ("SUCCEEDED", "FAILED", "CANCELED") and operation
    return wait_until(over, seconds, 0.01, f"the end of operation {operation_id}")


def create_organization(api, alias=None, **members):
    """A new organization, ACTIVE."""
    begun = api.post("/v1/organizations", expect=202,
                     json={"alias": alias or unique(), "setup": "QUICK", **members})
    operation = wait_operation(api, begun["operation_id"])
    assert operation["status"] == "SUCCEEDED", operation
    return Organization(api, begun["organization_id"])


class Organization:
    def __init__(self, api, organization_id):
        self.api, self.id = api, organization_id
        self.path = f"/v1/organizations/{organization_id}"
        self.users = self.path + "/users"
        about = self.describe()
        self.alias, self.domain = about["alias"], about.get("default_domain")

    def describe(self):
        return self.api.get(self.path).body

    def transitions(self):
        return [(step.get("from"), step["to"]) for step in self.api.items(self.path + "/transitions")]

    def wait_state(self, state, seconds=30):
        return wait_until(lambda: self.describe()["state"] == state, seconds, what=f"state {state} of {self.alias}")

    def delete(self, expect=202, **params):
        return self.api.delete(self.path, expect=expect, params={"confirm": self.alias, **params})

    def remove(self, **params):
        """Deletes it and waits for the end of that."""
        operation = wait_operation(self.api, self.delete(**params)["operation_id"])
        assert operation["status"] == "SUCCEEDED", operation
        return operation

    def create_user(self, name=None, **members):
        """A new user without mailbox, DISABLED, unless a password says otherwise."""
        name = name or unique("u")
        return self.api.post(self.users, json={"name": name, "display_name": name.title(), **members}).body

    def create_enabled(self, name=None, **members):
        return self.create_user(name, password=PASSWORD, **members)

    def user(self, user, *parts):
        """The path of a user, or of a part of it."""
        user_id = user if isinstance(user, str) else user["user_id"]
        return "/".join((self.users, user_id) + parts)

    def enable(self, user, expect=200, **members):
        return self.api.post(self.user(user, "enable"), expect=expect, **({"json": members} if members else {}))

    def disable(self, user, expect=200):
        return self.api.post(self.user(user, "disable"), expect=expect)

    def describe_user(self, user):
        return self.api.get(self.user(user)).body

    def aliases(self, user):
        """All addresses of a user; the primary one first."""
        items = self.api.items(self.user(user, "aliases"))
        return [item["email"] for item in sorted(items, key=lambda item: (not item["is_primary"], item["email"]))]
