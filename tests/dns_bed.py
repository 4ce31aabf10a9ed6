"""An Internet of real DNS servers on loopback: a root, the registry of `test.`, two name servers of a provider, a resolver (BIND,
the only one that can be told of another port than 53), a server that never answers, and one that answers nonsense.

All listen on one port, on addresses of 127.0.0.0/8; what they say is changed by dynamic update (RFC 2136).
"""
import contextlib
import itertools
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.update

ROOT, REGISTRY, NS1, NS2, LIAR, DEAD = (f"127.0.1.{i}" for i in (1, 2, 3, 4, 8, 9))
RESOLVER = "127.0.0.1"  # BIND listens on addresses of interfaces only
HOSTS = {"ns.test": REGISTRY, "ns1.test": NS1, "ns2.test": NS2, "ns.liar.test": LIAR, "ns.dead.test": DEAD}
ZONES = 150  # of the provider, made beforehand: no server is ever told of a new one

KNOT = """
server:
    rundir: {folder}
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}
    journal-db-max-size: 32M
log:
  - target: stderr
    any: warning
acl:
  - id: anybody
    address: 127.0.0.0/8
    action: update
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    zonefile-load: whole
    acl: anybody
"""
NAMED = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; lock-file none;
    port {port}; listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }};
    recursion yes; allow-query {{ any; }}; dnssec-validation no; qname-minimization off; empty-zones-enable no;
    max-ncache-ttl 0; servfail-ttl 0; lame-ttl 0; max-cache-size 64M; recursive-clients 20000;
}};
controls {{ }};
zone "." {{ type hint; file "root.hints"; }};
"""
TTL = {"NS": 0}  # so that the resolver asks again; 1 of others
SOA = "0 SOA ns.test. hostmaster.test. 1 3600 600 864000 0"


def free_port(addresses):
    """A port that is free for UDP and TCP on all of them."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((addresses[0], 0))
            port = first.getsockname()[1]
            try:
                for address, kind in itertools.product(addresses, (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
                    if (address, kind) != (addresses[0], socket.SOCK_STREAM):
                        stack.enter_context(socket.socket(type=kind)).bind((address, port))
                return port
            except OSError:
                continue


def update(address, port, zone, *changes):
    """changes: ("add", name, ttl, type, value) or ("delete", name[, type[, value]])."""
    message = dns.update.UpdateMessage(zone + ".")
    for verb, name, *rest in changes:
        getattr(message, verb)(dns.name.from_text(name + "."), *rest)
    answer = dns.query.tcp(message, address, 5, port)
    assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())


def quoted(text):
    """A TXT value as in a zone file."""
    pieces = [text[at:at + 255] for at in range(0, len(text), 255)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


class Zone:
    """One of the provider's: on both of its name servers, unless it is said of which."""
    def __init__(self, bed, name, servers):
        self.bed, self.name, self.servers = bed, name, servers

    def full(self, name):
        return self.name if name == "@" else name if name.endswith(self.name) else f"{name}.{self.name}"

    def add(self, name, kind, *values, on=None):
        for server in on or self.servers:
            update(server, self.bed.port, self.name, *[("add", self.full(name), TTL.get(kind, 1), kind, value) for value in values])

    def remove(self, name, kind=None, value=None, on=None):
        for server in on or self.servers:
            update(server, self.bed.port, self.name,
                   ("delete", self.full(name), *[part for part in (kind, value) if part]))

    def served_by(self, *hosts):
        """Its own NS records and those of the registry."""
        self.bed.delegate(self.name, *hosts)
        self.add("@", "NS", *[host + "." for host in hosts])
        for host in HOSTS:
            if host not in hosts:  # one by one: to remove all of a zone is not allowed
                self.remove("@", "NS", host + ".")


class Liar(threading.Thread):
    """A server that says what a rule makes of a question: rule(message, is_tcp) → bytes, or None for nothing."""
    def __init__(self, address, port):
        super().__init__(daemon=True)
        self.rules = {}
        self.peer = None  # who asked last
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.udp.bind((address, port))
        self.tcp.bind((address, port))
        self.tcp.listen(64)
        self.start()
        threading.Thread(target=self.run_tcp, daemon=True).start()

    def answer(self, wire, is_tcp):
        try:
            message = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        name = message.question[0].name.to_text().rstrip(".").lower()
        for zone, rule in self.rules.items():
            if name == zone or name.endswith("." + zone):
                return rule(message, is_tcp)
        return None

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                wire, self.peer = self.udp.recvfrom(65535)
                if (answer := self.answer(wire, False)) is not None:
                    self.udp.sendto(answer, self.peer)

    def run_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self.tcp.accept()
                threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        with contextlib.suppress(OSError, struct.error), stream:
            stream.settimeout(5)
            while True:
                (length,) = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))
                if (answer := self.answer(stream.recv(length, socket.MSG_WAITALL), True)) is not None:
                    stream.sendall(struct.pack("!H", len(answer)) + answer)

    def stop(self):
        for sock in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


class Bed:
    def __init__(self, zones=ZONES, dead_every=0):
        """`zones` of the provider; of each `dead_every` one is delegated to the dead server."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postreeve-dns-"))
        self.processes = {}
        self.names = [f"c{i}.test" for i in range(zones)]
        self.unused = list(reversed(self.names))
        self.dead = {name for i, name in enumerate(self.names) if dead_every and i % dead_every == 0}
        self.numbers = itertools.count()
        self.closed = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def resolvers(self):
        return f"{RESOLVER}:{self.port}"

    def start(self):
        self.port = free_port(sorted({ROOT, RESOLVER, *HOSTS.values()}))
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            self.closed.append(sock := socket.socket(type=kind))
            sock.bind((DEAD, self.port))
        self.liar = Liar(LIAR, self.port)
        self.start_registry()
        provider = {name: f"@ {SOA}\n@ 0 NS ns1.test.\n@ 0 NS ns2.test.\n" for name in self.names}
        for address in (NS1, NS2):
            self.start_knot(address, provider)
        self.start_resolver()
        for address, name in ((REGISTRY, "test"), (NS1, self.names[0]), (NS2, self.names[0]), (RESOLVER, "test")):
            self.wait_for(address, name)

    def start_registry(self):
        addresses = "".join(f"{host}. 3600 A {address}\n" for host, address in HOSTS.items())
        delegations = "".join(
            f"{name}. 0 NS ns.dead.test.\n" if name in self.dead else
            f"{name}. 0 NS ns1.test.\n{name}. 0 NS ns2.test.\n" for name in self.names)
        self.start_knot(ROOT, {".": f". {SOA}\n. 3600 NS a.root.\na.root. 3600 A {ROOT}\ntest. 3600 NS ns.test.\n"
                                    f"ns.test. 3600 A {REGISTRY}\n"})
        self.start_knot(REGISTRY, {
            "test": f"@ {SOA}\n@ 3600 NS ns.test.\n" + addresses + delegations})

    def start_knot(self, address, zones):
        folder = self.folder / address
        folder.mkdir()
        texts = {}
        with open(folder / "knot.conf", "w", encoding="ascii") as conf:
            conf.write(KNOT.format(folder=folder, address=address, port=self.port) + "zone:\n")
            for name, text in zones.items():
                if text not in texts: # many have the same
                    texts[text] = f"{len(texts)}.zone"
                    (folder / texts[text]).write_text(text)
                conf.write(f"  - domain: {name}\n    file: {texts[text]}\n")
        self.launch(address, ["/usr/sbin/knotd", "-c", str(folder / "knot.conf"), "-s", str(folder / "control")])

    def start_resolver(self):
        folder = self.folder / RESOLVER
        folder.mkdir(exist_ok=True)
        (folder / "root.hints").write_text(f". 3600 NS a.root.\na.root. 3600 A {ROOT}\n")
        (folder / "named.conf").write_text(NAMED.format(folder=folder, address=RESOLVER, port=self.port))
        self.launch(RESOLVER, ["/usr/sbin/named", "-g", "-n", "1", "-c", str(folder / "named.conf")])

    def launch(self, address, command):
        with open(self.folder / f"{address}.log", "ab") as log:
            self.processes[address] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self, address):
        return (self.folder / f"{address}.log").read_text(errors="replace")

    def wait_for(self, address, name):
        end = time.monotonic() + 60
        while True:
            try:
                answer = dns.query.udp(dns.message.make_query(name + ".", "SOA"), address, 0.5, self.port)
                if answer.rcode() == dns.rcode.NOERROR and answer.answer:
                    return
            except (OSError, dns.exception.DNSException):
                pass
            assert self.processes[address].poll() is None, self.log(address)
            assert time.monotonic() < end, self.log(address)
            time.sleep(0.02)

    def halt(self, address):
        """It is stopped, as if its machine were cut off: it does not answer, nor refuse."""
        self.processes[address].send_signal(signal.SIGSTOP)

    def resume(self, address):
        self.processes[address].send_signal(signal.SIGCONT)

    def zone(self, *hosts):
        """One that no other test has; with hosts: delegated to these."""
        zone = Zone(self, self.unused.pop(), [NS1, NS2])
        if hosts:
            zone.served_by(*hosts)
        return zone

    def delegate(self, name, *hosts):
        """What the registry says of a name; without hosts it is not registered."""
        update(REGISTRY, self.port, "test", ("delete", name),
               *[("add", name, 0, "NS", host + ".") for host in hosts])

    def lie(self, rule):
        """A domain whose only server is the liar, with this rule."""
        name = f"lie{next(self.numbers)}.test"
        self.liar.rules[name] = rule
        self.delegate(name, "ns.liar.test")
        return name

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if hasattr(self, "liar"):
            self.liar.stop()
        for sock in self.closed:
            sock.close()
        shutil.rmtree(self.folder, ignore_errors=True)
