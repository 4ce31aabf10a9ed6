"""Every route for every kind of caller: who may not is refused, and nothing has changed."""
import pytest

import iam
from changes import prepare
from organization import create_organization, unique
from routes import arguments_of, closed_routes, fill, first_resource, is_mutation, named, of_identities, of_organization
from test_auth import new_identity
from test_validate_only import rows

STRANGERS_ACCOUNT = "888888888888"


@pytest.fixture(scope="session")
def callers(service):
    """By kind: a client, or a function that makes one for an organization."""
    api, account = service.client(), service.root["account_id"]
    service.sql("INSERT INTO account (account_id, name) VALUES (%s, 'other') ON CONFLICT DO NOTHING", STRANGERS_ACCOUNT)
    everything, nothing_deleted = iam.statement(), iam.statement("Deny", ["*:Delete*", "*:Create*"])

    def key(*statements, **limits):
        return iam.Identity(service, api, *statements, **limits).client

    def changed_later(path, members):
        identity = iam.Identity(service, api, everything)
        identity.client.get("/v1/regions")
        api.patch(identity.path("access-keys", identity.key["access_key_id"], *path), json=members)
        return identity.client
    return {
        "root": api,
        "full access": service.client(new_identity(service, account, "AmazonWorkMailFullAccess")),
        "read only": service.client(new_identity(service, account, "AmazonWorkMailReadOnlyAccess")),
        "nobody": key(),
        "one organization": lambda org: key(iam.statement(action="workmail:*", resource=iam.arn(org.id))),
        "another organization": key(iam.statement(action="workmail:*", resource=iam.arn("m-" + 32 * "1"))),
        "one action": key(iam.statement(action="workmail:ListUsers")),
        "explicit deny": key(everything, nothing_deleted),
        "expired": key(everything, expires_at="2020-01-01T00:00:00Z"),
        "disabled": changed_later((), {"status": "DISABLED"}),
        "wrong source": key(everything, allowed_networks=["192.0.2.0/24"]),
        "session without token": session_without_token(service, api, account),
        "other account": service.client(new_identity(service, STRANGERS_ACCOUNT, "AmazonWorkMailFullAccess")),
    }


def session_without_token(service, api, account):
    identity = iam.Identity(service, api, iam.statement())
    identity.set_password()
    client = iam.sign_in(service, identity.user, account)
    client.csrf_token = None
    return client


KINDS = ["root", "full access", "read only", "nobody", "one organization", "another organization", "one action",
         "explicit deny", "expired", "disabled", "wrong source", "session without token", "other account"]
READS = ("Get", "List", "Describe", "Search", "Test")


def allowed(kind, route):
    """Whether the caller's policies allow the action on what the route is about (a little model of its own)."""
    if kind == "root":
        return True
    operation, prefix = route["action"].split(":")[1], route["action"].split(":")[0]
    if route["shows_all"] and kind != "session without token":
        return kind == "explicit deny"  # identities too, and no policy about single resources
    if kind in ("full access", "other account"):
        return prefix != "iam"
    if kind == "read only":
        return prefix != "iam" and (operation.startswith(READS) or operation == "VerifyAuditLog")
    if kind == "one organization":
        return prefix == "workmail" and (of_organization(route) or route["lists"])
    if kind == "another organization":
        return prefix == "workmail" and route["lists"]
    if kind == "one action":
        return route["action"] == "workmail:ListUsers"
    if kind == "explicit deny":
        return not operation.startswith(("Delete", "Create"))
    return kind == "session without token"


def sees(kind, route):
    """Whether the caller may know that what the route is about is there."""
    if kind == "root":
        return True
    resource = first_resource(route)
    if resource == "organization_not_found":
        return kind in ("full access", "read only", "one organization", "explicit deny")
    if resource == "key_not_found":
        return kind in ("full access", "read only", "explicit deny", "session without token")
    return resource is not None and kind in ("explicit deny", "session without token")


def expected(kind, route):
    """The code of the refusal; None where the caller may."""
    if kind in ("expired", "disabled", "wrong source"):
        return "unauthenticated"
    if kind == "session without token" and route["method"] != "GET":
        return "csrf_token"
    if route["for_everybody"]:
        return None
    if kind == "other account" and route["for_operator"]:
        return "access_denied"
    if kind == "other account" and allowed(kind, route):
        return first_resource(route)
    if allowed(kind, route):
        return None
    resource = first_resource(route)
    return resource if resource and not sees(kind, route) else "access_denied"


@pytest.mark.parametrize(**named(closed_routes()))
def test_each_route_for_each_kind_of_caller(service, org, callers, route):
    """Changes go at what is there, reads and what a caller may at what is not: that ends at the latest where it would be found."""
    expect = {kind: expected(kind, route) for kind in KINDS}
    changes = is_mutation(route)
    request = prepare(service, org, route) if changes else None
    own = {**callers, "one organization": callers["one organization"](org)}
    before, found = changes and rows(service, audit=False), {}
    for kind, code in expect.items():
        caller = own[kind]
        if changes and code:
            body = {} if request.json is None else {"json_body": request.json}
            answer = caller.request(request.method, request.target, params=request.params, **body, **request.raw())
        elif not changes:
            arguments = arguments_of(route)
            body = {"json_body": arguments["json"]} if "json" in arguments else {}
            answer = caller.request(route["method"], fill(route["path"], org.id), params=arguments.get("params"), **body)
        else:
            continue
        found[kind] = answer.check_problem()["code"] if code or answer.status in (401, 403) else None
    assert not changes or rows(service, audit=False) == before
    assert found == {kind: code for kind, code in expect.items() if code or not changes}


@pytest.mark.parametrize(**named(route for route in closed_routes() if is_mutation(route)))
def test_who_may_change_is_not_refused(service, org, callers, route):
    for kind in KINDS:
        if expected(kind, route) is None:
            caller = callers[kind](org) if callable(callers[kind]) else callers[kind]
            answer = caller.request(route["method"], fill(route["path"], org.id))
            assert answer.status not in (401, 403), (kind, answer)


def test_the_matrix_has_every_answer():
    """A model that says one thing for all would prove little."""
    codes = {kind: {expected(kind, route) for route in closed_routes()} for kind in KINDS}
    assert codes["root"] == {None}
    assert codes["full access"] == {None, "access_denied", "iam_user_not_found", "iam_group_not_found", "policy_not_found"}
    assert codes["explicit deny"] == {None, "access_denied"}
    assert "organization_not_found" in codes["nobody"] and None in codes["one organization"]
    assert codes["expired"] == {"unauthenticated"} and "csrf_token" in codes["session without token"]


@pytest.mark.parametrize(**named(route for route in closed_routes() if of_identities(route) and "{" in route["path"]))
def test_identities_of_another_account_are_not_there(service, api, org, route):
    """The same body for what belongs to somebody else and for what never was."""
    if route["for_everybody"]:
        return
    request = prepare(service, org, route)
    service.sql("INSERT INTO account (account_id, name) VALUES (%s, 'other') ON CONFLICT DO NOTHING", STRANGERS_ACCOUNT)
    made = new_identity(service, STRANGERS_ACCOUNT)
    service.sql("UPDATE access_key SET iam_user_id = NULL WHERE access_key_id = %s", made["access_key_id"])
    root_of_another = service.client(made)
    body = {} if request.json is None else {"json_body": request.json}
    theirs = root_of_another.request(request.method, request.target, params=request.params, **body)
    nothing = root_of_another.request(request.method, fill(route["path"], org.id), params=request.params, **body)
    assert theirs.status == nothing.status == 404
    assert {**theirs.body, "instance": ""} == {**nothing.body, "instance": ""}


def test_one_organization_sees_itself_alone(service, api, org):
    other = create_organization(api, unique())
    identity = iam.Identity(service, api, iam.statement(action="workmail:*", resource=iam.arn(org.id)))
    caller = identity.client
    listed = caller.get("/v1/organizations", params={"include_total": "true", "page_size": 1})
    assert [item["organization_id"] for item in listed["items"]] == [org.id]
    assert listed["total"] == 1 and "next_page_token" not in listed.body
    assert {item["organization_id"] for item in caller.items("/v1/operations", page_size=1)} == {org.id}
    theirs = api.get("/v1/operations", params={"organization_id": other.id})["items"][0]
    own = api.get("/v1/operations", params={"organization_id": org.id})["items"][0]
    caller.get(f"/v1/operations/{own['operation_id']}")
    caller.get(f"/v1/operations/{theirs['operation_id']}", expect="operation_not_found")
    caller.get(other.path, expect="organization_not_found")
    caller.post("/v1/organizations", expect="access_denied", json={"alias": unique(), "setup": "QUICK"})


def test_pages_of_those_who_see_only_some_are_whole(service, api):
    mine = [create_organization(api, unique()) for _ in range(5)]
    identity = iam.Identity(service, api, iam.statement(action="workmail:*", resource=[iam.arn(one.id) for one in mine[:3]]))
    pages = list(identity.client.pages("/v1/organizations", page_size=2))
    assert [len(page["items"]) for page in pages] == [2, 1]


def test_region_of_a_policy_is_that_of_the_organization(service, api):
    here = create_organization(api, unique(), region="us-east-1")
    there = create_organization(api, unique(), region="eu-west-1")
    identity = iam.Identity(service, api, iam.statement(action="workmail:*", resource=iam.arn("*", region="eu-*")))
    for _ in range(2):
        identity.client.get(there.path)
        identity.client.get(here.path, expect="organization_not_found")
    listed = {item["organization_id"] for item in identity.client.items("/v1/organizations", page_size=1000)}
    assert there.id in listed and here.id not in listed
