"""Every route, and every kind of caller: who gets which status. A route that is added finds itself here."""
import pytest

from changes import prepare
from client import bearer
from organization import unique
from routes import is_mutation, of_identities, routes
from test_validate_only import rows

# What needs no credential. Nothing gets here by accident: a route without an action fails the first test.
OPEN = {"GetHealth", "GetReadiness", "GetVersion", "GetOpenApi", "GetDocs", "GetDocsFile", "GetProblem", "CreateSession", "RedirectAutodiscover"}
# For mail users, who have a password and no access key: test_autodiscover.py.
FOR_MAIL_USERS = {"Autodiscover"}
# Change nothing but what is told of the last time.
NOTE_THEMSELVES = {"TestAvailabilityConfiguration"}
OTHER_ACCOUNT = "777777777777"
UNKNOWN = ["no credential", "wrong secret", "disabled key"]
CALLERS = [*UNKNOWN, "read only", "other account", "allowed"]


def identity(service, account, policy="AmazonWorkMailFullAccess"):
    return service.admin("create-iam-user", "--account", account, "--name", unique("iam"), "--policy", policy)


@pytest.fixture(scope="session")
def credentials(service):
    account = service.root["account_id"]
    service.sql("INSERT INTO account (account_id, name) VALUES (%s, 'other')", OTHER_ACCOUNT)
    service.allow_organizations(1000000, OTHER_ACCOUNT)
    made = {"no credential": None, "read only": identity(service, account, "AmazonWorkMailReadOnlyAccess"),
            "disabled key": identity(service, account), "other account": identity(service, OTHER_ACCOUNT),
            "allowed": identity(service, account)}
    secret = made["allowed"]["secret_access_key"]
    made["wrong secret"] = {**made["allowed"], "secret_access_key": secret[1:] + ("A" if secret[0] != "A" else "B")}
    service.client(made["disabled key"]).get("/v1/regions")
    service.admin("disable-access-key", "--access-key-id", made["disabled key"]["access_key_id"])
    return made


def expected(route, caller):
    """A status, or the code of a problem."""
    if route["operation"] in OPEN:
        return route["success"]
    if caller in UNKNOWN:
        return "unauthenticated"
    if route["action"].startswith("iam:"):
        return "access_denied"  # full access to mail is not root
    if route["shows_all"]:
        return "access_denied"  # identities too
    if caller == "allowed":
        return route["success"]
    if route["operation"] == "ExportDkimSigningKeys" and caller == "read only":
        return "access_denied"  # private keys
    if caller == "read only":
        # All of the directory at once is more than the guide's policy means by Get and List.
        return "access_denied" if is_mutation(route) or route["operation"] == "ExportUsers" else route["success"]
    if route["for_operator"]:
        return "access_denied"
    if "{organization_id}" in route["path"]:
        return "organization_not_found"
    for argument in ("operation", "directory", "key"):
        if f"{{{argument}_id}}" in route["path"]:
            return f"{argument}_not_found"
    return route["success"]


def what_is_there(service):
    """All rows, but those that tell of refusals."""
    return rows(service, audit=False)


def test_there_are_routes():
    assert len(routes()) > 20


@pytest.mark.parametrize("route", routes(), ids=lambda route: route["operation"])
def test_route_has_an_action_unless_it_is_known_to_be_open(route):
    if route["operation"] in OPEN | FOR_MAIL_USERS:
        assert route["action"] == "public" and is_mutation(route) == (route["operation"] == "CreateSession")
    else:
        prefix, _, name = route["action"].partition(":")
        assert prefix in ("workmail", "iam", "kms", "ds", "ses") and name


def send(service, credential, request):
    return request.send(service.anonymous(), headers={"Authorization": bearer(credential)} if credential else None)


def check_refused(service, credentials, request, refused):
    """One after the other: after all of them nothing has changed."""
    before, codes = what_is_there(service), {}
    for caller in refused:
        answer = send(service, credentials[caller], request)
        codes[caller] = answer.check_problem()["code"]
        if caller in UNKNOWN:
            assert {"basic", "bearer"} <= set(answer.headers["WWW-Authenticate"].lower().replace(",", "").split())
    assert codes == refused
    assert what_is_there(service) == before


# The managed policies say nothing of identities: test_matrix.py has callers for those.
@pytest.mark.parametrize("route", [route for route in routes()
                                   if not of_identities(route) and route["operation"] not in FOR_MAIL_USERS], ids=lambda route: route["operation"])
def test_callers_get_the_status_that_is_theirs(service, org, credentials, route):
    request = prepare(service, org, route)
    expect = {caller: expected(route, caller) for caller in CALLERS}
    check_refused(service, credentials, request, {caller: code for caller, code in expect.items() if isinstance(code, str)})
    for caller in (caller for caller, status in expect.items() if isinstance(status, int)):
        request, before = request or prepare(service, org, route), what_is_there(service)
        answer = send(service, credentials[caller], request)
        assert answer.status == expect[caller], (caller, answer)
        assert route["operation"] in OPEN | NOTE_THEMSELVES or (what_is_there(service) != before) == is_mutation(route), caller
        request = None  # what one has changed is not as the next one needs it
