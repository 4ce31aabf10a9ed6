"""Availability configurations, and the test of what they name: each outcome by a real HTTPS server on this machine."""
import base64
import concurrent.futures
import contextlib
import http.server
import os
import pathlib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from organization import PASSWORD, create_organization, unique, work_beside_exchange
from service import wait_until
from tls_files import DAY, Authority

SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
LOOPBACK = ("--ews-networks", "127.0.0.0/8, ::1", "--ews-timeout", "2")


def folder_answer(code):
    return SOAP.format(f'<m:GetFolderResponse xmlns:m="{MESSAGES}"><m:ResponseMessages><m:GetFolderResponseMessage ResponseClass="Error">'
                       f"<m:ResponseCode>{code}</m:ResponseCode></m:GetFolderResponseMessage></m:ResponseMessages></m:GetFolderResponse>")


def fault(code):
    return SOAP.format(f'<s:Fault><faultcode>a:{code}</faultcode><faultstring>no</faultstring><detail><e:ResponseCode xmlns:e="urn:e">{code}'
                       "</e:ResponseCode></detail></s:Fault>")


# path → status and body, for who is known.
ANSWERS = {
    "/EWS/Exchange.asmx": (200, folder_answer("NoError")),
    "/no-mailbox": (200, folder_answer("ErrorNonExistentMailbox")),
    "/no-mailbox-fault": (500, fault("ErrorMissingEmailAddress")),
    "/busy": (500, fault("ErrorServerBusy")),
    "/no-code": (200, folder_answer("<b/>no code&amp;")),
    "/page": (200, "<html><body>Welcome</body></html>"),
    "/text": (200, "NoError"),
    "/empty": (200, ""),
    "/soap": (200, SOAP.format("<x/>")),
    "/forbidden": (403, "no"),
    "/error": (500, "no"),
    "/long": (200, "<a>" + "x" * 200000 + "</a>"),
    "/entities": (200, '<!DOCTYPE x [<!ENTITY e "NoError">]>' + folder_answer("&e;")),
    "/redirect": (302, ""),
    "/unknown-user": (401, ""),
}


class Exchange:
    """An HTTPS server that answers as an Exchange does, well or not."""

    def __init__(self, certificate, key, folder, version=None):
        exchange, self.seen, self.during = self, [], lambda: None

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                question = self.rfile.read(int(self.headers["Content-Length"]))
                exchange.seen.append((self.path, self.headers, question))
                exchange.during()
                user = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                status, body = ANSWERS.get(self.path, (404, "nothing"))
                if user != f"EXAMPLE\\reader:{PASSWORD}":
                    status, body = 401, ""
                with contextlib.suppress(OSError):
                    if self.path == "/slow":
                        time.sleep(5)
                    if self.path == "/hang-up":
                        return
                    self.send_response(status)
                    while self.path == "/endless-head":
                        self.wfile.write(b"".join(b"x%d: %s\r\n" % (n, b"y" * 1000) for n in range(1000)))
                    if status == 302:
                        self.send_header("Location", f"https://127.0.0.1:{exchange.port}/EWS/Exchange.asmx")
                    if status == 401:
                        self.send_header("WWW-Authenticate", "Basic")
                    self.send_header("Content-Length", str(len(body.encode())))
                    self.end_headers()
                    self.wfile.write(body.encode())
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        (folder / "exchange.pem").write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "exchange.pem")
        if version:
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def url(self, path="/EWS/Exchange.asmx", host="127.0.0.1"):
        return f"https://{host}:{self.port}{path}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def make_exchange(tmp_path, authority):
    made = []

    def make(*signed, version=None):
        made.append(Exchange(*(signed or authority.sign()), tmp_path, version))
        return made[-1]
    yield make
    for exchange in made:
        exchange.stop()


@pytest.fixture
def exchange(make_exchange):
    return make_exchange()


@pytest.fixture
def near(make_service, authority):
    """A service whose operator trusts the test's authority, and lets it ask this machine."""
    service = make_service(*LOOPBACK, "--ews-ca-file", "", start=False, env={"https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    path = service.folder / "authority.pem"
    path.write_bytes(authority.pem)
    service.options[-1] = str(path)
    return service.start()


@pytest.fixture
def near_org(near):
    return create_organization(near.client())


def configuration(url, **members):
    return {"domain": unique() + ".test", "ews_url": url, "username": "EXAMPLE\\reader", "password": PASSWORD, **members}


def create(org, url, expect=201, skip=False, **members):
    return org.api.post(org.path + "/availability-configurations", expect=expect, json=configuration(url, **members),
                        **({"params": {"skip_test": "true"}} if skip else {}))


def path_of(org, made):
    return f"{org.path}/availability-configurations/{made['domain']}"


def outcome(org, url, **members):
    """How the test of it ends; it is the same when creating, testing what is stored and changing, and each time kept."""
    made = create(org, url, skip=True, **members)
    path = path_of(org, made)
    assert "last_test" not in made.body
    tested = org.api.post(path + "/test", expect=200)
    assert org.api.get(path)["last_test"] == tested.body
    assert tested["detail"] and tested["help"]
    return tested


# --- what is found ---


@pytest.mark.parametrize("path,expected", [
    ("/EWS/Exchange.asmx", "SUCCESS"), ("/no-mailbox", "NO_MAILBOX"), ("/no-mailbox-fault", "NO_MAILBOX"), ("/busy", "EWS_ERROR"),
    ("/nothing", "NOT_FOUND"), ("/unknown-user", "UNAUTHORIZED"),
    *((f"/{name}", "NOT_AN_EWS_ENDPOINT") for name in ("no-code", "page", "text", "empty", "soap", "forbidden", "error", "long", "entities", "redirect"))])
def test_answers_of_a_server_are_told_apart(near_org, exchange, path, expected):
    tested = outcome(near_org, exchange.url(path))
    assert tested["outcome"] == expected, tested
    assert len(exchange.seen) == 1  # no redirect was followed
    assert path == exchange.seen[0][0] and b"GetFolder" in exchange.seen[0][2]
    if path == "/busy":
        assert "ErrorServerBusy" in tested["detail"]


def test_answer_without_end_takes_bounded_memory(near, near_org, exchange):
    def resident_kib():
        status = pathlib.Path(f"/proc/{near.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])
    made, before = create(near_org, exchange.url("/endless-head"), skip=True), resident_kib()
    tested = near_org.api.post(path_of(near_org, made) + "/test", expect=200)
    assert tested["outcome"] == "NOT_AN_EWS_ENDPOINT", tested
    assert resident_kib() - before < 32 * 1024


def test_wrong_password_is_told_with_the_hints_of_the_guide(near_org, exchange):
    tested = outcome(near_org, exchange.url(), password="wrong")
    assert tested["outcome"] == "UNAUTHORIZED"
    assert "DOMAIN\\username" in tested["help"] and "Basic Authentication" in tested["help"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_server_that_cannot_be_reached_is_told_apart(near_org, exchange):
    assert outcome(near_org, f"https://127.0.0.1:{free_port()}/")["outcome"] == "CONNECTION_REFUSED"
    assert outcome(near_org, exchange.url("/hang-up"))["outcome"] == "CONNECTION_FAILED"
    begun = time.monotonic()
    assert outcome(near_org, exchange.url("/slow"))["outcome"] == "TIMED_OUT"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert outcome(near_org, f"https://127.0.0.1:{silent.getsockname()[1]}/")["outcome"] == "TIMED_OUT"
    assert time.monotonic() - begun < 8


def test_certificates_are_verified(near_org, make_exchange, authority):
    for signed, expected in ((Authority(name="Another").sign(), "TLS_NOT_TRUSTED"),
                             (authority.sign(begin=-30 * DAY, end=-DAY), "TLS_NOT_TRUSTED"),
                             (authority.sign(begin=DAY, end=30 * DAY), "TLS_NOT_TRUSTED"),
                             (authority.sign(hosts=("mail.example.com",)), "TLS_NAME_MISMATCH")):
        exchange = make_exchange(*signed)
        tested = outcome(near_org, exchange.url())
        assert tested["outcome"] == expected, tested
        assert exchange.seen == []  # nothing was said to it
    named = make_exchange(*authority.sign(hosts=("localhost",)))
    assert outcome(near_org, named.url(host="localhost"))["outcome"] == "SUCCESS"
    assert outcome(near_org, named.url())["outcome"] == "TLS_NAME_MISMATCH"


def test_server_without_tls_is_told(near_org, make_exchange):
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    plain.RequestHandlerClass.log_message = lambda *_: None
    thread = threading.Thread(target=plain.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        assert outcome(near_org, f"https://127.0.0.1:{plain.server_address[1]}/")["outcome"] == "TLS_FAILED"
    finally:
        plain.shutdown()
        plain.server_close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_server_with_an_old_tls_is_told(near_org, make_exchange, authority):
    for version, expected in ((ssl.TLSVersion.TLSv1_1, "TLS_FAILED"), (ssl.TLSVersion.TLSv1_2, "SUCCESS")):
        exchange = make_exchange(*authority.sign(), version=version)
        assert outcome(near_org, exchange.url())["outcome"] == expected
        assert len(exchange.seen) == (expected == "SUCCESS")


def test_authority_of_ones_own_needs_the_operator(make_service, exchange):
    org = create_organization(make_service(*LOOPBACK).client())
    assert outcome(org, exchange.url())["outcome"] == "TLS_NOT_TRUSTED"


# --- who may be asked ---


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
                                  "[64:ff9b::a00:1]", "[2002:7f00:1::]", "0.0.0.0", "[::]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
                                  "[fe80::1]", "[fd00::1]", "[64:ff9b:1::1]", "[ff02::1]", "224.0.0.1", "255.255.255.255", "127.1", "2130706433", "0x7f.1", "017700000001"])
def test_only_hosts_of_the_internet_are_asked(org, exchange, host):
    """The address that is connected to counts, however it is written or found."""
    begun = time.monotonic()
    tested = outcome(org, exchange.url(host=host))
    assert tested["outcome"] == "ADDRESS_NOT_ALLOWED", tested
    assert exchange.seen == [] and time.monotonic() - begun < 5


def test_operator_allows_networks(make_service, exchange):
    org = create_organization(make_service("--ews-networks", "10.0.0.0/8,127.0.0.2").client())
    assert outcome(org, exchange.url())["outcome"] == "ADDRESS_NOT_ALLOWED"
    assert outcome(org, exchange.url(host="127.0.0.2"))["outcome"] == "CONNECTION_REFUSED"


NAMES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

/* What name servers say: that there is no such name; and those of an attacker: each time another address, or nothing for long. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    static int asked;
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strcmp(name, "nowhere.test") == 0)
        return EAI_NONAME;
    if (name != NULL && strcmp(name, "silent.test") == 0)
        sleep(8);
    if (name != NULL && strcmp(name, "rebound.test") == 0)
        name = asked++ % 2 == 0 ? "127.0.0.2" : "127.0.0.1";
    return real(name, service, hints, result);
}
"""


@pytest.fixture
def org_of_names(make_service, tmp_path):
    (tmp_path / "names.c").write_text(NAMES)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "names.so", tmp_path / "names.c"], check=True, timeout=60)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    service = make_service("--ews-networks", "127.0.0.2", "--ews-timeout", "1", env={
        "LD_PRELOAD": str(tmp_path / "names.so"), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    return create_organization(service.client())


def test_name_that_leads_nowhere_is_told(org_of_names):
    assert outcome(org_of_names, "https://nowhere.test/EWS/Exchange.asmx")["outcome"] == "DNS_FAILURE"


def test_name_that_leads_elsewhere_the_next_time_is_checked_again(org_of_names, exchange):
    found = [outcome(org_of_names, exchange.url(host="rebound.test"))["outcome"] for _ in range(4)]
    assert found == 2 * ["CONNECTION_REFUSED", "ADDRESS_NOT_ALLOWED"] and exchange.seen == []


def test_name_server_is_waited_for_no_longer_than_anything_else(org_of_names):
    begun = time.monotonic()
    assert outcome(org_of_names, "https://silent.test/")["outcome"] == "TIMED_OUT"
    assert time.monotonic() - begun < 5


# --- creating and changing ---


def test_only_what_succeeds_is_taken_unless_the_test_is_skipped(near_org, exchange):
    org = near_org
    refused = create(org, exchange.url("/nothing"), expect="availability_test_failed")
    assert refused.faults == {"/ews_url NOT_FOUND"} and "NOT_FOUND" in refused["detail"] and "skip_test" in refused["detail"]
    assert create(org, exchange.url(), expect="availability_test_failed", password="x").faults == {"/username UNAUTHORIZED"}
    made = create(org, exchange.url())
    path = path_of(org, made)
    assert made["last_test"]["outcome"] == "SUCCESS" and made.headers["Location"] == path
    assert org.api.get(path).body == made.body and org.api.items(org.path + "/availability-configurations") == [made.body]

    assert org.api.patch(path, json={"username": "EXAMPLE\\nobody"}, expect="availability_test_failed").faults == {"/username UNAUTHORIZED"}
    assert org.api.get(path).body == made.body
    changed = org.api.patch(path, json={"username": "EXAMPLE\\nobody"}, params={"skip_test": "true"})
    assert changed["username"] == "EXAMPLE\\nobody" and "last_test" not in changed.body
    back = org.api.patch(path, json={"username": "EXAMPLE\\reader"})  # with the password that is kept
    assert back["last_test"]["outcome"] == "SUCCESS"
    org.api.delete(path)
    org.api.get(path, expect="availability_configuration_not_found")
    org.api.post(path + "/test", expect="availability_configuration_not_found")
    org.api.delete(path, expect="availability_configuration_not_found")


def test_password_that_is_kept_goes_to_no_other_server(near_org, exchange, make_exchange):
    made = create(near_org, exchange.url())
    other = make_exchange()
    path = path_of(near_org, made)
    for params in ({}, {"skip_test": "true"}, {"validate_only": "true"}):
        refused = near_org.api.patch(path, json={"ews_url": other.url()}, params=params, expect="validation_failed")
        assert refused.faults == {"/password required"}
    assert other.seen == []
    near_org.api.patch(path, json={"ews_url": exchange.url()})  # it is the same
    assert near_org.api.patch(path, json={"ews_url": other.url(), "password": PASSWORD})["ews_url"] == other.url()


def test_change_that_would_not_be_made_asks_nobody(near_org, exchange):
    made = create(near_org, exchange.url(), skip=True)
    path = path_of(near_org, made)
    tags = {"If-Match": near_org.api.get(path).headers["ETag"]}
    near_org.api.patch(path, json={"password": "wrong"}, params={"skip_test": "true"})
    near_org.api.patch(path, json={"password": PASSWORD}, headers=tags, expect="precondition_failed")
    assert exchange.seen == []


def test_dry_run_asks_nobody(near_org, exchange):
    made = near_org.api.post(near_org.path + "/availability-configurations", expect=200, params={"validate_only": "true"},
                             json=configuration(exchange.url("/nothing")))
    assert "last_test" not in made.body
    near_org.api.get(path_of(near_org, made), expect="availability_configuration_not_found")
    assert exchange.seen == []


@pytest.mark.parametrize("member,value,expected", [
    *(("ews_url", url, "invalid_url") for url in (
        "http://mail.example.com/EWS/Exchange.asmx", "mail.example.com", "https://", "https:///EWS", "https://user:pw@mail.example.com/", "https://mail.example.com/#x",
        "https://mail.example.com:0/", "https://mail.example.com:65536/", "https://mail.example.com:x/", "https://mail.example.com /", "https://müller.example/",
        "https://[::1/", "https://[::1]x/", "https://a\\b/", "ftp://x/", "file:///etc/passwd", "https://.x/")),
    ("ews_url", "https://x/\r\nHost: y", "invalid_format"),
    ("username", "reader", "invalid_format"), ("username", "a:b@c", "invalid_format"), ("username", "a@b\r\n", "invalid_format"),
    ("password", "a\nb", "invalid_format"), ("password", "", "too_short"), ("domain", "?", "invalid_format"), ("domain", "localhost", "invalid_format")])
def test_bad_input_is_refused_untested(org, member, value, expected):
    for skip in (False, True):
        refused = create(org, **{"url": "https://127.0.0.1/", "url" if member == "ews_url" else member: value}, skip=skip, expect="validation_failed")
        assert refused.faults == {f"/{member} {expected}"}


def test_domain_is_written_in_any_way(org):
    made = create(org, "https://127.0.0.1/", skip=True, domain="Müller.Example")
    assert made["domain"] == "xn--mller-kva.example"
    org.api.get(org.path + "/availability-configurations/M%C3%9CLLER.example")
    create(org, "https://127.0.0.1/", skip=True, domain="xn--mller-kva.example", expect="name_taken")
    create(org, "https://127.0.0.1/", domain="müller.example", expect="name_taken")


def test_there_are_as_many_as_the_limit_says(make_service):
    service = make_service()
    org = create_organization(service.client())
    service.admin("set-limit", "--account", service.root["account_id"], "--limit", "availability_configurations", "--value", 2)
    create(org, "https://127.0.0.1/", skip=True)
    create(org, "https://127.0.0.1/", skip=True)
    create(org, "https://127.0.0.1/", skip=True, expect="limit_exceeded")


def test_beside_exchange_a_user_is_enabled_first(service, org):
    user = org.create_user()
    work_beside_exchange(service, org)
    create(org, "https://127.0.0.1/", skip=True, expect="organization_state")
    org.enable(user)
    create(org, "https://127.0.0.1/", skip=True)


# --- secrets, transactions, races ---


def test_password_shows_nowhere(make_service):
    service, secret = make_service(), "Zugvogel-Schlüssel-77"
    api = service.client()
    org = create_organization(api)
    made = create(org, "https://127.0.0.1/", skip=True, password=secret)
    org.api.post(path_of(org, made) + "/test", expect=200)
    org.api.patch(path_of(org, made), json={"username": "a@b.test"}, params={"skip_test": "true"})
    answers = [api.get(path_of(org, made)).raw, api.get(org.path + "/availability-configurations").raw,
               api.get(org.path + "/audit-events").raw, made.raw]
    assert not any(secret.encode() in raw or b'"password"' in raw for raw in answers)
    assert secret not in service.log()
    sealed = service.sql("SELECT sealed_password FROM availability_configuration")[0][0]
    assert secret.encode() not in sealed and len(sealed) > len(secret)


@pytest.mark.expect_errors
def test_sealed_password_is_bound_to_its_row(make_service, exchange):
    service = make_service(*LOOPBACK)
    org = create_organization(service.client())
    one, other = (create(org, exchange.url(), skip=True, password=password) for password in (PASSWORD, "other"))
    assert service.admin("verify-secrets")["checked"]["availability_configuration"] == 2
    service.sql("UPDATE availability_configuration a SET sealed_password = b.sealed_password FROM availability_configuration b"
                " WHERE a.domain = %s AND b.domain = %s", one["domain"], other["domain"])
    org.api.post(path_of(org, one) + "/test", expect="internal_error")
    report = service.admin("verify-secrets", expect=1)
    assert [row["table"] for row in report["unreadable"]] == ["availability_configuration"]


def test_no_transaction_is_open_while_a_server_is_asked(near, near_org, exchange):
    seen = []
    exchange.during = lambda: seen.append(near.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'")[0][0])
    made = create(near_org, exchange.url())
    near_org.api.post(path_of(near_org, made) + "/test", expect=200)
    near_org.api.patch(path_of(near_org, made), json={"password": PASSWORD})
    assert seen == [0, 0, 0]


def test_change_while_it_is_tested_is_not_overwritten(near_org, exchange):
    made = create(near_org, exchange.url())
    path = path_of(near_org, made)
    other = near_org.api.identified_by(near_org.api.credential)
    exchange.during = lambda: other.patch(path, json={"username": "a@b.test"}, params={"skip_test": "true"}, expect=200)
    near_org.api.patch(path, json={"password": PASSWORD}, expect="precondition_failed")
    assert near_org.api.get(path)["username"] == "a@b.test"


def test_slow_servers_hold_up_nothing_but_tests_of_which_only_so_many_wait(near, near_org, exchange):
    made = create(near_org, exchange.url("/slow"), skip=True)
    gate = threading.Barrier(41)

    def test(_):
        gate.wait(30)
        return near.client().request("POST", path_of(near_org, made) + "/test").status
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        sent = [pool.submit(test, number) for number in range(40)]
        gate.wait(30)
        wait_until(lambda: len(exchange.seen) >= 4, what="the first tests")
        begun = time.monotonic()
        near_org.api.get(near_org.users, params={"include_total": "true"})
        near.anonymous().post(path_of(near_org, made) + "/test", expect="unauthenticated")
        create(near_org, exchange.url("/slow"), skip=True)
        create(near_org, "?", expect="validation_failed")
        assert time.monotonic() - begun < 1
    statuses = [one.result(60) for one in sent]
    # 16 may wait, and up to 4 are done meanwhile: those whose thread was free before the last came.
    assert set(statuses) == {200, 503} and 16 <= statuses.count(200) <= 4 + 16, statuses
    assert near_org.api.get(path_of(near_org, made))["last_test"]["outcome"] == "TIMED_OUT"


def test_removed_organization_has_none(service, api):
    org = create_organization(api)
    create(org, "https://127.0.0.1/", skip=True)
    org.remove(force="true")
    assert service.sql("SELECT count(*) FROM availability_configuration WHERE organization_id = %s", org.id) == [(0,)]
