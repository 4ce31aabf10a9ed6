"""Master keys, the data keys that they wrap, and the root key above them."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from client import LOST
from organization import BORN, Organization, create_organization, unique, wait_operation
from service import BINARY, run_binary, wait_until
from shared_service import shared_service

UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def service(template, check):
    """A service whose secrets no other test has touched."""
    with shared_service(template, check) as own:
        yield own


def create_key(api, **members):
    return api.post("/v1/keys", json={"alias": unique("key"), **members}).body


def update(api, key, expect=200, **members):
    return api.patch(f"/v1/keys/{key['key_id']}", expect=expect, json=members)


def describe(api, key):
    return api.get(f"/v1/keys/{key['key_id']}").body


def default_key(api):
    (key,) = [item for item in api.items("/v1/keys") if item["origin"] == "DEFAULT"]
    return key


def rotated(api, key, seconds=30):
    """Waits until all organizations are under the new material."""
    return wait_until(lambda: not describe(api, key)["is_rotating"] and describe(api, key), seconds, what="the end of a rotation")


def data_key(service, organization):
    ((generation, wrapped),) = service.sql("SELECT generation, wrapped_key FROM data_key WHERE organization_id = %s",
                                           organization.id)
    return generation, bytes(wrapped)


def verify(service, expect=0):
    return service.admin("verify-secrets", expect=expect)


def unreadable(service):
    return {(row["table"], row["row"]) for row in verify(service, expect=1)["unreadable"]}


class Tool:
    """Seals and opens secrets of organizations, as features of the service do."""

    def __init__(self, service):
        self.process = subprocess.Popen([pathlib.Path(BINARY).parent / "tests/unit/secret_tool", f"{service.database_uri} dbname=postreeve",
                                         (service.state / "root-key").read_text().strip()],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def seal(self, organization, row, text):
        answer = self.ask("seal", organization.id, row, text)
        assert answer.startswith("ok "), answer
        return answer[3:]

    def open(self, organization, row, sealed):
        return self.ask("open", organization.id, row, sealed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


# Keys


def test_each_account_has_one_default_key_from_the_start(service, api):
    key = default_key(api)
    assert key["status"] == "ENABLED" and not key["is_rotating"] and "rotated_at" not in key
    other = service.client(service.admin("create-account", "--name", "keys"))
    assert default_key(other)["key_id"] != key["key_id"]
    assert [item["origin"] for item in other.items("/v1/keys")] == ["DEFAULT"]


def test_custom_key_is_made_named_and_found(api):
    made = api.post("/v1/keys", json={"alias": unique("key"), "description": "For ours"})
    key = made.body
    assert made.headers["Location"] == f"/v1/keys/{key['key_id']}" and key["origin"] == "CUSTOM"
    assert api.get(made.headers["Location"]).body == key
    assert api.get("/v1/keys", params={"alias": key["alias"]})["items"] == [key]
    changed = update(api, key, description=None, alias=unique("key"))
    assert "description" not in changed.body and changed["alias"] != key["alias"]
    assert "alias" not in api.post("/v1/keys").body


@pytest.mark.parametrize("body,fault", [
    ({"alias": ""}, "/alias too_short"), ({"alias": "x" * 65}, "/alias too_long"), ({"alias": "a b"}, "/alias invalid_format"),
    ({"status": "DISABLED"}, "/status unknown_member"), ({"rotate": True}, "/rotate unknown_member"),
    ({"key_id": UUID}, "/key_id unknown_member"), ({"description": "x" * 257}, "/description too_long")])
def test_key_that_cannot_be_is_not_made(api, body, fault):
    assert api.post("/v1/keys", expect="validation_failed", json=body).faults == {fault}


@pytest.mark.parametrize("body,fault", [
    ({"status": "GONE"}, "/status invalid_value"), ({"status": None}, "/status not_nullable"), ({"origin": "DEFAULT"}, "/origin read_only"),
    ({"rotate": "yes"}, "/rotate wrong_type"), ({"is_rotating": False}, "/is_rotating read_only")])
def test_change_of_a_key_that_cannot_be_is_refused(api, body, fault):
    key = create_key(api)
    assert update(api, key, expect="validation_failed", **body).faults == {fault}
    assert describe(api, key) == key


def test_alias_of_another_key_is_taken(api):
    one, other = create_key(api), create_key(api)
    api.post("/v1/keys", expect="alias_taken", json={"alias": one["alias"]})
    update(api, other, expect="alias_taken", alias=one["alias"])


def test_number_of_custom_keys_is_limited(service):
    account = service.admin("create-account", "--name", "keys")
    caller = service.client(account)
    service.admin("set-limit", "--account", account["account_id"], "--limit", "custom_keys", "--value", "1")
    create_key(caller)
    caller.post("/v1/keys", expect="limit_exceeded", json={})


@pytest.mark.parametrize("key_id", [UUID, "x", "d-0123456789"])
def test_key_that_is_not_there_is_not_found(api, key_id):
    api.get(f"/v1/keys/{key_id}", expect="key_not_found")
    api.patch(f"/v1/keys/{key_id}", expect="key_not_found", json={})


def test_material_is_never_shown(service, api):
    key = create_key(api)
    answers = api.get(f"/v1/keys/{key['key_id']}").raw + api.get("/v1/keys").raw
    assert b"material" not in answers and b"sealed" not in answers


# Organizations under keys


def test_organization_is_under_the_default_key_or_the_one_it_names(service, api):
    assert create_organization(api).describe()["key_id"] == default_key(api)["key_id"]
    key = create_key(api)
    organization = create_organization(api, key_id=key["key_id"])
    assert organization.describe()["key_id"] == key["key_id"]
    assert service.sql("SELECT key_id::text FROM data_key WHERE organization_id = %s", organization.id) == [(key["key_id"],)]
    verify(service)


def test_standard_setup_takes_the_key_it_names_too(service, api):
    first, key = create_organization(api), create_key(api)
    directory = first.describe()["directory_id"]
    first.remove()
    organization = create_organization(api, setup="STANDARD", directory_id=directory, key_id=key["key_id"])
    assert organization.describe()["key_id"] == key["key_id"] and data_key(service, organization)[0] == 1
    verify(service)


def test_key_of_nobody_or_of_another_account_is_named_in_vain(service, api):
    other = default_key(service.client(service.admin("create-account", "--name", "keys")))
    for key_id, fault in ((UUID, "/key_id invalid_value"), (other["key_id"], "/key_id invalid_value"), ("x" * 36, "/key_id invalid_format")):
        answer = api.post("/v1/organizations", expect="validation_failed", json={"alias": unique(), "setup": "QUICK", "key_id": key_id})
        assert answer.faults == {fault}


def test_under_a_disabled_key_no_organization_is_made_and_no_rotation_begins(api):
    key = create_key(api)
    assert update(api, key, status="DISABLED")["status"] == "DISABLED"
    api.post("/v1/organizations", expect="key_state", json={"alias": unique(), "setup": "QUICK", "key_id": key["key_id"]})
    update(api, key, expect="key_state", rotate=True)
    update(api, key, expect="key_state", rotate=True, status="DISABLED")
    assert update(api, key, status="ENABLED", rotate=True)["rotated_at"]
    create_organization(api, key_id=key["key_id"])


def test_setup_under_a_key_that_was_disabled_meanwhile_fails_with_the_reason(service, api):
    key = create_key(api)
    with service.db().transaction():
        # The workers of this one service wait here, so that the set-up has not come to its key yet.
        service.sql("LOCK TABLE mobile_policy IN ACCESS EXCLUSIVE MODE")
        accepted = api.post("/v1/organizations", expect=202,
                            json={"alias": unique(), "setup": "QUICK", "key_id": key["key_id"]})
        update(api, key, status="DISABLED")
    operation = wait_operation(api, accepted["operation_id"])
    assert operation["status"] == "FAILED" and f"{key['key_id']} is DISABLED" in operation["error"]
    update(api, key, status="ENABLED")
    organization = Organization(api, accepted["organization_id"])
    again = api.post(organization.path + "/retry", expect=202)
    assert wait_operation(api, again["operation_id"])["status"] == "SUCCEEDED"


def test_data_key_goes_with_its_organization(service, api):
    organization = create_organization(api)
    organization.remove()
    assert service.sql("SELECT * FROM data_key WHERE organization_id = %s", organization.id) == []


def test_disabling_a_key_impairs_the_organizations_under_it_and_enabling_it_heals_them(api):
    key = create_key(api)
    under, other = [create_organization(api, key_id=key["key_id"]) for _ in range(2)], create_organization(api)
    update(api, key, status="DISABLED")
    for organization in under:
        about = organization.wait_state("IMPAIRED") and organization.describe()
        assert f"{key['key_id']} of the organization is disabled" in about["state_reason"]
        (issue,) = api.get(organization.path + "/health")["issues"]
        assert (issue["code"], issue["subject"]) == ("key_disabled", key["key_id"])
        organization.create_enabled()  # it serves all the same
    assert other.describe()["state"] == "ACTIVE" and other.transitions() == BORN
    update(api, key, description="nothing of interest")
    update(api, key, status="ENABLED")
    for organization in under:
        organization.wait_state("ACTIVE")
        assert "state_reason" not in organization.describe()


def test_organization_that_is_switched_off_is_not_checked_when_its_key_is_disabled(api):
    key = create_key(api)
    organization = create_organization(api, key_id=key["key_id"])
    api.post(organization.path + "/deactivate", expect=200)
    before = organization.transitions()
    update(api, key, status="DISABLED")
    time.sleep(0.3)
    assert organization.transitions() == before


# Secrets of organizations


def test_secret_opens_where_it_was_sealed_and_nowhere_else(service, api):
    one, other = create_organization(api), create_organization(api)
    with Tool(service) as tool:
        sealed, again = tool.seal(one, "table/1", "horse"), tool.seal(one, "table/1", "horse")
        assert sealed != again and b"horse".hex() not in sealed
        assert tool.open(one, "table/1", sealed) == tool.open(one, "table/1", again) == "ok horse"
        for organization, row, column in ((one, "table/2", sealed), (one, "table", sealed), (other, "table/1", sealed),
                                          (one, "table/1", sealed[:-2] + ("00" if sealed[-2:] != "00" else "01")),
                                          (one, "table/1", sealed[:-2]), (one, "table/1", "\\x"), (one, "data_key", sealed)):
            assert tool.open(organization, row, column) == "internal_error"


def test_secret_outlives_rotations_and_is_of_no_use_while_the_key_is_disabled(service, api):
    key = create_key(api)
    organization = create_organization(api, key_id=key["key_id"])
    with Tool(service) as tool:
        sealed = tool.seal(organization, "row", "horse")
        for _ in range(2):
            update(api, key, rotate=True)
            assert tool.open(organization, "row", sealed) == "ok horse"
            rotated(api, key)
            assert tool.open(organization, "row", sealed) == "ok horse"
        update(api, key, status="DISABLED")
        assert tool.open(organization, "row", sealed) == tool.ask("seal", organization.id, "row", "x") == "key_state"
        update(api, key, status="ENABLED")
        assert tool.open(organization, "row", sealed) == "ok horse"


def test_secret_of_an_organization_without_a_data_key_waits_or_is_lost(service, api):
    organization = create_organization(api)
    with Tool(service) as tool:
        sealed = tool.seal(organization, "row", "horse")
        organization.remove()
        assert tool.open(organization, "row", sealed) == "not_ready"


# Rotation


def test_rotation_wraps_data_keys_anew_and_former_material_goes(service, api):
    key = create_key(api)
    organizations = [create_organization(api, key_id=key["key_id"]) for _ in range(3)]
    before = [data_key(service, organization) for organization in organizations]
    assert update(api, key, rotate=True)["rotated_at"]
    rotated(api, key)
    after = [data_key(service, organization) for organization in organizations]
    assert [generation for generation, _ in before] == [1] * 3 and [generation for generation, _ in after] == [2] * 3
    assert not {wrapped for _, wrapped in before} & {wrapped for _, wrapped in after}
    assert service.sql("SELECT generation FROM master_key_material WHERE key_id = %s", key["key_id"]) == [(2,)]
    verify(service)


def test_changes_of_a_key_and_what_follows_from_them_are_told_without_material(service, api):
    key = create_key(api)
    organization = create_organization(api, key_id=key["key_id"])
    disabled = update(api, key, status="DISABLED").body
    enabled = update(api, key, status="ENABLED").body
    rotation = update(api, key, rotate=True).body
    rotated(api, key)
    told = [event for event in api.items("/v1/audit-events", order_by="at") if event["target"] == f"/v1/keys/{key['key_id']}"]
    assert [(event["action"], event["changes"]) for event in told] == [
        ("kms:CreateKey", {"after": key}), ("kms:UpdateKey", {"before": key, "after": disabled}),
        ("kms:UpdateKey", {"before": disabled, "after": enabled}), ("kms:UpdateKey", {"before": enabled, "after": rotation})]
    event, = api.items(organization.path + "/audit-events", action="service:WrapDataKey")
    assert event["actor"]["kind"] == "SERVICE" and event["target"] == organization.path
    assert event["changes"] == {"after": {"key_id": key["key_id"], "generation": 2}}


def test_key_without_organizations_is_rotated_at_once(service, api):
    key = create_key(api)
    for _ in range(3):
        assert update(api, key, rotate=True)["is_rotating"] is False
    assert service.sql("SELECT generation FROM master_key_material WHERE key_id = %s", key["key_id"]) == [(4,)]


def test_rotation_that_a_disabled_key_held_up_goes_on_when_it_is_enabled(service, api):
    key = create_key(api)
    organization = create_organization(api, key_id=key["key_id"])
    with service.db().transaction():
        # Whoever wraps waits until the key is disabled.
        service.sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7264))", organization.id)
        update(api, key, rotate=True)
        update(api, key, status="DISABLED")
    wait_until(lambda: not service.sql("""SELECT * FROM job WHERE kind = 'data_key' AND organization_id = %s
                                          AND state IN ('PENDING', 'RUNNING')""", organization.id), what="the end of the job")
    assert describe(api, key)["is_rotating"] and data_key(service, organization)[0] == 1
    update(api, key, status="ENABLED")
    rotated(api, key)
    assert data_key(service, organization)[0] == 2


def test_removing_the_last_organization_of_a_rotation_ends_it(service, api):
    key = create_key(api)
    organization = create_organization(api, key_id=key["key_id"])
    service.sql("UPDATE master_key SET status = 'ENABLED' WHERE key_id = %s", key["key_id"])
    with service.db().transaction():
        service.sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7264))", organization.id)
        update(api, key, rotate=True)
        update(api, key, status="DISABLED")
    organization.remove()
    assert not describe(api, key)["is_rotating"]
    assert service.sql("SELECT generation FROM master_key_material WHERE key_id = %s", key["key_id"]) == [(2,)]


def test_organization_that_is_older_than_keys_gets_one(service, api, org):
    service.sql("DELETE FROM data_key WHERE organization_id = %s", org.id)
    service.sql("UPDATE organization SET key_id = NULL WHERE organization_id = %s", org.id)
    service.sql("INSERT INTO job (kind, organization_id) VALUES ('data_key', %s)", org.id)
    wait_until(lambda: "key_id" in org.describe(), what="the organization's key")
    assert org.describe()["key_id"] == default_key(api)["key_id"] and data_key(service, org)[0] == 1
    verify(service)


def test_account_that_is_older_than_keys_gets_its_default_key_with_the_next_organization(service):
    account = service.admin("create-account", "--name", "keys", "--trial", "false")
    caller = service.client(account)
    service.sql("DELETE FROM master_key_material WHERE account_id = %s", account["account_id"])
    service.sql("DELETE FROM master_key WHERE account_id = %s", account["account_id"])
    service.allow_organizations(8, account["account_id"])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        organizations = list(pool.map(lambda _: create_organization(caller), range(8)))
    key = default_key(caller)
    assert {organization.describe()["key_id"] for organization in organizations} == {key["key_id"]}


def run_under_load(service, api, seconds, rate):
    """Rotates keys all the while; every request must succeed, and every secret stay readable."""
    keys = [default_key(api), create_key(api)]
    organizations = [create_organization(api, key_id=keys[i % 2]["key_id"]) for i in range(8)]
    users = [organization.create_user() for organization in organizations]
    end, failures, sent = time.monotonic() + seconds, [], []
    threads = 8

    def request(i):
        organization, user = organizations[i % 8], users[i % 8]
        kind = i % 10
        if kind == 0:
            return api.request("POST", organization.users, {"name": unique("u"), "display_name": "x"}), 201
        if kind == 1:
            return api.request("PATCH", organization.user(user), {"city": str(i)}), 200
        if kind == 2:
            return api.request("GET", f"/v1/keys/{keys[i % 2]['key_id']}"), 200
        if kind == 3 and i % 40 == 3:
            return api.request("POST", "/v1/organizations", {"alias": unique(), "setup": "QUICK", "key_id": keys[i % 2]["key_id"]}), 202
        return api.request("GET", organization.path), 200

    def send(thread):
        begun, i = time.monotonic(), 0
        while time.monotonic() < end:
            time.sleep(max(0, begun + i * threads / rate - time.monotonic()))
            try:
                answer, expected = request(i * threads + thread)
                if answer.status != expected:
                    failures.append(repr(answer))
            except LOST as error:
                failures.append(repr(error))
            sent.append(i)
            i += 1

    def use_secrets():
        with Tool(service) as tool:
            sealed = [tool.seal(organization, "row", "horse") for organization in organizations]
            uses = 0
            while time.monotonic() < end:
                organization = organizations[uses % 8]
                for column in (sealed[uses % 8], tool.seal(organization, "row", "horse")):
                    if (answer := tool.open(organization, "row", column)) != "ok horse":
                        failures.append(answer)
                uses += 1
            return uses

    rotations, checks = 0, 0
    with concurrent.futures.ThreadPoolExecutor(threads + 1) as pool:
        senders = [pool.submit(send, thread) for thread in range(threads)]
        user = pool.submit(use_secrets)
        while time.monotonic() < end:
            for key in keys:
                update(api, key, rotate=True)
                rotations += 1
            verify(service)
            checks += 1
        for sender in senders:
            sender.result()
        assert user.result() > 100
    for key in keys:
        rotated(api, key)
    verify(service)
    assert failures == []
    for operation in api.items("/v1/operations", status="FAILED"):
        assert False, operation
    return len(sent), rotations, checks


def test_keys_are_rotated_under_load_and_no_request_fails(fresh_service):
    fresh_service.allow_organizations(100000)
    sent, rotations, checks = run_under_load(fresh_service, fresh_service.client(), 3, 200)
    assert sent > 300 and rotations >= 4 and checks >= 2


@pytest.mark.long
def test_keys_are_rotated_for_long_under_200_requests_a_second_and_no_request_fails(fresh_service):
    fresh_service.allow_organizations(100000)
    sent, rotations, checks = run_under_load(fresh_service, fresh_service.client(), 60, 200)
    assert sent > 60 * 200 * 0.9 and rotations > 50, (sent, rotations, checks)


def test_killed_in_the_midst_of_a_rotation_it_goes_on(fresh_service):
    fresh_service.allow_organizations(100)
    api = fresh_service.client()
    key = create_key(api)
    organizations = [create_organization(api, key_id=key["key_id"]) for _ in range(4)]
    fresh_service.restart(env={"POSTREEVE_FAULT": "data_key.wrap.before_commit"})
    try:
        fresh_service.client().patch(f"/v1/keys/{key['key_id']}", json={"rotate": True})
    except LOST:
        pass  # the worker was quicker than the answer
    fresh_service.wait_killed()
    api = fresh_service.start().client()
    rotated(api, key)
    assert {data_key(fresh_service, organization)[0] for organization in organizations} == {2}
    verify(fresh_service)


# Sealed values belong to their row


def swap(service, table, column, where, one, other):
    """Exchanges a column of two rows; gives back what undoes it."""
    for _ in range(2):
        yield service.sql(f"""UPDATE {table} t SET {column} = o.{column} FROM {table} o
                              WHERE t.{where} IN (%s, %s) AND o.{where} IN (%s, %s) AND t.{where} <> o.{where}""",
                          one, other, one, other)


def test_secret_of_an_access_key_does_not_open_in_another_row(service):
    account = service.root["account_id"]
    one, other = (service.admin("create-iam-user", "--account", account, "--name", unique("iam"), "--policy",
                                "AmazonWorkMailReadOnlyAccess") for _ in range(2))
    swapped = swap(service, "access_key", "sealed_secret", "access_key_id", one["access_key_id"], other["access_key_id"])
    next(swapped)
    try:
        assert {("access_key", one["access_key_id"]), ("access_key", other["access_key_id"])} <= unreadable(service)
    finally:
        next(swapped)
    service.client(one).get("/v1/regions")
    verify(service)


def test_data_key_and_material_do_not_open_in_another_row(service, api):
    keys = [create_key(api) for _ in range(2)]
    one, other = (create_organization(api, key_id=key["key_id"]) for key in keys)
    same = create_organization(api, key_id=keys[0]["key_id"])
    for column in ("wrapped_key", "sealed_probe"):
        for second in (other, same):  # under another key, and under the same one
            swapped = swap(service, "data_key", column, "organization_id", one.id, second.id)
            next(swapped)
            assert unreadable(service) == {("data_key", one.id), ("data_key", second.id)}
            next(swapped)
    swapped = swap(service, "master_key_material", "sealed_material", "key_id", keys[0]["key_id"], keys[1]["key_id"])
    next(swapped)
    found = unreadable(service)
    assert {table for table, _ in found} == {"master_key_material", "data_key"} and len(found) == 5
    next(swapped)
    verify(service)


def test_altered_byte_is_noticed(service, api, org):
    flip = "UPDATE data_key SET wrapped_key = set_byte(wrapped_key, 20, get_byte(wrapped_key, 20) # 1) WHERE organization_id = %s"
    service.sql(flip, org.id)
    assert unreadable(service) == {("data_key", org.id)}
    service.sql(flip, org.id)
    verify(service)


# The root key

ROOT_KEY = "5a" * 32


def start_refused(service, words, env=None, *options):
    """Tries to start on the state folder; how it was refused."""
    result = run_binary("serve", "--listen", "127.0.0.1:0", "--state-dir", service.state, *options, env=env)
    assert result.returncode in (1, 2) and words in result.stderr, result
    assert ROOT_KEY not in result.stderr
    return result.returncode


def test_root_key_from_the_environment_makes_no_file_and_stays_in_no_environment(make_service):
    service = make_service(fresh=True, env={"POSTREEVE_ROOT_KEY": ROOT_KEY})
    assert not (service.state / "root-key").exists()
    service.client().get("/v1/account")
    for pid in (service.process.pid, service.postmaster()):
        with open(f"/proc/{pid}/environ", "rb") as environ:
            assert ROOT_KEY.encode() not in environ.read()
    assert ROOT_KEY not in service.log()
    service.restart()
    service.client().get("/v1/account")


def test_root_key_from_a_credential_of_systemd(make_service, folder):
    path = folder / "root-key"
    path.write_text(ROOT_KEY + "\n")
    path.chmod(0o444)  # systemd keeps others away by the folder
    service = make_service(fresh=True, env={"CREDENTIALS_DIRECTORY": str(folder)})
    assert not (service.state / "root-key").exists()
    service.restart()
    service.stop()
    path.unlink()
    path.write_text("nonsense")
    path.chmod(0o444)
    assert start_refused(service, "64 hexadecimal digits", {"CREDENTIALS_DIRECTORY": str(folder)}) == 2
    path.unlink()
    start_refused(service, "is not the one", {"CREDENTIALS_DIRECTORY": str(folder)})  # it made one in the state folder
    service.restart(env={"POSTREEVE_ROOT_KEY": ROOT_KEY})  # the same key by another way
    service.client().get("/v1/account")


@pytest.mark.parametrize("value", ["", "5a", "5a" * 31 + "xx", "5a" * 33])
def test_root_key_of_the_environment_that_is_none_is_refused(make_service, value):
    service = make_service(start=False)
    assert start_refused(service, "POSTREEVE_ROOT_KEY is not 64 hexadecimal digits", {"POSTREEVE_ROOT_KEY": value}) == 2


def test_wrong_root_key_is_refused_from_wherever_it_comes(make_service, folder):
    service = make_service()
    service.stop()
    start_refused(service, "is not the one", {"POSTREEVE_ROOT_KEY": ROOT_KEY})
    path = folder / "root-key"
    path.write_text(ROOT_KEY + "\n")
    path.chmod(0o400)
    if os.geteuid() == 0:
        shutil.chown(path, "postreeve")
    start_refused(service, "is not the one", None, "--root-key-file", str(path))
    start_refused(service, "is not the one", {"CREDENTIALS_DIRECTORY": str(folder)})
    assert start_refused(service, "not both", {"POSTREEVE_ROOT_KEY": ROOT_KEY}, "--root-key-file", str(path)) == 2
    service.start()
    service.client().get("/v1/account")
    verify(service)
