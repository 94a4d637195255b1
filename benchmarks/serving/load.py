"""A load generator: each keep-alive connection sends its next request when it has the answer.

    python load.py PORT PATH BODIES CONNECTIONS SECONDS

BODIES is a file with one JSON body per line, sent in turn. The output is one JSON object, whose
``busy`` is the generator's share of a core: one process with raw sockets and epoll keeps it small.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection:
    """One socket and the received part of its answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent = 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.received = b""
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int:
        """The status of a complete answer, else 0; raises ConnectionError if it broke off."""
        piece = self.socket.recv(262_144)
        if not piece:
            raise ConnectionError
        self.received += piece
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return 0
        length = _LENGTH.search(self.received, 0, head)
        if length is None:
            raise ValueError("an answer without a content-length")
        return int(self.received[9:12]) if len(self.received) >= head + 4 + int(length[1]) else 0


def drive(
    port: int, path: str, bodies: list[bytes], connections: int, seconds: float
) -> dict[str, Any]:
    """Run the load. Latencies are in milliseconds, of answered requests."""
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]
    poller = select.epoll()
    open_: dict[int, Connection] = {}
    number = 0

    def begin(connection: Connection) -> None:
        nonlocal number
        connection.send(requests[number % len(requests)])
        number += 1

    def connect() -> None:
        connection = Connection(port)
        open_[connection.socket.fileno()] = connection
        poller.register(connection.socket, select.EPOLLIN)
        begin(connection)

    started, cpu = time.perf_counter(), time.process_time()
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    broken = 0
    for _ in range(connections):
        connect()
    while open_:
        now = time.perf_counter()
        if now > started + seconds + 30:
            broken += len(open_)
            break
        for file, _ in poller.poll(1.0):
            connection = open_[file]
            try:
                status = connection.receive()
            except ConnectionError:
                broken += 1
                poller.unregister(file)
                open_.pop(file).socket.close()
                if time.perf_counter() < started + seconds:
                    connect()
                continue
            if not status:
                continue
            now = time.perf_counter()
            latencies.append((now - connection.sent) * 1000)
            statuses[status] = statuses.get(status, 0) + 1
            if now < started + seconds:
                begin(connection)
            else:
                poller.unregister(file)
                open_.pop(file).socket.close()
    took = time.perf_counter() - started
    latencies.sort()
    return {
        "rate": len(latencies) / took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[int(len(latencies) * 0.99)],
        "slowest": latencies[-1],
        "requests": len(latencies),
        "statuses": statuses,
        "broken": broken,
        "busy": (time.process_time() - cpu) / took,
    }


if __name__ == "__main__":
    port, path, file, connections, seconds = sys.argv[1:]
    lines = Path(file).read_bytes().splitlines()
    print(json.dumps(drive(int(port), path, lines, int(connections), float(seconds))))
