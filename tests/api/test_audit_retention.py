"""Old events of the audit log go, and what stays is proved as before."""
import concurrent.futures
import json
import time

import pytest

from audit_chain import check_chain, hash_of, rows
from checks import check_all_sealed, check_consistency, error_lines
from organization import create_organization
from service import run_binary, wait_until
from test_audit_export import EXPORT, VERIFY, export, lines_of
from test_audit_export import verify as verify_file

EVENTS = "/v1/audit-events"
REMOVAL = "service:RemoveAuditEvents"
DAY = 86400


def age(service, chain):
    """What waits to be sealed happened ten days ago."""
    service.sql("UPDATE audit_unsealed SET at = at - interval '10 days' WHERE chain = %s", chain)


def prepare(service):
    """Gives it an account with events that are ten days old, and some of today behind them."""
    with service.db().transaction():
        service.sql("SELECT pg_advisory_xact_lock(7265)")  # nothing is sealed meanwhile
        made = service.admin("create-account", "--name", "old", "--trial", "false")
        service.chain = made["account_id"]
        service.api = service.client(made)
        org = create_organization(service.api)
        for number in range(6):
            org.create_user(f"old{number}")
        age(service, service.chain)
    check_all_sealed(service)
    service.old = len(check_chain(service, service.chain))
    service.before = export(service.api)
    for number in range(6):
        org.create_user(f"new{number}")
    check_all_sealed(service)
    service.length = service.old + 6
    service.org = org
    return service


@pytest.fixture
def aged(make_service):
    """A service that keeps events for five days and has older ones, which it has not removed yet."""
    return prepare(make_service("--audit-retention", 5 * DAY))


@pytest.fixture
def pruned(aged):
    """The same, and it has removed them; the removal is its last event."""
    run_retention(aged)
    aged.length += 1
    return aged


def run_retention(service):
    """Lets the job come at once, and waits until it is over."""
    claims, = service.sql("UPDATE job SET run_at = now() WHERE kind = 'audit_retention' RETURNING claims")
    wait_until(lambda: service.sql("""SELECT 1 FROM job WHERE kind = 'audit_retention' AND claims > %s
                                      AND state = 'PENDING' AND run_at > now()""", *claims), 20, what="the end of the job")
    check_all_sealed(service)


def write_old(service, count):
    """That many events of the installation that are ten days old, and one of today behind them."""
    service.sql("""INSERT INTO audit_unsealed (chain, at, actor, action, target, outcome)
                   SELECT 'installation', CASE WHEN g > %s THEN now() ELSE now() - interval '10 days' END, 'service', 'service:Test',
                       '/v1/x', 'ALLOWED' FROM generate_series(1, %s + 1) g""", count, count)
    check_all_sealed(service, 30)


def verify(service, **asked):
    return service.api.post(VERIFY, expect=200, **({"json": asked} if asked else {})).body


def checkpoint_of(service):
    return service.sql("SELECT sequence, hash FROM audit_checkpoint WHERE chain = %s", service.chain)[0]


def test_old_events_go_and_the_rest_is_proved(aged, tmp_path):
    last_removed = rows(aged, aged.chain)[aged.old - 1]["hash"]
    assert "checkpoint" not in verify(aged)
    run_retention(aged)
    assert checkpoint_of(aged) == (aged.old, last_removed)
    found = check_chain(aged, aged.chain, checkpoint_of(aged))
    assert [row["action"] for row in found] == 6 * ["workmail:CreateUser"] + [REMOVAL]
    answer = verify(aged)
    assert (answer["result"], answer["checked"]) == ("WHOLE", 7)
    assert (answer["checkpoint"]["sequence"], answer["checkpoint"]["hash"]) == (aged.old, last_removed)
    assert aged.admin("verify-audit", "--account", aged.chain) == answer
    assert verify_file(tmp_path, export(aged.api))["checked"] == 7
    check_consistency(aged)


def test_removal_is_told(pruned):
    event, = pruned.api.items(EVENTS, action=REMOVAL)
    assert (event["target"], event["actor"], event["outcome"]) == (EVENTS, {"kind": "SERVICE", "id": "service"}, "ALLOWED")
    assert event["changes"] == {"before": {"first_sequence": 1}, "after": {"first_sequence": pruned.old + 1}}
    assert event["account_id"] == pruned.chain and "organization_id" not in event


def test_what_was_removed_is_listed_nowhere(pruned):
    for path in (EVENTS, pruned.org.path + "/audit-events"):
        told = pruned.api.items(path, action="workmail:CreateUser")
        assert sorted(event["changes"]["after"]["name"] for event in told) == [f"new{number}" for number in range(6)]
    assert "old0" not in export(pruned.api)


def test_nothing_more_is_removed_until_it_is_old(pruned):
    before = rows(pruned, pruned.chain)
    run_retention(pruned)
    assert rows(pruned, pruned.chain) == before


def test_by_default_events_are_kept_for_ever(make_service):
    service = prepare(make_service())
    run_retention(service)
    assert len(check_chain(service, service.chain)) == service.length


def test_other_accounts_keep_what_is_not_old(pruned):
    assert len(check_chain(pruned, pruned.root["account_id"])) > 0
    assert pruned.sql("SELECT chain FROM audit_checkpoint") == [(pruned.chain,)]
    assert pruned.client().items(EVENTS, action=REMOVAL) == []


def test_log_of_the_installation_is_pruned_as_well(make_service):
    service = make_service("--audit-retention", 5 * DAY)
    write_old(service, 5)
    run_retention(service)
    found = service.admin("verify-audit", "--account", "installation")
    assert (found["result"], found["checked"], found["checkpoint"]["sequence"]) == ("WHOLE", 2, 5)
    exported = lines_of(service.admin("export-audit", "--account", "installation"))
    assert [line.get("action") for line in exported[1:-1]] == ["service:Test", REMOVAL]


def test_much_goes_batch_by_batch(make_service, tmp_path):
    service = make_service("--audit-retention", 5 * DAY)
    write_old(service, 2500)
    run_retention(service)
    found = service.admin("verify-audit", "--account", "installation")
    assert (found["result"], found["checkpoint"]["sequence"]) == ("WHOLE", 2500)
    assert [row["changes"] for row in rows(service, "installation")[1:]] == [
        json.dumps({"before": {"first_sequence": first}, "after": {"first_sequence": then}}, separators=(",", ":"))
        for first, then in ((1, 1001), (1001, 2001), (2001, 2501))]


def test_events_go_by_themselves_while_all_goes_on(make_service, tmp_path):
    """Verified and exported beside writers and removals, the log is whole each time."""
    service = make_service("--audit-retention", 2)
    service.api, service.chain = service.client(), service.root["account_id"]
    org, until = create_organization(service.api), time.monotonic() + 8

    def write():
        while time.monotonic() < until:
            org.create_user()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write) for _ in range(3)]
        begins = set()
        while time.monotonic() < until:
            found = verify(service)
            assert found["result"] == "WHOLE", found
            begins.add(found.get("checkpoint", {}).get("sequence"))
            answer = service.api.request("GET", EXPORT)
            (tmp_path / "export").write_bytes(answer.raw)
            if b'{"head"' in answer.raw:
                verify_file(tmp_path, answer.raw)
        for writer in writers:
            writer.result()
    assert len(begins) > 3, "too little was removed to show anything"
    assert wait_until(lambda: len(rows(service, service.chain)) < 50, 20)
    check_consistency(service)


def test_known_event_before_the_checkpoint_cannot_be_compared(pruned):
    sequence, hash_ = checkpoint_of(pruned)
    known = {"sequence": sequence - 1, "hash": 64 * "0"}
    assert pruned.api.post(VERIFY, expect="validation_failed", json=known).faults == {"/sequence too_small"}
    assert verify(pruned, sequence=sequence, hash=hash_)["result"] == "WHOLE"
    assert verify(pruned, sequence=sequence, hash=64 * "0")["fault"]["kind"] == "REWRITTEN"
    assert "were removed" in run_failing(pruned, "--sequence", sequence - 1, "--hash", 64 * "0")


def run_failing(service, *options):
    result = run_binary("admin", "verify-audit", "--account", service.chain, *options, *service.options_for_admin())
    assert result.returncode == 1, result
    return result.stderr


# Exports


def test_export_begins_with_the_checkpoint(pruned, tmp_path):
    sequence, hash_ = checkpoint_of(pruned)
    text = export(pruned.api)
    start, first = lines_of(text)[:2]
    assert (start["checkpoint"]["sequence"], start["checkpoint"]["hash"], first["sequence"]) == (sequence, hash_, sequence + 1)
    assert verify_file(tmp_path, text)["checkpoint"]["sequence"] == sequence
    assert verify_file(tmp_path, text, "--sequence", sequence, "--hash", hash_)["result"] == "WHOLE"
    assert verify_file(tmp_path, text, "--sequence", sequence, "--hash", 64 * "0", expect=1)["fault"]["kind"] == "REWRITTEN"
    assert "removed" in verify_file(tmp_path, text, "--sequence", 1, "--hash", 64 * "0", expect=1)


def test_what_was_exported_before_and_what_is_left_are_one(pruned, tmp_path):
    found = verify_file(tmp_path, pruned.before + export(pruned.api, after=pruned.old))
    assert (found["result"], found["checked"]) == ("WHOLE", pruned.length)


def test_export_of_what_is_gone_is_refused(pruned):
    assert pruned.api.get(EXPORT, expect="validation_failed", params={"after": pruned.old - 1}).faults == {"after too_small"}
    pruned.api.get(EXPORT, params={"after": pruned.old})


@pytest.mark.parametrize("how,kind", [
    ({"sequence": 5}, "CHECKPOINT_ALTERED"), ({"hash": 64 * "0"}, "CHECKPOINT_ALTERED"), ({"signature": ""}, "CHECKPOINT_ALTERED"),
    ({"signed_at_us": 1}, "CHECKPOINT_ALTERED"), ({"chain": "999999999999"}, "CHECKPOINT_ALTERED"), ({"more": 1}, "ALTERED"),
    (None, "MISSING")])
def test_tampering_with_the_checkpoint_of_an_export_is_found(pruned, tmp_path, how, kind):
    first, *others = export(pruned.api).splitlines()
    start = json.loads(first)
    if how is None:
        del start["checkpoint"]
    else:
        start["checkpoint"].update(how)
    fault = verify_file(tmp_path, "".join(line + "\n" for line in (json.dumps(start), *others)), expect=1)["fault"]
    assert fault["kind"] == kind
    assert kind != "MISSING" or fault["sequence"] == 1


# Tampering

AT = "WHERE chain = %(chain)s"
TAMPERING = {
    "checkpoint of another number": (f"UPDATE audit_checkpoint SET sequence = sequence + 1 {AT}", "CHECKPOINT_ALTERED", 1),
    "checkpoint with another hash": (f"UPDATE audit_checkpoint SET hash = repeat('0', 64) {AT}", "CHECKPOINT_ALTERED", 0),
    "checkpoint of another time": (f"UPDATE audit_checkpoint SET signed_at = now() {AT}", "CHECKPOINT_ALTERED", 0),
    "checkpoint without a signature": (f"UPDATE audit_checkpoint SET signature = '' {AT}", "CHECKPOINT_ALTERED", 0),
    "head in its place": (f"""UPDATE audit_checkpoint c SET sequence = h.sequence, hash = h.hash, signed_at = h.signed_at,
        signature = h.signature FROM audit_head h WHERE c.chain = %(chain)s AND h.chain = c.chain""", "CHECKPOINT_ALTERED", "last"),
    "no checkpoint": (f"DELETE FROM audit_checkpoint {AT}", "MISSING", "first"),
    "more removed": (f"DELETE FROM audit_event {AT} AND sequence <= %(old)s + 2", "MISSING", 1),
    "more removed, and the checkpoint moved": (f"""DELETE FROM audit_event {AT} AND sequence <= %(old)s;
        UPDATE audit_checkpoint c SET sequence = e.sequence, hash = e.hash FROM audit_event e
        WHERE c.chain = %(chain)s AND e.chain = c.chain AND e.sequence = c.sequence + 1;
        DELETE FROM audit_event {AT} AND sequence <= %(old)s + 1""", "CHECKPOINT_ALTERED", 1),
    "one removed": (f"DELETE FROM audit_event {AT} AND sequence = %(old)s + 3", "MISSING", 3),
    "all removed": (f"DELETE FROM audit_event {AT}", "TAIL_MISSING", 1),
    "all removed and the head": (f"DELETE FROM audit_event {AT}; DELETE FROM audit_head {AT}", "HEAD_MISSING", 0),
    "a removed one made up": (f"""INSERT INTO audit_event (chain, sequence, event_id, at, actor, action, target, outcome, hash)
        SELECT chain, 3, 0, at, actor, action, target, outcome, hash FROM audit_event {AT} AND sequence = %(old)s + 1""",
                              "SURPLUS", "third"),
    "the first one altered": (f"UPDATE audit_event SET actor = 'x' {AT} AND sequence = %(old)s + 1", "ALTERED", 1),
}


def tamper(service, statements):
    for one in statements.split(";\n"):
        for each in one.split("; "):
            service.db().execute(each, {"chain": service.chain, "old": service.old})


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found(pruned, how):
    statements, kind, place = TAMPERING[how]
    tamper(pruned, statements)
    fault = verify(pruned)["fault"]
    expected = {"first": 1, "third": 3, "last": pruned.length}.get(place) or pruned.old + place
    assert (fault["kind"], fault["sequence"]) == (kind, expected), fault
    assert pruned.admin("verify-audit", "--account", pruned.chain, expect=1)["fault"] == fault


def test_older_checkpoint_that_is_put_back_is_found(pruned):
    kept = pruned.sql("SELECT sequence, hash, signed_at, signature FROM audit_checkpoint WHERE chain = %s", pruned.chain)[0]
    pruned.stop()
    pruned.options[-1] = "1"
    pruned.start()
    wait_until(lambda: checkpoint_of(pruned)[0] > kept[0], 20)
    pruned.stop()
    pruned.options[-1] = "0"
    pruned.start()
    pruned.api = pruned.client(pruned.api.credential)
    assert verify(pruned)["result"] == "WHOLE"
    pruned.sql("UPDATE audit_checkpoint SET sequence = %s, hash = %s, signed_at = %s, signature = %s WHERE chain = %s",
               *kept, pruned.chain)
    fault = verify(pruned)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("MISSING", kept[0] + 1)


# What is not whole is kept


def rewrite(service):
    """Computes all hashes anew, as somebody would who knows how it is done, but has not the key."""
    previous = 64 * "0"
    for row in rows(service, service.chain):
        previous = hash_of(previous, row)
        service.sql("UPDATE audit_event SET hash = %s WHERE chain = %s AND sequence = %s", previous, service.chain, row["sequence"])


KEPT = {
    "made old by somebody": (f"UPDATE audit_event SET at = at - interval '10 days' {AT} AND sequence = %(old)s + 1", "ALTERED"),
    "an old one altered": (f"UPDATE audit_event SET actor = 'x' {AT} AND sequence = 3", "ALTERED"),
    "an old one missing": (f"DELETE FROM audit_event {AT} AND sequence = 3", "MISSING"),
    "the first ones missing": (f"DELETE FROM audit_event {AT} AND sequence < 3", "MISSING"),
    "the first that would stay altered": (f"UPDATE audit_event SET actor = 'x' {AT} AND sequence = %(old)s + 1", "ALTERED"),
    "head altered": (f"UPDATE audit_head SET hash = repeat('0', 64) {AT}", "HEAD_ALTERED"),
    "checkpoint made up": ("""INSERT INTO audit_checkpoint SELECT * FROM audit_head WHERE chain = %(chain)s""", "CHECKPOINT_ALTERED"),
}


@pytest.mark.expect_errors
@pytest.mark.parametrize("how", KEPT)
def test_events_that_are_not_as_they_were_are_not_removed(aged, how):
    """A removal would cover up what was done; other accounts' old events go."""
    statements, kind = KEPT[how]
    tamper(aged, statements)
    write_old(aged, 5)
    before, fault = rows(aged, aged.chain), verify(aged)["fault"]
    assert fault["kind"] == kind
    run_retention(aged)
    assert rows(aged, aged.chain) == before and verify(aged)["fault"] == fault
    logged, = [line for line in error_lines(aged) if "old events" in line["event"]]
    assert (logged["chain"], logged["fault"]) == (aged.chain, kind)
    assert aged.admin("verify-audit", "--account", "installation")["checkpoint"]["sequence"] == 5


def test_hashes_computed_anew_are_found_after_a_removal_too(aged):
    """Who makes events old and all that follows fit cannot sign the head, and does not fit what is sealed then."""
    tamper(aged, f"UPDATE audit_event SET at = at - interval '10 days' {AT} AND sequence = %(old)s + 1")
    rewrite(aged)
    run_retention(aged)
    fault = verify(aged)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("ALTERED", aged.length + 1)


@pytest.mark.expect_errors
def test_log_whose_events_were_all_taken_goes_on_from_the_checkpoint(pruned):
    tamper(pruned, f"DELETE FROM audit_event {AT}; DELETE FROM audit_head {AT}")
    pruned.admin("restart-audit", "--account", pruned.chain)
    check_all_sealed(pruned)
    check_chain(pruned, pruned.chain, checkpoint_of(pruned))
    assert verify(pruned)["result"] == "WHOLE"
    assert [event["sequence"] for event in pruned.api.items(EVENTS)] == [pruned.old + 1]


@pytest.mark.expect_errors
def test_sealing_does_not_begin_anew_where_events_were_removed(pruned):
    """With all events and the head gone a chain would otherwise look like one that has just begun."""
    tamper(pruned, f"DELETE FROM audit_event {AT}; DELETE FROM audit_head {AT}")
    pruned.restart()
    pruned.org.api = pruned.client(pruned.api.credential)
    pruned.org.create_user()
    wait_until(lambda: [line for line in error_lines(pruned) if "missing" in line["event"]])
    assert rows(pruned, pruned.chain) == []
