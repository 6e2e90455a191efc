"""`up`: a cluster in the foreground, until Ctrl-C.

Outside the ring: [you > **cli** > cluster].
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from arubeki.cli import context, limits, memory
from arubeki.cluster import Cluster, Options
from arubeki.errors import ArubekiError

READY_SECONDS = 60.0


def version(_: Any) -> int:
    """Print the version."""
    from arubeki import __version__

    print(f"arubeki {__version__}")
    return 0


def up(options: Any) -> int:
    """Start a cluster, say where it is, stay."""
    return run_loop(lambda: _up(options))


async def _up(options: Any) -> int:
    stop = Stop()
    async with serving(options, stop) as served:
        if served is not None:
            cluster, name = served
            print(ready_block(cluster, name, options.kubeconfig), flush=True)
            await stop.wait()
    return 0


def run_loop(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine on the fastest loop there is."""
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:  # there is none for Windows
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


class Stop:
    """Ctrl-C, SIGTERM or a closed terminal, from now on."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
                    loop.add_signal_handler(number, self._event.set)

    async def wait(self) -> None:
        """Wait for it."""
        await self._event.wait()

    async def cuts(self, work: Awaitable[object]) -> bool:
        """Wait for `work`, or cancel it when told to stop; return whether that was so."""
        task = asyncio.ensure_future(work)
        told = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if task.cancelled():
            return True
        task.result()
        return False


@contextlib.asynccontextmanager
async def serving(options: Any, stop: Stop) -> AsyncIterator[tuple[Cluster, str] | None]:
    """Run a cluster and keep its context in a kubeconfig; give both, take both away.

    Gives None when told to stop before it was ready. Raises: ArubekiError.
    """
    path = context.chosen_file(options.kubeconfig)
    cluster = Cluster(wishes(options))
    try:
        if await stop.cuts(_ready(cluster)):
            yield None
            return
        with context.merged(path, cluster.url, *cluster.kubeconfig_entries()) as name:
            yield cluster, name
    finally:
        await cluster.stop()


async def _ready(cluster: Cluster) -> None:
    limits.raise_open_files()
    memory.map_large_blocks()
    with memory.starting():
        await cluster.start()
        try:
            await cluster.wait_ready(READY_SECONDS)
        except TimeoutError as error:
            raise ArubekiError(str(error)) from error


def wishes(options: Any) -> Options:
    """Return what the command line asks for."""
    storage: str | Path = ""
    if options.storage:
        storage = options.storage
    elif options.data:
        storage = Path(options.data).expanduser().resolve()
    elif not options.memory:
        storage = state_directory()
    return Options(storage=storage, nodes=options.nodes, runtime=options.runtime, port=options.port)


def state_directory() -> Path:
    """Return where a cluster keeps its state unless told otherwise: the user's state directory."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "arubeki"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "arubeki"
    # Source: XDG Base Directory Specification; a relative path in there counts as none.
    base = Path(os.environ.get("XDG_STATE_HOME") or "")
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "arubeki"


def ready_block(cluster: Cluster, name: str, file: str | None) -> str:
    """Return what is said when the cluster is ready: where it is, what it has, how to end it."""
    where = f"kubectl context: {name} (now current)" + (f" in {file}" if file else "")
    options = cluster.options
    kept = str(options.storage) if options.storage else "memory: gone when this ends"
    how = {
        "sandbox": "Pods run as processes, each in a sandbox",
        "plain": "Pods run as plain processes",
        "fake": "Pods are status only, nothing runs",
        "": "there is nothing to run Pods on",
    }[cluster.machines.runtime]
    nodes = f"{options.nodes} node{'' if options.nodes == 1 else 's'}"
    lines = [
        f"cluster ready at {cluster.url}    {where}",
        f"  nodes   {nodes}; {how}",
        f"  state   {kept}",
    ]
    lines += [f"  note    {notice}" for notice in cluster.notices]
    lines.append("Ctrl-C stops it and takes the context away.")
    return "\n".join(lines)
