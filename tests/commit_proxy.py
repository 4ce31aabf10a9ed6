"""Stands between a service and its database, and cuts the connection at a COMMIT: just before it, or just after it was done."""
import os
import random
import socket
import struct
import threading

BEFORE, AFTER = "before", "after"
SEALER = b"pg_try_advisory_xact_lock(7265)"  # whose COMMITs come when they want, and are nobody's answer


class CommitProxy:
    """Listens where libpq looks for a server in `folder`; speaks to the server whose socket is in `server`."""

    def __init__(self, folder, server):
        self.server = f"{server}/.s.PGSQL.5432"
        self.lock, self.armed, self.passed, self.chance = threading.Lock(), None, 0, None
        self.cuts = {BEFORE: 0, AFTER: 0}
        self.listener = socket.socket(socket.AF_UNIX)
        path = f"{folder}/.s.PGSQL.5432"
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(64)
        self.open, self.over = set(), False
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self, when, after=0):
        """The next COMMIT, or one after that many more."""
        with self.lock:
            self.armed, self.passed = (when, after), 0

    def cut_by_chance(self, share, seed=1):
        """This share of all COMMITs, half of them before and half of them after; 0 ends it."""
        with self.lock:
            self.chance = (share, random.Random(seed)) if share else None

    def decide(self):
        """What is to be done at a COMMIT."""
        with self.lock:
            when = None
            if self.chance and self.chance[1].random() < self.chance[0]:
                when = self.chance[1].choice([BEFORE, AFTER])
            elif self.armed and self.passed == self.armed[1]:
                when, self.armed = self.armed[0], None
            self.passed += 1
            if when:
                self.cuts[when] += 1
            return when

    def accept(self):
        while not self.over:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.server)
            except OSError:
                near.close()
                continue
            with self.lock:
                self.open.add(Pair(self, near, far).start())

    def close(self):
        self.over = True
        self.listener.close()
        with self.lock:
            for pair in self.open:
                pair.close()


class Pair:
    """One connection: a thread for each direction."""

    def __init__(self, proxy, near, far):
        self.proxy, self.near, self.far = proxy, near, far
        self.commits, self.cutting, self.is_sealer = set(), threading.Event(), False

    def start(self):
        for work in (self.forward, self.backward):
            threading.Thread(target=self.run, args=[work], daemon=True).start()
        return self

    def run(self, work):
        try:
            work()
        except (OSError, EOFError):
            pass
        self.close()

    def close(self):
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def forward(self):
        """From the service: message by message, as PostgreSQL's protocol has them."""
        length, = struct.unpack("!I", head := read(self.near, 4))
        self.far.sendall(head + read(self.near, length - 4))
        while True:
            kind, length = struct.unpack("!cI", head := read(self.near, 5))
            body = read(self.near, length - 4)
            self.is_sealer |= kind == b"P" and SEALER in body
            if kind == b"P" and body.split(b"\0")[1] == b"COMMIT":
                self.commits.add(body.split(b"\0")[0])
            if kind == b"B" and body.split(b"\0")[1] in self.commits and not (
                    self.is_sealer or self.cutting.is_set()):
                when = self.proxy.decide()
                if when == BEFORE:
                    return
                if when == AFTER:
                    self.cutting.set()
            self.far.sendall(head + body)

    def backward(self):
        """From the server. Once it is to be cut nothing passes any more; it ends when the server has done it all."""
        while True:
            kind, length = struct.unpack("!cI", head := read(self.far, 5))
            body = read(self.far, length - 4)
            if not self.cutting.is_set():
                self.near.sendall(head + body)
            elif kind == b"Z":
                return


def read(end, size):
    data = b""
    while len(data) < size:
        more = end.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
