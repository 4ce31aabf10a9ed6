"""Old records go, by themselves, after the time that the operator set; what is not old stays."""
import time

import psycopg
import pytest

from checks import check_consistency
from organization import create_organization, unique
from service import run_binary, wait_until

BACKLOG = 30000


@pytest.fixture
def hasty(make_service):
    """Looks for old records each second and keeps them for a few."""
    return make_service("--cleaning-interval", 1, "--idempotency-retention", 2, "--job-retention", 2,
                        "--operation-retention", 8)


def count(service, table, where="true"):
    return service.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]


def test_each_kind_of_record_is_removed_after_its_own_time(hasty):
    api = hasty.client()
    org = create_organization(api)
    key = {"Idempotency-Key": unique("key")}
    body = {"name": "ann", "display_name": "Ann"}
    api.post(org.users, json=body, headers=key)
    operation, = api.items("/v1/operations")
    assert count(hasty, "idempotency_record") == 1
    wait_until(lambda: count(hasty, "idempotency_record") == 0 and count(hasty, "job", "NOT is_periodic") == 0)
    api.get(f"/v1/operations/{operation['operation_id']}")  # kept for longer
    api.post(org.users, json=body, headers=key, expect="name_taken")  # the key counts for nothing any more
    wait_until(lambda: not api.items("/v1/operations"), 20)
    api.get(f"/v1/operations/{operation['operation_id']}", expect="operation_not_found")
    check_consistency(hasty)


def test_what_still_runs_or_waits_is_kept_however_old(hasty):
    api = hasty.client()
    org = create_organization(api)
    org.disable(org.create_enabled())  # its purge waits for 30 days
    hasty.sql("""INSERT INTO operation (operation_id, account_id, organization_id, operation, target, steps, status,
                   created_at) SELECT gen_random_uuid(), account_id, organization_id, 'CreateOrganization',
                   '/v1/organizations/x', '[]', 'RUNNING', now() - interval '1 year' FROM organization""")
    hasty.sql("UPDATE job SET created_at = now() - interval '1 year' WHERE kind = 'entity_purge'")
    wait_until(lambda: count(hasty, "operation") == 1, 20)
    assert hasty.sql("SELECT status FROM operation") == [("RUNNING",)]
    assert hasty.sql("SELECT kind, state FROM job WHERE NOT is_periodic") == [("entity_purge", "PENDING")]


def test_deleted_organizations_and_all_transitions_stay(hasty):
    org = create_organization(hasty.client())
    org.remove()
    wait_until(lambda: count(hasty, "operation") == 0, 20)
    assert org.describe()["state"] == "DELETED" and len(org.transitions()) == 5


def test_by_default_nothing_of_today_is_removed(make_service):
    service = make_service("--cleaning-interval", 1)
    api = service.client()
    org = create_organization(api)
    headers = {"Idempotency-Key": "a"}
    first = api.post(org.users, json={"name": "ann", "display_name": "Ann"}, headers=headers)
    ran = count_runs(service)
    wait_until(lambda: count_runs(service) >= ran + 2, what="two more cleanings")
    again = api.post(org.users, json={"name": "ann", "display_name": "Ann"}, headers=headers)
    assert again.body == first.body and again.headers["Idempotent-Replayed"] == "true"
    assert len(api.items("/v1/operations")) == 1 and count(service, "job", "NOT is_periodic") == 1


def count_runs(service):
    return service.sql("SELECT claims FROM job WHERE kind = 'cleaning'")[0][0]


def fill(service):
    """Old records of all kinds, many batches of them."""
    service.sql("""INSERT INTO idempotency_record (account_id, actor, operation, idempotency_key, fingerprint, status,
                     sealed_body, created_at) SELECT account_id, 'root', 'CreateUser', 'old-' || n, 'x', 201, '',
                     now() - interval '1 day' - n * interval '1 ms' FROM account, generate_series(1, %s) n""", BACKLOG)
    service.sql("""WITH made AS (INSERT INTO operation (operation_id, account_id, organization_id, operation, target,
                     steps, status, finished_at) SELECT gen_random_uuid(), account_id, organization_id, 'Old',
                     '/v1/organizations/x', '[]', 'SUCCEEDED', now() - interval '1 year' FROM organization,
                     generate_series(1, %s) n RETURNING operation_id)
                   INSERT INTO job (kind, operation_id, state, finished_at)
                     SELECT 'organization_setup', operation_id, 'SUCCEEDED', now() - interval '1 year' FROM made""",
                BACKLOG)


def left(service):
    return (count(service, "idempotency_record", "starts_with(idempotency_key, 'old-')")
            + count(service, "operation", "operation = 'Old'"))


def test_big_backlog_holds_up_nobody_and_is_gone_soon(make_service):
    """With one thread for all background work."""
    service = make_service("--cleaning-interval", 1, "--job-threads", 1, "--operation-retention", 60, start=False)
    service.start()
    service.allow_organizations(100)
    api = service.client()
    create_organization(api)
    fill(service)
    times, begun = [], time.monotonic()
    while left(service):
        assert time.monotonic() - begun < 60
        before = time.monotonic()
        create_organization(api)
        times.append(time.monotonic() - before)
    times.sort()
    assert times[len(times) // 2] < 0.5, times


def test_row_that_somebody_holds_is_passed_over(make_service):
    service = make_service("--cleaning-interval", 86400)
    create_organization(service.client())
    fill(service)
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder:
        held, = holder.execute("""SELECT idempotency_key FROM idempotency_record ORDER BY created_at LIMIT 1
                                  FOR UPDATE""").fetchone()
        service.sql("UPDATE job SET run_at = now() WHERE kind = 'cleaning'")
        wait_until(lambda: left(service) == 1, 30)
        assert service.sql("SELECT idempotency_key FROM idempotency_record") == [(held,)]

    def is_gone():
        """The run before this may still be at its last steps: its end would put the next one off again."""
        service.sql("UPDATE job SET run_at = now() WHERE kind = 'cleaning'")
        return left(service) == 0
    wait_until(is_gone, pause=0.2)


def test_two_processes_clean_in_turn_and_one_row_stands_for_the_work(make_service):
    host = make_service("--cleaning-interval", 1, "--operation-retention", 60)
    options = ["--database", f"{host.database_uri} dbname=postreeve", "--root-key-file", host.state / "root-key"]
    other = make_service(*options, "--cleaning-interval", 1, "--operation-retention", 60, fresh=True)
    create_organization(host.client())
    fill(host)
    wait_until(lambda: left(host) == 0, 60)
    assert count(host, "job", "kind = 'cleaning'") == 1
    ran = count_runs(host)
    host.sql("UPDATE job SET run_at = now() WHERE kind = 'cleaning'")
    other.stop()
    wait_until(lambda: count_runs(host) > ran + 1)


def test_shorter_interval_counts_from_the_next_start(make_service):
    service = make_service("--cleaning-interval", 86400)
    wait_until(lambda: service.sql("SELECT 1 FROM job WHERE kind = 'cleaning'"))
    service.sql("UPDATE job SET run_at = now() + interval '1 day' WHERE kind = 'cleaning'")
    service.stop()
    service.options = ["--cleaning-interval", "1"]
    service.start()
    wait_until(lambda: count_runs(service) >= 1)


def test_retentions_that_are_no_times_are_refused(folder):
    for name in ("idempotency-retention", "job-retention", "operation-retention", "cleaning-interval"):
        result = run_binary("serve", "--state-dir", folder / "s", "--" + name, "0")
        assert result.returncode == 2 and name in result.stderr
