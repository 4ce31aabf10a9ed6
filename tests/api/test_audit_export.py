"""The audit log travels: its export proves itself, without the service."""
import json

import pytest

import iam
from audit_chain import FIRST_HASH, check_chain, export_hash, rows
from checks import check_all_sealed
from organization import create_organization
from service import Service, run_binary

EXPORT = "/v1/audit-events/export"
VERIFY = "/v1/audit-events/verify"


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def export(api, after=0, **params):
    """All pages, one behind the other."""
    text = ""
    while True:
        text += api.get(EXPORT, params={"after": after, **params}).raw.decode()
        last = json.loads(text.splitlines()[-1])
        if "head" in last:
            return text
        after = last["sequence"]


@pytest.fixture(scope="module")
def sealed(template, check):
    """A service with a log of its own of ten events and more, which stays as it is; its export, and its public key."""
    service = Service(template=template, check=check)
    try:
        yield fill(service.start())
        service.stop()
    finally:
        service.remove()


def fill(service):
    org = create_organization(service.client())
    for number in range(8):
        org.create_user(f"u{number}", display_name="“x” \"\\ é")
    check_all_sealed(service)
    service.chain = service.root["account_id"]
    service.length = len(check_chain(service, service.chain))
    service.org = org
    service.text = export(service.client())
    service.public_key = service.client().post(VERIFY, expect=200)["public_key"]
    return service


def verify(tmp_path, text, *options, expect=0):
    """The outcome of the command; whatever the export says, it ends properly."""
    path = tmp_path / "export"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = run_binary("admin", "verify-audit", "--file", path, *options)
    assert result.returncode == expect, result
    return json.loads(result.stdout) if result.stdout else result.stderr


def test_export_has_all_that_proves_it(sealed):
    start, *events, end = lines_of(sealed.text)
    assert start == {"public_key": sealed.public_key}
    assert [event["sequence"] for event in events] == list(range(1, sealed.length + 1))
    previous = FIRST_HASH
    for event, row in zip(events, rows(sealed, sealed.chain)):
        assert event["hash"] == row["hash"] == export_hash(previous, event)
        previous = event["hash"]
    assert (end["head"]["sequence"], end["head"]["hash"], end["head"]["chain"]) == (sealed.length, previous, sealed.chain)


def test_export_is_of_lines_and_not_stored(sealed):
    answer = sealed.client().get(EXPORT)
    assert answer.headers["Content-Type"] == "application/x-ndjson" and answer.headers["Cache-Control"] == "no-store"
    assert answer.raw.endswith(b"}\n")


def test_pages_make_up_the_whole(sealed):
    for limit in (1, 3, sealed.length, sealed.length - 1):
        assert export(sealed.client(), limit=limit) == sealed.text
    assert sealed.admin("export-audit") == sealed.text
    assert sealed.admin("export-audit", "--sequence", 5) == export(sealed.client(), after=5)


@pytest.mark.parametrize("params,fault", [({"after": -1}, "after too_small"), ({"limit": 0}, "limit too_small"),
                                          ({"limit": 1001}, "limit too_large"), ({"after": "x"}, "after wrong_type"),
                                          ({"action": "x"}, "action unknown_parameter")])
def test_bad_question_is_refused(sealed, params, fault):
    assert sealed.client().get(EXPORT, expect="validation_failed", params=params).faults == {fault}


def test_export_is_for_who_may_see_all_that_it_tells_of(service, api, org):
    see = ["iam:DescribeIamUser", "iam:DescribeIamGroup", "iam:GetPolicy", "kms:DescribeKey"]
    allow, deny = iam.statement(action=["workmail:*", *see]), iam.statement("Deny", "workmail:*", iam.arn(org.id))
    for one in see:
        some = iam.statement(action=["workmail:*", *(other for other in see if other != one)])
        refused = iam.Identity(service, api, some).client.get(EXPORT, expect="access_denied")
        assert one in refused["detail"]
    assert "public_key" in lines_of(iam.Identity(service, api, allow).client.get(EXPORT).raw.decode())[0]
    for statements in ((allow, deny), (iam.statement(action="workmail:*", resource=iam.arn(org.id)),),
                       (iam.statement(action="workmail:ListAuditEvents"),), (iam.statement(action="workmail:List*"), deny)):
        iam.Identity(service, api, *statements).client.get(EXPORT, expect="access_denied")


def test_another_account_exports_its_own(service):
    made = service.admin("create-account", "--name", "other", "--trial", "false")
    check_all_sealed(service)
    found = lines_of(service.client(made).get(EXPORT).raw.decode())
    assert {line["chain"] for line in found if "chain" in line} == {made["account_id"]}


# Verifying without a database


def test_whole_export_is_found_whole(sealed, tmp_path):
    found = verify(tmp_path, sealed.text, "--public-key", sealed.public_key, "--account", sealed.chain)
    assert (found["result"], found["checked"], found["chain"]) == ("WHOLE", sealed.length, sealed.chain)
    assert found["verified_to"] == {name: found["head"][name] for name in ("sequence", "hash")}
    assert verify(tmp_path, sealed.text) == found


def test_key_that_was_not_named_is_not_passed_over(sealed, tmp_path):
    (tmp_path / "e").write_text(sealed.text)
    warned = run_binary("admin", "verify-audit", "--file", tmp_path / "e").stderr
    assert "public key" in warned
    assert run_binary("admin", "verify-audit", "--file", tmp_path / "e", "--public-key", sealed.public_key).stderr == ""


def edit(number, **members):
    """Alters an event; None takes the member away."""
    def tamper(lines, _):
        line = {**json.loads(lines[number]), **members}
        lines[number] = json.dumps({name: value for name, value in line.items() if value is not None})
        return lines
    return tamper


def edit_head(**members):
    def tamper(lines, _):
        head = json.loads(lines[-1])["head"]
        return lines[:-1] + [json.dumps({"head": {**head, **members}})]
    return tamper


def swap(lines, _):
    lines[5], lines[6] = lines[6], lines[5]
    return lines


def swap_numbers(lines, _):
    one, two = json.loads(lines[5]), json.loads(lines[6])
    lines[5], lines[6] = json.dumps({**two, "sequence": 5}), json.dumps({**one, "sequence": 6})
    return lines


def compute_anew(lines, length):
    """As somebody would who knows how it is done, but has not the key."""
    previous = json.loads(lines[4])["hash"]
    for number in range(5, length + 1):
        event = json.loads(lines[number])
        event["actor"] = "operator"
        previous = event["hash"] = export_hash(previous, event)
        lines[number] = json.dumps(event)
    return lines


def without(number):
    return lambda lines, _: lines[:number] + lines[number + 1:]


TAMPERING = {
    **{f"altered {name}": (edit(5, **{name: value}), "ALTERED", 5) for name, value in {
        "at_us": 1, "organization_id": None, "actor": "operator", "access_key_id": None, "source_address": "192.0.2.1",
        "request_id": "x", "action": "workmail:DeleteUser", "target": "/v1/other", "outcome": "DENIED", "reason": "",
        "omitted": 1, "changes": "{}", "hash": 64 * "0", "chain": "999999999999"}.items()},
    "a member more": (edit(5, note="approved"), "ALTERED", 5),
    "of another type": (edit(5, actor=1), "ALTERED", 5),
    "the first one altered": (edit(1, actor="x"), "ALTERED", 1),
    "the last one altered": (edit(-2, actor="x"), "ALTERED", "length"),
    "no JSON": (lambda lines, _: lines[:5] + ["{"] + lines[6:], "ALTERED", 5),
    "a member twice": (lambda lines, _: lines[:5] + [lines[5][:-1] + ',"actor":"x"}'] + lines[6:], "ALTERED", 5),
    "an empty line": (lambda lines, _: lines[:5] + [""] + lines[5:], "ALTERED", 5),
    "an array": (lambda lines, _: lines[:5] + ["[]"] + lines[6:], "ALTERED", 5),
    "swapped": (swap, "OUT_OF_ORDER", 5),
    "swapped but for the numbers": (swap_numbers, "OUT_OF_ORDER", 5),
    "one twice": (lambda lines, _: lines[:6] + lines[5:], "OUT_OF_ORDER", 6),
    "one missing": (without(5), "MISSING", 5),
    "the first one missing": (without(1), "MISSING", 1),
    "the last one missing": (without(-2), "TAIL_MISSING", "length"),
    "the tail missing": (lambda lines, _: lines[:7] + lines[-1:], "TAIL_MISSING", 7),
    "the tail and the head missing": (lambda lines, _: lines[:7], "HEAD_MISSING", 6),
    "the head missing": (lambda lines, _: lines[:-1], "HEAD_MISSING", "length"),
    "all missing": (lambda lines, _: lines[:1] + lines[-1:], "TAIL_MISSING", 1),
    "nothing at all": (lambda lines, _: [], "HEAD_MISSING", 0),
    "one more behind the head": (lambda lines, _: lines + lines[-2:-1], "OUT_OF_ORDER", "beyond"),
    "hashes computed anew": (compute_anew, "REWRITTEN", "length"),
    "head of another number": (edit_head(sequence=3), "HEAD_ALTERED", 3),
    "head with another hash": (edit_head(hash=64 * "0"), "HEAD_ALTERED", "length"),
    "head of another time": (edit_head(signed_at_us=1), "HEAD_ALTERED", "length"),
    "head at no time": (edit_head(signed_at_us=-1), "HEAD_ALTERED", "length"),
    "head of another account": (edit_head(chain="999999999999"), "HEAD_ALTERED", "length"),
    "head without a signature": (edit_head(signature=""), "HEAD_ALTERED", "length"),
    "checkpoint made of the head": (lambda lines, _: [json.dumps({"public_key": json.loads(lines[0])["public_key"],
                                    "checkpoint": json.loads(lines[-1])["head"]}), lines[-1]], "CHECKPOINT_ALTERED", "length"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found_and_the_first_bad_event_named(sealed, tmp_path, how):
    tamper, kind, sequence = TAMPERING[how]
    place = {"length": sealed.length, "beyond": sealed.length + 1}.get(sequence, sequence)
    lines = tamper(sealed.text.splitlines(), sealed.length)
    for options in (("--public-key", sealed.public_key), () if lines else ("--public-key", sealed.public_key)):
        found = verify(tmp_path, "".join(line + "\n" for line in lines), *options, expect=1)
        assert found["result"] == "BROKEN"
        assert (found["fault"]["kind"], found["fault"]["sequence"]) == (kind, place), found


def test_each_place_where_the_file_may_be_cut_is_found(sealed, tmp_path):
    data = sealed.text.encode()
    begins = [number + 1 for number, byte in enumerate(data) if byte == 10][-4:-1]
    for length in (*begins, *(begin + 1 for begin in begins), *(begin - 1 for begin in begins), len(data) - 2):
        found = verify(tmp_path, data[:length], "--public-key", sealed.public_key, expect=1)
        assert found["result"] == "BROKEN" and found["fault"]["kind"] in ("HEAD_MISSING", "TAIL_MISSING"), found


def test_nobody_elses_key_counts(sealed, tmp_path, make_service):
    """Another service signs a log of its own: it is whole by its own key alone."""
    stranger = make_service(fresh=True)
    create_organization(stranger.client())
    check_all_sealed(stranger)
    text = export(stranger.client())
    assert verify(tmp_path, text)["result"] == "WHOLE"
    assert verify(tmp_path, text, "--public-key", sealed.public_key, expect=1)["fault"]["kind"] == "HEAD_ALTERED"


def test_log_of_another_account_is_not_taken_for_it(sealed, tmp_path):
    fault = verify(tmp_path, sealed.text, "--account", "installation", expect=1)["fault"]
    assert fault["kind"] == "HEAD_ALTERED" and sealed.chain in fault["detail"]


def test_known_event_has_to_be_there(sealed, tmp_path):
    lines = lines_of(sealed.text)
    known = ("--sequence", 5, "--hash", lines[5]["hash"])
    assert verify(tmp_path, sealed.text, *known)["result"] == "WHOLE"
    assert verify(tmp_path, sealed.text, "--sequence", 5, "--hash", 64 * "0", expect=1)["fault"]["kind"] == "REWRITTEN"
    fault = verify(tmp_path, sealed.text, "--sequence", 5000, "--hash", 64 * "0", expect=1)["fault"]
    assert (fault["kind"], fault["sequence"]) == ("TAIL_MISSING", sealed.length + 1)


def test_later_part_is_verified_from_the_event_before_it(sealed, tmp_path):
    lines, part = lines_of(sealed.text), export(sealed.client(), after=5)
    key = ("--public-key", sealed.public_key)
    assert verify(tmp_path, part, *key, "--sequence", 5, "--hash", lines[5]["hash"])["checked"] == sealed.length - 5
    assert verify(tmp_path, part, *key, expect=1)["fault"]["kind"] == "MISSING"
    assert verify(tmp_path, part, *key, "--sequence", 5, "--hash", lines[4]["hash"], expect=1)["fault"]["kind"] == "ALTERED"
    assert "--public-key" in verify(tmp_path, part, expect=1)


def test_parts_are_put_together(make_service, tmp_path):
    """What was exported each month, one file behind the other, is one export."""
    service = fill(make_service())
    for _ in range(3):
        service.org.create_user()
    check_all_sealed(service)
    part = export(service.client(), after=service.length)
    found = verify(tmp_path, service.text + part)
    assert found["result"] == "WHOLE" and found["checked"] > service.length
    assert verify(tmp_path, service.text + "".join(part.splitlines(True)[1:]), expect=1)["fault"]["kind"] == "MISSING"


def test_file_that_is_not_there_is_named(tmp_path):
    result = run_binary("admin", "verify-audit", "--file", tmp_path / "nothing")
    assert result.returncode == 1 and "nothing: No such file" in result.stderr
    assert "Is a directory" in run_binary("admin", "verify-audit", "--file", tmp_path).stderr


@pytest.mark.parametrize("options", [("verify-audit", "--public-key", 64 * "0"), ("export-audit", "--file", "/dev/null"),
                                     ("verify-audit", "--file", "/dev/null", "--sequence", 1), ("export-audit", "--sequence", 0)])
def test_options_that_do_not_go_together_are_refused(sealed, options):
    sealed.admin(*options, expect=2)


def test_long_log_is_verified_in_pieces(sealed, tmp_path):
    """More than the lines that are looked at together, of a log that no service wrote."""
    previous, lines = FIRST_HASH, [json.dumps({"public_key": sealed.public_key})]
    for number in range(1, 2502):
        event = {"sequence": number, "chain": "1", "at_us": number, "actor": "x", "action": "x:X", "target": "/", "outcome": "ALLOWED"}
        previous = event["hash"] = export_hash(previous, event)
        lines.append(json.dumps(event))
    found = verify(tmp_path, "\n".join(lines) + "\n", expect=1)
    assert (found["checked"], found["fault"]["kind"]) == (2501, "HEAD_MISSING")
    lines[2200] = lines[2200].replace('"x"', '"y"')
    found = verify(tmp_path, "\n".join(lines) + "\n", expect=1)
    assert (found["checked"], found["fault"]["kind"], found["fault"]["sequence"]) == (2199, "ALTERED", 2200)
