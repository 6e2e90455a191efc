"""`run`: the controllers of a Python file, against a cluster, until Ctrl-C.

Outside the ring: [you > **cli** > runtime].
"""

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from arubeki.cli.lines import log_to_terminal, printer
from arubeki.cli.up import Stop, ready_block, run_loop, serving
from arubeki.client import config
from arubeki.client.client import Client
from arubeki.client.https import HttpsTransport
from arubeki.errors import ConfigError
from arubeki.runtime.app import App
from arubeki.runtime.install import install
from arubeki.runtime.manager import Manager
from arubeki.runtime.trace import Trace

GRACE_SECONDS = 3.0
"""How long running reconciles may go on after Ctrl-C."""


def run(options: Any) -> int:
    """Load the file, apply its CRDs, run its apps."""
    module = load(Path(options.file))
    apps = find_apps(module)
    return run_loop(lambda: _run(options, apps))


async def _run(options: Any, apps: list[App]) -> int:
    stop = Stop()
    async with _client(options, stop) as client:
        if client is None or await stop.cuts(_install(options, client, apps)):
            return 0
        trace = Trace()
        trace.subscribe(printer())
        async with Manager(client, apps, trace=trace, grace_seconds=GRACE_SECONDS) as manager:
            log_to_terminal({one.name for one in manager.controllers})
            names = ", ".join(one.name for one in manager.controllers)
            print(f"running {names}; Ctrl-C ends it", flush=True)
            await stop.wait()
    return 0


async def _install(options: Any, client: Client, apps: list[App]) -> None:
    if not options.no_crds:
        await install(client, apps)


@contextlib.asynccontextmanager
async def _client(options: Any, stop: Stop) -> AsyncIterator[Client | None]:
    """Give a client of the cluster: one that is started here, or the one of the kubeconfig."""
    if options.up:
        async with serving(options, stop) as served:
            if served is None:
                yield None
                return
            cluster, name = served
            print(ready_block(cluster, name, options.kubeconfig), flush=True)
            yield cluster.client()
        return
    found = config.load(path=options.kubeconfig or None, context=options.context)
    client = Client(HttpsTransport(found))
    try:
        yield client
    finally:
        await client.close()


def load(path: Path) -> ModuleType:
    """Import a file as a module of its own. Raises: ConfigError."""
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # The file's neighbours can be imported, as if it had been started by its name.
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigError(f"{error.filename}:{error.lineno} is no Python: {error.msg}") from error
    except ImportError as error:
        raise ConfigError(
            f"{path} needs what cannot be imported: {error}\n"
            "help: install it into the environment that arubeki runs in"
        ) from error
    except Exception as error:
        # Its author wants to see where; the frames above his file are ours and tell him nothing.
        traceback.print_exception(error.with_traceback(_within(error.__traceback__, path)))
        raise ConfigError(f"{path} could not be loaded: {type(error).__name__}") from error
    return module


def _within(frames: TracebackType | None, path: Path) -> TracebackType | None:
    """Return the frames from the first one that lies in the file."""
    while frames is not None and frames.tb_frame.f_code.co_filename != str(path):
        frames = frames.tb_next
    return frames


def find_apps(module: ModuleType) -> list[App]:
    """Return the apps that a module made. Raises: ConfigError when there is none."""
    apps = list(dict.fromkeys(one for one in vars(module).values() if isinstance(one, App)))
    if not apps:
        raise ConfigError(
            f'{module.__file__} makes no arubeki.App\nhelp: app = App("name") at module level'
        )
    return apps
