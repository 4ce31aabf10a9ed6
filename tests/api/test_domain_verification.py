"""Mail domains are looked at by the running service: against real name servers, without any call by a user."""
import concurrent.futures
import statistics
import time

import pytest

from dns_bed import Bed, quoted
from domains import record
from organization import create_organization, wait_operation
from service import wait_until



@pytest.fixture(scope="module")
def bed():
    made = Bed()
    yield made
    made.stop()


@pytest.fixture
def start(make_service, bed):
    def made(*options, on=None):
        on = on or bed
        service = make_service("--dns-resolvers", on.resolvers, "--dns-port", str(on.port), *options)
        service.allow_organizations(100)
        return service
    return made


def describe(org, domain):
    return org.api.get(org.domain_path(domain)).body


def token(org, domain):
    return record(describe(org, domain), "OWNERSHIP")["value"]


def wait_status(org, domain, status, seconds=20):
    return wait_until(lambda: (seen := describe(org, domain))["ownership_status"] == status and seen, seconds, 0.02,
                      f"{domain} to be {status}")


def publish_all(zone, about):
    for one in about["records"]:
        value = quoted(one["value"]) if one["type"] == "TXT" else one["value"] + "."
        zone.add(one["name"], one["type"], value)


def due_in_a_day(service, domain):
    """Once no check runs."""
    wait_until(lambda: service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day'"
                                   " WHERE domain = %s AND check_started_at IS NULL AND check_claims > 0"
                                   " RETURNING 1", domain), 20, 0.02, "the end of the check")


def test_fresh_domain_is_verified_without_any_call(start, bed):
    org, took = create_organization(start().client()), []
    for wait in (0, 0, 1, 2, 4):
        zone = bed.zone()
        org.register_domain(zone.name)
        proof = quoted(token(org, zone.name))
        time.sleep(wait)
        zone.add("_amazonses", "TXT", proof)
        begun = time.monotonic()
        wait_status(org, zone.name, "VERIFIED")
        took.append(time.monotonic() - begun)
    assert statistics.median(took) < 5, took


def test_check_that_is_asked_for_takes_no_time(start, bed):
    service = start()
    api = service.client()
    org, took = create_organization(api), []
    for _ in range(5):
        zone = bed.zone()
        org.register_domain(zone.name)
        due_in_a_day(service, zone.name)
        publish_all(zone, describe(org, zone.name))
        begun = time.monotonic()
        answer = api.post(org.domain_path(zone.name, "verify"), expect=202, headers={"Prefer": "wait=10"})
        took.append(time.monotonic() - begun)
        assert answer["status"] == "SUCCEEDED", answer.body
        seen = describe(org, zone.name)
        assert seen["ownership_status"] == "VERIFIED"
        assert {(one["status"], one.get("code")) for one in seen["records"]} == {("VERIFIED", None)}, seen["records"]
    assert statistics.median(took) < 0.2, took


def test_what_is_wrong_is_shown_with_what_to_do(start, bed):
    org, zone = create_organization(start().client()), bed.zone()
    zone.add("_amazonses", "TXT", quoted("another"))
    org.register_domain(zone.name)
    wait_until(lambda: record(describe(org, zone.name), "OWNERSHIP").get("code") == "wrong_value", 10, 0.05, "the diagnosis")
    about = record(describe(org, zone.name), "OWNERSHIP")
    assert about["status"] == "PENDING" and about["observed"][0]["values"] == ["another"] and "Publish: " in about["help"]
    assert record(describe(org, zone.name), "MX")["code"] == "mx_missing"


def test_domain_without_proof_fails_and_is_not_looked_at_any_more(start, bed):
    service = start("--domain-verification-timeout", "1")
    org, zone = create_organization(service.client()), bed.zone()
    org.register_domain(zone.name)
    failed = wait_status(org, zone.name, "FAILED")
    assert record(failed, "OWNERSHIP")["status"] == "FAILED" and "next_check_at" not in failed
    zone.add("_amazonses", "TXT", quoted(record(failed, "OWNERSHIP")["value"]))
    org.api.post(org.domain_path(zone.name, "verify"), expect=202)
    wait_status(org, zone.name, "VERIFIED")


def test_lost_proof_is_noted_and_found_again(start, bed):
    service = start()
    org, zone = create_organization(service.client()), bed.zone()
    org.register_domain(zone.name)
    proof = quoted(token(org, zone.name))
    zone.add("_amazonses", "TXT", proof)
    wait_status(org, zone.name, "VERIFIED")
    for change, is_lost in ((zone.remove, True), (zone.add, False)):
        change("_amazonses", "TXT", proof)
        due_in_a_day(service, zone.name)
        operation = org.api.post(org.domain_path(zone.name, "verify"), expect=202)["operation_id"]
        assert wait_operation(org.api, operation)["status"] == "SUCCEEDED"
        seen = describe(org, zone.name)
        assert seen["ownership_status"] == "VERIFIED" and ("proof_lost_at" in seen) == is_lost


def test_organization_without_proof_is_impaired_after_a_grace_until_it_is_there_again(start, bed):
    service = start("--domain-proof-grace", "3")
    org, zone = create_organization(service.client()), bed.zone()
    org.register_domain(zone.name)
    proof = quoted(token(org, zone.name))
    zone.add("_amazonses", "TXT", proof)
    wait_status(org, zone.name, "VERIFIED")

    def check():
        wait_until(lambda: service.sql("UPDATE mail_domain SET next_check_at = now() WHERE domain = %s"
                                       " AND check_started_at IS NULL RETURNING 1", zone.name), 20, 0.02, "the end of the check")

    def issues():
        return [(issue["code"], issue["severity"], issue["subject"]) for issue in org.api.get(org.path + "/health")["issues"]]

    zone.remove("_amazonses", "TXT", proof)
    check()
    wait_until(lambda: issues() == [("domain_proof_missing", "WARNING", zone.name)], 10, 0.05, "the warning")
    wait_until(lambda: org.describe()["state"] == "IMPAIRED", 20, 0.05, "the organization to be IMPAIRED")
    assert issues() == [("domain_proof_lost", "ERROR", zone.name)]
    zone.add("_amazonses", "TXT", proof)
    check()
    wait_until(lambda: org.describe()["state"] == "ACTIVE", 20, 0.05, "the organization to be ACTIVE")
    assert issues() == []


def test_of_two_that_prove_the_same_domain_one_wins(start, bed):
    service = start()
    api = service.client()
    first, second = create_organization(api), create_organization(api)
    for _ in range(10):
        zone = bed.zone()
        for org in (first, second):
            org.register_domain(zone.name)
        zone.add("_amazonses", "TXT", quoted(token(first, zone.name)), quoted(token(second, zone.name)))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            operations = list(pool.map(lambda org: org.api.post(org.domain_path(zone.name, "verify"), expect=202)["operation_id"],
                                       (first, second)))
        for operation in operations:
            assert wait_operation(api, operation)["status"] == "SUCCEEDED"
        seen = [describe(org, zone.name) for org in (first, second)]
        assert sorted(one["ownership_status"] for one in seen) == ["PENDING", "VERIFIED"]
        loser = record(next(one for one in seen if one["ownership_status"] == "PENDING"), "OWNERSHIP")
        assert loser["code"] == "verified_elsewhere", loser


@pytest.mark.load
def test_ten_thousand_pending_domains_do_not_delay_a_new_one(start):
    bed = Bed(10100, dead_every=5)
    try:
        service = start(on=bed)
        org = create_organization(service.client())
        backlog = [bed.zone().name for _ in range(10000)]
        service.sql("""INSERT INTO mail_domain (organization_id, domain, next_check_at, check_attempts)
                       SELECT %s, unnest(%s::text[]), now(), 10""", org.id, backlog)
        begun = time.monotonic()
        service.sql("UPDATE account_limit SET value = 20000 WHERE code = 'domains_per_organization'")
        other = create_organization(service.client())
        took = []
        for _ in range(5):
            zone = next(zone for zone in iter(bed.zone, None) if zone.name not in bed.dead)
            asked = time.monotonic()
            other.register_domain(zone.name)
            zone.add("_amazonses", "TXT", quoted(token(other, zone.name)))
            wait_status(other, zone.name, "VERIFIED")
            took.append(time.monotonic() - asked)
        assert max(took) < 5, took
        wait_until(lambda: service.sql("SELECT count(*) FROM mail_domain WHERE organization_id = %s AND check_claims = 0"
                                       " AND domain = ANY(%s)", org.id, backlog) == [(0,)], 120, 0.2, "the backlog")
        print(f"new ones took {took}; the backlog was claimed in {time.monotonic() - begun:.1f} s")
    finally:
        bed.stop()
