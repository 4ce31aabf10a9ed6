"""LDAP servers that misbehave: each says what a rule makes of a request. They speak as much BER as that needs."""
import contextlib
import socket
import threading


def ber(tag, *parts):
    data = b"".join(parts)
    size = len(data)
    if size < 128:
        return bytes([tag, size]) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + data


def text(value, tag=4):
    return ber(tag, value if isinstance(value, bytes) else value.encode())


def number(value, tag=2):
    return ber(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def message(message_id, operation):
    return ber(0x30, number(message_id), operation)


def result(tag, code=0, words="", dn=""):
    return ber(tag, number(code, 10), text(dn), text(words))


def entry(dn, **attributes):
    return ber(0x64, text(dn), ber(0x30, *[
        ber(0x30, text(name), ber(0x31, *[text(value) for value in (values if isinstance(values, list) else [values])]))
        for name, values in attributes.items()]))


BIND, SEARCH = 0x60, 0x63
BIND_DONE, SEARCH_DONE, REFERENCE = 0x61, 0x65, 0x73


def read(data, at=0):
    """(tag, contents, where it ends)"""
    tag, size, at = data[at], data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7f
        size, at = int.from_bytes(data[at:at + count], "big"), at + count
    return tag, data[at:at + size], at + size


class Liar:
    """rule(liar, stream, message_id, tag, contents) answers a request; what it does not know is answered well."""

    def __init__(self, rule, **root):
        self.rule, self.root = rule, {"objectClass": "top", **root}  # what it says of itself
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests, self.ended = [], False
        threading.Thread(target=self.run, daemon=True).start()

    def connection(self, **changes):
        return {"uris": [self.url], "tls_mode": "NONE", "user_base_dn": "dc=x", **changes}

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        with contextlib.suppress(OSError, IndexError), stream:
            data = b""
            while piece := stream.recv(65536):
                data += piece
                while len(data) > 1:
                    _, contents, end = read(data)
                    if end > len(data):
                        break
                    data = data[end:]
                    _, message_id, at = read(contents)
                    tag, operation, _ = read(contents, at)
                    self.answer(stream, int.from_bytes(message_id, "big"), tag, operation)

    def answer(self, stream, message_id, tag, operation):
        self.requests.append((tag, operation))
        if tag == SEARCH and read(operation)[1] == b"":  # what it is
            stream.sendall(message(message_id, entry("", **self.root)) + message(message_id, result(SEARCH_DONE)))
        elif self.rule(self, stream, message_id, tag, operation) is None:
            if tag == BIND:
                stream.sendall(message(message_id, result(BIND_DONE)))
            elif tag == SEARCH:
                stream.sendall(message(message_id, result(SEARCH_DONE)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended = True
        self.listener.close()
