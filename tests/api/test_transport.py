"""HTTP itself: connections, time limits, ambiguous requests, odd paths."""
import socket
import time

import pytest

from checks import descriptors, settled_descriptors
from organization import create_organization, unique
from raw_http import Connection

NOBODY = "m-" + 32 * "0"


@pytest.fixture
def impatient(make_service):
    return make_service("--header-timeout", 1, "--body-timeout", 1, "--idle-timeout", 3)


def test_pipelined_requests_are_answered_in_their_order(api):
    with Connection(api) as connection:
        names = [f"order-{number}" for number in range(20)]
        connection.send("".join(connection.head("GET", "/v1/regions", f"Request-Id: {name}") for name in names))
        assert [connection.answer().headers["Request-Id"] for _ in names] == names


def test_one_connection_carries_many_requests(api):
    with Connection(api) as connection:
        for number in range(200):
            connection.request("GET", "/v1/regions" if number % 2 else "/healthz")
            assert connection.answer().status == 200


def test_connection_close_is_honoured(api):
    with Connection(api) as connection:
        connection.send(connection.head("GET", "/healthz", close=True))
        assert connection.answer().status == 200
        assert connection.wait_closed(5) < 5


def test_http_1_0_is_answered_and_closed(api):
    with Connection(api) as connection:
        connection.send("GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.answer().status == 200
        assert connection.wait_closed(5) < 5


@pytest.mark.parametrize("lines,body", [
    (["Content-Length: 2", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    (["Content-Length: 2", "Content-Length: 3"], "{}"),
    (["Content-Length: 2", "Content-Length: 0"], "{}"),
    (["Content-Length: +2"], "{}"),
    (["Content-Length: 2, 3"], "{}"),
    (["Content-Length: -1"], "{}"),
    (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], "0\r\n\r\n"),
    (["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"),
])
def test_ambiguous_length_is_refused_and_the_connection_closed(api, org, lines, body):
    """Behind a proxy that understands it otherwise, the rest would become another caller's request."""
    with Connection(api) as connection:
        smuggled = connection.head("DELETE", org.path + f"?confirm={org.alias}")
        connection.send(connection.head("POST", org.users, "Content-Type: application/json", *lines)
                        + body + smuggled)
        assert connection.answer().status in (400, 501)
        connection.wait_closed(5)
    assert org.describe()["state"] == "ACTIVE"


@pytest.mark.parametrize("target,status", [
    ("/v1/organizations/{org}%2Fusers", 404),
    ("/v1%2Forganizations", 404),
    ("/v1/organizations/{org}%00/users", 400),
    ("/v1/organizations/%00", 400),
    ("/v1/organizations/%zz", 400),
    ("/v1/organizations/%", 400),
    ("/v1/organizations/{org}%4", 400),
    ("/v1/organizations/%ff", 400),
    ("/v1/organizations/%c0%80", 400),
    ("/v1//organizations", 404),
    ("//v1/organizations", 404),
    ("/v1/organizations/", 404),
    ("/v1/organizations/{org}/", 404),
    ("/v1/./organizations", 404),
    ("/v1/organizations/{org}/users/../users", 404),
    ("/v1/%6frganizations/{org}", 200),
    ("/v1/organizations/{org}?", 200),
    ("/v1/organizations?alias=%zz", 400),
    ("/v1/organizations?alias=%00", 400),
    ("/v1/organizations?alias=%ff", 400),
    ("/v1/organizations?alias", 400),
    ("/v1/organizations?=x", 400),
])
def test_path_and_query_are_split_before_they_are_decoded(api, org, target, status):
    with Connection(api) as connection:
        connection.request("GET", target.format(org=org.id))
        answer = connection.answer()
        assert answer.status == status, answer
        if status >= 400:
            answer.check_problem()


@pytest.mark.parametrize("request_line", ["OPTIONS * HTTP/1.1", "GET http://elsewhere/v1/regions HTTP/1.1",
                                          "CONNECT elsewhere:443 HTTP/1.1", "GET v1/regions HTTP/1.1",
                                          "BREW /v1/regions HTTP/1.1", "get /v1/regions HTTP/1.1"])
def test_odd_request_line_is_refused(api, request_line):
    with Connection(api) as connection:
        connection.send(connection.head("GET", "/").replace("GET / HTTP/1.1", request_line))
        assert 400 <= connection.answer().status < 500


@pytest.mark.parametrize("data", ["\r\n\r\n\r\n", "GET\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET /v1/regions HTTP/9.9\r\n\r\n",
                                  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET /healthz HTTP/1.1\r\n: x\r\n\r\n"])
def test_garbage_harms_nobody(impatient, data):
    api = impatient.client()
    with Connection(api) as connection:
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.wait_closed(20) < 5
    api.get("/healthz")


def test_headers_and_targets_have_a_limit(api):
    for target, line in (("/" + "x" * 50000, "A: b"), ("/healthz", "A: " + "b" * 50000)):
        with Connection(api) as connection:
            connection.send(connection.head("GET", target, line))
            assert connection.answer().status in (400, 413, 414, 431)
    api.get("/healthz")


@pytest.mark.parametrize("part", ["POST /v1/organizations HTTP/1.1\r\nHost: x\r\n",
                                  "POST /v1/organizations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 100\r\n\r\n{\"alias\": "])
def test_client_that_goes_away_halfway_leaves_nothing_behind(service, api, part):
    for _ in range(50):
        with Connection(api) as connection:
            connection.send(part)
            time.sleep(0.01)
    settle(service, service.baseline)


def settle(service, limit, seconds=5):
    count = settled_descriptors(service, limit, seconds)
    assert count <= limit, f"{count} descriptors are open, there were {limit}"


@pytest.mark.parametrize("part", ["POST /v1/organizations HTTP/1.1\r\nHost: x\r\n",
                                  "POST /v1/organizations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 100\r\n\r\n{\"alias\": "])
def test_end_that_comes_together_with_data_is_noticed_within_the_time_limit(impatient, part):
    """libmicrohttpd does not see an end of file that its epoll reports together with data."""
    api = impatient.client()
    api.get("/v1/regions")
    before = descriptors(impatient)
    for _ in range(50):
        with Connection(api) as connection:
            connection.send(part)
    settle(impatient, before, 3)


def test_client_that_goes_away_before_its_answer_leaves_nothing_behind(api, org):
    user = org.create_user()
    for _ in range(50):
        with Connection(api) as connection:
            connection.request("GET", org.user(user))
    assert org.describe_user(user) == user


def drip(connection, data, pause=0.1):
    """Sends byte by byte until the other side closes; how long that took."""
    for byte in data:
        try:
            connection.send(bytes([byte]))
        except OSError:
            break
        time.sleep(pause)
        connection.socket.setblocking(False)
        try:
            if connection.socket.recv(65536) == b"":
                break
        except BlockingIOError:
            pass
        except OSError:
            break
        finally:
            connection.socket.settimeout(30)
    return time.monotonic() - connection.opened


def test_slow_headers_are_cut_at_the_deadline(impatient):
    with Connection(impatient.anonymous()) as connection:
        took = drip(connection, b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 1000)
        assert 0.7 <= took <= 3


def test_slow_body_is_cut_at_the_deadline(impatient):
    with Connection(impatient.client()) as connection:
        connection.send(connection.head("POST", "/v1/organizations", "Content-Type: application/json",
                                        "Content-Length: 1000"))
        took = drip(connection, b" " * 1000)
        assert 0.7 <= took <= 3


def test_idle_connection_is_closed_in_time_and_a_busy_one_is_not(impatient):
    with Connection(impatient.client()) as idle, Connection(impatient.client()) as busy:
        idle.request("GET", "/v1/regions")
        assert idle.answer().status == 200
        for _ in range(40):
            busy.request("GET", "/v1/regions")
            assert busy.answer().status == 200
            time.sleep(0.1)
        idle.wait_closed(1)


def test_work_longer_than_the_time_limits_is_not_cut(impatient):
    """The limits are for what the client sends; an answer may take its time."""
    api = impatient.client()
    user = create_organization(api).create_enabled()
    assert user["state"] == "ENABLED"


def test_more_connections_than_allowed_wait_and_do_no_harm(make_service):
    service = make_service("--connection-limit", 20)
    crowd = [Connection(service.client()) for _ in range(40)]
    for connection in crowd:
        connection.close()
    service.anonymous().get("/healthz")


@pytest.mark.parametrize("path,faults", [
    ("/v1/organizations?colour=red", {"colour unknown_parameter"}),
    ("/v1/organizations?colour=red&size=3", {"colour unknown_parameter", "size unknown_parameter"}),
    ("/v1/organizations?page_size=1&page_size=2", {"page_size duplicate_parameter"}),
    ("/v1/organizations?state=SLEEPING", {"state invalid_value"}),
    ("/v1/organizations?order_by=colour", {"order_by invalid_value"}),
    ("/v1/organizations?page_size=0", {"page_size too_small"}),
    ("/v1/organizations?page_size=-1", {"page_size too_small"}),
    ("/v1/organizations?page_size=0&state=X&x=1",
     {"page_size too_small", "state invalid_value", "x unknown_parameter"}),
    ("/v1/regions?page_size=1", {"page_size unknown_parameter"}),
    (f"/v1/organizations/{NOBODY}?x=1", {"x unknown_parameter"}),
])
def test_query_parameters_are_checked_all_at_once(api, path, faults):
    assert api.get(path, expect="validation_failed").faults == faults


@pytest.mark.parametrize("query", ["page_size=ten", "page_size=", "page_size=1.5", "page_size=99999999999999999999",
                                   "include_total=maybe", "include_total="])
def test_malformed_parameter_value_is_refused_by_name(api, query):
    faults = api.get(f"/v1/organizations?{query}", expect="validation_failed").faults
    assert [fault.split()[0] for fault in faults] == [query.split("=")[0]]


def test_plus_and_percent_20_are_spaces_in_a_query(api, org):
    user = org.create_user(unique("u"), display_name="Ann van Dijk")
    for query in ("van+Dijk", "van%20Dijk"):
        found = api.get(f"{org.users}?q={query}")["items"]
        assert [item["user_id"] for item in found] == [user["user_id"]]


def test_space_before_the_colon_of_a_header_is_refused_and_nothing_behind_it_is_read(api):
    with Connection(api) as connection:
        body = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.send(connection.head("POST", "/v1/organizations", f"Content-Length : {len(body)}") + body)
        assert connection.answer().status == 400
        assert connection.reader.read() == b""


@pytest.mark.parametrize("line", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("method,target,code", [("POST", "/v1/organizations", "unauthenticated"),
                                                ("POST", "/v1/nothing", "route_not_found"),
                                                ("PUT", "/v1/organizations", "method_not_allowed")])
def test_body_that_nobody_wants_is_refused_before_it_is_sent(service, method, target, code, line):
    with Connection(service.anonymous(), timeout=3) as connection:
        connection.send(connection.head(method, target, "Content-Type: application/json", line))
        connection.answer(method).check_problem(code)
        assert connection.reader.read() == b""


def test_time_for_the_headers_begins_with_the_connection(make_service):
    """A request line does not begin it anew."""
    service = make_service("--header-timeout", 3)
    with Connection(service.anonymous()) as connection:
        time.sleep(2.5)
        connection.send("GET /healthz HTTP/1.1\r\n")
        assert 2.7 <= drip(connection, b"X-Long: " + b"x" * 1000) <= 4.5
