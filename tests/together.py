"""Several processes on one database, and callers that do not mind when one of them dies."""
import random
import threading
import time

import psycopg

from client import LOST, Client
from organization import PASSWORD, Organization, create_organization, unique
from service import wait_until

NOT_NOW = {"overloaded", "not_ready", "database_unavailable", "outcome_unknown", "idempotency_in_progress"}


class Together:
    """Processes on one database of another service's server."""

    def __init__(self, make_service, count=2, *options, host=None, address=None):
        self.host = host or make_service()
        self.host.sql("CREATE DATABASE shared")
        self.uri = f"{self.host.database_uri} dbname=shared"
        uri = f"{address} user=postreeve dbname=shared" if address else self.uri
        settings = ["--database", uri, "--root-key-file", self.host.state / "root-key", *options]
        self.services = [make_service(*settings, fresh=True) for _ in range(count)]
        self.root, self.connection = self.services[0].root, None
        self.services[0].allow_organizations(1000000)

    def __getitem__(self, number):
        return self.services[number]

    def client(self, number=0, credential=None):
        return self.services[number].client(credential or self.root)

    def clients(self):
        return [self.client(number) for number in range(len(self.services))]

    def sql(self, statement, *parameters):
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.uri, autocommit=True, application_name="tests")
        cursor = self.connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def is_there(self):
        """Whether the database takes connections and statements."""
        try:
            psycopg.connect(self.uri, connect_timeout=1).close()
        except psycopg.Error:
            return False
        return True


class Refusal:
    """A request that was not served, when it was sent and when that was answered."""

    def __init__(self, sent, answered, code):
        self.sent, self.answered, self.code = sent, answered, code


class Caller:
    """Sends each request to any process, and again until it knows what came of it."""

    def __init__(self, services, root, seed):
        self.services, self.root, self.random = services, root, random.Random(seed)
        self.open, self.refusals, self.keyed, self.lost = {}, [], 0, 0

    def client(self):
        service = self.random.choice(self.services)
        url = service.url
        if url not in self.open:
            self.open[url] = Client(url, self.root, timeout=30)
        return self.open[url]

    def close(self):
        for client in self.open.values():
            client.close()

    def send(self, method, target, json=None, *, done=(), seconds=60, headers=None, **params):
        """The answer: a success, or a problem whose code `done` has. Each POST has a key of its own."""
        headers = dict(headers or {})
        if method == "POST":
            headers["Idempotency-Key"] = unique("key")
        body = {} if json is None else {"json_body": json}
        deadline = time.monotonic() + seconds
        while True:
            sent = time.monotonic()
            assert sent < deadline, f"{method} {target} never got an answer"
            try:
                answer = self.client().request(method, target, headers=headers, params=params or None, **body)
            except LOST:
                self.lost += 1
                time.sleep(0.02)
                continue
            if answer.status < 400:
                self.keyed += method == "POST"
                return answer
            code = answer.check_problem()["code"]
            if code in done:
                return answer
            assert code in NOT_NOW, answer
            self.refusals.append(Refusal(sent, time.monotonic(), code))
            time.sleep(0.02)


class Owner(Caller):
    """Changes users and organizations that nobody else changes, and remembers what they must be."""

    def __init__(self, services, root, seed, org):
        super().__init__(services, root, seed)
        self.org, self.users, self.removed, self.operations, self.count = org, {}, 0, {}, 0

    def create(self):
        name = unique("u")
        new = {"name": name, "display_name": name}
        if self.random.random() < 0.05:
            new["password"] = PASSWORD
        user = self.send("POST", self.org.users, new).body
        assert user["user_id"] not in self.users
        self.users[user["user_id"]] = {"name": name, "city": None, "state": user["state"], "aliases": set(user["aliases"])}

    def act_on(self, user_id, user):
        path = self.org.user(user_id)
        choice = self.random.random()
        if choice < 0.4:
            user["city"] = unique("city")
            self.send("PATCH", path, {"city": user["city"]})
        elif choice < 0.5 and user["state"] == "DISABLED":
            self.send("POST", path + "/enable")
            user["state"] = "ENABLED"
        elif choice < 0.6 and user["state"] == "ENABLED":
            self.send("POST", path + "/disable")
            user["state"] = "DISABLED"
        elif choice < 0.7 and user["state"] == "ENABLED":
            user["aliases"].add(self.send("POST", path + "/aliases", {"email": unique("a")})["email"])
        elif choice < 0.75 and user["state"] == "DISABLED" and not user["aliases"]:
            self.send("DELETE", path, done={"user_not_found", "entity_state"})
            del self.users[user_id]
            self.removed += 1
        else:
            self.check(user_id, user)

    def check(self, user_id, user):
        found = self.send("GET", self.org.user(user_id))
        assert (found["name"], found.body.get("city"), found["state"]) == (user["name"], user["city"], user["state"]), found
        assert user["aliases"] <= set(found["aliases"]), found

    def work_long(self):
        begun = self.send("POST", "/v1/organizations", {"alias": unique(), "setup": "QUICK"},
                          headers={"Prefer": f"wait={self.random.randrange(3)}"})
        self.operations[begun["operation_id"]] = begun["organization_id"]
        if self.random.random() < 0.3:
            self.send("POST", begun.headers["Location"] + "/cancel", done={"operation_state"})
        elif begun["status"] == "SUCCEEDED" and self.random.random() < 0.3:
            path = f"/v1/organizations/{begun['organization_id']}"
            alias = self.send("GET", path)["alias"]
            self.send("DELETE", path, confirm=alias, done={"organization_state"})

    def act(self):
        if not self.users or self.random.random() < 0.3:
            self.create()
        elif self.random.random() < 0.05:
            self.work_long()
        else:
            self.act_on(*self.random.choice(list(self.users.items())))
        self.count += 1


class Load:
    """Owners that work until they are told to stop."""

    def __init__(self, together, owners=8):
        self.together, self.over = together, threading.Event()
        org = create_organization(together.client())
        self.org = Organization(together.client(), org.id)
        self.owners = [Owner(together.services, together.root, seed, org) for seed in range(owners)]
        self.faults = []
        self.threads = [threading.Thread(target=self.run, args=[owner]) for owner in self.owners]
        self.keyed_before = self.records()
        (self.begun,), = together.sql("SELECT now()")

    def records(self):
        return self.together.sql("SELECT count(*) FROM idempotency_record")[0][0]

    def run(self, owner):
        try:
            while not self.over.is_set():
                owner.act()
        except BaseException as fault:  # pylint: disable=broad-except
            self.faults.append(fault)
            self.over.set()
        finally:
            owner.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]

    def count(self):
        return sum(owner.count for owner in self.owners)

    def refusals(self):
        return [refusal for owner in self.owners for refusal in owner.refusals]

    def wait_for_the_end_of_all_work(self, seconds=40):
        wait_until(lambda: not self.together.sql("""SELECT 1 FROM operation WHERE status IN ('PENDING', 'RUNNING')
                                                    UNION ALL SELECT 1 FROM job WHERE state = 'RUNNING'
                                                    OR (state = 'PENDING' AND run_at <= now())"""),
                   seconds, 0.1, "the end of all operations")

    def check(self):
        """Nothing acknowledged is lost, nothing is doubled, no operation is stuck."""
        self.wait_for_the_end_of_all_work()
        for owner in self.owners:
            for user_id, user in owner.users.items():
                owner.check(user_id, user)
            owner.close()
        listed = {item["user_id"] for item in self.together.client().items(self.org.users, page_size=1000)}
        owned = [user_id for owner in self.owners for user_id in owner.users]
        assert len(owned) == len(set(owned)) and listed == set(owned)
        # Each success of a request with a key is kept once: what was sent twice was done once.
        assert self.records() - self.keyed_before == sum(owner.keyed for owner in self.owners)
        setups = {operation: organization for owner in self.owners for operation, organization in owner.operations.items()}
        found = self.together.sql("""SELECT operation_id::text, organization_id FROM operation
                                     WHERE operation = 'CreateOrganization' AND created_at > %s""", self.begun)
        assert dict(found) == setups and len(found) == len(setups)
        expected = {"SUCCEEDED": ("ACTIVE", "DELETED"), "CANCELED": ("FAILED",)}
        for status, state in self.together.sql("""SELECT o.status, r.state FROM operation o JOIN organization r
                                                  USING (organization_id) WHERE o.operation = 'CreateOrganization'"""):
            assert state in expected[status], (status, state)
