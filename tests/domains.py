"""Mail domains to test with."""
from organization import unique
from service import wait_until


def register(service, org, domain=None, *, verified=False):
    """A domain of the organization, whose DKIM keys are made in the background."""
    domain = domain or unique("d") + ".example"
    org.api.post(org.path + "/domains", json={"domain": domain})
    if verified:
        service.sql("UPDATE mail_domain SET ownership_status = 'VERIFIED', verified_at = now() WHERE domain = %s", domain)
        service.sql("INSERT INTO verified_domain VALUES (%s, %s)", domain, org.id)
    return domain


def dkim_path(org, domain, *parts):
    return "/".join((org.path, "domains", domain, "dkim") + parts)


def keys_of(org, domain):
    return org.api.get(dkim_path(org, domain))["keys"]


def dkim_settled(org, domain):
    """Waits until the domain has its three keys."""
    return wait_until(lambda: len(keys := keys_of(org, domain)) == 3 and keys, 30, 0.02, f"the keys of {domain}")
