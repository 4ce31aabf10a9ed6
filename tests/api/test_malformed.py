"""Requests that are wrong in every way that we could think of, byte by byte: each gets a 4xx that names its fault, and none
changes a row."""
import base64
import dataclasses
import json
import re

import pytest

from client import bearer
from organization import create_organization
from raw_http import Connection
from routes import described, fill
from service import Service

JSON = b"Content-Type: application/json"
USERS = b"/v1/organizations/@ORG@/users"
USER = USERS + b"/@USER@"
GOOD = b'{"name":"somebody","display_name":"Some Body"}'
MEBIBYTE = 1 << 20


@dataclasses.dataclass
class Case:
    """@ORG@, @USER@ and @KEY@ in the data stand for what there is."""
    name: str
    data: bytes
    code: str  # of the problem; "library" when libmicrohttpd refuses it itself, "closed" when it does so without a word
    word: str = ""  # stands in the problem


def request(method, target, *lines, body=None, kind=JSON, key=b"Bearer @KEY@", length=True, host=b"Host: x", version=b"HTTP/1.1"):
    """The bytes of a request; whatever is None is left out."""
    head = [b" ".join(part for part in (method, target, version) if part is not None)]
    head += [host] if host is not None else []
    head += [b"Authorization: " + key] if key is not None else []
    if body is not None:
        head += [kind] if kind is not None else []
        head += [b"Content-Length: @LENGTH@"] if length else []
    return b"\r\n".join([*head, *lines, b"", b""]) + (body or b"")


def post(body, *lines, target=USERS, **options):
    return request(b"POST", target, *lines, body=body, **options)


# --- bodies ---

NOT_JSON = [
    b"", b" ", b"{", b"}", b"[", b"{]", b"{}}", b"{},", b"{} {}", GOOD + b"x", GOOD + GOOD, b"{name}", b'{"name"}', b'{"name":}',
    b'{"name":"a",}', b'{,"name":"a"}', b'{"name" "a"}', b'{"name":"a" "b":1}', b"{'name':'a'}", b'{"name":"a"', b'{"name":"a',
    b'{"name":a}', b'{"name":NaN}', b'{"name":Infinity}', b'{"name":-Infinity}', b'{"name":undefined}', b'{"name":True}',
    b'{"name":nul}', b'{"name":01}', b'{"name":+1}', b'{"name":.5}', b'{"name":1.}', b'{"name":0x1F}', b'{"name":1e}', b'{"name":-}',
    b'{"name":1_000}', b'{"quota_mb":99999999999999999999}', b'{"quota_mb":1e999}', b'{"quota_mb":-1e999}',
    b'{"name":"a\tb"}', b'{"name":"a\nb"}', b'{"name":"a\x01b"}', b'{"name":"a\x00b"}', b'{"name":"\\x41"}', b'{"name":"\\u12"}',
    b'{"name":"\\uD800"}', b'{"name":"\\uDC00\\uD800"}', b'{"name":"\\u0000"}', b'{"na\\u0000me":"a"}', b'{"name":"\\"}',
    b'/* c */ {"name":"a"}', b'{"name":"a"} // c', b'# c\n{"name":"a"}', b"<?xml version='1.0'?><user/>", b"name=a&display_name=b",
    b"\xef\xbb\xbf" + GOOD, GOOD.decode().encode("utf-16"), GOOD.decode().encode("utf-32"), b"\x1f\x8b\x08\x00", b"\x00", GOOD + b"\x00",
    b'{"name":"a","name":"b"}', b'{"name":"a","display_name":"x","name":"a"}', b'{"a":{"b":1,"b":2}}', b'{"\\u006eame":"a","name":"b"}',
    b"[" * 5000, b'{"a":' * 5000, b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b"[]", b"[{}]", b'"text"', b"5", b"true", b"null",
]
NOT_UTF8 = [b"\xff", b"\xfe\xff", b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xc3\x28", b"\xe2\x82", b"\xe2\x28\xa1", b"\xe0\x80\x80",
            b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80",
            b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]


def bodies():
    for number, body in enumerate(NOT_JSON):
        yield Case(f"not JSON {number}", post(body), "malformed_json", r"[Ll]ine \d+|object")
    for number, text in enumerate(NOT_UTF8):
        yield Case(f"not UTF-8 in a value {number}", post(b'{"name":"a' + text + b'","display_name":"x"}'), "malformed_json", "[Ll]ine 1")
        yield Case(f"not UTF-8 in a name {number}", post(b'{"a' + text + b'":1}'), "malformed_json", "[Ll]ine 1")
    for number, text in enumerate(NOT_UTF8[:4]):
        yield Case(f"not UTF-8 outside {number}", post(text + GOOD), "malformed_json", "[Ll]ine 1")


WRONG = {"string": [5, 1.5, True, [], {}], "enum": [5, True, [], {}], "integer": ["5", 1.5, True, [], {}], "boolean": ["true", 1, [], {}]}


def members():
    """Of every body that the program takes: each member with values of other types, members that are not its, wrong lengths."""
    for route in described()["routes"]:
        table = described()["tables"].get(route["body"])
        if table is None:
            continue
        method, path = route["method"].encode(), fill(route["path"], "@ORG@", {"user_id": "@USER@"}).encode()

        def case(what, member, value, code):
            for part in reversed(member.split(".")):  # a.b is the member b of the object a
                value = {part: value}
            pointer = member.replace("~", "~0").replace("/", "~1").replace(".", "/")
            return Case(f"{route['operation']} {what}", request(method, path, body=json.dumps(value).encode()), "validation_failed",
                        f'"pointer":"/{re.escape(pointer)}","code":"{code}"')
        for number, name in enumerate(("surprise", "Name", "na me", "", "a/b~c", "é", "__proto__", "$ref")):
            yield case(f"unknown member {number}", name, 1, "unknown_member")
        for row in table:
            name = row["name"]
            if row.get("read_only"):
                if "." not in name:
                    yield case(f"read-only {name}", name, "x", "read_only")
                continue
            if route["body_mode"] == "update" and row.get("create_only"):
                yield case(f"create-only {name}", name, "x", "create_only")
                continue
            for value in WRONG.get(row["kind"], []):
                yield case(f"{name} = {value!r}", name, value, "wrong_type")
            if row["kind"] == "enum":
                yield case(f"{name} = NONSENSE", name, "NONSENSE", "invalid_value")
            if row["kind"] == "string" and row.get("max", 0) > 0:
                yield case(f"{name} too long", name, "x" * (row["max"] + 1), "too_long")
                yield case(f"{name} with a control character", name, "Abcdefg1\u0007", "(invalid_format|too_short|too_long)")
            if row["kind"] == "integer":
                yield case(f"{name} too small", name, -1, "too_small")
                yield case(f"{name} too large", name, 2**62, "too_large")


# --- heads ---

def types_and_encodings():
    for number, kind in enumerate((None, b"Content-Type:", b"Content-Type: text/plain", b"Content-Type: application/xml", b"Content-Type: json",
                                   b"Content-Type: application/x-www-form-urlencoded", b"Content-Type: multipart/form-data; boundary=x",
                                   b"Content-Type: application/json-seq", b"Content-Type: application/jsonx", b"Content-Type: */*",
                                   b"Content-Type: application/merge-patch+json", b"Content-Type: \xff")):
        yield Case(f"type {number}", post(GOOD, kind=kind), "unsupported_media_type", "Content-Type")
    for coding in (b"gzip", b"deflate", b"br", b"identity, gzip", b"x", b""):
        yield Case(f"encoding {coding}", post(GOOD, b"Content-Encoding: " + coding), "unsupported_media_type", "encoding")
    for path in (b"/disable",):
        yield Case("body where none belongs", post(b"{}", target=USER + path), "bad_request", "body")
    yield Case("body of a GET", request(b"GET", USER, body=GOOD), "bad_request", "body")
    yield Case("body of a DELETE", request(b"DELETE", USER, body=GOOD), "bad_request", "body")


def sizes():
    for size in (MEBIBYTE + 1, 10 * MEBIBYTE, 2**31, 2**32 + 1, 2**63 - 1):
        yield Case(f"body of {size}", post(b"", b"Content-Length: %d" % size, length=False), "payload_too_large", "1 MiB")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    yield Case("chunked body of 17 * 64 KiB", post(chunk * 17 + b"0\r\n\r\n", b"Transfer-Encoding: chunked", length=False), "payload_too_large")
    yield Case("long address", request(b"GET", b"/" + b"x" * 20000), "library")
    yield Case("long query", request(b"GET", b"/v1/regions?" + b"x" * 20000), "library")
    yield Case("long header", request(b"GET", USER, b"A: " + b"x" * 20000), "library")
    yield Case("many headers", request(b"GET", USER, *[b"A%d: x" % number for number in range(3000)]), "library")
    yield Case("long name of a header", request(b"GET", USER, b"A" * 20000 + b": x"), "library")


def headers():
    for name, value in ((b"Authorization", b"Bearer @KEY@"), (b"Content-Type", b"application/json"), (b"Host", b"y"), (b"Content-Length", b"46"),
                        (b"Idempotency-Key", b"a"), (b"If-Match", b'"v1"'), (b"If-None-Match", b'"v1"'), (b"Request-Id", b"a"),
                        (b"Origin", b"https://a.example"), (b"Content-Encoding", b"identity")):
        twice = [name + b": " + value] * (1 if name in (b"Authorization", b"Content-Type", b"Host", b"Content-Length") else 2)
        yield Case(f"two {name}", post(GOOD, *twice), "bad_request", name.decode() + " stands there twice")
        yield Case(f"two {name.lower()}", post(GOOD, *(line.lower().replace(b"@key@", b"@KEY@") for line in twice)), "bad_request",
                   name.decode() + " stands there twice")
    for number, name in enumerate((b"A ", b"A\t", b"A B", b"A(", b"A@", b"A\x01", b"A\x7f", b"\xc3\xa4", b"\"A\"", b"A/B", b"A;", b"{A}")):
        yield Case(f"name of a header {number}", request(b"GET", USER, name + b": x"), "bad_request", "name")
    yield Case("no host", request(b"GET", USER, host=None), "library")
    yield Case("no colon", request(b"GET", USER, b"nonsense"), "library")
    for number, key in enumerate((b"", b"a b", b"a\tb", b"\xc3\xa4", b"x" * 256)):
        yield Case(f"Idempotency-Key {number}", post(GOOD, b"Idempotency-Key: " + key), "bad_request", "Idempotency-Key")
    for number, tags in enumerate((b"", b"v1", b"1", b'"v999"', b'W/"v1"', b'"v1', b"'v1'", b",,,", b'"v0", "v999"', b"\xff", b'"v1"x')):
        patch = request(b"PATCH", USER, b"If-Match: " + tags, body=b'{"city":"X"}')
        yield Case(f"If-Match {number}", patch, "precondition_failed", "If-Match")
    yield Case("If-Match where nothing has a version", post(GOOD, b'If-Match: "v1"'), "precondition_failed", "If-Match")


def credentials():
    def basic(text):
        return b"Basic " + base64.b64encode(text)
    wrong = [b"", b" ", b"Bearer", b"Bearer ", b"Bearer .", b"Bearer x", b"Bearer @KEY@x", b"Bearer @KEY@ @KEY@", b"Bearer: @KEY@", b"@KEY@", b"Token @KEY@",
             b"Bearer  @KEY@", b"Bearer\t@KEY@", b"Bearer " + b"A" * 20 + b"." + b"A" * 40, b"Bearer PRAK" + b"A" * 16 + b"." + b"A" * 40,
             b"Bearer " + b"x" * 4000, b"Bearer \xff\xfe", b"Bearer '; DROP TABLE account; --", b"Basic", b"Basic ", b"Basic !!!!",
             b"Basic @KEY@", basic(b""), basic(b":"), basic(b"a:b"), basic(b"nocolon"), basic(b"\0" * 61), basic(b"A" * 20 + b":" + b"A" * 40),
             basic(b"A" * 61), basic(b"A" * 5000)[:4000], b"Digest username=\"x\"", b"Negotiate abc", b"AWS4-HMAC-SHA256 Credential=x",
             b"Bearer null", b"Bearer undefined", b"Bearer %00", b"basic =", b"Basic ====", b"Bearer " + b"." * 61]
    for number, key in enumerate(wrong):
        yield Case(f"credential {number}", request(b"GET", USER, key=key), "unauthenticated", "Authorization|access key")
        yield Case(f"credential {number} of a change", post(GOOD, key=key), "unauthenticated", "Authorization|access key")
    yield Case("no credential", request(b"DELETE", USER, key=None), "unauthenticated", "access key")


PATHS = [
    (b"/", 0), (b"/v1", 0), (b"/v1/", 0), (b"//v1/organizations", 0), (b"/v1//organizations", 0), (b"/v1/organizations/", 0), (b"/V1/organizations", 0),
    (b"/v1/organizations/@ORG@/", 0), (b"/v1/organizations/@ORG@//users", 0), (b"/v1/organizations/@ORG@/Users", 0), (b"/v2/organizations", 0),
    (b"/v1/./organizations", 0), (b"/v1/../v1/organizations", 0), (b"/v1/organizations/..", "organization_not_found"), (b"/v1%2Forganizations", 0),
    (b"/v1/organizations%2F@ORG@", 0), (b"/v1/organizations;a=b", 0), (b"/etc/passwd", 0), (b"/../../etc/passwd", 0), (b"/%2e%2e/%2e%2e/etc/passwd", 0),
    (b"/.git/config", 0), (b"/index.html", 0), (b"/v1/organizations\\@ORG@", 0), (b"/problems", 0), (b"/problems/..%2f..", 0), (b"/openapi.yaml/", 0),
    (b"/openapi.yaml%00.html", "bad_request"), (b"/%", "bad_request"), (b"/v1/%", "bad_request"), (b"/v1/%4", "bad_request"), (b"/v1/%zz", "bad_request"),
    (b"/v1/%u0041", "bad_request"), (b"/v1/organizations/%00", "bad_request"), (b"/v1/organizations/@ORG@%00", "bad_request"),
    (b"/v1/organizations/%ff", "bad_request"), (b"/v1/organizations/%c0%af", "bad_request"), (b"/v1/organizations/%ed%a0%80", "bad_request"),
    (b"/v1/organizations/\xff", "bad_request"), (b"/v1/organizations/%e2%82", "bad_request"), (b"/v1/organizations/m-", "organization_not_found"),
    (b"/v1/organizations/" + b"x" * 3000, "organization_not_found"), (b"/v1/organizations/'%20OR%201=1--", "organization_not_found"),
    (b"/v1/organizations/M-" + b"0" * 32, "organization_not_found"), (b"/v1/organizations/m-" + b"g" * 32, "organization_not_found"),
    (b"/v1/organizations/@ORG@%20", "organization_not_found"), (b"/v1/organizations/%F0%9F%98%80", "organization_not_found"),
    (USERS + b"/1", "user_not_found"), (USERS + b"/@USER@x", "user_not_found"), (USERS + b"/{user_id}", "user_not_found"),
    (USERS + b"/%27%3B", "user_not_found"), (USERS + b"/00000000000000000000000000000000", "user_not_found"),
    (b"/v1/operations/x", "operation_not_found"), (b"/v1/operations/@USER@", "operation_not_found"), (b"http://x/v1/regions", 0), (b"v1/regions", 0), (b"*", 0),
    (b"?", 0), (b"#", 0), (b"/v1/regions#part", 0),
]


def paths():
    for number, (path, code) in enumerate(PATHS):
        yield Case(f"path {number}", request(b"GET", path), code or "route_not_found")
    for path in (b"/v1/regions", b"/v1/organizations/@ORG@", USER, b"/healthz", b"/openapi.yaml"):
        for method in (b"PUT", b"BREW", b"get", b"TRACE", b"CONNECT", b"PROPFIND", b"X" * 200, b"G\xc3\x8bT", b"__proto__"):
            yield Case(f"{method[:10]} {path}", request(method, path), "method_not_allowed", "Allow")


def queries():
    """Of every list that the program has: parameters that are not its, or wrong."""
    for route in described()["routes"]:
        if route["action"] == "public":
            continue
        method, path = route["method"].encode(), fill(route["path"], "@ORG@", {"user_id": "@USER@"}).encode()
        if "{" not in route["path"] or route["method"] == "GET" and "users/{user_id}" not in route["path"]:
            if route["method"] == "GET":
                yield Case(f"{route['operation']}?surprise", request(method, path + b"?surprise=1"), "validation_failed", '"parameter":"surprise"')
        rows = {row["name"] for row in described()["tables"].get(route["query"], [])}
        if "page_token" not in rows:
            continue
        for query, parameter in ((b"page_size=0", "page_size"), (b"page_size=-1", "page_size"), (b"page_size=ten", "page_size"), (b"page_size=", "page_size"),
                                 (b"page_size=1&page_size=2", "page_size"), (b"page_size=99999999999999999999", "page_size"),
                                 (b"page_size=0x10", "page_size"), (b"include_total=yes", "include_total"), (b"order_by=nonsense", "order_by"),
                                 (b"order_by=", "order_by"), (b"validate_only=true", "validate_only"), (b"PAGE_SIZE=1", "PAGE_SIZE"), (b"=1", "")):
            yield Case(f"{route['operation']}?{query.decode()}", request(method, path + b"?" + query), "validation_failed", f'"parameter":"{parameter}"')
        for number, token in enumerate((b"x", b"", b"AAAA", b"%00", b"%ff", b"x" * 3000, b"eyJhIjoxfQ", b"'%3B--", b"..%2F..")):
            yield Case(f"{route['operation']} token {number}", request(method, path + b"?page_token=" + token),
                       "invalid_page_token validation_failed bad_request")
        for number, query in enumerate((b"%zz", b"%", b"a=%ff", b"a=%00", b"page_size=%4", b"page_size=1&%ff=1", b"\xff=1")):
            yield Case(f"{route['operation']} escape {number}", request(method, path + b"?" + query), "bad_request validation_failed")


# --- where one request ends and the next begins ---

SMUGGLED = request(b"DELETE", USER)


def lengths():
    """Behind a proxy that understands them otherwise, the rest would be another caller's request."""
    chunked = b"Transfer-Encoding: chunked"
    ends = b"0\r\n\r\n"
    for name, lines, body, code, word in (
            ("CL.TE", [b"Content-Length: 5", chunked], ends, "bad_request", "not both"),
            ("TE.CL", [chunked, b"Content-Length: 5"], ends, "bad_request", "not both"),
            ("TE.CL in other letters", [b"transfer-encoding: Chunked", b"content-length: 5"], ends, "bad_request", "not both"),
            ("CL.CL", [b"Content-Length: 5", b"Content-Length: 0"], b"{}   ", "bad_request", "twice"),
            ("CL.CL of the same", [b"Content-Length: 5", b"Content-Length: 5"], b"{}   ", "bad_request", "twice"),
            ("TE.TE", [chunked, b"Transfer-Encoding: identity"], ends, "bad_request", "twice"),
            ("TE.TE in one", [b"Transfer-Encoding: chunked, chunked"], ends, "bad_request", "chunked"),
            ("TE identity", [b"Transfer-Encoding: identity"], b"{}", "bad_request", "chunked"),
            ("TE gzip", [b"Transfer-Encoding: gzip, chunked"], ends, "bad_request", "chunked"),
            ("TE nonsense", [b"Transfer-Encoding: xchunked"], ends, "bad_request", "chunked"),
            ("TE in quotes", [b'Transfer-Encoding: "chunked"'], ends, "bad_request", "chunked"),
            ("TE with a parameter", [b"Transfer-Encoding: chunked;x=1"], ends, "bad_request", "chunked"),
            ("TE with a control character", [b"Transfer-Encoding: \x0bchunked"], ends, "bad_request", "control character"),
            ("TE that is empty", [b"Transfer-Encoding:"], ends, "bad_request", "chunked"),
            ("space before the colon", [b"Content-Length : 5"], b"{}   ", "bad_request", "name"),
            ("tab before the colon", [b"Transfer-Encoding\t: chunked"], ends, "bad_request", "name"),
            ("CL with a sign", [b"Content-Length: +5"], b"{}   ", "bad_request library", ""),
            ("CL below zero", [b"Content-Length: -5"], b"{}   ", "bad_request library", ""),
            ("CL in hexadecimal", [b"Content-Length: 0x5"], b"{}   ", "bad_request library", ""),
            ("CL as a list", [b"Content-Length: 5, 5"], b"{}   ", "bad_request library", ""),
            ("CL with a fraction", [b"Content-Length: 5.0"], b"{}   ", "bad_request library", ""),
            ("CL with letters", [b"Content-Length: 5a"], b"{}   ", "bad_request library", ""),
            ("CL in the sky", [b"Content-Length: 18446744073709551621"], b"{}   ", "payload_too_large library", ""),
            ("CL that is empty", [b"Content-Length:"], b"{}   ", "bad_request library", ""),
            ("CL in Arabic digits", ["Content-Length: \u0665".encode()], b"{}   ", "bad_request library", "")):
        yield Case(name, post(body, JSON, *lines, kind=None, length=False) + SMUGGLED, code, word)
    for number, data in enumerate((b"zz\r\n", b"-1\r\n", b"+5\r\n{}   \r\n", b"0x5\r\n{}   \r\n", b"\r\n", b"5\r\n{}   XX", b"FFFFFFFFFFFFFFFFF\r\n",
                                   b"5 5\r\n{}   \r\n", b";x\r\n", b"5\r\n{}   0\r\n\r\n")):
        yield Case(f"chunk {number}", post(data, chunked, length=False) + SMUGGLED, "bad_request library malformed_json payload_too_large")


def request_lines():
    for number, line in enumerate((b"GET", b"GET /v1/regions HTTP/9.9", b"GET /v1/regions HTTP/2.0", b"GET /v1/regions HTTP/1.1 x", b"GET /v1/regions x",
                                   b"GET /v1/regions FTP/1.1", b"GET /v1/regions HTTP/", b"GET  /v1/regions  HTTP/0.1", b"PRI * HTTP/2.0",
                                   b"\x16\x03\x01\x02\x00", b"\x00\x00\x00", b"GET /v1 /regions HTTP/1.1", b"GET\t/v1/regions\tHTTP/1.1", b"{}",
                                   b"GET /v1/regions\x00 HTTP/1.1", b"GET /v1/reg\x00ions HTTP/1.1")):
        data = line + b"\r\nHost: x\r\nAuthorization: Bearer @KEY@\r\n\r\n"
        yield Case(f"request line {number}", data, "library closed bad_request")


def lines():
    """What one reader takes for the end of the head, and another for a part of it."""
    for number, line in enumerate((b": x", b":", b": x: y", b"\x00", b"\x00: x", b"A\x00: b", b"A: b\x00", b"A: b\x00c", b"A: b\rC: d", b"A: b\r", b"\r", b"A: b\nC: d",
                                   b"A: b\n", b"\n", b"A: b\r\n c", b"A: b\r\n\tContent-Length: 5", b"A: b\r\n : c", b"A: \x01", b"A: \x7f", b"A: \x1b[2J",
                                   b" A: b", b"\tA: b")):
        for where, parts in (("first", (line, b"Host: x")), ("last", (b"Host: x", line))):
            data = b"\r\n".join((b"GET /v1/organizations/@ORG@/users/@USER@ HTTP/1.1", b"Authorization: Bearer @KEY@", *parts, b"", b""))
            yield Case(f"line {number} {where}", data + SMUGGLED, "bad_request library", "head|header")
        data = request(b"GET", USER, line, key=None) + SMUGGLED
        yield Case(f"line {number} without a credential", data, "bad_request library", "head|header")


def cases():
    return [case for make in (bodies, members, types_and_encodings, sizes, headers, credentials, paths, queries, lengths, request_lines, lines) for case in make()]


# --- sending them ---

@pytest.fixture(scope="module")
def target(template):
    """A service with an organization and a user, and what stands in its database."""
    service = Service("--header-timeout", "3", template=template)
    try:
        service.start()
        organization = create_organization(service.client())
        user = organization.create_user("kept")
        key = bearer(service.root).removeprefix("Bearer ")
        service.markers = {b"@ORG@": organization.id.encode(), b"@USER@": user["user_id"].encode(), b"@KEY@": key.encode()}
        names = [name for (name,) in service.sql("""SELECT quote_ident(table_name) FROM information_schema.tables
                                                    WHERE table_schema = 'public' AND table_type = 'BASE TABLE'""")]
        # Refusals may be written down as such.
        service.rows_query = " UNION ALL ".join(
            f"SELECT '{name}', count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {name} t"
            for name in sorted(names) if not name.startswith("audit"))
        service.rows = service.sql(service.rows_query)
        yield service
        assert not [event for event in service.events() if event.get("level") in ("error", "warning")]
        service.stop()
    finally:
        service.remove()


def first_answer(connection):
    """Status line, headers and body of the first answer; None when the connection is closed without one."""
    try:
        return connection.answer() if connection.reader.peek(1) else None
    except ConnectionResetError:
        return None


def complete(service, data):
    for marker, value in service.markers.items():
        data = data.replace(marker, value)
    head, end, body = data.partition(b"\r\n\r\n")
    return head.replace(b"@LENGTH@", b"%d" % len(body)) + end + body


CASES = cases()


def test_there_are_enough_of_them():
    assert len(CASES) >= 300 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[re.sub(r"[^ -~]", "?", case.name)[:60] for case in CASES])
def test_malformed_request_is_refused_by_name_and_changes_nothing(target, case):
    with Connection(target.anonymous(), timeout=10) as connection:
        try:
            connection.send(complete(target, case.data))
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent
        answer = first_answer(connection)
        rest = b"" if answer is None or SMUGGLED not in case.data else connection.reader.read()
    before, target.rows = target.rows, target.sql(target.rows_query)
    assert target.rows == before, "it changed a row"
    if answer is None:
        assert "closed" in case.code.split(), "the connection was closed without a word"
        return
    assert 400 <= answer.status < 500 or (answer.status == 505 and "library" in case.code), answer
    if answer.headers["Request-Id"] is None:
        assert "library" in case.code.split(), answer
        assert b"HTTP/1.1 2" not in rest and b"problem+json" not in rest  # it may say twice what it refuses
    else:
        answer.check_problem()
        assert answer["code"] in case.code.split(), answer
        assert re.search(case.word, answer.raw.decode()), answer
        assert not rest, "what stood behind it was answered too"
