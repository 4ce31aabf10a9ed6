"""Compares what the program says of itself (`postreeve admin describe-api`) with openapi.yaml."""

# The field table that stands behind the answer schema of each resource.
ANSWERS = {
    "user": "User",
    "organization": "Organization",
    "operation": "Operation",
    "transition": "Transition",
    "health": "OrganizationHealth",
    "directory": "Directory",
    "directory_error": "DirectoryError",
    "alias": "Alias",
    "limit": "Limit",
    "region": "Region",
    "account": "Account",
    "usage": "Usage",
    "key": "Key",
    "audit_event": "AuditEvent",
    "audit_verification": "AuditVerification",
    "iam_user": "IamUser",
    "iam_group": "IamGroup",
    "iam_member": "IamMember",
    "policy": "Policy",
    "access_key": "AccessKey",
    "session": "Session",
    "simulation_result": "Simulation",
    "group": "Group",
    "member": "Member",
    "membership": "Membership",
    "entity_result": "EntityResult",
    "resource": "Resource",
    "booking_options": "BookingOptions",
    "delegate": "Delegate",
    "booking_decision": "BookingDecision",
    "mail_domain": "MailDomain",
    "identity_policy": "IdentityPolicy",
    "default_domain": "DefaultMailDomain",
    "interoperability": "Interoperability",
    "journaling": "Journaling",
    "migration_setting": "Migration",
    "mobile_policy": "MobilePolicy",
    "mobile_device": "MobileDevice",
    "mobile_device_sync": "MobileDeviceSync",
    "availability_configuration": "AvailabilityConfiguration",
    "availability_test": "AvailabilityTest",
    "flow_rule": "FlowRule",
    "flow_test_result": "FlowTestResult",
    "attachment_type": "AttachmentType",
    "attachment_result": "AttachmentResult",
    "found_entity": "FoundEntity",
    "address_book_entry": "AddressBookEntry",
    "dkim_key": "DkimKey",
    "dkim_signing_key": "DkimSigningKey",
    "dkim_record": "DkimRecord",
    "import_result": "ImportResult",
}

# The field table of each line of an upload.
LINES = {"import_entry": "ImportEntry"}

# What every change takes beside the parameters of its own table: a dry run. It answers 200, as CreateAlias also does for an
# address that is there already.
OF_EVERY_CHANGE = {"name": "validate_only", "kind": "boolean"}
DRY_RUN_STATUS = 200

# A member whose values when creating are fewer than those it can have later.
NARROWED_WHEN_CREATING = {("user", "type"): ["USER"], ("group", "type"): ["GROUP"],
                          ("directory", "type"): ["SIMPLE_AD", "MANAGED_AD", "AD_CONNECTOR", "LDAP"]}

# Bounds that are a rule of their own (the password policy) and need not stand in the field table.
RULED_ELSEWHERE = {"password"}

CONTENT_TYPES = {
    "create": {"application/json"},
    "update": {"application/merge-patch+json", "application/json"},
    "whole": {"application/json"},
}


def differences(description, document):
    """Where description (decoded JSON) and document (openapi_check.Document) do not say the same, one text each."""
    found = []
    routes = {}
    for route in description["routes"]:
        key = (route["method"], route["path"])
        if key in routes:
            found.append(f"{route['method']} {route['path']}: twice in the route table")
        routes[key] = route
    operations = {(method, path): operation for method, path, operation in document.operations()}

    for method, path in sorted(routes.keys() - operations.keys()):
        found.append(f"{method} {path}: not in openapi.yaml")
    for method, path in sorted(operations.keys() - routes.keys()):
        found.append(f"{method} {path}: not in the route table")
    used = set()
    for key in sorted(routes.keys() & operations.keys()):
        where = " ".join(key)
        found += [f"{where}: {text}" for text in _route(routes[key], key[1], operations[key], description["tables"], document, used)]

    for table, schema in sorted(ANSWERS.items()):
        where = f"answer {schema}"
        if table not in description["tables"]:
            found.append(f"{where}: there is no field table {table}")
        elif schema not in document.tree["components"]["schemas"]:
            found.append(f"{where}: there is no such schema")
        else:
            rows = [row for row in description["tables"][table] if not row.get("write_only")]
            found += [f"{where}: {text}" for text in _fields(table, rows, {"$ref": f"#/components/schemas/{schema}"}, "answer", document)]
    for table, schema in LINES.items():
        if not any(route.get("uploads") for route in description["routes"]):
            break
        rows = description["tables"].get(table, [])
        found += [f"line {schema}: {text}" for text in _fields(table, rows, {"$ref": f"#/components/schemas/{schema}"}, "create", document)]
    for table in sorted(description["tables"].keys() - used - ANSWERS.keys() - LINES.keys()):
        found.append(f"field table {table}: nothing uses it")
    return found


def _route(route, path, operation, tables, document, used):
    if operation["operationId"] != route["operation"]:
        yield f"operationId is {operation['operationId']}, in the route table {route['operation']}"

    public = route["action"] == "public"
    if public != (operation.get("security") == []):
        yield "open in one, with credential in the other"
    if operation.get("x-action") != (None if public else route["action"]):
        yield f"x-action is {operation.get('x-action')}, in the route table {route['action']}"

    if bool(operation.get("x-reads")) != (route["method"] != "GET" and not route.get("changes", True)):
        yield "a change in one, none in the other"

    successes = {int(status) for status in operation["responses"] if status.startswith("2") or status == "302"}
    if successes != {route["success"]} | ({DRY_RUN_STATUS} if is_change(route) else set()):
        yield f"successes are {sorted(successes)}, in the route table {route['success']}"

    yield from _body(route, operation, tables, document, used)
    yield from _query(route, path, operation, tables, document, used)


def is_change(route):
    """Of who has shown a credential; who signs in has none to be checked for."""
    return route.get("changes", route["method"] != "GET") and route["action"] != "public"


def _body(route, operation, tables, document, used):
    if route.get("raw_body"):
        yield from [] if "requestBody" in operation else ["a body in one, none in the other"]
    elif route.get("uploads"):
        if sorted(route["uploads"]) != sorted(operation.get("requestBody", {"content": {}})["content"]):
            yield "uploads of other types"
    elif (route["body"] is None) != ("requestBody" not in operation):
        yield "a body in one, none in the other"
    elif route["body"] is not None:
        used.add(route["body"])
        if route["body"] not in tables:
            yield f"there is no field table {route['body']}"
            return
        described = document.follow(operation["requestBody"])
        if "body_optional" in route and bool(described.get("required")) == route["body_optional"]:
            yield "the body may be left out in one, not in the other"
        content = described["content"]
        if content.keys() != CONTENT_TYPES[route["body_mode"]]:
            yield f"the body has the types {sorted(content)}"
        rows = [row for row in tables[route["body"]]
                if not row.get("read_only") and not (route["body_mode"] == "update" and row.get("create_only"))]
        for media_type, row in content.items():
            for text in _fields(route["body"], rows, row["schema"], route["body_mode"], document):
                yield f"{media_type} body: {text}"


def _query(route, path, operation, tables, document, used):
    parameters = {name: row for (place, name), row in document.parameters(path, operation).items() if place == "query"}
    rows = []
    if route["query"] is not None:
        used.add(route["query"])
        if route["query"] not in tables:
            yield f"there is no field table {route['query']}"
            return
        rows = tables[route["query"]]
    if is_change(route):
        rows = [*rows, OF_EVERY_CHANGE]
    named = {row["name"]: row for row in rows}
    for name in sorted(named.keys() - parameters.keys()):
        yield f"query parameter {name}: not in openapi.yaml"
    for name in sorted(parameters.keys() - named.keys()):
        yield f"query parameter {name}: not in the field table"
    for name in sorted(named.keys() & parameters.keys()):
        for text in _member(route["query"], named[name], document.follow(parameters[name]["schema"]), "query", document):
            yield f"query parameter {name}: {text}"
        if bool(named[name].get("required")) != bool(parameters[name].get("required")):
            yield f"query parameter {name}: required in one, not in the other"


def _fields(table, rows, schema, mode, document):
    """mode: create, update, whole (requests) or answer."""
    schema = document.follow(schema)
    members = dict(_flatten(schema, document))
    named = {row["name"].replace("[]", ""): row for row in rows}
    # A part of a sub-object may stand in the table without the sub-object itself, and the sub-object without its parts.
    parents = {name.rsplit(".", 1)[0] for name in named if "." in name}
    whole = {name for name in named if named[name]["kind"] in ("json", "object") and name not in parents}
    for name in sorted(named.keys() - members.keys()):
        yield f"{name}: not in openapi.yaml"
    for name in sorted(members.keys() - named.keys() - parents):
        if not any(name.startswith(parent + ".") for parent in whole):
            yield f"{name}: not in the field table"
    for name in sorted(named.keys() & members.keys()):
        member, required = members[name]
        for text in _member(table, named[name], member, mode, document):
            yield f"{name}: {text}"
        if mode != "answer" and "." not in name:
            expected = mode != "update" and bool(named[name].get("required"))
            if required != expected:
                yield f"{name}: required in one, not in the other"


def _flatten(schema, document, prefix=""):
    """The members of an object schema as (dotted name, (schema, required))."""
    for name, raw in schema.get("properties", {}).items():
        member = document.follow(raw)
        yield prefix + name, (member, name in schema.get("required", []))
        inner = document.follow(member.get("items", {})) if "items" in member else member
        yield from _flatten(inner, document, prefix + name + ".")


def _member(table, row, schema, mode, document):
    kinds, values, nullable = _describe(schema, document)
    if row["kind"] not in kinds:
        yield f"kind is {row['kind']}, in openapi.yaml {' or '.join(sorted(kinds))}"
        return
    if row["kind"] == "enum":
        expected = row.get("values")
        if mode == "create" and (table, row["name"]) in NARROWED_WHEN_CREATING:
            narrowed = NARROWED_WHEN_CREATING[(table, row["name"])]
            if not set(narrowed) <= set(expected or []):
                yield f"values are {expected}, without {narrowed}"
            expected = narrowed
        if sorted(expected or []) != sorted(values or []):
            yield f"values are {expected}, in openapi.yaml {values}"
    elif row.get("values") is not None and sorted(row["values"]) != sorted(values or []):
        yield f"values are {row['values']}, in openapi.yaml {values}"

    # null clears a member when updating; when creating, the description knows no null, and answers never hold one.
    expected = bool(row.get("nullable")) and mode in ("update", "whole")
    if nullable != expected:
        yield f"{'nullable' if nullable else 'not nullable'} in openapi.yaml, the other way round in the field table"
    if schema.get("type") != "array":
        yield from _bounds(row, schema)


def _bounds(row, schema):
    if row["kind"] not in ("string", "integer"):
        return
    names = {"string": ("minLength", "maxLength"), "integer": ("minimum", "maximum")}[row["kind"]]
    for key, name in zip(("min", "max"), names):
        ours, theirs = row.get(key), schema.get(name)
        if row["kind"] == "string" and key == "min":
            ours, theirs = ours or None, theirs or None
        if ours is None and (row.get("read_only") or row["name"] in RULED_ELSEWHERE):
            continue
        if ours != theirs:
            yield f"{key} is {ours}, {name} in openapi.yaml is {theirs}"


def _describe(schema, document):
    """The kinds that a field table may give a member of this schema, its values, and whether it may be null."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else list(types)
    nullable = "null" in types
    types = [name for name in types if name != "null"]
    if "const" in schema:
        return {"enum"}, [schema["const"]], nullable
    if "enum" in schema:
        return {"enum"}, [value for value in schema["enum"] if value is not None], nullable
    if types == ["array"]:
        items = document.follow(schema["items"])
        if "enum" in items:
            # A list of columns to order by; the sign before a column is no value of its own.
            return {"string", "strings", "enum"}, sorted({value.lstrip("-") for value in items["enum"]}), nullable
        return ({"strings"} if items.get("type") == "string" else {"json", "object"}), None, nullable
    if types == ["object"]:
        return {"object", "json"}, None, nullable
    if types == ["string"]:
        return {"time" if schema.get("format") == "date-time" else "string"}, None, nullable
    return set(types), None, nullable
