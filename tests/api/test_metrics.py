"""What the service counts, as Prometheus reads it."""
import concurrent.futures
import contextlib
import json
import os
import time

import psycopg
import pytest

from client import Client
from organization import create_organization, unique
from prometheus import Metrics
from raw_http import Connection
from routes import routes
from service import wait_until

REQUESTS = "postreeve_http_requests_total"
DURATION = "postreeve_http_request_duration_seconds"


@pytest.fixture
def watched(make_service):
    """Shows its metrics on an address of its own."""
    return make_service("--metrics-listen", "127.0.0.1:0")


@pytest.fixture
def scraper(watched):
    client = Client(watched.metrics_url)
    yield client
    client.close()


def scrape(client, expect=200):
    answer = client.request("GET", "/metrics")
    assert answer.status == expect, answer
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    return Metrics(answer.raw.decode())


def test_both_addresses_show_the_same_families(watched, scraper):
    api = watched.client()
    create_organization(api)
    own, main = scrape(scraper), scrape(api)
    assert own.families == main.families
    for name in ("postreeve_build_info", REQUESTS, DURATION, "postreeve_lane_queued", "postreeve_lane_running",
                 "postreeve_lane_refused_total", "postreeve_database_connections", "postreeve_database_up",
                 "postreeve_jobs_total", "postreeve_jobs_due", "postreeve_job_oldest_due_age_seconds",
                 "postreeve_organizations", "process_resident_memory_bytes", "process_open_fds"):
        assert name in own.families, name
    version = watched.anonymous().get("/version")["version"]
    assert own.get("postreeve_build_info", version=version) == 1


def test_on_the_main_address_a_credential_is_needed(service, api):
    service.anonymous().get("/metrics", expect="unauthenticated")
    reader = service.admin("create-iam-user", "--name", unique("iam"), "--policy", "AmazonWorkMailReadOnlyAccess",
                           "--account", service.root["account_id"])
    assert scrape(service.client(reader)).families
    nobody = service.admin("create-iam-user", "--name", unique("iam"), "--account", service.root["account_id"])
    service.client(nobody).get("/metrics", expect="access_denied")


def test_only_the_installations_own_account_reads_them_on_the_main_address(make_service):
    """They tell of all accounts: how many organizations, how much work, who is refused."""
    service = make_service(fresh=True)
    tenant = service.admin("create-account", "--name", "Tenant", "--trial", "false")
    full = service.admin("create-iam-user", "--name", "full", "--policy", "AmazonWorkMailFullAccess", "--account", tenant["account_id"])
    for credential in (tenant, full):
        refused = service.client(credential).get("/metrics", expect="access_denied")
        assert "postreeve_" not in refused.raw.decode() and "own account" in refused["detail"]
    assert scrape(service.client()).families
    assert {event["action"] for event in service.client(tenant).items("/v1/audit-events", outcome="DENIED")} <= {"workmail:GetMetrics"}


def test_account_that_the_operator_made_before_the_first_start_is_no_operator(make_service):
    """Its root key is somebody's: without an account of its own the installation shows them at their own address alone."""
    host = make_service()
    host.sql("CREATE DATABASE outside")
    database = f"{host.database_uri} dbname=outside"
    arguments = ("--database", database, "--root-key-file", host.state / "root-key")
    service = make_service(*arguments, fresh=True, start=False)
    tenant = service.admin("create-account", "--name", "Tenant")
    service.start()
    service.client(tenant).get("/metrics", expect="access_denied")


def test_each_request_is_counted_by_operation_and_status(watched, scraper):
    api = watched.client()
    org = create_organization(api)
    user = org.create_user()
    before = scrape(scraper)
    for _ in range(7):
        org.describe_user(user)
    api.get(org.user(user), expect=304, headers={"If-None-Match": "*"})
    for _ in range(3):
        api.get(org.user("00000000-0000-0000-0000-000000000000"), expect="user_not_found")
    api.patch(org.user(user), json={"nonsense": 1}, expect="validation_failed")
    watched.anonymous().get(org.users, expect="unauthenticated")
    for _ in range(5):
        api.get(f"/v1/{unique()}", expect="route_not_found")
    after = wait_for(scraper, lambda now: now.get(REQUESTS, operation="none", status="404")
                     == before.get(REQUESTS, operation="none", status="404") + 5)

    def grown(**labels):
        return after.get(REQUESTS, **labels) - before.get(REQUESTS, **labels)
    assert grown(operation="DescribeUser", status="200") == 7
    assert grown(operation="DescribeUser", status="304") == 1
    assert grown(operation="DescribeUser", status="404") == 3
    assert grown(operation="UpdateUser", status="400") == 1
    assert grown(operation="ListUsers", status="401") == 1
    of_reads = {"operation": "DescribeUser"}
    assert after.get(DURATION + "_count", **of_reads) - before.get(DURATION + "_count", **of_reads) == 11
    assert after.get(DURATION + "_sum", **of_reads) > before.get(DURATION + "_sum", **of_reads)


def wait_for(scraper, condition):
    """A request is counted when its end was sent, which the client may see a moment before."""
    seen = []

    def asked():
        seen[:] = [scrape(scraper)]
        return condition(seen[0])
    wait_until(asked, 5)
    return seen[0]


def test_whatever_clients_ask_for_the_labels_stay_few(watched, scraper):
    client = watched.anonymous()
    for number in range(50):
        client.get(f"/{number}/metrics", expect="route_not_found")
        client.request("BREW", f"/v1/{number}")
    now = scrape(scraper)
    assert now.labels(REQUESTS, "operation") <= {route["operation"] for route in routes()} | {"none"}
    assert now.labels(DURATION + "_count", "operation") == now.labels(REQUESTS, "operation")


def test_slow_requests_are_in_the_high_buckets(watched, scraper):
    api = watched.client()
    org = create_organization(api)
    user = org.create_user()
    with psycopg.connect(f"{watched.database_uri} dbname=postreeve") as holder, Connection(api) as waiting:
        holder.execute("SELECT FROM entity WHERE entity_id = %s FOR UPDATE", [user["user_id"]])
        waiting.request("POST", org.user(user, "enable"), json={})
        busy = wait_for(scraper, lambda now: now.get("postreeve_lane_running", lane="fast") == 1)
        assert busy.get("postreeve_http_requests_in_flight") == 1
        time.sleep(0.6)
        holder.rollback()
        waiting.answer()
    after = wait_for(scraper, lambda now: now.get(DURATION + "_count", operation="RegisterToWorkMail") == 1)
    assert after.get(DURATION + "_bucket", operation="RegisterToWorkMail", le="0.5") == 0
    assert after.get(DURATION + "_bucket", operation="RegisterToWorkMail", le="10") == 1
    assert after.get(DURATION + "_sum", operation="RegisterToWorkMail") > 0.6


def test_full_lane_shows_in_its_queue_and_in_what_it_refused(make_service):
    service = make_service("--metrics-listen", "127.0.0.1:0", "--http-threads", 1)
    api, scraper = service.client(), Client(service.metrics_url)
    org = create_organization(api)
    user = org.create_user()
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder:
        holder.execute("SELECT FROM entity WHERE entity_id = %s FOR UPDATE", [user["user_id"]])
        connections = [Connection(api) for _ in range(1100)]
        for connection in connections:
            connection.request("POST", org.user(user, "enable"), json={})
        full = wait_for(scraper, lambda now: now.get("postreeve_lane_queued", lane="fast") > 900)
        now = wait_for(scraper, lambda now: now.get("postreeve_lane_refused_total", lane="fast") > 0
                       and now.get("postreeve_http_connections") >= 1100)
        assert full.get("postreeve_lane_refused_total", lane="fast") <= now.get("postreeve_lane_refused_total", lane="fast")
        assert now.get("postreeve_lane_threads", lane="fast") == now.get("postreeve_lane_running", lane="fast") == 1
        holder.rollback()
    for connection in connections:
        connection.close()
    wait_for(scraper, lambda now: now.get("postreeve_lane_queued", lane="fast") == 0)
    scraper.close()


def test_jobs_by_kind_and_outcome(watched, scraper):
    api = watched.client()
    org = create_organization(api)
    org.remove()
    now = wait_for(scraper, lambda now: now.get("postreeve_jobs_total", kind="organization_removal",
                                                outcome="succeeded") == 1)
    assert now.get("postreeve_jobs_total", kind="organization_setup", outcome="succeeded") == 1
    assert now.get("postreeve_jobs_total", kind="organization_setup", outcome="failed") == 0


def test_organizations_and_due_jobs_are_told_by_the_database_at_most_some_seconds_late(watched, scraper):
    create_organization(watched.client())
    watched.sql("INSERT INTO job (kind, run_at) VALUES ('of_the_future', now() - interval '100 s')")
    now = wait_until(lambda: (now := scrape(scraper)).get("postreeve_jobs_due", kind="unknown") == 1 and now, 15, 0.2)
    assert now.get("postreeve_organizations", state="ACTIVE") == 1
    assert now.get("postreeve_organizations", state="DELETED") == 0
    assert 100 <= now.get("postreeve_job_oldest_due_age_seconds", kind="unknown") < 130
    assert now.get("postreeve_jobs_due", kind="organization_setup") == 0


def test_scrapes_cannot_load_the_database(watched, scraper):
    """However many ask, it is asked at most every five seconds."""
    def asked():
        return watched.sql("""SELECT seq_scan + idx_scan FROM pg_stat_user_tables
                              WHERE relname = 'organization'""")[0][0]
    scrape(scraper)
    time.sleep(1.5)  # the statistics come a moment later
    before = asked()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: scrape(scraper), range(300)))
    time.sleep(1.5)
    assert asked() - before <= 2


@pytest.mark.expect_errors
def test_without_the_database_the_rest_is_answered(make_service):
    host = make_service()
    host.sql("CREATE DATABASE outside")
    service = make_service("--database", f"{host.database_uri} dbname=outside", "--root-key-file",
                           host.state / "root-key", "--metrics-listen", "127.0.0.1:0", fresh=True)
    scraper = Client(service.metrics_url)
    before = scrape(scraper)
    assert before.get("postreeve_database_up") == 1 and before.get("postreeve_organizations", state="ACTIVE") == 0
    host.stop()
    time.sleep(5)
    begun = time.monotonic()
    now = wait_until(lambda: (now := scrape(scraper)).get("postreeve_database_up") == 0 and now)
    assert time.monotonic() - begun < 10
    assert now.get("process_resident_memory_bytes") > 1e6
    assert now.get("postreeve_statistics_age_seconds") >= 5
    host.start()
    wait_until(lambda: scrape(scraper).get("postreeve_database_up") == 1)
    scraper.close()


def test_connections_of_database_and_process_are_counted(watched, scraper):
    scrape(scraper)
    api = watched.client()
    org = create_organization(api)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: org.describe(), range(64)))
    now = scrape(scraper)
    used, = watched.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postreeve'")[0]
    assert now.get("postreeve_database_connections") == used
    assert now.get("postreeve_database_connects_total") >= used
    assert abs(now.get("process_open_fds") - len(os.listdir(f"/proc/{watched.process.pid}/fd"))) <= 2
    assert abs(now.get("process_start_time_seconds") - os.stat(f"/proc/{watched.process.pid}").st_ctime) < 5
    assert now.get("process_threads") >= 4 and now.get("process_cpu_seconds_total") > 0
    with open(f"/proc/{watched.process.pid}/status") as status:
        resident = int(status.read().split("VmRSS:")[1].split()[0]) * 1024
    assert abs(now.get("process_resident_memory_bytes") - resident) < 0.2 * resident


def test_own_address_has_nothing_but_metrics_and_takes_nothing(watched, scraper):
    for path in ("/", "/v1/organizations", "/metrics/", "/healthz"):
        assert scraper.request("GET", path).status == 404
    assert scraper.request("POST", "/metrics", body=b"x" * 10000).status == 404
    head = scraper.request("HEAD", "/metrics")
    assert head.status == 200 and head.raw == b""
    with Connection(scraper) as silent:
        silent.send("GET /metrics HTTP/1.1\r\n")
        assert silent.wait_closed(20) < 15
    about = json.loads((watched.state / "service.json").read_text())
    assert about["metrics_url"] == watched.metrics_url != about["url"]


def test_those_who_drip_do_not_keep_out_a_scraper(watched, scraper):
    """Each byte begins libmicrohttpd's time-out anew: they would stay for ever."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(Connection(scraper)) for _ in range(40)]
        for _ in range(3):
            for connection in crowd:
                with contextlib.suppress(ConnectionError):  # it has lost its place to another
                    connection.send("G")
            time.sleep(0.5)
            with contextlib.closing(Client(watched.metrics_url, timeout=5)) as another:
                scrape(another)


def test_own_address_that_is_taken_is_refused_at_the_start(make_service, watched):
    other = make_service("--metrics-listen", watched.metrics_url.removeprefix("http://"), start=False)
    other.launch()
    assert other.process.wait(30) == 2 and "cannot listen" in other.log()
