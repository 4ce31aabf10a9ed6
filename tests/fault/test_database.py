"""The database goes away: the service says so, stays alive, and recovers by itself."""
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import threading
import time

import pytest

from checks import check_consistency
from organization import create_organization
from service import is_running, wait_until

pytestmark = pytest.mark.expect_errors
BACK_WITHIN = 20


class Watch:
    """Asks again and again in the background, and keeps what was answered."""

    def __init__(self, client, target):
        self.client, self.target, self.answers = client, target, []
        self.thread, self.over = threading.Thread(target=self.run), False

    def run(self):
        while not self.over:
            self.answers.append(self.client.request("GET", self.target))
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


def backends(service):
    """Processes of the database server that serve a client."""
    return [row[0] for row in service.sql("""SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                                             AND backend_type = 'client backend'""")]


def kill_backend(service):
    os.kill(backends(service)[0], signal.SIGKILL)


def terminate_backends(service):
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'")


def kill_checkpointer(service):
    (pid,), = service.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    os.kill(pid, signal.SIGKILL)


def kill_postmaster(service):
    os.kill(service.postmaster(), signal.SIGKILL)


def use_every_thread(organization, user):
    """Each thread of the service gets something to do, those that hash passwords too; all of it succeeds."""
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        work = [pool.submit(organization.describe_user, user) for _ in range(128)]
        work += [pool.submit(organization.create_enabled) for _ in range(4)]
        for each in work:
            each.result()


@pytest.mark.parametrize("harm", [kill_backend, terminate_backends, kill_checkpointer, kill_postmaster])
def test_service_recovers_without_a_restart_and_health_answers_all_the_time(fresh_service, harm):
    api = fresh_service.client()
    organization = create_organization(api)
    user = organization.create_user()
    use_every_thread(organization, user)
    with (Watch(fresh_service.anonymous(), "/healthz") as health,
          Watch(fresh_service.client(), organization.user(user)) as reads):
        wait_until(lambda: len(reads.answers) > 20)
        harm(fresh_service)
        fresh_service.connection = None
        harmed = len(reads.answers)
        wait_until(lambda: len(reads.answers) > harmed + 20, BACK_WITHIN)
        wait_until(lambda: fresh_service.anonymous().request("GET", "/readyz").status == 200
                   and reads.answers[-1].status == 200, BACK_WITHIN, what="the return of the service")
    assert {answer.status for answer in health.answers} == {200}
    for answer in reads.answers:
        if answer.status != 200:
            answer.check_problem("database_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
    time.sleep(0.5)  # a thread that could not connect tries again a moment later
    use_every_thread(organization, user)  # none of them still holds a connection that has ended
    create_organization(api)
    check_consistency(fresh_service)


def test_changes_meanwhile_are_refused_or_made_but_never_both(fresh_service):
    api = fresh_service.client()
    organization = create_organization(api)
    made, refused, unknown = set(), set(), set()
    backends_killed = 0
    for number in range(300):
        name = f"u{number}"
        if number % 100 == 50:
            kill_backend(fresh_service)
            fresh_service.connection = None
            backends_killed += 1
        answer = api.request("POST", organization.users, {"name": name, "display_name": "x"})
        if answer.status == 201:
            made.add(name)
        else:
            code = answer.check_problem()["code"]
            assert code in ("database_unavailable", "outcome_unknown"), answer
            (unknown if code == "outcome_unknown" else refused).add(name)
            wait_until(lambda: api.request("GET", organization.users).status == 200, BACK_WITHIN)
            wait_until(lambda: reconnects(fresh_service), BACK_WITHIN)
    time.sleep(0.5)  # a thread that could not connect tries again a moment later
    there = {item["name"] for item in api.items(organization.users, page_size=1000)}
    assert backends_killed == 3 and made <= there and not refused & there and there <= made | unknown


def reconnects(service):
    try:
        return service.sql("SELECT 1")
    except Exception:  # still starting
        service.connection = None
        return False


def test_kill_of_the_service_leaves_no_server_behind(fresh_service):
    server = fresh_service.postmaster()
    assert is_running(server)
    fresh_service.kill9()
    # Its pid file goes a moment before it does.
    wait_until(lambda: not is_running(server), 5, what="the end of the database server")


def test_restart_at_once_after_a_kill_works(fresh_service):
    organization = create_organization(fresh_service.client())
    for _ in range(3):
        fresh_service.kill9()
        fresh_service.start()
        assert fresh_service.client().get(organization.path)["state"] == "ACTIVE"


@pytest.fixture
def external(make_service):
    """A service whose database server belongs to another service, and that one."""
    host = make_service()
    host.sql("CREATE DATABASE outside")
    return host, make_service("--database", f"{host.database_uri} dbname=outside", fresh=True)


def test_external_database_that_is_restarted_is_used_again(external):
    host, service = external
    organization = create_organization(service.client())
    host.stop()
    api = service.client()
    wait_until(lambda: api.request("GET", organization.path).status == 503, 10)
    api.get(organization.path, expect="database_unavailable")
    service.anonymous().get("/healthz")
    service.anonymous().get("/readyz", expect="not_ready")
    host.start()
    wait_until(lambda: api.request("GET", organization.path).status == 200, BACK_WITHIN, what="the return")
    wait_until(lambda: service.anonymous().request("GET", "/readyz").status == 200, BACK_WITHIN)
    assert organization.create_user()


def test_external_database_that_is_not_there_is_told_at_start(make_service):
    service = make_service("--database", "host=/nonexistent user=postreeve dbname=x", fresh=True, start=False)
    service.launch()
    assert service.process.wait(60) == 1, service.log()
    assert "database" in service.log().lower() and "/nonexistent" in service.log()
    assert not (service.state / "service.json").exists()


def test_stop_while_the_database_is_away_is_still_clean(external):
    host, service = external
    host.stop()
    service.stop()


@contextlib.contextmanager
def frozen_database(service):
    """All processes of the database server stand still."""
    server = service.postmaster()
    children = pathlib.Path(f"/proc/{server}/task/{server}/children").read_text().split()
    pids = [server, *map(int, children)]
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_readiness_follows_a_database_that_stands_still(fresh_service):
    anonymous = fresh_service.anonymous()
    anonymous.get("/readyz")
    with frozen_database(fresh_service):
        wait_until(lambda: anonymous.request("GET", "/readyz").status == 503, 5)
        anonymous.get("/readyz", expect="not_ready")
        anonymous.get("/healthz")
    wait_until(lambda: anonymous.request("GET", "/readyz").status == 200, 5)


@pytest.mark.long
def test_database_that_stands_still_is_not_waited_for(fresh_service):
    api = fresh_service.client()
    organization = create_organization(api)
    with frozen_database(fresh_service):
        begun = time.monotonic()
        api.get(organization.path, expect="database_unavailable")
        assert time.monotonic() - begun < 10
        fresh_service.disconnect()
        fresh_service.process.send_signal(signal.SIGTERM)
        assert fresh_service.process.wait(60) == 0


def test_connections_that_ended_while_idle_are_replaced_unnoticed(fresh_service):
    api = fresh_service.client()
    organization = create_organization(api)
    user = organization.create_user()
    use_every_thread(organization, user)
    for _ in range(3):
        ended = backends(fresh_service)
        terminate_backends(fresh_service)
        wait_until(lambda: not set(ended) & set(backends(fresh_service)))
        assert [api.request("GET", organization.user(user)).status for _ in range(20)] == [200] * 20


@pytest.fixture
def slow_postgresql(folder):
    """A folder of PostgreSQL's programs; once it holds the file `slow`, the server takes for ever to start."""
    programs = pathlib.Path("/usr/lib/postgresql/15/bin")
    for program in programs.iterdir():
        (folder / program.name).symlink_to(program)
    (folder / "postgres").unlink()
    (folder / "postgres").write_text(f"#!/bin/sh\n[ ! -e {folder}/slow ] || {{ echo $$ >{folder}/slow; exec env --default-signal=INT sleep 600; }}\n"
                                     f'exec {programs}/postgres "$@"\n')
    (folder / "postgres").chmod(0o755)
    folder.chmod(0o755)
    return folder


def test_stop_does_not_wait_for_a_database_that_takes_long_to_start_again(make_service, slow_postgresql):
    service = make_service("--postgresql-bin-dir", slow_postgresql)
    slow = slow_postgresql / "slow"
    slow.touch()
    slow.chmod(0o666)
    kill_postmaster(service)
    wait_until(slow.read_text, 10, what="the start of another server")
    service.stop()
    assert service.stop_seconds < 5
    assert not is_running(int(slow.read_text()))
