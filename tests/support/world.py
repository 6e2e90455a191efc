"""A server in the same process, controllers on it, and what can go wrong between them.

    async with World() as world:
        await world.client.create(...)
        async with world.running(app) as manager:
            await manager.settle()

`hold(build, act)` is the proof that controllers are level-triggered and idempotent: it lets `act`
happen to a world where the controllers of `build()` work undisturbed, then again with every watch
event lost once, with every one told twice, with every one told late, and with the controllers killed
at each of their writes, before and after it was carried out. The end state must be the same each time, and a second start on
it must not write. Run it in virtual time.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

from arubeki.client.client import Client
from arubeki.client.transport import InProcessTransport
from arubeki.errors import ConnectFailed, WatchBroken
from arubeki.net.message import User
from arubeki.runtime.manager import Manager
from arubeki.server.access import Access
from arubeki.server.app import App as Server
from arubeki.server.wire import stamp
from arubeki.storage.memory import MemoryStorage

MASTERS = ("system:masters",)


class World:
    """An empty API server. `client` is a user who may do everything."""

    def __init__(self):
        self.storage = MemoryStorage(stamp)
        self.server = Server(self.storage, access=Access())
        self.client = self.client_of("tester")

    def client_of(self, name, faults=None):
        """Return a client of its own identity, disturbed by `faults`."""
        transport = InProcessTransport(self.server, User(name, MASTERS))
        return Client(Disturbed(transport, faults or Faults()), manager=name)

    async def __aenter__(self):
        await self.server.start()
        return self

    async def __aexit__(self, *raised):
        await self.server.stop()

    @contextlib.asynccontextmanager
    async def running(self, *apps, faults=None, **options):
        """A manager at work under the name "controller"."""
        async with Manager(self.client_of("controller", faults), apps, **options) as manager:
            yield manager

    async def objects(self):
        """Return all that is stored, parsed."""
        entries = (await self.storage.range("/registry/")).entries
        found = [json.loads(entry.value) for entry in entries]
        return [one for one in found if "kind" in one]  # the server's own notes have none

    async def state(self, ignore=("Event", "Lease")):
        """Return all that is stored, without what differs from run to run: for comparison."""
        objects = await self.objects()
        drawn = {}  # generated names, wherever they are written, are their base and a star
        for one in objects:
            name, base = one["metadata"]["name"], one["metadata"].get("generateName")
            if base and name.startswith(base):
                drawn[name] = f"{base}*"
            if one["kind"] == "EndpointSlice":  # named after the uid of its Service
                drawn[name] = f"{one['metadata']['labels']['kubernetes.io/service-name']}-*"
            if address := one.get("status", {}).get("podIP"):
                drawn[address] = f"the address of {drawn.get(name, name)}"
        found = [plain(one, drawn) for one in objects if one["kind"] not in ignore]
        return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


@dataclass
class Faults:
    """What goes wrong.

    `drop`: each event is lost when it comes first: the watch breaks instead, and its place is
    forgotten, so that only a new list can tell. `duplicate`: each event is told twice.
    `late_seconds`: each event is told so much later, while requests are answered at once.
    `crash_at`: at the nth write (from 1) `crashed` is set and nothing goes through any more; the
    write itself is carried out if `crash_after`. Events are counted apart: they tell of what was
    done, and nothing follows from them.
    """

    drop: bool = False
    duplicate: bool = False
    late_seconds: float = 0.0
    crash_at: int = 0
    crash_after: bool = True
    writes: int = 0
    events: int = 0
    requests: int = 0
    lost: int = 0
    seen: set = field(default_factory=set)
    crashed: asyncio.Event = field(default_factory=asyncio.Event)


class Disturbed:
    """A transport that does what `faults` says."""

    def __init__(self, transport, faults):
        self.transport = transport
        self.faults = faults
        self.expired = set()

    async def request(self, method, path, **options):
        faults = self.faults
        if faults.crashed.is_set():
            raise ConnectFailed("this controller has crashed")
        faults.requests += 1
        if method == "GET":
            return await self.transport.request(method, path, **options)
        if "/events" in path:
            faults.events += 1
            return await self.transport.request(method, path, **options)
        faults.writes += 1
        if faults.writes != faults.crash_at:
            return await self.transport.request(method, path, **options)
        faults.crashed.set()
        if faults.crash_after:
            await self.transport.request(method, path, **options)
        raise ConnectFailed("this controller crashes here")

    @contextlib.asynccontextmanager
    async def stream(self, method, path, *, query="", **options):
        key = (path, *(part for part in query.split("&") if "elector" in part))
        is_initial = "sendInitialEvents=true" in query
        if key in self.expired and not is_initial:
            self.expired.discard(key)
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "lost"}
            yield Lines(410, {}, _once(json.dumps(status).encode()))
            return
        async with self.transport.stream(method, path, query=query, **options) as streaming:
            if streaming.status != 200:
                yield streaming
                return
            lines = self._lines(streaming, key, is_initial)
            if self.faults.late_seconds:
                lines = _late(lines, self.faults.late_seconds)
            async with contextlib.aclosing(lines):
                yield Lines(streaming.status, streaming.headers, lines)

    async def _lines(self, streaming, key, is_initial):
        rest = b""
        async for piece in streaming:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                event = json.loads(line)
                metadata = event["object"].get("metadata", {})
                if event["type"] == "BOOKMARK":
                    is_initial = False
                elif self.faults.drop and not is_initial:
                    name = (*key, event["type"], metadata.get("uid"), metadata["resourceVersion"])
                    if name not in self.faults.seen:
                        self.faults.seen.add(name)
                        self.faults.lost += 1
                        self.expired.add(key)
                        raise WatchBroken("an event was lost")
                yield line + b"\n"
                if self.faults.duplicate:
                    yield line + b"\n"
        if rest:
            yield rest

    async def close(self):
        await self.transport.close()


class Lines:
    """An answer that is still coming."""

    def __init__(self, status, headers, pieces):
        self.status = status
        self.headers = headers
        self._pieces = pieces

    def __aiter__(self):
        return self._pieces


async def _once(piece):
    yield piece


async def _late(lines, seconds):
    """Give each line `seconds` after it came."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()

    async def take():
        try:
            async for line in lines:
                queue.put_nowait((loop.time() + seconds, line, None))
        except Exception as error:
            queue.put_nowait((loop.time() + seconds, None, error))
        queue.put_nowait((loop.time() + seconds, None, None))

    taking = asyncio.ensure_future(take())
    try:
        while True:
            due, line, error = await queue.get()
            await asyncio.sleep(due - loop.time())
            if error is not None:
                raise error
            if line is None:
                return
            yield line
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def hold(build, act, *, prepare=None, settle_seconds=300.0, sides=("before", "after")):
    """Show that the controllers of `build()` end in one state, whatever happens to them.

    `prepare(world)` makes the world; `act(world, settle)` is what the user does while they work,
    with `await settle()` between the steps. `sides` says on which side of each write they are
    killed: `()` not at all. Returns (end state, number of writes) of the
    undisturbed run.
    """
    plain_faults = Faults()
    expected = await _ended(build, act, prepare, plain_faults, settle_seconds)
    kinds = {
        "lost": Faults(drop=True),
        "told twice": Faults(duplicate=True),
        "late": Faults(late_seconds=3.0),
    }
    for name, faults in kinds.items():
        ended = await _ended(build, act, prepare, faults, settle_seconds)
        assert ended == expected, f"with every event {name}: {_difference(expected, ended)}"
    for number in range(1, plain_faults.writes + 1):
        for side in sides:
            faults = Faults(crash_at=number, crash_after=side == "after")
            ended = await _ended(build, act, prepare, faults, settle_seconds)
            where = f"when killed {side} write {number}"
            assert ended == expected, f"{where}: {_difference(expected, ended)}"
    return expected, plain_faults.writes


def _difference(expected, ended):
    """Return what is only in one of the two end states."""
    missing = [one for one in expected if one not in ended]
    extra = [one for one in ended if one not in expected]
    return f"another end state: missing {json.dumps(missing)}, instead {json.dumps(extra)}"


async def _ended(build, act, prepare, faults, settle_seconds):
    """Let it all happen, starting the controllers anew when they crash; return the end state."""
    async with World() as world:
        if prepare is not None:
            await prepare(world)
        crew = Crew(world, build, faults, settle_seconds)
        await crew.start()
        await act(world, crew.settle)
        await crew.settle()
        await crew.stop()
        ended = await world.state()
        # Once more from the beginning: who starts in the desired state has nothing to write.
        again = Crew(world, build, Faults(), settle_seconds)
        await again.start()
        await again.settle()
        await again.stop()
        writes = [str(one) for record in again.records for one in record.writes]
        assert again.faults.writes == 0, f"a second start wrote: {writes}"
        assert again.faults.events == 0, "a second start told again what it had told"
        return ended


class Crew:
    """Controllers that are started again when they have crashed."""

    def __init__(self, world, build, faults, settle_seconds):
        self.world = world
        self.build = build
        self.faults = faults
        self.settle_seconds = settle_seconds
        self.records = []
        self.manager = None

    async def start(self):
        client = self.world.client_of("controller", self.faults)
        self.manager = Manager(client, self.build())
        self.manager.trace.subscribe(self.records.append)
        await self.manager.start()

    async def settle(self):
        """Wait until all is done, through a crash if there is one."""
        quiet = 0.05 + 2 * self.faults.late_seconds  # longer than anything is on its way
        settled = asyncio.ensure_future(self.manager.settle(quiet, self.settle_seconds))
        crashed = asyncio.ensure_future(self.faults.crashed.wait())
        await asyncio.wait((settled, crashed), return_when=asyncio.FIRST_COMPLETED)
        crashed.cancel()
        if not self.faults.crashed.is_set():
            await settled
            return
        settled.cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await settled
        await self.manager.kill()
        self.faults = Faults()
        await self.start()
        await self.manager.settle(timeout_seconds=self.settle_seconds)

    async def stop(self):
        await self.manager.stop()


VOLATILE = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "generation",
    "observedGeneration",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastProbeTime",
    "lastHeartbeatTime",
    "startTime",
    "timeAdded",
    # Drawn from what is free.
    "clusterIP",
    "clusterIPs",
    "nodePort",
}


UNORDERED = {"endpoints", "taints", "conditions"}
"""Lists whose order follows from names that are drawn, or from what came first."""


def plain(obj, drawn=None):
    """Return an object without times, uids, revisions, and with `drawn` names replaced."""
    return _plain(obj, drawn or {})


def _plain(value, drawn):
    if isinstance(value, dict):
        found = {key: _plain(one, drawn) for key, one in value.items() if key not in VOLATILE}
        for key in UNORDERED & found.keys():
            if isinstance(found[key], list):
                found[key].sort(key=lambda one: json.dumps(one, sort_keys=True))
        return found
    if isinstance(value, list):
        return [_plain(one, drawn) for one in value]
    return drawn.get(value, value) if isinstance(value, str) else value


__all__ = ["Crew", "Disturbed", "Faults", "World", "hold", "plain"]
