"""A process that holds many watches open and counts what they are told.

Told on stdin: first where the server is, then numbers; for each it says on stdout when that many
events more have come. One epoll, sockets that do not block, no parsing.
"""

import contextlib
import json
import select
import ssl
import sys

import machine
from serving import Server

READ_BYTES = 1 << 16
_EVENT = b'"type":"'  # begins each event; the server's own bytes, so it is never cut in spaces


class Watches:
    """The connections."""

    def __init__(self, server: Server, count: int, path: str) -> None:
        self._epoll = select.epoll()
        self._sockets: dict[int, ssl.SSLSocket] = {}
        self._tails: dict[int, bytes] = {}
        self.seen = 0
        message = server.message("GET", path)
        for _ in range(count):
            connection = server.connect()
            connection.sendall(message)
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(READ_BYTES)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            connection.setblocking(False)
            self._sockets[connection.fileno()] = connection
            self._tails[connection.fileno()] = b""
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def read_until(self, events: int) -> None:
        """Read until that many events have been seen in all."""
        while self.seen < events:
            for number, _ in self._epoll.poll():
                self._read(number)

    def _read(self, number: int) -> None:
        connection = self._sockets[number]
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                data = connection.recv(READ_BYTES)
                if not data:
                    raise ConnectionError("the server ended a watch")
                data = self._tails[number] + data
                self.seen += data.count(_EVENT)
                # A mark that is cut in two is found with the next piece, and only then.
                self._tails[number] = data[1 - len(_EVENT) :]


def main() -> None:
    """Hold the watches until killed."""
    machine.load_here()
    order = json.loads(sys.stdin.readline())
    watches = Watches(Server(**order["server"]), order["count"], order["path"])
    print("open", flush=True)
    wanted = 0
    for line in sys.stdin:
        wanted += int(line)
        watches.read_until(wanted)
        print("seen", flush=True)


if __name__ == "__main__":
    main()
