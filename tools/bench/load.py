"""The load: wrk where it is installed, else a generator of our own, which is the bottleneck then.

wrk is told by a Lua script what to send. Both answer how many requests were answered, how many of
them with an error, and the latencies' quantiles.
"""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
from serving import LOCAL, Server, tls_context

CONNECTIONS = 32
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass
class Result:
    """What one round of load came to."""

    requests: int
    refused: int
    seconds: float
    cpu_seconds: float
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0


def name() -> str:
    """Say who makes the load."""
    if shutil.which("wrk"):
        return f"wrk, {CONNECTIONS} connections"
    return (
        f"own asyncio generator, {CONNECTIONS} connections (wrk is not installed; the bottleneck)"
    )


@dataclass(frozen=True)
class Order:
    """What to send: GETs, or `method` with `body`, in which `%d` becomes a number used once."""

    path: str
    seconds: float
    body: str = ""
    method: str = "POST"
    content_type: str = "application/json"


def run(server: Server, scratch: Path, order: Order) -> Result:
    """Send requests over all connections for a while."""
    before, began = server.cpu_seconds(), time.perf_counter()
    make = _wrk if shutil.which("wrk") else _own
    found = make(server, scratch, order)
    found.cpu_seconds = server.cpu_seconds() - before
    found.seconds = found.seconds or time.perf_counter() - began
    return found


def _wrk(server: Server, scratch: Path, order: Order) -> Result:
    script = scratch / "load.lua"
    headers = {**server.headers, "content-type": order.content_type}
    lines = [f'wrk.headers["{key}"] = {json.dumps(value)}' for key, value in headers.items()]
    if order.body:
        parts = ", ".join(map(json.dumps, order.body.split("%d")))
        lines += [
            f"local parts, count = {{{parts}}}, {_unique()}",
            "request = function()",
            "  count = count + 1",
            '  local body = table.concat(parts, string.format("%d", count))',
            f'  return wrk.format("{order.method}", nil, nil, body)',
            "end",
        ]
    script.write_text("\n".join(lines) + "\n")
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{order.seconds:g}s", "--latency"]
    done = subprocess.run(
        [*command, "-s", str(script), f"https://{LOCAL}:{server.port}{order.path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", done.stdout)
    if total is None:
        raise RuntimeError(f"wrk said: {done.stdout}{done.stderr}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    quantiles = {
        found[1]: float(found[2]) * _SECONDS[found[3]]
        for found in re.finditer(r"(50|99)%\s+([\d.]+)(us|ms|s|m)", done.stdout)
    }
    return Result(
        int(total[1]),
        int(refused[1]) if refused else 0,
        float(total[2]) * _SECONDS[total[3]],
        0.0,
        quantiles.get("50", 0.0),
        quantiles.get("99", 0.0),
    )


def _unique() -> int:
    """Return a number to count from that no other round of this benchmark comes near."""
    return time.monotonic_ns() // 1000


def _own(server: Server, scratch: Path, order: Order) -> Result:
    """Run this file as a process of its own, on the core of the load."""
    told = {"server": vars(server), "order": vars(order)}
    process = subprocess.Popen(
        [machine.PYTHON, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=scratch,
        env=machine.environment(scratch),
    )
    output, _ = process.communicate(json.dumps(told))
    return Result(**json.loads(output))


class _Client(asyncio.Protocol):
    """A connection that sends the next request when the last is answered."""

    def __init__(self, next_message: "_Messages", stop: asyncio.Event) -> None:
        self._messages = next_message
        self._stop = stop
        self._head = b""
        self._left = 0
        self._sent = 0.0
        self.latencies: list[float] = []
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            head, separator, rest = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            self._head = b""
            self.refused += head[9:10] != b"2"
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            self._left = int(length[1] if length else 0) - len(rest)
        if self._left <= 0:
            self._left = 0
            self.latencies.append(time.perf_counter() - self._sent)
            if self._stop.is_set():
                self._transport.close()
            else:
                self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._messages.next())


class _Messages:
    """The requests, one after the other."""

    def __init__(self, server: Server, order: Order) -> None:
        self._server, self._order = server, order
        self._get = b"" if order.body else server.message("GET", order.path)
        self._count = _unique()

    def next(self) -> bytes:
        """Return one."""
        if self._get:
            return self._get
        self._count += 1
        order = self._order
        body = order.body.replace("%d", str(self._count)).encode()
        return self._server.message(order.method, order.path, body, order.content_type)


async def _generate(told: dict[str, Any]) -> Result:
    server, order = Server(**told["server"]), Order(**told["order"])
    messages = _Messages(server, order)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    began = time.perf_counter()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(
            lambda: _Client(messages, stop), LOCAL, server.port, ssl=tls_context()
        )
        clients.append(client)
    await asyncio.sleep(order.seconds)
    stop.set()
    await asyncio.sleep(0.1)
    latencies = sorted(one for client in clients for one in client.latencies)
    count = len(latencies)
    return Result(
        count,
        sum(client.refused for client in clients),
        time.perf_counter() - began,
        0.0,
        latencies[count // 2],
        latencies[count * 99 // 100],
    )


if __name__ == "__main__":
    machine.load_here()
    json.dump(vars(asyncio.run(_generate(json.load(sys.stdin)))), sys.stdout)
