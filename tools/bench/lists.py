"""A big LIST over HTTPS: how fast its body comes, and what others feel meanwhile."""

import json
import subprocess
import sys
import time
from pathlib import Path

import machine
from figures import Figure
from rounds import repeat
from serving import Server, running

COUNT = 10_000
OBJECT_BYTES = 1024
PATH = "/api/v1/namespaces/default/configmaps"
PAUSE_SECONDS = 0.005
"""Between two requests of the other client, while lists are read without a pause."""
_CLIENT = "raw TLS socket of CPython's ssl, read into one buffer"


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    what = "LIST of 10,000 ConfigMaps of 1 KB over HTTPS"
    rate = Figure("list", f"{what}: body", "MB/s", 300, True, load=_CLIENT)
    first = Figure("list_first_byte", f"{what}: first byte", "ms", 20, load=_CLIENT)
    other = Figure(
        "list_others_p99",
        f"{what}: p99 of other requests meanwhile",
        "ms",
        30,
        load="one more client, a GET every 5 ms, while another reads lists without a pause",
    )
    per_cpu = Figure("list_cpu", f"{what}: body per server-CPU-second", "MB/cpu-s", load=_CLIENT)
    if not machine.PROC:
        per_cpu.why = machine.NO_PROC
    with running(scratch, "--memory", "--nodes", "1", "--runtime", "fake") as server:
        with server.session() as wire:
            wire.create_many(PATH, [_object(number) for number in range(COUNT)])
        reader = Reader(server)

        def once() -> None:
            before = server.cpu_seconds() if machine.PROC else 0.0
            seconds, first_seconds, size = reader.read()
            first.samples.append(first_seconds * 1000)
            rate.samples.append(size / seconds / 1e6)
            if machine.PROC:
                per_cpu.samples.append(size / (server.cpu_seconds() - before) / 1e6)

        reader.read()
        repeat(once, [rate, first], least=15, most=45)
        repeat(
            lambda: other.samples.append(_p99(server, scratch, reader)), [other], least=5, most=9
        )
    rate.note = f"{reader.size / 1e6:.1f} MB each, not compressed"
    return [rate, first, other, per_cpu]


def _object(number: int) -> dict[str, object]:
    found: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"list-{number}", "namespace": "default"},
    }
    found["data"] = {"text": "x" * (OBJECT_BYTES - len(json.dumps(found)) - 30)}
    return found


class Reader:
    """Reads a list again and again over one connection."""

    def __init__(self, server: Server, path: str = PATH, accept: str = "") -> None:
        self._socket = server.connect()
        self._message = server.message("GET", path, accept=accept)
        self._buffer = memoryview(bytearray(1 << 20))
        self.size = 0

    def read(self) -> tuple[float, float, int]:
        """Return the seconds to the last byte and to the first, and the size of the body."""
        began = time.perf_counter()
        self._socket.sendall(self._message)
        head = self._socket.recv(4096)
        first = time.perf_counter() - began
        while b"\r\n\r\n" not in head:
            head += self._socket.recv(4096)
        head, _, rest = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        left, receive, buffer = length - len(rest), self._socket.recv_into, self._buffer
        while left:
            got = receive(buffer[: min(left, len(buffer))])
            if not got:
                raise ConnectionError("the server closed the connection")
            left -= got
        self.size = length
        return time.perf_counter() - began, first, length


def _p99(server: Server, scratch: Path, reader: Reader) -> float:
    """Return the p99 in milliseconds of requests made while lists are read."""
    process = subprocess.Popen(
        [machine.PYTHON, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=machine.environment(scratch),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(vars(server)) + "\n")
    process.stdin.flush()
    process.stdout.readline()
    until = time.perf_counter() + 2.5
    while time.perf_counter() < until:
        reader.read()
    latencies, _ = process.communicate("end\n")
    found: list[float] = sorted(json.loads(latencies))
    return found[len(found) * 99 // 100] * 1000


def _probe() -> None:
    """Ask until told to end: a process of its own, so that the reader does not hold it up."""
    import threading

    server = Server(**json.loads(sys.stdin.readline()))
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
    latencies = []
    with server.session() as wire:
        wire.request("GET", f"{PATH}/list-1")
        print(flush=True)
        while not ended.wait(PAUSE_SECONDS):
            began = time.perf_counter()
            wire.request("GET", f"{PATH}/list-1")
            latencies.append(time.perf_counter() - began)
    json.dump(latencies, sys.stdout)


if __name__ == "__main__":
    machine.load_here()
    _probe()
