"""The comparison of field tables with a description, on a small pair of both: it must notice whatever differs."""

import copy

import pytest

import describe_api
from describe_api import differences
from openapi_check import Document

VALIDATE_ONLY = {"name": "validate_only", "in": "query", "schema": {"type": "boolean"}}
DOCUMENT = {
    "servers": [{"url": "http://127.0.0.1:8080"}],
    "paths": {
        "/healthz": {"get": {"operationId": "GetHealth", "security": [], "responses": {"200": {}}}},
        "/v1/cats": {
            "get": {
                "operationId": "ListCats", "x-action": "workmail:ListCats",
                "parameters": [
                    {"name": "page_size", "in": "query", "schema": {"type": "integer", "minimum": 1}},
                    {"name": "mood", "in": "query", "required": True, "schema": {"type": "string", "enum": ["CALM", "WILD"]}},
                    {"name": "order_by", "in": "query", "schema": {"type": "array", "items": {"enum": ["name", "-name"]}}},
                ],
                "responses": {"200": {}},
            },
            "post": {
                "operationId": "CreateCat", "x-action": "workmail:CreateCat",
                "parameters": [VALIDATE_ONLY],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/CatCreate"}}}},
                "responses": {"200": {}, "201": {}, "400": {}},
            },
        },
        "/v1/cats/{cat_id}": {
            "patch": {
                "operationId": "UpdateCat", "x-action": "workmail:UpdateCat",
                "parameters": [VALIDATE_ONLY],
                "requestBody": {"content": {
                    "application/merge-patch+json": {"schema": {"$ref": "#/components/schemas/CatUpdate"}},
                    "application/json": {"schema": {"$ref": "#/components/schemas/CatUpdate"}},
                }},
                "responses": {"200": {}},
            },
        },
    },
    "components": {"schemas": {
        "CatCreate": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 9},
            "mood": {"type": "string", "enum": ["CALM", "WILD"]},
            "weight": {"type": "integer", "minimum": 1, "maximum": 20},
            "secret": {"type": "string", "maxLength": 63},
            "colour": {"type": "string", "maxLength": 9},
        }},
        "CatUpdate": {"type": "object", "properties": {
            "mood": {"type": "string", "enum": ["CALM", "WILD"]},
            "weight": {"type": "integer", "minimum": 1, "maximum": 20},
            "colour": {"type": ["string", "null"], "maxLength": 9},
        }},
        "Cat": {"type": "object", "properties": {
            "cat_id": {"type": "string"},
            "name": {"type": "string", "minLength": 1, "maxLength": 9},
            "mood": {"type": "string", "enum": ["CALM", "WILD"]},
            "weight": {"type": "integer", "minimum": 1, "maximum": 20},
            "colour": {"type": "string", "maxLength": 9},
            "toys": {"type": "array", "items": {"type": "string"}},
            "home": {"type": "object", "properties": {"street": {"type": "string"}}},
            "visits": {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}},
            "born_at": {"type": "string", "format": "date-time"},
        }},
    }},
}


def row(name, kind, **more):
    flags = {flag: False for flag in ("required", "create_only", "read_only", "write_only", "nullable")}
    return {"name": name, "kind": kind, **flags, **more}


MOODS = ["CALM", "WILD"]
DESCRIPTION = {
    "routes": [
        {"method": "GET", "changes": False, "path": "/healthz", "operation": "GetHealth", "action": "public", "lane": "fast",
         "body": None, "body_mode": None, "query": None, "success": 200},
        {"method": "GET", "changes": False, "path": "/v1/cats", "operation": "ListCats", "action": "workmail:ListCats", "lane": "fast",
         "body": None, "body_mode": None, "query": "list_cats", "success": 200},
        {"method": "POST", "changes": True, "path": "/v1/cats", "operation": "CreateCat", "action": "workmail:CreateCat", "lane": "fast",
         "body": "cat", "body_mode": "create", "query": None, "success": 201},
        {"method": "PATCH", "changes": True, "path": "/v1/cats/{cat_id}", "operation": "UpdateCat", "action": "workmail:UpdateCat", "lane": "fast",
         "body": "cat", "body_mode": "update", "query": None, "success": 200},
    ],
    "tables": {
        "list_cats": [row("page_size", "integer", min=1), row("mood", "enum", required=True, values=MOODS), row("order_by", "string", max=128)],
        "cat": [
            row("cat_id", "string", read_only=True),
            row("name", "string", required=True, create_only=True, min=1, max=9),
            row("mood", "enum", values=MOODS),
            row("weight", "integer", min=1, max=20),
            row("secret", "string", create_only=True, write_only=True, min=0, max=63),
            row("colour", "string", nullable=True, min=0, max=9),
            row("toys", "strings", read_only=True),
            row("home.street", "string", read_only=True),
            row("visits", "json", read_only=True),
            row("born_at", "time", read_only=True),
        ],
    },
}


@pytest.fixture(autouse=True)
def answers(monkeypatch):
    monkeypatch.setattr(describe_api, "ANSWERS", {"cat": "Cat"})


def test_pair_agrees():
    assert differences(DESCRIPTION, Document(DOCUMENT)) == []


@pytest.mark.parametrize("index", range(len(DESCRIPTION["routes"])))
def test_missing_route_is_noticed(index):
    description = copy.deepcopy(DESCRIPTION)
    del description["routes"][index]
    assert differences(description, Document(DOCUMENT))


@pytest.mark.parametrize("table,index", [(table, index) for table, rows in DESCRIPTION["tables"].items() for index in range(len(rows))])
def test_missing_row_is_noticed(table, index):
    description = copy.deepcopy(DESCRIPTION)
    del description["tables"][table][index]
    assert differences(description, Document(DOCUMENT))


@pytest.mark.parametrize("table", DESCRIPTION["tables"])
def test_missing_table_is_noticed(table):
    description = copy.deepcopy(DESCRIPTION)
    del description["tables"][table]
    assert differences(description, Document(DOCUMENT))


@pytest.mark.parametrize("schema,member", [(schema, member) for schema, row in DOCUMENT["components"]["schemas"].items() for member in row["properties"]])
def test_member_missing_in_the_description_is_noticed(schema, member):
    document = copy.deepcopy(DOCUMENT)
    del document["components"]["schemas"][schema]["properties"][member]
    assert differences(DESCRIPTION, Document(document))


@pytest.mark.parametrize("change", [
    {"method": "PUT"}, {"changes": False}, {"path": "/v1/dogs"}, {"operation": "MakeCat"}, {"action": "workmail:MakeCat"}, {"action": "public"},
    {"body": None, "body_mode": None}, {"body_mode": "update"}, {"query": "list_cats"}, {"success": 202}, {"success": 204},
], ids=str)
def test_changed_route_is_noticed(change):
    description = copy.deepcopy(DESCRIPTION)
    description["routes"][2].update(change)
    assert differences(description, Document(DOCUMENT))


@pytest.mark.parametrize("name,change", [
    ("name", {"required": False}), ("colour", {"required": True}), ("name", {"create_only": False}), ("colour", {"read_only": True}),
    ("cat_id", {"read_only": False}), ("secret", {"write_only": False}), ("colour", {"write_only": True}), ("colour", {"nullable": False}),
    ("weight", {"nullable": True}), ("name", {"min": 2}), ("name", {"max": 10}), ("weight", {"min": 0}), ("weight", {"max": None}),
    ("mood", {"values": ["CALM"]}), ("mood", {"values": [*MOODS, "ODD"]}), ("mood", {"kind": "string"}), ("weight", {"kind": "string"}),
    ("born_at", {"kind": "string"}), ("toys", {"kind": "json"}), ("colour", {"kind": "time"}), ("visits", {"kind": "strings"}),
], ids=str)
def test_changed_row_is_noticed(name, change):
    description = copy.deepcopy(DESCRIPTION)
    next(row for row in description["tables"]["cat"] if row["name"] == name).update(change)
    assert differences(description, Document(DOCUMENT))


@pytest.mark.parametrize("name,change", [
    ("page_size", {"required": True}), ("mood", {"required": False}), ("page_size", {"min": 0}), ("page_size", {"max": 9}),
    ("mood", {"values": ["CALM"]}), ("order_by", {"values": ["age"]}), ("order_by", {"kind": "boolean"}),
], ids=str)
def test_changed_parameter_is_noticed(name, change):
    description = copy.deepcopy(DESCRIPTION)
    next(row for row in description["tables"]["list_cats"] if row["name"] == name).update(change)
    assert differences(description, Document(DOCUMENT))


def test_additions_are_noticed():
    for place, value in (("routes", {**DESCRIPTION["routes"][0], "path": "/more"}), ("routes", DESCRIPTION["routes"][0])):
        description = copy.deepcopy(DESCRIPTION)
        description[place].append(value)
        assert differences(description, Document(DOCUMENT))
    for table in DESCRIPTION["tables"]:
        description = copy.deepcopy(DESCRIPTION)
        description["tables"][table].append(row("more", "string"))
        assert differences(description, Document(DOCUMENT))
    description = copy.deepcopy(DESCRIPTION)
    description["tables"]["more"] = []
    assert differences(description, Document(DOCUMENT))


@pytest.mark.parametrize("optional", [True, False])
def test_whether_a_body_may_be_left_out_is_compared(optional):
    description, document = copy.deepcopy(DESCRIPTION), copy.deepcopy(DOCUMENT)
    route = next(route for route in description["routes"] if route["operation"] == "CreateCat")
    route["body_optional"] = optional
    document["paths"]["/v1/cats"]["post"]["requestBody"]["required"] = optional
    assert differences(description, Document(document))
    document["paths"]["/v1/cats"]["post"]["requestBody"]["required"] = not optional
    assert not differences(description, Document(document))


@pytest.mark.parametrize("path,method", [("/v1/cats", "post"), ("/v1/cats/{cat_id}", "patch")])
def test_change_without_dry_run_is_noticed(path, method):
    document = copy.deepcopy(DOCUMENT)
    document["paths"][path][method]["parameters"] = []
    assert differences(DESCRIPTION, Document(document))
    document = copy.deepcopy(DOCUMENT)
    del document["paths"][path][method]["responses"]["200"]
    assert differences(DESCRIPTION, Document(document))
    document = copy.deepcopy(DOCUMENT)
    document["paths"][path][method]["parameters"][0]["schema"]["type"] = "string"
    assert differences(DESCRIPTION, Document(document))


def test_dry_run_of_what_changes_nothing_is_noticed():
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/v1/cats"]["get"]["parameters"].append(VALIDATE_ONLY)
    assert differences(DESCRIPTION, Document(document))


def test_credential_and_types_of_body_are_compared():
    document = copy.deepcopy(DOCUMENT)
    del document["paths"]["/healthz"]["get"]["security"]
    assert differences(DESCRIPTION, Document(document))
    document = copy.deepcopy(DOCUMENT)
    del document["paths"]["/v1/cats/{cat_id}"]["patch"]["requestBody"]["content"]["application/json"]
    assert differences(DESCRIPTION, Document(document))
