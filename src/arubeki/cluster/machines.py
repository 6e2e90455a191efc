"""The nodes of a cluster in one process: their runtimes, addresses and directories.

Above both halves.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from arubeki.client.client import Client
from arubeki.cluster.options import Options
from arubeki.cluster.scratch import Scratch
from arubeki.errors import ConfigError
from arubeki.net.message import Handler, User
from arubeki.node.agent import Machine, Node
from arubeki.node.heartbeat import PERIOD_SECONDS, Capacity
from arubeki.node.network import addresses
from arubeki.node.runtimes.base import Runtime


class Machines:
    """Makes, starts, stops and starts again the nodes; one runtime serves them all."""

    def __init__(self, options: Options, client_for: Callable[[User], Client]) -> None:
        self.nodes: dict[str, Node] = {}
        self.runtime = ""
        """The runtime in use, once started."""
        self.runtime_reason = ""
        """Why it is not the sandbox, where that was not asked for."""
        self._options = options
        self._client_for = client_for
        self._scratch: Scratch | None = None
        self._runtime: Runtime | None = None
        self._machines: dict[str, Machine] = {}

    async def start(self) -> None:
        """Choose the runtime and start every node."""
        if not self._options.nodes:
            return
        self._runtime = await self._chosen()
        self.runtime = self._runtime.name
        try:
            root = self._root()
        except OSError as error:
            raise ConfigError(
                f"there is no room for what Pods need: {error}\nhelp: --data DIR chooses another place"
            ) from error
        for number in range(1, self._options.nodes + 1):
            name = f"node-{number}"
            self._machines[name] = Machine(
                name=name,
                runtime=self._runtime,
                block=self._block(number),
                directory=root / name,
                capacity=Capacity.of_machine(),
                # A few beats may be lost before a node is.
                heartbeat_seconds=min(PERIOD_SECONDS, self._options.node_grace_seconds / 5),
            )
            await self.start_node(name)

    async def start_node(self, name: str) -> None:
        """Start a node, for the first time or again."""
        machine = self._machines.get(name)
        if machine is None:
            raise ConfigError(f"there is no node {name}")
        if name in self.nodes:
            raise ConfigError(f"node {name} runs already")
        user = User(f"system:node:{name}", ("system:nodes", "system:authenticated"))
        self.nodes[name] = Node(self._client_for(user), machine)
        await self.nodes[name].start()

    async def stop_node(self, name: str) -> None:
        """Let a node vanish with all that runs on it, as if its power had failed."""
        node = self.nodes.pop(name, None)
        if node is None:
            raise ConfigError(f"node {name} does not run")
        await node.kill()

    async def stop(self) -> None:
        """End every node and every process."""
        nodes = list(self.nodes.values())
        self.nodes.clear()
        try:
            await asyncio.gather(*(node.stop() for node in nodes))
        finally:
            runtime, self._runtime = self._runtime, None
            if runtime is not None:
                await runtime.close()
            for machine in self._machines.values():
                machine.block.close()
            self._machines.clear()
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def find(self, name: str) -> Handler | None:
        """Return the handler of a node that runs: the server's way to it."""
        return self.nodes.get(name)

    def unready(self) -> str:
        """Say which node is not there yet: a readiness check."""
        waiting = [
            f"{name}: {node.manager.unsynced() or 'not Ready'}"
            for name, node in self.nodes.items()
            if not node.is_ready
        ]
        if len(self._machines) < self._options.nodes:
            waiting.append("not all nodes have been started")
        return "; ".join(waiting)

    async def _chosen(self) -> Runtime:
        """Return the runtime that was asked for, or the best that works. Raises: ConfigError."""
        asked = self._options.runtime
        # It is ours from now on, so that a start that is cut short ends its processes too.
        found = self._runtime = make_runtime("sandbox" if asked == "auto" else asked, self._options)
        reason = await found.probe()
        if not reason:
            return found
        await found.close()
        self._runtime = None
        if asked != "auto":
            raise ConfigError(
                f"the runtime {asked} does not work here: {reason}\n"
                "help: --runtime auto takes one that does"
            )
        self.runtime_reason = reason
        return make_runtime("plain", self._options)

    def _root(self) -> Path:
        directory = self._options.directory
        if directory is None:
            self._scratch = Scratch()
            return self._scratch.path
        root = directory / "nodes"
        root.mkdir(mode=0o700, exist_ok=True)
        return root

    def _block(self, number: int) -> addresses.Block:
        """Return a node's addresses; Pods that are status only need none that can be bound."""
        if self.runtime == "fake":
            return addresses.Block(number)
        return addresses.claim()


def make_runtime(name: str, options: Options) -> Runtime:
    """Return a runtime by its name."""
    if name == "fake":
        from arubeki.node.runtimes.fake import FakeRuntime

        return FakeRuntime(options.fake_start_seconds)
    if name == "plain":
        from arubeki.node.runtimes.plain import PlainRuntime

        return PlainRuntime()
    from arubeki.node.runtimes.sandbox import SandboxRuntime

    return SandboxRuntime()
