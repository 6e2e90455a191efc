"""Lifecycle hooks: what a container wants done after its start and before its end.

Below the node agent. Source: kubernetes pkg/kubelet/lifecycle/handlers.go.
"""

import asyncio

from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core
from arubeki.node import httpget, probes
from arubeki.node.probes import Target
from arubeki.node.runtimes.base import StartError

EXEC_SECONDS = 7 * 24 * 3600.0
"""A hook may take as long as it likes; this is for ever, in a number."""


class HookFailed(ArubekiError):
    """A hook did not do what it should. Its words are for the log: they may hold secrets."""


async def run(handler: core.LifecycleHandler, target: Target) -> None:
    """Carry a hook out. Raises: HookFailed."""
    try:
        if handler.exec:
            argv = handler.exec.command or ()
            done = await target.runtime.execute(target.container, argv, EXEC_SECONDS)
            if done.code:
                raise HookFailed(f"command exited with {done.code}")
        elif handler.httpGet and target.container.pid:
            action = handler.httpGet
            port = probes.port_number(action.port or 80, target.spec)
            url = httpget.url_of(action, target.address, port)
            # Whatever is answered will do: somebody has heard.
            await httpget.get(url, action.httpHeaders or (), "lifecycle")
        elif handler.sleep:
            await asyncio.sleep(handler.sleep.seconds)
        elif not handler.httpGet:
            raise HookFailed("a hook must be exec, httpGet or sleep")
    except (OSError, probes.NoPort, StartError) as error:
        raise HookFailed(str(error)) from error
