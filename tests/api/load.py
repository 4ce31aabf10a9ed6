"""A load generator: one thread, many keep-alive connections, each with one request on its way."""
import dataclasses
import resource
import selectors
import socket
import time


@dataclasses.dataclass
class Lane:
    """One connection and what it has got so far."""
    socket: socket.socket
    request: bytes
    buffer: bytes = b""
    answers: int = 0
    bad: int = 0
    last: float = 0.0
    longest_wait: float = 0.0


def read_answers(lane):
    """Takes whole answers off the buffer; how many there were."""
    taken = 0
    while (end := lane.buffer.find(b"\r\n\r\n")) >= 0:
        head = lane.buffer[:end].lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(lane.buffer) < end + 4 + length:
            break
        lane.bad += not head.startswith(b"http/1.1 200")
        lane.buffer = lane.buffer[end + 4 + length:]
        taken += 1
    return taken


def busy_connections(address, request, count, seconds):
    """Keeps that many connections busy with a request; the lanes afterwards."""
    lanes, (_, most) = [], resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(count):
                lane = Lane(socket.create_connection(address, 30), request)
                lane.socket.setblocking(False)
                selector.register(lane.socket, selectors.EVENT_READ, lane)
                lanes.append(lane)
            now = time.monotonic()
            end = now + seconds
            for lane in lanes:
                lane.last = now
                lane.socket.send(request)
            while now < end:
                for key, _ in selector.select(0.1):
                    lane = key.data
                    data = lane.socket.recv(65536)
                    assert data, "the service closed a busy connection"
                    lane.buffer += data
                    if taken := read_answers(lane):
                        lane.answers += taken
                        lane.longest_wait = max(lane.longest_wait, time.monotonic() - lane.last)
                        lane.last = time.monotonic()
                        lane.socket.send(request)
                now = time.monotonic()
            for lane in lanes:
                lane.longest_wait = max(lane.longest_wait, now - lane.last)
        finally:
            for lane in lanes:
                lane.socket.close()
    return lanes
