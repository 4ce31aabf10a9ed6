"""Events become a chain whose head is signed."""
import concurrent.futures
import pathlib
import subprocess
import tempfile
import time

import psycopg

from audit import VERIFY, events
from audit_chain import check_chain, statement
from checks import check_all_sealed
from organization import create_organization, unique
from service import wait_until


def test_events_are_sealed_within_about_a_second(service, org):
    org.create_user()
    begun = time.monotonic()
    check_all_sealed(service)
    assert time.monotonic() - begun < 3


def test_chain_is_as_the_documentation_says(service, api, org):
    org.create_enabled(first_name="Zoë")
    check_all_sealed(service)
    found = check_chain(service, service.root["account_id"])
    sealed = {event["sequence"]: event["hash"] for event in events(api, page_size=1000)}
    assert sealed == {row["sequence"]: row["hash"] for row in found}


def test_head_is_signed_and_in_the_log(service, org):
    """The signature is checked by another program, with the public key that the API tells."""
    org.create_user()
    check_all_sealed(service)
    verification = org.api.post(VERIFY, expect=200).body
    (chain, sequence, hash_, signed_at, signature), = service.sql(
        "SELECT chain, sequence, hash, signed_at, signature FROM audit_head WHERE chain = %s", service.root["account_id"])
    assert verification["head"]["signature"] == signature and verification["head"]["sequence"] == sequence
    check_signature(verification["public_key"], signature, statement(chain, sequence, hash_, signed_at))
    logged = [event for event in service.events() if event["event"] == "audit sealed" and event["chain"] == chain]
    last = logged[-1]
    assert (last["sequence"], last["hash"], last["signature"]) == (sequence, hash_, signature)
    numbers = [event["sequence"] for event in logged]
    assert numbers == sorted(set(numbers))


def check_signature(public_key, signature, text):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "key").write_bytes(bytes.fromhex("302a300506032b6570032100" + public_key))
        (folder / "signature").write_bytes(bytes.fromhex(signature))
        (folder / "text").write_bytes(text)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", folder / "key", "-rawin",
                        "-in", folder / "text", "-sigfile", folder / "signature"], check=True, capture_output=True)


def test_several_sealers_make_one_chain(make_service):
    first = make_service()
    uri = first.database_uri + " dbname=postreeve"
    others = [make_service("--database", uri, "--root-key-file", first.state / "root-key") for _ in range(2)]
    first.allow_organizations(10)
    org = create_organization(first.client())
    callers = [service.client(first.root) for service in (first, *others)]
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = 0
        while time.monotonic() - begun < 4:
            made += len(list(pool.map(lambda number: callers[number % 3].post(
                org.users, json={"name": unique("u"), "display_name": "x"}), range(30))))
    check_all_sealed(first)
    found = check_chain(first, first.root["account_id"])
    assert sum(row["action"] == "workmail:CreateUser" for row in found) == made
    assert first.client().post(VERIFY, expect=200)["result"] == "WHOLE"


def test_what_commits_late_is_sealed_later(service, org):
    with service.db().transaction():
        service.sql("""INSERT INTO audit_unsealed (chain, actor, action, target, outcome)
                       VALUES (%s, 'service', 'service:Late', '/v1/late', 'ALLOWED')""", service.root["account_id"])
        org.create_user("ann")
        with service_connection(service) as other:
            wait_until(lambda: other.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,))
    check_all_sealed(service)
    found = check_chain(service, service.root["account_id"])
    late = next(row for row in found if row["action"] == "service:Late")
    assert late["sequence"] > next(row["sequence"] for row in found
                                   if row["action"] == "workmail:CreateUser" and row["organization_id"] == org.id)


def service_connection(service):
    return psycopg.connect(f"{service.database_uri} dbname=postreeve", autocommit=True)
