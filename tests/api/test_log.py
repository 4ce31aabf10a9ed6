"""The log: one line an event, whatever a client sends."""
import json
import signal

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
    data = log_of(make_service("--log-format", "text"), b"/\x1b[2J\x07\x7f" + "\x9b2J\xa0".encode())
    assert b"\\u001b[2J\\u0007\\u007f\\u009b2J\xc2\xa0" in data
    assert not any(ord(letter) < 32 and letter != "\n" or 127 <= ord(letter) < 160 for letter in data.decode())


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


def levels(service, offset):
    return {event["level"] for event in service.events(offset) if event["event"] in ("request", "libmicrohttpd")}


def log_level_now(service):
    """What the last word about the level says."""
    said = [event["log_level"] for event in service.events() if event["event"] in ("log level", "settings read again")]
    return said[-1] if said else None


def tell(service, number, level):
    before = len([event for event in service.events()])
    service.process.send_signal(number)
    wait_until(lambda: len([event for event in service.events()]) > before and log_level_now(service) == level, 5)


def test_signals_make_the_log_say_more_or_less_without_a_restart(make_service):
    service = make_service("--log-level", "info")
    client, pid = service.anonymous(), service.process.pid
    tell(service, signal.SIGUSR2, "warning")
    offset = service.log_path.stat().st_size
    client.get("/healthz")
    assert not levels(service, offset)
    tell(service, signal.SIGUSR1, "info")
    tell(service, signal.SIGUSR1, "debug")
    service.process.send_signal(signal.SIGUSR1)  # there is no more
    offset = service.log_path.stat().st_size
    client.get("/healthz")
    wait_until(lambda: "info" in levels(service, offset))
    assert service.process.poll() is None and service.process.pid == pid


def test_sighup_reads_log_level_and_format_from_the_configuration_file_again(make_service, folder):
    config = folder / "config"
    config.write_text("log-level = warning\n")
    config.chmod(0o644)
    service = make_service("--config", config)
    client = service.anonymous()
    client.get("/healthz")
    assert not levels(service, 0)
    config.write_text("log-level = debug\n")
    tell(service, signal.SIGHUP, "debug")
    client.get("/healthz")
    wait_until(lambda: "info" in levels(service, 0))


@pytest.mark.expect_errors
def test_configuration_file_that_became_wrong_changes_nothing_and_is_told(make_service, folder):
    config = folder / "config"
    config.write_text("log-level = info\n")
    config.chmod(0o644)
    service = make_service("--config", config)
    config.write_text("log-level = loud\n")
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: [event for event in service.events() if event["event"] == "settings not read again"
                        and "loud" in event["why"]])
    offset = service.log_path.stat().st_size
    service.anonymous().get("/healthz")
    wait_until(lambda: levels(service, offset) == {"info"})
