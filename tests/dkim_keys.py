"""DKIM keys of mail domains to test with."""
from service import wait_until


def dkim_path(org, domain, *parts):
    return org.domain_path(domain, "dkim", *parts)


def keys_of(org, domain):
    return org.api.get(dkim_path(org, domain))["keys"]


def dkim_settled(org, domain):
    """Waits until the domain has its three keys; its name."""
    wait_until(lambda: len(keys_of(org, domain)) == 3, 30, 0.02, f"the keys of {domain}")
    return domain


def dkim_rests(service, org):
    """Waits until there is nothing to do for its keys for a while."""
    wait_until(lambda: service.sql("SELECT 1 FROM job WHERE organization_id = %s AND kind = 'dkim_rotation' AND state = 'PENDING'"
                                   " AND run_at > now() + interval '1 minute'", org.id), 30, 0.02, "the rest of the job")
