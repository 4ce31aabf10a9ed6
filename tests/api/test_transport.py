"""HTTP itself: connections, time limits, ambiguous requests, odd paths."""
import contextlib
import json
import os
import pathlib
import resource
import socket
import threading
import time

import pytest

from checks import descriptors, is_instrumented, settled_descriptors
from organization import create_organization, unique
from raw_http import Connection
from service import wait_until

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
    """Also when its end comes together with what it sends."""
    for i in range(50):
        with Connection(api) as connection:
            connection.send(part)
            time.sleep(0.01 * (i % 2))
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


BODIES_AT_ONCE = 256  # of the greatest length


@pytest.fixture
def crowd(service):
    """Connections that wait in the midst of sending such a body."""
    opened = []

    def gather(*lines, body=b""):
        connection = Connection(service.anonymous())
        opened.append(connection)
        connection.send(connection.head("POST", "/v1/organizations", "Authorization: Bearer x", *lines).encode() + body)

    def close():
        while opened:
            opened.pop().close()
    gather.close = close
    yield gather
    close()


def test_bodies_that_are_only_announced_keep_out_no_others(org, crowd):
    for _ in range(BODIES_AT_ONCE + 10):
        crowd(f"Content-Length: {1 << 20}")
    time.sleep(0.5)  # all heads are read
    org.create_user("ann")


@pytest.mark.parametrize("length", [1 << 20, 600_000], ids=["greatest", "odd"])
def test_body_takes_little_more_memory_than_its_length(make_service, length):
    service, count = make_service(), 64
    if is_instrumented(service.process.pid):
        pytest.skip("what sanitizers put around each block counts too")
    with contextlib.ExitStack() as stack:
        def half_sent():
            connection = stack.enter_context(Connection(service.client()))
            connection.send(connection.head("POST", "/v1/organizations", "Content-Type: application/json",
                                            f"Content-Length: {length}").encode() + b" " * (length - 1))
            return connection
        half_sent()
        time.sleep(0.5)
        before = resident(service)
        begun = [half_sent() for _ in range(count)]
        time.sleep(0.5)
        assert length < (resident(service) - before) / count * 1.05
        assert (resident(service) - before) / count < length * 1.25
        for connection in begun:  # whole, and no JSON
            connection.send(b" ")
            connection.answer("POST").check_problem("malformed_json")


@pytest.mark.long
def test_bodies_that_fill_the_memory_are_refused_until_there_is_room(api, org, crowd):
    ann = json.dumps({"name": "ann", "display_name": "ann"}).ljust(100000)  # a few kB may be left

    def create(**params):
        return api.request("POST", org.users, body=ann, headers={"Content-Type": "application/json"}, params=params)
    with Connection(api) as begun:
        begun.send(begun.head("POST", org.users, "Content-Type: application/json", f"Content-Length: {len(ann)}"))
        for _ in range(BODIES_AT_ONCE):
            crowd(f"Content-Length: {1 << 20}", body=b" " * ((1 << 20) - 1))

        def is_full():  # what a dry run takes and gives back is room again, for one more
            crowd(f"Content-Length: {1 << 20}", body=b" " * ((1 << 20) - 1))
            return create(validate_only="true").status == 503
        wait_until(is_full, 20, 0.5)
        begun.send(ann)
        begun.answer("POST").check_problem("overloaded")
        begun.request("GET", org.users)  # it is known where that body ended
        assert begun.answer()["items"] == []
    crowd.close()
    wait_until(lambda: create().status == 201, 30)


def test_time_for_the_headers_begins_with_the_connection(make_service):
    """A request line does not begin it anew."""
    service = make_service("--header-timeout", 3)
    with Connection(service.anonymous()) as connection:
        time.sleep(2.5)
        connection.send("GET /healthz HTTP/1.1\r\n")
        assert 2.7 <= drip(connection, b"X-Long: " + b"x" * 1000) <= 4.5


@pytest.mark.parametrize("path", ["/v1/regions", "/healthz", "/openapi.yaml"])
def test_who_ends_his_side_after_the_request_still_gets_his_answer(api, path):
    with Connection(api) as connection:
        connection.send(connection.head("GET", path))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.answer().status == 200
        assert connection.wait_closed(5) < 5


def test_who_does_not_read_his_answers_is_cut(impatient):
    """He asks for more than fits the buffers on the way, and waits."""
    api = impatient.client()
    api.get("/healthz")
    before, small = descriptors(impatient), resident(impatient)
    crowd = [Connection(api) for _ in range(20)]
    try:
        for connection in crowd:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.socket.setblocking(False)
            request = connection.head("GET", "/openapi.yaml").encode()
            try:
                for _ in range(2000):
                    connection.socket.send(request * 20)
            except BlockingIOError:
                pass
        assert api.get("/healthz")["status"] == "ok"
        assert resident(impatient) - small < 20 << 20
        settle(impatient, before, 8)
    finally:
        for connection in crowd:
            connection.close()


def resident(service):
    """Bytes of memory of the service itself."""
    return int(pathlib.Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


CHUNKED = "POST /v1/organizations HTTP/1.1\r\nHost: x\r\nAuthorization: Basic x\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "headers": ("GET /healthz HTTP/1.1\r\nHost: x\r\n", "A: bbbbbbbbbbbbbbbb\r\n"),
    "one header": ("GET /healthz HTTP/1.1\r\nHost: x\r\nA: ", "b" * 16),
    "address": ("GET /", "x" * 16),
    "method": ("", "X" * 16),
    "empty lines": ("", "\r\n" * 8),
    "chunks": (CHUNKED, "1\r\nx\r\n"),
    "length of a chunk": (CHUNKED, "0" * 16),
    "extension of a chunk": (CHUNKED + "1;", "x" * 16),
    "trailer": (CHUNKED + "0\r\n", "A: bbbbbbbbb\r\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_endless_request_comes_to_an_end(impatient, what):
    begin, more = (part.encode() for part in ENDLESS[what])
    with Connection(impatient.anonymous()) as connection:
        connection.send(begin)
        with pytest.raises(OSError):
            while time.monotonic() - connection.opened < 10:
                connection.send(more * 16)
                time.sleep(0.002)
        assert time.monotonic() - connection.opened < 5


def test_pipeline_that_never_ends_does_not_keep_others_waiting(service, api):
    stop = threading.Event()

    def flood():
        with Connection(api) as connection:
            request = connection.head("GET", "/healthz").encode() * 50
            reader = threading.Thread(target=drain, args=(connection,))
            reader.start()
            while not stop.is_set():
                connection.send(request)
            connection.socket.shutdown(socket.SHUT_WR)
            reader.join()

    def drain(connection):
        while connection.socket.recv(1 << 20):
            pass
    floods = [threading.Thread(target=flood) for _ in range(4)]
    for thread in floods:
        thread.start()
    try:
        waits = []
        for _ in range(20):
            begun = time.monotonic()
            service.anonymous().get("/healthz")
            waits.append(time.monotonic() - begun)
    finally:
        stop.set()
        for thread in floods:
            thread.join()
    assert sorted(waits)[15] < 1, waits


def test_refused_head_ends_the_connection_and_a_chunked_body_does_too(api, org):
    body = b'{"name":"%s","display_name":"x"}' % unique("u").encode()
    with Connection(api) as connection:
        connection.send(connection.head("POST", org.users, "Content-Type: application/json", "Transfer-Encoding: chunked"))
        connection.send(b"%x\r\n%s\r\n0\r\n: x\r\n\r\n" % (len(body), body) + connection.head("GET", "/healthz").encode())
        assert connection.answer().status in (201, 400)
        assert b"200 OK" not in connection.reader.read()


IDLE = 1500


def test_idle_connections_cost_little_memory_and_no_time(service, api):
    """The bench measures 10,000 of them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    warm = [Connection(api) for _ in range(50)]
    for connection in warm:
        connection.request("GET", "/healthz")
        connection.answer()
        connection.close()
    before, crowd = resident(service), []
    try:
        for _ in range(IDLE):
            crowd.append(Connection(api))
            crowd[-1].request("GET", "/healthz")
            assert crowd[-1].answer().status == 200
        if not is_instrumented(service.process.pid):  # what sanitizers put around each block counts too
            assert (resident(service) - before) / IDLE < 10240
        ticks = cpu_ticks(service)
        time.sleep(1)
        assert cpu_ticks(service) - ticks <= 2
        crowd[0].request("GET", "/healthz")
        assert crowd[0].answer().status == 200
    finally:
        for connection in crowd:
            connection.close()


def cpu_ticks(service):
    fields = pathlib.Path(f"/proc/{service.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13]))
