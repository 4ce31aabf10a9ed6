"""Nobody changes the record unseen."""
import concurrent.futures

import pytest

from audit import VERIFY, events, own_id
from audit_chain import FIRST_HASH, check_chain, hash_of, rows
from checks import check_all_sealed, check_consistency, error_lines
from organization import create_organization, unique
from service import wait_until


@pytest.fixture
def sealed(make_service):
    """A service with a log of its own of at least ten events."""
    service = make_service()
    org = create_organization(service.client())
    for number in range(8):
        org.create_user(f"u{number}")
    check_all_sealed(service)
    service.chain = service.root["account_id"]
    service.length = len(check_chain(service, service.chain))
    service.org = org
    return service


def verify(service, **asked):
    return service.client().post(VERIFY, expect=200, **({"json": asked} if asked else {})).body


def test_whole_log_is_found_whole(sealed):
    found = verify(sealed)
    assert (found["result"], found["checked"], found["unsealed"]) == ("WHOLE", sealed.length, 0)
    assert found["verified_to"] == {name: found["head"][name] for name in ("sequence", "hash")}
    assert sealed.admin("verify-audit") == found
    sealed.org.remove()
    check_all_sealed(sealed)
    assert verify(sealed)["result"] == "WHOLE"
    check_consistency(sealed)


def test_empty_log_is_whole(sealed):
    found = sealed.admin("verify-audit", "--account", "installation")
    assert (found["result"], found["checked"]) == ("WHOLE", 0) and "head" not in found


def test_log_is_verified_piece_by_piece(sealed):
    seen, asked = 0, {"limit": 3}
    while True:
        found = verify(sealed, **asked)
        seen += found["checked"]
        if found["result"] != "UNFINISHED":
            break
        assert found["checked"] == 3
        asked = {"limit": 3, **found["verified_to"]}
    assert (found["result"], seen) == ("WHOLE", sealed.length)


def hash_at(service, sequence):
    return service.sql("SELECT hash FROM audit_event WHERE chain = %s AND sequence = %s", service.chain, sequence)[0][0]


def test_what_comes_after_a_kept_head_is_verified(sealed):
    found = verify(sealed, sequence=5, hash=hash_at(sealed, 5))
    assert (found["result"], found["checked"]) == ("WHOLE", sealed.length - 5)


@pytest.mark.parametrize("body,fault", [
    ({"sequence": 1}, "/hash required"), ({"hash": 64 * "0"}, "/sequence required"),
    ({"sequence": 0, "hash": 64 * "0"}, "/sequence too_small"), ({"sequence": 1, "hash": 64 * "A"}, "/hash invalid_format"),
    ({"sequence": 1, "hash": "0"}, "/hash too_short"), ({"limit": 0}, "/limit too_small"),
    ({"limit": 1000001}, "/limit too_large"), ({"more": 1}, "/more unknown_member")])
def test_bad_question_is_refused(api, body, fault):
    assert api.post(VERIFY, expect="validation_failed", json=body).faults == {fault}


ONE = "WHERE chain = %(chain)s AND sequence = 5"
TAMPERING = {
    **{f"altered {column}": (f"UPDATE audit_event SET {column} = {value} {ONE}", "ALTERED", 5) for column, value in {
        "at": "at + interval '1 microsecond'", "organization_id": "NULL", "actor": "'operator'", "access_key_id": "NULL",
        "source_address": "'192.0.2.1'", "request_id": "request_id || 'x'", "action": "'workmail:DeleteUser'",
        "target": "'/v1/other'", "outcome": "'DENIED'", "reason": "''", "omitted": "1", "changes": "changes || ' '",
        "hash": "repeat('0', 64)"}.items()},
    "the first one altered": ("UPDATE audit_event SET actor = 'x' WHERE chain = %(chain)s AND sequence = 1", "ALTERED", 1),
    "the last one altered": ("UPDATE audit_event SET actor = 'x' WHERE chain = %(chain)s AND sequence = %(length)s", "ALTERED",
                             "length"),
    "swapped": ("""UPDATE audit_event SET sequence = sequence + 1000 WHERE chain = %(chain)s AND sequence IN (5, 6);
                   UPDATE audit_event SET sequence = 6 WHERE chain = %(chain)s AND sequence = 1005;
                   UPDATE audit_event SET sequence = 5 WHERE chain = %(chain)s AND sequence = 1006""", "OUT_OF_ORDER", 5),
    "swapped but for the hashes": ("""
        CREATE TEMP TABLE kept AS SELECT sequence, hash FROM audit_event WHERE chain = %(chain)s;
        UPDATE audit_event SET sequence = sequence + 1000 WHERE chain = %(chain)s AND sequence IN (5, 7);
        UPDATE audit_event SET sequence = 7 WHERE chain = %(chain)s AND sequence = 1005;
        UPDATE audit_event SET sequence = 5 WHERE chain = %(chain)s AND sequence = 1007;
        UPDATE audit_event e SET hash = kept.hash FROM kept WHERE chain = %(chain)s AND e.sequence = kept.sequence""",
                                   "OUT_OF_ORDER", 5),
    "one missing": (f"DELETE FROM audit_event {ONE}", "MISSING", 5),
    "the first one missing": ("DELETE FROM audit_event WHERE chain = %(chain)s AND sequence = 1", "MISSING", 1),
    "one missing, the others moved up": (f"""DELETE FROM audit_event {ONE};
        UPDATE audit_event SET sequence = sequence + 1000 WHERE chain = %(chain)s AND sequence > 5;
        UPDATE audit_event SET sequence = sequence - 1001 WHERE chain = %(chain)s AND sequence > 1000""", "ALTERED", 5),
    "moved to another account": (f"UPDATE audit_event SET chain = '999999999999' {ONE}", "MISSING", 5),
    "the tail missing": ("DELETE FROM audit_event WHERE chain = %(chain)s AND sequence >= 7", "TAIL_MISSING", 7),
    "all missing": ("DELETE FROM audit_event WHERE chain = %(chain)s", "TAIL_MISSING", 1),
    "one made up": ("""INSERT INTO audit_event (chain, sequence, event_id, at, actor, action, target, outcome, hash)
        SELECT chain, sequence + 1, 0, at, actor, action, target, outcome, hash FROM audit_event
        WHERE chain = %(chain)s AND sequence = %(length)s""", "ALTERED", "beyond"),
    "head with another number": ("UPDATE audit_head SET sequence = sequence - 1 WHERE chain = %(chain)s", "HEAD_ALTERED", "shorter"),
    "head with another hash": ("UPDATE audit_head SET hash = repeat('0', 64) WHERE chain = %(chain)s", "HEAD_ALTERED", "length"),
    "head with another time": ("UPDATE audit_head SET signed_at = now() WHERE chain = %(chain)s", "HEAD_ALTERED", "length"),
    "head without a signature": ("UPDATE audit_head SET signature = '' WHERE chain = %(chain)s", "HEAD_ALTERED", "length"),
    "no head": ("DELETE FROM audit_head WHERE chain = %(chain)s", "HEAD_MISSING", "length"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found_and_the_first_bad_event_named(sealed, how):
    statements, kind, sequence = TAMPERING[how]
    place = {"length": sealed.length, "beyond": sealed.length + 1, "shorter": sealed.length - 1}.get(sequence, sequence)
    for one in statements.split(";\n"):
        sealed.db().execute(one, {"chain": sealed.chain, "length": sealed.length} if "%(" in one else None)
    found = verify(sealed)
    assert found["result"] == "BROKEN", found
    assert (found["fault"]["kind"], found["fault"]["sequence"]) == (kind, place), found
    if not kind.startswith("HEAD"):
        assert found["verified_to"]["sequence"] == place - 1
    result = sealed.admin("verify-audit", expect=1)
    assert result == found


def rewrite(service, sequence):
    """Alters an event and computes all hashes after it anew, as somebody would who knows how it is done."""
    service.sql("UPDATE audit_event SET actor = 'operator' WHERE chain = %s AND sequence = %s", service.chain, sequence)
    previous = FIRST_HASH
    for row in rows(service, service.chain):
        previous = hash_of(previous, row)
        service.sql("UPDATE audit_event SET hash = %s WHERE chain = %s AND sequence = %s", previous, service.chain,
                    row["sequence"])
    return previous


def test_hashes_that_were_computed_anew_do_not_fit_the_signed_head(sealed):
    rewrite(sealed, 5)
    fault = verify(sealed)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("REWRITTEN", sealed.length)


def test_head_cannot_be_signed_with_another_key(sealed, make_service):
    """Another service, which has another root key, signs the rewritten chain."""
    last = rewrite(sealed, 5)
    stranger = make_service(fresh=True)
    stranger.sql("""INSERT INTO audit_head (chain, sequence, hash, signed_at, signature)
                    VALUES (%s, %s, %s, now(), '')""", sealed.chain, sealed.length, last)
    stranger.sql("""INSERT INTO audit_event (chain, sequence, event_id, at, actor, action, target, outcome, hash)
                    VALUES (%s, %s, 0, now(), 'x', 'x:X', '/v1/x', 'ALLOWED', %s)""", sealed.chain, sealed.length, last)
    stranger.sql("INSERT INTO account (account_id, name) VALUES (%s, 'x') ON CONFLICT DO NOTHING", sealed.chain)
    stranger.admin("restart-audit", "--account", sealed.chain)
    signed = stranger.sql("SELECT sequence, hash, signed_at, signature FROM audit_head WHERE chain = %s", sealed.chain)[0]
    assert signed[:2] == (sealed.length, last)
    sealed.sql("UPDATE audit_head SET sequence = %s, hash = %s, signed_at = %s, signature = %s WHERE chain = %s",
               *signed, sealed.chain)
    fault = verify(sealed)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("HEAD_ALTERED", sealed.length)


def roll_back(service, head, length):
    """The log as it was when its head was this one."""
    service.sql("DELETE FROM audit_event WHERE chain = %s AND sequence > %s", service.chain, length)
    service.sql("UPDATE audit_head SET sequence = %s, hash = %s, signed_at = %s, signature = %s WHERE chain = %s",
                *head, service.chain)


@pytest.mark.expect_errors
def test_older_log_that_was_put_back_is_found_by_who_kept_a_head(sealed):
    old = sealed.sql("SELECT sequence, hash, signed_at, signature FROM audit_head WHERE chain = %s", sealed.chain)[0]
    sealed.org.create_user()
    check_all_sealed(sealed)
    kept = verify(sealed)["head"]
    roll_back(sealed, old, sealed.length)
    assert verify(sealed)["result"] == "WHOLE"  # by itself it is
    fault = verify(sealed, sequence=kept["sequence"], hash=kept["hash"])["fault"]
    assert (fault["kind"], fault["sequence"]) == ("TAIL_MISSING", kept["sequence"])
    assert sealed.admin("verify-audit", "--sequence", kept["sequence"], "--hash", kept["hash"], expect=1)["fault"] == fault

    sealed.org.create_user()  # the log goes on from there …
    check_all_sealed(sealed)
    fault = verify(sealed, sequence=kept["sequence"], hash=kept["hash"])["fault"]
    assert (fault["kind"], fault["sequence"]) == ("REWRITTEN", kept["sequence"])
    assert [line for line in error_lines(sealed) if "older" in line["event"]]  # … but the process that signed it noticed


@pytest.mark.expect_errors
@pytest.mark.parametrize("how", ["UPDATE audit_head SET hash = repeat('0', 64)", "DELETE FROM audit_head"])
def test_chain_without_a_good_head_is_not_sealed_until_the_operator_says_so(sealed, how):
    """A new signature would cover up what was done; and a chain of others is sealed meanwhile."""
    sealed.sql(how + " WHERE chain = %s", sealed.chain)
    sealed.restart()
    sealed.org.api = sealed.client()
    sealed.org.create_user()
    sealed.sql("""INSERT INTO audit_unsealed (chain, actor, action, target, outcome)
                  VALUES ('installation', 'service', 'service:Test', '/v1/x', 'ALLOWED')""")
    wait_until(lambda: sealed.sql("SELECT count(*) FROM audit_event WHERE chain = 'installation'") == [(1,)])
    wait_until(lambda: error_lines(sealed))
    found = verify(sealed)
    assert found["unsealed"] == 1 and found["fault"]["kind"] in ("HEAD_ALTERED", "HEAD_MISSING")

    before = sealed.sql("SELECT sequence, hash FROM audit_head WHERE chain = %s", sealed.chain)
    assert sealed.admin("restart-audit")["sequence"] == sealed.length
    check_all_sealed(sealed)
    check_chain(sealed, sealed.chain)
    assert verify(sealed)["result"] == "WHOLE"
    event = events(sealed.client(), action="operator:RestartAuditLog")[0]
    assert event["changes"]["before"] == ({"sequence": before[0][0], "hash": before[0][1]} if before else {})


def test_verification_is_not_a_change(api):
    sent = {**own_id(), "Idempotency-Key": unique("key")}
    for _ in range(2):
        assert "Idempotent-Replayed" not in api.post(VERIFY, expect=200, headers=sent).headers
    assert api.post(VERIFY, expect="validation_failed", params={"validate_only": "true"}).faults == {
        "validate_only unknown_parameter"}
    assert events(api, request_id=sent["Request-Id"]) == []


def test_verification_beside_writers_finds_no_fault(service, api, org):
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(lambda: [org.create_user() for _ in range(60)]) for _ in range(4)]
        results = {api.post(VERIFY, expect=200)["result"] for _ in range(30)}
        for writer in writers:
            writer.result()
    assert results == {"WHOLE"}


def test_sequence_of_requests_from_one_client_is_that_of_the_log(service, api, org):
    names = [org.create_user()["name"] for _ in range(10)]
    told = [event["changes"]["after"]["name"] for event in events(api, organization_id=org.id, action="workmail:CreateUser")]
    assert told == names
