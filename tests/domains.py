"""Mail domains to test with."""
import psycopg

from organization import unique
from service import wait_until


def register(service, org, domain=None, *, verified=False, hurry=True, own=False):
    """A domain of the organization, whose DKIM keys are made in the background."""
    domain = domain or unique("d") + ".example"
    statements = [("INSERT INTO mail_domain (organization_id, domain, ownership_status) VALUES (%s, %s, %s)",
                   (org.id, domain, "VERIFIED" if verified else "PENDING"))]
    if verified:
        statements.append(("INSERT INTO verified_domain VALUES (%s, %s)", (domain, org.id)))
    if hurry:
        statements.append(("INSERT INTO job (kind, organization_id, is_periodic) VALUES ('dkim_rotation', %s, true)"
                           " ON CONFLICT (organization_id, kind) WHERE is_periodic AND state IN ('PENDING', 'RUNNING')"
                           " DO UPDATE SET state = 'PENDING', claims = job.claims + 1, run_at = now()", (org.id,)))
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as connection:
        for statement, parameters in statements:
            connection.execute(statement, parameters)
    return domain


def dkim_path(org, domain, *parts):
    return "/".join((org.path, "domains", domain, "dkim") + parts)


def keys_of(org, domain):
    return org.api.get(dkim_path(org, domain))["keys"]


def dkim_settled(org, domain):
    """Waits until the domain has its three keys."""
    return wait_until(lambda: len(keys := keys_of(org, domain)) == 3 and keys, 30, 0.02, f"the keys of {domain}")
