"""An HTTP client that says what it expects and keeps every exchange for the contract."""
import base64
import gzip
import http.client
import json
import threading
import time
import urllib.parse

NOTHING = object()
LOST = (OSError, http.client.HTTPException)  # what a request raises when the service dies
PROBLEM_STATUS = {
    "bad_request": 400, "malformed_json": 400, "validation_failed": 400, "invalid_page_token": 400,
    "confirmation_mismatch": 400, "unauthenticated": 401, "access_denied": 403, "csrf_token": 403, "not_held": 403,
    "route_not_found": 404,
    "organization_not_found": 404, "user_not_found": 404, "operation_not_found": 404,
    "directory_not_found": 404, "flow_rule_not_found": 404, "directory_in_use": 409,
    "directory_state": 409, "directory_read_only": 409, "directory_refused": 409, "directory_password_policy": 409,
    "directory_unreachable": 503,
    "iam_user_not_found": 404, "iam_group_not_found": 404, "policy_not_found": 404, "access_key_not_found": 404,
    "session_not_found": 404, "iam_in_use": 409, "managed_policy": 409,
    "group_not_found": 404, "resource_not_found": 404, "entity_not_found": 404, "membership_cycle": 409,
    "booking_options": 409, "mobile_device_not_found": 404, "availability_configuration_not_found": 404, "availability_test_failed": 409, "mobile_device_state": 409,
    "method_not_allowed": 405, "name_taken": 409, "alias_taken": 409, "email_address_in_use": 409,
    "reserved_name": 409, "organization_state": 409, "interoperability_mode": 409, "entity_state": 409, "operation_state": 409, "organization_in_use": 409,
    "primary_address": 409, "account_in_use": 409, "key_not_found": 404, "key_state": 409, "mail_domain_not_found": 404, "mail_domain_not_registered": 409, "mail_domain_state": 409, "mail_domain_in_use": 409, "limit_exceeded": 409,
    "idempotency_in_progress": 409, "precondition_failed": 412, "idempotency_mismatch": 422,
    "payload_too_large": 413, "unsupported_media_type": 415, "rate_limited": 429, "internal_error": 500, "overloaded": 503,
    "not_ready": 503, "database_unavailable": 503, "outcome_unknown": 503,
}
EXPECTED = {"GET": 200, "HEAD": 200, "POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}


class Answer:
    """What came back; `answer["name"]` reads a member of the body."""

    def __init__(self, method, target, sent, response, raw):
        self.method, self.target, self.sent = method, target, sent
        self.status, self.headers, self.wire = response.status, response.headers, raw
        if raw and self.headers["Content-Encoding"] == "gzip":
            raw = gzip.decompress(raw)
        self.raw = raw
        kind = self.headers.get_content_type()
        is_json = kind == "application/json" or kind.endswith("+json")
        self.body = json.loads(raw) if raw and is_json else raw

    def __getitem__(self, name):
        return self.body[name]

    def __repr__(self):
        return f"{self.method} {self.target} -> {self.status} {self.raw[:2000]!r}"

    @property
    def faults(self):
        """All faults of a problem as "/pointer code" or "parameter code"."""
        return {f"{fault.get('pointer', fault.get('parameter'))} {fault['code']}"
                for fault in self.body.get("errors", [])}

    def check_problem(self, code=None):
        """Holds the answer against the form every problem has."""
        assert self.headers.get_content_type() == "application/problem+json", self
        assert self.status == self.body["status"], self
        assert self.body["type"] == "/problems/" + self.body["code"], self
        assert self.body["instance"] == self.headers["Request-Id"], self
        assert self.body["title"] and self.body["detail"], self
        assert PROBLEM_STATUS[self.body["code"]] == self.status, self
        if self.status == 401:
            assert self.headers["WWW-Authenticate"], self
        if self.status == 405:
            assert self.headers["Allow"], self
        if self.status in (429, 503):
            assert self.headers["Retry-After"], self
        assert code is None or self.body["code"] == code, f"expected {code}: {self!r}"
        return self


class Client:
    """One caller of the API; each thread that uses it has a connection of its own."""

    def __init__(self, url, credential=None, check=None, timeout=60):
        parts = urllib.parse.urlsplit(url)
        self.url, self.address = url, (parts.hostname, parts.port)
        self.credential, self.check, self.timeout = credential, check, timeout
        self.local, self.connections, self.lock = threading.local(), [], threading.Lock()
        self.cookie = self.csrf_token = None  # of a session

    def identified_by(self, credential):
        """The same service, another caller."""
        return Client(self.url, credential, self.check, self.timeout)

    def connection(self):
        """This thread's connection; a new one when the old was idle for long."""
        mine = self.local
        if getattr(mine, "connection", None) is None or time.monotonic() - mine.used > 20:
            if getattr(mine, "connection", None) is not None:
                mine.connection.close()
            mine.connection = http.client.HTTPConnection(*self.address, timeout=self.timeout)
            with self.lock:
                self.connections.append(mine.connection)
        mine.used = time.monotonic()
        return mine.connection

    def close(self):
        with self.lock:
            for connection in self.connections:
                connection.close()
            self.connections.clear()
        self.local = threading.local()

    def request(self, method, target, json_body=NOTHING, *, body=None, headers=None, params=None):
        """Sends one request and reads its answer, whatever that is."""
        sent = dict(headers or {})
        if params:
            target += "?" + urllib.parse.urlencode(params, doseq=True)
        if json_body is not NOTHING:
            body = json.dumps(json_body).encode()
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            sent.setdefault("Content-Type", kind)
        if self.credential and "Authorization" not in sent:
            sent["Authorization"] = bearer(self.credential)
        if self.cookie:
            sent.setdefault("Cookie", self.cookie)
            if method not in ("GET", "HEAD"):
                sent.setdefault("X-CSRF-Token", self.csrf_token)
        sent = {name: value for name, value in sent.items() if value is not None}
        connection = self.connection()
        try:
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
            answer = Answer(method, target, sent, response, response.read())
        except LOST:
            connection.close()
            self.local.connection = None
            raise
        if self.check:
            self.check(answer, body)
        return answer

    def call(self, method, target, expect=None, **arguments):
        """Sends a request that must be answered so: a status, or the code of a problem."""
        if "json" in arguments:
            arguments["json_body"] = arguments.pop("json")
        answer = self.request(method, target, **arguments)
        expect = EXPECTED[method] if expect is None else expect
        status = PROBLEM_STATUS[expect] if isinstance(expect, str) else expect
        assert answer.status == status, f"expected {expect}: {answer!r}"
        if answer.status >= 400 and method != "HEAD":
            answer.check_problem(expect if isinstance(expect, str) else None)
        return answer

    def get(self, target, expect=None, **arguments):
        return self.call("GET", target, expect, **arguments)

    def head(self, target, expect=None, **arguments):
        return self.call("HEAD", target, expect, **arguments)

    def post(self, target, expect=None, **arguments):
        return self.call("POST", target, expect, **arguments)

    def put(self, target, expect=None, **arguments):
        return self.call("PUT", target, expect, **arguments)

    def patch(self, target, expect=None, **arguments):
        return self.call("PATCH", target, expect, **arguments)

    def delete(self, target, expect=None, **arguments):
        return self.call("DELETE", target, expect, **arguments)

    def pages(self, target, **params):
        """All pages of a list, one after the other, by its tokens."""
        while True:
            page = self.get(target, params=params)
            link = page.headers.get("Link")
            assert ("next_page_token" in page.body) == (link is not None), page
            yield page.body
            if link is None:
                return
            assert link.endswith('; rel="next"'), page
            params["page_token"] = page["next_page_token"]

    def items(self, target, **params):
        """All items of a list."""
        return [item for page in self.pages(target, **params) for item in page["items"]]


def bearer(credential):
    return f"Bearer {credential['access_key_id']}.{credential['secret_access_key']}"


def basic(credential):
    pair = f"{credential['access_key_id']}:{credential['secret_access_key']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
