"""Holds HTTP exchanges against openapi.yaml.

    contract = Contract("openapi.yaml")
    contract.check_exchange("POST", "/v1/organizations", None, request_headers, b'{...}', 202, response_headers, b'{...}')

An exchange that the description does not allow raises ContractError, an AssertionError. The environment variable
POSTREEVE_EXERCISED names a file that collects which operation answered with which status, for exercised.py.
"""

import datetime
import json
import os
import re
import urllib.parse

import jsonschema
import yaml

METHODS = ("get", "put", "post", "delete", "patch")
BODY_LIMIT = 1024 * 1024
PROBLEM_TYPE = "application/problem+json"

# libyaml's is much quicker than the one in Python.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What may be answered where no operation is: before a route is found, or because none is.
OUTSIDE_OPERATIONS = {
    400: {"bad_request"},
    401: {"unauthenticated"},
    404: {"route_not_found"},
    405: {"method_not_allowed"},
    413: {"payload_too_large"},
    500: {"internal_error"},
    503: {"overloaded", "not_ready", "database_unavailable"},
}

# libmicrohttpd refuses these itself. Its answers do not pass through the service, so they have no Request-Id.
LIBRARY_REFUSALS = {400, 414, 431, 505}

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

FORMATS = jsonschema.FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value):
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value, re.ASCII):
        return False
    datetime.datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S")
    return True


@FORMATS.checks("uuid")
def _is_uuid(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))


@FORMATS.checks("json-pointer")
def _is_json_pointer(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"(/([^/~]|~[01])*)*", value))


@FORMATS.checks("uri-reference")
def _is_uri_reference(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+", value))


class ContractError(AssertionError):
    """An exchange that openapi.yaml does not allow."""


class Document:
    """openapi.yaml with its references followed."""

    def __init__(self, tree):
        self.tree = tree

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(yaml.load(file, Loader=LOADER))

    def follow(self, node):
        """The object that a reference stands for; members beside the reference win over those of its target."""
        while isinstance(node, dict) and "$ref" in node:
            beside = {name: value for name, value in node.items() if name != "$ref"}
            node = {**self.target(node["$ref"]), **beside}
        return node

    def target(self, reference):
        if not reference.startswith("#/"):
            raise ContractError(f"the reference {reference} does not point into the document")
        node = self.tree
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or part not in node:
                raise ContractError(f"the reference {reference} points nowhere")
            node = node[part]
        return node

    def validator(self, schema):
        """References are put in place once: quicker than following them for each value, and threads share nothing."""
        return jsonschema.Draft202012Validator(self._inlined(schema), format_checker=FORMATS)

    def _inlined(self, node):
        if isinstance(node, list):
            return [self._inlined(one) for one in node]
        if not isinstance(node, dict):
            return node
        inlined = {}
        for name, value in node.items():
            if name == "properties":
                inlined[name] = {member: self._inlined(schema) for member, schema in value.items()}
            elif name not in ("$ref", "description", "default"):
                inlined[name] = self._inlined(value)
        if "$ref" not in node:
            return inlined
        target = self._inlined(self.target(node["$ref"]))
        return {**inlined, "allOf": [target]} if inlined else target

    def faults(self, schema, value):
        """What is wrong with value, one text per fault."""
        return _fault_texts(self.validator(schema), value)

    def operations(self):
        """Each operation as (method in upper case, path, operation); the path starts with that of the server."""
        prefix = urllib.parse.urlsplit(self.tree["servers"][0]["url"]).path.rstrip("/")
        for path, item in self.tree["paths"].items():
            for method in METHODS:
                if method in item:
                    yield method.upper(), prefix + path, item[method]

    def parameters(self, path, operation):
        """The parameters of an operation and of its path, by (in, name)."""
        prefix = urllib.parse.urlsplit(self.tree["servers"][0]["url"]).path.rstrip("/")
        rows = self.tree["paths"][path[len(prefix):]].get("parameters", []) + operation.get("parameters", [])
        followed = [self.follow(row) for row in rows]
        return {(row["in"], row["name"]): row for row in followed}


class _Operation:
    def __init__(self, document, method, path, raw):
        self.id = raw["operationId"]
        self.method = method
        self.path = path
        names = re.findall(r"\{(\w+)\}", path)
        self.names = names
        self.segments = path.split("/")
        self.public = raw.get("security") == []
        self.parameters = document.parameters(path, raw)
        self.body = document.follow(raw["requestBody"]) if "requestBody" in raw else None
        self.responses = {int(status): document.follow(row) for status, row in raw["responses"].items()}

    def match(self, segments):
        """The arguments in a path that was split and then decoded; None when it is another path."""
        if len(segments) != len(self.segments):
            return None
        arguments = {}
        for ours, theirs in zip(self.segments, segments):
            if ours.startswith("{") and theirs:
                arguments[ours[1:-1]] = theirs
            elif ours != theirs:
                return None
        return arguments


class Contract:
    def __init__(self, path_to_yaml):
        self.document = Document.load(path_to_yaml)
        self.operations = [_Operation(self.document, *row) for row in self.document.operations()]
        # Literal segments before templates, as a router does.
        self.operations.sort(key=lambda operation: (len(operation.names), operation.path))
        self._validators = {}
        self._recorded = set()

    def operation_ids(self):
        return {operation.id for operation in self.operations}

    def check_exchange(self, method, url_path, query, request_headers, request_body, status, response_headers, response_body):
        """Raises ContractError when the exchange is not as described. Returns the operationId, or None outside all operations.

        url_path: as sent, still percent-encoded (a query in it counts when query is None). query: text, mapping, pairs or None.
        Headers: mapping or pairs, those of the request with its credential. Bodies: bytes, text, a decoded JSON value, or None for none.
        """
        method = method.upper()
        url_path, _, query_in_path = url_path.partition("?")
        if query is None:
            query = query_in_path
        try:
            return self._check(method, url_path, _pairs(query), _headers(request_headers), _bytes(request_body), status,
                               _headers(response_headers), _bytes(response_body))
        except ContractError as error:
            raise ContractError(f"{method} {url_path} answered {status}: {error}") from None

    def _check(self, method, path, query, asked, request_body, status, answered, response_body):
        if status in LIBRARY_REFUSALS and "request-id" not in answered and answered.get("content-type") != PROBLEM_TYPE:
            return None
        self._check_every_answer(path, asked, answered)

        if method == "OPTIONS" and status == 204:
            allowed = {word.strip() for word in answered.get("allow", "").split(",")} - {"HEAD"}
            _require(allowed and allowed == self._methods_of(path), f"Allow names {sorted(allowed)}")
            _require(not response_body, "an answer to OPTIONS has a body")
            return None

        operation, arguments = self._find("GET" if method == "HEAD" else method, path)
        head = method == "HEAD"
        _require(not head or not response_body, "an answer to HEAD has a body")
        too_large = len(request_body) > BODY_LIMIT or int(asked.get("content-length") or 0) > BODY_LIMIT
        if operation is None or (status == 413 and too_large and 413 not in operation.responses):
            self._check_outside(path, status, answered, response_body, head)
            return operation.id if operation else None

        response = operation.responses.get(status)
        _require(response is not None, f"{operation.id} does not document this status")
        self._check_headers(response, answered)
        value = self._check_content(response, answered, response_body, head)
        if status >= 400:
            if not head:
                self._check_problem(value, status, answered)
        else:
            if not head:
                self._check_links(operation, value, status, answered)
            self._check_request(operation, arguments, query, asked, request_body)
            self._check_promises(operation, query, asked, status, answered)
        # A dry run is no use of the operation.
        if not head and "validate-only" not in answered:
            self._record(operation.id, status)
        return operation.id

    def _find(self, method, path):
        segments = [urllib.parse.unquote(segment) for segment in path.split("/")]
        for operation in self.operations:
            arguments = operation.match(segments) if operation.method == method else None
            if arguments is not None:
                return operation, arguments
        return None, {}

    def _methods_of(self, path):
        segments = [urllib.parse.unquote(segment) for segment in path.split("/")]
        return {operation.method for operation in self.operations if operation.match(segments) is not None}

    @staticmethod
    def _check_every_answer(path, asked, answered):
        request_id = answered.get("request-id", "")
        _require(REQUEST_ID.fullmatch(request_id), f"Request-Id is missing or malformed: {request_id!r}")
        sent = asked.get("request-id", "")
        if REQUEST_ID.fullmatch(sent):
            _require(request_id == sent, f"Request-Id {sent} came back as {request_id}")
        if path == "/v1" or path.startswith("/v1/"):
            cache = answered.get("cache-control")
            _require(cache == "no-store", f"Cache-Control under /v1 is {cache!r}, not no-store")

    def _check_outside(self, path, status, answered, body, head):
        """An answer that belongs to no operation is one of a few problems."""
        _require(status in OUTSIDE_OPERATIONS, "no operation is described here, and this status is not one of those that need none")
        _require(_media_type(answered) == PROBLEM_TYPE, f"Content-Type is {answered.get('content-type')!r}")
        if status == 405:
            allowed = {word.strip() for word in answered.get("allow", "").split(",")} - {"HEAD", "OPTIONS"}
            _require(allowed == self._methods_of(path), f"Allow names {sorted(allowed)}, the description {sorted(self._methods_of(path))}")
        for needed, header in ((401, "www-authenticate"), (503, "retry-after")):
            _require(status != needed or header in answered, f"the header {header} is missing")
        if head:
            return
        value = _json(body, "the answer")
        self._validate("problem", {"$ref": "#/components/schemas/Problem"}, value, "the problem")
        _require(value["code"] in OUTSIDE_OPERATIONS[status], f"the code {value['code']} belongs to no answer outside the operations")
        self._check_problem(value, status, answered)

    @staticmethod
    def _check_problem(value, status, answered):
        _require(value["status"] == status, f"the problem says status {value['status']}")
        _require(value["type"] == "/problems/" + value["code"], f"the problem of code {value['code']} has the type {value['type']}")
        _require(value["instance"] == answered["request-id"], f"instance is {value['instance']}, Request-Id {answered['request-id']}")
        if value["code"] == "validation_failed":
            _require(value.get("errors"), "validation_failed names no faults")
        if status == 409:
            _require((value["code"] == "idempotency_in_progress") == ("retry-after" in answered), "Retry-After goes with idempotency_in_progress")

    def _check_headers(self, response, answered):
        for name, row in response.get("headers", {}).items():
            header = self.document.follow(row)
            text = answered.get(name.lower())
            if text is None:
                _require(not header.get("required"), f"the header {name} is missing")
                continue
            self._validate_text(("header", name, str(header["schema"])), header["schema"], text, f"the header {name}")

    def _check_content(self, response, answered, body, head):
        """The decoded body, once it is shown to be as described."""
        content = response.get("content")
        if not content:
            _require(not body, f"there is a body where none is described: {body[:200]!r}")
            return None
        media_type = _media_type(answered)
        _require(media_type in content, f"Content-Type is {answered.get('content-type')!r}; described: {', '.join(content)}")
        if head:
            return None
        _require(body or media_type == "application/x-ndjson", "there is no body")  # no line at all is a file too
        schema = content[media_type]["schema"]
        if media_type == "application/x-ndjson":
            value = [_json(line, "a line of the answer") for line in body.splitlines()]
            for line in value:
                self._validate(("answer", id(schema)), schema, line, "a line of the answer")
            return value
        if media_type.endswith("json"):
            value = _json(body, "the answer")
        else:
            value = body.decode("latin-1" if media_type.startswith("image/") else "utf-8")
        self._validate(("answer", id(schema)), schema, value, "the answer")
        return value

    @staticmethod
    def _check_links(operation, value, status, answered):
        if isinstance(value, dict) and "items" in value:
            _require(("next_page_token" in value) == ("link" in answered), "next_page_token and Link do not go together")
        if status == 202:
            expected = "/v1/operations/" + value["operation_id"]
            _require(answered["location"] == expected, f"Location is {answered['location']}, not {expected}")
        if status == 201 and "location" in answered:
            _require(answered["location"].startswith(operation.path.split("{", 1)[0].rstrip("/")),
                     f"Location {answered['location']} is not below {operation.path}")

    @staticmethod
    def _check_promises(operation, query, asked, status, answered):
        """Dry runs, repetitions and versions: whoever asked for one is told, and nobody else."""
        dry = ("validate_only", "true") in query
        _require(dry == ("validate-only" in answered), "validate_only=true and the header Validate-Only do not go together")
        if dry:
            _require(status == 200, "a dry run answers 200")
            for header in ("location", "etag", "idempotent-replayed"):
                _require(header not in answered, f"a dry run has the header {header}")
            return
        _require("idempotent-replayed" not in answered or (operation.method == "POST" and "idempotency-key" in asked),
                 "an answer is said to be of an earlier request, but there was no Idempotency-Key")
        described = {name.lower() for name in operation.responses[status].get("headers", {})}
        _require(("etag" in described) == ("etag" in answered), "ETag is in one of answer and description only")
        _require(status != 304 or "if-none-match" in asked, "304 answers no If-None-Match")

    def _check_request(self, operation, arguments, query, asked, body):
        """A request that succeeded must be one that is described."""
        _require(operation.public or "authorization" in asked or "postreeve-session=" in asked.get("cookie", ""), "a request without a credential succeeded")
        for name, text in arguments.items():
            parameter = operation.parameters[("path", name)]
            self._validate_text((operation.id, "path", name), parameter["schema"], text, f"the path parameter {name}")

        seen = set()
        for name, text in query:
            parameter = operation.parameters.get(("query", name))
            _require(parameter, f"the query parameter {name} is not described, but was accepted")
            _require(name not in seen, f"the query parameter {name} was accepted twice")
            seen.add(name)
            self._validate_text((operation.id, "query", name), parameter["schema"], text, f"the query parameter {name}, which was accepted,")
        for (place, name), parameter in operation.parameters.items():
            if place == "query" and parameter.get("required"):
                _require(name in seen, f"the request succeeded without the query parameter {name}")

        if operation.body is None:
            _require(not body, "a body was accepted where none is described")
            return
        if not body:
            _require(not operation.body.get("required"), "the request succeeded without a body")
            return
        media_type = _media_type(asked)
        _require(media_type in operation.body["content"], f"a body of type {asked.get('content-type')!r} was accepted")
        schema = operation.body["content"][media_type]["schema"]
        is_json = media_type.endswith("json") and media_type != "application/x-ndjson"  # lines of a file are judged one by one
        value = _json(body, "the request body") if is_json else body.decode(errors="replace")
        if operation.method in ("POST", "PUT") and isinstance(value, dict):
            # As the description says, null in a body that creates (or puts in place) is a member left out; required ones are missed then.
            value = {name: member for name, member in value.items() if member is not None}
        self._validate(("request", id(schema)), schema, value, "the request body, which was accepted,")

    def _validate(self, key, schema, value, what):
        if key not in self._validators:
            self._validators[key] = self.document.validator(schema)
        faults = _fault_texts(self._validators[key], value)
        _require(not faults, f"{what} is not as described: " + "; ".join(faults))

    def _validate_text(self, key, schema, text, what):
        """Validates a header or parameter: text that stands for a number, a truth value or a list."""
        kind = self.document.follow(schema).get("type")
        value = text
        if kind == "integer" and re.fullmatch(r"-?[0-9]+", text):
            value = int(text)
        elif kind == "boolean" and text in ("true", "false"):
            value = text == "true"
        elif kind == "array":
            value = text.split(",")
        self._validate(key, schema, value, what)

    def _record(self, operation_id, status):
        path = os.environ.get("POSTREEVE_EXERCISED")
        if not path or (path, operation_id, status) in self._recorded:
            return
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # One short write to a file opened for appending: lines of several test processes do not mix.
            os.write(descriptor, f"{operation_id} {status}\n".encode())
        finally:
            os.close(descriptor)
        self._recorded.add((path, operation_id, status))


def _require(condition, message):
    if not condition:
        raise ContractError(message)


def _fault_texts(validator, value):
    texts = []
    for error in sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path))):
        place = "/" + "/".join(map(str, error.absolute_path)) if error.absolute_path else "the whole"
        texts.append(f"{place}: {error.message[:300]}")
    return texts


def _pairs(query):
    if not query:
        return []
    if isinstance(query, (str, bytes)):
        text = query.decode() if isinstance(query, bytes) else query
        return urllib.parse.parse_qsl(text, keep_blank_values=True)
    rows = query.items() if hasattr(query, "items") else query
    flat = []
    for name, value in rows:
        for one in value if isinstance(value, (list, tuple)) else [value]:
            flat.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return flat


def _headers(headers):
    if not headers:
        return {}
    rows = headers.items() if hasattr(headers, "items") else headers
    return {str(name).lower(): str(value) for name, value in rows}


def _bytes(body):
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body).encode()


def _media_type(headers):
    return headers.get("content-type", "").split(";")[0].strip().lower()


def _no_duplicates(pairs):
    names = [name for name, _ in pairs]
    _require(len(names) == len(set(names)), f"a member stands twice in one object: {names}")
    return dict(pairs)


def _no_constant(name):
    raise ContractError(f"{name} is not JSON")


def _json(body, what):
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except ValueError as error:
        raise ContractError(f"{what} is not JSON: {error}: {body[:200]!r}") from None
