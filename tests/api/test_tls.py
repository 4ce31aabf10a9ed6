"""TLS of the service's own: certificates, their change while it runs, odd clients."""
import concurrent.futures
import datetime
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import threading
import time
import types

import pytest

from checks import descriptors
from client import bearer
from organization import unique
from service import Service, run_binary, wait_until
from test_waiting import begin
from tls_files import DAY, Authority, key_pem, new_key


@pytest.fixture(scope="module")
def authority():
    return Authority()


class Secure:
    """A service with TLS, the files of its certificate, and callers that check it."""

    def __init__(self, template, authority, *options):
        self.authority = authority
        self.service = Service("--tls-cert", "", "--tls-key", "", *options, template=template)
        self.certificate, self.key = self.service.folder / "cert.pem", self.service.folder / "key.pem"
        self.service.options[1], self.service.options[3] = str(self.certificate), str(self.key)
        self.install(*authority.sign("first"))

    def install(self, certificate, key):
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)

    @property
    def port(self):
        return int(self.service.url.rsplit(":", 1)[1])

    def context(self, *above):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for one in above or (self.authority,):
            context.load_verify_locations(cadata=one.pem.decode())
        return context

    def connect(self, context=None, timeout=20):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context or self.context(), timeout=timeout)

    def socket(self, context=None):
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        return (context or self.context()).wrap_socket(plain, server_hostname="127.0.0.1")

    def name(self):
        """Whose certificate a new connection gets."""
        with self.socket() as connection:
            (((_, name),),) = connection.getpeercert()["subject"]
            return name

    def reload(self, certificate, key, name):
        """Installs them and waits until they count."""
        self.install(certificate, key)
        self.service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.name() == name, what=f"the certificate {name}")

    def reload_in_vain(self, word):
        """Tells it to read the files, and waits until it says why it does not take them."""
        offset = self.service.log_path.stat().st_size
        self.service.process.send_signal(signal.SIGHUP)
        kept = wait_until(lambda: [event for event in self.service.events(offset)
                                   if event["event"] == "the old certificate is kept"])[0]
        assert kept["level"] == "warning" and word in kept["why"], kept


@pytest.fixture
def make_secure(template, authority):
    made = []

    def make(*options, prepare=None):
        secure = Secure(template, authority, *options)
        made.append(secure)
        if prepare:
            prepare(secure)
        secure.service.start()
        return secure
    yield make
    try:
        for secure in made:
            secure.service.stop()
    finally:
        for secure in made:
            secure.service.remove()


@pytest.fixture
def secure(make_secure):
    return make_secure()


def get(connection, path="/healthz", **headers):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_answers_over_tls_say_so(secure):
    connection = secure.connect()
    answer, body = get(connection)
    assert answer.status == 200 and body == b'{"status":"ok"}'
    assert int(answer.headers["Strict-Transport-Security"].split("max-age=")[1]) >= 365 * 86400
    assert connection.sock.version() == "TLSv1.3" and secure.service.url.startswith("https://127.0.0.1:")
    answer, _ = get(connection, "/v1/regions", Authorization=bearer(secure.service.root))
    assert answer.status == 200
    wait_until(lambda: [event for event in secure.service.events() if event["event"] == "request"
                        and event["source_address"] == "127.0.0.1"])


@pytest.mark.parametrize("version,ciphers,agreed", [
    (ssl.TLSVersion.TLSv1_3, None, True), (ssl.TLSVersion.TLSv1_2, None, True),
    (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", True), (ssl.TLSVersion.TLSv1_2, "ECDHE+CHACHA20", True),
    (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256:AES256-SHA", False), (ssl.TLSVersion.TLSv1_2, "ECDHE+SHA:ECDHE+SHA256:!AEAD", False),
    (ssl.TLSVersion.TLSv1_2, "DHE+AESGCM", False),
    (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", False), (ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0", False)])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_only_modern_protocols_and_ciphers_are_spoken(tls_kinds, kind, version, ciphers, agreed):
    secure = tls_kinds[kind]
    context = secure.context()
    if ciphers:
        context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    if agreed:
        with secure.socket(context) as connection:
            assert connection.version() == version.name.replace("_", ".")
    else:
        with pytest.raises((ssl.SSLError, OSError)):
            secure.socket(context)


@pytest.fixture(scope="module")
def tls_kinds(template, authority):
    kinds = {}
    try:
        for kind in ("ec", "rsa"):
            kinds[kind] = Secure(template, authority)
            kinds[kind].install(*authority.sign(kind, kind=kind))
            kinds[kind].service.start()
        yield kinds
        for secure in kinds.values():
            secure.service.stop()
    finally:
        for secure in kinds.values():
            secure.service.remove()


def test_whole_chain_is_sent(make_secure, authority):
    between = Authority(Authority(authority, "between 1"), "between 2")
    secure = make_secure(prepare=lambda secure: secure.install(*between.sign("far")))
    assert secure.name() == "far"


# --- files that cannot be used ---

def bad_files(authority):
    """What is wrong, the two files, and a word that must be said."""
    certificate, key = authority.sign("good")
    other = authority.sign("other")[1]
    return {
        "key of another": (certificate, other, "is not that of the first certificate"),
        "key of another kind": (certificate, key_pem(new_key("rsa")), "is not that of the first certificate"),
        "key with a passphrase": (certificate, key_pem(new_key(), b"secret"), "passphrase"),
        "no key": (certificate, b"", "no private key"),
        "certificate as key": (certificate, certificate, "no private key"),
        "key as certificate": (key, key, "no certificate"),
        "no certificate": (b"", key, "no certificate"),
        "garbage": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key, "no certificate"),
        "half of it": (certificate[:300], key, "no certificate"),
        "endless": (certificate * 17, key, "more than 16"),
    }


BAD = sorted(bad_files(Authority()))


@pytest.mark.parametrize("what", BAD)
def test_start_with_bad_files_says_what_is_wrong(folder, authority, what):
    certificate, key, word = bad_files(authority)[what]
    (folder / "c.pem").write_bytes(certificate)
    (folder / "k.pem").write_bytes(key)
    result = run_binary("serve", "--listen", "127.0.0.1:0", "--state-dir", folder / "s",
                        "--tls-cert", folder / "c.pem", "--tls-key", folder / "k.pem")
    assert result.returncode == 2 and word in result.stderr and str(folder) in result.stderr, result.stderr
    assert "BEGIN" not in result.stderr


def test_start_with_missing_files_names_them(folder, authority):
    (folder / "c.pem").write_bytes(authority.sign()[0])
    for missing, options in (("k.pem", ("--tls-cert", folder / "c.pem", "--tls-key", folder / "k.pem")),
                             ("d.pem", ("--tls-cert", folder / "d.pem", "--tls-key", folder / "k.pem"))):
        result = run_binary("serve", "--listen", "127.0.0.1:0", "--state-dir", folder / "s", *options)
        assert result.returncode == 2 and f"{folder / missing}: No such file" in result.stderr


@pytest.mark.parametrize("times,word", [((-20 * DAY, -DAY), "expired at"), ((DAY, 20 * DAY), "not valid before"),
                                        ((-DAY, 5 * DAY), "expires soon")])
def test_start_with_a_certificate_out_of_its_time_warns(make_secure, authority, times, word):
    """Who insists on its time is refused by the client itself; others, and background work, go on."""
    secure = make_secure(prepare=lambda secure: secure.install(*authority.sign("old", *times)))
    warning, = [event for event in secure.service.events() if event["event"] == "certificate"]
    assert warning["level"] == "warning" and word in warning["why"]
    day = datetime.datetime.utcnow() + (times[0] if "before" in word else times[1])
    assert day.strftime("%Y-%m-%dT%H:") in warning["why"]


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_key_is_read_before_root_is_given_up(make_secure, authority):
    def prepare(secure):
        secure.key.chmod(0o600)
        os.chown(secure.key, 0, 0)
    secure = make_secure(prepare=prepare)
    assert secure.name() == "first"
    secure.reload_in_vain(f"cannot read {secure.key}: Permission denied")
    assert secure.name() == "first"


# --- change while it runs ---

@pytest.mark.parametrize("what", BAD)
def test_bad_new_files_keep_the_old_certificate(tls_kinds, authority, what):
    secure = tls_kinds["ec"]
    secure.install(*bad_files(authority)[what][:2])
    secure.reload_in_vain(bad_files(authority)[what][2])
    assert secure.name() == "ec"


@pytest.mark.parametrize("times,word", [((-20 * DAY, -DAY), "expired at"), ((DAY, 20 * DAY), "not valid before")])
def test_new_certificate_out_of_its_time_is_not_taken(tls_kinds, authority, times, word):
    secure = tls_kinds["ec"]
    secure.install(*authority.sign("old", *times))
    secure.reload_in_vain(word)
    assert secure.name() == "ec"


def test_missing_new_files_keep_the_old_certificate(tls_kinds):
    secure = tls_kinds["ec"]
    secure.certificate.unlink()
    secure.reload_in_vain("No such file")
    assert secure.name() == "ec"


def test_sighup_without_tls_ends_nothing(fresh_service):
    fresh_service.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert fresh_service.anonymous().get("/healthz")["status"] == "ok"


def test_certificate_changes_under_load_and_nobody_notices(secure, authority):
    authorization = bearer(secure.service.root)
    stop, seen = threading.Event(), set()

    def keep_one_connection(_):
        connection, count = secure.connect(), 0
        connection.connect()
        mine = connection.sock
        while not stop.is_set():
            answer, _ = get(connection, "/v1/regions", Authorization=authorization)
            assert answer.status == 200
            assert connection.sock is mine, "the connection was closed"
            count += 1
        return count

    def connect_anew(_):
        count = 0
        while not stop.is_set():
            connection = secure.connect()
            answer, _ = get(connection)
            assert answer.status == 200
            seen.add(connection.sock.getpeercert()["subject"][0][0][1])
            connection.close()
            count += 1
        return count
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = [pool.submit(keep_one_connection, 0) for _ in range(4)] + [pool.submit(connect_anew, 0) for _ in range(4)]
        try:
            for number in range(12):
                name = unique("next")
                secure.reload(*authority.sign(name, kind="rsa" if number % 4 == 3 else "ec"), name)
                time.sleep(0.05)
        finally:
            stop.set()
        assert all(done.result() > 10 for done in work)
    assert len(seen) >= 10


def test_handshake_in_its_midst_survives_the_change_of_certificates(secure, authority):
    """What it was begun with must still be there when it ends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = secure.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    half = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", secure.port), 20) as connection:
        def turn():
            try:
                half.do_handshake()
                return True
            except ssl.SSLWantReadError:
                return False
            finally:
                connection.sendall(outgoing.read())
        assert not turn()
        incoming.write(connection.recv(65536))
        for number in range(5):
            secure.reload(*authority.sign(f"later-{number}"), f"later-{number}")
        while not turn():
            incoming.write(connection.recv(65536))
        half.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.sendall(outgoing.read())
        while True:
            incoming.write(connection.recv(65536))
            try:
                assert half.read(65536).startswith(b"HTTP/1.1 200")
                break
            except ssl.SSLWantReadError:
                pass
        assert half.getpeercert()["subject"][0][0][1] == "first"


# --- what TLS must not change ---

def test_large_bodies_and_answers_and_pipelines_come_through(secure):
    """Several records at once: what the TLS library holds back must not be forgotten."""
    authorization = "Authorization: " + bearer(secure.service.root)
    with secure.socket() as connection:
        reader = connection.makefile("rb")

        def read(status):
            assert reader.readline().split()[1] == status
            length, line = 0, b""
            while line != b"\r\n":
                line = reader.readline()
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            return reader.read(length)
        for size in (100, 16383, 16384, 16385, 100000, 900000):
            body = b'{"alias":"' + b"x" * size + b'","setup":"QUICK"}'
            connection.sendall(f"POST /v1/organizations HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert b"/alias" in read(b"400")
        one = f"GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/regions HTTP/1.1\r\nHost: x\r\n{authorization}\r\n\r\n"
        connection.sendall(one.encode() * 50)
        for _ in range(50):
            assert read(b"200").startswith(b"openapi:")
            assert read(b"200").startswith(b'{"items"')


def test_who_does_not_speak_tls_or_does_so_slowly_is_closed(make_secure):
    secure = make_secure("--header-timeout", "1", "--idle-timeout", "2")
    secure.name()
    time.sleep(0.2)
    before = descriptors(secure.service)
    for data in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\xa5", b"\x16\x03\x01\x40\x01" + b"\0" * 20000, b"",
                 b"\x80\x2e\x01\x00\x02", b"\0" * 100):
        with socket.create_connection(("127.0.0.1", secure.port), 10) as connection:
            begun = time.monotonic()
            connection.sendall(data)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            assert time.monotonic() - begun < 3
    with secure.socket() as idle:
        get_idle = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        idle.sendall(get_idle)
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        while idle.recv(65536):
            pass
        assert 1 < time.monotonic() - begun < 5
    wait_until(lambda: descriptors(secure.service) <= before, what="the descriptors")
    assert secure.name() == "first"


def test_answer_is_held_and_its_client_going_away_noticed_over_tls_too(make_secure):
    """The connection was watched during its handshake, and is watched again."""
    secure = make_secure("--wait-limit", "1")
    key = {"Authorization": bearer(secure.service.root)}
    maker = secure.connect()
    maker.request("POST", "/v1/organizations", json.dumps({"alias": unique(), "setup": "QUICK"}),
                  {**key, "Content-Type": "application/json", "Prefer": "wait=10"})
    made = json.loads(maker.getresponse().read())
    assert made["status"] == "SUCCEEDED"
    organization = types.SimpleNamespace(id=made["organization_id"])
    held = "/v1/operations/" + begin(secure.service, organization)

    def is_free():
        answer, _ = get(maker, held, Prefer="wait=1", **key)
        return answer.headers["Preference-Applied"] is not None
    for _ in range(3):
        gone = secure.connect()
        gone.request("GET", held, headers={"Prefer": "wait=60", **key})
        time.sleep(0.3)
        assert not is_free()
        gone.sock.close()
        gone.close()
        wait_until(is_free, 5, what="the release")


def cpu_seconds(service):
    fields = pathlib.Path(f"/proc/{service.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_half_a_handshake_costs_nothing_while_it_waits(secure):
    """The HTTP library tries such a one again without a pause."""
    crowd = [socket.create_connection(("127.0.0.1", secure.port), 10) for _ in range(50)]
    try:
        for number, connection in enumerate(crowd):
            connection.sendall(b"\x16\x03\x01\x00\xa5\x01\x00"[:1 + number % 7])
        time.sleep(0.3)
        before = cpu_seconds(secure.service)
        time.sleep(1)
        assert cpu_seconds(secure.service) - before < 0.2
        assert secure.name() == "first"
        secure.service.stop()  # with them still there
    finally:
        for connection in crowd:
            connection.close()
    secure.service.start()


def test_stopping_ends_what_is_in_flight(make_secure):
    secure = make_secure("--drain-timeout", "5")
    connection = secure.connect()
    get(connection)
    secure.service.stop()
    assert secure.service.exit_code == 0 and secure.service.stop_seconds < 5
    secure.service.start()
