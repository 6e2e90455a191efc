"""What the node's tests share: small Pods, a runtime that plays what it is told, a node on a server.

runtime = Played()
runtime.runs["main"] = [(5, 1), (5, 1)]          # two runs that fail after 5 s; then it goes on
runtime.obeys["main"] = None                     # it does not care for SIGTERM
runtime.seen                                     # [(0, "start", "main"), (5, "start", "main")]

async with NodeWorld(runtime, tmp_path) as world:
    await world.create(pod(container(command=("x",))))
"""

import asyncio
import contextlib
from collections import defaultdict

from arubeki import clock
from arubeki.client.client import Client
from arubeki.client.transport import InProcessTransport
from arubeki.errors import BadRequest, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.net.message import User
from arubeki.node.agent import Machine, Node
from arubeki.node.heartbeat import Capacity
from arubeki.node.network import addresses
from arubeki.node.network.addresses import Block
from arubeki.node.runtimes.base import Executed, StartError
from arubeki.node.runtimes.fake import FakeRuntime
from arubeki.server.access import Access
from arubeki.server.app import App as Server
from tests.support.world import MASTERS, World

NODE = "n1"
NAMESPACE = "ns"


def container(name="main", **fields):
    fields.setdefault("image", "none")
    fields.setdefault("command", ("run",))
    return core.Container(name=name, **fields)


def pod(*containers, name="p", labels=None, annotations=None, finalizers=(), status=None, **spec):
    """A Pod bound to the node."""
    spec.setdefault("nodeName", NODE)
    more = {} if status is None else {"status": status}
    return core.Pod(
        metadata=meta.ObjectMeta(
            name=name,
            namespace=NAMESPACE,
            labels=labels or {},
            annotations=annotations or {},
            finalizers=tuple(finalizers),
        ),
        spec=core.PodSpec(containers=containers or (container(),), **spec),
        **more,
    )


def command_probe(*command, **fields):
    return core.Probe(exec=core.ExecAction(command=command or ("ask",)), **fields)


def exec_hook(*command):
    return core.LifecycleHandler(exec=core.ExecAction(command=command))


class Played(FakeRuntime):
    """Plays containers after a script, and notes what it is asked to do and when."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.runs = defaultdict(list)
        self.refuses = defaultdict(list)
        self.obeys = defaultdict(int)
        self.term_code = 143
        self.answers = {}
        self.create_errors = []
        self.commands = {}
        self._begun = None

    def note(self, what, *more):
        now = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = now
        self.seen.append((round(now - self._begun, 3), what, *more))

    def times(self, what, *more):
        return [one[0] for one in self.seen if one[1 : 2 + len(more)] == (what, *more)]

    def order(self):
        return [" ".join(str(part) for part in one[1:3]) for one in self.seen]

    async def create(self, sandbox):
        if self.create_errors:
            raise self.create_errors.pop(0)
        await super().create(sandbox)

    async def start(self, sandbox, command):
        name = command.container
        self.note("start", name)
        if self.refuses[name]:
            raise StartError(self.refuses[name].pop(0))
        made = await super().start(sandbox, command)
        self.commands[name] = command
        if self.runs[name]:
            made.end_after(*self.runs[name].pop(0))
        return made

    async def stop(self, container, grace_seconds):
        if container.exit is not None:
            return container.exit
        self.note("term", container.name, grace_seconds)
        needs = self.obeys[container.name]
        if needs is not None and needs <= grace_seconds:
            await asyncio.sleep(needs)
            container.end(self.term_code)
        else:
            await asyncio.sleep(grace_seconds)
            if container.exit is None:
                self.note("kill", container.name)
            container.end(137, 9)
        return await container.wait()

    async def execute(self, container, argv, timeout_seconds):
        self.note("exec", container.name, *argv)
        if container.exit is not None:
            raise StartError(f"container {container.name} is not running")
        answer = self.answers.get(argv[0] if argv else "", 0)
        if callable(answer):
            answer = answer()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Executed) else Executed(answer)

    def running(self):
        return sorted(one.name for one in self.containers())


class NodeWorld(World):
    """A server and one node on it."""

    def __init__(self, runtime, directory, *, block=None, start=True, **machine):
        super().__init__()
        self.server = Server(self.storage, access=Access(), nodes=self._find)
        self.client = self.client_of("tester")
        self.runtime = runtime
        self.directory = directory
        self.block = block or Block(7)
        self.node = None
        self._machine = machine
        self._starts = start

    async def __aenter__(self):
        await super().__aenter__()
        await self.client.create(core.Namespace(metadata=meta.ObjectMeta(name=NAMESPACE)))
        if self._starts:
            await self.start_node()
        return self

    async def __aexit__(self, *raised):
        if self.node is not None:
            await self.node.stop()
        await self.runtime.close()
        await super().__aexit__(*raised)

    async def start_node(self, block=None):
        machine = Machine(
            NODE,
            self.runtime,
            block or self.block,
            self.directory / NODE,
            Capacity(4, 8 << 30),
            **self._machine,
        )
        self.node = Node(self.client_of(f"system:node:{NODE}"), machine)
        await self.node.start()
        await self.node.manager.wait_synced()

    def _find(self, name):
        return self.node if name == NODE else None

    async def stop_node(self, *, crash=False):
        node, self.node = self.node, None
        await (node.kill() if crash else node.stop())

    async def create(self, *objects):
        for one in objects:
            made = await self.client.create(one)
        return made

    async def pod(self, name="p"):
        try:
            return await self.client.get(core.Pod, name, NAMESPACE)
        except NotFound:
            return None

    async def until(self, holds, name="p", seconds=10):
        """Wait until something holds for a Pod; return it. Raises: AssertionError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            found = await self.pod(name)
            if holds(found):
                return found
            assert loop.time() < until, found and found.status
            await asyncio.sleep(0.01)

    async def phase(self, phase, name="p", seconds=10):
        return await self.until(lambda one: one and one.status.phase == phase, name, seconds)

    async def gone(self, name="p", seconds=10):
        await self.until(lambda one: one is None, name, seconds)

    async def delete(self, name="p", grace=None):
        await self.client.delete(core.Pod, name, NAMESPACE, grace_seconds=grace)

    async def events(self, reason=""):
        found = await self.client.list(core.Event, NAMESPACE)
        return [one for one in found if not reason or one.reason == reason]

    async def logs(self, name="p", **options):
        # Not by `client`, whose transport takes every stream for a watch.
        reader = Client(InProcessTransport(self.server, User("reader", MASTERS)))
        lines = [piece async for piece in reader.logs(name, NAMESPACE, **options)]
        return b"".join(lines).decode()


class ProcessWorld(NodeWorld):
    """A server and a node whose Pods are real processes, at addresses of their own."""

    def __init__(self, runtime, directory):
        super().__init__(runtime, directory, block=addresses.claim(first=100, last=179))

    async def __aexit__(self, *raised):
        await super().__aexit__(*raised)
        self.block.close()

    async def said(self, text, name="p", seconds=10, **options):
        """Wait until a Pod's log holds `text`; return the log."""
        loop = asyncio.get_running_loop()
        until, found = loop.time() + seconds, ""
        while text not in found:
            assert loop.time() < until, found
            await asyncio.sleep(0.01)
            with contextlib.suppress(BadRequest, NotFound):  # it has not begun
                found = await self.logs(name, **options)
        return found

    async def output(self, name="p", seconds=10):
        """Wait until a Pod has ended well; return what it printed."""
        found = await self.until(
            lambda one: one.status.phase in ("Succeeded", "Failed"), name, seconds
        )
        text = await self.logs(name)
        assert found.status.phase == "Succeeded", (text, found.status)
        return text


def shell(script, name="main", **fields):
    return container(name, command=("sh", "-c", script), **fields)


def once(*containers, **spec):
    """A Pod that runs once."""
    return pod(*containers, restartPolicy="Never", **spec)


def config_map(name="cm", **data):
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE), data=data)


def secret(name="s", **data):
    data = {key: text.encode() for key, text in data.items()}
    return core.Secret(metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE), data=data)


def condition(found, kind):
    return next((one for one in found.status.conditions or () if one.type == kind), None)


def main_status(found, name="main"):
    every = (*(found.status.initContainerStatuses or ()), *found.status.containerStatuses)
    return next(one for one in every if one.name == name)


def seconds(text):
    return clock.parse_timestamp(text)


async def settle(world):
    """Wait until the node has nothing to do."""
    await world.node.manager.settle()
