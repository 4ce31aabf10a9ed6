"""The route table, as the binary itself tells it."""
import functools
import json
import uuid

from contract.openapi_check import Document
from devices import Device
from service import ROOT, run_binary

FILLINGS = {**{name: lambda: str(uuid.uuid4()) for name in ("operation_id", "user_id", "group_id", "member_id", "entity_id", "key_id",
                                                             "iam_user_id", "iam_group_id", "policy_id", "session_id", "flow_rule_id")},
            "resource_id": lambda: "r-" + uuid.uuid4().hex, "directory_id": lambda: "d-" + uuid.uuid4().hex[:10],
            "file": lambda: "page.css", "email": lambda: "nobody@nowhere.test", "domain": lambda: "nowhere.test", "code": lambda: "name_taken",
            "access_key_id": lambda: "PRAK" + 16 * "A", "device_id": lambda: "phone"}
QUERY = {"confirm": "acme", "q": "ann"}
NO_ORGANIZATION = "m-" + 32 * "0"
NOT_THERE = {"{organization_id}": "organization_not_found", "{key_id}": "key_not_found", "{iam_user_id}": "iam_user_not_found",
             "{iam_group_id}": "iam_group_not_found", "{policy_id}": "policy_not_found"}


@functools.lru_cache(None)
def described():
    """Routes and field tables; none when there is no binary to ask (the tests say so then)."""
    try:
        return json.loads(run_binary("admin", "describe-api").stdout)
    except (OSError, ValueError):
        return {"routes": [], "tables": {}}


def routes():
    return described()["routes"]


def fill(path, organization_id, known=None):
    """A path of the route with something in each place; the entities in it do not exist, but for those that are known."""
    path = path.replace("{organization_id}", organization_id)
    for name, make in FILLINGS.items():
        path = path.replace("{%s}" % name, (known or {}).get(name) or make())
    assert "{" not in path, f"say in routes.py what to put into {path}"
    return path


def fill_known(route, org):
    """The same, of things that are there: made in the organization where they are not."""
    path = route["path"]
    if "{device_id}" in path:
        user = org.create_enabled()
        device = Device(org, user)
        device.sync()
        path = path.replace("{user_id}", user["user_id"]).replace("{device_id}", device.id)
    for name, make in (("user_id", org.create_user), ("group_id", org.create_group), ("resource_id", org.create_resource),
                       ("flow_rule_id", org.create_flow_rule)):
        if "{%s}" % name in path:
            path = path.replace("{%s}" % name, make()[name])
    return fill(path, org.id)


@functools.lru_cache(None)
def document():
    return Document.load(ROOT / "openapi.yaml")


def arguments_of(route):
    """A body and a query that the route takes: the first example of openapi.yaml."""
    raw = next(raw for method, path, raw in document().operations() if (method, path) == (route["method"], route["path"]))
    arguments = {}
    if "requestBody" in raw:
        kind, content = next(iter(raw["requestBody"]["content"].items()))
        value = next(iter(content["examples"].values()))["value"]
        if kind == "application/json" or kind.endswith("+json"):
            arguments["json"] = value
        else:
            arguments["body"], arguments["headers"] = value.encode(), {"Content-Type": kind}
    required = {row["name"] for row in document().parameters(route["path"], raw).values()
                if row["in"] == "query" and row.get("required")}
    if required:
        arguments["params"] = {name: QUERY[name] for name in required}
    return arguments


def closed_routes():
    """Those that need a credential."""
    return [route for route in routes() if route["action"] != "public"]


def is_mutation(route):
    return route["changes"]


def of_identities(route):
    """Those of the identities themselves: managed policies do not allow them."""
    return route["action"].startswith("iam:")


def workmail_routes():
    return [route for route in closed_routes() if not of_identities(route)]


def of_organization(route):
    return "{organization_id}" in route["path"]


def first_resource(route):
    """What is first in the path of what policies know by name."""
    places = [(route["path"].index(place), code) for place, code in NOT_THERE.items() if place in route["path"]]
    return min(places)[1] if places else None


def named(chosen):
    """Arguments of parametrize, with readable ids."""
    chosen = list(chosen)
    return {"argnames": "route", "argvalues": chosen, "ids": [route["operation"] for route in chosen]}
