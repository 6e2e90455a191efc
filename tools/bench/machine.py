"""The machine: which cores serve and which make load, processor time, memory, what it is.

Processor time and memory come from /proc; where there is none (macOS) the figures that need them
are reported as not measured.
"""

import asyncio
import contextlib
import os
import platform
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self/stat").exists()
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_CORES = "ARUBEKI_BENCH_CORES"  # told to the processes started, which see their own core only
NO_PROC = "needs /proc for processor time and memory"


def cores() -> tuple[set[int], set[int]]:
    """Return the cores of the server and of the load; empty when they cannot be told apart."""
    told = os.environ.get(_CORES)
    if told is None:
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        told = os.environ[_CORES] = ",".join(map(str, usable[:2])) if len(usable) > 1 else ""
    served, _, load = told.partition(",")
    return ({int(served)}, {int(load)}) if load else (set(), set())


@contextlib.contextmanager
def server_core() -> Iterator[None]:
    """Be on the server's core for the block: what is started in it stays there."""
    if not cores()[0]:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores()[0])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def load_here() -> None:
    """Keep this process, and what it starts, on the core of the load."""
    if cores()[1]:
        os.sched_setaffinity(0, cores()[1])


def raise_open_files() -> None:
    """Let this process, and what it starts, open as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))


def cpu_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process.

    The scheduler's own account is in nanoseconds; the other, in hundredths, is for old kernels.
    """
    spent = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            spent += int((task / "schedstat").read_text().split()[0])
        return spent / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid: int) -> int:
    """Return how much memory of a process is resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def description() -> dict[str, str]:
    """Say what the figures were measured on, without the machine's name."""
    served, load = cores()
    found = {
        "cores": str(os.cpu_count()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "pinned": f"server on core {min(served)}, load on core {min(load)}" if served else "no",
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
    }
    model = _model()
    if model:
        found["processor"] = model
    try:
        import uvloop

        found["loop"] = f"uvloop {uvloop.__version__}"
    except ImportError:
        found["loop"] = "asyncio"
    found["optimised build"] = "yes" if _is_optimised() else "no (Python without PGO or LTO)"
    return found


def _model() -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    for line in path.read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""


def _is_optimised() -> bool:
    import sysconfig

    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def environment(scratch: Path) -> dict[str, str]:
    """Return the environment of the processes measured: byte code is kept, as for every user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"), "HOME": str(scratch)}


PYTHON = sys.executable
COMMAND = [PYTHON, "-m", "arubeki"]


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop as `arubeki up` uses it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
