"""Watch fan-out: one change told to a thousand watchers over HTTPS."""

import json
import subprocess
import time
from pathlib import Path

import machine
from figures import Figure
from rounds import repeat
from serving import Server, Wire, running

WATCHERS = 1000
SINGLES = 20
BURSTS, BURST = 10, 10
ROUNDS = 2
PATH = "/api/v1/namespaces/default/configmaps"
EVENT_BYTES = 2048


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    client = "own process with epoll and CPython's ssl, 1,000 TLS connections"
    what = "watch fan-out to 1,000 watchers over HTTPS"
    single = Figure(
        "watch_single", f"{what}, single events of 2 KB", "events/cpu-s", 25_000, True, load=client
    )
    burst = Figure(
        "watch_burst", f"{what}, bursts of ten", "events/cpu-s", 100_000, True, load=client
    )
    last = Figure(
        "watch_last",
        f"{what}: one event, until the last of them has it",
        "ms",
        load=client,
        note="the reading client, on one core, takes the larger part",
    )
    size = Figure("watch_rss", f"{what}: server's memory for each", "KB", 40, load=client)
    size.note = "after single events and bursts"
    found = [single, burst, last, size]
    if not machine.PROC:
        for figure in found:
            figure.why = machine.NO_PROC
        return found
    repeat(lambda: _session(scratch, found), [single, burst], least=3, most=5)
    return found


def _session(scratch: Path, figures: list[Figure]) -> None:
    """Open the watches on a fresh server, and take samples of all figures."""
    single, burst, last, size = figures
    with running(scratch, "--memory", "--nodes", "1", "--runtime", "fake") as server:
        before = server.rss_bytes()
        with _Watchers(server, scratch) as watchers, server.session() as wire:
            _fire(wire, watchers, 1)
            for _ in range(ROUNDS):
                began, spent = time.perf_counter(), server.cpu_seconds()
                for _ in range(SINGLES):
                    _fire(wire, watchers, 1)
                seconds = server.cpu_seconds() - spent
                last.samples.append((time.perf_counter() - began) / SINGLES * 1000)
                single.samples.append(SINGLES * WATCHERS / seconds)
                spent = server.cpu_seconds()
                for _ in range(BURSTS):
                    _fire(wire, watchers, BURST)
                burst.samples.append(BURSTS * BURST * WATCHERS / (server.cpu_seconds() - spent))
            size.samples.append((server.rss_bytes() - before) / WATCHERS / 1000)


_numbers = iter(range(1_000_000))


def _fire(wire: Wire, watchers: "_Watchers", count: int) -> None:
    """Make `count` objects with one write to the socket, and wait until everybody knows."""
    path = f"{PATH}?fieldManager=bench"
    watchers.expect(count * WATCHERS)
    wire.create_many(path, [_object(next(_numbers)) for _ in range(count)])
    watchers.wait()


def _object(number: int) -> dict[str, object]:
    found: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"event-{number}", "namespace": "default"},
    }
    # managedFields and what else the server adds are part of the 2 KB.
    found["data"] = {"text": "x" * (EVENT_BYTES - len(json.dumps(found)) - 350)}
    return found


class _Watchers:
    """The process that holds the watches."""

    def __init__(self, server: Server, scratch: Path) -> None:
        self._process = subprocess.Popen(
            [machine.PYTHON, str(Path(__file__).with_name("watchers.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=machine.environment(scratch),
        )
        self._tell({"server": vars(server), "count": WATCHERS, "path": f"{PATH}?watch=true"})
        self.wait()

    def __enter__(self) -> "_Watchers":
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def expect(self, events: int) -> None:
        """Have the next `events` counted."""
        self._tell(events)

    def wait(self) -> None:
        """Wait until all that was expected has come."""
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the watchers died")

    def _tell(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
