"""What headers say and ask: where a request comes from, its trace, compression, security, other origins."""
import gzip

import pytest

from client import PROBLEM_STATUS
from organization import create_organization, unique
from raw_http import Connection
from service import ROOT, run_binary, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"


def line_of(service, request_id):
    """The log line of a request."""
    return wait_until(lambda: [event for event in service.events()
                               if event.get("request_id") == request_id and event["event"] == "request"])[0]


# --- where it comes from ---

@pytest.fixture(scope="module")
def behind(template, check):
    """A service behind a proxy that is this machine."""
    from service import Service
    service = Service("--trusted-proxies", "127.0.0.0/8, 10.0.0.0/8", template=template, check=check)
    try:
        yield service.start()
        service.stop()
    finally:
        service.remove()


@pytest.mark.parametrize("headers,source", [
    ({}, "127.0.0.1"),
    ({"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
    ({"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.1"}, "203.0.113.9"),
    ({"X-Forwarded-For": "[2001:db8::1]:443"}, "2001:db8::1"),
    ({"X-Forwarded-For": "6.6.6.6, what?"}, "127.0.0.1"),
    ({"Forwarded": 'for="[2001:db8::1]:443";proto=https'}, "2001:db8::1"),
    ({"Forwarded": "for=_hidden"}, "127.0.0.1"),
    ({"Forwarded": "for=203.0.113.9", "X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
])
def test_trusted_proxy_says_where_a_request_comes_from(behind, headers, source):
    name = unique("from")
    behind.anonymous().get("/healthz", headers={"Request-Id": name, **headers})
    assert line_of(behind, name)["source_address"] == source


def test_lines_of_the_same_name_are_one_list(behind):
    name = unique("from")
    with Connection(behind.anonymous()) as connection:
        connection.send(connection.head("GET", "/healthz", "X-Forwarded-For: 6.6.6.6", f"Request-Id: {name}",
                                        "x-forwarded-for: 203.0.113.9", "X-FORWARDED-FOR: 10.1.1.1"))
        assert connection.answer().status == 200
    assert line_of(behind, name)["source_address"] == "203.0.113.9"


def test_headers_that_disagree_are_refused(behind):
    problem = behind.anonymous().get("/healthz", expect="bad_request",
                                      headers={"Forwarded": "for=6.6.6.6", "X-Forwarded-For": "203.0.113.9"})
    assert "X-Forwarded-For" in problem["detail"]


def test_strict_transport_security_is_for_what_came_by_tls(behind):
    api = behind.anonymous()
    for headers in ({"X-Forwarded-Proto": "https"}, {"Forwarded": "proto=https;for=203.0.113.9"}):
        assert "max-age=" in api.get("/healthz", headers=headers).headers["Strict-Transport-Security"]
    for headers in ({}, {"X-Forwarded-Proto": "http"}):
        assert api.get("/healthz", headers=headers).headers["Strict-Transport-Security"] is None


def test_without_trusted_proxies_nobody_is_believed(service, api):
    name = unique("from")
    answer = api.get("/healthz", headers={"Request-Id": name, "X-Forwarded-For": "6.6.6.6", "Forwarded": "for=7.7.7.7",
                                          "X-Forwarded-Proto": "https"})
    assert line_of(service, name)["source_address"] == "127.0.0.1"
    assert answer.headers["Strict-Transport-Security"] is None


@pytest.mark.parametrize("option,value", [("--trusted-proxies", "10.0.0.0/33"), ("--trusted-proxies", "proxy.local"),
                                          ("--cors-origins", "*"), ("--cors-origins", "https://a.example/path"),
                                          ("--tls-cert", "/etc/passwd"), ("--tls-key", "/etc/passwd")])
def test_setting_that_cannot_be_used_is_named(folder, option, value):
    result = run_binary("serve", "--state-dir", folder / "s", option, value)
    assert result.returncode == 2 and option in result.stderr and "unknown" not in result.stderr


# --- traces ---

def test_trace_of_the_caller_is_in_the_log_line(service, api):
    name = unique("trace")
    api.get("/v1/regions", headers={"Request-Id": name, "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    assert line_of(service, name)["trace_id"] == TRACE


@pytest.mark.parametrize("sent", [None, "", "00-" + 32 * "0" + "-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331",
                                  f"00-{TRACE.upper()}-b7ad6b7169203331-01", "x" * 3000])
def test_trace_that_is_not_well_formed_is_ignored(service, api, sent):
    name = unique("trace")
    api.get("/v1/regions", headers={"Request-Id": name, "traceparent": sent})
    assert "trace_id" not in line_of(service, name)


# --- compression ---

ASKS = {"Accept-Encoding": "gzip"}


@pytest.fixture
def crowd(org):
    for _ in range(8):
        org.create_user(unique("crowd"), display_name="Somebody of the crowd", city="Example City")
    return org


def test_page_is_compressed_for_who_asks(api, crowd):
    plain, small = api.get(crowd.users), api.get(crowd.users, headers=ASKS)
    assert plain.headers["Content-Encoding"] is None and small.headers["Content-Encoding"] == "gzip"
    assert len(small.wire) < len(plain.wire) / 2 and small.raw == plain.raw
    assert int(small.headers["Content-Length"]) == len(small.wire)
    assert plain.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("wish", ["gzip;q=0", "deflate, br", "*;q=0", "identity", "gzip;q=x"])
def test_who_does_not_ask_for_gzip_gets_none(api, crowd, wish):
    answer = api.get(crowd.users, headers={"Accept-Encoding": wish})
    assert answer.headers["Content-Encoding"] is None and answer.wire == answer.raw


def test_short_answers_are_left_as_they_are(api):
    answer = api.get("/version", headers=ASKS)
    assert answer.headers["Content-Encoding"] is None and answer.headers["Vary"] is None


def test_description_is_compressed_too(service):
    answer = service.anonymous().get("/openapi.yaml", headers=ASKS)
    assert answer.headers["Content-Encoding"] == "gzip" and len(answer.wire) < len(answer.raw) / 3
    assert answer.raw == (ROOT / "openapi.yaml").read_bytes()


@pytest.mark.parametrize("path", ["/openapi.yaml", "users"])
def test_head_says_what_get_would(api, crowd, path):
    path = crowd.users if path == "users" else path
    got, head = api.get(path, headers=ASKS), api.head(path, headers=ASKS)
    assert head.wire == b""
    for name in ("Content-Encoding", "Content-Length", "Content-Type", "Vary", "ETag"):
        assert head.headers[name] == got.headers[name], name


@pytest.fixture
def long_user(org):
    """Its description is long enough to be compressed."""
    text = "long " * 45
    return org.create_user(unique("long"), display_name=text[:200], city=text, job_title=text, company=text,
                           department=text, office=text)


def test_tag_of_a_compressed_answer_ends_in_gzip_and_counts_like_the_plain_one(api, org, long_user):
    path = org.user(long_user)
    plain, small = api.get(path), api.get(path, headers=ASKS)
    assert small.headers["Content-Encoding"] == "gzip" and small.body == plain.body
    tag, small_tag = plain.headers["ETag"], small.headers["ETag"]
    assert small_tag == tag[:-1] + '-gzip"'

    for name in (tag, small_tag, "W/" + small_tag, f'"x", {small_tag}'):
        for asks, expected in (({}, tag), (ASKS, small_tag)):
            same = api.get(path, expect=304, headers={"If-None-Match": name, **asks})
            assert same.headers["ETag"] == expected and same.wire == b"" and same.headers["Content-Encoding"] is None
            assert same.headers["Vary"] == "Accept-Encoding"

    api.patch(path, json={"city": "Here"}, headers={"If-Match": small_tag})
    api.patch(path, json={"city": "There"}, expect="precondition_failed", headers={"If-Match": small_tag})
    assert api.get(path, headers={"If-None-Match": small_tag, **ASKS})["city"] == "Here"


def test_answers_of_changes_are_never_compressed(api, org):
    """They may show a new secret; compressed, their length would tell of it."""
    text = "long " * 45
    body = {"name": unique(), "display_name": text[:200], "city": text, "job_title": text, "company": text,
            "department": text, "office": text}
    made = api.post(org.users, json=body, headers=ASKS)
    changed = api.patch(org.user(made["user_id"]), json={"city": text + "!"}, headers=ASKS)
    for answer in (made, changed):
        assert len(answer.wire) > 1024 and answer.headers["Content-Encoding"] is None
        assert not (answer.headers["ETag"] or "").endswith('-gzip"')


def test_compressed_pages_are_whole_under_load(api, org):
    import concurrent.futures
    for _ in range(30):
        org.create_user(unique("crowd"), display_name="Ünïcödé " + unique())
    with Connection(api) as connection:
        request = connection.head("GET", org.users, "Accept-Encoding: gzip")

    def many(_):
        with Connection(api) as connection:
            connection.send(request * 50)
            return {gzip.decompress(connection.answer().wire) for _ in range(50)}
    expected = api.get(org.users).raw
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(found == {expected} for found in pool.map(many, range(8)))


# --- security ---

SECURITY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin"}


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/healthz", 200), ("GET", "/openapi.yaml", 200), ("GET", "/v1/regions", 200), ("GET", "/v1/nothing", 404),
    ("DELETE", "/v1/regions", 405), ("POST", "/v1/organizations", 415), ("OPTIONS", "/v1/regions", 204),
    ("GET", "/problems/name_taken", 200)])
def test_every_answer_has_the_security_headers_once(api, method, path, status):
    answer = api.call(method, path, status)
    for name, value in SECURITY.items():
        assert answer.headers.get_all(name) == [value]
    assert len(answer.headers.get_all("Request-Id")) == 1
    for name in ("Server", "X-Powered-By", "Access-Control-Allow-Origin", "Set-Cookie"):
        assert answer.headers[name] is None


# --- other origins ---

@pytest.fixture(scope="module")
def consoled(template, check):
    """A service that pages of two origins may call."""
    from service import Service
    service = Service("--cors-origins", "https://console.example.org,http://localhost:3000", template=template, check=check)
    try:
        yield service.start()
        service.stop()
    finally:
        service.remove()


@pytest.mark.parametrize("origin", ["https://console.example.org", "http://localhost:3000"])
def test_pages_of_named_origins_may_read_answers(consoled, origin):
    api = consoled.client()
    for path, status in (("/v1/regions", 200), ("/v1/nothing", 404), ("/openapi.yaml", 200)):
        answer = api.get(path, expect=status, headers={"Origin": origin, **ASKS})
        assert answer.headers.get_all("Access-Control-Allow-Origin") == [origin]
        assert "Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Access-Control-Allow-Credentials"] is None
        assert "Origin" in answer.headers["Vary"]
    assert api.get("/openapi.yaml", headers={"Origin": origin}).headers.get_all("Vary") == ["Accept-Encoding, Origin"]


@pytest.mark.parametrize("origin", ["https://console.example.org.evil.test", "https://evil.test", "http://console.example.org",
                                    "https://console.example.org:443", "null", "*", "", "HTTPS://CONSOLE.EXAMPLE.ORG",
                                    "https://console.example.org,http://localhost:3000"])
def test_pages_of_other_origins_may_not(consoled, origin):
    api = consoled.client()
    for method, status in (("GET", 200), ("OPTIONS", 204)):
        answer = api.call(method, "/v1/regions", status, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["Vary"] == "Origin"


def test_preflight_is_answered_without_a_credential(consoled):
    answer = consoled.anonymous().call(
        "OPTIONS", "/v1/organizations", 204,
        headers={"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization,content-type,idempotency-key"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type", "idempotency-key", "if-match"} <= allowed
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


def test_options_tells_the_methods_and_keeps_the_connection(api):
    with Connection(api) as connection:
        for _ in range(3):
            connection.request("OPTIONS", "/v1/organizations")
            answer = connection.answer()
            assert answer.status == 204 and answer.headers["Allow"] == "GET, HEAD, POST"
    api.call("OPTIONS", "/v1/nothing", "route_not_found")


def test_refused_path_does_not_cost_the_connection(api):
    with Connection(api) as connection:
        for path, status in (("/v1/nothing", 404), ("/healthz", 200), ("/v1/%zz", 400), ("/healthz", 200)):
            connection.request("GET", path)
            assert connection.answer().status == status


# --- problems ---

@pytest.mark.parametrize("code", sorted(PROBLEM_STATUS))
def test_type_of_a_problem_leads_to_its_explanation(service, code):
    answer = service.anonymous().get(f"/problems/{code}")
    text = answer.raw.decode()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.startswith(code + ": ") and str(PROBLEM_STATUS[code]) in text and len(text.splitlines()) == 3


def test_there_is_no_explanation_of_what_does_not_exist(service):
    for path in ("/problems/nothing", "/problems/", "/problems", "/problems/NAME_TAKEN", "/problems/name_taken/more"):
        service.anonymous().get(path, expect="route_not_found")
