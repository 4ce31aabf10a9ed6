"""HTTP by hand: for what a well-behaved client never sends."""
import http.client
import json as json_module
import socket
import time

from client import Answer, bearer


class Connection:
    """One connection of a caller; nothing is sent but what the test says."""

    def __init__(self, client, timeout=30):
        self.client = client
        self.socket = socket.create_connection(client.address, timeout)
        self.reader = self.socket.makefile("rb")
        self.opened = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def head(self, method, target, *lines, close=False):
        """The text of a request's head, with host and credential."""
        fixed = [f"{method} {target} HTTP/1.1", f"Host: {self.client.address[0]}"]
        if self.client.credential:
            fixed.append("Authorization: " + bearer(self.client.credential))
        if close:
            fixed.append("Connection: close")
        return "\r\n".join([*fixed, *lines, "", ""])

    def request(self, method, target, json=None, lines=()):
        """Sends a whole request without reading its answer."""
        body = b"" if json is None else json_module.dumps(json).encode()
        kind = [] if json is None else ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.send(self.head(method, target, *kind, *lines).encode("latin-1") + body)

    def answer(self, method="GET"):
        """The next answer on this connection."""
        response = http.client.HTTPResponse(_Reader(self.reader), method=method)
        response.begin()
        return Answer(method, "", {}, response, response.read())

    def wait_closed(self, seconds):
        """How many seconds after its opening the other side closed; what it still said is dropped."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return time.monotonic() - self.opened


class _Reader:
    """What HTTPResponse wants of a socket; leaves the stream open for the next answer."""

    def __init__(self, reader):
        self.reader = reader

    def makefile(self, *_):
        return _Unclosed(self.reader)


class _Unclosed:
    def __init__(self, reader):
        self.reader = reader

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def close(self):
        pass

    def flush(self):
        pass
