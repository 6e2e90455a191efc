"""Whatever dies and however: the processes of its containers end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import RUNTIMES, running

SERVER = """
import asyncio, sys
from pathlib import Path
from arubeki.node.runtimes.base import Command, PodSandbox
from arubeki.node.runtimes.plain import PlainRuntime
from arubeki.node.runtimes.sandbox import SandboxRuntime

async def main():
    kind, directory, marker = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    runtime = {"plain": PlainRuntime, "sandbox": SandboxRuntime}[kind]()
    reason = await runtime.probe()
    assert not reason, reason
    pod = PodSandbox("u1", "default", "web", directory / "pod", "web-0")
    await runtime.create(pod)
    daemon = f"exec sleep {marker}" if sys.argv[4:] else f"setsid sh -c 'setsid sleep {marker} & sleep {marker}' & exec sleep {marker}"
    for number in range(3):
        command = Command("main", ("sh", "-c", daemon), {}, directory / f"{number}.log")
        container = await runtime.start(pod, command)
    print(runtime.keeper_pid, container.init or container.pid, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def wait_for(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


VICTIMS = ["server", "keeper", "supervisor", "server by SIGTERM"]


@pytest.mark.parametrize(
    ("kind", "victim"),
    [
        *(
            pytest.param(one.id, victim, marks=one.marks, id=f"{one.id}-{victim}")
            for one in RUNTIMES
            for victim in VICTIMS
        ),
        pytest.param("sandbox", "all three", marks=pytest.mark.sandbox),
        # Its daemons would escape; that much nobody can hold without a process namespace.
        ("plain", "all three, no daemon"),
    ],
)
def test_nothing_outlives(kind: str, victim: str, tmp_path: Path) -> None:
    marker = f"8650{os.getpid()}.{len(victim)}"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, kind, str(tmp_path), marker, *victim.split(", ")[1:]],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    count = 3 if "no daemon" in victim else 9
    try:
        keeper, first = map(int, server.stdout.readline().split())
        supervisor = parent_of(first)
        assert supervisor != keeper
        assert parent_of(supervisor) == keeper
        wait_for(lambda: len(running(f"sleep\0{marker}")) == count, 10, "not all processes came up")
        if victim == "supervisor":
            # Its own three must go; the others are no business of it.
            os.kill(supervisor, signal.SIGKILL)
            wait_for(lambda: len(running(f"sleep\0{marker}")) == 6, 5, "orphans are left")
            assert server.poll() is None
            assert not gone(keeper)
            return
        if victim.startswith("all three"):
            for one in (keeper, supervisor, server.pid):
                os.kill(one, signal.SIGSTOP)  # nobody has time to act
            for one in (supervisor, keeper, server.pid):
                os.kill(one, signal.SIGKILL)
        elif victim == "keeper":
            os.kill(keeper, signal.SIGKILL)
        else:
            server.send_signal(signal.SIGTERM if "SIGTERM" in victim else signal.SIGKILL)
        wait_for(lambda: not running(f"sleep\0{marker}"), 5, "processes outlive")
        wait_for(lambda: gone(keeper) and gone(supervisor), 5, "helpers outlive")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        try:
            wait_for(lambda: not running(f"sleep\0{marker}"), 5, "processes outlive the end")
        finally:
            for pid in running(f"sleep\0{marker}"):
                os.kill(pid, signal.SIGKILL)


def test_the_keeper_needs_the_standard_library_alone() -> None:
    import arubeki

    source = Path(arubeki.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r})\n"
        "import arubeki.node.runtimes.keeper.main\n"
        "print(*(name for name in sys.modules if name.startswith('arubeki')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {
        "arubeki",
        "arubeki.node",
        "arubeki.node.runtimes",
        "arubeki.node.runtimes.keeper",
        "arubeki.node.runtimes.keeper.kin",
        "arubeki.node.runtimes.keeper.main",
        "arubeki.node.runtimes.keeper.namespaces",
        "arubeki.node.runtimes.keeper.program",
        "arubeki.node.runtimes.keeper.supervisor",
    }
