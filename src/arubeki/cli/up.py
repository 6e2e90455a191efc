"""`up`: a cluster in the foreground, until Ctrl-C.

Outside the ring: [you > **cli** > cluster].
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arubeki.cluster import Cluster, Options
from arubeki.errors import ConfigError

CONTEXT = "arubeki"


def version(_: Any) -> int:
    """Print the version."""
    from arubeki import __version__

    print(f"arubeki {__version__}")
    return 0


def up(options: Any) -> int:
    """Start a cluster, say where it is, stay."""
    return run_loop(lambda: _up(options))


async def _up(options: Any) -> int:
    stopped = stop_signal()
    async with serving(options) as (cluster, context):
        print(ready_block(cluster, context, str(options.kubeconfig or "")), flush=True)
        await stopped.wait()
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


def stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM or a closed terminal sets."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
                loop.add_signal_handler(number, event.set)
    return event


@contextlib.asynccontextmanager
async def serving(options: Any) -> AsyncIterator[tuple[Cluster, str]]:
    """Run a cluster and keep its context in a kubeconfig; give both, take both away."""
    cluster = Cluster(wishes(options))
    await cluster.start()
    try:
        await cluster.wait_ready()
        own = getattr(options, "kubeconfig", None)
        if own and not getattr(options, "up", False):
            _write(Path(own), cluster)
            try:
                yield cluster, CONTEXT
            finally:
                with contextlib.suppress(FileNotFoundError):
                    Path(own).unlink()
        else:
            with merged(cluster) as context:
                yield cluster, context
    except TimeoutError as error:
        raise ConfigError(str(error)) from error
    finally:
        await cluster.stop()


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
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "arubeki"


@contextlib.contextmanager
def merged(cluster: Cluster) -> Any:
    """Keep a context of the cluster in the user's kubeconfig, and give its name.

    A context that a crashed cluster left behind is replaced; one that is still answered keeps its
    name, and this cluster gets another.
    """
    from arubeki.client import config, kubeconfig

    path = config.writable_path()
    name = CONTEXT
    if _is_answered(path, name):
        name = f"{CONTEXT}-{cluster.port}"
    entry, user = cluster.kubeconfig_entries()
    kubeconfig.merge_context(path, name, cluster=entry, user=user)
    try:
        yield name
    finally:
        kubeconfig.remove_context(path, name)


def _is_answered(path: Path, name: str) -> bool:
    """Whether somebody listens where a context of that name leads."""
    from arubeki.client import config

    if not path.exists():
        return False
    for one in config.read(path).get("clusters") or ():
        if one.get("name") == name:
            place = urlsplit((one.get("cluster") or {}).get("server") or "")
            with contextlib.suppress(OSError, ValueError):
                socket.create_connection((place.hostname, place.port), timeout=0.5).close()
                return True
    return False


def _write(path: Path, cluster: Cluster) -> None:
    from arubeki.api import documents
    from arubeki.net import tls

    tls.write_private(path, documents.dump(cluster.kubeconfig()).encode())


def ready_block(cluster: Cluster, context: str, file: str) -> str:
    """Return what is said when the cluster is ready: where it is, what it has, how to end it."""
    where = f"kubeconfig: {file}" if file else f"kubectl context: {context} (now current)"
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
    end = "removes the kubeconfig" if file else "takes the context away"
    lines.append(f"Ctrl-C stops it and {end}.")
    return "\n".join(lines)
