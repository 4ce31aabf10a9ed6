"""The route table, as the binary itself tells it."""
import functools
import json
import uuid

from service import run_binary

FILLINGS = {"operation_id": lambda: str(uuid.uuid4()), "user_id": lambda: str(uuid.uuid4()),
            "email": lambda: "nobody@nowhere.test"}
NO_ORGANIZATION = "m-" + 32 * "0"


@functools.lru_cache(None)
def routes():
    """All routes; none when there is no binary to ask (the tests say so then)."""
    try:
        described = json.loads(run_binary("admin", "describe-api").stdout)
    except (OSError, ValueError):
        return []
    return described["routes"]


def fill(path, organization_id):
    """A path of the route with something in each place; the entities in it do not exist."""
    path = path.replace("{organization_id}", organization_id)
    for name, make in FILLINGS.items():
        path = path.replace("{%s}" % name, make())
    assert "{" not in path, f"say in routes.py what to put into {path}"
    return path


def closed_routes():
    """Those that need a credential."""
    return [route for route in routes() if route["action"] != "public"]


def is_mutation(route):
    return route["method"] not in ("GET", "HEAD")


def of_organization(route):
    return "{organization_id}" in route["path"]


def named(chosen):
    """Arguments of parametrize, with readable ids."""
    chosen = list(chosen)
    return {"argnames": "route", "argvalues": chosen, "ids": [route["operation"] for route in chosen]}
