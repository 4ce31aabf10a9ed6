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


def claims(service, domain):
    """How often checks of a domain have begun, by organization."""
    return dict(service.sql("SELECT organization_id, check_claims FROM mail_domain WHERE domain = %s", domain))


def wait_for_check(service, org, domain, before):
    """One that began after `before` (claims) was taken."""
    wait_until(lambda: claims(service, domain)[org.id] > before[org.id], 10, 0.02, "a check of the domain")


def record(domain, purpose):
    """The record, or the records, of a domain's answer for a purpose."""
    found = [row for row in domain["records"] if row["purpose"] == purpose]
    return found if purpose == "DKIM" else found[0]
