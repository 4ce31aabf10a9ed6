"""openapi.yaml by itself, and against what the program says of itself."""

import copy
import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest

from describe_api import differences
from openapi_check import Document

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = Document.load(ROOT / "openapi.yaml")
OPERATIONS = {operation["operationId"]: (method, path, operation) for method, path, operation in DOCUMENT.operations()}
SCHEMAS = DOCUMENT.tree["components"]["schemas"]

# Codes of answers that belong to no operation; the introduction names them.
CODES_OUTSIDE_OPERATIONS = {"route_not_found", "method_not_allowed"}

# Needs a credential and must not be stored, though it is not under /v1.
CLOSED_OUTSIDE_V1 = {"/metrics"}

# They make something new, end what is never changed, or change several at once.
CHANGES_WITHOUT_VERSION = {"CreateAvailabilityConfiguration", "CreateOrganization", "CreateUser", "CreateGroup", "CreateResource", "CreateFlowRule", "DeleteResources", "CancelOperation", "ImportUsers", "CreateIamUser", "CreateIamGroup", "CreatePolicy",
                           "CreateAccessKey", "CreateKey", "RegisterMailDomain", "SyncMobileDevice", "SignOut", "DeleteSession", "RegisterToWorkMailForUsers",
                           "DeregisterFromWorkMailForUsers", "RegisterToWorkMailForGroups", "DeregisterFromWorkMailForGroups"}

# They show something that has a version, though they are named or paged otherwise.
VERSIONED_TOO = {"ExportDkimSigningKeys", "GetDkimZone"}

# What is not there is that of the request itself.
WITHOUT_ID = {"DescribeCurrentSession", "SignOut"}

# Who signs in has no credential yet.
OPEN_UNDER_V1 = {"CreateSession"}

REQUIRED_DRY_RUN = {"$ref": "#/components/headers/DryRun"}

KNOWN_OPERATION_MEMBERS = {"operationId", "x-action", "x-reads", "tags", "summary", "description", "security", "parameters", "requestBody", "responses"}


@pytest.fixture(scope="module")
def description():
    binary = os.environ.get("POSTREEVE_BINARY", str(ROOT / "build" / "dev" / "postreeve"))
    assert os.access(binary, os.X_OK), f"there is no {binary}: build first, or name the program in POSTREEVE_BINARY"
    result = subprocess.run([binary, "admin", "describe-api"], capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def walk(node, path="#"):
    """Each object of the document with its place in it."""
    if isinstance(node, dict):
        yield path, node
        for name, value in node.items():
            yield from walk(value, path + "/" + str(name).replace("~", "~0").replace("/", "~1"))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}/{index}")


def places_with_examples():
    """Each media type, parameter and header that has examples, as (place, object)."""
    for place, node in walk(DOCUMENT.tree):
        if "schema" in node and ("example" in node or "examples" in node):
            yield place, node


def examples_of(node):
    if "example" in node:
        yield "example", node["example"]
    for name, row in node.get("examples", {}).items():
        yield name, DOCUMENT.follow(row)["value"]


def object_schemas():
    for place, node in walk(SCHEMAS, "#/components/schemas"):
        if "properties" in node and "$ref" not in node and not place.endswith("/properties"):
            yield place, node


# --- against the program ---


def test_program_and_description_agree(description):
    assert differences(description, DOCUMENT) == []


def test_each_route_missing_is_noticed(description):
    for index, route in enumerate(description["routes"]):
        changed = copy.deepcopy(description)
        del changed["routes"][index]
        assert differences(changed, DOCUMENT), f"nobody misses {route['operation']}"


def test_each_member_missing_is_noticed(description):
    for table, rows in description["tables"].items():
        for index, row in enumerate(rows):
            changed = copy.deepcopy(description)
            del changed["tables"][table][index]
            assert differences(changed, DOCUMENT), f"nobody misses {row['name']} of {table}"


def test_each_operation_missing_in_the_description_is_noticed(description):
    for method, path, operation in DOCUMENT.operations():
        changed = copy.deepcopy(DOCUMENT.tree)
        del changed["paths"][path][method.lower()]
        assert differences(description, Document(changed)), f"nobody misses {operation['operationId']}"


# --- the description by itself ---


def test_version_is_that_of_the_build():
    cmake = ROOT / "CMakeLists.txt"
    if not cmake.exists():
        pytest.skip("no CMakeLists.txt")
    version = re.search(r"project\([^)]*VERSION\s+([0-9.]+)", cmake.read_text(encoding="utf-8"))
    assert DOCUMENT.tree["info"]["version"] == version.group(1)


def test_references_lead_somewhere():
    for _, node in walk(DOCUMENT.tree):
        if "$ref" in node:
            DOCUMENT.target(node["$ref"])


def test_components_are_used():
    used = set()
    unseen = [node["$ref"] for _, node in walk(DOCUMENT.tree["paths"]) if "$ref" in node]
    while unseen:
        reference = unseen.pop()
        if reference not in used:
            used.add(reference)
            unseen += [node["$ref"] for _, node in walk(DOCUMENT.target(reference)) if "$ref" in node]
    for requirement in DOCUMENT.tree["security"]:
        used |= {f"#/components/securitySchemes/{name}" for name in requirement}
    every = {f"#/components/{kind}/{name}" for kind, rows in DOCUMENT.tree["components"].items() for name in rows}
    assert sorted(every - used) == []


def test_schemas_are_valid():
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
    for place, node in walk(DOCUMENT.tree):
        if "schema" in node:
            jsonschema.Draft202012Validator.check_schema(node["schema"])
        if "/example" not in place:  # where a member may be called so
            assert "pattern" not in node or not isinstance(node["pattern"], str) or re.compile(node["pattern"]), place


@pytest.mark.parametrize("place,schema", list(object_schemas()))
def test_objects_are_closed(place, schema):
    assert schema.get("additionalProperties") is False, place
    assert schema.get("type") == "object", place
    assert set(schema.get("required", [])) <= set(schema["properties"]), place


def test_write_only_members_are_in_no_answer():
    for name in SCHEMAS:
        if any(name == reference.rsplit("/", 1)[1] for reference in answer_schemas()):
            for member, row in SCHEMAS[name].get("properties", {}).items():
                assert not DOCUMENT.follow(row).get("writeOnly"), f"{name}.{member}"


def answer_schemas():
    """References to the schemas that answers are made of."""
    unseen = [node["$ref"] for _, node in walk(DOCUMENT.tree["components"]["responses"]) if "$ref" in node]
    seen = set()
    while unseen:
        reference = unseen.pop()
        if reference not in seen:
            seen.add(reference)
            unseen += [node["$ref"] for _, node in walk(DOCUMENT.target(reference)) if "$ref" in node]
    return {reference for reference in seen if reference.startswith("#/components/schemas/")}


@pytest.mark.parametrize("place,node", list(places_with_examples()))
def test_examples_are_valid(place, node):
    for name, value in examples_of(node):
        assert DOCUMENT.faults(node["schema"], value) == [], f"{place} {name}"


@pytest.mark.parametrize("place,node", [row for row in places_with_examples() if row[0].endswith("problem+json")])
def test_examples_of_problems_are_consistent(place, node):
    for _, value in examples_of(node):
        assert value["type"] == "/problems/" + value["code"], place


def test_every_answer_with_content_has_an_example():
    for name, response in DOCUMENT.tree["components"]["responses"].items():
        for media_type, row in response.get("content", {}).items():
            assert list(examples_of(row)), f"{name} {media_type}"


def test_operation_ids_are_unique():
    assert len(OPERATIONS) == len(list(DOCUMENT.operations()))


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_operation_is_complete(operation_id):
    method, path, operation = OPERATIONS[operation_id]
    assert operation.keys() <= KNOWN_OPERATION_MEMBERS
    assert operation["summary"] and operation["description"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT.tree["tags"]}
    assert ("x-action" in operation) == (operation.get("security") != []), "an action, or open"
    assert ((path.startswith("/v1/") or path in CLOSED_OUTSIDE_V1)
            == ("x-action" in operation or operation_id in OPEN_UNDER_V1))

    in_path = {name for place, name in DOCUMENT.parameters(path, operation) if place == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", path))
    assert ("header", "Request-Id") in DOCUMENT.parameters(path, operation)

    if "requestBody" in operation:
        assert method in ("POST", "PUT", "PATCH")
        assert {"413", "415"} <= operation["responses"].keys()
        for media_type, row in operation["requestBody"]["content"].items():
            assert list(examples_of(row)), f"no example of {media_type}"
    if "x-action" in operation:
        assert {"400", "401", "403", "429", "500", "503"} <= operation["responses"].keys()
        assert ("404" in operation["responses"]) == ("{" in path or operation_id in WITHOUT_ID)


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_answers_are_complete(operation_id):
    _, path, operation = OPERATIONS[operation_id]
    assert any(status.startswith("4") for status in operation["responses"])
    for status, raw in operation["responses"].items():
        response = DOCUMENT.follow(raw)
        headers = response["headers"].keys()
        assert response["description"]
        assert "Request-Id" in headers
        if status == "304":
            assert "content" not in response and "ETag" in headers
            continue
        if status.startswith("2"):
            assert (status == "204") == ("content" not in response)
            no_store = {"$ref": "#/components/headers/NoStore"}
            assert (response["headers"].get("Cache-Control") == no_store) == (path.startswith("/v1/") or path in CLOSED_OUTSIDE_V1)
            assert status not in ("201", "202") or "Location" in headers
            continue
        if status == "302":
            assert "content" not in response and "Location" in headers
            continue
        assert list(response["content"]) == ["application/problem+json"]
        narrowed = response["content"]["application/problem+json"]["schema"]
        assert narrowed["$ref"] == "#/components/schemas/Problem"
        assert narrowed["properties"]["status"] == {"const": int(status)}
        assert status != "401" or "WWW-Authenticate" in headers
        assert status not in ("429", "503") or "Retry-After" in headers


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_retrying_racing_and_trying_are_the_same_everywhere(operation_id):
    method, path, operation = OPERATIONS[operation_id]
    taken = DOCUMENT.parameters(path, operation)
    answers = {status: DOCUMENT.follow(raw) for status, raw in operation["responses"].items()}
    if "x-action" not in operation:
        return

    is_change = method != "GET" and not operation.get("x-reads")
    is_kept = is_change and method == "POST"
    assert (("query", "validate_only") in taken) == is_change
    assert is_change == ("Validate-Only" in answers["200"]["headers"])

    assert (("header", "Idempotency-Key") in taken) == is_kept == ("422" in answers)
    for status, answer in answers.items():
        replayed = is_kept and status.startswith("2") and not answer["headers"].get("Validate-Only", {}) == REQUIRED_DRY_RUN
        assert not replayed or "Idempotent-Replayed" in answer["headers"], status
    codes = answers.get("409", {}).get("content", {}).get("application/problem+json", {}).get("schema", {}).get("properties", {}).get("code", {})
    assert is_kept == ("idempotency_in_progress" in codes.get("enum", [])) == ("Retry-After" in answers.get("409", {}).get("headers", {}))

    assert is_change == ("412" in answers)
    assert (("header", "If-Match") in taken) == (is_change and operation_id not in CHANGES_WITHOUT_VERSION)
    versioned = not is_change and "ETag" in answers["200"]["headers"]
    assert versioned == (("header", "If-None-Match") in taken) == ("304" in answers)
    is_paged = ("query", "page_token") in taken
    is_resource = operation_id.startswith(("Describe", "Get")) and operation_id != "GetMetrics" and not is_paged
    assert versioned == (not is_change and (is_resource or operation_id in VERSIONED_TOO))


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_whatever_shows_long_work_can_be_waited_for(operation_id):
    _, path, operation = OPERATIONS[operation_id]
    waits = "202" in operation["responses"] or operation_id == "DescribeOperation"
    assert (("header", "Prefer") in DOCUMENT.parameters(path, operation)) == waits
    for status, raw in operation["responses"].items():
        shows = waits and status in ("200", "202", "304") and (status != "200" or "202" not in operation["responses"])
        assert ("Preference-Applied" in DOCUMENT.follow(raw)["headers"]) == shows


def test_each_problem_code_is_answered_somewhere():
    answered = set(CODES_OUTSIDE_OPERATIONS)
    for response in DOCUMENT.tree["components"]["responses"].values():
        row = response.get("content", {}).get("application/problem+json")
        if row:
            code = row["schema"]["properties"]["code"]
            answered |= set(code.get("enum", [code.get("const")]))
    assert answered == set(SCHEMAS["ProblemCode"]["enum"])
    for code in CODES_OUTSIDE_OPERATIONS:
        assert f"`{code}`" in DOCUMENT.tree["info"]["description"]


def test_lists_are_paged_alike():
    for operation_id, (_, path, operation) in OPERATIONS.items():
        names = {name for place, name in DOCUMENT.parameters(path, operation) if place == "query"}
        content = DOCUMENT.follow(operation["responses"].get("200", {})).get("content", {})
        members = DOCUMENT.follow(content.get("application/json", {}).get("schema", {})).get("properties", {})
        paged = {"page_size", "page_token", "include_total"}
        assert ("next_page_token" in members) == bool(names & paged) == (names & paged == paged), operation_id
        assert ("Link" in DOCUMENT.follow(operation["responses"].get("200", {})).get("headers", {})) == bool(names & paged), operation_id
