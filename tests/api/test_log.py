"""The log: one line an event, whatever a client sends."""
import json

import pytest

from raw_http import Connection
from service import wait_until


def log_of(service, path):
    """The bytes of the log after a request for this path, begun with a line of its own."""
    offset = service.log_path.stat().st_size
    with Connection(service.client()) as connection:
        connection.send(connection.head("GET", "/").encode().replace(b"GET / ", b"GET " + path + b" "))
        assert connection.answer().status in (400, 404)
    with Connection(service.client()) as connection:
        connection.send(connection.head("GET", "/healthz", "Request-Id: next"))
        connection.answer()

    def written():
        data = service.log_path.read_bytes()[offset:]
        return b"next" in data and data.endswith(b"\n") and data
    return wait_until(written)


def test_control_characters_of_a_path_are_escaped_in_the_text_format(make_service):
    data = log_of(make_service("--log-format", "text"), b"/\x1b[2J\x07\x7f")
    assert b"\\u001b[2J\\u0007\\u007f" in data
    assert not any(byte < 32 and byte != 10 or byte == 127 for byte in data)


PATHS = [b"/" + b"x" * 6000, b"/" + b"\x1b" * 6000, b"/" + b"\xc3\xa9" * 3000, b"/x" + b"\xe2\x82\xac" * 2000,
         b"/\xff\xfe", b"/\xc3", b"/\"\\"]


@pytest.mark.parametrize("path", PATHS, ids=["long", "escapes", "two bytes", "three bytes", "ff", "cut", "quotes"])
def test_every_line_is_json_whatever_the_path(service, path):
    lines = log_of(service, path).decode().splitlines()
    events = [json.loads(line) for line in lines]
    about, *_ = [event for event in events if event["event"] == "request" and event["path"].startswith("/")]
    assert about["status"] in (400, 404) and len(events) >= 2
    assert ("?" in about["path"]) == (path in (b"/\xff\xfe", b"/\xc3"))


@pytest.mark.parametrize("path", PATHS[:4], ids=["long", "escapes", "two bytes", "three bytes"])
def test_long_path_leaves_a_line_that_ends_in_the_text_format(make_service, path):
    first, *others = log_of(make_service("--log-format", "text"), path).splitlines()
    assert len(first) < 4096 and any(b"next" in line and b"/healthz" in line for line in others)
