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
KINDS = ("user", "group", "resource")
numbers = itertools.count(1)


def id_of(entity):
    """The id of a user, a group or a resource."""
    return next(entity[f"{kind}_id"] for kind in KINDS if f"{kind}_id" in entity)


def unique(prefix="t"):
    """A name that no other test and no other worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return f"{prefix}-{worker}-{next(numbers)}-{uuid.uuid4().hex[:8]}"


def unique_domain():
    """A domain that no other test and no other worker uses."""
    return unique("d") + ".example.org"


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


def work_beside_exchange(service, org):
    """As of an organization whose directory is that of an Exchange server, from now on."""
    service.sql("""UPDATE directory SET type = 'AD_CONNECTOR', connection = '{}', sync_status = 'FOLLOWING'
                   WHERE organization_id = %s AND type = 'WORKMAIL'""", org.id)
    (account_id,), = service.sql("SELECT account_id FROM organization WHERE organization_id = %s", org.id)
    return service.admin("enable-interoperability", "--organization", org.id, "--account", account_id)


class Organization:
    def __init__(self, api, organization_id):
        self.api, self.id = api, organization_id
        self.path = f"/v1/organizations/{organization_id}"
        self.users, self.groups, self.resources = (f"{self.path}/{kind}s" for kind in KINDS)
        self.flow_rules = f"{self.path}/flow-rules"
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

    def create_group(self, name=None, **members):
        """A new group, DISABLED, unless an address says otherwise."""
        return self.api.post(self.groups, json={"name": name or unique("g"), **members}).body

    def create_enabled_group(self, name=None, **members):
        name = name or unique("g")
        return self.create_group(name, **{"email": name, **members})

    def create_flow_rule(self, *patterns, action="DROP", name=None, **members):
        return self.api.post(self.flow_rules, json={"name": name or unique("rule"), "sender_patterns": list(patterns) or ["spam.test"],
                                                    "action": action, **members}).body

    def create_resource(self, name=None, **members):
        """A new room, ENABLED."""
        name = name or f"r{next(numbers)}"
        return self.api.post(self.resources, json={"name": name, "type": "ROOM", "email": name, **members}).body

    def create_disabled_resource(self, name=None):
        """As one is that was disabled until its addresses were purged."""
        resource = self.create_resource(name)
        return self.disable(resource).body

    def user(self, user, *parts):
        """The path of a user, or of a part of it."""
        return self.of(user if isinstance(user, dict) else {"user_id": user}, *parts)

    def of(self, entity, *parts):
        """The path of a user, a group or a resource, or of a part of it."""
        kind = next(kind for kind in KINDS if f"{kind}_id" in entity)
        return "/".join((f"{self.path}/{kind}s", id_of(entity)) + parts)

    def register_domain(self, domain=None, **members):
        """A new domain, PENDING: its name."""
        return self.api.post(self.path + "/domains", json={"domain": domain or unique_domain(), **members})["domain"]

    def own_domain(self, service, domain=None, **members):
        """The same, VERIFIED, as after its name servers have shown the proof."""
        domain = self.register_domain(domain, **members)
        service.sql("INSERT INTO verified_domain (domain, organization_id) VALUES (%s, %s)", domain, self.id)
        service.sql("""UPDATE mail_domain SET ownership_status = 'VERIFIED', verified_at = now(), next_check_at = NULL
                       WHERE organization_id = %s AND domain = %s""", self.id, domain)
        return domain

    def domain_path(self, domain, *parts):
        return "/".join((self.path, "domains", domain) + parts)

    def enable(self, entity, expect=200, **members):
        return self.api.post(self.of(entity, "enable"), expect=expect, **({"json": members} if members else {}))

    def disable(self, entity, expect=200):
        return self.api.post(self.of(entity, "disable"), expect=expect)

    def describe_user(self, user):
        return self.api.get(self.user(user)).body

    def look(self, entity):
        """The entity as it is now."""
        return self.api.get(self.of(entity)).body

    def aliases(self, entity):
        """All addresses of an entity; the primary one first."""
        items = self.api.items(self.of(entity, "aliases"))
        return [item["email"] for item in sorted(items, key=lambda item: (not item["is_primary"], item["email"]))]

    def add_member(self, group, member, expect=200):
        return self.api.put(self.of(group, "members", id_of(member)), expect=expect)

    def remove_member(self, group, member, expect=204):
        return self.api.delete(self.of(group, "members", id_of(member)), expect=expect)

    def members(self, group, **params):
        """The ids of all members."""
        return {item["member_id"] for item in self.api.items(self.of(group, "members"), **params)}
