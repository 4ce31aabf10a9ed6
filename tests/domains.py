"""Mail domains for tests: their ownership as the worker that looks at the DNS would write it."""
import pathlib
import subprocess

from service import BINARY, wait_until


class Prover:
    """Says what a look at the DNS found; each is a process with a connection of its own."""

    def __init__(self, service):
        self.account = service.root["account_id"]
        self.process = subprocess.Popen([pathlib.Path(BINARY).parent / "tests/unit/domain_tool",
                                         f"{service.database_uri} dbname=postreeve"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, org, domain, proof="proven"):
        self.process.stdin.write(f"{self.account} {org.id} {domain} {proof}\n")
        self.process.stdin.flush()

    def end(self):
        return self.process.stdout.readline().strip()

    def prove(self, org, domain, proof="proven"):
        self.begin(org, domain, proof)
        return self.end()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


def checked(service, domain):
    """When a domain was looked at, by organization; None: never."""
    return dict(service.sql("SELECT organization_id, last_checked_at FROM mail_domain WHERE domain = %s", domain))


def wait_for_check(service, org, domain, before):
    """One that ended after `before` (checked) was taken."""
    wait_until(lambda: checked(service, domain)[org.id] != before[org.id], 10, 0.02, "a check of the domain")


def wait_unchecked(service, org, domain):
    """Until no check runs, nor is due at once."""
    wait_until(lambda: service.sql("""SELECT 1 FROM mail_domain WHERE organization_id = %s AND domain = %s AND check_started_at IS NULL
                                      AND (next_check_at IS NULL OR next_check_at > now() + interval '20 s')""", org.id, domain),
               10, 0.02, "the end of the check")


def record(domain, purpose):
    """The record, or the records, of a domain's answer for a purpose."""
    found = [row for row in domain["records"] if row["purpose"] == purpose]
    return found if purpose == "DKIM" else found[0]
