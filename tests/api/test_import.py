"""Users and groups in bulk: files of lines go in, and come out in the form that goes in again."""
import csv
import io
import json
import socket
import threading

import pytest

import iam
from checks import check_consistency
from client import Client, bearer
from organization import PASSWORD, create_organization, unique, wait_operation
from service import wait_until

SHA512 = "$6$c2FsdHNhbHQ$" + 86 * "a"
BCRYPT = "$2y$10$" + 53 * "b"
ARGON2 = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$" + 43 * "A"
NDJSON, CSV = "application/x-ndjson", "text/csv"


def lines_of(entries):
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def send(org, body, kind=NDJSON, expect=None, headers=None, **params):
    body = lines_of(body) if isinstance(body, list) else body
    expect = expect or (200 if params.get("validate_only") else 202)
    return org.api.post(org.users + "/import", expect=expect, body=body, headers={"Content-Type": kind, **(headers or {})},
                        params=params)


def results_of(org, answer):
    operation = wait_operation(org.api, answer["operation_id"], 180)  # the thread sanitizer hashes slowly
    assert operation["status"] == "SUCCEEDED", operation
    return org.api.items(f"/v1/operations/{operation['operation_id']}/results", page_size=1000)


def load(org, body, kind=NDJSON, **params):
    """The results of a whole import."""
    return results_of(org, send(org, body, kind, **params))


def outcomes(results):
    return [result["outcome"] for result in results]


def faults(result):
    return {f"{error['pointer']} {error['code']}" for error in result["errors"]}


def person(number, **members):
    return {"name": f"user{number}", "display_name": f"User {number}", "email": f"user{number}", "password_hash": SHA512, **members}


def user_named(org, name):
    user, = org.api.items(org.users, name=name)
    return user


def without_trial(service):
    service.sql("UPDATE account SET is_trial = false")


def directory_rows(service, org):
    return [service.sql(f"SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t WHERE organization_id = %s", org.id)
            for table in ("entity", "user_detail", "group_detail", "email_address", "address_registry", "mailbox",
                          "active_period", "entity_edge")]


def test_lines_become_users_and_groups(service, org):
    results = load(org, [person(1, first_name="Ann", aliases=["boss", "chief"], quota_mb=10, hidden_from_address_list=True),
                         {"name": "bob", "display_name": "Bob"},
                         {"kind": "GROUP", "name": "Staff", "email": "staff", "description": "All", "members": ["USER1", "bob"]},
                         {"kind": "GROUP", "name": "Everybody", "members": ["Staff"]}])
    assert outcomes(results) == 4 * ["CREATED"] and [result["line"] for result in results] == [1, 2, 3, 4]
    ann = org.describe_user(user_named(org, "user1"))
    assert ann["state"] == "ENABLED" and ann["email"] == f"user1@{org.domain}" and ann["has_password"]
    assert ann["aliases"] == [f"boss@{org.domain}", f"chief@{org.domain}"] and ann["mailbox"]["quota_mb"] == 10
    assert ann["user_id"] == results[0]["id"] and ann["hidden_from_address_list"] and ann["first_name"] == "Ann"
    assert user_named(org, "bob")["state"] == "DISABLED" and not user_named(org, "bob")["has_password"]
    group = org.api.get(f"{org.groups}/{results[2]['id']}").body
    assert (group["email"], group["member_count"], group["description"]) == (f"staff@{org.domain}", 2, "All")
    assert org.api.items(org.users, q="chief@")[0]["name"] == "user1"  # found as one that was made by itself
    check_consistency(service)


def test_same_file_again_changes_nothing(service, org):
    file = [person(1, aliases=["boss"]), {"kind": "GROUP", "name": "staff", "members": ["user1"]}]
    load(org, file)
    before = directory_rows(service, org)
    assert outcomes(load(org, file)) == ["UNCHANGED", "UNCHANGED"]
    assert directory_rows(service, org) == before


def test_what_a_line_names_is_changed_and_nothing_else(service, org):
    load(org, [person(1, first_name="Ann", city="Ulm", aliases=["boss"])])
    assert outcomes(load(org, [{"name": "USER1", "city": "Bonn", "email": "ann", "aliases": ["chief"], "first_name": None}])) == ["UPDATED"]
    user = org.describe_user(user_named(org, "user1"))
    assert user["city"] == "Bonn" and user["email"] == f"ann@{org.domain}" and "first_name" not in user
    assert user["aliases"] == [f"{name}@{org.domain}" for name in ("boss", "chief", "user1")]
    assert user["display_name"] == "User 1" and user["has_password"]
    check_consistency(service)


def test_all_faults_of_a_line_are_told_and_others_go_on(service, org):
    load(org, [person(7)])
    results = load(org, b"".join(line + b"\n" for line in (
        b'{"name": "a b", "quota_mb": 0, "email": "..", "colour": "red"}', b"nonsense", b"[]", b"", b'{"name": "x", "name": "y"}',
        b'{"name": "new"}', lines_of([person(8, email="user7")]).strip(), lines_of([person(9, email="x@nowhere.test")]).strip(),
        b'{"kind": "GROUP", "name": "g", "members": ["nobody", "user7"], "city": "Ulm"}',
        b'{"kind": "GROUP", "name": "h", "members": ["nobody", "user7"]}', b'{"kind": "GROUP", "name": "user7"}',
        b'{"name": "amazonjournaling", "display_name": "J"}', b'{"name": "w", "display_name": "W", "password": "password"}',
        b'{"name": "p", "display_name": "P", "password": "Correct-horse-7", "password_hash": "%s"}' % SHA512.encode(),
        b'{"name": "q", "display_name": "Q", "password_hash": "plain"}', b'{"name": "r", "display_name": "R", "aliases": ["r2"]}',
        lines_of([person(10)]).strip())))
    by_line = {result["line"]: result for result in results}
    assert 4 not in by_line  # an empty line says nothing
    assert faults(by_line[1]) == {"/name invalid_format", "/quota_mb too_small", "/colour unknown_member"}
    assert faults(by_line[2]) == faults(by_line[3]) == faults(by_line[5]) == {" malformed_json"}
    assert faults(by_line[6]) == {"/display_name required"}
    assert faults(by_line[7]) == {"/email email_address_in_use"}
    assert faults(by_line[8]) == {"/email mail_domain_not_registered"}
    assert faults(by_line[9]) == {"/city unknown_member"}
    assert faults(by_line[10]) == {"/members entity_not_found"}
    assert faults(by_line[11]) == {"/name name_taken"}
    assert faults(by_line[12]) == {"/name reserved_name"}
    assert faults(by_line[13]) == {"/password weak_password"}
    assert faults(by_line[14]) == {"/password invalid_value"}
    assert faults(by_line[15]) == {"/password_hash invalid_format"}
    assert faults(by_line[16]) == {"/aliases entity_state"}
    assert by_line[17]["outcome"] == "CREATED"
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(2,)]
    check_consistency(service)


def test_lines_see_what_earlier_lines_did(org):
    results = load(org, [person(1), person(1, city="Ulm"), person(2, email="user1"), person(3, aliases=["user1"]), person(1, city="Ulm")])
    assert outcomes(results) == ["CREATED", "UPDATED", "ERROR", "ERROR", "UNCHANGED"]


def test_cycle_is_refused_with_its_path_and_leaves_nothing(service, org):
    results = load(org, [{"kind": "GROUP", "name": name} for name in "ab"] + [
        {"kind": "GROUP", "name": "a", "members": ["b"]}, {"kind": "GROUP", "name": "b", "description": "B", "members": ["a"]}])
    assert outcomes(results) == ["CREATED", "CREATED", "UPDATED", "ERROR"] and faults(results[3]) == {"/members membership_cycle"}
    assert '"b" > "a" > "b"' in results[3]["errors"][0]["detail"]
    assert service.sql("SELECT count(*) FROM group_detail WHERE description = 'B' AND organization_id = %s", org.id) == [(0,)]
    check_consistency(service)


def test_alias_limit_and_trial_hold(make_service):
    service = make_service()
    org = create_organization(service.client())
    results = load(org, [person(1, aliases=[f"a{n}" for n in range(100)]), person(2, aliases=[f"b{n}" for n in range(101)])])
    assert outcomes(results) == ["CREATED", "ERROR"] and faults(results[1]) == {"/aliases limit_exceeded"}
    service.sql("UPDATE account SET is_trial = true, trial_ends_at = now() + interval '1 day'")
    service.admin("set-limit", "--account", service.root["account_id"], "--limit", "trial_users", "--value", 3)
    results = load(org, [person(n) for n in range(3, 7)] + [{"name": "off", "display_name": "Off"}])
    assert outcomes(results) == ["CREATED", "CREATED", "ERROR", "ERROR", "CREATED"]
    assert faults(results[2]) == {"/email limit_exceeded"}
    assert service.sql("SELECT count(*) FROM active_period WHERE ended_at IS NULL") == [(3,)]
    check_consistency(service)


@pytest.mark.parametrize("text,kept", [(SHA512, SHA512), ("{SHA512-CRYPT}" + SHA512, SHA512), ("{blf-crypt}" + BCRYPT, BCRYPT),
                                       ("{ARGON2ID}" + ARGON2, ARGON2), (ARGON2, ARGON2),
                                       (ARGON2.replace("m=65536,t=3", "m=262144,t=4"), ARGON2.replace("m=65536,t=3", "m=262144,t=4")),
                                       (BCRYPT.replace("$10$", "$14$"), BCRYPT.replace("$10$", "$14$")),
                                       ("$6$rounds=10000$salt$" + 86 * "a", "$6$rounds=10000$salt$" + 86 * "a")])
def test_hash_is_kept_as_it_is(service, org, text, kept):
    assert outcomes(load(org, [person(1, password_hash=text)])) == ["CREATED"]
    assert service.sql("SELECT password_hash FROM user_detail WHERE organization_id = %s", org.id) == [(kept,)]


@pytest.mark.parametrize("text", [
    SHA512 + "a", SHA512[:-1], "$6$" + 86 * "a", "$6$rounds=999$s$" + 86 * "a", "$6$rounds=99999999$s$" + 86 * "a", "$6$sa lt$" + 86 * "a",
    "$5$salt$" + 43 * "a", BCRYPT + "b", BCRYPT.replace("$10$", "$03$"), BCRYPT.replace("$10$", "$31$"), BCRYPT.replace("2y", "2x"),
    "{SHA512-CRYPT}" + BCRYPT, "{PLAIN}secret", ARGON2.replace("id", "i"), ARGON2.replace("v=19", "v=16"), ARGON2.replace("m=65536", "m=9999999"),
    ARGON2.replace("m=65536", "m=262145"), ARGON2.replace("t=3", "t=17"), BCRYPT.replace("$10$", "$15$"),
    ARGON2.replace("t=3", "t=0"), ARGON2.replace("p=1", "p=9999"), ARGON2 + "=", "$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHRzb21lc2FsdA$" + 43 * "A", "{SHA512-CRYPT"])
def test_hash_that_is_none_is_refused(org, text):
    result, = load(org, [person(1, password_hash=text)])
    assert faults(result) == {"/password_hash invalid_format"}


def test_plain_passwords_are_hashed_and_stand_nowhere(service, org):
    """More than are hashed at once: what was made is kept from one step to the next."""
    without_trial(service)
    results = load(org, [{"name": f"plain{n}", "display_name": "P", "password": PASSWORD} for n in range(120)])
    assert outcomes(results) == 120 * ["CREATED"]
    hashes = service.sql("SELECT password_hash FROM user_detail WHERE organization_id = %s", org.id)
    assert len(set(hashes)) == 120 and all(text.startswith("$argon2id$") for text, in hashes)
    for table in ("audit_log", "import_chunk", "import_result", "operation", "job"):
        assert service.sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{PASSWORD}%") == [(0,)]
    assert PASSWORD not in service.log()


def test_csv_is_read_as_rfc_4180_says(org):
    file = ('name,display_name,email,aliases,quota_mb,hidden_from_address_list\r\n'
            'ann,"Ann ""the"" boss, really",ann,"a1\na2",10,true\r\n'
            'bob,Bob,,,,\r\nshort,Short\r\nbad,"Bad"x,,,,\r\nnum,Num,,,many,perhaps\r\nlast,Last,,,,').encode()
    results = load(org, file, CSV)
    assert [(result["line"], result["outcome"]) for result in results] == [
        (2, "CREATED"), (4, "CREATED"), (5, "ERROR"), (6, "ERROR"), (7, "ERROR"), (8, "CREATED")]
    assert faults(results[2]) == faults(results[3]) == {" malformed_csv"}
    assert faults(results[4]) == {"/quota_mb wrong_type", "/hidden_from_address_list wrong_type"}
    ann = org.describe_user(user_named(org, "ann"))
    assert ann["display_name"] == 'Ann "the" boss, really' and ann["aliases"] == [f"a1@{org.domain}", f"a2@{org.domain}"]


@pytest.mark.parametrize("header", ["", "display_name", "name,colour", "name,name", 'name,"x'])
def test_csv_header_that_names_no_members_is_refused(org, header):
    send(org, header.encode() + b"\r\nann,Ann\r\n", CSV, expect="bad_request")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
def test_other_types_are_refused(org, kind):
    org.api.post(org.users + "/import", expect="unsupported_media_type", body=b"{}\n", headers={"Content-Type": kind} if kind else {})


def test_several_chunks_and_pages(service, org):
    without_trial(service)
    answer = send(org, [person(n) for n in range(2500)])
    path = f"/v1/operations/{answer['operation_id']}/results"
    assert outcomes(results_of(org, answer)) == 2500 * ["CREATED"]
    page = org.api.get(path, params={"page_size": 10, "outcome": "CREATED"})
    assert [result["line"] for result in page["items"]] == list(range(1, 11)) and page["next_page_token"]
    assert org.api.get(path, params={"outcome": "ERROR"})["items"] == []
    events = service.sql("SELECT count(*), count(DISTINCT target), min(actor) FROM audit_log WHERE action = 'workmail:ImportUsers'"
                         " AND organization_id = %s AND target LIKE '%%/users/%%-%%'", org.id)
    assert events == [(2500, 2500, "root")]
    assert service.sql("SELECT count(*) FROM import_chunk WHERE import_id = %s", answer["operation_id"]) == [(0,)]
    check_consistency(service)


def test_results_are_of_imports_one_may_see(service, api, org):
    operation = send(org, [person(1)])["operation_id"]
    other = service.client(service.admin("create-iam-user", "--account", service.root["account_id"], "--name", unique("iam")))
    other.get(f"/v1/operations/{operation}/results", expect="access_denied")
    setup = next(row for row in api.items("/v1/operations") if row["operation"] == "CreateOrganization")
    api.get(f"/v1/operations/{setup['operation_id']}/results", expect="operation_not_found")


@pytest.mark.parametrize("kind,form", [(NDJSON, "NDJSON"), (CSV, "CSV")])
def test_export_is_taken_again(service, org, kind, form):
    load(org, [person(1, aliases=["boss"], city='a "quoted", city', first_name="Änn"), {"name": "off", "display_name": "Off"},
               {"kind": "GROUP", "name": "Zed", "email": "zed"}, {"kind": "GROUP", "name": "All", "members": ["Zed", "user1"]}])
    before = directory_rows(service, org)
    exported = org.api.get(org.users + "/export", params={"format": form})
    assert exported.headers.get_content_type() == kind
    assert SHA512.encode() not in exported.raw and b"password" not in exported.raw
    assert set(outcomes(load(org, exported.raw, kind))) == {"UNCHANGED"}
    assert directory_rows(service, org) == before
    if form == "CSV":
        rows = list(csv.DictReader(io.StringIO(exported.raw.decode(), newline="")))
        assert [row["name"] for row in rows] == ["off", "user1", "All", "Zed", "All"] and rows[4]["members"].split("\n") == ["user1", "Zed"] or rows[4]["members"]


def test_export_goes_over_pages(service, org):
    without_trial(service)
    load(org, [person(n) for n in range(2100)] + [{"kind": "GROUP", "name": "g"}]
         + [{"kind": "GROUP", "name": "g", "members": [f"user{n}" for n in range(first, first + 700)]} for first in (0, 700, 1400)])
    entries = [json.loads(line) for line in org.api.get(org.users + "/export").raw.splitlines()]
    assert sorted(entry["name"] for entry in entries if "kind" not in entry) == sorted(f"user{n}" for n in range(2100))
    assert sorted(name for entry in entries for name in entry.get("members", [])) == sorted(f"user{n}" for n in range(2100))
    assert all(len(entry.get("members", [])) <= 1000 for entry in entries)


def test_dry_run_reports_the_same_and_keeps_nothing(service, org):
    without_trial(service)
    load(org, [person(1)])
    file = ([person(1), person(1, city="Ulm"), person(2), {"name": "bad"}, person(3, email="user1")]
            + [{"name": f"filler{n}", "display_name": "F"} for n in range(1000)]
            + [person(4, email="user2"), {"kind": "GROUP", "name": "g", "members": ["user2", "nobody"]}, {"kind": "GROUP", "name": "h", "members": ["user2"]}])
    before = directory_rows(service, org)
    events = service.sql("SELECT count(*) FROM audit_log WHERE action = 'workmail:ImportUsers' AND target LIKE '%%-%%'")
    answer = send(org, file, validate_only="true")
    assert answer.headers["Validate-Only"] == "true"
    dry = results_of(org, answer)
    assert directory_rows(service, org) == before
    assert service.sql("SELECT count(*) FROM import_trial_key") == [(0,)]
    assert service.sql("SELECT count(*) FROM audit_log WHERE action = 'workmail:ImportUsers' AND target LIKE '%%-%%'")[0][0] <= events[0][0] + 1
    done = load(org, file)
    assert [(row["line"], row["outcome"], faults(row)) for row in dry] == [(row["line"], row["outcome"], faults(row)) for row in done]


def test_dry_run_hashes_nothing(service, org):
    assert outcomes(load(org, [{"name": "ann", "display_name": "A", "password": PASSWORD}], validate_only="true")) == ["CREATED"]
    assert org.api.items(org.users) == []


def test_organization_that_does_not_serve_takes_nothing(org):
    org.api.post(org.path + "/deactivate", expect=200)
    send(org, [person(1)], expect="organization_state")
    org.api.get(org.users + "/export", expect="organization_state")


def test_canceled_import_stops_between_two_chunks(service, org):
    without_trial(service)
    answer = send(org, [{"name": f"slow{n}", "display_name": "S", "password": PASSWORD} for n in range(3000)])
    canceled = org.api.post(f"/v1/operations/{answer['operation_id']}/cancel", expect=200)
    assert canceled["status"] == "CANCELED"
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id)[0][0] < 3000
    check_consistency(service)


def slow_lines(count):
    return [{"name": f"slow{n}", "display_name": "S", "password": PASSWORD} for n in range(count)]


def test_import_waits_while_its_organization_is_deactivated(service, org):
    without_trial(service)
    answer = send(org, slow_lines(60))
    org.api.post(org.path + "/deactivate", expect=200)
    wait_until(lambda: org.api.get(f"/v1/operations/{answer['operation_id']}")["steps"][0].get("error"), 60,
               what="why it waits")
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(0,)]
    org.api.post(org.path + "/activate", expect=202)
    assert outcomes(results_of(org, answer)) == 60 * ["CREATED"]
    check_consistency(service)


def test_import_ends_with_its_organization(service, org):
    without_trial(service)
    answer = send(org, slow_lines(3000))
    org.remove(force="true", delete_directory="true")
    org.wait_state("DELETED")
    assert org.api.get(f"/v1/operations/{answer['operation_id']}")["status"] == "CANCELED"
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(0,)]
    check_consistency(service)


def test_what_is_imported_is_found(org):
    def names(q):
        return [item["name"] for item in org.api.items(org.path + "/directory", q=q)]
    load(org, [person(1, first_name="Søren", last_name="Groß", aliases=["chief"]), {"kind": "GROUP", "name": "Sales", "email": "vertrieb"}])
    assert all(names(q) == ["user1"] for q in ("soren", "gross", "User 1", "user1", "chief@")) and names("vertrieb") == names("sales") == ["Sales"]
    load(org, [{"name": "user1", "last_name": "Łuk", "aliases": ["boss"]}])
    assert names("luk") == names("boss@") == names("chief@") == ["user1"] and names("gross") == []


def test_row_that_search_finds_is_the_same_however_it_came(service, org):
    load(org, [person(1, aliases=["zed", "abc"], first_name="Ann")])
    texts = "SELECT search_text FROM entity WHERE organization_id = %s"
    before = service.sql(texts, org.id)
    org.api.patch(org.user(user_named(org, "user1")), json={"city": "Ulm"})
    assert service.sql(texts, org.id) == before


def test_change_of_a_name_reads_no_more_of_the_index_than_it_removes(service, org):
    without_trial(service)
    load(org, [person(n) for n in range(2000)])
    def blocks():
        service.sql("SELECT pg_stat_force_next_flush()")
        service.sql("SELECT 1")
        return service.sql("SELECT idx_blks_read + idx_blks_hit FROM pg_statio_user_indexes WHERE indexrelname = 'entity_term_pkey'")[0][0]

    before = blocks()
    service.sql("UPDATE entity SET search_text = search_text('another') WHERE organization_id = %s AND name = 'user500'", org.id)
    assert 0 < blocks() - before < 60
    assert service.sql("SELECT term FROM entity_term t JOIN entity e USING (organization_id, entity_id)"
                       " WHERE t.organization_id = %s AND e.name = 'user500'", org.id) == [("another",)]


@pytest.mark.parametrize("kind", [NDJSON, CSV])
def test_byte_order_mark_and_line_ends_of_windows_are_taken(org, kind):
    lines = {NDJSON: b'{"name": "ann", "display_name": "Ann"}\r\n\r\n{"name": "bob", "display_name": "Bob"}\r\n',
             CSV: b'name,display_name\r\nann,Ann\r\n\r\nbob,"Bo\r\nb"\r\n'}[kind]
    assert [(row["line"], row["outcome"]) for row in load(org, b"\xef\xbb\xbf" + lines, kind)] == (
        [(1, "CREATED"), (3, "CREATED")] if kind == NDJSON else [(2, "CREATED"), (4, "ERROR")])


@pytest.mark.parametrize("line", [
    b'{"name": "a\0b", "display_name": "A"}', b'\0', b'{"name": "a\\u0000b", "display_name": "A"}', b'{"name": "\xff", "display_name": "A"}',
    b'{"name": "\\ud800", "display_name": "A"}', b"[" * 100000, b'{"a":' * 100000, b"!", b"!1 x", b"1 !x", b"{}{}", b'{"name": "a"} x', b'"name"', b"null",
    b'{"name": 7}', b'{"name": "a", "aliases": "b"}', b'{"name": "a", "aliases": [7]}', b'{"name": "a", "members": {}}',
    b'{"name": "a", "quota_mb": 1e999}', b'{"name": "a", "name": "b"}', b'{"name": "a", "%s": 1}' % (b"x" * 900000),
    b'{"name": "%s"}' % (b"x" * 900000), b'{"kind": "GROUP", "name": "g", "members": ["%s"]}' % (b"x" * 900000),
    b'{"name": "a", "email": "%s"}' % ("ü" * 400000).encode(), b'{"name": "a", ' + b", ".join(b'"%d": 1' % n for n in range(50000)) + b"}",
], ids=range(25))
def test_hostile_line_is_an_error_that_is_short_and_holds_up_nobody(org, line):
    bad, good = load(org, line + b'\n{"name": "ann", "display_name": "Ann"}\n')
    assert bad["outcome"] == "ERROR" and 0 < len(bad["errors"]) <= 100 and good["outcome"] == "CREATED"
    assert len(bad.get("name", "")) <= 256
    assert all(len(error["pointer"].encode()) <= 128 and len(error["detail"].encode()) <= 512 for error in bad["errors"])


@pytest.mark.parametrize("row", [b'a\0b,A', b'\xff,A', b'"a', b'a"b,A', b'"a"b,A', b"a", b"a,b,c"])
def test_hostile_record_of_csv_is_an_error(org, row):
    results = load(org, b"name,display_name\nann,Ann\n" + row + b"\n", CSV)
    assert outcomes(results) == ["CREATED", "ERROR"] and faults(results[1]) == {" malformed_csv"}


def test_many_lines_about_the_same_are_applied_in_their_order(org):
    """Each is a round of its own: none costs what all of them do."""
    file = [{"name": "ann", "display_name": f"Ann {n}"} for n in range(500)] + [{"kind": "GROUP", "name": "all"}]
    file += [{"name": f"m{n}", "display_name": "M"} for n in range(400)]
    file += [{"kind": "GROUP", "name": "ALL", "members": [f"m{n}" for n in range(4 * k, 4 * k + 4)]} for k in range(100)]
    results = load(org, file)
    assert outcomes(results) == ["CREATED"] + 499 * ["UPDATED"] + 401 * ["CREATED"] + 100 * ["UPDATED"]
    assert user_named(org, "ann")["display_name"] == "Ann 499"
    assert org.api.items(org.groups, name="all")[0]["member_count"] == 400


def test_same_file_at_the_same_time_makes_each_once(service, org):
    without_trial(service)
    file = [person(n, aliases=[f"a{n}"]) for n in range(1500)] + [
        {"kind": "GROUP", "name": f"g{n}", "members": [f"user{m}" for m in range(n, 1500, 50)]} for n in range(50)]
    answers = [send(org, file if turn % 2 else file[:1500][::-1] + file[1500:]) for turn in range(4)]
    found = [outcomes(results_of(org, answer)) for answer in answers]
    assert sum(row.count("CREATED") for row in found) == 1550 and not any("ERROR" in row for row in found)
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(1550,)]
    check_consistency(service)


def test_who_may_import_into_one_organization_imports_into_no_other(service, api, org):
    other = create_organization(api)
    user = iam.new_user(api)
    iam.attach(api, user, iam.new_policy(api, iam.statement(action="workmail:ImportUsers", resource=iam.arn(org.id))))
    caller = service.client(iam.new_key(api, user))
    headers = {"Content-Type": NDJSON}
    assert caller.post(org.users + "/import", expect=202, body=lines_of([person(1)]), headers=headers)
    caller.post(other.users + "/import", expect="organization_not_found", body=lines_of([person(1)]), headers=headers)
    caller.get(org.users + "/export", expect="organization_not_found")
    load(other, [person(2)])
    taken = load(org, [person(3, email=f"user3@{other.domain}"), {"name": "off", "display_name": "O", "email": f"off@{other.domain}"}])
    assert [faults(row) for row in taken] == 2 * [{"/email mail_domain_not_registered"}]
    missing, = load(org, [{"kind": "GROUP", "name": "g", "members": ["user2"]}])
    assert faults(missing) == {"/members entity_not_found"}


def test_hashes_stand_nowhere_but_with_the_user(service, org):
    secret = "$6$c2FsdHNhbHQ$" + 86 * "z"
    answer = send(org, [person(1, password_hash=secret), person(2, password_hash=secret + "!"), person(1, password_hash=secret, city="Ulm")])
    assert outcomes(results_of(org, answer)) == ["CREATED", "ERROR", "UPDATED"]
    for table in ("audit_unsealed", "audit_event", "import", "import_chunk", "import_result", "operation", "job", "idempotency_record"):
        assert service.sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{secret}%") == [(0,)], table
    assert secret not in service.log()


# Repetition


def half_sent(service, org, body, whole, key):
    """Begins an upload that says it is longer, and goes away."""
    with socket.create_connection(service.client().address) as stream:
        stream.sendall((f"POST {org.users}/import HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer(service.root)}\r\nContent-Type: {NDJSON}\r\n"
                        f"Idempotency-Key: {key}\r\nContent-Length: {whole}\r\n\r\n").encode() + body)
        return stream.getsockname()


def test_upload_that_broke_off_goes_on_where_it_was(service, org):
    without_trial(service)
    body, key = lines_of([person(n) for n in range(4000)]), unique("key")
    half_sent(service, org, body[:len(body) // 2], len(body), key)
    first = wait_until(lambda: service.sql("SELECT import_id FROM import WHERE idempotency_key = %s AND chunk_count > 0", key),
                       what="some chunks")
    answer = send(org, body, headers={"Idempotency-Key": key})
    assert answer["operation_id"] == str(first[0][0])
    assert outcomes(results_of(org, answer)) == 4000 * ["CREATED"]
    again = send(org, body, headers={"Idempotency-Key": key})
    assert again.headers["Idempotent-Replayed"] == "true" and again["operation_id"] == answer["operation_id"]
    send(org, body + b"{}\n", headers={"Idempotency-Key": key}, expect="idempotency_mismatch")
    assert service.sql("SELECT count(*) FROM import WHERE idempotency_key = %s", key) == [(1,)]


def test_other_file_under_the_key_of_one_that_broke_off_is_refused(service, org):
    body, key = lines_of([person(n) for n in range(4000)]), unique("key")
    half_sent(service, org, body[:len(body) // 2], len(body), key)
    wait_until(lambda: service.sql("SELECT 1 FROM import WHERE idempotency_key = %s AND chunk_count > 0", key), what="some chunks")
    other = lines_of([person(n + 5) for n in range(4000)])
    send(org, other, headers={"Idempotency-Key": key}, expect="idempotency_mismatch")
    send(org, body[:1000], headers={"Idempotency-Key": key}, expect="idempotency_mismatch")
    send(org, b"name\r\n", CSV, headers={"Idempotency-Key": key}, expect="idempotency_mismatch")


# Bounds


def test_bounds_of_uploads(make_service):
    service = make_service("--upload-limit", 1, "--upload-connections", 1)
    org = create_organization(service.client())
    line = json.dumps({"name": "a", "display_name": "A" * 200}).encode() + b"\n"
    with socket.create_connection(service.client().address) as stream:
        stream.sendall((f"POST {org.users}/import HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer(service.root)}\r\nContent-Type: {NDJSON}\r\n"
                        f"Content-Length: {(1 << 20) + 1}\r\n\r\n").encode())
        assert stream.recv(100).startswith(b"HTTP/1.1 413")
    unchecked = Client(service.url, service.root)  # a body that comes without its length is no text to compare
    unchecked.post(org.users + "/import", expect="payload_too_large", body=iter([line * 1000] * 6), headers={"Content-Type": NDJSON})


def test_line_that_never_ends_is_refused(org):
    send(org, b'{"name": "' + b"a" * (2 << 20) + b'"}\n', expect="payload_too_large")


def test_more_uploads_at_once_than_allowed_are_told_to_come_again(make_service):
    service = make_service("--upload-connections", 1)
    without_trial(service)
    org = create_organization(service.client())
    body = lines_of([person(n) for n in range(4000)])
    with socket.create_connection(service.client().address) as stream:
        stream.sendall((f"POST {org.users}/import HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer(service.root)}\r\nContent-Type: {NDJSON}\r\n"
                        f"Idempotency-Key: k\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body[:len(body) // 2])
        wait_until(lambda: service.sql("SELECT 1 FROM import WHERE chunk_count > 0"), what="some chunks")
        send(org, body, expect="overloaded")
        assert outcomes(load(org, [person(1)])) == ["CREATED"]  # one piece needs no place
        stream.sendall(body[len(body) // 2:])
        assert stream.recv(100).startswith(b"HTTP/1.1 202")
    assert len(load(org, body)) == 4000


def test_others_are_served_while_much_comes_in(service, org):
    without_trial(service)
    answers = []
    sender = threading.Thread(target=lambda: answers.append(send(org, [person(n) for n in range(5000)])))
    sender.start()
    while sender.is_alive():
        org.api.get(org.path)
    sender.join()
    assert outcomes(results_of(org, answers[0])) == 5000 * ["CREATED"]
