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
