"""How long a start takes, what an idle cluster weighs, what imports cost."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path

import machine
from figures import Figure
from rounds import repeat
from serving import LOCAL, tls_context

IDLE_SECONDS = 3.0
_PLUGIN = (
    "import time, pytest; began = time.perf_counter(); import arubeki.check.plugin; "
    "print((time.perf_counter() - began) * 1000)"
)


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    return [*_starts(scratch), *_imports(scratch)]


def _starts(scratch: Path) -> list[Figure]:
    start = Figure(
        "start",
        "process start → `/readyz` 200, memory storage, one fake node",
        "ms",
        500,
        load="one TLS client that asks every 2 ms",
    )
    idle = Figure("rss", "idle RSS of `arubeki up --memory --runtime fake`", "MiB", 90)
    if not machine.PROC:
        idle.why = machine.NO_PROC
    _start(scratch)  # the first start writes the byte code

    def once() -> None:
        seconds, rss_bytes = _start(scratch)
        start.samples.append(seconds * 1000)
        if rss_bytes:
            idle.samples.append(rss_bytes / 2**20)

    repeat(once, [start], least=7, most=14)
    return [start, idle]


def _start(scratch: Path) -> tuple[float, int]:
    """Start a cluster; return the seconds until it is ready, and its size when it has calmed."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        port = probe.getsockname()[1]
    options = ["up", "--memory", "--runtime", "fake", "--port", str(port)]
    began = time.perf_counter()
    with machine.server_core():
        process = subprocess.Popen(
            [*machine.COMMAND, *options, "--kubeconfig", str(scratch / "config")],
            stdout=subprocess.DEVNULL,
            env=machine.environment(scratch),
        )
    try:
        _wait_ready(port, process)
        seconds = time.perf_counter() - began
        if not machine.PROC:
            return seconds, 0
        time.sleep(IDLE_SECONDS)
        return seconds, machine.rss_bytes(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    context, connection = tls_context(), None
    message = f"GET /readyz HTTP/1.1\r\nhost: {LOCAL}\r\n\r\n".encode()
    while process.poll() is None:
        with contextlib.suppress(OSError):
            if connection is None:
                connection = context.wrap_socket(socket.create_connection((LOCAL, port)))
            connection.sendall(message)
            if connection.recv(65536).startswith(b"HTTP/1.1 200"):
                connection.close()
                return
        time.sleep(0.002)
    raise RuntimeError("the cluster ended before it was ready")


def _imports(scratch: Path) -> list[Figure]:
    bare = ["-c", "pass"]
    library = Figure("import", "`import arubeki`, above a bare interpreter", "ms", 150)
    face = Figure("import_all", "every public name of `arubeki`, above a bare interpreter", "ms")
    helped = Figure("help", "`arubeki --help`, above a bare interpreter", "ms", 80)
    plugin = Figure("plugin", "the pytest plugin, above pytest", "ms", 5)
    commands = {
        "import": (library, ["-c", "import arubeki"]),
        "face": (face, ["-c", "from arubeki import *"]),
        "help": (helped, ["-m", "arubeki", "--help"]),
    }
    for _, command in commands.values():
        _ran(command, scratch)

    def once() -> None:
        for figure, command in commands.values():
            # In pairs, so that a drift of the machine's speed falls on both.
            base = _ran(bare, scratch)[0]
            figure.samples.append(max(0.0, (_ran(command, scratch)[0] - base) * 1000))
        plugin.samples.append(float(_ran(["-c", _PLUGIN], scratch)[1]))

    repeat(once, [face, helped], least=9, most=15)
    return [library, face, helped, plugin]


def _ran(arguments: list[str], scratch: Path) -> tuple[float, str]:
    """Run an interpreter; return the seconds and what it printed."""
    began = time.perf_counter()
    with machine.server_core():
        done = subprocess.run(
            [machine.PYTHON, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=machine.environment(scratch),
        )
    return time.perf_counter() - began, done.stdout
