"""Starting, refusing to start, and ending."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time

import psycopg
import pytest

from organization import create_organization, unique
from raw_http import Connection
from service import BINARY, environment, run_binary, wait_until

USAGE = 2
SETTINGS = ["listen", "state-dir", "database", "http-threads", "job-threads", "service-domain", "ownership-label", "dns-resolvers",
            "dns-port", "directory-plain", "domain-verification-timeout", "domain-proof-grace",
            "region", "regions",
            "root-key-file", "user", "log-level", "log-format", "journaling-sender", "mailbox-retention", "health-check-interval",
            "postgresql-bin-dir", "idle-timeout", "header-timeout", "body-timeout", "connection-limit", "wait-limit",
            "drain-timeout", "upload-limit", "upload-connections", "transfer-timeout", "metrics-listen", "rate-limit", "rate-limit-burst", "failed-auth-limit", "password-guesses",
            "cleaning-interval", "idempotency-retention", "job-retention", "operation-retention", "audit-retention",
                        "dkim-rotation-interval", "dkim-publication-time", "dkim-retirement-time",
            "tls-cert", "tls-key", "trusted-proxies", "cors-origins", "ews-networks", "ews-ca-file", "ews-timeout"]


def refused_start(service, *words):
    """The service ends by itself with 1 and says why."""
    service.launch()
    assert service.process.wait(30) == 1, service.log()
    for word in words:
        assert word in service.log().lower(), service.log()


@pytest.mark.parametrize("options,named", [
    (["--listen", "nonsense"], "listen"),
    (["--listen", "127.0.0.1:99999"], "listen"),
    (["--listen", "no.such.host.invalid:80"], "listen"),
    (["--metrics-listen", "nonsense"], "metrics-listen"),
    (["--metrics-listen", "no.such.host.invalid:80"], "no.such.host.invalid"),
    (["--rate-limit", "-1"], "rate-limit"),
    (["--ews-networks", "10.0.0.0/8, nowhere"], "ews-networks"),
    (["--ews-timeout", "0"], "ews-timeout"),
    (["--rate-limit", "100", "--rate-limit-burst", "99"], "rate-limit-burst"),
    (["--http-threads", "257"], "http-threads"),
    (["--job-threads", "0"], "job-threads"),
    (["--http-threads", "many"], "http-threads"),
    (["--job-threads", "-1"], "job-threads"),
    (["--journaling-sender", "journal@acme.test"], "journaling-sender"),
    (["--journaling-sender", "two words"], "journaling-sender"),
    (["--mailbox-retention", "-5"], "mailbox-retention"),
    (["--mailbox-retention", "99999999999999999999"], "mailbox-retention"),
    (["--health-check-interval", "0"], "health-check-interval"),
    (["--header-timeout", "1.5s"], "header-timeout"),
    (["--log-level", "loud"], "log-level"),
    (["--log-format", "xml"], "log-format"),
    (["--region", "mars-1"], "region"),
    (["--service-domain", "not a domain"], "service-domain"),
    (["--ownership-label", "not.one"], "ownership-label"),
    (["--dns-resolvers", "dns.example.com"], "dns-resolvers"),
    (["--dns-resolvers", "192.0.2.1,192.0.2.2:0"], "dns-resolvers"),
    (["--dns-resolvers", "192.0.2.1,"], "dns-resolvers"),
    (["--dns-resolvers", "[2001:db8::1]x"], "dns-resolvers"),
    (["--dns-port", "65536"], "dns-port"),
    (["--postgresql-bin-dir", "/nonexistent"], "postgresql-bin-dir"),
    (["--root-key-file", "/nonexistent/key"], "root-key-file"),
    (["--config", "/nonexistent"], "/nonexistent"),
    (["--colour", "red"], "colour"),
    (["--listen"], "listen"),
    (["surplus"], "surplus"),
])
def test_bad_setting_is_named_and_nothing_starts(folder, options, named):
    state = folder / "s"
    result = run_binary("serve", "--listen", "127.0.0.1:0", "--state-dir", state, *options)
    assert result.returncode == USAGE, result
    assert named in result.stderr, result
    assert not (state / "postgresql").exists() and not (state / "service.json").exists()


def test_bad_environment_variable_is_named(folder):
    result = run_binary("serve", "--state-dir", folder / "s", env={"POSTREEVE_LOG_LEVEL": "loud"})
    assert result.returncode == USAGE and "POSTREEVE_LOG_LEVEL" in result.stderr


@pytest.mark.parametrize("text", ["log-level = loud", "log_level = loud", "colour = red", "no equals sign here"])
def test_bad_line_of_the_config_file_is_named_with_its_number(folder, text):
    config = folder / "config"
    config.write_text(f"# a comment\n\n{text}\n")
    result = run_binary("serve", "--state-dir", folder / "s", "--config", config)
    assert result.returncode == USAGE and "3" in result.stderr, result


def test_state_folder_too_deep_for_a_socket_is_refused_with_the_reason(folder):
    result = run_binary("serve", "--listen", "127.0.0.1:0", "--state-dir", folder / ("deep" * 25))
    assert result.returncode == USAGE and "107" in result.stderr, result


def test_flag_wins_over_environment_and_that_over_the_config_file(make_service, folder):
    config = folder / "config"
    config.write_text("service-domain = file.test\nregion = eu-west-1\nregions = eu-west-1,us-west-2\n")
    service = make_service("--config", config, "--region", "us-west-2", fresh=True,
                           env={"POSTREEVE_SERVICE_DOMAIN": "environment.test"})
    organization = create_organization(service.client())
    assert organization.domain == f"{organization.alias}.environment.test"
    assert organization.describe()["region"] == "us-west-2"


@pytest.mark.parametrize("arguments,code", [(["help"], 0), (["version"], 0), ([], USAGE), (["dance"], USAGE),
                                            (["admin"], USAGE), (["admin", "dance"], USAGE)])
def test_commands_that_need_no_service(arguments, code):
    result = run_binary(*arguments)
    assert result.returncode == code, result
    assert (result.stdout if code == 0 else result.stderr).strip()


def test_help_names_every_setting_with_its_environment_variable():
    text = run_binary("help").stdout
    told = dict(re.findall(r"^ +--([a-z-]+) +(POSTREEVE_[A-Z_]+) +\S", text, re.M))
    assert told == {name: "POSTREEVE_" + name.replace("-", "_").upper() for name in SETTINGS}
    assert "--config" in text


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_read_from_its_environment_variable(folder, name):
    """An empty value is refused wherever it comes from: the message shows that it was looked at."""
    variable = "POSTREEVE_" + name.replace("-", "_").upper()
    result = run_binary("serve", env={"POSTREEVE_STATE_DIR": str(folder / "s"), variable: ""})
    assert result.returncode == USAGE and variable in result.stderr, result


def test_second_service_on_the_same_state_folder_is_refused(make_service):
    first, second = make_service(), make_service(start=False)
    keep, second.state = second.state, first.state
    refused_start(second, "state")
    second.state = keep
    first.anonymous().get("/readyz")


def test_restart_keeps_everything_and_makes_no_new_root_key(fresh_service):
    organization = create_organization(fresh_service.client())
    before = fresh_service.root
    fresh_service.restart()
    assert fresh_service.root == before
    assert fresh_service.client().get(organization.path)["state"] == "ACTIVE"


def test_with_its_cluster_there_it_is_ready_within_a_second(make_service):
    service, took = make_service(start=False), []
    for _ in range(3):
        begun = time.monotonic()
        service.start()
        took.append(time.monotonic() - begun)
        service.anonymous().get("/readyz")
        service.stop()
    assert min(took) < 1, took  # other tests run beside this one


def test_sigterm_answers_what_is_in_flight_and_ends_with_zero(fresh_service):
    api = fresh_service.client()
    organization = create_organization(api)
    users = [organization.create_enabled() for _ in range(12)]
    waiting = [Connection(api) for _ in users]
    for connection, user in zip(waiting, users):
        connection.request("POST", organization.user(user, "reset-password"), json={"password": "Changed-horse-8"})
    answers = [waiting[0].answer()]
    stopping = threading.Thread(target=fresh_service.stop)
    stopping.start()
    answers += [connection.answer() for connection in waiting[1:]]
    stopping.join()
    assert [answer.status for answer in answers] == [204] * len(users)
    assert fresh_service.exit_code == 0
    fresh_service.start()
    hashes = fresh_service.sql("""SELECT count(DISTINCT password_hash) FROM user_detail
                                  WHERE password_hash IS NOT NULL""")
    assert hashes == [(len(users),)]


def test_sigterm_does_not_wait_for_idle_connections(fresh_service):
    idle = [Connection(fresh_service.client()) for _ in range(5)]
    for connection in idle:
        connection.request("GET", "/healthz")
        assert connection.answer().status == 200
    fresh_service.stop()
    assert fresh_service.stop_seconds < 5


def test_sigterm_leaves_no_database_server_and_no_socket_file(fresh_service):
    server = fresh_service.postmaster()
    assert server
    fresh_service.stop()
    assert not fresh_service.postmaster()
    assert not list((fresh_service.state / "postgresql/run").glob(".s.PGSQL*"))


@pytest.mark.expect_errors
@pytest.mark.parametrize("change,word", [
    ("INSERT INTO schema_migration SELECT * FROM jsonb_populate_record("
     "(SELECT m FROM schema_migration m LIMIT 1), '{\"version\": 9999}')", "newer"),
    ("UPDATE schema_migration SET checksum = reverse(checksum)", "checksum"),
])
def test_database_of_another_schema_is_refused(fresh_service, change, word):
    fresh_service.sql(change)
    fresh_service.stop()
    refused_start(fresh_service, word)
    assert not fresh_service.postmaster()


@pytest.mark.expect_errors
def test_another_root_key_is_refused(make_service):
    service, other = make_service(), make_service(fresh=True)
    service.stop()
    other.stop()
    key = root_key(other)
    shutil.copy(key, root_key(service))
    refused_start(service, "key")


def test_service_without_standard_descriptors_gives_their_numbers_to_nothing_else(make_service):
    """A log that went into whatever has the number 2 would be a fault of its own."""
    service = make_service(start=False, fresh=True)
    with subprocess.Popen(["/bin/sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", BINARY, "serve", "--listen", "127.0.0.1:0",
                           "--state-dir", service.state], env=environment()) as service.process:
        service.url = wait_until(service.ready_url, 30)
        for number in range(3):
            assert os.readlink(f"/proc/{service.process.pid}/fd/{number}") == "/dev/null"
        service.client().get("/v1/regions")
        service.disconnect()
        service.process.terminate()
        assert service.process.wait(30) == 0
    service.process = None


def root_key(service):
    """The service's own root key in its state folder."""
    path, = [path for path in service.state.iterdir()
             if "root" in path.name and "key" in path.name and path.name != "root-access-key.json"]
    return path


def test_reset_root_key_makes_the_old_one_useless_at_once(fresh_service):
    old = fresh_service.client()
    old.get("/v1/regions")
    fresh_service.admin("reset-root-key")
    fresh_service.client().get("/v1/regions")
    wait_until(lambda: old.request("GET", "/v1/regions").status == 401, 1, what="the end of the old root key")
    assert (fresh_service.state / "root-access-key.json").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def external(make_service):
    """An empty database on another service's server, and what a second service needs to use it."""
    host = make_service()
    host.sql("CREATE DATABASE outside")
    return ["--database", f"{host.database_uri} dbname=outside", "--root-key-file", root_key(host)]


def test_external_database_is_used_instead_of_an_own_server(make_service, external):
    service = make_service(*external, fresh=True)
    assert service.postmaster() is None and not (service.state / "postgresql").exists()
    organization = create_organization(service.client())
    assert organization.create_enabled()["state"] == "ENABLED"


def test_two_services_that_start_at_once_on_an_empty_database_both_work(make_service, external):
    pair = [make_service(*external, fresh=True, start=False) for _ in range(2)]
    for service in pair:
        service.launch()
    for service in pair:
        service.url = wait_until(service.ready_url, 30)
    with_key = [service for service in pair if (service.state / "root-access-key.json").exists()]
    assert len(with_key) == 1
    root = with_key[0].root
    organization = create_organization(pair[0].client(root), unique())
    user = organization.create_user()
    assert pair[1].client(root).get(organization.user(user)).body == user


def test_migrate_brings_a_database_up_to_date_and_may_be_repeated(make_service, external):
    state = make_service(start=False, fresh=True).state
    for _ in range(2):
        result = run_binary("migrate", "--state-dir", state, *external)
        assert result.returncode == 0, result
    service = make_service(*external, fresh=True)
    assert create_organization(service.client()).describe()["state"] == "ACTIVE"


def test_migrate_does_not_wait_for_ever_for_another_that_migrates(make_service, external):
    state = make_service(start=False, fresh=True).state
    external[1] += " options='-c lock_timeout=300ms'"
    with psycopg.connect(external[1]) as other:
        other.execute("SELECT pg_advisory_lock(8101839093432870262)")
        result = run_binary("migrate", "--state-dir", state, *external)
        assert result.returncode == 1 and "another process migrates the database" in result.stderr, result
    assert run_binary("migrate", "--state-dir", state, *external).returncode == 0


def test_describe_api_needs_no_database_and_is_json():
    result = run_binary("admin", "describe-api")
    described = json.loads(result.stdout)
    assert {"routes", "tables"} <= set(described)
    assert any(route["operation"] == "CreateUser" for route in described["routes"])


@pytest.mark.parametrize("half,pause", [(0.3, 2.5), (0.8, 2.5), (0.8, 1.4)])
def test_sigterm_ends_cleanly_while_a_change_waits_for_a_lock_and_a_request_is_half_sent(make_service, half, pause):
    """What comes after the drain time finds nobody; what runs is waited for."""
    service = make_service("--drain-timeout", 1)
    api = service.client()
    organization = create_organization(api)
    user = organization.create_user()
    holder = psycopg.connect(f"{service.database_uri} dbname=postreeve")
    with contextlib.closing(holder), Connection(api) as waiting, Connection(api) as late:
        holder.execute("SELECT FROM entity WHERE entity_id = %s FOR UPDATE", [user["user_id"]])
        waiting.send(whole(waiting, "PATCH", organization.user(user), {"first_name": "Late"}))
        request = whole(late, "POST", organization.users, {"name": "late", "display_name": "x" * 100})
        late.send(request[:int(len(request) * half)])
        time.sleep(0.3)
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        time.sleep(pause)
        with contextlib.suppress(OSError):
            late.send(request[int(len(request) * half):])
        stopping.join()
    assert service.exit_code == 0
    service.start()
    assert service.sql("SELECT count(*) FROM entity WHERE name = 'late'") == [(0,)]


def whole(connection, method, target, body):
    """The bytes of a request."""
    data = json.dumps(body)
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    return connection.head(method, target, f"Content-Type: {kind}", f"Content-Length: {len(data)}") + data


def test_sigterm_does_not_do_all_that_is_queued(make_service):
    service = make_service("--drain-timeout", 1)
    api = service.client()
    organization = create_organization(api)
    user = organization.create_enabled()
    half, *queued = [Connection(api) for _ in range(301)]
    half.send(whole(half, "POST", organization.users, {"name": "half", "display_name": "x"})[:-5])
    for connection in queued:
        connection.request("POST", organization.user(user, "reset-password"), json={"password": "Changed-horse-8"})
    assert queued[0].answer().status == 204
    service.stop()
    assert service.stop_seconds < 6
    for connection in [half, *queued]:
        connection.close()
