"""Who owns a mail domain, of several organizations that want it."""
import pytest

from domains import Prover, checked, record, wait_for_check, wait_unchecked
from organization import create_organization, unique_domain

ROUNDS = 100


@pytest.fixture(scope="module")
def provers(service):
    made = [Prover(service) for _ in range(2)]
    yield made
    for prover in made:
        prover.close()


@pytest.fixture
def prove(provers):
    return provers[0].prove


@pytest.fixture
def other(api):
    return create_organization(api)


def describe(org, domain):
    return org.api.get(org.domain_path(domain)).body


def owners(service, domain):
    return [row[0] for row in service.sql("SELECT organization_id FROM verified_domain WHERE domain = %s", domain)]


def verify(org, domain, expect=202):
    return org.api.post(org.domain_path(domain, "verify"), expect=expect)


def test_proof_makes_it_verified_and_writes_an_event(service, api, org, prove):
    domain = org.register_domain()
    before = api.get(org.domain_path(domain))
    assert prove(org, domain) == "owned"
    after = api.get(org.domain_path(domain))
    assert after["ownership_status"] == "VERIFIED" and after["verified_at"]
    assert record(after, "OWNERSHIP")["status"] == "VERIFIED"
    assert before.headers["ETag"].split(".")[0] != after.headers["ETag"].split(".")[0]
    assert owners(service, domain) == [org.id]
    event, = service.sql("SELECT action, actor, target FROM audit_log WHERE target = %s AND actor = 'service'", org.domain_path(domain))
    assert event == ("service:CheckMailDomain", "service", org.domain_path(domain))


def test_proof_that_is_found_again_changes_nothing(api, org, prove):
    domain = org.register_domain()
    prove(org, domain)
    version = api.get(org.domain_path(domain)).headers["ETag"].split(".")[0]  # the rest is of what the service sees meanwhile
    assert prove(org, domain) == "owned"
    assert api.get(org.domain_path(domain)).headers["ETag"].split(".")[0] == version


def test_verified_domain_that_lost_its_proof_says_since_when(api, org, prove):
    domain = org.register_domain()
    prove(org, domain)
    for _ in range(2):
        assert prove(org, domain, "not_proven") == "owned"
    lost = describe(org, domain)
    assert lost["ownership_status"] == "VERIFIED" and lost["proof_lost_at"] >= lost["verified_at"]
    assert prove(org, domain, "expired") == "owned"
    assert describe(org, domain)["proof_lost_at"] == lost["proof_lost_at"]
    assert prove(org, domain) == "owned"
    found = describe(org, domain)
    assert "proof_lost_at" not in found and found["verified_at"] == lost["verified_at"]


def test_domain_without_proof_is_pending_until_its_time_is_over(service, org, prove):
    domain = org.register_domain()
    assert prove(org, domain, "not_proven") == "not_owned"
    assert describe(org, domain)["ownership_status"] == "PENDING"
    assert prove(org, domain, "expired") == "not_owned"
    failed = describe(org, domain)
    assert failed["ownership_status"] == "FAILED" and "next_check_at" not in failed
    assert record(failed, "OWNERSHIP")["status"] == "FAILED"
    assert owners(service, domain) == []


def test_failed_domain_is_tried_again_at_once(service, org, prove):
    domain = org.register_domain()
    service.sql("UPDATE mail_domain SET pending_since = now() - interval '4 days' WHERE domain = %s", domain)
    prove(org, domain, "expired")
    verify(org, domain)
    again = describe(org, domain)
    assert again["ownership_status"] == "PENDING"
    assert service.sql("SELECT pending_since > now() - interval '1 minute' FROM mail_domain WHERE domain = %s", domain) == [(True,)]
    assert prove(org, domain) == "owned"


def test_the_first_of_two_owns_it_and_the_other_is_told(service, org, other, prove):
    domain = org.register_domain()
    other.register_domain(domain)
    assert prove(org, domain) == "owned"
    assert prove(other, domain) == "verified_elsewhere"
    seen = describe(other, domain)
    assert seen["ownership_status"] == "PENDING"
    assert (record(seen, "OWNERSHIP")["status"], record(seen, "OWNERSHIP")["code"]) == ("FAILED", "verified_elsewhere")
    assert record(seen, "OWNERSHIP")["help"]
    assert record(describe(org, domain), "OWNERSHIP")["status"] == "VERIFIED"
    assert prove(other, domain, "expired") == "not_owned"
    assert describe(other, domain)["ownership_status"] == "FAILED"
    assert owners(service, domain) == [org.id]


def test_of_two_at_the_same_instant_exactly_one_owns_it(service, api, org, other, provers):
    """In 100 rounds."""
    winners = []
    for _ in range(ROUNDS):
        domain = unique_domain()
        for one in (org, other):
            service.sql("INSERT INTO mail_domain (organization_id, domain) VALUES (%s, %s)", one.id, domain)
        for prover, one in zip(provers, (org, other)):
            prover.begin(one, domain)
        said = [prover.end() for prover in provers]
        assert sorted(said) == ["owned", "verified_elsewhere"]
        winner = (org, other)[said.index("owned")]
        assert owners(service, domain) == [winner.id]
        assert service.sql("SELECT organization_id FROM mail_domain WHERE domain = %s AND ownership_status = 'VERIFIED'", domain) == [(winner.id,)]
        winners.append(winner.id)
    assert len(set(winners)) <= 2


def test_who_waits_is_looked_at_once_the_owner_gives_it_up(service, api, org, other, prove):
    domain = org.register_domain()
    other.register_domain(domain)
    prove(org, domain)
    prove(other, domain)
    service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day' WHERE domain = %s", domain)
    before = checked(service, domain)
    api.delete(org.domain_path(domain), expect=204, params={"confirm": domain})
    wait_for_check(service, other, domain, before)
    assert record(describe(other, domain), "OWNERSHIP").get("code") != "verified_elsewhere"
    assert prove(other, domain) == "owned"


def test_who_gives_up_what_is_not_its_own_holds_nobody_up(service, api, org, other):
    """Whoever registers a domain and removes it again, over and over, does not undo the checks of who proves it."""
    domain = org.register_domain()
    other.register_domain(domain)
    wait_unchecked(service, org, domain)
    find = "SELECT next_check_at, check_claims FROM mail_domain WHERE organization_id = %s AND domain = %s"
    service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day' WHERE domain = %s", domain)
    before = service.sql(find, org.id, domain)
    api.delete(other.domain_path(domain), expect=204, params={"confirm": domain})
    assert service.sql(find, org.id, domain) == before


def test_removed_organization_gives_its_domains_up(service, api, org, prove):
    gone = create_organization(api)
    domain = gone.register_domain()
    org.register_domain(domain)
    prove(gone, domain)
    service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day' WHERE domain = %s", domain)
    operation = verify(gone, domain)["operation_id"]
    before = checked(service, domain)
    gone.remove()
    assert owners(service, domain) == []
    wait_for_check(service, org, domain, before)
    assert list(checked(service, domain)) == [org.id]
    assert api.get(f"/v1/operations/{operation}")["status"] in ("CANCELED", "SUCCEEDED", "FAILED")
    assert prove(gone, domain) == "gone"
    assert prove(org, domain) == "owned"


def test_domain_that_was_removed_is_not_owned_by_a_late_proof(service, api, org, prove):
    domain = org.register_domain()
    api.delete(org.domain_path(domain), expect=204, params={"confirm": domain})
    assert prove(org, domain) == "gone"
    assert owners(service, domain) == []


# --- what is below ---


def test_domain_below_one_of_another_organization_is_refused(api, org, other, prove):
    domain = org.register_domain()
    prove(org, domain)
    below = f"a.team.{domain}"
    answer = api.post(other.path + "/domains", expect="mail_domain_in_use", json={"domain": below})
    assert domain in answer["detail"]
    assert org.register_domain(below) == below and prove(org, below) == "owned"


def test_domain_below_is_allowed_by_who_owns_what_is_above(api, org, other, prove):
    domain = org.register_domain()
    prove(org, domain)
    api.patch(org.domain_path(domain), json={"allow_subdomains": True})
    below = other.register_domain(f"team.{domain}")
    assert prove(other, below) == "owned"
    # The nearest one decides.
    api.post(org.path + "/domains", expect="mail_domain_in_use", json={"domain": f"x.{below}"})
    other.register_domain(f"x.{below}")


def test_pending_domain_below_another_ones_is_not_verified(api, org, other, prove):
    """Registered before the other one was verified."""
    domain = org.register_domain()
    below = other.register_domain(f"team.{domain}")
    prove(org, domain)
    assert prove(other, below) == "verified_elsewhere"
    seen = record(describe(other, below), "OWNERSHIP")
    assert seen["code"] == "subdomain_not_allowed" and domain in seen["help"]
    api.patch(org.domain_path(domain), json={"allow_subdomains": True})
    assert prove(other, below) == "owned"
    # What is owned stays so.
    api.patch(org.domain_path(domain), json={"allow_subdomains": False})
    assert prove(other, below) == "owned" and describe(other, below)["ownership_status"] == "VERIFIED"


def test_name_that_only_ends_alike_is_not_below(api, org, other, prove):
    domain = org.register_domain()
    prove(org, domain)
    other.register_domain(f"not{domain}")
