"""?validate_only=true on every change: all is checked, nothing is done."""
import contextlib
import functools
import re

import pytest

from changes import changes, prepare
from checks import check_no_job_left
from organization import PASSWORD, unique
from routes import NO_ORGANIZATION, arguments_of, closed_routes, fill, named, of_identities
from shared_service import shared_service
from test_preconditions import is_of_something

# The report of an import is what it is asked for: test_import.py shows that nothing else is kept.
KEEPING_NOTHING = [route for route in changes() if route["operation"] != "ImportUsers"]
READS = [route for route in closed_routes() if route["method"] == "GET"]
AUDIT = ("audit_unsealed", "audit_event", "audit_head")
# The service looks at the DNS in its own time.
SEEN = ("mail_domain_record",)
CHECKS = "{next_check_at,last_checked_at,check_attempts,check_claims,check_started_at,wanted_operation_id,check_operation_id}"
MADE_ANEW = re.compile(r"r-[0-9a-f]{32}|\bd-[0-9a-f]{10}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z|PRAK[A-Z2-7]{16}|[A-Za-z0-9+/]{43}=|\b[0-9a-f]{32}\b|\b[A-Za-z0-9]{40}\b"
                       r'|(?<="policy_key":")\d+')


@pytest.fixture(scope="module")
def service(template, check):
    """One of its own: all rows of it are looked at again and again."""
    with shared_service(template, check) as own:
        yield own


@functools.lru_cache(1)
def all_rows(service):
    """The statement that sums up every table; the order of rows does not matter."""
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*), sum(hashtextextended((to_jsonb(t) - 'last_used_at' - '{CHECKS}'::text[])::text, 0)::numeric) FROM {table} t"
        for (table,) in service.sql("""SELECT quote_ident(table_name) FROM information_schema.tables
                                       WHERE table_schema = 'public' AND table_type = 'BASE TABLE'""") if table not in AUDIT + SEEN)


def rows(service, audit=True):
    """How many rows each table has, and what stands in them but for when a credential was used last, and for what is
    seen in the DNS. Of the audit log, if wanted, what was changed: the sealer numbers it in its own time, and refusals are written in theirs."""
    check_no_job_left(service)
    found = {table: told for table, *told in service.sql(all_rows(service))}
    if audit:
        found["audit_log"] = service.sql("SELECT count(*), max(event_id) FROM audit_log WHERE outcome <> 'DENIED'")[0]
    return found


@contextlib.contextmanager
def nothing_changes(service, audit=True):
    before = rows(service, audit)
    yield
    assert rows(service, audit) == before


def without_what_is_made_anew(answer):
    return MADE_ANEW.sub("", answer.raw.decode())


@pytest.mark.parametrize("keyed", [False, True], ids=["", "with key"])
@pytest.mark.parametrize(**named(KEEPING_NOTHING))
def test_dry_run_changes_no_row_and_shows_what_would_be(service, api, org, route, keyed):
    request = prepare(service, org, route)
    headers = {"Idempotency-Key": unique("key")} if keyed else None
    before = rows(service)
    dry = request.send(api, headers=headers, validate_only="true")
    assert dry.status == 200 and dry.headers["Validate-Only"] == "true", dry
    assert rows(service) == before

    done = request.send(api, headers=headers)
    assert done.status == route["success"] and "Validate-Only" not in done.headers, done
    assert "Idempotent-Replayed" not in done.headers
    assert rows(service) != before
    if route["success"] in (202, 204):
        assert dry.body == {}
    else:
        assert without_what_is_made_anew(dry) == without_what_is_made_anew(done)


@pytest.mark.parametrize(**named(KEEPING_NOTHING))
def test_dry_run_ends_as_the_change_would_when_the_version_is_another_one(service, api, org, route):
    request = prepare(service, org, route)
    before = rows(service)
    answer = request.send(api, headers={"If-Match": '"v999999"'}, validate_only="true")
    assert (answer.status, answer["code"]) == (412, "precondition_failed"), answer
    assert rows(service) == before
    if is_of_something(route):
        tag = api.get(request.versioned(org)).headers["ETag"]
        assert request.send(api, headers={"If-Match": tag}, validate_only="true").status == 200


def faults_of(answer):
    return (answer.status, answer.headers.get("Validate-Only"),
            {name: value for name, value in answer.body.items() if name != "instance"})


def check_same_fault(api, method, target, json_body=None, params=None, headers=None):
    """Refused in the same words, with and without a dry run."""
    body = {} if json_body is None else {"json_body": json_body}
    dry, done = (api.request(method, target, params={**(params or {}), "validate_only": text}, headers=headers, **body)
                 for text in ("true", "false"))
    assert dry.status >= 400 and faults_of(dry) == faults_of(done)
    return dry


@pytest.fixture(scope="module")
def read_only(service):
    return service.client(service.admin("create-iam-user", "--account", service.root["account_id"], "--name", unique("iam"),
                                        "--policy", "AmazonWorkMailReadOnlyAccess"))


def check_refusals(service, api, org, read_only, route, request):
    ready = {"method": request.method, "target": request.target, "json_body": request.json, "params": request.params}
    seen = {check_same_fault(service.anonymous(), **ready)["code"],
            check_same_fault(read_only, **ready)["code"],
            check_same_fault(api, **{**ready, "params": {**(request.params or {}), "more": "1"}})["code"]}
    # Whoever may not see identities is told that they are not there.
    denied = {"access_denied"} if not of_identities(route) else seen & {
        "access_denied", "iam_user_not_found", "iam_group_not_found", "policy_not_found", "session_not_found"}
    assert len(denied) == 1 and seen == {"unauthenticated", "validation_failed"} | denied
    if route["body"]:
        for body in ([], {"no_such_member": 1}):
            assert check_same_fault(api, **{**ready, "json_body": body}).status == 400
        assert check_same_fault(api, **{**ready, "headers": {"Content-Type": "text/plain"}}).status == 415
    else:
        assert check_same_fault(api, **{**ready, "json_body": {}}).status == 400
    if "{" in route["path"]:
        for somewhere in (NO_ORGANIZATION, org.id):
            arguments = arguments_of(route)
            if "{" in route["path"].replace("{organization_id}", "") or somewhere == NO_ORGANIZATION:
                answer = check_same_fault(api, route["method"], fill(route["path"], somewhere),
                                          arguments.get("json"), arguments.get("params"))
                assert answer.status == 404


@pytest.mark.parametrize(**named(KEEPING_NOTHING))
def test_dry_run_is_refused_as_the_change_is(service, api, org, read_only, route):
    request = prepare(service, org, route)
    with nothing_changes(service, audit=False):  # which tells of refused requests
        check_refusals(service, api, org, read_only, route, request)


@pytest.mark.parametrize("code", [
    "name_taken", "email_address_in_use", "mail_domain_not_registered", "entity_state", "enabled", "primary_address",
    "limit_exceeded", "organization_state", "organization_in_use", "confirmation_mismatch", "alias_taken",
    "reserved_name", "weak_password", "required"])
def test_dry_run_finds_what_only_the_database_knows(service, api, org, code):
    ann, bob = org.create_enabled("ann"), org.create_user("bob")
    new = {"name": "new", "display_name": "New"}
    method, target, body, params = {
        "name_taken": ("POST", org.users, {**new, "name": "ANN"}, None),
        "email_address_in_use": ("POST", org.users, {**new, "password": PASSWORD, "email": "ann"}, None),
        "mail_domain_not_registered": ("POST", org.user(bob, "enable"), {"email": "bob@nowhere.test"}, None),
        "entity_state": ("DELETE", org.user(ann), None, None),
        "enabled": ("POST", org.user(bob, "aliases"), {"email": "boss"}, None),
        "primary_address": ("DELETE", org.user(ann, "aliases", ann["email"]), None, None),
        "limit_exceeded": ("POST", org.user(ann, "aliases"), {"email": "boss"}, None),
        "organization_state": ("POST", org.path + "/retry", None, None),
        "organization_in_use": ("DELETE", org.path, None, {"confirm": org.alias}),
        "confirmation_mismatch": ("DELETE", org.path, None, {"confirm": "other"}),
        "alias_taken": ("POST", "/v1/organizations", {"alias": org.alias, "setup": "QUICK"}, None),
        "reserved_name": ("POST", org.user(ann, "aliases"), {"email": "amazonjournaling"}, None),
        "weak_password": ("POST", org.user(ann, "reset-password"), {"password": "password"}, None),
        "required": ("POST", org.users, {**new, "email": "new"}, None),
    }[code]
    for number in range(100 if code == "limit_exceeded" else 0):
        api.request("POST", org.user(ann, "aliases"), {"email": f"a{number}"})
    with nothing_changes(service, audit=False):
        answer = check_same_fault(api, method, target, body, params)
    expected = {"enabled": "entity_state", "weak_password": "validation_failed", "required": "validation_failed"}
    assert answer["code"] == expected.get(code, code)


def test_dry_run_hashes_no_password(service, org):
    """It would take the lane for that; the answer says all the same that there would be a password."""
    user = org.create_enabled()
    hashes = service.sql("SELECT password_hash FROM user_detail WHERE organization_id = %s", org.id)
    dry = org.api.post(org.users, expect=200, params={"validate_only": "true"},
                       json={"name": "ann", "display_name": "Ann", "password": PASSWORD})
    assert dry["has_password"] and dry["state"] == "ENABLED" and dry["email"] == f"ann@{org.domain}"
    org.api.post(org.user(user, "reset-password"), expect=200, json={"password": PASSWORD + "8"},
                 params={"validate_only": "true"})
    assert service.sql("SELECT password_hash FROM user_detail WHERE organization_id = %s", org.id) == hashes


def test_dry_run_wakes_no_worker(service, api, org):
    operations = len(api.items("/v1/operations"))
    api.delete(org.path, expect=200, params={"confirm": org.alias, "validate_only": "true"})
    api.post("/v1/organizations", expect=200, json={"alias": unique(), "setup": "QUICK"},
             params={"validate_only": "true"})
    assert len(api.items("/v1/operations")) == operations and org.describe()["state"] == "ACTIVE"


NOT_UNDERSTOOD = {
    "validate_only=": "wrong_type", "validate_only=yes": "wrong_type", "validate_only=1": "wrong_type",
    "validate_only=TRUE": "wrong_type", "validate_only=true%20": "wrong_type", "validate_only=truetrue": "wrong_type",
    "validate_only=true&validate_only=true": "duplicate_parameter", "validate_only=true&validate_only=false": "duplicate_parameter",
    "validate_only=false&more=1&validate_only=true": "duplicate_parameter",
    "Validate_only=true": "unknown_parameter", "validate_only[]=true": "unknown_parameter"}
ODD = ["validate_only", "validate%5Fonly=true", "validate_only=%74rue", "%76alidate_only=true"]


@pytest.mark.parametrize(**named(KEEPING_NOTHING))
def test_nothing_is_done_when_the_parameter_is_not_understood_or_oddly_spelt(service, api, org, route):
    request = prepare(service, org, route)
    before = rows(service)
    more = "".join(f"&{name}={value}" for name, value in (request.params or {}).items())
    body = {} if request.json is None else {"json_body": request.json}
    answers = {text: api.request(request.method, f"{request.target}?{text}{more}", **body) for text in [*NOT_UNDERSTOOD, *ODD]}
    assert rows(service) == before
    for text, fault in NOT_UNDERSTOOD.items():
        assert answers[text].status == 400 and f"{text.split('=')[0]} {fault}" in answers[text].faults, (text, answers[text])
    assert {answers[text].status for text in ODD} <= {200, 400}, answers


@pytest.mark.parametrize(**named(READS))
def test_reading_knows_no_dry_run(api, org, route):
    user = org.create_user()
    target = fill(route["path"].replace("{user_id}", user["user_id"]), org.id)
    answer = api.get(target, expect="validation_failed", params={"validate_only": "true"})
    assert "validate_only unknown_parameter" in answer.faults
