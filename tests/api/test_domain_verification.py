"""Mail domains are looked at by the running service: against real name servers, without any call by a user."""
import concurrent.futures
import statistics
import threading
import time

import dns.flags
import dns.message
import dns.rrset
import pytest

from dns_bed import Bed, quoted
from domains import record
from organization import create_organization, wait_operation
from service import wait_until
from together import Together


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


def test_check_of_a_domain_that_was_registered_again_does_not_count(start, bed):
    """What it finds is the proof of the registration before."""
    service = start()
    org, known, goes_on = create_organization(service.client()), [], threading.Event()

    def rule(message, _is_tcp):
        goes_on.wait(0.3)
        answer = dns.message.make_response(message)
        answer.flags |= dns.flags.AA
        name = message.question[0].name
        if name.to_text().startswith("_amazonses.") and known:
            answer.answer.append(dns.rrset.from_text(name, 1, "IN", "TXT", quoted(known[0])))
        return answer.to_wire()

    def claims(domain):
        return service.sql("SELECT check_claims FROM mail_domain WHERE domain = %s", domain)

    domain = bed.lie(rule)
    known.append(record(org.api.post(org.path + "/domains", json={"domain": domain}, expect=201), "OWNERSHIP")["value"])
    wait_until(lambda: claims(domain) == [(1,)], 10, 0.005, "the first check")
    org.api.delete(org.domain_path(domain), expect=204, params={"confirm": domain})
    org.register_domain(domain)
    wait_until(lambda: claims(domain) == [(1,)], 10, 0.005, "the first check of the second registration")
    goes_on.set()
    wait_until(lambda: record(describe(org, domain), "OWNERSHIP").get("code") == "wrong_value", 20, 0.02, "the diagnosis")
    assert [event for event in org.api.items(org.path + "/audit-events") if event["action"] == "service:CheckMailDomain"] == []


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


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.long)])
def test_of_two_that_prove_the_same_domain_one_wins(make_service, bed, rounds):
    """At the same instant, each asked for at a process of its own."""
    together = Together(make_service, 2, "--dns-resolvers", bed.resolvers, "--dns-port", str(bed.port))
    zone, winners = bed.zone(), []
    orgs = [create_organization(api) for api in together.clients()]

    def begin(org):
        return org.api.post(org.domain_path(zone.name, "verify"), expect=202)["operation_id"]

    for number in range(rounds):
        for org in orgs:
            org.register_domain(zone.name)
            due_in_a_day(together, zone.name)
        proofs = [quoted(token(org, zone.name)) for org in orgs]
        zone.add("_amazonses", "TXT", *proofs)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            operations = list(pool.map(begin, orgs[::(-1) ** number]))
        for operation in operations:
            assert wait_operation(orgs[0].api, operation)["status"] == "SUCCEEDED"
        seen = [describe(org, zone.name) for org in orgs]
        assert sorted(one["ownership_status"] for one in seen) == ["PENDING", "VERIFIED"]
        loser, = [record(one, "OWNERSHIP") for one in seen if one["ownership_status"] == "PENDING"]
        assert loser["code"] == "verified_elsewhere", loser
        winner, = together.sql("SELECT organization_id FROM verified_domain WHERE domain = %s", zone.name)
        winners.append(winner[0])
        zone.remove("_amazonses", "TXT")
        for org in sorted(orgs, key=lambda org: org.id in winner):  # the owner last: nobody is looked at again
            org.api.delete(org.domain_path(zone.name), expect=204, params={"confirm": zone.name})
    print(f"{winners.count(orgs[0].id)} of {rounds} rounds were won by the first")


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
